// One object: an immutable snapshot of attributes with an id. Changing an
// object means replacing it by the next version.
#ifndef PERIGEE_HSM_OBJECT_H_
#define PERIGEE_HSM_OBJECT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "hsm/attribute_set.h"
#include "hsm/statement.h"

namespace hsm {

using Ouid = std::array<uint8_t, 12>;

// Token objects: 1 and up, the row number in the store. Session objects count
// from kFirstSessionHandle (their owner is pkcs11).
inline constexpr uint64_t kFirstSessionHandle = 0x40000000;

// Shared between threads; immutable but for the cache of decoded keys, which
// locks itself. Made by Partition for token objects and by pkcs11 for session
// objects.
class Object {
 public:
  Object(uint64_t handle, uint64_t version, AttributeSet attributes,
         std::optional<Statement> origin = std::nullopt,
         const std::array<uint8_t, 16>& salt = {})
      : handle_(handle),
        version_(version),
        salt_(salt),
        attributes_(std::move(attributes)),
        origin_(std::move(origin)) {}

  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  uint64_t handle() const { return handle_; }
  uint64_t version() const { return version_; }
  // With handle and version the edition (hsm/vault.h) of a token object.
  const std::array<uint8_t, 16>& salt() const { return salt_; }
  const AttributeSet& attributes() const { return attributes_; }
  // Where it was backed up from (protocols page, cloning 7); absent for what
  // was made here.
  const std::optional<Statement>& origin() const { return origin_; }

  bool is_private() const { return attributes_.IsTrue(CKA_PRIVATE); }
  bool is_token() const { return attributes_.IsTrue(CKA_TOKEN); }

  // Set when the object was destroyed or replaced, or its login ended; an
  // operation that holds the object checks it before it uses the key.
  bool retired() const { return retired_.load(std::memory_order_acquire); }
  void Retire() const { retired_.store(true, std::memory_order_release); }

  // What a mechanism made of the key (an EVP_PKEY, a keyed context), made once
  // per `kind` and shared. `make` runs with the caller's locks held and without
  // the cache's own; when several threads make one at the same time, the first
  // to finish is kept and all of them get that one. A retired object keeps
  // nothing. The error of `make` is returned as it is.
  absl::StatusOr<std::shared_ptr<void>> Decoded(
      uint64_t kind,
      absl::FunctionRef<absl::StatusOr<std::shared_ptr<void>>()> make) const;
  // Drops what Decoded keeps; after Retire nothing comes back.
  void DropDecoded() const;

 private:
  const uint64_t handle_;
  const uint64_t version_;
  const std::array<uint8_t, 16> salt_;
  const AttributeSet attributes_;
  const std::optional<Statement> origin_;
  mutable std::atomic<bool> retired_{false};
  mutable absl::Mutex mu_;
  mutable std::vector<std::pair<uint64_t, std::shared_ptr<void>>> decoded_
      ABSL_GUARDED_BY(mu_);
};

using ObjectRef = std::shared_ptr<const Object>;

}  // namespace hsm

#endif  // PERIGEE_HSM_OBJECT_H_
