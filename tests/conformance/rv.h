// Return values with their names in failures: EXPECT_RV(CKR_OK, call).
#ifndef PERIGEE_TESTS_CONFORMANCE_RV_H_
#define PERIGEE_TESTS_CONFORMANCE_RV_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iosfwd>
#include <string>

#include "base/cryptoki.h"

namespace conformance {

struct Rv {
  CK_RV value;

  friend bool operator==(Rv a, Rv b) { return a.value == b.value; }
};

// "CKR_PIN_INCORRECT", or the number.
std::string RvName(CK_RV rv);
std::ostream& operator<<(std::ostream& out, Rv rv);

#define EXPECT_RV(expected, call) \
  EXPECT_EQ(conformance::Rv{(call)}, conformance::Rv{(expected)})
#define ASSERT_RV(expected, call) \
  ASSERT_EQ(conformance::Rv{(call)}, conformance::Rv{(expected)})
#define EXPECT_OK(call) EXPECT_RV(CKR_OK, call)
#define ASSERT_OK(call) ASSERT_RV(CKR_OK, call)

// For the few places where the specification allows two answers.
#define EXPECT_RV_IS_ONE_OF(call, ...)       \
  EXPECT_THAT(conformance::Rv{(call)}.value, \
              ::testing::AnyOfArray(std::vector<CK_RV>{__VA_ARGS__}))

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_RV_H_
