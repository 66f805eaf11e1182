// One fuzzer for the two ends of the device link, each against an other end
// that is hostile: a host before and after it has a channel, a device before
// and after it has proved itself, a USB/IP host and a USB/IP server, a USB
// device's descriptors. The first byte chooses which; the rest is what the
// other end says. Nothing may crash, hang or take memory without bound.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "backup/remote_endpoint.h"
#include "backup/transfer.h"
#include "base/handshake.h"
#include "cloning/local_endpoint.h"
#include "device/backup_hsm.h"
#include "hsm/test_stores.h"
#include "hsm_io/channel.h"
#include "hsm_io/client.h"
#include "hsm_io/functionfs.h"
#include "hsm_io/message_list.h"
#include "hsm_io/sealed_message.h"
#include "hsm_io/usb_descriptors.h"
#include "hsm_io/usb_device.h"
#include "hsm_io/usbip_protocol.h"
#include "hsm_io/usbip_server.h"
#include "hsm_io/usbip_transport.h"

namespace hsm_io {
namespace {

void Require(bool held) {
  if (!held) std::abort();
}

// What is left of an input, taken in pieces.
class Input {
 public:
  explicit Input(ByteSpan in) : in_(in) {}
  bool empty() const { return in_.empty(); }
  uint8_t Byte() {
    const ByteSpan one = Take(1);
    return one.empty() ? uint8_t{0} : one[0];
  }
  // At most `size` bytes.
  ByteSpan Take(size_t size) {
    const ByteSpan out = in_.subspan(0, size);
    in_.remove_prefix(out.size());
    return out;
  }
  // As long as its first two bytes say.
  ByteSpan Piece() {
    const size_t high = Byte();
    return Take(high << 8 | Byte());
  }
  ByteSpan Rest() { return Take(in_.size()); }

 private:
  ByteSpan in_;
};

Deadline Soon() { return Deadline::After(absl::Seconds(5)); }

// --- identities of one fleet -------------------------------------------------

const std::string& Directory() {
  static const auto* const path = [] {
    auto* const made = new std::string("/tmp/perigee_fuzz_XXXXXX");
    Require(mkdtemp(made->data()) != nullptr);
    return made;
  }();
  return *path;
}

const hsm::Fleet& TestFleet() {
  static const auto* const fleet =
      new hsm::Fleet(*hsm::Fleet::OpenOrCreate(Directory() + "/fleet"));
  return *fleet;
}

std::shared_ptr<const base::Identity> Member(const char* kind) {
  base::P384Key key = *base::P384Key::Generate();
  base::Certificate certificate = *TestFleet().Issue(
      {.serial = "77", .model = "", .kind = kind}, key.public_point());
  return std::make_shared<const base::Identity>(base::Identity{
      std::move(key), std::move(certificate), {TestFleet().root()}});
}

const std::shared_ptr<const base::Identity>& Host() {
  static const auto* const host =
      new std::shared_ptr<const base::Identity>(Member("host"));
  return *host;
}

base::SecretBytes Secret(absl::string_view text) {
  return base::SecretBytes::CopyOf(base::AsBytes(text));
}

// --- hostile hosts -----------------------------------------------------------

hsm::HsmSpec SpecOf(hsm::Kind kind) {
  hsm::HsmSpec spec;
  spec.name = "fuzz";
  spec.kind = kind;
  spec.model = kind == hsm::Kind::kBackup ? "luna-g7-backup" : "perigee";
  spec.kdf_cost = hsm::KdfCost::kTest;
  return spec;
}

std::unique_ptr<device::BackupHsm> NewDevice() {
  return *device::BackupHsm::New(*hsm::Hsm::CreateForTest(
      SpecOf(hsm::Kind::kBackup), hsm::NewMemoryStore(), TestFleet()));
}

// Frames of nobody, in pieces.
void FramesToDevice(Input in) {
  static auto* const device = NewDevice().release();
  auto transport = NewEmbeddedTransport([] { return device->PlugIn(false); });
  Require(transport->Open(Soon()).ok());
  while (!in.empty()) {
    if (!transport->Write(in.Piece(), Soon()).ok()) return;
    transport->Read(1 << 20, Soon()).status().IgnoreError();
  }
}

// An enrolled host with a channel on which the SO and a CO are logged in: its
// messages are what is hostile.
class EnrolledHost {
 public:
  EnrolledHost() : device_(NewDevice()) { Begin(); }

  // A request with this body; its answer opens and is one of our replies.
  CK_RV Ask(uint16_t op, ByteSpan body) {
    RequestId id{};
    id[0] = static_cast<uint8_t>(++asked_);
    id[1] = static_cast<uint8_t>(asked_ >> 8);
    id[2] = static_cast<uint8_t>(asked_ >> 16);
    const base::SecretBytes message = EncodeRequest(op, body);
    const auto answer = server_->Serve(
        Frame::Make(FrameOp::kSealed, id,
                    *channel_->Seal(FrameOp::kSealed, id, message.Expose())));
    Require(answer.ok() && answer->op() == FrameOp::kSealed);
    const auto reply = channel_->Open(*answer);
    Require(reply.ok());
    const absl::Status status = DecodeReply(reply->Expose()).status();
    Require(base::CkRv(status) != CKR_GENERAL_ERROR);
    return base::CkRv(status);
  }
  template <typename Request>
  CK_RV Ask(const Request& request) {
    return Ask(Request::kOp, wire::EncodeSecret(request).Expose());
  }
  // All that it may do it may do again, whatever was done before.
  void Begin() {
    server_ = *device_->PlugIn(false);
    handshake::Options options;
    options.purpose = kChannelPurpose;
    options.identity = Host().get();
    auto initiator = *handshake::Initiator::Start(std::move(options));
    const auto reply = *server_->Serve(
        Frame::Make(FrameOp::kHello, RequestId(), initiator.hello()));
    auto result = *std::move(initiator).Finish(reply.body());
    const auto ready = *server_->Serve(
        Frame::Make(FrameOp::kFinish, RequestId(), std::move(result.finish)));
    channel_.emplace(Channel::Side::kHost, std::move(result.established));
    Require(channel_->Open(ready).ok());
    InitHsm init;
    init.label = "fuzz";
    init.so_pin = Secret("so-password");
    Require(Ask(init) == CKR_OK);
    Login login;
    login.pin = Secret("so-password");
    Require(Ask(login) == CKR_OK);
    CreateContainer create;
    create.label = "container";
    create.capacity = 1 << 16;
    create.pin = Secret("co-password");
    Require(Ask(create) == CKR_OK);
    login.space = device_->hsm().Partitions()->at(0).space;
    login.role = static_cast<uint8_t>(hsm::Role::kCo);
    login.pin = Secret("co-password");
    Require(Ask(login) == CKR_OK);
  }

 private:
  const std::unique_ptr<device::BackupHsm> device_;
  std::unique_ptr<Server> server_;
  std::optional<Channel> channel_;
  uint32_t asked_ = 0;
};

void MessagesToDevice(Input in) {
  static auto* const host = new EnrolledHost();
  static int inputs = 0;
  if (++inputs % 64 == 0) host->Begin();  // costs more than an input
  while (!in.empty()) {
    const uint16_t op = in.Byte();
    host->Ask(op, in.Piece());
  }
}

// --- hostile devices ---------------------------------------------------------

// A device of the fleet that opens channels as it should. What it then answers
// comes from the input: a piece for each request, sealed as a reply or, where
// the byte before it is odd, as the bytes on the wire.
class HostileDevice : public Transport {
 public:
  static const std::shared_ptr<const base::Identity>& Identity() {
    static const auto* const identity =
        new std::shared_ptr<const base::Identity>(Member("backup"));
    return *identity;
  }
  // What it says from now on.
  static Input*& said() {
    static Input* input = nullptr;
    return input;
  }

  absl::Status Open(Deadline) override { return absl::OkStatus(); }
  void Close() override { out_.clear(); }
  absl::Status Write(ByteSpan bytes, Deadline) override {
    const auto frame = Frame::Parse(bytes);
    Require(frame.ok());  // The host sends what it should.
    if (frame->op() == FrameOp::kHello) {
      handshake::Options options;
      options.purpose = kChannelPurpose;
      options.identity = Identity().get();
      auto answer =
          handshake::Responder::Answer(std::move(options), frame->body());
      Require(answer.ok());
      Say(Frame::Make(FrameOp::kReply, frame->id(), answer->reply()));
      responder_.emplace(*std::move(answer));
    } else if (frame->op() == FrameOp::kFinish) {
      auto established = std::move(*responder_).Confirm(frame->body());
      Require(established.ok());
      channel_.emplace(Channel::Side::kDevice, *std::move(established));
      Seal(FrameOp::kReady, frame->id(), {});
    } else {
      Answer(*frame);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Bytes> Read(size_t limit, Deadline) override {
    if (out_.empty()) return absl::DeadlineExceededError("silent");
    const size_t size = std::min(limit, out_.size());
    Bytes part(out_.begin(), out_.begin() + size);
    out_.erase(out_.begin(), out_.begin() + size);
    return part;
  }

 private:
  void Answer(const Frame& frame) {
    const bool raw = said()->Byte() % 2 == 1;
    const ByteSpan piece = said()->Piece();
    if (raw || !channel_.has_value()) {
      if (frame.op() == FrameOp::kDiscover && !raw) {
        return Say(Frame::Make(FrameOp::kDiscoverReply, frame.id(),
                               base::ToBytes(piece)));
      }
      out_.insert(out_.end(), piece.begin(), piece.end());
      return;
    }
    Require(channel_->Open(frame).ok());
    Seal(FrameOp::kSealed, frame.id(), piece);
  }
  void Seal(FrameOp op, const RequestId& id, ByteSpan message) {
    Say(Frame::Make(op, id, *channel_->Seal(op, id, message)));
  }
  void Say(const Frame& frame) {
    const Bytes bytes = frame.Encode();
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }

  Bytes out_;
  std::optional<handshake::Responder> responder_;
  std::optional<Channel> channel_;
};

// One for all inputs: opening a channel costs more than most of them. Whatever
// was said before, it has a channel, if the device lets it.
const std::shared_ptr<Client>& ClientOf(Input& in, bool channel) {
  static const auto* const client = new std::shared_ptr<Client>(
      new Client([]() -> absl::StatusOr<std::unique_ptr<Transport>> {
        return std::make_unique<HostileDevice>();
      }));
  HostileDevice::said() = &in;
  if (!channel) (*client)->CloseChannel();
  if (channel && !(*client)->channel_open()) {
    Require((*client)->OpenChannel({.identity = Host()}, Soon()).ok());
  }
  return *client;
}

// Before there is a channel.
void DeviceInfos(Input in) {
  const auto client = ClientOf(in, /*channel=*/false);
  const auto info = client->Discover(Soon());
  if (!info.ok()) return;
  for (const std::string* text :
       {&info->serial, &info->model, &info->token_model, &info->manufacturer,
        &info->label}) {
    Require(*text == Printable(*text));
  }
}

// Replies to a request of the type that a byte chooses.
void RepliesToHost(Input in) {
  while (!in.empty()) {
    const auto client = ClientOf(in, /*channel=*/true);
    AllMessages::ForOp(in.Byte(), [&](const auto& request) {
      const auto reply = client->Call(request, Soon());
      if (reply.ok()) wire::EncodeSecret(*reply);
    });
  }
}

// A partition of this host that objects can come from and go to.
struct Partition {
  Partition() {
    hsm::HsmSpec spec = SpecOf(hsm::Kind::kApplication);
    spec.partitions.push_back(
        {.label = "first", .version = 0, .capacity = 0, .policies = {}});
    hsm = *hsm::Hsm::CreateForTest(spec, hsm::NewMemoryStore(), TestFleet());
    const base::SecretBytes pin = Secret("co-password");
    hsm::Partition& first = *hsm->Find(1);
    Require(first.Init("fuzz", pin, base::AsBytes("the domain")).ok());
    const auto so = *first.Unlock(hsm::Role::kSo, pin);
    Require(first.InitRole(*so, hsm::Role::kCo, pin).ok());
    login = *first.Unlock(hsm::Role::kCo, pin);
    hsm::NewObject object;
    object.attributes.SetUlong(CKA_CLASS, CKO_DATA);
    object.attributes.SetBool(CKA_TOKEN, true);
    object.attributes.SetBool(CKA_PRIVATE, false);
    object.attributes.SetText(CKA_VALUE, "value");
    std::vector<hsm::NewObject> objects;
    objects.push_back(std::move(object));
    handles = *first.Create(login.get(), std::move(objects));
  }
  std::unique_ptr<hsm::Hsm> hsm;
  hsm::LoginRef login;
  std::vector<uint64_t> handles;
};

// A whole backup to, or restore from, a device that answers what it likes.
void TransfersOfHost(Input in) {
  static auto* const partition = new Partition();
  const bool restore = in.Byte() % 2 == 1;
  const auto client = ClientOf(in, /*channel=*/true);
  backup::RemoteEndpoint remote(client, 1);
  cloning::LocalEndpoint local(partition->hsm->Find(1), partition->login);
  backup::TransferReport report;
  std::vector<uint64_t> handles = partition->handles;
  if (restore) {
    const auto listed = remote.List();
    if (!listed.ok()) return;
    handles.clear();
    for (const auto& item : *listed) handles.push_back(item.handle);
  }
  cloning::Endpoint& from = restore ? static_cast<cloning::Endpoint&>(remote)
                                    : static_cast<cloning::Endpoint&>(local);
  cloning::Endpoint& to = restore ? static_cast<cloning::Endpoint&>(local)
                                  : static_cast<cloning::Endpoint&>(remote);
  backup::Transfer(from, to, handles, {}, report).IgnoreError();
  Require(report.items.size() == handles.size());
}

// --- USB ---------------------------------------------------------------------

void Descriptors(Input in) {
  const bool configuration = in.Byte() % 2 == 0;
  const ByteSpan bytes = in.Rest();
  UsbDeviceDescriptor::Parse(bytes).status().IgnoreError();
  ParseGadgetEvents(bytes);
  if (!configuration) return;
  const auto pipes = UsbPipes::Parse(bytes);
  if (!pipes.ok()) return;
  Require(pipes->out_packet > 0 && pipes->in_packet > 0);
  Require(pipes->out > 0 && pipes->out < 16 && pipes->in > 0 && pipes->in < 16);
}

// A USB/IP server that answers each command with the next piece, which may be
// empty; it closes the line when there is none.
void ServeUsbip(int fd, Input in) {
  Bytes buffer(UsbDevice::kMaxTransfer);
  const auto read = [&](size_t size) {
    return size == 0 || recv(fd, buffer.data(), size, MSG_WAITALL) ==
                            static_cast<ssize_t>(size);
  };
  for (size_t size = usbip::kImportRequestSize; read(size);
       size = usbip::kHeaderSize) {
    if (size == usbip::kHeaderSize) {
      const auto command = usbip::ParseCommand(ByteSpan(buffer).first(size),
                                               UsbDevice::kMaxTransfer);
      Require(command.ok());  // The host sends what it should.
      const auto* submit = std::get_if<usbip::Submit>(&*command);
      if (submit != nullptr && submit->direction == usbip::kOut &&
          !read(submit->length)) {
        break;
      }
    }
    if (in.empty()) break;
    const ByteSpan piece = in.Piece();
    send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
  }
  close(fd);
}

// Where the server says nothing, only the time ends it.
Deadline Quickly() { return Deadline::After(absl::Milliseconds(20)); }

void UsbipReplies(Input in) {
  std::thread serving;
  const auto connect = [&](Deadline) -> absl::StatusOr<int> {
    int ends[2];
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    serving = std::thread([fd = ends[1], in] { ServeUsbip(fd, in); });
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return ends[0];
  };
  {
    const auto transport = NewUsbipTransport(connect, "1-1");
    if (transport->Open(Quickly()).ok()) {
      const Frame frame = Frame::Make(FrameOp::kDiscover, RequestId(), {});
      if (WriteFrame(*transport, frame, Quickly()).ok()) {
        ReadFrame(*transport, Quickly()).status().IgnoreError();
      }
    }
  }
  serving.join();
  usbip::ParseDevlist(in.Rest()).status().IgnoreError();
}

// A USB/IP host, in pieces that are small beside the socket's buffers.
void UsbipCommands(Input in) {
  static auto* const device = NewDevice().release();
  int ends[2];
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                     ends) == 0);
  const absl::Cleanup release = [&] { close(ends[1]); };
  // Nobody is accepted there.
  static auto* const listener =
      Listener::Listen(Directory() + "/wire")->release();
  const Port port = UsbipPort(*listener, UsbSpeed::kHigh, "1",
                              [] { return device->PlugIn(false); });
  const auto link = *port.new_link(ends[0]);
  while (!in.empty()) {
    const ByteSpan piece = in.Piece();
    send(ends[1], piece.data(), piece.size(), MSG_NOSIGNAL);
    for (int i = 0; i < 8; ++i) {
      pollfd waiting{link->fd(), link->events(), 0};
      if (poll(&waiting, 1, 0) <= 0 || waiting.revents == 0) break;
      if (!link->Proceed(waiting.revents)) return;
      uint8_t unread[64 * 1024];
      while (recv(ends[1], unread, sizeof unread, 0) > 0) {
      }
    }
  }
}

// The same transfers as a kernel's controller brings them, so without the
// limits of USB/IP.
void Transfers(Input in) {
  static auto* const device = NewDevice().release();
  UsbDevice usb(UsbSpeed::kSuper, "1", [] { return device->PlugIn(false); });
  for (uint32_t id = 1; !in.empty(); ++id) {
    UsbTransfer transfer;
    transfer.id = id;
    const uint8_t kind = in.Byte();
    transfer.endpoint = kind & 0x3;
    transfer.in = (kind & 0x80) != 0;
    transfer.short_not_ok = (kind & 0x40) != 0;
    if (transfer.endpoint == 0) {
      const ByteSpan setup = in.Take(8);
      std::copy(setup.begin(), setup.end(), transfer.setup.begin());
    }
    if (transfer.in) {
      transfer.length = static_cast<uint32_t>(in.Byte()) * 32;
    } else {
      transfer.data = base::ToBytes(in.Piece());
      transfer.length = static_cast<uint32_t>(transfer.data.size());
    }
    if ((kind & 0x20) != 0) usb.Unlink(id - 1);
    if (!usb.Submit(std::move(transfer))) return;
    for (const UsbCompletion& done : usb.TakeCompletions()) {
      Require(!done.in || done.data.size() == done.actual);
    }
  }
}

constexpr void (*kTargets[])(Input) = {
    FramesToDevice, MessagesToDevice, DeviceInfos,
    RepliesToHost,  TransfersOfHost,  Descriptors,
    UsbipReplies,   UsbipCommands,    Transfers,
};

}  // namespace
}  // namespace hsm_io

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  hsm_io::kTargets[bytes[0] % std::size(hsm_io::kTargets)](
      hsm_io::Input(hsm_io::ByteSpan(bytes + 1, size - 1)));
  return 0;
}
