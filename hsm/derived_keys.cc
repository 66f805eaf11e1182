#include "hsm/derived_keys.h"

#include <utility>

#include "base/crypto.h"
#include "base/wire.h"

namespace hsm {
namespace {

constexpr size_t kKeySize = 32;

constexpr absl::string_view LabelOf(DerivedKeys::Use use) {
  return use == DerivedKeys::Use::kIndex ? "perigee index 1" : "perigee tree 1";
}

}  // namespace

DerivedKeys& DerivedKeys::operator=(DerivedKeys&&) noexcept {
  absl::MutexLock lock(&mu_);
  kept_.clear();
  return *this;
}

absl::StatusOr<std::shared_ptr<const base::SecretBytes>> DerivedKeys::Get(
    Use use, const Store& store, SpaceId space, uint8_t number,
    ByteSpan sealing_key) const {
  wire::Writer info;
  info.Raw(base::AsBytes(LabelOf(use)));
  info.U32(space);
  info.U8(number);
  Bytes salt_and_info = base::ToBytes(store.store_id());
  salt_and_info.insert(salt_and_info.end(), info.bytes().begin(),
                       info.bytes().end());
  absl::MutexLock lock(&mu_);
  for (const Kept& kept : kept_) {
    if (kept.salt_and_info == salt_and_info && kept.from.Equals(sealing_key)) {
      return kept.key;
    }
  }
  ASSIGN_OR_RETURN(
      base::SecretBytes key,
      base::HkdfSha256(sealing_key, store.store_id(), info.bytes(), kKeySize));
  auto made = std::make_shared<const base::SecretBytes>(std::move(key));
  // More than that: a key of the ring was changed, and its former ones go.
  if (kept_.size() >= kMost) kept_.erase(kept_.begin());
  kept_.push_back(
      {base::SecretBytes::CopyOf(sealing_key), std::move(salt_and_info), made});
  return std::shared_ptr<const base::SecretBytes>(std::move(made));
}

}  // namespace hsm
