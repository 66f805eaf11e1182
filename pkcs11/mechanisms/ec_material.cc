// EC keys on prime curves (CKK_EC): points, import into OpenSSL, generation,
// PKCS#8, and the checks of what an application brings.
#include <openssl/bn.h>

#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

using UniqueBn = UniqueOf<BIGNUM, BN_clear_free>;
using UniqueBnCtx = UniqueOf<BN_CTX, BN_CTX_free>;
using UniquePoint = UniqueOf<EC_POINT, EC_POINT_clear_free>;

constexpr uint8_t kEcPublicKeyOid[] = {0x06, 0x07, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x02, 0x01};
constexpr uint8_t kUncompressed = 0x04;
// The OPTIONAL trailers of ECPrivateKey.
constexpr uint8_t kEcParameters = 0xa0;
constexpr uint8_t kEcPublicKey = 0xa1;

// The public point of the scalar, uncompressed. CKR_ATTRIBUTE_VALUE_INVALID
// unless 0 < scalar < order.
absl::StatusOr<Bytes> PointOf(const Curve& curve, ByteSpan scalar) {
  const EC_GROUP* group = GroupOf(curve);
  if (group == nullptr) {
    return base::OpenSslError(CKR_CURVE_NOT_SUPPORTED, "curve");
  }
  const UniqueBnCtx context(BN_CTX_new_ex(base::OpenSslContext()));
  const UniqueBn d(BN_bin2bn(scalar.data(), scalar.size(), nullptr));
  const UniquePoint point(EC_POINT_new(group));
  if (context == nullptr || d == nullptr || point == nullptr) {
    return base::OpenSslError(CKR_HOST_MEMORY, "EC point");
  }
  BN_set_flags(d.get(), BN_FLG_CONSTTIME);
  if (BN_is_zero(d.get()) || BN_cmp(d.get(), EC_GROUP_get0_order(group)) >= 0) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "range of an EC scalar");
  }
  Bytes out(1 + 2 * curve.size);
  if (EC_POINT_mul(group, point.get(), d.get(), nullptr, nullptr,
                   context.get()) != 1 ||
      EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED,
                         out.data(), out.size(), context.get()) != out.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "EC public point");
  }
  return out;
}

// On the curve and, where the curve has others, in the group of its order. A
// point other than infinity (which the uncompressed form cannot express) is
// then a valid public key.
absl::Status CheckPoint(const Curve& curve, ByteSpan point) {
  const EC_GROUP* group = GroupOf(curve);
  const UniqueBnCtx context(BN_CTX_new_ex(base::OpenSslContext()));
  const UniquePoint parsed(group == nullptr ? nullptr : EC_POINT_new(group));
  if (parsed == nullptr || context == nullptr ||
      EC_POINT_oct2point(group, parsed.get(), point.data(), point.size(),
                         context.get()) != 1) {
    return base::OpenSslError(CKR_ATTRIBUTE_VALUE_INVALID,
                              "a point that is not on the curve");
  }
  if (curve.cofactor == 1) return absl::OkStatus();
  const UniquePoint product(EC_POINT_new(group));
  if (product == nullptr ||
      EC_POINT_mul(group, product.get(), nullptr, parsed.get(),
                   EC_GROUP_get0_order(group), context.get()) != 1 ||
      EC_POINT_is_at_infinity(group, product.get()) != 1) {
    return base::OpenSslError(CKR_ATTRIBUTE_VALUE_INVALID,
                              "a point outside the group");
  }
  return absl::OkStatus();
}

Bytes OctetString(ByteSpan contents) {
  DerWriter out;
  out.Element(kDerOctetString, contents);
  return base::ToBytes(out.bytes());
}

// Generation contexts of one curve; its prototype cannot be copied, so a new
// one is made when no spare is there.
UniquePkeyCtx NewGenerator(const Curve& curve) {
  UniquePkeyCtx context = NewKeyTypeContext(kEcType);
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_group_name(context.get(), curve.name) != 1) {
    return nullptr;
  }
  return context;
}

std::atomic<EVP_PKEY_CTX*> spare_generators[kMostCurves];

absl::StatusOr<UniquePkey> GeneratePkey(const Curve& curve) {
  std::atomic<EVP_PKEY_CTX*>& spare = spare_generators[IndexOf(curve)];
  UniquePkeyCtx context(spare.exchange(nullptr));
  if (context == nullptr) context = NewGenerator(curve);
  EVP_PKEY* pkey = nullptr;
  if (context == nullptr || EVP_PKEY_generate(context.get(), &pkey) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "EC key generation");
  }
  UniquePkeyCtx(spare.exchange(context.release()));
  return UniquePkey(pkey);
}

}  // namespace

ByteSpan RawPoint(const Curve& curve, ByteSpan point) {
  const size_t raw_size = 1 + 2 * curve.size;
  if (point.size() != raw_size) {
    DerReader reader(point);
    point = reader.Element(kDerOctetString);
    if (!reader.Finish() || point.size() != raw_size) return {};
  }
  return point.front() == kUncompressed ? point : ByteSpan();
}

absl::StatusOr<UniquePkey> ImportEcPoint(const Curve& curve, ByteSpan point) {
  KeyComponents components;
  components.Text(OSSL_PKEY_PARAM_GROUP_NAME, curve.name);
  components.Octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  auto pkey = components.Import(kEcType, EVP_PKEY_PUBLIC_KEY);
  const bool is_valid =
      pkey.ok() && (curve.cofactor == 1 || CheckPoint(curve, point).ok());
  if (!is_valid) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "not a point of the curve");
  }
  return pkey;
}

namespace {

absl::StatusOr<UniquePkey> ImportEc(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  if (key.object_class() != CKO_PRIVATE_KEY) {
    const ByteSpan point = RawPoint(*curve, key.Value(CKA_EC_POINT));
    if (point.empty()) {
      return base::Error(CKR_PUBLIC_KEY_INVALID, "form of an EC point");
    }
    return ImportEcPoint(*curve, point);
  }
  const ByteSpan scalar = Stripped(key.Value(CKA_VALUE));
  ASSIGN_OR_RETURN(const Bytes point, PointOf(*curve, scalar));
  KeyComponents components;
  components.Text(OSSL_PKEY_PARAM_GROUP_NAME, curve->name);
  components.Octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  components.Number(OSSL_PKEY_PARAM_PRIV_KEY, scalar);
  return components.Import(kEcType, EVP_PKEY_KEYPAIR);
}

Bytes EcPublicKeyInfo(const Curve& curve, ByteSpan point) {
  DerWriter algorithm;
  algorithm.Raw(kEcPublicKeyOid).Raw(curve.oid_bytes());
  DerWriter info;
  info.Element(kDerSequence, algorithm).BitString(point);
  DerWriter out;
  out.Element(kDerSequence, info);
  return base::ToBytes(out.bytes());
}

absl::StatusOr<hsm::AttributeSet> CompleteEc(const hsm::AttributeSet& key) {
  if (!key.Has(CKA_EC_PARAMS)) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_EC_PARAMS");
  }
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  hsm::AttributeSet added;
  Bytes point;
  if (key.object_class() == CKO_PRIVATE_KEY) {
    const ByteSpan scalar = Stripped(key.Value(CKA_VALUE));
    if (scalar.size() > curve->order_size) {
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "range of an EC scalar");
    }
    ASSIGN_OR_RETURN(point, PointOf(*curve, scalar));
    added.Set(CKA_VALUE, scalar);
  } else {
    point = base::ToBytes(RawPoint(*curve, key.Value(CKA_EC_POINT)));
    if (point.empty()) {
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "form of an EC point");
    }
    RETURN_IF_ERROR(CheckPoint(*curve, point));
    added.Set(CKA_EC_POINT, OctetString(point));
  }
  const Bytes info = EcPublicKeyInfo(*curve, point);
  RETURN_IF_ERROR(CheckPublicKeyInfo(key, info));
  added.Set(CKA_PUBLIC_KEY_INFO, info);
  return added;
}

}  // namespace

absl::StatusOr<GeneratedPair> GenerateEc(ByteSpan ec_params) {
  ASSIGN_OR_RETURN(const Curve* found, CurveOf(ec_params));
  const Curve& curve = *found;
  ASSIGN_OR_RETURN(const UniquePkey pkey, GeneratePkey(curve));
  BIGNUM* raw = nullptr;
  Bytes point(1 + 2 * curve.size);
  size_t point_size = 0;
  if (EVP_PKEY_get_bn_param(pkey.get(), OSSL_PKEY_PARAM_PRIV_KEY, &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "private part of a key");
  }
  const UniqueBn scalar(raw);
  SecretBytes value(curve.order_size);
  if (BN_bn2binpad(raw, value.ExposeMutable().data(), value.size()) < 0 ||
      EVP_PKEY_get_octet_string_param(pkey.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                      point.data(), point.size(),
                                      &point_size) != 1 ||
      point_size != point.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "parts of a new key");
  }
  GeneratedPair pair;
  const Bytes info = EcPublicKeyInfo(curve, point);
  pair.public_key.Set(CKA_EC_POINT, OctetString(point));
  pair.public_key.Set(CKA_PUBLIC_KEY_INFO, info);
  pair.private_key.Set(CKA_EC_PARAMS, ec_params);
  pair.private_key.Set(CKA_VALUE, Stripped(value.Expose()));
  pair.private_key.Set(CKA_PUBLIC_KEY_INFO, info);
  return pair;
}

// --- the form of the key type ------------------------------------------------

namespace {

absl::StatusOr<hsm::AttributeSet> PublicOfEc(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  ASSIGN_OR_RETURN(const Bytes point,
                   PointOf(*curve, Stripped(key.Value(CKA_VALUE))));
  hsm::AttributeSet parts;
  parts.Set(CKA_EC_PARAMS, key.Value(CKA_EC_PARAMS));
  parts.Set(CKA_EC_POINT, OctetString(point));
  return parts;
}

absl::Status EncodeEc(const hsm::AttributeSet& key, DerWriter& algorithm,
                      DerWriter& inner) {
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  const ByteSpan value = Stripped(key.Value(CKA_VALUE));
  if (value.empty() || value.size() > curve->order_size) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE, "EC key without its value");
  }
  // RFC 5915: the octets have the length of the order.
  SecretBytes scalar(curve->order_size);
  std::copy(value.begin(), value.end(),
            scalar.ExposeMutable().end() - value.size());
  DerWriter fields;
  fields.SmallInteger(1).Element(kDerOctetString, scalar.Expose());
  inner.Element(kDerSequence, fields);
  algorithm.Raw(kEcPublicKeyOid).Raw(curve->oid_bytes());
  return absl::OkStatus();
}

bool OwnsEc(ByteSpan algorithm) {
  return StartsWith(algorithm, kEcPublicKeyOid);
}

absl::StatusOr<hsm::AttributeSet> DecodeEc(ByteSpan algorithm, ByteSpan der) {
  const ByteSpan ec_params = algorithm.subspan(sizeof(kEcPublicKeyOid));
  const auto curve = CurveOf(ec_params);
  if (!curve.ok()) return NotAPrivateKey();
  DerReader outer(der);
  DerReader fields(outer.Element(kDerSequence));
  const ByteSpan version = fields.Integer();
  const ByteSpan scalar = Stripped(fields.Element(kDerOctetString));
  const ByteSpan inner_params = fields.Optional(kEcParameters);
  // The public key is computed anew from the scalar, not believed.
  fields.Optional(kEcPublicKey);
  const bool is_valid =
      outer.Finish() && fields.Finish() && version.size() == 1 &&
      version[0] == 1 && !scalar.empty() &&
      scalar.size() <= (*curve)->order_size &&
      (inner_params.empty() || base::SameBytes(inner_params, ec_params));
  if (!is_valid) return NotAPrivateKey();
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, CKK_EC);
  key.Set(CKA_EC_PARAMS, ec_params);
  key.Set(CKA_VALUE, scalar);
  return key;
}

CK_ULONG SizeOfEc(const hsm::AttributeSet& key) {
  const auto curve = CurveOf(key.Value(CKA_EC_PARAMS));
  return curve.ok() ? (*curve)->bits : 0;
}

}  // namespace

const KeyForm kEcForm = {.type = CKK_EC,
                         .check = PairCheck::kSign,
                         .size = SizeOfEc,
                         .import = ImportEc,
                         .complete = CompleteEc,
                         .public_of = PublicOfEc,
                         .encode = EncodeEc,
                         .owns = OwnsEc,
                         .decode = DecodeEc};

}  // namespace pkcs11
