// Keys of BIP 32 by the vendor's calls: the proposal's own test vectors, what
// is refused, what stays hidden, and that they are backed up as others are.
#include <string>
#include <vector>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr CK_ULONG kHard = CKF_BIP32_HARDENED;

struct Pair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

const Template& Usable() {
  static const Template* const wanted =
      new Template(Template().Bool(CKA_DERIVE, true));
  return *wanted;
}

class Bip32Test : public testing::Test {
 protected:
  Bip32Test() : bench_(Plan()), session_(bench_.Officer()) {}

  const CK_FUNCTION_LIST& c() const { return bench_.host.c(); }
  const CK_SFNT_CA_FUNCTION_LIST& ca() const { return bench_.host.ca(); }

  CK_OBJECT_HANDLE Seed(const Bytes& value, bool hidden = false) {
    return bench_.host.Create(session_,
                              Template()
                                  .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                                  .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                                  .Bool(CKA_SENSITIVE, hidden)
                                  .Bool(CKA_EXTRACTABLE, !hidden)
                                  .Bool(CKA_DERIVE, true)
                                  .Set(CKA_VALUE, value));
  }
  CK_RV Master(CK_OBJECT_HANDLE seed, Pair& made,
               const Template& public_key = Usable(),
               const Template& private_key = Usable()) {
    CK_BIP32_MASTER_DERIVE_PARAMS parameters = {public_key.data(),
                                                public_key.size(),
                                                private_key.data(),
                                                private_key.size(),
                                                7,
                                                7};
    CK_MECHANISM mechanism = {CKM_BIP32_MASTER_DERIVE, &parameters,
                              sizeof parameters};
    const CK_RV rv =
        c().C_DeriveKey(session_, &mechanism, seed, nullptr, 0, nullptr);
    made = {parameters.hPublicKey, parameters.hPrivateKey};
    return rv;
  }
  CK_RV Child(CK_OBJECT_HANDLE parent, std::vector<CK_ULONG> path, Pair& made,
              CK_ULONG* error_index = nullptr,
              const Template& public_key = Usable(),
              const Template& private_key = Usable()) {
    CK_BIP32_CHILD_DERIVE_PARAMS parameters = {public_key.data(),
                                               public_key.size(),
                                               private_key.data(),
                                               private_key.size(),
                                               path.data(),
                                               path.size(),
                                               7,
                                               7,
                                               99};
    CK_MECHANISM mechanism = {CKM_BIP32_CHILD_DERIVE, &parameters,
                              sizeof parameters};
    const CK_RV rv =
        c().C_DeriveKey(session_, &mechanism, parent, nullptr, 0, nullptr);
    made = {parameters.hPublicKey, parameters.hPrivateKey};
    if (error_index != nullptr) *error_index = parameters.ulPathErrorIndex;
    return rv;
  }
  Pair ChildOf(CK_OBJECT_HANDLE parent, const std::vector<CK_ULONG>& path) {
    Pair made;
    EXPECT_OK(Child(parent, path, made));
    return made;
  }
  Pair MasterOf(const std::string& seed, bool hidden = false) {
    Pair made;
    EXPECT_OK(Master(Seed(conformance::FromHex(seed), hidden), made));
    return made;
  }
  std::string Text(CK_OBJECT_HANDLE key) {
    CK_ULONG size = 0;
    EXPECT_OK(ca().CA_Bip32ExportPublicKey(session_, key, nullptr, &size));
    std::string text(size, '\0');
    EXPECT_OK(ca().CA_Bip32ExportPublicKey(
        session_, key, reinterpret_cast<CK_BYTE*>(text.data()), &size));
    text.resize(size);
    return text;
  }
  CK_RV Import(std::string text, CK_OBJECT_HANDLE& made,
               const Template& wanted = Usable()) {
    return ca().CA_Bip32ImportPublicKey(
        session_, reinterpret_cast<CK_BYTE*>(text.data()), text.size(),
        wanted.data(), wanted.size(), &made);
  }
  Bytes Get(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type) {
    return bench_.host.Get(session_, key, type);
  }
  Bytes Sign(CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, nullptr, 0};
    Bytes data = {1, 2, 3}, signature(64);
    CK_ULONG size = signature.size();
    EXPECT_OK(c().C_SignInit(session_, &mechanism, key));
    EXPECT_OK(c().C_Sign(session_, data.data(), data.size(), signature.data(),
                         &size));
    return signature;
  }
  CK_RV Verify(CK_OBJECT_HANDLE key, Bytes signature) {
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, nullptr, 0};
    Bytes data = {1, 2, 3};
    EXPECT_OK(c().C_VerifyInit(session_, &mechanism, key));
    return c().C_Verify(session_, data.data(), data.size(), signature.data(),
                        signature.size());
  }

  Bench bench_;
  CK_SESSION_HANDLE session_;
};

// --- the proposal's vectors --------------------------------------------------

constexpr char kSeed1[] = "000102030405060708090a0b0c0d0e0f";
constexpr char kMaster1[] =
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1"
    "Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";
constexpr char kDeepest1[] =
    "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxu"
    "pHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy";

TEST_F(Bip32Test, Vector1_StepByStepAndAtOnce) {
  const struct {
    CK_ULONG index;
    const char* text;
  } steps[] = {
      {kHard | 0,
       "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1V"
       "TsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw"},
      {1,
       "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7"
       "Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ"},
      {kHard | 2,
       "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFD"
       "FGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5"},
      {2,
       "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZL"
       "RQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV"},
      {1000000000, kDeepest1}};
  const Pair master = MasterOf(kSeed1);
  EXPECT_EQ(Text(master.public_key), kMaster1);
  Pair at = master;
  std::vector<CK_ULONG> path;
  for (const auto& step : steps) {
    at = ChildOf(at.private_key, {step.index});
    EXPECT_EQ(Text(at.public_key), step.text);
    path.push_back(step.index);
    EXPECT_EQ(Text(ChildOf(master.private_key, path).public_key), step.text);
  }
  EXPECT_OK(Verify(at.public_key, Sign(at.private_key)));
}

TEST_F(Bip32Test, Vector2_APublicKeyHasPublicChildren) {
  const std::string text =
      "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSg"
      "v6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB";
  const Pair master = MasterOf(
      "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c9996"
      "93908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542");
  EXPECT_EQ(Text(master.public_key), text);
  CK_OBJECT_HANDLE imported = 0;
  ASSERT_OK(Import(text, imported));
  const Pair child = ChildOf(imported, {0});
  EXPECT_EQ(child.private_key, CK_OBJECT_HANDLE{CK_INVALID_HANDLE});
  EXPECT_EQ(
      Text(child.public_key),
      "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvr"
      "nKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH");
  // The private key of that child fits.
  const Pair secret = ChildOf(master.private_key, {0});
  EXPECT_OK(Verify(child.public_key, Sign(secret.private_key)));
}

TEST_F(Bip32Test, Vector3_ZerosInFrontOfAKeyStay) {
  const Pair master = MasterOf(
      "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239"
      "319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be");
  EXPECT_EQ(
      Text(master.public_key),
      "xpub661MyMwAqRbcEZVB4dScxMAdx6d4nFc9nvyvH3v4gJL378CSRZiYmhRoP7mBy6gSPSCY"
      "k6SzXPTf3ND1cZAceL7SfJ1Z3GC8vBgp2epUt13");
  EXPECT_EQ(
      Text(ChildOf(master.private_key, {kHard}).public_key),
      "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohP"
      "X4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y");
}

// --- attributes --------------------------------------------------------------

TEST_F(Bip32Test, AttributesSayWhereInTheTree) {
  const Pair master = MasterOf(kSeed1);
  const Pair child = ChildOf(master.private_key, {kHard | 5});
  CK_ULONG depth = 0, index = 0;
  CK_ATTRIBUTE asked[] = {{CKA_BIP32_CHILD_DEPTH, &depth, sizeof depth},
                          {CKA_BIP32_CHILD_INDEX, &index, sizeof index}};
  EXPECT_OK(c().C_GetAttributeValue(session_, child.private_key, asked, 2));
  EXPECT_EQ(depth, 1u);
  EXPECT_EQ(index, kHard | 5);
  EXPECT_EQ(Get(child.public_key, CKA_BIP32_PARENT_FINGERPRINT),
            Get(master.public_key, CKA_BIP32_FINGERPRINT));
  EXPECT_EQ(Get(child.private_key, CKA_BIP32_ID),
            Get(child.public_key, CKA_BIP32_ID));
  EXPECT_EQ(Get(master.public_key, CKA_BIP32_PARENT_FINGERPRINT), Bytes(4));
  EXPECT_EQ(Get(master.public_key, CKA_BIP32_VERSION_BYTES),
            conformance::FromHex("0488b21e"));
  EXPECT_EQ(Get(master.private_key, CKA_BIP32_VERSION_BYTES),
            conformance::FromHex("0488ade4"));
  EXPECT_EQ(Get(master.public_key, CKA_EC_PARAMS),
            conformance::FromHex("06052b8104000a"));
}

TEST_F(Bip32Test, AnotherNetworkStaysWithTheChildren) {
  const Bytes test_private = conformance::FromHex("04358394");
  Pair master;
  ASSERT_OK(
      Master(Seed(conformance::FromHex(kSeed1)), master,
             Template(Usable()).Set(CKA_BIP32_VERSION_BYTES,
                                    conformance::FromHex("043587cf")),
             Template(Usable()).Set(CKA_BIP32_VERSION_BYTES, test_private)));
  EXPECT_EQ(Text(master.public_key).substr(0, 4), "tpub");
  const Pair child = ChildOf(master.private_key, {3});
  EXPECT_EQ(Text(child.public_key).substr(0, 4), "tpub");
  EXPECT_EQ(Get(child.private_key, CKA_BIP32_VERSION_BYTES), test_private);
}

TEST_F(Bip32Test, ImportGivesTheSameKey) {
  CK_OBJECT_HANDLE made = 0;
  ASSERT_OK(Import(kDeepest1, made,
                   Template().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "wallet")));
  EXPECT_EQ(Text(made), kDeepest1);
  const Pair own = ChildOf(MasterOf(kSeed1).private_key,
                           {kHard, 1, kHard | 2, 2, 1000000000});
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_EC_POINT, CKA_EC_PARAMS, CKA_BIP32_CHAIN_CODE, CKA_BIP32_ID,
        CKA_BIP32_CHILD_DEPTH, CKA_BIP32_CHILD_INDEX, CKA_PUBLIC_KEY_INFO,
        CKA_BIP32_PARENT_FINGERPRINT, CKA_BIP32_VERSION_BYTES}) {
    EXPECT_EQ(Get(made, type), Get(own.public_key, type)) << std::hex << type;
  }
}

// --- what is refused ---------------------------------------------------------

TEST_F(Bip32Test, SeedsOfWrongLength) {
  for (const size_t size : {15, 65}) {
    Pair made;
    EXPECT_RV(CKR_BIP32_MASTER_SEED_LEN_INVALID,
              Master(Seed(Bytes(size, 3)), made));
    EXPECT_EQ(made.private_key, 7u);
  }
  for (const size_t size : {16, 64}) {
    Pair made;
    EXPECT_OK(Master(Seed(Bytes(size, 3)), made));
  }
}

TEST_F(Bip32Test, Paths) {
  const Pair master = MasterOf(kSeed1);
  const size_t before = bench_.host.Find(session_).size();
  Pair made;
  CK_ULONG at = 0;
  EXPECT_RV(CKR_BIP32_INVALID_KEY_PATH_LEN,
            Child(master.private_key, {}, made));
  EXPECT_RV(CKR_BIP32_INVALID_KEY_PATH_LEN,
            Child(master.private_key, std::vector<CK_ULONG>(256), made));
  EXPECT_RV(CKR_BIP32_INVALID_HARDENED_DERIVATION,
            Child(master.public_key, {0, 1, kHard}, made, &at));
  EXPECT_EQ(at, 2u);
  EXPECT_RV(CKR_BIP32_CHILD_INDEX_INVALID,
            Child(master.private_key, {0, CK_ULONG{1} << 32}, made, &at));
  EXPECT_EQ(at, 1u);
  EXPECT_EQ(bench_.host.Find(session_).size(), before);
  // The deepest that there can be, and one more.
  const Pair deepest =
      ChildOf(master.private_key, std::vector<CK_ULONG>(255, 1));
  EXPECT_RV(CKR_BIP32_INVALID_KEY_PATH_LEN,
            Child(deepest.private_key, {1}, made));
}

TEST_F(Bip32Test, ParametersThatAreNone) {
  const Pair master = MasterOf(kSeed1);
  CK_MECHANISM mechanism = {CKM_BIP32_CHILD_DERIVE, nullptr, 0};
  const auto derive = [&] {
    return c().C_DeriveKey(session_, &mechanism, master.private_key, nullptr, 0,
                           nullptr);
  };
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, derive());
  CK_BIP32_CHILD_DERIVE_PARAMS parameters = {};
  parameters.ulPathLen = 1;
  mechanism.pParameter = &parameters;
  mechanism.ulParameterLen = sizeof parameters;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, derive());
  CK_ULONG path = 0;
  parameters.pulPath = &path;
  parameters.ulPublicKeyAttributeCount = 1;
  EXPECT_RV(CKR_ARGUMENTS_BAD, derive());
  parameters.ulPublicKeyAttributeCount = 0;
  mechanism.ulParameterLen = sizeof parameters - 1;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, derive());
  Pair made;
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID,
            Child(master.private_key, {1}, made, nullptr,
                  Template().Set(CKA_EC_PARAMS, conformance::FromHex(
                                                    "06082a8648ce3d030107"))));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Child(master.private_key, {1}, made, nullptr,
                  Template().Ulong(CKA_CLASS, CKO_PRIVATE_KEY)));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Child(master.private_key, {1}, made, nullptr, Usable(),
                  Template().Ulong(CKA_KEY_TYPE, CKK_EC)));
  // A derivation whose handles are elsewhere has nothing to wrap.
  parameters.pPublicKeyTemplate = nullptr;
  mechanism.ulParameterLen = sizeof parameters;
  CK_MECHANISM wrap = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  CK_ULONG size = 0;
  EXPECT_RV(CKR_MECHANISM_INVALID,
            ca().CA_DeriveKeyAndWrap(session_, &mechanism, master.private_key,
                                     nullptr, 0, &wrap, master.private_key,
                                     nullptr, &size));
}

TEST_F(Bip32Test, TextThatIsNoPublicKey) {
  CK_OBJECT_HANDLE made = 0;
  std::string wrong = kMaster1;
  wrong.back() = '9';
  for (const std::string& text : {
           std::string(),
           std::string("xpub"),
           wrong,
           std::string(kMaster1) + "1",
           std::string(200, '1'),
           std::string(kMaster1).substr(1),
       }) {
    EXPECT_RV(CKR_DATA_INVALID, Import(text, made)) << text;
  }
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Import(kMaster1, made, Template().Ulong(CKA_BIP32_CHILD_DEPTH, 1)));
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca().CA_Bip32ImportPublicKey(
                                   session_, nullptr, 4, nullptr, 0, &made));
  // Another network for those who name it.
  Pair other;
  const Bytes version = conformance::FromHex("04b24746");  // "zpub"
  ASSERT_OK(Master(Seed(conformance::FromHex(kSeed1)), other,
                   Template().Set(CKA_BIP32_VERSION_BYTES, version)));
  const std::string text = Text(other.public_key);
  EXPECT_EQ(text.substr(0, 4), "zpub");
  EXPECT_RV(CKR_DATA_INVALID, Import(text, made));
  EXPECT_OK(
      Import(text, made, Template().Set(CKA_BIP32_VERSION_BYTES, version)));
  EXPECT_EQ(Text(made), text);
}

TEST_F(Bip32Test, VersionBytesOfTheOtherHalf) {
  const Bytes of_private = conformance::FromHex("0488ade4");
  const Template wrong = Template().Set(CKA_BIP32_VERSION_BYTES, of_private);
  const Pair master = MasterOf(kSeed1);
  Pair made;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Child(master.private_key, {1}, made, nullptr, wrong));
  CK_OBJECT_HANDLE imported = 0;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, Import(kMaster1, imported, wrong));
}

TEST_F(Bip32Test, TheBaseKeysTemplateIsForTheKeysThatCanHaveIt) {
  Pair master, child;
  const Template asked = Template()
                             .Bool(CKA_EXTRACTABLE, false)
                             .Bool(CKA_SIGN, false)
                             .Text(CKA_LABEL, "derived");
  ASSERT_OK(Master(Seed(conformance::FromHex(kSeed1)), master, Usable(),
                   Template(Usable()).Nested(CKA_DERIVE_TEMPLATE, asked)));
  ASSERT_OK(Child(master.private_key, {1}, child));
  EXPECT_EQ(Get(child.private_key, CKA_SIGN), Bytes{CK_FALSE});
  for (const CK_OBJECT_HANDLE key : {child.public_key, child.private_key}) {
    EXPECT_EQ(Get(key, CKA_LABEL), conformance::FromText("derived"));
  }
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Child(master.private_key, {1}, child, nullptr, Usable(),
                  Template().Bool(CKA_SIGN, true)));
}

TEST_F(Bip32Test, OnlyPublicKeysAreExported) {
  const Pair master = MasterOf(kSeed1);
  CK_BYTE text[112];
  CK_ULONG size = sizeof text;
  EXPECT_RV(
      CKR_KEY_TYPE_INCONSISTENT,
      ca().CA_Bip32ExportPublicKey(session_, master.private_key, text, &size));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            ca().CA_Bip32ExportPublicKey(session_, 4711, text, &size));
  size = 110;
  EXPECT_RV(
      CKR_BUFFER_TOO_SMALL,
      ca().CA_Bip32ExportPublicKey(session_, master.public_key, text, &size));
  EXPECT_EQ(size, 111u);
}

// --- what stays hidden -------------------------------------------------------

TEST_F(Bip32Test, ChildrenOfAHiddenKeyAreHidden) {
  Pair master, child;
  const Template open =
      Template(Usable()).Bool(CKA_SENSITIVE, false).Bool(CKA_EXTRACTABLE, true);
  ASSERT_OK(Master(Seed(conformance::FromHex(kSeed1), /*hidden=*/true), master,
                   Usable(), open));
  ASSERT_OK(Child(master.private_key, {1}, child, nullptr, Usable(), open));
  for (const CK_OBJECT_HANDLE key : {master.private_key, child.private_key}) {
    for (const CK_ATTRIBUTE_TYPE type : {CKA_VALUE, CKA_BIP32_CHAIN_CODE}) {
      CK_BYTE value[64];
      CK_ATTRIBUTE asked = {type, value, sizeof value};
      EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
                c().C_GetAttributeValue(session_, key, &asked, 1));
    }
    EXPECT_EQ(Get(key, CKA_EXTRACTABLE), Bytes{CK_FALSE});
  }
  // And of one that may be read, what the template says.
  const Pair read = MasterOf(kSeed1);
  ASSERT_OK(Child(read.private_key, {1}, child, nullptr, Usable(), open));
  EXPECT_EQ(Get(read.private_key, CKA_SENSITIVE), Bytes{CK_TRUE});
}

TEST_F(Bip32Test, PrivateKeysHaveNoFormToWrap) {
  Pair master;
  ASSERT_OK(Master(Seed(conformance::FromHex(kSeed1)), master, Usable(),
                   Template(Usable()).Bool(CKA_EXTRACTABLE, true)));
  CK_MECHANISM generate = {CKM_AES_KEY_GEN, nullptr, 0};
  const Template aes = Template().Ulong(CKA_VALUE_LEN, 32).Bool(CKA_WRAP, true);
  CK_OBJECT_HANDLE wrapper = 0;
  ASSERT_OK(
      c().C_GenerateKey(session_, &generate, aes.data(), aes.size(), &wrapper));
  CK_MECHANISM wrap = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  CK_BYTE out[256];
  CK_ULONG size = sizeof out;
  EXPECT_RV(
      CKR_KEY_NOT_WRAPPABLE,
      c().C_WrapKey(session_, &wrap, wrapper, master.private_key, out, &size));
}

// --- as other keys -----------------------------------------------------------

TEST_F(Bip32Test, BackedUpAndRestored) {
  const Template kept = Template(Usable()).Bool(CKA_TOKEN, true);
  Pair master;
  ASSERT_OK(Master(Seed(conformance::FromHex(kSeed1)), master, kept, kept));
  const CK_SESSION_HANDLE archive = bench_.NewArchive();
  ExpectAllStored(bench_.host.Transfer(session_, archive), 2);
  for (const CK_OBJECT_HANDLE key : {master.public_key, master.private_key}) {
    EXPECT_OK(c().C_DestroyObject(session_, key));
  }
  ExpectAllStored(bench_.host.Transfer(archive, session_), 2);
  Pair back;
  for (const CK_OBJECT_HANDLE key : bench_.host.Find(session_)) {
    if (Get(key, CKA_TOKEN) != Bytes{CK_TRUE}) continue;
    CK_OBJECT_CLASS object_class = 0;
    CK_ATTRIBUTE asked = {CKA_CLASS, &object_class, sizeof object_class};
    EXPECT_OK(c().C_GetAttributeValue(session_, key, &asked, 1));
    (object_class == CKO_PUBLIC_KEY ? back.public_key : back.private_key) = key;
  }
  EXPECT_EQ(Text(back.public_key), kMaster1);
  const Pair child =
      ChildOf(back.private_key, {kHard, 1, kHard | 2, 2, 1000000000});
  EXPECT_EQ(Text(child.public_key), kDeepest1);
}

}  // namespace
}  // namespace e2e
