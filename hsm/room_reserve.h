// A file that holds room on the disk for when there is no other: what destroys
// objects, and what counts a PIN, needs some of it before it gives any back.
// docs/formats/store.md, "reserve".
#ifndef PERIGEE_HSM_ROOM_RESERVE_H_
#define PERIGEE_HSM_ROOM_RESERVE_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

namespace hsm {

// Nothing here is an error: a disk that has no room for the reserve is as full
// as one whose reserve is used up. Thread-safe; processes share the file.
class RoomReserve {
 public:
  static constexpr int64_t kSize = 1 << 20;

  explicit RoomReserve(std::string path) : path_(std::move(path)) {}

  // Makes the file if it is missing and there is room. Tries once a minute at
  // most.
  void Fill();
  // Gives a piece of it back, enough to open the store, and no more: what
  // comes next may be what the reserve is not for. False when there was none.
  bool Release();

 private:
  const std::string path_;
  std::atomic<int64_t> not_before_{0};  // seconds since 1970
};

}  // namespace hsm

#endif  // PERIGEE_HSM_ROOM_RESERVE_H_
