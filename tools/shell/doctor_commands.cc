// doctor: whether this computer is set up well, and what to do where not.
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

enum class Verdict : uint8_t { kOk, kWarning, kFailed };

struct Finding {
  const char* check;
  Verdict verdict;
  std::string text;
  std::string remedy;
};

// What one check found, in the order of finding.
class Findings {
 public:
  void Begin(const char* check) { check_ = check; }
  void Ok(std::string text) { Add(Verdict::kOk, std::move(text), ""); }
  void Warn(std::string text, std::string remedy) {
    Add(Verdict::kWarning, std::move(text), std::move(remedy));
  }
  void Fail(std::string text, std::string remedy) {
    Add(Verdict::kFailed, std::move(text), std::move(remedy));
  }
  const std::vector<Finding>& all() const { return all_; }

 private:
  void Add(Verdict verdict, std::string text, std::string remedy) {
    all_.push_back({check_, verdict, std::move(text), std::move(remedy)});
  }
  const char* check_ = "";
  std::vector<Finding> all_;
};

std::string ModeText(mode_t mode) {
  return absl::StrFormat("%04o", mode & 07777);
}

// A file or directory that nobody but its owner may change, or with `hidden`
// even read. False when it is not there.
bool CheckOwned(const std::string& path, bool hidden, Findings& findings) {
  struct stat is = {};
  if (stat(path.c_str(), &is) != 0) return false;
  const std::string name = CleanText(path);
  if (is.st_uid != geteuid() && is.st_uid != 0) {
    findings.Fail(absl::StrCat(name, " belongs to user ", is.st_uid),
                  absl::StrCat("chown ", geteuid(), " ", name));
  } else if ((is.st_mode & (hidden ? 077 : 022)) != 0) {
    findings.Fail(
        absl::StrCat(name, " has mode ", ModeText(is.st_mode),
                     hidden ? ": others may look" : ": others may change it"),
        absl::StrCat("chmod ", hidden ? "go-rwx " : "go-w ", name));
  } else {
    findings.Ok(absl::StrCat(name, ", mode ", ModeText(is.st_mode)));
  }
  return true;
}

absl::StatusOr<PERIGEE_SETUP> SetupOf(const Shell& shell) {
  PERIGEE_SETUP setup = {};
  setup.ulSize = sizeof setup;
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().Setup(&setup)));
  return setup;
}

// --- checks ------------------------------------------------------------------

void CheckLibrary(Shell& shell, Findings& findings) {
  CK_INFO info = {};
  shell.module().c().C_GetInfo(&info);
  findings.Ok(
      absl::StrFormat("%s, version %d.%d", CleanText(shell.module().path()),
                      info.libraryVersion.major, info.libraryVersion.minor));
}

void CheckConfiguration(Shell& shell, Findings& findings) {
  const absl::StatusOr<PERIGEE_SETUP> setup = SetupOf(shell);
  if (!setup.ok()) return;
  if (setup->configFile[0] == '\0') {
    findings.Ok("no file: the defaults that are built in");
  } else {
    CheckOwned(setup->configFile, /*hidden=*/false, findings);
  }
}

// File systems whose locks or syncs are not to be relied on.
struct RemoteFileSystem {
  long magic;
  const char* name;
};
constexpr RemoteFileSystem kRemote[] = {
    {0x6969, "NFS"},    {0xff534d42, "CIFS"}, {0xfe534d42, "SMB"},
    {0x01021997, "9p"}, {0x65735546, "FUSE"},
};
constexpr uint64_t kLittleRoom = 64 << 20;

void CheckState(Shell& shell, Findings& findings) {
  const absl::StatusOr<PERIGEE_SETUP> setup = SetupOf(shell);
  if (!setup.ok()) return;
  const std::string path = setup->stateDirectory;
  if (!CheckOwned(path, /*hidden=*/true, findings)) {
    findings.Ok(absl::StrCat(CleanText(path), ", not made yet"));
    return;
  }
  if (access(path.c_str(), W_OK) != 0) {
    findings.Warn(absl::StrCat(CleanText(path), ": ", strerror(errno)),
                  "Keys can be used, not made or changed.");
  }
  struct statfs system = {};
  if (statfs(path.c_str(), &system) != 0) return;
  for (const RemoteFileSystem& remote : kRemote) {
    if (system.f_type != remote.magic) continue;
    findings.Warn(absl::StrCat("it is on ", remote.name),
                  "Locks and syncs of such a file system are not to be relied "
                  "on: keep state on a disk of this computer.");
  }
  const uint64_t room = static_cast<uint64_t>(system.f_bavail) *
                        static_cast<uint64_t>(system.f_bsize);
  if (room < kLittleRoom) {
    findings.Warn(absl::StrCat(room >> 20, " MiB are free there"),
                  "Make room: a full disk refuses new keys and, with a closed "
                  "audit policy, logins.");
  }
}

void CheckFleet(Shell& shell, Findings& findings) {
  const absl::StatusOr<PERIGEE_SETUP> setup = SetupOf(shell);
  if (!setup.ok()) return;
  const std::string root =
      absl::StrCat(setup->stateDirectory, "/fleet/root.key");
  if (!CheckOwned(root, /*hidden=*/true, findings)) {
    findings.Ok("no root key on this computer");
  }
  // The host's key, and those of the HSMs with what they seal.
  const std::string state = setup->stateDirectory;
  CheckOwned(absl::StrCat(state, "/fleet/host.key"), /*hidden=*/true, findings);
  std::error_code error;
  for (const auto& hsm : std::filesystem::directory_iterator(state, error)) {
    for (const char* file : {"storage.key", "hsm.db"}) {
      CheckOwned(hsm.path() / file, /*hidden=*/true, findings);
    }
  }
}

void CheckMemory(Shell&, Findings& findings) {
  constexpr rlim_t kEnough = 1 << 20;
  struct rlimit locked = {};
  getrlimit(RLIMIT_MEMLOCK, &locked);
  if (locked.rlim_cur != RLIM_INFINITY && locked.rlim_cur < kEnough) {
    findings.Warn(absl::StrCat("secrets beyond ", locked.rlim_cur,
                               " bytes may be swapped"),
                  "Raise the limit: ulimit -l, LimitMEMLOCK= of a service.");
  } else {
    findings.Ok(locked.rlim_cur == RLIM_INFINITY
                    ? std::string("secrets are kept out of swap")
                    : absl::StrCat("secrets of up to ", locked.rlim_cur >> 20,
                                   " MiB are kept out of swap"));
  }
}

void CheckClock(Shell&, Findings& findings) {
  struct timex clock = {};
  if (adjtimex(&clock) < 0) return;
  if ((clock.status & STA_UNSYNC) != 0) {
    findings.Warn("nothing keeps this computer's clock right",
                  "The audit log and manifests have its times: run an NTP "
                  "client.");
  } else {
    findings.Ok("the clock is kept right");
  }
}

void CheckSlots(Shell& shell, Findings& findings) {
  const absl::StatusOr<std::vector<CK_SLOT_ID>> slots = shell.Slots();
  if (!slots.ok()) {
    findings.Fail(std::string(slots.status().message()), "");
    return;
  }
  for (const CK_SLOT_ID slot : *slots) {
    const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);
    if (!hsm.ok()) {
      findings.Fail(absl::StrCat("slot ", slot, ": ",
                                 std::string(hsm.status().message())),
                    RemedyOf(hsm.status()));
      continue;
    }
    if (hsm->adminSlot != slot) continue;
    const std::string name = absl::StrCat(
        "HSM ", CleanText(hsm->configName), " (slot ", slot, ", firmware ",
        VersionText(hsm->ulFirmware), ", ", CleanText(hsm->transport), ")");
    const std::string status = HsmStatusText(*hsm);
    if ((hsm->flags & PERIGEE_HSM_TEST_KDF) != 0) {
      findings.Warn(absl::StrCat(name, ": passwords protected for tests only"),
                    "Real keys need an HSM without kdf_cost = \"test\".");
    } else if (!absl::StartsWith(status, "OK")) {
      findings.Warn(absl::StrCat(name, ": ", status),
                    "hsm showinfo on that slot tells more.");
    } else if (hsm->ulKind == PERIGEE_KIND_BACKUP &&
               (hsm->flags & PERIGEE_HSM_EMBEDDED) != 0) {
      findings.Warn(absl::StrCat(name, ": its state is on this computer"),
                    "A rehearsal, not a backup: run perigee-backup-hsm "
                    "elsewhere for a real one.");
    } else {
      findings.Ok(absl::StrCat(name, ": ", status));
    }
  }
}

// One for each HSM of this computer.
void ForEachHsm(Shell& shell,
                absl::FunctionRef<void(const PERIGEE_HSM_INFO&)> look) {
  const absl::StatusOr<std::vector<CK_SLOT_ID>> slots = shell.Slots();
  if (!slots.ok()) return;
  for (const CK_SLOT_ID slot : *slots) {
    const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);
    if (hsm.ok() && hsm->adminSlot == slot &&
        (hsm->flags & PERIGEE_HSM_EXISTS) != 0) {
      look(*hsm);
    }
  }
}

void CheckStores(Shell& shell, Findings& findings) {
  ForEachHsm(shell, [&](const PERIGEE_HSM_INFO& hsm) {
    PERIGEE_STORE store = {};
    store.ulSize = sizeof store;
    const absl::Status status = shell.module().Check(
        shell.module().perigee().CheckStore(hsm.adminSlot, &store));
    const std::string name = CleanText(hsm.configName);
    if (RvOf(status) == CKR_FUNCTION_NOT_SUPPORTED) return;
    if (!status.ok()) {
      findings.Fail(absl::StrCat(name, ": ", std::string(status.message())),
                    RemedyOf(status));
    } else if (store.ulProblems != 0) {
      findings.Fail(
          absl::StrCat(CleanText(store.path), ": ",
                       Count(store.ulProblems, "problem")),
          absl::StrCat("store check -slot ", hsm.adminSlot, " lists them."));
    } else {
      findings.Ok(absl::StrCat(CleanText(store.path), ": ",
                               Count(store.ulRecords, "object"), ", sound"));
    }
  });
}

void CheckAudit(Shell& shell, Findings& findings) {
  ForEachHsm(shell, [&](const PERIGEE_HSM_INFO& hsm) {
    PERIGEE_AUDIT_INFO info = {};
    info.ulSize = sizeof info;
    const std::string name = CleanText(hsm.configName);
    if (shell.module().perigee().AuditInfo(hsm.adminSlot, &info) != CKR_OK) {
      return;
    }
    if ((info.flags & PERIGEE_AUDIT_DAMAGED) != 0) {
      findings.Fail(absl::StrCat(name, ": the log's end is not as it was left"),
                    "Keep a copy of the HSM's directory; audit verify tells "
                    "more.");
    } else if ((info.flags & PERIGEE_AUDIT_OFF) != 0) {
      findings.Warn(absl::StrCat(name, ": nothing is recorded"),
                    "[hsm.audit] in the configuration.");
    } else {
      findings.Ok(absl::StrCat(name, ": ", Count(info.ulLast, "line")));
    }
  });
}

void CheckRolesOf(Shell& shell, CK_SLOT_ID slot, bool admin,
                  Findings& findings) {
  for (const RoleName& role : RoleNames()) {
    if (role.on_admin != admin) continue;
    const auto info = shell.RoleAt(slot, PERIGEE_OWN_CONTAINER, role.user);
    if (!info.ok() || (info->flags & PERIGEE_ROLE_INITIALIZED) == 0) continue;
    const std::string who = absl::StrCat(role.title, " on slot ", slot);
    if ((info->flags & PERIGEE_ROLE_LOCKED) != 0) {
      findings.Fail(absl::StrCat(who, " is locked out"),
                    "The partition SO resets a Crypto Officer (role init "
                    "-name co) where HSM policy 15 allows it.");
    } else if (info->ulFailures != 0) {
      findings.Warn(
          absl::StrCat(who, ": ", Count(info->ulFailures, "wrong password"),
                       ", ", info->ulAttemptsLeft, " left"),
          "A right login forgets them.");
    }
  }
}

void CheckRoles(Shell& shell, Findings& findings) {
  const absl::StatusOr<std::vector<CK_SLOT_ID>> slots = shell.Slots();
  if (!slots.ok()) return;
  const size_t before = findings.all().size();
  for (const CK_SLOT_ID slot : *slots) {
    const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);
    if (hsm.ok()) CheckRolesOf(shell, slot, hsm->adminSlot == slot, findings);
  }
  if (findings.all().size() == before) findings.Ok("nobody is locked out");
}

// The library that a p11-kit module file names; empty when there is none.
std::string ModuleOf(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return "";
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (absl::ConsumePrefix(&line, "module:")) {
      return std::string(absl::StripAsciiWhitespace(line));
    }
  }
  return "";
}

void CheckP11Kit(Shell&, Findings& findings) {
  const char* const home = getenv("HOME");
  const std::string files[] = {
      absl::StrCat(home == nullptr ? "" : home,
                   "/.config/pkcs11/modules/perigee.module"),
      "/etc/pkcs11/modules/perigee.module",
      "/usr/share/p11-kit/modules/perigee.module"};
  for (const std::string& file : files) {
    const std::string module = ModuleOf(file);
    if (module.empty()) continue;
    // A bare name is looked up in p11-kit's own directory.
    if (module[0] == '/' && access(module.c_str(), R_OK) != 0) {
      findings.Fail(absl::StrCat(file, " names ", CleanText(module), ": ",
                                 strerror(errno)),
                    "Install the library, or correct the file.");
    } else {
      findings.Ok(absl::StrCat("registered by ", file));
    }
    return;
  }
  findings.Warn("programs that use p11-kit do not see Perigee",
                "cmake --install puts perigee.module where p11-kit looks "
                "(docs/CLIENTS.md).");
}

void CheckUdev(Shell& shell, Findings& findings) {
  bool by_usb = false;
  ForEachHsm(shell, [&](const PERIGEE_HSM_INFO& hsm) {
    by_usb |= absl::StartsWith(hsm.transport, "usb:");
  });
  if (!by_usb) return;
  for (const char* directory : {"/etc", "/usr/lib", "/lib"}) {
    const std::string file =
        absl::StrCat(directory, "/udev/rules.d/70-perigee-backup-hsm.rules");
    if (access(file.c_str(), R_OK) == 0) {
      findings.Ok(absl::StrCat("USB devices are opened by ", file));
      return;
    }
  }
  findings.Warn("no udev rule lets users open a Backup HSM on USB",
                "cmake/70-perigee-backup-hsm.rules belongs into "
                "/etc/udev/rules.d.");
}

struct Check {
  const char* name;
  void (*run)(Shell& shell, Findings& findings);
};
constexpr Check kChecks[] = {
    {"library", CheckLibrary}, {"configuration", CheckConfiguration},
    {"state", CheckState},     {"fleet", CheckFleet},
    {"memory", CheckMemory},   {"clock", CheckClock},
    {"hsms", CheckSlots},      {"stores", CheckStores},
    {"audit", CheckAudit},     {"roles", CheckRoles},
    {"p11-kit", CheckP11Kit},  {"udev", CheckUdev},
};

constexpr Shown kDoctorData[] = {
    {"checks[].check", "\"library\", \"state\", ..."},
    {"checks[].result", "\"ok\", \"warning\" or \"failed\""},
    {"checks[].text", "what was found"},
    {"checks[].remedy", "what to do, or empty"},
    {"warnings", "how many"},
    {"failed", "how many"},
};

constexpr const char* kWords[] = {"ok", "warning", "failed"};

absl::Status Doctor(Shell& shell, const Arguments&) {
  Findings findings;
  for (const Check& check : kChecks) {
    findings.Begin(check.name);
    check.run(shell, findings);
  }
  Json all = Json::array();
  CK_ULONG counts[3] = {};
  absl::PrintF("\n");
  for (const Finding& one : findings.all()) {
    const size_t verdict = static_cast<size_t>(one.verdict);
    ++counts[verdict];
    absl::PrintF("    %-8s %-14s %s\n", kWords[verdict], one.check, one.text);
    if (!one.remedy.empty()) {
      absl::PrintF("    %-23s -> %s\n", "", one.remedy);
    }
    all.push_back({{"check", one.check},
                   {"result", kWords[verdict]},
                   {"text", one.text},
                   {"remedy", one.remedy}});
  }
  shell.Tell({{"checks", all}, {"warnings", counts[1]}, {"failed", counts[2]}});
  absl::PrintF("\n    %d ok, %s, %d failed.\n", counts[0],
               Count(counts[1], "warning"), counts[2]);
  if (counts[2] == 0) return absl::OkStatus();
  return Failure(CKR_FUNCTION_FAILED,
                 absl::StrCat(Count(counts[2], "check"), " failed"),
                 "The lines above tell what to do.");
}

}  // namespace

std::vector<Command> DoctorCommands() {
  return {{"doctor",
           "doc",
           {},
           Doctor,
           "checks whether this computer is set up well",
           kDoctorData}};
}

}  // namespace shell
