// All rows, and what is derived from a row.
#include <algorithm>

#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/vendor_numbers.h"

namespace pkcs11 {
namespace {

constexpr absl::Span<const Mechanism> (*kFamilies[])() = {
    AeadRows,       CmacRows,        AesRows,       AesGcmRows,  AesWrapRows,
    DigestRows,     EcRows,          EcdhRows,      EcxRows,     HmacRows,
    HashDeriveRows, EncryptDataRows, PublicKeyRows, RsaOaepRows, RsaPkcsRows,
    RsaPssRows,     DerivationRows,  HkdfRows,      RsaRawRows,  DhRows,
    DsaRows,        HybridWrapRows,  MlKemRows,     PqcSignRows, Sp800108Rows,
    Tls12Rows,      TlsMacRows,      Bip32Rows,
};

bool IsLess(const Mechanism* row, CK_MECHANISM_TYPE type) {
  return row->type < type;
}

}  // namespace

CK_MECHANISM_INFO InfoOf(const Mechanism& mechanism, Profile profile) {
  CK_MECHANISM_INFO info = {mechanism.min_key, mechanism.max_key,
                            mechanism.extra_flags};
  const bool only_strong =
      mechanism.verify == nullptr && mechanism.verify_recover == nullptr;
  if (only_strong) {
    info.ulMinKeySize =
        std::max(info.ulMinKeySize, StrongKeySize(mechanism.key_type, profile));
  }
  const bool wraps = !mechanism.legacy_wrap || profile == Profile::kLegacy;
  if (mechanism.digest != nullptr) info.flags |= CKF_DIGEST;
  if (mechanism.sign != nullptr) info.flags |= CKF_SIGN;
  if (mechanism.verify != nullptr) info.flags |= CKF_VERIFY;
  if (mechanism.encrypt != nullptr) info.flags |= CKF_ENCRYPT;
  if (mechanism.decrypt != nullptr) info.flags |= CKF_DECRYPT;
  if (mechanism.generate != nullptr) info.flags |= CKF_GENERATE;
  if (mechanism.generate_pair != nullptr) info.flags |= CKF_GENERATE_KEY_PAIR;
  if ((mechanism.wrap != nullptr && wraps) ||
      mechanism.wrap_authenticated != nullptr) {
    info.flags |= CKF_WRAP;
  }
  if ((mechanism.unwrap != nullptr && wraps) ||
      mechanism.unwrap_authenticated != nullptr) {
    info.flags |= CKF_UNWRAP;
  }
  if (mechanism.derive != nullptr || mechanism.derive_public != nullptr ||
      mechanism.derive_several != nullptr) {
    info.flags |= CKF_DERIVE;
  }
  if (mechanism.sign_recover != nullptr) info.flags |= CKF_SIGN_RECOVER;
  if (mechanism.verify_recover != nullptr) info.flags |= CKF_VERIFY_RECOVER;
  if (mechanism.message_encrypt != nullptr) info.flags |= CKF_MESSAGE_ENCRYPT;
  if (mechanism.message_decrypt != nullptr) info.flags |= CKF_MESSAGE_DECRYPT;
  if (mechanism.encapsulate != nullptr) info.flags |= CKF_ENCAPSULATE;
  if (mechanism.decapsulate != nullptr) info.flags |= CKF_DECAPSULATE;
  return info;
}

absl::StatusOr<ParametersRef> ParseParameters(const Mechanism& mechanism,
                                              const CK_MECHANISM& given) {
  if (mechanism.parse != nullptr) {
    ASSIGN_OR_RETURN(const CK_MECHANISM standard, StandardForm(given));
    return mechanism.parse(standard);
  }
  if (given.pParameter != nullptr || given.ulParameterLen != 0) {
    return InvalidParameter("the mechanism takes no parameter");
  }
  return ParametersRef();
}

std::vector<const Mechanism*> AllRows() {
  std::vector<const Mechanism*> rows;
  for (const auto family : kFamilies) {
    for (const Mechanism& row : family()) rows.push_back(&row);
  }
  std::sort(
      rows.begin(), rows.end(),
      [](const Mechanism* a, const Mechanism* b) { return a->type < b->type; });
  return rows;
}

const Registry& Registry::Get() {
  static const Registry* const registry = [] {
    auto* made = new Registry;
    for (const Mechanism* row : AllRows()) {
      if (row->available == nullptr || row->available()) {
        made->rows_.push_back(row);
      }
    }
    return made;
  }();
  return *registry;
}

const Mechanism* Registry::Find(CK_MECHANISM_TYPE type) const {
  type = StandardMechanism(type);
  const auto at = std::lower_bound(rows_.begin(), rows_.end(), type, IsLess);
  return at != rows_.end() && (*at)->type == type ? *at : nullptr;
}

const Mechanism* Registry::Find(CK_MECHANISM_TYPE type, Profile profile) const {
  const Mechanism* const row = Find(type);
  return row != nullptr && Has(profile, *row) ? row : nullptr;
}

}  // namespace pkcs11
