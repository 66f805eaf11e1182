// Making, changing and destroying objects through a session: the rules of
// sessions, in front of what the token and the resolved attributes allow.
#ifndef PERIGEE_PKCS11_OBJECT_ACCESS_H_
#define PERIGEE_PKCS11_OBJECT_ACCESS_H_

#include <vector>

#include "hsm/attribute_rules.h"
#include "pkcs11/approved.h"
#include "pkcs11/session.h"

namespace pkcs11 {

// What Resolve must know of a session.
hsm::ResolveContext ContextOf(const Session& session);

// Notes in the session and in the new objects whether the service that made
// them is approved (CKA_OBJECT_VALIDATION_FLAGS). `parent`: the key that took
// part, null for generation.
void NoteMaking(Session& session, const Mechanism& mechanism, Service service,
                const AttributeSet* parent, absl::Span<AttributeSet> made);

// Whether the session may make or change an object like this:
// CKR_SESSION_READ_ONLY, CKR_TOKEN_WRITE_PROTECTED, CKR_PIN_EXPIRED,
// CKR_FUNCTION_NOT_SUPPORTED on a token without cryptography.
absl::Status MayWrite(const Session& session, const AttributeSet& object);

// Keeps new objects (resolved, with key material), handles in order. Token
// objects of one call are durable together or not at all, and come first.
// `making` is for the audit log.
using Making = hsm::NewObject::Making;
absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> CreateObjects(
    Session& session, Making making, std::vector<AttributeSet> objects);
// The same with an origin and how each came to be.
absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> CreateObjects(
    Session& session, std::vector<hsm::NewObject> objects);
absl::StatusOr<CK_OBJECT_HANDLE> CreateObject(Session& session, Making making,
                                              AttributeSet object);

absl::Status ReplaceObject(Session& session, const hsm::Object& object,
                           AttributeSet attributes);
absl::Status DestroyObject(Session& session, const hsm::Object& object);

// Puts all of `extra` into `set`.
void Merge(const AttributeSet& extra, AttributeSet& set);

// Gives a secret key its value, and its length where its type has one.
void SetKeyValue(ByteSpan value, AttributeSet& key);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_OBJECT_ACCESS_H_
