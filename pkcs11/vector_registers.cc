#include "pkcs11/vector_registers.h"

namespace pkcs11 {

#ifdef __x86_64__
namespace {

#define PERIGEE_LOWER(clear)                                              \
  clear(0) clear(1) clear(2) clear(3) clear(4) clear(5) clear(6) clear(7) \
      clear(8) clear(9) clear(10) clear(11) clear(12) clear(13) clear(14) \
          clear(15)
#define PERIGEE_UPPER(clear)                                                \
  clear(16) clear(17) clear(18) clear(19) clear(20) clear(21) clear(22)     \
      clear(23) clear(24) clear(25) clear(26) clear(27) clear(28) clear(29) \
          clear(30) clear(31)
#define PERIGEE_LOWER_NAMES                                               \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
      "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define PERIGEE_UPPER_NAMES                                               \
  "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", \
      "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"

// These take no time but to be decoded; vzeroall takes several. Each empties
// the whole register, however wide it is.
#define PERIGEE_AVX(n) "vpxor %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n"
#define PERIGEE_AVX512(n) "vpxorq %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n"
#define PERIGEE_SSE(n) "pxor %%xmm" #n ", %%xmm" #n "\n"

[[gnu::target("avx512vl")]] void ClearUpperSixteen() {
  asm volatile(PERIGEE_UPPER(PERIGEE_AVX512) : : : PERIGEE_UPPER_NAMES);
}

[[gnu::target("avx")]] void ClearLowerSixteen() {
  asm volatile(PERIGEE_LOWER(PERIGEE_AVX) "vzeroupper"
               :
               :
               : PERIGEE_LOWER_NAMES);
}

void ClearWithoutAvx() {
  asm volatile(PERIGEE_LOWER(PERIGEE_SSE) : : : PERIGEE_LOWER_NAMES);
}

}  // namespace

void ClearVectorRegisters() noexcept {
  if (__builtin_cpu_supports("avx512vl")) ClearUpperSixteen();
  if (__builtin_cpu_supports("avx")) return ClearLowerSixteen();
  ClearWithoutAvx();
}
#else
void ClearVectorRegisters() noexcept {}
#endif

}  // namespace pkcs11
