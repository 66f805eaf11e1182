// Two ends in memory.
#include "hsm_io/tls_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "hsm_io/host_name.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

using ::testing::HasSubstr;

absl::Status Anybody(const base::Certificate&) { return absl::OkStatus(); }

std::string TextOf(const absl::Status& status) {
  return std::string(status.message());
}

struct Ends {
  Ends(const IdentityRef& client_identity, const IdentityRef& server_identity,
       TlsSession::Judge of_server = Anybody,
       TlsSession::Judge of_client = Anybody) {
    auto ours = TlsContext::Make(TlsSide::kClient, client_identity);
    auto theirs = TlsContext::Make(TlsSide::kServer, server_identity);
    EXPECT_TRUE(ours.ok()) << ours.status();
    EXPECT_TRUE(theirs.ok()) << theirs.status();
    client = *TlsSession::New(*ours, std::move(of_server));
    server = *TlsSession::New(*theirs, std::move(of_client));
  }

  // Carries `size` bytes at a time until nothing is left or both have ended.
  void Run(size_t size = 100000) {
    for (;;) {
      const Bytes to_server = client->TakeOutput();
      const Bytes to_client = server->TakeOutput();
      if (to_server.empty() && to_client.empty()) return;
      Give(*server, to_server, server_status, size);
      Give(*client, to_client, client_status, size);
    }
  }

  static void Give(TlsSession& to, ByteSpan bytes, absl::Status& status,
                   size_t size) {
    while (!bytes.empty() && status.ok()) {
      const size_t part = std::min(size, bytes.size());
      status = to.Take(bytes.subspan(0, part));
      bytes.remove_prefix(part);
    }
  }

  std::unique_ptr<TlsSession> client, server;
  absl::Status client_status, server_status;
};

class TlsSessionTest : public testing::Test {
 protected:
  const TestRoot root_ = TestRoot::New();
  const IdentityRef client_ = root_.Issue("host", "11");
  const IdentityRef server_ = root_.Issue("host", "22");
};

TEST_F(TlsSessionTest, HostsOfOneFleet_KnowEachOther) {
  Ends ends(client_, server_);
  ends.Run();
  ASSERT_EQ(ends.client_status, absl::OkStatus());
  ASSERT_EQ(ends.server_status, absl::OkStatus());
  ASSERT_TRUE(ends.client->is_open());
  ASSERT_TRUE(ends.server->is_open());
  EXPECT_EQ(ends.client->peer().name().serial, "22");
  EXPECT_EQ(ends.server->peer().name().serial, "11");
}

TEST_F(TlsSessionTest, BytesOneByOne_AreAHandshake) {
  Ends ends(client_, server_);
  ends.Run(1);
  EXPECT_TRUE(ends.client->is_open());
  EXPECT_TRUE(ends.server->is_open());
}

TEST_F(TlsSessionTest, CarriesAMegabyteEachWay) {
  Ends ends(client_, server_);
  ends.Run();
  const Bytes much(1 << 20, 0x5a);
  ASSERT_EQ(ends.client->Send(much), absl::OkStatus());
  ASSERT_EQ(ends.server->Send(much), absl::OkStatus());
  ends.Run(777);
  EXPECT_EQ(ends.client_status, absl::OkStatus());
  EXPECT_EQ(ends.client->received(), much);
  EXPECT_EQ(ends.server->received(), much);
}

// Shows a certificate of its own fleet, and trusts the other one's server.
IdentityRef StrangerWhoTrusts(const TestRoot& fleet) {
  const TestRoot own = TestRoot::New();
  const IdentityRef issued = own.Issue("host", "11");
  return std::make_shared<const base::Identity>(base::Identity{
      *base::P384Key::FromPrivateDer(issued->key.PrivateDer()->Expose()),
      issued->certificate,
      {fleet.certificate}});
}

TEST_F(TlsSessionTest, ClientOfAnotherFleet_IsRefusedAndToldWhy) {
  Ends ends(StrangerWhoTrusts(root_), server_);
  ends.Run();
  EXPECT_FALSE(ends.server->is_open());
  EXPECT_EQ(TextOf(ends.server_status),
            "the client is not of this host's fleet");
  EXPECT_EQ(TextOf(ends.client_status),
            "the server does not know the fleet of this host");
  EXPECT_EQ(base::CkRv(ends.client_status), CKR_DEVICE_ERROR);
}

TEST_F(TlsSessionTest, ServerOfAnotherFleet_IsRefusedAndToldWhy) {
  Ends ends(client_, TestRoot::New().Issue("host", "22"));
  ends.Run();
  EXPECT_FALSE(ends.client->is_open());
  EXPECT_EQ(TextOf(ends.client_status),
            "the server is not of this host's fleet");
  EXPECT_EQ(TextOf(ends.server_status),
            "the client does not know the fleet of this host");
}

TEST_F(TlsSessionTest, DeviceAsServer_IsRefused) {
  Ends ends(client_, root_.Issue("backup", "22"));
  ends.Run();
  EXPECT_FALSE(ends.client->is_open());
  EXPECT_THAT(TextOf(ends.client_status), HasSubstr("certificate of a backup"));
}

TEST_F(TlsSessionTest, RootAsClient_IsRefused) {
  base::Identity root{
      *base::P384Key::FromPrivateDer(root_.key.PrivateDer()->Expose()),
      root_.certificate,
      {root_.certificate}};
  Ends ends(std::make_shared<const base::Identity>(std::move(root)), server_);
  ends.Run();
  EXPECT_FALSE(ends.server->is_open());
  EXPECT_EQ(TextOf(ends.server_status),
            "the client is not of this host's fleet");
}

TEST_F(TlsSessionTest, ServerThatIsNotTheExpectedOne_IsRefusedAndToldWhy) {
  Ends ends(client_, server_, [](const base::Certificate& server) {
    return base::Error(CKR_DEVICE_ERROR, "not you, " + server.name().serial);
  });
  ends.Run();
  EXPECT_FALSE(ends.client->is_open());
  EXPECT_EQ(TextOf(ends.client_status), "not you, 22");
  EXPECT_THAT(TextOf(ends.server_status),
              HasSubstr("the client refused this host"));
}

TEST_F(TlsSessionTest, ClosedSession_IsRemovedAtTheOtherEnd) {
  Ends ends(client_, server_);
  ends.Run();
  ends.client->Close();
  ends.Run();
  EXPECT_EQ(base::CkRv(ends.server_status), CKR_DEVICE_REMOVED);
}

TEST_F(TlsSessionTest, AlteredRecord_EndsTheSession) {
  Ends ends(client_, server_);
  ends.Run();
  ASSERT_TRUE(ends.client->Send(Bytes(100, 1)).ok());
  Bytes record = ends.client->TakeOutput();
  record[50] ^= 1;
  EXPECT_EQ(base::CkRv(ends.server->Take(record)), CKR_DEVICE_ERROR);
  EXPECT_TRUE(ends.server->received().empty());
}

TEST_F(TlsSessionTest, RepeatedRecord_EndsTheSession) {
  Ends ends(client_, server_);
  ends.Run();
  ASSERT_TRUE(ends.client->Send(Bytes(100, 1)).ok());
  const Bytes record = ends.client->TakeOutput();
  ASSERT_TRUE(ends.server->Take(record).ok());
  EXPECT_EQ(base::CkRv(ends.server->Take(record)), CKR_DEVICE_ERROR);
  EXPECT_EQ(ends.server->received().size(), 100u);
}

// Every byte of a client's first flight altered in turn: an error or a
// handshake that goes no further, and the server answers with little.
TEST_F(TlsSessionTest, AlteredHello_OpensNothing) {
  const auto context = *TlsContext::Make(TlsSide::kServer, server_);
  const auto ours = *TlsContext::Make(TlsSide::kClient, client_);
  const Bytes hello = (*TlsSession::New(ours, Anybody))->TakeOutput();
  for (size_t i = 0; i < hello.size(); ++i) {
    Bytes altered = hello;
    altered[i] ^= 0x55;
    auto server = *TlsSession::New(context, Anybody);
    server->Take(altered).IgnoreError();
    EXPECT_FALSE(server->is_open()) << i;
    EXPECT_LT(server->TakeOutput().size(), 4096u) << i;
  }
}

// What is not TLS, or not as it is wanted here, made by OpenSSL itself.
class ForeignClientTest : public TlsSessionTest {
 protected:
  ForeignClientTest()
      : context_(SSL_CTX_new(TLS_client_method())),
        server_end_(*TlsSession::New(
            *TlsContext::Make(TlsSide::kServer, server_), Anybody)) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  }

  absl::Status Run() {
    base::OpenSslPtr<SSL, SSL_free> ssl(SSL_new(context_.get()));
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), in, out);
    SSL_set_connect_state(ssl.get());
    absl::Status status;
    for (int i = 0; i < 5 && status.ok(); ++i) {
      SSL_do_handshake(ssl.get());
      Bytes bytes(BIO_ctrl_pending(out));
      BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
      status = server_end_->Take(bytes);
      const Bytes back = server_end_->TakeOutput();
      BIO_write(in, back.data(), static_cast<int>(back.size()));
    }
    return status;
  }
  void OfferProtocol(const std::string& name) {
    const std::string list = static_cast<char>(name.size()) + name;
    SSL_CTX_set_alpn_protos(context_.get(),
                            reinterpret_cast<const uint8_t*>(list.data()),
                            static_cast<unsigned>(list.size()));
  }

  base::OpenSslPtr<SSL_CTX, SSL_CTX_free> context_;
  const std::unique_ptr<TlsSession> server_end_;
};

TEST_F(ForeignClientTest, WithoutACertificate_IsRefused) {
  OfferProtocol("perigee-rbs1");
  EXPECT_EQ(base::CkRv(Run()), CKR_DEVICE_ERROR);
  EXPECT_FALSE(server_end_->is_open());
}

TEST_F(ForeignClientTest, OfAnotherVersionOfTheProtocol_IsRefused) {
  OfferProtocol("perigee-rbs2");
  EXPECT_THAT(TextOf(Run()), HasSubstr("application protocol"));
}

TEST_F(ForeignClientTest, WithTls12_IsRefused) {
  OfferProtocol("perigee-rbs1");
  SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);
  EXPECT_THAT(TextOf(Run()), HasSubstr("protocol"));
  EXPECT_FALSE(server_end_->is_open());
}

TEST_F(ForeignClientTest, WithAnOwnCertificate_IsRefused) {
  OfferProtocol("perigee-rbs1");
  base::OpenSslPtr<EVP_PKEY, EVP_PKEY_free> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
  base::OpenSslPtr<X509, X509_free> own(X509_new());
  X509_set_version(own.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(own.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(own.get()), 3600);
  X509_set_pubkey(own.get(), key.get());
  X509_sign(own.get(), key.get(), EVP_sha384());
  ASSERT_EQ(SSL_CTX_use_certificate(context_.get(), own.get()), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(context_.get(), key.get()), 1);
  EXPECT_THAT(TextOf(Run()), HasSubstr("no certificate of a fleet"));
  EXPECT_FALSE(server_end_->is_open());
}

TEST_F(TlsSessionTest, Garbage_IsAnError) {
  auto server =
      *TlsSession::New(*TlsContext::Make(TlsSide::kServer, server_), Anybody);
  EXPECT_EQ(base::CkRv(server->Take(Bytes(64, 'A'))), CKR_DEVICE_ERROR);
}

TEST(HostNameTest, SerialsAndFingerprints_AreNames) {
  const TestRoot root = TestRoot::New();
  const base::Certificate host = root.Issue("host", "4711")->certificate;
  const base::Certificate other = root.Issue("host", "4712")->certificate;
  const std::string whole = Describe(host);
  const std::string print = whole.substr(whole.size() - 65, 64);
  std::string grouped;
  for (size_t i = 0; i < print.size(); i += 4) {
    grouped += print.substr(i, 4) + (i % 8 == 0 ? ":" : " ");
  }
  for (const std::string& name : {std::string("4711"), print, grouped}) {
    const auto parsed = HostName::Parse(name);
    ASSERT_TRUE(parsed.ok()) << name;
    EXPECT_TRUE(parsed->Fits(host)) << name;
    EXPECT_FALSE(parsed->Fits(other)) << name;
  }
}

TEST(HostNameTest, OtherTexts_AreNone) {
  for (const std::string bad :
       {"", "backup1", "123456789012345678901", "4711,", ",4711"}) {
    EXPECT_EQ(base::CkRv(ParseHostNames(bad).status()), CKR_ARGUMENTS_BAD)
        << bad;
  }
  EXPECT_EQ(ParseHostNames("1,2,3")->size(), 3u);
}

}  // namespace
}  // namespace hsm_io
