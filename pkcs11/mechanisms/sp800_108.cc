// Keys from keys by NIST SP 800-108 in its three modes (PKCS#11 3.2, 6.42).
// The application lays out what goes into the PRF, segment by segment; each key
// begins with a PRF output of its own.
//
// All segments CK_SP800_108_KEY_HANDLE of a call name the same key.
#include <algorithm>
#include <array>

#include "hsm/key_protection.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/prf.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

constexpr CK_ULONG kMostSegments = 1024;
constexpr CK_ULONG kMostKeys = 256;
constexpr size_t kMostBytes = size_t{1} << 16;
constexpr CK_ULONG kWidestNumber = 64;
constexpr CK_ULONG kWidestIteration = 32;  // SP 800-108: r is at most 32

// A number in the PRF's input.
struct Number {
  bool little_endian = false;
  CK_ULONG bits = 0;

  bool Holds(uint64_t value) const { return bits >= 64 || value >> bits == 0; }
  std::array<uint8_t, 8> Encoded(uint64_t value) const {
    std::array<uint8_t, 8> out = {};
    const size_t size = bits / 8;
    for (size_t i = 0; i < size; ++i) {
      out[little_endian ? i : size - 1 - i] =
          static_cast<uint8_t>(value >> (8 * i));
    }
    return out;
  }
};

struct Segment {
  CK_PRF_DATA_TYPE type = 0;
  Number number;  // counters and the length
  CK_SP800_108_DKM_LENGTH_METHOD method = 0;
  Bytes bytes;
};

struct KdfParameters : Parameters {
  CK_MECHANISM_TYPE mode = 0;
  const Hash* hash = nullptr;  // of HMAC; null: CMAC
  CK_KEY_TYPE cmac_key = CK_UNAVAILABLE_INFORMATION;
  std::vector<Segment> segments;
  Bytes iv;
  CK_OBJECT_HANDLE other = CK_INVALID_HANDLE;
  std::vector<WantedKey> more_keys;

  CK_OBJECT_HANDLE other_key() const override { return other; }
  const Segment* Find(CK_PRF_DATA_TYPE type) const {
    for (const Segment& segment : segments) {
      if (segment.type == type) return &segment;
    }
    return nullptr;
  }
};

// --- parameters --------------------------------------------------------------

// Element `index` of an array that may lie at any address.
template <typename T>
T ElementAt(const T* array, CK_ULONG index) {
  T element;
  std::memcpy(&element,
              reinterpret_cast<const char*>(array) + index * sizeof(T),
              sizeof(T));
  return element;
}

template <typename T>
absl::StatusOr<T> CopyValue(const CK_PRF_DATA_PARAM& given) {
  if (given.pValue == nullptr || given.ulValueLen != sizeof(T)) {
    return InvalidParameter("size of a PRF data segment");
  }
  T value;
  std::memcpy(&value, given.pValue, sizeof(T));
  return value;
}

absl::Status ReadNumber(CK_BBOOL little_endian, CK_ULONG bits, CK_ULONG most,
                        Number& number) {
  if (bits == 0 || bits > most || bits % 8 != 0) {
    return InvalidParameter("width of a number in the PRF's input");
  }
  number = {.little_endian = little_endian != CK_FALSE, .bits = bits};
  return absl::OkStatus();
}

absl::Status ReadCounter(const CK_PRF_DATA_PARAM& given, CK_ULONG most,
                         Number& number) {
  ASSIGN_OR_RETURN(const auto format,
                   CopyValue<CK_SP800_108_COUNTER_FORMAT>(given));
  return ReadNumber(format.bLittleEndian, format.ulWidthInBits, most, number);
}

absl::Status ReadLength(const CK_PRF_DATA_PARAM& given, Segment& segment) {
  ASSIGN_OR_RETURN(const auto format,
                   CopyValue<CK_SP800_108_DKM_LENGTH_FORMAT>(given));
  segment.method = format.dkmLengthMethod;
  if (segment.method != CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS &&
      segment.method != CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS) {
    return InvalidParameter("how the length of the keys is counted");
  }
  return ReadNumber(format.bLittleEndian, format.ulWidthInBits, kWidestNumber,
                    segment.number);
}

absl::Status ReadKeyHandle(const CK_PRF_DATA_PARAM& given,
                           KdfParameters& parsed) {
  ASSIGN_OR_RETURN(const auto handle, CopyValue<CK_OBJECT_HANDLE>(given));
  const bool is_same =
      parsed.other == CK_INVALID_HANDLE || parsed.other == handle;
  if (handle == CK_INVALID_HANDLE || !is_same) {
    return InvalidParameter("one key at most is part of the PRF's input");
  }
  parsed.other = handle;
  return absl::OkStatus();
}

absl::Status ReadSegment(const CK_PRF_DATA_PARAM& given,
                         KdfParameters& parsed) {
  const bool counts = parsed.mode == CKM_SP800_108_COUNTER_KDF;
  const bool is_single = given.type == CK_SP800_108_ITERATION_VARIABLE ||
                         given.type == CK_SP800_108_OPTIONAL_COUNTER ||
                         given.type == CK_SP800_108_DKM_LENGTH;
  if (is_single && parsed.Find(given.type) != nullptr) {
    return InvalidParameter("a PRF data segment stands twice");
  }
  Segment segment{.type = given.type};
  switch (given.type) {
    case CK_SP800_108_ITERATION_VARIABLE:
      if (counts) {
        RETURN_IF_ERROR(ReadCounter(given, kWidestIteration, segment.number));
      } else if (given.pValue != nullptr || given.ulValueLen != 0) {
        return InvalidParameter("the iteration variable has no format here");
      }
      break;
    case CK_SP800_108_OPTIONAL_COUNTER:
      if (counts) return InvalidParameter("a second counter");
      RETURN_IF_ERROR(ReadCounter(given, kWidestNumber, segment.number));
      break;
    case CK_SP800_108_DKM_LENGTH:
      RETURN_IF_ERROR(ReadLength(given, segment));
      break;
    case CK_SP800_108_BYTE_ARRAY: {
      if (given.ulValueLen == 0) return InvalidParameter("an empty segment");
      ASSIGN_OR_RETURN(segment.bytes,
                       CopyBuffer(given.pValue, given.ulValueLen, kMostBytes));
      break;
    }
    case CK_SP800_108_KEY_HANDLE:
      RETURN_IF_ERROR(ReadKeyHandle(given, parsed));
      break;
    default:
      return InvalidParameter("the type of a PRF data segment");
  }
  parsed.segments.push_back(std::move(segment));
  return absl::OkStatus();
}

absl::Status ReadPrf(CK_SP800_108_PRF_TYPE prf, KdfParameters& parsed) {
  if (prf == CKM_AES_CMAC) {
    parsed.cmac_key = CKK_AES;
  } else if (prf == CKM_DES3_CMAC) {
    parsed.cmac_key = CKK_DES3;
  } else {
    parsed.hash = FindNamedHash(&Hash::hmac, prf);
    if (parsed.hash == nullptr || Md(*parsed.hash) == nullptr) {
      return InvalidParameter("the PRF");
    }
  }
  return absl::OkStatus();
}

// What both parameter structures have.
template <typename T>
absl::Status ReadCommon(const T& given, KdfParameters& parsed) {
  RETURN_IF_ERROR(ReadPrf(given.prfType, parsed));
  if (given.ulNumberOfDataParams > kMostSegments ||
      (given.ulNumberOfDataParams != 0 && given.pDataParams == nullptr)) {
    return InvalidParameter("the array of PRF data segments");
  }
  for (CK_ULONG i = 0; i < given.ulNumberOfDataParams; ++i) {
    RETURN_IF_ERROR(ReadSegment(ElementAt(given.pDataParams, i), parsed));
  }
  if (parsed.Find(CK_SP800_108_ITERATION_VARIABLE) == nullptr) {
    return InvalidParameter("no iteration variable");
  }
  if (given.ulAdditionalDerivedKeys > kMostKeys ||
      (given.ulAdditionalDerivedKeys != 0 &&
       given.pAdditionalDerivedKeys == nullptr)) {
    return InvalidParameter("the array of additional keys");
  }
  for (CK_ULONG i = 0; i < given.ulAdditionalDerivedKeys; ++i) {
    const CK_DERIVED_KEY key = ElementAt(given.pAdditionalDerivedKeys, i);
    if (key.phKey == nullptr) return InvalidParameter("no place for a handle");
    parsed.more_keys.push_back(
        {key.pTemplate, key.ulAttributeCount, key.phKey});
  }
  return absl::OkStatus();
}

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  auto parsed = std::make_shared<KdfParameters>();
  parsed->mode = mechanism.mechanism;
  if (parsed->mode == CKM_SP800_108_FEEDBACK_KDF) {
    ASSIGN_OR_RETURN(
        const auto given,
        CopyParameter<CK_SP800_108_FEEDBACK_KDF_PARAMS>(mechanism));
    RETURN_IF_ERROR(ReadCommon(given, *parsed));
    ASSIGN_OR_RETURN(parsed->iv,
                     CopyBuffer(given.pIV, given.ulIVLen, kMostBytes));
  } else {
    ASSIGN_OR_RETURN(const auto given,
                     CopyParameter<CK_SP800_108_KDF_PARAMS>(mechanism));
    RETURN_IF_ERROR(ReadCommon(given, *parsed));
  }
  return ParametersRef(std::move(parsed));
}

// --- derivation --------------------------------------------------------------

absl::StatusOr<Prf> NewPrf(const Use& use, const KdfParameters& kdf) {
  const CK_KEY_TYPE type = use.key->attributes().key_type();
  ASSIGN_OR_RETURN(const ByteSpan key, SecretValue(*use.key));
  if (kdf.hash != nullptr) {
    if (type != CKK_GENERIC_SECRET && type != kdf.hash->hmac_key) {
      return base::Error(CKR_KEY_TYPE_INCONSISTENT, "the PRF is an HMAC");
    }
    return Prf::Hmac(kdf.hash->openssl_name, key);
  }
  if (type != kdf.cmac_key && !(kdf.cmac_key == CKK_DES3 && type == CKK_DES2)) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT, "the PRF is a CMAC");
  }
  // Who knows the base key can turn the cipher round, and has a block of the
  // other key.
  if (use.other != nullptr && hsm::HidesValue(use.other->attributes())) {
    return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                       "a hidden key as the input of a CMAC");
  }
  return Prf::Cmac(type, key);
}

// The PRF's input, of which only iteration variable and counter change.
class Input {
 public:
  Input(const Use& use, const KdfParameters& kdf, uint64_t length)
      : use_(use), kdf_(kdf) {
    const Segment* segment = kdf.Find(CK_SP800_108_DKM_LENGTH);
    if (segment != nullptr) length_ = segment->number.Encoded(length);
  }

  // `counter`: the loop's; 0 leaves it and the iteration variable out.
  const std::vector<ByteSpan>& Parts(uint64_t counter, ByteSpan iteration) {
    parts_.clear();
    for (const Segment& segment : kdf_.segments) {
      const size_t width = segment.number.bits / 8;
      switch (segment.type) {
        case CK_SP800_108_BYTE_ARRAY:
          parts_.push_back(segment.bytes);
          break;
        case CK_SP800_108_KEY_HANDLE:
          parts_.push_back(use_.other->attributes().Value(CKA_VALUE));
          break;
        case CK_SP800_108_DKM_LENGTH:
          parts_.push_back(ByteSpan(length_).subspan(0, width));
          break;
        default:  // iteration variable and counter
          if (counter == 0) break;
          if (width == 0) {
            parts_.push_back(iteration);
          } else {
            counter_ = segment.number.Encoded(counter);
            parts_.push_back(ByteSpan(counter_).subspan(0, width));
          }
      }
    }
    return parts_;
  }

 private:
  const Use& use_;
  const KdfParameters& kdf_;
  std::array<uint8_t, 8> length_ = {};
  std::array<uint8_t, 8> counter_ = {};
  std::vector<ByteSpan> parts_;
};

// `out` is a number of whole PRF outputs.
absl::Status Fill(const KdfParameters& kdf, const Prf& prf, Input& input,
                  MutableByteSpan out) {
  SecretBytes pipeline(prf.size());  // A(i) of the double pipeline
  ByteSpan iteration = kdf.iv;
  for (uint64_t i = 1; !out.empty(); ++i) {
    const MutableByteSpan now = out.subspan(0, prf.size());
    if (kdf.mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF) {
      if (i == 1) {
        RETURN_IF_ERROR(prf.Run(input.Parts(0, {}), pipeline.ExposeMutable()));
      } else {
        RETURN_IF_ERROR(prf.Run({pipeline.Expose()}, pipeline.ExposeMutable()));
      }
      iteration = pipeline.Expose();
    }
    RETURN_IF_ERROR(prf.Run(input.Parts(i, iteration), now));
    if (kdf.mode == CKM_SP800_108_FEEDBACK_KDF) iteration = now;
    out.remove_prefix(prf.size());
  }
  return absl::OkStatus();
}

// The keys' lengths, by their templates.
absl::StatusOr<std::vector<size_t>> AddKeys(const Use& use,
                                            const KdfParameters& kdf,
                                            DerivedKeys& keys) {
  // "take on the value ... in the base key" (6.42.9)
  KeyShape shape;
  shape.implied = ProtectionOf(*use.key);
  std::vector<WantedKey> wanted = {keys.own()};
  wanted.insert(wanted.end(), kdf.more_keys.begin(), kdf.more_keys.end());
  std::vector<size_t> sizes;
  for (const WantedKey& key : wanted) {
    ASSIGN_OR_RETURN(const size_t size, keys.Add(key, shape));
    if (size == 0) {
      *key.handle = CK_INVALID_HANDLE;
      return base::Error(
          CKR_TEMPLATE_INCOMPLETE,
          "neither CKA_VALUE_LEN nor the key type says how long");
    }
    sizes.push_back(size);
  }
  return sizes;
}

// What counters and the length field can say.
absl::StatusOr<uint64_t> LengthField(const KdfParameters& kdf, size_t outputs,
                                     size_t prf_size, size_t key_bytes) {
  for (const Segment& segment : kdf.segments) {
    const bool counts = segment.type == CK_SP800_108_ITERATION_VARIABLE ||
                        segment.type == CK_SP800_108_OPTIONAL_COUNTER;
    if (counts && segment.number.bits != 0 && !segment.number.Holds(outputs)) {
      return base::Error(CKR_KEY_SIZE_RANGE, "the counter would overflow");
    }
  }
  const Segment* segment = kdf.Find(CK_SP800_108_DKM_LENGTH);
  if (segment == nullptr) return 0;
  const uint64_t length =
      8 * (segment->method == CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS
               ? key_bytes
               : outputs * prf_size);
  if (!segment->number.Holds(length)) {
    return InvalidParameter("the length of the keys does not fit its field");
  }
  return length;
}

absl::Status Derive(const Use& use, DerivedKeys& keys) {
  const auto& kdf = GivenParameters<KdfParameters>(use);
  ASSIGN_OR_RETURN(const Prf prf, NewPrf(use, kdf));
  ASSIGN_OR_RETURN(const std::vector<size_t> sizes, AddKeys(use, kdf, keys));
  const auto outputs_of = [&](size_t size) {
    return (size + prf.size() - 1) / prf.size();
  };
  size_t outputs = 0;
  size_t key_bytes = 0;
  for (const size_t size : sizes) {
    outputs += outputs_of(size);
    key_bytes += size;
  }
  ASSIGN_OR_RETURN(const uint64_t length,
                   LengthField(kdf, outputs, prf.size(), key_bytes));
  Input input(use, kdf, length);
  SecretBytes material(outputs * prf.size());
  RETURN_IF_ERROR(Fill(kdf, prf, input, material.ExposeMutable()));
  size_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    keys.SetValue(i, material.Expose().subspan(at, sizes[i]));
    at += outputs_of(sizes[i]) * prf.size();
  }
  return absl::OkStatus();
}

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .min_key = 8,
          .max_key = kMaxSecretSize * 8,
          .in_bits = true,
          .parse = Parse,
          .derive_several = Derive};
}

constexpr Mechanism kSp800108Rows[] = {
    Row(CKM_SP800_108_COUNTER_KDF, "CKM_SP800_108_COUNTER_KDF"),
    Row(CKM_SP800_108_FEEDBACK_KDF, "CKM_SP800_108_FEEDBACK_KDF"),
    Row(CKM_SP800_108_DOUBLE_PIPELINE_KDF, "CKM_SP800_108_DOUBLE_PIPELINE_KDF"),
};

}  // namespace

absl::Span<const Mechanism> Sp800108Rows() { return kSp800108Rows; }

}  // namespace pkcs11
