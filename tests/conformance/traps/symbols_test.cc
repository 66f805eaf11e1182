// What the module exports, and that every table of functions is the same.
#include <cstring>
#include <set>
#include <sstream>

#include "base/cryptoki.h"
#include "perigee/luna_ca.h"
#include "perigee/perigee.h"
#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

using testing::UnorderedElementsAreArray;

// The dynamic symbols that the module defines, as nm lists them.
std::set<std::string> DefinedSymbols() {
  const Ending nm =
      RunProgram({"/usr/bin/nm", "-D", "--defined-only", ModulePath()});
  EXPECT_EQ(nm.code, 0) << nm.output;
  std::set<std::string> names;
  std::istringstream lines(nm.output);
  for (std::string line; std::getline(lines, line);) {
    names.insert(line.substr(line.rfind(' ') + 1));
  }
  return names;
}

TEST(SymbolsTest, ExportsExactlyTheTables) {
  const std::set<std::string> expected = {
#define PERIGEE_FUNCTION(version, name, arguments) #name,
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
#define PERIGEE_CA_FUNCTION(name, ...) #name,
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
  };
  EXPECT_THAT(DefinedSymbols(), UnorderedElementsAreArray(expected));
}

// A thread that used the module may exit after dlclose.
TEST(SymbolsTest, StaysInMemory) {
  const Ending readelf = RunProgram({"/usr/bin/readelf", "-d", ModulePath()});
  EXPECT_NE(readelf.output.find("NODELETE"), std::string::npos);
}

// --- function lists
// ------------------------------------------------------------------------

// The members behind the version are all function pointers.
template <typename List>
size_t CountNulls(const List* list) {
  constexpr size_t kFirst = sizeof(void*);
  size_t nulls = 0;
  for (size_t at = kFirst; at + sizeof(void*) <= sizeof(List);
       at += sizeof(void*)) {
    void* member;
    std::memcpy(&member, reinterpret_cast<const char*>(list) + at,
                sizeof(member));
    if (member == nullptr) ++nulls;
  }
  return nulls;
}

template <typename List>
const List* ListOf(CK_BYTE major, CK_BYTE minor) {
  CK_VERSION version = {major, minor};
  CK_INTERFACE* interface = nullptr;
  EXPECT_OK(p11().C_GetInterface(nullptr, &version, &interface, 0));
  return interface == nullptr ? nullptr
                              : static_cast<List*>(interface->pFunctionList);
}

TEST(FunctionListTest, Version2_40_HasEveryFunction) {
  CK_FUNCTION_LIST* list = nullptr;
  ASSERT_OK(p11().C_GetFunctionList(&list));
  EXPECT_EQ(list->version.major, 2);
  EXPECT_EQ(list->version.minor, 40);
  EXPECT_EQ(CountNulls(list), 0u);
}

TEST(FunctionListTest, Version3_0_HasEveryFunction) {
  const auto* list = ListOf<CK_FUNCTION_LIST_3_0>(3, 0);
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->version.major, 3);
  EXPECT_EQ(list->version.minor, 0);
  EXPECT_EQ(CountNulls(list), 0u);
}

TEST(FunctionListTest, Version3_2_HasEveryFunction) {
  const auto* list = ListOf<CK_FUNCTION_LIST_3_2>(3, 2);
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->version.major, 3);
  EXPECT_EQ(list->version.minor, 2);
  EXPECT_EQ(CountNulls(list), 0u);
}

TEST(FunctionListTest, Version3_2_IsWhatTheModuleExports) {
  const auto* list = ListOf<CK_FUNCTION_LIST_3_2>(3, 2);
  ASSERT_NE(list, nullptr);
#define PERIGEE_FUNCTION(version, name, arguments) \
  EXPECT_EQ(list->name, p11().name) << #name;
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
}

// Every list begins like the one before it.
TEST(FunctionListTest, OlderListsAreBeginningsOfNewerOnes) {
  CK_FUNCTION_LIST* old_list = nullptr;
  ASSERT_OK(p11().C_GetFunctionList(&old_list));
  const auto* list_3_0 = ListOf<CK_FUNCTION_LIST_3_0>(3, 0);
  const auto* list_3_2 = ListOf<CK_FUNCTION_LIST_3_2>(3, 2);
  constexpr size_t kFirst = sizeof(void*);
  const auto members = [](const void* list) {
    return static_cast<const char*>(list) + kFirst;
  };
  EXPECT_EQ(std::memcmp(members(old_list), members(list_3_0),
                        sizeof(CK_FUNCTION_LIST) - kFirst),
            0);
  EXPECT_EQ(std::memcmp(members(list_3_0), members(list_3_2),
                        sizeof(CK_FUNCTION_LIST_3_0) - kFirst),
            0);
}

TEST(FunctionListTest, CaList_HasEveryFunction) {
  const auto get = reinterpret_cast<CK_CA_GetFunctionList>(
      ModuleSymbol("CA_GetFunctionList"));
  ASSERT_NE(get, nullptr);
  CK_SFNT_CA_FUNCTION_LIST* list = nullptr;
  ASSERT_OK(get(&list));
#define PERIGEE_CA_FUNCTION(name, ...) \
  EXPECT_EQ(reinterpret_cast<void*>(list->name), ModuleSymbol(#name)) << #name;
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
}

TEST(FunctionListTest, CaList_Null_IsArgumentsBad) {
  const auto get = reinterpret_cast<CK_CA_GetFunctionList>(
      ModuleSymbol("CA_GetFunctionList"));
  EXPECT_RV(CKR_ARGUMENTS_BAD, get(nullptr));
}

// --- interfaces
// ----------------------------------------------------------------------------

CK_UTF8CHAR* Name(const char* name) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(name));
}

std::string TextOf(const CK_INTERFACE& interface) {
  CK_VERSION version;
  std::memcpy(&version, interface.pFunctionList, sizeof(version));
  return std::string(reinterpret_cast<char*>(interface.pInterfaceName)) + " " +
         std::to_string(version.major) + "." + std::to_string(version.minor);
}

TEST(InterfaceTest, List_IsTheWholeList) {
  CK_ULONG count = 0;
  ASSERT_OK(p11().C_GetInterfaceList(nullptr, &count));
  std::vector<CK_INTERFACE> interfaces(count);
  ASSERT_OK(p11().C_GetInterfaceList(interfaces.data(), &count));
  std::vector<std::string> texts;
  for (const CK_INTERFACE& each : interfaces) texts.push_back(TextOf(each));
  EXPECT_THAT(texts, testing::ElementsAre("PKCS 11 3.2", "PKCS 11 3.0",
                                          "PKCS 11 2.40", "Perigee 1.0"));
}

TEST(InterfaceTest, List_TooSmall_TellsTheCount) {
  CK_INTERFACE room;
  CK_ULONG count = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11().C_GetInterfaceList(&room, &count));
  EXPECT_EQ(count, 4u);
}

TEST(InterfaceTest, List_NullCount_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetInterfaceList(nullptr, nullptr));
}

TEST(InterfaceTest, Default_IsTheNewestOfTheStandard) {
  CK_INTERFACE* interface = nullptr;
  ASSERT_OK(p11().C_GetInterface(nullptr, nullptr, &interface, 0));
  EXPECT_EQ(TextOf(*interface), "PKCS 11 3.2");
}

TEST(InterfaceTest, ByName_IsTheNewest) {
  CK_INTERFACE* interface = nullptr;
  ASSERT_OK(p11().C_GetInterface(Name("PKCS 11"), nullptr, &interface, 0));
  EXPECT_EQ(TextOf(*interface), "PKCS 11 3.2");
}

TEST(InterfaceTest, ByNameAndVersion_IsThatOne) {
  CK_VERSION version = {2, 40};
  CK_INTERFACE* interface = nullptr;
  ASSERT_OK(p11().C_GetInterface(Name("PKCS 11"), &version, &interface, 0));
  EXPECT_EQ(TextOf(*interface), "PKCS 11 2.40");
}

TEST(InterfaceTest, Vendor_IsThere) {
  CK_INTERFACE* interface = nullptr;
  ASSERT_OK(p11().C_GetInterface(Name(PERIGEE_INTERFACE_NAME), nullptr,
                                 &interface, 0));
  const auto* list =
      static_cast<const PERIGEE_FUNCTION_LIST*>(interface->pFunctionList);
  EXPECT_EQ(list->version.major, PERIGEE_INTERFACE_MAJOR);
  EXPECT_EQ(list->version.minor, PERIGEE_INTERFACE_MINOR);
  EXPECT_GE(list->ulSize, sizeof(PERIGEE_FUNCTION_LIST));
  EXPECT_EQ(CountNulls(list), 0u);
}

TEST(InterfaceTest, UnknownName_IsRefused) {
  CK_INTERFACE* interface = nullptr;
  EXPECT_RV(CKR_FUNCTION_FAILED,
            p11().C_GetInterface(Name("PKCS 12"), nullptr, &interface, 0));
}

TEST(InterfaceTest, UnknownVersion_IsRefused) {
  CK_VERSION version = {9, 9};
  CK_INTERFACE* interface = nullptr;
  EXPECT_RV(CKR_FUNCTION_FAILED,
            p11().C_GetInterface(nullptr, &version, &interface, 0));
}

// A forked child has to call C_Initialize, so none is fork-safe.
TEST(InterfaceTest, ForkSafe_IsNotOffered) {
  CK_INTERFACE* interface = nullptr;
  EXPECT_RV(CKR_FUNCTION_FAILED,
            p11().C_GetInterface(nullptr, nullptr, &interface,
                                 CKF_INTERFACE_FORK_SAFE));
}

TEST(InterfaceTest, NullPlace_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GetInterface(nullptr, nullptr, nullptr, 0));
}

}  // namespace
}  // namespace conformance
