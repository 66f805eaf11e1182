// The named curves over prime fields: all that OpenSSL has, except SM2's,
// which it ties to the SM2 algorithms.
#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include <iterator>

#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

template <size_t kSize>
constexpr absl::string_view Oid(const char (&bytes)[kSize]) {
  return absl::string_view(bytes, kSize - 1);
}

constexpr Curve kCurves[] = {
    {"secp112r1", Oid("\x06\x05\x2b\x81\x04\x00\x06"), 112, 14, 14, 1},
    {"secp112r2", Oid("\x06\x05\x2b\x81\x04\x00\x07"), 112, 14, 14, 4},
    {"secp128r1", Oid("\x06\x05\x2b\x81\x04\x00\x1c"), 128, 16, 16, 1},
    {"secp128r2", Oid("\x06\x05\x2b\x81\x04\x00\x1d"), 128, 16, 16, 4},
    {"secp160k1", Oid("\x06\x05\x2b\x81\x04\x00\x09"), 160, 20, 21, 1},
    {"secp160r1", Oid("\x06\x05\x2b\x81\x04\x00\x08"), 160, 20, 21, 1},
    {"secp160r2", Oid("\x06\x05\x2b\x81\x04\x00\x1e"), 160, 20, 21, 1},
    {"secp192k1", Oid("\x06\x05\x2b\x81\x04\x00\x1f"), 192, 24, 24, 1},
    {"secp224k1", Oid("\x06\x05\x2b\x81\x04\x00\x20"), 224, 28, 29, 1},
    {"secp224r1", Oid("\x06\x05\x2b\x81\x04\x00\x21"), 224, 28, 28, 1},
    {"secp256k1", Oid("\x06\x05\x2b\x81\x04\x00\x0a"), 256, 32, 32, 1},
    {"secp384r1", Oid("\x06\x05\x2b\x81\x04\x00\x22"), 384, 48, 48, 1},
    {"secp521r1", Oid("\x06\x05\x2b\x81\x04\x00\x23"), 521, 66, 66, 1},
    {"prime192v1", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01"), 192, 24, 24,
     1},
    {"prime192v2", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x02"), 192, 24, 24,
     1},
    {"prime192v3", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x03"), 192, 24, 24,
     1},
    {"prime239v1", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x04"), 239, 30, 30,
     1},
    {"prime239v2", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x05"), 239, 30, 30,
     1},
    {"prime239v3", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x06"), 239, 30, 30,
     1},
    {"prime256v1", Oid("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"), 256, 32, 32,
     1},
    {"wap-wsg-idm-ecid-wtls6", Oid("\x06\x05\x67\x2b\x01\x04\x06"), 112, 14, 14,
     1},
    {"wap-wsg-idm-ecid-wtls7", Oid("\x06\x05\x67\x2b\x01\x04\x07"), 160, 20, 21,
     1},
    {"wap-wsg-idm-ecid-wtls8", Oid("\x06\x05\x67\x2b\x01\x04\x08"), 112, 14, 15,
     1},
    {"wap-wsg-idm-ecid-wtls9", Oid("\x06\x05\x67\x2b\x01\x04\x09"), 160, 20, 21,
     1},
    {"wap-wsg-idm-ecid-wtls12", Oid("\x06\x05\x67\x2b\x01\x04\x0c"), 224, 28,
     28, 1},
    {"brainpoolP160r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x01"),
     160, 20, 20, 1},
    {"brainpoolP160t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x02"),
     160, 20, 20, 1},
    {"brainpoolP192r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x03"),
     192, 24, 24, 1},
    {"brainpoolP192t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x04"),
     192, 24, 24, 1},
    {"brainpoolP224r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x05"),
     224, 28, 28, 1},
    {"brainpoolP224t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x06"),
     224, 28, 28, 1},
    {"brainpoolP256r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"),
     256, 32, 32, 1},
    {"brainpoolP256t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x08"),
     256, 32, 32, 1},
    {"brainpoolP320r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x09"),
     320, 40, 40, 1},
    {"brainpoolP320t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0a"),
     320, 40, 40, 1},
    {"brainpoolP384r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"),
     384, 48, 48, 1},
    {"brainpoolP384t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0c"),
     384, 48, 48, 1},
    {"brainpoolP512r1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"),
     512, 64, 64, 1},
    {"brainpoolP512t1", Oid("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0e"),
     512, 64, 64, 1},
};
constexpr size_t kCurveCount = std::size(kCurves);
static_assert(kCurveCount <= kMostCurves);

// Other names of the same curves.
struct Alias {
  absl::string_view alias;
  absl::string_view name;
};
constexpr Alias kAliases[] = {
    {"P-192", "prime192v1"},     {"P-224", "secp224r1"},
    {"P-256", "prime256v1"},     {"P-384", "secp384r1"},
    {"P-521", "secp521r1"},      {"secp192r1", "prime192v1"},
    {"secp256r1", "prime256v1"},
};

const Curve* CurveNamed(absl::string_view name) {
  for (const Alias& row : kAliases) {
    if (row.alias == name) name = row.name;
  }
  for (const Curve& curve : kCurves) {
    if (curve.name == name) return &curve;
  }
  return nullptr;
}

EC_GROUP* NewGroup(const Curve& curve) {
  return EC_GROUP_new_by_curve_name_ex(base::OpenSslContext(), nullptr,
                                       OBJ_sn2nid(curve.name));
}

}  // namespace

absl::Span<const Curve> Curves() { return kCurves; }

absl::StatusOr<const Curve*> CurveOf(ByteSpan ec_params) {
  for (const Curve& curve : kCurves) {
    if (base::SameBytes(curve.oid_bytes(), ec_params)) return &curve;
  }
  for (const uint8_t tag : {kDerOid, kDerPrintableString}) {
    DerReader reader(ec_params);
    const ByteSpan contents = reader.Element(tag);
    if (contents.empty() || !reader.Finish()) continue;
    const Curve* named =
        tag == kDerOid ? nullptr : CurveNamed(base::AsText(contents));
    if (named != nullptr) return named;
    return base::Error(CKR_CURVE_NOT_SUPPORTED, "curve");
  }
  return base::Error(CKR_DOMAIN_PARAMS_INVALID,
                     "CKA_EC_PARAMS is not a named curve");
}

size_t IndexOf(const Curve& curve) { return &curve - kCurves; }

const EC_GROUP* GroupOf(const Curve& curve) {
  static std::atomic<EC_GROUP*> groups[kCurveCount];
  std::atomic<EC_GROUP*>& group = groups[IndexOf(curve)];
  if (group.load(std::memory_order_acquire) == nullptr) {
    EC_GROUP* made = NewGroup(curve);
    EC_GROUP* before = nullptr;
    if (made != nullptr && !group.compare_exchange_strong(before, made)) {
      EC_GROUP_free(made);  // another thread was first
    }
  }
  return group.load(std::memory_order_acquire);
}

}  // namespace pkcs11
