// What a target does with the objects of one message: decides on each by its
// own rules and stores the accepted ones as one group.
#ifndef PERIGEE_CLONING_INTAKE_H_
#define PERIGEE_CLONING_INTAKE_H_

#include <map>
#include <utility>
#include <vector>

#include "cloning/endpoint.h"
#include "cloning/protocol.h"
#include "cloning/rules.h"
#include "hsm/partition.h"

namespace cloning {

// One message; made, filled and committed by one thread.
class Intake {
 public:
  // All outlive it. `source` is the peer's statement, `own` what this HSM
  // signed in the opening. `stopped`: nothing is tried any more.
  Intake(hsm::Partition& partition, const hsm::LoginRef& login,
         const hsm::Statement& own, const hsm::Statement& source,
         const AcceptOptions& options, bool stopped)
      : partition_(partition),
        login_(login),
        own_(own),
        source_(source),
        options_(options),
        stopped_(stopped) {}

  // Decides on the records, in order. An error means that the run is over; that
  // a record is refused is noted in its result. With Commit in one
  // Hsm::Atomically: then what is there stays as it was found.
  absl::Status Add(std::vector<ObjectRecord> records);

  // Stores what was accepted: all of it durable when OK, nothing otherwise;
  // but when it turns out that the space does not suffice, as much of it, in
  // order, as does.
  struct Taken {
    std::vector<TargetResult> results;   // of all records
    std::vector<hsm::Edition> editions;  // of what was stored, ids ascending
  };
  absl::StatusOr<Taken> Commit() &&;

 private:
  // What stands in the way of storing the record, or OK (then it is in
  // group_) or OK with an outcome in `result` (it is present).
  // `own`: this partition as it is now. `found`: the object with its OUID, as
  // Partition::FindOuids says.
  absl::Status Decide(const hsm::Statement& own, ObjectRecord record,
                      const absl::StatusOr<hsm::ObjectRef>& found,
                      TargetResult& result);
  // The same of an object in its stored form, that may be here.
  absl::Status Keep(hsm::AttributeSet attributes, hsm::Statement origin,
                    const absl::StatusOr<hsm::ObjectRef>& found,
                    TargetResult& result);
  // Takes out of group_ what somebody else has stored since; an error when
  // that is nothing.
  absl::Status GiveWay();
  absl::Status TakeRoom(uint64_t cost, uint64_t given_back);
  void Refuse(const absl::Status& status, TargetResult& result);
  // What was stored and what was not, for the manifest, if there is one.
  absl::Status NoteForManifest();

  hsm::Partition& partition_;
  const hsm::LoginRef& login_;
  const hsm::Statement& own_;
  const hsm::Statement& source_;
  const AcceptOptions& options_;

  std::vector<TargetResult> results_;
  // Class and key type of each.
  std::vector<std::pair<uint64_t, uint64_t>> kinds_;
  std::vector<hsm::NewObject> group_;
  std::vector<size_t> result_of_;      // index of each in group_
  std::map<hsm::Ouid, size_t> taken_;  // OUID -> index in group_
  std::map<size_t, size_t> same_as_;   // result -> an equal one's result
  std::optional<Room> room_;           // read at the first need
  bool stopped_;
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_INTAKE_H_
