// The library and a daemon that is a USB device to it: what a pulled cable
// does. What all links have in common is tested for this one as for the
// others.
#include <chrono>

#include "tests/e2e/interrupted.h"

namespace e2e {
namespace {

// Not shorter than a call's own deadline, and not much longer.
constexpr auto kBound = std::chrono::seconds(60);

template <typename Work>
void InBoundedTime(Work work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kBound);
}

TEST(PulledCableTest, InATransfer_IsDeviceRemovedAndAnAppendCompletesIt) {
  Bench bench(Link::kUsb);
  InBoundedTime([&] {
    InterruptedTransfer cut(bench, [&] { bench.site.daemon().Kill(); });
    EXPECT_RV(CKR_DEVICE_REMOVED, cut.rv());
    bench.site.Replug();
    cut.ExpectAnAppendCompletesIt();
  });
}

TEST(PulledCableTest, BetweenCalls_TheTokenIsGoneUntilItIsBack) {
  Bench bench(Link::kUsb);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  bench.site.daemon().Kill();
  InBoundedTime([&] {
    EXPECT_RV(CKR_DEVICE_REMOVED, bench.host.Transfer(app, archive).rv);
    CK_TOKEN_INFO token;
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT,
              bench.host.c().C_GetTokenInfo(bench.host.backup(), &token));
  });
  CK_SLOT_INFO slot = {};
  EXPECT_OK(bench.host.c().C_GetSlotInfo(bench.host.backup(), &slot));
  EXPECT_FALSE(slot.flags & CKF_TOKEN_PRESENT);
  bench.site.Replug();
  EXPECT_OK(bench.host.c().C_GetSlotInfo(bench.host.backup(), &slot));
  EXPECT_TRUE(slot.flags & CKF_TOKEN_PRESENT);
  const CK_SESSION_HANDLE again = bench.NewArchive("another");
  ExpectAllStored(bench.host.Transfer(app, again), 1);
}

}  // namespace
}  // namespace e2e
