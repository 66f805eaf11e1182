// perigee-firmware-image: makes what `hsm updatefw` takes. An image names a
// firmware that this release has; its authentication code is the signature of
// the fleet root, which is why this tool needs the root's directory.
#include <getopt.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "hsm/durable_files.h"
#include "hsm/firmware_image.h"

namespace {

constexpr char kUsage[] =
    "Usage: perigee-firmware-image --fleet DIR --version VERSION --out NAME\n"
    "                              [--kind backup|application]\n"
    "\n"
    "Writes NAME.fuf and NAME.txt, which `hsm updatefw -fuf NAME.fuf\n"
    "-authcode NAME.txt` installs on an HSM that trusts this fleet root.\n"
    "\n"
    "  --fleet DIR        the fleet root's directory (<state>/fleet)\n"
    "  --version VERSION  a firmware of this release, for example 7.7.2\n"
    "  --kind KIND        of the HSM: backup (default) or application\n"
    "  --out NAME         path of the two files without their endings; they\n"
    "                     must not exist\n"
    "  --list             the firmwares that there are\n";

struct Options {
  std::string fleet, version, out;
  hsm::Kind kind = hsm::Kind::kBackup;
};

int WrongUse(absl::string_view what) {
  std::fprintf(stderr, "perigee-firmware-image: %s; try --help\n",
               std::string(what).c_str());
  return 2;
}

int List() {
  for (const hsm::FirmwareProfile& row : hsm::FirmwareProfiles()) {
    std::printf("%-12s %s\n",
                row.kind == hsm::Kind::kBackup ? "backup" : "application",
                row.version.ToString().c_str());
  }
  return 0;
}

absl::Status Make(const Options& options) {
  ASSIGN_OR_RETURN(const hsm::Fleet fleet, hsm::Fleet::Open(options.fleet));
  const absl::StatusOr<hsm::FirmwareVersion> version =
      hsm::FirmwareVersion::Parse(options.version);
  if (!version.ok() || hsm::FindFirmware(options.kind, *version) == nullptr) {
    return base::Error(LUNA_RET_BAD_FW_VERSION,
                       absl::StrCat("there is no firmware ", options.version,
                                    " for such an HSM; try --list"));
  }
  const std::string image = hsm::EncodeFirmwareImage({options.kind, *version});
  ASSIGN_OR_RETURN(const std::string code,
                   hsm::FirmwareAuthCode(fleet, base::AsBytes(image)));
  RETURN_IF_ERROR(hsm::WriteNewFile(absl::StrCat(options.out, ".fuf"),
                                    base::AsBytes(image), 0644));
  return hsm::WriteNewFile(absl::StrCat(options.out, ".txt"),
                           base::AsBytes(code), 0644);
}

}  // namespace

int main(int argc, char** argv) {
  enum { kFleet = 1, kVersion, kKind, kOut, kList, kHelp };
  constexpr option kOptions[] = {
      {"fleet", required_argument, nullptr, kFleet},
      {"version", required_argument, nullptr, kVersion},
      {"kind", required_argument, nullptr, kKind},
      {"out", required_argument, nullptr, kOut},
      {"list", no_argument, nullptr, kList},
      {"help", no_argument, nullptr, kHelp},
      {}};
  Options options;
  for (int c; (c = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    const std::string value = optarg == nullptr ? "" : optarg;
    switch (c) {
      case kFleet:
        options.fleet = value;
        break;
      case kVersion:
        options.version = value;
        break;
      case kKind:
        if (value != "backup" && value != "application") {
          return WrongUse("--kind is backup or application");
        }
        options.kind =
            value == "backup" ? hsm::Kind::kBackup : hsm::Kind::kApplication;
        break;
      case kOut:
        options.out = value;
        break;
      case kList:
        return List();
      case kHelp:
        std::fputs(kUsage, stdout);
        return 0;
      default:
        return WrongUse("wrong use");
    }
  }
  if (optind != argc || options.fleet.empty() || options.version.empty() ||
      options.out.empty()) {
    return WrongUse("--fleet, --version and --out are needed");
  }
  const absl::Status made = Make(options);
  if (made.ok()) return 0;
  std::fprintf(stderr, "perigee-firmware-image: %s: %s\n",
               base::CkRvName(base::CkRv(made)).c_str(),
               std::string(made.message()).c_str());
  return 1;
}
