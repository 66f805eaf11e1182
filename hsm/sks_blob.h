// Objects as an opaque blob under an SKS master key (SMK): what a V1 partition
// hands out and takes back. Every byte is in docs/formats/sks.md.
#ifndef PERIGEE_HSM_SKS_BLOB_H_
#define PERIGEE_HSM_SKS_BLOB_H_

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/secret_bytes.h"
#include "base/status.h"
#include "hsm/attribute_set.h"
#include "hsm/object.h"
#include "hsm/statement.h"

namespace hsm {

using base::SecretBytes;
using SmkId = std::array<uint8_t, 16>;

inline constexpr size_t kLargestSksBlob = 65536;
inline constexpr size_t kMostSksObjects = 2048;

// Immutable. The id is made of the key and cannot be chosen.
class Smk {
 public:
  static absl::StatusOr<Smk> Generate();
  // CKR_DEVICE_ERROR unless `key` is one that Generate could have made.
  static absl::StatusOr<Smk> Of(SecretBytes key);

  const SmkId& id() const { return id_; }
  const SecretBytes& key() const { return key_; }

 private:
  Smk(SecretBytes key, const SmkId& id) : key_(std::move(key)), id_(id) {}

  SecretBytes key_;
  SmkId id_;
};

// Those of a partition.
struct SmkSet {
  Smk primary;
  std::optional<Smk> former;  // while it rolls over
};

// Bytes of the blob that SealSks makes of `objects`; draws nothing.
size_t SksBlobSize(absl::Span<const ObjectRef> objects);

// CKR_ARGUMENTS_BAD for no or too many objects, CKR_DATA_LEN_RANGE when the
// blob would be too large.
absl::StatusOr<base::Bytes> SealSks(const Smk& smk,
                                    absl::Span<const ObjectRef> objects);

// An object of a blob, as it was when it was sealed.
struct SksObject {
  AttributeSet attributes;
  std::optional<Statement> origin;
};

// All objects of `blob` or none. `smks` are those that the partition has: the
// primary one and, while it rolls over, the former one. CKR_SIM_CORRUPT_DATA,
// CKR_SIM_VERSION_UNSUPPORTED, CKR_SIM_AUTHFORM_INVALID,
// CKR_SMK_ID_NOT_FOUND.
absl::StatusOr<std::vector<SksObject>> OpenSks(
    absl::Span<const Smk* const> smks, base::ByteSpan blob);

}  // namespace hsm

#endif  // PERIGEE_HSM_SKS_BLOB_H_
