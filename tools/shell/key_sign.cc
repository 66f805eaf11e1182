// key sign, key verify: signatures and MACs of files of any size.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/files.h"
#include "tools/shell/key_types.h"
#include "tools/shell/shell.h"
#include "tools/shell/sign_mechanisms.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr size_t kPart = 64 * 1024;
// Larger files are no signatures.
constexpr size_t kMostSignature = 64 * 1024;

constexpr char kDerHelp[] =
    "ECDSA: as DER, as OpenSSL and X.509 have it, not r and s side by side";

constexpr Option kSignOptions[] = {
    {"object", "o", Kind::kText, true,
     "private or secret key: pkcs11: URI, handle or label", Names::kObject},
    {"file", "f", Kind::kText, true, "what is signed"},
    {"out", "ou", Kind::kText, true, "a new file for the signature"},
    {"mechanism", "m", Kind::kText, false, kMechanismHelp},
    {"der", "d", Kind::kFlag, false, kDerHelp},
};
constexpr Option kVerifyOptions[] = {
    {"object", "o", Kind::kText, true,
     "public or secret key: pkcs11: URI, handle or label", Names::kObject},
    {"file", "f", Kind::kText, true, "what was signed"},
    {"signature", "s", Kind::kText, true, "file with the signature"},
    {"mechanism", "m", Kind::kText, false, kMechanismHelp},
    {"der", "d", Kind::kFlag, false, kDerHelp},
};

constexpr Shown kSignData[] = {
    {"object", "@key-object"},
    {"mechanism", "\"rsa-pkcs1-sha256\""},
    {"out", "path"},
    {"signature", "hexadecimal"},
};
constexpr Shown kVerifyData[] = {
    {"object", "@key-object"},
    {"mechanism", "\"rsa-pkcs1-sha256\""},
    {"valid", "true or false"},
};

// A file in parts. The descriptor is `fd`'s owner's.
NextPart PartsOfFile(int fd, const std::string& path) {
  return [fd, path]() -> absl::StatusOr<std::optional<Bytes>> {
    Bytes part(kPart);
    ssize_t n = 0;
    do {
      n = read(fd, part.data(), part.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) return FileFailure(CleanText(path), errno);
    if (n == 0) return std::optional<Bytes>();
    part.resize(static_cast<size_t>(n));
    return std::optional<Bytes>(std::move(part));
  };
}

absl::StatusOr<int> OpenFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileFailure(CleanText(path), errno);
  return fd;
}

absl::Status CheckDer(const Arguments& arguments, const KeyObject& key) {
  if (!arguments.Has("der") || key.key_type() == CKK_EC) {
    return absl::OkStatus();
  }
  return Failure(CKR_ARGUMENTS_BAD,
                 absl::StrCat("-der is for ECDSA; a signature by the ",
                              key.Kind(), " has one form only"),
                 "Leave -der out.");
}

absl::Status Sign(Shell& shell, const Arguments& arguments) {
  constexpr CK_OBJECT_CLASS kSigning[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   UserSession(shell, "signing"));
  ASSIGN_OR_RETURN(const KeyObject key,
                   OneObject(shell, *arguments.Text("object"), kSigning));
  ASSIGN_OR_RETURN(const SignMechanism how,
                   SignMechanismFor(key, arguments.Text("mechanism")));
  RETURN_IF_ERROR(CheckDer(arguments, key));
  const std::string path = *arguments.Text("file");
  const std::string out = *arguments.Text("out");
  ASSIGN_OR_RETURN(const int fd, OpenFile(path));
  const absl::Cleanup closer = [fd] { close(fd); };
  ASSIGN_OR_RETURN(Bytes signature, SignMessage(shell.module(), session, key,
                                                how, PartsOfFile(fd, path)));
  if (arguments.Has("der")) signature = EcdsaToDer(signature);
  RETURN_IF_ERROR(WriteNewFile(
      out, absl::string_view(reinterpret_cast<const char*>(signature.data()),
                             signature.size())));
  absl::PrintF("\n        %s: %d bytes, %s by the %s \"%s\".\n", CleanText(out),
               signature.size(), how.name, key.Kind(), CleanText(key.label()));
  shell.Tell({{"object", KeyFacts(shell, key)},
              {"mechanism", how.name},
              {"out", CleanText(out)},
              {"signature", HexText(signature)}});
  return absl::OkStatus();
}

absl::StatusOr<Bytes> SignatureFrom(const Arguments& arguments,
                                    const KeyObject& key) {
  const std::string path = *arguments.Text("signature");
  ASSIGN_OR_RETURN(const int fd, OpenFile(path));
  const absl::Cleanup closer = [fd] { close(fd); };
  const NextPart next = PartsOfFile(fd, path);
  Bytes signature;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<Bytes> part, next());
    if (!part.has_value()) break;
    signature.insert(signature.end(), part->begin(), part->end());
    if (signature.size() > kMostSignature) {
      return Failure(
          CKR_SIGNATURE_LEN_RANGE,
          absl::StrCat(CleanText(path), " is too large for a signature"),
          "-file is what was signed, -signature the signature.");
    }
  }
  if (!arguments.Has("der")) return signature;
  const std::optional<WipedBytes> curve = key.Bytes(CKA_EC_PARAMS);
  // The order of all curves here is as long as their field, or one bit less.
  const CK_ULONG bits = curve.has_value() ? CurveBits(curve->span()) : 0;
  Bytes raw = EcdsaFromDer(signature, 2 * ((bits + 7) / 8));
  if (!raw.empty()) return raw;
  return Failure(CKR_SIGNATURE_INVALID,
                 absl::StrCat(CleanText(path), " is no ECDSA signature in DER"),
                 "Without -der it is r and s side by side.");
}

absl::Status Verify(Shell& shell, const Arguments& arguments) {
  constexpr CK_OBJECT_CLASS kVerifying[] = {CKO_PUBLIC_KEY, CKO_SECRET_KEY};
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, KeySession(shell));
  ASSIGN_OR_RETURN(const KeyObject key,
                   OneObject(shell, *arguments.Text("object"), kVerifying));
  ASSIGN_OR_RETURN(const SignMechanism how,
                   SignMechanismFor(key, arguments.Text("mechanism")));
  RETURN_IF_ERROR(CheckDer(arguments, key));
  ASSIGN_OR_RETURN(const Bytes signature, SignatureFrom(arguments, key));
  const std::string path = *arguments.Text("file");
  ASSIGN_OR_RETURN(const int fd, OpenFile(path));
  const absl::Cleanup closer = [fd] { close(fd); };
  const absl::Status status = VerifyMessage(shell.module(), session, key, how,
                                            PartsOfFile(fd, path), signature);
  const CK_RV rv = RvOf(status);
  const bool wrong =
      rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE;
  if (!status.ok() && !wrong) return status;
  shell.Tell({{"object", KeyFacts(shell, key)},
              {"mechanism", how.name},
              {"valid", !wrong}});
  if (wrong) {
    return Failure(
        rv,
        absl::StrCat("it is not the signature of this file by this key (",
                     how.name, ")"),
        key.key_type() == CKK_EC && !arguments.Has("der")
            ? "-mechanism chooses another kind; -der is OpenSSL's form."
            : "-mechanism chooses another kind.");
  }
  absl::PrintF("\n        The signature is right: %s by the %s \"%s\".\n",
               how.name, key.Kind(), CleanText(key.label()));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> KeySignCommands() {
  return {
      {"key sign", "k si", kSignOptions, Sign, "signs a file, or makes its MAC",
       kSignData},
      {"key verify", "k v", kVerifyOptions, Verify,
       "checks the signature or MAC of a file", kVerifyData},
  };
}

}  // namespace shell
