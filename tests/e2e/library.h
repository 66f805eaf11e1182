// The built libperigee.so, loaded with dlopen: the three tables that a client
// gets. Tests here use nothing else of the product but its programs.
#ifndef PERIGEE_TESTS_E2E_LIBRARY_H_
#define PERIGEE_TESTS_E2E_LIBRARY_H_

#include <string>

#include "base/cryptoki.h"
#include "perigee/luna_ca.h"
#include "perigee/perigee.h"
#include "tests/conformance/rv.h"

namespace e2e {

// The directory of the products: $PERIGEE_TEST_PRODUCTS, or this build's.
std::string Products();
std::string ModulePath();
std::string DaemonPath();
std::string ShellPath();
std::string FirmwareToolPath();
std::string UsbEmulatorPath();
std::string UsbAttachPath();

// One loaded module, for the life of the process. The program ends when it
// cannot be loaded.
class Library {
 public:
  static const Library& First();
  // A copy of the file: a library with a state of its own in this process, so
  // that one test can be two hosts.
  static const Library& Second();

  const CK_FUNCTION_LIST& c() const { return *c_; }
  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return *ca_; }
  const PERIGEE_FUNCTION_LIST& perigee() const { return *perigee_; }

  // "CKR_PIN_INCORRECT (reason): text" of this thread's last failed call.
  std::string LastError() const;

 private:
  explicit Library(const std::string& path);

  const CK_FUNCTION_LIST* c_ = nullptr;
  const CK_SFNT_CA_FUNCTION_LIST* ca_ = nullptr;
  const PERIGEE_FUNCTION_LIST* perigee_ = nullptr;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_LIBRARY_H_
