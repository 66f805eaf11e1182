// The vendor's application ids: 16 bytes that name who shares a login. Here a
// login is the process's (design decision 26), so ids tell nobody apart; an
// open one keeps its partition's login alive while no session is open.
#ifndef PERIGEE_PKCS11_APPLICATION_ID_H_
#define PERIGEE_PKCS11_APPLICATION_ID_H_

#include <array>
#include <cstdint>

#include "base/cryptoki.h"

namespace pkcs11 {

// The older form is two numbers, high and low: bytes 0 to 7 and 8 to 15,
// big-endian.
using ApplicationId = std::array<uint8_t, 16>;

inline ApplicationId ApplicationIdOf(CK_ULONG high, CK_ULONG low) {
  ApplicationId id{};
  for (int i = 7; i >= 0; --i, high >>= 8, low >>= 8) {
    id[i] = static_cast<uint8_t>(high);
    id[8 + i] = static_cast<uint8_t>(low);
  }
  return id;
}

inline CK_ULONG HalfOf(const ApplicationId& id, bool high) {
  CK_ULONG half = 0;
  for (int i = 0; i < 8; ++i) half = half << 8 | id[(high ? 0 : 8) + i];
  return half;
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_APPLICATION_ID_H_
