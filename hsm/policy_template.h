// Policies as a text that one HSM or partition is read into and another one is
// initialised with. docs/formats/policy-template.md.
#ifndef PERIGEE_HSM_POLICY_TEMPLATE_H_
#define PERIGEE_HSM_POLICY_TEMPLATE_H_

#include <string>

#include "hsm/policy.h"

namespace hsm {

enum class PolicyScope : uint8_t { kHsm, kPartition };

// What is settable of `values`, one line each, with the policy's name behind
// it.
std::string WritePolicyTemplate(PolicyScope scope,
                                const FirmwareVersion& firmware,
                                const PolicyValues& values);
// CKR_ARGUMENTS_BAD that names the line: no template, one of another scope or
// version, a number twice, a number without a value. Whether the values may be
// set is decided where they are set.
absl::StatusOr<PolicyValues> ParsePolicyTemplate(PolicyScope scope,
                                                 absl::string_view text);

}  // namespace hsm

#endif  // PERIGEE_HSM_POLICY_TEMPLATE_H_
