// The signatures that `key sign`, `key verify` and `key request` make.
#ifndef PERIGEE_TOOLS_SHELL_SIGN_MECHANISMS_H_
#define PERIGEE_TOOLS_SHELL_SIGN_MECHANISMS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tools/shell/key_objects.h"

namespace shell {

// A row: its name, the mechanism, whose keys, and for RSA-PSS the hash (the
// salt is as long).
struct SignMechanism {
  const char* name;  // "rsa-pss-sha256"
  CK_MECHANISM_TYPE mechanism;
  CK_KEY_TYPE key;
  CK_MECHANISM_TYPE pss_hash = 0;
  CK_RSA_PKCS_MGF_TYPE pss_mask = 0;
  CK_ULONG pss_salt = 0;
  const char* hash = nullptr;  // OpenSSL's name of it
  int identifier = 0;          // of X.509; 0: the key's own type
};

inline constexpr char kMechanismHelp[] =
    "rsa-pss-sha256, ecdsa-sha384, ...: else what is usual for the key";

// -mechanism, or the usual one for the key. CKR_MECHANISM_INVALID,
// CKR_KEY_TYPE_INCONSISTENT with the names that go with the key.
absl::StatusOr<SignMechanism> SignMechanismFor(
    const KeyObject& key, const std::optional<std::string>& name);

// Gives the next part of a message; nothing at its end.
using NextPart =
    std::function<absl::StatusOr<std::optional<std::vector<unsigned char>>>()>;
NextPart PartsOf(std::vector<unsigned char> message);

// The signature as PKCS#11 has it (ECDSA: r and s side by side).
absl::StatusOr<std::vector<unsigned char>> SignMessage(
    const Module& module, CK_SESSION_HANDLE session, const KeyObject& key,
    const SignMechanism& how, const NextPart& next);
// CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE.
absl::Status VerifyMessage(const Module& module, CK_SESSION_HANDLE session,
                           const KeyObject& key, const SignMechanism& how,
                           const NextPart& next,
                           absl::Span<const unsigned char> signature);

// ECDSA's other form, a SEQUENCE of two INTEGERs, as OpenSSL and X.509 have
// it; empty for what is not one (of `size` bytes side by side).
std::vector<unsigned char> EcdsaToDer(absl::Span<const unsigned char> raw);
std::vector<unsigned char> EcdsaFromDer(absl::Span<const unsigned char> der,
                                        size_t size);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_SIGN_MECHANISMS_H_
