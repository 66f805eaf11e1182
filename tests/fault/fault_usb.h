// A USB host that wraps another and spoils its n-th transfer, as controllers,
// cables and devices do: what usb_bulk_transport sees of a bad bus.
#ifndef PERIGEE_TESTS_FAULT_FAULT_USB_H_
#define PERIGEE_TESTS_FAULT_FAULT_USB_H_

#include <errno.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "hsm_io/usb_host.h"

namespace hsm_io {

// Shared by all hosts of one client.
struct UsbFaultPlan {
  enum class Kind {
    kNone,
    kStatus,   // it fails with `status`, and its data are gone
    kSilence,  // it is never done; the deadline passes at once
    kPart,     // half of it, told as success
  };
  Kind kind = Kind::kNone;
  int status = 0;  // a negative errno
  int at = 0;      // the n-th transfer, from 1
  int transfers = 0;
  std::function<void()> struck;
};

class FaultUsbHost : public UsbHost {
 public:
  using Kind = UsbFaultPlan::Kind;

  FaultUsbHost(std::unique_ptr<UsbHost> inner,
               std::shared_ptr<UsbFaultPlan> plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  uint32_t SubmitOut(uint8_t endpoint, ByteSpan data) override {
    if (!Strikes()) return Numbered(inner_->SubmitOut(endpoint, data));
    if (plan_->kind == Kind::kPart) {
      const ByteSpan half = data.subspan(0, data.size() / 2);
      return Numbered(inner_->SubmitOut(endpoint, half));
    }
    return Spoiled();
  }
  uint32_t SubmitIn(uint8_t endpoint, uint32_t length) override {
    const bool strikes = Strikes();
    const uint32_t number = Numbered(inner_->SubmitIn(endpoint, length));
    if (strikes) spoiled_in_.insert(number);
    return number;
  }
  absl::Status Move() override { return inner_->Move(); }
  bool done(uint32_t number) const override {
    if (spoiled_out_.count(number) != 0) return plan_->kind != Kind::kSilence;
    if (spoiled_in_.count(number) != 0 && plan_->kind == Kind::kSilence) {
      return false;
    }
    return inner_->done(Inner(number));
  }
  absl::Status Await(Deadline deadline) override {
    const bool silent = plan_->kind == Kind::kSilence &&
                        spoiled_in_.size() + spoiled_out_.size() > 0;
    if (silent || cut_short_) {
      return absl::DeadlineExceededError("no answer in time");
    }
    return inner_->Await(deadline);
  }
  absl::StatusOr<Outcome> Cancel(uint32_t number, Deadline deadline) override {
    return inner_->Cancel(Inner(number), deadline);
  }
  absl::StatusOr<Bytes> Control(UsbSetup setup, Deadline deadline) override {
    return inner_->Control(setup, deadline);
  }
  absl::Duration quiet() const override { return inner_->quiet(); }

 protected:
  absl::StatusOr<Outcome> Take(uint32_t number) override {
    const uint32_t inner = Inner(number);
    pending_.erase(number);
    if (spoiled_out_.count(number) != 0) return Outcome{plan_->status, 0, {}};
    ASSIGN_OR_RETURN(Outcome outcome, inner_->Wait(inner, Deadline::After({})));
    if (spoiled_in_.count(number) == 0) return outcome;
    if (plan_->kind == Kind::kStatus) return Outcome{plan_->status, 0, {}};
    cut_short_ = true;
    outcome.actual /= 2;
    outcome.data.resize(outcome.actual);
    return outcome;
  }
  bool is_pending(uint32_t number) const override {
    return pending_.count(number) != 0;
  }

 private:
  bool Strikes() {
    const bool now = ++plan_->transfers == plan_->at;
    if (now && plan_->kind != Kind::kNone && plan_->struck) plan_->struck();
    return now && plan_->kind != Kind::kNone;
  }
  uint32_t Numbered(uint32_t inner) {
    pending_[++last_] = inner;
    return last_;
  }
  uint32_t Spoiled() {
    spoiled_out_.insert(++last_);
    pending_[last_] = 0;
    return last_;
  }
  uint32_t Inner(uint32_t number) const {
    const auto found = pending_.find(number);
    return found == pending_.end() ? 0 : found->second;
  }

  const std::unique_ptr<UsbHost> inner_;
  const std::shared_ptr<UsbFaultPlan> plan_;
  uint32_t last_ = 0;
  std::map<uint32_t, uint32_t> pending_;  // to the inner number
  std::set<uint32_t> spoiled_in_, spoiled_out_;
  bool cut_short_ = false;  // the rest of an answer is lost
};

}  // namespace hsm_io

#endif  // PERIGEE_TESTS_FAULT_FAULT_USB_H_
