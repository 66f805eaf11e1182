// The wire format as it was when backup.txt was recorded: every frame of a
// backup and restore still opens, parses, and is made of the same bytes by
// both ends (docs/formats/recording.md). Keys are drawn at random, so what is
// replayed is not the run but each of its messages, with the channel's keys
// from the recording.
//
// PERIGEE_RECORD=FILE makes a new recording instead.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "backup/remote_endpoint.h"
#include "backup/transfer.h"
#include "cloning/local_endpoint.h"
#include "cloning/test_objects.h"
#include "device/test_bench.h"
#include "hsm/test_hsm.h"
#include "hsm_io/message_list.h"
#include "hsm_io/test_link.h"
#include "tests/vectors/vector_file.h"

namespace hsm_io {
namespace {

constexpr char kRecording[] = "tests/wire/backup.txt";

std::string Hex(ByteSpan bytes) {
  return absl::BytesToHexString(base::AsText(bytes));
}

// --- recording ---------------------------------------------------------------

// Stands between a client and a device: both have a channel with it, and the
// keys of the client's are what a recording needs besides the frames.
class Recorder : public Transport {
 public:
  struct Tape {
    std::string head, exchanges;
  };

  Recorder(device::BackupHsm& hsm, IdentityRef host, Tape& tape)
      : identity_(hsm.hsm().identity()),
        server_(*hsm.PlugIn(false)),
        to_device_(*server_, std::move(host)),
        tape_(tape) {}

  absl::Status Open(Deadline) override { return absl::OkStatus(); }
  void Close() override {}
  absl::Status Write(ByteSpan bytes, Deadline) override {
    ASSIGN_OR_RETURN(Frame frame, Frame::Parse(bytes));
    std::string message;
    ASSIGN_OR_RETURN(Frame answer, Answer(frame, message));
    answer_ = answer.Encode();
    absl::StrAppend(&tape_.exchanges, "message = ", message,
                    "\nrequest = ", Hex(bytes), "\nanswer = ", Hex(answer_),
                    "\n\n");
    return absl::OkStatus();
  }
  absl::StatusOr<Bytes> Read(size_t limit, Deadline) override {
    const size_t size = std::min(limit, answer_.size());
    Bytes part(answer_.begin(), answer_.begin() + size);
    answer_.erase(answer_.begin(), answer_.begin() + size);
    return part;
  }

 private:
  absl::StatusOr<Frame> Answer(const Frame& frame, std::string& message) {
    switch (frame.op()) {
      case FrameOp::kDiscover:
        message = "discover";
        return server_->Serve(frame);
      case FrameOp::kHello: {
        message = "hello";
        handshake::Options options;
        options.purpose = kChannelPurpose;
        options.identity = identity_.get();
        ASSIGN_OR_RETURN(auto responder, handshake::Responder::Answer(
                                             std::move(options), frame.body()));
        RETURN_IF_ERROR(to_device_.Open());
        Frame reply =
            Frame::Make(FrameOp::kReply, frame.id(), responder.reply());
        responder_.emplace(std::move(responder));
        return reply;
      }
      case FrameOp::kFinish: {
        message = "finish";
        ASSIGN_OR_RETURN(auto established,
                         std::move(*responder_).Confirm(frame.body()));
        tape_.head = absl::StrCat(
            "root = ", Hex(identity_->roots[0].der()),
            "\nto_device = ", Hex(established.receive_key.Expose()),
            "\nto_host = ", Hex(established.send_key.Expose()), "\n\n");
        to_host_.emplace(Channel::Side::kDevice, std::move(established));
        return Sealed(FrameOp::kReady, frame.id(), {});
      }
      default: {
        ASSIGN_OR_RETURN(auto request, to_host_->Open(frame));
        ASSIGN_OR_RETURN(auto parsed, DecodeRequest(request.Expose()));
        AllMessages::ForOp(parsed.op,
                           [&](const auto& m) { message = m.kName; });
        ASSIGN_OR_RETURN(Frame answer, server_->Serve(to_device_.SealMessage(
                                           frame.id(), request.Expose())));
        ASSIGN_OR_RETURN(auto reply, to_device_.OpenMessage(answer));
        return Sealed(FrameOp::kSealed, frame.id(), reply.Expose());
      }
    }
  }
  absl::StatusOr<Frame> Sealed(FrameOp op, const RequestId& id,
                               ByteSpan message) {
    ASSIGN_OR_RETURN(Bytes sealed, to_host_->Seal(op, id, message));
    return Frame::Make(op, id, std::move(sealed));
  }

  const IdentityRef identity_;
  const std::unique_ptr<Server> server_;
  RawHost to_device_;
  Tape& tape_;
  std::optional<handshake::Responder> responder_;
  std::optional<Channel> to_host_;
  Bytes answer_;
};

// A partition with an object of each kind, its CO logged in.
struct Source {
  Source() {
    first = app->Find(1);
    const base::SecretBytes pin = device::Secret(device::kCoPin);
    EXPECT_EQ(first->Init("app", pin, base::AsBytes(device::kDomain)),
              absl::OkStatus());
    const auto so = *first->Unlock(hsm::Role::kSo, pin);
    EXPECT_EQ(first->InitRole(*so, hsm::Role::kCo, pin), absl::OkStatus());
    login = *first->Unlock(hsm::Role::kCo, pin);
    std::vector<hsm::NewObject> objects;
    for (hsm::AttributeSet set :
         {cloning::AesKey("aes"), cloning::RsaPrivateKey("rsa"),
          cloning::Certificate("certificate"), cloning::DataObject("data")}) {
      objects.push_back({std::move(set), std::nullopt});
    }
    handles = *first->Create(login.get(), std::move(objects));
  }
  hsm::testkit::TestHsm app{hsm::testkit::AppSpec()};
  hsm::Partition* first;
  hsm::LoginRef login;
  std::vector<uint64_t> handles;
};

absl::Status BackUpAndRestore(const std::shared_ptr<Client>& client,
                              const IdentityRef& host, Source& source) {
  const Deadline soon = device::Soon();
  RETURN_IF_ERROR(client->Discover(soon).status());
  RETURN_IF_ERROR(client->OpenChannel({.identity = host}, soon));
  RETURN_IF_ERROR(client->Call(device::Init("backup"), soon).status());
  RETURN_IF_ERROR(
      client->Call(device::LogIn(0, hsm::Role::kSo, device::kSoPin), soon)
          .status());
  RETURN_IF_ERROR(client->Call(GetHsmStatus(), soon).status());
  ASSIGN_OR_RETURN(auto made, client->Call(device::Create("archive"), soon));
  RETURN_IF_ERROR(client->Call(ListContainers(), soon).status());
  RETURN_IF_ERROR(
      client
          ->Call(device::LogIn(made.space, hsm::Role::kCo, device::kCoPin),
                 soon)
          .status());
  backup::TransferReport report;
  {
    cloning::LocalEndpoint from(source.first, source.login);
    backup::RemoteEndpoint to(client, made.space);
    RETURN_IF_ERROR(backup::Transfer(from, to, source.handles, {}, report));
    RETURN_IF_ERROR(report.FirstFailure());
  }
  RETURN_IF_ERROR(source.first->Clear(source.login.get()));
  {
    backup::RemoteEndpoint from(client, made.space);
    cloning::LocalEndpoint to(source.first, source.login);
    ASSIGN_OR_RETURN(const auto listed, from.List());
    std::vector<uint64_t> handles;
    for (const auto& item : listed) handles.push_back(item.handle);
    RETURN_IF_ERROR(backup::Transfer(from, to, handles, {}, report));
    RETURN_IF_ERROR(report.FirstFailure());
  }
  RETURN_IF_ERROR(
      client->Call(device::On<DestroyObjects>(made.space), soon).status());
  RETURN_IF_ERROR(
      client->Call(device::On<DeleteContainer>(made.space), soon).status());
  return client->Call(device::On<Logout>(0), soon).status();
}

TEST(WireRecordingTest, ABackupCanBeRecorded) {
  const auto device = *device::BackupHsm::New(*hsm::Hsm::CreateForTest(
      hsm::testkit::BackupSpec(), hsm::NewMemoryStore(),
      hsm::testkit::TestFleet()));
  const IdentityRef host = device::HostUnder(hsm::testkit::TestFleet(), "77");
  Recorder::Tape tape;
  const auto client = std::make_shared<Client>(
      [&]() -> absl::StatusOr<std::unique_ptr<Transport>> {
        return std::make_unique<Recorder>(*device, host, tape);
      });
  Source source;
  ASSERT_EQ(BackUpAndRestore(client, host, source), absl::OkStatus());
  EXPECT_EQ(source.first->Find(source.login.get(), {})->size(), 4u);
  if (const char* path = std::getenv("PERIGEE_RECORD")) {
    std::ofstream(path) << "# A backup and restore on the device link, frame "
                           "by frame.\n# Format: docs/formats/recording.md\n\n"
                        << tape.head << tape.exchanges;
  }
}

// --- replaying ---------------------------------------------------------------

// The messages in the order of the recording.
const char* const kExpected[] = {
    "discover",       "hello",           "finish",          "InitHsm",
    "Login",          "GetHsmStatus",    "CreateContainer", "ListContainers",
    "Login",          "RunJoin",         "RunAccept",       "RunAccept",
    "RunClose",       "ListObjects",     "ListObjects",     "RunStart",
    "RunBind",        "RunNext",         "RunNext",         "RunClose",
    "DestroyObjects", "DeleteContainer", "Logout",
};

template <typename Message>
void ExpectSameBytes(ByteSpan bytes, absl::string_view what) {
  const absl::StatusOr<Message> message = wire::Decode<Message>(bytes, what);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_TRUE(base::SameBytes(wire::EncodeSecret(*message).Expose(), bytes))
      << what;
}

// What messages carry for cloning, in cloning's own encodings.
template <typename Message>
void ExpectPayload(ByteSpan bytes) {
  const auto message = wire::Decode<Message>(bytes, "payload");
  ASSERT_TRUE(message.ok());
  if constexpr (std::is_same_v<Message, RunAccept>) {
    ExpectSameBytes<cloning::AcceptOptions>(message->options, "options");
  } else if constexpr (std::is_same_v<Message, RunAccept::Reply>) {
    ExpectSameBytes<std::vector<cloning::TargetResult>>(message->results,
                                                        "results");
  } else if constexpr (std::is_same_v<Message, RunNext::Reply>) {
    ExpectSameBytes<cloning::Batch>(message->batch, "batch");
  }
}

// One end of the recorded channel. Ends that seal and ends that open count
// their messages apart.
class Ends {
 public:
  Ends(const base::Certificate& root, ByteSpan to_device, ByteSpan to_host)
      : host_(NewEnd(Channel::Side::kHost, root, to_device, to_host)),
        device_(NewEnd(Channel::Side::kDevice, root, to_host, to_device)) {}

  // The message in a frame to the device or to the host, which must be sealed
  // to the same bytes again.
  base::SecretBytes Message(const Frame& frame, bool to_device) {
    Channel& sender = to_device ? host_ : device_;
    Channel& receiver = to_device ? device_ : host_;
    absl::StatusOr<base::SecretBytes> message = receiver.Open(frame);
    EXPECT_TRUE(message.ok()) << message.status();
    if (!message.ok()) return {};
    const auto sealed = sender.Seal(frame.op(), frame.id(), message->Expose());
    EXPECT_TRUE(sealed.ok() && *sealed == frame.body());
    return *std::move(message);
  }

 private:
  static Channel NewEnd(Channel::Side side, const base::Certificate& root,
                        ByteSpan send, ByteSpan receive) {
    handshake::Established established{{root, {}},
                                       base::SecretBytes::CopyOf(send),
                                       base::SecretBytes::CopyOf(receive),
                                       {}};
    return Channel(side, std::move(established));
  }
  Channel host_, device_;
};

void ExpectMessages(const base::SecretBytes& request,
                    const base::SecretBytes& answer, const std::string& name) {
  const auto asked = DecodeRequest(request.Expose());
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_TRUE(
      base::SameBytes(EncodeRequest(asked->op, asked->body.Expose()).Expose(),
                      request.Expose()));
  const auto told = DecodeReply(answer.Expose());
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_TRUE(base::SameBytes(
      EncodeReply(base::SecretBytes::CopyOf(told->Expose())).Expose(),
      answer.Expose()));
  EXPECT_TRUE(AllMessages::ForOp(
      asked->op,
      [&](auto message) {
        using Request = decltype(message);
        EXPECT_EQ(name, Request::kName);
        ExpectSameBytes<Request>(asked->body.Expose(), name);
        ExpectPayload<Request>(asked->body.Expose());
        ExpectSameBytes<typename Request::Reply>(told->Expose(), name);
        ExpectPayload<typename Request::Reply>(told->Expose());
      }))
      << "no message has the number " << asked->op;
}

Frame FrameOf(vectors::Block& block, const char* field) {
  const absl::StatusOr<Bytes> bytes = block.Hex(field);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  const absl::StatusOr<Frame> frame = Frame::Parse(*bytes);
  EXPECT_TRUE(frame.ok()) << frame.status();
  if (!frame.ok()) return Frame::Make(FrameOp::kError, {}, {});
  EXPECT_EQ(frame->Encode(), *bytes);
  return *frame;
}

TEST(WireRecordingTest, EveryFrameOpensAndIsMadeAgain) {
  auto file = vectors::VectorFile::Open(kRecording);
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<vectors::Block>& blocks = file->blocks();
  const auto root = base::Certificate::Parse(*blocks[0].Hex("root"));
  ASSERT_TRUE(root.ok()) << root.status();
  Ends ends(*root, *blocks[0].Hex("to_device"), *blocks[0].Hex("to_host"));
  // A device of the recorded fleet.
  const IdentityRef some = TestRoot::New().Issue("backup", "1");
  base::Identity identity = {
      *base::P384Key::FromPrivateDer(some->key.PrivateDer()->Expose()),
      some->certificate,
      {*root}};

  std::vector<std::string> names;
  for (size_t i = 1; i < blocks.size(); ++i) {
    vectors::Block& block = blocks[i];
    SCOPED_TRACE(block.Describe());
    names.push_back(*block.Text("message"));
    const Frame request = FrameOf(block, "request");
    const Frame answer = FrameOf(block, "answer");
    EXPECT_EQ(answer.id(), request.id());
    if (request.op() == FrameOp::kDiscover) {
      EXPECT_EQ(answer.op(), FrameOp::kDiscoverReply);
      ExpectSameBytes<DeviceInfo>(answer.body(), "DeviceInfo");
    } else if (request.op() == FrameOp::kHello) {
      EXPECT_EQ(answer.op(), FrameOp::kReply);
      handshake::Options options;
      options.purpose = kChannelPurpose;
      options.identity = &identity;
      const auto answered =
          handshake::Responder::Answer(std::move(options), request.body());
      EXPECT_TRUE(answered.ok()) << answered.status();
    } else if (request.op() == FrameOp::kFinish) {
      EXPECT_EQ(answer.op(), FrameOp::kReady);
      EXPECT_EQ(ends.Message(answer, /*to_device=*/false).size(), 0u);
    } else {
      EXPECT_EQ(request.op(), FrameOp::kSealed);
      EXPECT_EQ(answer.op(), FrameOp::kSealed);
      const base::SecretBytes asked = ends.Message(request, true);
      const base::SecretBytes told = ends.Message(answer, false);
      ExpectMessages(asked, told, names.back());
    }
  }
  EXPECT_EQ(names, std::vector<std::string>(std::begin(kExpected),
                                            std::end(kExpected)));
  EXPECT_EQ(file->CheckAllRead(), absl::OkStatus());
}

}  // namespace
}  // namespace hsm_io
