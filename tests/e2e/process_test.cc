// Several processes over one embedded state: they work at once, and see what
// the others did.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <utility>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

// A process that runs `work` and then exits; gtest failures in it are failures
// here. Started before this process initialises the library.
class Child {
 public:
  explicit Child(std::function<void(Child&)> work) {
    EXPECT_EQ(pipe(to_child_), 0);
    EXPECT_EQ(pipe(to_parent_), 0);
    pid_ = fork();
    const bool is_child = pid_ == 0;
    // An end that nobody holds any more ends the other's waiting.
    close(std::exchange(to_child_[is_child ? 1 : 0], -1));
    close(std::exchange(to_parent_[is_child ? 0 : 1], -1));
    if (!is_child) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(*this);
    fflush(stdout);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  ~Child() {
    close(to_child_[1]);
    close(to_parent_[0]);
  }
  // Lets the other one go on, and waits for it.
  void Tell() { Put(pid_ == 0 ? to_parent_[1] : to_child_[1]); }
  void Await() { Get(pid_ == 0 ? to_child_[0] : to_parent_[0]); }
  void ExpectSuccess() {
    int status = 0;
    ASSERT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }

 private:
  static void Put(int fd) { EXPECT_EQ(write(fd, "x", 1), 1); }
  static void Get(int fd) {
    char c;
    EXPECT_EQ(read(fd, &c, 1), 1);
  }
  int to_child_[2], to_parent_[2];
  pid_t pid_ = -1;
};

// A site whose partition and Backup HSM are initialised, and no library in use.
struct ReadySite {
  ReadySite() : site(Plan()) {
    Host host(site);
    host.InitPartition(0);
    host.InitHsm(host.backup());
  }
  Site site;
};

// Makes keys and backs them up into a container of its own.
void MakeAndBackUp(Site& site, const std::string& name) {
  Host host(site);
  const CK_SESSION_HANDLE app = host.Officer(0);
  const CK_ULONG container = host.MakeContainer(host.backup(), name);
  std::vector<CK_OBJECT_HANDLE> mine;
  for (int i = 0; i < 10; ++i) {
    const KeyPair pair =
        GenerateEcPair(host, app, name + " " + std::to_string(i));
    mine.insert(mine.end(), {pair.public_key, pair.private_key});
  }
  const CK_SESSION_HANDLE archive = host.OpenArchive(host.backup(), container);
  ExpectAllStored(host.Transfer(app, archive, 0, mine), 20);
}

TEST(ProcessTest, TwoAtOnce_LoseNothing) {
  ReadySite ready;
  Child one([&](Child&) { MakeAndBackUp(ready.site, "one"); });
  Child two([&](Child&) { MakeAndBackUp(ready.site, "two"); });
  one.ExpectSuccess();
  two.ExpectSuccess();
  Host host(ready.site);
  const CK_SESSION_HANDLE app = host.Officer(0);
  EXPECT_EQ(ReadPartition(host, app).size(), 40u);
  for (const CK_ULONG container : host.Containers(host.backup())) {
    EXPECT_EQ(host.Find(host.OpenArchive(host.backup(), container)).size(),
              20u);
  }
}

TEST(ProcessTest, DestroyedKey_IsInvalidAtTheNextInit) {
  ReadySite ready;
  Child child([&](Child& self) {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const CK_OBJECT_HANDLE aes = GenerateAes(host, app, "aes");
    Encrypt(host, app, aes);
    self.Tell();
    self.Await();
    Bytes iv(16, 7);
    CK_MECHANISM how = {CKM_AES_CBC_PAD, iv.data(), iv.size()};
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, host.c().C_EncryptInit(app, &how, aes));
    EXPECT_EQ(host.Find(app).size(), 0u);
  });
  child.Await();
  {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const CK_OBJECT_HANDLE aes = Only(host, app, CKO_SECRET_KEY, "aes");
    EXPECT_OK(host.c().C_DestroyObject(app, aes));
  }
  child.Tell();
  child.ExpectSuccess();
}

TEST(ProcessTest, NewObjectAndNewValue_AreSeen) {
  ReadySite ready;
  Child child([&](Child& self) {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const CK_OBJECT_HANDLE note = host.Create(app, Note("old"));
    EXPECT_EQ(host.Find(app).size(), 1u);
    self.Tell();
    self.Await();
    EXPECT_EQ(host.Find(app).size(), 2u);
    EXPECT_EQ(host.Get(app, note, CKA_LABEL), conformance::FromText("new"));
  });
  child.Await();
  {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const auto found = host.Find(app);
    ASSERT_EQ(found.size(), 1u);
    const Template label = Template().Text(CKA_LABEL, "new");
    EXPECT_OK(host.c().C_SetAttributeValue(app, found[0], label.data(),
                                           label.size()));
    host.Create(app, Note("another"));
  }
  child.Tell();
  child.ExpectSuccess();
}

TEST(ProcessTest, ChangedPin_LogsNobodyOut) {
  ReadySite ready;
  Child child([&](Child& self) {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const CK_OBJECT_HANDLE aes = GenerateAes(host, app, "aes");
    self.Tell();
    self.Await();
    Encrypt(host, app, aes);
    EXPECT_OK(host.c().C_Logout(app));
    EXPECT_RV(CKR_PIN_INCORRECT, host.TryLogin(app, CKU_USER, kOfficerPin));
    EXPECT_OK(host.TryLogin(app, CKU_USER, "another-pin-1"));
    Encrypt(host, app, aes);
  });
  child.Await();
  {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    std::string old_pin = kOfficerPin, new_pin = "another-pin-1";
    EXPECT_OK(host.c().C_SetPIN(
        app, reinterpret_cast<CK_UTF8CHAR*>(old_pin.data()), old_pin.size(),
        reinterpret_cast<CK_UTF8CHAR*>(new_pin.data()), new_pin.size()));
  }
  child.Tell();
  child.ExpectSuccess();
}

TEST(ProcessTest, ReinitialisedPartition_IsARemovedDevice) {
  ReadySite ready;
  Child child([&](Child& self) {
    Host host(ready.site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const CK_OBJECT_HANDLE aes = GenerateAes(host, app, "aes");
    self.Tell();
    self.Await();
    Bytes iv(16, 7);
    CK_MECHANISM how = {CKM_AES_CBC_PAD, iv.data(), iv.size()};
    EXPECT_RV(CKR_DEVICE_REMOVED, host.c().C_EncryptInit(app, &how, aes));
    EXPECT_RV(CKR_DEVICE_REMOVED, host.c().C_FindObjectsInit(app, nullptr, 0));
  });
  child.Await();
  {
    Host host(ready.site);
    host.InitPartition(0);
  }
  child.Tell();
  child.ExpectSuccess();
}

std::string LabelOf(const Host& host, CK_SLOT_ID slot) {
  const CK_TOKEN_INFO info = host.TokenInfo(slot);
  std::string label(reinterpret_cast<const char*>(info.label),
                    sizeof info.label);
  label.erase(label.find_last_not_of(' ') + 1);
  return label;
}

// A slot list without room is where a module looks for new slots.
TEST(ProcessTest, RenamedPartition_HasItsNewLabelAtOnce) {
  ReadySite ready;
  Child child([&](Child& self) {
    Host host(ready.site);
    EXPECT_EQ(LabelOf(host, 0), "token");
    self.Tell();
    self.Await();
    // Nothing but C_GetTokenInfo.
    EXPECT_EQ(LabelOf(host, 0), "renamed");
    self.Tell();
    self.Await();
    CK_ULONG slots = 0;
    EXPECT_OK(host.c().C_GetSlotList(CK_TRUE, nullptr, &slots));
    EXPECT_GT(slots, 0u);
    EXPECT_EQ(LabelOf(host, 0), "again");
  });
  child.Await();
  Host host(ready.site);
  EXPECT_OK(host.TryInitToken(0, "renamed", ""));
  child.Tell();
  child.Await();
  EXPECT_OK(host.TryInitToken(0, "again", ""));
  child.Tell();
  child.ExpectSuccess();
}

TEST(ProcessTest, WrongPinsOfSeveral_AreCountedTogether) {
  ReadySite ready;
  const auto fail_twice = [&](Child&) {
    Host host(ready.site);
    const CK_SESSION_HANDLE session = host.Open(0);
    for (int i = 0; i < 2; ++i) {
      EXPECT_RV(CKR_PIN_INCORRECT, host.TryLogin(session, CKU_USER, kWrongPin));
    }
  };
  Child one(fail_twice), two(fail_twice);
  one.ExpectSuccess();
  two.ExpectSuccess();
  Host host(ready.site);
  EXPECT_EQ(host.RoleInfo(0, PERIGEE_OWN_CONTAINER, CKU_USER).ulFailures, 4u);
}

// A daemon has the directory to itself.
TEST(ProcessTest, StateThatADaemonServes_IsNotUsedEmbedded) {
  ReadySite ready;
  std::string serial;
  {
    Host host(ready.site);
    serial = host.HsmInfo(host.backup()).serial;
  }
  // The daemon's layout has its HSM in "hsm".
  TemporaryDirectory directory;
  std::filesystem::create_symlink(ready.site.state() + "/hsm/backup",
                                  directory.path() + "/hsm");
  Daemon daemon(
      {"--state", directory.path(), "--socket", directory.path() + "/s"});
  Host host(ready.site);
  CK_SESSION_HANDLE session;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT,
            host.c().C_OpenSession(host.backup(), kReadWrite, nullptr, nullptr,
                                   &session))
      << host.library().LastError();
  daemon.Stop();
  host.Reload();
  EXPECT_EQ(host.HsmInfo(host.backup()).serial, serial);
}

}  // namespace
}  // namespace e2e
