// Scalable key storage as an application uses it: CA_SIMExtract, CA_SIMInsert
// and CA_SIMMultiSign.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr size_t kBlobFormAt = 5;

Plan V1Plan(
    const std::string& partition = "version = 1\npolicies = { 3 = 1, 7 = 1 }") {
  Plan plan;
  plan.apps[0].partitions = {partition};
  return plan;
}

// The secrets of a call; form 0 when there are none.
class Secrets {
 public:
  Secrets() = default;
  explicit Secrets(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (std::string& text : texts_) {
      sizes_.push_back(text.size());
      data_.push_back(reinterpret_cast<CK_BYTE*>(text.data()));
    }
  }
  CKA_SIM_AUTH_FORM form() const {
    return texts_.empty() ? CKA_SIM_NO_AUTHORIZATION : CKA_SIM_PASSWORD;
  }
  CK_ULONG count() const { return texts_.size(); }
  CK_ULONG* sizes() { return sizes_.data(); }
  CK_BYTE** data() { return data_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<CK_ULONG> sizes_;
  std::vector<CK_BYTE*> data_;
};

class SksTest : public testing::Test {
 protected:
  explicit SksTest(Plan plan = V1Plan())
      : bench_(std::move(plan)), session_(bench_.Officer()) {}

  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return bench_.host.ca(); }

  CK_RV Extract(std::vector<CK_OBJECT_HANDLE> objects, Bytes& blob,
                Secrets secrets = Secrets(), CK_ULONG needed = 0,
                bool destroy = false) {
    CK_ULONG size = 0;
    CK_RV rv = CKR_OK;
    for (int call = 0; call < 2 && rv == CKR_OK; ++call) {
      blob.resize(size);
      rv = ca().CA_SIMExtract(session_, objects.size(), objects.data(),
                              secrets.count(), needed, secrets.form(),
                              secrets.sizes(), secrets.data(), destroy, &size,
                              call == 0 ? nullptr : blob.data());
    }
    EXPECT_TRUE(rv != CKR_OK || size == blob.size());
    return rv;
  }

  CK_RV Insert(Bytes blob, std::vector<CK_OBJECT_HANDLE>& objects,
               Secrets secrets = Secrets()) {
    CK_ULONG count = 0;
    CK_RV rv = CKR_OK;
    for (int call = 0; call < 2 && rv == CKR_OK; ++call) {
      objects.resize(count);
      rv = ca().CA_SIMInsert(session_, secrets.count(), secrets.form(),
                             secrets.sizes(), secrets.data(), blob.size(),
                             blob.data(), &count,
                             call == 0 ? nullptr : objects.data());
    }
    return rv;
  }

  CK_RV MultiSign(CK_MECHANISM_TYPE type, Bytes blob, std::vector<Bytes> inputs,
                  std::vector<Bytes>& signatures) {
    CK_MECHANISM mechanism = {type, nullptr, 0};
    std::vector<CK_ULONG> sizes, lengths(inputs.size());
    std::vector<CK_BYTE*> data, places;
    for (Bytes& input : inputs) {
      sizes.push_back(input.size());
      data.push_back(input.data());
    }
    const auto call = [&](CK_BYTE** out) {
      return ca().CA_SIMMultiSign(session_, &mechanism, 0, 0, nullptr, nullptr,
                                  blob.size(), blob.data(), inputs.size(),
                                  sizes.data(), data.data(), lengths.data(),
                                  out);
    };
    const CK_RV rv = call(nullptr);
    if (rv != CKR_OK) return rv;
    signatures.clear();
    for (const CK_ULONG length : lengths) signatures.emplace_back(length);
    for (Bytes& signature : signatures) places.push_back(signature.data());
    const CK_RV signed_rv = call(places.data());
    for (size_t i = 0; i < lengths.size(); ++i) {
      signatures[i].resize(lengths[i]);
    }
    return signed_rv;
  }

  Bench bench_;
  CK_SESSION_HANDLE session_;
};

TEST_F(SksTest, EveryKindOfObject_GoesOutAndComesBack) {
  const auto objects = MakeEveryKind(bench_.host, session_);
  const auto before = ReadPartition(bench_.host, session_);
  Bytes blob;
  ASSERT_OK(Extract(objects, blob, Secrets(), 0, true))
      << bench_.host.library().LastError();
  EXPECT_TRUE(bench_.host.Find(session_).empty());
  std::vector<CK_OBJECT_HANDLE> back;
  ASSERT_OK(Insert(blob, back)) << bench_.host.library().LastError();
  EXPECT_EQ(back.size(), objects.size());
  EXPECT_EQ(ReadPartition(bench_.host, session_), before);
  EXPECT_RV(CKR_OBJECT_ALREADY_EXISTS, Insert(blob, back));
}

TEST_F(SksTest, NoHandles_IsAll) {
  GenerateAes(bench_.host, session_, "one");
  GenerateEcPair(bench_.host, session_, "two");
  Bytes blob;
  ASSERT_OK(Extract({}, blob, Secrets(), 0, true));
  EXPECT_TRUE(bench_.host.Find(session_).empty());
  std::vector<CK_OBJECT_HANDLE> back;
  ASSERT_OK(Insert(blob, back));
  EXPECT_EQ(back.size(), 3u);
}

TEST_F(SksTest, SessionObjects_BelongToTheSessionThatInsertsThem) {
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  const Template key = Template()
                           .Bool(CKA_TOKEN, false)
                           .Ulong(CKA_VALUE_LEN, 32)
                           .Text(CKA_LABEL, "passing");
  CK_OBJECT_HANDLE made = 0;
  ASSERT_OK(bench_.host.c().C_GenerateKey(session_, &mechanism, key.data(),
                                          key.size(), &made));
  Bytes blob;
  ASSERT_OK(Extract({made}, blob, Secrets(), 0, true));
  EXPECT_TRUE(bench_.host.Find(session_).empty());
  std::vector<CK_OBJECT_HANDLE> back;
  ASSERT_OK(Insert(blob, back));
  EXPECT_EQ(bench_.host.Find(session_), back);
  const CK_SESSION_HANDLE other = bench_.host.Open(bench_.host.partition());
  EXPECT_EQ(bench_.host.Find(other), back);
  ASSERT_OK(bench_.host.c().C_CloseSession(session_));
  EXPECT_TRUE(bench_.host.Find(other).empty());
}

TEST_F(SksTest, Passwords_TwoOfThree) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes blob;
  ASSERT_OK(Extract({key}, blob, Secrets({"red", "green", "blue"}), 2, true));
  std::vector<CK_OBJECT_HANDLE> back;
  EXPECT_RV(CKR_SIM_AUTHORIZATION_FAILED,
            Insert(blob, back, Secrets({"red", "grey"})));
  EXPECT_RV(CKR_SIM_AUTHORIZATION_FAILED, Insert(blob, back, Secrets({"red"})));
  EXPECT_RV(CKR_SIM_AUTHFORM_INVALID, Insert(blob, back));
  EXPECT_OK(Insert(blob, back, Secrets({"blue", "red"})));
}

TEST_F(SksTest, BadArguments) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes blob;
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, Extract({key + 77}, blob));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Extract({key, key}, blob));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Extract({key}, blob, Secrets({"a"}), 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Extract({key}, blob, Secrets({"a"}), 2));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Extract({key}, blob, Secrets({"a", "a"}), 2));
  CK_ULONG size = 0;
  CK_OBJECT_HANDLE handle = key;
  EXPECT_RV(CKR_MAX_OBJECT_COUNT_EXCEEDED,
            ca().CA_SIMExtract(session_, 2049, &handle, 0, 0, 0, nullptr,
                               nullptr, CK_FALSE, &size, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            ca().CA_SIMExtract(session_, 1, nullptr, 0, 0, 0, nullptr, nullptr,
                               CK_FALSE, &size, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            ca().CA_SIMExtract(session_, 1, &handle, 1, 1, 1, nullptr, nullptr,
                               CK_FALSE, &size, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            ca().CA_SIMExtract(session_, 1, &handle, 0, 0, 0, nullptr, nullptr,
                               CK_FALSE, nullptr, nullptr));
  for (const CKA_SIM_AUTH_FORM form : {2, 3, 5, 7}) {
    EXPECT_RV(CKR_SIM_AUTHFORM_INVALID,
              ca().CA_SIMExtract(session_, 1, &handle, 0, 0, form, nullptr,
                                 nullptr, CK_FALSE, &size, nullptr));
  }
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            ca().CA_SIMExtract(session_ + 99, 1, &handle, 0, 0, 0, nullptr,
                               nullptr, CK_FALSE, &size, nullptr));
}

// Too small a buffer destroys nothing.
TEST_F(SksTest, DeletionOnlyWhenTheBlobIsGiven) {
  CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  CK_ULONG size = 0;
  ASSERT_OK(ca().CA_SIMExtract(session_, 1, &key, 0, 0, 0, nullptr, nullptr,
                               CK_TRUE, &size, nullptr));
  Bytes blob(size);
  CK_ULONG less = size - 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            ca().CA_SIMExtract(session_, 1, &key, 0, 0, 0, nullptr, nullptr,
                               CK_TRUE, &less, blob.data()));
  EXPECT_EQ(less, size);
  EXPECT_EQ(bench_.host.Find(session_).size(), 1u);
}

TEST_F(SksTest, ReadOnlySession_ExtractsButDoesNotDelete) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  session_ = bench_.host.Open(bench_.host.partition(), CKF_SERIAL_SESSION);
  Bytes blob;
  EXPECT_OK(Extract({key}, blob));
  Bytes none;
  EXPECT_RV(CKR_SESSION_READ_ONLY, Extract({key}, none, Secrets(), 0, true));
  std::vector<CK_OBJECT_HANDLE> back;
  EXPECT_RV(CKR_SESSION_READ_ONLY, Insert(blob, back));
}

TEST_F(SksTest, HostileBlobs) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes blob;
  ASSERT_OK(Extract({key}, blob, Secrets(), 0, true));
  std::vector<CK_OBJECT_HANDLE> back;
  for (size_t at = 0; at < blob.size(); ++at) {
    Bytes altered = blob;
    altered[at] ^= at == kBlobFormAt ? 2 : 1;
    EXPECT_THAT(
        Insert(altered, back),
        testing::AnyOf(CKR_SIM_CORRUPT_DATA, CKR_SIM_VERSION_UNSUPPORTED,
                       CKR_SIM_AUTHFORM_INVALID, CKR_SMK_ID_NOT_FOUND))
        << at;
  }
  EXPECT_RV(CKR_SIM_CORRUPT_DATA, Insert(Bytes(), back));
  EXPECT_RV(CKR_SIM_CORRUPT_DATA,
            Insert(Bytes(blob.begin(), blob.end() - 1), back));
  EXPECT_TRUE(bench_.host.Find(session_).empty());
  EXPECT_OK(Insert(blob, back));
}

TEST_F(SksTest, NobodyLoggedIn_AndTheBackupHsm) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes blob;
  ASSERT_OK(Extract({key}, blob));
  ASSERT_OK(bench_.host.c().C_Logout(session_));
  std::vector<CK_OBJECT_HANDLE> back;
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Insert(blob, back));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Extract({}, blob));
  session_ = bench_.NewArchive();
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, Insert(blob, back));
}

TEST_F(SksTest, MultiSign_StoresNothing) {
  const KeyPair pair = GenerateEcPair(bench_.host, session_, "ec");
  Bytes blob;
  ASSERT_OK(Extract({pair.private_key}, blob, Secrets(), 0, true));
  std::vector<Bytes> signatures;
  const std::vector<Bytes> inputs = {Bytes(10, 1), Bytes(2000, 2), Bytes()};
  ASSERT_OK(MultiSign(CKM_ECDSA_SHA256, blob, inputs, signatures));
  CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, nullptr, 0};
  for (size_t i = 0; i < inputs.size(); ++i) {
    Bytes input = inputs[i];
    ASSERT_OK(
        bench_.host.c().C_VerifyInit(session_, &mechanism, pair.public_key));
    EXPECT_OK(bench_.host.c().C_Verify(session_, input.data(), input.size(),
                                       signatures[i].data(),
                                       signatures[i].size()));
  }
  EXPECT_EQ(bench_.host.Find(session_).size(), 1u);
  EXPECT_RV(CKR_MECHANISM_INVALID,
            MultiSign(CKM_AES_CBC, blob, inputs, signatures));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            MultiSign(CKM_SHA256_RSA_PKCS, blob, inputs, signatures));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            MultiSign(CKM_ECDSA_SHA256, blob, {}, signatures));
}

TEST_F(SksTest, MultiSign_NeedsOneKey) {
  const KeyPair one = GenerateEcPair(bench_.host, session_, "one");
  const KeyPair two = GenerateEcPair(bench_.host, session_, "two");
  Bytes blob;
  std::vector<Bytes> signatures;
  ASSERT_OK(Extract({one.public_key}, blob));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            MultiSign(CKM_ECDSA_SHA256, blob, {Bytes(3)}, signatures));
  ASSERT_OK(Extract({one.private_key, two.private_key}, blob));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            MultiSign(CKM_ECDSA_SHA256, blob, {Bytes(3)}, signatures));
  ASSERT_OK(Extract({one.public_key, one.private_key}, blob));
  EXPECT_OK(MultiSign(CKM_ECDSA_SHA256, blob, {Bytes(3)}, signatures));
}

Plan TwoV1Partitions() {
  Plan plan = V1Plan();
  plan.apps[0].partitions.push_back(plan.apps[0].partitions[0]);
  return plan;
}

// One partition's blob in another one.
class SmkTest : public SksTest {
 protected:
  SmkTest() : SksTest(TwoV1Partitions()), other_(bench_.Officer(1)) {}

  CK_RV CloneSmk(CK_SESSION_HANDLE target, CK_OBJECT_HANDLE* made) {
    return ca().CA_CloneObject(target, session_, CK_PARAM_ELEMENT,
                               LUNA_MASKING_KEY_PID, made);
  }
  CK_RV InsertAt(CK_SESSION_HANDLE at, const Bytes& blob) {
    std::swap(session_, at);
    std::vector<CK_OBJECT_HANDLE> back;
    const CK_RV rv = Insert(blob, back);
    std::swap(session_, at);
    return rv;
  }

  CK_SESSION_HANDLE other_;
};

TEST_F(SksTest, Rollover_TakesFormerBlobsUntilItEnds) {
  const PERIGEE_FUNCTION_LIST& perigee = bench_.host.perigee();
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND,
            perigee.SmkRollover(session_, PERIGEE_SMK_BEGIN_ROLLOVER));
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes before, after;
  ASSERT_OK(Extract({key}, before, Secrets(), 0, true));
  EXPECT_RV(CKR_ARGUMENTS_BAD, perigee.SmkRollover(session_, 3));
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            perigee.SmkRollover(session_, PERIGEE_SMK_END_ROLLOVER));
  ASSERT_OK(perigee.SmkRollover(session_, PERIGEE_SMK_BEGIN_ROLLOVER));
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED,
            perigee.SmkRollover(session_, PERIGEE_SMK_BEGIN_ROLLOVER));
  bench_.host.Reload();
  session_ = bench_.Officer();
  std::vector<CK_OBJECT_HANDLE> back;
  ASSERT_OK(Insert(before, back));
  ASSERT_OK(Extract(back, after, Secrets(), 0, true));
  ASSERT_OK(
      bench_.host.perigee().SmkRollover(session_, PERIGEE_SMK_END_ROLLOVER));
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND, Insert(before, back));
  EXPECT_OK(Insert(after, back));
}

TEST_F(SmkTest, ABackupInARollover_TakesBothKeys) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes before, after;
  ASSERT_OK(Extract({key}, before));
  ASSERT_OK(
      bench_.host.perigee().SmkRollover(session_, PERIGEE_SMK_BEGIN_ROLLOVER));
  ASSERT_OK(Extract({key}, after));
  const CK_SESSION_HANDLE archive = bench_.NewArchive();
  ExpectAllStored(
      bench_.host.Transfer(session_, archive, PERIGEE_TRANSFER_SMK_ONLY), 2);
  ExpectAllStored(
      bench_.host.Transfer(archive, other_, PERIGEE_TRANSFER_SMK_ONLY), 2);
  EXPECT_OK(InsertAt(other_, before));
  for (const CK_OBJECT_HANDLE made : bench_.host.Find(other_)) {
    EXPECT_OK(bench_.host.c().C_DestroyObject(other_, made));
  }
  EXPECT_OK(InsertAt(other_, after));
  // And it rolls over there, from the same key to the same.
  session_ = other_;
  ASSERT_OK(
      bench_.host.perigee().SmkRollover(other_, PERIGEE_SMK_END_ROLLOVER));
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND, InsertAt(other_, before));
}

TEST_F(SmkTest, ARetiredKeyThatComesBack_IsNotThePrimaryOne) {
  const PERIGEE_FUNCTION_LIST& perigee = bench_.host.perigee();
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes before, after;
  ASSERT_OK(Extract({key}, before));
  ASSERT_OK(perigee.SmkRollover(session_, PERIGEE_SMK_BEGIN_ROLLOVER));
  const CK_SESSION_HANDLE archive = bench_.NewArchive();
  ExpectAllStored(
      bench_.host.Transfer(session_, archive, PERIGEE_TRANSFER_SMK_ONLY), 2);
  ASSERT_OK(perigee.SmkRollover(session_, PERIGEE_SMK_END_ROLLOVER));
  const Report report =
      bench_.host.Transfer(archive, session_, PERIGEE_TRANSFER_SMK_ONLY);
  EXPECT_RV(CKR_OK, report.rv) << report.error;
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_PRESENT), 1u);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 1u);
  ASSERT_OK(Extract({key}, after));
  ASSERT_OK(perigee.SmkRollover(session_, PERIGEE_SMK_END_ROLLOVER));
  ASSERT_OK(bench_.host.c().C_DestroyObject(session_, key));
  std::vector<CK_OBJECT_HANDLE> back;
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND, Insert(before, back));
  EXPECT_OK(Insert(after, back));
}

TEST_F(SmkTest, MigrateKeys_TakesTheSmk) {
  Bytes blob;
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  ASSERT_OK(Extract({key}, blob));
  CK_OBJECT_MIGRATION_DATA items[] = {
      {CK_CRYPTOKI_ELEMENT, key, 0, 0},
      {CK_PARAM_ELEMENT, LUNA_MASKING_KEY_PID, 0, 0}};
  EXPECT_OK(ca().CA_MigrateKeys(session_, other_, 0, 2, items));
  EXPECT_RV(CKR_OK, items[1].rv);
  EXPECT_EQ(items[1].targetHandle, CK_OBJECT_HANDLE{LUNA_MASKING_KEY_PID});
  // The key is there already, so the blob's is another of its identity.
  EXPECT_RV(CKR_OBJECT_ALREADY_EXISTS, InsertAt(other_, blob));
  ASSERT_OK(bench_.host.c().C_DestroyObject(other_, items[0].targetHandle));
  EXPECT_OK(InsertAt(other_, blob));
}

TEST_F(SmkTest, ClonedSmk_OpensTheBlobsElsewhere) {
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND, CloneSmk(other_, &made));
  Bytes blob, others;
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  ASSERT_OK(Extract({key}, blob));
  std::swap(session_, other_);
  const CK_OBJECT_HANDLE theirs = GenerateAes(bench_.host, session_, "theirs");
  ASSERT_OK(Extract({theirs}, others, Secrets(), 0, true));
  std::swap(session_, other_);
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND, InsertAt(other_, blob));
  ASSERT_OK(CloneSmk(other_, &made)) << bench_.host.library().LastError();
  EXPECT_EQ(made, LUNA_MASKING_KEY_PID);
  EXPECT_OK(InsertAt(other_, blob));
  // Its own blobs still open: its key became the former one.
  EXPECT_OK(InsertAt(other_, others));
  EXPECT_OK(CloneSmk(other_, &made));  // is there
}

TEST_F(SmkTest, OtherElements_AreRefused) {
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_OBJECT_TYPE_INVALID,
            ca().CA_CloneObject(other_, session_, CK_PARAM_ELEMENT, 1, &made));
  EXPECT_RV(CKR_OBJECT_TYPE_INVALID,
            ca().CA_CloneObject(other_, session_, CK_CONTAINER_ELEMENT,
                                LUNA_MASKING_KEY_PID, &made));
}

// The blob outlives the partition that made it, by the backup of its SMK.
TEST_F(SmkTest, BackupAndRestore_BringTheSmk) {
  Bytes blob;
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  ASSERT_OK(Extract({key}, blob, Secrets(), 0, true));
  const CK_SESSION_HANDLE archive = bench_.NewArchive();
  ExpectAllStored(bench_.host.Transfer(session_, archive), 1);
  EXPECT_RV(CKR_SMK_ID_NOT_FOUND, InsertAt(other_, blob));
  ExpectAllStored(bench_.host.Transfer(archive, other_), 1);
  EXPECT_OK(InsertAt(other_, blob));
}

class SksV0Test : public SksTest {
 protected:
  SksV0Test() : SksTest(Plan()) {}
};

TEST_F(SksV0Test, HasNone) {
  const CK_OBJECT_HANDLE key = GenerateAes(bench_.host, session_, "key");
  Bytes blob(200);
  std::vector<CK_OBJECT_HANDLE> back;
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED, Extract({key}, blob));
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED, Insert(Bytes(200), back));
}

}  // namespace
}  // namespace e2e
