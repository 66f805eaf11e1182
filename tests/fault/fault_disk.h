// A disk that fails: the files under one directory, as SQLite (fault_vfs.cc)
// and the module's own calls (fault_calls.cc) reach them. At the n-th
// operation it gives an error, writes by half, is full from there on, or loses
// its power; or the process is killed there.
//
// A power cut: from that operation on everything fails, and Settle() makes the
// files what the next boot finds. Of what was never synced, each sector of 512
// bytes is as it was at the last sync or as any write after it left it, and
// only a beginning of the directory changes since the directory's last sync
// has happened. Seed 0 loses all of it.
//
// Not covered: disks that lie about a sync, that lose or tear sectors that
// nobody wrote to, or that fail to read later what they took.
#ifndef PERIGEE_TESTS_FAULT_FAULT_DISK_H_
#define PERIGEE_TESTS_FAULT_FAULT_DISK_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace fault {

// What happens, and which operations are counted for it.
enum class Fault {
  kNone,
  kError,     // one operation of any kind fails
  kShort,     // one write writes the half and fails
  kFull,      // an operation that needs room fails, and all such after it,
              // but for what files give back that are deleted
  kKill,      // SIGKILL at an operation of any kind
  kPowerCut,  // an operation that changes something, and all after it
};

// What an operation does.
enum class Op { kLook, kChange, kWrite, kGrowingWrite, kGrow };

enum class Verdict {
  kPass,
  kFail,
  kShort,  // do the half, then fail
  kFull,
  kDies,  // the power goes in the middle of it: note it, but do not do it
};

class FaultDisk {
 public:
  static FaultDisk& Instance();

  // Watches the files under `root`. What is there now is on the platter.
  void Watch(const std::string& root);
  void Arm(Fault fault, int n, unsigned seed = 0);
  void Disarm();
  // The power goes now, if it has not gone (armed with kPowerCut).
  void Cut();
  // Counted since Arm, those of the fault's kind.
  int operations() const;
  bool fired() const;
  // After a cut, with every file closed. Ends the watch.
  void Settle();

  // --- for the layers --------------------------------------------------------
  bool Watches(const std::string& path) const;
  // `bytes` is what it takes of a full disk at most.
  Verdict Judge(Op op, int64_t bytes = 8192);
  // What was done, in its order. Paths are absolute, without links.
  void Opened(const std::string& path);
  void Created(const std::string& path);
  void MadeDirectory(const std::string& path);
  void Wrote(const std::string& path, int64_t offset, std::string_view data);
  void GaveBack(int64_t bytes);
  void Truncated(const std::string& path, int64_t size);
  void Synced(const std::string& path);
  void Renamed(const std::string& from, const std::string& to);
  // Before it is done.
  void Deleting(const std::string& path);
  void SyncedDirectory(const std::string& path);

 private:
  struct Change {
    int64_t offset;
    std::string data;
    bool truncates;  // to `offset`
  };
  struct File {
    std::string durable;
    std::vector<Change> pending;
  };
  struct NameChange {
    enum class What { kCreate, kMakeDirectory, kDelete, kRename } what;
    std::string path;
    std::string to;  // of a rename
    File file;       // that was deleted
  };

  bool Counts(Op op) const;
  bool Tracks(const std::string& path) const;
  File& Known(const std::string& path);
  std::string Survives(const std::string& path, const File& file);
  bool Toss();
  void Undo(const NameChange& change);

  mutable std::mutex mu_;
  std::string root_;
  Fault fault_ = Fault::kNone;
  int at_ = 0;
  int operations_ = 0;
  bool fired_ = false;
  int64_t room_ = 0;  // of a full disk
  bool loses_all_ = true;
  std::mt19937 random_;
  std::map<std::string, File> files_;
  std::vector<NameChange> names_;
};

// Registers the VFS "fault" above SQLite's "unix", and makes the store use it.
void UseFaultVfs();

}  // namespace fault

#endif  // PERIGEE_TESTS_FAULT_FAULT_DISK_H_
