// Runs the conformance tests: on Perigee all of them must pass. On a foreign
// module those of KnownDifferences must fail, each in a process of its own
// (it may crash); the others must pass. So the tests are tested too.
#include <fcntl.h>
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tests/conformance/known_differences.h"
#include "tests/conformance/module.h"

namespace conformance {
namespace {

constexpr char kOneTest[] = "--one-test=";
constexpr int kSkipped = 77;

std::vector<std::string> NamesOfAllTests() {
  std::vector<std::string> names;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      names.push_back(std::string(suite.name()) + "." +
                      suite.GetTestInfo(t)->name());
    }
  }
  return names;
}

// Whether the test passes in a process of its own, without output.
bool PassesAlone(const std::string& program, const std::string& name) {
  const pid_t child = fork();
  if (child == 0) {
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    alarm(60);
    const std::string one = kOneTest + name;
    execl(program.c_str(), program.c_str(), one.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The number of tests and rows that are not as the table says.
int CheckDifferences(const std::string& program) {
  const std::vector<std::string> names = NamesOfAllTests();
  int wrong = 0;
  for (const Difference& row : KnownDifferences()) {
    int found = 0;
    for (const std::string& name : names) {
      if (fnmatch(row.tests, name.c_str(), 0) != 0) continue;
      ++found;
      if (!PassesAlone(program, name)) continue;
      std::printf("[ NOW OK   ] %s passes, though: %s\n", name.c_str(),
                  row.why);
      ++wrong;
    }
    std::printf("[ DIFFERS  ] %s (%d): %s\n", row.tests, found, row.why);
    if (found > 0) continue;
    std::printf("[ STALE    ] there is no such test\n");
    ++wrong;
  }
  return wrong;
}

int Run(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string argument = argc > 1 ? argv[1] : "";
  if (argument.rfind(kOneTest, 0) == 0) {
    testing::GTEST_FLAG(filter) = argument.substr(sizeof(kOneTest) - 1);
    const int failed = RUN_ALL_TESTS();
    const bool skipped =
        testing::UnitTest::GetInstance()->skipped_test_count() != 0;
    return skipped ? kSkipped : failed;
  }
  // A filter of the user's: he wants just those.
  const bool everything = testing::GTEST_FLAG(filter) == "*";
  if (IsPerigee() || !everything) return RUN_ALL_TESTS();

  std::string filter = "-";
  for (const Difference& row : KnownDifferences()) {
    filter += std::string(row.tests) + ":";
  }
  testing::GTEST_FLAG(filter) = filter;
  const int failed = RUN_ALL_TESTS();
  const int wrong = CheckDifferences("/proc/self/exe");
  std::printf("%d things are not as the table of differences says\n", wrong);
  return failed != 0 || wrong != 0 ? 1 : 0;
}

}  // namespace
}  // namespace conformance

int main(int argc, char** argv) { return conformance::Run(argc, argv); }
