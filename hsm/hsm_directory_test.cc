// HSMs and the fleet root as directories: made whole or not at all, opened by
// several at once.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "hsm/durable_files.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::Data;
using testkit::List;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TemporaryDirectory;
using testkit::TestFleet;

mode_t ModeOf(const std::string& path) {
  struct stat seen;
  EXPECT_EQ(stat(path.c_str(), &seen), 0) << path;
  return seen.st_mode & 0777;
}

std::vector<std::string> Listing(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(HsmDirectory, IsMadeWithWhatIsAboveIt) {
  const std::string home = TemporaryDirectory();
  const std::string path = home + "/a/b/app";
  EXPECT_EQ(Rv(Hsm::Open(path)), CK_RV{CKR_TOKEN_NOT_PRESENT});
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  EXPECT_EQ(ModeOf(path), 0700u);
  EXPECT_EQ(ModeOf(path + "/storage.key"), 0600u);
  EXPECT_EQ(Listing(home + "/a/b"), std::vector<std::string>{"app"});
  auto hsm = Hsm::Open(path);
  ASSERT_TRUE(hsm.ok()) << hsm.status();
  EXPECT_EQ((*hsm)->Info()->name, "app");
}

TEST(HsmDirectory, KeepsEverythingAcrossOpenings) {
  const std::string path = TemporaryDirectory() + "/app";
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  std::vector<uint64_t> handles;
  std::string serial;
  {
    auto hsm = *Hsm::Open(path);
    serial = hsm->Info()->serial;
    LoginRef co = MakeOfficer(*hsm->Find(1));
    handles = *hsm->Find(1)->Create(co.get(), List(Data("a"), SecretKey("1")));
  }
  auto hsm = *Hsm::Open(path);
  EXPECT_EQ(hsm->Info()->serial, serial);
  LoginRef co = *hsm->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"));
  EXPECT_EQ(*hsm->Find(1)->Find(co.get(), {}), handles);
}

TEST(HsmDirectory, ThatIsThere_IsNotMadeAgain) {
  const std::string path = TemporaryDirectory() + "/app";
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  const std::string serial = (*Hsm::Open(path))->Info()->serial;
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  EXPECT_EQ((*Hsm::Open(path))->Info()->serial, serial);
}

TEST(HsmDirectory, ManyMakersAtOnce_HaveOneWinner) {
  const std::string home = TemporaryDirectory();
  std::vector<std::thread> makers;
  std::vector<std::string> serials(4);
  for (std::string& serial : serials) {
    makers.emplace_back([&serial, path = home + "/app"] {
      ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
      auto hsm = Hsm::Open(path);
      ASSERT_TRUE(hsm.ok()) << hsm.status();
      serial = (*hsm)->Info()->serial;
    });
  }
  for (std::thread& maker : makers) maker.join();
  for (const std::string& serial : serials) EXPECT_EQ(serial, serials[0]);
  EXPECT_EQ(Listing(home), std::vector<std::string>{"app"});
}

TEST(HsmDirectory, ABadSpec_LeavesNothingBehind) {
  const std::string home = TemporaryDirectory();
  HsmSpec spec = AppSpec();
  spec.model = "toaster";
  EXPECT_EQ(Rv(Hsm::Create(spec, home + "/app", TestFleet())),
            CK_RV{CKR_ARGUMENTS_BAD});
  EXPECT_TRUE(Listing(home).empty());
}

TEST(HsmDirectory, AStorageKeyThatOthersCanRead_IsRefused) {
  const std::string path = TemporaryDirectory() + "/app";
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  ASSERT_EQ(chmod((path + "/storage.key").c_str(), 0644), 0);
  EXPECT_EQ(Rv(Hsm::Open(path)), CK_RV{CKR_DEVICE_ERROR});
}

TEST(HsmDirectory, AnotherStorageKey_OpensNothing) {
  const std::string path = TemporaryDirectory() + "/app";
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  ASSERT_EQ(unlink((path + "/storage.key").c_str()), 0);
  ASSERT_TRUE(WriteNewFile(path + "/storage.key", Bytes(32, 1), 0600).ok());
  EXPECT_EQ(Rv(Hsm::Open(path)), CK_RV{CKR_DEVICE_ERROR});
}

TEST(HsmDirectory, TwoOpeners_SeeEachOthersChanges) {
  const std::string path = TemporaryDirectory() + "/app";
  ASSERT_TRUE(Hsm::Create(AppSpec(), path, TestFleet()).ok());
  auto one = *Hsm::Open(path);
  auto two = *Hsm::Open(path);
  LoginRef co = MakeOfficer(*one->Find(1));
  LoginRef other = *two->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"));
  const auto handles = *one->Find(1)->Create(co.get(), List(SecretKey("1")));
  ObjectRef key = *two->Find(1)->Get(other.get(), handles[0]);
  EXPECT_TRUE(two->Find(1)->IsCurrent(other.get(), *key));
  ASSERT_TRUE(one->Find(1)->Destroy(co.get(), handles[0]).ok());
  EXPECT_FALSE(two->Find(1)->IsCurrent(other.get(), *key));
  ASSERT_TRUE(one->Find(1)->Init("new", Pin("po-pin-1"), {}).ok());
  EXPECT_EQ(Rv(two->Find(1)->Find(other.get(), {})), CK_RV{CKR_DEVICE_REMOVED});
}

TEST(FleetDirectory, IsMadeOnceAndOpenedAfterwards) {
  const std::string path = TemporaryDirectory() + "/fleet";
  EXPECT_EQ(Rv(Fleet::Open(path)), CK_RV{CKR_TOKEN_NOT_PRESENT});
  auto made = Fleet::OpenOrCreate(path);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(ModeOf(path + "/root.key"), 0600u);
  auto opened = Fleet::Open(path);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->root().der(), made->root().der());
  auto key = *base::P384Key::Generate();
  auto certificate = opened->Issue(
      {.serial = "1", .model = "m", .kind = "host"}, key.public_point());
  ASSERT_TRUE(certificate.ok());
  EXPECT_TRUE(certificate->VerifyUnder(made->root()).ok());
}

TEST(FleetDirectory, ManyMakersAtOnce_HaveOneRoot) {
  const std::string path = TemporaryDirectory() + "/fleet";
  std::vector<std::thread> makers;
  std::vector<Bytes> roots(4);
  for (Bytes& root : roots) {
    makers.emplace_back([&root, path] {
      auto fleet = Fleet::OpenOrCreate(path);
      ASSERT_TRUE(fleet.ok()) << fleet.status();
      root = fleet->root().der();
    });
  }
  for (std::thread& maker : makers) maker.join();
  for (const Bytes& root : roots) EXPECT_EQ(root, roots[0]);
}

}  // namespace
}  // namespace hsm
