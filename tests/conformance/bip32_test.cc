// The derivations of BIP32 in the way that PKCS#11 gives keys and parameters;
// the proposal's own vectors are in tests/e2e/bip32_test.cc.
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class Bip32InThisSuiteTest : public TokenTest {
 protected:
  Template Seed() {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .Bool(CKA_DERIVE, true)
        .Set(CKA_VALUE, Pattern(32));
  }
};

TEST_F(Bip32InThisSuiteTest, FromASeedToASignature) {
  NEEDS_PERIGEE();
  const Template usable = Template().Bool(CKA_DERIVE, true);
  CK_BIP32_MASTER_DERIVE_PARAMS master = {
      usable.data(), usable.size(), usable.data(), usable.size(), 0, 0};
  CK_MECHANISM mechanism = {CKM_BIP32_MASTER_DERIVE, &master, sizeof master};
  ASSERT_OK(p11().C_DeriveKey(session_, &mechanism, Create(Seed()), nullptr, 0,
                              nullptr));
  CK_ULONG path[] = {CKF_BIP32_HARDENED | 44, 7};
  CK_BIP32_CHILD_DERIVE_PARAMS child = {nullptr, 0, nullptr, 0, path, 2};
  mechanism = {CKM_BIP32_CHILD_DERIVE, &child, sizeof child};
  ASSERT_OK(p11().C_DeriveKey(session_, &mechanism, master.hPrivateKey, nullptr,
                              0, nullptr));
  CK_MECHANISM sign = {CKM_ECDSA_SHA256, nullptr, 0};
  Bytes data = Pattern(40), signature(64);
  CK_ULONG size = signature.size();
  ASSERT_OK(p11().C_SignInit(session_, &sign, child.hPrivateKey));
  ASSERT_OK(p11().C_Sign(session_, data.data(), data.size(), signature.data(),
                         &size));
  ASSERT_OK(p11().C_VerifyInit(session_, &sign, child.hPublicKey));
  EXPECT_OK(p11().C_Verify(session_, data.data(), data.size(), signature.data(),
                           size));
}

TEST_F(Bip32InThisSuiteTest, KeysOfOtherTypesAreRefused) {
  NEEDS_PERIGEE();
  CK_ULONG path[] = {1};
  CK_BIP32_CHILD_DERIVE_PARAMS child = {nullptr, 0, nullptr, 0, path, 1};
  CK_MECHANISM mechanism = {CKM_BIP32_CHILD_DERIVE, &child, sizeof child};
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            p11().C_DeriveKey(session_, &mechanism, Create(Seed()), nullptr, 0,
                              nullptr));
}

}  // namespace
}  // namespace conformance
