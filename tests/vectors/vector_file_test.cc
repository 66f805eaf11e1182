#include "tests/vectors/vector_file.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

// Where the vector files are. The build gives the absolute path; without it
// the test runs from the top of the source tree.
namespace vectors {
namespace {

using base::Bytes;

absl::StatusOr<VectorFile> Parse(absl::string_view text) {
  return VectorFile::Parse("t.txt", text);
}

TEST(VectorFile, SplitsBlocksAtEmptyLines) {
  auto file = Parse(
      "# A comment.\n"
      "\n"
      "a = 1\n"
      "# Inside a block.\n"
      "b = 2\n"
      "\n"
      "\n"
      "a = 3");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->blocks().size(), 2u);
  EXPECT_EQ(file->blocks()[0].Number("a").value(), 1u);
  EXPECT_EQ(file->blocks()[0].Number("b").value(), 2u);
  EXPECT_EQ(file->blocks()[1].Number("a").value(), 3u);
  EXPECT_FALSE(file->blocks()[1].Has("b"));
}

TEST(VectorFile, SectionGivesDefaultsUntilTheNext) {
  auto file = Parse(
      "[one, with a blank]\n"
      "k = 01\n"
      "m = x\n"
      "\n"
      "a = 1\n"
      "\n"
      "k = 02\n"
      "\n"
      "[two]\n"
      "\n"
      "a = 1\n");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->blocks().size(), 3u);
  EXPECT_EQ(file->blocks()[0].Hex("k").value(), Bytes({1}));
  EXPECT_EQ(file->blocks()[1].Hex("k").value(), Bytes({2}));
  EXPECT_EQ(file->blocks()[1].Text("m").value(), "x");
  EXPECT_FALSE(file->blocks()[2].Has("k"));
}

TEST(VectorFile, TypedGetters) {
  auto file = Parse(
      "h = 00fFA5\n"
      "empty =\n"
      "t = two = words\n"
      "n = 18446744073709551615\n"
      "result = acceptable\n");
  ASSERT_TRUE(file.ok()) << file.status();
  Block& block = file->blocks()[0];
  EXPECT_EQ(block.Hex("h").value(), Bytes({0x00, 0xff, 0xa5}));
  EXPECT_EQ(block.Hex("empty").value(), Bytes());
  EXPECT_EQ(block.Text("t").value(), "two = words");
  EXPECT_EQ(block.Number("n").value(), UINT64_MAX);
  EXPECT_EQ(block.ExpectedResult().value(), Result::kAcceptable);
}

TEST(VectorFile, GettersRefuseOtherForms) {
  auto file = Parse(
      "odd = 123\n"
      "word = 0g\n"
      "minus = -1\n"
      "blank =\n"
      "big = 18446744073709551616\n"
      "result = perhaps\n");
  ASSERT_TRUE(file.ok()) << file.status();
  Block& block = file->blocks()[0];
  EXPECT_TRUE(absl::IsInvalidArgument(block.Hex("odd").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(block.Hex("word").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(block.Number("word").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(block.Number("minus").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(block.Number("blank").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(block.Number("big").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(block.ExpectedResult().status()));
  EXPECT_TRUE(absl::IsNotFound(block.Hex("none").status()));
  EXPECT_TRUE(absl::StrContains(block.Hex("word").status().message(),
                                "t.txt:2: word is not hexadecimal"));
}

TEST(VectorFile, UnreadFieldFails) {
  auto file = Parse(
      "[section]\n"
      "inherited = 1\n"
      "\n"
      "source = s\n"
      "comment = c\n"
      "own = 2\n");
  ASSERT_TRUE(file.ok()) << file.status();
  Block& block = file->blocks()[0];
  EXPECT_EQ(block.Describe(), "t.txt:4: s (c)");

  // Has() is no reading, and neither is asking for what is not there.
  EXPECT_TRUE(block.Has("own"));
  EXPECT_FALSE(block.Text("missing").ok());
  ASSERT_TRUE(block.Text("inherited").ok());
  absl::Status status = file->CheckAllRead();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_TRUE(absl::StrContains(status.message(), "own")) << status;

  ASSERT_TRUE(block.Number("own").ok());
  EXPECT_TRUE(file->CheckAllRead().ok());
}

TEST(VectorFile, UnreadInheritedFieldFails) {
  auto file = Parse("[s]\ninherited = 1\n\nown = 2\n\nown = 3\n");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->blocks()[0].Text("inherited").ok());
  for (Block& block : file->blocks()) ASSERT_TRUE(block.Text("own").ok());
  EXPECT_TRUE(file->blocks()[0].CheckAllRead().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(file->blocks()[1].CheckAllRead()));
  EXPECT_TRUE(absl::IsFailedPrecondition(file->CheckAllRead()));
}

TEST(VectorFile, RefusesMalformedFiles) {
  const std::vector<std::string> malformed = {
      "",                      // no block
      "# only a comment\n",    // the same
      "[section]\nk = 1\n",    // the same
      "name\n",                // no value
      "name=1\n",              // no blanks
      "name =1\n",             // one blank
      " name = 1\n",           // indented
      "Name = 1\n",            // capitals
      " = 1\n",                // no name
      "a = 1\na = 2\n",        // twice
      "a = 1\n[section]\n",    // a section inside a block
      "[section\n\na = 1\n",   // not closed
      "[one]\n[two]\na = 1\n"  // a section inside a section
  };
  for (const std::string& text : malformed) {
    EXPECT_TRUE(absl::IsInvalidArgument(Parse(text).status())) << text;
  }
}

TEST(VectorFile, OpenNeedsAFile) {
  EXPECT_TRUE(absl::IsNotFound(VectorFile::Open("/nonexistent").status()));
}

// Every vector file parses, and every block has what all tests rely on.
TEST(VectorFile, ShippedFiles) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(kVectorsDirectory)) {
    if (entry.path().extension() != ".txt") continue;
    if (entry.path().filename() == "CMakeLists.txt") continue;
    ++files;
    auto file = VectorFile::Open(entry.path().string());
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_FALSE(file->blocks().empty()) << entry.path();
    int valid = 0;
    for (Block& block : file->blocks()) {
      SCOPED_TRACE(block.Describe());
      EXPECT_TRUE(block.Has("source"));
      const auto mechanism = block.Text("mechanism");
      ASSERT_TRUE(mechanism.ok()) << mechanism.status();
      EXPECT_TRUE(absl::StartsWith(*mechanism, "CKM_"));
      const auto result = block.ExpectedResult();
      ASSERT_TRUE(result.ok()) << result.status();
      if (*result == Result::kValid) ++valid;
    }
    EXPECT_GT(valid, 0) << entry.path();
  }
  EXPECT_GE(files, 15);
}

}  // namespace
}  // namespace vectors
