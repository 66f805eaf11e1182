// The audit log as operators and auditors use it: the shell over the built
// products, exported files, and openssl alone as docs/AUDIT.md shows it.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/e2e/bench.h"
#include "tests/e2e/objects.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] = "very-secret-key-value-0123456789";

size_t Count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++n;
  }
  return n;
}

// An application HSM with a key, and a Backup HSM with it.
class AuditTest : public testing::TestWithParam<Link> {
 protected:
  void SetUp() override { Prepare(DefaultPlan(GetParam())); }
  void Prepare(Plan plan) {
    bench_.reset();
    left_ = false;
    bench_ = std::make_unique<Bench>(std::move(plan));
    setenv("HOME", bench_->site.path().c_str(), 1);
    unsetenv("XDG_STATE_HOME");
  }
  Host& host() { return bench_->host; }
  std::string path(const std::string& name) {
    return bench_->site.path() + "/" + name;
  }
  // The library goes, so that only the shell has the state.
  void Leave() {
    if (!left_) host().Finalize();
    left_ = true;
  }
  // The application HSM's log in a file, by the shell.
  std::string Export(const std::string& name = "exported.log") {
    Leave();
    const Ended ended = RunCommands({"audit export -file " + path(name)});
    EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
    return ReadFile(path(name));
  }
  Ended Verify(const std::string& name, const std::string& more = "") {
    return RunCommands({"audit verify -file " + path(name) + more});
  }

  std::unique_ptr<Bench> bench_;
  bool left_ = false;
};
INSTANTIATE_FOR_BOTH_LINKS(AuditTest);

TEST_P(AuditTest, Export_IsVerifiedWithTheRootAlone) {
  const std::string text = Export();
  struct stat file;
  ASSERT_EQ(stat(path("exported.log").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  EXPECT_THAT(text, HasSubstr("\"event\":\"partition-initialized\""));
  const Ended ended = Verify("exported.log");
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Not Covered"));

  // Another state: only the root is taken there.
  WriteFile(path("root.crt"),
            ReadFile(bench_->site.state() + "/fleet/root.crt"));
  setenv("PERIGEE_STATE_DIR", path("elsewhere").c_str(), 1);
  EXPECT_EQ(Verify("exported.log").code, 1);
  EXPECT_EQ(Verify("exported.log", " -root " + path("root.crt")).code, 0);
}

TEST_P(AuditTest, AlteredRemovedAndReorderedLines_AreNamed) {
  const std::string text = Export();
  const size_t at = text.find("CKR_OK", text.find("\"event\":\"login\""));
  ASSERT_NE(at, std::string::npos);
  std::string altered = text;
  altered[at + 4] = 'N';
  WriteFile(path("altered.log"), altered);
  EXPECT_EQ(Verify("altered.log").code, 1);
  EXPECT_THAT(Verify("altered.log").out, HasSubstr("altered"));

  const size_t first = text.find('\n') + 1;
  const size_t second = text.find('\n', first) + 1;
  WriteFile(path("removed.log"), text.substr(0, first) + text.substr(second));
  EXPECT_EQ(Verify("removed.log").code, 1);
  EXPECT_THAT(Verify("removed.log").out, HasSubstr("removed"));

  WriteFile(path("swapped.log"), text.substr(first, second - first) +
                                     text.substr(0, first) +
                                     text.substr(second));
  EXPECT_THAT(Verify("swapped.log").out, HasSubstr("reordered"));

  const size_t last = text.rfind('\n', text.size() - 2) + 1;
  WriteFile(path("cut.log"), text.substr(0, last));
  EXPECT_EQ(Verify("cut.log").code, 1);
}

TEST_P(AuditTest, OpensslAlone_ChecksAnExport) {
  if (system("openssl version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "there is no openssl program";
  }
  Export();
  WriteFile(path("root.crt"),
            ReadFile(bench_->site.state() + "/fleet/root.crt"));
  // The page's own script.
  std::string page = ReadFile(PERIGEE_SOURCE "/docs/AUDIT.md");
  page = page.substr(page.find("```sh\n") + 6);
  WriteFile(path("check.sh"), page.substr(0, page.find("```")));
  const std::string run =
      "cd " + bench_->site.path() + " && sh check.sh > checked 2>&1";
  EXPECT_EQ(system(run.c_str()), 0);
  EXPECT_THAT(ReadFile(path("checked")),
              AllOf(HasSubstr("hsm.pem: OK"), HasSubstr("Verified OK"),
                    Not(HasSubstr("broken"))));
  std::string altered = ReadFile(path("exported.log"));
  altered[altered.find("\"pid\":") + 6] ^= 1;
  WriteFile(path("exported.log"), altered);
  EXPECT_EQ(system(run.c_str()), 0);
  EXPECT_THAT(ReadFile(path("checked")), HasSubstr("broken"));
}

// What is not sent is not said to be.
TEST_P(AuditTest, UnchangedObjects_LeaveOnce) {
  const CK_SESSION_HANDLE source = host().Officer(host().partition());
  for (int i = 0; i < 40; ++i) {
    host().Create(source, Note("note " + std::to_string(i)));
  }
  const CK_ULONG container = host().MakeContainer(host().backup());
  const CK_SESSION_HANDLE archive =
      host().OpenArchive(host().backup(), container);
  EXPECT_OK(host().Transfer(source, archive).rv);
  EXPECT_EQ(host().Transfer(source, archive).Count(PERIGEE_OUTCOME_PRESENT),
            host().Find(source).size());
  const size_t objects = host().Find(source).size();
  EXPECT_EQ(Count(Export(), "\"event\":\"object-sent\""), objects);
}

TEST_P(AuditTest, BackupAndRestore_AreInBothLogs) {
  const CK_SESSION_HANDLE source = host().Officer(host().partition());
  GenerateEcPair(host(), source, "signer");
  const CK_ULONG container = host().MakeContainer(host().backup());
  const CK_SESSION_HANDLE archive =
      host().OpenArchive(host().backup(), container);
  EXPECT_OK(host().Transfer(source, archive).rv);
  const std::string text = Export();
  EXPECT_EQ(Count(text, "\"event\":\"object-generated\""), 2u);
  EXPECT_EQ(Count(text, "\"event\":\"object-sent\""), 2u);
  EXPECT_THAT(text, HasSubstr("\"peer\":"));
  const Ended backup =
      RunCommands({"audit show -all -slot 1", "audit verify -slot 1"});
  if (GetParam() == Link::kEmbedded) {
    EXPECT_EQ(backup.code, 0) << backup.out << backup.error;
    EXPECT_EQ(Count(backup.out, "\"event\":\"object-received\""), 2u);
    EXPECT_THAT(backup.out, HasSubstr("\"event\":\"partition-created\""));
  } else {
    EXPECT_EQ(backup.code, 1);
    EXPECT_THAT(backup.out + backup.error,
                HasSubstr("CKR_FUNCTION_NOT_SUPPORTED"));
  }
}

TEST_P(AuditTest, DaemonsLog_IsExportedWhileItRests) {
  if (GetParam() == Link::kEmbedded) return;  // there is no daemon
  Daemon& daemon = bench_->site.daemon();
  const std::string run =
      std::string(PERIGEE_PRODUCTS "/perigee-backup-hsm --state ") +
      path("backup") + " --audit-export " + path("backup.log") +
      " 2> /dev/null";
  EXPECT_NE(system(run.c_str()), 0);  // the daemon has the directory
  Leave();
  daemon.Stop();
  EXPECT_EQ(system(run.c_str()), 0);
  EXPECT_THAT(ReadFile(path("backup.log")),
              HasSubstr("\"event\":\"hsm-initialized\""));
  EXPECT_EQ(Verify("backup.log").code, 0);
}

TEST_P(AuditTest, DaemonWithAWitness_RefusesAnOlderCopy) {
  if (GetParam() == Link::kEmbedded) return;  // there is no daemon
  namespace fs = std::filesystem;
  Leave();
  bench_->site.daemon().Stop();
  // What it says; empty when it succeeds.
  const auto run = [&](const std::string& options) {
    const std::string command =
        std::string(PERIGEE_PRODUCTS "/perigee-backup-hsm --state ") +
        path("backup") + " " + options + " > /dev/null 2> " + path("said");
    if (system(command.c_str()) == 0) return std::string();
    return "refused: " + ReadFile(path("said"));
  };
  const std::string witness = " --witness " + path("witness");
  fs::copy(path("backup"), path("old"), fs::copy_options::recursive);
  EXPECT_EQ(run("--audit-export " + path("1") + witness), "");
  EXPECT_TRUE(fs::exists(path("witness")));
  fs::rename(path("backup"), path("new"));
  fs::rename(path("old"), path("backup"));
  EXPECT_THAT(run("--audit-export " + path("2") + witness),
              HasSubstr("older copy"));
  EXPECT_THAT(run("--socket " + path("s") + witness), HasSubstr("older copy"));
  EXPECT_EQ(run("--audit-export " + path("3")), "");
  fs::remove_all(path("backup"));
  fs::rename(path("new"), path("backup"));
  EXPECT_EQ(run("--audit-export " + path("4") + witness), "");
  EXPECT_THAT(run("--audit off --audit-export " + path("5") + witness),
              HasSubstr("sees nothing"));
  EXPECT_THAT(run("--audit-export " + path("5") + " --witness here"),
              HasSubstr("absolute path"));
}

TEST_P(AuditTest, Segments_FollowEachOther) {
  Leave();
  const Ended rotated = RunCommands(
      {"audit status", "audit rotate", "audit rotate",
       "role login -name co -password wrong-password", "audit verify"},
      {"-k"});
  EXPECT_THAT(rotated.out, HasSubstr("Nothing new was there."));
  std::vector<std::string> segments;
  for (const auto& entry : std::filesystem::directory_iterator(
           bench_->site.state() + "/hsm/app/audit")) {
    segments.push_back(entry.path());
  }
  ASSERT_EQ(segments.size(), 1u);
  Export("rest.log");
  EXPECT_THAT(ReadFile(path("rest.log")), HasSubstr("CKR_PIN_INCORRECT"));
  const Ended rest = Verify("rest.log");
  EXPECT_EQ(rest.code, 0) << rest.out;
  EXPECT_THAT(rest.out, HasSubstr("earlier segments"));
  const Ended both = RunCommands(
      {"audit verify -file " + segments[0] + "," + path("rest.log")});
  EXPECT_EQ(both.code, 0) << both.out;
  EXPECT_THAT(both.out, Not(HasSubstr("earlier segments")));
}

TEST_P(AuditTest, KnownLine_FindsATruncation) {
  Leave();
  const Ended signed_now = RunCommands({"audit checkpoint"});
  const size_t at = signed_now.out.find("Known line: ");
  ASSERT_NE(at, std::string::npos) << signed_now.out;
  const std::string known =
      signed_now.out.substr(at + 12, signed_now.out.find('\n', at) - at - 12);
  const std::string text = Export();
  EXPECT_EQ(Verify("exported.log", " -known " + known).code, 0);
  // As if the log had ended at an earlier checkpoint.
  const std::string elsewhere = "999999" + known.substr(known.find(':'));
  EXPECT_THAT(Verify("exported.log", " -known " + elsewhere).out,
              HasSubstr("truncated"));
}

TEST_P(AuditTest, UseOfKeys_IsRecordedWhereItIsWanted) {
  Plan plan = DefaultPlan(GetParam());
  plan.apps[0].partitions = {"audit_key_use = true"};
  Prepare(std::move(plan));
  const CK_SESSION_HANDLE session = host().Officer(host().partition());
  const KeyPair pair = GenerateEcPair(host(), session, "signer");
  Sign(host(), session, CKM_ECDSA_SHA256, pair.private_key);
  EXPECT_OK(host().c().C_Logout(session));
  const std::string text = Export();
  EXPECT_EQ(Count(text, "\"event\":\"key-used\""), 1u);
  EXPECT_THAT(text, HasSubstr("\"usage\":264,\"mechanism\":4164"));
  EXPECT_THAT(text, HasSubstr("\"event\":\"logout\""));
}

TEST_P(AuditTest, UseOfKeys_IsNotRecordedUnasked) {
  const CK_SESSION_HANDLE session = host().Officer(host().partition());
  const KeyPair pair = GenerateEcPair(host(), session, "signer");
  Sign(host(), session, CKM_ECDSA_SHA256, pair.private_key);
  EXPECT_THAT(Export(), Not(HasSubstr("key-used")));
}

TEST_P(AuditTest, PinsAndKeys_AreNotInAnExport) {
  const CK_SESSION_HANDLE session = host().Officer(host().partition());
  host().Create(session, Template()
                             .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                             .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                             .Bool(CKA_TOKEN, true)
                             .Text(CKA_LABEL, "the-label")
                             .Text(CKA_VALUE, kKey));
  host().TryLogin(session, CKU_USER, kWrongPin);
  const std::string text = Export();
  EXPECT_THAT(text, HasSubstr("object-created"));
  for (const char* secret :
       {kSoPin, kOfficerPin, kWrongPin, kDomain, kKey, "the-label"}) {
    EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace e2e
