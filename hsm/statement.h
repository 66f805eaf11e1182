// What an HSM says of itself and of one of its partitions when it meets
// another HSM. Signed in the handshake, kept sealed with every cloned object.
#ifndef PERIGEE_HSM_STATEMENT_H_
#define PERIGEE_HSM_STATEMENT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/status.h"
#include "base/wire.h"

namespace hsm {

using PartitionId = std::array<uint8_t, 16>;  // random, made with a partition

enum class Kind : uint8_t { kApplication = 1, kBackup = 2 };
enum class FmState : uint8_t { kNever = 0, kEnabledOnce = 1 };

// major.minor.patch; 7.7.1 is {7, 7, 1}. Ordered.
struct FirmwareVersion {
  uint8_t major_number = 0;
  uint8_t minor_number = 0;
  uint8_t patch = 0;

  auto operator<=>(const FirmwareVersion&) const = default;
  std::string ToString() const;  // "7.7.1", always with the patch: "6.24.0"
  // From "7.7.1" or "6.24", decimal numbers up to 255 without leading zeros;
  // CKR_ARGUMENTS_BAD for anything else.
  static absl::StatusOr<FirmwareVersion> Parse(absl::string_view text);
  template <typename V>
  void Fields(V& v) {
    v(major_number, minor_number, patch);
  }
};

struct Statement {
  std::string serial;
  std::string model;
  Kind kind = Kind::kApplication;
  FirmwareVersion firmware;
  PartitionId partition{};
  std::string partition_label;
  uint8_t partition_version = 0;  // 0 = V0, 1 = V1; 0 before 7.7.0
  FmState fm = FmState::kNever;
  bool attached_to_appliance = false;
  uint8_t allow_cpv1 = 0;           // partition policy 42
  uint8_t restricted_restore = 0;   // HSM policy 55
  uint8_t private_key_cloning = 1;  // partition policy 0
  uint8_t secret_key_cloning = 1;   // partition policy 4

  template <typename V>
  void Fields(V& v) {
    v(serial, model, kind, firmware, partition, partition_label,
      partition_version, fm, attached_to_appliance, allow_cpv1,
      restricted_restore, private_key_cloning, secret_key_cloning);
  }
};

}  // namespace hsm

#endif  // PERIGEE_HSM_STATEMENT_H_
