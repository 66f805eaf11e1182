// Fails the n-th store operation of a scenario, for every n, once and for
// good; after each the store on disk is reopened and must be as it was before
// or after the step that failed, with both trees intact.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>

#include "base/crypto.h"
#include "hsm/sqlite_store.h"
#include "hsm/temporary_directory.h"
#include "hsm/test_stores.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

constexpr SpaceId kSpace = 1;

KeyRing FixedRing() {
  return {SecretBytes::CopyOf(Bytes(32, 1)), SecretBytes::CopyOf(Bytes(32, 2)),
          SecretBytes::CopyOf(Bytes(32, 3))};
}

// id -> (version, text), as a reader sees the whole space.
using Contents = std::map<uint64_t, std::pair<uint64_t, std::string>>;

absl::StatusOr<Contents> ReadAll(Store& store) {
  Vault vault(&store, kSpace);
  const KeyRing keys = FixedRing();
  Contents contents;
  RETURN_IF_ERROR(store.Read([&](Reader& reader) {
    RETURN_IF_ERROR(vault.CheckAll(reader, keys));
    ASSIGN_OR_RETURN(const auto stamps,
                     vault.Find(reader, keys, std::nullopt, {}));
    for (const RecordStamp& stamp : stamps) {
      ASSIGN_OR_RETURN(const Vault::Opened opened,
                       vault.Open(reader, keys, stamp.id));
      contents[stamp.id] = {
          opened.version, std::string(base::AsText(opened.plaintext.Expose()))};
    }
    return absl::OkStatus();
  }));
  return contents;
}

Vault::Draft DraftOf(absl::string_view text, Vault::KeyNumber key) {
  Vault::Draft draft;
  draft.key = key;
  draft.plaintext = base::AsBytes(text);
  draft.tagged = {{3, draft.plaintext}};
  return draft;
}

// The scenario: each step one transaction.
using Step = absl::Status (*)(Vault&, Transaction&, const KeyRing&);
const Step kSteps[] = {
    [](Vault& vault, Transaction& tx, const KeyRing& keys) {
      RETURN_IF_ERROR(
          vault.Begin(tx, Vault::kPublicKey, keys.public_key.Expose()));
      return vault.Begin(tx, Vault::kPrivateKey, keys.private_key.Expose());
    },
    // A key pair: both or none.
    [](Vault& vault, Transaction& tx, const KeyRing& keys) {
      RETURN_IF_ERROR(
          vault.Insert(tx, keys, DraftOf("public", Vault::kPublicKey))
              .status());
      return vault.Insert(tx, keys, DraftOf("private", Vault::kPrivateKey))
          .status();
    },
    [](Vault& vault, Transaction& tx, const KeyRing& keys) {
      return vault
          .Replace(tx, keys, 2, 1, DraftOf("changed", Vault::kPrivateKey))
          .status();
    },
    [](Vault& vault, Transaction& tx, const KeyRing& keys) {
      return vault
          .Replace(tx, keys, 1, 1, DraftOf("hidden", Vault::kPrivateKey))
          .status();
    },
    [](Vault& vault, Transaction& tx, const KeyRing& keys) {
      return vault.Erase(tx, keys, 2);
    },
};

const Contents kAfter[] = {
    {},
    {{1, {1, "public"}}, {2, {1, "private"}}},
    {{1, {1, "public"}}, {2, {2, "changed"}}},
    {{1, {2, "hidden"}}, {2, {2, "changed"}}},
    {{1, {2, "hidden"}}},
};

// Runs the scenario until a step fails; the number of steps that were done.
size_t RunScenario(Store& store) {
  Vault vault(&store, kSpace);
  const KeyRing keys = FixedRing();
  size_t done = 0;
  for (const Step step : kSteps) {
    const absl::Status status = store.Write(
        kSpace, [&](Transaction& tx) { return step(vault, tx, keys); });
    if (!status.ok()) {
      EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR) << status;
      break;
    }
    ++done;
  }
  return done;
}

TEST(VaultFaultTest, NthOperationFails_StateIsBeforeOrAfter) {
  int operations = 0;
  {
    FaultStore store(NewMemoryStore());
    ASSERT_EQ(RunScenario(store), std::size(kSteps));
    operations = store.operations();
    ASSERT_GT(operations, 50);
  }
  TemporaryDirectory empty;
  ASSERT_TRUE(CreateSqliteStore(empty.path()).ok());
  for (int n = 1; n <= operations; ++n) {
    TemporaryDirectory directory;
    std::filesystem::copy(empty.path(), directory.path());
    size_t done = 0;
    {
      FaultStore store(*OpenSqliteStore(directory.path()));
      store.FailAt(n, /*sticky=*/n % 2 == 0);
      done = RunScenario(store);
      ASSERT_LT(done, std::size(kSteps)) << n;
    }
    auto store = *OpenSqliteStore(directory.path());
    if (done == 0) {
      // Without a tree nothing can be read, and nothing is there.
      ASSERT_TRUE(store
                      ->Read([&](Reader& reader) {
                        EXPECT_TRUE(reader.ListValues(kSpace, "")->empty());
                        return absl::OkStatus();
                      })
                      .ok());
      continue;
    }
    auto contents = ReadAll(*store);
    ASSERT_TRUE(contents.ok()) << n << ": " << contents.status();
    EXPECT_EQ(*contents, kAfter[done - 1]) << n;
  }
}

TEST(VaultFaultTest, ReadsThatFail_AreErrorsAndLaterReadsAreRight) {
  FaultStore store(NewMemoryStore());
  ASSERT_EQ(RunScenario(store), std::size(kSteps));
  store.FailAt(0);
  Vault vault(&store, kSpace);
  const KeyRing keys = FixedRing();
  auto open = [&] {
    return store.Read(
        [&](Reader& reader) { return vault.Open(reader, keys, 1).status(); });
  };
  ASSERT_TRUE(open().ok());
  const int operations = store.operations();
  for (int n = 1; n <= operations; ++n) {
    Vault fresh(&store, kSpace);
    auto open_fresh = [&] {
      return store.Read(
          [&](Reader& reader) { return fresh.Open(reader, keys, 1).status(); });
    };
    store.FailAt(n);
    const absl::Status status = open_fresh();
    // Only a generation can be done without.
    if (!status.ok()) {
      EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR) << n;
    }
    EXPECT_TRUE(open_fresh().ok()) << n;
  }
}

TEST(FaultStoreTest, FailsOnceOrForGoodAndCounts) {
  FaultStore store(NewMemoryStore());
  auto read = [&] {
    return store.Read([](Reader&) { return absl::OkStatus(); }).ok();
  };
  store.FailAt(2);
  EXPECT_TRUE(read());
  EXPECT_FALSE(read());
  EXPECT_TRUE(read());
  EXPECT_EQ(store.operations(), 3);
  store.FailAt(1, /*sticky=*/true);
  EXPECT_FALSE(read());
  EXPECT_FALSE(read());
  EXPECT_EQ(store.Generation(1), Store::kBusy);
  store.FailAt(0);
  EXPECT_TRUE(read());
}

}  // namespace
}  // namespace hsm
