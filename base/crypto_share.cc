// X25519 (RFC 7748) and ML-KEM-1024 (FIPS 203) in one shape.
#include "base/crypto_share.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "base/openssl_errors.h"

namespace base {
namespace {

using UniquePkeyCtx = OpenSslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

struct Kind {
  ShareKind kind;
  const char* name;
  const char* type;  // an identifier: by names, engines are looked for
  size_t share_size;
  size_t answer_size;
  absl::StatusOr<SecretBytes> (*agree)(EVP_PKEY* own, ByteSpan answer);
  absl::StatusOr<AnsweredShare> (*answer)(const Kind& kind, EVP_PKEY* peer);
};

absl::StatusOr<SecretBytes> AgreeX25519(EVP_PKEY* own, ByteSpan answer);
absl::StatusOr<AnsweredShare> AnswerX25519(const Kind& kind, EVP_PKEY* peer);
absl::StatusOr<SecretBytes> Decapsulate(EVP_PKEY* own, ByteSpan answer);
absl::StatusOr<AnsweredShare> Encapsulate(const Kind& kind, EVP_PKEY* peer);

constexpr Kind kKinds[] = {
    {ShareKind::kX25519, "X25519", "1.3.101.110", 32, 32, AgreeX25519,
     AnswerX25519},
    {ShareKind::kMlKem1024, "ML-KEM-1024", "2.16.840.1.101.3.4.4.3", 1568, 1568,
     Decapsulate, Encapsulate},
};

const Kind& RowOf(ShareKind kind) {
  return kKinds[kind == ShareKind::kX25519 ? 0 : 1];
}

absl::Status NoShare(const Kind& kind) {
  return Error(CKR_DATA_INVALID, absl::StrCat("not a share of ", kind.name));
}

UniquePkeyCtx NewContext(const Kind& kind) {
  return UniquePkeyCtx(
      EVP_PKEY_CTX_new_from_name(OpenSslContext(), kind.type, nullptr));
}

UniquePkeyCtx NewContext(EVP_PKEY* key) {
  return UniquePkeyCtx(
      EVP_PKEY_CTX_new_from_pkey(OpenSslContext(), key, nullptr));
}

absl::StatusOr<UniquePkey> GenerateKey(const Kind& kind) {
  RETURN_IF_ERROR(CheckHostsRandom());
  if (OpenSslIsGone()) {
    return Error(CKR_CRYPTOKI_NOT_INITIALIZED, "OpenSSL is gone");
  }
  const UniquePkeyCtx ctx = NewContext(kind);
  EVP_PKEY* made = nullptr;
  if (ctx == nullptr || EVP_PKEY_keygen_init(ctx.get()) != 1) {
    return OpenSslError(CKR_FUNCTION_NOT_SUPPORTED, kind.name);
  }
  if (EVP_PKEY_generate(ctx.get(), &made) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, kind.name);
  }
  return UniquePkey(made);
}

absl::StatusOr<Bytes> PublicOf(const Kind& kind, const EVP_PKEY* key) {
  Bytes share(kind.share_size);
  size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY,
                                      share.data(), share.size(), &size) != 1 ||
      size != share.size()) {
    return OpenSslError(CKR_GENERAL_ERROR, kind.name);
  }
  return share;
}

absl::StatusOr<UniquePkey> PublicKeyOf(const Kind& kind, ByteSpan share) {
  if (share.size() != kind.share_size) return NoShare(kind);
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                        const_cast<uint8_t*>(share.data()),
                                        share.size()),
      OSSL_PARAM_construct_end()};
  const UniquePkeyCtx ctx = NewContext(kind);
  EVP_PKEY* made = nullptr;
  if (ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1) {
    return OpenSslError(CKR_FUNCTION_NOT_SUPPORTED, kind.name);
  }
  if (EVP_PKEY_fromdata(ctx.get(), &made, EVP_PKEY_PUBLIC_KEY,
                        const_cast<OSSL_PARAM*>(params)) != 1) {
    ForgetOpenSslErrors();
    return NoShare(kind);
  }
  return UniquePkey(made);
}

// --- X25519 ---

absl::StatusOr<SecretBytes> Derive(EVP_PKEY* own, EVP_PKEY* peer) {
  const UniquePkeyCtx ctx = NewContext(own);
  SecretBytes secret(kSharedSecretSize);
  size_t size = secret.size();
  if (ctx == nullptr || EVP_PKEY_derive_init(ctx.get()) != 1 ||
      EVP_PKEY_derive_set_peer(ctx.get(), peer) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "X25519");
  }
  // OpenSSL refuses the secret zero, which is that of a point of small order.
  if (EVP_PKEY_derive(ctx.get(), secret.ExposeMutable().data(), &size) != 1) {
    ForgetOpenSslErrors();
    return NoShare(RowOf(ShareKind::kX25519));
  }
  if (size != secret.size()) return OpenSslError(CKR_GENERAL_ERROR, "X25519");
  return secret;
}

absl::StatusOr<SecretBytes> AgreeX25519(EVP_PKEY* own, ByteSpan answer) {
  ASSIGN_OR_RETURN(const UniquePkey peer,
                   PublicKeyOf(RowOf(ShareKind::kX25519), answer));
  return Derive(own, peer.get());
}

absl::StatusOr<AnsweredShare> AnswerX25519(const Kind& kind, EVP_PKEY* peer) {
  ASSIGN_OR_RETURN(const UniquePkey own, GenerateKey(kind));
  AnsweredShare answered;
  ASSIGN_OR_RETURN(answered.answer, PublicOf(kind, own.get()));
  ASSIGN_OR_RETURN(answered.secret, Derive(own.get(), peer));
  return answered;
}

// --- ML-KEM ---

absl::StatusOr<SecretBytes> Decapsulate(EVP_PKEY* own, ByteSpan answer) {
  const UniquePkeyCtx ctx = NewContext(own);
  SecretBytes secret(kSharedSecretSize);
  size_t size = secret.size();
  if (ctx == nullptr || EVP_PKEY_decapsulate_init(ctx.get(), nullptr) != 1 ||
      EVP_PKEY_decapsulate(ctx.get(), secret.ExposeMutable().data(), &size,
                           answer.data(), answer.size()) != 1 ||
      size != secret.size()) {
    return OpenSslError(CKR_GENERAL_ERROR, "ML-KEM");
  }
  return secret;
}

absl::StatusOr<AnsweredShare> Encapsulate(const Kind& kind, EVP_PKEY* peer) {
  RETURN_IF_ERROR(CheckHostsRandom());
  const UniquePkeyCtx ctx = NewContext(peer);
  AnsweredShare answered{Bytes(kind.answer_size),
                         SecretBytes(kSharedSecretSize)};
  size_t answer_size = answered.answer.size();
  size_t secret_size = answered.secret.size();
  if (ctx == nullptr || EVP_PKEY_encapsulate_init(ctx.get(), nullptr) != 1 ||
      EVP_PKEY_encapsulate(ctx.get(), answered.answer.data(), &answer_size,
                           answered.secret.ExposeMutable().data(),
                           &secret_size) != 1 ||
      answer_size != answered.answer.size() ||
      secret_size != answered.secret.size()) {
    return OpenSslError(CKR_GENERAL_ERROR, kind.name);
  }
  return answered;
}

}  // namespace

bool HasKeyShare(ShareKind kind) {
  const UniquePkeyCtx ctx = NewContext(RowOf(kind));
  const bool has = ctx != nullptr && EVP_PKEY_keygen_init(ctx.get()) == 1;
  ForgetOpenSslErrors();
  return has;
}

absl::StatusOr<ShareKey> ShareKey::Generate(ShareKind kind) {
  const Kind& row = RowOf(kind);
  ASSIGN_OR_RETURN(UniquePkey key, GenerateKey(row));
  ASSIGN_OR_RETURN(Bytes share, PublicOf(row, key.get()));
  return ShareKey(kind, std::move(key), std::move(share));
}

absl::StatusOr<SecretBytes> ShareKey::Agree(ByteSpan answer) const {
  const Kind& row = RowOf(kind_);
  if (answer.size() != row.answer_size) return NoShare(row);
  return row.agree(key_.get(), answer);
}

absl::StatusOr<AnsweredShare> AnswerKeyShare(ShareKind kind, ByteSpan share) {
  const Kind& row = RowOf(kind);
  ASSIGN_OR_RETURN(const UniquePkey peer, PublicKeyOf(row, share));
  return row.answer(row, peer.get());
}

}  // namespace base
