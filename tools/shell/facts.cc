#include "tools/shell/facts.h"

#include "absl/strings/str_split.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Shown kHsm[] = {
    {"name", "in the configuration"},
    {"kind", "\"application\" or \"backup\""},
    {"slot", "of its admin partition"},
    {"label", "text"},
    {"serial", "text"},
    {"model", "row of the model table: \"luna-g7-backup\""},
    {"firmware", "\"7.7.1\""},
    {"reached_through", "\"embedded\", \"socket:...\""},
    {"status", "as slot list shows it: \"OK\", \"Zeroized\", ..."},
    {"initialized", "true or false"},
    {"zeroized", "true or false"},
    {"transport_mode", "true or false"},
    {"tampered", "true or false"},
    {"approved_mode", "the FIPS line of hsm showinfo"},
    {"state_on_this_computer", "a Backup HSM: good for rehearsals only"},
    {"test_passwords", "kdf_cost = \"test\": not for real keys"},
    {"partition_count", "partitions there are"},
    {"partition_limit", "partitions there may be; null: no limit"},
};

constexpr Shown kPartition[] = {
    {"slot", "null: it has none of its own"},
    {"container", "its container handle"},
    {"label", "text"},
    {"serial", "text"},
    {"initialized", "true or false"},
    {"zeroized", "true or false"},
    {"has_domain", "whether a cloning domain is set"},
    {"version", "0 (V0) or 1 (V1)"},
    {"capacity_bytes", "that it was given; null: no limit"},
    {"used_bytes", "of its objects"},
    {"free_bytes", "null: no limit"},
    {"objects", "how many"},
};

constexpr Shown kRole[] = {
    {"name", "\"co\""},
    {"title", "\"Crypto Officer\""},
    {"initialized", "true or false"},
    {"locked", "true or false"},
    {"must_change_password", "the password is a first one"},
    {"failures", "wrong passwords since the last right one"},
    {"attempts_left", "before it is locked"},
};

constexpr Shown kObject[] = {
    {"handle", "number"},
    {"class", "\"Private Key\""},
    {"label", "text"},
    {"id", "hexadecimal"},
    {"uid", "hexadecimal, stays the same in backups"},
};

constexpr Shown kKey[] = {
    {"uri", "pkcs11: URI, can be typed as -object"},
    {"handle", "number"},
    {"class", "\"Private Key\""},
    {"kind", "\"RSA 3072 private key\""},
    {"label", "text"},
    {"id", "hexadecimal"},
    {"usage", "\"sign, decrypt\"; \"\" when it is no key"},
};

constexpr Shown kPolicy[] = {
    {"number", "as in the lists of the documentation"},
    {"name", "text"},
    {"value", "number"},
    {"destructive", "changing it may destroy"},
};

constexpr Shown kItem[] = {
    {"handle", "at the source"},
    {"label", "text"},
    {"outcome",
     "\"stored\", \"replaced\", \"present\", \"left out\", \"refused\", "
     "\"not tried\""},
    {"new_handle", "at the target; 0: none"},
    {"bytes", "that it takes up"},
    {"rv", "number"},
    {"result", "\"CKR_OK\""},
    {"reason", "of a refusal, one word"},
    {"text", "of a refusal, a sentence"},
};

constexpr Shown kStore[] = {
    {"directory", "path"},
    {"version", "of its format"},
    {"newest_version", "that this library writes"},
    {"objects", "how many"},
    {"file_bytes", "number"},
    {"free_bytes", "in the file"},
    {"log_bytes", "number"},
    {"problems[]", "a sentence each"},
};

constexpr Shape kShapes[] = {
    {"hsm", kHsm},       {"partition", kPartition}, {"role", kRole},
    {"object", kObject}, {"policy", kPolicy},       {"item", kItem},
    {"store", kStore},   {"key-object", kKey},
};

}  // namespace

absl::Span<const Shape> Shapes() { return kShapes; }

Json NumberOrNull(CK_ULONG number) {
  return number == PERIGEE_NONE ? Json(nullptr) : Json(number);
}

Json HsmFacts(const PERIGEE_HSM_INFO& info) {
  const auto has = [&](CK_FLAGS flag) { return (info.flags & flag) != 0; };
  return {
      {"name", CleanText(info.configName)},
      {"kind", info.ulKind == PERIGEE_KIND_BACKUP ? "backup" : "application"},
      {"slot", info.adminSlot},
      {"label", CleanText(info.label)},
      {"serial", CleanText(info.serial)},
      {"model", CleanText(info.model)},
      {"firmware", VersionText(info.ulFirmware)},
      {"reached_through", CleanText(info.transport)},
      {"status", HsmStatusText(info)},
      {"initialized", has(PERIGEE_HSM_INITIALIZED)},
      {"zeroized", has(PERIGEE_HSM_ZEROIZED)},
      {"transport_mode", has(PERIGEE_HSM_TRANSPORT)},
      {"tampered", has(PERIGEE_HSM_TAMPERED)},
      {"approved_mode", has(PERIGEE_HSM_APPROVED_MODE)},
      {"state_on_this_computer", has(PERIGEE_HSM_EMBEDDED)},
      {"test_passwords", has(PERIGEE_HSM_TEST_KDF)},
      {"partition_count", info.ulPartitions},
      {"partition_limit", NumberOrNull(info.ulAllowedPartitions)},
  };
}

Json PartitionFacts(const PERIGEE_PARTITION_INFO& info) {
  const auto has = [&](CK_FLAGS flag) { return (info.flags & flag) != 0; };
  return {
      {"slot", NumberOrNull(info.slot)},
      {"container", info.ulContainer},
      {"label", CleanText(info.label)},
      {"serial", CleanText(info.serial)},
      {"initialized", has(PERIGEE_PARTITION_INITIALIZED)},
      {"zeroized", has(PERIGEE_PARTITION_ZEROIZED)},
      {"has_domain", has(PERIGEE_PARTITION_HAS_DOMAIN)},
      {"version", info.ulVersion},
      {"capacity_bytes", NumberOrNull(info.ulCapacity)},
      {"used_bytes", info.ulUsed},
      {"free_bytes", NumberOrNull(info.ulFree)},
      {"objects", info.ulObjects},
  };
}

Json RoleFacts(const RoleName& role, const PERIGEE_ROLE_INFO& info) {
  const auto has = [&](CK_FLAGS flag) { return (info.flags & flag) != 0; };
  return {
      {"name", role.name},
      {"title", role.title},
      {"initialized", has(PERIGEE_ROLE_INITIALIZED)},
      {"locked", has(PERIGEE_ROLE_LOCKED)},
      {"must_change_password", has(PERIGEE_ROLE_MUST_CHANGE_PIN)},
      {"failures", info.ulFailures},
      {"attempts_left", info.ulAttemptsLeft},
  };
}

Json ObjectJson(CK_OBJECT_HANDLE handle, const ObjectFacts& facts) {
  return {{"handle", handle},
          {"class", facts.type},
          {"label", facts.label},
          {"id", facts.id},
          {"uid", facts.uid}};
}

Json PolicyFacts(const Module& module, const PolicyScope& scope,
                 absl::Span<const PolicyValue> values) {
  Json all = Json::array();
  for (const PolicyValue& one : values) {
    const PolicyDescription about = DescribePolicy(module, scope, one.number);
    all.push_back({{"number", one.number},
                   {"name", about.name},
                   {"value", one.value},
                   {"destructive", about.destructive}});
  }
  return all;
}

Json StoreFacts(const PERIGEE_STORE& store, absl::string_view problems) {
  Json facts = {
      {"directory", CleanText(store.path)}, {"version", store.ulVersion},
      {"newest_version", store.ulNewest},   {"objects", store.ulRecords},
      {"file_bytes", store.ulFileBytes},    {"free_bytes", store.ulFreeBytes},
      {"log_bytes", store.ulLogBytes},      {"problems", Json::array()}};
  if (store.ulProblems == 0) return facts;
  for (const absl::string_view line :
       absl::StrSplit(problems, '\n', absl::SkipEmpty())) {
    facts["problems"].push_back(CleanText(line));
  }
  return facts;
}

}  // namespace shell
