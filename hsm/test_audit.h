// Reading an HSM's audit log in tests.
#ifndef PERIGEE_HSM_TEST_AUDIT_H_
#define PERIGEE_HSM_TEST_AUDIT_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "hsm/audit_verify.h"
#include "hsm/hsm.h"

namespace hsm {
namespace testkit {

inline std::string AuditText(Hsm& hsm) {
  std::string text;
  for (uint64_t next = 0;;) {
    const auto page = hsm.audit().Lines(next, 1 << 20);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->text.empty()) return text;
    text += page->text;
    next = page->next;
  }
}

// Each with its line feed.
inline std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::string& line : lines) line += '\n';
  return lines;
}

inline std::vector<std::string> LinesWith(Hsm& hsm, absl::string_view word) {
  std::vector<std::string> found;
  for (const std::string& line : LinesOf(AuditText(hsm))) {
    if (absl::StrContains(line, absl::StrCat("\"event\":\"", word, "\""))) {
      found.push_back(line);
    }
  }
  return found;
}

}  // namespace testkit
}  // namespace hsm

#endif  // PERIGEE_HSM_TEST_AUDIT_H_
