// What the partitions of an HSM share, and Hsm itself: store, the keys that
// come of storage.key, and the HSM's record. Private to hsm; the format of the
// records is docs/formats/hsm.md.
#ifndef PERIGEE_HSM_HSM_CORE_H_
#define PERIGEE_HSM_HSM_CORE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/secret_bytes.h"
#include "hsm/audit_log.h"
#include "hsm/condition.h"
#include "hsm/firmware.h"
#include "hsm/joined_store.h"
#include "hsm/policy.h"
#include "hsm/signed_values.h"
#include "hsm/statement.h"
#include "hsm/vault.h"

namespace hsm {

inline constexpr SpaceId kAdminSpace = 0;
inline constexpr size_t kStorageKeySize = 32;
// Encoded attributes of the largest object (decisions 27).
inline constexpr size_t kLargestObject = 56 * 1024;
inline constexpr uint8_t kRecordFormat = 1;

// Names of values. The ones in space 0 only: kHsmValue, kIdentityValue, slots.
inline constexpr char kHsmValue[] = "hsm";
inline constexpr char kIdentityValue[] = "identity";
inline constexpr char kSlotPrefix[] = "slot/";
inline constexpr char kPoliciesValue[] = "policies";
inline constexpr char kPartitionValue[] = "partition";
inline constexpr char kPartitionPoliciesValue[] = "partition policies";
inline constexpr char kDomainValue[] = "domain";
inline constexpr char kLegacyDomainValue[] = "legacy domain";
inline constexpr char kSmkValue[] = "smk";
inline constexpr char kEscrowValue[] = "escrow";
inline constexpr char kRolePrefix[] = "role/";
inline constexpr char kFailuresSuffix[] = "/failures";
inline constexpr char kConditionValue[] = "condition";
inline constexpr char kAuditValue[] = "audit";
inline constexpr char kClockValue[] = "clock";
inline constexpr char kSuitesOffValue[] = "suites off";

// Policies as they stand in a value.
struct PolicyRecord {
  struct Row {
    uint32_t number = 0;
    uint64_t value = 0;
    template <typename V>
    void Fields(V& v) {
      v(number, value);
    }
  };
  std::vector<Row> rows;
  template <typename V>
  void Fields(V& v) {
    v(rows);
  }

  static PolicyRecord Of(const PolicyValues& values);
  PolicyValues Values() const;
};

// The HSM itself.
struct HsmRecord {
  uint8_t format = kRecordFormat;
  std::string name;
  std::string serial;
  std::string model;
  Kind kind = Kind::kApplication;
  FirmwareVersion firmware;
  FirmwareVersion rollback;    // what an update replaced; 0.0.0: nothing
  uint64_t storage_bytes = 0;  // 0: no limit
  FmState fm = FmState::kNever;
  bool attached_to_appliance = false;
  KdfCost kdf_cost = KdfCost::kCalibrated;
  bool had_so = false;  // was ever initialised
  SpaceId next_space = 1;
  std::vector<SpaceId> spaces;  // of the partitions, in order of making
  template <typename V>
  void Fields(V& v) {
    v(format, name, serial, model, kind, firmware, rollback, storage_bytes, fm,
      attached_to_appliance, kdf_cost, had_so, next_space, spaces);
  }
};

// The HSM's record and policies at one moment, with their table rows.
struct HsmView {
  HsmRecord record;
  PolicyValues policies;
  Condition condition;
  const ModelProfile* model = nullptr;
  const FirmwareProfile* firmware = nullptr;
};

// Whether the FIPS line of `hsm showinfo` is the positive one. The Backup HSM
// goes by policy 55, where it has it, and others by policy 12.
bool IsApproved(const HsmView& view);
// Whether the HSM may be used at all: CKR_STM_CMD_NON_TRANSPORT,
// CKR_HSM_TAMPERED.
absl::Status CheckAvailable(const HsmView& view);
// What deriving a new PIN's key should cost.
KdfCost NewPinCost(const HsmView& view);

// Thread-safe. Lives as long as its Hsm.
class HsmCore {
 public:
  // `storage_key` has kStorageKeySize bytes.
  static absl::StatusOr<std::unique_ptr<HsmCore>> New(
      std::unique_ptr<Store> store, const SecretBytes& storage_key);

  JoinedStore& store() { return store_; }
  const SignedValues& values() const { return values_; }
  // Wraps the device key and each K_public.
  const SecretBytes& wrap_key() const { return wrap_key_; }
  const SecretBytes& value_key() const { return value_key_; }
  // The values "x/..." of other modules, as they stand in the store.
  absl::StatusOr<Bytes> SealValue(SpaceId space, absl::string_view name,
                                  ByteSpan value) const;
  absl::StatusOr<SecretBytes> OpenValue(SpaceId space, absl::string_view name,
                                        ByteSpan sealed) const;
  AuditLog& audit() const { return *audit_; }

  // As the change counter of space 0 says it stands.
  absl::StatusOr<std::shared_ptr<const HsmView>> View()
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<HsmView> Load(Reader& reader) const;
  absl::Status CheckAvailableNow() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Save(Transaction& tx, const HsmRecord& record) const;
  absl::Status SavePolicies(Transaction& tx,
                            const PolicyValues& policies) const;

 private:
  HsmCore(std::unique_ptr<Store> store, SecretBytes mac_key,
          SecretBytes wrap_key, SecretBytes value_key, SecretBytes audit_key);

  JoinedStore store_;
  const SignedValues values_;
  const SecretBytes wrap_key_;
  const SecretBytes value_key_;
  const std::unique_ptr<AuditLog> audit_;

  absl::Mutex mu_;
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = kBusyGeneration;
  std::shared_ptr<const HsmView> view_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_HSM_CORE_H_
