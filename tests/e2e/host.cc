#include "tests/e2e/host.h"

#include <algorithm>

namespace e2e {
namespace {

CK_UTF8CHAR* Text(const std::string& text) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text.data()));
}

// 32 bytes, blank padded.
std::string Padded(std::string label) {
  label.resize(32, ' ');
  return label;
}

}  // namespace

#define HOST_OK(call) EXPECT_OK(call) << library_.LastError()

size_t Report::Count(CK_ULONG outcome) const {
  return std::count_if(items.begin(), items.end(), [&](const auto& item) {
    return item.ulOutcome == outcome;
  });
}

Template Note(const std::string& label, const std::string& value) {
  return Template()
      .Ulong(CKA_CLASS, CKO_DATA)
      .Bool(CKA_TOKEN, true)
      .Bool(CKA_PRIVATE, false)
      .Text(CKA_LABEL, label)
      .Text(CKA_VALUE, value);
}

Host::Host(Site& site, const Library& library)
    : site_(site), library_(library) {
  site_.Use();
  HOST_OK(c().C_Initialize(nullptr));
}

Host::~Host() { c().C_Finalize(nullptr); }

void Host::Finalize() { HOST_OK(c().C_Finalize(nullptr)); }

void Host::Reload() {
  Finalize();
  site_.Use();
  HOST_OK(c().C_Initialize(nullptr));
}

// --- slots -------------------------------------------------------------------

CK_SLOT_ID Host::backup(size_t index) const {
  CK_SLOT_ID slot = index;
  for (const AppHsm& app : site_.plan().apps) slot += app.partitions.size();
  return slot;
}

CK_SLOT_ID Host::admin(size_t index) const {
  return backup(site_.plan().backups.size() + index);
}

CK_TOKEN_INFO Host::TokenInfo(CK_SLOT_ID slot) const {
  CK_TOKEN_INFO info = {};
  HOST_OK(c().C_GetTokenInfo(slot, &info));
  return info;
}

PERIGEE_HSM_INFO Host::HsmInfo(CK_SLOT_ID slot) const {
  PERIGEE_HSM_INFO info = {};
  info.ulSize = sizeof info;
  HOST_OK(perigee().HsmInfo(slot, &info));
  return info;
}

PERIGEE_PARTITION_INFO Host::PartitionInfo(CK_SLOT_ID slot,
                                           CK_ULONG container) const {
  PERIGEE_PARTITION_INFO info = {};
  info.ulSize = sizeof info;
  HOST_OK(perigee().PartitionInfo(slot, container, &info));
  return info;
}

PERIGEE_ROLE_INFO Host::RoleInfo(CK_SLOT_ID slot, CK_ULONG container,
                                 CK_USER_TYPE user) const {
  PERIGEE_ROLE_INFO info = {};
  info.ulSize = sizeof info;
  HOST_OK(perigee().RoleInfo(slot, container, user, &info));
  return info;
}

CK_ULONG Host::Policy(CK_SLOT_ID slot, CK_ULONG number) const {
  CK_ULONG value = ~0UL;
  HOST_OK(ca().CA_GetHSMPolicySetting(slot, number, &value));
  return value;
}

// --- sessions ----------------------------------------------------------------

CK_SESSION_HANDLE Host::Open(CK_SLOT_ID slot, CK_FLAGS flags) const {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  HOST_OK(c().C_OpenSession(slot, flags, nullptr, nullptr, &session));
  return session;
}

CK_SESSION_HANDLE Host::OpenContainer(CK_SLOT_ID slot,
                                      CK_ULONG container) const {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  HOST_OK(ca().CA_OpenSession(slot, container, kReadWrite, nullptr, nullptr,
                              &session));
  return session;
}

CK_RV Host::TryLogin(CK_SESSION_HANDLE session, CK_USER_TYPE user,
                     const std::string& pin) const {
  return c().C_Login(session, user, Text(pin), pin.size());
}

CK_SESSION_HANDLE Host::Officer(CK_SLOT_ID slot) const {
  const CK_SESSION_HANDLE session = Open(slot);
  HOST_OK(TryLogin(session, CKU_USER, kOfficerPin));
  return session;
}

CK_SESSION_HANDLE Host::SecurityOfficer(CK_SLOT_ID slot) const {
  const CK_SESSION_HANDLE session = Open(slot);
  HOST_OK(TryLogin(session, CKU_SO, kSoPin));
  return session;
}

CK_SESSION_HANDLE Host::OpenArchive(CK_SLOT_ID slot, CK_ULONG container) const {
  const CK_SESSION_HANDLE session = OpenContainer(slot, container);
  HOST_OK(TryLogin(session, CKU_USER, kOfficerPin));
  return session;
}

// --- making things -----------------------------------------------------------

CK_RV Host::TryInitToken(CK_SLOT_ID slot, const std::string& label,
                         const std::string& domain,
                         const std::string& pin) const {
  const std::string padded = Padded(label);
  return ca().CA_InitToken(slot, Text(pin), pin.size(), Text(padded),
                           domain.empty() ? nullptr : Text(domain),
                           domain.size(), 0, nullptr, 0, nullptr);
}

// A role's first PIN is temporary where HSM policy 21 says so.
void Host::Settle(CK_SLOT_ID slot, CK_ULONG container) const {
  const PERIGEE_ROLE_INFO role = RoleInfo(slot, container, CKU_USER);
  if ((role.flags & PERIGEE_ROLE_MUST_CHANGE_PIN) == 0) return;
  const CK_SESSION_HANDLE session = container == PERIGEE_OWN_CONTAINER
                                        ? Open(slot)
                                        : OpenContainer(slot, container);
  const std::string pin = kOfficerPin;
  HOST_OK(TryLogin(session, CKU_USER, pin));
  HOST_OK(c().C_SetPIN(session, Text(pin), pin.size(), Text(pin), pin.size()));
  HOST_OK(c().C_CloseSession(session));
}

void Host::InitPartition(CK_SLOT_ID slot, const std::string& domain) const {
  HOST_OK(TryInitToken(slot, "token", domain));
  const CK_SESSION_HANDLE so = SecurityOfficer(slot);
  const std::string pin = kOfficerPin;
  HOST_OK(c().C_InitPIN(so, Text(pin), pin.size()));
  HOST_OK(c().C_CloseSession(so));
  Settle(slot, PERIGEE_OWN_CONTAINER);
}

void Host::InitHsm(CK_SLOT_ID slot) const {
  HOST_OK(TryInitToken(slot, "hsm", ""));
}

CK_RV Host::TryMakeContainer(CK_SESSION_HANDLE so, const std::string& label,
                             const std::string& domain, CK_ULONG size,
                             CK_ULONG* container) const {
  if (!domain.empty()) {
    HOST_OK(ca().CA_SetCloningDomain(Text(domain), domain.size()));
  }
  const std::string pin = kOfficerPin;
  return ca().CA_CreateContainer(so, 0, Text(label), label.size(), Text(pin),
                                 pin.size(), ~0UL, ~0UL, 0, 0, size, container);
}

CK_ULONG Host::MakeContainer(CK_SLOT_ID slot, const std::string& label,
                             const std::string& domain, CK_ULONG size) const {
  const CK_SESSION_HANDLE session = Open(slot);
  const CK_RV in = TryLogin(session, CKU_SO, kSoPin);
  if (in != CKR_USER_ALREADY_LOGGED_IN) {
    HOST_OK(in);
  }
  CK_ULONG container = 0;
  HOST_OK(TryMakeContainer(session, label, domain, size, &container));
  HOST_OK(c().C_CloseSession(session));
  Settle(slot, container);
  return container;
}

std::vector<CK_ULONG> Host::Containers(CK_SLOT_ID slot) const {
  CK_ULONG count = 0;
  HOST_OK(ca().CA_GetContainerList(slot, 0, LUNA_PARTITION_TYPE_STANDALONE,
                                   nullptr, &count));
  std::vector<CK_ULONG> handles(count);
  if (count == 0) return handles;
  HOST_OK(ca().CA_GetContainerList(slot, 0, LUNA_PARTITION_TYPE_STANDALONE,
                                   handles.data(), &count));
  handles.resize(count);
  return handles;
}

// --- objects -----------------------------------------------------------------

CK_OBJECT_HANDLE Host::Create(CK_SESSION_HANDLE session,
                              const Template& t) const {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  HOST_OK(c().C_CreateObject(session, t.data(), t.size(), &object));
  return object;
}

std::vector<CK_OBJECT_HANDLE> Host::Find(CK_SESSION_HANDLE session,
                                         const Template& t) const {
  HOST_OK(c().C_FindObjectsInit(session, t.data(), t.size()));
  std::vector<CK_OBJECT_HANDLE> found;
  CK_OBJECT_HANDLE some[64];
  CK_ULONG count = 0;
  do {
    count = 0;
    HOST_OK(c().C_FindObjects(session, some, 64, &count));
    found.insert(found.end(), some, some + count);
  } while (count > 0);
  HOST_OK(c().C_FindObjectsFinal(session));
  std::sort(found.begin(), found.end());
  return found;
}

Bytes Host::Get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                CK_ATTRIBUTE_TYPE type) const {
  CK_ATTRIBUTE attribute = {type, nullptr, 0};
  HOST_OK(c().C_GetAttributeValue(session, object, &attribute, 1));
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return {};
  Bytes value(attribute.ulValueLen);
  attribute.pValue = value.data();
  HOST_OK(c().C_GetAttributeValue(session, object, &attribute, 1));
  return value;
}

// --- transfers ---------------------------------------------------------------

Report Host::Transfer(CK_SESSION_HANDLE from, CK_SESSION_HANDLE to,
                      CK_FLAGS flags,
                      const std::vector<CK_OBJECT_HANDLE>& objects,
                      size_t room) const {
  Report report;
  report.items.resize(room);
  PERIGEE_TRANSFER transfer = {};
  transfer.ulSize = sizeof transfer;
  transfer.flags = flags;
  transfer.phObjects = objects.data();
  transfer.ulObjectCount = objects.size();
  transfer.pItems = report.items.data();
  transfer.ulItemSize = sizeof(PERIGEE_TRANSFER_ITEM);
  transfer.ulItemRoom = report.items.size();
  report.rv = perigee().Transfer(from, to, &transfer);
  if (report.rv != CKR_OK) report.error = library_.LastError();
  report.items.resize(std::min<CK_ULONG>(transfer.ulItemCount, room));
  return report;
}

}  // namespace e2e
