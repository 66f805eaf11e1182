// A backup or restore run as the operator sees it: the plan, progress on a
// terminal, a line for each object, Ctrl-C, and the sum.
#ifndef PERIGEE_TOOLS_SHELL_TRANSFER_H_
#define PERIGEE_TOOLS_SHELL_TRANSFER_H_

#include <string>
#include <vector>

#include "tools/shell/shell.h"

namespace shell {

struct TransferPlan {
  CK_SESSION_HANDLE source;
  CK_SESSION_HANDLE target;
  std::vector<CK_OBJECT_HANDLE> objects;  // none: all
  CK_FLAGS flags = 0;
  // Words of the report.
  std::string verb;       // "backed up"
  std::string direction;  // "to partition weekly"
};

struct TransferSum {
  CK_ULONG copied = 0;   // stored or replaced
  CK_ULONG present = 0;  // were there already
  CK_ULONG failed = 0;   // left out or refused
  CK_ULONG not_tried = 0;
};

// With --json: of a backup, and of a restore, which has no forecast.
extern const Shown kTransferData[9];
inline absl::Span<const Shown> RestoreData() {
  return absl::MakeConstSpan(kTransferData).first(7);
}

// -objects: handles, or `all` or 0 for every object.
absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> ObjectsFrom(
    const Arguments& arguments);

// What -objects and -smkonly name.
absl::Status SelectFrom(const Arguments& arguments, TransferPlan& plan);

// What would be carried, with the source's cost of each.
absl::StatusOr<std::vector<PERIGEE_TRANSFER_ITEM>> ListTransfer(
    const Module& module, const TransferPlan& plan);

// Behaviour by the firmware of the partition's HSM: before 7.7.0 a run goes on
// after an object that fails, V0 and V1 stop at the first.
CK_FLAGS ErrorRule(const PERIGEE_HSM_INFO& hsm);

// Tells how many objects and bytes would go; CKR_OBJECT_HANDLE_INVALID.
absl::Status PrintPlan(Shell& shell, const TransferPlan& plan, CK_ULONG* count);
void PrintSum(const TransferPlan& plan, const TransferSum& sum,
              CK_SLOT_ID slot);

// What a backup would do (Forecast of the vendor interface), told object by
// object; nothing changes. `plan.target` is a session on the backup partition,
// or on the Backup HSM's slot: then `label` and `capacity` are those of a new
// one. The first failure is the result.
absl::Status TellForecast(Shell& shell, const TransferPlan& plan,
                          const std::string& label, CK_ULONG capacity);

// Carries and reports; the first failure is the result, `sum` is filled in
// any case.
absl::Status RunTransfer(Shell& shell, const TransferPlan& plan,
                         TransferSum& sum);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_TRANSFER_H_
