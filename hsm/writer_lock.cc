#include "hsm/writer_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hsm/system_error.h"

namespace hsm {
namespace {

constexpr off_t kWriterByte = 0;
constexpr off_t kQueueByte = 1;

struct flock ByteLock(short type, off_t byte) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

}  // namespace

// The open `writer` files of this process by device and inode. A forked child
// must not trust the parent's (its mutex may be held for ever, its entries'
// locks are not the child's), so it begins one of its own; the old one leaks.
struct WriterLockRegistry {
  struct Entry {
    std::unique_ptr<WriterLock> lock;
    int users = 0;
  };
  using Key = std::pair<dev_t, ino_t>;

  const pid_t pid = getpid();
  absl::Mutex mu;
  std::map<Key, Entry> open ABSL_GUARDED_BY(mu);

  static WriterLockRegistry& OfThisProcess() {
    static std::atomic<WriterLockRegistry*> current{nullptr};
    WriterLockRegistry* found = current.load(std::memory_order_acquire);
    if (found != nullptr && found->pid == getpid()) return *found;
    auto fresh = std::make_unique<WriterLockRegistry>();
    if (!current.compare_exchange_strong(found, fresh.get(),
                                         std::memory_order_acq_rel)) {
      return *found;
    }
    return *fresh.release();
  }

  absl::StatusOr<std::shared_ptr<WriterLock>> Open(const std::string& path) {
    absl::MutexLock lock(&mu);
    // Looked up before it is opened: a second descriptor could never be
    // closed again.
    struct stat file;
    if (lstat(path.c_str(), &file) == 0) {
      auto it = open.find({file.st_dev, file.st_ino});
      if (it != open.end()) return Share(it->first, it->second);
    }
    const int fd =
        ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return SystemError("open", path);
    if (fstat(fd, &file) != 0) return SystemError("fstat", path);
    // If it was renamed between the two looks the entry exists after all, and
    // `fd` stays open for the reason above.
    auto [it, fresh] = open.try_emplace({file.st_dev, file.st_ino});
    if (fresh) it->second.lock.reset(new WriterLock(path, fd));
    return Share(it->first, it->second);
  }

  std::shared_ptr<WriterLock> Share(const Key& key, Entry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    ++entry.users;
    return std::shared_ptr<WriterLock>(entry.lock.get(),
                                       [this, key](WriterLock*) { Drop(key); });
  }

  // Closes under the mutex: Open never makes a second descriptor of a file
  // that is about to be closed.
  void Drop(const Key& key) {
    absl::MutexLock lock(&mu);
    auto it = open.find(key);
    if (--it->second.users == 0) open.erase(it);
  }
};

absl::StatusOr<std::shared_ptr<WriterLock>> WriterLock::Open(
    const std::string& path) {
  return WriterLockRegistry::OfThisProcess().Open(path);
}

WriterLock::~WriterLock() { close(fd_); }

absl::Status WriterLock::LockByte(off_t byte, bool wait) {
  while (true) {
    struct flock lock = ByteLock(F_WRLCK, byte);
    if (fcntl(fd_, wait ? F_SETLKW : F_SETLK, &lock) == 0) {
      return absl::OkStatus();
    }
    if (errno == EINTR) continue;
    if (!wait && (errno == EAGAIN || errno == EACCES)) {
      return base::Error(CKR_FUNCTION_FAILED, "somebody else writes");
    }
    // The kernel sees processes and not threads: two processes that each
    // write in one store with one thread and wait for the other store with
    // another look like a deadlock. They are none.
    if (errno == EDEADLK) {
      absl::SleepFor(absl::Milliseconds(1));
      continue;
    }
    return SystemError("lock", path_);
  }
}

void WriterLock::UnlockByte(off_t byte) {
  struct flock lock = ByteLock(F_UNLCK, byte);
  while (fcntl(fd_, F_SETLK, &lock) != 0 && errno == EINTR) {
  }
}

absl::StatusOr<WriterLock::Hold> WriterLock::Acquire() {
  {
    std::unique_lock<std::mutex> lock(mu_);
    given_back_.wait(lock, [this] { return !taken_; });
    taken_ = true;
  }
  // Who has just released byte 0 and comes again waits for byte 1, which the
  // next in line holds: nobody starves.
  absl::Status status = LockByte(kQueueByte, true);
  if (status.ok()) {
    status = LockByte(kWriterByte, true);
    UnlockByte(kQueueByte);
  }
  return Taken(status);
}

absl::StatusOr<WriterLock::Hold> WriterLock::TryAcquire() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (taken_) return base::Error(CKR_FUNCTION_FAILED, "somebody else writes");
    taken_ = true;
  }
  return Taken(LockByte(kWriterByte, false));
}

absl::StatusOr<WriterLock::Hold> WriterLock::Taken(const absl::Status& status) {
  if (!status.ok()) {
    GiveBack();
    return status;
  }
  Hold hold(this);
  hold.PassToThisThread();
  return hold;
}

bool WriterLock::HeldByMe() const {
  return holder_.load(std::memory_order_relaxed) == gettid();
}

void WriterLock::Hold::PassToThisThread() {
  lock_->holder_.store(gettid(), std::memory_order_relaxed);
}

void WriterLock::Hold::PutDown() {
  lock_->holder_.store(0, std::memory_order_relaxed);
}

void WriterLock::Release() {
  holder_.store(0, std::memory_order_relaxed);
  UnlockByte(kWriterByte);
  GiveBack();
}

void WriterLock::GiveBack() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    taken_ = false;
  }
  given_back_.notify_one();
}

}  // namespace hsm
