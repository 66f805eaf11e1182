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

enum class Destructive : uint8_t { kNever, kOffToOn, kOnToOff, kBoth };

struct PolicyRule {
  uint32_t number;
  const char* capability_name;  // "Enable non-FIPS algorithms"
  const char* policy_name;      // "Allow non-FIPS algorithms"; null: capability
                                // without a settable policy
  Destructive destructive;
  FirmwareVersion since;
  uint8_t bits;  // width of the value: 1 for switches
  bool has_effect;  // the model acts on it; false: shown only
};

absl::Span<const PolicyRule> HsmPolicyRules();
absl::Span<const PolicyRule> PartitionPolicyRules();
const PolicyRule* FindRule(absl::Span<const PolicyRule> rules,
                           uint32_t number);

// number -> value; what a model and firmware start with, for both scopes.
using PolicyValues = std::map<uint32_t, uint64_t>;

// The well-known numbers, so that code names what it asks for.
namespace hsm_policy {
inline constexpr uint32_t kPasswordAuthentication = 0, kPedAuthentication = 1,
                          kCloning = 7, kNonBackupFunctionality = 9,
                          kNonFipsAlgorithms = 12, kSoCanResetPin = 15,
                          kForceUserPinChange = 21, kStorageSpace = 27,
                          kMaximumPartitions = 33, kFunctionalityModules = 50,
                          kRestrictedRestore = 55;
}  // namespace hsm_policy
namespace partition_policy {
inline constexpr uint32_t kPrivateKeyCloning = 0, kPrivateKeyWrapping = 1,
                          kPrivateKeyUnwrapping = 2, kSecretKeyCloning = 4,
                          kSecretKeyWrapping = 5, kSecretKeyUnwrapping = 6,
                          kMaxFailedLogins = 20, kMinimumPinLength = 25,
                          kMaximumPinLength = 26, kPartitionVersion = 41,
                          kAllowCpv1 = 42;
}  // namespace partition_policy

}  // namespace hsm

#endif  // PERIGEE_HSM_POLICY_H_
