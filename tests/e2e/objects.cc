#include "tests/e2e/objects.h"

#include "tests/conformance/keys.h"

namespace e2e {
namespace {

using conformance::Curve;
using conformance::FromText;

constexpr char kText[] = "what the keys of these tests sign and encrypt";

// Every number that the standard or the vendor gives to attributes is in one
// of these ranges; so is much that nobody uses.
struct Range {
  CK_ATTRIBUTE_TYPE first, last;
};
constexpr Range kRanges[] = {{0x0, 0x800},
                             {0x40000200, 0x40000220},
                             {0x40000600, 0x40000600},
                             {0x80000000, 0x80000210},
                             {0x80001000, 0x80001110},
                             {0xC0001000, 0xC0001010}};

bool IsNested(CK_ATTRIBUTE_TYPE type) {
  return type == CKA_WRAP_TEMPLATE || type == CKA_UNWRAP_TEMPLATE ||
         type == CKA_DERIVE_TEMPLATE;
}

void Append(Bytes& out, const void* from, size_t size) {
  const auto* bytes = static_cast<const CK_BYTE*>(from);
  out.insert(out.end(), bytes, bytes + size);
}

// Types, sizes and values of a template attribute, in a row.
Said ReadNested(const Host& host, CK_SESSION_HANDLE session,
                CK_OBJECT_HANDLE object, CK_ATTRIBUTE attribute) {
  std::vector<CK_ATTRIBUTE> inner(attribute.ulValueLen / sizeof(CK_ATTRIBUTE));
  attribute.pValue = inner.data();
  Said said;
  said.rv = host.c().C_GetAttributeValue(session, object, &attribute, 1);
  std::vector<Bytes> values;
  for (CK_ATTRIBUTE& each : inner) {
    each.pValue = values.emplace_back(each.ulValueLen).data();
  }
  if (said.rv == CKR_OK) {
    said.rv = host.c().C_GetAttributeValue(session, object, &attribute, 1);
  }
  for (const CK_ATTRIBUTE& each : inner) {
    Append(said.value, &each.type, sizeof each.type);
    Append(said.value, &each.ulValueLen, sizeof each.ulValueLen);
    Append(said.value, each.pValue, each.ulValueLen);
  }
  return said;
}

Template Token(Template t, const std::string& label, CK_BYTE id) {
  return t.Bool(CKA_TOKEN, true).Text(CKA_LABEL, label).Set(CKA_ID, {id});
}

KeyPair GeneratePair(const Host& host, CK_SESSION_HANDLE session,
                     CK_MECHANISM_TYPE type, const Template& public_key,
                     const Template& private_key) {
  CK_MECHANISM mechanism = {type, nullptr, 0};
  KeyPair pair;
  EXPECT_OK(host.c().C_GenerateKeyPair(session, &mechanism, public_key.data(),
                                       public_key.size(), private_key.data(),
                                       private_key.size(), &pair.public_key,
                                       &pair.private_key))
      << host.library().LastError();
  return pair;
}

Template Hidden(const Template& t) {
  return Template(t).Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false);
}

Bytes Date(const std::string& digits) { return FromText(digits); }

}  // namespace

KeyPair GenerateEcPair(const Host& host, CK_SESSION_HANDLE session,
                       const std::string& label) {
  return GeneratePair(
      host, session, CKM_EC_KEY_PAIR_GEN,
      Token(conformance::NewEcPublic(Curve::kP256), label, 0x21),
      Token(Hidden(conformance::NewEcPrivate()), label, 0x21));
}

KeyPair GenerateRsaPair(const Host& host, CK_SESSION_HANDLE session,
                        const std::string& label) {
  return GeneratePair(host, session, CKM_RSA_PKCS_KEY_PAIR_GEN,
                      Token(conformance::NewRsaPublic(2048), label, 0x22),
                      Token(Hidden(conformance::NewRsaPrivate()), label, 0x22));
}

CK_OBJECT_HANDLE GenerateAes(const Host& host, CK_SESSION_HANDLE session,
                             const std::string& label) {
  const Template t = Token(Hidden(conformance::NewAes(32)), label, 0x23);
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  EXPECT_OK(
      host.c().C_GenerateKey(session, &mechanism, t.data(), t.size(), &key))
      << host.library().LastError();
  return key;
}

std::vector<CK_OBJECT_HANDLE> MakeEveryKind(const Host& host,
                                            CK_SESSION_HANDLE session) {
  using namespace conformance;  // NOLINT: templates of keys
  const auto create = [&](const Template& t) { host.Create(session, t); };
  create(Token(DataObject(), "data", 1)
             .Without(CKA_ID)
             .Text(CKA_APPLICATION, "tests")
             .Set(CKA_OBJECT_ID, FromHex("06032a0304")));
  create(Token(DataObject(Pattern(20000)), "private data", 2)
             .Without(CKA_ID)
             .Bool(CKA_PRIVATE, true));
  create(Token(DataObject({}), "empty data", 3)
             .Without(CKA_ID)
             .Bool(CKA_MODIFIABLE, false));
  create(Token(Certificate(), "certificate", 4));
  create(Token(RsaPublicKey(), "imported rsa", 5));
  create(Token(RsaPrivateKey(), "imported rsa", 5)
             .Set(CKA_START_DATE, Date("20200101"))
             .Set(CKA_END_DATE, Date("20991231")));
  for (const Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521}) {
    const std::string label =
        "imported ec " + std::to_string(FieldSize(curve) * 8);
    create(Token(EcPublicKey(curve), label, 6));
    create(Token(EcPrivateKey(curve), label, 6));
  }
  create(Token(AesKey(), "imported aes", 7));
  create(Token(AesKey(Pattern(16)), "limited aes", 8)
             .Mechanisms({CKM_AES_CBC_PAD, CKM_AES_GCM})
             .Bool(CKA_MODIFIABLE, false)
             .Bool(CKA_COPYABLE, false)
             .Bool(CKA_DESTROYABLE, true));
  create(Token(WrappingKey(), "wrapping", 9)
             .Nested(CKA_WRAP_TEMPLATE,
                     Template().Ulong(CKA_CLASS, CKO_SECRET_KEY))
             .Nested(CKA_UNWRAP_TEMPLATE, Template()
                                              .Bool(CKA_SENSITIVE, true)
                                              .Bool(CKA_EXTRACTABLE, false)));
  create(Token(GenericSecret(), "mac", 10).Bool(CKA_SENSITIVE, true));
  GenerateEcPair(host, session, "ec");
  GenerateRsaPair(host, session, "rsa");
  GenerateAes(host, session, "aes");
  return host.Find(session);
}

Everything ReadEverything(const Host& host, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE object) {
  Everything all;
  for (const Range& range : kRanges) {
    for (CK_ATTRIBUTE_TYPE type = range.first; type <= range.last; ++type) {
      CK_ATTRIBUTE attribute = {type, nullptr, 0};
      Said said;
      said.rv = host.c().C_GetAttributeValue(session, object, &attribute, 1);
      if (said.rv == CKR_ATTRIBUTE_TYPE_INVALID) continue;
      if (said.rv == CKR_OK && IsNested(type)) {
        said = ReadNested(host, session, object, attribute);
      } else if (said.rv == CKR_OK) {
        said.value.resize(attribute.ulValueLen);
        attribute.pValue = said.value.data();
        said.rv = host.c().C_GetAttributeValue(session, object, &attribute, 1);
      }
      all[type] = std::move(said);
    }
  }
  return all;
}

std::map<std::string, Everything> ReadPartition(const Host& host,
                                                CK_SESSION_HANDLE session) {
  std::map<std::string, Everything> all;
  for (const CK_OBJECT_HANDLE object :
       host.Find(session, Template().Bool(CKA_TOKEN, true))) {
    Everything each = ReadEverything(host, session, object);
    each.erase(CKA_UNIQUE_ID);
    const Bytes& value = each[CKA_OUID].value;
    const std::string ouid(value.begin(), value.end());
    EXPECT_EQ(ouid.size(), 12u);
    EXPECT_TRUE(all.emplace(ouid, std::move(each)).second)
        << "two objects of one identity";
  }
  return all;
}

Bytes Sign(const Host& host, CK_SESSION_HANDLE session,
           CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key) {
  CK_MECHANISM how = {mechanism, nullptr, 0};
  Bytes text = FromText(kText);
  Bytes signature(1024);
  CK_ULONG size = signature.size();
  EXPECT_OK(host.c().C_SignInit(session, &how, key))
      << host.library().LastError();
  EXPECT_OK(host.c().C_Sign(session, text.data(), text.size(), signature.data(),
                            &size));
  signature.resize(size);
  return signature;
}

CK_RV Verify(const Host& host, CK_SESSION_HANDLE session,
             CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key,
             const Bytes& signature) {
  CK_MECHANISM how = {mechanism, nullptr, 0};
  Bytes text = FromText(kText);
  EXPECT_OK(host.c().C_VerifyInit(session, &how, key))
      << host.library().LastError();
  return host.c().C_Verify(session, text.data(), text.size(),
                           const_cast<CK_BYTE*>(signature.data()),
                           signature.size());
}

Bytes Encrypt(const Host& host, CK_SESSION_HANDLE session,
              CK_OBJECT_HANDLE aes_key) {
  Bytes iv(16, 7);
  CK_MECHANISM how = {CKM_AES_CBC_PAD, iv.data(), iv.size()};
  Bytes text = FromText(kText);
  Bytes sealed(text.size() + 16);
  CK_ULONG size = sealed.size();
  EXPECT_OK(host.c().C_EncryptInit(session, &how, aes_key))
      << host.library().LastError();
  EXPECT_OK(host.c().C_Encrypt(session, text.data(), text.size(), sealed.data(),
                               &size));
  sealed.resize(size);
  return sealed;
}

CK_OBJECT_HANDLE Only(const Host& host, CK_SESSION_HANDLE session,
                      CK_OBJECT_CLASS object_class, const std::string& label) {
  const auto found = host.Find(
      session,
      Template().Ulong(CKA_CLASS, object_class).Text(CKA_LABEL, label));
  EXPECT_EQ(found.size(), 1u) << label;
  return found.empty() ? CK_INVALID_HANDLE : found[0];
}

}  // namespace e2e
