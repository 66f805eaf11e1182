#include "tests/conformance/module.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace conformance {
namespace {

void* Load() {
  void* handle = dlopen(ModulePath().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::_Exit(2);
  }
  return handle;
}

template <typename Pointer>
void Find(void* handle, const char* name, Pointer& function) {
  function = reinterpret_cast<Pointer>(dlsym(handle, name));
}

void* TheHandle() {
  static void* const handle = Load();
  return handle;
}

}  // namespace

Functions FunctionsOf(void* handle) {
  Functions functions;
#define PERIGEE_FUNCTION(version, name, arguments) \
  Find(handle, #name, functions.name);
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
  return functions;
}

std::string ModulePath() {
  const char* path = std::getenv("PERIGEE_TEST_MODULE");
  return path != nullptr && *path != '\0' ? path : PERIGEE_BUILT_MODULE;
}

void* ModuleSymbol(const char* name) { return dlsym(TheHandle(), name); }

const Functions& p11() {
  static const Functions functions = FunctionsOf(TheHandle());
  return functions;
}

bool IsPerigee() { return ModuleSymbol("CA_GetFunctionList") != nullptr; }

}  // namespace conformance
