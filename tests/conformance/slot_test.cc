// Slots, tokens and mechanisms as the information calls tell them.
#include <algorithm>
#include <cstring>

#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using SlotTest = TokenTest;
using TokenInfoTest = TokenTest;
using MechanismTest = TokenTest;
using UninitializedTokenTest = LibraryTest;

TEST_F(SlotTest, List_NullCount_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetSlotList(CK_FALSE, nullptr, nullptr));
}

TEST_F(SlotTest, List_OfTokens_HasTheToken) {
  EXPECT_THAT(Slots(true), testing::Contains(slot_));
}

TEST_F(SlotTest, List_OfTokens_IsPartOfAllSlots) {
  const std::vector<CK_SLOT_ID> all = Slots(false);
  for (CK_SLOT_ID slot : Slots(true)) EXPECT_THAT(all, testing::Contains(slot));
}

TEST_F(SlotTest, List_TooSmall_TellsTheCount) {
  const size_t all = Slots(false).size();
  ASSERT_GE(all, 2u);
  CK_SLOT_ID room = kNoSlot;
  CK_ULONG count = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11().C_GetSlotList(CK_FALSE, &room, &count));
  EXPECT_EQ(count, all);
}

TEST_F(SlotTest, List_NoRoom_TellsTheCount) {
  CK_SLOT_ID room = kNoSlot;
  CK_ULONG count = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11().C_GetSlotList(CK_FALSE, &room, &count));
  EXPECT_EQ(count, Slots(false).size());
  EXPECT_EQ(room, kNoSlot);
}

TEST_F(SlotTest, List_MoreRoomThanNeeded_TellsTheCount) {
  std::vector<CK_SLOT_ID> room(100, kNoSlot);
  CK_ULONG count = room.size();
  EXPECT_OK(p11().C_GetSlotList(CK_FALSE, room.data(), &count));
  EXPECT_EQ(count, Slots(false).size());
  EXPECT_EQ(room[count], kNoSlot);
}

TEST_F(SlotTest, List_HasEachSlotOnce) {
  std::vector<CK_SLOT_ID> slots = Slots(false);
  std::sort(slots.begin(), slots.end());
  EXPECT_EQ(std::unique(slots.begin(), slots.end()), slots.end());
}

// Decision 19: the partition is slot 0, the Backup HSM slot 1; the admin slot
// works, but is not listed.
TEST_F(SlotTest, Default_IsPartitionAndBackupHsm) {
  NEEDS_PERIGEE();
  EXPECT_THAT(Slots(false), testing::ElementsAre(0, 1));
}

TEST_F(SlotTest, AdminSlot_IsNotListed_ButThere) {
  NEEDS_PERIGEE();
  EXPECT_NE(TokenInfo(2).flags & CKF_ADMIN_TOKEN, 0u);
}

TEST_F(SlotTest, Info_NullPointer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetSlotInfo(slot_, nullptr));
}

TEST_F(SlotTest, Info_NoSuchSlot_IsSlotIdInvalid) {
  CK_SLOT_INFO info;
  EXPECT_RV(CKR_SLOT_ID_INVALID, p11().C_GetSlotInfo(kNoSlot, &info));
}

TEST_F(SlotTest, Info_TokenIsPresent) {
  CK_SLOT_INFO info = {};
  ASSERT_OK(p11().C_GetSlotInfo(slot_, &info));
  EXPECT_NE(info.flags & CKF_TOKEN_PRESENT, 0u);
}

TEST_F(SlotTest, Info_TextsArePaddedWithBlanks) {
  CK_SLOT_INFO info;
  std::memset(&info, 0, sizeof(info));
  ASSERT_OK(p11().C_GetSlotInfo(slot_, &info));
  EXPECT_EQ(std::count(std::begin(info.slotDescription),
                       std::end(info.slotDescription), 0),
            0);
  EXPECT_EQ(std::count(std::begin(info.manufacturerID),
                       std::end(info.manufacturerID), 0),
            0);
}

TEST_F(SlotTest, WaitForEvent_NoBlocking_HasNoneOrIsNotSupported) {
  CK_SLOT_ID slot = kNoSlot;
  EXPECT_RV_IS_ONE_OF(p11().C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, nullptr),
                      CKR_NO_EVENT, CKR_FUNCTION_NOT_SUPPORTED);
}

TEST_F(TokenInfoTest, NullPointer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetTokenInfo(slot_, nullptr));
}

TEST_F(TokenInfoTest, NoSuchSlot_IsSlotIdInvalid) {
  CK_TOKEN_INFO info;
  EXPECT_RV(CKR_SLOT_ID_INVALID, p11().C_GetTokenInfo(kNoSlot, &info));
}

TEST_F(TokenInfoTest, FlagsOfAReadyToken) {
  const CK_FLAGS ready = CKF_RNG | CKF_LOGIN_REQUIRED |
                         CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;
  EXPECT_EQ(Info().flags & ready, ready);
}

TEST_F(TokenInfoTest, NothingIsWrongWithThePins) {
  const CK_FLAGS wrong = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY |
                         CKF_USER_PIN_LOCKED | CKF_USER_PIN_TO_BE_CHANGED |
                         CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY |
                         CKF_SO_PIN_LOCKED | CKF_SO_PIN_TO_BE_CHANGED;
  EXPECT_EQ(Info().flags & wrong, 0u);
}

TEST_F(TokenInfoTest, LabelIsPaddedWithBlanks) {
  const CK_TOKEN_INFO info = Info();
  const std::string label(std::begin(info.label), std::end(info.label));
  EXPECT_EQ(label, "conformance                     ");
}

TEST_F(TokenInfoTest, SerialNumberIsNotBlank) {
  const CK_TOKEN_INFO info = Info();
  const std::string serial(std::begin(info.serialNumber),
                           std::end(info.serialNumber));
  EXPECT_NE(serial, std::string(serial.size(), ' '));
  EXPECT_EQ(serial.find('\0'), std::string::npos);
}

TEST_F(TokenInfoTest, CheapPins_AreToldInTheModel) {
  NEEDS_PERIGEE();
  const CK_TOKEN_INFO info = Info();
  const std::string model(std::begin(info.model), std::end(info.model));
  EXPECT_NE(model.find("TEST"), std::string::npos);
}

TEST_F(TokenInfoTest, CountsOpenSessions) {
  const CK_ULONG before = Info().ulSessionCount;
  Open();
  EXPECT_EQ(Info().ulSessionCount, before + 1);
}

TEST_F(TokenInfoTest, CountsReadWriteSessions) {
  const CK_ULONG before = Info().ulRwSessionCount;
  Open(kReadWrite);
  Open(kReadOnly);
  EXPECT_EQ(Info().ulRwSessionCount, before + 1);
}

TEST_F(TokenInfoTest, ClosedSessions_AreNotCounted) {
  const CK_ULONG before = Info().ulSessionCount;
  EXPECT_OK(p11().C_CloseSession(Open()));
  EXPECT_EQ(Info().ulSessionCount, before);
}

TEST_F(TokenInfoTest, PinLimitsAreSane) {
  const CK_TOKEN_INFO info = Info();
  EXPECT_GE(info.ulMinPinLen, 1u);
  EXPECT_LE(info.ulMinPinLen, std::strlen(kUserPin));
  EXPECT_GE(info.ulMaxPinLen, std::strlen(kUserPin));
}

TEST_F(UninitializedTokenTest, HasNoInitializedFlags) {
  const CK_FLAGS flags = TokenInfo(EmptySlot()).flags;
  EXPECT_EQ(flags & (CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED), 0u);
}

TEST_F(MechanismTest, List_NullCount_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GetMechanismList(slot_, nullptr, nullptr));
}

TEST_F(MechanismTest, List_NoSuchSlot_IsSlotIdInvalid) {
  CK_ULONG count = 0;
  EXPECT_RV(CKR_SLOT_ID_INVALID,
            p11().C_GetMechanismList(kNoSlot, nullptr, &count));
}

TEST_F(MechanismTest, List_TooSmall_TellsTheCount) {
  CK_ULONG all = 0;
  ASSERT_OK(p11().C_GetMechanismList(slot_, nullptr, &all));
  CK_MECHANISM_TYPE room;
  CK_ULONG count = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11().C_GetMechanismList(slot_, &room, &count));
  EXPECT_EQ(count, all);
}

TEST_F(MechanismTest, List_HasEachOnce_AndInfoForEach) {
  CK_ULONG count = 0;
  ASSERT_OK(p11().C_GetMechanismList(slot_, nullptr, &count));
  std::vector<CK_MECHANISM_TYPE> list(count);
  ASSERT_OK(p11().C_GetMechanismList(slot_, list.data(), &count));
  std::sort(list.begin(), list.end());
  EXPECT_EQ(std::unique(list.begin(), list.end()), list.end());
  for (CK_MECHANISM_TYPE type : list) {
    CK_MECHANISM_INFO info;
    EXPECT_OK(p11().C_GetMechanismInfo(slot_, type, &info)) << std::hex << type;
    EXPECT_LE(info.ulMinKeySize, info.ulMaxKeySize) << std::hex << type;
  }
}

TEST_F(MechanismTest, Info_NullPointer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GetMechanismInfo(slot_, CKM_AES_CBC, nullptr));
}

TEST_F(MechanismTest, Info_UnknownMechanism_IsMechanismInvalid) {
  CK_MECHANISM_INFO info;
  EXPECT_RV(CKR_MECHANISM_INVALID,
            p11().C_GetMechanismInfo(slot_, 0x7FFFFFF0, &info));
}

TEST_F(MechanismTest, Info_NoSuchSlot_IsSlotIdInvalid) {
  CK_MECHANISM_INFO info;
  EXPECT_RV(CKR_SLOT_ID_INVALID,
            p11().C_GetMechanismInfo(kNoSlot, CKM_AES_CBC, &info));
}

// What issue 2 asks for, and what each can do: the whole list in one place.
struct MechanismCase {
  const char* name;
  CK_MECHANISM_TYPE type;
  CK_FLAGS flags;
};
constexpr CK_FLAGS kSigns = CKF_SIGN | CKF_VERIFY;
constexpr CK_FLAGS kCiphers = CKF_ENCRYPT | CKF_DECRYPT;
constexpr CK_FLAGS kWraps = CKF_WRAP | CKF_UNWRAP;
#define ROW(name, flags) \
  { #name, CKM_##name, flags }
constexpr MechanismCase kMechanisms[] = {
    ROW(RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
    ROW(RSA_PKCS, kSigns | kCiphers),
    ROW(SHA256_RSA_PKCS, kSigns),
    ROW(SHA384_RSA_PKCS, kSigns),
    ROW(SHA512_RSA_PKCS, kSigns),
    ROW(RSA_PKCS_PSS, kSigns),
    ROW(SHA256_RSA_PKCS_PSS, kSigns),
    ROW(SHA384_RSA_PKCS_PSS, kSigns),
    ROW(SHA512_RSA_PKCS_PSS, kSigns),
    ROW(RSA_PKCS_OAEP, kCiphers),
    ROW(EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
    ROW(ECDSA, kSigns),
    ROW(ECDSA_SHA256, kSigns),
    ROW(ECDSA_SHA384, kSigns),
    ROW(ECDSA_SHA512, kSigns),
    ROW(ECDH1_DERIVE, CKF_DERIVE),
    ROW(AES_KEY_GEN, CKF_GENERATE),
    ROW(AES_CBC, kCiphers),
    ROW(AES_CBC_PAD, kCiphers),
    ROW(AES_CTR, kCiphers),
    ROW(AES_GCM, kCiphers),
    ROW(AES_KEY_WRAP, kWraps),
    ROW(AES_KEY_WRAP_KWP, kWraps),
    ROW(GENERIC_SECRET_KEY_GEN, CKF_GENERATE),
    ROW(SHA224, CKF_DIGEST),
    ROW(SHA256, CKF_DIGEST),
    ROW(SHA384, CKF_DIGEST),
    ROW(SHA512, CKF_DIGEST),
    ROW(SHA224_HMAC, kSigns),
    ROW(SHA256_HMAC, kSigns),
    ROW(SHA384_HMAC, kSigns),
    ROW(SHA512_HMAC, kSigns),
};
#undef ROW

class OfferedMechanismTest : public TokenTest,
                             public testing::WithParamInterface<MechanismCase> {
};

TEST_P(OfferedMechanismTest, DoesWhatItShould) {
  if (!IsPerigee() && !HasMechanism(GetParam().type)) {
    GTEST_SKIP() << "not offered";
  }
  CK_MECHANISM_INFO info = {};
  ASSERT_OK(p11().C_GetMechanismInfo(slot_, GetParam().type, &info));
  EXPECT_EQ(info.flags & GetParam().flags, GetParam().flags);
}

INSTANTIATE_TEST_SUITE_P(All, OfferedMechanismTest,
                         testing::ValuesIn(kMechanisms), [](const auto& each) {
                           return std::string(each.param.name);
                         });

}  // namespace
}  // namespace conformance
