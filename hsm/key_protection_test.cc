// How sensitivity flows, and the strict profile, through Resolve. The attacks
// are those that other software tokens fall to: wrap then decrypt, unwrap with
// weaker flags, set and copy sequences, derivation of parts.
#include "hsm/key_protection.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

AttributeSet Flags(std::initializer_list<CK_ATTRIBUTE_TYPE> on,
                   std::initializer_list<CK_ATTRIBUTE_TYPE> off = {}) {
  AttributeSet set;
  for (CK_ATTRIBUTE_TYPE type : on) set.SetBool(type, true);
  for (CK_ATTRIBUTE_TYPE type : off) set.SetBool(type, false);
  return set;
}

AttributeSet Secret(CK_KEY_TYPE type, AttributeSet set = AttributeSet()) {
  set.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  set.SetUlong(CKA_KEY_TYPE, type);
  return set;
}

AttributeSet Imported(AttributeSet flags = AttributeSet()) {
  AttributeSet set = Secret(CKK_AES, std::move(flags));
  set.Set(CKA_VALUE, Bytes(16, 9));
  return set;
}

ResolveContext Context(const AttributeSet* parent = nullptr,
                       CK_MECHANISM_TYPE mechanism = CKM_AES_KEY_GEN,
                       bool strict = true) {
  ResolveContext context;
  context.logged_in = true;
  context.parent = parent;
  context.mechanism = mechanism;
  context.strict = strict;
  return context;
}

absl::StatusOr<AttributeSet> Generate(AttributeSet flags,
                                      ResolveContext context = Context()) {
  context.object_class = CKO_SECRET_KEY;
  context.key_type = CKK_AES;
  flags.SetUlong(CKA_VALUE_LEN, 16);
  return Resolve(How::kGenerate, flags, context);
}

AttributeSet Generated(AttributeSet flags = AttributeSet()) {
  return Generate(std::move(flags)).value();
}

AttributeSet Unwrapped(const AttributeSet& parent, AttributeSet flags,
                       bool strict = true) {
  return Resolve(How::kUnwrap, Secret(CKK_AES, std::move(flags)),
                 Context(&parent, CKM_AES_KEY_WRAP, strict))
      .value();
}

AttributeSet Derived(const AttributeSet& parent, CK_MECHANISM_TYPE mechanism,
                     AttributeSet flags, bool strict = true) {
  return Resolve(How::kDerive, flags, Context(&parent, mechanism, strict))
      .value();
}

CK_RV ChangeRv(How how, const AttributeSet& base, const AttributeSet& changes,
               bool strict = true) {
  ResolveContext context = Context();
  context.base = &base;
  context.strict = strict;
  return base::CkRv(Resolve(how, changes, context).status());
}

// ---- Defaults and history ----

TEST(KeyProtection, GeneratedKey_IsSensitiveAndStays) {
  const AttributeSet key = Generated();
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), true);
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), false);
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), true);
  EXPECT_EQ(key.Bool(CKA_NEVER_EXTRACTABLE), true);
}

TEST(KeyProtection, GeneratedReadableKey_HasNoHistory) {
  const AttributeSet key = Generated(Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
  EXPECT_FALSE(HidesValue(key));
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), false);
  EXPECT_EQ(key.Bool(CKA_NEVER_EXTRACTABLE), false);
}

TEST(KeyProtection, CreatedSecretKey_CanBeReadBack) {
  const AttributeSet key = Resolve(How::kCreate, Imported(), Context()).value();
  EXPECT_FALSE(HidesValue(key));
  EXPECT_EQ(key.Bool(CKA_LOCAL), false);
  EXPECT_EQ(key.Ulong(CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
}

TEST(KeyProtection, CreatedSensitiveKey_IsNotExtractable) {
  const AttributeSet key =
      Resolve(How::kCreate, Imported(Flags({CKA_SENSITIVE})), Context())
          .value();
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), false);
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), false);
  EXPECT_EQ(key.Bool(CKA_NEVER_EXTRACTABLE), false);
}

TEST(KeyProtection, CreatedPrivateKey_IsSensitive) {
  AttributeSet input;
  input.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  input.SetUlong(CKA_KEY_TYPE, CKK_EC);
  input.Set(CKA_EC_PARAMS, Bytes{0x06, 0x01, 0x2A});
  input.Set(CKA_VALUE, Bytes(32, 1));
  const AttributeSet key = Resolve(How::kCreate, input, Context()).value();
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), true);
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), false);
}

TEST(KeyProtection, LegacyGeneratedSecretKey_IsNotSensitiveByDefault) {
  const AttributeSet key =
      Generate({}, Context(nullptr, CKM_AES_KEY_GEN, false)).value();
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), false);
}

// ---- Strict rule 1: wrap then decrypt ----

TEST(StrictWrapping, KeyWithEveryFlag_WrapsOnlyReadableKeys) {
  const AttributeSet kek =
      Generated(Flags({CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP}));
  EXPECT_TRUE(kek.IsTrue(CKA_WRAP));
  EXPECT_TRUE(kek.IsTrue(CKA_DECRYPT));
  const AttributeSet& wrappable = *kek.Find(CKA_WRAP_TEMPLATE)->nested;
  EXPECT_FALSE(Generated(Flags({CKA_EXTRACTABLE})).Matches(wrappable));
  EXPECT_TRUE(
      Generated(Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE})).Matches(wrappable));
}

TEST(StrictWrapping, KeyThatEncryptsOrSigns_IsRestrained) {
  for (const CK_ATTRIBUTE_TYPE use : {CKA_ENCRYPT, CKA_SIGN}) {
    EXPECT_TRUE(Generated(Flags({CKA_WRAP, use})).Has(CKA_WRAP_TEMPLATE));
  }
}

TEST(StrictWrapping, PureWrappingKey_IsNotRestrained) {
  EXPECT_FALSE(Generated(Flags({CKA_WRAP, CKA_UNWRAP})).Has(CKA_WRAP_TEMPLATE));
}

TEST(StrictWrapping, OwnTemplateIsKeptAndExtended) {
  AttributeSet wanted = Flags({CKA_EXTRACTABLE});
  AttributeSet flags = Flags({CKA_WRAP, CKA_DECRYPT});
  flags.SetNested(CKA_WRAP_TEMPLATE, wanted);
  const AttributeSet kek = Generated(flags);
  EXPECT_TRUE(*kek.Find(CKA_WRAP_TEMPLATE)->nested ==
              Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
}

TEST(StrictWrapping, TemplateForSensitiveKeys_IsInconsistent) {
  AttributeSet flags = Flags({CKA_WRAP, CKA_DECRYPT});
  flags.SetNested(CKA_WRAP_TEMPLATE, Flags({CKA_SENSITIVE}));
  EXPECT_EQ(base::CkRv(Generate(flags).status()), CKR_TEMPLATE_INCONSISTENT);
}

TEST(StrictWrapping, SuchAKeyCannotBeTrusted) {
  const AttributeSet kek = Generated(Flags({CKA_WRAP, CKA_DECRYPT}));
  ResolveContext so = Context();
  so.base = &kek;
  so.is_so = true;
  EXPECT_EQ(base::CkRv(Resolve(How::kSet, Flags({CKA_TRUSTED}), so).status()),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(StrictWrapping, AnExtractableKeyCannotBeTrusted) {
  const AttributeSet kek = Generated(Flags({CKA_WRAP, CKA_EXTRACTABLE}));
  ResolveContext so = Context();
  so.base = &kek;
  so.is_so = true;
  EXPECT_EQ(base::CkRv(Resolve(How::kSet, Flags({CKA_TRUSTED}), so).status()),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(StrictWrapping, TheRestraintCannotBeTakenAway) {
  const AttributeSet kek = Generated(Flags({CKA_WRAP, CKA_DECRYPT}));
  AttributeSet changes;
  changes.SetNested(CKA_WRAP_TEMPLATE, AttributeSet());
  EXPECT_EQ(ChangeRv(How::kSet, kek, changes), CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kCopy, kek, changes), CKR_ATTRIBUTE_READ_ONLY);
}

// Give up decrypting on one of two copies, wrap with it, decrypt with the
// other.
TEST(StrictWrapping, TheRestraintOutlivesTheFlag) {
  const AttributeSet kek = Generated(Flags({CKA_WRAP, CKA_DECRYPT}));
  ResolveContext context = Context();
  context.base = &kek;
  const AttributeSet wrapper =
      Resolve(How::kCopy, Flags({}, {CKA_DECRYPT}), context).value();
  EXPECT_TRUE(wrapper.Has(CKA_WRAP_TEMPLATE));
}

TEST(StrictWrapping, LegacyKey_IsRestrainedWhenItIsCopied) {
  const AttributeSet kek = Generate(Flags({CKA_WRAP, CKA_DECRYPT}),
                                    Context(nullptr, CKM_AES_KEY_GEN, false))
                               .value();
  EXPECT_FALSE(kek.Has(CKA_WRAP_TEMPLATE));
  ResolveContext context = Context();
  context.base = &kek;
  EXPECT_TRUE(Resolve(How::kCopy, {}, context).value().Has(CKA_WRAP_TEMPLATE));
}

// What pkcs11-tool --derive asks for.
TEST(StrictWrapping, DerivedSecretWithEveryFlag_Works) {
  const AttributeSet parent = Generated(Flags({CKA_DERIVE}));
  const AttributeSet key = Derived(
      parent, CKM_ECDH1_DERIVE,
      Flags({CKA_EXTRACTABLE, CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP},
            {CKA_SENSITIVE, CKA_TOKEN}));
  EXPECT_FALSE(HidesValue(key));
}

// ---- Strict rules 2 and 3: set and copy ----

TEST(StrictRoles, DoNotComeBack) {
  const AttributeSet wrapper = Generated(Flags({CKA_WRAP}));
  EXPECT_EQ(ChangeRv(How::kSet, wrapper, Flags({CKA_DECRYPT})),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kSet, wrapper, Flags({CKA_UNWRAP})),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kSet, Generated(), Flags({CKA_WRAP})),
            CKR_ATTRIBUTE_READ_ONLY);
}

TEST(StrictRoles, CanBeGivenUpOrConfirmed) {
  const AttributeSet key = Generated(Flags({CKA_WRAP, CKA_UNWRAP}));
  EXPECT_EQ(ChangeRv(How::kSet, key, Flags({}, {CKA_WRAP})), CKR_OK);
  EXPECT_EQ(ChangeRv(How::kSet, key, Flags({CKA_WRAP})), CKR_OK);
}

TEST(StrictRoles, OtherUsesMayBeAddedLater) {
  const AttributeSet key = Generated(Flags({}, {CKA_VERIFY, CKA_DERIVE}));
  EXPECT_EQ(ChangeRv(How::kSet, key, Flags({CKA_VERIFY, CKA_DERIVE})), CKR_OK);
}

// GMACs have blocks of the key stream of what such a key has wrapped.
TEST(StrictRoles, AesKey_GetsNoSignLater) {
  const AttributeSet key = Generated(Flags({CKA_WRAP}));
  EXPECT_EQ(ChangeRv(How::kSet, key, Flags({CKA_SIGN})),
            CKR_ATTRIBUTE_READ_ONLY);
}

TEST(StrictRoles, LegacyProfileAllowsThem) {
  EXPECT_EQ(ChangeRv(How::kSet, Generated(), Flags({CKA_WRAP}), false), CKR_OK);
}

TEST(StrictCopy, OnlyTightensUsage) {
  const AttributeSet key = Generated(Flags({}, {CKA_SIGN}));
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({CKA_SIGN})),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({CKA_DERIVE})),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({}, {CKA_ENCRYPT})), CKR_OK);
}

TEST(StrictCopy, StaysPrivateAndUnmodifiable) {
  const AttributeSet key = Generated(Flags({}, {CKA_MODIFIABLE}));
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({CKA_MODIFIABLE})),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({}, {CKA_PRIVATE})),
            CKR_ATTRIBUTE_READ_ONLY);
}

TEST(StrictCopy, FootnotesHoldInTheLegacyProfileToo) {
  const AttributeSet key = Generated();
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({}, {CKA_SENSITIVE}), false),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(ChangeRv(How::kCopy, key, Flags({CKA_EXTRACTABLE}), false),
            CKR_ATTRIBUTE_READ_ONLY);
}

// ---- Strict rule 4: unwrap ----

TEST(Unwrap, DefaultsAndHistory) {
  const AttributeSet key = Unwrapped(Generated(Flags({CKA_UNWRAP})), {});
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), true);
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), true);
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), false);
  EXPECT_EQ(key.Bool(CKA_NEVER_EXTRACTABLE), false);
  EXPECT_EQ(key.Bool(CKA_LOCAL), false);
}

TEST(Unwrap, WithSensitiveFalse_StaysSensitive) {
  const AttributeSet kek = Generated(Flags({CKA_UNWRAP}));
  EXPECT_EQ(Unwrapped(kek, Flags({}, {CKA_SENSITIVE})).Bool(CKA_SENSITIVE),
            true);
}

TEST(Unwrap, WithAReadableKey_TheTemplateDecides) {
  const AttributeSet kek =
      Generated(Flags({CKA_UNWRAP, CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
  EXPECT_EQ(Unwrapped(kek, Flags({}, {CKA_SENSITIVE})).Bool(CKA_SENSITIVE),
            false);
}

TEST(Unwrap, LegacyProfile_TheTemplateDecides) {
  const AttributeSet kek = Generated(Flags({CKA_UNWRAP}));
  EXPECT_EQ(
      Unwrapped(kek, Flags({}, {CKA_SENSITIVE}), false).Bool(CKA_SENSITIVE),
      false);
}

TEST(Unwrap, UnwrapTemplateOfAUser_CannotWeaken) {
  AttributeSet flags = Flags({CKA_UNWRAP});
  flags.SetNested(CKA_UNWRAP_TEMPLATE, Flags({}, {CKA_SENSITIVE}));
  EXPECT_EQ(Unwrapped(Generated(flags), {}).Bool(CKA_SENSITIVE), true);
}

TEST(Unwrap, UnwrapTemplateOfATrustedKey_Decides) {
  AttributeSet kek = Generated(Flags({CKA_UNWRAP}));
  kek.SetBool(CKA_TRUSTED, true);
  kek.SetNested(CKA_UNWRAP_TEMPLATE, Flags({}, {CKA_SENSITIVE}));
  EXPECT_EQ(Unwrapped(kek, {}).Bool(CKA_SENSITIVE), false);
}

TEST(Unwrap, ByATrustedKey_LeavesOnlyByATrustedKey) {
  AttributeSet kek = Generated(Flags({CKA_UNWRAP}));
  kek.SetBool(CKA_TRUSTED, true);
  const AttributeSet key = Unwrapped(kek, Flags({}, {CKA_WRAP_WITH_TRUSTED}));
  EXPECT_EQ(key.Bool(CKA_WRAP_WITH_TRUSTED), true);
}

TEST(Unwrap, ByAKeyThatLeavesOnlyByATrustedKey_LeavesOnlyByATrustedKey) {
  const AttributeSet kek =
      Generated(Flags({CKA_UNWRAP, CKA_WRAP_WITH_TRUSTED}));
  const AttributeSet key = Unwrapped(kek, Flags({}, {CKA_WRAP_WITH_TRUSTED}));
  EXPECT_EQ(key.Bool(CKA_WRAP_WITH_TRUSTED), true);
}

TEST(Unwrap, TemplateOfTheKey_IsAdded) {
  AttributeSet flags = Flags({CKA_UNWRAP});
  flags.SetNested(CKA_UNWRAP_TEMPLATE, Flags({CKA_SIGN}, {CKA_EXTRACTABLE}));
  const AttributeSet key = Unwrapped(Generated(flags), {});
  EXPECT_EQ(key.Bool(CKA_SIGN), true);
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), false);
}

TEST(Unwrap, ContradictionToTheTemplate_IsInconsistent) {
  AttributeSet flags = Flags({CKA_UNWRAP});
  flags.SetNested(CKA_UNWRAP_TEMPLATE, Flags({}, {CKA_EXTRACTABLE}));
  const AttributeSet kek = Generated(flags);
  EXPECT_EQ(base::CkRv(Resolve(How::kUnwrap,
                               Secret(CKK_AES, Flags({CKA_EXTRACTABLE})),
                               Context(&kek, CKM_AES_KEY_WRAP))
                           .status()),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(Unwrap, TemplateCannotBringTrust) {
  AttributeSet flags = Flags({CKA_UNWRAP});
  flags.SetNested(CKA_UNWRAP_TEMPLATE, Flags({CKA_TRUSTED}));
  const AttributeSet kek = Generated(flags);
  EXPECT_EQ(base::CkRv(Resolve(How::kUnwrap, Secret(CKK_AES),
                               Context(&kek, CKM_AES_KEY_WRAP))
                           .status()),
            CKR_ATTRIBUTE_READ_ONLY);
}

TEST(Unwrap, OnlyKeysWithAType) {
  const AttributeSet kek = Generated(Flags({CKA_UNWRAP}));
  const ResolveContext context = Context(&kek, CKM_AES_KEY_WRAP);
  AttributeSet untyped;
  untyped.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  EXPECT_EQ(base::CkRv(Resolve(How::kUnwrap, untyped, context).status()),
            CKR_TEMPLATE_INCOMPLETE);
  AttributeSet data;
  data.SetUlong(CKA_CLASS, CKO_DATA);
  EXPECT_EQ(base::CkRv(Resolve(How::kUnwrap, data, context).status()),
            CKR_TEMPLATE_INCONSISTENT);
}

// ---- Strict rule 5: derive ----

TEST(Derive, SecretKeysAreGenericUnlessNamed) {
  const AttributeSet key =
      Derived(Generated(Flags({CKA_DERIVE})), CKM_HKDF_DERIVE, {});
  EXPECT_EQ(key.object_class(), CKO_SECRET_KEY);
  EXPECT_EQ(key.key_type(), CKK_GENERIC_SECRET);
  EXPECT_EQ(key.Bool(CKA_LOCAL), false);
}

TEST(Derive, PartsOfASensitiveKey_StayInside) {
  const AttributeSet parent = Generated(Flags({CKA_DERIVE}));
  const AttributeSet readable = Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE});
  for (CK_MECHANISM_TYPE mechanism :
       {CKM_CONCATENATE_BASE_AND_DATA, CKM_XOR_BASE_AND_DATA,
        CKM_EXTRACT_KEY_FROM_KEY, CKM_SHA256_KEY_DERIVATION,
        CKM_AES_ECB_ENCRYPT_DATA}) {
    const AttributeSet key = Derived(parent, mechanism, readable);
    EXPECT_EQ(key.Bool(CKA_SENSITIVE), true) << mechanism;
    EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), false) << mechanism;
  }
}

TEST(Derive, PartsStayInside_InTheLegacyProfileToo) {
  const AttributeSet parent = Generated(Flags({CKA_DERIVE}));
  const AttributeSet key =
      Derived(parent, CKM_EXTRACT_KEY_FROM_KEY,
              Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE}), false);
  EXPECT_TRUE(HidesValue(key));
}

TEST(Derive, PartsOfAReadableKey_TheTemplateDecides) {
  const AttributeSet parent =
      Generated(Flags({CKA_DERIVE, CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
  const AttributeSet key = Derived(parent, CKM_XOR_BASE_AND_DATA,
                                   Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
  EXPECT_FALSE(HidesValue(key));
}

TEST(Derive, SecondKeyCountsToo) {
  const AttributeSet readable =
      Generated(Flags({CKA_DERIVE, CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
  const AttributeSet hidden = Generated();
  ResolveContext context = Context(&readable, CKM_CONCATENATE_BASE_AND_KEY);
  context.other_parent = &hidden;
  const AttributeSet key =
      Resolve(How::kDerive, Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE}), context)
          .value();
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), true);
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), false);
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), false);
}

TEST(Derive, AgreementMayGiveAReadableSecret) {
  const AttributeSet parent = Generated(Flags({CKA_DERIVE}));
  const AttributeSet key = Derived(parent, CKM_ECDH1_DERIVE,
                                   Flags({CKA_EXTRACTABLE}, {CKA_SENSITIVE}));
  EXPECT_FALSE(HidesValue(key));
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), false);
  EXPECT_EQ(key.Bool(CKA_NEVER_EXTRACTABLE), false);
}

TEST(Derive, SilentTemplate_GivesAHiddenKeyWithHistory) {
  const AttributeSet parent = Generated(Flags({CKA_DERIVE}));
  const AttributeSet key = Derived(parent, CKM_ECDH1_DERIVE, {});
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), true);
  EXPECT_EQ(key.Bool(CKA_NEVER_EXTRACTABLE), true);
}

TEST(Derive, DeriveTemplate_IsEnforced) {
  AttributeSet flags = Flags({CKA_DERIVE});
  flags.SetNested(CKA_DERIVE_TEMPLATE, Flags({CKA_SENSITIVE}));
  const AttributeSet parent = Generated(flags);
  EXPECT_EQ(base::CkRv(Resolve(How::kDerive, Flags({}, {CKA_SENSITIVE}),
                               Context(&parent, CKM_ECDH1_DERIVE))
                           .status()),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(Derive, ValueInTheTemplate_IsReadOnly) {
  const AttributeSet parent = Generated(Flags({CKA_DERIVE}));
  AttributeSet input;
  input.Set(CKA_VALUE, Bytes(16, 1));
  EXPECT_EQ(
      base::CkRv(Resolve(How::kDerive, input, Context(&parent, CKM_HKDF_DERIVE))
                     .status()),
      CKR_ATTRIBUTE_READ_ONLY);
}

// ---- Encapsulation ----

TEST(Encapsulate, SharedSecret_HasNoHistoryAndIsExtractable) {
  const AttributeSet parent = Generated();
  const AttributeSet key =
      Resolve(How::kEncapsulate, Flags({}, {CKA_SENSITIVE}),
              Context(&parent, CKM_ML_KEM))
          .value();
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), false);
  EXPECT_EQ(key.Bool(CKA_EXTRACTABLE), true);
  EXPECT_EQ(key.Bool(CKA_ALWAYS_SENSITIVE), false);
}

// Decapsulating with RSA is unwrapping under another name.
TEST(Encapsulate, WithAnEncryptionMechanism_InheritsLikeUnwrapping) {
  const AttributeSet parent = Generated();
  const AttributeSet key =
      Resolve(How::kEncapsulate, Flags({}, {CKA_SENSITIVE}),
              Context(&parent, CKM_RSA_PKCS_OAEP))
          .value();
  EXPECT_EQ(key.Bool(CKA_SENSITIVE), true);
}

}  // namespace
}  // namespace hsm
