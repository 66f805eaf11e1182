// Lets a forked child open a database that its parent has open.
//
// SQLite keeps one list of open files a process, by device and inode, and the
// POSIX locks that it believes to hold on each. A child inherits the list but
// not the locks: a connection it opens to an inherited file would use locks
// that do not exist, and another process could reset the log under it. Closing
// what was inherited is no way out (it would act on the shared log). So in
// such a child, and only there, SQLite is shown the inherited files of ours
// under other inode numbers and takes them for files it has not met.
#ifndef PERIGEE_HSM_SQLITE_FORK_H_
#define PERIGEE_HSM_SQLITE_FORK_H_

#include <sys/stat.h>

namespace hsm {

// Called before each first connection to a database file of ours, with what
// lstat said of it. Thread-safe, takes no lock.
void NoteSqliteFile(const struct stat& file);

}  // namespace hsm

#endif  // PERIGEE_HSM_SQLITE_FORK_H_
