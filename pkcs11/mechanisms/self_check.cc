#include "pkcs11/mechanisms/self_check.h"

#include <array>
#include <atomic>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"

namespace pkcs11 {
namespace {

using base::Bytes;

// Room for all rows of KnownAnswers(), and of the registry.
constexpr size_t kMostTests = 64;
constexpr size_t kMostRows = 512;

// Zero-initialised; without destructors, for use until the process is gone.
std::array<std::atomic<bool>, kMostTests> passed;
std::array<std::atomic<bool>, kMostRows> row_tested;
std::atomic<const char*> spoilt_test;

Bytes FromHex(const char* hex) {
  const std::string text = absl::HexStringToBytes(hex);
  return Bytes(text.begin(), text.end());
}

absl::Status Wrong(absl::string_view what) {
  return base::Error(CKR_FUNCTION_FAILED, what);
}

// The parameter set that the tests use; 0 for other types.
CK_ULONG SetOf(CK_KEY_TYPE type) {
  switch (type) {
    case CKK_ML_KEM:
      return CKP_ML_KEM_512;
    case CKK_ML_DSA:
      return CKP_ML_DSA_44;
    case CKK_SLH_DSA:
      return CKP_SLH_DSA_SHA2_128S;
    default:
      return 0;
  }
}

// The key of a test: of a secret key, or the private one with its public half.
struct TestKeys {
  hsm::ObjectRef with;     // signs, decrypts, derives
  hsm::ObjectRef against;  // verifies, encrypts
};

absl::StatusOr<TestKeys> KeysOf(const KnownAnswer& test) {
  TestKeys keys;
  if (test.key_type == CK_UNAVAILABLE_INFORMATION) return keys;
  const Bytes value = FromHex(test.key);
  const auto object = [](hsm::AttributeSet attributes) {
    return std::make_shared<hsm::Object>(1, 1, std::move(attributes));
  };
  if (const CK_ULONG set = SetOf(test.key_type); set != 0) {
    hsm::AttributeSet key;
    key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
    key.SetUlong(CKA_KEY_TYPE, test.key_type);
    key.SetUlong(CKA_PARAMETER_SET, set);
    key.Set(test.key_type == CKK_SLH_DSA ? CKA_VALUE : CKA_SEED, value);
    ASSIGN_OR_RETURN(const hsm::AttributeSet added, CompleteKeyMaterial(key));
    for (const auto& entry : added.entries()) {
      key.Set(entry.type, base::ByteSpan(entry.value));
    }
    ASSIGN_OR_RETURN(hsm::AttributeSet half, PublicKeyOf(key));
    keys.with = object(std::move(key));
    keys.against = object(std::move(half));
    return keys;
  }
  if (test.job != SelfTestJob::kGenerate && value.size() > 40) {
    ASSIGN_OR_RETURN(hsm::AttributeSet key, DecodePrivateKeyInfo(value));
    key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
    ASSIGN_OR_RETURN(hsm::AttributeSet half, PublicKeyOf(key));
    keys.with = object(std::move(key));
    keys.against = object(std::move(half));
    return keys;
  }
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, test.key_type);
  key.Set(CKA_VALUE, value);
  keys.with = keys.against = object(std::move(key));
  return keys;
}

absl::StatusOr<Bytes> Ciphered(Cipher& cipher, base::ByteSpan in) {
  Bytes out(cipher.OneShotSize(in.size()));
  ASSIGN_OR_RETURN(const size_t size, cipher.OneShot(in, absl::MakeSpan(out)));
  out.resize(size);
  return out;
}

absl::StatusOr<Bytes> SignatureOf(const Use& use, base::ByteSpan data) {
  ASSIGN_OR_RETURN(auto signer, use.mechanism.sign(use));
  Bytes out(signer->size());
  ASSIGN_OR_RETURN(const size_t size, signer->Sign(data, absl::MakeSpan(out)));
  out.resize(size);
  return out;
}

absl::Status Verified(const Use& use, base::ByteSpan data,
                      base::ByteSpan signature) {
  ASSIGN_OR_RETURN(auto verifier, use.mechanism.verify(use));
  return verifier->Verify(data, signature);
}

// What the algorithm gives, after the way back was gone.
absl::StatusOr<Bytes> Outcome(const KnownAnswer& test, const Use& with,
                              const Use& against, base::ByteSpan input,
                              base::ByteSpan answer) {
  const Mechanism& row = with.mechanism;
  switch (test.job) {
    case SelfTestJob::kDigest: {
      ASSIGN_OR_RETURN(auto digester, row.digest(with));
      RETURN_IF_ERROR(digester->Update(input));
      Bytes out(digester->size());
      RETURN_IF_ERROR(digester->Final(absl::MakeSpan(out)));
      return out;
    }
    case SelfTestJob::kSign: {
      ASSIGN_OR_RETURN(Bytes signature, SignatureOf(with, input));
      RETURN_IF_ERROR(Verified(against, input, signature));
      return signature;
    }
    case SelfTestJob::kVerify: {
      RETURN_IF_ERROR(Verified(against, input, answer));
      ASSIGN_OR_RETURN(const Bytes fresh, SignatureOf(with, input));
      RETURN_IF_ERROR(Verified(against, input, fresh));
      return base::ToBytes(answer);
    }
    case SelfTestJob::kEncrypt: {
      ASSIGN_OR_RETURN(auto encrypter, row.encrypt(against));
      ASSIGN_OR_RETURN(Bytes sealed, Ciphered(*encrypter, input));
      ASSIGN_OR_RETURN(auto decrypter, row.decrypt(with));
      ASSIGN_OR_RETURN(const Bytes opened, Ciphered(*decrypter, sealed));
      if (!base::SameBytes(opened, input)) return Wrong("the way back");
      return sealed;
    }
    case SelfTestJob::kWrap: {
      ASSIGN_OR_RETURN(Bytes sealed, row.wrap(against, input));
      ASSIGN_OR_RETURN(const SecretBytes opened, row.unwrap(with, sealed));
      if (!base::SameBytes(opened.Expose(), input))
        return Wrong("the way back");
      return sealed;
    }
    case SelfTestJob::kDerive: {
      ASSIGN_OR_RETURN(const SecretBytes out, row.derive(with, answer.size()));
      return base::ToBytes(out.Expose());
    }
    case SelfTestJob::kSignHashed: {
      ASSIGN_OR_RETURN(const Bytes signature, SignatureOf(with, input));
      RETURN_IF_ERROR(Verified(against, input, signature));
      return base::Sha256({signature});
    }
    case SelfTestJob::kDecapsulate: {
      ASSIGN_OR_RETURN(const SecretBytes out,
                       row.decapsulate(with, input, answer.size()));
      ASSIGN_OR_RETURN(const Encapsulated sent,
                       row.encapsulate(against, answer.size()));
      ASSIGN_OR_RETURN(const SecretBytes received,
                       row.decapsulate(with, sent.ciphertext, answer.size()));
      if (!received.Equals(sent.secret.Expose())) return Wrong("the way back");
      return base::ToBytes(out.Expose());
    }
    case SelfTestJob::kGenerate: {
      hsm::AttributeSet wanted;
      wanted.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
      wanted.SetUlong(CKA_KEY_TYPE, test.key_type);
      wanted.SetUlong(CKA_VALUE_LEN, answer.size());
      ASSIGN_OR_RETURN(const hsm::AttributeSet made,
                       row.generate(with, wanted));
      return base::ToBytes(made.Value(CKA_VALUE));
    }
  }
  return Wrong("an unknown job");
}

bool IsSpoilt(const KnownAnswer& test) {
  const char* name = spoilt_test.load();
  return name != nullptr && std::strcmp(name, test.name) == 0;
}

// A failed one is the error state.
absl::Status Run(const KnownAnswer& test) {
  const absl::Status status = RunKnownAnswer(test, IsSpoilt(test));
  if (status.ok() || base::CkRv(status) == CKR_HOST_MEMORY) return status;
  EnterErrorState(
      absl::StrCat("self-test of ", test.name, ": ", status.message()));
  return CheckNoErrorState();
}

size_t IndexOf(const Mechanism& row) {
  const auto& rows = Registry::Get().rows();
  const auto at = std::lower_bound(
      rows.begin(), rows.end(), row.type,
      [](const Mechanism* a, CK_MECHANISM_TYPE b) { return a->type < b; });
  return at - rows.begin();
}

}  // namespace

absl::Status RunKnownAnswer(const KnownAnswer& test, bool spoilt) {
  const Mechanism* row = Registry::Get().Find(test.mechanism);
  if (row == nullptr) return absl::OkStatus();  // this OpenSSL has it not
  ASSIGN_OR_RETURN(const TestKeys keys, KeysOf(test));
  Bytes input = FromHex(test.input);
  Bytes answer = FromHex(test.answer);
  if (spoilt) answer[answer.size() / 2] ^= 1;
  const CK_MECHANISM given =
      test.parameter(test.mechanism, absl::MakeSpan(input));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*row, given));
  const Use with{*row, parameters.get(), keys.with};
  const Use against{*row, parameters.get(), keys.against};
  ASSIGN_OR_RETURN(const Bytes outcome,
                   Outcome(test, with, against, input, answer));
  if (outcome != answer) return Wrong("another answer");
  return absl::OkStatus();
}

absl::Status TestBeforeUse(const Mechanism& row) {
  RETURN_IF_ERROR(CheckNoErrorState());
  const size_t at = IndexOf(row);
  if (at < kMostRows && row_tested[at].load(std::memory_order_acquire)) {
    return absl::OkStatus();
  }
  const auto tests = KnownAnswers();
  for (size_t i = 0; i < tests.size() && i < kMostTests; ++i) {
    if (!tests[i].covers(row) || passed[i].load()) continue;
    RETURN_IF_ERROR(Run(tests[i]));
    passed[i].store(true);
  }
  if (at < kMostRows) row_tested[at].store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status TestEverything() {
  RETURN_IF_ERROR(CheckNoErrorState());
  for (const KnownAnswer& test : KnownAnswers()) RETURN_IF_ERROR(Run(test));
  return absl::OkStatus();
}

std::atomic<bool> self_check_failed;

absl::Status ErrorState() {
  return base::Error(CKR_DEVICE_ERROR,
                     "a self-test failed: nothing works until the library is "
                     "initialised again");
}

void EnterErrorState(absl::string_view reason) {
  self_check_failed.store(true);
  base::Log(base::LogLevel::kError, "error state: ", reason);
}

void ResetSelfTests() {
  for (auto& one : passed) one.store(false);
  for (auto& one : row_tested) one.store(false);
  self_check_failed.store(false);
}

void SpoilSelfTest(const char* name) { spoilt_test.store(name); }

}  // namespace pkcs11
