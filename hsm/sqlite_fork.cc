#include "hsm/sqlite_fork.h"

#include <sqlite3.h>
#include <unistd.h>

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

}  // namespace

void NoteSqliteFile(const struct stat& file) {
  if (WasOpened(file, /*by_this_process=*/false)) AlterWhatSqliteSees();
  if (WasOpened(file, /*by_this_process=*/true)) return;
  auto* added = new OpenedFile{getpid(), file.st_dev, file.st_ino,
                               opened_files.load(std::memory_order_relaxed)};
  while (!opened_files.compare_exchange_weak(added->next, added,
                                             std::memory_order_acq_rel)) {
  }
}

}  // namespace hsm
