// How bytes reach an HSM: four verbs, each with the remaining deadline.
// Implementations: embedded (in this process), socket, USB/IP. A transport
// knows nothing of frames.
#ifndef PERIGEE_HSM_IO_TRANSPORT_H_
#define PERIGEE_HSM_IO_TRANSPORT_H_

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/status.h"

namespace hsm_io {

using base::Bytes;
using base::ByteSpan;
using base::Deadline;

// Used by one thread at a time; the owner of the link locks.
class Transport {
 public:
  virtual ~Transport() = default;
  // CKR_TOKEN_NOT_PRESENT when nobody is there. Drops stale data.
  virtual absl::Status Open(Deadline deadline) = 0;
  virtual void Close() = 0;
  // Writes all of `bytes`. CKR_DEVICE_REMOVED when the other end went away,
  // DeadlineExceeded (CKR_DEVICE_ERROR) when time ran out; after any error the
  // transport must be opened anew.
  virtual absl::Status Write(ByteSpan bytes, Deadline deadline) = 0;
  // Reads at least one byte and at most `limit`.
  virtual absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) = 0;
  // While it is open no other host can reach the device.
  virtual bool exclusive() const { return false; }
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_TRANSPORT_H_
