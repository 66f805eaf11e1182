#include "base/crypto_rsa.h"

#include <gtest/gtest.h>

namespace base {
namespace {

const RsaTransportKey& Key() {
  static const auto* const key =
      new RsaTransportKey(RsaTransportKey::Generate().value());
  return *key;
}

TEST(RsaTransportKeyTest, WhatIsWrappedToAKey_ItOpens) {
  const Bytes secret(32, 7);
  const Bytes wrapped =
      RsaWrap(Key().public_der(), AsBytes("label"), secret).value();
  EXPECT_EQ(wrapped.size(), RsaTransportKey::kWrappedSize);
  EXPECT_TRUE(Key().Unwrap(AsBytes("label"), wrapped)->Equals(secret));
}

TEST(RsaTransportKeyTest, TwoWrappings_Differ) {
  const Bytes secret(32, 7);
  EXPECT_NE(RsaWrap(Key().public_der(), AsBytes("a"), secret).value(),
            RsaWrap(Key().public_der(), AsBytes("a"), secret).value());
}

TEST(RsaTransportKeyTest, OtherLabelOrAnyAlteration_IsRefused) {
  Bytes wrapped =
      RsaWrap(Key().public_der(), AsBytes("label"), Bytes(32, 7)).value();
  EXPECT_EQ(CkRv(Key().Unwrap(AsBytes("labels"), wrapped).status()),
            CKR_DEVICE_ERROR);
  for (size_t byte = 0; byte < wrapped.size(); byte += 41) {
    wrapped[byte] ^= 1;
    EXPECT_EQ(CkRv(Key().Unwrap(AsBytes("label"), wrapped).status()),
              CKR_DEVICE_ERROR)
        << byte;
    wrapped[byte] ^= 1;
  }
  wrapped.pop_back();
  EXPECT_EQ(CkRv(Key().Unwrap(AsBytes("label"), wrapped).status()),
            CKR_DEVICE_ERROR);
}

TEST(RsaTransportKeyTest, DerAndBack_IsTheSameKey) {
  const SecretBytes der = Key().PrivateDer().value();
  const auto again = RsaTransportKey::FromPrivateDer(der.Expose());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->public_der(), Key().public_der());
  const Bytes wrapped =
      RsaWrap(Key().public_der(), AsBytes("l"), Bytes(32, 1)).value();
  EXPECT_TRUE(again->Unwrap(AsBytes("l"), wrapped)->Equals(Bytes(32, 1)));
}

TEST(RsaTransportKeyTest, OtherKeys_AreRefused) {
  const P384Key ec = P384Key::Generate().value();
  EXPECT_EQ(
      CkRv(RsaTransportKey::FromPrivateDer(ec.PrivateDer()->Expose()).status()),
      CKR_DATA_INVALID);
  EXPECT_EQ(CkRv(RsaWrap(ec.public_point(), {}, Bytes(32)).status()),
            CKR_DATA_INVALID);
  Bytes longer = Key().public_der();
  longer.push_back(0);
  EXPECT_EQ(CkRv(RsaWrap(longer, {}, Bytes(32)).status()), CKR_DATA_INVALID);
  EXPECT_EQ(CkRv(RsaWrap(Key().public_der(), {}, Bytes(65)).status()),
            CKR_ARGUMENTS_BAD);
}

}  // namespace
}  // namespace base
