// Finding and opening the objects of a partition.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "hsm/mac_tree.h"
#include "hsm/object_record.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

absl::Status NotVisible(uint64_t handle) {
  return base::Error(CKR_OBJECT_HANDLE_INVALID,
                     absl::StrCat("no object ", handle));
}

// Opens the record of `handle` and keeps the object.
absl::StatusOr<ObjectRef> OpenObject(Reader& reader, SpaceId space,
                                     const Access& access, uint64_t handle,
                                     uint64_t generation) {
  const KeyRing& ring = access.keys->ring;
  ASSIGN_OR_RETURN(const Vault::Opened opened,
                   access.view->vault->Open(reader, ring, handle));
  absl::StatusOr<OpenedObject> decoded = DecodeObject(space, opened, ring);
  if (!decoded.ok()) {
    return base::ErrorWithReason(base::CkRv(decoded.status()), kTamperedReason,
                                 decoded.status().message());
  }
  return access.cache->Put(std::move(decoded->object), decoded->bytes,
                           generation);
}

// The object of `handle`, from the cache when its record's freshness allows.
absl::StatusOr<ObjectRef> LoadObject(Reader& reader, SpaceId space,
                                     const Access& access, uint64_t handle,
                                     uint64_t generation) {
  if (ObjectRef object = access.cache->Valid(handle, generation)) {
    return object;
  }
  // Inside a transaction nothing is remembered, and opening checks all of it.
  if (generation == kBusyGeneration) {
    return OpenObject(reader, space, access, handle, generation);
  }
  ASSIGN_OR_RETURN(
      const RecordStamp stamp,
      access.view->vault->Stamp(reader, access.keys->ring, handle));
  if (ObjectRef object =
          access.cache->AtVersion(handle, stamp.version, generation)) {
    return object;
  }
  return OpenObject(reader, space, access, handle, generation);
}

struct Tampered {
  uint64_t handle;
  std::string what;
};

// Everything that `pattern` asks for stands in a record's columns, which are
// sealed with it: it need only be opened, not decoded and kept.
bool IsAnsweredByColumns(const AttributeSet& pattern) {
  return std::all_of(pattern.entries().begin(), pattern.entries().end(),
                     [](const auto& entry) {
                       return entry.type == CKA_CLASS ||
                              entry.type == CKA_TOKEN;
                     });
}

// The candidates of which `looks(handle, generation)` says that they fit. One
// bad record does not hide the others, but a store that cannot be read hides
// none.
absl::Status Sift(
    Reader& reader, SpaceId space, const std::vector<RecordStamp>& candidates,
    absl::FunctionRef<absl::StatusOr<bool>(uint64_t, uint64_t)> looks,
    std::vector<uint64_t>& handles, std::vector<Tampered>& tampered) {
  const uint64_t generation = reader.Generation(space);
  handles.reserve(candidates.size());
  for (const RecordStamp& candidate : candidates) {
    const absl::StatusOr<bool> fits = looks(candidate.id, generation);
    if (fits.ok()) {
      if (*fits) handles.push_back(candidate.id);
    } else if (base::Reason(fits.status()) == kTamperedReason) {
      tampered.push_back({candidate.id, std::string(fits.status().message())});
    } else if (base::CkRv(fits.status()) != CKR_OBJECT_HANDLE_INVALID) {
      return fits.status();
    }
  }
  return absl::OkStatus();
}

// The objects that `pattern` asks for, of one view.
absl::Status Search(Reader& reader, SpaceId space, const Access& access,
                    const AttributeSet& pattern, std::vector<uint64_t>& handles,
                    std::vector<Tampered>& tampered,
                    std::vector<ObjectRef>* objects = nullptr) {
  std::optional<uint32_t> object_class;
  if (const auto wanted = pattern.Ulong(CKA_CLASS)) {
    object_class = static_cast<uint32_t>(*wanted);
  }
  Bytes joined;
  const Tagged tagged = TaggedOf(pattern, joined);
  ASSIGN_OR_RETURN(const std::vector<RecordStamp> candidates,
                   access.view->vault->Find(reader, access.keys->ring,
                                            object_class, tagged));
  const bool by_columns = IsAnsweredByColumns(pattern);
  return Sift(
      reader, space, candidates,
      [&](uint64_t handle, uint64_t generation) -> absl::StatusOr<bool> {
        if (by_columns) {
          if (access.cache->Valid(handle, generation) == nullptr) {
            RETURN_IF_ERROR(
                access.view->vault->Open(reader, access.keys->ring, handle)
                    .status());
          }
          return true;
        }
        ASSIGN_OR_RETURN(const ObjectRef object,
                         LoadObject(reader, space, access, handle, generation));
        // For this module itself also by what nobody may ask for (an SMK's
        // identity).
        const bool fits = objects != nullptr
                              ? object->attributes().Matches(pattern)
                              : IsFoundBy(pattern, *object);
        if (fits && objects != nullptr) objects->push_back(object);
        return fits;
      },
      handles, tampered);
}

void Tell(const AuditLog& audit, SpaceId space,
          const std::vector<Tampered>& tampered) {
  for (const Tampered& one : tampered) {
    base::LogIntegrity(absl::StrCat("partition ", space, ", object ",
                                    one.handle, ": ", one.what));
    audit.NoteIntegrity(space, one.handle, "object");
  }
}

}  // namespace

absl::StatusOr<ObjectRef> Partition::Get(Login* login, uint64_t handle) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  if (access.keys == nullptr) return NotVisible(handle);
  if (ObjectRef object = access.cache->Valid(handle, state_->Generation())) {
    return object;
  }
  ObjectRef object;
  const absl::Status status =
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(object,
                         LoadObject(reader, state_->space, access, handle,
                                    reader.Generation(state_->space)));
        return absl::OkStatus();
      });
  if (base::CkRv(status) == CKR_OBJECT_HANDLE_INVALID) {
    access.cache->Retire(handle);
  }
  if (base::Reason(status) == kTamperedReason) {
    state_->core->audit().NoteIntegrity(state_->space, handle, "object");
  }
  RETURN_IF_ERROR(status);
  return object;
}

absl::StatusOr<std::vector<uint64_t>> Partition::Find(
    Login* login, const AttributeSet& pattern) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  std::vector<uint64_t> handles;
  if (access.keys == nullptr) return handles;
  std::vector<Tampered> tampered;
  RETURN_IF_ERROR(state_->core->store().Read([&](Reader& reader) {
    return Search(reader, state_->space, access, pattern, handles, tampered);
  }));
  Tell(state_->core->audit(), state_->space, tampered);
  return handles;
}

absl::StatusOr<std::vector<absl::StatusOr<ObjectRef>>> Partition::FindOuids(
    Login* login, absl::Span<const Ouid> ouids) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  std::vector<absl::StatusOr<ObjectRef>> there(ouids.size(), ObjectRef());
  if (access.keys == nullptr) return there;
  JoinedStore& store = state_->core->store();
  KnownOuids& known = state_->known_ouids;
  std::vector<Tampered> tampered;
  RETURN_IF_ERROR(store.Read([&](Reader& reader) -> absl::Status {
    const uint64_t base =
        store.InWrite() ? state_->BaseGeneration() : kBusyGeneration;
    if (base != kBusyGeneration && !known.IsKnownAt(base)) {
      ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(state_->space));
      if (usage.records == 0) known.BeginEmpty(base);
    }
    for (size_t i = 0; i < ouids.size(); ++i) {
      if (known.Lacks(base, ouids[i])) continue;
      AttributeSet pattern;
      pattern.Set(CKA_OUID, ouids[i]);
      std::vector<uint64_t> handles;
      std::vector<ObjectRef> objects;
      const size_t damaged = tampered.size();
      RETURN_IF_ERROR(Search(reader, state_->space, access, pattern, handles,
                             tampered, &objects));
      if (!objects.empty()) {
        there[i] = objects.front();
      } else if (tampered.size() > damaged) {
        there[i] = base::ErrorWithReason(CKR_DEVICE_ERROR, kTamperedReason,
                                         tampered.back().what);
      }
    }
    return absl::OkStatus();
  }));
  Tell(state_->core->audit(), state_->space, tampered);
  return there;
}

absl::StatusOr<std::vector<uint64_t>> Partition::Handles(Login* login) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  std::vector<uint64_t> handles;
  if (access.keys == nullptr) return handles;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<RecordStamp> all,
                         access.view->vault->Find(reader, access.keys->ring,
                                                  std::nullopt, {}));
        handles.reserve(all.size());
        for (const RecordStamp& stamp : all) handles.push_back(stamp.id);
        return absl::OkStatus();
      }));
  return handles;
}

absl::StatusOr<uint64_t> Partition::Count(Login* login) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  uint64_t count = 0;
  if (access.keys == nullptr) return count;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(count,
                         access.view->vault->Count(reader, access.keys->ring));
        return absl::OkStatus();
      }));
  return count;
}

absl::StatusOr<std::vector<Edition>> Partition::Editions(Login* login) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  std::vector<Edition> editions;
  if (access.keys == nullptr) return editions;
  const absl::Status status =
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(
            editions, access.view->vault->Editions(reader, access.keys->ring));
        return absl::OkStatus();
      });
  if (base::Reason(status) == kTamperedReason) return std::vector<Edition>();
  RETURN_IF_ERROR(status);
  return editions;
}

absl::StatusOr<std::vector<Edition>> Partition::EditionsOf(
    Login* login, absl::Span<const uint64_t> handles) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  std::vector<Edition> editions;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        for (const uint64_t handle : handles) {
          ASSIGN_OR_RETURN(editions.emplace_back(),
                           access.view->vault->EditionOf(reader, handle));
        }
        return absl::OkStatus();
      }));
  return editions;
}

absl::StatusOr<std::vector<uint64_t>> Partition::FindTampered(Login* login) {
  ASSIGN_OR_RETURN(const Access access, state_->AccessOf(login));
  std::vector<uint64_t> handles, sound;
  if (access.keys == nullptr) return handles;
  std::vector<Tampered> tampered;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<RecordStamp> candidates,
                         access.view->vault->Find(reader, access.keys->ring,
                                                  std::nullopt, {}));
        return Sift(
            reader, state_->space, candidates,
            [&](uint64_t handle, uint64_t generation) -> absl::StatusOr<bool> {
              RETURN_IF_ERROR(
                  LoadObject(reader, state_->space, access, handle, generation)
                      .status());
              return true;
            },
            sound, tampered);
      }));
  for (const Tampered& one : tampered) handles.push_back(one.handle);
  return handles;
}

uint64_t Partition::Generation() const { return state_->Generation(); }

bool Partition::IsCurrent(Login* login, const Object& object) {
  if (object.retired()) return false;
  if (login != nullptr && login->ended()) return false;
  ObjectCache& cache =
      login == nullptr ? *state_->public_cache : *login->state_->cache;
  if (cache.IsValid(object, state_->Generation())) return true;
  absl::StatusOr<ObjectRef> now = Get(login, object.handle());
  return now.ok() && (*now)->version() == object.version() && !object.retired();
}

}  // namespace hsm
