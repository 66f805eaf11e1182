#include "pkcs11/mechanisms/secrets.h"

#include <algorithm>
#include <bit>

#include "hsm/key_protection.h"

namespace pkcs11 {
namespace {

constexpr size_t kCheckValueSize = 3;
constexpr size_t kAnySize = size_t{1} << 30;

constexpr SecretType kTypes[] = {
    {CKK_AES, 16, 32, 8, true, 0, false},
    {CKK_AES_XTS, 32, 64, 32, false, 0, false},
    {CKK_CAMELLIA, 16, 32, 8, true, 0, false},
    {CKK_DES, 8, 8, 1, true, 8, true},
    {CKK_DES2, 16, 16, 1, true, 16, true},
    {CKK_DES3, 24, 24, 1, true, 24, true},
    {CKK_CHACHA20, 32, 32, 1, false, 32, false},
    {CKK_POLY1305, 32, 32, 1, false, 32, false},
    {CKK_GENERIC_SECRET, 1, kAnySize, 1, false, 0, false},
    {CKK_HKDF, 1, kAnySize, 1, false, 0, false},
};

// Keys of HMACs: of any length, usually the hash's.
const std::vector<SecretType>& HmacTypes() {
  static const auto& types = *[] {
    auto* made = new std::vector<SecretType>;
    for (const Hash& hash : Hashes()) {
      made->push_back({hash.hmac_key, 1, kAnySize, 1, false, hash.size, false});
    }
    return made;
  }();
  return types;
}

bool Fits(const SecretType& type, size_t size) {
  return size >= type.min_size && size <= type.max_size &&
         (size - type.min_size) % type.step == 0;
}

absl::StatusOr<Bytes> HashedCheckValue(ByteSpan value) {
  ASSIGN_OR_RETURN(MdLease hash, LendMd(*FindHash(&Hash::digest, CKM_SHA_1)));
  RETURN_IF_ERROR(HashUpdate(hash.get(), value));
  ASSIGN_OR_RETURN(const HashValue digest, HashFinal(hash.get()));
  return base::ToBytes(digest.span().subspan(0, kCheckValueSize));
}

}  // namespace

const SecretType* FindSecretType(CK_KEY_TYPE type) {
  for (const SecretType& row : kTypes) {
    if (row.type == type) return &row;
  }
  for (const SecretType& row : HmacTypes()) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

absl::StatusOr<Bytes> CheckValueOf(CK_KEY_TYPE type, ByteSpan value) {
  const SecretType* row = FindSecretType(type);
  if (row == nullptr || !row->has_block_cipher) return HashedCheckValue(value);
  UniqueCipherCtx context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = CipherFor(type, CipherMode::kEcb, value.size());
  const uint8_t zeros[EVP_MAX_BLOCK_LENGTH] = {};
  uint8_t block[EVP_MAX_BLOCK_LENGTH];
  if (context == nullptr || cipher == nullptr) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "check value");
  }
  RETURN_IF_ERROR(SetCipherKey(context.get(), cipher, type, value, true));
  const ByteSpan zero_block(zeros, EVP_CIPHER_get_block_size(cipher));
  RETURN_IF_ERROR(CipherUpdate(context.get(), zero_block, block).status());
  return Bytes(block, block + kCheckValueSize);
}

absl::StatusOr<hsm::AttributeSet> CompleteSecret(const hsm::AttributeSet& key) {
  const ByteSpan value = key.Value(CKA_VALUE);
  const SecretType* type = FindSecretType(key.key_type());
  if (type == nullptr) return hsm::AttributeSet();
  if (!Fits(*type, value.size())) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "length of a secret key");
  }
  // An AES key that is unwrapped as one of DES, to be broken in two, has not.
  if (type->has_parity && !HasOddParity(value)) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "parity of a DES key");
  }
  // Equal halves would make XTS a mode without its tweak (SP 800-38E, FIPS).
  if (type->type == CKK_AES_XTS &&
      base::ConstantTimeEquals(value.subspan(0, value.size() / 2),
                               value.subspan(value.size() / 2))) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "halves of an XTS key");
  }
  if (key.Ulong(CKA_VALUE_LEN).value_or(value.size()) != value.size()) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN");
  }
  hsm::AttributeSet added;
  added.SetUlong(CKA_VALUE_LEN, value.size());
  ASSIGN_OR_RETURN(const Bytes check, CheckValueOf(type->type, value));
  // An empty value asks for none; any other must be right.
  if (!key.Has(CKA_CHECK_VALUE)) {
    added.Set(CKA_CHECK_VALUE, check);
  } else if (!key.Value(CKA_CHECK_VALUE).empty() &&
             !base::SameBytes(key.Value(CKA_CHECK_VALUE), check)) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_CHECK_VALUE");
  }
  return added;
}

absl::StatusOr<hsm::AttributeSet> GenerateSecret(
    const Use& use, const hsm::AttributeSet& attributes) {
  const SecretType& type = *FindSecretType(use.mechanism.key_type);
  const CK_ULONG size =
      attributes.Ulong(CKA_VALUE_LEN).value_or(type.usual_size);
  if (!attributes.Has(CKA_VALUE_LEN) && size == 0) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
  }
  if (!Fits(type, size) || size > kMaxSecretSize) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN");
  }
  ASSIGN_OR_RETURN(SecretBytes value, base::RandomSecret(size));
  if (type.has_parity) SetOddParity(value.ExposeMutable());
  ASSIGN_OR_RETURN(const Bytes check, CheckValueOf(type.type, value.Expose()));
  hsm::AttributeSet added;
  added.Set(CKA_VALUE, value.Expose());
  added.SetUlong(CKA_VALUE_LEN, size);
  added.Set(CKA_CHECK_VALUE, check);
  return added;
}

size_t FixedKeySize(CK_KEY_TYPE type) {
  const SecretType* row = FindSecretType(type);
  return row != nullptr && row->min_size == row->max_size ? row->min_size : 0;
}

void ShapeDerivedValue(CK_KEY_TYPE type, SecretBytes& value) {
  const SecretType* row = FindSecretType(type);
  if (row != nullptr && row->has_parity) SetOddParity(value.ExposeMutable());
}

bool HasOddParity(ByteSpan key) {
  return std::all_of(key.begin(), key.end(),
                     [](uint8_t byte) { return std::popcount(byte) % 2 == 1; });
}

void SetOddParity(MutableByteSpan key) {
  for (uint8_t& byte : key) {
    byte ^= std::popcount(byte) % 2 == 0 ? 1 : 0;
  }
}

absl::Status CheckPart(const hsm::Object& base, size_t size) {
  if (size >= kShortestPart || !hsm::HidesValue(base.attributes())) {
    return absl::OkStatus();
  }
  return base::Error(CKR_KEY_SIZE_RANGE,
                     "so short a part would tell what a hidden key is");
}

hsm::AttributeSet ProtectionOf(const hsm::Object& base) {
  hsm::AttributeSet protection;
  for (const CK_ATTRIBUTE_TYPE type : {CKA_SENSITIVE, CKA_EXTRACTABLE}) {
    protection.SetBool(type, base.attributes().IsTrue(type));
  }
  return protection;
}

absl::StatusOr<ByteSpan> SecretValue(const hsm::Object& key) {
  if (key.attributes().object_class() != CKO_SECRET_KEY) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT, "no secret key");
  }
  return key.attributes().Value(CKA_VALUE);
}

}  // namespace pkcs11
