#include "hsm/sks_blob.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/crypto.h"
#include "base/wire.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr size_t kVersionAt = 4;
constexpr size_t kFormAt = 5;
constexpr size_t kIdAt = 6;
constexpr size_t kSealedAt = 22;

AttributeSet SecretKey(size_t value_size) {
  AttributeSet attributes;
  attributes.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  attributes.SetUlong(CKA_KEY_TYPE, CKK_AES);
  attributes.SetBool(CKA_TOKEN, true);
  attributes.SetBool(CKA_PRIVATE, true);
  attributes.SetBool(CKA_SENSITIVE, true);
  attributes.SetBool(CKA_EXTRACTABLE, false);
  attributes.Set(CKA_OUID, Bytes(12, 0x4f));
  attributes.Set(CKA_VALUE, Bytes(value_size, 0xa5));
  return attributes;
}

Statement Origin() {
  Statement origin;
  origin.serial = "1234567";
  origin.model = "Application HSM";
  origin.firmware = {7, 7, 0};
  origin.partition_version = 1;
  return origin;
}

ObjectRef Key(size_t value_size,
              std::optional<Statement> origin = std::nullopt) {
  return std::make_shared<const Object>(1, 1, SecretKey(value_size),
                                        std::move(origin));
}

CK_RV OpenRv(const Smk& smk, ByteSpan blob) {
  const Smk* const smks[] = {&smk};
  return base::CkRv(OpenSks(smks, blob).status());
}

class SksBlobTest : public testing::Test {
 protected:
  const Smk smk_ = Smk::Generate().value();
  const Smk other_ = Smk::Generate().value();
};

TEST_F(SksBlobTest, EveryAttributeAndTheOriginComeBack) {
  const ObjectRef objects[] = {Key(32), Key(16, Origin())};
  const Bytes blob = SealSks(smk_, objects).value();
  const Smk* const smks[] = {&other_, &smk_};
  const std::vector<SksObject> opened = OpenSks(smks, blob).value();
  ASSERT_EQ(opened.size(), 2u);
  EXPECT_EQ(opened[0].attributes, objects[0]->attributes());
  EXPECT_FALSE(opened[0].origin.has_value());
  EXPECT_EQ(opened[1].attributes, objects[1]->attributes());
  ASSERT_TRUE(opened[1].origin.has_value());
  EXPECT_EQ(wire::Encode(*opened[1].origin), wire::Encode(Origin()));
}

TEST_F(SksBlobTest, SizeIsToldBeforehand) {
  const ObjectRef objects[] = {Key(32), Key(16, Origin()), Key(1000)};
  for (size_t n = 1; n <= 3; ++n) {
    const auto some = absl::MakeConstSpan(objects, n);
    EXPECT_EQ(SealSks(smk_, some).value().size(), SksBlobSize(some));
  }
}

TEST_F(SksBlobTest, TwoBlobsOfOneObject_ShareOnlyTheBeginning) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes one = SealSks(smk_, objects).value();
  const Bytes two = SealSks(smk_, objects).value();
  EXPECT_EQ(Bytes(one.begin(), one.begin() + kSealedAt),
            Bytes(two.begin(), two.begin() + kSealedAt));
  // Behind the format, salt and ciphertext are others.
  EXPECT_NE(Bytes(one.begin() + kSealedAt + 1, one.begin() + kSealedAt + 33),
            Bytes(two.begin() + kSealedAt + 1, two.begin() + kSealedAt + 33));
  EXPECT_NE(Bytes(one.begin() + kSealedAt + 33, one.end()),
            Bytes(two.begin() + kSealedAt + 33, two.end()));
}

TEST_F(SksBlobTest, AnyByteAltered_IsRefusedWithTheCodeOfItsField) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes blob = SealSks(smk_, objects).value();
  for (size_t at = 0; at < blob.size(); ++at) {
    Bytes altered = blob;
    altered[at] ^= 1;
    CK_RV expected = CKR_SIM_CORRUPT_DATA;
    if (at == kVersionAt) expected = CKR_SIM_VERSION_UNSUPPORTED;
    if (at == kFormAt) expected = CKR_SIM_AUTHFORM_INVALID;
    if (at >= kIdAt && at < kSealedAt) expected = CKR_SMK_ID_NOT_FOUND;
    EXPECT_EQ(OpenRv(smk_, altered), expected) << "byte " << at;
  }
}

TEST_F(SksBlobTest, Truncated_OrLonger_IsRefused) {
  const ObjectRef objects[] = {Key(32)};
  Bytes blob = SealSks(smk_, objects).value();
  for (size_t size = 0; size < blob.size(); ++size) {
    EXPECT_EQ(OpenRv(smk_, ByteSpan(blob.data(), size)), CKR_SIM_CORRUPT_DATA)
        << size;
  }
  blob.push_back(0);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_CORRUPT_DATA);
  blob.resize(kLargestSksBlob + 1);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_CORRUPT_DATA);
}

TEST_F(SksBlobTest, AnotherSmk_IsRefused_AlsoUnderItsName) {
  const ObjectRef objects[] = {Key(32)};
  Bytes blob = SealSks(other_, objects).value();
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SMK_ID_NOT_FOUND);
  EXPECT_EQ(base::CkRv(OpenSks({}, blob).status()), CKR_SMK_ID_NOT_FOUND);
  std::copy(smk_.id().begin(), smk_.id().end(), blob.begin() + kIdAt);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_CORRUPT_DATA);
}

// A fitting tag is no excuse: who has the SMK may still be an HSM with a bug.
TEST_F(SksBlobTest, MalformedPlaintext_IsRefused) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes good = SealSks(smk_, objects).value();
  const Bytes beginning(good.begin(), good.begin() + kSealedAt);
  const auto sealed = [&](const Bytes& plaintext) {
    Bytes blob = beginning;
    const Bytes rest =
        SealSecret(smk_.key().Expose(),
                   "perigee sks blob " + std::string(base::AsText(beginning)),
                   plaintext)
            .value();
    blob.insert(blob.end(), rest.begin(), rest.end());
    return blob;
  };
  const auto item = [](ByteSpan attributes, size_t count) {
    wire::Writer w;
    w.U32(static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; ++i) {
      w.Sized(attributes);
      w.Bool(false);
    }
    return std::move(w).Take();
  };
  const SecretBytes attributes = SecretKey(32).Encode();
  ASSERT_EQ(OpenRv(smk_, sealed(item(attributes.Expose(), 1))), CKR_OK);
  EXPECT_EQ(OpenRv(smk_, sealed({})), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(item({}, 0))), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(Bytes(4, 0xff))), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(item(Bytes(7, 1), 1))), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(item(AttributeSet().Encode().Expose(),
                                     kMostSksObjects + 1))),
            CKR_SIM_CORRUPT_DATA);
  Bytes more = item(attributes.Expose(), 1);
  more.push_back(0);
  EXPECT_EQ(OpenRv(smk_, sealed(more)), CKR_SIM_CORRUPT_DATA);
}

TEST_F(SksBlobTest, TooManyOrTooMuch_IsNotSealed) {
  EXPECT_EQ(base::CkRv(SealSks(smk_, {}).status()), CKR_ARGUMENTS_BAD);
  const std::vector<ObjectRef> many(kMostSksObjects + 1, Key(1));
  EXPECT_EQ(base::CkRv(SealSks(smk_, many).status()), CKR_ARGUMENTS_BAD);

  const size_t overhead = SksBlobSize(std::vector<ObjectRef>{Key(1)}) - 1;
  const ObjectRef full[] = {Key(kLargestSksBlob - overhead)};
  EXPECT_EQ(OpenRv(smk_, SealSks(smk_, full).value()), CKR_OK);
  const ObjectRef over[] = {Key(kLargestSksBlob - overhead + 1)};
  EXPECT_EQ(base::CkRv(SealSks(smk_, over).status()), CKR_DATA_LEN_RANGE);
}

TEST(Smk, IdComesOfTheKey) {
  const Smk smk = Smk::Generate().value();
  EXPECT_EQ(Smk::Of(smk.key().Clone()).value().id(), smk.id());
  EXPECT_NE(Smk::Generate().value().id(), smk.id());
  EXPECT_EQ(base::CkRv(Smk::Of(SecretBytes(31)).status()), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace hsm
