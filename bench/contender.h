// One contestant of a benchmark: a PKCS#11 module or raw OpenSSL.
#ifndef PERIGEE_BENCH_CONTENDER_H_
#define PERIGEE_BENCH_CONTENDER_H_

#include <cstddef>
#include <memory>
#include <string>

namespace bench {

enum class Operation {
  kSignRsa,
  kSignP256,
  kSignEd25519,
  kAesGcm,
  kSha256,
  kHmacSha256,
  kFindId,
  kCreate
};

// One line of the result.
struct Workload {
  const char* name;
  Operation operation;
  size_t size = 32;  // bytes of input
  int threads = 1;
};

struct Settings {
  int objects = 10000;
  std::string kdf_cost = "test";
  std::string scratch;  // directory for state
};

constexpr size_t kLargestInput = size_t{1} << 20;

// What one thread works with: a session of its own, contexts of its own.
// Any failure prints what failed and ends the program: a benchmark that
// measures errors is worse than none.
class Lane {
 public:
  virtual ~Lane() = default;
  // Does `count` operations.
  virtual void Run(const Workload& workload, int count) = 0;
};

class Contender {
 public:
  virtual ~Contender() = default;
  virtual const std::string& name() const = 0;
  virtual bool Can(Operation operation) const = 0;
  virtual std::unique_ptr<Lane> NewLane() = 0;
};

std::unique_ptr<Contender> NewRawContender();

// Makes a token in a state directory of its own and fills it. `module` is a
// path; SoftHSM2 and Perigee are prepared by their configuration files.
std::unique_ptr<Contender> NewModuleContender(const std::string& name,
                                              const std::string& module,
                                              const Settings& settings);
// The child's part of the `start` workload: from load to first signature.
void StartToFirstSignature(const std::string& name, const std::string& path,
                           const Settings& settings);

// Sets the environment so that `module` finds the state that
// NewModuleContender made under `scratch`.
void PointAtState(const std::string& name, const Settings& settings);

[[noreturn]] void Die(const std::string& what);

}  // namespace bench

#endif  // PERIGEE_BENCH_CONTENDER_H_
