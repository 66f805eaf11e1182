// perigee: the shell. Options of the process, and the four ways to give it
// commands: -c, -f, a pipe, a person.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "tools/shell/colour.h"
#include "tools/shell/line_editor.h"
#include "tools/shell/manual.h"
#include "tools/shell/secret_entry.h"
#include "tools/shell/shell.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {
namespace {

constexpr char kUsage[] =
    "Usage: perigee [options] [command]\n"
    "\n"
    "The shell of Perigee: keys' partitions, the Backup HSM, backup and\n"
    "restore. Without a command it asks for some, or reads them from a "
    "pipe.\n"
    "\n"
    "  -c, --command COMMAND  run it (may be repeated) and end\n"
    "  -f, --file FILE        run the commands of a file and end\n"
    "      --color WHEN       auto (on a terminal, without $NO_COLOR), always, "
    "never\n"
    "  -j, --json             tell results as JSON, a line for each command\n"
    "  -k, --keep-going       go on after a command that fails\n"
    "  -m, --module PATH      the library (else $PERIGEE_MODULE, or beside "
    "this\n"
    "                         program, or where it is installed)\n"
    "  -h, --help             this text; the commands: perigee -c help\n"
    "\n"
    "Ends with 0 when every command succeeded, 1 otherwise, 2 on wrong use.\n";

struct Options {
  std::string module;
  bool completes = false;  // the line on standard input, for another shell
  bool keep_going = false;
  bool json = false;
  // -c and -f in their order.
  struct Source {
    bool is_file;
    SecretText text;
  };
  std::vector<Source> sources;
};

// What stands behind the options is one command: perigee audit verify -file F.
// False for a word that a line cannot hold.
bool TakeWords(int count, char** words, Options& options) {
  std::string line;
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += strlen(words[i]) + 3;
  line.reserve(size);  // It may hold a secret, and leaves no copy behind.
  for (int i = 0; i < count; ++i) {
    const absl::string_view word = words[i];
    if (absl::StrContains(word, '"')) return false;
    const bool quote = word.empty() || absl::StrContains(word, ' ');
    if (i > 0) line += ' ';
    if (quote) line += '"';
    line.append(words[i]);
    if (quote) line += '"';
    explicit_bzero(words[i], strlen(words[i]));
  }
  if (count > 0) options.sources.push_back({false, SecretText(line)});
  explicit_bzero(line.data(), line.size());
  return true;
}

// False: wrong use.
bool ParseOptions(int argc, char** argv, Options& options) {
  static const option kLong[] = {{"command", required_argument, nullptr, 'c'},
                                 {"file", required_argument, nullptr, 'f'},
                                 {"color", required_argument, nullptr, 'o'},
                                 {"json", no_argument, nullptr, 'j'},
                                 {"keep-going", no_argument, nullptr, 'k'},
                                 {"module", required_argument, nullptr, 'm'},
                                 {"complete", no_argument, nullptr, 'C'},
                                 {"print-man", no_argument, nullptr, 'M'},
                                 {"print-schema", no_argument, nullptr, 'S'},
                                 {"print-markdown", no_argument, nullptr, 'D'},
                                 {"help", no_argument, nullptr, 'h'},
                                 {nullptr, 0, nullptr, 0}};
  for (int c;
       (c = getopt_long(argc, argv, "+c:f:jkm:h", kLong, nullptr)) != -1;) {
    switch (c) {
      case 'c':
        options.sources.push_back({false, SecretText(optarg)});
        // Not to be seen in the list of processes any longer than needed.
        explicit_bzero(optarg, strlen(optarg));
        break;
      case 'f':
        options.sources.push_back({true, SecretText(optarg)});
        break;
      case 'o':
        if (!ChooseColours(optarg)) return false;
        break;
      case 'j':
        options.json = true;
        break;
      case 'k':
        options.keep_going = true;
        break;
      case 'm':
        options.module = optarg;
        break;
      case 'C':
        options.completes = true;
        break;
      case 'M':
        fputs(ManPageOf(AllCommands(), kUsage).c_str(), stdout);
        exit(0);
      case 'S':
        fputs(JsonSchemaOf(AllCommands()).c_str(), stdout);
        exit(0);
      case 'D':
        fputs(MarkdownOf(AllCommands()).c_str(), stdout);
        exit(0);
      case 'h':
        fputs(kUsage, stdout);
        exit(0);
      default:
        return false;
    }
  }
  return TakeWords(argc - optind, argv + optind, options);
}

bool RunSources(Shell& shell, const Options& options) {
  bool ok = true;
  bool warned = false;
  for (const Options::Source& source : options.sources) {
    if (shell.exiting() || (!ok && !options.keep_going)) break;
    if (source.is_file) {
      const std::string path(source.text.RevealText());
      const absl::Status status = shell.RunFile(path, options.keep_going);
      ok = status.ok() && ok;
      // A command that failed has told so itself.
      if (!status.ok() && RvOf(status) != CKR_FUNCTION_FAILED) {
        fprintf(stderr, "perigee: %s\n", std::string(status.message()).c_str());
      }
      continue;
    }
    const Shell::Outcome outcome = shell.Run(source.text.RevealText());
    ok = outcome.ok && ok;
    if (outcome.has_secret && !warned) {
      warned = true;
      fprintf(stderr,
              "Warning: a password on the command line can be seen by other "
              "programs and may\nstay in your shell's history. Leave it out "
              "to be asked, or use -passwordfile.\n");
    }
  }
  return ok;
}

std::vector<std::string> Completions(Shell& shell, absl::string_view line) {
  return shell.grammar().Complete(
      line, [&shell](Names names, const Arguments& given) {
        return shell.NamesFor(names, given);
      });
}

bool RunPerson(Shell& shell) {
  LineEditor editor(
      kPrompt, LineEditor::DefaultHistoryFile(),
      [&shell](absl::string_view line) { return Completions(shell, line); });
  printf(
      "\nPerigee shell. help lists the commands, Tab completes, exit "
      "ends.\n");
  bool ok = shell.Run("slot list").ok;
  while (!shell.exiting()) {
    SecretText line;
    const LineEditor::Got got = editor.Read(line);
    if (got == LineEditor::Got::kInterrupt) continue;
    if (got == LineEditor::Got::kEnd) {
      printf("\n");
      break;
    }
    const Shell::Outcome outcome = shell.Run(line.RevealText());
    if (outcome.was_command && !outcome.has_secret) {
      editor.Remember(line.RevealText());
    }
    ok = ok && outcome.ok;
  }
  return ok;
}

// Where JSON goes from now on: where the output went. That of people is lost,
// and their questions are asked on the error output.
int TakeOutput() {
  const int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const bool ok = out >= 0 && nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0;
  if (nowhere >= 0) close(nowhere);
  return ok ? out : -1;
}

// A line, as far as it is typed, from standard input.
int Complete(Shell& shell) {
  WipedBytes line = WipedBytes::OfSize(4096);
  const size_t size = fread(line.data(), 1, line.size(), stdin);
  const absl::string_view typed(reinterpret_cast<const char*>(line.data()),
                                size);
  for (const std::string& candidate : Completions(shell, typed)) {
    puts(candidate.c_str());
  }
  return 0;
}

int Main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, options)) {
    fputs("perigee: wrong use; try --help\n", stderr);
    return 2;
  }
  absl::StatusOr<std::unique_ptr<Module>> module = Module::Load(options.module);
  if (!module.ok()) {
    fprintf(stderr, "perigee: %s\n",
            std::string(module.status().message()).c_str());
    const std::string remedy = RemedyOf(module.status());
    if (!remedy.empty()) fprintf(stderr, "    -> %s\n", remedy.c_str());
    return 1;
  }
  IgnoreOpenSslConfiguration();
  CatchInterrupts();
  Shell shell(*std::move(module), AllCommands());
  if (options.completes) return Complete(shell);
  bool ok = false;
  if (options.json) {
    const int out = TakeOutput();
    if (out < 0) {
      fprintf(stderr, "perigee: no output for JSON: %s\n", strerror(errno));
      return 1;
    }
    shell.SpeakJson(out);
  }
  if (!options.sources.empty()) {
    ok = RunSources(shell, options);
  } else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
    ok = RunPerson(shell);
  } else {
    ok = shell.RunLines(STDIN_FILENO, options.keep_going);
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace shell

int main(int argc, char** argv) { return shell::Main(argc, argv); }
