// What the tests of the vector files have in common: blocks as jobs (a row of
// the registry with its parameters and key), and what comes of them compared
// with what the block says.
#ifndef PERIGEE_TESTS_VECTORS_VECTOR_JOB_H_
#define PERIGEE_TESTS_VECTORS_VECTOR_JOB_H_

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pkcs11/mechanism.h"
#include "tests/vectors/vector_file.h"

namespace pkcs11 {

using base::Bytes;
using base::MutableByteSpan;
using vectors::Block;
using vectors::Result;

template <typename T>
T Get(absl::StatusOr<T> field) {
  EXPECT_TRUE(field.ok()) << field.status();
  return field.ok() ? *std::move(field) : T();
}

inline Bytes Hex(Block& block, absl::string_view name) {
  return Get(block.Hex(name));
}

// The row of that name; a test failure and another row if there is none.
const Mechanism* RowNamed(absl::string_view name);
const Mechanism* RowOf(Block& block);  // of its `mechanism`

hsm::ObjectRef NewKey(const hsm::AttributeSet& attributes);
hsm::ObjectRef SecretKey(CK_KEY_TYPE type, ByteSpan value);

// A row with its parameters and key.
struct VectorJob {
  const Mechanism* row;
  ParametersRef parameters;
  hsm::ObjectRef key;
  Use use() const { return {*row, parameters.get(), key}; }
};

absl::StatusOr<VectorJob> NewJob(const Mechanism* row, hsm::ObjectRef key,
                                 void* parameter = nullptr, size_t size = 0);

// In one piece and in parts, which must agree.
absl::StatusOr<Bytes> RunCipher(
    absl::StatusOr<std::unique_ptr<Cipher>> (*factory)(const Use&),
    const VectorJob& job, ByteSpan in);
absl::StatusOr<Bytes> RunSign(const VectorJob& job, ByteSpan message);
// In one piece and in parts, which must agree.
absl::Status RunVerify(const VectorJob& job, ByteSpan message,
                       ByteSpan signature);
// In parts. `parameters` are null for most.
Bytes Digest(const Mechanism* row, ByteSpan message,
             const Parameters* parameters = nullptr);

// `status` of what the block says should work or be refused.
void ExpectResult(Result expected, const absl::Status& status);
void ExpectSignature(Result expected, const absl::Status& status);
// Encrypts and decrypts, or only sees the refusal.
void RunBothWays(Block& block, const VectorJob& job, ByteSpan ciphertext);

}  // namespace pkcs11

#endif  // PERIGEE_TESTS_VECTORS_VECTOR_JOB_H_
