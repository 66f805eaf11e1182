#include "tests/fault/fault_machine.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "backup/transfer.h"
#include "cloning/local_endpoint.h"
#include "cloning/test_objects.h"
#include "hsm/test_hsm.h"

namespace fault {
namespace {

namespace fs = std::filesystem;
using base::AsBytes;
using base::AsText;
using hsm::Hsm;
using hsm::LoginRef;
using hsm::Partition;
using hsm::Role;
using hsm::testkit::Pin;

constexpr char kDomain[] = "the domain of the tests";

absl::StatusOr<Hsm*> Opened(std::unique_ptr<Hsm>& held, const fs::path& path) {
  if (held == nullptr) {
    ASSIGN_OR_RETURN(held, Hsm::Open(path.string()));
  }
  return held.get();
}

absl::StatusOr<Partition*> Space(Hsm* hsm, hsm::SpaceId space) {
  ASSIGN_OR_RETURN(Partition* const partition, hsm->LookUp(space));
  if (partition == nullptr) {
    return base::Error(CKR_DEVICE_REMOVED, "no such partition");
  }
  return partition;
}

absl::Status Carry(Partition* from, LoginRef from_co, Partition* to,
                   LoginRef to_co) {
  ASSIGN_OR_RETURN(const std::vector<uint64_t> handles,
                   from->Find(from_co.get(), {}));
  cloning::LocalEndpoint source(from, std::move(from_co));
  cloning::LocalEndpoint target(to, std::move(to_co));
  backup::TransferReport report;
  RETURN_IF_ERROR(backup::Transfer(source, target, handles, {}, report));
  return report.FirstFailure();
}

// PO and CO, whose first PIN is changed.
absl::Status Initialise(Partition* partition) {
  RETURN_IF_ERROR(partition->Init("token", Pin("po-pin-1"), AsBytes(kDomain)));
  ASSIGN_OR_RETURN(LoginRef po, partition->Unlock(Role::kSo, Pin("po-pin-1")));
  if (po->must_change_pin()) {
    RETURN_IF_ERROR(
        partition->ChangePin(Role::kSo, Pin("po-pin-1"), Pin("po-pin-2")));
    RETURN_IF_ERROR(
        partition->ChangePin(Role::kSo, Pin("po-pin-2"), Pin("po-pin-1")));
    ASSIGN_OR_RETURN(po, partition->Unlock(Role::kSo, Pin("po-pin-1")));
  }
  RETURN_IF_ERROR(partition->InitRole(*po, Role::kCo, Pin("co-pin-0")));
  return partition->ChangePin(Role::kCo, Pin("co-pin-0"), Pin("co-pin-1"));
}

absl::Status Fill(Machine& machine) {
  ASSIGN_OR_RETURN(Hsm* const app, machine.App());
  RETURN_IF_ERROR(app->Init("hsm", Pin("so-pin-1"), {}));
  ASSIGN_OR_RETURN(Partition* const first, machine.First());
  RETURN_IF_ERROR(Initialise(first));
  ASSIGN_OR_RETURN(Hsm* const backup, machine.BackupHsm());
  RETURN_IF_ERROR(backup->Init("backup", Pin("so-pin-1"), {}));
  ASSIGN_OR_RETURN(const LoginRef so, machine.BackupSo());
  hsm::PartitionSpec spec;
  spec.label = "archive";
  spec.capacity = 200000;
  RETURN_IF_ERROR(backup->CreatePartition(*so, spec).status());
  ASSIGN_OR_RETURN(Partition* const archive, machine.Archive());
  RETURN_IF_ERROR(Initialise(archive));
  // Of these the first two are in the archive, and the second not in the
  // partition.
  RETURN_IF_ERROR(machine.Create(
      New(cloning::AesKey("archived"),
          cloning::DataObject("lost", 300, /*is_private=*/true))));
  RETURN_IF_ERROR(machine.Backup());
  {
    ASSIGN_OR_RETURN(const LoginRef co, machine.Co());
    ASSIGN_OR_RETURN(const hsm::ObjectRef lost, machine.Named(*co, "lost"));
    RETURN_IF_ERROR(first->Destroy(co.get(), lost->handle()));
  }
  return machine.Create(
      New(cloning::EcPrivateKey("kept"), cloning::Certificate("public"),
          cloning::DataObject("note", 6000, /*is_private=*/true)));
}

absl::Status MakeSmk(Machine& machine) {
  ASSIGN_OR_RETURN(Partition* const first, machine.First());
  ASSIGN_OR_RETURN(const LoginRef po,
                   first->Unlock(Role::kSo, Pin("po-pin-1")));
  RETURN_IF_ERROR(first->SetPolicies(*po, {{41, 1}}, false));
  ASSIGN_OR_RETURN(const LoginRef co, machine.Co());
  return first->Smks(*co).status();
}

absl::Status Prepare(Machine& machine, Image image) {
  if (image == Image::kNothing) return absl::OkStatus();
  RETURN_IF_ERROR(machine.MakeFleet());
  if (image == Image::kFleet) return absl::OkStatus();
  RETURN_IF_ERROR(machine.Make("app", hsm::testkit::AppSpec()));
  RETURN_IF_ERROR(machine.Make("backup", hsm::testkit::BackupSpec()));
  if (image == Image::kNew) return absl::OkStatus();
  RETURN_IF_ERROR(Fill(machine));
  if (image == Image::kUsed) return absl::OkStatus();
  RETURN_IF_ERROR(MakeSmk(machine));
  return image == Image::kRolls ? machine.RollSmk() : absl::OkStatus();
}

}  // namespace

fs::path Images::Copy(Image image) {
  static const auto* const images = [] {
    auto* made = new std::map<Image, fs::path>();
    const fs::path root = hsm::testkit::TemporaryDirectory();
    for (Image each : {Image::kNothing, Image::kFleet, Image::kNew,
                       Image::kUsed, Image::kSks, Image::kRolls}) {
      const fs::path path = root / absl::StrCat(static_cast<int>(each));
      fs::create_directory(path);
      (*made)[each] = path;
      Machine machine(path);
      const absl::Status status = Prepare(machine, each);
      EXPECT_TRUE(status.ok()) << status;
    }
    return made;
  }();
  const fs::path root = fs::canonical(hsm::testkit::TemporaryDirectory());
  fs::copy(images->at(image), root, fs::copy_options::recursive);
  return root;
}

// --- the machine -------------------------------------------------------------

absl::StatusOr<Hsm*> Machine::App() { return Opened(app_, root_ / "app"); }

absl::StatusOr<Hsm*> Machine::BackupHsm() {
  return Opened(backup_, root_ / "backup");
}

absl::StatusOr<Partition*> Machine::First() {
  ASSIGN_OR_RETURN(Hsm* const app, App());
  return Space(app, 1);
}

absl::StatusOr<Partition*> Machine::Archive() {
  ASSIGN_OR_RETURN(Hsm* const backup, BackupHsm());
  return Space(backup, 1);
}

absl::StatusOr<LoginRef> Machine::Co() {
  ASSIGN_OR_RETURN(Partition* const first, First());
  return first->Unlock(Role::kCo, Pin("co-pin-1"));
}

absl::StatusOr<LoginRef> Machine::ArchiveCo() {
  ASSIGN_OR_RETURN(Partition* const archive, Archive());
  return archive->Unlock(Role::kCo, Pin("co-pin-1"));
}

absl::StatusOr<LoginRef> Machine::BackupSo() {
  ASSIGN_OR_RETURN(Hsm* const backup, BackupHsm());
  return backup->admin().Unlock(Role::kSo, Pin("so-pin-1"));
}

absl::StatusOr<hsm::ObjectRef> Machine::Named(hsm::Login& co,
                                              const std::string& label) {
  ASSIGN_OR_RETURN(Partition* const first, First());
  ASSIGN_OR_RETURN(const std::vector<uint64_t> found,
                   first->Find(&co, hsm::testkit::Labelled(label)));
  if (found.size() != 1) return base::Error(CKR_OBJECT_HANDLE_INVALID, label);
  return first->Get(&co, found[0]);
}

absl::Status Machine::MakeFleet() {
  return hsm::Fleet::OpenOrCreate((root_ / "fleet").string()).status();
}

absl::Status Machine::Make(const std::string& name, const hsm::HsmSpec& spec) {
  ASSIGN_OR_RETURN(const hsm::Fleet fleet,
                   hsm::Fleet::OpenOrCreate((root_ / "fleet").string()));
  return Hsm::Create(spec, (root_ / name).string(), fleet);
}

absl::Status Machine::Create(std::vector<hsm::NewObject> objects) {
  ASSIGN_OR_RETURN(Partition* const first, First());
  ASSIGN_OR_RETURN(const LoginRef co, Co());
  return first->Create(co.get(), std::move(objects)).status();
}

absl::Status Machine::RollSmk() {
  ASSIGN_OR_RETURN(Partition* const first, First());
  ASSIGN_OR_RETURN(const LoginRef co, Co());
  return first->RollSmk(*co);
}

absl::Status Machine::Backup() {
  ASSIGN_OR_RETURN(Partition* const first, First());
  ASSIGN_OR_RETURN(LoginRef co, Co());
  ASSIGN_OR_RETURN(Partition* const archive, Archive());
  ASSIGN_OR_RETURN(LoginRef archive_co, ArchiveCo());
  return Carry(first, std::move(co), archive, std::move(archive_co));
}

absl::Status Machine::Restore() {
  ASSIGN_OR_RETURN(Partition* const first, First());
  ASSIGN_OR_RETURN(LoginRef co, Co());
  ASSIGN_OR_RETURN(Partition* const archive, Archive());
  ASSIGN_OR_RETURN(LoginRef archive_co, ArchiveCo());
  return Carry(archive, std::move(archive_co), first, std::move(co));
}

// --- what there is -----------------------------------------------------------

State State::Against(const State& before) const {
  State state = *this;
  for (auto& [name, fact] : state.facts_) {
    if (before.facts_.count(name) == 0) {
      fact.random = absl::StrCat(fact.random.size(), " random bytes");
    }
  }
  return state;
}

bool State::IsBetween(const State& before, const State& after) const {
  const auto is_in = [](const State& where, const auto& named) {
    const auto it = where.facts_.find(named.first);
    return it != where.facts_.end() && it->second == named.second;
  };
  for (const auto& fact : before.facts_) {
    if (!is_in(*this, fact)) return false;
  }
  for (const auto& fact : facts_) {
    if (!is_in(before, fact) && !is_in(after, fact)) return false;
  }
  return true;
}

std::string Difference(const State& expected, const State& found) {
  std::string text;
  for (const auto& [name, fact] : expected.facts_) {
    const auto it = found.facts_.find(name);
    if (it == found.facts_.end()) {
      absl::StrAppend(&text, "  lacks ", name, "\n");
    } else if (it->second != fact) {
      absl::StrAppend(&text, "  ", name, ": ", fact.fixed, " / ",
                      absl::BytesToHexString(fact.random), " became ",
                      it->second.fixed, " / ",
                      absl::BytesToHexString(it->second.random), "\n");
    }
  }
  for (const auto& [name, fact] : found.facts_) {
    if (expected.facts_.count(name) == 0) {
      absl::StrAppend(&text, "  has ", name, "\n");
    }
  }
  return text;
}

namespace {

// Statements that find nothing in a store whose rows fit together.
constexpr const char* kNeverRows[] = {
    "SELECT * FROM record WHERE space NOT IN (SELECT space FROM space)",
    "SELECT * FROM tag WHERE NOT EXISTS (SELECT * FROM record WHERE "
    "record.id = tag.id AND record.space = tag.space)",
    "SELECT * FROM record WHERE length(tags) / 16 != (SELECT count(*) FROM "
    "tag WHERE tag.id = record.id AND tag.space = record.space)",
    "SELECT * FROM space WHERE records != (SELECT count(*) FROM record WHERE "
    "record.space = space.space)",
    "SELECT * FROM space WHERE bytes != (SELECT coalesce(sum(size), 0) FROM "
    "record WHERE record.space = space.space)",
    "SELECT * FROM record WHERE id > (SELECT max(last_id) FROM space)",
    "SELECT * FROM pragma_integrity_check WHERE integrity_check != 'ok'",
};

void CheckRows(const fs::path& database) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(database.c_str(), &db), SQLITE_OK);
  for (const char* sql : kNeverRows) {
    sqlite3_stmt* query = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db, sql, -1, &query, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    EXPECT_EQ(sqlite3_step(query), SQLITE_DONE) << sql;
    sqlite3_finalize(query);
  }
  sqlite3_close(db);
}

// The PIN that opens a role, of those that the scenarios give it.
std::optional<std::pair<std::string, LoginRef>> OpenRole(
    Partition& partition, Role role, const std::vector<std::string>& pins) {
  for (const std::string& pin : pins) {
    auto login = partition.Unlock(role, Pin(pin));
    if (login.ok()) return std::make_pair(pin, *std::move(login));
    EXPECT_EQ(base::CkRv(login.status()), CKR_PIN_INCORRECT) << login.status();
  }
  return std::nullopt;
}

void DescribeRole(State& state, const std::string& name, Partition& partition,
                  Role role, const std::vector<std::string>& pins,
                  LoginRef* login = nullptr) {
  const auto now = partition.State(role);
  ASSERT_TRUE(now.ok()) << now.status();
  State::Fact& fact = state[name];
  fact.fixed = absl::StrCat("initialised ", now->initialized, ", locked ",
                            now->locked, ", failures ", now->failures);
  if (!now->initialized) return;
  auto opened = OpenRole(partition, role, pins);
  ASSERT_TRUE(opened.has_value()) << name << " opens with no PIN";
  absl::StrAppend(&fact.fixed, ", PIN ", opened->first, ", to be changed ",
                  opened->second->must_change_pin());
  if (login != nullptr) *login = std::move(opened->second);
}

void DescribeObjects(State& state, const std::string& name,
                     Partition& partition, hsm::Login* co) {
  const auto found = partition.Find(co, {});
  ASSERT_TRUE(found.ok()) << name << found.status();
  const auto tampered = partition.FindTampered(co);
  ASSERT_TRUE(tampered.ok()) << tampered.status();
  EXPECT_TRUE(tampered->empty()) << name;
  uint64_t cost = 0;
  for (const uint64_t handle : *found) {
    const auto object = partition.Get(co, handle);
    ASSERT_TRUE(object.ok()) << name << handle << object.status();
    hsm::AttributeSet attributes = (*object)->attributes();
    cost += partition.CostOf(attributes);
    State::Fact& fact = state[absl::StrCat(name, " object ", handle)];
    for (const CK_ATTRIBUTE_TYPE type : {CKA_UNIQUE_ID, CKA_OUID}) {
      absl::StrAppend(&fact.random, AsText(attributes.Value(type)));
      attributes.Erase(type);
    }
    fact.fixed = absl::StrCat(
        AsText(attributes.Value(CKA_LABEL)), " ",
        absl::BytesToHexString(AsText(attributes.Encode().Expose())), " of ",
        (*object)->origin().has_value() ? "elsewhere" : "here");
  }
  const auto storage = partition.Storage();
  ASSERT_TRUE(storage.ok()) << storage.status();
  EXPECT_EQ(storage->objects, found->size()) << name;
  EXPECT_EQ(storage->used, cost) << name;
}

std::string InWords(const hsm::PolicyValues& values) {
  std::string text;
  for (const auto& [number, value] : values) {
    absl::StrAppend(&text, number, "=", value, " ");
  }
  return text;
}

// Only where one was made: to look would make it.
void DescribeSmks(State& state, const std::string& name, Partition& partition,
                  const hsm::Login& co) {
  if (!partition.SmkAsObject(co).ok()) return;
  const auto smks = partition.Smks(co);
  ASSERT_TRUE(smks.ok()) << smks.status();
  const auto text = [](const hsm::Smk& smk) {
    return std::string(AsText(hsm::AttributesOf(smk).Encode().Expose()));
  };
  // Drawn anew by each rollover; the former one was there before.
  const bool rolls = smks->former.has_value();
  state[name + (rolls ? " SMK beside a former one" : " SMK alone")].random =
      text(smks->primary);
  if (rolls) {
    state[name + " former SMK"].fixed =
        absl::BytesToHexString(text(*smks->former));
  }
}

void DescribePartition(State& state, const std::string& name,
                       const hsm::PartitionInfo& info, Partition& partition) {
  State::Fact& fact = state[name];
  fact.fixed = absl::StrCat(info.label, ", initialised ", info.initialized,
                            ", zeroized ", info.zeroized, ", domain ",
                            info.has_domain, ", capacity ", info.capacity,
                            ", policies ", InWords(*partition.Policies()));
  fact.random = absl::StrCat(info.serial, AsText(info.id));
  LoginRef co;
  DescribeRole(state, name + " PO", partition, Role::kSo, {"po-pin-1"});
  DescribeRole(state, name + " CO", partition, Role::kCo,
               {"co-pin-1", "co-pin-2"}, &co);
  DescribeRole(state, name + " CU", partition, Role::kCu, {"cu-pin-1"});
  if (info.initialized) DescribeObjects(state, name, partition, co.get());
  if (co == nullptr) return;
  DescribeSmks(state, name, partition, *co);
  const auto legacy = partition.LegacyDomainSecret(*co);
  ASSERT_TRUE(legacy.ok()) << legacy.status();
  state[name + " legacy domain"].fixed =
      absl::BytesToHexString(AsText(legacy->Expose()));
}

void DescribeHsm(State& state, const std::string& name, Hsm& hsm) {
  const auto info = hsm.Info();
  ASSERT_TRUE(info.ok()) << info.status();
  State::Fact& fact = state[name];
  fact.fixed = absl::StrCat(info->label, ", initialised ", info->initialized,
                            ", zeroized ", info->zeroized, ", firmware ",
                            info->firmware->version.ToString(), " before ",
                            info->rollback_firmware.ToString(), ", policies ",
                            InWords(*hsm.Policies()));
  fact.random = info->serial;
  DescribeRole(state, name + " SO", hsm.admin(), Role::kSo, {"so-pin-1"});
  const auto partitions = hsm.Partitions();
  ASSERT_TRUE(partitions.ok()) << partitions.status();
  for (const hsm::PartitionInfo& each : *partitions) {
    auto partition = hsm.LookUp(each.space);
    ASSERT_TRUE(partition.ok() && *partition != nullptr);
    DescribePartition(state, absl::StrCat(name, " ", each.space), each,
                      **partition);
  }
}

}  // namespace

State Describe(Machine& machine) {
  State state;
  if (const fs::path path = machine.root() / "fleet"; fs::exists(path)) {
    const auto fleet = hsm::Fleet::Open(path.string());
    EXPECT_TRUE(fleet.ok()) << fleet.status();
    state["fleet"].fixed = fleet.ok() ? "opens" : "does not open";
  }
  for (const char* name : {"app", "backup"}) {
    const bool exists = fs::exists(machine.root() / name);
    const auto hsm =
        name == std::string("app") ? machine.App() : machine.BackupHsm();
    EXPECT_EQ(hsm.ok(), exists) << hsm.status();
    if (!hsm.ok()) continue;
    DescribeHsm(state, name, **hsm);
    CheckRows(machine.root() / name / "hsm.db");
  }
  return state;
}

}  // namespace fault
