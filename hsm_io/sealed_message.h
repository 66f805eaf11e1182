// What stands inside a sealed frame: a request's op and body, or a reply's
// status and body (docs/formats/wire.md). Used by both ends.
#ifndef PERIGEE_HSM_IO_SEALED_MESSAGE_H_
#define PERIGEE_HSM_IO_SEALED_MESSAGE_H_

#include "base/secret_bytes.h"
#include "base/status.h"
#include "base/wire.h"

namespace hsm_io {

struct SealedRequest {
  uint16_t op = 0;
  base::SecretBytes body;
};
base::SecretBytes EncodeRequest(uint16_t op, base::ByteSpan body);
absl::StatusOr<SealedRequest> DecodeRequest(base::ByteSpan message);

// The reply of a handler: its body, or its error with CK_RV and reason.
base::SecretBytes EncodeReply(const absl::StatusOr<base::SecretBytes>& reply);
absl::StatusOr<base::SecretBytes> DecodeReply(base::ByteSpan message);

// An error in clear, and how the host reads it: marked as what an
// unauthenticated device says, without control characters.
base::Bytes EncodeLinkError(const absl::Status& status);
absl::Status DecodeLinkError(base::ByteSpan body);

// Text of a device made fit to print: control characters become '?', at most
// `limit` bytes.
std::string Printable(absl::string_view text, size_t limit = 256);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_SEALED_MESSAGE_H_
