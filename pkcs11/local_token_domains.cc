// LocalToken: what a partition brings to cloning, which is its domains, its
// cipher suites and the certificates of its HSM.
#include <utility>

#include "cloning/local_endpoint.h"
#include "cloning/rules.h"
#include "pkcs11/local_token.h"

namespace pkcs11 {

absl::Status LocalToken::SetDomain(SpaceId space, ByteSpan domain) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->SetDomain(*login, domain);
}

absl::Status LocalToken::SetLegacyDomain(SpaceId space, ByteSpan domain) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->SetLegacyDomain(*login, domain);
}

absl::StatusOr<std::vector<base::Certificate>> LocalToken::Certificates() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, hsm_->OpenIfThere());
  if (hsm == nullptr) {
    return base::Error(CKR_CERTIFICATE_DATA_MISSING,
                       "the HSM is made by the first call that stores");
  }
  const std::shared_ptr<const base::Identity> identity = hsm->identity();
  std::vector<base::Certificate> chain = {identity->certificate};
  chain.push_back(identity->roots.front());
  return chain;
}

absl::StatusOr<std::vector<std::string>> LocalToken::DomainLabels(
    SpaceId space) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->DomainLabels(*login);
}

absl::Status LocalToken::AddDomain(SpaceId space, absl::string_view label,
                                   ByteSpan domain) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->AddDomain(*login, label, domain);
}

absl::Status LocalToken::ChangeDomain(
    SpaceId space, absl::string_view label,
    std::optional<absl::string_view> new_label, bool make_primary) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->ChangeDomain(*login, label, new_label, make_primary);
}

absl::Status LocalToken::DeleteDomain(SpaceId space, absl::string_view label) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->DeleteDomain(*login, label);
}

absl::StatusOr<CloningFacts> LocalToken::Cloning(SpaceId space) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  ASSIGN_OR_RETURN(hsm::Statement own, partition->MakeStatement());
  ASSIGN_OR_RETURN(const cloning::Negotiation negotiation,
                   cloning::NegotiationOf(*partition, *login));
  CloningFacts facts;
  facts.why_not_cpv4 = cloning::WhyNotCpv4(own, negotiation);
  facts.protocols = cloning::Introduce(std::move(own), negotiation).protocols;
  ASSIGN_OR_RETURN(facts.suites_off, partition->SuitesOff(*login));
  return facts;
}

absl::Status LocalToken::SetSuitesOff(SpaceId space,
                                      const std::vector<uint8_t>& off) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->SetSuitesOff(*login, off);
}

}  // namespace pkcs11
