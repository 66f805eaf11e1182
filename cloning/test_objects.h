// Attribute sets for the tests of cloning: complete objects in their stored
// form, as an application could have made them.
#ifndef PERIGEE_CLONING_TEST_OBJECTS_H_
#define PERIGEE_CLONING_TEST_OBJECTS_H_

#include <string>

#include "hsm/attribute_rules.h"

namespace cloning {

inline base::Bytes Pattern(size_t size, uint8_t first) {
  base::Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(first + i);
  out.front() |= 0x80;
  out.back() |= 1;
  return out;
}

// The object that C_CreateObject makes of `object_template`.
inline hsm::AttributeSet Created(hsm::AttributeSet object_template) {
  object_template.SetBool(CKA_TOKEN, true);
  return hsm::Resolve(hsm::How::kCreate, object_template, {.logged_in = true})
      .value();
}

inline hsm::AttributeSet AesKey(absl::string_view label, uint8_t seed = 1) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_AES);
  key.Set(CKA_VALUE, Pattern(32, seed));
  key.SetText(CKA_LABEL, label);
  key.SetText(CKA_START_DATE, "20260101");
  key.SetText(CKA_END_DATE, "20301231");
  key.SetBool(CKA_SENSITIVE, true);
  key.SetBool(CKA_EXTRACTABLE, false);
  key.SetBool(CKA_WRAP, true);
  key.SetBool(CKA_MODIFIABLE, false);
  hsm::AttributeSet wrap;
  wrap.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  wrap.SetBool(CKA_EXTRACTABLE, true);
  key.SetNested(CKA_WRAP_TEMPLATE, std::move(wrap));
  return Created(std::move(key));
}

inline hsm::AttributeSet RsaPrivateKey(absl::string_view label) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  key.SetText(CKA_LABEL, label);
  key.Set(CKA_ID, Pattern(20, 7));
  key.Set(CKA_MODULUS, Pattern(256, 1));
  key.Set(CKA_PUBLIC_EXPONENT, base::Bytes{1, 0, 1});
  key.Set(CKA_PRIVATE_EXPONENT, Pattern(256, 3));
  key.Set(CKA_PRIME_1, Pattern(128, 5));
  key.Set(CKA_PRIME_2, Pattern(128, 9));
  key.Set(CKA_EXPONENT_1, Pattern(128, 11));
  key.Set(CKA_EXPONENT_2, Pattern(128, 13));
  key.Set(CKA_COEFFICIENT, Pattern(128, 15));
  key.SetBool(CKA_SIGN, true);
  key.SetBool(CKA_ALWAYS_AUTHENTICATE, true);
  return Created(std::move(key));
}

inline base::Bytes P256Oid() {
  return {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
}

inline hsm::AttributeSet EcPrivateKey(absl::string_view label) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_EC);
  key.SetText(CKA_LABEL, label);
  key.Set(CKA_EC_PARAMS, P256Oid());
  key.Set(CKA_VALUE, Pattern(32, 21));
  key.SetBool(CKA_DERIVE, true);
  return Created(std::move(key));
}

inline hsm::AttributeSet EcPublicKey(absl::string_view label) {
  base::Bytes point = {0x04, 0x41, 0x04};  // OCTET STRING of 65, uncompressed
  const base::Bytes xy = Pattern(64, 33);
  point.insert(point.end(), xy.begin(), xy.end());
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_EC);
  key.SetText(CKA_LABEL, label);
  key.Set(CKA_EC_PARAMS, P256Oid());
  key.Set(CKA_EC_POINT, point);
  return Created(std::move(key));
}

inline hsm::AttributeSet Certificate(absl::string_view label) {
  hsm::AttributeSet certificate;
  certificate.SetUlong(CKA_CLASS, CKO_CERTIFICATE);
  certificate.SetUlong(CKA_CERTIFICATE_TYPE, CKC_X_509);
  certificate.SetText(CKA_LABEL, label);
  certificate.Set(CKA_SUBJECT, Pattern(40, 50));
  certificate.Set(CKA_ISSUER, Pattern(40, 60));
  certificate.Set(CKA_SERIAL_NUMBER, base::Bytes{2, 1, 5});
  certificate.Set(CKA_VALUE, Pattern(700, 70));
  return Created(std::move(certificate));
}

// `size` bytes of content.
inline hsm::AttributeSet DataObject(absl::string_view label, size_t size = 16,
                                    bool is_private = false) {
  hsm::AttributeSet object;
  object.SetUlong(CKA_CLASS, CKO_DATA);
  object.SetText(CKA_LABEL, label);
  object.SetText(CKA_APPLICATION, "test");
  object.Set(CKA_OBJECT_ID, base::Bytes{0x06, 0x01, 0x2a});
  object.Set(CKA_VALUE, Pattern(size, 80));
  object.SetBool(CKA_PRIVATE, is_private);
  return Created(std::move(object));
}

}  // namespace cloning

#endif  // PERIGEE_CLONING_TEST_OBJECTS_H_
