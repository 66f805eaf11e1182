#include "hsm/sqlite_fork.h"

#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace hsm {
namespace {

struct OpenedFile {
  pid_t pid;
  dev_t device;
  ino_t inode;
  OpenedFile* next;
};

// Grows only, is never freed, and is inherited with everything else.
std::atomic<OpenedFile*> opened_files{nullptr};

bool WasOpened(const struct stat& file, bool by_this_process) {
  for (const OpenedFile* f = opened_files.load(std::memory_order_acquire);
       f != nullptr; f = f->next) {
    if (f->device == file.st_dev && f->inode == file.st_ino &&
        (f->pid == getpid()) == by_this_process) {
      return true;
    }
  }
  return false;
}

void Alter(struct stat* file) {
  if (!WasOpened(*file, /*by_this_process=*/false)) return;
  // The process id, so that a child's child differs from both.
  file->st_ino ^= (uint64_t{1} << 63) | (static_cast<uint64_t>(getpid()) << 36);
}

int AlteredFstat(int fd, struct stat* file) {
  const int result = fstat(fd, file);
  if (result == 0) Alter(file);
  return result;
}

int AlteredStat(const char* path, struct stat* file) {
  const int result = stat(path, file);
  if (result == 0) Alter(file);
  return result;
}

void AlterWhatSqliteSees() {
  sqlite3_vfs* vfs = sqlite3_vfs_find("unix");
  if (vfs == nullptr || vfs->iVersion < 3) return;
  vfs->xSetSystemCall(vfs, "fstat",
                      reinterpret_cast<sqlite3_syscall_ptr>(AlteredFstat));
  vfs->xSetSystemCall(vfs, "stat",
                      reinterpret_cast<sqlite3_syscall_ptr>(AlteredStat));
}

// The mutexes that SQLite has once in a process, those that it takes inside of
// others last. The ones of connections do not matter: a child leaves inherited
// connections alone.
constexpr int kStaticMutexes[] = {
    SQLITE_MUTEX_STATIC_OPEN, SQLITE_MUTEX_STATIC_MASTER,
    SQLITE_MUTEX_STATIC_VFS1, SQLITE_MUTEX_STATIC_VFS2,
    SQLITE_MUTEX_STATIC_VFS3, SQLITE_MUTEX_STATIC_LRU,
    SQLITE_MUTEX_STATIC_PMEM, SQLITE_MUTEX_STATIC_PRNG,
    SQLITE_MUTEX_STATIC_MEM};
// Null where SQLite was told to do without. Set once, before the handlers.
std::array<sqlite3_mutex*, std::size(kStaticMutexes)> static_mutexes;

void HoldSqlite() {
  for (sqlite3_mutex* mutex : static_mutexes) sqlite3_mutex_enter(mutex);
}
void ReleaseSqlite() {
  for (auto it = static_mutexes.rbegin(); it != static_mutexes.rend(); ++it) {
    sqlite3_mutex_leave(*it);
  }
}

}  // namespace

void HoldSqliteDuringForks() {
  static std::atomic<bool> registered{false};
  if (registered.exchange(true)) return;
  for (size_t i = 0; i < static_mutexes.size(); ++i) {
    static_mutexes[i] = sqlite3_mutex_alloc(kStaticMutexes[i]);
  }
  pthread_atfork(HoldSqlite, ReleaseSqlite, ReleaseSqlite);
}

void NoteSqliteFile(const struct stat& file) {
  HoldSqliteDuringForks();
  if (WasOpened(file, /*by_this_process=*/false)) AlterWhatSqliteSees();
  if (WasOpened(file, /*by_this_process=*/true)) return;
  auto* added = new OpenedFile{getpid(), file.st_dev, file.st_ino,
                               opened_files.load(std::memory_order_relaxed)};
  while (!opened_files.compare_exchange_weak(added->next, added,
                                             std::memory_order_acq_rel)) {
  }
}

}  // namespace hsm
