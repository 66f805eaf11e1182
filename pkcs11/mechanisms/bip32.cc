// Hierarchical deterministic keys: the vendor's CKM_BIP32_MASTER_DERIVE and
// CKM_BIP32_CHILD_DERIVE, after Bitcoin Improvement Proposal 32, and its form
// of public keys as text.
#include "pkcs11/mechanisms/bip32.h"

#include <openssl/bn.h>
#include <openssl/ec.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/wiped_vector.h"
#include "hsm/key_values.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

using UniqueBn = UniqueOf<BIGNUM, BN_clear_free>;
using UniqueBnCtx = UniqueOf<BN_CTX, BN_CTX_free>;
using UniquePoint = UniqueOf<EC_POINT, EC_POINT_clear_free>;

constexpr size_t kScalarSize = 32;
constexpr size_t kPointSize = 33;  // compressed
constexpr size_t kFingerprintSize = hsm::kBip32FingerprintSize;
constexpr size_t kChainSize = hsm::kBip32ChainCodeSize;
constexpr size_t kMinSeed = 16;
constexpr size_t kMaxSeed = 64;

using Point = std::array<uint8_t, kPointSize>;
using Version = hsm::Bip32Version;

using hsm::kBip32Networks;
using Network = hsm::Bip32Network;

const Curve& TheCurve() {
  static const Curve* const curve = *CurveOf(hsm::kSecp256k1);
  return *curve;
}

const EVP_MD* Ripemd160() {
  static const EVP_MD* const md =
      EVP_MD_fetch(base::OpenSslContext(), "RIPEMD160", nullptr);
  return md;
}

// RIPEMD-160 of SHA-256: what BIP 32 calls the identifier of a key.
absl::StatusOr<Bytes> IdentifierOf(ByteSpan compressed) {
  const Bytes inner = base::Sha256({compressed});
  Bytes out(20);
  if (Ripemd160() == nullptr ||
      EVP_Digest(inner.data(), inner.size(), out.data(), nullptr, Ripemd160(),
                 nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "RIPEMD-160");
  }
  return out;
}

Point Compressed(ByteSpan uncompressed) {
  Point out;
  out[0] = 0x02 | (uncompressed.back() & 1);
  std::copy_n(uncompressed.begin() + 1, kScalarSize, out.begin() + 1);
  return out;
}

// Numbers and points of one call.
class Arithmetic {
 public:
  static absl::StatusOr<Arithmetic> New() {
    Arithmetic made;
    if (made.group_ == nullptr || made.context_ == nullptr) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "secp256k1");
    }
    return made;
  }

  // nullptr unless 0 < number < order, or without memory.
  UniqueBn Scalar(ByteSpan big_endian) const {
    UniqueBn number(BN_secure_new());
    if (number == nullptr || BN_bin2bn(big_endian.data(), big_endian.size(),
                                       number.get()) == nullptr) {
      return nullptr;
    }
    BN_set_flags(number.get(), BN_FLG_CONSTTIME);
    const bool is_in_range =
        !BN_is_zero(number.get()) && BN_cmp(number.get(), order()) < 0;
    return is_in_range ? std::move(number) : nullptr;
  }
  // a + b mod the order; nullptr when that is 0.
  UniqueBn Sum(const BIGNUM* a, const BIGNUM* b) {
    UniqueBn sum(BN_secure_new());
    if (sum == nullptr || BN_mod_add_quick(sum.get(), a, b, order()) != 1 ||
        BN_is_zero(sum.get())) {
      return nullptr;
    }
    BN_set_flags(sum.get(), BN_FLG_CONSTTIME);
    return sum;
  }
  // scalar * G, + other where there is one; the compressed form.
  // CKR_FUNCTION_FAILED, and for infinity CKR_BIP32_CHILD_INDEX_INVALID.
  absl::StatusOr<Point> Multiple(const BIGNUM* scalar, const Point* other) {
    const UniquePoint result(EC_POINT_new(group_));
    if (result == nullptr || EC_POINT_mul(group_, result.get(), scalar, nullptr,
                                          nullptr, context_.get()) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "EC point");
    }
    if (other != nullptr) {
      ASSIGN_OR_RETURN(const UniquePoint added, Parsed(*other));
      if (EC_POINT_add(group_, result.get(), result.get(), added.get(),
                       context_.get()) != 1) {
        return base::OpenSslError(CKR_FUNCTION_FAILED, "EC point");
      }
    }
    if (EC_POINT_is_at_infinity(group_, result.get()) == 1) {
      return base::Error(CKR_BIP32_CHILD_INDEX_INVALID, "no such child");
    }
    Point out;
    if (EC_POINT_point2oct(group_, result.get(), POINT_CONVERSION_COMPRESSED,
                           out.data(), out.size(),
                           context_.get()) != out.size()) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "EC point");
    }
    return out;
  }
  // The bare uncompressed point. CKR_DATA_INVALID if it is not on the curve.
  absl::StatusOr<Bytes> Uncompressed(const Point& point) {
    ASSIGN_OR_RETURN(const UniquePoint parsed, Parsed(point));
    Bytes out(1 + 2 * kScalarSize);
    if (EC_POINT_point2oct(group_, parsed.get(), POINT_CONVERSION_UNCOMPRESSED,
                           out.data(), out.size(),
                           context_.get()) != out.size()) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "EC point");
    }
    return out;
  }

 private:
  Arithmetic()
      : group_(GroupOf(TheCurve())),
        context_(BN_CTX_secure_new_ex(base::OpenSslContext())) {}
  const BIGNUM* order() const { return EC_GROUP_get0_order(group_); }
  absl::StatusOr<UniquePoint> Parsed(const Point& point) {
    UniquePoint parsed(EC_POINT_new(group_));
    if (parsed == nullptr ||
        EC_POINT_oct2point(group_, parsed.get(), point.data(), point.size(),
                           context_.get()) != 1) {
      return base::OpenSslError(CKR_DATA_INVALID,
                                "a point that is not on the curve");
    }
    return parsed;
  }

  const EC_GROUP* group_;
  UniqueBnCtx context_;
};

// --- derivation --------------------------------------------------------------

// A key of the tree, with or without its private half.
struct Node {
  UniqueBn scalar;  // null: public
  Point point = {};
  SecretBytes chain;
  uint8_t depth = 0;
  uint32_t index = 0;
  Bytes parent = Bytes(kFingerprintSize);  // its fingerprint
};

// HMAC-SHA-512, as BIP 32 uses it: a number and a chain code.
struct Halves {
  SecretBytes number = SecretBytes(kScalarSize);
  SecretBytes chain = SecretBytes(kChainSize);
};
absl::StatusOr<Halves> HmacSha512(ByteSpan key, ByteSpan data) {
  SecretBytes out(kScalarSize + kChainSize);
  size_t size = 0;
  if (EVP_Q_mac(base::OpenSslContext(), "HMAC", nullptr, "SHA512", nullptr,
                key.data(), key.size(), data.data(), data.size(),
                out.ExposeMutable().data(), out.size(), &size) == nullptr ||
      size != out.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "HMAC");
  }
  Halves halves;
  std::copy_n(out.Expose().begin(), kScalarSize,
              halves.number.ExposeMutable().begin());
  std::copy_n(out.Expose().begin() + kScalarSize, kChainSize,
              halves.chain.ExposeMutable().begin());
  return halves;
}

absl::StatusOr<Node> MasterOf(ByteSpan seed, Arithmetic& arithmetic) {
  if (seed.size() < kMinSeed || seed.size() > kMaxSeed) {
    return base::Error(CKR_BIP32_MASTER_SEED_LEN_INVALID,
                       "a seed has 16 to 64 bytes");
  }
  ASSIGN_OR_RETURN(Halves halves,
                   HmacSha512(base::AsBytes("Bitcoin seed"), seed));
  Node node;
  node.scalar = arithmetic.Scalar(halves.number.Expose());
  if (node.scalar == nullptr) {
    return base::Error(CKR_BIP32_MASTER_SEED_INVALID,
                       "the seed gives no valid key");
  }
  ASSIGN_OR_RETURN(node.point, arithmetic.Multiple(node.scalar.get(), nullptr));
  node.chain = std::move(halves.chain);
  return node;
}

// CKR_BIP32_INVALID_HARDENED_DERIVATION, CKR_BIP32_CHILD_INDEX_INVALID.
absl::StatusOr<Node> ChildOf(const Node& parent, CK_ULONG index,
                             Arithmetic& arithmetic) {
  if (index > UINT32_MAX) {
    return base::Error(CKR_BIP32_CHILD_INDEX_INVALID, "an index has 32 bits");
  }
  SecretBytes data(kPointSize + sizeof(uint32_t));
  const absl::Span<uint8_t> bytes = data.ExposeMutable();
  if ((index & CKF_BIP32_HARDENED) == 0) {
    std::copy(parent.point.begin(), parent.point.end(), bytes.begin());
  } else if (parent.scalar == nullptr) {
    return base::Error(CKR_BIP32_INVALID_HARDENED_DERIVATION,
                       "a hardened child comes of a private key only");
  } else if (BN_bn2binpad(parent.scalar.get(), &bytes[1], kScalarSize) < 0) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "private part of a key");
  }
  for (int i = 0; i < 4; ++i) {
    bytes[kPointSize + i] = static_cast<uint8_t>(index >> (24 - 8 * i));
  }
  ASSIGN_OR_RETURN(Halves halves,
                   HmacSha512(parent.chain.Expose(), data.Expose()));
  const UniqueBn number = arithmetic.Scalar(halves.number.Expose());
  Node child;
  if (number != nullptr && parent.scalar != nullptr) {
    child.scalar = arithmetic.Sum(number.get(), parent.scalar.get());
  }
  if (number == nullptr ||
      (parent.scalar != nullptr && child.scalar == nullptr)) {
    return base::Error(CKR_BIP32_CHILD_INDEX_INVALID, "no such child");
  }
  ASSIGN_OR_RETURN(child.point,
                   child.scalar != nullptr
                       ? arithmetic.Multiple(child.scalar.get(), nullptr)
                       : arithmetic.Multiple(number.get(), &parent.point));
  child.chain = std::move(halves.chain);
  child.depth = parent.depth + 1;
  child.index = static_cast<uint32_t>(index);
  ASSIGN_OR_RETURN(child.parent, IdentifierOf(parent.point));
  child.parent.resize(kFingerprintSize);
  return child;
}

absl::StatusOr<Node> NodeOf(const hsm::AttributeSet& key,
                            Arithmetic& arithmetic) {
  Node node;
  if (key.object_class() == CKO_PRIVATE_KEY) {
    node.scalar = arithmetic.Scalar(key.Value(CKA_VALUE));
    if (node.scalar == nullptr) {
      return base::Error(CKR_FUNCTION_FAILED, "private part of a key");
    }
    ASSIGN_OR_RETURN(node.point,
                     arithmetic.Multiple(node.scalar.get(), nullptr));
  } else {
    const ByteSpan point = RawPoint(TheCurve(), key.Value(CKA_EC_POINT));
    if (point.empty()) {
      return base::Error(CKR_PUBLIC_KEY_INVALID, "form of an EC point");
    }
    node.point = Compressed(point);
  }
  node.chain = SecretBytes::CopyOf(key.Value(CKA_BIP32_CHAIN_CODE));
  node.depth = static_cast<uint8_t>(
      key.Ulong(CKA_BIP32_CHILD_DEPTH).value_or(UINT8_MAX));
  return node;
}

// What only the key's type has.
absl::StatusOr<hsm::AttributeSet> PartsOf(const Node& node, bool is_private,
                                          Arithmetic& arithmetic) {
  hsm::AttributeSet parts;
  if (is_private) {
    SecretBytes value(kScalarSize);
    if (BN_bn2binpad(node.scalar.get(), value.ExposeMutable().data(),
                     kScalarSize) < 0) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "private part of a key");
    }
    parts.Set(CKA_VALUE, Stripped(value.Expose()));
  } else {
    ASSIGN_OR_RETURN(const Bytes point, arithmetic.Uncompressed(node.point));
    DerWriter der;
    der.Element(kDerOctetString, point);
    parts.Set(CKA_EC_POINT, der.bytes());
  }
  parts.Set(CKA_EC_PARAMS, hsm::kSecp256k1);
  parts.Set(CKA_BIP32_CHAIN_CODE, node.chain.Expose());
  parts.SetUlong(CKA_BIP32_CHILD_INDEX, node.index);
  parts.SetUlong(CKA_BIP32_CHILD_DEPTH, node.depth);
  parts.Set(CKA_BIP32_PARENT_FINGERPRINT, node.parent);
  return parts;
}

// --- the two mechanisms ------------------------------------------------------

// Both parameters begin alike. Handles and the index of an error are written
// where the application has them.
struct TreeParameters : Parameters {
  WantedKey public_key = {};
  WantedKey private_key = {};
  std::vector<CK_ULONG> path;  // empty: the master key
  CK_ULONG* error_index = nullptr;
};

template <typename T>
absl::StatusOr<std::shared_ptr<TreeParameters>> ParseTree(
    const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const T given, CopyParameter<T>(mechanism));
  if (reinterpret_cast<uintptr_t>(mechanism.pParameter) % alignof(T) != 0) {
    return InvalidParameter("the parameter is not aligned");
  }
  T* const place = static_cast<T*>(mechanism.pParameter);
  auto parsed = std::make_shared<TreeParameters>();
  parsed->public_key = {given.pPublicKeyTemplate,
                        given.ulPublicKeyAttributeCount, &place->hPublicKey};
  parsed->private_key = {given.pPrivateKeyTemplate,
                         given.ulPrivateKeyAttributeCount, &place->hPrivateKey};
  return parsed;
}

absl::StatusOr<ParametersRef> ParseMaster(const CK_MECHANISM& mechanism) {
  return ParseTree<CK_BIP32_MASTER_DERIVE_PARAMS>(mechanism);
}

absl::StatusOr<ParametersRef> ParseChild(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_BIP32_CHILD_DERIVE_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(auto parsed,
                   ParseTree<CK_BIP32_CHILD_DERIVE_PARAMS>(mechanism));
  if (given.ulPathLen == 0 || given.ulPathLen > UINT8_MAX) {
    return base::Error(CKR_BIP32_INVALID_KEY_PATH_LEN,
                       "a path has 1 to 255 indices");
  }
  if (given.pulPath == nullptr) return InvalidParameter("no path");
  parsed->path.resize(given.ulPathLen);
  std::memcpy(parsed->path.data(), given.pulPath,
              given.ulPathLen * sizeof(CK_ULONG));
  parsed->error_index =
      &static_cast<CK_BIP32_CHILD_DERIVE_PARAMS*>(mechanism.pParameter)
           ->ulPathErrorIndex;
  return ParametersRef(std::move(parsed));
}

// Version bytes for a child of `parent`, whose network it belongs to; those of
// an unknown network stay with keys of the same class.
Version VersionOf(const hsm::AttributeSet& parent, bool is_private) {
  const bool was_private = parent.object_class() == CKO_PRIVATE_KEY;
  const ByteSpan version = parent.Value(CKA_BIP32_VERSION_BYTES);
  for (const Network& network : kBip32Networks) {
    if (base::SameBytes(
            version, was_private ? network.private_key : network.public_key)) {
      return is_private ? network.private_key : network.public_key;
    }
  }
  const Network& main = kBip32Networks[0];
  Version out = is_private ? main.private_key : main.public_key;
  if (was_private == is_private && version.size() == out.size()) {
    std::copy(version.begin(), version.end(), out.begin());
  }
  return out;
}

// The public key, and the private one where there is one, as keys 0 and 1.
absl::Status AddPair(const Use& use, const Node& node, Arithmetic& arithmetic,
                     DerivedKeys& keys) {
  const auto& given = GivenParameters<TreeParameters>(use);
  size_t number = 0;
  for (const bool is_private : {false, true}) {
    const WantedKey& wanted = is_private ? given.private_key : given.public_key;
    if (is_private && node.scalar == nullptr) {
      const CK_OBJECT_HANDLE none = CK_INVALID_HANDLE;
      keys.Give(wanted.handle, ByteSpan(reinterpret_cast<const uint8_t*>(&none),
                                        sizeof(none)));
      break;
    }
    KeyShape shape;
    shape.object_class = is_private ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY;
    shape.key_type = CKK_BIP32;
    shape.implied.Set(CKA_BIP32_VERSION_BYTES,
                      VersionOf(use.key->attributes(), is_private));
    RETURN_IF_ERROR(keys.Add(wanted, shape).status());
    ASSIGN_OR_RETURN(const hsm::AttributeSet parts,
                     PartsOf(node, is_private, arithmetic));
    keys.SetParts(number++, parts);
  }
  return absl::OkStatus();
}

absl::Status DeriveMaster(const Use& use, DerivedKeys& keys) {
  ASSIGN_OR_RETURN(const ByteSpan seed, SecretValue(*use.key));
  ASSIGN_OR_RETURN(Arithmetic arithmetic, Arithmetic::New());
  ASSIGN_OR_RETURN(const Node master, MasterOf(seed, arithmetic));
  return AddPair(use, master, arithmetic, keys);
}

absl::Status DeriveChild(const Use& use, DerivedKeys& keys) {
  const auto& given = GivenParameters<TreeParameters>(use);
  ASSIGN_OR_RETURN(Arithmetic arithmetic, Arithmetic::New());
  ASSIGN_OR_RETURN(Node node, NodeOf(use.key->attributes(), arithmetic));
  if (node.depth + given.path.size() > UINT8_MAX) {
    return base::Error(CKR_BIP32_INVALID_KEY_PATH_LEN,
                       "a tree has 255 levels below its master key");
  }
  for (size_t i = 0; i < given.path.size(); ++i) {
    absl::StatusOr<Node> child = ChildOf(node, given.path[i], arithmetic);
    if (!child.ok()) {
      *given.error_index = i;
      return child.status();
    }
    node = *std::move(child);
  }
  return AddPair(use, node, arithmetic, keys);
}

constexpr Mechanism kBip32Rows[] = {
    {.type = CKM_BIP32_MASTER_DERIVE,
     .name = "CKM_BIP32_MASTER_DERIVE",
     .key_type = CKK_GENERIC_SECRET,
     .available = Bip32IsAvailable,
     .parse = ParseMaster,
     .derive_several = DeriveMaster,
     .handles_in_parameter = true},
    {.type = CKM_BIP32_CHILD_DERIVE,
     .name = "CKM_BIP32_CHILD_DERIVE",
     .key_type = CKK_BIP32,
     .min_key = 256,
     .max_key = 256,
     .available = Bip32IsAvailable,
     .parse = ParseChild,
     .derive_several = DeriveChild,
     .handles_in_parameter = true},
};

// --- the form of the key type ------------------------------------------------

absl::StatusOr<hsm::AttributeSet> Complete(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(hsm::AttributeSet added, kEcForm.complete(key));
  // The point is what CKA_PUBLIC_KEY_INFO ends with.
  const ByteSpan info = added.Value(CKA_PUBLIC_KEY_INFO);
  ASSIGN_OR_RETURN(const Bytes identifier,
                   IdentifierOf(Compressed(info.last(1 + 2 * kScalarSize))));
  added.Set(CKA_BIP32_ID, identifier);
  added.Set(CKA_BIP32_FINGERPRINT,
            ByteSpan(identifier).first(kFingerprintSize));
  return added;
}

absl::StatusOr<hsm::AttributeSet> PublicOf(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(hsm::AttributeSet parts, kEcForm.public_of(key));
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_BIP32_CHAIN_CODE, CKA_BIP32_CHILD_INDEX, CKA_BIP32_CHILD_DEPTH,
        CKA_BIP32_PARENT_FINGERPRINT}) {
    parts.Set(type, key.Value(type));
  }
  parts.Set(CKA_BIP32_VERSION_BYTES, VersionOf(key, false));
  return parts;
}

}  // namespace

// PKCS#8 has no place for a chain code.
const KeyForm kBip32Form = {
    .type = CKK_BIP32,
    .check = PairCheck::kSign,
    .size = [](const hsm::AttributeSet& key) { return kEcForm.size(key); },
    .import = [](const hsm::AttributeSet& key) { return kEcForm.import(key); },
    .complete = Complete,
    .public_of = PublicOf};

absl::Span<const Mechanism> Bip32Rows() { return kBip32Rows; }

bool Bip32IsAvailable() { return Ripemd160() != nullptr; }

// --- text --------------------------------------------------------------------

namespace {

constexpr char kBase58[] =
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr size_t kChecksumSize = 4;
constexpr size_t kExtendedSize =
    sizeof(Version) + 1 + kFingerprintSize + 4 + kChainSize + kPointSize;
// What 82 bytes can have, and more than which is not looked at.
constexpr size_t kMostCharacters = 112;

absl::Status NotAKey(absl::string_view why) {
  return base::Error(CKR_DATA_INVALID, why);
}

// The text of a private key may be handed in by mistake.
using base::WipedVector;

// Big-endian digits of base `from` as digits of base `to`, without zeros in
// front.
WipedVector Rebased(const WipedVector& digits, int from, int to) {
  WipedVector out;  // little-endian
  for (const uint8_t digit : digits) {
    int carry = digit;
    for (uint8_t& place : out) {
      carry += place * from;
      place = static_cast<uint8_t>(carry % to);
      carry /= to;
    }
    for (; carry > 0; carry /= to) {
      out.push_back(static_cast<uint8_t>(carry % to));
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Bytes ChecksumOf(ByteSpan data) {
  Bytes sum = base::Sha256({base::Sha256({data})});
  sum.resize(kChecksumSize);
  return sum;
}

// A zero byte in front is a '1' in front.
std::string Base58Check(WipedVector data) {
  const Bytes sum = ChecksumOf(data);
  data.Append(sum.begin(), sum.end());
  const auto zeros = std::find_if(data.begin(), data.end(),
                                  [](uint8_t byte) { return byte != 0; }) -
                     data.begin();
  std::string text(zeros, kBase58[0]);
  for (const uint8_t digit : Rebased(data, 256, 58)) text += kBase58[digit];
  return text;
}

absl::StatusOr<WipedVector> FromBase58Check(absl::string_view text) {
  if (text.size() > kMostCharacters) return NotAKey("too long for a key");
  WipedVector digits;
  for (const char c : text) {
    const size_t digit = absl::string_view(kBase58).find(c);
    if (digit == absl::string_view::npos) return NotAKey("not Base58");
    digits.push_back(static_cast<uint8_t>(digit));
  }
  WipedVector data(std::min(text.find_first_not_of(kBase58[0]), text.size()));
  const WipedVector rest = Rebased(digits, 58, 256);
  data.Append(rest.begin(), rest.end());
  if (data.size() != kExtendedSize + kChecksumSize) {
    return NotAKey("not the length of an extended key");
  }
  const Bytes sum(data.begin() + kExtendedSize, data.end());
  data.resize(kExtendedSize);
  if (sum != ChecksumOf(data)) return NotAKey("the checksum is wrong");
  return data;
}

}  // namespace

bool IsKnownNetwork(ByteSpan version) {
  return std::any_of(std::begin(kBip32Networks), std::end(kBip32Networks),
                     [&](const Network& network) {
                       return base::SameBytes(version, network.public_key);
                     });
}

absl::StatusOr<std::string> EncodeExtendedKey(const hsm::AttributeSet& key) {
  if (key.object_class() != CKO_PUBLIC_KEY || key.key_type() != CKK_BIP32) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT, "no public key of BIP32");
  }
  const ByteSpan point = RawPoint(TheCurve(), key.Value(CKA_EC_POINT));
  if (point.empty()) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "form of an EC point");
  }
  const CK_ULONG index = key.Ulong(CKA_BIP32_CHILD_INDEX).value_or(0);
  WipedVector out;
  const auto add = [&out](ByteSpan bytes) {
    out.Append(bytes.begin(), bytes.end());
  };
  add(key.Value(CKA_BIP32_VERSION_BYTES));
  out.push_back(
      static_cast<uint8_t>(key.Ulong(CKA_BIP32_CHILD_DEPTH).value_or(0)));
  add(key.Value(CKA_BIP32_PARENT_FINGERPRINT));
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<uint8_t>(index >> shift));
  }
  add(key.Value(CKA_BIP32_CHAIN_CODE));
  add(Compressed(point));
  return Base58Check(std::move(out));
}

absl::StatusOr<hsm::AttributeSet> DecodeExtendedKey(absl::string_view text) {
  ASSIGN_OR_RETURN(const WipedVector data, FromBase58Check(text));
  ByteSpan rest(data);
  const auto take = [&rest](size_t size) {
    const ByteSpan part = rest.first(size);
    rest.remove_prefix(size);
    return part;
  };
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_BIP32);
  key.Set(CKA_EC_PARAMS, hsm::kSecp256k1);
  key.Set(CKA_BIP32_VERSION_BYTES, take(sizeof(Version)));
  key.SetUlong(CKA_BIP32_CHILD_DEPTH, take(1)[0]);
  key.Set(CKA_BIP32_PARENT_FINGERPRINT, take(kFingerprintSize));
  CK_ULONG index = 0;
  for (const uint8_t byte : take(4)) index = index << 8 | byte;
  key.SetUlong(CKA_BIP32_CHILD_INDEX, index);
  const bool is_root = key.Ulong(CKA_BIP32_CHILD_DEPTH) == 0;
  const ByteSpan parent = key.Value(CKA_BIP32_PARENT_FINGERPRINT);
  if (is_root && (index != 0 || std::count(parent.begin(), parent.end(), 0) !=
                                    static_cast<int>(parent.size()))) {
    return NotAKey("a master key with an index or a parent");
  }
  key.Set(CKA_BIP32_CHAIN_CODE, take(kChainSize));
  if (rest[0] == 0) return NotAKey("the text of a private key");
  Point point;
  std::copy(rest.begin(), rest.end(), point.begin());
  ASSIGN_OR_RETURN(Arithmetic arithmetic, Arithmetic::New());
  ASSIGN_OR_RETURN(const Bytes raw, arithmetic.Uncompressed(point));
  DerWriter der;
  der.Element(kDerOctetString, raw);
  key.Set(CKA_EC_POINT, der.bytes());
  return key;
}

}  // namespace pkcs11
