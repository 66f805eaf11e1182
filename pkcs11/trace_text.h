// The text of a trace line, made without memory of its own. Which parameter is
// shown how is said by trace_rows.def alone.
#ifndef PERIGEE_PKCS11_TRACE_TEXT_H_
#define PERIGEE_PKCS11_TRACE_TEXT_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/bytes.h"
#include "base/cryptoki.h"
#include "pkcs11/trace_target.h"

namespace pkcs11::trace {

// A line of at most kLongestLine bytes. What is too much of the call is cut
// and ends with "..."; the ending always has room.
class Line {
 public:
  void Add(absl::string_view text);
  void AddNumber(uint64_t number);
  void AddHex(uint64_t number);  // with 0x
  // At most 64 bytes in quotes; what is not printable ASCII is escaped.
  void AddQuoted(base::ByteSpan text);
  void AddBytes(base::ByteSpan bytes);  // at most 64, in hexadecimal

  bool is_cut() const { return cut_; }
  // From now on nothing is cut.
  void BeginEnding() { room_ = kLongestLine; }
  absl::string_view text() const { return {text_, size_}; }

 private:
  static constexpr size_t kEnding = 160;

  char text_[kLongestLine];
  size_t size_ = 0;
  size_t room_ = kLongestLine - kEnding;
  bool cut_ = false;
};

// The marks of trace_rows.def.
enum class Shown : uint8_t {
  kPlain,
  kSecret,
  kSize,
  kOut,
  kMade,
  kList,
  kTemplate,
  kMechanism,
  kMechanismType,
  kUser,
  kFlags,
  kSessionFlags,
  kEventFlags,
  kMessageFlags,
  kOperationFlags,
  kInit,
  kLabel,
  kText,
  kName,
  kUnknownMark,  // an error in the table
};

struct Parameter {
  absl::string_view name;
  Shown shown;
};
// Of a function; empty for one without parameters or without a row.
std::vector<Parameter> ParametersOf(absl::string_view function);
bool HasRow(absl::string_view function);

// A call that has ended.
struct EndedCall {
  absl::string_view name;
  absl::Span<const uintptr_t> arguments;
  // A bit for each argument.
  uint32_t pointers;
  uint32_t read;        // the library has read what it points to
  uint32_t read_array;  // and as many of them as the next argument says
  CK_RV rv;
};

// "2026-01-31T12:00:00.000000Z 4711.4712 ", from nanoseconds since 1970.
void AddBeginning(int64_t time, Line& line);
// "C_CloseSession hSession=1".
void AddCall(const EndedCall& call, Line& line);
// " -> CKR_OK 12.3 us" and the end of the line.
void AddEnding(CK_RV rv, int64_t nanoseconds, Line& line);

}  // namespace pkcs11::trace

#endif  // PERIGEE_PKCS11_TRACE_TEXT_H_
