// Moving an HSM to another firmware profile.
#include "absl/strings/str_cat.h"
#include "hsm/firmware_image.h"
#include "hsm/hsm_state.h"

namespace hsm {
namespace {

// Backups that take this much of a Backup HSM must go before an update.
constexpr uint64_t kPercentInUse = 60;

// Generations of hardware run each their own line of firmware.
bool SameHardware(FirmwareVersion a, FirmwareVersion b) {
  return a.major_number == b.major_number;
}

AuditEvent FirmwareEvent(AuditWord word, FirmwareVersion version,
                         const Login& so) {
  AuditEvent event{.word = word, .role = so.role()};
  event.With(AuditNumber::kFirmware, version.major_number * 10000 +
                                         version.minor_number * 100 +
                                         version.patch);
  return event;
}

absl::Status CheckBackupsLeaveRoom(Reader& reader, const HsmRecord& hsm) {
  if (hsm.kind != Kind::kBackup || hsm.storage_bytes == 0) {
    return absl::OkStatus();
  }
  uint64_t used = 0;
  for (SpaceId space : hsm.spaces) {
    ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(space));
    used += usage.bytes + kPartitionOverhead;
  }
  if (used * 100 < hsm.storage_bytes * kPercentInUse) return absl::OkStatus();
  return base::ErrorWithReason(
      LUNA_RET_OPERATION_RESTRICTED, "storage-in-use",
      absl::StrCat("stored backups take ", kPercentInUse,
                   " % of the Backup HSM or more"));
}

}  // namespace

absl::Status Hsm::InstallFirmware(const Login& so, ByteSpan fuf,
                                  ByteSpan code) {
  ASSIGN_OR_RETURN(const Condition condition, GetCondition());
  if (condition.transport) {
    return base::ErrorWithReason(
        LUNA_RET_OPERATION_RESTRICTED, "transport-mode",
        "the HSM is in Secure Transport Mode: its SO recovers it first");
  }
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  ASSIGN_OR_RETURN(const HsmInfo info, Info());
  FirmwareImage image = BundledFirmware();
  if (!fuf.empty() || !code.empty()) {
    ASSIGN_OR_RETURN(image,
                     CheckFirmwareImage(identity()->roots.front(), fuf, code));
  } else if (!info.attached_to_appliance) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "an image is needed: only an appliance carries one");
  }
  if (image.kind != info.kind) {
    return base::Error(LUNA_RET_BAD_FW_VERSION,
                       "the image is for another kind of HSM");
  }
  return UpdateFirmware(so, image.version);
}

absl::Status Hsm::UpdateFirmware(const Login& so, FirmwareVersion version) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(
        state_->admin().Recheck(tx, so.state_->incarnation).status());
    ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
    HsmRecord& record = view.record;
    if (FindFirmware(record.kind, version) == nullptr ||
        version <= record.firmware || !SameHardware(version, record.firmware)) {
      return base::Error(
          LUNA_RET_BAD_FW_VERSION,
          absl::StrCat("firmware ", record.firmware.ToString(),
                       " cannot be updated to ", version.ToString()));
    }
    RETURN_IF_ERROR(CheckBackupsLeaveRoom(tx, record));
    record.rollback = record.firmware;
    record.firmware = version;
    RETURN_IF_ERROR(core.Save(tx, record));
    return core.audit().Append(
        tx, FirmwareEvent(AuditWord::kFirmwareUpdated, version, so));
  });
}

absl::Status Hsm::RollbackFirmware(const Login& so) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(
            state_->admin().Recheck(tx, so.state_->incarnation).status());
        ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
        HsmRecord& record = view.record;
        if (record.rollback == FirmwareVersion{} ||
            record.fm != FmState::kNever) {
          return base::Error(CKR_OPERATION_NOT_ALLOWED,
                             "there is no firmware to roll back to");
        }
        record.firmware = record.rollback;
        record.rollback = FirmwareVersion{};
        RETURN_IF_ERROR(core.Save(tx, record));
        RETURN_IF_ERROR(ZeroizeHsm(core, tx));
        return core.audit().Append(
            tx,
            FirmwareEvent(AuditWord::kFirmwareRolledBack, record.firmware, so));
      }));
  state_->RetireAll();
  return absl::OkStatus();
}

}  // namespace hsm
