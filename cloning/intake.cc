// The target's rules and its one group a message.
#include "cloning/intake.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/attribute_rules.h"
#include "hsm/key_rights.h"
#include "hsm/manifest_book.h"

namespace cloning {
namespace {

using Outcome = TargetResult::Outcome;

absl::Status Full(absl::string_view why) {
  return base::Error(CKR_CONTAINER_OBJECT_STORAGE_FULL, why);
}

// What Partition::Create says when there is no room.
bool IsFull(const absl::Status& status) {
  const CK_RV rv = base::CkRv(status);
  return rv == CKR_CONTAINER_OBJECT_STORAGE_FULL ||
         rv == CKR_HSM_STORAGE_FULL || rv == CKR_DEVICE_MEMORY;
}

// The fingerprint of the format page: everything but CKA_UNIQUE_ID and what is
// counted of a key.
bool IsEqual(hsm::AttributeSet a, hsm::AttributeSet b) {
  for (hsm::AttributeSet* each : {&a, &b}) {
    each->Erase(CKA_UNIQUE_ID);
    hsm::EraseCounts(*each);
  }
  return a == b;
}

// An older copy does not take back what was done to protect the object since:
// what may only be set one way stays so (PKCS#11 footnotes 10 to 12).
absl::Status CheckNotWeaker(const hsm::AttributeSet& there,
                            const hsm::AttributeSet& copy) {
  constexpr CK_ATTRIBUTE_TYPE kOnceTrue[] = {
      CKA_SENSITIVE, CKA_PRIVATE, CKA_WRAP_WITH_TRUSTED,
      CKA_ALWAYS_AUTHENTICATE, CKA_ASSIGNED};
  constexpr CK_ATTRIBUTE_TYPE kOnceFalse[] = {CKA_EXTRACTABLE, CKA_MODIFIABLE,
                                              CKA_COPYABLE, CKA_DESTROYABLE,
                                              // The SO withdrew it.
                                              CKA_TRUSTED};
  bool weaker = false;
  for (CK_ATTRIBUTE_TYPE type : kOnceTrue) {
    weaker = weaker || (there.IsTrue(type) && !copy.IsTrue(type));
  }
  for (CK_ATTRIBUTE_TYPE type : kOnceFalse) {
    weaker =
        weaker || (there.Has(type) && !there.IsTrue(type) && copy.IsTrue(type));
  }
  // What counts uses, or wants authorisation, goes on to do so.
  for (CK_ATTRIBUTE_TYPE type :
       {CKA_AUTH_DATA, CKA_USAGE_LIMIT, CKA_USAGE_COUNT}) {
    weaker = weaker || (there.Has(type) && !copy.Has(type));
  }
  if (!weaker) return absl::OkStatus();
  return base::ErrorWithReason(
      CKR_ATTRIBUTE_READ_ONLY, "weaker-copy",
      "the target protects this object better than the copy does; destroy it "
      "there first if the copy is wanted");
}

absl::Status Conflict() {
  return base::ErrorWithReason(
      CKR_OBJECT_ALREADY_EXISTS, "conflict",
      "the target holds another object of this identity (OUID)");
}

}  // namespace

absl::Status Intake::Add(std::vector<ObjectRecord> records) {
  std::vector<hsm::Ouid> ouids;
  for (const ObjectRecord& record : records) ouids.push_back(record.ouid);
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const hsm::Statement own, partition_.MakeStatement());
  if (!IsSameHolder(own, own_)) {
    return base::Error(CKR_FUNCTION_FAILED,
                       "this HSM or partition changed during the run");
  }
  ASSIGN_OR_RETURN(const std::vector<absl::StatusOr<hsm::ObjectRef>> there,
                   partition_.FindOuids(login_.get(), ouids));
  for (size_t i = 0; i < records.size(); ++i) {
    TargetResult result;
    result.ouid = ouids[i];
    kinds_.emplace_back(records[i].attributes.object_class(),
                        records[i].attributes.key_type());
    const absl::Status status =
        stopped_ ? base::Error(CKR_CLONE_NOT_ATTEMPTED,
                               "an object before this one was refused")
                 : Decide(own, std::move(records[i]), there[i], result);
    if (!status.ok()) {
      if (EndsRun(status)) return status;
      Refuse(status, result);
    }
    results_.push_back(std::move(result));
  }
  return absl::OkStatus();
}

void Intake::Refuse(const absl::Status& status, TargetResult& result) {
  result.outcome = Outcome::kRefused;
  result.handle = 0;
  result.rv = base::CkRv(status);
  result.reason = base::Reason(status);
  result.text = std::string(status.message());
  if (options_.stop_at_refusal) stopped_ = true;
}

absl::Status Intake::Decide(const hsm::Statement& own, ObjectRecord record,
                            const absl::StatusOr<hsm::ObjectRef>& found,
                            TargetResult& result) {
  RETURN_IF_ERROR(CheckArrival(partition_, login_->role(), source_, own,
                               record.origin, record.attributes));
  if (hsm::IsSmk(record.attributes)) {
    ASSIGN_OR_RETURN(const hsm::SentSmk sent, hsm::SmkOf(record.attributes));
    if (own_.kind == hsm::Kind::kApplication) {
      ASSIGN_OR_RETURN(const bool taken,
                       partition_.TakeSmk(*login_, sent.smk, sent.role));
      if (!taken) result.outcome = Outcome::kPresent;
      return absl::OkStatus();
    }
    return Keep(std::move(record.attributes), std::move(record.origin), found,
                result);
  }
  ASSIGN_OR_RETURN(hsm::AttributeSet attributes,
                   hsm::Resolve(hsm::How::kClone, std::move(record.attributes),
                                {.logged_in = true}));
  if (!attributes.IsTrue(CKA_TOKEN)) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "not a token object");
  }
  return Keep(std::move(attributes), std::move(record.origin), found, result);
}

absl::Status Intake::Keep(hsm::AttributeSet attributes, hsm::Statement origin,
                          const absl::StatusOr<hsm::ObjectRef>& found,
                          TargetResult& result) {
  if (const auto twin = taken_.find(result.ouid); twin != taken_.end()) {
    if (!IsEqual(attributes, group_[twin->second].attributes)) {
      return Conflict();
    }
    result.outcome = Outcome::kPresent;
    same_as_[results_.size()] = result_of_[twin->second];
    return absl::OkStatus();
  }
  // A damaged one is in the way as well, and nothing can be said of it.
  if (!found.ok()) return Conflict();
  const hsm::ObjectRef& there = *found;
  hsm::NewObject object;
  uint64_t given_back = 0;
  if (there != nullptr) {
    result.handle = there->handle();
    if (IsEqual(attributes, there->attributes())) {
      result.outcome = Outcome::kPresent;
      return absl::OkStatus();
    }
    if (options_.on_conflict != OnConflict::kReplace) return Conflict();
    RETURN_IF_ERROR(
        CheckObject(partition_, login_->role(), there->attributes()));
    RETURN_IF_ERROR(CheckNotWeaker(there->attributes(), attributes));
    RETURN_IF_ERROR(
        hsm::KeyRights(&partition_, login_).KeepCounts(*there, attributes));
    result.outcome = Outcome::kReplaced;
    object.replaces = there->handle();
    given_back = partition_.CostOf(there->attributes());
  }
  RETURN_IF_ERROR(TakeRoom(partition_.CostOf(attributes), given_back));
  object.attributes = std::move(attributes);
  object.origin = std::move(origin);
  object.making = hsm::NewObject::Making::kReceived;
  object.peer = source_.serial;
  object.looked_up = true;
  taken_[result.ouid] = group_.size();
  group_.push_back(std::move(object));
  result_of_.push_back(results_.size());
  return absl::OkStatus();
}

absl::Status Intake::TakeRoom(uint64_t cost, uint64_t given_back) {
  if (!room_.has_value()) {
    ASSIGN_OR_RETURN(room_, Room::Of(partition_));
  }
  return room_->Take(cost, given_back);
}

absl::Status Intake::GiveWay() {
  std::vector<hsm::Ouid> ouids;
  for (const size_t result : result_of_) ouids.push_back(results_[result].ouid);
  ASSIGN_OR_RETURN(const std::vector<absl::StatusOr<hsm::ObjectRef>> found,
                   partition_.FindOuids(login_.get(), ouids));
  std::vector<hsm::NewObject> group;
  std::vector<size_t> result_of;
  for (size_t i = 0; i < group_.size(); ++i) {
    hsm::NewObject& object = group_[i];
    TargetResult& result = results_[result_of_[i]];
    if (!found[i].ok()) {
      Refuse(Conflict(), result);
      continue;
    }
    const hsm::ObjectRef& there = *found[i];
    if (there == nullptr || there->handle() == object.replaces) {
      group.push_back(std::move(object));
      result_of.push_back(result_of_[i]);
    } else if (IsEqual(object.attributes, there->attributes())) {
      result.outcome = Outcome::kPresent;
      result.handle = there->handle();
    } else {
      Refuse(Conflict(), result);
    }
  }
  if (group.size() == group_.size()) return Conflict();
  group_ = std::move(group);
  result_of_ = std::move(result_of);
  return absl::OkStatus();
}

absl::StatusOr<Intake::Taken> Intake::Commit() && {
  std::vector<hsm::Edition> editions;
  // Room may be less than it was: then the last ones give way.
  while (!group_.empty()) {
    absl::StatusOr<std::vector<hsm::Edition>> made =
        partition_.CreateAll(login_.get(), absl::MakeSpan(group_));
    if (made.ok()) {
      editions = *std::move(made);
      for (size_t i = 0; i < group_.size(); ++i) {
        results_[result_of_[i]].handle = editions[i].id;
      }
      break;
    }
    if (base::CkRv(made.status()) == CKR_OBJECT_ALREADY_EXISTS) {
      RETURN_IF_ERROR(GiveWay());
      continue;
    }
    if (!IsFull(made.status())) return made.status();
    // Perhaps it is the disk that is full.
    Refuse(Full(made.status().message()), results_[result_of_.back()]);
    group_.pop_back();
    result_of_.pop_back();
  }
  for (const auto& [result, twin] : same_as_) {
    const TargetResult& other = results_[twin];
    if (other.outcome == Outcome::kRefused) {
      Refuse(base::Error(other.rv, other.text), results_[result]);
    } else {
      results_[result].handle = other.handle;
    }
  }
  RETURN_IF_ERROR(NoteForManifest());
  return Taken{std::move(results_), std::move(editions)};
}

absl::Status Intake::NoteForManifest() {
  ASSIGN_OR_RETURN(const bool kept, hsm::ManifestBook::IsKeptFor(partition_));
  if (!kept) return absl::OkStatus();
  hsm::ManifestBook book(partition_);
  for (size_t i = 0; i < group_.size(); ++i) {
    RETURN_IF_ERROR(book.Stored(results_[result_of_[i]].handle,
                                std::move(group_[i].attributes),
                                std::move(group_[i].origin)));
  }
  for (size_t i = 0; i < results_.size(); ++i) {
    const TargetResult& result = results_[i];
    if (result.outcome != Outcome::kRefused) continue;
    book.LeftOutHere({result.ouid, kinds_[i].first, kinds_[i].second, result.rv,
                      result.reason});
  }
  return book.Save(source_);
}

}  // namespace cloning
