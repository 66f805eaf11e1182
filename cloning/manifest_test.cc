// The manifests that runs leave in a backup partition, and whoever alters one.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cloning/test_ends.h"
#include "cloning/test_objects.h"
#include "cloning/test_run.h"
#include "hsm/manifest_book.h"
#include "hsm/manifest_verify.h"

namespace cloning {
namespace {

using hsm::ManifestProblem;
using hsm::ManifestReport;

std::vector<base::Certificate> Roots() { return {TestFleet().root()}; }

// The whole file, as a courier puts it together.
absl::StatusOr<std::string> Export(hsm::Partition& partition) {
  std::string text;
  uint64_t page = 0;
  do {
    ASSIGN_OR_RETURN(const auto part, hsm::ManifestBook(partition).Read(page));
    text += part.text;
    page = part.next;
  } while (page != 0);
  return text;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  return lines;
}
std::string Text(const std::vector<std::string>& lines) {
  return absl::StrJoin(lines, "\n") + "\n";
}

class ManifestTest : public ::testing::Test {
 protected:
  void Backup(const std::vector<uint64_t>& handles) {
    TestRun run = TestRun::Between(from, archive);
    ASSERT_TRUE(run.Carry(handles).ok());
    ASSERT_TRUE(run.End().ok());
  }
  std::string Exported() { return Export(*archive.partition).value(); }

  // One backup of two objects, then one of a third: two links, three rows.
  std::string TwoLinks() {
    const uint64_t a = from.Add(AesKey("a", 1)), b = from.Add(AesKey("b", 2));
    Backup({a, b});
    Backup({a, b, from.Add(RsaPrivateKey("c"))});
    return Exported();
  }

  TestHsm app;
  TestHsm backup{TestHsm::BackupSpec()};
  TestPartition from = app.Make();
  TestPartition archive = backup.Make();
};

TEST_F(ManifestTest, NoRun_HasNoManifest) {
  EXPECT_EQ(base::CkRv(Export(*archive.partition).status()), CKR_DATA_INVALID);
}

TEST_F(ManifestTest, Run_IsInItWithSourceDeviceAndObjects) {
  const uint64_t handle = from.Add(AesKey("the label of the key"));
  from.Add(AesKey("stays", 2));
  Backup({handle});
  const std::string text = Exported();
  const ManifestReport report = hsm::VerifyManifest(text, Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  EXPECT_TRUE(report.rows_hold);
  ASSERT_EQ(report.links.size(), 1u);
  const hsm::ManifestHead& head = report.links[0].head;
  EXPECT_EQ(head.seq, 1u);
  EXPECT_TRUE(head.ended);
  EXPECT_EQ(head.source,
            hsm::ManifestParty::Of(from.partition->MakeStatement().value()));
  EXPECT_EQ(head.device,
            hsm::ManifestParty::Of(archive.partition->MakeStatement().value()));
  EXPECT_EQ(head.hsm_policies, backup.hsm->Policies().value());
  EXPECT_EQ(head.partition_policies, archive.partition->Policies().value());
  EXPECT_EQ(head.source_objects, 2u);
  EXPECT_EQ(head.rows, 1u);
  EXPECT_EQ(head.left_out, 0u);
  const std::string row = Lines(text)[1];
  const hsm::AttributeSet object = from.Get(handle)->attributes();
  EXPECT_TRUE(absl::StartsWith(
      row,
      absl::StrCat("{\"row\":1,\"ouid\":\"", hsm::HexOf(object.Value(CKA_OUID)),
                   "\",\"class\":4,\"keytype\":31,\"size\":")))
      << row;
  EXPECT_TRUE(absl::StrContains(
      row, absl::StrCat("\"origin\":{\"serial\":\"",
                        from.partition->MakeStatement()->serial, "\"")));
}

TEST_F(ManifestTest, NoLabelAndNoValue_IsInIt) {
  const uint64_t handle = from.Add(AesKey("the label of the key"));
  Backup({handle});
  const std::string text = Exported();
  EXPECT_FALSE(absl::StrContains(text, "the label of the key"));
  EXPECT_FALSE(absl::StrContains(
      text, hsm::HexOf(from.Get(handle)->attributes().Value(CKA_VALUE))));
}

TEST_F(ManifestTest, Fingerprint_IsOfThePartitionAndTheContents) {
  const uint64_t handle = from.Add(AesKey("a"));
  TestPartition other = backup.Make();
  Backup({handle});
  TestRun run = TestRun::Between(from, other);
  ASSERT_TRUE(run.Carry({handle}).ok());
  ASSERT_TRUE(run.End().ok());
  const auto fingerprint = [](const std::string& text) {
    const std::string row = Lines(text)[1];
    return row.substr(row.find("\"fingerprint\""));
  };
  const std::string first = fingerprint(Exported());
  EXPECT_NE(first, fingerprint(Export(*other.partition).value()));
  // Stored anew, it is the same one again.
  ASSERT_TRUE(archive.partition->Clear(archive.co.get()).ok());
  Backup({handle});
  EXPECT_EQ(first, fingerprint(Lines(Exported())[1] + "\n" +
                               Text({Lines(Exported())[2]})));
}

TEST_F(ManifestTest, NextRun_IsChainedAndHasAllObjects) {
  const ManifestReport report = hsm::VerifyManifest(TwoLinks(), Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  ASSERT_EQ(report.links.size(), 2u);
  EXPECT_EQ(hsm::HexOf(report.links[1].head.prev), report.links[0].hash);
  EXPECT_EQ(report.links[0].head.rows, 2u);
  EXPECT_EQ(report.rows, 3u);
}

TEST_F(ManifestTest, DestroyedObject_IsNotInTheNext) {
  const uint64_t a = from.Add(AesKey("a", 1)), b = from.Add(AesKey("b", 2));
  Backup({a, b});
  ASSERT_TRUE(
      archive.partition->Destroy(archive.co.get(), archive.Handles().front())
          .ok());
  Backup({b});
  const ManifestReport report = hsm::VerifyManifest(Exported(), Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  EXPECT_EQ(report.rows, 1u);
}

TEST_F(ManifestTest, UnchangedRuns_HaveTheSameRowsAndTheirOwnLeftOut) {
  const uint64_t a = from.Add(AesKey("a", 1)), b = from.Add(AesKey("b", 2));
  Backup({a, b});
  const std::vector<std::string> first = Lines(Exported());
  {
    TestRun run = TestRun::Between(from, archive);
    ASSERT_TRUE(run.Carry({a}).ok());
    ASSERT_EQ(run.source.Next({uint64_t{4711}}).value().items.size(), 1u);
    ASSERT_TRUE(run.End().ok());
  }
  const std::string second = Exported();
  ManifestReport report = hsm::VerifyManifest(second, Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  EXPECT_EQ(report.left_out, 1u);
  EXPECT_EQ(Lines(second)[2], first[1]);
  EXPECT_EQ(Lines(second)[3], first[2]);
  Backup({a, b});
  const std::string third = Exported();
  report = hsm::VerifyManifest(third, Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  EXPECT_EQ(report.left_out, 0u);
  EXPECT_EQ(report.links[2].head.digest, report.links[0].head.digest);
  EXPECT_EQ(Lines(third).back(), first.back());
}

TEST_F(ManifestTest, LeftOutAtTheSource_IsInItWithItsReason) {
  from.SetPolicy(hsm::partition_policy::kPrivateKeyCloning, 0);
  const uint64_t rsa = from.Add(RsaPrivateKey("stays"));
  Backup({from.Add(AesKey("goes"))});
  TestRun run = TestRun::Between(from, archive);
  const Batch batch = run.source.Next({rsa}).value();
  ASSERT_EQ(batch.items.size(), 1u);
  ASSERT_TRUE(run.End().ok());
  const std::string text = Exported();
  const ManifestReport report = hsm::VerifyManifest(text, Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  EXPECT_EQ(report.left_out, 1u);
  EXPECT_EQ(
      Lines(text).back(),
      absl::StrCat("{\"left_out\":1,\"ouid\":\"",
                   hsm::HexOf(from.Get(rsa)->attributes().Value(CKA_OUID)),
                   "\",\"class\":3,\"keytype\":0,\"result\":\"",
                   base::CkRvName(batch.items[0].rv),
                   "\",\"reason\":\"cloning-policy\"}"));
}

TEST_F(ManifestTest, RefusedAtTheTarget_IsInItWithItsReason) {
  archive.SetPolicy(hsm::partition_policy::kPrivateKeyCloning, 0);
  Backup({from.Add(AesKey("goes")), from.Add(RsaPrivateKey("stays"))});
  const std::string text = Exported();
  EXPECT_EQ(hsm::VerifyManifest(text, Roots()).problem, ManifestProblem::kNone);
  EXPECT_TRUE(absl::StrContains(Lines(text).back(),
                                "\"class\":3,\"keytype\":0,\"result\":"))
      << Lines(text).back();
  EXPECT_TRUE(
      absl::StrContains(Lines(text).back(), "\"reason\":\"cloning-policy\""));
}

TEST_F(ManifestTest, RunThatBrokeOff_IsClosedByTheNext) {
  const uint64_t a = from.Add(AesKey("a", 1)), b = from.Add(AesKey("b", 2));
  {
    TestRun run = TestRun::Between(from, archive);
    ASSERT_TRUE(run.Carry({a}).ok());
  }
  Backup({b});
  const ManifestReport report = hsm::VerifyManifest(Exported(), Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  ASSERT_EQ(report.links.size(), 2u);
  EXPECT_FALSE(report.links[0].head.ended);
  EXPECT_EQ(report.links[0].head.rows, 1u);
  EXPECT_TRUE(report.links[1].head.ended);
}

TEST_F(ManifestTest, Rows_AreOfEveryObjectInManyPages) {
  std::vector<uint64_t> handles;
  for (int i = 0; i < 700; ++i) {
    handles.push_back(from.Add(AesKey(absl::StrCat("key ", i))));
  }
  TestRun run = TestRun::Between(from, archive);
  const absl::Span<const uint64_t> all(handles);
  for (size_t at = 0; at < all.size();) {
    const Batch batch = run.source.Next(all.subspan(at)).value();
    ASSERT_TRUE(run.target.Accept(batch.sealed, {}).ok());
    at += batch.items.size();
  }
  ASSERT_TRUE(run.End().ok());
  const ManifestReport report = hsm::VerifyManifest(Exported(), Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kNone) << report.text;
  EXPECT_EQ(report.rows, 700u);
}

// --- altered -----------------------------------------------------------------

TEST_F(ManifestTest, EachAlteredByte_IsFound) {
  const std::string text = TwoLinks();
  for (size_t at = 0; at < text.size(); at += 3) {
    std::string altered = text;
    altered[at] ^= 1;
    const ManifestReport report = hsm::VerifyManifest(altered, Roots());
    EXPECT_NE(report.problem, ManifestProblem::kNone) << at;
    EXPECT_FALSE(report.rows_hold) << at;
  }
}

TEST_F(ManifestTest, EachRemovedLine_IsFound) {
  const std::vector<std::string> lines = Lines(TwoLinks());
  ASSERT_EQ(lines.size(), 5u);
  // The first head alone may be missing: a device keeps so many of them.
  for (size_t gone = 1; gone < lines.size(); ++gone) {
    std::vector<std::string> left = lines;
    left.erase(left.begin() + gone);
    EXPECT_NE(hsm::VerifyManifest(Text(left), Roots()).problem,
              ManifestProblem::kNone)
        << gone;
  }
}

TEST_F(ManifestTest, EachSwappedPairOfLines_IsFound) {
  const std::vector<std::string> lines = Lines(TwoLinks());
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    std::vector<std::string> swapped = lines;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_NE(hsm::VerifyManifest(Text(swapped), Roots()).problem,
              ManifestProblem::kNone)
        << i;
  }
}

TEST_F(ManifestTest, EachTruncation_IsFound) {
  const std::string text = TwoLinks();
  for (size_t size = 0; size < text.size(); size += 7) {
    EXPECT_NE(hsm::VerifyManifest(text.substr(0, size), Roots()).problem,
              ManifestProblem::kNone)
        << size;
  }
}

TEST_F(ManifestTest, MoreLines_AreFound) {
  const std::string text = TwoLinks();
  EXPECT_EQ(hsm::VerifyManifest(text + "{}\n", Roots()).problem,
            ManifestProblem::kUnknownLine);
  EXPECT_EQ(hsm::VerifyManifest(text + " ", Roots()).problem,
            ManifestProblem::kUnknownLine);
}

TEST_F(ManifestTest, LeftOutRow_CannotBecomeARow) {
  archive.SetPolicy(hsm::partition_policy::kPrivateKeyCloning, 0);
  Backup({from.Add(AesKey("goes")), from.Add(RsaPrivateKey("stays"))});
  const std::string forged = absl::StrReplaceAll(
      Exported(), {{"\"left_out\":1,\"more\"", "\"left_out\":0,\"more\""}});
  EXPECT_EQ(hsm::VerifyManifest(forged, Roots()).problem,
            ManifestProblem::kBadSignature);
}

TEST_F(ManifestTest, AnotherRoot_IsNotEnough) {
  const hsm::Fleet other =
      hsm::Fleet::OpenOrCreate(::testing::TempDir() + "other-fleet").value();
  const std::vector<base::Certificate> roots = {other.root()};
  const ManifestReport report = hsm::VerifyManifest(TwoLinks(), roots);
  EXPECT_EQ(report.problem, ManifestProblem::kWrongCertificate);
  EXPECT_EQ(report.place, 1u);
}

TEST_F(ManifestTest, LinkOfAnotherPartition_BreaksTheChain) {
  TestPartition other = backup.Make();
  const uint64_t handle = from.Add(AesKey("a"));
  TestRun run = TestRun::Between(from, other);
  ASSERT_TRUE(run.Carry({handle}).ok());
  ASSERT_TRUE(run.End().ok());
  std::vector<std::string> lines = Lines(TwoLinks());
  lines[0] = Lines(Export(*other.partition).value())[0];
  const ManifestReport report = hsm::VerifyManifest(Text(lines), Roots());
  EXPECT_EQ(report.problem, ManifestProblem::kBrokenChain);
  ASSERT_EQ(report.links.size(), 2u);
  EXPECT_EQ(report.links[0].problem, ManifestProblem::kNone);
  EXPECT_EQ(report.links[1].problem, ManifestProblem::kBrokenChain);
}

}  // namespace
}  // namespace cloning
