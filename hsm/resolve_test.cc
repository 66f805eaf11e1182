// Resolve: creation, change, copying and cloning. How sensitivity flows and
// the strict profile are in key_protection_test.cc.
#include <gtest/gtest.h>

#include "hsm/attribute_rules.h"

namespace hsm {
namespace {

constexpr uint8_t kP256[] = {0x06, 0x08, 0x2A, 0x86, 0x48,
                             0xCE, 0x3D, 0x03, 0x01, 0x07};

ResolveContext LoggedIn() {
  ResolveContext context;
  context.logged_in = true;
  return context;
}

ResolveContext Over(const AttributeSet& base) {
  ResolveContext context = LoggedIn();
  context.base = &base;
  return context;
}

ResolveContext Generating(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type,
                          CK_MECHANISM_TYPE mechanism) {
  ResolveContext context = LoggedIn();
  context.object_class = object_class;
  context.key_type = type;
  context.mechanism = mechanism;
  return context;
}

AttributeSet Template(CK_OBJECT_CLASS object_class) {
  AttributeSet set;
  set.SetUlong(CKA_CLASS, object_class);
  return set;
}

AttributeSet AesTemplate() {
  AttributeSet set = Template(CKO_SECRET_KEY);
  set.SetUlong(CKA_KEY_TYPE, CKK_AES);
  set.Set(CKA_VALUE, Bytes(16, 9));
  return set;
}

AttributeSet RsaPublicTemplate() {
  AttributeSet set = Template(CKO_PUBLIC_KEY);
  set.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  set.Set(CKA_MODULUS, Bytes{0, 0xC1, 0x01});
  set.Set(CKA_PUBLIC_EXPONENT, Bytes{0, 1, 0, 1});
  return set;
}

AttributeSet CertificateTemplate() {
  AttributeSet set = Template(CKO_CERTIFICATE);
  set.SetUlong(CKA_CERTIFICATE_TYPE, CKC_X_509);
  set.Set(CKA_SUBJECT, Bytes{0x30, 0});
  set.Set(CKA_VALUE, Bytes{0x30, 0});
  return set;
}

AttributeSet Made(How how, const AttributeSet& input,
                  const ResolveContext& context = LoggedIn()) {
  auto made = Resolve(how, input, context);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : AttributeSet();
}

CK_RV Rv(How how, const AttributeSet& input,
         const ResolveContext& context = LoggedIn()) {
  return base::CkRv(Resolve(how, input, context).status());
}

// ---- Create ----

TEST(ResolveCreate, DataObject_GetsAllDefaults) {
  const AttributeSet object = Made(How::kCreate, Template(CKO_DATA));
  EXPECT_EQ(object.Bool(CKA_TOKEN), false);
  EXPECT_EQ(object.Bool(CKA_PRIVATE), true);
  EXPECT_EQ(object.Bool(CKA_MODIFIABLE), true);
  EXPECT_EQ(object.Bool(CKA_COPYABLE), true);
  EXPECT_EQ(object.Bool(CKA_DESTROYABLE), true);
  EXPECT_TRUE(object.Has(CKA_LABEL));
  EXPECT_TRUE(object.Has(CKA_VALUE));
  EXPECT_FALSE(object.Has(CKA_UNIQUE_ID));
  EXPECT_FALSE(object.Has(CKA_OUID));
  EXPECT_FALSE(object.Has(CKA_LOCAL));
}

TEST(ResolveCreate, Private_FollowsTheClass) {
  EXPECT_EQ(Made(How::kCreate, CertificateTemplate()).Bool(CKA_PRIVATE), false);
  EXPECT_EQ(Made(How::kCreate, RsaPublicTemplate()).Bool(CKA_PRIVATE), false);
  EXPECT_EQ(Made(How::kCreate, AesTemplate()).Bool(CKA_PRIVATE), true);
}

TEST(ResolveCreate, PrivateObjectWithoutLogin) {
  EXPECT_EQ(Rv(How::kCreate, AesTemplate(), ResolveContext()),
            CKR_USER_NOT_LOGGED_IN);
}

TEST(ResolveCreate, PublicObjectWithoutLogin) {
  EXPECT_EQ(Rv(How::kCreate, CertificateTemplate(), ResolveContext()), CKR_OK);
}

TEST(ResolveCreate, WithoutClass_IsIncomplete) {
  EXPECT_EQ(Rv(How::kCreate, AttributeSet()), CKR_TEMPLATE_INCOMPLETE);
}

TEST(ResolveCreate, WithoutKeyType_IsIncomplete) {
  AttributeSet input = AesTemplate();
  input.Erase(CKA_KEY_TYPE);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_TEMPLATE_INCOMPLETE);
}

TEST(ResolveCreate, WithoutValue_IsIncomplete) {
  AttributeSet input = AesTemplate();
  input.Erase(CKA_VALUE);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_TEMPLATE_INCOMPLETE);
}

TEST(ResolveCreate, UnknownClassOrKeyType) {
  EXPECT_EQ(Rv(How::kCreate, Template(0x12345)), CKR_ATTRIBUTE_VALUE_INVALID);
  AttributeSet input = AesTemplate();
  input.SetUlong(CKA_KEY_TYPE, 0x12345);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(ResolveCreate, KeyTypeOfAnotherClass_IsInconsistent) {
  AttributeSet input = AesTemplate();
  input.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_TEMPLATE_INCONSISTENT);
}

TEST(ResolveCreate, UnknownAttribute) {
  AttributeSet input = AesTemplate();
  input.SetText(0xDEADBEEF, "x");
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_TYPE_INVALID);
}

TEST(ResolveCreate, AttributeOfAnotherClass_IsInconsistent) {
  AttributeSet input = AesTemplate();
  input.Set(CKA_MODULUS, Bytes{1});
  EXPECT_EQ(Rv(How::kCreate, input), CKR_TEMPLATE_INCONSISTENT);
}

TEST(ResolveCreate, MalformedValue) {
  AttributeSet input = AesTemplate();
  input.Set(CKA_TOKEN, Bytes{1, 0});
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(ResolveCreate, ReadOnlyAttributes) {
  AttributeSet local = AesTemplate();
  local.SetBool(CKA_LOCAL, true);
  EXPECT_EQ(Rv(How::kCreate, local), CKR_ATTRIBUTE_READ_ONLY);
  AttributeSet unique = AesTemplate();
  unique.SetText(CKA_UNIQUE_ID, "1");
  EXPECT_EQ(Rv(How::kCreate, unique), CKR_ATTRIBUTE_READ_ONLY);
  AttributeSet ouid = AesTemplate();
  ouid.Set(CKA_OUID, Bytes(12, 1));
  EXPECT_EQ(Rv(How::kCreate, ouid), CKR_ATTRIBUTE_READ_ONLY);
  AttributeSet length = AesTemplate();
  length.SetUlong(CKA_VALUE_LEN, 16);
  EXPECT_EQ(Rv(How::kCreate, length), CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveCreate, BigIntegersAreNormalised) {
  const AttributeSet key = Made(How::kCreate, RsaPublicTemplate());
  EXPECT_EQ(base::ToBytes(key.Value(CKA_MODULUS)), (Bytes{0xC1, 0x01}));
  EXPECT_EQ(base::ToBytes(key.Value(CKA_PUBLIC_EXPONENT)), (Bytes{1, 0, 1}));
  EXPECT_EQ(key.Ulong(CKA_MODULUS_BITS), 16u);
}

TEST(ResolveCreate, SecretValueKeepsLeadingZeros) {
  AttributeSet input = AesTemplate();
  input.Set(CKA_VALUE, Bytes(16, 0));
  EXPECT_EQ(Made(How::kCreate, input).Value(CKA_VALUE).size(), 16u);
}

TEST(ResolveCreate, UsageDefaults) {
  const AttributeSet aes = Made(How::kCreate, AesTemplate());
  EXPECT_TRUE(aes.IsTrue(CKA_ENCRYPT));
  EXPECT_TRUE(aes.IsTrue(CKA_DECRYPT));
  EXPECT_TRUE(aes.IsTrue(CKA_SIGN));
  EXPECT_EQ(aes.Bool(CKA_WRAP), false);
  EXPECT_EQ(aes.Bool(CKA_UNWRAP), false);
  EXPECT_EQ(aes.Bool(CKA_DERIVE), false);
  const AttributeSet rsa = Made(How::kCreate, RsaPublicTemplate());
  EXPECT_TRUE(rsa.IsTrue(CKA_ENCRYPT));
  EXPECT_TRUE(rsa.IsTrue(CKA_VERIFY));
  EXPECT_TRUE(rsa.IsTrue(CKA_WRAP));
}

TEST(ResolveCreate, UsageDefaults_OfAWrappingKey) {
  AttributeSet input = AesTemplate();
  input.SetBool(CKA_UNWRAP, true);
  const AttributeSet key = Made(How::kCreate, input);
  EXPECT_EQ(key.Bool(CKA_DECRYPT), false);
  EXPECT_EQ(key.Bool(CKA_ENCRYPT), false);
  EXPECT_EQ(key.Bool(CKA_WRAP), false);
}

TEST(ResolveCreate, AlwaysAuthenticateNeedsPrivate) {
  AttributeSet input = Template(CKO_PRIVATE_KEY);
  input.SetUlong(CKA_KEY_TYPE, CKK_EC);
  input.Set(CKA_EC_PARAMS, kP256);
  input.Set(CKA_VALUE, Bytes(32, 1));
  input.SetBool(CKA_ALWAYS_AUTHENTICATE, true);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_OK);
  input.SetBool(CKA_PRIVATE, false);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_TEMPLATE_INCONSISTENT);
}

TEST(ResolveCreate, TrustedNeedsTheSo) {
  AttributeSet input = CertificateTemplate();
  input.SetBool(CKA_TRUSTED, true);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_READ_ONLY);
  ResolveContext so;
  so.is_so = true;
  EXPECT_TRUE(Made(How::kCreate, input, so).IsTrue(CKA_TRUSTED));
}

TEST(ResolveCreate, NestedTemplate_IsChecked) {
  AttributeSet bad;
  bad.Set(CKA_TOKEN, Bytes{7});
  AttributeSet input = AesTemplate();
  input.SetNested(CKA_WRAP_TEMPLATE, bad);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_VALUE_INVALID);
  AttributeSet unknown;
  unknown.SetText(0xDEADBEEF, "x");
  input.SetNested(CKA_WRAP_TEMPLATE, unknown);
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_TYPE_INVALID);
}

TEST(ResolveCreate, NestingOnAnOrdinaryAttribute_IsRefused) {
  AttributeSet input = AesTemplate();
  input.SetNested(CKA_LABEL, AttributeSet());
  EXPECT_EQ(Rv(How::kCreate, input), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(ResolveCreate, EmptyTemplateAttribute_BecomesAnEmptySet) {
  AttributeSet input = AesTemplate();
  input.Set(CKA_WRAP_TEMPLATE, {});
  const AttributeSet key = Made(How::kCreate, input);
  ASSERT_NE(key.Find(CKA_WRAP_TEMPLATE), nullptr);
  EXPECT_NE(key.Find(CKA_WRAP_TEMPLATE)->nested, nullptr);
  EXPECT_TRUE(AttributeSet::Decode(key.Encode().Expose()).ok());
}

// ---- Generate ----

TEST(ResolveGenerate, Aes) {
  AttributeSet input;
  input.SetUlong(CKA_VALUE_LEN, 32);
  const AttributeSet key =
      Made(How::kGenerate, input,
           Generating(CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN));
  EXPECT_EQ(key.object_class(), CKO_SECRET_KEY);
  EXPECT_EQ(key.key_type(), CKK_AES);
  EXPECT_TRUE(key.IsTrue(CKA_LOCAL));
  EXPECT_EQ(key.Ulong(CKA_KEY_GEN_MECHANISM), CKM_AES_KEY_GEN);
  EXPECT_FALSE(key.Has(CKA_VALUE));
}

TEST(ResolveGenerate, MissingLength_IsIncomplete) {
  EXPECT_EQ(Rv(How::kGenerate, AttributeSet(),
               Generating(CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN)),
            CKR_TEMPLATE_INCOMPLETE);
}

TEST(ResolveGenerate, HmacKeyNeedsNoLength) {
  EXPECT_EQ(Rv(How::kGenerate, AttributeSet(),
               Generating(CKO_SECRET_KEY, CKK_SHA256_HMAC, CKM_SHA256_KEY_GEN)),
            CKR_OK);
}

TEST(ResolveGenerate, ValueInTheTemplate_IsReadOnly) {
  AttributeSet input;
  input.SetUlong(CKA_VALUE_LEN, 16);
  input.Set(CKA_VALUE, Bytes(16, 1));
  EXPECT_EQ(Rv(How::kGenerate, input,
               Generating(CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN)),
            CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveGenerate, TemplateThatContradictsTheMechanism) {
  AttributeSet input;
  input.SetUlong(CKA_VALUE_LEN, 16);
  input.SetUlong(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  EXPECT_EQ(Rv(How::kGenerate, input,
               Generating(CKO_SECRET_KEY, CKK_AES, CKM_AES_KEY_GEN)),
            CKR_TEMPLATE_INCONSISTENT);
}

// What pkcs11-tool --keypairgen asks for.
TEST(ResolveGenerate, RsaPairThatDecryptsAndUnwraps) {
  AttributeSet pub = Template(CKO_PUBLIC_KEY);
  pub.SetUlong(CKA_MODULUS_BITS, 2048);
  pub.Set(CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1});
  pub.SetBool(CKA_ENCRYPT, true);
  pub.SetBool(CKA_WRAP, true);
  EXPECT_EQ(Rv(How::kGenerate, pub,
               Generating(CKO_PUBLIC_KEY, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN)),
            CKR_OK);
  AttributeSet priv = Template(CKO_PRIVATE_KEY);
  priv.SetBool(CKA_DECRYPT, true);
  priv.SetBool(CKA_UNWRAP, true);
  const AttributeSet key =
      Made(How::kGenerate, priv,
           Generating(CKO_PRIVATE_KEY, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN));
  EXPECT_TRUE(key.IsTrue(CKA_DECRYPT));
  EXPECT_TRUE(key.IsTrue(CKA_UNWRAP));
}

TEST(ResolveGenerate, EcPublicNeedsParameters) {
  const ResolveContext context =
      Generating(CKO_PUBLIC_KEY, CKK_EC, CKM_EC_KEY_PAIR_GEN);
  EXPECT_EQ(Rv(How::kGenerate, AttributeSet(), context),
            CKR_TEMPLATE_INCOMPLETE);
  AttributeSet input;
  input.Set(CKA_EC_PARAMS, Bytes{0x30, 0});
  EXPECT_EQ(Rv(How::kGenerate, input, context), CKR_DOMAIN_PARAMS_INVALID);
  input.Set(CKA_EC_PARAMS, kP256);
  EXPECT_EQ(Rv(How::kGenerate, input, context), CKR_OK);
}

// ---- Set ----

AttributeSet Labelled(absl::string_view label) {
  AttributeSet set;
  set.SetText(CKA_LABEL, label);
  return set;
}

TEST(ResolveSet, ReturnsTheWholeObject) {
  AttributeSet base = Made(How::kCreate, AesTemplate());
  base.Set(CKA_OUID, Bytes(12, 5));
  base.SetText(CKA_UNIQUE_ID, "42");
  const AttributeSet changed = Made(How::kSet, Labelled("new"), Over(base));
  AttributeSet expected = base;
  expected.SetText(CKA_LABEL, "new");
  EXPECT_TRUE(changed == expected);
}

TEST(ResolveSet, UnmodifiableObject) {
  AttributeSet input = AesTemplate();
  input.SetBool(CKA_MODIFIABLE, false);
  const AttributeSet base = Made(How::kCreate, input);
  EXPECT_EQ(Rv(How::kSet, Labelled("new"), Over(base)), CKR_ACTION_PROHIBITED);
}

TEST(ResolveSet, AttributesThatNeverChange) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet token;
  token.SetBool(CKA_TOKEN, true);
  EXPECT_EQ(Rv(How::kSet, token, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
  AttributeSet value;
  value.Set(CKA_VALUE, Bytes(16, 1));
  EXPECT_EQ(Rv(How::kSet, value, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
  AttributeSet unique;
  unique.SetText(CKA_UNIQUE_ID, "1");
  EXPECT_EQ(Rv(How::kSet, unique, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveSet, SensitiveGoesOneWay) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet on;
  on.SetBool(CKA_SENSITIVE, true);
  const AttributeSet sensitive = Made(How::kSet, on, Over(base));
  EXPECT_TRUE(sensitive.IsTrue(CKA_SENSITIVE));
  EXPECT_FALSE(sensitive.IsTrue(CKA_ALWAYS_SENSITIVE));
  AttributeSet off;
  off.SetBool(CKA_SENSITIVE, false);
  EXPECT_EQ(Rv(How::kSet, off, Over(sensitive)), CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(Rv(How::kSet, on, Over(sensitive)), CKR_OK);
}

TEST(ResolveSet, ExtractableGoesOneWay) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet off;
  off.SetBool(CKA_EXTRACTABLE, false);
  const AttributeSet kept = Made(How::kSet, off, Over(base));
  EXPECT_FALSE(kept.IsTrue(CKA_NEVER_EXTRACTABLE));
  AttributeSet on;
  on.SetBool(CKA_EXTRACTABLE, true);
  EXPECT_EQ(Rv(How::kSet, on, Over(kept)), CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveSet, WrapWithTrustedAndCopyableGoOneWay) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet tighten;
  tighten.SetBool(CKA_WRAP_WITH_TRUSTED, true);
  tighten.SetBool(CKA_COPYABLE, false);
  const AttributeSet tight = Made(How::kSet, tighten, Over(base));
  AttributeSet wrap;
  wrap.SetBool(CKA_WRAP_WITH_TRUSTED, false);
  EXPECT_EQ(Rv(How::kSet, wrap, Over(tight)), CKR_ATTRIBUTE_READ_ONLY);
  AttributeSet copy;
  copy.SetBool(CKA_COPYABLE, true);
  EXPECT_EQ(Rv(How::kSet, copy, Over(tight)), CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveSet, TrustedIsTheSos) {
  const AttributeSet base = Made(How::kCreate, RsaPublicTemplate());
  AttributeSet trust;
  trust.SetBool(CKA_TRUSTED, true);
  EXPECT_EQ(Rv(How::kSet, trust, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
  ResolveContext so = Over(base);
  so.is_so = true;
  EXPECT_TRUE(Made(How::kSet, trust, so).IsTrue(CKA_TRUSTED));
}

TEST(ResolveSet, TrustedCertificate_CannotBeModified) {
  AttributeSet input = CertificateTemplate();
  input.SetBool(CKA_TRUSTED, true);
  ResolveContext so = LoggedIn();
  so.is_so = true;
  const AttributeSet base = Made(How::kCreate, input, so);
  EXPECT_EQ(Rv(How::kSet, Labelled("x"), Over(base)), CKR_ATTRIBUTE_READ_ONLY);
  so.base = &base;
  EXPECT_EQ(Rv(How::kSet, Labelled("x"), so), CKR_OK);
}

TEST(ResolveSet, Certificate_OnlySomeAttributes) {
  const AttributeSet base = Made(How::kCreate, CertificateTemplate());
  AttributeSet id;
  id.Set(CKA_ID, Bytes{1});
  EXPECT_EQ(Rv(How::kSet, id, Over(base)), CKR_OK);
  AttributeSet subject;
  subject.Set(CKA_SUBJECT, Bytes{0x30, 1, 0});
  EXPECT_EQ(Rv(How::kSet, subject, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveSet, CheckValue_CanBeGivenUp) {
  AttributeSet base = Made(How::kCreate, AesTemplate());
  base.Set(CKA_CHECK_VALUE, Bytes{1, 2, 3});
  AttributeSet empty;
  empty.Set(CKA_CHECK_VALUE, {});
  EXPECT_TRUE(
      Made(How::kSet, empty, Over(base)).Value(CKA_CHECK_VALUE).empty());
  AttributeSet other;
  other.Set(CKA_CHECK_VALUE, Bytes{3, 2, 1});
  EXPECT_EQ(Rv(How::kSet, other, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
}

TEST(ResolveSet, ForeignAndUnknownAttributes) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet foreign;
  foreign.Set(CKA_SUBJECT, Bytes{1});
  EXPECT_EQ(Rv(How::kSet, foreign, Over(base)), CKR_ATTRIBUTE_TYPE_INVALID);
  AttributeSet unknown;
  unknown.SetText(0xDEADBEEF, "x");
  EXPECT_EQ(Rv(How::kSet, unknown, Over(base)), CKR_ATTRIBUTE_TYPE_INVALID);
}

// ---- Copy ----

TEST(ResolveCopy, KeepsEverythingButIdentifiers) {
  AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet expected = base;
  base.Set(CKA_OUID, Bytes(12, 5));
  base.SetText(CKA_UNIQUE_ID, "42");
  EXPECT_TRUE(Made(How::kCopy, AttributeSet(), Over(base)) == expected);
}

TEST(ResolveCopy, UncopyableObject) {
  AttributeSet input = AesTemplate();
  input.SetBool(CKA_COPYABLE, false);
  const AttributeSet base = Made(How::kCreate, input);
  EXPECT_EQ(Rv(How::kCopy, AttributeSet(), Over(base)), CKR_ACTION_PROHIBITED);
}

TEST(ResolveCopy, MayMoveAndTighten) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet changes;
  changes.SetBool(CKA_TOKEN, true);
  changes.SetBool(CKA_MODIFIABLE, false);
  changes.SetBool(CKA_DESTROYABLE, false);
  changes.SetBool(CKA_SENSITIVE, true);
  changes.SetText(CKA_LABEL, "copy");
  const AttributeSet copy = Made(How::kCopy, changes, Over(base));
  EXPECT_TRUE(copy.Matches(changes));
}

TEST(ResolveCopy, CannotChangeWhatTheObjectIs) {
  const AttributeSet base = Made(How::kCreate, AesTemplate());
  AttributeSet changes;
  changes.SetUlong(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  EXPECT_EQ(Rv(How::kCopy, changes, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
  changes.SetUlong(CKA_KEY_TYPE, CKK_AES);
  EXPECT_EQ(Rv(How::kCopy, changes, Over(base)), CKR_OK);
}

TEST(ResolveCopy, ToAPrivateObject_NeedsALogin) {
  const AttributeSet base = Made(How::kCreate, CertificateTemplate());
  AttributeSet changes;
  changes.SetBool(CKA_PRIVATE, true);
  ResolveContext context;
  context.base = &base;
  EXPECT_EQ(Rv(How::kCopy, changes, context), CKR_USER_NOT_LOGGED_IN);
}

TEST(ResolveCopy, IsNotTrustedUnlessTheSoMakesIt) {
  AttributeSet base = Made(How::kCreate, RsaPublicTemplate());
  base.SetBool(CKA_TRUSTED, true);
  EXPECT_EQ(Made(How::kCopy, AttributeSet(), Over(base)).Bool(CKA_TRUSTED),
            false);
  AttributeSet ask;
  ask.SetBool(CKA_TRUSTED, true);
  EXPECT_EQ(Rv(How::kCopy, ask, Over(base)), CKR_ATTRIBUTE_READ_ONLY);
  ResolveContext so = Over(base);
  so.is_so = true;
  EXPECT_TRUE(Made(How::kCopy, ask, so).IsTrue(CKA_TRUSTED));
}

// ---- Clone ----

AttributeSet StoredAesKey() {
  AttributeSet key = Made(How::kCreate, AesTemplate());
  key.Set(CKA_OUID, Bytes(12, 5));
  return key;
}

TEST(ResolveClone, EverythingStays) {
  const AttributeSet key = StoredAesKey();
  EXPECT_TRUE(Made(How::kClone, key, ResolveContext()) == key);
}

TEST(ResolveClone, EveryStoredTypeIsClonable) {
  for (const AttributeSet& input :
       {Template(CKO_DATA), CertificateTemplate(), RsaPublicTemplate()}) {
    const AttributeSet stored = Made(How::kCreate, input);
    EXPECT_TRUE(Made(How::kClone, stored, ResolveContext()) == stored);
  }
}

TEST(ResolveClone, UniqueIdStaysBehind) {
  AttributeSet key = StoredAesKey();
  key.SetText(CKA_UNIQUE_ID, "42");
  EXPECT_FALSE(Made(How::kClone, key).Has(CKA_UNIQUE_ID));
}

TEST(ResolveClone, HistoryIsKept) {
  AttributeSet key = StoredAesKey();
  key.SetBool(CKA_SENSITIVE, true);
  key.SetBool(CKA_EXTRACTABLE, false);
  key.SetBool(CKA_ALWAYS_SENSITIVE, true);
  key.SetBool(CKA_NEVER_EXTRACTABLE, true);
  key.SetBool(CKA_LOCAL, true);
  key.SetUlong(CKA_KEY_GEN_MECHANISM, CKM_AES_KEY_GEN);
  EXPECT_TRUE(Made(How::kClone, key) == key);
}

TEST(ResolveClone, HistoryThatContradictsItself) {
  AttributeSet key = StoredAesKey();
  key.SetBool(CKA_ALWAYS_SENSITIVE, true);
  EXPECT_EQ(Rv(How::kClone, key), CKR_TEMPLATE_INCONSISTENT);
}

TEST(ResolveClone, MissingFlagsOrMaterial_AreIncomplete) {
  for (CK_ATTRIBUTE_TYPE type :
       {CKA_VALUE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_ALWAYS_SENSITIVE,
        CKA_NEVER_EXTRACTABLE, CKA_LOCAL, CKA_PRIVATE, CKA_KEY_TYPE}) {
    AttributeSet key = StoredAesKey();
    key.Erase(type);
    EXPECT_EQ(Rv(How::kClone, key), CKR_TEMPLATE_INCOMPLETE)
        << AttributeName(type);
  }
}

TEST(ResolveClone, NewerOptionalAttributesMayBeMissing) {
  AttributeSet key = StoredAesKey();
  key.Erase(CKA_DERIVE);
  EXPECT_FALSE(Made(How::kClone, key).Has(CKA_DERIVE));
}

TEST(ResolveClone, UnknownAttributeOrType_IsRefused) {
  AttributeSet key = StoredAesKey();
  key.SetText(0xDEADBEEF, "x");
  EXPECT_EQ(Rv(How::kClone, key), CKR_ATTRIBUTE_TYPE_INVALID);
  AttributeSet other = StoredAesKey();
  other.SetUlong(CKA_KEY_TYPE, 0x12345);
  EXPECT_EQ(Rv(How::kClone, other), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(ResolveClone, ValuesNotInTheStoredForm_AreRefused) {
  AttributeSet key = Made(How::kCreate, RsaPublicTemplate());
  key.Set(CKA_MODULUS, Bytes{0, 0xC1, 0x01});
  EXPECT_EQ(Rv(How::kClone, key), CKR_ATTRIBUTE_VALUE_INVALID);
}

}  // namespace
}  // namespace hsm
