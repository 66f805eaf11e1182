// Named values of a space that can be read without a login and yet not be
// forged: each carries a MAC under a key derived from storage.key, and some a
// second one under the partition's K_trust. docs/formats/hsm.md lists them.
#ifndef PERIGEE_HSM_SIGNED_VALUES_H_
#define PERIGEE_HSM_SIGNED_VALUES_H_

#include <optional>
#include <string>
#include <utility>

#include "base/secret_bytes.h"
#include "base/wire.h"
#include "hsm/store.h"

namespace hsm {

using base::SecretBytes;

// One value as it stands in the store; its first MAC was checked.
struct SignedValue {
  Bytes body;
  Bytes mac;        // under the storage key
  Bytes trust_mac;  // under K_trust; empty when no login made it
  template <typename V>
  void Fields(V& v) {
    v(body, mac, trust_mac);
  }
};

// Immutable; thread-safe.
class SignedValues {
 public:
  explicit SignedValues(SecretBytes key) : key_(std::move(key)) {}

  // nullopt when there is none; CKR_DEVICE_ERROR (DataLoss) that names the
  // value when its MAC is wrong.
  absl::StatusOr<std::optional<SignedValue>> Load(Reader& reader, SpaceId space,
                                                  absl::string_view name) const;
  // `trust_key` may be null.
  absl::Status Save(Transaction& tx, SpaceId space, absl::string_view name,
                    ByteSpan body, const SecretBytes* trust_key) const;
  // CKR_DEVICE_ERROR when the second MAC does not fit.
  static absl::Status CheckTrust(const SecretBytes& trust_key, SpaceId space,
                                 absl::string_view name,
                                 const SignedValue& value);

  template <typename T>
  absl::StatusOr<std::optional<T>> LoadAs(Reader& reader, SpaceId space,
                                          absl::string_view name) const {
    ASSIGN_OR_RETURN(std::optional<SignedValue> value,
                     Load(reader, space, name));
    if (!value.has_value()) return std::optional<T>();
    ASSIGN_OR_RETURN(T decoded, wire::Decode<T>(value->body, name));
    return std::optional<T>(std::move(decoded));
  }
  template <typename T>
  absl::Status SaveAs(Transaction& tx, SpaceId space, absl::string_view name,
                      const T& value,
                      const SecretBytes* trust_key = nullptr) const {
    return Save(tx, space, name, wire::Encode(value), trust_key);
  }

 private:
  SecretBytes key_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_SIGNED_VALUES_H_
