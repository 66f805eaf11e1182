#include "hsm/key_rights.h"

#include <algorithm>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/wire.h"
#include "hsm/hsm.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

constexpr uint8_t kCountsFormat = 2;
constexpr uint8_t kNamelessFormat = 1;  // as before, without the identity

struct CountsRecord {
  uint8_t format = kCountsFormat;
  uint64_t failures = 0;
  uint64_t uses = 0;
  Ouid ouid{};
  template <typename V>
  void Fields(V& v) {
    v(format, failures, uses);
    if (format != kNamelessFormat) v(ouid);
  }
};

absl::StatusOr<CountsRecord> DecodeCounts(ByteSpan value) {
  ASSIGN_OR_RETURN(const CountsRecord record,
                   wire::Decode<CountsRecord>(value, "counts of a key"));
  if (record.format != kCountsFormat && record.format != kNamelessFormat) {
    return base::Error(CKR_DEVICE_ERROR, "counts of an unknown format");
  }
  return record;
}

std::string GoneCountsValue(ByteSpan ouid) {
  return absl::StrCat(kGoneCountsPrefix,
                      absl::BytesToHexString(base::AsText(ouid)));
}

// The stored value of CKA_AUTH_DATA.
struct Verifier {
  KdfParameters kdf;
  std::array<uint8_t, 32> derived{};
  template <typename V>
  void Fields(V& v) {
    v(kdf, derived);
  }
};

absl::StatusOr<Verifier> VerifierOf(const AttributeSet& key) {
  return wire::Decode<Verifier>(key.Value(CKA_AUTH_DATA), "CKA_AUTH_DATA");
}

absl::StatusOr<Bytes> NewVerifier(KdfCost cost, ByteSpan wanted) {
  if (wanted.size() < kShortestAuthData) {
    return base::Error(CKR_AUTH_DATA_TOO_SMALL, "at least 4 bytes");
  }
  if (wanted.size() > kLongestAuthData) {
    return base::Error(CKR_AUTH_DATA_TOO_LARGE, "at most 255 bytes");
  }
  Verifier verifier;
  ASSIGN_OR_RETURN(verifier.kdf, NewKdfParameters(cost));
  ASSIGN_OR_RETURN(const SecretBytes derived,
                   DeriveFromPin(verifier.kdf, wanted));
  std::copy_n(derived.Expose().begin(), verifier.derived.size(),
              verifier.derived.begin());
  return wire::Encode(verifier);
}

bool IsProtected(const AttributeSet& object) {
  return object.object_class() == CKO_PRIVATE_KEY ||
         object.object_class() == CKO_SECRET_KEY;
}

absl::Status CheckAssignable(const AttributeSet& key) {
  if (key.IsTrue(CKA_SENSITIVE) && !key.IsTrue(CKA_EXTRACTABLE)) {
    return absl::OkStatus();
  }
  return base::Error(CKR_ASSIGNED_KEY_FAILED_ATTRIBUTE_DEPENDENCIES,
                     "an assigned key is sensitive and not extractable");
}

absl::Status Wrong(bool last) {
  if (last) {
    return base::Error(CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED,
                       "the key is locked");
  }
  return base::Error(CKR_AUTH_DATA_INCORRECT, "");
}

KeyCounts Began(const AttributeSet& key) {
  return {key.Ulong(CKA_FAILED_KEY_AUTH_COUNT).value_or(0),
          key.Ulong(CKA_USAGE_COUNT).value_or(0)};
}

absl::Status Changed() {
  return base::Error(CKR_FUNCTION_FAILED, "the key was changed meanwhile");
}

}  // namespace

std::string KeyCountsValue(uint64_t handle) {
  return absl::StrCat(kKeyCountsPrefix, handle);
}

absl::Status RememberCounts(const HsmCore& core, Transaction& tx, SpaceId space,
                            const std::string& name) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> sealed, tx.GetValue(space, name));
  if (!sealed.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(tx.DeleteValue(space, name));
  const auto value = core.OpenValue(space, name, *sealed);
  if (!value.ok()) return absl::OkStatus();  // damaged, and the key goes
  const auto record = DecodeCounts(value->Expose());
  if (!record.ok() || record->format == kNamelessFormat) {
    return absl::OkStatus();
  }
  const std::string gone = GoneCountsValue(record->ouid);
  ASSIGN_OR_RETURN(const Bytes kept,
                   core.SealValue(space, gone, value->Expose()));
  return tx.PutValue(space, gone, kept);
}

absl::Status RecallCounts(const HsmCore& core, Transaction& tx, SpaceId space,
                          AttributeSet& attributes) {
  const bool counts_uses = CountsUses(attributes);
  if (!counts_uses && !WantsAuthorization(attributes)) return absl::OkStatus();
  const std::string gone = GoneCountsValue(attributes.Value(CKA_OUID));
  ASSIGN_OR_RETURN(const std::optional<Bytes> sealed, tx.GetValue(space, gone));
  if (!sealed.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SecretBytes value,
                   core.OpenValue(space, gone, *sealed));
  ASSIGN_OR_RETURN(const CountsRecord record, DecodeCounts(value.Expose()));
  const auto raise = [&](CK_ATTRIBUTE_TYPE type, uint64_t least) {
    attributes.SetUlong(type,
                        std::max(least, attributes.Ulong(type).value_or(0)));
  };
  if (counts_uses) raise(CKA_USAGE_COUNT, record.uses);
  if (WantsAuthorization(attributes)) {
    raise(CKA_FAILED_KEY_AUTH_COUNT, record.failures);
  }
  return absl::OkStatus();
}

absl::Status CheckHasAuthData(const AttributeSet& key) {
  if (WantsAuthorization(key)) return absl::OkStatus();
  return base::Error(CKR_KEY_CANNOT_BE_AUTHORIZED,
                     "the key has no authorisation data");
}

void EraseCounts(AttributeSet& attributes) {
  attributes.Erase(CKA_USAGE_COUNT);
  attributes.Erase(CKA_FAILED_KEY_AUTH_COUNT);
}

// --- a new key ---------------------------------------------------------------

absl::Status Partition::State_::AdmitKeyRights(const PartitionView& now,
                                               std::optional<Role> by,
                                               NewObject& object) {
  AttributeSet& key = object.attributes;
  const bool has_data = !key.Value(CKA_AUTH_DATA).empty();
  if (object.making == NewObject::Making::kReceived ||
      object.making == NewObject::Making::kInserted) {
    if (!key.Has(CKA_AUTH_DATA) || VerifierOf(key).ok()) {
      return absl::OkStatus();
    }
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_AUTH_DATA");
  }
  if (!IsProtected(key)) return absl::OkStatus();
  const bool assigned = key.IsTrue(CKA_ASSIGNED);
  const bool v1 =
      PolicyOr0(now.policies, partition_policy::kPartitionVersion) == 1;
  if (!v1 || !has_data) {
    key.Erase(CKA_AUTH_DATA);
    key.Erase(CKA_ASSIGNED);
    if (!v1) return absl::OkStatus();
    if (PolicyOr0(now.policies, partition_policy::kKeyAuthorization) != 0) {
      return base::Error(CKR_OH_AUTH_DATA_NOT_PROVIDED,
                         "partition policy 40 wants CKA_AUTH_DATA");
    }
    if (!assigned) return absl::OkStatus();
    return base::Error(CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA, "");
  }
  if (assigned) {
    if (by != Role::kCo) {
      return base::Error(CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED,
                         "the Crypto Officer assigns keys");
    }
    RETURN_IF_ERROR(CheckAssignable(key));
  } else {
    key.Erase(CKA_ASSIGNED);
  }
  ASSIGN_OR_RETURN(const auto hsm_view, core->View());
  ASSIGN_OR_RETURN(const Bytes verifier, NewVerifier(NewPinCost(*hsm_view),
                                                     key.Value(CKA_AUTH_DATA)));
  key.Set(CKA_AUTH_DATA, verifier);
  return absl::OkStatus();
}

// --- counts ------------------------------------------------------------------

absl::StatusOr<KeyCounts> KeyRights::Counts(const Object& key) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> value,
                   partition_.hsm().GetSealedValue(
                       partition_.space(), KeyCountsValue(key.handle())));
  if (!value.has_value()) return Began(key.attributes());
  ASSIGN_OR_RETURN(const CountsRecord record, DecodeCounts(*value));
  return KeyCounts{record.failures, record.uses};
}

absl::Status KeyRights::Keep(const Object& key, const KeyCounts& counts) {
  CountsRecord record;
  record.failures = counts.failures;
  record.uses = counts.uses;
  const ByteSpan ouid = key.attributes().Value(CKA_OUID);
  if (ouid.size() != record.ouid.size()) {
    return base::Error(CKR_DEVICE_ERROR, "a key without an identity");
  }
  std::copy(ouid.begin(), ouid.end(), record.ouid.begin());
  return partition_.hsm().PutSealedValue(
      partition_.space(), KeyCountsValue(key.handle()), wire::Encode(record));
}

absl::StatusOr<AttributeSet> KeyRights::WithCounts(const Object& key) {
  AttributeSet attributes = key.attributes();
  const bool counts_uses = CountsUses(attributes);
  if (!counts_uses && !WantsAuthorization(attributes)) return attributes;
  ASSIGN_OR_RETURN(const KeyCounts counts, Counts(key));
  if (counts_uses) attributes.SetUlong(CKA_USAGE_COUNT, counts.uses);
  if (WantsAuthorization(attributes)) {
    attributes.SetUlong(CKA_FAILED_KEY_AUTH_COUNT, counts.failures);
  }
  return attributes;
}

absl::Status KeyRights::KeepCounts(const Object& former,
                                   AttributeSet& attributes) {
  ASSIGN_OR_RETURN(const AttributeSet counted, WithCounts(former));
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_USAGE_COUNT, CKA_FAILED_KEY_AUTH_COUNT}) {
    const auto before = counted.Ulong(type);
    if (!before.has_value()) continue;
    attributes.SetUlong(type,
                        std::max(*before, attributes.Ulong(type).value_or(0)));
  }
  return absl::OkStatus();
}

absl::StatusOr<AttributeSet> KeyRights::Shown(const Object& key) {
  ASSIGN_OR_RETURN(AttributeSet shown, WithCounts(key));
  ASSIGN_OR_RETURN(const bool v1, IsV1());
  if (!v1 || !IsProtected(shown)) return shown;
  const bool has_data = WantsAuthorization(shown);
  const uint64_t failures = shown.Ulong(CKA_FAILED_KEY_AUTH_COUNT).value_or(0);
  const std::optional<uint64_t> limit = shown.Ulong(CKA_USAGE_LIMIT);
  const uint64_t uses = shown.Ulong(CKA_USAGE_COUNT).value_or(0);
  uint8_t flags = 0;
  if (has_data) flags |= CK_KEY_STATUS_F_AUTH_DATA_SET;
  if (has_data && failures >= kMostKeyAuthFailures) {
    flags |= CK_KEY_STATUS_F_LOCKED_DUE_TO_FAILED_AUTH;
  }
  if (limit.has_value() && uses >= *limit) {
    flags |= CK_KEY_STATUS_F_LOCKED_DUE_TO_USAGE_COUNTER;
  }
  const Bytes status = {flags, kMostKeyAuthFailures, 0, 0};
  shown.Set(CKA_KEY_STATUS, status);
  shown.SetUlong(CKA_FAILED_KEY_AUTH_COUNT, failures);
  shown.SetBool(CKA_ASSIGNED, shown.IsTrue(CKA_ASSIGNED));
  return shown;
}

// --- authorisation -----------------------------------------------------------

absl::StatusOr<bool> KeyRights::IsV1() {
  ASSIGN_OR_RETURN(const PartitionInfo info, partition_.Info());
  return info.version == 1;
}

absl::Status KeyRights::Authorize(const Object& key, const SecretBytes& given) {
  RETURN_IF_ERROR(CheckHasAuthData(key.attributes()));
  ASSIGN_OR_RETURN(const Verifier verifier, VerifierOf(key.attributes()));
  ASSIGN_OR_RETURN(const SecretBytes derived,
                   DeriveFromPin(verifier.kdf, given.Expose()));
  const bool right = derived.Equals(verifier.derived);
  ASSIGN_OR_RETURN(const KeyCounts before, Counts(key));
  if (right && before.failures == 0) return absl::OkStatus();
  absl::Status answer;
  RETURN_IF_ERROR(partition_.hsm().Atomically([&]() -> absl::Status {
    if (!partition_.IsCurrent(login_.get(), key)) return Changed();
    ASSIGN_OR_RETURN(KeyCounts counts, Counts(key));
    if (counts.failures >= kMostKeyAuthFailures) {
      answer = Wrong(/*last=*/true);
      return absl::OkStatus();
    }
    counts.failures = right ? 0 : counts.failures + 1;
    answer = right ? absl::OkStatus()
                   : Wrong(counts.failures >= kMostKeyAuthFailures);
    RETURN_IF_ERROR(Keep(key, counts));
    if (right) return absl::OkStatus();
    return partition_.NoteKeyRefused(login_.get(), key,
                                     kMostKeyAuthFailures - counts.failures);
  }));
  return answer;
}

absl::Status KeyRights::CountFailure(const Object& key) {
  RETURN_IF_ERROR(CheckHasAuthData(key.attributes()));
  if (login_ == nullptr) return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  return partition_.hsm().Atomically([&]() -> absl::Status {
    if (!partition_.IsCurrent(login_.get(), key)) return Changed();
    ASSIGN_OR_RETURN(KeyCounts counts, Counts(key));
    if (counts.failures >= kMostKeyAuthFailures) return Wrong(/*last=*/true);
    ++counts.failures;
    RETURN_IF_ERROR(Keep(key, counts));
    return partition_.NoteKeyRefused(login_.get(), key,
                                     kMostKeyAuthFailures - counts.failures);
  });
}

absl::Status KeyRights::RequireCo(absl::string_view what) const {
  if (login_ == nullptr) return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  if (login_->role() == Role::kCo) return absl::OkStatus();
  return base::Error(CKR_USER_NOT_AUTHORIZED,
                     absl::StrCat("only the Crypto Officer ", what));
}

absl::Status KeyRights::CheckMayHaveAuthData(const Object& key, CK_RV refusal) {
  ASSIGN_OR_RETURN(const bool v1, IsV1());
  if (v1 && key.is_token() && IsProtected(key.attributes())) {
    return absl::OkStatus();
  }
  return base::Error(refusal,
                     "private and secret keys on a V1 partition's token only");
}

absl::Status KeyRights::Change(const Object& key, AttributeSet attributes,
                               absl::FunctionRef<void(KeyCounts&)> recount) {
  return partition_.hsm().Atomically([&]() -> absl::Status {
    ASSIGN_OR_RETURN(KeyCounts counts, Counts(key));
    recount(counts);
    RETURN_IF_ERROR(
        partition_
            .ReplaceAs(Partition::Who::kAnyUser, login_.get(), key, attributes)
            .status());
    return Keep(key, counts);
  });
}

absl::Status KeyRights::SetVerifier(const Object& key,
                                    const SecretBytes& wanted) {
  ASSIGN_OR_RETURN(const auto hsm_view, partition_.state_->core->View());
  ASSIGN_OR_RETURN(const Bytes verifier,
                   NewVerifier(NewPinCost(*hsm_view), wanted.Expose()));
  AttributeSet attributes = key.attributes();
  attributes.Set(CKA_AUTH_DATA, verifier);
  return Change(key, std::move(attributes),
                [](KeyCounts& counts) { counts.failures = 0; });
}

absl::Status KeyRights::Set(const Object& key, const SecretBytes& old,
                            const SecretBytes& wanted) {
  if (login_ == nullptr) return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  RETURN_IF_ERROR(CheckMayHaveAuthData(key, CKR_AUTH_DATA_NOT_ALLOWED));
  if (WantsAuthorization(key.attributes())) {
    RETURN_IF_ERROR(Authorize(key, old));
  } else if (!old.empty()) {
    return Wrong(/*last=*/false);
  } else if (login_->role() != Role::kCo && login_->role() != Role::kLco) {
    return base::Error(CKR_USER_NOT_AUTHORIZED,
                       "the officers give a key its first data");
  }
  return SetVerifier(key, wanted);
}

absl::Status KeyRights::Reset(const Object& key, const SecretBytes& wanted) {
  RETURN_IF_ERROR(RequireCo("resets authorisation data"));
  RETURN_IF_ERROR(CheckMayHaveAuthData(key, CKR_AUTH_DATA_NOT_ALLOWED));
  if (key.attributes().IsTrue(CKA_ASSIGNED)) {
    return base::Error(CKR_ASSIGNED_KEY_CANNOT_BE_RESET, "");
  }
  return SetVerifier(key, wanted);
}

absl::Status KeyRights::Assign(const Object& key) {
  if (login_ == nullptr) return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  if (login_->role() != Role::kCo) {
    return base::Error(CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED,
                       "the Crypto Officer assigns keys");
  }
  RETURN_IF_ERROR(CheckMayHaveAuthData(key, CKR_ASSIGNED_KEY_NOT_ALLOWED));
  const AttributeSet& attributes = key.attributes();
  if (attributes.IsTrue(CKA_ASSIGNED)) {
    return base::Error(CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED, "it is assigned");
  }
  if (!WantsAuthorization(attributes)) {
    return base::Error(CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA, "");
  }
  RETURN_IF_ERROR(CheckAssignable(attributes));
  AttributeSet assigned = attributes;
  assigned.SetBool(CKA_ASSIGNED, true);
  return Change(key, std::move(assigned), [](KeyCounts&) {});
}

// --- uses --------------------------------------------------------------------

absl::Status KeyRights::CountUse(const Object& key) {
  if (!CountsUses(key.attributes())) return absl::OkStatus();
  const uint64_t limit = key.attributes()
                             .Ulong(CKA_USAGE_LIMIT)
                             .value_or(std::numeric_limits<uint64_t>::max());
  return partition_.hsm().Atomically([&]() -> absl::Status {
    if (!partition_.IsCurrent(login_.get(), key)) return Changed();
    ASSIGN_OR_RETURN(KeyCounts counts, Counts(key));
    if (counts.uses >= limit) {
      return base::Error(CKR_KEY_NOT_ACTIVE,
                         absl::StrCat("the key was used ", counts.uses,
                                      " times, which is its limit"));
    }
    ++counts.uses;
    return Keep(key, counts);
  });
}

absl::Status KeyRights::AddUses(const Object& key, uint64_t more) {
  return ChangeUses(key, [more](uint64_t uses) -> absl::StatusOr<uint64_t> {
    if (more > std::numeric_limits<uint64_t>::max() - uses) {
      return base::Error(CKR_INTEGER_OVERFLOW, "a usage count of 64 bits");
    }
    return uses + more;
  });
}

absl::Status KeyRights::SetUses(const Object& key, uint64_t uses) {
  return ChangeUses(
      key, [uses](uint64_t) -> absl::StatusOr<uint64_t> { return uses; });
}

absl::Status KeyRights::ChangeUses(
    const Object& key,
    absl::FunctionRef<absl::StatusOr<uint64_t>(uint64_t)> change) {
  RETURN_IF_ERROR(RequireCo("changes usage counts"));
  if (!IsProtected(key.attributes())) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT,
                       "private and secret keys count their uses");
  }
  const bool counted = CountsUses(key.attributes());
  return partition_.hsm().Atomically([&]() -> absl::Status {
    if (!partition_.IsCurrent(login_.get(), key)) return Changed();
    ASSIGN_OR_RETURN(KeyCounts counts, Counts(key));
    ASSIGN_OR_RETURN(const uint64_t uses, change(counts.uses));
    if (uses < counts.uses && key.attributes().IsTrue(CKA_ASSIGNED)) {
      return base::Error(CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED, "");
    }
    counts.uses = uses;
    if (counted) {
      RETURN_IF_ERROR(Keep(key, counts));
      return partition_.NoteUsesSet(*login_, key, uses);
    }
    AttributeSet attributes = key.attributes();
    attributes.SetUlong(CKA_USAGE_COUNT, uses);
    return Change(key, std::move(attributes),
                  [&](KeyCounts& now) { now.uses = uses; });
  });
}

}  // namespace hsm
