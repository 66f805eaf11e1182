// Reads the known-answer vectors of tests/vectors/*.txt. The format is in
// README.md beside this file.
//
//   auto file = vectors::VectorFile::Open("tests/vectors/ecdh.txt");
//   for (vectors::Block& block : file->blocks()) {
//     SCOPED_TRACE(block.Describe());
//     auto point = block.Hex("public_point");
//     ...
//   }
//   EXPECT_TRUE(file->CheckAllRead().ok());
//
// A block remembers which of its fields were read. CheckAllRead fails on the
// first that was not, so that a test cannot pass over a parameter, a block or
// an expectation that it does not know.
#ifndef PERIGEE_TESTS_VECTORS_VECTOR_FILE_H_
#define PERIGEE_TESTS_VECTORS_VECTOR_FILE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace vectors {

// Where the files are; tests run in the source directory.
inline constexpr char kVectorsDirectory[] = "tests/vectors";

// What a block expects.
enum class Result {
  kValid,       // must work and give the values in the block
  kInvalid,     // must be refused
  kAcceptable,  // may be refused; if it works it gives the values
};

// One test case: its own fields and those of its section.
class Block {
 public:
  // Whether there is a field `name`. Does not count as reading it.
  bool Has(absl::string_view name) const;

  // The value of `name`. NotFound if there is no such field, InvalidArgument
  // if the value is not of that form; the message names file and line.
  absl::StatusOr<base::Bytes> Hex(absl::string_view name);
  absl::StatusOr<std::string> Text(absl::string_view name);
  absl::StatusOr<uint64_t> Number(absl::string_view name);  // decimal
  absl::StatusOr<Result> ExpectedResult();                  // `result`

  // OK if every field was read; otherwise FailedPrecondition that names the
  // first that was not. `source` and `comment` are for people and count as
  // read.
  absl::Status CheckAllRead() const;

  // "ecdh.txt:41: ring agreement_tests (too short)", for SCOPED_TRACE.
  std::string Describe() const;

 private:
  friend class VectorFile;

  struct Field {
    std::string value;
    int line = 0;
    bool read = false;
  };

  Block(absl::string_view file, int line) : file_(file), line_(line) {}

  absl::StatusOr<const Field*> Read(absl::string_view name);
  absl::Status Malformed(absl::string_view name, const Field& field,
                         absl::string_view form) const;

  std::string file_;
  int line_;
  std::map<std::string, Field, std::less<>> fields_;
};

class VectorFile {
 public:
  // The blocks of the file at `path`. NotFound if it cannot be read,
  // InvalidArgument if it is malformed or has no block.
  static absl::StatusOr<VectorFile> Open(absl::string_view path);

  // The same for `text`; `name` stands for the file in messages.
  static absl::StatusOr<VectorFile> Parse(absl::string_view name,
                                          absl::string_view text);

  std::vector<Block>& blocks() { return blocks_; }
  const std::vector<Block>& blocks() const { return blocks_; }

  // Block::CheckAllRead of every block: the first failure.
  absl::Status CheckAllRead() const;

 private:
  explicit VectorFile(std::vector<Block> blocks) : blocks_(std::move(blocks)) {}

  std::vector<Block> blocks_;
};

}  // namespace vectors

#endif  // PERIGEE_TESTS_VECTORS_VECTOR_FILE_H_
