#include "pkcs11/trace_text.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "hsm/attribute_rules.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/trace_names.h"

namespace pkcs11::trace {
namespace {

using base::ByteSpan;

// One text, so that the table needs no relocations: "\nC_Sign hSession ...\n".
constexpr char kRows[] =
#define PERIGEE_TRACE(function, parameters) "\n" #function " " parameters
#include "pkcs11/trace_rows.def"
#undef PERIGEE_TRACE
    "\n";

constexpr absl::string_view kMarks[] = {
    "",
    "secret",
    "size",
    "out",
    "made",
    "list",
    "template",
    "mechanism",
    "mechanism_type",
    "user",
    "flags",
    "session_flags",
    "event_flags",
    "message_flags",
    "operation_flags",
    "init",
    "label",
    "text",
    "name",
};
static_assert(std::size(kMarks) == static_cast<size_t>(Shown::kUnknownMark));

constexpr size_t kMostShown = 64;  // bytes of a text
constexpr CK_ULONG kMostListed = 16;

// The parameters of the function's row as they stand there.
std::optional<absl::string_view> RowOf(absl::string_view function) {
  absl::string_view rest(kRows, sizeof(kRows) - 1);
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the end of the line before
    const absl::string_view row = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(row.size());
    if (row.size() > function.size() && row[function.size()] == ' ' &&
        absl::StartsWith(row, function)) {
      return row.substr(function.size() + 1);
    }
  }
  return std::nullopt;
}

Parameter ParameterOf(absl::string_view word) {
  const size_t colon = word.find(':');
  const absl::string_view mark =
      colon == absl::string_view::npos ? "" : word.substr(colon + 1);
  const auto* const found =
      std::find(std::begin(kMarks), std::end(kMarks), mark);
  return {word.substr(0, colon),
          static_cast<Shown>(found - std::begin(kMarks))};
}

// What the application points to, at any address.
template <typename T>
T ReadAt(uintptr_t address, size_t index = 0) {
  T value;
  std::memcpy(&value,
              reinterpret_cast<const char*>(address) + index * sizeof(T),
              sizeof(T));
  return value;
}
ByteSpan BytesAt(uintptr_t address, CK_ULONG size) {
  return {reinterpret_cast<const uint8_t*>(address),
          std::min<CK_ULONG>(size, kMostShown + 1)};
}

// The numbers of the standard have 32 bits. A larger one that an application
// points to may be anything that it has in its memory.
constexpr CK_ULONG kLargest = 0xFFFFFFFF;

void AddUlong(CK_ULONG number, Line& line) {
  if (number == CK_UNAVAILABLE_INFORMATION) return line.Add("unavailable");
  number > kLargest ? line.Add("huge") : line.AddNumber(number);
}

void AddNameOr(const char* name, CK_ULONG number, Line& line) {
  if (name != nullptr) return line.Add(name);
  number > kLargest ? line.Add("unknown") : line.AddHex(number);
}

void AddFlags(absl::Span<const NumberName> names, CK_FLAGS flags, Line& line) {
  bool first = true;
  for (const NumberName& each : names) {
    if ((flags & each.number) == 0) continue;
    flags &= ~each.number;
    if (!first) line.Add("|");
    line.Add(each.name);
    first = false;
  }
  if (flags == 0 && !first) return;
  if (!first) line.Add("|");
  flags == 0 ? line.Add("0") : line.AddHex(flags);
}

const char* MechanismName(CK_MECHANISM_TYPE type) {
  const Mechanism* row = Registry::Get().Find(type);
  return row != nullptr ? row->name : nullptr;
}

// --- templates ---------------------------------------------------------------

// The values of attributes that are no secret: truth values, numbers, and
// three kinds of bytes. Of all others the length alone.
void AddValue(CK_ATTRIBUTE_TYPE type, ByteSpan whole, Line& line) {
  const auto kind = hsm::KindOf(type);
  const auto address = reinterpret_cast<uintptr_t>(whole.data());
  if (kind == hsm::AttributeKind::kBool && whole.size() == sizeof(CK_BBOOL)) {
    return line.Add(whole[0] == CK_FALSE ? "false" : "true");
  }
  if (kind == hsm::AttributeKind::kUlong && whole.size() == sizeof(CK_ULONG)) {
    const auto number = ReadAt<CK_ULONG>(address);
    if (type == CKA_CLASS) return AddNameOr(ClassName(number), number, line);
    if (type == CKA_KEY_TYPE) {
      return AddNameOr(KeyTypeName(number), number, line);
    }
    return AddUlong(number, line);
  }
  if (type == CKA_LABEL) return line.AddQuoted(whole);
  if (type == CKA_ID || type == CKA_EC_PARAMS) return line.AddBytes(whole);
  AddUlong(whole.size(), line);
  line.Add(" bytes");
}

void AddAttribute(const CK_ATTRIBUTE& attribute, Line& line) {
  AddNameOr(hsm::AttributeName(attribute.type), attribute.type, line);
  line.Add("=");
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) {
    return line.Add("unavailable");
  }
  if (attribute.pValue == nullptr) {
    AddUlong(attribute.ulValueLen, line);
    return line.Add(" bytes");
  }
  AddValue(
      attribute.type,
      {static_cast<const uint8_t*>(attribute.pValue), attribute.ulValueLen},
      line);
}

void AddTemplate(uintptr_t array, CK_ULONG count, Line& line) {
  line.Add("{");
  for (CK_ULONG i = 0; i < count && !line.is_cut(); ++i) {
    if (i > 0) line.Add(", ");
    AddAttribute(ReadAt<CK_ATTRIBUTE>(array, i), line);
  }
  line.Add("}");
}

// --- arguments ---------------------------------------------------------------

// Of a call, what is needed to show one argument of it.
struct Argument {
  const EndedCall& call;
  absl::Span<const Parameter> parameters;
  size_t index;

  uintptr_t word() const { return call.arguments[index]; }
  uintptr_t next() const { return call.arguments[index + 1]; }
  bool is_last() const { return index + 1 == call.arguments.size(); }
  bool succeeded() const { return call.rv == CKR_OK; }
  bool is_pointer() const { return (call.pointers >> index & 1) != 0; }
  bool was_read() const { return (call.read >> index & 1) != 0; }
  bool was_array_read() const { return (call.read_array >> index & 1) != 0; }
};

// Numbers that the library gave; how many is told by the next `size`.
bool AddList(const Argument& argument, Line& line) {
  if (!argument.succeeded()) return false;
  size_t at = argument.index;
  while (at < argument.parameters.size() &&
         argument.parameters[at].shown != Shown::kSize) {
    ++at;
  }
  if (at == argument.parameters.size()) return false;
  const uintptr_t size = argument.call.arguments[at];
  if (size == 0) return false;
  const auto count = ReadAt<CK_ULONG>(size);
  line.Add("{");
  for (CK_ULONG i = 0; i < std::min(count, kMostListed); ++i) {
    if (i > 0) line.Add(", ");
    AddUlong(ReadAt<CK_ULONG>(argument.word(), i), line);
  }
  line.Add(count > kMostListed ? ", ...}" : "}");
  return true;
}

// What a pointer that is not null points to, if it may be looked at.
bool AddPointed(const Argument& argument, Line& line) {
  const uintptr_t word = argument.word();
  switch (argument.parameters[argument.index].shown) {
    case Shown::kSize:
      if (!argument.succeeded() && argument.call.rv != CKR_BUFFER_TOO_SMALL) {
        return false;
      }
      AddUlong(ReadAt<CK_ULONG>(word), line);
      return true;
    case Shown::kOut:
      if (!argument.succeeded()) return false;
      AddUlong(ReadAt<CK_ULONG>(word), line);
      return true;
    case Shown::kMade:
      if (!argument.succeeded() || !argument.was_read()) return false;
      AddUlong(ReadAt<CK_ULONG>(word), line);
      return true;
    case Shown::kList:
      return AddList(argument, line);
    case Shown::kTemplate:
      if (!argument.was_array_read() || argument.is_last()) return false;
      AddTemplate(word, argument.next(), line);
      return true;
    case Shown::kMechanism: {
      if (!argument.was_read()) return false;
      const auto mechanism = ReadAt<CK_MECHANISM>(word);
      line.Add("{");
      AddNameOr(MechanismName(mechanism.mechanism), mechanism.mechanism, line);
      line.Add(", ");
      AddUlong(mechanism.ulParameterLen, line);
      line.Add(" bytes}");
      return true;
    }
    case Shown::kInit:
      if (!argument.succeeded()) return false;
      line.Add("{");
      AddFlags(InitFlags(), ReadAt<PERIGEE_C_INITIALIZE_ARGS>(word).flags,
               line);
      line.Add("}");
      return true;
    case Shown::kLabel: {
      if (!argument.succeeded()) return false;
      ByteSpan label = BytesAt(word, 32);
      while (!label.empty() && label.back() == ' ') label.remove_suffix(1);
      line.AddQuoted(label);
      return true;
    }
    case Shown::kText:
      if (!argument.succeeded() || argument.is_last()) return false;
      line.AddQuoted(BytesAt(word, argument.next()));
      return true;
    case Shown::kName:
      if (!argument.succeeded()) return false;
      line.AddQuoted(BytesAt(
          word, strnlen(reinterpret_cast<const char*>(word), kMostShown + 1)));
      return true;
    default:
      return false;
  }
}

void AddArgument(const Argument& argument, Line& line) {
  const uintptr_t word = argument.word();
  const Parameter& parameter = argument.parameters[argument.index];
  line.Add(" ");
  line.Add(parameter.name);
  line.Add("=");
  switch (parameter.shown) {
    case Shown::kSecret:
    case Shown::kUnknownMark:
      return line.Add("*");
    case Shown::kMechanismType:
      return AddNameOr(MechanismName(word), word, line);
    case Shown::kUser:
      return AddNameOr(UserName(word), word, line);
    case Shown::kFlags:
      return AddFlags({}, word, line);
    case Shown::kSessionFlags:
      return AddFlags(SessionFlags(), word, line);
    case Shown::kEventFlags:
      return AddFlags(EventFlags(), word, line);
    case Shown::kMessageFlags:
      return AddFlags(MessageFlags(), word, line);
    case Shown::kOperationFlags:
      return AddFlags(OperationFlags(), word, line);
    case Shown::kPlain:
      if (!argument.is_pointer()) return AddUlong(word, line);
      break;
    default:
      break;
  }
  if (word == 0) return line.Add("null");
  if (!AddPointed(argument, line)) line.Add("*");
}

}  // namespace

// --- the line ----------------------------------------------------------------

void Line::Add(absl::string_view text) {
  constexpr absl::string_view kCut = "...";
  if (cut_ && room_ < kLongestLine) return;
  const size_t room = room_ - size_;
  if (text.size() > room) {
    cut_ = true;
    std::memcpy(text_ + size_, text.data(), room);
    size_ = room_;
    std::memcpy(text_ + size_ - kCut.size(), kCut.data(), kCut.size());
    return;
  }
  std::memcpy(text_ + size_, text.data(), text.size());
  size_ += text.size();
}

void Line::AddNumber(uint64_t number) {
  char digits[24];
  Add({digits, static_cast<size_t>(
                   snprintf(digits, sizeof(digits), "%llu", 1ULL * number))});
}

void Line::AddHex(uint64_t number) {
  char digits[24];
  Add({digits, static_cast<size_t>(
                   snprintf(digits, sizeof(digits), "0x%llx", 1ULL * number))});
}

void Line::AddQuoted(ByteSpan text) {
  Add("\"");
  for (const uint8_t byte : text.subspan(0, kMostShown)) {
    const char c = static_cast<char>(byte);
    if (byte < 0x20 || byte > 0x7e) {
      char escaped[8];
      snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
      Add(escaped);
    } else {
      if (c == '"' || c == '\\') Add("\\");
      Add({&c, 1});
    }
  }
  Add(text.size() > kMostShown ? "...\"" : "\"");
}

void Line::AddBytes(ByteSpan bytes) {
  if (bytes.empty()) return Add("empty");
  for (const uint8_t byte : bytes.subspan(0, kMostShown)) {
    char digits[4];
    snprintf(digits, sizeof(digits), "%02x", byte);
    Add(digits);
  }
  if (bytes.size() > kMostShown) Add("...");
}

// --- its parts ---------------------------------------------------------------

std::vector<Parameter> ParametersOf(absl::string_view function) {
  std::vector<Parameter> parameters;
  const auto row = RowOf(function);
  if (!row.has_value()) return parameters;
  for (const absl::string_view word :
       absl::StrSplit(*row, ' ', absl::SkipEmpty())) {
    parameters.push_back(ParameterOf(word));
  }
  return parameters;
}

bool HasRow(absl::string_view function) { return RowOf(function).has_value(); }

void AddBeginning(int64_t time, Line& line) {
  using std::chrono::floor;
  // No function of the C library: those take a lock that a fork may leave held.
  const std::chrono::sys_time<std::chrono::nanoseconds> now{
      std::chrono::nanoseconds(time)};
  const auto day = floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(
      floor<std::chrono::microseconds>(now - day));
  char text[80];
  snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ %d.%d ",
           static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
           static_cast<unsigned>(date.day()),
           static_cast<int>(clock.hours().count()),
           static_cast<int>(clock.minutes().count()),
           static_cast<int>(clock.seconds().count()),
           static_cast<int>(clock.subseconds().count()), getpid(), gettid());
  line.Add(text);
}

void AddCall(const EndedCall& call, Line& line) {
  line.Add(call.name);
  const std::vector<Parameter> parameters = ParametersOf(call.name);
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (i >= parameters.size()) return line.Add(" ?");
    AddArgument({call, parameters, i}, line);
  }
}

void AddEnding(CK_RV rv, int64_t nanoseconds, Line& line) {
  line.BeginEnding();
  line.Add(" -> ");
  line.Add(base::CkRvName(rv));
  char text[48];
  snprintf(text, sizeof(text), " %lld.%lld us\n", nanoseconds / 1000LL,
           nanoseconds % 1000LL / 100LL);
  line.Add(text);
}

}  // namespace pkcs11::trace
