// EC keys on the NIST curves: curve names, points, import into OpenSSL,
// generation, and the checks of what an application brings. The curves have
// cofactor 1, so a point on the curve other than infinity (which the
// uncompressed form cannot express) is a valid public key.
#include <openssl/bn.h>
#include <openssl/obj_mac.h>

#include <iterator>

#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

using UniqueBn = UniqueOf<BIGNUM, BN_clear_free>;
using UniqueBnCtx = UniqueOf<BN_CTX, BN_CTX_free>;
using UniquePoint = UniqueOf<EC_POINT, EC_POINT_clear_free>;

constexpr uint8_t kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                             0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr uint8_t kP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr uint8_t kP521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};

const Curve kCurves[] = {
    {"P-256", NID_X9_62_prime256v1, 256, 32, kP256},
    {"P-384", NID_secp384r1, 384, 48, kP384},
    {"P-521", NID_secp521r1, 521, 66, kP521},
};
constexpr size_t kCurveCount = std::size(kCurves);

constexpr uint8_t kEcPublicKeyOid[] = {0x06, 0x07, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x02, 0x01};
constexpr uint8_t kUncompressed = 0x04;
constexpr uint8_t kDerPrintableString = 0x13;

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

absl::Status CheckOnCurve(const Curve& curve, ByteSpan point) {
  const EC_GROUP* group = GroupOf(curve);
  const UniquePoint parsed(group == nullptr ? nullptr : EC_POINT_new(group));
  if (parsed == nullptr || EC_POINT_oct2point(group, parsed.get(), point.data(),
                                              point.size(), nullptr) != 1) {
    return base::OpenSslError(CKR_ATTRIBUTE_VALUE_INVALID,
                              "a point that is not on the curve");
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
  UniquePkeyCtx context(
      EVP_PKEY_CTX_new_from_name(base::OpenSslContext(), "EC", nullptr));
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_group_name(context.get(), curve.openssl_name) != 1) {
    return nullptr;
  }
  return context;
}

std::atomic<EVP_PKEY_CTX*> spare_generators[kCurveCount];

absl::StatusOr<UniquePkey> GeneratePkey(const Curve& curve) {
  std::atomic<EVP_PKEY_CTX*>& spare = spare_generators[&curve - kCurves];
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

absl::Span<const Curve> Curves() { return kCurves; }

absl::StatusOr<const Curve*> CurveOf(ByteSpan ec_params) {
  for (const Curve& curve : kCurves) {
    if (base::SameBytes(curve.oid, ec_params)) return &curve;
  }
  for (const uint8_t tag : {kDerOid, kDerPrintableString}) {
    DerReader reader(ec_params);
    if (!reader.Element(tag).empty() && reader.Finish()) {
      return base::Error(CKR_CURVE_NOT_SUPPORTED, "curve");
    }
  }
  return base::Error(CKR_DOMAIN_PARAMS_INVALID, "CKA_EC_PARAMS");
}

const EC_GROUP* GroupOf(const Curve& curve) {
  struct Groups {
    EC_GROUP* of[kCurveCount];
  };
  static const Groups* const groups = [] {
    auto* made = new Groups;
    for (size_t i = 0; i < kCurveCount; ++i) {
      made->of[i] = EC_GROUP_new_by_curve_name_ex(base::OpenSslContext(),
                                                  nullptr, kCurves[i].nid);
    }
    return made;
  }();
  return groups->of[&curve - kCurves];
}

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
  components.Text(OSSL_PKEY_PARAM_GROUP_NAME, curve.openssl_name);
  components.Octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  auto pkey = components.Import("EC", EVP_PKEY_PUBLIC_KEY);
  if (!pkey.ok()) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "not a point of the curve");
  }
  return pkey;
}

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
  components.Text(OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl_name);
  components.Octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  components.Number(OSSL_PKEY_PARAM_PRIV_KEY, scalar);
  return components.Import("EC", EVP_PKEY_KEYPAIR);
}

Bytes EcPublicKeyInfo(const Curve& curve, ByteSpan point) {
  DerWriter algorithm;
  algorithm.Raw(kEcPublicKeyOid).Raw(curve.oid);
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
    if (scalar.size() > curve->size) {
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "range of an EC scalar");
    }
    ASSIGN_OR_RETURN(point, PointOf(*curve, scalar));
    added.Set(CKA_VALUE, scalar);
  } else {
    point = base::ToBytes(RawPoint(*curve, key.Value(CKA_EC_POINT)));
    if (point.empty()) {
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "form of an EC point");
    }
    RETURN_IF_ERROR(CheckOnCurve(*curve, point));
    added.Set(CKA_EC_POINT, OctetString(point));
  }
  const Bytes info = EcPublicKeyInfo(*curve, point);
  const ByteSpan given = key.Value(CKA_PUBLIC_KEY_INFO);
  if (!given.empty() && !base::SameBytes(given, info)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_PUBLIC_KEY_INFO");
  }
  added.Set(CKA_PUBLIC_KEY_INFO, info);
  return added;
}

absl::StatusOr<GeneratedPair> GenerateEc(const Curve& curve) {
  ASSIGN_OR_RETURN(const UniquePkey pkey, GeneratePkey(curve));
  BIGNUM* raw = nullptr;
  Bytes point(1 + 2 * curve.size);
  size_t point_size = 0;
  if (EVP_PKEY_get_bn_param(pkey.get(), OSSL_PKEY_PARAM_PRIV_KEY, &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "private part of a key");
  }
  const UniqueBn scalar(raw);
  SecretBytes value(curve.size);
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
  pair.private_key.Set(CKA_EC_PARAMS, curve.oid);
  pair.private_key.Set(CKA_VALUE, Stripped(value.Expose()));
  pair.private_key.Set(CKA_PUBLIC_KEY_INFO, info);
  return pair;
}

}  // namespace pkcs11
