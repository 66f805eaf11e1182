// Many processes of many threads over one state: each makes, finds, uses,
// changes and destroys objects of its own in partitions that all of them share,
// and some change PINs. In the end there is what each of them left, and nothing
// else.
#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "tests/e2e/host.h"
#include "tests/e2e/objects.h"
#include "tests/fault/processes.h"

namespace e2e {
namespace {

constexpr int kProcesses = 32;
constexpr int kThreads = 8;
constexpr int kPartitions = 8;
constexpr int kRounds = 8;
constexpr char kShared[] = "shared";

// (class, label) -> value of a note, or nothing.
using Contents = std::map<std::pair<CK_OBJECT_CLASS, std::string>, std::string>;

std::string PinOf(int partition, int round) {
  return "pin-of-" + std::to_string(partition) + "-round-" +
         std::to_string(round);
}

std::string NameOf(int process, int thread, int round) {
  return std::to_string(process) + "." + std::to_string(thread) + "." +
         std::to_string(round);
}

// The partition in which a thread works; the threads of a process work in all.
int PartitionOf(int process, int thread) {
  return (process + thread) % kPartitions;
}

bool Destroys(int round) { return round % 3 == 1; }

// What a thread leaves of its round: of a pair the public key, and a note
// unless the round destroys it.
void Leave(Contents& contents, const std::string& name, int round) {
  contents[{CKO_PUBLIC_KEY, name}] = "";
  if (!Destroys(round)) contents[{CKO_DATA, name}] = "of " + name;
}

class Worker {
 public:
  Worker(const Host& host, int process, int thread)
      : host_(host),
        process_(process),
        thread_(thread),
        partition_(PartitionOf(process, thread)),
        session_(host.Open(partition_)) {}

  void Run() {
    const CK_OBJECT_HANDLE shared =
        Only(host_, session_, CKO_PRIVATE_KEY, kShared);
    const CK_OBJECT_HANDLE shared_public =
        Only(host_, session_, CKO_PUBLIC_KEY, kShared);
    for (int round = 0; round < kRounds; ++round) {
      const std::string name = NameOf(process_, thread_, round);
      WorkWithNote(name, Destroys(round));
      WorkWithPair(name);
      EXPECT_OK(Verify(host_, session_, CKM_ECDSA_SHA256, shared_public,
                       Sign(host_, session_, CKM_ECDSA_SHA256, shared)));
      // One thread of all processes, so that it knows the old one.
      if (thread_ == 0 && process_ < kPartitions) ChangePin(round);
    }
  }

 private:
  void WorkWithNote(const std::string& name, bool destroys) {
    const CK_OBJECT_HANDLE note =
        host_.Create(session_, Note("new " + name, "of " + name));
    const Template label = Template().Text(CKA_LABEL, name);
    EXPECT_OK(host_.c().C_SetAttributeValue(session_, note, label.data(),
                                            label.size()));
    const auto found = host_.Find(
        session_, Template().Ulong(CKA_CLASS, CKO_DATA).Text(CKA_LABEL, name));
    EXPECT_EQ(found, std::vector<CK_OBJECT_HANDLE>{note});
    EXPECT_EQ(host_.Get(session_, note, CKA_VALUE),
              conformance::FromText("of " + name));
    if (destroys) {
      EXPECT_OK(host_.c().C_DestroyObject(session_, note));
    }
  }

  void WorkWithPair(const std::string& name) {
    const KeyPair pair = GenerateEcPair(host_, session_, name);
    EXPECT_OK(
        Verify(host_, session_, CKM_ECDSA_SHA256, pair.public_key,
               Sign(host_, session_, CKM_ECDSA_SHA256, pair.private_key)));
    EXPECT_OK(host_.c().C_DestroyObject(session_, pair.private_key));
    CK_MECHANISM how = {CKM_ECDSA_SHA256, nullptr, 0};
    EXPECT_RV(CKR_KEY_HANDLE_INVALID,
              host_.c().C_SignInit(session_, &how, pair.private_key));
  }

  void ChangePin(int round) {
    std::string now = round == 0 ? kOfficerPin : PinOf(partition_, round - 1);
    std::string next = PinOf(partition_, round);
    EXPECT_OK(host_.c().C_SetPIN(
        session_, reinterpret_cast<CK_UTF8CHAR*>(now.data()), now.size(),
        reinterpret_cast<CK_UTF8CHAR*>(next.data()), next.size()));
  }

  const Host& host_;
  const int process_;
  const int thread_;
  const int partition_;
  const CK_SESSION_HANDLE session_;
};

Contents Read(const Host& host, CK_SESSION_HANDLE session) {
  Contents contents;
  for (const CK_OBJECT_HANDLE object : host.Find(session)) {
    CK_OBJECT_CLASS what = 0;
    const Bytes bytes = host.Get(session, object, CKA_CLASS);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<CK_BYTE*>(&what));
    const Bytes label = host.Get(session, object, CKA_LABEL);
    Bytes value;
    if (what == CKO_DATA) value = host.Get(session, object, CKA_VALUE);
    const bool fresh =
        contents
            .insert({{what, std::string(label.begin(), label.end())},
                     std::string(value.begin(), value.end())})
            .second;
    EXPECT_TRUE(fresh) << std::string(label.begin(), label.end());
  }
  return contents;
}

void CheckPartition(const Host& host, int partition) {
  SCOPED_TRACE("partition " + std::to_string(partition));
  Contents expected = {{{CKO_PRIVATE_KEY, kShared}, ""},
                       {{CKO_PUBLIC_KEY, kShared}, ""}};
  for (int process = 0; process < kProcesses; ++process) {
    for (int thread = 0; thread < kThreads; ++thread) {
      if (PartitionOf(process, thread) != partition) continue;
      for (int round = 0; round < kRounds; ++round) {
        Leave(expected, NameOf(process, thread, round), round);
      }
    }
  }
  EXPECT_EQ(
      host.RoleInfo(partition, PERIGEE_OWN_CONTAINER, CKU_USER).ulFailures, 0u);
  const CK_SESSION_HANDLE session = host.Open(partition);
  EXPECT_RV(CKR_PIN_INCORRECT,
            host.TryLogin(session, CKU_USER, PinOf(partition, kRounds - 2)));
  ASSERT_OK(host.TryLogin(session, CKU_USER, PinOf(partition, kRounds - 1)));
  const Contents found = Read(host, session);
  for (const auto& [what, value] : expected) {
    EXPECT_EQ(found.count(what), 1u) << what.first << " " << what.second;
  }
  for (const auto& [what, value] : found) {
    EXPECT_EQ(expected.count(what), 1u) << what.first << " " << what.second;
  }
  EXPECT_TRUE(found == expected);
}

TEST(ManyTest, ProcessesOfThreads_LeaveWhatEachOfThemLeft) {
  Plan plan;
  plan.backups.clear();
  plan.apps[0].partitions.assign(kPartitions, "");
  Site site(plan);
  {
    Host host(site);
    for (int partition = 0; partition < kPartitions; ++partition) {
      host.InitPartition(partition, "");
      GenerateEcPair(host, host.Officer(partition), kShared);
    }
  }
  // They meet when all have logged in with the first PIN.
  EXPECT_EQ(FailuresOf(kProcesses, 1,
                       [&](int process, Meetings& meetings) {
                         Host host(site);
                         for (int i = 0; i < kPartitions; ++i) host.Officer(i);
                         meetings.Meet();
                         std::vector<std::thread> threads;
                         for (int thread = 0; thread < kThreads; ++thread) {
                           threads.emplace_back([&, thread] {
                             Worker(host, process, thread).Run();
                           });
                         }
                         for (std::thread& thread : threads) thread.join();
                       }),
            0);
  Host host(site);
  for (int partition = 0; partition < kPartitions; ++partition) {
    CheckPartition(host, partition);
  }
}

// Destroyed by one of them, and every other one holds it ready to sign.
TEST(ManyTest, DestroyedKey_SignsNowhere) {
  constexpr int kHolders = 8, kKeys = 12;
  Plan plan;
  plan.backups.clear();
  Site site(plan);
  {
    Host host(site);
    host.InitPartition(0, "");
    const CK_SESSION_HANDLE app = host.Officer(0);
    for (int i = 0; i < kKeys; ++i) {
      GenerateEcPair(host, app, std::to_string(i));
    }
  }
  const auto hold = [&](int process, Meetings& meetings) {
    Host host(site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    CK_MECHANISM how = {CKM_ECDSA_SHA256, nullptr, 0};
    for (int i = 0; i < kKeys; ++i) {
      SCOPED_TRACE("key " + std::to_string(i));
      const CK_OBJECT_HANDLE key =
          Only(host, app, CKO_PRIVATE_KEY, std::to_string(i));
      Sign(host, app, CKM_ECDSA_SHA256, key);
      meetings.Meet();
      if (process == i % kHolders) {
        EXPECT_OK(host.c().C_DestroyObject(app, key));
      }
      meetings.Meet();
      EXPECT_RV(CKR_KEY_HANDLE_INVALID, host.c().C_SignInit(app, &how, key));
      CK_ATTRIBUTE label = {CKA_LABEL, nullptr, 0};
      EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
                host.c().C_GetAttributeValue(app, key, &label, 1));
    }
  };
  EXPECT_EQ(FailuresOf(kHolders, 2 * kKeys, hold), 0);
}

// All of them bring the same objects into one partition.
TEST(ManyTest, RestoredByAllAtOnce_IsThereOnce) {
  constexpr int kRestorers = 8;
  Site site((Plan()));
  CK_ULONG container = 0;
  std::map<std::string, Everything> objects;
  {
    Host host(site);
    host.InitPartition(0);
    host.InitHsm(host.backup());
    container = host.MakeContainer(host.backup());
    const CK_SESSION_HANDLE app = host.Officer(0);
    for (int i = 0; i < 10; ++i) GenerateEcPair(host, app, std::to_string(i));
    objects = ReadPartition(host, app);
    const CK_SESSION_HANDLE archive =
        host.OpenArchive(host.backup(), container);
    EXPECT_EQ(host.Transfer(app, archive).rv, CKR_OK);
    for (const CK_OBJECT_HANDLE object : host.Find(app)) {
      EXPECT_OK(host.c().C_DestroyObject(app, object));
    }
  }
  const auto restore = [&](int, Meetings& meetings) {
    Host host(site);
    const CK_SESSION_HANDLE app = host.Officer(0);
    const CK_SESSION_HANDLE archive =
        host.OpenArchive(host.backup(), container);
    meetings.Meet();
    const Report report = host.Transfer(archive, app);
    EXPECT_EQ(report.rv, CKR_OK) << report.error;
  };
  EXPECT_EQ(FailuresOf(kRestorers, 1, restore), 0);
  Host host(site);
  const CK_SESSION_HANDLE app = host.Officer(0);
  EXPECT_EQ(host.Find(app).size(), 20u);
  EXPECT_EQ(ReadPartition(host, app), objects);
}

TEST(ManyTest, ContainersOfOneLabelMadeAtOnce_OneIsMade) {
  constexpr int kMakers = 8, kLabels = 5;
  Site site((Plan()));
  {
    Host host(site);
    host.InitPartition(0);
    host.InitHsm(host.backup());
  }
  const auto make = [&](int, Meetings& meetings) {
    Host host(site);
    const CK_SESSION_HANDLE so = host.SecurityOfficer(host.backup());
    for (int i = 0; i < kLabels; ++i) {
      meetings.Meet();
      CK_ULONG container = 0;
      const CK_RV rv = host.TryMakeContainer(so, "label " + std::to_string(i),
                                             "", 0, &container);
      EXPECT_TRUE(rv == CKR_OK || rv == CKR_OBJECT_ALREADY_EXISTS)
          << conformance::RvName(rv);
    }
  };
  EXPECT_EQ(FailuresOf(kMakers, kLabels, make), 0);
  Host host(site);
  EXPECT_EQ(host.Containers(host.backup()).size(), size_t{kLabels});
}

}  // namespace
}  // namespace e2e
