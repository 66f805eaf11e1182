// What Luna's clients call otherwise than the standard: numbers, and functions
// that stand beside those of the standard.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

class VendorNamesTest : public testing::Test {
 protected:
  VendorNamesTest() : bench_(Plan()), session_(bench_.Officer()) {}

  const CK_FUNCTION_LIST& c() const { return bench_.host.c(); }
  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return bench_.host.ca(); }

  CK_OBJECT_HANDLE Aes(const Template& more) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
    const Template key = Template().Ulong(CKA_VALUE_LEN, 32).With(more);
    CK_OBJECT_HANDLE made = 0;
    EXPECT_OK(
        c().C_GenerateKey(session_, &mechanism, key.data(), key.size(), &made));
    return made;
  }
  std::vector<CK_BYTE> Mac(CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism = {CKM_AES_CMAC, nullptr, 0};
    std::vector<CK_BYTE> mac(16);
    CK_BYTE data[3] = {1, 2, 3};
    CK_ULONG size = mac.size();
    EXPECT_OK(c().C_SignInit(session_, &mechanism, key));
    EXPECT_OK(c().C_Sign(session_, data, sizeof data, mac.data(), &size));
    return mac;
  }

  Bench bench_;
  CK_SESSION_HANDLE session_;
};

TEST_F(VendorNamesTest, EdwardsKeysByEitherNumber) {
  CK_MECHANISM generate = {LUNA_CKM_EC_EDWARDS_KEY_PAIR_GEN, nullptr, 0};
  const std::string curve =
      "\x13\x0c"
      "edwards25519";
  const Template public_key = Template()
                                  .Ulong(CKA_KEY_TYPE, LUNA_CKK_EC_EDWARDS)
                                  .Text(CKA_EC_PARAMS, curve);
  const Template private_key = Template().Ulong(CKA_KEY_TYPE, CKK_EC_EDWARDS);
  CK_OBJECT_HANDLE verifies = 0, signs = 0;
  ASSERT_OK(c().C_GenerateKeyPair(session_, &generate, public_key.data(),
                                  public_key.size(), private_key.data(),
                                  private_key.size(), &verifies, &signs));
  CK_BYTE data[5] = {1}, signature[64];
  CK_ULONG size = sizeof signature;
  CK_MECHANISM luna = {LUNA_CKM_EDDSA, nullptr, 0};
  ASSERT_OK(c().C_SignInit(session_, &luna, signs));
  ASSERT_OK(c().C_Sign(session_, data, sizeof data, signature, &size));
  CK_MECHANISM standard = {CKM_EDDSA, nullptr, 0};
  ASSERT_OK(c().C_VerifyInit(session_, &standard, verifies));
  EXPECT_OK(c().C_Verify(session_, data, sizeof data, signature, size));
  CK_KEY_TYPE type = 0;
  CK_ATTRIBUTE asked = {CKA_KEY_TYPE, &type, sizeof type};
  EXPECT_OK(c().C_GetAttributeValue(session_, signs, &asked, 1));
  EXPECT_EQ(type, CK_KEY_TYPE{CKK_EC_EDWARDS});
}

TEST_F(VendorNamesTest, DeriveKeyAndWrap) {
  const CK_OBJECT_HANDLE base =
      Aes(Template().Bool(CKA_DERIVE, true).Bool(CKA_EXTRACTABLE, true));
  const CK_OBJECT_HANDLE wrapper =
      Aes(Template().Bool(CKA_WRAP, true).Bool(CKA_UNWRAP, true));
  CK_BYTE data[16] = {7};
  CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof data};
  CK_MECHANISM derive = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof string};
  CK_MECHANISM wrap = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  const Template key = Template()
                           .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                           .Ulong(CKA_KEY_TYPE, CKK_AES)
                           .Bool(CKA_SIGN, true)
                           .Bool(CKA_EXTRACTABLE, true);
  const auto call = [&](const Template& wanted, CK_BYTE* out, CK_ULONG* size) {
    return ca().CA_DeriveKeyAndWrap(session_, &derive, base, wanted.data(),
                                    wanted.size(), &wrap, wrapper, out, size);
  };
  const size_t before = bench_.host.Find(session_).size();
  CK_ULONG size = 0;
  ASSERT_OK(call(key, nullptr, &size));
  std::vector<CK_BYTE> wrapped(size);
  ASSERT_OK(call(key, wrapped.data(), &size));
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      call(Template().Bool(CKA_TOKEN, true).With(key), wrapped.data(), &size));
  // Nothing stays, also where the wrapping is refused.
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, call(Template()
                                            .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                                            .Ulong(CKA_KEY_TYPE, CKK_AES)
                                            .Bool(CKA_EXTRACTABLE, false),
                                        wrapped.data(), &size));
  EXPECT_EQ(bench_.host.Find(session_).size(), before);
  CK_OBJECT_HANDLE unwrapped = 0, derived = 0;
  ASSERT_OK(c().C_UnwrapKey(session_, &wrap, wrapper, wrapped.data(),
                            wrapped.size(), key.data(), key.size(),
                            &unwrapped));
  ASSERT_OK(c().C_DeriveKey(session_, &derive, base, key.data(), key.size(),
                            &derived));
  EXPECT_EQ(Mac(unwrapped), Mac(derived));
}

TEST_F(VendorNamesTest, SlotsByTheirLabel) {
  CK_SESSION_INFO session = {};
  ASSERT_OK(c().C_GetSessionInfo(session_, &session));
  CK_TOKEN_INFO token = {};
  ASSERT_OK(c().C_GetTokenInfo(session.slotID, &token));
  CK_ULONG count = 0;
  ASSERT_OK(ca().CA_GetSlotId(token.label, nullptr, &count));
  std::vector<CK_SLOT_ID> slots(count);
  ASSERT_OK(ca().CA_GetSlotId(token.label, slots.data(), &count));
  EXPECT_EQ(std::count(slots.begin(), slots.end(), session.slotID), 1);
  CK_UTF8CHAR other[32] = {'x'};
  EXPECT_OK(ca().CA_GetSlotId(other, nullptr, &count));
  EXPECT_EQ(count, 0u);
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca().CA_GetSlotId(nullptr, nullptr, &count));
  CK_SLOT_ID slot = 0;
  EXPECT_OK(ca().CA_GetSlotIdForPhysicalSlot(session.slotID, &slot));
  EXPECT_EQ(slot, session.slotID);
  EXPECT_RV(CKR_SLOT_ID_INVALID, ca().CA_GetSlotIdForPhysicalSlot(999, &slot));
}

}  // namespace
}  // namespace e2e
