#include "cloning/stamps.h"

#include <algorithm>
#include <array>

#include "base/crypto.h"
#include "base/wire.h"

namespace cloning {
namespace {

// Counts on when a rule of cloning/rules.h or hsm/compatibility.h changes.
constexpr char kRules[] = "perigee stamp 1";

}  // namespace

Stamper::Stamper(const hsm::Statement& own, const hsm::Login& login,
                 const hsm::Statement& peer) {
  wire::Writer terms;
  terms.Text(kRules);
  terms.U8(static_cast<uint8_t>(login.role()));
  terms.Sized(wire::Encode(own));
  terms.Sized(wire::Encode(peer));
  terms_ = base::Sha256({terms.bytes()});
}

Stamp Stamper::Of(const hsm::Edition& edition) const {
  std::array<uint8_t, 16> numbers;
  for (int i = 0; i < 8; ++i) {
    numbers[i] = static_cast<uint8_t>(edition.id >> (56 - 8 * i));
    numbers[8 + i] = static_cast<uint8_t>(edition.version >> (56 - 8 * i));
  }
  const Bytes digest = base::Sha256({terms_, numbers, edition.salt});
  Stamp stamp;
  std::copy_n(digest.begin(), stamp.size(), stamp.begin());
  return stamp;
}

hsm::Edition EditionOf(const hsm::Object& object) {
  return {object.handle(), object.version(), object.salt()};
}

}  // namespace cloning
