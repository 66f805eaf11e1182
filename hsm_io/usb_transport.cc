#include "hsm_io/usb_transport.h"

#include <libusb.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hsm_io/libusb_host.h"
#include "hsm_io/usb_bulk_transport.h"

namespace hsm_io {
namespace {

// For a device to tell its serial number: one that is dumb must not hide the
// others.
constexpr absl::Duration kLookBudget = absl::Milliseconds(500);

absl::Status NotPresent(absl::string_view what) {
  return base::Error(CKR_TOKEN_NOT_PRESENT, absl::StrCat("USB: ", what));
}

// By the descriptors that the kernel has of it already.
bool HasOurInterface(libusb_device* device, uint8_t index) {
  libusb_config_descriptor* configuration = nullptr;
  if (libusb_get_config_descriptor(device, index, &configuration) != 0) {
    return false;
  }
  absl::Cleanup free = [&] { libusb_free_config_descriptor(configuration); };
  for (int i = 0; i < configuration->bNumInterfaces; ++i) {
    const libusb_interface& interface = configuration->interface[i];
    for (int j = 0; j < interface.num_altsetting; ++j) {
      const libusb_interface_descriptor& each = interface.altsetting[j];
      if (each.bInterfaceClass == kUsbClass &&
          each.bInterfaceSubClass == kUsbSubclass) {
        // Its protocol is the version of the link: who opens it is told when
        // that is another.
        return true;
      }
    }
  }
  return false;
}

bool IsBackupHsm(libusb_device* device) {
  libusb_device_descriptor descriptor = {};
  if (libusb_get_device_descriptor(device, &descriptor) != 0 ||
      descriptor.idVendor != kUsbVendor ||
      descriptor.idProduct != kUsbProduct) {
    return false;
  }
  for (uint8_t i = 0; i < descriptor.bNumConfigurations; ++i) {
    if (HasOurInterface(device, i)) return true;
  }
  return false;
}

struct Found {
  std::unique_ptr<LibusbHost> host;
  std::string serial;
};

// Every Backup HSM that can be opened; why the others cannot.
struct Survey {
  std::vector<Found> found;
  std::vector<std::string> problems;

  std::string Tell() const {
    std::vector<std::string> all;
    for (const Found& each : found) {
      all.push_back(absl::StrCat("usb:", each.serial));
    }
    std::sort(all.begin(), all.end());
    all.insert(all.end(), problems.begin(), problems.end());
    return all.empty() ? "there is none" : absl::StrJoin(all, ", ");
  }
};

absl::StatusOr<Found> Look(const std::shared_ptr<LibusbContext>& context,
                           libusb_device* device, Deadline deadline) {
  Found found;
  const auto soon =
      Deadline::After(std::min(kLookBudget, deadline.Remaining()));
  ASSIGN_OR_RETURN(found.host, LibusbHost::Open(context, device));
  ASSIGN_OR_RETURN(found.serial, found.host->ReadSerial(soon));
  return found;
}

absl::StatusOr<Survey> LookAround(Deadline deadline) {
  ASSIGN_OR_RETURN(std::shared_ptr<LibusbContext> context,
                   LibusbContext::New());
  libusb_device** list = nullptr;
  const ssize_t count = libusb_get_device_list(context->get(), &list);
  if (count < 0) {
    return NotPresent(absl::StrCat("no list of devices: ",
                                   libusb_error_name(static_cast<int>(count))));
  }
  absl::Cleanup free = [list] { libusb_free_device_list(list, 1); };
  Survey survey;
  for (ssize_t i = 0; i < count; ++i) {
    if (!IsBackupHsm(list[i])) continue;
    absl::StatusOr<Found> found = Look(context, list[i], deadline);
    if (found.ok()) {
      survey.found.push_back(*std::move(found));
    } else {
      survey.problems.emplace_back(found.status().message());
    }
  }
  return survey;
}

absl::StatusOr<Found> Choose(const std::string& serial, Survey survey) {
  std::vector<Found*> fit;
  for (Found& each : survey.found) {
    if (serial.empty() || each.serial == serial) fit.push_back(&each);
  }
  if (fit.size() == 1) return std::move(*fit[0]);
  const char* const many = fit.empty() ? "no" : "more than one";
  return NotPresent(absl::StrCat(many, " Backup HSM fits \"usb:", serial,
                                 "\": ", survey.Tell()));
}

absl::StatusOr<OpenedUsb> OpenDevice(const std::string& serial,
                                     Deadline deadline) {
  ASSIGN_OR_RETURN(Survey survey, LookAround(deadline));
  ASSIGN_OR_RETURN(Found found, Choose(serial, std::move(survey)));
  OpenedUsb opened;
  ASSIGN_OR_RETURN(opened.pipes, found.host->ReadPipes(deadline));
  RETURN_IF_ERROR(found.host->Claim(opened.pipes, deadline));
  opened.host = std::move(found.host);
  return opened;
}

}  // namespace

std::unique_ptr<Transport> NewUsbTransport(std::string serial) {
  return NewUsbBulkTransport([serial = std::move(serial)](Deadline deadline) {
    return OpenDevice(serial, deadline);
  });
}

}  // namespace hsm_io
