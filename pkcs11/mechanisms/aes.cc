// Block ciphers (AES, Camellia, DES, triple DES) in the modes ECB, CBC without
// and with padding, CTR, OFB, CFB, CTS and XTS, and ChaCha20. OpenSSL has no
// CKM_AES_CFB64.
#include "pkcs11/mechanisms/aes.h"

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"
#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {

absl::StatusOr<UniqueCipherCtx> NewCipherContext(const hsm::Object& key,
                                                 AesMode mode,
                                                 Direction direction) {
  const ByteSpan value = key.attributes().Value(CKA_VALUE);
  const EVP_CIPHER* cipher =
      CipherFor(key.attributes().key_type(), mode, value.size());
  if (cipher == nullptr) {
    return base::Error(CKR_KEY_SIZE_RANGE, "length of the key");
  }
  UniqueCipherCtx context(EVP_CIPHER_CTX_new());
  if (context == nullptr) {
    return base::OpenSslError(CKR_HOST_MEMORY, "cipher context");
  }
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  RETURN_IF_ERROR(SetCipherKey(context.get(), cipher,
                               key.attributes().key_type(), value,
                               direction == Direction::kEncrypt));
  return context;
}

absl::StatusOr<CipherLease> LendCipher(const hsm::Object& key, AesMode mode,
                                       Direction direction, bool padded) {
  const uint32_t variant = static_cast<uint32_t>(mode) << 2 |
                           static_cast<uint32_t>(direction) << 1 | padded;
  ASSIGN_OR_RETURN(
      auto pool,
      Cached<ContextPool<CipherTraits>>(
          key, CacheKind(CKM_AES_KEY_GEN, variant),
          [&]() -> absl::StatusOr<std::shared_ptr<ContextPool<CipherTraits>>> {
            ASSIGN_OR_RETURN(UniqueCipherCtx context,
                             NewCipherContext(key, mode, direction));
            // Encryption without padding never calls OpenSSL's final step, so
            // it need not pay for the switch at every IV.
            const bool is_block_mode =
                mode == AesMode::kEcb || mode == AesMode::kCbc;
            if (is_block_mode && !padded && direction == Direction::kDecrypt) {
              EVP_CIPHER_CTX_set_padding(context.get(), 0);
            }
            return std::make_shared<ContextPool<CipherTraits>>(
                std::move(context));
          }));
  return CipherLease::From(std::move(pool));
}

absl::Status SetIv(EVP_CIPHER_CTX* context, ByteSpan iv) {
  if (EVP_CipherInit_ex2(context, nullptr, nullptr, iv.data(), -1, nullptr) !=
      1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "IV");
  }
  return absl::OkStatus();
}

namespace {

absl::Status WrongLength(Direction direction) {
  return direction == Direction::kEncrypt
             ? base::Error(CKR_DATA_LEN_RANGE, "length of the data")
             : base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE,
                           "length of the ciphertext");
}

// --- ECB and CBC ------------------------------------------------------------

// Whole blocks. Counts what OpenSSL holds back, so that sizes are exact.
class BlockCipher final : public Cipher {
 public:
  BlockCipher(CipherLease context, Direction direction, bool padded)
      : context_(std::move(context)),
        block_(
            static_cast<size_t>(EVP_CIPHER_CTX_get_block_size(context_.get()))),
        direction_(direction),
        padded_(padded) {}

  size_t UpdateSize(size_t input) const override {
    const size_t total = held_ + input;
    // Decryption holds the last block back, which may be padding.
    const size_t kept = HoldsBack() && total > 0 ? 1 : 0;
    return (total - kept) / block_ * block_;
  }

  size_t FinalSize() const override { return padded_ ? block_ : 0; }

  size_t OneShotSize(size_t input) const override {
    if (padded_ && direction_ == Direction::kEncrypt) {
      return (input / block_ + 1) * block_;
    }
    return input;
  }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan out) override {
    const size_t expected = UpdateSize(in.size());
    // With bytes held back the output runs ahead of the input.
    const bool is_shifted =
        Overlap(in, ByteSpan(out)) && (held_ != 0 || in.data() != out.data());
    SecretBytes copy;
    if (is_shifted) copy = SecretBytes::CopyOf(in);
    ASSIGN_OR_RETURN(const size_t size,
                     CipherUpdate(context_.get(),
                                  is_shifted ? copy.Expose() : in, out.data()));
    held_ = held_ + in.size() - size;
    if (size != expected) {
      return base::Error(CKR_FUNCTION_FAILED, "size of a cipher's output");
    }
    return size;
  }

  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    if (!padded_) {
      if (held_ != 0) return WrongLength(direction_);
      return 0;
    }
    if (HoldsBack() && held_ != block_) return WrongLength(direction_);
    int size = 0;
    uint8_t block[kAesBlockSize];
    if (EVP_CipherFinal_ex(context_.get(), block, &size) != 1) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_ENCRYPTED_DATA_INVALID, "padding");
    }
    std::copy_n(block, std::min<size_t>(size, out.size()), out.begin());
    base::Wipe(block, sizeof(block));
    return size;
  }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    const bool must_be_whole = !padded_ || direction_ == Direction::kDecrypt;
    const bool may_be_empty = !HoldsBack();
    if ((must_be_whole && in.size() % block_ != 0) ||
        (in.empty() && !may_be_empty)) {
      return WrongLength(direction_);
    }
    return Cipher::OneShot(in, out);
  }

 private:
  bool HoldsBack() const {
    return padded_ && direction_ == Direction::kDecrypt;
  }

  CipherLease context_;
  const size_t block_;
  const Direction direction_;
  const bool padded_;
  size_t held_ = 0;
};

template <size_t kSize>
absl::StatusOr<ParametersRef> ParseIv(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen != kSize) {
    return InvalidParameter("length of the IV");
  }
  ASSIGN_OR_RETURN(Bytes iv, CopyBuffer(mechanism.pParameter,
                                        mechanism.ulParameterLen, kSize));
  return ParametersRef(std::make_shared<BytesParameters>(std::move(iv)));
}

template <AesMode kMode, Direction kDirection, bool kPadded>
absl::StatusOr<std::unique_ptr<Cipher>> NewBlockCipher(const Use& use) {
  ASSIGN_OR_RETURN(CipherLease context,
                   LendCipher(*use.key, kMode, kDirection, kPadded));
  // An unused IV also resets what a predecessor left of an unfinished block.
  static constexpr uint8_t kNoIv[kAesBlockSize] = {};
  const ByteSpan iv = use.parameters == nullptr
                          ? ByteSpan(kNoIv)
                          : GivenParameters<BytesParameters>(use).bytes;
  RETURN_IF_ERROR(SetIv(context.get(), iv));
  return std::make_unique<BlockCipher>(std::move(context), kDirection, kPadded);
}

// --- CTR --------------------------------------------------------------------

struct CtrParameters : Parameters {
  Bytes counter;
  uint64_t blocks;  // that may be processed before the counter overflows
};

// 2^bits - counter, or the largest number if that is more.
uint64_t BlocksLeft(const uint8_t (&counter)[kAesBlockSize], unsigned bits) {
  uint64_t high = 0;
  uint64_t low = 0;
  for (size_t i = 0; i < 8; ++i) {
    high = high << 8 | counter[i];
    low = low << 8 | counter[8 + i];
  }
  if (bits < 64) {
    const uint64_t end = uint64_t{1} << bits;
    return end - (low & (end - 1));
  }
  const uint64_t high_mask = bits == 64 ? 0 : ~uint64_t{0} >> (128 - bits);
  const bool is_near_end = (high & high_mask) == high_mask && low != 0;
  return is_near_end ? 0 - low : ~uint64_t{0};
}

absl::StatusOr<ParametersRef> ParseCtr(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_AES_CTR_PARAMS>(mechanism));
  if (given.ulCounterBits < 1 || given.ulCounterBits > 128) {
    return InvalidParameter("counter bits");
  }
  auto parsed = std::make_shared<CtrParameters>();
  parsed->counter = Bytes(std::begin(given.cb), std::end(given.cb));
  parsed->blocks =
      BlocksLeft(given.cb, static_cast<unsigned>(given.ulCounterBits));
  return ParametersRef(std::move(parsed));
}

// Refuses to go beyond the counter, so it never wraps into the fixed bits.
class CtrCipher final : public Cipher {
 public:
  CtrCipher(CipherLease context, Direction direction, uint64_t blocks)
      : context_(std::move(context)),
        direction_(direction),
        left_(blocks > ~uint64_t{0} / kAesBlockSize ? ~uint64_t{0}
                                                    : blocks * kAesBlockSize) {}

  size_t UpdateSize(size_t input) const override { return input; }
  size_t OneShotSize(size_t input) const override { return input; }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan out) override {
    if (in.size() > left_) return WrongLength(direction_);
    left_ -= in.size();
    if (Overlap(in, ByteSpan(out)) && in.data() != out.data()) {
      const SecretBytes copy = SecretBytes::CopyOf(in);
      return CipherUpdate(context_.get(), copy.Expose(), out.data());
    }
    return CipherUpdate(context_.get(), in, out.data());
  }

  absl::StatusOr<size_t> Final(MutableByteSpan) override { return 0; }

 private:
  CipherLease context_;
  const Direction direction_;
  uint64_t left_;
};

template <Direction kDirection>
absl::StatusOr<std::unique_ptr<Cipher>> NewCtr(const Use& use) {
  const auto& ctr = GivenParameters<CtrParameters>(use);
  ASSIGN_OR_RETURN(CipherLease context,
                   LendCipher(*use.key, AesMode::kCtr, kDirection));
  RETURN_IF_ERROR(SetIv(context.get(), ctr.counter));
  return std::make_unique<CtrCipher>(std::move(context), kDirection,
                                     ctr.blocks);
}

// --- OFB, CFB and ChaCha20: a byte for a byte
// ---------------------------------

template <CipherMode kMode, Direction kDirection>
absl::StatusOr<std::unique_ptr<Cipher>> NewStream(const Use& use) {
  ASSIGN_OR_RETURN(CipherLease context,
                   LendCipher(*use.key, kMode, kDirection));
  RETURN_IF_ERROR(
      SetIv(context.get(), GivenParameters<BytesParameters>(use).bytes));
  return std::make_unique<CtrCipher>(std::move(context), kDirection,
                                     ~uint64_t{0});
}

// CK_CHACHA20_PARAMS: a counter of 32 or 64 bits and a nonce that fills the
// rest of OpenSSL's 16 bytes (PKCS#11 3.2, 6.64; RFC 8439 and the original).
absl::StatusOr<ParametersRef> ParseChaCha20(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_CHACHA20_PARAMS>(mechanism));
  const bool is_known =
      (given.blockCounterBits == 32 && given.ulNonceBits == 96) ||
      (given.blockCounterBits == 64 && given.ulNonceBits == 64);
  if (!is_known) return InvalidParameter("counter and nonce of ChaCha20");
  ASSIGN_OR_RETURN(
      Bytes iv, CopyBuffer(given.pBlockCounter, given.blockCounterBits / 8, 8));
  ASSIGN_OR_RETURN(const Bytes nonce,
                   CopyBuffer(given.pNonce, given.ulNonceBits / 8, 12));
  iv.insert(iv.end(), nonce.begin(), nonce.end());
  return ParametersRef(std::make_shared<BytesParameters>(std::move(iv)));
}

// --- CTS and XTS: a message in one piece
// -----------------------------------------

// Keeps parts until the end, because OpenSSL wants the message whole.
class WholeCipher final : public Cipher {
 public:
  WholeCipher(UniqueCipherCtx context, Direction direction)
      : context_(std::move(context)), direction_(direction) {}

  size_t FinalSize() const override { return kept_.size(); }
  size_t OneShotSize(size_t input) const override { return input; }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan) override {
    kept_.Append(in);
    return 0;
  }
  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    return OneShot(kept_.Expose(), out);
  }
  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() < kAesBlockSize || in.size() > kMost) {
      return WrongLength(direction_);
    }
    const SecretBytes copy = SecretBytes::CopyOf(in);
    return CipherUpdate(context_.get(), copy.Expose(), out.data());
  }

 private:
  static constexpr size_t kMost = size_t{1} << 24;  // XTS: 2^20 blocks

  UniqueCipherCtx context_;
  const Direction direction_;
  SecretBytes kept_;
};

template <CipherMode kMode, Direction kDirection>
absl::StatusOr<std::unique_ptr<Cipher>> NewWhole(const Use& use) {
  ASSIGN_OR_RETURN(UniqueCipherCtx context,
                   NewCipherContext(*use.key, kMode, kDirection));
  RETURN_IF_ERROR(
      SetIv(context.get(), GivenParameters<BytesParameters>(use).bytes));
  return std::make_unique<WholeCipher>(std::move(context), kDirection);
}

// --- rows
// -----------------------------------------------------------------------

struct Sizes {
  CK_ULONG min, max;
};
constexpr Sizes SizesOf(CK_KEY_TYPE type) {
  switch (type) {
    case CKK_DES:
    case CKK_DES2:
    case CKK_DES3:
      return {0, 0};  // one length each
    case CKK_CHACHA20:
      return {32, 32};
    case CKK_AES_XTS:
      return {32, 64};
    default:
      return {kMinAesKey, kMaxAesKey};
  }
}

template <CK_KEY_TYPE kType>
constexpr size_t kLargest = kType == CKK_DES       ? 8
                            : kType == CKK_DES3    ? 24
                            : kType == CKK_DES2    ? 16
                            : kType == CKK_AES_XTS ? 64
                                                   : 32;

template <CK_KEY_TYPE kType>
constexpr Mechanism KeyRow(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .key_type = kType,
          .min_key = SizesOf(kType).min,
          .max_key = SizesOf(kType).max,
          .legacy = kType == CKK_DES,
          .generate = GenerateSecret};
}

template <CK_KEY_TYPE kType, CipherMode kMode>
constexpr Mechanism Row(
    CK_MECHANISM_TYPE type, const char* name,
    absl::StatusOr<ParametersRef> (*parse)(const CK_MECHANISM&),
    absl::StatusOr<std::unique_ptr<Cipher>> (*encrypt)(const Use&),
    absl::StatusOr<std::unique_ptr<Cipher>> (*decrypt)(const Use&)) {
  return {.type = type,
          .name = name,
          .key_type = kType,
          .also_key_type = kType == CKK_DES3
                               ? CK_KEY_TYPE{CKK_DES2}
                               : CK_KEY_TYPE{CK_UNAVAILABLE_INFORMATION},
          .min_key = SizesOf(kType).min,
          .max_key = SizesOf(kType).max,
          .legacy = kType == CKK_DES,
          .available = CipherIsAvailable<kType, kMode, kLargest<kType>>,
          .parse = parse,
          .encrypt = encrypt,
          .decrypt = decrypt};
}

constexpr Direction kIn = Direction::kEncrypt;
constexpr Direction kBack = Direction::kDecrypt;

template <CipherMode kMode, bool kPadded>
absl::StatusOr<Bytes> WrapByBlocks(const Use& use, ByteSpan plain) {
  return WrapBy(NewBlockCipher<kMode, kIn, kPadded>, use, plain);
}

template <CipherMode kMode, bool kPadded>
absl::StatusOr<SecretBytes> UnwrapByBlocks(const Use& use, ByteSpan wrapped) {
  return UnwrapBy(NewBlockCipher<kMode, kBack, kPadded>, use, wrapped);
}

template <CK_KEY_TYPE kType, CipherMode kMode, bool kPadded>
constexpr Mechanism BlockRow(CK_MECHANISM_TYPE type, const char* name) {
  constexpr bool kIsDes = kType == CKK_DES || kType == CKK_DES3;
  constexpr size_t kIv = kIsDes ? 8 : kAesBlockSize;
  Mechanism row = Row<kType, kMode>(
      type, name, kMode == CipherMode::kEcb ? nullptr : ParseIv<kIv>,
      NewBlockCipher<kMode, kIn, kPadded>,
      NewBlockCipher<kMode, kBack, kPadded>);
  row.legacy_wrap = true;
  row.wrap = WrapByBlocks<kMode, kPadded>;
  row.unwrap = UnwrapByBlocks<kMode, kPadded>;
  return row;
}

template <CipherMode kMode>
constexpr Mechanism StreamRow(CK_MECHANISM_TYPE type, const char* name) {
  return Row<CKK_AES, kMode>(type, name, ParseIv<kAesBlockSize>,
                             NewStream<kMode, kIn>, NewStream<kMode, kBack>);
}

constexpr Mechanism kAesRows[] = {
    KeyRow<CKK_AES>(CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN"),
    BlockRow<CKK_AES, CipherMode::kEcb, false>(CKM_AES_ECB, "CKM_AES_ECB"),
    BlockRow<CKK_AES, CipherMode::kCbc, false>(CKM_AES_CBC, "CKM_AES_CBC"),
    BlockRow<CKK_AES, CipherMode::kCbc, true>(CKM_AES_CBC_PAD,
                                              "CKM_AES_CBC_PAD"),
    Row<CKK_AES, CipherMode::kCtr>(CKM_AES_CTR, "CKM_AES_CTR", ParseCtr,
                                   NewCtr<kIn>, NewCtr<kBack>),
    StreamRow<CipherMode::kOfb>(CKM_AES_OFB, "CKM_AES_OFB"),
    StreamRow<CipherMode::kCfb1>(CKM_AES_CFB1, "CKM_AES_CFB1"),
    StreamRow<CipherMode::kCfb8>(CKM_AES_CFB8, "CKM_AES_CFB8"),
    StreamRow<CipherMode::kCfb128>(CKM_AES_CFB128, "CKM_AES_CFB128"),
    Row<CKK_AES, CipherMode::kCts>(
        CKM_AES_CTS, "CKM_AES_CTS", ParseIv<kAesBlockSize>,
        NewWhole<CipherMode::kCts, kIn>, NewWhole<CipherMode::kCts, kBack>),
    KeyRow<CKK_AES_XTS>(CKM_AES_XTS_KEY_GEN, "CKM_AES_XTS_KEY_GEN"),
    Row<CKK_AES_XTS, CipherMode::kXts>(
        CKM_AES_XTS, "CKM_AES_XTS", ParseIv<kAesBlockSize>,
        NewWhole<CipherMode::kXts, kIn>, NewWhole<CipherMode::kXts, kBack>),
    KeyRow<CKK_CAMELLIA>(CKM_CAMELLIA_KEY_GEN, "CKM_CAMELLIA_KEY_GEN"),
    BlockRow<CKK_CAMELLIA, CipherMode::kEcb, false>(CKM_CAMELLIA_ECB,
                                                    "CKM_CAMELLIA_ECB"),
    BlockRow<CKK_CAMELLIA, CipherMode::kCbc, false>(CKM_CAMELLIA_CBC,
                                                    "CKM_CAMELLIA_CBC"),
    BlockRow<CKK_CAMELLIA, CipherMode::kCbc, true>(CKM_CAMELLIA_CBC_PAD,
                                                   "CKM_CAMELLIA_CBC_PAD"),
    Row<CKK_CAMELLIA, CipherMode::kCtr>(CKM_CAMELLIA_CTR, "CKM_CAMELLIA_CTR",
                                        ParseCtr, NewCtr<kIn>, NewCtr<kBack>),
    KeyRow<CKK_DES>(CKM_DES_KEY_GEN, "CKM_DES_KEY_GEN"),
    BlockRow<CKK_DES, CipherMode::kEcb, false>(CKM_DES_ECB, "CKM_DES_ECB"),
    BlockRow<CKK_DES, CipherMode::kCbc, false>(CKM_DES_CBC, "CKM_DES_CBC"),
    BlockRow<CKK_DES, CipherMode::kCbc, true>(CKM_DES_CBC_PAD,
                                              "CKM_DES_CBC_PAD"),
    KeyRow<CKK_DES2>(CKM_DES2_KEY_GEN, "CKM_DES2_KEY_GEN"),
    KeyRow<CKK_DES3>(CKM_DES3_KEY_GEN, "CKM_DES3_KEY_GEN"),
    BlockRow<CKK_DES3, CipherMode::kEcb, false>(CKM_DES3_ECB, "CKM_DES3_ECB"),
    BlockRow<CKK_DES3, CipherMode::kCbc, false>(CKM_DES3_CBC, "CKM_DES3_CBC"),
    BlockRow<CKK_DES3, CipherMode::kCbc, true>(CKM_DES3_CBC_PAD,
                                               "CKM_DES3_CBC_PAD"),
    KeyRow<CKK_CHACHA20>(CKM_CHACHA20_KEY_GEN, "CKM_CHACHA20_KEY_GEN"),
    Row<CKK_CHACHA20, CipherMode::kStream>(
        CKM_CHACHA20, "CKM_CHACHA20", ParseChaCha20,
        NewStream<CipherMode::kStream, kIn>,
        NewStream<CipherMode::kStream, kBack>),
};

}  // namespace

absl::Span<const Mechanism> AesRows() { return kAesRows; }

}  // namespace pkcs11
