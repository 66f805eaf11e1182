// The tables of firmware versions and of models, and what they start with.
#include "hsm/firmware.h"

#include <vector>

namespace hsm {
namespace {

constexpr Kind kApp = Kind::kApplication, kBackup = Kind::kBackup;
constexpr uint64_t kMiB = 1024 * 1024, kGiB = 1024 * kMiB;

// The overheads are ours (the vendor's are not public), chosen so that what
// is known of them holds: objects of releases 5.x and 6.x grow on a Backup
// HSM 7 and may overflow a partition of the same size; those of 7.x do not;
// V0 and V1 objects are larger than older ones.
constexpr FirmwareProfile kFirmware[] = {
    // kind, version, CPv1, CPv3, CPv4, V0/V1, overhead, PIN, P55, lockout
    {kApp, {5, 9, 0}, true, false, false, false, 256, 7, false, 600},
    {kApp, {6, 24, 0}, true, false, false, false, 288, 7, false, 600},
    {kApp, {7, 0, 1}, true, false, false, false, 512, 7, false, 0},
    {kApp, {7, 3, 3}, true, false, false, false, 512, 7, false, 0},
    {kApp, {7, 4, 0}, true, false, false, false, 512, 7, false, 0},
    {kApp,
     {7, 7, 0},
     true,
     true,
     false,
     true,
     768,
     7,
     false,
     0,
     "October 2020"},
    {kApp, {7, 7, 1}, true, true, false, true, 768, 7, false, 0, "April 2021"},
    {kApp, {7, 8, 0}, true, true, true, true, 768, 8, false, 0},
    // Backup HSM G5.
    {kBackup, {6, 24, 7}, true, false, false, false, 288, 7, false, 600},
    {kBackup, {6, 28, 0}, true, true, false, true, 288, 7, false, 600},
    // Backup HSM 7.
    {kBackup, {7, 3, 2}, true, false, false, false, 512, 7, false, 0},
    {kBackup,
     {7, 7, 1},
     true,
     true,
     false,
     true,
     512,
     7,
     true,
     0,
     "October 2020",
     "FIPS 140-2 Level 3, NIST certificate #4195"},
    {kBackup,
     {7, 7, 2},
     true,
     true,
     false,
     true,
     512,
     8,
     true,
     0,
     "August 2022"},
};

// A Luna model: three wrong SO PINs zeroize the HSM, ten wrong PO PINs the
// partition.
ModelProfile Luna(const char* name, Kind kind, const char* token_model,
                  FirmwareVersion firmware, uint64_t storage_bytes,
                  uint32_t maximum_partitions) {
  return {.name = name,
          .kind = kind,
          .token_model = token_model,
          .manufacturer = "Perigee",
          .default_firmware = firmware,
          .storage_bytes = storage_bytes,
          .maximum_partitions = maximum_partitions,
          .minimum_pin = 0,
          .so_failures = 3,
          .po_failures = 10,
          .po_failures_zeroize = true,
          .exclusive_export = true,
          .hsm_policies = {},
          .partition_policies = {}};
}

// Never destroyed: rows are kept by address until the process is gone.
const std::vector<ModelProfile>& ModelTable() {
  static const auto* const table = new std::vector<ModelProfile>{
      // For everybody: nothing is destroyed by a wrong PIN.
      {.name = "perigee",
       .kind = kApp,
       .token_model = "Perigee",
       .manufacturer = "Perigee",
       .default_firmware = {7, 7, 1},
       .storage_bytes = 0,
       .maximum_partitions = 100,
       .minimum_pin = 4,
       .so_failures = 0,
       .po_failures = 10,
       .po_failures_zeroize = false,
       .exclusive_export = false,
       .hsm_policies = {{hsm_policy::kSoCanResetPin, 1},
                        {hsm_policy::kForceUserPinChange, 0}},
       .partition_policies = {{partition_policy::kPrivateKeyCloning, 1},
                              {partition_policy::kPrivateKeyWrapping, 1}}},
      Luna("luna-k7", kApp, "Luna K7", {7, 7, 1}, 32 * kMiB, 100),
      Luna("luna-k6", kApp, "Luna K6", {6, 24, 0}, 16 * kMiB, 20),
      Luna("luna-k5", kApp, "Luna K5", {5, 9, 0}, 16 * kMiB, 20),
      // The default Backup HSM: a Luna in all but its size.
      Luna("luna-g7-backup", kBackup, "Luna G7", {7, 7, 1}, 16 * kGiB, 100),
      Luna("luna-b700", kBackup, "Luna G7", {7, 7, 1}, 32 * kMiB, 100),
      Luna("luna-b750", kBackup, "Luna G7", {7, 7, 1}, 128 * kMiB, 100),
      Luna("luna-b790", kBackup, "Luna G7", {7, 7, 1}, 256 * kMiB, 100),
      Luna("luna-g5-backup", kBackup, "Luna G5", {6, 28, 0}, 32 * kMiB, 100),
  };
  return *table;
}

// `pick` gives what a rule starts with: its capability, or its value.
template <typename Pick>
PolicyValues FromRules(absl::Span<const PolicyRule> rules,
                       const FirmwareProfile& firmware, Pick pick) {
  PolicyValues values;
  for (const PolicyRule& rule : rules) {
    const PolicyDefault& start = rule.start(firmware.kind);
    if (firmware.version < rule.since || pick(start) == kAbsent) continue;
    values[rule.number] = static_cast<uint64_t>(pick(start));
  }
  return values;
}

int64_t CapabilityOf(const PolicyDefault& start) { return start.capability; }
int64_t ValueOf(const PolicyDefault& start) { return start.value; }

// Puts `value` at `number` where there is one.
void Amend(PolicyValues& values, uint32_t number, uint64_t value) {
  auto it = values.find(number);
  if (it != values.end()) it->second = value;
}

void AmendAll(PolicyValues& values, const PolicyValues& differences) {
  for (const auto& [number, value] : differences) {
    Amend(values, number, value);
  }
}

void AmendSizes(PolicyValues& values, const ModelProfile& model) {
  Amend(values, hsm_policy::kStorageSpace, model.storage_bytes);
  Amend(values, hsm_policy::kMaximumPartitions, model.maximum_partitions);
}

}  // namespace

absl::Span<const FirmwareProfile> FirmwareProfiles() { return kFirmware; }
absl::Span<const ModelProfile> Models() { return ModelTable(); }

const FirmwareProfile* FindFirmware(Kind kind, FirmwareVersion version) {
  for (const FirmwareProfile& row : kFirmware) {
    if (row.kind == kind && row.version == version) return &row;
  }
  return nullptr;
}

const ModelProfile* FindModel(absl::string_view name) {
  for (const ModelProfile& row : ModelTable()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

uint32_t MinimumPin(const ModelProfile& model,
                    const FirmwareProfile& firmware) {
  return model.minimum_pin != 0 ? model.minimum_pin : firmware.minimum_pin;
}

PolicyValues HsmCapabilities(const ModelProfile& model,
                             const FirmwareProfile& firmware) {
  PolicyValues values = FromRules(HsmPolicyRules(), firmware, CapabilityOf);
  AmendSizes(values, model);
  return values;
}

PolicyValues HsmPolicyDefaults(const ModelProfile& model,
                               const FirmwareProfile& firmware) {
  PolicyValues values = FromRules(HsmPolicyRules(), firmware, ValueOf);
  AmendSizes(values, model);
  AmendAll(values, model.hsm_policies);
  return values;
}

PolicyValues PartitionCapabilities(const ModelProfile& model,
                                   const FirmwareProfile& firmware) {
  PolicyValues values =
      FromRules(PartitionPolicyRules(), firmware, CapabilityOf);
  Amend(values, partition_policy::kMinimumPinLength,
        255 - MinimumPin(model, firmware));
  return values;
}

PolicyValues PartitionPolicyDefaults(const ModelProfile& model,
                                     const FirmwareProfile& firmware) {
  PolicyValues values = FromRules(PartitionPolicyRules(), firmware, ValueOf);
  Amend(values, partition_policy::kMinimumPinLength,
        255 - MinimumPin(model, firmware));
  AmendAll(values, model.partition_policies);
  return values;
}

}  // namespace hsm
