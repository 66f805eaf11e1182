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
#include "hsm/vault.h"

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

// An SMK travels, and lies in a backup partition, as an object of this class;
// in the partition that uses it, it is none. It is asked for by this handle.
inline constexpr CK_OBJECT_CLASS kSmkClass = 0x8050534DUL;
inline constexpr uint64_t kSmkHandle = 0xFFFFFFFF00000018;
// The former one, while it rolls over.
inline constexpr uint64_t kFormerSmkHandle = 0xFFFFFFFF00000019;
// What it is where it comes from.
enum class SmkRole : uint8_t { kPrimary, kFormer };
AttributeSet AttributesOf(const Smk& smk, SmkRole role = SmkRole::kPrimary);
struct SentSmk {
  Smk smk;
  SmkRole role;
};
bool IsSmk(const AttributeSet& attributes);
// CKR_ATTRIBUTE_VALUE_INVALID unless they are what AttributesOf makes.
absl::StatusOr<SentSmk> SmkOf(const AttributeSet& attributes);

// Those of a partition.
struct SmkSet {
  Smk primary;
  std::optional<Smk> former;  // while it rolls over
};

// How a blob is locked beside its SMK, and with what it is opened.
struct SksAuthorisation {
  CK_ULONG form = CKA_SIM_NO_AUTHORIZATION;
  // Form 1: the passwords; at the making, how many of them open the blob.
  std::vector<SecretBytes> passwords;
  size_t needed = 0;
};
inline constexpr size_t kMostSksPasswords = 16;
inline constexpr size_t kLongestSksPassword = 255;

// CKR_SIM_AUTHFORM_INVALID for a form that there is not; CKR_ARGUMENTS_BAD for
// passwords with form 0, and with form 1 for none, too many, empty or too long
// ones. For a blob to be made also unless 1 <= needed <= number of passwords
// and no password comes twice.
absl::Status CheckToSeal(const SksAuthorisation& authorisation);
absl::Status CheckToOpen(const SksAuthorisation& authorisation);

// Bytes of the blob that SealSks makes of this; draws nothing.
size_t SksBlobSize(const Statement& source, absl::Span<const ObjectRef> objects,
                   const SksAuthorisation& authorisation);

// What one object takes of it.
size_t SksItemSize(const Object& object);

// `source`: what the HSM says of itself and the partition. `cost` is that of a
// password's derivation, one each. CKR_ARGUMENTS_BAD for no objects,
// CKR_MAX_OBJECT_COUNT_EXCEEDED for too many, CKR_DATA_LEN_RANGE when the blob
// would be too large, and the errors of CheckToSeal.
absl::StatusOr<base::Bytes> SealSks(const Smk& smk, const Statement& source,
                                    absl::Span<const ObjectRef> objects,
                                    const SksAuthorisation& authorisation,
                                    KdfCost cost);

// An object of a blob, as it was when it was sealed, but for CKA_UNIQUE_ID.
struct SksObject {
  AttributeSet attributes;
  std::optional<Statement> origin;
};
struct SksContents {
  Statement source;
  std::vector<SksObject> objects;
};

// All of `blob` or nothing. `smks` are those that the partition has: the
// primary one and, while it rolls over, the former one. CKR_SIM_CORRUPT_DATA,
// CKR_SIM_VERSION_UNSUPPORTED, CKR_SIM_AUTHFORM_INVALID,
// CKR_SMK_ID_NOT_FOUND, CKR_SIM_AUTHORIZATION_FAILED, and the errors of
// CheckToOpen.
absl::StatusOr<SksContents> OpenSks(absl::Span<const Smk* const> smks,
                                    base::ByteSpan blob,
                                    const SksAuthorisation& authorisation);

}  // namespace hsm

#endif  // PERIGEE_HSM_SKS_BLOB_H_
