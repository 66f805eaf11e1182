#include "hsm_io/aio_queue.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

// For cancelled requests to come back, in steps.
constexpr int kCancelSteps = 20;
constexpr long kCancelStep = 50;  // milliseconds

absl::Status Bad(absl::string_view what, int error) {
  return base::Error(
      CKR_DEVICE_ERROR,
      absl::StrCat(what, ": ", std::generic_category().message(error),
                   " (errno ", error, ")"));
}

}  // namespace

struct AioQueue::Slot {
  iocb request{};
  base::Bytes buffer;
  bool write = false;
  bool ended = false;
  bool forgotten = false;
  int64_t result = 0;
};

absl::StatusOr<std::unique_ptr<AioQueue>> AioQueue::New(unsigned depth) {
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, depth, &context) != 0) {
    return Bad("io_setup", errno);
  }
  const int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) {
    const int error = errno;
    syscall(SYS_io_destroy, context);
    return Bad("eventfd", error);
  }
  return std::unique_ptr<AioQueue>(new AioQueue(context, event_fd));
}

AioQueue::AioQueue(aio_context_t context, int event_fd)
    : context_(context), event_fd_(event_fd) {}

AioQueue::~AioQueue() {
  syscall(SYS_io_destroy, context_);  // Before the buffers go.
  close(event_fd_);
}

int AioQueue::Read(int fd, size_t length) {
  auto slot = std::make_unique<Slot>();
  slot->buffer.resize(length);
  return Start(std::move(slot), fd);
}

int AioQueue::Write(int fd, base::Bytes data) {
  auto slot = std::make_unique<Slot>();
  slot->write = true;
  slot->buffer = std::move(data);
  return Start(std::move(slot), fd);
}

int AioQueue::Start(std::unique_ptr<Slot> slot, int fd) {
  iocb& request = slot->request;
  request.aio_data = reinterpret_cast<uintptr_t>(slot.get());
  request.aio_lio_opcode = slot->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
  request.aio_fildes = static_cast<uint32_t>(fd);
  request.aio_buf = reinterpret_cast<uintptr_t>(slot->buffer.data());
  request.aio_nbytes = slot->buffer.size();
  request.aio_flags = IOCB_FLAG_RESFD;
  request.aio_resfd = static_cast<uint32_t>(event_fd_);
  iocb* const list[] = {&request};
  if (syscall(SYS_io_submit, context_, 1, list) != 1) return errno;
  slots_.push_back(std::move(slot));
  return 0;
}

bool AioQueue::Harvest(long at_least, long milliseconds) {
  io_event events[16];
  timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000};
  const long n =
      syscall(SYS_io_getevents, context_, at_least, 16, events, &time);
  for (long i = 0; i < n; ++i) {
    auto* const slot = reinterpret_cast<Slot*>(events[i].data);
    slot->ended = true;
    slot->result = events[i].res;
  }
  return n > 0;
}

std::vector<AioQueue::Done> AioQueue::Take() {
  uint64_t count;
  if (read(event_fd_, &count, sizeof count) < 0) {
    // None since the last time; there may be some nevertheless.
  }
  while (Harvest(0, 0)) {
  }
  std::vector<Done> done;
  // Reads and writes do not wait for each other.
  bool waits[2] = {false, false};
  for (auto& slot : slots_) {
    if (!slot->ended && !slot->forgotten) waits[slot->write] = true;
    if (!slot->ended || waits[slot->write]) continue;
    if (!slot->forgotten) {
      Done each;
      each.write = slot->write;
      each.length = slot->buffer.size();
      if (slot->result < 0) {
        each.status = static_cast<int>(-slot->result);
      } else if (slot->write) {
        if (static_cast<size_t>(slot->result) != each.length) each.status = EIO;
      } else {
        slot->buffer.resize(
            std::min<size_t>(each.length, static_cast<size_t>(slot->result)));
        each.data = std::move(slot->buffer);
      }
      done.push_back(std::move(each));
    }
    slot.reset();
  }
  slots_.erase(std::remove(slots_.begin(), slots_.end(), nullptr),
               slots_.end());
  return done;
}

void AioQueue::Cancel() {
  for (auto& slot : slots_) {
    slot->forgotten = true;
    io_event unused;
    if (!slot->ended) {
      syscall(SYS_io_cancel, context_, &slot->request, &unused);
    }
  }
  for (int step = 0; step < kCancelSteps; ++step) {
    Take();
    if (slots_.empty()) return;
    Harvest(1, kCancelStep);
  }
}

}  // namespace hsm_io
