#include "pkcs11/api/attributes.h"

#include <array>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace pkcs11::api {
namespace {

using hsm::AttributeSet;

CK_RV ParseError(const std::vector<CK_ATTRIBUTE>& attributes,
                 TemplateUse use = TemplateUse::kObject) {
  return base::CkRv(
      ParseTemplate(attributes.data(), attributes.size(), use).status());
}

CK_BBOOL yes = CK_TRUE;
CK_ULONG data_class = CKO_DATA;
char label[] = "name";

TEST(ParseTemplateTest, TakesCopiesOfValues) {
  CK_ULONG value = CKO_DATA;
  const std::vector<CK_ATTRIBUTE> in = {{CKA_CLASS, &value, sizeof(value)},
                                        {CKA_LABEL, label, 4},
                                        {CKA_TOKEN, &yes, 1}};
  const auto set = ParseTemplate(in.data(), in.size(), TemplateUse::kObject);
  ASSERT_TRUE(set.ok()) << set.status();
  value = 0;
  EXPECT_EQ(set->object_class(), CK_OBJECT_CLASS{CKO_DATA});
  EXPECT_TRUE(set->IsTrue(CKA_TOKEN));
}

TEST(ParseTemplateTest, EmptyIsAllowed) {
  EXPECT_TRUE(ParseTemplate(nullptr, 0, TemplateUse::kSearch).ok());
}

TEST(ParseTemplateTest, CountWithoutArray_IsBadArguments) {
  EXPECT_EQ(
      base::CkRv(ParseTemplate(nullptr, 1, TemplateUse::kObject).status()),
      CKR_ARGUMENTS_BAD);
}

TEST(ParseTemplateTest, ImpossibleCount_IsBadArgumentsAndReadsNothing) {
  const CK_ATTRIBUTE one = {CKA_LABEL, label, 4};
  EXPECT_EQ(
      base::CkRv(ParseTemplate(&one, ~0UL, TemplateUse::kObject).status()),
      CKR_ARGUMENTS_BAD);
}

TEST(ParseTemplateTest, TypeTwice_IsInconsistent) {
  EXPECT_EQ(ParseError({{CKA_LABEL, label, 4}, {CKA_LABEL, label, 4}}),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(ParseTemplateTest, WrongLengths_AreValueInvalid) {
  EXPECT_EQ(ParseError({{CKA_CLASS, &data_class, 4}}),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ParseError({{CKA_TOKEN, &yes, 8}}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ParseError({{CKA_LABEL, label, CK_UNAVAILABLE_INFORMATION}}),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ParseError({{CKA_LABEL, nullptr, 4}}), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(ParseTemplateTest, UnknownType_IsRefusedInObjectsAndKeptInSearches) {
  const std::vector<CK_ATTRIBUTE> in = {{0x12345678, label, 4}};
  EXPECT_EQ(ParseError(in), CKR_ATTRIBUTE_TYPE_INVALID);
  EXPECT_EQ(ParseError(in, TemplateUse::kSearch), CKR_OK);
}

TEST(ParseTemplateTest, MisalignedValuesAreRead) {
  alignas(8) std::array<char, 16> memory = {};
  std::memcpy(memory.data() + 1, &data_class, sizeof(data_class));
  const CK_ATTRIBUTE in = {CKA_CLASS, memory.data() + 1, sizeof(CK_ULONG)};
  const auto set = ParseTemplate(&in, 1, TemplateUse::kObject);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->object_class(), CK_OBJECT_CLASS{CKO_DATA});
}

TEST(ParseTemplateTest, NestedTemplatesAreSets) {
  CK_ATTRIBUTE inner[] = {{CKA_TOKEN, &yes, 1}};
  const CK_ATTRIBUTE in = {CKA_WRAP_TEMPLATE, inner, sizeof(inner)};
  const auto set = ParseTemplate(&in, 1, TemplateUse::kObject);
  ASSERT_TRUE(set.ok()) << set.status();
  const auto* entry = set->Find(CKA_WRAP_TEMPLATE);
  ASSERT_NE(entry, nullptr);
  ASSERT_NE(entry->nested, nullptr);
  EXPECT_TRUE(entry->nested->IsTrue(CKA_TOKEN));
}

TEST(ParseTemplateTest, NestedLengthOfHalfAnAttribute_IsValueInvalid) {
  CK_ATTRIBUTE inner[] = {{CKA_TOKEN, &yes, 1}};
  EXPECT_EQ(ParseError({{CKA_WRAP_TEMPLATE, inner, sizeof(inner) - 1}}),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(ParseTemplateTest, NestingIsBounded) {
  std::array<CK_ATTRIBUTE, 64> chain;
  for (size_t i = 0; i < chain.size(); ++i) {
    // The last one points to itself: endless.
    chain[i] = {CKA_WRAP_TEMPLATE, &chain[std::min(i + 1, chain.size() - 1)],
                sizeof(CK_ATTRIBUTE)};
  }
  EXPECT_EQ(
      base::CkRv(ParseTemplate(&chain[0], 1, TemplateUse::kObject).status()),
      CKR_TEMPLATE_INCONSISTENT);
}

// --- giving ------------------------------------------------------------------

AttributeSet SecretKey() {
  AttributeSet set;
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  set.SetUlong(CKA_KEY_TYPE, CKK_AES);
  set.SetBool(CKA_SENSITIVE, true);
  set.SetBool(CKA_EXTRACTABLE, false);
  set.SetText(CKA_LABEL, "key");
  set.SetText(CKA_VALUE, "0123456789abcdef");
  return set;
}

TEST(FillTemplateTest, TellsLengthsForNullValues) {
  CK_ATTRIBUTE out[] = {{CKA_LABEL, nullptr, 0}, {CKA_CLASS, nullptr, 77}};
  EXPECT_TRUE(FillTemplate(SecretKey(), out, 2).ok());
  EXPECT_EQ(out[0].ulValueLen, 3U);
  EXPECT_EQ(out[1].ulValueLen, sizeof(CK_ULONG));
}

TEST(FillTemplateTest, FillsWhatItCanAndMarksTheRest) {
  char value[16];
  char text[8];
  char small[2];
  CK_ATTRIBUTE out[] = {{CKA_VALUE, value, sizeof(value)},
                        {CKA_MODULUS, nullptr, 0},
                        {CKA_LABEL, text, sizeof(text)},
                        {CKA_CLASS, small, sizeof(small)}};
  EXPECT_EQ(base::CkRv(FillTemplate(SecretKey(), out, 4)),
            CKR_ATTRIBUTE_SENSITIVE);
  EXPECT_EQ(out[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(out[1].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(out[2].ulValueLen, 3U);
  EXPECT_EQ(std::memcmp(text, "key", 3), 0);
  EXPECT_EQ(out[3].ulValueLen, CK_UNAVAILABLE_INFORMATION);
}

TEST(FillTemplateTest, UnknownAndTooSmallHaveTheirCodes) {
  char small[2];
  CK_ATTRIBUTE unknown = {CKA_MODULUS, nullptr, 0};
  CK_ATTRIBUTE too_small = {CKA_LABEL, small, sizeof(small)};
  EXPECT_EQ(base::CkRv(FillTemplate(SecretKey(), &unknown, 1)),
            CKR_ATTRIBUTE_TYPE_INVALID);
  EXPECT_EQ(base::CkRv(FillTemplate(SecretKey(), &too_small, 1)),
            CKR_BUFFER_TOO_SMALL);
}

TEST(FillTemplateTest, NestedTemplateIsFilledElementByElement) {
  AttributeSet nested;
  nested.SetBool(CKA_TOKEN, true);
  nested.SetText(CKA_LABEL, "inner");
  AttributeSet key = SecretKey();
  key.SetNested(CKA_WRAP_TEMPLATE, nested);

  CK_ATTRIBUTE out = {CKA_WRAP_TEMPLATE, nullptr, 0};
  ASSERT_TRUE(FillTemplate(key, &out, 1).ok());
  ASSERT_EQ(out.ulValueLen, 2 * sizeof(CK_ATTRIBUTE));

  CK_ATTRIBUTE inner[2] = {};
  out.pValue = inner;
  ASSERT_TRUE(FillTemplate(key, &out, 1).ok());
  EXPECT_EQ(inner[0].type, CK_ATTRIBUTE_TYPE{CKA_TOKEN});
  EXPECT_EQ(inner[0].ulValueLen, 1U);
  EXPECT_EQ(inner[1].ulValueLen, 5U);

  CK_BBOOL token = CK_FALSE;
  char text[5];
  inner[0].pValue = &token;
  inner[1].pValue = text;
  ASSERT_TRUE(FillTemplate(key, &out, 1).ok());
  EXPECT_EQ(token, CK_TRUE);
  EXPECT_EQ(std::memcmp(text, "inner", 5), 0);
}

TEST(FillTemplateTest, NoTemplate_IsBadArguments) {
  EXPECT_EQ(base::CkRv(FillTemplate(SecretKey(), nullptr, 1)),
            CKR_ARGUMENTS_BAD);
}

}  // namespace
}  // namespace pkcs11::api
