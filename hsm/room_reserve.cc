#include "hsm/room_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hsm {
namespace {

constexpr int64_t kSecondsToNextTry = 60;
// Opening takes 32 KiB for the index of SQLite's log.
constexpr int64_t kPiece = 64 << 10;

int64_t SizeOf(const std::string& path) {
  struct stat there = {};
  return stat(path.c_str(), &there) == 0 ? there.st_size : 0;
}

}  // namespace

void RoomReserve::Fill() {
  const int64_t before = SizeOf(path_);
  if (before >= kSize) return;
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  if (now < not_before_.load()) return;
  not_before_ = now + kSecondsToNextTry;
  const int file =
      open(path_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return;
  const bool filled = posix_fallocate(file, 0, kSize) == 0;
  // A part of what was missing is better left to whoever needs room.
  const bool kept = filled || (before > 0 && ftruncate(file, before) == 0);
  close(file);
  if (!kept) unlink(path_.c_str());
}

bool RoomReserve::Release() {
  const int64_t size = SizeOf(path_);
  if (size <= kPiece) return unlink(path_.c_str()) == 0;
  const int file = open(path_.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return false;
  const bool released = ftruncate(file, size - kPiece) == 0;
  close(file);
  return released;
}

}  // namespace hsm
