#include "tests/vectors/vector_job.h"

namespace pkcs11 {

const Mechanism* RowNamed(absl::string_view name) {
  for (const Mechanism* row : Registry::Get().rows()) {
    if (row->name == name) return row;
  }
  ADD_FAILURE() << "no mechanism " << name;
  return Registry::Get().rows().front();
}

const Mechanism* RowOf(Block& block) {
  return RowNamed(Get(block.Text("mechanism")));
}

hsm::ObjectRef NewKey(const hsm::AttributeSet& attributes) {
  return std::make_shared<hsm::Object>(1, 1, attributes);
}

hsm::ObjectRef SecretKey(CK_KEY_TYPE type, ByteSpan value) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, type);
  key.Set(CKA_VALUE, value);
  // Of a hidden key no short part is told.
  key.SetBool(CKA_SENSITIVE, false);
  key.SetBool(CKA_EXTRACTABLE, true);
  return NewKey(key);
}

absl::StatusOr<VectorJob> NewJob(const Mechanism* row, hsm::ObjectRef key,
                                 void* parameter, size_t size) {
  const CK_MECHANISM given = {row->type, parameter, size};
  ASSIGN_OR_RETURN(ParametersRef parameters, ParseParameters(*row, given));
  return VectorJob{row, std::move(parameters), std::move(key)};
}

namespace {

// An odd size, so that parts end within blocks.
constexpr size_t kPart = 7;

template <typename Operation>
absl::Status Feed(Operation& operation, ByteSpan in) {
  for (size_t at = 0; at < in.size(); at += kPart) {
    RETURN_IF_ERROR(operation.Update(in.subspan(at, kPart)));
  }
  return absl::OkStatus();
}

bool HasParts(const absl::Status& status) {
  return base::CkRv(status) != CKR_FUNCTION_NOT_SUPPORTED;
}

absl::StatusOr<Bytes> Cipher1(
    absl::StatusOr<std::unique_ptr<Cipher>> (*factory)(const Use&),
    const VectorJob& job, ByteSpan in) {
  ASSIGN_OR_RETURN(auto cipher, factory(job.use()));
  Bytes out(cipher->OneShotSize(in.size()));
  ASSIGN_OR_RETURN(const size_t size, cipher->OneShot(in, absl::MakeSpan(out)));
  out.resize(size);
  return out;
}

absl::StatusOr<Bytes> CipherParts(
    absl::StatusOr<std::unique_ptr<Cipher>> (*factory)(const Use&),
    const VectorJob& job, ByteSpan in) {
  ASSIGN_OR_RETURN(auto cipher, factory(job.use()));
  Bytes all;
  const auto append = [&](size_t most, auto step) -> absl::Status {
    Bytes out(most);
    ASSIGN_OR_RETURN(const size_t size, step(absl::MakeSpan(out)));
    all.insert(all.end(), out.begin(), out.begin() + size);
    return absl::OkStatus();
  };
  for (size_t at = 0; at < in.size(); at += kPart) {
    const ByteSpan part = in.subspan(at, kPart);
    RETURN_IF_ERROR(
        append(cipher->UpdateSize(part.size()),
               [&](MutableByteSpan out) { return cipher->Update(part, out); }));
  }
  RETURN_IF_ERROR(append(cipher->FinalSize(), [&](MutableByteSpan out) {
    return cipher->Final(out);
  }));
  return all;
}

}  // namespace

absl::StatusOr<Bytes> RunCipher(
    absl::StatusOr<std::unique_ptr<Cipher>> (*factory)(const Use&),
    const VectorJob& job, ByteSpan in) {
  auto whole = Cipher1(factory, job, in);
  const auto parts = CipherParts(factory, job, in);
  if (HasParts(parts.status())) {
    EXPECT_EQ(whole.ok(), parts.ok());
    if (whole.ok() && parts.ok()) {
      EXPECT_EQ(*whole, *parts);
    }
  }
  return whole;
}

absl::StatusOr<Bytes> RunSign(const VectorJob& job, ByteSpan message) {
  ASSIGN_OR_RETURN(auto signer, job.row->sign(job.use()));
  Bytes out(signer->size());
  ASSIGN_OR_RETURN(const size_t size,
                   signer->Sign(message, absl::MakeSpan(out)));
  out.resize(size);
  return out;
}

absl::Status RunVerify(const VectorJob& job, ByteSpan message,
                       ByteSpan signature) {
  ASSIGN_OR_RETURN(auto verifier, job.row->verify(job.use()));
  absl::Status whole = verifier->Verify(message, signature);
  ASSIGN_OR_RETURN(verifier, job.row->verify(job.use()));
  absl::Status parts = Feed(*verifier, message);
  if (parts.ok()) parts = verifier->Final(signature);
  if (HasParts(parts)) {
    EXPECT_EQ(base::CkRv(whole), base::CkRv(parts));
  }
  return whole;
}

Bytes Digest(const Mechanism* row, ByteSpan message,
             const Parameters* parameters) {
  auto digester = row->digest({*row, parameters, nullptr});
  Bytes out((*digester)->size());
  EXPECT_TRUE(Feed(**digester, message).ok());
  EXPECT_TRUE((*digester)->Final(absl::MakeSpan(out)).ok());
  return out;
}

void ExpectResult(Result expected, const absl::Status& status) {
  switch (expected) {
    case Result::kValid:
      EXPECT_TRUE(status.ok()) << status;
      break;
    case Result::kInvalid:
      EXPECT_FALSE(status.ok());
      break;
    case Result::kAcceptable:
      break;
  }
}

void ExpectSignature(Result expected, const absl::Status& status) {
  ExpectResult(expected, status);
  if (!status.ok()) {
    EXPECT_THAT(base::CkRv(status),
                testing::AnyOf(CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE));
  }
}

void RunBothWays(Block& block, const VectorJob& job, ByteSpan ciphertext) {
  const Result expected = Get(block.ExpectedResult());
  const auto decrypted = RunCipher(job.row->decrypt, job, ciphertext);
  ExpectResult(expected, decrypted.status());
  if (!decrypted.ok()) {
    EXPECT_THAT(base::CkRv(decrypted.status()),
                testing::AnyOf(CKR_ENCRYPTED_DATA_INVALID,
                               CKR_ENCRYPTED_DATA_LEN_RANGE));
  }
  if (expected == Result::kInvalid) return;
  const Bytes plaintext = Hex(block, "plaintext");
  if (decrypted.ok()) {
    EXPECT_EQ(*decrypted, plaintext);
  }
  const auto encrypted = RunCipher(job.row->encrypt, job, plaintext);
  ExpectResult(expected, encrypted.status());
  if (encrypted.ok()) {
    EXPECT_EQ(*encrypted, base::ToBytes(ciphertext));
  }
}

}  // namespace pkcs11
