// Line editing, history and Tab completion for the interactive shell (libedit).
// The caller decides which lines are remembered.
#ifndef PERIGEE_TOOLS_SHELL_LINE_EDITOR_H_
#define PERIGEE_TOOLS_SHELL_LINE_EDITOR_H_

#include <histedit.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/shell/secret_text.h"

namespace shell {

class LineEditor {
 public:
  // Candidates for the end of the text before the cursor, whole words.
  using Completer = std::function<std::vector<std::string>(absl::string_view)>;

  // `history_file` empty: no history is kept on disk.
  LineEditor(std::string prompt, std::string history_file, Completer completer);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Got { kLine, kInterrupt, kEnd };
  Got Read(SecretText& line);
  // Adds the line to the history, in memory and on disk.
  void Remember(absl::string_view line);

  // $XDG_STATE_HOME/perigee/shell-history, or below ~/.local/state.
  static std::string DefaultHistoryFile();

 private:
  static LineEditor* Of(EditLine* editor);
  static unsigned char OnTab(EditLine* editor, int key);
  static int OnKey(EditLine* editor, wchar_t* key);
  static char* Prompt(EditLine* editor);
  unsigned char Complete();
  void Save();

  std::string prompt_;
  const std::string history_file_;
  const Completer completer_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
};

// Where the last, unfinished word of `line` begins, its quote included.
size_t LastWordStart(absl::string_view line);
// What all candidates begin with, in the writing of the first.
std::string CommonStart(const std::vector<std::string>& candidates);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_LINE_EDITOR_H_
