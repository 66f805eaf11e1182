// The vendor interface "Perigee" (perigee/perigee.h): the table, and the
// functions about errors, slots, HSMs and partitions. Transfer and adoption
// are in perigee_transfer.cc.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/cryptoki.h"
#include "hsm/store_upkeep.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/ca/places.h"
#include "pkcs11/call.h"
#include "pkcs11/config.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {
namespace ca {
namespace {

using api::Need;

CK_ULONG NumberOr(uint64_t value, uint64_t none) {
  return value == none ? PERIGEE_NONE : value;
}

// --- slots and HSMs ----------------------------------------------------------

absl::Status Slots(Library& library, CK_SLOT_ID* pSlots, CK_ULONG* pulCount) {
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_SLOT_ID>::Make(pSlots, pulCount));
  const auto slots = library.slots();
  if (output.is_query()) slots->Refresh();
  std::vector<CK_SLOT_ID> numbers;
  for (const TokenRef& token : slots->all()) numbers.push_back(token->slot());
  std::sort(numbers.begin(), numbers.end());
  return ToStatus(output.Give(numbers));
}

CK_FLAGS FlagsOf(const hsm::HsmInfo& info) {
  CK_FLAGS flags = 0;
  if (info.initialized) flags |= PERIGEE_HSM_INITIALIZED;
  if (info.zeroized) flags |= PERIGEE_HSM_ZEROIZED;
  if (info.attached_to_appliance) flags |= PERIGEE_HSM_ON_APPLIANCE;
  if (info.fm != hsm::FmState::kNever) flags |= PERIGEE_HSM_FM_ENABLED;
  if (info.test_kdf) flags |= PERIGEE_HSM_TEST_KDF;
  return flags;
}

// How the HSM is reached: its row of the configuration.
std::string TransportOf(Library& library, const std::string& hsm_name) {
  for (const HsmConfig& hsm : library.config()->hsms) {
    if (hsm.spec.name == hsm_name) return hsm.transport;
  }
  return "embedded";
}

absl::Status HsmInfo(Library& library, CK_SLOT_ID slotID,
                     PERIGEE_HSM_INFO* pInfo) {
  RETURN_IF_ERROR(CheckSize(pInfo));
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, admin->Hsm());
  if (info.model == nullptr || info.firmware == nullptr) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED, "an unknown model of HSM");
  }
  PERIGEE_HSM_INFO told = {};
  told.ulKind = info.kind == hsm::Kind::kBackup ? PERIGEE_KIND_BACKUP
                                                : PERIGEE_KIND_APPLICATION;
  told.flags = FlagsOf(info);
  const hsm::FirmwareVersion& version = info.firmware->version;
  told.ulFirmware[0] = version.major_number;
  told.ulFirmware[1] = version.minor_number;
  told.ulFirmware[2] = version.patch;
  told.adminSlot = admin->slot();
  const std::string transport = TransportOf(library, admin->hsm_name());
  if (transport == "embedded") told.flags |= PERIGEE_HSM_EMBEDDED;
  told.ulAllowedPartitions = info.model->maximum_partitions;
  if (!info.serial.empty()) {  // What asks further makes state where is none.
    told.flags |= PERIGEE_HSM_EXISTS;
    ASSIGN_OR_RETURN(const bool approved, admin->InApprovedMode());
    if (approved) told.flags |= PERIGEE_HSM_APPROVED_MODE;
    ASSIGN_OR_RETURN(const auto containers, admin->Containers());
    told.ulPartitions = containers.size();
    ASSIGN_OR_RETURN(told.ulAllowedPartitions, admin->AllowedContainers());
    ASSIGN_OR_RETURN(const hsm::Condition condition, admin->GetCondition());
    if (condition.transport) told.flags |= PERIGEE_HSM_TRANSPORT;
    if (condition.tampered_at != 0) told.flags |= PERIGEE_HSM_TAMPERED;
    if (condition.decommissioned) told.flags |= PERIGEE_HSM_DECOMMISSIONED;
    told.ulTamperedAt = condition.tampered_at;
  }
  CopyText(told.configName, admin->hsm_name());
  CopyText(told.label, info.label);
  CopyText(told.serial, info.serial);
  CopyText(told.model, info.model->name);
  CopyText(told.tokenModel, info.model->token_model);
  CopyText(told.manufacturer, info.model->manufacturer);
  CopyText(told.transport, transport);
  CopyText(told.release, info.firmware->release);
  CopyText(told.certificate, info.firmware->certificate);
  Give(told, pInfo);
  return absl::OkStatus();
}

// --- partitions --------------------------------------------------------------

absl::Status PartitionInfo(Library& library, CK_SLOT_ID slotID,
                           CK_ULONG ulContainer,
                           PERIGEE_PARTITION_INFO* pInfo) {
  RETURN_IF_ERROR(CheckSize(pInfo));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  ASSIGN_OR_RETURN(const bool exists, Exists(*place.token));
  hsm::PartitionInfo info;
  hsm::StorageInfo storage;
  storage.total = storage.free = CK_UNAVAILABLE_INFORMATION;
  if (exists) {
    ASSIGN_OR_RETURN(info, place.token->Container(place.space));
    ASSIGN_OR_RETURN(storage, place.token->ContainerStorage(place.space));
  }
  PERIGEE_PARTITION_INFO told = {};
  if (info.initialized) told.flags |= PERIGEE_PARTITION_INITIALIZED;
  if (info.zeroized) told.flags |= PERIGEE_PARTITION_ZEROIZED;
  if (info.backup_container) told.flags |= PERIGEE_PARTITION_BACKUP;
  if (info.has_domain) told.flags |= PERIGEE_PARTITION_HAS_DOMAIN;
  if (place.space == 0) told.flags |= PERIGEE_PARTITION_ADMIN;
  told.ulContainer = place.space;
  told.slot = place.space == place.token->own_space() ? place.token->slot()
                                                      : PERIGEE_NONE;
  told.ulVersion = info.version;
  told.ulCapacity = NumberOr(info.capacity, 0);
  told.ulOverhead = storage.overhead;
  told.ulTotal = NumberOr(storage.total, CK_UNAVAILABLE_INFORMATION);
  told.ulUsed = storage.used;
  told.ulFree = NumberOr(storage.free, CK_UNAVAILABLE_INFORMATION);
  told.ulObjects = storage.objects;
  std::copy(info.id.begin(), info.id.end(), told.id);
  CopyText(told.label, info.label);
  CopyText(told.serial, info.serial);
  Give(told, pInfo);
  return absl::OkStatus();
}

absl::Status RoleInfo(Library& library, CK_SLOT_ID slotID, CK_ULONG ulContainer,
                      CK_USER_TYPE userType, PERIGEE_ROLE_INFO* pInfo) {
  RETURN_IF_ERROR(CheckSize(pInfo));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  ASSIGN_OR_RETURN(const hsm::Role role, RoleOf(place.space == 0, userType));
  ASSIGN_OR_RETURN(const hsm::RoleState state,
                   place.token->RoleState(place.space, role));
  PERIGEE_ROLE_INFO told = {};
  if (state.initialized) told.flags |= PERIGEE_ROLE_INITIALIZED;
  if (state.locked) told.flags |= PERIGEE_ROLE_LOCKED;
  if (state.must_change_pin) told.flags |= PERIGEE_ROLE_MUST_CHANGE_PIN;
  told.ulFailures = state.failures;
  told.ulAttemptsLeft = state.attempts_left;
  Give(told, pInfo);
  return absl::OkStatus();
}

absl::StatusOr<SessionRef> ApplicationAdmin(Library& library,
                                            CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(SessionRef session, library.session(handle));
  if (!session->token().is_admin() || session->space() != 0) {
    return base::Error(CKR_USER_NOT_AUTHORIZED,
                       "the HSM SO does it, in a session on the admin slot");
  }
  return session;
}

absl::Status CreatePartition(Library& library, CK_SESSION_HANDLE hSession,
                             const PERIGEE_PARTITION_SPEC* pSpec,
                             CK_ULONG* pulContainer, CK_SLOT_ID* pSlotID) {
  RETURN_IF_ERROR(CheckSize(pSpec));
  ASSIGN_OR_RETURN(const SessionRef session,
                   ApplicationAdmin(library, hSession));
  Token& admin = session->token();
  if (AsBackupDevice(admin) != nullptr) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "backup partitions are made with CA_CreateContainer");
  }
  if (pSpec->ulVersion > 1) {
    return base::Error(CKR_ARGUMENTS_BAD, "a partition is V0 or V1");
  }
  hsm::PartitionSpec spec;
  if (pSpec->pLabel != nullptr) spec.label = pSpec->pLabel;
  spec.version = static_cast<uint8_t>(pSpec->ulVersion);
  spec.capacity = pSpec->ulCapacity;
  ASSIGN_OR_RETURN(const SpaceId space, admin.CreateContainer(spec));
  library.slots()->Refresh();
  Tell<CK_ULONG>(pulContainer, space);
  if (pSlotID == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(*pSlotID, library.slots()->SlotOf(admin.hsm_name(), space));
  return absl::OkStatus();
}

absl::Status DeletePartition(Library& library, CK_SESSION_HANDLE hSession,
                             CK_ULONG ulContainer) {
  return CA_DeleteContainerWithHandle(library, hSession, ulContainer);
}

absl::Status ChangeLabel(Library& library, CK_SESSION_HANDLE hSession,
                         const char* pLabel) {
  RETURN_IF_ERROR(Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->token().ChangeLabel(session->space(), pLabel);
}

absl::Status ClearPartition(Library& library, CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (!session->read_write()) return base::Error(CKR_SESSION_READ_ONLY, "");
  return session->token().Clear(session->space());
}

absl::Status CheckObjects(Library& library, CK_SESSION_HANDLE hSession,
                          PERIGEE_CHECK* pCheck) {
  RETURN_IF_ERROR(CheckSize(pCheck));
  if (pCheck->ulDamagedRoom != 0) {
    RETURN_IF_ERROR(Need(pCheck->phDamaged, "no place for the handles"));
  }
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> damaged,
                   session->token().FindTampered(session->space()));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> sound,
                   session->token().Find(session->space(), AttributeSet()));
  CK_ULONG read = 0;
  for (const uint64_t handle : sound) {
    read += session->token().Get(session->space(), handle).ok() ? 1 : 0;
  }
  pCheck->ulSound = read;
  pCheck->ulDamaged = damaged.size() + (sound.size() - read);
  for (size_t i = 0; i < damaged.size() && i < pCheck->ulDamagedRoom; ++i) {
    pCheck->phDamaged[i] = damaged[i];
  }
  return absl::OkStatus();
}

// --- stores ------------------------------------------------------------------

// The directory of the store of the slot's HSM.
absl::StatusOr<std::string> StoreOf(Library& library, CK_SLOT_ID slot) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
  for (const HsmConfig& hsm : library.config()->hsms) {
    if (hsm.spec.name == admin->hsm_name() && hsm.transport == "embedded") {
      return hsm.store;
    }
  }
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "the store is with the device, not here");
}

absl::Status WithStore(
    Library& library, CK_SLOT_ID slot, PERIGEE_STORE* store,
    absl::StatusOr<hsm::StoreReport> (*work)(const std::string& directory)) {
  RETURN_IF_ERROR(CheckSize(store));
  if (store->ulProblemsRoom != 0) {
    RETURN_IF_ERROR(Need(store->pProblems, "no place for the problems"));
  }
  ASSIGN_OR_RETURN(const std::string directory, StoreOf(library, slot));
  ASSIGN_OR_RETURN(const hsm::StoreReport report, work(directory));
  store->ulVersion = report.version;
  store->ulNewest = hsm::kNewestStoreVersion;
  store->ulRecords = report.records;
  store->ulFileBytes = report.file_bytes;
  store->ulFreeBytes = report.free_bytes;
  store->ulLogBytes = report.log_bytes;
  store->ulProblems = report.problems.size();
  if (store->ulProblemsRoom != 0) {
    CopyText(store->pProblems, store->ulProblemsRoom,
             absl::StrJoin(report.problems, "\n"));
  }
  CopyText(store->path, directory);
  return absl::OkStatus();
}

absl::Status CheckStore(Library& library, CK_SLOT_ID slotID,
                        PERIGEE_STORE* pStore) {
  return WithStore(library, slotID, pStore, hsm::CheckSqliteStore);
}

absl::Status CompactStore(Library& library, CK_SLOT_ID slotID,
                          PERIGEE_STORE* pStore) {
  return WithStore(library, slotID, pStore, hsm::CompactSqliteStore);
}

absl::Status MechanismName(Library&, CK_MECHANISM_TYPE type, char* pName,
                           CK_ULONG ulRoom) {
  if (pName == nullptr || ulRoom == 0) {
    return base::Error(CKR_ARGUMENTS_BAD, "no place for the name");
  }
  const Mechanism* const row = Registry::Get().Find(type);
  CopyText(pName, ulRoom,
           row != nullptr ? std::string(row->name)
                          : absl::StrCat("0x", absl::Hex(type)));
  return absl::OkStatus();
}

// --- the C functions ---------------------------------------------------------

// Not through Guarded: it must not count as a call itself.
CK_RV LastErrorC(PERIGEE_ERROR* pError) {
  if (!CheckSize(pError).ok()) return CKR_ARGUMENTS_BAD;
  const LastError& last = LastErrorOfThread();
  PERIGEE_ERROR told = {};
  told.rv = last.rv;
  CopyText(told.function, last.function);
  if (last.rv != CKR_OK) CopyText(told.name, base::CkRvName(last.rv));
  CopyText(told.reason, last.reason);
  CopyText(told.text, last.text);
  Give(told, pError);
  return CKR_OK;
}

CK_RV ErrorNameC(CK_RV rv, char* pName, CK_ULONG ulRoom) {
  if (pName == nullptr || ulRoom == 0) return CKR_ARGUMENTS_BAD;
  CopyText(pName, ulRoom, base::CkRvName(rv));
  return CKR_OK;
}

#define PERIGEE_ROW(name) \
  [](auto... a) { return Call("Perigee." #name, &name, a...); }

constexpr PERIGEE_FUNCTION_LIST kList = {
    {PERIGEE_INTERFACE_MAJOR, PERIGEE_INTERFACE_MINOR},
    sizeof(PERIGEE_FUNCTION_LIST),
    LastErrorC,
    ErrorNameC,
    PERIGEE_ROW(Slots),
    PERIGEE_ROW(HsmInfo),
    PERIGEE_ROW(PartitionInfo),
    PERIGEE_ROW(RoleInfo),
    PERIGEE_ROW(CreatePartition),
    PERIGEE_ROW(DeletePartition),
    PERIGEE_ROW(ChangeLabel),
    PERIGEE_ROW(ClearPartition),
    PERIGEE_ROW(Transfer),
    PERIGEE_ROW(DeviceFingerprint),
    PERIGEE_ROW(AdoptDevice),
    PERIGEE_ROW(CheckObjects),
    PERIGEE_ROW(CheckStore),
    PERIGEE_ROW(CompactStore),
    PERIGEE_ROW(AuditInfo),
    PERIGEE_ROW(AuditLines),
    PERIGEE_ROW(AuditCheckpoint),
    PERIGEE_ROW(AuditRotate),
    PERIGEE_ROW(AuditVerify),
    PERIGEE_ROW(HostIdentity),
    PERIGEE_ROW(OfferDevice),
    PERIGEE_ROW(ManifestText),
    PERIGEE_ROW(ManifestVerify),
    PERIGEE_ROW(Forecast),
    PERIGEE_ROW(EnterTransport),
    PERIGEE_ROW(CheckTransport),
    PERIGEE_ROW(TamperHsm),
    PERIGEE_ROW(PolicyTemplate),
    PERIGEE_ROW(ParsePolicyTemplate),
    PERIGEE_ROW(CloningInfo),
    PERIGEE_ROW(CipherSuites),
    PERIGEE_ROW(EnableCipherSuite),
    PERIGEE_ROW(Domains),
    PERIGEE_ROW(AddDomain),
    PERIGEE_ROW(ChangeDomain),
    PERIGEE_ROW(DeleteDomain),
    PERIGEE_ROW(Setup),
    PERIGEE_ROW(MechanismName),
    PERIGEE_ROW(SmkRollover),
};
#undef PERIGEE_ROW

}  // namespace
}  // namespace ca

// What entry_points.cc lists as an interface.
const void* PerigeeInterface();
const void* PerigeeInterface() { return &ca::kList; }

}  // namespace pkcs11
