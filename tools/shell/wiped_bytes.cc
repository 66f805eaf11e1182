#include "tools/shell/wiped_bytes.h"

#include <string.h>

#include <utility>

namespace shell {

WipedBytes WipedBytes::OfSize(size_t size) {
  WipedBytes bytes;
  bytes.bytes_.resize(size);
  return bytes;
}

WipedBytes::~WipedBytes() { Wipe(); }

void WipedBytes::Wipe() {
  if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
}

WipedBytes& WipedBytes::operator=(WipedBytes&& other) noexcept {
  Wipe();
  bytes_ = std::move(other.bytes_);
  return *this;
}

}  // namespace shell
