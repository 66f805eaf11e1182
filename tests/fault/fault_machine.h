// An application HSM and a Backup HSM in a directory, as one process has them,
// and everything that can be said of the two, for comparison.
#ifndef PERIGEE_TESTS_FAULT_FAULT_MACHINE_H_
#define PERIGEE_TESTS_FAULT_FAULT_MACHINE_H_

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hsm/hsm.h"

namespace fault {

// Objects to make, of the attribute sets of cloning/test_objects.h.
template <typename... Sets>
std::vector<hsm::NewObject> New(Sets... sets) {
  std::vector<hsm::NewObject> objects;
  (objects.push_back({std::move(sets), std::nullopt}), ...);
  return objects;
}

enum class Image {
  kNothing,
  kFleet,  // the root of the fleet
  kNew,    // and both HSMs, nothing initialised
  kUsed,   // everything initialised, with objects, one of them backed up
  kSks,    // and the partition is of version 1, with an SKS master key
  kRolls,  // which rolls over
};

// Directories with an image, made once and copied.
class Images {
 public:
  static std::filesystem::path Copy(Image image);
};

// Opens what it needs when it needs it.
class Machine {
 public:
  explicit Machine(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  // CKR_TOKEN_NOT_PRESENT when there is none.
  absl::StatusOr<hsm::Hsm*> App();
  absl::StatusOr<hsm::Hsm*> BackupHsm();
  absl::StatusOr<hsm::Partition*> First();
  absl::StatusOr<hsm::Partition*> Archive();

  absl::StatusOr<hsm::LoginRef> Co();
  absl::StatusOr<hsm::LoginRef> ArchiveCo();
  absl::StatusOr<hsm::LoginRef> BackupSo();
  absl::StatusOr<hsm::ObjectRef> Named(hsm::Login& co,
                                       const std::string& label);

  absl::Status MakeFleet();
  absl::Status Make(const std::string& name, const hsm::HsmSpec& spec);
  absl::Status Create(std::vector<hsm::NewObject> objects);
  absl::Status RollSmk();
  // All of the partition to the archive, which holds one of it.
  absl::Status Backup();
  // Into the partition, which holds others.
  absl::Status Restore();

 private:
  const std::filesystem::path root_;
  std::unique_ptr<hsm::Hsm> app_;
  std::unique_ptr<hsm::Hsm> backup_;
};

// What there is, by name. Some of it is drawn anew each time that it is made.
class State {
 public:
  struct Fact {
    std::string fixed;
    std::string random;
    friend bool operator==(const Fact&, const Fact&) = default;
  };
  Fact& operator[](const std::string& name) { return facts_[name]; }
  // The same, with what is random and was not in `before` as its length.
  State Against(const State& before) const;
  // All of `before`, and beyond it only what is in `after`.
  bool IsBetween(const State& before, const State& after) const;
  friend bool operator==(const State&, const State&) = default;
  friend std::string Difference(const State& expected, const State& found);

 private:
  std::map<std::string, Fact> facts_;
};

// Reads everything: HSMs, partitions, policies, roles and their counters, PINs
// that open them, each object. Fails the test for what may never be: a store
// whose rows do not fit, an object that does not open, an account that is
// wrong.
State Describe(Machine& machine);

}  // namespace fault

#endif  // PERIGEE_TESTS_FAULT_FAULT_MACHINE_H_
