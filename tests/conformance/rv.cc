#include "tests/conformance/rv.h"

#include <ostream>
#include <sstream>

namespace conformance {

std::string RvName(CK_RV rv) {
  struct Row {
    CK_RV value;
    const char* name;
  };
  static constexpr Row kRows[] = {
      {CKR_OK, "CKR_OK"},
#define PERIGEE_CKR(name, code) {name, #name},
#include "base/ckr_names.def"
#undef PERIGEE_CKR
  };
  for (const Row& row : kRows) {
    if (row.value == rv) return row.name;
  }
  std::ostringstream text;
  text << "0x" << std::hex << rv;
  return text.str();
}

std::ostream& operator<<(std::ostream& out, Rv rv) {
  return out << RvName(rv.value);
}

}  // namespace conformance
