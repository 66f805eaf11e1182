// The pages of docs/ that are made from tables: functions, mechanisms,
// attributes. A page that differs fails the test; with PERIGEE_WRITE_PAGES=1 in
// the environment it is written instead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "hsm/attribute_rules.h"
#include "pkcs11/approved.h"
#include "pkcs11/mechanisms/self_check.h"
#include "pkcs11/mechanisms/vendor_numbers.h"
#include "pkcs11/trace_names.h"

namespace pkcs11 {
namespace {

void CheckPage(const std::string& path, const std::string& expected) {
  if (std::getenv("PERIGEE_WRITE_PAGES") != nullptr) {
    std::ofstream(path) << expected;
  }
  std::ifstream in(path);  // tests run in the source directory
  std::stringstream page;
  page << in.rdbuf();
  EXPECT_EQ(page.str() == expected, true)
      << path << " is not what the tables say: run this test with "
      << "PERIGEE_WRITE_PAGES=1";
}

// --- functions ---------------------------------------------------------------

struct Note {
  const char* function;
  const char* text;
};
constexpr Note kNotes[] = {
    {"C_GetFunctionStatus",
     "`CKR_FUNCTION_NOT_PARALLEL`, as the standard asks"},
    {"C_CancelFunction", "`CKR_FUNCTION_NOT_PARALLEL`, as the standard asks"},
    {"C_GetOperationState",
     "digests; the state is kept in the process, the "
     "blob names it"},
    {"C_SetOperationState", "digests"},
    {"C_SeedRandom", "what is offered is not used"},
    {"C_WaitForSlotEvent", "polling and blocking"},
    {"C_AsyncComplete",
     "no session is asynchronous: `CKF_ASYNC_SESSION` is "
     "refused at C_OpenSession"},
    {"C_AsyncGetID", "as C_AsyncComplete"},
    {"C_AsyncJoin", "as C_AsyncComplete"},
};

TEST(PagesTest, Functions) {
  std::string page =
      "# Functions\n\n"
      "Made from `pkcs11/functions.def` by `pkcs11/pages_test.cc`. All of "
      "these "
      "are exported by name, and stand in the function lists\nof their version "
      "and of later ones (`C_GetFunctionList`, `C_GetInterface`). Luna's "
      "`CA_*` functions have [a page of their own](CA_FUNCTIONS.md).\n\n"
      "| function | since | note |\n| --- | --- | --- |\n";
  const std::map<std::string, std::string> versions = {
      {"2_40", "2.40 or before"}, {"3_0", "3.0"}, {"3_2", "3.2"}};
  std::set<std::string> noted;
  const auto add = [&](const std::string& version, const std::string& name) {
    std::string note;
    for (const Note& each : kNotes) {
      if (name != each.function) continue;
      note = absl::StrCat(" ", each.text);
      noted.insert(name);
    }
    absl::StrAppend(&page, "| `", name, "` | ", versions.at(version), " |",
                    note, " |\n");
  };
#define PERIGEE_FUNCTION(version, name, arguments) add(#version, #name);
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
  EXPECT_EQ(noted.size(), std::size(kNotes));
  CheckPage("docs/FUNCTIONS.md", page);
}

// --- mechanisms --------------------------------------------------------------

std::string KeyTypeName(CK_KEY_TYPE type) {
  const char* const name = trace::KeyTypeName(type);
  EXPECT_NE(name, nullptr) << type;
  return name == nullptr ? absl::StrCat(type) : name;
}

std::string UsesOf(const Mechanism& row) {
  struct Use {
    CK_FLAGS flag;
    const char* name;
  };
  static constexpr Use kUses[] = {{CKF_ENCRYPT, "encrypt"},
                                  {CKF_DECRYPT, "decrypt"},
                                  {CKF_MESSAGE_ENCRYPT, "by messages"},
                                  {CKF_DIGEST, "digest"},
                                  {CKF_SIGN, "sign"},
                                  {CKF_SIGN_RECOVER, "with recovery"},
                                  {CKF_VERIFY, "verify"},
                                  {CKF_GENERATE, "generate"},
                                  {CKF_GENERATE_KEY_PAIR, "generate a pair"},
                                  {CKF_WRAP, "wrap"},
                                  {CKF_UNWRAP, "unwrap"},
                                  {CKF_DERIVE, "derive"},
                                  {CKF_ENCAPSULATE, "encapsulate"},
                                  {CKF_DECAPSULATE, "decapsulate"}};
  const CK_FLAGS flags = InfoOf(row, Profile::kStrict).flags;
  const CK_FLAGS legacy = InfoOf(row, Profile::kLegacy).flags;
  std::vector<std::string> uses;
  for (const Use& use : kUses) {
    if ((flags & use.flag) && !row.legacy) {
      uses.push_back(use.name);
    } else if (legacy & use.flag) {
      uses.push_back(absl::StrCat(use.name, " (legacy)"));
    }
  }
  return absl::StrJoin(uses, ", ");
}

TEST(PagesTest, Mechanisms) {
  std::string page =
      "# Mechanisms\n\n"
      "Made from the registry by `pkcs11/pages_test.cc`. A mechanism is listed "
      "by `C_GetMechanismList` when the OpenSSL of the process\nhas its "
      "algorithm (post-quantum ones need 3.5). Sizes are in the unit of the "
      "standard: bits of RSA, DSA, DH and EC keys, bytes of\nsecrets; in the "
      "strict profile. \"Tested\" names the known-answer tests that run before "
      "the first use; \"approved\" what the indicators\nsay "
      "(`CKS_LAST_VALIDATION_OK`; `reads`: for decryption, verification, "
      "unwrapping only). What needs the legacy profile is in\n"
      "[SECURE_DEFAULTS.md](SECURE_DEFAULTS.md).\n\n"
      "| mechanism | number | keys | sizes | uses | tested | approved |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Mechanism* row : AllRows()) {
    std::vector<std::string> keys;
    for (const CK_KEY_TYPE type : {row->key_type, row->also_key_type}) {
      if (type != CK_UNAVAILABLE_INFORMATION) {
        keys.push_back(absl::StrCat("`", KeyTypeName(type), "`"));
      }
    }
    const CK_MECHANISM_INFO info = InfoOf(*row, Profile::kStrict);
    const std::string sizes =
        info.ulMaxKeySize == 0
            ? ""
            : absl::StrCat(info.ulMinKeySize, "-", info.ulMaxKeySize);
    std::vector<std::string> tests;
    for (const KnownAnswer& test : KnownAnswers()) {
      if (test.covers(*row)) tests.push_back(test.name);
    }
    const std::string approved =
        IsApprovedService(*row, Service::kProtect, nullptr)   ? "yes"
        : IsApprovedService(*row, Service::kProcess, nullptr) ? "reads"
                                                              : "";
    absl::StrAppend(&page, "| `", row->name, "` | 0x", absl::Hex(row->type),
                    " | ", absl::StrJoin(keys, ", "), " | ", sizes, " | ",
                    UsesOf(*row), " | ", absl::StrJoin(tests, ", "), " | ",
                    approved, " |\n");
  }
  absl::StrAppend(
      &page,
      "\n## Numbers of Luna clients\n\n"
      "Where Luna has a number of its own for what the standard numbers "
      "otherwise, both are taken; `C_GetMechanismList` gives the standard\n"
      "one, and so do attributes that were set with the other "
      "(`CKA_KEY_TYPE`: 0x80000012 and 0x80000013 for Edwards and Montgomery "
      "keys;\n`CKA_ALLOWED_MECHANISMS`). Mask generation functions: "
      "0x80000006 to 0x80000009 for SHA3-224 to SHA3-512. 0x1089 is "
      "`CKM_AES_CTS`, as in the\nstandard.\n\n"
      "| Luna's name | number | works as |\n| --- | --- | --- |\n");
  for (const VendorNumber& number : VendorMechanisms()) {
    const Mechanism* const row = Registry::Get().Find(number.vendor);
    ASSERT_NE(row, nullptr) << number.name;
    EXPECT_EQ(row->type, number.standard);
    absl::StrAppend(&page, "| `", absl::StripPrefix(number.name, "LUNA_"),
                    "` | 0x", absl::Hex(number.vendor), " | `", row->name,
                    "` |\n");
  }
  CheckPage("docs/MECHANISMS.md", page);
}

TEST(PagesTest, NoMechanismStandsInTwoFamilies) {
  std::set<CK_MECHANISM_TYPE> seen;
  for (const Mechanism* row : AllRows()) {
    EXPECT_TRUE(seen.insert(row->type).second) << row->name;
  }
}

// --- attributes --------------------------------------------------------------

const char* KindName(hsm::AttributeKind kind) {
  switch (kind) {
    case hsm::AttributeKind::kBytes:
      return "bytes";
    case hsm::AttributeKind::kBool:
      return "CK_BBOOL";
    case hsm::AttributeKind::kUlong:
      return "CK_ULONG";
    case hsm::AttributeKind::kDate:
      return "CK_DATE";
    case hsm::AttributeKind::kBigInteger:
      return "big integer";
    case hsm::AttributeKind::kText:
      return "text";
    case hsm::AttributeKind::kMechanisms:
      return "list of mechanisms";
    case hsm::AttributeKind::kTemplate:
      return "template";
  }
  return "";
}

const char* DefaultName(hsm::AttributeDefault initial) {
  switch (initial) {
    case hsm::AttributeDefault::kAbsent:
      return "";
    case hsm::AttributeDefault::kEmpty:
      return "empty";
    case hsm::AttributeDefault::kFalse:
      return "false";
    case hsm::AttributeDefault::kTrue:
      return "true";
    case hsm::AttributeDefault::kZero:
      return "0";
    case hsm::AttributeDefault::kUsage:
      return "by type";
    case hsm::AttributeDefault::kComputed:
      return "computed";
  }
  return "";
}

struct ClassName {
  CK_OBJECT_CLASS object_class;
  const char* name;
  bool has_types;
};
constexpr ClassName kClassNames[] = {
    {CKO_DATA, "CKO_DATA", false},
    {CKO_CERTIFICATE, "CKO_CERTIFICATE (X.509)", false},
    {CKO_PUBLIC_KEY, "CKO_PUBLIC_KEY", true},
    {CKO_PRIVATE_KEY, "CKO_PRIVATE_KEY", true},
    {CKO_SECRET_KEY, "CKO_SECRET_KEY", true},
    {CKO_DOMAIN_PARAMETERS, "CKO_DOMAIN_PARAMETERS", true},
    {CKO_TRUST, "CKO_TRUST", false},
    {CKO_MECHANISM, "CKO_MECHANISM (built in)", false},
    {CKO_PROFILE, "CKO_PROFILE (built in)", false},
    {CKO_VALIDATION, "CKO_VALIDATION (built in)", false},
};

std::string FootnotesOf(const hsm::AttributeRule& rule) {
  std::vector<int> notes;
  for (int n = 1; n <= 12; ++n) {
    if (rule.Has(n)) notes.push_back(n);
  }
  return absl::StrJoin(notes, ", ");
}

// Rows of one class: attribute, what the rule says, and for which key types.
std::string TableOf(const ClassName& each) {
  std::map<std::pair<CK_ATTRIBUTE_TYPE, std::string>, std::vector<std::string>>
      rows;
  size_t types = 0;
  for (CK_ULONG type = 0; type < 0x100; ++type) {
    const auto& rules = hsm::RulesFor(each.object_class, type);
    if (rules.empty()) continue;
    if (!each.has_types && types > 0) break;
    ++types;
    for (const hsm::AttributeRule* rule : rules) {
      const std::string text = absl::StrCat(
          "| `", rule->name, "` | ", KindName(rule->kind), " | ",
          FootnotesOf(*rule), " | ", DefaultName(rule->initial), " | ");
      rows[{rule->type, text}].push_back(
          each.has_types ? absl::StrCat("`", KeyTypeName(type), "`") : "");
    }
  }
  EXPECT_GT(types, 0u) << each.name;
  std::string table =
      absl::StrCat("\n## ", each.name,
                   "\n\n| attribute | value | footnotes | default | types |\n"
                   "| --- | --- | --- | --- | --- |\n");
  for (const auto& [key, of] : rows) {
    absl::StrAppend(&table, key.second,
                    of.size() == types ? "" : absl::StrJoin(of, ", "), " |\n");
  }
  return table;
}

TEST(PagesTest, Attributes) {
  std::string page =
      "# Attributes\n\n"
      "Made from the rules in `hsm/attribute_rules.cc` by "
      "`pkcs11/pages_test.cc`. Footnotes are those of PKCS#11 3.2, section "
      "4.1:\n1 must be given to C_CreateObject; 2 must not; 3 must be given to "
      "C_GenerateKey; 4 must not; 5 must be given to C_UnwrapKey;\n6 must not; "
      "7 hidden when the key is sensitive or not extractable; 8 may be changed "
      "later; 9 the token's choice; 10 only the SO\nsets it; 11 changes once "
      "to true; 12 changes once to false. An empty last column: all key types "
      "of the class.\n";
  for (const ClassName& each : kClassNames) page += TableOf(each);
  CheckPage("docs/ATTRIBUTES.md", page);
}

}  // namespace
}  // namespace pkcs11
