// Keys that are the encryption of data under another key (PKCS#11 3.2, 6.27 and
// 6.48). The application chooses the data, so what comes out is as protected as
// the base key in the strict profile, and never so short that it can be found
// by trying: else this would be a way to encrypt with a key that may only
// derive.
#include "pkcs11/mechanisms/aes.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

constexpr size_t kMostBytes = size_t{1} << 14;

struct DataParameters : Parameters {
  Bytes iv;  // of CBC
  Bytes data;
};

absl::Status ReadData(const void* data, CK_ULONG size, size_t block,
                      DataParameters& parsed) {
  if (size == 0 || size % block != 0) {
    return InvalidParameter("not a number of whole blocks");
  }
  ASSIGN_OR_RETURN(parsed.data, CopyBuffer(data, size, kMostBytes));
  return absl::OkStatus();
}

template <size_t kBlock>
absl::StatusOr<ParametersRef> ParseEcb(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_KEY_DERIVATION_STRING_DATA>(mechanism));
  auto parsed = std::make_shared<DataParameters>();
  RETURN_IF_ERROR(ReadData(given.pData, given.ulLen, kBlock, *parsed));
  return ParametersRef(std::move(parsed));
}

template <typename T>
absl::StatusOr<ParametersRef> ParseCbc(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given, CopyParameter<T>(mechanism));
  auto parsed = std::make_shared<DataParameters>();
  parsed->iv = Bytes(std::begin(given.iv), std::end(given.iv));
  RETURN_IF_ERROR(
      ReadData(given.pData, given.length, sizeof(given.iv), *parsed));
  return ParametersRef(std::move(parsed));
}

template <CipherMode kMode>
absl::StatusOr<SecretBytes> Derive(const Use& use, size_t size) {
  const auto& given = GivenParameters<DataParameters>(use);
  if (size == 0) size = given.data.size();
  if (size > given.data.size()) {
    return base::Error(CKR_DATA_LEN_RANGE, "less data than the key has bytes");
  }
  RETURN_IF_ERROR(CheckPart(*use.key, size));
  ASSIGN_OR_RETURN(CipherLease context,
                   LendCipher(*use.key, kMode, Direction::kEncrypt));
  const Bytes no_iv(kAesBlockSize);
  RETURN_IF_ERROR(SetIv(context.get(), given.iv.empty() ? no_iv : given.iv));
  SecretBytes value(given.data.size());
  RETURN_IF_ERROR(
      CipherUpdate(context.get(), given.data, value.ExposeMutable().data())
          .status());
  value.Truncate(size);
  return value;
}

template <CK_KEY_TYPE kType, CipherMode kMode>
constexpr Mechanism Row(
    CK_MECHANISM_TYPE type, const char* name,
    absl::StatusOr<ParametersRef> (*parse)(const CK_MECHANISM&)) {
  constexpr bool kIsDes = kType == CKK_DES || kType == CKK_DES3;
  constexpr size_t kLargest = kType == CKK_DES ? 8 : kIsDes ? 24 : 32;
  return {.type = type,
          .name = name,
          .key_type = kType,
          .also_key_type = kType == CKK_DES3
                               ? CK_KEY_TYPE{CKK_DES2}
                               : CK_KEY_TYPE{CK_UNAVAILABLE_INFORMATION},
          .min_key = kIsDes ? 0 : kMinAesKey,
          .max_key = kIsDes ? 0 : kMaxAesKey,
          .legacy = kType == CKK_DES,
          .available = CipherIsAvailable<kType, kMode, kLargest>,
          .parse = parse,
          .derive = Derive<kMode>};
}

constexpr Mechanism kEncryptDataRows[] = {
    Row<CKK_AES, CipherMode::kEcb>(CKM_AES_ECB_ENCRYPT_DATA,
                                   "CKM_AES_ECB_ENCRYPT_DATA", ParseEcb<16>),
    Row<CKK_AES, CipherMode::kCbc>(CKM_AES_CBC_ENCRYPT_DATA,
                                   "CKM_AES_CBC_ENCRYPT_DATA",
                                   ParseCbc<CK_AES_CBC_ENCRYPT_DATA_PARAMS>),
    Row<CKK_CAMELLIA, CipherMode::kEcb>(CKM_CAMELLIA_ECB_ENCRYPT_DATA,
                                        "CKM_CAMELLIA_ECB_ENCRYPT_DATA",
                                        ParseEcb<16>),
    Row<CKK_CAMELLIA, CipherMode::kCbc>(
        CKM_CAMELLIA_CBC_ENCRYPT_DATA, "CKM_CAMELLIA_CBC_ENCRYPT_DATA",
        ParseCbc<CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS>),
    Row<CKK_DES, CipherMode::kEcb>(CKM_DES_ECB_ENCRYPT_DATA,
                                   "CKM_DES_ECB_ENCRYPT_DATA", ParseEcb<8>),
    Row<CKK_DES, CipherMode::kCbc>(CKM_DES_CBC_ENCRYPT_DATA,
                                   "CKM_DES_CBC_ENCRYPT_DATA",
                                   ParseCbc<CK_DES_CBC_ENCRYPT_DATA_PARAMS>),
    Row<CKK_DES3, CipherMode::kEcb>(CKM_DES3_ECB_ENCRYPT_DATA,
                                    "CKM_DES3_ECB_ENCRYPT_DATA", ParseEcb<8>),
    Row<CKK_DES3, CipherMode::kCbc>(CKM_DES3_CBC_ENCRYPT_DATA,
                                    "CKM_DES3_CBC_ENCRYPT_DATA",
                                    ParseCbc<CK_DES_CBC_ENCRYPT_DATA_PARAMS>),
};

}  // namespace

absl::Span<const Mechanism> EncryptDataRows() { return kEncryptDataRows; }

}  // namespace pkcs11
