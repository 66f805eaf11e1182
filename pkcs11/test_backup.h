// For tests: a Backup HSM in a slot beside an application HSM, both over real
// directories, and the steps that a session takes with them.
#ifndef PERIGEE_PKCS11_TEST_BACKUP_H_
#define PERIGEE_PKCS11_TEST_BACKUP_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backup/transfer.h"
#include "cloning/test_objects.h"
#include "gtest/gtest.h"
#include "hsm/temporary_directory.h"
#include "hsm_io/fault_transport.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/local_token.h"

namespace pkcs11 {

inline constexpr char kSo[] = "so-password";
inline constexpr char kCo[] = "co-password";
inline constexpr char kDomain[] = "the domain of the tests";

inline SecretBytes Secret(absl::string_view text) {
  return SecretBytes::CopyOf(base::AsBytes(text));
}

class BackupTokenTest : public testing::Test {
 protected:
  BackupTokenTest() { Connect(); }

  HsmConfig ConfigOf(const std::string& name, hsm::Kind kind,
                     const std::string& model) {
    HsmConfig config;
    config.spec.name = name;
    config.spec.kind = kind;
    config.spec.model = model;
    config.spec.kdf_cost = hsm::KdfCost::kTest;
    config.store = directory_.file(name);
    if (kind == hsm::Kind::kApplication) {
      config.partitions.resize(2);
      config.spec.partitions.resize(2);
    }
    return config;
  }
  std::string fleet() const { return directory_.file("fleet"); }

  // A process that starts.
  void Connect() {
    HsmConfig config = ConfigOf("backup", hsm::Kind::kBackup, "luna-g7-backup");
    if (!transport_.empty()) config.transport = transport_;
    token_ = NewBackupTokenForTest(1, config, fleet(), wrap_);
  }
  Token& token() { return *token_; }
  BackupDevice& device() { return *AsBackupDevice(*token_); }

  // As a session does it.
  absl::Status LogIn(Token& token, SpaceId space, hsm::Role role,
                     absl::string_view pin) {
    RETURN_IF_ERROR(token.Connect(space));
    const auto application = token.application(space);
    if (application->sessions().all() == 0) {
      RETURN_IF_ERROR(application->Enter(/*read_write=*/true));
    }
    return token.Login(space, role, Secret(pin));
  }
  void InitBackup() {
    ASSERT_EQ(token().InitToken("backup", Secret(kSo), {}), absl::OkStatus());
    ASSERT_EQ(LogIn(token(), 0, hsm::Role::kSo, kSo), absl::OkStatus());
  }
  absl::StatusOr<SpaceId> NewBackup(const std::string& label,
                                    uint64_t capacity = 1 << 20,
                                    absl::string_view domain = kDomain) {
    hsm::PartitionSpec spec;
    spec.label = label;
    spec.capacity = capacity;
    return device().CreateBackup(spec, Secret(kCo), base::AsBytes(domain));
  }
  // The next partition of the application HSM, CO logged in.
  std::unique_ptr<LocalToken> NewPartition() {
    if (app_ == nullptr) {
      app_ = std::make_shared<LocalHsm>(
          ConfigOf("app", hsm::Kind::kApplication, "perigee"), fleet());
    }
    const SpaceId space = ++partitions_;
    auto made = std::make_unique<LocalToken>(10 + space, app_, space);
    EXPECT_EQ(made->InitToken("app", Secret(kSo), base::AsBytes(kDomain)),
              absl::OkStatus());
    EXPECT_EQ(LogIn(*made, space, hsm::Role::kSo, kSo), absl::OkStatus());
    EXPECT_EQ(made->InitRole(space, hsm::Role::kCo, Secret(kCo)),
              absl::OkStatus());
    EXPECT_EQ(made->Logout(space), absl::OkStatus());
    EXPECT_EQ(LogIn(*made, space, hsm::Role::kCo, kCo), absl::OkStatus());
    return made;
  }
  static std::vector<uint64_t> Add(LocalToken& token) {
    std::vector<hsm::NewObject> objects;
    for (hsm::AttributeSet set :
         {cloning::AesKey("aes"), cloning::RsaPrivateKey("rsa"),
          cloning::Certificate("certificate"), cloning::DataObject("data")}) {
      objects.push_back({std::move(set), std::nullopt});
    }
    return *token.Create(token.own_space(), std::move(objects));
  }
  static absl::Status Carry(Token& from, SpaceId source, Token& to,
                            SpaceId target, std::vector<uint64_t> handles,
                            backup::TransferReport& report,
                            bool replace = false) {
    ASSIGN_OR_RETURN(auto first, from.MakeEndpoint(source));
    ASSIGN_OR_RETURN(auto second, to.MakeEndpoint(target));
    backup::TransferOptions options;
    if (replace) options.on_conflict = cloning::OnConflict::kReplace;
    return backup::Transfer(*first, *second, handles, options, report);
  }

  const hsm::TemporaryDirectory directory_;
  const std::shared_ptr<hsm_io::FaultPlan> plan_ =
      std::make_shared<hsm_io::FaultPlan>();
  std::string transport_;  // empty: embedded
  WrapTransport wrap_ = [plan =
                             plan_](std::unique_ptr<hsm_io::Transport> inner) {
    return std::make_unique<hsm_io::FaultTransport>(std::move(inner), plan);
  };
  TokenRef token_;
  LocalHsmRef app_;
  SpaceId partitions_ = 0;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_TEST_BACKUP_H_
