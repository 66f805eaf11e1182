// The shell as operators use it: -c, -f, a pipe, a terminal. The documented
// five-step procedure literally, archives, and how errors look.
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/e2e/bench.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kApproved[] =
    "*** The HSM is in FIPS 140-2 approved operation mode. ***";
constexpr char kNotApproved[] =
    "*** The HSM is NOT in FIPS 140-2 approved operation mode. ***";
constexpr char kNoError[] = "Command Result : No Error";

std::string With(const std::string& command, const char* option,
                 const std::string& value) {
  return command + " -" + option + " \"" + value + "\"";
}

size_t Count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++n;
  }
  return n;
}

// A bench whose library is not in use, and a home for the shell.
class ShellTest : public testing::TestWithParam<Link> {
 protected:
  void Prepare(Plan plan) {
    bench_ = std::make_unique<Bench>(std::move(plan));
    setenv("HOME", bench_->site.path().c_str(), 1);
    unsetenv("XDG_STATE_HOME");
  }
  // The library goes, so that only the shell has the state.
  Site& site() { return bench_->site; }
  void Leave() { bench_->host.Finalize(); }
  void Back() {
    site().Use();
    EXPECT_OK(bench_->host.c().C_Initialize(nullptr));
  }
  void SetUp() override { Prepare(DefaultPlan(GetParam())); }

  // With the CO of the application partition logged in.
  Ended AsOfficer(std::vector<std::string> commands) {
    commands.insert(commands.begin(),
                    With("role login -name co", "password", kOfficerPin));
    return RunCommands(commands);
  }
  std::string BackupCommand(const std::string& more = "") {
    return With(With("partition archive backup -slot 1 -partition archive",
                     "password", kOfficerPin),
                "sopassword", kSoPin) +
           (more.empty() ? "" : " " + more);
  }
  std::string NewBackup(const std::string& more = "") {
    return With(BackupCommand(more), "domain", kDomain);
  }

  std::unique_ptr<Bench> bench_;
};
INSTANTIATE_FOR_BOTH_LINKS(ShellTest);

// --- the seed's procedure ----------------------------------------------------

TEST_P(ShellTest, FIPS_3_FiveStepsInATerminal) {
  Leave();
  Terminal terminal;  // 1. On the client computer, run the shell.
  EXPECT_THAT(terminal.Command("slot set -slot 1"),
              HasSubstr("Current Slot Id:    1"));
  EXPECT_THAT(terminal.Await("\n"), HasSubstr("No Error"));
  terminal.Await("perigee:> ");
  terminal.Type("role login -name so");
  terminal.Await("Enter password for HSM SO: ");
  terminal.Type(kSoPin);
  terminal.Await(kNoError);
  terminal.Command("hsm changehsmpolicy -policy 55 -value 1");
  EXPECT_THAT(terminal.Await("\n"), HasSubstr("No Error"));
  EXPECT_THAT(terminal.Command("hsm showinfo"), HasSubstr(kApproved));
  EXPECT_THAT(terminal.Await("\n"), HasSubstr("No Error"));
  EXPECT_EQ(terminal.End(), 0);
  EXPECT_THAT(terminal.screen(), Not(HasSubstr(kSoPin)));
}

TEST_P(ShellTest, FIPS_3_FiveStepsPiped) {
  Leave();
  WriteFile(site().path() + "/pin", std::string(kSoPin) + "\n");
  const Ended ended =
      RunShell({}, "slot set -slot 1\nrole login -name so -passwordfile " +
                       site().path() +
                       "/pin\nhsm changehsmpolicy -policy 55 -value 1\n"
                       "hsm showinfo\n");
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_EQ(Count(ended.out, kNoError), 4u) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr(kApproved));
}

TEST_P(ShellTest, FIPS_2_ShowInfoSaysThatItIsNot) {
  Leave();
  const Ended ended = RunCommands({"slot set -slot 1", "hsm showinfo"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.out, HasSubstr(kNotApproved));
}

TEST_P(ShellTest, ID_1_ShowInfoAndSlotListSayTheFirmware) {
  Leave();
  const Ended info = RunCommands({"slot set -slot 1", "hsm showinfo"});
  EXPECT_THAT(info.out, HasSubstr("Firmware Version"));
  EXPECT_THAT(info.out, HasSubstr("7.7.1"));
  EXPECT_THAT(RunCommands({"slot list"}).out, HasSubstr("7.7.1"));
}

TEST_P(ShellTest, P12_1_IsCanceledWithoutAQuestion) {
  Leave();
  const Ended ended = RunCommands(
      {"slot set -slot 1", With("role login -name so", "password", kSoPin),
       "hsm changehsmpolicy -policy 12 -value 0"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("Error in execution: CKR_CANCEL."));
  EXPECT_THAT(ended.out, HasSubstr("Command Result : 0x1 (CKR_CANCEL)"));
}

TEST_P(ShellTest, P55_4_UninitialisedHsmSaysWhatToDo) {
  Leave();
  bench_.reset();
  Site fresh(DefaultPlan(GetParam()));
  fresh.Use();
  const Ended ended = RunCommands(
      {"slot set -slot 1", "hsm changehsmpolicy -policy 55 -value 1"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_USER_NOT_LOGGED_IN"));
  EXPECT_THAT(ended.out, HasSubstr("hsm init"));
}

TEST_P(ShellTest, P55_12_AsksForProceed) {
  Leave();
  Terminal terminal;
  terminal.Command("slot set -slot 1");
  terminal.Await("perigee:> ");
  terminal.Type("role login -name so");
  terminal.Await("Enter password for HSM SO: ");
  terminal.Type(kSoPin);
  terminal.Await(kNoError);
  terminal.Command("hsm changehsmpolicy -policy 55 -value 1");
  terminal.Await("perigee:> ");
  terminal.Type("hsm changehsmpolicy -policy 55 -value 0");
  terminal.Await("Type 'proceed' to continue, or 'quit' to quit now -> ");
  terminal.Type("quit");
  EXPECT_THAT(terminal.Await("Command Result : 0x50"),
              HasSubstr("CKR_FUNCTION_CANCELED"));
  EXPECT_THAT(terminal.Command("hsm showinfo"), HasSubstr(kApproved));
  terminal.Await("perigee:> ");
  terminal.Type("hsm changehsmpolicy -policy 55 -value 0");
  terminal.Await("Type 'proceed' to continue, or 'quit' to quit now -> ");
  terminal.Type("proceed");
  terminal.Await(kNoError);
  EXPECT_THAT(terminal.Command("hsm showinfo"), HasSubstr("Zeroized"));
}

// The text behind `name` in what the shell printed.
std::string After(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  if (at == std::string::npos) return "";
  return text.substr(at + name.size(), 19);
}

TEST_P(ShellTest, Stm_TransportAndRecoverShowTheSameString) {
  Leave();
  Terminal terminal;
  terminal.Command("slot set -slot 1");
  terminal.Await("perigee:> ");
  terminal.Type("role login -name so");
  terminal.Await("Enter password for HSM SO: ");
  terminal.Type(kSoPin);
  terminal.Await(kNoError);
  const std::string sent = terminal.Command("stm transport -force");
  const std::string verification = After(sent, "Verification String: ");
  const std::string user = After(sent, "Random User String:  ");
  EXPECT_EQ(user.size(), 19u) << sent;
  EXPECT_THAT(terminal.Command("hsm showinfo"), HasSubstr("Transport Mode"));
  terminal.Await("perigee:> ");
  terminal.Type("stm recover -randomuserstring " + user);
  const std::string asked =
      terminal.Await("Type 'proceed' to continue, or 'quit' to quit now -> ");
  EXPECT_EQ(After(asked, "Verification String: "), verification) << asked;
  terminal.Type("proceed");
  terminal.Await(kNoError);
  EXPECT_THAT(terminal.Command("stm show"), HasSubstr("Disabled"));
}

// --- archives ----------------------------------------------------------------

TEST_P(ShellTest, Archive_BackupListContentsRestoreDelete) {
  const CK_SESSION_HANDLE app = bench_->Officer();
  GenerateEcPair(bench_->host, app, "signer");
  bench_->host.Create(app, Note("note"));
  const auto before = ReadPartition(bench_->host, app);
  Leave();

  Ended ended = AsOfficer({NewBackup()});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Backup Complete."));
  EXPECT_THAT(ended.out, HasSubstr("3 objects have been backed up"));

  ended = RunCommands({"partition archive list -slot 1"});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("Name:                        archive"));
  EXPECT_THAT(ended.out, HasSubstr("Number Of Objects:           3"));

  ended =
      RunCommands({With("partition archive contents -slot 1 -partition "
                        "archive",
                        "password", kOfficerPin)});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_EQ(Count(ended.out, "signer"), 2u) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("Number of objects:  3"));

  ended = AsOfficer({"partition clear -force",
                     With("partition archive restore -slot 1 -partition "
                          "archive",
                          "password", kOfficerPin)});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Restore Complete."));
  EXPECT_THAT(ended.out, HasSubstr("3 objects have been restored"));
  Back();
  EXPECT_EQ(ReadPartition(bench_->host, bench_->Officer()), before);
  Leave();

  const std::string gone =
      With("partition archive delete -slot 1 -partition archive", "sopassword",
           kSoPin);
  ended = RunCommands({gone});
  EXPECT_EQ(ended.code, 1) << "without a terminal and without -force";
  EXPECT_THAT(ended.out, HasSubstr("CKR_FUNCTION_CANCELED"));
  ended = RunCommands({gone + " -force", "partition archive list -slot 1"});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("Number Of Partitions:        0"));
}

TEST_P(ShellTest, Archive_ThatExists_IsOnlyAppendedOrReplaced) {
  const CK_SESSION_HANDLE app = bench_->Officer();
  bench_->host.Create(app, Note("a"));
  Leave();
  EXPECT_EQ(AsOfficer({NewBackup()}).code, 0);
  Ended ended = AsOfficer({NewBackup()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_OBJECT_ALREADY_EXISTS"));
  EXPECT_THAT(ended.out, HasSubstr("-append"));
  ended = AsOfficer({BackupCommand("-append")});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("1 object was there already, equal"));
}

TEST_P(ShellTest, SP_2_To_5_FullThenResizeThenAppend) {
  const CK_SESSION_HANDLE app = bench_->Officer();
  for (int i = 0; i < 10; ++i) {
    bench_->host.Create(app, Note(std::to_string(i), std::string(2000, 'x')));
  }
  Leave();
  Ended ended = AsOfficer({NewBackup("-size 16000")});
  EXPECT_EQ(ended.code, 1) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("<CKR_CONTAINER_OBJECT_STORAGE_FULL>"));
  EXPECT_THAT(ended.out, HasSubstr("The backup is NOT complete."));
  EXPECT_THAT(ended.out, HasSubstr("partition resize"));
  ended = RunCommands({"slot set -slot 1",
                       With("role login -name so", "password", kSoPin),
                       "partition resize -partition archive -size 100000"});
  EXPECT_EQ(ended.code, 0) << ended.out;
  ended = AsOfficer({BackupCommand("-append")});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("Backup Complete."));
  EXPECT_THAT(RunCommands({"partition archive list -slot 1"}).out,
              HasSubstr("Number Of Objects:           10"));
}

TEST_P(ShellTest, WrongDomain_LeavesNothingBehind) {
  bench_->host.Create(bench_->Officer(), Note("a"));
  Leave();
  const Ended ended =
      AsOfficer({With(BackupCommand(), "domain", kOtherDomain)});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_CERTIFICATE_INVALID"));
  EXPECT_THAT(ended.out, HasSubstr("0x8000000b"));
  EXPECT_THAT(RunCommands({"partition archive list -slot 1"}).out,
              HasSubstr("Number Of Partitions:        0"));
}

TEST_P(ShellTest, WrongPassword_TellsHowManyAttemptsAreLeft) {
  Leave();
  const Ended ended = RunCommands(
      {"slot set -slot 1", With("role login -name so", "password", kWrongPin)});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_PIN_INCORRECT"));
  EXPECT_THAT(ended.out, HasSubstr("2 attempts left"));
  EXPECT_THAT(ended.out + ended.error, Not(HasSubstr(kWrongPin)));
}

TEST_P(ShellTest, History_KeepsCommandsAndNoPasswords) {
  Leave();
  {
    Terminal terminal;
    terminal.Command("slot set -slot 1");
    terminal.Command(With("role login -name so", "password", kSoPin));
    EXPECT_EQ(terminal.End(), 0);
  }
  std::string history;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(site().path())) {
    if (entry.path().string().find("history") != std::string::npos &&
        entry.is_regular_file()) {
      history += ReadFile(entry.path());
    }
  }
  EXPECT_THAT(history, HasSubstr("slot"));
  EXPECT_THAT(history, Not(HasSubstr(kSoPin)));
}

// --- ways to run it, and exit codes ------------------------------------------

// --- SKS master keys ---------------------------------------------------------

TEST_P(ShellTest, SmkOnly_IsBackedUpAndRestored) {
  Plan plan = DefaultPlan(GetParam());
  plan.apps[0].partitions = {"version = 1\npolicies = { 3 = 1, 7 = 1 }"};
  bench_.reset();
  Prepare(plan);
  bench_->Officer();
  Leave();
  // There is none yet.
  Ended ended = AsOfficer({NewBackup("-smkonly")});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_SMK_ID_NOT_FOUND"));
  Back();
  const CK_SESSION_HANDLE session = bench_->Officer();
  GenerateAes(bench_->host, session, "key");
  CK_ULONG size = 0;
  ASSERT_OK(bench_->host.ca().CA_SIMExtract(session, 0, nullptr, 0, 0, 0,
                                            nullptr, nullptr, CK_FALSE, &size,
                                            nullptr));
  Leave();
  ended = AsOfficer({NewBackup("-smkonly -dryrun")});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("1 object would be backed up"));
  // All keys in blobs: what is left to back up is the master key.
  Back();
  ASSERT_OK(bench_->host.perigee().ClearPartition(bench_->Officer()));
  Leave();
  ended = AsOfficer({NewBackup()});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("1 object has been backed up"));
  ended = AsOfficer({BackupCommand("-smkonly -append")});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("1 object was there already"));
  ended = AsOfficer({With("partition archive delete -slot 1 -partition archive "
                          "-force",
                          "sopassword", kSoPin),
                     NewBackup("-smkonly")});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Cloned object SMK to partition archive"));
  EXPECT_THAT(ended.out, HasSubstr("1 object has been backed up"));
  ended = AsOfficer(
      {With("partition archive restore -slot 1 -partition archive -smkonly",
            "password", kOfficerPin)});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("1 object was there already"));
  ended = AsOfficer({"partition smkrollover -start -force",
                     "partition smkrollover -end -dryrun",
                     "partition smkrollover -end -force"});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  ended = AsOfficer({"partition smkrollover -end -force"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_OPERATION_NOT_ALLOWED"));
  Back();
}

TEST_P(ShellTest, SmkClone_GoesToAnotherPartition) {
  Plan plan = DefaultPlan(GetParam());
  plan.apps[0].partitions = {"version = 1\npolicies = { 3 = 1, 7 = 1 }",
                             "version = 1"};
  bench_.reset();
  Prepare(plan);
  CK_SESSION_INFO other = {};
  ASSERT_OK(bench_->host.c().C_GetSessionInfo(bench_->Officer(1), &other));
  const CK_SESSION_HANDLE session = bench_->Officer();
  GenerateAes(bench_->host, session, "key");
  CK_ULONG size = 0;
  ASSERT_OK(bench_->host.ca().CA_SIMExtract(session, 0, nullptr, 0, 0, 0,
                                            nullptr, nullptr, CK_FALSE, &size,
                                            nullptr));
  Leave();
  const std::string command = With(
      "partition smkclone -slot " + std::to_string(other.slotID) + " -force",
      "password", kOfficerPin);
  Ended ended = AsOfficer({command, command});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("has the SKS master key"));
  Back();
}

class ShellUseTest : public testing::Test {
 protected:
  ShellUseTest() : site_(Plan()) { site_.Use(); }
  Site site_;
};

TEST_F(ShellUseTest, WrongUse_EndsWith2) {
  EXPECT_EQ(RunShell({"--no-such-option"}).code, 2);
  EXPECT_EQ(RunShell({"a \"quoted\" word"}).code, 2);
  EXPECT_EQ(RunShell({"word"}).code, 1);  // no such command
  EXPECT_EQ(RunShell({"--help"}).code, 0);
}

TEST_F(ShellUseTest, LibraryThatIsNotThere_IsNamed) {
  const Ended ended = RunShell({"-m", "/no/such/lib.so", "-c", "slot list"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, HasSubstr("/no/such/lib.so"));
}

TEST_F(ShellUseTest, UnknownCommands_AreErrors) {
  const Ended ended = RunCommands({"slot dance"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("there is no such command"));
  EXPECT_THAT(ended.out, HasSubstr("Command Result : 0x7"));
}

TEST_F(ShellUseTest, SlotThatIsNotThere_IsInvalid) {
  const Ended ended = RunCommands({"slot set -slot 77"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_SLOT_ID_INVALID"));
}

TEST_F(ShellUseTest, AFailedCommand_EndsTheRest) {
  Ended ended = RunCommands({"slot dance", "slot list"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, Not(HasSubstr(kNoError)));
  ended = RunCommands({"slot dance", "slot list"}, {"--keep-going"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr(kNoError));
  ended = RunShell({}, "slot dance\nslot list\n");
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, Not(HasSubstr(kNoError)));
  EXPECT_THAT(ended.error, HasSubstr("was not run"));
}

TEST_F(ShellUseTest, ScriptFile_RunsWithCommentsAndBlankLines) {
  const std::string path = site_.path() + "/script";
  WriteFile(path, "# slots\n\nslot list\n   slot set -slot 1\n");
  Ended ended = RunShell({"-f", path});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_EQ(Count(ended.out, kNoError), 2u);
  ended = RunShell({"-f", path + "x"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out + ended.error, HasSubstr(path + "x"));
}

TEST_F(ShellUseTest, PasswordWithoutATerminal_IsAskedForByOption) {
  const Ended ended = RunCommands({"slot set -slot 1", "hsm init -label x"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("-passwordfile"));
}

TEST_F(ShellUseTest, PasswordOnTheCommandLine_IsWarnedOf) {
  const Ended ended = RunCommands(
      {"slot set -slot 1", With("hsm init -label x", "password", kSoPin)});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.error, HasSubstr("Warning"));
  EXPECT_THAT(ended.out + ended.error, Not(HasSubstr(kSoPin)));
}

// A partition from nothing to a backup, with nothing but the shell.
TEST_F(ShellUseTest, FromNothing_ToABackup) {
  const Ended ended = RunCommands(
      {With(With("partition init -label keys", "password", kSoPin), "domain",
            kDomain),
       With("role login -name po", "password", kSoPin),
       With("role init -name co", "password", kOfficerPin), "role logout",
       With("role login -name co", "password", kOfficerPin),
       "partition contents", "partition check", "slot set -slot 1",
       With("hsm init -label vault", "password", kSoPin),
       "partition archive list -slot 1"});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Number Of Partitions:        0"));
}

// One line sets up a pair that backs up and restores.
TEST_F(ShellUseTest, Init_MakesAWorkingPair) {
  const std::string domain = site_.path() + "/domain";
  const std::string line =
      With(With(With("init -newdomain " + domain, "popassword", kSoPin),
                "copassword", kOfficerPin),
           "sopassword", kSoPin);
  Ended ended = RunCommands({line});
  ASSERT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Partition keys in slot 0 was init"));
  EXPECT_THAT(ended.out, HasSubstr("Backup HSM backup in slot 1 was init"));
  EXPECT_EQ(ReadFile(domain).size(), 32u);
  EXPECT_THAT(ended.out + ended.error, Not(HasSubstr(ReadFile(domain))));
  // A second time changes nothing and asks nothing.
  ended = RunCommands({"init"});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("Everything was there already."));
  // An existing file is no place for a domain.
  EXPECT_EQ(RunCommands({"init -slot 1"}).code, 1);

  ended = RunCommands(
      {With("role login -name co", "password", kOfficerPin),
       With(With("partition archive backup -slot 1 -partition w -domainfile " +
                     domain,
                 "password", kOfficerPin),
            "sopassword", kSoPin) +
           " -dryrun",
       "doctor"});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("0 failed."));
}

TEST_F(ShellUseTest, Doctor_FindsWhatIsWrong) {
  ASSERT_EQ(RunCommands(
                {With("partition init -label k -domain d", "password", kSoPin)})
                .code,
            0);
  const std::string state = site_.state();
  ASSERT_EQ(chmod(state.c_str(), 0755), 0);
  const Ended ended = RunCommands({"doctor"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("others may look"));
  EXPECT_THAT(ended.out, HasSubstr("-> chmod go-rwx " + state));
}

TEST_F(ShellUseTest, Store_IsCheckedCompactedAndDescribed) {
  const std::string file = site_.path() + "/metadata.json";
  const Ended none = RunCommands({"store check"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.out, HasSubstr("CKR_TOKEN_NOT_PRESENT"));
  const Ended ended = RunCommands(
      {With("partition init -label keys -domain d", "password", kSoPin),
       "store check", "store compact", "store upgrade",
       "store export-metadata -file " + file});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Problems -> 0"));
  const std::string metadata = ReadFile(file);
  EXPECT_THAT(metadata, HasSubstr("\"label\": \"keys\""));
  EXPECT_THAT(metadata, Not(HasSubstr(kSoPin)));
  // Nothing is overwritten.
  const Ended again = RunCommands({"store export-metadata -file " + file});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.out, HasSubstr("File exists"));
}

TEST_F(ShellUseTest, DefaultDomain_IsWarnedOf) {
  const Ended ended = RunCommands(
      {With("partition init -label keys -defaultdomain", "password", kSoPin)});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("Warning: everybody knows"));
}

}  // namespace
}  // namespace e2e
