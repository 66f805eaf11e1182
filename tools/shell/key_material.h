// Keys as OpenSSL has them, and the attributes that PKCS#11 has for them.
// Every file format is read into an EVP_PKEY and written from one, so that
// this is the only place that knows both sides. RSA, EC on named curves,
// Ed25519, Ed448, X25519, X448; ML-DSA, ML-KEM and SLH-DSA with an OpenSSL that
// has them.
#ifndef PERIGEE_TOOLS_SHELL_KEY_MATERIAL_H_
#define PERIGEE_TOOLS_SHELL_KEY_MATERIAL_H_

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tools/shell/key_types.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {

template <auto release>
struct Releaser {
  template <typename T>
  void operator()(T* pointer) const {
    release(pointer);
  }
};
template <typename T, auto release>
using Owned = std::unique_ptr<T, Releaser<release>>;
using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;

// Why OpenSSL's last call failed, in its words; its queue is empty then.
std::string OpenSslReason();

// The numbers of an RSA key, big-endian. Without d it is a public key; of the
// rest all or nothing is there.
struct RsaNumbers {
  WipedBytes n, e, d, p, q, dp, dq, qi;
};
// CKR_ATTRIBUTE_VALUE_INVALID, as for the others.
absl::StatusOr<OwnedKey> RsaKey(const RsaNumbers& numbers);
// A curve by OpenSSL's name of its group; `point` uncompressed, `scalar` empty
// for a public key.
absl::StatusOr<OwnedKey> EcKey(const char* group,
                               absl::Span<const unsigned char> point,
                               absl::Span<const unsigned char> scalar);
// `nid`: NID_ED25519, ...; one of the two may be empty.
absl::StatusOr<OwnedKey> RawKey(int nid, absl::Span<const unsigned char> open,
                                absl::Span<const unsigned char> hidden);

// Class, key type and values of one half. CKR_KEY_TYPE_INCONSISTENT for keys
// that cannot be imported, with what they are.
absl::StatusOr<Template> AttributesOf(EVP_PKEY* key, CK_OBJECT_CLASS half);

class KeyObject;
// The public half of a public or private key object; CKR_FUNCTION_FAILED when
// it does not say it.
absl::StatusOr<OwnedKey> PublicKeyOf(const KeyObject& object);
// The whole of a private key object whose values may be read.
// CKR_KEY_UNEXTRACTABLE when they may not.
absl::StatusOr<OwnedKey> PrivateKeyOf(const KeyObject& object);

// SubjectPublicKeyInfo. Empty when it cannot be made.
std::vector<unsigned char> PublicKeyInfo(EVP_PKEY* key);
// SHA-1 of the key in it: what X.509 names keys by, and the id that imported
// objects get.
std::string KeyIdOf(EVP_PKEY* key);

// "CN = www.example.org, O = Example" of a DER name; empty when it is none.
std::string NameText(absl::Span<const unsigned char> der);

// A number or octets of a key; empty when it has none of that name.
WipedBytes KeyNumber(EVP_PKEY* key, const char* name);
// An uncompressed point; empty for other keys.
WipedBytes EcPoint(EVP_PKEY* key);
std::string GroupName(EVP_PKEY* key);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_KEY_MATERIAL_H_
