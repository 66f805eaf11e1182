// The documented behaviours of Backup HSM 7 firmware 7.7.1 that concern its
// identity and its policies. Names begin with the id of the behaviour.
#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr CK_ULONG kNonFips = 12, kRestrictedRestore = 55;

class PolicyTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_BOTH_LINKS(PolicyTest);

CK_RV SetPolicy(const Host& host, CK_SESSION_HANDLE session, CK_ULONG number,
                CK_ULONG value) {
  return host.ca().CA_SetHSMPolicy(session, number, value);
}

TEST_P(PolicyTest, ID_1_FirmwareIs771) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  CK_ULONG v[3] = {};
  EXPECT_OK(bench.host.ca().CA_GetFirmwareVersion(slot, &v[0], &v[1], &v[2]));
  EXPECT_EQ(v[0], 7u);
  EXPECT_EQ(v[1], 7u);
  EXPECT_EQ(v[2], 1u);
  const CK_TOKEN_INFO token = bench.host.TokenInfo(slot);
  EXPECT_EQ(token.firmwareVersion.major, 7);
  EXPECT_EQ(token.firmwareVersion.minor, 7);
  CK_SLOT_INFO info = {};
  EXPECT_OK(bench.host.c().C_GetSlotInfo(slot, &info));
  EXPECT_EQ(info.firmwareVersion.major, 7);
  EXPECT_EQ(info.firmwareVersion.minor, 7);
}

// --- policy 55 ---------------------------------------------------------------

TEST_P(PolicyTest, P55_1_IsNamedEnableRestrictedRestore) {
  Bench bench(GetParam());
  char text[128] = {};
  CK_ULONG size = sizeof text, bits = 0, destructive = 0, restricted = 0;
  EXPECT_OK(bench.host.ca().CA_GetConfigurationElementDescription(
      bench.host.backup(), 0, 0, kRestrictedRestore, &bits, &destructive,
      &restricted, reinterpret_cast<CK_CHAR*>(text), &size));
  EXPECT_STREQ(text, "Enable Restricted Restore");
  EXPECT_EQ(bits, 1u);
  EXPECT_EQ(destructive, 1u);
}

TEST_P(PolicyTest, P55_1_OlderFirmwareDoesNotHaveIt) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.4.0", "7.3.2"));
  CK_ULONG value = 0;
  EXPECT_RV(LUNA_RET_RM_ELEMENT_ID_INVALID,
            bench.host.ca().CA_GetHSMPolicySetting(bench.host.backup(),
                                                   kRestrictedRestore, &value));
}

TEST_P(PolicyTest, P55_2_IsOffByDefault) {
  Bench bench(GetParam());
  EXPECT_EQ(bench.host.Policy(bench.host.backup(), kRestrictedRestore), 0u);
}

TEST_P(PolicyTest, P55_3_SoSetsIt) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_OK(SetPolicy(bench.host, so, kRestrictedRestore, 1));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 1u);
  bench.host.Reload();
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 1u);
}

TEST_P(PolicyTest, P55_4_NotOnAnUninitialisedHsm) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  const CK_SESSION_HANDLE session = host.Open(host.backup());
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            SetPolicy(host, session, kRestrictedRestore, 1));
  EXPECT_EQ(host.Policy(host.backup(), kRestrictedRestore), 0u);
}

TEST_P(PolicyTest, P55_5_NotWhileAttachedToAnAppliance) {
  Plan plan = DefaultPlan(GetParam());
  plan.backups[0].attached = "appliance";
  Bench bench(plan);
  const CK_SLOT_ID slot = bench.host.backup();
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_ON_APPLIANCE);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            SetPolicy(bench.host, so, kRestrictedRestore, 1));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 0u);
}

TEST_P(PolicyTest, P55_6_NotWithoutTheSo) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  bench.NewArchive();  // A CO is logged in, on his container.
  const CK_SESSION_HANDLE nobody = bench.host.Open(slot);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            SetPolicy(bench.host, nobody, kRestrictedRestore, 1));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 0u);
}

TEST_P(PolicyTest, P55_10_TurningItOnDestroysNothing) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const size_t count = MakeEveryKind(bench.host, app).size();
  const auto before = ReadPartition(bench.host, app);
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), count);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_OK(SetPolicy(bench.host, so, kRestrictedRestore, 1));
  EXPECT_EQ(bench.host.Find(archive).size(), count);
  EXPECT_OK(bench.host.perigee().ClearPartition(app));
  ExpectAllStored(bench.host.Transfer(archive, app), count);
  EXPECT_EQ(ReadPartition(bench.host, app), before);
}

TEST_P(PolicyTest, P55_12_TurningItOffZeroizes) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  bench.host.MakeContainer(slot);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_OK(SetPolicy(bench.host, so, kRestrictedRestore, 1));
  EXPECT_RV(LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE,
            SetPolicy(bench.host, so, kRestrictedRestore, 0));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 1u);
  EXPECT_EQ(bench.host.Containers(slot).size(), 1u);
  EXPECT_OK(
      bench.host.ca().CA_SetDestructiveHSMPolicy(so, kRestrictedRestore, 0));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 0u);
  EXPECT_EQ(bench.host.Containers(slot).size(), 0u);
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_ZEROIZED);
}

TEST_P(PolicyTest, P55_2_FactoryResetTurnsItOffAgain) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_OK(SetPolicy(bench.host, so, kRestrictedRestore, 1));
  EXPECT_OK(bench.host.ca().CA_Zeroize(slot, 0));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 1u);
  EXPECT_OK(bench.host.ca().CA_FactoryReset(slot, 0));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 0u);
}

TEST_P(PolicyTest, P55_3_OtherValuesAreRefused) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_RV(LUNA_RET_RM_ELEMENT_VALUE_INVALID,
            SetPolicy(bench.host, so, kRestrictedRestore, 2));
  EXPECT_RV(LUNA_RET_RM_ELEMENT_ID_INVALID, SetPolicy(bench.host, so, 54, 1));
}

// --- policy 12 ---------------------------------------------------------------

TEST_P(PolicyTest, P12_1_CannotBeChanged) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  bench.host.MakeContainer(slot);
  const CK_ULONG before = bench.host.Policy(slot, kNonFips);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  for (const CK_ULONG value : {0, 1}) {
    EXPECT_RV(CKR_CANCEL, SetPolicy(bench.host, so, kNonFips, value));
    EXPECT_RV(CKR_CANCEL,
              bench.host.ca().CA_SetDestructiveHSMPolicy(so, kNonFips, value));
    EXPECT_EQ(bench.host.Policy(slot, kNonFips), before);
  }
  EXPECT_EQ(bench.host.Containers(slot).size(), 1u);
}

TEST_P(PolicyTest, P12_1_TogetherWith55_ChangesNeither) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  CK_ULONG numbers[] = {kRestrictedRestore, kNonFips};
  CK_ULONG values[] = {1, 0};
  EXPECT_RV(CKR_CANCEL,
            bench.host.ca().CA_SetHSMPolicies(so, 2, numbers, values));
  EXPECT_EQ(bench.host.Policy(slot, kRestrictedRestore), 0u);
}

TEST_P(PolicyTest, P12_2_IsHowOtherHsmsEnterTheApprovedMode) {
  Plan plan = FirmwarePlan(GetParam(), "luna-k7", "", "");
  Bench bench(plan);
  const CK_SLOT_ID slot = bench.host.admin();
  bench.host.InitHsm(slot);
  EXPECT_FALSE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_APPROVED_MODE);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_OK(bench.host.ca().CA_SetDestructiveHSMPolicy(so, kNonFips, 0));
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_APPROVED_MODE);
}

// --- the FIPS line -----------------------------------------------------------

TEST_P(PolicyTest, FIPS_1_ApprovedWithPolicy55On) {
  Bench bench(GetParam());
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_OK(SetPolicy(bench.host, so, kRestrictedRestore, 1));
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_APPROVED_MODE);
}

TEST_P(PolicyTest, FIPS_2_NotApprovedWithPolicy55Off) {
  Bench bench(GetParam());
  EXPECT_FALSE(bench.host.HsmInfo(bench.host.backup()).flags &
               PERIGEE_HSM_APPROVED_MODE);
}

// --- templates ---------------------------------------------------------------

TEST_P(PolicyTest, Template_OfOnePartitionMakesAnother) {
  Bench bench(GetParam());
  const auto& ca = bench.host.ca();
  bench.host.InitPartition(bench.host.partition());
  CK_ULONG version = 0, size = 0;
  ASSERT_OK(ca.CA_GetPartitionPolicyTemplate(bench.host.partition(), &version,
                                             &size, nullptr));
  std::string text(size, ' ');
  ASSERT_OK(ca.CA_GetPartitionPolicyTemplate(
      bench.host.partition(), &version, &size,
      reinterpret_cast<CK_BYTE*>(text.data())));
  EXPECT_EQ(version, 1u);
  const std::string line = "20 = ";
  const size_t at = text.find("\n" + line) + 1;
  ASSERT_NE(at, 0u) << text;
  text.replace(at, text.find(' ', at + line.size()) - at, line + "4");

  const CK_SLOT_ID admin = bench.host.admin();
  ASSERT_OK(bench.host.TryInitToken(admin, "hsm", ""));
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(admin);
  const auto create = [&](const std::string& policies, bool password,
                          CK_ULONG* container) {
    static int made = 0;
    std::string label = "made of a template " + std::to_string(++made);
    std::string pin = kOfficerPin;
    return ca.CA_CreateContainerWithPolicy(
        so, 0, reinterpret_cast<CK_CHAR*>(label.data()), label.size(),
        password ? reinterpret_cast<CK_CHAR*>(pin.data()) : nullptr,
        password ? pin.size() : 0, ~0UL, ~0UL, 0, 0, 0, container, version,
        policies.size(),
        reinterpret_cast<CK_BYTE*>(const_cast<char*>(policies.data())));
  };
  CK_ULONG container = 0;
  ASSERT_OK(create(text, true, &container));
  CK_ULONG value = 0;
  ASSERT_OK(ca.CA_GetContainerPolicySetting(admin, container, 20, &value));
  EXPECT_EQ(value, 4u);

  // What does not fit leaves no partition.
  const size_t before = bench.host.Containers(admin).size();
  EXPECT_RV(CKR_ARGUMENTS_BAD, create(text, false, &container));
  EXPECT_RV(CKR_ARGUMENTS_BAD, create("20 = 4\n", true, &container));
  EXPECT_RV(LUNA_RET_RM_ELEMENT_ID_INVALID,
            create("perigee-policy-template 1 partition\n4711 = 1\n", true,
                   &container));
  EXPECT_EQ(bench.host.Containers(admin).size(), before);
}

}  // namespace
}  // namespace e2e
