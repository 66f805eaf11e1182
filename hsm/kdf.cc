// How a PIN becomes a key, and how long that should take here.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "absl/synchronization/mutex.h"
#include "base/crypto.h"
#include "base/wire.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

constexpr size_t kSaltSize = 32;
constexpr size_t kKeySize = 32;
constexpr uint32_t kMinLog2N = 8;
constexpr uint32_t kMaxLog2N = 20;  // 1 GiB: more is an attack on our memory
constexpr uint32_t kMinIterations = 600000;
constexpr uint32_t kMaxIterations = 10000000;

constexpr int kLeastLog2N = 15;
constexpr int kMostLog2N = 17;
constexpr double kTargetSeconds = 0.25;
constexpr int kTestLog2N = 8;

// Never destroyed: a thread may still derive when the process exits. One for
// each process: a forked child would wait for a thread of its parent for ever.
absl::Mutex& OneAtATime() {
  struct Process {
    const pid_t pid = getpid();
    absl::Mutex mu;
  };
  static std::atomic<Process*> current{nullptr};
  Process* known = current.load(std::memory_order_acquire);
  if (known != nullptr && known->pid == getpid()) return known->mu;
  auto* const made = new Process;
  if (current.compare_exchange_strong(known, made, std::memory_order_acq_rel)) {
    return made->mu;
  }
  delete made;
  return known->mu;
}

// Of this thread: what others do meanwhile must not make the PIN cheaper.
double ProcessorSeconds() {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

// log2 N for new PINs. Measured by the first caller, remembered for all.
absl::StatusOr<int> CalibratedLog2N() {
  static std::atomic<int> calibrated{0};
  absl::MutexLock lock(&OneAtATime());
  if (calibrated.load() != 0) return calibrated.load();
  const Bytes salt(kSaltSize);
  const double before = ProcessorSeconds();
  ASSIGN_OR_RETURN(
      const SecretBytes key,
      base::Scrypt(base::AsBytes("calibration"), salt, kLeastLog2N, kKeySize));
  double seconds = ProcessorSeconds() - before;
  int log2_n = kLeastLog2N;
  // Twice the N is twice the time.
  while (log2_n < kMostLog2N && seconds * 2 <= kTargetSeconds) {
    seconds *= 2;
    ++log2_n;
  }
  calibrated.store(log2_n);
  return log2_n;
}

}  // namespace

absl::StatusOr<KdfParameters> NewKdfParameters(KdfCost cost) {
  KdfParameters parameters;
  switch (cost) {
    case KdfCost::kCalibrated: {
      ASSIGN_OR_RETURN(parameters.cost, CalibratedLog2N());
      break;
    }
    case KdfCost::kApproved:
      parameters.algorithm = KdfParameters::Algorithm::kPbkdf2Sha256;
      parameters.cost = kMinIterations;
      break;
    case KdfCost::kTest:
      parameters.cost = kTestLog2N;
      break;
  }
  ASSIGN_OR_RETURN(parameters.salt, base::RandomBytes(kSaltSize));
  return parameters;
}

absl::StatusOr<SecretBytes> DeriveFromPin(const KdfParameters& parameters,
                                          ByteSpan pin) {
  // The length is part of what is derived from: HMAC, inside both functions,
  // fills a short key up with zeros, so that a PIN and the same PIN with zero
  // bytes behind it would be one.
  wire::Writer counted;
  counted.Raw(pin);
  counted.U32(static_cast<uint32_t>(pin.size()));
  const SecretBytes input = std::move(counted).TakeSecret();
  // The parameters come from a file: nothing is run that could eat the host.
  if (parameters.salt.size() != kSaltSize) {
    return base::Error(CKR_DEVICE_ERROR, "PIN derivation: size of the salt");
  }
  const uint32_t cost = parameters.cost;
  switch (parameters.algorithm) {
    case KdfParameters::Algorithm::kScrypt: {
      if (cost < kMinLog2N || cost > kMaxLog2N) break;
      absl::MutexLock lock(&OneAtATime());
      return base::Scrypt(input.Expose(), parameters.salt,
                          static_cast<int>(cost), kKeySize);
    }
    case KdfParameters::Algorithm::kPbkdf2Sha256: {
      if (cost < kMinIterations || cost > kMaxIterations) break;
      absl::MutexLock lock(&OneAtATime());
      return base::Pbkdf2Sha256(input.Expose(), parameters.salt, cost,
                                kKeySize);
    }
  }
  return base::Error(CKR_DEVICE_ERROR, "PIN derivation: cost out of bounds");
}

}  // namespace hsm
