// TLS 1.2 from the pre-master secret to the keys of a connection. Answers are
// those of NIST's CAVP (TLS 1.2 with SHA-256, TLS 1.0); where there are none,
// what OpenSSL 3.0's TLS1-PRF gives.
#include <algorithm>
#include <list>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

constexpr char kPreMaster[] =
    "f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bcadb386b411f"
    "d4fe4313a604fce6c17fbc";
constexpr char kMaster[] =
    "202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a"
    "043e5d52a65e66125188bf";
// SHA-256 and SHA-384 of "handshake messages".
constexpr char kHash256[] =
    "6e1b983f2338a681fec9331551f24072641b2c011c693e3410cd95da2d6b5458";
constexpr char kHash384[] =
    "75d2bed15f60516af18942cf6b2fd3b2aed381c6128041a9af684c0ee8e7f9c5271068648a"
    "ee3439e348c52332a37f0a";
// The key block of kMaster, with the randoms of Block().
constexpr char kBlock[] =
    "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c5"
    "1a3a0f7e1d6590d0f0566b2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be6"
    "8985add6c38445ad9f8c64bf8068bf9a6679485d966f1ad6f68b43495b10a683755ea2b858"
    "d70ccac7ec8b053c6bd41ca299d4e51928";

class Tls12Test : public TokenTest {
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
  static Template Secret(const Bytes& value) {
    return Template(GenericSecret(value))
        .Bool(CKA_DERIVE, true)
        .Bool(CKA_SIGN, true)
        .Bool(CKA_VERIFY, true);
  }
  static Template Hidden(const Bytes& value) {
    return Secret(value).Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false);
  }
  CK_OBJECT_HANDLE Master() { return Create(Secret(FromHex(kMaster))); }

  CK_RV Derive(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
               const Template& t, CK_OBJECT_HANDLE* key) {
    return p11().C_DeriveKey(session_, mechanism.get(), base, t.data(),
                             t.size(), key);
  }
  CK_RV Derive(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
               const Template& t) {
    CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
    return Derive(mechanism, base, t, &unused);
  }
  Bytes Value(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
              const Template& t) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_OK(Derive(mechanism, base, t, &key));
    return key == CK_INVALID_HANDLE ? Bytes() : Get(key, CKA_VALUE);
  }
  size_t Objects() { return Find(Template()).size(); }

  CK_SSL3_RANDOM_DATA Randoms(const char* client, const char* server) {
    Bytes& first = Keep(FromHex(client));
    Bytes& second = Keep(FromHex(server));
    return {first.data(), first.size(), second.data(), second.size()};
  }
  // Parameters point to it as long as the test runs.
  Bytes& Keep(Bytes bytes) { return kept_.emplace_back(std::move(bytes)); }
  // --- parameters, that a test may change ---
  CK_TLS12_MASTER_KEY_DERIVE_PARAMS MasterParams() {
    return {Randoms("36c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8fd036"
                    "4cae8c",
                    "f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50"
                    "053fce"),
            nullptr, CKM_SHA256};
  }
  CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS Extended(const char* hash,
                                                      CK_MECHANISM_TYPE type) {
    Bytes& kept = Keep(FromHex(hash));
    return {type, kept.data(), kept.size(), nullptr};
  }
  CK_SSL3_RANDOM_DATA BlockRandoms() {
    return Randoms(
        "62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616",
        "ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868");
  }
  CK_TLS12_KEY_MAT_PARAMS Block(CK_ULONG mac, CK_ULONG key, CK_ULONG iv) {
    out_ = {77, 77, 77, 77, client_iv_, server_iv_};
    std::fill(std::begin(client_iv_), std::end(client_iv_), 0xee);
    std::fill(std::begin(server_iv_), std::end(server_iv_), 0xee);
    return {mac, key, iv, CK_FALSE, BlockRandoms(), &out_, CKM_SHA256};
  }
  CK_TLS_KDF_PARAMS Exporter(const Bytes* context = nullptr) {
    Bytes& label = Keep(FromText("EXPORTER test"));
    // An empty vector may have no address.
    Bytes& data =
        Keep(context == nullptr ? Bytes() : Join({*context, Bytes(1)}));
    return {CKM_SHA256,
            label.data(),
            label.size(),
            BlockRandoms(),
            context == nullptr ? nullptr : data.data(),
            context == nullptr ? 0 : context->size()};
  }

  std::list<Bytes> kept_;
  CK_SSL3_KEY_MAT_OUT out_ = {};
  CK_BYTE client_iv_[16] = {}, server_iv_[16] = {};
};

Bytes Part(size_t from, size_t size) {
  const Bytes block = FromHex(kBlock);
  return Bytes(block.begin() + static_cast<long>(from),
               block.begin() + static_cast<long>(from + size));
}

TEST_F(Tls12Test, PreMaster) {
  NEEDS_MECHANISM(CKM_TLS_PRE_MASTER_KEY_GEN);
  const Mechanism tls12(CKM_TLS_PRE_MASTER_KEY_GEN, CK_VERSION{3, 3});
  const auto generate = [&](const Mechanism& mechanism, const Template& t,
                            CK_OBJECT_HANDLE* key) {
    return p11().C_GenerateKey(session_, mechanism.get(), t.data(), t.size(),
                               key);
  };
  CK_OBJECT_HANDLE one = 0, two = 0;
  ASSERT_OK(generate(tls12, Open(0), &one));
  ASSERT_OK(generate(tls12, Open(48), &two));
  const Bytes value = Get(one, CKA_VALUE);
  ASSERT_EQ(value.size(), 48u);
  EXPECT_EQ(value[0], 3);
  EXPECT_EQ(value[1], 3);
  EXPECT_NE(value, Get(two, CKA_VALUE));
  EXPECT_EQ(GetUlong(one, CKA_VALUE_LEN), 48u);
  if (!IsPerigee()) return;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, generate(tls12, Open(32), &one));
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      generate(tls12, Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_AES), &one));
  for (const CK_VERSION version :
       {CK_VERSION{3, 0}, CK_VERSION{3, 4}, CK_VERSION{2, 1}}) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              generate(Mechanism(CKM_TLS_PRE_MASTER_KEY_GEN, version), Open(0),
                       &one));
  }
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            generate(Mechanism(CKM_TLS_PRE_MASTER_KEY_GEN), Open(0), &one));
}

TEST_F(Tls12Test, Master) {
  NEEDS_MECHANISM(CKM_TLS12_MASTER_KEY_DERIVE);
  const CK_OBJECT_HANDLE base = Create(Secret(FromHex(kPreMaster)));
  auto params = MasterParams();
  CK_VERSION version = {9, 9};
  params.pVersion = &version;
  EXPECT_EQ(
      Value(Mechanism(CKM_TLS12_MASTER_KEY_DERIVE, params), base, Open(0)),
      FromHex(kMaster));
  EXPECT_EQ(version.major, 0xf8);  // the first bytes of the pre-master secret
  EXPECT_EQ(version.minor, 0x93);
  params.pVersion = nullptr;
  EXPECT_EQ(
      Value(Mechanism(CKM_TLS12_MASTER_KEY_DERIVE, params), base, Open(48)),
      FromHex(kMaster));
  EXPECT_EQ(
      Value(Mechanism(CKM_TLS12_MASTER_KEY_DERIVE_DH, params), base, Open(0)),
      FromHex(kMaster));
}

// Turned and read two bytes at a time any key could be.
TEST_F(Tls12Test, VersionInAHiddenKey_IsToldIfItIsOne) {
  NEEDS_PERIGEE();
  auto params = MasterParams();
  CK_VERSION version = {9, 9};
  params.pVersion = &version;
  const Mechanism mechanism(CKM_TLS12_MASTER_KEY_DERIVE, params);
  ASSERT_OK(Derive(mechanism, Create(Hidden(FromHex(kPreMaster))), Open(0)));
  EXPECT_EQ(version.major, 0);
  EXPECT_EQ(version.minor, 0);
  Bytes pre_master = FromHex(kPreMaster);
  pre_master[0] = pre_master[1] = 3;
  ASSERT_OK(Derive(mechanism, Create(Hidden(pre_master)), Open(0)));
  EXPECT_EQ(version.major, 3);
  EXPECT_EQ(version.minor, 3);
}

TEST_F(Tls12Test, ExtendedMaster) {
  NEEDS_MECHANISM(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE);
  const CK_OBJECT_HANDLE base = Create(Secret(FromHex(kPreMaster)));
  auto params = Extended(kHash256, CKM_SHA256);
  const Bytes expected = FromHex(
      "d4854c5e515d6fe28bded695329ab635341ea263978afff2058b54e38857253584b8cf8d"
      "37449097d9ce9805adfbca52");
  CK_VERSION version = {9, 9};
  params.pVersion = &version;
  EXPECT_EQ(Value(Mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, params), base,
                  Open(0)),
            expected);
  EXPECT_EQ(version.major, 0xf8);
  EXPECT_EQ(version.minor, 0x93);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, params),
                   base, Open(0)));
  params.pVersion = nullptr;
  EXPECT_EQ(Value(Mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, params),
                  base, Open(0)),
            expected);
  EXPECT_EQ(Value(Mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH,
                            Extended(kHash384, CKM_SHA384)),
                  base, Open(0)),
            FromHex("fded1a40c7e6c91dccc56b0ebd2ebba92f0afbcf9dd42e65bde3b4c0d3"
                    "5cc15b527990341cbf3e1ac364d189f91320f7"));
  // The session hash is one of the PRF's hash function.
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
                             Extended(kHash384, CKM_SHA256)),
                   base, Open(0)));
}

TEST_F(Tls12Test, Master_BadParametersAndKeys) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Create(Secret(FromHex(kPreMaster)));
  const auto rv = [&](const CK_TLS12_MASTER_KEY_DERIVE_PARAMS& params,
                      CK_MECHANISM_TYPE type = CKM_TLS12_MASTER_KEY_DERIVE) {
    return Derive(Mechanism(type, params), base, Open(0));
  };
  auto params = MasterParams();
  params.RandomInfo.ulClientRandomLen = 31;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  params = MasterParams();
  params.RandomInfo.pServerRandom = nullptr;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  for (const CK_MECHANISM_TYPE hash :
       {CKM_SHA256_HMAC, CKM_TLS_PRF, CKM_AES_CBC}) {
    params = MasterParams();
    params.prfHashMechanism = hash;
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  }
  CK_VERSION version = {};
  params = MasterParams();
  params.pVersion = &version;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            rv(params, CKM_TLS12_MASTER_KEY_DERIVE_DH));
  const Mechanism good(CKM_TLS12_MASTER_KEY_DERIVE, MasterParams());
  EXPECT_RV(CKR_KEY_SIZE_RANGE,
            Derive(good, Create(Secret(Pattern(47))), Open(0)));
  EXPECT_OK(Derive(Mechanism(CKM_TLS12_MASTER_KEY_DERIVE_DH, MasterParams()),
                   Create(Secret(Pattern(47))), Open(0)));
  EXPECT_RV(
      CKR_KEY_TYPE_INCONSISTENT,
      Derive(good, Create(Secret(Pattern(32)).Ulong(CKA_KEY_TYPE, CKK_AES)),
             Open(0)));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, Derive(good, base, Open(32)));
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      Derive(good, base, Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_HKDF)));
  EXPECT_RV(CKR_ARGUMENTS_BAD, Derive(good, base, Open(0), nullptr));
}

TEST_F(Tls12Test, Master_IsForTlsOnly) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Create(Secret(FromHex(kPreMaster)));
  const Mechanism mechanism(CKM_TLS12_MASTER_KEY_DERIVE, MasterParams());
  CK_OBJECT_HANDLE key = 0;
  ASSERT_OK(Derive(mechanism, base, Open(0), &key));
  EXPECT_TRUE(GetBool(key, CKA_DERIVE));
  EXPECT_RV(CKR_MECHANISM_INVALID,
            Derive(Mechanism(CKM_SHA256_KEY_DERIVATION), key, Open(32)));
  EXPECT_OK(Derive(Mechanism(CKM_TLS_KDF, Exporter()), key, Open(32)));
  // For less, not for more.
  const auto with = [&](const std::vector<CK_MECHANISM_TYPE>& list) {
    return Derive(mechanism, base, Template(Open(0)).Mechanisms(list), &key);
  };
  EXPECT_OK(with({CKM_TLS12_KEY_SAFE_DERIVE}));
  EXPECT_RV(CKR_MECHANISM_INVALID,
            Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, Block(0, 128, 0)),
                   key, Open(0), nullptr));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, with({}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, with({CKM_TLS_MAC, CKM_SHA256_HMAC}));
}

TEST_F(Tls12Test, Master_IsAsProtectedAsThePreMaster) {
  NEEDS_PERIGEE();
  CK_OBJECT_HANDLE key = 0;
  ASSERT_OK(Derive(Mechanism(CKM_TLS12_MASTER_KEY_DERIVE, MasterParams()),
                   Create(Hidden(FromHex(kPreMaster))), Open(0), &key));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
  EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
}

TEST_F(Tls12Test, KeysOfAConnection) {
  NEEDS_MECHANISM(CKM_TLS12_KEY_AND_MAC_DERIVE);
  const auto params = Block(256, 128, 128);
  const Template aes = Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_AES);
  ASSERT_OK(Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, params), Master(),
                   aes, nullptr));
  EXPECT_EQ(Get(out_.hClientMacSecret, CKA_VALUE), Part(0, 32));
  EXPECT_EQ(Get(out_.hServerMacSecret, CKA_VALUE), Part(32, 32));
  EXPECT_EQ(Get(out_.hClientKey, CKA_VALUE), Part(64, 16));
  EXPECT_EQ(Get(out_.hServerKey, CKA_VALUE), Part(80, 16));
  EXPECT_EQ(Bytes(client_iv_, client_iv_ + 16), Part(96, 16));
  EXPECT_EQ(Bytes(server_iv_, server_iv_ + 16), Part(112, 16));
  EXPECT_EQ(GetUlong(out_.hClientKey, CKA_KEY_TYPE), CK_ULONG{CKK_AES});
  EXPECT_EQ(GetUlong(out_.hServerMacSecret, CKA_KEY_TYPE),
            CK_ULONG{CKK_GENERIC_SECRET});
  for (const CK_OBJECT_HANDLE mac :
       {out_.hClientMacSecret, out_.hServerMacSecret}) {
    EXPECT_TRUE(GetBool(mac, CKA_SIGN));
    EXPECT_TRUE(GetBool(mac, CKA_VERIFY));
  }
  EXPECT_TRUE(GetBool(out_.hClientKey, CKA_ENCRYPT));
  EXPECT_TRUE(GetBool(out_.hServerKey, CKA_DECRYPT));
  EXPECT_TRUE(GetBool(out_.hServerKey, CKA_DERIVE));
}

TEST_F(Tls12Test, KeysOfAnAead) {
  NEEDS_MECHANISM(CKM_TLS12_KEY_AND_MAC_DERIVE);
  const Template aes = Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_AES);
  const auto params = Block(0, 256, 32);
  ASSERT_OK(Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, params), Master(),
                   aes, nullptr));
  EXPECT_EQ(out_.hClientMacSecret, CK_ULONG{CK_INVALID_HANDLE});
  EXPECT_EQ(out_.hServerMacSecret, CK_ULONG{CK_INVALID_HANDLE});
  EXPECT_EQ(Get(out_.hClientKey, CKA_VALUE), Part(0, 32));
  EXPECT_EQ(Get(out_.hServerKey, CKA_VALUE), Part(32, 32));
  EXPECT_EQ(Bytes(client_iv_, client_iv_ + 5),
            Join({Part(64, 4), FromHex("ee")}));
  EXPECT_EQ(Bytes(server_iv_, server_iv_ + 5),
            Join({Part(68, 4), FromHex("ee")}));
}

// The safe mechanism never gives IVs, and ignores what is asked.
TEST_F(Tls12Test, SafeKeys) {
  NEEDS_MECHANISM(CKM_TLS12_KEY_SAFE_DERIVE);
  const auto params = Block(160, 128, 128);
  ASSERT_OK(Derive(Mechanism(CKM_TLS12_KEY_SAFE_DERIVE, params), Master(),
                   Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_AES), nullptr));
  EXPECT_EQ(Get(out_.hServerMacSecret, CKA_VALUE), Part(20, 20));
  EXPECT_EQ(Get(out_.hServerKey, CKA_VALUE), Part(56, 16));
  EXPECT_EQ(Bytes(client_iv_, client_iv_ + 16), Bytes(16, 0xee));
}

// PKCS#11 3.2, 6.40.7, "Note Well": sizes move the IVs over the keys.
TEST_F(Tls12Test, IvsOfAHiddenMaster_AreRefused) {
  NEEDS_PERIGEE();
  const Template aes =
      Template().Ulong(CKA_KEY_TYPE, CKK_AES).Bool(CKA_TOKEN, false);
  const CK_OBJECT_HANDLE hidden = Create(Hidden(FromHex(kMaster)));
  const size_t before = Objects();
  auto params = Block(0, 128, 32);
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, params), hidden, aes,
                   nullptr));
  EXPECT_EQ(Bytes(client_iv_, client_iv_ + 4), Bytes(4, 0xee));
  EXPECT_EQ(Objects(), before);
  params = Block(0, 128, 0);
  ASSERT_OK(Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, params), hidden, aes,
                   nullptr));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(out_.hClientKey, CKA_VALUE));
  EXPECT_FALSE(GetBool(out_.hServerKey, CKA_EXTRACTABLE));
  // The keys are as protected as the master secret, and the template may not
  // say otherwise.
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Derive(Mechanism(CKM_TLS12_KEY_SAFE_DERIVE, params), hidden,
                   Template(aes).Bool(CKA_SENSITIVE, false), nullptr));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Derive(Mechanism(CKM_TLS12_KEY_SAFE_DERIVE, params), Master(),
                   Template(aes).Bool(CKA_SENSITIVE, true), nullptr));
}

TEST_F(Tls12Test, KeysOfAConnection_BadParameters) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE master = Master();
  const Template aes = Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_AES);
  const auto rv = [&](const CK_TLS12_KEY_MAT_PARAMS& params) {
    return Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, params), master, aes,
                  nullptr);
  };
  const size_t before = Objects();
  // Sizes: parts of a byte, so short that they can be guessed, too long.
  constexpr CK_ULONG kSizes[][3] = {
      {0, 0, 0},     {0, 8, 0},     {8, 128, 0},   {104, 128, 0}, {0, 104, 0},
      {0, 129, 0},   {161, 128, 0}, {520, 128, 0}, {0, 264, 0},   {0, 128, 4},
      {0, 128, 136}, {0, ~0ul, 0},  {~7ul, 128, 0}};
  for (const auto& sizes : kSizes) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              rv(Block(sizes[0], sizes[1], sizes[2])));
  }
  auto params = Block(160, 128, 128);
  params.bIsExport = CK_TRUE;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  params = Block(160, 128, 128);
  params.pReturnedKeyMaterial = nullptr;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  params = Block(160, 128, 128);
  out_.pIVServer = nullptr;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  params = Block(160, 128, 128);
  params.prfHashMechanism = CKM_SHA256_HMAC;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  params = Block(160, 128, 128);
  params.RandomInfo.ulServerRandomLen = 33;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, rv(params));
  // A key that the template or its type does not allow: nothing is made.
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Derive(Mechanism(CKM_TLS12_KEY_AND_MAC_DERIVE, Block(0, 128, 0)),
                   master, Template(aes).Ulong(CKA_VALUE_LEN, 32), nullptr));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, rv(Block(160, 136, 128)));
  EXPECT_EQ(Bytes(client_iv_, client_iv_ + 16), Bytes(16, 0xee));
  EXPECT_EQ(Objects(), before);
  EXPECT_RV(CKR_KEY_SIZE_RANGE,
            Derive(Mechanism(CKM_TLS12_KEY_SAFE_DERIVE, Block(0, 128, 0)),
                   Create(Secret(Pattern(32))), aes, nullptr));
}

TEST_F(Tls12Test, Exporter) {
  NEEDS_MECHANISM(CKM_TLS_KDF);
  const CK_OBJECT_HANDLE master = Master();
  const Bytes empty, abc = FromText("abc");
  for (const CK_MECHANISM_TYPE type : {CKM_TLS_KDF, CKM_TLS12_KDF}) {
    EXPECT_EQ(Value(Mechanism(type, Exporter()), master, Open(40)),
              FromHex("494f1578f8abc3ced6a4fe93048c86fc643debbbd5841d54268f866e"
                      "42c15347e9f0b013321cce19"));
    EXPECT_EQ(Value(Mechanism(type, Exporter(&empty)), master, Open(40)),
              FromHex("eb970b4044fc35eab89c3a52f4656ed39dce54cbf21c03e59d4a2d0a"
                      "a9d86de2f646bb0bcdfb7b2d"));
    EXPECT_EQ(Value(Mechanism(type, Exporter(&abc)), master, Open(40)),
              FromHex("d304cf5881094b7c20f8719d724c4acebd4ea8262c40120bb1f9811b"
                      "ac1b7463edb909f55dc06b64"));
  }
  auto old = Exporter();
  old.prfMechanism = CKM_TLS_PRF;
  EXPECT_EQ(Value(Mechanism(CKM_TLS_KDF, old), master, Open(40)),
            FromHex("31b355a7ac3f203818fb4260f48b4c4612fa7498dd8f9eb6db6ab297a4"
                    "e5cf7d9be6e9a555ae7ffd"));
}

TEST_F(Tls12Test, Exporter_BadParametersAndHiddenKeys) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE master = Master();
  auto params = Exporter();
  params.ulLabelLength = 0;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS_KDF, params), master, Open(32)));
  params = Exporter();
  params.ulContextDataLength = 3;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS_KDF, params), master, Open(32)));
  params = Exporter();
  params.prfMechanism = CKM_MD5;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS_KDF, params), master, Open(32)));
  const Mechanism good(CKM_TLS_KDF, Exporter());
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, Derive(good, master, Open(0)));
  const CK_OBJECT_HANDLE hidden = Create(Hidden(FromHex(kMaster)));
  CK_OBJECT_HANDLE key = 0;
  ASSERT_OK(Derive(good, hidden, Open(32), &key));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
  EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, Derive(good, hidden, Open(13)));
  EXPECT_OK(Derive(good, master, Open(13)));
}

// NIST CAVP, TLS 1.0 and 1.1.
TEST_F(Tls12Test, OldPrf) {
  NEEDS_MECHANISM(CKM_TLS_PRF);
  const Bytes secret = FromHex(
      "bded7fa5c1699c010be23dd06ada3a48349f21e5f86263d512c0c5cc379f0e780ec55d98"
      "44b2f1db02a96453513568d0");
  const CK_OBJECT_HANDLE base = Create(Secret(secret));
  Bytes seed = FromHex(
      "e5acaf549cd25c22d964c0d930fa4b5261d2507fad84c33715b7b9a864020693135e4d55"
      "7fdf3aa6406d82975d5c606a9734c9334b42136e96990fbd5358cdb2");
  Bytes label = FromText("master secret");
  Bytes out(48, 0xee);
  CK_ULONG size = out.size();
  CK_TLS_PRF_PARAMS params = {seed.data(),  seed.size(), label.data(),
                              label.size(), out.data(),  &size};
  const size_t before = Objects();
  ASSERT_OK(Derive(Mechanism(CKM_TLS_PRF, params), base, Template(), nullptr));
  EXPECT_EQ(out,
            FromHex("2f6962dfbc744c4b2138bb6b3d33054c5ecc14f24851d9896395a44ab3"
                    "964efc2090c5bf51a0891209f46c1e1e998f62"));
  EXPECT_EQ(Objects(), before);
  if (!IsPerigee()) return;
  const Bytes answer = out;
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            Derive(Mechanism(CKM_TLS_PRF, params), Create(Hidden(secret)),
                   Template(), nullptr));
  size = 0;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS_PRF, params), base, Template(), nullptr));
  size = 1 << 20;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS_PRF, params), base, Template(), nullptr));
  params.pulOutputLen = nullptr;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_TLS_PRF, params), base, Template(), nullptr));
  EXPECT_EQ(out, answer);
}

TEST_F(Tls12Test, Finished) {
  NEEDS_MECHANISM(CKM_TLS_MAC);
  const CK_OBJECT_HANDLE master = Master();
  struct Answer {
    CK_MECHANISM_TYPE hash;
    CK_ULONG size, side;
    const char *data, *tag;
  };
  constexpr Answer kAnswers[] = {
      {CKM_SHA256, 12, 1, kHash256, "a072c30e79dea40313ceea4c"},
      {CKM_SHA256, 12, 2, kHash256, "fff1ab1ecdee8cf416f64ffb"},
      {CKM_SHA384, 20, 2, kHash384, "b733b5f92254e38a06975cd6cd5523788caf17b9"},
      {CKM_TLS_PRF, 12, 2, kHash256, "1df008236c0837f2b0ea587d"},
  };
  for (const Answer& each : kAnswers) {
    const Bytes data = FromHex(each.data);
    Bytes tag = FromHex(each.tag);
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_MAC, CKM_TLS12_MAC}) {
      const Mechanism mechanism(
          type, CK_TLS_MAC_PARAMS{each.hash, each.size, each.side});
      EXPECT_EQ(Whole(SignCalls(), session_, mechanism, master, data).bytes,
                tag);
      EXPECT_EQ(Parts(SignCalls(), session_, mechanism, master, data, 7).bytes,
                tag);
      EXPECT_OK(Verify(session_, mechanism, master, data, tag));
      Bytes wrong = tag;
      wrong.back() ^= 1;
      EXPECT_RV(CKR_SIGNATURE_INVALID,
                Verify(session_, mechanism, master, data, wrong));
      wrong.pop_back();
      EXPECT_RV(CKR_SIGNATURE_LEN_RANGE,
                Verify(session_, mechanism, master, data, wrong));
    }
  }
}

TEST_F(Tls12Test, Finished_BadParameters) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE master = Master();
  constexpr CK_TLS_MAC_PARAMS kBad[] = {
      {CKM_SHA256, 11, 1},  {CKM_SHA256, 65, 1},      {CKM_SHA256, 12, 0},
      {CKM_SHA256, 12, 3},  {CKM_SHA256_HMAC, 12, 1}, {CKM_TLS_PRF, 13, 1},
      {CKM_AES_CBC, 12, 1},
  };
  for (const CK_TLS_MAC_PARAMS& bad : kBad) {
    EXPECT_RV(
        CKR_MECHANISM_PARAM_INVALID,
        p11().C_SignInit(session_, Mechanism(CKM_TLS_MAC, bad).get(), master));
  }
  const Mechanism good(CKM_TLS_MAC, CK_TLS_MAC_PARAMS{CKM_SHA256, 12, 1});
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            p11().C_SignInit(
                session_, good.get(),
                Create(Secret(Pattern(32)).Ulong(CKA_KEY_TYPE, CKK_AES))));
  EXPECT_RV(
      CKR_DATA_LEN_RANGE,
      Whole(SignCalls(), session_, good, master, Bytes((1 << 16) + 1)).rv);
}

}  // namespace
}  // namespace conformance
