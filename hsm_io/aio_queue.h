// Reads and writes that the kernel has under way, by Linux's own asynchronous
// I/O: what FunctionFS's endpoints are fastest with, and what can be cancelled.
#ifndef PERIGEE_HSM_IO_AIO_QUEUE_H_
#define PERIGEE_HSM_IO_AIO_QUEUE_H_

#include <linux/aio_abi.h>

#include <deque>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace hsm_io {

// Used by one thread.
class AioQueue {
 public:
  static absl::StatusOr<std::unique_ptr<AioQueue>> New(unsigned depth);
  // Waits for what is under way; the kernel cancels it.
  ~AioQueue();
  AioQueue(const AioQueue&) = delete;
  AioQueue& operator=(const AioQueue&) = delete;

  // Readable when something has ended.
  int event_fd() const { return event_fd_; }
  // 0 or an errno.
  int Read(int fd, size_t length);
  int Write(int fd, base::Bytes data);

  struct Done {
    bool write = false;
    size_t length = 0;  // that was asked for
    int status = 0;     // 0 or an errno
    base::Bytes data;   // of a read: what came
  };
  // What has ended, in the order in which it began.
  std::vector<Done> Take();
  // Cancels everything; nothing of it is told any more.
  void Cancel();

 private:
  struct Slot;
  AioQueue(aio_context_t context, int event_fd);
  int Start(std::unique_ptr<Slot> slot, int fd);
  // True when something has ended.
  bool Harvest(long at_least, long milliseconds);

  const aio_context_t context_;
  const int event_fd_;
  std::deque<std::unique_ptr<Slot>> slots_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_AIO_QUEUE_H_
