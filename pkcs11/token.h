// What sits in a slot. LocalToken (local_token.h) is a partition of an HSM in
// this process, or the HSM's admin partition; BackupToken (backup_token.h) is
// a Backup HSM over the device link.
//
// A token may hold more than one place for objects: the slot's own partition
// and, on an admin or Backup HSM slot, the HSM's containers. All of them are
// named by their SpaceId; a session is opened on one. What a kind of token does
// not do answers CKR_FUNCTION_NOT_SUPPORTED, which is every default here.
#ifndef PERIGEE_PKCS11_TOKEN_H_
#define PERIGEE_PKCS11_TOKEN_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/cryptoki.h"
#include "base/secret_bytes.h"
#include "hsm/hsm.h"
#include "hsm/key_rights.h"
#include "hsm/partition.h"
#include "pkcs11/application.h"
#include "pkcs11/mechanism.h"

namespace cloning {
class Endpoint;
}

namespace pkcs11 {

using base::ByteSpan;
using base::SecretBytes;
using hsm::AttributeSet;
using hsm::SpaceId;

// C_GetSlotInfo, as text and numbers; api/slots.cc pads.
struct SlotFacts {
  std::string description;
  std::string manufacturer;
  bool token_present = true;
  bool removable = false;
  bool hardware = false;
  hsm::FirmwareVersion firmware;
};

// C_GetTokenInfo without what the library knows itself (session counts).
struct TokenFacts {
  std::string label;
  std::string manufacturer;
  std::string model;
  std::string serial;
  CK_FLAGS flags = 0;  // CKF_*, true to the state
  CK_ULONG min_pin = 0;
  CK_ULONG max_pin = 0;
  CK_ULONG total_memory = CK_UNAVAILABLE_INFORMATION;
  CK_ULONG free_memory = CK_UNAVAILABLE_INFORMATION;
  hsm::FirmwareVersion firmware;
};

// What a partition brings to cloning.
struct CloningFacts {
  std::vector<uint8_t> protocols;  // that it offers now, ascending
  std::string why_not_cpv4;        // empty: it offers it
  std::vector<uint8_t> suites_off;
};

// Thread-safe. Owned by Slots, kept alive by its sessions. Calls may wait for
// disk or device; only session locks may be held.
class Token {
 public:
  explicit Token(CK_SLOT_ID slot) : slot_(slot) {}
  virtual ~Token();
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  CK_SLOT_ID slot() const { return slot_; }
  // The partition that C_OpenSession opens.
  virtual SpaceId own_space() const = 0;
  // The HSM's name in the configuration.
  virtual const std::string& hsm_name() const = 0;
  // An HSM's admin partition (its roles are HSM SO and Auditor).
  bool is_admin() const { return own_space() == 0; }

  // --- what the slot shows ---------------------------------------------------

  virtual SlotFacts Slot() = 0;
  // CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_REMOVED, ...
  virtual absl::StatusOr<TokenFacts> Facts() = 0;
  // Whether C_* cryptography works here: if not, no mechanism is listed and
  // every such call is CKR_FUNCTION_NOT_SUPPORTED.
  virtual bool has_crypto() const { return false; }
  // The certificates that its HSM shows of itself, its own first and that of
  // its fleet last; CKR_TOKEN_NOT_PRESENT, CKR_CERTIFICATE_DATA_MISSING.
  virtual absl::StatusOr<std::vector<base::Certificate>> Certificates();
  // By the partition's configuration.
  virtual Profile profile() const { return Profile::kStrict; }
  // Whether the token can be changed at all (a read-only file system).
  virtual bool writable() { return true; }

  // --- sessions and logins
  // ----------------------------------------------------

  // CKR_CONTAINER_HANDLE_INVALID when a session cannot be opened on `space`.
  // A BackupToken opens its channel here.
  virtual absl::Status Connect(SpaceId space) = 0;
  // A BackupToken closes its channel; nobody has a session.
  virtual void Disconnect() {}
  // This process's state on `space`; the same object as long as the token.
  std::shared_ptr<Application> application(SpaceId space);
  // Everything that has one.
  std::vector<std::shared_ptr<Application>> applications();
  std::vector<SpaceId> spaces_in_use();  // theirs

  // Checks the PIN and records the login for the whole process. Ending the
  // operations of sessions is not needed here, nothing ran under a login.
  absl::Status Login(SpaceId space, hsm::Role role, const SecretBytes& pin);
  // CKR_USER_NOT_LOGGED_IN when nobody is. Destroys private session objects;
  // the sessions' operations are ended by the caller (Library::Logout).
  absl::Status Logout(SpaceId space);
  // CKU_CONTEXT_SPECIFIC: the PIN of the role that is logged in, once more.
  absl::Status VerifyPin(SpaceId space, const SecretBytes& pin);

  // --- life cycle and roles
  // ----------------------------------------------------

  // C_InitToken: `partition init` of the own space, `hsm init` on an admin
  // slot. `domain` empty: none.
  virtual absl::Status InitToken(absl::string_view label,
                                 const SecretBytes& so_pin, ByteSpan domain);
  // The same for a container.
  virtual absl::Status InitContainer(SpaceId space, absl::string_view label,
                                     const SecretBytes& so_pin,
                                     ByteSpan domain);
  // By the role that is logged in.
  virtual absl::Status InitRole(SpaceId space, hsm::Role role,
                                const SecretBytes& pin);
  virtual absl::Status ChangePin(SpaceId space, hsm::Role role,
                                 const SecretBytes& old_pin,
                                 const SecretBytes& new_pin);
  virtual absl::StatusOr<hsm::RoleState> RoleState(SpaceId space,
                                                   hsm::Role role);
  virtual absl::Status SetDomain(SpaceId space, ByteSpan domain);
  virtual absl::Status SetLegacyDomain(SpaceId space, ByteSpan domain);
  virtual absl::Status ChangeLabel(SpaceId space, absl::string_view label);
  // By the role that is logged in; changes by the SO. hsm::Partition's
  // functions of these names.
  virtual absl::StatusOr<std::vector<std::string>> DomainLabels(SpaceId space);
  virtual absl::Status AddDomain(SpaceId space, absl::string_view label,
                                 ByteSpan domain);
  virtual absl::Status ChangeDomain(SpaceId space, absl::string_view label,
                                    std::optional<absl::string_view> new_label,
                                    bool make_primary);
  virtual absl::Status DeleteDomain(SpaceId space, absl::string_view label);
  virtual absl::StatusOr<CloningFacts> Cloning(SpaceId space);
  virtual absl::Status SetSuitesOff(SpaceId space,
                                    const std::vector<uint8_t>& off);

  // --- objects
  // ------------------------------------------------------------------- Token
  // objects of `space`, as the application's login there may see them.

  virtual absl::StatusOr<std::vector<uint64_t>> Create(
      SpaceId space, std::vector<hsm::NewObject> objects);
  virtual absl::StatusOr<hsm::ObjectRef> Get(SpaceId space, uint64_t handle);
  virtual absl::StatusOr<std::vector<uint64_t>> Find(
      SpaceId space, const AttributeSet& pattern);
  virtual absl::StatusOr<hsm::ObjectRef> Replace(SpaceId space,
                                                 const hsm::Object& object,
                                                 AttributeSet attributes);
  virtual absl::Status Destroy(SpaceId space, uint64_t handle);
  virtual absl::Status Clear(SpaceId space);  // all objects
  // Those that Find leaves out because their records were changed.
  virtual absl::StatusOr<std::vector<uint64_t>> FindTampered(SpaceId space);
  virtual bool IsCurrent(SpaceId space, const hsm::Object& object);
  // hsm::Partition::Generation; hsm::Store::kBusy when it is not known.
  virtual uint64_t Generation(SpaceId space);
  // Bytes of the token's storage.
  virtual absl::StatusOr<uint64_t> CostOf(SpaceId space,
                                          const AttributeSet& attributes);
  // The partition's policy on wrapping this object out (wrap true) or
  // unwrapping one of its class: CKR_KEY_NOT_WRAPPABLE,
  // CKR_OPERATION_NOT_ALLOWED.
  virtual absl::Status CheckWrapPolicy(SpaceId space, bool wrap,
                                       CK_OBJECT_CLASS object_class);

  // --- SKS: hsm::Partition's functions of these names ------------------------

  // Whether the login could clone an SKS master key out.
  // Its SKS master keys that may be sent: the primary one and, while it rolls
  // over, behind it the former one.
  virtual absl::StatusOr<std::vector<uint64_t>> SmkHandles(SpaceId /*space*/) {
    return std::vector<uint64_t>();
  }
  // Begins, or ends, the rollover of its key (PERIGEE_SmkRollover).
  virtual absl::Status RollSmk(SpaceId space, bool begin);
  virtual absl::StatusOr<std::vector<hsm::ObjectRef>> AllForSks(
      SpaceId space, const hsm::SksAuthorisation& authorisation);
  virtual absl::StatusOr<size_t> SizeOfSks(
      SpaceId space, absl::Span<const hsm::ObjectRef> objects,
      const hsm::SksAuthorisation& authorisation);
  virtual absl::StatusOr<base::Bytes> ExtractSks(
      SpaceId space, absl::Span<const hsm::ObjectRef> objects,
      const hsm::SksAuthorisation& authorisation, bool destroy, size_t room);
  virtual absl::StatusOr<std::vector<hsm::SksObject>> OpenSks(
      SpaceId space, ByteSpan blob, const hsm::SksAuthorisation& authorisation,
      hsm::Partition::SksUse use);

  // The rights of single token keys, by the login on `space` if there is one.
  virtual absl::StatusOr<hsm::KeyRights> KeyRightsOn(SpaceId space);

  // --- audit
  // ------------------------------------------------------------------------
  // A use of a key, where the partition records it; and a token key that
  // leaves, wrapped. Errors only where its log is `closed`.

  virtual absl::Status NoteUse(SpaceId, const hsm::Object& /*key*/,
                               CK_ATTRIBUTE_TYPE /*usage*/, CK_MECHANISM_TYPE) {
    return absl::OkStatus();
  }
  virtual absl::Status NoteWrapped(SpaceId, const hsm::Object& /*key*/,
                                   CK_MECHANISM_TYPE) {
    return absl::OkStatus();
  }

  // The log of the HSM that the slot belongs to; lives as long as the token.
  // CKR_TOKEN_NOT_PRESENT while there is no state.
  virtual absl::StatusOr<hsm::AuditLog*> AuditLog();

  // --- administration (CA_*), by the role that is logged in
  // ---------------------

  virtual absl::StatusOr<hsm::HsmInfo> Hsm();
  virtual absl::StatusOr<bool> InApprovedMode();
  // The HSM's clock: the host's where it is not set or not in this process.
  virtual absl::StatusOr<hsm::Hsm::ClockReading> Clock();
  virtual absl::Status SetClock(uint64_t seconds);
  virtual absl::StatusOr<hsm::PolicyValues> HsmCapabilities();
  virtual absl::StatusOr<hsm::PolicyValues> HsmPolicies();
  virtual absl::Status SetHsmPolicies(const hsm::PolicyValues& changes,
                                      bool allow_destructive);
  virtual absl::StatusOr<hsm::StorageInfo> HsmStorage();
  virtual absl::Status ZeroizeHsm();
  virtual absl::Status FactoryResetHsm();
  // hsm::Hsm::InstallFirmware, RollbackFirmware.
  virtual absl::Status UpdateFirmware(ByteSpan image, ByteSpan code);
  virtual absl::Status RollbackFirmware();
  // hsm::Hsm's functions of these names; those by the SO, where there is one.
  virtual absl::StatusOr<hsm::Condition> GetCondition();
  virtual absl::StatusOr<hsm::TransportStrings> EnterTransport();
  virtual absl::StatusOr<std::string> TransportVerification(
      absl::string_view user);
  virtual absl::Status LeaveTransport();
  virtual absl::Status Tamper();
  virtual absl::Status ClearTamper();

  virtual absl::StatusOr<std::vector<hsm::PartitionInfo>> Containers();
  virtual absl::StatusOr<uint32_t> AllowedContainers();
  virtual absl::StatusOr<SpaceId> CreateContainer(
      const hsm::PartitionSpec& spec);
  virtual absl::Status DeleteContainer(SpaceId space);
  virtual absl::Status ResizeContainer(SpaceId space, uint64_t capacity);

  virtual absl::StatusOr<hsm::PartitionInfo> Container(SpaceId space);
  virtual absl::StatusOr<hsm::StorageInfo> ContainerStorage(SpaceId space);
  virtual absl::StatusOr<hsm::PolicyValues> ContainerCapabilities(
      SpaceId space);
  virtual absl::StatusOr<hsm::PolicyValues> ContainerPolicies(SpaceId space);
  virtual absl::Status SetContainerPolicies(SpaceId space,
                                            const hsm::PolicyValues& changes,
                                            bool allow_destructive);

  // --- cloning
  // ----------------------------------------------------------------------

  // `space` as source or target, under the application's login there. Holds
  // the login; its end ends the run.
  virtual absl::StatusOr<std::unique_ptr<cloning::Endpoint>> MakeEndpoint(
      SpaceId space);

 protected:
  struct Authenticated {
    hsm::LoginRef login;  // null: it lives on the device
    bool must_change_pin = false;
  };
  // Checks the PIN. A token that keeps logins on a device remembers it there.
  virtual absl::StatusOr<Authenticated> Authenticate(SpaceId space,
                                                     hsm::Role role,
                                                     const SecretBytes& pin);
  // The process's login on `space` ended (also when recording it failed).
  virtual void Deauthenticate(SpaceId space);
  virtual void NoteLogout(SpaceId, hsm::Role) {}
  // For VerifyPin; the default authenticates and drops the result.
  virtual absl::Status CheckPin(SpaceId space, hsm::Role role,
                                const SecretBytes& pin);

 private:
  const CK_SLOT_ID slot_;
  absl::Mutex mu_;
  std::map<SpaceId, std::shared_ptr<Application>> applications_
      ABSL_GUARDED_BY(mu_);
};

using TokenRef = std::shared_ptr<Token>;

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_TOKEN_H_
