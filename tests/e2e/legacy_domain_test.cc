// The older calls of cloning: a legacy domain, the vector of an exchange; and
// what an HSM shows of itself.
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr char kOldDomain[] = "the domain before";

// Two application HSMs of which the second speaks CPv1 alone when `cpv1`. The
// first is in an older domain, the second in the present one.
Plan OldAndNew(bool cpv1) {
  Plan plan;
  plan.apps.push_back(plan.apps[0]);
  plan.apps[1].name = "second";
  if (cpv1) plan.apps[1].partitions = {"policies = { 42 = 1 }"};
  plan.backups.clear();
  return plan;
}

class LegacyDomainTest : public testing::Test {
 protected:
  void Begin(bool cpv1 = true) {
    site_.emplace(OldAndNew(cpv1));
    host_.emplace(*site_);
    host_->InitPartition(host_->partition(0), kOldDomain);
    host_->InitPartition(host_->partition(1));
    old_ = host_->Officer(host_->partition(0));
    new_ = host_->Officer(host_->partition(1));
  }
  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return host_->ca(); }
  CK_RV SetLegacyDomain(CK_SESSION_HANDLE session, std::string domain) {
    return ca().CA_SetLKCV(session, reinterpret_cast<CK_BYTE*>(domain.data()),
                           domain.size());
  }
  CK_RV Clone(CK_SESSION_HANDLE from, CK_SESSION_HANDLE to,
              CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE& made) {
    return ca().CA_CloneObject(to, from, CK_CRYPTOKI_ELEMENT, key, &made);
  }

  std::optional<Site> site_;
  std::optional<Host> host_;
  CK_SESSION_HANDLE old_ = 0, new_ = 0;
};

TEST_F(LegacyDomainTest, LetsKeysInAndNoneOut) {
  Begin();
  const CK_OBJECT_HANDLE key = host_->Create(old_, Note("old"));
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_CERTIFICATE_INVALID, Clone(old_, new_, key, made));
  ASSERT_OK(SetLegacyDomain(new_, kOldDomain));
  ASSERT_OK(Clone(old_, new_, key, made));
  EXPECT_EQ(host_->Ouid(new_, made), host_->Ouid(old_, key));
  const CK_OBJECT_HANDLE own = host_->Create(new_, Note("new"));
  EXPECT_RV(CKR_CERTIFICATE_INVALID, Clone(new_, old_, own, made));
  // It stays when the library is loaded anew.
  host_->Reload();
  old_ = host_->Officer(host_->partition(0));
  new_ = host_->Officer(host_->partition(1));
  const CK_OBJECT_HANDLE another = host_->Create(old_, Note("another"));
  EXPECT_OK(Clone(old_, new_, another, made));
}

TEST_F(LegacyDomainTest, IsOfCpv1Alone) {
  Begin(/*cpv1=*/false);
  ASSERT_OK(SetLegacyDomain(new_, kOldDomain));
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_CERTIFICATE_INVALID,
            Clone(old_, new_, host_->Create(old_, Note("old")), made));
}

TEST_F(LegacyDomainTest, IsGivenOnceByTheOfficer) {
  Begin();
  EXPECT_RV(CKR_ARGUMENTS_BAD, SetLegacyDomain(new_, ""));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, SetLegacyDomain(4711, kOldDomain));
  ASSERT_OK(host_->c().C_Logout(new_));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, SetLegacyDomain(new_, kOldDomain));
  new_ = host_->Officer(host_->partition(1));
  ASSERT_OK(SetLegacyDomain(new_, kOldDomain));
  EXPECT_RV(CKR_CLONING_PARAMETER_ALREADY_EXISTS, SetLegacyDomain(new_, "x"));
  // A partition that begins anew has none.
  ASSERT_OK(host_->c().C_CloseAllSessions(host_->partition(1)));
  host_->InitPartition(host_->partition(1));
  new_ = host_->Officer(host_->partition(1));
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_CERTIFICATE_INVALID,
            Clone(old_, new_, host_->Create(old_, Note("old")), made));
}

TEST_F(LegacyDomainTest, AVectorNamesTheSessionsExchange) {
  Begin();
  ASSERT_OK(SetLegacyDomain(new_, kOldDomain));
  CK_ULONG size = 0;
  ASSERT_OK(ca().CA_GenerateCloningKEV(new_, nullptr, &size));
  Bytes vector(size - 1);
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            ca().CA_GenerateCloningKEV(new_, vector.data(), &--size));
  vector.resize(size);
  ASSERT_OK(ca().CA_GenerateCloningKEV(new_, vector.data(), &size));
  Bytes other = vector;
  other[0] ^= 1;

  const CK_OBJECT_HANDLE key = host_->Create(old_, Note("old"));
  Bytes hello(1 << 16), reply(1 << 16), sealed(1 << 16);
  CK_ULONG hello_size = hello.size(), reply_size = reply.size(),
           sealed_size = sealed.size();
  ASSERT_OK(ca().CA_CloneAsSourceInit(old_, nullptr, 0, hello.data(),
                                      &hello_size, CK_FALSE));
  const auto answer = [&](Bytes& kev) {
    reply_size = reply.size();
    return ca().CA_CloneAsTargetInit(new_, hello.data(), hello_size, kev.data(),
                                     kev.size(), CK_FALSE, reply.data(),
                                     &reply_size);
  };
  EXPECT_RV(CKR_DATA_INVALID, answer(other));
  ASSERT_OK(answer(vector));
  ASSERT_OK(ca().CA_CloneAsSource(old_, CK_CRYPTOKI_ELEMENT, key, reply.data(),
                                  reply_size, CK_FALSE, sealed.data(),
                                  &sealed_size));
  const auto take = [&](Bytes& kev, CK_OBJECT_HANDLE& made) {
    return ca().CA_CloneAsTarget(new_, kev.data(), kev.size(), sealed.data(),
                                 sealed_size, CK_CRYPTOKI_ELEMENT, 0, CK_FALSE,
                                 &made);
  };
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_DATA_INVALID, take(other, made));
  EXPECT_OK(take(vector, made));
  EXPECT_EQ(host_->Ouid(new_, made), host_->Ouid(old_, key));
}

class DeviceCallsTest : public testing::TestWithParam<Link> {
 protected:
  DeviceCallsTest() : bench_(GetParam()) {}
  CK_RV Certificate(CK_SLOT_ID slot, CK_ULONG type, Bytes& der) {
    der.resize(4096);
    CK_ULONG size = der.size();
    const CK_RV rv =
        bench_.host.ca().CA_GetTokenCertificates(slot, type, der.data(), &size);
    der.resize(rv == CKR_OK ? size : 0);
    return rv;
  }
  Bench bench_;
};
INSTANTIATE_FOR_BOTH_LINKS(DeviceCallsTest);

TEST_P(DeviceCallsTest, CertificatesOfAnHsm) {
  Bytes app, backup, root, other_root;
  const CK_SLOT_ID app_slot = bench_.host.partition(0),
                   backup_slot = bench_.host.backup();
  ASSERT_OK(Certificate(app_slot, CKHSC_CERT_TYPE_ECC_HOC, app));
  ASSERT_OK(Certificate(backup_slot, CKHSC_CERT_TYPE_ECC_HOC, backup));
  ASSERT_OK(Certificate(app_slot, CKHSC_CERT_TYPE_ECC_ROOT, root));
  ASSERT_OK(Certificate(backup_slot, CKHSC_CERT_TYPE_ECC_ROOT, other_root));
  EXPECT_NE(app, backup);
  EXPECT_EQ(root, other_root);  // one fleet
  EXPECT_RV(CKR_CERTIFICATE_DATA_MISSING,
            Certificate(app_slot, CKHSC_CERT_TYPE_TWC, app));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Certificate(app_slot, 0x10, app));
  EXPECT_RV(CKR_SLOT_ID_INVALID,
            Certificate(4711, CKHSC_CERT_TYPE_ECC_ROOT, app));
  CK_ULONG size = 0;
  EXPECT_OK(bench_.host.ca().CA_GetTokenCertificates(
      backup_slot, CKHSC_CERT_TYPE_ECC_ROOT, nullptr, &size));
  EXPECT_EQ(size, root.size());
}

TEST_P(DeviceCallsTest, ResetEndsSessionsOnAllSlotsOfTheHsm) {
  const CK_SLOT_ID slot = bench_.host.backup();
  const CK_SESSION_HANDLE archive = bench_.NewArchive();
  const CK_SESSION_HANDLE officer = bench_.Officer();
  ASSERT_OK(bench_.host.ca().CA_ResetDevice(slot, 0));
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            bench_.host.c().C_GetSessionInfo(archive, &info));
  EXPECT_OK(bench_.host.c().C_GetSessionInfo(officer, &info));
  // It goes on as after a restart.
  const CK_SESSION_HANDLE again =
      bench_.host.OpenArchive(slot, bench_.ContainerOf("archive"));
  bench_.host.Create(officer, Note("note"));
  ExpectAllStored(bench_.host.Transfer(officer, again), 1);
  EXPECT_RV(CKR_SLOT_ID_INVALID, bench_.host.ca().CA_ResetDevice(4711, 0));
}

}  // namespace
}  // namespace e2e
