// perigee-scale: what many stored objects cost. One token is filled with N
// secret keys; each figure stands beside the same figure of a token with few,
// or of a bare SQLite table with the same rows in the same directory.
#include <dlfcn.h>
#include <getopt.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/contender.h"
#include "bench/module.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

// Resident kilobytes of this process.
long Resident() {
  long kilobytes = 0;
  char line[200];
  std::FILE* status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  while (std::fgets(line, sizeof line, status) != nullptr) {
    if (std::sscanf(line, "VmRSS: %ld kB", &kilobytes) == 1) break;
  }
  std::fclose(status);
  return kilobytes;
}

// --- the bare database -------------------------------------------------------

// A database of the same tables, WAL and synchronous FULL, that is given the
// same rows as the store gets for one key: the record, its three tags, two
// nodes of the MAC tree, the space's counters, the line of the audit log with
// its mark. Bytes are random; nothing is sealed, checked or kept from other
// processes.
class BareRows {
 public:
  BareRows(const std::string& store, const std::string& directory) {
    const std::string file = directory + "/bare.db";
    if (sqlite3_open(file.c_str(), &db_) != SQLITE_OK) Die("bare database");
    Run("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
    sqlite3* from = nullptr;
    sqlite3_open_v2(store.c_str(), &from, SQLITE_OPEN_READONLY, nullptr);
    const auto make = [](void* self, int, char** column, char**) {
      if (column[0] != nullptr) static_cast<BareRows*>(self)->Run(column[0]);
      return 0;
    };
    if (sqlite3_exec(from, "SELECT sql FROM sqlite_master", make, this,
                     nullptr) != SQLITE_OK) {
      Die("schema of the store");
    }
    sqlite3_close(from);
    Run("INSERT INTO space VALUES (1, 0, 0, 0, 0)");
    record_ =
        Prepare("INSERT INTO record VALUES (?1, 1, 1, 1, 4, 1325, ?2, ?3)");
    tag_ = Prepare("INSERT INTO tag VALUES (1, ?2, ?1)");
    node_ = Prepare(
        "INSERT INTO value VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE "
        "SET value = excluded.value");
    space_ = Prepare(
        "UPDATE space SET changes = changes + 1, records = records"
        " + 1, bytes = bytes + 1325, last_id = ?1");
    unmark_ = Prepare("UPDATE audit SET mark = x'' WHERE seq = ?1");
    line_ = Prepare("INSERT INTO audit VALUES (?1, ?2, ?3)");
    sqlite3_prepare_v2(db_, "BEGIN IMMEDIATE", -1, &begin_, nullptr);
    sqlite3_prepare_v2(db_, "COMMIT", -1, &commit_, nullptr);
  }
  ~BareRows() {
    for (sqlite3_stmt* s :
         {record_, tag_, node_, space_, unmark_, line_, begin_, commit_}) {
      sqlite3_finalize(s);
    }
    sqlite3_close(db_);
  }
  BareRows(const BareRows&) = delete;
  BareRows& operator=(const BareRows&) = delete;

  // Commits a second.
  double Insert(double seconds) {
    int done = 0;
    const auto begun = Clock::now();
    while (Since(begun) < seconds) {
      InsertOne();
      ++done;
    }
    return done / Since(begun);
  }

 private:
  void InsertOne() {
    ++id_;
    Step(begin_);
    uint8_t tags[48];
    for (uint8_t& byte : tags) byte = static_cast<uint8_t>(random_());
    for (int i = 0; i < 3; ++i) {
      sqlite3_bind_int64(tag_, 1, id_);
      sqlite3_bind_blob(tag_, 2, tags + 16 * i, 16, SQLITE_STATIC);
      Step(tag_);
    }
    sqlite3_bind_int64(record_, 1, id_);
    sqlite3_bind_blob(record_, 2, tags, sizeof tags, SQLITE_STATIC);
    sqlite3_bind_blob(record_, 3, bytes_, 648, SQLITE_STATIC);
    Step(record_);
    char name[20];
    std::snprintf(name, sizeof name, "tree/1/%02x",
                  static_cast<unsigned>(id_ & 63));
    PutNode(name, 1024);
    PutNode("tree/1", 1065);
    sqlite3_bind_int64(space_, 1, id_);
    Step(space_);
    sqlite3_bind_int64(unmark_, 1, id_ - 1);
    Step(unmark_);
    sqlite3_bind_int64(line_, 1, id_);
    sqlite3_bind_blob(line_, 2, bytes_, 380, SQLITE_STATIC);
    sqlite3_bind_blob(line_, 3, bytes_, 360, SQLITE_STATIC);
    Step(line_);
    Step(commit_);
  }

  void PutNode(const char* name, int size) {
    sqlite3_bind_text(node_, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_blob(node_, 2, bytes_, size, SQLITE_STATIC);
    Step(node_);
  }

  void Run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      Die(sqlite3_errmsg(db_));
    }
  }
  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v2(db_, sql, -1, &made, nullptr) != SQLITE_OK) {
      Die(sqlite3_errmsg(db_));
    }
    return made;
  }
  void Step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) Die(sqlite3_errmsg(db_));
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt *record_, *tag_, *node_, *space_, *unmark_, *line_;
  sqlite3_stmt *begin_, *commit_;
  sqlite3_int64 id_ = 0;
  std::minstd_rand random_;
  uint8_t bytes_[1100] = {1};
};

// --- the token ---------------------------------------------------------------

double Creates(Module& module, int threads, double seconds) {
  std::atomic<int> done = 0;
  static std::atomic<int> number = 1 << 24;
  const auto begun = Clock::now();
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      const CK_SESSION_HANDLE session = module.OpenSession();
      while (Since(begun) < seconds) {
        module.CreateSecret(session, CKK_AES, CKA_ENCRYPT, IdOf(number++));
        ++done;
      }
      module.f()->C_CloseSession(session);
    });
  }
  for (std::thread& thread : all) thread.join();
  return done / Since(begun);
}

void Fill(const std::string& path, const Settings& settings) {
  Module module(path, "perigee", settings, /*make=*/true);
  std::vector<std::thread> all;
  std::atomic<int> next = 0;
  for (int i = 0; i < 8; ++i) {
    all.emplace_back([&] {
      const CK_SESSION_HANDLE session = module.OpenSession();
      for (int n; (n = next++) < settings.objects;) {
        module.CreateSecret(session, CKK_AES, CKA_ENCRYPT, IdOf(n));
      }
      module.f()->C_CloseSession(session);
    });
  }
  for (std::thread& thread : all) thread.join();
  module.f()->C_Finalize(nullptr);
}

struct Figures {
  double login_ms, cold_find_us, warm_find_us, all_ms;
  long resident_after_login, resident_after_finds, resident_after_all;
};

// Of a new process, as a line that the parent reads.
void Measure(const std::string& path, const Settings& settings) {
  Figures x = {};
  auto begun = Clock::now();
  Module module(path, "perigee", settings, /*make=*/false);
  x.login_ms = Since(begun) * 1e3;
  x.resident_after_login = Resident();
  const CK_SESSION_HANDLE session = module.session();
  uint32_t seed = 7;
  const auto some = [&] {
    seed = seed * 1103515245 + 12345;
    return IdOf(static_cast<int>((seed >> 4) %
                                 static_cast<uint32_t>(settings.objects)));
  };
  constexpr int kCold = 200, kWarm = 5000;
  begun = Clock::now();
  for (int i = 0; i < kCold; ++i) module.Find(session, some());
  x.cold_find_us = Since(begun) * 1e6 / kCold;
  std::vector<std::string> known;
  for (int i = 0; i < 100; ++i) known.push_back(some());
  for (const std::string& id : known) module.Find(session, id);
  begun = Clock::now();
  for (int i = 0; i < kWarm; ++i) module.Find(session, known[i % 100]);
  x.warm_find_us = Since(begun) * 1e6 / kWarm;
  x.resident_after_finds = Resident();
  begun = Clock::now();
  const size_t found = module.FindAll(session).size();
  x.all_ms = Since(begun) * 1e3;
  x.resident_after_all = Resident();
  if (found < static_cast<size_t>(settings.objects)) Die("objects are missing");
  std::printf("%f %f %f %f %ld %ld %ld\n", x.login_ms, x.cold_find_us,
              x.warm_find_us, x.all_ms, x.resident_after_login,
              x.resident_after_finds, x.resident_after_all);
}

Figures MeasureInChild(const std::string& self, const std::string& path,
                       const Settings& settings) {
  const std::string command = self + " --child " + settings.scratch +
                              " --objects " + std::to_string(settings.objects) +
                              " --perigee " + path;
  std::FILE* child = popen(command.c_str(), "r");
  Figures x = {};
  if (child == nullptr ||
      std::fscanf(child, "%lf %lf %lf %lf %ld %ld %ld", &x.login_ms,
                  &x.cold_find_us, &x.warm_find_us, &x.all_ms,
                  &x.resident_after_login, &x.resident_after_finds,
                  &x.resident_after_all) != 7 ||
      pclose(child) != 0) {
    Die("the measuring process failed");
  }
  return x;
}

void Print(int objects, const Figures& x) {
  std::printf(
      "%7d objects: start and login %.1f ms; find by id %.1f us cold, %.1f us "
      "warm; find all %.0f ms;\n        resident %ld kB after login, %ld after "
      "finds, %ld after finding all\n",
      objects, x.login_ms, x.cold_find_us, x.warm_find_us, x.all_ms,
      x.resident_after_login, x.resident_after_finds, x.resident_after_all);
}

int Main(int argc, char** argv) {
  Settings settings;
  settings.objects = 100000;
  std::string self = argv[0], child;
  std::string path =
      self.substr(0, self.find_last_of('/') + 1) + "libperigee.so";
  double seconds = 2;
  static const option kLong[] = {{"perigee", 1, nullptr, 'p'},
                                 {"objects", 1, nullptr, 'o'},
                                 {"seconds", 1, nullptr, 's'},
                                 {"child", 1, nullptr, 'c'},
                                 {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    if (c == 'p') path = optarg;
    if (c == 'o') settings.objects = std::atoi(optarg);
    if (c == 's') seconds = std::atof(optarg);
    if (c == 'c') child = optarg;
    if (c == '?') Die("options: --perigee FILE --objects N --seconds S");
  }
  if (!child.empty()) {
    settings.scratch = child;
    Measure(path, settings);
    return 0;
  }
  char scratch[] = "/var/tmp/perigee-scale-XXXXXX";
  if (mkdtemp(scratch) == nullptr) Die("no scratch directory");
  Settings few = settings;
  few.objects = 10;
  few.scratch = std::string(scratch) + "/few";
  settings.scratch = std::string(scratch) + "/many";
  mkdir(few.scratch.c_str(), 0700);
  mkdir(settings.scratch.c_str(), 0700);
  Fill(path, few);
  auto begun = Clock::now();
  Fill(path, settings);
  std::printf("%d objects made by 8 threads in %.1f s\n", settings.objects,
              Since(begun));
  const Figures before = MeasureInChild(self, path, few);
  const Figures after = MeasureInChild(self, path, settings);
  Print(few.objects, before);
  Print(settings.objects, after);
  std::printf("start and login cost %+.1f ms with all objects\n",
              after.login_ms - before.login_ms);

  Module module(path, "perigee", settings, /*make=*/false);
  BareRows bare_rows(settings.scratch + "/perigee/hsm/app/hsm.db", scratch);
  std::vector<double> one, eight;
  for (int round = 0; round < 5; ++round) {
    const double bare = bare_rows.Insert(seconds / 4);
    one.push_back(Creates(module, 1, seconds / 4) / bare);
    eight.push_back(Creates(module, 8, seconds / 4) / bare);
    std::printf("round %d: bare %.0f inserts/s; one thread %.2f, eight %.2f\n",
                round, bare, one.back(), eight.back());
  }
  module.f()->C_Finalize(nullptr);
  const std::string clean = std::string("rm -rf ") + scratch;
  return std::system(clean.c_str());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
