#include "pkcs11/session.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "hsm/attribute_rules.h"
#include "pkcs11/approved.h"
#include "pkcs11/built_in_objects.h"
#include "pkcs11/key_use.h"
#include "pkcs11/mechanisms/self_check.h"
#include "pkcs11/trace.h"

namespace pkcs11 {
namespace {

absl::Status NotBegun(absl::string_view why) {
  return base::Error(CKR_OPERATION_NOT_INITIALIZED, why);
}

}  // namespace

Session::Session(CK_SESSION_HANDLE handle, TokenRef token, SpaceId space,
                 bool read_write, CK_FLAGS flags)
    : handle_(handle),
      token_(std::move(token)),
      space_(space),
      read_write_(read_write),
      flags_(flags),
      application_(token_->application(space)) {}

CK_STATE Session::state() const {
  const auto role = application_->role();
  if (!role.has_value()) {
    return read_write_ ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
  }
  if (*role == hsm::Role::kSo) return CKS_RW_SO_FUNCTIONS;
  if (*role == hsm::Role::kAuditor) return CKS_RW_AUDIT_FUNCTIONS;
  return read_write_ ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
}

absl::StatusOr<hsm::ObjectRef> Session::FindObject(
    CK_OBJECT_HANDLE handle) const {
  if (handle == CK_INVALID_HANDLE) {
    return base::Error(CKR_OBJECT_HANDLE_INVALID, "the handle 0");
  }
  if (IsBuiltIn(handle) && token_->has_crypto()) {
    if (const hsm::ObjectRef object = FindBuiltIn(handle, token_->profile())) {
      return object;
    }
  }
  absl::StatusOr<hsm::ObjectRef> object =
      IsSessionObject(handle)
          ? application_->objects().Get(handle, application_->user_logged_in())
          : token_->Get(space_, handle);
  if (object.ok() && (*object)->is_private() &&
      application_->must_change_pin()) {
    return base::Error(CKR_PIN_EXPIRED, "the first PIN must be changed");
  }
  return object;
}

absl::StatusOr<hsm::ObjectRef> Session::FindKey(CK_OBJECT_HANDLE handle) {
  const uint64_t epoch = application_->epoch();
  const bool on_token = !IsSessionObject(handle);
  const uint64_t generation =
      on_token ? token_->Generation(space_) : hsm::Store::kBusy;
  if (last_key_ != nullptr && last_key_->handle() == handle &&
      last_key_epoch_ == epoch && !last_key_->retired()) {
    const bool unchanged =
        generation != hsm::Store::kBusy && generation == last_key_generation_;
    if (!on_token || unchanged) return last_key_;
    if (token_->IsCurrent(space_, *last_key_)) {
      last_key_generation_ = generation;
      return last_key_;
    }
  }
  absl::StatusOr<hsm::ObjectRef> found = FindObject(handle);
  if (!found.ok()) {
    return AsKeyError(found.status(), CKR_KEY_HANDLE_INVALID);
  }
  last_key_ = *found;
  last_key_epoch_ = epoch;
  last_key_generation_ = generation;
  return found;
}

void Session::Authorize(const hsm::Object& key, uint64_t epoch) {
  absl::MutexLock lock(&rights_mu_);
  authorized_[key.handle()] = {key.version(), epoch};
}

void Session::Withdraw(const hsm::Object& key) {
  absl::MutexLock lock(&rights_mu_);
  authorized_.erase(key.handle());
}

absl::Status Session::CheckAuthorized(const hsm::Object& key) const {
  if (!hsm::WantsAuthorization(key.attributes())) return absl::OkStatus();
  absl::MutexLock lock(&rights_mu_);
  const auto found = authorized_.find(key.handle());
  if (found != authorized_.end() &&
      found->second == std::pair(key.version(), application_->epoch())) {
    return absl::OkStatus();
  }
  return base::Error(CKR_KEY_NOT_AUTHORIZED,
                     "the key wants its authorisation data in this session");
}

absl::Status Session::NoteUse(const hsm::Object& key, CK_ATTRIBUTE_TYPE usage,
                              CK_MECHANISM_TYPE mechanism) const {
  if (key.is_token() && hsm::CountsUses(key.attributes())) {
    ASSIGN_OR_RETURN(hsm::KeyRights rights, token_->KeyRightsOn(space_));
    RETURN_IF_ERROR(rights.CountUse(key));
  }
  return token_->NoteUse(space_, key, usage, mechanism);
}

absl::Status Session::CheckOpen() const {
  if (!closed_) return absl::OkStatus();
  return base::Error(CKR_SESSION_HANDLE_INVALID, "the session was closed");
}

absl::Status Session::CheckGoesOn(const Active& active) const {
  RETURN_IF_ERROR(CheckNoErrorState());
  if (active.epoch != application_->epoch()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the login ended during the operation");
  }
  if (active.key != nullptr && active.key->retired()) {
    return NotBegun("the key was destroyed or changed during the operation");
  }
  return absl::OkStatus();
}

absl::Status Session::CheckPinGiven(const Active& active) {
  if (active.authenticated) return absl::OkStatus();
  return base::Error(CKR_USER_NOT_LOGGED_IN, "the key wants its PIN");
}

template <typename Kind>
absl::StatusOr<Session::ActiveOf<Kind>*> Session::Continue() {
  RETURN_IF_ERROR(CheckOpen());
  Place<Kind>& active = place<Kind>();
  if (!active.has_value()) return NotBegun("no such operation is active");
  if (absl::Status status = CheckGoesOn(*active); !status.ok()) {
    active.reset();
    return status;
  }
  return &*active;
}

// --- beginning ---------------------------------------------------------------

template <typename Kind>
absl::Status Session::Begin(const CK_MECHANISM* mechanism,
                            CK_OBJECT_HANDLE key) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(CheckOpen());
  Place<Kind>& active = place<Kind>();
  if (mechanism == nullptr) {
    if (!active.has_value()) {
      return base::Error(CKR_ARGUMENTS_BAD, "no mechanism");
    }
    active.reset();
    return absl::OkStatus();
  }
  if (active.has_value() && CheckGoesOn(*active).ok()) {
    return base::Error(CKR_OPERATION_ACTIVE, "");
  }
  active.reset();
  return Start<Kind>(*mechanism, key);
}

template <typename Kind>
absl::Status Session::Start(const CK_MECHANISM& mechanism,
                            CK_OBJECT_HANDLE key) {
  // (clang 14 finds no default constructor of a nested class here.)
  ActiveOf<Kind>& begun = place<Kind>().emplace(ActiveOf<Kind>());
  absl::Cleanup undo = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    place<Kind>().reset();
  };
  begun.epoch = application_->epoch();  // before the login is looked at
  begun.number = ++inits_;
  Spare<Kind>& last = spare<Kind>();
  bool again =
      last.tool != nullptr && last.mechanism->type == mechanism.mechanism;
  if (again) {
    trace::NoteRead(&mechanism);
    RETURN_IF_ERROR(CheckStillUsable(*last.mechanism));
    begun.mechanism = last.mechanism;
  } else {
    ASSIGN_OR_RETURN(begun.mechanism, FindMechanism(*token_, &mechanism));
  }
  if (!Kind::IsOf(*begun.mechanism)) return NoSuchUse(*begun.mechanism);
  if constexpr (!std::is_same_v<Kind, DigestKind>) {
    ASSIGN_OR_RETURN(begun.key, FindKey(key));
    again = again && last.key == begun.key;
    const AttributeSet& attributes = begun.key->attributes();
    if (!again) {
      RETURN_IF_ERROR(CheckKeyUse(*begun.mechanism, attributes, Kind::kUsage,
                                  kKeyErrors, token_->profile()));
    }
    RETURN_IF_ERROR(CheckAuthorized(*begun.key));
    if (Kind::kManyUses && hsm::CountsUses(attributes)) {
      return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                         "the key counts its uses: one message an Init");
    }
    begun.asks_pin = again ? last.asks_pin : AlwaysAuthenticates(attributes);
    begun.authenticated = !begun.asks_pin;
  }
  ParametersRef parameters;
  if constexpr (Kind::kParses) {
    ASSIGN_OR_RETURN(parameters, ParseParameters(*begun.mechanism, mechanism));
  }
  if (again && last.tool->Rearm(parameters.get())) {
    begun.tool = std::move(last.tool);
  } else {
    ASSIGN_OR_RETURN(begun.tool,
                     Kind::Make(Use{*begun.mechanism, parameters.get(),
                                    begun.key, nullptr, token_->profile()},
                                parameters));
  }
  begun.approved =
      again ? last.approved
            : IsApprovedService(
                  *begun.mechanism,
                  Kind::kProcesses ? Service::kProcess : Service::kProtect,
                  begun.key == nullptr ? nullptr : &begun.key->attributes());
  if constexpr (!std::is_same_v<Kind, DigestKind>) {
    RETURN_IF_ERROR(NoteUse(*begun.key, Kind::kUsage, begun.mechanism->type));
  }
  NoteService(begun.approved);
  std::move(undo).Cancel();
  return absl::OkStatus();
}

// --- going on and ending -----------------------------------------------------

template <typename Kind>
absl::Status Session::Feed(
    absl::FunctionRef<absl::Status(typename Kind::Tool&)> feed) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  const absl::Status status =
      active->authenticated
          ? feed(*active->tool)
          : base::Error(CKR_USER_NOT_LOGGED_IN, "the key wants its PIN");
  if (status.ok()) {
    active->parts = true;
  } else {
    place<Kind>().reset();
  }
  return status;
}

template <typename Kind>
absl::StatusOr<Answer> Session::Step(ActiveOf<Kind>& active,
                                     const Output& output, SizeOf<Kind> size,
                                     Make<Kind> make, bool hold) {
  if (active.held.has_value()) return output.Give(active.held->Expose());
  const size_t bound = size(*active.tool);
  if (output.is_query()) return output.Tell(bound);
  if (!active.authenticated) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "the key wants its PIN");
  }
  if (output.Fits(bound)) {
    ASSIGN_OR_RETURN(const size_t made,
                     make(*active.tool, output.buffer().subspan(0, bound)));
    return output.Given(made);
  }
  if (!hold) return output.Tell(bound);
  // It may fit nevertheless: only the result itself tells its length.
  SecretBytes result(bound);
  ASSIGN_OR_RETURN(const size_t made,
                   make(*active.tool, result.ExposeMutable()));
  result.Truncate(made);
  active.held = std::move(result);
  return output.Give(active.held->Expose());
}

template <typename Kind>
absl::Status Session::Flow(const absl::StatusOr<Output>& output,
                           SizeOf<Kind> size, Make<Kind> make) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  absl::StatusOr<Answer> answer =
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) -> absl::StatusOr<Answer> {
    RETURN_IF_ERROR(output.status());
    if (active->held.has_value()) {
      return NotBegun("the operation waits to give its result");
    }
    return Step<Kind>(*active, *output, size, make, /*hold=*/false);
  }();
  if (!answer.ok()) {
    place<Kind>().reset();
    return answer.status();
  }
  if (*answer == Answer::kGiven) active->parts = true;
  return ToStatus(*answer);
}

template <typename Kind>
absl::Status Session::Finish(Last last, const absl::StatusOr<Output>& output,
                             SizeOf<Kind> size, Make<Kind> make) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  const absl::StatusOr<Answer> answer =
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) -> absl::StatusOr<Answer> {
    RETURN_IF_ERROR(output.status());
    if (last == Last::kOneShot && active->parts) {
      return NotBegun("a single-part call in a multi-part operation");
    }
    return Step<Kind>(*active, *output, size, make, Kind::kHoldsResult);
  }();
  if (!answer.ok()) {
    place<Kind>().reset();
    return answer.status();
  }
  if (*answer == Answer::kGiven) Complete<Kind>();
  return ToStatus(*answer);
}

template <typename Kind>
absl::Status Session::Conclude(
    Last last, absl::FunctionRef<absl::Status(typename Kind::Tool&)> check) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  const absl::Status status =
      last == Last::kOneShot && active->parts
          ? NotBegun("a single-part call in a multi-part operation")
          : check(*active->tool);
  if (status.ok()) {
    Complete<Kind>();
  } else {
    place<Kind>().reset();
  }
  return status;
}

template <typename Kind>
void Session::Complete() {
  ActiveOf<Kind>& active = *place<Kind>();
  if (active.tool->Rest()) {
    Spare<Kind>& last = spare<Kind>();
    last.mechanism = active.mechanism;
    last.key = std::move(active.key);
    last.approved = active.approved;
    last.asks_pin = active.asks_pin;
    last.tool = std::move(active.tool);
  }
  place<Kind>().reset();
}

// --- messages, and two operations at once ------------------------------------

template <typename Kind>
absl::Status Session::During(
    absl::FunctionRef<absl::Status(typename Kind::Tool&)> step) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  RETURN_IF_ERROR(CheckPinGiven(*active));
  return step(*active->tool);
}

template <typename Kind>
absl::Status Session::Prepare(
    absl::FunctionRef<void(typename Kind::Tool&)> prepare) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  prepare(*active->tool);
  return absl::OkStatus();
}

template <typename Kind>
absl::Status Session::MessageFlow(const absl::StatusOr<Output>& output,
                                  SizeOf<Kind> size, Make<Kind> make) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<Kind>* const active, Continue<Kind>());
  RETURN_IF_ERROR(output.status());
  ASSIGN_OR_RETURN(const Answer answer,
                   Step<Kind>(*active, *output, size, make, /*hold=*/false));
  return ToStatus(answer);
}

template <typename Kind>
absl::Status Session::End() {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(Continue<Kind>().status());
  place<Kind>().reset();
  return absl::OkStatus();
}

template <typename CipherKind, typename OtherKind>
absl::Status Session::DualFlow(
    const absl::StatusOr<Output>& output, const absl::StatusOr<ByteSpan>& in,
    absl::FunctionRef<absl::Status(typename OtherKind::Tool&, ByteSpan)> feed) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(ActiveOf<CipherKind>* const cipher, Continue<CipherKind>());
  ASSIGN_OR_RETURN(ActiveOf<OtherKind>* const other, Continue<OtherKind>());
  const auto both = [&](Cipher& tool,
                        MutableByteSpan room) -> absl::StatusOr<size_t> {
    RETURN_IF_ERROR(CheckPinGiven(*other));
    if (std::is_same_v<CipherKind, EncryptKind>) {
      // First, because the ciphertext may be written over the plaintext.
      RETURN_IF_ERROR(feed(*other->tool, *in));
      return tool.Update(*in, room);
    }
    ASSIGN_OR_RETURN(const size_t made, tool.Update(*in, room));
    RETURN_IF_ERROR(feed(*other->tool, room.subspan(0, made)));
    return made;
  };
  const auto size = [&](const Cipher& tool) {
    return tool.UpdateSize(in->size());
  };
  absl::StatusOr<Answer> answer =
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) -> absl::StatusOr<Answer> {
    RETURN_IF_ERROR(output.status());
    RETURN_IF_ERROR(in.status());
    if (cipher->held.has_value()) {
      return NotBegun("the operation waits to give its result");
    }
    return Step<CipherKind>(*cipher, *output, size, both, /*hold=*/false);
  }();
  if (!answer.ok()) {
    place<CipherKind>().reset();
    place<OtherKind>().reset();
    return answer.status();
  }
  if (*answer == Answer::kGiven) cipher->parts = other->parts = true;
  return ToStatus(*answer);
}

absl::Status Session::Resume(const Mechanism& mechanism,
                             std::unique_ptr<Digester> tool) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(CheckOpen());
  Place<DigestKind>& active = place<DigestKind>();
  if (active.has_value()) return base::Error(CKR_OPERATION_ACTIVE, "");
  ActiveOf<DigestKind> begun;
  begun.mechanism = &mechanism;
  begun.epoch = application_->epoch();
  begun.number = ++inits_;
  begun.parts = true;
  begun.tool = std::move(tool);
  active = std::move(begun);
  return absl::OkStatus();
}

absl::StatusOr<SavedStates::State> Session::SaveDigest() {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(CheckOpen());
  size_t others = 0;
  ForEachActive([&](auto& place) { others += place.has_value(); });
  Place<DigestKind>& digest = place<DigestKind>();
  if (others == 0) return NotBegun("no operation is active");
  if (!digest.has_value() || others > 1) {
    return base::Error(CKR_STATE_UNSAVEABLE,
                       "only a digest alone can be saved");
  }
  ASSIGN_OR_RETURN(ActiveOf<DigestKind>* const active, Continue<DigestKind>());
  SavedStates::State state;
  state.mechanism = active->mechanism;
  state.digester = active->tool->Copy();
  state.application = application_;
  state.epoch = active->epoch;
  if (state.digester == nullptr) {
    return base::Error(CKR_STATE_UNSAVEABLE, "this digest cannot be copied");
  }
  return state;
}

// --- ending from outside -----------------------------------------------------

template <typename Visit>
void Session::ForEachActive(Visit visit) {
  std::apply([&](auto&... places) { (visit(places), ...); },
             operations_.active);
}

void Session::Cancel(CK_FLAGS flags) {
  absl::MutexLock lock(&mu_);
  const auto cancel = [&](auto& place) {
    if (place.has_value() && (flags & place->kFlag) != 0) place.reset();
  };
  ForEachActive(cancel);
  if (flags & CKF_FIND_OBJECTS) search_.reset();
}

void Session::EndOperations() {
  absl::MutexLock lock(&mu_);
  ForEachActive([](auto& place) { place.reset(); });
  operations_.spare = {};
  search_.reset();
  last_key_ = nullptr;
  absl::MutexLock rights(&rights_mu_);
  authorized_.clear();
}

void Session::Close() {
  EndOperations();
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

Session::Active* Session::Waiting() {
  Active* last = nullptr;
  ForEachActive([&](auto& place) {
    if (!place.has_value() || place->authenticated) return;
    if (last == nullptr || place->number > last->number) last = &*place;
  });
  return last;
}

absl::Status Session::Authenticate(const SecretBytes& pin) {
  uint64_t number = 0;
  {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(CheckOpen());
    const Active* waiting = Waiting();
    if (waiting == nullptr) return NotBegun("no operation wants the PIN");
    RETURN_IF_ERROR(CheckGoesOn(*waiting));
    number = waiting->number;
  }
  RETURN_IF_ERROR(token_->VerifyPin(space_, pin));
  absl::MutexLock lock(&mu_);
  Active* waiting = Waiting();
  if (waiting == nullptr || waiting->number != number) {
    return NotBegun("the operation ended while its PIN was checked");
  }
  waiting->authenticated = true;
  return absl::OkStatus();
}

// --- the kinds ---------------------------------------------------------------

#define PERIGEE_KIND(Kind)                                        \
  template absl::Status Session::Begin<Kind>(const CK_MECHANISM*, \
                                             CK_OBJECT_HANDLE);   \
  template absl::Status Session::Feed<Kind>(                      \
      absl::FunctionRef<absl::Status(Kind::Tool&)>);
#define PERIGEE_KIND_WITH_OUTPUT(Kind)         \
  PERIGEE_KIND(Kind)                           \
  template absl::Status Session::Finish<Kind>( \
      Last, const absl::StatusOr<Output>&, SizeOf<Kind>, Make<Kind>);
#define PERIGEE_CIPHER_KIND(Kind)                                          \
  PERIGEE_KIND_WITH_OUTPUT(Kind)                                           \
  template absl::Status Session::Flow<Kind>(const absl::StatusOr<Output>&, \
                                            SizeOf<Kind>, Make<Kind>);

PERIGEE_KIND_WITH_OUTPUT(DigestKind)
PERIGEE_KIND_WITH_OUTPUT(SignKind)
PERIGEE_CIPHER_KIND(EncryptKind)
PERIGEE_CIPHER_KIND(DecryptKind)
PERIGEE_KIND(VerifyKind)
PERIGEE_KIND_WITH_OUTPUT(SignRecoverKind)
PERIGEE_KIND_WITH_OUTPUT(VerifyRecoverKind)
PERIGEE_KIND(VerifySignatureKind)
template absl::Status Session::Prepare<VerifySignatureKind>(
    absl::FunctionRef<void(SignatureCheck&)>);
template absl::Status Session::Conclude<VerifySignatureKind>(
    Last, absl::FunctionRef<absl::Status(SignatureCheck&)>);

#define PERIGEE_MESSAGE_KIND(Kind)                              \
  PERIGEE_KIND(Kind)                                            \
  template absl::Status Session::During<Kind>(                  \
      absl::FunctionRef<absl::Status(Kind::Tool&)>);            \
  template absl::Status Session::MessageFlow<Kind>(             \
      const absl::StatusOr<Output>&, SizeOf<Kind>, Make<Kind>); \
  template absl::Status Session::End<Kind>();
PERIGEE_MESSAGE_KIND(MessageEncryptKind)
PERIGEE_MESSAGE_KIND(MessageDecryptKind)
PERIGEE_MESSAGE_KIND(MessageSignKind)
PERIGEE_MESSAGE_KIND(MessageVerifyKind)

#define PERIGEE_DUAL(CipherKind, OtherKind)                           \
  template absl::Status Session::DualFlow<CipherKind, OtherKind>(     \
      const absl::StatusOr<Output>&, const absl::StatusOr<ByteSpan>&, \
      absl::FunctionRef<absl::Status(OtherKind::Tool&, ByteSpan)>);
PERIGEE_DUAL(EncryptKind, DigestKind)
PERIGEE_DUAL(EncryptKind, SignKind)
PERIGEE_DUAL(DecryptKind, DigestKind)
PERIGEE_DUAL(DecryptKind, VerifyKind)

template absl::Status Session::During<DigestKind>(
    absl::FunctionRef<absl::Status(Digester&)>);
template absl::Status Session::Conclude<VerifyKind>(
    Last, absl::FunctionRef<absl::Status(Verifier&)>);

}  // namespace pkcs11
