// A container of a Backup HSM behind the device link, as a cloning endpoint:
// each verb is one message. The login lives on the device.
#ifndef PERIGEE_BACKUP_REMOTE_ENDPOINT_H_
#define PERIGEE_BACKUP_REMOTE_ENDPOINT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "cloning/endpoint.h"
#include "hsm_io/client.h"

namespace backup {

// Used by one thread at a time. `client` has an open channel on which a role
// is logged in to `space`.
class RemoteEndpoint : public cloning::Endpoint {
 public:
  // `on_change` is called after the container may have changed.
  RemoteEndpoint(std::shared_ptr<hsm_io::Client> client, uint32_t space,
                 std::function<void()> on_change = nullptr);
  ~RemoteEndpoint() override;

  absl::StatusOr<base::Bytes> Start() override;
  absl::Status Bind(base::ByteSpan reply) override;
  absl::StatusOr<cloning::SealedOffer> Offer(
      absl::Span<const uint64_t> handles) override;
  absl::StatusOr<cloning::Batch> Next(
      absl::Span<const uint64_t> handles) override;
  absl::StatusOr<cloning::Batch> End() override;
  absl::StatusOr<base::Bytes> Join(base::ByteSpan hello) override;
  absl::StatusOr<std::vector<cloning::Held>> Compare(
      base::ByteSpan sealed) override;
  absl::StatusOr<std::vector<cloning::TargetResult>> Accept(
      base::ByteSpan sealed, const cloning::AcceptOptions& options) override;
  absl::StatusOr<std::vector<Item>> List() override;
  absl::StatusOr<bool> IsEmpty() override;
  absl::StatusOr<std::vector<uint64_t>> Handles() override;

 private:
  void Opened(uint32_t run);
  // CKR_DEVICE_REMOVED when the run ended with its channel.
  absl::StatusOr<uint32_t> Run();
  absl::StatusOr<cloning::Batch> NextOrEnd(absl::Span<const uint64_t> handles,
                                           bool end);
  void CloseRun();

  const std::shared_ptr<hsm_io::Client> client_;
  const uint32_t space_;
  const std::function<void()> on_change_;
  std::optional<uint32_t> run_;
  uint64_t epoch_ = 0;  // of the channel that the run lives on
};

}  // namespace backup

#endif  // PERIGEE_BACKUP_REMOTE_ENDPOINT_H_
