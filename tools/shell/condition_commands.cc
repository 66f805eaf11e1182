// stm, hsm tampershow, hsm tamperclear: an HSM on its way, and one whose case
// was opened.
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/shell/facts.h"
#include "tools/shell/result.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Option kForceOptions[] = {
    kForce,
    kDryRun,
};

constexpr Shown kStmData[] = {{"transport_mode", "true or false"}};
constexpr Shown kTransportData[] = {
    {"verification_string", "text"},
    {"random_user_string", "text"},
};
constexpr Shown kRecoverData[] = {
    {"verification_string", "to be compared with the one that came along"},
};
constexpr Shown kTamperData[] = {
    {"tampered_at", "\"2026-11-27T12:00:00Z\"; null: no tamper event"},
};

absl::Status StmShow(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.ActiveHsm());
  absl::PrintF("\n%s", Field("Secure Transport Mode",
                             hsm.flags & PERIGEE_HSM_TRANSPORT ? "Enabled"
                                                               : "Disabled"));
  shell.Tell({{"transport_mode", (hsm.flags & PERIGEE_HSM_TRANSPORT) != 0}});
  return absl::OkStatus();
}

absl::Status StmTransport(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      "The HSM goes into Secure Transport Mode: nothing but its recovery by "
      "the HSM SO works then. Nothing is lost."));
  PERIGEE_TRANSPORT strings = {};
  strings.ulSize = sizeof strings;
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().EnterTransport(session, &strings)));
  absl::PrintF(
      "\n    The HSM is in Secure Transport Mode.\n\n"
      "    Verification String: %s\n"
      "    Random User String:  %s\n\n"
      "    Send both to whoever receives the HSM, by another way than the "
      "HSM.\n",
      CleanText(strings.verification), CleanText(strings.user));
  shell.Tell({{"verification_string", CleanText(strings.verification)},
              {"random_user_string", CleanText(strings.user)}});
  return absl::OkStatus();
}

constexpr Option kRecoverOptions[] = {
    {"randomuserstring", "r", Kind::kText, true,
     "the random user string that came with the HSM"},
    {"force", "f", Kind::kFlag, false, "no question"},
};

absl::Status StmRecover(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const std::string user = arguments.Text("randomuserstring").value_or("");
  PERIGEE_TRANSPORT strings = {};
  strings.ulSize = sizeof strings;
  std::strncpy(strings.user, user.c_str(), sizeof strings.user - 1);
  if (user.size() >= sizeof strings.user) strings.user[0] = '\0';
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().CheckTransport(session, &strings)));
  absl::PrintF("\n    Verification String: %s\n",
               CleanText(strings.verification));
  shell.Tell({{"verification_string", CleanText(strings.verification)}});
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      "Compare it with the verification string that came with the HSM. If "
      "they differ, the HSM was changed, or somebody tried its password, or "
      "the random user string is another one. The HSM leaves Secure Transport "
      "Mode now."));
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_STMToggle(session, 0)));
  absl::PrintF("\n    The HSM has left Secure Transport Mode.\n");
  return absl::OkStatus();
}

absl::Status TamperShow(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.ActiveHsm());
  if (hsm.ulTamperedAt == 0) {
    absl::PrintF("\n    There is no tamper event.\n");
    shell.Tell({{"tampered_at", nullptr}});
    return absl::OkStatus();
  }
  const absl::Time time =
      absl::FromUnixSeconds(static_cast<int64_t>(hsm.ulTamperedAt));
  shell.Tell({{"tampered_at", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time,
                                               absl::UTCTimeZone())}});
  absl::PrintF("\n%s", Field("Tamper Event", "Chassis was opened (simulated)"));
  absl::PrintF("%s",
               Field("Time", absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time,
                                              absl::UTCTimeZone())));
  absl::PrintF("\n    `hsm tamperclear` clears it.\n");
  return absl::OkStatus();
}

absl::Status TamperClear(Shell& shell, const Arguments&) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  return shell.module().Check(shell.module().ca().CA_TamperClear(session));
}

absl::Status Tamper(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      "This does to the HSM what opening its case does. With HSM policy 48 it "
      "is unavailable until its SO clears that; with policy 40 all partitions "
      "and roles will be destroyed."));
  shell.CloseSessions(shell.slot());
  return shell.module().Check(shell.module().perigee().TamperHsm(shell.slot()));
}

}  // namespace

std::vector<Command> ConditionCommands() {
  return {
      {"stm show",
       "stm s",
       {},
       StmShow,
       "tells whether the HSM is in Secure Transport Mode",
       kStmData},
      {"stm transport", "stm t", kForceOptions, StmTransport,
       "puts the HSM into Secure Transport Mode", kTransportData},
      {"stm recover", "stm r", kRecoverOptions, StmRecover,
       "takes the HSM out of Secure Transport Mode", kRecoverData},
      {"hsm tampershow",
       "hsm ts",
       {},
       TamperShow,
       "shows a tamper event",
       kTamperData},
      {"hsm tamperclear", "hsm tc", {}, TamperClear, "clears a tamper event"},
      {"hsm tamper", "hsm t", kForceOptions, Tamper,
       "rehearses a tamper event"},
  };
}

}  // namespace shell
