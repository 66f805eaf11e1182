// HSMs in memory with initialised partitions, for the tests of cloning.
#ifndef PERIGEE_CLONING_TEST_ENDS_H_
#define PERIGEE_CLONING_TEST_ENDS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "hsm/hsm.h"
#include "hsm/test_stores.h"

namespace cloning {

inline constexpr char kTestDomain[] = "the domain of the tests";

inline base::SecretBytes Pin(absl::string_view text) {
  return base::SecretBytes::CopyOf(base::AsBytes(text));
}

// One root for all HSMs of a test program.
inline const hsm::Fleet& TestFleet() {
  static const hsm::Fleet* const fleet = [] {
    const base::Bytes random = base::RandomBytes(8).value();
    std::string name = ::testing::TempDir() + "fleet-";
    for (uint8_t byte : random) name += static_cast<char>('a' + byte % 16);
    return new hsm::Fleet(hsm::Fleet::OpenOrCreate(name).value());
  }();
  return *fleet;
}

// A login of `role`, whose first PIN was changed if it had to be.
inline hsm::LoginRef LogIn(hsm::Partition& partition, hsm::Role role,
                           absl::string_view pin) {
  hsm::LoginRef login = partition.Unlock(role, Pin(pin)).value();
  if (!login->must_change_pin()) return login;
  const std::string changed = std::string(pin) + "-changed";
  EXPECT_TRUE(partition.ChangePin(role, Pin(pin), Pin(changed)).ok());
  return partition.Unlock(role, Pin(changed)).value();
}

// A partition with a PO and a CO, in the test domain.
struct TestPartition {
  TestPartition(hsm::Partition* made, absl::string_view domain)
      : partition(made) {
    EXPECT_TRUE(
        partition->Init("partition", Pin("so-password"), base::AsBytes(domain))
            .ok());
    po = LogIn(*partition, hsm::Role::kSo, "so-password");
    EXPECT_TRUE(
        partition->InitRole(*po, hsm::Role::kCo, Pin("co-password")).ok());
    co = LogIn(*partition, hsm::Role::kCo, "co-password");
  }

  hsm::LoginRef NewCryptoUser() {
    EXPECT_TRUE(
        partition->InitRole(*co, hsm::Role::kCu, Pin("cu-password")).ok());
    return LogIn(*partition, hsm::Role::kCu, "cu-password");
  }

  uint64_t Add(hsm::AttributeSet attributes) {
    std::vector<hsm::NewObject> objects;
    objects.push_back({std::move(attributes), std::nullopt});
    return partition->Create(co.get(), std::move(objects)).value().at(0);
  }
  hsm::ObjectRef Get(uint64_t handle) {
    return partition->Get(co.get(), handle).value();
  }
  // All of an object but what is never cloned.
  hsm::AttributeSet Content(uint64_t handle) {
    hsm::AttributeSet attributes = Get(handle)->attributes();
    attributes.Erase(CKA_UNIQUE_ID);
    return attributes;
  }
  std::vector<uint64_t> Handles() {
    return partition->Find(co.get(), hsm::AttributeSet()).value();
  }
  void SetPolicy(uint32_t number, uint64_t value) {
    const absl::Status set =
        partition->SetPolicies(*po, {{number, value}}, true);
    EXPECT_TRUE(set.ok()) << set;
  }

  hsm::Partition* partition;
  hsm::LoginRef po;
  hsm::LoginRef co;
};

struct TestHsm {
  static hsm::HsmSpec ApplicationSpec() {
    hsm::HsmSpec spec;
    spec.name = "app";
    spec.kind = hsm::Kind::kApplication;
    spec.model = "perigee";
    return spec;
  }
  static hsm::HsmSpec BackupSpec() {
    hsm::HsmSpec spec;
    spec.name = "backup";
    spec.kind = hsm::Kind::kBackup;
    spec.model = "luna-g7-backup";
    return spec;
  }

  explicit TestHsm(hsm::HsmSpec spec = ApplicationSpec(),
                   std::unique_ptr<hsm::Store> store = hsm::NewMemoryStore()) {
    spec.kdf_cost = hsm::KdfCost::kTest;
    hsm = hsm::Hsm::CreateForTest(spec, std::move(store), TestFleet()).value();
    EXPECT_TRUE(hsm->Init("hsm", Pin("hsm-so-password"), {}).ok());
    so = LogIn(hsm->admin(), hsm::Role::kSo, "hsm-so-password");
  }

  TestPartition Make(hsm::PartitionSpec spec = {},
                     absl::string_view domain = kTestDomain) {
    spec.label = "partition " + std::to_string(++made);
    const hsm::SpaceId space = hsm->CreatePartition(*so, spec).value();
    return TestPartition(hsm->Find(space), domain);
  }

  std::unique_ptr<hsm::Hsm> hsm;
  hsm::LoginRef so;
  int made = 0;
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_TEST_ENDS_H_
