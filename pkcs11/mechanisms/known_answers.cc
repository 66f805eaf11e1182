// The answers: of NIST, RFCs and IEEE where they have some; for keys of our own
// (made for this page, in PKCS#8) what OpenSSL 3.0 gave.
#include <algorithm>
#include <initializer_list>

#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/self_check.h"

namespace pkcs11 {
namespace {

// --- what a test covers
// -------------------------------------------------------

template <CK_MECHANISM_TYPE kDigest>
bool UsesHash(const Mechanism& row) {
  const Hash& hash = *FindHash(&Hash::digest, kDigest);
  for (const CK_ULONG number :
       {hash.digest, hash.rsa_pkcs, hash.rsa_pss, hash.ecdsa, hash.hmac,
        hash.hmac_general, hash.key_derivation}) {
    if (number == row.type) return true;
  }
  return kDigest == CKM_SHA512_256 && row.type == CKM_SHA512_T;
}

// Every MAC and derivation by HMAC too.
bool IsHmac(const Mechanism& row) {
  return FindHash(&Hash::hmac, row.type) != nullptr ||
         FindHash(&Hash::hmac_general, row.type) != nullptr ||
         row.type == CKM_HKDF_DERIVE || row.type == CKM_HKDF_DATA ||
         row.type == CKM_BIP32_MASTER_DERIVE ||
         row.type == CKM_BIP32_CHILD_DERIVE || row.type == CKM_PKCS5_PBKD2 ||
         (row.type >= CKM_SP800_108_COUNTER_KDF &&
          row.type <= CKM_SP800_108_DOUBLE_PIPELINE_KDF) ||
         (row.type >= CKM_TLS12_MASTER_KEY_DERIVE && row.type <= CKM_TLS_KDF) ||
         row.type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE ||
         row.type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH ||
         row.type == CKM_TLS12_MAC || row.type == CKM_TLS12_KDF ||
         row.type == CKM_TLS_PRF;
}

template <CK_KEY_TYPE kType>
bool OfType(const Mechanism& row) {
  return row.key_type == kType || row.also_key_type == kType;
}

// Those of BIP32 compute with points too.
bool IsEc(const Mechanism& row) {
  return OfType<CKK_EC>(row) || OfType<CKK_BIP32>(row) ||
         row.type == CKM_BIP32_MASTER_DERIVE;
}

template <CK_KEY_TYPE kType>
bool DerivesFrom(const Mechanism& row) {
  return OfType<kType>(row) && (row.derive != nullptr || row.wrap != nullptr ||
                                row.encapsulate != nullptr);
}

bool IsDh(const Mechanism& row) {
  return OfType<CKK_DH>(row) || OfType<CKK_X9_42_DH>(row);
}

template <CK_MECHANISM_TYPE... kTypes>
bool IsOneOf(const Mechanism& row) {
  return ((row.type == kTypes) || ...);
}

// --- parameters
// ---------------------------------------------------------------

CK_MECHANISM NoParameter(CK_MECHANISM_TYPE type, MutableByteSpan) {
  return {type, nullptr, 0};
}

template <size_t kSize>
CK_MECHANISM BytesOf(CK_MECHANISM_TYPE type, const uint8_t (&bytes)[kSize]) {
  return {type, const_cast<uint8_t*>(bytes), kSize};
}

template <typename T>
CK_MECHANISM Struct(CK_MECHANISM_TYPE type, const T& parameters) {
  return {type, const_cast<T*>(&parameters), sizeof(parameters)};
}

constexpr uint8_t kCounting[] = {0, 1, 2,  3,  4,  5,  6,  7,
                                 8, 9, 10, 11, 12, 13, 14, 15};
constexpr uint8_t kZeros[16] = {};

CK_MECHANISM CountingIv(CK_MECHANISM_TYPE type, MutableByteSpan) {
  return BytesOf(type, kCounting);
}

CK_MECHANISM CounterBlock(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr CK_AES_CTR_PARAMS kCtr = {
      128,
      {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb,
       0xfc, 0xfd, 0xfe, 0xff}};
  return Struct(type, kCtr);
}

CK_MECHANISM ZeroGcm(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static const CK_GCM_PARAMS kGcm = {
      const_cast<uint8_t*>(kZeros), 12, 96, nullptr, 0, 128};
  return Struct(type, kGcm);
}

CK_MECHANISM ShortCcm(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr uint8_t kNonce[] = {0x10, 0x11, 0x12, 0x13,
                                       0x14, 0x15, 0x16};
  static const CK_CCM_PARAMS kCcm = {4, const_cast<uint8_t*>(kNonce),
                                     7, const_cast<uint8_t*>(kCounting),
                                     8, 4};
  return Struct(type, kCcm);
}

CK_MECHANISM XtsTweak(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr uint8_t kTweak[16] = {0x33, 0x33, 0x33, 0x33, 0x33};
  return BytesOf(type, kTweak);
}

CK_MECHANISM ChaChaFromOne(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr uint8_t kOne[] = {1, 0, 0, 0};
  static const CK_CHACHA20_PARAMS kChaCha = {const_cast<uint8_t*>(kOne), 32,
                                             const_cast<uint8_t*>(kZeros), 96};
  return Struct(type, kChaCha);
}

// `input` is the other's public value.
CK_MECHANISM EcPeer(CK_MECHANISM_TYPE type, MutableByteSpan input) {
  thread_local CK_ECDH1_DERIVE_PARAMS parameters;
  parameters = {CKD_NULL, 0, nullptr, input.size(), input.data()};
  return Struct(type, parameters);
}

CK_MECHANISM PlainPeer(CK_MECHANISM_TYPE type, MutableByteSpan input) {
  return {type, input.data(), input.size()};
}

CK_MECHANISM HkdfCase1(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr uint8_t kInfo[] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4,
                                      0xf5, 0xf6, 0xf7, 0xf8, 0xf9};
  static const CK_HKDF_PARAMS kHkdf = [] {
    CK_HKDF_PARAMS made = {};
    made.bExtract = made.bExpand = CK_TRUE;
    made.prfHashMechanism = CKM_SHA256;
    made.ulSaltType = CKF_HKDF_SALT_DATA;
    made.pSalt = const_cast<uint8_t*>(kCounting);
    made.ulSaltLen = 13;
    made.pInfo = const_cast<uint8_t*>(kInfo);
    made.ulInfoLen = sizeof(kInfo);
    return made;
  }();
  return Struct(type, kHkdf);
}

CK_MECHANISM PasswordOnce(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static char salt[] = "salt", password[] = "password";
  static const CK_PKCS5_PBKD2_PARAMS2 kPbkdf2 = {
      CKZ_SALT_SPECIFIED,
      salt,
      4,
      1,
      CKP_PKCS5_PBKD2_HMAC_SHA1,
      nullptr,
      0,
      reinterpret_cast<CK_UTF8CHAR*>(password),
      8};
  return Struct(type, kPbkdf2);
}

CK_MECHANISM MlDsaContext(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr uint8_t kBytes[] = {0x48, 0x0c, 0x65, 0x8c, 0x0c, 0xb3,
                                       0xe0, 0x40, 0xbd, 0xe0, 0x84, 0x34,
                                       0x5c, 0xef, 0x0d, 0xf7};
  static const CK_SIGN_ADDITIONAL_CONTEXT kContext = {
      CKH_DETERMINISTIC_REQUIRED, const_cast<uint8_t*>(kBytes), sizeof(kBytes)};
  return Struct(type, kContext);
}

CK_MECHANISM SlhDsaContext(CK_MECHANISM_TYPE type, MutableByteSpan) {
  static constexpr uint8_t kBytes[] = {0x01, 0x02, 0x03, 0x04};
  static const CK_SIGN_ADDITIONAL_CONTEXT kContext = {
      CKH_DETERMINISTIC_REQUIRED, const_cast<uint8_t*>(kBytes), sizeof(kBytes)};
  return Struct(type, kContext);
}

// --- keys (PKCS#8)
// ------------------------------------------------------------

constexpr char kRsaKey[] =
    "308204bc020100300d06092a864886f70d0101010500048204a6308204a202010002"
    "820101009d32ae78b4a3b7c3d66d877ad561ac5eb14309a4e3a29b6b90479d3e435b"
    "941dbd1ae80a4ca6d136f2f972fd9d112cae73ee44720ab0dc9a4dbf27f65bad3db4"
    "378effab317deb0ccf7f4e6fbaeef666e7af5ac8db20b533612864b0c5b92b925f81"
    "2d68d05562c305c6f114de42f22e57b002a698482ce1b08f92feedc3b89972387055"
    "6dfc3caa3d9350cd8bfc7081334bde3043aff343503262459fbdbbbf4588dfe10922"
    "672d658931bd28c7df2e4725aab0301293a756d7c6966e0b28f92877dcd1c30a78f1"
    "340e01d1d5a3ac7940c513655599b048583a5c1090aa025c6990cdb1119b4255ec57"
    "795ae0d5d4024e526e3ceebaf9558e15d6b272d6f605020301000102820100179d1f"
    "25dd36d1ba4ea9fde5c70b88d5e1a96917b6a53cd51be3921ca2082df808a9f3cce6"
    "4651dbc00496504029ae0d57b7655b3f3d61aa213f339cd7992ed1755e1b0c679f1b"
    "71bd72c980d1b3275afe77323b456584aabeefcf2e59c94ee10a4d3099d3dfdbb9e1"
    "9288b102914a69893d14acdb67ce2c29f66b55b5b846b0b3dbfc3799ae05c3160558"
    "5dcf62c856e5284cee555187f0e91a0b3d271c5a6f140708394e8242754ddd7a4089"
    "f8d291ce6cb0489ddb3418b5154cbd25f454cb2a9ebed14ea6533bd12a0519a43344"
    "8fb8b778a0cf5be154cb1e4780d0b93e7e505547510da0a2352efb3031e145247fbb"
    "186c95b40c3cf12bea91e3163a4a0102818100d5676f7d45091938f031816248ca35"
    "07ceb54749f5a137b33f3dace88b32882b175b6f7b95b4e9ec53c2eb6b4f30494fab"
    "f1f2314ab824924dcaeee9aed62f87eda3a6974644bf09b9a7fe90c9ea8f8ae3bfc2"
    "d8d72eeaa2e07c13f102b74e96bd67e5787bb628ef00f0e7caea972ac099a7f07acc"
    "b0a0326b73de86ae874e0102818100bc93376c86dbe4846d5952acd801abc93cc57f"
    "7282aaa4e6ec8b9e5d5d1b60bc6dba49c0a22297cbb9cd9acc80edf9a4764d8b1fd0"
    "f39729a6d08168aa0706a05179564529aae65f9432caa2211b64cae9bf70b1f08288"
    "d5094dbc09f08378e44a353a9e3f9c191d3f01837c6f1c02bec64c89006a3719d066"
    "d3e02a5c127005028180090a1096e5cdb4dbcc90cc4235831b2bf17d8c3f7dc00e73"
    "f141d389261c45d84d6cfa13ea0b77bd22ef26b9ace906b1f13e965bb0268ca605d5"
    "8ab92b46b74cb2ac33ea4477b4ffdc75593b18d26eb21b638c055358116844c9fcae"
    "40c732f4ffa0deff737e0bcdd3e4606d1ff2b744e13d53da5fc13b87e735493fbb34"
    "d00102818033f08c8c7cdca6257f84e1cbafb74e1ca07b796e0de578840e552a6a66"
    "d1baa44bc8cab59f32ce02940bb87e6968a2a114e0a8d83b924c697183ee90e87c04"
    "ec3564a949657fa7f25d7c5be9aa1ac4794b46aa80a8511be529a9da881651f00359"
    "192e2b1634258ab3a6f4135afb291a68bdfde23a5f30e200e08cd6be036a0d028180"
    "493ea2effcd67681d20d4fea0024688cb3af04d35b73cda7bd67c5371f26043b4fb3"
    "5c6f521dec5051e6b7339cb4491be1e251d2cc74b431b06fc713901c4535d9035682"
    "c8a5b1b936adfaae1a88f80118719db94a8f578cfc6eac6ef69eb7aa5da35ec21cea"
    "efcb7e3cd73320f8327f2f5e04903c1bbec220f03e703c90d957";

constexpr char kEcKey[] =
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b020101"
    "04200ad7efaf0118c21a4b4e3db5b514c155e233e28133420881937346aa2b299983"
    "a144034200041fc7c19e6e8f5d5fa44ef39cbf07d6e456ab44e8d8ea2e590a707bdb"
    "c9d4eb2be4b8838593ada865662a2e2fdd4426e33ebba3a127c71c3289ce3846ec0b"
    "b438";

constexpr char kDsaKey[] =
    "308202640201003082023906072a8648ce3804013082022c0282010100d1fbd965e3"
    "fd3be041c00d65d5e6eaeafeb52cd5f697156b21d4df8af738f3bf17c64af27df035"
    "6a937c03cf12a861fb6ba8f22a4d72913da02fcfe22a35657ae28ebcd78b7d5a7422"
    "d246b114fb7a1202025838b765f493899c417984fbb5db3fc24e64d735931648f39d"
    "b71dd667e935ef3bf5799e0021cabba59da0fcc4da2d580f889a3937b85c8cdc4293"
    "b90a0e00553c2cb048d90c1460a3a6903a424a9aacabf4de048020fc5d59379e654f"
    "e151d976c344893c656af1a12fc1dd6b4e6e1e73defd8f9566986253374b048cb389"
    "8a4a192a1263ae6bdba9c6e810bf353f52ced43c7577c61d47fc3934ae61074c4c5b"
    "6b8fa439484fb4733d4ce3de1d022100c1bd6e1014c1bff7594c909990c29197cb84"
    "284861346b8080789b755948b8a1028201006608bcd253c081e91a02e4f566af0128"
    "22789f9cb2c9941c0f40dfe8f1e62a83015b7390438ffc562b740ef96e355fa35d0c"
    "7fc31df175c2eb1c510334bfea8f9a8889ed26c97d9101ef395ac42568e248631a6b"
    "9f97b4a9119da8e4e2fd9b98dec03a93a426d60155c330c681232ac0adec7134037d"
    "e2c21c7814138e7a4841922a88001f440fd2e520a74e9ab9aef3eff672e7fab26caf"
    "32b854fef2fd2a098a9ba2900928d4e9adf9246e77affaaf968485cd015d8dd35e48"
    "294b3fbe36815c0b97d875b04bad19f317828e30336ccf1ade75b5f47ad8255996bd"
    "ad03a1f57a9c19097e47121152fd9e1199c5ace4eee2fe6b4401a9f721339bee1755"
    "670d042202206065807cd3c4e3fa009f22d62b144238c1c1031b34ee1945fbb882e5"
    "3fb7ced2";

constexpr char kDhKey[] =
    "3082013f0201003082011706092a864886f70d010301308201080282010100ffffff"
    "ffffffffffadf85458a2bb4a9aafdc5620273d3cf1d8b9c583ce2d3695a9e1364114"
    "6433fbcc939dce249b3ef97d2fe363630c75d8f681b202aec4617ad3df1ed5d5fd65"
    "612433f51f5f066ed0856365553ded1af3b557135e7f57c935984f0c70e0e68b77e2"
    "a689daf3efe8721df158a136ade73530acca4f483a797abc0ab182b324fb61d108a9"
    "4bb2c8e3fbb96adab760d7f4681d4f42a3de394df4ae56ede76372bb190b07a7c8ee"
    "0a6d709e02fce1cdf7e2ecc03404cd28342f619172fe9ce98583ff8e4f1232eef281"
    "83c3fe3b1b4c6fad733bb5fcbc2ec22005c58ef1837d1683b2c6f34a26c1b2effa88"
    "6b423861285c97ffffffffffffffff020102041f021d01b02e9c3f28047ad055146e"
    "3f8435b2e7328959fc450d5cba75bafb52";

constexpr CK_KEY_TYPE kNoKey = CK_UNAVAILABLE_INFORMATION;

constexpr KnownAnswer kAnswers[] = {
    {"MD5", SelfTestJob::kDigest, CKM_MD5, kNoKey, "", NoParameter, "616263",
     "900150983cd24fb0d6963f7d28e17f72", UsesHash<CKM_MD5>},
    {"SHA-1", SelfTestJob::kDigest, CKM_SHA_1, kNoKey, "", NoParameter,
     "616263", "a9993e364706816aba3e25717850c26c9cd0d89d", UsesHash<CKM_SHA_1>},
    {"SHA224", SelfTestJob::kDigest, CKM_SHA224, kNoKey, "", NoParameter,
     "616263", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
     UsesHash<CKM_SHA224>},
    {"SHA256", SelfTestJob::kDigest, CKM_SHA256, kNoKey, "", NoParameter,
     "616263",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     UsesHash<CKM_SHA256>},
    {"SHA384", SelfTestJob::kDigest, CKM_SHA384, kNoKey, "", NoParameter,
     "616263",
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086"
     "072ba1e7cc2358baeca134c825a7",
     UsesHash<CKM_SHA384>},
    {"SHA512", SelfTestJob::kDigest, CKM_SHA512, kNoKey, "", NoParameter,
     "616263",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192"
     "992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     UsesHash<CKM_SHA512>},
    {"SHA512-224", SelfTestJob::kDigest, CKM_SHA512_224, kNoKey, "",
     NoParameter, "616263",
     "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
     UsesHash<CKM_SHA512_224>},
    {"SHA512-256", SelfTestJob::kDigest, CKM_SHA512_256, kNoKey, "",
     NoParameter, "616263",
     "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
     UsesHash<CKM_SHA512_256>},
    {"SHA3-224", SelfTestJob::kDigest, CKM_SHA3_224, kNoKey, "", NoParameter,
     "616263", "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
     UsesHash<CKM_SHA3_224>},
    {"SHA3-256", SelfTestJob::kDigest, CKM_SHA3_256, kNoKey, "", NoParameter,
     "616263",
     "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
     UsesHash<CKM_SHA3_256>},
    {"SHA3-384", SelfTestJob::kDigest, CKM_SHA3_384, kNoKey, "", NoParameter,
     "616263",
     "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d8"
     "8cea927ac7f539f1edf228376d25",
     UsesHash<CKM_SHA3_384>},
    {"SHA3-512", SelfTestJob::kDigest, CKM_SHA3_512, kNoKey, "", NoParameter,
     "616263",
     "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e1"
     "16e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
     UsesHash<CKM_SHA3_512>},
    {"BLAKE2B-512", SelfTestJob::kDigest, CKM_BLAKE2B_512, kNoKey, "",
     NoParameter, "616263",
     "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87"
     "c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
     UsesHash<CKM_BLAKE2B_512>},
    {"HMAC-SHA-256", SelfTestJob::kSign, CKM_SHA256_HMAC, CKK_GENERIC_SECRET,
     "4a656665", NoParameter,
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
     IsHmac},
    {"AES", SelfTestJob::kEncrypt, CKM_AES_ECB, CKK_AES,
     "000102030405060708090a0b0c0d0e0f", NoParameter,
     "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a",
     OfType<CKK_AES>},
    {"AES-CBC", SelfTestJob::kEncrypt, CKM_AES_CBC, CKK_AES,
     "2b7e151628aed2a6abf7158809cf4f3c", CountingIv,
     "6bc1bee22e409f96e93d7e117393172a", "7649abac8119b246cee98e9b12e9197d",
     IsOneOf<CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTS>},
    {"AES-CTR", SelfTestJob::kEncrypt, CKM_AES_CTR, CKK_AES,
     "2b7e151628aed2a6abf7158809cf4f3c", CounterBlock,
     "6bc1bee22e409f96e93d7e117393172a", "874d6191b620e3261bef6864990db6ce",
     IsOneOf<CKM_AES_CTR>},
    {"AES-GCM", SelfTestJob::kEncrypt, CKM_AES_GCM, CKK_AES,
     "00000000000000000000000000000000", ZeroGcm,
     "00000000000000000000000000000000",
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
     IsOneOf<CKM_AES_GCM, CKM_AES_GMAC>},
    {"AES-CCM", SelfTestJob::kEncrypt, CKM_AES_CCM, CKK_AES,
     "404142434445464748494a4b4c4d4e4f", ShortCcm, "20212223",
     "7162015b4dac255d", IsOneOf<CKM_AES_CCM>},
    {"AES-CMAC", SelfTestJob::kSign, CKM_AES_CMAC, CKK_AES,
     "2b7e151628aed2a6abf7158809cf4f3c", NoParameter,
     "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c",
     IsOneOf<CKM_AES_CMAC, CKM_AES_CMAC_GENERAL>},
    {"AES-KW", SelfTestJob::kWrap, CKM_AES_KEY_WRAP, CKK_AES,
     "000102030405060708090a0b0c0d0e0f", NoParameter,
     "00112233445566778899aabbccddeeff",
     "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
     IsOneOf<CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PKCS7>},
    {"AES-KWP", SelfTestJob::kWrap, CKM_AES_KEY_WRAP_KWP, CKK_AES,
     "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", NoParameter,
     "c37b7e6492584340bed12207808941155068f738",
     "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
     IsOneOf<CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD>},
    {"AES-XTS", SelfTestJob::kEncrypt, CKM_AES_XTS, CKK_AES_XTS,
     "1111111111111111111111111111111122222222222222222222222222222222",
     XtsTweak,
     "4444444444444444444444444444444444444444444444444444444444444444",
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
     OfType<CKK_AES_XTS>},
    {"Camellia", SelfTestJob::kEncrypt, CKM_CAMELLIA_ECB, CKK_CAMELLIA,
     "0123456789abcdeffedcba9876543210", NoParameter,
     "0123456789abcdeffedcba9876543210", "67673138549669730857065648eabe43",
     OfType<CKK_CAMELLIA>},
    {"DES", SelfTestJob::kEncrypt, CKM_DES_ECB, CKK_DES, "0123456789abcdef",
     NoParameter, "4e6f772069732074", "3fa40e8a984d4815", OfType<CKK_DES>},
    {"DES3", SelfTestJob::kEncrypt, CKM_DES3_ECB, CKK_DES3,
     "0123456789abcdef23456789abcdef01456789abcdef0123", NoParameter,
     "00112233445566778899aabbccddeeff", "109aeac4d79bfaddf9ad78eda08644d5",
     OfType<CKK_DES3>},
    {"ChaCha20", SelfTestJob::kEncrypt, CKM_CHACHA20, CKK_CHACHA20,
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     ChaChaFromOne, "73616d706c65", "6bd92f41c183", OfType<CKK_CHACHA20>},
    {"RSA", SelfTestJob::kSign, CKM_SHA256_RSA_PKCS, CKK_RSA, kRsaKey,
     NoParameter, "73616d706c65",
     "248833cdcf1914e46276f82ad085d1abbf18e3d79ba72d93751c0e501e3557630ab2"
     "5b9163ae71fa297a126613d00ffb57614585639749508fde7f8bfb4003e42822645f"
     "ab05d11eec2515252b510598e24fa96457026dd08cf50494b16a96e35724198b1b15"
     "bde63f6aa6d363a27d6442edfc1d456bdc6c2da17ddeb1f3b29f1bde734a351b079d"
     "a6db1d84c9ceff8e89620bd32b12e9bfa431624d679184b1346e4db9f27b337deb09"
     "a8f15d340685eed6bddaf5f9cc1577b9fd94cf659ab632b32c7063fd8fb59664d7b5"
     "9e9c85700737218747252f947ee606968e6b49a2648fabde6f1050f7e1ace95e4a52"
     "630243049bb0c60aa5901360335a979303fe",
     OfType<CKK_RSA>},
    {"ECDSA", SelfTestJob::kVerify, CKM_ECDSA_SHA256, CKK_EC, kEcKey,
     NoParameter, "73616d706c65",
     "4aefabc186892ab333ddb4f0ed9d1c2b3c2eb8cfc80c47dd241423a51143914df056"
     "ebb903ac2b554255b39178fcd93209c5824b9ba762e6e29d771b0b5b6a77",
     IsEc},
    {"ECDH", SelfTestJob::kDerive, CKM_ECDH1_DERIVE, CKK_EC, kEcKey, EcPeer,
     "04f9d14d6dfb6ab73eccfa0734b6ebbdff9207933886fe7dc041d7db807dbe153954"
     "e18b06bca20d62100e16c99688434346eee9d255c8d5ffe195dd8fe23d3233",
     "fedbf6658bd30e572ed4ef271609a7207927824242a6973a63d77802793cb9e4",
     DerivesFrom<CKK_EC>},
    {"Ed25519", SelfTestJob::kSign, CKM_EDDSA, CKK_EC_EDWARDS,
     "302e020100300506032b6570042204205012c9af8a1187a9c4096473b078ff52b736"
     "ad262e18781b70241f2516441a54",
     NoParameter, "73616d706c65",
     "bbc58c7160a2ec030510c8b1c945e8af6aaaac076c2fdfe5acce31b36941dbbc51e7"
     "8d7e85c72c944ab2cdce750182366f7a5e6519ef75aa8eb4711a31a80c0f",
     OfType<CKK_EC_EDWARDS>},
    {"X25519", SelfTestJob::kDerive, CKM_ECDH1_DERIVE, CKK_EC_MONTGOMERY,
     "302e020100300506032b656e0422042000a7733becfa2c88681627638bcbf0890f96"
     "103942bc336b8eacc8a9d01dd75e",
     EcPeer, "92274c4a3eb72d1ecde16f5bd21a80beccdd1ae38e8ca8a605fc5423855f7f38",
     "e85be76bfc4d33bda52eb76065835596a8d91f44ea89e6fafe4f15e0c9fb301a",
     OfType<CKK_EC_MONTGOMERY>},
    {"DSA", SelfTestJob::kVerify, CKM_DSA_SHA256, CKK_DSA, kDsaKey, NoParameter,
     "73616d706c65",
     "1191a27716c220f1294a9834faffdb713f41e1d81c0fbd8112924e166a7e3b0d3dbd"
     "b6d0038e9ac5c249b6b33ab976ebf29a2cd197b4db63d23bf9cb11256f8c",
     OfType<CKK_DSA>},
    {"DH", SelfTestJob::kDerive, CKM_DH_PKCS_DERIVE, CKK_DH, kDhKey, PlainPeer,
     "a859821f3bd2b5ea71972e4cfbdab4d83e0ac93b9d0053ae3a893779fde8cfa6f2c9"
     "ec17570542c7d2b99fdd3bc704c0e5170f0e4f8c8bf9a137bdb1ccd1b7578926c66e"
     "56e22166a1480224c4a03c4e528e69abfecf21d552ddd2c795deda0de9c44569b981"
     "2dfd2c9e93cf6cbee118029bbad8690c9aa0e7fb3a5669473deec45f5526014c52db"
     "db2ce61f833f4f97178fab16d1c01eeb0979a439342ad66dd653744764602ce7f079"
     "42017532e9ae3fc965dca15e419e231d89b6cf3fa0d3b3fec65ee2de963f25da614e"
     "953bfc98b5c78520bfce33848fbe6c637a915698b23690ddd024cfb33202d04b54cb"
     "f2b7901149d39c71938d3135dad9012702bb",
     "20725265d5efc60b76e63959df3be915ea48d0b5aab77d4be30ea38e4ed553d9e114"
     "27ca27d91a5d224226a4b0bebb5053c839298d26251e7eb3a63cc0418b747a60349a"
     "bf541c7d1c7782c5313f2cc98b78fb6ffb1ef9e2abad698e6b3def9cf4dc17655516"
     "196755b38b05f704bb87c6f08316587cbd91d8e04d2605579fb77e81da847f9612b9"
     "f2151793c2680dc00a59be6557f19242b5c54049bb1dc09f5457897023af53e3eb66"
     "cbe9c27ed90342fc53dddd1a538bab1e60521fe982e86b6becf7e0ebfb1888a9d252"
     "0be2dc750afad102c7e6417ba869b169c795163c345e4f7c606e949be8859bd484b0"
     "be498b6c572afcfeefb8d7a45b535c8e9d5b",
     IsDh},
    {"HKDF", SelfTestJob::kDerive, CKM_HKDF_DERIVE, CKK_GENERIC_SECRET,
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", HkdfCase1, "",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf3400"
     "7208d5b887185865",
     IsOneOf<CKM_HKDF_DERIVE, CKM_HKDF_DATA>},
    {"PBKDF2", SelfTestJob::kGenerate, CKM_PKCS5_PBKD2, CKK_GENERIC_SECRET, "",
     PasswordOnce, "", "0c60c80f961f0e71f3a9b524af6012062fe037a6",
     IsOneOf<CKM_PKCS5_PBKD2>},
    {"ML-KEM", SelfTestJob::kDecapsulate, CKM_ML_KEM, CKK_ML_KEM,
     "6dbbc4375136df3b07f7c70e639e223e177e7fd53b161b3f4d57791794f12624f696"
     "484048ec21f96cf50a56d0759c448f3779752f0383d37449690694cf7a68",
     NoParameter,
     "917e59d1e182a29648a61955a154b304a842f458eba593f3065fb7d744fba24fa3a0"
     "d538854e32844db248d48100c389c4c4b3ca6c234f2f61a67932aeee808dbfe98d89"
     "6d1e9668820965c6343bbb4a4de64b7a99fb53b5264e3199d587ffa5e0479f6b7386"
     "b23cb9c243fa6f5457fc97dbc96dcc039bd6c4e7e85a90b5c5232416434ea942cc71"
     "134bb9a2f4991e0595e3487feabac479cab9510d57b86250ee7c96a67a9f2c6121f7"
     "daa02c5cfa3b23b0c732c2b15694e1ccbac82b787cf2118d08425cbba12188221794"
     "0c894cbe47aae2541f5c6e0bd1baab31fd2b2ecb34b9e693f6fc0fdeea906716d088"
     "18f51df0c4694029e8c3234be0b62471b2769d9ac4ceb947602380f3a497b2a01ff7"
     "b8746c1c7ae81983e016bd65c7cd1762c191857e41c2321981f6c7aa8d7afaaa9fa0"
     "b557ec1ec1285f8b4d6c788aff159ea5862e814d0825c8834b7ca45db7c8eda3fa6a"
     "6a7b8a40519529bf74b6a0f80c484917f40c107d182bce3e344fd36d1b377a982f6b"
     "f2361b8d662875c166dcca73240b86df5ee0fa4231b356f0cdd6b3170ff89113db0b"
     "1b9dd264335783222cbe7be844642b0b1988d18b268da6f78cc944f43b827143c4dc"
     "5ee1f0d658b87b9c00862f263d6f5798fc82e8be079a1108defdd4c7863c3147e9bd"
     "f0fbc84deba215fdfb9ca4237a8419b26fdeff63a7f95c442bce67966ebe6b5f9af1"
     "fd2a7cbed648ea7276db742dac3e470f6cc741d82e77e9c0dd019b5458177551975b"
     "59633be67b35c0d430b725524deafdeba6d3643c5c82ebb52479669c411bb56b397f"
     "8d37b8f7fa4ced0316546caaee419c0e7f1d96a0ec614c6c9c8e03e010031765121f"
     "1eb8fd549fde046a50443ebab9fea2e78a29f4964455928db1f9e7820e533c571298"
     "9b3a3637ea00a1de3e469a800c431d4df243c1dc7d6a89ba7900d52b78bcc103474f"
     "9d2c2128025c3193c4d1a09f50905ad2de7fe8e09f047e0e72e6dab0edf7e3b08ed1"
     "316acf857254b6c1fbf64ce582f2990ccecf9505fd7e8517998aaf583be1aa641e9b"
     "54dbb91ca9d0700913967fb0349201b5d679b32d",
     "2b5c52ee72946331983ba050be0f435055c0547901e03559b356517889ea27c5",
     OfType<CKK_ML_KEM>},
    {"ML-DSA", SelfTestJob::kSignHashed, CKM_ML_DSA, CKK_ML_DSA,
     "f696484048ec21f96cf50a56d0759c448f3779752f0383d37449690694cf7a68",
     MlDsaContext, "6dbbc4375136df3b07f7c70e639e223e",
     "e8a1941380e7cadb3c8dfb31dd3f3986568d26e4bf2d975610e81df300267c37",
     OfType<CKK_ML_DSA>},
    {"SLH-DSA", SelfTestJob::kSignHashed, CKM_SLH_DSA, CKK_SLH_DSA,
     "050c131a21282f363d444b525960676e757c838a91989fa6adb4bbc2c9d0d7dee5ec"
     "f3fa01080f161d242b323940474e9c17e20c2ebcdffdf9f212c548e69fbf",
     SlhDsaContext,
     "6d65737361676520666f7220736c685f6473615f736861325f31323873",
     "4101f8fdba5de5ed4e2f141b5fe1709997b6445ead973b45a00483c7168214b3",
     OfType<CKK_SLH_DSA>},
};

}  // namespace

absl::Span<const KnownAnswer> KnownAnswers() { return kAnswers; }

}  // namespace pkcs11
