// C_Initialize, C_Finalize, C_GetInfo and what works without them.
#include <algorithm>
#include <cstring>

#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using InitializeTest = ModuleTest;
using FinalizeTest = LibraryTest;
using InfoTest = LibraryTest;

CK_RV Create(void** mutex) {
  *mutex = nullptr;
  return CKR_OK;
}
CK_RV Use(void*) { return CKR_OK; }

PERIGEE_C_INITIALIZE_ARGS AllCallbacks() { return {Create, Use, Use, Use}; }

TEST_F(InitializeTest, Finalize_BeforeInitialize_IsNotInitialized) {
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11().C_Finalize(nullptr));
}

TEST_F(InitializeTest, GetInfo_BeforeInitialize_IsNotInitialized) {
  CK_INFO info;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11().C_GetInfo(&info));
}

TEST_F(InitializeTest, GetFunctionList_BeforeInitialize_Works) {
  CK_FUNCTION_LIST_PTR list = nullptr;
  EXPECT_OK(p11().C_GetFunctionList(&list));
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->C_Initialize, p11().C_Initialize);
}

TEST_F(InitializeTest, GetFunctionList_Null_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetFunctionList(nullptr));
}

TEST_F(InitializeTest, NoArguments_Succeeds) {
  EXPECT_OK(p11().C_Initialize(nullptr));
}

TEST_F(InitializeTest, Twice_IsAlreadyInitialized) {
  ASSERT_OK(p11().C_Initialize(nullptr));
  EXPECT_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, p11().C_Initialize(nullptr));
}

TEST_F(InitializeTest, TwiceWithArguments_IsAlreadyInitialized) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.flags = CKF_OS_LOCKING_OK;
  ASSERT_OK(p11().C_Initialize(&args));
  EXPECT_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, p11().C_Initialize(&args));
}

TEST_F(InitializeTest, EmptyArguments_Succeeds) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  EXPECT_OK(p11().C_Initialize(&args));
}

TEST_F(InitializeTest, OsLocking_Succeeds) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.flags = CKF_OS_LOCKING_OK;
  EXPECT_OK(p11().C_Initialize(&args));
}

TEST_F(InitializeTest, OsLockingOrCallbacks_Succeeds) {
  PERIGEE_C_INITIALIZE_ARGS args = AllCallbacks();
  args.flags = CKF_OS_LOCKING_OK;
  EXPECT_OK(p11().C_Initialize(&args));
}

// A library that cannot use the application's mutexes must say so.
TEST_F(InitializeTest, CallbacksOnly_SucceedsOrCannotLock) {
  PERIGEE_C_INITIALIZE_ARGS args = AllCallbacks();
  EXPECT_RV_IS_ONE_OF(p11().C_Initialize(&args), CKR_OK, CKR_CANT_LOCK);
}

TEST_F(InitializeTest, NoThreadsOfItsOwn_Succeeds) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK;
  EXPECT_OK(p11().C_Initialize(&args));
}

TEST_F(InitializeTest, ReservedIsNotNull_IsArgumentsBad) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.pReserved = &args;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_Initialize(&args));
}

TEST_F(InitializeTest, OneCallbackOnly_IsArgumentsBad) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.CreateMutex = Create;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_Initialize(&args));
}

TEST_F(InitializeTest, OneCallbackMissing_IsArgumentsBad) {
  PERIGEE_C_INITIALIZE_ARGS args = AllCallbacks();
  args.UnlockMutex = nullptr;
  args.flags = CKF_OS_LOCKING_OK;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_Initialize(&args));
}

TEST_F(InitializeTest, BadArguments_LeaveItNotInitialized) {
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.pReserved = &args;
  p11().C_Initialize(&args);
  CK_INFO info;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11().C_GetInfo(&info));
  EXPECT_OK(p11().C_Initialize(nullptr));
}

TEST_F(FinalizeTest, ReservedIsNotNull_IsArgumentsBad) {
  int something = 0;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_Finalize(&something));
}

TEST_F(FinalizeTest, ReservedIsNotNull_StaysInitialized) {
  int something = 0;
  p11().C_Finalize(&something);
  CK_INFO info;
  EXPECT_OK(p11().C_GetInfo(&info));
}

TEST_F(FinalizeTest, Twice_IsNotInitialized) {
  EXPECT_OK(p11().C_Finalize(nullptr));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11().C_Finalize(nullptr));
}

TEST_F(FinalizeTest, ThenInitialize_Works) {
  EXPECT_OK(p11().C_Finalize(nullptr));
  EXPECT_OK(p11().C_Initialize(nullptr));
  EXPECT_FALSE(Slots().empty());
}

TEST_F(TokenTest, Finalize_EndsSessions) {
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_CloseSession(session_));
}

TEST_F(TokenTest, Finalize_EndsTheLogin) {
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  EXPECT_EQ(State(Open()), CKS_RW_PUBLIC_SESSION);
}

TEST_F(InfoTest, NullPointer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetInfo(nullptr));
}

TEST_F(InfoTest, TellsAVersionOfTheStandard) {
  CK_INFO info;
  ASSERT_OK(p11().C_GetInfo(&info));
  const int version =
      info.cryptokiVersion.major * 100 + info.cryptokiVersion.minor;
  EXPECT_THAT(version, testing::AnyOf(240, 300, 301, 302));
}

TEST_F(InfoTest, FlagsAreZero) {
  CK_INFO info;
  ASSERT_OK(p11().C_GetInfo(&info));
  EXPECT_EQ(info.flags, 0u);
}

TEST_F(InfoTest, TextsArePaddedWithBlanks) {
  CK_INFO info;
  std::memset(&info, 0, sizeof(info));
  ASSERT_OK(p11().C_GetInfo(&info));
  EXPECT_EQ(std::count(std::begin(info.manufacturerID),
                       std::end(info.manufacturerID), 0),
            0);
  EXPECT_EQ(std::count(std::begin(info.libraryDescription),
                       std::end(info.libraryDescription), 0),
            0);
}

}  // namespace
}  // namespace conformance
