// Objects, roles and policies of one partition. Also the admin partition of
// an HSM (space 0), whose roles are HSM SO and Auditor.
//
// Thread-safe. Rules are enforced here: who may see a private object, who may
// make a role, lockout, capacity, cloning policies. Nothing here knows
// sessions or templates of an application; attribute sets arrive resolved
// (hsm/attribute_rules.h).
#ifndef PERIGEE_HSM_PARTITION_H_
#define PERIGEE_HSM_PARTITION_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "hsm/firmware.h"
#include "hsm/object.h"
#include "hsm/policy.h"
#include "hsm/sks_blob.h"
#include "hsm/statement.h"
#include "hsm/store.h"
#include "hsm/vault.h"

namespace hsm {

class Hsm;
enum class AuditWord : uint8_t;
struct DomainRow;  // hsm/partition_state.h

enum class Role : uint8_t {
  kSo = 0,   // HSM SO on the admin partition, Partition SO (PO) elsewhere
  kCo = 1,   // Crypto Officer: CKU_USER
  kCu = 2,   // Crypto User
  kLco = 3,  // Limited Crypto Officer
  kAuditor = 4,
};

struct RoleState {
  bool initialized = false;
  bool locked = false;
  bool must_change_pin = false;
  uint32_t failures = 0;
  uint32_t attempts_left = 0;
};

// What Unlock gives: a role of a partition and the keys that its PIN opened.
// Shared by the operations of one application on one partition; End() wipes
// the keys and makes every later use fail.
class Login {
 public:
  ~Login();
  Role role() const;
  SpaceId space() const;
  bool ended() const;
  void End();
  // The PIN was the role's first one and must be changed before anything else.
  bool must_change_pin() const;

 private:
  friend class Partition;
  friend class Hsm;
  struct State;
  explicit Login(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};
using LoginRef = std::shared_ptr<Login>;

struct PartitionInfo {
  SpaceId space = 0;
  PartitionId id{};
  std::string label;   // as given at its making, later at its initialisation
  std::string serial;  // decimal
  bool initialized = false;
  bool zeroized = false;
  bool backup_container = false;  // made on a Backup HSM
  bool has_domain = false;
  uint8_t version = 0;    // V0, V1
  uint64_t capacity = 0;  // bytes; 0: no limit
};

struct StorageInfo {
  uint64_t overhead = 0;
  uint64_t total = 0;  // CK_UNAVAILABLE_INFORMATION: no limit
  uint64_t used = 0;
  uint64_t free = 0;
  uint64_t objects = 0;
};

// A new object: its resolved attributes with key material; CKA_OUID and
// CKA_UNIQUE_ID are added here unless an origin (cloned object) brings the
// OUID along.
struct NewObject {
  // How it came to be, for the audit log. What another HSM sent is kReceived.
  enum class Making : uint8_t {
    kCreated,
    kGenerated,
    kUnwrapped,
    kDerived,
    kCopied,
    kReceived,
    kInserted,  // of an SKS blob
  };
  AttributeSet attributes;
  std::optional<Statement> origin;
  // The handle of an object that goes in the same group (cloning puts one of
  // the same OUID in its place); CKR_OBJECT_HANDLE_INVALID when it is not
  // there. 0: none.
  uint64_t replaces = 0;
  Making making = Making::kCreated;
  std::string peer = {};  // serial number of the HSM that sent it
  // The caller has looked for its OUID inside the Hsm::Atomically that this is
  // part of, and nobody but `replaces` has it. Without effect elsewhere.
  bool looked_up = false;
};

class Partition {
 public:
  ~Partition();

  // Read from the store when its change counter moved; CKR_DEVICE_REMOVED
  // when the partition was deleted.
  absl::StatusOr<PartitionInfo> Info();
  absl::StatusOr<StorageInfo> Storage();
  absl::StatusOr<Statement> MakeStatement();
  absl::StatusOr<RoleState> State(Role role);
  SpaceId space() const;
  Hsm& hsm() const;
  bool writable() const;

  // --- life cycle -----------------------------------------------------------

  // Initialises or re-initialises (destroys all objects and roles): label and
  // the PO's PIN. Re-initialising needs the present PO's PIN; CKR_PIN_INCORRECT
  // otherwise (counted). Policies stay. `domain`: as SetDomain, or empty for
  // none. On the admin partition this is Hsm::Init.
  absl::Status Init(absl::string_view label, const SecretBytes& so_pin,
                    ByteSpan domain);

  // The KDF runs first, outside every lock; then, in one exclusive section,
  // limit, counter, unwrap, counter. CKR_PIN_INCORRECT (with the reason
  // "zeroized" when it was the one wrong PIN too many), CKR_PIN_LOCKED,
  // CKR_USER_PIN_NOT_INITIALIZED; the Auditor's lock is
  // CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS. A PIN of any length is tried.
  absl::StatusOr<LoginRef> Unlock(Role role, const SecretBytes& pin);

  // PO makes the CO (C_InitPIN too; decisions 17), CO makes CU and LCO.
  // CKR_OPERATION_NOT_ALLOWED, CKR_PIN_LEN_RANGE, CKR_USER_NOT_LOGGED_IN.
  absl::Status InitRole(const Login& by, Role role, const SecretBytes& pin);
  // The Auditor makes itself, on the admin partition, once and with nobody's
  // login. CKR_OPERATION_NOT_ALLOWED when there is one.
  absl::Status InitAuditor(const SecretBytes& pin);
  // Changes a role's PIN; counts a wrong old one. Rewraps one small record.
  absl::Status ChangePin(Role role, const SecretBytes& old_pin,
                         const SecretBytes& new_pin);

  // Once; CKR_CLONING_PARAMETER_ALREADY_EXISTS afterwards. By CO or PO.
  absl::Status SetDomain(const Login& by, ByteSpan domain);
  // The secrets of its domains (48 bytes each), the primary one first, for
  // cloning only; CKR_CLONING_PARAMETER_MISSING.
  absl::StatusOr<std::vector<SecretBytes>> DomainSecrets(const Login& by);
  // Their labels in the same order; none when there is no domain.
  absl::StatusOr<std::vector<std::string>> DomainLabels(const Login& by);
  // A domain of which keys may come in over CPv1, and under which nothing
  // leaves. Once, by CO or PO, beside a first domain
  // (CKR_CLONING_PARAMETER_MISSING); CKR_CLONING_PARAMETER_ALREADY_EXISTS
  // afterwards. Of partitions of an application HSM
  // (CKR_FUNCTION_NOT_SUPPORTED).
  absl::Status SetLegacyDomain(const Login& by, ByteSpan domain);
  // Its secret; empty when there is none.
  absl::StatusOr<SecretBytes> LegacyDomainSecret(const Login& by);
  // What follows is the PO's, on a firmware that has policy 44
  // (CKR_FUNCTION_NOT_SUPPORTED). A label has 1 to 32 bytes of UTF-8
  // (CKR_ARGUMENTS_BAD).

  // Another domain beside the first one, with policy 44 on; it is not primary.
  // CKR_CLONING_PARAMETER_ALREADY_EXISTS for a label or a domain that the
  // partition has, CKR_OPERATION_NOT_ALLOWED for a fourth one or while the
  // policy is off, CKR_CLONING_PARAMETER_MISSING without a first one.
  absl::Status AddDomain(const Login& by, absl::string_view label,
                         ByteSpan domain);
  // Another label for a domain, and making it the primary one.
  // CKR_CLONING_PARAMETER_MISSING when there is none with this label.
  absl::Status ChangeDomain(const Login& by, absl::string_view label,
                            std::optional<absl::string_view> new_label,
                            bool make_primary);
  // CKR_OPERATION_NOT_ALLOWED for the primary one.
  absl::Status DeleteDomain(const Login& by, absl::string_view label);

  // Numbers of the cipher suites that this partition does not offer in CPv4
  // (cloning/cipher_suite.h), ascending. By any role but the Auditor; set by
  // the PO. CKR_FUNCTION_NOT_SUPPORTED on a firmware without CPv4.
  absl::StatusOr<std::vector<uint8_t>> SuitesOff(const Login& by);
  absl::Status SetSuitesOff(const Login& by, const std::vector<uint8_t>& off);

  // The SKS master keys of a V1 partition, by CO or LCO; the primary one is
  // made at the first call. CKR_OPERATION_NOT_ALLOWED on a V0 partition.
  absl::StatusOr<SmkSet> Smks(const Login& by);
  // The primary one as an object, by the CO; CKR_SMK_ID_NOT_FOUND when none was
  // made yet, CKR_OPERATION_NOT_ALLOWED on a V0 partition.
  absl::StatusOr<ObjectRef> SmkAsObject(const Login& by);
  // That of another partition becomes the primary one, and the present one the
  // former; one that was the former there becomes so here too, and never takes
  // the place of a primary one. By the CO. False when it is here already.
  // CKR_OPERATION_NOT_ALLOWED while one rolls over, and on a V0 partition.
  absl::StatusOr<bool> TakeSmk(const Login& by, const Smk& smk,
                               SmkRole role = SmkRole::kPrimary);
  // A new primary key; the former one still opens its blobs, until it is
  // dropped. By the CO. CKR_OPERATION_NOT_ALLOWED while it rolls over, or, for
  // dropping, while it does not.
  absl::Status RollSmk(const Login& by);
  absl::Status DropFormerSmk(const Login& by);

  // --- SKS (docs/formats/sks.md): objects in and out as a blob ---------------

  // The token objects that `by` sees and may extract, handles ascending, as
  // many as one blob holds.
  absl::StatusOr<std::vector<ObjectRef>> AllForSks(
      const LoginRef& by, const SksAuthorisation& authorisation);
  // Bytes of the blob that ExtractSks makes; checks what it checks, and changes
  // nothing but that the first one makes the SMK.
  absl::StatusOr<size_t> SizeOfSks(const Login& by,
                                   absl::Span<const ObjectRef> objects,
                                   const SksAuthorisation& authorisation);
  // Objects that `by` sees, of sessions too, under the primary SMK. By CO or
  // LCO of a V1 partition. `destroy`: the token objects among them go, all or
  // none; CKR_FUNCTION_FAILED when one was changed since it was looked up.
  // CKR_BUFFER_TOO_SMALL, and nothing went, when the blob has more bytes than
  // `room`.
  // LUNA_RET_OPERATION_RESTRICTED (policies 3 and 7) and the errors of SealSks.
  absl::StatusOr<Bytes> ExtractSks(const Login& by,
                                   absl::Span<const ObjectRef> objects,
                                   const SksAuthorisation& authorisation,
                                   bool destroy, size_t room = kLargestSksBlob);
  // The objects of a blob that this partition may have, complete and in their
  // stored form, each with an origin; nothing is stored. By CO or LCO, and to
  // sign by CU too. LUNA_RET_OPERATION_RESTRICTED by the compatibility matrix
  // or policies 3 and 7, and the errors of hsm::OpenSks and Resolve.
  enum class SksUse : uint8_t { kInsert, kSign };
  absl::StatusOr<std::vector<SksObject>> OpenSks(
      const Login& by, ByteSpan blob, const SksAuthorisation& authorisation,
      SksUse use);
  // Whether the policies let this object be in a blob.
  absl::Status CheckSks(const AttributeSet& attributes);

  absl::Status ChangeLabel(const Login& by, absl::string_view label);

  // --- audit ---------------------------------------------------------------
  // What has no change of its own is recorded by those who know of it. Errors
  // only where the partition's log is `closed`.

  // The end of a login is never refused.
  void NoteLogout(Role role);
  // `word`: kKeyUsed, or kObjectWrapped for a key that leaves wrapped.
  absl::Status NoteUse(AuditWord word, const Login* login, const Object& key,
                       CK_ATTRIBUTE_TYPE usage, CK_MECHANISM_TYPE mechanism);
  // Objects that leave for the HSM with the serial number `peer`.
  absl::Status NoteSent(const Login& login, absl::Span<const ObjectRef> objects,
                        absl::string_view peer);

  // --- policies ------------------------------------------------------------

  absl::StatusOr<PolicyValues> Policies();
  absl::StatusOr<uint64_t> Policy(uint32_t number);
  // What the model and firmware allow at most.
  absl::StatusOr<PolicyValues> Capabilities();
  // By the PO. Several at once are checked together: the errors of
  // ApplyPolicies and CheckPartitionDependencies. A destructive change without
  // `allow_destructive`: LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE; with it the
  // objects and the roles CO, CU and LCO are destroyed, while the PO, its login
  // `by`, label and domain stay.
  absl::Status SetPolicies(const Login& by, const PolicyValues& changes,
                           bool allow_destructive);

  // --- objects ---------------------------------------------------------------
  // `login` may be null: then only objects with CKA_PRIVATE false exist.

  // All or none; durable when OK. Handles or editions in order.
  // CKR_DEVICE_MEMORY when the partition is full
  // (CKR_CONTAINER_OBJECT_STORAGE_FULL in a backup container), or an object is
  // over 56 KiB encoded. CKR_OBJECT_ALREADY_EXISTS when one brings an OUID that
  // another object has.
  absl::StatusOr<std::vector<uint64_t>> Create(Login* login,
                                               std::vector<NewObject> objects);
  // The same, and `objects` stay, with the identity that they were given.
  absl::StatusOr<std::vector<Edition>> CreateAll(Login* login,
                                                 absl::Span<NewObject> objects);
  // CKR_OBJECT_HANDLE_INVALID when it is not there or not to be seen.
  // CKR_DEVICE_ERROR when its record was tampered with.
  absl::StatusOr<ObjectRef> Get(Login* login, uint64_t handle);
  // Handles in ascending order. Private objects only with a login that has
  // K_private. A tampered record is left out and reported in the log. A search
  // by CKA_OUID is an index look-up.
  absl::StatusOr<std::vector<uint64_t>> Find(Login* login,
                                             const AttributeSet& pattern);
  // For each identity the object that has it; null when none has, an error when
  // its record was tampered with.
  absl::StatusOr<std::vector<absl::StatusOr<ObjectRef>>> FindOuids(
      Login* login, absl::Span<const Ouid> ouids);
  // Handles in ascending order of all that this login may see, none of them
  // opened: also of records that Find leaves out; a backup tells of each.
  absl::StatusOr<std::vector<uint64_t>> Handles(Login* login);
  // How many those are.
  absl::StatusOr<uint64_t> Count(Login* login);
  // The editions of the same, ascending, after the freshness of all was
  // checked; none of them opened. Empty when the store was tampered with:
  // whoever then opens them finds out which are damaged.
  absl::StatusOr<std::vector<Edition>> Editions(Login* login);
  // Of these, which the caller has opened or stored in the Hsm::Atomically that
  // this is part of: not checked.
  absl::StatusOr<std::vector<Edition>> EditionsOf(
      Login* login, absl::Span<const uint64_t> handles);
  // Those that Find leaves out, for whoever must not pass over them.
  absl::StatusOr<std::vector<uint64_t>> FindTampered(Login* login);
  // Replaces `object`'s attributes by a resolved set; the old snapshot is
  // retired.
  absl::StatusOr<ObjectRef> Replace(Login* login, const Object& object,
                                    AttributeSet attributes) {
    return ReplaceAs(Who::kOfficer, login, object, std::move(attributes));
  }
  absl::Status Destroy(Login* login, uint64_t handle);
  // Destroys all objects (the shell's `partition clear`); CO.
  absl::Status Clear(Login* login);

  // True while no process has replaced or destroyed `object`; nanoseconds when
  // the change counter stands still. To be asked at each Init.
  bool IsCurrent(Login* login, const Object& object);
  // Store::Generation of this space: while it is the same (and not kBusy), what
  // IsCurrent said of an object that is not retired holds for the same login.
  uint64_t Generation() const;

  // What the object costs of the partition's storage, in bytes.
  uint64_t CostOf(const AttributeSet& attributes) const;
  // The same of attributes of which only the encoded size is known.
  uint64_t CostOfEncoded(uint64_t size) const;

  // Whether the partition's policies let this object be cloned out
  // (policies 0 and 4, HSM policy 7).
  absl::Status CheckExport(const AttributeSet& attributes);

 private:
  friend class Hsm;
  friend class KeyRights;
  struct State_;
  // Who may change a private object.
  enum class Who : uint8_t { kOfficer, kAnyUser };
  absl::StatusOr<ObjectRef> ReplaceAs(Who who, Login* login,
                                      const Object& object,
                                      AttributeSet attributes);
  // What the CO says a key was used.
  absl::Status NoteUsesSet(const Login& login, const Object& key,
                           uint64_t uses);
  // Authorisation data that was wrong.
  absl::Status NoteKeyRefused(const Login* login, const Object& key,
                              uint64_t left);
  explicit Partition(std::unique_ptr<State_> state);
  // `change` runs in the transaction; `word` tells of it in the audit log.
  absl::Status ChangeSmks(const Login& by, AuditWord word,
                          absl::FunctionRef<absl::Status(SmkSet&)> change);
  // The same of domains.
  absl::Status ChangeDomains(
      const Login& by, AuditWord word,
      absl::FunctionRef<absl::Status(std::vector<DomainRow>&)> change);
  std::unique_ptr<State_> state_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_PARTITION_H_
