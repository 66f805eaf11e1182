// Runs every file of known answers through the rows of the mechanism
// registry: objects made from attributes, no sessions. A field that is not
// read, a file that is not run and a mechanism without vectors fail.
#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <ostream>
#include <regex>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vectors/asymmetric_vectors.h"
#include "tests/vectors/symmetric_vectors.h"
#include "tests/vectors/vector_job.h"

namespace pkcs11 {
namespace {

// RSA keys below this only verify (a policy of ours).
constexpr size_t kMinRsaBytes = 2048 / 8;

// Mechanisms that have no file of their own, with the reason.
constexpr char kCipherModes[] = "tests/conformance/cipher_modes_test.cc";
constexpr char kKeyDerivation[] = "tests/conformance/key_derivation_test.cc";
constexpr char kEncryptData[] = "tests/conformance/encrypt_data_test.cc";
constexpr char kTls12[] = "tests/conformance/tls12_test.cc";
constexpr char kBip32[] = "tests/e2e/bip32_test.cc";
constexpr char kSp800108[] = "tests/conformance/sp800_108_test.cc";

const std::map<std::string, std::string>& CoveredBySiblings() {
  static const auto& covered = *new std::map<std::string, std::string>{
      {"CKM_ECDSA", "RunEcdsa gives it the digests of CKM_ECDSA_SHA..."},
      {"CKM_RSA_PKCS_PSS",
       "RunRsaPss gives it the digests of CKM_SHA..._RSA_PKCS_PSS"},
      {"CKM_AES_KEY_GEN", "generation"},
      {"CKM_GENERIC_SECRET_KEY_GEN", "generation"},
      {"CKM_EC_KEY_PAIR_GEN", "generation"},
      {"CKM_RSA_PKCS_KEY_PAIR_GEN", "generation"},
      {"CKM_HKDF_KEY_GEN", "generation"},
      {"CKM_AES_OFB", kCipherModes},
      {"CKM_AES_CFB1", kCipherModes},
      {"CKM_AES_CFB8", kCipherModes},
      {"CKM_POLY1305", kCipherModes},
      {"CKM_POLY1305_KEY_GEN", "generation"},
      {"CKM_AES_KEY_WRAP_PKCS7", "tests/conformance/wrap_test.cc"},
      {"CKM_AES_KEY_WRAP_PAD", "tests/conformance/wrap_test.cc"},
      {"CKM_AES_CFB128", kCipherModes},
      {"CKM_AES_CTS", kCipherModes},
      {"CKM_AES_XTS", kCipherModes},
      {"CKM_CAMELLIA_ECB", kCipherModes},
      {"CKM_CAMELLIA_CBC", kCipherModes},
      {"CKM_CAMELLIA_CBC_PAD", kCipherModes},
      {"CKM_CAMELLIA_CTR", kCipherModes},
      {"CKM_DES_KEY_GEN", "generation"},
      {"CKM_DES_CBC_PAD", "tests/e2e/legacy_test.cc"},
      {"CKM_DES_ECB_ENCRYPT_DATA", "tests/e2e/legacy_test.cc"},
      {"CKM_DES_CBC_ENCRYPT_DATA", "tests/e2e/legacy_test.cc"},
      {"CKM_DES3_ECB", kCipherModes},
      {"CKM_DES3_CBC", kCipherModes},
      {"CKM_DES3_CBC_PAD", kCipherModes},
      {"CKM_CHACHA20", kCipherModes},
      {"CKM_AES_CCM", kCipherModes},
      {"CKM_CHACHA20_POLY1305", kCipherModes},
      {"CKM_AES_CMAC", kCipherModes},
      {"CKM_AES_CMAC_GENERAL", kCipherModes},
      {"CKM_DES3_CMAC", kCipherModes},
      {"CKM_DES3_CMAC_GENERAL", kCipherModes},
      {"CKM_AES_GMAC", kCipherModes},
      {"CKM_AES_XTS_KEY_GEN", "generation"},
      {"CKM_CAMELLIA_KEY_GEN", "generation"},
      {"CKM_DES2_KEY_GEN", "generation"},
      {"CKM_DES3_KEY_GEN", "generation"},
      {"CKM_CHACHA20_KEY_GEN", "generation"},
      {"CKM_CONCATENATE_BASE_AND_DATA", kKeyDerivation},
      {"CKM_CONCATENATE_BASE_AND_KEY", kKeyDerivation},
      {"CKM_CONCATENATE_DATA_AND_BASE", kKeyDerivation},
      {"CKM_EXTRACT_KEY_FROM_KEY", kKeyDerivation},
      {"CKM_HKDF_DERIVE", kKeyDerivation},
      {"CKM_HKDF_DATA", kKeyDerivation},
      {"CKM_PKCS5_PBKD2", kKeyDerivation},
      {"CKM_XOR_BASE_AND_DATA", kKeyDerivation},
      {"CKM_AES_ECB_ENCRYPT_DATA", kEncryptData},
      {"CKM_AES_CBC_ENCRYPT_DATA", kEncryptData},
      {"CKM_CAMELLIA_ECB_ENCRYPT_DATA", kEncryptData},
      {"CKM_CAMELLIA_CBC_ENCRYPT_DATA", kEncryptData},
      {"CKM_DES3_ECB_ENCRYPT_DATA", kEncryptData},
      {"CKM_DES3_CBC_ENCRYPT_DATA", kEncryptData},
      {"CKM_TLS_PRE_MASTER_KEY_GEN", kTls12},
      {"CKM_TLS_PRF", kTls12},
      {"CKM_TLS_MAC", kTls12},
      {"CKM_TLS_KDF", kTls12},
      {"CKM_TLS12_KDF", kTls12},
      {"CKM_BIP32_MASTER_DERIVE", kBip32},
      {"CKM_BIP32_CHILD_DERIVE", kBip32},
      {"CKM_TLS12_MAC", kTls12},
      {"CKM_TLS12_MASTER_KEY_DERIVE", kTls12},
      {"CKM_TLS12_MASTER_KEY_DERIVE_DH", kTls12},
      {"CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE", kTls12},
      {"CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH", kTls12},
      {"CKM_TLS12_KEY_AND_MAC_DERIVE", kTls12},
      {"CKM_TLS12_KEY_SAFE_DERIVE", kTls12},
      {"CKM_SP800_108_COUNTER_KDF", kSp800108},
      {"CKM_SP800_108_FEEDBACK_KDF", kSp800108},
      {"CKM_SP800_108_DOUBLE_PIPELINE_KDF", kSp800108},
  };
  return covered;
}

// --- reading blocks ---------------------------------------------------------

CK_MECHANISM_TYPE HashOf(Block& block) {
  return RowNamed(Get(block.Text("hash")))->type;
}

CK_RSA_PKCS_MGF_TYPE MgfOf(Block& block) {
  static const auto& numbers = *new std::map<std::string, CK_ULONG>{
      {"CKG_MGF1_SHA1", CKG_MGF1_SHA1},
      {"CKG_MGF1_SHA224", CKG_MGF1_SHA224},
      {"CKG_MGF1_SHA256", CKG_MGF1_SHA256},
      {"CKG_MGF1_SHA384", CKG_MGF1_SHA384},
      {"CKG_MGF1_SHA512", CKG_MGF1_SHA512}};
  return numbers.at(Get(block.Text("mgf")));
}

// --- keys and operations ----------------------------------------------------

hsm::ObjectRef RsaPublicKey(Block& block) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  key.Set(CKA_MODULUS, Hex(block, "key.modulus"));
  key.Set(CKA_PUBLIC_EXPONENT, Hex(block, "key.public_exponent"));
  return NewKey(key);
}

// Null if the block has only a public key, or one that may only verify.
hsm::ObjectRef RsaPrivateKey(Block& block) {
  if (!block.Has("key.private_exponent")) return nullptr;
  hsm::AttributeSet key = RsaPublicKey(block)->attributes();
  key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  key.Set(CKA_PRIVATE_EXPONENT, Hex(block, "key.private_exponent"));
  key.Set(CKA_PRIME_1, Hex(block, "key.prime_1"));
  key.Set(CKA_PRIME_2, Hex(block, "key.prime_2"));
  key.Set(CKA_EXPONENT_1, Hex(block, "key.exponent_1"));
  key.Set(CKA_EXPONENT_2, Hex(block, "key.exponent_2"));
  key.Set(CKA_COEFFICIENT, Hex(block, "key.coefficient"));
  const auto completed = CompleteKeyMaterial(key);
  if (KeySizeOf(key) < 8 * kMinRsaBytes) {
    EXPECT_EQ(base::CkRv(completed.status()), CKR_KEY_SIZE_RANGE);
    return nullptr;
  }
  EXPECT_TRUE(completed.ok()) << completed.status();
  return NewKey(key);
}

Bytes CurveOid(absl::string_view curve) {
  if (curve == "P-256") {
    return {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  }
  if (curve == "P-384") return {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
  if (curve == "P-521") return {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
  ADD_FAILURE() << "unknown curve";
  return {};
}

hsm::AttributeSet EcKey(CK_OBJECT_CLASS object_class, Block& block) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, object_class);
  key.SetUlong(CKA_KEY_TYPE, CKK_EC);
  key.Set(CKA_EC_PARAMS, CurveOid(Get(block.Text("key.curve"))));
  return key;
}

// --- families ---------------------------------------------------------------

void RunAesEcb(Block& block) {
  const auto job =
      NewJob(RowOf(block), SecretKey(CKK_AES, Hex(block, "key.value")));
  ASSERT_TRUE(job.ok()) << job.status();
  RunBothWays(block, *job, Hex(block, "ciphertext"));
}

void RunAesCbc(Block& block) {
  Bytes iv = Hex(block, "iv");
  const auto job =
      NewJob(RowOf(block), SecretKey(CKK_AES, Hex(block, "key.value")),
             iv.data(), iv.size());
  ASSERT_TRUE(job.ok()) << job.status();
  RunBothWays(block, *job, Hex(block, "ciphertext"));
}

void RunDes(Block& block) {
  Bytes iv = block.Has("iv") ? Hex(block, "iv") : Bytes();
  const auto job =
      NewJob(RowOf(block), SecretKey(CKK_DES, Hex(block, "key.value")),
             iv.empty() ? nullptr : iv.data(), iv.size());
  ASSERT_TRUE(job.ok()) << job.status();
  RunBothWays(block, *job, Hex(block, "ciphertext"));
}

void RunAesCtr(Block& block) {
  CK_AES_CTR_PARAMS parameters = {Get(block.Number("counter_bits")), {}};
  const Bytes counter = Hex(block, "iv");
  std::copy(counter.begin(), counter.end(), parameters.cb);
  const auto job =
      NewJob(RowOf(block), SecretKey(CKK_AES, Hex(block, "key.value")),
             &parameters, sizeof(parameters));
  ASSERT_TRUE(job.ok()) << job.status();
  RunBothWays(block, *job, Hex(block, "ciphertext"));
}

void RunAesGcm(Block& block) {
  Bytes iv = Hex(block, "iv");
  Bytes aad = Hex(block, "aad");
  const Bytes tag = Hex(block, "tag");
  CK_GCM_PARAMS parameters = {iv.data(),  iv.size(),  8 * iv.size(),
                              aad.data(), aad.size(), 8 * tag.size()};
  const auto job =
      NewJob(RowOf(block), SecretKey(CKK_AES, Hex(block, "key.value")),
             &parameters, sizeof(parameters));
  Bytes sealed = Hex(block, "ciphertext");
  sealed.insert(sealed.end(), tag.begin(), tag.end());
  if (!job.ok()) {  // an empty IV
    EXPECT_EQ(base::CkRv(job.status()), CKR_MECHANISM_PARAM_INVALID);
    ExpectResult(Get(block.ExpectedResult()), job.status());
    return;
  }
  RunBothWays(block, *job, sealed);
}

void RunAesWrap(Block& block) {
  const auto job =
      NewJob(RowOf(block), SecretKey(CKK_AES, Hex(block, "key.value")));
  ASSERT_TRUE(job.ok()) << job.status();
  const Result expected = Get(block.ExpectedResult());
  if (block.Has("ciphertext")) {
    const Bytes wrapped = Hex(block, "ciphertext");
    const auto plain = job->row->unwrap(job->use(), wrapped);
    ExpectResult(expected, plain.status());
    if (plain.ok()) {
      EXPECT_TRUE(plain->Equals(Hex(block, "plaintext")));
    }
    if (!plain.ok()) {
      EXPECT_THAT(
          base::CkRv(plain.status()),
          testing::AnyOf(CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE));
    }
    RunBothWays(block, *job, wrapped);
  }
  if (!block.Has("plaintext")) return;
  const auto wrapped = job->row->wrap(job->use(), Hex(block, "plaintext"));
  ExpectResult(expected, wrapped.status());
  if (wrapped.ok()) {
    EXPECT_EQ(*wrapped, Hex(block, "ciphertext"));
  }
  if (!wrapped.ok()) {
    EXPECT_EQ(base::CkRv(wrapped.status()), CKR_KEY_SIZE_RANGE);
  }
}

void RunDigest(Block& block) {
  EXPECT_EQ(Get(block.ExpectedResult()), Result::kValid);
  EXPECT_EQ(Digest(RowOf(block), Hex(block, "message")), Hex(block, "digest"));
}

void RunHmac(Block& block) {
  CK_MAC_GENERAL_PARAMS size = 0;
  const bool is_general = block.Has("tag_length");
  if (is_general) size = Get(block.Number("tag_length"));
  const auto job = NewJob(
      RowOf(block), SecretKey(CKK_GENERIC_SECRET, Hex(block, "key.value")),
      is_general ? &size : nullptr, is_general ? sizeof(size) : 0);
  ASSERT_TRUE(job.ok()) << job.status();
  const Bytes message = Hex(block, "message");
  const Bytes tag = Hex(block, "tag");
  const Result expected = Get(block.ExpectedResult());
  ExpectSignature(expected, RunVerify(*job, message, tag));
  if (expected != Result::kValid) return;
  const auto made = RunSign(*job, message);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, tag);
}

void RunEcdsa(Block& block) {
  hsm::AttributeSet key = EcKey(CKO_PUBLIC_KEY, block);
  key.Set(CKA_EC_POINT, Hex(block, "key.point"));
  const auto completed = CompleteKeyMaterial(key);
  Result expected = Get(block.ExpectedResult());
  const Mechanism* row = RowOf(block);
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  if (!completed.ok()) {  // a changed public key
    EXPECT_EQ(base::CkRv(completed.status()), CKR_ATTRIBUTE_VALUE_INVALID);
    ExpectResult(expected, completed.status());
    return;
  }
  // PKCS #11 allows short halves of equal length, as other standards do not.
  const size_t full_size = (KeySizeOf(key) + 7) / 8 * 2;
  if (signature.size() < full_size && signature.size() % 2 == 0 &&
      !signature.empty()) {
    expected = Result::kAcceptable;
  }
  const hsm::ObjectRef object = NewKey(key);
  ExpectSignature(expected,
                  RunVerify(*NewJob(row, object), message, signature));
  // The digest's mechanism has the name behind "CKM_ECDSA_".
  const std::string hash =
      "CKM_" + std::string(row->name).substr(std::string("CKM_ECDSA_").size());
  ExpectSignature(expected,
                  RunVerify(*NewJob(RowNamed("CKM_ECDSA"), object),
                            Digest(RowNamed(hash), message), signature));
}

void RunEcdh(Block& block) {
  hsm::AttributeSet key = EcKey(CKO_PRIVATE_KEY, block);
  key.Set(CKA_VALUE, Hex(block, "key.value"));
  const Result expected = Get(block.ExpectedResult());
  Bytes point = Hex(block, "public_point");
  CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, point.size(),
                                       point.data()};
  const auto job =
      NewJob(RowOf(block), NewKey(key), &parameters, sizeof(parameters));
  auto secret = job.ok() ? job->row->derive(job->use(), 0)
                         : absl::StatusOr<SecretBytes>(job.status());
  ExpectResult(expected, secret.status());
  if (!secret.ok()) {
    EXPECT_THAT(
        base::CkRv(secret.status()),
        testing::AnyOf(CKR_PUBLIC_KEY_INVALID, CKR_MECHANISM_PARAM_INVALID));
  }
  if (expected == Result::kInvalid) return;
  const Bytes wanted = Hex(block, "shared_secret");
  if (secret.ok()) {
    EXPECT_TRUE(secret->Equals(wanted));
  }
}

void RunRsaSignature(Block& block) {
  const Mechanism* row = RowOf(block);
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  const Result expected = Get(block.ExpectedResult());
  ExpectSignature(expected, RunVerify(*NewJob(row, RsaPublicKey(block)),
                                      message, signature));
  const hsm::ObjectRef private_key = RsaPrivateKey(block);
  if (private_key == nullptr || expected != Result::kValid) return;
  const auto made = RunSign(*NewJob(row, private_key), message);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, signature);
}

void RunRsaPss(Block& block) {
  CK_RSA_PKCS_PSS_PARAMS parameters = {HashOf(block), MgfOf(block),
                                       Get(block.Number("salt_length"))};
  const Mechanism* row = RowOf(block);
  const hsm::ObjectRef key = RsaPublicKey(block);
  const Bytes message = Hex(block, "message");
  const Bytes signature = Hex(block, "signature");
  const Result expected = Get(block.ExpectedResult());
  const auto job = NewJob(row, key, &parameters, sizeof(parameters));
  ASSERT_TRUE(job.ok()) << job.status();
  ExpectSignature(expected, RunVerify(*job, message, signature));
  const auto raw = NewJob(RowNamed("CKM_RSA_PKCS_PSS"), key, &parameters,
                          sizeof(parameters));
  ASSERT_TRUE(raw.ok()) << raw.status();
  const Bytes digest =
      Digest(Registry::Get().Find(parameters.hashAlg), message);
  ExpectSignature(expected, RunVerify(*raw, digest, signature));
}

void RunRsaOaep(Block& block) {
  Bytes label = Hex(block, "label");
  CK_RSA_PKCS_OAEP_PARAMS parameters = {HashOf(block), MgfOf(block),
                                        CKZ_DATA_SPECIFIED, label.data(),
                                        label.size()};
  const Mechanism* row = RowOf(block);
  const hsm::ObjectRef key = RsaPrivateKey(block);
  const Bytes ciphertext = Hex(block, "ciphertext");
  const Result expected = Get(block.ExpectedResult());
  const Bytes plaintext =
      expected == Result::kInvalid ? Bytes() : Hex(block, "plaintext");
  if (key == nullptr) return;
  const auto job = NewJob(row, key, &parameters, sizeof(parameters));
  ASSERT_TRUE(job.ok()) << job.status();
  const auto decrypted = RunCipher(row->decrypt, *job, ciphertext);
  ExpectResult(expected, decrypted.status());
  if (decrypted.ok()) {
    EXPECT_EQ(*decrypted, plaintext);
  }
  const auto unwrapped = row->unwrap(job->use(), ciphertext);
  ExpectResult(expected, unwrapped.status());
}

// An invalid padding gives a message that is not the one in the source.
void RunRsaDecrypt(Block& block) {
  const Mechanism* row = RowOf(block);
  const hsm::ObjectRef key = RsaPrivateKey(block);
  const Bytes ciphertext = Hex(block, "ciphertext");
  const Result expected = Get(block.ExpectedResult());
  const Bytes plaintext = expected == Result::kInvalid
                              ? Bytes{0x54, 0x65, 0x73, 0x74}
                              : Hex(block, "plaintext");
  if (key == nullptr) return;
  const auto job = NewJob(row, key);
  ASSERT_TRUE(job.ok()) << job.status();
  const auto decrypted = RunCipher(row->decrypt, *job, ciphertext);
  if (expected == Result::kInvalid) {
    if (decrypted.ok()) {
      EXPECT_NE(*decrypted, plaintext);
    }
    return;
  }
  ASSERT_TRUE(decrypted.ok()) << decrypted.status();
  EXPECT_EQ(*decrypted, plaintext);
}

struct Family {
  const char* file;
  void (*run)(Block&);
  friend void PrintTo(const Family& family, std::ostream* out) {
    *out << family.file;
  }
};

constexpr Family kFamilies[] = {
    {"aes_cbc.txt", RunAesCbc},
    {"aes_cbc_pad.txt", RunAesCbc},
    {"aes_ctr.txt", RunAesCtr},
    {"aes_ecb.txt", RunAesEcb},
    {"aes_gcm.txt", RunAesGcm},
    {"aes_key_wrap.txt", RunAesWrap},
    {"aes_key_wrap_kwp.txt", RunAesWrap},
    {"des.txt", RunDes},
    {"ecdh.txt", RunEcdh},
    {"ecdsa.txt", RunEcdsa},
    {"ecdsa_sha224.txt", RunEcdsa},
    {"hmac.txt", RunHmac},
    {"rsa_oaep.txt", RunRsaOaep},
    {"rsa_pkcs1_decrypt.txt", RunRsaDecrypt},
    {"rsa_pkcs1_implicit.txt", RunRsaDecrypt},
    {"rsa_pkcs1_raw.txt", RunRsaSignature},
    {"rsa_pkcs1_signature.txt", RunRsaSignature},
    {"rsa_pss.txt", RunRsaPss},
    {"rsa_pss_sha224.txt", RunRsaPss},
    {"rsa_sha224.txt", RunRsaSignature},
    {"sha1.txt", RunDigest},
    {"sha2.txt", RunDigest},
};

std::string PathOf(const char* file) {
  return std::string(vectors::kVectorsDirectory) + "/" + file;
}

class VectorsTest : public testing::TestWithParam<Family> {};

TEST_P(VectorsTest, GiveTheKnownAnswers) {
  auto file = vectors::VectorFile::Open(PathOf(GetParam().file));
  ASSERT_TRUE(file.ok()) << file.status();
  for (Block& block : file->blocks()) {
    SCOPED_TRACE(block.Describe());
    GetParam().run(block);
  }
  EXPECT_TRUE(file->CheckAllRead().ok()) << file->CheckAllRead();
}

INSTANTIATE_TEST_SUITE_P(All, VectorsTest, testing::ValuesIn(kFamilies),
                         [](const testing::TestParamInfo<Family>& info) {
                           std::string name = info.param.file;
                           name = name.substr(0, name.find('.'));
                           std::replace(name.begin(), name.end(), '_', ' ');
                           name.erase(
                               std::remove(name.begin(), name.end(), ' '),
                               name.end());
                           return name;
                         });

TEST(VectorFilesTest, AreAllRun) {
  std::set<std::string> run;
  for (const Family& family : kFamilies) run.insert(family.file);
  std::set<std::string> present;
  DIR* directory = opendir(vectors::kVectorsDirectory);
  ASSERT_NE(directory, nullptr);
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name.size() > 4 && name.substr(name.size() - 4) == ".txt") {
      present.insert(name);
    }
  }
  closedir(directory);
  EXPECT_EQ(present, run);
}

TEST(VectorFilesTest, HaveEveryMechanism) {
  std::set<std::string> covered;
  for (const Family& family : kFamilies) {
    auto file = vectors::VectorFile::Open(PathOf(family.file));
    ASSERT_TRUE(file.ok()) << file.status();
    for (Block& block : file->blocks()) {
      covered.insert(Get(block.Text("mechanism")));
    }
  }
  for (const auto& [name, reason] : CoveredBySiblings()) covered.insert(name);
  covered.merge(AsymmetricCoverage());
  covered.merge(SymmetricCoverage());
  std::set<std::string> registered;
  for (const Mechanism* row : Registry::Get().rows()) {
    registered.insert(row->name);
  }
  EXPECT_EQ(covered, registered);
}

// The list above says where; here it is looked up there.
TEST(Vectors, CoveredElsewhere_IsWhatIsSaid) {
  for (const auto& [name, reason] : CoveredBySiblings()) {
    if (reason == "generation") {
      const Mechanism* row = RowNamed(name);
      EXPECT_TRUE(row->generate != nullptr || row->generate_pair != nullptr)
          << name;
      continue;
    }
    if (reason.find(".cc") == std::string::npos)
      continue;  // siblings, run here
    std::ifstream file(reason);
    ASSERT_TRUE(file.is_open()) << reason;
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(std::regex_search(text, std::regex("\\b" + name + "\\b")))
        << reason << " has no " << name;
  }
}

}  // namespace
}  // namespace pkcs11
