// key request: a certificate request (PKCS#10) that the HSM signs.
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/shell/files.h"
#include "tools/shell/key_file.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/shell.h"
#include "tools/shell/sign_mechanisms.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using OwnedRequest = Owned<X509_REQ, X509_REQ_free>;

constexpr Option kOptions[] = {
    {"object", "o", Kind::kText, true,
     "private key: pkcs11: URI, handle or label", Names::kObject},
    {"subject", "s", Kind::kText, true,
     "\"CN=www.example.org,O=Example\": in this order; \\, is a comma"},
    {"file", "f", Kind::kText, true, "a new file for the request"},
    {"dns", "d", Kind::kText, false, "host names, with commas between"},
    {"mechanism", "m", Kind::kText, false, kMechanismHelp},
    {"format", "fo", Kind::kText, false, "pem or der; pem when not given"},
};

constexpr Shown kData[] = {
    {"object", "@key-object"},
    {"subject", "as it is in the request"},
    {"mechanism", "\"ecdsa-sha256\""},
    {"file", "path"},
};

absl::Status BadSubject(absl::string_view cause) {
  return Failure(CKR_ARGUMENTS_BAD, absl::StrCat("-subject: ", cause),
                 "-subject \"CN=www.example.org,O=Example,C=DE\".");
}

// At commas that no backslash stands before; the backslashes go.
std::vector<std::string> SplitSubject(absl::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      parts.back() += text[++i];
    } else if (text[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

absl::Status SetSubject(absl::string_view text, X509_NAME* name) {
  for (const std::string& part : SplitSubject(text)) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::string type(absl::StripAsciiWhitespace(pair.first));
    const absl::string_view value = absl::StripAsciiWhitespace(pair.second);
    if (type.empty() || value.empty()) {
      return BadSubject(
          absl::StrCat("\"", CleanText(part), "\" is not NAME=value"));
    }
    if (X509_NAME_add_entry_by_txt(
            name, type.c_str(), MBSTRING_UTF8,
            reinterpret_cast<const unsigned char*>(value.data()),
            static_cast<int>(value.size()), -1, 0) != 1) {
      return BadSubject(absl::StrCat(CleanText(part), ": ", OpenSslReason()));
    }
  }
  return absl::OkStatus();
}

absl::Status SetHostNames(absl::string_view names, X509_REQ* request) {
  std::string value;
  for (const absl::string_view name :
       absl::StrSplit(names, absl::ByAnyChar(", "), absl::SkipEmpty())) {
    const bool plain =
        std::all_of(name.begin(), name.end(), [](unsigned char c) {
          return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '*' ||
                 c == '_';
        });
    if (!plain) {
      return Failure(CKR_ARGUMENTS_BAD,
                     absl::StrCat(CleanText(name), " is no host name"),
                     "Letters, digits, dots and hyphens; other names in their "
                     "xn-- form.");
    }
    absl::StrAppend(&value, value.empty() ? "DNS:" : ",DNS:", name);
  }
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(
      nullptr, nullptr, NID_subject_alt_name, value.c_str());
  const Owned<X509_EXTENSION, X509_EXTENSION_free> owner(extension);
  STACK_OF(X509_EXTENSION)* const all = sk_X509_EXTENSION_new_null();
  const bool set = extension != nullptr &&
                   sk_X509_EXTENSION_push(all, extension) > 0 &&
                   X509_REQ_add_extensions(request, all) == 1;
  sk_X509_EXTENSION_free(all);
  if (set) return absl::OkStatus();
  return Failure(CKR_ARGUMENTS_BAD,
                 absl::StrCat("-dns is not taken: ", OpenSslReason()));
}

// What X.509 says of the signature: the identifier and, for PSS, its numbers.
absl::StatusOr<Owned<X509_ALGOR, X509_ALGOR_free>> AlgorithmOf(
    const SignMechanism& how, EVP_PKEY* key) {
  Owned<X509_ALGOR, X509_ALGOR_free> algorithm(X509_ALGOR_new());
  const auto set = [&](int nid, int kind, void* value) {
    X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(nid), kind, value);
  };
  if (how.identifier == NID_rsassaPss) {
    const EVP_MD* const hash = EVP_get_digestbyname(how.hash);
    RSA_PSS_PARAMS* const pss = RSA_PSS_PARAMS_new();
    const Owned<RSA_PSS_PARAMS, RSA_PSS_PARAMS_free> owner(pss);
    pss->hashAlgorithm = X509_ALGOR_new();
    X509_ALGOR_set_md(pss->hashAlgorithm, hash);
    ASN1_STRING* inner = nullptr;
    ASN1_item_pack(pss->hashAlgorithm, ASN1_ITEM_rptr(X509_ALGOR), &inner);
    pss->maskGenAlgorithm = X509_ALGOR_new();
    X509_ALGOR_set0(pss->maskGenAlgorithm, OBJ_nid2obj(NID_mgf1),
                    V_ASN1_SEQUENCE, inner);
    pss->saltLength = ASN1_INTEGER_new();
    ASN1_INTEGER_set(pss->saltLength, static_cast<long>(how.pss_salt));
    ASN1_STRING* packed = nullptr;
    ASN1_item_pack(pss, ASN1_ITEM_rptr(RSA_PSS_PARAMS), &packed);
    set(NID_rsassaPss, V_ASN1_SEQUENCE, packed);
  } else if (how.key == CKK_RSA) {
    set(how.identifier, V_ASN1_NULL, nullptr);
  } else if (how.identifier != 0) {
    set(how.identifier, V_ASN1_UNDEF, nullptr);
  } else if (how.key == CKK_EC_EDWARDS) {
    set(EVP_PKEY_get_base_id(key), V_ASN1_UNDEF, nullptr);
  } else if (const int nid = OBJ_txt2nid(EVP_PKEY_get0_type_name(key));
             nid != NID_undef) {
    set(nid, V_ASN1_UNDEF, nullptr);  // ML-DSA and SLH-DSA, where known
  } else {
    return Failure(CKR_MECHANISM_INVALID,
                   absl::StrCat("certificate requests signed by ", how.name,
                                " are not made here"));
  }
  return algorithm;
}

absl::Status SignRequest(const Module& module, CK_SESSION_HANDLE session,
                         const KeyObject& key, const SignMechanism& how,
                         X509_REQ* request) {
  unsigned char* tbs = nullptr;
  const int size = i2d_re_X509_REQ_tbs(request, &tbs);
  if (size <= 0) {
    return Failure(CKR_FUNCTION_FAILED,
                   absl::StrCat("the request is not made: ", OpenSslReason()));
  }
  std::vector<unsigned char> message(tbs, tbs + size);
  OPENSSL_free(tbs);
  ASSIGN_OR_RETURN(
      std::vector<unsigned char> signature,
      SignMessage(module, session, key, how, PartsOf(std::move(message))));
  if (how.key == CKK_EC) signature = EcdsaToDer(signature);
  ASN1_BIT_STRING* const bits = ASN1_BIT_STRING_new();
  ASN1_BIT_STRING_set(bits, signature.data(),
                      static_cast<int>(signature.size()));
  bits->flags = (bits->flags & ~0x0fL) | ASN1_STRING_FLAG_BITS_LEFT;
  X509_REQ_set0_signature(request, bits);
  return absl::OkStatus();
}

std::string SubjectText(X509_REQ* request) {
  const unsigned char* der = nullptr;
  size_t size = 0;
  X509_NAME_get0_der(X509_REQ_get_subject_name(request), &der, &size);
  return NameText({der, size});
}

absl::Status Request(Shell& shell, const Arguments& arguments) {
  constexpr CK_OBJECT_CLASS kPrivate[] = {CKO_PRIVATE_KEY};
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   UserSession(shell, "signing a request"));
  ASSIGN_OR_RETURN(const KeyObject key,
                   OneObject(shell, *arguments.Text("object"), kPrivate));
  ASSIGN_OR_RETURN(const SignMechanism how,
                   SignMechanismFor(key, arguments.Text("mechanism")));
  KeyFormat format = KeyFormat::kPem;
  if (const auto name = arguments.Text("format")) {
    ASSIGN_OR_RETURN(format, FindKeyFormat(*name));
    if (format != KeyFormat::kPem && format != KeyFormat::kDer) {
      return Failure(CKR_ARGUMENTS_BAD, "a request has the form pem or der");
    }
  }
  ASSIGN_OR_RETURN(const OwnedKey open, PublicKeyOf(key));
  ASSIGN_OR_RETURN(const auto algorithm, AlgorithmOf(how, open.get()));
  const OwnedRequest request(X509_REQ_new());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  RETURN_IF_ERROR(SetSubject(*arguments.Text("subject"),
                             X509_REQ_get_subject_name(request.get())));
  if (const auto names = arguments.Text("dns")) {
    RETURN_IF_ERROR(SetHostNames(*names, request.get()));
  }
  X509_REQ_set_pubkey(request.get(), open.get());
  X509_REQ_set1_signature_algo(request.get(), algorithm.get());
  RETURN_IF_ERROR(
      SignRequest(shell.module(), session, key, how, request.get()));
  const Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
  const int written = format == KeyFormat::kDer
                          ? i2d_X509_REQ_bio(bio.get(), request.get())
                          : PEM_write_bio_X509_REQ(bio.get(), request.get());
  if (written != 1 || X509_REQ_verify(request.get(), open.get()) != 1) {
    return Failure(
        CKR_FUNCTION_FAILED,
        absl::StrCat("the request does not verify: ", OpenSslReason()));
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  const std::string path = *arguments.Text("file");
  RETURN_IF_ERROR(WriteNewFile(path, {text, static_cast<size_t>(size)}));
  const std::string subject = SubjectText(request.get());
  absl::PrintF("\n        %s: request of %s, %s by the %s.\n", CleanText(path),
               subject, how.name, key.Kind());
  shell.Tell({{"object", KeyFacts(shell, key)},
              {"subject", subject},
              {"mechanism", how.name},
              {"file", CleanText(path)}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> KeyRequestCommands() {
  return {
      {"key request", "k r", kOptions, Request,
       "makes a certificate request (PKCS#10) that the key signs", kData},
  };
}

}  // namespace shell
