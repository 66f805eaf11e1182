#include "tools/shell/secret_text.h"

#include <string.h>

#include <utility>

namespace shell {

SecretText::SecretText(absl::string_view text)
    : bytes_(new char[text.size() + 1]),
      size_(text.size()),
      room_(text.size() + 1) {
  text.copy(bytes_.get(), text.size());
}

SecretText::SecretText(SecretText&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      size_(std::exchange(other.size_, 0)),
      room_(std::exchange(other.room_, 0)) {}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
  if (this == &other) return *this;
  Wipe();
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  room_ = std::exchange(other.room_, 0);
  return *this;
}

void SecretText::Append(char c) {
  if (size_ == room_) {
    const size_t room = room_ == 0 ? 64 : 2 * room_;
    std::unique_ptr<char[]> bytes(new char[room]);
    const size_t size = size_;
    if (size > 0) memcpy(bytes.get(), bytes_.get(), size);
    Wipe();
    bytes_ = std::move(bytes);
    size_ = size;
    room_ = room;
  }
  bytes_[size_++] = c;
}

void SecretText::Wipe() {
  if (bytes_ != nullptr) explicit_bzero(bytes_.get(), room_);
  bytes_.reset();
  size_ = 0;
  room_ = 0;
}

}  // namespace shell
