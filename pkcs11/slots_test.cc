#include "pkcs11/slots.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pkcs11 {
namespace {

using ::testing::ElementsAre;

TEST(SlotNumbersTest, CountFromZeroInTheOrderOfAsking) {
  SlotNumbers numbers;
  EXPECT_EQ(numbers.Assign({"app", 1}), 0U);
  EXPECT_EQ(numbers.Assign({"backup", 0}), 1U);
  EXPECT_EQ(numbers.Assign({"app", 1}), 0U);
}

TEST(SlotNumbersTest, AssignsAroundNumbersThatAreKept) {
  SlotNumbers numbers;
  EXPECT_TRUE(numbers.Keep({"app", 1}, 1));
  EXPECT_EQ(numbers.Assign({"app", 2}), 0U);
  EXPECT_EQ(numbers.Assign({"app", 3}), 2U);
}

TEST(SlotNumbersTest, OneNumberForOnePlace) {
  SlotNumbers numbers;
  EXPECT_TRUE(numbers.Keep({"app", 1}, 4));
  EXPECT_FALSE(numbers.Keep({"app", 2}, 4));
  EXPECT_FALSE(numbers.Keep({"app", 1}, 5));
  EXPECT_TRUE(numbers.Keep({"app", 1}, 4));
}

TEST(SlotNumbersTest, ReservedNumbersAreNotGivenAgain) {
  SlotNumbers numbers;
  numbers.Reserve(3);
  EXPECT_EQ(numbers.Assign({"app", 7}), 3U);
}

Config DefaultConfig(const std::string& state = "no-state") {
  Environment environment;
  environment.perigee_state_dir =
      testing::TempDir() + "/" + state + "-" + std::to_string(getpid());
  return *ParseConfig("", "test.toml", environment);
}

std::shared_ptr<Slots> MakeSlots(Config config) {
  return Slots::Make(std::make_shared<const Config>(std::move(config)));
}

TEST(SlotsTest, BeforeState_PartitionIs0BackupIs1AdminIs2AndNotListed) {
  const auto slots = MakeSlots(DefaultConfig());
  slots->Refresh();
  EXPECT_THAT(slots->List(false), ElementsAre(0, 1));
  EXPECT_EQ((*slots->Find(0))->own_space(), 1U);
  EXPECT_EQ((*slots->Find(1))->hsm_name(), "backup");
  EXPECT_TRUE((*slots->Find(2))->is_admin());
  EXPECT_EQ(*slots->AdminSlotOf(0), 2U);
  EXPECT_EQ(base::CkRv(slots->Find(3).status()), CKR_SLOT_ID_INVALID);
}

// GnuTLS hands a buffer in at once.
TEST(SlotsTest, ListWithoutRefresh_IsThereAtOnce) {
  EXPECT_THAT(MakeSlots(DefaultConfig())->List(true), ElementsAre(0, 1));
}

TEST(SlotsTest, LookingMakesNoState) {
  const Config config = DefaultConfig();
  const auto slots = MakeSlots(config);
  slots->Refresh();
  for (const TokenRef& token : slots->all()) {
    token->Slot();
    token->Facts().IgnoreError();
  }
  EXPECT_NE(access(config.state_directory.c_str(), F_OK), 0);
}

TEST(SlotsTest, BeforeState_TheTokenIsNotInitialised) {
  const auto slots = MakeSlots(DefaultConfig());
  const auto facts = (*slots->Find(0))->Facts();
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->flags & CKF_TOKEN_INITIALIZED, 0U);
  EXPECT_NE(facts->flags & CKF_LOGIN_REQUIRED, 0U);
  EXPECT_EQ(facts->model, "Perigee");
  EXPECT_EQ(facts->min_pin, 4U);
}

// Otherwise the Backup HSM would be slot 0, and wrong PINs would zeroize it.
TEST(SlotsTest, UnreadableHsm_KeepsItsSlotAndTellsWhy) {
  const Config config = DefaultConfig("unreadable");
  const std::string directory = config.state_directory + "/hsm/app";
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/hsm.db") << "not a database";
  const auto slots = MakeSlots(config);
  EXPECT_THAT(slots->List(false), ElementsAre(0, 1));
  EXPECT_EQ((*slots->Find(0))->hsm_name(), "app");
  EXPECT_EQ((*slots->Find(1))->hsm_name(), "backup");
  EXPECT_FALSE((*slots->Find(0))->Facts().ok());
  std::filesystem::remove_all(config.state_directory);
}

TEST(SlotsTest, AdminSlotsAreListedWhenAskedFor) {
  Config config = DefaultConfig();
  config.list_admin_slots = true;
  const auto slots = MakeSlots(std::move(config));
  slots->Refresh();
  EXPECT_THAT(slots->List(false), ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace pkcs11
