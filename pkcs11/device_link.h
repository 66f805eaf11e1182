// The channel to one Backup HSM as a token uses it: opened when it is first
// needed, opened again after it broke, and the end of every login with it.
#ifndef PERIGEE_PKCS11_DEVICE_LINK_H_
#define PERIGEE_PKCS11_DEVICE_LINK_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hsm_io/client.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/config.h"
#include "pkcs11/embedded.h"

namespace pkcs11 {

// Thread-safe. Calls queue in the client; no lock of ours is held meanwhile,
// but while the channel is opened.
class DeviceLink {
 public:
  // `on_new_channel` is called, without locks, by the thread that finds that
  // the channel (and so the logins on it) is another one or none.
  DeviceLink(const HsmConfig& config, std::string fleet_directory,
             WrapTransport wrap, std::function<void()> on_new_channel);

  // False: embedded, and its state was not made yet.
  bool exists() { return embedded_ == nullptr || embedded_->exists(); }
  // Makes the state of an embedded device.
  absl::Status Create();

  // CKR_TOKEN_NOT_PRESENT when nobody answers.
  absl::StatusOr<hsm_io::DeviceInfo> Discover();
  // Opens the channel when none is open.
  absl::Status Open();
  bool is_open() const { return client_->channel_open(); }

  // Needs an open channel. The reply, or what the device answered;
  // CKR_DEVICE_REMOVED when the link broke.
  template <typename Request>
  absl::StatusOr<typename Request::Reply> Call(const Request& request,
                                               absl::Duration budget) {
    absl::StatusOr<typename Request::Reply> reply =
        client_->Call(request, base::Deadline::After(budget));
    NoteChannel();
    return reply;
  }

  // Of an embedded device; CKR_FUNCTION_NOT_SUPPORTED over a wire.
  absl::StatusOr<hsm::AuditLog*> AuditLog();

  absl::StatusOr<BackupDevice::Found> Find();
  absl::Status Adopt(ByteSpan fingerprint, const SecretBytes& so_pin);
  // The device's own certificate, of which it has proved to have the key, and
  // that of the fleet. Opens the channel.
  absl::StatusOr<std::vector<base::Certificate>> Certificates();

  // Serves other hosts, with the device over links of their own.
  absl::Status Offer(const RemoteOffer& offer);

  const std::shared_ptr<hsm_io::Client>& client() const { return client_; }
  // For calls that derive a key from a PIN on a slow device.
  static constexpr absl::Duration kPinBudget = absl::Minutes(5);
  static constexpr absl::Duration kBudget = absl::Minutes(1);

 private:
  void NoteChannel();

  const std::string fleet_directory_;
  const std::function<void()> on_new_channel_;
  std::shared_ptr<EmbeddedDevice> embedded_;  // null: over a wire
  const hsm_io::Client::TransportFactory make_transport_;
  std::shared_ptr<hsm_io::Client> client_;
  absl::Mutex opening_;
  absl::Mutex mu_;
  uint64_t epoch_ ABSL_GUARDED_BY(mu_) = 0;  // of the channel last seen
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_DEVICE_LINK_H_
