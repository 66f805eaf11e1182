#include "pkcs11/token.h"

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cloning/endpoint.h"

namespace pkcs11 {
namespace {

absl::Status NotHere() {
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "this kind of token does not do it");
}

}  // namespace

Token::~Token() = default;

std::shared_ptr<Application> Token::application(SpaceId space) {
  absl::MutexLock lock(&mu_);
  std::shared_ptr<Application>& application = applications_[space];
  if (application == nullptr) application = std::make_shared<Application>();
  return application;
}

std::vector<std::shared_ptr<Application>> Token::applications() {
  absl::MutexLock lock(&mu_);
  std::vector<std::shared_ptr<Application>> all;
  for (const auto& [space, application] : applications_) {
    all.push_back(application);
  }
  return all;
}

std::vector<SpaceId> Token::spaces_in_use() {
  absl::MutexLock lock(&mu_);
  std::vector<SpaceId> spaces;
  for (const auto& [space, application] : applications_) {
    spaces.push_back(space);
  }
  return spaces;
}

absl::Status Token::Login(SpaceId space, hsm::Role role,
                          const SecretBytes& pin) {
  const std::shared_ptr<Application> application = this->application(space);
  // Before the PIN is tried: a refused login must not count as a failed one.
  RETURN_IF_ERROR(application->MayLogin(role));
  ASSIGN_OR_RETURN(Authenticated got, Authenticate(space, role, pin));
  const hsm::LoginRef login = got.login;
  absl::Status begun =
      application->BeginLogin(role, std::move(got.login), got.must_change_pin);
  if (begun.ok()) return begun;
  if (login != nullptr) login->End();
  // Somebody else's login on a device is not ours to end.
  if (!application->role().has_value()) Deauthenticate(space);
  return begun;
}

absl::Status Token::Logout(SpaceId space) {
  const std::shared_ptr<Application> application = this->application(space);
  const std::optional<hsm::Role> role = application->role();
  if (!role.has_value() || !application->EndLogin()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  }
  application->objects().DestroyPrivate();
  Deauthenticate(space);
  NoteLogout(space, *role);
  return absl::OkStatus();
}

absl::Status Token::VerifyPin(SpaceId space, const SecretBytes& pin) {
  const auto role = application(space)->role();
  if (!role.has_value()) return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  return CheckPin(space, *role, pin);
}

absl::Status Token::CheckPin(SpaceId space, hsm::Role role,
                             const SecretBytes& pin) {
  ASSIGN_OR_RETURN(const Authenticated again, Authenticate(space, role, pin));
  if (again.login != nullptr) again.login->End();
  return absl::OkStatus();
}

absl::StatusOr<Token::Authenticated> Token::Authenticate(SpaceId, hsm::Role,
                                                         const SecretBytes&) {
  return NotHere();
}
void Token::Deauthenticate(SpaceId) {}

absl::Status Token::InitToken(absl::string_view, const SecretBytes&, ByteSpan) {
  return NotHere();
}
absl::Status Token::InitContainer(SpaceId, absl::string_view,
                                  const SecretBytes&, ByteSpan) {
  return NotHere();
}
absl::Status Token::InitRole(SpaceId, hsm::Role, const SecretBytes&) {
  return NotHere();
}
absl::Status Token::ChangePin(SpaceId, hsm::Role, const SecretBytes&,
                              const SecretBytes&) {
  return NotHere();
}
absl::StatusOr<hsm::RoleState> Token::RoleState(SpaceId, hsm::Role) {
  return NotHere();
}
absl::Status Token::SetDomain(SpaceId, ByteSpan) { return NotHere(); }
absl::Status Token::SetLegacyDomain(SpaceId, ByteSpan) { return NotHere(); }
absl::StatusOr<std::vector<base::Certificate>> Token::Certificates() {
  return NotHere();
}
absl::StatusOr<std::vector<std::string>> Token::DomainLabels(SpaceId) {
  return NotHere();
}
absl::Status Token::AddDomain(SpaceId, absl::string_view, ByteSpan) {
  return NotHere();
}
absl::Status Token::ChangeDomain(SpaceId, absl::string_view,
                                 std::optional<absl::string_view>, bool) {
  return NotHere();
}
absl::Status Token::DeleteDomain(SpaceId, absl::string_view) {
  return NotHere();
}
absl::StatusOr<CloningFacts> Token::Cloning(SpaceId) { return NotHere(); }
absl::Status Token::SetSuitesOff(SpaceId, const std::vector<uint8_t>&) {
  return NotHere();
}
absl::StatusOr<hsm::Hsm::ClockReading> Token::Clock() {
  hsm::Hsm::ClockReading clock;
  clock.seconds = static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
  return clock;
}
absl::Status Token::SetClock(uint64_t) { return NotHere(); }
absl::Status Token::ChangeLabel(SpaceId, absl::string_view) {
  return NotHere();
}

absl::StatusOr<std::vector<uint64_t>> Token::Create(
    SpaceId, std::vector<hsm::NewObject>) {
  return NotHere();
}
absl::StatusOr<hsm::ObjectRef> Token::Get(SpaceId, uint64_t) {
  return base::Error(CKR_OBJECT_HANDLE_INVALID, "");
}
absl::StatusOr<std::vector<uint64_t>> Token::Find(SpaceId,
                                                  const AttributeSet&) {
  return NotHere();
}
absl::StatusOr<hsm::ObjectRef> Token::Replace(SpaceId, const hsm::Object&,
                                              AttributeSet) {
  return NotHere();
}
absl::Status Token::Destroy(SpaceId, uint64_t) { return NotHere(); }
absl::StatusOr<hsm::KeyRights> Token::KeyRightsOn(SpaceId) { return NotHere(); }
absl::StatusOr<std::vector<hsm::ObjectRef>> Token::AllForSks(
    SpaceId, const hsm::SksAuthorisation&) {
  return NotHere();
}
absl::StatusOr<size_t> Token::SizeOfSks(SpaceId,
                                        absl::Span<const hsm::ObjectRef>,
                                        const hsm::SksAuthorisation&) {
  return NotHere();
}
absl::Status Token::RollSmk(SpaceId, bool) { return NotHere(); }
absl::StatusOr<base::Bytes> Token::ExtractSks(SpaceId,
                                              absl::Span<const hsm::ObjectRef>,
                                              const hsm::SksAuthorisation&,
                                              bool, size_t) {
  return NotHere();
}
absl::StatusOr<std::vector<hsm::SksObject>> Token::OpenSks(
    SpaceId, ByteSpan, const hsm::SksAuthorisation&, hsm::Partition::SksUse) {
  return NotHere();
}
absl::Status Token::Clear(SpaceId) { return NotHere(); }
absl::StatusOr<std::vector<uint64_t>> Token::FindTampered(SpaceId) {
  return NotHere();
}
bool Token::IsCurrent(SpaceId, const hsm::Object&) { return false; }
uint64_t Token::Generation(SpaceId) { return hsm::Store::kBusy; }
absl::StatusOr<uint64_t> Token::CostOf(SpaceId, const AttributeSet&) {
  return NotHere();
}
absl::Status Token::CheckWrapPolicy(SpaceId, bool, CK_OBJECT_CLASS) {
  return NotHere();
}

absl::StatusOr<hsm::AuditLog*> Token::AuditLog() { return NotHere(); }
absl::StatusOr<hsm::HsmInfo> Token::Hsm() { return NotHere(); }
absl::StatusOr<bool> Token::InApprovedMode() { return NotHere(); }
absl::StatusOr<hsm::PolicyValues> Token::HsmCapabilities() { return NotHere(); }
absl::StatusOr<hsm::PolicyValues> Token::HsmPolicies() { return NotHere(); }
absl::Status Token::SetHsmPolicies(const hsm::PolicyValues&, bool) {
  return NotHere();
}
absl::StatusOr<hsm::StorageInfo> Token::HsmStorage() { return NotHere(); }
absl::Status Token::ZeroizeHsm() { return NotHere(); }
absl::Status Token::FactoryResetHsm() { return NotHere(); }
absl::Status Token::UpdateFirmware(ByteSpan, ByteSpan) { return NotHere(); }
absl::Status Token::RollbackFirmware() { return NotHere(); }
absl::StatusOr<hsm::Condition> Token::GetCondition() { return NotHere(); }
absl::StatusOr<hsm::TransportStrings> Token::EnterTransport() {
  return NotHere();
}
absl::StatusOr<std::string> Token::TransportVerification(absl::string_view) {
  return NotHere();
}
absl::Status Token::LeaveTransport() { return NotHere(); }
absl::Status Token::Tamper() { return NotHere(); }
absl::Status Token::ClearTamper() { return NotHere(); }
absl::StatusOr<std::vector<hsm::PartitionInfo>> Token::Containers() {
  return NotHere();
}
absl::StatusOr<uint32_t> Token::AllowedContainers() { return NotHere(); }
absl::StatusOr<SpaceId> Token::CreateContainer(const hsm::PartitionSpec&) {
  return NotHere();
}
absl::Status Token::DeleteContainer(SpaceId) { return NotHere(); }
absl::Status Token::ResizeContainer(SpaceId, uint64_t) { return NotHere(); }
absl::StatusOr<hsm::PartitionInfo> Token::Container(SpaceId) {
  return NotHere();
}
absl::StatusOr<hsm::StorageInfo> Token::ContainerStorage(SpaceId) {
  return NotHere();
}
absl::StatusOr<hsm::PolicyValues> Token::ContainerCapabilities(SpaceId) {
  return NotHere();
}
absl::StatusOr<hsm::PolicyValues> Token::ContainerPolicies(SpaceId) {
  return NotHere();
}
absl::Status Token::SetContainerPolicies(SpaceId, const hsm::PolicyValues&,
                                         bool) {
  return NotHere();
}
absl::StatusOr<std::unique_ptr<cloning::Endpoint>> Token::MakeEndpoint(
    SpaceId) {
  return NotHere();
}

}  // namespace pkcs11
