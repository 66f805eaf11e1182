#include "pkcs11/local_token.h"

#include <errno.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cloning/local_endpoint.h"
#include "hsm/fleet.h"
#include "pkcs11/mechanisms/self_check.h"

namespace pkcs11 {
namespace {

constexpr CK_ULONG kLongestPin = 255;
constexpr size_t kModelField = 16;  // of CK_TOKEN_INFO

absl::Status NoSuchPartition() {
  return base::Error(CKR_DEVICE_REMOVED, "the partition is not there any more");
}

absl::Status NoSuchContainer() {
  return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                     "the slot's own partition is the only one here");
}

const hsm::ModelProfile* ModelOf(const HsmConfig& config) {
  return hsm::FindModel(config.spec.model);
}

CK_ULONG MinimumPin(const hsm::ModelProfile* model,
                    const hsm::FirmwareProfile* firmware) {
  if (model != nullptr && model->minimum_pin != 0) return model->minimum_pin;
  return firmware == nullptr ? 0 : firmware->minimum_pin;
}

std::string ModelText(const hsm::ModelProfile* model, bool test_kdf) {
  if (model == nullptr) return "";
  std::string text = model->token_model;
  if (!test_kdf) return text;
  text.resize(std::min(text.size(), kModelField - 5));
  return text + " TEST";
}

// The three flags of how many PINs may still be tried.
CK_FLAGS PinFlags(const hsm::RoleState& state, CK_FLAGS low, CK_FLAGS last,
                  CK_FLAGS locked, CK_FLAGS change) {
  CK_FLAGS flags = 0;
  if (!state.initialized) return flags;
  if (state.locked) flags |= locked;
  if (!state.locked && state.failures > 0) flags |= low;
  if (!state.locked && state.attempts_left == 1) flags |= last;
  if (state.must_change_pin) flags |= change;
  return flags;
}

}  // namespace

// --- LocalHsm ----------------------------------------------------------------

absl::Status LocalHsm::OpenLocked() {
  if (hsm_ != nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto opened, hsm::Hsm::Open(config_.store));
  opened->audit().Configure(config_.audit);
  RETURN_IF_ERROR(opened->audit().CheckWitness());
  hsm_ = std::move(opened);
  return absl::OkStatus();
}

absl::StatusOr<hsm::Hsm*> LocalHsm::OpenIfThere() {
  absl::MutexLock lock(&mu_);
  if (hsm_ != nullptr) return hsm_.get();
  struct stat unused;
  if (stat(config_.store.c_str(), &unused) != 0 &&
      (errno == ENOENT || errno == ENOTDIR)) {
    return nullptr;
  }
  const absl::Status opened = OpenLocked();
  if (absl::IsNotFound(opened)) return nullptr;
  RETURN_IF_ERROR(opened);
  return hsm_.get();
}

absl::StatusOr<hsm::Hsm*> LocalHsm::OpenOrCreate() {
  ASSIGN_OR_RETURN(hsm::Hsm * there, OpenIfThere());
  if (there != nullptr) return there;
  ASSIGN_OR_RETURN(const hsm::Fleet fleet,
                   hsm::Fleet::OpenOrCreate(fleet_directory_));
  RETURN_IF_ERROR(hsm::Hsm::Create(config_.spec, config_.store, fleet));
  {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(OpenLocked());
    there = hsm_.get();
  }
  if (on_created_) on_created_();
  return there;
}

// --- what the slot shows -----------------------------------------------------

LocalToken::LocalToken(CK_SLOT_ID slot, LocalHsmRef hsm, SpaceId space)
    : Token(slot),
      hsm_(std::move(hsm)),
      space_(space),
      records_use_(hsm_->config().audit.At(space).key_use),
      own_(application(space)) {}

LocalToken::~LocalToken() = default;

Profile LocalToken::profile() const {
  const std::vector<PartitionConfig>& partitions = hsm_->config().partitions;
  return space_ != 0 && space_ <= partitions.size()
             ? partitions[space_ - 1].profile
             : Profile::kStrict;
}

SlotFacts LocalToken::Slot() {
  const HsmConfig& config = hsm_->config();
  const hsm::ModelProfile* model = ModelOf(config);
  SlotFacts facts;
  facts.description =
      is_admin() ? absl::StrCat("Perigee HSM ", config.spec.name, " admin")
                 : absl::StrCat("Perigee HSM ", config.spec.name);
  facts.manufacturer = model == nullptr ? "Perigee" : model->manufacturer;
  facts.hardware = false;
  facts.firmware = config.spec.firmware;
  const auto opened = hsm_->OpenIfThere();
  if (opened.ok() && *opened != nullptr) {
    const auto info = (*opened)->Info();
    if (info.ok() && info->firmware != nullptr) {
      facts.firmware = info->firmware->version;
    }
  } else if (facts.firmware == hsm::FirmwareVersion() && model != nullptr) {
    facts.firmware = model->default_firmware;
  }
  return facts;
}

TokenFacts LocalToken::FactsWithoutState() const {
  const hsm::HsmSpec& spec = hsm_->config().spec;
  const hsm::ModelProfile* model = ModelOf(hsm_->config());
  TokenFacts facts;
  facts.flags = CKF_RNG | CKF_LOGIN_REQUIRED;
  if (InErrorState()) facts.flags |= CKF_ERROR_STATE;
  if (is_admin()) facts.flags |= CKF_ADMIN_TOKEN;
  facts.max_pin = kLongestPin;
  if (model == nullptr) return facts;
  facts.manufacturer = model->manufacturer;
  facts.model = ModelText(model, spec.kdf_cost == hsm::KdfCost::kTest);
  facts.firmware = spec.firmware == hsm::FirmwareVersion()
                       ? model->default_firmware
                       : spec.firmware;
  facts.min_pin =
      MinimumPin(model, hsm::FindFirmware(spec.kind, facts.firmware));
  return facts;
}

absl::StatusOr<TokenFacts> LocalToken::Facts() {
  TokenFacts facts = FactsWithoutState();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space_));
  if (partition == nullptr) return facts;
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, hsm_->OpenIfThere());
  ASSIGN_OR_RETURN(const hsm::HsmInfo about, hsm->Info());
  ASSIGN_OR_RETURN(const hsm::PartitionInfo info, partition->Info());
  ASSIGN_OR_RETURN(const hsm::RoleState so, partition->State(hsm::Role::kSo));
  facts.label = is_admin() ? about.label : info.label;
  facts.serial = is_admin() ? about.serial : info.serial;
  facts.model = ModelText(about.model, about.test_kdf);
  if (about.model != nullptr) facts.manufacturer = about.model->manufacturer;
  if (about.firmware != nullptr) facts.firmware = about.firmware->version;
  facts.min_pin = MinimumPin(about.model, about.firmware);

  if (is_admin() ? about.initialized : info.initialized) {
    facts.flags |= CKF_TOKEN_INITIALIZED;
  }
  facts.flags |= PinFlags(so, CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY,
                          CKF_SO_PIN_LOCKED, CKF_SO_PIN_TO_BE_CHANGED);
  if (!is_admin()) {
    ASSIGN_OR_RETURN(const hsm::RoleState co, partition->State(hsm::Role::kCo));
    if (co.initialized) facts.flags |= CKF_USER_PIN_INITIALIZED;
    facts.flags |= PinFlags(co, CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY,
                            CKF_USER_PIN_LOCKED, CKF_USER_PIN_TO_BE_CHANGED);
  }
  if (!partition->writable()) facts.flags |= CKF_WRITE_PROTECTED;
  ASSIGN_OR_RETURN(const hsm::StorageInfo storage, partition->Storage());
  if (storage.total != CK_UNAVAILABLE_INFORMATION) {
    facts.total_memory = storage.total;
    facts.free_memory = storage.free;
  }
  return facts;
}

// --- finding the partition ---------------------------------------------------

absl::StatusOr<hsm::Partition*> LocalToken::PartitionIfThere(SpaceId space) {
  if (space == space_) {
    hsm::Partition* const known = found_.load(std::memory_order_acquire);
    if (known != nullptr) return known;
  }
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, hsm_->OpenIfThere());
  if (hsm == nullptr) return nullptr;
  ASSIGN_OR_RETURN(hsm::Partition* const partition, hsm->LookUp(space));
  if (partition == nullptr) return NoSuchPartition();
  if (space == space_) found_.store(partition, std::memory_order_release);
  return partition;
}

absl::StatusOr<hsm::Partition*> LocalToken::PartitionOf(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const there, PartitionIfThere(space));
  if (there != nullptr) return there;
  RETURN_IF_ERROR(hsm_->OpenOrCreate().status());
  ASSIGN_OR_RETURN(hsm::Partition* const made, PartitionIfThere(space));
  if (made == nullptr) return NoSuchPartition();
  return made;
}

absl::StatusOr<hsm::Partition*> LocalToken::Own(SpaceId space) {
  if (space != space_) return NoSuchContainer();
  return PartitionOf(space);
}

absl::StatusOr<hsm::LoginRef> LocalToken::LoginOn(SpaceId space) {
  hsm::LoginRef login =
      space == space_ ? own_->login() : application(space)->login();
  if (login == nullptr) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "nobody is logged in");
  }
  return login;
}

hsm::LoginRef LocalToken::Access() const {
  // The Auditor sees what everybody sees.
  if (own_->role() == hsm::Role::kAuditor) return nullptr;
  return own_->login();
}

bool LocalToken::writable() {
  const auto partition = PartitionIfThere(space_);
  return !partition.ok() || *partition == nullptr || (*partition)->writable();
}

absl::Status LocalToken::Connect(SpaceId space) {
  if (space != space_) return NoSuchContainer();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) return absl::OkStatus();
  return partition->Info().status();
}

// --- audit -------------------------------------------------------------------

absl::Status LocalToken::NoteUse(SpaceId space, const hsm::Object& key,
                                 CK_ATTRIBUTE_TYPE usage,
                                 CK_MECHANISM_TYPE mechanism) {
  if (!records_use_) return absl::OkStatus();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->NoteUse(hsm::AuditWord::kKeyUsed, Access().get(), key,
                            usage, mechanism);
}

absl::Status LocalToken::NoteWrapped(SpaceId space, const hsm::Object& key,
                                     CK_MECHANISM_TYPE mechanism) {
  if (!key.is_token()) return absl::OkStatus();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->NoteUse(hsm::AuditWord::kObjectWrapped, Access().get(), key,
                            CKA_WRAP, mechanism);
}

absl::StatusOr<hsm::AuditLog*> LocalToken::AuditLog() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, hsm_->OpenIfThere());
  if (hsm != nullptr) return &hsm->audit();
  return base::Error(CKR_TOKEN_NOT_PRESENT, "the HSM was never initialised");
}

void LocalToken::NoteLogout(SpaceId space, hsm::Role role) {
  const auto partition = PartitionIfThere(space);
  if (partition.ok() && *partition != nullptr) (*partition)->NoteLogout(role);
}

// --- life cycle and roles ----------------------------------------------------

absl::Status LocalToken::InitToken(absl::string_view label,
                                   const SecretBytes& so_pin, ByteSpan domain) {
  if (is_admin()) {
    ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
    return hsm->Init(label, so_pin, domain);
  }
  return InitContainer(space_, label, so_pin, domain);
}

absl::Status LocalToken::InitContainer(SpaceId space, absl::string_view label,
                                       const SecretBytes& so_pin,
                                       ByteSpan domain) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->Init(label, so_pin, domain);
}

absl::StatusOr<Token::Authenticated> LocalToken::Authenticate(
    SpaceId space, hsm::Role role, const SecretBytes& pin) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) {
    return base::Error(CKR_USER_PIN_NOT_INITIALIZED,
                       "the token was never initialised");
  }
  ASSIGN_OR_RETURN(hsm::LoginRef login, partition->Unlock(role, pin));
  const bool must_change = login->must_change_pin();
  return Authenticated{std::move(login), must_change};
}

absl::Status LocalToken::InitRole(SpaceId space, hsm::Role role,
                                  const SecretBytes& pin) {
  if (role == hsm::Role::kAuditor) {
    // Makes itself while the SO is logged out.
    if (application(space)->role().has_value()) {
      return base::Error(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
                         "the Auditor is made while nobody is logged in");
    }
    ASSIGN_OR_RETURN(hsm::Partition* const admin, PartitionOf(space));
    return admin->InitAuditor(pin);
  }
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->InitRole(*login, role, pin);
}

absl::Status LocalToken::ChangePin(SpaceId space, hsm::Role role,
                                   const SecretBytes& old_pin,
                                   const SecretBytes& new_pin) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) {
    return base::Error(CKR_USER_PIN_NOT_INITIALIZED,
                       "the token was never initialised");
  }
  RETURN_IF_ERROR(partition->ChangePin(role, old_pin, new_pin));
  const auto application = this->application(space);
  if (application->role() == role) application->PinChanged();
  return absl::OkStatus();
}

absl::StatusOr<hsm::RoleState> LocalToken::RoleState(SpaceId space,
                                                     hsm::Role role) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) return hsm::RoleState();
  return partition->State(role);
}

absl::Status LocalToken::ChangeLabel(SpaceId space, absl::string_view label) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->ChangeLabel(*login, label);
}

// --- objects -----------------------------------------------------------------

absl::StatusOr<std::vector<uint64_t>> LocalToken::Create(
    SpaceId space, std::vector<hsm::NewObject> objects) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  ASSIGN_OR_RETURN(const hsm::PartitionInfo info, partition->Info());
  if (!info.initialized) {
    return base::Error(CKR_TOKEN_NOT_INITIALIZED,
                       "objects are kept after C_InitToken");
  }
  return partition->Create(Access().get(), std::move(objects));
}

absl::StatusOr<hsm::ObjectRef> LocalToken::Get(SpaceId space, uint64_t handle) {
  if (space != space_) return NoSuchContainer();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) {
    return base::Error(CKR_OBJECT_HANDLE_INVALID, "the token is empty");
  }
  return partition->Get(Access().get(), handle);
}

absl::StatusOr<std::vector<uint64_t>> LocalToken::Find(
    SpaceId space, const AttributeSet& pattern) {
  if (space != space_) return NoSuchContainer();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) return std::vector<uint64_t>();
  return partition->Find(Access().get(), pattern);
}

absl::StatusOr<hsm::ObjectRef> LocalToken::Replace(SpaceId space,
                                                   const hsm::Object& object,
                                                   AttributeSet attributes) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->Replace(Access().get(), object, std::move(attributes));
}

absl::Status LocalToken::Destroy(SpaceId space, uint64_t handle) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->Destroy(Access().get(), handle);
}

absl::Status LocalToken::Clear(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->Clear(Access().get());
}

absl::StatusOr<std::vector<uint64_t>> LocalToken::FindTampered(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return partition->FindTampered(Access().get());
}

bool LocalToken::IsCurrent(SpaceId space, const hsm::Object& object) {
  const auto partition = PartitionIfThere(space);
  return partition.ok() && *partition != nullptr &&
         (*partition)->IsCurrent(Access().get(), object);
}

uint64_t LocalToken::Generation(SpaceId space) {
  const auto partition = PartitionIfThere(space);
  return partition.ok() && *partition != nullptr ? (*partition)->Generation()
                                                 : hsm::Store::kBusy;
}

absl::StatusOr<uint64_t> LocalToken::CostOf(SpaceId space,
                                            const AttributeSet& attributes) {
  if (space != space_) return NoSuchContainer();
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  // A session object of a token that has no state.
  if (partition == nullptr) return attributes.EncodedSize();
  return partition->CostOf(attributes);
}

absl::Status LocalToken::CheckWrapPolicy(SpaceId space, bool wrap,
                                         CK_OBJECT_CLASS object_class) {
  namespace policy = hsm::partition_policy;
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionIfThere(space));
  if (partition == nullptr) return absl::OkStatus();
  const bool secret = object_class == CKO_SECRET_KEY;
  const uint32_t number =
      wrap ? (secret ? policy::kSecretKeyWrapping : policy::kPrivateKeyWrapping)
           : (secret ? policy::kSecretKeyUnwrapping
                     : policy::kPrivateKeyUnwrapping);
  ASSIGN_OR_RETURN(const uint64_t allowed, partition->Policy(number));
  if (allowed != 0) return absl::OkStatus();
  return base::ErrorWithReason(
      wrap ? CKR_KEY_NOT_WRAPPABLE : CKR_OPERATION_NOT_ALLOWED,
      absl::StrCat("partition-policy-", number),
      "the partition's policy forbids it");
}

// --- administration ----------------------------------------------------------

absl::StatusOr<hsm::HsmInfo> LocalToken::Hsm() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, hsm_->OpenIfThere());
  if (hsm != nullptr) return hsm->Info();
  const TokenFacts facts = FactsWithoutState();
  const hsm::HsmSpec& spec = hsm_->config().spec;
  hsm::HsmInfo info;
  info.name = spec.name;
  info.model = ModelOf(hsm_->config());
  info.firmware = hsm::FindFirmware(spec.kind, facts.firmware);
  info.kind = spec.kind;
  info.fm = spec.fm;
  info.attached_to_appliance = spec.attached_to_appliance;
  info.test_kdf = spec.kdf_cost == hsm::KdfCost::kTest;
  return info;
}

absl::StatusOr<bool> LocalToken::InApprovedMode() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->InApprovedMode();
}

absl::StatusOr<hsm::PolicyValues> LocalToken::HsmCapabilities() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->Capabilities();
}

absl::StatusOr<hsm::PolicyValues> LocalToken::HsmPolicies() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->Policies();
}

absl::Status LocalToken::SetHsmPolicies(const hsm::PolicyValues& changes,
                                        bool allow_destructive) {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  const hsm::LoginRef login = application(0)->login();
  return hsm->SetPolicies(login.get(), changes, allow_destructive);
}

absl::StatusOr<hsm::StorageInfo> LocalToken::HsmStorage() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->Storage();
}

absl::Status LocalToken::ZeroizeHsm() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->Zeroize();
}

absl::Status LocalToken::FactoryResetHsm() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->FactoryReset();
}

absl::Status LocalToken::UpdateFirmware(ByteSpan image, ByteSpan code) {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  ASSIGN_OR_RETURN(const hsm::LoginRef so, LoginOn(0));
  return hsm->InstallFirmware(*so, image, code);
}

absl::Status LocalToken::RollbackFirmware() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  ASSIGN_OR_RETURN(const hsm::LoginRef so, LoginOn(0));
  return hsm->RollbackFirmware(*so);
}

absl::StatusOr<hsm::Condition> LocalToken::GetCondition() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->GetCondition();
}

absl::StatusOr<hsm::Hsm::ClockReading> LocalToken::Clock() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, hsm_->OpenIfThere());
  if (hsm == nullptr) return Token::Clock();
  return hsm->Clock();
}

absl::Status LocalToken::SetClock(uint64_t seconds) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(0));
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->SetClock(*login, seconds);
}

absl::StatusOr<hsm::TransportStrings> LocalToken::EnterTransport() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->EnterTransport(application(0)->login().get());
}

absl::StatusOr<std::string> LocalToken::TransportVerification(
    absl::string_view user) {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->TransportVerification(application(0)->login().get(), user);
}

absl::Status LocalToken::LeaveTransport() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->LeaveTransport(application(0)->login().get());
}

absl::Status LocalToken::Tamper() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->Tamper();
}

absl::Status LocalToken::ClearTamper() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->ClearTamper(application(0)->login().get());
}

absl::StatusOr<std::vector<hsm::PartitionInfo>> LocalToken::Containers() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->Partitions();
}

absl::StatusOr<uint32_t> LocalToken::AllowedContainers() {
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->AllowedPartitions();
}

absl::StatusOr<SpaceId> LocalToken::CreateContainer(
    const hsm::PartitionSpec& spec) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(0));
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->CreatePartition(*login, spec);
}

absl::Status LocalToken::DeleteContainer(SpaceId space) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(0));
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->DeletePartition(*login, space);
}

absl::Status LocalToken::ResizeContainer(SpaceId space, uint64_t capacity) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(0));
  ASSIGN_OR_RETURN(hsm::Hsm* const hsm, OpenedHsm());
  return hsm->ResizePartition(*login, space, capacity);
}

absl::StatusOr<hsm::PartitionInfo> LocalToken::Container(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->Info();
}

absl::StatusOr<hsm::StorageInfo> LocalToken::ContainerStorage(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->Storage();
}

absl::StatusOr<hsm::PolicyValues> LocalToken::ContainerCapabilities(
    SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  static_cast<void>(partition);
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, Hsm());
  if (info.model == nullptr || info.firmware == nullptr) {
    return base::Error(CKR_GENERAL_ERROR, "the HSM's model is not known");
  }
  return hsm::PartitionCapabilities(*info.model, *info.firmware);
}

absl::StatusOr<hsm::PolicyValues> LocalToken::ContainerPolicies(SpaceId space) {
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->Policies();
}

absl::Status LocalToken::SetContainerPolicies(SpaceId space,
                                              const hsm::PolicyValues& changes,
                                              bool allow_destructive) {
  ASSIGN_OR_RETURN(const hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, PartitionOf(space));
  return partition->SetPolicies(*login, changes, allow_destructive);
}

// --- cloning -----------------------------------------------------------------

absl::StatusOr<std::unique_ptr<cloning::Endpoint>> LocalToken::MakeEndpoint(
    SpaceId space) {
  ASSIGN_OR_RETURN(hsm::LoginRef login, LoginOn(space));
  ASSIGN_OR_RETURN(hsm::Partition* const partition, Own(space));
  return std::make_unique<cloning::LocalEndpoint>(partition, std::move(login));
}

}  // namespace pkcs11
