#include "tools/shell/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/shell/result.h"

namespace shell {
namespace {

using ::testing::HasSubstr;

std::string CauseOf(absl::string_view text) {
  const absl::StatusOr<Uri> uri = ParseUri(text);
  EXPECT_EQ(RvOf(uri.status()), CKR_ARGUMENTS_BAD) << text;
  return std::string(uri.status().message());
}

TEST(UriTest, AllAttributes_AreTaken) {
  const absl::StatusOr<Uri> uri = ParseUri(
      "pkcs11:token=My%20token;manufacturer=M;model=perigee;serial=12;"
      "slot-id=3;object=web=1&%2f;id=%00%ffA;type=private");
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_EQ(uri->token, "My token");
  EXPECT_EQ(uri->manufacturer, "M");
  EXPECT_EQ(uri->model, "perigee");
  EXPECT_EQ(uri->serial, "12");
  EXPECT_EQ(uri->slot, CK_SLOT_ID{3});
  EXPECT_EQ(uri->object, "web=1&/");
  EXPECT_EQ(uri->id, std::string("\0\xff"
                                 "A",
                                 3));
  EXPECT_EQ(uri->type, CK_OBJECT_CLASS{CKO_PRIVATE_KEY});
}

TEST(UriTest, SchemeAlone_MatchesEverything) {
  const absl::StatusOr<Uri> uri = ParseUri("PKCS11:");
  ASSERT_TRUE(uri.ok());
  EXPECT_FALSE(uri->object.has_value());
  EXPECT_FALSE(uri->type.has_value());
}

TEST(UriTest, EmptyValue_IsAnEmptyLabel) {
  EXPECT_EQ(ParseUri("pkcs11:object=")->object, "");
}

TEST(UriTest, Types_AreThoseOfTheRfc) {
  EXPECT_EQ(ParseUri("pkcs11:type=cert")->type,
            CK_OBJECT_CLASS{CKO_CERTIFICATE});
  EXPECT_EQ(ParseUri("pkcs11:type=secret-key")->type,
            CK_OBJECT_CLASS{CKO_SECRET_KEY});
  EXPECT_EQ(ParseUri("pkcs11:type=public")->type,
            CK_OBJECT_CLASS{CKO_PUBLIC_KEY});
  EXPECT_EQ(ParseUri("pkcs11:type=data")->type, CK_OBJECT_CLASS{CKO_DATA});
}

TEST(UriTest, WhatIsWrong_IsSaid) {
  EXPECT_THAT(CauseOf("web"), HasSubstr("begins with pkcs11:"));
  EXPECT_THAT(CauseOf("pkcs11:object"), HasSubstr("has no ="));
  EXPECT_THAT(CauseOf("pkcs11:object=a;"), HasSubstr("has no ="));
  EXPECT_THAT(CauseOf("pkcs11:object=a;object=b"), HasSubstr("twice"));
  EXPECT_THAT(CauseOf("pkcs11:colour=red"), HasSubstr("\"colour\""));
  EXPECT_THAT(CauseOf("pkcs11:type=otp"), HasSubstr("type=otp"));
  EXPECT_THAT(CauseOf("pkcs11:slot-id=x"), HasSubstr("slot-id"));
  EXPECT_THAT(CauseOf("pkcs11:slot-id="), HasSubstr("slot-id"));
  EXPECT_THAT(CauseOf("pkcs11:object=a b"), HasSubstr("%20"));
  EXPECT_THAT(CauseOf("pkcs11:object=\xc3\xa4"), HasSubstr("%C3"));
  EXPECT_THAT(CauseOf("pkcs11:object=a?pin-value=1"), HasSubstr("query"));
}

TEST(UriTest, BadPercents_AreRefused) {
  for (const char* text : {"pkcs11:id=%", "pkcs11:id=%1", "pkcs11:id=%0g",
                           "pkcs11:id=%-1", "pkcs11:id=% 1"}) {
    EXPECT_THAT(CauseOf(text), HasSubstr("hexadecimal")) << text;
  }
}

TEST(UriTest, Text_ReadsBackEqual) {
  Uri uri;
  uri.token = "caf\xc3\xa9; 100%?";
  uri.object = "a&b=c/d";
  uri.id = std::string("\0A\x80", 3);
  uri.type = CKO_SECRET_KEY;
  uri.slot = 7;
  const std::string text = UriText(uri);
  EXPECT_EQ(text,
            "pkcs11:token=caf%C3%A9%3B%20100%25%3F;id=%00%41%80;"
            "object=a%26b=c%2Fd;slot-id=7;type=secret-key");
  const absl::StatusOr<Uri> back = ParseUri(text);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->token, uri.token);
  EXPECT_EQ(back->object, uri.object);
  EXPECT_EQ(back->id, uri.id);
  EXPECT_EQ(back->slot, uri.slot);
  EXPECT_EQ(back->type, uri.type);
}

}  // namespace
}  // namespace shell
