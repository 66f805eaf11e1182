// perigee-bench: contenders take turns, round by round; what is printed is the
// median rate of each and the median of the rounds' ratios.
#include <getopt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/contender.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What is measured, in the order of printing.
constexpr Workload kWorkloads[] = {
    {"sign-rsa2048", Operation::kSignRsa},
    {"sign-p256", Operation::kSignP256},
    {"sign-ed25519", Operation::kSignEd25519},
    {"sign-rsa2048 x8", Operation::kSignRsa, 32, 8},
    {"sign-p256 x8", Operation::kSignP256, 32, 8},
    {"sign-ed25519 x8", Operation::kSignEd25519, 32, 8},
    {"aes-gcm 16 B", Operation::kAesGcm, 16},
    {"aes-gcm 1 KiB", Operation::kAesGcm, 1024},
    {"aes-gcm 1 MiB", Operation::kAesGcm, 1 << 20},
    {"sha256 64 B", Operation::kSha256, 64},
    {"sha256 1 MiB", Operation::kSha256, 1 << 20},
    {"hmac 64 B", Operation::kHmacSha256, 64},
    {"hmac 1 MiB", Operation::kHmacSha256, 1 << 20},
    {"find-id", Operation::kFindId},
    {"create", Operation::kCreate},
};

// Operations that one lane does until `end`.
uint64_t Work(Lane& lane, const Workload& workload, Clock::time_point end) {
  uint64_t done = 0;
  for (int count = 1; Clock::now() < end;) {
    const auto begun = Clock::now();
    lane.Run(workload, count);
    done += static_cast<uint64_t>(count);
    // Looking at the clock must not weigh on what takes a microsecond.
    if (Clock::now() - begun < std::chrono::milliseconds(2)) count *= 2;
  }
  return done;
}

// Operations a second over about `budget` seconds, by all threads together.
double Rate(Contender& contender, const Workload& workload, double budget) {
  const auto begun = Clock::now();
  const auto end = begun + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(budget));
  std::atomic<uint64_t> done = 0;
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < workload.threads; ++i) {
    lanes.push_back(contender.NewLane());
  }
  std::vector<std::thread> threads;
  for (size_t i = 1; i < lanes.size(); ++i) {
    threads.emplace_back([&, i] { done += Work(*lanes[i], workload, end); });
  }
  done += Work(*lanes[0], workload, end);
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(done) / Seconds(Clock::now() - begun);
}

struct Row {
  std::string workload;
  std::map<std::string, std::vector<double>> values;
};

void Print(const Row& row, const std::vector<std::string>& names,
           bool lower_is_better) {
  std::printf("%-16s", row.workload.c_str());
  if (row.values.count("perigee") == 0) {
    std::printf("  not offered\n");
    return;
  }
  const std::vector<double>& ours = row.values.at("perigee");
  std::printf("  perigee %10.1f", Median(ours));
  for (const std::string& name : names) {
    auto it = row.values.find(name);
    if (name == "perigee" || it == row.values.end()) continue;
    std::vector<double> ratios, overheads;
    for (size_t i = 0; i < ours.size(); ++i) {
      ratios.push_back(lower_is_better ? it->second[i] / ours[i]
                                       : ours[i] / it->second[i]);
      overheads.push_back(1e9 / ours[i] - 1e9 / it->second[i]);
    }
    std::printf("   %s %10.1f (%.2f times as fast)", name.c_str(),
                Median(it->second), Median(ratios));
    if (name == "raw") std::printf(" %+7.0f ns", Median(overheads));
  }
  std::printf("\n");
  std::fflush(stdout);
}

// Milliseconds of a new process from exec to exit.
double StartOnce(const char* self, const std::string& name,
                 const std::string& module, const Settings& settings) {
  const auto begun = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    execl(self, self, "--start-child", name.c_str(), module.c_str(),
          settings.scratch.c_str(), settings.kdf_cost.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) Die("the start workload failed");
  return Seconds(Clock::now() - begun) * 1000;
}

struct Options {
  Settings settings;
  std::string perigee, other = "/usr/lib/softhsm/libsofthsm2.so",
                       other_name = "softhsm2",
                       only;  // part of a workload's name; empty: all
  int rounds = 7;
  double seconds = 0.3;
};

Options Parse(int argc, char** argv) {
  Options options;
  const std::string self = argv[0];
  options.perigee =
      self.substr(0, self.find_last_of('/') + 1) + "libperigee.so";
  static const option kLong[] = {
      {"perigee", 1, nullptr, 'p'},  {"module", 1, nullptr, 'm'},
      {"objects", 1, nullptr, 'o'},  {"rounds", 1, nullptr, 'r'},
      {"only", 1, nullptr, 'w'},     {"seconds", 1, nullptr, 's'},
      {"kdf-cost", 1, nullptr, 'k'}, {"start-child", 1, nullptr, 'c'},
      {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    switch (c) {
      case 'p':
        options.perigee = optarg;
        break;
      case 'm':
        options.other = optarg;
        options.other_name = "other";
        break;
      case 'o':
        options.settings.objects = std::atoi(optarg);
        break;
      case 'r':
        options.rounds = std::atoi(optarg);
        break;
      case 'w':
        options.only = optarg;
        break;
      case 's':
        options.seconds = std::atof(optarg);
        break;
      case 'k':
        options.settings.kdf_cost = optarg;
        break;
      default:
        Die("options: --perigee FILE --module FILE --objects N --rounds N "
            "--seconds S --only WORKLOAD --kdf-cost test|calibrated");
    }
  }
  if (options.settings.objects < 1 || options.rounds < 1) Die("bad numbers");
  return options;
}

void PrintStart(const char* self, const Options& options, bool have_other,
                const std::vector<std::string>& names) {
  Row start{"start (ms)", {}};
  for (int round = 0; round < options.rounds; ++round) {
    start.values["perigee"].push_back(
        StartOnce(self, "perigee", options.perigee, options.settings));
    if (have_other) {
      start.values[options.other_name].push_back(
          StartOnce(self, options.other_name, options.other, options.settings));
    }
  }
  Print(start, names, true);
}

int Main(int argc, char** argv) {
  if (argc == 6 && std::string(argv[1]) == "--start-child") {
    Settings settings;
    settings.scratch = argv[4];
    settings.kdf_cost = argv[5];
    StartToFirstSignature(argv[2], argv[3], settings);
    return 0;
  }
  Options options = Parse(argc, argv);
  char scratch[] = "/tmp/perigee-bench-XXXXXX";
  if (mkdtemp(scratch) == nullptr) Die("no scratch directory");
  options.settings.scratch = scratch;

  std::vector<std::unique_ptr<Contender>> contenders;
  contenders.push_back(NewRawContender());
  contenders.push_back(
      NewModuleContender("perigee", options.perigee, options.settings));
  const bool have_other = access(options.other.c_str(), R_OK) == 0;
  if (have_other) {
    contenders.push_back(NewModuleContender(options.other_name, options.other,
                                            options.settings));
  }
  std::vector<std::string> names;
  for (const auto& contender : contenders) names.push_back(contender->name());

  std::printf("operations a second, median of %d rounds; %d objects stored\n",
              options.rounds, options.settings.objects);
  for (const Workload& workload : kWorkloads) {
    if (!options.only.empty() &&
        std::string(workload.name).find(options.only) == std::string::npos) {
      continue;
    }
    Row row{workload.name, {}};
    for (int round = 0; round < options.rounds; ++round) {
      for (const auto& contender : contenders) {
        if (!contender->Can(workload.operation)) continue;
        row.values[contender->name()].push_back(
            Rate(*contender, workload, options.seconds));
      }
    }
    Print(row, names, false);
  }
  if (options.only.empty()) PrintStart(argv[0], options, have_other, names);
  const std::string clean = std::string("rm -rf ") + scratch;
  return std::system(clean.c_str());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
