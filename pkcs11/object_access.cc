#include "pkcs11/object_access.h"

#include <utility>

#include "hsm/attribute_rules.h"
#include "pkcs11/built_in_objects.h"

namespace pkcs11 {
namespace {

// Session objects, unless the session or the login ended while they were made.
absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> CreateSessionObjects(
    Session& session, std::vector<AttributeSet> objects) {
  Application& application = session.application();
  const uint64_t epoch = application.epoch();
  bool any_private = false;
  for (const AttributeSet& object : objects) {
    any_private |= object.IsTrue(CKA_PRIVATE);
  }
  if (any_private && !application.user_logged_in()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  }
  ASSIGN_OR_RETURN(
      std::vector<CK_OBJECT_HANDLE> handles,
      application.objects().Create(session.handle(), std::move(objects)));
  absl::Status still = session.CheckUsable();
  if (still.ok() && any_private && application.epoch() != epoch) {
    still = base::Error(CKR_USER_NOT_LOGGED_IN, "the login ended");
  }
  if (still.ok()) return handles;
  for (const CK_OBJECT_HANDLE handle : handles) {
    application.objects().Destroy(handle).IgnoreError();
  }
  return still;
}

// Only token keys count and want authorisation: counts outlive processes.
absl::Status CheckNoRights(const AttributeSet& object) {
  if (object.Has(CKA_AUTH_DATA) || object.IsTrue(CKA_ASSIGNED)) {
    return base::Error(CKR_AUTH_DATA_NOT_ALLOWED, "of token keys only");
  }
  if (!hsm::CountsUses(object)) return absl::OkStatus();
  return base::Error(CKR_TEMPLATE_INCONSISTENT,
                     "CKA_USAGE_LIMIT is of token keys only");
}

}  // namespace

hsm::ResolveContext ContextOf(const Session& session) {
  hsm::ResolveContext context;
  context.is_so = session.application().so_logged_in();
  context.logged_in = session.application().user_logged_in();
  context.strict = session.token().profile() == Profile::kStrict;
  return context;
}

void NoteMaking(Session& session, const Mechanism& mechanism, Service service,
                const AttributeSet* parent, absl::Span<AttributeSet> made) {
  bool approved = IsApprovedService(mechanism, service, parent);
  for (const AttributeSet& object : made) {
    approved &= IsApprovedService(mechanism, service, &object);
  }
  session.NoteService(approved);
  for (AttributeSet& object : made) {
    const hsm::ObjectType* type = hsm::FindObjectType(object);
    if (type == nullptr ||
        hsm::FindRule(*type, CKA_OBJECT_VALIDATION_FLAGS) == nullptr) {
      continue;
    }
    object.SetUlong(CKA_OBJECT_VALIDATION_FLAGS,
                    approved ? kApprovedService : 0);
  }
}

absl::Status MayWrite(const Session& session, const AttributeSet& object) {
  if (!session.token().has_crypto()) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "a Backup HSM keeps backups only");
  }
  if (session.application().must_change_pin()) {
    return base::Error(CKR_PIN_EXPIRED, "the first PIN must be changed");
  }
  if (!object.IsTrue(CKA_TOKEN)) return absl::OkStatus();
  if (!session.read_write()) {
    return base::Error(CKR_SESSION_READ_ONLY,
                       "token objects are changed in read/write sessions");
  }
  if (!session.token().writable()) {
    return base::Error(CKR_TOKEN_WRITE_PROTECTED, "");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> CreateObjects(
    Session& session, Making making, std::vector<AttributeSet> objects) {
  std::vector<hsm::NewObject> made;
  for (AttributeSet& object : objects) {
    made.push_back({.attributes = std::move(object), .making = making});
  }
  return CreateObjects(session, std::move(made));
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> CreateObjects(
    Session& session, std::vector<hsm::NewObject> objects) {
  std::vector<hsm::NewObject> durable;
  std::vector<AttributeSet> passing;
  std::vector<bool> is_durable;
  for (hsm::NewObject& object : objects) {
    RETURN_IF_ERROR(MayWrite(session, object.attributes));
    is_durable.push_back(object.attributes.IsTrue(CKA_TOKEN));
    if (!is_durable.back()) {
      RETURN_IF_ERROR(CheckNoRights(object.attributes));
    }
    if (is_durable.back()) {
      durable.push_back(std::move(object));
    } else {
      passing.push_back(std::move(object.attributes));
    }
  }
  std::vector<uint64_t> kept;
  if (!durable.empty()) {
    ASSIGN_OR_RETURN(
        kept, session.token().Create(session.space(), std::move(durable)));
  }
  std::vector<CK_OBJECT_HANDLE> held;
  if (!passing.empty()) {
    auto made = CreateSessionObjects(session, std::move(passing));
    if (!made.ok()) {
      for (const uint64_t handle : kept) {
        session.token().Destroy(session.space(), handle).IgnoreError();
      }
      return made.status();
    }
    held = *std::move(made);
  }
  std::vector<CK_OBJECT_HANDLE> handles;
  size_t next_kept = 0;
  size_t next_held = 0;
  for (const bool durably : is_durable) {
    handles.push_back(durably ? kept[next_kept++] : held[next_held++]);
  }
  return handles;
}

absl::StatusOr<CK_OBJECT_HANDLE> CreateObject(Session& session, Making making,
                                              AttributeSet object) {
  std::vector<AttributeSet> one;
  one.push_back(std::move(object));
  ASSIGN_OR_RETURN(const auto handles,
                   CreateObjects(session, making, std::move(one)));
  return handles.front();
}

absl::Status ReplaceObject(Session& session, const hsm::Object& object,
                           AttributeSet attributes) {
  if (IsSessionObject(object.handle())) {
    return session.application()
        .objects()
        .Replace(object, std::move(attributes))
        .status();
  }
  return session.token()
      .Replace(session.space(), object, std::move(attributes))
      .status();
}

absl::Status DestroyObject(Session& session, const hsm::Object& object) {
  if (IsSessionObject(object.handle())) {
    return session.application().objects().Destroy(object.handle());
  }
  return session.token().Destroy(session.space(), object.handle());
}

void Merge(const AttributeSet& extra, AttributeSet& set) {
  for (const auto& entry : extra.entries()) {
    if (entry.nested != nullptr) {
      set.SetNested(entry.type, *entry.nested);
    } else {
      set.Set(entry.type, ByteSpan(entry.value.data(), entry.value.size()));
    }
  }
}

void SetKeyValue(ByteSpan value, AttributeSet& key) {
  key.Set(CKA_VALUE, value);
  const hsm::ObjectType* type = hsm::FindObjectType(key);
  if (type != nullptr && hsm::FindRule(*type, CKA_VALUE_LEN) != nullptr) {
    key.SetUlong(CKA_VALUE_LEN, value.size());
  }
}

}  // namespace pkcs11
