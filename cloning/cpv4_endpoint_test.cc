// CPv4 between partitions of two HSMs in memory: the clock, the suites that a
// partition switches off, and the objects.
#include <gtest/gtest.h>

#include "cloning/local_endpoint.h"
#include "cloning/rules.h"
#include "cloning/test_ends.h"
#include "cloning/test_objects.h"
#include "cloning/test_run.h"

namespace cloning {
namespace {

using base::CkRv;

hsm::HsmSpec Spec780() {
  hsm::HsmSpec spec = TestHsm::ApplicationSpec();
  spec.firmware = {7, 8, 0};
  return spec;
}

// Two HSMs of firmware 7.8.0 with set clocks.
class Cpv4EndpointTest : public ::testing::Test {
 protected:
  Cpv4EndpointTest() {
    SetClock(one_);
    SetClock(two_);
  }
  static void SetClock(TestHsm& hsm) {
    EXPECT_TRUE(hsm.hsm->SetClock(*hsm.so, 1800000000).ok());
  }
  // The first byte of a hello.
  static uint8_t HelloOf(const TestPartition& end) {
    return LocalEndpoint(end.partition, end.co).Start().value().at(0);
  }
  // The protocol and, behind the hello's id, the suite of a reply.
  static Bytes ReplyBetween(const TestPartition& from,
                            const TestPartition& to) {
    LocalEndpoint source(from.partition, from.co);
    LocalEndpoint target(to.partition, to.co);
    return target.Join(source.Start().value()).value();
  }

  TestHsm one_{Spec780()};
  TestHsm two_{Spec780()};
  TestPartition source_ = one_.Make();
  TestPartition target_ = two_.Make();
};

TEST_F(Cpv4EndpointTest, ObjectsArriveEqual) {
  std::vector<uint64_t> handles;
  for (uint8_t i = 0; i < 20; ++i) {
    handles.push_back(source_.Add(AesKey("key", i)));
  }
  TestRun run = TestRun::Between(source_, target_);
  const auto results = run.Carry(handles);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), handles.size());
  for (size_t i = 0; i < handles.size(); ++i) {
    EXPECT_EQ(target_.Content((*results)[i].handle),
              source_.Content(handles[i]));
  }
  EXPECT_TRUE(run.End().ok());
}

TEST_F(Cpv4EndpointTest, BothSetClocks_AreCpv4WithTheHighestSuite) {
  EXPECT_EQ(HelloOf(source_), kCpv4);
  const Bytes reply = ReplyBetween(source_, target_);
  EXPECT_EQ(reply[0], kCpv4);
  EXPECT_EQ(reply[17], AvailableSuites({}).back());
}

TEST_F(Cpv4EndpointTest, UnsetClock_IsCpv3) {
  TestHsm unset(Spec780());
  const TestPartition other = unset.Make();
  EXPECT_EQ(HelloOf(other), kCpv3);
  EXPECT_EQ(ReplyBetween(other, target_)[0], kCpv3);
  EXPECT_EQ(ReplyBetween(source_, other)[0], kCpv3);
  const Negotiation negotiation =
      NegotiationOf(*other.partition, *other.co).value();
  EXPECT_EQ(WhyNotCpv4(other.partition->MakeStatement().value(), negotiation),
            "the HSM's clock is not set");
}

TEST_F(Cpv4EndpointTest, OlderFirmware_IsCpv3) {
  TestHsm older;
  const TestPartition other = older.Make();
  SetClock(older);
  EXPECT_EQ(ReplyBetween(source_, other)[0], kCpv3);
  EXPECT_EQ(ReplyBetween(other, target_)[0], kCpv3);
  EXPECT_EQ(CkRv(other.partition->SetSuitesOff(*other.po, {1})),
            CKR_FUNCTION_NOT_SUPPORTED);
}

TEST_F(Cpv4EndpointTest, Policy42_IsCpv1) {
  target_.SetPolicy(hsm::partition_policy::kAllowCpv1, 1);
  target_.co = nullptr;
  EXPECT_TRUE(target_.partition
                  ->InitRole(*target_.po, hsm::Role::kCo, Pin("co-password"))
                  .ok());
  target_.co = LogIn(*target_.partition, hsm::Role::kCo, "co-password");
  EXPECT_EQ(HelloOf(target_), kCpv1);
  EXPECT_EQ(ReplyBetween(source_, target_)[0], kCpv1);
}

TEST_F(Cpv4EndpointTest, SuitesThatAreOff_AreNotUsed) {
  ASSERT_TRUE(target_.partition->SetSuitesOff(*target_.po, {2, 3}).ok());
  EXPECT_EQ(target_.partition->SuitesOff(*target_.co).value(),
            (std::vector<uint8_t>{2, 3}));
  EXPECT_EQ(ReplyBetween(source_, target_)[17], 1);
  ASSERT_TRUE(source_.partition->SetSuitesOff(*source_.po, {1, 3}).ok());
  LocalEndpoint source(source_.partition, source_.co);
  LocalEndpoint target(target_.partition, target_.co);
  EXPECT_EQ(CkRv(target.Join(source.Start().value()).status()),
            CKR_SESSION_NEGOTIATION_NO_ALGS);
  ASSERT_TRUE(source_.partition->SetSuitesOff(*source_.po, {1, 2, 3}).ok());
  EXPECT_EQ(HelloOf(source_), kCpv3);
}

TEST_F(Cpv4EndpointTest, OnlyTheOwnerSwitchesSuites) {
  EXPECT_EQ(CkRv(source_.partition->SetSuitesOff(*source_.co, {1})),
            CKR_USER_NOT_LOGGED_IN);
}

// A destructive policy takes objects and roles, not what the PO decided.
TEST_F(Cpv4EndpointTest, SuitesOff_OutliveADestructivePolicyAndNoInit) {
  ASSERT_TRUE(source_.partition->SetSuitesOff(*source_.po, {2}).ok());
  source_.SetPolicy(hsm::partition_policy::kAllowCpv1, 1);
  EXPECT_EQ(source_.partition->SuitesOff(*source_.po).value(),
            std::vector<uint8_t>{2});
  ASSERT_TRUE(
      source_.partition->Init("anew", Pin("so-password"), base::AsBytes("d"))
          .ok());
  const hsm::LoginRef po =
      LogIn(*source_.partition, hsm::Role::kSo, "so-password");
  EXPECT_TRUE(source_.partition->SuitesOff(*po).value().empty());
}

// --- domains ---

void AddDomain(TestPartition& end, absl::string_view label,
               absl::string_view domain) {
  EXPECT_TRUE(end.partition
                  ->SetPolicies(*end.po,
                                {{hsm::partition_policy::kExtendedDomains, 1}},
                                false)
                  .ok());
  EXPECT_TRUE(
      end.partition->AddDomain(*end.po, label, base::AsBytes(domain)).ok());
}

// The answer of the source to the reply of the target.
CK_RV Bind(const TestPartition& from, const TestPartition& to) {
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(to.partition, to.co);
  return CkRv(source.Bind(target.Join(source.Start().value()).value()));
}

TEST_F(Cpv4EndpointTest, AnyCommonDomainWillDo) {
  TestPartition one = one_.Make({}, "domain of one");
  TestPartition two = two_.Make({}, "domain of two");
  EXPECT_EQ(Bind(one, two), CKR_CERTIFICATE_INVALID);
  AddDomain(one, "further", "a further domain");
  EXPECT_EQ(Bind(one, two), CKR_CERTIFICATE_INVALID);
  AddDomain(two, "also", "a further domain");
  EXPECT_EQ(Bind(one, two), CKR_OK);
  EXPECT_EQ(Bind(two, one), CKR_OK);
  EXPECT_TRUE(two.partition->DeleteDomain(*two.po, "also").ok());
  EXPECT_EQ(Bind(one, two), CKR_CERTIFICATE_INVALID);
}

// A peer that knows one domain only meets the primary one.
TEST_F(Cpv4EndpointTest, WithAnOlderPeerThePrimaryDomainCounts) {
  TestHsm older;
  const TestPartition peer = older.Make({}, "domain of the peer");
  TestPartition end = one_.Make({}, "domain of the end");
  AddDomain(end, "shared", "domain of the peer");
  EXPECT_EQ(Bind(end, peer), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(Bind(peer, end), CKR_CERTIFICATE_INVALID);
  EXPECT_TRUE(
      end.partition->ChangeDomain(*end.po, "shared", std::nullopt, true).ok());
  EXPECT_EQ(Bind(end, peer), CKR_OK);
  EXPECT_EQ(Bind(peer, end), CKR_OK);
}

}  // namespace
}  // namespace cloning
