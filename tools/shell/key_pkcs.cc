// PKCS#8 and PKCS#12: what a password encrypts.
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "absl/strings/str_cat.h"
#include "tools/shell/key_file.h"
#include "tools/shell/result.h"

namespace shell {
namespace {

using Objects = std::vector<FileObject>;

constexpr int kMostNesting = 4;
// A password is hashed so many times at most: some seconds. A file could ask
// for days.
constexpr long kMostRounds = 5'000'000;
constexpr long kMostLanes = 64;

// `rounds` may be null.
absl::Status CheckRounds(const ASN1_INTEGER* rounds, long most = kMostRounds) {
  // -1: not a number, or none that fits.
  const long count = rounds == nullptr ? 1 : ASN1_INTEGER_get(rounds);
  if (count > 0 && count <= most) return absl::OkStatus();
  return BadKeyFile("it asks for too much work for each password",
                    "Is it whole, and from whom it should be?");
}

template <typename T>
T* Unpacked(const X509_ALGOR* algorithm, const ASN1_ITEM* item) {
  T* const made = algorithm == nullptr || algorithm->parameter == nullptr
                      ? nullptr
                      : static_cast<T*>(ASN1_TYPE_unpack_sequence(
                            item, algorithm->parameter));
  ERR_clear_error();
  return made;
}

// That of PBES2, and of PBMAC1, whose parameters have the same form.
absl::Status CheckSecond(const X509_ALGOR* algorithm) {
  const Owned<PBE2PARAM, PBE2PARAM_free> second(
      Unpacked<PBE2PARAM>(algorithm, ASN1_ITEM_rptr(PBE2PARAM)));
  if (second == nullptr) return absl::OkStatus();
  if (OBJ_obj2nid(second->keyfunc->algorithm) == NID_id_scrypt) {
    const Owned<SCRYPT_PARAMS, SCRYPT_PARAMS_free> scrypt(
        Unpacked<SCRYPT_PARAMS>(second->keyfunc,
                                ASN1_ITEM_rptr(SCRYPT_PARAMS)));
    // OpenSSL bounds the memory.
    return scrypt == nullptr
               ? absl::OkStatus()
               : CheckRounds(scrypt->parallelizationParameter, kMostLanes);
  }
  const Owned<PBKDF2PARAM, PBKDF2PARAM_free> pbkdf2(
      Unpacked<PBKDF2PARAM>(second->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM)));
  return pbkdf2 == nullptr ? absl::OkStatus() : CheckRounds(pbkdf2->iter);
}

// How much work the key of an encrypted part is. What is not known is left to
// OpenSSL to refuse.
absl::Status CheckEffort(const X509_ALGOR* algorithm) {
  if (algorithm == nullptr) return absl::OkStatus();
  if (OBJ_obj2nid(algorithm->algorithm) != NID_pbes2) {
    const Owned<PBEPARAM, PBEPARAM_free> first(
        Unpacked<PBEPARAM>(algorithm, ASN1_ITEM_rptr(PBEPARAM)));
    return first == nullptr ? absl::OkStatus() : CheckRounds(first->iter);
  }
  return CheckSecond(algorithm);
}

absl::Status WrongPassword() {
  return Failure(CKR_PIN_INCORRECT, "the password is wrong",
                 "-password, -passwordfile, or wait to be asked.");
}

absl::StatusOr<OwnedKey> KeyOfInfo(const PKCS8_PRIV_KEY_INFO* info) {
  OwnedKey key(EVP_PKCS82PKEY(info));
  if (key != nullptr) return key;
  return BadKeyFile(absl::StrCat("its private key is not one that is known: ",
                                 OpenSslReason()));
}

absl::Status AddBags(const STACK_OF(PKCS12_SAFEBAG) * bags,
                     const SecretText& password, int depth, Objects& objects);

absl::Status AddBag(const PKCS12_SAFEBAG* bag, const SecretText& password,
                    int depth, Objects& objects) {
  const int kind = PKCS12_SAFEBAG_get_nid(bag);
  const char* const pass = password.RevealText().data();
  const int size = static_cast<int>(password.size());
  FileObject object;
  if (kind == NID_safeContentsBag) {
    return AddBags(PKCS12_SAFEBAG_get0_safes(bag), password, depth + 1,
                   objects);
  }
  if (kind == NID_keyBag) {
    ASSIGN_OR_RETURN(object.key, KeyOfInfo(PKCS12_SAFEBAG_get0_p8inf(bag)));
    object.hidden = true;
  } else if (kind == NID_pkcs8ShroudedKeyBag) {
    const X509_ALGOR* algorithm = nullptr;
    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, nullptr);
    RETURN_IF_ERROR(CheckEffort(algorithm));
    const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
        PKCS12_decrypt_skey(bag, pass, size));
    if (info == nullptr) return KeyFileNotDecrypted();
    ASSIGN_OR_RETURN(object.key, KeyOfInfo(info.get()));
    object.hidden = true;
  } else if (kind == NID_certBag) {
    object.certificate.reset(PKCS12_SAFEBAG_get1_cert(bag));
    if (object.certificate == nullptr) {
      return BadKeyFile(absl::StrCat("one of its certificates cannot be read: ",
                                     OpenSslReason()));
    }
  } else {
    return BadKeyFile(
        absl::StrCat("it has an entry that is neither a key nor a "
                     "certificate (",
                     OBJ_nid2sn(kind), ")"));
  }
  if (char* name = PKCS12_get_friendlyname(const_cast<PKCS12_SAFEBAG*>(bag))) {
    object.label = name;
    OPENSSL_free(name);
  }
  objects.push_back(std::move(object));
  return absl::OkStatus();
}

absl::Status AddBags(const STACK_OF(PKCS12_SAFEBAG) * bags,
                     const SecretText& password, int depth, Objects& objects) {
  if (depth > kMostNesting) return BadKeyFile("it is nested too deeply");
  for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
    if (objects.size() == kMostKeyObjects) {
      return BadKeyFile("it has too many objects");
    }
    RETURN_IF_ERROR(
        AddBag(sk_PKCS12_SAFEBAG_value(bags, i), password, depth, objects));
  }
  return absl::OkStatus();
}

void FreeBags(STACK_OF(PKCS12_SAFEBAG) * bags) {
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
void FreeSafes(STACK_OF(PKCS7) * safes) {
  sk_PKCS7_pop_free(safes, PKCS7_free);
}

}  // namespace

absl::Status KeyFileNotDecrypted() {
  const unsigned long code = ERR_peek_last_error();
  const bool unknown = ERR_GET_REASON(code) == ERR_R_UNSUPPORTED ||
                       ERR_GET_REASON(ERR_peek_error()) == ERR_R_UNSUPPORTED;
  ERR_clear_error();
  if (!unknown) return WrongPassword();
  return BadKeyFile(
      "it is encrypted with an old algorithm that this OpenSSL does not have",
      "Encrypt it anew: openssl pkcs12 -legacy -in OLD -out NEW.pem (of "
      "PKCS#12) or openssl pkcs8 -topk8 -in OLD -out NEW.pem, then import "
      "that.");
}

absl::StatusOr<OwnedKey> OpenPkcs8(const X509_SIG* sealed, AskPassword ask) {
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(sealed, &algorithm, nullptr);
  RETURN_IF_ERROR(CheckEffort(algorithm));
  ASSIGN_OR_RETURN(const SecretText password, ask());
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(PKCS8_decrypt(
      sealed, password.RevealText().data(), static_cast<int>(password.size())));
  if (info == nullptr) return KeyFileNotDecrypted();
  return KeyOfInfo(info.get());
}

absl::StatusOr<Objects> OpenPkcs12(PKCS12* file, AskPassword ask) {
  SecretText password("");
  const ASN1_INTEGER* rounds = nullptr;
  const X509_ALGOR* mac = nullptr;
  PKCS12_get0_mac(nullptr, &mac, nullptr, &rounds, file);
  RETURN_IF_ERROR(CheckRounds(rounds));
  RETURN_IF_ERROR(CheckSecond(mac));
  const bool sealed = PKCS12_mac_present(file) == 1;
  if (!sealed || PKCS12_verify_mac(file, "", 0) != 1) {
    ERR_clear_error();
    ASSIGN_OR_RETURN(password, ask());
    if (sealed && PKCS12_verify_mac(file, password.RevealText().data(),
                                    static_cast<int>(password.size())) != 1) {
      return KeyFileNotDecrypted();
    }
  }
  const Owned<STACK_OF(PKCS7), FreeSafes> safes(PKCS12_unpack_authsafes(file));
  if (safes == nullptr) {
    return BadKeyFile(
        absl::StrCat("its contents cannot be read: ", OpenSslReason()));
  }
  Objects objects;
  for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
    PKCS7* const safe = sk_PKCS7_value(safes.get(), i);
    if (PKCS7_type_is_encrypted(safe)) {
      RETURN_IF_ERROR(CheckEffort(safe->d.encrypted->enc_data->algorithm));
    }
    const Owned<STACK_OF(PKCS12_SAFEBAG), FreeBags> bags(
        PKCS7_type_is_data(safe)
            ? PKCS12_unpack_p7data(safe)
            : PKCS12_unpack_p7encdata(safe, password.RevealText().data(),
                                      static_cast<int>(password.size())));
    if (bags == nullptr) return KeyFileNotDecrypted();
    RETURN_IF_ERROR(AddBags(bags.get(), password, 0, objects));
  }
  return objects;
}

}  // namespace shell
