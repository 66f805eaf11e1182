#include "tests/vectors/vector_file.h"

#include <fstream>
#include <iterator>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace vectors {
namespace {

constexpr absl::string_view kSource = "source";
constexpr absl::string_view kComment = "comment";

// The value of a hexadecimal digit, or -1.
int Nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsFieldName(absl::string_view name) {
  return !name.empty() && absl::c_all_of(name, [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' ||
           c == '.';
  });
}

absl::Status SyntaxError(absl::string_view file, int line,
                         absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", what));
}

// Splits "name = value" or "name =".
std::optional<std::pair<absl::string_view, absl::string_view>> SplitField(
    absl::string_view line) {
  const size_t equals = line.find(" =");
  if (equals == absl::string_view::npos) return std::nullopt;
  const absl::string_view name = line.substr(0, equals);
  absl::string_view value = line.substr(equals + 2);
  if (!IsFieldName(name)) return std::nullopt;
  if (!value.empty() && !absl::ConsumePrefix(&value, " ")) return std::nullopt;
  return std::make_pair(name, value);
}

}  // namespace

bool Block::Has(absl::string_view name) const {
  return fields_.find(name) != fields_.end();
}

absl::StatusOr<const Block::Field*> Block::Read(absl::string_view name) {
  const auto it = fields_.find(name);
  if (it == fields_.end()) {
    return absl::NotFoundError(
        absl::StrCat(file_, ":", line_, ": no field ", name));
  }
  it->second.read = true;
  return &it->second;
}

absl::Status Block::Malformed(absl::string_view name, const Field& field,
                              absl::string_view form) const {
  return SyntaxError(file_, field.line, absl::StrCat(name, " is not ", form));
}

absl::StatusOr<base::Bytes> Block::Hex(absl::string_view name) {
  const absl::StatusOr<const Field*> field = Read(name);
  if (!field.ok()) return field.status();
  const std::string& digits = (*field)->value;
  if (digits.size() % 2 != 0) {
    return Malformed(name, **field, "a whole number of bytes");
  }
  base::Bytes bytes;
  bytes.reserve(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = Nibble(digits[i]);
    const int low = Nibble(digits[i + 1]);
    if (high < 0 || low < 0) return Malformed(name, **field, "hexadecimal");
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

absl::StatusOr<std::string> Block::Text(absl::string_view name) {
  const absl::StatusOr<const Field*> field = Read(name);
  if (!field.ok()) return field.status();
  return (*field)->value;
}

absl::StatusOr<uint64_t> Block::Number(absl::string_view name) {
  const absl::StatusOr<const Field*> field = Read(name);
  if (!field.ok()) return field.status();
  const std::string& digits = (*field)->value;
  uint64_t number = 0;
  if (!absl::c_all_of(digits, absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &number)) {
    return Malformed(name, **field, "a decimal number");
  }
  return number;
}

absl::StatusOr<Result> Block::ExpectedResult() {
  const absl::StatusOr<const Field*> field = Read("result");
  if (!field.ok()) return field.status();
  const std::string& value = (*field)->value;
  if (value == "valid") return Result::kValid;
  if (value == "invalid") return Result::kInvalid;
  if (value == "acceptable") return Result::kAcceptable;
  return Malformed("result", **field, "valid, invalid or acceptable");
}

absl::Status Block::CheckAllRead() const {
  for (const auto& [name, field] : fields_) {
    if (field.read || name == kSource || name == kComment) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(Describe(), ": the test did not read the field ", name,
                     " (line ", field.line, ")"));
  }
  return absl::OkStatus();
}

std::string Block::Describe() const {
  std::string text = absl::StrCat(file_, ":", line_);
  if (const auto it = fields_.find(kSource); it != fields_.end()) {
    absl::StrAppend(&text, ": ", it->second.value);
  }
  if (const auto it = fields_.find(kComment); it != fields_.end()) {
    absl::StrAppend(&text, " (", it->second.value, ")");
  }
  return text;
}

absl::StatusOr<VectorFile> VectorFile::Open(absl::string_view path) {
  std::ifstream in{std::string(path), std::ios::binary};
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return Parse(path.substr(path.rfind('/') + 1), text);
}

absl::StatusOr<VectorFile> VectorFile::Parse(absl::string_view name,
                                             absl::string_view text) {
  std::vector<Block> blocks;
  Block section(name, 0);
  // The paragraph being read: a block, or the defaults of a new section.
  std::optional<Block> open;
  bool is_section = false;

  const auto close = [&] {
    if (!open.has_value()) return;
    if (is_section) {
      section = *std::move(open);
    } else {
      // Fields that the block has itself win: insert() leaves them.
      open->fields_.insert(section.fields_.begin(), section.fields_.end());
      blocks.push_back(*std::move(open));
    }
    open.reset();
    is_section = false;
  };

  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (absl::StartsWith(line, "#")) continue;
    if (line.empty()) {
      close();
      continue;
    }
    if (absl::StartsWith(line, "[")) {
      if (open.has_value() || !absl::EndsWith(line, "]")) {
        return SyntaxError(name, number, "not a section at this place");
      }
      open = Block(name, number);
      is_section = true;
      continue;
    }
    const auto field = SplitField(line);
    if (!field.has_value()) {
      return SyntaxError(name, number, "not \"name = value\"");
    }
    if (!open.has_value()) open = Block(name, number);
    const bool fresh =
        open->fields_
            .insert({std::string(field->first),
                     Block::Field{std::string(field->second), number}})
            .second;
    if (!fresh) {
      return SyntaxError(name, number,
                         absl::StrCat("second value for ", field->first));
    }
  }
  close();
  if (blocks.empty()) return SyntaxError(name, number, "no block");
  return VectorFile(std::move(blocks));
}

absl::Status VectorFile::CheckAllRead() const {
  for (const Block& block : blocks_) {
    if (absl::Status status = block.CheckAllRead(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace vectors
