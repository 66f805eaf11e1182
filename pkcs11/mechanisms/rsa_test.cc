// RSA: generation, the three padding families, and their refusals.
#include "pkcs11/key_use.h"
#include "pkcs11/mechanisms/implicit_rejection.h"
#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

const Bytes kMessage = Counting(100);
constexpr size_t kSize = 256;

CK_RSA_PKCS_PSS_PARAMS Pss(CK_ULONG salt = 32) {
  return {CKM_SHA256, CKG_MGF1_SHA256, salt};
}

CK_RSA_PKCS_OAEP_PARAMS Oaep(CK_MECHANISM_TYPE hash, CK_ULONG mgf) {
  return {hash, mgf, CKZ_DATA_SPECIFIED, nullptr, 0};
}

CK_RV GenerateRv(CK_ULONG bits, Bytes exponent) {
  hsm::AttributeSet attributes;
  attributes.SetUlong(CKA_MODULUS_BITS, bits);
  attributes.Set(CKA_PUBLIC_EXPONENT, exponent);
  const Mechanism& row = RowFor(CKM_RSA_PKCS_KEY_PAIR_GEN);
  return RvOf(row.generate_pair({row, nullptr, nullptr}, attributes, {}));
}

// --- generation -------------------------------------------------------------

TEST(RsaGenerationTest, MakesACompletePair) {
  const hsm::AttributeSet& key = RsaPair().private_key->attributes();
  EXPECT_EQ(KeySizeOf(key), 2048u);
  EXPECT_EQ(KeySizeOf(RsaPair().public_key->attributes()), 2048u);
  const auto added = CompleteKeyMaterial(key);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_TRUE(key.Matches(*added));
}

TEST(RsaGenerationTest, WithoutModulusBits_IsIncomplete) {
  const Mechanism& row = RowFor(CKM_RSA_PKCS_KEY_PAIR_GEN);
  EXPECT_EQ(RvOf(row.generate_pair({row, nullptr, nullptr}, {}, {})),
            CKR_TEMPLATE_INCOMPLETE);
}

TEST(RsaGenerationTest, RefusesSizes) {
  EXPECT_EQ(GenerateRv(1024, {1, 0, 1}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(2049, {1, 0, 1}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(16384, {1, 0, 1}), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(RsaGenerationTest, RefusesExponents) {
  EXPECT_EQ(GenerateRv(2048, {3}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(2048, {0, 0, 3}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(2048, {1, 0, 2}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(2048, {0xff, 0xff}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(2048, {}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(GenerateRv(2048, {1, 0, 0, 0, 0, 0, 0, 0, 1}),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

// --- signatures -------------------------------------------------------------

class RsaHashTest : public testing::TestWithParam<CK_MECHANISM_TYPE> {};

TEST_P(RsaHashTest, SignsInPartsAsInOne) {
  const Job signer(GetParam(), RsaPair().private_key);
  const Job verifier(GetParam(), RsaPair().public_key);
  const auto whole = signer.Sign(kMessage);
  ASSERT_TRUE(whole.ok()) << whole.status();
  auto parts = signer.row().sign(signer.use());
  ASSERT_TRUE((*parts)->Update(ByteSpan(kMessage).subspan(0, 33)).ok());
  ASSERT_TRUE((*parts)->Update(ByteSpan(kMessage).subspan(33)).ok());
  Bytes made((*parts)->size());
  ASSERT_TRUE((*parts)->Final(absl::MakeSpan(made)).ok());
  EXPECT_EQ(*whole, made);
  EXPECT_TRUE(verifier.Verify(kMessage, made).ok());
}

INSTANTIATE_TEST_SUITE_P(All, RsaHashTest,
                         testing::Values(CKM_SHA224_RSA_PKCS,
                                         CKM_SHA256_RSA_PKCS,
                                         CKM_SHA384_RSA_PKCS,
                                         CKM_SHA512_RSA_PKCS));

TEST(RsaPkcsTest, HasNoParts) {
  const Job job(CKM_RSA_PKCS, RsaPair().private_key);
  auto signer = job.row().sign(job.use());
  EXPECT_EQ(RvOf((*signer)->Update(kMessage)), CKR_FUNCTION_NOT_SUPPORTED);
  auto cipher = job.row().decrypt(job.use());
  EXPECT_EQ(RvOf((*cipher)->Update(kMessage, {})), CKR_FUNCTION_NOT_SUPPORTED);
}

TEST(RsaPkcsTest, SignsUpToElevenBytesLessThanTheModulus) {
  const Job job(CKM_RSA_PKCS, RsaPair().private_key);
  EXPECT_TRUE(job.Sign(Counting(kSize - 11)).ok());
  EXPECT_EQ(RvOf(job.Sign(Counting(kSize - 10))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Sign({})), CKR_DATA_LEN_RANGE);
}

TEST(RsaPkcsTest, TellsWrongSignaturesFromWrongLengths) {
  const Job job(CKM_SHA256_RSA_PKCS, RsaPair().public_key);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(kSize, 1))), CKR_SIGNATURE_INVALID);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(kSize - 1, 1))),
            CKR_SIGNATURE_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(kSize + 1, 1))),
            CKR_SIGNATURE_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Verify(kMessage, {})), CKR_SIGNATURE_LEN_RANGE);
}

TEST(RsaPkcsTest, TakesNoParameter) {
  EXPECT_EQ(ParseRv(CKM_SHA256_RSA_PKCS, Pss()), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_SHA256_RSA_PKCS, nullptr, 0), CKR_OK);
}

TEST(RsaPssTest, SignsWithManySaltLengths) {
  for (const CK_ULONG salt : {0, 20, 32, 222}) {
    SCOPED_TRACE(salt);
    const Job signer(CKM_SHA256_RSA_PKCS_PSS, RsaPair().private_key, Pss(salt));
    const Job verifier(CKM_SHA256_RSA_PKCS_PSS, RsaPair().public_key,
                       Pss(salt));
    const auto signature = signer.Sign(kMessage);
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_TRUE(verifier.Verify(kMessage, *signature).ok());
    const Job other(CKM_SHA256_RSA_PKCS_PSS, RsaPair().public_key,
                    Pss(salt + 1 > 222 ? 1 : salt + 1));
    EXPECT_EQ(RvOf(other.Verify(kMessage, *signature)), CKR_SIGNATURE_INVALID);
  }
}

TEST(RsaPssTest, RefusesASaltTooLongForTheKey) {
  const Job job(CKM_SHA256_RSA_PKCS_PSS, RsaPair().private_key, Pss(223));
  EXPECT_EQ(RvOf(job.Sign(kMessage)), CKR_MECHANISM_PARAM_INVALID);
}

TEST(RsaPssTest, TakesADigestOfTheHashsLengthOnly) {
  const Job job(CKM_RSA_PKCS_PSS, RsaPair().private_key, Pss());
  EXPECT_TRUE(job.Sign(Counting(32)).ok());
  EXPECT_EQ(RvOf(job.Sign(Counting(31))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Sign(Counting(33))), CKR_DATA_LEN_RANGE);
}

TEST(RsaPssTest, TakesAMaskFunctionWithAnotherHash) {
  const CK_RSA_PKCS_PSS_PARAMS parameters = {CKM_SHA256, CKG_MGF1_SHA1, 32};
  const Job signer(CKM_SHA256_RSA_PKCS_PSS, RsaPair().private_key, parameters);
  const Job verifier(CKM_SHA256_RSA_PKCS_PSS, RsaPair().public_key, parameters);
  const Job usual(CKM_SHA256_RSA_PKCS_PSS, RsaPair().public_key, Pss());
  const auto signature = signer.Sign(kMessage);
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_TRUE(verifier.Verify(kMessage, *signature).ok());
  EXPECT_EQ(RvOf(usual.Verify(kMessage, *signature)), CKR_SIGNATURE_INVALID);
}

TEST(RsaPssTest, RefusesParameters) {
  using Params = CK_RSA_PKCS_PSS_PARAMS;
  EXPECT_EQ(ParseRv(CKM_SHA384_RSA_PKCS_PSS, Pss()),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_PSS, Params{CKM_AES_CBC, 2, 32}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_PSS, Params{CKM_SHA256, 99, 32}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_PSS, Pss(~CK_ULONG{0})),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_PSS, nullptr, 0), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_PSS, nullptr, sizeof(Params)),
            CKR_MECHANISM_PARAM_INVALID);
  Params given = Pss();
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_PSS, &given, sizeof(given) - 1),
            CKR_MECHANISM_PARAM_INVALID);
}

// --- encryption -------------------------------------------------------------

TEST(RsaPkcsTest, DecryptsWhatItEncrypted) {
  const Job encrypter(CKM_RSA_PKCS, RsaPair().public_key);
  const Job decrypter(CKM_RSA_PKCS, RsaPair().private_key);
  for (const size_t size : {0, 1, 16, 245}) {
    const auto sealed = encrypter.Encrypt(Counting(size));
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    EXPECT_EQ(*decrypter.Decrypt(*sealed), Counting(size));
  }
  EXPECT_EQ(RvOf(encrypter.Encrypt(Counting(246))), CKR_DATA_LEN_RANGE);
}

TEST(RsaPkcsTest, WrongPadding_GivesAMessageThatFollowsFromTheCiphertext) {
  const Job decrypter(CKM_RSA_PKCS, RsaPair().private_key);
  size_t different = 0;
  for (uint8_t i = 1; i <= 20; ++i) {
    const Bytes junk(kSize, i);
    const auto first = decrypter.Decrypt(junk);
    if (!first.ok()) {  // not below the modulus
      EXPECT_EQ(RvOf(first), CKR_ENCRYPTED_DATA_INVALID);
      continue;
    }
    EXPECT_EQ(*first, *decrypter.Decrypt(junk));
    EXPECT_LE(first->size(), kSize - 11);
    if (*first != *decrypter.Decrypt(Bytes(kSize, i + 1))) ++different;
  }
  EXPECT_GE(different, 18u);
}

TEST(RsaPkcsTest, DecryptionTellsOnlyLengths) {
  const Job decrypter(CKM_RSA_PKCS, RsaPair().private_key);
  EXPECT_EQ(RvOf(decrypter.Decrypt(Bytes(kSize - 1))),
            CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(decrypter.Decrypt(Bytes(kSize + 1))),
            CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(decrypter.Decrypt(Bytes(kSize, 0xff))),
            CKR_ENCRYPTED_DATA_INVALID);
}

TEST(RsaPkcsTest, WrapsAndUnwraps) {
  const Job wrapper(CKM_RSA_PKCS, RsaPair().public_key);
  const Job unwrapper(CKM_RSA_PKCS, RsaPair().private_key);
  const auto wrapped = wrapper.row().wrap(wrapper.use(), Counting(32));
  ASSERT_TRUE(wrapped.ok()) << wrapped.status();
  const auto plain = unwrapper.row().unwrap(unwrapper.use(), *wrapped);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_TRUE(plain->Equals(Counting(32)));
  EXPECT_EQ(RvOf(wrapper.row().wrap(wrapper.use(), Counting(300))),
            CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(RvOf(unwrapper.row().unwrap(unwrapper.use(), Counting(255))),
            CKR_WRAPPED_KEY_LEN_RANGE);
  EXPECT_EQ(RvOf(unwrapper.row().unwrap(unwrapper.use(), Bytes(kSize, 0xff))),
            CKR_WRAPPED_KEY_INVALID);
}

TEST(RsaOaepTest, DecryptsWhatItEncryptedWithEveryHash) {
  for (const CK_MECHANISM_TYPE hash :
       {CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512}) {
    for (const CK_ULONG mgf : {CKG_MGF1_SHA1, CKG_MGF1_SHA512}) {
      const Job encrypter(CKM_RSA_PKCS_OAEP, RsaPair().public_key,
                          Oaep(hash, mgf));
      const Job decrypter(CKM_RSA_PKCS_OAEP, RsaPair().private_key,
                          Oaep(hash, mgf));
      const auto sealed = encrypter.Encrypt(kMessage);
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      EXPECT_EQ(*decrypter.Decrypt(*sealed), kMessage);
    }
  }
}

TEST(RsaOaepTest, BindsTheLabel) {
  Bytes label = Counting(9);
  CK_RSA_PKCS_OAEP_PARAMS labelled = Oaep(CKM_SHA256, CKG_MGF1_SHA256);
  labelled.pSourceData = label.data();
  labelled.ulSourceDataLen = label.size();
  const Job encrypter(CKM_RSA_PKCS_OAEP, RsaPair().public_key, labelled);
  const Job decrypter(CKM_RSA_PKCS_OAEP, RsaPair().private_key, labelled);
  const Job other(CKM_RSA_PKCS_OAEP, RsaPair().private_key,
                  Oaep(CKM_SHA256, CKG_MGF1_SHA256));
  const auto sealed = encrypter.Encrypt(kMessage);
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_EQ(*decrypter.Decrypt(*sealed), kMessage);
  EXPECT_EQ(RvOf(other.Decrypt(*sealed)), CKR_ENCRYPTED_DATA_INVALID);
  EXPECT_EQ(RvOf(other.row().unwrap(other.use(), *sealed)),
            CKR_WRAPPED_KEY_INVALID);
}

TEST(RsaOaepTest, KnowsItsSizes) {
  const Job job(CKM_RSA_PKCS_OAEP, RsaPair().public_key,
                Oaep(CKM_SHA256, CKG_MGF1_SHA256));
  EXPECT_TRUE(job.Encrypt(Counting(kSize - 66)).ok());
  EXPECT_EQ(RvOf(job.Encrypt(Counting(kSize - 65))), CKR_DATA_LEN_RANGE);
}

TEST(RsaOaepTest, RefusesParameters) {
  using Params = CK_RSA_PKCS_OAEP_PARAMS;
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_OAEP,
                    Params{CKM_SHA256, CKG_MGF1_SHA256, 0, nullptr, 0}),
            CKR_OK);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_OAEP, Oaep(CKM_RSA_PKCS, CKG_MGF1_SHA256)),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_OAEP, Oaep(CKM_SHA256, 0)),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_OAEP,
                    Params{CKM_SHA256, CKG_MGF1_SHA256, 7, nullptr, 0}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_RSA_PKCS_OAEP, Params{CKM_SHA256, CKG_MGF1_SHA256,
                                              CKZ_DATA_SPECIFIED, nullptr, 5}),
            CKR_MECHANISM_PARAM_INVALID);
}

TEST(RsaStrengthTest, SmallKeysOnlyVerify) {
  hsm::AttributeSet small;
  Bytes modulus(128, 0xff);
  small.Set(CKA_MODULUS, modulus);
  small.Set(CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1});
  const hsm::ObjectRef key = NewKey(CKO_PUBLIC_KEY, CKK_RSA, small);
  EXPECT_EQ(RvOf(Job(CKM_SHA256_RSA_PKCS, key).Verify(kMessage, Bytes(128))),
            CKR_SIGNATURE_INVALID);
  hsm::AttributeSet able = key->attributes();
  const auto use = [&](CK_ATTRIBUTE_TYPE usage, const KeyErrors& errors,
                       Profile profile) {
    able.SetBool(usage, true);
    return base::CkRv(
        CheckKeyUse(RowFor(CKM_RSA_PKCS), able, usage, errors, profile));
  };
  EXPECT_EQ(use(CKA_VERIFY, kKeyErrors, Profile::kStrict), CKR_OK);
  EXPECT_EQ(use(CKA_ENCRYPT, kKeyErrors, Profile::kStrict), CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(use(CKA_SIGN, kKeyErrors, Profile::kStrict), CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(use(CKA_WRAP, kWrappingKeyErrors, Profile::kStrict),
            CKR_WRAPPING_KEY_SIZE_RANGE);
  EXPECT_EQ(use(CKA_SIGN, kKeyErrors, Profile::kLegacy), CKR_OK);
}

TEST(RsaOaepTest, EncapsulatesWhatTheOwnerDecapsulates) {
  const CK_RSA_PKCS_OAEP_PARAMS parameters = {CKM_SHA256, CKG_MGF1_SHA256,
                                              CKZ_DATA_SPECIFIED, nullptr, 0};
  const Job sender(CKM_RSA_PKCS_OAEP, RsaPair().public_key, parameters);
  const Job receiver(CKM_RSA_PKCS_OAEP, RsaPair().private_key, parameters);
  const auto sent = sender.row().encapsulate(sender.use(), 32);
  ASSERT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(sent->ciphertext.size(), kSize);
  EXPECT_EQ(sent->secret.size(), 32u);
  const auto received =
      receiver.row().decapsulate(receiver.use(), sent->ciphertext, 32);
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_TRUE(sent->secret.Equals(*received));
  const auto decapsulate = [&](Bytes ciphertext, size_t size) {
    return RvOf(receiver.row().decapsulate(receiver.use(), ciphertext, size));
  };
  EXPECT_EQ(decapsulate(sent->ciphertext, 31), CKR_ENCRYPTED_DATA_INVALID);
  Bytes changed = sent->ciphertext;
  changed[9] ^= 1;
  EXPECT_EQ(decapsulate(changed, 32), CKR_ENCRYPTED_DATA_INVALID);
  EXPECT_EQ(decapsulate(Bytes(9), 32), CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(sender.row().encapsulate(sender.use(), 0)),
            CKR_TEMPLATE_INCOMPLETE);
  EXPECT_EQ(RvOf(sender.row().encapsulate(sender.use(), kSize)),
            CKR_TEMPLATE_INCONSISTENT);
}

// --- the bare function, recovery ---------------------------------------------

hsm::ObjectRef Readable(const hsm::ObjectRef& key) {
  hsm::AttributeSet attributes = key->attributes();
  attributes.SetBool(CKA_SENSITIVE, false);
  attributes.SetBool(CKA_EXTRACTABLE, true);
  return NewKey(CKO_PRIVATE_KEY, CKK_RSA, attributes);
}

TEST(RsaRawTest, SecretKeysMustNameIt) {
  const hsm::ObjectRef& key = RsaPair().private_key;
  EXPECT_EQ(RvOf(Job(CKM_RSA_X_509, key).Sign(kMessage)),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
  EXPECT_EQ(RvOf(Job(CKM_RSA_X_509, key).Decrypt(Bytes(kSize))),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
  hsm::AttributeSet named = key->attributes();
  const CK_MECHANISM_TYPE list[] = {CKM_RSA_PKCS, CKM_RSA_X_509};
  named.Set(CKA_ALLOWED_MECHANISMS,
            ByteSpan(reinterpret_cast<const uint8_t*>(list), sizeof(list)));
  EXPECT_TRUE(Job(CKM_RSA_X_509, NewKey(CKO_PRIVATE_KEY, CKK_RSA, named))
                  .Sign(kMessage)
                  .ok());
  EXPECT_TRUE(Job(CKM_RSA_X_509, Readable(key)).Sign(kMessage).ok());
}

TEST(RsaRawTest, SignsRecoversAndTellsWhatIsWrong) {
  const Job signer(CKM_RSA_X_509, Readable(RsaPair().private_key));
  const Job verifier(CKM_RSA_X_509, RsaPair().public_key);
  const auto signature = signer.Sign(kMessage);
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_TRUE(verifier.Verify(kMessage, *signature).ok());
  EXPECT_EQ(RvOf(verifier.Verify(Counting(3), *signature)),
            CKR_SIGNATURE_INVALID);
  EXPECT_EQ(RvOf(verifier.Verify(kMessage, Bytes(kSize, 0xff))),
            CKR_SIGNATURE_INVALID);
  EXPECT_EQ(RvOf(verifier.Verify(kMessage, Bytes(kSize - 1))),
            CKR_SIGNATURE_LEN_RANGE);
  EXPECT_EQ(RvOf(signer.Sign(Bytes(kSize + 1))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(signer.Sign(Bytes(kSize, 0xff))), CKR_DATA_INVALID);
  EXPECT_EQ(RvOf(signer.Decrypt(Bytes(kSize - 1))),
            CKR_ENCRYPTED_DATA_LEN_RANGE);
  auto recoverer = verifier.row().verify_recover(verifier.use());
  Bytes out(kSize);
  const auto size = (*recoverer)->OneShot(*signature, absl::MakeSpan(out));
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(Bytes(out.end() - kMessage.size(), out.end()), kMessage);
}

TEST(Rsa9796Test, SignsVerifiesAndRecovers) {
  const hsm::ObjectRef key = Readable(RsaPair().private_key);
  EXPECT_EQ(RvOf(Job(CKM_RSA_9796, RsaPair().private_key).Sign(kMessage)),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
  const Job signer(CKM_RSA_9796, key);
  const Job verifier(CKM_RSA_9796, RsaPair().public_key);
  for (const size_t size : {1, 2, 20, 127, 128}) {
    const Bytes message(size, static_cast<uint8_t>(0xa0 + size));
    const auto signature = signer.Sign(message);
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_TRUE(verifier.Verify(message, *signature).ok()) << size;
    auto recoverer = verifier.row().verify_recover(verifier.use());
    Bytes out((*recoverer)->OneShotSize(kSize));
    const auto found = (*recoverer)->OneShot(*signature, absl::MakeSpan(out));
    ASSERT_TRUE(found.ok()) << found.status();
    // A message that repeats itself is as long as its shortest form says.
    EXPECT_EQ(Bytes(out.begin(), out.begin() + *found), message);
    Bytes changed = *signature;
    changed.back() ^= 1;
    EXPECT_EQ(RvOf(verifier.Verify(message, changed)), CKR_SIGNATURE_INVALID);
  }
  EXPECT_EQ(RvOf(signer.Sign(Bytes(129))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(signer.Sign({})), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(verifier.Verify(kMessage, Bytes(9))), CKR_SIGNATURE_LEN_RANGE);
}

TEST(RsaPkcsTest, RecoversWhatWasSigned) {
  const Job signer(CKM_RSA_PKCS, RsaPair().private_key);
  const Job verifier(CKM_RSA_PKCS, RsaPair().public_key);
  auto made = signer.row().sign_recover(signer.use());
  Bytes signature(kSize);
  ASSERT_TRUE((*made)->Sign(kMessage, absl::MakeSpan(signature)).ok());
  auto recoverer = verifier.row().verify_recover(verifier.use());
  Bytes out((*recoverer)->OneShotSize(kSize));
  const auto size = (*recoverer)->OneShot(signature, absl::MakeSpan(out));
  ASSERT_TRUE(size.ok()) << size.status();
  out.resize(*size);
  EXPECT_EQ(out, kMessage);
  signature[9] ^= 1;
  Bytes more(kSize);
  EXPECT_EQ(RvOf((*recoverer)->OneShot(signature, absl::MakeSpan(more))),
            CKR_SIGNATURE_INVALID);
  EXPECT_EQ(RvOf((*recoverer)->OneShot(kMessage, absl::MakeSpan(more))),
            CKR_SIGNATURE_LEN_RANGE);
}

// --- implicit rejection -----------------------------------------------------

Bytes Depad(const Bytes& padded) {
  Bytes out(padded.size() - 11);
  out.resize(DepadPkcs1(Counting(32), Bytes(padded.size(), 7), padded,
                        absl::MakeSpan(out)));
  return out;
}

Bytes Padded(size_t message) {
  Bytes out(kSize, 0x55);
  out[0] = 0;
  out[1] = 2;
  out[kSize - message - 1] = 0;
  return out;
}

TEST(DepadTest, GivesTheMessage) {
  EXPECT_EQ(Depad(Padded(5)), Bytes(5, 0x55));
  EXPECT_EQ(Depad(Padded(0)), Bytes());
  EXPECT_EQ(Depad(Padded(kSize - 11)), Bytes(kSize - 11, 0x55));
}

TEST(DepadTest, EveryWrongPaddingGivesTheSameOtherMessage) {
  const Bytes rejected = Depad(Bytes(kSize, 0x55));
  Bytes padded = Padded(5);
  padded[0] = 1;
  EXPECT_EQ(Depad(padded), rejected);
  padded = Padded(5);
  padded[1] = 1;
  EXPECT_EQ(Depad(padded), rejected);
  padded = Padded(5);
  padded[9] = 0;  // only seven bytes of padding
  EXPECT_EQ(Depad(padded), rejected);
  padded = Padded(kSize - 10);
  EXPECT_EQ(Depad(padded), rejected);
  padded = Padded(5);
  padded[kSize - 6] = 1;  // no end of the padding
  EXPECT_EQ(Depad(padded), rejected);
}

}  // namespace
}  // namespace pkcs11
