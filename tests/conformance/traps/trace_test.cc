// The trace (docs/TRACE.md) of a host's calls: each is there, no secret is.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "base/cryptoki.h"
#include "perigee/luna_ca.h"
#include "perigee/perigee.h"
#include "tests/conformance/keys.h"
#include "tests/conformance/place.h"
#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

CK_BYTE* Raw(const std::string& text) {
  return reinterpret_cast<CK_BYTE*>(const_cast<char*>(text.data()));
}

// A file in the place of this process, traced to from now on.
std::string TraceToFile(const std::string& name = ".trace") {
  const std::string path = std::getenv("PERIGEE_CONF") + name;
  setenv("PERIGEE_TRACE", path.c_str(), 1);
  return path;
}

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Every line is a whole one.
size_t CheckLines(const std::string& text) {
  static const std::regex line(
      "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z \\d+\\.\\d+ "
      "(C_|CA_|Perigee\\.)[A-Za-z]+( [A-Za-z]+=[^=]*.*)? -> CKR_[A-Z_]+ "
      "\\d+\\.\\d us");
  std::istringstream in(text);
  size_t count = 0;
  for (std::string each; std::getline(in, each); ++count) {
    if (!std::regex_match(each, line)) Fail(__FILE__, __LINE__, each);
  }
  return count;
}

// --- secrets -----------------------------------------------------------------

std::string Hex(const Bytes& bytes, const char* digits) {
  std::string hex;
  for (const CK_BYTE byte : bytes) {
    hex += digits[byte >> 4];
    hex += digits[byte & 15];
  }
  return hex;
}

std::string Base64(const Bytes& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i + 2 < bytes.size(); i += 3) {
    const unsigned three = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) {
      text += kDigits[three >> shift & 63];
    }
  }
  return text;
}

// No eight bytes of it, in any form.
void MustNotBeIn(const std::string& text, const std::string& what,
                 const Bytes& secret) {
  for (size_t at = 0; at + 8 <= secret.size(); ++at) {
    const Bytes part(secret.begin() + at, secret.begin() + at + 8);
    for (const std::string& form :
         {std::string(part.begin(), part.end()), Hex(part, "0123456789abcdef"),
          Hex(part, "0123456789ABCDEF"), Base64(part)}) {
      if (text.find(form) == std::string::npos) continue;
      Fail(__FILE__, __LINE__, what + " is in the trace");
    }
  }
}

// A host that uses what there is, and what it must not find in the trace.
class User {
 public:
  std::vector<std::pair<std::string, Bytes>> secrets;
  const std::string so_pin = "the pin of the officer";
  const std::string first_pin = "what the user had first";
  const std::string pin = "jklmnopqrstuvwxyz";
  const std::string domain = "everything in common";

  void Run() {
    MUST_BE_OK(p11_.C_Initialize(nullptr));
    Prepare();
    UseKeys();
    UseVendorFunctions();
    MUST_BE(CKR_PIN_INCORRECT,
            p11_.C_SetPIN(session_, Raw(so_pin), so_pin.size(), Raw(pin),
                          pin.size()));
    MUST_BE_OK(p11_.C_Finalize(nullptr));
    for (const std::string& each : {so_pin, first_pin, pin, domain}) {
      secrets.emplace_back(each, FromText(each));
    }
  }

 private:
  void Prepare() {
    const std::string label = "a token                         ";
    MUST_BE_OK(p11_.C_InitToken(0, Raw(so_pin), so_pin.size(), Raw(label)));
    session_ = OpenToken(p11_);
    MUST_BE_OK(p11_.C_Login(session_, CKU_SO, Raw(so_pin), so_pin.size()));
    MUST_BE_OK(p11_.C_InitPIN(session_, Raw(first_pin), first_pin.size()));
    MUST_BE_OK(p11_.C_Logout(session_));
    MUST_BE_OK(
        p11_.C_Login(session_, CKU_USER, Raw(first_pin), first_pin.size()));
    MUST_BE_OK(p11_.C_SetPIN(session_, Raw(first_pin), first_pin.size(),
                             Raw(pin), pin.size()));
  }

  void UseKeys() {
    Bytes value = Pattern(32, 71);
    Bytes text = Pattern(64, 133);
    Bytes iv = Pattern(16, 201);
    Bytes out(512);
    secrets.emplace_back("key", value);
    secrets.emplace_back("plaintext", text);
    secrets.emplace_back("parameter", iv);
    const auto keep = [&](const char* what, CK_ULONG size) {
      secrets.emplace_back(what, Bytes(out.begin(), out.begin() + size));
    };
    const Template aes = AesKey(value).Text(CKA_LABEL, "shown \"label\"");
    CK_OBJECT_HANDLE key = 0;
    MUST_BE_OK(p11_.C_CreateObject(session_, aes.data(), aes.size(), &key));
    CK_ATTRIBUTE got = {CKA_VALUE, out.data(), out.size()};
    MUST_BE_OK(p11_.C_GetAttributeValue(session_, key, &got, 1));
    const Mechanism cbc(CKM_AES_CBC, iv);
    MUST_BE_OK(p11_.C_EncryptInit(session_, cbc.get(), key));
    CK_ULONG size = out.size();
    MUST_BE_OK(
        p11_.C_Encrypt(session_, text.data(), text.size(), out.data(), &size));
    keep("ciphertext", size);
    MUST_BE_OK(p11_.C_GenerateRandom(session_, out.data(), 32));
    keep("random bytes", 32);
    MUST_BE_OK(p11_.C_SeedRandom(session_, text.data(), text.size()));

    const CK_OBJECT_HANDLE signer = MakeKey(p11_, session_);
    MUST_BE_OK(p11_.C_SignInit(session_, Mechanism(CKM_ECDSA).get(), signer));
    size = 1;
    MUST_BE(CKR_BUFFER_TOO_SMALL,
            p11_.C_Sign(session_, text.data(), 32, out.data(), &size));
    MUST_BE_OK(p11_.C_Sign(session_, text.data(), 32, out.data(), &size));
    keep("signature", size);

    const Template wrapping = WrappingKey(Pattern(32, 17));
    secrets.emplace_back("wrapping key", Pattern(32, 17));
    CK_OBJECT_HANDLE wrapper = 0;
    MUST_BE_OK(p11_.C_CreateObject(session_, wrapping.data(), wrapping.size(),
                                   &wrapper));
    size = out.size();
    MUST_BE_OK(p11_.C_WrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                              wrapper, key, out.data(), &size));
    keep("wrapped key", size);
  }

  template <typename Function>
  Function Symbol(const char* name) {
    const auto symbol =
        reinterpret_cast<Function>(dlsym(module_.handle(), name));
    MUST(symbol != nullptr);
    return symbol;
  }

  void UseVendorFunctions() {
    MUST_BE_OK(Symbol<CK_CA_SetCloningDomain>("CA_SetCloningDomain")(
        Raw(domain), domain.size()));
    CK_BYTE blob[16] = {};
    MUST_BE(CKR_FUNCTION_NOT_SUPPORTED,
            Symbol<CK_CA_SetRDK>("CA_SetRDK")(session_, blob, sizeof(blob)));
    CK_INTERFACE* interface = nullptr;
    MUST_BE_OK(p11_.C_GetInterface(Raw("Perigee"), nullptr, &interface, 0));
    CK_ULONG count = 0;
    MUST_BE_OK(
        static_cast<const PERIGEE_FUNCTION_LIST*>(interface->pFunctionList)
            ->Slots(nullptr, &count));
  }

  const Module module_;
  const Functions& p11_ = module_.functions();
  CK_SESSION_HANDLE session_ = 0;
};

TRAP(TraceTrap, EveryCallIsThere_AndNoSecret) {
  const std::string path = TraceToFile();
  User user;
  user.Run();
  const std::string text = Read(path);
  MUST(CheckLines(text) > 20);
  for (const char* const line :
       {" C_Initialize pInitArgs=null -> CKR_OK ",
        " C_InitToken slotID=0 pPin=* ulPinLen=* pLabel=\"a token\" -> CKR_OK ",
        " C_OpenSession slotID=0 flags=CKF_RW_SESSION|CKF_SERIAL_SESSION "
        "pApplication=null Notify=null phSession=1 -> CKR_OK ",
        " C_Login hSession=1 userType=CKU_SO pPin=* ulPinLen=* -> CKR_OK ",
        " C_InitPIN hSession=1 pPin=* ulPinLen=* -> CKR_OK ",
        " C_Logout hSession=1 -> CKR_OK ",
        " C_SetPIN hSession=1 pOldPin=* ulOldLen=* pNewPin=* ulNewLen=* -> "
        "CKR_OK ",
        " C_SetPIN hSession=1 pOldPin=* ulOldLen=* pNewPin=* ulNewLen=* -> "
        "CKR_PIN_INCORRECT ",
        "CKA_LABEL=\"shown \\\"label\\\"\"",
        "CKA_VALUE=32 bytes",
        " C_EncryptInit hSession=1 pMechanism={CKM_AES_CBC, 16 bytes} hKey=",
        " C_Encrypt hSession=1 pData=* ulDataLen=64 pEncryptedData=* "
        "pulEncryptedDataLen=64 -> CKR_OK ",
        " C_GenerateRandom hSession=1 RandomData=* ulRandomLen=32 -> CKR_OK ",
        " C_SeedRandom hSession=1 pSeed=* ulSeedLen=64 -> ",
        " C_GenerateKeyPair hSession=1 pMechanism={CKM_EC_KEY_PAIR_GEN, 0 "
        "bytes} pPublicKeyTemplate={",
        " C_Sign hSession=1 pData=* ulDataLen=32 pSignature=* "
        "pulSignatureLen=64 -> CKR_BUFFER_TOO_SMALL ",
        " C_WrapKey hSession=1 pMechanism={CKM_AES_KEY_WRAP, 0 bytes} ",
        "pWrappedKey=* pulWrappedKeyLen=40 -> CKR_OK ",
        " CA_SetCloningDomain pDomain=* ulDomainLen=* -> CKR_OK ",
        " CA_SetRDK hSession=1 pKey=* ulKeyLen=* -> "
        "CKR_FUNCTION_NOT_SUPPORTED ",
        " Perigee.Slots pSlots=null pulCount=3 -> CKR_OK ",
        " C_Finalize pReserved=null -> CKR_OK "}) {
    if (text.find(line) == std::string::npos) {
      Fail(__FILE__, __LINE__, line + ("\nis not in\n" + text));
    }
  }
  for (const auto& [what, secret] : user.secrets) {
    MustNotBeIn(text, what, secret);
  }
}

TRAP(TraceTrap, ATemplateOfAFailedCallIsShown) {
  const std::string path = TraceToFile();
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  const Template wrong = Template()
                             .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                             .Bool(CKA_SIGN, true)
                             .Set(CKA_VALUE, Pattern(5));
  CK_OBJECT_HANDLE key;
  MUST(module->C_CreateObject(session, wrong.data(), wrong.size(), &key) !=
       CKR_OK);
  MUST(Read(path).find("pTemplate={CKA_CLASS=CKO_SECRET_KEY, CKA_SIGN=true, "
                       "CKA_VALUE=5 bytes} ulCount=3 phObject=* -> CKR_") !=
       std::string::npos);
}

// What the library refuses before it looks is not looked at for the trace.
TRAP(TraceTrap, WildPointersOfRefusedCallsAreNotFollowed) {
  TraceToFile();
  const Module module;
  const Functions& p11 = module.functions();
  auto* const wild = reinterpret_cast<CK_BYTE*>(8);
  const auto call = [&](CK_RV expected) {
    CK_SESSION_HANDLE none = 99;
    MUST_BE(expected,
            p11.C_EncryptInit(none, reinterpret_cast<CK_MECHANISM*>(wild), 1));
    MUST_BE(expected,
            p11.C_CreateObject(none, reinterpret_cast<CK_ATTRIBUTE*>(wild),
                               1000, reinterpret_cast<CK_ULONG*>(wild)));
    MUST_BE(expected,
            p11.C_Sign(none, wild, 8, wild, reinterpret_cast<CK_ULONG*>(wild)));
    MUST_BE(expected, p11.C_Login(none, CKU_USER, wild, 8));
  };
  call(CKR_CRYPTOKI_NOT_INITIALIZED);
  MUST_BE_OK(p11.C_Initialize(nullptr));
  call(CKR_SESSION_HANDLE_INVALID);
  const CK_SESSION_HANDLE session = OpenToken(p11);
  CK_OBJECT_HANDLE key;
  MUST_BE(CKR_ARGUMENTS_BAD, p11.C_CreateObject(session, nullptr, 5, &key));
}

TRAP(TraceTrap, ThreadsAndChildrenWriteWholeLines) {
  const std::string path = TraceToFile();
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  constexpr size_t kThreads = 4;
  constexpr size_t kCalls = 300;
  const auto work = [&] {
    CK_ULONG count = 0;
    for (size_t i = 0; i < kCalls; ++i) {
      MUST_BE_OK(module->C_GetSlotList(CK_FALSE, nullptr, &count));
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) threads.emplace_back(work);
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    MUST_BE_OK(module->C_Initialize(nullptr));
    work();
    MUST_BE_OK(module->C_Finalize(nullptr));
    _exit(0);
  }
  for (std::thread& each : threads) each.join();
  for (const pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    MUST(status == 0);
  }
  const std::string text = Read(path);
  // Of the parent C_Initialize.
  MUST(CheckLines(text) ==
       1 + kThreads * kCalls + children.size() * (kCalls + 2));
  for (const pid_t child : children) {
    const std::string number = std::to_string(child);
    MUST(text.find("Z " + number + "." + number + " C_Initialize ") !=
         std::string::npos);
  }
}

TRAP(TraceTrap, EachProcessHasItsFile_WhenThePathSaysSo) {
  const std::string path = TraceToFile(".%p");
  const std::string stem = path.substr(0, path.size() - 2);
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const pid_t child = fork();
  if (child == 0) {
    MUST_BE_OK(module->C_Initialize(nullptr));
    _exit(0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  MUST(status == 0);
  MUST(CheckLines(Read(stem + std::to_string(getpid()))) == 1);
  MUST(CheckLines(Read(stem + std::to_string(child))) == 1);
}

TRAP(TraceTrap, TheConfigurationTurnsItOn_UntilFinalize) {
  const std::string path = std::string(std::getenv("PERIGEE_CONF")) + ".trace";
  const std::string file = std::getenv("PERIGEE_CONF");
  WriteFile(file, "trace = \"" + path + "\"\n" + Read(file));
  const Module module;
  CK_INFO info;
  for (int i = 0; i < 2; ++i) {
    MUST_BE_OK(module->C_Initialize(nullptr));
    MUST_BE_OK(module->C_GetInfo(&info));
    MUST_BE_OK(module->C_Finalize(nullptr));
    MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, module->C_GetInfo(&info));
  }
  const std::string text = Read(path);
  MUST(text.find(" C_GetInfo pInfo=* -> CKR_OK ") != std::string::npos);
  MUST(text.find("NOT_INITIALIZED") == std::string::npos);
}

TRAP(TraceTrap, HoldsNoFile) {
  TraceToFile();
  const size_t files = CountFiles();
  Module module;
  for (int i = 0; i < 20; ++i) {
    MUST_BE_OK(module->C_Initialize(nullptr));
    MUST_BE_OK(module->C_Finalize(nullptr));
  }
  MUST(CountFiles() == files);
}

TRAP(TraceTrap, APathThatCannotBeOpened_IsOneWarning) {
  const std::string log = std::string(std::getenv("PERIGEE_CONF")) + ".log";
  setenv("PERIGEE_LOG", log.c_str(), 1);
  setenv("PERIGEE_TRACE", "/no/such/directory/trace", 1);
  const Module module;
  CK_INFO info;
  MUST_BE_OK(module->C_Initialize(nullptr));
  MUST_BE_OK(module->C_GetInfo(&info));
  const std::string text = Read(log);
  const std::string warning =
      " warning: no trace: /no/such/directory/trace: No such file or "
      "directory\n";
  MUST(text.size() > warning.size() &&
       text.find(warning) == text.size() - warning.size());
  MUST(text.find('\n') == text.size() - 1);
}

void Initialize() {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
}
const bool initialize_added = AddTrap("TraceTrap.Initialize", Initialize);

TEST(TraceTrap, GoesToStandardError) {
  ASSERT_TRUE(initialize_added);
  const Ending ending =
      RunTrap("TraceTrap.Initialize", {"PERIGEE_TRACE=stderr"});
  EXPECT_EQ(ending.code, 0);
  EXPECT_THAT(ending.output,
              testing::HasSubstr(" C_Initialize pInitArgs=null -> CKR_OK "));
}

TEST(TraceTrap, IsOffByDefault) {
  const Ending ending = RunTrap("TraceTrap.Initialize");
  EXPECT_EQ(ending.code, 0);
  EXPECT_EQ(ending.output, "");
}

}  // namespace
}  // namespace conformance
