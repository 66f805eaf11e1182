#include "pkcs11/config.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pkcs11 {
namespace {

using ::testing::HasSubstr;

Environment Home() {
  Environment environment;
  environment.home = "/home/ada";
  return environment;
}

absl::StatusOr<Config> Parse(absl::string_view text) {
  return ParseConfig(text, "test.toml", Home());
}

std::string ErrorOf(absl::string_view text) {
  const auto config = Parse(text);
  return std::string(config.status().message());
}

TEST(StateDirectoryTest, ItsOwnVariableComesFirst) {
  Environment environment = Home();
  environment.perigee_state_dir = "/own";
  environment.xdg_state_home = "/xdg";
  environment.is_root = true;
  EXPECT_EQ(DefaultStateDirectory(environment), "/own");
}

TEST(StateDirectoryTest, ThenXdg) {
  Environment environment = Home();
  environment.xdg_state_home = "/xdg";
  environment.is_root = true;
  EXPECT_EQ(DefaultStateDirectory(environment), "/xdg/perigee");
}

TEST(StateDirectoryTest, ThenTheSystemsForRootAndServices) {
  Environment environment = Home();
  environment.is_root = true;
  EXPECT_EQ(DefaultStateDirectory(environment), "/var/lib/perigee");
  environment.is_root = false;
  environment.system_state_usable = true;
  EXPECT_EQ(DefaultStateDirectory(environment), "/var/lib/perigee");
}

TEST(StateDirectoryTest, ThenTheHome) {
  EXPECT_EQ(DefaultStateDirectory(Home()), "/home/ada/.local/state/perigee");
}

TEST(ConfigTest, WithoutAnyDirectory_IsAnErrorThatSaysWhatToSet) {
  const auto config = ParseConfig("", "test.toml", Environment());
  EXPECT_THAT(std::string(config.status().message()),
              HasSubstr("PERIGEE_STATE_DIR"));
}

TEST(ConfigTest, EmptyFile_IsTheDefault) {
  const auto config = Parse("");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->hsms.size(), 2U);
  EXPECT_EQ(config->hsms[0].spec.name, "app");
  EXPECT_EQ(config->hsms[0].spec.model, "perigee");
  EXPECT_EQ(config->hsms[0].partitions.size(), 1U);
  EXPECT_EQ(config->hsms[0].store, "/home/ada/.local/state/perigee/hsm/app");
  EXPECT_EQ(config->hsms[1].spec.name, "backup");
  EXPECT_EQ(config->hsms[1].spec.kind, hsm::Kind::kBackup);
  EXPECT_FALSE(config->list_admin_slots);
  EXPECT_EQ(config->log.target, base::LogSettings::Target::kNone);
}

TEST(ConfigTest, EverythingCanBeSaid) {
  const auto config = Parse(R"(
list_admin_slots = true
state_dir = "/srv/perigee"

[log]
level = "debug"
target = "file"
file = "/var/log/perigee.log"
format = "json"

[[hsm]]
name = "vault"
kind = "application"
model = "luna-k7"
firmware = "7.7.0"
storage_bytes = 1048576
fm = "enabled"
attached = "appliance"
kdf_cost = "test"
slot = 9

  [[hsm.partition]]
  label = "first"
  slot = 4
  version = 1
  storage_bytes = 65536
  policies = { 0 = 1, 22 = 0 }

  [[hsm.partition]]

[[hsm]]
name = "b"
kind = "backup"
transport = "socket:/run/perigee.sock"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->list_admin_slots);
  EXPECT_EQ(config->log.format, base::LogSettings::Format::kJson);
  ASSERT_EQ(config->hsms.size(), 2U);
  const HsmConfig& vault = config->hsms[0];
  EXPECT_EQ(vault.spec.firmware, (hsm::FirmwareVersion{7, 7, 0}));
  EXPECT_EQ(vault.spec.fm, hsm::FmState::kEnabledOnce);
  EXPECT_TRUE(vault.spec.attached_to_appliance);
  EXPECT_EQ(vault.spec.kdf_cost, hsm::KdfCost::kTest);
  EXPECT_EQ(vault.slot, 9U);
  EXPECT_EQ(vault.store, "/srv/perigee/hsm/vault");
  ASSERT_EQ(vault.spec.partitions.size(), 2U);
  EXPECT_EQ(vault.spec.partitions[0].label, "first");
  EXPECT_EQ(vault.spec.partitions[0].version, 1);
  EXPECT_EQ(vault.spec.partitions[0].capacity, 65536U);
  EXPECT_EQ(vault.partitions[0].slot, 4U);
  EXPECT_EQ(config->hsms[1].transport, "socket:/run/perigee.sock");
  EXPECT_FALSE(config->hsms[1].embedded());
}

TEST(ConfigTest, Transports_AreOfSixKinds) {
  for (const char* good : {"embedded", "socket:/run/p", "usbip:/run/p",
                           "usb:", "usb:1234567", "tls:vault.example:1793",
                           "tls:10.0.0.1:1793@123456789012", "tls:::1:1793"}) {
    const auto config = Parse(
        absl::StrCat("[[hsm]]\nname = \"b\"\nkind = \"backup\"\ntransport = \"",
                     good, "\"\n"));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->hsms[0].transport, good);
  }
  for (const char* bad : {"", "socket:", "usbip:", "usb", "serial:1",
                          "tls:", "tls:vault", "tls::1793", "tls:vault:http",
                          "tls:vault:1793@", "tls:vault:1793@backup-room"}) {
    EXPECT_FALSE(Parse(absl::StrCat("[[hsm]]\nname = \"b\"\nkind = "
                                    "\"backup\"\ntransport = \"",
                                    bad, "\"\n"))
                     .ok())
        << bad;
  }
}

TEST(ConfigTest, Audit_IsOfTheHsmAndOfPartitionsThatSayOtherwise) {
  const auto config = Parse(R"(
[[hsm]]
name = "a"
audit = "closed"
audit_limit = 100000
audit_rotate = 0
audit_journal = true
[[hsm.partition]]
[[hsm.partition]]
audit = "off"
[[hsm.partition]]
audit_key_use = true
[[hsm]]
name = "b"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  const hsm::AuditSettings& audit = config->hsms[0].audit;
  using Mode = hsm::AuditSettings::Mode;
  EXPECT_EQ(audit.At(0).mode, Mode::kClosed);
  EXPECT_EQ(audit.At(1).mode, Mode::kClosed);
  EXPECT_EQ(audit.At(2).mode, Mode::kOff);
  EXPECT_EQ(audit.At(3).mode, Mode::kClosed);
  EXPECT_TRUE(audit.At(3).key_use);
  EXPECT_FALSE(audit.At(4).key_use);
  EXPECT_EQ(audit.limit, 100000u);
  EXPECT_EQ(audit.rotate_at, 0u);
  EXPECT_EQ(audit.journal, hsm::kJournalSocket);
  EXPECT_EQ(config->hsms[1].audit, hsm::AuditSettings());
}

TEST(ConfigTest, AuditLimitThatIsTooSmall_IsRefused) {
  const auto config = Parse("[[hsm]]\nname = 'a'\naudit_limit = 100\n");
  EXPECT_FALSE(config.ok());
}

TEST(ConfigTest, Witness_IsAFileOrATpmsCounter) {
  const auto config = Parse(R"(
[[hsm]]
name = "a"
witness = "/srv/witness"
[[hsm]]
name = "b"
witness = "tpm:0x1500020?every=8"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->hsms[0].audit.witness, "/srv/witness");
  EXPECT_FALSE(config->hsms[0].audit.tpm.has_value());
  EXPECT_EQ(config->hsms[1].audit.witness, "");
  EXPECT_EQ(config->hsms[1].audit.tpm,
            (hsm::TpmCounterName{0x1500020, "/dev/tpmrm0", 8}));
}

TEST(ConfigTest, WitnessThatCannotBe_IsRefusedWithItsLine) {
  EXPECT_THAT(ErrorOf("[[hsm]]\nname = 'a'\nwitness = 'here'\n"),
              HasSubstr("test.toml:3: "));
  EXPECT_THAT(ErrorOf("[[hsm]]\nname = 'a'\nwitness = 'tpm:7'\n"),
              HasSubstr("NV index"));
  EXPECT_THAT(
      ErrorOf("[[hsm]]\nname = 'a'\naudit = 'off'\nwitness = '/srv/w'\n"),
      HasSubstr("sees nothing"));
}

TEST(ConfigTest, SyntaxError_NamesFileAndLine) {
  EXPECT_THAT(ErrorOf("list_admin_slots = true\nname = \n"),
              HasSubstr("test.toml:2: "));
}

TEST(ConfigTest, UnknownKey_IsRefusedWithItsLine) {
  EXPECT_EQ(ErrorOf("list_admin_slots = true\ncolour = 3\n"),
            "test.toml:2: colour is not a key that is known here");
}

TEST(ConfigTest, UnknownKeyOfAPartition_IsRefused) {
  EXPECT_EQ(ErrorOf("[[hsm]]\nname = \"a\"\n[[hsm.partition]]\nlable = \"x\""),
            "test.toml:4: hsm.partition.lable is not a key that is known here");
}

TEST(ConfigTest, WrongType_SaysWhatItMustBe) {
  EXPECT_EQ(ErrorOf("list_admin_slots = 1"),
            "test.toml:1: list_admin_slots must be true or false");
  EXPECT_EQ(ErrorOf("[[hsm]]\nname = \"a\"\nstorage_bytes = -1"),
            "test.toml:3: hsm.storage_bytes must be a number that is not "
            "negative");
}

TEST(ConfigTest, WrongChoice_NamesTheChoices) {
  EXPECT_EQ(ErrorOf("[[hsm]]\nname = \"a\"\nfm = \"sometimes\""),
            "test.toml:3: hsm.fm must be one of \"never\", \"enabled\"");
}

TEST(ConfigTest, UnknownModelOrFirmware_IsRefused) {
  EXPECT_EQ(ErrorOf("[[hsm]]\nname = \"a\"\nmodel = \"x1\""),
            "test.toml:3: hsm.model \"x1\" is not a model of this kind");
  EXPECT_EQ(ErrorOf("[[hsm]]\nname = \"a\"\nfirmware = \"1.2.3\""),
            "test.toml:3: hsm.firmware \"1.2.3\" is not known for this kind");
}

TEST(ConfigTest, NamesAreNamesOfDirectories) {
  EXPECT_EQ(ErrorOf("[[hsm]]\nname = \"../x\""),
            "test.toml:2: hsm.name must be 1 to 32 letters, digits, '-' or "
            "'_'");
}

TEST(ConfigTest, TwoOfOneName_AreRefused) {
  EXPECT_THAT(ErrorOf("[[hsm]]\nname = \"a\"\n[[hsm]]\nname = \"a\""),
              HasSubstr("two HSMs are called \"a\""));
}

TEST(ConfigTest, TwoOnOneSlot_AreRefused) {
  EXPECT_THAT(ErrorOf("[[hsm]]\nname = \"a\"\nslot = 1\n[[hsm.partition]]\n"
                      "slot = 1"),
              HasSubstr("asks for a slot"));
}

TEST(ConfigTest, UnknownPolicy_IsRefused) {
  EXPECT_THAT(ErrorOf("[[hsm]]\nname = \"a\"\n[[hsm.partition]]\n"
                      "policies = { 9999 = 1 }"),
              HasSubstr("9999 is not a policy of partitions"));
}

TEST(ConfigTest, LogVariable_OverridesTheFile) {
  for (const char* value : {"stderr:debug", "debug"}) {
    Environment environment = Home();
    environment.perigee_log = value;
    const auto config = ParseConfig("", "test.toml", environment);
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->log.target, base::LogSettings::Target::kStderr);
    EXPECT_EQ(config->log.level, base::LogLevel::kDebug);
  }
}

TEST(ConfigTest, TraceVariable_OverridesTheFile) {
  Environment environment = Home();
  constexpr char kFile[] = "trace = \"/var/log/perigee.%p\"";
  EXPECT_EQ(ParseConfig(kFile, "test.toml", environment)->trace,
            "/var/log/perigee.%p");
  environment.perigee_trace = "stderr";
  EXPECT_EQ(ParseConfig(kFile, "test.toml", environment)->trace, "stderr");
}

TEST(ConfigTest, ATraceThatGoesNowhere_IsRefusedWithItsLine) {
  EXPECT_THAT(std::string(ParseConfig("\ntrace = \"here\"", "test.toml", Home())
                              .status()
                              .message()),
              HasSubstr("test.toml:2: trace must be"));
}

TEST(ConfigTest, MissingFileOfTheVariable_IsAnError) {
  Environment environment = Home();
  environment.perigee_conf = "/nonexistent/perigee.toml";
  EXPECT_THAT(std::string(LoadConfig(environment).status().message()),
              HasSubstr("/nonexistent/perigee.toml: "));
}

}  // namespace
}  // namespace pkcs11
