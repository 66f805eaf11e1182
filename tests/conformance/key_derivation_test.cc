// Keys from secret keys by joining, cutting and HKDF, and from passwords.
// Answers are those of RFC 5869, 6070 and 7914.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class KeyDerivationTest : public TokenTest {
 protected:
  static Template Base(const Bytes& value) {
    return GenericSecret(value).Bool(CKA_DERIVE, true);
  }
  static Template Hidden(const Bytes& value) {
    return Base(value).Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false);
  }
  // Hidden, and made here.
  CK_OBJECT_HANDLE NewHidden(CK_ULONG size) {
    return Generate(CKM_GENERIC_SECRET_KEY_GEN,
                    NewSecret(size)
                        .Bool(CKA_DERIVE, true)
                        .Bool(CKA_SENSITIVE, true)
                        .Bool(CKA_EXTRACTABLE, false));
  }
  static Template Secret(CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, type)
        .Bool(CKA_TOKEN, false);
  }
  // A generic secret that may be read; of `size` bytes unless that is 0.
  static Template Open(CK_ULONG size) {
    Template t = Template()
                     .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                     .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                     .Bool(CKA_TOKEN, false)
                     .Bool(CKA_SENSITIVE, false)
                     .Bool(CKA_EXTRACTABLE, true);
    return size == 0 ? t : t.Ulong(CKA_VALUE_LEN, size);
  }
  CK_RV Derive(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
               const Template& t, CK_OBJECT_HANDLE* key = nullptr) {
    CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
    return p11().C_DeriveKey(session_, mechanism.get(), base, t.data(),
                             t.size(), key == nullptr ? &unused : key);
  }
  Bytes Value(const Mechanism& mechanism, const Bytes& base, CK_ULONG size) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_OK(Derive(mechanism, Create(Base(base)), Open(size), &key));
    return Get(key, CKA_VALUE);
  }
  Mechanism WithData(CK_MECHANISM_TYPE type, const Bytes& data) {
    data_ = data;
    return Mechanism(type,
                     CK_KEY_DERIVATION_STRING_DATA{data_.data(), data_.size()});
  }
  Mechanism Hkdf(bool extract, bool expand, const Bytes& salt,
                 const Bytes& info, CK_MECHANISM_TYPE type = CKM_HKDF_DERIVE) {
    salt_ = salt;
    data_ = info;
    CK_HKDF_PARAMS parameters = {};
    parameters.bExtract = extract;
    parameters.bExpand = expand;
    parameters.prfHashMechanism = CKM_SHA256;
    parameters.ulSaltType =
        salt_.empty() ? CKF_HKDF_SALT_NULL : CKF_HKDF_SALT_DATA;
    parameters.pSalt = salt_.data();
    parameters.ulSaltLen = salt_.size();
    parameters.pInfo = data_.data();
    parameters.ulInfoLen = data_.size();
    return Mechanism(type, parameters);
  }

  Bytes data_, salt_;
};

TEST_F(KeyDerivationTest, Hkdf_KnownAnswers) {
  NEEDS_MECHANISM(CKM_HKDF_DERIVE);
  const Bytes key(22, 0x0b);
  const Bytes salt = FromHex("000102030405060708090a0b0c");
  const Bytes info = FromHex("f0f1f2f3f4f5f6f7f8f9");
  const Bytes extracted = FromHex(
      "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  const Bytes expanded = FromHex(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208"
      "d5b887185865");
  EXPECT_EQ(Value(Hkdf(true, false, salt, {}), key, 0), extracted);
  EXPECT_EQ(Value(Hkdf(false, true, {}, info), extracted, 42), expanded);
  EXPECT_EQ(Value(Hkdf(true, true, salt, info), key, 42), expanded);
  EXPECT_EQ(
      Value(Hkdf(true, true, {}, {}), key, 42),
      FromHex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
              "9d201395faa4b61a96c8"));
}

TEST_F(KeyDerivationTest, Hkdf_SaltFromAKey) {
  NEEDS_MECHANISM(CKM_HKDF_DERIVE);
  Mechanism mechanism = Hkdf(true, false, {}, {});
  auto* parameters = static_cast<CK_HKDF_PARAMS*>(mechanism.get()->pParameter);
  parameters->ulSaltType = CKF_HKDF_SALT_KEY;
  parameters->hSaltKey = Create(Base(FromHex("000102030405060708090a0b0c")));
  EXPECT_EQ(
      Value(mechanism, Bytes(22, 0x0b), 0),
      FromHex(
          "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
  parameters->hSaltKey = kStaleHandle;
  EXPECT_RV(Derive(mechanism, Create(Base(Bytes(22, 0x0b))), Open(0)),
            CKR_KEY_HANDLE_INVALID);
}

TEST_F(KeyDerivationTest, Hkdf_BadParameters) {
  NEEDS_MECHANISM(CKM_HKDF_DERIVE);
  const CK_OBJECT_HANDLE base = Create(Base(Pattern(32)));
  EXPECT_RV(Derive(Hkdf(false, false, {}, {}), base, Open(16)),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_RV(Derive(Mechanism(CKM_HKDF_DERIVE), base, Open(16)),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_RV(Derive(Hkdf(true, true, {}, {}), base, Open(0)),
            CKR_TEMPLATE_INCOMPLETE);
  EXPECT_RV(Derive(Hkdf(true, true, {}, {}), base, Open(255 * 32 + 1)),
            CKR_KEY_SIZE_RANGE);
}

// RFC 5869, test case 1, as a data object.
TEST_F(KeyDerivationTest, HkdfData_IsADataObject) {
  NEEDS_MECHANISM(CKM_HKDF_DATA);
  const Bytes extracted = FromHex(
      "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  const Bytes info = FromHex("f0f1f2f3f4f5f6f7f8f9");
  const Mechanism expand = Hkdf(false, true, {}, info, CKM_HKDF_DATA);
  const Template data = Template().Bool(CKA_TOKEN, false);
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(
      expand, Create(Base(extracted)),
      Template(data).Ulong(CKA_VALUE_LEN, 42).Text(CKA_LABEL, "iv"), &object));
  EXPECT_EQ(GetUlong(object, CKA_CLASS), CK_ULONG{CKO_DATA});
  EXPECT_EQ(Get(object, CKA_LABEL), FromText("iv"));
  EXPECT_EQ(
      Get(object, CKA_VALUE),
      FromHex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
              "34007208d5b887185865"));
  // Extraction alone has one length.
  const Bytes salt = FromHex("000102030405060708090a0b0c");
  ASSERT_OK(Derive(Hkdf(true, false, salt, {}, CKM_HKDF_DATA),
                   Create(Base(Bytes(22, 0x0b))),
                   Template(data).Ulong(CKA_CLASS, CKO_DATA), &object));
  EXPECT_EQ(Get(object, CKA_VALUE), extracted);
}

TEST_F(KeyDerivationTest, HkdfData_OfHiddenKeys_IsRefused) {
  NEEDS_PERIGEE();
  const Template data =
      Template().Bool(CKA_TOKEN, false).Ulong(CKA_VALUE_LEN, 16);
  const Mechanism expand =
      Hkdf(true, true, {}, FromText("info"), CKM_HKDF_DATA);
  const CK_OBJECT_HANDLE open = Create(Base(Pattern(32)));
  for (const bool sensitive : {true, false}) {
    EXPECT_RV(Derive(expand,
                     Create(Base(Pattern(32))
                                .Bool(CKA_SENSITIVE, sensitive)
                                .Bool(CKA_EXTRACTABLE, sensitive)),
                     data),
              CKR_KEY_FUNCTION_NOT_PERMITTED);
  }
  // A hidden salt is a second key.
  Mechanism salted = expand;
  auto* parameters = static_cast<CK_HKDF_PARAMS*>(salted.get()->pParameter);
  parameters->ulSaltType = CKF_HKDF_SALT_KEY;
  parameters->hSaltKey = Create(Hidden(Pattern(32)));
  EXPECT_RV(Derive(salted, open, data), CKR_KEY_FUNCTION_NOT_PERMITTED);
  parameters->hSaltKey = Create(Base(Pattern(32)));
  EXPECT_OK(Derive(salted, open, data));
  EXPECT_RV(Derive(expand, open, Template(data).Set(CKA_VALUE, Bytes(16))),
            CKR_TEMPLATE_INCONSISTENT);
  EXPECT_RV(Derive(expand, open, Template(data).Without(CKA_VALUE_LEN)),
            CKR_TEMPLATE_INCOMPLETE);
  EXPECT_RV(Derive(expand, open, Template(data).Ulong(CKA_KEY_TYPE, CKK_AES)),
            CKR_TEMPLATE_INCONSISTENT);
  for (const CK_OBJECT_CLASS other :
       {CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_CERTIFICATE}) {
    EXPECT_RV(Derive(expand, open, Template(data).Ulong(CKA_CLASS, other)),
              CKR_TEMPLATE_INCONSISTENT);
  }
}

TEST_F(KeyDerivationTest, JoinedAndCut) {
  NEEDS_MECHANISM(CKM_CONCATENATE_BASE_AND_DATA);
  const Bytes key = FromHex("0123456789abcdef");
  EXPECT_EQ(
      Value(WithData(CKM_CONCATENATE_BASE_AND_DATA, FromHex("ff00")), key, 0),
      FromHex("0123456789abcdefff00"));
  EXPECT_EQ(
      Value(WithData(CKM_CONCATENATE_DATA_AND_BASE, FromHex("ff00")), key, 4),
      FromHex("ff000123"));
  CK_OBJECT_HANDLE other = Create(Base(FromHex("aabb")));
  EXPECT_EQ(Value(Mechanism(CKM_CONCATENATE_BASE_AND_KEY, other), key, 0),
            FromHex("0123456789abcdefaabb"));
  if (!IsPerigee()) return;
  EXPECT_EQ(Value(WithData(CKM_XOR_BASE_AND_DATA, FromHex("ffff")), key, 0),
            FromHex("fedc"));
  // PKCS#11 3.2, 6.43.7: bit 21 of 329F84A9.
  EXPECT_EQ(Value(Mechanism(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{21}),
                  FromHex("329f84a9"), 2),
            FromHex("9526"));
  EXPECT_RV(Derive(Mechanism(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{64}),
                   Create(Base(key)), Open(2)),
            CKR_MECHANISM_PARAM_INVALID);
}

// Part by part a hidden key could be found by trying.
TEST_F(KeyDerivationTest, ShortPartsOfHiddenKeys_AreRefused) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = NewHidden(32);
  const Template hidden = Secret();
  const auto sized = [&](CK_ULONG size) {
    return Template(hidden).Ulong(CKA_VALUE_LEN, size);
  };
  EXPECT_RV(Derive(Mechanism(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{8}),
                   base, sized(1)),
            CKR_KEY_SIZE_RANGE);
  EXPECT_RV(Derive(WithData(CKM_CONCATENATE_DATA_AND_BASE, Bytes(31)), base,
                   sized(32)),
            CKR_KEY_SIZE_RANGE);
  EXPECT_RV(Derive(WithData(CKM_XOR_BASE_AND_DATA, Bytes(2)), base, sized(2)),
            CKR_KEY_SIZE_RANGE);
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  EXPECT_OK(Derive(Mechanism(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{8}),
                   base, sized(16), &key));
  EXPECT_TRUE(GetBool(key, CKA_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
}

// Of a key that was joined with known bytes a part of 14 bytes can have 13
// known ones.
TEST_F(KeyDerivationTest, JoinedHiddenKeys_AreNotCut) {
  NEEDS_PERIGEE();
  CK_OBJECT_HANDLE joined = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(WithData(CKM_CONCATENATE_BASE_AND_DATA, Bytes(16)),
                   NewHidden(16), Secret().Bool(CKA_DERIVE, true), &joined));
  const Template part = Secret().Ulong(CKA_VALUE_LEN, 14);
  EXPECT_RV(Derive(Mechanism(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{120}),
                   joined, part),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
  EXPECT_RV(
      Derive(WithData(CKM_CONCATENATE_BASE_AND_DATA, Bytes(1)), joined, part),
      CKR_KEY_FUNCTION_NOT_PERMITTED);
  EXPECT_RV(Derive(WithData(CKM_XOR_BASE_AND_DATA, Bytes(32)), joined,
                   Secret().Ulong(CKA_VALUE_LEN, 32)),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
  // Joining goes on.
  EXPECT_OK(Derive(WithData(CKM_CONCATENATE_DATA_AND_BASE, Bytes(4)), joined,
                   Secret()));
  EXPECT_OK(Derive(Hkdf(true, true, {}, {}), joined, Open(32)));
}

TEST_F(KeyDerivationTest, HiddenSecondKey_ComesOutWhole) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE known = Create(Base(Bytes(13)));
  const Mechanism join(CKM_CONCATENATE_BASE_AND_KEY, NewHidden(16));
  EXPECT_RV(Derive(join, known, Secret().Ulong(CKA_VALUE_LEN, 14)),
            CKR_KEY_SIZE_RANGE);
  EXPECT_OK(Derive(join, known, Secret().Ulong(CKA_VALUE_LEN, 29)));
}

TEST_F(KeyDerivationTest, SecondKey_HasToAllowTheMechanism) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE other =
      Create(Base(Pattern(16)).Mechanisms({CKM_HKDF_DERIVE}));
  EXPECT_RV(Derive(Mechanism(CKM_CONCATENATE_BASE_AND_KEY, other),
                   Create(Base(Pattern(16))), Secret()),
            CKR_MECHANISM_INVALID);
}

// Two tags under such a key tell it.
TEST_F(KeyDerivationTest, HiddenKeyAsPoly1305Key_DoesNotSign) {
  NEEDS_PERIGEE();
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(
      WithData(CKM_XOR_BASE_AND_DATA, Bytes(32)), NewHidden(32),
      Secret(CKK_POLY1305).Bool(CKA_SIGN, true).Mechanisms({CKM_POLY1305}),
      &key));
  EXPECT_RV(p11().C_SignInit(session_, Mechanism(CKM_POLY1305).get(), key),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
}

// Byte by byte the check values would tell the digest, and so what HMAC uses
// in the place of a long key.
TEST_F(KeyDerivationTest, ShortDigestsOfHiddenKeys_AreRefused) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = NewHidden(100);
  for (const CK_MECHANISM_TYPE type :
       {CKM_SHA256_KEY_DERIVATION, CKM_SHAKE_128_KEY_DERIVATION}) {
    EXPECT_RV(Derive(Mechanism(type), base, Secret().Ulong(CKA_VALUE_LEN, 1)),
              CKR_KEY_SIZE_RANGE);
    EXPECT_OK(Derive(Mechanism(type), base, Secret().Ulong(CKA_VALUE_LEN, 16)));
  }
}

// What a key asks of all that is derived from it holds where it is the second.
TEST_F(KeyDerivationTest, TemplateOfTheSecondKey_IsFollowed) {
  NEEDS_PERIGEE();
  const Template asks =
      Template().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false);
  Mechanism salted = Hkdf(true, true, {}, {});
  auto* parameters = static_cast<CK_HKDF_PARAMS*>(salted.get()->pParameter);
  parameters->ulSaltType = CKF_HKDF_SALT_KEY;
  parameters->hSaltKey =
      Create(Base(Pattern(32)).Nested(CKA_DERIVE_TEMPLATE, asks));
  const CK_OBJECT_HANDLE known = Create(Base(Pattern(8)));
  EXPECT_RV(Derive(salted, known, Open(32)), CKR_TEMPLATE_INCONSISTENT);
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(salted, known, Secret().Ulong(CKA_VALUE_LEN, 32), &key));
  EXPECT_TRUE(GetBool(key, CKA_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
}

// Wrapped by AES-KW and unwrapped with the padding of PKCS #7, such keys would
// tell the last eight bytes of the base key in about a thousand tries.
TEST_F(KeyDerivationTest, HiddenKeyInDisguise_IsNotExtractable) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base =
      Generate(CKM_GENERIC_SECRET_KEY_GEN, NewSecret(16)
                                               .Bool(CKA_DERIVE, true)
                                               .Bool(CKA_SENSITIVE, true)
                                               .Bool(CKA_EXTRACTABLE, true));
  for (const Mechanism& mechanism :
       {WithData(CKM_XOR_BASE_AND_DATA, Bytes(16)),
        Mechanism(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{8})}) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    ASSERT_OK(Derive(
        mechanism, base,
        Secret().Ulong(CKA_VALUE_LEN, 16).Bool(CKA_EXTRACTABLE, true), &key));
    EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
  }
}

// Known and hidden parts: two keys of 56 bits that are found one by one.
TEST_F(KeyDerivationTest, HiddenKey_IsNotJoinedIntoADesKey) {
  NEEDS_PERIGEE();
  EXPECT_RV(Derive(WithData(CKM_CONCATENATE_DATA_AND_BASE, Bytes(8)),
                   NewHidden(16), Secret(CKK_DES3)),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(KeyDerivationTest, WrapWithTrusted_GoesAlong) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Generate(
      CKM_GENERIC_SECRET_KEY_GEN, NewSecret(32)
                                      .Bool(CKA_DERIVE, true)
                                      .Bool(CKA_SENSITIVE, true)
                                      .Bool(CKA_EXTRACTABLE, true)
                                      .Bool(CKA_WRAP_WITH_TRUSTED, true));
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(WithData(CKM_XOR_BASE_AND_DATA, Bytes(32)), base,
                   Secret().Bool(CKA_WRAP_WITH_TRUSTED, false), &key));
  EXPECT_TRUE(GetBool(key, CKA_WRAP_WITH_TRUSTED));
}

TEST_F(KeyDerivationTest, Pbkdf2_KnownAnswersInBothLayouts) {
  NEEDS_MECHANISM(CKM_PKCS5_PBKD2);
  struct Answer {
    CK_ULONG prf, iterations;
    const char *password, *key;
  };
  constexpr Answer kAnswers[] = {
      {CKP_PKCS5_PBKD2_HMAC_SHA1, 1, "password",
       "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
      {CKP_PKCS5_PBKD2_HMAC_SHA1, 4096, "password",
       "4b007901b765489abead49d926f721d065a429c1"},
      {CKP_PKCS5_PBKD2_HMAC_SHA256, 1, "passwd",
       "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
  };
  for (const Answer& each : kAnswers) {
    Bytes salt = FromText("salt"), password = FromText(each.password);
    CK_PKCS5_PBKD2_PARAMS2 now = {
        CKZ_SALT_SPECIFIED, salt.data(), salt.size(), each.iterations,
        each.prf,           nullptr,     0,           password.data(),
        password.size()};
    CK_ULONG size = password.size();
    CK_PKCS5_PBKD2_PARAMS before = {CKZ_SALT_SPECIFIED,
                                    salt.data(),
                                    salt.size(),
                                    each.iterations,
                                    each.prf,
                                    nullptr,
                                    0,
                                    password.data(),
                                    &size};
    const Bytes expected = FromHex(each.key);
    for (const Mechanism& mechanism : {Mechanism(CKM_PKCS5_PBKD2, now),
                                       Mechanism(CKM_PKCS5_PBKD2, before)}) {
      const Template t = Open(expected.size());
      CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
      ASSERT_OK(p11().C_GenerateKey(session_, mechanism.get(), t.data(),
                                    t.size(), &key));
      EXPECT_EQ(Get(key, CKA_VALUE), expected);
    }
  }
}

}  // namespace
}  // namespace conformance
