// Argument lists for functions that are generated from a table: their types
// come from a function pointer type, their names are a0, a1, ...
//
//   CK_RV C_Sign(PERIGEE_ARGUMENTS_5(CK_C_Sign)) {
//     return F(PERIGEE_VALUES_5);
//   }
#ifndef PERIGEE_PKCS11_ARGUMENT_LISTS_H_
#define PERIGEE_PKCS11_ARGUMENT_LISTS_H_

#include <cstddef>
#include <tuple>

#include "base/cryptoki.h"

namespace pkcs11 {

template <typename Pointer>
struct ArgumentsOf;
template <typename... A>
struct ArgumentsOf<CK_RV (*)(A...)> {
  using Types = std::tuple<A...>;
};
// Type of an argument of a function of pointer type `Pointer`.
template <typename Pointer, size_t kIndex>
using Argument =
    std::tuple_element_t<kIndex, typename ArgumentsOf<Pointer>::Types>;

}  // namespace pkcs11

#define PERIGEE_ARGUMENT(p, i) \
  [[maybe_unused]] pkcs11::Argument<p, i> a##i
#define PERIGEE_ARGUMENTS_1(p) PERIGEE_ARGUMENT(p, 0)
#define PERIGEE_ARGUMENTS_2(p) PERIGEE_ARGUMENTS_1(p), PERIGEE_ARGUMENT(p, 1)
#define PERIGEE_ARGUMENTS_3(p) PERIGEE_ARGUMENTS_2(p), PERIGEE_ARGUMENT(p, 2)
#define PERIGEE_ARGUMENTS_4(p) PERIGEE_ARGUMENTS_3(p), PERIGEE_ARGUMENT(p, 3)
#define PERIGEE_ARGUMENTS_5(p) PERIGEE_ARGUMENTS_4(p), PERIGEE_ARGUMENT(p, 4)
#define PERIGEE_ARGUMENTS_6(p) PERIGEE_ARGUMENTS_5(p), PERIGEE_ARGUMENT(p, 5)
#define PERIGEE_ARGUMENTS_7(p) PERIGEE_ARGUMENTS_6(p), PERIGEE_ARGUMENT(p, 6)
#define PERIGEE_ARGUMENTS_8(p) PERIGEE_ARGUMENTS_7(p), PERIGEE_ARGUMENT(p, 7)
#define PERIGEE_ARGUMENTS_9(p) PERIGEE_ARGUMENTS_8(p), PERIGEE_ARGUMENT(p, 8)
#define PERIGEE_ARGUMENTS_10(p) PERIGEE_ARGUMENTS_9(p), PERIGEE_ARGUMENT(p, 9)

#define PERIGEE_VALUES_1 a0
#define PERIGEE_VALUES_2 PERIGEE_VALUES_1, a1
#define PERIGEE_VALUES_3 PERIGEE_VALUES_2, a2
#define PERIGEE_VALUES_4 PERIGEE_VALUES_3, a3
#define PERIGEE_VALUES_5 PERIGEE_VALUES_4, a4
#define PERIGEE_VALUES_6 PERIGEE_VALUES_5, a5
#define PERIGEE_VALUES_7 PERIGEE_VALUES_6, a6
#define PERIGEE_VALUES_8 PERIGEE_VALUES_7, a7
#define PERIGEE_VALUES_9 PERIGEE_VALUES_8, a8
#define PERIGEE_VALUES_10 PERIGEE_VALUES_9, a9

#endif  // PERIGEE_PKCS11_ARGUMENT_LISTS_H_
