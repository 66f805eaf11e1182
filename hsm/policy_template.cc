#include "hsm/policy_template.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace hsm {
namespace {

constexpr char kFirstWords[] = "perigee-policy-template 1 ";
constexpr size_t kLongest = 16 * 1024;

absl::string_view NameOf(PolicyScope scope) {
  return scope == PolicyScope::kHsm ? "hsm" : "partition";
}

absl::Status Bad(size_t line, absl::string_view what) {
  return base::Error(CKR_ARGUMENTS_BAD,
                     absl::StrCat("policy template, line ", line, ": ", what));
}

}  // namespace

std::string WritePolicyTemplate(PolicyScope scope,
                                const FirmwareVersion& firmware,
                                const PolicyValues& values) {
  std::string text = absl::StrCat(kFirstWords, NameOf(scope), "\n",
                                  "# firmware ", firmware.ToString(), "\n");
  const auto rules =
      scope == PolicyScope::kHsm ? HsmPolicyRules() : PartitionPolicyRules();
  for (const auto& [number, value] : values) {
    const PolicyRule* rule = FindRule(rules, number);
    if (rule == nullptr || rule->policy_name == nullptr) continue;
    absl::StrAppend(&text, number, " = ", value, "  # ", rule->policy_name,
                    "\n");
  }
  return text;
}

absl::StatusOr<PolicyValues> ParsePolicyTemplate(PolicyScope scope,
                                                 absl::string_view text) {
  if (text.size() > kLongest) return Bad(1, "no template is that long");
  PolicyValues values;
  bool begun = false;
  size_t number_of_line = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number_of_line;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (!begun) {
      if (line != absl::StrCat(kFirstWords, NameOf(scope))) {
        return Bad(number_of_line,
                   absl::StrCat("it begins with \"", kFirstWords, NameOf(scope),
                                "\""));
      }
      begun = true;
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    uint32_t number = 0;
    uint64_t value = 0;
    if (!absl::SimpleAtoi(sides.first, &number) ||
        !absl::SimpleAtoi(sides.second, &value)) {
      return Bad(number_of_line, "a policy is NUMBER = VALUE");
    }
    if (!values.emplace(number, value).second) {
      return Bad(number_of_line, absl::StrCat("policy ", number, " twice"));
    }
  }
  if (!begun) return Bad(number_of_line, "no template");
  return values;
}

}  // namespace hsm
