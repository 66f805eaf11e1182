// What a trace shows: the table of it against the functions and their headers,
// and the text.
#include "pkcs11/trace.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "hsm/attribute_rules.h"
#include "perigee/luna_ca.h"
#include "perigee/perigee.h"
#include "pkcs11/argument_lists.h"
#include "pkcs11/trace_text.h"

namespace pkcs11::trace {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// --- the table ---------------------------------------------------------------

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
}

// Members of the vendor interface without one: LastError and ErrorName, which
// are no calls.
TEST(TraceTableTest, TheVendorInterfaceHasNoOtherFunctions) {
  EXPECT_EQ(sizeof(PERIGEE_FUNCTION_LIST),
            offsetof(PERIGEE_FUNCTION_LIST, LastError) + 14 * sizeof(void*));
}

TEST(TraceTableTest, AFunctionWithoutARowIsShownByItsName) {
  EXPECT_FALSE(HasRow("C_Sig"));
  EXPECT_FALSE(HasRow("hSession"));
  Line line;
  const uintptr_t words[] = {4711};
  AddCall({"C_Unheard", words, 0, 0, CKR_OK}, line);
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

// --- the text ----------------------------------------------------------------

template <typename... A>
std::string Text(const char* name, CK_RV rv, uint32_t read, A... arguments) {
  const uintptr_t words[] = {Word(arguments)...};
  Line line;
  AddCall({name, words, PointersAmong<A...>(), read, rv}, line);
  return std::string(line.text());
}

CK_BYTE secret[] = "0123456789abcdef";

TEST(TraceTextTest, BytesAreNotShown) {
  CK_ULONG size = 64;
  EXPECT_EQ(Text("C_Sign", CKR_OK, 0, 7UL, +secret, 16UL, +secret, &size),
            "C_Sign hSession=7 pData=* ulDataLen=16 pSignature=* "
            "pulSignatureLen=64");
}

TEST(TraceTextTest, PinsAreNotShown_NorTheirLengths) {
  EXPECT_EQ(
      Text("C_Login", CKR_OK, 0, 7UL, CK_USER_TYPE{CKU_USER}, +secret, 16UL),
      "C_Login hSession=7 userType=CKU_USER pPin=* ulPinLen=*");
  EXPECT_EQ(
      Text("C_SetPIN", CKR_PIN_INCORRECT, 0, 7UL, +secret, 16UL, +secret, 9UL),
      "C_SetPIN hSession=7 pOldPin=* ulOldLen=* pNewPin=* ulNewLen=*");
}

TEST(TraceTextTest, NullPointersAreTold) {
  EXPECT_EQ(
      Text("C_SignFinal", CKR_ARGUMENTS_BAD, 0, 7UL,
           static_cast<CK_BYTE*>(nullptr), static_cast<CK_ULONG*>(nullptr)),
      "C_SignFinal hSession=7 pSignature=null pulSignatureLen=null");
}

TEST(TraceTextTest, SizesAreToldAfterSuccessAndWhenTooSmall) {
  CK_ULONG size = 64;
  EXPECT_THAT(Text("C_SignFinal", CKR_BUFFER_TOO_SMALL, 0, 7UL, +secret, &size),
              EndsWith("pulSignatureLen=64"));
  EXPECT_THAT(Text("C_SignFinal", CKR_DEVICE_ERROR, 0, 7UL, +secret, &size),
              EndsWith("pulSignatureLen=*"));
}

TEST(TraceTextTest, FlagsHaveNames) {
  CK_SESSION_HANDLE session = 3;
  EXPECT_EQ(
      Text("C_OpenSession", CKR_OK, 0, 1UL,
           CK_FLAGS{CKF_SERIAL_SESSION | CKF_RW_SESSION | 0x100},
           static_cast<void*>(nullptr), static_cast<CK_NOTIFY>(nullptr),
           &session),
      "C_OpenSession slotID=1 flags=CKF_RW_SESSION|CKF_SERIAL_SESSION|0x100 "
      "pApplication=null Notify=null phSession=3");
  EXPECT_EQ(Text("C_SessionCancel", CKR_OK, 0, 1UL, 0UL),
            "C_SessionCancel hSession=1 flags=0");
}

TEST(TraceTextTest, ListsAreShownAndCut) {
  CK_OBJECT_HANDLE found[20] = {5, 6};
  CK_ULONG count = 2;
  EXPECT_THAT(
      Text("C_FindObjects", CKR_OK, 0, 1UL, +found, 20UL, &count),
      HasSubstr("phObject={5, 6} ulMaxObjectCount=20 pulObjectCount=2"));
  count = 20;
  EXPECT_THAT(Text("C_FindObjects", CKR_OK, 0, 1UL, +found, 20UL, &count),
              HasSubstr(", 0, ...} ulMax"));
}

TEST(TraceTextTest, AMechanismIsShownWhenItWasRead) {
  CK_MECHANISM mechanism = {CKM_AES_GCM, secret, 48};
  EXPECT_EQ(Text("C_EncryptInit", CKR_OK, 0b010, 1UL, &mechanism, 2UL),
            "C_EncryptInit hSession=1 pMechanism={CKM_AES_GCM, 48 bytes} "
            "hKey=2");
  EXPECT_EQ(Text("C_EncryptInit", CKR_SESSION_HANDLE_INVALID, 0, 1UL,
                 &mechanism, 2UL),
            "C_EncryptInit hSession=1 pMechanism=* hKey=2");
  mechanism.mechanism = 0x81234567;
  EXPECT_THAT(Text("C_EncryptInit", CKR_OK, 0b010, 1UL, &mechanism, 2UL),
              HasSubstr("{0x81234567, 48 bytes}"));
}

std::string TemplateText(absl::Span<CK_ATTRIBUTE> attributes,
                         CK_RV rv = CKR_OK) {
  return Text("C_FindObjectsInit", rv, 0b010, 1UL, attributes.data(),
              attributes.size());
}

TEST(TraceTextTest, ATemplateShowsWhatIsNoSecret) {
  CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_AES;
  CK_BBOOL yes = CK_TRUE;
  CK_BYTE id[] = {0xAB, 0x01};
  char label[] = "a \"k\"\n\x1b[31m";
  CK_ATTRIBUTE attributes[] = {
      {CKA_CLASS, &object_class, sizeof(object_class)},
      {CKA_KEY_TYPE, &type, sizeof(type)},
      {CKA_SENSITIVE, &yes, sizeof(yes)},
      {CKA_ID, id, sizeof(id)},
      {CKA_LABEL, label, sizeof(label) - 1},
      {CKA_VALUE, secret, 16},
      {0x8000ABCD, secret, 16},
      {CKA_MODULUS, nullptr, 0},
      {CKA_PRIME_1, secret, CK_UNAVAILABLE_INFORMATION}};
  EXPECT_EQ(TemplateText(absl::MakeSpan(attributes)),
            "C_FindObjectsInit hSession=1 pTemplate={CKA_CLASS=CKO_SECRET_KEY, "
            "CKA_KEY_TYPE=CKK_AES, CKA_SENSITIVE=true, CKA_ID=ab01, "
            "CKA_LABEL=\"a \\\"k\\\"\\x0a\\x1b[31m\", CKA_VALUE=16 bytes, "
            "0x8000abcd=16 bytes, CKA_MODULUS=0 bytes, "
            "CKA_PRIME_1=unavailable} ulCount=9");
}

TEST(TraceTextTest, OfAllOtherAttributesTheLengthAlone) {
  size_t bytes = 0;
  for (CK_ATTRIBUTE_TYPE type = 0; type < 0x1000; ++type) {
    if (hsm::AttributeName(type) == nullptr) continue;
    if (type == CKA_LABEL || type == CKA_ID || type == CKA_EC_PARAMS) continue;
    CK_ATTRIBUTE attribute = {type, secret, 16};
    const std::string text = TemplateText(absl::MakeSpan(&attribute, 1));
    EXPECT_THAT(text, HasSubstr("=16 bytes}")) << text;
    ++bytes;
  }
  EXPECT_GT(bytes, 80u);
}

TEST(TraceTextTest, ATemplateThatWasNotReadIsNotLookedAt) {
  EXPECT_EQ(Text("C_FindObjectsInit", CKR_ARGUMENTS_BAD, 0, 1UL,
                 reinterpret_cast<CK_ATTRIBUTE*>(16), 1000UL),
            "C_FindObjectsInit hSession=1 pTemplate=* ulCount=1000");
}

// No function's pointers are followed when it was refused before it read them.
TEST(TraceTextTest, WildPointersAreHarmlessInARefusedCall) {
  for (const std::string& function : AllFunctions()) {
    const std::vector<uintptr_t> words(ParametersOf(function).size(), 1);
    for (const CK_RV rv : {CKR_ARGUMENTS_BAD, CKR_CRYPTOKI_NOT_INITIALIZED,
                           CKR_FUNCTION_NOT_SUPPORTED, CKR_HOST_MEMORY}) {
      Line line;
      AddCall({function, words, ~uint32_t{0}, 0, rv}, line);
      EXPECT_THAT(std::string(line.text()), StartsWith(function));
    }
  }
}

// It tells the length of the ciphertext and looks at nothing else.
TEST(TraceTextTest, AQueryDoesNotFollowTheHandle) {
  CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, nullptr, 0};
  CK_ULONG size = 65;
  EXPECT_THAT(Text("C_EncapsulateKey", CKR_OK, 0b010, 1UL, &mechanism, 2UL,
                   static_cast<CK_ATTRIBUTE*>(nullptr), 0UL,
                   static_cast<CK_BYTE*>(nullptr), &size,
                   reinterpret_cast<CK_ULONG*>(16)),
              EndsWith("pCiphertext=null pulCiphertextLen=65 phKey=*"));
}

TEST(TraceTextTest, LabelsAndNames) {
  CK_UTF8CHAR label[] = "main                            ";
  EXPECT_THAT(Text("C_InitToken", CKR_OK, 0, 1UL, +secret, 16UL, +label),
              EndsWith("pLabel=\"main\""));
  EXPECT_THAT(
      Text("C_InitToken", CKR_PIN_INCORRECT, 0, 1UL, +secret, 16UL, +label),
      EndsWith("pLabel=*"));
  EXPECT_THAT(Text("CA_SetUserContainerName", CKR_OK, 0, 1UL, +label, 4UL),
              EndsWith("pName=\"main\" ulNameLen=4"));
}

TEST(TraceTextTest, InitialisationFlags) {
  PERIGEE_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  EXPECT_EQ(Text("C_Initialize", CKR_OK, 0, static_cast<void*>(&arguments)),
            "C_Initialize pInitArgs={CKF_OS_LOCKING_OK}");
}

TEST(TraceTextTest, BeginningAndEnding) {
  Line line;
  AddBeginning(1'700'000'000'123'456'789, line);
  EXPECT_EQ(line.text(), absl::StrCat("2023-11-14T22:13:20.123456Z ", getpid(),
                                      ".", gettid(), " "));
  Line end;
  AddEnding(CKR_PIN_LOCKED, 12'345, end);
  EXPECT_EQ(end.text(), " -> CKR_PIN_LOCKED 12.3 us\n");
}

TEST(TraceTextTest, ALongLineIsCutAndKeepsItsEnding) {
  const std::string label(64, 'x');
  std::vector<CK_ATTRIBUTE> attributes(
      100, {CKA_LABEL, const_cast<char*>(label.data()), label.size()});
  const uintptr_t words[] = {1, Word(attributes.data()), attributes.size()};
  Line line;
  AddBeginning(0, line);
  AddCall({"C_FindObjectsInit", words, 0b010, 0b010, CKR_OK}, line);
  AddEnding(CKR_OK, 1000, line);
  EXPECT_LE(line.text().size(), kLongestLine);
  EXPECT_GT(line.text().size(), kLongestLine - 200);
  EXPECT_THAT(std::string(line.text()), EndsWith("... -> CKR_OK 1.0 us\n"));
}

// --- the target --------------------------------------------------------------

class TraceTargetTest : public testing::Test {
 protected:
  TraceTargetTest() {
    char name[] = "/tmp/perigee-trace-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~TraceTargetTest() override { std::filesystem::remove_all(directory_); }

  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::string directory_;
};

TEST_F(TraceTargetTest, Names) {
  for (const char* good : {"", "none", "-", "stderr", "/tmp/x"}) {
    EXPECT_TRUE(IsTarget(good)) << good;
  }
  for (const char* bad : {"stdout", "x", "./x", "1", "STDERR"}) {
    EXPECT_FALSE(IsTarget(bad)) << bad;
    EXPECT_FALSE(OpenTarget(bad).ok()) << bad;
  }
}

TEST_F(TraceTargetTest, AFileIsPrivateAndAppendedTo) {
  const auto target = OpenTarget(directory_ + "/trace.%p");
  ASSERT_TRUE(target.ok()) << target.status();
  WriteLine(**target, "one\n");
  WriteLine(**target, "two\n");
  const std::string file = absl::StrCat(directory_, "/trace.", getpid());
  EXPECT_EQ(Read(file), "one\ntwo\n");
  struct stat found;
  ASSERT_EQ(stat(file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
}

TEST_F(TraceTargetTest, ARotatedFileIsMadeAnew) {
  const std::string file = directory_ + "/trace";
  const auto target = OpenTarget(file);
  WriteLine(**target, "one\n");
  std::filesystem::rename(file, file + ".1");
  WriteLine(**target, "two\n");
  EXPECT_EQ(Read(file), "two\n");
}

TEST_F(TraceTargetTest, LinksPipesAndMissingDirectoriesAreRefused) {
  const std::string file = directory_ + "/file";
  std::ofstream(file) << "mine";
  std::filesystem::create_symlink(file, directory_ + "/link");
  ASSERT_EQ(mkfifo((directory_ + "/pipe").c_str(), 0600), 0);
  for (const char* name : {"/link", "/pipe", "/no/such", "/"}) {
    const auto target = OpenTarget(directory_ + name);
    EXPECT_FALSE(target.ok()) << name;
    EXPECT_THAT(std::string(target.status().message()),
                StartsWith(directory_ + name + ": "));
  }
  EXPECT_EQ(Read(file), "mine");
}

TEST_F(TraceTargetTest, AnotherFileWithTheNumberOfStandardErrorGetsNothing) {
  const auto target = OpenTarget("stderr");
  ASSERT_TRUE(target.ok());
  const std::string file = directory_ + "/hosts";
  const int kept = dup(STDERR_FILENO);
  const int other = open(file.c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(other, STDERR_FILENO);
  WriteLine(**target, "not here\n");
  dup2(kept, STDERR_FILENO);
  close(kept);
  close(other);
  EXPECT_EQ(Read(file), "");
}

TEST_F(TraceTargetTest, APipeThatNobodyReadsEndsNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int kept = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  const auto target = OpenTarget("stderr");
  close(ends[0]);
  close(ends[1]);
  WriteLine(**target, "gone\n");
  dup2(kept, STDERR_FILENO);
  close(kept);
  SUCCEED();
}

}  // namespace
}  // namespace pkcs11::trace
