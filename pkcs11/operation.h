// The active operations of a session: what a mechanism's factory makes and
// the session feeds. They know spans and OpenSSL; they know nothing of
// sessions, handles, locks or the two-call convention.
//
// Each object serves one operation of one session, under that session's lock.
// A final call (Sign, Verify, Final, ...) leaves it spent: it is destroyed
// afterwards, or put back into order for the session's next operation with the
// same mechanism and key (Rest, Rearm), so "once" needs no state of its own.
// Output spans are at least as large as the matching size function said.
#ifndef PERIGEE_PKCS11_OPERATION_H_
#define PERIGEE_PKCS11_OPERATION_H_

#include <cstddef>
#include <memory>

#include "base/bytes.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace pkcs11 {

using base::ByteSpan;
using base::MutableByteSpan;
using base::SecretBytes;

class Parameters;

// What all kinds of tools have in common: making one costs as much as a small
// operation, so a session keeps the last one where the mechanism allows it.
class Tool {
 public:
  virtual ~Tool() = default;
  // After the last step succeeded: keeps nothing of the operation's data.
  // False: it cannot be used again.
  virtual bool Rest() { return false; }
  // From rest, for an operation with these parameters. False: a new one is to
  // be made, which also says what is wrong.
  virtual bool Rearm(const Parameters*) { return true; }
};

class Digester : public Tool {
 public:
  virtual size_t size() const = 0;  // bytes of the digest
  virtual absl::Status Update(ByteSpan data) = 0;
  // Writes size() bytes.
  virtual absl::Status Final(MutableByteSpan out) = 0;
  // Another one in the same state, for C_GetOperationState; null when that
  // cannot be had.
  virtual std::unique_ptr<Digester> Copy() const { return nullptr; }
};

class Signer : public Tool {
 public:
  // Bytes of the signature, or the most it can have.
  virtual size_t size() const = 0;
  // Multi-part; CKR_FUNCTION_NOT_SUPPORTED for mechanisms without parts is
  // given by the default.
  virtual absl::Status Update(ByteSpan data);
  virtual absl::StatusOr<size_t> Final(MutableByteSpan out);
  // One-shot, nothing was fed before. CKR_DATA_LEN_RANGE and the like. The
  // default is Update and Final.
  virtual absl::StatusOr<size_t> Sign(ByteSpan data, MutableByteSpan out);
};

class Verifier : public Tool {
 public:
  virtual absl::Status Update(ByteSpan data);
  // OK, CKR_SIGNATURE_INVALID or CKR_SIGNATURE_LEN_RANGE.
  virtual absl::Status Final(ByteSpan signature);
  // One-shot; the default is Update and Final.
  virtual absl::Status Verify(ByteSpan data, ByteSpan signature);
};

// Encryption or decryption.
class Cipher : public Tool {
 public:
  // The most bytes that Update(n bytes) and then Final give from this state.
  // Exact wherever the mechanism's output length depends on lengths only.
  virtual size_t UpdateSize(size_t input) const;
  virtual size_t FinalSize() const;
  virtual size_t OneShotSize(size_t input) const = 0;
  // Multi-part; the default, for mechanisms without parts, is
  // CKR_FUNCTION_NOT_SUPPORTED and sizes of 0. `out` may overlap `in`, in
  // place (out.data() == in.data()) or otherwise.
  virtual absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan out);
  virtual absl::StatusOr<size_t> Final(MutableByteSpan out);
  // One-shot; the default is Update and Final.
  virtual absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out);
};

// The application's parameter structure of one message: read and written (IVs
// that we make, tags), only after its size was checked.
struct MessageParameter {
  void* data;
  size_t size;
};

// C_MessageEncryptInit and C_MessageDecryptInit: serves one message after the
// other, each Begin, any number of Update, Final.
class MessageCipher : public Tool {
 public:
  // Reads the parameter; where it asks for an IV, makes one and writes it
  // back. CKR_MECHANISM_PARAM_INVALID. Drops an unfinished message.
  virtual absl::Status Begin(const MessageParameter& parameter,
                             ByteSpan associated_data) = 0;
  // The most bytes that Update, or that Final, gives for so much input.
  virtual size_t UpdateSize(size_t input) const = 0;
  virtual size_t FinalSize(size_t input) const = 0;
  virtual absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan out) = 0;
  // The last part. Encryption writes the tag into `parameter`; decryption
  // checks it: CKR_AEAD_DECRYPT_FAILED, with `out` wiped.
  virtual absl::StatusOr<size_t> Final(ByteSpan in, MutableByteSpan out,
                                       const MessageParameter& parameter) = 0;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_OPERATION_H_
