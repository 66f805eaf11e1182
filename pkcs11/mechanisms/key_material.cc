// Forms in which keys travel, and their way into OpenSSL. What is particular
// to RSA and EC is in rsa_material.cc and ec_material.cc.
#include "pkcs11/mechanisms/key_material.h"

#include <algorithm>
#include <bit>

#include "pkcs11/mechanisms/der.h"

namespace pkcs11 {
namespace {

// OBJECT IDENTIFIERs with their header.
constexpr uint8_t kRsaOid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                               0xf7, 0x0d, 0x01, 0x01, 0x01};
constexpr uint8_t kEcOid[] = {0x06, 0x07, 0x2a, 0x86, 0x48,
                              0xce, 0x3d, 0x02, 0x01};
// The OPTIONAL trailers of PKCS#8 and of ECPrivateKey.
constexpr uint8_t kPkcs8Attributes = 0xa0;
constexpr uint8_t kPkcs8PublicKey = 0x81;
constexpr uint8_t kEcParameters = 0xa0;
constexpr uint8_t kEcPublicKey = 0xa1;

// RSAPrivateKey's numbers in its order.
constexpr CK_ATTRIBUTE_TYPE kRsaNumbers[] = {
    CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
    CKA_PRIME_2, CKA_EXPONENT_1,      CKA_EXPONENT_2,       CKA_COEFFICIENT};

constexpr size_t kCheckValueSize = 3;

absl::Status NotAKey() {
  return base::Error(CKR_WRAPPED_KEY_INVALID, "not a PKCS#8 private key");
}

absl::StatusOr<SecretBytes> PrivateKeyInfo(const DerWriter& algorithm,
                                           const DerWriter& key) {
  DerWriter info;
  info.SmallInteger(0)
      .Element(kDerSequence, algorithm)
      .Element(kDerOctetString, key);
  DerWriter out;
  out.Element(kDerSequence, info);
  return std::move(out).TakeSecret();
}

absl::StatusOr<SecretBytes> EncodeRsa(const hsm::AttributeSet& key) {
  DerWriter numbers;
  numbers.SmallInteger(0);
  for (CK_ATTRIBUTE_TYPE type : kRsaNumbers) {
    if (key.Value(type).empty()) {
      return base::Error(CKR_KEY_NOT_WRAPPABLE, "RSA key without components");
    }
    numbers.Integer(key.Value(type));
  }
  DerWriter inner;
  inner.Element(kDerSequence, numbers);
  DerWriter algorithm;
  algorithm.Raw(kRsaOid).Element(kDerNull, ByteSpan());
  return PrivateKeyInfo(algorithm, inner);
}

absl::StatusOr<SecretBytes> EncodeEc(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  const ByteSpan value = Stripped(key.Value(CKA_VALUE));
  if (value.empty() || value.size() > curve->size) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE, "EC key without its value");
  }
  // RFC 5915: the octets have the length of the order.
  SecretBytes scalar(curve->size);
  std::copy(value.begin(), value.end(),
            scalar.ExposeMutable().end() - value.size());
  DerWriter fields;
  fields.SmallInteger(1).Element(kDerOctetString, scalar.Expose());
  DerWriter inner;
  inner.Element(kDerSequence, fields);
  DerWriter algorithm;
  algorithm.Raw(kEcOid).Raw(curve->oid);
  return PrivateKeyInfo(algorithm, inner);
}

absl::StatusOr<hsm::AttributeSet> DecodeRsa(ByteSpan der) {
  DerReader outer(der);
  DerReader numbers(outer.Element(kDerSequence));
  if (!outer.Finish() || !numbers.Integer().empty()) return NotAKey();
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  for (CK_ATTRIBUTE_TYPE type : kRsaNumbers) {
    const ByteSpan number = numbers.Integer();
    if (number.empty()) return NotAKey();
    key.Set(type, number);
  }
  if (!numbers.Finish()) return NotAKey();
  return key;
}

absl::StatusOr<hsm::AttributeSet> DecodeEc(ByteSpan der, ByteSpan ec_params) {
  const auto curve = CurveOf(ec_params);
  if (!curve.ok()) return NotAKey();
  DerReader outer(der);
  DerReader fields(outer.Element(kDerSequence));
  const ByteSpan version = fields.Integer();
  const ByteSpan scalar = Stripped(fields.Element(kDerOctetString));
  const ByteSpan inner_params = fields.Optional(kEcParameters);
  // The public key is computed anew from the scalar, not believed.
  fields.Optional(kEcPublicKey);
  const bool is_valid =
      outer.Finish() && fields.Finish() && version.size() == 1 &&
      version[0] == 1 && !scalar.empty() && scalar.size() <= (*curve)->size &&
      (inner_params.empty() || base::SameBytes(inner_params, ec_params));
  if (!is_valid) return NotAKey();
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, CKK_EC);
  key.Set(CKA_EC_PARAMS, ec_params);
  key.Set(CKA_VALUE, scalar);
  return key;
}

bool StartsWith(ByteSpan bytes, ByteSpan prefix) {
  return bytes.size() >= prefix.size() &&
         base::SameBytes(bytes.subspan(0, prefix.size()), prefix);
}

absl::StatusOr<hsm::AttributeSet> CompleteSecret(const hsm::AttributeSet& key) {
  const ByteSpan value = key.Value(CKA_VALUE);
  const CK_KEY_TYPE type = key.key_type();
  const bool is_aes = type == CKK_AES;
  if (!is_aes && type != CKK_GENERIC_SECRET &&
      FindHash(&Hash::hmac_key, type) == nullptr) {
    return hsm::AttributeSet();
  }
  if (value.empty() ||
      (is_aes && AesCipher(AesMode::kEcb, value.size()) == nullptr)) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "length of a secret key");
  }
  if (key.Ulong(CKA_VALUE_LEN).value_or(value.size()) != value.size()) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN");
  }
  hsm::AttributeSet added;
  added.SetUlong(CKA_VALUE_LEN, value.size());
  ASSIGN_OR_RETURN(const Bytes check, CheckValueOf(type, value));
  // An empty value asks for none; any other must be right.
  if (!key.Has(CKA_CHECK_VALUE)) {
    added.Set(CKA_CHECK_VALUE, check);
  } else if (!key.Value(CKA_CHECK_VALUE).empty() &&
             !base::SameBytes(key.Value(CKA_CHECK_VALUE), check)) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_CHECK_VALUE");
  }
  return added;
}

}  // namespace

absl::StatusOr<SecretBytes> EncodePrivateKeyInfo(
    const hsm::AttributeSet& private_key) {
  switch (private_key.key_type()) {
    case CKK_RSA:
      return EncodeRsa(private_key);
    case CKK_EC:
      return EncodeEc(private_key);
  }
  return base::Error(CKR_KEY_NOT_WRAPPABLE, "no PKCS#8 form of this key type");
}

absl::StatusOr<hsm::AttributeSet> DecodePrivateKeyInfo(ByteSpan der) {
  DerReader outer(der);
  DerReader info(outer.Element(kDerSequence));
  const ByteSpan version = info.Integer();
  const ByteSpan algorithm = info.Element(kDerSequence);
  const ByteSpan key = info.Element(kDerOctetString);
  info.Optional(kPkcs8Attributes);
  info.Optional(kPkcs8PublicKey);
  const bool is_valid =
      outer.Finish() && info.Finish() &&
      (version.empty() || (version.size() == 1 && version[0] == 1));
  if (!is_valid) return NotAKey();
  if (StartsWith(algorithm, kRsaOid)) {
    const ByteSpan rest = algorithm.subspan(sizeof(kRsaOid));
    DerReader parameters(rest);
    if (!parameters.Optional(kDerNull).empty() || !parameters.Finish()) {
      return NotAKey();
    }
    return DecodeRsa(key);
  }
  if (StartsWith(algorithm, kEcOid)) {
    return DecodeEc(key, algorithm.subspan(sizeof(kEcOid)));
  }
  return NotAKey();
}

absl::StatusOr<hsm::AttributeSet> CompleteKeyMaterial(
    const hsm::AttributeSet& attributes) {
  switch (attributes.object_class()) {
    case CKO_SECRET_KEY:
      return CompleteSecret(attributes);
    case CKO_PUBLIC_KEY:
    case CKO_PRIVATE_KEY:
      if (attributes.key_type() == CKK_RSA) return CompleteRsa(attributes);
      if (attributes.key_type() == CKK_EC) return CompleteEc(attributes);
      break;
  }
  return hsm::AttributeSet();
}

CK_ULONG KeySizeOf(const hsm::AttributeSet& attributes) {
  const CK_KEY_TYPE type = attributes.key_type();
  if (type == CKK_RSA) {
    const ByteSpan modulus = Stripped(attributes.Value(CKA_MODULUS));
    if (modulus.empty()) return attributes.Ulong(CKA_MODULUS_BITS).value_or(0);
    return modulus.size() * 8 - std::countl_zero(modulus.front());
  }
  if (type == CKK_EC) {
    const auto curve = CurveOf(attributes.Value(CKA_EC_PARAMS));
    return curve.ok() ? (*curve)->bits : 0;
  }
  if (attributes.object_class() != CKO_SECRET_KEY) return 0;
  const ByteSpan value = attributes.Value(CKA_VALUE);
  return value.empty() ? attributes.Ulong(CKA_VALUE_LEN).value_or(0)
                       : value.size();
}

absl::StatusOr<Bytes> CheckValueOf(CK_KEY_TYPE type, ByteSpan value) {
  if (type != CKK_AES) {
    ASSIGN_OR_RETURN(MdLease hash, LendMd(*FindHash(&Hash::digest, CKM_SHA_1)));
    RETURN_IF_ERROR(HashUpdate(hash.get(), value));
    ASSIGN_OR_RETURN(const HashValue digest, HashFinal(hash.get()));
    return base::ToBytes(digest.span().subspan(0, kCheckValueSize));
  }
  UniqueCipherCtx context(EVP_CIPHER_CTX_new());
  const uint8_t zeros[16] = {};
  uint8_t block[16];
  if (context == nullptr ||
      EVP_EncryptInit_ex2(context.get(), AesCipher(AesMode::kEcb, value.size()),
                          value.data(), nullptr, nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "check value");
  }
  RETURN_IF_ERROR(CipherUpdate(context.get(), zeros, block).status());
  return Bytes(block, block + kCheckValueSize);
}

void KeyComponents::Number(const char* name, ByteSpan big_endian) {
  SecretBytes native = SecretBytes::CopyOf(big_endian);
  if constexpr (std::endian::native == std::endian::little) {
    std::reverse(native.ExposeMutable().begin(), native.ExposeMutable().end());
  }
  values_.push_back(std::move(native));
  const base::MutableByteSpan value = values_.back().ExposeMutable();
  parameters_.push_back(
      OSSL_PARAM_construct_BN(name, value.data(), value.size()));
}

void KeyComponents::Octets(const char* name, ByteSpan octets) {
  values_.push_back(SecretBytes::CopyOf(octets));
  const base::MutableByteSpan value = values_.back().ExposeMutable();
  parameters_.push_back(
      OSSL_PARAM_construct_octet_string(name, value.data(), value.size()));
}

void KeyComponents::Text(const char* name, const char* text) {
  parameters_.push_back(
      OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0));
}

absl::StatusOr<UniquePkey> KeyComponents::Import(const char* type,
                                                 int selection) {
  parameters_.push_back(OSSL_PARAM_construct_end());
  UniquePkeyCtx context(
      EVP_PKEY_CTX_new_from_name(base::OpenSslContext(), type, nullptr));
  EVP_PKEY* pkey = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &pkey, selection, parameters_.data()) !=
          1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "import of a key");
  }
  return UniquePkey(pkey);
}

absl::StatusOr<std::shared_ptr<EVP_PKEY>> PkeyOf(const hsm::Object& key) {
  return Cached<EVP_PKEY>(
      key, kPkeyKind, [&]() -> absl::StatusOr<std::shared_ptr<EVP_PKEY>> {
        const hsm::AttributeSet& attributes = key.attributes();
        absl::StatusOr<UniquePkey> made =
            base::Error(CKR_KEY_TYPE_INCONSISTENT, "neither RSA nor EC");
        if (attributes.key_type() == CKK_RSA) made = ImportRsa(attributes);
        if (attributes.key_type() == CKK_EC) made = ImportEc(attributes);
        RETURN_IF_ERROR(made.status());
        return std::shared_ptr<EVP_PKEY>(std::move(*made));
      });
}

}  // namespace pkcs11
