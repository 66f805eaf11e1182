// The table of cloning protocols and what is decided by it.
#include "cloning/protocol_version.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/wire.h"
#include "hsm/compatibility.h"

namespace cloning {
namespace {

using hsm::FirmwareProfile;

constexpr ProtocolVersion kVersions[] = {
    {kCpv1, "CPv1", "perigee clone 1", &kTransportSuite,
     &FirmwareProfile::cpv1},
    {kCpv3, "CPv3", "perigee clone 3", &kAgreementSuite,
     &FirmwareProfile::cpv3},
    {kCpv4, "CPv4", "perigee clone 4", nullptr, &FirmwareProfile::cpv4},
};

constexpr char kProtocolReason[] = "cloning-protocol";
constexpr size_t kMaxProtocols = 8;

// Numbers of the rows that the firmware of `statement` speaks, ascending.
// Policy 42 leaves CPv1 only.
std::vector<uint8_t> Spoken(const hsm::Statement& statement) {
  const FirmwareProfile* firmware =
      hsm::FindFirmware(statement.kind, statement.firmware);
  std::vector<uint8_t> spoken;
  if (firmware == nullptr) return spoken;
  for (const ProtocolVersion& row : kVersions) {
    if (statement.allow_cpv1 != 0 && row.number != kCpv1) continue;
    if (firmware->*row.spoken) spoken.push_back(row.number);
  }
  return spoken;
}

absl::Status NothingInCommon(const hsm::Statement& source,
                             const hsm::Statement& target) {
  return base::ErrorWithReason(
      LUNA_RET_OPERATION_RESTRICTED, kProtocolReason,
      absl::StrCat("firmware ", source.firmware.ToString(), " and ",
                   target.firmware.ToString(),
                   " have no cloning protocol in common (see partition "
                   "policy 42)"));
}

absl::string_view KindName(hsm::Kind kind) {
  switch (kind) {
    case hsm::Kind::kApplication:
      return "application";
    case hsm::Kind::kBackup:
      return "backup";
  }
  return "";  // A number from the wire: equals no certificate's kind.
}

bool IsStrictlyAscending(const std::vector<uint8_t>& numbers) {
  return std::adjacent_find(numbers.begin(), numbers.end(),
                            std::greater_equal<>()) == numbers.end();
}

}  // namespace

absl::Span<const ProtocolVersion> ProtocolVersions() { return kVersions; }

const ProtocolVersion* FindProtocolVersion(uint8_t number) {
  for (const ProtocolVersion& row : kVersions) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

Introduction Introduce(hsm::Statement own) {
  Introduction introduction;
  for (uint8_t number : Spoken(own)) {
    if (FindProtocolVersion(number)->available()) {
      introduction.protocols.push_back(number);
    }
  }
  introduction.statement = std::move(own);
  return introduction;
}

bool IsWellFormed(const hsm::Statement& statement) {
  return !KindName(statement.kind).empty() &&
         statement.fm <= hsm::FmState::kEnabledOnce;
}

absl::StatusOr<Introduction> ParseIntroduction(
    const base::Certificate& certificate, ByteSpan statement) {
  ASSIGN_OR_RETURN(Introduction introduction,
                   wire::Decode<Introduction>(statement, "introduction"));
  const hsm::Statement& peer = introduction.statement;
  if (introduction.format != 1 ||
      introduction.protocols.size() > kMaxProtocols ||
      !IsStrictlyAscending(introduction.protocols) || !IsWellFormed(peer)) {
    return base::Error(CKR_DEVICE_ERROR, "malformed introduction");
  }
  const base::CertifiedName& name = certificate.name();
  if (peer.serial != name.serial || peer.model != name.model ||
      absl::string_view(name.kind) != KindName(peer.kind)) {
    return base::Error(CKR_DEVICE_ERROR,
                       "the peer's statement and certificate disagree");
  }
  return introduction;
}

std::optional<uint8_t> CommonProtocol(const Introduction& a,
                                      const Introduction& b) {
  std::vector<uint8_t> common;
  std::set_intersection(a.protocols.begin(), a.protocols.end(),
                        b.protocols.begin(), b.protocols.end(),
                        std::back_inserter(common));
  if (common.empty()) return std::nullopt;
  return common.back();
}

uint8_t NumberOfHello(const Introduction& own) {
  return own.protocols.empty() ? kCpv3 : own.protocols.back();
}

absl::Status CheckProtocol(uint8_t number, const Introduction& source,
                           const Introduction& target) {
  const std::optional<uint8_t> common = CommonProtocol(source, target);
  // Where only the legacy protocol is left, an object would leave the source
  // before the target could say that it takes none.
  if (!common.has_value() || *common == kCpv1) {
    RETURN_IF_ERROR(hsm::CheckRoute(source.statement, target.statement));
  }
  if (!common.has_value()) {
    return NothingInCommon(source.statement, target.statement);
  }
  if (*common != number) {
    return base::ErrorWithReason(
        LUNA_RET_OPERATION_RESTRICTED, kProtocolReason,
        absl::StrCat("protocol ", number, " asked for where both offer ",
                     *common));
  }
  return absl::OkStatus();
}

}  // namespace cloning
