#include "pkcs11/chrystoki_conf.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pkcs11 {
namespace {

constexpr off_t kLargest = 1 << 20;

std::string Stripped(absl::string_view text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

std::string ValueOf(const ChrystokiConf& conf, const std::string& section,
                    const std::string& key) {
  const auto found = conf.find(section);
  if (found == conf.end()) return "";
  const auto value = found->second.find(key);
  return value == found->second.end() ? "" : value->second;
}

}  // namespace

ChrystokiConf ParseChrystokiConf(absl::string_view text) {
  ChrystokiConf conf;
  std::map<std::string, std::string>* section = nullptr;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line == "}") section = nullptr;
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    const std::string name = Stripped(halves.first);
    absl::string_view value = absl::StripAsciiWhitespace(halves.second);
    if (name.empty() || absl::StartsWith(name, "#") || value.empty()) continue;
    if (section == nullptr) {
      if (absl::ConsumePrefix(&value, "{")) section = &conf[name];
      continue;
    }
    if (absl::ConsumeSuffix(&value, ";")) (*section)[name] = Stripped(value);
  }
  return conf;
}

ChrystokiConf ReadChrystokiConf(const Environment& environment) {
  const std::string file =
      environment.chrystoki_directory.empty()
          ? environment.chrystoki_system_file
          : environment.chrystoki_directory + "/Chrystoki.conf";
  struct stat about;
  if (file.empty() || stat(file.c_str(), &about) != 0 ||
      !S_ISREG(about.st_mode) || about.st_size > kLargest) {
    return {};
  }
  std::ifstream in(file);
  return ParseChrystokiConf(
      std::string(std::istreambuf_iterator<char>(in), {}));
}

void ApplyChrystokiConf(const ChrystokiConf& conf, Config& config) {
  // The vendor's logging library before the real one: here a trace.
  if (ValueOf(conf, "CkLog2", "Enabled") == "1" &&
      ValueOf(conf, "CkLog2", "LogToStreams") == "1") {
    config.trace = "stderr";
  }
}

}  // namespace pkcs11
