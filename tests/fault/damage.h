// A token with some objects, whose files a test then damages: what is read
// afterwards is what was there or an error.
#ifndef PERIGEE_TESTS_FAULT_DAMAGE_H_
#define PERIGEE_TESTS_FAULT_DAMAGE_H_

#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/e2e/host.h"
#include "tests/e2e/objects.h"

namespace e2e {

namespace fs = std::filesystem;

inline Plan AppOnly() {
  Plan plan;
  plan.backups.clear();
  return plan;
}

// A token with some objects and what they are; no library in use.
class Keys {
 public:
  Keys() : site_(AppOnly()) {
    Host host(site_);
    host.InitPartition(0, "");
    const CK_SESSION_HANDLE app = host.Officer(0);
    GenerateEcPair(host, app, "ec");
    aes_ = GenerateAes(host, app, "aes");
    host.Create(app, Note("one", std::string(5000, '1')));
    host.Create(app,
                Note("two", std::string(5000, '2')).Bool(CKA_PRIVATE, true));
    sealed_ = Encrypt(host, app, aes_);
    for (const CK_OBJECT_HANDLE handle : host.Find(app)) {
      objects_[handle] = ReadEverything(host, app, handle);
    }
  }

  Site& site() { return site_; }
  const Site& site() const { return site_; }
  std::string directory() const { return site_.state() + "/hsm/app"; }
  std::string file(const std::string& name) const {
    return directory() + "/" + name;
  }
  const std::map<CK_OBJECT_HANDLE, Everything>& objects() const {
    return objects_;
  }
  CK_OBJECT_HANDLE Handle(const std::string& label) const {
    for (const auto& [handle, object] : objects_) {
      const Bytes& value = object.at(CKA_LABEL).value;
      if (std::string(value.begin(), value.end()) == label) return handle;
    }
    ADD_FAILURE() << label;
    return 0;
  }

  void Save(const std::string& name) const {
    fs::copy(directory(), site_.path() + "/" + name,
             fs::copy_options::recursive);
  }
  void Restore(const std::string& name) const {
    fs::remove_all(directory());
    fs::copy(site_.path() + "/" + name, directory(),
             fs::copy_options::recursive);
  }

  // Runs `work` in a process of its own, which must end by itself.
  void InAProcess(const std::function<void(Host&)>& work) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      alarm(120);
      {
        Host host(site_);
        work(host);
      }
      fflush(stdout);
      _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }

  // Everything is as it was; the use of keys too.
  void ExpectWhole() {
    InAProcess([this](Host& host) {
      const CK_SESSION_HANDLE app = host.Officer(0);
      for (const auto& [handle, object] : objects_) {
        EXPECT_EQ(ReadEverything(host, app, handle), object);
      }
      EXPECT_EQ(Encrypt(host, app, aes_), sealed_);
    });
  }

  // What can be read is as it was, and the rest is an error.
  void ExpectSame(const Host& host) const;
  // The same, and something is an error.
  void ExpectErrors() {
    InAProcess([this](Host& host) {
      errors_ = 0;
      ExpectSame(host);
      EXPECT_GT(errors_, 0u) << "the damage was not noticed";
    });
  }

 private:
  // Whether it is CKR_OK; counts what is not.
  bool Counted(CK_RV rv) const {
    if (rv == CKR_OK) return true;
    ++errors_;
    return false;
  }
  void ExpectSameObject(const Host& host, CK_SESSION_HANDLE app,
                        CK_OBJECT_HANDLE handle,
                        const Everything& object) const;
  void ExpectSameUse(const Host& host, CK_SESSION_HANDLE app) const;

  Site site_;
  std::map<CK_OBJECT_HANDLE, Everything> objects_;
  CK_OBJECT_HANDLE aes_ = 0;
  Bytes sealed_;
  mutable size_t errors_ = 0;
};

// An attribute that cannot be read is one of: refused as before, or an error
// of the object or the store.
inline bool IsError(CK_RV rv) {
  return rv == CKR_DEVICE_ERROR || rv == CKR_OBJECT_HANDLE_INVALID ||
         rv == CKR_DEVICE_REMOVED || rv == CKR_GENERAL_ERROR;
}

inline void Keys::ExpectSameObject(const Host& host, CK_SESSION_HANDLE app,
                                   CK_OBJECT_HANDLE handle,
                                   const Everything& object) const {
  CK_ATTRIBUTE label = {CKA_LABEL, nullptr, 0};
  const CK_RV rv = host.c().C_GetAttributeValue(app, handle, &label, 1);
  if (!Counted(rv)) {
    EXPECT_TRUE(IsError(rv)) << conformance::RvName(rv);
    return;
  }
  EXPECT_EQ(ReadEverything(host, app, handle), object);
}

inline void Keys::ExpectSameUse(const Host& host, CK_SESSION_HANDLE app) const {
  Bytes iv(16, 7);
  CK_MECHANISM how = {CKM_AES_CBC_PAD, iv.data(), iv.size()};
  if (!Counted(host.c().C_EncryptInit(app, &how, aes_))) return;
  // Ends what was begun; Encrypt begins it again.
  EXPECT_OK(host.c().C_EncryptInit(app, nullptr, 0));
  EXPECT_EQ(Encrypt(host, app, aes_), sealed_);
}

inline void Keys::ExpectSame(const Host& host) const {
  CK_TOKEN_INFO token;
  if (!Counted(host.c().C_GetTokenInfo(0, &token))) return;
  CK_SESSION_HANDLE app = 0;
  if (!Counted(host.c().C_OpenSession(0, kReadWrite, nullptr, nullptr, &app))) {
    return;
  }
  const CK_RV login = host.TryLogin(app, CKU_USER, kOfficerPin);
  EXPECT_FALSE(login == CKR_PIN_LOCKED);
  if (!Counted(login)) return;
  for (const auto& [handle, object] : objects_) {
    ExpectSameObject(host, app, handle, object);
  }
  CK_OBJECT_HANDLE found[64];
  CK_ULONG count = 0;
  if (Counted(host.c().C_FindObjectsInit(app, nullptr, 0))) {
    if (Counted(host.c().C_FindObjects(app, found, 64, &count))) {
      for (CK_ULONG i = 0; i < count; ++i) {
        EXPECT_EQ(objects_.count(found[i]), 1u) << "an object out of nothing";
      }
      errors_ += objects_.size() - count;
    }
    host.c().C_FindObjectsFinal(app);
  }
  ExpectSameUse(host, app);
  // It may be written to or not; it does not crash.
  const Template note = Note("new");
  CK_OBJECT_HANDLE made = 0;
  Counted(host.c().C_CreateObject(app, note.data(), note.size(), &made));
}

// Runs SQL on the database while nobody has it open.
class Database {
 public:
  explicit Database(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
  }
  ~Database() { sqlite3_close(db_); }
  // False when the database refuses it or nothing changes.
  bool TryRun(const std::string& sql) {
    return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) ==
               SQLITE_OK &&
           sqlite3_changes(db_) > 0;
  }
  void Run(const std::string& sql) {
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &error),
              SQLITE_OK)
        << sql << ": " << error;
    EXPECT_GT(sqlite3_changes(db_), 0) << sql;
  }
  std::vector<std::string> Texts(const std::string& sql) {
    std::vector<std::string> texts;
    sqlite3_stmt* query = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &query, nullptr),
              SQLITE_OK);
    while (sqlite3_step(query) == SQLITE_ROW) {
      texts.push_back(
          reinterpret_cast<const char*>(sqlite3_column_text(query, 0)));
    }
    sqlite3_finalize(query);
    return texts;
  }

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_FAULT_DAMAGE_H_
