// Authenticated encryption of one message with a nonce: what C_Encrypt with
// CCM and ChaCha20-Poly1305 and the message functions have in common.
#ifndef PERIGEE_PKCS11_MECHANISMS_AEAD_H_
#define PERIGEE_PKCS11_MECHANISMS_AEAD_H_

#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/evp.h"

namespace pkcs11 {

struct AeadMessage {
  CipherMode mode;  // kGcm, kCcm, kAead (ChaCha20-Poly1305)
  ByteSpan nonce;
  ByteSpan aad;
};

// Writes as many bytes as `plain` has, and a tag of tag.size() bytes.
absl::Status AeadSealMessage(const hsm::Object& key, const AeadMessage& message,
                             ByteSpan plain, MutableByteSpan out,
                             MutableByteSpan tag);
// CKR_AEAD_DECRYPT_FAILED, and `out` is wiped, when the tag does not fit.
absl::Status AeadOpenMessage(const hsm::Object& key, const AeadMessage& message,
                             ByteSpan sealed, ByteSpan tag,
                             MutableByteSpan out);

// The message_encrypt and message_decrypt of rows with this mode.
template <CipherMode kMode, bool kEncrypt>
absl::StatusOr<std::unique_ptr<MessageCipher>> NewMessages(const Use& use);

// The wrap_authenticated and unwrap_authenticated of rows with this mode.
template <CipherMode kMode>
absl::StatusOr<Bytes> WrapAead(const Use& use,
                               const MessageParameter& parameter, ByteSpan aad,
                               ByteSpan plain, bool is_secret);
template <CipherMode kMode>
absl::StatusOr<SecretBytes> UnwrapAead(const Use& use,
                                       const MessageParameter& parameter,
                                       ByteSpan aad, ByteSpan wrapped);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_AEAD_H_
