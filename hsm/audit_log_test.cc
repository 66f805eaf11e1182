// The log as an HSM keeps it: its end, what was done to it, a full log, and
// segments.
#include "hsm/audit_log.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::AuditText;
using testkit::LinesOf;
using testkit::LinesWith;
using testkit::Rv;
using testkit::TestFleet;
using testkit::TestHsm;
using Mode = AuditSettings::Mode;

AuditEvent Event() {
  AuditEvent event{.word = AuditWord::kLogin, .space = 1, .role = Role::kCo};
  return event;
}

AuditReport Verify(const std::string& text) {
  const base::Certificate roots[] = {TestFleet().root()};
  return VerifyAudit(text, roots);
}

AuditSettings With(Mode mode) {
  AuditSettings settings;
  settings.standard.mode = mode;
  return settings;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Lines, checkpoints among them, and the mark of the last one alone.
TEST(AuditGroupTest, ManyEventsTogether_AreALineEach) {
  TestHsm hsm(AppSpec());
  std::vector<AuditEvent> events(2 * kAuditCheckpointLines, Event());
  for (size_t i = 0; i < events.size(); ++i) events[i].handle = 1000 + i;
  const size_t before = LinesWith(*hsm, "login").size();
  ASSERT_TRUE(hsm->audit().NoteAll(std::move(events)).ok());
  const auto lines = LinesWith(*hsm, "login");
  ASSERT_EQ(lines.size(), before + 2 * kAuditCheckpointLines);
  EXPECT_TRUE(absl::StrContains(
      lines.back(), absl::StrCat(1000 + 2 * kAuditCheckpointLines - 1)))
      << lines.back();
  EXPECT_GE(LinesWith(*hsm, "checkpoint").size(), 2u);
  ASSERT_TRUE(hsm->audit().Checkpoint(/*exported=*/false).ok());
  const AuditReport report = Verify(AuditText(*hsm));
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
}

// An HSM on disk, whose file can be changed behind its back.
class DiskHsm {
 public:
  DiskHsm() : directory_(testkit::TemporaryDirectory() + "/app") {
    EXPECT_TRUE(Hsm::Create(AppSpec(), directory_, TestFleet()).ok());
    hsm_ = Another();
  }
  Hsm* operator->() { return hsm_.get(); }
  Hsm& operator*() { return *hsm_; }
  const std::string& directory() const { return directory_; }
  std::unique_ptr<Hsm> Another() const {
    auto opened = Hsm::Open(directory_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  void Sql(const std::string& sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((directory_ + "/hsm.db").c_str(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
  }

 private:
  std::string directory_;
  std::unique_ptr<Hsm> hsm_;
};

TEST(AuditLogTest, NoteInsideAFailedWrite_WasNeverThere) {
  TestHsm hsm(AppSpec());
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  const std::string before = AuditText(*hsm);
  EXPECT_FALSE(hsm->Atomically([&] {
                    EXPECT_TRUE(hsm->audit().Note(Event()).ok());
                    return base::Error(CKR_DEVICE_ERROR, "wanted");
                  })
                   .ok());
  EXPECT_EQ(AuditText(*hsm), before);
}

TEST(AuditLogTest, Checkpoint_IsMadeBeforeTooManyLinesAreUncovered) {
  TestHsm hsm(AppSpec());
  for (uint64_t i = 0; i < 2 * kAuditCheckpointLines + 88; ++i) {
    ASSERT_TRUE(hsm->audit().Note(Event()).ok());
    ASSERT_LT(hsm->audit().Info()->last - hsm->audit().Info()->checkpoint,
              kAuditCheckpointLines);
  }
  const AuditReport report = Verify(AuditText(*hsm));
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
  EXPECT_EQ(report.checkpoints, 2u);
}

TEST(AuditLogTest, CheckpointTwice_IsOne) {
  TestHsm hsm(AppSpec());
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  const auto first = hsm->audit().Checkpoint(false);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*hsm->audit().Checkpoint(false), *first);
}

TEST(AuditLogTest, Lines_ComeInPagesOfWholeLines) {
  TestHsm hsm(AppSpec());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  std::string text;
  uint64_t next = 0;
  for (;;) {
    const auto page = hsm->audit().Lines(next, 1000);
    ASSERT_TRUE(page.ok());
    if (page->text.empty()) break;
    EXPECT_LE(page->text.size(), 1000u);
    EXPECT_EQ(page->text.back(), '\n');
    text += page->text;
    next = page->next;
  }
  EXPECT_EQ(text, AuditText(*hsm));
  EXPECT_EQ(Rv(hsm->audit().Lines(0, 10)), CKR_BUFFER_TOO_SMALL);
}

TEST(AuditLogTest, ThreadsOfTwoProcesses_WriteOneChain) {
  DiskHsm hsm;
  const auto other = hsm.Another();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        EXPECT_TRUE((t % 2 == 0 ? *hsm : *other).audit().Note(Event()).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(hsm->audit().Checkpoint(true).ok());
  const AuditReport report = Verify(AuditText(*hsm));
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
  EXPECT_EQ(LinesWith(*hsm, "login").size(), 320u);
}

// --- what was done to the file
// -----------------------------------------------------

TEST(AuditLogTest, RemovedTail_IsDamageAndTheNextLineSaysSo) {
  DiskHsm hsm;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  hsm.Sql("DELETE FROM audit WHERE seq >= 4");
  EXPECT_TRUE(hsm->audit().Info()->damaged);
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  EXPECT_FALSE(hsm->audit().Info()->damaged);
  const AuditReport report = Verify(AuditText(*hsm));
  EXPECT_EQ(report.problem, AuditProblem::kRecovered);
  EXPECT_EQ(report.seq, 4u);
}

TEST(AuditLogTest, RemovedTail_WithPolicyClosedRefuses) {
  DiskHsm hsm;
  hsm->audit().Configure(With(Mode::kClosed));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  hsm.Sql("DELETE FROM audit WHERE seq >= 4");
  EXPECT_EQ(Rv(hsm->audit().Note(Event())), CKR_DEVICE_ERROR);
}

TEST(AuditLogTest, RemovedLog_IsNoNewLog) {
  DiskHsm hsm;
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  hsm.Sql("DELETE FROM audit");
  EXPECT_TRUE(hsm->audit().Info()->damaged);
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  EXPECT_EQ(Verify(AuditText(*hsm)).problem, AuditProblem::kRecovered);
}

TEST(AuditLogTest, RemovedHead_IsDamage) {
  DiskHsm hsm;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  hsm.Sql("DELETE FROM audit WHERE seq = 1");
  EXPECT_TRUE(hsm->audit().Info()->damaged);
}

TEST(AuditLogTest, AlteredLastLine_IsDamage) {
  DiskHsm hsm;
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  hsm.Sql(
      "UPDATE audit SET line = CAST(replace(CAST(line AS TEXT), 'CKR_OK', "
      "'CKR_NO') AS BLOB) WHERE seq = (SELECT max(seq) FROM audit)");
  EXPECT_TRUE(hsm->audit().Info()->damaged);
}

// --- policies and a full log
// ---------------------------------------------------------

TEST(AuditLogTest, Off_RecordsNothingButThatItIsOff) {
  TestHsm hsm(AppSpec());
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  AuditSettings settings;
  settings.partitions[1].mode = Mode::kOff;
  hsm->audit().Configure(settings);
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  AuditEvent other = Event();
  other.space = 0;
  ASSERT_TRUE(hsm->audit().Note(other).ok());
  EXPECT_EQ(LinesWith(*hsm, "login").size(), 2u);
  EXPECT_EQ(LinesWith(*hsm, "settings").size(), 1u);
}

TEST(AuditLogTest, FullLog_WithPolicyClosedRefusesWhatCanBeRefused) {
  TestHsm hsm(AppSpec());
  AuditSettings settings = With(Mode::kClosed);
  settings.limit = 3000;
  hsm->audit().Configure(settings);
  absl::Status status;
  int written = 0;
  for (; written < 100 && status.ok(); ++written) {
    status = hsm->audit().Note(Event());
  }
  EXPECT_EQ(Rv(status), CKR_DEVICE_MEMORY);
  EXPECT_EQ(base::Reason(status), "audit-log-full");
  EXPECT_LT(written, 20);
  AuditEvent zeroized{.word = AuditWord::kHsmZeroized};
  EXPECT_TRUE(hsm->audit().Note(zeroized).ok());
  EXPECT_EQ(Verify(AuditText(*hsm)).problem, AuditProblem::kNone);
}

TEST(AuditLogTest, FullLog_WithPolicyOpenDropsTheOldestAndSaysSo) {
  TestHsm hsm(AppSpec());
  AuditSettings settings;
  settings.limit = 20000;
  hsm->audit().Configure(settings);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  EXPECT_LE(hsm->audit().Info()->bytes, 24000u);
  EXPECT_FALSE(hsm->audit().Info()->damaged);
  ASSERT_TRUE(hsm->audit().Checkpoint(true).ok());
  const std::string text = AuditText(*hsm);
  EXPECT_LE(text.size(), 26000u);
  const AuditReport report = Verify(text);
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
  EXPECT_FALSE(report.from_the_beginning);
  // Who removes one more from the front is found.
  std::vector<std::string> lines = LinesOf(text);
  EXPECT_EQ(Verify(text.substr(lines[0].size())).problem,
            AuditProblem::kRemoved);
}

TEST(AuditLogTest, IntegrityLines_AreOneAFailureAndFewAnHour) {
  TestHsm hsm(AppSpec());
  for (int i = 0; i < 3; ++i) hsm->audit().NoteIntegrity(1, 7, "record");
  EXPECT_EQ(LinesWith(*hsm, "integrity").size(), 1u);
  // Another process each time.
  for (int i = 0; i < 300; ++i) {
    hsm.Another()->audit().NoteIntegrity(1, 7, "record");
  }
  EXPECT_EQ(LinesWith(*hsm, "integrity").size(), kAuditCountedAnHour);
}

// --- segments
// ----------------------------------------------------------------------

TEST(AuditLogTest, Rotate_MakesAFileThatTheNextOneContinues) {
  DiskHsm hsm;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  const auto path = hsm->audit().Rotate();
  ASSERT_TRUE(path.ok()) << path.status();
  struct stat file;
  ASSERT_EQ(stat(path->c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  const AuditReport first = Verify(ReadAll(*path));
  EXPECT_EQ(first.problem, AuditProblem::kNone) << first.text;
  EXPECT_EQ(first.uncovered, 0u);
  EXPECT_TRUE(first.from_the_beginning);

  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  EXPECT_FALSE(hsm->audit().Info()->damaged);
  EXPECT_EQ(hsm->audit().Info()->first, first.last_seq + 1);
  const AuditReport second = Verify(AuditText(*hsm));
  EXPECT_EQ(second.problem, AuditProblem::kNone) << second.text;
  EXPECT_FALSE(second.from_the_beginning);
  EXPECT_EQ(second.first_seq, first.last_seq + 1);
  const AuditReport both = Verify(ReadAll(*path) + AuditText(*hsm));
  EXPECT_EQ(both.problem, AuditProblem::kNone) << both.text;
  EXPECT_TRUE(both.from_the_beginning);
}

TEST(AuditLogTest, Rotate_WithNothingNewMakesNoFile) {
  DiskHsm hsm;
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  ASSERT_TRUE(hsm->audit().Rotate().ok());
  const auto again = hsm->audit().Rotate();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, "");
}

TEST(AuditLogTest, RotationsAndLinesAtOnce_LoseNothing) {
  DiskHsm hsm;
  const auto other = hsm.Another();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      AuditLog& log = (t % 2 == 0 ? *hsm : *other).audit();
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(log.Note(Event()).ok());
        if (t < 2 && i % 5 == 0) {
          const auto path = log.Rotate();
          EXPECT_TRUE(path.ok()) << path.status();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> segments;
  for (const auto& entry :
       std::filesystem::directory_iterator(hsm.directory() + "/audit")) {
    segments.insert(entry.path());
  }
  std::string text;
  for (const std::string& segment : segments) text += ReadAll(segment);
  ASSERT_TRUE(hsm->audit().Checkpoint(true).ok());
  text += AuditText(*hsm);
  const AuditReport report = Verify(text);
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
  EXPECT_TRUE(report.from_the_beginning);
  size_t events = 0;
  for (const std::string& line : LinesOf(text)) {
    events += absl::StrContains(line, "\"event\":\"login\"") ? 1 : 0;
  }
  EXPECT_EQ(events, 80u);
}

TEST(AuditLogTest, Rotation_HappensByItselfAtItsSize) {
  DiskHsm hsm;
  AuditSettings settings;
  settings.rotate_at = 5000;
  hsm->audit().Configure(settings);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  EXPECT_LT(hsm->audit().Info()->bytes, 7000u);
  EXPECT_GT(hsm->audit().Info()->first, 30u);
  EXPECT_EQ(Verify(AuditText(*hsm)).problem, AuditProblem::kNone);
}

TEST(AuditLogTest, RotationThatCannotWrite_LosesNothing) {
  DiskHsm hsm;
  const std::string in_the_way = hsm.directory() + "/audit";
  ASSERT_TRUE(std::ofstream(in_the_way).good());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  EXPECT_FALSE(hsm->audit().Rotate().ok());
  EXPECT_EQ(hsm->audit().Info()->first, 1u);
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  ASSERT_EQ(unlink(in_the_way.c_str()), 0);
  const auto path = hsm->audit().Rotate();
  ASSERT_TRUE(path.ok()) << path.status();
  const AuditReport both = Verify(ReadAll(*path) + AuditText(*hsm));
  EXPECT_EQ(both.problem, AuditProblem::kNone) << both.text;
  EXPECT_TRUE(both.from_the_beginning);
}

TEST(AuditLogTest, FaultAtEachOperation_LeavesASoundLog) {
  auto owned = std::make_unique<FaultStore>(NewMemoryStore());
  FaultStore& store = *owned;
  auto hsm = Hsm::CreateForTest(AppSpec(), std::move(owned), TestFleet());
  ASSERT_TRUE(hsm.ok());
  (*hsm)->audit().Configure(With(Mode::kClosed));
  ASSERT_TRUE((*hsm)->audit().Note(Event()).ok());
  size_t written = LinesWith(**hsm, "login").size();
  for (int n = 1;; ++n) {
    store.FailAt(n);
    const absl::Status status = (*hsm)->audit().Note(Event());
    const bool reached = store.operations() >= n;
    store.FailAt(0);
    if (status.ok()) ++written;
    EXPECT_EQ(status.ok(), !reached) << n;
    ASSERT_EQ(LinesWith(**hsm, "login").size(), written) << n;
    const AuditReport report = Verify(AuditText(**hsm));
    ASSERT_EQ(report.problem, AuditProblem::kNone) << n << report.text;
    if (!reached) break;
  }
}

// --- the journal
// ---------------------------------------------------------------------

TEST(AuditLogTest, Journal_GetsWhatWasCommittedAndNothingElse) {
  const std::string path = testkit::TemporaryDirectory() + "/journal";
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  TestHsm hsm(AppSpec());
  ASSERT_TRUE(hsm->audit().Checkpoint(false).ok());
  AuditSettings settings;
  settings.journal = path;
  hsm->audit().Configure(settings);
  EXPECT_FALSE(hsm->Atomically([&] {
                    EXPECT_TRUE(hsm->audit().Note(Event()).ok());
                    return base::Error(CKR_DEVICE_ERROR, "wanted");
                  })
                   .ok());
  char buffer[4096];
  EXPECT_LT(recv(fd, buffer, sizeof(buffer), 0), 0);
  ASSERT_TRUE(hsm->audit().Note(Event()).ok());
  const ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
  ASSERT_GT(size, 0);
  const std::string datagram(buffer, static_cast<size_t>(size));
  const std::string line = LinesOf(AuditText(*hsm)).back();
  EXPECT_TRUE(absl::StartsWith(datagram, "MESSAGE=" + line)) << datagram;
  EXPECT_TRUE(absl::StrContains(datagram, "\nPERIGEE_EVENT=login\n"));
  close(fd);
}

TEST(AuditLogTest, JournalThatIsNotThere_CostsNothing) {
  TestHsm hsm(AppSpec());
  AuditSettings settings;
  settings.journal = "/nonexistent/journal";
  hsm->audit().Configure(settings);
  EXPECT_TRUE(hsm->audit().Note(Event()).ok());
}

}  // namespace
}  // namespace hsm
