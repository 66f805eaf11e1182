// Stores for tests: one in memory, and one that wraps another and fails or
// forgets at the n-th operation.
#ifndef PERIGEE_HSM_TEST_STORES_H_
#define PERIGEE_HSM_TEST_STORES_H_

#include <memory>

#include "hsm/store.h"

namespace hsm {

std::unique_ptr<Store> NewMemoryStore();
// One with the identity and the contents of `store`, which is another one.
std::unique_ptr<Store> CopyMemoryStore(const Store& store);

// Counts every call on the store, its readers and its transactions.
class FaultStore : public Store {
 public:
  explicit FaultStore(std::unique_ptr<Store> inner);
  ~FaultStore() override;

  // The n-th operation from now on (1 is the next) fails with CKR_DEVICE_ERROR
  // once; with `sticky` all after it as well. 0 switches faults off.
  void FailAt(int n, bool sticky = false);
  // Operations since the last FailAt.
  int operations() const;

  const std::array<uint8_t, 16>& store_id() const override;
  bool writable() const override;
  absl::Status Read(absl::FunctionRef<absl::Status(Reader&)> read) override;
  absl::Status Write(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override;
  uint64_t Generation(SpaceId space) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_TEST_STORES_H_
