// AES in ECB, CBC, CTR and GCM, and key wrap: sizes, parts, refusals.
#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

struct Iv {
  uint8_t bytes[16] = {1, 2, 3};
};

CK_AES_CTR_PARAMS Ctr(CK_ULONG bits, uint8_t last = 0) {
  CK_AES_CTR_PARAMS parameters = {bits, {}};
  parameters.cb[15] = last;
  return parameters;
}

// Owns what CK_GCM_PARAMS points to.
struct Gcm {
  explicit Gcm(size_t iv_size = 12, CK_ULONG tag_bits = 128)
      : iv(Counting(iv_size)), tag(tag_bits) {}
  CK_GCM_PARAMS params() {
    return {iv.data(), iv.size(), 8 * iv.size(), aad.data(), aad.size(), tag};
  }
  Bytes iv;
  Bytes aad = Counting(21);
  CK_ULONG tag;
};

// Through a cipher in parts of `part` bytes; each call's output must have the
// size that was announced for it, unless `is_exact` is false.
Bytes InParts(const Mechanism& row, Cipher& cipher, ByteSpan in, size_t part,
              bool is_exact = true) {
  Bytes all;
  for (size_t at = 0; at < in.size(); at += part) {
    const ByteSpan piece = in.subspan(at, part);
    Bytes out(cipher.UpdateSize(piece.size()));
    const auto size = cipher.Update(piece, absl::MakeSpan(out));
    EXPECT_TRUE(size.ok()) << row.name << " " << size.status();
    EXPECT_EQ(*size, out.size()) << row.name;
    all.insert(all.end(), out.begin(), out.end());
  }
  Bytes out(cipher.FinalSize());
  const auto size = cipher.Final(absl::MakeSpan(out));
  EXPECT_TRUE(size.ok()) << row.name << " " << size.status();
  if (is_exact) {
    EXPECT_EQ(*size, out.size());
  }
  all.insert(all.end(), out.begin(), out.begin() + *size);
  return all;
}

// Every part size gives what one call gives, both ways.
void ExpectPartsEqualWhole(const Job& job, size_t size) {
  const Bytes plain = Counting(size);
  const auto sealed = job.Encrypt(plain);
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_EQ(*job.Decrypt(*sealed), plain);
  const bool is_padded = job.row().type == CKM_AES_CBC_PAD;
  for (size_t part = 1; part <= 33; ++part) {
    SCOPED_TRACE(part);
    auto encrypter = *job.row().encrypt(job.use());
    EXPECT_EQ(InParts(job.row(), *encrypter, plain, part, !is_padded), *sealed);
    auto decrypter = *job.row().decrypt(job.use());
    EXPECT_EQ(InParts(job.row(), *decrypter, *sealed, part, !is_padded), plain);
  }
}

// Encrypts `size` bytes in place in two parts, the second one shifted.
void ExpectInPlace(const Job& job, size_t size) {
  const Bytes plain = Counting(size);
  Bytes buffer = plain;
  buffer.resize(size + 32);
  auto cipher = *job.row().encrypt(job.use());
  const MutableByteSpan whole = absl::MakeSpan(buffer);
  const size_t first = *cipher->Update(whole.subspan(0, 5), whole);
  const size_t second =
      *cipher->Update(whole.subspan(5, size - 5), whole.subspan(first));
  const size_t last = *cipher->Final(whole.subspan(first + second));
  buffer.resize(first + second + last);
  EXPECT_EQ(buffer, *job.Encrypt(plain));
}

TEST(AesGenerationTest, MakesKeysOfTheThreeSizes) {
  const Mechanism& row = RowFor(CKM_AES_KEY_GEN);
  for (const CK_ULONG size : {16, 24, 32}) {
    hsm::AttributeSet attributes;
    attributes.SetUlong(CKA_VALUE_LEN, size);
    const auto added = row.generate({row, nullptr, nullptr}, attributes);
    ASSERT_TRUE(added.ok()) << added.status();
    EXPECT_EQ(added->Value(CKA_VALUE).size(), size);
    EXPECT_EQ(added->Value(CKA_CHECK_VALUE).size(), 3u);
  }
}

TEST(AesGenerationTest, RefusesOtherSizes) {
  const Mechanism& row = RowFor(CKM_AES_KEY_GEN);
  EXPECT_EQ(RvOf(row.generate({row, nullptr, nullptr}, {})),
            CKR_TEMPLATE_INCOMPLETE);
  for (const CK_ULONG size : {0, 15, 33, 128}) {
    hsm::AttributeSet attributes;
    attributes.SetUlong(CKA_VALUE_LEN, size);
    EXPECT_EQ(RvOf(row.generate({row, nullptr, nullptr}, attributes)),
              CKR_ATTRIBUTE_VALUE_INVALID);
  }
}

TEST(AesPartsTest, EqualTheWhole) {
  for (const size_t key : {16, 24, 32}) {
    ExpectPartsEqualWhole(Job(CKM_AES_ECB, NewAesKey(key)), 96);
    ExpectPartsEqualWhole(Job(CKM_AES_CBC, NewAesKey(key), Iv()), 96);
    ExpectPartsEqualWhole(Job(CKM_AES_CBC_PAD, NewAesKey(key), Iv()), 96);
    ExpectPartsEqualWhole(Job(CKM_AES_CBC_PAD, NewAesKey(key), Iv()), 91);
    ExpectPartsEqualWhole(Job(CKM_AES_CTR, NewAesKey(key), Ctr(128)), 91);
    Gcm gcm;
    ExpectPartsEqualWhole(Job(CKM_AES_GCM, NewAesKey(key), gcm.params()), 91);
  }
}

TEST(AesPartsTest, MayBeInPlaceAndOverlap) {
  ExpectInPlace(Job(CKM_AES_CBC, NewAesKey(), Iv()), 96);
  ExpectInPlace(Job(CKM_AES_CBC_PAD, NewAesKey(), Iv()), 90);
  ExpectInPlace(Job(CKM_AES_CTR, NewAesKey(), Ctr(32)), 90);
  Gcm gcm;
  ExpectInPlace(Job(CKM_AES_GCM, NewAesKey(), gcm.params()), 90);
}

TEST(AesPartsTest, AnAbandonedOperationLeavesNothingToTheNext) {
  const hsm::ObjectRef key = NewAesKey();
  const Job job(CKM_AES_CBC, key, Iv());
  const Bytes expected = *job.Encrypt(Counting(32));
  {
    auto cipher = *job.row().encrypt(job.use());
    ASSERT_TRUE(cipher->Update(Counting(7), {}).ok());
  }
  EXPECT_EQ(*job.Encrypt(Counting(32)), expected);
}

TEST(AesCbcTest, RefusesBrokenBlocks) {
  const Job job(CKM_AES_CBC, NewAesKey(), Iv());
  EXPECT_EQ(RvOf(job.Encrypt(Counting(17))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Decrypt(Counting(17))), CKR_ENCRYPTED_DATA_LEN_RANGE);
  auto encrypter = *job.row().encrypt(job.use());
  ASSERT_TRUE(encrypter->Update(Counting(5), {}).ok());
  EXPECT_EQ(RvOf(encrypter->Final({})), CKR_DATA_LEN_RANGE);
  auto decrypter = *job.row().decrypt(job.use());
  ASSERT_TRUE(decrypter->Update(Counting(5), {}).ok());
  EXPECT_EQ(RvOf(decrypter->Final({})), CKR_ENCRYPTED_DATA_LEN_RANGE);
}

TEST(AesCbcPadTest, TellsWrongPaddingFromWrongLength) {
  const Job job(CKM_AES_CBC_PAD, NewAesKey(), Iv());
  EXPECT_EQ(RvOf(job.Decrypt(Counting(15))), CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Decrypt({})), CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Decrypt(Bytes(32, 9))), CKR_ENCRYPTED_DATA_INVALID);
  EXPECT_EQ(job.Encrypt({})->size(), 16u);
}

TEST(AesParametersTest, AreCheckedForLength) {
  Bytes iv = Counting(17);
  for (const CK_MECHANISM_TYPE type : {CKM_AES_CBC, CKM_AES_CBC_PAD}) {
    EXPECT_EQ(ParseRv(type, iv.data(), 16), CKR_OK);
    EXPECT_EQ(ParseRv(type, iv.data(), 15), CKR_MECHANISM_PARAM_INVALID);
    EXPECT_EQ(ParseRv(type, iv.data(), 17), CKR_MECHANISM_PARAM_INVALID);
    EXPECT_EQ(ParseRv(type, nullptr, 16), CKR_MECHANISM_PARAM_INVALID);
    EXPECT_EQ(ParseRv(type, nullptr, 0), CKR_MECHANISM_PARAM_INVALID);
  }
  EXPECT_EQ(ParseRv(CKM_AES_ECB, iv.data(), 16), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_AES_CTR, Ctr(0)), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_AES_CTR, Ctr(129)), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_AES_CTR, iv.data(), 16), CKR_MECHANISM_PARAM_INVALID);
}

TEST(AesCtrTest, StopsBeforeTheCounterOverflows) {
  // The specification's example: two bits that begin at 1 give three blocks.
  const Job job(CKM_AES_CTR, NewAesKey(), Ctr(2, 1));
  EXPECT_TRUE(job.Encrypt(Counting(48)).ok());
  EXPECT_EQ(RvOf(job.Encrypt(Counting(49))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Decrypt(Counting(49))), CKR_ENCRYPTED_DATA_LEN_RANGE);
}

TEST(AesCtrTest, CountsInLongCounters) {
  CK_AES_CTR_PARAMS parameters = Ctr(128, 0xfe);
  for (int i = 0; i < 15; ++i) parameters.cb[i] = 0xff;
  const Job whole(CKM_AES_CTR, NewAesKey(), parameters);
  EXPECT_TRUE(whole.Encrypt(Counting(32)).ok());
  EXPECT_EQ(RvOf(whole.Encrypt(Counting(33))), CKR_DATA_LEN_RANGE);
  parameters.ulCounterBits = 64;
  const Job half(CKM_AES_CTR, NewAesKey(), parameters);
  EXPECT_EQ(RvOf(half.Encrypt(Counting(33))), CKR_DATA_LEN_RANGE);
  parameters.cb[7] = 0xfe;  // not part of a counter of 64 bits
  EXPECT_EQ(
      RvOf(Job(CKM_AES_CTR, NewAesKey(), parameters).Encrypt(Counting(33))),
      CKR_DATA_LEN_RANGE);
  parameters.ulCounterBits = 65;
  EXPECT_TRUE(
      Job(CKM_AES_CTR, NewAesKey(), parameters).Encrypt(Counting(33)).ok());
}

// --- GCM --------------------------------------------------------------------

TEST(AesGcmTest, TakesBothLayouts) {
  Gcm gcm;
  const CK_GCM_PARAMS now = gcm.params();
  struct {
    CK_BYTE_PTR pIv;
    CK_ULONG ulIvLen;
    CK_BYTE_PTR pAAD;
    CK_ULONG ulAADLen;
    CK_ULONG ulTagBits;
  } before = {now.pIv, now.ulIvLen, now.pAAD, now.ulAADLen, now.ulTagBits};
  EXPECT_EQ(*Job(CKM_AES_GCM, NewAesKey(), now).Encrypt(Counting(40)),
            *Job(CKM_AES_GCM, NewAesKey(), before).Encrypt(Counting(40)));
}

TEST(AesGcmTest, HasEveryTagAndIvLength) {
  const hsm::ObjectRef key = NewAesKey();
  for (const CK_ULONG bits : {32, 64, 96, 104, 112, 120, 128}) {
    for (const size_t iv : {1, 8, 12, 16, 128}) {
      Gcm gcm(iv, bits);
      const Job job(CKM_AES_GCM, key, gcm.params());
      const auto sealed = job.Encrypt(Counting(33));
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      EXPECT_EQ(sealed->size(), 33 + bits / 8);
      EXPECT_EQ(*job.Decrypt(*sealed), Counting(33));
    }
  }
}

TEST(AesGcmTest, GivesNothingThatIsNotAuthentic) {
  Gcm gcm;
  const Job job(CKM_AES_GCM, NewAesKey(), gcm.params());
  Bytes sealed = *job.Encrypt(Counting(40));
  sealed[3] ^= 1;
  auto cipher = *job.row().decrypt(job.use());
  EXPECT_EQ(cipher->UpdateSize(sealed.size()), 0u);
  EXPECT_EQ(*cipher->Update(sealed, {}), 0u);
  Bytes out(cipher->FinalSize(), 0xaa);
  EXPECT_EQ(RvOf(cipher->Final(absl::MakeSpan(out))),
            CKR_ENCRYPTED_DATA_INVALID);
  EXPECT_EQ(out, Bytes(40, 0));
  EXPECT_EQ(RvOf(job.Decrypt(sealed)), CKR_ENCRYPTED_DATA_INVALID);
  EXPECT_EQ(RvOf(job.Decrypt(Counting(15))), CKR_ENCRYPTED_DATA_LEN_RANGE);
}

TEST(AesGcmTest, DecryptsInPlace) {
  Gcm gcm;
  const Job job(CKM_AES_GCM, NewAesKey(), gcm.params());
  Bytes buffer = *job.Encrypt(Counting(40));
  auto cipher = *job.row().decrypt(job.use());
  EXPECT_EQ(*cipher->OneShot(buffer, absl::MakeSpan(buffer)), 40u);
  buffer.resize(40);
  EXPECT_EQ(buffer, Counting(40));
}

TEST(AesGcmTest, WrapsAndUnwraps) {
  Gcm gcm;
  const Job job(CKM_AES_GCM, NewAesKey(), gcm.params());
  Bytes wrapped = *job.row().wrap(job.use(), Counting(33));
  EXPECT_TRUE(job.row().unwrap(job.use(), wrapped)->Equals(Counting(33)));
  wrapped[0] ^= 1;
  EXPECT_EQ(RvOf(job.row().unwrap(job.use(), wrapped)),
            CKR_WRAPPED_KEY_INVALID);
  EXPECT_EQ(RvOf(job.row().unwrap(job.use(), Counting(3))),
            CKR_WRAPPED_KEY_LEN_RANGE);
}

CK_RV GcmRv(void (*change)(CK_GCM_PARAMS&)) {
  Gcm gcm;
  CK_GCM_PARAMS parameters = gcm.params();
  change(parameters);
  return ParseRv(CKM_AES_GCM, parameters);
}

TEST(AesGcmTest, RefusesParameters) {
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulIvBits = 0; }), CKR_OK);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulIvBits = 95; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulIvLen = 0; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulIvLen = 129; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.pIv = nullptr; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.pAAD = nullptr; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulAADLen = ~0ul; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulTagBits = 24; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulTagBits = 100; }),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(GcmRv([](CK_GCM_PARAMS& p) { p.ulTagBits = 136; }),
            CKR_MECHANISM_PARAM_INVALID);
}

// --- key wrap ---------------------------------------------------------------

TEST(AesKeyWrapTest, KnowsItsSizes) {
  const Job kw(CKM_AES_KEY_WRAP, NewAesKey());
  EXPECT_EQ(kw.row().wrap(kw.use(), Counting(16))->size(), 24u);
  EXPECT_EQ(RvOf(kw.row().wrap(kw.use(), Counting(8))), CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(RvOf(kw.row().wrap(kw.use(), Counting(17))), CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(RvOf(kw.row().unwrap(kw.use(), Counting(16))),
            CKR_WRAPPED_KEY_LEN_RANGE);
  EXPECT_EQ(RvOf(kw.Encrypt(Counting(17))), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(kw.Decrypt(Counting(25))), CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(kw.Decrypt(Counting(24))), CKR_ENCRYPTED_DATA_INVALID);
  const Job kwp(CKM_AES_KEY_WRAP_KWP, NewAesKey());
  for (const size_t size : {1, 7, 8, 9, 16, 1200}) {
    const auto wrapped = kwp.row().wrap(kwp.use(), Counting(size));
    ASSERT_TRUE(wrapped.ok()) << wrapped.status();
    EXPECT_EQ(wrapped->size(), (size + 7) / 8 * 8 + 8);
    EXPECT_TRUE(kwp.row().unwrap(kwp.use(), *wrapped)->Equals(Counting(size)));
  }
  EXPECT_EQ(RvOf(kwp.row().wrap(kwp.use(), {})), CKR_KEY_SIZE_RANGE);
}

TEST(AesKeyWrapTest, EveryChangedBitIsOneError) {
  const Job job(CKM_AES_KEY_WRAP_KWP, NewAesKey());
  const Bytes wrapped = *job.row().wrap(job.use(), Counting(20));
  for (size_t i = 0; i < 8 * wrapped.size(); ++i) {
    Bytes changed = wrapped;
    changed[i / 8] ^= 1 << (i % 8);
    EXPECT_EQ(RvOf(job.row().unwrap(job.use(), changed)),
              CKR_WRAPPED_KEY_INVALID);
  }
}

TEST(AesKeyWrapTest, TakesAnInitialValue) {
  const hsm::ObjectRef key = NewAesKey();
  Bytes iv = Counting(8);
  const Job usual(CKM_AES_KEY_WRAP, key);
  const Job other(CKM_AES_KEY_WRAP, key, iv.data(), iv.size());
  const Bytes wrapped = *other.row().wrap(other.use(), Counting(16));
  EXPECT_TRUE(other.row().unwrap(other.use(), wrapped)->Equals(Counting(16)));
  EXPECT_EQ(RvOf(usual.row().unwrap(usual.use(), wrapped)),
            CKR_WRAPPED_KEY_INVALID);
  EXPECT_EQ(ParseRv(CKM_AES_KEY_WRAP, iv.data(), 4),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_AES_KEY_WRAP_KWP, iv.data(), 4), CKR_OK);
  EXPECT_EQ(ParseRv(CKM_AES_KEY_WRAP_KWP, iv.data(), 8),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_AES_KEY_WRAP, nullptr, 8), CKR_MECHANISM_PARAM_INVALID);
}

}  // namespace
}  // namespace pkcs11
