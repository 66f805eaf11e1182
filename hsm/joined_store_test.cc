#include "hsm/joined_store.h"

#include <gtest/gtest.h>

#include "hsm/signed_values.h"
#include "hsm/test_stores.h"

namespace hsm {
namespace {

std::optional<Bytes> ValueOf(Store& store, absl::string_view name) {
  std::optional<Bytes> value;
  EXPECT_TRUE(store
                  .Read([&](Reader& reader) -> absl::Status {
                    value = *reader.GetValue(1, name);
                    return absl::OkStatus();
                  })
                  .ok());
  return value;
}

absl::Status Put(Store& store, absl::string_view name, Bytes value) {
  return store.Write(
      1, [&](Transaction& tx) { return tx.PutValue(1, name, value); });
}

TEST(JoinedStore, NestedWritesAreOneCommit) {
  JoinedStore store(NewMemoryStore());
  ASSERT_TRUE(store
                  .Write(0,
                         [&](Transaction&) -> absl::Status {
                           EXPECT_TRUE(store.InWrite());
                           RETURN_IF_ERROR(Put(store, "a", {1}));
                           EXPECT_EQ(ValueOf(store, "a"), Bytes{1});
                           return Put(store, "b", {2});
                         })
                  .ok());
  EXPECT_FALSE(store.InWrite());
  EXPECT_EQ(ValueOf(store, "a"), Bytes{1});
  EXPECT_EQ(ValueOf(store, "b"), Bytes{2});
}

TEST(JoinedStore, AFailureOutside_TakesTheNestedWritesBack) {
  JoinedStore store(NewMemoryStore());
  EXPECT_FALSE(store
                   .Write(0,
                          [&](Transaction&) -> absl::Status {
                            RETURN_IF_ERROR(Put(store, "a", {1}));
                            return base::Error(CKR_FUNCTION_FAILED, "no");
                          })
                   .ok());
  EXPECT_EQ(ValueOf(store, "a"), std::nullopt);
}

TEST(JoinedStore, AFailureInside_IsUndoneAlone) {
  JoinedStore store(NewMemoryStore());
  const absl::Status status = store.Write(0, [&](Transaction&) -> absl::Status {
    RETURN_IF_ERROR(Put(store, "a", {1}));
    const absl::Status failed = store.Write(1, [&](Transaction&) {
      EXPECT_TRUE(Put(store, "a", {2}).ok());
      EXPECT_TRUE(Put(store, "b", {2}).ok());
      return base::Error(CKR_DEVICE_MEMORY, "full");
    });
    EXPECT_EQ(base::CkRv(failed), CK_RV{CKR_DEVICE_MEMORY});
    EXPECT_EQ(ValueOf(store, "a"), Bytes{1});
    return Put(store, "c", {3});
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ValueOf(store, "a"), Bytes{1});
  EXPECT_EQ(ValueOf(store, "b"), std::nullopt);
  EXPECT_EQ(ValueOf(store, "c"), Bytes{3});
}

TEST(JoinedStore, InsideAWrite_NoGenerationIsKnown) {
  JoinedStore store(NewMemoryStore());
  EXPECT_NE(store.Generation(1), kBusyGeneration);
  ASSERT_TRUE(store
                  .Write(0,
                         [&](Transaction&) {
                           EXPECT_EQ(store.Generation(1), kBusyGeneration);
                           return absl::OkStatus();
                         })
                  .ok());
}

TEST(JoinedStore, TwoStoresOnOneThread_DoNotMix) {
  JoinedStore outer(NewMemoryStore()), inner(NewMemoryStore());
  EXPECT_FALSE(outer
                   .Write(0,
                          [&](Transaction&) -> absl::Status {
                            RETURN_IF_ERROR(Put(inner, "a", {1}));
                            RETURN_IF_ERROR(Put(outer, "a", {1}));
                            return base::Error(CKR_FUNCTION_FAILED, "no");
                          })
                   .ok());
  EXPECT_EQ(ValueOf(inner, "a"), Bytes{1});
  EXPECT_EQ(ValueOf(outer, "a"), std::nullopt);
}

SecretBytes Key(uint8_t byte) {
  return SecretBytes(base::WipedVector(32, byte));
}

class SignedValuesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> store_ = NewMemoryStore();
  SignedValues values_{Key(1)};

  absl::StatusOr<std::optional<SignedValue>> Load(absl::string_view name,
                                                  const SignedValues& by) {
    absl::StatusOr<std::optional<SignedValue>> loaded;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) {
                      loaded = by.Load(reader, 1, name);
                      return absl::OkStatus();
                    })
                    .ok());
    return loaded;
  }
  void Save(absl::string_view name, Bytes body, const SecretBytes* trust) {
    ASSERT_TRUE(store_
                    ->Write(1,
                            [&](Transaction& tx) {
                              return values_.Save(tx, 1, name, body, trust);
                            })
                    .ok());
  }
};

TEST_F(SignedValuesTest, ComeBackAsTheyWere) {
  EXPECT_FALSE(Load("a", values_)->has_value());
  Save("a", {1, 2}, nullptr);
  EXPECT_EQ((*Load("a", values_))->body, (Bytes{1, 2}));
}

TEST_F(SignedValuesTest, UnderAnotherKey_AreRefused) {
  Save("a", {1, 2}, nullptr);
  EXPECT_EQ(base::CkRv(Load("a", SignedValues(Key(2))).status()),
            CK_RV{CKR_DEVICE_ERROR});
}

TEST_F(SignedValuesTest, UnderAnotherName_AreRefusedAndNamed) {
  Save("a", {1, 2}, nullptr);
  ASSERT_TRUE(store_
                  ->Write(1,
                          [](Transaction& tx) -> absl::Status {
                            return tx.PutValue(1, "b", **tx.GetValue(1, "a"));
                          })
                  .ok());
  const auto loaded = Load("b", values_);
  EXPECT_EQ(base::CkRv(loaded.status()), CK_RV{CKR_DEVICE_ERROR});
  EXPECT_NE(std::string(loaded.status().message()).find("\"b\""),
            std::string::npos);
}

TEST_F(SignedValuesTest, TrustIsASecondSignature) {
  const SecretBytes trust = Key(3);
  Save("a", {1}, &trust);
  Save("b", {1}, nullptr);
  EXPECT_TRUE(
      SignedValues::CheckTrust(trust, 1, "a", **Load("a", values_)).ok());
  EXPECT_FALSE(
      SignedValues::CheckTrust(trust, 1, "b", **Load("b", values_)).ok());
  EXPECT_FALSE(
      SignedValues::CheckTrust(Key(4), 1, "a", **Load("a", values_)).ok());
}

}  // namespace
}  // namespace hsm
