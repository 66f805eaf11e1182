#include "hsm/sks_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/crypto.h"
#include "base/wire.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr size_t kVersionAt = 4;
constexpr size_t kFormAt = 5;
constexpr size_t kIdAt = 6;
constexpr size_t kSealedAt = 22;

AttributeSet SecretKey(size_t value_size) {
  AttributeSet attributes;
  attributes.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  attributes.SetUlong(CKA_KEY_TYPE, CKK_AES);
  attributes.SetBool(CKA_TOKEN, true);
  attributes.SetBool(CKA_PRIVATE, true);
  attributes.SetBool(CKA_SENSITIVE, true);
  attributes.SetBool(CKA_EXTRACTABLE, false);
  attributes.Set(CKA_OUID, Bytes(12, 0x4f));
  attributes.Set(CKA_VALUE, Bytes(value_size, 0xa5));
  return attributes;
}

Statement Origin() {
  Statement origin;
  origin.serial = "1234567";
  origin.model = "Application HSM";
  origin.firmware = {7, 7, 0};
  origin.partition_version = 1;
  return origin;
}

ObjectRef Key(size_t value_size,
              std::optional<Statement> origin = std::nullopt) {
  return std::make_shared<const Object>(1, 1, SecretKey(value_size),
                                        std::move(origin));
}

Statement Source() {
  Statement source = Origin();
  source.serial = "7654321";
  return source;
}

SksAuthorisation Passwords(std::vector<const char*> passwords,
                           size_t needed = 0) {
  SksAuthorisation authorisation;
  authorisation.form = CKA_SIM_PASSWORD;
  authorisation.needed = needed;
  for (const char* password : passwords) {
    authorisation.passwords.push_back(
        SecretBytes::CopyOf(base::AsBytes(password)));
  }
  return authorisation;
}

absl::StatusOr<Bytes> Seal(const Smk& smk, absl::Span<const ObjectRef> objects,
                           const SksAuthorisation& authorisation = {}) {
  return SealSks(smk, Source(), objects, authorisation, KdfCost::kTest);
}

CK_RV OpenRv(const Smk& smk, ByteSpan blob,
             const SksAuthorisation& authorisation = {}) {
  const Smk* const smks[] = {&smk};
  return base::CkRv(OpenSks(smks, blob, authorisation).status());
}

class SksBlobTest : public testing::Test {
 protected:
  const Smk smk_ = Smk::Generate().value();
  const Smk other_ = Smk::Generate().value();
};

TEST_F(SksBlobTest, EveryAttributeAndTheOriginComeBack) {
  const ObjectRef objects[] = {Key(32), Key(16, Origin())};
  const Bytes blob = Seal(smk_, objects).value();
  const Smk* const smks[] = {&other_, &smk_};
  const SksContents contents = OpenSks(smks, blob, {}).value();
  EXPECT_EQ(wire::Encode(contents.source), wire::Encode(Source()));
  const std::vector<SksObject>& opened = contents.objects;
  ASSERT_EQ(opened.size(), 2u);
  EXPECT_EQ(opened[0].attributes, objects[0]->attributes());
  EXPECT_FALSE(opened[0].origin.has_value());
  EXPECT_EQ(opened[1].attributes, objects[1]->attributes());
  ASSERT_TRUE(opened[1].origin.has_value());
  EXPECT_EQ(wire::Encode(*opened[1].origin), wire::Encode(Origin()));
}

TEST_F(SksBlobTest, SizeIsToldBeforehand) {
  const ObjectRef objects[] = {Key(32), Key(16, Origin()), Key(1000)};
  for (size_t n = 1; n <= 3; ++n) {
    const auto some = absl::MakeConstSpan(objects, n);
    EXPECT_EQ(Seal(smk_, some).value().size(), SksBlobSize(Source(), some, {}));
    const SksAuthorisation two_of_three = Passwords({"a", "bc", "def"}, 2);
    EXPECT_EQ(Seal(smk_, some, two_of_three).value().size(),
              SksBlobSize(Source(), some, two_of_three));
  }
}

TEST_F(SksBlobTest, TwoBlobsOfOneObject_ShareOnlyTheBeginning) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes one = Seal(smk_, objects).value();
  const Bytes two = Seal(smk_, objects).value();
  EXPECT_EQ(Bytes(one.begin(), one.begin() + kSealedAt),
            Bytes(two.begin(), two.begin() + kSealedAt));
  // Behind the format, salt and ciphertext are others.
  EXPECT_NE(Bytes(one.begin() + kSealedAt + 1, one.begin() + kSealedAt + 33),
            Bytes(two.begin() + kSealedAt + 1, two.begin() + kSealedAt + 33));
  EXPECT_NE(Bytes(one.begin() + kSealedAt + 33, one.end()),
            Bytes(two.begin() + kSealedAt + 33, two.end()));
}

TEST_F(SksBlobTest, AnyByteAltered_IsRefusedWithTheCodeOfItsField) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes blob = Seal(smk_, objects).value();
  for (size_t at = 0; at < blob.size(); ++at) {
    Bytes altered = blob;
    altered[at] ^= 1;
    CK_RV expected = CKR_SIM_CORRUPT_DATA;
    if (at == kVersionAt) expected = CKR_SIM_VERSION_UNSUPPORTED;
    if (at == kFormAt) expected = CKR_SIM_AUTHFORM_INVALID;
    if (at >= kIdAt && at < kSealedAt) expected = CKR_SMK_ID_NOT_FOUND;
    EXPECT_EQ(OpenRv(smk_, altered), expected) << "byte " << at;
  }
}

TEST_F(SksBlobTest, Truncated_OrLonger_IsRefused) {
  const ObjectRef objects[] = {Key(32)};
  Bytes blob = Seal(smk_, objects).value();
  for (size_t size = 0; size < blob.size(); ++size) {
    EXPECT_EQ(OpenRv(smk_, ByteSpan(blob.data(), size)), CKR_SIM_CORRUPT_DATA)
        << size;
  }
  blob.push_back(0);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_CORRUPT_DATA);
  blob.resize(kLargestSksBlob + 1);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_CORRUPT_DATA);
}

TEST_F(SksBlobTest, AnotherSmk_IsRefused_AlsoUnderItsName) {
  const ObjectRef objects[] = {Key(32)};
  Bytes blob = Seal(other_, objects).value();
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SMK_ID_NOT_FOUND);
  EXPECT_EQ(base::CkRv(OpenSks({}, blob, {}).status()), CKR_SMK_ID_NOT_FOUND);
  std::copy(smk_.id().begin(), smk_.id().end(), blob.begin() + kIdAt);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_CORRUPT_DATA);
}

// A fitting tag is no excuse: who has the SMK may still be an HSM with a bug.
TEST_F(SksBlobTest, MalformedPlaintext_IsRefused) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes good = Seal(smk_, objects).value();
  const Bytes beginning(good.begin(), good.begin() + kSealedAt);
  const auto sealed = [&](const Bytes& plaintext) {
    Bytes blob = beginning;
    const Bytes rest =
        SealSecret(smk_.key().Expose(),
                   "perigee sks blob " + std::string(base::AsText(beginning)),
                   plaintext)
            .value();
    blob.insert(blob.end(), rest.begin(), rest.end());
    return blob;
  };
  // One object of these attributes, so many times, and more behind the list.
  const auto contents = [](bool guard, ByteSpan attributes, size_t count,
                           ByteSpan more = {}) {
    wire::Writer list;
    list.U32(static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; ++i) {
      list.Sized(attributes);
      list.Bool(false);
    }
    list.Raw(more);
    wire::Writer w;
    w.Raw(wire::Encode(Source()));
    w.Bool(guard);
    w.Sized(list.bytes());
    return std::move(w).Take();
  };
  const SecretBytes encoded = SecretKey(32).Encode();
  const ByteSpan attributes = encoded.Expose();
  ASSERT_EQ(OpenRv(smk_, sealed(contents(false, attributes, 1))), CKR_OK);
  EXPECT_EQ(OpenRv(smk_, sealed(contents(true, attributes, 1))),
            CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed({})), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(contents(false, {}, 0))), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(Bytes(4, 0xff))), CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(contents(false, Bytes(7, 1), 1))),
            CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(
      OpenRv(smk_, sealed(contents(false, AttributeSet().Encode().Expose(),
                                   kMostSksObjects + 1))),
      CKR_SIM_CORRUPT_DATA);
  EXPECT_EQ(OpenRv(smk_, sealed(contents(false, attributes, 1, Bytes(1)))),
            CKR_SIM_CORRUPT_DATA);
}

TEST_F(SksBlobTest, UniqueIdOfTheCopyStays) {
  AttributeSet attributes = SecretKey(32);
  attributes.SetText(CKA_UNIQUE_ID, "of this copy");
  const ObjectRef objects[] = {
      std::make_shared<const Object>(1, 1, std::move(attributes))};
  const Smk* const smks[] = {&smk_};
  const Bytes blob = Seal(smk_, objects).value();
  const SksContents contents = OpenSks(smks, blob, {}).value();
  EXPECT_EQ(contents.objects[0].attributes, SecretKey(32));
}

TEST_F(SksBlobTest, AnyTwoOfThreePasswords_OpenIt) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes blob =
      Seal(smk_, objects, Passwords({"red", "green", "blue"}, 2)).value();
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"red", "green"})), CKR_OK);
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"blue", "red"})), CKR_OK);
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"x", "green", "blue"})), CKR_OK);
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"red", "green", "blue"})), CKR_OK);
}

TEST_F(SksBlobTest, TooFewPasswords_AreRefused) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes blob =
      Seal(smk_, objects, Passwords({"red", "green", "blue"}, 2)).value();
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"red"})),
            CKR_SIM_AUTHORIZATION_FAILED);
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"red", "red"})),
            CKR_SIM_AUTHORIZATION_FAILED);
  EXPECT_EQ(OpenRv(smk_, blob, Passwords({"red", "grey"})),
            CKR_SIM_AUTHORIZATION_FAILED);
  EXPECT_EQ(OpenRv(smk_, blob), CKR_SIM_AUTHFORM_INVALID);
  EXPECT_EQ(OpenRv(smk_, Seal(smk_, objects).value(), Passwords({"red"})),
            CKR_SIM_AUTHFORM_INVALID);
}

TEST_F(SksBlobTest, AnyByteOfOneWithPasswordsAltered_IsRefused) {
  const ObjectRef objects[] = {Key(32)};
  const Bytes blob = Seal(smk_, objects, Passwords({"red"}, 1)).value();
  ASSERT_EQ(OpenRv(smk_, blob, Passwords({"red"})), CKR_OK);
  for (size_t at = 0; at < blob.size(); ++at) {
    Bytes altered = blob;
    altered[at] ^= 0x80;
    EXPECT_THAT(
        OpenRv(smk_, altered, Passwords({"red"})),
        testing::AnyOf(CKR_SIM_CORRUPT_DATA, CKR_SIM_VERSION_UNSUPPORTED,
                       CKR_SIM_AUTHFORM_INVALID, CKR_SMK_ID_NOT_FOUND,
                       CKR_SIM_AUTHORIZATION_FAILED))
        << at;
  }
}

TEST_F(SksBlobTest, AuthorisationThatMakesNoSense_IsRefused) {
  const std::string longest(kLongestSksPassword + 1, 'x');
  const auto rv = [&](SksAuthorisation authorisation) {
    return base::CkRv(CheckToSeal(authorisation));
  };
  EXPECT_EQ(rv(Passwords({"a", "b"}, 2)), CKR_OK);
  EXPECT_EQ(rv(Passwords({}, 0)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(rv(Passwords({"a", "b"}, 0)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(rv(Passwords({"a", "b"}, 3)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(rv(Passwords({"a", "a"}, 1)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(rv(Passwords({"a", ""}, 1)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(rv(Passwords({longest.c_str()}, 1)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(rv(Passwords(std::vector<const char*>(17, "a"), 1)),
            CKR_ARGUMENTS_BAD);
  SksAuthorisation none = Passwords({"a"}, 1);
  none.form = CKA_SIM_NO_AUTHORIZATION;
  EXPECT_EQ(rv(std::move(none)), CKR_ARGUMENTS_BAD);
  for (const CK_ULONG form : {2, 3, 4, 5, 6, 7, 257}) {
    SksAuthorisation other;
    other.form = form;
    EXPECT_EQ(rv(std::move(other)), CKR_SIM_AUTHFORM_INVALID) << form;
  }
}

TEST_F(SksBlobTest, TooManyOrTooMuch_IsNotSealed) {
  EXPECT_EQ(base::CkRv(Seal(smk_, {}).status()), CKR_ARGUMENTS_BAD);
  const std::vector<ObjectRef> many(kMostSksObjects + 1, Key(1));
  EXPECT_EQ(base::CkRv(Seal(smk_, many).status()),
            CKR_MAX_OBJECT_COUNT_EXCEEDED);

  const size_t overhead =
      SksBlobSize(Source(), std::vector<ObjectRef>{Key(1)}, {}) - 1;
  const ObjectRef full[] = {Key(kLargestSksBlob - overhead)};
  EXPECT_EQ(OpenRv(smk_, Seal(smk_, full).value()), CKR_OK);
  const ObjectRef over[] = {Key(kLargestSksBlob - overhead + 1)};
  EXPECT_EQ(base::CkRv(Seal(smk_, over).status()), CKR_DATA_LEN_RANGE);
}

TEST(Smk, IdComesOfTheKey) {
  const Smk smk = Smk::Generate().value();
  EXPECT_EQ(Smk::Of(smk.key().Clone()).value().id(), smk.id());
  EXPECT_NE(Smk::Generate().value().id(), smk.id());
  EXPECT_EQ(base::CkRv(Smk::Of(SecretBytes(31)).status()), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace hsm
