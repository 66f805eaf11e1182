// A run between two test partitions, with an honest courier.
#ifndef PERIGEE_CLONING_TEST_RUN_H_
#define PERIGEE_CLONING_TEST_RUN_H_

#include <gtest/gtest.h>

#include <vector>

#include "cloning/local_endpoint.h"
#include "cloning/test_ends.h"

namespace cloning {

struct TestRun {
  // Ready for Next.
  static TestRun Between(const TestPartition& from, const TestPartition& to) {
    TestRun run{LocalEndpoint(from.partition, from.co),
                LocalEndpoint(to.partition, to.co)};
    const Bytes reply = run.target.Join(run.source.Start().value()).value();
    const absl::Status bound = run.source.Bind(reply);
    EXPECT_TRUE(bound.ok()) << bound;
    return run;
  }

  // Carries one batch of these handles.
  absl::StatusOr<std::vector<TargetResult>> Carry(
      const std::vector<uint64_t>& handles, const AcceptOptions& options = {}) {
    ASSIGN_OR_RETURN(const Batch batch, source.Next(handles));
    return target.Accept(batch.sealed, options);
  }
  absl::Status End() {
    ASSIGN_OR_RETURN(const Batch batch, source.End());
    return target.Accept(batch.sealed, {}).status();
  }

  LocalEndpoint source;
  LocalEndpoint target;
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_TEST_RUN_H_
