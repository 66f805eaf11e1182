// Keys from keys by joining and cutting (PKCS#11 3.2, 6.43). What comes out is
// no less protected than what it was made of (hsm/key_protection.cc); here it
// is also never so short that it would give its base key away byte by byte.
#include <algorithm>

#include "hsm/key_protection.h"
#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

// Bytes of parameters that are joined with a key.
constexpr size_t kMostData = size_t{1} << 14;

ByteSpan BaseValue(const Use& use) {
  return use.key->attributes().Value(CKA_VALUE);
}

// Whether `kept` bytes of a key that was joined or cut may come out. Of a
// hidden key: all, or no part so short that it is found by trying. In the
// strict profile only a key that was made here whole is cut or, `altered`,
// comes out in disguise: of a joined key the caller may know all but a few
// bytes, and would cut where the known ones begin.
absl::Status CheckKept(const Use& use, const hsm::Object& key, size_t kept,
                       bool altered = false) {
  const hsm::AttributeSet& attributes = key.attributes();
  const size_t whole = attributes.Value(CKA_VALUE).size();
  const bool cut = kept < whole;
  if (!hsm::HidesValue(attributes) || !(cut || altered)) {
    return absl::OkStatus();
  }
  if (cut && kept < kShortestPart) {
    return base::Error(CKR_KEY_SIZE_RANGE,
                       "so short a part would tell what a hidden key is");
  }
  if (use.profile == Profile::kStrict && !attributes.IsTrue(CKA_LOCAL)) {
    return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                       "a hidden key that was not generated here is not cut");
  }
  return absl::OkStatus();
}

// The first `size` bytes (all, when it is 0).
absl::StatusOr<SecretBytes> Cut(SecretBytes whole, size_t size) {
  if (size == 0) size = whole.size();
  if (size > whole.size()) {
    return base::Error(CKR_KEY_SIZE_RANGE, "more bytes than there are");
  }
  whole.Truncate(size);
  return whole;
}

absl::Status NeedValue(const Use& use) {
  if (!BaseValue(use).empty()) return absl::OkStatus();
  return base::Error(CKR_KEY_TYPE_INCONSISTENT, "the base key has no value");
}

// --- joining (6.43) ----------------------------------------------------------

struct OtherKeyParameters : Parameters {
  explicit OtherKeyParameters(CK_OBJECT_HANDLE handle) : key(handle) {}
  CK_OBJECT_HANDLE other_key() const override { return key; }
  const CK_OBJECT_HANDLE key;
};

absl::StatusOr<ParametersRef> ParseOtherKey(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto handle,
                   CopyParameter<CK_OBJECT_HANDLE>(mechanism));
  if (handle == CK_INVALID_HANDLE) return InvalidParameter("no second key");
  return ParametersRef(std::make_shared<OtherKeyParameters>(handle));
}

absl::StatusOr<ParametersRef> ParseData(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_KEY_DERIVATION_STRING_DATA>(mechanism));
  ASSIGN_OR_RETURN(Bytes data, CopyBuffer(given.pData, given.ulLen, kMostData));
  return ParametersRef(std::make_shared<BytesParameters>(std::move(data)));
}

SecretBytes Joined(ByteSpan first, ByteSpan second) {
  SecretBytes out(first.size() + second.size());
  const MutableByteSpan bytes = out.ExposeMutable();
  std::copy(first.begin(), first.end(), bytes.begin());
  std::copy(second.begin(), second.end(), bytes.begin() + first.size());
  return out;
}

absl::StatusOr<SecretBytes> KeyThenKey(const Use& use, size_t size) {
  RETURN_IF_ERROR(NeedValue(use));
  const ByteSpan base = BaseValue(use);
  const ByteSpan other = use.other->attributes().Value(CKA_VALUE);
  ASSIGN_OR_RETURN(SecretBytes made, Cut(Joined(base, other), size));
  const size_t of_base = std::min(made.size(), base.size());
  RETURN_IF_ERROR(CheckKept(use, *use.key, of_base));
  RETURN_IF_ERROR(CheckKept(use, *use.other, made.size() - of_base));
  return made;
}

absl::StatusOr<SecretBytes> KeyThenData(const Use& use, size_t size) {
  RETURN_IF_ERROR(NeedValue(use));
  const ByteSpan base = BaseValue(use);
  ASSIGN_OR_RETURN(
      SecretBytes made,
      Cut(Joined(base, GivenParameters<BytesParameters>(use).bytes), size));
  RETURN_IF_ERROR(CheckKept(use, *use.key, std::min(made.size(), base.size())));
  return made;
}

absl::StatusOr<SecretBytes> DataThenKey(const Use& use, size_t size) {
  RETURN_IF_ERROR(NeedValue(use));
  const ByteSpan data = GivenParameters<BytesParameters>(use).bytes;
  ASSIGN_OR_RETURN(SecretBytes made, Cut(Joined(data, BaseValue(use)), size));
  // Known bytes in front leave fewer of the key's own.
  RETURN_IF_ERROR(CheckKept(use, *use.key,
                            made.size() - std::min(made.size(), data.size())));
  return made;
}

// As long as the shorter of the two.
absl::StatusOr<SecretBytes> KeyXorData(const Use& use, size_t size) {
  RETURN_IF_ERROR(NeedValue(use));
  const ByteSpan key = BaseValue(use);
  const ByteSpan data = GivenParameters<BytesParameters>(use).bytes;
  SecretBytes out(std::min(key.size(), data.size()));
  const MutableByteSpan bytes = out.ExposeMutable();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = key[i] ^ data[i];
  ASSIGN_OR_RETURN(SecretBytes made, Cut(std::move(out), size));
  RETURN_IF_ERROR(CheckKept(use, *use.key, made.size(), /*altered=*/true));
  return made;
}

// --- cutting (6.43.7) --------------------------------------------------------

struct ExtractParameters : Parameters {
  explicit ExtractParameters(CK_ULONG b) : bit(b) {}
  const CK_ULONG bit;
};

absl::StatusOr<ParametersRef> ParseExtract(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto bit, CopyParameter<CK_EXTRACT_PARAMS>(mechanism));
  return ParametersRef(std::make_shared<ExtractParameters>(bit));
}

// From this bit on (0 is the top one of the first byte), round the end.
absl::StatusOr<SecretBytes> Extract(const Use& use, size_t size) {
  RETURN_IF_ERROR(NeedValue(use));
  const ByteSpan key = BaseValue(use);
  const CK_ULONG start = GivenParameters<ExtractParameters>(use).bit;
  if (size == 0) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE,
                       "neither CKA_VALUE_LEN nor the key type says how long");
  }
  if (start >= key.size() * 8) return InvalidParameter("bit beyond the key");
  if (size > key.size()) {
    return base::Error(CKR_KEY_SIZE_RANGE, "more bits than the key has");
  }
  SecretBytes out(size);
  const MutableByteSpan bytes = out.ExposeMutable();
  for (size_t i = 0; i < size; ++i) {
    const size_t bit = start + 8 * i;
    const uint8_t high = key[bit / 8 % key.size()];
    const uint8_t low = key[(bit / 8 + 1) % key.size()];
    bytes[i] = static_cast<uint8_t>((high << 8 | low) >> (8 - bit % 8));
  }
  RETURN_IF_ERROR(CheckKept(use, *use.key, size, /*altered=*/true));
  return out;
}

// --- rows --------------------------------------------------------------------

constexpr Mechanism Row(
    CK_MECHANISM_TYPE type, const char* name,
    absl::StatusOr<ParametersRef> (*parse)(const CK_MECHANISM&),
    absl::StatusOr<SecretBytes> (*derive)(const Use&, size_t)) {
  return {.type = type, .name = name, .parse = parse, .derive = derive};
}

constexpr Mechanism kDerivationsRows[] = {
    Row(CKM_CONCATENATE_BASE_AND_KEY, "CKM_CONCATENATE_BASE_AND_KEY",
        ParseOtherKey, KeyThenKey),
    Row(CKM_CONCATENATE_BASE_AND_DATA, "CKM_CONCATENATE_BASE_AND_DATA",
        ParseData, KeyThenData),
    Row(CKM_CONCATENATE_DATA_AND_BASE, "CKM_CONCATENATE_DATA_AND_BASE",
        ParseData, DataThenKey),
    Row(CKM_XOR_BASE_AND_DATA, "CKM_XOR_BASE_AND_DATA", ParseData, KeyXorData),
    Row(CKM_EXTRACT_KEY_FROM_KEY, "CKM_EXTRACT_KEY_FROM_KEY", ParseExtract,
        Extract),
};

}  // namespace

absl::Span<const Mechanism> DerivationRows() { return kDerivationsRows; }

}  // namespace pkcs11
