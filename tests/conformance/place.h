// A directory for the module's state, with the configuration of Perigee and of
// SoftHSM2 in it.
#ifndef PERIGEE_TESTS_CONFORMANCE_PLACE_H_
#define PERIGEE_TESTS_CONFORMANCE_PLACE_H_

#include <string>

namespace conformance {

// Made empty; gone with the object.
class Place {
 public:
  Place();
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const std::string& path() const { return path_; }
  // Points this process's environment here: the next C_Initialize finds it.
  void Use() const;

 private:
  std::string path_;
};

void WriteFile(const std::string& path, const std::string& text);

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_PLACE_H_
