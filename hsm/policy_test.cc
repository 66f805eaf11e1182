#include "hsm/policy.h"

#include <gtest/gtest.h>

#include "hsm/firmware.h"

namespace hsm {
namespace {

PolicyValues Defaults(const char* model, bool partition) {
  const ModelProfile* m = FindModel(model);
  const FirmwareProfile* f = FindFirmware(m->kind, m->default_firmware);
  return partition ? PartitionPolicyDefaults(*m, *f)
                   : HsmPolicyDefaults(*m, *f);
}

TEST(PolicyRules, NumbersAreUniqueAndAscending) {
  for (auto rules : {HsmPolicyRules(), PartitionPolicyRules()}) {
    for (size_t i = 1; i < rules.size(); ++i) {
      EXPECT_LT(rules[i - 1].number, rules[i].number);
    }
  }
}

TEST(PolicyRules, NothingStartsLaxerThanItsCapability) {
  for (auto rules : {HsmPolicyRules(), PartitionPolicyRules()}) {
    for (const PolicyRule& rule : rules) {
      EXPECT_LE(rule.application.value, rule.application.capability)
          << rule.number;
      EXPECT_LE(rule.backup.value, rule.backup.capability) << rule.number;
    }
  }
}

TEST(PolicyRules, CapabilitiesWithoutPolicyHaveNoPolicyName) {
  for (const PolicyRule& rule : HsmPolicyRules()) {
    const bool settable =
        rule.application.value != kAbsent || rule.backup.value != kAbsent;
    EXPECT_EQ(settable, rule.policy_name != nullptr) << rule.number;
  }
}

TEST(IsDestructive, FollowsTheDirection) {
  const PolicyRule* p55 = FindRule(HsmPolicyRules(), 55);
  EXPECT_FALSE(IsDestructive(*p55, 0, 1));  // P55-10
  EXPECT_TRUE(IsDestructive(*p55, 1, 0));   // P55-12
  EXPECT_FALSE(IsDestructive(*p55, 1, 1));
  const PolicyRule* p0 = FindRule(PartitionPolicyRules(), 0);
  EXPECT_TRUE(IsDestructive(*p0, 0, 1));
  EXPECT_FALSE(IsDestructive(*p0, 1, 0));
  const PolicyRule* p12 = FindRule(HsmPolicyRules(), 12);
  EXPECT_TRUE(IsDestructive(*p12, 0, 1));
  EXPECT_TRUE(IsDestructive(*p12, 1, 0));
  EXPECT_FALSE(IsDestructive(*FindRule(HsmPolicyRules(), 21), 1, 0));
}

TEST(ApplyPolicies, AppliesAndTellsWhetherItDestroys) {
  const PolicyValues capabilities = {{12, 1}, {21, 1}};
  auto change = ApplyPolicies(HsmPolicyRules(), capabilities,
                              {{12, 1}, {21, 1}}, {{12, 0}, {21, 0}});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->values, (PolicyValues{{12, 0}, {21, 0}}));
  EXPECT_TRUE(change->destructive);
}

TEST(ApplyPolicies, UnknownPolicy_IsRefused) {
  auto change =
      ApplyPolicies(HsmPolicyRules(), {{12, 1}}, {{12, 1}}, {{99, 1}});
  EXPECT_EQ(base::CkRv(change.status()), CK_RV{LUNA_RET_RM_ELEMENT_ID_INVALID});
}

TEST(ApplyPolicies, ValueBeyondItsRange_IsRefused) {
  auto change =
      ApplyPolicies(HsmPolicyRules(), {{12, 1}}, {{12, 1}}, {{12, 2}});
  EXPECT_EQ(base::CkRv(change.status()),
            CK_RV{LUNA_RET_RM_ELEMENT_VALUE_INVALID});
  change =
      ApplyPolicies(PartitionPolicyRules(), {{20, 10}}, {{20, 10}}, {{20, 0}});
  EXPECT_EQ(base::CkRv(change.status()),
            CK_RV{LUNA_RET_RM_ELEMENT_VALUE_INVALID});
}

TEST(ApplyPolicies, LaxerThanTheCapability_IsRefused) {
  auto change =
      ApplyPolicies(PartitionPolicyRules(), {{20, 10}}, {{20, 10}}, {{20, 11}});
  EXPECT_EQ(base::CkRv(change.status()),
            CK_RV{LUNA_RET_RM_CONFIG_CHANGE_ILLEGAL});
}

TEST(Dependencies, LunaRefusesCloningAndWrappingTogether) {
  PolicyValues partition = Defaults("luna-k7", true);
  partition[1] = 1;
  const PolicyValues hsm = Defaults("luna-k7", false);
  EXPECT_EQ(base::CkRv(CheckPartitionDependencies(partition, hsm, true)),
            CK_RV{CKR_CONFIG_FAILS_DEPENDENCIES});
  EXPECT_TRUE(CheckPartitionDependencies(partition, hsm, false).ok());
  partition[0] = 0;
  EXPECT_TRUE(CheckPartitionDependencies(partition, hsm, true).ok());
}

TEST(Dependencies, CloningNeedsTheHsmPolicy) {
  PolicyValues hsm = Defaults("luna-k7", false);
  hsm[7] = 0;
  PolicyValues partition = Defaults("luna-k7", true);
  EXPECT_EQ(base::CkRv(CheckPartitionDependencies(partition, hsm, true)),
            CK_RV{CKR_CONFIG_FAILS_DEPENDENCIES});
  partition[0] = 0;
  partition[4] = 0;
  EXPECT_TRUE(CheckPartitionDependencies(partition, hsm, true).ok());
}

TEST(Dependencies, EveryModelStartsConsistent) {
  for (const ModelProfile& model : Models()) {
    EXPECT_TRUE(CheckPartitionDependencies(Defaults(model.name, true),
                                           Defaults(model.name, false),
                                           model.exclusive_export)
                    .ok())
        << model.name;
  }
}

}  // namespace
}  // namespace hsm
