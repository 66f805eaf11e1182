// The inside of Hsm, shared by hsm*.cc. Private to hsm.
#ifndef PERIGEE_HSM_HSM_STATE_H_
#define PERIGEE_HSM_HSM_STATE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hsm/hsm.h"
#include "hsm/partition_state.h"

namespace hsm {

// The device key, its certificate, and whom it trusts; in a named value.
struct IdentityRecord {
  uint8_t format = kRecordFormat;
  Bytes sealed_key;  // PKCS#8 DER under the wrap key
  Bytes certificate;
  std::vector<Bytes> roots;
  std::vector<Bytes> former_roots;
  template <typename V>
  void Fields(V& v) {
    v(format, sealed_key, certificate, roots, former_roots);
  }
};

absl::StatusOr<IdentityRecord> LoadIdentity(const HsmCore& core,
                                            Reader& reader);
absl::StatusOr<std::shared_ptr<const base::Identity>> OpenIdentity(
    const HsmCore& core, const IdentityRecord& record);

// Writes the HSM of `spec` into an empty store.
absl::Status Populate(HsmCore& core, const HsmSpec& spec, const Fleet& fleet);

// Makes a partition in a transaction; `view` is as loaded in it, and its
// record is changed and saved.
absl::StatusOr<SpaceId> AddPartition(const HsmCore& core, Transaction& tx,
                                     HsmView& view, const PartitionSpec& spec,
                                     std::optional<Role> by);

struct Hsm::State {
  State(Hsm* hsm_in, std::unique_ptr<HsmCore> core_in)
      : hsm(hsm_in), core(std::move(core_in)) {}

  // The partition's object, made when it is asked for first.
  Partition* Get(SpaceId space) ABSL_LOCKS_EXCLUDED(mu);
  // Ends what this process remembers of the partitions' objects.
  void RetireAll() ABSL_LOCKS_EXCLUDED(mu);
  Partition::State_& admin() { return *Get(kAdminSpace)->state_; }
  absl::StatusOr<std::shared_ptr<const LoginKeys>> RequireSo(const Login& so);
  // The SO, also while the HSM is unavailable; nobody when there is no SO.
  absl::Status RequireSoIfAny(const Login* so);

  Hsm* const hsm;
  const std::unique_ptr<HsmCore> core;

  absl::Mutex mu;
  std::map<SpaceId, std::unique_ptr<Partition>> partitions ABSL_GUARDED_BY(mu);
  uint64_t identity_generation ABSL_GUARDED_BY(mu) = kBusyGeneration;
  Bytes identity_certificate ABSL_GUARDED_BY(mu);
  std::shared_ptr<const base::Identity> identity ABSL_GUARDED_BY(mu);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_HSM_STATE_H_
