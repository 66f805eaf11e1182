// Per-key authorisation and usage counts as an application meets them.
#include <string>
#include <vector>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr char kData[] = "open sesame";

Plan V1Plan() {
  Plan plan;
  plan.apps[0].partitions = {"version = 1\npolicies = { 3 = 1, 7 = 1 }",
                             "version = 1"};
  return plan;
}

class KeyRightsTest : public testing::Test {
 protected:
  KeyRightsTest() : bench_(V1Plan()), session_(bench_.Officer()) {}

  const CK_FUNCTION_LIST& c() const { return bench_.host.c(); }
  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return bench_.host.ca(); }

  CK_OBJECT_HANDLE Aes(const Template& more, CK_RV expected = CKR_OK) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
    const Template key = Template()
                             .Bool(CKA_TOKEN, true)
                             .Ulong(CKA_VALUE_LEN, 32)
                             .Bool(CKA_SENSITIVE, true)
                             .Bool(CKA_EXTRACTABLE, false)
                             .Bool(CKA_DERIVE, true)
                             .With(more);
    CK_OBJECT_HANDLE made = 0;
    EXPECT_RV(expected, c().C_GenerateKey(session_, &mechanism, key.data(),
                                          key.size(), &made));
    return made;
  }

  CK_RV Authorize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                  std::string data) {
    return ca().CA_AuthorizeKey(
        session, key, reinterpret_cast<CK_UTF8CHAR*>(data.data()), data.size());
  }
  CK_RV Set(CK_OBJECT_HANDLE key, std::string old, std::string wanted) {
    return ca().CA_SetAuthorizationData(
        session_, key, reinterpret_cast<CK_UTF8CHAR*>(old.data()), old.size(),
        reinterpret_cast<CK_UTF8CHAR*>(wanted.data()), wanted.size());
  }

  CK_RV TryMac(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism = {CKM_AES_CMAC, nullptr, 0};
    const CK_RV rv = c().C_SignInit(session, &mechanism, key);
    if (rv != CKR_OK) return rv;
    CK_BYTE data[3] = {1, 2, 3}, mac[16];
    CK_ULONG size = sizeof mac;
    return c().C_Sign(session, data, sizeof data, mac, &size);
  }

  CK_ULONG Number(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type) {
    CK_ULONG value = ~0UL;
    CK_ATTRIBUTE attribute = {type, &value, sizeof value};
    EXPECT_OK(c().C_GetAttributeValue(session_, key, &attribute, 1));
    return value;
  }

  Bench bench_;
  CK_SESSION_HANDLE session_;
};

TEST_F(KeyRightsTest, AuthorisedInOneSession_NotInAnother) {
  const CK_OBJECT_HANDLE key = Aes(Template().Text(CKA_AUTH_DATA, kData));
  const CK_SESSION_HANDLE other = bench_.host.Open(bench_.host.partition());
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(session_, key));
  EXPECT_RV(CKR_AUTH_DATA_INCORRECT, Authorize(session_, key, "open"));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(session_, key));
  EXPECT_EQ(Number(key, CKA_FAILED_KEY_AUTH_COUNT), 1u);
  ASSERT_OK(Authorize(session_, key, kData));
  EXPECT_OK(TryMac(session_, key));
  EXPECT_OK(TryMac(session_, key));
  EXPECT_EQ(Number(key, CKA_FAILED_KEY_AUTH_COUNT), 0u);
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(other, key));
  // No data withdraws it.
  ASSERT_OK(ca().CA_AuthorizeKey(session_, key, nullptr, 0));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(session_, key));
}

TEST_F(KeyRightsTest, Logout_AndNewData_EndIt) {
  const CK_OBJECT_HANDLE key = Aes(Template().Text(CKA_AUTH_DATA, kData));
  ASSERT_OK(Authorize(session_, key, kData));
  ASSERT_OK(c().C_Logout(session_));
  ASSERT_OK(bench_.host.TryLogin(session_, CKU_USER, kOfficerPin));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(session_, key));
  ASSERT_OK(Authorize(session_, key, kData));
  ASSERT_OK(Set(key, kData, "another"));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(session_, key));
  ASSERT_OK(Authorize(session_, key, "another"));
  EXPECT_OK(TryMac(session_, key));
}

TEST_F(KeyRightsTest, EveryUseWantsIt) {
  const CK_OBJECT_HANDLE key = Aes(Template().Text(CKA_AUTH_DATA, kData));
  const CK_OBJECT_HANDLE other =
      Aes(Template().Bool(CKA_EXTRACTABLE, true).Bool(CKA_WRAP, true));
  CK_BYTE iv[16] = {};
  CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, sizeof iv};
  CK_MECHANISM kwp = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  CK_BYTE out[100];
  CK_ULONG size = sizeof out;
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, c().C_EncryptInit(session_, &cbc, key));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, c().C_DecryptInit(session_, &cbc, key));
  CK_MECHANISM mac = {CKM_AES_CMAC, nullptr, 0};
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, c().C_VerifyInit(session_, &mac, key));
  const CK_OBJECT_HANDLE wrapper = Aes(Template()
                                           .Text(CKA_AUTH_DATA, kData)
                                           .Bool(CKA_WRAP, true)
                                           .Bool(CKA_UNWRAP, true));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED,
            c().C_WrapKey(session_, &kwp, wrapper, other, out, &size));
  const CK_OBJECT_HANDLE leaving =
      Aes(Template().Text(CKA_AUTH_DATA, kData).Bool(CKA_EXTRACTABLE, true));
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED,
            c().C_WrapKey(session_, &kwp, other, leaving, out, &size));
  const Template derived =
      Template().Ulong(CKA_CLASS, CKO_SECRET_KEY).Ulong(CKA_KEY_TYPE, CKK_AES);
  CK_KEY_DERIVATION_STRING_DATA data = {iv, sizeof iv};
  CK_MECHANISM derive = {CKM_AES_ECB_ENCRYPT_DATA, &data, sizeof data};
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED,
            c().C_DeriveKey(session_, &derive, key, derived.data(),
                            derived.size(), &made));
}

TEST_F(KeyRightsTest, TenWrongTries_LockTheKey) {
  const CK_OBJECT_HANDLE key = Aes(Template().Text(CKA_AUTH_DATA, kData));
  for (int i = 1; i < 10; ++i) {
    EXPECT_RV(CKR_AUTH_DATA_INCORRECT, Authorize(session_, key, "wrong"));
  }
  ASSERT_OK(ca().CA_IncrementFailedAuthCount(session_, key));
  EXPECT_RV(CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED,
            Authorize(session_, key, kData));
  EXPECT_RV(CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED,
            ca().CA_IncrementFailedAuthCount(session_, key));
  CK_KEY_STATUS status = {};
  CK_ATTRIBUTE attribute = {CKA_KEY_STATUS, &status, sizeof status};
  ASSERT_OK(c().C_GetAttributeValue(session_, key, &attribute, 1));
  EXPECT_EQ(status.flags, CK_KEY_STATUS_F_AUTH_DATA_SET |
                              CK_KEY_STATUS_F_LOCKED_DUE_TO_FAILED_AUTH);
  EXPECT_EQ(status.failedAuthCountLimit, 10);
  // Also after a restart.
  bench_.host.Reload();
  session_ = bench_.Officer();
  EXPECT_RV(CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED,
            Authorize(session_, key, kData));
  CK_UTF8CHAR fresh[] = "fresh";
  ASSERT_OK(ca().CA_ResetAuthorizationData(session_, key, fresh, 5));
  EXPECT_OK(Authorize(session_, key, "fresh"));
}

TEST_F(KeyRightsTest, AssignedKey) {
  const CK_OBJECT_HANDLE key = Aes(Template().Text(CKA_AUTH_DATA, kData));
  ASSERT_OK(ca().CA_AssignKey(session_, key));
  CK_BBOOL assigned = CK_FALSE;
  CK_ATTRIBUTE attribute = {CKA_ASSIGNED, &assigned, sizeof assigned};
  ASSERT_OK(c().C_GetAttributeValue(session_, key, &attribute, 1));
  EXPECT_EQ(assigned, CK_TRUE);
  const Template label = Template().Text(CKA_LABEL, "new");
  EXPECT_RV(CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED,
            c().C_SetAttributeValue(session_, key, label.data(), label.size()));
  CK_UTF8CHAR fresh[] = "fresh";
  EXPECT_RV(CKR_ASSIGNED_KEY_CANNOT_BE_RESET,
            ca().CA_ResetAuthorizationData(session_, key, fresh, 5));
}

TEST_F(KeyRightsTest, DataIsNeverShown) {
  const CK_OBJECT_HANDLE key = Aes(Template().Text(CKA_AUTH_DATA, kData));
  CK_BYTE data[100];
  CK_ATTRIBUTE attribute = {CKA_AUTH_DATA, data, sizeof data};
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
            c().C_GetAttributeValue(session_, key, &attribute, 1));
  EXPECT_TRUE(bench_.host.Find(session_, Template().Text(CKA_AUTH_DATA, kData))
                  .empty());
  const Template changed = Template().Text(CKA_AUTH_DATA, "other");
  EXPECT_RV(
      CKR_ATTRIBUTE_READ_ONLY,
      c().C_SetAttributeValue(session_, key, changed.data(), changed.size()));
}

TEST_F(KeyRightsTest, SessionKeys_HaveNone) {
  Aes(Template().Bool(CKA_TOKEN, false).Text(CKA_AUTH_DATA, kData),
      CKR_AUTH_DATA_NOT_ALLOWED);
  const CK_OBJECT_HANDLE key = Aes(Template().Bool(CKA_TOKEN, false));
  EXPECT_RV(CKR_AUTH_DATA_NOT_ALLOWED, Set(key, "", kData));
  EXPECT_RV(CKR_KEY_CANNOT_BE_AUTHORIZED, Authorize(session_, key, kData));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, Authorize(session_, key + 9, kData));
}

TEST_F(KeyRightsTest, UsageLimit) {
  const CK_OBJECT_HANDLE key = Aes(Template().Ulong(CKA_USAGE_LIMIT, 3));
  EXPECT_EQ(Number(key, CKA_USAGE_LIMIT), 3u);
  EXPECT_EQ(Number(key, CKA_USAGE_COUNT), 0u);
  EXPECT_OK(TryMac(session_, key));
  EXPECT_OK(TryMac(session_, key));
  bench_.host.Reload();
  session_ = bench_.Officer();
  EXPECT_EQ(Number(key, CKA_USAGE_COUNT), 2u);
  EXPECT_OK(TryMac(session_, key));
  EXPECT_RV(CKR_KEY_NOT_ACTIVE, TryMac(session_, key));
  CK_MECHANISM mechanism = {CKM_AES_CMAC, nullptr, 0};
  EXPECT_RV(CKR_KEY_NOT_ACTIVE, c().C_VerifyInit(session_, &mechanism, key));
  ASSERT_OK(ca().CA_ModifyUsageCount(
      session_, key, CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_SET, 1));
  ASSERT_OK(ca().CA_ModifyUsageCount(
      session_, key, CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_INCREMENT, 1));
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca().CA_ModifyUsageCount(session_, key, 3, 1));
  EXPECT_OK(TryMac(session_, key));
  EXPECT_RV(CKR_KEY_NOT_ACTIVE, TryMac(session_, key));
  // More, by the officer.
  const Template more = Template().Ulong(CKA_USAGE_LIMIT, 4);
  ASSERT_OK(c().C_SetAttributeValue(session_, key, more.data(), more.size()));
  EXPECT_OK(TryMac(session_, key));
  EXPECT_RV(CKR_KEY_NOT_ACTIVE, TryMac(session_, key));
}

// What would be unwrapped is a key without the limit.
TEST_F(KeyRightsTest, AKeyThatCountsIsNotWrapped) {
  const CK_OBJECT_HANDLE wrapper = Aes(Template().Bool(CKA_WRAP, true));
  const CK_OBJECT_HANDLE key =
      Aes(Template().Ulong(CKA_USAGE_LIMIT, 3).Bool(CKA_EXTRACTABLE, true));
  CK_MECHANISM kwp = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  CK_BYTE out[100];
  CK_ULONG size = sizeof out;
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE,
            c().C_WrapKey(session_, &kwp, wrapper, key, out, &size));
}

// The rights go along, with their counts; and a repeated run finds them there.
TEST_F(KeyRightsTest, Clone_TakesThemAlong) {
  const CK_OBJECT_HANDLE key =
      Aes(Template().Text(CKA_AUTH_DATA, kData).Ulong(CKA_USAGE_LIMIT, 2));
  ASSERT_OK(Authorize(session_, key, kData));
  ASSERT_OK(TryMac(session_, key));
  const CK_SESSION_HANDLE target = bench_.Officer(1);
  CK_OBJECT_HANDLE made = 0, again = 0;
  ASSERT_OK(
      ca().CA_CloneObject(target, session_, CK_CRYPTOKI_ELEMENT, key, &made))
      << bench_.host.library().LastError();
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, TryMac(target, made));
  ASSERT_OK(Authorize(target, made, kData));
  EXPECT_OK(TryMac(target, made));
  EXPECT_RV(CKR_KEY_NOT_ACTIVE, TryMac(target, made));
  EXPECT_OK(TryMac(session_, key));
  ASSERT_OK(
      ca().CA_CloneObject(target, session_, CK_CRYPTOKI_ELEMENT, key, &again));
  EXPECT_EQ(again, made);
}

TEST_F(KeyRightsTest, MultiSign_DoesNotGoRoundThem) {
  const CK_OBJECT_HANDLE locked = Aes(Template().Text(CKA_AUTH_DATA, kData));
  const CK_OBJECT_HANDLE counted = Aes(Template().Ulong(CKA_USAGE_LIMIT, 2));
  const auto sign = [&](CK_OBJECT_HANDLE key) {
    Bytes blob(4000);
    CK_ULONG size = blob.size();
    EXPECT_OK(ca().CA_SIMExtract(session_, 1, &key, 0, 0, 0, nullptr, nullptr,
                                 CK_FALSE, &size, blob.data()));
    CK_MECHANISM mechanism = {CKM_AES_CMAC, nullptr, 0};
    CK_BYTE data[3] = {}, mac[16];
    CK_BYTE* input = data;
    CK_BYTE* output = mac;
    CK_ULONG length = sizeof data, mac_size = sizeof mac;
    return ca().CA_SIMMultiSign(session_, &mechanism, 0, 0, nullptr, nullptr,
                                size, blob.data(), 1, &length, &input,
                                &mac_size, &output);
  };
  EXPECT_RV(CKR_KEY_NOT_AUTHORIZED, sign(locked));
  EXPECT_RV(CKR_KEY_NOT_ACTIVE, sign(counted));
}

}  // namespace
}  // namespace e2e
