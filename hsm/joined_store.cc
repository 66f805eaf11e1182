#include "hsm/joined_store.h"

#include <utility>
#include <vector>

namespace hsm {

// One for each Write that the thread is inside of, innermost first. Stores of
// several HSMs nest: the embedded Backup HSM is reached from a call on the
// application HSM.
struct JoinedStore::Frame {
  const JoinedStore* store;
  NotingTransaction* transaction;
  absl::Status failure;  // to undo a nested write
  std::vector<std::function<void()>>* after_commit;
  std::shared_ptr<const Attachment> attachment;
  Frame* outer;
};

namespace {
thread_local void* innermost_frame = nullptr;
}  // namespace

JoinedStore::JoinedStore(std::unique_ptr<Store> inner)
    : inner_(std::move(inner)) {}

JoinedStore::Frame* JoinedStore::frame() const {
  auto* frame = static_cast<Frame*>(innermost_frame);
  while (frame != nullptr && frame->store != this) frame = frame->outer;
  return frame;
}

const std::array<uint8_t, 16>& JoinedStore::store_id() const {
  return inner_->store_id();
}

bool JoinedStore::writable() const { return inner_->writable(); }

uint64_t JoinedStore::Generation(SpaceId space) {
  return frame() != nullptr ? kBusy : inner_->Generation(space);
}

uint64_t JoinedStore::ValuesGeneration(SpaceId space) {
  const Frame* const outer = frame();
  if (outer != nullptr && outer->transaction->MayHaveRevalued(space)) {
    return kBusy;
  }
  return inner_->Generation(space);
}

absl::Status JoinedStore::Read(absl::FunctionRef<absl::Status(Reader&)> read) {
  if (Frame* outer = frame()) return read(*outer->transaction);
  return inner_->Read(read);
}

void JoinedStore::AfterCommit(std::function<void()> then) {
  if (Frame* outer = frame()) outer->after_commit->push_back(std::move(then));
}

std::shared_ptr<const JoinedStore::Attachment> JoinedStore::attachment() const {
  const Frame* outer = frame();
  return outer == nullptr ? nullptr : outer->attachment;
}

void JoinedStore::Attach(std::shared_ptr<const Attachment> attachment) {
  if (Frame* outer = frame()) outer->attachment = std::move(attachment);
}

const FormerValues* JoinedStore::former() const {
  const Frame* outer = frame();
  return outer == nullptr ? nullptr : &outer->transaction->former();
}

absl::Status JoinedStore::Write(
    SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) {
  return WriteWith(/*freeing=*/false, touches, write);
}

absl::Status JoinedStore::WriteFreeing(
    SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) {
  return WriteWith(/*freeing=*/true, touches, write);
}

absl::Status JoinedStore::WriteWith(
    bool freeing, SpaceId touches,
    absl::FunctionRef<absl::Status(Transaction&)> write) {
  if (Frame* outer = frame()) {
    // The counters of all spaces that it changes move in the end.
    const size_t before = outer->after_commit->size();
    const std::shared_ptr<const Attachment> attached = outer->attachment;
    absl::Status inside = absl::OkStatus();
    absl::Status status = outer->transaction->Nested(
        [&] { return inside = write(*outer->transaction); });
    // It could not be undone alone.
    if (status != inside && outer->failure.ok()) outer->failure = status;
    if (!status.ok()) {
      outer->after_commit->resize(before);
      outer->attachment = attached;
    }
    return status;
  }
  std::vector<std::function<void()>> after_commit;
  const auto framed = [&](Transaction& tx) -> absl::Status {
    after_commit.clear();  // of an earlier try
    NotingTransaction noting(tx, looked_after_);
    Frame frame{this,          &noting, absl::OkStatus(),
                &after_commit, nullptr, static_cast<Frame*>(innermost_frame)};
    struct Restore {
      Frame* outer;
      ~Restore() { innermost_frame = outer; }
    } restore{frame.outer};
    innermost_frame = &frame;
    RETURN_IF_ERROR(write(noting));
    RETURN_IF_ERROR(frame.failure);
    if (guard_ == nullptr) return absl::OkStatus();
    return guard_->BeforeCommit(noting, noting.former());
  };
  RETURN_IF_ERROR(freeing ? inner_->WriteFreeing(touches, framed)
                          : inner_->Write(touches, framed));
  for (const std::function<void()>& then : after_commit) then();
  return absl::OkStatus();
}

}  // namespace hsm
