// TLS 1.3 between two hosts of one fleet, as bytes in and bytes out: no socket,
// no waiting. The certificates are those that the fleet gives its hosts,
// checked by base/certificate and not by OpenSSL's chain builder, and both ends
// show one. docs/formats/remote.md has the parameters.
#ifndef PERIGEE_HSM_IO_TLS_SESSION_H_
#define PERIGEE_HSM_IO_TLS_SESSION_H_

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/certificate.h"
#include "hsm_io/transport.h"

namespace hsm_io {

enum class TlsSide : uint8_t { kClient, kServer };

// What the sessions of one end share. Immutable.
class TlsContext {
 public:
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Make(
      TlsSide side, std::shared_ptr<const base::Identity> identity);

 private:
  friend class TlsSession;
  TlsContext(TlsSide side, std::shared_ptr<const base::Identity> identity)
      : side_(side), identity_(std::move(identity)) {}

  const TlsSide side_;
  const std::shared_ptr<const base::Identity> identity_;
  base::OpenSslPtr<SSL_CTX, SSL_CTX_free> context_;
};

// One connection; used by one thread at a time. After an error only TakeOutput
// is of use: the alert that tells the other end why.
class TlsSession {
 public:
  // Says whether this host, which is of the fleet, may be the other end.
  using Judge = std::function<absl::Status(const base::Certificate&)>;

  static absl::StatusOr<std::unique_ptr<TlsSession>> New(
      std::shared_ptr<const TlsContext> context, Judge judge);

  // Bytes from the wire. CKR_DEVICE_REMOVED when the other end closed the
  // connection; CKR_DEVICE_ERROR, which says who refused whom and why.
  absl::Status Take(ByteSpan from_wire);
  // What is to be sent now.
  Bytes TakeOutput();
  // The handshake is over, as far as this end can see: a server's refusal
  // reaches a client after it.
  bool is_open() const { return is_open_; }
  // The other end's; once it is open.
  const base::Certificate& peer() const { return *peer_; }

  // What has arrived; the reader takes it off.
  Bytes& received() { return received_; }
  absl::Status Send(ByteSpan bytes);
  // The last words: there will be no more bytes.
  void Close();

 private:
  TlsSession(std::shared_ptr<const TlsContext> context, Judge judge)
      : context_(std::move(context)), judge_(std::move(judge)) {}

  friend class TlsContext;
  static TlsSession& Of(const SSL* ssl);
  static int CheckCertificate(X509_STORE_CTX* chain, void*) noexcept;
  static void NoteState(const SSL* ssl, int where, int value) noexcept;

  absl::Status Advance();
  absl::Status Stuck();
  absl::Status CheckPeer(const X509* x509, int& error);

  const std::shared_ptr<const TlsContext> context_;
  const Judge judge_;
  base::OpenSslPtr<SSL, SSL_free> ssl_;
  BIO* in_ = nullptr;   // owned by ssl_
  BIO* out_ = nullptr;  // the same
  Bytes received_;
  std::optional<base::Certificate> peer_;
  absl::Status refusal_;  // why this end refused the other
  int alert_ = -1;        // the last one that came
  bool is_open_ = false;
  bool is_over_ = false;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_TLS_SESSION_H_
