// What the tests stand on: a library that is initialised, a token with PINs,
// sessions in it, and short names for the calls that a test needs but is not
// about (they fail the test when they do not succeed).
#ifndef PERIGEE_TESTS_CONFORMANCE_TOKEN_TEST_H_
#define PERIGEE_TESTS_CONFORMANCE_TOKEN_TEST_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/conformance/module.h"
#include "tests/conformance/place.h"
#include "tests/conformance/rv.h"
#include "tests/conformance/template.h"

namespace conformance {

inline constexpr char kSoPin[] = "so-pin-12345678";
inline constexpr char kUserPin[] = "user-pin-87654321";
inline constexpr char kLabel[] = "conformance";

inline constexpr CK_FLAGS kReadOnly = CKF_SERIAL_SESSION;
inline constexpr CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;

// A handle that no session or object has.
inline constexpr CK_ULONG kStaleHandle = 0x3FFFFFF7;
inline constexpr CK_SLOT_ID kNoSlot = 0x3FFFFFF7;

// A mechanism that Perigee must have; another module may lack it.
#define NEEDS_MECHANISM(type)                             \
  do {                                                    \
    if (!HasMechanism(type)) {                            \
      if (IsPerigee()) FAIL() << #type " is not offered"; \
      GTEST_SKIP() << #type " is not offered";            \
    }                                                     \
  } while (false)
// Not everything is asked of other modules.
#define NEEDS_PERIGEE() \
  if (!IsPerigee()) GTEST_SKIP() << "only of Perigee"

// The module, not initialised. Every test begins in this state.
class ModuleTest : public testing::Test {
 protected:
  // The place that all tests of the process share.
  ModuleTest();
  explicit ModuleTest(std::shared_ptr<const Place> place);
  ~ModuleTest() override;

  const Place& place() const { return *place_; }

 private:
  std::shared_ptr<const Place> place_;
};

// C_Initialize was called.
class LibraryTest : public ModuleTest {
 protected:
  using ModuleTest::ModuleTest;
  void SetUp() override;

  std::vector<CK_SLOT_ID> Slots(bool with_token = true);
  // The first slot whose token is not initialised.
  CK_SLOT_ID EmptySlot();
  // Initialises the token there and returns the slot where it is afterwards
  // (SoftHSM moves it).
  CK_SLOT_ID InitToken(CK_SLOT_ID slot, const std::string& label = kLabel);
  CK_SLOT_ID SlotOf(const std::string& label);
  CK_TOKEN_INFO TokenInfo(CK_SLOT_ID slot);
};

// A token with SO and user PIN, and calls on it. `session_` is read/write with
// the user logged in. Objects that a test leaves behind are destroyed.
class TokenTest : public LibraryTest {
 protected:
  TokenTest() = default;
  explicit TokenTest(std::shared_ptr<const Place> place)
      : LibraryTest(std::move(place)) {}
  void SetUp() override;
  void TearDown() override;

  // --- sessions and roles ---
  CK_SESSION_HANDLE Open(CK_FLAGS flags = kReadWrite);
  CK_RV Login(CK_SESSION_HANDLE session, CK_USER_TYPE user,
              const std::string& pin);
  void LoginUser();
  void LoginSo();
  void Logout();
  // Every session of the token closed, nobody logged in.
  void Leave();
  CK_STATE State(CK_SESSION_HANDLE session);
  CK_TOKEN_INFO Info() { return TokenInfo(slot_); }
  bool HasMechanism(CK_MECHANISM_TYPE type);

  // --- objects ---
  CK_OBJECT_HANDLE Create(const Template& t);
  CK_OBJECT_HANDLE Create(CK_SESSION_HANDLE session, const Template& t);
  CK_OBJECT_HANDLE Generate(CK_MECHANISM_TYPE mechanism, const Template& t);
  struct Pair {
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  };
  Pair GeneratePair(CK_MECHANISM_TYPE mechanism, const Template& public_key,
                    const Template& private_key);
  std::vector<CK_OBJECT_HANDLE> Find(const Template& t);
  std::vector<CK_OBJECT_HANDLE> Find(CK_SESSION_HANDLE session,
                                     const Template& t);
  Bytes Get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  CK_ULONG GetUlong(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  bool GetBool(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  // Only what C_GetAttributeValue says.
  CK_RV TryGet(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

  // --- calls whose answer is the subject ---
  CK_RV TryCreate(const Template& t);
  CK_RV TrySet(CK_OBJECT_HANDLE object, const Template& t);
  CK_RV TryCopy(CK_OBJECT_HANDLE object, const Template& t,
                CK_OBJECT_HANDLE* copy = nullptr);
  CK_RV TryGenerate(CK_MECHANISM_TYPE mechanism, const Template& t);

  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

// The same on a place of its own: for tests that change PINs, lock or
// initialise the token.
class FreshTokenTest : public TokenTest {
 protected:
  FreshTokenTest() : TokenTest(std::make_shared<Place>()) {}
};

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_TOKEN_TEST_H_
