// BackupToken: what the host sees of a container's objects, and carries.
#include <utility>

#include "backup/remote_endpoint.h"
#include "pkcs11/backup_token_class.h"

namespace pkcs11 {
namespace {

// What the host knows of an object in a container: never its value.
hsm::ObjectRef ToObject(const hsm_io::ObjectStatus& m) {
  AttributeSet set;
  set.SetUlong(CKA_CLASS, m.object_class);
  if (m.key_type != CK_UNAVAILABLE_INFORMATION) {
    set.SetUlong(CKA_KEY_TYPE, m.key_type);
  }
  // The only kind there is; without it no attribute of a certificate is known.
  if (m.object_class == CKO_CERTIFICATE) {
    set.SetUlong(CKA_CERTIFICATE_TYPE, CKC_X_509);
  }
  set.SetText(CKA_LABEL, m.label);
  set.Set(CKA_OUID, m.ouid);
  set.SetBool(CKA_TOKEN, true);
  set.SetBool(CKA_PRIVATE, m.is_private);
  set.SetBool(CKA_MODIFIABLE, false);
  set.SetBool(CKA_COPYABLE, false);
  set.SetBool(CKA_DESTROYABLE, true);
  return std::make_shared<const hsm::Object>(m.handle, 0, std::move(set));
}

}  // namespace

absl::StatusOr<BackupToken::ListingRef> BackupToken::NewListing(SpaceId space) {
  auto listing = std::make_shared<Listing>();
  hsm_io::ListObjects request;
  request.space = space;
  for (;;) {
    ASSIGN_OR_RETURN(const hsm_io::ListObjects::Reply page,
                     Call(request, space));
    if (page.objects.empty()) break;
    for (const hsm_io::ObjectStatus& status : page.objects) {
      if (status.handle <= request.after) {
        return base::Error(CKR_DEVICE_ERROR,
                           "the device lists objects out of order");
      }
      request.after = status.handle;
      // Damaged: only a restore tells of it.
      if (status.object_class == CK_UNAVAILABLE_INFORMATION) continue;
      listing->emplace(status.handle, Listed{ToObject(status), status.size});
    }
  }
  absl::MutexLock lock(&mu_);
  if (logged_in_.count(space) > 0) listings_[space] = listing;
  return listing;
}

BackupToken::ListingRef BackupToken::Known(SpaceId space) {
  absl::MutexLock lock(&mu_);
  const auto it = listings_.find(space);
  return it == listings_.end() ? nullptr : it->second;
}

void BackupToken::DropListing(SpaceId space) {
  absl::MutexLock lock(&mu_);
  listings_.erase(space);
}

absl::StatusOr<std::vector<uint64_t>> BackupToken::Find(
    SpaceId space, const AttributeSet& pattern) {
  RETURN_IF_ERROR(TellLost(space));
  std::vector<uint64_t> found;
  // The HSM itself holds no objects; without login a container shows none.
  if (space == 0 || !application(space)->role().has_value()) return found;
  ASSIGN_OR_RETURN(const ListingRef listing, NewListing(space));
  for (const auto& [handle, listed] : *listing) {
    if (listed.object->attributes().Matches(pattern)) found.push_back(handle);
  }
  return found;
}

absl::StatusOr<hsm::ObjectRef> BackupToken::Get(SpaceId space,
                                                uint64_t handle) {
  RETURN_IF_ERROR(TellLost(space));
  const auto in = [handle](const Listing& listing) -> hsm::ObjectRef {
    const auto it = listing.find(handle);
    return it == listing.end() ? nullptr : it->second.object;
  };
  if (space != 0 && application(space)->role().has_value()) {
    if (const ListingRef known = Known(space); known != nullptr) {
      if (hsm::ObjectRef object = in(*known); object != nullptr) return object;
    }
    ASSIGN_OR_RETURN(const ListingRef listing, NewListing(space));
    if (hsm::ObjectRef object = in(*listing); object != nullptr) return object;
  }
  return base::Error(CKR_OBJECT_HANDLE_INVALID, "no such object there");
}

absl::Status BackupToken::Destroy(SpaceId space, uint64_t handle) {
  hsm_io::DestroyObjects request;
  request.space = space;
  request.handles = {handle};
  absl::Status destroyed = Call(request, space).status();
  DropListing(space);
  return destroyed;
}

absl::Status BackupToken::Clear(SpaceId space) {
  hsm_io::DestroyObjects request;
  request.space = space;
  absl::Status destroyed =
      Call(request, space, DeviceLink::kPinBudget).status();
  DropListing(space);
  return destroyed;
}

bool BackupToken::IsCurrent(SpaceId space, const hsm::Object& object) {
  const ListingRef known = Known(space);
  if (known == nullptr) return false;
  const auto it = known->find(object.handle());
  return it != known->end() && it->second.object.get() == &object;
}

absl::StatusOr<uint64_t> BackupToken::CostOf(SpaceId space,
                                             const AttributeSet& attributes) {
  const ByteSpan ouid = attributes.Value(CKA_OUID);
  if (const ListingRef known = Known(space); known != nullptr) {
    for (const auto& [handle, listed] : *known) {
      if (base::SameBytes(listed.object->attributes().Value(CKA_OUID), ouid)) {
        return listed.cost;
      }
    }
  }
  return base::Error(CKR_OBJECT_HANDLE_INVALID, "no such object there");
}

absl::StatusOr<hsm_io::ReadManifest::Reply> BackupToken::ReadManifest(
    SpaceId space, uint64_t page) {
  hsm_io::ReadManifest request;
  request.space = space;
  request.page = page;
  return Call(request, space, DeviceLink::kPinBudget);
}

absl::StatusOr<hsm_io::RunForecast::Reply> BackupToken::Forecast(
    const hsm_io::RunForecast& request) {
  return Call(request, request.space);
}

absl::StatusOr<std::unique_ptr<cloning::Endpoint>> BackupToken::MakeEndpoint(
    SpaceId space) {
  if (space == 0) {
    return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                       "objects are cloned to and from a backup partition: "
                       "open a session on its container");
  }
  if (!link_.exists()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the Backup HSM must be initialised first");
  }
  RETURN_IF_ERROR(link_.Open());
  RETURN_IF_ERROR(TellLost(space));
  if (!application(space)->role().has_value()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  }
  // The endpoint may outlive a call, not the token: sessions hold that.
  return std::make_unique<backup::RemoteEndpoint>(
      link_.client(), space, [this, space] { DropListing(space); });
}

}  // namespace pkcs11
