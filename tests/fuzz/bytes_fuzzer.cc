// One fuzzer for every parser of foreign bytes. The first byte chooses which;
// the rest is what it gets. Nothing may crash, hang or read out of bounds, and
// what parses must encode to the same bytes again where the format promises it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/certificate.h"
#include "base/handshake.h"
#include "base/wire.h"
#include "cloning/endpoint.h"
#include "hsm/attribute_rules.h"
#include "hsm/attribute_set.h"
#include "hsm/audit_verify.h"
#include "hsm/object_record.h"
#include "hsm/statement.h"
#include "hsm/vault.h"
#include "hsm_io/frame.h"
#include "hsm_io/message_list.h"
#include "hsm_io/sealed_message.h"
#include "pkcs11/mechanism.h"

namespace {

using base::ByteSpan;

void Require(bool held) {
  if (!held) std::abort();
}

void Frames(ByteSpan in) {
  base::Bytes received = base::ToBytes(in);
  for (;;) {
    auto frame = hsm_io::TakeFrame(received);
    if (!frame.ok() || !frame->has_value()) return;
    auto again = hsm_io::Frame::Parse((*frame)->Encode());
    Require(again.ok() && again->body() == (*frame)->body());
  }
}

template <typename Message>
void RoundTrip(ByteSpan in) {
  auto message = wire::Decode<Message>(in, "fuzz");
  if (!message.ok()) return;
  Require(base::SameBytes(wire::EncodeSecret(*message).Expose(), in));
}

void Messages(ByteSpan in) {
  if (in.empty()) return;
  const uint8_t which = in[0];
  in.remove_prefix(1);
  switch (which % 16) {
    case 0:
      return RoundTrip<hsm_io::DeviceInfo>(in);
    case 1:
      return RoundTrip<hsm_io::GetHsmStatus::Reply>(in);
    case 2:
      return RoundTrip<hsm_io::InitHsm>(in);
    case 3:
      return RoundTrip<hsm_io::SetHsmPolicies>(in);
    case 4:
      return RoundTrip<hsm_io::Login>(in);
    case 5:
      return RoundTrip<hsm_io::ListContainers::Reply>(in);
    case 6:
      return RoundTrip<hsm_io::CreateContainer>(in);
    case 7:
      return RoundTrip<hsm_io::ListObjects::Reply>(in);
    case 8:
      return RoundTrip<hsm_io::RunNext>(in);
    case 9:
      return RoundTrip<hsm_io::RunAccept>(in);
    case 10:
      return RoundTrip<hsm_io::Outcome::Reply>(in);
    case 11:
      return RoundTrip<cloning::Batch>(in);
    case 12:
      return RoundTrip<std::vector<cloning::TargetResult>>(in);
    case 13:
      return RoundTrip<hsm::Statement>(in);
    case 14:
      return RoundTrip<hsm::KdfParameters>(in);
    default:
      return RoundTrip<hsm_io::Adopt>(in);
  }
}

// By the number of the request.
void AnyMessage(ByteSpan in) {
  if (in.empty()) return;
  const uint16_t op = in[0];
  in.remove_prefix(1);
  hsm_io::AllMessages::ForOp(op, [&](auto request) {
    RoundTrip<decltype(request)>(in);
    RoundTrip<typename decltype(request)::Reply>(in);
  });
}

void Replies(ByteSpan in) {
  hsm_io::DecodeRequest(in).status().IgnoreError();
  hsm_io::DecodeReply(in).status().IgnoreError();
  hsm_io::DecodeLinkError(in).IgnoreError();
}

void Attributes(ByteSpan in) {
  auto set = hsm::AttributeSet::Decode(in);
  if (!set.ok()) return;
  Require(base::SameBytes(set->Encode().Expose(), in));
  hsm::ResolveContext context;
  context.logged_in = true;
  for (auto how : {hsm::How::kCreate, hsm::How::kGenerate, hsm::How::kUnwrap,
                   hsm::How::kDerive, hsm::How::kClone}) {
    hsm::Resolve(how, *set, context).status().IgnoreError();
  }
  pkcs11::CompleteKeyMaterial(*set).status().IgnoreError();
}

void Records(ByteSpan in) {
  hsm::KeyRing ring;
  ring.public_key = base::SecretBytes(32);
  hsm::Vault::Opened opened;
  opened.id = 1;
  opened.version = 1;
  opened.plaintext = base::SecretBytes::CopyOf(in);
  hsm::DecodeObject(1, opened, ring).status().IgnoreError();
}

const base::Identity& SomeIdentity() {
  static const base::Identity* const identity = [] {
    auto key = base::P384Key::Generate();
    auto root = base::Certificate::Issue({"fleet root", "", "root"},
                                         key->public_point(), *key, nullptr);
    auto own = base::P384Key::Generate();
    auto certificate = base::Certificate::Issue(
        {"1234567", "fuzz", "host"}, own->public_point(), *key, &*root);
    return new base::Identity{
        *std::move(own), *std::move(certificate), {*std::move(root)}};
  }();
  return *identity;
}

void Handshakes(ByteSpan in) {
  handshake::Options options;
  options.purpose = "fuzz";
  options.identity = &SomeIdentity();
  handshake::Responder::Answer(std::move(options), in).status().IgnoreError();
}

void KeyFiles(ByteSpan in) {
  pkcs11::DecodePrivateKeyInfo(in).status().IgnoreError();
  base::P384Key::FromPrivateDer(in).status().IgnoreError();
}

void AuditLogs(ByteSpan in) {
  hsm::VerifyAudit(base::AsText(in), SomeIdentity().roots);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const ByteSpan in(bytes + 1, size - 1);
  // What was made for the first eight stays what it is.
  switch (bytes[0] < 10 ? bytes[0] : bytes[0] % 8) {
    case 0:
      Frames(in);
      break;
    case 1:
      Messages(in);
      break;
    case 2:
      Replies(in);
      break;
    case 3:
      Attributes(in);
      break;
    case 4:
      Records(in);
      break;
    case 5:
      base::Certificate::Parse(in).status().IgnoreError();
      break;
    case 6:
      Handshakes(in);
      break;
    case 7:
      KeyFiles(in);
      break;
    case 9:
      AnyMessage(in);
      break;
    default:
      AuditLogs(in);
      break;
  }
  return 0;
}
