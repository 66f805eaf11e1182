#include "hsm_io/message_list.h"

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace hsm_io {
namespace {

// Tests run in the source directory.
TEST(AllMessagesTest, HasEveryOneOfThePage) {
  std::ifstream page("hsm_io/messages.h");
  size_t numbers = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.find("uint16_t kOp =") != std::string::npos) ++numbers;
  }
  EXPECT_EQ(AllMessages::kSize, numbers);
}

}  // namespace
}  // namespace hsm_io
