#include "hsm/policy_template.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hsm {
namespace {

constexpr char kFirst[] = "perigee-policy-template 1 partition\n";

absl::StatusOr<PolicyValues> Parse(const std::string& text) {
  return ParsePolicyTemplate(PolicyScope::kPartition, text);
}

TEST(PolicyTemplateTest, WhatWasWritten_IsRead) {
  const PolicyValues values = {{0, 1}, {20, 7}, {41, 0}};
  const std::string text =
      WritePolicyTemplate(PolicyScope::kPartition, {7, 7, 1}, values);
  EXPECT_TRUE(absl::StrContains(text, "20 = 7  # ")) << text;
  const auto read = Parse(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, values);
}

TEST(PolicyTemplateTest, OtherTexts_AreRefusedWithTheirLine) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "line 1"},
      {"0 = 1\n", "line 1"},
      {"perigee-policy-template 2 partition\n", "line 1"},
      {"perigee-policy-template 1 hsm\n0 = 1\n", "line 1"},
      {absl::StrCat(kFirst, "0 = 1\n0 = 0\n"), "line 3"},
      {absl::StrCat(kFirst, "0\n"), "line 2"},
      {absl::StrCat(kFirst, "0 = -1\n"), "line 2"},
      {absl::StrCat(kFirst, "0 = 99999999999999999999\n"), "line 2"},
      {absl::StrCat(kFirst, "x = 1\n"), "line 2"},
      {absl::StrCat(kFirst, std::string(20000, ' ')), "line 1"},
  };
  for (const auto& [text, where] : cases) {
    const auto read = Parse(text);
    EXPECT_EQ(base::CkRv(read.status()), CK_RV{CKR_ARGUMENTS_BAD}) << text;
    EXPECT_TRUE(absl::StrContains(read.status().message(), where))
        << read.status();
  }
}

TEST(PolicyTemplateTest, CommentsAndBlankLines_DoNotMatter) {
  const auto read =
      Parse("# mine\n\nperigee-policy-template 1 partition\r\n 0=1 # x\n");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, (PolicyValues{{0, 1}}));
}

}  // namespace
}  // namespace hsm
