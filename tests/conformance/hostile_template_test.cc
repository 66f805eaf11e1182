// Templates that lie: null values with a length, lengths that are wrong or
// huge, duplicates, unknown types, nesting. The answer is an exact code, the
// library survives, and nothing is made.
#include <cstring>

#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class HostileTemplateTest : public TokenTest {
 protected:
  void TearDown() override {
    EXPECT_TRUE(Find(Template()).empty());
    TokenTest::TearDown();
  }
  CK_BYTE room_[64] = {};
};

CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, void* value, CK_ULONG length) {
  return {type, value, length};
}

TEST_F(HostileTemplateTest, NullValueWithLength_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(
      TryCreate(DataObject().Raw(Attribute(CKA_APPLICATION, nullptr, 5))),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, NullBoolWithLength_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(TryCreate(DataObject().Without(CKA_TOKEN).Raw(
                          Attribute(CKA_TOKEN, nullptr, 1))),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, NullClassWithLength_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(TryCreate(DataObject().Without(CKA_CLASS).Raw(Attribute(
                          CKA_CLASS, nullptr, sizeof(CK_OBJECT_CLASS)))),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, NullSecretWithLength_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(TryCreate(AesKey().Without(CKA_VALUE).Raw(
                          Attribute(CKA_VALUE, nullptr, 32))),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, LengthUnavailable_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(TryCreate(DataObject().Raw(Attribute(
                          CKA_APPLICATION, room_, CK_UNAVAILABLE_INFORMATION))),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, BoolOfNoBytes_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(DataObject().Set(CKA_TOKEN, {})));
}

TEST_F(HostileTemplateTest, BoolOfTwoBytes_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(DataObject().Set(CKA_PRIVATE, {0, 0})));
}

TEST_F(HostileTemplateTest, BoolOfEightBytes_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Ulong(CKA_ENCRYPT, 1)));
}

TEST_F(HostileTemplateTest, BoolThatIsNeither_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Set(CKA_SENSITIVE, {2})));
}

TEST_F(HostileTemplateTest, ClassOfFourBytes_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(DataObject().Set(CKA_CLASS, {0, 0, 0, 0})));
}

TEST_F(HostileTemplateTest, KeyTypeOfOneByte_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Set(CKA_KEY_TYPE, {CKK_AES})));
}

TEST_F(HostileTemplateTest, DateOfThreeBytes_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Text(CKA_START_DATE, "202")));
}

TEST_F(HostileTemplateTest, MechanismsOfOddLength_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Set(CKA_ALLOWED_MECHANISMS, Pattern(9))));
}

TEST_F(HostileTemplateTest, SameAttributeTwice_IsTemplateInconsistent) {
  CK_BYTE yes = CK_TRUE;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TryCreate(AesKey().Raw(Attribute(CKA_SENSITIVE, &yes, 1))));
}

TEST_F(HostileTemplateTest, ClassTwice_IsTemplateInconsistent) {
  CK_OBJECT_CLASS other = CKO_CERTIFICATE;
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      TryCreate(DataObject().Raw(Attribute(CKA_CLASS, &other, sizeof(other)))));
}

TEST_F(HostileTemplateTest, HugeCount_IsRefused) {
  const Template t = DataObject();
  CK_OBJECT_HANDLE object;
  EXPECT_RV_IS_ONE_OF(
      p11().C_CreateObject(session_, t.data(), ~0UL / 2, &object),
      CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY);
}

// Just above what a template can hold at all; the array itself is real.
TEST_F(HostileTemplateTest, ManyUnknownAttributes_IsAttributeTypeInvalid) {
  Template t = DataObject();
  for (CK_ULONG i = 0; i < 2000; ++i) t.Set(0x7ff00000 + i, {1});
  const CK_RV rv = TryCreate(t);
  EXPECT_RV_IS_ONE_OF(rv, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, ObjectAboveTheLimit_IsDeviceMemory) {
  NEEDS_PERIGEE();
  EXPECT_RV(CKR_DEVICE_MEMORY,
            TryCreate(DataObject(Pattern(100000)).Bool(CKA_TOKEN, true)));
}

// --- nested templates
// ----------------------------------------------------------------

TEST_F(HostileTemplateTest, NestedOfOddLength_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(WrappingKey().Raw(Attribute(CKA_WRAP_TEMPLATE, room_,
                                                  sizeof(CK_ATTRIBUTE) - 1))));
}

TEST_F(HostileTemplateTest, NestedNullWithLength_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(TryCreate(WrappingKey().Raw(Attribute(
                          CKA_WRAP_TEMPLATE, nullptr, sizeof(CK_ATTRIBUTE)))),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, NestedWithNullValue_IsAttributeValueInvalid) {
  EXPECT_RV_IS_ONE_OF(TryCreate(WrappingKey().Nested(
                          CKA_WRAP_TEMPLATE,
                          Template().Raw(Attribute(CKA_KEY_TYPE, nullptr, 8)))),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

// Templates in templates: eight deep they are kept and come back, deeper they
// are refused.
TEST_F(HostileTemplateTest, NestedEightDeep_IsKept_AndNineIsRefused) {
  NEEDS_PERIGEE();
  Template inner = Template().Bool(CKA_ENCRYPT, true);
  for (int depth = 1; depth < 8; ++depth) {
    inner = Template().Nested(CKA_WRAP_TEMPLATE, inner);
  }
  const CK_OBJECT_HANDLE key =
      Create(WrappingKey().Nested(CKA_WRAP_TEMPLATE, inner));
  CK_ATTRIBUTE outermost = {CKA_WRAP_TEMPLATE, nullptr, 0};
  EXPECT_OK(p11().C_GetAttributeValue(session_, key, &outermost, 1));
  // Each level has one element, which is the next one's array.
  std::vector<CK_ATTRIBUTE> levels(8);
  CK_BBOOL last = CK_FALSE;
  for (size_t i = 0; i + 1 < levels.size(); ++i) {
    levels[i] = {0, &levels[i + 1], sizeof(CK_ATTRIBUTE)};
  }
  levels.back() = {0, &last, sizeof(last)};
  outermost = {CKA_WRAP_TEMPLATE, levels.data(), sizeof(CK_ATTRIBUTE)};
  EXPECT_OK(p11().C_GetAttributeValue(session_, key, &outermost, 1));
  EXPECT_EQ(levels.front().type, CKA_WRAP_TEMPLATE);
  EXPECT_EQ(levels.back().type, CKA_ENCRYPT);
  EXPECT_EQ(last, CK_TRUE);
  EXPECT_OK(p11().C_DestroyObject(session_, key));
  EXPECT_RV_IS_ONE_OF(
      TryCreate(WrappingKey().Nested(
          CKA_WRAP_TEMPLATE, Template().Nested(CKA_WRAP_TEMPLATE, inner))),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(HostileTemplateTest, NestedInItself_IsRefused) {
  CK_ATTRIBUTE loop = {CKA_WRAP_TEMPLATE, &loop, sizeof(loop)};
  EXPECT_RV_IS_ONE_OF(TryCreate(WrappingKey().Raw(loop)),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(HostileTemplateTest, NestedInAnAttributeOfBytes_IsJustBytes) {
  const CK_OBJECT_HANDLE object = Create(
      DataObject().Nested(CKA_APPLICATION, Template().Bool(CKA_TOKEN, true)));
  EXPECT_OK(p11().C_DestroyObject(session_, object));
}

// --- the same templates in other calls
// ------------------------------------------------

TEST_F(HostileTemplateTest, Generate_NullValueWithLength_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      TryGenerate(CKM_AES_KEY_GEN,
                  NewAes()
                      .Without(CKA_VALUE_LEN)
                      .Raw(Attribute(CKA_VALUE_LEN, nullptr, 8))),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, Generate_ShortLengthOfKey_IsRefused) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryGenerate(CKM_AES_KEY_GEN, NewAes().Set(CKA_VALUE_LEN, {32})));
}

TEST_F(HostileTemplateTest, Generate_HugeLengthOfKey_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      TryGenerate(CKM_GENERIC_SECRET_KEY_GEN, NewSecret(~0UL / 2)),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE);
}

TEST_F(HostileTemplateTest, Set_NullValueWithLength_IsRefused) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_RV_IS_ONE_OF(
      TrySet(object, Template().Raw(Attribute(CKA_LABEL, nullptr, 5))),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Get(object, CKA_LABEL), FromText("data"));
  EXPECT_OK(p11().C_DestroyObject(session_, object));
}

TEST_F(HostileTemplateTest, Find_NullValueWithLength_IsRefused) {
  const Template t = Template().Raw(Attribute(CKA_LABEL, nullptr, 5));
  EXPECT_RV_IS_ONE_OF(p11().C_FindObjectsInit(session_, t.data(), t.size()),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(HostileTemplateTest, Copy_SameAttributeTwice_IsRefused) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TryCopy(object, Template()
                                .Raw(Attribute(CKA_LABEL, room_, 1))
                                .Raw(Attribute(CKA_LABEL, room_, 2))));
  EXPECT_OK(p11().C_DestroyObject(session_, object));
}

}  // namespace
}  // namespace conformance
