// The public keys of BIP 32 as text, in and out. Their derivation is a
// mechanism: pkcs11/mechanisms/bip32.h.
#include "pkcs11/mechanisms/bip32.h"

#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/key_use.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/object_access.h"
#include "pkcs11/output.h"

namespace pkcs11::ca {
namespace {

// What the text says may stand in the template too, but not differently.
absl::StatusOr<hsm::AttributeSet> Together(hsm::AttributeSet input,
                                           const hsm::AttributeSet& said) {
  // Keys of other networks are for those who name the network.
  const base::ByteSpan version = said.Value(CKA_BIP32_VERSION_BYTES);
  if (!input.Has(CKA_BIP32_VERSION_BYTES) && !IsKnownNetwork(version)) {
    return base::Error(CKR_DATA_INVALID,
                       "version bytes of a network that is not known: name "
                       "them in the template");
  }
  for (const auto& entry : said.entries()) {
    if (input.Has(entry.type) &&
        !base::SameBytes(input.Value(entry.type), entry.value)) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         "the text says something else");
    }
    input.Set(entry.type, base::ByteSpan(entry.value));
  }
  return input;
}

}  // namespace

// CKR_DATA_INVALID for text that is no extended public key; one of a network
// that is not known is taken when the template has its CKA_BIP32_VERSION_BYTES.
absl::Status CA_Bip32ImportPublicKey(Library& library,
                                     CK_SESSION_HANDLE hSession,
                                     CK_BYTE_PTR pText, CK_ULONG ulTextLen,
                                     CK_ATTRIBUTE_PTR pTemplate,
                                     CK_ULONG ulAttributeCount,
                                     CK_OBJECT_HANDLE_PTR pulKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(api::Need(pulKey, "no place for the handle"));
  ASSIGN_OR_RETURN(const base::ByteSpan text, api::Input(pText, ulTextLen));
  ASSIGN_OR_RETURN(hsm::AttributeSet input,
                   api::ParseTemplate(pTemplate, ulAttributeCount,
                                      api::TemplateUse::kObject));
  if (!Bip32IsAvailable()) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "this OpenSSL has no RIPEMD-160");
  }
  ASSIGN_OR_RETURN(
      const hsm::AttributeSet said,
      DecodeExtendedKey(
          {reinterpret_cast<const char*>(text.data()), text.size()}));
  ASSIGN_OR_RETURN(input, Together(std::move(input), said));
  RETURN_IF_ERROR(MayWrite(*session, input));
  ASSIGN_OR_RETURN(hsm::AttributeSet key,
                   hsm::Resolve(hsm::How::kCreate, input, ContextOf(*session)));
  ASSIGN_OR_RETURN(const hsm::AttributeSet added, CompleteKeyMaterial(key));
  Merge(added, key);
  ASSIGN_OR_RETURN(*pulKey,
                   CreateObject(*session, Making::kCreated, std::move(key)));
  return absl::OkStatus();
}

// The text has no terminating zero. CKR_KEY_HANDLE_INVALID,
// CKR_KEY_TYPE_INCONSISTENT.
absl::Status CA_Bip32ExportPublicKey(Library& library,
                                     CK_SESSION_HANDLE hSession, CK_ULONG ulKey,
                                     CK_BYTE_PTR pText,
                                     CK_ULONG_PTR pulTextLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pText, pulTextLen));
  const absl::StatusOr<hsm::ObjectRef> key = session->FindObject(ulKey);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  ASSIGN_OR_RETURN(const std::string text,
                   EncodeExtendedKey((*key)->attributes()));
  return ToStatus(output.Give(base::AsBytes(text)));
}

}  // namespace pkcs11::ca
