// key import: keys, certificates and secrets of a file, as token objects. All
// of them or none.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/files.h"
#include "tools/shell/key_file.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/key_wrap.h"
#include "tools/shell/new_key.h"
#include "tools/shell/objects.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Json = nlohmann::ordered_json;
using Span = absl::Span<const unsigned char>;

// Larger files hold no keys.
constexpr off_t kMostFile = 1 << 20;

constexpr Option kOptions[] = {
    {"file", "f", Kind::kText, true,
     "PEM, DER, PKCS#12, OpenSSH, JWK, or the raw bytes of a secret",
     Names::kNone, /*bare=*/true},
    {"label", "l", Kind::kText, false,
     "name; else what the file says, else the file's name"},
    {"id", "i", Kind::kText, false,
     "hexadecimal; else what X.509 names the key by"},
    {"password", "p", Kind::kSecret, false, "of an encrypted file"},
    {"format", "fo", Kind::kText, false,
     "pem, der, pkcs12, ssh, jwk, raw: instead of looking"},
    {"type", "t", Kind::kText, false,
     "of a secret: aes, generic, ...; with -unwrapwith also of a pair",
     Names::kKeyType},
    {"usage", "u", Kind::kText, false, kUsageHelp},
    {"extractable", "e", Kind::kFlag, false, kExtractableHelp},
    {"readable", "r", Kind::kFlag, false, kReadableHelp},
    {"unwrapwith", "un", Kind::kText, false,
     "the key that unwraps what key export -wrapwith wrote, of -type",
     Names::kObject},
    {"dryrun", "dr", Kind::kFlag, false, "only tells what would be made"},
};

constexpr Shown kData[] = {
    {"format",
     "\"pem\", \"der\", \"pkcs12\", \"ssh\", \"jwk\", \"raw\", \"wrapped\""},
    {"dryrun", "true or false"},
    {"objects[].what", "\"RSA private key\""},
    {"objects[].label", "text"},
    {"objects[].id", "hexadecimal"},
    {"objects[].uri", "of the new object; this and handle not with -dryrun"},
    {"objects[].handle", "number"},
};

absl::StatusOr<WipedBytes> ReadWhole(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileFailure(CleanText(path), errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat about;
  if (fstat(fd, &about) != 0) return FileFailure(CleanText(path), errno);
  if (!S_ISREG(about.st_mode)) return BadKeyFile("it is not a regular file");
  if (about.st_size > kMostFile) {
    return BadKeyFile("it is larger than 1 MiB, and no file with keys");
  }
  WipedBytes bytes = WipedBytes::OfSize(static_cast<size_t>(about.st_size));
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t n = read(fd, bytes.data() + size, bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileFailure(CleanText(path), errno);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  bytes.Truncate(size);
  if (bytes.empty()) return BadKeyFile("it is empty");
  return bytes;
}

// One object to be made.
struct Piece {
  Template attributes;
  std::string what;
  std::string label;
  std::string id;
  std::vector<unsigned char> public_key = {};  // of one: what it is
};

std::string NameOfPiece(const Template& attributes) {
  const Span curve = attributes.Value(CKA_EC_PARAMS);
  const Span modulus = attributes.Value(CKA_MODULUS);
  const CK_KEY_TYPE type = attributes.NumberOf(CKA_KEY_TYPE);
  const std::string kind = ClassText(attributes.NumberOf(CKA_CLASS));
  if (!curve.empty()) {
    return absl::StrCat(type == CKK_EC ? "EC " : "", CurveName(curve), " ",
                        kind);
  }
  for (const KeyType& row : KeyTypes()) {
    if (row.set != 0 && row.type == type &&
        row.set == attributes.NumberOf(CKA_PARAMETER_SET)) {
      return absl::StrCat(absl::AsciiStrToUpper(row.name), " ", kind);
    }
  }
  const size_t size =
      modulus.empty() ? attributes.Value(CKA_VALUE).size() : modulus.size();
  return absl::StrCat(KeyTypeText(type), " ", size * 8, " ", kind);
}

class Importer {
 public:
  Importer(Shell& shell, CK_SESSION_HANDLE session, NewKey wanted,
           std::optional<KeyType> secret_type, absl::string_view path)
      : shell_(shell),
        session_(session),
        wanted_(std::move(wanted)),
        secret_type_(secret_type),
        file_name_(path.substr(path.rfind('/') + 1)) {
    file_name_.resize(std::min(file_name_.size(), file_name_.rfind('.')));
  }

  // What the objects of a file become; asks nothing of the HSM but which id
  // the key of a certificate has.
  absl::Status Plan(absl::Span<const FileObject> objects);
  // All pieces, or none.
  absl::Status Make();
  void Tell(KeyFormat format, bool dry) const;
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  absl::Status AddKey(const FileObject& object);
  absl::Status AddCertificate(const FileObject& object);
  absl::Status AddSecret(const FileObject& object);
  absl::Status AddHalf(EVP_PKEY* key, CK_OBJECT_CLASS half,
                       const std::string& label);
  // `named`: -label and -id are meant for it.
  void Add(Template attributes, std::string what, const std::string& label,
           const std::string& id, bool named = true);
  // Of a chain, only the certificate of a key of the file has its names.
  bool IsOfAKey(Span info) const;
  // The id that the slot has for this public key; empty when it has it not.
  std::string IdThere(Span info) const;

  Shell& shell_;
  CK_SESSION_HANDLE session_;
  NewKey wanted_;
  std::optional<KeyType> secret_type_;
  bool only_one_ = false;
  std::string file_name_;  // without what follows its last dot
  std::vector<std::vector<unsigned char>> keys_;  // their public halves
  std::vector<Piece> pieces_;
  std::vector<CK_OBJECT_HANDLE> made_;
};

void Importer::Add(Template attributes, std::string what,
                   const std::string& label, const std::string& id,
                   bool named) {
  NewKey place = wanted_;
  if (!named) {
    place.label.reset();
    place.id.reset();
  }
  if (!place.label.has_value()) {
    place.label = label.empty() ? file_name_ : label;
  }
  if (!place.id.has_value() && !id.empty()) place.id = id;
  SetPlace(place, attributes.NumberOf(CKA_CLASS), attributes);
  pieces_.push_back({std::move(attributes), std::move(what), *place.label,
                     place.id.value_or("")});
}

absl::Status Importer::AddHalf(EVP_PKEY* key, CK_OBJECT_CLASS half,
                               const std::string& label) {
  ASSIGN_OR_RETURN(Template attributes, AttributesOf(key, half));
  const CK_KEY_TYPE type = attributes.NumberOf(CKA_KEY_TYPE);
  // A file may have a public key beside its private one.
  for (const Piece& piece : pieces_) {
    if (half == CKO_PUBLIC_KEY && piece.public_key == PublicKeyInfo(key)) {
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Use> usual,
                   ParseUsage(type == CKK_EC_MONTGOMERY ? "derive"
                              : type == CKK_ML_KEM      ? "encapsulate"
                                                        : "sign"));
  RETURN_IF_ERROR(SetUsage(wanted_.usage.has_value() ? *wanted_.usage : usual,
                           half, attributes));
  std::string what = NameOfPiece(attributes);
  Add(std::move(attributes), std::move(what), label, KeyIdOf(key));
  if (half == CKO_PUBLIC_KEY) pieces_.back().public_key = PublicKeyInfo(key);
  return absl::OkStatus();
}

absl::Status Importer::AddKey(const FileObject& object) {
  if (object.hidden) {
    RETURN_IF_ERROR(AddHalf(object.key.get(), CKO_PRIVATE_KEY, object.label));
  }
  return AddHalf(object.key.get(), CKO_PUBLIC_KEY, object.label);
}

std::string Importer::IdThere(Span info) const {
  for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    Template same;
    same.Number(CKA_CLASS, half);
    same.Bytes(CKA_PUBLIC_KEY_INFO, info);
    const auto found = MatchingObjects(shell_.module(), session_, same.Rows());
    if (!found.ok() || found->empty()) continue;
    return KeyObject(shell_.module(), session_, found->front()).id();
  }
  return "";
}

// Its day, as a CK_DATE.
void SetDate(const ASN1_TIME* time, CK_ATTRIBUTE_TYPE type,
             Template& attributes) {
  struct tm day = {};
  if (ASN1_TIME_to_tm(time, &day) != 1) return;
  attributes.Text(type, absl::StrFormat("%04d%02d%02d", day.tm_year + 1900,
                                        day.tm_mon + 1, day.tm_mday));
}

absl::Status Importer::AddCertificate(const FileObject& object) {
  X509* const certificate = object.certificate.get();
  const auto der = [](const auto* part, auto encode) {
    std::vector<unsigned char> bytes(
        static_cast<size_t>(std::max(0, encode(part, nullptr))));
    unsigned char* at = bytes.data();
    if (!bytes.empty()) encode(part, &at);
    return bytes;
  };
  Template attributes;
  attributes.Number(CKA_CLASS, CKO_CERTIFICATE);
  attributes.Number(CKA_CERTIFICATE_TYPE, CKC_X_509);
  attributes.Bytes(CKA_VALUE, der(certificate, i2d_X509));
  attributes.Bytes(CKA_SUBJECT,
                   der(X509_get_subject_name(certificate), i2d_X509_NAME));
  attributes.Bytes(CKA_ISSUER,
                   der(X509_get_issuer_name(certificate), i2d_X509_NAME));
  attributes.Bytes(CKA_SERIAL_NUMBER,
                   der(X509_get0_serialNumber(certificate), i2d_ASN1_INTEGER));
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                            name, sizeof name);
  const std::vector<unsigned char> info =
      der(X509_get_X509_PUBKEY(certificate), i2d_X509_PUBKEY);
  attributes.Bytes(CKA_PUBLIC_KEY_INFO, info);
  SetDate(X509_get0_notBefore(certificate), CKA_START_DATE, attributes);
  SetDate(X509_get0_notAfter(certificate), CKA_END_DATE, attributes);
  std::string id = IdThere(info);
  if (EVP_PKEY* const key = X509_get0_pubkey(certificate);
      id.empty() && key != nullptr) {
    id = KeyIdOf(key);
  }
  Add(std::move(attributes), absl::StrCat("certificate of ", CleanText(name)),
      object.label.empty() ? name : object.label, id, IsOfAKey(info));
  return absl::OkStatus();
}

bool Importer::IsOfAKey(Span info) const {
  return only_one_ || std::any_of(keys_.begin(), keys_.end(),
                                  [&](const auto& key) { return key == info; });
}

absl::Status Importer::AddSecret(const FileObject& object) {
  if (!secret_type_.has_value()) {
    return Failure(CKR_ARGUMENTS_BAD, "what are the bytes of the secret for?",
                   "-type aes, generic (for HMAC), des3 or chacha20.");
  }
  Template attributes;
  attributes.Number(CKA_CLASS, CKO_SECRET_KEY);
  attributes.Number(CKA_KEY_TYPE, secret_type_->type);
  attributes.Bytes(CKA_VALUE, object.secret.span());
  ASSIGN_OR_RETURN(const std::vector<Use> usual,
                   ParseUsage(secret_type_->usage));
  RETURN_IF_ERROR(SetUsage(wanted_.usage.has_value() ? *wanted_.usage : usual,
                           CKO_SECRET_KEY, attributes));
  std::string what = NameOfPiece(attributes);
  Add(std::move(attributes), std::move(what), object.label, "");
  return absl::OkStatus();
}

absl::Status Importer::Plan(absl::Span<const FileObject> objects) {
  size_t keys = 0;
  only_one_ = objects.size() == 1;
  for (const FileObject& object : objects) {
    if (object.key != nullptr) keys_.push_back(PublicKeyInfo(object.key.get()));
  }
  for (const FileObject& object : objects) {
    if (object.certificate != nullptr) {
      RETURN_IF_ERROR(AddCertificate(object));
      continue;
    }
    ++keys;
    RETURN_IF_ERROR(object.key != nullptr ? AddKey(object) : AddSecret(object));
  }
  if (wanted_.id.has_value() && keys > 1) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "the file has several keys, and -id would give them all "
                   "one id",
                   "Leave -id out.");
  }
  return absl::OkStatus();
}

absl::Status Importer::Make() {
  const Module& module = shell_.module();
  for (Piece& piece : pieces_) {
    std::vector<CK_ATTRIBUTE> rows = piece.attributes.Rows();
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    const absl::Status made = module.Check(
        module.c().C_CreateObject(session_, rows.data(), rows.size(), &handle));
    if (made.ok()) {
      made_.push_back(handle);
      continue;
    }
    for (const CK_OBJECT_HANDLE one : made_) {
      module.c().C_DestroyObject(session_, one);
    }
    made_.clear();
    return Failure(
        RvOf(made),
        absl::StrCat("the ", piece.what,
                     " was refused, so nothing was imported: ", made.message()),
        RemedyOf(made), ReasonOf(made));
  }
  return absl::OkStatus();
}

void Importer::Tell(KeyFormat format, bool dry) const {
  Json objects = Json::array();
  absl::PrintF("\n");
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    Json facts = {
        {"what", piece.what},
        {"label", CleanText(piece.label)},
        {"id", HexText({reinterpret_cast<const unsigned char*>(piece.id.data()),
                        piece.id.size()})}};
    absl::PrintF("        %s \"%s\"", piece.what, CleanText(piece.label));
    if (!dry) {
      const KeyObject object(shell_.module(), session_, made_[i]);
      const std::string uri = UriOf(shell_, object);
      facts["uri"] = uri;
      facts["handle"] = object.handle();
      absl::PrintF(", handle %d\n            %s", object.handle(), uri);
    }
    absl::PrintF("\n");
    objects.push_back(std::move(facts));
  }
  absl::PrintF("\n        %s %s.\n", Count(pieces_.size(), "object"),
               dry ? "would be imported" : "imported");
  shell_.Tell({{"format", std::string(KeyFormatName(format))},
               {"dryrun", dry},
               {"objects", objects}});
}

absl::Status ImportBytes(Shell& shell, const Arguments& arguments,
                         CK_SESSION_HANDLE session, Span bytes) {
  ASSIGN_OR_RETURN(NewKey wanted, NewKeyFrom(arguments));
  std::optional<KeyType> secret_type;
  if (const auto type = arguments.Text("type")) {
    ASSIGN_OR_RETURN(secret_type, FindKeyType(*type));
    if (secret_type->pair) {
      return Failure(CKR_ARGUMENTS_BAD,
                     "-type is for secrets; a key pair's file says what it is",
                     "Leave -type out.");
    }
  }
  std::optional<KeyFormat> format = LookAtKeyFile(bytes);
  // A raw secret may begin like JSON.
  const bool is_jwk =
      format == KeyFormat::kJwk &&
      absl::StrContains(
          absl::string_view(reinterpret_cast<const char*>(bytes.data()),
                            bytes.size()),
          "\"kty\"");
  if (secret_type.has_value() && !is_jwk) format = KeyFormat::kRaw;
  if (const auto name = arguments.Text("format")) {
    ASSIGN_OR_RETURN(format, FindKeyFormat(*name));
  }
  if (!format.has_value()) {
    return BadKeyFile(
        "it looks like none of PEM, DER, PKCS#12, OpenSSH and JWK",
        "Are these the bytes of a secret? -type aes or generic.");
  }
  const auto ask = [&] {
    return shell.Secret(arguments, "password", "password of the file",
                        Shell::Entry::kOnce);
  };
  ASSIGN_OR_RETURN(const std::vector<FileObject> objects,
                   ReadKeyFile(bytes, *format, ask));
  const bool dry = arguments.Has("dryrun");
  Importer importer(shell, session, std::move(wanted), secret_type,
                    *arguments.Text("file"));
  RETURN_IF_ERROR(importer.Plan(objects));
  if (!dry) RETURN_IF_ERROR(importer.Make());
  importer.Tell(*format, dry);
  return absl::OkStatus();
}

absl::Status Import(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   UserSession(shell, "importing keys"));
  const std::string path = *arguments.Text("file");
  absl::StatusOr<WipedBytes> bytes = ReadWhole(path);
  absl::Status status = bytes.status();
  if (status.ok()) {
    status = arguments.Has("unwrapwith")
                 ? ImportWrapped(shell, arguments, session, *bytes)
                 : ImportBytes(shell, arguments, session, bytes->span());
  }
  // Every refusal says of which file.
  if (status.ok() || absl::StrContains(status.message(), path)) return status;
  return Failure(RvOf(status),
                 absl::StrCat(CleanText(path), ": ", status.message()),
                 RemedyOf(status), ReasonOf(status));
}

}  // namespace

std::vector<Command> KeyImportCommands() {
  return {
      {"key import", "k i", kOptions, Import,
       "makes objects of the keys and certificates of a file", kData},
  };
}

}  // namespace shell
