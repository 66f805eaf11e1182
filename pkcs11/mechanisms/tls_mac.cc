// The MAC of TLS's "finished" messages (PKCS#11 3.2, 6.40.3): the PRF of all
// that was fed, which is the hash of the handshake.
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"
#include "pkcs11/mechanisms/tls_prf.h"

namespace pkcs11 {
namespace {

constexpr CK_ULONG kUsualTag = 12;
constexpr CK_ULONG kServer = 1;
constexpr CK_ULONG kClient = 2;
constexpr size_t kMostData = size_t{1} << 16;

struct MacParameters : Parameters {
  MacParameters(TlsPrf p, size_t s, const char* l)
      : prf(p), size(s), label(l) {}
  const TlsPrf prf;
  const size_t size;
  const char* const label;
};

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_TLS_MAC_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(const TlsPrf prf, TlsPrf::Find(given.prfHashMechanism));
  const CK_ULONG most = prf.hash() == nullptr ? kUsualTag : kMaxHashSize;
  if (given.ulMacLength < kUsualTag || given.ulMacLength > most) {
    return InvalidParameter("length of a TLS MAC");
  }
  if (given.ulServerOrClient != kServer && given.ulServerOrClient != kClient) {
    return InvalidParameter("neither server nor client");
  }
  return ParametersRef(std::make_shared<MacParameters>(
      prf, given.ulMacLength,
      given.ulServerOrClient == kServer ? "server finished"
                                        : "client finished"));
}

// Data and key of one operation. The PRF reads its seed more than once.
class Message {
 public:
  explicit Message(const Use& use)
      : key_(use.key), parameters_(GivenParameters<MacParameters>(use)) {}

  size_t size() const { return parameters_.size; }

  absl::Status Feed(ByteSpan data) {
    if (data.size() > kMostData - data_.size()) {
      return base::Error(CKR_DATA_LEN_RANGE, "more than a handshake's hash");
    }
    data_.insert(data_.end(), data.begin(), data.end());
    return absl::OkStatus();
  }

  absl::StatusOr<HashValue> Tag() const {
    ASSIGN_OR_RETURN(const ByteSpan secret, SecretValue(*key_));
    HashValue tag;
    tag.size = size();
    RETURN_IF_ERROR(
        parameters_.prf.Run(secret, parameters_.label, {data_},
                            MutableByteSpan(tag.bytes.data(), tag.size)));
    return tag;
  }

 private:
  const hsm::ObjectRef key_;
  const MacParameters parameters_;
  Bytes data_;
};

class TlsSigner final : public Signer {
 public:
  explicit TlsSigner(const Use& use) : message_(use) {}
  size_t size() const override { return message_.size(); }
  absl::Status Update(ByteSpan data) override { return message_.Feed(data); }
  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    ASSIGN_OR_RETURN(const HashValue tag, message_.Tag());
    std::copy_n(tag.bytes.begin(), tag.size, out.begin());
    return tag.size;
  }

 private:
  Message message_;
};

class TlsVerifier final : public Verifier {
 public:
  explicit TlsVerifier(const Use& use) : message_(use) {}
  absl::Status Update(ByteSpan data) override { return message_.Feed(data); }
  absl::Status Final(ByteSpan signature) override {
    if (signature.size() != message_.size()) {
      return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a TLS MAC");
    }
    ASSIGN_OR_RETURN(const HashValue tag, message_.Tag());
    if (!base::ConstantTimeEquals(tag.span(), signature)) {
      return base::Error(CKR_SIGNATURE_INVALID, "the TLS MAC does not fit");
    }
    return absl::OkStatus();
  }

 private:
  Message message_;
};

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name) {
  return {
      .type = type,
      .name = name,
      .key_type = CKK_GENERIC_SECRET,
      .min_key = 1,
      .max_key = kMaxSecretSize,
      .parse = Parse,
      .sign = [](const Use& use) -> absl::StatusOr<std::unique_ptr<Signer>> {
        return std::make_unique<TlsSigner>(use);
      },
      .verify =
          [](const Use& use) -> absl::StatusOr<std::unique_ptr<Verifier>> {
        return std::make_unique<TlsVerifier>(use);
      }};
}

constexpr Mechanism kTlsMacRows[] = {
    Row(CKM_TLS_MAC, "CKM_TLS_MAC"),
    Row(CKM_TLS12_MAC, "CKM_TLS12_MAC"),
};

}  // namespace

absl::Span<const Mechanism> TlsMacRows() { return kTlsMacRows; }

}  // namespace pkcs11
