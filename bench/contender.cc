#include "bench/contender.h"

#include <cstdio>
#include <cstdlib>

namespace bench {

void Die(const std::string& what) {
  std::fprintf(stderr, "perigee-bench: %s\n", what.c_str());
  std::exit(1);
}

}  // namespace bench
