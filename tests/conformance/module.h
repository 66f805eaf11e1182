// The module under test: loaded with dlopen from $PERIGEE_TEST_MODULE, or the
// one that this build made.
#ifndef PERIGEE_TESTS_CONFORMANCE_MODULE_H_
#define PERIGEE_TESTS_CONFORMANCE_MODULE_H_

#include <string>

#include "base/cryptoki.h"

namespace conformance {

// Every C_ function; null where the module lacks it.
struct Functions {
#define PERIGEE_FUNCTION(version, name, arguments) CK_##name name = nullptr;
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
};

std::string ModulePath();

// The functions of a module that the caller loaded.
Functions FunctionsOf(void* handle);

// Loaded at the first call, for the life of the process. The program ends when
// it cannot be loaded.
const Functions& p11();
// A symbol of it, or null.
void* ModuleSymbol(const char* name);
// Whether it is Perigee. Another module tests the tests: what Perigee alone
// has is skipped there.
bool IsPerigee();

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_MODULE_H_
