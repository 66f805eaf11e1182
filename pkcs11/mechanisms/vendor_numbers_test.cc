#include "pkcs11/mechanisms/vendor_numbers.h"

#include <gtest/gtest.h>

#include <set>

#include "base/status.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/perigee/luna_types.h"

namespace pkcs11 {
namespace {

TEST(VendorNumbers, EachNamesAMechanismAndNoneOfTheStandard) {
  std::set<CK_MECHANISM_TYPE> rows;
  for (const Mechanism* row : AllRows()) rows.insert(row->type);
  for (const VendorNumber& number : VendorMechanisms()) {
    EXPECT_EQ(rows.count(number.standard), 1u) << number.name;
    EXPECT_EQ(rows.count(number.vendor), 0u) << number.name;
    EXPECT_EQ(StandardMechanism(number.vendor), number.standard);
  }
}

TEST(VendorNumbers, OthersStayAsTheyAre) {
  for (const CK_ULONG number :
       {CK_ULONG{CKM_AES_CTS}, CK_ULONG{CKM_VENDOR_DEFINED},
        CK_ULONG{CK_UNAVAILABLE_INFORMATION}}) {
    EXPECT_EQ(StandardMechanism(number), number);
    EXPECT_EQ(StandardKeyType(number), number);
    EXPECT_EQ(StandardMgf(number), number);
  }
}

TEST(VendorNumbers, InTemplatesBecomeTheStandardOnes) {
  CK_KEY_TYPE type = LUNA_CKK_EC_EDWARDS;
  CK_MECHANISM_TYPE allowed[] = {LUNA_CKM_EDDSA, CKM_AES_GCM};
  const CK_ATTRIBUTE attributes[] = {
      {CKA_KEY_TYPE, &type, sizeof type},
      {CKA_ALLOWED_MECHANISMS, allowed, sizeof allowed}};
  const hsm::AttributeSet set =
      api::ParseTemplate(attributes, 2, api::TemplateUse::kObject).value();
  EXPECT_EQ(set.key_type(), CK_KEY_TYPE{CKK_EC_EDWARDS});
  CK_MECHANISM_TYPE standard[] = {CKM_EDDSA, CKM_AES_GCM};
  EXPECT_EQ(base::ToBytes(set.Value(CKA_ALLOWED_MECHANISMS)),
            base::ToBytes(base::ByteSpan(
                reinterpret_cast<const uint8_t*>(standard), sizeof standard)));
}

TEST(VendorNumbers, GmacTakesTheStructureWithoutAdditionalData) {
  CK_BYTE iv[12] = {1};
  CK_GCM_PARAMS given = {iv, sizeof iv, 96, nullptr, 0, 128};
  CK_MECHANISM mechanism = {LUNA_CKM_AES_GMAC, &given, sizeof given};
  const CK_MECHANISM standard = StandardForm(mechanism).value();
  EXPECT_EQ(standard.mechanism, CKM_AES_GMAC);
  EXPECT_EQ(standard.pParameter, iv);
  EXPECT_EQ(standard.ulParameterLen, sizeof iv);
  given.ulAADLen = 1;
  EXPECT_EQ(base::CkRv(StandardForm(mechanism).status()),
            CK_RV{CKR_MECHANISM_PARAM_INVALID});
  // The standard's number takes an IV of that length.
  mechanism.mechanism = CKM_AES_GMAC;
  EXPECT_EQ(StandardForm(mechanism)->pParameter, &given);
}

}  // namespace
}  // namespace pkcs11
