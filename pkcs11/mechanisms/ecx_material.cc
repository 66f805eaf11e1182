#include <openssl/bn.h>

#include <algorithm>
#include <iterator>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/ecx.h"

namespace pkcs11 {
namespace {

using UniqueBn = UniqueOf<BIGNUM, BN_free>;
using UniqueBnCtx = UniqueOf<BN_CTX, BN_CTX_free>;

constexpr EcxCurve kCurves[] = {
    {CKK_EC_EDWARDS, "edwards25519", "1.3.101.112", "\x06\x03\x2b\x65\x70", 255,
     32, 64},
    {CKK_EC_EDWARDS, "edwards448", "1.3.101.113", "\x06\x03\x2b\x65\x71", 448,
     57, 114},
    {CKK_EC_MONTGOMERY, "curve25519", "1.3.101.110", "\x06\x03\x2b\x65\x6e",
     255, 32, 0},
    {CKK_EC_MONTGOMERY, "curve448", "1.3.101.111", "\x06\x03\x2b\x65\x6f", 448,
     56, 0},
};

// Other names that clients use: the algorithms', and identifiers that were in
// use before RFC 8410.
struct Alias {
  absl::string_view contents;
  bool is_oid;
  absl::string_view name;
};
constexpr Alias kAliases[] = {
    {"Ed25519", false, "edwards25519"},
    {"Ed448", false, "edwards448"},
    {"X25519", false, "curve25519"},
    {"X448", false, "curve448"},
    {"\x2b\x06\x01\x04\x01\xda\x47\x0f\x01", true, "edwards25519"},
    {"\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01", true, "curve25519"},
};

bool IsNamed(const EcxCurve& curve, uint8_t tag, absl::string_view contents) {
  if (tag == kDerPrintableString && contents == curve.name) return true;
  for (const Alias& alias : kAliases) {
    if (alias.is_oid == (tag == kDerOid) && alias.contents == contents &&
        alias.name == curve.name) {
      return true;
    }
  }
  return tag == kDerOid && contents == curve.oid.substr(2);
}

// --- points of the Edwards curves --------------------------------------------

// x^2 = (y^2 - 1) / (d y^2 - a) modulo p, with a = -1 or 1.
struct EdwardsField {
  const char* p;
  const char* d;
  bool is_twisted;  // a = -1
};
constexpr EdwardsField kEd25519Field = {
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
    "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", true};
constexpr EdwardsField kEd448Field = {
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffffffffffffff"
    "ff"
    "ffffffffffffffffffffffffffffffffffff",
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffffffffffffff"
    "ff"
    "ffffffffffffffffffffffffffffffff6756",
    false};
// The y of edwards25519's points of order 8; 0, 1 and -1 are those of orders
// 4, 1 and 2 on both curves.
constexpr const char* kOrderEight[] = {
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
};

UniqueBn FromHex(const char* hex) {
  BIGNUM* made = nullptr;
  BN_hex2bn(&made, hex);
  return UniqueBn(made);
}

bool HasSmallOrder(const EdwardsField& field, const BIGNUM* y,
                   const BIGNUM* p) {
  const UniqueBn minus_one(BN_dup(p));
  BN_sub_word(minus_one.get(), 1);
  if (BN_is_zero(y) || BN_is_one(y) || BN_cmp(y, minus_one.get()) == 0) {
    return true;
  }
  for (const char* hex : kOrderEight) {
    if (field.is_twisted && BN_cmp(y, FromHex(hex).get()) == 0) return true;
  }
  return false;
}

// Whether `point` is the one encoding of a point of the curve that is not of
// small order (RFC 8032, 5.1.3 and 5.2.3). Not for secrets.
bool IsEdwardsPoint(const EcxCurve& curve, ByteSpan point) {
  const EdwardsField& field = curve.bits == 255 ? kEd25519Field : kEd448Field;
  Bytes encoded = base::ToBytes(point);
  encoded.back() &= 0x7f;  // the sign of x
  const UniqueBn p = FromHex(field.p);
  const UniqueBn d = FromHex(field.d);
  const UniqueBn y(BN_lebin2bn(encoded.data(), encoded.size(), nullptr));
  const UniqueBnCtx context(BN_CTX_new_ex(base::OpenSslContext()));
  const UniqueBn square(BN_new()), above(BN_new()), below(BN_new());
  if (p == nullptr || d == nullptr || y == nullptr || context == nullptr ||
      square == nullptr || above == nullptr || below == nullptr ||
      BN_cmp(y.get(), p.get()) >= 0 || HasSmallOrder(field, y.get(), p.get())) {
    return false;
  }
  BN_CTX* c = context.get();
  // A quotient is a square when the product is; zero was excluded above.
  const bool computed =
      BN_mod_sqr(square.get(), y.get(), p.get(), c) == 1 &&
      BN_mod_mul(below.get(), d.get(), square.get(), p.get(), c) == 1 &&
      (field.is_twisted ? BN_add_word(below.get(), 1)
                        : BN_sub_word(below.get(), 1)) == 1 &&
      BN_copy(above.get(), square.get()) != nullptr &&
      BN_sub_word(above.get(), 1) == 1 &&
      BN_mod_mul(above.get(), above.get(), below.get(), p.get(), c) == 1;
  return computed && BN_kronecker(above.get(), p.get(), c) == 1;
}

// ------------------------------------------------------------------------------

Bytes PublicKeyInfo(const EcxCurve& curve, ByteSpan point) {
  DerWriter algorithm;
  algorithm.Raw(base::AsBytes(curve.oid));
  DerWriter info;
  info.Element(kDerSequence, algorithm).BitString(point);
  DerWriter out;
  out.Element(kDerSequence, info);
  return base::ToBytes(out.bytes());
}

absl::StatusOr<UniquePkey> ImportPrivate(const EcxCurve& curve,
                                         ByteSpan value) {
  if (value.size() != curve.size) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID,
                       "length of a private key of this curve");
  }
  KeyComponents components;
  components.Octets(OSSL_PKEY_PARAM_PRIV_KEY, value);
  return components.Import(curve.openssl_type, EVP_PKEY_KEYPAIR);
}

absl::StatusOr<Bytes> PointOf(const EcxCurve& curve, const EVP_PKEY* pkey) {
  Bytes point(curve.size);
  size_t size = point.size();
  if (EVP_PKEY_get_raw_public_key(pkey, point.data(), &size) != 1 ||
      size != point.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "public part of a key");
  }
  return point;
}

absl::StatusOr<UniquePkey> Import(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(key));
  if (key.object_class() == CKO_PRIVATE_KEY) {
    return ImportPrivate(*curve, key.Value(CKA_VALUE));
  }
  return ImportEcxPoint(*curve, RawEcxPoint(*curve, key.Value(CKA_EC_POINT)));
}

absl::StatusOr<Bytes> PublicPoint(const EcxCurve& curve,
                                  const hsm::AttributeSet& key) {
  if (key.object_class() == CKO_PRIVATE_KEY) {
    ASSIGN_OR_RETURN(const UniquePkey pkey,
                     ImportPrivate(curve, key.Value(CKA_VALUE)));
    return PointOf(curve, pkey.get());
  }
  const ByteSpan point = RawEcxPoint(curve, key.Value(CKA_EC_POINT));
  if (point.empty() ||
      (curve.signature_size != 0 && !IsEdwardsPoint(curve, point))) {
    base::ForgetOpenSslErrors();
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT");
  }
  return base::ToBytes(point);
}

absl::StatusOr<hsm::AttributeSet> Complete(const hsm::AttributeSet& key) {
  if (!key.Has(CKA_EC_PARAMS)) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_EC_PARAMS");
  }
  ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(key));
  ASSIGN_OR_RETURN(const Bytes point, PublicPoint(*curve, key));
  const Bytes info = PublicKeyInfo(*curve, point);
  RETURN_IF_ERROR(CheckPublicKeyInfo(key, info));
  hsm::AttributeSet added;
  if (key.object_class() == CKO_PUBLIC_KEY) added.Set(CKA_EC_POINT, point);
  added.Set(CKA_PUBLIC_KEY_INFO, info);
  return added;
}

absl::StatusOr<hsm::AttributeSet> PublicOf(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(key));
  ASSIGN_OR_RETURN(const Bytes point, PublicPoint(*curve, key));
  hsm::AttributeSet parts;
  parts.Set(CKA_EC_PARAMS, key.Value(CKA_EC_PARAMS));
  parts.Set(CKA_EC_POINT, point);
  return parts;
}

absl::Status Encode(const hsm::AttributeSet& key, DerWriter& algorithm,
                    DerWriter& inner) {
  ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(key));
  if (key.Value(CKA_VALUE).size() != curve->size) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE, "a key without its value");
  }
  algorithm.Raw(base::AsBytes(curve->oid));
  inner.Element(kDerOctetString, key.Value(CKA_VALUE));
  return absl::OkStatus();
}

template <CK_KEY_TYPE kType>
bool Owns(ByteSpan algorithm) {
  for (const EcxCurve& curve : kCurves) {
    if (curve.key_type == kType &&
        base::SameBytes(base::AsBytes(curve.oid), algorithm)) {
      return true;
    }
  }
  return false;
}

template <CK_KEY_TYPE kType>
absl::StatusOr<hsm::AttributeSet> Decode(ByteSpan algorithm, ByteSpan der) {
  const auto curve = EcxCurveOf(kType, algorithm);
  DerReader reader(der);
  const ByteSpan value = reader.Element(kDerOctetString);
  if (!curve.ok() || !reader.Finish() || value.size() != (*curve)->size) {
    return NotAPrivateKey();
  }
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, kType);
  key.Set(CKA_EC_PARAMS, algorithm);
  key.Set(CKA_VALUE, value);
  return key;
}

CK_ULONG SizeOf(const hsm::AttributeSet& key) {
  const auto curve = EcxCurveOf(key);
  return curve.ok() ? (*curve)->bits : 0;
}

template <CK_KEY_TYPE kType>
constexpr KeyForm Form(PairCheck check) {
  return {.type = kType,
          .check = check,
          .size = SizeOf,
          .import = Import,
          .complete = Complete,
          .public_of = PublicOf,
          .encode = Encode,
          .owns = Owns<kType>,
          .decode = Decode<kType>};
}

}  // namespace

const KeyForm kEdwardsForm = Form<CKK_EC_EDWARDS>(PairCheck::kSign);
const KeyForm kMontgomeryForm = Form<CKK_EC_MONTGOMERY>(PairCheck::kAgree);

absl::Span<const EcxCurve> EcxCurves() { return kCurves; }

absl::StatusOr<const EcxCurve*> EcxCurveOf(CK_KEY_TYPE type,
                                           ByteSpan ec_params) {
  for (const uint8_t tag : {kDerOid, kDerPrintableString}) {
    DerReader reader(ec_params);
    const ByteSpan contents = reader.Element(tag);
    if (contents.empty() || !reader.Finish()) continue;
    for (const EcxCurve& curve : kCurves) {
      if (curve.key_type == type &&
          IsNamed(curve, tag, base::AsText(contents))) {
        return &curve;
      }
    }
    return base::Error(CKR_CURVE_NOT_SUPPORTED, "curve");
  }
  return base::Error(CKR_DOMAIN_PARAMS_INVALID,
                     "CKA_EC_PARAMS is not a named curve");
}

absl::StatusOr<const EcxCurve*> EcxCurveOf(const hsm::AttributeSet& key) {
  return EcxCurveOf(key.key_type(), key.Value(CKA_EC_PARAMS));
}

ByteSpan RawEcxPoint(const EcxCurve& curve, ByteSpan point) {
  if (point.size() == curve.size) return point;
  DerReader reader(point);
  const ByteSpan inner = reader.Element(kDerOctetString);
  return reader.Finish() && inner.size() == curve.size ? inner : ByteSpan();
}

absl::StatusOr<UniquePkey> ImportEcxPoint(const EcxCurve& curve,
                                          ByteSpan point) {
  if (point.size() != curve.size) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "length of a public key");
  }
  KeyComponents components;
  components.Octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  auto pkey = components.Import(curve.openssl_type, EVP_PKEY_PUBLIC_KEY);
  if (!pkey.ok()) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "not a public key");
  }
  return pkey;
}

absl::StatusOr<GeneratedPair> GenerateEcx(CK_KEY_TYPE type,
                                          ByteSpan ec_params) {
  ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(type, ec_params));
  const UniquePkeyCtx context = NewKeyTypeContext(curve->openssl_type);
  EVP_PKEY* raw = nullptr;
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_generate(context.get(), &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "key generation");
  }
  const UniquePkey pkey(raw);
  ASSIGN_OR_RETURN(const Bytes point, PointOf(*curve, raw));
  SecretBytes value(curve->size);
  size_t size = value.size();
  if (EVP_PKEY_get_raw_private_key(raw, value.ExposeMutable().data(), &size) !=
          1 ||
      size != value.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "private part of a key");
  }
  const Bytes info = PublicKeyInfo(*curve, point);
  GeneratedPair pair;
  pair.public_key.Set(CKA_EC_POINT, point);
  pair.public_key.Set(CKA_PUBLIC_KEY_INFO, info);
  pair.private_key.Set(CKA_EC_PARAMS, ec_params);
  pair.private_key.Set(CKA_VALUE, value.Expose());
  pair.private_key.Set(CKA_PUBLIC_KEY_INFO, info);
  return pair;
}

}  // namespace pkcs11
