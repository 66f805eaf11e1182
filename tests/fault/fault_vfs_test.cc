// The disk fails under a life of two HSMs, at each of its operations in turn
// and in each way that it can: an error, a write by half, full, no power. What
// is opened afterwards is as it was before or after the step that was going
// on, in every attribute of every object, and goes on from there.
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cloning/test_objects.h"
#include "hsm/hsm.h"
#include "hsm/test_hsm.h"
#include "tests/fault/fault_disk.h"
#include "tests/fault/fault_machine.h"
#include "tests/fault/fault_share.h"

namespace fault {
namespace {

namespace fs = std::filesystem;
using hsm::Role;
using hsm::testkit::Pin;

struct Scenario {
  const char* name;
  Image image;  // what is there when it begins
  absl::Status (*step)(Machine&);
  // Whether what it does shows afterwards, and also after another login.
  bool changes = true;
  bool survives_login = true;
  // Each object on its own: some may be there, and not all.
  bool piecewise = false;
};

const Scenario kScenarios[] = {
    {"MakeFleet", Image::kNothing, [](Machine& m) { return m.MakeFleet(); }},
    {"MakeHsm", Image::kFleet,
     [](Machine& m) { return m.Make("app", hsm::testkit::AppSpec()); }},
    {"InitHsm", Image::kNew,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Hsm* const app, m.App());
       return app->Init("hsm", Pin("so-pin-1"), {});
     }},
    {"InitToken", Image::kNew,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       return first->Init("token", Pin("po-pin-1"), {});
     }},
    {"InitTokenAgain", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       return first->Init("new", Pin("po-pin-1"), {});
     }},
    {"InitRole", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       return first->InitRole(*co, Role::kCu, Pin("cu-pin-1"));
     }},
    {"Login", Image::kUsed, [](Machine& m) { return m.Co().status(); }, false},
    {"WrongPin", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       const absl::Status wrong =
           first->Unlock(Role::kCo, Pin("wrong")).status();
       // It was counted when the answer is this one.
       return base::CkRv(wrong) == CKR_PIN_INCORRECT ? absl::OkStatus() : wrong;
     },
     true, false},
    {"CreateObject", Image::kUsed,
     [](Machine& m) {
       return m.Create(
           New(cloning::DataObject("new", 16, /*is_private=*/true)));
     }},
    {"CreateLargeObject", Image::kUsed,
     [](Machine& m) {
       return m.Create(New(cloning::DataObject("large", 50000)));
     }},
    {"CreatePair", Image::kUsed,
     [](Machine& m) {
       return m.Create(
           New(cloning::EcPublicKey("pair"), cloning::EcPrivateKey("pair")));
     }},
    {"SetAttribute", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       ASSIGN_OR_RETURN(const hsm::ObjectRef note, m.Named(*co, "note"));
       hsm::AttributeSet changed = note->attributes();
       changed.SetText(CKA_VALUE, std::string(3000, 'c'));
       changed.SetText(CKA_APPLICATION, "changed");
       return first->Replace(co.get(), *note, changed).status();
     }},
    {"DestroyObject", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       ASSIGN_OR_RETURN(const hsm::ObjectRef note, m.Named(*co, "note"));
       return first->Destroy(co.get(), note->handle());
     }},
    {"Clear", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       return first->Clear(co.get());
     }},
    {"ChangePin", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       return first->ChangePin(Role::kCo, Pin("co-pin-1"), Pin("co-pin-2"));
     }},
    {"SetPolicy", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef po,
                        first->Unlock(Role::kSo, Pin("po-pin-1")));
       return first->SetPolicies(*po, {{22, 1}}, false);
     }},
    {"Backup", Image::kUsed, [](Machine& m) { return m.Backup(); }, true, true,
     true},
    {"Restore", Image::kUsed, [](Machine& m) { return m.Restore(); }, true,
     true, true},
    {"RollSmk", Image::kSks, [](Machine& m) { return m.RollSmk(); }},
    {"DropFormerSmk", Image::kRolls,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       return first->DropFormerSmk(*co);
     }},
    {"TakeSmk", Image::kSks,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       static const hsm::Smk* const other = new hsm::Smk(*hsm::Smk::Generate());
       return first->TakeSmk(*co, *other).status();
     }},
    {"SetLegacyDomain", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Partition* const first, m.First());
       ASSIGN_OR_RETURN(const hsm::LoginRef co, m.Co());
       return first->SetLegacyDomain(*co, base::AsBytes("the old domain"));
     }},
    {"CreateContainer", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Hsm* const backup, m.BackupHsm());
       ASSIGN_OR_RETURN(const hsm::LoginRef so, m.BackupSo());
       hsm::PartitionSpec spec;
       spec.label = "second";
       spec.capacity = 50000;
       return backup->CreatePartition(*so, spec).status();
     }},
    {"ResizeContainer", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Hsm* const backup, m.BackupHsm());
       ASSIGN_OR_RETURN(const hsm::LoginRef so, m.BackupSo());
       return backup->ResizePartition(*so, 1, 300000);
     }},
    {"DeleteContainer", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Hsm* const backup, m.BackupHsm());
       ASSIGN_OR_RETURN(const hsm::LoginRef so, m.BackupSo());
       return backup->DeletePartition(*so, 1);
     }},
    {"UpdateFirmware", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Hsm* const backup, m.BackupHsm());
       ASSIGN_OR_RETURN(const hsm::LoginRef so, m.BackupSo());
       return backup->UpdateFirmware(*so, {7, 7, 2});
     }},
    {"Zeroize", Image::kUsed,
     [](Machine& m) -> absl::Status {
       ASSIGN_OR_RETURN(hsm::Hsm* const app, m.App());
       return app->Zeroize();
     }},
};

struct Trouble {
  const char* name;
  Fault fault;
  // For each n: 0 is the cut that loses all that was not synced.
  std::vector<unsigned> seeds;
};

std::vector<Trouble> Troubles(bool all) {
  std::vector<unsigned> cuts = {0, 1};
  if (all) cuts = {0, 1, 2, 3};
  return {{"error", Fault::kError, {0}},
          {"short write", Fault::kShort, {0}},
          {"full disk", Fault::kFull, {0}},
          {"power cut", Fault::kPowerCut, cuts}};
}

// The quick test takes every so many-th operation.
FaultShare Share() { return WantsAll() ? TheFaultShare() : FaultShare{1, 16}; }

// One run of a scenario with one fault.
class Trial {
 public:
  Trial(const Scenario& scenario, const State& before, const State& after)
      : scenario_(scenario), before_(before), after_(after) {}

  // False when the scenario was over before the fault came.
  bool With(Fault fault, int n, unsigned seed) {
    const fs::path root = Images::Copy(scenario_.image);
    absl::Status status;
    FaultDisk& disk = FaultDisk::Instance();
    {
      Machine machine(root);
      disk.Watch(root);
      disk.Arm(fault, n, seed == 0 ? 0 : 100000 * seed + n);
      status = scenario_.step(machine);
      // What this process believes, where it lives on and the disk is well.
      const bool lives = scenario_.survives_login &&
                         (fault == Fault::kError || fault == Fault::kShort);
      reached_ = disk.fired();
      // The last one comes right after the answer.
      if (fault == Fault::kPowerCut) disk.Cut();
      if (lives) {
        disk.Disarm();
        here_ = Describe(machine);
      }
    }
    disk.Settle();
    State found;
    {
      Machine machine(root);
      found = Describe(machine);
      Check(status, fault, found);
    }
    if (!status.ok() && found == before_ && scenario_.changes) {
      Machine machine(root);
      const absl::Status again = scenario_.step(machine);
      EXPECT_TRUE(again.ok()) << again;
      const State done = Describe(machine).Against(before_);
      EXPECT_TRUE(done == after_) << "done again\n" << Difference(after_, done);
    }
    fs::remove_all(root);
    return reached_;
  }

 private:
  void Check(const absl::Status& status, Fault fault, const State& found) {
    const State seen = found.Against(before_);
    if (status.ok()) {
      EXPECT_TRUE(seen == after_) << Difference(after_, seen);
    } else {
      EXPECT_TRUE(IsExpected(base::CkRv(status), fault)) << status;
      const bool between = scenario_.piecewise &&
                           seen.IsBetween(before_.Against(before_), after_);
      EXPECT_TRUE(found == before_ || seen == after_ || between)
          << status << "\nagainst before:\n"
          << Difference(before_, found) << "against after:\n"
          << Difference(after_, seen);
    }
    if (here_.has_value()) {
      EXPECT_TRUE(*here_ == found) << "the process believed something else\n"
                                   << Difference(*here_, found);
    }
  }

  bool IsExpected(CK_RV rv, Fault fault) const {
    const bool no_room =
        rv == CKR_DEVICE_MEMORY ||
        (scenario_.piecewise && rv == CKR_CONTAINER_OBJECT_STORAGE_FULL);
    if (fault == Fault::kFull) return no_room;
    // A write that ends early and says no more is one without room.
    return rv == CKR_DEVICE_ERROR || (fault == Fault::kShort && no_room);
  }

  const Scenario& scenario_;
  const State& before_;
  const State& after_;
  bool reached_ = false;
  std::optional<State> here_;
};

class VfsTest : public ::testing::TestWithParam<size_t> {
 protected:
  static void SetUpTestSuite() { UseFaultVfs(); }
};

TEST_P(VfsTest, AtEveryOperation_BeforeOrAfter) {
  const Scenario& scenario = kScenarios[GetParam()];
  State before, after;
  {
    const fs::path root = Images::Copy(scenario.image);
    Machine machine(root);
    before = Describe(machine);
    fs::remove_all(root);
  }
  {
    const fs::path root = Images::Copy(scenario.image);
    {
      Machine machine(root);
      const absl::Status status = scenario.step(machine);
      ASSERT_TRUE(status.ok()) << status;
    }
    Machine machine(root);
    after = Describe(machine).Against(before);
    fs::remove_all(root);
  }
  if (scenario.changes) {
    ASSERT_FALSE(after == before) << "nothing to see";
  }

  const FaultShare share = Share();
  for (const Trouble& trouble : Troubles(WantsAll())) {
    int runs = 0;
    int n = 1;
    for (const unsigned seed : trouble.seeds) {
      // Not always the same ones.
      n = share.FirstOf(static_cast<int>(GetParam() + seed));
      for (;; n += share.of) {
        SCOPED_TRACE(absl::StrCat(scenario.name, ", ", trouble.name,
                                  " at operation ", n, ", seed ", seed));
        ++runs;
        if (!Trial(scenario, before, after).With(trouble.fault, n, seed)) break;
        if (HasFailure()) return;
        ASSERT_LT(n, 5000) << "never ends";
      }
    }
    RecordProperty(trouble.name, runs);
    std::printf("%s, %s: %d operations, %d runs\n", scenario.name, trouble.name,
                n - 1, runs);
  }
}

INSTANTIATE_TEST_SUITE_P(, VfsTest,
                         ::testing::Range(size_t{0}, std::size(kScenarios)),
                         [](const auto& info) {
                           return std::string(kScenarios[info.param].name);
                         });

}  // namespace
}  // namespace fault
