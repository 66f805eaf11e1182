#include "tools/shell/softhsm_token.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Span = absl::Span<const unsigned char>;

constexpr size_t kBlock = 16;
constexpr size_t kSaltSize = 8;
constexpr size_t kKeySize = 32;
constexpr unsigned char kMagic[] = {'R', 'J', 'R'};
// Larger files are not SoftHSM2's.
constexpr off_t kMostFile = 1 << 24;

// SoftHSM2's own attributes.
constexpr CK_ATTRIBUTE_TYPE kTokenLabel = 0x80005349;
constexpr CK_ATTRIBUTE_TYPE kUserPin = 0x8000534d;

enum FileKind : uint64_t {
  kBoolean = 1,
  kNumber = 2,
  kBytes = 3,
  kAttributes = 4,
  kMechanisms = 5
};

absl::Status NotRecognized(absl::string_view path, absl::string_view cause) {
  return Failure(CKR_TOKEN_NOT_RECOGNIZED, absl::StrCat(path, ": ", cause));
}

// Reads from the front; nothing when too little is left.
std::optional<uint64_t> TakeNumber(Span& from) {
  if (from.size() < 8) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | from[i];
  from.remove_prefix(8);
  return value;
}

std::optional<Span> TakeBytes(Span& from, uint64_t size) {
  if (size > from.size()) return std::nullopt;
  const Span taken = from.subspan(0, size);
  from.remove_prefix(size);
  return taken;
}

// The value of an attribute as PKCS#11 has it; empty but OK for a kind that
// is passed over.
absl::StatusOr<std::optional<WipedBytes>> TakeValue(Span& from, uint64_t kind) {
  const absl::Status cut =
      Failure(CKR_TOKEN_NOT_RECOGNIZED, "the file ends inside an attribute");
  if (kind == kBoolean) {
    const auto byte = TakeBytes(from, 1);
    if (!byte.has_value()) return cut;
    const unsigned char value = (*byte)[0] != 0 ? CK_TRUE : CK_FALSE;
    return WipedBytes(Span(&value, 1));
  }
  const std::optional<uint64_t> number = TakeNumber(from);
  if (!number.has_value()) return cut;
  if (kind == kNumber) {
    const CK_ULONG value = *number;
    return WipedBytes(
        Span(reinterpret_cast<const unsigned char*>(&value), sizeof value));
  }
  if (kind != kBytes && kind != kAttributes && kind != kMechanisms) {
    return Failure(CKR_TOKEN_NOT_RECOGNIZED, "an unknown kind of attribute");
  }
  if (kind == kMechanisms && *number > from.size() / 8) return cut;
  const auto bytes =
      TakeBytes(from, kind == kMechanisms ? *number * 8 : *number);
  if (!bytes.has_value()) return cut;
  if (kind != kBytes) return std::nullopt;
  return WipedBytes(*bytes);
}

absl::StatusOr<WipedBytes> ReadFile(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen(path.c_str(), "rbe"), std::fclose);
  struct stat info;
  if (file == nullptr || fstat(fileno(file.get()), &info) != 0) {
    return Failure(CKR_TOKEN_NOT_PRESENT,
                   absl::StrCat(path, ": ", std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode) || info.st_size > kMostFile) {
    return NotRecognized(path, "not a file of SoftHSM2");
  }
  const std::vector<unsigned char> room(static_cast<size_t>(info.st_size));
  WipedBytes bytes{Span(room)};
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) {
    return NotRecognized(path, "cannot be read whole");
  }
  return bytes;
}

std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(directory.c_str()),
                                           closedir);
  while (open != nullptr) {
    const dirent* entry = readdir(open.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// --- by the module -----------------------------------------------------------

absl::StatusOr<WipedBytes> Sha256(const Module& module,
                                  CK_SESSION_HANDLE session, Span data) {
  CK_MECHANISM mechanism = {CKM_SHA256, nullptr, 0};
  unsigned char digest[32];
  CK_ULONG size = sizeof digest;
  RETURN_IF_ERROR(module.Check(module.c().C_DigestInit(session, &mechanism)));
  RETURN_IF_ERROR(module.Check(
      module.c().C_Digest(session, const_cast<unsigned char*>(data.data()),
                          data.size(), digest, &size)));
  WipedBytes out{Span(digest)};
  explicit_bzero(digest, sizeof digest);
  return out;
}

// IV and AES-256-CBC with padding. CKR_ENCRYPTED_DATA_INVALID.
absl::StatusOr<WipedBytes> Decrypt(const Module& module,
                                   CK_SESSION_HANDLE session, Span key,
                                   Span sealed) {
  if (sealed.size() < 2 * kBlock || sealed.size() % kBlock != 0) {
    return Failure(CKR_ENCRYPTED_DATA_INVALID, "an encrypted value is cut");
  }
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_KEY_TYPE aes = CKK_AES;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE attributes[] = {
      {CKA_CLASS, &secret, sizeof secret},
      {CKA_KEY_TYPE, &aes, sizeof aes},
      {CKA_TOKEN, &no, sizeof no},
      {CKA_PRIVATE, &yes, sizeof yes},
      {CKA_DECRYPT, &yes, sizeof yes},
      {CKA_VALUE, const_cast<unsigned char*>(key.data()), key.size()}};
  CK_OBJECT_HANDLE handle = 0;
  RETURN_IF_ERROR(module.Check(module.c().C_CreateObject(
      session, attributes, std::size(attributes), &handle)));
  CK_MECHANISM mechanism = {CKM_AES_CBC_PAD,
                            const_cast<unsigned char*>(sealed.data()), kBlock};
  WipedBytes plain(sealed.subspan(kBlock));
  CK_ULONG size = plain.size();
  CK_RV rv = module.c().C_DecryptInit(session, &mechanism, handle);
  if (rv == CKR_OK) {
    rv = module.c().C_Decrypt(
        session, const_cast<unsigned char*>(sealed.data() + kBlock),
        sealed.size() - kBlock, plain.data(), &size);
  }
  const absl::Status status = module.Check(rv);
  module.c().C_DestroyObject(session, handle);
  RETURN_IF_ERROR(status);
  plain.Truncate(size);
  return plain;
}

}  // namespace

absl::StatusOr<SoftHsmObject> ParseSoftHsmFile(Span file) {
  SoftHsmObject object;
  if (!TakeNumber(file).has_value()) {
    return Failure(CKR_TOKEN_NOT_RECOGNIZED, "the file is too short");
  }
  while (!file.empty()) {
    const std::optional<uint64_t> type = TakeNumber(file);
    const std::optional<uint64_t> kind = TakeNumber(file);
    if (!type.has_value() || !kind.has_value()) {
      return Failure(CKR_TOKEN_NOT_RECOGNIZED,
                     "the file ends inside an attribute");
    }
    ASSIGN_OR_RETURN(std::optional<WipedBytes> value, TakeValue(file, *kind));
    if (value.has_value()) object.insert_or_assign(*type, *std::move(value));
  }
  return object;
}

absl::StatusOr<SoftHsmToken> SoftHsmToken::Open(const Module& module,
                                                CK_SESSION_HANDLE session,
                                                const std::string& directory,
                                                const std::string& label,
                                                const SecretText& pin) {
  std::vector<std::string> labels;
  for (const std::string& name : Names(directory)) {
    const std::string home = absl::StrCat(directory, "/", name);
    auto file = ReadFile(home + "/token.object");
    if (!file.ok()) continue;
    auto parsed = ParseSoftHsmFile(file->span());
    if (!parsed.ok()) return NotRecognized(home, parsed.status().message());
    const Span padded = (*parsed)[kTokenLabel].span();
    absl::string_view found(reinterpret_cast<const char*>(padded.data()),
                            padded.size());
    while (!found.empty() && (found.back() == ' ' || found.back() == '\0')) {
      found.remove_suffix(1);
    }
    labels.push_back(CleanText(found));
    if (found != label) continue;
    SoftHsmToken token(module, session);
    RETURN_IF_ERROR(token.Unlock(*parsed, pin));
    for (const std::string& entry : Names(home)) {
      if (absl::EndsWith(entry, ".object") && entry != "token.object") {
        token.files_.push_back(absl::StrCat(home, "/", entry));
      }
    }
    return token;
  }
  std::string there;
  for (const std::string& one : labels)
    absl::StrAppend(&there, " \"", one, "\"");
  return Failure(CKR_TOKEN_NOT_PRESENT,
                 labels.empty()
                     ? absl::StrCat(directory, ": no SoftHSM2 token is here")
                     : absl::StrCat(directory, ": no token \"",
                                    CleanText(label), "\", but", there),
                 "The directory is directories.tokendir of softhsm2.conf.");
}

absl::Status SoftHsmToken::Unlock(const SoftHsmObject& token,
                                  const SecretText& pin) {
  const auto blob = token.find(kUserPin);
  if (blob == token.end() || blob->second.size() < kSaltSize + 2 * kBlock) {
    return Failure(CKR_USER_PIN_NOT_INITIALIZED,
                   "the SoftHSM2 token has no user PIN");
  }
  const Span salt = blob->second.span().subspan(0, kSaltSize);
  std::vector<unsigned char> room(kSaltSize + pin.size());
  WipedBytes salted{Span(room)};
  std::copy(salt.begin(), salt.end(), salted.data());
  if (!pin.empty()) {
    std::memcpy(salted.data() + kSaltSize, pin.RevealBytes(), pin.size());
  }
  ASSIGN_OR_RETURN(WipedBytes kek, Sha256(*module_, session_, salted.span()));
  for (unsigned n = 1500u + salt.back(); n > 1; --n) {
    ASSIGN_OR_RETURN(kek, Sha256(*module_, session_, kek.span()));
  }
  const absl::StatusOr<WipedBytes> plain = Decrypt(
      *module_, session_, kek.span(), blob->second.span().subspan(kSaltSize));
  if (!plain.ok() || plain->size() != sizeof kMagic + kKeySize ||
      std::memcmp(plain->span().data(), kMagic, sizeof kMagic) != 0) {
    return Failure(CKR_PIN_INCORRECT, "not the user PIN of the SoftHSM2 token");
  }
  key_ = WipedBytes(plain->span().subspan(sizeof kMagic));
  return absl::OkStatus();
}

absl::StatusOr<SoftHsmObject> SoftHsmToken::Read(
    const std::string& file) const {
  ASSIGN_OR_RETURN(const WipedBytes bytes, ReadFile(file));
  ASSIGN_OR_RETURN(SoftHsmObject object, ParseSoftHsmFile(bytes.span()));
  const auto is_private = object.find(CKA_PRIVATE);
  if (is_private == object.end() || is_private->second.size() != 1 ||
      is_private->second.span()[0] == CK_FALSE) {
    return object;
  }
  for (auto& [type, value] : object) {
    // Booleans and numbers are not encrypted, and neither is nothing.
    if (value.size() < 2 * kBlock || value.size() % kBlock != 0) continue;
    auto plain = Decrypt(*module_, session_, key_.span(), value.span());
    if (!plain.ok()) {
      return Failure(
          CKR_ENCRYPTED_DATA_INVALID,
          absl::StrCat("attribute 0x", absl::Hex(type), " does not decrypt"));
    }
    value = *std::move(plain);
  }
  return object;
}

}  // namespace shell
