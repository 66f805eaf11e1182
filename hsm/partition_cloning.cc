// What a partition brings to cloning: its domain, and the cipher suites that it
// does not offer.
#include "base/crypto.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

// Constants of the cloning protocols: two HSMs that know the same string must
// have the same secret.
constexpr char kDomainSalt[] = "perigee cloning domain v1";
constexpr int kDomainLog2N = 16;
constexpr size_t kDomainSecretSize = 48;
constexpr size_t kLongestDomain = 128;

struct SuitesOffRecord {
  uint8_t format = kRecordFormat;
  std::vector<uint8_t> numbers;
  template <typename V>
  void Fields(V& v) {
    v(format, numbers);
  }
};

}  // namespace

// --- the domain
// ---------------------------------------------------------------

absl::StatusOr<SecretBytes> DomainSecretOf(ByteSpan domain) {
  if (domain.empty() || domain.size() > kLongestDomain) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "a domain string has 1 to 128 characters");
  }
  return base::Scrypt(domain, base::AsBytes(kDomainSalt), kDomainLog2N,
                      kDomainSecretSize);
}

absl::Status Partition::State_::SaveDomain(Transaction& tx, uint64_t born,
                                           const LoginKeys& keys,
                                           const SecretBytes& secret) const {
  ASSIGN_OR_RETURN(const Bytes sealed,
                   SealSecret(keys.ring.trust_key.Expose(),
                              LabelOf("domain", born), secret.Expose()));
  return core->values().Save(tx, space, kDomainValue, sealed,
                             &keys.ring.trust_key);
}

absl::Status Partition::SetDomain(const Login& by, ByteSpan domain) {
  ASSIGN_OR_RETURN(const auto keys,
                   state_->Require(by, {Role::kSo, Role::kCo}));
  const auto exists = [] {
    return base::Error(CKR_CLONING_PARAMETER_ALREADY_EXISTS,
                       "the partition has a domain");
  };
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  if (view->record.has_domain) return exists();
  ASSIGN_OR_RETURN(const SecretBytes secret, DomainSecretOf(domain));
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        if (record.has_domain) return exists();
        record.has_domain = true;
        RETURN_IF_ERROR(
            SavePartition(*state_->core, tx, state_->space, record));
        RETURN_IF_ERROR(state_->SaveDomain(tx, record.born, *keys, secret));
        return state_->Audit(tx, AuditWord::kDomainSet, record, by.role());
      });
}

absl::StatusOr<SecretBytes> Partition::DomainSecret(const Login& by) {
  ASSIGN_OR_RETURN(
      const auto keys,
      state_->Require(by, {Role::kSo, Role::kCo, Role::kCu, Role::kLco}));
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  std::optional<SignedValue> sealed;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(sealed, state_->core->values().Load(
                                     reader, state_->space, kDomainValue));
        return absl::OkStatus();
      }));
  if (!sealed.has_value()) {
    return base::Error(CKR_CLONING_PARAMETER_MISSING,
                       "the partition has no domain");
  }
  return OpenSecret(keys->ring.trust_key.Expose(),
                    state_->LabelOf("domain", view->record.born), sealed->body);
}

// --- cipher suites
// ------------------------------------------------------------

absl::StatusOr<std::vector<uint8_t>> Partition::SuitesOff(const Login& by) {
  ASSIGN_OR_RETURN(
      const auto keys,
      state_->Require(by, {Role::kSo, Role::kCo, Role::kCu, Role::kLco}));
  std::optional<SignedValue> value;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(value, state_->core->values().Load(
                                    reader, state_->space, kSuitesOffValue));
        return absl::OkStatus();
      }));
  if (!value.has_value()) return std::vector<uint8_t>();
  RETURN_IF_ERROR(state_->Noted(SignedValues::CheckTrust(
      keys->ring.trust_key, state_->space, kSuitesOffValue, *value)));
  ASSIGN_OR_RETURN(SuitesOffRecord record,
                   wire::Decode<SuitesOffRecord>(value->body, kSuitesOffValue));
  return std::move(record.numbers);
}

absl::Status Partition::SetSuitesOff(const Login& by,
                                     const std::vector<uint8_t>& off) {
  ASSIGN_OR_RETURN(const auto keys, state_->Require(by, {Role::kSo}));
  ASSIGN_OR_RETURN(const std::shared_ptr<const HsmView> hsm,
                   state_->core->View());
  if (!hsm->firmware->cpv4) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "this firmware has no CPv4, and so no cipher suites");
  }
  SuitesOffRecord record;
  record.numbers = off;
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord partition,
                         state_->Recheck(tx, by.state_->incarnation));
        RETURN_IF_ERROR(state_->core->values().SaveAs(
            tx, state_->space, kSuitesOffValue, record, &keys->ring.trust_key));
        return state_->Audit(tx, AuditWord::kSuitesSet, partition, by.role());
      });
}

}  // namespace hsm
