// Capabilities and policies, of an HSM and of a partition alike: reading,
// showing, and the pair of lists that a change is given as.
#ifndef PERIGEE_TOOLS_SHELL_POLICIES_H_
#define PERIGEE_TOOLS_SHELL_POLICIES_H_

#include <string>
#include <vector>

#include "tools/shell/shell.h"

namespace shell {

struct PolicyValue {
  CK_ULONG number;
  CK_ULONG value;
};

// Whose, and which of the two.
struct PolicyScope {
  CK_SLOT_ID slot;
  bool partition;      // else the HSM's
  CK_ULONG container;  // of a partition
  bool capability;
};

struct PolicyDescription {
  std::string name;
  bool destructive = false;
};
PolicyDescription DescribePolicy(const Module& module, const PolicyScope& scope,
                                 CK_ULONG number);

absl::StatusOr<std::vector<PolicyValue>> ReadPolicies(const Module& module,
                                                      const PolicyScope& scope);
// A heading and one line each ("12: Allow non-FIPS algorithms : 1"), or a
// member of what --json tells.
struct PolicyHeading {
  const char* text;
  const char* member;
};
absl::Status ShowPolicyList(Shell& shell, const PolicyScope& scope,
                            const PolicyHeading& heading, bool verbose);
// -policy and -value, as many of each.
struct PolicyChanges {
  std::vector<CK_ULONG> numbers;
  std::vector<CK_ULONG> values;
};
absl::StatusOr<PolicyChanges> ChangesFrom(const Arguments& arguments);

// What -dryrun says of the changes: which policies change, and that the change
// does `what` where one of them is destructive.
std::string ForecastOf(const Module& module, const PolicyScope& scope,
                       const PolicyChanges& changes, absl::string_view what);

// -exporttemplate: into a new file. Nothing without the option.
absl::Status ExportTemplate(const Module& module, const Arguments& arguments,
                            CK_SLOT_ID slot, bool of_hsm);
// -applytemplate, as CA_InitToken takes it; empty without the option.
absl::StatusOr<std::vector<CK_POLICY_INFO>> TemplateFrom(
    const Module& module, const Arguments& arguments, bool of_hsm);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_POLICIES_H_
