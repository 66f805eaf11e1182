// A counter in the NV memory of a TPM 2.0, which nobody can turn back: what
// says how far a store has come where a file could be put back with it.
// docs/formats/store.md, "Witness".
//
// Three commands, sent to the kernel's resource manager as they are: tpm2-tss
// would be two libraries to load, which print to stderr of the application.
#ifndef PERIGEE_HSM_TPM_COUNTER_H_
#define PERIGEE_HSM_TPM_COUNTER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace hsm {

// Only goes up. Thread-safe; two that count at once count two.
class MonotonicCounter {
 public:
  virtual ~MonotonicCounter() = default;
  // nullopt: it is there and was never counted.
  virtual absl::StatusOr<std::optional<uint64_t>> Read() const = 0;
  // Adds one. After an error it may have counted or not.
  virtual absl::Status Count() const = 0;
  // For the texts of errors.
  virtual std::string name() const = 0;
};

// "tpm:INDEX[?device=PATH][&every=N]", as a configuration has it.
struct TpmCounterName {
  uint32_t index = 0;
  std::string device = "/dev/tpmrm0";  // or a socket that speaks the same
  uint64_t every = 1;                  // lines of the audit log

  bool operator==(const TpmCounterName&) const = default;
  static bool Is(absl::string_view text);
  // CKR_ARGUMENTS_BAD with a text that says what is wrong.
  static absl::StatusOr<TpmCounterName> Parse(absl::string_view text);
};

// Opens the device for each command: nothing is inherited by a fork, and a TPM
// behind a socket serves one client at a time.
class TpmCounter : public MonotonicCounter {
 public:
  // Touches nothing yet.
  explicit TpmCounter(TpmCounterName at);

  // CKR_DEVICE_ERROR also for an index that is no counter, or one that a loss
  // of power may move.
  absl::StatusOr<std::optional<uint64_t>> Read() const override;
  absl::Status Count() const override;
  std::string name() const override;

 private:
  absl::StatusOr<base::Bytes> Ask(uint32_t code, bool authorized,
                                  base::ByteSpan parameters) const;
  absl::StatusOr<bool> CheckIndex() const;  // whether it was ever counted

  const TpmCounterName at_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_TPM_COUNTER_H_
