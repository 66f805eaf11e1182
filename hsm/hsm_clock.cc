// The HSM's clock: how far it is before the host's, once the SO has set it.
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hsm/hsm_state.h"

namespace hsm {
namespace {

constexpr uint64_t kLastSecond = 253402300799;  // of the year 9999

struct ClockRecord {
  uint8_t format = kRecordFormat;
  uint64_t ahead = 0;  // seconds, modulo 2^64
  template <typename V>
  void Fields(V& v) {
    v(format, ahead);
  }
};

uint64_t HostSeconds() {
  return static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
}

}  // namespace

absl::StatusOr<Hsm::ClockReading> Hsm::Clock() {
  std::optional<ClockRecord> record;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(record, state_->core->values().LoadAs<ClockRecord>(
                                     reader, kAdminSpace, kClockValue));
        return absl::OkStatus();
      }));
  if (!record.has_value()) return ClockReading{false, HostSeconds()};
  return ClockReading{true, HostSeconds() + record->ahead};
}

absl::Status Hsm::SetClock(const Login& so, uint64_t seconds) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  if (seconds == 0 || seconds > kLastSecond) {
    return base::Error(CKR_ARGUMENTS_BAD, "seconds since 1970");
  }
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(
        state_->admin().Recheck(tx, so.state_->incarnation).status());
    ClockRecord record;
    record.ahead = seconds - HostSeconds();
    RETURN_IF_ERROR(core.values().SaveAs(tx, kAdminSpace, kClockValue, record));
    AuditEvent event{.word = AuditWord::kClockSet, .role = so.role()};
    event.With(AuditNumber::kValue, seconds);
    return core.audit().Append(tx, std::move(event));
  });
}

}  // namespace hsm
