// All requests of hsm_io/messages.h, for what must know every one of them:
// tests, fuzzers, recordings.
#ifndef PERIGEE_HSM_IO_MESSAGE_LIST_H_
#define PERIGEE_HSM_IO_MESSAGE_LIST_H_

#include "hsm_io/messages.h"

namespace hsm_io {

template <typename... Requests>
struct MessageList {
  static constexpr size_t kSize = sizeof...(Requests);

  // Calls `function` with a request of each type.
  template <typename Function>
  static void ForEach(Function&& function) {
    (function(Requests()), ...);
  }
  // With one of the type whose number is `op`; false when there is none.
  template <typename Function>
  static bool ForOp(uint16_t op, Function&& function) {
    return ((op == Requests::kOp && (function(Requests()), true)) || ...);
  }
  static constexpr bool NumbersAreUnique() {
    const uint16_t ops[] = {Requests::kOp...};
    for (size_t i = 0; i < kSize; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (ops[i] == ops[j]) return false;
      }
    }
    return true;
  }
};

using AllMessages = MessageList<
    GetHsmStatus, InitHsm, SetHsmPolicies, ZeroizeHsm, Adopt, UpdateFirmware,
    RollbackFirmware, GetCondition, SetTransport, SetTamper, Login, Logout,
    InitRole, ChangePin, GetRoleStatus, ListContainers, CreateContainer,
    InitContainer, DeleteContainer, ResizeContainer, SetDomain,
    GetContainerPolicies, SetContainerPolicies, ChangeLabel, ListObjects,
    ListHandles, DestroyObjects, ReadManifest, RunStart, RunBind, RunNext,
    RunJoin, RunAccept, RunOffer, RunCompare, RunClose, RunForecast, Outcome>;
static_assert(AllMessages::NumbersAreUnique());

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_MESSAGE_LIST_H_
