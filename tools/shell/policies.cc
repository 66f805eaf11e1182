#include "tools/shell/policies.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {

PolicyDescription DescribePolicy(const Module& module, const PolicyScope& scope,
                                 CK_ULONG number) {
  CK_ULONG bits = 0, destructive = 0, restricted = 0;
  CK_CHAR text[128] = {};
  CK_ULONG length = sizeof text;
  const CK_RV rv = module.ca().CA_GetConfigurationElementDescription(
      scope.slot, scope.partition ? 1 : 0, scope.capability ? 1 : 0, number,
      &bits, &destructive, &restricted, text, &length);
  if (rv != CKR_OK) return {"?"};
  absl::string_view name(reinterpret_cast<const char*>(text),
                         std::min<size_t>(length, sizeof text));
  return {CleanText(name.substr(0, name.find('\0'))), destructive != 0};
}

absl::StatusOr<std::vector<PolicyValue>> ReadPolicies(
    const Module& module, const PolicyScope& scope) {
  const CaFunctions& ca = module.ca();
  const auto read = [&](CK_ULONG* ids, CK_ULONG* id_count, CK_ULONG* values,
                        CK_ULONG* value_count) {
    if (!scope.partition) {
      return (scope.capability ? ca.CA_GetHSMCapabilitySet
                               : ca.CA_GetHSMPolicySet)(
          scope.slot, ids, id_count, values, value_count);
    }
    return (scope.capability ? ca.CA_GetContainerCapabilitySet
                             : ca.CA_GetContainerPolicySet)(
        scope.slot, scope.container, ids, id_count, values, value_count);
  };
  CK_ULONG id_count = 0, value_count = 0;
  RETURN_IF_ERROR(
      module.Check(read(nullptr, &id_count, nullptr, &value_count)));
  std::vector<CK_ULONG> ids(id_count), values(value_count);
  RETURN_IF_ERROR(
      module.Check(read(ids.data(), &id_count, values.data(), &value_count)));
  std::vector<PolicyValue> found;
  for (CK_ULONG i = 0; i < std::min(id_count, value_count); ++i) {
    found.push_back({ids[i], values[i]});
  }
  return found;
}

absl::Status ShowPolicyList(Shell& shell, const PolicyScope& scope,
                            const PolicyHeading& heading, bool verbose) {
  const Module& module = shell.module();
  ASSIGN_OR_RETURN(const std::vector<PolicyValue> values,
                   ReadPolicies(module, scope));
  absl::PrintF("\n        %s\n", heading.text);
  for (const PolicyValue& one : values) {
    const PolicyDescription about = DescribePolicy(module, scope, one.number);
    absl::PrintF("                %d: %s : %d%s\n", one.number, about.name,
                 one.value,
                 verbose && !scope.capability
                     ? (about.destructive ? "   (destructive)" : "")
                     : "");
  }
  shell.Tell({{heading.member, PolicyFacts(module, scope, values)}});
  return absl::OkStatus();
}

absl::StatusOr<PolicyChanges> ChangesFrom(const Arguments& arguments) {
  PolicyChanges changes{arguments.Numbers("policy"),
                        arguments.Numbers("value")};
  if (changes.numbers.size() != changes.values.size()) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "-policy and -value need as many numbers as each other");
  }
  return changes;
}

std::string ForecastOf(const Module& module, const PolicyScope& scope,
                       const PolicyChanges& changes, absl::string_view what) {
  std::string text;
  bool destructive = false;
  const absl::StatusOr<std::vector<PolicyValue>> now =
      ReadPolicies(module, scope);
  for (size_t i = 0; i < changes.numbers.size(); ++i) {
    const CK_ULONG number = changes.numbers[i];
    std::string before = "?";
    if (now.ok()) {
      for (const PolicyValue& one : *now) {
        if (one.number == number) before = absl::StrCat(one.value);
      }
    }
    const bool same = before == absl::StrCat(changes.values[i]);
    absl::StrAppend(&text, "Policy ", number, ": ", before, " to ",
                    changes.values[i], same ? ", no change. " : ". ");
    destructive |= !same && DescribePolicy(module, scope, number).destructive;
  }
  if (!destructive) return absl::StrCat(text, "Nothing will be destroyed.");
  return absl::StrCat(text, "Where such a change is destructive, it ", what,
                      ".");
}

absl::Status ExportTemplate(const Module& module, const Arguments& arguments,
                            CK_SLOT_ID slot, bool of_hsm) {
  const std::optional<std::string> path = arguments.Text("exporttemplate");
  if (!path.has_value()) return absl::OkStatus();
  const CK_BBOOL whose = of_hsm ? CK_TRUE : CK_FALSE;
  CK_ULONG size = 0;
  RETURN_IF_ERROR(module.Check(
      module.perigee().PolicyTemplate(slot, whose, nullptr, &size)));
  std::string text(size, '\0');
  RETURN_IF_ERROR(module.Check(
      module.perigee().PolicyTemplate(slot, whose, text.data(), &size)));
  text.resize(size);
  RETURN_IF_ERROR(WriteNewFile(*path, text));
  absl::PrintF("\n        The policies were written to %s.\n",
               CleanText(*path));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CK_POLICY_INFO>> TemplateFrom(
    const Module& module, const Arguments& arguments, bool of_hsm) {
  std::vector<CK_POLICY_INFO> rows;
  const std::optional<std::string> path = arguments.Text("applytemplate");
  if (!path.has_value()) return rows;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(*path));
  const CK_BBOOL whose = of_hsm ? CK_TRUE : CK_FALSE;
  CK_ULONG count = 0;
  RETURN_IF_ERROR(module.Check(module.perigee().ParsePolicyTemplate(
      whose, text.data(), text.size(), nullptr, &count)));
  rows.resize(count);
  RETURN_IF_ERROR(module.Check(module.perigee().ParsePolicyTemplate(
      whose, text.data(), text.size(), rows.data(), &count)));
  return rows;
}

}  // namespace shell
