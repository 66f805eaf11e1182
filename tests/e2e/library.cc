#include "tests/e2e/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace e2e {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::_Exit(2);
}

template <typename Function>
Function Symbol(void* module, const char* name) {
  void* const found = dlsym(module, name);
  if (found == nullptr) Die(std::string("no symbol ") + name);
  return reinterpret_cast<Function>(found);
}

// Gone as soon as it is loaded.
std::string CopyOfModule() {
  std::string path =
      std::filesystem::temp_directory_path() / "perigee-second-XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) Die("no temporary file");
  close(fd);
  std::filesystem::copy_file(ModulePath(), path,
                             std::filesystem::copy_options::overwrite_existing);
  return path;
}

}  // namespace

std::string Products() {
  const char* given = std::getenv("PERIGEE_TEST_PRODUCTS");
  return given != nullptr && *given != '\0' ? given : PERIGEE_PRODUCTS;
}

std::string ModulePath() { return Products() + "/libperigee.so"; }
std::string DaemonPath() { return Products() + "/perigee-backup-hsm"; }
std::string ShellPath() { return Products() + "/perigee"; }
std::string FirmwareToolPath() {
  return Products() + "/perigee-firmware-image";
}
std::string UsbEmulatorPath() {
  return Products() + "/test-programs/usbfs_emulator";
}
std::string UsbAttachPath() {
  return Products() + "/test-programs/vhci_attach";
}

const Library& Library::First() {
  static const auto* const library = new Library(ModulePath());
  return *library;
}

const Library& Library::Second() {
  static const auto* const library = [] {
    const std::string path = CopyOfModule();
    auto* const loaded = new Library(path);
    unlink(path.c_str());
    return loaded;
  }();
  return *library;
}

Library::Library(const std::string& path) {
  void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) Die(dlerror());
  CK_FUNCTION_LIST* c = nullptr;
  CK_SFNT_CA_FUNCTION_LIST* ca = nullptr;
  CK_INTERFACE* interface = nullptr;
  CK_VERSION version = {PERIGEE_INTERFACE_MAJOR, PERIGEE_INTERFACE_MINOR};
  char name[] = PERIGEE_INTERFACE_NAME;
  if (Symbol<CK_C_GetFunctionList>(module, "C_GetFunctionList")(&c) != CKR_OK ||
      Symbol<CK_CA_GetFunctionList>(module, "CA_GetFunctionList")(&ca) !=
          CKR_OK ||
      Symbol<CK_C_GetInterface>(module, "C_GetInterface")(
          reinterpret_cast<CK_UTF8CHAR*>(name), &version, &interface, 0) !=
          CKR_OK) {
    Die(path + " does not give its tables");
  }
  c_ = c;
  ca_ = ca;
  perigee_ =
      static_cast<const PERIGEE_FUNCTION_LIST*>(interface->pFunctionList);
}

std::string Library::LastError() const {
  PERIGEE_ERROR error = {};
  error.ulSize = sizeof error;
  if (perigee_->LastError(&error) != CKR_OK) return "no last error";
  return std::string(error.function) + ": " + error.name + " (" + error.reason +
         "): " + error.text;
}

}  // namespace e2e
