// The vendor interface: Forecast. The device says who the target is; the source
// decides what it would send there; the device decides on that.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cloning/forecast.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/ca/perigee_items.h"

namespace pkcs11::ca {
namespace {

constexpr size_t kObjectsAPage = 2000;

// What became of an object so far, in the caller's words.
void Told(CK_RV rv, const std::string& reason, const std::string& text,
          CK_ULONG outcome, PERIGEE_TRANSFER_ITEM& told) {
  told.rv = rv;
  told.ulOutcome = outcome;
  CopyText(told.reason, reason);
  CopyText(told.text, text);
}

void ToldByTarget(const cloning::TargetResult& result, uint64_t cost,
                  PERIGEE_TRANSFER_ITEM& told) {
  using Outcome = cloning::TargetResult::Outcome;
  const CK_ULONG outcome =
      result.outcome == Outcome::kRefused   ? PERIGEE_OUTCOME_REFUSED
      : result.outcome == Outcome::kPresent ? PERIGEE_OUTCOME_PRESENT
                                            : PERIGEE_OUTCOME_STORED;
  Told(result.rv, result.reason, result.text, outcome, told);
  told.hTarget = result.handle;
  told.ulCost = cost;
}

// The target's decisions on all objects, page by page.
class Target {
 public:
  Target(BackupDevice& device, hsm_io::RunForecast request)
      : device_(device), request_(std::move(request)) {}

  absl::StatusOr<hsm::Statement> Statement() {
    ASSIGN_OR_RETURN(const auto reply, device_.Forecast(request_));
    free_ = reply.room;
    return wire::Decode<hsm::Statement>(reply.statement, "statement");
  }
  uint64_t free() const { return free_; }

  absl::StatusOr<cloning::TargetForecast> Decide(
      const hsm::Statement& source,
      absl::Span<const cloning::ForecastObject> objects) {
    request_.source = wire::Encode(source);
    request_.objects = wire::Encode(
        std::vector<cloning::ForecastObject>(objects.begin(), objects.end()));
    ASSIGN_OR_RETURN(const auto reply, device_.Forecast(request_));
    request_.left = reply.left;
    request_.full = reply.full;
    ASSIGN_OR_RETURN(auto forecast, wire::Decode<cloning::TargetForecast>(
                                        reply.forecast, "forecast"));
    if (forecast.results.size() != objects.size() ||
        forecast.costs.size() != objects.size()) {
      return base::Error(CKR_DEVICE_ERROR,
                         "the device answered for another number of objects");
    }
    return forecast;
  }

 private:
  BackupDevice& device_;
  hsm_io::RunForecast request_;
  uint64_t free_ = 0;
};

// Fills in what the two ends say; `told` has an item for each of `source`.
absl::Status Decide(Target& target, const cloning::SourceForecast& source,
                    std::vector<PERIGEE_TRANSFER_ITEM>& told) {
  std::vector<size_t> sent;  // their items
  for (size_t i = 0; i < source.items.size(); ++i) {
    const cloning::SourceItem& item = source.items[i];
    if (item.rv == CKR_OK) {
      sent.push_back(i);
    } else {
      Told(item.rv, item.reason, item.text, PERIGEE_OUTCOME_LEFT_OUT, told[i]);
    }
  }
  const absl::Span<const cloning::ForecastObject> objects(source.objects);
  for (size_t at = 0; at < objects.size(); at += kObjectsAPage) {
    ASSIGN_OR_RETURN(
        const cloning::TargetForecast page,
        target.Decide(source.own, objects.subspan(at, kObjectsAPage)));
    for (size_t i = 0; i < page.results.size(); ++i) {
      ToldByTarget(page.results[i], page.costs[i], told[sent[at + i]]);
    }
  }
  return absl::OkStatus();
}

absl::Status FirstFailure(const std::vector<PERIGEE_TRANSFER_ITEM>& items) {
  for (const PERIGEE_TRANSFER_ITEM& item : items) {
    if (item.rv == CKR_OK) continue;
    if (item.reason[0] == '\0') return base::Error(item.rv, item.text);
    return base::ErrorWithReason(item.rv, item.reason, item.text);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Forecast(Library& library, CK_SESSION_HANDLE hSource,
                      CK_SESSION_HANDLE hTarget, PERIGEE_FORECAST* pForecast) {
  RETURN_IF_ERROR(CheckSize(pForecast));
  pForecast->ulItemCount = 0;
  ASSIGN_OR_RETURN(const SessionRef source, library.session(hSource));
  ASSIGN_OR_RETURN(const SessionRef target, library.session(hTarget));
  BackupDevice* const device = AsBackupDevice(target->token());
  if (device == nullptr) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "only a backup can be told beforehand");
  }
  ASSIGN_OR_RETURN(auto from, source->token().MakeEndpoint(source->space()));
  hsm_io::RunForecast request;
  request.space = target->space();
  if (pForecast->pLabel != nullptr) request.label = pForecast->pLabel;
  request.capacity = pForecast->ulCapacity;
  Target there(*device, std::move(request));
  ASSIGN_OR_RETURN(const hsm::Statement statement, there.Statement());

  ASSIGN_OR_RETURN(const std::vector<uint64_t> smks,
                   source->token().SmkHandles(source->space()));
  ASSIGN_OR_RETURN(const std::vector<cloning::Endpoint::Item> selected,
                   Selection(*from, *pForecast, smks));
  std::vector<uint64_t> handles;
  std::vector<PERIGEE_TRANSFER_ITEM> told;
  for (const auto& item : selected) {
    handles.push_back(item.handle);
    told.push_back(StartItem(item));
  }
  ASSIGN_OR_RETURN(const cloning::SourceForecast sent,
                   from->Forecast(statement, handles));
  RETURN_IF_ERROR(Decide(there, sent, told));

  ASSIGN_OR_RETURN(const ItemReport report,
                   ItemReport::Make(*pForecast, told.size()));
  pForecast->ulNeeded = 0;
  for (size_t i = 0; i < told.size(); ++i) {
    report.Put(i, told[i]);
    const bool counts = told[i].ulOutcome == PERIGEE_OUTCOME_STORED ||
                        told[i].rv == CKR_CONTAINER_OBJECT_STORAGE_FULL;
    if (counts) pForecast->ulNeeded += told[i].ulCost;
  }
  const bool limited = there.free() <= (uint64_t{1} << 62);
  pForecast->ulFree = limited ? there.free() : PERIGEE_NONE;
  return FirstFailure(told);
}

}  // namespace pkcs11::ca
