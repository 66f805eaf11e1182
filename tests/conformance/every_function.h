// Calls of any function with arguments that are made up: zeros, or every
// combination of a few harmless values for each argument.
#ifndef PERIGEE_TESTS_CONFORMANCE_EVERY_FUNCTION_H_
#define PERIGEE_TESTS_CONFORMANCE_EVERY_FUNCTION_H_

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/cryptoki.h"

namespace conformance {

// All arguments zero.
template <typename... A>
CK_RV CallWithZeros(CK_RV (*function)(A...)) {
  return function(A{}...);
}

// The first argument as given (a session or a slot), the others zero.
template <typename... A>
CK_RV CallWithFirst(CK_RV (*function)(CK_ULONG, A...), CK_ULONG first) {
  return function(first, A{}...);
}

// Memory that may be read as any structure: all zeros, so that what looks like
// a pointer is null and what looks like a length is 0.
class HarmlessBuffer {
 public:
  void* Zeroed() {
    bytes_.fill(0);
    return bytes_.data();
  }

 private:
  alignas(64) std::array<unsigned char, 65536> bytes_;
};

// Calls a function with combinations of arguments, at most kMost of them:
// pointers are null or the buffer, numbers one of `numbers`.
class Combinations {
 public:
  explicit Combinations(std::vector<CK_ULONG> numbers)
      : numbers_(std::move(numbers)) {}

  template <typename... A>
  size_t Try(CK_RV (*function)(A...)) {
    const size_t all = (size_t{1} * ... * CountOf<A>());
    // A stride that is odd and no multiple of 3 meets every value.
    const size_t stride = all <= kMost ? 1 : (all / kMost) * 6 + 5;
    size_t tried = 0;
    for (size_t i = 0; tried < std::min(all, kMost); ++tried, i += stride) {
      [[maybe_unused]] size_t index = i % all;
      [[maybe_unused]] void* const memory = buffer_.Zeroed();
      // Braces: evaluated from left to right.
      const std::tuple<A...> arguments{Choose<A>(index, memory)...};
      std::apply(function, arguments);
    }
    return tried;
  }

 private:
  static constexpr size_t kMost = 300;

  template <typename T>
  static constexpr bool kIsFunction =
      std::is_function_v<std::remove_pointer_t<T>>;

  template <typename T>
  size_t CountOf() const {
    if constexpr (kIsFunction<T>) return 1;
    if constexpr (std::is_pointer_v<T>) return 2;
    return numbers_.size();
  }
  // Takes one digit off `index`.
  template <typename T>
  T Choose(size_t& index, void* memory) const {
    const size_t digit = index % CountOf<T>();
    index /= CountOf<T>();
    if constexpr (kIsFunction<T>) {
      return nullptr;
    } else if constexpr (std::is_pointer_v<T>) {
      return digit == 0 ? nullptr : static_cast<T>(memory);
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(numbers_[digit]);
    } else {
      return T{};
    }
  }

  const std::vector<CK_ULONG> numbers_;
  HarmlessBuffer buffer_;
};

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_EVERY_FUNCTION_H_
