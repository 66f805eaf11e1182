// Capabilities and policies of HSMs and partitions: one row each, one table a
// scope, and the arithmetic of changing one.
#ifndef PERIGEE_HSM_POLICY_H_
#define PERIGEE_HSM_POLICY_H_

#include <map>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "hsm/statement.h"

namespace hsm {

// When a change of a policy destroys what it governs. For values that are no
// switches a larger value counts as "on".
enum class Destructive : uint8_t { kNever, kOffToOn, kOnToOff, kBoth };

// Not there on this kind of HSM.
inline constexpr int64_t kAbsent = -1;

// What one kind of HSM starts with. `value` is kAbsent for a capability
// without a settable policy.
struct PolicyDefault {
  int64_t capability = kAbsent;
  int64_t value = kAbsent;
};

struct PolicyRule {
  uint32_t number;
  const char* capability_name;  // "Enable non-FIPS algorithms"
  const char* policy_name;      // "Allow non-FIPS algorithms"; null: capability
                                // without a settable policy
  Destructive destructive;
  FirmwareVersion since;
  uint8_t bits;     // width of the value: 1 for switches
  bool has_effect;  // the model acts on it; false: shown only
  PolicyDefault application;
  PolicyDefault backup;
  uint64_t minimum = 0;  // smallest value

  const PolicyDefault& start(Kind kind) const {
    return kind == Kind::kBackup ? backup : application;
  }
};

absl::Span<const PolicyRule> HsmPolicyRules();
absl::Span<const PolicyRule> PartitionPolicyRules();
const PolicyRule* FindRule(absl::Span<const PolicyRule> rules, uint32_t number);

// number -> value; what a model and firmware start with, for both scopes.
using PolicyValues = std::map<uint32_t, uint64_t>;

// The value of `number`, or 0 when it is not there.
uint64_t PolicyOr0(const PolicyValues& values, uint32_t number);

// `defaults` with the values of `stored` where both have the number: what
// becomes of stored policies when the firmware was updated or rolled back.
PolicyValues CompletePolicies(PolicyValues defaults,
                              const PolicyValues& stored);

// Whether changing `rule` from one value to another destroys something. Equal
// values never do.
bool IsDestructive(const PolicyRule& rule, uint64_t from, uint64_t to);

// `current` with `changes` applied, and whether that destroys something.
struct PolicyChange {
  PolicyValues values;
  bool destructive = false;
};

// Every change must be of a settable policy that is in `current`
// (LUNA_RET_RM_ELEMENT_ID_INVALID), fit its range
// (LUNA_RET_RM_ELEMENT_VALUE_INVALID) and be no laxer than its capability
// (LUNA_RET_RM_CONFIG_CHANGE_ILLEGAL).
absl::StatusOr<PolicyChange> ApplyPolicies(absl::Span<const PolicyRule> rules,
                                           const PolicyValues& capabilities,
                                           const PolicyValues& current,
                                           const PolicyValues& changes);

// CKR_CONFIG_FAILS_DEPENDENCIES when a partition's policies contradict each
// other or the HSM's. `exclusive_export`: the model never has policies 0 and 1
// on together.
absl::Status CheckPartitionDependencies(const PolicyValues& partition,
                                        const PolicyValues& hsm,
                                        bool exclusive_export);

// The well-known numbers, so that code names what it asks for.
namespace hsm_policy {
inline constexpr uint32_t kPasswordAuthentication = 0, kPedAuthentication = 1,
                          kMasking = 6, kCloning = 7,
                          kNonBackupFunctionality = 9, kNonFipsAlgorithms = 12,
                          kSoCanResetPin = 15, kForceUserPinChange = 21,
                          kStorageSpace = 27, kMaximumPartitions = 33,
                          kDecommissionOnTamper = 40,
                          kControlledTamperRecovery = 48,
                          kFunctionalityModules = 50, kRestrictedRestore = 55;
}  // namespace hsm_policy
namespace partition_policy {
inline constexpr uint32_t kPrivateKeyCloning = 0, kPrivateKeyWrapping = 1,
                          kPrivateKeyUnwrapping = 2, kPrivateKeyMasking = 3,
                          kSecretKeyCloning = 4, kSecretKeyWrapping = 5,
                          kSecretKeyUnwrapping = 6, kSecretKeyMasking = 7,
                          kMaxFailedLogins = 20, kActivation = 22,
                          kAutoActivation = 23, kMinimumPinLength = 25,
                          kMaximumPinLength = 26, kKeyAuthorization = 40,
                          kPartitionVersion = 41, kAllowCpv1 = 42,
                          kNonFipsAlgorithms = 43, kExtendedDomains = 44;
}  // namespace partition_policy

}  // namespace hsm

#endif  // PERIGEE_HSM_POLICY_H_
