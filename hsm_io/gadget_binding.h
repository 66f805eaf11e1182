// A USB gadget of Linux's configfs, made by perigee-gadget-setup: giving it a
// serial number and putting it on a controller.
#ifndef PERIGEE_HSM_IO_GADGET_BINDING_H_
#define PERIGEE_HSM_IO_GADGET_BINDING_H_

#include <memory>
#include <string>

#include "base/status.h"

namespace hsm_io {

inline constexpr char kControllers[] = "/sys/class/udc";

// The controller of that name, or the only one for "auto".
// CKR_TOKEN_NOT_PRESENT naming those that are there.
absl::StatusOr<std::string> FindController(
    const std::string& wanted, const std::string& directory = kControllers);

// On the controller as long as this lives.
class GadgetBinding {
 public:
  // `gadget` is its directory in configfs. Errors name path and errno.
  static absl::StatusOr<std::unique_ptr<GadgetBinding>> Bind(
      const std::string& gadget, const std::string& controller,
      const std::string& serial);
  ~GadgetBinding();
  GadgetBinding(const GadgetBinding&) = delete;
  GadgetBinding& operator=(const GadgetBinding&) = delete;

 private:
  explicit GadgetBinding(std::string path) : path_(std::move(path)) {}
  const std::string path_;  // of the attribute
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_GADGET_BINDING_H_
