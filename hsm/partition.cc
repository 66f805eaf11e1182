// What a partition is: its record, its views, initialisation, logins.
#include "hsm/partition.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"
#include "hsm/hsm.h"
#include "hsm/mac_tree.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

constexpr size_t kLongestLabel = 64;

absl::Status Removed(SpaceId space) {
  return base::Error(
      CKR_DEVICE_REMOVED,
      absl::StrCat("partition ", space, " was deleted or initialised anew"));
}

}  // namespace

// --- Login -------------------------------------------------------------------

Login::Login(std::shared_ptr<State> state) : state_(std::move(state)) {}
Login::~Login() { state_->End(); }
Role Login::role() const { return state_->role; }
SpaceId Login::space() const { return state_->space; }
bool Login::ended() const { return state_->keys() == nullptr; }
void Login::End() { state_->End(); }
bool Login::must_change_pin() const { return state_->must_change_pin; }

void Login::State::End() {
  std::shared_ptr<const LoginKeys> dropped;
  {
    absl::MutexLock lock(&mu);
    dropped.swap(keys_);
  }
  cache->Close();
}

// --- views -------------------------------------------------------------------

absl::StatusOr<std::shared_ptr<const PartitionView>> Partition::State_::View() {
  const uint64_t now = core->store().ValuesGeneration(space);
  if (now != kBusyGeneration) {
    absl::MutexLock lock(&mu);
    if (now == view_generation) return view;
    if (view != nullptr &&
        core->store().OnlyRecordsChanged(space, view_generation, now)) {
      view_generation = now;
      return view;
    }
  }
  std::shared_ptr<const PartitionView> fresh;
  uint64_t read_at = kBusyGeneration;
  RETURN_IF_ERROR(Noted(core->store().Read([&](Reader& reader) -> absl::Status {
    read_at = reader.Generation(space);
    ASSIGN_OR_RETURN(fresh, Load(reader));
    return absl::OkStatus();
  })));
  if (read_at != kBusyGeneration) {
    bool anew = false;
    {
      absl::MutexLock lock(&mu);
      anew = view != nullptr &&
             view->record.incarnation != fresh->record.incarnation;
      view = fresh;
      view_generation = read_at;
    }
    if (anew) RetireAllEverywhere();
  }
  return fresh;
}

absl::StatusOr<std::shared_ptr<const PartitionView>> Partition::State_::Load(
    Reader& reader) {
  auto fresh = std::make_shared<PartitionView>();
  ASSIGN_OR_RETURN(std::optional<PartitionRecord> record,
                   LoadPartition(*core, reader, space));
  ASSIGN_OR_RETURN(fresh->signed_policies,
                   core->values().Load(reader, space, kPartitionPoliciesValue));
  if (!record.has_value() || !fresh->signed_policies.has_value()) {
    return Removed(space);
  }
  fresh->record = *std::move(record);
  ASSIGN_OR_RETURN(
      const PolicyRecord policies,
      wire::Decode<PolicyRecord>(fresh->signed_policies->body, "policies"));
  fresh->policies = policies.Values();
  std::shared_ptr<const PartitionView> former;
  {
    absl::MutexLock lock(&mu);
    former = view;
  }
  const Bytes& wrapped = fresh->record.wrapped_public;
  if (former != nullptr && former->record.wrapped_public == wrapped) {
    // The usual case: only objects changed.
    fresh->public_keys = former->public_keys;
    fresh->vault = former->vault;
    return std::shared_ptr<const PartitionView>(std::move(fresh));
  }
  fresh->vault = std::make_shared<Vault>(&core->store(), space);
  if (!wrapped.empty()) {
    LoginKeys keys;
    ASSIGN_OR_RETURN(keys.ring.public_key,
                     OpenPublicKey(*core, space, fresh->record));
    fresh->public_keys = std::make_shared<const LoginKeys>(std::move(keys));
  }
  return std::shared_ptr<const PartitionView>(std::move(fresh));
}

absl::StatusOr<PartitionRecord> Partition::State_::Recheck(
    Reader& reader, uint64_t incarnation) {
  std::optional<PartitionRecord> record;
  if (core->store().InWrite() &&
      core->store().ValuesGeneration(space) != kBusyGeneration) {
    // Nobody else writes now, so what is remembered is what is stored.
    ASSIGN_OR_RETURN(const std::shared_ptr<const PartitionView> now, View());
    record = now->record;
  } else {
    ASSIGN_OR_RETURN(record, LoadPartition(*core, reader, space));
  }
  if (!record.has_value() || record->incarnation != incarnation) {
    return Removed(space);
  }
  return *std::move(record);
}

absl::Status Partition::State_::Noted(absl::Status status) const {
  if (base::Reason(status) == kTamperedReason) {
    core->audit().NoteIntegrity(space, 0, status.message());
  }
  return status;
}

AuditEvent Partition::State_::EventOf(AuditWord word,
                                      const PartitionRecord& record,
                                      std::optional<Role> by) const {
  AuditEvent event{.word = word, .space = space, .role = by};
  if (space != kAdminSpace) event.partition = record.serial;
  return event;
}

// --- logins ------------------------------------------------------------------

void Partition::State_::Register(const std::shared_ptr<Login::State>& login) {
  absl::MutexLock lock(&mu);
  logins.erase(std::remove_if(logins.begin(), logins.end(),
                              [](const auto& l) { return l.expired(); }),
               logins.end());
  logins.push_back(login);
}

std::vector<std::shared_ptr<Login::State>> Partition::State_::LiveLogins() {
  std::vector<std::shared_ptr<Login::State>> live;
  absl::MutexLock lock(&mu);
  for (const auto& weak : logins) {
    if (auto login = weak.lock()) live.push_back(std::move(login));
  }
  return live;
}

void Partition::State_::RetireEverywhere(uint64_t handle) {
  public_cache->Retire(handle);
  for (const auto& login : LiveLogins()) login->cache->Retire(handle);
}

void Partition::State_::RetireAllEverywhere() {
  public_cache->RetireAll();
  for (const auto& login : LiveLogins()) login->cache->RetireAll();
}

absl::StatusOr<std::shared_ptr<const LoginKeys>> Partition::State_::Require(
    const Login& by, std::initializer_list<Role> roles,
    Unavailable unavailable) {
  const Login::State& login = *by.state_;
  std::shared_ptr<const LoginKeys> keys = by.state_->keys();
  if (keys == nullptr || login.space != space ||
      std::find(roles.begin(), roles.end(), login.role) == roles.end()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "this needs the login of another role");
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> now, View());
  if (now->record.incarnation != login.incarnation) return Removed(space);
  if (unavailable == Unavailable::kRefuses) {
    RETURN_IF_ERROR(core->CheckAvailableNow());
  }
  if (login.must_change_pin) {
    return base::Error(CKR_PIN_EXPIRED, "the first PIN must be changed");
  }
  return keys;
}

absl::StatusOr<Access> Partition::State_::AccessOf(Login* login) {
  Access access;
  if (login == nullptr) {
    RETURN_IF_ERROR(core->CheckAvailableNow());
    ASSIGN_OR_RETURN(access.view, View());
    access.keys = access.view->public_keys;
    access.cache = public_cache;
    return access;
  }
  ASSIGN_OR_RETURN(access.keys, Require(*login, {Role::kSo, Role::kCo,
                                                 Role::kCu, Role::kLco}));
  ASSIGN_OR_RETURN(access.view, View());
  access.cache = login->state_->cache;
  access.has_private = !access.keys->ring.private_key.empty();
  access.may_change_private =
      access.has_private && login->state_->role != Role::kCu;
  return access;
}

// --- Partition ---------------------------------------------------------------

Partition::Partition(std::unique_ptr<State_> state)
    : state_(std::move(state)) {}
Partition::~Partition() = default;

SpaceId Partition::space() const { return state_->space; }
Hsm& Partition::hsm() const { return *state_->hsm; }
bool Partition::writable() const { return state_->core->store().writable(); }

absl::StatusOr<PartitionInfo> Partition::Info() {
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  const PartitionRecord& record = view->record;
  PartitionInfo info;
  info.space = state_->space;
  info.id = record.id;
  info.label = record.label;
  info.serial = record.serial;
  info.initialized = record.initialized;
  info.zeroized = record.zeroized;
  info.backup_container =
      hsm->record.kind == Kind::kBackup && state_->space != kAdminSpace;
  info.has_domain = record.has_domain;
  info.version = static_cast<uint8_t>(
      PolicyOr0(view->policies, partition_policy::kPartitionVersion));
  info.capacity = record.capacity;
  return info;
}

void Partition::NoteLogout(Role role) {
  AuditEvent event{
      .word = AuditWord::kLogout, .space = state_->space, .role = role};
  const absl::Status status = state_->core->audit().Note(std::move(event));
  if (!status.ok()) base::LogIntegrity(status.message());
}

absl::Status Partition::NoteUse(AuditWord word, const Login* login,
                                const Object& key, CK_ATTRIBUTE_TYPE usage,
                                CK_MECHANISM_TYPE mechanism) {
  AuditEvent event{.word = word, .space = state_->space};
  if (login != nullptr) event.role = login->role();
  event.About(key.attributes(), key.handle());
  event.With(AuditNumber::kUsage, usage)
      .With(AuditNumber::kMechanism, mechanism);
  return state_->core->audit().Note(std::move(event));
}

absl::Status Partition::NoteKeyRefused(const Login* login, const Object& key,
                                       uint64_t left) {
  AuditEvent event;
  event.word = AuditWord::kKeyAuthorization;
  event.space = state_->space;
  if (login != nullptr) event.role = login->role();
  event.result = CKR_AUTH_DATA_INCORRECT;
  event.About(key.attributes(), key.handle())
      .With(AuditNumber::kAttemptsLeft, left);
  return state_->core->audit().Note(std::move(event));
}

absl::Status Partition::NoteUsesSet(const Login& login, const Object& key,
                                    uint64_t uses) {
  AuditEvent event;
  event.word = AuditWord::kObjectChanged;
  event.space = state_->space;
  event.role = login.role();
  event.About(key.attributes(), key.handle()).With(AuditNumber::kUses, uses);
  return state_->core->audit().Note(std::move(event));
}

absl::Status Partition::NoteSent(const Login& login,
                                 absl::Span<const ObjectRef> objects,
                                 absl::string_view peer) {
  std::vector<AuditEvent> events;
  for (const ObjectRef& object : objects) {
    AuditEvent& event = events.emplace_back();
    event.word = AuditWord::kObjectSent;
    event.space = state_->space;
    event.role = login.role();
    event.About(object->attributes(), object->handle()).WithPeer(peer);
  }
  return state_->core->audit().NoteAll(std::move(events));
}

absl::StatusOr<StorageInfo> Partition::Storage() {
  StorageInfo info;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const HsmView hsm, state_->core->Load(reader));
        ASSIGN_OR_RETURN(std::optional<PartitionRecord> record,
                         LoadPartition(*state_->core, reader, state_->space));
        if (!record.has_value()) return Removed(state_->space);
        ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(state_->space));
        info.overhead = kPartitionOverhead;
        info.used = usage.bytes;
        info.objects = usage.records;
        const uint64_t storage = hsm.record.storage_bytes;
        if (record->capacity != 0) {
          info.total = record->capacity;
          info.free = info.total - std::min(info.used, info.total);
        } else if (storage != 0) {
          ASSIGN_OR_RETURN(const uint64_t reserved,
                           ReservedBytes(*state_->core, reader, hsm.record));
          info.free = storage - std::min(reserved, storage);
          info.total = info.used + info.free;
        } else {
          info.total = CK_UNAVAILABLE_INFORMATION;
          info.free = CK_UNAVAILABLE_INFORMATION;
        }
        return absl::OkStatus();
      }));
  return info;
}

absl::StatusOr<Statement> Partition::MakeStatement() {
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  RETURN_IF_ERROR(CheckAvailable(*hsm));
  const auto own = [&](uint32_t number) {
    return static_cast<uint8_t>(PolicyOr0(view->policies, number));
  };
  const auto of_hsm = [&](uint32_t number) {
    return static_cast<uint8_t>(PolicyOr0(hsm->policies, number));
  };
  const bool cloning = of_hsm(hsm_policy::kCloning) != 0;
  Statement statement;
  statement.serial = hsm->record.serial;
  statement.model = hsm->record.model;
  statement.kind = hsm->record.kind;
  statement.firmware = hsm->record.firmware;
  statement.partition = view->record.id;
  statement.partition_label = view->record.label;
  statement.partition_version = own(partition_policy::kPartitionVersion);
  statement.fm = hsm->record.fm;
  statement.attached_to_appliance = hsm->record.attached_to_appliance;
  statement.allow_cpv1 = own(partition_policy::kAllowCpv1);
  statement.restricted_restore = of_hsm(hsm_policy::kRestrictedRestore);
  statement.private_key_cloning =
      cloning ? own(partition_policy::kPrivateKeyCloning) : 0;
  statement.secret_key_cloning =
      cloning ? own(partition_policy::kSecretKeyCloning) : 0;
  return statement;
}

absl::Status Partition::Init(absl::string_view label, const SecretBytes& so_pin,
                             ByteSpan domain) {
  if (state_->space == kAdminSpace) {
    return state_->hsm->Init(label, so_pin, domain);
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  RETURN_IF_ERROR(CheckAvailable(*hsm));
  if (label.size() > kLongestLabel) {
    return base::Error(CKR_ARGUMENTS_BAD, "the label is too long");
  }
  RETURN_IF_ERROR(
      CheckPinLength(Role::kSo, state_->space, so_pin, *hsm, view->policies));
  uint64_t incarnation = view->record.incarnation;
  if (view->record.initialized) {
    ASSIGN_OR_RETURN(const CheckedPin checked,
                     state_->CheckPin(Role::kSo, so_pin));
    incarnation = checked.incarnation;
  }
  return state_->InitSpace(incarnation, label, so_pin, domain, *hsm,
                           [](Transaction&) { return absl::OkStatus(); });
}

absl::Status Partition::State_::InitSpace(
    uint64_t incarnation, absl::string_view label, const SecretBytes& so_pin,
    ByteSpan domain, const HsmView& hsm_view,
    absl::FunctionRef<absl::Status(Transaction&)> also) {
  LoginKeys keys;
  ASSIGN_OR_RETURN(keys.ring.trust_key, base::RandomSecret(base::kAeadKeySize));
  ASSIGN_OR_RETURN(keys.reset_key, base::RandomSecret(base::kAeadKeySize));
  SecretBytes domain_secret;
  if (!domain.empty()) {
    ASSIGN_OR_RETURN(domain_secret, DomainSecretOf(domain));
  }
  const uint64_t born = incarnation + 1;
  ASSIGN_OR_RETURN(const RoleRecord role,
                   NewRole(Role::kSo, so_pin, keys, born, /*must_change=*/false,
                           NewPinCost(hsm_view)));
  RETURN_IF_ERROR(
      core->store().Write(space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(PartitionRecord record, Recheck(tx, incarnation));
        ASSIGN_OR_RETURN(const std::shared_ptr<const PartitionView> now,
                         Load(tx));
        RETURN_IF_ERROR(EmptySpace(tx, space, Keep::kNothingOfRoles));
        record.incarnation = record.born = born;
        record.label = std::string(label);
        record.initialized = true;
        record.zeroized = false;
        record.has_domain = !domain.empty();
        ASSIGN_OR_RETURN(const SecretBytes public_key,
                         NewPublicKey(*core, space, record));
        RETURN_IF_ERROR(SavePartition(*core, tx, space, record));
        RETURN_IF_ERROR(SavePartitionPolicies(*core, tx, space, now->policies,
                                              &keys.ring.trust_key));
        RETURN_IF_ERROR(SaveRole(tx, Role::kSo, role, keys.ring.trust_key));
        if (!domain_secret.empty()) {
          RETURN_IF_ERROR(SaveDomain(tx, born, keys, domain_secret));
        }
        RETURN_IF_ERROR(Vault(&core->store(), space)
                            .Begin(tx, Vault::kPublicKey, public_key.Expose()));
        RETURN_IF_ERROR(also(tx));
        return Audit(tx,
                     space == kAdminSpace ? AuditWord::kHsmInitialized
                                          : AuditWord::kPartitionInitialized,
                     record, Role::kSo);
      }));
  RetireAllEverywhere();
  return absl::OkStatus();
}

absl::Status Partition::ChangeLabel(const Login& by, absl::string_view label) {
  if (label.size() > kLongestLabel) {
    return base::Error(CKR_ARGUMENTS_BAD, "the label is too long");
  }
  RETURN_IF_ERROR(state_->Require(by, {Role::kSo}).status());
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        record.label = std::string(label);
        RETURN_IF_ERROR(
            SavePartition(*state_->core, tx, state_->space, record));
        return state_->Audit(tx, AuditWord::kPartitionLabelled, record,
                             by.role());
      });
}

}  // namespace hsm
