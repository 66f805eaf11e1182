// Runs the files of known answers in tests/vectors/asymmetric through the rows
// of the mechanism registry, as vectors_test.cc does with the files above it.
// What only a newer OpenSSL has is run there and left out here.
#include "tests/vectors/asymmetric_vectors.h"

#include <dirent.h>
#include <openssl/crypto.h>

#include <map>
#include <ostream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pkcs11/mechanisms/ecdh.h"
#include "pkcs11/mechanisms/ecx.h"
#include "pkcs11/mechanisms/key_material.h"
#include "tests/vectors/vector_file.h"

namespace pkcs11 {
namespace {

using vectors::Block;
using vectors::Result;

constexpr char kDirectory[] = "tests/vectors/asymmetric";

// Mechanisms without vectors of their own, with the reason.
const std::map<std::string, std::string>& CoveredBySiblings() {
  static const auto& covered = *new std::map<std::string, std::string>{
      {"CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS", "generation"},
      {"CKM_EC_EDWARDS_KEY_PAIR_GEN", "generation"},
      {"CKM_EC_MONTGOMERY_KEY_PAIR_GEN", "generation"},
      {"CKM_PUB_KEY_FROM_PRIV_KEY",
       "RunEddsa compares the public key that follows from the private one"},
  };
  return covered;
}

// --- reading blocks ---------------------------------------------------------

template <typename T>
T Get(absl::StatusOr<T> field) {
  EXPECT_TRUE(field.ok()) << field.status();
  return field.ok() ? *std::move(field) : T();
}

Bytes Hex(Block& block, absl::string_view name) { return Get(block.Hex(name)); }

// Null when this process's OpenSSL does not have the mechanism.
const Mechanism* RowNamed(absl::string_view name) {
  for (const Mechanism* row : Registry::Get().rows()) {
    if (row->name == name) return row;
  }
  return nullptr;
}

hsm::ObjectRef NewKey(hsm::AttributeSet attributes) {
  return std::make_shared<hsm::Object>(1, 1, std::move(attributes));
}

hsm::AttributeSet KeyOf(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, object_class);
  key.SetUlong(CKA_KEY_TYPE, type);
  return key;
}

// A key on the block's curve, of whichever of the three types that is.
hsm::AttributeSet CurveKey(CK_OBJECT_CLASS object_class, Block& block) {
  const std::string name = Get(block.Text("key.curve"));
  for (const EcxCurve& curve : EcxCurves()) {
    if (curve.name != name) continue;
    hsm::AttributeSet key = KeyOf(object_class, curve.key_type);
    key.Set(CKA_EC_PARAMS, base::AsBytes(curve.oid));
    return key;
  }
  hsm::AttributeSet key = KeyOf(object_class, CKK_EC);
  Bytes by_name = {0x13, static_cast<uint8_t>(name.size())};
  by_name.insert(by_name.end(), name.begin(), name.end());
  key.Set(CKA_EC_PARAMS, by_name);
  return key;
}

// --- operations -------------------------------------------------------------

struct Job {
  const Mechanism* row;
  ParametersRef parameters;
  hsm::ObjectRef key;
  Use use() const { return {*row, parameters.get(), key}; }
};

template <typename T>
Job NewJob(const Mechanism* row, hsm::ObjectRef key, T* parameters) {
  auto parsed = ParseParameters(
      *row, {row->type, parameters, parameters == nullptr ? 0 : sizeof(T)});
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return {row, parsed.ok() ? *parsed : nullptr, std::move(key)};
}
Job NewJob(const Mechanism* row, hsm::ObjectRef key) {
  return NewJob<int>(row, std::move(key), nullptr);
}

absl::StatusOr<Bytes> Sign(const Job& job, ByteSpan message) {
  ASSIGN_OR_RETURN(auto signer, job.row->sign(job.use()));
  Bytes out(signer->size());
  ASSIGN_OR_RETURN(const size_t size,
                   signer->Sign(message, absl::MakeSpan(out)));
  out.resize(size);
  return out;
}

absl::Status Verify(const Job& job, ByteSpan message, ByteSpan signature) {
  ASSIGN_OR_RETURN(auto verifier, job.row->verify(job.use()));
  return verifier->Verify(message, signature);
}

void ExpectResult(Result expected, const absl::Status& status) {
  if (expected == Result::kValid) {
    EXPECT_TRUE(status.ok()) << status;
  }
  if (expected == Result::kInvalid) {
    EXPECT_FALSE(status.ok());
  }
}

bool OpenSslIsAtLeast(unsigned major, unsigned minor) {
  return OPENSSL_version_major() > major ||
         (OPENSSL_version_major() == major && OPENSSL_version_minor() >= minor);
}

// --- families ---------------------------------------------------------------

void ExpectPublicKey(const hsm::AttributeSet& private_key,
                     CK_ATTRIBUTE_TYPE type, const Bytes& wanted) {
  const Mechanism* row = RowNamed("CKM_PUB_KEY_FROM_PRIV_KEY");
  const Job job = NewJob(row, NewKey(private_key));
  const auto found = row->derive_public(job.use());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(base::ToBytes(found->Value(type)), wanted);
}

void RunEddsa(const Mechanism* row, Block& block) {
  hsm::AttributeSet private_key = CurveKey(CKO_PRIVATE_KEY, block);
  private_key.Set(CKA_VALUE, Hex(block, "key.value"));
  hsm::AttributeSet public_key = CurveKey(CKO_PUBLIC_KEY, block);
  const Bytes point = Hex(block, "key.point");
  public_key.Set(CKA_EC_POINT, point);
  EXPECT_TRUE(CompleteKeyMaterial(public_key).ok());
  ExpectPublicKey(private_key, CKA_EC_POINT, point);
  const bool has_context = block.Has("context");
  Bytes context = has_context ? Hex(block, "context") : Bytes();
  CK_EDDSA_PARAMS parameters = {CK_FALSE, context.size(), context.data()};
  if (has_context) parameters.phFlag = Get(block.Number("prehash")) != 0;
  CK_EDDSA_PARAMS* given = has_context ? &parameters : nullptr;
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  const auto made = Sign(NewJob(row, NewKey(private_key), given), message);
  const absl::Status verified =
      Verify(NewJob(row, NewKey(public_key), given), message, signature);
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  if (has_context && !OpenSslIsAtLeast(3, 2)) {
    EXPECT_EQ(base::CkRv(made.status()), CKR_MECHANISM_PARAM_INVALID);
    EXPECT_EQ(base::CkRv(verified), CKR_MECHANISM_PARAM_INVALID);
    return;
  }
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, signature);
  EXPECT_TRUE(verified.ok()) << verified;
}

void RunAgreement(const Mechanism* row, Block& block) {
  hsm::AttributeSet key = CurveKey(CKO_PRIVATE_KEY, block);
  key.Set(CKA_VALUE, Hex(block, "key.value"));
  Bytes point = Hex(block, "public_point");
  CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, point.size(),
                                       point.data()};
  const Job job = NewJob(row, NewKey(key), &parameters);
  const auto secret = row->derive(job.use(), 0);
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(base::ToBytes(secret->Expose()), Hex(block, "shared_secret"));
}

void RunEcdsa(const Mechanism* row, Block& block) {
  hsm::AttributeSet key = CurveKey(CKO_PUBLIC_KEY, block);
  key.Set(CKA_EC_POINT, Hex(block, "key.point"));
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  const Result expected = Get(block.ExpectedResult());
  if (!CompleteKeyMaterial(key).ok()) {  // a changed public key
    EXPECT_EQ(expected, Result::kInvalid);
    return;
  }
  const absl::Status status =
      Verify(NewJob(row, NewKey(key)), message, signature);
  ExpectResult(expected, status);
  if (!status.ok()) {
    EXPECT_EQ(base::CkRv(status), CKR_SIGNATURE_INVALID);
  }
}

CK_EC_KDF_TYPE KdfNamed(const std::string& name) {
  static const auto& numbers = *new std::map<std::string, CK_EC_KDF_TYPE>{
      {"CKD_SHA1_KDF", CKD_SHA1_KDF},
      {"CKD_SHA224_KDF", CKD_SHA224_KDF},
      {"CKD_SHA256_KDF", CKD_SHA256_KDF},
      {"CKD_SHA384_KDF", CKD_SHA384_KDF},
      {"CKD_SHA512_KDF", CKD_SHA512_KDF}};
  return numbers.at(name);
}

void RunX963(const Mechanism*, Block& block) {
  const auto kdf = EcKdfOf(KdfNamed(Get(block.Text("kdf"))));
  ASSERT_TRUE(kdf.ok()) << kdf.status();
  const Bytes wanted = Hex(block, "key");
  const auto key = RunEcKdf(*kdf, Hex(block, "secret"),
                            Hex(block, "shared_info"), wanted.size());
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(base::ToBytes(key->Expose()), wanted);
}

struct Family {
  const char* file;
  void (*run)(const Mechanism*, Block&);
  // Since this minor version of OpenSSL 3.
  unsigned since = 0;
  friend void PrintTo(const Family& family, std::ostream* out) {
    *out << family.file;
  }
};

constexpr Family kFamilies[] = {
    {"agreement", RunAgreement},
    {"ecdsa_curves", RunEcdsa},
    {"eddsa", RunEddsa},
    {"x963_kdf", RunX963},
};

absl::StatusOr<vectors::VectorFile> Open(const Family& family) {
  return vectors::VectorFile::Open(std::string(kDirectory) + "/" + family.file +
                                   ".txt");
}

class AsymmetricVectorsTest : public testing::TestWithParam<Family> {};

TEST_P(AsymmetricVectorsTest, GiveTheKnownAnswers) {
  if (!OpenSslIsAtLeast(3, GetParam().since)) {
    GTEST_SKIP() << "OpenSSL 3." << GetParam().since << " is needed";
  }
  auto file = Open(GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  for (Block& block : file->blocks()) {
    SCOPED_TRACE(block.Describe());
    const Mechanism* row = nullptr;
    if (block.Has("mechanism")) {
      row = RowNamed(Get(block.Text("mechanism")));
      ASSERT_NE(row, nullptr);
    }
    GetParam().run(row, block);
  }
  EXPECT_TRUE(file->CheckAllRead().ok()) << file->CheckAllRead();
}

INSTANTIATE_TEST_SUITE_P(All, AsymmetricVectorsTest,
                         testing::ValuesIn(kFamilies),
                         [](const testing::TestParamInfo<Family>& info) {
                           return std::string(info.param.file);
                         });

TEST(AsymmetricVectorFilesTest, AreAllRun) {
  std::set<std::string> run;
  for (const Family& family : kFamilies) run.insert(family.file);
  std::set<std::string> present;
  DIR* directory = opendir(kDirectory);
  ASSERT_NE(directory, nullptr);
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name.size() > 4 && name.substr(name.size() - 4) == ".txt") {
      present.insert(name.substr(0, name.size() - 4));
    }
  }
  closedir(directory);
  EXPECT_EQ(present, run);
}

}  // namespace

std::set<std::string> AsymmetricCoverage() {
  std::set<std::string> covered;
  for (const Family& family : kFamilies) {
    auto file = Open(family);
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) continue;
    for (Block& block : file->blocks()) {
      if (block.Has("mechanism")) covered.insert(Get(block.Text("mechanism")));
    }
  }
  for (const auto& [name, reason] : CoveredBySiblings()) covered.insert(name);
  std::set<std::string> here;
  for (const std::string& name : covered) {
    if (RowNamed(name) != nullptr) here.insert(name);
  }
  return here;
}

}  // namespace pkcs11
