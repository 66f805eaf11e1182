// Up to three cloning domains of a partition.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::LinesWith;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::TestHsm;
using Labels = std::vector<std::string>;

HsmSpec Spec780() {
  HsmSpec spec = AppSpec();
  spec.firmware = {7, 8, 0};
  return spec;
}

ByteSpan Text(absl::string_view text) { return base::AsBytes(text); }

// A partition in the domain "first domain"; of firmware 7.8.0 with policy 44.
class PartitionDomainsTest : public ::testing::Test {
 protected:
  explicit PartitionDomainsTest(const HsmSpec& spec = Spec780()) : hsm_(spec) {
    co_ = MakeOfficer(hsm_.first());
    po_ = partition().Unlock(Role::kSo, Pin("po-pin-1")).value();
    EXPECT_EQ(Rv(partition().SetDomain(*po_, Text("first domain"))), CKR_OK);
    if (spec.firmware == FirmwareVersion{7, 8, 0}) Allow(1);
  }
  Partition& partition() { return hsm_.first(); }
  void Allow(uint64_t value) {
    EXPECT_EQ(Rv(partition().SetPolicies(
                  *po_, {{partition_policy::kExtendedDomains, value}}, false)),
              CKR_OK);
  }
  CK_RV Add(absl::string_view label, absl::string_view domain) {
    return Rv(partition().AddDomain(*po_, label, Text(domain)));
  }
  Labels Now() { return partition().DomainLabels(*co_).value(); }
  std::vector<Bytes> Secrets() {
    std::vector<Bytes> secrets;
    const auto read = partition().DomainSecrets(*co_);
    for (const SecretBytes& secret : read.value()) {
      secrets.push_back(base::ToBytes(secret.Expose()));
    }
    return secrets;
  }

  TestHsm hsm_;
  LoginRef po_, co_;
};

TEST_F(PartitionDomainsTest, ThreeAreTheMost) {
  EXPECT_EQ(Now(), Labels{"original"});
  EXPECT_EQ(Add("second", "second domain"), CKR_OK);
  EXPECT_EQ(Add("third", "third domain"), CKR_OK);
  EXPECT_EQ(Add("fourth", "fourth domain"), CKR_OPERATION_NOT_ALLOWED);
  EXPECT_EQ(Now(), (Labels{"original", "second", "third"}));
  const std::vector<Bytes> secrets = Secrets();
  ASSERT_EQ(secrets.size(), 3u);
  EXPECT_EQ(secrets[0].size(), 48u);
  EXPECT_NE(secrets[0], secrets[1]);
  EXPECT_NE(secrets[1], secrets[2]);
  EXPECT_EQ(LinesWith(*hsm_, "domain-added").size(), 2u);
}

TEST_F(PartitionDomainsTest, DuplicatesAreRefused) {
  EXPECT_EQ(Add("again", "first domain"), CKR_CLONING_PARAMETER_ALREADY_EXISTS);
  EXPECT_EQ(Add("original", "second domain"),
            CKR_CLONING_PARAMETER_ALREADY_EXISTS);
  EXPECT_EQ(Add("second", "second domain"), CKR_OK);
  EXPECT_EQ(Add("other", "second domain"),
            CKR_CLONING_PARAMETER_ALREADY_EXISTS);
  EXPECT_EQ(Rv(partition().ChangeDomain(*po_, "second", "original", false)),
            CKR_CLONING_PARAMETER_ALREADY_EXISTS);
  EXPECT_EQ(Now(), (Labels{"original", "second"}));
}

TEST_F(PartitionDomainsTest, LabelsAndDomainsHaveTheirLengths) {
  EXPECT_EQ(Add("", "second domain"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Add(std::string(33, 'x'), "second domain"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Add("second", ""), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Add("second", std::string(129, 'x')), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Add(std::string(32, 'x'), "second domain"), CKR_OK);
}

TEST_F(PartitionDomainsTest, AnotherOneBecomesPrimary) {
  ASSERT_EQ(Add("second", "second domain"), CKR_OK);
  ASSERT_EQ(Add("third", "third domain"), CKR_OK);
  const std::vector<Bytes> before = Secrets();
  ASSERT_EQ(Rv(partition().ChangeDomain(*po_, "third", std::nullopt, true)),
            CKR_OK);
  EXPECT_EQ(Now(), (Labels{"third", "original", "second"}));
  EXPECT_EQ(Secrets(), (std::vector<Bytes>{before[2], before[0], before[1]}));
  EXPECT_EQ(Rv(partition().ChangeDomain(*po_, "none", std::nullopt, true)),
            CKR_CLONING_PARAMETER_MISSING);
}

TEST_F(PartitionDomainsTest, AllButThePrimaryOneGo) {
  ASSERT_EQ(Add("second", "second domain"), CKR_OK);
  EXPECT_EQ(Rv(partition().DeleteDomain(*po_, "original")),
            CKR_OPERATION_NOT_ALLOWED);
  EXPECT_EQ(Rv(partition().DeleteDomain(*po_, "none")),
            CKR_CLONING_PARAMETER_MISSING);
  EXPECT_EQ(Rv(partition().DeleteDomain(*po_, "second")), CKR_OK);
  EXPECT_EQ(Now(), Labels{"original"});
}

TEST_F(PartitionDomainsTest, ALabelIsChanged) {
  ASSERT_EQ(Rv(partition().ChangeDomain(*po_, "original", "home", false)),
            CKR_OK);
  EXPECT_EQ(Now(), Labels{"home"});
  ASSERT_EQ(Rv(partition().ChangeDomain(*po_, "home", "home", true)), CKR_OK);
  ASSERT_EQ(Rv(partition().ChangeDomain(*po_, "home", "original", false)),
            CKR_OK);
  EXPECT_EQ(Now(), Labels{"original"});
}

TEST_F(PartitionDomainsTest, OnlyTheOwnerChangesThem) {
  EXPECT_EQ(Rv(partition().AddDomain(*co_, "second", Text("second domain"))),
            CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(Rv(partition().ChangeDomain(*co_, "original", "x", false)),
            CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(Rv(partition().DeleteDomain(*co_, "original")),
            CKR_USER_NOT_LOGGED_IN);
}

TEST_F(PartitionDomainsTest, WithoutThePolicyOnlyThePrimaryOneIsUsed) {
  ASSERT_EQ(Add("second", "second domain"), CKR_OK);
  EXPECT_EQ(Secrets().size(), 2u);
  const Bytes primary = Secrets().front();
  Allow(0);
  EXPECT_EQ(Add("third", "third domain"), CKR_OPERATION_NOT_ALLOWED);
  EXPECT_EQ(Now(), (Labels{"original", "second"}));
  EXPECT_EQ(Secrets(), std::vector<Bytes>{primary});
  Allow(1);
  EXPECT_EQ(Secrets().size(), 2u);
  EXPECT_EQ(Rv(partition().DeleteDomain(*po_, "second")), CKR_OK);
}

TEST_F(PartitionDomainsTest, TheyLastUntilThePartitionIsMadeAnew) {
  ASSERT_EQ(Add("second", "second domain"), CKR_OK);
  const auto other = hsm_.Another();
  const LoginRef login =
      other->Find(1)->Unlock(Role::kSo, Pin("po-pin-1")).value();
  EXPECT_EQ(other->Find(1)->DomainLabels(*login).value(),
            (Labels{"original", "second"}));
  ASSERT_EQ(Rv(partition().Init("anew", Pin("po-pin-1"), {})), CKR_OK);
  const LoginRef po = partition().Unlock(Role::kSo, Pin("po-pin-1")).value();
  EXPECT_TRUE(partition().DomainLabels(*po)->empty());
  EXPECT_EQ(Rv(partition().DomainSecrets(*po)), CKR_CLONING_PARAMETER_MISSING);
  const auto added = partition().SetPolicies(
      *po, {{partition_policy::kExtendedDomains, 1}}, false);
  EXPECT_EQ(Rv(added), CKR_OK);
  EXPECT_EQ(Rv(partition().AddDomain(*po, "second", Text("second domain"))),
            CKR_CLONING_PARAMETER_MISSING);
}

class OlderPartitionDomainsTest : public PartitionDomainsTest {
 protected:
  OlderPartitionDomainsTest() : PartitionDomainsTest(AppSpec()) {}
};

TEST_F(OlderPartitionDomainsTest, HasOneDomain) {
  EXPECT_EQ(Add("second", "second domain"), CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_EQ(Rv(partition().ChangeDomain(*po_, "original", "x", false)),
            CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_EQ(Rv(partition().DeleteDomain(*po_, "original")),
            CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_EQ(Now(), Labels{"original"});
}

}  // namespace
}  // namespace hsm
