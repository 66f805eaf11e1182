// A courier between the library and a daemon that can do what a wire can:
// drop, alter, repeat and swap frames, and cut the line. Frames are those of
// docs/formats/wire.md.
#ifndef PERIGEE_TESTS_E2E_PROXY_H_
#define PERIGEE_TESTS_E2E_PROXY_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/template.h"

namespace e2e {

class Proxy {
 public:
  enum class Way { kToDevice, kToHost };
  using Frame = conformance::Bytes;  // header and body
  // What is sent on in place of the n-th frame (from 1, both ways together)
  // since the last Set. An empty frame cuts the line (so that nobody has to
  // wait for what does not come); no frames at all do too.
  using Attack = std::function<std::vector<Frame>(int n, Way, const Frame&)>;
  static constexpr size_t kHeader = 32;
  static int Op(const Frame& frame) { return frame[6] << 8 | frame[7]; }

  // Listens at `address` and connects each caller to `device`.
  Proxy(std::string address, std::string device);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  void Set(Attack attack);
  void SetNone() { Set(nullptr); }
  // Frames since the last Set.
  int frames() const { return count_; }

 private:
  void Accept();
  void Serve(int host);
  // Moves one frame; false when the line is down.
  bool Move(int from, int to, Way way);

  const std::string address_, device_;
  int listener_ = -1, stop_[2] = {-1, -1};
  std::mutex mu_;  // guards attack_
  Attack attack_;
  std::atomic<int> count_{0};
  std::vector<std::thread> lines_;
  std::thread accepting_;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_PROXY_H_
