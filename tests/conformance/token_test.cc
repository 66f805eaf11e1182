#include "tests/conformance/token_test.h"

#include <algorithm>
#include <cstring>

namespace conformance {
namespace {

CK_UTF8CHAR* Utf8(const std::string& text) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text.data()));
}

std::string Padded(const std::string& text, size_t size) {
  return text + std::string(size - text.size(), ' ');
}

template <size_t N>
std::string FieldText(const CK_UTF8CHAR (&field)[N]) {
  return std::string(field, field + N);
}

// One for the process, so that its token is made once.
std::shared_ptr<const Place> SharedPlace() {
  static const auto place = std::make_shared<const Place>();
  return place;
}

}  // namespace

ModuleTest::ModuleTest() : ModuleTest(SharedPlace()) {}

ModuleTest::ModuleTest(std::shared_ptr<const Place> place)
    : place_(std::move(place)) {
  place_->Use();
}

ModuleTest::~ModuleTest() { p11().C_Finalize(nullptr); }

// --- library -----------------------------------------------------------------

void LibraryTest::SetUp() { ASSERT_OK(p11().C_Initialize(nullptr)); }

std::vector<CK_SLOT_ID> LibraryTest::Slots(bool with_token) {
  CK_ULONG count = 0;
  const CK_BBOOL present = with_token ? CK_TRUE : CK_FALSE;
  EXPECT_OK(p11().C_GetSlotList(present, nullptr, &count));
  std::vector<CK_SLOT_ID> slots(count);
  EXPECT_OK(p11().C_GetSlotList(present, slots.data(), &count));
  slots.resize(count);
  return slots;
}

CK_TOKEN_INFO LibraryTest::TokenInfo(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info = {};
  EXPECT_OK(p11().C_GetTokenInfo(slot, &info));
  return info;
}

CK_SLOT_ID LibraryTest::EmptySlot() {
  for (CK_SLOT_ID slot : Slots()) {
    if ((TokenInfo(slot).flags & CKF_TOKEN_INITIALIZED) == 0) return slot;
  }
  ADD_FAILURE() << "no token that is not initialised";
  return kNoSlot;
}

CK_SLOT_ID LibraryTest::SlotOf(const std::string& label) {
  for (CK_SLOT_ID slot : Slots()) {
    const CK_TOKEN_INFO info = TokenInfo(slot);
    if (FieldText(info.label) == Padded(label, sizeof(info.label)) &&
        (info.flags & CKF_TOKEN_INITIALIZED) != 0) {
      return slot;
    }
  }
  return kNoSlot;
}

CK_SLOT_ID LibraryTest::InitToken(CK_SLOT_ID slot, const std::string& label) {
  const std::string padded = Padded(label, sizeof(CK_TOKEN_INFO::label));
  EXPECT_OK(
      p11().C_InitToken(slot, Utf8(kSoPin), strlen(kSoPin), Utf8(padded)));
  return SlotOf(label);
}

// --- token -------------------------------------------------------------------

void TokenTest::SetUp() {
  ASSERT_NO_FATAL_FAILURE(LibraryTest::SetUp());
  slot_ = SlotOf(kLabel);
  if (slot_ == kNoSlot) {
    slot_ = InitToken(EmptySlot());
    ASSERT_NE(slot_, kNoSlot);
    session_ = Open();
    ASSERT_OK(Login(session_, CKU_SO, kSoPin));
    ASSERT_OK(p11().C_InitPIN(session_, Utf8(kUserPin), strlen(kUserPin)));
    Leave();
    // SoftHSM gives the new token its final slot at the next start only.
    ASSERT_OK(p11().C_Finalize(nullptr));
    ASSERT_OK(p11().C_Initialize(nullptr));
    slot_ = SlotOf(kLabel);
  }
  session_ = Open();
  ASSERT_OK(Login(session_, CKU_USER, kUserPin));
}

void TokenTest::TearDown() {
  Leave();
  session_ = Open();
  if (Login(session_, CKU_USER, kUserPin) == CKR_OK) {
    for (CK_OBJECT_HANDLE object : Find(Template())) {
      p11().C_DestroyObject(session_, object);
    }
  }
  Leave();
}

CK_SESSION_HANDLE TokenTest::Open(CK_FLAGS flags) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  EXPECT_OK(p11().C_OpenSession(slot_, flags, nullptr, nullptr, &session));
  return session;
}

CK_RV TokenTest::Login(CK_SESSION_HANDLE session, CK_USER_TYPE user,
                       const std::string& pin) {
  return p11().C_Login(session, user, Utf8(pin), pin.size());
}

void TokenTest::LoginUser() { ASSERT_OK(Login(session_, CKU_USER, kUserPin)); }
void TokenTest::LoginSo() { ASSERT_OK(Login(session_, CKU_SO, kSoPin)); }
void TokenTest::Logout() { ASSERT_OK(p11().C_Logout(session_)); }

void TokenTest::Leave() { p11().C_CloseAllSessions(slot_); }

CK_STATE TokenTest::State(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info = {};
  EXPECT_OK(p11().C_GetSessionInfo(session, &info));
  return info.state;
}

bool TokenTest::HasMechanism(CK_MECHANISM_TYPE type) {
  CK_MECHANISM_INFO info = {};
  return p11().C_GetMechanismInfo(slot_, type, &info) == CKR_OK;
}

// --- objects -----------------------------------------------------------------

CK_OBJECT_HANDLE TokenTest::Create(CK_SESSION_HANDLE session,
                                   const Template& t) {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  EXPECT_OK(p11().C_CreateObject(session, t.data(), t.size(), &object));
  return object;
}

CK_OBJECT_HANDLE TokenTest::Create(const Template& t) {
  return Create(session_, t);
}

CK_OBJECT_HANDLE TokenTest::Generate(CK_MECHANISM_TYPE mechanism,
                                     const Template& t) {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  EXPECT_OK(p11().C_GenerateKey(session_, Mechanism(mechanism).get(), t.data(),
                                t.size(), &object));
  return object;
}

TokenTest::Pair TokenTest::GeneratePair(CK_MECHANISM_TYPE mechanism,
                                        const Template& public_key,
                                        const Template& private_key) {
  Pair pair;
  EXPECT_OK(p11().C_GenerateKeyPair(session_, Mechanism(mechanism).get(),
                                    public_key.data(), public_key.size(),
                                    private_key.data(), private_key.size(),
                                    &pair.public_key, &pair.private_key));
  return pair;
}

std::vector<CK_OBJECT_HANDLE> TokenTest::Find(CK_SESSION_HANDLE session,
                                              const Template& t) {
  std::vector<CK_OBJECT_HANDLE> found(1024);
  CK_ULONG count = 0;
  EXPECT_OK(p11().C_FindObjectsInit(session, t.data(), t.size()));
  EXPECT_OK(p11().C_FindObjects(session, found.data(), found.size(), &count));
  EXPECT_OK(p11().C_FindObjectsFinal(session));
  found.resize(count);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<CK_OBJECT_HANDLE> TokenTest::Find(const Template& t) {
  return Find(session_, t);
}

Bytes TokenTest::Get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute = {type, nullptr, 0};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return {};
  Bytes value(attribute.ulValueLen);
  attribute.pValue = value.data();
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  return value;
}

CK_ULONG TokenTest::GetUlong(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes value = Get(object, type);
  CK_ULONG number = CK_UNAVAILABLE_INFORMATION;
  EXPECT_EQ(value.size(), sizeof(number));
  if (value.size() == sizeof(number)) {
    std::memcpy(&number, value.data(), sizeof(number));
  }
  return number;
}

bool TokenTest::GetBool(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes value = Get(object, type);
  EXPECT_EQ(value.size(), sizeof(CK_BBOOL));
  return !value.empty() && value[0] != CK_FALSE;
}

CK_RV TokenTest::TryGet(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_BYTE room[8192];
  CK_ATTRIBUTE attribute = {type, room, sizeof(room)};
  return p11().C_GetAttributeValue(session_, object, &attribute, 1);
}

CK_RV TokenTest::TryCreate(const Template& t) {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  return p11().C_CreateObject(session_, t.data(), t.size(), &object);
}

CK_RV TokenTest::TrySet(CK_OBJECT_HANDLE object, const Template& t) {
  return p11().C_SetAttributeValue(session_, object, t.data(), t.size());
}

CK_RV TokenTest::TryCopy(CK_OBJECT_HANDLE object, const Template& t,
                         CK_OBJECT_HANDLE* copy) {
  CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
  return p11().C_CopyObject(session_, object, t.data(), t.size(),
                            copy == nullptr ? &unused : copy);
}

CK_RV TokenTest::TryGenerate(CK_MECHANISM_TYPE mechanism, const Template& t) {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  return p11().C_GenerateKey(session_, Mechanism(mechanism).get(), t.data(),
                             t.size(), &object);
}

}  // namespace conformance
