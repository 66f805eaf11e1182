// perigee: the shell. Options of the process, and the four ways to give it
// commands: -c, -f, a pipe, a person.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "tools/shell/line_editor.h"
#include "tools/shell/secret_entry.h"
#include "tools/shell/shell.h"

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
    "  -k, --keep-going       go on after a command that fails\n"
    "  -m, --module PATH      the library (else $PERIGEE_MODULE, or beside "
    "this\n"
    "                         program, or where it is installed)\n"
    "  -h, --help             this text; the commands: perigee -c help\n"
    "\n"
    "Ends with 0 when every command succeeded, 1 otherwise, 2 on wrong use.\n";

struct Options {
  std::string module;
  bool keep_going = false;
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
                                 {"keep-going", no_argument, nullptr, 'k'},
                                 {"module", required_argument, nullptr, 'm'},
                                 {"help", no_argument, nullptr, 'h'},
                                 {nullptr, 0, nullptr, 0}};
  for (int c;
       (c = getopt_long(argc, argv, "+c:f:km:h", kLong, nullptr)) != -1;) {
    switch (c) {
      case 'c':
        options.sources.push_back({false, SecretText(optarg)});
        // Not to be seen in the list of processes any longer than needed.
        explicit_bzero(optarg, strlen(optarg));
        break;
      case 'f':
        options.sources.push_back({true, SecretText(optarg)});
        break;
      case 'k':
        options.keep_going = true;
        break;
      case 'm':
        options.module = optarg;
        break;
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

bool RunPerson(Shell& shell) {
  LineEditor editor(kPrompt, LineEditor::DefaultHistoryFile(),
                    [&shell](absl::string_view line) {
                      return shell.grammar().Complete(
                          line, [&shell](Names names, const Arguments& given) {
                            return shell.NamesFor(names, given);
                          });
                    });
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
  CatchInterrupts();
  Shell shell(*std::move(module), AllCommands());
  bool ok = false;
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
