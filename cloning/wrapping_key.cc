#include "cloning/wrapping_key.h"

#include <optional>
#include <utility>

#include "base/wire.h"

namespace cloning {
namespace {

using base::Bytes;
using base::ByteSpan;
using base::RsaTransportKey;
using base::SecretBytes;

constexpr char kValue[] = "x/wrapping key";
constexpr uint8_t kFormat = 1;

struct WrappingCertificate {
  uint8_t format = kFormat;
  Bytes public_key;
  Bytes signature;
  template <typename V>
  void Fields(V& v) {
    v(format, public_key, signature);
  }
};

Bytes SignedPart(absl::string_view serial, ByteSpan public_key) {
  wire::Writer w;
  w.Text("perigee clone wrapping certificate 1");
  w.Text(serial);
  w.Sized(public_key);
  return std::move(w).Take();
}

absl::StatusOr<std::optional<RsaTransportKey>> Load(hsm::Hsm& hsm) {
  ASSIGN_OR_RETURN(const std::optional<SecretBytes> der,
                   hsm.GetSealedSecret(hsm.admin().space(), kValue));
  if (!der.has_value()) return std::optional<RsaTransportKey>();
  ASSIGN_OR_RETURN(RsaTransportKey key,
                   RsaTransportKey::FromPrivateDer(der->Expose()));
  return std::optional<RsaTransportKey>(std::move(key));
}

}  // namespace

absl::StatusOr<WrappingKeyRef> WrappingKeyOf(hsm::Hsm& hsm) {
  ASSIGN_OR_RETURN(std::optional<RsaTransportKey> key, Load(hsm));
  if (!key.has_value()) {
    ASSIGN_OR_RETURN(RsaTransportKey made, RsaTransportKey::Generate());
    ASSIGN_OR_RETURN(const SecretBytes der, made.PrivateDer());
    RETURN_IF_ERROR(hsm.Atomically([&]() -> absl::Status {
      ASSIGN_OR_RETURN(key, Load(hsm));
      if (key.has_value()) return absl::OkStatus();  // of another process
      key = std::move(made);
      return hsm.PutSealedValue(hsm.admin().space(), kValue, der.Expose());
    }));
  }
  return std::make_shared<const RsaTransportKey>(*std::move(key));
}

absl::StatusOr<Bytes> CertifyWrappingKey(const RsaTransportKey& key,
                                         const base::Identity& identity) {
  WrappingCertificate certificate;
  certificate.public_key = key.public_der();
  ASSIGN_OR_RETURN(
      certificate.signature,
      identity.key.Sign(SignedPart(identity.certificate.name().serial,
                                   certificate.public_key)));
  return wire::Encode(certificate);
}

absl::StatusOr<Bytes> CheckWrappingCertificate(
    ByteSpan bytes, const base::Certificate& device) {
  ASSIGN_OR_RETURN(
      WrappingCertificate certificate,
      wire::Decode<WrappingCertificate>(bytes, "wrapping certificate"));
  if (certificate.format != kFormat ||
      !device
           .VerifySignature(
               SignedPart(device.name().serial, certificate.public_key),
               certificate.signature)
           .ok()) {
    return base::Error(CKR_DEVICE_ERROR,
                       "cloning: a wrapping certificate of another device");
  }
  return std::move(certificate.public_key);
}

}  // namespace cloning
