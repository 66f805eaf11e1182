// Forms in which keys travel, and their way into OpenSSL. What is particular
// to one type of keys is in its ..._material.cc.
#include "pkcs11/mechanisms/key_material.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "hsm/key_protection.h"
#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/ffc.h"

namespace pkcs11 {
namespace {

// The OPTIONAL trailers of PKCS#8.
constexpr uint8_t kPkcs8Attributes = 0xa0;
constexpr uint8_t kPkcs8PublicKey = 0x81;

const KeyForm* const kForms[] = {&kRsaForm,     &kEcForm,         &kBip32Form,
                                 &kEdwardsForm, &kMontgomeryForm, &kDsaForm,
                                 &kDhForm,      &kX942DhForm,     &kMlKemForm,
                                 &kMlDsaForm,   &kSlhDsaForm};

}  // namespace

const KeyForm* FormOfType(CK_KEY_TYPE type) {
  for (const KeyForm* form : kForms) {
    if (form->type == type) return form;
  }
  return nullptr;
}

absl::Status NotAPrivateKey() {
  return base::Error(CKR_WRAPPED_KEY_INVALID, "not a PKCS#8 private key");
}

absl::Status CheckPublicKeyInfo(const hsm::AttributeSet& key, ByteSpan info) {
  const ByteSpan given = key.Value(CKA_PUBLIC_KEY_INFO);
  if (!given.empty() && !base::SameBytes(given, info)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_PUBLIC_KEY_INFO");
  }
  return absl::OkStatus();
}

UniquePkeyCtx NewKeyTypeContext(const char* type) {
  return UniquePkeyCtx(
      EVP_PKEY_CTX_new_from_name(base::OpenSslContext(), type, nullptr));
}

absl::StatusOr<SecretBytes> EncodePrivateKeyInfo(
    const hsm::AttributeSet& private_key) {
  const KeyForm* form = FormOfType(private_key.key_type());
  if (form == nullptr || form->encode == nullptr) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE,
                       "no PKCS#8 form of this key type");
  }
  DerWriter algorithm;
  DerWriter inner;
  RETURN_IF_ERROR(form->encode(private_key, algorithm, inner));
  DerWriter info;
  info.SmallInteger(0)
      .Element(kDerSequence, algorithm)
      .Element(kDerOctetString, inner);
  DerWriter out;
  out.Element(kDerSequence, info);
  return std::move(out).TakeSecret();
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
  if (!is_valid) return NotAPrivateKey();
  for (const KeyForm* form : kForms) {
    if (form->owns != nullptr && form->owns(algorithm)) {
      return form->decode(algorithm, key);
    }
  }
  return NotAPrivateKey();
}

absl::StatusOr<hsm::AttributeSet> CompleteKeyMaterial(
    const hsm::AttributeSet& attributes) {
  const CK_OBJECT_CLASS object_class = attributes.object_class();
  if (object_class == CKO_SECRET_KEY) return CompleteSecret(attributes);
  const KeyForm* form = FormOfType(attributes.key_type());
  if (form == nullptr ||
      (object_class != CKO_PUBLIC_KEY && object_class != CKO_PRIVATE_KEY)) {
    return hsm::AttributeSet();
  }
  return form->complete(attributes);
}

absl::StatusOr<hsm::AttributeSet> PublicKeyOf(
    const hsm::AttributeSet& private_key) {
  const KeyForm* form = FormOfType(private_key.key_type());
  if (form == nullptr || private_key.object_class() != CKO_PRIVATE_KEY) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT, "no private key");
  }
  ASSIGN_OR_RETURN(hsm::AttributeSet key, form->public_of(private_key));
  key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  key.SetUlong(CKA_KEY_TYPE, form->type);
  return key;
}

CK_ULONG StrongKeySize(CK_KEY_TYPE type, Profile profile) {
  if (profile == Profile::kLegacy) return 0;
  switch (type) {
    case CKK_RSA:
      return kMinRsaBits;
    case CKK_EC:
      return kMinEcBits;
    case CKK_DSA:
    case CKK_DH:
    case CKK_X9_42_DH:
      return kMinFfcBits;
    default:
      return 0;
  }
}

// A DES3 or DES2 key of which two neighbours are equal.
bool IsSingleDes(const hsm::AttributeSet& key) {
  const CK_KEY_TYPE type = key.key_type();
  if (type != CKK_DES2 && type != CKK_DES3) return false;
  constexpr size_t kPart = 8;
  const ByteSpan value = key.Value(CKA_VALUE);
  for (size_t at = 0; at + 2 * kPart <= value.size(); at += kPart) {
    if (base::ConstantTimeEquals(value.subspan(at, kPart),
                                 value.subspan(at + kPart, kPart))) {
      return true;
    }
  }
  return false;
}

absl::Status CheckStrength(const hsm::AttributeSet& key, Profile profile) {
  if (profile == Profile::kStrict && IsSingleDes(key)) {
    return base::Error(CKR_KEY_SIZE_RANGE, "single DES in another form");
  }
  const CK_ULONG size = KeySizeOf(key);
  if (size != 0 && size < StrongKeySize(key.key_type(), profile)) {
    return base::Error(CKR_KEY_SIZE_RANGE,
                       "a key of this size may only verify");
  }
  return absl::OkStatus();
}

int StrengthOf(const hsm::AttributeSet& key) {
  const CK_ULONG size = KeySizeOf(key);
  switch (key.key_type()) {
    case CKK_RSA:
    case CKK_DSA:
    case CKK_DH:
    case CKK_X9_42_DH:
      return size >= 15360  ? 256
             : size >= 7680 ? 192
             : size >= 3072 ? 128
             : size >= 2048 ? 112
                            : 80;
    case CKK_EC:
    case CKK_BIP32:
    case CKK_EC_EDWARDS:
    case CKK_EC_MONTGOMERY:
      // 521 bits are as good as 512, 255 and 448 as 256 and 448.
      return static_cast<int>(std::min<CK_ULONG>((size + 1) / 2, 256));
    case CKK_AES:
    case CKK_CAMELLIA:
    case CKK_CHACHA20:
      return static_cast<int>(8 * size);
    case CKK_AES_XTS:
      return static_cast<int>(4 * size);
    case CKK_DES:
      return 56;
    case CKK_DES2:
      return 80;
    case CKK_DES3:
      return 112;
    default:
      return 0;
  }
}

absl::Status CheckNamed(const Use& use) {
  const hsm::AttributeSet& key = use.key->attributes();
  if (use.profile != Profile::kStrict || !hsm::HidesValue(key)) {
    return absl::OkStatus();
  }
  const ByteSpan list = key.Value(CKA_ALLOWED_MECHANISMS);
  for (size_t at = 0; at + sizeof(CK_MECHANISM_TYPE) <= list.size();
       at += sizeof(CK_MECHANISM_TYPE)) {
    CK_MECHANISM_TYPE allowed;
    std::memcpy(&allowed, list.data() + at, sizeof(allowed));
    if (allowed == use.mechanism.type) return absl::OkStatus();
  }
  return base::Error(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      absl::StrCat("a hidden key that does not name ", use.mechanism.name));
}

CK_ULONG KeySizeOf(const hsm::AttributeSet& attributes) {
  const KeyForm* form = FormOfType(attributes.key_type());
  if (form != nullptr) return form->size(attributes);
  if (attributes.object_class() != CKO_SECRET_KEY) return 0;
  const ByteSpan value = attributes.Value(CKA_VALUE);
  return value.empty() ? attributes.Ulong(CKA_VALUE_LEN).value_or(0)
                       : value.size();
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

void KeyComponents::Int(const char* name, int value) {
  values_.emplace_back(sizeof(value));
  const base::MutableByteSpan place = values_.back().ExposeMutable();
  std::memcpy(place.data(), &value, sizeof(value));
  parameters_.push_back(
      OSSL_PARAM_construct_int(name, reinterpret_cast<int*>(place.data())));
}

void KeyComponents::Text(const char* name, const char* text) {
  parameters_.push_back(
      OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0));
}

absl::StatusOr<UniquePkey> KeyComponents::Import(const char* type,
                                                 int selection) {
  parameters_.push_back(OSSL_PARAM_construct_end());
  UniquePkeyCtx context = NewKeyTypeContext(type);
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
        const KeyForm* form = FormOfType(attributes.key_type());
        if (form == nullptr) {
          return base::Error(CKR_KEY_TYPE_INCONSISTENT,
                             "not an asymmetric key");
        }
        ASSIGN_OR_RETURN(UniquePkey made, form->import(attributes));
        return std::shared_ptr<EVP_PKEY>(std::move(made));
      });
}

}  // namespace pkcs11
