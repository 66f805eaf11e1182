// One contestant of a benchmark: a PKCS#11 module or raw OpenSSL.
#ifndef PERIGEE_BENCH_CONTENDER_H_
#define PERIGEE_BENCH_CONTENDER_H_

#include <cstdint>
#include <memory>
#include <string>

namespace bench {

enum class Workload { kSignRsa, kSignP256, kAesGcm, kFindId, kCreate };

struct Settings {
  int objects = 10000;
  std::string kdf_cost = "test";
  std::string scratch;  // directory for state
};

// Any failure prints what failed and ends the program: a benchmark that
// measures errors is worse than none.
class Contender {
 public:
  virtual ~Contender() = default;
  virtual const std::string& name() const = 0;
  virtual bool Can(Workload workload) const = 0;
  // Does `count` operations.
  virtual void Run(Workload workload, int count) = 0;
};

std::unique_ptr<Contender> NewRawContender();

// Makes a token in a state directory of its own and fills it. `module` is a
// path; SoftHSM2 and Perigee are prepared by their configuration files.
std::unique_ptr<Contender> NewModuleContender(const std::string& name,
                                              const std::string& module,
                                              const Settings& settings);
// The child's part of the `start` workload: from load to first signature.
void StartToFirstSignature(const std::string& module);

// Sets the environment so that `module` finds the state that
// NewModuleContender made under `scratch`.
void PointAtState(const std::string& name, const Settings& settings);

[[noreturn]] void Die(const std::string& what);

}  // namespace bench

#endif  // PERIGEE_BENCH_CONTENDER_H_
