// Node.js calls a C library with this addon of three functions: load(path),
// call(name, arguments...) and address(buffer). backup.js uses it.
//
//   cc -shared -fPIC -I/usr/include/node native_call.c -ldl -o native_call.node
//
// Arguments are numbers (CK_ULONG), buffers (their address) and null; the
// result is a CK_RV. That is all that PKCS#11 functions take where integers
// and pointers are passed in the same way: Linux on x86-64 and on ARM64.
#define NAPI_VERSION 6
#include <dlfcn.h>
#include <node_api.h>
#include <stdint.h>

enum { kMost = 12 };  // arguments
typedef unsigned long (*Function)(uint64_t, uint64_t, uint64_t, uint64_t,
                                  uint64_t, uint64_t, uint64_t, uint64_t,
                                  uint64_t, uint64_t, uint64_t, uint64_t);
static void* module;

static napi_value Fail(napi_env env, const char* text) {
  napi_throw_error(env, NULL, text);
  return NULL;
}

static napi_value Load(napi_env env, napi_callback_info info) {
  size_t count = 1, length;
  napi_value argument;
  char path[4096];
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  if (count != 1 || napi_get_value_string_utf8(env, argument, path, sizeof path,
                                               &length) != napi_ok) {
    return Fail(env, "load takes a path");
  }
  module = dlopen(path, RTLD_NOW);
  return module == NULL ? Fail(env, dlerror()) : NULL;
}

// False when the value has none of the kinds above.
static int ToNumber(napi_env env, napi_value value, uint64_t* number) {
  napi_valuetype type;
  void* bytes = NULL;
  size_t size;
  double given;
  bool lossless, is_buffer = false;
  napi_typeof(env, value, &type);
  *number = 0;
  switch (type) {
    case napi_null:
      return 1;
    case napi_number:
      napi_get_value_double(env, value, &given);
      *number = (uint64_t)given;
      return given >= 0;
    case napi_bigint:
      napi_get_value_bigint_uint64(env, value, number, &lossless);
      return lossless;
    default:
      napi_is_buffer(env, value, &is_buffer);
      if (!is_buffer) return 0;
      napi_get_buffer_info(env, value, &bytes, &size);
      *number = (uint64_t)(uintptr_t)bytes;
      return 1;
  }
}

static napi_value Call(napi_env env, napi_callback_info info) {
  size_t count = 1 + kMost, length;
  napi_value arguments[1 + kMost], result;
  char name[64];
  uint64_t a[kMost] = {0};
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  if (count < 1 || count > 1 + kMost || module == NULL ||
      napi_get_value_string_utf8(env, arguments[0], name, sizeof name,
                                 &length) != napi_ok) {
    return Fail(env, "after load, call takes a name and 12 arguments at most");
  }
  const Function function = (Function)dlsym(module, name);
  if (function == NULL) return Fail(env, dlerror());
  for (size_t i = 1; i < count; ++i) {
    if (!ToNumber(env, arguments[i], &a[i - 1])) {
      return Fail(env, "an argument is no number, buffer or null");
    }
  }
  napi_create_double(env,
                     (double)function(a[0], a[1], a[2], a[3], a[4], a[5], a[6],
                                      a[7], a[8], a[9], a[10], a[11]),
                     &result);
  return result;
}

// For a pointer in a structure. The buffer has to stay alive.
static napi_value Address(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  uint64_t number;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  if (count != 1 || !ToNumber(env, argument, &number)) {
    return Fail(env, "address takes a buffer");
  }
  napi_create_bigint_uint64(env, number, &result);
  return result;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"load", NULL, Load, NULL, NULL, NULL, napi_default, NULL},
      {"call", NULL, Call, NULL, NULL, NULL, napi_default, NULL},
      {"address", NULL, Address, NULL, NULL, NULL, napi_default, NULL}};
  napi_define_properties(env, exports, 3, functions);
  return exports;
}
