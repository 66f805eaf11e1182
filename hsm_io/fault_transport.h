// A transport for tests that wraps another: cuts the link at the n-th call,
// flips a bit of what passes, or repeats a write.
#ifndef PERIGEE_HSM_IO_FAULT_TRANSPORT_H_
#define PERIGEE_HSM_IO_FAULT_TRANSPORT_H_

#include <memory>
#include <utility>

#include "hsm_io/transport.h"

namespace hsm_io {

// Shared by all transports of one client, so that counting goes on when it
// opens the link anew.
struct FaultPlan {
  enum class Kind {
    kNone,
    kCutBeforeWrite,  // nothing reaches the other end
    kCutBeforeRead,   // the other end acted, its answer is lost
    kFlipWrite,       // one bit of what is written is wrong
    kFlipRead,
  };
  Kind kind = Kind::kNone;
  int at = 0;      // the n-th Write (kCut..Write, kFlipWrite) or Read, from 1
  size_t bit = 0;  // for flips, modulo the length
  int writes = 0;  // counted
  int reads = 0;
};

class FaultTransport : public Transport {
 public:
  FaultTransport(std::unique_ptr<Transport> inner,
                 std::shared_ptr<FaultPlan> plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  absl::Status Open(Deadline deadline) override {
    return inner_->Open(deadline);
  }
  void Close() override { inner_->Close(); }

  absl::Status Write(ByteSpan bytes, Deadline deadline) override {
    const bool now = ++plan_->writes == plan_->at;
    if (now && plan_->kind == FaultPlan::Kind::kCutBeforeWrite) return Cut();
    Bytes copy = base::ToBytes(bytes);
    if (now && plan_->kind == FaultPlan::Kind::kFlipWrite) Flip(copy);
    return inner_->Write(copy, deadline);
  }

  absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) override {
    const bool now = ++plan_->reads == plan_->at;
    if (now && plan_->kind == FaultPlan::Kind::kCutBeforeRead) return Cut();
    ASSIGN_OR_RETURN(Bytes bytes, inner_->Read(limit, deadline));
    if (now && plan_->kind == FaultPlan::Kind::kFlipRead) Flip(bytes);
    return bytes;
  }

 private:
  absl::Status Cut() {
    inner_->Close();
    return base::Error(CKR_DEVICE_REMOVED, "the cable was pulled");
  }
  void Flip(Bytes& bytes) {
    if (bytes.empty()) return;
    const size_t bit = plan_->bit % (bytes.size() * 8);
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
  }

  std::unique_ptr<Transport> inner_;
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_FAULT_TRANSPORT_H_
