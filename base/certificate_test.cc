// Issue, Parse and VerifyUnder, also against certificates that Issue would
// never make.
#include "base/certificate.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>

namespace base {
namespace {

using UniqueX509 = OpenSslPtr<X509, X509_free>;

const CertifiedName kRootName = {"fleet root", "perigee", "root"};
const CertifiedName kDeviceName = {"1234567", "perigee", "backup"};

// Keys and certificates that all tests share and none changes.
struct Fleet {
  P384Key root_key = P384Key::Generate().value();
  P384Key device_key = P384Key::Generate().value();
  Certificate root =
      Certificate::Issue(kRootName, root_key.public_point(), root_key, nullptr)
          .value();
  Certificate device =
      Certificate::Issue(kDeviceName, device_key.public_point(), root_key,
                         &root)
          .value();
};

const Fleet& TheFleet() {
  static const Fleet* const fleet = new Fleet();
  return *fleet;
}

CK_RV IssueAs(const CertifiedName& name) {
  const Fleet& f = TheFleet();
  return CkRv(
      Certificate::Issue(name, f.device_key.public_point(), f.root_key, &f.root)
          .status());
}

CK_RV ParseRv(ByteSpan der) { return CkRv(Certificate::Parse(der).status()); }

TEST(CertificateTest, Device_SaysWhatWasCertified) {
  const Fleet& f = TheFleet();
  const Certificate parsed = *Certificate::Parse(f.device.der());
  EXPECT_EQ(parsed.name().serial, "1234567");
  EXPECT_EQ(parsed.name().model, "perigee");
  EXPECT_EQ(parsed.name().kind, "backup");
  EXPECT_FALSE(parsed.is_root());
  EXPECT_EQ(parsed.public_point(), f.device_key.public_point());
  EXPECT_EQ(parsed.der(), f.device.der());
  EXPECT_EQ(parsed.fingerprint(), Sha256({f.device.der()}));
  EXPECT_TRUE(parsed.VerifyUnder(f.root).ok());
}

TEST(CertificateTest, EmptyModel_IsLeftOut) {
  const Fleet& f = TheFleet();
  const Certificate device = *Certificate::Issue(
      {"1", "", "host"}, f.device_key.public_point(), f.root_key, &f.root);
  EXPECT_EQ(device.name().model, "");
  EXPECT_TRUE(device.VerifyUnder(f.root).ok());
}

TEST(CertificateTest, SerialNumbers_AreRandomAndPositive) {
  const Fleet& f = TheFleet();
  const Bytes der = f.device.der();
  const uint8_t* next = der.data();
  UniqueX509 x509(d2i_X509(nullptr, &next, der.size()));
  EXPECT_FALSE(ASN1_STRING_type(X509_get0_serialNumber(x509.get())) &
               V_ASN1_NEG);
  EXPECT_GT(ASN1_STRING_length(X509_get0_serialNumber(x509.get())), 8);
  const Certificate again = *Certificate::Issue(
      kDeviceName, f.device_key.public_point(), f.root_key, &f.root);
  EXPECT_NE(again.fingerprint(), f.device.fingerprint());
}

TEST(CertificateTest, NotAfter_IsTheEndOfTime) {
  const Bytes der = TheFleet().device.der();
  EXPECT_NE(AsText(der).find("99991231235959Z"), absl::string_view::npos);
}

TEST(CertificateTest, SignatureOfTheCertifiedKey) {
  const Fleet& f = TheFleet();
  const Bytes signature = *f.device_key.Sign(AsBytes("message"));
  EXPECT_TRUE(f.device.VerifySignature(AsBytes("message"), signature).ok());
  EXPECT_EQ(CkRv(f.device.VerifySignature(AsBytes("other"), signature)),
            CKR_SIGNATURE_INVALID);
  EXPECT_EQ(CkRv(f.root.VerifySignature(AsBytes("message"), signature)),
            CKR_SIGNATURE_INVALID);
}

TEST(VerifyUnderTest, AnotherRootOfTheSameName_IsRefused) {
  const P384Key key = *P384Key::Generate();
  const Certificate other =
      *Certificate::Issue(kRootName, key.public_point(), key, nullptr);
  EXPECT_EQ(CkRv(TheFleet().device.VerifyUnder(other)), CKR_DEVICE_ERROR);
}

TEST(VerifyUnderTest, DeviceAsRoot_IsRefused) {
  const Fleet& f = TheFleet();
  EXPECT_EQ(CkRv(f.device.VerifyUnder(f.device)), CKR_DEVICE_ERROR);
}

TEST(VerifyUnderTest, RootUnderItself_IsNotADevice) {
  const Fleet& f = TheFleet();
  EXPECT_EQ(CkRv(f.root.VerifyUnder(f.root)), CKR_DEVICE_ERROR);
}

TEST(VerifyUnderTest, SelfSignedDevice_ParsesAndChainsToNothing) {
  const Fleet& f = TheFleet();
  const auto device = Certificate::Issue(
      kDeviceName, f.device_key.public_point(), f.device_key, nullptr);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ(CkRv(device->VerifyUnder(f.root)), CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(device->VerifyUnder(*device)), CKR_DEVICE_ERROR);
}

TEST(VerifyUnderTest, OneFlippedBitInEachByte_IsRefused) {
  const Fleet& f = TheFleet();
  for (size_t i = 0; i < f.device.der().size(); ++i) {
    Bytes altered = f.device.der();
    altered[i] ^= 1 << (i % 8);
    const auto parsed = Certificate::Parse(altered);
    const absl::Status status =
        parsed.ok() ? parsed->VerifyUnder(f.root) : parsed.status();
    EXPECT_EQ(CkRv(status), CKR_DEVICE_ERROR) << i;
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(IssueTest, NamesThatMayBePrinted_Only) {
  EXPECT_EQ(IssueAs({"1", std::string(64, '~'), "host"}), CKR_OK);
  EXPECT_EQ(IssueAs({"12345678901234567890", "m m", "application"}), CKR_OK);
  EXPECT_EQ(IssueAs({"1", std::string(65, 'm'), "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"1", "red\033[31m", "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"1", "m\xc3\xbcller", "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"1", std::string("m\0n", 3), "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"1", "m\n", "host"}), CKR_ARGUMENTS_BAD);
}

TEST(IssueTest, SerialOfDigits_Only) {
  EXPECT_EQ(IssueAs({"", "m", "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"123456789012345678901", "m", "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"12a", "m", "host"}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"fleet root", "m", "host"}), CKR_ARGUMENTS_BAD);
}

TEST(IssueTest, UnknownKind_IsRefused) {
  EXPECT_EQ(IssueAs({"1", "m", ""}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(IssueAs({"1", "m", "Backup"}), CKR_ARGUMENTS_BAD);
}

TEST(IssueTest, RootUnderARoot_IsRefused) {
  EXPECT_EQ(IssueAs(kRootName), CKR_ARGUMENTS_BAD);
}

TEST(IssueTest, IssuerThatIsNoRootOrHasAnotherKey_IsRefused) {
  const Fleet& f = TheFleet();
  const Bytes& point = f.device_key.public_point();
  EXPECT_EQ(CkRv(Certificate::Issue(kDeviceName, point, f.device_key, &f.device)
                     .status()),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(CkRv(Certificate::Issue(kDeviceName, point, f.device_key, &f.root)
                     .status()),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(
      CkRv(Certificate::Issue(kRootName, point, f.root_key, nullptr).status()),
      CKR_ARGUMENTS_BAD);
}

TEST(IssueTest, PointOffTheCurve_IsRefused) {
  const Fleet& f = TheFleet();
  Bytes point = f.device_key.public_point();
  point[40] ^= 1;
  EXPECT_EQ(
      CkRv(
          Certificate::Issue(kDeviceName, point, f.root_key, &f.root).status()),
      CKR_DATA_INVALID);
}

TEST(ParseTest, AnyPrefix_IsRefused) {
  const Bytes& der = TheFleet().device.der();
  for (size_t size = 0; size < der.size(); ++size) {
    EXPECT_EQ(ParseRv(ByteSpan(der).first(size)), CKR_DEVICE_ERROR) << size;
  }
}

TEST(ParseTest, TrailingByteOrEndlessInput_IsRefused) {
  Bytes der = TheFleet().device.der();
  der.push_back(0);
  EXPECT_EQ(ParseRv(der), CKR_DEVICE_ERROR);
  der.resize(1 << 20);
  EXPECT_EQ(ParseRv(der), CKR_DEVICE_ERROR);
}

// Certificates as another issuer might make them. Each test changes one thing
// of an acceptable one.
class ForeignCertificateTest : public testing::Test {
 protected:
  void SetUp() override {
    X509_set_version(x509(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509()), 1);
    ASN1_TIME_set_string_X509(X509_getm_notBefore(x509()), "20000101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(x509()), "20000101000001Z");
    Append(NID_organizationName, "Perigee");
    Append(NID_organizationalUnitName, "model");
    Append(NID_title, "backup");
    Append(NID_commonName, "42");
    X509_set_pubkey(x509(), TheFleet().device_key.pkey());
    Extend(NID_basic_constraints, "critical,CA:FALSE");
    Extend(NID_key_usage, "critical,digitalSignature");
  }

  X509* x509() { return x509_.get(); }
  X509_NAME* subject() { return X509_get_subject_name(x509()); }

  void Append(int nid, absl::string_view text, int set = 0,
              int type = V_ASN1_UTF8STRING) {
    const ByteSpan bytes = AsBytes(text);
    ASSERT_EQ(X509_NAME_add_entry_by_NID(subject(), nid, type, bytes.data(),
                                         bytes.size(), -1, set),
              1);
  }
  void DropEntry(int index) {
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject(), index));
  }
  void Extend(int nid, const char* value) {
    OpenSslPtr<X509_EXTENSION, X509_EXTENSION_free> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
    ASSERT_NE(extension, nullptr);
    X509_add_ext(x509(), extension.get(), -1);
  }
  void DropExtension(int index) {
    X509_EXTENSION_free(X509_delete_ext(x509(), index));
  }

  // Self-signed by `key`; issuer as the subject.
  CK_RV Parse(EVP_PKEY* key = nullptr, const EVP_MD* md = EVP_sha384()) {
    if (key == nullptr) key = TheFleet().device_key.pkey();
    X509_set_issuer_name(x509(), subject());
    EXPECT_GT(X509_sign(x509(), key, md), 0);
    unsigned char* der = nullptr;
    const int size = i2d_X509(x509(), &der);
    const CK_RV rv = ParseRv(ByteSpan(der, size));
    OPENSSL_free(der);
    return rv;
  }

 private:
  UniqueX509 x509_{X509_new_ex(OpenSslContext(), nullptr)};
};

TEST_F(ForeignCertificateTest, Unchanged_IsAccepted) {
  EXPECT_EQ(Parse(), CKR_OK);
}

TEST_F(ForeignCertificateTest, PrintableString_IsAccepted) {
  DropEntry(3);
  Append(NID_commonName, "42", 0, V_ASN1_PRINTABLESTRING);
  EXPECT_EQ(Parse(), CKR_OK);
}

TEST_F(ForeignCertificateTest, OtherStringType_IsRefused) {
  DropEntry(3);
  Append(NID_commonName, "42", 0, V_ASN1_T61STRING);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, Version1_IsRefused) {
  X509_set_version(x509(), 0);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, ControlCharacterInTheModel_IsRefused) {
  DropEntry(1);
  OpenSslPtr<X509_NAME_ENTRY, X509_NAME_ENTRY_free> entry(
      X509_NAME_ENTRY_create_by_NID(nullptr, NID_organizationalUnitName,
                                    V_ASN1_UTF8STRING,
                                    AsBytes("a\033[2J").data(), 5));
  X509_NAME_add_entry(subject(), entry.get(), 1, 0);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, OtherOrganization_IsRefused) {
  DropEntry(0);
  OpenSslPtr<X509_NAME_ENTRY, X509_NAME_ENTRY_free> entry(
      X509_NAME_ENTRY_create_by_NID(nullptr, NID_organizationName,
                                    V_ASN1_UTF8STRING, AsBytes("Apogee").data(),
                                    6));
  X509_NAME_add_entry(subject(), entry.get(), 0, 0);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, SecondName_IsRefused) {
  Append(NID_commonName, "43");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, TwoAttributesAtOnePlace_IsRefused) {
  DropEntry(3);
  Append(NID_commonName, "42", /*set=*/-1);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, NoSubject_IsRefused) {
  while (X509_NAME_entry_count(subject()) > 0) DropEntry(0);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, CaThatIsNoRoot_IsRefused) {
  DropExtension(0);
  Extend(NID_basic_constraints, "critical,CA:TRUE");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, DeviceThatMayIssue_IsRefused) {
  DropExtension(1);
  Extend(NID_key_usage, "critical,digitalSignature,keyCertSign");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, NoBasicConstraints_IsRefused) {
  DropExtension(0);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, NoKeyUsage_IsRefused) {
  DropExtension(1);
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, ExtensionTwice_IsRefused) {
  Extend(NID_key_usage, "critical,digitalSignature");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, NotCriticalConstraints_AreRefused) {
  DropExtension(0);
  Extend(NID_basic_constraints, "CA:FALSE");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, OtherCriticalExtension_IsRefused) {
  Extend(NID_ext_key_usage, "critical,serverAuth");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, OtherExtension_IsIgnored) {
  Extend(NID_ext_key_usage, "serverAuth");
  EXPECT_EQ(Parse(), CKR_OK);
}

TEST_F(ForeignCertificateTest, SignedWithSha256_IsRefused) {
  EXPECT_EQ(Parse(nullptr, EVP_sha256()), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, SignedWithRsa_IsRefused) {
  UniquePkey rsa(
      EVP_PKEY_Q_keygen(OpenSslContext(), nullptr, "RSA", size_t{2048}));
  EXPECT_EQ(Parse(rsa.get()), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, KeyOnAnotherCurve_IsRefused) {
  UniquePkey p256(EVP_PKEY_Q_keygen(OpenSslContext(), nullptr, "EC", "P-256"));
  X509_set_pubkey(x509(), p256.get());
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, CurveInExplicitParameters_IsRefused) {
  P384Key key = *P384Key::Generate();
  ASSERT_EQ(EVP_PKEY_set_utf8_string_param(key.pkey(), "encoding", "explicit"),
            1);
  X509_set_pubkey(x509(), key.pkey());
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignCertificateTest, CompressedPoint_IsRefused) {
  P384Key key = *P384Key::Generate();
  ASSERT_EQ(
      EVP_PKEY_set_utf8_string_param(key.pkey(), "point-format", "compressed"),
      1);
  X509_set_pubkey(x509(), key.pkey());
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

class ForeignRootTest : public ForeignCertificateTest {
 protected:
  void SetUp() override {
    ForeignCertificateTest::SetUp();
    DropEntry(3);
    DropEntry(2);
    Append(NID_title, "root");
    Append(NID_commonName, "fleet root");
    DropExtension(1);
    DropExtension(0);
    Extend(NID_basic_constraints, "critical,CA:TRUE");
    Extend(NID_key_usage, "critical,digitalSignature,keyCertSign");
  }
};

TEST_F(ForeignRootTest, Unchanged_IsAccepted) { EXPECT_EQ(Parse(), CKR_OK); }

TEST_F(ForeignRootTest, SignedByAnotherKey_IsRefused) {
  EXPECT_EQ(Parse(TheFleet().root_key.pkey()), CKR_DEVICE_ERROR);
}

TEST_F(ForeignRootTest, NotACa_IsRefused) {
  DropExtension(0);
  Extend(NID_basic_constraints, "critical,CA:FALSE");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

TEST_F(ForeignRootTest, WithASerialOfADevice_IsRefused) {
  DropEntry(3);
  Append(NID_commonName, "42");
  EXPECT_EQ(Parse(), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace base
