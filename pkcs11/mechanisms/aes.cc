// AES: generation, ECB, CBC without and with padding, CTR.
#include "pkcs11/mechanisms/aes.h"

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {

absl::StatusOr<UniqueCipherCtx> NewAes(const hsm::Object& key, AesMode mode,
                                       Direction direction) {
  const ByteSpan value = key.attributes().Value(CKA_VALUE);
  const EVP_CIPHER* cipher = AesCipher(mode, value.size());
  if (cipher == nullptr) {
    return base::Error(CKR_KEY_SIZE_RANGE, "length of an AES key");
  }
  UniqueCipherCtx context(EVP_CIPHER_CTX_new());
  if (context == nullptr) {
    return base::OpenSslError(CKR_HOST_MEMORY, "cipher context");
  }
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  if (EVP_CipherInit_ex2(context.get(), cipher, value.data(), nullptr,
                         direction == Direction::kEncrypt ? 1 : 0,
                         nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "AES key");
  }
  return context;
}

absl::StatusOr<CipherLease> LendAes(const hsm::Object& key, AesMode mode,
                                    Direction direction, bool padded) {
  const uint32_t variant = static_cast<uint32_t>(mode) << 2 |
                           static_cast<uint32_t>(direction) << 1 | padded;
  ASSIGN_OR_RETURN(
      auto pool,
      Cached<ContextPool<CipherTraits>>(
          key, CacheKind(CKM_AES_KEY_GEN, variant),
          [&]() -> absl::StatusOr<std::shared_ptr<ContextPool<CipherTraits>>> {
            ASSIGN_OR_RETURN(UniqueCipherCtx context,
                             NewAes(key, mode, direction));
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
    return base::OpenSslError(CKR_FUNCTION_FAILED, "AES IV");
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
      : context_(std::move(context)), direction_(direction), padded_(padded) {}

  size_t UpdateSize(size_t input) const override {
    const size_t total = held_ + input;
    // Decryption holds the last block back, which may be padding.
    const size_t kept = HoldsBack() && total > 0 ? 1 : 0;
    return (total - kept) / kAesBlockSize * kAesBlockSize;
  }

  size_t FinalSize() const override { return padded_ ? kAesBlockSize : 0; }

  size_t OneShotSize(size_t input) const override {
    if (padded_ && direction_ == Direction::kEncrypt) {
      return (input / kAesBlockSize + 1) * kAesBlockSize;
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
    if (HoldsBack() && held_ != kAesBlockSize) return WrongLength(direction_);
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
    if ((must_be_whole && in.size() % kAesBlockSize != 0) ||
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
  const Direction direction_;
  const bool padded_;
  size_t held_ = 0;
};

absl::StatusOr<ParametersRef> ParseIv(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen != kAesBlockSize) {
    return InvalidParameter("length of the IV");
  }
  ASSIGN_OR_RETURN(Bytes iv,
                   CopyBuffer(mechanism.pParameter, mechanism.ulParameterLen,
                              kAesBlockSize));
  return ParametersRef(std::make_shared<BytesParameters>(std::move(iv)));
}

template <AesMode kMode, Direction kDirection, bool kPadded>
absl::StatusOr<std::unique_ptr<Cipher>> NewBlockCipher(const Use& use) {
  ASSIGN_OR_RETURN(CipherLease context,
                   LendAes(*use.key, kMode, kDirection, kPadded));
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
                   LendAes(*use.key, AesMode::kCtr, kDirection));
  RETURN_IF_ERROR(SetIv(context.get(), ctr.counter));
  return std::make_unique<CtrCipher>(std::move(context), kDirection,
                                     ctr.blocks);
}

template <AesMode kMode, bool kPadded>
constexpr Mechanism BlockRow(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .key_type = CKK_AES,
          .min_key = kMinAesKey,
          .max_key = kMaxAesKey,
          .available = AesIsAvailable<kMode>,
          .parse = kMode == AesMode::kEcb ? nullptr : ParseIv,
          .encrypt = NewBlockCipher<kMode, Direction::kEncrypt, kPadded>,
          .decrypt = NewBlockCipher<kMode, Direction::kDecrypt, kPadded>};
}

constexpr Mechanism kRows[] = {
    {.type = CKM_AES_KEY_GEN,
     .name = "CKM_AES_KEY_GEN",
     .key_type = CKK_AES,
     .min_key = kMinAesKey,
     .max_key = kMaxAesKey,
     .generate = GenerateSecret},
    BlockRow<AesMode::kEcb, false>(CKM_AES_ECB, "CKM_AES_ECB"),
    BlockRow<AesMode::kCbc, false>(CKM_AES_CBC, "CKM_AES_CBC"),
    BlockRow<AesMode::kCbc, true>(CKM_AES_CBC_PAD, "CKM_AES_CBC_PAD"),
    {.type = CKM_AES_CTR,
     .name = "CKM_AES_CTR",
     .key_type = CKK_AES,
     .min_key = kMinAesKey,
     .max_key = kMaxAesKey,
     .available = AesIsAvailable<AesMode::kCtr>,
     .parse = ParseCtr,
     .encrypt = NewCtr<Direction::kEncrypt>,
     .decrypt = NewCtr<Direction::kDecrypt>},
};

}  // namespace

absl::Span<const Mechanism> AesRows() { return kRows; }

}  // namespace pkcs11
