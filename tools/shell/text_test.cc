// Text of tokens on the screen, secrets in memory, words under the cursor.
#include "tools/shell/text.h"

#include <gtest/gtest.h>

#include "tools/shell/line_editor.h"
#include "tools/shell/secret_text.h"

namespace shell {
namespace {

TEST(CleanText, ControlCharacters_AreReplaced) {
  EXPECT_EQ(CleanText("a\x1b[31mb\r\nc\x7f"), "a?[31mb??c?");
}

TEST(CleanText, C1ControlsAndDirections_AreReplaced) {
  EXPECT_EQ(CleanText("a\xc2\x9b"
                      "b\xe2\x80\xae"
                      "c"),
            "a?b?c");
}

TEST(CleanText, Utf8_Stays) {
  EXPECT_EQ(CleanText("Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x94\x91"),
            "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x94\x91");
}

TEST(CleanText, BrokenUtf8_IsReplaced) {
  EXPECT_EQ(CleanText("a\xff\xc3"), "a??");
  EXPECT_EQ(CleanText("\xc0\x80"), "??");
}

TEST(PaddedText, BlanksAtTheEnd_AreCut) {
  const CK_UTF8CHAR field[8] = {'a', ' ', 'b', ' ', ' ', ' ', ' ', ' '};
  EXPECT_EQ(PaddedText(field), "a b");
}

TEST(BytesOfHex, GroupsAreIgnored) {
  EXPECT_EQ(BytesOfHex("0102 aB:ff"), "\x01\x02\xab\xff");
  EXPECT_EQ(BytesOfHex("010"), "");
  EXPECT_EQ(BytesOfHex("zz"), "");
}

TEST(SizeText, TheNumberForNoLimit_IsAWord) {
  EXPECT_EQ(SizeText(~0UL), "unlimited");
  EXPECT_EQ(SizeText(9648), "9648");
}

TEST(SecretText, Grows_AndMovesOut) {
  SecretText text;
  for (int i = 0; i < 1000; ++i) text.Append('x');
  EXPECT_EQ(text.size(), 1000u);
  const SecretText moved = std::move(text);
  EXPECT_EQ(moved.RevealText(), std::string(1000, 'x'));
  EXPECT_TRUE(text.empty());
}

TEST(LastWordStart, IsTheWordUnderTheCursor) {
  EXPECT_EQ(LastWordStart("role lo"), 5u);
  EXPECT_EQ(LastWordStart("role "), 5u);
  EXPECT_EQ(LastWordStart("x -label \"my b"), 9u);
  EXPECT_EQ(LastWordStart(""), 0u);
}

TEST(CommonStart, IgnoresCase) {
  EXPECT_EQ(CommonStart({"-password ", "-partition "}), "-pa");
  EXPECT_EQ(CommonStart({"Able", "abbot"}), "Ab");
}

}  // namespace
}  // namespace shell
