// A transport for tests that wraps another and does one thing wrong at the
// n-th call: what cables, hosts' controllers and devices are known to do.
#ifndef PERIGEE_HSM_IO_FAULT_TRANSPORT_H_
#define PERIGEE_HSM_IO_FAULT_TRANSPORT_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "hsm_io/frame.h"
#include "hsm_io/transport.h"

namespace hsm_io {

// Shared by all transports of one client, so that counting goes on when it
// opens the link anew.
struct FaultPlan {
  enum class Kind {
    kNone,
    // At the n-th write.
    kCutBeforeWrite,  // nothing reaches the other end
    kFlipWrite,       // one bit of what is written is wrong
    kLostWrite,       // it never arrives, and no answer comes in time
    kRepeatedAnswer,  // the former answer comes again, before this one's
    kLateAnswer,      // not in time, but as the first thing of the next link
    // At the n-th read; the other end has acted by then.
    kCutBeforeRead,  // its answer is lost
    kFlipRead,
    kReset,      // the same, told as an error of the link and not as its end
    kLostRead,   // no answer in time
    kShortRead,  // half of it, and the rest not in time
    kLongRead,   // more than was asked for
    kJunkRead,   // bytes of nobody before it
  };
  Kind kind = Kind::kNone;
  int at = 0;      // the n-th Write or Read, from 1
  size_t bit = 0;  // for flips, modulo the length
  int writes = 0;  // counted
  int reads = 0;
  int opens = 0;
  // Called when the fault strikes: before a write reaches the other end, after
  // that has acted for a read. A cut has then closed the link.
  std::function<void()> struck;
  // So many links cannot be opened: nothing is plugged in.
  int absent = 0;
  // Sealed requests by their ids, and how many came with an id of before.
  std::set<RequestId> requests;
  int repeated_requests = 0;
  Bytes late;  // what the next link begins with

  static bool IsOfWrites(Kind kind) { return kind < Kind::kCutBeforeRead; }
  int count() const { return IsOfWrites(kind) ? writes : reads; }
  // The fault strikes at the n-th call from now on.
  void Arm(Kind what, int n) {
    kind = what;
    at = n + count();
  }
};

class FaultTransport : public Transport {
 public:
  using Kind = FaultPlan::Kind;

  FaultTransport(std::unique_ptr<Transport> inner,
                 std::shared_ptr<FaultPlan> plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  absl::Status Open(Deadline deadline) override {
    ++plan_->opens;
    if (plan_->absent > 0) {
      --plan_->absent;
      return base::Error(CKR_TOKEN_NOT_PRESENT, "nothing is plugged in");
    }
    before_ = std::exchange(plan_->late, {});
    return inner_->Open(deadline);
  }
  void Close() override { inner_->Close(); }
  bool exclusive() const override { return inner_->exclusive(); }

  absl::Status Write(ByteSpan bytes, Deadline deadline) override {
    NoteRequest(bytes);
    const Bytes former = std::exchange(answer_, {});
    if (!Strikes(++plan_->writes, /*write=*/true)) {
      return inner_->Write(bytes, deadline);
    }
    if (plan_->kind == Kind::kCutBeforeWrite) return Cut();
    Struck();
    Bytes copy = base::ToBytes(bytes);
    switch (plan_->kind) {
      case Kind::kLostWrite:
        silent_ = true;
        return absl::OkStatus();
      case Kind::kFlipWrite:
        Flip(copy);
        break;
      case Kind::kRepeatedAnswer:
        before_ = former;
        break;
      default:
        break;
    }
    RETURN_IF_ERROR(inner_->Write(copy, deadline));
    if (plan_->kind == Kind::kLateAnswer) {
      ASSIGN_OR_RETURN(Frame answer, ReadFrame(*inner_, deadline));
      plan_->late = answer.Encode();
      silent_ = true;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) override {
    if (silent_) return NotInTime();
    if (!before_.empty()) {
      const size_t size = std::min(limit, before_.size());
      Bytes part(before_.begin(), before_.begin() + size);
      before_.erase(before_.begin(), before_.begin() + size);
      return part;
    }
    ASSIGN_OR_RETURN(Bytes bytes, inner_->Read(limit, deadline));
    answer_.insert(answer_.end(), bytes.begin(), bytes.end());
    if (!Strikes(++plan_->reads, /*write=*/false)) return bytes;
    if (plan_->kind == Kind::kCutBeforeRead) return Cut();
    Struck();
    switch (plan_->kind) {
      case Kind::kReset:
        inner_->Close();
        return base::Error(CKR_DEVICE_ERROR, "the link was reset");
      case Kind::kLostRead:
        silent_ = true;
        return NotInTime();
      case Kind::kShortRead:
        silent_ = true;
        bytes.resize((bytes.size() + 1) / 2);
        return bytes;
      case Kind::kLongRead:
        bytes.resize(limit + 1, 0x55);
        return bytes;
      case Kind::kJunkRead: {
        Bytes junk(std::min<size_t>(limit, 7), 0x55);
        before_ = std::move(bytes);
        return junk;
      }
      case Kind::kFlipRead:
        Flip(bytes);
        return bytes;
      default:
        return bytes;
    }
  }

 private:
  bool Strikes(int now, bool write) const {
    return plan_->kind != Kind::kNone && now == plan_->at &&
           FaultPlan::IsOfWrites(plan_->kind) == write;
  }
  void Struck() {
    if (plan_->struck) plan_->struck();
  }
  void NoteRequest(ByteSpan bytes) {
    const absl::StatusOr<Frame> frame = Frame::Parse(bytes);
    if (!frame.ok() || frame->op() != FrameOp::kSealed) return;
    if (!plan_->requests.insert(frame->id()).second) {
      ++plan_->repeated_requests;
    }
  }
  absl::Status Cut() {
    inner_->Close();
    Struck();
    return base::Error(CKR_DEVICE_REMOVED, "the cable was pulled");
  }
  // The deadline passes at once, so that nobody has to wait for it.
  static absl::Status NotInTime() {
    return absl::DeadlineExceededError("no answer in time");
  }
  void Flip(Bytes& bytes) {
    if (bytes.empty()) return;
    const size_t bit = plan_->bit % (bytes.size() * 8);
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
  }

  std::unique_ptr<Transport> inner_;
  std::shared_ptr<FaultPlan> plan_;
  bool silent_ = false;
  Bytes answer_;  // read since the last write
  Bytes before_;  // comes before what the other end sends
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_FAULT_TRANSPORT_H_
