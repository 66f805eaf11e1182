// Every function of the 2.40, 3.0 and 3.2 lists, and every CA_ function:
// before C_Initialize, with a stale session, with null pointers, and with
// combinations of harmless arguments. An exact code, and never a crash.
#include "tests/conformance/every_function.h"

#include <string>

#include "perigee/luna_ca.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

// --- before C_Initialize
// -------------------------------------------------------------------

using UninitializedTest = ModuleTest;

bool WorksUninitialized(const std::string& name) {
  return name == "C_Initialize" || name == "C_GetFunctionList" ||
         name == "C_GetInterfaceList" || name == "C_GetInterface";
}

template <typename Pointer>
void ExpectNotInitialized(const char* name, Pointer function) {
  if (function == nullptr || WorksUninitialized(name)) return;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, CallWithZeros(function)) << name;
}

TEST_F(UninitializedTest, EveryFunction_IsNotInitialized) {
#define PERIGEE_FUNCTION(version, name, arguments) \
  ExpectNotInitialized(#name, p11().name);
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
}

TEST_F(UninitializedTest, AfterFinalize_EveryFunction_IsNotInitialized) {
  ASSERT_OK(p11().C_Initialize(nullptr));
  ASSERT_OK(p11().C_Finalize(nullptr));
#define PERIGEE_FUNCTION(version, name, arguments) \
  ExpectNotInitialized(#name, p11().name);
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
}

template <typename Pointer>
void ExpectCaNotInitialized(const char* name) {
  const auto function = reinterpret_cast<Pointer>(ModuleSymbol(name));
  ASSERT_NE(function, nullptr) << name;
  if (std::string(name) == "CA_GetFunctionList") return;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, CallWithZeros(function)) << name;
}

TEST_F(UninitializedTest, EveryCaFunction_IsNotInitialized) {
  NEEDS_PERIGEE();
#define PERIGEE_CA_FUNCTION(name, ...) ExpectCaNotInitialized<CK_##name>(#name);
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
}

// --- null pointers and stale sessions
// --------------------------------------------------------

// What functions on a session answer when everything else is zero: to a
// session that is not there, and to one that is (the user is logged in, no
// operation is active). One row for each function.
struct NullCase {
  const char* name;
  CK_RV (*call)(CK_ULONG session);
  bool is_there;
  std::vector<CK_RV> stale;
  std::vector<CK_RV> open;
};
std::ostream& operator<<(std::ostream& out, const NullCase& each) {
  return out << each.name;
}

std::vector<CK_RV> OrNotSupported(std::vector<CK_RV> codes) {
  codes.push_back(CKR_FUNCTION_NOT_SUPPORTED);
  return codes;
}

#define ROW(name, ...)                                                                  \
  {                                                                                     \
#name,                                                                              \
        [](CK_ULONG                                                                     \
               s) { return CallWithFirst(p11().name, s); },                             \
                                                         p11().name !=                  \
                                                             nullptr,                   \
                                                         {CKR_SESSION_HANDLE_INVALID }, \
                                                          __VA_ARGS__                   \
  }
// Other modules may not have it.
#define NEWER(name, codes)                                                              \
  {                                                                                     \
#name,                                                                              \
        [](CK_ULONG                                                                     \
               s) { return CallWithFirst(p11().name, s); },                             \
                                                         p11().name !=                  \
                                                             nullptr,                   \
                                                         {CKR_SESSION_HANDLE_INVALID,   \
                                                          CKR_FUNCTION_NOT_SUPPORTED }, \
                                                          OrNotSupported(               \
                                                              codes)                    \
  }

std::vector<NullCase> NullCases() {
  using Codes = std::vector<CK_RV>;
  const Codes bad = {CKR_ARGUMENTS_BAD};
  // Whether the missing operation or the missing pointer counts first is
  // nowhere said.
  const Codes none = {CKR_OPERATION_NOT_INITIALIZED, CKR_ARGUMENTS_BAD};
  const Codes no_object = {CKR_OBJECT_HANDLE_INVALID, CKR_ARGUMENTS_BAD};
  return {
      ROW(C_GetSessionInfo, bad),
      NEWER(C_GetOperationState, none),
      NEWER(C_SetOperationState, bad),
      ROW(C_Login, {CKR_ARGUMENTS_BAD, CKR_USER_ANOTHER_ALREADY_LOGGED_IN}),
      ROW(C_InitPIN, {CKR_ARGUMENTS_BAD, CKR_USER_NOT_LOGGED_IN}),
      ROW(C_SetPIN, bad),
      ROW(C_CreateObject, bad),
      ROW(C_CopyObject, no_object),
      ROW(C_DestroyObject, no_object),
      ROW(C_GetObjectSize, no_object),
      ROW(C_GetAttributeValue, no_object),
      ROW(C_SetAttributeValue, no_object),
      ROW(C_FindObjects, none),
      ROW(C_FindObjectsFinal, none),
      ROW(C_EncryptInit, none),
      ROW(C_Encrypt, none),
      ROW(C_EncryptUpdate, none),
      ROW(C_EncryptFinal, none),
      ROW(C_DecryptInit, none),
      ROW(C_Decrypt, none),
      ROW(C_DecryptUpdate, none),
      ROW(C_DecryptFinal, none),
      ROW(C_DigestInit, none),
      ROW(C_Digest, none),
      ROW(C_DigestUpdate, none),
      ROW(C_DigestKey, {CKR_OPERATION_NOT_INITIALIZED, CKR_KEY_HANDLE_INVALID}),
      ROW(C_DigestFinal, none),
      ROW(C_SignInit, none),
      ROW(C_Sign, none),
      ROW(C_SignUpdate, none),
      ROW(C_SignFinal, none),
      NEWER(C_SignRecoverInit, none),
      NEWER(C_SignRecover, none),
      ROW(C_VerifyInit, none),
      ROW(C_Verify, none),
      ROW(C_VerifyUpdate, none),
      ROW(C_VerifyFinal, none),
      NEWER(C_VerifyRecoverInit, none),
      NEWER(C_VerifyRecover, none),
      NEWER(C_DigestEncryptUpdate, none),
      NEWER(C_DecryptDigestUpdate, none),
      NEWER(C_SignEncryptUpdate, none),
      NEWER(C_DecryptVerifyUpdate, none),
      ROW(C_GenerateKey, bad),
      ROW(C_GenerateKeyPair, bad),
      ROW(C_WrapKey, bad),
      ROW(C_UnwrapKey, bad),
      ROW(C_DeriveKey, bad),
      ROW(C_SeedRandom,
          {CKR_ARGUMENTS_BAD, CKR_OK, CKR_RANDOM_SEED_NOT_SUPPORTED}),
      ROW(C_GenerateRandom, {CKR_ARGUMENTS_BAD, CKR_OK}),
      ROW(C_LoginUser, {CKR_ARGUMENTS_BAD, CKR_USER_ANOTHER_ALREADY_LOGGED_IN}),
      ROW(C_SessionCancel, {CKR_OK}),
      NEWER(C_MessageEncryptInit, none),
      NEWER(C_EncryptMessage, none),
      NEWER(C_EncryptMessageBegin, none),
      NEWER(C_EncryptMessageNext, none),
      NEWER(C_MessageEncryptFinal, none),
      NEWER(C_MessageDecryptInit, none),
      NEWER(C_DecryptMessage, none),
      NEWER(C_DecryptMessageBegin, none),
      NEWER(C_DecryptMessageNext, none),
      NEWER(C_MessageDecryptFinal, none),
      NEWER(C_MessageSignInit, none),
      NEWER(C_SignMessage, none),
      NEWER(C_SignMessageBegin, none),
      NEWER(C_SignMessageNext, none),
      NEWER(C_MessageSignFinal, none),
      NEWER(C_MessageVerifyInit, none),
      NEWER(C_VerifyMessage, none),
      NEWER(C_VerifyMessageBegin, none),
      NEWER(C_VerifyMessageNext, none),
      NEWER(C_MessageVerifyFinal, none),
      NEWER(C_EncapsulateKey, bad),
      NEWER(C_DecapsulateKey, bad),
      NEWER(C_VerifySignatureInit, none),
      NEWER(C_VerifySignature, none),
      NEWER(C_VerifySignatureUpdate, none),
      NEWER(C_VerifySignatureFinal, none),
      NEWER(C_GetSessionValidationFlags, bad),
      NEWER(C_AsyncComplete, bad),
      NEWER(C_AsyncGetID, bad),
      NEWER(C_AsyncJoin, bad),
      NEWER(C_WrapKeyAuthenticated, bad),
      NEWER(C_UnwrapKeyAuthenticated, bad),
  };
}
#undef ROW
#undef NEWER

class NullPointerTest : public TokenTest,
                        public testing::WithParamInterface<NullCase> {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    if (GetParam().is_there) return;
    if (IsPerigee()) FAIL() << "not exported";
    GTEST_SKIP() << "not exported";
  }
};

TEST_P(NullPointerTest, StaleSession_IsSessionHandleInvalid) {
  EXPECT_THAT(GetParam().call(kStaleHandle),
              testing::AnyOfArray(GetParam().stale));
}

TEST_P(NullPointerTest, SessionZero_IsSessionHandleInvalid) {
  EXPECT_THAT(GetParam().call(0), testing::AnyOfArray(GetParam().stale));
}

TEST_P(NullPointerTest, NullPointers_AreRefused) {
  const CK_RV rv = GetParam().call(session_);
  EXPECT_THAT(rv, testing::AnyOfArray(GetParam().open));
  if (IsPerigee()) {
    EXPECT_NE(rv, CKR_FUNCTION_NOT_SUPPORTED);
  }
}

TEST_P(NullPointerTest, NullPointers_LeaveTheSessionUsable) {
  GetParam().call(session_);
  EXPECT_EQ(State(session_), CKS_RW_USER_FUNCTIONS);
}

INSTANTIATE_TEST_SUITE_P(All, NullPointerTest, testing::ValuesIn(NullCases()),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

using SlotFunctionTest = TokenTest;

TEST_F(SlotFunctionTest, NullPointers_AreArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithZeros(p11().C_GetInfo));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithZeros(p11().C_GetFunctionList));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithZeros(p11().C_GetSlotList));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithFirst(p11().C_GetSlotInfo, slot_));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithFirst(p11().C_GetTokenInfo, slot_));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithFirst(p11().C_GetMechanismList, slot_));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithFirst(p11().C_GetMechanismInfo, slot_));
}

TEST_F(SlotFunctionTest, NullPointers_OfVersion3_AreArgumentsBad) {
  NEEDS_PERIGEE();
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithZeros(p11().C_GetInterfaceList));
  EXPECT_RV(CKR_ARGUMENTS_BAD, CallWithZeros(p11().C_GetInterface));
}

// --- combinations of arguments
// ---------------------------------------------------------------

class CombinationTest : public FreshTokenTest {
 protected:
  // The PINs and the token may be gone.
  void TearDown() override { Leave(); }

  template <typename Pointer>
  void Try(const char* name, Pointer function) {
    if (function == nullptr || IsLeftOut(name)) return;
    SCOPED_TRACE(name);
    CK_SESSION_INFO info;
    if (p11().C_GetSessionInfo(session_, &info) != CKR_OK) session_ = Open();
    Combinations combinations({0, session_, 8});
    EXPECT_GT(combinations.Try(function), 0u);
  }
  // What would end the test (or wait for an event) rather than answer.
  static bool IsLeftOut(const std::string& name) {
    return name == "C_Initialize" || name == "C_Finalize" ||
           name == "C_WaitForSlotEvent" || name == "CA_WaitForSlotEvent";
  }
};

TEST_F(CombinationTest, EveryFunction_Survives) {
#define PERIGEE_FUNCTION(version, name, arguments) Try(#name, p11().name);
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
  CK_INFO info;
  EXPECT_OK(p11().C_GetInfo(&info));
}

TEST_F(CombinationTest, EveryCaFunction_Survives) {
  NEEDS_PERIGEE();
#define PERIGEE_CA_FUNCTION(name, ...) \
  Try(#name, reinterpret_cast<CK_##name>(ModuleSymbol(#name)));
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
  CK_INFO info;
  EXPECT_OK(p11().C_GetInfo(&info));
}

}  // namespace
}  // namespace conformance
