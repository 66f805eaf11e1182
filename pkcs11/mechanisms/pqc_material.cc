#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/pqc.h"

namespace pkcs11 {
namespace {

constexpr PqcSet kSets[] = {
    {CKK_ML_KEM, CKP_ML_KEM_512, "2.16.840.1.101.3.4.4.1",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x01", 800, 1632, 64, 768},
    {CKK_ML_KEM, CKP_ML_KEM_768, "2.16.840.1.101.3.4.4.2",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x02", 1184, 2400, 64, 1088},
    {CKK_ML_KEM, CKP_ML_KEM_1024, "2.16.840.1.101.3.4.4.3",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x03", 1568, 3168, 64, 1568},
    {CKK_ML_DSA, CKP_ML_DSA_44, "2.16.840.1.101.3.4.3.17",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11", 1312, 2560, 32, 2420},
    {CKK_ML_DSA, CKP_ML_DSA_65, "2.16.840.1.101.3.4.3.18",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12", 1952, 4032, 32, 3309},
    {CKK_ML_DSA, CKP_ML_DSA_87, "2.16.840.1.101.3.4.3.19",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13", 2592, 4896, 32, 4627},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128S, "2.16.840.1.101.3.4.3.20",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x14", 32, 64, 0, 7856},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F, "2.16.840.1.101.3.4.3.21",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x15", 32, 64, 0, 17088},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192S, "2.16.840.1.101.3.4.3.22",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x16", 48, 96, 0, 16224},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192F, "2.16.840.1.101.3.4.3.23",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x17", 48, 96, 0, 35664},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256S, "2.16.840.1.101.3.4.3.24",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x18", 64, 128, 0, 29792},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256F, "2.16.840.1.101.3.4.3.25",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x19", 64, 128, 0, 49856},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128S, "2.16.840.1.101.3.4.3.26",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x1a", 32, 64, 0, 7856},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128F, "2.16.840.1.101.3.4.3.27",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x1b", 32, 64, 0, 17088},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192S, "2.16.840.1.101.3.4.3.28",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x1c", 48, 96, 0, 16224},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192F, "2.16.840.1.101.3.4.3.29",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x1d", 48, 96, 0, 35664},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256S, "2.16.840.1.101.3.4.3.30",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x1e", 64, 128, 0, 29792},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256F, "2.16.840.1.101.3.4.3.31",
     "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x1f", 64, 128, 0, 49856},
};

// Names of OpenSSL 3.5.
constexpr char kSeed[] = "seed";
// privateKey of PKCS#8 as a CHOICE (RFC 9881, RFC 9935).
constexpr uint8_t kDerSeed = 0x80;

absl::Status BadValue(absl::string_view what) {
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, what);
}

// `name` of a key, which has `size` bytes; empty if it has it not.
SecretBytes PartOf(const EVP_PKEY* pkey, const char* name, size_t size) {
  SecretBytes part(size);
  size_t written = 0;
  if (EVP_PKEY_get_octet_string_param(pkey, name, part.ExposeMutable().data(),
                                      size, &written) != 1 ||
      written != size) {
    base::ForgetOpenSslErrors();
    return SecretBytes();
  }
  return part;
}

absl::StatusOr<Bytes> PublicPart(const PqcSet& set, const EVP_PKEY* pkey) {
  const SecretBytes part =
      PartOf(pkey, OSSL_PKEY_PARAM_PUB_KEY, set.public_size);
  if (part.empty()) {
    return base::Error(CKR_FUNCTION_FAILED, "public part of a key");
  }
  return base::ToBytes(part.Expose());
}

absl::StatusOr<UniquePkey> ImportPart(const PqcSet& set, const char* name,
                                      ByteSpan value, int selection) {
  KeyComponents components;
  components.Octets(name, value);
  auto pkey = components.Import(set.openssl_type, selection);
  if (!pkey.ok()) return BadValue("a post-quantum key");
  return pkey;
}

// From the value, or from the seed if there is no value.
absl::StatusOr<UniquePkey> ImportPrivate(const PqcSet& set,
                                         const hsm::AttributeSet& key) {
  const ByteSpan value = key.Value(CKA_VALUE);
  const ByteSpan seed = key.Value(CKA_SEED);
  if (value.empty()) {
    if (set.seed_size == 0 || seed.size() != set.seed_size) {
      return BadValue("length of a seed");
    }
    return ImportPart(set, kSeed, seed, EVP_PKEY_KEYPAIR);
  }
  if (value.size() != set.private_size) {
    return BadValue("length of a private key");
  }
  return ImportPart(set, OSSL_PKEY_PARAM_PRIV_KEY, value, EVP_PKEY_KEYPAIR);
}

absl::StatusOr<UniquePkey> Import(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const PqcSet* set, PqcSetOf(key));
  if (key.object_class() == CKO_PRIVATE_KEY) return ImportPrivate(*set, key);
  if (key.Value(CKA_VALUE).size() != set->public_size) {
    return BadValue("length of a public key");
  }
  return ImportPart(*set, OSSL_PKEY_PARAM_PUB_KEY, key.Value(CKA_VALUE),
                    EVP_PKEY_PUBLIC_KEY);
}

Bytes PublicKeyInfo(const PqcSet& set, ByteSpan value) {
  DerWriter algorithm;
  algorithm.Raw(base::AsBytes(set.oid));
  DerWriter info;
  info.Element(kDerSequence, algorithm).BitString(value);
  DerWriter out;
  out.Element(kDerSequence, info);
  return base::ToBytes(out.bytes());
}

// The value that a seed gives, which a value that is there must be.
absl::Status ExpandSeed(const PqcSet& set, const hsm::AttributeSet& key,
                        hsm::AttributeSet& added) {
  const ByteSpan seed = key.Value(CKA_SEED);
  if (seed.empty()) return absl::OkStatus();
  if (seed.size() != set.seed_size) return BadValue("length of a seed");
  ASSIGN_OR_RETURN(const UniquePkey pkey,
                   ImportPart(set, kSeed, seed, EVP_PKEY_KEYPAIR));
  const SecretBytes value =
      PartOf(pkey.get(), OSSL_PKEY_PARAM_PRIV_KEY, set.private_size);
  const ByteSpan given = key.Value(CKA_VALUE);
  if (value.empty() || (!given.empty() && !value.Equals(given))) {
    return BadValue("a seed that is not the key's");
  }
  added.Set(CKA_VALUE, value.Expose());
  return absl::OkStatus();
}

absl::StatusOr<hsm::AttributeSet> Complete(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const PqcSet* set, PqcSetOf(key));
  hsm::AttributeSet added;
  if (key.object_class() == CKO_PRIVATE_KEY) {
    RETURN_IF_ERROR(ExpandSeed(*set, key, added));
  }
  ASSIGN_OR_RETURN(const UniquePkey pkey, Import(key));
  ASSIGN_OR_RETURN(const Bytes value, PublicPart(*set, pkey.get()));
  const Bytes info = PublicKeyInfo(*set, value);
  RETURN_IF_ERROR(CheckPublicKeyInfo(key, info));
  added.Set(CKA_PUBLIC_KEY_INFO, info);
  return added;
}

absl::StatusOr<hsm::AttributeSet> PublicOf(const hsm::AttributeSet& key) {
  ASSIGN_OR_RETURN(const PqcSet* set, PqcSetOf(key));
  ASSIGN_OR_RETURN(const UniquePkey pkey, Import(key));
  ASSIGN_OR_RETURN(const Bytes value, PublicPart(*set, pkey.get()));
  hsm::AttributeSet parts;
  parts.SetUlong(CKA_PARAMETER_SET, set->number);
  parts.Set(CKA_VALUE, value);
  return parts;
}

absl::Status Encode(const hsm::AttributeSet& key, DerWriter& algorithm,
                    DerWriter& inner) {
  ASSIGN_OR_RETURN(const PqcSet* set, PqcSetOf(key));
  const ByteSpan value = key.Value(CKA_VALUE);
  if (value.size() != set->private_size) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE, "a key without its value");
  }
  algorithm.Raw(base::AsBytes(set->oid));
  if (set->seed_size == 0) {  // RFC 9909: the bare bytes
    inner.Raw(value);
    return absl::OkStatus();
  }
  if (key.Value(CKA_SEED).empty()) {
    inner.Element(kDerOctetString, value);
    return absl::OkStatus();
  }
  DerWriter both;
  both.Element(kDerOctetString, key.Value(CKA_SEED))
      .Element(kDerOctetString, value);
  inner.Element(kDerSequence, both);
  return absl::OkStatus();
}

const PqcSet* SetOfAlgorithm(CK_KEY_TYPE type, ByteSpan algorithm) {
  for (const PqcSet& set : kSets) {
    if (set.key_type == type &&
        base::SameBytes(base::AsBytes(set.oid), algorithm)) {
      return &set;
    }
  }
  return nullptr;
}

template <CK_KEY_TYPE kType>
bool Owns(ByteSpan algorithm) {
  return SetOfAlgorithm(kType, algorithm) != nullptr;
}

// The three forms of a private key with a seed.
absl::Status DecodeSeeded(ByteSpan der, hsm::AttributeSet& key) {
  DerReader reader(der);
  const uint8_t tag = der.empty() ? 0 : der.front();
  ByteSpan seed, value;
  if (tag == kDerSeed) {
    seed = reader.Element(kDerSeed);
  } else if (tag == kDerOctetString) {
    value = reader.Element(kDerOctetString);
  } else {
    DerReader both(reader.Element(kDerSequence));
    seed = both.Element(kDerOctetString);
    value = both.Element(kDerOctetString);
    if (!both.Finish()) return NotAPrivateKey();
  }
  if (!reader.Finish() || (seed.empty() && value.empty())) {
    return NotAPrivateKey();
  }
  if (!seed.empty()) key.Set(CKA_SEED, seed);
  if (!value.empty()) key.Set(CKA_VALUE, value);
  return absl::OkStatus();
}

template <CK_KEY_TYPE kType>
absl::StatusOr<hsm::AttributeSet> Decode(ByteSpan algorithm, ByteSpan der) {
  const PqcSet& set = *SetOfAlgorithm(kType, algorithm);
  hsm::AttributeSet key;
  key.SetUlong(CKA_KEY_TYPE, kType);
  key.SetUlong(CKA_PARAMETER_SET, set.number);
  if (set.seed_size != 0) {
    RETURN_IF_ERROR(DecodeSeeded(der, key));
  } else {
    key.Set(CKA_VALUE, der);
  }
  return key;
}

CK_ULONG SizeOf(const hsm::AttributeSet& key) {
  const auto set = PqcSetOf(key);
  return set.ok() ? (*set)->public_size : 0;
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

const KeyForm kMlKemForm = Form<CKK_ML_KEM>(PairCheck::kEncapsulate);
const KeyForm kMlDsaForm = Form<CKK_ML_DSA>(PairCheck::kSign);
const KeyForm kSlhDsaForm = Form<CKK_SLH_DSA>(PairCheck::kSign);

absl::Span<const PqcSet> PqcSets() { return kSets; }

bool PqcIsAvailable(CK_KEY_TYPE type) {
  for (const PqcSet& set : kSets) {
    if (set.key_type != type) continue;
    const bool is_there = NewKeyTypeContext(set.openssl_type) != nullptr;
    base::ForgetOpenSslErrors();
    return is_there;
  }
  return false;
}

absl::StatusOr<const PqcSet*> PqcSetOf(CK_KEY_TYPE type, CK_ULONG number) {
  for (const PqcSet& set : kSets) {
    if (set.key_type == type && set.number == number) return &set;
  }
  return base::Error(CKR_PARAMETER_SET_NOT_SUPPORTED, "CKA_PARAMETER_SET");
}

absl::StatusOr<const PqcSet*> PqcSetOf(const hsm::AttributeSet& key) {
  return PqcSetOf(key.key_type(), key.Ulong(CKA_PARAMETER_SET).value_or(0));
}

absl::StatusOr<GeneratedPair> GeneratePqc(
    const Use& use, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet&) {
  const auto number = public_attributes.Ulong(CKA_PARAMETER_SET);
  if (!number.has_value()) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_PARAMETER_SET");
  }
  ASSIGN_OR_RETURN(const PqcSet* set,
                   PqcSetOf(use.mechanism.key_type, *number));
  const UniquePkeyCtx context = NewKeyTypeContext(set->openssl_type);
  EVP_PKEY* raw = nullptr;
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_generate(context.get(), &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "key generation");
  }
  const UniquePkey pkey(raw);
  ASSIGN_OR_RETURN(const Bytes value, PublicPart(*set, raw));
  const SecretBytes secret =
      PartOf(raw, OSSL_PKEY_PARAM_PRIV_KEY, set->private_size);
  if (secret.empty()) {
    return base::Error(CKR_FUNCTION_FAILED, "private part of a key");
  }
  const Bytes info = PublicKeyInfo(*set, value);
  GeneratedPair pair;
  pair.public_key.Set(CKA_VALUE, value);
  pair.public_key.Set(CKA_PUBLIC_KEY_INFO, info);
  pair.private_key.SetUlong(CKA_PARAMETER_SET, set->number);
  pair.private_key.Set(CKA_VALUE, secret.Expose());
  pair.private_key.Set(CKA_PUBLIC_KEY_INFO, info);
  if (set->seed_size != 0) {
    const SecretBytes seed = PartOf(raw, kSeed, set->seed_size);
    if (!seed.empty()) pair.private_key.Set(CKA_SEED, seed.Expose());
  }
  return pair;
}

}  // namespace pkcs11
