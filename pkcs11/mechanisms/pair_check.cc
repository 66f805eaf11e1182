// Pairwise consistency of new key pairs.
#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

constexpr uint8_t kMessage[32] = {'p', 'a', 'i', 'r'};

UniquePkeyCtx ContextOf(EVP_PKEY* key) {
  return UniquePkeyCtx(
      EVP_PKEY_CTX_new_from_pkey(base::OpenSslContext(), key, nullptr));
}

// Signature schemes that hash by themselves have no EVP_PKEY_sign.
bool SignsMessages(CK_KEY_TYPE type) {
  return type == CKK_EC_EDWARDS || type == CKK_ML_DSA || type == CKK_SLH_DSA;
}

bool SignatureFits(EVP_PKEY* public_key, EVP_PKEY* private_key) {
  const UniquePkeyCtx signer = ContextOf(private_key);
  const UniquePkeyCtx verifier = ContextOf(public_key);
  size_t size = 0;
  if (signer == nullptr || verifier == nullptr ||
      EVP_PKEY_sign_init(signer.get()) != 1 ||
      EVP_PKEY_sign(signer.get(), nullptr, &size, kMessage, sizeof(kMessage)) !=
          1) {
    return false;
  }
  Bytes signature(size);
  return EVP_PKEY_sign(signer.get(), signature.data(), &size, kMessage,
                       sizeof(kMessage)) == 1 &&
         EVP_PKEY_verify_init(verifier.get()) == 1 &&
         EVP_PKEY_verify(verifier.get(), signature.data(), size, kMessage,
                         sizeof(kMessage)) == 1;
}

bool MessageSignatureFits(EVP_PKEY* public_key, EVP_PKEY* private_key) {
  const UniqueMdCtx signer(EVP_MD_CTX_new());
  const UniqueMdCtx verifier(EVP_MD_CTX_new());
  OSSL_LIB_CTX* library = base::OpenSslContext();
  size_t size = 0;
  if (signer == nullptr || verifier == nullptr ||
      EVP_DigestSignInit_ex(signer.get(), nullptr, nullptr, library, nullptr,
                            private_key, nullptr) != 1 ||
      EVP_DigestSign(signer.get(), nullptr, &size, kMessage,
                     sizeof(kMessage)) != 1) {
    return false;
  }
  Bytes signature(size);
  return EVP_DigestSign(signer.get(), signature.data(), &size, kMessage,
                        sizeof(kMessage)) == 1 &&
         EVP_DigestVerifyInit_ex(verifier.get(), nullptr, nullptr, library,
                                 nullptr, public_key, nullptr) == 1 &&
         EVP_DigestVerify(verifier.get(), signature.data(), size, kMessage,
                          sizeof(kMessage)) == 1;
}

SecretBytes Agree(EVP_PKEY* mine, EVP_PKEY* other) {
  const UniquePkeyCtx context = ContextOf(mine);
  size_t size = 0;
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer_ex(context.get(), other, 0) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1) {
    return SecretBytes();
  }
  SecretBytes secret(size);
  if (EVP_PKEY_derive(context.get(), secret.ExposeMutable().data(), &size) !=
      1) {
    return SecretBytes();
  }
  secret.Truncate(size);
  return secret;
}

// A third party agrees on the same secret with either half.
bool AgreementFits(EVP_PKEY* public_key, EVP_PKEY* private_key) {
  const UniquePkeyCtx generator = ContextOf(public_key);
  EVP_PKEY* raw = nullptr;
  if (generator == nullptr || EVP_PKEY_keygen_init(generator.get()) != 1 ||
      EVP_PKEY_generate(generator.get(), &raw) != 1) {
    return false;
  }
  const UniquePkey third(raw);
  const SecretBytes one = Agree(private_key, raw);
  const SecretBytes two = Agree(raw, public_key);
  return !one.empty() && one.Equals(two.Expose());
}

bool EncapsulationFits(EVP_PKEY* public_key, EVP_PKEY* private_key) {
  const UniquePkeyCtx sender = ContextOf(public_key);
  const UniquePkeyCtx receiver = ContextOf(private_key);
  size_t size = 0;
  size_t secret_size = 0;
  if (sender == nullptr || receiver == nullptr ||
      EVP_PKEY_encapsulate_init(sender.get(), nullptr) != 1 ||
      EVP_PKEY_encapsulate(sender.get(), nullptr, &size, nullptr,
                           &secret_size) != 1) {
    return false;
  }
  Bytes ciphertext(size);
  SecretBytes sent(secret_size);
  SecretBytes received(secret_size);
  return EVP_PKEY_encapsulate(sender.get(), ciphertext.data(), &size,
                              sent.ExposeMutable().data(), &secret_size) == 1 &&
         EVP_PKEY_decapsulate_init(receiver.get(), nullptr) == 1 &&
         EVP_PKEY_decapsulate(receiver.get(), received.ExposeMutable().data(),
                              &secret_size, ciphertext.data(), size) == 1 &&
         sent.Equals(received.Expose());
}

bool Fits(const KeyForm& form, EVP_PKEY* public_key, EVP_PKEY* private_key) {
  switch (form.check) {
    case PairCheck::kSign:
      return SignsMessages(form.type)
                 ? MessageSignatureFits(public_key, private_key)
                 : SignatureFits(public_key, private_key);
    case PairCheck::kAgree:
      return AgreementFits(public_key, private_key);
    case PairCheck::kEncapsulate:
      return EncapsulationFits(public_key, private_key);
  }
  return false;
}

}  // namespace

absl::Status CheckNewPair(const hsm::AttributeSet& public_key,
                          const hsm::AttributeSet& private_key) {
  const KeyForm* form = FormOfType(private_key.key_type());
  if (form == nullptr || public_key.key_type() != private_key.key_type()) {
    return base::Error(CKR_GENERAL_ERROR, "a pair of which we know nothing");
  }
  const auto of_public = form->import(public_key);
  const auto of_private = form->import(private_key);
  if (!of_public.ok() || !of_private.ok() ||
      !Fits(*form, of_public->get(), of_private->get())) {
    base::ForgetOpenSslErrors();
    return base::Error(CKR_GENERAL_ERROR,
                       "the halves of a new key pair do not fit together");
  }
  return absl::OkStatus();
}

}  // namespace pkcs11
