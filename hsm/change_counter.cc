#include "hsm/change_counter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "hsm/system_error.h"

namespace hsm {
namespace {

constexpr uint64_t kMagic = 0x31474e4843475250;  // "PRGCHNG1"
constexpr uint64_t kHeaderSize = 64;
constexpr uint64_t kPairSize = 16;
constexpr uint64_t kPage = 4096;
constexpr SpaceId kMaxSpaces = 65536;
constexpr uint64_t kMapSize = kHeaderSize + kPairSize * kMaxSpaces;

// Words of the header and of a pair.
constexpr int kMagicWord = 0;
constexpr int kMarkWord = 1;
constexpr int kBegun = 0;
constexpr int kDone = 1;

uint64_t GetWord(const uint64_t& word) {
  // An atomic_ref wants a mutable word, but loading from a read-only mapping
  // is fine.
  return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(word)).load();
}

void SetWord(uint64_t& word, uint64_t value) {
  std::atomic_ref<uint64_t>(word).store(value);
}

uint64_t SizeFor(SpaceId space) {
  const uint64_t end = kHeaderSize + kPairSize * (uint64_t{space} + 1);
  return (end + kPage - 1) / kPage * kPage;
}

// What both counters of a space become when nobody writes. A file that is
// ahead of the database (an old one was put back) goes on and never back.
uint64_t Repaired(uint64_t begun, uint64_t done, uint64_t in_database) {
  return done > in_database ? std::max(begun, done) + 1 : in_database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChangeCounter>> ChangeCounter::Map(
    const std::string& path, bool writable) {
  const int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC;
  const int fd = open(path.c_str(), flags);
  if (fd < 0) return SystemError("open", path);
  absl::Cleanup closer = [fd] { close(fd); };

  struct stat file;
  if (fstat(fd, &file) != 0) return SystemError("fstat", path);
  if (!S_ISREG(file.st_mode) || file.st_size < static_cast<off_t>(kPage)) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat(path, ": not a file of change counters"));
  }
  void* map = mmap(nullptr, kMapSize, PROT_READ | (writable ? PROT_WRITE : 0),
                   MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return SystemError("mmap", path);
  std::move(closer).Cancel();
  std::unique_ptr<ChangeCounter> counter(
      new ChangeCounter(path, fd, map, writable));
  counter->RefreshSize();
  if (GetWord(counter->map_[kMagicWord]) != kMagic) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat(path, ": not a file of change counters"));
  }
  return counter;
}

absl::Status ChangeCounter::Make(const std::string& path,
                                 const SpaceChanges& changes) {
  SpaceId last = 0;
  for (const auto& [space, count] : changes) {
    if (space < kMaxSpaces) last = std::max(last, space);
  }
  std::vector<uint64_t> words(SizeFor(last) / sizeof(uint64_t));
  words[kMagicWord] = kMagic;
  for (const auto& [space, count] : changes) {
    if (space >= kMaxSpaces) continue;
    uint64_t* pair = &words[(kHeaderSize + kPairSize * space) / 8];
    pair[kBegun] = pair[kDone] = count;
  }

  const std::string fresh = absl::StrCat(path, ".new");
  unlink(fresh.c_str());  // Of a process that died here.
  const int fd =
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
           0600);
  if (fd < 0) return SystemError("open", fresh);
  absl::Cleanup closer = [fd] { close(fd); };
  // Writing (and not only extending) allocates every block.
  const auto size = static_cast<ssize_t>(words.size() * sizeof(uint64_t));
  const ssize_t written = write(fd, words.data(), size);
  if (written != size || rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = written >= 0 && written < size ? ENOSPC : errno;
    unlink(fresh.c_str());
    return SystemError("write", path, error);
  }
  return absl::OkStatus();
}

ChangeCounter::~ChangeCounter() {
  munmap(map_, kMapSize);
  close(fd_);
}

uint64_t ChangeCounter::RefreshSize() const {
  struct stat file;
  if (fstat(fd_, &file) == 0) {
    size_.store(std::min<uint64_t>(file.st_size, kMapSize),
                std::memory_order_release);
  }
  return size_.load(std::memory_order_acquire);
}

std::optional<size_t> ChangeCounter::Pair(SpaceId space) const {
  if (space >= kMaxSpaces) return std::nullopt;
  const uint64_t offset = kHeaderSize + kPairSize * space;
  if (offset + kPairSize > size_.load(std::memory_order_acquire) &&
      offset + kPairSize > RefreshSize()) {
    return std::nullopt;
  }
  return offset / sizeof(uint64_t);
}

uint64_t ChangeCounter::Generation(SpaceId space) const {
  if (space >= kMaxSpaces) return kBusyGeneration;
  const std::optional<size_t> pair = Pair(space);
  if (!pair.has_value()) return 0;
  // In this order: a writer sets `begun` first, so equality says that nobody
  // had begun a further commit after `done`.
  const uint64_t done = GetWord(map_[*pair + kDone]);
  return GetWord(map_[*pair + kBegun]) == done ? done : kBusyGeneration;
}

uint64_t ChangeCounter::Next(SpaceId space, uint64_t in_database) const {
  const std::optional<size_t> pair = Pair(space);
  if (!pair.has_value()) return in_database + 1;
  return std::max({in_database, GetWord(map_[*pair + kBegun]),
                   GetWord(map_[*pair + kDone])}) +
         1;
}

bool ChangeCounter::LeftBusy() const { return GetWord(map_[kMarkWord]) != 0; }

absl::Status ChangeCounter::Repair(const SpaceChanges& changes) {
  if (!writable_) return absl::OkStatus();
  for (const auto& [space, in_database] : changes) {
    if (space >= kMaxSpaces) continue;
    RETURN_IF_ERROR(GrowFor(space));
    const std::optional<size_t> pair = Pair(space);
    if (!pair.has_value()) continue;
    const uint64_t begun = GetWord(map_[*pair + kBegun]);
    const uint64_t done = GetWord(map_[*pair + kDone]);
    if (begun == done && done == in_database) continue;
    const uint64_t value = Repaired(begun, done, in_database);
    SetWord(map_[*pair + kBegun], value);
    SetWord(map_[*pair + kDone], value);
  }
  SetWord(map_[kMarkWord], 0);
  return absl::OkStatus();
}

absl::Status ChangeCounter::GrowFor(SpaceId space) {
  if (space >= kMaxSpaces || Pair(space).has_value()) return absl::OkStatus();
  // Doubles, so that making many partitions is not many allocations.
  const uint64_t size = std::max(SizeFor(space), 2 * RefreshSize());
  // Unlike ftruncate it cannot leave a hole, whose first use on a full disk
  // would be a SIGBUS.
  const int error = posix_fallocate(fd_, 0, static_cast<off_t>(size));
  if (error != 0) return SystemError("allocate", path_, error);
  RefreshSize();
  return absl::OkStatus();
}

absl::Status ChangeCounter::Begin(
    absl::Span<const std::pair<SpaceId, uint64_t>> next) {
  for (const auto& [space, value] : next) RETURN_IF_ERROR(GrowFor(space));
  SetWord(map_[kMarkWord], 1);
  for (const auto& [space, value] : next) {
    if (const auto pair = Pair(space)) SetWord(map_[*pair + kBegun], value);
  }
  return absl::OkStatus();
}

void ChangeCounter::End(absl::Span<const std::pair<SpaceId, uint64_t>> next) {
  for (const auto& [space, value] : next) {
    if (const auto pair = Pair(space)) SetWord(map_[*pair + kDone], value);
  }
  SetWord(map_[kMarkWord], 0);
}

void ChangeCounter::Cancel(
    absl::Span<const std::pair<SpaceId, uint64_t>> next) {
  for (const auto& [space, value] : next) {
    if (const auto pair = Pair(space))
      SetWord(map_[*pair + kBegun], GetWord(map_[*pair + kDone]));
  }
  SetWord(map_[kMarkWord], 0);
}

}  // namespace hsm
