// The n-th operation of the store fails, for every n: afterwards everything is
// as before or as after, and a wrong PIN was counted or not answered.
#include <gtest/gtest.h>

#include <functional>

#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::Data;
using testkit::List;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;

// An HSM over a store with faults.
struct FaultyHsm {
  explicit FaultyHsm(const HsmSpec& spec) {
    auto store = std::make_unique<FaultStore>(NewMemoryStore());
    faults = store.get();
    hsm = *Hsm::CreateForTest(spec, std::move(store), testkit::TestFleet());
  }
  Partition& first() { return *hsm->Find(1); }

  FaultStore* faults = nullptr;
  std::unique_ptr<Hsm> hsm;
};

// Runs `work` on fresh HSMs (made by `prepare`) with a fault at each of its
// operations in turn, and `check` after each with the status of `work`.
// Returns how many faults it took.
int ForEachFault(const std::function<void(FaultyHsm&)>& prepare,
                 const std::function<absl::Status(FaultyHsm&)>& work,
                 const std::function<void(FaultyHsm&, bool ok)>& check) {
  for (int n = 1; n < 500; ++n) {
    FaultyHsm hsm(AppSpec());
    prepare(hsm);
    hsm.faults->FailAt(n);
    const absl::Status status = work(hsm);
    const bool reached = hsm.faults->operations() >= n;
    hsm.faults->FailAt(0);
    check(hsm, status.ok());
    if (!reached) return n - 1;
  }
  ADD_FAILURE() << "never ends";
  return 0;
}

TEST(Faults, WhileObjectsAreMade_AllOrNone) {
  LoginRef co;
  const int faults =
      ForEachFault([&](FaultyHsm& hsm) { co = MakeOfficer(hsm.first()); },
                   [&](FaultyHsm& hsm) {
                     return hsm.first()
                         .Create(co.get(), List(SecretKey("1"), Data("a")))
                         .status();
                   },
                   [&](FaultyHsm& hsm, bool ok) {
                     auto found = hsm.first().Find(co.get(), {});
                     ASSERT_TRUE(found.ok()) << found.status();
                     EXPECT_EQ(found->size(), ok ? 2u : 0u);
                   });
  EXPECT_GT(faults, 5);
}

TEST(Faults, WhileAPinIsChanged_OneOfTheTwoIsRight) {
  const int faults = ForEachFault(
      [](FaultyHsm& hsm) { MakeOfficer(hsm.first()); },
      [](FaultyHsm& hsm) {
        return hsm.first().ChangePin(Role::kCo, Pin("co-pin-1"),
                                     Pin("co-pin-2"));
      },
      [](FaultyHsm& hsm, bool ok) {
        const char* right = ok ? "co-pin-2" : "co-pin-1";
        EXPECT_TRUE(hsm.first().Unlock(Role::kCo, Pin(right)).ok());
      });
  EXPECT_GT(faults, 3);
}

TEST(Faults, WhileAWrongPinIsTried_ItIsCountedOrNotAnswered) {
  absl::Status status;
  const int faults = ForEachFault(
      [](FaultyHsm& hsm) { MakeOfficer(hsm.first()); },
      [&](FaultyHsm& hsm) {
        return status = hsm.first().Unlock(Role::kCo, Pin("wrong")).status();
      },
      [&](FaultyHsm& hsm, bool) {
        const uint32_t counted = hsm.first().State(Role::kCo)->failures;
        EXPECT_EQ(counted, Rv(status) == CKR_PIN_INCORRECT ? 1u : 0u) << status;
      });
  EXPECT_GT(faults, 3);
}

TEST(Faults, WhileAPartitionIsMadeAnew_OldOrNew) {
  LoginRef co;
  const int faults = ForEachFault(
      [&](FaultyHsm& hsm) {
        co = MakeOfficer(hsm.first());
        ASSERT_TRUE(hsm.first().Create(co.get(), List(SecretKey("1"))).ok());
      },
      [](FaultyHsm& hsm) {
        return hsm.first().Init("new", Pin("po-pin-1"), {});
      },
      [&](FaultyHsm& hsm, bool ok) {
        EXPECT_EQ(hsm.first().Info()->label, ok ? "new" : "token");
        auto found = hsm.first().Find(co.get(), {});
        EXPECT_EQ(Rv(found), ok ? CK_RV{CKR_DEVICE_REMOVED} : CK_RV{CKR_OK});
        EXPECT_TRUE(hsm.first().Unlock(Role::kSo, Pin("po-pin-1")).ok());
      });
  EXPECT_GT(faults, 10);
}

TEST(Faults, WhileAnHsmIsZeroized_BeforeOrAfter) {
  const int faults =
      ForEachFault([](FaultyHsm& hsm) { LogInSo(*hsm.hsm); },
                   [](FaultyHsm& hsm) { return hsm.hsm->Zeroize(); },
                   [](FaultyHsm& hsm, bool ok) {
                     EXPECT_EQ(hsm.hsm->Info()->zeroized, ok);
                     EXPECT_EQ(hsm.hsm->Partitions()->size(), ok ? 0u : 1u);
                   });
  EXPECT_GT(faults, 5);
}

}  // namespace
}  // namespace hsm
