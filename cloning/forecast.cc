#include "cloning/forecast.h"

#include "cloning/protocol_version.h"

namespace cloning {
namespace {

absl::Status Decide(hsm::Partition& partition, hsm::Role role,
                    const hsm::Statement& source, const hsm::Statement& own,
                    const ForecastObject& object) {
  hsm::AttributeSet known;
  known.SetUlong(CKA_CLASS, object.object_class);
  known.SetBool(CKA_PRIVATE, object.is_private);
  return CheckArrival(partition, role, source, own, source, known);
}

void Refuse(const absl::Status& status, TargetResult& result) {
  result.outcome = TargetResult::Outcome::kRefused;
  result.rv = base::CkRv(status);
  result.reason = base::Reason(status);
  result.text = std::string(status.message());
}

}  // namespace

absl::StatusOr<SourceForecast> Endpoint::Forecast(const hsm::Statement&,
                                                  absl::Span<const uint64_t>) {
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "only a backup can be told beforehand");
}

absl::Status CheckMeeting(const hsm::Statement& source,
                          const hsm::Statement& target) {
  const Introduction from = Introduce(source), to = Introduce(target);
  return CheckProtocol(CommonProtocol(from, to).value_or(NumberOfHello(from)),
                       from, to);
}

absl::StatusOr<TargetForecast> ForecastTarget(
    hsm::Partition& partition, hsm::Login* login, const hsm::Statement& source,
    absl::Span<const ForecastObject> objects, Room& room) {
  if (!IsWellFormed(source)) {
    return base::Error(CKR_ARGUMENTS_BAD, "malformed statement");
  }
  ASSIGN_OR_RETURN(const hsm::Statement own, partition.MakeStatement());
  RETURN_IF_ERROR(CheckMeeting(source, own));
  std::vector<hsm::Ouid> ouids;
  for (const ForecastObject& object : objects) ouids.push_back(object.ouid);
  std::vector<absl::StatusOr<hsm::ObjectRef>> there(objects.size(), nullptr);
  if (login != nullptr) {
    ASSIGN_OR_RETURN(there, partition.FindOuids(login, ouids));
  }
  const hsm::Role role = login != nullptr ? login->role() : hsm::Role::kCo;
  TargetForecast forecast;
  for (size_t i = 0; i < objects.size(); ++i) {
    TargetResult& result = forecast.results.emplace_back();
    result.ouid = objects[i].ouid;
    const uint64_t cost = partition.CostOfEncoded(objects[i].size);
    forecast.costs.push_back(cost);
    absl::Status status = Decide(partition, role, source, own, objects[i]);
    const bool present = !there[i].ok() || *there[i] != nullptr;
    if (status.ok() && present) {
      result.outcome = TargetResult::Outcome::kPresent;
      if (there[i].ok()) result.handle = (*there[i])->handle();
      continue;
    }
    if (status.ok()) status = room.Take(cost, 0);
    if (!status.ok()) Refuse(status, result);
  }
  return forecast;
}

}  // namespace cloning
