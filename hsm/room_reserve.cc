#include "hsm/room_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hsm {
namespace {

constexpr int64_t kSecondsToNextTry = 60;

}  // namespace

void RoomReserve::Fill() {
  struct stat there = {};
  if (stat(path_.c_str(), &there) == 0 && there.st_size >= kSize) return;
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  if (now < not_before_.load()) return;
  not_before_ = now + kSecondsToNextTry;
  const int file =
      open(path_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return;
  const bool filled = posix_fallocate(file, 0, kSize) == 0;
  close(file);
  // A part of it is better left to whoever needs room.
  if (!filled) unlink(path_.c_str());
}

bool RoomReserve::Release() { return unlink(path_.c_str()) == 0; }

}  // namespace hsm
