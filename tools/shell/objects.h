// The objects that a session sees, for `partition contents` and `partition
// archive contents`.
#ifndef PERIGEE_TOOLS_SHELL_OBJECTS_H_
#define PERIGEE_TOOLS_SHELL_OBJECTS_H_

#include <string>
#include <vector>

#include "tools/shell/shell.h"

namespace shell {

// The objects that match the template, in the order of their handles.
absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> MatchingObjects(
    const Module& module, CK_SESSION_HANDLE session,
    std::vector<CK_ATTRIBUTE> wanted);
// The token objects, in the order of their handles.
absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> TokenObjects(
    const Module& module, CK_SESSION_HANDLE session);

// The clean label; empty when it has none or is gone.
std::string LabelOf(const Module& module, CK_SESSION_HANDLE session,
                    CK_OBJECT_HANDLE object);

// What a list of objects tells of one; clean text, ids in hexadecimal.
struct ObjectFacts {
  std::string type;  // "Private Key"
  std::string label;
  std::string id;
  std::string uid;
};
ObjectFacts FactsOf(const Module& module, CK_SESSION_HANDLE session,
                    CK_OBJECT_HANDLE object);

// "Object list:" and each object's label, handle, type and unique id; with
// --json the member "objects".
absl::Status ShowObjects(Shell& shell, CK_SESSION_HANDLE session);
extern const Shown kObjectsData[1];

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_OBJECTS_H_
