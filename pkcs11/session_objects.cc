#include "pkcs11/session_objects.h"

#include <atomic>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/crypto.h"
#include "hsm/attribute_rules.h"

namespace pkcs11 {
namespace {

// One for the process, so that no handle stands for objects of two tokens.
std::atomic<CK_OBJECT_HANDLE> next_handle{hsm::kFirstSessionHandle};

absl::Status AddIdentifiers(hsm::AttributeSet& attributes) {
  ASSIGN_OR_RETURN(const base::Bytes random, base::RandomBytes(28));
  const base::ByteSpan all(random);
  std::string unique = absl::BytesToHexString(base::AsText(all.subspan(0, 16)));
  for (const size_t at : {8, 13, 18, 23}) unique.insert(at, "-");
  attributes.SetText(CKA_UNIQUE_ID, unique);
  if (!attributes.Has(CKA_OUID)) {
    attributes.Set(CKA_OUID, all.subspan(16));
  }
  return absl::OkStatus();
}

absl::Status NoSuchObject() {
  return base::Error(CKR_OBJECT_HANDLE_INVALID, "no such session object");
}

// Values that may not be read must not be found out by searching either.
bool MayMatch(const hsm::AttributeSet& attributes,
              const hsm::AttributeSet& pattern) {
  for (const auto& entry : pattern.entries()) {
    if (hsm::ReadabilityOf(attributes, entry.type) !=
        hsm::Readability::kReadable) {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> SessionObjects::Create(
    CK_SESSION_HANDLE owner, std::vector<hsm::AttributeSet> objects) {
  for (hsm::AttributeSet& attributes : objects) {
    RETURN_IF_ERROR(AddIdentifiers(attributes));
  }
  std::vector<CK_OBJECT_HANDLE> handles;
  absl::MutexLock lock(&mu_);
  for (hsm::AttributeSet& attributes : objects) {
    const CK_OBJECT_HANDLE handle = next_handle.fetch_add(1);
    objects_.emplace(handle,
                     Held{owner, std::make_shared<hsm::Object>(
                                     handle, 1, std::move(attributes))});
    handles.push_back(handle);
  }
  return handles;
}

absl::StatusOr<hsm::ObjectRef> SessionObjects::Get(CK_OBJECT_HANDLE handle,
                                                   bool see_private) const {
  absl::ReaderMutexLock lock(&mu_);
  const auto it = objects_.find(handle);
  if (it == objects_.end()) return NoSuchObject();
  const hsm::ObjectRef& object = it->second.object;
  if (object->is_private() && !see_private) return NoSuchObject();
  return object;
}

std::vector<CK_OBJECT_HANDLE> SessionObjects::Find(
    const hsm::AttributeSet& pattern, bool see_private) const {
  std::vector<CK_OBJECT_HANDLE> found;
  absl::ReaderMutexLock lock(&mu_);
  for (const auto& [handle, held] : objects_) {
    const hsm::Object& object = *held.object;
    if (object.is_private() && !see_private) continue;
    if (!object.attributes().Matches(pattern)) continue;
    if (MayMatch(object.attributes(), pattern)) found.push_back(handle);
  }
  return found;
}

absl::StatusOr<hsm::ObjectRef> SessionObjects::Replace(
    const hsm::Object& object, hsm::AttributeSet attributes) {
  absl::MutexLock lock(&mu_);
  const auto it = objects_.find(object.handle());
  if (it == objects_.end()) return NoSuchObject();
  if (it->second.object.get() != &object) {
    return base::Error(CKR_FUNCTION_FAILED,
                       "another thread changed the object");
  }
  auto replaced = std::make_shared<hsm::Object>(
      object.handle(), object.version() + 1, std::move(attributes));
  object.Retire();
  object.DropDecoded();
  it->second.object = replaced;
  return hsm::ObjectRef(std::move(replaced));
}

template <typename Doomed>
void SessionObjects::DestroyIf(Doomed doomed) {
  absl::MutexLock lock(&mu_);
  for (auto it = objects_.begin(); it != objects_.end();) {
    if (!doomed(it->second)) {
      ++it;
      continue;
    }
    it->second.object->Retire();
    it->second.object->DropDecoded();
    it = objects_.erase(it);
  }
}

absl::Status SessionObjects::Destroy(CK_OBJECT_HANDLE handle) {
  absl::MutexLock lock(&mu_);
  const auto it = objects_.find(handle);
  if (it == objects_.end()) return NoSuchObject();
  it->second.object->Retire();
  it->second.object->DropDecoded();
  objects_.erase(it);
  return absl::OkStatus();
}

void SessionObjects::DestroyOf(CK_SESSION_HANDLE owner) {
  DestroyIf([owner](const Held& held) { return held.owner == owner; });
}

void SessionObjects::DestroyPrivate() {
  DestroyIf([](const Held& held) { return held.object->is_private(); });
}

void SessionObjects::DestroyAll() {
  DestroyIf([](const Held&) { return true; });
}

}  // namespace pkcs11
