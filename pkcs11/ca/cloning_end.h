// One end of what CA_ functions clone: a partition on which this process is
// logged in.
#ifndef PERIGEE_PKCS11_CA_CLONING_END_H_
#define PERIGEE_PKCS11_CA_CLONING_END_H_

#include <memory>

#include "cloning/endpoint.h"
#include "pkcs11/library.h"

namespace pkcs11::ca {

struct CloningEnd {
  Token* token;
  SpaceId space;
  std::shared_ptr<Application> application;

  static CloningEnd Of(Token& token, SpaceId space) {
    return {&token, space, token.application(space)};
  }
  static CloningEnd Of(const SessionRef& session) {
    return Of(session->token(), session->space());
  }

  absl::StatusOr<std::unique_ptr<cloning::Endpoint>> MakeEndpoint() const {
    return token->MakeEndpoint(space);
  }
  cloning::RunTable& runs() const { return application->runs(); }
};

// The session, which must be read/write: CKR_SESSION_READ_ONLY.
absl::StatusOr<SessionRef> TargetSession(Library& library,
                                         CK_SESSION_HANDLE handle);

// Sends one object, in the run that the last call left open between the two
// ends, or in a new one. Its handle at the target.
absl::StatusOr<uint64_t> CloneOne(const CloningEnd& source,
                                  const CloningEnd& target, uint64_t handle);

}  // namespace pkcs11::ca

#endif  // PERIGEE_PKCS11_CA_CLONING_END_H_
