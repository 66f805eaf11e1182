#include "tools/shell/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "tools/shell/colour.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/key_types.h"
#include "tools/shell/secret_entry.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr int kMaxScriptDepth = 8;

bool IsHelp(const Word& word) {
  const absl::string_view text = word.text.RevealText();
  return !word.quoted &&
         (text == "?" || absl::EqualsIgnoreCase(text, "-help") ||
          text == "--help" || text == "-?");
}

bool HasOptionLikeWord(absl::Span<const Word> words) {
  return std::any_of(words.begin(), words.end(), [](const Word& word) {
    return absl::StartsWith(word.text.RevealText(), "-");
  });
}

}  // namespace

Shell::Shell(std::unique_ptr<Module> module, std::vector<Command> commands)
    : module_(std::move(module)), grammar_(std::move(commands)) {
  const absl::StatusOr<std::vector<CK_SLOT_ID>> slots = Slots();
  if (slots.ok() && !slots->empty()) slot_ = slots->front();
}

Shell::~Shell() {
  for (const auto& [place, open] : sessions_) {
    module_->c().C_CloseSession(open.session);
  }
}

Shell::Outcome Shell::Run(absl::string_view line) {
  Outcome outcome;
  absl::StatusOr<std::vector<Word>> words = SplitLine(line);
  if (words.ok() && words->empty()) {
    outcome.was_command = false;
    return outcome;
  }
  TakeInterrupt();
  // A script's commands have data of their own.
  std::unique_ptr<nlohmann::ordered_json> outer = std::exchange(data_, nullptr);
  absl::Status status = words.status();
  if (words.ok()) {
    status = RunWords(*words, outcome);
  } else {
    outcome.has_secret = true;
  }
  if (would_.has_value()) status = absl::OkStatus();
  outcome.ok = status.ok();
  if (!status.ok()) {
    PrintFailure(status);
  } else if (!exiting_) {
    absl::PrintF("\nCommand Result : No Error\n\n");
  }
  fflush(stdout);
  if (json_fd_ >= 0) {
    WriteJson(words.ok() ? grammar_.Display(*words) : std::string(), status);
  }
  data_ = std::move(outer);
  would_.reset();
  return outcome;
}

absl::Status Shell::RunWords(absl::Span<const Word> words, Outcome& outcome) {
  const bool asks_help =
      absl::EqualsIgnoreCase(words.front().text.RevealText(), "help");
  if (asks_help || IsHelp(words.front()) || IsHelp(words.back())) {
    if (asks_help || IsHelp(words.front())) words.remove_prefix(1);
    if (!words.empty() && IsHelp(words.back())) words.remove_suffix(1);
    outcome.has_secret = HasOptionLikeWord(words);
    ASSIGN_OR_RETURN(const std::string help, grammar_.Help(words));
    absl::PrintF("\n%s", help);
    Tell({{"text", help}});
    return absl::OkStatus();
  }
  absl::StatusOr<Invocation> call = grammar_.Parse(words);
  if (!call.ok()) {
    // Not understood: it may hold a secret wherever an option stands.
    outcome.has_secret = HasOptionLikeWord(words);
    return call.status();
  }
  outcome.has_secret = call->has_secret;
  if (call->command->run == nullptr) {
    return Failure(
        CKR_FUNCTION_NOT_SUPPORTED,
        absl::StrCat(call->command->words, " ", call->command->help));
  }
  return call->command->run(*this, call->arguments);
}

void Shell::PrintFailure(const absl::Status& status) const {
  const CK_RV rv = RvOf(status);
  const std::string name = module_->NameOf(rv);
  absl::PrintF(
      "\n%s\n",
      Painted(Colour::kBad, absl::StrCat("Error in execution: ", name, ".")));
  const std::string cause(status.message());
  if (!cause.empty()) absl::PrintF("    %s\n", cause);
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) absl::PrintF("    reason: %s\n", reason);
  const std::string remedy = RemedyOf(status);
  if (!remedy.empty()) absl::PrintF("    -> %s\n", remedy);
  absl::PrintF("\nCommand Result : 0x%x (%s)\n\n", rv, name);
}

void Shell::Tell(const nlohmann::ordered_json& data) {
  if (json_fd_ < 0) return;
  if (data_ == nullptr) data_ = std::make_unique<nlohmann::ordered_json>();
  data_->update(data);
}

void Shell::WriteJson(absl::string_view line,
                      const absl::Status& status) const {
  const CK_RV rv = RvOf(status);
  nlohmann::ordered_json all = {{"command", line},
                                {"ok", status.ok()},
                                {"rv", rv},
                                {"result", module_->NameOf(rv)}};
  if (!status.ok()) {
    all["cause"] = status.message();
    all["reason"] = ReasonOf(status);
    all["remedy"] = RemedyOf(status);
  }
  if (would_.has_value()) all["would"] = *would_;
  if (data_ != nullptr) all["data"] = *data_;
  // Text of tokens that is no UTF-8 is replaced, never an exception.
  const std::string text =
      all.dump(-1, ' ', false,
               nlohmann::ordered_json::error_handler_t::replace) +
      "\n";
  for (absl::string_view rest = text; !rest.empty();) {
    const ssize_t n = write(json_fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

// What a person would have typed, so that the output of a script can be read.
void Shell::Echo(absl::string_view line) const {
  const absl::StatusOr<std::vector<Word>> words = SplitLine(line);
  if (!words.ok() || words->empty()) return;
  absl::PrintF("%s%s\n", kPrompt, grammar_.Display(*words));
}

bool Shell::RunLines(int fd, bool keep_going) {
  bool ok = true;
  for (bool more = true; more && !exiting_;) {
    SecretText line;
    more = ReadLineFrom(fd, line);
    if (!more && Interrupted()) return false;
    Echo(line.RevealText());
    if (Run(line.RevealText()).ok) continue;
    ok = false;
    if (!keep_going) {
      absl::FPrintF(stderr,
                    "A command failed; what comes after it was not run.\n");
      break;
    }
  }
  return ok;
}

absl::Status Shell::RunFile(const std::string& path, bool keep_going) {
  if (script_depth_ == kMaxScriptDepth) {
    return Failure(CKR_ARGUMENTS_BAD, "scripts call each other too deeply");
  }
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Failure(CKR_ARGUMENTS_BAD,
                   absl::StrCat(CleanText(path), ": ", strerror(errno)));
  }
  ++script_depth_;
  const bool ok = RunLines(fd, keep_going);
  --script_depth_;
  close(fd);
  if (ok) return absl::OkStatus();
  return Failure(CKR_FUNCTION_FAILED,
                 absl::StrCat("a command of ", CleanText(path), " failed"));
}

std::vector<std::string> Shell::NamesFor(Names names, const Arguments& given) {
  std::vector<std::string> found;
  switch (names) {
    case Names::kNone:
      break;
    case Names::kSlot: {
      const auto slots = Slots();
      if (!slots.ok()) break;
      for (const CK_SLOT_ID slot : *slots) found.push_back(absl::StrCat(slot));
      break;
    }
    case Names::kRole:
      for (const RoleName& role : RoleNames()) found.push_back(role.name);
      break;
    case Names::kPartition: {
      const auto containers = Containers(given.Number("slot").value_or(slot_));
      if (!containers.ok()) break;
      for (const PERIGEE_PARTITION_INFO& one : *containers) {
        found.push_back(CleanText(one.label));
      }
      break;
    }
    case Names::kObject: {
      const auto objects = FindObjects(*this, {});
      if (!objects.ok()) break;
      for (const KeyObject& one : *objects) {
        found.push_back(CleanText(one.label()));
        found.push_back(UriOf(*this, one));
      }
      break;
    }
    case Names::kKeyType:
      for (const KeyType& type : KeyTypes()) found.push_back(type.name);
      break;
  }
  // Halves of a pair have one label.
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// ---- Slots
// --------------------------------------------------------------------

absl::StatusOr<std::vector<CK_SLOT_ID>> Shell::Slots() const {
  CK_ULONG count = 0;
  RETURN_IF_ERROR(module_->Check(module_->perigee().Slots(nullptr, &count)));
  std::vector<CK_SLOT_ID> slots(count);
  RETURN_IF_ERROR(
      module_->Check(module_->perigee().Slots(slots.data(), &count)));
  slots.resize(count);
  return slots;
}

absl::StatusOr<CK_SLOT_ID> Shell::SlotFrom(const Arguments& arguments) const {
  const std::optional<CK_ULONG> given = arguments.Number("slot");
  if (!given.has_value()) return slot_;
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, Slots());
  if (std::find(slots.begin(), slots.end(), *given) == slots.end()) {
    return Failure(CKR_SLOT_ID_INVALID,
                   absl::StrCat("there is no slot ", *given));
  }
  return *given;
}

absl::StatusOr<PERIGEE_HSM_INFO> Shell::HsmAt(CK_SLOT_ID slot) const {
  PERIGEE_HSM_INFO info = {};
  info.ulSize = sizeof info;
  RETURN_IF_ERROR(module_->Check(module_->perigee().HsmInfo(slot, &info)));
  return info;
}

absl::StatusOr<PERIGEE_PARTITION_INFO> Shell::PartitionAt(
    CK_SLOT_ID slot, CK_ULONG container) const {
  PERIGEE_PARTITION_INFO info = {};
  info.ulSize = sizeof info;
  RETURN_IF_ERROR(
      module_->Check(module_->perigee().PartitionInfo(slot, container, &info)));
  return info;
}

absl::StatusOr<PERIGEE_ROLE_INFO> Shell::RoleAt(CK_SLOT_ID slot,
                                                CK_ULONG container,
                                                CK_USER_TYPE user) const {
  PERIGEE_ROLE_INFO info = {};
  info.ulSize = sizeof info;
  RETURN_IF_ERROR(module_->Check(
      module_->perigee().RoleInfo(slot, container, user, &info)));
  return info;
}

absl::StatusOr<std::vector<PERIGEE_PARTITION_INFO>> Shell::Containers(
    CK_SLOT_ID admin_slot) const {
  CK_ULONG count = 0;
  const auto list = module_->ca().CA_GetContainerList;
  RETURN_IF_ERROR(module_->Check(
      list(admin_slot, 0, LUNA_PARTITION_TYPE_STANDALONE, nullptr, &count)));
  std::vector<CK_ULONG> handles(count);
  if (count > 0) {
    RETURN_IF_ERROR(
        module_->Check(list(admin_slot, 0, LUNA_PARTITION_TYPE_STANDALONE,
                            handles.data(), &count)));
    handles.resize(count);
  }
  std::vector<PERIGEE_PARTITION_INFO> containers;
  for (const CK_ULONG handle : handles) {
    ASSIGN_OR_RETURN(containers.emplace_back(),
                     PartitionAt(admin_slot, handle));
  }
  return containers;
}

absl::StatusOr<std::optional<PERIGEE_PARTITION_INFO>> Shell::FindContainer(
    CK_SLOT_ID admin_slot, absl::string_view label) const {
  ASSIGN_OR_RETURN(const std::vector<PERIGEE_PARTITION_INFO> containers,
                   Containers(admin_slot));
  for (const PERIGEE_PARTITION_INFO& one : containers) {
    if (label == one.label) return std::optional(one);
  }
  return std::optional<PERIGEE_PARTITION_INFO>();
}

absl::StatusOr<PERIGEE_HSM_INFO> Shell::ActiveHsm() const {
  ASSIGN_OR_RETURN(PERIGEE_HSM_INFO info, HsmAt(slot_));
  if (info.adminSlot == slot_) return info;
  return Failure(CKR_SLOT_ID_INVALID,
                 absl::StrCat("slot ", slot_, " is a partition"),
                 absl::StrCat("Its HSM's own slot is ", info.adminSlot,
                              ": slot set -slot ", info.adminSlot, "."));
}

absl::Status Shell::NeedPartitionSlot() const {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO info, HsmAt(slot_));
  if (info.adminSlot != slot_) return absl::OkStatus();
  return Failure(
      CKR_SLOT_ID_INVALID,
      absl::StrCat("slot ", slot_, " is an HSM's own slot, not a partition"),
      info.ulKind == PERIGEE_KIND_BACKUP
          ? "Backup partitions have no slot: see partition archive."
          : "slot list shows the partitions' slots.");
}

// ---- Sessions
// -----------------------------------------------------------------

absl::StatusOr<CK_SESSION_HANDLE> Shell::Session(CK_SLOT_ID slot,
                                                 CK_ULONG container) {
  const std::pair<CK_SLOT_ID, CK_ULONG> place(slot, container);
  const auto known = sessions_.find(place);
  if (known != sessions_.end()) {
    CK_SESSION_INFO info;
    if (module_->c().C_GetSessionInfo(known->second.session, &info) == CKR_OK) {
      return known->second.session;
    }
    CloseSession(slot, container);
  }
  const auto open = [&](CK_FLAGS flags, CK_SESSION_HANDLE* session) {
    return container == PERIGEE_OWN_CONTAINER
               ? module_->c().C_OpenSession(slot, flags, nullptr, nullptr,
                                            session)
               : module_->ca().CA_OpenSession(slot, container, flags, nullptr,
                                              nullptr, session);
  };
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  CK_RV rv = open(CKF_SERIAL_SESSION | CKF_RW_SESSION, &session);
  if (rv == CKR_TOKEN_WRITE_PROTECTED) rv = open(CKF_SERIAL_SESSION, &session);
  RETURN_IF_ERROR(module_->Check(rv));
  sessions_[place].session = session;
  return session;
}

void Shell::CloseSession(CK_SLOT_ID slot, CK_ULONG container) {
  const auto known = sessions_.find({slot, container});
  if (known == sessions_.end()) return;
  module_->c().C_CloseSession(known->second.session);
  sessions_.erase(known);
}

void Shell::CloseSessions(CK_SLOT_ID slot) {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (at->first.first != slot) {
      ++at;
      continue;
    }
    module_->c().C_CloseSession(at->second.session);
    at = sessions_.erase(at);
  }
}

CK_STATE Shell::StateOf(CK_SESSION_HANDLE session) const {
  CK_SESSION_INFO info = {};
  if (module_->c().C_GetSessionInfo(session, &info) != CKR_OK) {
    return CKS_RO_PUBLIC_SESSION;
  }
  return info.state;
}

absl::Status Shell::Login(CK_SLOT_ID slot, CK_ULONG container,
                          CK_USER_TYPE user, const SecretText& password) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, Session(slot, container));
  const absl::Status status = module_->Check(module_->c().C_Login(
      session, user, password.RevealBytes(), password.size()));
  if (status.ok()) sessions_[{slot, container}].user = user;
  return ExplainPin(status, slot, container, user);
}

absl::Status Shell::Logout(CK_SLOT_ID slot, CK_ULONG container) {
  if (!LoggedIn(slot, container).has_value()) {
    return Failure(CKR_USER_NOT_LOGGED_IN, "nobody is logged in here",
                   "role login logs a role in.");
  }
  return module_->Check(
      module_->c().C_Logout(sessions_[{slot, container}].session));
}

std::optional<CK_USER_TYPE> Shell::LoggedIn(CK_SLOT_ID slot,
                                            CK_ULONG container) const {
  const auto known = sessions_.find({slot, container});
  if (known == sessions_.end()) return std::nullopt;
  const CK_STATE state = StateOf(known->second.session);
  if (state == CKS_RO_PUBLIC_SESSION || state == CKS_RW_PUBLIC_SESSION) {
    return std::nullopt;
  }
  return known->second.user;
}

absl::Status Shell::ExplainPin(const absl::Status& status, CK_SLOT_ID slot,
                               CK_ULONG container, CK_USER_TYPE user) const {
  if (RvOf(status) != CKR_PIN_INCORRECT) return status;
  const absl::StatusOr<PERIGEE_ROLE_INFO> role = RoleAt(slot, container, user);
  if (!role.ok()) return status;
  std::string remedy;
  if ((role->flags & PERIGEE_ROLE_LOCKED) != 0) {
    remedy = "That was the last attempt: the role is locked.";
  } else if ((role->flags & PERIGEE_ROLE_INITIALIZED) == 0) {
    remedy = "That was the last attempt: the contents are destroyed.";
  } else {
    // What becomes of a security officer is the model's.
    remedy =
        absl::StrCat(Count(role->ulAttemptsLeft, "attempt"),
                     " left before the role is locked",
                     user == CKU_SO ? " or its contents are destroyed." : ".");
  }
  return Failure(CKR_PIN_INCORRECT, "the password is wrong", remedy);
}

}  // namespace shell
