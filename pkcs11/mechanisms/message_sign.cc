#include "pkcs11/mechanisms/message_sign.h"

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

// Names of OpenSSL 3.2 and later.
constexpr char kInstance[] = "instance";
constexpr char kContext[] = "context-string";
constexpr char kDeterministic[] = "deterministic";
constexpr char kMessageEncoding[] = "message-encoding";

// The most that is collected of a message in parts.
constexpr size_t kMaxCollected = size_t{64} << 20;

// The parameters of a form for OpenSSL. Points into the form.
class FormParameters {
 public:
  explicit FormParameters(const MessageForm& form)
      : encoding_(form.is_prehashed ? 0 : 1),
        deterministic_(form.is_deterministic ? 1 : 0) {
    OSSL_PARAM* at = parameters_;
    if (form.instance != nullptr) {
      *at++ = OSSL_PARAM_construct_utf8_string(
          kInstance, const_cast<char*>(form.instance), 0);
    }
    if (!form.context.empty()) {
      *at++ = OSSL_PARAM_construct_octet_string(
          kContext, const_cast<uint8_t*>(form.context.data()),
          form.context.size());
    }
    if (form.is_prehashed) {
      *at++ = OSSL_PARAM_construct_int(kMessageEncoding, &encoding_);
    }
    if (form.is_deterministic) {
      *at++ = OSSL_PARAM_construct_int(kDeterministic, &deterministic_);
    }
    count_ = at - parameters_;
    *at = OSSL_PARAM_construct_end();
  }
  FormParameters(const FormParameters&) = delete;
  FormParameters& operator=(const FormParameters&) = delete;

  const OSSL_PARAM* get() const { return count_ == 0 ? nullptr : parameters_; }
  // OpenSSL passes over what it does not know; a signature without its context
  // would be another one than was asked for.
  bool AreKnown(EVP_PKEY_CTX* context) const {
    const OSSL_PARAM* known = EVP_PKEY_CTX_settable_params(context);
    for (size_t i = 0; i < count_; ++i) {
      if (known == nullptr ||
          OSSL_PARAM_locate_const(known, parameters_[i].key) == nullptr) {
        return false;
      }
    }
    return true;
  }

 private:
  int encoding_;
  int deterministic_;
  OSSL_PARAM parameters_[5];
  size_t count_;
};

// The message, or what stands for it.
class Collector {
 public:
  explicit Collector(const MessageForm& form) : form_(form) {}

  absl::Status Update(ByteSpan part) {
    if (form_.hash != nullptr) {
      RETURN_IF_ERROR(StartHash());
      return HashUpdate(hash_.get(), part);
    }
    if (part.size() > kMaxCollected - collected_.size()) {
      return base::Error(CKR_DATA_LEN_RANGE, "too long for one message");
    }
    collected_.Append(part.begin(), part.end());
    return absl::OkStatus();
  }

  // What is signed; valid until the next call.
  absl::StatusOr<ByteSpan> Finish() {
    if (form_.hash != nullptr) {
      RETURN_IF_ERROR(StartHash());
      base::WipedVector value(form_.hash_size);
      const bool is_xof = (EVP_MD_get_flags(form_.hash) & EVP_MD_FLAG_XOF) != 0;
      const int done =
          is_xof ? EVP_DigestFinalXOF(hash_.get(), value.data(), value.size())
                 : EVP_DigestFinal_ex(hash_.get(), value.data(), nullptr);
      hash_.reset();
      if (done != 1) {
        return base::OpenSslError(CKR_FUNCTION_FAILED, "digest final");
      }
      collected_ = std::move(value);
    }
    if (!form_.is_prehashed) return ByteSpan(collected_);
    if (collected_.size() != form_.hash_size) {
      return base::Error(CKR_DATA_LEN_RANGE, "length of a hash");
    }
    base::WipedVector prefixed(form_.prefix.begin(), form_.prefix.end());
    prefixed.Append(collected_.begin(), collected_.end());
    collected_ = std::move(prefixed);
    return ByteSpan(collected_);
  }

  absl::StatusOr<ByteSpan> All(ByteSpan message) {
    if (!form_.is_prehashed) return message;
    RETURN_IF_ERROR(Update(message));
    return Finish();
  }

  void Clear() { collected_ = base::WipedVector(); }

 private:
  absl::Status StartHash() {
    if (hash_ != nullptr) return absl::OkStatus();
    hash_.reset(EVP_MD_CTX_new());
    if (hash_ == nullptr ||
        EVP_DigestInit_ex2(hash_.get(), form_.hash, nullptr) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "digest init");
    }
    return absl::OkStatus();
  }

  const MessageForm& form_;
  UniqueMdCtx hash_;
  base::WipedVector collected_;
};

using Start = int (*)(EVP_MD_CTX*, EVP_PKEY_CTX**, const char*, OSSL_LIB_CTX*,
                      const char*, EVP_PKEY*, const OSSL_PARAM*);

// A key's context for one form, begun anew for each message.
class MessageKey {
 public:
  static absl::StatusOr<std::unique_ptr<MessageKey>> New(const hsm::Object& key,
                                                         MessageForm form,
                                                         Start start) {
    ASSIGN_OR_RETURN(std::shared_ptr<EVP_PKEY> pkey, PkeyOf(key));
    std::unique_ptr<MessageKey> made(
        new MessageKey(std::move(pkey), std::move(form), start));
    RETURN_IF_ERROR(made->CheckForm());
    return made;
  }

  absl::Status Begin() {
    const FormParameters parameters(form_);
    if (context_ == nullptr ||
        start_(context_.get(), nullptr, nullptr, base::OpenSslContext(),
               nullptr, pkey_.get(), parameters.get()) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "begin of a signature");
    }
    return absl::OkStatus();
  }

  EVP_MD_CTX* context() const { return context_.get(); }
  const MessageForm& form() const { return form_; }
  Collector& collector() { return collector_; }

 private:
  MessageKey(std::shared_ptr<EVP_PKEY> pkey, MessageForm form, Start start)
      : pkey_(std::move(pkey)),
        form_(std::move(form)),
        start_(start),
        context_(EVP_MD_CTX_new()),
        collector_(form_) {}

  absl::Status CheckForm() {
    const FormParameters parameters(form_);
    if (parameters.get() == nullptr) return absl::OkStatus();
    EVP_PKEY_CTX* inner = nullptr;
    const UniqueMdCtx probe(EVP_MD_CTX_new());
    if (probe == nullptr ||
        start_(probe.get(), &inner, nullptr, base::OpenSslContext(), nullptr,
               pkey_.get(), nullptr) != 1 ||
        !parameters.AreKnown(inner)) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_MECHANISM_PARAM_INVALID,
                         "a form of signature that OpenSSL does not have");
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<EVP_PKEY> pkey_;
  const MessageForm form_;
  const Start start_;
  const UniqueMdCtx context_;
  Collector collector_;
};

class MessageSigner final : public Signer {
 public:
  explicit MessageSigner(std::unique_ptr<MessageKey> key)
      : key_(std::move(key)) {}

  size_t size() const override { return key_->form().size; }

  absl::Status Update(ByteSpan data) override {
    return key_->collector().Update(data);
  }
  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    ASSIGN_OR_RETURN(const ByteSpan message, key_->collector().Finish());
    return SignIt(message, out);
  }
  absl::StatusOr<size_t> Sign(ByteSpan data, MutableByteSpan out) override {
    ASSIGN_OR_RETURN(const ByteSpan message, key_->collector().All(data));
    return SignIt(message, out);
  }

  bool Rest() override {
    key_->collector().Clear();
    return true;
  }
  bool Rearm(const Parameters* parameters) override {
    return parameters == nullptr && key_->form().instance == nullptr &&
           key_->form().context.empty() && !key_->form().is_prehashed &&
           !key_->form().is_deterministic;
  }

 private:
  absl::StatusOr<size_t> SignIt(ByteSpan message, MutableByteSpan out) {
    RETURN_IF_ERROR(key_->Begin());
    size_t size = out.size();
    if (EVP_DigestSign(key_->context(), out.data(), &size, message.data(),
                       message.size()) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "signature");
    }
    return size;
  }

  std::unique_ptr<MessageKey> key_;
};

class MessageVerifier final : public Verifier {
 public:
  explicit MessageVerifier(std::unique_ptr<MessageKey> key)
      : key_(std::move(key)) {}

  absl::Status Update(ByteSpan data) override {
    return key_->collector().Update(data);
  }
  absl::Status Final(ByteSpan signature) override {
    ASSIGN_OR_RETURN(const ByteSpan message, key_->collector().Finish());
    return VerifyIt(message, signature);
  }
  absl::Status Verify(ByteSpan data, ByteSpan signature) override {
    ASSIGN_OR_RETURN(const ByteSpan message, key_->collector().All(data));
    return VerifyIt(message, signature);
  }

 private:
  absl::Status VerifyIt(ByteSpan message, ByteSpan signature) {
    if (signature.size() != key_->form().size) {
      return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a signature");
    }
    RETURN_IF_ERROR(key_->Begin());
    if (EVP_DigestVerify(key_->context(), signature.data(), signature.size(),
                         message.data(), message.size()) != 1) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_SIGNATURE_INVALID, "the signature does not fit");
    }
    return absl::OkStatus();
  }

  std::unique_ptr<MessageKey> key_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> NewMessageSigner(const hsm::Object& key,
                                                         MessageForm form) {
  ASSIGN_OR_RETURN(
      auto made, MessageKey::New(key, std::move(form), EVP_DigestSignInit_ex));
  return std::make_unique<MessageSigner>(std::move(made));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewMessageVerifier(
    const hsm::Object& key, MessageForm form) {
  ASSIGN_OR_RETURN(auto made, MessageKey::New(key, std::move(form),
                                              EVP_DigestVerifyInit_ex));
  return std::make_unique<MessageVerifier>(std::move(made));
}

}  // namespace pkcs11
