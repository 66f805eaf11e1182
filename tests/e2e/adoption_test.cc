// The host burns down: a new one adopts the device that outlived it.
#include <filesystem>

#include "tests/e2e/bench.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

PERIGEE_DEVICE FindDevice(const Host& host) {
  PERIGEE_DEVICE device = {};
  device.ulSize = sizeof device;
  EXPECT_OK(host.perigee().DeviceFingerprint(host.backup(), &device))
      << host.library().LastError();
  return device;
}

CK_RV Adopt(const Host& host, const Bytes& fingerprint,
            const std::string& pin) {
  return host.perigee().AdoptDevice(
      host.backup(), fingerprint.data(), fingerprint.size(),
      reinterpret_cast<const CK_UTF8CHAR*>(pin.data()), pin.size());
}

// Keys of the old host, backed up to the daemon.
struct OldHost {
  OldHost() : bench(Link::kSocket) {
    const CK_SESSION_HANDLE app = bench.Officer();
    const KeyPair pair = GenerateEcPair(bench.host, app, "ec");
    const CK_OBJECT_HANDLE aes = GenerateAes(bench.host, app, "aes");
    signature = Sign(bench.host, app, CKM_ECDSA_SHA256, pair.private_key);
    sealed = Encrypt(bench.host, app, aes);
    before = ReadPartition(bench.host, app);
    ExpectAllStored(bench.host.Transfer(app, bench.NewArchive()), 3);
  }
  // The library and all files of the host; the device goes on.
  void BurnDown() {
    bench.host.Finalize();
    std::filesystem::remove_all(bench.site.state());
  }
  Bytes fingerprint() {
    return conformance::FromHex(bench.site.daemon().fingerprint());
  }

  Bench bench;
  Bytes signature, sealed;
  std::map<std::string, Everything> before;
};

TEST(AdoptionTest, NewHost_AdoptsRestoresAndUsesTheKeys) {
  OldHost old;
  old.BurnDown();
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site);
  const PERIGEE_DEVICE device = FindDevice(host);
  EXPECT_EQ(Bytes(device.fingerprint, device.fingerprint + 32),
            old.fingerprint());
  EXPECT_FALSE(device.flags & PERIGEE_DEVICE_TRUSTED);
  EXPECT_TRUE(device.flags & PERIGEE_DEVICE_ADOPTION_ALLOWED);
  EXPECT_TRUE(device.flags & PERIGEE_DEVICE_INITIALIZED);
  EXPECT_OK(Adopt(host, old.fingerprint(), kSoPin))
      << host.library().LastError();
  EXPECT_TRUE(FindDevice(host).flags & PERIGEE_DEVICE_TRUSTED);

  host.InitPartition(0);
  const CK_SESSION_HANDLE app = host.Officer(0);
  const auto containers = host.Containers(host.backup());
  ASSERT_EQ(containers.size(), 1u);
  const CK_SESSION_HANDLE archive =
      host.OpenArchive(host.backup(), containers[0]);
  ExpectAllStored(host.Transfer(archive, app), 3);
  EXPECT_EQ(ReadPartition(host, app), old.before);
  EXPECT_OK(Verify(host, app, CKM_ECDSA_SHA256,
                   Only(host, app, CKO_PUBLIC_KEY, "ec"), old.signature));
  EXPECT_OK(Verify(host, app, CKM_ECDSA_SHA256,
                   Only(host, app, CKO_PUBLIC_KEY, "ec"),
                   Sign(host, app, CKM_ECDSA_SHA256,
                        Only(host, app, CKO_PRIVATE_KEY, "ec"))));
  EXPECT_EQ(Encrypt(host, app, Only(host, app, CKO_SECRET_KEY, "aes")),
            old.sealed);
}

TEST(AdoptionTest, NewHost_CannotUseTheDeviceBefore) {
  OldHost old;
  old.BurnDown();
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site);
  host.InitPartition(0);
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  CK_RV rv = host.c().C_OpenSession(host.backup(), kReadWrite, nullptr, nullptr,
                                    &session);
  if (rv == CKR_OK) rv = host.TryLogin(session, CKU_SO, kSoPin);
  EXPECT_RV(CKR_DEVICE_ERROR, rv);
  EXPECT_NE(host.library().LastError().find("no root that is trusted"),
            std::string::npos)
      << host.library().LastError();
  EXPECT_THAT(RunCommands({"slot set -slot 1", "hsm showinfo"}).out,
              testing::HasSubstr("device adopt"));
}

TEST(AdoptionTest, WrongFingerprint_IsRefusedBeforeThePasswordGoesOut) {
  OldHost old;
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site, Library::Second());
  Bytes wrong = old.fingerprint();
  wrong[31] ^= 1;
  EXPECT_RV(CKR_DEVICE_ERROR, Adopt(host, wrong, kWrongPin));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Adopt(host, Bytes(31, 1), kSoPin));
  // The old host still has its device, where nothing was counted.
  const auto role = old.bench.host.RoleInfo(old.bench.host.backup(),
                                            PERIGEE_OWN_CONTAINER, CKU_SO);
  EXPECT_EQ(role.ulFailures, 0u);
}

TEST(AdoptionTest, WrongPassword_IsRefusedAndCounted) {
  OldHost old;
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site, Library::Second());
  EXPECT_RV(CKR_PIN_INCORRECT, Adopt(host, old.fingerprint(), kWrongPin));
  EXPECT_FALSE(FindDevice(host).flags & PERIGEE_DEVICE_TRUSTED);
  const auto role = old.bench.host.RoleInfo(old.bench.host.backup(),
                                            PERIGEE_OWN_CONTAINER, CKU_SO);
  EXPECT_EQ(role.ulFailures, 1u);
  EXPECT_EQ(role.ulAttemptsLeft, 2u);
}

TEST(AdoptionTest, ThirdWrongPassword_Zeroizes) {
  OldHost old;
  old.BurnDown();
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site);
  for (int i = 0; i < 3; ++i) {
    EXPECT_RV(CKR_PIN_INCORRECT, Adopt(host, old.fingerprint(), kWrongPin));
  }
  EXPECT_TRUE(FindDevice(host).flags & PERIGEE_DEVICE_ZEROIZED);
  // Nothing is left to protect: it is as a new device, for whoever has it.
  ASSERT_OK(Adopt(host, old.fingerprint(), kSoPin));
  EXPECT_TRUE(FindDevice(host).flags & PERIGEE_DEVICE_ZEROIZED);
}

TEST(AdoptionTest, OldHost_IsNotTrustedAnyMore) {
  OldHost old;
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site, Library::Second());
  ASSERT_OK(Adopt(host, old.fingerprint(), kSoPin));
  EXPECT_FALSE(FindDevice(old.bench.host).flags & PERIGEE_DEVICE_TRUSTED);
  old.bench.host.Reload();
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  EXPECT_NE(
      old.bench.host.c().C_OpenSession(old.bench.host.backup(), kReadWrite,
                                       nullptr, nullptr, &session),
      CK_RV{CKR_OK});
}

TEST(AdoptionTest, AdoptedDevice_StaysAdopted) {
  OldHost old;
  const Bytes fingerprint = old.fingerprint();
  old.BurnDown();
  Site site(old.bench.site, DefaultPlan(Link::kSocket));
  Host host(site);
  ASSERT_OK(Adopt(host, fingerprint, kSoPin));
  old.bench.site.daemon().Restart();
  host.Reload();
  const PERIGEE_DEVICE device = FindDevice(host);
  EXPECT_TRUE(device.flags & PERIGEE_DEVICE_TRUSTED);
  EXPECT_EQ(Bytes(device.fingerprint, device.fingerprint + 32),
            old.fingerprint());
  EXPECT_OK(host.c().C_CloseSession(host.SecurityOfficer(host.backup())));
}

// --- over TCP ----------------------------------------------------------------

std::unique_ptr<Daemon> TcpDaemon(const TemporaryDirectory& directory,
                                  bool adopt) {
  std::vector<std::string> arguments = {
      "--state",    directory.path() + "/device",
      "--socket",   "127.0.0.1:0",
      "--kdf-cost", "test"};
  if (adopt) arguments.push_back("--adopt");
  return std::make_unique<Daemon>(std::move(arguments));
}

CK_RV AdoptOverTcp(bool allowed) {
  TemporaryDirectory directory;
  // A device needs an SO for its password to be checked.
  Bytes fingerprint;
  {
    Site owner(DefaultPlan(Link::kSocket));
    Host host(owner);
    host.InitHsm(host.backup());
    owner.daemon().Stop();
    std::filesystem::rename(owner.path() + "/backup",
                            directory.path() + "/device");
  }
  const std::unique_ptr<Daemon> daemon = TcpDaemon(directory, allowed);
  Plan plan = DefaultPlan(Link::kSocket);
  plan.backups.clear();
  Site site(plan);
  WriteFile(site.config(),
            "[[hsm]]\nname = \"app\"\nkdf_cost = \"test\"\n"
            "[[hsm.partition]]\n[[hsm]]\nname = \"backup\"\n"
            "kind = \"backup\"\ntransport = \"socket:" +
                daemon->address() + "\"\n");
  Host host(site);
  const PERIGEE_DEVICE device = FindDevice(host);
  EXPECT_EQ((device.flags & PERIGEE_DEVICE_ADOPTION_ALLOWED) != 0, allowed);
  return Adopt(host, conformance::FromHex(daemon->fingerprint()), kSoPin);
}

TEST(AdoptionTest, OverTcp_NeedsTheOperatorsWord) {
  EXPECT_NE(AdoptOverTcp(false), CK_RV{CKR_OK});
  EXPECT_OK(AdoptOverTcp(true));
}

}  // namespace
}  // namespace e2e
