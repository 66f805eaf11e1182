#include <gtest/gtest.h>

#include "base/crypto.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

KdfParameters With(KdfParameters::Algorithm algorithm, uint32_t cost,
                   size_t salt_size = 32) {
  return {algorithm, cost, Bytes(salt_size, 1)};
}

using enum KdfParameters::Algorithm;

TEST(KdfTest, TestCost_IsTwoToTheEighthWithFreshSalt) {
  auto first = NewKdfParameters(KdfCost::kTest);
  auto second = NewKdfParameters(KdfCost::kTest);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->algorithm, kScrypt);
  EXPECT_EQ(first->cost, 8u);
  EXPECT_EQ(first->salt.size(), 32u);
  EXPECT_NE(first->salt, second->salt);
}

TEST(KdfTest, CalibratedCost_IsWithinItsBoundsAndKept) {
  auto first = NewKdfParameters(KdfCost::kCalibrated);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->algorithm, kScrypt);
  EXPECT_GE(first->cost, 15u);
  EXPECT_LE(first->cost, 17u);
  EXPECT_EQ(NewKdfParameters(KdfCost::kCalibrated)->cost, first->cost);
}

TEST(KdfTest, ApprovedCost_IsPbkdf2) {
  auto parameters = NewKdfParameters(KdfCost::kApproved);
  ASSERT_TRUE(parameters.ok());
  EXPECT_EQ(parameters->algorithm, kPbkdf2Sha256);
  EXPECT_EQ(parameters->cost, 600000u);
  EXPECT_TRUE(DeriveFromPin(*parameters, base::AsBytes("pin")).ok());
}

TEST(KdfTest, Derivation_DependsOnPinSaltAndCost) {
  const KdfParameters parameters = With(kScrypt, 8);
  auto key = DeriveFromPin(parameters, base::AsBytes("pin"));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->size(), 32u);
  KdfParameters other = parameters;
  other.salt[0] ^= 1;
  EXPECT_TRUE(key->Equals(*DeriveFromPin(parameters, base::AsBytes("pin"))));
  EXPECT_FALSE(key->Equals(*DeriveFromPin(parameters, base::AsBytes("pim"))));
  EXPECT_FALSE(key->Equals(*DeriveFromPin(other, base::AsBytes("pin"))));
  EXPECT_FALSE(
      key->Equals(*DeriveFromPin(With(kScrypt, 9), base::AsBytes("pin"))));
}

TEST(KdfTest, EmptyPin_Derives) {
  EXPECT_TRUE(DeriveFromPin(With(kScrypt, 8), {}).ok());
}

TEST(KdfTest, HostileParameters_AreRefusedUnrun) {
  const auto refused = [](const KdfParameters& parameters) {
    return base::CkRv(
               DeriveFromPin(parameters, base::AsBytes("pin")).status()) ==
           CKR_DEVICE_ERROR;
  };
  EXPECT_TRUE(refused(With(kScrypt, 7)));
  EXPECT_TRUE(refused(With(kScrypt, 21)));
  EXPECT_TRUE(refused(With(kScrypt, 0xFFFFFFFF)));
  EXPECT_TRUE(refused(With(kPbkdf2Sha256, 599999)));
  EXPECT_TRUE(refused(With(kPbkdf2Sha256, 10000001)));
  EXPECT_TRUE(refused(With(kScrypt, 8, 31)));
  EXPECT_TRUE(refused(With(kScrypt, 8, 0)));
  EXPECT_TRUE(refused(With(static_cast<KdfParameters::Algorithm>(3), 8)));
}

TEST(KdfTest, Parameters_SurviveEncoding) {
  const KdfParameters parameters = With(kPbkdf2Sha256, 700000);
  auto decoded =
      wire::Decode<KdfParameters>(wire::Encode(parameters), "parameters");
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->algorithm, kPbkdf2Sha256);
  EXPECT_EQ(decoded->cost, 700000u);
  EXPECT_EQ(decoded->salt, parameters.salt);
}

}  // namespace
}  // namespace hsm
