// key generate: a key or a pair, made in the HSM.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/key_types.h"
#include "tools/shell/new_key.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kIdSize = 8;
constexpr unsigned char kExponent[] = {1, 0, 1};

constexpr char kCurves[] =
    "P-256, P-384, P-521, secp256k1, brainpoolP256r1, ...: docs/KEY_PAIRS.md "
    "lists them.";

constexpr Option kOptions[] = {
    {"type", "t", Kind::kText, true,
     "rsa, ec, ed25519, x25519, aes, generic, ml-dsa-65, ...", Names::kKeyType},
    {"label", "l", Kind::kText, true, "its name"},
    {"size", "s", Kind::kNumber, false,
     "bits: rsa 3072, aes and generic 256 when not given"},
    {"curve", "c", Kind::kText, false, "of ec: P-256 when not given"},
    {"id", "i", Kind::kText, false,
     "hexadecimal; random when not given, the same for both halves"},
    {"usage", "u", Kind::kText, false, kUsageHelp},
    {"extractable", "e", Kind::kFlag, false, kExtractableHelp},
    {"readable", "r", Kind::kFlag, false, kReadableHelp},
};

constexpr Shown kData[] = {{"objects[]", "@key-object"}};

absl::Status CheckMechanism(Shell& shell, const KeyType& type) {
  CK_MECHANISM_INFO info = {};
  const CK_RV rv =
      shell.module().c().C_GetMechanismInfo(shell.slot(), type.generate, &info);
  if (rv != CKR_MECHANISM_INVALID) return shell.module().Check(rv);
  return Failure(CKR_MECHANISM_INVALID,
                 absl::StrCat("the active slot makes no ", type.name, " keys"),
                 type.set != 0
                     ? "ML-DSA, ML-KEM and SLH-DSA need OpenSSL 3.5 or newer."
                     : "key generate -type shows the others.");
}

// What only one of the types takes: size, curve, parameter set.
absl::Status SetSize(const Arguments& arguments, const KeyType& type,
                     Template& attributes) {
  const std::optional<CK_ULONG> size = arguments.Number("size");
  if (size.has_value() && type.size == 0) {
    return Failure(CKR_ARGUMENTS_BAD,
                   absl::StrCat("-size has no meaning with -type ", type.name),
                   type.type == CKK_EC ? "-curve chooses the curve." : "");
  }
  const std::optional<std::string> curve = arguments.Text("curve");
  if (curve.has_value() && type.type != CKK_EC) {
    return Failure(CKR_ARGUMENTS_BAD,
                   absl::StrCat("-curve has no meaning with -type ", type.name),
                   "It is for -type ec.");
  }
  const CK_ULONG bits = size.value_or(type.size);
  if (type.type == CKK_RSA) {
    attributes.Number(CKA_MODULUS_BITS, bits);
    attributes.Bytes(CKA_PUBLIC_EXPONENT, kExponent);
  } else if (bits != 0) {
    if (bits % 8 != 0) {
      return Failure(CKR_ARGUMENTS_BAD, "-size is in bits, a multiple of 8");
    }
    attributes.Number(CKA_VALUE_LEN, bits / 8);
  }
  if (type.type == CKK_EC || type.curve != nullptr) {
    const std::string name =
        type.curve != nullptr ? type.curve : curve.value_or("P-256");
    const std::vector<unsigned char> der = CurveDer(name);
    if (der.empty()) {
      return Failure(CKR_CURVE_NOT_SUPPORTED,
                     absl::StrCat("there is no curve ", CleanText(name)),
                     kCurves);
    }
    attributes.Bytes(CKA_EC_PARAMS, der);
  }
  if (type.set != 0) attributes.Number(CKA_PARAMETER_SET, type.set);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Make(const Module& module,
                                                   CK_SESSION_HANDLE session,
                                                   const KeyType& type,
                                                   const NewKey& wanted,
                                                   Template sized) {
  CK_MECHANISM mechanism = {type.generate, nullptr, 0};
  ASSIGN_OR_RETURN(const std::vector<Use> usual, ParseUsage(type.usage));
  const std::vector<Use>& uses =
      wanted.usage.has_value() ? *wanted.usage : usual;
  if (!type.pair) {
    SetPlace(wanted, CKO_SECRET_KEY, sized);
    RETURN_IF_ERROR(SetUsage(uses, CKO_SECRET_KEY, sized));
    std::vector<CK_ATTRIBUTE> rows = sized.Rows();
    CK_OBJECT_HANDLE key = 0;
    RETURN_IF_ERROR(module.Check(module.c().C_GenerateKey(
        session, &mechanism, rows.data(), rows.size(), &key)));
    return std::vector<CK_OBJECT_HANDLE>{key};
  }
  Template hidden;
  SetPlace(wanted, CKO_PUBLIC_KEY, sized);
  SetPlace(wanted, CKO_PRIVATE_KEY, hidden);
  RETURN_IF_ERROR(SetUsage(uses, CKO_PUBLIC_KEY, sized));
  RETURN_IF_ERROR(SetUsage(uses, CKO_PRIVATE_KEY, hidden));
  std::vector<CK_ATTRIBUTE> open_rows = sized.Rows();
  std::vector<CK_ATTRIBUTE> hidden_rows = hidden.Rows();
  CK_OBJECT_HANDLE pair[2] = {};
  RETURN_IF_ERROR(module.Check(module.c().C_GenerateKeyPair(
      session, &mechanism, open_rows.data(), open_rows.size(),
      hidden_rows.data(), hidden_rows.size(), &pair[0], &pair[1])));
  return std::vector<CK_OBJECT_HANDLE>{pair[1], pair[0]};
}

// What the HSM refused, with what it takes.
absl::Status Explained(const Arguments& arguments, const absl::Status& status) {
  const CK_RV rv = RvOf(status);
  const char* remedy = nullptr;
  if (rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_DOMAIN_PARAMS_INVALID) {
    remedy = kCurves;
  } else if (arguments.Has("size") && rv == CKR_ATTRIBUTE_VALUE_INVALID) {
    remedy = "rsa takes 2048 to 8192 bits in steps of 64, aes 128, 192, 256.";
  }
  if (remedy == nullptr) return status;
  return Failure(
      rv, absl::StrCat("the HSM does not make such a key: ", status.message()),
      remedy);
}

absl::Status Generate(Shell& shell, const Arguments& arguments) {
  const Module& module = shell.module();
  ASSIGN_OR_RETURN(const KeyType type, FindKeyType(*arguments.Text("type")));
  ASSIGN_OR_RETURN(NewKey wanted, NewKeyFrom(arguments));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   UserSession(shell, "generating a key"));
  RETURN_IF_ERROR(CheckMechanism(shell, type));
  Template sized;
  RETURN_IF_ERROR(SetSize(arguments, type, sized));
  if (!wanted.id.has_value()) {
    unsigned char id[kIdSize];
    RETURN_IF_ERROR(
        module.Check(module.c().C_GenerateRandom(session, id, sizeof id)));
    wanted.id = std::string(std::begin(id), std::end(id));
  }
  const absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> made =
      Make(module, session, type, wanted, std::move(sized));
  if (!made.ok()) return Explained(arguments, made.status());
  Json objects = Json::array();
  absl::PrintF("\n");
  for (const CK_OBJECT_HANDLE handle : *made) {
    const KeyObject object(module, session, handle);
    absl::PrintF("        %s, handle %d\n            %s\n", object.Kind(),
                 handle, UriOf(shell, object));
    objects.push_back(KeyFacts(shell, object));
  }
  shell.Tell({{"objects", objects}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> KeyGenerateCommands() {
  return {
      {"key generate", "k g", kOptions, Generate,
       "makes a key or a key pair in the HSM", kData},
  };
}

}  // namespace shell
