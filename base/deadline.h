// One time budget for a whole exchange, passed by value through every layer.
#ifndef PERIGEE_BASE_DEADLINE_H_
#define PERIGEE_BASE_DEADLINE_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace base {

class Deadline {
 public:
  static Deadline After(absl::Duration budget) {
    return Deadline(absl::Now() + budget);
  }
  static Deadline Never() { return Deadline(absl::InfiniteFuture()); }

  bool Passed() const { return absl::Now() >= at_; }
  // Never negative.
  absl::Duration Remaining() const {
    return std::max(absl::ZeroDuration(), at_ - absl::Now());
  }
  // Milliseconds for poll(2): rounded up, -1 for "never".
  int PollMilliseconds() const {
    if (at_ == absl::InfiniteFuture()) return -1;
    const int64_t ms =
        absl::ToInt64Milliseconds(Remaining() + absl::Microseconds(999));
    return static_cast<int>(std::min<int64_t>(ms, 1 << 30));
  }

 private:
  explicit Deadline(absl::Time at) : at_(at) {}
  absl::Time at_;
};

}  // namespace base

#endif  // PERIGEE_BASE_DEADLINE_H_
