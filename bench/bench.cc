// perigee-bench: contenders take turns, round by round; what is printed is the
// median rate of each and the median of the rounds' ratios.
#include <getopt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
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

// Operations a second over about `budget` seconds.
double Rate(Contender& contender, Workload workload, double budget) {
  int count = 1;
  double spent = 0, done = 0;
  while (spent < budget) {
    const auto begun = Clock::now();
    contender.Run(workload, count);
    const double took = Seconds(Clock::now() - begun);
    spent += took;
    done += count;
    if (took < budget / 20) count *= 2;
  }
  return done / spent;
}

struct Row {
  std::string workload;
  std::map<std::string, std::vector<double>> values;
};

void Print(const Row& row, const std::vector<std::string>& names,
           bool lower_is_better) {
  std::printf("%-14s", row.workload.c_str());
  const std::vector<double>& ours = row.values.at("perigee");
  std::printf("  perigee %10.1f", Median(ours));
  for (const std::string& name : names) {
    auto it = row.values.find(name);
    if (name == "perigee" || it == row.values.end()) continue;
    std::vector<double> ratios;
    for (size_t i = 0; i < ours.size(); ++i) {
      ratios.push_back(lower_is_better ? it->second[i] / ours[i]
                                       : ours[i] / it->second[i]);
    }
    std::printf("   %s %10.1f (%.2f times as fast)", name.c_str(),
                Median(it->second), Median(ratios));
  }
  std::printf("\n");
  std::fflush(stdout);
}

// Milliseconds of a new process from exec to exit.
double StartOnce(const char* self, const std::string& module) {
  const auto begun = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    execl(self, self, "--start-child", module.c_str(), nullptr);
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
                       other_name = "softhsm2";
  int rounds = 7;
  double seconds = 0.3;
};

Options Parse(int argc, char** argv) {
  Options options;
  const std::string self = argv[0];
  options.perigee =
      self.substr(0, self.find_last_of('/') + 1) + "libperigee.so";
  static const option kLong[] = {
      {"perigee", 1, nullptr, 'p'},     {"module", 1, nullptr, 'm'},
      {"objects", 1, nullptr, 'o'},     {"rounds", 1, nullptr, 'r'},
      {"seconds", 1, nullptr, 's'},     {"kdf-cost", 1, nullptr, 'k'},
      {"start-child", 1, nullptr, 'c'}, {nullptr, 0, nullptr, 0}};
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
      case 's':
        options.seconds = std::atof(optarg);
        break;
      case 'k':
        options.settings.kdf_cost = optarg;
        break;
      case 'c':
        StartToFirstSignature(optarg);
        std::exit(0);
      default:
        Die("options: --perigee FILE --module FILE --objects N --rounds N "
            "--seconds S --kdf-cost test|calibrated");
    }
  }
  if (options.settings.objects < 1 || options.rounds < 1) Die("bad numbers");
  return options;
}

int Main(int argc, char** argv) {
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
  const std::pair<const char*, Workload> kWorkloads[] = {
      {"sign-rsa2048", Workload::kSignRsa},
      {"sign-p256", Workload::kSignP256},
      {"aes-gcm-1k", Workload::kAesGcm},
      {"find-id", Workload::kFindId},
      {"create", Workload::kCreate}};
  for (const auto& [name, workload] : kWorkloads) {
    Row row{name, {}};
    for (int round = 0; round < options.rounds; ++round) {
      for (const auto& contender : contenders) {
        if (!contender->Can(workload)) continue;
        row.values[contender->name()].push_back(
            Rate(*contender, workload, options.seconds));
      }
    }
    Print(row, names, false);
  }

  Row start{"start (ms)", {}};
  for (int round = 0; round < options.rounds; ++round) {
    start.values["perigee"].push_back(StartOnce(argv[0], options.perigee));
    if (have_other) {
      start.values[options.other_name].push_back(
          StartOnce(argv[0], options.other));
    }
  }
  Print(start, names, true);
  const std::string clean = std::string("rm -rf ") + scratch;
  return std::system(clean.c_str());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
