// Application ids, and what an HSM tells of itself, as a Luna client asks.
#include <ctime>
#include <string>
#include <vector>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr CK_ULONG kHigh = 0x1234, kLow = 7;

class ApplicationTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_LINKS_(ApplicationTest, Link::kEmbedded, Link::kSocket,
                       Link::kUsbip);

CK_STATE StateOf(const Host& host, CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info = {};
  EXPECT_OK(host.c().C_GetSessionInfo(session, &info));
  return info.state;
}

// The login of a slot without and with an open id.
void ExpectLoginToOutliveItsSessions(const Host& host, CK_SLOT_ID slot,
                                     CK_USER_TYPE user, const char* pin,
                                     CK_STATE logged_in) {
  CK_SESSION_HANDLE session = host.Open(slot);
  ASSERT_OK(host.TryLogin(session, user, pin));
  ASSERT_OK(host.c().C_CloseSession(session));
  session = host.Open(slot);
  EXPECT_EQ(StateOf(host, session), CKS_RW_PUBLIC_SESSION);

  ASSERT_OK(host.ca().CA_OpenApplicationID(slot, kHigh, kLow));
  EXPECT_RV(CKR_ACCESS_ID_ALREADY_EXISTS,
            host.ca().CA_OpenApplicationID(slot, kHigh, kLow));
  ASSERT_OK(host.TryLogin(session, user, pin));
  ASSERT_OK(host.c().C_CloseAllSessions(slot));
  session = host.Open(slot);
  EXPECT_EQ(StateOf(host, session), logged_in);

  // Closed while a session is open, it leaves the login to that.
  ASSERT_OK(host.ca().CA_CloseApplicationID(slot, kHigh, kLow));
  EXPECT_RV(CKR_ACCESS_ID_INVALID,
            host.ca().CA_CloseApplicationID(slot, kHigh, kLow));
  EXPECT_EQ(StateOf(host, session), logged_in);
  ASSERT_OK(host.c().C_CloseSession(session));
  session = host.Open(slot);
  EXPECT_EQ(StateOf(host, session), CKS_RW_PUBLIC_SESSION);

  // Closed while none is open, it logs out.
  CK_APPLICATION_ID id = {{1, 2, 3}};
  ASSERT_OK(host.ca().CA_OpenApplicationIDV2(slot, &id));
  ASSERT_OK(host.TryLogin(session, user, pin));
  ASSERT_OK(host.c().C_CloseSession(session));
  ASSERT_OK(host.ca().CA_CloseApplicationIDV2(slot, &id));
  session = host.Open(slot);
  EXPECT_EQ(StateOf(host, session), CKS_RW_PUBLIC_SESSION);

  // A restart ends ids, sessions and the login.
  ASSERT_OK(host.ca().CA_OpenApplicationIDV2(slot, &id));
  ASSERT_OK(host.TryLogin(session, user, pin));
  ASSERT_OK(host.ca().CA_Restart(slot));
  CK_SESSION_INFO info = {};
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            host.c().C_GetSessionInfo(session, &info));
  EXPECT_RV(CKR_ACCESS_ID_INVALID,
            host.ca().CA_CloseApplicationIDV2(slot, &id));
  session = host.Open(slot);
  EXPECT_EQ(StateOf(host, session), CKS_RW_PUBLIC_SESSION);
  ASSERT_OK(host.c().C_CloseSession(session));
}

TEST_P(ApplicationTest, OpenId_KeepsTheLoginOfAPartition) {
  Bench bench(GetParam());
  bench.host.InitPartition(bench.host.partition());
  ExpectLoginToOutliveItsSessions(bench.host, bench.host.partition(), CKU_USER,
                                  kOfficerPin, CKS_RW_USER_FUNCTIONS);
}

TEST_P(ApplicationTest, OpenId_KeepsTheLoginOfADevice) {
  Bench bench(GetParam());
  ExpectLoginToOutliveItsSessions(bench.host, bench.host.backup(), CKU_SO,
                                  kSoPin, CKS_RW_SO_FUNCTIONS);
}

TEST_P(ApplicationTest, OpenId_EndsWithTheLibrary) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  ASSERT_OK(bench.host.ca().CA_SetApplicationID(kHigh, kLow));
  ASSERT_OK(bench.host.ca().CA_OpenApplicationID(slot, kHigh, kLow));
  CK_SESSION_HANDLE session = bench.host.Open(slot);
  ASSERT_OK(bench.host.TryLogin(session, CKU_SO, kSoPin));
  ASSERT_OK(bench.host.c().C_CloseSession(session));
  bench.host.Reload();
  session = bench.host.Open(slot);
  EXPECT_EQ(StateOf(bench.host, session), CKS_RW_PUBLIC_SESSION);
  CK_APPLICATION_ID id = {};
  ASSERT_OK(bench.host.ca().CA_GetApplicationID(&id));
  EXPECT_EQ(std::string(std::begin(id.id), std::end(id.id)),
            std::string(16, '\0'));
}

TEST_P(ApplicationTest, Session_TellsTheIdThatItWasOpenedUnder) {
  Bench bench(GetParam());
  const auto& ca = bench.host.ca();
  const CK_SLOT_ID slot = bench.host.backup();
  ASSERT_OK(ca.CA_SetApplicationID(kHigh, kLow));
  const CK_SESSION_HANDLE first = bench.host.Open(slot);
  CK_SESSION_HANDLE second = 0;
  ASSERT_OK(ca.CA_OpenSessionWithAppID(slot, kReadWrite, 1, 2, nullptr, nullptr,
                                       &second));
  CK_ULONG high = 0, low = 0, container = 0, level = 0;
  ASSERT_OK(ca.CA_GetSessionInfo(first, &high, &low, &container, &level));
  EXPECT_EQ(high, kHigh);
  EXPECT_EQ(low, kLow);
  ASSERT_OK(ca.CA_GetSessionInfo(second, &high, &low, &container, &level));
  EXPECT_EQ(high, 1u);
  EXPECT_EQ(low, 2u);
  CK_APPLICATION_ID before = {}, after = {};
  ASSERT_OK(ca.CA_GetApplicationID(&before));
  ASSERT_OK(ca.CA_RandomizeApplicationID());
  ASSERT_OK(ca.CA_GetApplicationID(&after));
  EXPECT_NE(std::string(std::begin(before.id), std::end(before.id)),
            std::string(std::begin(after.id), std::end(after.id)));
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca.CA_GetApplicationID(nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca.CA_SetApplicationIDV2(nullptr));
}

TEST_P(ApplicationTest, Hsm_TellsItsFacts) {
  Bench bench(GetParam());
  const auto& ca = bench.host.ca();
  const CK_SLOT_ID slot = bench.host.backup();
  CK_ULONG size = 0;
  ASSERT_OK(ca.CA_Get(slot, LUNA_GT_S_N, nullptr, &size));
  std::vector<CK_BYTE> serial(size);
  ASSERT_OK(ca.CA_Get(slot, LUNA_GT_S_N, serial.data(), &size));
  EXPECT_EQ(std::string(serial.begin(), serial.end()),
            std::string(bench.host.HsmInfo(slot).serial));
  CK_ULONG version[3] = {}, told[3] = {};
  size = sizeof version;
  ASSERT_OK(
      ca.CA_Get(slot, LUNA_GT_FWV, reinterpret_cast<CK_BYTE*>(version), &size));
  ASSERT_OK(ca.CA_GetFirmwareVersion(slot, &told[0], &told[1], &told[2]));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(version[i], told[i]);
  size = 1;
  EXPECT_RV(
      CKR_BUFFER_TOO_SMALL,
      ca.CA_Get(slot, LUNA_GT_FWV, reinterpret_cast<CK_BYTE*>(version), &size));
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED,
            ca.CA_Get(slot, LUNA_GT_TAMPER_INFO, nullptr, &size));

  const CK_SESSION_HANDLE session = bench.host.Open(slot);
  CK_ULONG seconds = 0;
  ASSERT_OK(ca.CA_GetTime(session, &seconds));
  EXPECT_GE(seconds + 1, static_cast<CK_ULONG>(time(nullptr)) - 60);
  CK_ULONG count = 9;
  ASSERT_OK(ca.CA_RetrieveLicenseList(slot, &count, nullptr));
  EXPECT_EQ(count, 0u);
  EXPECT_OK(ca.CA_PerformSelfTest(slot, LUNA_TTYPE_CRYPTO, nullptr, 0, nullptr,
                                  nullptr));
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED,
            ca.CA_PerformSelfTest(slot, LUNA_TTYPE_H_W, nullptr, 0, nullptr,
                                  nullptr));
}

TEST_P(ApplicationTest, Auditor_IsMadeOnce) {
  Bench bench(GetParam());
  CK_CHAR pin[] = "auditor-pin-1";
  const CK_ULONG size = sizeof pin - 1;
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
            bench.host.ca().CA_InitAudit(slot, pin, size, nullptr));
  ASSERT_OK(bench.host.c().C_CloseSession(so));
  ASSERT_OK(bench.host.ca().CA_InitAudit(slot, pin, size, nullptr));
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            bench.host.ca().CA_InitAudit(slot, pin, size, nullptr));
  const CK_SESSION_HANDLE session = bench.host.Open(slot);
  EXPECT_OK(bench.host.TryLogin(session, CKU_AUDIT, "auditor-pin-1"));
}

}  // namespace
}  // namespace e2e
