// Keys that come of a partition's sealing keys by HKDF, kept with them: each
// search and each change needs one, and making it costs more than using it.
#ifndef PERIGEE_HSM_DERIVED_KEYS_H_
#define PERIGEE_HSM_DERIVED_KEYS_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/secret_bytes.h"
#include "hsm/store.h"

namespace hsm {

// Thread-safe. Lives and dies with the keys it belongs to; a copy or what was
// moved elsewhere makes its own anew.
class DerivedKeys {
 public:
  enum class Use : uint8_t { kIndex, kTree };  // docs/formats/vault.md

  DerivedKeys() = default;
  DerivedKeys(DerivedKeys&&) noexcept {}
  DerivedKeys& operator=(DerivedKeys&&) noexcept;

  // Of `sealing_key`, number `number` in `space`; made at the first use.
  absl::StatusOr<std::shared_ptr<const base::SecretBytes>> Get(
      Use use, const Store& store, SpaceId space, uint8_t number,
      ByteSpan sealing_key) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Kept {
    base::SecretBytes from;  // the sealing key
    Bytes salt_and_info;
    std::shared_ptr<const base::SecretBytes> key;
  };
  static constexpr size_t kMost = 4;  // two uses of two sealing keys

  mutable absl::Mutex mu_;  // leaf
  mutable std::vector<Kept> kept_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_DERIVED_KEYS_H_
