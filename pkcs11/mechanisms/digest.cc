// SHA-1 and SHA-2.
#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"

namespace pkcs11 {
namespace {

class HashDigester final : public Digester {
 public:
  HashDigester(MdLease context, size_t size)
      : context_(std::move(context)), size_(size) {}

  size_t size() const override { return size_; }

  absl::Status Update(ByteSpan data) override {
    return HashUpdate(context_.get(), data);
  }

  absl::Status Final(MutableByteSpan out) override {
    if (EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "digest final");
    }
    return absl::OkStatus();
  }

  bool Rest() override { return MdTraits::Reset(context_.get()); }

 private:
  MdLease context_;
  const size_t size_;
};

absl::StatusOr<std::unique_ptr<Digester>> NewDigester(const Use& use) {
  const Hash& hash = *FindHash(&Hash::digest, use.mechanism.type);
  ASSIGN_OR_RETURN(MdLease context, LendMd(hash));
  return std::make_unique<HashDigester>(std::move(context), hash.size);
}

template <CK_MECHANISM_TYPE kType>
constexpr Mechanism Row(const char* name) {
  return {.type = kType,
          .name = name,
          .available = HashIsAvailable<kType>,
          .digest = NewDigester};
}

constexpr Mechanism kRows[] = {
    Row<CKM_SHA_1>("CKM_SHA_1"),   Row<CKM_SHA224>("CKM_SHA224"),
    Row<CKM_SHA256>("CKM_SHA256"), Row<CKM_SHA384>("CKM_SHA384"),
    Row<CKM_SHA512>("CKM_SHA512"),
};

}  // namespace

absl::Span<const Mechanism> DigestRows() { return kRows; }

}  // namespace pkcs11
