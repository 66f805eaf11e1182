// For tests: a Backup HSM in memory, and hosts that talk to it over the
// embedded transport with faults.
#ifndef PERIGEE_DEVICE_TEST_BENCH_H_
#define PERIGEE_DEVICE_TEST_BENCH_H_

#include <memory>
#include <string>
#include <utility>

#include "device/backup_hsm.h"
#include "hsm/test_hsm.h"
#include "hsm_io/client.h"
#include "hsm_io/embedded_transport.h"
#include "hsm_io/fault_transport.h"

namespace device {

inline hsm_io::Deadline Soon() {
  return hsm_io::Deadline::After(absl::Minutes(1));
}

inline std::shared_ptr<const base::Identity> HostUnder(
    const hsm::Fleet& fleet, const std::string& serial) {
  base::P384Key key = *base::P384Key::Generate();
  base::Certificate certificate = *fleet.Issue(
      {.serial = serial, .model = "", .kind = "host"}, key.public_point());
  return std::make_shared<const base::Identity>(
      base::Identity{std::move(key), std::move(certificate), {fleet.root()}});
}

// A host with its own link, channel and faults.
class Host {
 public:
  Host(BackupHsm& device, std::shared_ptr<const base::Identity> identity,
       bool allow_adoption = false)
      : identity_(std::move(identity)),
        client_([this, &device, allow_adoption]()
                    -> absl::StatusOr<std::unique_ptr<hsm_io::Transport>> {
          auto inner = hsm_io::NewEmbeddedTransport([&device, allow_adoption] {
            return device.PlugIn(allow_adoption);
          });
          return std::make_unique<hsm_io::FaultTransport>(std::move(inner),
                                                          plan_);
        }) {}

  absl::Status Open() {
    return client_.OpenChannel({.identity = identity_}, Soon());
  }
  template <typename Request>
  absl::StatusOr<typename Request::Reply> Ask(const Request& request) {
    return client_.Call(request, Soon());
  }
  template <typename Request>
  CK_RV Rv(const Request& request) {
    return base::CkRv(Ask(request).status());
  }

  hsm_io::FaultPlan& plan() { return *plan_; }
  hsm_io::Client& client() { return client_; }

 private:
  const std::shared_ptr<const base::Identity> identity_;
  const std::shared_ptr<hsm_io::FaultPlan> plan_ =
      std::make_shared<hsm_io::FaultPlan>();
  hsm_io::Client client_;
};

// --- requests ----------------------------------------------------------------

inline base::SecretBytes Secret(absl::string_view text) {
  return base::SecretBytes::CopyOf(base::AsBytes(text));
}

inline constexpr char kSoPin[] = "so-password";
inline constexpr char kCoPin[] = "co-password";
inline constexpr char kDomain[] = "the domain of the tests";

inline hsm_io::InitHsm Init(const std::string& label) {
  hsm_io::InitHsm m;
  m.label = label;
  m.so_pin = Secret(kSoPin);
  return m;
}
inline hsm_io::Login LogIn(uint32_t space, hsm::Role role,
                           absl::string_view pin) {
  hsm_io::Login m;
  m.space = space;
  m.role = static_cast<uint8_t>(role);
  m.pin = Secret(pin);
  return m;
}
inline hsm_io::CreateContainer Create(const std::string& label,
                                      uint64_t capacity = 1 << 20) {
  hsm_io::CreateContainer m;
  m.label = label;
  m.capacity = capacity;
  m.pin = Secret(kCoPin);
  m.domain = Secret(kDomain);
  return m;
}
template <typename Request>
Request On(uint32_t space) {
  Request m;
  m.space = space;
  return m;
}

}  // namespace device

#endif  // PERIGEE_DEVICE_TEST_BENCH_H_
