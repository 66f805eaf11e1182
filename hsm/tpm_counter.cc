#include "hsm/tpm_counter.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/wire.h"
#include "hsm/system_error.h"

namespace hsm {

using base::Bytes;
using base::ByteSpan;

namespace {

constexpr char kPrefix[] = "tpm:";
constexpr uint64_t kMostEvery = 1000000;
// Self-tests and a slow NV memory included.
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kPause = absl::Milliseconds(20);

// TPM 2.0 Library, part 2: 6.5.2 (commands), 6.6.3 (responses), 13.4 (NV).
constexpr uint32_t kNvIncrement = 0x134;
constexpr uint32_t kNvRead = 0x14e;
constexpr uint32_t kNvReadPublic = 0x169;
constexpr uint16_t kNoSessions = 0x8001;
constexpr uint16_t kSessions = 0x8002;
constexpr uint32_t kPasswordSession = 0x40000009;
constexpr uint32_t kNoSuchHandle = 0x18b;
constexpr uint32_t kNvLast = 0x01ffffff, kNvFirst = 0x01000000;
constexpr uint32_t kAuthWrite = 1 << 2, kAuthRead = 1 << 18;
constexpr uint32_t kTypeMask = 0xf0, kTypeCounter = 0x10;
constexpr uint32_t kOrderly = 1 << 26, kWritten = 1 << 29;
constexpr size_t kHeader = 10;
constexpr size_t kLargest = 4096;

// Nothing has happened, and the same command may be sent again.
bool SaysAgain(uint32_t code) {
  constexpr uint32_t kYielded = 0x908, kTesting = 0x90a, kNvRate = 0x920,
                     kRetry = 0x922;
  return code == kYielded || code == kTesting || code == kNvRate ||
         code == kRetry;
}

struct Link {
  int file = -1;
  bool is_socket = false;
};

absl::StatusOr<Link> OpenDevice(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return SystemError("open", path);
  Link link;
  link.is_socket = S_ISSOCK(status.st_mode);
  if (!link.is_socket) {
    // A file would be written over.
    if (!S_ISCHR(status.st_mode)) return SystemError("open", path, ENOTTY);
    link.file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (link.file < 0) return SystemError("open", path);
    return link;
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return SystemError("connect", path, ENAMETOOLONG);
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  link.file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (link.file < 0) return SystemError("socket", path);
  if (connect(link.file, reinterpret_cast<const sockaddr*>(&address),
              sizeof address) != 0) {
    const int error = errno;
    close(link.file);
    return SystemError("connect", path, error);
  }
  return link;
}

absl::Status Send(const Link& link, ByteSpan bytes, const std::string& path) {
  ssize_t sent = 0;
  do {
    // Not SIGPIPE: the process is the application's.
    sent = link.is_socket
               ? send(link.file, bytes.data(), bytes.size(), MSG_NOSIGNAL)
               : write(link.file, bytes.data(), bytes.size());
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return SystemError("write", path);
  if (static_cast<size_t>(sent) != bytes.size()) {
    return SystemError("write", path, EIO);
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> Receive(const Link& link, const std::string& path,
                              absl::Time deadline) {
  Bytes answer;
  size_t wanted = kHeader;
  while (answer.size() < wanted) {
    pollfd ready = {link.file, POLLIN, 0};
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int polled =
        poll(&ready, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (polled == 0) return SystemError("read", path, ETIMEDOUT);
    if (polled < 0 && errno == EINTR) continue;
    if (polled < 0) return SystemError("poll", path);
    uint8_t room[kLargest];
    const ssize_t got = read(link.file, room, sizeof room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path);
    if (got == 0) return SystemError("read", path, EPIPE);
    answer.insert(answer.end(), room, room + got);
    if (answer.size() < kHeader) continue;
    wire::Reader header(answer);
    header.U16();
    wanted = header.U32();
    if (wanted < kHeader || wanted > kLargest || answer.size() > wanted) {
      return base::Error(CKR_DEVICE_ERROR,
                         absl::StrCat(path, ": no answer of a TPM 2.0"));
    }
  }
  return answer;
}

absl::StatusOr<Bytes> Exchange(const std::string& path, ByteSpan command,
                               absl::Time deadline) {
  ASSIGN_OR_RETURN(const Link link, OpenDevice(path));
  absl::Cleanup closer = [&] {
    // A child that was forked meanwhile would hold the connection.
    if (link.is_socket) shutdown(link.file, SHUT_RDWR);
    close(link.file);
  };
  RETURN_IF_ERROR(Send(link, command, path));
  return Receive(link, path, deadline);
}

absl::Status BadName(absl::string_view text, absl::string_view why) {
  return base::Error(CKR_ARGUMENTS_BAD, absl::StrCat("\"", text, "\": ", why));
}

}  // namespace

bool TpmCounterName::Is(absl::string_view text) {
  return absl::StartsWith(text, kPrefix);
}

absl::StatusOr<TpmCounterName> TpmCounterName::Parse(absl::string_view text) {
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, kPrefix)) {
    return BadName(text, "must begin with \"tpm:\"");
  }
  const std::vector<absl::string_view> parts =
      absl::StrSplit(rest, absl::MaxSplits('?', 1));
  TpmCounterName name;
  if (!absl::SimpleHexAtoi(parts[0], &name.index) ||
      !absl::StartsWith(parts[0], "0x") || name.index < kNvFirst ||
      name.index > kNvLast) {
    return BadName(text,
                   "an NV index is hexadecimal, 0x01000000 to 0x01ffffff");
  }
  if (parts.size() == 1) return name;
  for (absl::string_view option : absl::StrSplit(parts[1], '&')) {
    if (absl::ConsumePrefix(&option, "device=")) {
      name.device = std::string(option);
      if (!absl::StartsWith(option, "/")) {
        return BadName(text, "device must be an absolute path");
      }
    } else if (absl::ConsumePrefix(&option, "every=")) {
      if (!absl::SimpleAtoi(option, &name.every) || name.every == 0 ||
          name.every > kMostEvery) {
        return BadName(text, "every must be a number from 1 to 1000000");
      }
    } else {
      return BadName(text, absl::StrCat("\"", option, "\" is not known"));
    }
  }
  return name;
}

TpmCounter::TpmCounter(TpmCounterName at) : at_(std::move(at)) {}

std::string TpmCounter::name() const {
  return absl::StrFormat("NV index 0x%x of the TPM %s", at_.index, at_.device);
}

absl::StatusOr<Bytes> TpmCounter::Ask(uint32_t code, bool authorized,
                                      ByteSpan parameters) const {
  wire::Writer body;
  if (authorized) body.U32(at_.index);  // authorises itself
  body.U32(at_.index);
  if (authorized) {
    body.U32(9);
    body.U32(kPasswordSession);
    body.U16(0);  // nonce
    body.U8(0);   // attributes
    body.U16(0);  // password
  }
  body.Raw(parameters);
  wire::Writer command;
  command.U16(authorized ? kSessions : kNoSessions);
  command.U32(static_cast<uint32_t>(kHeader + body.size()));
  command.U32(code);
  command.Raw(body.bytes());

  const absl::Time deadline = absl::Now() + kPatience;
  while (true) {
    ASSIGN_OR_RETURN(const Bytes answer,
                     Exchange(at_.device, command.bytes(), deadline));
    wire::Reader reader(answer);
    reader.U16();
    reader.U32();
    const uint32_t result = reader.U32();
    if (result == 0) {
      return base::ToBytes(reader.Raw(reader.remaining()));
    }
    if (SaysAgain(result) && absl::Now() + kPause < deadline) {
      absl::SleepFor(kPause);
      continue;
    }
    if (result == kNoSuchHandle) {
      return base::Error(
          CKR_DEVICE_ERROR,
          absl::StrFormat(
              "%s is not there. Make it: tpm2_nvdefine 0x%x -C o -s 8 -a "
              "\"ownerread|ownerwrite|authread|authwrite|no_da|nt=counter\"",
              name(), at_.index));
    }
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrFormat("%s: TPM command 0x%x: TPM_RC 0x%x",
                                       name(), code, result));
  }
}

absl::StatusOr<bool> TpmCounter::CheckIndex() const {
  ASSIGN_OR_RETURN(const Bytes answer, Ask(kNvReadPublic, false, {}));
  wire::Reader reader(answer);
  reader.U16();  // size of what follows
  const uint32_t index = reader.U32();
  reader.U16();  // the algorithm of its name
  const uint32_t attributes = reader.U32();
  reader.Raw(reader.U16());  // policy
  const uint16_t size = reader.U16();
  if (!reader.ok() || index != at_.index) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(name(), ": an answer that is none"));
  }
  if ((attributes & kTypeMask) != kTypeCounter || size != 8 ||
      (attributes & kAuthRead) == 0 || (attributes & kAuthWrite) == 0) {
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat(name(),
                     " is not of type counter, with authread and authwrite"));
  }
  if ((attributes & kOrderly) != 0) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(name(),
                                    " is orderly: it jumps when power is lost. "
                                    "Make it without that attribute"));
  }
  return (attributes & kWritten) != 0;
}

absl::StatusOr<std::optional<uint64_t>> TpmCounter::Read() const {
  ASSIGN_OR_RETURN(const bool counted, CheckIndex());
  if (!counted) return std::optional<uint64_t>();
  wire::Writer parameters;
  parameters.U16(8);  // bytes
  parameters.U16(0);  // from
  ASSIGN_OR_RETURN(const Bytes answer, Ask(kNvRead, true, parameters.bytes()));
  wire::Reader reader(answer);
  reader.U32();  // size of the parameters
  const uint16_t size = reader.U16();
  const uint64_t value = reader.U64();
  if (!reader.ok() || size != 8) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(name(), ": an answer that is none"));
  }
  return std::optional<uint64_t>(value);
}

absl::Status TpmCounter::Count() const {
  return Ask(kNvIncrement, true, {}).status();
}

}  // namespace hsm
