// Dual functions, operation state, messages that are signed, signatures that
// are known before the data, and what ends them.
#include <thread>
#include <vector>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class NewerFunctionsTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    if (!IsPerigee()) GTEST_SKIP() << "only of Perigee";
  }
  Bytes Sha256(const Bytes& data) {
    return Whole(DigestCalls(), session_, Mechanism(CKM_SHA256), 0, data).bytes;
  }
  Bytes EndDigest() {
    Bytes out(32);
    CK_ULONG size = out.size();
    EXPECT_OK(p11().C_DigestFinal(session_, out.data(), &size));
    return out;
  }
};

// --- dual functions
// ---------------------------------------------------------------------------

TEST_F(NewerFunctionsTest, DigestEncrypt_DoesBoth) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  Bytes plain = Pattern(64);
  const Bytes expected =
      Whole(EncryptCalls(), session_, AesCbc(), key, plain).bytes;
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  ASSERT_OK(p11().C_EncryptInit(session_, AesCbc().get(), key));
  CK_ULONG size = 0;
  // Neither the question nor a small buffer is a step.
  ASSERT_OK(
      p11().C_DigestEncryptUpdate(session_, plain.data(), 32, nullptr, &size));
  EXPECT_EQ(size, 32u);
  Bytes out(64);
  size = 31;
  EXPECT_RV(p11().C_DigestEncryptUpdate(session_, plain.data(), 32, out.data(),
                                        &size),
            CKR_BUFFER_TOO_SMALL);
  size = 32;
  ASSERT_OK(p11().C_DigestEncryptUpdate(session_, plain.data(), 32, out.data(),
                                        &size));
  size = 32;
  ASSERT_OK(p11().C_DigestEncryptUpdate(session_, plain.data() + 32, 32,
                                        out.data() + 32, &size));
  EXPECT_EQ(out, expected);
  const Bytes digest = EndDigest();
  EXPECT_EQ(digest, Sha256(plain));
  size = 0;
  EXPECT_OK(p11().C_EncryptFinal(session_, out.data(), &size));

  // And back; in place.
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  ASSERT_OK(p11().C_DecryptInit(session_, AesCbc().get(), key));
  size = 64;
  ASSERT_OK(
      p11().C_DecryptDigestUpdate(session_, out.data(), 64, out.data(), &size));
  EXPECT_EQ(out, plain);
  const Bytes again = EndDigest();
  EXPECT_EQ(again, Sha256(plain));
}

TEST_F(NewerFunctionsTest, SignEncryptAndDecryptVerify_DoBoth) {
  const CK_OBJECT_HANDLE aes = Create(AesKey());
  const CK_OBJECT_HANDLE mac = Create(GenericSecret());
  const Mechanism hmac(CKM_SHA256_HMAC);
  Bytes plain = Pattern(48), out(48);
  ASSERT_OK(p11().C_SignInit(session_, hmac.get(), mac));
  ASSERT_OK(p11().C_EncryptInit(session_, AesCtr().get(), aes));
  CK_ULONG size = out.size();
  ASSERT_OK(p11().C_SignEncryptUpdate(session_, plain.data(), plain.size(),
                                      out.data(), &size));
  Bytes tag(32);
  size = tag.size();
  ASSERT_OK(p11().C_SignFinal(session_, tag.data(), &size));
  EXPECT_OK(Verify(session_, hmac, mac, plain, tag));
  size = 0;
  ASSERT_OK(p11().C_EncryptFinal(session_, out.data(), &size));

  ASSERT_OK(p11().C_VerifyInit(session_, hmac.get(), mac));
  ASSERT_OK(p11().C_DecryptInit(session_, AesCtr().get(), aes));
  size = out.size();
  ASSERT_OK(p11().C_DecryptVerifyUpdate(session_, out.data(), out.size(),
                                        out.data(), &size));
  EXPECT_EQ(out, plain);
  EXPECT_OK(p11().C_VerifyFinal(session_, tag.data(), tag.size()));
}

TEST_F(NewerFunctionsTest, Dual_NeedsBothAndEndsBoth) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  Bytes data = Pattern(16), out(16);
  CK_ULONG size = out.size();
  ASSERT_OK(p11().C_EncryptInit(session_, AesCbc().get(), key));
  EXPECT_RV(
      p11().C_DigestEncryptUpdate(session_, data.data(), 16, out.data(), &size),
      CKR_OPERATION_NOT_INITIALIZED);
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  EXPECT_RV(
      p11().C_DigestEncryptUpdate(session_, nullptr, 16, out.data(), &size),
      CKR_ARGUMENTS_BAD);
  size = out.size();
  EXPECT_RV(p11().C_DigestFinal(session_, out.data(), &size),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_RV(p11().C_EncryptFinal(session_, out.data(), &size),
            CKR_OPERATION_NOT_INITIALIZED);
}

// --- operation state
// --------------------------------------------------------------------------

TEST_F(NewerFunctionsTest, DigestState_GoesOnInAnotherSession) {
  const Bytes data = Pattern(100);
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  ASSERT_OK(
      p11().C_DigestUpdate(session_, const_cast<CK_BYTE*>(data.data()), 60));
  CK_ULONG size = 0;
  ASSERT_OK(p11().C_GetOperationState(session_, nullptr, &size));
  Bytes state(size);
  --size;
  EXPECT_RV(p11().C_GetOperationState(session_, state.data(), &size),
            CKR_BUFFER_TOO_SMALL);
  ASSERT_OK(p11().C_GetOperationState(session_, state.data(), &size));
  // The first one goes on too.
  ASSERT_OK(p11().C_DigestUpdate(session_,
                                 const_cast<CK_BYTE*>(data.data() + 60), 40));
  const Bytes digest = EndDigest();
  EXPECT_EQ(digest, Sha256(data));
  for (int i = 0; i < 2; ++i) {
    CK_SESSION_HANDLE other = Open(kReadOnly);
    ASSERT_OK(
        p11().C_SetOperationState(other, state.data(), state.size(), 0, 0));
    EXPECT_RV(
        p11().C_SetOperationState(other, state.data(), state.size(), 0, 0),
        CKR_OPERATION_ACTIVE);
    ASSERT_OK(p11().C_DigestUpdate(other,
                                   const_cast<CK_BYTE*>(data.data() + 60), 40));
    Bytes out(32);
    size = out.size();
    ASSERT_OK(p11().C_DigestFinal(other, out.data(), &size));
    EXPECT_EQ(out, Sha256(data));
  }
}

// A key may have been digested.
TEST_F(NewerFunctionsTest, DigestState_EndsWithTheLogin) {
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  Bytes state(32);
  CK_ULONG size = state.size();
  ASSERT_OK(p11().C_GetOperationState(session_, state.data(), &size));
  const CK_SESSION_HANDLE other = Open(kReadOnly);
  ASSERT_OK(p11().C_Logout(session_));
  EXPECT_RV(p11().C_SetOperationState(other, state.data(), size, 0, 0),
            CKR_SAVED_STATE_INVALID);
}

TEST_F(NewerFunctionsTest, MadeUpStates_AreInvalid) {
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  Bytes state(32);
  CK_ULONG size = state.size();
  ASSERT_OK(p11().C_GetOperationState(session_, state.data(), &size));
  const CK_SESSION_HANDLE other = Open(kReadOnly);
  EXPECT_RV(p11().C_SetOperationState(other, state.data(), 32, 1, 0),
            CKR_KEY_NOT_NEEDED);
  for (size_t i = 0; i < state.size(); ++i) {
    state[i] ^= 1;
    EXPECT_RV(p11().C_SetOperationState(other, state.data(), 32, 0, 0),
              CKR_SAVED_STATE_INVALID);
    state[i] ^= 1;
  }
  EXPECT_RV(p11().C_SetOperationState(other, state.data(), 31, 0, 0),
            CKR_SAVED_STATE_INVALID);
}

TEST_F(NewerFunctionsTest, OperationsWithKeys_AreUnsaveable) {
  CK_ULONG size = 0;
  EXPECT_RV(p11().C_GetOperationState(session_, nullptr, &size),
            CKR_OPERATION_NOT_INITIALIZED);
  ASSERT_OK(p11().C_SignInit(session_, Mechanism(CKM_SHA256_HMAC).get(),
                             Create(GenericSecret())));
  EXPECT_RV(p11().C_GetOperationState(session_, nullptr, &size),
            CKR_STATE_UNSAVEABLE);
}

// --- messages
// ---------------------------------------------------------------------------------

TEST_F(NewerFunctionsTest, MessagesAreSignedAndVerified) {
  const CK_OBJECT_HANDLE key = Create(GenericSecret());
  const Mechanism hmac(CKM_SHA256_HMAC);
  ASSERT_OK(p11().C_MessageSignInit(session_, hmac.get(), key));
  std::vector<Bytes> tags;
  for (size_t length : {0, 1, 100}) {
    Bytes data = Pattern(length);
    CK_ULONG size = 0;
    ASSERT_OK(p11().C_SignMessage(session_, nullptr, 0, data.data(), length,
                                  nullptr, &size));
    EXPECT_EQ(size, 32u);
    Bytes tag(size);
    ASSERT_OK(p11().C_SignMessage(session_, nullptr, 0, data.data(), length,
                                  tag.data(), &size));
    tags.push_back(tag);
  }
  // In parts.
  Bytes data = Pattern(100), tag(32);
  ASSERT_OK(p11().C_SignMessageBegin(session_, nullptr, 0));
  ASSERT_OK(p11().C_SignMessageNext(session_, nullptr, 0, data.data(), 70,
                                    nullptr, nullptr));
  CK_ULONG size = 31;
  EXPECT_RV(p11().C_SignMessageNext(session_, nullptr, 0, data.data() + 70, 30,
                                    tag.data(), &size),
            CKR_BUFFER_TOO_SMALL);
  size = 32;
  ASSERT_OK(p11().C_SignMessageNext(session_, nullptr, 0, data.data() + 70, 30,
                                    tag.data(), &size));
  EXPECT_EQ(tag, tags[2]);
  EXPECT_RV(p11().C_SignMessageNext(session_, nullptr, 0, data.data(), 1,
                                    nullptr, nullptr),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_OK(p11().C_MessageSignFinal(session_));
  EXPECT_RV(p11().C_MessageSignFinal(session_), CKR_OPERATION_NOT_INITIALIZED);

  ASSERT_OK(p11().C_MessageVerifyInit(session_, hmac.get(), key));
  EXPECT_OK(p11().C_VerifyMessage(session_, nullptr, 0, data.data(), 100,
                                  tag.data(), 32));
  EXPECT_RV(p11().C_VerifyMessage(session_, nullptr, 0, data.data(), 99,
                                  tag.data(), 32),
            CKR_SIGNATURE_INVALID);
  // A wrong message does not end the operation.
  ASSERT_OK(p11().C_VerifyMessageBegin(session_, nullptr, 0));
  ASSERT_OK(p11().C_VerifyMessageNext(session_, nullptr, 0, data.data(), 99,
                                      nullptr, 0));
  EXPECT_OK(p11().C_VerifyMessageNext(session_, nullptr, 0, data.data() + 99, 1,
                                      tag.data(), 32));
  Bytes parameter(8);
  EXPECT_RV(p11().C_VerifyMessageBegin(session_, parameter.data(), 8),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_OK(p11().C_MessageVerifyFinal(session_));
}

// --- the signature first
// -----------------------------------------------------------------------

TEST_F(NewerFunctionsTest, SignatureFirst_IsVerified) {
  const CK_OBJECT_HANDLE signer = Create(EcPrivateKey(Curve::kP256));
  const CK_OBJECT_HANDLE key = Create(EcPublicKey(Curve::kP256));
  const Mechanism ecdsa(CKM_ECDSA_SHA256);
  Bytes data = Pattern(100);
  Bytes signature = Whole(SignCalls(), session_, ecdsa, signer, data).bytes;
  const auto init = [&] {
    ASSERT_OK(p11().C_VerifySignatureInit(session_, ecdsa.get(), key,
                                          signature.data(), signature.size()));
  };
  init();
  EXPECT_OK(p11().C_VerifySignature(session_, data.data(), data.size()));
  EXPECT_RV(p11().C_VerifySignature(session_, data.data(), data.size()),
            CKR_OPERATION_NOT_INITIALIZED);
  init();
  EXPECT_OK(p11().C_VerifySignatureUpdate(session_, data.data(), 40));
  EXPECT_OK(p11().C_VerifySignatureUpdate(session_, data.data() + 40, 60));
  EXPECT_OK(p11().C_VerifySignatureFinal(session_));
  init();
  EXPECT_RV(p11().C_VerifySignature(session_, data.data(), 99),
            CKR_SIGNATURE_INVALID);
  signature.back() ^= 1;
  init();
  EXPECT_RV(p11().C_VerifySignature(session_, data.data(), data.size()),
            CKR_SIGNATURE_INVALID);
}

// --- encapsulation
// -----------------------------------------------------------------------------

TEST_F(NewerFunctionsTest, EcdhEncapsulation_GivesBothTheSame) {
  NEEDS_MECHANISM(CKM_ECDH1_DERIVE);
  const Pair pair = GeneratePair(CKM_EC_KEY_PAIR_GEN,
                                 NewEcPublic().Bool(CKA_ENCAPSULATE, true),
                                 NewEcPrivate().Bool(CKA_DECAPSULATE, true));
  CK_ECDH1_DERIVE_PARAMS parameters = {CKD_SHA256_KDF, 0, nullptr, 0, nullptr};
  const Mechanism mechanism(CKM_ECDH1_DERIVE, parameters);
  const Template t = Template()
                         .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                         .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                         .Bool(CKA_TOKEN, false)
                         .Bool(CKA_SENSITIVE, false)
                         .Bool(CKA_EXTRACTABLE, true)
                         .Ulong(CKA_VALUE_LEN, 32);
  CK_ULONG size = 0;
  CK_OBJECT_HANDLE ours = 0, theirs = 0;
  ASSERT_OK(p11().C_EncapsulateKey(session_, mechanism.get(), pair.public_key,
                                   t.data(), t.size(), nullptr, &size, &ours));
  EXPECT_EQ(ours, 0u);
  Bytes ciphertext(size);
  CK_ULONG small = size - 1;
  EXPECT_RV(p11().C_EncapsulateKey(session_, mechanism.get(), pair.public_key,
                                   t.data(), t.size(), ciphertext.data(),
                                   &small, &ours),
            CKR_BUFFER_TOO_SMALL);
  ASSERT_OK(p11().C_EncapsulateKey(session_, mechanism.get(), pair.public_key,
                                   t.data(), t.size(), ciphertext.data(), &size,
                                   &ours));
  ASSERT_OK(p11().C_DecapsulateKey(session_, mechanism.get(), pair.private_key,
                                   t.data(), t.size(), ciphertext.data(), size,
                                   &theirs));
  EXPECT_EQ(Get(ours, CKA_VALUE).size(), 32u);
  EXPECT_EQ(Get(ours, CKA_VALUE), Get(theirs, CKA_VALUE));
  EXPECT_RV(p11().C_DecapsulateKey(session_, mechanism.get(), pair.public_key,
                                   t.data(), t.size(), ciphertext.data(), size,
                                   &theirs),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
}

// A data object would show the secret.
TEST_F(NewerFunctionsTest, Encapsulation_MakesSecretKeysOnly) {
  NEEDS_PERIGEE();
  NEEDS_MECHANISM(CKM_ECDH1_DERIVE);
  const Pair pair = GeneratePair(CKM_EC_KEY_PAIR_GEN,
                                 NewEcPublic().Bool(CKA_ENCAPSULATE, true),
                                 NewEcPrivate().Bool(CKA_DECAPSULATE, true));
  const CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, 0, nullptr};
  const Mechanism mechanism(CKM_ECDH1_DERIVE, parameters);
  const Template secret = Template().Bool(CKA_TOKEN, false);
  Bytes ciphertext(65);
  CK_ULONG size = ciphertext.size();
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(p11().C_EncapsulateKey(session_, mechanism.get(), pair.public_key,
                                   secret.data(), secret.size(),
                                   ciphertext.data(), &size, &key));
  for (const CK_OBJECT_CLASS other : {CKO_DATA, CKO_CERTIFICATE}) {
    const Template t = Template(secret).Ulong(CKA_CLASS, other);
    EXPECT_RV(p11().C_DecapsulateKey(
                  session_, mechanism.get(), pair.private_key, t.data(),
                  t.size(), ciphertext.data(), ciphertext.size(), &key),
              CKR_TEMPLATE_INCONSISTENT);
    EXPECT_RV(p11().C_EncapsulateKey(session_, mechanism.get(), pair.public_key,
                                     t.data(), t.size(), ciphertext.data(),
                                     &size, &key),
              CKR_TEMPLATE_INCONSISTENT);
  }
}

// --- what ends them
// ------------------------------------------------------------------------------

// Threads that end each other's messages get errors.
TEST_F(NewerFunctionsTest, SignMessage_FromManyThreads) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE key = GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(),
                                            NewEcPrivate().Bool(CKA_SIGN, true))
                                   .private_key;
  ASSERT_OK(p11().C_MessageSignInit(session_, Mechanism(CKM_ECDSA_SHA256).get(),
                                    key));
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      Bytes data = Pattern(3), tag(64);
      for (int each = 0; each < 1500; ++each) {
        CK_ULONG size = tag.size();
        const CK_RV rv = p11().C_SignMessage(session_, nullptr, 0, data.data(),
                                             data.size(), tag.data(), &size);
        if (rv == CKR_OK) continue;
        EXPECT_RV_IS_ONE_OF(rv, CKR_OPERATION_NOT_INITIALIZED,
                            CKR_OPERATION_ACTIVE);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(NewerFunctionsTest, SessionCancel_EndsTheNamedOnly) {
  const CK_OBJECT_HANDLE key = Create(GenericSecret());
  const Mechanism hmac(CKM_SHA256_HMAC);
  ASSERT_OK(p11().C_MessageSignInit(session_, hmac.get(), key));
  ASSERT_OK(p11().C_MessageVerifyInit(session_, hmac.get(), key));
  EXPECT_RV(p11().C_MessageSignInit(session_, hmac.get(), key),
            CKR_OPERATION_ACTIVE);
  ASSERT_OK(p11().C_SessionCancel(session_, CKF_MESSAGE_SIGN));
  EXPECT_RV(p11().C_MessageSignFinal(session_), CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_OK(p11().C_MessageVerifyFinal(session_));
  ASSERT_OK(p11().C_MessageSignInit(session_, hmac.get(), key));
  ASSERT_OK(p11().C_MessageSignInit(session_, nullptr, key));
  EXPECT_RV(p11().C_MessageSignFinal(session_), CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(NewerFunctionsTest, Logout_EndsMessages) {
  const CK_OBJECT_HANDLE key = Create(GenericSecret());
  ASSERT_OK(
      p11().C_MessageSignInit(session_, Mechanism(CKM_SHA256_HMAC).get(), key));
  ASSERT_OK(p11().C_Logout(session_));
  Bytes tag(32);
  CK_ULONG size = tag.size();
  EXPECT_RV(p11().C_SignMessage(session_, nullptr, 0, tag.data(), 1, tag.data(),
                                &size),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(NewerFunctionsTest, NoSessionIsAsynchronous) {
  CK_SESSION_HANDLE session = 0;
  EXPECT_RV(p11().C_OpenSession(slot_, kReadOnly | CKF_ASYNC_SESSION, nullptr,
                                nullptr, &session),
            CKR_SESSION_ASYNC_NOT_SUPPORTED);
  CK_UTF8CHAR name[] = "C_Sign";
  CK_ASYNC_DATA data = {};
  EXPECT_RV(p11().C_AsyncComplete(session_, name, &data),
            CKR_OPERATION_NOT_INITIALIZED);
  CK_FLAGS flags = 1;
  EXPECT_OK(p11().C_GetSessionValidationFlags(session_, CKS_LAST_VALIDATION_OK,
                                              &flags));
  EXPECT_EQ(flags, 0u);
}

}  // namespace
}  // namespace conformance
