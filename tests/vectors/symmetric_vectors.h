// What symmetric_vectors_test.cc covers, for the test that every mechanism
// has vectors.
#ifndef PERIGEE_TESTS_VECTORS_SYMMETRIC_VECTORS_H_
#define PERIGEE_TESTS_VECTORS_SYMMETRIC_VECTORS_H_

#include <set>
#include <string>

namespace pkcs11 {

// Names of mechanisms.
std::set<std::string> SymmetricCoverage();

}  // namespace pkcs11

#endif  // PERIGEE_TESTS_VECTORS_SYMMETRIC_VECTORS_H_
