// A directory for one test, removed with what is in it.
#ifndef PERIGEE_HSM_TEMPORARY_DIRECTORY_H_
#define PERIGEE_HSM_TEMPORARY_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace hsm {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "perigee_XXXXXX").string();
    path_ = mkdtemp(name.data());  // mode 0700
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_TEMPORARY_DIRECTORY_H_
