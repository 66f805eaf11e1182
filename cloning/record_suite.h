// What a protocol version does differently: how the records of its runs are
// sealed, how many go in a message, and where the domain secret enters. All
// else is the same for every version (cloning/protocol.h).
#ifndef PERIGEE_CLONING_RECORD_SUITE_H_
#define PERIGEE_CLONING_RECORD_SUITE_H_

#include <memory>

#include "base/crypto_rsa.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace cloning {

using base::Bytes;
using base::ByteSpan;
using base::SecretBytes;

// What records of a run are sealed with.
struct RecordKeys {
  SecretBytes key;  // of the handshake; empty: the run is over
  Bytes transcript;
  // Where the suite transports keys:
  SecretBytes domain_secret;
  SecretBytes legacy_domain;  // opens too; may be empty
  Bytes wrap_to;              // public half of the target's wrapping key
  std::shared_ptr<const base::RsaTransportKey> unwrap_with;  // at the target

  RecordKeys Clone() const;
};

// One record among others.
struct RecordInput {
  ByteSpan associated;  // its place and all that it is bound to
  uint64_t number;
};

struct RecordSuite {
  size_t max_records;  // in a message
  // The domain secret salts the handshake, so that other domains are noticed
  // in the opening; else it is in the keys of each record.
  bool domain_in_handshake;
  // Each record brings its key, wrapped to a key of the target that stays and
  // that the reply certifies.
  bool transports_keys;
  size_t (*sealed_size)(size_t plaintext);
  absl::StatusOr<Bytes> (*seal)(const RecordKeys& keys,
                                const RecordInput& input, ByteSpan plaintext);
  // CKR_CERTIFICATE_INVALID when the source itself has sealed it in another
  // domain, any other error when it was altered.
  absl::StatusOr<SecretBytes> (*open)(const RecordKeys& keys,
                                      const RecordInput& input,
                                      ByteSpan sealed);
};

extern const RecordSuite kTransportSuite;  // CPv1
extern const RecordSuite kAgreementSuite;  // CPv3

}  // namespace cloning

#endif  // PERIGEE_CLONING_RECORD_SUITE_H_
