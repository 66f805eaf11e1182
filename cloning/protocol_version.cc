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
    {kCpv4, "CPv4", "perigee clone 4", &kAgreementSuite, &FirmwareProfile::cpv4,
     /*negotiates=*/true},
};

constexpr char kProtocolReason[] = "cloning-protocol";
constexpr char kSuiteReason[] = "cipher-suite";
constexpr size_t kMaxProtocols = 8;
constexpr size_t kMaxSuites = 8;
constexpr uint8_t kNegotiatingFormat = 2;

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

std::optional<uint8_t> HighestOfBoth(const std::vector<uint8_t>& a,
                                     const std::vector<uint8_t>& b) {
  std::vector<uint8_t> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                        std::back_inserter(common));
  if (common.empty()) return std::nullopt;
  return common.back();
}

bool Offers(const Introduction& introduction, uint8_t number) {
  const auto& offered = introduction.protocols;
  return std::find(offered.begin(), offered.end(), number) != offered.end();
}

// Format, lists and shares; what they mean is decided elsewhere.
bool IsWellFormed(const Introduction& introduction) {
  if (introduction.protocols.size() > kMaxProtocols ||
      !IsStrictlyAscending(introduction.protocols)) {
    return false;
  }
  const bool negotiates = Offers(introduction, kCpv4);
  if (introduction.format != (negotiates ? kNegotiatingFormat : 1)) {
    return false;
  }
  std::vector<uint8_t> shared;
  for (const SuiteShare& row : introduction.shares) shared.push_back(row.suite);
  const std::vector<uint8_t>& suites = introduction.suites;
  return suites.empty() != negotiates && suites.size() <= kMaxSuites &&
         IsStrictlyAscending(suites) && IsStrictlyAscending(shared) &&
         std::includes(suites.begin(), suites.end(), shared.begin(),
                       shared.end());
}

}  // namespace

absl::Span<const ProtocolVersion> ProtocolVersions() { return kVersions; }

const ProtocolVersion* FindProtocolVersion(uint8_t number) {
  for (const ProtocolVersion& row : kVersions) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

Introduction Introduce(hsm::Statement own, const Negotiation& negotiation) {
  Introduction introduction;
  const bool may_negotiate =
      negotiation.clock_set && !negotiation.suites.empty();
  for (uint8_t number : Spoken(own)) {
    const ProtocolVersion& version = *FindProtocolVersion(number);
    if (!version.available()) continue;
    if (version.negotiates) {
      if (!may_negotiate) continue;
      introduction.format = kNegotiatingFormat;
      introduction.suites = negotiation.suites;
    }
    introduction.protocols.push_back(number);
  }
  introduction.statement = std::move(own);
  return introduction;
}

std::string WhyNotCpv4(const hsm::Statement& own,
                       const Negotiation& negotiation) {
  const FirmwareProfile* firmware = hsm::FindFirmware(own.kind, own.firmware);
  if (firmware == nullptr || !firmware->cpv4) return "the firmware has no CPv4";
  if (own.allow_cpv1 != 0) return "partition policy 42 wants CPv1";
  if (!negotiation.clock_set) return "the HSM's clock is not set";
  if (negotiation.suites.empty()) return "no cipher suite is enabled";
  return "";
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
  if (!IsWellFormed(introduction) || !IsWellFormed(peer)) {
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
  return HighestOfBoth(a.protocols, b.protocols);
}

std::optional<uint8_t> CommonSuite(const Introduction& a,
                                   const Introduction& b) {
  return HighestOfBoth(a.suites, b.suites);
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

absl::Status CheckSuite(uint8_t suite, const Introduction& source,
                        const Introduction& target) {
  const std::optional<uint8_t> common = CommonSuite(source, target);
  if (!common.has_value()) {
    return base::ErrorWithReason(
        CKR_SESSION_NEGOTIATION_NO_ALGS, kSuiteReason,
        "source and target have no cipher suite in common (partition "
        "ciphershow tells which are enabled)");
  }
  if (*common == suite) return absl::OkStatus();
  return base::ErrorWithReason(
      LUNA_RET_OPERATION_RESTRICTED, kSuiteReason,
      absl::StrCat("cipher suite ", suite, " asked for where both offer ",
                   *common));
}

}  // namespace cloning
