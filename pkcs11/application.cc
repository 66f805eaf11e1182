#include "pkcs11/application.h"

#include <utility>

namespace pkcs11 {

absl::Status Application::Enter(bool read_write) {
  absl::MutexLock lock(&mu_);
  if (!read_write && so_logged_in()) {
    return base::Error(CKR_SESSION_READ_WRITE_SO_EXISTS,
                       "the SO is logged in, whose sessions are read/write");
  }
  ++(read_write ? sessions_.read_write : sessions_.read_only);
  return absl::OkStatus();
}

bool Application::Leave(bool read_write) {
  absl::MutexLock lock(&mu_);
  --(read_write ? sessions_.read_write : sessions_.read_only);
  return sessions_.all() == 0 && held_.empty();
}

absl::Status Application::Hold(const ApplicationId& id) {
  absl::MutexLock lock(&mu_);
  if (held_.insert(id).second) return absl::OkStatus();
  return base::Error(CKR_ACCESS_ID_ALREADY_EXISTS,
                     "the application id is open on this partition");
}

absl::StatusOr<bool> Application::Release(const ApplicationId& id) {
  absl::MutexLock lock(&mu_);
  if (held_.erase(id) == 0) {
    return base::Error(CKR_ACCESS_ID_INVALID,
                       "the application id is not open on this partition");
  }
  return sessions_.all() == 0 && held_.empty();
}

bool Application::ReleaseAll() {
  absl::MutexLock lock(&mu_);
  if (held_.empty()) return false;
  held_.clear();
  return sessions_.all() == 0;
}

Application::Sessions Application::sessions() const {
  absl::ReaderMutexLock lock(&mu_);
  return sessions_;
}

absl::Status Application::MayLogin(hsm::Role wanted) const {
  absl::ReaderMutexLock lock(&mu_);
  return MayLoginLocked(wanted);
}

absl::Status Application::MayLoginLocked(hsm::Role wanted) const {
  if (const auto present = role(); present.has_value()) {
    return *present == wanted
               ? base::Error(CKR_USER_ALREADY_LOGGED_IN, "")
               : base::Error(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "");
  }
  if (wanted == hsm::Role::kSo && sessions_.read_only > 0) {
    return base::Error(CKR_SESSION_READ_ONLY_EXISTS,
                       "the SO logs in when no read-only session is open");
  }
  return absl::OkStatus();
}

absl::Status Application::BeginLogin(hsm::Role role, hsm::LoginRef login,
                                     bool must_change_pin) {
  absl::MutexLock lock(&mu_);
  if (sessions_.all() == 0) {
    return base::Error(CKR_SESSION_HANDLE_INVALID,
                       "the last session was closed during the login");
  }
  RETURN_IF_ERROR(MayLoginLocked(role));
  login_ = std::move(login);
  must_change_pin_.store(must_change_pin);
  role_.store(static_cast<int>(role), std::memory_order_release);
  return absl::OkStatus();
}

bool Application::EndLogin() {
  hsm::LoginRef ended;
  {
    absl::MutexLock lock(&mu_);
    if (!role().has_value()) return false;
    role_.store(kNobody, std::memory_order_release);
    must_change_pin_.store(false);
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    ended = std::move(login_);
    login_ = nullptr;
  }
  if (ended != nullptr) ended->End();
  runs_.Clear();
  return true;
}

void Application::PinChanged() { must_change_pin_.store(false); }

std::optional<hsm::Role> Application::role() const {
  const int role = role_.load(std::memory_order_acquire);
  if (role == kNobody) return std::nullopt;
  return static_cast<hsm::Role>(role);
}

bool Application::user_logged_in() const {
  switch (role_.load(std::memory_order_acquire)) {
    case static_cast<int>(hsm::Role::kCo):
    case static_cast<int>(hsm::Role::kCu):
    case static_cast<int>(hsm::Role::kLco):
      return true;
    default:
      return false;
  }
}

hsm::LoginRef Application::login() const {
  absl::ReaderMutexLock lock(&mu_);
  return login_;
}

}  // namespace pkcs11
