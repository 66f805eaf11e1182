#include "hsm/audit_journal.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace hsm {

void SendToJournal(const std::string& path, uint64_t seq,
                   absl::string_view word, absl::string_view line) noexcept
    try {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  // No value has a line feed in it, so the simple form of the protocol does.
  const std::string datagram =
      absl::StrCat("MESSAGE=", absl::StripSuffix(line, "\n"), "\nPRIORITY=6\n",
                   "SYSLOG_IDENTIFIER=perigee-audit\nPERIGEE_SEQ=", seq,
                   "\nPERIGEE_EVENT=", word, "\n");
  const ssize_t unused =
      sendto(fd, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  static_cast<void>(unused);
  close(fd);
} catch (...) {
  // No memory for the datagram.
}

}  // namespace hsm
