#include "tools/shell/softhsm_token.h"

#include <gtest/gtest.h>

#include <string>

namespace shell {
namespace {

std::string Number(uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8) {
    bytes[i] = static_cast<char>(value & 0xff);
  }
  return bytes;
}

// An attribute of each kind.
std::string GoodFile() {
  return Number(3) + Number(CKA_PRIVATE) + Number(1) + '\x01' +
         Number(CKA_CLASS) + Number(2) + Number(CKO_SECRET_KEY) +
         Number(CKA_LABEL) + Number(3) + Number(2) + "a1" +
         Number(CKA_WRAP_TEMPLATE) + Number(4) + Number(3) + "xyz" +
         Number(CKA_ALLOWED_MECHANISMS) + Number(5) + Number(1) +
         Number(CKM_AES_ECB) + Number(CKA_ID) + Number(3) + Number(0);
}

absl::StatusOr<SoftHsmObject> Parse(const std::string& file) {
  return ParseSoftHsmFile(
      {reinterpret_cast<const unsigned char*>(file.data()), file.size()});
}

TEST(SoftHsmFile, EachKind_IsReadOrPassedOver) {
  auto parsed = Parse(GoodFile());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size(), 4u);
  CK_ULONG object_class = 0;
  ASSERT_EQ((*parsed)[CKA_CLASS].size(), sizeof object_class);
  std::copy_n((*parsed)[CKA_CLASS].span().begin(), sizeof object_class,
              reinterpret_cast<unsigned char*>(&object_class));
  EXPECT_EQ(object_class, CK_ULONG{CKO_SECRET_KEY});
  EXPECT_EQ((*parsed)[CKA_LABEL].size(), 2u);
  EXPECT_EQ((*parsed)[CKA_PRIVATE].span()[0], CK_TRUE);
  EXPECT_TRUE((*parsed)[CKA_ID].empty());
  EXPECT_EQ(parsed->count(CKA_WRAP_TEMPLATE), 0u);
}

// Cut anywhere it is an error or, between two attributes, a smaller object.
TEST(SoftHsmFile, CutAnywhere_IsNeverMore) {
  const std::string whole = GoodFile();
  size_t shorter = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    auto parsed = Parse(whole.substr(0, size));
    if (!parsed.ok()) {
      EXPECT_EQ(RvOf(parsed.status()), CKR_TOKEN_NOT_RECOGNIZED);
    } else {
      ++shorter;
      EXPECT_LT(parsed->size(), 4u) << size;
    }
  }
  EXPECT_EQ(shorter, 6u);  // after the count and after five attributes
}

TEST(SoftHsmFile, LyingLengths_AreErrors) {
  for (const uint64_t size : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{3}}) {
    for (const uint64_t kind : {3, 4, 5, 6}) {
      const auto parsed = Parse(Number(1) + Number(CKA_LABEL) + Number(kind) +
                                Number(size) + "ab");
      EXPECT_FALSE(parsed.ok()) << kind << " " << size;
    }
  }
}

}  // namespace
}  // namespace shell
