// perigee-backup-bench: backup and restore of many objects over each link,
// beside what the same machine needs to unseal, reseal and durably store the
// same sealed records in batches by a bare loop, in one run.
#include <getopt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/e2e/bench.h"
#include "tests/e2e/objects.h"

namespace {

using Clock = std::chrono::steady_clock;

// Batches as a transfer takes them (backup/transfer.cc): its larger messages
// have some 530 of these keys.
size_t BatchAt(size_t done) { return done < 1024 ? 256 : 530; }

double Since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "perigee-backup-bench: %s\n", what);
  std::exit(1);
}

// --- the bare loop -----------------------------------------------------------

// One record: a key of its own by HKDF-SHA-256 (two HMACs), AES-256-GCM.
class Sealer {
 public:
  Sealer() : cipher_(EVP_CIPHER_CTX_new()) {}
  ~Sealer() { EVP_CIPHER_CTX_free(cipher_); }
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  void Run(bool seal, std::vector<unsigned char>& record, unsigned char* tag) {
    unsigned char key[32], salt[32] = {1}, nonce[12] = {};
    unsigned int size = sizeof key;
    HMAC(EVP_sha256(), salt, sizeof salt, key_, sizeof key_, key, &size);
    HMAC(EVP_sha256(), key, sizeof key, salt, sizeof salt, key, &size);
    int n = 0;
    const bool ok =
        EVP_CipherInit_ex(cipher_, EVP_aes_256_gcm(), nullptr, key, nonce,
                          seal) == 1 &&
        EVP_CipherUpdate(cipher_, record.data(), &n, record.data(),
                         static_cast<int>(record.size())) == 1 &&
        (seal ||
         EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1) &&
        EVP_CipherFinal_ex(cipher_, record.data(), &n) == 1 &&
        (!seal ||
         EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
    if (!ok) Die("bare sealing");
  }

 private:
  EVP_CIPHER_CTX* const cipher_;
  unsigned char key_[32] = {7};
};

// Seconds to open, seal and store one record of each of these sizes.
double Bare(const std::string& directory, const std::vector<size_t>& sizes) {
  sqlite3* db = nullptr;
  const std::string path = directory + "/bare.db";
  std::remove(path.c_str());
  const auto run = [&](const char* sql) {
    if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      Die("bare database");
    }
  };
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK) Die("bare database");
  run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
      "CREATE TABLE record (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL)");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO record (sealed) VALUES (?)", -1, &insert,
                     nullptr);
  Sealer sealer;
  std::vector<std::vector<unsigned char>> source(sizes.size());
  std::vector<unsigned char> tags(16 * sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    source[i].assign(sizes[i], 'x');
    sealer.Run(true, source[i], &tags[16 * i]);
  }
  const auto begun = Clock::now();
  size_t end = 0;  // of the batch
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i == end) {
      run("BEGIN IMMEDIATE");
      end = std::min(i + BatchAt(i), sizes.size());
    }
    sealer.Run(false, source[i], &tags[16 * i]);
    sealer.Run(true, source[i], &tags[16 * i]);
    sqlite3_bind_blob(insert, 1, source[i].data(),
                      static_cast<int>(source[i].size()), SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE) Die("bare insert");
    sqlite3_reset(insert);
    if (i + 1 == end) run("COMMIT");
  }
  const double seconds = Since(begun);
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return seconds;
}

// --- the partition -----------------------------------------------------------

// A third each: RSA-2048 private keys, P-256 private keys, AES-256 keys.
void Fill(const e2e::Host& host, CK_SESSION_HANDLE session, int count) {
  const CK_OBJECT_HANDLE first[] = {
      e2e::GenerateRsaPair(host, session, "rsa").private_key,
      e2e::GenerateEcPair(host, session, "ec").private_key,
      e2e::GenerateAes(host, session, "aes")};
  for (int i = 0; i < count; ++i) {
    const std::string label = "key " + std::to_string(i);
    CK_ATTRIBUTE named = {CKA_LABEL, const_cast<char*>(label.data()),
                          label.size()};
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    if (host.c().C_CopyObject(session, first[i % 3], &named, 1, &copy) !=
        CKR_OK) {
      Die("copying a key");
    }
  }
}

long Resident() {
  long kilobytes = 0;
  char line[200];
  std::FILE* status = std::fopen("/proc/self/status", "r");
  while (status != nullptr && std::fgets(line, sizeof line, status)) {
    if (std::sscanf(line, "VmHWM: %ld kB", &kilobytes) == 1) break;
  }
  if (status != nullptr) std::fclose(status);
  return kilobytes;
}

double Timed(const e2e::Host& host, CK_SESSION_HANDLE from,
             CK_SESSION_HANDLE to, size_t expected, CK_ULONG outcome) {
  const auto begun = Clock::now();
  const e2e::Report report = host.Transfer(from, to, 0, {}, expected);
  const double seconds = Since(begun);
  if (report.rv != CKR_OK || report.Count(outcome) != expected) {
    std::fprintf(stderr, "%s\n", report.error.c_str());
    Die("a transfer failed");
  }
  return seconds;
}

void Measure(e2e::Link link, int count) {
  e2e::Plan plan = e2e::DefaultPlan(link);
  plan.apps[0].model = "perigee";
  e2e::Bench bench(plan);
  const CK_SESSION_HANDLE app = bench.Officer();
  Fill(bench.host, app, count);
  const size_t objects = bench.host.Find(app).size();
  std::vector<size_t> sizes;
  {
    const e2e::Report list = bench.host.Transfer(
        app, CK_INVALID_HANDLE, PERIGEE_TRANSFER_LIST_ONLY, {}, objects);
    for (const PERIGEE_TRANSFER_ITEM& item : list.items) {
      sizes.push_back(item.ulCost);
    }
  }
  if (sizes.size() != objects) Die("no list of the objects");
  const long before = Resident();
  const double bare = Bare(bench.site.path(), sizes);
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const double backup =
      Timed(bench.host, app, archive, objects, PERIGEE_OUTCOME_STORED);
  const double again =
      Timed(bench.host, app, archive, objects, PERIGEE_OUTCOME_PRESENT);
  if (bench.host.perigee().ClearPartition(app) != CKR_OK) Die("clearing");
  const double restore =
      Timed(bench.host, archive, app, objects, PERIGEE_OUTCOME_STORED);
  std::printf(
      "%-9s %zu objects: bare loop %.2f s; backup %.2f s (%.1f times), "
      "restore %.2f s (%.1f times), unchanged %.2f s (%.2f of the backup); "
      "peak memory %+ld kB\n",
      e2e::LinkName(link).c_str(), objects, bare, backup, backup / bare,
      restore, restore / bare, again, again / backup, Resident() - before);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr option kOptions[] = {{"objects", required_argument, nullptr, 'o'},
                                 {"only", required_argument, nullptr, 'l'},
                                 {}};
  int objects = 10000;
  std::string only;  // part of a link's name; all of them
  for (int c; (c = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (c == 'o') {
      objects = std::atoi(optarg);
    } else if (c == 'l') {
      only = optarg;
    } else {
      Die("the options are --objects N and --only LINK");
    }
  }
  for (const e2e::Link link :
       {e2e::Link::kEmbedded, e2e::Link::kSocket, e2e::Link::kUsbip}) {
    if (e2e::LinkName(link).find(only) == std::string::npos) continue;
    Measure(link, objects);
  }
  return 0;
}
