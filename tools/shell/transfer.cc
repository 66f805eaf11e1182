#include "tools/shell/transfer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/shell/facts.h"
#include "tools/shell/objects.h"
#include "tools/shell/secret_entry.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

struct OutcomeRow {
  CK_ULONG outcome;
  const char* name;  // in JSON
  const char* text;  // null: only counted
  CK_ULONG TransferSum::*counter;
};
constexpr OutcomeRow kOutcomes[] = {
    {PERIGEE_OUTCOME_STORED, "stored", "Cloned", &TransferSum::copied},
    {PERIGEE_OUTCOME_REPLACED, "replaced", "Replaced", &TransferSum::copied},
    {PERIGEE_OUTCOME_PRESENT, "present", "is there already",
     &TransferSum::present},
    {PERIGEE_OUTCOME_LEFT_OUT, "left out", "was left out",
     &TransferSum::failed},
    {PERIGEE_OUTCOME_REFUSED, "refused", "was refused", &TransferSum::failed},
    {PERIGEE_OUTCOME_NOT_TRIED, "not tried", nullptr, &TransferSum::not_tried},
};

// How far a run is: a bar on a terminal, elsewhere a line every five seconds.
class Progress {
 public:
  void Show(CK_ULONG done, CK_ULONG total) {
    if (total == 0) return;
    const absl::Time now = absl::Now();
    if (isatty(STDOUT_FILENO)) {
      constexpr CK_ULONG kWidth = 32;
      const CK_ULONG filled = std::min(kWidth, done * kWidth / total);
      absl::PrintF("\r        [%s%s] %d/%d%-28s", std::string(filled, '#'),
                   std::string(kWidth - filled, '.'), done, total,
                   Pace(now, done, total));
    } else if (now - told_ >= absl::Seconds(5) && done < total) {
      told_ = now;
      absl::PrintF("        %d of %d%s\n", done, total, Pace(now, done, total));
    }
    fflush(stdout);
  }
  static void Clear() {
    if (isatty(STDOUT_FILENO)) absl::PrintF("\r%79s\r", "");
  }

 private:
  // ", 310/s, 29 s left"; nothing in the first second.
  std::string Pace(absl::Time now, CK_ULONG done, CK_ULONG total) const {
    const double seconds = absl::ToDoubleSeconds(now - began_);
    if (seconds < 1 || done == 0) return "";
    const double rate = static_cast<double>(done) / seconds;
    return absl::StrFormat(
        ", %.0f/s, %.0f s left", rate,
        static_cast<double>(total - std::min(done, total)) / rate);
  }

  const absl::Time began_ = absl::Now();
  absl::Time told_ = began_;
};

CK_RV OnProgress(void* context, CK_ULONG done, CK_ULONG total) {
  static_cast<Progress*>(context)->Show(done, total);
  return Interrupted() ? CKR_CANCEL : CKR_OK;
}

// "14", or the SKS master key, which is no object where it is used.
std::string HandleText(CK_OBJECT_HANDLE handle) {
  if (handle == PERIGEE_HANDLE_SMK) return "SMK";
  if (handle == PERIGEE_HANDLE_FORMER_SMK) return "former SMK";
  return absl::StrCat(handle);
}

std::string ParenthesizedLabel(const std::string& label) {
  return label.empty() ? "" : absl::StrCat(" (", label, ")");
}

void PrintItem(const Module& module, const PERIGEE_TRANSFER_ITEM& item,
               const TransferPlan& plan, const std::string& label) {
  const std::string object =
      absl::StrCat(HandleText(item.hSource), ParenthesizedLabel(label));
  for (const OutcomeRow& row : kOutcomes) {
    if (row.outcome != item.ulOutcome || row.text == nullptr) continue;
    if (row.counter == &TransferSum::copied) {
      absl::PrintF("        %s object %s %s (new handle %s).\n", row.text,
                   object, plan.direction,
                   item.hTarget == 0 ? "SMK" : HandleText(item.hTarget));
      return;
    }
    if (row.counter == &TransferSum::present) {
      absl::PrintF("        Object %s %s.\n", object, row.text);
      return;
    }
    const std::string text = CleanText(item.text);
    absl::PrintF("        Object %s %s: <%s>%s%s\n", object, row.text,
                 module.NameOf(item.rv), text.empty() ? "" : " ", text);
    return;
  }
}

Json ItemFacts(const Module& module, const PERIGEE_TRANSFER_ITEM& item,
               const std::string& label) {
  const char* outcome = "";
  for (const OutcomeRow& row : kOutcomes) {
    if (row.outcome == item.ulOutcome) outcome = row.name;
  }
  return {{"handle", item.hSource},
          {"label", label},
          {"outcome", outcome},
          {"new_handle", item.hTarget},
          {"bytes", item.ulCost},
          {"rv", item.rv},
          {"result", module.NameOf(item.rv)},
          {"reason", CleanText(item.reason)},
          {"text", CleanText(item.text)}};
}

void TellSum(Shell& shell, const TransferSum& sum, const Json& items) {
  shell.Tell({{"items", items},
              {"copied", sum.copied},
              {"present", sum.present},
              {"failed", sum.failed},
              {"not_tried", sum.not_tried}});
}

PERIGEE_TRANSFER Request(const TransferPlan& plan,
                         std::vector<PERIGEE_TRANSFER_ITEM>& items) {
  PERIGEE_TRANSFER transfer = {};
  transfer.ulSize = sizeof transfer;
  transfer.flags = plan.flags;
  transfer.phObjects = plan.objects.data();
  transfer.ulObjectCount = plan.objects.size();
  transfer.pItems = items.data();
  transfer.ulItemSize = sizeof(PERIGEE_TRANSFER_ITEM);
  transfer.ulItemRoom = items.size();
  return transfer;
}

}  // namespace

const Shown kTransferData[9] = {
    {"planned_objects", "how many would be carried"},
    {"planned_bytes", "that the source has of them"},
    {"items[]", "@item"},
    {"copied", "objects stored or replaced; with -dryrun, that would be"},
    {"present", "objects that are there already"},
    {"failed", "objects that were left out or refused"},
    {"not_tried", "objects"},
    {"needed_bytes", "with -dryrun"},
    {"free_bytes", "with -dryrun; null: no limit"},
};

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> ObjectsFrom(
    const Arguments& arguments) {
  const std::optional<std::string> text = arguments.Text("objects");
  std::vector<CK_OBJECT_HANDLE> objects;
  if (!text.has_value() || absl::EqualsIgnoreCase(*text, "all") ||
      *text == "0") {
    return objects;
  }
  for (absl::string_view part : absl::StrSplit(*text, ',')) {
    const std::optional<CK_ULONG> handle = ParseNumber(part);
    if (!handle.has_value()) {
      return Failure(CKR_ARGUMENTS_BAD,
                     "-objects takes handles (14,15) or all");
    }
    objects.push_back(*handle);
  }
  return objects;
}

absl::Status SelectFrom(const Arguments& arguments, TransferPlan& plan) {
  if (!arguments.Has("smkonly")) {
    ASSIGN_OR_RETURN(plan.objects, ObjectsFrom(arguments));
    return absl::OkStatus();
  }
  if (arguments.Has("objects")) {
    return Failure(CKR_ARGUMENTS_BAD, "-objects or -smkonly, not both");
  }
  plan.flags |= PERIGEE_TRANSFER_SMK_ONLY;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PERIGEE_TRANSFER_ITEM>> ListTransfer(
    const Module& module, const TransferPlan& plan) {
  // Another process may add objects between the question and the answer.
  for (size_t room = std::max<size_t>(plan.objects.size(), 64);;) {
    std::vector<PERIGEE_TRANSFER_ITEM> items(room);
    PERIGEE_TRANSFER transfer = Request(plan, items);
    transfer.flags |= PERIGEE_TRANSFER_LIST_ONLY;
    const CK_RV rv =
        module.perigee().Transfer(plan.source, plan.target, &transfer);
    if (rv == CKR_BUFFER_TOO_SMALL && transfer.ulItemCount > room) {
      room = transfer.ulItemCount;
      continue;
    }
    RETURN_IF_ERROR(module.Check(rv));
    items.resize(std::min<size_t>(transfer.ulItemCount, room));
    return items;
  }
}

void PrintSum(const TransferPlan& plan, const TransferSum& sum,
              CK_SLOT_ID slot) {
  absl::PrintF("        %s %s %s\n        on slot %d.\n",
               Count(sum.copied, "object"),
               sum.copied == 1 ? absl::StrCat("has been ", plan.verb)
                               : absl::StrCat("have been ", plan.verb),
               plan.direction, slot);
  if (sum.present > 0) {
    absl::PrintF("        %s there already, equal.\n",
                 sum.present == 1 ? "1 object was"
                                  : absl::StrCat(sum.present, " objects were"));
  }
  if (sum.failed + sum.not_tried > 0) {
    absl::PrintF("        NOT complete: %s could not go, %d not tried.\n",
                 Count(sum.failed, "object"), sum.not_tried);
  }
}

CK_FLAGS ErrorRule(const PERIGEE_HSM_INFO& hsm) {
  return IsBefore770(hsm) ? PERIGEE_TRANSFER_CONTINUE_ON_ERROR : 0;
}

absl::Status PrintPlan(Shell& shell, const TransferPlan& plan,
                       CK_ULONG* count) {
  ASSIGN_OR_RETURN(const std::vector<PERIGEE_TRANSFER_ITEM> items,
                   ListTransfer(shell.module(), plan));
  CK_ULONG cost = 0;
  for (const PERIGEE_TRANSFER_ITEM& item : items) {
    // What the source does not have costs nothing.
    if (item.ulCost == 0) {
      return Failure(CKR_OBJECT_HANDLE_INVALID,
                     absl::StrCat("there is no object ", item.hSource));
    }
    cost += item.ulCost;
  }
  absl::PrintF("        %s (%d bytes) will be %s.\n",
               Count(items.size(), "object"), cost, plan.verb);
  *count = items.size();
  shell.Tell({{"planned_objects", items.size()}, {"planned_bytes", cost}});
  return absl::OkStatus();
}

absl::Status TellForecast(Shell& shell, const TransferPlan& plan,
                          const std::string& label, CK_ULONG capacity) {
  const Module& module = shell.module();
  std::vector<PERIGEE_TRANSFER_ITEM> items;
  PERIGEE_FORECAST forecast = {};
  absl::Status status;
  for (size_t room = std::max<size_t>(plan.objects.size(), 64);;) {
    items.assign(room, PERIGEE_TRANSFER_ITEM{});
    forecast = {};
    forecast.ulSize = sizeof forecast;
    forecast.phObjects = plan.objects.data();
    forecast.ulObjectCount = plan.objects.size();
    forecast.pLabel = label.c_str();
    forecast.ulCapacity = capacity;
    forecast.pItems = items.data();
    forecast.ulItemSize = sizeof(PERIGEE_TRANSFER_ITEM);
    forecast.ulItemRoom = room;
    const CK_RV rv =
        module.perigee().Forecast(plan.source, plan.target, &forecast);
    if (rv == CKR_BUFFER_TOO_SMALL && forecast.ulItemCount > room) {
      room = forecast.ulItemCount;
      continue;
    }
    status = module.Check(rv);
    items.resize(std::min<size_t>(forecast.ulItemCount, room));
    break;
  }
  TransferSum sum;
  Json facts = Json::array();
  for (const PERIGEE_TRANSFER_ITEM& item : items) {
    const std::string object_label = LabelOf(module, plan.source, item.hSource);
    facts.push_back(ItemFacts(module, item, object_label));
    for (const OutcomeRow& row : kOutcomes) {
      if (row.outcome == item.ulOutcome) ++(sum.*row.counter);
    }
    if (item.rv == CKR_OK) continue;
    const std::string reason = CleanText(item.reason);
    absl::PrintF("        Object %s%s would not go: <%s>%s %s\n",
                 HandleText(item.hSource), ParenthesizedLabel(object_label),
                 module.NameOf(item.rv),
                 reason.empty() ? "" : absl::StrCat(" reason: ", reason, ";"),
                 CleanText(item.text));
  }
  TellSum(shell, sum, facts);
  if (!items.empty()) {
    shell.Tell({{"needed_bytes", forecast.ulNeeded},
                {"free_bytes", NumberOrNull(forecast.ulFree)}});
    absl::PrintF("        %s would be %s, %d there already, %d refused.\n",
                 Count(sum.copied, "object"), plan.verb, sum.present,
                 sum.failed);
    absl::PrintF("        Needed: %d bytes; free: %s.\n", forecast.ulNeeded,
                 forecast.ulFree == PERIGEE_NONE
                     ? "no limit"
                     : absl::StrCat(forecast.ulFree, " bytes"));
  }
  absl::PrintF("        Nothing was changed.\n");
  return status;
}

absl::Status RunTransfer(Shell& shell, const TransferPlan& plan,
                         TransferSum& sum) {
  const Module& module = shell.module();
  absl::Status status;
  std::vector<PERIGEE_TRANSFER_ITEM> items;
  Progress progress;
  for (size_t room = std::max<size_t>(plan.objects.size(), 64);;) {
    items.assign(room, PERIGEE_TRANSFER_ITEM{});
    PERIGEE_TRANSFER transfer = Request(plan, items);
    transfer.pProgress = OnProgress;
    transfer.pContext = &progress;
    const CK_RV rv =
        module.perigee().Transfer(plan.source, plan.target, &transfer);
    if (rv == CKR_BUFFER_TOO_SMALL && transfer.ulItemCount > room) {
      room = transfer.ulItemCount;
      continue;
    }
    status = module.Check(rv);
    items.resize(std::min<size_t>(transfer.ulItemCount, room));
    break;
  }
  Progress::Clear();
  Json facts = Json::array();
  for (const PERIGEE_TRANSFER_ITEM& item : items) {
    const std::string label = LabelOf(module, plan.source, item.hSource);
    PrintItem(module, item, plan, label);
    facts.push_back(ItemFacts(module, item, label));
    for (const OutcomeRow& row : kOutcomes) {
      if (row.outcome == item.ulOutcome) ++(sum.*row.counter);
    }
  }
  TellSum(shell, sum, facts);
  return status;
}

}  // namespace shell
