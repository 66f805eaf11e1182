// SHA-1, SHA-2 with SHA-512/t, SHA-3 and BLAKE2b.
//
// SHA-512/t has an initial value of its own for each t. OpenSSL has those of
// 224 and 256, the two that FIPS 180-4 approves; the others are refused.
// BLAKE2b with shorter digests needs OpenSSL 3.2.
#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

class HashDigester final : public Digester {
 public:
  HashDigester(MdLease context, const Hash& hash)
      : context_(std::move(context)), hash_(hash) {}

  size_t size() const override { return hash_.size; }

  absl::Status Update(ByteSpan data) override {
    return HashUpdate(context_.get(), data);
  }

  absl::Status Final(MutableByteSpan out) override {
    if (EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "digest final");
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Digester> Copy() const override {
    absl::StatusOr<MdLease> context = LendMd(hash_);
    if (!context.ok() ||
        EVP_MD_CTX_copy_ex(context->get(), context_.get()) != 1) {
      return nullptr;
    }
    return std::make_unique<HashDigester>(*std::move(context), hash_);
  }

  bool Rest() override { return MdTraits::Reset(context_.get()); }
  // With a parameter the hash may be another one.
  bool Rearm(const Parameters* parameters) override {
    return parameters == nullptr;
  }

 private:
  MdLease context_;
  const Hash& hash_;
};

absl::StatusOr<std::unique_ptr<Digester>> NewDigester(const Use& use) {
  const Hash& hash = *FindHash(&Hash::digest, use.mechanism.type);
  ASSIGN_OR_RETURN(MdLease context, LendMd(hash));
  return std::make_unique<HashDigester>(std::move(context), hash);
}

struct TruncatedParameters : Parameters {
  explicit TruncatedParameters(const Hash& h) : hash(h) {}
  const Hash& hash;
};

// CKM_SHA512_T: t in bits (PKCS#11 3.2 section 6.23.9).
absl::StatusOr<ParametersRef> ParseTruncated(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto bits,
                   CopyParameter<CK_MAC_GENERAL_PARAMS>(mechanism));
  if (bits != 224 && bits != 256) return InvalidParameter("t of SHA-512/t");
  return ParametersRef(std::make_shared<TruncatedParameters>(
      *FindHash(&Hash::digest, bits == 224 ? CKM_SHA512_224 : CKM_SHA512_256)));
}

absl::StatusOr<std::unique_ptr<Digester>> NewTruncated(const Use& use) {
  const Hash& hash = GivenParameters<TruncatedParameters>(use).hash;
  ASSIGN_OR_RETURN(MdLease context, LendMd(hash));
  return std::make_unique<HashDigester>(std::move(context), hash);
}

template <CK_MECHANISM_TYPE kType>
constexpr Mechanism Row(const char* name) {
  return {.type = kType,
          .name = name,
          .legacy = kType == CKM_MD5,
          .available = HashIsAvailable<kType>,
          .digest = NewDigester};
}

constexpr Mechanism kDigestRows[] = {
    Row<CKM_MD5>("CKM_MD5"),
    Row<CKM_SHA_1>("CKM_SHA_1"),
    Row<CKM_SHA224>("CKM_SHA224"),
    Row<CKM_SHA256>("CKM_SHA256"),
    Row<CKM_SHA384>("CKM_SHA384"),
    Row<CKM_SHA512>("CKM_SHA512"),
    Row<CKM_SHA512_224>("CKM_SHA512_224"),
    Row<CKM_SHA512_256>("CKM_SHA512_256"),
    Row<CKM_SHA3_224>("CKM_SHA3_224"),
    Row<CKM_SHA3_256>("CKM_SHA3_256"),
    Row<CKM_SHA3_384>("CKM_SHA3_384"),
    Row<CKM_SHA3_512>("CKM_SHA3_512"),
    Row<CKM_BLAKE2B_512>("CKM_BLAKE2B_512"),
    {.type = CKM_SHA512_T,
     .name = "CKM_SHA512_T",
     .available = HashIsAvailable<CKM_SHA512_256>,
     .parse = ParseTruncated,
     .digest = NewTruncated},
};

}  // namespace

absl::Span<const Mechanism> DigestRows() { return kDigestRows; }

}  // namespace pkcs11
