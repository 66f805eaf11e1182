#include "bench/contender.h"

#include <cstdio>
#include <cstdlib>

namespace bench {

void Die(const std::string& what) {
  std::fprintf(stderr, "perigee-bench: %s\n", what.c_str());
  std::_Exit(1);  // other threads may be inside a module
}

}  // namespace bench
