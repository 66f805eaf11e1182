#include "pkcs11/mechanisms/bip32.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pkcs11 {
namespace {

using testing::HasSubstr;

std::string WhyNot(absl::string_view text) {
  const auto key = DecodeExtendedKey(text);
  return key.ok() ? "" : std::string(key.status().message());
}

// The first is of the proposal's vector 1, the others of its vector 5: each has
// a right checksum.
TEST(Bip32TextTest, SaysWhatIsWrong) {
  EXPECT_THAT(
      WhyNot("xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvv"
             "NKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"),
      HasSubstr("private key"));
  EXPECT_THAT(
      WhyNot("xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Q5JX"
             "ayek4PRsn35jii4veMimro1xefsM58PgBMrvdYre8QyULY"),
      HasSubstr("not on the curve"));
  // Public version bytes before a private key.
  EXPECT_THAT(
      WhyNot("xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6LBpB"
             "85b3D2yc8sfvZU521AAwdZafEz7mnzBBsz4wKY5fTtTQBm"),
      HasSubstr("private key"));
  // A prefix that no compressed point has.
  EXPECT_THAT(
      WhyNot("xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Txnt"
             "3siSujt9RCVYsx4qHZGc62TG4McvMGcAUjeuwZdduYEvFn"),
      HasSubstr("not on the curve"));
}

TEST(Bip32TextTest, AMasterKeyHasNoParent) {
  for (const char* text :
       {"xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXG"
        "ENhYRCf7hyEbWrR3FewATdCEebj6znwMfQkhRYHRLpJ",
        "xpub661MyMwAuDcm6CRQ5N4qiHKrJ39Xe1R1NyfouMKTTWcguwVcfrZJaNvhpebzGerh"
        "7gucBvzEQWRugZDuDXjNDRmXzSZe4c7mnTK97pTvGS8"}) {
    EXPECT_THAT(WhyNot(text), HasSubstr("master key"));
  }
}

}  // namespace
}  // namespace pkcs11
