// The place of a store's one writer, queued fairly between threads (a mutex)
// and processes (POSIX record locks on the `writer` file).
//
// POSIX locks belong to the process: two descriptors of one file do not
// exclude each other, and closing either drops the locks of both. So a process
// opens the file once, shares it between its stores, and a forked child holds
// nothing. docs/formats/store.md, "writer".
#ifndef PERIGEE_HSM_WRITER_LOCK_H_
#define PERIGEE_HSM_WRITER_LOCK_H_

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"

namespace hsm {

// Thread-safe. Not recursive: the holder must not ask again (HeldByMe tells).
class WriterLock {
 public:
  // The process's one lock for the file `path`, which is made when it is
  // missing.
  static absl::StatusOr<std::shared_ptr<WriterLock>> Open(
      const std::string& path);
  ~WriterLock();

  // Holds the writer's place until destroyed. Empty when moved from.
  class Hold {
   public:
    Hold() = default;
    explicit Hold(WriterLock* lock) : lock_(lock) {}
    Hold(Hold&& other) noexcept : lock_(other.lock_) { other.lock_ = nullptr; }
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (lock_ != nullptr) lock_->Release();
    }
    // The place goes from thread to thread while one of them after the other
    // works: from now on it is this thread's, or nobody's.
    void PassToThisThread();
    void PutDown();

   private:
    WriterLock* lock_ = nullptr;
  };

  // Waits for the place. CKR_DEVICE_ERROR when the system refuses.
  absl::StatusOr<Hold> Acquire();
  // Does not wait; CKR_FUNCTION_FAILED when somebody has the place.
  absl::StatusOr<Hold> TryAcquire();
  // True while this thread has the place.
  bool HeldByMe() const;

 private:
  friend struct WriterLockRegistry;
  WriterLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  // Waits for one byte of the file, or only looks when `wait` is false.
  absl::Status LockByte(off_t byte, bool wait);
  void UnlockByte(off_t byte);
  // The hold when the bytes could be locked.
  absl::StatusOr<Hold> Taken(const absl::Status& status);
  void Release();
  void GiveBack();

  const std::string path_;
  const int fd_;
  // Taken by one thread and perhaps given back by another, so it is a flag and
  // not a mutex that is held. (The standard's, because TSan cannot see what
  // Debian's Abseil does while it waits for a condition.)
  std::mutex mu_;
  std::condition_variable given_back_;
  bool taken_ = false;            // under mu_
  std::atomic<pid_t> holder_{0};  // its thread id
};

}  // namespace hsm

#endif  // PERIGEE_HSM_WRITER_LOCK_H_
