// CA_* functions of scalable key storage: objects out as a blob, back in, and
// signing with the key of one.
#include <utility>

#include "hsm/attribute_rules.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/approved.h"
#include "pkcs11/built_in_objects.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/key_use.h"
#include "pkcs11/object_access.h"

namespace pkcs11::ca {
namespace {

using api::Input;
using api::Need;

absl::StatusOr<hsm::SksAuthorisation> AuthorisationOf(
    CKA_SIM_AUTH_FORM form, CK_ULONG count, const CK_ULONG* sizes,
    CK_BYTE_PTR const* secrets) {
  hsm::SksAuthorisation authorisation;
  authorisation.form = form;
  if (count > hsm::kMostSksPasswords) {
    return base::Error(CKR_ARGUMENTS_BAD, "more than 16 secrets");
  }
  if (count > 0) {
    RETURN_IF_ERROR(Need(sizes, "no sizes of the secrets"));
    RETURN_IF_ERROR(Need(secrets, "no secrets"));
  }
  for (CK_ULONG i = 0; i < count; ++i) {
    if (sizes[i] > hsm::kLongestSksPassword) {
      return base::Error(CKR_ARGUMENTS_BAD, "a secret of more than 255 bytes");
    }
    ASSIGN_OR_RETURN(const ByteSpan secret, Input(secrets[i], sizes[i]));
    authorisation.passwords.push_back(SecretBytes::CopyOf(secret));
  }
  return authorisation;
}

// An object may leave; and go, if it is to be destroyed.
absl::Status MayExtract(const Session& session, const hsm::Object& object,
                        bool destroy) {
  if (IsBuiltIn(object.handle())) {
    return base::Error(CKR_OBJECT_HANDLE_INVALID,
                       "the token's own objects stay");
  }
  if (!destroy) return absl::OkStatus();
  RETURN_IF_ERROR(MayWrite(session, object.attributes()));
  if (object.attributes().Bool(CKA_DESTROYABLE).value_or(true)) {
    return absl::OkStatus();
  }
  return base::Error(CKR_ACTION_PROHIBITED, "CKA_DESTROYABLE is false");
}

absl::StatusOr<std::vector<hsm::ObjectRef>> ObjectsToExtract(
    Session& session, absl::Span<const CK_OBJECT_HANDLE> handles,
    const hsm::SksAuthorisation& authorisation, bool destroy) {
  std::vector<hsm::ObjectRef> objects;
  if (handles.empty()) {
    ASSIGN_OR_RETURN(objects,
                     session.token().AllForSks(session.space(), authorisation));
  }
  for (const CK_OBJECT_HANDLE handle : handles) {
    ASSIGN_OR_RETURN(objects.emplace_back(), session.FindObject(handle));
  }
  for (const hsm::ObjectRef& object : objects) {
    RETURN_IF_ERROR(MayExtract(session, *object, destroy));
  }
  return objects;
}

}  // namespace

// Everything is checked at both calls; a query derives and destroys nothing.
absl::Status CA_SIMExtract(Library& library, CK_SESSION_HANDLE hSession,
                           CK_ULONG ulHandleCount,
                           CK_OBJECT_HANDLE_PTR phObjects,
                           CK_ULONG ulSecretCount, CK_ULONG ulSecretsNeeded,
                           CKA_SIM_AUTH_FORM authForm,
                           CK_ULONG_PTR pulSecretSizes, CK_BYTE_PTR* ppSecrets,
                           CK_BBOOL bDeleteAfterExtract,
                           CK_ULONG_PTR pulBlobSize, CK_BYTE_PTR pBlob) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pBlob, pulBlobSize));
  if (ulHandleCount > 0) RETURN_IF_ERROR(Need(phObjects, "no handles"));
  if (ulHandleCount > hsm::kMostSksObjects) {
    return base::Error(CKR_MAX_OBJECT_COUNT_EXCEEDED, "more than 2048 objects");
  }
  ASSIGN_OR_RETURN(
      hsm::SksAuthorisation authorisation,
      AuthorisationOf(authForm, ulSecretCount, pulSecretSizes, ppSecrets));
  authorisation.needed = ulSecretsNeeded;
  const bool destroy = bDeleteAfterExtract != CK_FALSE;
  ASSIGN_OR_RETURN(
      const std::vector<hsm::ObjectRef> objects,
      ObjectsToExtract(*session, absl::MakeConstSpan(phObjects, ulHandleCount),
                       authorisation, destroy));
  Token& token = session->token();
  ASSIGN_OR_RETURN(const size_t size,
                   token.SizeOfSks(session->space(), objects, authorisation));
  if (!output.Fits(size)) return ToStatus(output.Tell(size));
  ASSIGN_OR_RETURN(const base::Bytes blob,
                   token.ExtractSks(session->space(), objects, authorisation,
                                    destroy, output.room()));
  const Answer answer = output.Give(blob);
  if (destroy) {
    for (const hsm::ObjectRef& object : objects) {
      if (object->is_token()) continue;
      // Perhaps it is gone already.
      DestroyObject(*session, *object).IgnoreError();
    }
  }
  return ToStatus(answer);
}

// Token objects come into being together or not at all; objects of a session
// belong to this one.
absl::Status CA_SIMInsert(Library& library, CK_SESSION_HANDLE hSession,
                          CK_ULONG ulSecretCount, CKA_SIM_AUTH_FORM authForm,
                          CK_ULONG_PTR pulSecretSizes, CK_BYTE_PTR* ppSecrets,
                          CK_ULONG ulBlobSize, CK_BYTE_PTR pBlob,
                          CK_ULONG_PTR pulHandleCount,
                          CK_OBJECT_HANDLE_PTR phObjects) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_OBJECT_HANDLE>::Make(phObjects, pulHandleCount));
  ASSIGN_OR_RETURN(
      const hsm::SksAuthorisation authorisation,
      AuthorisationOf(authForm, ulSecretCount, pulSecretSizes, ppSecrets));
  ASSIGN_OR_RETURN(const ByteSpan blob, Input(pBlob, ulBlobSize));
  ASSIGN_OR_RETURN(
      std::vector<hsm::SksObject> opened,
      session->token().OpenSks(session->space(), blob, authorisation,
                               hsm::Partition::SksUse::kInsert));
  if (!output.Fits(opened.size())) {
    return ToStatus(output.Tell(opened.size()));
  }
  std::vector<hsm::NewObject> objects;
  for (hsm::SksObject& object : opened) {
    objects.push_back({.attributes = std::move(object.attributes),
                       .origin = std::move(object.origin),
                       .making = Making::kInserted});
  }
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> handles,
                   CreateObjects(*session, std::move(objects)));
  return ToStatus(output.Give(handles));
}

namespace {

// The one private or secret key of a blob, as an object that is nowhere else.
absl::StatusOr<hsm::ObjectRef> KeyOf(std::vector<hsm::SksObject> opened) {
  hsm::ObjectRef key;
  for (hsm::SksObject& object : opened) {
    const CK_OBJECT_CLASS kind = object.attributes.object_class();
    if (kind != CKO_PRIVATE_KEY && kind != CKO_SECRET_KEY) continue;
    if (key != nullptr) {
      return base::Error(CKR_KEY_HANDLE_INVALID,
                         "the blob has more keys than one to sign with");
    }
    key = std::make_shared<const hsm::Object>(CK_INVALID_HANDLE, 1,
                                              std::move(object.attributes));
  }
  if (key != nullptr) return key;
  return base::Error(CKR_KEY_HANDLE_INVALID,
                     "the blob has no key to sign with");
}

// As Session::Start checks a key before it signs.
absl::StatusOr<const Mechanism*> MechanismFor(Session& session,
                                              const CK_MECHANISM* mechanism,
                                              const hsm::ObjectRef& key) {
  Token& token = session.token();
  ASSIGN_OR_RETURN(const Mechanism* const row, FindMechanism(token, mechanism));
  if (row->sign == nullptr) return NoSuchUse(*row);
  RETURN_IF_ERROR(CheckKeyUse(*row, key->attributes(), CKA_SIGN, kKeyErrors,
                              token.profile()));
  // A key that is nowhere cannot be authorised, nor count.
  RETURN_IF_ERROR(session.CheckAuthorized(*key));
  if (hsm::CountsUses(key->attributes())) {
    return base::Error(CKR_KEY_NOT_ACTIVE, "the key counts its uses");
  }
  if (AlwaysAuthenticates(key->attributes())) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the key wants its PIN, which this call cannot ask");
  }
  return row;
}

struct Inputs {
  CK_ULONG count;
  const CK_ULONG* sizes;
  CK_BYTE_PTR const* data;
};

absl::StatusOr<std::vector<base::Bytes>> SignEach(const Use& use,
                                                  const Inputs& inputs) {
  std::vector<base::Bytes> signatures;
  for (CK_ULONG i = 0; i < inputs.count; ++i) {
    ASSIGN_OR_RETURN(const ByteSpan data,
                     Input(inputs.data[i], inputs.sizes[i]));
    ASSIGN_OR_RETURN(const auto signer, use.mechanism.sign(use));
    base::Bytes& made = signatures.emplace_back(signer->size());
    ASSIGN_OR_RETURN(const size_t size,
                     signer->Sign(data, absl::MakeSpan(made)));
    made.resize(size);
  }
  return signatures;
}

// Null in the place of a signature: only the sizes are asked for.
absl::StatusOr<std::vector<Output>> Outputs(CK_ULONG count, CK_ULONG* sizes,
                                            CK_BYTE_PTR const* signatures) {
  RETURN_IF_ERROR(Need(sizes, "no place for the lengths"));
  std::vector<Output> outputs;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_BYTE* const place = signatures == nullptr ? nullptr : signatures[i];
    ASSIGN_OR_RETURN(const Output output, Output::Make(place, &sizes[i]));
    outputs.push_back(output);
  }
  return outputs;
}

// Tells all sizes unless every signature, of at most so many bytes, fits.
absl::StatusOr<bool> FitAll(const std::vector<Output>& outputs, size_t size) {
  bool query = false;
  bool fit = true;
  for (const Output& output : outputs) {
    query = query || output.is_query();
    fit = fit && output.Fits(size);
  }
  if (fit) return true;
  for (const Output& output : outputs) output.Tell(size);
  if (query) return false;
  return ToStatus(Answer::kTooSmall);
}

}  // namespace

// All signatures or none.
absl::Status CA_SIMMultiSign(Library& library, CK_SESSION_HANDLE hSession,
                             CK_MECHANISM_PTR pMechanism,
                             CK_ULONG ulSecretCount, CKA_SIM_AUTH_FORM authForm,
                             CK_ULONG_PTR pulSecretSizes,
                             CK_BYTE_PTR* ppSecrets, CK_ULONG ulBlobSize,
                             CK_BYTE_PTR pBlob, CK_ULONG ulInputCount,
                             CK_ULONG_PTR pulInputLens, CK_BYTE_PTR* ppInputs,
                             CK_ULONG_PTR pulSignatureLens,
                             CK_BYTE_PTR* ppSignatures) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (ulInputCount == 0) return base::Error(CKR_ARGUMENTS_BAD, "no inputs");
  RETURN_IF_ERROR(Need(pulInputLens, "no lengths of the inputs"));
  RETURN_IF_ERROR(Need(ppInputs, "no inputs"));
  ASSIGN_OR_RETURN(const std::vector<Output> outputs,
                   Outputs(ulInputCount, pulSignatureLens, ppSignatures));
  ASSIGN_OR_RETURN(
      const hsm::SksAuthorisation authorisation,
      AuthorisationOf(authForm, ulSecretCount, pulSecretSizes, ppSecrets));
  ASSIGN_OR_RETURN(const ByteSpan blob, Input(pBlob, ulBlobSize));
  Token& token = session->token();
  ASSIGN_OR_RETURN(std::vector<hsm::SksObject> opened,
                   token.OpenSks(session->space(), blob, authorisation,
                                 hsm::Partition::SksUse::kSign));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyOf(std::move(opened)));
  ASSIGN_OR_RETURN(const Mechanism* const row,
                   MechanismFor(*session, pMechanism, key));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*row, *pMechanism));
  const Use use{*row, parameters.get(), key, nullptr, token.profile()};
  ASSIGN_OR_RETURN(const auto signer, row->sign(use));
  ASSIGN_OR_RETURN(const bool fit, FitAll(outputs, signer->size()));
  if (!fit) return absl::OkStatus();
  RETURN_IF_ERROR(session->NoteUse(*key, CKA_SIGN, row->type));
  ASSIGN_OR_RETURN(const std::vector<base::Bytes> signatures,
                   SignEach(use, {ulInputCount, pulInputLens, ppInputs}));
  session->NoteService(
      IsApprovedService(*row, Service::kProtect, &key->attributes()));
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i].Give(signatures[i]);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
