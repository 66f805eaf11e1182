// Cloning protocol CPv4 between two application HSMs of firmware 7.8.0: the
// clock that it wants, the cipher suites, and the objects.
#include <ctime>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

Plan TwoHsms(const std::string& first = "7.8.0",
             const std::string& second = "7.8.0") {
  Plan plan;
  plan.apps[0].firmware = first;
  plan.apps.emplace_back().name = "other";
  plan.apps[1].firmware = second;
  return plan;
}

// Both with an HSM SO.
struct TwoHsmBench : Bench {
  explicit TwoHsmBench(Plan plan = TwoHsms()) : Bench(std::move(plan)) {
    for (size_t i = 0; i < 2; ++i) {
      host.InitHsm(host.admin(i));
    }
  }
  void SetClock(size_t index) {
    const CK_SESSION_HANDLE so = host.SecurityOfficer(host.admin(index));
    EXPECT_OK(host.ca().CA_TimeSync(so, std::time(nullptr)));
    EXPECT_OK(host.c().C_CloseSession(so));
  }
  // The reply of the second HSM to the first one: its first byte is the
  // protocol, its eighteenth the suite of CPv4.
  Bytes Reply() { return Reply(Officer(0), Officer(1)); }
  Bytes Reply(CK_SESSION_HANDLE source, CK_SESSION_HANDLE target) {
    Bytes hello(64000), reply(64000);
    CK_ULONG size = hello.size();
    EXPECT_OK(host.ca().CA_CloneAsSourceInit(source, nullptr, 0, hello.data(),
                                             &size, CK_FALSE));
    hello.resize(size);
    size = reply.size();
    EXPECT_OK(host.ca().CA_CloneAsTargetInit(target, hello.data(), hello.size(),
                                             nullptr, 0, CK_FALSE, reply.data(),
                                             &size));
    reply.resize(size);
    return reply;
  }
  PERIGEE_CLONING Info(CK_SESSION_HANDLE session) {
    PERIGEE_CLONING info = {};
    info.ulSize = sizeof info;
    EXPECT_OK(host.perigee().CloningInfo(session, &info));
    return info;
  }
};

TEST(Cpv4Test, ClocksAreSet_EveryKindOfObjectArrivesEqual) {
  TwoHsmBench bench;
  bench.SetClock(0);
  bench.SetClock(1);
  const CK_SESSION_HANDLE source = bench.Officer(0), target = bench.Officer(1);
  EXPECT_EQ(bench.Reply(source, target)[0], 4);
  const auto objects = MakeEveryKind(bench.host, source);
  std::vector<CK_OBJECT_MIGRATION_DATA> items;
  for (const CK_OBJECT_HANDLE object : objects) {
    items.push_back({CK_CRYPTOKI_ELEMENT, object, 0, 0});
  }
  ASSERT_OK(bench.host.ca().CA_MigrateKeys(source, target, 0, items.size(),
                                           items.data()));
  for (const CK_OBJECT_MIGRATION_DATA& item : items) EXPECT_OK(item.rv);
  EXPECT_EQ(ReadPartition(bench.host, target),
            ReadPartition(bench.host, source));
}

TEST(Cpv4Test, WithoutASetClockAtBothEnds_IsCpv3AndSaysWhy) {
  TwoHsmBench bench;
  const CK_SESSION_HANDLE officer = bench.Officer(0), other = bench.Officer(1);
  EXPECT_EQ(bench.Reply(officer, other)[0], 3);
  EXPECT_EQ(bench.Info(officer).protocols, CK_FLAGS{1u << 1 | 1u << 3});
  EXPECT_STREQ(bench.Info(officer).whyNotCpv4, "the HSM's clock is not set");
  bench.SetClock(0);
  EXPECT_EQ(bench.Info(officer).protocols,
            CK_FLAGS{1u << 1 | 1u << 3 | 1u << 4});
  EXPECT_STREQ(bench.Info(officer).whyNotCpv4, "");
  EXPECT_EQ(bench.Reply(officer, other)[0], 3);
  bench.SetClock(1);
  EXPECT_EQ(bench.Reply(officer, other)[0], 4);
}

TEST(Cpv4Test, OlderFirmwareAtOneEnd_IsCpv3) {
  TwoHsmBench bench(TwoHsms("7.8.0", "7.7.1"));
  bench.SetClock(0);
  bench.SetClock(1);
  const CK_SESSION_HANDLE officer = bench.Officer(1);
  EXPECT_EQ(bench.Reply(bench.Officer(0), officer)[0], 3);
  EXPECT_STREQ(bench.Info(officer).whyNotCpv4, "the firmware has no CPv4");
}

TEST(Cpv4Test, Policy42_IsCpv1) {
  Plan plan = TwoHsms();
  plan.apps[1].partitions = {"policies = { 42 = 1 }"};
  TwoHsmBench bench(plan);
  bench.SetClock(0);
  bench.SetClock(1);
  EXPECT_EQ(bench.Reply()[0], 1);
}

TEST(Cpv4Test, ClockIsTheSosAndGoesOn) {
  TwoHsmBench bench;
  const CK_SESSION_HANDLE officer = bench.Officer(0);
  CK_ULONG seconds = 0;
  ASSERT_OK(bench.host.ca().CA_GetTime(officer, &seconds));
  EXPECT_NEAR(seconds, std::time(nullptr), 5);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            bench.host.ca().CA_TimeSync(officer, 4000000000));
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.admin(0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, bench.host.ca().CA_TimeSync(so, 0));
  ASSERT_OK(bench.host.ca().CA_TimeSync(so, 4000000000));
  ASSERT_OK(bench.host.ca().CA_GetTime(officer, &seconds));
  EXPECT_NEAR(seconds, 4000000000, 5);
  // The other HSM has its own.
  ASSERT_OK(bench.host.ca().CA_GetTime(bench.Officer(1), &seconds));
  EXPECT_NEAR(seconds, std::time(nullptr), 5);
  bench.host.Reload();
  ASSERT_OK(bench.host.ca().CA_GetTime(bench.Officer(0), &seconds));
  EXPECT_NEAR(seconds, 4000000000, 5);
}

// --- suites ---

TEST(Cpv4Test, SuitesThatAreDisabled_AreNotUsed) {
  TwoHsmBench bench;
  bench.SetClock(0);
  bench.SetClock(1);
  const CK_SESSION_HANDLE owner =
      bench.host.SecurityOfficer(bench.host.partition(1));
  CK_ULONG count = 0;
  ASSERT_OK(bench.host.perigee().CipherSuites(owner, nullptr, &count));
  ASSERT_EQ(count, 3u);
  std::vector<PERIGEE_CIPHER_SUITE> suites(count);
  count = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            bench.host.perigee().CipherSuites(owner, suites.data(), &count));
  ASSERT_OK(bench.host.perigee().CipherSuites(owner, suites.data(), &count));
  for (const PERIGEE_CIPHER_SUITE& suite : suites) {
    EXPECT_TRUE(suite.flags & PERIGEE_SUITE_ENABLED) << suite.name;
  }
  for (const CK_ULONG number : {2, 3}) {
    EXPECT_OK(bench.host.perigee().EnableCipherSuite(owner, number, CK_FALSE));
  }
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            bench.host.perigee().EnableCipherSuite(owner, 4, CK_FALSE));
  ASSERT_OK(bench.host.c().C_CloseSession(owner));
  const CK_SESSION_HANDLE officer = bench.Officer(1);
  EXPECT_EQ(bench.Reply(bench.Officer(0), officer)[17], 1);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            bench.host.perigee().EnableCipherSuite(officer, 2, CK_TRUE));
}

TEST(Cpv4Test, NoSuiteInCommon_IsTheNegotiationsError) {
  TwoHsmBench bench;
  bench.SetClock(0);
  bench.SetClock(1);
  for (size_t i = 0; i < 2; ++i) {
    const CK_SESSION_HANDLE owner =
        bench.host.SecurityOfficer(bench.host.partition(i));
    EXPECT_OK(bench.host.perigee().EnableCipherSuite(owner, 1 + i, CK_FALSE));
    EXPECT_OK(bench.host.perigee().EnableCipherSuite(owner, 3, CK_FALSE));
    EXPECT_OK(bench.host.c().C_CloseSession(owner));
  }
  const CK_SESSION_HANDLE source = bench.Officer(0), target = bench.Officer(1);
  const CK_OBJECT_HANDLE object = bench.host.Create(source, Note("a"));
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_SESSION_NEGOTIATION_NO_ALGS,
            bench.host.ca().CA_CloneObject(target, source, CK_CRYPTOKI_ELEMENT,
                                           object, &made));
  EXPECT_EQ(bench.host.Find(target).size(), 0u);
}

// --- domains ---

std::vector<std::string> Labels(const Host& host, CK_SESSION_HANDLE session) {
  CK_ULONG count = 0;
  EXPECT_OK(host.perigee().Domains(session, nullptr, &count));
  std::vector<PERIGEE_DOMAIN> domains(count);
  EXPECT_OK(host.perigee().Domains(session, domains.data(), &count));
  std::vector<std::string> labels;
  for (const PERIGEE_DOMAIN& domain : domains) {
    EXPECT_EQ(domain.flags == PERIGEE_DOMAIN_PRIMARY, labels.empty());
    labels.push_back(domain.label);
  }
  return labels;
}

CK_RV Add(const Host& host, CK_SESSION_HANDLE session, const char* label,
          const std::string& domain) {
  return host.perigee().AddDomain(
      session, label, reinterpret_cast<const CK_BYTE*>(domain.data()),
      domain.size());
}

TEST(DomainsTest, PartitionsOfOneCommonDomainClone) {
  Plan plan = TwoHsms();
  plan.apps[1].partitions = {"policies = { 44 = 1 }"};
  Site site(plan);
  Host host(site);
  host.InitPartition(0);
  host.InitPartition(1, kOtherDomain);
  for (size_t i = 0; i < 2; ++i) {
    host.InitHsm(host.admin(i));
    const CK_SESSION_HANDLE so = host.SecurityOfficer(host.admin(i));
    EXPECT_OK(host.ca().CA_TimeSync(so, std::time(nullptr)));
  }
  const CK_SESSION_HANDLE source = host.Officer(0);
  const CK_OBJECT_HANDLE object = host.Create(source, Note("a"));
  const auto clone = [&] {
    const CK_SESSION_HANDLE target = host.Officer(1);
    CK_OBJECT_HANDLE made = 0;
    const CK_RV rv = host.ca().CA_CloneObject(
        target, source, CK_CRYPTOKI_ELEMENT, object, &made);
    EXPECT_OK(host.c().C_CloseSession(target));
    return rv;
  };
  EXPECT_RV(CKR_CERTIFICATE_INVALID, clone());
  const CK_SESSION_HANDLE owner = host.SecurityOfficer(host.partition(1));
  EXPECT_EQ(Labels(host, owner), std::vector<std::string>{"original"});
  ASSERT_OK(Add(host, owner, "shared", kDomain));
  EXPECT_RV(CKR_CLONING_PARAMETER_ALREADY_EXISTS,
            Add(host, owner, "again", kDomain));
  EXPECT_EQ(Labels(host, owner),
            (std::vector<std::string>{"original", "shared"}));
  ASSERT_OK(host.c().C_CloseSession(owner));
  EXPECT_OK(clone());
}

TEST(DomainsTest, AreThePartitionSosAndOfNewFirmware) {
  TwoHsmBench bench(TwoHsms("7.8.0", "7.7.1"));
  const CK_SESSION_HANDLE officer = bench.Officer(0);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            Add(bench.host, officer, "second", "some other domain"));
  EXPECT_EQ(Labels(bench.host, officer), std::vector<std::string>{"original"});
  ASSERT_OK(bench.host.c().C_CloseSession(officer));
  CK_SESSION_HANDLE owner = bench.host.SecurityOfficer(0);
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            Add(bench.host, owner, "second", "some other domain"));
  ASSERT_OK(
      bench.host.perigee().ChangeDomain(owner, "original", "home", CK_FALSE));
  EXPECT_EQ(Labels(bench.host, owner), std::vector<std::string>{"home"});
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            bench.host.perigee().DeleteDomain(owner, "home"));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            bench.host.perigee().DeleteDomain(owner, nullptr));
  owner = bench.host.SecurityOfficer(1);
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED,
            Add(bench.host, owner, "second", "some other domain"));
}

}  // namespace
}  // namespace e2e
