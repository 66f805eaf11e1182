// HSMs for the tests of this module: in memory, cheap PINs, and "other
// processes" as a second Hsm over the same store.
#ifndef PERIGEE_HSM_TEST_HSM_H_
#define PERIGEE_HSM_TEST_HSM_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hsm/hsm.h"
#include "hsm/test_stores.h"

namespace hsm {
namespace testkit {

// A store that several Hsm objects share.
class SharedStore : public Store {
 public:
  explicit SharedStore(std::shared_ptr<Store> store)
      : store_(std::move(store)) {}
  const std::array<uint8_t, 16>& store_id() const override {
    return store_->store_id();
  }
  bool writable() const override { return writable_ && store_->writable(); }
  void set_writable(bool writable) { writable_ = writable; }
  absl::Status Read(absl::FunctionRef<absl::Status(Reader&)> read) override {
    return store_->Read(read);
  }
  absl::Status Write(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override {
    if (!writable()) return base::Error(CKR_TOKEN_WRITE_PROTECTED, "EROFS");
    ++writes_;
    return store_->Write(touches, write);
  }
  uint64_t Generation(SpaceId space) override {
    return store_->Generation(space);
  }
  int writes() const { return writes_; }

 private:
  std::shared_ptr<Store> store_;
  bool writable_ = true;
  std::atomic<int> writes_{0};
};

inline std::string TemporaryDirectory() {
  std::string path = ::testing::TempDir() + "/perigee.XXXXXX";
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

// One root for all tests of a binary.
inline const Fleet& TestFleet() {
  static const auto* const fleet =
      new Fleet(*Fleet::OpenOrCreate(TemporaryDirectory() + "/fleet"));
  return *fleet;
}

inline SecretBytes Pin(absl::string_view text) {
  return SecretBytes::CopyOf(base::AsBytes(text));
}

inline CK_RV Rv(const absl::Status& status) { return base::CkRv(status); }
template <typename T>
CK_RV Rv(const absl::StatusOr<T>& result) {
  return base::CkRv(result.status());
}

inline HsmSpec SpecOf(const std::string& model, Kind kind) {
  HsmSpec spec;
  spec.name = kind == Kind::kBackup ? "backup" : "app";
  spec.kind = kind;
  spec.model = model;
  spec.kdf_cost = KdfCost::kTest;
  return spec;
}
// An application HSM with one partition of one model.
inline HsmSpec AppSpec(const std::string& model = "perigee") {
  HsmSpec spec = SpecOf(model, Kind::kApplication);
  spec.partitions.push_back(
      {.label = "first", .version = 0, .capacity = 0, .policies = {}});
  return spec;
}
inline HsmSpec BackupSpec(const std::string& model = "luna-g7-backup") {
  return SpecOf(model, Kind::kBackup);
}

// A data object, which is public unless told otherwise.
inline NewObject Data(const std::string& label, bool is_private = false,
                      const std::string& value = "value") {
  NewObject object;
  object.attributes.SetUlong(CKA_CLASS, CKO_DATA);
  object.attributes.SetBool(CKA_TOKEN, true);
  object.attributes.SetBool(CKA_PRIVATE, is_private);
  object.attributes.SetBool(CKA_MODIFIABLE, true);
  object.attributes.SetText(CKA_LABEL, label);
  object.attributes.SetText(CKA_VALUE, value);
  return object;
}

inline NewObject SecretKey(const std::string& id) {
  NewObject object;
  object.attributes.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  object.attributes.SetUlong(CKA_KEY_TYPE, CKK_AES);
  object.attributes.SetBool(CKA_TOKEN, true);
  object.attributes.SetBool(CKA_PRIVATE, true);
  object.attributes.SetBool(CKA_SENSITIVE, true);
  object.attributes.SetBool(CKA_EXTRACTABLE, false);
  object.attributes.SetText(CKA_LABEL, "key");
  object.attributes.SetText(CKA_ID, id);
  object.attributes.SetText(CKA_VALUE, "0123456789abcdef0123456789abcdef");
  return object;
}

template <typename... Objects>
std::vector<NewObject> List(Objects... objects) {
  std::vector<NewObject> list;
  (list.push_back(std::move(objects)), ...);
  return list;
}

inline AttributeSet Labelled(const std::string& label) {
  AttributeSet pattern;
  pattern.SetText(CKA_LABEL, label);
  return pattern;
}

// An HSM in memory; Another() is the same HSM as another process sees it.
class TestHsm {
 public:
  explicit TestHsm(const HsmSpec& spec) : store_(NewMemoryStore()) {
    auto shared = std::make_unique<SharedStore>(store_);
    view_ = shared.get();
    auto made = Hsm::CreateForTest(spec, std::move(shared), TestFleet());
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) hsm_ = *std::move(made);
  }

  Hsm& operator*() { return *hsm_; }
  Hsm* operator->() { return hsm_.get(); }
  SharedStore& store() { return *view_; }
  Store& raw_store() { return *store_; }

  std::unique_ptr<Hsm> Another() {
    auto opened = Hsm::OpenForTest(std::make_unique<SharedStore>(store_));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }

  // The first partition.
  Partition& first() { return *hsm_->Find(1); }

 private:
  std::shared_ptr<Store> store_;
  SharedStore* view_ = nullptr;
  std::unique_ptr<Hsm> hsm_;
};

// Initialises a partition with PO "po-pin-1" and CO "co-pin-1" (changed from a
// first one where the policy wants it).
inline LoginRef MakeOfficer(Partition& partition) {
  EXPECT_TRUE(partition.Init("token", Pin("po-pin-1"), {}).ok());
  auto po = partition.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_TRUE(po.ok()) << po.status();
  EXPECT_TRUE(partition.InitRole(**po, Role::kCo, Pin("co-pin-0")).ok());
  EXPECT_TRUE(
      partition.ChangePin(Role::kCo, Pin("co-pin-0"), Pin("co-pin-1")).ok());
  auto co = partition.Unlock(Role::kCo, Pin("co-pin-1"));
  EXPECT_TRUE(co.ok()) << co.status();
  return *std::move(co);
}

inline LoginRef LogInSo(Hsm& hsm, const std::string& pin = "so-pin-1") {
  EXPECT_TRUE(hsm.Init("hsm", Pin(pin), {}).ok());
  auto so = hsm.admin().Unlock(Role::kSo, Pin(pin));
  EXPECT_TRUE(so.ok()) << so.status();
  return *std::move(so);
}

}  // namespace testkit
}  // namespace hsm

#endif  // PERIGEE_HSM_TEST_HSM_H_
