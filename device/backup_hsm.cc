#include "device/backup_hsm.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "device/link.h"
#include "device/status_messages.h"

namespace device {
namespace {

// Outcomes of changing requests, 64 a client: an id's first byte chooses the
// place, which holds the id and the reply.
struct KeptOutcome {
  hsm_io::RequestId id{};
  base::SecretBytes reply;
  template <typename V>
  void Fields(V& v) {
    v(id, reply);
  }
};

std::string OutcomeName(base::ByteSpan client, const hsm_io::RequestId& id) {
  return absl::StrCat(
      "x/outcome/", absl::BytesToHexString(base::AsText(client.subspan(0, 16))),
      "/", id[0] & 63);
}

std::optional<base::Bytes> FindOutcome(hsm::Hsm& hsm, base::ByteSpan client,
                                       const hsm_io::RequestId& id) {
  auto value = hsm.GetSealedValue(0, OutcomeName(client, id));
  if (!value.ok() || !value->has_value()) return std::nullopt;
  auto kept = wire::Decode<KeptOutcome>(**value, "kept outcome");
  if (!kept.ok() || kept->id != id) return std::nullopt;
  return base::ToBytes(kept->reply.Expose());
}

absl::Status KeepOutcome(hsm::Hsm& hsm, base::ByteSpan client,
                         const hsm_io::RequestId& id, base::ByteSpan reply) {
  KeptOutcome kept{id, base::SecretBytes::CopyOf(reply)};
  return hsm.PutSealedValue(0, OutcomeName(client, id),
                            wire::EncodeSecret(kept).Expose());
}

}  // namespace

absl::StatusOr<std::unique_ptr<BackupHsm>> BackupHsm::New(
    std::unique_ptr<hsm::Hsm> hsm) {
  ASSIGN_OR_RETURN(hsm::HsmInfo info, hsm->Info());
  if (info.kind != hsm::Kind::kBackup) {
    return base::Error(
        CKR_TOKEN_NOT_RECOGNIZED,
        absl::StrCat("HSM '", info.name, "' is not a Backup HSM"));
  }
  return std::unique_ptr<BackupHsm>(new BackupHsm(std::move(hsm)));
}

BackupHsm::~BackupHsm() = default;

absl::StatusOr<std::unique_ptr<hsm_io::Server>> BackupHsm::PlugIn(
    bool allow_adoption) {
  hsm::Hsm* hsm = hsm_.get();
  auto link = std::make_shared<Link>(*hsm);
  hsm_io::ServerOptions options;
  options.identity = [hsm] { return hsm->identity(); };
  options.discover = [hsm, allow_adoption] {
    return MakeDeviceInfo(*hsm, allow_adoption);
  };
  options.allow_adoption = allow_adoption;
  options.on_channel_reset = [link] { link->Drop(); };
  options.find_outcome = [hsm](base::ByteSpan client,
                               const hsm_io::RequestId& id) {
    return FindOutcome(*hsm, client, id);
  };
  options.keep_outcome = [hsm](base::ByteSpan client,
                               const hsm_io::RequestId& id,
                               base::ByteSpan reply) {
    return KeepOutcome(*hsm, client, id, reply);
  };
  options.atomically = [hsm](absl::FunctionRef<absl::Status()> work) {
    return hsm->Atomically(work);
  };
  options.on_failed_commit = [link] { link->Drop(); };
  auto server = std::make_unique<hsm_io::Server>(std::move(options));
  link->BindTo(*server);
  return server;
}

}  // namespace device
