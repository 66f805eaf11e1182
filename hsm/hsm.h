// One HSM: identity, firmware, HSM policies, storage account, its admin
// partition and its partitions. An application HSM and a Backup HSM are the
// same class with different rows of the tables.
//
// A directory each (docs/formats/store.md): the store, and storage.key.
#ifndef PERIGEE_HSM_HSM_H_
#define PERIGEE_HSM_HSM_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/certificate.h"
#include "hsm/audit_log.h"
#include "hsm/condition.h"
#include "hsm/fleet.h"
#include "hsm/partition.h"

namespace hsm {

class HsmCore;

// What to create.
struct PartitionSpec {
  std::string label;      // shown before initialisation
  uint8_t version = 0;    // V0 or V1
  uint64_t capacity = 0;  // bytes; 0: no limit of its own
  PolicyValues policies;
};
struct HsmSpec {
  std::string name;  // "app", "backup"
  Kind kind = Kind::kApplication;
  std::string model;           // row of hsm/firmware.h
  FirmwareVersion firmware;    // 0.0.0: the model's default
  uint64_t storage_bytes = 0;  // 0: the model's
  FmState fm = FmState::kNever;
  bool attached_to_appliance = false;
  KdfCost kdf_cost = KdfCost::kCalibrated;
  std::vector<PartitionSpec> partitions;
};

struct HsmInfo {
  std::string name;
  std::string serial;
  const ModelProfile* model = nullptr;
  const FirmwareProfile* firmware = nullptr;
  FirmwareVersion rollback_firmware;  // 0.0.0: none
  Kind kind = Kind::kApplication;
  FmState fm = FmState::kNever;
  bool attached_to_appliance = false;
  bool initialized = false;  // has an SO
  bool zeroized = false;
  bool test_kdf = false;
  std::string label;  // of the admin partition
};

class Hsm {
 public:
  // Makes the HSM of `spec` as `directory` (built beside it and renamed, so a
  // race has one winner and the loser opens the winner's), with an identity
  // issued by `fleet`.
  static absl::Status Create(const HsmSpec& spec, const std::string& directory,
                             const Fleet& fleet);
  // NotFound (CKR_TOKEN_NOT_PRESENT) when there is none.
  static absl::StatusOr<std::unique_ptr<Hsm>> Open(
      const std::string& directory);
  // Over a store of the caller's, for tests; their storage.key is a constant.
  static absl::StatusOr<std::unique_ptr<Hsm>> CreateForTest(
      const HsmSpec& spec, std::unique_ptr<Store> store, const Fleet& fleet);
  static absl::StatusOr<std::unique_ptr<Hsm>> OpenForTest(
      std::unique_ptr<Store> store);
  ~Hsm();

  absl::StatusOr<HsmInfo> Info();
  // Stable while the Hsm lives (adoption replaces it atomically).
  std::shared_ptr<const base::Identity> identity();
  // Roots that adoptions replaced: for checking old manifests, for nothing
  // else.
  absl::StatusOr<std::vector<base::Certificate>> FormerRoots();
  Store& store();
  // Who causes an event records it here; what Hsm and its partitions do is
  // recorded by them.
  AuditLog& audit();

  // Runs `work` so that everything that it changes on this HSM, through any
  // call of Hsm and its partitions on this thread, is one commit: all of it is
  // durable when this returns OK, and none of it happened otherwise. A call
  // inside that fails has changed nothing, and `work` may go on.
  // Objects must not be used before the commit. Derivations of PINs inside
  // keep other writers waiting.
  absl::Status Atomically(absl::FunctionRef<absl::Status()> work);

  // Space 0.
  Partition& admin();
  // Current partitions in the order of their making (not the admin one).
  absl::StatusOr<std::vector<PartitionInfo>> Partitions();
  // Null when there is none with this number (any more); an error when that
  // cannot be read. Stays valid as an object as long as the Hsm; its calls say
  // CKR_DEVICE_REMOVED after deletion.
  absl::StatusOr<Partition*> LookUp(SpaceId space);
  // The same where the store is known to be readable: null otherwise.
  Partition* Find(SpaceId space);

  // --- by the HSM SO ---------------------------------------------------------

  // hsm init. Soft when initialised (needs the SO's PIN, keeps policies,
  // destroys partitions), hard when zeroized or new (decisions 19: the first
  // one keeps the partitions of an application HSM).
  absl::Status Init(absl::string_view label, const SecretBytes& so_pin,
                    ByteSpan domain);
  // CKR_TOO_MANY_CONTAINERS, CKR_HSM_STORAGE_FULL, CKR_ARGUMENTS_BAD for a
  // version that the firmware does not have; a label (other than an empty one)
  // in use: CKR_OBJECT_ALREADY_EXISTS.
  absl::StatusOr<SpaceId> CreatePartition(const Login& so,
                                          const PartitionSpec& spec);
  absl::Status DeletePartition(const Login& so, SpaceId space);
  // Below what is used: CKR_CONTAINER_OBJECT_STORAGE_FULL; beyond what is
  // free: CKR_HSM_STORAGE_FULL. 0: everything that is free.
  absl::Status ResizePartition(const Login& so, SpaceId space,
                               uint64_t capacity);

  absl::StatusOr<PolicyValues> Capabilities();
  absl::StatusOr<PolicyValues> Policies();
  absl::StatusOr<uint64_t> Policy(uint32_t number);
  // Policy 12 of a Backup HSM: CKR_CANCEL always. Policy 55: decisions 3, 4,
  // 25. Else the errors of ApplyPolicies. Destructive without
  // `allow_destructive`: LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE; with it the
  // HSM is zeroized.
  absl::Status SetPolicies(const Login* so, const PolicyValues& changes,
                           bool allow_destructive);
  // Everything gone, policies and the Auditor kept. No login.
  absl::Status Zeroize();
  // Zeroize, no Auditor, and policies back to defaults.
  absl::Status FactoryReset();

  // --- transport and tampering ---------------------------------------------
  // `so` is null on an HSM that has no SO (new or zeroized), which needs none.
  // While the HSM is in transport, or was tampered with and HSM policy 48 is
  // on, everything else is CKR_STM_CMD_NON_TRANSPORT or CKR_HSM_TAMPERED but
  // facts, the SO's login, and what zeroizes.

  absl::StatusOr<Condition> GetCondition();
  // Secure Transport Mode. Gives a random user string, and what the HSM says
  // to it in the state that it is in now.
  absl::StatusOr<TransportStrings> EnterTransport(const Login* so);
  // What it says to a random user string now: the same when nothing changed
  // and no wrong SO PIN was tried. CKR_OPERATION_NOT_ALLOWED when it is not in
  // transport.
  absl::StatusOr<std::string> TransportVerification(const Login* so,
                                                    absl::string_view user);
  absl::Status LeaveTransport(const Login* so);
  // What opening the case does to an HSM, for rehearsals; no login. With
  // policy 40 all partitions and roles go.
  absl::Status Tamper();
  // CKR_OPERATION_NOT_ALLOWED when there is nothing to clear.
  absl::Status ClearTamper(const Login* so);

  // --- time -----------------------------------------------------------------
  // The HSM's clock is the host's until the SO sets it; from then on it goes as
  // much before or behind it as when it was set. CPv4 wants it set.

  struct ClockReading {
    bool set = false;
    uint64_t seconds = 0;  // since 1970
  };
  absl::StatusOr<ClockReading> Clock();
  // By the SO. CKR_ARGUMENTS_BAD for a time before 1970 or behind 9999.
  absl::Status SetClock(const Login& so, uint64_t seconds);

  // Installs a signed image (hsm/firmware_image.h, with its errors); without
  // image and code, the one that the appliance carries: CKR_ARGUMENTS_BAD when
  // the HSM is not attached to one. One for another kind of HSM is
  // LUNA_RET_BAD_FW_VERSION. Then as below.
  absl::Status InstallFirmware(const Login& so, ByteSpan fuf, ByteSpan code);
  // Moves to a newer firmware of the same hardware; policies that it adds get
  // their defaults, and partitions become V0. LUNA_RET_BAD_FW_VERSION for any
  // other version; LUNA_RET_OPERATION_RESTRICTED ("storage-in-use") when the
  // backups of a Backup HSM take 60 % of it or more.
  absl::Status UpdateFirmware(const Login& so, FirmwareVersion version);
  // Back to what the last update replaced, once; zeroizes.
  // CKR_OPERATION_NOT_ALLOWED when there is nothing to go back to or FMs were
  // ever enabled.
  absl::Status RollbackFirmware(const Login& so);

  absl::StatusOr<StorageInfo> Storage();
  absl::StatusOr<uint32_t> AllowedPartitions();
  // True when the FIPS line of `hsm showinfo` is the positive one.
  absl::StatusOr<bool> InApprovedMode();

  // --- adoption (protocols page) --------------------------------------------

  // Replaces the trusted root by `root` after the SO's PIN was checked (a
  // wrong one counts; an HSM without SO asks for none); `certificate` is this
  // device's new one under it. The old root is kept for checking old manifests
  // only.
  absl::Status Adopt(const SecretBytes& so_pin, const base::Certificate& root,
                     const base::Certificate& certificate);

  // Slot numbers are assigned by pkcs11 and kept here with the partition. A
  // number stays known after its partition went, so that it is not reused.
  absl::StatusOr<std::optional<uint64_t>> Slot(SpaceId space);
  absl::Status SetSlot(SpaceId space, uint64_t slot);
  absl::StatusOr<std::vector<uint64_t>> SlotsEverUsed();

  // Small values that cloning, backup or the device keep with a partition
  // (manifest, request outcomes), sealed under a key of this HSM. Names begin
  // with "x/". Those of a partition go with its initialisation; those of space
  // 0 stay, also when the HSM is zeroized. Join Atomically.
  absl::StatusOr<std::optional<Bytes>> GetSealedValue(SpaceId space,
                                                      absl::string_view name);
  // The same for a value that is a secret.
  absl::StatusOr<std::optional<SecretBytes>> GetSealedSecret(
      SpaceId space, absl::string_view name);
  absl::Status PutSealedValue(SpaceId space, absl::string_view name,
                              ByteSpan value);
  absl::Status DeleteSealedValue(SpaceId space, absl::string_view name);
  // Names that begin with `prefix`, in order.
  absl::StatusOr<std::vector<std::string>> ListSealedValues(
      SpaceId space, absl::string_view prefix);

 private:
  struct State;
  Hsm();
  static absl::StatusOr<std::unique_ptr<Hsm>> Over(
      std::unique_ptr<HsmCore> core);
  std::unique_ptr<State> state_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_HSM_H_
