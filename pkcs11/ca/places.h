// What the numbers of CA_ functions mean: slots, container handles, user
// types. A container handle is the partition's SpaceId in its HSM.
#ifndef PERIGEE_PKCS11_CA_PLACES_H_
#define PERIGEE_PKCS11_CA_PLACES_H_

#include <string>
#include <utility>

#include "base/cryptoki.h"
#include "pkcs11/library.h"
#include "pkcs11/output.h"
#include "pkcs11/slots.h"
#include "pkcs11/token.h"

namespace pkcs11::ca {

// Where a container handle asks for the slot's own partition
// (PERIGEE_OWN_CONTAINER).
inline constexpr CK_ULONG kOwnContainer = ~0UL;

// A partition: the token that works on it, and its space there.
struct Place {
  TokenRef token;
  SpaceId space = 0;
};

// The partition that a slot shows. CKR_SLOT_ID_INVALID.
absl::StatusOr<Place> PlaceOf(Library& library, CK_SLOT_ID slot);
// A container of the HSM that the slot belongs to. An application HSM's
// partition is worked on by its own slot's token.
// CKR_CONTAINER_HANDLE_INVALID.
absl::StatusOr<Place> PlaceOf(Library& library, CK_SLOT_ID slot,
                              CK_ULONG container);
// The token that administers the HSM of `slot`.
absl::StatusOr<TokenRef> AdminOf(Library& library, CK_SLOT_ID slot);

// CKR_USER_TYPE_INVALID for a role that the partition does not have.
absl::StatusOr<hsm::Role> RoleOf(bool admin, CK_USER_TYPE user);

// Whether the HSM's state was made; asking makes none.
absl::StatusOr<bool> Exists(Token& token);

// Ends the logins of this process on the HSM's slots: what they were on is
// gone. (A Backup HSM's token ends those on containers itself.)
void LogoutEverywhere(Library& library, const std::string& hsm_name);

// The SO of a partition for the time of one call: opens a session of its own
// and logs in; both end with the object. For what is initialised just now.
class SoForOneCall {
 public:
  static absl::StatusOr<SoForOneCall> Login(Library& library,
                                            const Place& place,
                                            const SecretBytes& pin);
  ~SoForOneCall();
  SoForOneCall(SoForOneCall&& other) noexcept
      : library_(std::exchange(other.library_, nullptr)),
        session_(other.session_) {}
  SoForOneCall& operator=(SoForOneCall&&) = delete;

 private:
  SoForOneCall(Library* library, CK_SESSION_HANDLE session)
      : library_(library), session_(session) {}
  Library* library_;
  CK_SESSION_HANDLE session_;
};

// Policies of what was initialised just now, where nothing can be lost; by the
// SO, for whom it logs in.
absl::Status SetFirstPolicies(Library& library, const Place& place,
                              const SecretBytes& pin,
                              const hsm::PolicyValues& partition,
                              const hsm::PolicyValues& of_hsm);
// The template of a slot's own partition, or of its HSM.
absl::StatusOr<std::string> PolicyTemplateOf(Library& library, CK_SLOT_ID slot,
                                             bool of_hsm);

// Fills an output that the caller may leave out.
template <typename T>
void Tell(T* place, T value) {
  if (place != nullptr) *place = value;
}

}  // namespace pkcs11::ca

#endif  // PERIGEE_PKCS11_CA_PLACES_H_
