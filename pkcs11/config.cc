#include "pkcs11/config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "hsm_io/tls_transport.h"
#include "pkcs11/chrystoki_conf.h"
#include "pkcs11/trace_target.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace pkcs11 {
namespace {

constexpr char kSystemConfig[] = "/etc/perigee/perigee.toml";
constexpr uint64_t kLeastAuditLimit = 65536;
constexpr char kChrystokiFile[] = "/etc/Chrystoki.conf";
constexpr char kSystemState[] = "/var/lib/perigee";

absl::Status Bad(absl::string_view what) {
  return base::Error(CKR_GENERAL_ERROR, what);
}

// One table of the file: each key is asked for once, with its type; Finish
// refuses what nobody asked for. The first error sticks.
class Section {
 public:
  Section(const toml::table& table, std::string file, std::string name)
      : table_(table), file_(std::move(file)), name_(std::move(name)) {}

  void Text(absl::string_view key, std::string& value) {
    if (const toml::node* node = Take(key)) {
      if (const auto text = node->value_exact<std::string>()) {
        value = *text;
      } else {
        Fail(*node, key, "must be a text");
      }
    }
  }
  void Bool(absl::string_view key, bool& value) {
    if (const toml::node* node = Take(key)) {
      if (const auto flag = node->value_exact<bool>()) {
        value = *flag;
      } else {
        Fail(*node, key, "must be true or false");
      }
    }
  }
  void Number(absl::string_view key, uint64_t& value) {
    std::optional<uint64_t> number;
    Number(key, number);
    if (number.has_value()) value = *number;
  }
  void Number(absl::string_view key, std::optional<uint64_t>& value) {
    if (const toml::node* node = Take(key)) {
      const auto number = node->value_exact<int64_t>();
      if (number.has_value() && *number >= 0) {
        value = static_cast<uint64_t>(*number);
      } else {
        Fail(*node, key, "must be a number that is not negative");
      }
    }
  }
  // One of the names in `choices`.
  template <typename T, size_t N>
  void Choice(absl::string_view key,
              const std::array<std::pair<const char*, T>, N>& choices,
              T& value) {
    const toml::node* node = Take(key);
    if (node == nullptr) return;
    const auto text = node->value_exact<std::string>();
    for (const auto& [name, choice] : choices) {
      if (text.has_value() && *text == name) {
        value = choice;
        return;
      }
    }
    Fail(*node, key,
         absl::StrCat("must be one of ",
                      absl::StrJoin(choices, ", ",
                                    [](std::string* out, const auto& choice) {
                                      absl::StrAppend(out, "\"", choice.first,
                                                      "\"");
                                    })));
  }
  // The tables of [[key]]; of one [key] when `single`.
  std::vector<const toml::table*> Tables(absl::string_view key, bool single) {
    std::vector<const toml::table*> tables;
    const toml::node* node = Take(key);
    if (node == nullptr) return tables;
    if (single) {
      if (node->is_table()) return {node->as_table()};
      Fail(*node, key, "must be a table");
      return tables;
    }
    if (const toml::array* array = node->as_array()) {
      for (const toml::node& element : *array) {
        if (!element.is_table()) {
          Fail(element, key, "must be an array of tables");
          return {};
        }
        tables.push_back(element.as_table());
      }
      return tables;
    }
    Fail(*node, key, "must be an array of tables, written [[...]]");
    return tables;
  }

  const toml::table& table() const { return table_; }
  // An error at the table itself.
  void Fail(absl::string_view key, absl::string_view why) {
    const toml::node* node =
        table_.get(std::string_view(key.data(), key.size()));
    Fail(node != nullptr ? *node : table_, key, why);
  }
  absl::Status Finish() {
    for (const auto& [key, node] : table_) {
      if (taken_.count(std::string(key.str())) == 0) {
        Fail(node, absl::string_view(key.str().data(), key.str().size()),
             "is not a key that is known here");
      }
    }
    return status_;
  }

 private:
  const toml::node* Take(absl::string_view key) {
    taken_.insert(std::string(key));
    return table_.get(std::string_view(key.data(), key.size()));
  }
  void Fail(const toml::node& node, absl::string_view key,
            absl::string_view why) {
    if (!status_.ok()) return;
    status_ =
        Bad(absl::StrCat(file_, ":", node.source().begin.line, ": ",
                         name_.empty() ? "" : name_ + ".", key, " ", why));
  }

  const toml::table& table_;
  const std::string file_;
  const std::string name_;
  std::set<std::string> taken_;
  absl::Status status_;
};

constexpr std::array<std::pair<const char*, base::LogLevel>, 4> kLevels = {{
    {"error", base::LogLevel::kError},
    {"warning", base::LogLevel::kWarning},
    {"info", base::LogLevel::kInfo},
    {"debug", base::LogLevel::kDebug},
}};
using Target = base::LogSettings::Target;
constexpr std::array<std::pair<const char*, Target>, 4> kTargets = {{
    {"none", Target::kNone},
    {"stderr", Target::kStderr},
    {"file", Target::kFile},
    {"syslog", Target::kSyslog},
}};
using Format = base::LogSettings::Format;
constexpr std::array<std::pair<const char*, Format>, 2> kFormats = {{
    {"text", Format::kText},
    {"json", Format::kJson},
}};
constexpr std::array<std::pair<const char*, hsm::Kind>, 2> kKinds = {{
    {"application", hsm::Kind::kApplication},
    {"backup", hsm::Kind::kBackup},
}};
constexpr std::array<std::pair<const char*, hsm::FmState>, 2> kFmStates = {{
    {"never", hsm::FmState::kNever},
    {"enabled", hsm::FmState::kEnabledOnce},
}};
constexpr std::array<std::pair<const char*, Profile>, 2> kProfiles = {{
    {"strict", Profile::kStrict},
    {"legacy", Profile::kLegacy},
}};
using AuditMode = hsm::AuditSettings::Mode;
constexpr std::array<std::pair<const char*, AuditMode>, 3> kAuditModes = {{
    {"off", AuditMode::kOff},
    {"open", AuditMode::kOpen},
    {"closed", AuditMode::kClosed},
}};
constexpr std::array<std::pair<const char*, bool>, 2> kAttachments = {{
    {"client", false},
    {"appliance", true},
}};
constexpr std::array<std::pair<const char*, hsm::KdfCost>, 3> kCosts = {{
    {"calibrated", hsm::KdfCost::kCalibrated},
    {"approved", hsm::KdfCost::kApproved},
    {"test", hsm::KdfCost::kTest},
}};

// Names are also names of directories.
bool IsGoodName(absl::string_view name) {
  return !name.empty() && name.size() <= 32 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '-' || c == '_';
         });
}

absl::Status ParseLog(const toml::table& table, const std::string& file,
                      base::LogSettings& log) {
  Section section(table, file, "log");
  section.Choice("level", kLevels, log.level);
  section.Choice("target", kTargets, log.target);
  section.Choice("format", kFormats, log.format);
  section.Text("file", log.file);
  if (log.target == Target::kFile && !absl::StartsWith(log.file, "/")) {
    section.Fail("file", "must be an absolute path when target is \"file\"");
  }
  return section.Finish();
}

absl::Status ParsePolicies(const toml::table& table, const std::string& file,
                           hsm::PolicyValues& policies) {
  Section section(table, file, "hsm.partition.policies");
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    uint32_t number = 0;
    if (!absl::SimpleAtoi(name, &number)) {
      section.Fail(name, "is not the number of a policy");
      break;
    }
    section.Number(name, policies[number]);
    if (hsm::FindRule(hsm::PartitionPolicyRules(), number) == nullptr) {
      section.Fail(name, "is not a policy of partitions");
    }
  }
  return section.Finish();
}

// `audit` holds what its HSM says, and gets what the partition says.
absl::StatusOr<PartitionConfig> ParsePartition(const toml::table& table,
                                               const std::string& file,
                                               hsm::AuditSettings::Of& audit) {
  PartitionConfig partition;
  Section section(table, file, "hsm.partition");
  section.Text("label", partition.spec.label);
  section.Number("slot", partition.slot);
  uint64_t version = 0;
  section.Number("version", version);
  if (version > 1) section.Fail("version", "must be 0 or 1");
  partition.spec.version = static_cast<uint8_t>(version);
  section.Number("storage_bytes", partition.spec.capacity);
  if (partition.spec.label.size() > 32) {
    section.Fail("label", "is longer than 32 bytes");
  }
  section.Choice("profile", kProfiles, partition.profile);
  section.Choice("audit", kAuditModes, audit.mode);
  section.Bool("audit_key_use", audit.key_use);
  for (const toml::table* policies : section.Tables("policies", true)) {
    RETURN_IF_ERROR(ParsePolicies(*policies, file, partition.spec.policies));
  }
  RETURN_IF_ERROR(section.Finish());
  return partition;
}

bool IsTransport(absl::string_view text) {
  if (text == "embedded" || text == "usb:") return true;
  if (absl::ConsumePrefix(&text, "tls:")) return hsm_io::IsTlsAddress(text);
  for (const char* prefix : {"socket:", "usb:", "usbip:"}) {
    if (absl::StartsWith(text, prefix) && text.size() > strlen(prefix)) {
      return true;
    }
  }
  return false;
}

void CheckHsm(Section& section, const HsmConfig& hsm,
              const std::string& firmware) {
  const hsm::HsmSpec& spec = hsm.spec;
  if (!IsGoodName(spec.name)) {
    section.Fail("name", "must be 1 to 32 letters, digits, '-' or '_'");
  }
  const hsm::ModelProfile* model = hsm::FindModel(spec.model);
  if (model == nullptr || model->kind != spec.kind) {
    section.Fail("model", absl::StrCat("\"", spec.model,
                                       "\" is not a model of this kind"));
  } else if (!firmware.empty() &&
             hsm::FindFirmware(spec.kind, spec.firmware) == nullptr) {
    section.Fail("firmware",
                 absl::StrCat("\"", firmware, "\" is not known for this kind"));
  }
  if (!IsTransport(hsm.transport)) {
    section.Fail("transport",
                 "must be embedded, socket:..., usb:, usb:..., usbip:... or "
                 "tls:HOST:PORT, with @ and the server's name if wanted");
  } else if (spec.kind == hsm::Kind::kApplication && !hsm.embedded()) {
    section.Fail("transport", "of an application HSM must be embedded");
  }
  if (spec.kind == hsm::Kind::kBackup && !hsm.partitions.empty()) {
    section.Fail("partition",
                 "is not for Backup HSMs: their containers are made later");
  }
}

void ParseAudit(Section& section, hsm::AuditSettings& audit) {
  section.Choice("audit", kAuditModes, audit.standard.mode);
  section.Bool("audit_key_use", audit.standard.key_use);
  section.Number("audit_limit", audit.limit);
  section.Number("audit_rotate", audit.rotate_at);
  bool journal = false;
  section.Bool("audit_journal", journal);
  if (journal) audit.journal = hsm::kJournalSocket;
  std::string witness;
  section.Text("witness", witness);
  if (!witness.empty()) {
    const absl::Status set = audit.SetWitness(witness);
    if (!set.ok()) section.Fail("witness", set.message());
    if (audit.standard.mode == hsm::AuditSettings::Mode::kOff) {
      section.Fail("witness", "sees nothing while audit is \"off\"");
    }
  }
  if (audit.limit < kLeastAuditLimit) {
    section.Fail("audit_limit", "is less than 65536 bytes");
  }
}

absl::StatusOr<HsmConfig> ParseHsm(const toml::table& table,
                                   const std::string& file,
                                   const std::string& state_directory) {
  HsmConfig hsm;
  hsm::HsmSpec& spec = hsm.spec;
  Section section(table, file, "hsm");
  section.Text("name", spec.name);
  section.Choice("kind", kKinds, spec.kind);
  spec.model =
      spec.kind == hsm::Kind::kApplication ? "perigee" : "luna-g7-backup";
  section.Text("model", spec.model);
  std::string firmware;
  section.Text("firmware", firmware);
  if (!firmware.empty()) {
    const auto version = hsm::FirmwareVersion::Parse(firmware);
    if (version.ok()) {
      spec.firmware = *version;
    } else {
      section.Fail("firmware", "must be a version such as \"7.7.1\"");
    }
  }
  section.Number("storage_bytes", spec.storage_bytes);
  section.Choice("fm", kFmStates, spec.fm);
  section.Choice("attached", kAttachments, spec.attached_to_appliance);
  section.Text("transport", hsm.transport);
  section.Number("slot", hsm.slot);
  section.Choice("kdf_cost", kCosts, spec.kdf_cost);
  hsm.store = absl::StrCat("hsm/", spec.name);
  section.Text("store", hsm.store);
  if (!absl::StartsWith(hsm.store, "/")) {
    hsm.store = absl::StrCat(state_directory, "/", hsm.store);
  }
  ParseAudit(section, hsm.audit);
  for (const toml::table* each : section.Tables("partition", false)) {
    hsm::AuditSettings::Of audit = hsm.audit.standard;
    ASSIGN_OR_RETURN(PartitionConfig partition,
                     ParsePartition(*each, file, audit));
    // The first one is made as space 1.
    if (audit != hsm.audit.standard) {
      hsm.audit
          .partitions[static_cast<hsm::SpaceId>(spec.partitions.size() + 1)] =
          audit;
    }
    spec.partitions.push_back(partition.spec);
    hsm.partitions.push_back(std::move(partition));
  }
  CheckHsm(section, hsm, firmware);
  RETURN_IF_ERROR(section.Finish());
  return hsm;
}

absl::Status CheckTogether(const Config& config) {
  std::set<std::string> names;
  std::set<std::string> stores;
  std::set<uint64_t> slots;
  const auto take = [&](const std::optional<uint64_t>& slot) {
    return !slot.has_value() || slots.insert(*slot).second;
  };
  for (const HsmConfig& hsm : config.hsms) {
    bool unique = take(hsm.slot);
    for (const PartitionConfig& p : hsm.partitions) unique &= take(p.slot);
    if (!unique) {
      return Bad(absl::StrCat(config.file, ": HSM \"", hsm.spec.name,
                              "\" asks for a slot that is given already"));
    }
    if (!names.insert(hsm.spec.name).second) {
      return Bad(absl::StrCat(config.file, ": two HSMs are called \"",
                              hsm.spec.name, "\""));
    }
    if (hsm.embedded() && !stores.insert(hsm.store).second) {
      return Bad(absl::StrCat(config.file, ": two HSMs keep their state in ",
                              hsm.store));
    }
  }
  return absl::OkStatus();
}

// What there is when no file says otherwise (decisions 19 and 21).
std::vector<HsmConfig> DefaultHsms(const std::string& state_directory) {
  HsmConfig app;
  app.spec.name = "app";
  app.spec.kind = hsm::Kind::kApplication;
  app.spec.model = "perigee";
  app.spec.partitions.emplace_back();
  app.partitions.emplace_back();
  app.store = state_directory + "/hsm/app";
  HsmConfig backup;
  backup.spec.name = "backup";
  backup.spec.kind = hsm::Kind::kBackup;
  backup.spec.model = "luna-g7-backup";
  backup.store = state_directory + "/hsm/backup";
  return {std::move(app), std::move(backup)};
}

std::string EnvironmentValue(const char* name) {
  const char* value = secure_getenv(name);
  return value == nullptr ? "" : value;
}

// "stderr", "syslog", "/path" or any of them with ":level" behind it; a level
// alone means stderr.
absl::Status ParseLogVariable(absl::string_view value, base::LogSettings& log) {
  for (const auto& [name, level] : kLevels) {
    if (value == name) {
      log.target = Target::kStderr;
      log.level = level;
      return absl::OkStatus();
    }
    const std::string suffix = absl::StrCat(":", name);
    if (absl::EndsWith(value, suffix)) {
      log.level = level;
      value.remove_suffix(suffix.size());
    }
  }
  if (absl::StartsWith(value, "/")) {
    log.target = Target::kFile;
    log.file = std::string(value);
    return absl::OkStatus();
  }
  for (const auto& [name, target] : kTargets) {
    if (value == name && target != Target::kFile) {
      log.target = target;
      return absl::OkStatus();
    }
  }
  return Bad(
      "PERIGEE_LOG must be none, stderr, syslog or an absolute path, "
      "with :error, :warning, :info or :debug behind it if wanted");
}

// The file to read; empty: none, use the defaults.
absl::StatusOr<std::string> FindFile(const Environment& environment) {
  if (!environment.perigee_conf.empty()) return environment.perigee_conf;
  std::vector<std::string> places;
  if (!environment.xdg_config_home.empty()) {
    places.push_back(environment.xdg_config_home + "/perigee/perigee.toml");
  } else if (!environment.home.empty()) {
    places.push_back(environment.home + "/.config/perigee/perigee.toml");
  }
  places.push_back(kSystemConfig);
  for (const std::string& place : places) {
    if (access(place.c_str(), F_OK) == 0) return place;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
      return Bad(absl::StrCat(place, ": ", strerror(errno)));
    }
  }
  return std::string();
}

absl::StatusOr<std::string> ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) return Bad(absl::StrCat(file, ": ", strerror(errno)));
  return text.str();
}

absl::Status FinishConfig(const Environment& environment, Config& config) {
  if (!absl::StartsWith(config.state_directory, "/")) {
    return Bad(absl::StrCat("the state directory \"", config.state_directory,
                            "\" is not an absolute path; set "
                            "PERIGEE_STATE_DIR or HOME"));
  }
  if (!environment.perigee_trace.empty()) {
    config.trace = environment.perigee_trace;
  }
  if (environment.perigee_log.empty()) return absl::OkStatus();
  return ParseLogVariable(environment.perigee_log, config.log);
}

// toml++ 3.3 takes for granted that a header's name begins as a name does, and
// stops the process (or does worse) when it does not.
absl::Status CheckHeaders(absl::string_view text, const std::string& file) {
  int line = 0;
  for (absl::string_view rest : absl::StrSplit(text, '\n')) {
    ++line;
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (!absl::ConsumePrefix(&rest, "[")) continue;
    absl::ConsumePrefix(&rest, "[");
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (!rest.empty() &&
        (absl::ascii_isalnum(static_cast<unsigned char>(rest.front())) ||
         absl::StrContains("_-\"'", rest.substr(0, 1)))) {
      continue;
    }
    return Bad(absl::StrCat(file, ":", line, ": a header without a name"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<base::LogSettings> LogOf(const Environment& environment) {
  base::LogSettings log;
  if (!environment.perigee_log.empty()) {
    RETURN_IF_ERROR(ParseLogVariable(environment.perigee_log, log));
  }
  return log;
}

Environment Environment::OfProcess() {
  Environment environment;
  environment.perigee_conf = EnvironmentValue("PERIGEE_CONF");
  environment.perigee_state_dir = EnvironmentValue("PERIGEE_STATE_DIR");
  environment.perigee_log = EnvironmentValue("PERIGEE_LOG");
  environment.perigee_trace = EnvironmentValue("PERIGEE_TRACE");
  environment.xdg_config_home = EnvironmentValue("XDG_CONFIG_HOME");
  environment.xdg_state_home = EnvironmentValue("XDG_STATE_HOME");
  environment.home = EnvironmentValue("HOME");
  environment.chrystoki_directory =
      EnvironmentValue("ChrystokiConfigurationPath");
  environment.chrystoki_system_file = kChrystokiFile;
  if (environment.home.empty()) {
    std::array<char, 4096> buffer;
    passwd entry;
    passwd* found = nullptr;
    if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) ==
            0 &&
        found != nullptr) {
      environment.home = found->pw_dir;
    }
  }
  environment.is_root = geteuid() == 0;
  environment.system_state_usable = eaccess(kSystemState, W_OK | X_OK) == 0;
  return environment;
}

std::string DefaultStateDirectory(const Environment& environment) {
  if (!environment.perigee_state_dir.empty()) {
    return environment.perigee_state_dir;
  }
  if (!environment.xdg_state_home.empty()) {
    return environment.xdg_state_home + "/perigee";
  }
  if (environment.is_root || environment.system_state_usable) {
    return kSystemState;
  }
  return environment.home.empty() ? ""
                                  : environment.home + "/.local/state/perigee";
}

absl::StatusOr<Config> ParseConfig(absl::string_view text,
                                   const std::string& file,
                                   const Environment& environment) {
  RETURN_IF_ERROR(CheckHeaders(text, file));
  const toml::parse_result parsed =
      toml::parse(std::string_view(text.data(), text.size()));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Bad(absl::StrCat(file, ":", error.source().begin.line, ": ",
                            absl::string_view(error.description().data(),
                                              error.description().size())));
  }
  Config config;
  ApplyChrystokiConf(ReadChrystokiConf(environment), config);
  config.file = file;
  config.state_directory = DefaultStateDirectory(environment);
  Section section(parsed.table(), file, "");
  std::string state_directory;
  section.Text("state_dir", state_directory);
  if (!state_directory.empty() && environment.perigee_state_dir.empty()) {
    config.state_directory = state_directory;
  }
  section.Bool("list_admin_slots", config.list_admin_slots);
  section.Text("trace", config.trace);
  if (!trace::IsTarget(config.trace)) {
    section.Fail("trace", "must be stderr, none or an absolute path");
  }
  for (const toml::table* log : section.Tables("log", true)) {
    RETURN_IF_ERROR(ParseLog(*log, file, config.log));
  }
  for (const toml::table* each : section.Tables("hsm", false)) {
    ASSIGN_OR_RETURN(HsmConfig hsm,
                     ParseHsm(*each, file, config.state_directory));
    config.hsms.push_back(std::move(hsm));
  }
  RETURN_IF_ERROR(section.Finish());
  if (config.hsms.empty()) config.hsms = DefaultHsms(config.state_directory);
  RETURN_IF_ERROR(CheckTogether(config));
  RETURN_IF_ERROR(FinishConfig(environment, config));
  return config;
}

absl::StatusOr<Config> LoadConfig(const Environment& environment) {
  ASSIGN_OR_RETURN(const std::string file, FindFile(environment));
  if (!file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    return ParseConfig(text, file, environment);
  }
  Config config;
  ApplyChrystokiConf(ReadChrystokiConf(environment), config);
  config.state_directory = DefaultStateDirectory(environment);
  config.hsms = DefaultHsms(config.state_directory);
  RETURN_IF_ERROR(FinishConfig(environment, config));
  return config;
}

}  // namespace pkcs11
