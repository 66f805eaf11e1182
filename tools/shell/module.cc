#include "tools/shell/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr char kFile[] = "libperigee.so";

// The directory of the running program, with a slash; empty if unknown.
std::string ProgramDirectory() {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return "";
  const std::string program(path, static_cast<size_t>(n));
  return program.substr(0, program.rfind('/') + 1);
}

template <typename Function>
Function Symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

std::vector<std::string> Module::Candidates() {
  std::vector<std::string> paths;
  const char* chosen = secure_getenv("PERIGEE_MODULE");
  if (chosen != nullptr && *chosen != '\0') return {chosen};
  const std::string here = ProgramDirectory();
  if (!here.empty()) {
    paths.push_back(here + kFile);
    for (const char* lib : {
           "lib", "lib64",
#if defined(__x86_64__)
               "lib/x86_64-linux-gnu"
#elif defined(__aarch64__)
                            "lib/aarch64-linux-gnu"
#else
                            "lib/pkcs11"
#endif
         }) {
      paths.push_back(absl::StrCat(here, "../", lib, "/pkcs11/", kFile));
    }
  }
  return paths;
}

absl::StatusOr<std::unique_ptr<Module>> Module::Load(const std::string& path) {
  std::vector<std::string> paths = Candidates();
  if (!path.empty()) paths = {path};
  std::unique_ptr<Module> module(new Module);
  for (const std::string& candidate : paths) {
    if (access(candidate.c_str(), R_OK) == 0) {
      module->path_ = candidate;
      break;
    }
  }
  if (module->path_.empty()) {
    return Failure(CKR_GENERAL_ERROR,
                   absl::StrCat("the library was not found at ",
                                CleanText(absl::StrJoin(paths, ", "))),
                   "Say where it is: --module PATH.");
  }
  // A bare name would be searched for elsewhere.
  const std::string full = module->path_.find('/') == std::string::npos
                               ? absl::StrCat("./", module->path_)
                               : module->path_;
  void* library = dlopen(full.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Failure(CKR_GENERAL_ERROR, CleanText(dlerror()));
  }
  RETURN_IF_ERROR(module->FindFunctions(library));
  const CK_RV rv = module->c_->C_Initialize(nullptr);
  if (rv != CKR_OK) return module->Check(rv);
  module->initialized_ = true;
  return module;
}

absl::Status Module::FindFunctions(void* library) {
  const auto not_ours = [this](absl::string_view what) {
    return Failure(CKR_GENERAL_ERROR,
                   absl::StrCat(CleanText(path_),
                                " is not a library of Perigee that this "
                                "shell knows: ",
                                what, " is missing"));
  };
  const auto get_list =
      Symbol<CK_C_GetFunctionList>(library, "C_GetFunctionList");
  CK_FUNCTION_LIST* list = nullptr;
  if (get_list == nullptr || get_list(&list) != CKR_OK || list == nullptr) {
    return not_ours("C_GetFunctionList");
  }
  c_ = list;

  const auto get_interface =
      Symbol<CK_C_GetInterface>(library, "C_GetInterface");
  CK_VERSION version = {PERIGEE_INTERFACE_MAJOR, PERIGEE_INTERFACE_MINOR};
  CK_UTF8CHAR name[] = PERIGEE_INTERFACE_NAME;
  CK_INTERFACE* interface = nullptr;
  if (get_interface == nullptr ||
      get_interface(name, &version, &interface, 0) != CKR_OK ||
      interface == nullptr) {
    return not_ours("the interface \"Perigee\" 1.0");
  }
  perigee_ =
      static_cast<const PERIGEE_FUNCTION_LIST*>(interface->pFunctionList);
  if (perigee_->ulSize < sizeof *perigee_) {
    return not_ours("a part of the interface \"Perigee\"");
  }
#define SHELL_CA_FIND(name)                     \
  ca_.name = Symbol<CK_##name>(library, #name); \
  if (ca_.name == nullptr) return not_ours(#name);
  SHELL_CA_FUNCTIONS(SHELL_CA_FIND)
#undef SHELL_CA_FIND
  return absl::OkStatus();
}

Module::~Module() {
  if (initialized_) c_->C_Finalize(nullptr);
}

absl::Status Module::Check(CK_RV rv) const {
  if (rv == CKR_OK) return absl::OkStatus();
  PERIGEE_ERROR error = {};
  error.ulSize = sizeof error;
  if (perigee_->LastError(&error) != CKR_OK || error.rv != rv) {
    return Failure(rv, "");
  }
  return Failure(rv, CleanText(error.text), "", CleanText(error.reason));
}

std::string Module::NameOf(CK_RV rv) const {
  char name[64] = {};
  if (perigee_->ErrorName(rv, name, sizeof name) != CKR_OK) {
    return absl::StrFormat("0x%X", rv);
  }
  return name;
}

}  // namespace shell
