// The objects that a caller of Transfer and Forecast names, and the items of
// the report on them.
#ifndef PERIGEE_PKCS11_CA_PERIGEE_ITEMS_H_
#define PERIGEE_PKCS11_CA_PERIGEE_ITEMS_H_

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "base/status.h"
#include "cloning/endpoint.h"
#include "hsm/sks_blob.h"
#include "perigee/perigee.h"

namespace pkcs11::ca {

// The caller's array, whose elements may be larger than ours.
class ItemReport {
 public:
  template <typename Request>
  static absl::StatusOr<ItemReport> Make(Request& transfer, size_t count) {
    transfer.ulItemCount = count;
    if (transfer.pItems == nullptr) return ItemReport(nullptr, 0);
    if (transfer.ulItemSize < sizeof(PERIGEE_TRANSFER_ITEM)) {
      return base::Error(CKR_ARGUMENTS_BAD, "ulItemSize is too small");
    }
    if (transfer.ulItemRoom < count) {
      return base::Error(CKR_BUFFER_TOO_SMALL, "");
    }
    return ItemReport(reinterpret_cast<char*>(transfer.pItems),
                      transfer.ulItemSize);
  }

  void Put(size_t index, const PERIGEE_TRANSFER_ITEM& item) const {
    if (first_ == nullptr) return;
    std::memcpy(first_ + index * size_, &item, sizeof(item));
  }

 private:
  ItemReport(char* first, size_t size) : first_(first), size_(size) {}
  char* first_;
  size_t size_;
};

inline bool SmkOnly(const PERIGEE_TRANSFER& transfer) {
  return (transfer.flags & PERIGEE_TRANSFER_SMK_ONLY) != 0;
}
inline bool SmkOnly(const PERIGEE_FORECAST&) { return false; }

// The SKS master key in the partition that uses it, which is no object there.
inline cloning::Endpoint::Item SmkItem(uint64_t handle) {
  cloning::Endpoint::Item item;
  item.handle = handle;
  item.object_class = hsm::kSmkClass;
  item.size = 32;  // of the key; it takes no room of the partition's
  return item;
}

// What would be carried: the objects asked for, or all, or the SKS master keys
// alone. Those that the source does not have stand there with their handle
// alone. `smks`: those that the source uses.
template <typename Request>
absl::StatusOr<std::vector<cloning::Endpoint::Item>> Selection(
    cloning::Endpoint& source, const Request& transfer,
    const std::vector<uint64_t>& smks) {
  using Item = cloning::Endpoint::Item;
  std::vector<Item> used;
  for (const uint64_t handle : smks) used.push_back(SmkItem(handle));
  if (SmkOnly(transfer) && !used.empty()) return used;
  ASSIGN_OR_RETURN(std::vector<Item> there, source.List());
  if (SmkOnly(transfer)) {
    there.erase(std::remove_if(there.begin(), there.end(),
                               [](const Item& item) {
                                 return item.object_class != hsm::kSmkClass;
                               }),
                there.end());
    if (!there.empty()) return there;
    return base::Error(CKR_SMK_ID_NOT_FOUND, "there is no SKS master key");
  }
  if (transfer.ulObjectCount == 0) {
    there.insert(there.end(), used.begin(), used.end());
    return there;
  }
  if (transfer.phObjects == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no objects");
  }
  std::map<uint64_t, const Item*> by_handle;
  for (const auto* items : {&there, &used}) {
    for (const Item& item : *items) by_handle[item.handle] = &item;
  }
  std::vector<Item> selected;
  for (CK_ULONG i = 0; i < transfer.ulObjectCount; ++i) {
    const auto it = by_handle.find(transfer.phObjects[i]);
    selected.push_back(it != by_handle.end() ? *it->second : Item());
    selected.back().handle = transfer.phObjects[i];
  }
  return selected;
}

inline PERIGEE_TRANSFER_ITEM StartItem(const cloning::Endpoint::Item& item) {
  PERIGEE_TRANSFER_ITEM told = {};
  told.hSource = item.handle;
  std::copy(item.ouid.begin(), item.ouid.end(), told.ouid);
  told.ulOutcome = PERIGEE_OUTCOME_NOT_TRIED;
  told.ulCost = item.size;
  return told;
}

}  // namespace pkcs11::ca

#endif  // PERIGEE_PKCS11_CA_PERIGEE_ITEMS_H_
