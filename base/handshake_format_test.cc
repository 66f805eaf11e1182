// A second initiator, written from docs/formats/handshake.md alone: if it and
// base/handshake.cc understand each other, the page has every byte. It also
// sends what an honest initiator never would.
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include <string>
#include <utility>

#include "base/handshake.h"
#include "base/wire.h"

namespace handshake {
namespace {

using base::Certificate;
using base::CkRv;
using base::Identity;
using base::OpenSslPtr;
using base::P384Key;
using base::Sha384;

constexpr char kPurpose[] = "perigee test 1";
constexpr uint8_t kInitiator = 1, kResponder = 2;
constexpr uint8_t kHello = 1, kReply = 2, kFinish = 3;

Bytes T(std::initializer_list<ByteSpan> parts) {
  wire::Writer w;
  w.Text("perigee handshake transcript 1");
  w.Text(kPurpose);
  for (ByteSpan part : parts) w.Sized(part);
  return Sha384({w.bytes()});
}

Bytes SignatureInput(uint8_t role, uint8_t message, ByteSpan transcript) {
  wire::Writer w;
  w.Text("perigee handshake signature 1");
  w.Text(kPurpose);
  w.U8(role);
  w.U8(message);
  w.Raw(transcript);
  return std::move(w).Take();
}

Bytes Confirmation(ByteSpan key, uint8_t role, ByteSpan transcript) {
  wire::Writer w;
  w.Text("perigee handshake confirmation 1");
  w.Text(kPurpose);
  w.U8(role);
  w.Raw(transcript);
  return base::ToBytes(base::HmacSha384(key, {w.bytes()}).Expose());
}

// The other valid form of an ECDSA signature: (r, n - s).
Bytes OtherForm(const Bytes& signature) {
  const uint8_t* next = signature.data();
  OpenSslPtr<ECDSA_SIG, ECDSA_SIG_free> sig(
      d2i_ECDSA_SIG(nullptr, &next, signature.size()));
  BIGNUM* n = nullptr;
  BN_hex2bn(&n,
            "ffffffffffffffffffffffffffffffffffffffffffffffff"
            "c7634d81f4372ddf581a0db248b0a77aecec196accc52973");
  BIGNUM* s = BN_new();
  BN_sub(s, n, ECDSA_SIG_get0_s(sig.get()));
  BN_free(n);
  ECDSA_SIG_set0(sig.get(), BN_dup(ECDSA_SIG_get0_r(sig.get())), s);
  Bytes out(i2d_ECDSA_SIG(sig.get(), nullptr));
  uint8_t* to = out.data();
  i2d_ECDSA_SIG(sig.get(), &to);
  return out;
}

class HandshakeFormatTest : public testing::Test {
 protected:
  HandshakeFormatTest() {
    hello_body_ = Body(kHello, alice_, statement_, ephemeral_);
    hello_signature_ =
        *alice_.key.Sign(SignatureInput(kInitiator, kHello, T({hello_body_})));
  }

  Identity NewIdentity(const std::string& serial) {
    P384Key key = P384Key::Generate().value();
    Certificate certificate =
        Certificate::Issue({serial, "perigee", "backup"}, key.public_point(),
                           root_key_, &root_)
            .value();
    return Identity{std::move(key), std::move(certificate), {root_}};
  }

  static Bytes Body(uint8_t message, const Identity& identity,
                    ByteSpan statement, const P384Key& ephemeral) {
    wire::Writer w;
    w.U8(1);
    w.U8(message);
    w.Sized(identity.certificate.der());
    w.Sized(statement);
    w.Raw(ephemeral.public_point());
    return std::move(w).Take();
  }

  Bytes Hello() const {
    wire::Writer w;
    w.Raw(hello_body_);
    w.Sized(hello_signature_);
    return std::move(w).Take();
  }

  static Bytes Finish(ByteSpan confirmation, ByteSpan signature) {
    wire::Writer w;
    w.U8(1);
    w.U8(kFinish);
    w.Raw(confirmation);
    w.Sized(signature);
    return std::move(w).Take();
  }

  Options BobsOptions() {
    Options options;
    options.purpose = kPurpose;
    options.identity = &bob_;
    options.statement = {9, 9};
    options.domain_secret = SecretBytes::CopyOf(domain_);
    return options;
  }

  // Takes the reply apart, checks all of it and derives the keys.
  void TakeReply(const Bytes& reply) {
    wire::Reader r(reply);
    EXPECT_EQ(r.U8(), several_ ? 2 : 1);
    EXPECT_EQ(r.U8(), kReply);
    EXPECT_EQ(r.Sized(), ByteSpan(bob_.certificate.der()));
    EXPECT_EQ(r.Sized(), ByteSpan({9, 9}));
    const ByteSpan peer_point = r.Raw(97);
    const ByteSpan body = ByteSpan(reply).first(reply.size() - r.remaining());
    const ByteSpan confirmation = r.Raw(several_ ? 144 : 48);
    const ByteSpan signature = r.Sized();
    ASSERT_TRUE(r.Finish("reply").ok());
    EXPECT_TRUE(
        bob_.certificate
            .VerifySignature(SignatureInput(kResponder, kReply,
                                            T({Hello(), body, confirmation})),
                             signature)
            .ok());
    Derive(peer_point, T({Hello(), body}));
    EXPECT_EQ(
        Confirmation(Okm(112, 48), kResponder, T({Hello(), body})),
        base::ToBytes(several_ ? confirmation.subspan(48, 48) : confirmation));
  }

  void Derive(ByteSpan peer_point, ByteSpan t2) {
    wire::Writer info;
    info.Text("perigee handshake keys 1");
    info.Text(kPurpose);
    info.U32(static_cast<uint32_t>(domain_.size()));
    info.Raw(alice_.certificate.fingerprint());
    info.Raw(bob_.certificate.fingerprint());
    info.Raw(Sha384({statement_}));
    info.Raw(Sha384({ByteSpan({9, 9})}));
    info.Raw(t2);
    const SecretBytes z = *ephemeral_.Agree(peer_point);
    const SecretBytes prk = base::HmacSha384(domain_, {z.Expose(), further_});
    // HKDF-Expand of RFC 5869, section 2.3.
    for (uint8_t i = 1; okm_.size() < 160; ++i) {
      const size_t done = okm_.size();
      const ByteSpan last =
          done == 0 ? ByteSpan() : ByteSpan(okm_).subspan(done - 48);
      const SecretBytes block =
          base::HmacSha384(prk.Expose(), {last, info.bytes(), ByteSpan(&i, 1)});
      okm_.insert(okm_.end(), block.Expose().begin(), block.Expose().end());
    }
  }

  ByteSpan Okm(size_t offset, size_t size) const {
    return ByteSpan(okm_).subspan(offset, size);
  }

  const P384Key root_key_ = P384Key::Generate().value();
  const Certificate root_ =
      Certificate::Issue({"fleet root", "", "root"}, root_key_.public_point(),
                         root_key_, nullptr)
          .value();
  const Identity alice_ = NewIdentity("1001");
  const Identity bob_ = NewIdentity("1002");
  const P384Key ephemeral_ = P384Key::Generate().value();
  const Bytes statement_ = {1, 2, 3};
  const Bytes domain_ = Bytes(32, 7);
  Bytes hello_body_;
  Bytes hello_signature_;
  Bytes okm_;
  Bytes further_;         // the secret of a further agreement
  bool several_ = false;  // Bob is in several domains, the second is Alice's
};

TEST_F(HandshakeFormatTest, InitiatorByThePage_IsUnderstood) {
  Responder responder = *Responder::Answer(BobsOptions(), Hello());
  const Bytes reply = responder.reply();
  TakeReply(reply);
  const Bytes confirmation =
      Confirmation(Okm(64, 48), kInitiator, T({Hello(), reply}));
  const Bytes t5 = T({Hello(), reply, confirmation});
  const Bytes signature =
      *alice_.key.Sign(SignatureInput(kInitiator, kFinish, t5));
  const auto established =
      std::move(responder).Confirm(Finish(confirmation, signature));
  ASSERT_TRUE(established.ok()) << established.status();
  EXPECT_TRUE(established->receive_key.Equals(Okm(0, 32)));
  EXPECT_TRUE(established->send_key.Equals(Okm(32, 32)));
  EXPECT_EQ(established->transcript, t5);
  EXPECT_EQ(established->peer.statement, statement_);
}

TEST_F(HandshakeFormatTest, SeveralDomainsAndAFurtherSecret_AreUnderstood) {
  several_ = true;
  further_ = Bytes(32, 5);
  Options options = BobsOptions();
  options.several_domains = true;
  options.domain_secret = SecretBytes::CopyOf(Bytes(48, 8));
  options.further_domains.push_back(SecretBytes::CopyOf(domain_));
  options.further_agreement = [&](ByteSpan statement) {
    EXPECT_EQ(statement, ByteSpan(statement_));
    return Agreed{SecretBytes::CopyOf(further_), {9, 9}};
  };
  options.statement = {1};
  Responder responder = *Responder::Answer(std::move(options), Hello());
  const Bytes reply = responder.reply();
  TakeReply(reply);
  const Bytes confirmation =
      Confirmation(Okm(64, 48), kInitiator, T({Hello(), reply}));
  const Bytes t5 = T({Hello(), reply, confirmation});
  const Bytes signature =
      *alice_.key.Sign(SignatureInput(kInitiator, kFinish, t5));
  const auto established =
      std::move(responder).Confirm(Finish(confirmation, signature));
  ASSERT_TRUE(established.ok()) << established.status();
  EXPECT_TRUE(established->receive_key.Equals(Okm(0, 32)));
  EXPECT_EQ(established->transcript, t5);
}

TEST_F(HandshakeFormatTest, SignedFinishWithAWrongConfirmation_IsRefused) {
  Responder responder = *Responder::Answer(BobsOptions(), Hello());
  const Bytes reply = responder.reply();
  const Bytes confirmation(48, 0);
  const Bytes signature = *alice_.key.Sign(
      SignatureInput(kInitiator, kFinish, T({Hello(), reply, confirmation})));
  EXPECT_EQ(CkRv(std::move(responder)
                     .Confirm(Finish(confirmation, signature))
                     .status()),
            CKR_DEVICE_ERROR);
}

// A right confirmation, signed as a responder would.
TEST_F(HandshakeFormatTest, FinishSignedInTheOtherRole_IsRefused) {
  Responder responder = *Responder::Answer(BobsOptions(), Hello());
  const Bytes reply = responder.reply();
  TakeReply(reply);
  const Bytes confirmation =
      Confirmation(Okm(64, 48), kInitiator, T({Hello(), reply}));
  const Bytes signature = *alice_.key.Sign(
      SignatureInput(kResponder, kFinish, T({Hello(), reply, confirmation})));
  EXPECT_EQ(CkRv(std::move(responder)
                     .Confirm(Finish(confirmation, signature))
                     .status()),
            CKR_DEVICE_ERROR);
}

// The responder's signature is over the hello that it saw.
TEST_F(HandshakeFormatTest, OtherFormOfTheHellosSignature_EndsTheExchange) {
  Options options = BobsOptions();
  options.identity = &alice_;
  Initiator initiator = *Initiator::Start(std::move(options));
  wire::Reader r(initiator.hello());
  hello_body_ = base::ToBytes(
      r.Raw(2 + 4 + alice_.certificate.der().size() + 4 + 2 + 97));
  hello_signature_ = OtherForm(base::ToBytes(r.Sized()));
  ASSERT_TRUE(r.Finish("hello").ok());
  const auto responder = Responder::Answer(BobsOptions(), Hello());
  ASSERT_TRUE(responder.ok()) << responder.status();
  EXPECT_EQ(CkRv(std::move(initiator).Finish(responder->reply()).status()),
            CKR_DEVICE_ERROR);
}

TEST_F(HandshakeFormatTest, OtherFormOfTheFinishsSignature_SameTranscript) {
  Options options = BobsOptions();
  options.identity = &alice_;
  Initiator initiator = *Initiator::Start(std::move(options));
  Responder responder = *Responder::Answer(BobsOptions(), initiator.hello());
  const auto result = *std::move(initiator).Finish(responder.reply());
  wire::Reader r(result.finish);
  r.Raw(2);
  const ByteSpan confirmation = r.Raw(48);
  const Bytes changed =
      Finish(confirmation, OtherForm(base::ToBytes(r.Sized())));
  EXPECT_NE(changed, result.finish);
  const auto established = std::move(responder).Confirm(changed);
  ASSERT_TRUE(established.ok()) << established.status();
  EXPECT_EQ(established->transcript, result.established.transcript);
}

TEST_F(HandshakeFormatTest, SignedHelloWithABadPoint_IsRefused) {
  hello_body_.back() ^= 1;
  hello_signature_ =
      *alice_.key.Sign(SignatureInput(kInitiator, kHello, T({hello_body_})));
  EXPECT_EQ(CkRv(Responder::Answer(BobsOptions(), Hello()).status()),
            CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace handshake
