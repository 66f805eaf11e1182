// Runs the conformance tests: on Perigee all of them must pass. On a foreign
// module those of KnownDifferences must fail, each in a process of its own
// (it may crash); the others must pass. So the tests are tested too.
#include <fcntl.h>
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/conformance/known_differences.h"
#include "tests/conformance/module.h"

namespace conformance {
namespace {

constexpr char kOneTest[] = "--one-test=";
constexpr int kSkipped = 77;

size_t NumberOf(const char* variable, size_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::strtoul(value, nullptr, 10);
}

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

enum class Alone { kPassed, kSkipped, kFailed };

// Runs the test in a process of its own, without output.
Alone RunAlone(const std::string& program, const std::string& name) {
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
  if (!WIFEXITED(status)) return Alone::kFailed;
  if (WEXITSTATUS(status) == kSkipped) return Alone::kSkipped;
  return WEXITSTATUS(status) == 0 ? Alone::kPassed : Alone::kFailed;
}

// Whether the row is true; says so when it is not.
bool CheckDifference(const Difference& row, const std::string& program,
                     const std::vector<std::string>& names) {
  std::vector<std::string> passed;
  int failed = 0;
  for (const std::string& name : names) {
    if (fnmatch(row.tests, name.c_str(), 0) != 0) continue;
    const Alone alone = RunAlone(program, name);
    if (alone == Alone::kPassed) passed.push_back(name);
    if (alone == Alone::kFailed) ++failed;
    // One is enough to know.
    if (failed > 0 && row.extent == Difference::kSome) break;
  }
  const bool is_true =
      failed > 0 && (passed.empty() || row.extent == Difference::kSome);
  std::printf("[ %s ] %s: %s\n", is_true ? "DIFFERS " : "NOT TRUE", row.tests,
              row.why);
  if (!is_true) {
    std::printf("             %d fail\n", failed);
    for (const std::string& name : passed) {
      std::printf("             %s passes\n", name.c_str());
    }
  }
  return is_true;
}

// How many rows are not true. Of the table, this shard's part.
int CheckDifferences(const std::string& program) {
  const std::vector<std::string> names = NamesOfAllTests();
  const size_t shards = NumberOf("GTEST_TOTAL_SHARDS", 1);
  const size_t shard = NumberOf("GTEST_SHARD_INDEX", 0);
  // The children run the one test that they are told.
  unsetenv("GTEST_TOTAL_SHARDS");
  unsetenv("GTEST_SHARD_INDEX");
  int wrong = 0;
  for (size_t i = shard; i < KnownDifferences().size(); i += shards) {
    if (!CheckDifference(KnownDifferences()[i], program, names)) ++wrong;
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
  std::printf("%d rows of the table of differences are not true\n", wrong);
  return failed != 0 || wrong != 0 ? 1 : 0;
}

}  // namespace
}  // namespace conformance

int main(int argc, char** argv) { return conformance::Run(argc, argv); }
