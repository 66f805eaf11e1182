// RSA keys: import into OpenSSL, generation, and the checks of what an
// application brings. Primality of imported factors is not tested: it costs
// tens of milliseconds, and the relations checked here already make every
// operation give what the public key says.
#include <openssl/bn.h>
#include <openssl/rsa.h>

#include <bit>

#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

using UniqueBn = UniqueOf<BIGNUM, BN_clear_free>;
using UniqueBnCtx = UniqueOf<BN_CTX, BN_CTX_free>;  // wipes what it lends

constexpr uint8_t kRsaAlgorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a,
                                     0x86, 0x48, 0x86, 0xf7, 0x0d,
                                     0x01, 0x01, 0x01, 0x05, 0x00};

constexpr uint8_t kRsaOid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                               0xf7, 0x0d, 0x01, 0x01, 0x01};
// RSAPrivateKey's numbers in its order.
constexpr CK_ATTRIBUTE_TYPE kPkcs1Numbers[] = {
    CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
    CKA_PRIME_2, CKA_EXPONENT_1,      CKA_EXPONENT_2,       CKA_COEFFICIENT};

struct Component {
  CK_ATTRIBUTE_TYPE type;
  const char* openssl_name;
};
constexpr Component kPublicComponents[] = {
    {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
    {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
};
constexpr Component kPrivateComponents[] = {
    {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
    {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
    {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
    {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
    {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

absl::Status BadValue(absl::string_view what) {
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, what);
}

// --- arithmetic -------------------------------------------------------------

// Thrown away by RunBn; keeps the arithmetic below readable.
struct BnFailure {};
void Must(int ok) {
  if (ok != 1) throw BnFailure();
}

UniqueBn NewBn() {
  UniqueBn made(BN_new());
  if (made == nullptr) throw BnFailure();
  BN_set_flags(made.get(), BN_FLG_CONSTTIME);
  return made;
}

UniqueBn BnOf(ByteSpan bytes) {
  UniqueBn made = NewBn();
  if (BN_bin2bn(bytes.data(), bytes.size(), made.get()) == nullptr) {
    throw BnFailure();
  }
  return made;
}

SecretBytes BytesOf(const BIGNUM* number) {
  SecretBytes out(BN_num_bytes(number));
  BN_bn2bin(number, out.ExposeMutable().data());
  return out;
}

// All numbers of one key and what computes with them.
struct Numbers {
  UniqueBnCtx context{BN_CTX_new_ex(base::OpenSslContext())};
  UniqueBn n, e, d, p, q, dp, dq, qi;

  bool IsProductOne(const UniqueBn& a, const UniqueBn& b,
                    const UniqueBn& modulus) {
    UniqueBn r = NewBn();
    Must(BN_mod_mul(r.get(), a.get(), b.get(), modulus.get(), context.get()));
    return BN_is_one(r.get());
  }
  UniqueBn Inverse(const UniqueBn& a, const UniqueBn& modulus) {
    UniqueBn r = NewBn();
    if (BN_mod_inverse(r.get(), a.get(), modulus.get(), context.get()) ==
        nullptr) {
      throw BnFailure();
    }
    return r;
  }
  UniqueBn Remainder(const UniqueBn& a, const UniqueBn& modulus) {
    UniqueBn r = NewBn();
    Must(BN_mod(r.get(), a.get(), modulus.get(), context.get()));
    return r;
  }
  UniqueBn LessOne(const UniqueBn& a) {
    UniqueBn r = NewBn();
    if (BN_copy(r.get(), a.get()) == nullptr) throw BnFailure();
    BN_set_flags(r.get(), BN_FLG_CONSTTIME);
    Must(BN_sub_word(r.get(), 1));
    return r;
  }
};

// d = 1/e modulo (p-1)(q-1)/2, which is enough for every operation: both
// factors are even, so this is a multiple of their least common multiple.
void ComputeExponent(Numbers& k) {
  UniqueBn phi = NewBn();
  Must(BN_mul(phi.get(), k.LessOne(k.p).get(), k.LessOne(k.q).get(),
              k.context.get()));
  Must(BN_rshift1(phi.get(), phi.get()));
  k.d = k.Inverse(k.e, phi);
}

// Factors n with the help of d: for e*d - 1 = r * 2^t, some g^(r * 2^i) is a
// root of 1 other than 1 and -1 for half of all g.
bool Factor(Numbers& k) {
  UniqueBn r = NewBn();
  Must(BN_mul(r.get(), k.e.get(), k.d.get(), k.context.get()));
  Must(BN_sub_word(r.get(), 1));
  if (BN_is_zero(r.get()) || BN_is_odd(r.get())) return false;
  int t = 0;
  while (!BN_is_bit_set(r.get(), t)) ++t;
  Must(BN_rshift(r.get(), r.get(), t));
  const UniqueBn minus_one = k.LessOne(k.n);
  for (BN_ULONG base : {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                        43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101}) {
    UniqueBn g = NewBn();
    UniqueBn x = NewBn();
    Must(BN_set_word(g.get(), base));
    Must(BN_mod_exp(x.get(), g.get(), r.get(), k.n.get(), k.context.get()));
    for (int i = 0; i < t && !BN_is_one(x.get()); ++i) {
      if (BN_cmp(x.get(), minus_one.get()) == 0) break;
      UniqueBn square = NewBn();
      Must(BN_mod_sqr(square.get(), x.get(), k.n.get(), k.context.get()));
      if (BN_is_one(square.get())) {
        k.p = NewBn();
        k.q = NewBn();
        UniqueBn root = k.LessOne(x);
        Must(BN_gcd(k.p.get(), root.get(), k.n.get(), k.context.get()));
        Must(BN_div(k.q.get(), nullptr, k.n.get(), k.p.get(), k.context.get()));
        return true;
      }
      x = std::move(square);
    }
  }
  return false;
}

// The keys that a family of smart card chips made badly (CVE-2017-15361): n is
// a power of 65537 modulo every small prime.
bool HasWeakFingerprint(const BIGNUM* n) {
  for (BN_ULONG prime : {11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107,
                         109, 127, 151, 157}) {
    const BN_ULONG residue = BN_mod_word(n, prime);
    BN_ULONG power = 1;
    bool is_power = false;
    do {
      is_power |= power == residue;
      power = power * 65537 % prime;
    } while (power != 1);
    if (!is_power) return false;
  }
  return true;
}

absl::Status CheckPublic(const BIGNUM* n, const BIGNUM* e, size_t min_bits) {
  const size_t bits = BN_num_bits(n);
  if (bits < min_bits || bits > kMaxRsaBits) {
    return base::Error(CKR_KEY_SIZE_RANGE, "bits of an RSA modulus");
  }
  // OpenSSL's own limit for the exponent is 64 bits above 3072.
  const int max_exponent_bits = bits > 3072 ? 64 : 256;
  if (!BN_is_odd(n)) return BadValue("the modulus is even");
  if (!BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > max_exponent_bits) {
    return BadValue("the public exponent");
  }
  return absl::OkStatus();
}

// Fills in what is missing and checks what was given.
absl::Status CompleteNumbers(Numbers& k) {
  if (k.p == nullptr || k.q == nullptr) {
    if (k.d == nullptr) {
      return base::Error(CKR_TEMPLATE_INCOMPLETE,
                         "neither private exponent nor primes");
    }
    k.dp = nullptr;
    k.dq = nullptr;
    k.qi = nullptr;
    if (!Factor(k)) return BadValue("exponents that do not fit the modulus");
  }
  UniqueBn product = NewBn();
  Must(BN_mul(product.get(), k.p.get(), k.q.get(), k.context.get()));
  const bool are_factors = BN_cmp(product.get(), k.n.get()) == 0 &&
                           !BN_is_one(k.p.get()) && !BN_is_one(k.q.get()) &&
                           BN_cmp(k.p.get(), k.q.get()) != 0;
  if (!are_factors) return BadValue("primes that do not make the modulus");
  if (k.d == nullptr) ComputeExponent(k);
  const UniqueBn p1 = k.LessOne(k.p);
  const UniqueBn q1 = k.LessOne(k.q);
  UniqueBn dp = k.Remainder(k.d, p1);
  UniqueBn dq = k.Remainder(k.d, q1);
  if (BN_cmp(k.d.get(), k.n.get()) >= 0 || !k.IsProductOne(k.e, dp, p1) ||
      !k.IsProductOne(k.e, dq, q1)) {
    return BadValue("exponents that do not fit");
  }
  if (k.qi == nullptr) k.qi = k.Inverse(k.q, k.p);
  const bool fits = (k.dp == nullptr || BN_cmp(k.dp.get(), dp.get()) == 0) &&
                    (k.dq == nullptr || BN_cmp(k.dq.get(), dq.get()) == 0) &&
                    BN_cmp(k.qi.get(), k.p.get()) < 0 &&
                    k.IsProductOne(k.qi, k.q, k.p);
  if (!fits) return BadValue("CRT components that do not fit");
  k.dp = std::move(dp);
  k.dq = std::move(dq);
  return absl::OkStatus();
}

absl::StatusOr<hsm::AttributeSet> CompletePrivate(
    const hsm::AttributeSet& key) {
  Numbers k;
  if (k.context == nullptr) throw BnFailure();
  struct Row {
    CK_ATTRIBUTE_TYPE type;
    UniqueBn& number;
  };
  const Row rows[] = {{CKA_MODULUS, k.n},          {CKA_PUBLIC_EXPONENT, k.e},
                      {CKA_PRIVATE_EXPONENT, k.d}, {CKA_PRIME_1, k.p},
                      {CKA_PRIME_2, k.q},          {CKA_EXPONENT_1, k.dp},
                      {CKA_EXPONENT_2, k.dq},      {CKA_COEFFICIENT, k.qi}};
  for (const Row& row : rows) {
    const ByteSpan value = Stripped(key.Value(row.type));
    if (value.size() > kMaxRsaBits / 8) {
      return base::Error(CKR_KEY_SIZE_RANGE, "an RSA component");
    }
    if (!value.empty()) row.number = BnOf(value);
  }
  if (k.n == nullptr) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "no modulus");
  }
  if (k.e == nullptr) {  // optional in private keys; then it is this one
    k.e = NewBn();
    Must(BN_set_word(k.e.get(), RSA_F4));
  }
  RETURN_IF_ERROR(CheckPublic(k.n.get(), k.e.get(), kMinRsaVerifyBits));
  if (HasWeakFingerprint(k.n.get())) return BadValue("a weak key");
  RETURN_IF_ERROR(CompleteNumbers(k));
  hsm::AttributeSet added;
  for (const Row& row : rows) {
    added.Set(row.type, BytesOf(row.number.get()).Expose());
  }
  return added;
}

absl::StatusOr<hsm::AttributeSet> CompletePublic(const hsm::AttributeSet& key) {
  const ByteSpan modulus = Stripped(key.Value(CKA_MODULUS));
  const ByteSpan exponent = Stripped(key.Value(CKA_PUBLIC_EXPONENT));
  if (modulus.empty() || exponent.empty()) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "an RSA public key");
  }
  if (modulus.size() > kMaxRsaBits / 8) {
    return base::Error(CKR_KEY_SIZE_RANGE, "bits of an RSA modulus");
  }
  const UniqueBn n = BnOf(modulus);
  const UniqueBn e = BnOf(exponent);
  RETURN_IF_ERROR(CheckPublic(n.get(), e.get(), kMinRsaVerifyBits));
  hsm::AttributeSet added;
  added.Set(CKA_MODULUS, modulus);
  added.Set(CKA_PUBLIC_EXPONENT, exponent);
  added.SetUlong(CKA_MODULUS_BITS, BN_num_bits(n.get()));
  return added;
}

absl::Status CopyComponents(const EVP_PKEY* pkey,
                            absl::Span<const Component> components,
                            hsm::AttributeSet& to) {
  for (const Component& component : components) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(pkey, component.openssl_name, &raw) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "component of a new key");
    }
    const UniqueBn number(raw);
    to.Set(component.type, BytesOf(raw).Expose());
  }
  return absl::OkStatus();
}

}  // namespace

size_t RsaSize(const hsm::AttributeSet& key) {
  return Stripped(key.Value(CKA_MODULUS)).size();
}

namespace {

// SubjectPublicKeyInfo.
Bytes RsaPublicKeyInfo(ByteSpan modulus, ByteSpan exponent) {
  DerWriter numbers;
  numbers.Integer(modulus).Integer(exponent);
  DerWriter key;
  key.Element(kDerSequence, numbers);
  DerWriter info;
  info.Raw(kRsaAlgorithm).BitString(key.bytes());
  DerWriter out;
  out.Element(kDerSequence, info);
  return base::ToBytes(out.bytes());
}

absl::StatusOr<UniquePkey> ImportRsa(const hsm::AttributeSet& key) {
  const bool is_private = key.object_class() == CKO_PRIVATE_KEY;
  KeyComponents components;
  for (const Component& component : kPublicComponents) {
    const ByteSpan value = Stripped(key.Value(component.type));
    if (value.empty()) {
      return base::Error(CKR_FUNCTION_FAILED, "an incomplete RSA key");
    }
    components.Number(component.openssl_name, value);
  }
  if (is_private) {
    for (const Component& component : kPrivateComponents) {
      const ByteSpan value = Stripped(key.Value(component.type));
      if (value.empty()) {
        return base::Error(CKR_FUNCTION_FAILED, "an incomplete RSA key");
      }
      components.Number(component.openssl_name, value);
    }
  }
  return components.Import(kRsaType,
                           is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
}

absl::StatusOr<hsm::AttributeSet> CompleteRsa(const hsm::AttributeSet& key) {
  absl::StatusOr<hsm::AttributeSet> added;
  try {
    added = key.object_class() == CKO_PRIVATE_KEY ? CompletePrivate(key)
                                                  : CompletePublic(key);
  } catch (const BnFailure&) {
    // No memory, or an inverse that does not exist.
    return base::OpenSslError(CKR_ATTRIBUTE_VALUE_INVALID, "RSA numbers");
  }
  if (!added.ok()) return added;
  const Bytes info = RsaPublicKeyInfo(added->Value(CKA_MODULUS),
                                      added->Value(CKA_PUBLIC_EXPONENT));
  RETURN_IF_ERROR(CheckPublicKeyInfo(key, info));
  added->Set(CKA_PUBLIC_KEY_INFO, info);
  return added;
}

}  // namespace

absl::StatusOr<GeneratedPair> GenerateRsa(size_t bits, ByteSpan exponent) {
  UniquePkeyCtx context = NewKeyTypeContext(kRsaType);
  const UniqueBn e(BN_bin2bn(exponent.data(), exponent.size(), nullptr));
  EVP_PKEY* raw = nullptr;
  if (context == nullptr || e == nullptr ||
      EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), bits) != 1 ||
      EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get()) != 1 ||
      EVP_PKEY_generate(context.get(), &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "RSA key generation");
  }
  const UniquePkey pkey(raw);
  GeneratedPair pair;
  RETURN_IF_ERROR(
      CopyComponents(pkey.get(), kPublicComponents, pair.public_key));
  pair.private_key = pair.public_key;
  RETURN_IF_ERROR(
      CopyComponents(pkey.get(), kPrivateComponents, pair.private_key));
  const Bytes info =
      RsaPublicKeyInfo(pair.public_key.Value(CKA_MODULUS),
                       pair.public_key.Value(CKA_PUBLIC_EXPONENT));
  pair.public_key.Set(CKA_PUBLIC_KEY_INFO, info);
  pair.private_key.Set(CKA_PUBLIC_KEY_INFO, info);
  pair.public_key.SetUlong(CKA_MODULUS_BITS, bits);
  return pair;
}

// --- the form of the key type ------------------------------------------------

namespace {

absl::StatusOr<hsm::AttributeSet> PublicOfRsa(const hsm::AttributeSet& key) {
  hsm::AttributeSet parts;
  parts.Set(CKA_MODULUS, key.Value(CKA_MODULUS));
  parts.Set(CKA_PUBLIC_EXPONENT, key.Value(CKA_PUBLIC_EXPONENT));
  return parts;
}

absl::Status EncodeRsa(const hsm::AttributeSet& key, DerWriter& algorithm,
                       DerWriter& inner) {
  DerWriter numbers;
  numbers.SmallInteger(0);
  for (CK_ATTRIBUTE_TYPE type : kPkcs1Numbers) {
    if (key.Value(type).empty()) {
      return base::Error(CKR_KEY_NOT_WRAPPABLE, "RSA key without components");
    }
    numbers.Integer(key.Value(type));
  }
  inner.Element(kDerSequence, numbers);
  algorithm.Raw(kRsaOid).Element(kDerNull, ByteSpan());
  return absl::OkStatus();
}

bool OwnsRsa(ByteSpan algorithm) { return StartsWith(algorithm, kRsaOid); }

absl::StatusOr<hsm::AttributeSet> DecodeRsa(ByteSpan algorithm, ByteSpan der) {
  DerReader parameters(algorithm.subspan(sizeof(kRsaOid)));
  const bool has_parameters = !parameters.Optional(kDerNull).empty();
  DerReader outer(der);
  DerReader numbers(outer.Element(kDerSequence));
  if (has_parameters || !parameters.Finish() || !outer.Finish() ||
      !numbers.Integer().empty()) {
    return NotAPrivateKey();
  }
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  for (CK_ATTRIBUTE_TYPE type : kPkcs1Numbers) {
    const ByteSpan number = numbers.Integer();
    if (number.empty()) return NotAPrivateKey();
    key.Set(type, number);
  }
  if (!numbers.Finish()) return NotAPrivateKey();
  return key;
}

CK_ULONG SizeOfRsa(const hsm::AttributeSet& key) {
  const ByteSpan modulus = Stripped(key.Value(CKA_MODULUS));
  if (modulus.empty()) return key.Ulong(CKA_MODULUS_BITS).value_or(0);
  return modulus.size() * 8 - std::countl_zero(modulus.front());
}

}  // namespace

const KeyForm kRsaForm = {.type = CKK_RSA,
                          .check = PairCheck::kSign,
                          .size = SizeOfRsa,
                          .import = ImportRsa,
                          .complete = CompleteRsa,
                          .public_of = PublicOfRsa,
                          .encode = EncodeRsa,
                          .owns = OwnsRsa,
                          .decode = DecodeRsa};

}  // namespace pkcs11
