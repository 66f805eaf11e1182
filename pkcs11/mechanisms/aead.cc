// AES-CCM and ChaCha20-Poly1305 (PKCS#11 3.2, 6.13.4 and 6.64), and the message
// functions of these and AES-GCM (5.9, 6.13.5).
//
// Parts are kept until the message is whole: CCM needs its length first, and a
// decryption gives nothing before the tag has been checked.
#include "pkcs11/mechanisms/aead.h"

#include <climits>
#include <cstring>
#include <utility>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/aes.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/nonce_source.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {
namespace {

constexpr size_t kMaxNonce = 128;
constexpr size_t kMaxTag = 16;
constexpr size_t kChaChaNonce = 12;

// A context with key, nonce and additional data.
absl::StatusOr<UniqueCipherCtx> Start(const hsm::Object& key,
                                      const AeadMessage& message, size_t size,
                                      const uint8_t* tag, size_t tag_size,
                                      Direction direction) {
  const ByteSpan value = key.attributes().Value(CKA_VALUE);
  const EVP_CIPHER* cipher =
      CipherFor(key.attributes().key_type(), message.mode, value.size());
  if (cipher == nullptr) {
    return base::Error(CKR_KEY_SIZE_RANGE, "length of the key");
  }
  UniqueCipherCtx context(EVP_CIPHER_CTX_new());
  const bool encrypts = direction == Direction::kEncrypt;
  // CCM takes the tag's length before the key, the others the tag at any time.
  const bool sets_tag = message.mode == CipherMode::kCcm || tag != nullptr;
  int unused = 0;
  if (context == nullptr ||
      EVP_CipherInit_ex2(context.get(), cipher, nullptr, nullptr, encrypts,
                         nullptr) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN,
                          static_cast<int>(message.nonce.size()),
                          nullptr) != 1 ||
      (sets_tag && EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG,
                                       static_cast<int>(tag_size),
                                       const_cast<uint8_t*>(tag)) != 1) ||
      EVP_CipherInit_ex2(context.get(), nullptr, value.data(),
                         message.nonce.data(), encrypts, nullptr) != 1 ||
      (message.mode == CipherMode::kCcm &&
       EVP_CipherUpdate(context.get(), nullptr, &unused, nullptr,
                        static_cast<int>(size)) != 1)) {
    return base::OpenSslError(CKR_MECHANISM_PARAM_INVALID, "nonce or tag");
  }
  RETURN_IF_ERROR(CipherUpdate(context.get(), message.aad, nullptr).status());
  return context;
}

// OpenSSL's CCM checks the tag in the update, which it also needs for nothing.
bool Update(EVP_CIPHER_CTX* context, const AeadMessage& message, ByteSpan in,
            uint8_t* out) {
  static uint8_t nothing = 0;
  int size = 0;
  if (in.empty() && message.mode != CipherMode::kCcm) return true;
  return EVP_CipherUpdate(context, out == nullptr ? &nothing : out, &size,
                          in.empty() ? &nothing : in.data(),
                          static_cast<int>(in.size())) == 1;
}

}  // namespace

absl::Status AeadSealMessage(const hsm::Object& key, const AeadMessage& message,
                             ByteSpan plain, MutableByteSpan out,
                             MutableByteSpan tag) {
  if (plain.size() > INT_MAX) {
    return base::Error(CKR_DATA_LEN_RANGE, "a very long message");
  }
  ASSIGN_OR_RETURN(const UniqueCipherCtx context,
                   Start(key, message, plain.size(), nullptr, tag.size(),
                         Direction::kEncrypt));
  const SecretBytes copy =
      SecretBytes::CopyOf(plain);  // it may lie under `out`
  int size = 0;
  uint8_t nothing[kAesBlockSize];
  if (!Update(context.get(), message, copy.Expose(), out.data()) ||
      EVP_CipherFinal_ex(context.get(), nothing, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG,
                          static_cast<int>(tag.size()), tag.data()) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "AEAD");
  }
  return absl::OkStatus();
}

absl::Status AeadOpenMessage(const hsm::Object& key, const AeadMessage& message,
                             ByteSpan sealed, ByteSpan tag,
                             MutableByteSpan out) {
  if (sealed.size() > INT_MAX) {
    return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE, "a very long message");
  }
  ASSIGN_OR_RETURN(const UniqueCipherCtx context,
                   Start(key, message, sealed.size(), tag.data(), tag.size(),
                         Direction::kDecrypt));
  const Bytes copy = base::ToBytes(sealed);
  int size = 0;
  uint8_t nothing[kAesBlockSize];
  const bool opened = Update(context.get(), message, copy, out.data()) &&
                      (message.mode == CipherMode::kCcm ||
                       EVP_CipherFinal_ex(context.get(), nothing, &size) == 1);
  if (opened) return absl::OkStatus();
  base::Wipe(out.data(), std::min(out.size(), sealed.size()));
  base::ForgetOpenSslErrors();
  return base::Error(CKR_AEAD_DECRYPT_FAILED, "the tag does not fit");
}

namespace {

// --- messages ----------------------------------------------------------------

// A message's parameter, whatever the mechanism calls its parts.
struct Fields {
  NonceForm nonce;
  CK_BYTE* tag;
  size_t tag_size;
  size_t total;  // CCM: bytes of the whole message
};

template <typename T>
absl::StatusOr<T> Copied(const MessageParameter& parameter) {
  if (parameter.data == nullptr || parameter.size != sizeof(T)) {
    return InvalidParameter("size of the message's parameter");
  }
  T copy;
  std::memcpy(&copy, parameter.data, sizeof(T));
  return copy;
}

template <CipherMode kMode>
absl::StatusOr<Fields> Read(const MessageParameter& parameter) {
  Fields fields = {};
  if constexpr (kMode == CipherMode::kGcm) {
    ASSIGN_OR_RETURN(const auto given,
                     Copied<CK_GCM_MESSAGE_PARAMS>(parameter));
    fields = {
        {given.pIv, given.ulIvLen, given.ulIvFixedBits, given.ivGenerator},
        given.pTag,
        given.ulTagBits / 8,
        0};
    if (given.ulTagBits % 8 != 0 || fields.tag_size < 4) {
      return InvalidParameter("length of the tag");
    }
  } else if constexpr (kMode == CipherMode::kCcm) {
    ASSIGN_OR_RETURN(const auto given,
                     Copied<CK_CCM_MESSAGE_PARAMS>(parameter));
    fields = {{given.pNonce, given.ulNonceLen, given.ulNonceFixedBits,
               given.nonceGenerator},
              given.pMAC,
              given.ulMACLen,
              given.ulDataLen};
    if (fields.nonce.size < 7 || fields.nonce.size > 13 ||
        fields.tag_size < 4 || fields.tag_size % 2 != 0) {
      return InvalidParameter("length of nonce or MAC");
    }
  } else {
    ASSIGN_OR_RETURN(
        const auto given,
        Copied<CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS>(parameter));
    fields = {{given.pNonce, given.ulNonceLen, 0, CKG_NO_GENERATE},
              given.pTag,
              kMaxTag,
              0};
    if (fields.nonce.size != kChaChaNonce) {
      return InvalidParameter("length of the nonce");
    }
  }
  if (fields.nonce.bytes == nullptr || fields.nonce.size == 0 ||
      fields.nonce.size > kMaxNonce || fields.tag == nullptr ||
      fields.tag_size > kMaxTag) {
    return InvalidParameter("nonce or tag");
  }
  return fields;
}

template <CipherMode kMode, bool kEncrypt>
class Messages final : public MessageCipher {
 public:
  explicit Messages(hsm::ObjectRef key) : key_(std::move(key)) {}

  absl::Status Begin(const MessageParameter& parameter,
                     ByteSpan associated_data) override {
    begun_ = false;
    ASSIGN_OR_RETURN(const Fields fields, Read<kMode>(parameter));
    if (kEncrypt) RETURN_IF_ERROR(nonces_.Next(fields.nonce));
    nonce_ = fields.nonce.Copy();
    aad_ = base::ToBytes(associated_data);
    kept_ = SecretBytes();
    begun_ = true;
    return absl::OkStatus();
  }

  size_t UpdateSize(size_t) const override { return 0; }
  size_t FinalSize(size_t input) const override { return kept_.size() + input; }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan) override {
    RETURN_IF_ERROR(CheckBegun());
    kept_.Append(in);
    return 0;
  }

  absl::StatusOr<size_t> Final(ByteSpan in, MutableByteSpan out,
                               const MessageParameter& parameter) override {
    RETURN_IF_ERROR(CheckBegun());
    ASSIGN_OR_RETURN(const Fields fields, Read<kMode>(parameter));
    const size_t size = kept_.size() + in.size();
    if (kMode == CipherMode::kCcm && fields.total != size) {
      return InvalidParameter("ulDataLen is not the length of the message");
    }
    kept_.Append(in);
    const SecretBytes whole = std::exchange(kept_, SecretBytes());
    begun_ = false;
    const AeadMessage message{kMode, nonce_, aad_};
    if (kEncrypt) {
      RETURN_IF_ERROR(
          AeadSealMessage(*key_, message, whole.Expose(), out,
                          MutableByteSpan(fields.tag, fields.tag_size)));
    } else {
      RETURN_IF_ERROR(AeadOpenMessage(*key_, message, whole.Expose(),
                                      ByteSpan(fields.tag, fields.tag_size),
                                      out));
    }
    return size;
  }

 private:
  absl::Status CheckBegun() const {
    if (begun_) return absl::OkStatus();
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no message was begun");
  }

  const hsm::ObjectRef key_;
  NonceSource nonces_;
  bool begun_ = false;
  Bytes nonce_;
  Bytes aad_;
  SecretBytes kept_;
};

}  // namespace

template <CipherMode kMode, bool kEncrypt>
absl::StatusOr<std::unique_ptr<MessageCipher>> NewMessages(const Use& use) {
  return std::make_unique<Messages<kMode, kEncrypt>>(use.key);
}
template absl::StatusOr<std::unique_ptr<MessageCipher>>
NewMessages<CipherMode::kGcm, true>(const Use&);
template absl::StatusOr<std::unique_ptr<MessageCipher>>
NewMessages<CipherMode::kGcm, false>(const Use&);

// --- wrapping
// -----------------------------------------------------------------

template <CipherMode kMode>
absl::StatusOr<Bytes> WrapAead(const Use& use,
                               const MessageParameter& parameter, ByteSpan aad,
                               ByteSpan plain, bool is_secret) {
  ASSIGN_OR_RETURN(const Fields fields, Read<kMode>(parameter));
  Bytes nonce = fields.nonce.Copy();
  if (fields.nonce.generator != CKG_NO_GENERATE) {
    ASSIGN_OR_RETURN(nonce, MakeNonce(fields.nonce));
  } else if (is_secret) {
    return InvalidParameter(
        "a secret key leaves under a nonce that the token makes");
  }
  if (kMode == CipherMode::kCcm && fields.total != plain.size()) {
    return InvalidParameter("ulDataLen is not the length of the key");
  }
  Bytes out(plain.size());
  RETURN_IF_ERROR(
      AeadSealMessage(*use.key, {kMode, nonce, aad}, plain, absl::MakeSpan(out),
                      MutableByteSpan(fields.tag, fields.tag_size)));
  return out;
}

template <CipherMode kMode>
absl::StatusOr<SecretBytes> UnwrapAead(const Use& use,
                                       const MessageParameter& parameter,
                                       ByteSpan aad, ByteSpan wrapped) {
  ASSIGN_OR_RETURN(const Fields fields, Read<kMode>(parameter));
  if (kMode == CipherMode::kCcm && fields.total != wrapped.size()) {
    return InvalidParameter("ulDataLen is not the length of the key");
  }
  const Bytes nonce = fields.nonce.Copy();
  SecretBytes out(wrapped.size());
  const absl::Status opened = AeadOpenMessage(
      *use.key, {kMode, nonce, aad}, wrapped,
      ByteSpan(fields.tag, fields.tag_size), out.ExposeMutable());
  if (base::CkRv(opened) == CKR_AEAD_DECRYPT_FAILED) {
    return base::Error(CKR_WRAPPED_KEY_INVALID, "the tag does not fit");
  }
  RETURN_IF_ERROR(opened);
  return out;
}
template absl::StatusOr<Bytes> WrapAead<CipherMode::kGcm>(
    const Use&, const MessageParameter&, ByteSpan, ByteSpan, bool);
template absl::StatusOr<SecretBytes> UnwrapAead<CipherMode::kGcm>(
    const Use&, const MessageParameter&, ByteSpan, ByteSpan);

namespace {

// --- in one operation
// ----------------------------------------------------------

struct AeadParameters : NonceParameters<Bytes> {
  Bytes aad;
  size_t tag_size = kMaxTag;
  std::optional<size_t> total;  // CCM: bytes of the plaintext
};

absl::StatusOr<std::shared_ptr<AeadParameters>> ParsedCcm(
    const CK_CCM_PARAMS& given) {
  if (given.ulNonceLen < 7 || given.ulNonceLen > 13 || given.ulMACLen < 4 ||
      given.ulMACLen > kMaxTag || given.ulMACLen % 2 != 0) {
    return InvalidParameter("length of nonce or MAC");
  }
  auto parsed = std::make_shared<AeadParameters>();
  ASSIGN_OR_RETURN(parsed->nonce,
                   CopyBuffer(given.pNonce, given.ulNonceLen, kMaxNonce));
  ASSIGN_OR_RETURN(parsed->aad,
                   CopyBuffer(given.pAAD, given.ulAADLen, INT_MAX));
  parsed->tag_size = given.ulMACLen;
  parsed->total = given.ulDataLen;
  return parsed;
}

absl::StatusOr<ParametersRef> ParseCcm(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen != sizeof(CK_CCM_WRAP_PARAMS)) {
    ASSIGN_OR_RETURN(const auto given, CopyParameter<CK_CCM_PARAMS>(mechanism));
    return ParsedCcm(given);
  }
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_CCM_WRAP_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(auto parsed,
                   ParsedCcm({given.ulDataLen, given.pNonce, given.ulNonceLen,
                              given.pAAD, given.ulAADLen, given.ulMACLen}));
  parsed->asked = {given.pNonce, given.ulNonceLen, given.ulNonceFixedBits,
                   given.nonceGenerator};
  return ParametersRef(std::move(parsed));
}

absl::StatusOr<ParametersRef> ParseChaCha(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(
      const auto given,
      CopyParameter<CK_SALSA20_CHACHA20_POLY1305_PARAMS>(mechanism));
  if (given.ulNonceLen != kChaChaNonce) {
    return InvalidParameter("length of the nonce");
  }
  auto parsed = std::make_shared<AeadParameters>();
  ASSIGN_OR_RETURN(parsed->nonce,
                   CopyBuffer(given.pNonce, given.ulNonceLen, kMaxNonce));
  ASSIGN_OR_RETURN(parsed->aad,
                   CopyBuffer(given.pAAD, given.ulAADLen, INT_MAX));
  return ParametersRef(std::move(parsed));
}

template <CipherMode kMode, Direction kDirection>
class AeadCipher final : public Cipher {
 public:
  explicit AeadCipher(const Use& use)
      : key_(use.key), parameters_(GivenParameters<AeadParameters>(use)) {}

  size_t FinalSize() const override { return OneShotSize(kept_.size()); }
  size_t OneShotSize(size_t input) const override {
    if (kEncrypts) return input + parameters_.tag_size;
    return input < parameters_.tag_size ? 0 : input - parameters_.tag_size;
  }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan) override {
    kept_.Append(in);
    return 0;
  }

  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    return OneShot(kept_.Expose(), out);
  }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    const AeadMessage message{kMode, parameters_.nonce, parameters_.aad};
    const size_t tag_size = parameters_.tag_size;
    if (!kEncrypts && in.size() < tag_size) {
      return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE, "no room for the tag");
    }
    const size_t size = kEncrypts ? in.size() : in.size() - tag_size;
    if (parameters_.total.value_or(size) != size) {
      return kEncrypts ? base::Error(CKR_DATA_LEN_RANGE, "not ulDataLen bytes")
                       : base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE,
                                     "not ulDataLen bytes and the MAC");
    }
    if (kEncrypts) {
      uint8_t tag[kMaxTag];
      RETURN_IF_ERROR(AeadSealMessage(*key_, message, in, out.subspan(0, size),
                                      MutableByteSpan(tag, tag_size)));
      std::copy_n(tag, tag_size, out.begin() + size);
      return size + tag_size;
    }
    const Bytes tag = base::ToBytes(in.subspan(size));
    const absl::Status opened = AeadOpenMessage(
        *key_, message, in.subspan(0, size), tag, out.subspan(0, size));
    if (base::CkRv(opened) == CKR_AEAD_DECRYPT_FAILED) {
      return base::Error(CKR_ENCRYPTED_DATA_INVALID, "the tag does not fit");
    }
    RETURN_IF_ERROR(opened);
    return size;
  }

 private:
  static constexpr bool kEncrypts = kDirection == Direction::kEncrypt;

  const hsm::ObjectRef key_;
  const AeadParameters parameters_;
  SecretBytes kept_;
};

template <CipherMode kMode, Direction kDirection>
absl::StatusOr<std::unique_ptr<Cipher>> NewAead(const Use& use) {
  if (GivenParameters<AeadParameters>(use).asked.bytes != nullptr) {
    return OnlyForWrapping();
  }
  return std::make_unique<AeadCipher<kMode, kDirection>>(use);
}

template <CipherMode kMode>
absl::StatusOr<Bytes> Wrap(const Use& use, ByteSpan plain) {
  ASSIGN_OR_RETURN(const auto own,
                   ForWrapping(GivenParameters<AeadParameters>(use), true));
  return WrapBy(NewAead<kMode, Direction::kEncrypt>,
                Use{use.mechanism, &own, use.key, nullptr}, plain);
}

template <CipherMode kMode>
absl::StatusOr<SecretBytes> Unwrap(const Use& use, ByteSpan wrapped) {
  ASSIGN_OR_RETURN(const auto own,
                   ForWrapping(GivenParameters<AeadParameters>(use), false));
  return UnwrapBy(NewAead<kMode, Direction::kDecrypt>,
                  Use{use.mechanism, &own, use.key, nullptr}, wrapped);
}

constexpr Mechanism kAeadRows[] = {
    {.type = CKM_AES_CCM,
     .name = "CKM_AES_CCM",
     .key_type = CKK_AES,
     .min_key = kMinAesKey,
     .max_key = kMaxAesKey,
     .available = AesIsAvailable<CipherMode::kCcm>,
     .parse = ParseCcm,
     .encrypt = NewAead<CipherMode::kCcm, Direction::kEncrypt>,
     .decrypt = NewAead<CipherMode::kCcm, Direction::kDecrypt>,
     .message_encrypt = NewMessages<CipherMode::kCcm, true>,
     .message_decrypt = NewMessages<CipherMode::kCcm, false>,
     .wrap = Wrap<CipherMode::kCcm>,
     .unwrap = Unwrap<CipherMode::kCcm>,
     .wrap_authenticated = WrapAead<CipherMode::kCcm>,
     .unwrap_authenticated = UnwrapAead<CipherMode::kCcm>},
    {.type = CKM_CHACHA20_POLY1305,
     .name = "CKM_CHACHA20_POLY1305",
     .key_type = CKK_CHACHA20,
     .min_key = 32,
     .max_key = 32,
     .available = CipherIsAvailable<CKK_CHACHA20, CipherMode::kAead, 32>,
     .parse = ParseChaCha,
     .encrypt = NewAead<CipherMode::kAead, Direction::kEncrypt>,
     .decrypt = NewAead<CipherMode::kAead, Direction::kDecrypt>,
     .message_encrypt = NewMessages<CipherMode::kAead, true>,
     .message_decrypt = NewMessages<CipherMode::kAead, false>,
     .wrap = Wrap<CipherMode::kAead>,
     .unwrap = Unwrap<CipherMode::kAead>,
     .wrap_authenticated = WrapAead<CipherMode::kAead>,
     .unwrap_authenticated = UnwrapAead<CipherMode::kAead>},
};

}  // namespace

absl::Span<const Mechanism> AeadRows() { return kAeadRows; }

}  // namespace pkcs11
