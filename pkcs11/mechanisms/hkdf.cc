// HKDF (RFC 5869; PKCS#11 3.2, 6.62), PBKDF2 (RFC 8018; 6.45).
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <climits>

#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

constexpr size_t kMostBytes = size_t{1} << 14;

using UniqueKdfCtx = UniqueOf<EVP_KDF_CTX, EVP_KDF_CTX_free>;

OSSL_PARAM Octets(const char* name, ByteSpan bytes) {
  // OpenSSL takes no null pointer, not even for no bytes.
  static uint8_t nothing = 0;
  return OSSL_PARAM_construct_octet_string(
      name, bytes.empty() ? &nothing : const_cast<uint8_t*>(bytes.data()),
      bytes.size());
}

OSSL_PARAM Text(const char* name, const char* text) {
  return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0);
}

absl::Status RunKdf(const char* name, const OSSL_PARAM* parameters,
                    MutableByteSpan out) {
  UniqueOf<EVP_KDF, EVP_KDF_free> kdf(
      EVP_KDF_fetch(base::OpenSslContext(), name, nullptr));
  UniqueKdfCtx context(kdf == nullptr ? nullptr : EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr ||
      EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, name);
  }
  return absl::OkStatus();
}

// --- HKDF -------------------------------------------------------------------

struct HkdfParameters : Parameters {
  bool extract = false;
  bool expand = false;
  const Hash* hash = nullptr;
  Bytes salt;
  CK_OBJECT_HANDLE salt_key = CK_INVALID_HANDLE;
  Bytes info;
  CK_OBJECT_HANDLE other_key() const override { return salt_key; }
};

absl::StatusOr<ParametersRef> ParseHkdf(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given, CopyParameter<CK_HKDF_PARAMS>(mechanism));
  auto parsed = std::make_shared<HkdfParameters>();
  parsed->extract = given.bExtract != CK_FALSE;
  parsed->expand = given.bExpand != CK_FALSE;
  if (!parsed->extract && !parsed->expand) {
    return InvalidParameter("HKDF neither extracts nor expands");
  }
  parsed->hash = FindNamedHash(&Hash::digest, given.prfHashMechanism);
  if (parsed->hash == nullptr) {
    parsed->hash = FindNamedHash(&Hash::hmac, given.prfHashMechanism);
  }
  if (parsed->hash == nullptr || Md(*parsed->hash) == nullptr) {
    return InvalidParameter("the hash function of HKDF");
  }
  if (parsed->extract) {
    switch (given.ulSaltType) {
      case CKF_HKDF_SALT_NULL:
        break;
      case CKF_HKDF_SALT_DATA: {
        ASSIGN_OR_RETURN(parsed->salt,
                         CopyBuffer(given.pSalt, given.ulSaltLen, kMostBytes));
        break;
      }
      case CKF_HKDF_SALT_KEY:
        if (given.hSaltKey == CK_INVALID_HANDLE) {
          return InvalidParameter("no salt key");
        }
        parsed->salt_key = given.hSaltKey;
        break;
      default:
        return InvalidParameter("the kind of salt");
    }
  }
  if (parsed->expand) {
    ASSIGN_OR_RETURN(parsed->info,
                     CopyBuffer(given.pInfo, given.ulInfoLen, kMostBytes));
  }
  return ParametersRef(std::move(parsed));
}

absl::StatusOr<SecretBytes> DeriveHkdf(const Use& use, size_t size) {
  const auto& hkdf = GivenParameters<HkdfParameters>(use);
  const ByteSpan key = use.key->attributes().Value(CKA_VALUE);
  if (key.empty()) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT, "the base key has no value");
  }
  // Extraction alone gives one hash.
  if (!hkdf.expand) {
    if (size != 0 && size != hkdf.hash->size) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         "an extracted key is as long as the hash");
    }
    size = hkdf.hash->size;
  }
  if (size == 0) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE,
                       "neither CKA_VALUE_LEN nor the key type says how long");
  }
  if (size > 255 * hkdf.hash->size) {
    return base::Error(CKR_KEY_SIZE_RANGE, "HKDF gives at most 255 hashes");
  }
  int mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  if (!hkdf.expand) mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
  if (!hkdf.extract) mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const Bytes no_salt(hkdf.hash->size);  // RFC 5869, 2.2
  ByteSpan salt = hkdf.salt.empty() ? ByteSpan(no_salt) : ByteSpan(hkdf.salt);
  if (use.other != nullptr) salt = use.other->attributes().Value(CKA_VALUE);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      Text(OSSL_KDF_PARAM_DIGEST, hkdf.hash->openssl_name),
      Octets(OSSL_KDF_PARAM_KEY, key),
      Octets(OSSL_KDF_PARAM_SALT, salt),
      Octets(OSSL_KDF_PARAM_INFO, hkdf.info),
      OSSL_PARAM_construct_end()};
  SecretBytes out(size);
  RETURN_IF_ERROR(RunKdf("HKDF", parameters, out.ExposeMutable()));
  return out;
}

// --- PBKDF2 -----------------------------------------------------------------

struct Pbkdf2Parameters : Parameters {
  const Hash* hash = nullptr;
  Bytes salt;
  CK_ULONG iterations = 0;
  SecretBytes password;
};

// Up to 2.40 the length of the password was passed by pointer; the pointer
// cannot be told from a number but by following it, so which structure it is
// shows by the number alone: no password has the length of an address.
constexpr CK_ULONG kLongestPassword = 1 << 16;
constexpr CK_ULONG kMostIterations = 100'000'000;

const Hash* PrfHash(CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE prf) {
  struct Row {
    CK_ULONG prf;
    CK_MECHANISM_TYPE digest;
  };
  static constexpr Row kPrfs[] = {
      {CKP_PKCS5_PBKD2_HMAC_SHA1, CKM_SHA_1},
      {CKP_PKCS5_PBKD2_HMAC_SHA224, CKM_SHA224},
      {CKP_PKCS5_PBKD2_HMAC_SHA256, CKM_SHA256},
      {CKP_PKCS5_PBKD2_HMAC_SHA384, CKM_SHA384},
      {CKP_PKCS5_PBKD2_HMAC_SHA512, CKM_SHA512},
      {CKP_PKCS5_PBKD2_HMAC_SHA512_224, CKM_SHA512_224},
      {CKP_PKCS5_PBKD2_HMAC_SHA512_256, CKM_SHA512_256}};
  for (const Row& row : kPrfs) {
    if (row.prf == prf) return FindHash(&Hash::digest, row.digest);
  }
  return nullptr;
}

absl::StatusOr<ParametersRef> ParsePbkdf2(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_PKCS5_PBKD2_PARAMS2>(mechanism));
  static_assert(sizeof(CK_PKCS5_PBKD2_PARAMS2) ==
                sizeof(CK_PKCS5_PBKD2_PARAMS));
  auto parsed = std::make_shared<Pbkdf2Parameters>();
  CK_ULONG password_size = given.ulPasswordLen;
  if (password_size > kLongestPassword) {
    CK_PKCS5_PBKD2_PARAMS old;
    std::memcpy(&old, mechanism.pParameter, sizeof old);
    password_size = *old.ulPasswordLen;
  }
  if (given.saltSource != CKZ_SALT_SPECIFIED) {
    return InvalidParameter("where the salt comes from");
  }
  ASSIGN_OR_RETURN(
      parsed->salt,
      CopyBuffer(given.pSaltSourceData, given.ulSaltSourceDataLen, kMostBytes));
  if (given.iterations == 0 || given.iterations > kMostIterations) {
    return InvalidParameter("iterations of PBKDF2");
  }
  parsed->iterations = given.iterations;
  parsed->hash = PrfHash(given.prf);
  if (parsed->hash == nullptr) return InvalidParameter("PRF of PBKDF2");
  if (password_size > kLongestPassword ||
      (given.pPassword == nullptr && password_size != 0)) {
    return InvalidParameter("the password");
  }
  parsed->password = SecretBytes::CopyOf(ByteSpan(
      reinterpret_cast<const uint8_t*>(given.pPassword), password_size));
  return ParametersRef(std::move(parsed));
}

absl::StatusOr<hsm::AttributeSet> GeneratePbkdf2(
    const Use& use, const hsm::AttributeSet& attributes) {
  const auto& given = GivenParameters<Pbkdf2Parameters>(use);
  const size_t size = attributes.Ulong(CKA_VALUE_LEN)
                          .value_or(FixedKeySize(attributes.key_type()));
  if (size == 0) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
  }
  if (size > kMostBytes) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN");
  }
  uint64_t iterations = given.iterations;
  int unchecked = 1;  // The application chooses salt and iterations.
  const OSSL_PARAM parameters[] = {
      Text(OSSL_KDF_PARAM_DIGEST, given.hash->openssl_name),
      Octets(OSSL_KDF_PARAM_PASSWORD, given.password.Expose()),
      Octets(OSSL_KDF_PARAM_SALT, given.salt),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &iterations),
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &unchecked),
      OSSL_PARAM_construct_end()};
  SecretBytes value(size);
  RETURN_IF_ERROR(RunKdf("PBKDF2", parameters, value.ExposeMutable()));
  hsm::AttributeSet whole = attributes;
  whole.Set(CKA_VALUE, value.Expose());
  ASSIGN_OR_RETURN(hsm::AttributeSet added, CompleteKeyMaterial(whole));
  added.Set(CKA_VALUE, value.Expose());
  return added;
}

constexpr Mechanism kHkdfRows[] = {
    {.type = CKM_HKDF_DERIVE,
     .name = "CKM_HKDF_DERIVE",
     .parse = ParseHkdf,
     .derive = DeriveHkdf},
    {.type = CKM_HKDF_DATA,
     .name = "CKM_HKDF_DATA",
     .parse = ParseHkdf,
     .derive = DeriveHkdf,
     .derives_data = true},
    {.type = CKM_HKDF_KEY_GEN,
     .name = "CKM_HKDF_KEY_GEN",
     .key_type = CKK_HKDF,
     .min_key = 1,
     .max_key = kMaxSecretSize,
     .generate = GenerateSecret},
    {.type = CKM_PKCS5_PBKD2,
     .name = "CKM_PKCS5_PBKD2",
     .parse = ParsePbkdf2,
     .generate = GeneratePbkdf2},
};

}  // namespace

absl::Span<const Mechanism> HkdfRows() { return kHkdfRows; }

}  // namespace pkcs11
