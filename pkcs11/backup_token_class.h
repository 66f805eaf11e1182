// The class behind NewBackupToken, for its own .cc files only: the channel and
// the slot (backup_token.cc), objects (backup_objects.cc), the HSM and its
// containers (backup_hsm.cc).
#ifndef PERIGEE_PKCS11_BACKUP_TOKEN_CLASS_H_
#define PERIGEE_PKCS11_BACKUP_TOKEN_CLASS_H_

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/device_link.h"

namespace pkcs11 {

inline hsm::FirmwareVersion ToVersion(const std::array<uint8_t, 3>& numbers) {
  return {numbers[0], numbers[1], numbers[2]};
}

class BackupToken : public Token, public BackupDevice {
 public:
  BackupToken(CK_SLOT_ID slot, const HsmConfig& config,
              const std::string& fleet_directory, WrapTransport wrap)
      : Token(slot),
        config_(config),
        link_(config, fleet_directory, std::move(wrap),
              [this] { EndLogins(); }) {}

  SpaceId own_space() const override { return 0; }
  const std::string& hsm_name() const override { return config_.spec.name; }

  SlotFacts Slot() override;
  absl::StatusOr<TokenFacts> Facts() override;
  absl::Status Connect(SpaceId space) override;

  absl::Status InitToken(absl::string_view label, const SecretBytes& so_pin,
                         ByteSpan domain) override;
  absl::Status InitContainer(SpaceId space, absl::string_view label,
                             const SecretBytes& so_pin,
                             ByteSpan domain) override;
  absl::Status InitRole(SpaceId space, hsm::Role role,
                        const SecretBytes& pin) override;
  absl::Status ChangePin(SpaceId space, hsm::Role role,
                         const SecretBytes& old_pin,
                         const SecretBytes& new_pin) override;
  absl::StatusOr<hsm::RoleState> RoleState(SpaceId space,
                                           hsm::Role role) override;
  void Disconnect() override;
  absl::Status SetDomain(SpaceId space, ByteSpan domain) override;
  absl::StatusOr<std::vector<base::Certificate>> Certificates() override;
  absl::Status ChangeLabel(SpaceId space, absl::string_view label) override;

  absl::StatusOr<hsm::ObjectRef> Get(SpaceId space, uint64_t handle) override;
  absl::StatusOr<std::vector<uint64_t>> Find(
      SpaceId space, const AttributeSet& pattern) override;
  absl::Status Destroy(SpaceId space, uint64_t handle) override;
  absl::Status Clear(SpaceId space) override;
  bool IsCurrent(SpaceId space, const hsm::Object& object) override;
  absl::StatusOr<uint64_t> CostOf(SpaceId space,
                                  const AttributeSet& attributes) override;

  absl::StatusOr<hsm::AuditLog*> AuditLog() override {
    return link_.AuditLog();
  }
  absl::StatusOr<hsm::HsmInfo> Hsm() override;
  absl::StatusOr<bool> InApprovedMode() override;
  absl::StatusOr<hsm::PolicyValues> HsmCapabilities() override;
  absl::StatusOr<hsm::PolicyValues> HsmPolicies() override;
  absl::Status SetHsmPolicies(const hsm::PolicyValues& changes,
                              bool allow_destructive) override;
  absl::StatusOr<hsm::StorageInfo> HsmStorage() override;
  absl::Status ZeroizeHsm() override { return Zeroize(false); }
  absl::Status FactoryResetHsm() override { return Zeroize(true); }
  absl::Status UpdateFirmware(ByteSpan image, ByteSpan code) override;
  absl::Status RollbackFirmware() override;
  absl::StatusOr<hsm::Condition> GetCondition() override;
  absl::StatusOr<hsm::TransportStrings> EnterTransport() override;
  absl::StatusOr<std::string> TransportVerification(
      absl::string_view user) override;
  absl::Status LeaveTransport() override;
  absl::Status Tamper() override;
  absl::Status ClearTamper() override;
  absl::StatusOr<std::vector<hsm::PartitionInfo>> Containers() override;
  absl::StatusOr<uint32_t> AllowedContainers() override;
  absl::StatusOr<SpaceId> CreateContainer(
      const hsm::PartitionSpec& spec) override {
    return CreateBackup(spec, SecretBytes(), {});
  }
  absl::Status DeleteContainer(SpaceId space) override;
  absl::Status ResizeContainer(SpaceId space, uint64_t capacity) override;
  absl::StatusOr<hsm::PartitionInfo> Container(SpaceId space) override;
  absl::StatusOr<hsm::StorageInfo> ContainerStorage(SpaceId space) override;
  absl::StatusOr<hsm::PolicyValues> ContainerCapabilities(
      SpaceId space) override;
  absl::StatusOr<hsm::PolicyValues> ContainerPolicies(SpaceId space) override;
  absl::Status SetContainerPolicies(SpaceId space,
                                    const hsm::PolicyValues& changes,
                                    bool allow_destructive) override;

  absl::StatusOr<std::unique_ptr<cloning::Endpoint>> MakeEndpoint(
      SpaceId space) override;

  absl::StatusOr<Found> FindDevice() override;
  absl::Status Adopt(ByteSpan fingerprint, const SecretBytes& so_pin) override;
  absl::Status Offer(const RemoteOffer& offer) override {
    return link_.Offer(offer);
  }
  absl::StatusOr<SpaceId> CreateBackup(const hsm::PartitionSpec& spec,
                                       const SecretBytes& pin,
                                       ByteSpan domain) override;
  absl::StatusOr<hsm_io::ReadManifest::Reply> ReadManifest(
      SpaceId space, uint64_t page) override;
  absl::StatusOr<hsm_io::RunForecast::Reply> Forecast(
      const hsm_io::RunForecast& request) override;

 protected:
  absl::StatusOr<Authenticated> Authenticate(SpaceId space, hsm::Role role,
                                             const SecretBytes& pin) override;
  void Deauthenticate(SpaceId space) override;
  absl::Status CheckPin(SpaceId space, hsm::Role role,
                        const SecretBytes& pin) override;

 private:
  // A container's objects as the device listed them last.
  struct Listed {
    hsm::ObjectRef object;
    uint64_t cost = 0;
  };
  using Listing = std::map<uint64_t, Listed>;
  using ListingRef = std::shared_ptr<const Listing>;

  // A model and firmware to show while there is no state, or of a device.
  struct Shape {
    const hsm::ModelProfile* model;
    const hsm::FirmwareProfile* firmware;
  };
  absl::StatusOr<Shape> ShapeOf(absl::string_view model,
                                hsm::FirmwareVersion version) const;
  absl::StatusOr<Shape> Configured() const;
  absl::StatusOr<TokenFacts> ConfiguredFacts() const;

  // One exchange over the channel, opened when it is not. `login`: the space
  // that the request needs a login on, if it needs one.
  template <typename Request>
  absl::StatusOr<typename Request::Reply> Call(
      const Request& request, std::optional<SpaceId> login,
      absl::Duration budget = DeviceLink::kBudget);
  absl::StatusOr<hsm_io::GetHsmStatus::Reply> Status();
  absl::StatusOr<hsm_io::ContainerStatus> StatusOf(SpaceId space);
  absl::StatusOr<hsm_io::GetContainerPolicies::Reply> PoliciesOf(SpaceId space);
  absl::Status Zeroize(bool factory_reset);
  absl::StatusOr<hsm_io::SetTransport::Reply> SetTransport(
      hsm_io::SetTransport::What what, absl::string_view user);

  // The channel broke or was replaced: so did every login on it.
  void EndLogins();
  // CKR_DEVICE_REMOVED, once, when the login on `space` ended so.
  absl::Status TellLost(SpaceId space);
  void ForgetLogin(SpaceId space);

  absl::StatusOr<ListingRef> NewListing(SpaceId space);
  ListingRef Known(SpaceId space);
  void DropListing(SpaceId space);

  const HsmConfig config_;
  absl::Mutex mu_;
  std::set<SpaceId> logged_in_ ABSL_GUARDED_BY(mu_);
  std::set<SpaceId> lost_ ABSL_GUARDED_BY(mu_);
  std::map<SpaceId, ListingRef> listings_ ABSL_GUARDED_BY(mu_);
  DeviceLink link_;  // last: it calls back
};

template <typename Request>
absl::StatusOr<typename Request::Reply> BackupToken::Call(
    const Request& request, std::optional<SpaceId> login,
    absl::Duration budget) {
  RETURN_IF_ERROR(link_.Open());
  if (login.has_value()) RETURN_IF_ERROR(TellLost(*login));
  absl::StatusOr<typename Request::Reply> reply = link_.Call(request, budget);
  if (reply.ok() || !login.has_value()) return reply;
  const CK_RV rv = base::CkRv(reply.status());
  const bool no_login = rv == CKR_USER_NOT_LOGGED_IN &&
                        base::Reason(reply.status()) == hsm_io::kNoLogin;
  if (rv == CKR_DEVICE_REMOVED) TellLost(*login).IgnoreError();  // Told now.
  if (rv != CKR_DEVICE_REMOVED && !no_login) return reply;
  // If the process still counts on its login, the link did not break: what the
  // login was on was initialised anew, deleted or zeroized by somebody else.
  const std::shared_ptr<Application> here = application(*login);
  if (!here->EndLogin()) return reply;
  here->objects().DestroyPrivate();
  Deauthenticate(*login);
  return base::Error(CKR_DEVICE_REMOVED,
                     "the Backup HSM ended the login: what it was on was "
                     "initialised anew or deleted");
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_BACKUP_TOKEN_CLASS_H_
