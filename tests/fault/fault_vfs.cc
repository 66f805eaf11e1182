// SQLite's way to the disk that fails: a VFS above its own "unix".
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "hsm/sqlite_connection.h"
#include "tests/fault/fault_disk.h"

namespace fault {
namespace {

FaultDisk& Disk() { return FaultDisk::Instance(); }

sqlite3_vfs* Unix() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
  return vfs;
}

// The real one stands behind it.
struct File {
  sqlite3_file base;
  std::string* path;
  bool fresh_log;  // its name becomes durable with its first sync
};
File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* Real(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(Of(file) + 1);
}

// Passes, or fails with `error` and an errno that SQLite will ask for.
int Ask(Op op, int error) {
  switch (Disk().Judge(op)) {
    case Verdict::kPass:
      return SQLITE_OK;
    case Verdict::kFull:
      errno = ENOSPC;
      return SQLITE_FULL;
    default:
      errno = EIO;
      return error;
  }
}

// --- files -------------------------------------------------------------------

int Close(sqlite3_file* file) {
  const int rc = Real(file)->pMethods->xClose(Real(file));
  delete Of(file)->path;
  return rc;
}

int Read(sqlite3_file* file, void* data, int n, sqlite3_int64 offset) {
  if (const int rc = Ask(Op::kLook, SQLITE_IOERR_READ)) return rc;
  return Real(file)->pMethods->xRead(Real(file), data, n, offset);
}

int Write(sqlite3_file* file, const void* data, int n, sqlite3_int64 offset) {
  const sqlite3_io_methods& real = *Real(file)->pMethods;
  const std::string_view bytes(static_cast<const char*>(data), n);
  sqlite3_int64 size = 0;
  real.xFileSize(Real(file), &size);
  switch (Disk().Judge(offset + n > size ? Op::kGrowingWrite : Op::kWrite)) {
    case Verdict::kPass:
      Disk().Wrote(*Of(file)->path, offset, bytes);
      return real.xWrite(Real(file), data, n, offset);
    case Verdict::kShort:
      real.xWrite(Real(file), data, n / 2, offset);
      return SQLITE_IOERR_WRITE;
    case Verdict::kFull:
      if (size > offset) {
        real.xWrite(Real(file), data, static_cast<int>(size - offset), offset);
      }
      return SQLITE_FULL;
    case Verdict::kDies:
      Disk().Wrote(*Of(file)->path, offset, bytes);
      return SQLITE_IOERR_WRITE;
    case Verdict::kFail:
      break;
  }
  return SQLITE_IOERR_WRITE;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const Verdict verdict = Disk().Judge(Op::kChange);
  if (verdict == Verdict::kPass || verdict == Verdict::kDies) {
    Disk().Truncated(*Of(file)->path, size);
  }
  if (verdict != Verdict::kPass) return SQLITE_IOERR_TRUNCATE;
  return Real(file)->pMethods->xTruncate(Real(file), size);
}

// Nothing waits for the real disk: what counts as durable is kept above.
int Sync(sqlite3_file* file, int) {
  if (const int rc = Ask(Op::kChange, SQLITE_IOERR_FSYNC)) return rc;
  Disk().Synced(*Of(file)->path);
  if (Of(file)->fresh_log) {
    const std::string& path = *Of(file)->path;
    Disk().SyncedDirectory(path.substr(0, path.find_last_of('/')));
    Of(file)->fresh_log = false;
  }
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  if (const int rc = Ask(Op::kLook, SQLITE_IOERR_FSTAT)) return rc;
  return Real(file)->pMethods->xFileSize(Real(file), size);
}

int Lock(sqlite3_file* file, int level) {
  if (const int rc = Ask(Op::kLook, SQLITE_IOERR_LOCK)) return rc;
  return Real(file)->pMethods->xLock(Real(file), level);
}

// Whatever happens: a process that ends has no locks.
int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}

int CheckReservedLock(sqlite3_file* file, int* locked) {
  if (const int rc = Ask(Op::kLook, SQLITE_IOERR_CHECKRESERVEDLOCK)) return rc;
  return Real(file)->pMethods->xCheckReservedLock(Real(file), locked);
}

int FileControl(sqlite3_file* file, int op, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), op, argument);
}

int SectorSize(sqlite3_file* file) {
  return Real(file)->pMethods->xSectorSize(Real(file));
}

int DeviceCharacteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}

int ShmMap(sqlite3_file* file, int region, int size, int extend,
           void volatile** map) {
  const sqlite3_io_methods& real = *Real(file)->pMethods;
  int rc = real.xShmMap(Real(file), region, size, 0, map);
  const bool grows = rc == SQLITE_OK && *map == nullptr && extend != 0;
  if (rc != SQLITE_OK) return rc;
  rc = Ask(grows ? Op::kGrow : Op::kLook, SQLITE_IOERR_SHMMAP);
  if (rc != SQLITE_OK) {
    *map = nullptr;
    // What the real one says when there is no room for it.
    return rc == SQLITE_FULL ? SQLITE_IOERR_SHMSIZE : rc;
  }
  return grows ? real.xShmMap(Real(file), region, size, extend, map) : rc;
}

int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  if ((flags & SQLITE_SHM_LOCK) != 0) {
    if (const int rc = Ask(Op::kLook, SQLITE_IOERR_SHMLOCK)) return rc;
  }
  return Real(file)->pMethods->xShmLock(Real(file), offset, n, flags);
}

void ShmBarrier(sqlite3_file* file) {
  Real(file)->pMethods->xShmBarrier(Real(file));
}

int ShmUnmap(sqlite3_file* file, int remove) {
  const bool may = Ask(Op::kLook, SQLITE_IOERR) == SQLITE_OK;
  return Real(file)->pMethods->xShmUnmap(Real(file), may ? remove : 0);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

// --- names -------------------------------------------------------------------

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
         int* out_flags) {
  file->pMethods = nullptr;
  const std::string path = name == nullptr ? "" : name;
  const bool makes =
      (flags & SQLITE_OPEN_CREATE) != 0 && access(path.c_str(), F_OK) != 0;
  if (Disk().Watches(path)) {
    const int rc = Ask(makes ? Op::kGrow : Op::kLook, SQLITE_CANTOPEN);
    if (rc != SQLITE_OK) return SQLITE_CANTOPEN;
  }
  const int rc = Unix()->xOpen(Unix(), name, Real(file), flags, out_flags);
  if (rc != SQLITE_OK) return rc;
  if (makes) {
    Disk().Created(path);
  } else {
    Disk().Opened(path);
  }
  constexpr int kLogs =
      SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
  Of(file)->path = new std::string(path);
  Of(file)->fresh_log = makes && (flags & kLogs) != 0;
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_directory) {
  if (access(name, F_OK) != 0) return SQLITE_IOERR_DELETE_NOENT;
  const Verdict verdict = Disk().Judge(Op::kChange);
  if (verdict == Verdict::kPass || verdict == Verdict::kDies) {
    Disk().Deleting(name);
  }
  if (verdict != Verdict::kPass) return SQLITE_IOERR_DELETE;
  const int rc = Unix()->xDelete(Unix(), name, 0);
  if (rc == SQLITE_OK && sync_directory != 0) {
    const std::string path = name;
    Disk().SyncedDirectory(path.substr(0, path.find_last_of('/')));
  }
  return rc;
}

int Access(sqlite3_vfs*, const char* name, int flags, int* result) {
  if (const int rc = Ask(Op::kLook, SQLITE_IOERR_ACCESS)) return rc;
  return Unix()->xAccess(Unix(), name, flags, result);
}

int FullPathname(sqlite3_vfs*, const char* name, int n, char* out) {
  return Unix()->xFullPathname(Unix(), name, n, out);
}
int Randomness(sqlite3_vfs*, int n, char* out) {
  return Unix()->xRandomness(Unix(), n, out);
}
int Sleep(sqlite3_vfs*, int microseconds) {
  return Unix()->xSleep(Unix(), microseconds);
}
int CurrentTime(sqlite3_vfs*, double* now) {
  return Unix()->xCurrentTime(Unix(), now);
}
int GetLastError(sqlite3_vfs*, int n, char* out) {
  return Unix()->xGetLastError(Unix(), n, out);
}
int CurrentTimeInt64(sqlite3_vfs*, sqlite3_int64* now) {
  return Unix()->xCurrentTimeInt64(Unix(), now);
}

}  // namespace

void UseFaultVfs() {
  static sqlite3_vfs* const vfs = [] {
    auto* made = new sqlite3_vfs();
    made->iVersion = 2;
    made->szOsFile = static_cast<int>(sizeof(File)) + Unix()->szOsFile;
    made->mxPathname = Unix()->mxPathname;
    made->zName = "fault";
    made->xOpen = Open;
    made->xDelete = Delete;
    made->xAccess = Access;
    made->xFullPathname = FullPathname;
    made->xRandomness = Randomness;
    made->xSleep = Sleep;
    made->xCurrentTime = CurrentTime;
    made->xGetLastError = GetLastError;
    made->xCurrentTimeInt64 = CurrentTimeInt64;
    sqlite3_vfs_register(made, 0);
    return made;
  }();
  hsm::UseSqliteVfsForTest(vfs->zName);
}

}  // namespace fault
