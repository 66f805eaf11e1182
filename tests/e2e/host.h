// A host that uses its HSMs: the library on a site, and short names for what a
// test needs but is not about (those fail the test when they do not succeed).
#ifndef PERIGEE_TESTS_E2E_HOST_H_
#define PERIGEE_TESTS_E2E_HOST_H_

#include <string>
#include <vector>

#include "tests/conformance/template.h"
#include "tests/e2e/library.h"
#include "tests/e2e/site.h"

namespace e2e {

using conformance::Bytes;
using conformance::Template;

inline constexpr char kSoPin[] = "so-pin-12345678";
inline constexpr char kOfficerPin[] = "co-pin-87654321";
inline constexpr char kWrongPin[] = "not-the-pin-1234";
inline constexpr char kDomain[] = "the domain of the tests";
inline constexpr char kOtherDomain[] = "another domain of the tests";
inline constexpr CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;

// What a transfer gave.
struct Report {
  CK_RV rv = CKR_OK;
  std::string error;  // the library's words when it failed
  std::vector<PERIGEE_TRANSFER_ITEM> items;
  size_t Count(CK_ULONG outcome) const;
};

class Host {
 public:
  // Initialises the library there; finalises it at the end.
  explicit Host(Site& site, const Library& library = Library::First());
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // As a new process would find everything.
  void Reload();
  void Finalize();

  const Library& library() const { return library_; }
  const CK_FUNCTION_LIST& c() const { return library_.c(); }
  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return library_.ca(); }
  const PERIGEE_FUNCTION_LIST& perigee() const { return library_.perigee(); }

  // --- slots ---
  CK_SLOT_ID partition(size_t index = 0) const { return index; }
  CK_SLOT_ID backup(size_t index = 0) const;
  CK_SLOT_ID admin(size_t index = 0) const;
  CK_TOKEN_INFO TokenInfo(CK_SLOT_ID slot) const;
  PERIGEE_HSM_INFO HsmInfo(CK_SLOT_ID slot) const;
  PERIGEE_PARTITION_INFO PartitionInfo(
      CK_SLOT_ID slot, CK_ULONG container = PERIGEE_OWN_CONTAINER) const;
  PERIGEE_ROLE_INFO RoleInfo(CK_SLOT_ID slot, CK_ULONG container,
                             CK_USER_TYPE user) const;
  CK_ULONG Policy(CK_SLOT_ID slot, CK_ULONG number) const;

  // --- sessions ---
  CK_SESSION_HANDLE Open(CK_SLOT_ID slot, CK_FLAGS flags = kReadWrite) const;
  CK_SESSION_HANDLE OpenContainer(CK_SLOT_ID slot, CK_ULONG container) const;
  CK_RV TryLogin(CK_SESSION_HANDLE session, CK_USER_TYPE user,
                 const std::string& pin) const;
  // A session on the slot with the role logged in.
  CK_SESSION_HANDLE Officer(CK_SLOT_ID slot) const;
  CK_SESSION_HANDLE SecurityOfficer(CK_SLOT_ID slot) const;
  // One on a container of a Backup HSM, its CO logged in.
  CK_SESSION_HANDLE OpenArchive(CK_SLOT_ID slot, CK_ULONG container) const;

  // --- making things ---
  CK_RV TryInitToken(CK_SLOT_ID slot, const std::string& label,
                     const std::string& domain,
                     const std::string& pin = kSoPin) const;
  // SO and CO, whose first PIN is changed where the model wants that. Nobody
  // is logged in afterwards. An empty domain: none.
  void InitPartition(CK_SLOT_ID slot,
                     const std::string& domain = kDomain) const;
  // HSM SO only.
  void InitHsm(CK_SLOT_ID slot) const;
  CK_RV TryMakeContainer(CK_SESSION_HANDLE so, const std::string& label,
                         const std::string& domain, CK_ULONG size,
                         CK_ULONG* container) const;
  // By its SO; size 0: no limit of its own. The CO can log in.
  CK_ULONG MakeContainer(CK_SLOT_ID slot, const std::string& label = "archive",
                         const std::string& domain = kDomain,
                         CK_ULONG size = 0) const;
  std::vector<CK_ULONG> Containers(CK_SLOT_ID slot) const;

  // --- objects ---
  CK_OBJECT_HANDLE Create(CK_SESSION_HANDLE session, const Template& t) const;
  std::vector<CK_OBJECT_HANDLE> Find(CK_SESSION_HANDLE session,
                                     const Template& t = Template()) const;
  Bytes Get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
            CK_ATTRIBUTE_TYPE type) const;
  Bytes Ouid(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) const {
    return Get(session, object, CKA_OUID);
  }

  // --- transfers ---
  Report Transfer(CK_SESSION_HANDLE from, CK_SESSION_HANDLE to,
                  CK_FLAGS flags = 0,
                  const std::vector<CK_OBJECT_HANDLE>& objects = {},
                  size_t room = 1024) const;

 private:
  void Settle(CK_SLOT_ID slot, CK_ULONG container) const;

  Site& site_;
  const Library& library_;
};

// A template of a small data object with this label, a public token object.
Template Note(const std::string& label, const std::string& value = "value");

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_HOST_H_
