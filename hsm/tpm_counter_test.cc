#include "hsm/tpm_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "hsm/temporary_directory.h"
#include "hsm/test_tpm.h"

namespace hsm {
namespace {

using ::testing::HasSubstr;
using testkit::SoftTpm;

std::string ErrorOf(absl::string_view name) {
  const auto parsed = TpmCounterName::Parse(name);
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

TEST(TpmCounterNameTest, NamesIndexDeviceAndHowOften) {
  const auto plain = TpmCounterName::Parse("tpm:0x1500020");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(*plain, (TpmCounterName{0x1500020, "/dev/tpmrm0", 1}));
  const auto full =
      TpmCounterName::Parse("tpm:0x01ffffff?every=16&device=/run/tpm");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(*full, (TpmCounterName{0x1ffffff, "/run/tpm", 16}));
}

TEST(TpmCounterNameTest, AnythingElse_IsRefusedWithTheReason) {
  EXPECT_THAT(ErrorOf("tmp:0x1500020"), HasSubstr("begin with"));
  EXPECT_THAT(ErrorOf("tpm:"), HasSubstr("NV index"));
  EXPECT_THAT(ErrorOf("tpm:1500020"), HasSubstr("NV index"));
  EXPECT_THAT(ErrorOf("tpm:0x81000000"), HasSubstr("NV index"));
  EXPECT_THAT(ErrorOf("tpm:0x2000000"), HasSubstr("NV index"));
  EXPECT_THAT(ErrorOf("tpm:0x1500020?every=0"), HasSubstr("every"));
  EXPECT_THAT(ErrorOf("tpm:0x1500020?every=1000001"), HasSubstr("every"));
  EXPECT_THAT(ErrorOf("tpm:0x1500020?device=tpmrm0"), HasSubstr("absolute"));
  EXPECT_THAT(ErrorOf("tpm:0x1500020?colour=3"), HasSubstr("colour=3"));
  EXPECT_THAT(ErrorOf("tpm:0x1500020?"), HasSubstr("not known"));
}

class TpmCounterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!SoftTpm::IsThere()) GTEST_SKIP();
    tpm_ = std::make_unique<SoftTpm>(directory_.file("tpm"));
    const auto name = TpmCounterName::Parse(tpm_->name());
    ASSERT_TRUE(name.ok()) << name.status();
    counter_ = std::make_unique<TpmCounter>(*name);
  }
  std::string Error() {
    return std::string(counter_->Read().status().message());
  }
  uint64_t Value() {
    const auto now = counter_->Read();
    EXPECT_TRUE(now.ok()) << now.status();
    return now.ok() && now->has_value() ? **now : 0;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<SoftTpm> tpm_;
  std::unique_ptr<TpmCounter> counter_;
};

TEST_F(TpmCounterTest, CountsFromNothing_AndKeepsItsNumber) {
  tpm_->Define();
  const auto before = counter_->Read();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_FALSE(before->has_value());
  ASSERT_TRUE(counter_->Count().ok());
  const uint64_t first = Value();
  ASSERT_TRUE(counter_->Count().ok());
  EXPECT_EQ(Value(), first + 1);
  tpm_->Stop();
  tpm_->Start();
  EXPECT_EQ(Value(), first + 1);
  // A new one at the same index begins above every older one.
  tpm_->Undefine();
  tpm_->Define();
  ASSERT_TRUE(counter_->Count().ok());
  EXPECT_GT(Value(), first + 1);
}

TEST_F(TpmCounterTest, ManyAtOnce_LoseNone) {
  tpm_->Define();
  ASSERT_TRUE(counter_->Count().ok());
  const uint64_t first = Value();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) EXPECT_TRUE(counter_->Count().ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value(), first + 100);
}

TEST_F(TpmCounterTest, NoSuchIndex_SaysHowToMakeIt) {
  EXPECT_THAT(Error(), HasSubstr("tpm2_nvdefine 0x1500020"));
  EXPECT_FALSE(counter_->Count().ok());
}

TEST_F(TpmCounterTest, IndexThatIsNoCounter_IsRefused) {
  tpm_->Define(SoftTpm::kCounter & ~uint32_t{0x10});
  EXPECT_THAT(Error(), HasSubstr("not of type counter"));
  tpm_->Undefine();
  tpm_->Define(SoftTpm::kCounter | 1 << 26);
  EXPECT_THAT(Error(), HasSubstr("orderly"));
}

TEST_F(TpmCounterTest, NoTpm_NamesPathAndErrno) {
  tpm_->Stop();
  EXPECT_THAT(Error(), HasSubstr(tpm_->socket()));
  EXPECT_THAT(Error(), HasSubstr("errno 2"));
}

// What answers is not trusted to be a TPM.
TEST_F(TpmCounterTest, FileThatIsNoTpm_IsRefused) {
  const std::string file = directory_.file("file");
  std::ofstream(file) << std::string(1000, 'x');
  const TpmCounter counter({SoftTpm::kIndex, file, 1});
  EXPECT_THAT(std::string(counter.Read().status().message()),
              HasSubstr(file + ": open: "));
  EXPECT_EQ(std::ifstream(file).get(), 'x');  // nothing was written over it
  const TpmCounter zero({SoftTpm::kIndex, "/dev/zero", 1});
  EXPECT_THAT(std::string(zero.Read().status().message()),
              HasSubstr("no answer of a TPM"));
}

}  // namespace
}  // namespace hsm
