#include "hsm_io/gadget_binding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace hsm_io {
namespace {

absl::Status Bad(const std::string& path, absl::string_view what, int error) {
  return base::Error(CKR_DEVICE_ERROR,
                     absl::StrCat("USB gadget: ", path, ": ", what, ": ",
                                  std::generic_category().message(error),
                                  " (errno ", error, ")"));
}

absl::Status WriteAttribute(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return Bad(path, "open", errno);
  const std::string line = text + "\n";
  const ssize_t n = write(fd, line.data(), line.size());
  const int error = n < 0 ? errno : EIO;
  close(fd);
  if (n == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  return Bad(path, absl::StrCat("write '", text, "'"), error);
}

absl::StatusOr<std::string> ReadAttribute(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Bad(path, "open", errno);
  char buffer[256];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  const int error = errno;
  close(fd);
  if (n < 0) return Bad(path, "read", error);
  std::string text(buffer, static_cast<size_t>(n));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

absl::StatusOr<std::string> FindController(const std::string& wanted,
                                           const std::string& directory) {
  std::vector<std::string> names;
  DIR* const listing = opendir(directory.c_str());
  if (listing == nullptr) {
    return base::Error(
        CKR_TOKEN_NOT_PRESENT,
        absl::StrCat("USB gadget: ", directory, ": ",
                     std::generic_category().message(errno), " (errno ", errno,
                     "): this machine has no USB device controller, or its "
                     "driver is not loaded"));
  }
  while (const dirent* each = readdir(listing)) {
    if (each->d_name[0] != '.') names.emplace_back(each->d_name);
  }
  closedir(listing);
  std::sort(names.begin(), names.end());
  const bool any = wanted == "auto";
  if (any && names.size() == 1) return names[0];
  if (!any && std::count(names.begin(), names.end(), wanted) != 0) {
    return wanted;
  }
  return base::Error(
      CKR_TOKEN_NOT_PRESENT,
      absl::StrCat("USB gadget: ",
                   any ? (names.empty() ? "no controller"
                                        : "more than one controller, name one")
                       : absl::StrCat("no controller '", wanted, "'"),
                   "; in ", directory, ": ",
                   names.empty() ? "none" : absl::StrJoin(names, ", ")));
}

absl::StatusOr<std::unique_ptr<GadgetBinding>> GadgetBinding::Bind(
    const std::string& gadget, const std::string& controller,
    const std::string& serial) {
  const std::string path = gadget + "/UDC";
  ASSIGN_OR_RETURN(const std::string before, ReadAttribute(path));
  if (!before.empty()) RETURN_IF_ERROR(WriteAttribute(path, ""));
  RETURN_IF_ERROR(
      WriteAttribute(gadget + "/strings/0x409/serialnumber", serial));
  RETURN_IF_ERROR(WriteAttribute(path, controller));
  return std::unique_ptr<GadgetBinding>(new GadgetBinding(path));
}

// It may be gone already, with the controller's driver.
GadgetBinding::~GadgetBinding() { WriteAttribute(path_, "").IgnoreError(); }

}  // namespace hsm_io
