// SKS blobs of a V1 partition: who may make and open them, and of what.
// docs/formats/sks.md.
#include <algorithm>
#include <set>
#include <utility>

#include "hsm/attribute_rules.h"
#include "hsm/compatibility.h"
#include "hsm/key_rights.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

absl::Status CheckRole(const Login& by, Partition::SksUse use) {
  if (by.role() != Role::kCu || use == Partition::SksUse::kSign) {
    return absl::OkStatus();
  }
  return base::Error(CKR_USER_NOT_AUTHORIZED,
                     "SKS blobs are the officers' business");
}

// As they leave: with the counts of their uses and of wrong tries.
absl::StatusOr<std::vector<ObjectRef>> WithCounts(
    Partition& partition, absl::Span<const ObjectRef> objects) {
  KeyRights rights(&partition, nullptr);
  std::vector<ObjectRef> leaving;
  for (const ObjectRef& object : objects) {
    ASSIGN_OR_RETURN(AttributeSet attributes, rights.WithCounts(*object));
    leaving.push_back(std::make_shared<const Object>(
        object->handle(), object->version(), std::move(attributes),
        object->origin()));
  }
  return leaving;
}

absl::Status CheckDifferent(absl::Span<const ObjectRef> objects) {
  std::set<uint64_t> seen;
  for (const ObjectRef& object : objects) {
    if (!seen.insert(object->handle()).second) {
      return base::Error(CKR_ARGUMENTS_BAD, "an object is named twice");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ObjectRef>> Partition::AllForSks(
    const LoginRef& by, const SksAuthorisation& authorisation) {
  RETURN_IF_ERROR(CheckRole(*by, SksUse::kInsert));
  ASSIGN_OR_RETURN(const Statement own, MakeStatement());
  size_t size = SksBlobSize(own, {}, authorisation);
  ASSIGN_OR_RETURN(const std::vector<uint64_t> handles,
                   Find(by.get(), AttributeSet()));
  std::vector<ObjectRef> all;
  for (const uint64_t handle : handles) {
    absl::StatusOr<ObjectRef> object = Get(by.get(), handle);
    if (base::CkRv(object.status()) == CKR_OBJECT_HANDLE_INVALID) continue;
    RETURN_IF_ERROR(object.status());
    if (!CheckSks((*object)->attributes()).ok()) continue;
    const ObjectRef one[] = {*object};
    ASSIGN_OR_RETURN(const std::vector<ObjectRef> leaving,
                     WithCounts(*this, one));
    size += SksItemSize(*leaving.front());
    if (size > kLargestSksBlob || all.size() == kMostSksObjects) break;
    all.push_back(*std::move(object));
  }
  return all;
}

absl::StatusOr<size_t> Partition::SizeOfSks(
    const Login& by, absl::Span<const ObjectRef> objects,
    const SksAuthorisation& authorisation) {
  RETURN_IF_ERROR(CheckRole(by, SksUse::kInsert));
  RETURN_IF_ERROR(CheckToSeal(authorisation));
  RETURN_IF_ERROR(Smks(by).status());
  if (objects.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no objects");
  RETURN_IF_ERROR(CheckDifferent(objects));
  for (const ObjectRef& object : objects) {
    RETURN_IF_ERROR(CheckSks(object->attributes()));
  }
  ASSIGN_OR_RETURN(const Statement own, MakeStatement());
  ASSIGN_OR_RETURN(const std::vector<ObjectRef> leaving,
                   WithCounts(*this, objects));
  return SksBlobSize(own, leaving, authorisation);
}

absl::StatusOr<Bytes> Partition::ExtractSks(
    const Login& by, absl::Span<const ObjectRef> objects,
    const SksAuthorisation& authorisation, bool destroy, size_t room) {
  ASSIGN_OR_RETURN(const size_t size, SizeOfSks(by, objects, authorisation));
  if (size > room) {
    return base::Error(CKR_BUFFER_TOO_SMALL, "the blob has grown");
  }
  ASSIGN_OR_RETURN(const SmkSet smks, Smks(by));
  ASSIGN_OR_RETURN(const Statement own, MakeStatement());
  ASSIGN_OR_RETURN(const auto hsm_view, state_->core->View());
  ASSIGN_OR_RETURN(const std::vector<ObjectRef> leaving,
                   WithCounts(*this, objects));
  ASSIGN_OR_RETURN(Bytes blob, SealSks(smks.primary, own, leaving,
                                       authorisation, NewPinCost(*hsm_view)));
  if (blob.size() > room) {
    return base::Error(CKR_BUFFER_TOO_SMALL, "the blob has grown");
  }
  RETURN_IF_ERROR(state_->NoteExtracted(by, objects, destroy));
  if (!destroy) return blob;
  for (const ObjectRef& object : objects) {
    if (object->is_token()) state_->RetireEverywhere(object->handle());
  }
  return blob;
}

absl::Status Partition::State_::NoteExtracted(
    const Login& by, absl::Span<const ObjectRef> objects, bool destroy) {
  ASSIGN_OR_RETURN(const auto keys, Require(by, {Role::kCo, Role::kLco}));
  const auto record_it = [&](Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const PartitionRecord record,
                     Recheck(tx, by.state_->incarnation));
    RETURN_IF_ERROR(RequireV1(tx));
    ASSIGN_OR_RETURN(const auto now, Load(tx));
    std::vector<AuditEvent> events;
    const auto note = [&](AuditWord word, const Object& object) {
      events.emplace_back(EventOf(word, record, by.role()))
          .About(object.attributes(), object.handle());
    };
    for (const ObjectRef& object : objects) {
      if (!object->is_token()) continue;
      ASSIGN_OR_RETURN(const RecordStamp stamp,
                       now->vault->Stamp(tx, keys->ring, object->handle()));
      if (stamp.version != object->version()) {
        return base::Error(CKR_FUNCTION_FAILED,
                           "an object was changed meanwhile");
      }
      note(AuditWord::kObjectExtracted, *object);
      if (!destroy) continue;
      known_ouids.Erased(BaseGeneration());
      RETURN_IF_ERROR(now->vault->Erase(tx, keys->ring, object->handle()));
      RETURN_IF_ERROR(
          RememberCounts(*core, tx, space, KeyCountsValue(object->handle())));
      note(AuditWord::kObjectDestroyed, *object);
    }
    return core->audit().AppendAll(tx, absl::MakeSpan(events));
  };
  if (std::none_of(objects.begin(), objects.end(), [](const ObjectRef& object) {
        return object->is_token();
      })) {
    return absl::OkStatus();
  }
  return destroy ? core->store().WriteFreeing(space, record_it)
                 : core->store().Write(space, record_it);
}

absl::StatusOr<std::vector<SksObject>> Partition::OpenSks(
    const Login& by, ByteSpan blob, const SksAuthorisation& authorisation,
    SksUse use) {
  RETURN_IF_ERROR(CheckRole(by, use));
  ASSIGN_OR_RETURN(const auto keys,
                   state_->Require(by, {Role::kCo, Role::kLco, Role::kCu}));
  std::optional<SmkSet> set;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(reader, by.state_->incarnation));
        RETURN_IF_ERROR(state_->RequireV1(reader));
        ASSIGN_OR_RETURN(set, state_->LoadSmks(reader, record.born, *keys));
        return absl::OkStatus();
      }));
  std::vector<const Smk*> smks;
  if (set.has_value()) {
    smks.push_back(&set->primary);
    if (set->former.has_value()) smks.push_back(&*set->former);
  }
  ASSIGN_OR_RETURN(SksContents contents,
                   hsm::OpenSks(smks, blob, authorisation));
  ASSIGN_OR_RETURN(const Statement own, MakeStatement());
  for (SksObject& object : contents.objects) {
    if (!object.origin.has_value()) object.origin = contents.source;
    RETURN_IF_ERROR(CheckTransfer(contents.source, own, *object.origin));
    RETURN_IF_ERROR(CheckSks(object.attributes));
    ASSIGN_OR_RETURN(object.attributes, Resolve(How::kClone, object.attributes,
                                                {.logged_in = true}));
  }
  return std::move(contents.objects);
}

}  // namespace hsm
