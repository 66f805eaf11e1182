// Text that may be a password: wipes itself, cannot be printed or copied by
// accident. Every word of a command line is one, because which of them are
// passwords is known only after parsing.
#ifndef PERIGEE_TOOLS_SHELL_SECRET_TEXT_H_
#define PERIGEE_TOOLS_SHELL_SECRET_TEXT_H_

#include <cstddef>
#include <memory>

#include "absl/strings/string_view.h"

namespace shell {

class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(absl::string_view text);
  ~SecretText() { Wipe(); }
  SecretText(SecretText&& other) noexcept;
  SecretText& operator=(SecretText&& other) noexcept;
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;

  // Growing wipes the smaller buffer.
  void Append(char c);
  void Wipe();

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // The raw characters: valid until the next change. Named so that every use
  // can be found.
  absl::string_view RevealText() const { return {bytes_.get(), size_}; }
  unsigned char* RevealBytes() const {
    return reinterpret_cast<unsigned char*>(bytes_.get());
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t room_ = 0;
};

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_SECRET_TEXT_H_
