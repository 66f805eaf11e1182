// Message by message (PKCS#11 3.2 sections 5.9, 5.11, 5.14, 5.16): one Init for
// any number of messages, each with its own parameter. What goes wrong with one
// message ends neither the operation nor, for want of room, the message.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {
namespace {

// --- ciphers -----------------------------------------------------------------

absl::Status CheckParameter(const void* parameter, CK_ULONG size) {
  if (parameter != nullptr || size == 0) return absl::OkStatus();
  return base::Error(CKR_ARGUMENTS_BAD, "a length without a parameter");
}

struct Text {
  const CK_BYTE* data;
  CK_ULONG size;
};

// C_EncryptMessage and C_DecryptMessage.
template <typename Kind>
absl::Status WholeMessage(Library& library, CK_SESSION_HANDLE handle,
                          const MessageParameter& parameter, const Text& aad,
                          const Text& in, CK_BYTE* out, CK_ULONG* out_size) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  RETURN_IF_ERROR(CheckParameter(parameter.data, parameter.size));
  return session->MessageFlow<Kind>(
      Output::Make(out, out_size),
      // The tag has a place of its own.
      [&](const MessageCipher&) { return in.size; },
      [&](MessageCipher& cipher,
          MutableByteSpan room) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan associated, Input(aad.data, aad.size));
        ASSIGN_OR_RETURN(const ByteSpan input, Input(in.data, in.size));
        RETURN_IF_ERROR(cipher.Begin(parameter, associated));
        return cipher.Final(input, room, parameter);
      });
}

template <typename Kind>
absl::Status MessageBegin(Library& library, CK_SESSION_HANDLE handle,
                          const MessageParameter& parameter, const Text& aad) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  RETURN_IF_ERROR(CheckParameter(parameter.data, parameter.size));
  return session->During<Kind>([&](MessageCipher& cipher) -> absl::Status {
    ASSIGN_OR_RETURN(const ByteSpan associated, Input(aad.data, aad.size));
    return cipher.Begin(parameter, associated);
  });
}

template <typename Kind>
absl::Status MessageNext(Library& library, CK_SESSION_HANDLE handle,
                         const MessageParameter& parameter, const Text& in,
                         CK_BYTE* out, CK_ULONG* out_size, CK_FLAGS flags) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  RETURN_IF_ERROR(CheckParameter(parameter.data, parameter.size));
  return session->MessageFlow<Kind>(
      Output::Make(out, out_size),
      [&](const MessageCipher& cipher) {
        return (flags & CKF_END_OF_MESSAGE) != 0 ? cipher.FinalSize(in.size)
                                                 : cipher.UpdateSize(in.size);
      },
      [&](MessageCipher& cipher,
          MutableByteSpan room) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan input, Input(in.data, in.size));
        return (flags & CKF_END_OF_MESSAGE) != 0
                   ? cipher.Final(input, room, parameter)
                   : cipher.Update(input, room);
      });
}

template <typename Kind>
absl::Status MessageInit(Library& library, CK_SESSION_HANDLE handle,
                         const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return session->Begin<Kind>(mechanism, key);
}

template <typename Kind>
absl::Status MessageFinal(Library& library, CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return session->End<Kind>();
}

// --- signatures --------------------------------------------------------------

// No mechanism of ours has a parameter for each message signed.
absl::Status NoParameter(const void* parameter, CK_ULONG size) {
  RETURN_IF_ERROR(CheckParameter(parameter, size));
  if (parameter == nullptr && size == 0) return absl::OkStatus();
  return base::Error(CKR_MECHANISM_PARAM_INVALID,
                     "the mechanism has no parameter for each message");
}

absl::Status NotBegun() {
  return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no message was begun");
}

// The signature of what was fed, or of the whole message.
absl::Status GiveSignature(Session& session, CK_BYTE* out, CK_ULONG* out_size,
                           bool whole, const Text& in) {
  return session.MessageFlow<MessageSignKind>(
      Output::Make(out, out_size),
      [](const MessageSigner& each) {
        return each.current() == nullptr ? 0 : each.current()->size();
      },
      [&](MessageSigner& each, MutableByteSpan room) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan input, Input(in.data, in.size));
        // Another thread may have ended the message meanwhile.
        if (each.current() == nullptr) return NotBegun();
        Signer& signer = *each.current();
        absl::StatusOr<size_t> made = base::Error(CKR_GENERAL_ERROR, "");
        if (whole) {
          made = signer.Sign(input, room);
        } else {
          absl::Status fed = signer.Update(input);
          made = fed.ok() ? signer.Final(room) : fed;
        }
        each.End();
        return made;
      });
}

}  // namespace

absl::Status C_MessageEncryptInit(Library& library, CK_SESSION_HANDLE hSession,
                                  CK_MECHANISM_PTR pMechanism,
                                  CK_OBJECT_HANDLE hKey) {
  return MessageInit<MessageEncryptKind>(library, hSession, pMechanism, hKey);
}

absl::Status C_EncryptMessage(Library& library, CK_SESSION_HANDLE hSession,
                              CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                              CK_BYTE_PTR pAssociatedData,
                              CK_ULONG ulAssociatedDataLen,
                              CK_BYTE_PTR pPlaintext, CK_ULONG ulPlaintextLen,
                              CK_BYTE_PTR pCiphertext,
                              CK_ULONG_PTR pulCiphertextLen) {
  return WholeMessage<MessageEncryptKind>(
      library, hSession, {pParameter, ulParameterLen},
      {pAssociatedData, ulAssociatedDataLen}, {pPlaintext, ulPlaintextLen},
      pCiphertext, pulCiphertextLen);
}

absl::Status C_EncryptMessageBegin(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_VOID_PTR pParameter,
                                   CK_ULONG ulParameterLen,
                                   CK_BYTE_PTR pAssociatedData,
                                   CK_ULONG ulAssociatedDataLen) {
  return MessageBegin<MessageEncryptKind>(
      library, hSession, {pParameter, ulParameterLen},
      {pAssociatedData, ulAssociatedDataLen});
}

absl::Status C_EncryptMessageNext(
    Library& library, CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
    CK_ULONG ulParameterLen, CK_BYTE_PTR pPlaintextPart,
    CK_ULONG ulPlaintextPartLen, CK_BYTE_PTR pCiphertextPart,
    CK_ULONG_PTR pulCiphertextPartLen, CK_FLAGS flags) {
  return MessageNext<MessageEncryptKind>(
      library, hSession, {pParameter, ulParameterLen},
      {pPlaintextPart, ulPlaintextPartLen}, pCiphertextPart,
      pulCiphertextPartLen, flags);
}

absl::Status C_MessageEncryptFinal(Library& library,
                                   CK_SESSION_HANDLE hSession) {
  return MessageFinal<MessageEncryptKind>(library, hSession);
}

absl::Status C_MessageDecryptInit(Library& library, CK_SESSION_HANDLE hSession,
                                  CK_MECHANISM_PTR pMechanism,
                                  CK_OBJECT_HANDLE hKey) {
  return MessageInit<MessageDecryptKind>(library, hSession, pMechanism, hKey);
}

absl::Status C_DecryptMessage(Library& library, CK_SESSION_HANDLE hSession,
                              CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                              CK_BYTE_PTR pAssociatedData,
                              CK_ULONG ulAssociatedDataLen,
                              CK_BYTE_PTR pCiphertext, CK_ULONG ulCiphertextLen,
                              CK_BYTE_PTR pPlaintext,
                              CK_ULONG_PTR pulPlaintextLen) {
  return WholeMessage<MessageDecryptKind>(
      library, hSession, {pParameter, ulParameterLen},
      {pAssociatedData, ulAssociatedDataLen}, {pCiphertext, ulCiphertextLen},
      pPlaintext, pulPlaintextLen);
}

absl::Status C_DecryptMessageBegin(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_VOID_PTR pParameter,
                                   CK_ULONG ulParameterLen,
                                   CK_BYTE_PTR pAssociatedData,
                                   CK_ULONG ulAssociatedDataLen) {
  return MessageBegin<MessageDecryptKind>(
      library, hSession, {pParameter, ulParameterLen},
      {pAssociatedData, ulAssociatedDataLen});
}

absl::Status C_DecryptMessageNext(
    Library& library, CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
    CK_ULONG ulParameterLen, CK_BYTE_PTR pCiphertextPart,
    CK_ULONG ulCiphertextPartLen, CK_BYTE_PTR pPlaintextPart,
    CK_ULONG_PTR pulPlaintextPartLen, CK_FLAGS flags) {
  return MessageNext<MessageDecryptKind>(
      library, hSession, {pParameter, ulParameterLen},
      {pCiphertextPart, ulCiphertextPartLen}, pPlaintextPart,
      pulPlaintextPartLen, flags);
}

absl::Status C_MessageDecryptFinal(Library& library,
                                   CK_SESSION_HANDLE hSession) {
  return MessageFinal<MessageDecryptKind>(library, hSession);
}

absl::Status C_MessageSignInit(Library& library, CK_SESSION_HANDLE hSession,
                               CK_MECHANISM_PTR pMechanism,
                               CK_OBJECT_HANDLE hKey) {
  return MessageInit<MessageSignKind>(library, hSession, pMechanism, hKey);
}

absl::Status C_SignMessage(Library& library, CK_SESSION_HANDLE hSession,
                           CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                           CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                           CK_BYTE_PTR pSignature,
                           CK_ULONG_PTR pulSignatureLen) {
  RETURN_IF_ERROR(
      C_SignMessageBegin(library, hSession, pParameter, ulParameterLen));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return GiveSignature(*session, pSignature, pulSignatureLen, /*whole=*/true,
                       {pData, ulDataLen});
}

absl::Status C_SignMessageBegin(Library& library, CK_SESSION_HANDLE hSession,
                                CK_VOID_PTR pParameter,
                                CK_ULONG ulParameterLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(NoParameter(pParameter, ulParameterLen));
  return session->During<MessageSignKind>(
      [](MessageSigner& each) { return each.Begin(); });
}

absl::Status C_SignMessageNext(Library& library, CK_SESSION_HANDLE hSession,
                               CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                               CK_BYTE_PTR pDataPart, CK_ULONG ulDataPartLen,
                               CK_BYTE_PTR pSignature,
                               CK_ULONG_PTR pulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(NoParameter(pParameter, ulParameterLen));
  RETURN_IF_ERROR(
      session->During<MessageSignKind>([](MessageSigner& each) -> absl::Status {
        return each.current() == nullptr ? NotBegun() : absl::OkStatus();
      }));
  // A place for the length says that this part is the last.
  if (pulSignatureLen != nullptr) {
    return GiveSignature(*session, pSignature, pulSignatureLen,
                         /*whole=*/false, {pDataPart, ulDataPartLen});
  }
  return session->During<MessageSignKind>(
      [&](MessageSigner& each) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan part, Input(pDataPart, ulDataPartLen));
        if (each.current() == nullptr) return NotBegun();
        return each.current()->Update(part);
      });
}

absl::Status C_MessageSignFinal(Library& library, CK_SESSION_HANDLE hSession) {
  return MessageFinal<MessageSignKind>(library, hSession);
}

absl::Status C_MessageVerifyInit(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_MECHANISM_PTR pMechanism,
                                 CK_OBJECT_HANDLE hKey) {
  return MessageInit<MessageVerifyKind>(library, hSession, pMechanism, hKey);
}

absl::Status C_VerifyMessage(Library& library, CK_SESSION_HANDLE hSession,
                             CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                             CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                             CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(NoParameter(pParameter, ulParameterLen));
  return session->During<MessageVerifyKind>(
      [&](MessageVerifier& each) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan data, Input(pData, ulDataLen));
        ASSIGN_OR_RETURN(const ByteSpan signature,
                         Input(pSignature, ulSignatureLen));
        RETURN_IF_ERROR(each.Begin());
        const absl::Status status = each.current()->Verify(data, signature);
        each.End();
        return status;
      });
}

absl::Status C_VerifyMessageBegin(Library& library, CK_SESSION_HANDLE hSession,
                                  CK_VOID_PTR pParameter,
                                  CK_ULONG ulParameterLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(NoParameter(pParameter, ulParameterLen));
  return session->During<MessageVerifyKind>(
      [](MessageVerifier& each) { return each.Begin(); });
}

absl::Status C_VerifyMessageNext(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_VOID_PTR pParameter,
                                 CK_ULONG ulParameterLen, CK_BYTE_PTR pDataPart,
                                 CK_ULONG ulDataPartLen, CK_BYTE_PTR pSignature,
                                 CK_ULONG ulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(NoParameter(pParameter, ulParameterLen));
  return session->During<MessageVerifyKind>(
      [&](MessageVerifier& each) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan part, Input(pDataPart, ulDataPartLen));
        if (each.current() == nullptr) return NotBegun();
        RETURN_IF_ERROR(each.current()->Update(part));
        // A signature says that this part is the last.
        if (pSignature == nullptr) return absl::OkStatus();
        const absl::Status status =
            each.current()->Final(ByteSpan(pSignature, ulSignatureLen));
        each.End();
        return status;
      });
}

absl::Status C_MessageVerifyFinal(Library& library,
                                  CK_SESSION_HANDLE hSession) {
  return MessageFinal<MessageVerifyKind>(library, hSession);
}

}  // namespace pkcs11::api
