// A full disk: what gives room back must not need any that is not there.
#include <gtest/gtest.h>

#include <filesystem>

#include "cloning/test_objects.h"
#include "hsm/hsm.h"
#include "hsm/test_hsm.h"
#include "tests/fault/fault_disk.h"
#include "tests/fault/fault_machine.h"

namespace fault {
namespace {

namespace fs = std::filesystem;
using hsm::testkit::Pin;

class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    UseFaultVfs();
    FaultDisk::Instance().Watch(root_.string());
  }
  void TearDown() override {
    FaultDisk::Instance().Disarm();
    machine_.reset();
    fs::remove_all(root_);
  }

  void FillDisk() { FaultDisk::Instance().Arm(Fault::kFull, 1); }
  void DropReserve() {
    FaultDisk::Instance().Disarm();
    ASSERT_TRUE(fs::remove(root_ / "app/reserve"));
  }
  void NewProcess() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(root_);
  }
  // Logs in and destroys.
  absl::Status Destroy(const std::string& label) {
    ASSIGN_OR_RETURN(const hsm::LoginRef co, machine_->Co());
    return DestroyAs(*co, label);
  }
  absl::Status DestroyAs(hsm::Login& co, const std::string& label) {
    ASSIGN_OR_RETURN(hsm::Partition* const first, machine_->First());
    ASSIGN_OR_RETURN(const hsm::ObjectRef object, machine_->Named(co, label));
    return first->Destroy(&co, object->handle());
  }
  absl::Status Create() {
    return machine_->Create(New(cloning::DataObject("large", 50000)));
  }

  const fs::path root_ = Images::Copy(Image::kUsed);
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(root_);
};

TEST_F(FullDiskTest, RunningProcess_DestroysWhatItLikes) {
  const auto co = machine_->Co();
  ASSERT_TRUE(co.ok()) << co.status();
  FillDisk();
  for (const char* label : {"note", "kept", "archived"}) {
    const absl::Status status = DestroyAs(**co, label);
    EXPECT_TRUE(status.ok()) << label << ": " << status;
  }
}

TEST_F(FullDiskTest, NewProcess_LogsInAndDestroys) {
  NewProcess();
  FillDisk();
  EXPECT_TRUE(Destroy("note").ok());
  NewProcess();
  const absl::Status status = Destroy("kept");
  EXPECT_TRUE(status.ok()) << status;
  // And with room again the reserve comes back.
  FaultDisk::Instance().Disarm();
  NewProcess();
  EXPECT_TRUE(Destroy("archived").ok());
  EXPECT_EQ(fs::file_size(root_ / "app/reserve"), uintmax_t{1} << 20);
}

TEST_F(FullDiskTest, WrongPins_AreCountedThereToo) {
  ASSERT_TRUE(machine_->First().ok());
  FillDisk();
  const absl::Status wrong =
      (*machine_->First())->Unlock(hsm::Role::kCo, Pin("wrong")).status();
  EXPECT_EQ(base::CkRv(wrong), CK_RV{CKR_PIN_INCORRECT}) << wrong;
  const auto state = (*machine_->First())->State(hsm::Role::kCo);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->failures, 1u);
}

TEST_F(FullDiskTest, NewProcess_MakesNoObjectsOfTheReserve) {
  ASSERT_TRUE(machine_->First().ok());
  NewProcess();
  FillDisk();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(base::CkRv(Create()), CK_RV{CKR_DEVICE_MEMORY});
    NewProcess();
  }
  EXPECT_TRUE(Destroy("note").ok());
}

// The disk is full indeed, and the reserve is not for what takes more.
TEST_F(FullDiskTest, NewObjects_AreRefused_AndTakeNoReserve) {
  ASSERT_TRUE(machine_->Co().ok());
  FillDisk();
  EXPECT_EQ(base::CkRv(Create()), CK_RV{CKR_DEVICE_MEMORY});
  EXPECT_TRUE(Destroy("note").ok());
}

TEST_F(FullDiskTest, WithoutTheReserve_NothingGoes) {
  const auto co = machine_->Co();
  ASSERT_TRUE(co.ok()) << co.status();
  DropReserve();
  FillDisk();
  EXPECT_EQ(base::CkRv(DestroyAs(**co, "note")), CK_RV{CKR_DEVICE_MEMORY});
  // Refused, and otherwise as before.
  FaultDisk::Instance().Disarm();
  EXPECT_TRUE(DestroyAs(**co, "note").ok());
}

}  // namespace
}  // namespace fault
