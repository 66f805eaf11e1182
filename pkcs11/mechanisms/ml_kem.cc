// ML-KEM (FIPS 203; PKCS #11 3.2, 6.68).
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/pqc.h"

namespace pkcs11 {
namespace {

constexpr size_t kSecretSize = 32;

// OpenSSL cannot copy these contexts, so each operation gets a new one.
absl::StatusOr<UniquePkeyCtx> Begin(const hsm::Object& key,
                                    int (*start)(EVP_PKEY_CTX*,
                                                 const OSSL_PARAM*)) {
  ASSIGN_OR_RETURN(const std::shared_ptr<EVP_PKEY> pkey, PkeyOf(key));
  UniquePkeyCtx context(
      EVP_PKEY_CTX_new_from_pkey(base::OpenSslContext(), pkey.get(), nullptr));
  if (context == nullptr || start(context.get(), nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "preparation of a key");
  }
  return context;
}

absl::StatusOr<size_t> CiphertextSize(const Use& use) {
  ASSIGN_OR_RETURN(const PqcSet* set, PqcSetOf(use.key->attributes()));
  return set->output_size;
}

absl::Status CheckSize(size_t size) {
  if (size != 0 && size != kSecretSize) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "ML-KEM gives a secret of 32 bytes");
  }
  return absl::OkStatus();
}

absl::StatusOr<Encapsulated> Encapsulate(const Use& use, size_t size) {
  RETURN_IF_ERROR(CheckSize(size));
  ASSIGN_OR_RETURN(size_t ciphertext_size, CiphertextSize(use));
  ASSIGN_OR_RETURN(const UniquePkeyCtx key,
                   Begin(*use.key, EVP_PKEY_encapsulate_init));
  Encapsulated made{Bytes(ciphertext_size), SecretBytes(kSecretSize)};
  size_t secret_size = kSecretSize;
  if (EVP_PKEY_encapsulate(key.get(), made.ciphertext.data(), &ciphertext_size,
                           made.secret.ExposeMutable().data(),
                           &secret_size) != 1 ||
      ciphertext_size != made.ciphertext.size() || secret_size != kSecretSize) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "encapsulation");
  }
  return made;
}

absl::StatusOr<SecretBytes> Decapsulate(const Use& use, ByteSpan ciphertext,
                                        size_t size) {
  RETURN_IF_ERROR(CheckSize(size));
  ASSIGN_OR_RETURN(const size_t ciphertext_size, CiphertextSize(use));
  if (ciphertext.size() != ciphertext_size) {
    return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE, "length of a ciphertext");
  }
  ASSIGN_OR_RETURN(const UniquePkeyCtx key,
                   Begin(*use.key, EVP_PKEY_decapsulate_init));
  SecretBytes secret(kSecretSize);
  size_t secret_size = kSecretSize;
  if (EVP_PKEY_decapsulate(key.get(), secret.ExposeMutable().data(),
                           &secret_size, ciphertext.data(),
                           ciphertext.size()) != 1 ||
      secret_size != kSecretSize) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "decapsulation");
  }
  return secret;
}

constexpr Mechanism kMlKemRows[] = {
    {.type = CKM_ML_KEM_KEY_PAIR_GEN,
     .name = "CKM_ML_KEM_KEY_PAIR_GEN",
     .key_type = CKK_ML_KEM,
     .min_key = kMlKemSizes.least,
     .max_key = kMlKemSizes.most,
     .available = HasPqc<CKK_ML_KEM>,
     .generate_pair = GeneratePqc},
    {.type = CKM_ML_KEM,
     .name = "CKM_ML_KEM",
     .key_type = CKK_ML_KEM,
     .min_key = kMlKemSizes.least,
     .max_key = kMlKemSizes.most,
     .available = HasPqc<CKK_ML_KEM>,
     .ciphertext_size = CiphertextSize,
     .encapsulate = Encapsulate,
     .decapsulate = Decapsulate},
};

}  // namespace

absl::Span<const Mechanism> MlKemRows() { return kMlKemRows; }

}  // namespace pkcs11
