#include "tests/usbfs/node.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <openssl/crypto.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"

namespace usbfs {
namespace {

using hsm_io::Bytes;
using hsm_io::ByteSpan;
using hsm_io::UsbRequest;
using hsm_io::UsbSetup;

usbdevfs_urb& UrbOf(UMockdevIoctlData* data) {
  return *reinterpret_cast<usbdevfs_urb*>(data->data);
}

// The structure that an ioctl's argument points to.
template <typename T>
T Resolved(UMockdevIoctlData* argument) {
  UMockdevIoctlData* data =
      umockdev_ioctl_data_resolve(argument, 0, sizeof(T), nullptr);
  T out;
  std::memcpy(&out, data->data, sizeof out);
  umockdev_ioctl_data_unref(data);
  return out;
}

void Respond(UMockdevIoctlData* argument, uint32_t value) {
  UMockdevIoctlData* data =
      umockdev_ioctl_data_resolve(argument, 0, sizeof value, nullptr);
  std::memcpy(data->data, &value, sizeof value);
  umockdev_ioctl_data_unref(data);
}

UsbSetup Setup(uint8_t type, UsbRequest request, uint16_t value, uint16_t index,
               uint16_t length) {
  return {type, static_cast<uint8_t>(request), value, index, length};
}

}  // namespace

Node::Node(int name, std::shared_ptr<Backend> backend, std::mutex& mutex)
    : name_(name),
      backend_(std::move(backend)),
      mutex_(mutex),
      handler_(umockdev_ioctl_base_new()) {
  // What a kernel does with a new device.
  for (const uint16_t type : {1, 2}) {
    const auto bytes = Control(Setup(0x80, UsbRequest::kGetDescriptor,
                                     static_cast<uint16_t>(type << 8), 0, 255));
    if (bytes.has_value()) descriptors_.append(bytes->begin(), bytes->end());
  }
  Control(Setup(0, UsbRequest::kSetConfiguration, 1, 0, 0));
  g_signal_connect(handler_, "handle-ioctl", G_CALLBACK(OnIoctl), this);
  g_signal_connect(handler_, "client-connected", G_CALLBACK(OnConnected), this);
}

Node::~Node() {
  for (Client* client : clients_) g_object_unref(client);
  g_object_unref(handler_);
}

std::string Node::number() const { return absl::StrFormat("%03d", name_ + 2); }
std::string Node::path() const { return "/dev/bus/usb/001/" + number(); }

void Node::OnConnected(UMockdevIoctlBase*, Client* client, void* node) {
  Node& self = *static_cast<Node*>(node);
  const std::lock_guard<std::mutex> lock(self.mutex_);
  self.clients_.insert(static_cast<Client*>(g_object_ref(client)));
}

// umockdev 0.17 does not emit client-vanished; it knows when it is asked.
void Node::ForgetVanished() {
  for (auto each = clients_.begin(); each != clients_.end();) {
    if (umockdev_ioctl_client_get_connected(*each)) {
      ++each;
      continue;
    }
    Forget(*each);
    g_object_unref(*each);
    each = clients_.erase(each);
  }
}

int Node::openings() {
  ForgetVanished();
  return static_cast<int>(clients_.size());
}

void Node::Forget(Client* client) {
  if (owner_ == client) owner_ = nullptr;
  for (auto each = flying_.begin(); each != flying_.end();) {
    if (each->second.client == client) {
      backend_->Unlink(each->first);
      each = flying_.erase(each);
    } else {
      ++each;
    }
  }
  landed_.erase(client);
}

gboolean Node::OnIoctl(UMockdevIoctlBase*, Client* client, void* node) {
  Node& self = *static_cast<Node*>(node);
  const std::lock_guard<std::mutex> lock(self.mutex_);
  const std::optional<int> error =
      self.Answer(client, umockdev_ioctl_client_get_request(client),
                  umockdev_ioctl_client_get_arg(client));
  if (error.has_value()) {
    umockdev_ioctl_client_complete(client, *error == 0 ? 0 : -1, *error);
  }
  // This thread is umockdev's and ends when it likes, also between the end of
  // the program and LeakSanitizer's look: nothing of OpenSSL's is its own.
  OPENSSL_thread_stop();
  return TRUE;
}

std::optional<int> Node::Answer(Client* client, unsigned long request,
                                UMockdevIoctlData* argument) {
  if (request == USBDEVFS_REAPURB || request == USBDEVFS_REAPURBNDELAY) {
    return Reap(client, argument);
  }
  if (request == USBDEVFS_DISCARDURB) return Discard(client, argument);
  if (gone()) return ENODEV;
  switch (request) {
    case USBDEVFS_GET_CAPABILITIES:
      Respond(argument, USBDEVFS_CAP_ZERO_PACKET |
                            USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                            USBDEVFS_CAP_BULK_SCATTER_GATHER |
                            USBDEVFS_CAP_REAP_AFTER_DISCONNECT);
      return 0;
    case USBDEVFS_GETDRIVER:
      return ENODATA;
    case USBDEVFS_CLAIMINTERFACE:
      return Claim(client, Resolved<unsigned>(argument));
    case USBDEVFS_DISCONNECT_CLAIM:
      return Claim(client,
                   Resolved<usbdevfs_disconnect_claim>(argument).interface);
    case USBDEVFS_RELEASEINTERFACE:
      if (owner_ != client) return EINVAL;
      owner_ = nullptr;
      return 0;
    case USBDEVFS_SETCONFIGURATION:
      if (owner_ != nullptr) return EBUSY;
      return Control(Setup(0, UsbRequest::kSetConfiguration,
                           static_cast<uint16_t>(Resolved<int>(argument)), 0,
                           0))
                     .has_value()
                 ? 0
                 : EPIPE;
    case USBDEVFS_SETINTERFACE: {
      if (owner_ != client) return EBUSY;
      const auto set = Resolved<usbdevfs_setinterface>(argument);
      return Control(Setup(1, UsbRequest::kSetInterface,
                           static_cast<uint16_t>(set.altsetting),
                           static_cast<uint16_t>(set.interface), 0))
                     .has_value()
                 ? 0
                 : EPIPE;
    }
    case USBDEVFS_CLEAR_HALT:
      return Control(Setup(2, UsbRequest::kClearFeature, 0,
                           static_cast<uint16_t>(Resolved<unsigned>(argument)),
                           0))
                     .has_value()
                 ? 0
                 : EPIPE;
    case USBDEVFS_SUBMITURB:
      if (flying_.size() >= limit_) return ENOMEM;
      SubmitUrb(client, argument);
      return std::nullopt;
    default:
      return ENOTTY;
  }
}

int Node::Claim(Client* client, unsigned interface) {
  if (interface != 0) return EINVAL;
  ForgetVanished();
  if (owner_ != nullptr && owner_ != client) return EBUSY;
  owner_ = client;
  return 0;
}

void Node::SubmitUrb(Client* client, UMockdevIoctlData* argument) {
  UMockdevIoctlData* data =
      umockdev_ioctl_data_resolve(argument, 0, sizeof(usbdevfs_urb), nullptr);
  usbdevfs_urb& urb = UrbOf(data);
  UMockdevIoctlData* buffer =
      urb.buffer_length == 0
          ? nullptr
          : umockdev_ioctl_data_resolve(
                data, G_STRUCT_OFFSET(usbdevfs_urb, buffer),
                static_cast<size_t>(urb.buffer_length), nullptr);
  const bool control = urb.type == USBDEVFS_URB_TYPE_CONTROL;
  if (!control && owner_ != client) {
    umockdev_ioctl_client_complete(client, -1, EINVAL);
    return;
  }
  hsm_io::UsbTransfer transfer;
  transfer.id = ++last_;
  transfer.endpoint = urb.endpoint & 15;
  transfer.in = (urb.endpoint & 0x80) != 0;
  transfer.length = static_cast<uint32_t>(urb.buffer_length);
  size_t at = 0;
  if (control) {
    at = transfer.setup.size();
    std::copy_n(buffer->data, at, transfer.setup.begin());
    transfer.length -= static_cast<uint32_t>(at);
    transfer.in = (transfer.setup[0] & 0x80) != 0;
  }
  if (!transfer.in && buffer != nullptr) {
    transfer.data.assign(buffer->data + at,
                         buffer->data + at + transfer.length);
  }
  flying_[last_] = {client, data, buffer};
  umockdev_ioctl_client_complete(client, 0, 0);
  backend_->Submit(std::move(transfer));
  Collect();
}

std::optional<int> Node::Reap(Client* client, UMockdevIoctlData* argument) {
  if (!gone_) Collect();
  if (gone()) PullOut();
  std::deque<Flight>& landed = landed_[client];
  if (landed.empty()) {
    if (gone()) return ENODEV;
    usleep(20);  // Its poll() never waits.
    return EAGAIN;
  }
  const Flight flight = landed.front();
  landed.pop_front();
  UMockdevIoctlData* slot =
      umockdev_ioctl_data_resolve(argument, 0, sizeof(void*), nullptr);
  umockdev_ioctl_data_set_ptr(slot, 0, flight.urb);
  umockdev_ioctl_client_complete(client, 0, 0);
  umockdev_ioctl_data_unref(slot);
  umockdev_ioctl_data_unref(flight.urb);
  if (flight.buffer != nullptr) umockdev_ioctl_data_unref(flight.buffer);
  return std::nullopt;
}

int Node::Discard(Client* client, UMockdevIoctlData* argument) {
  gulong address;
  std::memcpy(&address, argument->data, sizeof address);
  for (const auto& [id, flight] : flying_) {
    if (flight.client != client || flight.urb->client_addr != address) continue;
    const uint32_t victim = id;
    if (backend_->Unlink(victim)) {
      Finish(victim, -ENOENT, 0, {});
      return 0;
    }
    Collect();
    return 0;
  }
  return EINVAL;
}

void Node::PullOut() {
  gone_ = true;
  while (!flying_.empty()) {
    Finish(flying_.begin()->first, -ESHUTDOWN, 0, {});
  }
}

void Node::Collect() {
  for (const hsm_io::UsbCompletion& done : backend_->TakeCompletions()) {
    if (done.id == 0) {
      control_ = done.status == 0 ? std::optional(done.data) : std::nullopt;
    } else {
      Finish(done.id, done.status, done.actual, done.data);
    }
  }
}

void Node::Finish(uint32_t id, int status, uint32_t actual, ByteSpan data) {
  const auto found = flying_.find(id);
  if (found == flying_.end()) return;
  const Flight flight = found->second;
  flying_.erase(found);
  usbdevfs_urb& urb = UrbOf(flight.urb);
  urb.status = status;
  urb.actual_length = static_cast<int>(actual);
  const size_t at = urb.type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;
  if (!data.empty()) {
    std::copy(data.begin(), data.end(), flight.buffer->data + at);
  }
  landed_[flight.client].push_back(flight);
}

std::optional<Bytes> Node::Control(UsbSetup setup) {
  hsm_io::UsbTransfer transfer;
  transfer.in = setup.in();
  transfer.length = setup.length;
  transfer.setup = setup.Encode();
  control_.reset();
  backend_->Submit(std::move(transfer));
  Collect();
  return std::exchange(control_, std::nullopt);
}

}  // namespace usbfs
