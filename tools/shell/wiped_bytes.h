// Bytes that may be a key's: wiped when they go.
#ifndef PERIGEE_TOOLS_SHELL_WIPED_BYTES_H_
#define PERIGEE_TOOLS_SHELL_WIPED_BYTES_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace shell {

class WipedBytes {
 public:
  WipedBytes() = default;
  explicit WipedBytes(absl::Span<const unsigned char> bytes)
      : bytes_(bytes.begin(), bytes.end()) {}
  // Zeros.
  static WipedBytes OfSize(size_t size);
  ~WipedBytes();
  WipedBytes(WipedBytes&&) = default;
  WipedBytes& operator=(WipedBytes&& other) noexcept;
  WipedBytes(const WipedBytes&) = delete;
  WipedBytes& operator=(const WipedBytes&) = delete;

  unsigned char* data() { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  absl::Span<const unsigned char> span() const { return bytes_; }
  absl::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  // To fewer bytes than there are.
  void Truncate(size_t size) { bytes_.resize(size); }

 private:
  void Wipe();

  std::vector<unsigned char> bytes_;
};

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_WIPED_BYTES_H_
