#include "hsm_io/usbip_initiator.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm_io/socket_transport.h"

namespace hsm_io {
namespace {

absl::Status Nonsense(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("USB/IP: ", what));
}

absl::Status Removed() {
  return base::Error(CKR_DEVICE_REMOVED, "USB/IP: the other end closed it");
}

absl::Status Refused(usbip::OpStatus status) {
  const char* why = "the server refuses it";
  if (status == usbip::OpStatus::kBusy) why = "another host has the device";
  if (status == usbip::OpStatus::kNoDevice) why = "no such device there";
  return base::Error(CKR_TOKEN_NOT_PRESENT, absl::StrCat("USB/IP: ", why));
}

}  // namespace

absl::StatusOr<std::unique_ptr<UsbipInitiator>> UsbipInitiator::Attach(
    int fd, const std::string& bus_id, Deadline deadline) {
  std::unique_ptr<UsbipInitiator> made(new UsbipInitiator(fd));
  RETURN_IF_ERROR(made->Import(bus_id, deadline));
  return made;
}

UsbipInitiator::~UsbipInitiator() { close(fd_); }

absl::Status UsbipInitiator::Import(const std::string& bus_id,
                                    Deadline deadline) {
  output_ = usbip::EncodeImportRequest(bus_id);
  ASSIGN_OR_RETURN(Bytes head, ReadOp(usbip::kOpSize, deadline));
  ASSIGN_OR_RETURN(usbip::OpHeader header, usbip::ParseOp(head));
  if (header.op != usbip::Op::kImportReply) return Nonsense("another reply");
  if (header.status != usbip::OpStatus::kOk) return Refused(header.status);
  ASSIGN_OR_RETURN(Bytes body, ReadOp(usbip::kDeviceSize, deadline));
  ASSIGN_OR_RETURN(device_, usbip::ParseDevice(body));
  ASSIGN_OR_RETURN(const std::string imported,
                   usbip::FromField(device_.bus_id));
  if (imported != bus_id) return Nonsense("another device");
  return absl::OkStatus();
}

absl::StatusOr<Bytes> UsbipInitiator::ReadOp(size_t size, Deadline deadline) {
  for (;;) {
    RETURN_IF_ERROR(Move());
    if (input_.size() >= size) break;
    RETURN_IF_ERROR(Await(deadline));
  }
  Bytes out(input_.begin(), input_.begin() + size);
  input_.erase(input_.begin(), input_.begin() + size);
  return out;
}

uint32_t UsbipInitiator::SubmitOut(uint8_t endpoint, ByteSpan data) {
  return Submit(endpoint, false, static_cast<uint32_t>(data.size()), data, {});
}

uint32_t UsbipInitiator::SubmitIn(uint8_t endpoint, uint32_t length) {
  return Submit(endpoint, true, length, {}, {});
}

uint32_t UsbipInitiator::Submit(uint8_t endpoint, bool in, uint32_t length,
                                ByteSpan data,
                                const std::array<uint8_t, 8>& setup) {
  usbip::Submit submit;
  submit.sequence = ++last_;
  submit.device = device_.id();
  submit.direction = in ? usbip::kIn : usbip::kOut;
  submit.endpoint = endpoint;
  submit.length = length;
  submit.setup = setup;
  const Bytes header = wire::Encode(submit);
  output_.insert(output_.end(), header.begin(), header.end());
  output_.insert(output_.end(), data.begin(), data.end());
  pending_[last_] = {in, length};
  return last_;
}

absl::StatusOr<UsbHost::Outcome> UsbipInitiator::Take(uint32_t number) {
  const auto found = done_.find(number);
  if (found == done_.end()) return Nonsense("no such transfer");
  Outcome outcome = std::move(found->second);
  done_.erase(found);
  return outcome;
}

absl::StatusOr<UsbHost::Outcome> UsbipInitiator::Cancel(uint32_t number,
                                                        Deadline deadline) {
  usbip::Unlink unlink;
  unlink.sequence = ++last_;
  unlink.device = device_.id();
  unlink.victim = number;
  unlinks_[last_] = number;
  const Bytes bytes = wire::Encode(unlink);
  output_.insert(output_.end(), bytes.begin(), bytes.end());
  return Wait(number, deadline);
}

absl::StatusOr<Bytes> UsbipInitiator::Control(UsbSetup setup,
                                              Deadline deadline) {
  const uint32_t number =
      Submit(0, setup.in(), setup.length, {}, setup.Encode());
  ASSIGN_OR_RETURN(Outcome outcome, Wait(number, deadline));
  if (outcome.status != 0) {
    return Nonsense(absl::StrCat("control request ", setup.request,
                                 " failed with ", outcome.status));
  }
  return std::move(outcome.data);
}

absl::Status UsbipInitiator::Await(Deadline deadline) {
  const short out = sent_ < output_.size() ? POLLOUT : 0;
  return WaitSocket(fd_, static_cast<short>(POLLIN | out), "of USB/IP",
                    deadline);
}

absl::Status UsbipInitiator::Move() {
  RETURN_IF_ERROR(Flush());
  return Receive();
}

absl::Status UsbipInitiator::Flush() {
  while (sent_ < output_.size()) {
    const ssize_t n =
        send(fd_, output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
    if (n > 0) {
      sent_ += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return absl::OkStatus();
    } else if (errno != EINTR) {
      return Removed();
    }
  }
  output_.clear();
  sent_ = 0;
  return absl::OkStatus();
}

// One piece at a time: what has arrived is bounded by what was asked for.
absl::Status UsbipInitiator::Receive() {
  uint8_t buffer[64 * 1024];
  const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
  if (n == 0) return Removed();
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      return absl::OkStatus();
    }
    return Removed();
  }
  input_.insert(input_.end(), buffer, buffer + n);
  // Nothing was submitted yet: these are the answer to the import.
  if (last_ == 0) return absl::OkStatus();
  size_t at = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const size_t taken,
                     TakeReply(ByteSpan(input_).subspan(at)));
    if (taken == 0) break;
    at += taken;
  }
  input_.erase(input_.begin(), input_.begin() + at);
  return absl::OkStatus();
}

absl::StatusOr<size_t> UsbipInitiator::TakeReply(ByteSpan rest) {
  if (rest.size() < usbip::kHeaderSize) return 0;
  ASSIGN_OR_RETURN(
      usbip::Reply reply,
      usbip::ParseReply(rest.subspan(0, usbip::kHeaderSize), UINT32_MAX));
  if (const auto* unlinked = std::get_if<usbip::UnlinkReply>(&reply)) {
    const auto unlink = unlinks_.find(unlinked->sequence);
    if (unlink == unlinks_.end()) return Nonsense("a reply to no unlink");
    // With status 0 the transfer was done before, and its own reply tells.
    if (unlinked->status != 0 && pending_.erase(unlink->second) != 0) {
      done_[unlink->second].status = -ECONNRESET;
    }
    unlinks_.erase(unlink);
    return usbip::kHeaderSize;
  }
  const auto& done = std::get<usbip::SubmitReply>(reply);
  const auto pending = pending_.find(done.sequence);
  if (pending == pending_.end()) return Nonsense("a reply to no transfer");
  if (done.actual > pending->second.length) {
    return Nonsense("more bytes than were asked for");
  }
  const size_t data = pending->second.in ? done.actual : 0;
  if (rest.size() < usbip::kHeaderSize + data) return 0;
  Outcome& outcome = done_[done.sequence];
  outcome.status = static_cast<int>(done.status);
  outcome.actual = done.actual;
  outcome.data = base::ToBytes(rest.subspan(usbip::kHeaderSize, data));
  pending_.erase(pending);
  return usbip::kHeaderSize + data;
}

}  // namespace hsm_io
