// libperigee.so as the shell uses it: loaded by path, through its C ABI only.
#ifndef PERIGEE_TOOLS_SHELL_MODULE_H_
#define PERIGEE_TOOLS_SHELL_MODULE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cryptoki.h"
#include "perigee/luna_ca.h"
#include "perigee/perigee.h"

namespace shell {

// The CA_ functions that the shell calls, found by name.
#define SHELL_CA_FUNCTIONS(X)              \
  X(CA_CloseApplicationID)                 \
  X(CA_CreateContainer)                    \
  X(CA_DeleteContainerWithHandle)          \
  X(CA_FactoryReset)                       \
  X(CA_FirmwareRollback)                   \
  X(CA_FirmwareUpdate)                     \
  X(CA_GetApplicationID)                   \
  X(CA_GetConfigurationElementDescription) \
  X(CA_GetContainerCapabilitySet)          \
  X(CA_GetContainerList)                   \
  X(CA_GetContainerPolicySet)              \
  X(CA_GetHSMCapabilitySet)                \
  X(CA_GetHSMPolicySet)                    \
  X(CA_GetHSMStorageInformation)           \
  X(CA_GetRollbackFirmwareVersion)         \
  X(CA_GetTime)                            \
  X(CA_InitRolePIN)                        \
  X(CA_InitToken)                          \
  X(CA_OpenApplicationID)                  \
  X(CA_OpenSession)                        \
  X(CA_STMToggle)                          \
  X(CA_SetApplicationID)                   \
  X(CA_SetCloningDomain)                   \
  X(CA_SetContainerPolicies)               \
  X(CA_SetContainerSize)                   \
  X(CA_SetDestructiveHSMPolicies)          \
  X(CA_SetHSMPolicies)                     \
  X(CA_SetKCV)                             \
  X(CA_SetTokenPolicies)                   \
  X(CA_TamperClear)                        \
  X(CA_TimeSync)                           \
  X(CA_Zeroize)

struct CaFunctions {
#define SHELL_CA_MEMBER(name) CK_##name name;
  SHELL_CA_FUNCTIONS(SHELL_CA_MEMBER)
#undef SHELL_CA_MEMBER
};

class Module {
 public:
  // The library at `path`, or the first that exists of Candidates() when it
  // is empty; initialised. The message of an error names what was tried.
  static absl::StatusOr<std::unique_ptr<Module>> Load(const std::string& path);
  // $PERIGEE_MODULE, beside the program, where it is installed.
  static std::vector<std::string> Candidates();
  // Finalises; the library stays loaded until the process ends.
  ~Module();

  const std::string& path() const { return path_; }
  const CK_FUNCTION_LIST& c() const { return *c_; }
  const CaFunctions& ca() const { return ca_; }
  const PERIGEE_FUNCTION_LIST& perigee() const { return *perigee_; }

  // OK, or what the library says about this return value of the call that
  // was just made.
  absl::Status Check(CK_RV rv) const;
  // "CKR_PIN_INCORRECT"
  std::string NameOf(CK_RV rv) const;

 private:
  Module() = default;
  absl::Status FindFunctions(void* library);

  std::string path_;
  const CK_FUNCTION_LIST* c_ = nullptr;
  CaFunctions ca_{};
  const PERIGEE_FUNCTION_LIST* perigee_ = nullptr;
  bool initialized_ = false;
};

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_MODULE_H_
