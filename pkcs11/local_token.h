// A partition of an HSM in this process, or the HSM's admin partition, as what
// sits in a slot; and the HSM itself, whose state may not exist yet.
#ifndef PERIGEE_PKCS11_LOCAL_TOKEN_H_
#define PERIGEE_PKCS11_LOCAL_TOKEN_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "pkcs11/config.h"
#include "pkcs11/token.h"

namespace pkcs11 {

// An application HSM by its configuration. Its state is opened when it exists
// and made by the first call that must store something; between processes that
// make it at the same time one wins. Thread-safe.
class LocalHsm {
 public:
  LocalHsm(HsmConfig config, std::string fleet_directory)
      : config_(std::move(config)),
        fleet_directory_(std::move(fleet_directory)) {}

  const HsmConfig& config() const { return config_; }

  // Null while there is no state. Errors are those of a damaged or unreadable
  // store. The Hsm lives as long as this object.
  absl::StatusOr<hsm::Hsm*> OpenIfThere();
  absl::StatusOr<hsm::Hsm*> OpenOrCreate();
  // Called once after this process made the state (slot numbers are stored
  // then).
  void OnCreated(std::function<void()> on_created) {
    on_created_ = std::move(on_created);
  }

 private:
  absl::Status OpenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const HsmConfig config_;
  const std::string fleet_directory_;
  std::function<void()> on_created_;
  absl::Mutex mu_;
  std::unique_ptr<hsm::Hsm> hsm_ ABSL_GUARDED_BY(mu_);
};
using LocalHsmRef = std::shared_ptr<LocalHsm>;

class LocalToken : public Token {
 public:
  // `space` 0: the admin partition. Before state exists, the space that the
  // partition will get (1 for the first one configured, and so on).
  LocalToken(CK_SLOT_ID slot, LocalHsmRef hsm, SpaceId space);
  ~LocalToken() override;

  SpaceId own_space() const override { return space_; }
  const std::string& hsm_name() const override {
    return hsm_->config().spec.name;
  }
  LocalHsm& local_hsm() const { return *hsm_; }
  // The partition `space`; makes the state when there is none.
  // CKR_DEVICE_REMOVED when the partition was deleted.
  absl::StatusOr<hsm::Partition*> PartitionOf(SpaceId space);
  // The HSM; makes the state when there is none.
  absl::StatusOr<hsm::Hsm*> OpenedHsm() { return hsm_->OpenOrCreate(); }
  // The login on `space`; CKR_USER_NOT_LOGGED_IN.
  absl::StatusOr<hsm::LoginRef> LoginOn(SpaceId space);

  SlotFacts Slot() override;
  absl::StatusOr<TokenFacts> Facts() override;
  bool has_crypto() const override { return true; }
  Profile profile() const override;
  bool writable() override;

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
  absl::Status SetDomain(SpaceId space, ByteSpan domain) override;
  absl::Status SetLegacyDomain(SpaceId space, ByteSpan domain) override;
  absl::StatusOr<std::vector<base::Certificate>> Certificates() override;
  absl::Status ChangeLabel(SpaceId space, absl::string_view label) override;
  absl::StatusOr<std::vector<std::string>> DomainLabels(SpaceId space) override;
  absl::Status AddDomain(SpaceId space, absl::string_view label,
                         ByteSpan domain) override;
  absl::Status ChangeDomain(SpaceId space, absl::string_view label,
                            std::optional<absl::string_view> new_label,
                            bool make_primary) override;
  absl::Status DeleteDomain(SpaceId space, absl::string_view label) override;
  absl::StatusOr<CloningFacts> Cloning(SpaceId space) override;
  absl::Status SetSuitesOff(SpaceId space,
                            const std::vector<uint8_t>& off) override;

  absl::StatusOr<std::vector<uint64_t>> Create(
      SpaceId space, std::vector<hsm::NewObject> objects) override;
  absl::StatusOr<hsm::ObjectRef> Get(SpaceId space, uint64_t handle) override;
  absl::StatusOr<std::vector<uint64_t>> Find(
      SpaceId space, const AttributeSet& pattern) override;
  absl::StatusOr<hsm::ObjectRef> Replace(SpaceId space,
                                         const hsm::Object& object,
                                         AttributeSet attributes) override;
  absl::Status Destroy(SpaceId space, uint64_t handle) override;
  absl::Status Clear(SpaceId space) override;
  absl::StatusOr<std::vector<uint64_t>> FindTampered(SpaceId space) override;
  bool IsCurrent(SpaceId space, const hsm::Object& object) override;
  uint64_t Generation(SpaceId space) override;
  absl::StatusOr<uint64_t> CostOf(SpaceId space,
                                  const AttributeSet& attributes) override;
  absl::Status CheckWrapPolicy(SpaceId space, bool wrap,
                               CK_OBJECT_CLASS object_class) override;

  absl::StatusOr<hsm::KeyRights> KeyRightsOn(SpaceId space) override;
  absl::StatusOr<std::vector<uint64_t>> SmkHandles(SpaceId space) override;
  absl::Status RollSmk(SpaceId space, bool begin) override;
  absl::StatusOr<std::vector<hsm::ObjectRef>> AllForSks(
      SpaceId space, const hsm::SksAuthorisation& authorisation) override;
  absl::StatusOr<size_t> SizeOfSks(
      SpaceId space, absl::Span<const hsm::ObjectRef> objects,
      const hsm::SksAuthorisation& authorisation) override;
  absl::StatusOr<base::Bytes> ExtractSks(
      SpaceId space, absl::Span<const hsm::ObjectRef> objects,
      const hsm::SksAuthorisation& authorisation, bool destroy,
      size_t room) override;
  absl::StatusOr<std::vector<hsm::SksObject>> OpenSks(
      SpaceId space, ByteSpan blob, const hsm::SksAuthorisation& authorisation,
      hsm::Partition::SksUse use) override;

  absl::Status NoteUse(SpaceId space, const hsm::Object& key,
                       CK_ATTRIBUTE_TYPE usage,
                       CK_MECHANISM_TYPE mechanism) override;
  absl::Status NoteWrapped(SpaceId space, const hsm::Object& key,
                           CK_MECHANISM_TYPE mechanism) override;

  absl::StatusOr<hsm::AuditLog*> AuditLog() override;

  absl::StatusOr<hsm::HsmInfo> Hsm() override;
  absl::StatusOr<bool> InApprovedMode() override;
  absl::StatusOr<hsm::Hsm::ClockReading> Clock() override;
  absl::Status SetClock(uint64_t seconds) override;
  absl::StatusOr<hsm::PolicyValues> HsmCapabilities() override;
  absl::StatusOr<hsm::PolicyValues> HsmPolicies() override;
  absl::Status SetHsmPolicies(const hsm::PolicyValues& changes,
                              bool allow_destructive) override;
  absl::StatusOr<hsm::StorageInfo> HsmStorage() override;
  absl::Status ZeroizeHsm() override;
  absl::Status FactoryResetHsm() override;
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
      const hsm::PartitionSpec& spec) override;
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

 protected:
  absl::StatusOr<Authenticated> Authenticate(SpaceId space, hsm::Role role,
                                             const SecretBytes& pin) override;
  void NoteLogout(SpaceId space, hsm::Role role) override;

 private:
  // Null while there is no state; creates nothing.
  absl::StatusOr<hsm::Partition*> PartitionIfThere(SpaceId space);
  // The own partition for work on objects, CKR_CONTAINER_HANDLE_INVALID for
  // another one.
  absl::StatusOr<hsm::Partition*> Own(SpaceId space);
  // The login for work on objects; null: public objects only.
  hsm::LoginRef Access() const;
  TokenFacts FactsWithoutState() const;

  const LocalHsmRef hsm_;
  const SpaceId space_;
  const bool records_use_;  // the audit log has each use of a key
  const std::shared_ptr<Application> own_;
  // Once it was found; lives as long as the HSM.
  std::atomic<hsm::Partition*> found_{nullptr};
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_LOCAL_TOKEN_H_
