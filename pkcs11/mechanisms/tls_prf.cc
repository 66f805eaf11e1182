#include "pkcs11/mechanisms/tls_prf.h"

#include <algorithm>
#include <vector>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/prf.h"

namespace pkcs11 {
namespace {

constexpr char kMd5[] = "MD5";
constexpr char kSha1[] = "SHA1";

// P_hash. `seed` begins with the label.
absl::Status Expand(const char* hash, ByteSpan secret,
                    absl::Span<const ByteSpan> seed, MutableByteSpan out) {
  ASSIGN_OR_RETURN(const Prf hmac, Prf::Hmac(hash, secret));
  SecretBytes a(hmac.size());
  SecretBytes block(hmac.size());
  std::vector<ByteSpan> input = {a.Expose()};
  input.insert(input.end(), seed.begin(), seed.end());
  RETURN_IF_ERROR(hmac.Run(seed, a.ExposeMutable()));
  while (!out.empty()) {
    RETURN_IF_ERROR(hmac.Run(input, block.ExposeMutable()));
    const size_t size = std::min(out.size(), block.size());
    std::copy_n(block.Expose().begin(), size, out.begin());
    out.remove_prefix(size);
    if (!out.empty())
      RETURN_IF_ERROR(hmac.Run({a.Expose()}, a.ExposeMutable()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsPrf> TlsPrf::Find(CK_MECHANISM_TYPE mechanism) {
  if (mechanism == CKM_TLS_PRF && OldTlsPrfIsAvailable())
    return TlsPrf(nullptr);
  const Hash* hash = FindNamedHash(&Hash::digest, mechanism);
  if (hash == nullptr || Md(*hash) == nullptr) {
    return InvalidParameter("the hash function of the TLS PRF");
  }
  return TlsPrf(hash);
}

absl::Status TlsPrf::Run(ByteSpan secret, absl::string_view label,
                         absl::Span<const ByteSpan> seed,
                         MutableByteSpan out) const {
  std::vector<ByteSpan> input = {base::AsBytes(label)};
  input.insert(input.end(), seed.begin(), seed.end());
  if (hash_ != nullptr) return Expand(hash_->openssl_name, secret, input, out);
  // Halves of the secret, which share the middle byte of an odd one.
  const size_t half = (secret.size() + 1) / 2;
  SecretBytes other(out.size());
  RETURN_IF_ERROR(Expand(kMd5, secret.subspan(0, half), input, out));
  RETURN_IF_ERROR(Expand(kSha1, secret.subspan(secret.size() - half), input,
                         other.ExposeMutable()));
  for (size_t i = 0; i < out.size(); ++i) out[i] ^= other.Expose()[i];
  return absl::OkStatus();
}

bool OldTlsPrfIsAvailable() {
  static const bool is_available = [] {
    using UniqueMd = UniqueOf<EVP_MD, EVP_MD_free>;
    const bool has_both =
        UniqueMd(EVP_MD_fetch(base::OpenSslContext(), kMd5, nullptr)) &&
        UniqueMd(EVP_MD_fetch(base::OpenSslContext(), kSha1, nullptr));
    base::ForgetOpenSslErrors();
    return has_both;
  }();
  return is_available;
}

}  // namespace pkcs11
