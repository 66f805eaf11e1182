// What most tests begin with: a host with one application partition and one
// Backup HSM, both initialised, of the same domain.
#ifndef PERIGEE_TESTS_E2E_BENCH_H_
#define PERIGEE_TESTS_E2E_BENCH_H_

#include "tests/e2e/host.h"
#include "tests/e2e/objects.h"

namespace e2e {

inline Plan DefaultPlan(Link link) {
  Plan plan;
  plan.link = link;
  return plan;
}

// Plans of one application HSM and one Backup HSM of these firmwares.
inline Plan FirmwarePlan(Link link, const std::string& app_model,
                         const std::string& app, const std::string& backup) {
  Plan plan = DefaultPlan(link);
  plan.apps[0].model = app_model;
  plan.apps[0].firmware = app;
  plan.backups[0].firmware = backup;
  return plan;
}

struct Bench {
  explicit Bench(Link link) : Bench(DefaultPlan(link)) {}
  explicit Bench(Plan plan) : site(std::move(plan)), host(site) {
    for (size_t i = 0; i < host.backup(); ++i) {
      host.InitPartition(host.partition(i));
    }
    for (size_t i = 0; i < site.plan().backups.size(); ++i) {
      host.InitHsm(host.backup(i));
    }
  }

  CK_SESSION_HANDLE Officer(size_t index = 0) {
    return host.Officer(host.partition(index));
  }
  // A new container of the Backup HSM, its CO logged in.
  CK_SESSION_HANDLE NewArchive(const std::string& label = "archive",
                               CK_ULONG size = 0) {
    return host.OpenArchive(
        host.backup(), host.MakeContainer(host.backup(), label, kDomain, size));
  }
  // The handle of the container with this label.
  CK_ULONG ContainerOf(const std::string& label) {
    for (const CK_ULONG container : host.Containers(host.backup())) {
      if (label == host.PartitionInfo(host.backup(), container).label) {
        return container;
      }
    }
    ADD_FAILURE() << "no container " << label;
    return 0;
  }

  Site site;
  Host host;
};

#define INSTANTIATE_FOR_LINKS_(suite, ...)                                \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::Values(__VA_ARGS__),         \
                           [](const testing::TestParamInfo<Link>& info) { \
                             return LinkName(info.param);                 \
                           })
#define INSTANTIATE_FOR_BOTH_LINKS(suite) \
  INSTANTIATE_FOR_LINKS_(suite, Link::kEmbedded, Link::kSocket)
#define INSTANTIATE_FOR_ALL_LINKS(suite)                                      \
  INSTANTIATE_FOR_LINKS_(suite, Link::kEmbedded, Link::kSocket, Link::kUsbip, \
                         Link::kUsb, Link::kRemote)

// Every item was stored at the target, and there are `count`.
inline void ExpectAllStored(const Report& report, size_t count) {
  EXPECT_RV(CKR_OK, report.rv) << report.error;
  EXPECT_EQ(report.items.size(), count);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), count);
}

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_BENCH_H_
