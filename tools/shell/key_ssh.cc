// OpenSSH's keys: the private key file of its own ("openssh-key-v1",
// PROTOCOL.key), and the line of a public key (RFC 4253, 5656, 8709).
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/objects.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/shell/key_file.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Span = absl::Span<const unsigned char>;

constexpr absl::string_view kMagic("openssh-key-v1\0", 15);
constexpr size_t kEd25519 = 32;

struct EcName {
  const char* ssh;    // as the key's own curve name
  const char* group;  // OpenSSL's
};
constexpr EcName kCurves[] = {{"nistp256", "prime256v1"},
                              {"nistp384", "secp384r1"},
                              {"nistp521", "secp521r1"}};

absl::string_view TextOf(Span bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Takes from the front; `cut` is set when there is too little.
class Reader {
 public:
  explicit Reader(Span bytes) : rest_(bytes) {}
  uint32_t Number() {
    const Span four = Take(4);
    uint32_t number = 0;
    for (const unsigned char byte : four) number = number << 8 | byte;
    return number;
  }
  Span String() { return Take(Number()); }
  absl::string_view Text() { return TextOf(String()); }
  // A number that is not negative, without its leading zero.
  WipedBytes Integer() {
    Span bytes = String();
    if (!bytes.empty() && bytes[0] >= 0x80) cut_ = true;
    while (!bytes.empty() && bytes[0] == 0) bytes.remove_prefix(1);
    return WipedBytes(bytes);
  }
  Span rest() const { return rest_; }
  bool cut() const { return cut_; }

 private:
  Span Take(size_t size) {
    if (cut_ || size > rest_.size()) {
      cut_ = true;
      return {};
    }
    const Span taken = rest_.subspan(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  Span rest_;
  bool cut_ = false;
};

absl::Status Cut() {
  return BadKeyFile("the OpenSSH key is cut or its lengths are wrong");
}

absl::Status NotKnown(absl::string_view type) {
  if (absl::StartsWith(type, "sk-")) {
    return BadKeyFile(absl::StrCat(
        CleanText(type), ": the key is on a FIDO token, the file has none"));
  }
  return BadKeyFile(absl::StrCat("OpenSSH keys of the type ", CleanText(type),
                                 " are not imported"),
                    "ssh-rsa, ecdsa-sha2-nistp256, -384, -521 and ssh-ed25519 "
                    "are.");
}

// number mod (prime - 1)
WipedBytes Exponent(const WipedBytes& number, const WipedBytes& prime) {
  using OwnedNumber = Owned<BIGNUM, BN_clear_free>;
  const Owned<BN_CTX, BN_CTX_free> context(BN_CTX_new());
  const auto of = [](const WipedBytes& bytes) {
    return OwnedNumber(BN_bin2bn(bytes.span().data(),
                                 static_cast<int>(bytes.size()), nullptr));
  };
  const OwnedNumber d = of(number), p = of(prime), left(BN_new());
  if (BN_sub_word(p.get(), 1) != 1 ||
      BN_mod(left.get(), d.get(), p.get(), context.get()) != 1) {
    return {};
  }
  WipedBytes bytes =
      WipedBytes::OfSize(static_cast<size_t>(BN_num_bytes(left.get())));
  BN_bn2bin(left.get(), bytes.data());
  return bytes;
}

absl::StatusOr<OwnedKey> EcFrom(Reader& reader, bool hidden,
                                absl::string_view type) {
  const absl::string_view curve = reader.Text();
  const Span point = reader.String();
  const WipedBytes scalar = hidden ? reader.Integer() : WipedBytes();
  if (reader.cut() || (hidden && scalar.empty())) return Cut();
  for (const EcName& row : kCurves) {
    if (curve != row.ssh) continue;
    if (type != absl::StrCat("ecdsa-sha2-", row.ssh)) return Cut();
    return EcKey(row.group, point, scalar.span());
  }
  return NotKnown(type);
}

absl::StatusOr<OwnedKey> RsaFrom(Reader& reader, bool hidden) {
  RsaNumbers numbers;
  if (!hidden) {
    numbers.e = reader.Integer();
    numbers.n = reader.Integer();
    if (reader.cut()) return Cut();
    return RsaKey(numbers);
  }
  numbers.n = reader.Integer();
  numbers.e = reader.Integer();
  numbers.d = reader.Integer();
  numbers.qi = reader.Integer();
  numbers.p = reader.Integer();
  numbers.q = reader.Integer();
  if (reader.cut() || numbers.d.empty() || numbers.p.empty()) return Cut();
  numbers.dp = Exponent(numbers.d, numbers.p);
  numbers.dq = Exponent(numbers.d, numbers.q);
  return RsaKey(numbers);
}

// The key that follows its type.
absl::StatusOr<OwnedKey> KeyFrom(Reader& reader, absl::string_view type,
                                 bool hidden) {
  if (type == "ssh-rsa") return RsaFrom(reader, hidden);
  if (absl::StartsWith(type, "ecdsa-sha2-")) {
    return EcFrom(reader, hidden, type);
  }
  if (type != "ssh-ed25519") return NotKnown(type);
  const Span open = reader.String();
  const Span seed = hidden ? reader.String() : Span();
  if (reader.cut() || open.size() != kEd25519 ||
      seed.size() != (hidden ? 2 * kEd25519 : 0)) {
    return Cut();
  }
  return RawKey(NID_ED25519, open, seed.subspan(0, hidden ? kEd25519 : 0));
}

void Append(std::string& blob, absl::string_view bytes) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    blob += static_cast<char>(bytes.size() >> shift & 0xff);
  }
  absl::StrAppend(&blob, bytes);
}

void AppendInteger(std::string& blob, const WipedBytes& number) {
  std::string bytes(number.text());
  if (!bytes.empty() && (bytes[0] & 0x80) != 0) bytes.insert(0, 1, '\0');
  Append(blob, bytes);
}

}  // namespace

absl::StatusOr<FileObject> ReadSshPrivateKey(Span blob) {
  if (!absl::StartsWith(TextOf(blob), kMagic)) {
    return BadKeyFile("it is not of the form openssh-key-v1");
  }
  Reader outer(blob.subspan(kMagic.size()));
  const absl::string_view cipher = outer.Text();
  outer.String();  // how the password becomes a key
  outer.String();
  if (!outer.cut() && cipher != "none") {
    return BadKeyFile(
        absl::StrCat("the OpenSSH key is encrypted (", CleanText(cipher), ")"),
        "Change its form first, on a copy: ssh-keygen -p -m PKCS8 -f FILE.");
  }
  const uint32_t keys = outer.Number();
  outer.String();  // the public half
  Reader inner(outer.String());
  if (outer.cut()) return Cut();
  if (keys != 1) return BadKeyFile("it has more than one OpenSSH key");
  if (inner.Number() != inner.Number()) return Cut();
  const absl::string_view type = inner.Text();
  if (inner.cut()) return Cut();
  FileObject object;
  object.hidden = true;
  ASSIGN_OR_RETURN(object.key, KeyFrom(inner, type, true));
  object.label = std::string(inner.Text());
  if (inner.cut()) return Cut();
  unsigned char next = 1;
  for (const unsigned char padding : inner.rest()) {
    if (padding != next++) return Cut();
  }
  return object;
}

absl::StatusOr<FileObject> ReadSshPublicKey(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (absl::StrContains(text, '\n')) {
    return BadKeyFile("it has more than one line",
                      "One public key of OpenSSH at a time.");
  }
  const std::vector<absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (parts.size() < 2) return BadKeyFile("an OpenSSH public key is cut");
  if (absl::StrContains(parts[0], "-cert-")) {
    return BadKeyFile("certificates of OpenSSH are not imported");
  }
  const std::optional<WipedBytes> blob = BytesOfBase64(parts[1]);
  if (!blob.has_value()) {
    return BadKeyFile("the OpenSSH public key is not base64");
  }
  Reader reader(blob->span());
  if (reader.Text() != parts[0]) return Cut();
  FileObject object;
  ASSIGN_OR_RETURN(object.key, KeyFrom(reader, parts[0], false));
  if (!reader.rest().empty()) return Cut();
  if (parts.size() == 3) object.label = std::string(parts[2]);
  return object;
}

absl::StatusOr<std::string> SshPublicKeyText(EVP_PKEY* key,
                                             absl::string_view comment) {
  std::string type, blob;
  const int id = EVP_PKEY_get_base_id(key);
  if (id == EVP_PKEY_RSA) {
    type = "ssh-rsa";
    Append(blob, type);
    AppendInteger(blob, KeyNumber(key, OSSL_PKEY_PARAM_RSA_E));
    AppendInteger(blob, KeyNumber(key, OSSL_PKEY_PARAM_RSA_N));
  } else if (id == EVP_PKEY_ED25519) {
    type = "ssh-ed25519";
    unsigned char open[kEd25519];
    size_t size = sizeof open;
    if (EVP_PKEY_get_raw_public_key(key, open, &size) != 1) size = 0;
    Append(blob, type);
    Append(blob, TextOf(Span(open, size)));
  } else if (id == EVP_PKEY_EC) {
    const std::string group = GroupName(key);
    for (const EcName& row : kCurves) {
      if (group != row.group) continue;
      type = absl::StrCat("ecdsa-sha2-", row.ssh);
      Append(blob, type);
      Append(blob, row.ssh);
      Append(blob, EcPoint(key).text());
    }
  }
  if (type.empty()) {
    return Failure(CKR_KEY_TYPE_INCONSISTENT,
                   "OpenSSH has no form for a key of this type",
                   "RSA, P-256, P-384, P-521 and Ed25519 have one.");
  }
  return absl::StrCat(type, " ", absl::Base64Escape(blob),
                      comment.empty() ? "" : " ", CleanText(comment), "\n");
}

}  // namespace shell
