#include "tools/shell/key_types.h"

#include <openssl/ec.h>
#include <openssl/objects.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr KeyType kTypes[] = {
    {"rsa", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, true, 3072, nullptr, 0, "sign"},
    {"ec", CKK_EC, CKM_EC_KEY_PAIR_GEN, true, 0, nullptr, 0, "sign"},
    {"ed25519", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, true, 0, "ED25519",
     0, "sign"},
    {"ed448", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, true, 0, "ED448", 0,
     "sign"},
    {"x25519", CKK_EC_MONTGOMERY, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, true, 0,
     "X25519", 0, "derive"},
    {"x448", CKK_EC_MONTGOMERY, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, true, 0, "X448",
     0, "derive"},
    {"ml-dsa-44", CKK_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN, true, 0, nullptr,
     CKP_ML_DSA_44, "sign"},
    {"ml-dsa-65", CKK_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN, true, 0, nullptr,
     CKP_ML_DSA_65, "sign"},
    {"ml-dsa-87", CKK_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN, true, 0, nullptr,
     CKP_ML_DSA_87, "sign"},
    {"ml-kem-512", CKK_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN, true, 0, nullptr,
     CKP_ML_KEM_512, "encapsulate"},
    {"ml-kem-768", CKK_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN, true, 0, nullptr,
     CKP_ML_KEM_768, "encapsulate"},
    {"ml-kem-1024", CKK_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN, true, 0, nullptr,
     CKP_ML_KEM_1024, "encapsulate"},
    {"slh-dsa-sha2-128s", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHA2_128S, "sign"},
    {"slh-dsa-sha2-128f", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHA2_128F, "sign"},
    {"slh-dsa-sha2-192s", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHA2_192S, "sign"},
    {"slh-dsa-sha2-192f", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHA2_192F, "sign"},
    {"slh-dsa-sha2-256s", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHA2_256S, "sign"},
    {"slh-dsa-sha2-256f", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHA2_256F, "sign"},
    {"slh-dsa-shake-128s", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHAKE_128S, "sign"},
    {"slh-dsa-shake-128f", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHAKE_128F, "sign"},
    {"slh-dsa-shake-192s", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHAKE_192S, "sign"},
    {"slh-dsa-shake-192f", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHAKE_192F, "sign"},
    {"slh-dsa-shake-256s", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHAKE_256S, "sign"},
    {"slh-dsa-shake-256f", CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, true, 0,
     nullptr, CKP_SLH_DSA_SHAKE_256F, "sign"},
    {"aes", CKK_AES, CKM_AES_KEY_GEN, false, 256, nullptr, 0, "encrypt"},
    {"generic", CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, false, 256,
     nullptr, 0, "sign"},
    {"chacha20", CKK_CHACHA20, CKM_CHACHA20_KEY_GEN, false, 0, nullptr, 0,
     "encrypt"},
    {"des3", CKK_DES3, CKM_DES3_KEY_GEN, false, 0, nullptr, 0, "encrypt"},
};

constexpr Use kUses[] = {
    {"sign", "verify", CKA_SIGN, CKA_VERIFY},
    {"decrypt", "encrypt", CKA_DECRYPT, CKA_ENCRYPT},
    {"unwrap", "wrap", CKA_UNWRAP, CKA_WRAP},
    {"derive", "derive", CKA_DERIVE, CKA_DERIVE},
    {"decapsulate", "encapsulate", CKA_DECAPSULATE, CKA_ENCAPSULATE},
};

bool Contains(absl::Span<const Use> uses, const Use& use) {
  return std::any_of(uses.begin(), uses.end(),
                     [&](const Use& one) { return one.own == use.own; });
}

}  // namespace

// --- templates ---------------------------------------------------------------

void Template::Bytes(CK_ATTRIBUTE_TYPE type,
                     absl::Span<const unsigned char> value) {
  values_.insert_or_assign(type, WipedBytes(value));
}

void Template::Text(CK_ATTRIBUTE_TYPE type, absl::string_view value) {
  Bytes(type,
        {reinterpret_cast<const unsigned char*>(value.data()), value.size()});
}

void Template::Bool(CK_ATTRIBUTE_TYPE type, bool value) {
  const unsigned char byte = value ? CK_TRUE : CK_FALSE;
  Bytes(type, {&byte, 1});
}

void Template::Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  Bytes(type, {reinterpret_cast<const unsigned char*>(&value), sizeof value});
}

std::vector<CK_ATTRIBUTE> Template::Rows() {
  std::vector<CK_ATTRIBUTE> rows;
  for (auto& [type, value] : values_) {
    rows.push_back({type, value.data(), value.size()});
  }
  return rows;
}

absl::Span<const unsigned char> Template::Value(CK_ATTRIBUTE_TYPE type) const {
  const auto it = values_.find(type);
  return it == values_.end() ? absl::Span<const unsigned char>()
                             : it->second.span();
}

CK_ULONG Template::NumberOf(CK_ATTRIBUTE_TYPE type) const {
  CK_ULONG number = CK_UNAVAILABLE_INFORMATION;
  const absl::Span<const unsigned char> value = Value(type);
  if (value.size() == sizeof number) {
    std::memcpy(&number, value.data(), sizeof number);
  }
  return number;
}

// --- types -------------------------------------------------------------------

absl::Span<const KeyType> KeyTypes() { return kTypes; }

absl::StatusOr<KeyType> FindKeyType(absl::string_view name) {
  std::string names;
  for (const KeyType& row : kTypes) {
    if (absl::EqualsIgnoreCase(name, row.name)) return row;
    absl::StrAppend(&names, names.empty() ? "" : ", ", row.name);
  }
  return Failure(CKR_ARGUMENTS_BAD,
                 absl::StrCat("there is no key type ", CleanText(name)),
                 absl::StrCat("-type is one of ", names, "."));
}

std::string KeyTypeText(CK_KEY_TYPE type) {
  struct Row {
    CK_KEY_TYPE type;
    const char* text;
  };
  static constexpr Row kRows[] = {{CKK_RSA, "RSA"},
                                  {CKK_DSA, "DSA"},
                                  {CKK_DH, "DH"},
                                  {CKK_X9_42_DH, "X9.42 DH"},
                                  {CKK_EC, "EC"},
                                  {CKK_EC_EDWARDS, "Edwards"},
                                  {CKK_EC_MONTGOMERY, "Montgomery"},
                                  {CKK_ML_DSA, "ML-DSA"},
                                  {CKK_ML_KEM, "ML-KEM"},
                                  {CKK_SLH_DSA, "SLH-DSA"},
                                  {CKK_AES, "AES"},
                                  {CKK_AES_XTS, "AES-XTS"},
                                  {CKK_GENERIC_SECRET, "generic"},
                                  {CKK_SHA256_HMAC, "HMAC-SHA-256"},
                                  {CKK_SHA384_HMAC, "HMAC-SHA-384"},
                                  {CKK_SHA512_HMAC, "HMAC-SHA-512"},
                                  {CKK_HKDF, "HKDF"},
                                  {CKK_CAMELLIA, "Camellia"},
                                  {CKK_CHACHA20, "ChaCha20"},
                                  {CKK_POLY1305, "Poly1305"},
                                  {CKK_DES, "DES"},
                                  {CKK_DES2, "DES2"},
                                  {CKK_DES3, "DES3"}};
  for (const Row& row : kRows) {
    if (row.type == type) return row.text;
  }
  return absl::StrFormat("type 0x%x", type);
}

// --- uses --------------------------------------------------------------------

absl::Span<const Use> Uses() { return kUses; }

absl::StatusOr<std::vector<Use>> ParseUsage(absl::string_view text) {
  std::vector<Use> uses;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(", "), absl::SkipEmpty())) {
    const Use* const found =
        std::find_if(std::begin(kUses), std::end(kUses), [&](const Use& use) {
          return absl::EqualsIgnoreCase(word, use.name) ||
                 absl::EqualsIgnoreCase(word, use.other);
        });
    if (found == std::end(kUses)) {
      return Failure(CKR_ARGUMENTS_BAD,
                     absl::StrCat("there is no use ", CleanText(word)),
                     "-usage takes sign (with verify), decrypt (encrypt), "
                     "unwrap (wrap), derive, decapsulate (encapsulate), with "
                     "commas between.");
    }
    if (!Contains(uses, *found)) uses.push_back(*found);
  }
  if (!uses.empty()) return uses;
  return Failure(CKR_ARGUMENTS_BAD, "-usage names no use");
}

absl::Status SetUsage(absl::Span<const Use> uses, CK_OBJECT_CLASS object_class,
                      Template& attributes) {
  const bool secret = object_class == CKO_SECRET_KEY;
  const auto has = [&](CK_ATTRIBUTE_TYPE own) {
    return std::any_of(uses.begin(), uses.end(),
                       [&](const Use& use) { return use.own == own; });
  };
  if (secret && has(CKA_UNWRAP) && (has(CKA_DECRYPT) || has(CKA_SIGN))) {
    return Failure(CKR_TEMPLATE_INCONSISTENT,
                   "a key that wraps and also decrypts or signs can be made "
                   "to give away what it wraps",
                   "Make two keys, one with -usage wrap.");
  }
  // -usage has no name for RSA's signatures that give back the message.
  if (object_class == CKO_PRIVATE_KEY) attributes.Bool(CKA_SIGN_RECOVER, false);
  if (object_class == CKO_PUBLIC_KEY) {
    attributes.Bool(CKA_VERIFY_RECOVER, false);
  }
  for (const Use& use : kUses) {
    if (secret && use.own == CKA_DECAPSULATE) {
      if (!Contains(uses, use)) continue;
      return Failure(CKR_TEMPLATE_INCONSISTENT,
                     "only key pairs encapsulate and decapsulate");
    }
    const bool value = Contains(uses, use);
    if (object_class != CKO_PUBLIC_KEY) attributes.Bool(use.own, value);
    // Only the private half of a pair derives.
    if (object_class != CKO_PRIVATE_KEY && use.counterpart != CKA_DERIVE) {
      attributes.Bool(use.counterpart, value);
    }
  }
  return absl::OkStatus();
}

// --- curves ------------------------------------------------------------------

std::vector<unsigned char> CurveDer(absl::string_view name) {
  const std::string text = absl::AsciiStrToUpper(name);
  int nid = EC_curve_nist2nid(text.c_str());
  if (nid == NID_undef) nid = OBJ_txt2nid(std::string(name).c_str());
  if (nid == NID_undef) nid = OBJ_txt2nid(text.c_str());
  const ASN1_OBJECT* object = nid == NID_undef ? nullptr : OBJ_nid2obj(nid);
  if (object == nullptr) return {};
  std::vector<unsigned char> der(std::max(0, i2d_ASN1_OBJECT(object, nullptr)));
  unsigned char* at = der.data();
  if (der.empty() || i2d_ASN1_OBJECT(object, &at) <= 0) return {};
  return der;
}

namespace {

int CurveNid(absl::Span<const unsigned char> der) {
  const unsigned char* at = der.data();
  const std::unique_ptr<ASN1_OBJECT, void (*)(ASN1_OBJECT*)> object(
      d2i_ASN1_OBJECT(nullptr, &at, static_cast<long>(der.size())),
      ASN1_OBJECT_free);
  if (object != nullptr) return OBJ_obj2nid(object.get());
  // Keys of other clients have names as text.
  if (der.size() < 2 || der[0] != 0x13) return NID_undef;
  const absl::string_view name(reinterpret_cast<const char*>(&der[2]),
                               der.size() - 2);
  if (name == "edwards25519") return NID_ED25519;
  if (name == "edwards448") return NID_ED448;
  if (name == "curve25519") return NID_X25519;
  if (name == "curve448") return NID_X448;
  return OBJ_txt2nid(std::string(name).c_str());
}

}  // namespace

std::string CurveName(absl::Span<const unsigned char> der) {
  const int nid = CurveNid(der);
  if (nid == NID_undef) return "";
  if (nid == NID_ED25519) return "Ed25519";
  if (nid == NID_ED448) return "Ed448";
  const char* nist = EC_curve_nid2nist(nid);
  return nist != nullptr ? nist : OBJ_nid2sn(nid);
}

CK_ULONG CurveBits(absl::Span<const unsigned char> der) {
  const std::unique_ptr<EC_GROUP, void (*)(EC_GROUP*)> group(
      EC_GROUP_new_by_curve_name(CurveNid(der)), EC_GROUP_free);
  return group == nullptr
             ? 0
             : static_cast<CK_ULONG>(EC_GROUP_get_degree(group.get()));
}

}  // namespace shell
