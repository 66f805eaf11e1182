// An OpenSSL provider that does what providers for PKCS#11 do with their
// module: initialise it while OpenSSL loads the configuration, and finalise it
// at the end. It offers no algorithms. $PERIGEE_TRAP_MODULE is the module;
// $PERIGEE_TRAP_RESULT gets what C_Initialize said.
#include <dlfcn.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <cstdlib>
#include <string>

#include "base/cryptoki.h"

namespace {

CK_C_Finalize finalize = nullptr;

void Teardown(void*) {
  if (finalize != nullptr) finalize(nullptr);
}

const OSSL_DISPATCH kFunctions[] = {
    {OSSL_FUNC_PROVIDER_TEARDOWN, reinterpret_cast<void (*)()>(Teardown)},
    {0, nullptr}};

}  // namespace

extern "C" [[gnu::visibility("default")]] int OSSL_provider_init(
    const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH*,
    const OSSL_DISPATCH** out, void** context) {
  const char* path = std::getenv("PERIGEE_TRAP_MODULE");
  if (path == nullptr) return 0;
  void* const module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (module == nullptr) return 0;
  const auto initialize =
      reinterpret_cast<CK_C_Initialize>(dlsym(module, "C_Initialize"));
  finalize = reinterpret_cast<CK_C_Finalize>(dlsym(module, "C_Finalize"));
  PERIGEE_C_INITIALIZE_ARGS args = {};
  args.flags = CKF_OS_LOCKING_OK;
  const CK_RV rv = initialize(&args);
  setenv("PERIGEE_TRAP_RESULT", std::to_string(rv).c_str(), 1);
  *out = kFunctions;
  *context = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}
