// Primality of domain parameters that an application brings is not tested: it
// costs a tenth of a second at every import. That the numbers belong together
// (subgroup, generator, public value) is.
#include <openssl/bn.h>
#include <openssl/dh.h>
#include <openssl/dsa.h>

#include <bit>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/ffc.h"

namespace pkcs11 {
namespace {

using UniqueBn = UniqueOf<BIGNUM, BN_clear_free>;
using UniqueBnCtx = UniqueOf<BN_CTX, BN_CTX_free>;

constexpr FfcType kTypes[] = {
    {CKK_DSA, "1.2.840.10040.4.1", "\x06\x07\x2a\x86\x48\xce\x38\x04\x01", true,
     kMaxDsaBits},
    {CKK_DH, "1.2.840.113549.1.3.1",
     "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01", false, kMaxDhBits},
    {CKK_X9_42_DH, "1.2.840.10046.2.1", "\x06\x07\x2a\x86\x48\xce\x3e\x02\x01",
     true, kMaxDhBits},
};

size_t BitsOf(ByteSpan number) {
  number = Stripped(number);
  return number.empty() ? 0
                        : number.size() * 8 - std::countl_zero(number.front());
}

UniqueBn BnOf(ByteSpan bytes) {
  UniqueBn made(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  if (made != nullptr) BN_set_flags(made.get(), BN_FLG_CONSTTIME);
  return made;
}

// The domain parameters of a key, and what is computed with them.
struct Domain {
  UniqueBnCtx context{BN_CTX_new_ex(base::OpenSslContext())};
  UniqueBn p, q, g;  // q is null where the type has none

  // base^exponent modulo p; null without memory.
  UniqueBn Power(const BIGNUM* base, const BIGNUM* exponent) {
    UniqueBn result(BN_new());
    if (result == nullptr ||
        BN_mod_exp(result.get(), base, exponent, p.get(), context.get()) != 1) {
      return nullptr;
    }
    return result;
  }
  // 1 < number < p - 1, and in the subgroup if there is one.
  bool IsElement(const BIGNUM* number) {
    const UniqueBn last(BN_dup(p.get()));
    if (last == nullptr || BN_sub_word(last.get(), 1) != 1 ||
        BN_cmp(number, BN_value_one()) <= 0 ||
        BN_cmp(number, last.get()) >= 0) {
      return false;
    }
    if (q == nullptr) return true;
    const UniqueBn one = Power(number, q.get());
    return one != nullptr && BN_is_one(one.get());
  }
  // q divides p - 1.
  bool SubprimeFits() {
    const UniqueBn rest(BN_new());
    return rest != nullptr &&
           BN_mod(rest.get(), p.get(), q.get(), context.get()) == 1 &&
           BN_is_one(rest.get());
  }
};

absl::StatusOr<Domain> DomainOf(const FfcType& type,
                                const hsm::AttributeSet& key) {
  const ByteSpan p = Stripped(key.Value(CKA_PRIME));
  const ByteSpan q = Stripped(key.Value(CKA_SUBPRIME));
  const ByteSpan g = Stripped(key.Value(CKA_BASE));
  if (p.empty() || g.empty() || (type.has_subprime && q.empty())) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "domain parameters");
  }
  const size_t bits = BitsOf(p);
  if (bits < kLeastFfcBits || bits > type.max_bits) {
    return base::Error(CKR_KEY_SIZE_RANGE, "bits of the prime");
  }
  Domain domain;
  domain.p = BnOf(p);
  domain.g = BnOf(g);
  if (type.has_subprime) domain.q = BnOf(q);
  if (domain.context == nullptr || domain.p == nullptr || domain.g == nullptr ||
      (type.has_subprime && domain.q == nullptr)) {
    return base::OpenSslError(CKR_HOST_MEMORY, "domain parameters");
  }
  const bool is_valid =
      BN_is_odd(domain.p.get()) &&
      (!type.has_subprime || (BitsOf(q) >= 160 && domain.SubprimeFits())) &&
      domain.IsElement(domain.g.get());
  if (!is_valid) {
    base::ForgetOpenSslErrors();
    return base::Error(CKR_DOMAIN_PARAMS_INVALID,
                       "domain parameters that do not belong together");
  }
  return domain;
}

Bytes BytesOf(const BIGNUM* number) {
  Bytes out(BN_num_bytes(number));
  BN_bn2bin(number, out.data());
  return out;
}

// The public value of a private key. CKR_ATTRIBUTE_VALUE_INVALID.
absl::StatusOr<Bytes> PublicValue(const FfcType& type,
                                  const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(Domain domain, DomainOf(type, key));
  const UniqueBn x = BnOf(Stripped(key.Value(CKA_VALUE)));
  const BIGNUM* order = domain.q != nullptr ? domain.q.get() : domain.p.get();
  if (x == nullptr || BN_is_zero(x.get()) || BN_cmp(x.get(), order) >= 0) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "range of a private key");
  }
  const UniqueBn y = domain.Power(domain.g.get(), x.get());
  if (y == nullptr) return base::OpenSslError(CKR_FUNCTION_FAILED, "power");
  return BytesOf(y.get());
}

void AddDomain(const FfcType& type, const hsm::AttributeSet& key,
               KeyComponents& components) {
  components.Number(OSSL_PKEY_PARAM_FFC_P, Stripped(key.Value(CKA_PRIME)));
  if (type.has_subprime) {
    components.Number(OSSL_PKEY_PARAM_FFC_Q, Stripped(key.Value(CKA_SUBPRIME)));
  }
  components.Number(OSSL_PKEY_PARAM_FFC_G, Stripped(key.Value(CKA_BASE)));
}

// The parameters' SEQUENCE: X9.42 puts the generator first.
void PutDomain(const FfcType& type, const hsm::AttributeSet& key,
               DerWriter& algorithm) {
  DerWriter numbers;
  numbers.Integer(key.Value(CKA_PRIME));
  if (type.key_type == CKK_DSA) numbers.Integer(key.Value(CKA_SUBPRIME));
  numbers.Integer(key.Value(CKA_BASE));
  if (type.key_type == CKK_X9_42_DH) numbers.Integer(key.Value(CKA_SUBPRIME));
  algorithm.Raw(base::AsBytes(type.oid)).Element(kDerSequence, numbers);
}

Bytes PublicKeyInfo(const FfcType& type, const hsm::AttributeSet& key,
                    ByteSpan value) {
  DerWriter algorithm;
  PutDomain(type, key, algorithm);
  DerWriter number;
  number.Integer(value);
  DerWriter info;
  info.Element(kDerSequence, algorithm).BitString(number.bytes());
  DerWriter out;
  out.Element(kDerSequence, info);
  return base::ToBytes(out.bytes());
}

absl::StatusOr<UniquePkey> ImportPublic(const FfcType& type,
                                        const hsm::AttributeSet& key,
                                        ByteSpan value) {
  KeyComponents components;
  AddDomain(type, key, components);
  components.Number(OSSL_PKEY_PARAM_PUB_KEY, value);
  return components.Import(type.openssl_type, EVP_PKEY_PUBLIC_KEY);
}

absl::StatusOr<UniquePkey> Import(const hsm::AttributeSet& key) {
  const FfcType& type = FfcTypeOf(key.key_type());
  const ByteSpan value = Stripped(key.Value(CKA_VALUE));
  if (key.object_class() != CKO_PRIVATE_KEY) {
    return ImportPublic(type, key, value);
  }
  ASSIGN_OR_RETURN(const Bytes y, PublicValue(type, key));
  KeyComponents components;
  AddDomain(type, key, components);
  components.Number(OSSL_PKEY_PARAM_PUB_KEY, y);
  components.Number(OSSL_PKEY_PARAM_PRIV_KEY, value);
  return components.Import(type.openssl_type, EVP_PKEY_KEYPAIR);
}

absl::StatusOr<hsm::AttributeSet> Complete(const hsm::AttributeSet& key) {
  const FfcType& type = FfcTypeOf(key.key_type());
  hsm::AttributeSet added;
  Bytes y;
  if (key.object_class() == CKO_PRIVATE_KEY) {
    ASSIGN_OR_RETURN(y, PublicValue(type, key));
    if (type.key_type == CKK_DH) {
      added.SetUlong(CKA_VALUE_BITS, BitsOf(key.Value(CKA_VALUE)));
    }
  } else {
    ASSIGN_OR_RETURN(Domain domain, DomainOf(type, key));
    y = base::ToBytes(Stripped(key.Value(CKA_VALUE)));
    const UniqueBn number = BnOf(y);
    if (number == nullptr || !domain.IsElement(number.get())) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "a public value");
    }
  }
  const Bytes info = PublicKeyInfo(type, key, y);
  RETURN_IF_ERROR(CheckPublicKeyInfo(key, info));
  added.Set(CKA_PUBLIC_KEY_INFO, info);
  return added;
}

void CopyDomain(const FfcType& type, const hsm::AttributeSet& from,
                hsm::AttributeSet& to) {
  for (CK_ATTRIBUTE_TYPE number : {CKA_PRIME, CKA_SUBPRIME, CKA_BASE}) {
    if (number == CKA_SUBPRIME && !type.has_subprime) continue;
    to.Set(number, Stripped(from.Value(number)));
  }
}

absl::StatusOr<hsm::AttributeSet> PublicOf(const hsm::AttributeSet& key) {
  const FfcType& type = FfcTypeOf(key.key_type());
  ASSIGN_OR_RETURN(const Bytes y, PublicValue(type, key));
  hsm::AttributeSet parts;
  CopyDomain(type, key, parts);
  parts.Set(CKA_VALUE, y);
  return parts;
}

absl::Status Encode(const hsm::AttributeSet& key, DerWriter& algorithm,
                    DerWriter& inner) {
  if (key.Value(CKA_VALUE).empty()) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE, "a key without its value");
  }
  PutDomain(FfcTypeOf(key.key_type()), key, algorithm);
  inner.Integer(key.Value(CKA_VALUE));
  return absl::OkStatus();
}

template <CK_KEY_TYPE kType>
bool Owns(ByteSpan algorithm) {
  return StartsWith(algorithm, base::AsBytes(FfcTypeOf(kType).oid));
}

template <CK_KEY_TYPE kType>
absl::StatusOr<hsm::AttributeSet> Decode(ByteSpan algorithm, ByteSpan der) {
  const FfcType& type = FfcTypeOf(kType);
  algorithm.remove_prefix(type.oid.size());
  DerReader outer(algorithm);
  DerReader numbers(outer.Element(kDerSequence));
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, kType);
  key.Set(CKA_PRIME, numbers.Integer());
  if (kType == CKK_DSA) key.Set(CKA_SUBPRIME, numbers.Integer());
  key.Set(CKA_BASE, numbers.Integer());
  if (kType == CKK_X9_42_DH) key.Set(CKA_SUBPRIME, numbers.Integer());
  DerReader value(der);
  key.Set(CKA_VALUE, value.Integer());
  // What may follow in DH's parameters (a length, a cofactor, a seed) is not
  // needed.
  const bool is_valid = outer.Finish() && numbers.ok() && value.Finish() &&
                        !key.Value(CKA_VALUE).empty() &&
                        (kType != CKK_DSA || numbers.AtEnd());
  if (!is_valid) return NotAPrivateKey();
  return key;
}

CK_ULONG SizeOf(const hsm::AttributeSet& key) {
  return BitsOf(key.Value(CKA_PRIME));
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

absl::StatusOr<Bytes> NumberOf(const EVP_PKEY* pkey, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(pkey, name, &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "a number of a new key");
  }
  const UniqueBn number(raw);
  return BytesOf(raw);
}

// --- parameters --------------------------------------------------------------

// The safe primes of RFC 7919, in place of new ones, which would take minutes:
// SP 800-56A wants a group that everybody knows.
struct SafePrime {
  CK_ULONG bits;
  const char* name;
};
constexpr SafePrime kSafePrimes[] = {{2048, "ffdhe2048"},
                                     {3072, "ffdhe3072"},
                                     {4096, "ffdhe4096"},
                                     {6144, "ffdhe6144"},
                                     {8192, "ffdhe8192"}};

absl::Status BadSize() {
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "size of the parameters");
}

absl::StatusOr<UniquePkey> NewParameters(const FfcType& type,
                                         const OSSL_PARAM* parameters) {
  const UniquePkeyCtx context = NewKeyTypeContext(type.openssl_type);
  EVP_PKEY* pkey = nullptr;
  if (context == nullptr || EVP_PKEY_paramgen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_params(context.get(), parameters) != 1 ||
      EVP_PKEY_generate(context.get(), &pkey) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "domain parameters");
  }
  return UniquePkey(pkey);
}

absl::StatusOr<UniquePkey> NamedGroup(const FfcType& type, CK_ULONG bits) {
  for (const SafePrime& row : kSafePrimes) {
    if (row.bits != bits) continue;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                         const_cast<char*>(row.name), 0),
        OSSL_PARAM_construct_end()};
    return NewParameters(type, parameters);
  }
  return BadSize();
}

// FIPS 186-4, A.1 and A.2.
absl::StatusOr<UniquePkey> NewSubgroup(const FfcType& type, CK_ULONG bits,
                                       CK_ULONG subprime_bits) {
  const bool is_usual =
      (bits == 2048 || bits == 3072) &&
      (subprime_bits == 256 || (subprime_bits == 224 && bits == 2048));
  if (!is_usual) return BadSize();
  size_t p = bits;
  size_t q = subprime_bits;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_FFC_TYPE,
                                       const_cast<char*>("fips186_4"), 0),
      OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_FFC_PBITS, &p),
      OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_FFC_QBITS, &q),
      OSSL_PARAM_construct_end()};
  return NewParameters(type, parameters);
}

}  // namespace

const KeyForm kDsaForm = Form<CKK_DSA>(PairCheck::kSign);
const KeyForm kDhForm = Form<CKK_DH>(PairCheck::kAgree);
const KeyForm kX942DhForm = Form<CKK_X9_42_DH>(PairCheck::kAgree);

const FfcType& FfcTypeOf(CK_KEY_TYPE type) {
  for (const FfcType& row : kTypes) {
    if (row.key_type == type) return row;
  }
  return kTypes[0];
}

absl::StatusOr<GeneratedPair> GenerateFfc(
    const FfcType& type, const hsm::AttributeSet& public_attributes,
    size_t private_bits) {
  hsm::AttributeSet domain = public_attributes;
  domain.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);  // no sizes that only verify
  RETURN_IF_ERROR(DomainOf(type, domain).status());
  if (private_bits != 0 &&
      (private_bits < 224 || private_bits >= BitsOf(domain.Value(CKA_PRIME)))) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_BITS");
  }
  KeyComponents components;
  AddDomain(type, public_attributes, components);
  if (private_bits != 0) {
    components.Int(OSSL_PKEY_PARAM_DH_PRIV_LEN, static_cast<int>(private_bits));
  }
  ASSIGN_OR_RETURN(
      const UniquePkey parameters,
      components.Import(type.openssl_type, EVP_PKEY_KEY_PARAMETERS));
  const UniquePkeyCtx context(EVP_PKEY_CTX_new_from_pkey(
      base::OpenSslContext(), parameters.get(), nullptr));
  EVP_PKEY* raw = nullptr;
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_generate(context.get(), &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "key generation");
  }
  const UniquePkey pkey(raw);
  ASSIGN_OR_RETURN(const Bytes y, NumberOf(raw, OSSL_PKEY_PARAM_PUB_KEY));
  BIGNUM* secret = nullptr;
  if (EVP_PKEY_get_bn_param(raw, OSSL_PKEY_PARAM_PRIV_KEY, &secret) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "private part of a key");
  }
  const UniqueBn x(secret);
  SecretBytes value(BN_num_bytes(secret));
  BN_bn2bin(secret, value.ExposeMutable().data());
  const Bytes info = PublicKeyInfo(type, public_attributes, y);
  GeneratedPair pair;
  pair.public_key.Set(CKA_VALUE, y);
  pair.public_key.Set(CKA_PUBLIC_KEY_INFO, info);
  CopyDomain(type, public_attributes, pair.private_key);
  pair.private_key.Set(CKA_VALUE, value.Expose());
  pair.private_key.Set(CKA_PUBLIC_KEY_INFO, info);
  if (type.key_type == CKK_DH) {
    pair.private_key.SetUlong(CKA_VALUE_BITS, BN_num_bits(secret));
  }
  return pair;
}

absl::StatusOr<hsm::AttributeSet> GenerateFfcParameters(
    const FfcType& type, const hsm::AttributeSet& attributes) {
  const CK_ULONG bits = attributes.Ulong(CKA_PRIME_BITS).value_or(0);
  auto made =
      type.has_subprime
          ? NewSubgroup(type, bits,
                        attributes.Ulong(CKA_SUBPRIME_BITS).value_or(256))
          : NamedGroup(type, bits);
  RETURN_IF_ERROR(made.status());
  hsm::AttributeSet parameters;
  ASSIGN_OR_RETURN(const Bytes p, NumberOf(made->get(), OSSL_PKEY_PARAM_FFC_P));
  ASSIGN_OR_RETURN(const Bytes g, NumberOf(made->get(), OSSL_PKEY_PARAM_FFC_G));
  parameters.Set(CKA_PRIME, p);
  parameters.Set(CKA_BASE, g);
  parameters.SetUlong(CKA_PRIME_BITS, BitsOf(p));
  if (type.has_subprime) {
    ASSIGN_OR_RETURN(const Bytes q,
                     NumberOf(made->get(), OSSL_PKEY_PARAM_FFC_Q));
    parameters.Set(CKA_SUBPRIME, q);
    parameters.SetUlong(CKA_SUBPRIME_BITS, BitsOf(q));
  }
  return parameters;
}

absl::StatusOr<UniquePkey> ImportFfcPeer(const hsm::AttributeSet& key,
                                         ByteSpan value) {
  const FfcType& type = FfcTypeOf(key.key_type());
  ASSIGN_OR_RETURN(Domain domain, DomainOf(type, key));
  const UniqueBn y = BnOf(value);
  if (y == nullptr || !domain.IsElement(y.get())) {
    base::ForgetOpenSslErrors();
    return base::Error(CKR_PUBLIC_KEY_INVALID, "a public value");
  }
  return ImportPublic(type, key, Stripped(value));
}

}  // namespace pkcs11
