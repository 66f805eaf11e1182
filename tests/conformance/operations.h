// Operations in one call or in parts, and the table of the mechanisms that
// every test of operations walks through.
#ifndef PERIGEE_TESTS_CONFORMANCE_OPERATIONS_H_
#define PERIGEE_TESTS_CONFORMANCE_OPERATIONS_H_

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "tests/conformance/keys.h"
#include "tests/conformance/module.h"

namespace conformance {

// What a call gave: bytes only with CKR_OK.
struct Result {
  CK_RV rv = CKR_OK;
  Bytes bytes;
};

// The four calls of an operation that gives bytes. `update` gives bytes too
// where the operation is a cipher.
using InitCall =
    std::function<CK_RV(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE)>;
using WholeCall = std::function<CK_RV(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG,
                                      CK_BYTE*, CK_ULONG*)>;
using FeedCall = std::function<CK_RV(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG)>;
using FinalCall = std::function<CK_RV(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG*)>;
struct Calls {
  InitCall init;
  WholeCall whole;
  WholeCall update;  // ciphers
  FeedCall feed;     // the others
  FinalCall final;
};
Calls EncryptCalls();
Calls DecryptCalls();
Calls SignCalls();
Calls DigestCalls();

// Each begins with Init. Parts are of `part` bytes.
Result Whole(const Calls& calls, CK_SESSION_HANDLE session,
             const Mechanism& mechanism, CK_OBJECT_HANDLE key,
             const Bytes& input);
Result Parts(const Calls& calls, CK_SESSION_HANDLE session,
             const Mechanism& mechanism, CK_OBJECT_HANDLE key,
             const Bytes& input, size_t part);
CK_RV Verify(CK_SESSION_HANDLE session, const Mechanism& mechanism,
             CK_OBJECT_HANDLE key, const Bytes& data, const Bytes& signature);
CK_RV VerifyParts(CK_SESSION_HANDLE session, const Mechanism& mechanism,
                  CK_OBJECT_HANDLE key, const Bytes& data,
                  const Bytes& signature, size_t part);

// --- mechanisms
// ------------------------------------------------------------------------

// A mechanism with a key that it takes. `with` is for the operation that needs
// the private half, `against` for its opposite (the same for secret keys).
struct Case {
  std::string name;
  Mechanism mechanism;
  Template with;
  Template against;
  size_t input;   // bytes that it takes in one call
  size_t output;  // bytes that it gives for them
  bool has_parts = true;
  // Signing twice gives the same; encrypting twice gives the same.
  bool is_fixed = true;
};
std::ostream& operator<<(std::ostream& out, const Case& each);
// For the name of a parameterised test.
template <typename Info>
std::string CaseName(const Info& info) {
  return info.param.name;
}

// Another module may lack the mechanism or not take its parameters (OAEP with
// SHA-2).
#define NEEDS_CASE(what)                                            \
  do {                                                              \
    NEEDS_MECHANISM((what).mechanism.type());                       \
    if (!IsPerigee() && !TakesParameters(session_, what)) {         \
      GTEST_SKIP() << "the mechanism's parameters are not offered"; \
    }                                                               \
  } while (false)
bool TakesParameters(CK_SESSION_HANDLE session, const Case& what);

// `with` signs, `against` verifies.
std::vector<Case> SignCases();
// `with` decrypts, `against` encrypts; `input` is the plain text.
std::vector<Case> CipherCases();
// No keys.
std::vector<Case> DigestCases();
// Those of `cases` that go in parts.
std::vector<Case> WithParts(std::vector<Case> cases);

// Parameters. The bytes that they point to live as long as the program.
Mechanism Pss(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash,
              CK_RSA_PKCS_MGF_TYPE mgf, CK_ULONG salt);
Mechanism Oaep(CK_MECHANISM_TYPE hash, CK_RSA_PKCS_MGF_TYPE mgf);
Mechanism AesCbc(CK_MECHANISM_TYPE type = CKM_AES_CBC);
Mechanism AesCtr();
Mechanism AesGcm(CK_ULONG tag_bits = 128);

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_OPERATIONS_H_
