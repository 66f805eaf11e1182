#include "tools/shell/sign_mechanisms.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/objects.h>

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/shell/key_material.h"
#include "tools/shell/key_types.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Span = absl::Span<const unsigned char>;
using Bytes = std::vector<unsigned char>;

// The first row of a key type is the usual one; of EC, the one whose hash is
// as long as the curve.
constexpr SignMechanism kRows[] = {
    {"rsa-pkcs1-sha256", CKM_SHA256_RSA_PKCS, CKK_RSA, 0, 0, 0, "SHA256",
     NID_sha256WithRSAEncryption},
    {"rsa-pkcs1-sha384", CKM_SHA384_RSA_PKCS, CKK_RSA, 0, 0, 0, "SHA384",
     NID_sha384WithRSAEncryption},
    {"rsa-pkcs1-sha512", CKM_SHA512_RSA_PKCS, CKK_RSA, 0, 0, 0, "SHA512",
     NID_sha512WithRSAEncryption},
    {"rsa-pss-sha256", CKM_SHA256_RSA_PKCS_PSS, CKK_RSA, CKM_SHA256,
     CKG_MGF1_SHA256, 32, "SHA256", NID_rsassaPss},
    {"rsa-pss-sha384", CKM_SHA384_RSA_PKCS_PSS, CKK_RSA, CKM_SHA384,
     CKG_MGF1_SHA384, 48, "SHA384", NID_rsassaPss},
    {"rsa-pss-sha512", CKM_SHA512_RSA_PKCS_PSS, CKK_RSA, CKM_SHA512,
     CKG_MGF1_SHA512, 64, "SHA512", NID_rsassaPss},
    {"ecdsa-sha256", CKM_ECDSA_SHA256, CKK_EC, 0, 0, 0, "SHA256",
     NID_ecdsa_with_SHA256},
    {"ecdsa-sha384", CKM_ECDSA_SHA384, CKK_EC, 0, 0, 0, "SHA384",
     NID_ecdsa_with_SHA384},
    {"ecdsa-sha512", CKM_ECDSA_SHA512, CKK_EC, 0, 0, 0, "SHA512",
     NID_ecdsa_with_SHA512},
    {"eddsa", CKM_EDDSA, CKK_EC_EDWARDS},
    {"ml-dsa", CKM_ML_DSA, CKK_ML_DSA},
    {"slh-dsa", CKM_SLH_DSA, CKK_SLH_DSA},
    {"hmac-sha256", CKM_SHA256_HMAC, CKK_GENERIC_SECRET},
    {"hmac-sha384", CKM_SHA384_HMAC, CKK_GENERIC_SECRET},
    {"hmac-sha512", CKM_SHA512_HMAC, CKK_GENERIC_SECRET},
    {"hmac-sha256", CKM_SHA256_HMAC, CKK_SHA256_HMAC},
    {"hmac-sha384", CKM_SHA384_HMAC, CKK_SHA384_HMAC},
    {"hmac-sha512", CKM_SHA512_HMAC, CKK_SHA512_HMAC},
    {"aes-cmac", CKM_AES_CMAC, CKK_AES},
};

// The mechanism with its parameter. Points into itself.
class Mechanism {
 public:
  explicit Mechanism(const SignMechanism& how)
      : pss_{how.pss_hash, how.pss_mask, how.pss_salt},
        mechanism_{how.mechanism, nullptr, 0} {
    if (how.pss_hash != 0) mechanism_ = {how.mechanism, &pss_, sizeof pss_};
  }
  Mechanism(const Mechanism&) = delete;
  Mechanism& operator=(const Mechanism&) = delete;
  CK_MECHANISM* get() { return &mechanism_; }

 private:
  CK_RSA_PKCS_PSS_PARAMS pss_;
  CK_MECHANISM mechanism_;
};

// Feeds a message to C_SignUpdate or C_VerifyUpdate.
template <typename Update>
absl::Status Feed(const Module& module, CK_SESSION_HANDLE session,
                  Update update, const NextPart& next) {
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<Bytes> part, next());
    if (!part.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(module.Check(update(session, part->data(), part->size())));
  }
}

}  // namespace

absl::StatusOr<SignMechanism> SignMechanismFor(
    const KeyObject& key, const std::optional<std::string>& name) {
  std::string fitting;
  const SignMechanism* usual = nullptr;
  for (const SignMechanism& row : kRows) {
    if (row.key != key.key_type()) continue;
    if (name.has_value() && absl::EqualsIgnoreCase(*name, row.name)) return row;
    absl::StrAppend(&fitting, fitting.empty() ? "" : ", ", row.name);
    if (usual == nullptr) usual = &row;
  }
  if (usual == nullptr) {
    return Failure(CKR_KEY_TYPE_INCONSISTENT,
                   absl::StrCat("the ", key.Kind(), " does not sign"));
  }
  if (name.has_value()) {
    return Failure(
        CKR_MECHANISM_INVALID,
        absl::StrCat(CleanText(*name), " is no signature of the ", key.Kind()),
        absl::StrCat("-mechanism is one of ", fitting, "."));
  }
  if (key.key_type() != CKK_EC) return *usual;
  const std::optional<WipedBytes> curve = key.Bytes(CKA_EC_PARAMS);
  const CK_ULONG bits = curve.has_value() ? CurveBits(curve->span()) : 0;
  return usual[bits > 384 ? 2 : bits > 256 ? 1 : 0];
}

NextPart PartsOf(Bytes message) {
  return [message = std::optional<Bytes>(std::move(message))]() mutable {
    return absl::StatusOr<std::optional<Bytes>>(
        std::exchange(message, std::nullopt));
  };
}

absl::StatusOr<Bytes> SignMessage(const Module& module,
                                  CK_SESSION_HANDLE session,
                                  const KeyObject& key,
                                  const SignMechanism& how,
                                  const NextPart& next) {
  const CK_FUNCTION_LIST& c = module.c();
  Mechanism mechanism(how);
  RETURN_IF_ERROR(
      module.Check(c.C_SignInit(session, mechanism.get(), key.handle())));
  const absl::Status fed = Feed(module, session, c.C_SignUpdate, next);
  if (!fed.ok()) {
    c.C_SignInit(session, nullptr, CK_INVALID_HANDLE);  // ends it
    return fed;
  }
  CK_ULONG size = 0;
  RETURN_IF_ERROR(module.Check(c.C_SignFinal(session, nullptr, &size)));
  Bytes signature(size);
  RETURN_IF_ERROR(
      module.Check(c.C_SignFinal(session, signature.data(), &size)));
  signature.resize(size);
  return signature;
}

absl::Status VerifyMessage(const Module& module, CK_SESSION_HANDLE session,
                           const KeyObject& key, const SignMechanism& how,
                           const NextPart& next, Span signature) {
  const CK_FUNCTION_LIST& c = module.c();
  Mechanism mechanism(how);
  RETURN_IF_ERROR(
      module.Check(c.C_VerifyInit(session, mechanism.get(), key.handle())));
  const absl::Status fed = Feed(module, session, c.C_VerifyUpdate, next);
  if (!fed.ok()) {
    c.C_VerifyInit(session, nullptr, CK_INVALID_HANDLE);  // ends it
    return fed;
  }
  Bytes copy(signature.begin(), signature.end());
  return module.Check(c.C_VerifyFinal(session, copy.data(), copy.size()));
}

Bytes EcdsaToDer(Span raw) {
  const Owned<ECDSA_SIG, ECDSA_SIG_free> both(ECDSA_SIG_new());
  const int half = static_cast<int>(raw.size() / 2);
  ECDSA_SIG_set0(both.get(), BN_bin2bn(raw.data(), half, nullptr),
                 BN_bin2bn(raw.data() + half, half, nullptr));
  Bytes der(
      static_cast<size_t>(std::max(0, i2d_ECDSA_SIG(both.get(), nullptr))));
  unsigned char* at = der.data();
  if (!der.empty()) i2d_ECDSA_SIG(both.get(), &at);
  return der;
}

Bytes EcdsaFromDer(Span der, size_t size) {
  const unsigned char* at = der.data();
  const Owned<ECDSA_SIG, ECDSA_SIG_free> both(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (both == nullptr || at != der.data() + der.size()) return {};
  Bytes raw(size);
  const int half = static_cast<int>(size / 2);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(both.get()), raw.data(), half) != half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(both.get()), raw.data() + half, half) !=
          half) {
    return {};
  }
  return raw;
}

}  // namespace shell
