#include "tests/conformance/place.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace conformance {
namespace {

// The default HSMs, with PINs that cost next to nothing.
constexpr char kPerigeeConfig[] = R"([[hsm]]
name = "app"
kind = "application"
kdf_cost = "test"
[[hsm.partition]]

[[hsm]]
name = "backup"
kind = "backup"
kdf_cost = "test"
)";

}  // namespace

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) {
    std::perror(path.c_str());
    std::exit(2);
  }
}

Place::Place() {
  std::string pattern =
      std::filesystem::temp_directory_path() / "perigee-test-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    std::exit(2);
  }
  path_ = pattern;
  WriteFile(path_ + "/perigee.toml", kPerigeeConfig);
  std::filesystem::create_directory(path_ + "/softhsm");
  WriteFile(path_ + "/softhsm2.conf", "directories.tokendir = " + path_ +
                                          "/softhsm\nlog.level = ERROR\n");
}

Place::~Place() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Place::Use() const {
  setenv("PERIGEE_STATE_DIR", (path_ + "/state").c_str(), 1);
  setenv("PERIGEE_CONF", (path_ + "/perigee.toml").c_str(), 1);
  setenv("SOFTHSM2_CONF", (path_ + "/softhsm2.conf").c_str(), 1);
}

}  // namespace conformance
