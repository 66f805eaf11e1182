// A store whose transactions can be joined: what a thread writes inside
// Atomically becomes one commit. The device needs it to commit the answer to a
// request together with its effect.
#ifndef PERIGEE_HSM_JOINED_STORE_H_
#define PERIGEE_HSM_JOINED_STORE_H_

#include <functional>
#include <memory>

#include "hsm/store.h"

namespace hsm {

// Forwards to the store it owns. On a thread that is inside a Write of this
// store, a nested Write or Read runs in that transaction, and Generation is
// kBusy, because nothing that was read there may be remembered as committed. A
// nested Write that fails is undone alone; what the outer one makes of that is
// its own affair.
class JoinedStore : public Store {
 public:
  explicit JoinedStore(std::unique_ptr<Store> inner);

  const std::array<uint8_t, 16>& store_id() const override;
  bool writable() const override;
  absl::Status Read(absl::FunctionRef<absl::Status(Reader&)> read) override;
  absl::Status Write(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override;
  absl::Status WriteFreeing(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override;
  uint64_t Generation(SpaceId space) override;
  // Whether the calling thread is inside a Write of this store.
  bool OnlyRecordsChanged(SpaceId space, uint64_t from, uint64_t to) override {
    return inner_->OnlyRecordsChanged(space, from, to);
  }
  bool InWrite() const { return frame() != nullptr; }
  // Runs `then` when what the calling thread is writing now has been committed,
  // outside of every Write of this store; never when that fails, or the nested
  // write in which this is called. Nothing outside of a Write.
  void AfterCommit(std::function<void()> then);

 private:
  struct Frame;  // of the thread that writes
  Frame* frame() const;
  absl::Status WriteWith(bool freeing, SpaceId touches,
                         absl::FunctionRef<absl::Status(Transaction&)> write);

  std::unique_ptr<Store> inner_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_JOINED_STORE_H_
