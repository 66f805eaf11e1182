#include "hsm/signed_values.h"

#include "absl/strings/str_cat.h"
#include "hsm/mac_tree.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

absl::Status Forged(SpaceId space, absl::string_view name) {
  return base::ErrorWithReason(
      CKR_DEVICE_ERROR, kTamperedReason,
      absl::StrCat("value \"", name, "\" of space ", space,
                   " was not written by this HSM"));
}

}  // namespace

absl::StatusOr<std::optional<SignedValue>> SignedValues::Load(
    Reader& reader, SpaceId space, absl::string_view name) const {
  ASSIGN_OR_RETURN(std::optional<Bytes> raw, reader.GetValue(space, name));
  if (!raw.has_value()) return std::optional<SignedValue>();
  absl::StatusOr<SignedValue> value = wire::Decode<SignedValue>(*raw, name);
  if (!value.ok()) return Forged(space, name);
  const Bytes expected = TrustMac(key_.Expose(), space, name, value->body);
  if (!base::ConstantTimeEquals(expected, value->mac)) {
    return Forged(space, name);
  }
  return std::optional<SignedValue>(*std::move(value));
}

absl::Status SignedValues::Save(Transaction& tx, SpaceId space,
                                absl::string_view name, ByteSpan body,
                                const SecretBytes* trust_key) const {
  SignedValue value;
  value.body = base::ToBytes(body);
  value.mac = TrustMac(key_.Expose(), space, name, body);
  if (trust_key != nullptr) {
    value.trust_mac = TrustMac(trust_key->Expose(), space, name, body);
  }
  return tx.PutValue(space, name, wire::Encode(value));
}

absl::Status SignedValues::CheckTrust(const SecretBytes& trust_key,
                                      SpaceId space, absl::string_view name,
                                      const SignedValue& value) {
  const Bytes expected = TrustMac(trust_key.Expose(), space, name, value.body);
  if (base::ConstantTimeEquals(expected, value.trust_mac)) {
    return absl::OkStatus();
  }
  return Forged(space, name);
}

}  // namespace hsm
