#include "hsm/object_record.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "hsm/attribute_rules.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

std::string TrustName(uint64_t id) { return absl::StrCat("object/", id); }

constexpr CK_ATTRIBUTE_TYPE kTaggedTypes[] = {CKA_LABEL, CKA_ID, CKA_SUBJECT,
                                              CKA_OUID};

}  // namespace

Tagged TaggedOf(const AttributeSet& attributes, Bytes& joined) {
  Tagged tagged;
  for (CK_ATTRIBUTE_TYPE type : kTaggedTypes) {
    const ByteSpan value = attributes.Value(type);
    if (!value.empty()) tagged.emplace_back(type, value);
  }
  const ByteSpan issuer = attributes.Value(CKA_ISSUER);
  const ByteSpan serial = attributes.Value(CKA_SERIAL_NUMBER);
  if (!issuer.empty() && !serial.empty()) {
    wire::Writer both;
    both.Sized(issuer);
    both.Sized(serial);
    joined = std::move(both).Take();
    tagged.emplace_back(kIssuerAndSerial, joined);
  }
  return tagged;
}

absl::Status CheckObjectSize(const AttributeSet& attributes) {
  if (attributes.EncodedSize() <= kLargestObject) return absl::OkStatus();
  return base::Error(CKR_DEVICE_MEMORY, "an object has at most 56 KiB");
}

SealedForm::SealedForm(SpaceId space, uint64_t id,
                       const AttributeSet& attributes,
                       const std::optional<Statement>& origin,
                       const KeyRing& ring)
    : attributes_(attributes) {
  ObjectRecord record;
  record.attributes = attributes.Encode();
  record.origin = origin;
  if (!attributes.IsTrue(CKA_PRIVATE) && !ring.trust_key.empty()) {
    record.trust_mac = TrustMac(ring.trust_key.Expose(), space, TrustName(id),
                                record.attributes.Expose());
  }
  plaintext_ = wire::EncodeSecret(record);
}

Vault::Draft SealedForm::Draft(uint64_t cost) const {
  Vault::Draft draft;
  draft.key =
      attributes_.IsTrue(CKA_PRIVATE) ? Vault::kPrivateKey : Vault::kPublicKey;
  draft.object_class = static_cast<uint32_t>(attributes_.object_class());
  draft.size = cost;
  draft.plaintext = plaintext_.Expose();
  draft.tagged = TaggedOf(attributes_, joined_);
  return draft;
}

absl::StatusOr<OpenedObject> DecodeObject(SpaceId space,
                                          const Vault::Opened& opened,
                                          const KeyRing& ring) {
  ASSIGN_OR_RETURN(
      ObjectRecord record,
      wire::Decode<ObjectRecord>(opened.plaintext.Expose(), "object record"));
  if (record.format != kRecordFormat) {
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat("object ", opened.id, " has an unknown format"));
  }
  ASSIGN_OR_RETURN(AttributeSet attributes,
                   AttributeSet::Decode(record.attributes.Expose()));
  if (opened.key == Vault::kPublicKey && attributes.IsTrue(CKA_TRUSTED)) {
    const bool trusted =
        !ring.trust_key.empty() &&
        base::ConstantTimeEquals(
            record.trust_mac,
            TrustMac(ring.trust_key.Expose(), space, TrustName(opened.id),
                     record.attributes.Expose()));
    if (!trusted) attributes.SetBool(CKA_TRUSTED, false);
  }
  OpenedObject result;
  result.bytes = opened.plaintext.size();
  result.object = std::make_shared<const Object>(
      opened.id, opened.version, std::move(attributes),
      std::move(record.origin), opened.salt);
  return result;
}

bool IsFoundBy(const AttributeSet& pattern, const Object& object) {
  if (!object.attributes().Matches(pattern)) return false;
  for (const AttributeSet::Entry& wanted : pattern.entries()) {
    if (ReadabilityOf(object.attributes(), wanted.type) !=
        Readability::kReadable) {
      return false;
    }
  }
  return true;
}

}  // namespace hsm
