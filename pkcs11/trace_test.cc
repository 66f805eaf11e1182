// The text of a trace, and where it goes.
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

#include "absl/strings/str_cat.h"
#include "hsm/attribute_rules.h"
#include "pkcs11/trace_text.h"

namespace pkcs11::trace {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// --- the text ----------------------------------------------------------------

template <typename... A>
std::string Text(const char* name, CK_RV rv, uint32_t read, A... arguments) {
  const uintptr_t words[] = {Word(arguments)...};
  Line line;
  AddCall({name, words, PointersAmong<A...>(), read, read, rv}, line);
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
  mechanism.mechanism = 0x8123456789ABCDEF;
  EXPECT_THAT(Text("C_EncryptInit", CKR_OK, 0b010, 1UL, &mechanism, 2UL),
              HasSubstr("{unknown, 48 bytes}"));
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
  AddCall({"C_FindObjectsInit", words, 0b010, 0, 0b010, CKR_OK}, line);
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

// A host may pass one buffer for everything.
TEST_F(TraceTargetTest, AMechanismThatWasReadIsNoTemplate) {
  const std::string file = directory_ + "/trace";
  Start(file);
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_ATTRIBUTE attribute = {CKA_ID, secret, 16};
  const uintptr_t words[] = {1, Word(&mechanism), Word(&mechanism), 1000,
                             Word(&mechanism)};
  TracedCall call("C_GenerateKey", words, 0b10110);
  NoteRead(&mechanism);
  EXPECT_EQ(call.Ended(CKR_TEMPLATE_INCOMPLETE), CKR_TEMPLATE_INCOMPLETE);
  const uintptr_t pair[] = {
      1, Word(&mechanism), Word(&attribute), 1, Word(&attribute), 1000, 0, 0};
  TracedCall second("C_GenerateKeyPair", pair, 0b11010110);
  NoteRead(&attribute, 1);
  second.Ended(CKR_TEMPLATE_INCOMPLETE);
  Start("none");
  const std::string text = Read(file);
  EXPECT_THAT(text, HasSubstr(" C_GenerateKey hSession=1 "
                              "pMechanism={CKM_AES_KEY_GEN, 0 bytes} "
                              "pTemplate=* ulCount=1000 phKey=* -> "));
  EXPECT_THAT(text,
              HasSubstr("pMechanism=* pPublicKeyTemplate={CKA_ID=303132"));
  EXPECT_THAT(text,
              HasSubstr("pPrivateKeyTemplate=* "
                        "ulPrivateKeyAttributeCount=1000 phPublicKey=null"));
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
