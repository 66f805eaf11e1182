// The Remote Backup Service: two hosts, one of which holds the device. That
// backups go through it is with the other links, in backup_test.cc.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/e2e/bench.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string With(const std::string& command, const char* option,
                 const std::string& value) {
  return command + " -" + option + " \"" + value + "\"";
}

bool TokenPresent(const Host& host) {
  CK_SLOT_INFO info;
  EXPECT_OK(host.c().C_GetSlotInfo(host.backup(), &info));
  return (info.flags & CKF_TOKEN_PRESENT) != 0;
}

// What the library says to one who wants to know which device is there.
std::string WhyNoDevice(const Host& host) {
  PERIGEE_DEVICE device = {};
  device.ulSize = sizeof device;
  EXPECT_NE(host.perigee().DeviceFingerprint(host.backup(), &device),
            CK_RV{CKR_OK});
  return host.library().LastError();
}

std::string LabelsIn(const Host& host, CK_SESSION_HANDLE session) {
  std::string labels;
  for (const CK_OBJECT_HANDLE object : host.Find(session)) {
    const Bytes label = host.Get(session, object, CKA_LABEL);
    labels.append(label.begin(), label.end());
  }
  return labels;
}

// A new host of the fleet of another one.
struct SecondHost {
  SecondHost(const Site& of_fleet, const std::string& server) : site(PlanOf()) {
    JoinFleet(site.state(), of_fleet.state());
    Configure(server);
  }
  void Configure(const std::string& server) {
    WriteFile(site.config(),
              "[[hsm]]\nname = \"app\"\nkdf_cost = \"test\"\n"
              "[[hsm.partition]]\n[[hsm]]\nname = \"backup\"\n"
              "kind = \"backup\"\ntransport = \"tls:" +
                  server + "\"\n");
  }
  static Plan PlanOf() {
    Plan plan = DefaultPlan(Link::kSocket);
    plan.backups.clear();
    return plan;
  }
  Site site;
};

TEST(RemoteTest, BackupWipeRestoreVerify_WithTheShell) {
  Bench bench(Link::kRemote);
  const CK_SESSION_HANDLE app = bench.Officer();
  const KeyPair pair = GenerateEcPair(bench.host, app, "signer");
  const Bytes old = Sign(bench.host, app, CKM_ECDSA_SHA256, pair.private_key);
  bench.host.Finalize();

  const std::string login =
      With("role login -name co", "password", kOfficerPin);
  const Ended backup = RunCommands(
      {login, With(With(With("partition archive backup -slot 1 -partition "
                             "archive",
                             "password", kOfficerPin),
                        "sopassword", kSoPin),
                   "domain", kDomain)});
  ASSERT_EQ(backup.code, 0) << backup.out;
  const Ended wiped = RunCommands({login, "partition clear -force"});
  ASSERT_EQ(wiped.code, 0) << wiped.out;
  const Ended restored = RunCommands(
      {login, With("partition archive restore -slot 1 -partition archive",
                   "password", kOfficerPin)});
  ASSERT_EQ(restored.code, 0) << restored.out;

  EXPECT_OK(bench.host.c().C_Initialize(nullptr));
  const CK_SESSION_HANDLE again = bench.Officer();
  EXPECT_EQ(bench.host.Find(again).size(), 2u);
  EXPECT_OK(Verify(bench.host, again, CKM_ECDSA_SHA256,
                   Only(bench.host, again, CKO_PUBLIC_KEY, "signer"), old));
  EXPECT_OK(Verify(bench.host, again, CKM_ECDSA_SHA256,
                   Only(bench.host, again, CKO_PUBLIC_KEY, "signer"),
                   Sign(bench.host, again, CKM_ECDSA_SHA256,
                        Only(bench.host, again, CKO_PRIVATE_KEY, "signer"))));
}

TEST(RemoteTest, HostThatIsNotNamed_IsRefusedAndToldSo) {
  Bench bench(Link::kRemote);
  SecondHost second(bench.site, bench.site.remote().address());
  const std::string serial = SerialOfHost(second.site.state());
  Host host(second.site, Library::Second());
  EXPECT_FALSE(TokenPresent(host));
  EXPECT_THAT(WhyNoDevice(host), HasSubstr("does not name host " + serial));
  EXPECT_THAT(bench.site.remote().Await("host " + serial),
              HasSubstr("refused: this Remote Backup Service does not name"));
  EXPECT_TRUE(TokenPresent(bench.host));
}

TEST(RemoteTest, HostOfAnotherFleet_IsRefused) {
  Bench bench(Link::kRemote);
  SecondHost second(bench.site, bench.site.remote().address());
  std::filesystem::remove_all(second.site.state());
  SerialOfHost(second.site.state());  // makes its own fleet
  Host host(second.site, Library::Second());
  EXPECT_FALSE(TokenPresent(host));
  EXPECT_THAT(WhyNoDevice(host),
              HasSubstr("the server is not of this host's fleet"));
  EXPECT_THAT(bench.site.remote().Await("refused"),
              HasSubstr("the client does not know the fleet of this host"));
}

TEST(RemoteTest, WrongServer_IsRefused) {
  Bench bench(Link::kRemote);
  SecondHost second(bench.site, bench.site.remote().address() + "@4711");
  SerialOfHost(second.site.state());
  Host host(second.site, Library::Second());
  EXPECT_FALSE(TokenPresent(host));
  EXPECT_THAT(WhyNoDevice(host), HasSubstr("not 4711 as the configuration"));
  EXPECT_THAT(bench.site.remote().Await("refused"),
              HasSubstr("the client refused this host"));
}

TEST(RemoteTest, LookingAround_MakesNoIdentity) {
  Bench bench(Link::kRemote);
  SecondHost second(bench.site, bench.site.remote().address());
  std::filesystem::remove_all(second.site.state());
  Host host(second.site, Library::Second());
  EXPECT_FALSE(TokenPresent(host));
  EXPECT_FALSE(std::filesystem::exists(second.site.state()));
}

TEST(RemoteTest, TwoHosts_EachHaveTheirBackups) {
  Bench bench(Link::kRemote);
  SecondHost second(bench.site, "127.0.0.1:1");
  const RemoteService both(
      bench.site.path() + "/both", bench.site.state(),
      "socket:" + bench.site.socket(),
      KeyOfHost(second.site.state()) + "," + SerialOfHost(bench.site.state()));
  second.Configure(both.address());
  Host host(second.site, Library::Second());
  host.InitPartition(host.partition());
  const CK_SESSION_HANDLE theirs = host.Officer(host.partition());
  host.Create(theirs, Note("theirs"));
  const CK_SESSION_HANDLE their_archive =
      host.OpenArchive(host.backup(), host.MakeContainer(host.backup(), "b"));
  const CK_SESSION_HANDLE ours = bench.Officer();
  bench.host.Create(ours, Note("ours"));
  const CK_SESSION_HANDLE our_archive = bench.NewArchive();
  ExpectAllStored(host.Transfer(theirs, their_archive), 1);
  ExpectAllStored(bench.host.Transfer(ours, our_archive), 1);
  EXPECT_EQ(LabelsIn(host, their_archive), "theirs");
  EXPECT_EQ(LabelsIn(bench.host, our_archive), "ours");
}

// The service has the device as on a USB cable: one host at a time.
TEST(RemoteTest, DeviceOfOneHost_ServesOneClientAfterTheOther) {
  const Site holder(DefaultPlan(Link::kUsbip));
  SecondHost first(holder, "127.0.0.1:1"), second(holder, "127.0.0.1:1");
  const RemoteService service(
      holder.path() + "/service", holder.state(), "usbip:" + holder.socket(),
      KeyOfHost(first.site.state()) + "," + KeyOfHost(second.site.state()));
  first.Configure(service.address());
  second.Configure(service.address());
  Host one(first.site);
  Host two(second.site, Library::Second());
  EXPECT_TRUE(TokenPresent(one));
  EXPECT_TRUE(TokenPresent(two));
  one.InitPartition(one.partition());
  one.InitHsm(one.backup());
  const CK_SESSION_HANDLE app = one.Officer(one.partition());
  one.Create(app, Note("one"));
  const CK_SESSION_HANDLE archive =
      one.OpenArchive(one.backup(), one.MakeContainer(one.backup()));
  EXPECT_THAT(WhyNoDevice(two), HasSubstr("another client is using"));
  ExpectAllStored(one.Transfer(app, archive), 1);
  one.Finalize();
  for (int i = 0; i < 1000 && !TokenPresent(two); ++i) usleep(10000);
  EXPECT_EQ(two.Containers(two.backup()).size(), 1u);
}

TEST(RemoteTest, Sigterm_EndsItWell) {
  Bench bench(Link::kRemote);
  const int status = bench.site.remote().Stop();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(TokenPresent(bench.host));
}

TEST(RemoteTest, KilledService_IsRemovedAndBackAfterItsRestart) {
  Bench bench(Link::kRemote);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("one"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  bench.site.remote().Kill();
  EXPECT_RV(CKR_DEVICE_REMOVED, bench.host.Transfer(app, archive).rv);
  EXPECT_FALSE(TokenPresent(bench.host));
  bench.site.remote().Start();
  EXPECT_TRUE(TokenPresent(bench.host));
  const CK_SESSION_HANDLE again =
      bench.host.OpenArchive(bench.host.backup(), bench.ContainerOf("archive"));
  ExpectAllStored(bench.host.Transfer(app, again), 1);
}

// The operator's machine has the fleet, the device and every byte that passes,
// and no PIN.
TEST(RemoteTest, NothingOfTheBackupIsAtTheServicesHost) {
  Bench bench(Link::kRemote);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("one", "a value that is nobody's business"));
  ExpectAllStored(bench.host.Transfer(app, bench.NewArchive()), 1);
  std::vector<std::string> files;
  for (const auto& each : std::filesystem::recursive_directory_iterator(
           bench.site.remote().state())) {
    if (each.is_regular_file()) files.push_back(each.path().filename());
  }
  EXPECT_THAT(files, testing::UnorderedElementsAre("root.key", "root.crt",
                                                   "host.key", "host.crt"));
}

TEST(RemoteTest, BadArguments_AreRefusedBeforeItServes) {
  Bench bench(Link::kEmbedded);
  bench.host.Finalize();
  const Ended name =
      RunCommands({"remotebackup start -slot 1 -client backup-room"});
  EXPECT_EQ(name.code, 1);
  EXPECT_THAT(name.out, HasSubstr("CKR_ARGUMENTS_BAD"));
  EXPECT_THAT(name.out, Not(HasSubstr("serves at")));
  const Ended slot = RunCommands({"remotebackup start -slot 0 -client 1"});
  EXPECT_THAT(slot.out, HasSubstr("CKR_SLOT_ID_INVALID"));
  const Ended port =
      RunCommands({"remotebackup start -slot 1 -client 1 -port 65536"});
  EXPECT_THAT(port.out, HasSubstr("a port is at most 65535"));
}

}  // namespace
}  // namespace e2e
