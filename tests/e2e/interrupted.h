// A transfer in whose middle something happens: at the first report of
// progress, so that some objects have arrived and others have not.
#ifndef PERIGEE_TESTS_E2E_INTERRUPTED_H_
#define PERIGEE_TESTS_E2E_INTERRUPTED_H_

#include <functional>
#include <utility>

#include "tests/e2e/bench.h"

namespace e2e {

class InterruptedTransfer {
 public:
  static constexpr size_t kObjects = 300;

  // Notes of the application partition, on their way to a new archive.
  InterruptedTransfer(Bench& bench, std::function<void()> interrupt)
      : bench_(bench), interrupt_(std::move(interrupt)), app_(bench.Officer()) {
    for (size_t i = 0; i < kObjects; ++i) {
      bench_.host.Create(app_, Note("note " + std::to_string(i)));
    }
    archive_ = bench_.NewArchive();
    PERIGEE_TRANSFER transfer = {};
    transfer.ulSize = sizeof transfer;
    transfer.pProgress = NoteProgress;
    transfer.pContext = this;
    rv_ = bench_.host.perigee().Transfer(app_, archive_, &transfer);
    EXPECT_GT(done_, 0u);
  }

  CK_RV rv() const { return rv_; }
  CK_SESSION_HANDLE app() const { return app_; }
  CK_SESSION_HANDLE archive() const { return archive_; }

  // Once the device is there again: what it answered for is kept, and an append
  // brings the others.
  void ExpectAnAppendCompletesIt() {
    bench_.host.c().C_CloseSession(archive_);
    archive_ = bench_.host.OpenArchive(bench_.host.backup(),
                                       bench_.ContainerOf("archive"));
    EXPECT_EQ(bench_.host.Find(archive_).size(), done_);
    const Report report = bench_.host.Transfer(app_, archive_);
    EXPECT_OK(report.rv) << report.error;
    EXPECT_EQ(report.Count(PERIGEE_OUTCOME_PRESENT), done_);
    EXPECT_EQ(bench_.host.Find(archive_).size(), kObjects);
  }

 private:
  static CK_RV NoteProgress(void* context, CK_ULONG done, CK_ULONG) {
    auto& self = *static_cast<InterruptedTransfer*>(context);
    if (self.done_ == 0) self.interrupt_();
    self.done_ = done;
    return CKR_OK;
  }

  Bench& bench_;
  const std::function<void()> interrupt_;
  const CK_SESSION_HANDLE app_;
  CK_SESSION_HANDLE archive_ = CK_INVALID_HANDLE;
  CK_ULONG done_ = 0;
  CK_RV rv_ = CKR_OK;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_INTERRUPTED_H_
