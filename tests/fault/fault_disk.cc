#include "tests/fault/fault_disk.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace fault {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSector = 512;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

bool EndsWith(const std::string& text, std::string_view end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool IsUnder(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path[directory.size()] == '/' &&
         path.compare(0, directory.size(), directory) == 0;
}

// `path` after `from` was renamed to `to`.
std::string Moved(const std::string& path, const std::string& from,
                  const std::string& to) {
  if (path == from) return to;
  if (IsUnder(path, from)) return to + path.substr(from.size());
  return path;
}

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, path.find_last_of('/'));
}

void Overwrite(std::string& image, size_t offset, std::string_view data) {
  if (image.size() < offset + data.size()) image.resize(offset + data.size());
  std::copy(data.begin(), data.end(), image.begin() + offset);
}

}  // namespace

FaultDisk& FaultDisk::Instance() {
  static FaultDisk* const disk = new FaultDisk();
  return *disk;
}

void FaultDisk::Watch(const std::string& root) {
  const std::lock_guard<std::mutex> lock(mu_);
  root_ = fs::canonical(root).string();
  fault_ = Fault::kNone;
  files_.clear();
  names_.clear();
}

void FaultDisk::Arm(Fault fault, int n, unsigned seed) {
  const std::lock_guard<std::mutex> lock(mu_);
  fault_ = fault;
  at_ = n;
  operations_ = 0;
  fired_ = false;
  room_ = 0;
  loses_all_ = seed == 0;
  random_.seed(seed);
}

void FaultDisk::Disarm() {
  const std::lock_guard<std::mutex> lock(mu_);
  fault_ = Fault::kNone;
}

void FaultDisk::Cut() {
  const std::lock_guard<std::mutex> lock(mu_);
  fired_ = true;
}

int FaultDisk::operations() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return operations_;
}

bool FaultDisk::fired() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return fired_;
}

bool FaultDisk::Watches(const std::string& path) const {
  const std::lock_guard<std::mutex> lock(mu_);
  return !root_.empty() && (path == root_ || IsUnder(path, root_));
}

bool FaultDisk::Counts(Op op) const {
  const bool writes = op == Op::kWrite || op == Op::kGrowingWrite;
  switch (fault_) {
    case Fault::kNone:
      return false;
    case Fault::kError:
    case Fault::kKill:
      return true;
    case Fault::kShort:
      return writes;
    case Fault::kFull:
      return op == Op::kGrow || op == Op::kGrowingWrite;
    case Fault::kPowerCut:
      return op != Op::kLook;
  }
  return false;
}

Verdict FaultDisk::Judge(Op op, int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mu_);
  const bool lasts = fault_ == Fault::kFull || fault_ == Fault::kPowerCut;
  if (fault_ == Fault::kPowerCut && fired_) return Verdict::kFail;
  if (!Counts(op)) return Verdict::kPass;
  ++operations_;
  const bool strikes = operations_ == at_;
  if (!strikes && !(lasts && fired_)) return Verdict::kPass;
  if (fault_ == Fault::kFull && room_ >= bytes) {
    room_ -= bytes;
    return Verdict::kPass;
  }
  fired_ = true;
  switch (fault_) {
    case Fault::kKill:
      raise(SIGKILL);
      return Verdict::kFail;
    case Fault::kShort:
      return Verdict::kShort;
    case Fault::kFull:
      return Verdict::kFull;
    case Fault::kPowerCut:
      return Verdict::kDies;
    default:
      return Verdict::kFail;
  }
}

// --- what happened -----------------------------------------------------------

bool FaultDisk::Tracks(const std::string& path) const {
  return fault_ == Fault::kPowerCut && IsUnder(path, root_);
}

FaultDisk::File& FaultDisk::Known(const std::string& path) {
  const auto [it, fresh] = files_.try_emplace(path);
  // The first that is heard of it, so nobody has written to it.
  if (fresh) it->second.durable = ReadAll(path);
  return it->second;
}

void FaultDisk::Opened(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (Tracks(path)) Known(path);
}

void FaultDisk::Created(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(path)) return;
  files_[path] = File();
  names_.push_back({NameChange::What::kCreate, path, "", {}});
}

void FaultDisk::MadeDirectory(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(path)) return;
  names_.push_back({NameChange::What::kMakeDirectory, path, "", {}});
}

void FaultDisk::Wrote(const std::string& path, int64_t offset,
                      std::string_view data) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(path)) return;
  Known(path).pending.push_back({offset, std::string(data), false});
}

void FaultDisk::Truncated(const std::string& path, int64_t size) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(path)) return;
  Known(path).pending.push_back({size, "", true});
}

void FaultDisk::Synced(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(path)) return;
  File& file = Known(path);
  for (const Change& change : file.pending) {
    if (change.truncates) {
      file.durable.resize(change.offset);
    } else {
      Overwrite(file.durable, change.offset, change.data);
    }
  }
  file.pending.clear();
}

void FaultDisk::Renamed(const std::string& from, const std::string& to) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(from)) return;
  std::map<std::string, File> files;
  for (auto& [path, file] : files_) {
    // What stood at `to` is gone.
    if (path == to) continue;
    files.emplace(Moved(path, from, to), std::move(file));
  }
  files_ = std::move(files);
  names_.push_back({NameChange::What::kRename, from, to, {}});
}

void FaultDisk::GaveBack(int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (fault_ == Fault::kFull && bytes > 0) room_ += bytes;
}

void FaultDisk::Deleting(const std::string& path) {
  GaveBack(static_cast<int64_t>(fs::file_size(path)));
  const std::lock_guard<std::mutex> lock(mu_);
  if (!Tracks(path)) return;
  names_.push_back({NameChange::What::kDelete, path, "", Known(path)});
  files_.erase(path);
}

void FaultDisk::SyncedDirectory(const std::string& directory) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (fault_ != Fault::kPowerCut) return;
  std::vector<NameChange> left;
  for (NameChange& change : names_) {
    if (DirectoryOf(change.path) != directory) {
      left.push_back(std::move(change));
      continue;
    }
    if (change.what != NameChange::What::kRename) continue;
    for (NameChange& older : left) {
      older.path = Moved(older.path, change.path, change.to);
      if (!older.to.empty()) {
        older.to = Moved(older.to, change.path, change.to);
      }
    }
  }
  names_ = std::move(left);
}

// --- the next boot -----------------------------------------------------------

bool FaultDisk::Toss() { return !loses_all_ && random_() % 2 == 0; }

std::string FaultDisk::Survives(const std::string& path, const File& file) {
  std::string image = file.durable;
  for (const Change& change : file.pending) {
    if (change.truncates) {
      if (Toss()) image.resize(change.offset);
      continue;
    }
    const std::string_view data = change.data;
    for (size_t i = 0; i < data.size();) {
      // To the end of the sector.
      const size_t n =
          std::min(data.size() - i, kSector - (change.offset + i) % kSector);
      if (Toss()) Overwrite(image, change.offset + i, data.substr(i, n));
      i += n;
    }
  }
  // Written to through its mapping, and never synced.
  if (EndsWith(path, "/changes")) {
    const std::string mapped = ReadAll(path);
    for (size_t i = 0; i < std::min(image.size(), mapped.size());
         i += kSector) {
      if (Toss())
        Overwrite(image, i, std::string_view(mapped).substr(i, kSector));
    }
  }
  return image;
}

void FaultDisk::Undo(const NameChange& change) {
  switch (change.what) {
    case NameChange::What::kCreate:
    case NameChange::What::kMakeDirectory:
      fs::remove_all(change.path);
      break;
    case NameChange::What::kDelete:
      WriteAll(change.path, Survives(change.path, change.file));
      break;
    case NameChange::What::kRename:
      if (fs::exists(change.to)) fs::rename(change.to, change.path);
      break;
  }
}

void FaultDisk::Settle() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (fault_ == Fault::kPowerCut && fired_) {
    for (const auto& [path, file] : files_) {
      if (!fs::exists(path)) continue;
      WriteAll(path, Survives(path, file));
    }
    // SQLite must not believe it.
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      const std::string path = entry.path().string();
      if (!EndsWith(path, "-shm")) continue;
      std::string rubbish = ReadAll(path);
      for (char& c : rubbish) c = static_cast<char>(random_());
      WriteAll(path, rubbish);
    }
    const size_t kept =
        loses_all_ || names_.empty() ? 0 : random_() % (names_.size() + 1);
    while (names_.size() > kept) {
      Undo(names_.back());
      names_.pop_back();
    }
  }
  fault_ = Fault::kNone;
  files_.clear();
  names_.clear();
}

}  // namespace fault
