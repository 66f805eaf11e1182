// The two tables of policies and what follows from their rows.
#include "hsm/policy.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace hsm {
namespace {

constexpr FirmwareVersion kAlways{0, 0, 0};
constexpr FirmwareVersion kV710{7, 1, 0}, kV740{7, 4, 0}, kV770{7, 7, 0},
    kV771{7, 7, 1}, kV780{7, 8, 0};
constexpr Destructive kNever = Destructive::kNever, kBoth = Destructive::kBoth,
                      kOffToOn = Destructive::kOffToOn,
                      kOnToOff = Destructive::kOnToOff;
constexpr PolicyDefault kNone{};

// A capability of value `n` without a settable policy.
constexpr PolicyDefault Only(int64_t n) { return {n, kAbsent}; }
// A settable policy: what is allowed at most, and the value to start with.
constexpr PolicyDefault Set(int64_t capability, int64_t value) {
  return {capability, value};
}

// clang-format off
// number, capability, policy, destructive, since, bits, effect, application,
// backup. Numbers 27 and 33 take their values from the model.
constexpr PolicyRule kHsmRules[] = {
    {0, "Enable PIN-based authentication", "PIN-based authentication",
     kNever, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {1, "Enable PED-based authentication", "PED-based authentication",
     kNever, kAlways, 1, false, Set(0, 0), Set(1, 0)},
    {2, "Performance level", nullptr,
     kNever, kAlways, 8, false, Only(15), Only(15)},
    {4, "Enable domestic mechanisms & key sizes", nullptr,
     kNever, kAlways, 1, false, Only(1), Only(1)},
    {6, "Enable masking", "Allow masking",
     kBoth, kV770, 1, true, Set(1, 1), Only(0)},
    {7, "Enable cloning", "Allow cloning",
     kBoth, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {8, "Enable special cloning certificate", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {9, "Enable full (non-backup) functionality", nullptr,
     kNever, kAlways, 1, true, Only(1), Only(0)},
    {11, "Enable ECC mechanisms", nullptr,
     kNever, kAlways, 1, false, Only(1), Only(1)},
    {12, "Enable non-FIPS algorithms", "Allow non-FIPS algorithms",
     kBoth, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {15, "Enable SO reset of partition PIN", "SO can reset partition PIN",
     kBoth, kAlways, 1, true, Set(1, 0), Set(0, 0)},
    {16, "Enable network replication", "Allow network replication",
     kNever, kAlways, 1, false, Set(1, 1), Set(0, 0)},
    {17, "Enable Korean Algorithms", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {18, "FIPS evaluated", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {19, "Manufacturing Token", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {21, "Enable forcing user PIN change",
     "Force user PIN change after set/reset",
     kNever, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {22, "Enable offboard storage", "Allow offboard storage",
     kBoth, kAlways, 1, false, kNone, Set(1, 1)},
    {23, "Enable partition groups", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {25, "Enable remote PED usage", "Allow remote PED usage",
     kNever, kAlways, 1, false, Set(0, 0), Set(1, 1)},
    {27, "HSM non-volatile storage space", nullptr,
     kNever, kAlways, 64, true, Only(0), Only(0)},
    {29, "Enable acceleration", "Allow acceleration",
     kNever, kAlways, 1, false, Set(1, 1), kNone},
    {30, "Enable unmasking", "Allow unmasking",
     kNever, kAlways, 1, false, Set(1, 1), Set(0, 0)},
    {33, "Maximum number of partitions", "Current maximum number of partitions",
     kNever, kAlways, 32, true, Set(0, 0), Set(0, 0), 1},
    {34, "Enable ECIES support", nullptr,
     kNever, kAlways, 1, false, Only(1), kNone},
    {35, "Enable Single Domain", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {36, "Enable Unified PED Key", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {37, "Enable MofN", "Allow MofN",
     kNever, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {38, "Enable small form factor backup/restore", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {39, "Enable Secure Trusted Channel", "Allow Secure Trusted Channel",
     kBoth, kAlways, 1, false, Set(0, 0), Set(0, 0)},
    {40, "Enable decommission on tamper", "Decommission on tamper",
     kBoth, kAlways, 1, false, Set(1, 0), Set(1, 0)},
    {41, "Enable Per-Partition Security Officer", nullptr,
     kNever, kAlways, 1, false, Only(1), Only(1)},
    {42, "Enable partition re-initialize", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {43, "Enable low level math acceleration",
     "Allow low level math acceleration",
     kNever, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {46, "Allow Disabling Decommission", "Disable Decommission",
     kBoth, kAlways, 1, false, Set(1, 0), Set(1, 0)},
    {47, "Enable Tunnel Slot", nullptr,
     kNever, kAlways, 1, false, Only(0), Only(0)},
    {48, "Enable Controlled Tamper Recovery", "Do Controlled Tamper Recovery",
     kBoth, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {49, "Enable Partition Utilization Metrics",
     "Allow Partition Utilization Metrics",
     kNever, kAlways, 1, false, Set(1, 0), kNone},
    {50, "Enable Functionality Modules", "Allow Functionality Modules",
     kBoth, kV740, 1, true, Set(1, 0), kNone},
    {51, "Enable SMFS Auto Activation", "Allow SMFS Auto Activation",
     kBoth, kV740, 1, false, Set(1, 0), kNone},
    {52, "Enable Restricting FM Privilege Level",
     "Restrict FM Privilege Level",
     kBoth, kV740, 1, false, Set(1, 0), kNone},
    {53, "Enable encrypting of keys from FM to HSM",
     "Encrypt keys passing from FM to HSM",
     kBoth, kV740, 1, false, Set(1, 0), kNone},
    {55, "Enable Restricted Restore", "Enable Restricted Restore",
     kOnToOff, kV771, 1, true, kNone, Set(1, 0)},
    {57, "Enable Sync with Host Time", "Allow Sync with Host Time",
     kNever, kV780, 1, false, Set(1, 0), kNone},
};

// Backup partitions have the same policies as others. Number 25 takes its
// values from the model or the firmware.
constexpr PolicyRule kPartitionRules[] = {
    {0, "Enable private key cloning", "Allow private key cloning",
     kOffToOn, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {1, "Enable private key wrapping", "Allow private key wrapping",
     kOffToOn, kV710, 1, true, Set(1, 0), Set(1, 0)},
    {2, "Enable private key unwrapping", "Allow private key unwrapping",
     kNever, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {3, "Enable private key masking", "Allow private key masking",
     kOffToOn, kV770, 1, true, Set(1, 0), Set(1, 0)},
    {4, "Enable secret key cloning", "Allow secret key cloning",
     kOffToOn, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {5, "Enable secret key wrapping", "Allow secret key wrapping",
     kOffToOn, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {6, "Enable secret key unwrapping", "Allow secret key unwrapping",
     kNever, kAlways, 1, true, Set(1, 1), Set(1, 1)},
    {7, "Enable secret key masking", "Allow secret key masking",
     kOffToOn, kV770, 1, true, Set(1, 0), Set(1, 0)},
    {9, "Enable DigestKey", "Allow DigestKey",
     kOffToOn, kV780, 1, false, Set(1, 0), Set(1, 0)},
    {10, "Enable multipurpose keys", "Allow multipurpose keys",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {11, "Enable changing key attributes", "Allow changing key attributes",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {15, "Allow failed challenge responses",
     "Ignore failed challenge responses",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {16, "Enable operation without RSA blinding",
     "Operate without RSA blinding",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {17, "Enable signing with non-local keys",
     "Allow signing with non-local keys",
     kNever, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {18, "Enable raw RSA operations", "Allow raw RSA operations",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {20, "Max failed user logins allowed", "Max failed user logins allowed",
     kNever, kAlways, 4, true, Set(10, 10), Set(10, 10), 1},
    {21, "Enable high availability recovery",
     "Allow high availability recovery",
     kNever, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {22, "Enable activation", "Allow activation",
     kNever, kAlways, 1, false, Set(1, 0), Set(1, 0)},
    {23, "Enable auto-activation", "Allow auto-activation",
     kNever, kAlways, 1, false, Set(1, 0), Set(1, 0)},
    {25, "Minimum pin length (inverted: 255 - min)",
     "Minimum pin length (inverted: 255 - min)",
     kNever, kAlways, 8, true, Set(248, 248), Set(248, 248)},
    {26, "Maximum pin length", "Maximum pin length",
     kNever, kAlways, 8, true, Set(255, 255), Set(255, 255), 16},
    {28, "Enable Key Management Functions", "Allow Key Management Functions",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {29, "Enable RSA signing without confirmation",
     "Perform RSA signing without confirmation",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {31, "Enable private key unmasking", "Allow private key unmasking",
     kNever, kV770, 1, false, Set(1, 0), Set(1, 0)},
    {32, "Enable secret key unmasking", "Allow secret key unmasking",
     kNever, kV770, 1, false, Set(1, 0), Set(1, 0)},
    {33, "Enable RSA PKCS mechanism", "Allow RSA PKCS mechanism",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {34, "Enable CBC-PAD (un)wrap keys of any size",
     "Allow CBC-PAD (un)wrap keys of any size",
     kOffToOn, kAlways, 1, false, Set(1, 1), Set(1, 1)},
    {35, "Enable private key SFF backup/restore",
     "Allow private key SFF backup/restore",
     kNever, kAlways, 1, false, Set(0, 0), Set(0, 0)},
    {36, "Enable secret key SFF backup/restore",
     "Allow secret key SFF backup/restore",
     kNever, kAlways, 1, false, Set(0, 0), Set(0, 0)},
    {37, "Enable Secure Trusted Channel", "Force Secure Trusted Channel",
     kOnToOff, kAlways, 1, false, Set(1, 0), Set(1, 0)},
    {39, "Enable Start/End Date Attributes",
     "Allow Start/End Date Attributes",
     kOnToOff, kAlways, 1, false, Set(1, 0), Set(1, 0)},
    {40, "Enable Per-Key Authorization Data",
     "Require Per-Key Authorization Data",
     kBoth, kV770, 1, true, Set(1, 0), Set(1, 0)},
    {41, "Enable Partition Version", "Partition Version",
     kOnToOff, kV770, 1, true, Set(1, 0), Set(1, 0)},
    {42, "Enable CPv1", "Allow CPv1",
     kOffToOn, kV771, 1, true, Set(1, 0), Set(1, 0)},
    {43, "Enable non-FIPS algorithms", "Allow non-FIPS algorithms",
     kOffToOn, kV771, 1, true, Set(1, 1), Set(1, 1)},
    {44, "Enable Extended Domain Management",
     "Allow Extended Domain Management",
     kNever, kV780, 1, true, Set(1, 0), Set(1, 0)},
    // Since 7.9, which no profile has yet.
    {45, "Enable ECDSA/RSA prehash SigVer", "Allow ECDSA/RSA prehash SigVer",
     kNever, FirmwareVersion{7, 9, 0}, 1, false, Set(1, 0), Set(1, 0)},
};

// A partition policy that may be on only while another one is.
struct Dependency {
  uint32_t number;
  bool needs_hsm_policy;  // else one of the same partition
  uint32_t needs;
};
constexpr Dependency kDependencies[] = {
    {partition_policy::kPrivateKeyCloning, true, hsm_policy::kCloning},
    {partition_policy::kSecretKeyCloning, true, hsm_policy::kCloning},
    {partition_policy::kPrivateKeyMasking, true, hsm_policy::kMasking},
    {partition_policy::kSecretKeyMasking, true, hsm_policy::kMasking},
    {partition_policy::kAutoActivation, false, partition_policy::kActivation},
};
// clang-format on

absl::Status FailsDependencies(uint32_t number, absl::string_view why) {
  return base::Error(CKR_CONFIG_FAILS_DEPENDENCIES,
                     absl::StrCat("partition policy ", number, why));
}

}  // namespace

absl::Span<const PolicyRule> HsmPolicyRules() { return kHsmRules; }
absl::Span<const PolicyRule> PartitionPolicyRules() { return kPartitionRules; }

const PolicyRule* FindRule(absl::Span<const PolicyRule> rules,
                           uint32_t number) {
  for (const PolicyRule& rule : rules) {
    if (rule.number == number) return &rule;
  }
  return nullptr;
}

uint64_t PolicyOr0(const PolicyValues& values, uint32_t number) {
  auto it = values.find(number);
  return it == values.end() ? 0 : it->second;
}

PolicyValues CompletePolicies(PolicyValues defaults,
                              const PolicyValues& stored) {
  for (auto& [number, value] : defaults) {
    auto it = stored.find(number);
    if (it != stored.end()) value = it->second;
  }
  return defaults;
}

bool IsDestructive(const PolicyRule& rule, uint64_t from, uint64_t to) {
  if (from == to) return false;
  switch (rule.destructive) {
    case Destructive::kNever:
      return false;
    case Destructive::kOffToOn:
      return from < to;
    case Destructive::kOnToOff:
      return from > to;
    case Destructive::kBoth:
      return true;
  }
  return true;
}

absl::StatusOr<PolicyChange> ApplyPolicies(absl::Span<const PolicyRule> rules,
                                           const PolicyValues& capabilities,
                                           const PolicyValues& current,
                                           const PolicyValues& changes) {
  PolicyChange result{current, false};
  for (const auto& [number, value] : changes) {
    const PolicyRule* rule = FindRule(rules, number);
    auto held = result.values.find(number);
    if (rule == nullptr || held == result.values.end()) {
      return base::Error(LUNA_RET_RM_ELEMENT_ID_INVALID,
                         absl::StrCat("there is no policy ", number));
    }
    if (value < rule->minimum ||
        (rule->bits < 64 && (value >> rule->bits) != 0)) {
      return base::Error(LUNA_RET_RM_ELEMENT_VALUE_INVALID,
                         absl::StrCat("policy ", number, " cannot be ", value));
    }
    if (value != held->second && value > PolicyOr0(capabilities, number)) {
      return base::Error(LUNA_RET_RM_CONFIG_CHANGE_ILLEGAL,
                         absl::StrCat("the capability does not allow policy ",
                                      number, " to be ", value));
    }
    result.destructive |= IsDestructive(*rule, held->second, value);
    held->second = value;
  }
  return result;
}

absl::Status CheckPartitionDependencies(const PolicyValues& partition,
                                        const PolicyValues& hsm,
                                        bool exclusive_export) {
  for (const Dependency& row : kDependencies) {
    const PolicyValues& where = row.needs_hsm_policy ? hsm : partition;
    if (PolicyOr0(partition, row.number) != 0 &&
        PolicyOr0(where, row.needs) == 0) {
      return FailsDependencies(
          row.number,
          absl::StrCat(" needs ", row.needs_hsm_policy ? "HSM policy " : "",
                       row.needs));
    }
  }
  if (exclusive_export &&
      PolicyOr0(partition, partition_policy::kPrivateKeyCloning) != 0 &&
      PolicyOr0(partition, partition_policy::kPrivateKeyWrapping) != 0) {
    return FailsDependencies(partition_policy::kPrivateKeyWrapping,
                             " excludes policy 0");
  }
  return absl::OkStatus();
}

}  // namespace hsm
