// Names of numbers in a trace that no other table has: classes, key types,
// users, flags.
#ifndef PERIGEE_PKCS11_TRACE_NAMES_H_
#define PERIGEE_PKCS11_TRACE_NAMES_H_

#include "absl/types/span.h"
#include "base/cryptoki.h"

namespace pkcs11::trace {

struct NumberName {
  CK_ULONG number;
  const char* name;
};

// Null for an unknown number.
const char* ClassName(CK_OBJECT_CLASS number);
const char* KeyTypeName(CK_KEY_TYPE number);
const char* UserName(CK_USER_TYPE number);

// Of C_Initialize, C_OpenSession, C_WaitForSlotEvent, C_EncryptMessageNext and
// its kin, C_SessionCancel.
absl::Span<const NumberName> InitFlags();
absl::Span<const NumberName> SessionFlags();
absl::Span<const NumberName> EventFlags();
absl::Span<const NumberName> MessageFlags();
absl::Span<const NumberName> OperationFlags();

}  // namespace pkcs11::trace

#endif  // PERIGEE_PKCS11_TRACE_NAMES_H_
