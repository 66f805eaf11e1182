// key export: what may leave, as a file.
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/files.h"
#include "tools/shell/key_file.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/key_wrap.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using OwnedBio = Owned<BIO, BIO_free_all>;

constexpr Option kOptions[] = {
    {"object", "o", Kind::kText, true, "pkcs11: URI, handle or label",
     Names::kObject},
    {"file", "f", Kind::kText, true, "a new file for it"},
    {"format", "fo", Kind::kText, false,
     "pem, der, ssh, jwk or raw: else pem, and raw for secrets and data"},
    {"public", "pu", Kind::kFlag, false, "of a key pair, the public half"},
    {"password", "p", Kind::kSecret, false,
     "encrypts a private key that leaves (PKCS#8, pem or der)"},
    {"wrapwith", "w", Kind::kText, false,
     "an AES key or RSA public key: the key leaves wrapped under it",
     Names::kObject},
};

constexpr Shown kData[] = {
    {"object", "@key-object"},
    {"file", "path"},
    {"format", "\"pem\", \"der\", \"ssh\", \"jwk\", \"raw\", \"wrapped\""},
    {"bytes", "size of the file"},
    {"mechanism", "of -wrapwith; else absent"},
};

absl::Status NoForm(const KeyObject& object, KeyFormat format) {
  return Failure(CKR_ARGUMENTS_BAD,
                 absl::StrCat("the ", object.Kind(), " has no form ",
                              KeyFormatName(format)),
                 "Keys: pem, der, jwk; public keys ssh too; certificates: "
                 "pem, der; secrets: raw, jwk; data: raw.");
}

WipedBytes Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return WipedBytes({reinterpret_cast<const unsigned char*>(data),
                     static_cast<size_t>(std::max(0L, size))});
}

WipedBytes BytesOf(absl::string_view text) {
  return WipedBytes(
      {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

absl::StatusOr<WipedBytes> PublicForm(const KeyObject& object, EVP_PKEY* key,
                                      KeyFormat format) {
  if (format == KeyFormat::kDer) return WipedBytes(PublicKeyInfo(key));
  if (format == KeyFormat::kSsh) {
    ASSIGN_OR_RETURN(const std::string line,
                     SshPublicKeyText(key, object.label()));
    return BytesOf(line);
  }
  if (format == KeyFormat::kJwk) {
    ASSIGN_OR_RETURN(const SecretText text,
                     JwkText(key, false, object.label()));
    return BytesOf(text.RevealText());
  }
  if (format != KeyFormat::kPem) return NoForm(object, format);
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key);
  return Contents(bio.get());
}

absl::Status NotWritten() {
  return Failure(CKR_FUNCTION_FAILED,
                 absl::StrCat("OpenSSL does not write it: ", OpenSslReason()));
}

using OwnedSealed = Owned<X509_SIG, X509_SIG_free>;

// Under AES-256 with a key of the password: PBES2 with PBKDF2 of HMAC-SHA-256,
// which other programs read, and as many rounds as for PINs. OpenSSL's own
// choice is 2048.
absl::StatusOr<OwnedSealed> Encrypted(EVP_PKEY* key,
                                      const SecretText& password) {
  constexpr int kRounds = 600'000;
  if (password.size() == 0) {
    return Failure(CKR_PIN_LEN_RANGE, "the password is empty",
                   "Leave -password out for a file that anybody can read.");
  }
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      EVP_PKEY2PKCS8(key));
  Owned<X509_ALGOR, X509_ALGOR_free> how(PKCS5_pbe2_set_iv(
      EVP_aes_256_cbc(), kRounds, nullptr, 16, nullptr, NID_hmacWithSHA256));
  if (info == nullptr || how == nullptr) return NotWritten();
  OwnedSealed sealed(PKCS8_set0_pbe(password.RevealText().data(),
                                    static_cast<int>(password.size()),
                                    info.get(), how.get()));
  if (sealed == nullptr) return NotWritten();
  how.release();  // the sealed key's now
  return sealed;
}

// `password` may be null.
absl::StatusOr<WipedBytes> PrivateForm(const KeyObject& object, EVP_PKEY* key,
                                       KeyFormat format,
                                       const SecretText* password) {
  if (format == KeyFormat::kJwk && password == nullptr) {
    ASSIGN_OR_RETURN(const SecretText text, JwkText(key, true, object.label()));
    return BytesOf(text.RevealText());
  }
  if (format == KeyFormat::kJwk) {
    return Failure(CKR_ARGUMENTS_BAD, "a JSON Web Key is not encrypted",
                   "Use -format pem, or leave the password out.");
  }
  if (format != KeyFormat::kPem && format != KeyFormat::kDer) {
    return NoForm(object, format);
  }
  const bool pem = format == KeyFormat::kPem;
  const OwnedBio bio(BIO_new(BIO_s_secmem()));
  int done = 0;
  if (password == nullptr) {
    const auto write =
        pem ? PEM_write_bio_PKCS8PrivateKey : i2d_PKCS8PrivateKey_bio;
    done = write(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  } else {
    ASSIGN_OR_RETURN(const OwnedSealed sealed, Encrypted(key, *password));
    done = pem ? PEM_write_bio_PKCS8(bio.get(), sealed.get())
               : i2d_PKCS8_bio(bio.get(), sealed.get());
  }
  if (done == 1) return Contents(bio.get());
  return NotWritten();
}

// Of a certificate or data.
absl::StatusOr<WipedBytes> OpenForm(const KeyObject& object, KeyFormat format) {
  std::optional<WipedBytes> value = object.Bytes(CKA_VALUE);
  if (!value.has_value()) {
    return Failure(CKR_FUNCTION_FAILED, "its value cannot be read");
  }
  const bool data = object.object_class() == CKO_DATA;
  if (format == (data ? KeyFormat::kRaw : KeyFormat::kDer)) {
    return *std::move(value);
  }
  if (data || format != KeyFormat::kPem) return NoForm(object, format);
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), "CERTIFICATE", "", value->data(),
                static_cast<long>(value->size()));
  return Contents(bio.get());
}

// Says why a hidden key stays, and what else there is.
absl::Status Stays(const KeyObject& object) {
  const bool sensitive = object.IsTrue(CKA_SENSITIVE);
  const bool extractable = object.IsTrue(CKA_EXTRACTABLE);
  return Failure(
      extractable ? CKR_ATTRIBUTE_SENSITIVE : CKR_KEY_UNEXTRACTABLE,
      absl::StrCat("the ", object.Kind(), " \"", CleanText(object.label()),
                   "\" does not leave the HSM",
                   extractable ? " in plaintext" : "", ": it is ",
                   sensitive ? "sensitive" : "",
                   sensitive && !extractable ? " and " : "",
                   extractable ? "" : "not extractable"),
      absl::StrCat("partition archive backup copies it to a Backup HSM",
                   extractable
                       ? "; -wrapwith <key> writes it wrapped under another key"
                       : "",
                   object.object_class() == CKO_PRIVATE_KEY
                       ? "; -public exports its public half."
                       : "."));
}

absl::StatusOr<WipedBytes> Form(Shell& shell, const Arguments& arguments,
                                const KeyObject& object, KeyFormat format) {
  const CK_OBJECT_CLASS kind = object.object_class();
  if (kind == CKO_PUBLIC_KEY || arguments.Has("public")) {
    ASSIGN_OR_RETURN(const OwnedKey key, PublicKeyOf(object));
    return PublicForm(object, key.get(), format);
  }
  if (kind == CKO_CERTIFICATE || kind == CKO_DATA) {
    return OpenForm(object, format);
  }
  if (kind != CKO_PRIVATE_KEY && kind != CKO_SECRET_KEY) {
    return NoForm(object, format);
  }
  if (object.IsTrue(CKA_SENSITIVE) || !object.IsTrue(CKA_EXTRACTABLE)) {
    return Stays(object);
  }
  ASSIGN_OR_RETURN(const std::optional<SecretText> password,
                   shell.SecretIfGiven(arguments, "password"));
  if (kind == CKO_PRIVATE_KEY) {
    ASSIGN_OR_RETURN(const OwnedKey key, PrivateKeyOf(object));
    return PrivateForm(object, key.get(), format,
                       password.has_value() ? &*password : nullptr);
  }
  std::optional<WipedBytes> value = object.Bytes(CKA_VALUE);
  if (!value.has_value()) return Stays(object);
  if (password.has_value()) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "only private keys are encrypted with a password",
                   "-wrapwith <key> writes a secret wrapped.");
  }
  if (format == KeyFormat::kRaw) return *std::move(value);
  if (format != KeyFormat::kJwk) return NoForm(object, format);
  return BytesOf(JwkOfSecret(value->span(), object.label()).RevealText());
}

// The object that -object and -public mean: with -public either half.
absl::StatusOr<KeyObject> Wanted(Shell& shell, const Arguments& arguments) {
  const std::string name = *arguments.Text("object");
  if (!arguments.Has("public")) return OneObject(shell, name, {});
  constexpr CK_OBJECT_CLASS kHalves[] = {CKO_PUBLIC_KEY, CKO_PRIVATE_KEY};
  ASSIGN_OR_RETURN(const std::vector<KeyObject> found,
                   ObjectsNamed(shell, name, kHalves));
  const std::optional<WipedBytes> first =
      found.front().Bytes(CKA_PUBLIC_KEY_INFO);
  for (const KeyObject& one : found) {
    const std::optional<WipedBytes> info = one.Bytes(CKA_PUBLIC_KEY_INFO);
    if (info.has_value() && first.has_value() &&
        info->text() == first->text()) {
      continue;
    }
    if (found.size() > 1) return Ambiguous(shell, name, found);
  }
  return found.front();
}

absl::Status Export(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, KeySession(shell));
  ASSIGN_OR_RETURN(const KeyObject object, Wanted(shell, arguments));
  const std::string path = *arguments.Text("file");
  const CK_OBJECT_CLASS kind = object.object_class();
  KeyFormat format = kind == CKO_SECRET_KEY || kind == CKO_DATA
                         ? KeyFormat::kRaw
                         : KeyFormat::kPem;
  if (const auto name = arguments.Text("format")) {
    ASSIGN_OR_RETURN(format, FindKeyFormat(*name));
  }
  std::string written(KeyFormatName(format));
  WipedBytes bytes;
  if (const auto wrapping = arguments.Text("wrapwith")) {
    for (const char* other : {"public", "format", "password", "passwordfile"}) {
      if (!arguments.Has(other)) continue;
      return Failure(CKR_ARGUMENTS_BAD, absl::StrCat("-wrapwith and -", other,
                                                     " exclude each other"));
    }
    constexpr CK_OBJECT_CLASS kWrapping[] = {CKO_SECRET_KEY, CKO_PUBLIC_KEY};
    ASSIGN_OR_RETURN(const KeyObject other,
                     OneObject(shell, *wrapping, kWrapping));
    if (!object.IsTrue(CKA_EXTRACTABLE)) return Stays(object);
    ASSIGN_OR_RETURN(bytes, WrapKey(shell.module(), session, other, object));
    const std::string mechanism = WrapMechanism(other).name();
    shell.Tell({{"mechanism", mechanism}});
    written = "wrapped";
    absl::PrintF("\n        Wrapped with %s.\n", mechanism);
  } else {
    ASSIGN_OR_RETURN(bytes, Form(shell, arguments, object, format));
  }
  RETURN_IF_ERROR(WriteNewFile(path, bytes.text()));
  absl::PrintF("\n        %s: %d bytes, %s.\n", CleanText(path), bytes.size(),
               written);
  shell.Tell({{"object", KeyFacts(shell, object)},
              {"file", CleanText(path)},
              {"format", written},
              {"bytes", bytes.size()}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> KeyExportCommands() {
  return {
      {"key export", "k e", kOptions, Export,
       "writes a public key, a certificate, or a key that may leave", kData},
  };
}

}  // namespace shell
