#include "pkcs11/mechanisms/der.h"

namespace pkcs11 {

void DerWriter::Header(uint8_t tag, size_t size) {
  out_.push_back(tag);
  if (size < 0x80) {
    out_.push_back(static_cast<uint8_t>(size));
    return;
  }
  int width = 1;
  while (width < 4 && (size >> (8 * width)) != 0) ++width;
  out_.push_back(static_cast<uint8_t>(0x80 | width));
  for (int i = width - 1; i >= 0; --i) {
    out_.push_back(static_cast<uint8_t>(size >> (8 * i)));
  }
}

DerWriter& DerWriter::Integer(ByteSpan number) {
  number = Stripped(number);
  const bool pad = number.empty() || (number.front() & 0x80) != 0;
  Header(kDerInteger, number.size() + (pad ? 1 : 0));
  if (pad) out_.push_back(0);
  return Raw(number);
}

DerWriter& DerWriter::BitString(ByteSpan bits) {
  Header(kDerBitString, bits.size() + 1);
  out_.push_back(0);  // unused bits
  return Raw(bits);
}

ByteSpan DerReader::Element(uint8_t tag) {
  if (!ok_ || in_.size() < 2 || in_[0] != tag) return Fail();
  size_t size = in_[1];
  size_t header = 2;
  if (size >= 0x80) {
    const size_t width = size & 0x7f;
    if (width == 0 || width > 4 || in_.size() < 2 + width) return Fail();
    size = 0;
    for (size_t i = 0; i < width; ++i) size = (size << 8) | in_[2 + i];
    header += width;
    const bool is_shortest =
        size >= 0x80 && (width == 1 || (size >> (8 * (width - 1))) != 0);
    if (!is_shortest) return Fail();
  }
  if (size > in_.size() - header) return Fail();
  const ByteSpan contents = in_.subspan(header, size);
  in_.remove_prefix(header + size);
  return contents;
}

ByteSpan DerReader::Integer() {
  ByteSpan number = Element(kDerInteger);
  if (!ok_ || number.empty() || (number[0] & 0x80) != 0) return Fail();
  if (number[0] == 0) {
    if (number.size() > 1 && (number[1] & 0x80) == 0) return Fail();
    number.remove_prefix(1);
  }
  return number;
}

}  // namespace pkcs11
