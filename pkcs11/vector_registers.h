// What hashes, ciphers and copies leave in the vector registers (pieces of
// keys, among other things) would be the host's when a call returns: the next
// signal or lazily bound call of its own writes all of them to a stack.
#ifndef PERIGEE_PKCS11_VECTOR_REGISTERS_H_
#define PERIGEE_PKCS11_VECTOR_REGISTERS_H_

namespace pkcs11 {

// Empties those that a function may change. Does nothing but on x86-64.
void ClearVectorRegisters() noexcept;

// Does so at the end of its scope.
class EmptyVectorRegisters {
 public:
  EmptyVectorRegisters() = default;
  ~EmptyVectorRegisters() { ClearVectorRegisters(); }
  EmptyVectorRegisters(const EmptyVectorRegisters&) = delete;
  EmptyVectorRegisters& operator=(const EmptyVectorRegisters&) = delete;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_VECTOR_REGISTERS_H_
