// Runs the files of known answers in tests/vectors/symmetric through the rows
// of the mechanism registry, as vectors_test.cc does with the files above it.
#include "tests/vectors/symmetric_vectors.h"

#include <dirent.h>

#include <map>
#include <ostream>

#include "tests/vectors/vector_job.h"

namespace pkcs11 {
namespace {

constexpr char kDirectory[] = "tests/vectors/symmetric";

// Mechanisms without vectors of their own, with the reason.
const std::map<std::string, std::string>& CoveredBySiblings() {
  static const auto& covered = *[] {
    auto* made = new std::map<std::string, std::string>{};
    for (const Mechanism* row : Registry::Get().rows()) {
      if (row->generate != nullptr && row->key_type != CKK_GENERIC_SECRET) {
        (*made)[row->name] = "generation";
      }
    }
    return made;
  }();
  return covered;
}

void RunDigest(Block& block) {
  const Mechanism* row = RowOf(block);
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  ParametersRef parameters;
  if (block.Has("digest_bits")) {
    CK_MAC_GENERAL_PARAMS bits = Get(block.Number("digest_bits"));
    const auto parsed = ParseParameters(*row, {row->type, &bits, sizeof(bits)});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    parameters = *parsed;
  }
  EXPECT_EQ(Digest(row, Hex(block, "message"), parameters.get()),
            Hex(block, "digest"));
}

// HMAC and CMAC; `key.type` if it is not a generic secret.
void RunMac(Block& block, CK_KEY_TYPE type) {
  CK_MAC_GENERAL_PARAMS size = 0;
  const bool is_general = block.Has("tag_length");
  if (is_general) size = Get(block.Number("tag_length"));
  const auto job =
      NewJob(RowOf(block), SecretKey(type, Hex(block, "key.value")),
             is_general ? &size : nullptr, is_general ? sizeof(size) : 0);
  ASSERT_TRUE(job.ok()) << job.status();
  const Bytes message = Hex(block, "message");
  const Bytes tag = Hex(block, "tag");
  const Result expected = Get(block.ExpectedResult());
  ExpectSignature(expected, RunVerify(*job, message, tag));
  if (expected != Result::kValid) return;
  const auto made = RunSign(*job, message);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, tag);
}

void RunHmac(Block& block) { RunMac(block, CKK_GENERIC_SECRET); }

void ExpectDerived(Block& block, const VectorJob& job) {
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  const Bytes derived = Hex(block, "derived");
  const auto value = job.row->derive(job.use(), derived.size());
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(base::ToBytes(value->Expose()), derived);
}

void RunDerive(Block& block) {
  const auto job = NewJob(
      RowOf(block), SecretKey(CKK_GENERIC_SECRET, Hex(block, "key.value")));
  ASSERT_TRUE(job.ok()) << job.status();
  ExpectDerived(block, *job);
}

struct Family {
  const char* file;
  void (*run)(Block&);
  friend void PrintTo(const Family& family, std::ostream* out) {
    *out << family.file;
  }
};

constexpr Family kFamilies[] = {
    {"digests", RunDigest},
    {"hash_derive", RunDerive},
    {"hmac", RunHmac},
};

absl::StatusOr<vectors::VectorFile> Open(const Family& family) {
  return vectors::VectorFile::Open(std::string(kDirectory) + "/" + family.file +
                                   ".txt");
}

class SymmetricVectorsTest : public testing::TestWithParam<Family> {};

TEST_P(SymmetricVectorsTest, GiveTheKnownAnswers) {
  auto file = Open(GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  for (Block& block : file->blocks()) {
    SCOPED_TRACE(block.Describe());
    GetParam().run(block);
  }
  EXPECT_TRUE(file->CheckAllRead().ok()) << file->CheckAllRead();
}

INSTANTIATE_TEST_SUITE_P(All, SymmetricVectorsTest,
                         testing::ValuesIn(kFamilies),
                         [](const testing::TestParamInfo<Family>& info) {
                           return std::string(info.param.file);
                         });

TEST(SymmetricVectorFilesTest, AreAllRun) {
  std::set<std::string> run;
  for (const Family& family : kFamilies) {
    run.insert(std::string(family.file) + ".txt");
  }
  std::set<std::string> present;
  DIR* directory = opendir(kDirectory);
  ASSERT_NE(directory, nullptr);
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name.front() != '.') present.insert(name);
  }
  closedir(directory);
  EXPECT_EQ(present, run);
}

}  // namespace

std::set<std::string> SymmetricCoverage() {
  std::set<std::string> covered;
  for (const Family& family : kFamilies) {
    auto file = Open(family);
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) continue;
    for (Block& block : file->blocks()) {
      covered.insert(Get(block.Text("mechanism")));
    }
  }
  for (const auto& [name, reason] : CoveredBySiblings()) covered.insert(name);
  return covered;
}

}  // namespace pkcs11
