// What a checker finds who has the text of a log and the root certificate.
#include "hsm/audit_verify.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::AuditText;
using testkit::LinesOf;
using testkit::TestFleet;
using testkit::TestHsm;

// A log of one HSM: some lines, a checkpoint, some lines, the checkpoint of an
// export.
class AuditVerifyTest : public ::testing::Test {
 protected:
  AuditVerifyTest() : hsm_(AppSpec()) {
    Note();
    Note();
    EXPECT_TRUE(hsm_->audit().Checkpoint(false).ok());
    Note();
    Note();
    EXPECT_TRUE(hsm_->audit().Checkpoint(true).ok());
    text_ = AuditText(*hsm_);
    lines_ = LinesOf(text_);
  }

  void Note() {
    AuditEvent event{.word = AuditWord::kLogin, .space = 1, .role = Role::kCo};
    event.With(AuditNumber::kAttemptsLeft, 9);
    EXPECT_TRUE(hsm_->audit().Note(std::move(event)).ok());
  }

  static AuditReport Verify(const std::string& text) {
    const base::Certificate roots[] = {TestFleet().root()};
    return VerifyAudit(text, roots);
  }
  static AuditReport Verify(const std::vector<std::string>& lines) {
    return Verify(absl::StrJoin(lines, ""));
  }

  TestHsm hsm_;
  std::string text_;
  std::vector<std::string> lines_;
};

TEST_F(AuditVerifyTest, WholeLog_IsSoundAndCovered) {
  const AuditReport report = Verify(text_);
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
  EXPECT_EQ(report.lines, lines_.size());
  EXPECT_EQ(report.first_seq, 1u);
  EXPECT_EQ(report.last_seq, lines_.size());
  EXPECT_EQ(report.checkpoints, 2u);
  EXPECT_EQ(report.uncovered, 0u);
  EXPECT_TRUE(report.from_the_beginning);
  EXPECT_EQ(report.hsm, hsm_->Info()->serial);
}

TEST_F(AuditVerifyTest, EachRemovedLine_IsFound) {
  for (size_t i = 0; i + 1 < lines_.size(); ++i) {
    std::vector<std::string> lines = lines_;
    lines.erase(lines.begin() + static_cast<long>(i));
    const AuditReport report = Verify(lines);
    EXPECT_EQ(report.problem, AuditProblem::kRemoved) << i;
    EXPECT_EQ(report.place, i + 1);
  }
  // The last one was a checkpoint: what is before it is now uncovered.
  std::vector<std::string> lines = lines_;
  lines.pop_back();
  EXPECT_EQ(Verify(lines).uncovered, 3u);
}

TEST_F(AuditVerifyTest, EachAlteredByte_IsFoundInItsLine) {
  for (size_t line = 0; line < lines_.size(); ++line) {
    for (size_t at = 0; at < lines_[line].size(); ++at) {
      std::vector<std::string> lines = lines_;
      lines[line][at] = static_cast<char>(lines[line][at] ^ 1);
      const AuditReport report = Verify(lines);
      ASSERT_NE(report.problem, AuditProblem::kNone)
          << "line " << line << ", byte " << at;
      // A number that was changed is missing, and the next line tells.
      ASSERT_LE(report.place, line + 2) << "byte " << at << report.text;
      ASSERT_GE(report.place, line + 1) << "byte " << at << report.text;
    }
  }
}

TEST_F(AuditVerifyTest, AlteredLine_IsNamed) {
  std::vector<std::string> lines = lines_;
  size_t at = 0;
  while (!absl::StrContains(lines[at], "\"left\":9")) ++at;
  lines[at] = absl::StrReplaceAll(lines[at], {{"\"left\":9", "\"left\":8"}});
  const AuditReport report = Verify(lines);
  EXPECT_EQ(report.problem, AuditProblem::kAltered);
  EXPECT_EQ(report.place, at + 1);
  EXPECT_EQ(report.seq, at + 1);
}

TEST_F(AuditVerifyTest, EachSwapOfNeighbours_IsFound) {
  for (size_t i = 0; i + 1 < lines_.size(); ++i) {
    std::vector<std::string> lines = lines_;
    std::swap(lines[i], lines[i + 1]);
    const AuditReport report = Verify(lines);
    EXPECT_EQ(report.problem, AuditProblem::kReordered) << i << report.text;
    EXPECT_EQ(report.place, i + 1);
  }
}

TEST_F(AuditVerifyTest, EachDuplicate_IsFound) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    std::vector<std::string> lines = lines_;
    lines.insert(lines.begin() + static_cast<long>(i), lines[i]);
    const AuditReport report = Verify(lines);
    EXPECT_EQ(report.problem, AuditProblem::kDuplicated) << i << report.text;
    EXPECT_EQ(report.place, i + 2);
  }
}

TEST_F(AuditVerifyTest, EachTruncation_IsUncoveredOrShortOfAKnownLine) {
  const base::Certificate roots[] = {TestFleet().root()};
  const KnownLine known{lines_.size(), HexOf(HashOfLine(lines_.back()))};
  EXPECT_EQ(VerifyAudit(text_, roots, known).problem, AuditProblem::kNone);
  for (size_t left = 1; left < lines_.size(); ++left) {
    std::vector<std::string> lines(lines_.begin(),
                                   lines_.begin() + static_cast<long>(left));
    const AuditReport report =
        VerifyAudit(absl::StrJoin(lines, ""), roots, known);
    EXPECT_EQ(report.problem, AuditProblem::kTruncated) << left << report.text;
  }
}

TEST_F(AuditVerifyTest, CutInTheMiddleOfALine_IsFound) {
  for (size_t size = text_.size() - lines_.back().size() + 1;
       size < text_.size(); ++size) {
    ASSERT_EQ(Verify(text_.substr(0, size)).problem, AuditProblem::kAltered);
  }
}

TEST_F(AuditVerifyTest, AnotherLineThanTheKnownOne_IsFound) {
  const base::Certificate roots[] = {TestFleet().root()};
  const KnownLine known{2, std::string(64, '0')};
  EXPECT_EQ(VerifyAudit(text_, roots, known).problem, AuditProblem::kAltered);
}

TEST_F(AuditVerifyTest, AnotherRoot_IsFound) {
  const auto other =
      Fleet::OpenOrCreate(testkit::TemporaryDirectory() + "/fleet");
  ASSERT_TRUE(other.ok());
  const base::Certificate roots[] = {other->root()};
  const AuditReport report = VerifyAudit(text_, roots);
  EXPECT_EQ(report.problem, AuditProblem::kWrongCertificate);
  EXPECT_EQ(report.checkpoints, 0u);
}

// Another HSM of the fleet signs a chain that calls itself this one's.
TEST_F(AuditVerifyTest, CheckpointOfAnotherHsm_IsFound) {
  TestHsm other(AppSpec());
  ASSERT_TRUE(other->audit().Checkpoint(true).ok());
  const std::string forged = absl::StrReplaceAll(
      AuditText(*other), {{other->Info()->serial, hsm_->Info()->serial}});
  EXPECT_NE(Verify(forged).problem, AuditProblem::kNone);
}

TEST_F(AuditVerifyTest, SignatureOverAnotherLine_IsFound) {
  std::vector<std::string> lines = lines_;
  size_t at = 0;
  std::vector<size_t> checkpoints;
  for (const std::string& line : lines) {
    if (absl::StrContains(line, "\"checkpoint\"")) checkpoints.push_back(at);
    ++at;
  }
  ASSERT_EQ(checkpoints.size(), 2u);
  const auto signature = [&](size_t i) {
    return lines_[i].substr(lines_[i].find(",\"signature\""));
  };
  std::string& last = lines[checkpoints[1]];
  last =
      last.substr(0, last.find(",\"signature\"")) + signature(checkpoints[0]);
  const AuditReport report = Verify(lines);
  EXPECT_EQ(report.problem, AuditProblem::kBadSignature);
  EXPECT_EQ(report.place, checkpoints[1] + 1);
}

TEST_F(AuditVerifyTest, WhatIsNoLog_IsSaidToBeNone) {
  EXPECT_EQ(Verify("").problem, AuditProblem::kNotALog);
  EXPECT_EQ(Verify("hello\n").problem, AuditProblem::kNotALog);
  EXPECT_EQ(Verify(std::string(10000, '\n')).problem, AuditProblem::kAltered);
}

TEST_F(AuditVerifyTest, LinesBehindTheLastCheckpoint_AreCounted) {
  Note();
  Note();
  const AuditReport report = Verify(AuditText(*hsm_));
  EXPECT_EQ(report.problem, AuditProblem::kNone);
  EXPECT_EQ(report.uncovered, 2u);
}

TEST(AuditWordsTest, NamesAreDistinctAndPlain) {
  std::set<std::string> seen;
  for (const AuditWordRow& row : AuditWords()) {
    EXPECT_TRUE(seen.insert(row.word).second) << row.word;
    EXPECT_EQ(
        std::string(row.word).find_first_not_of("abcdefghijklmnopqrstuvwxyz-"),
        std::string::npos);
  }
}

}  // namespace
}  // namespace hsm
