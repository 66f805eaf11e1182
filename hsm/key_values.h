// What the values of an object must look like beyond their attribute kinds,
// one function an object type (ObjectType::check_values): which parts of a key
// must be there together, lengths, and the stored form of points. Nothing is
// computed with keys here; that a modulus fits its exponents or that a point is
// on its curve is checked where the key is first made usable.
#ifndef PERIGEE_HSM_KEY_VALUES_H_
#define PERIGEE_HSM_KEY_VALUES_H_

#include <array>

#include "hsm/attribute_rules.h"

namespace hsm {

// All of them see a set whose values have the right kinds, and normalised big
// integers. Errors: CKR_ATTRIBUTE_VALUE_INVALID for a value that can never be
// right, CKR_TEMPLATE_INCOMPLETE for missing parts, CKR_TEMPLATE_INCONSISTENT
// for parts that exclude each other.

absl::Status CheckNothing(How how, AttributeSet& attributes);

// Values or a URL, and hashes when there is only a URL.
absl::Status CheckX509(How how, AttributeSet& attributes);

// CKA_MODULUS_BITS is computed when there is a modulus.
absl::Status CheckRsaPublic(How how, AttributeSet& attributes);
// n, e, d alone, or with p and q, or with all five CRT values; empty CRT values
// count as absent.
absl::Status CheckRsaPrivate(How how, AttributeSet& attributes);

// CKA_EC_PARAMS must be a named curve (an OID or a PrintableString), else
// CKR_DOMAIN_PARAMS_INVALID. CKA_EC_POINT is stored as a DER OCTET STRING of
// the uncompressed point; the bare point is accepted too, as many clients send
// it. Compressed points are CKR_TEMPLATE_INCONSISTENT.
absl::Status CheckEcPublic(How how, AttributeSet& attributes);
// Clients that send the point along with a private key are tolerated; it is
// dropped, because it follows from the key.
absl::Status CheckEcPrivate(How how, AttributeSet& attributes);

// CKK_BIP32: EC keys on secp256k1, which a template may leave out, with what
// BIP 32 says beside the key; what is missing of that is what a master key has.
// The version bytes of public and private keys of a network; the first is
// Bitcoin's main one, which is meant where nothing is said. What another
// network says is taken; a known network's bytes of the other class are not.
using Bip32Version = std::array<uint8_t, 4>;
struct Bip32Network {
  Bip32Version public_key;
  Bip32Version private_key;
};
inline constexpr Bip32Network kBip32Networks[] = {
    {{0x04, 0x88, 0xb2, 0x1e}, {0x04, 0x88, 0xad, 0xe4}},
    {{0x04, 0x35, 0x87, 0xcf}, {0x04, 0x35, 0x83, 0x94}}};
inline constexpr size_t kBip32ChainCodeSize = 32;
inline constexpr size_t kBip32FingerprintSize = 4;
// DER, as in CKA_EC_PARAMS.
inline constexpr uint8_t kSecp256k1[] = {0x06, 0x05, 0x2b, 0x81,
                                         0x04, 0x00, 0x0a};
absl::Status CheckBip32(How how, AttributeSet& attributes);

// Edwards and Montgomery curves. CKA_EC_POINT is stored as the bare bytes that
// PKCS #11 3.0 wants; a DER OCTET STRING, as older clients send it, is
// accepted.
absl::Status CheckEcxPublic(How how, AttributeSet& attributes);
absl::Status CheckEcxPrivate(How how, AttributeSet& attributes);

// DSA and Diffie-Hellman keys: no number that is there is 0. CKA_VALUE_BITS of
// a DH private key is computed.
absl::Status CheckFiniteField(How how, AttributeSet& attributes);
// The same for domain parameters; the numbers of bits are computed when there
// are primes.
absl::Status CheckDomain(How how, AttributeSet& attributes);

// ML-KEM, ML-DSA, SLH-DSA. A private key that is created has a seed or a value;
// one that is cloned always has its value.
absl::Status CheckPqcPublic(How how, AttributeSet& attributes);
absl::Status CheckPqcPrivate(How how, AttributeSet& attributes);

// 16, 24 or 32 bytes, by value or by CKA_VALUE_LEN.
absl::Status CheckAes(How how, AttributeSet& attributes);
// At least one byte.
absl::Status CheckAesXts(How how, AttributeSet& attributes);
absl::Status CheckDes(How how, AttributeSet& attributes);
absl::Status CheckKeyOf32(How how, AttributeSet& attributes);
absl::Status CheckGenericSecret(How how, AttributeSet& attributes);

}  // namespace hsm

#endif  // PERIGEE_HSM_KEY_VALUES_H_
