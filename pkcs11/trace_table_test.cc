// The table of what a trace shows, against the functions and their headers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/cryptoki.h"
#include "perigee/luna_ca.h"
#include "perigee/perigee.h"
#include "pkcs11/trace_text.h"

namespace pkcs11::trace {
namespace {

using testing::StartsWith;

// Whether a mark makes sense for a parameter of this type.
template <typename T>
bool Fits(Shown shown) {
  switch (shown) {
    case Shown::kPlain:
      return !std::is_same_v<T, CK_MECHANISM_PTR> &&
             !std::is_same_v<T, CK_ATTRIBUTE_PTR>;
    case Shown::kSecret:
    case Shown::kMechanismType:
    case Shown::kUser:
    case Shown::kFlags:
    case Shown::kSessionFlags:
    case Shown::kEventFlags:
    case Shown::kMessageFlags:
    case Shown::kOperationFlags:
      return std::is_same_v<T, CK_ULONG>;
    case Shown::kSize:
    case Shown::kOut:
    case Shown::kMade:
    case Shown::kList:
      return std::is_same_v<T, CK_ULONG*>;
    case Shown::kTemplate:
      return std::is_same_v<T, CK_ATTRIBUTE_PTR>;
    case Shown::kMechanism:
      return std::is_same_v<T, CK_MECHANISM_PTR>;
    case Shown::kInit:
      return std::is_same_v<T, CK_VOID_PTR>;
    case Shown::kLabel:
    case Shown::kText:
      return std::is_same_v<T, CK_BYTE*>;
    case Shown::kName:
      return std::is_same_v<T, CK_BYTE*> || std::is_same_v<T, const char*>;
    case Shown::kUnknownMark:
      return false;
  }
  return false;
}

template <typename... A>
void CheckRow(const char* name, CK_RV (*)(A...)) {
  EXPECT_TRUE(HasRow(name)) << name << " needs a row in trace_rows.def";
  const std::vector<Parameter> parameters = ParametersOf(name);
  ASSERT_EQ(parameters.size(), sizeof...(A)) << name;
  size_t i = 0;
  [[maybe_unused]] const auto check = [&](bool fits) {
    EXPECT_TRUE(fits) << name << " " << parameters[i].name;
    ++i;
  };
  (check(Fits<A>(parameters[i].shown)), ...);
}

template <typename Pointer>
void CheckRow(const char* name) {
  CheckRow(name, Pointer{});
}

TEST(TraceTableTest, EveryParameterOfEveryFunctionIsDecided) {
#define PERIGEE_FUNCTION(version, name, arguments) CheckRow<CK_##name>(#name);
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) \
  CheckRow<CK_##name>(#name);
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
  CheckRow<PERIGEE_Slots>("Perigee.Slots");
  CheckRow<PERIGEE_HsmInfo>("Perigee.HsmInfo");
  CheckRow<PERIGEE_PartitionInfo>("Perigee.PartitionInfo");
  CheckRow<PERIGEE_RoleInfo>("Perigee.RoleInfo");
  CheckRow<PERIGEE_CreatePartition>("Perigee.CreatePartition");
  CheckRow<PERIGEE_DeletePartition>("Perigee.DeletePartition");
  CheckRow<PERIGEE_ChangeLabel>("Perigee.ChangeLabel");
  CheckRow<PERIGEE_ClearPartition>("Perigee.ClearPartition");
  CheckRow<PERIGEE_Transfer>("Perigee.Transfer");
  CheckRow<PERIGEE_DeviceFingerprint>("Perigee.DeviceFingerprint");
  CheckRow<PERIGEE_AdoptDevice>("Perigee.AdoptDevice");
  CheckRow<PERIGEE_CheckObjects>("Perigee.CheckObjects");
  CheckRow<PERIGEE_CheckStore>("Perigee.CheckStore");
  CheckRow<PERIGEE_CompactStore>("Perigee.CompactStore");
  CheckRow<PERIGEE_AuditInfo>("Perigee.AuditInfo");
  CheckRow<PERIGEE_AuditLines>("Perigee.AuditLines");
  CheckRow<PERIGEE_AuditCheckpoint>("Perigee.AuditCheckpoint");
  CheckRow<PERIGEE_AuditRotate>("Perigee.AuditRotate");
  CheckRow<PERIGEE_AuditVerify>("Perigee.AuditVerify");
  CheckRow<PERIGEE_HostIdentity>("Perigee.HostIdentity");
  CheckRow<PERIGEE_Setup>("Perigee.Setup");
  CheckRow<PERIGEE_MechanismName>("Perigee.MechanismName");
  CheckRow<PERIGEE_OfferDevice>("Perigee.OfferDevice");
  CheckRow<PERIGEE_ManifestText>("Perigee.ManifestText");
  CheckRow<PERIGEE_ManifestVerify>("Perigee.ManifestVerify");
  CheckRow<PERIGEE_Forecast>("Perigee.Forecast");
  CheckRow<PERIGEE_EnterTransport>("Perigee.EnterTransport");
  CheckRow<PERIGEE_CheckTransport>("Perigee.CheckTransport");
  CheckRow<PERIGEE_TamperHsm>("Perigee.TamperHsm");
  CheckRow<PERIGEE_PolicyTemplate>("Perigee.PolicyTemplate");
  CheckRow<PERIGEE_ParsePolicyTemplate>("Perigee.ParsePolicyTemplate");
  CheckRow<PERIGEE_CloningInfo>("Perigee.CloningInfo");
  CheckRow<PERIGEE_CipherSuites>("Perigee.CipherSuites");
  CheckRow<PERIGEE_EnableCipherSuite>("Perigee.EnableCipherSuite");
  CheckRow<PERIGEE_Domains>("Perigee.Domains");
  CheckRow<PERIGEE_AddDomain>("Perigee.AddDomain");
  CheckRow<PERIGEE_ChangeDomain>("Perigee.ChangeDomain");
  CheckRow<PERIGEE_DeleteDomain>("Perigee.DeleteDomain");
  CheckRow<PERIGEE_SmkRollover>("Perigee.SmkRollover");
}

// Members of the vendor interface without one: LastError and ErrorName, which
// are no calls.
TEST(TraceTableTest, TheVendorInterfaceHasNoOtherFunctions) {
  EXPECT_EQ(sizeof(PERIGEE_FUNCTION_LIST),
            offsetof(PERIGEE_FUNCTION_LIST, LastError) + 41 * sizeof(void*));
}

TEST(TraceTableTest, AFunctionWithoutARowIsShownByItsName) {
  EXPECT_FALSE(HasRow("C_Sig"));
  EXPECT_FALSE(HasRow("hSession"));
  Line line;
  const uintptr_t words[] = {4711};
  AddCall({"C_Unheard", words, 0, 0, 0, CKR_OK}, line);
  EXPECT_EQ(line.text(), "C_Unheard ?");
}

// Every text file of these places in one.
std::string TextOf(const std::vector<std::string>& places) {
  std::stringstream all;  // tests run in the source directory
  for (const std::string& place : places) {
    if (!std::filesystem::is_directory(place)) {
      all << std::ifstream(place).rdbuf();
      continue;
    }
    for (const auto& each : std::filesystem::directory_iterator(place)) {
      if (each.path().extension() == ".cc") {
        all << std::ifstream(each.path()).rdbuf();
      }
    }
  }
  return all.str();
}

// The names of the parameters after `start` in a source; without those that
// are commented out and without types.
std::vector<std::string> NamesIn(absl::string_view source,
                                 const std::string& start) {
  const size_t at = source.find(start);
  EXPECT_NE(at, absl::string_view::npos) << start;
  if (at == absl::string_view::npos) return {};
  absl::string_view list = source.substr(at + start.size());
  list = list.substr(list.find_first_not_of(" \n("));
  list = list.substr(0, list.find(')'));
  std::vector<std::string> names;
  for (const absl::string_view each : absl::StrSplit(list, ',')) {
    const size_t last = each.find_last_of(" *&\n");
    names.emplace_back(
        each.substr(last == absl::string_view::npos ? 0 : last + 1));
  }
  return names;
}

void ExpectNames(const std::string& function, std::vector<std::string> names) {
  const std::vector<Parameter> parameters = ParametersOf(function);
  if (!names.empty() && names[0] == "library") names.erase(names.begin());
  if (!names.empty() &&
      (names[0] == "Library" || names[0] == "void" || names[0].empty())) {
    names.erase(names.begin());
  }
  ASSERT_EQ(parameters.size(), names.size()) << function;
  for (size_t i = 0; i < names.size(); ++i) {
    // "/*pApplication*/": not used there.
    if (absl::StartsWith(names[i], "/") || absl::EndsWith(names[i], "/")) {
      continue;
    }
    // The header's (and so the body's) slip of the pen.
    if (names[i] == "pRserved") continue;
    EXPECT_EQ(parameters[i].name, names[i]) << function;
  }
}

TEST(TraceTableTest, NamesAreThoseOfTheDeclarations) {
  const std::string bodies = TextOf({"pkcs11/api", "pkcs11/entry_points.cc"});
  // A body that a macro makes has no names.
#define PERIGEE_FUNCTION(version, name, arguments)                  \
  if (!absl::StrContains(bodies, "PERIGEE_ANSWER(" #name ",")) {    \
    ExpectNames(#name, NamesIn(bodies, "absl::Status " #name "(")); \
  }
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
  const std::string header = TextOf({"pkcs11/perigee/luna_ca.h"});
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) \
  ExpectNames(#name, NamesIn(header, "PERIGEE_CA_DECLARE(" #name ","));
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
}

std::vector<std::string> AllFunctions() {
  return {
#define PERIGEE_FUNCTION(version, name, arguments) #name,
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) #name,
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
      "Perigee.AdoptDevice",
  };
}

TEST(TraceTableTest, LengthsOfPinsAndDomainsAreSecret) {
  size_t found = 0;
  for (const std::string& function : AllFunctions()) {
    for (const Parameter& each : ParametersOf(function)) {
      for (const char* const secret :
           {"PinLen", "OldLen", "NewLen", "DomainLen", "SecretLen", "KCVLen",
            "OldDataLen", "NewDataLen", "ChallengeLen"}) {
        if (!absl::StartsWith(each.name, "ul") ||
            !absl::EndsWith(each.name, secret)) {
          continue;
        }
        EXPECT_EQ(each.shown, Shown::kSecret) << function << " " << each.name;
        ++found;
      }
    }
  }
  EXPECT_GT(found, 20u);
}

TEST(TraceTableTest, TextIsShownOfLabelsAndNamesOnly) {
  for (const std::string& function : AllFunctions()) {
    for (const Parameter& each : ParametersOf(function)) {
      if (each.shown != Shown::kLabel && each.shown != Shown::kText &&
          each.shown != Shown::kName) {
        continue;
      }
      EXPECT_TRUE(each.name == "pLabel" || each.name == "pName" ||
                  each.name == "pInterfaceName")
          << function << " " << each.name;
    }
  }
}

// No function's pointers are followed when it was refused before it read them.
TEST(TraceTableTest, WildPointersAreHarmlessInARefusedCall) {
  for (const std::string& function : AllFunctions()) {
    const std::vector<uintptr_t> words(ParametersOf(function).size(), 1);
    for (const CK_RV rv : {CKR_ARGUMENTS_BAD, CKR_CRYPTOKI_NOT_INITIALIZED,
                           CKR_FUNCTION_NOT_SUPPORTED, CKR_HOST_MEMORY}) {
      Line line;
      AddCall({function, words, ~uint32_t{0}, 0, 0, rv}, line);
      EXPECT_THAT(std::string(line.text()), StartsWith(function));
    }
  }
}

}  // namespace
}  // namespace pkcs11::trace
