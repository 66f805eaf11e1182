#include "pkcs11/embedded.h"

#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/log.h"
#include "device/backup_hsm.h"
#include "device/directory_lock.h"

namespace pkcs11 {
namespace {

class EmbeddedBackupHsm : public EmbeddedDevice {
 public:
  EmbeddedBackupHsm(const HsmConfig& config, const std::string& fleet_directory)
      : spec_(config.spec),
        audit_(config.audit),
        directory_(config.store),
        fleet_directory_(fleet_directory) {}

  bool exists() override {
    absl::MutexLock lock(&mu_);
    return device_ != nullptr || access(directory_.c_str(), F_OK) == 0;
  }

  absl::Status Create() override {
    absl::MutexLock lock(&mu_);
    if (device_ != nullptr) return absl::OkStatus();
    if (access(directory_.c_str(), F_OK) != 0) {
      ASSIGN_OR_RETURN(hsm::Fleet fleet,
                       hsm::Fleet::OpenOrCreate(fleet_directory_));
      RETURN_IF_ERROR(hsm::Hsm::Create(spec_, directory_, fleet));
    }
    return OpenLocked();
  }

  absl::StatusOr<std::unique_ptr<hsm_io::Server>> PlugIn() override {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(OpenLocked());
    // Who can open this link holds the device's files anyway.
    return device_->PlugIn(/*allow_adoption=*/true);
  }

  absl::StatusOr<hsm::AuditLog*> AuditLog() override {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(OpenLocked());
    return &device_->hsm().audit();
  }

 private:
  absl::Status OpenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (device_ != nullptr) return absl::OkStatus();
    if (access(directory_.c_str(), F_OK) != 0) {
      return base::Error(CKR_TOKEN_NOT_PRESENT,
                         "the embedded Backup HSM was not initialised yet");
    }
    absl::StatusOr<device::DirectoryLock> lock = device::DirectoryLock::Take(
        directory_, device::DirectoryLock::Mode::kEmbedded);
    if (!lock.ok()) {
      if (!std::exchange(told_, true)) {
        base::LogLine(base::LogLevel::kWarning, lock.status().message());
      }
      return lock.status();
    }
    ASSIGN_OR_RETURN(std::unique_ptr<hsm::Hsm> hsm, hsm::Hsm::Open(directory_));
    hsm->audit().Configure(audit_);
    RETURN_IF_ERROR(hsm->audit().CheckWitness());
    ASSIGN_OR_RETURN(device_, device::BackupHsm::New(std::move(hsm)));
    lock_.emplace(*std::move(lock));
    told_ = false;
    return absl::OkStatus();
  }

  const hsm::HsmSpec spec_;
  const hsm::AuditSettings audit_;
  const std::string directory_;
  const std::string fleet_directory_;
  absl::Mutex mu_;
  // Declared before the device, so that it is held until that is gone.
  std::optional<device::DirectoryLock> lock_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<device::BackupHsm> device_ ABSL_GUARDED_BY(mu_);
  bool told_ ABSL_GUARDED_BY(mu_) = false;  // that the daemon has it
};

}  // namespace

std::shared_ptr<EmbeddedDevice> NewEmbeddedDevice(
    const HsmConfig& config, const std::string& fleet_directory) {
  return std::make_shared<EmbeddedBackupHsm>(config, fleet_directory);
}

}  // namespace pkcs11
