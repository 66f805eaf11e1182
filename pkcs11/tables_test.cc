// Compares the function tables with the headers they describe: counts, order
// and number of arguments.
#include <cstddef>
#include <iterator>

#include "base/cryptoki.h"
#include "gtest/gtest.h"
#include "perigee/luna_ca.h"

namespace {

template <typename T>
constexpr int kArgumentCount = -1;
template <typename... Args>
constexpr int kArgumentCount<CK_RV (*)(Args...)> = sizeof...(Args);

constexpr size_t Offset(size_t index) {
  return offsetof(CK_FUNCTION_LIST, C_Initialize) + index * sizeof(void*);
}

// ---- functions.def against the standard's header ----

enum Version { k2_40, k3_0, k3_2 };

struct FunctionRow {
  Version version;
  size_t offset;  // In CK_FUNCTION_LIST_3_2.
};

constexpr FunctionRow kFunctions[] = {
#define PERIGEE_FUNCTION(version, name, arguments) \
  {k##version, offsetof(CK_FUNCTION_LIST_3_2, name)},
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
};

constexpr int CountOf(Version version) {
  int count = 0;
  for (const FunctionRow& row : kFunctions) count += row.version == version;
  return count;
}

TEST(FunctionsTest, Counts) {
  EXPECT_EQ(CountOf(k2_40), 68);
  EXPECT_EQ(CountOf(k3_0), 24);
  EXPECT_EQ(CountOf(k3_2), 12);
}

TEST(FunctionsTest, ListsHaveTheSizesOfTheSpecification) {
  EXPECT_EQ(sizeof(CK_FUNCTION_LIST), 552U);
  EXPECT_EQ(sizeof(CK_FUNCTION_LIST_3_0), 744U);
  EXPECT_EQ(sizeof(CK_FUNCTION_LIST_3_2), 840U);
}

TEST(FunctionsTest, RowsAreInTheOrderOfTheMembers) {
  size_t index = 0;
  for (const FunctionRow& row : kFunctions) {
    EXPECT_EQ(row.offset, Offset(index)) << "row " << index;
    ++index;
  }
}

TEST(FunctionsTest, RowsOfEachListComeFirst) {
  for (size_t i = 1; i < std::size(kFunctions); ++i) {
    EXPECT_LE(kFunctions[i - 1].version, kFunctions[i].version) << "row " << i;
  }
}

TEST(FunctionsTest, ArgumentCountsAreThoseOfTheHeader) {
#define PERIGEE_FUNCTION(version, name, arguments) \
  EXPECT_EQ(arguments, kArgumentCount<CK_##name>) << #name;
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
}

// The shorter lists are prefixes of the longest.
static_assert(offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent) ==
              offsetof(CK_FUNCTION_LIST_3_2, C_WaitForSlotEvent));
static_assert(offsetof(CK_FUNCTION_LIST_3_0, C_MessageVerifyFinal) ==
              offsetof(CK_FUNCTION_LIST_3_2, C_MessageVerifyFinal));

// ---- ca_functions.def against perigee/luna_ca.h ----

enum Need { WORKS, RELATED, NONE };

struct CaRow {
  const char* name;
  size_t offset;  // In CK_SFNT_CA_FUNCTION_LIST.
  Need need;
};

constexpr CaRow kCaFunctions[] = {
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) \
  {#name, offsetof(CK_SFNT_CA_FUNCTION_LIST, name), need},
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
};

constexpr int CountOf(Need need) {
  int count = 0;
  for (const CaRow& row : kCaFunctions) count += row.need == need;
  return count;
}

TEST(CaFunctionsTest, Counts) {
  // 269 in the public bindings, 11 elsewhere in the public documents.
  EXPECT_EQ(std::size(kCaFunctions), 280U);
  EXPECT_EQ(CountOf(WORKS), 67);
  EXPECT_EQ(CountOf(RELATED), 92);
  EXPECT_EQ(CountOf(NONE), 121);
}

TEST(CaFunctionsTest, EveryMemberOfTheListHasARow) {
  EXPECT_EQ(sizeof(CK_SFNT_CA_FUNCTION_LIST), Offset(std::size(kCaFunctions)));
}

TEST(CaFunctionsTest, RowsAreInTheOrderOfTheMembers) {
  size_t index = 0;
  for (const CaRow& row : kCaFunctions) {
    EXPECT_EQ(row.offset, Offset(index)) << row.name;
    ++index;
  }
}

TEST(CaFunctionsTest, ArgumentCountsAreThoseOfThePrototypes) {
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) \
  EXPECT_EQ(arguments, kArgumentCount<decltype(&name)>) << #name;
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
}

TEST(CaFunctionsTest, DescriptionOfAnElementHasNineArguments) {
  EXPECT_EQ(kArgumentCount<CK_CA_GetConfigurationElementDescription>, 9);
}

}  // namespace
