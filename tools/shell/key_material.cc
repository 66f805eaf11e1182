#include "tools/shell/key_material.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/result.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Span = absl::Span<const unsigned char>;
using OwnedContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using OwnedNumber = Owned<BIGNUM, BN_clear_free>;

struct NumberRow {
  CK_ATTRIBUTE_TYPE attribute;
  const char* name;
  WipedBytes RsaNumbers::*member;
  bool open;  // of the public half too
};
constexpr NumberRow kRsaNumbers[] = {
    {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N, &RsaNumbers::n, true},
    {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E, &RsaNumbers::e, true},
    {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D, &RsaNumbers::d, false},
    {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1, &RsaNumbers::p, false},
    {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2, &RsaNumbers::q, false},
    {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1, &RsaNumbers::dp, false},
    {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2, &RsaNumbers::dq, false},
    {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, &RsaNumbers::qi,
     false}};

absl::Status Bad(absl::string_view what) {
  return Failure(CKR_ATTRIBUTE_VALUE_INVALID,
                 absl::StrCat(what, " do not make a key: ", OpenSslReason()));
}

// Parameters that own and wipe their values.
class Parameters {
 public:
  void Number(const char* name, Span big_endian) {
    WipedBytes& value = values_.emplace_back(big_endian);
    std::reverse(value.data(), value.data() + value.size());
    rows_.push_back(OSSL_PARAM_construct_BN(name, value.data(), value.size()));
  }
  void Octets(const char* name, Span bytes) {
    WipedBytes& value = values_.emplace_back(bytes);
    rows_.push_back(
        OSSL_PARAM_construct_octet_string(name, value.data(), value.size()));
  }
  void Text(const char* name, const char* text) {
    rows_.push_back(
        OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0));
  }
  absl::StatusOr<OwnedKey> Key(const char* algorithm, bool hidden) {
    const OwnedContext context(
        EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
    EVP_PKEY* key = nullptr;
    rows_.push_back(OSSL_PARAM_construct_end());
    if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) <= 0 ||
        EVP_PKEY_fromdata(context.get(), &key,
                          hidden ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          rows_.data()) <= 0) {
      return Bad("the values");
    }
    return OwnedKey(key);
  }

 private:
  std::vector<WipedBytes> values_;  // their buffers stay where they are
  std::vector<OSSL_PARAM> rows_;
};

WipedBytes Wrapped(Span point) {
  unsigned char head[3] = {0x04};
  size_t size = 1;
  if (point.size() > 127) head[size++] = 0x81;
  head[size++] = static_cast<unsigned char>(point.size());
  WipedBytes der = WipedBytes::OfSize(size + point.size());
  std::copy_n(head, size, der.data());
  std::copy(point.begin(), point.end(), der.data() + size);
  return der;
}

bool IsRaw(int nid) {
  return nid == NID_ED25519 || nid == NID_ED448 || nid == NID_X25519 ||
         nid == NID_X448;
}

WipedBytes RawHalf(EVP_PKEY* key, CK_OBJECT_CLASS half) {
  const auto get = half == CKO_PRIVATE_KEY ? EVP_PKEY_get_raw_private_key
                                           : EVP_PKEY_get_raw_public_key;
  size_t size = 0;
  if (get(key, nullptr, &size) != 1) return {};
  WipedBytes bytes = WipedBytes::OfSize(size);
  if (get(key, bytes.data(), &size) != 1) return {};
  return bytes;
}

// A parameter of OpenSSL 3.5.
constexpr char kSeed[] = "seed";

// The row of a post-quantum key; null for others.
const KeyType* PostQuantumType(EVP_PKEY* key) {
  const char* const name = EVP_PKEY_get0_type_name(key);
  for (const KeyType& row : KeyTypes()) {
    if (row.set != 0 && name != nullptr &&
        absl::EqualsIgnoreCase(name, row.name)) {
      return &row;
    }
  }
  return nullptr;
}

WipedBytes SeedOf(EVP_PKEY* key) {
  size_t size = 0;
  WipedBytes bytes;
  if (EVP_PKEY_get_octet_string_param(key, kSeed, nullptr, 0, &size) == 1) {
    bytes = WipedBytes::OfSize(size);
    EVP_PKEY_get_octet_string_param(key, kSeed, bytes.data(), size, &size);
  }
  ERR_clear_error();
  return bytes;
}

void SetPostQuantum(const KeyType& type, EVP_PKEY* key, CK_OBJECT_CLASS half,
                    Template& attributes) {
  attributes.Number(CKA_KEY_TYPE, type.type);
  attributes.Number(CKA_PARAMETER_SET, type.set);
  const WipedBytes seed = half == CKO_PRIVATE_KEY ? SeedOf(key) : WipedBytes();
  if (seed.empty()) {
    attributes.Bytes(CKA_VALUE, RawHalf(key, half).span());
  } else {
    attributes.Bytes(CKA_SEED, seed.span());
  }
}

absl::Status SetEc(EVP_PKEY* key, CK_OBJECT_CLASS half, Template& attributes) {
  const std::vector<unsigned char> curve = CurveDer(GroupName(key));
  if (curve.empty()) {
    return Failure(CKR_CURVE_NOT_SUPPORTED,
                   "an EC key whose curve has no name (explicit parameters)",
                   "Only named curves are taken: docs/KEY_PAIRS.md.");
  }
  attributes.Number(CKA_KEY_TYPE, CKK_EC);
  attributes.Bytes(CKA_EC_PARAMS, curve);
  if (half == CKO_PRIVATE_KEY) {
    const WipedBytes scalar = KeyNumber(key, OSSL_PKEY_PARAM_PRIV_KEY);
    attributes.Bytes(CKA_VALUE, scalar.span());
  } else {
    attributes.Bytes(CKA_EC_POINT, Wrapped(EcPoint(key).span()).span());
  }
  return absl::OkStatus();
}

}  // namespace

void IgnoreOpenSslConfiguration() {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
}

std::string OpenSslReason() {
  const unsigned long code = ERR_peek_error();
  const char* const reason = ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "no reason is known" : reason;
  ERR_clear_error();
  return text;
}

// --- making ------------------------------------------------------------------

absl::StatusOr<OwnedKey> RsaKey(const RsaNumbers& numbers) {
  Parameters parameters;
  for (const NumberRow& row : kRsaNumbers) {
    const WipedBytes& number = numbers.*row.member;
    if (number.empty() && row.open) return Bad("numbers without n or e");
    if (!number.empty()) parameters.Number(row.name, number.span());
  }
  return parameters.Key("RSA", !numbers.d.empty());
}

absl::StatusOr<OwnedKey> EcKey(const char* group, Span point, Span scalar) {
  Parameters parameters;
  parameters.Text(OSSL_PKEY_PARAM_GROUP_NAME, group);
  parameters.Octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  if (!scalar.empty()) parameters.Number(OSSL_PKEY_PARAM_PRIV_KEY, scalar);
  return parameters.Key("EC", !scalar.empty());
}

absl::StatusOr<OwnedKey> RawKey(int nid, Span open, Span hidden) {
  OwnedKey key(
      hidden.empty()
          ? EVP_PKEY_new_raw_public_key(nid, nullptr, open.data(), open.size())
          : EVP_PKEY_new_raw_private_key(nid, nullptr, hidden.data(),
                                         hidden.size()));
  if (key == nullptr) return Bad("the bytes");
  if (hidden.empty() || open.empty()) return key;
  if (RawHalf(key.get(), CKO_PUBLIC_KEY).span() != open) {
    return Failure(CKR_ATTRIBUTE_VALUE_INVALID,
                   "the private and the public half do not belong together");
  }
  return key;
}

// --- reading -----------------------------------------------------------------

WipedBytes KeyNumber(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) {
    ERR_clear_error();
    return {};
  }
  const OwnedNumber owner(number);
  WipedBytes bytes =
      WipedBytes::OfSize(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  return bytes;
}

std::string GroupName(EVP_PKEY* key) {
  char name[80] = {};
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &size) != 1) {
    ERR_clear_error();
    return "";
  }
  return name;
}

WipedBytes EcPoint(EVP_PKEY* key) {
  const WipedBytes x = KeyNumber(key, OSSL_PKEY_PARAM_EC_PUB_X);
  const WipedBytes y = KeyNumber(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  const size_t field = (CurveBits(CurveDer(GroupName(key))) + 7) / 8;
  if (x.size() > field || y.size() > field || field == 0) return {};
  WipedBytes point = WipedBytes::OfSize(1 + 2 * field);
  point.data()[0] = 4;
  std::copy(x.span().begin(), x.span().end(),
            point.data() + 1 + field - x.size());
  std::copy(y.span().begin(), y.span().end(),
            point.data() + 1 + 2 * field - y.size());
  return point;
}

absl::StatusOr<Template> AttributesOf(EVP_PKEY* key, CK_OBJECT_CLASS half) {
  Template attributes;
  attributes.Number(CKA_CLASS, half);
  const int id = EVP_PKEY_get_base_id(key);
  if (id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS) {
    attributes.Number(CKA_KEY_TYPE, CKK_RSA);
    for (const NumberRow& row : kRsaNumbers) {
      if (!row.open && half == CKO_PUBLIC_KEY) continue;
      const WipedBytes number = KeyNumber(key, row.name);
      if (!number.empty()) attributes.Bytes(row.attribute, number.span());
    }
    return attributes;
  }
  if (id == EVP_PKEY_EC) {
    RETURN_IF_ERROR(SetEc(key, half, attributes));
    return attributes;
  }
  if (IsRaw(id)) {
    const bool signs = id == NID_ED25519 || id == NID_ED448;
    attributes.Number(CKA_KEY_TYPE, signs ? CKK_EC_EDWARDS : CKK_EC_MONTGOMERY);
    attributes.Bytes(CKA_EC_PARAMS, CurveDer(OBJ_nid2sn(id)));
    attributes.Bytes(half == CKO_PRIVATE_KEY ? CKA_VALUE : CKA_EC_POINT,
                     RawHalf(key, half).span());
    return attributes;
  }
  if (const KeyType* const type = PostQuantumType(key)) {
    SetPostQuantum(*type, key, half, attributes);
    return attributes;
  }
  const char* const name = EVP_PKEY_get0_type_name(key);
  return Failure(CKR_KEY_TYPE_INCONSISTENT,
                 absl::StrCat("a key of the type ",
                              name != nullptr ? name : "that has no name"),
                 "RSA, EC, Ed25519, Ed448, X25519 and X448 keys are imported, "
                 "and ML-DSA, ML-KEM and SLH-DSA from OpenSSL 3.5 on.");
}

absl::StatusOr<OwnedKey> PublicKeyOf(const KeyObject& object) {
  const std::optional<WipedBytes> info = object.Bytes(CKA_PUBLIC_KEY_INFO);
  if (info.has_value() && !info->empty()) {
    const unsigned char* at = info->span().data();
    OwnedKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(info->size())));
    if (key != nullptr) return key;
    return Failure(CKR_FUNCTION_FAILED,
                   absl::StrCat("OpenSSL does not read its public key: ",
                                OpenSslReason()));
  }
  return Failure(
      CKR_FUNCTION_FAILED,
      absl::StrCat("the ", object.Kind(), " does not tell its public half"),
      "Name the public key object, if there is one.");
}

absl::StatusOr<OwnedKey> PrivateKeyOf(const KeyObject& object) {
  ASSIGN_OR_RETURN(const OwnedKey open, PublicKeyOf(object));
  const int id = EVP_PKEY_get_base_id(open.get());
  if (id == EVP_PKEY_RSA) {
    RsaNumbers numbers;
    for (const NumberRow& row : kRsaNumbers) {
      std::optional<WipedBytes> value = object.Bytes(row.attribute);
      if (value.has_value()) numbers.*row.member = *std::move(value);
    }
    if (!numbers.d.empty()) return RsaKey(numbers);
  }
  const std::optional<WipedBytes> value = object.Bytes(CKA_VALUE);
  if (value.has_value() && id == EVP_PKEY_EC) {
    return EcKey(GroupName(open.get()).c_str(), EcPoint(open.get()).span(),
                 value->span());
  }
  if (value.has_value() && IsRaw(id)) return RawKey(id, {}, value->span());
  if (PostQuantumType(open.get()) != nullptr) {
    const std::optional<WipedBytes> seed = object.Bytes(CKA_SEED);
    const bool has_seed = seed.has_value() && !seed->empty();
    Parameters parameters;
    if (has_seed) {
      parameters.Octets(kSeed, seed->span());
    } else if (value.has_value()) {
      parameters.Octets(OSSL_PKEY_PARAM_PRIV_KEY, value->span());
    }
    if (has_seed || value.has_value()) {
      return parameters.Key(EVP_PKEY_get0_type_name(open.get()), true);
    }
  }
  return Failure(
      CKR_KEY_UNEXTRACTABLE,
      absl::StrCat("the value of the ", object.Kind(), " may not be read"));
}

// --- its name ----------------------------------------------------------------

std::vector<unsigned char> PublicKeyInfo(EVP_PKEY* key) {
  std::vector<unsigned char> der(
      static_cast<size_t>(std::max(0, i2d_PUBKEY(key, nullptr))));
  unsigned char* at = der.data();
  if (!der.empty()) i2d_PUBKEY(key, &at);
  return der;
}

std::string KeyIdOf(EVP_PKEY* key) {
  X509_PUBKEY* info = nullptr;
  if (X509_PUBKEY_set(&info, key) != 1) return "";
  const Owned<X509_PUBKEY, X509_PUBKEY_free> owner(info);
  const unsigned char* bits = nullptr;
  int size = 0;
  if (X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, info) != 1) {
    return "";
  }
  unsigned char digest[SHA_DIGEST_LENGTH];
  unsigned int length = 0;
  if (EVP_Digest(bits, static_cast<size_t>(size), digest, &length, EVP_sha1(),
                 nullptr) != 1) {
    return "";
  }
  return std::string(digest, digest + length);
}

std::string NameText(Span der) {
  const unsigned char* at = der.data();
  const Owned<X509_NAME, X509_NAME_free> name(
      d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
  const Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
  ERR_clear_error();
  if (name == nullptr ||
      X509_NAME_print_ex(bio.get(), name.get(), 0,
                         XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0) {
    return "";
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return CleanText({text, static_cast<size_t>(std::max(0L, size))});
}

}  // namespace shell
