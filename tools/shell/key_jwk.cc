// JSON Web Keys (RFC 7517, 7518, 8037): RSA, EC, OKP, oct.
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <string.h>

#include <array>
#include <map>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tools/shell/key_file.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Span = absl::Span<const unsigned char>;

// Memory that is wiped when it is given back.
template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  WipingAllocator(const WipingAllocator<U>&) {}  // NOLINT: as allocators are
  T* allocate(size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* pointer, size_t n) {
    explicit_bzero(static_cast<void*>(pointer), n * sizeof(T));
    std::allocator<T>().deallocate(pointer, n);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) {
    return true;
  }
};
using WipedString =
    std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;
using WipedJson = nlohmann::basic_json<std::map, std::vector, WipedString>;

constexpr size_t kMostKeys = 100;

struct Curve {
  const char* name;   // "crv"
  const char* group;  // of EC; null: one of RFC 8037
  int nid;
};
constexpr Curve kCurves[] = {{"P-256", "prime256v1", NID_X9_62_prime256v1},
                             {"P-384", "secp384r1", NID_secp384r1},
                             {"P-521", "secp521r1", NID_secp521r1},
                             {"secp256k1", "secp256k1", NID_secp256k1},
                             {"Ed25519", nullptr, NID_ED25519},
                             {"Ed448", nullptr, NID_ED448},
                             {"X25519", nullptr, NID_X25519},
                             {"X448", nullptr, NID_X448}};

struct RsaMember {
  const char* name;
  WipedBytes RsaNumbers::*number;
  const char* parameter;
  bool open;
};
constexpr RsaMember kRsa[] = {
    {"n", &RsaNumbers::n, OSSL_PKEY_PARAM_RSA_N, true},
    {"e", &RsaNumbers::e, OSSL_PKEY_PARAM_RSA_E, true},
    {"d", &RsaNumbers::d, OSSL_PKEY_PARAM_RSA_D, false},
    {"p", &RsaNumbers::p, OSSL_PKEY_PARAM_RSA_FACTOR1, false},
    {"q", &RsaNumbers::q, OSSL_PKEY_PARAM_RSA_FACTOR2, false},
    {"dp", &RsaNumbers::dp, OSSL_PKEY_PARAM_RSA_EXPONENT1, false},
    {"dq", &RsaNumbers::dq, OSSL_PKEY_PARAM_RSA_EXPONENT2, false},
    {"qi", &RsaNumbers::qi, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, false}};

// Empty when the member is not there or no text.
absl::string_view Member(const WipedJson& key, const char* name) {
  const auto it = key.find(name);
  if (it == key.end() || !it->is_string()) return {};
  const WipedString& text = *it->get_ptr<const WipedString*>();
  return {text.data(), text.size()};
}

// Empty when it is not there.
absl::StatusOr<WipedBytes> Bytes(const WipedJson& key, const char* name) {
  std::optional<WipedBytes> bytes = BytesOfBase64(Member(key, name));
  if (bytes.has_value()) return *std::move(bytes);
  return BadKeyFile(absl::StrCat("the member \"", name, "\" is not base64url"));
}

absl::StatusOr<OwnedKey> RsaFrom(const WipedJson& key, bool hidden) {
  if (key.contains("oth")) {
    return BadKeyFile("RSA keys of more than two primes are not imported");
  }
  RsaNumbers numbers;
  for (const RsaMember& row : kRsa) {
    if (!hidden && !row.open) continue;
    ASSIGN_OR_RETURN(numbers.*row.number, Bytes(key, row.name));
  }
  return RsaKey(numbers);
}

absl::StatusOr<OwnedKey> CurveFrom(const WipedJson& key, bool is_ec) {
  const absl::string_view name = Member(key, "crv");
  ASSIGN_OR_RETURN(const WipedBytes x, Bytes(key, "x"));
  ASSIGN_OR_RETURN(const WipedBytes y, Bytes(key, "y"));
  ASSIGN_OR_RETURN(const WipedBytes d, Bytes(key, "d"));
  for (const Curve& row : kCurves) {
    if (name != row.name || is_ec != (row.group != nullptr)) continue;
    if (!is_ec) return RawKey(row.nid, x.span(), d.span());
    WipedBytes point = WipedBytes::OfSize(1 + x.size() + y.size());
    point.data()[0] = 4;
    std::copy(x.span().begin(), x.span().end(), point.data() + 1);
    std::copy(y.span().begin(), y.span().end(), point.data() + 1 + x.size());
    return EcKey(row.group, point.span(), d.span());
  }
  return BadKeyFile(absl::StrCat("the curve \"", CleanText(name),
                                 "\" is none of these JSON Web Keys"),
                    is_ec ? "P-256, P-384, P-521, secp256k1."
                          : "Ed25519, Ed448, X25519, X448.");
}

absl::StatusOr<FileObject> KeyFrom(const WipedJson& key) {
  if (!key.is_object()) return BadKeyFile("a JSON Web Key is an object");
  FileObject object;
  object.label = std::string(Member(key, "kid"));
  const absl::string_view type = Member(key, "kty");
  if (type == "oct") {
    ASSIGN_OR_RETURN(object.secret, Bytes(key, "k"));
    if (object.secret.empty()) return BadKeyFile("the member \"k\" is missing");
    return object;
  }
  object.hidden = key.contains("d");
  absl::StatusOr<OwnedKey> made =
      type == "RSA" ? RsaFrom(key, object.hidden)
      : type == "EC" || type == "OKP"
          ? CurveFrom(key, type == "EC")
          : absl::StatusOr<OwnedKey>(
                BadKeyFile(absl::StrCat("\"kty\" is \"", CleanText(type),
                                        "\", and not RSA, EC, OKP or oct")));
  ASSIGN_OR_RETURN(object.key, std::move(made));
  return object;
}

// --- writing -----------------------------------------------------------------

void Append(SecretText& text, absl::string_view more) {
  for (const char c : more) text.Append(c);
}

void AppendBase64(SecretText& text, Span bytes) {
  constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) {
      three = three << 8 | (k < n ? bytes[i + k] : 0);
    }
    for (size_t k = 0; k <= n; ++k) {
      text.Append(kDigits[three >> (18 - 6 * k) & 63]);
    }
  }
}

void AppendMember(SecretText& text, absl::string_view name, Span bytes) {
  Append(text, absl::StrCat(",\"", name, "\":\""));
  AppendBase64(text, bytes);
  Append(text, "\"");
}

SecretText Begin(absl::string_view type, absl::string_view name) {
  const nlohmann::json kid = CleanText(name);
  SecretText text;
  Append(text, absl::StrCat("{\"kty\":\"", type, "\",\"kid\":", kid.dump()));
  return text;
}

// As wide as the curve's numbers are.
WipedBytes Padded(const WipedBytes& number, size_t size) {
  WipedBytes bytes = WipedBytes::OfSize(std::max(size, number.size()));
  std::copy(number.span().begin(), number.span().end(),
            bytes.data() + bytes.size() - number.size());
  return bytes;
}

void AppendEc(SecretText& text, EVP_PKEY* key, bool hidden) {
  const WipedBytes point = EcPoint(key);
  const size_t size = point.size() / 2;
  AppendMember(text, "x", point.span().subspan(1, size));
  AppendMember(text, "y", point.span().subspan(1 + size));
  if (!hidden) return;
  AppendMember(text, "d",
               Padded(KeyNumber(key, OSSL_PKEY_PARAM_PRIV_KEY), size).span());
}

void AppendRaw(SecretText& text, EVP_PKEY* key, bool hidden) {
  unsigned char bytes[64];
  size_t size = sizeof bytes;
  if (EVP_PKEY_get_raw_public_key(key, bytes, &size) == 1) {
    AppendMember(text, "x", Span(bytes, size));
  }
  size = sizeof bytes;
  if (hidden && EVP_PKEY_get_raw_private_key(key, bytes, &size) == 1) {
    AppendMember(text, "d", Span(bytes, size));
  }
  explicit_bzero(bytes, sizeof bytes);
}

}  // namespace

std::optional<WipedBytes> BytesOfBase64(absl::string_view text) {
  WipedBytes bytes = WipedBytes::OfSize(text.size());
  size_t size = 0, digits = 0;
  uint32_t bits = 0;
  bool ended = false;
  for (const char c : text) {
    if (c == '\r' || c == '\n' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      ended = true;
      continue;
    }
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+' || c == '-' ? 62
                      : c == '/' || c == '_' ? 63
                                             : -1;
    if (value < 0 || ended) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (digits++ % 4 != 0) {
      bytes.data()[size++] = static_cast<unsigned char>(
          bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
    }
  }
  if (digits % 4 == 1) return std::nullopt;
  bytes.Truncate(size);
  return bytes;
}

absl::StatusOr<std::vector<FileObject>> ReadJwk(absl::string_view text) {
  const WipedJson json =
      WipedJson::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return BadKeyFile("it is not JSON, or cut");
  }
  std::vector<FileObject> objects;
  if (!json.contains("keys")) {
    ASSIGN_OR_RETURN(objects.emplace_back(), KeyFrom(json));
    return objects;
  }
  const WipedJson& keys = json["keys"];
  if (!keys.is_array() || keys.size() > kMostKeys) {
    return BadKeyFile("\"keys\" is not an array of at most 100 keys");
  }
  for (const WipedJson& key : keys) {
    ASSIGN_OR_RETURN(objects.emplace_back(), KeyFrom(key));
  }
  return objects;
}

absl::StatusOr<SecretText> JwkText(EVP_PKEY* key, bool hidden,
                                   absl::string_view name) {
  const int id = EVP_PKEY_get_base_id(key);
  SecretText text;
  if (id == EVP_PKEY_RSA) {
    text = Begin("RSA", name);
    for (const RsaMember& row : kRsa) {
      if (!hidden && !row.open) continue;
      AppendMember(text, row.name, KeyNumber(key, row.parameter).span());
    }
  }
  const std::string group = GroupName(key);
  for (const Curve& row : kCurves) {
    const bool is_ec = row.group != nullptr;
    if (is_ec ? group != row.group : id != row.nid) continue;
    text = Begin(is_ec ? "EC" : "OKP", name);
    Append(text, absl::StrCat(",\"crv\":\"", row.name, "\""));
    if (is_ec) {
      AppendEc(text, key, hidden);
    } else {
      AppendRaw(text, key, hidden);
    }
  }
  if (text.empty()) {
    return Failure(CKR_KEY_TYPE_INCONSISTENT,
                   "JSON Web Keys have no form for a key of this type or "
                   "curve");
  }
  Append(text, "}\n");
  return text;
}

SecretText JwkOfSecret(Span secret, absl::string_view name) {
  SecretText text = Begin("oct", name);
  AppendMember(text, "k", secret);
  Append(text, "}\n");
  return text;
}

}  // namespace shell
