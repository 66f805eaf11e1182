// Each known answer, the same with a broken algorithm, and the error state.
#include "pkcs11/mechanisms/self_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pkcs11 {
namespace {

class SelfTestTest : public testing::Test {
 protected:
  ~SelfTestTest() override {
    SpoilSelfTest(nullptr);
    ResetSelfTests();
  }
};

TEST_F(SelfTestTest, EveryAnswerIsRight_AndAWrongOneIsNoticed) {
  EXPECT_GT(KnownAnswers().size(), 30u);
  for (const KnownAnswer& test : KnownAnswers()) {
    SCOPED_TRACE(test.name);
    if (Registry::Get().Find(test.mechanism) == nullptr) continue;  // OpenSSL
    EXPECT_EQ(RunKnownAnswer(test), absl::OkStatus());
    EXPECT_FALSE(RunKnownAnswer(test, /*spoilt=*/true).ok());
  }
}

// Joining, cutting and making bytes is no algorithm.
TEST_F(SelfTestTest, EveryMechanismIsCovered) {
  const auto is_exempt = [](const Mechanism& row) {
    const bool only_makes_bytes = row.generate != nullptr &&
                                  row.derive == nullptr &&
                                  row.sign == nullptr && !row.makes_parameters;
    const absl::string_view name = row.name;
    return only_makes_bytes || row.derive_public != nullptr ||
           name.find("CONCATENATE") != name.npos ||
           name.find("XOR") != name.npos || name.find("EXTRACT") != name.npos ||
           name.find("SHAKE") != name.npos ||
           name.find("POLY1305") != name.npos;
  };
  for (const Mechanism* row : AllRows()) {
    bool covered = is_exempt(*row);
    for (const KnownAnswer& test : KnownAnswers()) {
      covered |= test.covers(*row);
    }
    EXPECT_TRUE(covered) << row->name;
  }
}

TEST_F(SelfTestTest, AFailure_BlocksEverything) {
  for (const KnownAnswer& test : KnownAnswers()) {
    SCOPED_TRACE(test.name);
    ResetSelfTests();
    SpoilSelfTest(test.name);
    if (Registry::Get().Find(test.mechanism) == nullptr) continue;
    const Mechanism& row = *Registry::Get().Find(test.mechanism);
    EXPECT_EQ(base::CkRv(TestBeforeUse(row)), CKR_DEVICE_ERROR);
    EXPECT_TRUE(InErrorState());
    for (const Mechanism* other : Registry::Get().rows()) {
      EXPECT_EQ(base::CkRv(TestBeforeUse(*other)), CKR_DEVICE_ERROR);
    }
    SpoilSelfTest(nullptr);
    EXPECT_FALSE(TestBeforeUse(row).ok());  // it does not mend itself
    ResetSelfTests();
    EXPECT_TRUE(TestBeforeUse(row).ok());
  }
}

}  // namespace
}  // namespace pkcs11
