// The tables: facts of the specification, and that the tables agree with each
// other.
#include "hsm/attribute_rules.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

uint32_t FootnotesOf(CK_OBJECT_CLASS object_class, CK_ULONG type,
                     CK_ATTRIBUTE_TYPE which) {
  const ObjectType* found = FindObjectType(object_class, type);
  if (found == nullptr) return ~0u;
  const AttributeRule* rule = FindRule(*found, which);
  return rule == nullptr ? ~0u : rule->footnotes;
}

uint32_t Notes(std::initializer_list<int> numbers) {
  uint32_t bits = 0;
  for (int n : numbers) bits |= Footnote(n);
  return bits;
}

struct KeyTypeOf {
  CK_OBJECT_CLASS object_class;
  CK_ULONG type;
};

constexpr KeyTypeOf kSupported[] = {
    {CKO_DATA, 0},
    {CKO_CERTIFICATE, CKC_X_509},
    {CKO_PUBLIC_KEY, CKK_RSA},
    {CKO_PRIVATE_KEY, CKK_RSA},
    {CKO_PUBLIC_KEY, CKK_EC},
    {CKO_PRIVATE_KEY, CKK_EC},
    {CKO_SECRET_KEY, CKK_GENERIC_SECRET},
    {CKO_SECRET_KEY, CKK_AES},
    {CKO_SECRET_KEY, CKK_SHA256_HMAC},
    {CKO_SECRET_KEY, CKK_SHA3_512_HMAC},
};

TEST(AttributeRules, SupportedTypesHaveStorageAttributes) {
  for (const KeyTypeOf& each : kSupported) {
    SCOPED_TRACE(each.object_class * 1000 + each.type);
    EXPECT_EQ(FootnotesOf(each.object_class, each.type, CKA_CLASS), Notes({1}));
    EXPECT_EQ(FootnotesOf(each.object_class, each.type, CKA_LABEL), Notes({8}));
    EXPECT_EQ(FootnotesOf(each.object_class, each.type, CKA_COPYABLE),
              Notes({12}));
    EXPECT_EQ(FootnotesOf(each.object_class, each.type, CKA_UNIQUE_ID),
              Notes({2, 4, 6}));
    EXPECT_EQ(FootnotesOf(each.object_class, each.type, CKA_OUID),
              Notes({2, 4, 6}));
  }
}

// A type whose groups overlap would have two rules for one attribute.
TEST(AttributeRules, RulesAreSortedAndNamedOnce) {
  for (const KeyTypeOf& each : kSupported) {
    const auto& rules = RulesFor(each.object_class, each.type);
    ASSERT_FALSE(rules.empty());
    for (size_t i = 1; i < rules.size(); ++i) {
      EXPECT_LT(rules[i - 1]->type, rules[i]->type) << rules[i]->name;
    }
  }
}

// The encoding takes the kind from the type alone, so only kinds that are
// encoded alike may differ from row to row.
TEST(AttributeRules, KindsAgreeBetweenRows) {
  for (const KeyTypeOf& each : kSupported) {
    for (const AttributeRule* rule : RulesFor(each.object_class, each.type)) {
      if (rule->type == CKA_VALUE) {
        EXPECT_TRUE(rule->kind == AttributeKind::kBytes ||
                    rule->kind == AttributeKind::kBigInteger);
      } else {
        EXPECT_EQ(KindOf(rule->type), rule->kind) << rule->name;
      }
    }
  }
}

TEST(AttributeRules, UnsupportedTypesHaveNoRules) {
  EXPECT_TRUE(RulesFor(CKO_SECRET_KEY, CKK_RSA).empty());
  EXPECT_TRUE(RulesFor(CKO_CERTIFICATE, CKC_WTLS).empty());
  EXPECT_TRUE(RulesFor(0x12345, 0).empty());
}

TEST(AttributeRules, DataHasNoTypeAttribute) {
  EXPECT_EQ(FindObjectType(CKO_DATA, 17), FindObjectType(CKO_DATA, 0));
  EXPECT_NE(FindObjectType(CKO_DATA, 0), nullptr);
}

TEST(AttributeRules, Footnotes_Protection) {
  EXPECT_EQ(FootnotesOf(CKO_PRIVATE_KEY, CKK_EC, CKA_SENSITIVE),
            Notes({8, 9, 11}));
  EXPECT_EQ(FootnotesOf(CKO_SECRET_KEY, CKK_AES, CKA_EXTRACTABLE),
            Notes({8, 9, 12}));
  EXPECT_EQ(FootnotesOf(CKO_SECRET_KEY, CKK_AES, CKA_ALWAYS_SENSITIVE),
            Notes({2, 4, 6}));
  EXPECT_EQ(FootnotesOf(CKO_SECRET_KEY, CKK_AES, CKA_WRAP_WITH_TRUSTED),
            Notes({11}));
  EXPECT_EQ(FootnotesOf(CKO_PUBLIC_KEY, CKK_RSA, CKA_TRUSTED), Notes({10}));
}

TEST(AttributeRules, Footnotes_KeyMaterial) {
  EXPECT_EQ(FootnotesOf(CKO_PUBLIC_KEY, CKK_RSA, CKA_MODULUS), Notes({1, 4}));
  EXPECT_EQ(FootnotesOf(CKO_PUBLIC_KEY, CKK_RSA, CKA_MODULUS_BITS),
            Notes({2, 3}));
  EXPECT_EQ(FootnotesOf(CKO_PRIVATE_KEY, CKK_RSA, CKA_PRIVATE_EXPONENT),
            Notes({1, 4, 6, 7}));
  EXPECT_EQ(FootnotesOf(CKO_PRIVATE_KEY, CKK_RSA, CKA_PRIME_1),
            Notes({4, 6, 7}));
  EXPECT_EQ(FootnotesOf(CKO_PUBLIC_KEY, CKK_EC, CKA_EC_PARAMS), Notes({1, 3}));
  EXPECT_EQ(FootnotesOf(CKO_PRIVATE_KEY, CKK_EC, CKA_VALUE),
            Notes({1, 4, 6, 7}));
  EXPECT_EQ(FootnotesOf(CKO_SECRET_KEY, CKK_AES, CKA_VALUE),
            Notes({1, 4, 6, 7}));
  EXPECT_EQ(FootnotesOf(CKO_SECRET_KEY, CKK_AES, CKA_VALUE_LEN), Notes({2, 3}));
}

TEST(AttributeRules, NamesAndKindsOfKnownAttributes) {
  EXPECT_STREQ(AttributeName(CKA_LABEL), "CKA_LABEL");
  EXPECT_STREQ(AttributeName(CKA_OUID), "CKA_OUID");
  EXPECT_EQ(KindOf(CKA_TOKEN), AttributeKind::kBool);
  EXPECT_EQ(KindOf(CKA_ALLOWED_MECHANISMS), AttributeKind::kMechanisms);
  EXPECT_EQ(KindOf(CKA_UNWRAP_TEMPLATE), AttributeKind::kTemplate);
  EXPECT_EQ(KindOf(CKA_PRIME), AttributeKind::kBigInteger);
  EXPECT_EQ(KindOf(CKA_VALUE), AttributeKind::kBytes);
}

TEST(AttributeRules, UnknownAttributes) {
  EXPECT_EQ(AttributeName(0xDEADBEEF), nullptr);
  EXPECT_EQ(KindOf(0xDEADBEEF), std::nullopt);
}

// ---- CheckValue ----

CK_RV ValueRv(CK_ATTRIBUTE_TYPE type, ByteSpan value) {
  return base::CkRv(CheckValue(type, value));
}

TEST(CheckValue, UnknownType) {
  EXPECT_EQ(ValueRv(0xDEADBEEF, Bytes{1}), CKR_ATTRIBUTE_TYPE_INVALID);
}

TEST(CheckValue, Bool) {
  EXPECT_EQ(ValueRv(CKA_TOKEN, Bytes{CK_TRUE}), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_TOKEN, Bytes{CK_FALSE}), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_TOKEN, Bytes{2}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ValueRv(CKA_TOKEN, {}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ValueRv(CKA_TOKEN, Bytes(8, 0)), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CheckValue, Ulong) {
  EXPECT_EQ(ValueRv(CKA_CLASS, Bytes(sizeof(CK_ULONG), 0)), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_CLASS, Bytes(3, 0)), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CheckValue, Date) {
  EXPECT_EQ(ValueRv(CKA_START_DATE, {}), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_START_DATE, base::AsBytes("20260922")), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_START_DATE, base::AsBytes("20261322")),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ValueRv(CKA_START_DATE, base::AsBytes("20260900")),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ValueRv(CKA_START_DATE, base::AsBytes("2026-9-2")),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ValueRv(CKA_START_DATE, base::AsBytes("202609")),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CheckValue, Mechanisms) {
  EXPECT_EQ(ValueRv(CKA_ALLOWED_MECHANISMS, {}), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_ALLOWED_MECHANISMS, Bytes(2 * sizeof(CK_ULONG), 0)),
            CKR_OK);
  EXPECT_EQ(ValueRv(CKA_ALLOWED_MECHANISMS, Bytes(9, 0)),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CheckValue, TemplateIsNotBytes) {
  EXPECT_EQ(ValueRv(CKA_WRAP_TEMPLATE, {}), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_WRAP_TEMPLATE, Bytes(24, 0)),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CheckValue, FixedLengths) {
  EXPECT_EQ(ValueRv(CKA_OUID, Bytes(12, 0)), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_OUID, Bytes(11, 0)), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ValueRv(CKA_CHECK_VALUE, Bytes(3, 0)), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_CHECK_VALUE, {}), CKR_OK);
  EXPECT_EQ(ValueRv(CKA_CHECK_VALUE, Bytes(4, 0)), CKR_ATTRIBUTE_VALUE_INVALID);
}

// ---- ReadabilityOf ----

AttributeSet AesKey(bool sensitive, bool extractable) {
  AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_AES);
  key.SetBool(CKA_SENSITIVE, sensitive);
  key.SetBool(CKA_EXTRACTABLE, extractable);
  key.Set(CKA_VALUE, Bytes(16, 1));
  return key;
}

TEST(ReadabilityOf, ValueOfAReadableKey) {
  EXPECT_EQ(ReadabilityOf(AesKey(false, true), CKA_VALUE),
            Readability::kReadable);
}

TEST(ReadabilityOf, ValueOfASensitiveKey) {
  EXPECT_EQ(ReadabilityOf(AesKey(true, true), CKA_VALUE),
            Readability::kSensitive);
}

TEST(ReadabilityOf, ValueOfAnUnextractableKey) {
  EXPECT_EQ(ReadabilityOf(AesKey(false, false), CKA_VALUE),
            Readability::kSensitive);
}

TEST(ReadabilityOf, KeyWithoutFlags_HidesItsValue) {
  AttributeSet key = AesKey(false, true);
  key.Erase(CKA_SENSITIVE);
  EXPECT_EQ(ReadabilityOf(key, CKA_VALUE), Readability::kSensitive);
}

TEST(ReadabilityOf, OtherAttributesOfASensitiveKey) {
  EXPECT_EQ(ReadabilityOf(AesKey(true, false), CKA_SENSITIVE),
            Readability::kReadable);
}

TEST(ReadabilityOf, AbsentOrForeignAttributes) {
  EXPECT_EQ(ReadabilityOf(AesKey(true, false), CKA_MODULUS),
            Readability::kUnknownType);
  EXPECT_EQ(ReadabilityOf(AesKey(true, false), CKA_WRAP_TEMPLATE),
            Readability::kUnknownType);
  EXPECT_EQ(ReadabilityOf(AesKey(true, false), 0xDEADBEEF),
            Readability::kUnknownType);
}

TEST(ReadabilityOf, ValueOfADataObject) {
  AttributeSet data;
  data.SetUlong(CKA_CLASS, CKO_DATA);
  data.SetText(CKA_VALUE, "text");
  EXPECT_EQ(ReadabilityOf(data, CKA_VALUE), Readability::kReadable);
}

TEST(ReadabilityOf, ObjectOfUnknownClass_ShowsNothing) {
  AttributeSet odd;
  odd.SetText(CKA_VALUE, "text");
  EXPECT_EQ(ReadabilityOf(odd, CKA_VALUE), Readability::kUnknownType);
}

}  // namespace
}  // namespace hsm
