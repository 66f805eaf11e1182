// A life of an HSM in which the n-th operation of its store fails, for every
// n: the HSM that is opened afterwards is as it was before or after the step
// that failed, and goes on from there.
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::Data;
using testkit::List;
using testkit::Pin;
using testkit::SecretKey;
using testkit::SharedStore;

// An HSM as one process has it, over a store that fails.
struct Process {
  explicit Process(const std::shared_ptr<Store>& store) {
    auto faulty =
        std::make_unique<FaultStore>(std::make_unique<SharedStore>(store));
    faults = faulty.get();
    hsm = *Hsm::OpenForTest(std::move(faulty));
    first_ = hsm->Find(1);
  }
  Partition& first() { return *first_; }
  absl::StatusOr<LoginRef> So() {
    return hsm->admin().Unlock(Role::kSo, Pin("so-pin-1"));
  }
  absl::StatusOr<LoginRef> Po() {
    return first().Unlock(Role::kSo, Pin("po-pin-1"));
  }
  absl::StatusOr<LoginRef> Co(const char* pin = "co-pin-1") {
    return first().Unlock(Role::kCo, Pin(pin));
  }
  absl::StatusOr<uint64_t> Labelled(Login* login, const std::string& label) {
    ASSIGN_OR_RETURN(const std::vector<uint64_t> found,
                     first().Find(login, testkit::Labelled(label)));
    if (found.empty()) return base::Error(CKR_OBJECT_HANDLE_INVALID, label);
    return found[0];
  }

  FaultStore* faults = nullptr;
  std::unique_ptr<Hsm> hsm;

 private:
  Partition* first_ = nullptr;
};

struct Step {
  const char* name;
  absl::Status (*take)(Process&);
};
const Step kLife[] = {
    {"hsm init",
     [](Process& p) { return p.hsm->Init("hsm", Pin("so-pin-1"), {}); }},
    {"partition init",
     [](Process& p) { return p.first().Init("token", Pin("po-pin-1"), {}); }},
    {"role init",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef po, p.Po());
       return p.first().InitRole(*po, Role::kCo, Pin("co-pin-1"));
     }},
    {"a pair",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef co, p.Co());
       return p.first()
           .Create(co.get(), List(SecretKey("one"), Data("other", false)))
           .status();
     }},
    {"another object",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef co, p.Co());
       return p.first().Create(co.get(), List(Data("note", true))).status();
     }},
    {"set",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef co, p.Co());
       ASSIGN_OR_RETURN(const uint64_t handle, p.Labelled(co.get(), "note"));
       ASSIGN_OR_RETURN(const ObjectRef note, p.first().Get(co.get(), handle));
       AttributeSet changed = note->attributes();
       changed.SetText(CKA_VALUE, "changed");
       changed.SetText(CKA_APPLICATION, "changed");
       return p.first().Replace(co.get(), *note, changed).status();
     }},
    {"PIN change",
     [](Process& p) {
       return p.first().ChangePin(Role::kCo, Pin("co-pin-1"), Pin("co-pin-2"));
     }},
    {"destroy",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef co, p.Co("co-pin-2"));
       ASSIGN_OR_RETURN(const uint64_t handle, p.Labelled(co.get(), "other"));
       return p.first().Destroy(co.get(), handle);
     }},
    {"partition create",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef so, p.So());
       PartitionSpec spec;
       spec.label = "second";
       spec.capacity = 100000;
       return p.hsm->CreatePartition(*so, spec).status();
     }},
    {"partition resize",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef so, p.So());
       return p.hsm->ResizePartition(*so, 2, 200000);
     }},
    {"partition policy",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef po, p.Po());
       return p.first().SetPolicies(*po, {{22, 1}}, false);
     }},
    {"partition delete",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef so, p.So());
       return p.hsm->DeletePartition(*so, 2);
     }},
    {"clear",
     [](Process& p) -> absl::Status {
       ASSIGN_OR_RETURN(const LoginRef co, p.Co("co-pin-2"));
       return p.first().Clear(co.get());
     }},
};
constexpr size_t kSteps = std::size(kLife);

// Everything of the HSM that a step changes, in words; errors are a part.
std::string Describe(const std::shared_ptr<Store>& store) {
  Process p(store);
  std::string text =
      absl::StrCat("initialised ", p.hsm->Info()->initialized, "\n");
  const std::vector<PartitionInfo> partitions = *p.hsm->Partitions();
  for (const PartitionInfo& info : partitions) {
    absl::StrAppend(&text, "partition ", info.space, " ", info.label, " ",
                    info.initialized, " ", info.capacity, "\n");
  }
  absl::StrAppend(&text, "policy 22: ", *p.first().Policy(22), "\n");
  if (!p.first().State(Role::kCo)->initialized) return text;
  const char* pin = "co-pin-1";
  absl::StatusOr<LoginRef> co = p.Co(pin);
  if (!co.ok()) co = p.Co(pin = "co-pin-2");
  absl::StrAppend(&text, "CO ", pin, " ", co.ok(), "\n");
  if (!co.ok()) return absl::StrCat(text, co.status().ToString());
  const auto found = p.first().Find(co->get(), {});
  if (!found.ok()) return absl::StrCat(text, found.status().ToString());
  for (const uint64_t handle : *found) {
    const auto object = p.first().Get(co->get(), handle);
    if (!object.ok()) return absl::StrCat(text, object.status().ToString());
    const AttributeSet& set = (*object)->attributes();
    absl::StrAppend(&text, "object ", base::AsText(set.Value(CKA_LABEL)), " ",
                    base::AsText(set.Value(CKA_VALUE)), " ",
                    base::AsText(set.Value(CKA_APPLICATION)), "\n");
  }
  return text;
}

std::shared_ptr<Store> NewHsm() {
  std::shared_ptr<Store> store = NewMemoryStore();
  auto made = Hsm::CreateForTest(
      AppSpec(), std::make_unique<SharedStore>(store), testkit::TestFleet());
  EXPECT_TRUE(made.ok()) << made.status();
  return store;
}

TEST(FaultyLifeTest, WithoutFaults_EveryStepSucceedsAndShows) {
  const std::shared_ptr<Store> store = NewHsm();
  std::string before = Describe(store);
  for (const Step& step : kLife) {
    Process process(store);
    const absl::Status status = step.take(process);
    ASSERT_TRUE(status.ok()) << step.name << ": " << status;
    const std::string after = Describe(store);
    EXPECT_NE(after, before) << step.name;
    before = after;
  }
}

// Fails operations 1, 2, ... of one step, each on an HSM of its own that came
// to the step without faults.
class FaultyStepTest : public ::testing::TestWithParam<size_t> {};

std::shared_ptr<Store> LifeUntil(size_t step) {
  const std::shared_ptr<Store> store = NewHsm();
  for (size_t i = 0; i < step; ++i) {
    Process process(store);
    EXPECT_TRUE(kLife[i].take(process).ok()) << kLife[i].name;
  }
  return store;
}

TEST_P(FaultyStepTest, IsDoneOrNotDoneAndCanBeDoneAgain) {
  const Step& step = kLife[GetParam()];
  const std::string after = Describe(LifeUntil(GetParam() + 1));
  for (const bool sticky : {false, true}) {
    // A step that failed without effect leaves the HSM for the next n.
    std::shared_ptr<Store> store = LifeUntil(GetParam());
    const std::string before = Describe(store);
    for (int n = 1;; ++n) {
      SCOPED_TRACE(absl::StrCat(step.name, ", operation ", n,
                                sticky ? " and all after it" : ""));
      ASSERT_LT(n, 2000);
      bool reached = false;
      absl::Status status;
      {
        Process process(store);
        process.faults->FailAt(n, sticky);
        status = step.take(process);
        reached = process.faults->operations() >= n;
      }
      const std::string now = Describe(store);
      if (status.ok()) {
        EXPECT_EQ(now, after);
        if (!reached) break;  // The whole step, without a fault.
      } else {
        EXPECT_EQ(base::CkRv(status), CK_RV{CKR_DEVICE_ERROR}) << status;
        EXPECT_TRUE(now == before || now == after) << now;
      }
      if (now != before) store = LifeUntil(GetParam());
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, FaultyStepTest, ::testing::Range(size_t{0}, kSteps),
                         [](const auto& info) {
                           std::string name = kLife[info.param].name;
                           for (char& c : name) c = c == ' ' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace hsm
