#include "tools/shell/line_editor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "tools/shell/secret_entry.h"

namespace shell {
namespace {

constexpr int kRemembered = 1000;

// Makes the directory of `path` (0700 where it is new); false when it cannot.
bool MakeParents(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos;
       at = path.find('/', at + 1)) {
    if (mkdir(path.substr(0, at).c_str(), 0700) != 0 && errno != EEXIST) {
      return false;
    }
  }
  return true;
}

}  // namespace

size_t LastWordStart(absl::string_view line) {
  size_t start = line.size();
  bool in_quotes = false;
  bool in_word = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (!in_quotes && absl::ascii_isspace(line[i])) {
      in_word = false;
      start = line.size();
      continue;
    }
    if (!in_word) start = i;
    in_word = true;
    if (line[i] == '"') in_quotes = !in_quotes;
  }
  return start;
}

std::string CommonStart(const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "";
  size_t n = candidates.front().size();
  for (const std::string& one : candidates) {
    n = std::min(n, one.size());
    for (size_t i = 0; i < n; ++i) {
      if (absl::ascii_tolower(one[i]) !=
          absl::ascii_tolower(candidates.front()[i])) {
        n = i;
      }
    }
  }
  return candidates.front().substr(0, n);
}

LineEditor::LineEditor(std::string prompt, std::string history_file,
                       Completer completer)
    : prompt_(std::move(prompt)),
      history_file_(std::move(history_file)),
      completer_(std::move(completer)) {
  editor_ = el_init("perigee", stdin, stdout, stderr);
  history_ = history_init();
  HistEvent event;
  history(history_, &event, H_SETSIZE, kRemembered);
  history(history_, &event, H_SETUNIQUE, 1);
  if (!history_file_.empty()) {
    history(history_, &event, H_LOAD, history_file_.c_str());
  }
  el_set(editor_, EL_CLIENTDATA, this);
  el_set(editor_, EL_GETCFN, &LineEditor::OnKey);
  el_set(editor_, EL_PROMPT, &LineEditor::Prompt);
  el_set(editor_, EL_EDITOR, "emacs");
  el_set(editor_, EL_HIST, history, history_);
  // The narrow form copies the names and never frees them.
  el_wset(editor_, EL_ADDFN, L"perigee-complete", L"completes the word",
          &LineEditor::OnTab);
  el_set(editor_, EL_BIND, "^I", "perigee-complete", nullptr);
  el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  history_end(history_);
  el_end(editor_);
}

LineEditor* LineEditor::Of(EditLine* editor) {
  LineEditor* self = nullptr;
  el_get(editor, EL_CLIENTDATA, &self);
  return self;
}

char* LineEditor::Prompt(EditLine* editor) {
  return Of(editor)->prompt_.data();
}

unsigned char LineEditor::OnTab(EditLine* editor, int) {
  return Of(editor)->Complete();
}

// libedit's own would wait on after a Ctrl-C that came just before.
int LineEditor::OnKey(EditLine*, wchar_t* key) {
  mbstate_t state = {};
  for (;;) {
    char c = 0;
    if (!AwaitInput(STDIN_FILENO)) {
      errno = EINTR;
      return -1;
    }
    const ssize_t n = read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return static_cast<int>(n);
    const size_t used = mbrtowc(key, &c, 1, &state);
    if (used == static_cast<size_t>(-1)) state = {};  // not of this locale
    if (used < static_cast<size_t>(-2)) return 1;
  }
}

unsigned char LineEditor::Complete() {
  const LineInfo* info = el_line(editor_);
  const SecretText before(absl::string_view(
      info->buffer, static_cast<size_t>(info->cursor - info->buffer)));
  const absl::string_view text = before.RevealText();
  const std::vector<std::string> candidates = completer_(text);
  if (candidates.empty()) return CC_ARGHACK;
  const size_t typed = text.size() - LastWordStart(text);
  const std::string common = CommonStart(candidates);
  if (common.size() > typed || candidates.size() == 1) {
    el_deletestr(editor_, static_cast<int>(typed));
    return el_insertstr(editor_, common.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }
  absl::PrintF("\n");
  for (const std::string& one : candidates) absl::PrintF("  %s\n", one);
  fflush(stdout);
  return CC_REDISPLAY;
}

LineEditor::Got LineEditor::Read(SecretText& line) {
  TakeInterrupt();
  int count = 0;
  errno = 0;
  // libedit would do so after it has shown the prompt, and a key pressed in
  // between would be taken by the terminal (Ctrl-D: for good).
  el_set(editor_, EL_PREP_TERM, 1);
  const char* text = el_gets(editor_, &count);
  if (TakeInterrupt()) {
    el_reset(editor_);
    absl::PrintF("\n");
    return Got::kInterrupt;
  }
  if (text == nullptr || count <= 0) return Got::kEnd;
  line = SecretText(absl::StripTrailingAsciiWhitespace(
      absl::string_view(text, static_cast<size_t>(count))));
  // libedit's copy of the line; one in its screen buffer stays until the next.
  explicit_bzero(const_cast<char*>(text), static_cast<size_t>(count));
  return Got::kLine;
}

void LineEditor::Remember(absl::string_view line) {
  if (line.empty()) return;
  HistEvent event;
  history(history_, &event, H_ENTER, std::string(line).c_str());
  Save();
}

void LineEditor::Save() {
  if (history_file_.empty() || !MakeParents(history_file_)) return;
  // The mode is right from the beginning, not only after the writing.
  const int fd =
      open(history_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  close(fd);
  HistEvent event;
  history(history_, &event, H_SAVE, history_file_.c_str());
}

std::string LineEditor::DefaultHistoryFile() {
  const char* state = secure_getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') {
    return absl::StrCat(state, "/perigee/shell-history");
  }
  const char* home = secure_getenv("HOME");
  if (home == nullptr || home[0] != '/') return "";
  return absl::StrCat(home, "/.local/state/perigee/shell-history");
}

}  // namespace shell
