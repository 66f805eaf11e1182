// What a partition brings to cloning: its domains, and the cipher suites that
// it does not offer.
#include <algorithm>

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

constexpr size_t kMaxDomains = 3;
constexpr size_t kLongestLabel = 32;
// Of the first domain, until it gets another one.
constexpr char kFirstLabel[] = "original";
constexpr uint8_t kListFormat = 2;

// All domains of a partition, where it is more than the first one under its
// first label (which stands alone, as in stores of before).
struct DomainListRecord {
  uint8_t format = kListFormat;
  std::vector<DomainRow> rows;
  template <typename V>
  void Fields(V& v) {
    v(format, rows);
  }
};

SecretBytes EncodeDomains(const std::vector<DomainRow>& rows) {
  if (rows.size() == 1 && rows[0].label == kFirstLabel) {
    return rows[0].secret.Clone();
  }
  DomainListRecord record;
  for (const DomainRow& row : rows) {
    record.rows.push_back({row.label, row.secret.Clone()});
  }
  return wire::EncodeSecret(record);
}

absl::StatusOr<std::vector<DomainRow>> DecodeDomains(SecretBytes opened) {
  std::vector<DomainRow> rows;
  // A list is longer: 9 bytes of it are before the first label.
  if (opened.size() == kDomainSecretSize) {
    rows.push_back({kFirstLabel, std::move(opened)});
    return rows;
  }
  ASSIGN_OR_RETURN(DomainListRecord record, wire::Decode<DomainListRecord>(
                                                opened.Expose(), kDomainValue));
  bool fits = record.format == kListFormat && !record.rows.empty() &&
              record.rows.size() <= kMaxDomains;
  for (const DomainRow& row : record.rows) {
    fits = fits && row.secret.size() == kDomainSecretSize;
  }
  if (!fits) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       "this release does not know the form of the domains");
  }
  return std::move(record.rows);
}

absl::Status Exists(absl::string_view why) {
  return base::Error(CKR_CLONING_PARAMETER_ALREADY_EXISTS, why);
}

absl::Status NoDomain(absl::string_view why) {
  return base::Error(CKR_CLONING_PARAMETER_MISSING, why);
}

absl::Status CheckLabel(absl::string_view label) {
  if (!label.empty() && label.size() <= kLongestLabel) return absl::OkStatus();
  return base::Error(CKR_ARGUMENTS_BAD, "a domain's label has 1 to 32 bytes");
}

absl::StatusOr<size_t> FindDomain(const std::vector<DomainRow>& rows,
                                  absl::string_view label) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].label == label) return i;
  }
  return NoDomain("the partition has no domain with this label");
}

struct SuitesOffRecord {
  uint8_t format = kRecordFormat;
  std::vector<uint8_t> numbers;
  template <typename V>
  void Fields(V& v) {
    v(format, numbers);
  }
};

}  // namespace

// --- domains
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
  std::vector<DomainRow> rows;
  rows.push_back({kFirstLabel, secret.Clone()});
  return SaveDomains(tx, born, keys, rows);
}

absl::StatusOr<std::vector<DomainRow>> Partition::State_::LoadDomains(
    Reader& reader, uint64_t born, const LoginKeys& keys) const {
  ASSIGN_OR_RETURN(const std::optional<SignedValue> sealed,
                   core->values().Load(reader, space, kDomainValue));
  if (!sealed.has_value()) return std::vector<DomainRow>();
  ASSIGN_OR_RETURN(SecretBytes opened,
                   OpenSecret(keys.ring.trust_key.Expose(),
                              LabelOf("domain", born), sealed->body));
  return DecodeDomains(std::move(opened));
}

absl::Status Partition::State_::SaveDomains(
    Transaction& tx, uint64_t born, const LoginKeys& keys,
    const std::vector<DomainRow>& rows) const {
  ASSIGN_OR_RETURN(
      const Bytes sealed,
      SealSecret(keys.ring.trust_key.Expose(), LabelOf("domain", born),
                 EncodeDomains(rows).Expose()));
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

absl::Status Partition::SetLegacyDomain(const Login& by, ByteSpan domain) {
  ASSIGN_OR_RETURN(const auto keys,
                   state_->Require(by, {Role::kSo, Role::kCo}));
  ASSIGN_OR_RETURN(const std::shared_ptr<const HsmView> hsm,
                   state_->core->View());
  if (hsm->record.kind == Kind::kBackup || state_->space == kAdminSpace) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "only an application's partition has a legacy domain");
  }
  ASSIGN_OR_RETURN(const SecretBytes secret, DomainSecretOf(domain));
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        if (!record.has_domain) {
          return NoDomain("the partition has no first domain yet");
        }
        ASSIGN_OR_RETURN(
            const std::optional<SignedValue> present,
            state_->core->values().Load(tx, state_->space, kLegacyDomainValue));
        if (present.has_value()) {
          return Exists("the partition has a legacy domain");
        }
        ASSIGN_OR_RETURN(
            const Bytes sealed,
            SealSecret(keys->ring.trust_key.Expose(),
                       state_->LabelOf(kLegacyDomainValue, record.born),
                       secret.Expose()));
        RETURN_IF_ERROR(state_->core->values().Save(tx, state_->space,
                                                    kLegacyDomainValue, sealed,
                                                    &keys->ring.trust_key));
        return state_->Audit(tx, AuditWord::kLegacyDomainSet, record,
                             by.role());
      });
}

absl::StatusOr<SecretBytes> Partition::LegacyDomainSecret(const Login& by) {
  ASSIGN_OR_RETURN(
      const auto keys,
      state_->Require(by, {Role::kSo, Role::kCo, Role::kCu, Role::kLco}));
  ASSIGN_OR_RETURN(const std::shared_ptr<const PartitionView> view,
                   state_->View());
  SecretBytes secret;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const std::optional<SignedValue> sealed,
                         state_->core->values().Load(reader, state_->space,
                                                     kLegacyDomainValue));
        if (!sealed.has_value()) return absl::OkStatus();
        ASSIGN_OR_RETURN(secret, OpenSecret(keys->ring.trust_key.Expose(),
                                            state_->LabelOf(kLegacyDomainValue,
                                                            view->record.born),
                                            sealed->body));
        return absl::OkStatus();
      }));
  return secret;
}

absl::StatusOr<std::vector<DomainRow>> Partition::State_::Domains(
    const Login& by) {
  ASSIGN_OR_RETURN(const auto keys,
                   Require(by, {Role::kSo, Role::kCo, Role::kCu, Role::kLco}));
  ASSIGN_OR_RETURN(const std::shared_ptr<const PartitionView> view, View());
  std::vector<DomainRow> rows;
  RETURN_IF_ERROR(core->store().Read([&](Reader& reader) -> absl::Status {
    ASSIGN_OR_RETURN(rows, LoadDomains(reader, view->record.born, *keys));
    return absl::OkStatus();
  }));
  return rows;
}

absl::StatusOr<std::vector<SecretBytes>> Partition::DomainSecrets(
    const Login& by) {
  ASSIGN_OR_RETURN(std::vector<DomainRow> rows, state_->Domains(by));
  if (rows.empty()) return NoDomain("the partition has no domain");
  ASSIGN_OR_RETURN(const uint64_t several,
                   Policy(partition_policy::kExtendedDomains));
  // Those that were added while it was allowed stay, and are not used.
  if (several == 0) rows.resize(1);
  std::vector<SecretBytes> secrets;
  for (DomainRow& row : rows) secrets.push_back(std::move(row.secret));
  return secrets;
}

absl::StatusOr<std::vector<std::string>> Partition::DomainLabels(
    const Login& by) {
  ASSIGN_OR_RETURN(const std::vector<DomainRow> rows, state_->Domains(by));
  std::vector<std::string> labels;
  for (const DomainRow& row : rows) labels.push_back(row.label);
  return labels;
}

absl::Status Partition::ChangeDomains(
    const Login& by, AuditWord word,
    absl::FunctionRef<absl::Status(std::vector<DomainRow>&)> change) {
  ASSIGN_OR_RETURN(const auto keys, state_->Require(by, {Role::kSo}));
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        ASSIGN_OR_RETURN(const auto view, state_->Load(tx));
        if (view->policies.count(partition_policy::kExtendedDomains) == 0) {
          return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                             "this firmware knows one domain a partition");
        }
        ASSIGN_OR_RETURN(std::vector<DomainRow> rows,
                         state_->LoadDomains(tx, record.born, *keys));
        RETURN_IF_ERROR(change(rows));
        RETURN_IF_ERROR(state_->SaveDomains(tx, record.born, *keys, rows));
        return state_->Audit(tx, word, record, by.role());
      });
}

absl::Status Partition::AddDomain(const Login& by, absl::string_view label,
                                  ByteSpan domain) {
  RETURN_IF_ERROR(CheckLabel(label));
  ASSIGN_OR_RETURN(const uint64_t allowed,
                   Policy(partition_policy::kExtendedDomains));
  ASSIGN_OR_RETURN(const SecretBytes secret, DomainSecretOf(domain));
  return ChangeDomains(
      by, AuditWord::kDomainAdded,
      [&](std::vector<DomainRow>& rows) -> absl::Status {
        if (allowed == 0) {
          return base::Error(CKR_OPERATION_NOT_ALLOWED,
                             "partition policy 44 allows no further domains");
        }
        if (rows.empty()) {
          return NoDomain("the partition has no first domain yet");
        }
        for (const DomainRow& row : rows) {
          if (row.label == label) return Exists("this label is taken");
          if (row.secret.Equals(secret)) {
            return Exists("the partition is in this domain");
          }
        }
        if (rows.size() == kMaxDomains) {
          return base::Error(CKR_OPERATION_NOT_ALLOWED,
                             "a partition has three domains at most");
        }
        rows.push_back({std::string(label), secret.Clone()});
        return absl::OkStatus();
      });
}

absl::Status Partition::ChangeDomain(const Login& by, absl::string_view label,
                                     std::optional<absl::string_view> new_label,
                                     bool make_primary) {
  if (new_label.has_value()) RETURN_IF_ERROR(CheckLabel(*new_label));
  return ChangeDomains(
      by, AuditWord::kDomainChanged,
      [&](std::vector<DomainRow>& rows) -> absl::Status {
        ASSIGN_OR_RETURN(const size_t at, FindDomain(rows, label));
        if (new_label.has_value() && *new_label != label) {
          if (FindDomain(rows, *new_label).ok()) {
            return Exists("this label is taken");
          }
          rows[at].label = std::string(*new_label);
        }
        if (make_primary) {
          std::rotate(rows.begin(), rows.begin() + at, rows.begin() + at + 1);
        }
        return absl::OkStatus();
      });
}

absl::Status Partition::DeleteDomain(const Login& by, absl::string_view label) {
  return ChangeDomains(
      by, AuditWord::kDomainDeleted,
      [&](std::vector<DomainRow>& rows) -> absl::Status {
        ASSIGN_OR_RETURN(const size_t at, FindDomain(rows, label));
        if (at == 0) {
          return base::Error(CKR_OPERATION_NOT_ALLOWED,
                             "the primary domain stays; another one can be "
                             "made primary");
        }
        rows.erase(rows.begin() + at);
        return absl::OkStatus();
      });
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
