// The exported C_* functions and the tables of them. Everything is generated
// from functions.def; no function has logic of its own here.
#include <cstring>
#include <iterator>

#include "pkcs11/api/api.h"
#include "pkcs11/argument_lists.h"
#include "pkcs11/call.h"
#include "pkcs11/output.h"

namespace pkcs11 {

// The vendor interface "Perigee" (pkcs11/ca); null in programs without it.
[[gnu::weak, gnu::visibility("hidden")]] const void* PerigeeInterface();

}  // namespace pkcs11

#define PERIGEE_FUNCTION(version, name, arguments)      \
  extern "C" [[gnu::visibility("default")]] CK_RV name( \
      PERIGEE_ARGUMENTS_##arguments(CK_##name)) {       \
    return pkcs11::Call(#name, &pkcs11::api::name,      \
                        PERIGEE_VALUES_##arguments);    \
  }
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION

namespace pkcs11 {
namespace {

// The three lists; each version's rows are a prefix of the next one's. Not
// const, because the interface hands out pointers to mutable memory.
CK_FUNCTION_LIST_3_2 list_3_2 = {
    {3, 2},
#define PERIGEE_FUNCTION(version, name, arguments) &::name,
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
};

constexpr bool IsIn_2_40(int version) { return version == 0; }
constexpr bool IsIn_3_0(int version) { return version <= 1; }
enum Version { k2_40 = 0, k3_0 = 1, k3_2 = 2 };

template <typename List, bool (*kIsIn)(int)>
List MakeList(CK_VERSION version) {
  List list = {};
  list.version = version;
#define PERIGEE_FUNCTION(version, name, arguments) \
  if constexpr (kIsIn(k##version)) list.name = &::name;
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
  return list;
}

// Trivial types: no destructor runs at exit.
CK_FUNCTION_LIST_3_0* List_3_0() {
  static CK_FUNCTION_LIST_3_0 list =
      MakeList<CK_FUNCTION_LIST_3_0, IsIn_3_0>({3, 0});
  return &list;
}
CK_FUNCTION_LIST* List_2_40() {
  static CK_FUNCTION_LIST list = MakeList<CK_FUNCTION_LIST, IsIn_2_40>({2, 40});
  return &list;
}

struct Interface {
  const char* name;
  CK_VERSION version;
  void* (*list)();
};

constexpr char kStandard[] = "PKCS 11";
constexpr Interface kInterfaces[] = {
    {kStandard, {3, 2}, [] { return static_cast<void*>(&list_3_2); }},
    {kStandard, {3, 0}, [] { return static_cast<void*>(List_3_0()); }},
    {kStandard, {2, 40}, [] { return static_cast<void*>(List_2_40()); }},
    {"Perigee",
     {1, 0},
     [] {
       return PerigeeInterface == nullptr
                  ? nullptr
                  : const_cast<void*>(PerigeeInterface());
     }},
};
constexpr size_t kInterfaceCount = std::size(kInterfaces);

// The table handed out; the first one is the default. Rows without a list
// (a program without the vendor interface) are left out.
CK_INTERFACE table[kInterfaceCount];

size_t FillTable() {
  size_t count = 0;
  for (const Interface& row : kInterfaces) {
    void* const list = row.list();
    if (list == nullptr) continue;
    // Not CKF_INTERFACE_FORK_SAFE: a child has to call C_Initialize.
    table[count++] = {reinterpret_cast<CK_CHAR*>(const_cast<char*>(row.name)),
                      list, 0};
  }
  return count;
}

absl::Span<CK_INTERFACE> Interfaces() {
  static const size_t count = FillTable();
  return absl::MakeSpan(table, count);
}

bool IsSameVersion(const CK_VERSION& a, const CK_VERSION& b) {
  return a.major == b.major && a.minor == b.minor;
}

}  // namespace

namespace api {

absl::Status C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList) {
  if (ppFunctionList == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no place for the list");
  }
  *ppFunctionList = List_2_40();
  return absl::OkStatus();
}

absl::Status C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList,
                                CK_ULONG_PTR pulCount) {
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_INTERFACE>::Make(pInterfacesList, pulCount));
  return ToStatus(output.Give(Interfaces()));
}

absl::Status C_GetInterface(CK_UTF8CHAR_PTR pInterfaceName,
                            CK_VERSION_PTR pVersion,
                            CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags) {
  if (ppInterface == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no place for the interface");
  }
  const char* const name = reinterpret_cast<const char*>(pInterfaceName);
  for (CK_INTERFACE& interface : Interfaces()) {
    if (name != nullptr &&
        std::strcmp(name, reinterpret_cast<const char*>(
                              interface.pInterfaceName)) != 0) {
      continue;
    }
    // Every list begins with its version.
    if (pVersion != nullptr &&
        !IsSameVersion(*pVersion, *static_cast<const CK_VERSION*>(
                                      interface.pFunctionList))) {
      continue;
    }
    if ((interface.flags & flags) != flags) continue;
    *ppInterface = &interface;
    return absl::OkStatus();
  }
  return base::Error(CKR_FUNCTION_FAILED, "no such interface");
}

}  // namespace api
}  // namespace pkcs11
