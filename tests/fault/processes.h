// Processes that begin together and wait for each other, with tests in them.
#ifndef PERIGEE_TESTS_FAULT_PROCESSES_H_
#define PERIGEE_TESTS_FAULT_PROCESSES_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <vector>

namespace e2e {

// Points of time at which all of the processes are there. A meeting is a pipe
// whose writing end all of them hold: who comes closes it, and the end of the
// file says that the last one has come (or died).
class Meetings {
 public:
  explicit Meetings(int count) : pipes_(count) {
    for (auto& ends : pipes_) EXPECT_EQ(pipe(ends.data()), 0);
  }
  ~Meetings() {
    for (; next_ < pipes_.size(); ++next_) {
      close(pipes_[next_][0]);
      close(pipes_[next_][1]);
    }
  }
  Meetings(const Meetings&) = delete;
  Meetings& operator=(const Meetings&) = delete;

  void Meet() {
    const auto& ends = pipes_.at(next_++);
    close(ends[1]);
    char c;
    EXPECT_EQ(read(ends[0], &c, 1), 0);
    close(ends[0]);
  }

 private:
  std::vector<std::array<int, 2>> pipes_;
  size_t next_ = 0;
};

// Runs `work` in `count` processes, which meet once before it and may meet
// `meetings` times inside. The number of those that failed.
inline int FailuresOf(int count, int meetings,
                      const std::function<void(int, Meetings&)>& work) {
  std::vector<pid_t> children;
  {
    Meetings all(meetings + 1);
    for (int i = 0; i < count; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        all.Meet();
        work(i, all);
        fflush(stdout);
        _exit(testing::Test::HasFailure() ? 1 : 0);
      }
      children.push_back(child);
    }
  }
  int failures = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ++failures;
  }
  return failures;
}

inline int FailuresOf(int count, const std::function<void(int)>& work) {
  return FailuresOf(count, 0, [&](int i, Meetings&) { work(i); });
}

}  // namespace e2e

#endif  // PERIGEE_TESTS_FAULT_PROCESSES_H_
