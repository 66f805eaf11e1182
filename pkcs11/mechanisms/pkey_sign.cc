#include "pkcs11/mechanisms/pkey_sign.h"

#include <algorithm>
#include <limits>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/der.h"

namespace pkcs11 {
namespace {

// Room for the DER form of any signature on P-521.
constexpr size_t kMaxEcdsaDer = 160;

// The hash of a form, or nothing.
absl::StatusOr<std::optional<MdLease>> LendHash(const SignatureForm& form) {
  if (form.hash == nullptr) return std::optional<MdLease>();
  ASSIGN_OR_RETURN(MdLease hash, LendMd(*form.hash));
  return std::optional<MdLease>(std::move(hash));
}

absl::Status CheckData(const SignatureForm& form, ByteSpan data) {
  if (data.size() < form.min_data || data.size() > form.max_data) {
    return base::Error(CKR_DATA_LEN_RANGE, "length of what is signed");
  }
  return absl::OkStatus();
}

absl::Status NoParts() {
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "the mechanism has no multi-part form");
}

absl::Status PutNumber(ByteSpan number, MutableByteSpan out) {
  if (number.size() > out.size()) {
    return base::Error(CKR_FUNCTION_FAILED, "an ECDSA signature");
  }
  auto* at = std::fill_n(out.begin(), out.size() - number.size(), 0);
  std::copy(number.begin(), number.end(), at);
  return absl::OkStatus();
}

// The key's context is as it was after its Init; the hash begins anew.
bool AtRest(std::optional<MdLease>& hash) {
  return !hash.has_value() || MdTraits::Reset(hash->get());
}

class PkeySigner final : public Signer {
 public:
  PkeySigner(PkeyLease key, std::optional<MdLease> hash,
             const SignatureForm& form)
      : key_(std::move(key)), hash_(std::move(hash)), form_(form) {}

  size_t size() const override { return form_.size; }

  absl::Status Update(ByteSpan data) override {
    if (!hash_.has_value()) return NoParts();
    return HashUpdate(hash_->get(), data);
  }

  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    if (!hash_.has_value()) return NoParts();
    ASSIGN_OR_RETURN(const HashValue value, HashFinal(hash_->get()));
    return SignDigest(value.span(), out);
  }

  absl::StatusOr<size_t> Sign(ByteSpan data, MutableByteSpan out) override {
    if (hash_.has_value()) return Signer::Sign(data, out);
    RETURN_IF_ERROR(CheckData(form_, data));
    return SignDigest(data, out);
  }

  bool Rest() override { return AtRest(hash_); }
  // A parameter may make another form of it.
  bool Rearm(const Parameters* parameters) override {
    return parameters == nullptr;
  }

 private:
  absl::StatusOr<size_t> SignDigest(ByteSpan digest, MutableByteSpan out) {
    if (form_.is_ecdsa) return SignEcdsa(digest, out);
    return SignRaw(digest, out);
  }

  absl::StatusOr<size_t> SignRaw(ByteSpan digest, MutableByteSpan out) {
    size_t size = out.size();
    if (EVP_PKEY_sign(key_.get(), out.data(), &size, digest.data(),
                      digest.size()) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "signature");
    }
    return size;
  }

  absl::StatusOr<size_t> SignEcdsa(ByteSpan digest, MutableByteSpan out) {
    uint8_t der[kMaxEcdsaDer];
    ASSIGN_OR_RETURN(const size_t size,
                     SignRaw(digest, MutableByteSpan(der, sizeof(der))));
    DerReader outer(ByteSpan(der, size));
    DerReader numbers(outer.Element(kDerSequence));
    const ByteSpan r = numbers.Integer();
    const ByteSpan s = numbers.Integer();
    const size_t half = form_.size / 2;
    if (!numbers.Finish()) {
      return base::Error(CKR_FUNCTION_FAILED, "an ECDSA signature");
    }
    RETURN_IF_ERROR(PutNumber(r, out.subspan(0, half)));
    RETURN_IF_ERROR(PutNumber(s, out.subspan(half, half)));
    return form_.size;
  }

  PkeyLease key_;
  std::optional<MdLease> hash_;
  const SignatureForm form_;
};

class PkeyVerifier final : public Verifier {
 public:
  PkeyVerifier(PkeyLease key, std::optional<MdLease> hash,
               const SignatureForm& form)
      : key_(std::move(key)), hash_(std::move(hash)), form_(form) {}

  absl::Status Update(ByteSpan data) override {
    if (!hash_.has_value()) return NoParts();
    return HashUpdate(hash_->get(), data);
  }

  absl::Status Final(ByteSpan signature) override {
    if (!hash_.has_value()) return NoParts();
    ASSIGN_OR_RETURN(const HashValue value, HashFinal(hash_->get()));
    return VerifyDigest(value.span(), signature);
  }

  absl::Status Verify(ByteSpan data, ByteSpan signature) override {
    if (hash_.has_value()) return Verifier::Verify(data, signature);
    RETURN_IF_ERROR(CheckData(form_, data));
    return VerifyDigest(data, signature);
  }

  bool Rest() override { return AtRest(hash_); }
  // A parameter may make another form of it.
  bool Rearm(const Parameters* parameters) override {
    return parameters == nullptr;
  }

 private:
  absl::Status VerifyDigest(ByteSpan digest, ByteSpan signature) {
    if (!form_.is_ecdsa) {
      if (signature.size() != form_.size) return WrongLength();
      return VerifyRaw(digest, signature);
    }
    // PKCS #11 3.0, current mechanisms, 2.3.1: a shorter signature is allowed
    // as long as its halves have the same length.
    if (signature.empty() || signature.size() % 2 != 0 ||
        signature.size() > form_.size) {
      return WrongLength();
    }
    const size_t half = signature.size() / 2;
    DerWriter numbers;
    numbers.Integer(signature.subspan(0, half))
        .Integer(signature.subspan(half, half));
    DerWriter der;
    der.Element(kDerSequence, numbers);
    return VerifyRaw(digest, der.bytes());
  }

  absl::Status VerifyRaw(ByteSpan digest, ByteSpan signature) {
    if (EVP_PKEY_verify(key_.get(), signature.data(), signature.size(),
                        digest.data(), digest.size()) != 1) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_SIGNATURE_INVALID, "the signature does not fit");
    }
    return absl::OkStatus();
  }

  static absl::Status WrongLength() {
    return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a signature");
  }

  PkeyLease key_;
  std::optional<MdLease> hash_;
  const SignatureForm form_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> NewPkeySigner(
    PkeyLease key, const SignatureForm& form) {
  ASSIGN_OR_RETURN(std::optional<MdLease> hash, LendHash(form));
  return std::make_unique<PkeySigner>(std::move(key), std::move(hash), form);
}

absl::StatusOr<std::unique_ptr<Verifier>> NewPkeyVerifier(
    PkeyLease key, const SignatureForm& form) {
  ASSIGN_OR_RETURN(std::optional<MdLease> hash, LendHash(form));
  return std::make_unique<PkeyVerifier>(std::move(key), std::move(hash), form);
}

}  // namespace pkcs11
