#include "hsm/attribute_set.h"

#include <gtest/gtest.h>

#include "base/wire.h"

namespace hsm {
namespace {

using wire::Writer;

Bytes EncodingOf(const AttributeSet& set) {
  return base::ToBytes(set.Encode().Expose());
}

// One entry as the format page describes it.
void PutEntry(Writer& w, uint64_t type, uint8_t form, ByteSpan payload) {
  w.U64(type);
  w.U8(form);
  w.Sized(payload);
}

AttributeSet Nested(int levels) {
  AttributeSet set;
  set.SetText(CKA_LABEL, "innermost");
  for (int i = 0; i < levels; ++i) {
    AttributeSet outer;
    outer.SetNested(CKA_WRAP_TEMPLATE, std::move(set));
    set = std::move(outer);
  }
  return set;
}

CK_RV DecodeRv(ByteSpan in) {
  return base::CkRv(AttributeSet::Decode(in).status());
}

TEST(AttributeSet, Set_KeepsTypesSortedAndOnce) {
  AttributeSet set;
  set.SetText(CKA_LABEL, "first");
  set.SetUlong(CKA_CLASS, CKO_DATA);
  set.SetText(CKA_LABEL, "second");
  ASSERT_EQ(set.size(), 2u);
  EXPECT_EQ(set.entries()[0].type, CKA_CLASS);
  EXPECT_EQ(base::AsText(set.Value(CKA_LABEL)), "second");
}

TEST(AttributeSet, Set_FromItsOwnValue_IsSafe) {
  AttributeSet set;
  set.SetText(CKA_LABEL, "a label");
  set.Set(CKA_LABEL, set.Value(CKA_LABEL).subspan(2));
  EXPECT_EQ(base::AsText(set.Value(CKA_LABEL)), "label");
}

TEST(AttributeSet, Erase_RemovesOnlyThatType) {
  AttributeSet set;
  set.SetBool(CKA_TOKEN, true);
  set.SetBool(CKA_PRIVATE, true);
  set.Erase(CKA_TOKEN);
  set.Erase(CKA_LABEL);
  EXPECT_FALSE(set.Has(CKA_TOKEN));
  EXPECT_TRUE(set.IsTrue(CKA_PRIVATE));
}

TEST(AttributeSet, Ulong_OfAWrongLength_IsAbsent) {
  AttributeSet set;
  set.SetText(CKA_CLASS, "abc");
  EXPECT_EQ(set.Ulong(CKA_CLASS), std::nullopt);
  EXPECT_EQ(set.object_class(), CK_UNAVAILABLE_INFORMATION);
}

TEST(AttributeSet, Matches_EmptyPattern_MatchesEverything) {
  EXPECT_TRUE(AttributeSet().Matches(AttributeSet()));
  EXPECT_TRUE(Nested(1).Matches(AttributeSet()));
}

TEST(AttributeSet, Matches_NeedsEveryAttribute) {
  AttributeSet set;
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  set.SetText(CKA_LABEL, "kek");
  AttributeSet pattern;
  pattern.SetText(CKA_LABEL, "kek");
  EXPECT_TRUE(set.Matches(pattern));
  pattern.SetText(CKA_ID, "");
  EXPECT_FALSE(set.Matches(pattern));
}

TEST(AttributeSet, Matches_BigIntegerWithLeadingZero) {
  AttributeSet set;
  set.Set(CKA_MODULUS, Bytes{0x80, 1});
  AttributeSet pattern;
  pattern.Set(CKA_MODULUS, Bytes{0, 0x80, 1});
  EXPECT_TRUE(set.Matches(pattern));
}

TEST(AttributeSet, Matches_BytesWithLeadingZero_Differ) {
  AttributeSet set;
  set.Set(CKA_ID, Bytes{1});
  AttributeSet pattern;
  pattern.Set(CKA_ID, Bytes{0, 1});
  EXPECT_FALSE(set.Matches(pattern));
}

TEST(AttributeSet, Equality_LooksIntoNestedSets) {
  EXPECT_TRUE(Nested(2) == Nested(2));
  EXPECT_FALSE(Nested(2) == Nested(1));
}

TEST(AttributeSet, Copy_IsIndependent) {
  AttributeSet one;
  one.SetText(CKA_LABEL, "one");
  AttributeSet two = one;
  two.SetText(CKA_LABEL, "two");
  EXPECT_EQ(base::AsText(one.Value(CKA_LABEL)), "one");
}

TEST(AttributeSetEncoding, EveryByteOfASmallSet) {
  AttributeSet set;
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  set.SetBool(CKA_TOKEN, true);
  const Bytes expected = {
      0, 0, 0, 2,              // two entries
      0, 0, 0, 0, 0, 0, 0, 0,  // CKA_CLASS
      1, 0, 0, 0, 8,           // one number
      0, 0, 0, 0, 0, 0, 0, 4,  // CKO_SECRET_KEY
      0, 0, 0, 0, 0, 0, 0, 1,  // CKA_TOKEN
      0, 0, 0, 0, 1, 1,        // one byte: CK_TRUE
  };
  EXPECT_EQ(EncodingOf(set), expected);
}

TEST(AttributeSetEncoding, OrderOfSettingDoesNotMatter) {
  AttributeSet a;
  a.SetText(CKA_LABEL, "x");
  a.SetBool(CKA_TOKEN, true);
  AttributeSet b;
  b.SetBool(CKA_TOKEN, true);
  b.SetText(CKA_LABEL, "x");
  EXPECT_EQ(EncodingOf(a), EncodingOf(b));
}

TEST(AttributeSetEncoding, RoundTrip_AllForms) {
  AttributeSet inner;
  inner.SetBool(CKA_SENSITIVE, true);
  AttributeSet set;
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  set.SetUlong(CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
  set.Set(CKA_VALUE, Bytes(32, 7));
  set.Set(CKA_LABEL, {});
  set.Set(CKA_ALLOWED_MECHANISMS, {});
  set.SetNested(CKA_UNWRAP_TEMPLATE, inner);
  set.SetNested(CKA_DERIVE_TEMPLATE, AttributeSet());
  const CK_MECHANISM_TYPE mechanisms[] = {CKM_AES_CBC, CKM_AES_GCM};
  set.Set(CKA_ALLOWED_MECHANISMS,
          ByteSpan(reinterpret_cast<const uint8_t*>(mechanisms),
                   sizeof(mechanisms)));
  auto decoded = AttributeSet::Decode(set.Encode().Expose());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(*decoded == set);
  EXPECT_EQ(EncodingOf(*decoded), EncodingOf(set));
}

TEST(AttributeSetEncoding, RoundTrip_UnknownTypeIsBytes) {
  AttributeSet set;
  set.SetText(0xDEADBEEF, "vendor");
  auto decoded = AttributeSet::Decode(set.Encode().Expose());
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(*decoded == set);
}

TEST(AttributeSetEncoding, RoundTrip_EmptySet) {
  const Bytes encoding = EncodingOf(AttributeSet());
  EXPECT_EQ(encoding, Bytes(4, 0));
  EXPECT_TRUE(AttributeSet::Decode(encoding).value().empty());
}

TEST(AttributeSetEncoding, EveryPrefixIsRefused) {
  AttributeSet set = Nested(2);
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  const Bytes encoding = EncodingOf(set);
  for (size_t size = 0; size < encoding.size(); ++size) {
    EXPECT_EQ(DecodeRv(ByteSpan(encoding).subspan(0, size)), CKR_DEVICE_ERROR)
        << "length " << size;
  }
}

TEST(AttributeSetEncoding, EveryFlippedBit_IsRefusedOrAnotherCanonicalSet) {
  AttributeSet set = Nested(1);
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  set.SetBool(CKA_TOKEN, true);
  const Bytes encoding = EncodingOf(set);
  for (size_t bit = 0; bit < encoding.size() * 8; ++bit) {
    Bytes flipped = encoding;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    auto decoded = AttributeSet::Decode(flipped);
    if (!decoded.ok()) continue;
    EXPECT_EQ(EncodingOf(*decoded), flipped) << "bit " << bit;
  }
}

TEST(AttributeSetEncoding, TrailingByte_IsRefused) {
  Bytes encoding = EncodingOf(Nested(0));
  encoding.push_back(0);
  EXPECT_EQ(DecodeRv(encoding), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, UnsortedTypes_AreRefused) {
  Writer w;
  w.U32(2);
  PutEntry(w, CKA_LABEL, 0, {});
  PutEntry(w, CKA_TOKEN, 0, Bytes{1});
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, SameTypeTwice_IsRefused) {
  Writer w;
  w.U32(2);
  PutEntry(w, CKA_LABEL, 0, {});
  PutEntry(w, CKA_LABEL, 0, {});
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, FormThatIsNotTheTypes_IsRefused) {
  Writer w;
  w.U32(1);
  PutEntry(w, CKA_CLASS, 0, Bytes(8, 0));
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, UnknownForm_IsRefused) {
  Writer w;
  w.U32(1);
  PutEntry(w, CKA_LABEL, 3, {});
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, NumbersOfOddLength_AreRefused) {
  Writer w;
  w.U32(1);
  PutEntry(w, CKA_ALLOWED_MECHANISMS, 1, Bytes(9, 0));
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, LyingCount_IsRefusedWithoutAllocating) {
  Writer w;
  w.U32(0xFFFFFFFF);
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, GarbageInsideANestedSet_IsRefused) {
  Writer w;
  w.U32(1);
  PutEntry(w, CKA_WRAP_TEMPLATE, 2, Bytes{0, 0, 0, 0, 0});
  EXPECT_EQ(DecodeRv(w.bytes()), CKR_DEVICE_ERROR);
}

TEST(AttributeSetEncoding, NestingUpToTheLimit_IsAccepted) {
  const Bytes encoding = EncodingOf(Nested(AttributeSet::kMaxNesting));
  EXPECT_EQ(DecodeRv(encoding), CKR_OK);
}

TEST(AttributeSetEncoding, DeeperNesting_IsRefused) {
  const Bytes encoding = EncodingOf(Nested(AttributeSet::kMaxNesting + 1));
  EXPECT_EQ(DecodeRv(encoding), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace hsm
