// Keys and one-line operations for the tests of the mechanisms.
#ifndef PERIGEE_PKCS11_MECHANISMS_TEST_KEYS_H_
#define PERIGEE_PKCS11_MECHANISMS_TEST_KEYS_H_

#include <openssl/bn.h>

#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {

using base::Bytes;

inline const Mechanism& RowFor(CK_MECHANISM_TYPE type) {
  return *Registry::Get().Find(type);
}

inline hsm::ObjectRef NewKey(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type,
                             hsm::AttributeSet attributes) {
  attributes.SetUlong(CKA_CLASS, object_class);
  attributes.SetUlong(CKA_KEY_TYPE, type);
  return std::make_shared<hsm::Object>(1, 1, std::move(attributes));
}

inline hsm::ObjectRef NewSecretKey(CK_KEY_TYPE type, ByteSpan value) {
  hsm::AttributeSet attributes;
  attributes.Set(CKA_VALUE, value);
  return NewKey(CKO_SECRET_KEY, type, std::move(attributes));
}

inline Bytes Counting(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i);
  return out;
}

inline hsm::ObjectRef NewAesKey(size_t size = 32) {
  return NewSecretKey(CKK_AES, Counting(size));
}

struct KeyPair {
  hsm::ObjectRef public_key;
  hsm::ObjectRef private_key;
};

inline KeyPair NewPair(CK_MECHANISM_TYPE generation, CK_KEY_TYPE type,
                       const hsm::AttributeSet& attributes) {
  const Mechanism& row = RowFor(generation);
  auto pair = row.generate_pair({row, nullptr, nullptr}, attributes, {});
  EXPECT_TRUE(pair.ok()) << pair.status();
  for (const auto& entry : attributes.entries()) {
    pair->public_key.Set(entry.type,
                         ByteSpan(entry.value.data(), entry.value.size()));
  }
  return {NewKey(CKO_PUBLIC_KEY, type, std::move(pair->public_key)),
          NewKey(CKO_PRIVATE_KEY, type, std::move(pair->private_key))};
}

// One pair for all tests: generation is slow.
inline const KeyPair& RsaPair() {
  static const KeyPair* const pair = [] {
    hsm::AttributeSet attributes;
    attributes.SetUlong(CKA_MODULUS_BITS, 2048);
    return new KeyPair(NewPair(CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, attributes));
  }();
  return *pair;
}

inline constexpr uint8_t kP256Oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x03, 0x01, 0x07};
inline constexpr uint8_t kP384Oid[] = {0x06, 0x05, 0x2b, 0x81,
                                       0x04, 0x00, 0x22};
inline constexpr uint8_t kP521Oid[] = {0x06, 0x05, 0x2b, 0x81,
                                       0x04, 0x00, 0x23};

inline KeyPair NewEcPair(ByteSpan oid) {
  hsm::AttributeSet attributes;
  attributes.Set(CKA_EC_PARAMS, oid);
  return NewPair(CKM_EC_KEY_PAIR_GEN, CKK_EC, attributes);
}

// The domain parameters of a group that OpenSSL names ("dh_2048_256").
inline hsm::AttributeSet NamedGroup(const char* name, bool with_subprime) {
  hsm::AttributeSet domain;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                       const_cast<char*>(name), 0),
      OSSL_PARAM_construct_end()};
  const UniquePkeyCtx context = NewKeyTypeContext("1.2.840.10046.2.1");
  EVP_PKEY* raw = nullptr;
  EXPECT_EQ(EVP_PKEY_paramgen_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_params(context.get(), parameters), 1);
  EXPECT_EQ(EVP_PKEY_generate(context.get(), &raw), 1);
  const UniquePkey pkey(raw);
  const auto copy = [&](CK_ATTRIBUTE_TYPE type, const char* part) {
    BIGNUM* number = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(raw, part, &number), 1);
    Bytes bytes(BN_num_bytes(number));
    BN_bn2bin(number, bytes.data());
    BN_free(number);
    domain.Set(type, bytes);
  };
  copy(CKA_PRIME, OSSL_PKEY_PARAM_FFC_P);
  if (with_subprime) copy(CKA_SUBPRIME, OSSL_PKEY_PARAM_FFC_Q);
  copy(CKA_BASE, OSSL_PKEY_PARAM_FFC_G);
  return domain;
}

// A row with parameters and a key, and what can be asked of it.
class Job {
 public:
  // Parameters by value: a structure, or nothing.
  Job(CK_MECHANISM_TYPE type, hsm::ObjectRef key)
      : Job(type, key, nullptr, 0) {}
  template <typename T>
  Job(CK_MECHANISM_TYPE type, hsm::ObjectRef key, T parameter)
      : Job(type, key, &parameter, sizeof(parameter)) {}
  Job(CK_MECHANISM_TYPE type, hsm::ObjectRef key, void* parameter, size_t size)
      : row_(RowFor(type)), key_(std::move(key)) {
    auto parsed = ParseParameters(row_, {type, parameter, size});
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) parameters_ = *std::move(parsed);
  }

  const Mechanism& row() const { return row_; }
  Use use() const { return {row_, parameters_.get(), key_}; }

  absl::StatusOr<Bytes> Sign(ByteSpan message) const {
    ASSIGN_OR_RETURN(auto signer, row_.sign(use()));
    Bytes out(signer->size());
    ASSIGN_OR_RETURN(const size_t size,
                     signer->Sign(message, absl::MakeSpan(out)));
    out.resize(size);
    return out;
  }
  absl::Status Verify(ByteSpan message, ByteSpan signature) const {
    ASSIGN_OR_RETURN(auto verifier, row_.verify(use()));
    return verifier->Verify(message, signature);
  }
  absl::StatusOr<Bytes> Encrypt(ByteSpan in) const {
    return Run(row_.encrypt(use()), in);
  }
  absl::StatusOr<Bytes> Decrypt(ByteSpan in) const {
    return Run(row_.decrypt(use()), in);
  }

 private:
  static absl::StatusOr<Bytes> Run(
      absl::StatusOr<std::unique_ptr<Cipher>> cipher, ByteSpan in) {
    RETURN_IF_ERROR(cipher.status());
    Bytes out((*cipher)->OneShotSize(in.size()));
    ASSIGN_OR_RETURN(const size_t size,
                     (*cipher)->OneShot(in, absl::MakeSpan(out)));
    out.resize(size);
    return out;
  }

  const Mechanism& row_;
  hsm::ObjectRef key_;
  ParametersRef parameters_;
};

// The return value of a Status or StatusOr.
inline CK_RV RvOf(const absl::Status& status) { return base::CkRv(status); }
template <typename T>
CK_RV RvOf(const absl::StatusOr<T>& result) {
  return base::CkRv(result.status());
}

// What the row's parse says to these bytes.
inline CK_RV ParseRv(CK_MECHANISM_TYPE type, void* parameter, size_t size) {
  return RvOf(ParseParameters(RowFor(type), {type, parameter, size}));
}
template <typename T>
CK_RV ParseRv(CK_MECHANISM_TYPE type, T parameter) {
  return ParseRv(type, &parameter, sizeof(parameter));
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_TEST_KEYS_H_
