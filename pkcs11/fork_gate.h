// A fork waits until no other thread is inside a call of ours. What such a
// thread holds would be held in the child for ever: our own locks are made
// anew there, but those of the libraries below cannot be (OpenSSL takes a
// global lock at each draw of random numbers, SQLite has ten of them).
//
// A fork in a thread that is itself inside a call does not wait for that call,
// and none waits for longer than a second: after that it goes on at the old
// risk rather than keep the host from its work.
#ifndef PERIGEE_PKCS11_FORK_GATE_H_
#define PERIGEE_PKCS11_FORK_GATE_H_

namespace pkcs11::fork_gate {

// Makes forks of this process wait from now on. At C_Initialize; repeating it
// does nothing.
void WatchForks();

void Enter();
void Leave();

class InCall {
 public:
  InCall() { Enter(); }
  ~InCall() { Leave(); }
  InCall(const InCall&) = delete;
  InCall& operator=(const InCall&) = delete;
};

// In the middle of a call: sleeps, holding nothing, so forks may pass.
class Sleeping {
 public:
  Sleeping() { Leave(); }
  ~Sleeping() { Enter(); }
  Sleeping(const Sleeping&) = delete;
  Sleeping& operator=(const Sleeping&) = delete;
};

}  // namespace pkcs11::fork_gate

#endif  // PERIGEE_PKCS11_FORK_GATE_H_
