#include "pkcs11/device_link.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "hsm/fleet.h"
#include "hsm_io/embedded_transport.h"
#include "hsm_io/remote_backup.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/tls_transport.h"
#include "hsm_io/usb_transport.h"
#include "hsm_io/usbip_transport.h"
#include "pkcs11/host_identity.h"

namespace pkcs11 {
namespace {

// To find a device and to open the channel: no key is derived there.
constexpr absl::Duration kOpeningBudget = absl::Seconds(10);
// "Is it there?" is asked by every listing of slots, also of programs that
// never use the device.
constexpr absl::Duration kDiscoverBudget = absl::Seconds(2);

absl::StatusOr<std::unique_ptr<hsm_io::Transport>> NewTransport(
    const std::string& transport,
    const std::shared_ptr<EmbeddedDevice>& embedded,
    const std::string& fleet_directory) {
  if (embedded != nullptr) {
    return hsm_io::NewEmbeddedTransport(
        [embedded] { return embedded->PlugIn(); });
  }
  absl::string_view address = transport;
  if (absl::ConsumePrefix(&address, "socket:")) {
    return hsm_io::NewSocketTransport(std::string(address));
  }
  if (absl::ConsumePrefix(&address, "usbip:")) {
    return hsm_io::NewUsbipTransport(std::string(address));
  }
  if (absl::ConsumePrefix(&address, "usb:")) {
    return hsm_io::NewUsbTransport(std::string(address));
  }
  if (absl::ConsumePrefix(&address, "tls:")) {
    // Looking for a device makes no identity: that comes with its first use.
    return hsm_io::NewTlsTransport(std::string(address), [fleet_directory] {
      return OpenHostIdentity(fleet_directory);
    });
  }
  return base::Error(CKR_GENERAL_ERROR,
                     absl::StrCat("no such transport: ", transport));
}

}  // namespace

DeviceLink::DeviceLink(const HsmConfig& config, std::string fleet_directory,
                       WrapTransport wrap, std::function<void()> on_new_channel)
    : fleet_directory_(std::move(fleet_directory)),
      on_new_channel_(std::move(on_new_channel)),
      embedded_(config.embedded() ? NewEmbeddedDevice(config, fleet_directory_)
                                  : nullptr),
      make_transport_(
          [transport = config.transport, embedded = embedded_,
           fleet = fleet_directory_, wrap = std::move(wrap)]()
              -> absl::StatusOr<std::unique_ptr<hsm_io::Transport>> {
            ASSIGN_OR_RETURN(std::unique_ptr<hsm_io::Transport> made,
                             NewTransport(transport, embedded, fleet));
            return wrap ? wrap(std::move(made)) : std::move(made);
          }),
      client_(std::make_shared<hsm_io::Client>(make_transport_)) {}

absl::Status DeviceLink::Create() {
  return embedded_ == nullptr ? absl::OkStatus() : embedded_->Create();
}

absl::StatusOr<hsm_io::DeviceInfo> DeviceLink::Discover() {
  const auto deadline = base::Deadline::After(kDiscoverBudget);
  absl::StatusOr<hsm_io::DeviceInfo> info = client_->Discover(deadline);
  // The link may be one that broke long ago; nothing is done twice by asking
  // again on a new one.
  if (!info.ok() && base::CkRv(info.status()) != CKR_TOKEN_NOT_PRESENT) {
    info = client_->Discover(deadline);
  }
  NoteChannel();
  return info;
}

absl::StatusOr<hsm::AuditLog*> DeviceLink::AuditLog() {
  if (embedded_ != nullptr) return embedded_->AuditLog();
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "a Backup HSM over a wire keeps its audit log itself");
}

absl::Status DeviceLink::Open() {
  NoteChannel();  // An endpoint may have found that it broke.
  {
    absl::MutexLock lock(&opening_);
    if (client_->channel_open()) return absl::OkStatus();
    hsm_io::ChannelOptions options;
    ASSIGN_OR_RETURN(options.identity,
                     OpenOrMakeHostIdentity(fleet_directory_));
    RETURN_IF_ERROR(client_->OpenChannel(
        std::move(options), base::Deadline::After(kOpeningBudget)));
  }
  NoteChannel();
  return absl::OkStatus();
}

void DeviceLink::NoteChannel() {
  const uint64_t now = client_->channel_epoch();
  {
    absl::MutexLock lock(&mu_);
    if (epoch_ >= now) return;  // Of two threads the later news win.
    epoch_ = now;
  }
  on_new_channel_();
}

absl::StatusOr<BackupDevice::Found> DeviceLink::Find() {
  BackupDevice::Found found;
  ASSIGN_OR_RETURN(found.info, Discover());
  ASSIGN_OR_RETURN(base::Certificate certificate,
                   base::Certificate::Parse(found.info.certificate));
  found.fingerprint = certificate.key_fingerprint();
  absl::StatusOr<hsm::Fleet> fleet = hsm::Fleet::Open(fleet_directory_);
  found.trusted = fleet.ok() && certificate.VerifyUnder(fleet->root()).ok();
  return found;
}

absl::StatusOr<std::vector<base::Certificate>> DeviceLink::Certificates() {
  // Anybody can show a certificate: who opens the channel has its key.
  RETURN_IF_ERROR(Open());
  ASSIGN_OR_RETURN(base::Certificate own, client_->peer());
  std::vector<base::Certificate> chain = {std::move(own)};
  const absl::StatusOr<hsm::Fleet> fleet = hsm::Fleet::Open(fleet_directory_);
  if (fleet.ok() && chain.front().VerifyUnder(fleet->root()).ok()) {
    chain.push_back(fleet->root());
  }
  return chain;
}

absl::Status DeviceLink::Adopt(ByteSpan fingerprint,
                               const SecretBytes& so_pin) {
  absl::Status adopted = [&]() -> absl::Status {
    absl::MutexLock lock(&opening_);
    hsm_io::ChannelOptions options;
    ASSIGN_OR_RETURN(options.identity,
                     OpenOrMakeHostIdentity(fleet_directory_));
    options.adopt_fingerprint = base::ToBytes(fingerprint);
    RETURN_IF_ERROR(client_->OpenChannel(
        std::move(options), base::Deadline::After(kOpeningBudget)));
    ASSIGN_OR_RETURN(base::Certificate device, client_->peer());
    ASSIGN_OR_RETURN(hsm::Fleet fleet, hsm::Fleet::Open(fleet_directory_));
    ASSIGN_OR_RETURN(base::Certificate certificate,
                     fleet.Issue(device.name(), device.public_point()));
    hsm_io::Adopt request;
    request.so_pin = so_pin.Clone();
    request.root = fleet.root().der();
    request.certificate = certificate.der();
    return client_->Call(request, base::Deadline::After(kPinBudget)).status();
  }();
  client_->CloseChannel();  // It was good for this only.
  NoteChannel();
  return adopted;
}

absl::Status DeviceLink::Offer(const RemoteOffer& offer) {
  RETURN_IF_ERROR(Create());
  hsm_io::RemoteBackup service;
  ASSIGN_OR_RETURN(service.identity, OpenOrMakeHostIdentity(fleet_directory_));
  service.clients = offer.clients;
  service.device = make_transport_;
  service.tell = offer.tell;
  if (offer.answer_budget.has_value()) {
    service.answer_budget = *offer.answer_budget;
  }
  const absl::StatusOr<BackupDevice::Found> found = Find();
  if (!found.ok()) {
    offer.tell(
        absl::StrCat("no Backup HSM answers yet: ", found.status().message()));
  } else if (!found->trusted) {
    offer.tell(absl::StrCat(
        "the Backup HSM with the serial number ", found->info.serial,
        " is not of this host's fleet: clients will refuse it until it is"));
  }
  const std::string name = hsm_io::Describe(service.identity->certificate);
  ASSIGN_OR_RETURN(const std::unique_ptr<hsm_io::Listener> listener,
                   hsm_io::Listener::Listen(offer.address));
  ASSIGN_OR_RETURN(hsm_io::Port port,
                   hsm_io::RemoteBackupPort(*listener, std::move(service)));
  offer.tell(absl::StrCat(name, " serves at ", listener->address()));
  return hsm_io::ServePorts({std::move(port)}, offer.stop_fd);
}

}  // namespace pkcs11
