#include "tools/shell/containers.h"

#include "absl/strings/str_format.h"
#include "tools/shell/text.h"

namespace shell {

absl::StatusOr<CK_ULONG> CreateContainer(
    const Module& module, CK_SESSION_HANDLE so_session, std::string name,
    const SecretText& password, const SecretText* domain, CK_ULONG size) {
  const CaFunctions& ca = module.ca();
  // The domain of the next partition that this process makes.
  RETURN_IF_ERROR(module.Check(ca.CA_SetCloningDomain(
      domain != nullptr ? domain->RevealBytes() : nullptr,
      domain != nullptr ? domain->size() : 0)));
  constexpr CK_ULONG kAllOnes = ~0UL;
  CK_ULONG container = 0;
  const absl::Status status = module.Check(ca.CA_CreateContainer(
      so_session, 0, reinterpret_cast<CK_CHAR*>(name.data()), name.size(),
      password.RevealBytes(), password.size(), kAllOnes, kAllOnes, 0, 0, size,
      &container));
  if (status.ok()) return container;
  ca.CA_SetCloningDomain(nullptr, 0);
  return status;
}

void PrintStorage(const PERIGEE_PARTITION_INFO& partition) {
  absl::PrintF("\n        Partition Storage:\n");
  absl::PrintF("                Total Storage Space:  %s\n",
               SizeText(partition.ulTotal));
  absl::PrintF("                Used Storage Space:   %s\n",
               SizeText(partition.ulUsed));
  absl::PrintF("                Free Storage Space:   %s\n",
               SizeText(partition.ulFree));
  absl::PrintF("                Object Count:         %d\n",
               partition.ulObjects);
  absl::PrintF("                Overhead:             %s\n",
               SizeText(partition.ulOverhead));
}

}  // namespace shell
