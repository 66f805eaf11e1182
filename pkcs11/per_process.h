// One T for each process, made when it is first asked for and never freed. A
// forked child gets its own and leaves the inherited one alone, whose locks may
// be held for ever.
#ifndef PERIGEE_PKCS11_PER_PROCESS_H_
#define PERIGEE_PKCS11_PER_PROCESS_H_

#include <unistd.h>

#include <atomic>

namespace pkcs11 {

template <typename T>
T& PerProcess() {
  struct Holder {
    const pid_t pid = getpid();
    const Holder* inherited = nullptr;  // kept reachable, never touched
    T value;
  };
  static std::atomic<Holder*> current{nullptr};
  Holder* known = current.load(std::memory_order_acquire);
  if (known != nullptr && known->pid == getpid()) return known->value;
  auto* made = new Holder;
  made->inherited = known;
  if (current.compare_exchange_strong(known, made)) return made->value;
  delete made;
  return known->value;
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_PER_PROCESS_H_
