// A store whose transactions can be joined: what a thread writes inside
// Atomically becomes one commit. The device needs it to commit the answer to a
// request together with its effect.
#ifndef PERIGEE_HSM_JOINED_STORE_H_
#define PERIGEE_HSM_JOINED_STORE_H_

#include <functional>
#include <memory>

#include "hsm/noting_transaction.h"
#include "hsm/store.h"

namespace hsm {

// Forwards to the store it owns. On a thread that is inside a Write of this
// store, a nested Write or Read runs in that transaction, and Generation is
// kBusy, because nothing that was read there may be remembered as committed. A
// nested Write that fails is undone alone; what the outer one makes of that is
// its own affair.
class JoinedStore : public Store {
 public:
  // What a thread's write keeps until its end.
  struct Attachment {
    virtual ~Attachment() = default;
  };
  // Has the last word before each commit; when it fails nothing has changed.
  class Guard {
   public:
    virtual ~Guard() = default;
    virtual absl::Status BeforeCommit(Transaction& tx,
                                      const FormerValues& former) = 0;
  };

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
  // For what is made of a space's values alone (OnlyRecordsChanged says which):
  // inside a Write that has changed none of them, the generation before it.
  uint64_t ValuesGeneration(SpaceId space);
  // Whether the calling thread is inside a Write of this store.
  bool OnlyRecordsChanged(SpaceId space, uint64_t from, uint64_t to) override {
    return inner_->OnlyRecordsChanged(space, from, to);
  }
  bool InWrite() const { return frame() != nullptr; }
  // Runs `then` when what the calling thread is writing now has been committed,
  // outside of every Write of this store; never when that fails, or the nested
  // write in which this is called. Nothing outside of a Write.
  void AfterCommit(std::function<void()> then);

  // Before the first Write. The guard outlives them; `looked_after` says which
  // values' former state it wants.
  void SetGuard(Guard* guard, bool (*looked_after)(absl::string_view name)) {
    guard_ = guard;
    looked_after_ = looked_after;
  }
  // Of what the calling thread is writing now; null outside of a Write. A
  // nested write that fails puts back what was attached before it.
  std::shared_ptr<const Attachment> attachment() const;
  void Attach(std::shared_ptr<const Attachment> attachment);
  // What the calling thread's Write has changed; null outside of one.
  const FormerValues* former() const;

 private:
  struct Frame;  // of the thread that writes
  Frame* frame() const;
  absl::Status WriteWith(bool freeing, SpaceId touches,
                         absl::FunctionRef<absl::Status(Transaction&)> write);

  std::unique_ptr<Store> inner_;
  Guard* guard_ = nullptr;
  bool (*looked_after_)(absl::string_view name) = [](absl::string_view) {
    return false;
  };
};

}  // namespace hsm

#endif  // PERIGEE_HSM_JOINED_STORE_H_
