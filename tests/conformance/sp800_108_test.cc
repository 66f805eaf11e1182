// Keys by NIST SP 800-108. Answers are those of NIST's CAVP, of RFC 5869 and of
// the TLS 1.2 PRF, which are the feedback and the double pipeline mode with
// certain layouts; what has no published answer is computed with the module's
// own HMAC.
#include <algorithm>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

constexpr CK_SP800_108_COUNTER_FORMAT kByte = {CK_FALSE, 8};

// The mechanism with its segments, in the order of the calls.
class Kdf {
 public:
  explicit Kdf(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE prf = CKM_SHA256_HMAC)
      : type_(type), prf_(prf) {}

  template <typename T>
  Kdf& Add(CK_PRF_DATA_TYPE type, const T& value) {
    Bytes bytes(sizeof(T));
    std::memcpy(bytes.data(), &value, sizeof(T));
    segments_.push_back({type, bytes});
    return *this;
  }
  Kdf& Iteration() {
    segments_.push_back({CK_SP800_108_ITERATION_VARIABLE, {}});
    return *this;
  }
  Kdf& Counts(CK_ULONG bits = 8, bool little = false) {
    return Add(CK_SP800_108_ITERATION_VARIABLE,
               CK_SP800_108_COUNTER_FORMAT{
                   little ? CK_BBOOL{CK_TRUE} : CK_BBOOL{CK_FALSE}, bits});
  }
  Kdf& Data(const Bytes& bytes) {
    segments_.push_back({CK_SP800_108_BYTE_ARRAY, bytes});
    return *this;
  }
  Kdf& Length(CK_SP800_108_DKM_LENGTH_METHOD method, CK_ULONG bits,
              bool little = false) {
    return Add(
        CK_SP800_108_DKM_LENGTH,
        CK_SP800_108_DKM_LENGTH_FORMAT{
            method, little ? CK_BBOOL{CK_TRUE} : CK_BBOOL{CK_FALSE}, bits});
  }
  Kdf& Iv(const Bytes& iv) {
    iv_ = iv;
    return *this;
  }
  Kdf& Also(const Template& t, CK_OBJECT_HANDLE* handle) {
    templates_.push_back(t);
    handles_.push_back(handle);
    return *this;
  }

  // Valid until this object changes.
  Mechanism Get() {
    params_.clear();
    for (Segment& segment : segments_) {
      params_.push_back({segment.type,
                         segment.bytes.empty() ? nullptr : segment.bytes.data(),
                         segment.bytes.size()});
    }
    keys_.clear();
    for (size_t i = 0; i < handles_.size(); ++i) {
      keys_.push_back(
          {templates_[i].data(), templates_[i].size(), handles_[i]});
    }
    if (type_ == CKM_SP800_108_FEEDBACK_KDF) {
      return Mechanism(type_,
                       CK_SP800_108_FEEDBACK_KDF_PARAMS{
                           prf_, params_.size(), params_.data(), iv_.size(),
                           iv_.empty() ? nullptr : iv_.data(), keys_.size(),
                           keys_.empty() ? nullptr : keys_.data()});
    }
    return Mechanism(
        type_, CK_SP800_108_KDF_PARAMS{prf_, params_.size(), params_.data(),
                                       keys_.size(),
                                       keys_.empty() ? nullptr : keys_.data()});
  }

 private:
  struct Segment {
    CK_PRF_DATA_TYPE type;
    Bytes bytes;
  };
  CK_MECHANISM_TYPE type_, prf_;
  std::vector<Segment> segments_;
  Bytes iv_;
  std::vector<Template> templates_;
  std::vector<CK_OBJECT_HANDLE*> handles_;
  std::vector<CK_PRF_DATA_PARAM> params_;
  std::vector<CK_DERIVED_KEY> keys_;
};

Kdf Counter(CK_MECHANISM_TYPE prf = CKM_SHA256_HMAC) {
  return Kdf(CKM_SP800_108_COUNTER_KDF, prf);
}

class Sp800108Test : public TokenTest {
 protected:
  static Template Open(CK_ULONG size) {
    Template t = Template()
                     .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                     .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                     .Bool(CKA_TOKEN, false)
                     .Bool(CKA_SENSITIVE, false)
                     .Bool(CKA_EXTRACTABLE, true);
    return size == 0 ? t : t.Ulong(CKA_VALUE_LEN, size);
  }
  CK_OBJECT_HANDLE Base(const Bytes& value,
                        CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
    return Create(Template(GenericSecret(value))
                      .Ulong(CKA_KEY_TYPE, type)
                      .Bool(CKA_DERIVE, true));
  }
  CK_OBJECT_HANDLE Hidden(const Bytes& value,
                          CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
    return Create(Template(GenericSecret(value))
                      .Ulong(CKA_KEY_TYPE, type)
                      .Bool(CKA_DERIVE, true)
                      .Bool(CKA_SENSITIVE, true)
                      .Bool(CKA_EXTRACTABLE, false));
  }
  CK_RV Derive(Kdf kdf, CK_OBJECT_HANDLE base, const Template& t,
               CK_OBJECT_HANDLE* key = nullptr) {
    CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
    const Mechanism mechanism = kdf.Get();
    return p11().C_DeriveKey(session_, mechanism.get(), base, t.data(),
                             t.size(), key == nullptr ? &unused : key);
  }
  Bytes Value(const Kdf& kdf, CK_OBJECT_HANDLE base, CK_ULONG size) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_OK(Derive(kdf, base, Open(size), &key));
    return key == CK_INVALID_HANDLE ? Bytes() : Get(key, CKA_VALUE);
  }
  Bytes Hmac(const Bytes& key, const Bytes& data) {
    const CK_OBJECT_HANDLE handle =
        Create(Template(GenericSecret(key)).Bool(CKA_SIGN, true));
    return Whole(SignCalls(), session_, Mechanism(CKM_SHA256_HMAC), handle,
                 data)
        .bytes;
  }
  size_t Objects() { return Find(Template()).size(); }
};

// NIST CAVP, KBKDF800-108, CounterMode: [CTRLOCATION=BEFORE_FIXED].
TEST_F(Sp800108Test, Counter_CavpAnswers) {
  NEEDS_MECHANISM(CKM_SP800_108_COUNTER_KDF);
  struct Answer {
    CK_MECHANISM_TYPE prf;
    CK_ULONG bits;
    const char *key, *data, *out;
  };
  constexpr Answer kAnswers[] = {
      {CKM_AES_CMAC, 8, "dff1e50ac0b69dc40f1051d46c2b069c",
       "c16e6e02c5a3dcc8d78b9ac1306877761310455b4e41469951d9e6c2245a064b33fd8c"
       "3b01203a7824485bf0a64060c4648b707d2607935699316ea5",
       "8be8f0869b3c0ba97b71863d1b9f7813"},
      {CKM_AES_CMAC, 16, "5e534bea459e54c58a6942abfd4df8ab",
       "e9a5cc15d223aaa74abd122983b2a10512199b9cc87663fd8a62d417cef53770264fc5"
       "1f683890fe42da2df7be0f60898c5b09d5c4932137b6b1e06e",
       "92480eb4860123ceda76f1e6bf2668520bea49ed72bb900ae50725bb8cfcdb733af1a9"
       "de71fe1af5"},
      {CKM_AES_CMAC, 24, "3eeed1560e17aaffe9f6ca9d81815b89a6879a56ebe4182a",
       "a643378a557af69ce2c606bc623a04b568a848207534d25bfa22664f9148997a6b4c00"
       "f4624b5100b4eb01857240b119876c3a86c1e8b02335475939",
       "8a1dc0f616353bf3ecf5553d7a7651e9ea6d884a32172d3391ad342bfaf60785"},
      {CKM_AES_CMAC, 32, "b2fcf854b1029888aeb0274ca09bb21a",
       "a6b84baae7a6ceb1d63ed704757500c510c0a8bdc22d2f42af09f79c815f37f33b67da"
       "d0b30f428fc1e2d355f7f91f65acbedd2fdd5b8c38dd890407",
       "fe4c2c0242c5a295c008aeb87ae0815171de6173773292347f4f5ec07185c3f860b566"
       "7c199aad55"},
      {CKM_SHA_1_HMAC, 8, "8723b723aa398f94af2b61c06cd99de01ef6497b",
       "8aece231d69ab033c9efe824c398da94777b260887c609a34c0206e4abcce0f5709356"
       "a7dbb92b8b0d387ccb4945d3b8a5490972205e72531f961b3d",
       "7596a2c6e19c8f5f52e1e7c6380fa5e5"},
  };
  for (const Answer& each : kAnswers) {
    const Bytes expected = FromHex(each.out);
    const CK_OBJECT_HANDLE base =
        Base(FromHex(each.key),
             each.prf == CKM_AES_CMAC ? CKK_AES : CKK_GENERIC_SECRET);
    EXPECT_EQ(
        Value(Counter(each.prf).Counts(each.bits).Data(FromHex(each.data)),
              base, expected.size()),
        expected)
        << each.key;
  }
  // [PRF=HMAC_SHA384] [CTRLOCATION=AFTER_FIXED] [RLEN=8_BITS]
  EXPECT_EQ(
      Value(Counter(CKM_SHA384_HMAC)
                .Data(FromHex("9a31c5deeb0304aabdb2d8cd0ebb82583b2b30db519c9413"
                              "e2f7281a9ca4f8d919e8cdf1a518ed16788ec7a74d02724e"
                              "0241e4f6b369297b1525f97a"))
                .Counts(),
            Base(FromHex("2f0f2e9419447b122c2d62e9cc511686ed6d044f67aa49956a79"
                         "54e5bb7ee7a68d1993cca0ccb3af2978c3b95d04c909")),
            40),
      FromHex("d201f90262f79f11109047763ffaea2f5f3baf7fc5345c587fd2cde0d93a90ea"
              "43f5f321d52650c1"));
}

// RFC 5869, test case 1: HKDF-Expand is the feedback mode without an IV.
TEST_F(Sp800108Test, Feedback_IsHkdfExpand) {
  NEEDS_MECHANISM(CKM_SP800_108_FEEDBACK_KDF);
  EXPECT_EQ(
      Value(Kdf(CKM_SP800_108_FEEDBACK_KDF)
                .Iteration()
                .Data(FromHex("f0f1f2f3f4f5f6f7f8f9"))
                .Add(CK_SP800_108_OPTIONAL_COUNTER, kByte),
            Base(FromHex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c31"
                         "22ec844ad7c2b3e5")),
            42),
      FromHex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ec"
              "c4c5bf34007208d5b887185865"));
}

TEST_F(Sp800108Test, Feedback_BeginsWithTheIv) {
  NEEDS_MECHANISM(CKM_SP800_108_FEEDBACK_KDF);
  const Bytes key = Pattern(32), iv = Pattern(32, 7), data = Pattern(11, 3);
  const Bytes first = Hmac(key, Join({FromHex("01"), iv, data}));
  const Bytes second = Hmac(key, Join({FromHex("02"), first, data}));
  EXPECT_EQ(Value(Kdf(CKM_SP800_108_FEEDBACK_KDF)
                      .Iv(iv)
                      .Add(CK_SP800_108_OPTIONAL_COUNTER, kByte)
                      .Iteration()
                      .Data(data),
                  Base(key), 64),
            Join({first, second}));
}

// NIST CAVP, TLS 1.2 PRF: P_hash is the double pipeline without a counter.
TEST_F(Sp800108Test, DoublePipeline_IsTheTlsPrf) {
  NEEDS_MECHANISM(CKM_SP800_108_DOUBLE_PIPELINE_KDF);
  EXPECT_EQ(
      Value(Kdf(CKM_SP800_108_DOUBLE_PIPELINE_KDF)
                .Iteration()
                .Data(FromText("master secret"))
                .Data(FromHex("36c129d01a3200894b9179faac589d9835d58775f9b5ea35"
                              "87cb8fd0364cae8c"))
                .Data(FromHex("f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaa"
                              "e043abfb50053fce")),
            Base(FromHex("f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f"
                         "8d55da062bcadb386b411fd4fe4313a604fce6c17fbc")),
            48),
      FromHex("202c88c00f84a17a20027079604787461176455539e705be730890602c289a50"
              "01e34eeb3a043e5d52a65e66125188bf"));
}

TEST_F(Sp800108Test, DoublePipeline_CounterIsNotInTheFirstInput) {
  NEEDS_MECHANISM(CKM_SP800_108_DOUBLE_PIPELINE_KDF);
  const Bytes key = Pattern(32), data = Pattern(11, 3), bits = FromHex("0200");
  const Bytes a1 = Hmac(key, Join({data, bits}));
  const Bytes a2 = Hmac(key, a1);
  EXPECT_EQ(Value(Kdf(CKM_SP800_108_DOUBLE_PIPELINE_KDF)
                      .Iteration()
                      .Add(CK_SP800_108_OPTIONAL_COUNTER, kByte)
                      .Data(data)
                      .Length(CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, 16),
                  Base(key), 64),
            Join({Hmac(key, Join({a1, FromHex("01"), data, bits})),
                  Hmac(key, Join({a2, FromHex("02"), data, bits}))}));
}

TEST_F(Sp800108Test, LayoutOfNumbers) {
  NEEDS_MECHANISM(CKM_SP800_108_COUNTER_KDF);
  const Bytes key = Pattern(32);
  const Bytes label = FromText("label");
  EXPECT_EQ(Value(Counter()
                      .Data(label)
                      .Counts(16, /*little=*/true)
                      .Length(CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, 32, true),
                  Base(key), 20),
            [&] {
              Bytes out = Hmac(key, Join({label, FromHex("0100a0000000")}));
              out.resize(20);
              return out;
            }());
  EXPECT_EQ(Value(Counter()
                      .Counts(24)
                      .Length(CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS, 64)
                      .Data(label),
                  Base(key), 32),
            Hmac(key, Join({FromHex("0000010000000000000100"), label})));
}

TEST_F(Sp800108Test, KeyAsData) {
  NEEDS_MECHANISM(CKM_SP800_108_COUNTER_KDF);
  const Bytes key = Pattern(32), other = Pattern(24, 9);
  const CK_OBJECT_HANDLE handle = Base(other);
  EXPECT_EQ(Value(Counter()
                      .Counts()
                      .Add(CK_SP800_108_KEY_HANDLE, handle)
                      .Data(FromText("and"))
                      .Add(CK_SP800_108_KEY_HANDLE, handle),
                  Base(key), 32),
            Hmac(key, Join({FromHex("01"), other, FromText("and"), other})));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            Derive(Counter().Counts().Add(CK_SP800_108_KEY_HANDLE,
                                          CK_OBJECT_HANDLE{kStaleHandle}),
                   Base(key), Open(16)));
  // It must be one that derives.
  const CK_OBJECT_HANDLE useless = Create(GenericSecret(other));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            Derive(Counter().Counts().Add(CK_SP800_108_KEY_HANDLE, useless),
                   Base(key), Open(16)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Counter()
                       .Counts()
                       .Add(CK_SP800_108_KEY_HANDLE, handle)
                       .Add(CK_SP800_108_KEY_HANDLE, Base(other)),
                   Base(key), Open(16)));
}

// Under a known key a CMAC of one block is turned round by one decryption.
TEST_F(Sp800108Test, HiddenKeyAsDataOfACmac_IsRefused) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Base(Pattern(16), CKK_AES);
  const Bytes other = Pattern(15, 9);
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            Derive(Counter(CKM_AES_CMAC)
                       .Counts()
                       .Add(CK_SP800_108_KEY_HANDLE, Hidden(other)),
                   base, Open(16)));
  EXPECT_OK(Derive(
      Counter(CKM_AES_CMAC).Counts().Add(CK_SP800_108_KEY_HANDLE, Base(other)),
      base, Open(16)));
}

// The example of PKCS#11 3.2, 6.42.8: three outputs, the third begins the
// second key.
TEST_F(Sp800108Test, SeveralKeys_BeginWithAnOutputOfTheirOwn) {
  NEEDS_MECHANISM(CKM_SP800_108_COUNTER_KDF);
  const Bytes key = Pattern(32), label = FromText("label");
  const auto output = [&](const char* counter, const char* bits) {
    return Hmac(key, Join({FromHex(counter), label, FromHex(bits)}));
  };
  for (const bool of_keys : {true, false}) {
    const char* bits = of_keys ? "0200" : "0300";
    CK_OBJECT_HANDLE first = 0, second = 0;
    ASSERT_OK(Derive(
        Counter()
            .Counts()
            .Data(label)
            .Length(of_keys ? CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS
                            : CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS,
                    16)
            .Also(Template(Open(16)).Ulong(CKA_KEY_TYPE, CKK_AES), &second),
        Base(key), Open(48), &first));
    Bytes whole = Join({output("01", bits), output("02", bits)});
    whole.resize(48);
    EXPECT_EQ(Get(first, CKA_VALUE), whole);
    Bytes third = output("03", bits);
    third.resize(16);
    EXPECT_EQ(Get(second, CKA_VALUE), third);
    EXPECT_EQ(GetUlong(second, CKA_KEY_TYPE), CK_ULONG{CKK_AES});
  }
}

TEST_F(Sp800108Test, SeveralKeys_AllOrNone) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Base(Pattern(32));
  const size_t before = Objects();
  const Template aes = Template(Open(16)).Ulong(CKA_KEY_TYPE, CKK_AES);
  CK_OBJECT_HANDLE first = 77, second = 78, third = 79;
  const auto derive = [&](const Template& bad) {
    first = 77;
    second = 78;
    third = 79;
    return Derive(Counter().Counts().Also(bad, &second).Also(aes, &third), base,
                  Open(32), &first);
  };
  // The template, the length that only the value shows, no length.
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            derive(Template(aes).Ulong(CKA_VALUE_LEN, 17)));
  EXPECT_EQ(second, CK_ULONG{CK_INVALID_HANDLE});
  EXPECT_EQ(first, 77u);
  EXPECT_EQ(third, 79u);
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            derive(Template(aes).Ulong(CKA_CLASS, CKO_DATA)));
  EXPECT_EQ(second, CK_ULONG{CK_INVALID_HANDLE});
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, derive(Open(0)));
  EXPECT_EQ(second, CK_ULONG{CK_INVALID_HANDLE});
  EXPECT_EQ(first, 77u);
  EXPECT_EQ(Objects(), before);
  EXPECT_OK(derive(aes));
  EXPECT_EQ(Objects(), before + 3);
}

TEST_F(Sp800108Test, ProtectionIsThatOfTheBaseKey_UnlessAsked) {
  NEEDS_PERIGEE();
  const Template silent = Template()
                              .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                              .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                              .Ulong(CKA_VALUE_LEN, 32)
                              .Bool(CKA_TOKEN, false);
  const Kdf kdf = Counter().Counts().Data(FromText("label"));
  CK_OBJECT_HANDLE key = 0;
  ASSERT_OK(Derive(kdf, Base(Pattern(32)), silent, &key));
  EXPECT_FALSE(GetBool(key, CKA_SENSITIVE));
  EXPECT_TRUE(GetBool(key, CKA_EXTRACTABLE));
  ASSERT_OK(Derive(kdf, Hidden(Pattern(32)), silent, &key));
  EXPECT_TRUE(GetBool(key, CKA_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
  EXPECT_FALSE(GetBool(key, CKA_ALWAYS_SENSITIVE));  // the base key is imported
}

TEST_F(Sp800108Test, BadParameters) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Base(Pattern(32));
  const auto rv = [&](const Kdf& kdf) { return Derive(kdf, base, Open(16)); };
  const CK_SP800_108_DKM_LENGTH_METHOD sum =
      CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS;
  const Bytes label = FromText("label");
  const Kdf bad[] = {
      Counter(),              // no iteration variable
      Counter().Data(label),  // the same
      Counter().Iteration(),  // without its format
      Counter().Counts(0),    // widths
      Counter().Counts(12),
      Counter().Counts(40),
      Counter().Counts().Counts(),  // twice
      Counter().Counts().Add(CK_SP800_108_OPTIONAL_COUNTER, kByte),
      Counter().Counts().Data({}),
      Counter().Counts().Length(3, 16),
      Counter().Counts().Length(sum, 0),
      Counter().Counts().Length(sum, 72),
      Counter().Counts().Length(sum, 16).Length(sum, 16),
      Counter().Counts().Add(CK_SP800_108_DKM_LENGTH, kByte),
      Counter().Counts().Add(6, kByte),  // no such type
      Counter().Counts().Add(CK_SP800_108_KEY_HANDLE, CK_OBJECT_HANDLE{0}),
      Counter().Counts().Also(Open(16), nullptr),
      Counter(CKM_SHA256).Counts(),
      Counter(CKM_AES_CBC).Counts(),
      Kdf(CKM_SP800_108_FEEDBACK_KDF).Counts(),
      Kdf(CKM_SP800_108_FEEDBACK_KDF).Data(label),
      Kdf(CKM_SP800_108_DOUBLE_PIPELINE_KDF).Counts(),
      Kdf(CKM_SP800_108_FEEDBACK_KDF)
          .Iteration()
          .Add(CK_SP800_108_OPTIONAL_COUNTER, kByte)
          .Add(CK_SP800_108_OPTIONAL_COUNTER, kByte),
  };
  for (size_t i = 0; i < std::size(bad); ++i) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(bad[i])) << i;
  }
  for (const CK_MECHANISM_TYPE type :
       {CKM_SP800_108_COUNTER_KDF, CKM_SP800_108_FEEDBACK_KDF,
        CKM_SP800_108_DOUBLE_PIPELINE_KDF}) {
    CK_OBJECT_HANDLE key = 0;
    const Template t = Open(16);
    for (const Mechanism& mechanism :
         {Mechanism(type), Mechanism(type, Bytes(8))}) {
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                p11().C_DeriveKey(session_, mechanism.get(), base, t.data(),
                                  t.size(), &key));
    }
    Kdf good(type);
    type == CKM_SP800_108_COUNTER_KDF ? good.Counts() : good.Iteration();
    EXPECT_OK(rv(good));
    EXPECT_RV(CKR_ARGUMENTS_BAD,
              p11().C_DeriveKey(session_, good.Get().get(), base, t.data(),
                                t.size(), nullptr));
    Mechanism segments = good.Get();
    // Both structures begin alike.
    static_cast<CK_SP800_108_KDF_PARAMS*>(segments.get()->pParameter)
        ->pDataParams = nullptr;
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11().C_DeriveKey(session_, segments.get(), base, t.data(),
                                t.size(), &key));
  }
}

TEST_F(Sp800108Test, MoreThanCountersSay) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Base(Pattern(32));
  const Kdf counter = Counter().Counts(8);
  EXPECT_OK(Derive(counter, base, Open(255 * 32)));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, Derive(counter, base, Open(255 * 32 + 1)));
  EXPECT_OK(Derive(Counter().Counts(16), base, Open(255 * 32 + 1)));
  EXPECT_RV(CKR_KEY_SIZE_RANGE,
            Derive(Kdf(CKM_SP800_108_FEEDBACK_KDF)
                       .Iteration()
                       .Add(CK_SP800_108_OPTIONAL_COUNTER, kByte),
                   base, Open(255 * 32 + 1)));
  EXPECT_RV(
      CKR_MECHANISM_PARAM_INVALID,
      Derive(Counter().Counts().Length(CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, 8),
             base, Open(32)));
}

TEST_F(Sp800108Test, BaseKeyOfAnotherType) {
  NEEDS_PERIGEE();
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            Derive(Counter().Counts(), Base(Pattern(32), CKK_AES), Open(16)));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, Derive(Counter(CKM_AES_CMAC).Counts(),
                                              Base(Pattern(32)), Open(16)));
  EXPECT_RV(
      CKR_KEY_TYPE_INCONSISTENT,
      Derive(Counter().Counts(), Base(Pattern(20), CKK_SHA_1_HMAC), Open(16)));
  EXPECT_OK(
      Derive(Counter().Counts(), Base(Pattern(32), CKK_SHA256_HMAC), Open(16)));
  EXPECT_RV(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      Derive(Counter().Counts(), Create(GenericSecret(Pattern(32))), Open(16)));
}

// Each PRF gives something of its own.
TEST_F(Sp800108Test, EveryPrf) {
  NEEDS_PERIGEE();
  std::vector<Bytes> seen;
  for (const CK_MECHANISM_TYPE prf :
       {CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC,
        CKM_SHA512_HMAC, CKM_SHA512_224_HMAC, CKM_SHA512_256_HMAC,
        CKM_SHA3_224_HMAC, CKM_SHA3_256_HMAC, CKM_SHA3_384_HMAC,
        CKM_SHA3_512_HMAC, CKM_AES_CMAC, CKM_DES3_CMAC}) {
    const CK_KEY_TYPE type = prf == CKM_AES_CMAC    ? CKK_AES
                             : prf == CKM_DES3_CMAC ? CKK_DES3
                                                    : CKK_GENERIC_SECRET;
    // Bytes of odd parity, for DES.
    const Bytes key =
        FromHex("0123456789abcdef23456789abcdef01456789abcdef0123");
    const Bytes value = Value(Counter(prf).Counts().Data(FromText("label")),
                              Base(key, type), 100);
    EXPECT_EQ(value.size(), 100u);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), value), 0) << prf;
    seen.push_back(value);
  }
}

}  // namespace
}  // namespace conformance
