#include "hsm/witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "hsm/temporary_directory.h"

namespace hsm {
namespace {

using testing::HasSubstr;

constexpr Witness::StoreId kStore = {1, 2, 3};

class WitnessTest : public testing::Test {
 protected:
  uint64_t SeenSeq() {
    const auto seen = witness_.Read();
    EXPECT_TRUE(seen.ok()) << seen.status();
    return seen.ok() && seen->has_value() ? (*seen)->seq : 0;
  }
  std::string Text() {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& text) {
    std::ofstream(path_, std::ios::trunc) << text;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("witness");
  const Witness witness_{path_, kStore};
};

TEST_F(WitnessTest, GoesForwardOnly) {
  EXPECT_EQ(SeenSeq(), 0u);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(witness_.Advance({5, {7}}).ok());
  EXPECT_EQ(SeenSeq(), 5u);
  EXPECT_EQ((*witness_.Read())->hash, AuditHash{7});
  EXPECT_TRUE(witness_.Advance({4, {8}}).ok());
  EXPECT_EQ(SeenSeq(), 5u);
  EXPECT_TRUE(witness_.Advance({~uint64_t{0}, {9}}).ok());
  EXPECT_EQ(SeenSeq(), ~uint64_t{0});
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(WitnessTest, AnotherStores_IsRefusedBothWays) {
  const Witness other(path_, {9});
  ASSERT_TRUE(other.Advance({1, {}}).ok());
  EXPECT_THAT(std::string(witness_.Read().status().message()),
              HasSubstr("another store"));
  EXPECT_FALSE(witness_.Advance({2, {}}).ok());
  EXPECT_EQ((*other.Read())->seq, 1u);
}

TEST_F(WitnessTest, AnythingElse_IsNoWitness) {
  ASSERT_TRUE(witness_.Advance({5, {7}}).ok());
  const std::string good = Text();
  std::vector<std::string> wrong = {"hello", good + "x", good + good,
                                    std::string(good.size(), ' ')};
  for (size_t n = 1; n < good.size(); ++n) wrong.push_back(good.substr(0, n));
  for (size_t at = 0; at < good.size(); ++at) {
    wrong.push_back(good);
    wrong.back()[at] = '+';
  }
  for (const std::string& text : wrong) {
    Write(text);
    EXPECT_FALSE(witness_.Read().ok()) << text;
    EXPECT_FALSE(witness_.Advance({6, {}}).ok()) << text;
    EXPECT_EQ(Text(), text);
  }
  // Made, and the machine lost power before the first line.
  Write("");
  EXPECT_EQ(SeenSeq(), 0u);
}

TEST_F(WitnessTest, LinkInItsPlace_IsNotFollowed) {
  ASSERT_EQ(symlink("/dev/null", path_.c_str()), 0);
  EXPECT_FALSE(witness_.Read().ok());
  EXPECT_FALSE(witness_.Advance({1, {}}).ok());
}

TEST_F(WitnessTest, ManyAtOnce_EndAtTheLargest) {
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      const Witness own(path_, kStore);
      for (uint64_t i = 0; i < 20; ++i) {
        EXPECT_TRUE(own.Advance({1 + i * 8 + thread, {}}).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(SeenSeq(), 160u);
}

}  // namespace
}  // namespace hsm
