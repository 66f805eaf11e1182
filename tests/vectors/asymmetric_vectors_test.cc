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
#include "pkcs11/mechanisms/iso9796.h"
#include "pkcs11/mechanisms/key_material.h"
#include "tests/vectors/vector_file.h"
#include "tests/vectors/vector_job.h"

namespace pkcs11 {
namespace {

constexpr char kDirectory[] = "tests/vectors/asymmetric";

// Mechanisms without vectors of their own, with the reason.
const std::map<std::string, std::string>& CoveredBySiblings() {
  static const auto& covered = *new std::map<std::string, std::string>{
      {"CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS", "generation"},
      {"CKM_EC_EDWARDS_KEY_PAIR_GEN", "generation"},
      {"CKM_EC_MONTGOMERY_KEY_PAIR_GEN", "generation"},
      {"CKM_DSA", "as CKM_ECDSA: the digest of CKM_DSA_SHA..."},
      {"CKM_DSA_PARAMETER_GEN", "generation"},
      {"CKM_DSA_KEY_PAIR_GEN", "generation"},
      {"CKM_DH_PKCS_PARAMETER_GEN", "generation"},
      {"CKM_DH_PKCS_KEY_PAIR_GEN", "generation"},
      {"CKM_X9_42_DH_PARAMETER_GEN", "generation"},
      {"CKM_X9_42_DH_KEY_PAIR_GEN", "generation"},
      {"CKM_ML_KEM_KEY_PAIR_GEN", "generation"},
      {"CKM_ML_DSA_KEY_PAIR_GEN", "generation"},
      {"CKM_SLH_DSA_KEY_PAIR_GEN", "generation"},
      {"CKM_HASH_ML_DSA", "pqc_test compares it with the hashing forms"},
      {"CKM_HASH_SLH_DSA", "pqc_test compares it with the hashing forms"},
      {"CKM_PUB_KEY_FROM_PRIV_KEY",
       "RunEddsa compares the public key that follows from the private one"},
  };
  return covered;
}

// --- reading blocks ---------------------------------------------------------

// Null when this process's OpenSSL does not have the mechanism.
const Mechanism* FindRow(absl::string_view name) {
  for (const Mechanism* row : Registry::Get().rows()) {
    if (row->name == name) return row;
  }
  return nullptr;
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

// `parameters` points to a structure, or to nothing.
template <typename T>
VectorJob JobFor(const Mechanism* row, const hsm::AttributeSet& key,
                 T* parameters) {
  auto job = NewJob(row, NewKey(key), parameters,
                    parameters == nullptr ? 0 : sizeof(T));
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}
VectorJob JobFor(const Mechanism* row, const hsm::AttributeSet& key) {
  return JobFor<int>(row, key, nullptr);
}

bool OpenSslIsAtLeast(unsigned major, unsigned minor) {
  return OPENSSL_version_major() > major ||
         (OPENSSL_version_major() == major && OPENSSL_version_minor() >= minor);
}

// --- families ---------------------------------------------------------------

void ExpectPublicKey(const hsm::AttributeSet& private_key,
                     CK_ATTRIBUTE_TYPE type, const Bytes& wanted) {
  const Mechanism* row = RowNamed("CKM_PUB_KEY_FROM_PRIV_KEY");
  const VectorJob job = JobFor(row, private_key);
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
  const auto made = RunSign(JobFor(row, private_key, given), message);
  const absl::Status verified =
      RunVerify(JobFor(row, public_key, given), message, signature);
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
  const VectorJob job = JobFor(row, key, &parameters);
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
  ExpectSignature(expected, RunVerify(JobFor(row, key), message, signature));
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

// --- RSA ---------------------------------------------------------------------

hsm::AttributeSet RsaPublic(Block& block) {
  hsm::AttributeSet key = KeyOf(CKO_PUBLIC_KEY, CKK_RSA);
  key.Set(CKA_MODULUS, Hex(block, "key.modulus"));
  key.Set(CKA_PUBLIC_EXPONENT, Hex(block, "key.public_exponent"));
  return key;
}

// Extractable, so that CKM_RSA_X_509 may use it.
hsm::AttributeSet RsaPrivate(Block& block) {
  hsm::AttributeSet key = RsaPublic(block);
  key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  key.SetBool(CKA_SENSITIVE, false);
  key.SetBool(CKA_EXTRACTABLE, true);
  key.Set(CKA_PRIVATE_EXPONENT, Hex(block, "key.private_exponent"));
  key.Set(CKA_PRIME_1, Hex(block, "key.prime_1"));
  key.Set(CKA_PRIME_2, Hex(block, "key.prime_2"));
  key.Set(CKA_EXPONENT_1, Hex(block, "key.exponent_1"));
  key.Set(CKA_EXPONENT_2, Hex(block, "key.exponent_2"));
  key.Set(CKA_COEFFICIENT, Hex(block, "key.coefficient"));
  return key;
}

void RunRsaSignature(const Mechanism* row, Block& block) {
  const Result expected = Get(block.ExpectedResult());
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  ExpectSignature(expected,
                  RunVerify(JobFor(row, RsaPublic(block)), message, signature));
  if (!block.Has("key.private_exponent")) return;
  const auto made = RunSign(JobFor(row, RsaPrivate(block)), message);
  if (expected == Result::kValid) {
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(*made, signature);
  }
}

// Signs, verifies, recovers, encrypts and decrypts: all the same function.
void RunRsaRaw(const Mechanism* row, Block& block) {
  RunRsaSignature(row, block);
  if (Get(block.ExpectedResult()) != Result::kValid) return;
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  const VectorJob of_public = JobFor(row, RsaPublic(block));
  const VectorJob of_private = JobFor(row, RsaPrivate(block));
  EXPECT_EQ(*RunCipher(row->verify_recover, of_public, signature), message);
  EXPECT_EQ(*RunCipher(row->encrypt, of_public, signature), message);
  EXPECT_EQ(*RunCipher(row->decrypt, of_private, message), signature);
}

CK_RSA_PKCS_MGF_TYPE MgfNamed(const std::string& name) {
  static const auto& numbers = *new std::map<std::string, CK_ULONG>{
      {"CKG_MGF1_SHA1", CKG_MGF1_SHA1},
      {"CKG_MGF1_SHA256", CKG_MGF1_SHA256},
      {"CKG_MGF1_SHA512", CKG_MGF1_SHA512},
      {"CKG_MGF1_SHA3_224", CKG_MGF1_SHA3_224},
      {"CKG_MGF1_SHA3_256", CKG_MGF1_SHA3_256},
      {"CKG_MGF1_SHA3_384", CKG_MGF1_SHA3_384},
      {"CKG_MGF1_SHA3_512", CKG_MGF1_SHA3_512}};
  return numbers.at(name);
}

void RunRsaPss(const Mechanism* row, Block& block) {
  CK_RSA_PKCS_PSS_PARAMS parameters = {RowNamed(Get(block.Text("hash")))->type,
                                       MgfNamed(Get(block.Text("mgf"))),
                                       Get(block.Number("salt_length"))};
  ExpectSignature(Get(block.ExpectedResult()),
                  RunVerify(JobFor(row, RsaPublic(block), &parameters),
                            Hex(block, "message"), Hex(block, "signature")));
}

// --- wrapping
// The intermediate integer is what the signature's e-th power is, or its
// complement. These moduli are too short for a key of ours.
void RunIso9796(const Mechanism*, Block& block) {
  const size_t bits = Get(block.Number("modulus_bits"));
  const size_t unused = Get(block.Number("unused_bits"));
  const Bytes message = Hex(block, "message");
  const Bytes encoded = Hex(block, "encoded");
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  EXPECT_EQ(Iso9796Encode(message, unused, bits), encoded);
  if (unused != 0) return;
  const auto found = Iso9796Decode(encoded, bits);
  ASSERT_TRUE(found.has_value());
  // A message that repeats itself is found in its shortest form.
  EXPECT_EQ(Iso9796Encode(*found, 0, bits), encoded);
}

// -----------------------------------------------------------------

void ExpectUnwrapped(const VectorJob& job, Block& block) {
  const auto plain = job.row->unwrap(job.use(), Hex(block, "wrapped"));
  const Bytes wanted = Hex(block, "plaintext");
  if (Get(block.ExpectedResult()) == Result::kInvalid) {
    EXPECT_EQ(base::CkRv(plain.status()), CKR_WRAPPED_KEY_INVALID);
    return;
  }
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(base::ToBytes(plain->Expose()), wanted);
  // And the other way, which gives something new every time.
  const hsm::AttributeSet public_key = *PublicKeyOf(job.key->attributes());
  const VectorJob wrapper = {job.row, job.parameters, NewKey(public_key)};
  const auto wrapped = job.row->wrap(wrapper.use(), wanted);
  ASSERT_TRUE(wrapped.ok()) << wrapped.status();
  const auto again = job.row->unwrap(job.use(), *wrapped);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(base::ToBytes(again->Expose()), wanted);
}

void RunHybridWrap(const Mechanism* row, Block& block) {
  const CK_ULONG bits = Get(block.Number("aes_bits"));
  if (block.Has("kdf")) {
    hsm::AttributeSet key = CurveKey(CKO_PRIVATE_KEY, block);
    key.Set(CKA_VALUE, Hex(block, "key.value"));
    Bytes shared = Hex(block, "shared_info");
    CK_ECDH_AES_KEY_WRAP_PARAMS parameters = {
        bits, KdfNamed(Get(block.Text("kdf"))), shared.size(), shared.data()};
    ExpectUnwrapped(JobFor(row, key, &parameters), block);
    return;
  }
  Bytes label = Hex(block, "label");
  CK_RSA_PKCS_OAEP_PARAMS oaep = {
      RowNamed(Get(block.Text("hash")))->type, MgfNamed(Get(block.Text("mgf"))),
      CKZ_DATA_SPECIFIED, label.data(), label.size()};
  CK_RSA_AES_KEY_WRAP_PARAMS parameters = {bits, &oaep};
  ExpectUnwrapped(JobFor(row, RsaPrivate(block), &parameters), block);
}

// --- finite fields -----------------------------------------------------------

hsm::AttributeSet FfcKey(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type,
                         Block& block) {
  hsm::AttributeSet key = KeyOf(object_class, type);
  key.Set(CKA_PRIME, Hex(block, "key.prime"));
  if (type != CKK_DH) key.Set(CKA_SUBPRIME, Hex(block, "key.subprime"));
  key.Set(CKA_BASE, Hex(block, "key.base"));
  return key;
}

void RunDsa(const Mechanism* row, Block& block) {
  hsm::AttributeSet key = FfcKey(CKO_PUBLIC_KEY, CKK_DSA, block);
  key.Set(CKA_VALUE, Hex(block, "key.public"));
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  const Result expected = Get(block.ExpectedResult());
  if (!CompleteKeyMaterial(key).ok()) {  // a changed public key
    EXPECT_EQ(expected, Result::kInvalid);
    return;
  }
  ExpectSignature(expected, RunVerify(JobFor(row, key), message, signature));
}

void RunDh(const Mechanism* row, Block& block) {
  hsm::AttributeSet key = FfcKey(CKO_PRIVATE_KEY, row->key_type, block);
  key.Set(CKA_VALUE, Hex(block, "key.value"));
  EXPECT_TRUE(CompleteKeyMaterial(key).ok());
  Bytes peer = Hex(block, "public_value");
  CK_X9_42_DH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, peer.size(),
                                           peer.data()};
  const auto job =
      row->key_type == CKK_DH
          ? NewJob(row, NewKey(key), peer.data(), peer.size())
          : NewJob(row, NewKey(key), &parameters, sizeof(parameters));
  ASSERT_TRUE(job.ok()) << job.status();
  const auto secret = row->derive(job->use(), 0);
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(base::ToBytes(secret->Expose()), Hex(block, "shared_secret"));
}

// --- post-quantum ------------------------------------------------------------

CK_ULONG SetNamed(const std::string& name) {
  static const auto& numbers = *new std::map<std::string, CK_ULONG>{
      {"CKP_ML_KEM_512", CKP_ML_KEM_512},
      {"CKP_ML_KEM_768", CKP_ML_KEM_768},
      {"CKP_ML_KEM_1024", CKP_ML_KEM_1024},
      {"CKP_ML_DSA_44", CKP_ML_DSA_44},
      {"CKP_ML_DSA_65", CKP_ML_DSA_65},
      {"CKP_ML_DSA_87", CKP_ML_DSA_87},
      {"CKP_SLH_DSA_SHA2_128S", CKP_SLH_DSA_SHA2_128S},
      {"CKP_SLH_DSA_SHAKE_128S", CKP_SLH_DSA_SHAKE_128S}};
  return numbers.at(name);
}

// Public and private key; the private one completed from its seed alone where
// there is one, which must give the block's value.
std::pair<hsm::AttributeSet, hsm::AttributeSet> PqcKeys(const Mechanism* row,
                                                        Block& block) {
  const CK_ULONG set = SetNamed(Get(block.Text("key.set")));
  hsm::AttributeSet public_key = KeyOf(CKO_PUBLIC_KEY, row->key_type);
  public_key.SetUlong(CKA_PARAMETER_SET, set);
  public_key.Set(CKA_VALUE, Hex(block, "key.public"));
  hsm::AttributeSet private_key = KeyOf(CKO_PRIVATE_KEY, row->key_type);
  private_key.SetUlong(CKA_PARAMETER_SET, set);
  const Bytes value = Hex(block, "key.value");
  if (block.Has("key.seed")) {
    private_key.Set(CKA_SEED, Hex(block, "key.seed"));
    const auto added = CompleteKeyMaterial(private_key);
    EXPECT_TRUE(added.ok()) << added.status();
    if (added.ok()) {
      EXPECT_EQ(base::ToBytes(added->Value(CKA_VALUE)), value);
    }
  }
  private_key.Set(CKA_VALUE, value);
  const auto found = PublicKeyOf(private_key);
  EXPECT_TRUE(found.ok()) << found.status();
  if (found.ok()) {
    EXPECT_TRUE(public_key.Matches(*found));
  }
  EXPECT_TRUE(CompleteKeyMaterial(public_key).ok());
  return {public_key, private_key};
}

void RunMlKem(const Mechanism* row, Block& block) {
  const auto [public_key, private_key] = PqcKeys(row, block);
  const VectorJob job = JobFor(row, private_key);
  const auto secret = row->decapsulate(job.use(), Hex(block, "ciphertext"), 0);
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(base::ToBytes(secret->Expose()), Hex(block, "secret"));
  const VectorJob sender = JobFor(row, public_key);
  const auto made = row->encapsulate(sender.use(), 32);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto back = row->decapsulate(job.use(), made->ciphertext, 32);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(back->Equals(made->secret));
}

void RunPqcSignature(const Mechanism* row, Block& block) {
  const auto [public_key, private_key] = PqcKeys(row, block);
  Bytes context = Hex(block, "context");
  Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  CK_SIGN_ADDITIONAL_CONTEXT parameters = {CKH_DETERMINISTIC_REQUIRED,
                                           context.data(), context.size()};
  const auto made = RunSign(JobFor(row, private_key, &parameters), message);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, signature);
  const VectorJob verifier = JobFor(row, public_key, &parameters);
  EXPECT_TRUE(RunVerify(verifier, message, signature).ok());
  message.push_back(0);
  EXPECT_EQ(base::CkRv(RunVerify(verifier, message, signature)),
            CKR_SIGNATURE_INVALID);
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
    {"dh", RunDh},
    {"dsa", RunDsa},
    {"ecdsa_curves", RunEcdsa},
    {"ecdsa_sha3", RunEcdsa},
    {"eddsa", RunEddsa},
    {"hybrid_wrap", RunHybridWrap},
    {"iso9796", RunIso9796},
    {"ml_kem", RunMlKem, 5},
    {"pqc_signature", RunPqcSignature, 5},
    {"rsa_pss", RunRsaPss},
    {"rsa_raw", RunRsaRaw},
    {"rsa_signature", RunRsaSignature},
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
      row = FindRow(Get(block.Text("mechanism")));
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
  // One hash is as good as the other: they differ in one byte of a prefix.
  for (const Mechanism* row : Registry::Get().rows()) {
    const std::string name = row->name;
    if (name.find("CKM_HASH_ML_DSA_SHA") == 0 ||
        name.find("CKM_HASH_SLH_DSA_SHA") == 0) {
      covered.insert(name);
    }
  }
  std::set<std::string> here;
  for (const std::string& name : covered) {
    if (FindRow(name) != nullptr) here.insert(name);
  }
  return here;
}

}  // namespace pkcs11
