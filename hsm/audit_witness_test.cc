// A store whose witness is a counter. The file is hsm/witness_test.cc's and the
// fault tests' matter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>

#include "hsm/temporary_directory.h"
#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"
#include "hsm/test_tpm.h"

namespace hsm {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Mode = AuditSettings::Mode;

// What a TPM has, and a hand that pulls its plug.
class FakeCounter : public MonotonicCounter {
 public:
  absl::StatusOr<std::optional<uint64_t>> Read() const override {
    if (unplugged) return base::Error(CKR_DEVICE_ERROR, "unplugged");
    return value == 0 ? std::nullopt : std::optional<uint64_t>(value);
  }
  absl::Status Count() const override {
    if (unplugged || stuck) return base::Error(CKR_DEVICE_ERROR, "unplugged");
    // As a TPM: nobody knows the first one before.
    value = value == 0 ? 41 : value + 1;
    return absl::OkStatus();
  }
  std::string name() const override { return "the counter"; }

  mutable uint64_t value = 0;
  bool unplugged = false, stuck = false;
};

class CountedStoreTest : public ::testing::Test {
 protected:
  CountedStoreTest() {
    EXPECT_TRUE(
        Hsm::Create(testkit::AppSpec(), app_, testkit::TestFleet()).ok());
    settings_.tpm = TpmCounterName{.index = 0x1500020};
  }

  // As a process of its own would.
  void Open() {
    hsm_.reset();
    auto opened = Hsm::Open(app_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    hsm_ = *std::move(opened);
    hsm_->audit().Configure(settings_, counter_);
  }
  absl::Status Write() {
    AuditEvent event{.word = AuditWord::kLogin, .space = 1, .role = Role::kCo};
    return hsm_->audit().Note(std::move(event));
  }
  absl::Status OpenAndCheck() {
    Open();
    return hsm_->audit().CheckWitness();
  }
  std::string Refusal() { return std::string(OpenAndCheck().message()); }

  void Save(const std::string& as) {
    hsm_.reset();
    fs::copy(app_, directory_.file(as), fs::copy_options::recursive);
  }
  void Restore(const std::string& from) {
    hsm_.reset();
    fs::remove_all(app_);
    fs::copy(directory_.file(from), app_, fs::copy_options::recursive);
  }

  TemporaryDirectory directory_;
  const std::string app_ = directory_.file("app");
  AuditSettings settings_;
  const std::shared_ptr<FakeCounter> counter_ = std::make_shared<FakeCounter>();
  std::unique_ptr<Hsm> hsm_;
};

TEST_F(CountedStoreTest, EachLineCounts_OpeningDoesNot) {
  settings_.standard.mode = Mode::kClosed;
  EXPECT_TRUE(OpenAndCheck().ok());
  EXPECT_EQ(counter_->value, 0u);
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 42u);  // 41 when it was found new
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 43u);
  EXPECT_TRUE(OpenAndCheck().ok());
  EXPECT_EQ(counter_->value, 43u);
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 44u);
}

TEST_F(CountedStoreTest, OlderCopy_IsRefused_TheNewestIsNot) {
  settings_.standard.mode = Mode::kClosed;
  Open();
  Save("never counted");
  Open();
  EXPECT_TRUE(Write().ok());
  Save("old");
  Open();
  EXPECT_TRUE(Write().ok());
  Save("new");
  Restore("old");
  EXPECT_THAT(Refusal(), HasSubstr("older copy"));
  EXPECT_FALSE(Write().ok());
  Restore("never counted");
  EXPECT_THAT(Refusal(), HasSubstr("never counted"));
  EXPECT_FALSE(Write().ok());
  Restore("new");
  EXPECT_TRUE(OpenAndCheck().ok());
  EXPECT_TRUE(Write().ok());
}

TEST_F(CountedStoreTest,
       OlderCopyWithADamagedEnd_IsRefusedAlsoWhereTheLogIsOpen) {
  Open();
  EXPECT_TRUE(Write().ok());
  hsm_.reset();
  // No mark: an open log would go on from there.
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((app_ + "/hsm.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "UPDATE audit SET mark = x'00'", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  EXPECT_THAT(Refusal(), HasSubstr("damaged"));
}

TEST_F(CountedStoreTest, KilledBeforeItCounted_TheOwnerGoesOn) {
  settings_.standard.mode = Mode::kClosed;
  Open();
  EXPECT_TRUE(Write().ok());
  Save("before");
  Open();
  counter_->stuck = true;  // the commit is there, and nothing after it
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 42u);
  counter_->stuck = false;
  Save("killed");
  EXPECT_TRUE(OpenAndCheck().ok());
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 43u);
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 44u);
  Restore("before");
  EXPECT_FALSE(OpenAndCheck().ok());
  Restore("killed");
  EXPECT_FALSE(OpenAndCheck().ok());
}

TEST_F(CountedStoreTest, WithoutTheCounter_NothingIsWritten) {
  settings_.standard.mode = Mode::kClosed;
  Open();
  EXPECT_TRUE(Write().ok());
  counter_->unplugged = true;
  EXPECT_THAT(std::string(Write().message()), HasSubstr("unplugged"));
  EXPECT_THAT(Refusal(), HasSubstr("unplugged"));
  counter_->unplugged = false;
  EXPECT_TRUE(OpenAndCheck().ok());
  EXPECT_TRUE(Write().ok());
}

TEST_F(CountedStoreTest, EveryFourthLine_FewerThanFourMayBeLost) {
  settings_.standard.mode = Mode::kClosed;
  settings_.tpm->every = 4;
  Open();
  EXPECT_TRUE(Write().ok());  // two lines: the settings are new
  EXPECT_EQ(counter_->value, 42u);
  Save("old");
  Open();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 42u);
  Save("two lines later");
  Restore("old");
  EXPECT_TRUE(OpenAndCheck().ok());  // the window that was asked for
  Restore("two lines later");
  Open();
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 43u);
  Restore("old");
  EXPECT_FALSE(OpenAndCheck().ok());
}

TEST_F(CountedStoreTest, FirstLineThatFailed_IsWrittenByTheSameProcess) {
  settings_.standard.mode = Mode::kClosed;
  Open();
  // Everything is undone but what the counter did.
  EXPECT_FALSE(hsm_->Atomically([&] {
                     EXPECT_TRUE(Write().ok());
                     return base::Error(CKR_DEVICE_MEMORY, "full");
                   })
                   .ok());
  EXPECT_EQ(counter_->value, 41u);
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 42u);
  EXPECT_TRUE(OpenAndCheck().ok());
}

TEST_F(CountedStoreTest, AnotherCounter_IsRefused) {
  settings_.standard.mode = Mode::kClosed;
  Open();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Write().ok());
  counter_->value = 2;
  EXPECT_THAT(Refusal(), HasSubstr("another one"));
  // Made anew, it says nothing: the owner has accepted this store.
  counter_->value = 0;
  EXPECT_TRUE(OpenAndCheck().ok());
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(counter_->value, 42u);
}

// At any moment, in earnest: whatever is left is what the next one accepts.
TEST_F(CountedStoreTest, KilledAtAnyMoment_TheOwnerGoesOn) {
  if (!testkit::SoftTpm::IsThere()) GTEST_SKIP();
  testkit::SoftTpm tpm(directory_.file("tpm"));
  tpm.Define();
  settings_.standard.mode = Mode::kClosed;
  ASSERT_TRUE(settings_.SetWitness(tpm.name()).ok());
  const auto write = [this](int lines) {
    auto hsm = Hsm::Open(app_);
    if (!hsm.ok()) return hsm.status();
    (*hsm)->audit().Configure(settings_);
    absl::Status status = (*hsm)->audit().CheckWitness();
    for (int i = 0; i < lines && status.ok(); ++i) {
      AuditEvent event{
          .word = AuditWord::kLogin, .space = 1, .role = Role::kCo};
      status = (*hsm)->audit().Note(std::move(event));
    }
    return status;
  };
  // The index is known from here on.
  ASSERT_TRUE(write(1).ok());
  for (int kill_number = 0; kill_number < 40; ++kill_number) {
    const pid_t child = fork();
    if (child == 0) _exit(write(100000).ok() ? 0 : 1);
    usleep(20000 + 977 * kill_number % 5000);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    const absl::Status after = write(kill_number % 3);
    ASSERT_TRUE(after.ok()) << "kill " << kill_number << ": " << after;
  }
}

TEST_F(CountedStoreTest, FourProcessesAtOnce_NeverCountTooFar) {
  if (!testkit::SoftTpm::IsThere()) GTEST_SKIP();
  testkit::SoftTpm tpm(directory_.file("tpm"));
  tpm.Define();
  AuditSettings settings;
  settings.standard.mode = Mode::kClosed;
  ASSERT_TRUE(settings.SetWitness(tpm.name()).ok());
  const auto work = [&] {
    auto hsm = Hsm::Open(app_);
    if (!hsm.ok()) return false;
    (*hsm)->audit().Configure(settings);
    for (int i = 0; i < 40; ++i) {
      AuditEvent event{
          .word = AuditWord::kLogin, .space = 1, .role = Role::kCo};
      if (!(*hsm)->audit().Note(std::move(event)).ok()) return false;
    }
    return (*hsm)->audit().CheckWitness().ok();
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(fork());
    if (children.back() == 0) _exit(work() ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(work());
}

}  // namespace
}  // namespace hsm
