// Making, changing and destroying the objects of a partition.
#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/key_rights.h"
#include "hsm/object_record.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

constexpr size_t kUniqueIdSize = 16;

// UUID-like (RFC 4122, version 4) of these random bytes.
std::string UniqueIdOf(ByteSpan random) {
  Bytes b = base::ToBytes(random);
  b[6] = static_cast<uint8_t>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<uint8_t>((b[8] & 0x3f) | 0x80);
  std::string text = absl::BytesToHexString(base::AsText(b));
  for (const size_t dash : {20, 16, 12, 8}) text.insert(dash, 1, '-');
  return text;
}

absl::Status Identify(ByteSpan random, NewObject& object) {
  object.attributes.SetText(CKA_UNIQUE_ID, UniqueIdOf(random));
  const bool brings_one =
      object.origin.has_value() &&
      object.attributes.Value(CKA_OUID).size() == sizeof(Ouid);
  if (brings_one) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Bytes ouid, base::RandomBytes(sizeof(Ouid)));
  object.attributes.Set(CKA_OUID, ouid);
  return absl::OkStatus();
}

absl::Status NotVisible(uint64_t handle) {
  return base::Error(CKR_OBJECT_HANDLE_INVALID,
                     absl::StrCat("no object ", handle));
}

// In the transaction that makes it, so that of two processes that bring one
// object at the same time the second one is refused. A drawn OUID has 96 random
// bits and CKA_UNIQUE_ID 122; they are not looked up.
absl::Status CheckNewOuid(Transaction& tx, const Access& access,
                          const AttributeSet& attributes) {
  ASSIGN_OR_RETURN(
      const std::vector<RecordStamp> twins,
      access.view->vault->Find(tx, access.keys->ring, std::nullopt,
                               {{CKA_OUID, attributes.Value(CKA_OUID)}}));
  if (twins.empty()) return absl::OkStatus();
  return base::Error(
      CKR_OBJECT_ALREADY_EXISTS,
      absl::StrCat("object ", twins.front().id, " has this OUID"));
}

// Among those of one group, which the store does not know yet.
absl::Status CheckOuidsDiffer(absl::Span<const NewObject> objects) {
  std::set<ByteSpan, bool (*)(ByteSpan, ByteSpan)> seen(
      [](ByteSpan a, ByteSpan b) { return base::AsText(a) < base::AsText(b); });
  for (const NewObject& object : objects) {
    if (!seen.insert(object.attributes.Value(CKA_OUID)).second) {
      return base::Error(CKR_OBJECT_ALREADY_EXISTS,
                         "two objects of one group have one OUID");
    }
  }
  return absl::OkStatus();
}

// `keys` null: the partition was never initialised.
absl::Status CheckUsable(const Access& access) {
  if (access.keys != nullptr) return absl::OkStatus();
  return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                     "the partition is not initialised");
}

absl::Status CheckMayChange(const Access& access, bool is_private) {
  if (!is_private || access.may_change_private) return absl::OkStatus();
  if (access.has_private) {
    return base::Error(CKR_USER_NOT_AUTHORIZED,
                       "a Crypto User does not change private objects");
  }
  return base::Error(CKR_USER_NOT_LOGGED_IN,
                     "private objects need the login of a Crypto Officer");
}

// A limit that others could raise would be none.
absl::Status CheckMayLimit(std::optional<Role> role, const AttributeSet& before,
                           const AttributeSet& after) {
  const bool is_key = after.object_class() == CKO_PRIVATE_KEY ||
                      after.object_class() == CKO_SECRET_KEY;
  if (!is_key || role == Role::kCo ||
      before.Ulong(CKA_USAGE_LIMIT) == after.Ulong(CKA_USAGE_LIMIT)) {
    return absl::OkStatus();
  }
  return base::Error(CKR_USER_NOT_AUTHORIZED,
                     "only the Crypto Officer changes CKA_USAGE_LIMIT");
}

AuditWord WordOf(const NewObject& object) {
  switch (object.making) {
    case NewObject::Making::kGenerated:
      return AuditWord::kObjectGenerated;
    case NewObject::Making::kUnwrapped:
      return AuditWord::kObjectUnwrapped;
    case NewObject::Making::kDerived:
      return AuditWord::kObjectDerived;
    case NewObject::Making::kCopied:
      return AuditWord::kObjectCopied;
    case NewObject::Making::kReceived:
      return AuditWord::kObjectReceived;
    case NewObject::Making::kInserted:
      return AuditWord::kObjectInserted;
    case NewObject::Making::kCreated:
      break;
  }
  return AuditWord::kObjectCreated;
}

std::optional<Role> RoleOf(const Login* login) {
  if (login == nullptr) return std::nullopt;
  return login->role();
}

absl::StatusOr<std::vector<Vault::Sealed>> SealAll(
    SpaceId space, const Access& access, absl::Span<const NewObject> objects,
    const std::vector<uint64_t>& costs, const std::vector<uint64_t>& ids) {
  std::deque<SealedForm> forms;  // the drafts point into them
  std::vector<Vault::Draft> drafts;
  for (size_t i = 0; i < objects.size(); ++i) {
    forms.emplace_back(space, ids[i], objects[i].attributes, objects[i].origin,
                       access.keys->ring);
    drafts.push_back(forms.back().Draft(costs[i]));
  }
  return access.view->vault->Seal(access.keys->ring, drafts, ids);
}

// Erases an object that the caller sees and may change.
absl::Status EraseVisible(const HsmCore& core, Transaction& tx, SpaceId space,
                          const Access& access, uint64_t handle) {
  ASSIGN_OR_RETURN(const RecordStamp stamp,
                   access.view->vault->Stamp(tx, access.keys->ring, handle));
  RETURN_IF_ERROR(CheckMayChange(access, stamp.key == Vault::kPrivateKey));
  RETURN_IF_ERROR(access.view->vault->Erase(tx, access.keys->ring, handle));
  return RememberCounts(core, tx, space, KeyCountsValue(handle));
}

}  // namespace

uint64_t Partition::CostOf(const AttributeSet& attributes) const {
  return CostOfEncoded(attributes.EncodedSize());
}

uint64_t Partition::CostOfEncoded(uint64_t size) const {
  // The overhead is a constant of the HSM, so its last view does as well.
  auto hsm = state_->core->View();
  const uint64_t overhead = hsm.ok() ? (*hsm)->firmware->object_overhead : 0;
  return size + overhead;
}

absl::Status Partition::State_::CheckRoom(Reader& reader,
                                          const PartitionRecord& record,
                                          uint64_t more) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<const HsmView> hsm_view, core->View());
  const bool backup = hsm_view->record.kind == Kind::kBackup;
  if (record.capacity != 0) {
    ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(space));
    if (usage.bytes + more <= record.capacity) return absl::OkStatus();
    if (backup) {
      return base::Error(CKR_CONTAINER_OBJECT_STORAGE_FULL,
                         "the backup partition is full: resize it, then "
                         "append the objects that were left out");
    }
    return base::Error(CKR_DEVICE_MEMORY, "the partition is full");
  }
  if (hsm_view->record.storage_bytes == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t reserved,
                   ReservedBytes(*core, reader, hsm_view->record));
  if (reserved + more <= hsm_view->record.storage_bytes) {
    return absl::OkStatus();
  }
  return base::Error(CKR_HSM_STORAGE_FULL, "the HSM is full");
}

absl::StatusOr<std::vector<uint64_t>> Partition::Create(
    Login* login, std::vector<NewObject> objects) {
  ASSIGN_OR_RETURN(const std::vector<Edition> made,
                   CreateAll(login, absl::MakeSpan(objects)));
  std::vector<uint64_t> handles;
  for (const Edition& edition : made) handles.push_back(edition.id);
  return handles;
}

absl::StatusOr<std::vector<Edition>> Partition::CreateAll(
    Login* login, absl::Span<NewObject> objects) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  RETURN_IF_ERROR(CheckUsable(access));
  uint64_t more = 0;
  std::vector<uint64_t> costs;
  ASSIGN_OR_RETURN(const Bytes random,
                   base::RandomBytes(kUniqueIdSize * objects.size()));
  ByteSpan unused = random;
  for (NewObject& object : objects) {
    RETURN_IF_ERROR(
        CheckMayChange(access, object.attributes.IsTrue(CKA_PRIVATE)));
    RETURN_IF_ERROR(
        state_->AdmitKeyRights(*access.view, RoleOf(login), object));
    RETURN_IF_ERROR(Identify(unused.first(kUniqueIdSize), object));
    unused.remove_prefix(kUniqueIdSize);
    RETURN_IF_ERROR(CheckObjectSize(object.attributes));
    costs.push_back(CostOf(object.attributes));
    more += costs.back();
  }
  RETURN_IF_ERROR(CheckOuidsDiffer(objects));
  std::vector<uint64_t> handles;
  std::vector<Edition> made;
  const bool joined = state_->core->store().InWrite();
  RETURN_IF_ERROR(state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        handles.clear();
        const uint64_t base = state_->BaseGeneration();
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, access.view->record.incarnation));
        for (const NewObject& object : objects) {
          if (object.replaces == 0) continue;
          state_->known_ouids.Erased(base);
          RETURN_IF_ERROR(EraseVisible(*state_->core, tx, state_->space, access,
                                       object.replaces));
        }
        RETURN_IF_ERROR(state_->CheckRoom(tx, record, more));
        for (size_t i = 0; i < objects.size(); ++i) {
          if (objects[i].origin.has_value() &&
              (!joined || !objects[i].looked_up)) {
            RETURN_IF_ERROR(CheckNewOuid(tx, access, objects[i].attributes));
          }
          if (objects[i].origin.has_value()) {
            RETURN_IF_ERROR(RecallCounts(*state_->core, tx, state_->space,
                                         objects[i].attributes));
          }
          ASSIGN_OR_RETURN(const uint64_t id, tx.NextId());
          handles.push_back(id);
        }
        ASSIGN_OR_RETURN(
            const std::vector<Vault::Sealed> sealed,
            SealAll(state_->space, access, objects, costs, handles));
        made.clear();
        for (const Vault::Sealed& each : sealed) {
          made.push_back(each.edition());
        }
        RETURN_IF_ERROR(
            access.view->vault->InsertAll(tx, access.keys->ring, sealed));
        for (const NewObject& object : objects) {
          Ouid ouid{};
          const ByteSpan value = object.attributes.Value(CKA_OUID);
          std::copy_n(value.begin(), std::min(value.size(), ouid.size()),
                      ouid.begin());
          state_->known_ouids.Add(base, ouid);
        }
        state_->core->store().AfterCommit([state = state_.get(), base] {
          state->known_ouids.Committed(base);
        });
        std::vector<AuditEvent> events;
        for (size_t i = 0; i < objects.size(); ++i) {
          AuditEvent& event = events.emplace_back(
              state_->EventOf(WordOf(objects[i]), record, RoleOf(login)));
          event.About(objects[i].attributes, handles[i])
              .WithPeer(objects[i].peer);
          if (objects[i].replaces != 0) {
            event.With(AuditNumber::kReplaces, objects[i].replaces);
          }
        }
        return state_->core->audit().AppendAll(tx, absl::MakeSpan(events));
      }));
  for (const NewObject& object : objects) {
    if (object.replaces != 0) state_->RetireEverywhere(object.replaces);
  }
  return made;
}

absl::StatusOr<ObjectRef> Partition::ReplaceAs(Who who, Login* login,
                                               const Object& object,
                                               AttributeSet attributes) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  RETURN_IF_ERROR(CheckUsable(access));
  if (who == Who::kOfficer) {
    RETURN_IF_ERROR(CheckMayChange(
        access, object.is_private() || attributes.IsTrue(CKA_PRIVATE)));
    RETURN_IF_ERROR(
        CheckMayLimit(RoleOf(login), object.attributes(), attributes));
  }
  for (CK_ATTRIBUTE_TYPE type : {CKA_UNIQUE_ID, CKA_OUID}) {
    attributes.Set(type, object.attributes().Value(type));
  }
  RETURN_IF_ERROR(CheckObjectSize(attributes));
  const uint64_t cost = CostOf(attributes);
  const uint64_t former_cost = CostOf(object.attributes());
  const SealedForm form(state_->space, object.handle(), attributes,
                        object.origin(), access.keys->ring);
  uint64_t version = 0;
  RETURN_IF_ERROR(state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, access.view->record.incarnation));
        if (cost > former_cost) {
          RETURN_IF_ERROR(state_->CheckRoom(tx, record, cost - former_cost));
        }
        ASSIGN_OR_RETURN(version, access.view->vault->Replace(
                                      tx, access.keys->ring, object.handle(),
                                      object.version(), form.Draft(cost)));
        AuditEvent event =
            state_->EventOf(AuditWord::kObjectChanged, record, RoleOf(login));
        event.About(attributes, object.handle());
        return state_->core->audit().Append(tx, std::move(event));
      }));
  object.Retire();
  state_->RetireEverywhere(object.handle());
  // What it reads like, which for CKA_TRUSTED depends on who reads.
  return Get(login, object.handle());
}

absl::Status Partition::Destroy(Login* login, uint64_t handle) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  if (access.keys == nullptr) return NotVisible(handle);
  // Whose identity is recorded, if it still opens.
  const absl::StatusOr<ObjectRef> object = Get(login, handle);
  RETURN_IF_ERROR(state_->core->store().WriteFreeing(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, access.view->record.incarnation));
        state_->known_ouids.Erased(state_->BaseGeneration());
        RETURN_IF_ERROR(
            EraseVisible(*state_->core, tx, state_->space, access, handle));
        AuditEvent event =
            state_->EventOf(AuditWord::kObjectDestroyed, record, RoleOf(login));
        event.handle = handle;
        if (object.ok()) event.About((*object)->attributes(), handle);
        return state_->core->audit().Append(tx, std::move(event));
      }));
  state_->RetireEverywhere(handle);
  return absl::OkStatus();
}

absl::Status Partition::Clear(Login* login) {
  if (login == nullptr) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "clearing needs the Crypto Officer");
  }
  ASSIGN_OR_RETURN(const auto keys, state_->Require(*login, {Role::kCo}));
  RETURN_IF_ERROR(state_->core->store().WriteFreeing(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, login->state_->incarnation));
        ASSIGN_OR_RETURN(const SpaceUsage usage, tx.Usage(state_->space));
        AuditEvent event = state_->EventOf(AuditWord::kPartitionCleared, record,
                                           login->role());
        event.With(AuditNumber::kObjects, usage.records);
        RETURN_IF_ERROR(state_->core->audit().Append(tx, std::move(event)));
        RETURN_IF_ERROR(EmptySpace(tx, state_->space, Keep::kEverything));
        ASSIGN_OR_RETURN(const std::vector<std::string> counts,
                         tx.ListValues(state_->space, kKeyCountsPrefix));
        for (const std::string& name : counts) {
          RETURN_IF_ERROR(
              RememberCounts(*state_->core, tx, state_->space, name));
        }
        Vault vault(&state_->core->store(), state_->space);
        RETURN_IF_ERROR(
            vault.Begin(tx, Vault::kPublicKey, keys->ring.public_key.Expose()));
        return vault.Begin(tx, Vault::kPrivateKey,
                           keys->ring.private_key.Expose());
      }));
  state_->RetireAllEverywhere();
  return absl::OkStatus();
}

}  // namespace hsm
