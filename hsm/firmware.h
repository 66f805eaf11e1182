// What a model and a firmware version can do: rows of two tables. A
// compatibility question is a look-up, never an `if` on a version elsewhere.
#ifndef PERIGEE_HSM_FIRMWARE_H_
#define PERIGEE_HSM_FIRMWARE_H_

#include "hsm/policy.h"
#include "hsm/statement.h"

namespace hsm {

// One firmware version of one kind of HSM.
struct FirmwareProfile {
  Kind kind;
  FirmwareVersion version;
  bool cpv1, cpv3, cpv4;     // cloning protocols it speaks
  bool v0_v1;                // partitions are V0 or V1 (7.7.0 and newer)
  uint32_t object_overhead;  // bytes of metadata an object costs
  uint32_t minimum_pin;      // characters
  bool restricted_restore;   // has HSM policy 55
  uint32_t lockout_seconds;  // how long a role stays locked; 0: for good
  // Of the modelled device; empty where it was not published.
  const char* release = "";
  const char* certificate = "";
};

// One model: how it is sold, and the rules that go with it.
struct ModelProfile {
  const char* name;  // "perigee", "luna-k7", "luna-g7-backup", ...
  Kind kind;
  const char* token_model;  // CK_TOKEN_INFO.model, "Luna G7", at most 16
  const char* manufacturer;
  FirmwareVersion default_firmware;
  uint64_t storage_bytes;  // 0: no limit
  uint32_t maximum_partitions;
  uint32_t minimum_pin;       // 0: the firmware's
  uint32_t so_failures;       // wrong HSM SO PINs until zeroized; 0: locks only
  uint32_t po_failures;       // wrong PO PINs until its effect
  bool po_failures_zeroize;   // else the role locks
  bool exclusive_export;      // partition policies 0 and 1 never both on
  PolicyValues hsm_policies;  // differences from the rule's default
  PolicyValues partition_policies;
};

// Bytes that a partition costs its HSM beside what its objects may use.
inline constexpr uint64_t kPartitionOverhead = 9648;
// Wrong HSM SO PINs that lock the role of a model with `so_failures` 0.
inline constexpr uint32_t kSoLockFailures = 10;
// Wrong Auditor PINs, and the seconds that its lock lasts.
inline constexpr uint32_t kAuditorFailures = 3;
inline constexpr uint32_t kAuditorLockoutSeconds = 600;

// The rows live as long as the process: the addresses may be kept.
const FirmwareProfile* FindFirmware(Kind kind, FirmwareVersion version);
const ModelProfile* FindModel(absl::string_view name);
absl::Span<const FirmwareProfile> FirmwareProfiles();
absl::Span<const ModelProfile> Models();

// Characters that a PIN of `model` with `firmware` needs.
uint32_t MinimumPin(const ModelProfile& model, const FirmwareProfile& firmware);

// Capabilities and default policies of this model with this firmware. Policies
// are there only where they can be set.
PolicyValues HsmCapabilities(const ModelProfile& model,
                             const FirmwareProfile& firmware);
PolicyValues HsmPolicyDefaults(const ModelProfile& model,
                               const FirmwareProfile& firmware);
PolicyValues PartitionCapabilities(const ModelProfile& model,
                                   const FirmwareProfile& firmware);
PolicyValues PartitionPolicyDefaults(const ModelProfile& model,
                                     const FirmwareProfile& firmware);

}  // namespace hsm

#endif  // PERIGEE_HSM_FIRMWARE_H_
