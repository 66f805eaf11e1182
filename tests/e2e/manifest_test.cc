// Manifests of backup partitions, from the shell and the vendor interface: made
// by the device at the end of a run, exported, and checked without any HSM.
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/e2e/bench.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ManifestTest : public testing::TestWithParam<Link> {
 protected:
  void SetUp() override {
    bench_ = std::make_unique<Bench>(GetParam());
    setenv("HOME", bench_->site.path().c_str(), 1);
    unsetenv("XDG_STATE_HOME");
    app_ = bench_->Officer();
    host().Create(app_, Note("a note with a label"));
    GenerateEcPair(host(), app_, "signer");
  }
  Host& host() { return bench_->host; }
  std::string path(const std::string& name) {
    return bench_->site.path() + "/" + name;
  }
  void Leave() {
    if (!left_) host().Finalize();
    left_ = true;
  }
  // By the shell.
  std::string Export(const std::string& name = "manifest") {
    Leave();
    const Ended ended = RunCommands(
        {"partition archive manifest -slot 1 -partition archive -file " +
         path(name) + " -password " + kOfficerPin});
    EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
    return ReadFile(path(name));
  }
  Ended Verify(const std::string& name, const std::string& more = "") {
    return RunCommands({"archive verify -file " + path(name) + more});
  }

  std::unique_ptr<Bench> bench_;
  CK_SESSION_HANDLE app_ = CK_INVALID_HANDLE;
  bool left_ = false;
};
INSTANTIATE_FOR_BOTH_LINKS(ManifestTest);

TEST_P(ManifestTest, Backup_IsVerifiedWithTheRootAlone) {
  ExpectAllStored(host().Transfer(app_, bench_->NewArchive()), 3);
  const std::string serial = host().HsmInfo(host().partition()).serial;
  const std::string text = Export();
  struct stat file;
  ASSERT_EQ(stat(path("manifest").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  EXPECT_THAT(text, Not(HasSubstr("a note with a label")));
  EXPECT_THAT(text, HasSubstr("\"source\":{\"serial\":\"" + serial + "\""));
  WriteFile(path("root.crt"),
            ReadFile(bench_->site.state() + "/fleet/root.crt"));
  // No HSM, no root: another state, and nothing but the two files.
  setenv("PERIGEE_STATE_DIR", path("elsewhere").c_str(), 1);
  EXPECT_EQ(Verify("manifest").code, 1);
  EXPECT_EQ(RunShell({"archive", "verify", path("manifest"), "-root",
                      path("root.crt")})
                .code,
            0);
  const Ended ended = Verify("manifest", " -rows -root " + path("root.crt"));
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("3 objects, 0 left out: holds"),
                               HasSubstr("{\"row\":3,"), HasSubstr(serial)));
  EXPECT_NE(stat((path("elsewhere") + "/hsm").c_str(), &file), 0);
}

TEST_P(ManifestTest, Append_IsTheNextLinkOfTheChain) {
  const CK_SESSION_HANDLE archive = bench_->NewArchive();
  ExpectAllStored(host().Transfer(app_, archive), 3);
  host().Create(app_, Note("later"));
  EXPECT_OK(host().Transfer(app_, archive).rv);
  const std::string text = Export();
  const Ended ended = Verify("manifest");
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("3 objects, 0 left out: holds"),
                               HasSubstr("4 objects, 0 left out: holds")));
  // Without the newest head, its rows are nobody's; altered, it shows where.
  const size_t second = text.find("{\"manifest\":2");
  WriteFile(path("cut"),
            text.substr(0, second) + text.substr(text.find('\n', second) + 1));
  EXPECT_EQ(Verify("cut").code, 1);
  std::string altered = text;
  altered[text.find("\"rows\":3") + 7] = '2';
  WriteFile(path("altered"), altered);
  const Ended bad = Verify("altered");
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.out,
              AllOf(HasSubstr("bad signature"), HasSubstr("broken chain"),
                    HasSubstr("CKR_DATA_INVALID")));
}

TEST_P(ManifestTest, RefusedObject_IsInItWithItsReason) {
  // Room for the note, not for the keys.
  const CK_SESSION_HANDLE archive = bench_->NewArchive("archive", 1000);
  const Report report =
      host().Transfer(app_, archive, PERIGEE_TRANSFER_CONTINUE_ON_ERROR);
  EXPECT_RV(CKR_CONTAINER_OBJECT_STORAGE_FULL, report.rv);
  const size_t refused = report.Count(PERIGEE_OUTCOME_REFUSED);
  ASSERT_GT(refused, 0u);
  ASSERT_LT(refused, 3u);
  Export();
  const Ended ended = Verify("manifest");
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr(std::to_string(refused) + " left out: holds"),
                    HasSubstr("{\"left_out\":1,"),
                    HasSubstr("CKR_CONTAINER_OBJECT_STORAGE_FULL")));
}

TEST_P(ManifestTest, RunWithoutAnEnd_IsClosedByTheNextLogin) {
  const CK_SESSION_HANDLE archive = bench_->NewArchive();
  const CK_OBJECT_HANDLE note =
      host().Find(app_, Note("a note with a label"))[0];
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(host().ca().CA_CloneObject(archive, app_, CKO_DATA, note, &copy));
  Export();
  const Ended ended = Verify("manifest");
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_THAT(ended.out,
              HasSubstr("1 object, 0 left out, run not ended: holds"));
}

TEST_P(ManifestTest, NoBackupYet_HasNone) {
  bench_->NewArchive();
  Leave();
  const Ended ended = RunCommands(
      {"partition archive manifest -slot 1 -partition archive -file " +
       path("none") + " -password " + kOfficerPin});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, HasSubstr("CKR_DATA_INVALID"));
  struct stat file;
  EXPECT_NE(stat(path("none").c_str(), &file), 0);
}

TEST_P(ManifestTest, VendorInterface_GivesPagesOfAContainerOnly) {
  const CK_SESSION_HANDLE archive = bench_->NewArchive();
  ExpectAllStored(host().Transfer(app_, archive), 3);
  std::vector<char> text(1 << 18);
  CK_ULONG page = 0, seq = 0, size = 10;
  EXPECT_RV(
      CKR_BUFFER_TOO_SMALL,
      host().perigee().ManifestText(archive, &page, &seq, text.data(), &size));
  std::string whole;
  do {
    size = text.size();
    ASSERT_OK(host().perigee().ManifestText(archive, &page, &seq, text.data(),
                                            &size));
    whole.append(text.data(), size);
  } while (page != 0);
  EXPECT_EQ(seq, 1u);
  PERIGEE_MANIFEST_REPORT report = {};
  report.ulSize = sizeof report;
  ASSERT_OK(host().perigee().ManifestVerify(whole.data(), whole.size(), nullptr,
                                            0, &report));
  EXPECT_EQ(report.ulProblem, PERIGEE_MANIFEST_SOUND) << report.text;
  EXPECT_EQ(report.ulLinkCount, 1u);
  EXPECT_TRUE(report.rowsHold);
  size = text.size();
  EXPECT_RV(
      CKR_CONTAINER_HANDLE_INVALID,
      host().perigee().ManifestText(app_, &page, &seq, text.data(), &size));
}

}  // namespace
}  // namespace e2e
