#include "hsm_io/tls_session.h"

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/openssl_errors.h"

namespace hsm_io {
namespace {

// The protocol within, by ALPN: its length and its name.
constexpr uint8_t kProtocol[] = {12,  'p', 'e', 'r', 'i', 'g', 'e',
                                 'e', '-', 'r', 'b', 's', '1'};
// Certificates of a fleet have less than 1 KiB.
constexpr long kLongestChain = 4096;
constexpr size_t kChunk = 16 * 1024;

// What an alert of the other end means to an operator of this one.
struct AlertRow {
  int alert;
  const char* text;
};
constexpr AlertRow kAlerts[] = {
    {SSL_AD_UNKNOWN_CA, "does not know the fleet of this host"},
    {SSL_AD_BAD_CERTIFICATE, "refused this host: it is not the one it expects"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "refused the certificate of this host"},
    {SSL_AD_CERTIFICATE_REQUIRED, "wants a certificate of a fleet's host"},
    {SSL_AD_NO_APPLICATION_PROTOCOL,
     "speaks another version of this protocol: update the older side"},
    {SSL_AD_PROTOCOL_VERSION, "does not speak TLS 1.3"},
};

std::string AlertText(int alert) {
  const auto* row =
      std::find_if(std::begin(kAlerts), std::end(kAlerts),
                   [&](const AlertRow& each) { return each.alert == alert; });
  if (row != std::end(kAlerts)) return row->text;
  return absl::StrCat("ended the connection: ",
                      SSL_alert_desc_string_long(alert));
}

const char* Other(TlsSide side) {
  return side == TlsSide::kClient ? "the server" : "the client";
}

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* size,
                   const unsigned char* offered, unsigned int offered_size,
                   void*) noexcept {
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(
      &chosen, size, kProtocol, sizeof kProtocol, offered, offered_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool SetUp(SSL_CTX* context, TlsSide side) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, kLongestChain);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  if (side == TlsSide::kServer) {
    SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
    if (SSL_CTX_set_num_tickets(context, 0) != 1) return false;
  } else if (SSL_CTX_set_alpn_protos(context, kProtocol, sizeof kProtocol) !=
             0) {
    return false;
  }
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1 &&
         SSL_CTX_set1_groups_list(context, "P-384") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, "ECDSA+SHA384") == 1;
}

bool UseIdentity(SSL_CTX* context, const base::Identity& identity) {
  X509* made = X509_new_ex(base::OpenSslContext(), nullptr);
  const Bytes& der = identity.certificate.der();
  const uint8_t* next = der.data();
  // On failure d2i_X509 frees what it was given and nulls the pointer.
  const bool parsed =
      made != nullptr &&
      d2i_X509(&made, &next, static_cast<long>(der.size())) != nullptr;
  const base::OpenSslPtr<X509, X509_free> certificate(made);
  return parsed && SSL_CTX_use_certificate(context, certificate.get()) == 1 &&
         SSL_CTX_use_PrivateKey(context, identity.key.pkey()) == 1;
}

absl::StatusOr<base::Certificate> ParseCertificate(const X509* x509) {
  const int size = x509 == nullptr ? 0 : i2d_X509(x509, nullptr);
  if (size <= 0) return base::Error(CKR_DEVICE_ERROR, "no certificate");
  Bytes der(static_cast<size_t>(size));
  uint8_t* next = der.data();
  i2d_X509(x509, &next);
  return base::Certificate::Parse(der);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Make(
    TlsSide side, std::shared_ptr<const base::Identity> identity) {
  RETURN_IF_ERROR(base::CheckHostsRandom());
  std::shared_ptr<TlsContext> made(new TlsContext(side, std::move(identity)));
  made->context_.reset(SSL_CTX_new_ex(
      base::OpenSslContext(), nullptr,
      side == TlsSide::kClient ? TLS_client_method() : TLS_server_method()));
  SSL_CTX* const context = made->context_.get();
  if (context == nullptr || !SetUp(context, side) ||
      !UseIdentity(context, *made->identity_)) {
    return base::OpenSslError(CKR_GENERAL_ERROR, "TLS cannot be set up");
  }
  SSL_CTX_set_cert_verify_callback(context, TlsSession::CheckCertificate,
                                   nullptr);
  SSL_CTX_set_info_callback(context, TlsSession::NoteState);
  base::ForgetOpenSslErrors();
  return made;
}

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::New(
    std::shared_ptr<const TlsContext> context, Judge judge) {
  std::unique_ptr<TlsSession> made(
      new TlsSession(std::move(context), std::move(judge)));
  made->ssl_.reset(SSL_new(made->context_->context_.get()));
  made->in_ = BIO_new(BIO_s_mem());
  made->out_ = BIO_new(BIO_s_mem());
  if (made->ssl_ == nullptr || made->in_ == nullptr || made->out_ == nullptr) {
    BIO_free(made->in_);
    BIO_free(made->out_);
    return base::OpenSslError(CKR_HOST_MEMORY, "TLS");
  }
  SSL* const ssl = made->ssl_.get();
  SSL_set_bio(ssl, made->in_, made->out_);
  SSL_set_app_data(ssl, made.get());
  if (made->context_->side_ == TlsSide::kClient) {
    SSL_set_connect_state(ssl);
    RETURN_IF_ERROR(made->Advance());
  } else {
    SSL_set_accept_state(ssl);
  }
  return made;
}

absl::Status TlsSession::Take(ByteSpan from_wire) {
  const int size = static_cast<int>(from_wire.size());
  if (size > 0 && BIO_write(in_, from_wire.data(), size) != size) {
    return base::OpenSslError(CKR_HOST_MEMORY, "TLS");
  }
  return Advance();
}

Bytes TlsSession::TakeOutput() {
  Bytes out(BIO_ctrl_pending(out_));
  if (!out.empty()) BIO_read(out_, out.data(), static_cast<int>(out.size()));
  return out;
}

absl::Status TlsSession::Send(ByteSpan bytes) {
  size_t written = 0;
  if (bytes.empty()) return absl::OkStatus();
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1 ||
      written != bytes.size()) {
    return base::OpenSslError(CKR_DEVICE_REMOVED, "TLS cannot send");
  }
  return absl::OkStatus();
}

void TlsSession::Close() {
  if (is_open_) SSL_shutdown(ssl_.get());
  base::ForgetOpenSslErrors();
}

absl::Status TlsSession::Advance() {
  if (!is_open_) {
    if (SSL_do_handshake(ssl_.get()) != 1) return Stuck();
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
    if (size != sizeof kProtocol - 1 || !peer_.has_value()) {
      return base::Error(CKR_DEVICE_ERROR,
                         absl::StrCat(Other(context_->side_),
                                      " is no Remote Backup Service's, or "
                                      "one of another version"));
    }
    is_open_ = true;
  }
  for (;;) {
    uint8_t chunk[kChunk];
    size_t size = 0;
    if (SSL_read_ex(ssl_.get(), chunk, sizeof chunk, &size) != 1) {
      return Stuck();
    }
    received_.insert(received_.end(), chunk, chunk + size);
  }
}

// Not by SSL_get_error, which looks at the error queue: that is the host's. And
// "wants to read" is also said after an error; but then there was a fatal
// alert, or something is left that nobody will read.
absl::Status TlsSession::Stuck() {
  if (!is_over_ && SSL_want_read(ssl_.get()) && BIO_ctrl_pending(in_) == 0) {
    return absl::OkStatus();
  }
  is_over_ = true;
  const std::string other = Other(context_->side_);
  absl::Status why = refusal_;
  if (why.ok() && alert_ == SSL_AD_CLOSE_NOTIFY) {
    why = base::Error(CKR_DEVICE_REMOVED, absl::StrCat(other, " closed it"));
  } else if (why.ok() && alert_ >= 0) {
    why = base::Error(CKR_DEVICE_ERROR,
                      absl::StrCat(other, " ", AlertText(alert_)));
  } else if (why.ok()) {
    why = base::OpenSslError(CKR_DEVICE_ERROR,
                             absl::StrCat(other, " is not understood"));
  }
  base::ForgetOpenSslErrors();
  return why;
}

TlsSession& TlsSession::Of(const SSL* ssl) {
  return *static_cast<TlsSession*>(SSL_get_app_data(ssl));
}

void TlsSession::NoteState(const SSL* ssl, int where, int value) noexcept {
  const bool came = where == SSL_CB_READ_ALERT;
  if (!came && where != SSL_CB_WRITE_ALERT) return;
  TlsSession& session = Of(ssl);
  const int alert = value & 0xff;
  if (came) session.alert_ = alert;
  // TLS 1.3 knows one that is no end.
  session.is_over_ |=
      value >> 8 == SSL3_AL_FATAL || (came && alert != SSL_AD_USER_CANCELLED);
}

// `error` becomes what OpenSSL makes the alert of.
absl::Status TlsSession::CheckPeer(const X509* x509, int& error) {
  const char* const other = Other(context_->side_);
  error = X509_V_ERR_CERT_REJECTED;
  absl::StatusOr<base::Certificate> peer = ParseCertificate(x509);
  if (!peer.ok()) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(other, " has no certificate of a fleet: ",
                                    peer.status().message()));
  }
  const auto& roots = context_->identity_->roots;
  if (std::none_of(roots.begin(), roots.end(), [&](const auto& root) {
        return peer->VerifyUnder(root).ok();
      })) {
    error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(other, " is not of this host's fleet"));
  }
  if (peer->name().kind != "host") {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(other, " shows the certificate of a ",
                                    peer->name().kind, ", not of a host"));
  }
  RETURN_IF_ERROR(judge_(*peer));
  peer_ = *std::move(peer);
  error = X509_V_OK;
  return absl::OkStatus();
}

int TlsSession::CheckCertificate(X509_STORE_CTX* chain, void*) noexcept {
  int error = X509_V_ERR_OUT_OF_MEM;
  try {
    TlsSession& session = Of(static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(
        chain, SSL_get_ex_data_X509_STORE_CTX_idx())));
    session.refusal_ =
        session.CheckPeer(X509_STORE_CTX_get0_cert(chain), error);
  } catch (const std::bad_alloc&) {
    error = X509_V_ERR_OUT_OF_MEM;
  }
  X509_STORE_CTX_set_error(chain, error);
  return error == X509_V_OK ? 1 : 0;
}

}  // namespace hsm_io
