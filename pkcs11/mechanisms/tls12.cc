// Key derivation of TLS 1.2 (PKCS#11 3.2, 6.40; RFC 5246, 7627, 5705), with the
// PRF of TLS 1.0 and 1.1 for exporters; pre-master secrets. MACs are in
// tls_mac.cc.
#include <algorithm>
#include <array>

#include "hsm/key_protection.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"
#include "pkcs11/mechanisms/tls_prf.h"

namespace pkcs11 {
namespace {

constexpr size_t kMasterSize = 48;
constexpr size_t kRandomSize = 32;
constexpr size_t kMostBytes = size_t{1} << 14;
constexpr CK_ULONG kMostMacBits = 512;
constexpr CK_ULONG kMostKeyBits = 256;
constexpr CK_ULONG kMostIvBits = 128;

struct Randoms {
  Bytes client;
  Bytes server;
};

absl::StatusOr<Randoms> CopyRandoms(const CK_SSL3_RANDOM_DATA& given) {
  if (given.ulClientRandomLen != kRandomSize ||
      given.ulServerRandomLen != kRandomSize) {
    return InvalidParameter("length of a TLS random");
  }
  Randoms randoms;
  ASSIGN_OR_RETURN(randoms.client,
                   CopyBuffer(given.pClientRandom, kRandomSize, kRandomSize));
  ASSIGN_OR_RETURN(randoms.server,
                   CopyBuffer(given.pServerRandom, kRandomSize, kRandomSize));
  return randoms;
}

// The hash mechanism of a TLS 1.2 handshake.
absl::StatusOr<TlsPrf> HandshakePrf(CK_MECHANISM_TYPE mechanism) {
  ASSIGN_OR_RETURN(const TlsPrf prf, TlsPrf::Find(mechanism));
  if (prf.hash() == nullptr) return InvalidParameter("TLS 1.2 has a hash");
  return prf;
}

// --- pre-master secrets (6.39.3) ---------------------------------------------

struct VersionParameters : Parameters {
  explicit VersionParameters(CK_VERSION v) : version(v) {}
  const CK_VERSION version;
};

absl::StatusOr<ParametersRef> ParseVersion(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto version, CopyParameter<CK_VERSION>(mechanism));
  if (version.major != 3 || version.minor < 1 || version.minor > 3) {
    return InvalidParameter("no version of TLS with a pre-master secret");
  }
  return ParametersRef(std::make_shared<VersionParameters>(version));
}

absl::StatusOr<hsm::AttributeSet> GeneratePreMaster(
    const Use& use, const hsm::AttributeSet& attributes) {
  const CK_VERSION version = GivenParameters<VersionParameters>(use).version;
  ASSIGN_OR_RETURN(SecretBytes value, base::RandomSecret(kMasterSize));
  value.ExposeMutable()[0] = version.major;
  value.ExposeMutable()[1] = version.minor;
  hsm::AttributeSet whole = attributes;
  whole.Set(CKA_VALUE, value.Expose());
  ASSIGN_OR_RETURN(hsm::AttributeSet added, CompleteKeyMaterial(whole));
  added.Set(CKA_VALUE, value.Expose());
  return added;
}

// --- master secrets ----------------------------------------------------------

constexpr CK_MECHANISM_TYPE kUsesOfMaster[] = {CKM_TLS12_KEY_AND_MAC_DERIVE,
                                               CKM_TLS12_KEY_SAFE_DERIVE,
                                               CKM_TLS_KDF,
                                               CKM_TLS_MAC,
                                               CKM_TLS12_KDF,
                                               CKM_TLS12_MAC};

struct MasterParameters : Parameters {
  explicit MasterParameters(TlsPrf p) : prf(p) {}
  const TlsPrf prf;
  const char* label = nullptr;
  Randoms randoms;
  Bytes session_hash;
  CK_VERSION_PTR version = nullptr;
};

absl::StatusOr<ParametersRef> ParseMaster(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_TLS12_MASTER_KEY_DERIVE_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(const TlsPrf prf, HandshakePrf(given.prfHashMechanism));
  auto parsed = std::make_shared<MasterParameters>(prf);
  parsed->label = "master secret";
  ASSIGN_OR_RETURN(parsed->randoms, CopyRandoms(given.RandomInfo));
  parsed->version = given.pVersion;
  return ParametersRef(std::move(parsed));
}

absl::StatusOr<ParametersRef> ParseExtended(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(
      const auto given,
      CopyParameter<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(const TlsPrf prf, HandshakePrf(given.prfHashMechanism));
  auto parsed = std::make_shared<MasterParameters>(prf);
  parsed->label = "extended master secret";
  if (given.ulSessionHashLen != prf.hash()->size) {
    return InvalidParameter("length of the session hash");
  }
  ASSIGN_OR_RETURN(
      parsed->session_hash,
      CopyBuffer(given.pSessionHash, given.ulSessionHashLen, kMaxHashSize));
  parsed->version = given.pVersion;
  return ParametersRef(std::move(parsed));
}

// The version is in pre-master secrets that RSA carries, not in agreed ones.
template <absl::StatusOr<ParametersRef> (*kParse)(const CK_MECHANISM&)>
absl::StatusOr<ParametersRef> ParseAgreed(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(ParametersRef parsed, kParse(mechanism));
  if (static_cast<const MasterParameters&>(*parsed).version != nullptr) {
    return InvalidParameter("an agreed secret has no version");
  }
  return parsed;
}

// A master secret may be for fewer things than that, not for more.
absl::Status CheckUsesOfMaster(ByteSpan list) {
  if (list.empty()) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_ALLOWED_MECHANISMS");
  }
  for (; !list.empty(); list.remove_prefix(sizeof(CK_MECHANISM_TYPE))) {
    CK_MECHANISM_TYPE one;
    std::memcpy(&one, list.data(), sizeof(one));
    const auto* end = std::end(kUsesOfMaster);
    if (std::find(std::begin(kUsesOfMaster), end, one) == end) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_ALLOWED_MECHANISMS");
    }
  }
  return absl::OkStatus();
}

// Whether a pre-master secret begins with what is a version. Other keys do not
// tell what they begin with; and no error, or that would be an oracle for who
// sends secrets to a server.
bool IsVersion(ByteSpan secret) { return secret[0] == 3 && secret[1] <= 4; }

absl::Status DeriveMaster(const Use& use, DerivedKeys& keys) {
  const auto& given = GivenParameters<MasterParameters>(use);
  ASSIGN_OR_RETURN(const ByteSpan secret, SecretValue(*use.key));
  KeyShape shape;
  shape.fixed.SetUlong(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  shape.fixed.SetUlong(CKA_VALUE_LEN, kMasterSize);
  shape.implied.SetBool(CKA_DERIVE, true);
  shape.implied.Set(CKA_ALLOWED_MECHANISMS,
                    ByteSpan(reinterpret_cast<const uint8_t*>(kUsesOfMaster),
                             sizeof(kUsesOfMaster)));
  RETURN_IF_ERROR(keys.Add(keys.own(), shape).status());
  RETURN_IF_ERROR(CheckUsesOfMaster(keys.key(0).Value(CKA_ALLOWED_MECHANISMS)));
  SecretBytes master(kMasterSize);
  RETURN_IF_ERROR(given.prf.Run(
      secret, given.label,
      {given.session_hash, given.randoms.client, given.randoms.server},
      master.ExposeMutable()));
  keys.SetValue(0, master.Expose());
  if (given.version != nullptr) {
    const bool shown = use.profile == Profile::kLegacy ||
                       !hsm::HidesValue(use.key->attributes()) ||
                       IsVersion(secret);
    const CK_VERSION none = {};
    keys.Give(given.version,
              shown ? secret.subspan(0, sizeof(CK_VERSION))
                    : ByteSpan(reinterpret_cast<const uint8_t*>(&none),
                               sizeof(none)));
  }
  return absl::OkStatus();
}

// --- keys of a connection ----------------------------------------------------

struct BlockParameters : Parameters {
  explicit BlockParameters(TlsPrf p) : prf(p) {}
  const TlsPrf prf;
  Randoms randoms;
  size_t mac_size = 0;
  size_t key_size = 0;
  size_t iv_size = 0;
  CK_SSL3_KEY_MAT_OUT_PTR out = nullptr;
  // Copies of what `out` has.
  CK_BYTE_PTR client_iv = nullptr;
  CK_BYTE_PTR server_iv = nullptr;
};

// No suite has keys so short that they can be found by trying, and with them,
// size by size, the whole key block.
absl::Status CheckBits(CK_ULONG bits, CK_ULONG least, CK_ULONG most) {
  if (bits % 8 != 0 || bits < least || bits > most) {
    return InvalidParameter("size of a part of the key block");
  }
  return absl::OkStatus();
}

absl::StatusOr<ParametersRef> ParseBlock(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(auto given,
                   CopyParameter<CK_TLS12_KEY_MAT_PARAMS>(mechanism));
  if (given.bIsExport != CK_FALSE) return InvalidParameter("an export suite");
  if (mechanism.mechanism == CKM_TLS12_KEY_SAFE_DERIVE) {
    given.ulIVSizeInBits = 0;
  }
  constexpr CK_ULONG kLeastBits = 8 * kShortestPart;
  if (given.ulMacSizeInBits != 0) {
    RETURN_IF_ERROR(CheckBits(given.ulMacSizeInBits, kLeastBits, kMostMacBits));
  }
  RETURN_IF_ERROR(CheckBits(given.ulKeySizeInBits, kLeastBits, kMostKeyBits));
  RETURN_IF_ERROR(CheckBits(given.ulIVSizeInBits, 0, kMostIvBits));
  ASSIGN_OR_RETURN(const TlsPrf prf, HandshakePrf(given.prfHashMechanism));
  auto parsed = std::make_shared<BlockParameters>(prf);
  ASSIGN_OR_RETURN(parsed->randoms, CopyRandoms(given.RandomInfo));
  parsed->mac_size = given.ulMacSizeInBits / 8;
  parsed->key_size = given.ulKeySizeInBits / 8;
  parsed->iv_size = given.ulIVSizeInBits / 8;
  parsed->out = given.pReturnedKeyMaterial;
  if (parsed->out == nullptr) return InvalidParameter("no place for handles");
  parsed->client_iv = parsed->out->pIVClient;
  parsed->server_iv = parsed->out->pIVServer;
  if (parsed->iv_size != 0 &&
      (parsed->client_iv == nullptr || parsed->server_iv == nullptr)) {
    return InvalidParameter("no place for an IV");
  }
  return ParametersRef(std::move(parsed));
}

// Client's and server's keys: numbers 0 and 1, then those of the MACs.
absl::Status AddBlockKeys(const Use& use, const BlockParameters& given,
                          DerivedKeys& keys) {
  KeyShape shape;
  shape.fixed = ProtectionOf(*use.key);
  KeyShape mac_shape = shape;
  shape.implied.SetBool(CKA_DERIVE, true);
  for (CK_OBJECT_HANDLE* handle :
       {&given.out->hClientKey, &given.out->hServerKey}) {
    ASSIGN_OR_RETURN(
        const size_t size,
        keys.Add({keys.own().attributes, keys.own().count, handle}, shape));
    if (size != 0 && size != given.key_size) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         "the template asks for another size than the suite");
    }
  }
  CK_OBJECT_HANDLE* const macs[] = {&given.out->hClientMacSecret,
                                    &given.out->hServerMacSecret};
  if (given.mac_size == 0) {
    const CK_OBJECT_HANDLE none = CK_INVALID_HANDLE;
    for (CK_OBJECT_HANDLE* handle : macs) {
      keys.Give(handle, ByteSpan(reinterpret_cast<const uint8_t*>(&none),
                                 sizeof(none)));
    }
    return absl::OkStatus();
  }
  mac_shape.fixed.SetUlong(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  mac_shape.fixed.SetUlong(CKA_VALUE_LEN, given.mac_size);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_TOKEN, CKA_PRIVATE}) {
    mac_shape.implied.SetBool(type, keys.key(0).IsTrue(type));
  }
  for (CK_OBJECT_HANDLE* handle : macs) {
    RETURN_IF_ERROR(keys.Add({nullptr, 0, handle}, mac_shape).status());
  }
  return absl::OkStatus();
}

absl::Status DeriveBlock(const Use& use, DerivedKeys& keys) {
  const auto& given = GivenParameters<BlockParameters>(use);
  ASSIGN_OR_RETURN(const ByteSpan secret, SecretValue(*use.key));
  // Where the IVs begin the caller says: they could be any part of the block.
  if (given.iv_size != 0 && use.profile == Profile::kStrict &&
      hsm::HidesValue(use.key->attributes())) {
    return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                       "IVs would show keys of a hidden master secret");
  }
  RETURN_IF_ERROR(AddBlockKeys(use, given, keys));
  SecretBytes block(2 * (given.mac_size + given.key_size + given.iv_size));
  RETURN_IF_ERROR(given.prf.Run(secret, "key expansion",
                                {given.randoms.server, given.randoms.client},
                                block.ExposeMutable()));
  ByteSpan rest = block.Expose();
  const auto take = [&rest](size_t size) {
    const ByteSpan part = rest.subspan(0, size);
    rest.remove_prefix(size);
    return part;
  };
  if (given.mac_size != 0) {
    keys.SetValue(2, take(given.mac_size));
    keys.SetValue(3, take(given.mac_size));
  }
  keys.SetValue(0, take(given.key_size));
  keys.SetValue(1, take(given.key_size));
  if (given.iv_size != 0) {
    keys.Give(given.client_iv, take(given.iv_size));
    keys.Give(given.server_iv, take(given.iv_size));
  }
  return absl::OkStatus();
}

// --- exporters (RFC 5705) and the bare PRF -----------------------------------

struct ExportParameters : Parameters {
  explicit ExportParameters(TlsPrf p) : prf(p) {}
  const TlsPrf prf;
  Bytes label;
  Bytes seed;
  CK_BYTE_PTR output = nullptr;  // CKM_TLS_PRF alone
  size_t output_size = 0;
};

absl::StatusOr<ParametersRef> ParseKdf(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_TLS_KDF_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(const TlsPrf prf, TlsPrf::Find(given.prfMechanism));
  auto parsed = std::make_shared<ExportParameters>(prf);
  ASSIGN_OR_RETURN(parsed->label,
                   CopyBuffer(given.pLabel, given.ulLabelLength, kMostBytes));
  if (parsed->label.empty()) return InvalidParameter("no label");
  ASSIGN_OR_RETURN(const Randoms randoms, CopyRandoms(given.RandomInfo));
  ASSIGN_OR_RETURN(
      const Bytes context,
      CopyBuffer(given.pContextData, given.ulContextDataLength, kMostBytes));
  Bytes& seed = parsed->seed;
  seed = randoms.client;
  seed.insert(seed.end(), randoms.server.begin(), randoms.server.end());
  // No context is not the same as an empty one.
  if (given.pContextData != nullptr) {
    seed.push_back(static_cast<uint8_t>(context.size() >> 8));
    seed.push_back(static_cast<uint8_t>(context.size()));
    seed.insert(seed.end(), context.begin(), context.end());
  }
  return ParametersRef(std::move(parsed));
}

absl::string_view Label(const ExportParameters& given) {
  return {reinterpret_cast<const char*>(given.label.data()),
          given.label.size()};
}

absl::Status DeriveKdf(const Use& use, DerivedKeys& keys) {
  const auto& given = GivenParameters<ExportParameters>(use);
  ASSIGN_OR_RETURN(const ByteSpan secret, SecretValue(*use.key));
  KeyShape shape;
  shape.implied = ProtectionOf(*use.key);
  ASSIGN_OR_RETURN(const size_t size, keys.Add(keys.own(), shape));
  if (size == 0) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE,
                       "neither CKA_VALUE_LEN nor the key type says how long");
  }
  RETURN_IF_ERROR(CheckPart(*use.key, size));
  SecretBytes value(size);
  RETURN_IF_ERROR(
      given.prf.Run(secret, Label(given), {given.seed}, value.ExposeMutable()));
  keys.SetValue(0, value.Expose());
  return absl::OkStatus();
}

absl::StatusOr<ParametersRef> ParsePrf(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_TLS_PRF_PARAMS>(mechanism));
  ASSIGN_OR_RETURN(const TlsPrf prf, TlsPrf::Find(CKM_TLS_PRF));
  auto parsed = std::make_shared<ExportParameters>(prf);
  ASSIGN_OR_RETURN(parsed->label,
                   CopyBuffer(given.pLabel, given.ulLabelLen, kMostBytes));
  ASSIGN_OR_RETURN(parsed->seed,
                   CopyBuffer(given.pSeed, given.ulSeedLen, kMostBytes));
  if (given.pOutput == nullptr || given.pulOutputLen == nullptr ||
      *given.pulOutputLen == 0 || *given.pulOutputLen > kMostBytes) {
    return InvalidParameter("place for the output of the PRF");
  }
  parsed->output = given.pOutput;
  parsed->output_size = *given.pulOutputLen;
  return ParametersRef(std::move(parsed));
}

// Makes no key: the application gets the bytes.
absl::Status DerivePrf(const Use& use, DerivedKeys& keys) {
  const auto& given = GivenParameters<ExportParameters>(use);
  ASSIGN_OR_RETURN(const ByteSpan secret, SecretValue(*use.key));
  if (use.profile == Profile::kStrict &&
      hsm::HidesValue(use.key->attributes())) {
    return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                       "what a hidden secret gives would be shown");
  }
  SecretBytes output(given.output_size);
  RETURN_IF_ERROR(given.prf.Run(secret, Label(given), {given.seed},
                                output.ExposeMutable()));
  keys.Give(given.output, output.Expose());
  return absl::OkStatus();
}

// --- rows --------------------------------------------------------------------

using ParseFunction = absl::StatusOr<ParametersRef> (*)(const CK_MECHANISM&);
using DeriveFunction = absl::Status (*)(const Use&, DerivedKeys&);

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name,
                        ParseFunction parse, DeriveFunction derive,
                        bool of_48_bytes = false) {
  return {.type = type,
          .name = name,
          .key_type = CKK_GENERIC_SECRET,
          .min_key = of_48_bytes ? kMasterSize : 1,
          .max_key = of_48_bytes ? CK_ULONG{kMasterSize} : kMaxSecretSize,
          .parse = parse,
          .derive_several = derive,
          .handles_in_parameter = derive == DeriveBlock};
}

constexpr Mechanism kTls12Rows[] = {
    {.type = CKM_TLS_PRE_MASTER_KEY_GEN,
     .name = "CKM_TLS_PRE_MASTER_KEY_GEN",
     .key_type = CKK_GENERIC_SECRET,
     .min_key = kMasterSize,
     .max_key = kMasterSize,
     .parse = ParseVersion,
     .generated_size = kMasterSize,
     .generate = GeneratePreMaster},
    Row(CKM_TLS12_MASTER_KEY_DERIVE, "CKM_TLS12_MASTER_KEY_DERIVE", ParseMaster,
        DeriveMaster, true),
    Row(CKM_TLS12_MASTER_KEY_DERIVE_DH, "CKM_TLS12_MASTER_KEY_DERIVE_DH",
        ParseAgreed<ParseMaster>, DeriveMaster),
    Row(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
        "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE", ParseExtended, DeriveMaster,
        true),
    Row(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH,
        "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH", ParseAgreed<ParseExtended>,
        DeriveMaster),
    Row(CKM_TLS12_KEY_AND_MAC_DERIVE, "CKM_TLS12_KEY_AND_MAC_DERIVE",
        ParseBlock, DeriveBlock, true),
    Row(CKM_TLS12_KEY_SAFE_DERIVE, "CKM_TLS12_KEY_SAFE_DERIVE", ParseBlock,
        DeriveBlock, true),
    Row(CKM_TLS_KDF, "CKM_TLS_KDF", ParseKdf, DeriveKdf),
    Row(CKM_TLS12_KDF, "CKM_TLS12_KDF", ParseKdf, DeriveKdf),
    {.type = CKM_TLS_PRF,
     .name = "CKM_TLS_PRF",
     .key_type = CKK_GENERIC_SECRET,
     .min_key = 1,
     .max_key = kMaxSecretSize,
     .available = OldTlsPrfIsAvailable,
     .parse = ParsePrf,
     .derive_several = DerivePrf,
     .handles_in_parameter = true},
};

}  // namespace

absl::Span<const Mechanism> Tls12Rows() { return kTls12Rows; }

}  // namespace pkcs11
