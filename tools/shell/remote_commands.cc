// remotebackup start, identity: the Remote Backup Service of this host, in the
// foreground, and what other hosts call this one.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr CK_ULONG kDefaultPort = 1793;
constexpr char kEverywhere[] = "0.0.0.0";

// Where the first signal writes; the second one ends the process.
int stop_pipe = -1;

void OnStop(int) {
  const int error = errno;
  (void)!write(stop_pipe, "x", 1);
  errno = error;
}

// While it lives, SIGINT, SIGTERM and SIGHUP make a descriptor readable.
class StopSignals {
 public:
  StopSignals() {
    if (pipe2(ends_, O_CLOEXEC | O_NONBLOCK) != 0) return;
    stop_pipe = ends_[1];
    struct sigaction action = {};
    action.sa_handler = OnStop;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (size_t i = 0; i < kCount; ++i) {
      sigaction(kSignals[i], &action, &before_[i]);
    }
  }
  ~StopSignals() {
    if (fd() < 0) return;
    for (size_t i = 0; i < kCount; ++i) {
      sigaction(kSignals[i], &before_[i], nullptr);
    }
    stop_pipe = -1;
    close(ends_[0]);
    close(ends_[1]);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int fd() const { return ends_[0]; }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  static constexpr size_t kCount = 3;
  int ends_[2] = {-1, -1};
  struct sigaction before_[kCount] = {};
};

// Whoever watches through a pipe sees each line at once.
void Print(absl::string_view line) {
  absl::PrintF("    %s\n", CleanText(line));
  fflush(stdout);
}

// Of comings and goings only with -debug: clients come for each look.
void OnEvent(void* context, const char* text) {
  const bool all = *static_cast<const bool*>(context);
  const absl::string_view line = text;
  if (all ||
      !(absl::EndsWith(line, " connected") || absl::EndsWith(line, " left"))) {
    Print(line);
  }
}

constexpr Option kStartOptions[] = {
    {"slot", "s", Kind::kNumber, false, "slot of the device (the active one)",
     Names::kSlot},
    {"client", "c", Kind::kText, true,
     "hosts that may use it, with commas between"},
    {"hostname", "h", Kind::kText, false, "address to listen at (all)"},
    {"port", "po", Kind::kNumber, false, "port (1793; 0: any free one)"},
    {"commandtimeout", "ct", Kind::kNumber, false,
     "seconds for the device to answer (300)"},
    {"debug", "d", Kind::kFlag, false, "also shows who comes and goes"},
};

absl::Status Start(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  const CK_ULONG port = arguments.Number("port").value_or(kDefaultPort);
  if (port > 65535) {
    return Failure(CKR_ARGUMENTS_BAD, "a port is at most 65535");
  }
  const std::string address =
      absl::StrCat(arguments.Text("hostname").value_or(kEverywhere), ":", port);
  const std::string clients = arguments.Text("client").value_or("");
  bool debug = arguments.Has("debug");
  const StopSignals stop;
  if (stop.fd() < 0) {
    return Failure(CKR_HOST_MEMORY, absl::StrCat("no pipe: ", strerror(errno)));
  }
  PERIGEE_REMOTE_OFFER offer = {};
  offer.ulSize = sizeof offer;
  offer.pAddress = address.c_str();
  offer.pClients = clients.c_str();
  offer.ulCommandSeconds = arguments.Number("commandtimeout").value_or(0);
  offer.iStop = stop.fd();
  offer.pEvent = OnEvent;
  offer.pContext = &debug;
  // A device that serves one host at a time is the clients' now.
  shell.CloseSessions(slot);
  Print("Remote Backup Service; Ctrl-C stops it.");
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().perigee().OfferDevice(slot, &offer)));
  Print("The Remote Backup Service has stopped.");
  return absl::OkStatus();
}

constexpr Shown kIdentityData[] = {
    {"host", "its serial number in the fleet"},
    {"key", "fingerprint of its key, hexadecimal"},
};

absl::Status Identity(Shell& shell, const Arguments&) {
  PERIGEE_HOST host = {};
  host.ulSize = sizeof host;
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().perigee().HostIdentity(&host)));
  absl::PrintF("\n%s", SlotField("Host", CleanText(host.serial)));
  absl::PrintF("%s", SlotField("Key", HexText(host.fingerprint)));
  shell.Tell(
      {{"host", CleanText(host.serial)}, {"key", HexText(host.fingerprint)}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> RemoteCommands() {
  return {
      {"remotebackup start", "rb s", kStartOptions, Start,
       "offers a Backup HSM to named hosts until it is stopped"},
      {"remotebackup identity",
       "rb i",
       {},
       Identity,
       "what remotebackup start -client elsewhere calls this host",
       kIdentityData},
  };
}

}  // namespace shell
