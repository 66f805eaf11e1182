#include "pkcs11/chrystoki_conf.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pkcs11 {
namespace {

// What a client's installation writes, with a switch that is on.
constexpr char kFile[] =
    "Chrystoki2 = {\n"
    "  LibUNIX = /usr/lib/libCryptoki2.so;\n"
    "  LibUNIX64 = /usr/lib/libperigee.so;\n"
    "}\n"
    "\n"
    "Luna = {\n"
    "   DefaultTimeOut = 500000;\n"
    "}\n"
    "CkLog2 = {\n"
    "  Enabled = 1;\n"
    "  LogToStreams = 1;\n"
    "}\n";

TEST(ChrystokiConfTest, SectionsAndKeys) {
  const ChrystokiConf conf = ParseChrystokiConf(kFile);
  EXPECT_EQ(conf.size(), 3u);
  EXPECT_EQ(conf.at("Chrystoki2").at("LibUNIX64"), "/usr/lib/libperigee.so");
  EXPECT_EQ(conf.at("Luna").at("DefaultTimeOut"), "500000");
}

TEST(ChrystokiConfTest, WhatIsNoEntryIsPassedOver) {
  const ChrystokiConf conf = ParseChrystokiConf(
      "Key = outside;\nA={\n# B = 1;\n  no entry\n = 3;\nC = without\n"
      "D =  a = b ; \n}\nE = 4;\nF = {\nG = 5;");
  EXPECT_EQ(conf,
            (ChrystokiConf{{"A", {{"D", "a = b"}}}, {"F", {{"G", "5"}}}}));
  EXPECT_TRUE(ParseChrystokiConf(std::string("\0\xff={{{}", 7)).size() <= 1);
}

class ChrystokiFileTest : public testing::Test {
 protected:
  ChrystokiFileTest() {
    std::string pattern = testing::TempDir() + "chrystokiXXXXXX";
    directory_ = mkdtemp(pattern.data());
    environment_.home = directory_;
  }
  ~ChrystokiFileTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& text) {
    std::ofstream(directory_ + "/Chrystoki.conf") << text;
  }
  std::string Trace() {
    const auto config = LoadConfig(environment_);
    EXPECT_TRUE(config.ok()) << config.status();
    return config->trace;
  }

  std::string directory_;
  Environment environment_;
};

TEST_F(ChrystokiFileTest, TheLoggingLibraryIsATrace) {
  const std::string none = Trace();
  Write(kFile);
  EXPECT_EQ(Trace(), none);  // nobody names it
  environment_.chrystoki_directory = directory_;
  EXPECT_EQ(Trace(), "stderr");
  environment_.chrystoki_directory.clear();
  environment_.chrystoki_system_file = directory_ + "/Chrystoki.conf";
  EXPECT_EQ(Trace(), "stderr");
  Write("CkLog2 = {\nEnabled = 0;\nLogToStreams = 1;\n}\n");
  EXPECT_EQ(Trace(), none);
}

TEST_F(ChrystokiFileTest, PerigeesOwnSettingsWin) {
  Write(kFile);
  environment_.chrystoki_directory = directory_;
  environment_.perigee_trace = "/tmp/trace";
  EXPECT_EQ(Trace(), "/tmp/trace");
  const auto config = ParseConfig(
      "trace = \"none\"\n", "test",
      Environment{.home = directory_, .chrystoki_directory = directory_});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->trace, "none");
}

TEST_F(ChrystokiFileTest, AFileThatCannotBeReadIsNone) {
  environment_.chrystoki_directory = directory_ + "/nowhere";
  const std::string none = Trace();
  environment_.chrystoki_directory = directory_;
  std::filesystem::create_directory(directory_ + "/Chrystoki.conf");
  EXPECT_EQ(Trace(), none);
}

}  // namespace
}  // namespace pkcs11
