// What `--json` tells: the shapes that many commands share, and how they are
// made. docs/SHELL.md is written from the tables here and in the commands.
#ifndef PERIGEE_TOOLS_SHELL_FACTS_H_
#define PERIGEE_TOOLS_SHELL_FACTS_H_

#include "nlohmann/json.hpp"
#include "tools/shell/objects.h"
#include "tools/shell/policies.h"
#include "tools/shell/shell.h"

namespace shell {

using Json = nlohmann::ordered_json;

// The members of an object that several commands tell.
struct Shape {
  const char* name;  // "partition"; a Shown names it as "@partition"
  absl::Span<const Shown> members;
};
absl::Span<const Shape> Shapes();

// Null for PERIGEE_NONE.
Json NumberOrNull(CK_ULONG number);

Json HsmFacts(const PERIGEE_HSM_INFO& info);
Json PartitionFacts(const PERIGEE_PARTITION_INFO& info);
Json RoleFacts(const RoleName& role, const PERIGEE_ROLE_INFO& info);
Json ObjectJson(CK_OBJECT_HANDLE handle, const ObjectFacts& facts);
Json PolicyFacts(const Module& module, const PolicyScope& scope,
                 absl::Span<const PolicyValue> values);
Json StoreFacts(const PERIGEE_STORE& store, absl::string_view problems);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_FACTS_H_
