#include "tests/usbfs/backend.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "hsm_io/socket_transport.h"

namespace usbfs {
namespace {

using hsm_io::Deadline;
using hsm_io::UsbCompletion;
using hsm_io::UsbTransfer;
using Kind = Fault::Kind;

Deadline Soon() { return Deadline::After(absl::Seconds(10)); }

UsbCompletion Make(uint32_t id, bool in, hsm_io::UsbHost::Outcome outcome) {
  UsbCompletion done;
  done.id = id;
  done.in = in;
  done.status = outcome.status;
  done.actual = outcome.actual;
  done.data = std::move(outcome.data);
  return done;
}

}  // namespace

// --- in this process ---------------------------------------------------------

void LocalBackend::Submit(UsbTransfer transfer) {
  if (dumb_ && transfer.endpoint == 0) return silent_.push_back(transfer.id);
  const bool counts = transfer.endpoint != 0 && transfer.in == fault_.in &&
                      fault_.kind != Kind::kNone && fault_.at-- == 0;
  const Kind kind = counts ? fault_.kind : Kind::kNone;
  if (counts) fault_ = Fault();
  switch (kind) {
    case Kind::kNone:
      break;
    case Kind::kStall:
      return Inject(transfer, -EPIPE);
    case Kind::kBabble:
      return Inject(transfer, -EOVERFLOW);
    case Kind::kFail:
      return Inject(transfer, -EPROTO);
    case Kind::kUnplug:
      gone_ = true;
      return Inject(transfer, -ESHUTDOWN);
    case Kind::kFailFirst:
      gone_ = true;
      return Inject(transfer, -EPROTO);
    case Kind::kSilence:
      silent_.push_back(transfer.id);
      return;
    case Kind::kPartly:
      Inject(transfer, 0);
      injected_.back().actual = transfer.length / 2;
      return;
    case Kind::kTruncate:
      truncated_ = transfer.id;
      break;
  }
  const uint32_t id = transfer.id;
  const bool in = transfer.in;
  if (device_.Submit(std::move(transfer))) return;
  UsbTransfer refused;
  refused.id = id;
  refused.in = in;
  Inject(refused, -EINVAL);
}

void LocalBackend::Inject(const UsbTransfer& transfer, int status) {
  UsbCompletion done;
  done.id = transfer.id;
  done.in = transfer.in;
  done.status = status;
  injected_.push_back(std::move(done));
}

bool LocalBackend::Unlink(uint32_t id) {
  const auto silent = std::find(silent_.begin(), silent_.end(), id);
  if (silent != silent_.end()) {
    silent_.erase(silent);
    return true;
  }
  return device_.Unlink(id);
}

std::vector<UsbCompletion> LocalBackend::TakeCompletions() {
  std::vector<UsbCompletion> done = std::exchange(injected_, {});
  for (UsbCompletion& each : device_.TakeCompletions()) {
    if (truncated_ != 0 && each.id == truncated_ && each.actual > 1) {
      each.data.resize(each.data.size() / 2);
      each.actual = static_cast<uint32_t>(each.data.size());
    }
    done.push_back(std::move(each));
  }
  return done;
}

// --- over USB/IP -------------------------------------------------------------

absl::StatusOr<std::unique_ptr<UsbipBackend>> UsbipBackend::Attach(
    const std::string& address) {
  auto made = std::make_unique<UsbipBackend>();
  ASSIGN_OR_RETURN(const int fd, hsm_io::ConnectSocket(address, Soon()));
  ASSIGN_OR_RETURN(made->usb_,
                   hsm_io::UsbipInitiator::Attach(fd, "1-1", Soon()));
  return made;
}

void UsbipBackend::Submit(UsbTransfer transfer) {
  const uint32_t id = transfer.id;
  const bool in = transfer.in;
  hsm_io::UsbHost::Outcome outcome;
  if (gone_) {
    outcome.status = -ESHUTDOWN;
    done_.push_back(Make(id, in, outcome));
  } else if (transfer.endpoint != 0) {
    pending_[id] = {in ? usb_->SubmitIn(transfer.endpoint, transfer.length)
                       : usb_->SubmitOut(transfer.endpoint, transfer.data),
                    in};
  } else {
    auto reply = usb_->Control(hsm_io::UsbSetup::Parse(transfer.setup), Soon());
    if (reply.ok()) {
      outcome.actual = static_cast<uint32_t>(reply->size());
      outcome.data = *std::move(reply);
    } else {
      outcome.status = -EPIPE;
    }
    done_.push_back(Make(id, in, std::move(outcome)));
  }
}

bool UsbipBackend::Unlink(uint32_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return false;
  const Pending pending = found->second;
  pending_.erase(found);
  auto outcome = usb_->Cancel(pending.number, Soon());
  gone_ |= !outcome.ok();
  if (!outcome.ok() || outcome->status == -ECONNRESET) return true;
  done_.push_back(Make(id, pending.in, *std::move(outcome)));
  return false;
}

std::vector<UsbCompletion> UsbipBackend::TakeCompletions() {
  if (!gone_ && !usb_->Move().ok()) gone_ = true;
  for (auto each = pending_.begin(); each != pending_.end();) {
    const auto [id, pending] = *each;
    if (!usb_->done(pending.number)) {
      ++each;
      continue;
    }
    done_.push_back(Make(id, pending.in, *usb_->Wait(pending.number, Soon())));
    each = pending_.erase(each);
  }
  return std::exchange(done_, {});
}

}  // namespace usbfs
