// What single keys demand of their users: authorisation data, which locks a key
// after too many wrong tries (V1 partitions), and how often it may be used.
// docs/formats/hsm.md, "Rights of keys".
//
// Beside the attributes CKA_AUTH_DATA (stored as a verifier), CKA_ASSIGNED and
// CKA_USAGE_LIMIT there are two counts, that change without the object: of
// wrong tries and of uses. The attributes CKA_FAILED_KEY_AUTH_COUNT and
// CKA_USAGE_COUNT of the stored object are what the counts began with.
#ifndef PERIGEE_HSM_KEY_RIGHTS_H_
#define PERIGEE_HSM_KEY_RIGHTS_H_

#include <utility>

#include "absl/functional/function_ref.h"
#include "hsm/hsm_core.h"
#include "hsm/partition.h"

namespace hsm {

inline constexpr uint8_t kMostKeyAuthFailures = 10;
inline constexpr size_t kShortestAuthData = 4;
inline constexpr size_t kLongestAuthData = 255;

struct KeyCounts {
  uint64_t failures = 0;
  uint64_t uses = 0;
};

// Whether each use is counted: the key has a limit, or a count.
inline bool CountsUses(const AttributeSet& key) {
  return key.Has(CKA_USAGE_LIMIT) || key.Has(CKA_USAGE_COUNT);
}
inline bool WantsAuthorization(const AttributeSet& key) {
  return key.Has(CKA_AUTH_DATA);
}
// CKR_KEY_CANNOT_BE_AUTHORIZED for one without authorisation data.
absl::Status CheckHasAuthData(const AttributeSet& key);
// In a transaction that destroys the object: what was counted of it is kept for
// when a copy of it, which knows less, comes back.
// `name`: KeyCountsValue of it.
absl::Status RememberCounts(const HsmCore& core, Transaction& tx, SpaceId space,
                            const std::string& name);
// In the transaction that stores a copy: it begins with no smaller counts than
// the destroyed one had. What was remembered stays, for the next copy.
absl::Status RecallCounts(const HsmCore& core, Transaction& tx, SpaceId space,
                          AttributeSet& attributes);
// What differs between two copies of a key without one being another key.
void EraseCounts(AttributeSet& attributes);

// Token objects of one partition, as `login` may see them (null: nobody).
// Thread-safe as the partition; cheap to make. The partition outlives it.
class KeyRights {
 public:
  KeyRights(Partition* partition, LoginRef login)
      : partition_(*partition), login_(std::move(login)) {}

  // Tries authorisation data: derived outside every lock; a wrong one is
  // counted durably before the answer. CKR_AUTH_DATA_INCORRECT, at the limit
  // CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED (then also for what is right),
  // CKR_KEY_CANNOT_BE_AUTHORIZED.
  absl::Status Authorize(const Object& key, const SecretBytes& given);
  // One more wrong try, that happened elsewhere. The same errors.
  absl::Status CountFailure(const Object& key);

  // New authorisation data. Whoever knows the old one, or, where there is none,
  // CO or LCO; the errors of Authorize. CKR_AUTH_DATA_NOT_ALLOWED for what is
  // no private or secret key, or is in a V0 partition;
  // CKR_AUTH_DATA_TOO_SMALL, CKR_AUTH_DATA_TOO_LARGE. Ends the key's present
  // authorisations.
  absl::Status Set(const Object& key, const SecretBytes& old,
                   const SecretBytes& wanted);
  // By the CO, who need not know the old one; unlocks the key.
  // CKR_ASSIGNED_KEY_CANNOT_BE_RESET.
  absl::Status Reset(const Object& key, const SecretBytes& wanted);
  // By the CO, for good. CKR_ASSIGNED_KEY_NOT_ALLOWED (no key, V0),
  // CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED (it is), ..._REQUIRES_AUTH_DATA,
  // ..._FAILED_ATTRIBUTE_DEPENDENCIES, CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED.
  absl::Status Assign(const Object& key);

  // Counts one use, durably, before it happens; CKR_KEY_NOT_ACTIVE at the
  // limit. Nothing for keys that count none.
  absl::Status CountUse(const Object& key);
  // By the CO, recorded. CKR_INTEGER_OVERFLOW; a count does not go back on an
  // assigned key (CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED).
  absl::Status AddUses(const Object& key, uint64_t more);
  absl::Status SetUses(const Object& key, uint64_t uses);

  absl::StatusOr<KeyCounts> Counts(const Object& key);
  // The attributes with the counts as they are now, where there are any: what
  // goes along with a copy.
  absl::StatusOr<AttributeSet> WithCounts(const Object& key);
  // What replaces `former` begins with no smaller counts.
  absl::Status KeepCounts(const Object& former, AttributeSet& attributes);
  // The same with what is shown beside: CKA_KEY_STATUS, and in a V1 partition
  // CKA_ASSIGNED and CKA_FAILED_KEY_AUTH_COUNT of every private and secret key.
  absl::StatusOr<AttributeSet> Shown(const Object& key);

 private:
  absl::Status RequireCo(absl::string_view what) const;
  absl::Status Keep(const Object& key, const KeyCounts& counts);
  absl::Status CheckMayHaveAuthData(const Object& key, CK_RV refusal);
  // Both at once; `recount` gets the counts as they are then.
  absl::Status Change(const Object& key, AttributeSet attributes,
                      absl::FunctionRef<void(KeyCounts&)> recount);
  absl::Status SetVerifier(const Object& key, const SecretBytes& wanted);
  absl::StatusOr<bool> IsV1();
  absl::Status ChangeUses(
      const Object& key,
      absl::FunctionRef<absl::StatusOr<uint64_t>(uint64_t)> change);

  Partition& partition_;
  const LoginRef login_;
};

// The value of a partition that holds the counts of an object.
std::string KeyCountsValue(uint64_t handle);

}  // namespace hsm

#endif  // PERIGEE_HSM_KEY_RIGHTS_H_
