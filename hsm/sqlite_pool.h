// The connections of one process to one database. Private to sqlite_store.cc.
#ifndef PERIGEE_HSM_SQLITE_POOL_H_
#define PERIGEE_HSM_SQLITE_POOL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hsm/sqlite_connection.h"

namespace hsm {

// Connections that nobody uses just now.
class SqlitePool {
 public:
  SqlitePool(std::string path, SqliteConnection::Mode mode)
      : path_(std::move(path)), mode_(mode) {}

  // A connection until destroyed; leaves no transaction behind.
  class Lease {
   public:
    Lease(SqlitePool* pool, std::unique_ptr<SqliteConnection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    ~Lease() {
      if (connection_ == nullptr) return;
      if (connection_->InTransaction()) {
        connection_->Run(Sql::kRollback).IgnoreError();
      }
      if (!connection_->InTransaction()) pool_->Return(std::move(connection_));
    }
    SqliteConnection& operator*() { return *connection_; }
    SqliteConnection* operator->() { return connection_.get(); }

   private:
    SqlitePool* pool_;
    std::unique_ptr<SqliteConnection> connection_;
  };

  absl::StatusOr<Lease> Borrow() ABSL_LOCKS_EXCLUDED(mu_) {
    {
      absl::MutexLock lock(&mu_);
      if (!idle_.empty()) {
        Lease lease(this, std::move(idle_.back()));
        idle_.pop_back();
        return lease;
      }
    }
    ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path_, mode_));
    return Lease(this, std::move(connection));
  }

  void Return(std::unique_ptr<SqliteConnection> connection)
      ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (idle_.size() < kMostIdle) idle_.push_back(std::move(connection));
  }

 private:
  // Those beyond this are closed.
  static constexpr size_t kMostIdle = 8;

  const std::string path_;
  const SqliteConnection::Mode mode_;
  absl::Mutex mu_;
  std::vector<std::unique_ptr<SqliteConnection>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_SQLITE_POOL_H_
