// LocalToken: SKS blobs and the rights of keys, by the login on the partition.
#include "pkcs11/local_token.h"

namespace pkcs11 {

absl::StatusOr<hsm::KeyRights> LocalToken::KeyRightsOn(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return hsm::KeyRights(partition, Access());
}

absl::StatusOr<std::vector<uint64_t>> LocalToken::SmkHandles(SpaceId space) {
  const std::vector<uint64_t> none;
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  if (login->role() != hsm::Role::kCo) return none;  // he alone sends it
  const absl::Status found = partition->SmkAsObject(*login).status();
  const CK_RV rv = base::CkRv(found);
  // None yet, or a V0 partition.
  if (rv == CKR_SMK_ID_NOT_FOUND || rv == CKR_OPERATION_NOT_ALLOWED) {
    return none;
  }
  RETURN_IF_ERROR(found);
  ASSIGN_OR_RETURN(const hsm::SmkSet smks, partition->Smks(*login));
  if (!smks.former.has_value()) return std::vector{hsm::kSmkHandle};
  return std::vector{hsm::kSmkHandle, hsm::kFormerSmkHandle};
}

absl::Status LocalToken::RollSmk(SpaceId space, bool begin) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return begin ? partition->RollSmk(*login) : partition->DropFormerSmk(*login);
}

absl::StatusOr<std::vector<hsm::ObjectRef>> LocalToken::AllForSks(
    SpaceId space, const hsm::SksAuthorisation& authorisation) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->AllForSks(login, authorisation);
}

absl::StatusOr<size_t> LocalToken::SizeOfSks(
    SpaceId space, absl::Span<const hsm::ObjectRef> objects,
    const hsm::SksAuthorisation& authorisation) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->SizeOfSks(*login, objects, authorisation);
}

absl::StatusOr<base::Bytes> LocalToken::ExtractSks(
    SpaceId space, absl::Span<const hsm::ObjectRef> objects,
    const hsm::SksAuthorisation& authorisation, bool destroy, size_t room) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->ExtractSks(*login, objects, authorisation, destroy, room);
}

absl::StatusOr<std::vector<hsm::SksObject>> LocalToken::OpenSks(
    SpaceId space, ByteSpan blob, const hsm::SksAuthorisation& authorisation,
    hsm::Partition::SksUse use) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->OpenSks(*login, blob, authorisation, use);
}

}  // namespace pkcs11
