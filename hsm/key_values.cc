#include "hsm/key_values.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace hsm {

namespace {

absl::Status Invalid(absl::string_view what) {
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, what);
}

// The key material is in the set, not added later by a mechanism.
bool IsComplete(How how) { return how == How::kCreate || how == How::kClone; }

size_t BitLength(ByteSpan number) {
  if (number.empty()) return 0;
  size_t bits = (number.size() - 1) * 8;
  for (uint8_t top = number.front(); top != 0; top >>= 1) ++bits;
  return bits;
}

bool IsOdd(ByteSpan number) { return !number.empty() && (number.back() & 1); }

// Sets CKA_VALUE_LEN from the value, or checks the one that the template has.
absl::Status CheckLength(AttributeSet& attributes,
                         bool (*allowed)(size_t length)) {
  const bool has_value = attributes.Has(CKA_VALUE);
  const size_t size = attributes.Value(CKA_VALUE).size();
  const std::optional<CK_ULONG> length = attributes.Ulong(CKA_VALUE_LEN);
  if (has_value && !allowed(size)) return Invalid("key length");
  if (length.has_value() && !allowed(*length)) return Invalid("CKA_VALUE_LEN");
  if (!has_value) return absl::OkStatus();
  if (length.value_or(size) != size) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_VALUE_LEN is not the length of CKA_VALUE");
  }
  if (!length.has_value()) attributes.SetUlong(CKA_VALUE_LEN, size);
  return absl::OkStatus();
}

// The contents of the one DER value that `in` is, when it has this tag and a
// minimal length; an empty span otherwise.
ByteSpan DerContents(ByteSpan in, uint8_t tag) {
  if (in.size() < 3 || in[0] != tag) return {};
  const uint8_t first = in[1];
  if (first < 0x80) {
    return in.size() == 2u + first ? in.subspan(2) : ByteSpan();
  }
  if (first == 0x81 && in[2] >= 0x80 && in.size() == 3u + in[2]) {
    return in.subspan(3);
  }
  if (first == 0x82 && in.size() >= 4 && in[2] != 0 &&
      in.size() == 4u + in[2] * 256u + in[3]) {
    return in.subspan(4);
  }
  return {};
}

Bytes DerOctetString(ByteSpan contents) {
  Bytes out = {0x04};
  const size_t size = contents.size();
  if (size >= 0x100) {
    out.insert(out.end(), {0x82, static_cast<uint8_t>(size >> 8)});
  } else if (size >= 0x80) {
    out.push_back(0x81);
  }
  out.push_back(static_cast<uint8_t>(size));
  out.insert(out.end(), contents.begin(), contents.end());
  return out;
}

// Bytes of a coordinate on any prime curve in use. 0x04 begins both a bare
// uncompressed point and an OCTET STRING; no two of these sizes let one be
// taken for the other.
bool IsCoordinateSize(size_t size) {
  constexpr size_t kSizes[] = {14, 16, 20, 24, 28, 30, 32, 40, 48, 64, 66};
  return std::find(std::begin(kSizes), std::end(kSizes), size) !=
         std::end(kSizes);
}

bool IsUncompressedPoint(ByteSpan in) {
  return in.size() % 2 == 1 && in.front() == 0x04 &&
         IsCoordinateSize(in.size() / 2);
}

bool IsCompressedPoint(ByteSpan in) {
  return !in.empty() && (in.front() == 0x02 || in.front() == 0x03) &&
         IsCoordinateSize(in.size() - 1);
}

absl::Status CheckNamedCurve(ByteSpan params) {
  constexpr uint8_t kObjectIdentifier = 0x06;
  constexpr uint8_t kPrintableString = 0x13;
  const ByteSpan oid = DerContents(params, kObjectIdentifier);
  // The last byte of an identifier ends an arc.
  const bool is_oid = !oid.empty() && (oid.back() & 0x80) == 0;
  if (!is_oid && DerContents(params, kPrintableString).empty()) {
    return base::Error(CKR_DOMAIN_PARAMS_INVALID,
                       "CKA_EC_PARAMS is not a named curve");
  }
  return absl::OkStatus();
}

// Bytes of an Edwards or Montgomery point: Ed25519 and X25519, X448, Ed448.
bool IsEcxPoint(ByteSpan in) {
  return in.size() == 32 || in.size() == 56 || in.size() == 57;
}

}  // namespace

absl::Status CheckNothing(How, AttributeSet&) { return absl::OkStatus(); }

absl::Status CheckX509(How, AttributeSet& attributes) {
  const bool has_url = !attributes.Value(CKA_URL).empty();
  if (attributes.Value(CKA_VALUE).empty() && !has_url) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE,
                       "a certificate needs CKA_VALUE or CKA_URL");
  }
  if (has_url && (attributes.Value(CKA_HASH_OF_SUBJECT_PUBLIC_KEY).empty() ||
                  attributes.Value(CKA_HASH_OF_ISSUER_PUBLIC_KEY).empty())) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE,
                       "CKA_URL needs the hashes of both public keys");
  }
  return absl::OkStatus();
}

absl::Status CheckRsaPublic(How, AttributeSet& attributes) {
  const AttributeSet::Entry* exponent = attributes.Find(CKA_PUBLIC_EXPONENT);
  if (exponent != nullptr) {
    const ByteSpan e = attributes.Value(CKA_PUBLIC_EXPONENT);
    if (!IsOdd(e) || BitLength(e) < 2) return Invalid("CKA_PUBLIC_EXPONENT");
  }
  if (!attributes.Has(CKA_MODULUS)) return absl::OkStatus();
  const ByteSpan modulus = attributes.Value(CKA_MODULUS);
  if (!IsOdd(modulus)) return Invalid("CKA_MODULUS");
  const size_t bits = BitLength(modulus);
  if (attributes.Ulong(CKA_MODULUS_BITS).value_or(bits) != bits) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_MODULUS_BITS is not the size of CKA_MODULUS");
  }
  attributes.SetUlong(CKA_MODULUS_BITS, bits);
  return absl::OkStatus();
}

absl::Status CheckRsaPrivate(How how, AttributeSet& attributes) {
  constexpr CK_ATTRIBUTE_TYPE kCrt[] = {CKA_PRIME_1, CKA_PRIME_2,
                                        CKA_EXPONENT_1, CKA_EXPONENT_2,
                                        CKA_COEFFICIENT};
  if (!IsComplete(how)) return absl::OkStatus();
  if (!IsOdd(attributes.Value(CKA_MODULUS))) return Invalid("CKA_MODULUS");
  if (!IsOdd(attributes.Value(CKA_PUBLIC_EXPONENT))) {
    return Invalid("CKA_PUBLIC_EXPONENT");
  }
  if (attributes.Value(CKA_PRIVATE_EXPONENT).empty()) {
    return Invalid("CKA_PRIVATE_EXPONENT");
  }
  int present = 0;
  for (CK_ATTRIBUTE_TYPE type : kCrt) {
    if (attributes.Value(type).empty()) {
      attributes.Erase(type);
    } else {
      ++present;
    }
  }
  const bool both_primes =
      attributes.Has(CKA_PRIME_1) && attributes.Has(CKA_PRIME_2);
  if (present != 0 && present != 5 && !(present == 2 && both_primes)) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE,
                       "an RSA key has all CRT values, both primes, or none");
  }
  return absl::OkStatus();
}

absl::Status CheckEcPublic(How, AttributeSet& attributes) {
  if (attributes.Has(CKA_EC_PARAMS)) {
    RETURN_IF_ERROR(CheckNamedCurve(attributes.Value(CKA_EC_PARAMS)));
  }
  if (!attributes.Has(CKA_EC_POINT)) return absl::OkStatus();
  constexpr uint8_t kOctetString = 0x04;
  const ByteSpan given = attributes.Value(CKA_EC_POINT);
  if (given.empty()) return Invalid("CKA_EC_POINT");
  const ByteSpan inner = DerContents(given, kOctetString);
  if (!inner.empty() && IsUncompressedPoint(inner)) return absl::OkStatus();
  if (IsUncompressedPoint(given)) {
    attributes.Set(CKA_EC_POINT, DerOctetString(given));
    return absl::OkStatus();
  }
  if (IsCompressedPoint(inner) || IsCompressedPoint(given)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "compressed points are not supported");
  }
  return Invalid("CKA_EC_POINT");
}

absl::Status CheckEcPrivate(How how, AttributeSet& attributes) {
  if (attributes.Has(CKA_EC_PARAMS)) {
    RETURN_IF_ERROR(CheckNamedCurve(attributes.Value(CKA_EC_PARAMS)));
  }
  attributes.Erase(CKA_EC_POINT);
  if (IsComplete(how) && attributes.Value(CKA_VALUE).empty()) {
    return Invalid("CKA_VALUE");
  }
  return absl::OkStatus();
}

absl::Status CheckBip32(How how, AttributeSet& attributes) {
  if (how != How::kClone && !attributes.Has(CKA_EC_PARAMS)) {
    attributes.Set(CKA_EC_PARAMS, kSecp256k1);
  }
  if (!base::SameBytes(attributes.Value(CKA_EC_PARAMS), kSecp256k1)) {
    return base::Error(CKR_DOMAIN_PARAMS_INVALID,
                       "a BIP32 key is on secp256k1");
  }
  const std::pair<CK_ATTRIBUTE_TYPE, size_t> sizes[] = {
      {CKA_BIP32_CHAIN_CODE, kBip32ChainCodeSize},
      {CKA_BIP32_VERSION_BYTES, sizeof(Bip32Version)},
      {CKA_BIP32_PARENT_FINGERPRINT, kBip32FingerprintSize}};
  for (const auto& [type, size] : sizes) {
    if (attributes.Has(type) && attributes.Value(type).size() != size) {
      return Invalid("size of a part of a BIP32 key");
    }
  }
  const CK_ULONG depth = attributes.Ulong(CKA_BIP32_CHILD_DEPTH).value_or(0);
  const CK_ULONG index = attributes.Ulong(CKA_BIP32_CHILD_INDEX).value_or(0);
  if (depth > UINT8_MAX || index > UINT32_MAX) {
    return Invalid("depth or index of a BIP32 key");
  }
  const bool is_public = attributes.object_class() == CKO_PUBLIC_KEY;
  for (const Bip32Network& network : kBip32Networks) {
    const Bip32Version& other =
        is_public ? network.private_key : network.public_key;
    if (how != How::kClone &&
        base::SameBytes(attributes.Value(CKA_BIP32_VERSION_BYTES), other)) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         "version bytes of the other half of a pair");
    }
  }
  if (how == How::kCreate) {
    if (!attributes.Has(CKA_BIP32_VERSION_BYTES)) {
      const Bip32Network& main = kBip32Networks[0];
      attributes.Set(CKA_BIP32_VERSION_BYTES,
                     is_public ? main.public_key : main.private_key);
    }
    if (!attributes.Has(CKA_BIP32_PARENT_FINGERPRINT)) {
      constexpr uint8_t kNone[kBip32FingerprintSize] = {};
      attributes.Set(CKA_BIP32_PARENT_FINGERPRINT, kNone);
    }
    const bool has_parent =
        index != 0 ||
        std::any_of(attributes.Value(CKA_BIP32_PARENT_FINGERPRINT).begin(),
                    attributes.Value(CKA_BIP32_PARENT_FINGERPRINT).end(),
                    [](uint8_t byte) { return byte != 0; });
    if (depth == 0 && has_parent) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         "a BIP32 master key with an index or a parent");
    }
  }
  return is_public ? CheckEcPublic(how, attributes)
                   : CheckEcPrivate(how, attributes);
}

absl::Status CheckEcxPublic(How, AttributeSet& attributes) {
  if (attributes.Has(CKA_EC_PARAMS)) {
    RETURN_IF_ERROR(CheckNamedCurve(attributes.Value(CKA_EC_PARAMS)));
  }
  if (!attributes.Has(CKA_EC_POINT)) return absl::OkStatus();
  constexpr uint8_t kOctetString = 0x04;
  const ByteSpan given = attributes.Value(CKA_EC_POINT);
  if (IsEcxPoint(given)) return absl::OkStatus();
  const Bytes inner = base::ToBytes(DerContents(given, kOctetString));
  if (!IsEcxPoint(inner)) return Invalid("CKA_EC_POINT");
  attributes.Set(CKA_EC_POINT, inner);
  return absl::OkStatus();
}

absl::Status CheckEcxPrivate(How how, AttributeSet& attributes) {
  RETURN_IF_ERROR(CheckEcPrivate(how, attributes));
  if (IsComplete(how) && !IsEcxPoint(attributes.Value(CKA_VALUE))) {
    return Invalid("CKA_VALUE");
  }
  return absl::OkStatus();
}

absl::Status CheckFiniteField(How how, AttributeSet& attributes) {
  for (CK_ATTRIBUTE_TYPE type :
       {CKA_PRIME, CKA_SUBPRIME, CKA_BASE, CKA_VALUE}) {
    if (attributes.Has(type) && attributes.Value(type).empty()) {
      return Invalid("a number of the key is 0");
    }
  }
  const bool has_bits = attributes.object_class() == CKO_PRIVATE_KEY &&
                        attributes.key_type() == CKK_DH;
  if (has_bits && IsComplete(how)) {
    attributes.SetUlong(CKA_VALUE_BITS, BitLength(attributes.Value(CKA_VALUE)));
  }
  return absl::OkStatus();
}

absl::Status CheckDomain(How how, AttributeSet& attributes) {
  RETURN_IF_ERROR(CheckFiniteField(how, attributes));
  struct Size {
    CK_ATTRIBUTE_TYPE number;
    CK_ATTRIBUTE_TYPE bits;
  };
  constexpr Size kSizes[] = {{CKA_PRIME, CKA_PRIME_BITS},
                             {CKA_SUBPRIME, CKA_SUBPRIME_BITS}};
  for (const Size& size : kSizes) {
    if (!attributes.Has(size.number)) continue;
    if (!IsOdd(attributes.Value(size.number))) return Invalid("a prime");
    attributes.SetUlong(size.bits, BitLength(attributes.Value(size.number)));
  }
  return absl::OkStatus();
}

absl::Status CheckPqcPublic(How, AttributeSet& attributes) {
  if (attributes.Has(CKA_VALUE) && attributes.Value(CKA_VALUE).empty()) {
    return Invalid("CKA_VALUE");
  }
  return absl::OkStatus();
}

absl::Status CheckPqcPrivate(How how, AttributeSet& attributes) {
  const bool has_value = !attributes.Value(CKA_VALUE).empty();
  const bool has_seed = !attributes.Value(CKA_SEED).empty();
  if (how == How::kCreate && !has_value && !has_seed) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "neither seed nor value");
  }
  if (how == How::kClone && !has_value) return Invalid("CKA_VALUE");
  return absl::OkStatus();
}

absl::Status CheckAes(How, AttributeSet& attributes) {
  return CheckLength(attributes, [](size_t length) {
    return length == 16 || length == 24 || length == 32;
  });
}

absl::Status CheckAesXts(How, AttributeSet& attributes) {
  return CheckLength(
      attributes, [](size_t length) { return length == 32 || length == 64; });
}

// One, two or three single keys, all different (else it is a weaker cipher),
// each byte of odd parity.
absl::Status CheckDes(How, AttributeSet& attributes) {
  constexpr size_t kPart = 8;
  switch (attributes.key_type()) {
    case CKK_DES:
      RETURN_IF_ERROR(CheckLength(attributes, [](size_t n) { return n == 8; }));
      break;
    case CKK_DES2:
      RETURN_IF_ERROR(
          CheckLength(attributes, [](size_t n) { return n == 16; }));
      break;
    default:
      RETURN_IF_ERROR(
          CheckLength(attributes, [](size_t n) { return n == 24; }));
  }
  const ByteSpan value = attributes.Value(CKA_VALUE);
  for (const uint8_t byte : value) {
    if (std::popcount(byte) % 2 == 0) return Invalid("parity of a DES key");
  }
  for (size_t at = kPart; at < value.size(); at += kPart) {
    if (base::ConstantTimeEquals(value.subspan(at - kPart, kPart),
                                 value.subspan(at, kPart))) {
      return Invalid("parts of a DES key");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckKeyOf32(How, AttributeSet& attributes) {
  return CheckLength(attributes, [](size_t length) { return length == 32; });
}

absl::Status CheckGenericSecret(How, AttributeSet& attributes) {
  return CheckLength(attributes, [](size_t length) { return length > 0; });
}

}  // namespace hsm
