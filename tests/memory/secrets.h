// What the two programs of the memory test say to each other over a pipe.
#ifndef PERIGEE_TESTS_MEMORY_SECRETS_H_
#define PERIGEE_TESTS_MEMORY_SECRETS_H_

#include <cstdint>

namespace memory {

// A value in a fixed place: nothing is left elsewhere when it is wiped.
struct Value {
  uint8_t bytes[512];
  uint64_t size;
};

// Values of CKA_..., as they go into templates.
struct RsaKey {
  Value modulus, public_exponent, private_exponent;
  Value prime_1, prime_2, exponent_1, exponent_2, coefficient;
};

struct Secrets {
  Value pin, new_pin;
  Value aes;      // 32 bytes
  Value generic;  // 48 bytes
  Value refused;  // 32 bytes; of a key that cannot be made
  Value text;     // 48 bytes, encrypted and decrypted
  Value ec_params, ec_point, ec_value;  // P-256
  RsaKey rsa;
};

// What the token made itself, told by the holder.
enum Made { kGenerated, kHashed, kExpanded, kAgreed, kEcGenerated, kMadeCount };
struct MadeSecrets {
  Value values[kMadeCount];
};

// Each is one byte to the holder, which answers with a CK_RV.
enum Command : uint8_t {
  kUse = 'u',  // then Secrets; answers MadeSecrets behind the CK_RV
  kLogout = 'l',
  kLoginAs = 'p',  // then a Value, the PIN
  kCloseAll = 'c',
  kFinalize = 'f',
};

}  // namespace memory

#endif  // PERIGEE_TESTS_MEMORY_SECRETS_H_
