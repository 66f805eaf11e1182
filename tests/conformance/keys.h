// Templates of the objects that tests make: keys with fixed values (made for
// these tests, secret to nobody), so that most tests generate nothing, and
// requests for new keys. All are session objects with every usage that their
// type has, unless a test says otherwise.
#ifndef PERIGEE_TESTS_CONFORMANCE_KEYS_H_
#define PERIGEE_TESTS_CONFORMANCE_KEYS_H_

#include "tests/conformance/template.h"

namespace conformance {

Template DataObject(const Bytes& value = FromText("value"));
Template Certificate();

Template RsaPublicKey();
Template RsaPrivateKey();

enum class Curve { kP256, kP384, kP521 };
Template EcPublicKey(Curve curve);
Template EcPrivateKey(Curve curve);
// CKA_EC_PARAMS of a named curve, and the bytes of its field.
Bytes EcParams(Curve curve);
size_t FieldSize(Curve curve);
// The public point of the fixed key, without DER around it.
Bytes EcPoint(Curve curve);

// Secret keys that may be read, and do what their type does except wrapping.
Template AesKey(const Bytes& value = Pattern(32));
Template GenericSecret(const Bytes& value = Pattern(64));
// An AES key that may only wrap and unwrap.
Template WrappingKey(const Bytes& value = Pattern(32, 99));

// For generation.
Template NewAes(CK_ULONG size = 32);
Template NewSecret(CK_ULONG size = 32);
Template NewRsaPublic(CK_ULONG bits = 2048);
Template NewRsaPrivate();
Template NewEcPublic(Curve curve = Curve::kP256);
Template NewEcPrivate();

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_KEYS_H_
