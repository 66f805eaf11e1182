// The fleet root: the key under which the HSMs of one owner recognise each
// other. Lives in <state>/fleet (root.key PKCS#8 DER mode 0600, root.crt).
#ifndef PERIGEE_HSM_FLEET_H_
#define PERIGEE_HSM_FLEET_H_

#include <string>

#include "base/certificate.h"

namespace hsm {

class Fleet {
 public:
  // Opens `directory`, making key and certificate (atomically; a race has one
  // winner) when it does not exist.
  static absl::StatusOr<Fleet> OpenOrCreate(const std::string& directory);
  // NotFound (CKR_TOKEN_NOT_PRESENT) when there is none.
  static absl::StatusOr<Fleet> Open(const std::string& directory);

  Fleet(Fleet&&) = default;
  Fleet& operator=(Fleet&&) = default;

  const base::Certificate& root() const { return root_; }
  absl::StatusOr<base::Certificate> Issue(const base::CertifiedName& subject,
                                          base::ByteSpan public_point) const;
  // ECDSA with SHA-384. Each use begins its message with a label of its own.
  absl::StatusOr<base::Bytes> Sign(base::ByteSpan message) const;

 private:
  Fleet(base::P384Key key, base::Certificate root)
      : key_(std::move(key)), root_(std::move(root)) {}
  base::P384Key key_;
  base::Certificate root_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_FLEET_H_
