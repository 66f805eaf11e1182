#include "pkcs11/key_use.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "pkcs11/mechanisms/self_check.h"
#include "pkcs11/trace.h"

namespace pkcs11 {
namespace {

bool IsKey(const AttributeSet& object) {
  switch (object.object_class()) {
    case CKO_PUBLIC_KEY:
    case CKO_PRIVATE_KEY:
    case CKO_SECRET_KEY:
      return true;
    default:
      return false;
  }
}

bool TypeFits(const Mechanism& mechanism, const AttributeSet& key) {
  if (mechanism.key_type == CK_UNAVAILABLE_INFORMATION) return true;
  const CK_KEY_TYPE type = key.key_type();
  return type == mechanism.key_type ||
         (mechanism.also_key_type != CK_UNAVAILABLE_INFORMATION &&
          type == mechanism.also_key_type);
}

// Secrets, nonces and IVs are drawn by us; the numbers of asymmetric keys and
// signatures, and what blinds them, by OpenSSL.
bool DrawsInOpenSsl(const Mechanism& row) {
  switch (row.key_type) {
    case CKK_RSA:
    case CKK_EC:
    case CKK_BIP32:
    case CKK_EC_EDWARDS:
    case CKK_EC_MONTGOMERY:
    case CKK_DSA:
    case CKK_DH:
    case CKK_X9_42_DH:
    case CKK_ML_KEM:
    case CKK_ML_DSA:
    case CKK_SLH_DSA:
      return true;
    default:
      return false;
  }
}

// An absent or empty list allows everything.
bool Allows(const AttributeSet& key, CK_MECHANISM_TYPE mechanism) {
  const ByteSpan list = key.Value(CKA_ALLOWED_MECHANISMS);
  if (list.size() < sizeof(CK_MECHANISM_TYPE)) return true;
  for (size_t at = 0; at + sizeof(CK_MECHANISM_TYPE) <= list.size();
       at += sizeof(CK_MECHANISM_TYPE)) {
    CK_MECHANISM_TYPE allowed;
    std::memcpy(&allowed, list.data() + at, sizeof(allowed));
    if (allowed == mechanism) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<const Mechanism*> FindMechanism(const Token& token,
                                               const CK_MECHANISM* mechanism) {
  if (!token.has_crypto()) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "a Backup HSM offers no cryptography");
  }
  if (mechanism == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no mechanism");
  }
  trace::NoteRead(mechanism);
  const Mechanism* row =
      Registry::Get().Find(mechanism->mechanism, token.profile());
  if (row == nullptr) {
    return base::Error(
        CKR_MECHANISM_INVALID,
        absl::StrCat("unknown mechanism 0x", absl::Hex(mechanism->mechanism)));
  }
  RETURN_IF_ERROR(TestBeforeUse(*row));
  if (DrawsInOpenSsl(*row)) RETURN_IF_ERROR(base::CheckHostsRandom());
  return row;
}

absl::Status CheckStillUsable(const Mechanism& mechanism) {
  RETURN_IF_ERROR(CheckNoErrorState());
  return DrawsInOpenSsl(mechanism) ? base::CheckHostsRandom()
                                   : absl::OkStatus();
}

absl::Status NoSuchUse(const Mechanism& mechanism) {
  return base::Error(CKR_MECHANISM_INVALID,
                     absl::StrCat(mechanism.name, " does not do this"));
}

absl::Status CheckKeyUse(const Mechanism& mechanism, const AttributeSet& key,
                         CK_ATTRIBUTE_TYPE usage, const KeyErrors& errors,
                         Profile profile) {
  if (!IsKey(key)) return base::Error(errors.handle, "the object is no key");
  if (!TypeFits(mechanism, key)) {
    return base::Error(errors.type, absl::StrCat("the key's type is not for ",
                                                 mechanism.name));
  }
  if (!Allows(key, mechanism.type)) {
    return base::Error(
        CKR_MECHANISM_INVALID,
        absl::StrCat("CKA_ALLOWED_MECHANISMS lacks ", mechanism.name));
  }
  if (!key.IsTrue(usage)) {
    return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                       "the key's usage flag is not set");
  }
  const CK_ULONG size = KeySizeOf(key);
  const CK_ULONG counted = mechanism.in_bits ? 8 * size : size;
  if (mechanism.max_key != 0 && size != 0 &&
      (counted < mechanism.min_key || counted > mechanism.max_key)) {
    return base::Error(errors.size, absl::StrCat("a key of size ", size,
                                                 " for ", mechanism.name));
  }
  const bool verifies = usage == CKA_VERIFY || usage == CKA_VERIFY_RECOVER;
  if (!verifies && !CheckStrength(key, profile).ok()) {
    return base::Error(errors.size, "a key of this size may only verify");
  }
  return absl::OkStatus();
}

absl::Status AsKeyError(const absl::Status& status, CK_RV handle_invalid) {
  if (base::CkRv(status) != CKR_OBJECT_HANDLE_INVALID) return status;
  return base::Error(handle_invalid, status.message());
}

}  // namespace pkcs11
