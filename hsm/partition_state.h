// The inside of Partition and Login, shared by partition*.cc. Private to hsm;
// the format of the records is docs/formats/hsm.md.
#ifndef PERIGEE_HSM_PARTITION_STATE_H_
#define PERIGEE_HSM_PARTITION_STATE_H_

#include <atomic>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "hsm/audit_line.h"
#include "hsm/hsm_core.h"
#include "hsm/known_ouids.h"
#include "hsm/object_cache.h"
#include "hsm/partition.h"

namespace hsm {

// --- what is stored ----------------------------------------------------------

struct PartitionRecord {
  uint8_t format = kRecordFormat;
  PartitionId id{};
  // Counts everything that ends all logins, and K_public is new with each;
  // `born` is its value at the last initialisation and part of every label
  // that a role's keys are wrapped under.
  uint64_t incarnation = 1;
  uint64_t born = 1;
  std::string label;
  std::string serial;
  bool initialized = false;
  bool zeroized = false;
  bool has_domain = false;
  uint64_t capacity = 0;  // 0: no limit of its own
  Bytes wrapped_public;   // K_public under the wrap key; empty before Init
  template <typename V>
  void Fields(V& v) {
    v(format, id, incarnation, born, label, serial, initialized, zeroized,
      has_domain, capacity, wrapped_public);
  }
};

struct RoleRecord {
  uint8_t format = kRecordFormat;
  KdfParameters kdf;
  Bytes sealed;  // LoginKeys under the PIN's key
  bool must_change_pin = false;
  template <typename V>
  void Fields(V& v) {
    v(format, kdf, sealed, must_change_pin);
  }
};

struct FailureRecord {
  uint32_t count = 0;
  uint64_t last = 0;  // seconds since 1970
  template <typename V>
  void Fields(V& v) {
    v(count, last);
  }
};

// What a role's PIN opens.
struct LoginKeys {
  KeyRing ring;           // K_public is not in the stored form
  SecretBytes reset_key;  // the PO's: opens the escrow of K_private
  template <typename V>
  void Fields(V& v) {
    v(ring, reset_key);
  }
};

// Plaintext of an object's record.
struct ObjectRecord {
  uint8_t format = kRecordFormat;
  SecretBytes attributes;  // AttributeSet::Encode
  std::optional<Statement> origin;
  Bytes trust_mac;  // of public objects; empty when made without a login
  template <typename V>
  void Fields(V& v) {
    v(format, attributes, origin, trust_mac);
  }
};

// --- named values and their rules
// ---------------------------------------------

std::string RoleValue(Role role);
std::string FailuresValue(Role role);

// What wrong PINs do.
struct LockRule {
  enum class Effect : uint8_t { kLock, kZeroizePartition, kZeroizeHsm };
  uint32_t limit = 0;
  Effect effect = Effect::kLock;
  uint32_t seconds = 0;  // how long it stays locked; 0: for good
};
LockRule LockRuleFor(Role role, SpaceId space, const HsmView& hsm,
                     const PolicyValues& policies);
bool IsLocked(const LockRule& rule, const FailureRecord& failures);

// CKR_PIN_LEN_RANGE when `pin` cannot become the PIN of `role`.
absl::Status CheckPinLength(Role role, SpaceId space, const SecretBytes& pin,
                            const HsmView& hsm, const PolicyValues& policies);

// One of a partition's domains.
struct DomainRow {
  std::string label;
  SecretBytes secret;
  template <typename V>
  void Fields(V& v) {
    v(label, secret);
  }
};

// scrypt of a domain string: part of the cloning protocols, never calibrated.
absl::StatusOr<SecretBytes> DomainSecretOf(ByteSpan domain);

// --- a space inside a transaction
// ----------------------------------------------

absl::StatusOr<std::optional<PartitionRecord>> LoadPartition(
    const HsmCore& core, Reader& reader, SpaceId space);
absl::Status SavePartition(const HsmCore& core, Transaction& tx, SpaceId space,
                           const PartitionRecord& record);
absl::Status SavePartitionPolicies(const HsmCore& core, Transaction& tx,
                                   SpaceId space, const PolicyValues& policies,
                                   const SecretBytes* trust_key);
// Makes K_public and puts its wrapping into the partition's record, and back.
// The wrapping is bound to record.incarnation.
absl::StatusOr<SecretBytes> NewPublicKey(const HsmCore& core, SpaceId space,
                                         PartitionRecord& record);
absl::StatusOr<SecretBytes> OpenPublicKey(const HsmCore& core, SpaceId space,
                                          const PartitionRecord& record);

// What of a space's values stays when its records go.
enum class Keep : uint8_t {
  kNothingOfRoles,  // and no domain: Init, zeroize
  kOwner,           // PO, label and domain: a destructive policy
  kEverything,      // all roles: Clear
};
absl::Status EmptySpace(Transaction& tx, SpaceId space, Keep keep);
// Objects and roles go, policies and label stay; ends every login.
absl::Status ZeroizePartition(const HsmCore& core, Transaction& tx,
                              SpaceId space);
// The same for the admin partition (the Auditor stays), and all partitions are
// deleted.
absl::Status ZeroizeHsm(const HsmCore& core, Transaction& tx);

// Bytes that the HSM's partitions hold or have reserved, overheads included.
absl::StatusOr<uint64_t> ReservedBytes(const HsmCore& core, Reader& reader,
                                       const HsmRecord& hsm);

// --- in memory
// -------------------------------------------------------------------

// The partition at one moment.
struct PartitionView {
  PartitionRecord record;
  PolicyValues policies;
  std::optional<SignedValue> signed_policies;    // always there
  std::shared_ptr<const LoginKeys> public_keys;  // null until initialised
  std::shared_ptr<Vault> vault;
};

struct Login::State {
  State(Role role_in, SpaceId space_in, uint64_t incarnation_in,
        bool must_change, LoginKeys keys_in)
      : role(role_in),
        space(space_in),
        incarnation(incarnation_in),
        must_change_pin(must_change),
        keys_(std::make_shared<const LoginKeys>(std::move(keys_in))) {}

  // Null after End. Whoever holds them finishes what it began.
  std::shared_ptr<const LoginKeys> keys() ABSL_LOCKS_EXCLUDED(mu) {
    absl::MutexLock lock(&mu);
    return keys_;
  }
  void End() ABSL_LOCKS_EXCLUDED(mu);
  // Goes on after its own login made the partition's incarnation `now`.
  void Follow(uint64_t now, const SecretBytes& public_key)
      ABSL_LOCKS_EXCLUDED(mu);

  const Role role;
  const SpaceId space;
  std::atomic<uint64_t> incarnation;
  std::atomic<bool> must_change_pin;
  const std::shared_ptr<ObjectCache> cache = std::make_shared<ObjectCache>();

 private:
  absl::Mutex mu;
  std::shared_ptr<const LoginKeys> keys_ ABSL_GUARDED_BY(mu);
};

// What a caller may do with objects: of a login, or of nobody.
struct Access {
  std::shared_ptr<const PartitionView> view;
  std::shared_ptr<const LoginKeys> keys;  // null: nothing is there
  std::shared_ptr<ObjectCache> cache;
  bool has_private = false;  // sees private objects
  bool may_change_private = false;
};

// A role's PIN was right.
struct CheckedPin {
  LoginKeys keys;
  Bytes role_body;  // the role's record that it opened
  uint64_t incarnation = 0;
  uint64_t born = 0;
  bool must_change_pin = false;
  KdfParameters kdf;
};

// Everything a PIN check reads, in one consistent view.
struct RoleView {
  HsmView hsm;
  PartitionRecord partition;
  PolicyValues policies;
  std::optional<SignedValue> signed_policies;
  SignedValue signed_role;
  RoleRecord role;
  FailureRecord failures;
  bool officer_locked = false;  // CO's lock holds for CU and LCO
};

// The policies that let keys leave in one way.
struct LeaveRule {
  uint32_t of_hsm;
  uint32_t private_keys;
  uint32_t secret_keys;
  const char* reason;
  const char* what;
};

struct Partition::State_ {
  State_(Hsm* hsm_in, HsmCore* core_in, SpaceId space_in)
      : hsm(hsm_in), core(core_in), space(space_in) {}

  uint64_t Generation() const { return core->store().Generation(space); }
  // What the calling thread's write began from; kBusy when that changed values.
  uint64_t BaseGeneration() const {
    return core->store().ValuesGeneration(space);
  }

  // CKR_DEVICE_REMOVED when the partition is gone.
  absl::StatusOr<std::shared_ptr<const PartitionView>> View()
      ABSL_LOCKS_EXCLUDED(mu);
  absl::StatusOr<std::shared_ptr<const PartitionView>> Load(Reader& reader)
      ABSL_LOCKS_EXCLUDED(mu);

  // What becomes of a call while the HSM is unavailable (CheckAvailable).
  enum class Unavailable : bool { kRefuses, kNoMatter };
  // What `login` (or nobody, when null) may do now.
  absl::StatusOr<Access> AccessOf(Login* login);
  // CKR_USER_NOT_LOGGED_IN unless `by` is a live login of one of `roles`;
  // CKR_DEVICE_REMOVED, CKR_PIN_EXPIRED. Gives its keys.
  absl::StatusOr<std::shared_ptr<const LoginKeys>> Require(
      const Login& by, std::initializer_list<Role> roles,
      Unavailable unavailable = Unavailable::kRefuses);
  // Again inside a transaction: CKR_DEVICE_REMOVED when the partition was
  // initialised anew or deleted since.
  absl::StatusOr<PartitionRecord> Recheck(Reader& reader, uint64_t incarnation);
  // An event of this partition, as its record has it.
  AuditEvent EventOf(AuditWord word, const PartitionRecord& record,
                     std::optional<Role> by) const;
  // Records it in the transaction that makes it happen.
  absl::Status Audit(Transaction& tx, AuditWord word,
                     const PartitionRecord& record,
                     std::optional<Role> by) const {
    return core->audit().Append(tx, EventOf(word, record, by));
  }
  // `status`, recorded if it says that one of the partition's values was
  // tampered with.
  absl::Status Noted(absl::Status status) const;
  // Room for `more` bytes of objects.
  absl::Status CheckRoom(Reader& reader, const PartitionRecord& record,
                         uint64_t more) const;

  // Makes the space anew for its SO (the PO) when it still is at
  // `incarnation`; `also` runs at the end of the transaction.
  absl::Status InitSpace(uint64_t incarnation, absl::string_view label,
                         const SecretBytes& so_pin, ByteSpan domain,
                         const HsmView& hsm_view,
                         absl::FunctionRef<absl::Status(Transaction&)> also);
  // The first one, under the label that it has then.
  absl::Status SaveDomain(Transaction& tx, uint64_t born, const LoginKeys& keys,
                          const SecretBytes& secret) const;
  // The primary one first; empty when there is none.
  absl::StatusOr<std::vector<DomainRow>> Domains(const Login& by);
  absl::StatusOr<std::vector<DomainRow>> LoadDomains(
      Reader& reader, uint64_t born, const LoginKeys& keys) const;
  absl::Status SaveDomains(Transaction& tx, uint64_t born,
                           const LoginKeys& keys,
                           const std::vector<DomainRow>& rows) const;

  // nullopt when none was made yet.
  absl::StatusOr<std::optional<SmkSet>> LoadSmks(Reader& reader, uint64_t born,
                                                 const LoginKeys& keys) const;
  absl::Status SaveSmks(Transaction& tx, uint64_t born, const LoginKeys& keys,
                        const SmkSet& set) const;
  absl::Status RequireV1(Reader& reader);
  // That these token objects left in a blob, and their end if they `destroy`.
  absl::Status NoteExtracted(const Login& by,
                             absl::Span<const ObjectRef> objects, bool destroy);
  // What a new key's template asks of its users (hsm/key_rights.h): makes the
  // verifier of its authorisation data, and refuses what cannot be.
  absl::Status AdmitKeyRights(const PartitionView& now, std::optional<Role> by,
                              NewObject& object);
  absl::Status CheckLeave(const LeaveRule& rule,
                          const AttributeSet& attributes);

  // The one path by which a PIN is tried.
  absl::StatusOr<CheckedPin> CheckPin(Role role, const SecretBytes& pin)
      ABSL_LOCKS_EXCLUDED(login_mu);
  absl::StatusOr<RoleView> LoadRole(Reader& reader, Role role) const;
  absl::Status RefuseWhenLocked(Role role, const RoleView& view) const;
  // A try that was refused without looking at the PIN.
  AuditEvent Refusal(Role role, const RoleView& view,
                     const absl::Status& refused) const;
  absl::StatusOr<std::optional<CheckedPin>> Decide(Role role,
                                                   const RoleView& seen,
                                                   const SecretBytes& kek)
      ABSL_LOCKS_EXCLUDED(login_mu);
  absl::StatusOr<std::optional<CheckedPin>> Unwrap(
      Role role, const RoleView& view, const SecretBytes& kek) const;
  // Counts a wrong PIN; true when that destroyed something.
  absl::StatusOr<bool> CountFailure(Transaction& tx, Role role,
                                    const RoleView& view) const;

  // A role's record for `pin`, ready to be saved.
  absl::StatusOr<RoleRecord> NewRole(Role role, const SecretBytes& pin,
                                     const LoginKeys& keys, uint64_t born,
                                     bool must_change, KdfCost cost) const;
  // Saves it for a role whose PIN was checked, unless that PIN was changed
  // meanwhile (CKR_FUNCTION_FAILED). `is_new`: it is another PIN.
  absl::Status SaveRechecked(Role role, const RoleRecord& record,
                             const CheckedPin& checked, bool is_new);
  // A PIN that was right and is derived more cheaply than a new one would be:
  // derived anew. As good as it goes; a login does not fail for it.
  void RaiseCost(Role role, const SecretBytes& pin, const CheckedPin& checked);
  // Saves it and forgets the role's failures.
  absl::Status SaveRole(Transaction& tx, Role role, const RoleRecord& record,
                        const SecretBytes& trust_key) const;
  // K_private for a CO that the PO makes (`is_new`) or whose PIN it resets.
  absl::StatusOr<SecretBytes> PrivateKeyForOfficer(Reader& reader,
                                                   const LoginKeys& po,
                                                   uint64_t born,
                                                   const HsmView& hsm_view,
                                                   bool* is_new) const;
  // Begins K_private's tree and its escrow when it is new; fails when
  // somebody else was faster.
  absl::Status SaveOfficerKey(Transaction& tx, const LoginKeys& po,
                              const LoginKeys& officer, uint64_t born,
                              bool begins) const;
  std::string RoleLabel(Role role, uint64_t born) const;
  std::string LabelOf(absl::string_view what, uint64_t born) const;

  void Register(const std::shared_ptr<Login::State>& login)
      ABSL_LOCKS_EXCLUDED(mu);
  // Lets a login outlive the new incarnation that it caused itself.
  absl::Status Follow(Login::State& login, uint64_t incarnation);
  std::vector<std::shared_ptr<Login::State>> LiveLogins()
      ABSL_LOCKS_EXCLUDED(mu);
  // Retires a handle, or everything, in every cache of this process.
  void RetireEverywhere(uint64_t handle);
  void RetireAllEverywhere();

  Hsm* const hsm;
  HsmCore* const core;
  const SpaceId space;
  const std::shared_ptr<ObjectCache> public_cache =
      std::make_shared<ObjectCache>();

  KnownOuids known_ouids;

  // Puts the PIN checks of this process in a row, after their derivations;
  // taken before the store's writer lock.
  absl::Mutex login_mu;

  absl::Mutex mu;  // leaf
  uint64_t view_generation ABSL_GUARDED_BY(mu) = kBusyGeneration;
  std::shared_ptr<const PartitionView> view ABSL_GUARDED_BY(mu);
  std::vector<std::weak_ptr<Login::State>> logins ABSL_GUARDED_BY(mu);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_PARTITION_STATE_H_
