// Secure Transport Mode, tampering, and what is told of the modelled release.
#include <cstring>
#include <string>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

class ConditionTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_LINKS_(ConditionTest, Link::kEmbedded, Link::kSocket,
                       Link::kUsbip);

PERIGEE_TRANSPORT Strings() {
  PERIGEE_TRANSPORT strings = {};
  strings.ulSize = sizeof strings;
  return strings;
}

TEST_P(ConditionTest, ID_2_ReleaseOfTheModelledDevice) {
  Bench bench(GetParam());
  const PERIGEE_HSM_INFO info = bench.host.HsmInfo(bench.host.backup());
  EXPECT_STREQ(info.release, "October 2020");
  EXPECT_STREQ(info.certificate, "FIPS 140-2 Level 3, NIST certificate #4195");
}

// Everything on the device is refused but its recovery, and nothing is lost.
TEST_P(ConditionTest, Transport_LosesNothing) {
  Bench bench(GetParam());
  const auto& ca = bench.host.ca();
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_ULONG container = bench.host.MakeContainer(slot, "archive");
  CK_ULONG state = 9;
  ASSERT_OK(ca.CA_STMGetState(slot, &state));
  EXPECT_EQ(state, 0u);
  CK_SESSION_HANDLE session = bench.host.Open(slot);
  PERIGEE_TRANSPORT sent = Strings(), received = Strings();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            bench.host.perigee().EnterTransport(session, &sent));
  ASSERT_OK(bench.host.TryLogin(session, CKU_SO, kSoPin));
  std::strcpy(received.user, "2222-2222-2222-2222");
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            bench.host.perigee().CheckTransport(session, &received));
  ASSERT_OK(bench.host.perigee().EnterTransport(session, &sent));
  EXPECT_EQ(std::strlen(sent.user), 19u);
  EXPECT_EQ(std::strlen(sent.verification), 19u);
  ASSERT_OK(ca.CA_STMGetState(slot, &state));
  EXPECT_EQ(state, CK_STM_STATE_FLAG_STM_TURNED_ON);
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_TRANSPORT);

  CK_SESSION_HANDLE archive = bench.host.OpenContainer(slot, container);
  EXPECT_RV(CKR_STM_CMD_NON_TRANSPORT,
            bench.host.TryLogin(archive, CKU_USER, kOfficerPin));
  EXPECT_RV(CKR_STM_CMD_NON_TRANSPORT,
            ca.CA_DeleteContainerWithHandle(session, container));
  EXPECT_RV(
      LUNA_RET_OPERATION_RESTRICTED,
      ca.CA_FirmwareUpdate(session, 0, 0, nullptr, 0, nullptr, 0, nullptr));

  // At the receiver, who restarts everything.
  bench.host.Finalize();
  if (GetParam() == Link::kSocket) bench.site.daemon().Restart();
  Host receiver(bench.site);
  session = receiver.Open(slot);
  ASSERT_OK(receiver.TryLogin(session, CKU_SO, kSoPin));
  std::strcpy(received.user, sent.user);
  ASSERT_OK(receiver.perigee().CheckTransport(session, &received));
  EXPECT_STREQ(received.verification, sent.verification);
  std::strcpy(received.user, "not such a string");
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            receiver.perigee().CheckTransport(session, &received));
  ASSERT_OK(receiver.ca().CA_STMToggle(session, 0));
  archive = receiver.OpenContainer(slot, container);
  EXPECT_OK(receiver.TryLogin(archive, CKU_USER, kOfficerPin));
}

TEST_P(ConditionTest, WrongPasswordOnTheWay_ChangesTheVerificationString) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  CK_SESSION_HANDLE session = bench.host.SecurityOfficer(slot);
  PERIGEE_TRANSPORT sent = Strings(), received = Strings();
  ASSERT_OK(bench.host.perigee().EnterTransport(session, &sent));
  ASSERT_OK(bench.host.c().C_CloseSession(session));
  session = bench.host.Open(slot);
  EXPECT_RV(CKR_PIN_INCORRECT, bench.host.TryLogin(session, CKU_SO, kWrongPin));
  ASSERT_OK(bench.host.TryLogin(session, CKU_SO, kSoPin));
  std::strcpy(received.user, sent.user);
  ASSERT_OK(bench.host.perigee().CheckTransport(session, &received));
  EXPECT_STRNE(received.verification, sent.verification);
}

TEST_P(ConditionTest, Tamper_IsClearedByTheSoBeforeAnyBackup) {
  Bench bench(GetParam());
  const auto& ca = bench.host.ca();
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_ULONG container = bench.host.MakeContainer(slot, "archive");
  ASSERT_OK(bench.host.perigee().TamperHsm(slot));
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_TAMPERED);
  EXPECT_NE(bench.host.HsmInfo(slot).ulTamperedAt, 0u);
  const CK_SESSION_HANDLE archive = bench.host.OpenContainer(slot, container);
  EXPECT_RV(CKR_HSM_TAMPERED,
            bench.host.TryLogin(archive, CKU_USER, kOfficerPin));
  const CK_SESSION_HANDLE session = bench.host.Open(slot);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, ca.CA_TamperClear(session));
  ASSERT_OK(bench.host.TryLogin(session, CKU_SO, kSoPin));
  ASSERT_OK(ca.CA_TamperClear(session));
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED, ca.CA_TamperClear(session));
  EXPECT_OK(bench.host.TryLogin(archive, CKU_USER, kOfficerPin));
}

// A key that a session holds ready is not used either.
TEST_P(ConditionTest, Transport_OfAnApplicationHsmStopsItsKeys) {
  Bench bench(GetParam());
  const auto& c = bench.host.c();
  bench.host.InitPartition(bench.host.partition());
  const CK_SESSION_HANDLE officer = bench.host.Officer(bench.host.partition());
  Template key;
  key.Ulong(CKA_CLASS, CKO_SECRET_KEY)
      .Ulong(CKA_KEY_TYPE, CKK_AES)
      .Ulong(CKA_VALUE_LEN, 32)
      .Bool(CKA_TOKEN, true)
      .Bool(CKA_ENCRYPT, true);
  CK_MECHANISM make = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE handle = 0;
  ASSERT_OK(c.C_GenerateKey(officer, &make, key.data(), key.size(), &handle));
  CK_BYTE iv[16] = {}, block[16] = {}, out[16] = {};
  CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof iv};
  CK_ULONG size = sizeof out;
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(c.C_EncryptInit(officer, &cbc, handle));
    size = sizeof out;
    ASSERT_OK(c.C_Encrypt(officer, block, sizeof block, out, &size));
  }
  const CK_SLOT_ID admin = bench.host.admin();
  ASSERT_OK(bench.host.TryInitToken(admin, "hsm", ""));
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(admin);
  ASSERT_OK(bench.host.ca().CA_STMToggle(so, 1));
  EXPECT_RV(CKR_STM_CMD_NON_TRANSPORT, c.C_EncryptInit(officer, &cbc, handle));
  ASSERT_OK(bench.host.ca().CA_STMToggle(so, 0));
  EXPECT_OK(c.C_EncryptInit(officer, &cbc, handle));
}

}  // namespace
}  // namespace e2e
