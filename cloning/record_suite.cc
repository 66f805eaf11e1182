// The suites; every byte is in docs/formats/cloning.md.
#include "cloning/record_suite.h"

#include <utility>

#include "base/handshake.h"
#include "base/wire.h"
#include "cloning/endpoint.h"

namespace cloning {
namespace {

using base::RsaTransportKey;

// --- CPv3: AES-256-GCM under the key of the handshake ---

Bytes NonceOf(uint64_t number) {
  wire::Writer w;
  w.U32(0);
  w.U64(number);
  return std::move(w).Take();
}

size_t GcmSize(size_t plaintext) { return plaintext + base::kAeadTagSize; }

absl::StatusOr<Bytes> GcmSeal(const RecordKeys& keys, const RecordInput& input,
                              ByteSpan plaintext) {
  return base::AeadSeal(keys.key.Expose(), NonceOf(input.number),
                        input.associated, plaintext);
}

absl::StatusOr<SecretBytes> GcmOpen(const RecordKeys& keys,
                                    const RecordInput& input, ByteSpan sealed) {
  return base::AeadOpen(keys.key.Expose(), NonceOf(input.number),
                        input.associated, sealed);
}

// --- CPv1: a key of its own, carried by RSA-OAEP; AES-256-CBC, HMAC ---

constexpr size_t kSecretSize = 32, kKeySize = 32;
constexpr size_t kBlockSize = 16, kTagSize = base::kSha256Size;
constexpr size_t kHeadSize = RsaTransportKey::kWrappedSize + kBlockSize;
constexpr char kLabel[] = "perigee clone transport 1";

size_t TransportSize(size_t plaintext) {
  return kHeadSize + (plaintext / kBlockSize + 1) * kBlockSize + 2 * kTagSize;
}

struct TransportKeys {
  SecretBytes encryption;
  SecretBytes domain_tag;
};

absl::StatusOr<TransportKeys> DeriveTransportKeys(const SecretBytes& domain,
                                                  const RecordKeys& keys,
                                                  const RecordInput& input,
                                                  const SecretBytes& secret) {
  wire::Writer info;
  info.Text("perigee clone transport keys 1");
  info.U32(static_cast<uint32_t>(domain.size()));
  info.Raw(base::Sha256({keys.wrap_to}));
  info.Sized(input.associated);
  ASSIGN_OR_RETURN(const SecretBytes okm,
                   base::HkdfSha256(secret.Expose(), domain.Expose(),
                                    info.bytes(), 2 * kKeySize));
  return TransportKeys{SecretBytes::CopyOf(okm.Expose().first(kKeySize)),
                       SecretBytes::CopyOf(okm.Expose().last(kKeySize))};
}

// Under a key that both domain and secret are in: what differs between domains.
SecretBytes DomainTag(const TransportKeys& keys, const RecordInput& input,
                      ByteSpan text) {
  return base::HmacSha256(keys.domain_tag.Expose(), {input.associated, text});
}

// Under the key of the handshake: who altered the record is not the source.
SecretBytes RunTag(const RecordKeys& keys, const RecordInput& input,
                   ByteSpan text) {
  wire::Writer head;
  head.Text("perigee clone transport tag 1");
  return base::HmacSha256(keys.key.Expose(),
                          {head.bytes(), input.associated, text});
}

// AES-256-CBC with the padding of PKCS #7, in both directions.
absl::StatusOr<SecretBytes> Cbc(bool encrypt, const SecretBytes& key,
                                ByteSpan iv, ByteSpan in) {
  const base::OpenSslPtr<EVP_CIPHER, EVP_CIPHER_free> cipher(
      EVP_CIPHER_fetch(base::OpenSslContext(), "AES-256-CBC", nullptr));
  const base::OpenSslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> ctx(
      EVP_CIPHER_CTX_new());
  SecretBytes out(in.size() + kBlockSize);
  uint8_t* to = out.ExposeMutable().data();
  int size = 0, rest = 0;
  if (cipher == nullptr || ctx == nullptr ||
      EVP_CipherInit_ex2(ctx.get(), cipher.get(), key.Expose().data(),
                         iv.data(), encrypt ? 1 : 0, nullptr) != 1 ||
      EVP_CipherUpdate(ctx.get(), to, &size, in.data(),
                       static_cast<int>(in.size())) != 1 ||
      EVP_CipherFinal_ex(ctx.get(), to + size, &rest) != 1) {
    return base::OpenSslError(CKR_DEVICE_ERROR, "AES-256-CBC");
  }
  out.Truncate(static_cast<size_t>(size) + static_cast<size_t>(rest));
  return out;
}

void Append(Bytes& to, ByteSpan more) {
  to.insert(to.end(), more.begin(), more.end());
}

absl::StatusOr<Bytes> TransportSeal(const RecordKeys& keys,
                                    const RecordInput& input,
                                    ByteSpan plaintext) {
  ASSIGN_OR_RETURN(const SecretBytes secret, base::RandomSecret(kSecretSize));
  ASSIGN_OR_RETURN(
      const TransportKeys record,
      DeriveTransportKeys(keys.domain_secret, keys, input, secret));
  ASSIGN_OR_RETURN(
      Bytes sealed,
      base::RsaWrap(keys.wrap_to, base::AsBytes(kLabel), secret.Expose()));
  ASSIGN_OR_RETURN(const Bytes iv, base::RandomBytes(kBlockSize));
  ASSIGN_OR_RETURN(const SecretBytes text,
                   Cbc(/*encrypt=*/true, record.encryption, iv, plaintext));
  Append(sealed, iv);
  Append(sealed, text.Expose());
  Append(sealed, DomainTag(record, input, sealed).Expose());
  Append(sealed, RunTag(keys, input, sealed).Expose());
  return sealed;
}

absl::StatusOr<SecretBytes> TransportOpen(const RecordKeys& keys,
                                          const RecordInput& input,
                                          ByteSpan sealed) {
  if (sealed.size() < TransportSize(0)) {
    return base::Error(CKR_DEVICE_ERROR, "sealed bytes are too short");
  }
  const ByteSpan run_tag = sealed.last(kTagSize);
  const ByteSpan signed_part = sealed.first(sealed.size() - kTagSize);
  if (!RunTag(keys, input, signed_part).Equals(run_tag)) {
    return base::Error(CKR_DEVICE_ERROR, "the tag does not fit");
  }
  const ByteSpan domain_tag = signed_part.last(kTagSize);
  const ByteSpan tagged = signed_part.first(signed_part.size() - kTagSize);
  ASSIGN_OR_RETURN(
      const SecretBytes secret,
      keys.unwrap_with->Unwrap(base::AsBytes(kLabel),
                               tagged.first(RsaTransportKey::kWrappedSize)));
  if (secret.size() != kSecretSize) {
    return base::Error(CKR_DEVICE_ERROR, "a secret of wrong size");
  }
  for (const SecretBytes* domain : {&keys.domain_secret, &keys.legacy_domain}) {
    if (domain->empty()) continue;
    ASSIGN_OR_RETURN(const TransportKeys record,
                     DeriveTransportKeys(*domain, keys, input, secret));
    if (!DomainTag(record, input, tagged).Equals(domain_tag)) continue;
    return Cbc(/*encrypt=*/false, record.encryption,
               tagged.subspan(RsaTransportKey::kWrappedSize, kBlockSize),
               tagged.subspan(kHeadSize));
  }
  return handshake::DomainMismatch();
}

}  // namespace

RecordKeys RecordKeys::Clone() const {
  RecordKeys copy;
  copy.key = key.Clone();
  copy.transcript = transcript;
  copy.domain_secret = domain_secret.Clone();
  copy.legacy_domain = legacy_domain.Clone();
  copy.wrap_to = wrap_to;
  copy.unwrap_with = unwrap_with;
  return copy;
}

const RecordSuite kTransportSuite = {.max_records = 1,
                                     .domain_in_handshake = false,
                                     .transports_keys = true,
                                     .sealed_size = TransportSize,
                                     .seal = TransportSeal,
                                     .open = TransportOpen};

const RecordSuite kAgreementSuite = {.max_records = kMaxRecords,
                                     .domain_in_handshake = true,
                                     .transports_keys = false,
                                     .sealed_size = GcmSize,
                                     .seal = GcmSeal,
                                     .open = GcmOpen};

}  // namespace cloning
