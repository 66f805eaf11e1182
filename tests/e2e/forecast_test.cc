// partition archive backup -dryrun: what a backup would do, and that nothing is
// changed by asking.
#include <stdlib.h>

#include "tests/e2e/bench.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Everything that a run would change.
struct Everywhere {
  std::map<std::string, Everything> source;
  std::vector<CK_ULONG> containers;
  std::vector<std::map<std::string, Everything>> contents;
  CK_ULONG used = 0;
  bool operator==(const Everywhere&) const = default;
};

class ForecastTest : public testing::TestWithParam<Link> {
 protected:
  void SetUp() override { Prepare(DefaultPlan(GetParam())); }
  void Prepare(Plan plan) {
    bench_.reset();
    bench_ = std::make_unique<Bench>(std::move(plan));
    setenv("HOME", bench_->site.path().c_str(), 1);
    unsetenv("XDG_STATE_HOME");
    app_ = bench_->Officer();
    host().Create(app_, Note("note"));
    GenerateEcPair(host(), app_, "signer");
  }
  Host& host() { return bench_->host; }

  Everywhere Look() {
    Everywhere all;
    all.source = ReadPartition(host(), app_);
    all.containers = host().Containers(host().backup());
    for (const CK_ULONG container : all.containers) {
      const CK_SESSION_HANDLE archive =
          host().OpenArchive(host().backup(), container);
      all.contents.push_back(ReadPartition(host(), archive));
      host().c().C_CloseSession(archive);
      all.used += host().PartitionInfo(host().backup(), container).ulUsed;
    }
    return all;
  }
  // By the shell, with nobody else there; what it said.
  Ended DryRun(const std::string& more) {
    host().Finalize();
    const Ended ended = RunCommands(
        {std::string("role login -name co -password ") + kOfficerPin,
         std::string("partition archive backup -slot 1 -partition archive "
                     "-dryrun -password ") +
             kOfficerPin + " -sopassword " + kSoPin + " " + more});
    bench_->site.Use();
    EXPECT_OK(host().c().C_Initialize(nullptr));
    app_ = bench_->Officer();
    return ended;
  }
  struct Foreseen {
    CK_RV rv = CKR_OK;
    std::vector<PERIGEE_TRANSFER_ITEM> items;
    CK_ULONG needed = 0, free = 0;
  };
  Foreseen Ask(CK_SESSION_HANDLE target, CK_ULONG capacity = 0) {
    Foreseen told;
    told.items.resize(64);
    PERIGEE_FORECAST forecast = {};
    forecast.ulSize = sizeof forecast;
    forecast.pLabel = "archive";
    forecast.ulCapacity = capacity;
    forecast.pItems = told.items.data();
    forecast.ulItemSize = sizeof told.items[0];
    forecast.ulItemRoom = told.items.size();
    told.rv = host().perigee().Forecast(app_, target, &forecast);
    told.items.resize(forecast.ulItemCount);
    told.needed = forecast.ulNeeded;
    told.free = forecast.ulFree;
    return told;
  }

  std::unique_ptr<Bench> bench_;
  CK_SESSION_HANDLE app_ = CK_INVALID_HANDLE;
};
INSTANTIATE_FOR_BOTH_LINKS(ForecastTest);

TEST_P(ForecastTest, NewPartition_IsNotMade) {
  const Everywhere before = Look();
  const Ended ended = DryRun("");
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr("3 objects would be backed up, 0 there already"),
                    HasSubstr("Nothing was changed.")));
  EXPECT_EQ(Look(), before);
  // And then it can be made, as ever.
  ExpectAllStored(host().Transfer(app_, bench_->NewArchive()), 3);
}

TEST_P(ForecastTest, TooSmallNewPartition_IsToldBeforehand) {
  const Everywhere before = Look();
  const Ended ended = DryRun("-size 1000");
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr("CKR_CONTAINER_OBJECT_STORAGE_FULL"),
                    HasSubstr("would not go"), HasSubstr("free: 1000 bytes")));
  EXPECT_EQ(Look(), before);

  // Object for object what the run does.
  const CK_SESSION_HANDLE so = host().SecurityOfficer(host().backup());
  const Foreseen foreseen = Ask(so, 1000);
  host().c().C_Logout(so);
  EXPECT_RV(CKR_CONTAINER_OBJECT_STORAGE_FULL, foreseen.rv);
  EXPECT_GT(foreseen.needed, foreseen.free);
  const Report report =
      host().Transfer(app_, bench_->NewArchive("archive", 1000),
                      PERIGEE_TRANSFER_CONTINUE_ON_ERROR);
  ASSERT_EQ(foreseen.items.size(), report.items.size());
  for (size_t i = 0; i < report.items.size(); ++i) {
    EXPECT_EQ(foreseen.items[i].hSource, report.items[i].hSource);
    EXPECT_EQ(foreseen.items[i].ulOutcome, report.items[i].ulOutcome) << i;
    EXPECT_RV(foreseen.items[i].rv, report.items[i].rv);
  }
}

TEST_P(ForecastTest, TooLargeNewPartition_IsToldBeforehand) {
  const CK_SESSION_HANDLE so = host().SecurityOfficer(host().backup());
  EXPECT_RV(CKR_HSM_STORAGE_FULL, Ask(so, 1UL << 40).rv);
  EXPECT_EQ(host().Containers(host().backup()).size(), 0u);
}

TEST_P(ForecastTest, Append_TellsWhatIsThere) {
  const CK_SESSION_HANDLE archive = bench_->NewArchive();
  ExpectAllStored(host().Transfer(app_, archive), 3);
  host().c().C_CloseSession(archive);
  host().Create(app_, Note("later"));
  const Everywhere before = Look();
  const Ended ended = DryRun("-append");
  EXPECT_EQ(ended.code, 0) << ended.out << ended.error;
  EXPECT_THAT(ended.out,
              HasSubstr("1 object would be backed up, 3 there already"));
  EXPECT_EQ(Look(), before);
}

TEST_P(ForecastTest, OldBackupFirmware_IsToldBeforehand) {
  Prepare(FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.3.2"));
  const Everywhere before = Look();
  const Ended ended = DryRun("");
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("LUNA_RET_OPERATION_RESTRICTED"),
                               HasSubstr("backup-firmware")));
  EXPECT_EQ(Look(), before);
}

TEST_P(ForecastTest, NobodyLoggedInThere_IsRefused) {
  const CK_SESSION_HANDLE nobody = host().Open(host().backup());
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Ask(nobody).rv);
}

TEST_P(ForecastTest, WithoutADomain_NothingWouldGo) {
  const CK_ULONG container =
      host().MakeContainer(host().backup(), "archive", "");
  const CK_SESSION_HANDLE archive =
      host().OpenArchive(host().backup(), container);
  const Foreseen foreseen = Ask(archive);
  EXPECT_RV(CKR_CLONING_PARAMETER_MISSING, foreseen.rv);
  EXPECT_EQ(foreseen.items.size(), 0u);
}

}  // namespace
}  // namespace e2e
