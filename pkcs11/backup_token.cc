#include "pkcs11/backup_token.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "cloning/endpoint.h"
#include "pkcs11/backup_token_class.h"

namespace pkcs11 {
namespace {

constexpr CK_ULONG kLongestPin = 255;

hsm::RoleState ToState(const hsm_io::RoleStatus& m) {
  return {m.initialized, m.locked, m.must_change_pin, m.failures,
          m.attempts_left};
}

// The flags of C_GetTokenInfo that tell how the SO's PIN stands.
CK_FLAGS SoPinFlags(const hsm_io::RoleStatus& so) {
  CK_FLAGS flags = 0;
  if (so.locked) return CKF_SO_PIN_LOCKED;
  if (so.failures > 0) flags |= CKF_SO_PIN_COUNT_LOW;
  if (so.initialized && so.attempts_left == 1) flags |= CKF_SO_PIN_FINAL_TRY;
  if (so.must_change_pin) flags |= CKF_SO_PIN_TO_BE_CHANGED;
  return flags;
}

}  // namespace

// --- the channel and the logins on it ---------------------------------------

void BackupToken::EndLogins() {
  std::set<SpaceId> ended;
  {
    absl::MutexLock lock(&mu_);
    ended.swap(logged_in_);
    lost_.insert(ended.begin(), ended.end());
    listings_.clear();
  }
  for (SpaceId space : ended) {
    const std::shared_ptr<Application> here = application(space);
    if (here->EndLogin()) here->objects().DestroyPrivate();
  }
}

absl::Status BackupToken::TellLost(SpaceId space) {
  absl::MutexLock lock(&mu_);
  if (lost_.erase(space) == 0) return absl::OkStatus();
  return base::Error(CKR_DEVICE_REMOVED,
                     "the link to the Backup HSM broke, and the login on it "
                     "ended: log in again");
}

void BackupToken::ForgetLogin(SpaceId space) {
  absl::MutexLock lock(&mu_);
  logged_in_.erase(space);
  listings_.erase(space);
}

absl::StatusOr<Token::Authenticated> BackupToken::Authenticate(
    SpaceId space, hsm::Role role, const SecretBytes& pin) {
  if (!link_.exists()) {
    return base::Error(CKR_USER_PIN_NOT_INITIALIZED,
                       "the Backup HSM was not initialised yet");
  }
  {
    absl::MutexLock lock(&mu_);
    lost_.erase(space);  // A new login: nobody waits for the old one's news.
  }
  hsm_io::Login request;
  request.space = space;
  request.role = static_cast<uint8_t>(role);
  request.pin = pin.Clone();
  ASSIGN_OR_RETURN(const hsm_io::Login::Reply reply,
                   Call(request, std::nullopt, DeviceLink::kPinBudget));
  absl::MutexLock lock(&mu_);
  logged_in_.insert(space);
  return Authenticated{nullptr, reply.must_change_pin};
}

void BackupToken::Deauthenticate(SpaceId space) {
  ForgetLogin(space);
  if (!link_.is_open()) return;  // It ended with the channel.
  hsm_io::Logout request;
  request.space = space;
  link_.Call(request, DeviceLink::kBudget).status().IgnoreError();
}

// On the device a role that is logged in cannot log in again; a PIN is changed
// to itself only when it is right.
absl::Status BackupToken::CheckPin(SpaceId, hsm::Role, const SecretBytes&) {
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "no operation on a Backup HSM wants its PIN again");
}

absl::Status BackupToken::Connect(SpaceId space) {
  if (!link_.exists()) {
    if (space == 0) return absl::OkStatus();
    return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                       "the Backup HSM was not initialised yet");
  }
  if (space == 0) return link_.Open();
  hsm_io::GetRoleStatus request;
  request.space = space;
  return Call(request, std::nullopt).status();
}

// --- what the slot shows ----------------------------------------------------

absl::StatusOr<BackupToken::Shape> BackupToken::ShapeOf(
    absl::string_view model, hsm::FirmwareVersion version) const {
  Shape shape;
  shape.model = hsm::FindModel(model);
  shape.firmware = hsm::FindFirmware(hsm::Kind::kBackup, version);
  if (shape.model != nullptr && shape.firmware != nullptr) return shape;
  return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                     absl::StrCat("unknown Backup HSM: model ", model,
                                  ", firmware ", version.ToString()));
}

absl::StatusOr<BackupToken::Shape> BackupToken::Configured() const {
  hsm::FirmwareVersion version = config_.spec.firmware;
  const hsm::ModelProfile* model = hsm::FindModel(config_.spec.model);
  if (version == hsm::FirmwareVersion() && model != nullptr) {
    version = model->default_firmware;
  }
  return ShapeOf(config_.spec.model, version);
}

absl::StatusOr<TokenFacts> BackupToken::ConfiguredFacts() const {
  ASSIGN_OR_RETURN(const Shape shape, Configured());
  TokenFacts facts;
  facts.manufacturer = shape.model->manufacturer;
  facts.model = shape.model->token_model;
  facts.flags = CKF_LOGIN_REQUIRED;
  facts.min_pin = hsm::MinimumPin(*shape.model, *shape.firmware);
  facts.max_pin = kLongestPin;
  facts.firmware = shape.firmware->version;
  return facts;
}

SlotFacts BackupToken::Slot() {
  SlotFacts facts;
  facts.description = absl::StrCat("Backup HSM ", config_.spec.name);
  facts.manufacturer = "Perigee";
  facts.removable = true;
  if (!link_.exists()) {
    const absl::StatusOr<Shape> shape = Configured();
    if (shape.ok()) facts.firmware = shape->firmware->version;
    return facts;
  }
  const absl::StatusOr<hsm_io::DeviceInfo> info = link_.Discover();
  facts.token_present = info.ok();
  if (info.ok()) {
    facts.firmware = ToVersion(info->firmware);
    facts.manufacturer = info->manufacturer;
  } else {
    base::Log(base::LogLevel::kInfo, facts.description, ": ",
              info.status().message());
  }
  return facts;
}

absl::StatusOr<TokenFacts> BackupToken::Facts() {
  if (!link_.exists()) return ConfiguredFacts();
  ASSIGN_OR_RETURN(hsm_io::DeviceInfo info, link_.Discover());
  TokenFacts facts;
  facts.flags = CKF_LOGIN_REQUIRED;
  if (link_.is_open()) {
    // What an open channel tells besides; the slot shows itself without, too.
    absl::StatusOr<hsm_io::GetHsmStatus::Reply> status = Status();
    if (status.ok()) {
      info = std::move(status->info);
      facts.flags |= SoPinFlags(status->so);
      facts.total_memory = status->storage.total;
      facts.free_memory = status->storage.free;
    }
  }
  facts.label = info.label;
  facts.manufacturer = info.manufacturer;
  facts.model = info.token_model;
  facts.serial = info.serial;
  facts.firmware = ToVersion(info.firmware);
  if (info.initialized) facts.flags |= CKF_TOKEN_INITIALIZED;
  const absl::StatusOr<Shape> shape = ShapeOf(info.model, facts.firmware);
  facts.min_pin =
      shape.ok() ? hsm::MinimumPin(*shape->model, *shape->firmware) : 4;
  facts.max_pin = kLongestPin;
  return facts;
}

absl::StatusOr<BackupDevice::Found> BackupToken::FindDevice() {
  if (!link_.exists()) {
    return base::Error(CKR_TOKEN_NOT_PRESENT,
                       "the Backup HSM was not initialised yet");
  }
  return link_.Find();
}

absl::Status BackupToken::Adopt(ByteSpan fingerprint,
                                const SecretBytes& so_pin) {
  RETURN_IF_ERROR(FindDevice().status());
  return link_.Adopt(fingerprint, so_pin);
}

// --- life cycle and roles ---------------------------------------------------

absl::Status BackupToken::InitToken(absl::string_view label,
                                    const SecretBytes& so_pin,
                                    ByteSpan domain) {
  RETURN_IF_ERROR(link_.Create());
  hsm_io::InitHsm request;
  request.label = std::string(label);
  request.so_pin = so_pin.Clone();
  request.domain = SecretBytes::CopyOf(domain);
  RETURN_IF_ERROR(Call(request, std::nullopt, DeviceLink::kPinBudget).status());
  EndLogins();
  absl::MutexLock lock(&mu_);
  lost_.clear();  // This process did it itself.
  return absl::OkStatus();
}

absl::Status BackupToken::InitContainer(SpaceId space, absl::string_view label,
                                        const SecretBytes& so_pin,
                                        ByteSpan domain) {
  hsm_io::InitContainer request;
  request.space = space;
  request.label = std::string(label);
  request.so_pin = so_pin.Clone();
  request.domain = SecretBytes::CopyOf(domain);
  RETURN_IF_ERROR(Call(request, 0, DeviceLink::kPinBudget).status());
  application(space)->EndLogin();
  ForgetLogin(space);
  return absl::OkStatus();
}

absl::Status BackupToken::InitRole(SpaceId space, hsm::Role role,
                                   const SecretBytes& pin) {
  hsm_io::InitRole request;
  request.space = space;
  request.role = static_cast<uint8_t>(role);
  request.pin = pin.Clone();
  return Call(request, space, DeviceLink::kPinBudget).status();
}

absl::Status BackupToken::ChangePin(SpaceId space, hsm::Role role,
                                    const SecretBytes& old_pin,
                                    const SecretBytes& new_pin) {
  if (!link_.exists()) {
    return base::Error(CKR_USER_PIN_NOT_INITIALIZED,
                       "the Backup HSM was not initialised yet");
  }
  hsm_io::ChangePin request;
  request.space = space;
  request.role = static_cast<uint8_t>(role);
  request.old_pin = old_pin.Clone();
  request.new_pin = new_pin.Clone();
  RETURN_IF_ERROR(Call(request, std::nullopt, DeviceLink::kPinBudget).status());
  const std::shared_ptr<Application> here = application(space);
  if (here->role() == role) here->PinChanged();
  return absl::OkStatus();
}

absl::StatusOr<hsm::RoleState> BackupToken::RoleState(SpaceId space,
                                                      hsm::Role role) {
  if (!link_.exists() && space == 0) return hsm::RoleState();
  hsm_io::GetRoleStatus request;
  request.space = space;
  request.role = static_cast<uint8_t>(role);
  ASSIGN_OR_RETURN(const hsm_io::RoleStatus status,
                   Call(request, std::nullopt));
  return ToState(status);
}

void BackupToken::Disconnect() { link_.client()->CloseChannel(); }

absl::StatusOr<std::vector<base::Certificate>> BackupToken::Certificates() {
  return link_.Certificates();
}

absl::Status BackupToken::SetDomain(SpaceId space, ByteSpan domain) {
  hsm_io::SetDomain request;
  request.space = space;
  request.domain = SecretBytes::CopyOf(domain);
  return Call(request, space, DeviceLink::kPinBudget).status();
}

absl::Status BackupToken::ChangeLabel(SpaceId space, absl::string_view label) {
  hsm_io::ChangeLabel request;
  request.space = space;
  request.label = std::string(label);
  return Call(request, space).status();
}

BackupDevice* AsBackupDevice(Token& token) {
  return dynamic_cast<BackupDevice*>(&token);
}

TokenRef NewBackupToken(CK_SLOT_ID slot, const HsmConfig& config,
                        const std::string& fleet_directory) {
  return NewBackupTokenForTest(slot, config, fleet_directory, nullptr);
}

TokenRef NewBackupTokenForTest(CK_SLOT_ID slot, const HsmConfig& config,
                               const std::string& fleet_directory,
                               WrapTransport wrap) {
  return std::make_shared<BackupToken>(slot, config, fleet_directory,
                                       std::move(wrap));
}

}  // namespace pkcs11
