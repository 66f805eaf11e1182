// PEM, DER and PKCS#12.
#include "tools/shell/key_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Span = absl::Span<const unsigned char>;
using Objects = std::vector<FileObject>;

struct FormatName {
  const char* name;
  KeyFormat format;
};
constexpr FormatName kFormats[] = {
    {"pem", KeyFormat::kPem},       {"der", KeyFormat::kDer},
    {"pkcs12", KeyFormat::kPkcs12}, {"ssh", KeyFormat::kSsh},
    {"jwk", KeyFormat::kJwk},       {"raw", KeyFormat::kRaw}};

absl::string_view TextOf(Span bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

FileObject OfKey(OwnedKey key, bool hidden) {
  FileObject object;
  object.key = std::move(key);
  object.hidden = hidden;
  return object;
}

FileObject OfCertificate(X509* certificate) {
  FileObject object;
  object.certificate.reset(certificate);
  return object;
}

// --- DER ---------------------------------------------------------------------

// What `read` makes of all of the bytes; null when it does not take them.
template <typename Read>
auto Whole(Read read, Span der) {
  const unsigned char* at = der.data();
  auto* const made = read(nullptr, &at, static_cast<long>(der.size()));
  const bool whole = made != nullptr && at == der.data() + der.size();
  ERR_clear_error();
  return std::make_pair(made, whole);
}

absl::StatusOr<Objects> ReadPkcs12(Span der, AskPassword ask) {
  const auto [file, whole] = Whole(d2i_PKCS12, der);
  const Owned<PKCS12, PKCS12_free> owner(file);
  if (!whole) return BadKeyFile("it is not a whole PKCS#12 file");
  return OpenPkcs12(file, ask);
}

absl::StatusOr<Objects> ReadDer(Span der, AskPassword ask) {
  Objects objects;
  if (const auto [read, whole] = Whole(d2i_X509, der); read != nullptr) {
    FileObject object = OfCertificate(read);
    if (whole) objects.push_back(std::move(object));
  } else if (const auto [file, all] = Whole(d2i_PKCS12, der); file != nullptr) {
    const Owned<PKCS12, PKCS12_free> owner(file);
    if (all) return OpenPkcs12(file, ask);
  } else if (const auto [sig, all] = Whole(d2i_X509_SIG, der); sig != nullptr) {
    const Owned<X509_SIG, X509_SIG_free> owner(sig);
    if (all) {
      ASSIGN_OR_RETURN(OwnedKey key, OpenPkcs8(sig, ask));
      objects.push_back(OfKey(std::move(key), true));
    }
  } else if (const auto [open, all] = Whole(d2i_PUBKEY, der); open != nullptr) {
    OwnedKey key(open);
    if (all) objects.push_back(OfKey(std::move(key), false));
  } else if (const auto [hidden, all] = Whole(d2i_AutoPrivateKey, der);
             hidden != nullptr) {
    OwnedKey key(hidden);
    if (all) objects.push_back(OfKey(std::move(key), true));
  } else {
    return BadKeyFile(
        "it is DER, but no certificate, key or PKCS#12 file that can be read");
  }
  if (!objects.empty()) return objects;
  return BadKeyFile("bytes follow the end of what it holds");
}

// --- PEM ---------------------------------------------------------------------

struct Block {
  std::string name;
  WipedBytes der;
};

struct Asked {
  AskPassword ask;
  absl::Status status;
};

int Password(char* buffer, int room, int, void* asked) {
  Asked& state = *static_cast<Asked*>(asked);
  const absl::StatusOr<SecretText> password = state.ask();
  state.status = password.status();
  if (!password.ok() || static_cast<int>(password->size()) > room) return -1;
  std::memcpy(buffer, password->RevealText().data(), password->size());
  return static_cast<int>(password->size());
}

// The next block, decrypted if the traditional way encrypted it; nothing at
// the end.
absl::StatusOr<std::optional<Block>> NextBlock(BIO* bio, AskPassword ask) {
  char *name = nullptr, *header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio_ex(bio, &name, &header, &data, &size,
                      PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) != 1) {
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == PEM_R_NO_START_LINE) {
      ERR_clear_error();
      return std::optional<Block>();
    }
    return BadKeyFile(
        absl::StrCat("a PEM block is damaged: ", OpenSslReason()));
  }
  const long room = size;
  const absl::Cleanup release = [&] {
    OPENSSL_secure_free(name);
    OPENSSL_secure_free(header);
    OPENSSL_secure_clear_free(data, static_cast<size_t>(room));
  };
  EVP_CIPHER_INFO cipher;
  if (PEM_get_EVP_CIPHER_INFO(header, &cipher) != 1) {
    return BadKeyFile(absl::StrCat("the header of a PEM block is not known: ",
                                   OpenSslReason()));
  }
  Asked asked = {ask, absl::OkStatus()};
  if (PEM_do_header(&cipher, data, &size, Password, &asked) != 1) {
    RETURN_IF_ERROR(asked.status);
    return KeyFileNotDecrypted();
  }
  return std::optional<Block>(
      Block{name, WipedBytes(Span(data, static_cast<size_t>(size)))});
}

absl::StatusOr<Objects> ReadBlock(const Block& block, AskPassword ask) {
  Objects objects;
  if (block.name == "OPENSSH PRIVATE KEY") {
    ASSIGN_OR_RETURN(objects.emplace_back(),
                     ReadSshPrivateKey(block.der.span()));
    return objects;
  }
  // They say what the private key after them says too.
  if (absl::EndsWith(block.name, " PARAMETERS")) return objects;
  if (block.name == "TRUSTED CERTIFICATE") {
    const auto [read, whole] = Whole(d2i_X509_AUX, block.der.span());
    FileObject object = OfCertificate(read);
    if (!whole) return BadKeyFile("its certificate cannot be read");
    objects.push_back(std::move(object));
    return objects;
  }
  if (block.name == "RSA PUBLIC KEY") {
    const unsigned char* at = block.der.span().data();
    OwnedKey key(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at,
                               static_cast<long>(block.der.size())));
    if (key == nullptr) {
      return BadKeyFile(
          absl::StrCat("its RSA PUBLIC KEY cannot be read: ", OpenSslReason()));
    }
    objects.push_back(OfKey(std::move(key), false));
    return objects;
  }
  if (!absl::EndsWith(block.name, "PRIVATE KEY") &&
      !absl::EndsWith(block.name, "PUBLIC KEY") &&
      !absl::EndsWith(block.name, "CERTIFICATE")) {
    return BadKeyFile(absl::StrCat("it has a PEM block \"",
                                   CleanText(block.name),
                                   "\", which is nothing to import"));
  }
  absl::StatusOr<Objects> read = ReadDer(block.der.span(), ask);
  if (read.ok() || RvOf(read.status()) != CKR_DATA_INVALID) return read;
  return BadKeyFile(absl::StrCat("the PEM block \"", CleanText(block.name),
                                 "\": ", read.status().message()),
                    RemedyOf(read.status()));
}

absl::StatusOr<Objects> ReadPem(Span file, AskPassword ask) {
  const Owned<BIO, BIO_free_all> bio(
      BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
  Objects objects;
  size_t blocks = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<Block> block,
                     NextBlock(bio.get(), ask));
    if (!block.has_value()) break;
    if (++blocks > kMostKeyObjects)
      return BadKeyFile("it has too many objects");
    ASSIGN_OR_RETURN(Objects some, ReadBlock(*block, ask));
    std::move(some.begin(), some.end(), std::back_inserter(objects));
  }
  if (blocks == 0) return BadKeyFile("it has no whole PEM block");
  return objects;
}

// Of EC keys a file says both halves. (The HSM checks the others.)
absl::Status CheckHalves(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return absl::OkStatus();
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (context != nullptr && EVP_PKEY_pairwise_check(context.get()) == 1) {
    return absl::OkStatus();
  }
  ERR_clear_error();
  return BadKeyFile("the private and the public half do not belong together");
}

}  // namespace

absl::Status BadKeyFile(absl::string_view cause, absl::string_view remedy) {
  return Failure(CKR_DATA_INVALID, cause, remedy);
}

absl::StatusOr<KeyFormat> FindKeyFormat(absl::string_view name) {
  for (const FormatName& row : kFormats) {
    if (absl::EqualsIgnoreCase(name, row.name)) return row.format;
  }
  if (absl::EqualsIgnoreCase(name, "p12")) return KeyFormat::kPkcs12;
  return Failure(CKR_ARGUMENTS_BAD,
                 absl::StrCat("there is no format ", CleanText(name)),
                 "pem, der, pkcs12, ssh, jwk, raw.");
}

absl::string_view KeyFormatName(KeyFormat format) {
  for (const FormatName& row : kFormats) {
    if (format == row.format) return row.name;
  }
  return "";
}

std::optional<KeyFormat> LookAtKeyFile(Span file) {
  const absl::string_view text =
      absl::StripLeadingAsciiWhitespace(TextOf(file));
  if (absl::StrContains(text, "-----BEGIN ")) return KeyFormat::kPem;
  if (absl::StartsWith(text, "{")) return KeyFormat::kJwk;
  for (const char* start : {"ssh-", "ecdsa-sha2-", "sk-"}) {
    if (absl::StartsWith(text, start)) return KeyFormat::kSsh;
  }
  if (!file.empty() && file[0] == 0x30) return KeyFormat::kDer;
  return std::nullopt;
}

absl::StatusOr<Objects> ReadKeyFile(Span file, KeyFormat format,
                                    AskPassword ask) {
  absl::StatusOr<Objects> objects = Objects();
  switch (format) {
    case KeyFormat::kPem:
      objects = ReadPem(file, ask);
      break;
    case KeyFormat::kDer:
      objects = ReadDer(file, ask);
      break;
    case KeyFormat::kPkcs12:
      objects = ReadPkcs12(file, ask);
      break;
    case KeyFormat::kJwk:
      objects = ReadJwk(TextOf(file));
      break;
    case KeyFormat::kSsh: {
      if (LookAtKeyFile(file) == KeyFormat::kPem) {
        objects = ReadPem(file, ask);
        break;
      }
      ASSIGN_OR_RETURN(objects->emplace_back(), ReadSshPublicKey(TextOf(file)));
      break;
    }
    case KeyFormat::kRaw:
      objects->emplace_back().secret = WipedBytes(file);
      break;
  }
  RETURN_IF_ERROR(objects.status());
  if (objects->empty()) return BadKeyFile("there is nothing to import in it");
  for (const FileObject& object : *objects) {
    if (object.hidden) RETURN_IF_ERROR(CheckHalves(object.key.get()));
  }
  return objects;
}

}  // namespace shell
