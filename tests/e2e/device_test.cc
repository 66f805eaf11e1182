// The Backup HSM itself: initialised, logged in to, its containers, its
// storage, and what it does not do.
#include "tests/e2e/bench.h"

namespace e2e {
namespace {

class DeviceTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_ALL_LINKS(DeviceTest);

CK_RV LoginOnly(const Host& host, CK_SLOT_ID slot, CK_USER_TYPE user,
                const std::string& pin) {
  const CK_SESSION_HANDLE session = host.Open(slot);
  const CK_RV rv = host.TryLogin(session, user, pin);
  host.c().C_CloseSession(session);
  return rv;
}

struct Storage {
  CK_ULONG overhead = 0, total = 0, used = 0, free = 0;
};
Storage HsmStorage(const Host& host) {
  Storage s;
  EXPECT_OK(host.ca().CA_GetHSMStorageInformation(host.backup(), &s.overhead,
                                                  &s.total, &s.used, &s.free));
  return s;
}

TEST_P(DeviceTest, Initialisation_GivesLabelAndSo) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  EXPECT_FALSE(host.HsmInfo(host.backup()).flags & PERIGEE_HSM_INITIALIZED);
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED,
            LoginOnly(host, host.backup(), CKU_SO, kSoPin));
  EXPECT_OK(host.TryInitToken(host.backup(), "vault", ""));
  const CK_TOKEN_INFO info = host.TokenInfo(host.backup());
  EXPECT_TRUE(info.flags & CKF_TOKEN_INITIALIZED);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(info.label), 6),
            "vault ");
  EXPECT_TRUE(host.HsmInfo(host.backup()).flags & PERIGEE_HSM_INITIALIZED);
  EXPECT_OK(LoginOnly(host, host.backup(), CKU_SO, kSoPin));
}

TEST_P(DeviceTest, KeepsItsStateWhenEverythingRestarts) {
  Bench bench(GetParam());
  bench.host.MakeContainer(bench.host.backup(), "kept");
  const std::string serial = bench.host.HsmInfo(bench.host.backup()).serial;
  bench.host.Finalize();
  if (GetParam() == Link::kSocket) bench.site.daemon().Restart();
  Host again(bench.site);
  EXPECT_EQ(again.HsmInfo(again.backup()).serial, serial);
  EXPECT_EQ(again.Containers(again.backup()).size(), 1u);
  EXPECT_OK(LoginOnly(again, again.backup(), CKU_SO, kSoPin));
}

TEST_P(DeviceTest, WrongSoPin_IsCountedAndTheThirdZeroizes) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  bench.host.MakeContainer(slot);
  for (CK_ULONG left = 2; left > 0; --left) {
    EXPECT_RV(CKR_PIN_INCORRECT,
              LoginOnly(bench.host, slot, CKU_SO, kWrongPin));
    const auto role = bench.host.RoleInfo(slot, PERIGEE_OWN_CONTAINER, CKU_SO);
    EXPECT_EQ(role.ulAttemptsLeft, left);
    EXPECT_EQ(role.ulFailures, 3 - left);
  }
  EXPECT_RV(CKR_PIN_INCORRECT, LoginOnly(bench.host, slot, CKU_SO, kWrongPin));
  const PERIGEE_HSM_INFO info = bench.host.HsmInfo(slot);
  EXPECT_TRUE(info.flags & PERIGEE_HSM_ZEROIZED);
  EXPECT_FALSE(info.flags & PERIGEE_HSM_INITIALIZED);
  EXPECT_EQ(bench.host.Containers(slot).size(), 0u);
}

TEST_P(DeviceTest, WrongSoPin_DoesNotAddUpOverRightOnes) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  for (int i = 0; i < 3; ++i) {
    EXPECT_RV(CKR_PIN_INCORRECT,
              LoginOnly(bench.host, slot, CKU_SO, kWrongPin));
    EXPECT_OK(LoginOnly(bench.host, slot, CKU_SO, kSoPin));
  }
  EXPECT_EQ(bench.host.RoleInfo(slot, PERIGEE_OWN_CONTAINER, CKU_SO).ulFailures,
            0u);
}

TEST_P(DeviceTest, CryptoOfficerWithoutAContainer_IsNoUserThere) {
  Bench bench(GetParam());
  EXPECT_RV(CKR_USER_TYPE_INVALID,
            LoginOnly(bench.host, bench.host.backup(), CKU_USER, kOfficerPin));
}

TEST_P(DeviceTest, Container_IsMadeByTheSoAndItsOfficerLogsIn) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_ULONG container = bench.host.MakeContainer(slot, "archive");
  CK_CHAR name[64] = {};
  CK_ULONG size = sizeof name;
  EXPECT_OK(bench.host.ca().CA_GetContainerName(slot, container, name, &size));
  EXPECT_EQ(std::string(reinterpret_cast<char*>(name), size), "archive");
  const auto info = bench.host.PartitionInfo(slot, container);
  EXPECT_TRUE(info.flags & PERIGEE_PARTITION_BACKUP);
  EXPECT_TRUE(info.flags & PERIGEE_PARTITION_HAS_DOMAIN);
  EXPECT_EQ(info.slot, PERIGEE_NONE);

  const CK_SESSION_HANDLE session = bench.host.OpenContainer(slot, container);
  EXPECT_RV(CKR_PIN_INCORRECT,
            bench.host.TryLogin(session, CKU_USER, kWrongPin));
  EXPECT_OK(bench.host.TryLogin(session, CKU_USER, kOfficerPin));
  CK_SESSION_INFO state = {};
  EXPECT_OK(bench.host.c().C_GetSessionInfo(session, &state));
  EXPECT_EQ(state.state, CK_STATE{CKS_RW_USER_FUNCTIONS});
}

TEST_P(DeviceTest, Container_IsNotMadeWithoutTheSo) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE nobody = bench.host.Open(bench.host.backup());
  CK_ULONG container = 0;
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            bench.host.TryMakeContainer(nobody, "x", kDomain, 0, &container));
  EXPECT_EQ(bench.host.Containers(bench.host.backup()).size(), 0u);
}

TEST_P(DeviceTest, ContainersOfOneName_AreRefused) {
  Bench bench(GetParam());
  bench.host.MakeContainer(bench.host.backup(), "twice");
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  CK_ULONG container = 0;
  EXPECT_RV(CKR_OBJECT_ALREADY_EXISTS,
            bench.host.TryMakeContainer(so, "twice", kDomain, 0, &container));
  EXPECT_EQ(bench.host.Containers(bench.host.backup()).size(), 1u);
}

TEST_P(DeviceTest, DeletedContainer_IsGoneAndItsSessionsSaySo) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_ULONG kept = bench.host.MakeContainer(slot, "kept");
  const CK_ULONG gone = bench.host.MakeContainer(slot, "gone");
  const CK_SESSION_HANDLE inside = bench.host.OpenArchive(slot, gone);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_OK(bench.host.ca().CA_DeleteContainerWithHandle(so, gone));
  EXPECT_EQ(bench.host.Containers(slot), std::vector<CK_ULONG>{kept});
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            bench.host.c().C_GetSessionInfo(inside, &info));
  CK_SESSION_HANDLE session;
  EXPECT_RV(CKR_CONTAINER_HANDLE_INVALID,
            bench.host.ca().CA_OpenSession(slot, gone, kReadWrite, nullptr,
                                           nullptr, &session));
  // The number is not used again.
  EXPECT_NE(bench.host.MakeContainer(slot, "new"), gone);
}

TEST_P(DeviceTest, Storage_AddsUp) {
  Plan plan = DefaultPlan(GetParam());
  plan.backups[0].storage = 4 << 20;
  Bench bench(plan);
  const Storage empty = HsmStorage(bench.host);
  EXPECT_EQ(empty.total, CK_ULONG{4 << 20});
  EXPECT_EQ(empty.used + empty.free, empty.total);
  const CK_ULONG container =
      bench.host.MakeContainer(bench.host.backup(), "a", kDomain, 1 << 20);
  const Storage now = HsmStorage(bench.host);
  EXPECT_EQ(now.used + now.free, now.total);
  EXPECT_GE(now.used, empty.used + (1 << 20));
  const auto info = bench.host.PartitionInfo(bench.host.backup(), container);
  EXPECT_EQ(info.ulTotal, CK_ULONG{1 << 20});
  EXPECT_EQ(info.ulUsed + info.ulFree, info.ulTotal);
  EXPECT_EQ(info.ulObjects, 0u);
}

TEST_P(DeviceTest, ContainerLargerThanTheHsm_IsRefused) {
  Plan plan = DefaultPlan(GetParam());
  plan.backups[0].storage = 4 << 20;
  Bench bench(plan);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  CK_ULONG container = 0;
  EXPECT_RV(CKR_HSM_STORAGE_FULL, bench.host.TryMakeContainer(
                                      so, "big", kDomain, 5 << 20, &container));
  container =
      bench.host.MakeContainer(bench.host.backup(), "fits", kDomain, 1 << 20);
  EXPECT_RV(CKR_HSM_STORAGE_FULL,
            bench.host.ca().CA_SetContainerSize(so, container, 5 << 20));
  EXPECT_OK(bench.host.ca().CA_SetContainerSize(so, container, 2 << 20));
  EXPECT_EQ(bench.host.PartitionInfo(bench.host.backup(), container).ulTotal,
            CK_ULONG{2 << 20});
}

TEST_P(DeviceTest, ContainerBelowItsContents_IsRefused) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE source = bench.Officer();
  bench.host.Create(source, Note("big", std::string(8000, 'x')));
  const CK_SESSION_HANDLE archive = bench.NewArchive("archive", 1 << 20);
  ExpectAllStored(bench.host.Transfer(source, archive), 1);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_RV(CKR_CONTAINER_OBJECT_STORAGE_FULL,
            bench.host.ca().CA_SetContainerSize(
                so, bench.ContainerOf("archive"), 8000));
}

// Every call with which an application would use keys there.
void ExpectNoCrypto(const Host& host, CK_SESSION_HANDLE session) {
  CK_MECHANISM aes = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_MECHANISM sha = {CKM_SHA256, nullptr, 0};
  CK_BYTE iv[16] = {};
  CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof iv};
  CK_OBJECT_HANDLE made = 0, other = 0;
  CK_BYTE bytes[64] = {};
  CK_ULONG size = sizeof bytes;
  const CK_FUNCTION_LIST& c = host.c();
  const CK_RV no = CKR_FUNCTION_NOT_SUPPORTED;
  EXPECT_RV(no, c.C_GenerateKey(session, &aes, nullptr, 0, &made));
  EXPECT_RV(no, c.C_GenerateKeyPair(session, &ec, nullptr, 0, nullptr, 0, &made,
                                    &other));
  EXPECT_RV(no, c.C_EncryptInit(session, &cbc, 1));
  EXPECT_RV(no, c.C_DecryptInit(session, &cbc, 1));
  EXPECT_RV(no, c.C_SignInit(session, &cbc, 1));
  EXPECT_RV(no, c.C_VerifyInit(session, &cbc, 1));
  EXPECT_RV(no, c.C_DigestInit(session, &sha));
  EXPECT_RV(no, c.C_WrapKey(session, &cbc, 1, 2, bytes, &size));
  EXPECT_RV(no, c.C_UnwrapKey(session, &cbc, 1, bytes, 16, nullptr, 0, &made));
  EXPECT_RV(no, c.C_DeriveKey(session, &cbc, 1, nullptr, 0, &made));
  const Template note = Note("x");
  EXPECT_RV(no, c.C_CreateObject(session, note.data(), note.size(), &made));
}

TEST_P(DeviceTest, CryptoOnItsSlot_IsNotSupported) {
  Bench bench(GetParam());
  ExpectNoCrypto(bench.host, bench.host.SecurityOfficer(bench.host.backup()));
  ExpectNoCrypto(bench.host, bench.NewArchive());
}

TEST_P(DeviceTest, ItsSlot_HasNoMechanisms) {
  Bench bench(GetParam());
  CK_ULONG count = 99;
  EXPECT_OK(
      bench.host.c().C_GetMechanismList(bench.host.backup(), nullptr, &count));
  EXPECT_EQ(count, 0u);
}

TEST_P(DeviceTest, Reinitialisation_NeedsTheSoPinAndDestroysTheBackups) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  bench.host.MakeContainer(slot);
  EXPECT_RV(CKR_PIN_INCORRECT,
            bench.host.TryInitToken(slot, "new", "", kWrongPin));
  EXPECT_EQ(bench.host.Containers(slot).size(), 1u);
  EXPECT_OK(bench.host.TryInitToken(slot, "new", ""));
  EXPECT_EQ(bench.host.Containers(slot).size(), 0u);
}

}  // namespace
}  // namespace e2e
