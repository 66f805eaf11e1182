#include "pkcs11/mechanisms/iso9796.h"

#include <algorithm>

namespace pkcs11 {
namespace {

using base::Bytes;
using base::ByteSpan;

// The permutation of nibbles, and both halves of a byte under it.
constexpr uint8_t kShadow[16] = {14, 3,  5,  8, 9, 4,  2,  15,
                                 0,  13, 11, 6, 7, 10, 12, 1};
uint8_t ShadowOf(uint8_t byte) {
  return static_cast<uint8_t>(kShadow[byte >> 4] << 4 | kShadow[byte & 15]);
}
uint8_t Unshadow(uint8_t nibble) {
  return static_cast<uint8_t>(std::find(kShadow, kShadow + 16, nibble) -
                              kShadow);
}

// Bits of the intermediate integer.
size_t EncodedBits(size_t modulus_bits) { return modulus_bits - 1; }

}  // namespace

size_t Iso9796MaxMessage(size_t modulus_bits) {
  return (EncodedBits(modulus_bits) + 3) / 16;
}

Bytes Iso9796Encode(ByteSpan message, size_t unused_bits, size_t modulus_bits) {
  const size_t bits = EncodedBits(modulus_bits);
  const size_t size = (modulus_bits + 7) / 8;
  const size_t message_size = message.size();
  const size_t pairs = (bits - 1 + 15) / 16;
  // From the least significant byte up: the message over and over, each byte
  // with its shadow.
  Bytes number;
  for (size_t i = 0; i < pairs; ++i) {
    const uint8_t byte = message[message_size - 1 - i % message_size];
    number.push_back(byte);
    number.push_back(ShadowOf(byte));
  }
  // Where the message ends, and how many bits of its first byte count.
  number[2 * message_size - 1] ^= static_cast<uint8_t>(unused_bits + 1);
  number.resize(size);
  for (size_t at = bits - 1; at < 8 * size; ++at) {
    number[at / 8] &= static_cast<uint8_t>(~(1 << at % 8));
  }
  number[(bits - 1) / 8] |= static_cast<uint8_t>(1 << (bits - 1) % 8);
  number[0] = static_cast<uint8_t>(number[0] << 4 | 6);
  std::reverse(number.begin(), number.end());
  return number;
}

std::optional<Bytes> Iso9796Decode(ByteSpan encoded, size_t modulus_bits) {
  Bytes number(encoded.rbegin(), encoded.rend());
  // The last byte's upper nibble was replaced by the lower one; its shadow
  // still has it.
  const uint8_t last =
      static_cast<uint8_t>(Unshadow(number[1] >> 4) << 4 | number[0] >> 4);
  Bytes message;
  const size_t most =
      std::min(Iso9796MaxMessage(modulus_bits), number.size() / 2);
  for (size_t size = 1; size <= most; ++size) {
    message.insert(message.begin(), size == 1 ? last : number[2 * size - 2]);
    if (base::SameBytes(Iso9796Encode(message, 0, modulus_bits), encoded)) {
      return message;
    }
  }
  return std::nullopt;
}

Bytes Iso9796Complement(ByteSpan modulus, ByteSpan number) {
  Bytes out(modulus.size());
  int borrow = 0;
  for (size_t i = modulus.size(); i-- > 0;) {
    const int digit = modulus[i] - number[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    out[i] = static_cast<uint8_t>(digit);
  }
  return out;
}

}  // namespace pkcs11
