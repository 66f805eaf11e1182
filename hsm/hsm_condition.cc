// Secure Transport Mode and tampering.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/crypto.h"
#include "hsm/hsm_state.h"

namespace hsm {
namespace {

constexpr size_t kLength = 16;
// No characters that look alike; 32 of them.
constexpr absl::string_view kCharacters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
static_assert(kCharacters.size() == 32);

std::string TextOf(ByteSpan bytes) {
  std::string text;
  for (size_t i = 0; i < kLength; ++i) text += kCharacters[bytes[i] % 32];
  return text;
}

// What the HSM is and holds, but for what a wrong PIN changes: those are
// counted in the condition.
absl::Status AddState(Reader& reader, SpaceId space, wire::Writer& state) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   reader.ListValues(space, ""));
  for (const std::string& name : names) {
    if (!AuditLog::IsLookedAfter(name) || name == kConditionValue ||
        absl::EndsWith(name, kFailuresSuffix)) {
      continue;
    }
    ASSIGN_OR_RETURN(const std::optional<Bytes> value,
                     reader.GetValue(space, name));
    state.U32(space);
    state.Text(name);
    state.Sized(value.value_or(Bytes()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Verification(const HsmCore& core, Reader& reader,
                                         const HsmView& view,
                                         absl::string_view user) {
  wire::Writer state;
  state.Text("perigee transport 1");
  state.Text(user);
  state.U32(view.condition.failures);
  RETURN_IF_ERROR(AddState(reader, kAdminSpace, state));
  for (const SpaceId space : view.record.spaces) {
    RETURN_IF_ERROR(AddState(reader, space, state));
  }
  const auto mac = base::HmacSha256(core.value_key().Expose(), {state.bytes()});
  return TextOf(mac.Expose());
}

// So that what was remembered of the partitions is looked at again.
absl::Status TouchPartitions(const HsmCore& core, Transaction& tx,
                             const HsmView& view) {
  for (const SpaceId space : view.record.spaces) {
    ASSIGN_OR_RETURN(const std::optional<PartitionRecord> record,
                     LoadPartition(core, tx, space));
    if (!record.has_value()) continue;
    RETURN_IF_ERROR(SavePartition(core, tx, space, *record));
  }
  return absl::OkStatus();
}

std::optional<Role> RoleOf(const Login* so) {
  if (so == nullptr) return std::nullopt;
  return so->role();
}

absl::Status SaveCondition(const HsmCore& core, Transaction& tx,
                           const Condition& condition) {
  return core.values().SaveAs(tx, kAdminSpace, kConditionValue, condition);
}

}  // namespace

std::string Grouped(absl::string_view text) {
  std::string grouped;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i != 0 && i % 4 == 0) grouped += '-';
    grouped += text[i];
  }
  return grouped;
}

absl::StatusOr<std::string> ParseTransportString(absl::string_view text) {
  std::string parsed;
  for (const char c : text) {
    if (c != '-') parsed += absl::ascii_toupper(c);
  }
  const bool known = std::all_of(parsed.begin(), parsed.end(), [](char c) {
    return kCharacters.find(c) != absl::string_view::npos;
  });
  if (parsed.size() == kLength && known) return parsed;
  return base::Error(CKR_ARGUMENTS_BAD,
                     "a random user string has 16 characters, in groups of 4");
}

absl::Status CheckAvailable(const HsmView& view) {
  if (view.condition.transport) {
    return base::ErrorWithReason(
        CKR_STM_CMD_NON_TRANSPORT, "transport-mode",
        "the HSM is in Secure Transport Mode: its SO recovers it");
  }
  if (view.condition.tampered_at != 0 &&
      PolicyOr0(view.policies, hsm_policy::kControlledTamperRecovery) != 0) {
    return base::ErrorWithReason(
        CKR_HSM_TAMPERED, "hsm-tampered",
        "the HSM was tampered with: its SO clears that first");
  }
  return absl::OkStatus();
}

absl::StatusOr<Condition> Hsm::GetCondition() {
  ASSIGN_OR_RETURN(const auto view, state_->core->View());
  return view->condition;
}

absl::Status Hsm::State::RequireSoIfAny(const Login* so) {
  if (so != nullptr) {
    return admin()
        .Require(*so, {Role::kSo}, Partition::State_::Unavailable::kNoMatter)
        .status();
  }
  ASSIGN_OR_RETURN(const auto own, admin().View());
  if (!own->record.initialized) return absl::OkStatus();
  return base::Error(CKR_USER_NOT_LOGGED_IN, "this is the HSM SO's");
}

absl::StatusOr<TransportStrings> Hsm::EnterTransport(const Login* so) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSoIfAny(so));
  ASSIGN_OR_RETURN(const Bytes random, base::RandomBytes(kLength));
  TransportStrings strings;
  strings.user = TextOf(random);
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
        RETURN_IF_ERROR(CheckAvailable(view));
        view.condition.transport = true;
        view.condition.failures = 0;
        RETURN_IF_ERROR(SaveCondition(core, tx, view.condition));
        RETURN_IF_ERROR(TouchPartitions(core, tx, view));
        ASSIGN_OR_RETURN(strings.verification,
                         Verification(core, tx, view, strings.user));
        return core.audit().Append(
            tx, {.word = AuditWord::kTransportEntered, .role = RoleOf(so)});
      }));
  state_->RetireAll();
  return strings;
}

absl::StatusOr<std::string> Hsm::TransportVerification(const Login* so,
                                                       absl::string_view user) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSoIfAny(so));
  ASSIGN_OR_RETURN(const std::string parsed, ParseTransportString(user));
  std::string verification;
  RETURN_IF_ERROR(core.store().Read([&](Reader& reader) -> absl::Status {
    ASSIGN_OR_RETURN(const HsmView view, core.Load(reader));
    if (!view.condition.transport) {
      return base::Error(CKR_OPERATION_NOT_ALLOWED,
                         "the HSM is not in Secure Transport Mode");
    }
    ASSIGN_OR_RETURN(verification, Verification(core, reader, view, parsed));
    return absl::OkStatus();
  }));
  return verification;
}

absl::Status Hsm::LeaveTransport(const Login* so) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSoIfAny(so));
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
    if (!view.condition.transport) {
      return base::Error(CKR_OPERATION_NOT_ALLOWED,
                         "the HSM is not in Secure Transport Mode");
    }
    view.condition.transport = false;
    view.condition.failures = 0;
    RETURN_IF_ERROR(SaveCondition(core, tx, view.condition));
    return core.audit().Append(
        tx, {.word = AuditWord::kTransportLeft, .role = RoleOf(so)});
  });
}

absl::Status Hsm::Tamper() {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
        view.condition.tampered_at =
            static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
        if (PolicyOr0(view.policies, hsm_policy::kDecommissionOnTamper) != 0) {
          view.condition.decommissioned = true;
          RETURN_IF_ERROR(ZeroizeHsm(core, tx));
        } else {
          RETURN_IF_ERROR(TouchPartitions(core, tx, view));
        }
        RETURN_IF_ERROR(SaveCondition(core, tx, view.condition));
        return core.audit().Append(tx, {.word = AuditWord::kTampered});
      }));
  state_->RetireAll();
  return absl::OkStatus();
}

absl::Status Hsm::ClearTamper(const Login* so) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSoIfAny(so));
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
    if (view.condition.tampered_at == 0) {
      return base::Error(CKR_OPERATION_NOT_ALLOWED,
                         "there is no tamper event to clear");
    }
    view.condition.tampered_at = 0;
    RETURN_IF_ERROR(SaveCondition(core, tx, view.condition));
    return core.audit().Append(
        tx, {.word = AuditWord::kTamperCleared, .role = RoleOf(so)});
  });
}

}  // namespace hsm
