// One token object of every kind, everything that can be read of an object,
// and what keys do, for comparison before and after a journey.
#ifndef PERIGEE_TESTS_E2E_OBJECTS_H_
#define PERIGEE_TESTS_E2E_OBJECTS_H_

#include <map>
#include <string>
#include <vector>

#include "tests/e2e/host.h"

namespace e2e {

// Makes them in the session's partition; the CO is logged in. Keys that were
// generated there and keys that were imported, sensitive and not, with dates,
// allowed mechanisms and templates.
std::vector<CK_OBJECT_HANDLE> MakeEveryKind(const Host& host,
                                            CK_SESSION_HANDLE session);

struct KeyPair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};
// Token objects; the private key is sensitive and never leaves.
KeyPair GenerateEcPair(const Host& host, CK_SESSION_HANDLE session,
                       const std::string& label);
KeyPair GenerateRsaPair(const Host& host, CK_SESSION_HANDLE session,
                        const std::string& label);
CK_OBJECT_HANDLE GenerateAes(const Host& host, CK_SESSION_HANDLE session,
                             const std::string& label);

// What C_GetAttributeValue says of an attribute: its answer and the bytes.
struct Said {
  CK_RV rv = CKR_OK;
  Bytes value;
  friend bool operator==(const Said&, const Said&) = default;
};
// Of every attribute type there could be, those that the object has (also the
// ones that may not be read). Nested templates are taken apart.
using Everything = std::map<CK_ATTRIBUTE_TYPE, Said>;
Everything ReadEverything(const Host& host, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE object);
// Of all token objects that the session sees, by CKA_OUID; without
// CKA_UNIQUE_ID, which is never cloned.
std::map<std::string, Everything> ReadPartition(const Host& host,
                                                CK_SESSION_HANDLE session);

// Signatures, ciphertexts and MACs that the keys with these labels make of a
// fixed text, as they must come out again: EC and RSA by their public key,
// secret keys by equality.
Bytes Sign(const Host& host, CK_SESSION_HANDLE session,
           CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key);
CK_RV Verify(const Host& host, CK_SESSION_HANDLE session,
             CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key,
             const Bytes& signature);
Bytes Encrypt(const Host& host, CK_SESSION_HANDLE session,
              CK_OBJECT_HANDLE aes_key);

// The one object with this label and class.
CK_OBJECT_HANDLE Only(const Host& host, CK_SESSION_HANDLE session,
                      CK_OBJECT_CLASS object_class, const std::string& label);

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_OBJECTS_H_
