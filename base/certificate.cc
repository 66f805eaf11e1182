#include "base/certificate.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/openssl_errors.h"

namespace base {
namespace {

using UniqueBignum = OpenSslPtr<BIGNUM, BN_free>;
using UniqueBitString = OpenSslPtr<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using UniqueConstraints = OpenSslPtr<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using UniqueInteger = OpenSslPtr<ASN1_INTEGER, ASN1_INTEGER_free>;
using UniqueKeyId = OpenSslPtr<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using UniqueOctets = OpenSslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using UniqueX509 = OpenSslPtr<X509, X509_free>;

constexpr size_t kMaxDerSize = 2048;
constexpr size_t kMaxModelSize = 64;
constexpr absl::string_view kOrganization = "Perigee";
constexpr absl::string_view kRootSerial = "fleet root";

// Bits of keyUsage, RFC 5280 section 4.2.1.3.
constexpr int kDigitalSignature = 0;
constexpr int kKeyCertSign = 5;
constexpr int kCrlSign = 6;

bool IsDeviceSerial(absl::string_view s) {
  return !s.empty() && s.size() <= 20 &&
         std::all_of(s.begin(), s.end(), absl::ascii_isdigit);
}

bool IsValidName(const CertifiedName& name) {
  if (name.model.size() > kMaxModelSize ||
      !std::all_of(name.model.begin(), name.model.end(), absl::ascii_isprint)) {
    return false;
  }
  if (name.kind == "root") return name.serial == kRootSerial;
  return (name.kind == "application" || name.kind == "backup" ||
          name.kind == "host") &&
         IsDeviceSerial(name.serial);
}

absl::Status Malformed(absl::string_view what) {
  return OpenSslError(CKR_DEVICE_ERROR, what);
}

// The DER of an OpenSSL object; empty if it has none.
template <typename T>
Bytes ToDer(T* object, int (*encode)(T*, unsigned char**)) {
  const int size = encode(object, nullptr);
  if (size <= 0) return {};
  Bytes der(static_cast<size_t>(size));
  uint8_t* next = der.data();
  encode(object, &next);
  return der;
}

// --- reading ---

// The text of entry `index`, which must be the only attribute at its place
// and of type `nid`; empty otherwise.
absl::string_view EntryText(const X509_NAME* name, int index, int nid) {
  const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, index);
  if (entry == nullptr || X509_NAME_ENTRY_set(entry) != index ||
      OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != nid) {
    return {};
  }
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(entry);
  const int type = ASN1_STRING_type(text);
  if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING) return {};
  return AsText(ByteSpan(ASN1_STRING_get0_data(text),
                         static_cast<size_t>(ASN1_STRING_length(text))));
}

absl::StatusOr<CertifiedName> ReadName(const X509_NAME* subject) {
  const int entries = X509_NAME_entry_count(subject);
  const bool has_model = entries == 4;
  if ((entries != 3 && entries != 4) ||
      EntryText(subject, 0, NID_organizationName) != kOrganization) {
    return Malformed("certificate of a foreign subject");
  }
  CertifiedName name;
  int next = 1;
  if (has_model) {
    name.model =
        std::string(EntryText(subject, next++, NID_organizationalUnitName));
  }
  name.kind = std::string(EntryText(subject, next++, NID_title));
  name.serial = std::string(EntryText(subject, next, NID_commonName));
  if (has_model == name.model.empty() || !IsValidName(name)) {
    return Malformed("certificate with an invalid subject");
  }
  return name;
}

// The P-384 point of the certificate, which must be stated as a named curve.
absl::StatusOr<Bytes> ReadPoint(const X509* x509) {
  ASN1_OBJECT* algorithm = nullptr;
  const uint8_t* point = nullptr;
  int size = 0;
  X509_ALGOR* parameters = nullptr;
  X509_PUBKEY_get0_param(&algorithm, &point, &size, &parameters,
                         X509_get_X509_PUBKEY(x509));
  int type = V_ASN1_UNDEF;
  const void* curve = nullptr;
  X509_ALGOR_get0(nullptr, &type, &curve, parameters);
  if (OBJ_obj2nid(algorithm) != NID_X9_62_id_ecPublicKey ||
      type != V_ASN1_OBJECT ||
      OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(curve)) != NID_secp384r1 ||
      size != static_cast<int>(kP384PointSize)) {
    return Malformed("certificate of a key that is not P-384");
  }
  return Bytes(point, point + size);
}

// The signature, which must be ECDSA with SHA-384 inside and outside.
absl::StatusOr<Bytes> ReadSignature(const X509* x509) {
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(&signature, &outer, x509);
  const ASN1_OBJECT* algorithm = nullptr;
  int parameter_type = V_ASN1_UNDEF;
  X509_ALGOR_get0(&algorithm, &parameter_type, nullptr, outer);
  if (OBJ_obj2nid(algorithm) != NID_ecdsa_with_SHA384 ||
      parameter_type != V_ASN1_UNDEF ||
      X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(x509)) != 0) {
    return Malformed("certificate not signed with ECDSA-SHA-384");
  }
  // OpenSSL also takes a count of unused bits that happen to be zero, which
  // would be a second form of the same certificate.
  if ((signature->flags & 0x07) != 0) {
    return Malformed("certificate with a signature of odd bits");
  }
  const uint8_t* bytes = ASN1_STRING_get0_data(signature);
  return Bytes(bytes, bytes + ASN1_STRING_length(signature));
}

// basicConstraints and keyUsage must be there, be critical and say what fits
// a root or a device; nothing else may be critical.
absl::Status CheckExtensions(const X509* x509, bool root) {
  for (int i = 0; i < X509_get_ext_count(x509); ++i) {
    const X509_EXTENSION* extension = X509_get_ext(x509, i);
    const int nid = OBJ_obj2nid(
        X509_EXTENSION_get_object(const_cast<X509_EXTENSION*>(extension)));
    const bool known = nid == NID_basic_constraints || nid == NID_key_usage;
    if (known != (X509_EXTENSION_get_critical(extension) != 0)) {
      return Malformed("certificate with a wrong critical extension");
    }
  }
  UniqueConstraints constraints(static_cast<BASIC_CONSTRAINTS*>(
      X509_get_ext_d2i(x509, NID_basic_constraints, nullptr, nullptr)));
  UniqueBitString usage(static_cast<ASN1_BIT_STRING*>(
      X509_get_ext_d2i(x509, NID_key_usage, nullptr, nullptr)));
  if (constraints == nullptr || usage == nullptr) {
    return Malformed("certificate without basicConstraints or keyUsage");
  }
  const bool signs = ASN1_BIT_STRING_get_bit(usage.get(), kDigitalSignature);
  const bool issues = ASN1_BIT_STRING_get_bit(usage.get(), kKeyCertSign);
  if ((constraints->ca != 0) != root || issues != root || !signs) {
    return Malformed("certificate whose use does not fit its kind");
  }
  return absl::OkStatus();
}

// --- writing ---

bool AddEntry(X509_NAME* name, int nid, absl::string_view text) {
  const ByteSpan bytes = AsBytes(text);
  return X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING, bytes.data(),
                                    static_cast<int>(bytes.size()), -1, 0) == 1;
}

bool SetSubject(X509* x509, const CertifiedName& name) {
  X509_NAME* subject = X509_get_subject_name(x509);
  return AddEntry(subject, NID_organizationName, kOrganization) &&
         (name.model.empty() ||
          AddEntry(subject, NID_organizationalUnitName, name.model)) &&
         AddEntry(subject, NID_title, name.kind) &&
         AddEntry(subject, NID_commonName, name.serial);
}

bool SetIssuer(X509* x509, ByteSpan issuer_der) {
  const uint8_t* next = issuer_der.data();
  OpenSslPtr<X509_NAME, X509_NAME_free> issuer(
      d2i_X509_NAME(nullptr, &next, static_cast<long>(issuer_der.size())));
  return issuer != nullptr && X509_set_issuer_name(x509, issuer.get()) == 1;
}

bool SetSerialNumber(X509* x509, ByteSpan random) {
  UniqueBignum number(
      BN_bin2bn(random.data(), static_cast<int>(random.size()), nullptr));
  UniqueInteger serial(
      number == nullptr ? nullptr : BN_to_ASN1_INTEGER(number.get(), nullptr));
  return serial != nullptr && X509_set_serialNumber(x509, serial.get()) == 1;
}

bool SetTimes(X509* x509) {
  return ASN1_TIME_set_string_X509(X509_getm_notBefore(x509),
                                   "20000101000000Z") == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notAfter(x509),
                                   "99991231235959Z") == 1;
}

bool AddConstraints(X509* x509, bool root) {
  UniqueConstraints constraints(BASIC_CONSTRAINTS_new());
  if (constraints == nullptr) return false;
  if (root) {
    constraints->ca = 1;
    constraints->pathlen = ASN1_INTEGER_new();
    if (constraints->pathlen == nullptr ||
        ASN1_INTEGER_set(constraints->pathlen, 0) != 1) {
      return false;
    }
  }
  return X509_add1_ext_i2d(x509, NID_basic_constraints, constraints.get(),
                           /*crit=*/1, X509V3_ADD_DEFAULT) == 1;
}

bool AddKeyUsage(X509* x509, bool root) {
  UniqueBitString usage(ASN1_BIT_STRING_new());
  if (usage == nullptr ||
      ASN1_BIT_STRING_set_bit(usage.get(), kDigitalSignature, 1) != 1) {
    return false;
  }
  if (root && (ASN1_BIT_STRING_set_bit(usage.get(), kKeyCertSign, 1) != 1 ||
               ASN1_BIT_STRING_set_bit(usage.get(), kCrlSign, 1) != 1)) {
    return false;
  }
  return X509_add1_ext_i2d(x509, NID_key_usage, usage.get(), /*crit=*/1,
                           X509V3_ADD_DEFAULT) == 1;
}

// A key identifier by RFC 7093, section 2, method 1.
UniqueOctets KeyId(ByteSpan point) {
  UniqueOctets id(ASN1_OCTET_STRING_new());
  const Bytes digest = Sha256({point});
  if (id == nullptr || ASN1_OCTET_STRING_set(id.get(), digest.data(), 20) != 1)
    return nullptr;
  return id;
}

bool AddKeyIds(X509* x509, ByteSpan subject_point, ByteSpan issuer_point) {
  UniqueOctets subject = KeyId(subject_point);
  UniqueKeyId authority(AUTHORITY_KEYID_new());
  if (subject == nullptr || authority == nullptr) return false;
  authority->keyid = KeyId(issuer_point).release();
  return authority->keyid != nullptr &&
         X509_add1_ext_i2d(x509, NID_subject_key_identifier, subject.get(),
                           /*crit=*/0, X509V3_ADD_DEFAULT) == 1 &&
         X509_add1_ext_i2d(x509, NID_authority_key_identifier, authority.get(),
                           /*crit=*/0, X509V3_ADD_DEFAULT) == 1;
}

absl::Status CheckIssue(const CertifiedName& subject, ByteSpan public_point,
                        const P384Key& issuer_key, bool self_signed,
                        const Certificate* issuer) {
  if (!IsValidName(subject)) {
    return Error(CKR_ARGUMENTS_BAD, "invalid name for a certificate");
  }
  if ((subject.kind == "root") && !self_signed) {
    return Error(CKR_ARGUMENTS_BAD, "a root is self-signed");
  }
  if (!self_signed && !issuer->is_root()) {
    return Error(CKR_ARGUMENTS_BAD, "only a root issues certificates");
  }
  const ByteSpan point = self_signed ? public_point : issuer->public_point();
  if (!SameBytes(point, issuer_key.public_point())) {
    return Error(CKR_ARGUMENTS_BAD, "the issuer has another key");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Certificate> Certificate::Parse(ByteSpan der) {
  if (der.size() > kMaxDerSize) {
    return Error(CKR_DEVICE_ERROR, "certificate is too long");
  }
  X509* x509 = X509_new_ex(OpenSslContext(), nullptr);
  const uint8_t* next = der.data();
  // On failure d2i_X509 frees what it was given and nulls the pointer.
  const bool parsed =
      x509 != nullptr &&
      d2i_X509(&x509, &next, static_cast<long>(der.size())) != nullptr;
  const UniqueX509 owner(x509);
  if (!parsed || next != der.data() + der.size() || X509_get_version(x509) != 2)
    return Malformed("not an X.509 version 3 certificate");

  Certificate out;
  out.der_ = ToBytes(der);
  out.signed_part_ = ToDer(x509, i2d_re_X509_tbs);
  // The first encoded the signed part anew, so this one does too.
  if (!SameBytes(ToDer<const X509>(x509, i2d_X509), der)) {
    return Malformed("certificate is not DER");
  }
  out.subject_der_ =
      ToDer<const X509_NAME>(X509_get_subject_name(x509), i2d_X509_NAME);
  out.issuer_der_ =
      ToDer<const X509_NAME>(X509_get_issuer_name(x509), i2d_X509_NAME);
  ASSIGN_OR_RETURN(out.name_, ReadName(X509_get_subject_name(x509)));
  RETURN_IF_ERROR(CheckExtensions(x509, out.is_root()));
  ASSIGN_OR_RETURN(out.signature_, ReadSignature(x509));
  ASSIGN_OR_RETURN(out.public_point_, ReadPoint(x509));
  absl::StatusOr<UniquePkey> key = P384PublicKey(out.public_point_);
  if (!key.ok()) return Malformed("certificate of an invalid point");
  out.key_ = *std::move(key);
  if (out.is_root() &&
      (out.subject_der_ != out.issuer_der_ ||
       !out.VerifySignature(out.signed_part_, out.signature_).ok())) {
    return Malformed("root certificate is not self-signed");
  }
  ForgetOpenSslErrors();  // Decoding leaves notes even when it succeeds.
  return out;
}

absl::StatusOr<Certificate> Certificate::Issue(const CertifiedName& subject,
                                               ByteSpan public_point,
                                               const P384Key& issuer_key,
                                               const Certificate* issuer) {
  const bool self_signed = issuer == nullptr;
  RETURN_IF_ERROR(
      CheckIssue(subject, public_point, issuer_key, self_signed, issuer));
  ASSIGN_OR_RETURN(UniquePkey key, P384PublicKey(public_point));
  ASSIGN_OR_RETURN(const Bytes random, RandomBytes(16));
  const bool root = subject.kind == "root";
  UniqueX509 owner(X509_new_ex(OpenSslContext(), nullptr));
  X509* x509 = owner.get();
  if (x509 == nullptr || X509_set_version(x509, 2) != 1 ||
      !SetSerialNumber(x509, random) || !SetSubject(x509, subject) ||
      !SetIssuer(x509, self_signed
                           ? ToDer<const X509_NAME>(X509_get_subject_name(x509),
                                                    i2d_X509_NAME)
                           : issuer->subject_der_) ||
      !SetTimes(x509) || X509_set_pubkey(x509, key.get()) != 1 ||
      !AddConstraints(x509, root) || !AddKeyUsage(x509, root) ||
      !AddKeyIds(x509, public_point, issuer_key.public_point()) ||
      X509_sign(x509, issuer_key.pkey(), EVP_sha384()) <= 0) {
    return OpenSslError(CKR_GENERAL_ERROR, "certificate");
  }
  return Parse(ToDer<const X509>(x509, i2d_X509));
}

Bytes Certificate::fingerprint() const { return Sha256({der_}); }

Bytes Certificate::key_fingerprint() const { return Sha256({public_point_}); }

absl::Status Certificate::VerifyUnder(const Certificate& root) const {
  if (!root.is_root() || is_root() || issuer_der_ != root.subject_der_) {
    return Error(CKR_DEVICE_ERROR, "certificate is not of this root");
  }
  if (!root.VerifySignature(signed_part_, signature_).ok()) {
    return Error(CKR_DEVICE_ERROR, "certificate is not signed by this root");
  }
  return absl::OkStatus();
}

absl::Status Certificate::VerifySignature(ByteSpan message,
                                          ByteSpan signature) const {
  return VerifyP384(key_.get(), message, signature);
}

}  // namespace base
