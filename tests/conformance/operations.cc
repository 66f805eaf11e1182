#include "tests/conformance/operations.h"

#include <algorithm>
#include <ostream>

namespace conformance {
namespace {

constexpr size_t kRoom = 16384;

CK_BYTE* Data(const Bytes& bytes) {
  // Never null: an empty input is an input.
  static CK_BYTE nothing;
  return bytes.empty() ? &nothing : const_cast<CK_BYTE*>(bytes.data());
}

template <typename Use>
CK_RV ForEachPart(const Bytes& input, size_t part, Use use) {
  for (size_t at = 0; at < input.size(); at += part) {
    const size_t size = std::min(part, input.size() - at);
    const CK_RV rv = use(Data(input) + at, size);
    if (rv != CKR_OK) return rv;
  }
  return CKR_OK;
}

}  // namespace

Calls EncryptCalls() {
  return {p11().C_EncryptInit, p11().C_Encrypt, p11().C_EncryptUpdate, nullptr,
          p11().C_EncryptFinal};
}
Calls DecryptCalls() {
  return {p11().C_DecryptInit, p11().C_Decrypt, p11().C_DecryptUpdate, nullptr,
          p11().C_DecryptFinal};
}
Calls SignCalls() {
  return {p11().C_SignInit, p11().C_Sign, nullptr, p11().C_SignUpdate,
          p11().C_SignFinal};
}
Calls DigestCalls() {
  return {
      [](CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE) {
        return p11().C_DigestInit(session, mechanism);
      },
      p11().C_Digest, nullptr, p11().C_DigestUpdate, p11().C_DigestFinal};
}

Result Whole(const Calls& calls, CK_SESSION_HANDLE session,
             const Mechanism& mechanism, CK_OBJECT_HANDLE key,
             const Bytes& input) {
  const CK_RV begun = calls.init(session, mechanism.get(), key);
  if (begun != CKR_OK) return {begun, {}};
  Bytes out(kRoom);
  CK_ULONG size = out.size();
  const CK_RV rv =
      calls.whole(session, Data(input), input.size(), out.data(), &size);
  if (rv != CKR_OK) return {rv, {}};
  out.resize(size);
  return {rv, out};
}

Result Parts(const Calls& calls, CK_SESSION_HANDLE session,
             const Mechanism& mechanism, CK_OBJECT_HANDLE key,
             const Bytes& input, size_t part) {
  const CK_RV begun = calls.init(session, mechanism.get(), key);
  if (begun != CKR_OK) return {begun, {}};
  Bytes all;
  Bytes out(kRoom);
  CK_RV rv = ForEachPart(input, part, [&](CK_BYTE* data, CK_ULONG size) {
    if (calls.feed) return calls.feed(session, data, size);
    CK_ULONG given = out.size();
    const CK_RV rv = calls.update(session, data, size, out.data(), &given);
    if (rv == CKR_OK) all.insert(all.end(), out.begin(), out.begin() + given);
    return rv;
  });
  if (rv != CKR_OK) return {rv, {}};
  CK_ULONG given = out.size();
  rv = calls.final(session, out.data(), &given);
  if (rv != CKR_OK) return {rv, {}};
  all.insert(all.end(), out.begin(), out.begin() + given);
  return {rv, all};
}

CK_RV Verify(CK_SESSION_HANDLE session, const Mechanism& mechanism,
             CK_OBJECT_HANDLE key, const Bytes& data, const Bytes& signature) {
  const CK_RV begun = p11().C_VerifyInit(session, mechanism.get(), key);
  if (begun != CKR_OK) return begun;
  return p11().C_Verify(session, Data(data), data.size(), Data(signature),
                        signature.size());
}

CK_RV VerifyParts(CK_SESSION_HANDLE session, const Mechanism& mechanism,
                  CK_OBJECT_HANDLE key, const Bytes& data,
                  const Bytes& signature, size_t part) {
  const CK_RV begun = p11().C_VerifyInit(session, mechanism.get(), key);
  if (begun != CKR_OK) return begun;
  const CK_RV rv = ForEachPart(data, part, [&](CK_BYTE* some, CK_ULONG size) {
    return p11().C_VerifyUpdate(session, some, size);
  });
  if (rv != CKR_OK) return rv;
  return p11().C_VerifyFinal(session, Data(signature), signature.size());
}

// --- mechanisms
// ------------------------------------------------------------------------

std::ostream& operator<<(std::ostream& out, const Case& each) {
  return out << each.name;
}

bool TakesParameters(CK_SESSION_HANDLE session, const Case& what) {
  if (what.mechanism.type() != CKM_RSA_PKCS_OAEP) return true;
  CK_SESSION_INFO info = {};
  CK_SESSION_HANDLE other = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  p11().C_GetSessionInfo(session, &info);
  p11().C_OpenSession(info.slotID, CKF_SERIAL_SESSION, nullptr, nullptr,
                      &other);
  p11().C_CreateObject(other, what.against.data(), what.against.size(), &key);
  const CK_RV rv = p11().C_EncryptInit(other, what.mechanism.get(), key);
  p11().C_CloseSession(other);
  return rv == CKR_OK;
}

Mechanism Pss(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash,
              CK_RSA_PKCS_MGF_TYPE mgf, CK_ULONG salt) {
  return Mechanism(type, CK_RSA_PKCS_PSS_PARAMS{hash, mgf, salt});
}

Mechanism Oaep(CK_MECHANISM_TYPE hash, CK_RSA_PKCS_MGF_TYPE mgf) {
  return Mechanism(
      CKM_RSA_PKCS_OAEP,
      CK_RSA_PKCS_OAEP_PARAMS{hash, mgf, CKZ_DATA_SPECIFIED, nullptr, 0});
}

Mechanism AesCbc(CK_MECHANISM_TYPE type) {
  return Mechanism(type, Pattern(16, 3));
}

Mechanism AesCtr() {
  CK_AES_CTR_PARAMS params = {128, {}};
  std::copy_n(Pattern(16, 4).begin(), 16, params.cb);
  return Mechanism(CKM_AES_CTR, params);
}

Mechanism AesGcm(CK_ULONG tag_bits) {
  static const Bytes& iv = *new Bytes(Pattern(12, 5));
  static const Bytes& aad = *new Bytes(Pattern(20, 6));
  CK_GCM_PARAMS params = {};
  params.pIv = Data(iv);
  params.ulIvLen = iv.size();
  params.ulIvBits = iv.size() * 8;
  params.pAAD = Data(aad);
  params.ulAADLen = aad.size();
  params.ulTagBits = tag_bits;
  return Mechanism(CKM_AES_GCM, params);
}

std::vector<Case> SignCases() {
  const Template priv = RsaPrivateKey(), pub = RsaPublicKey();
  const auto ec = [](const std::string& name, CK_MECHANISM_TYPE type,
                     Curve curve, size_t input) {
    return Case{name,
                type,
                EcPrivateKey(curve),
                EcPublicKey(curve),
                input,
                2 * FieldSize(curve),
                type != CKM_ECDSA,
                false};
  };
  const auto hmac = [](const std::string& name, CK_MECHANISM_TYPE type,
                       size_t output) {
    return Case{name, type, GenericSecret(), GenericSecret(), 100, output};
  };
  return {
      {"RSA_PKCS", CKM_RSA_PKCS, priv, pub, 35, 256, false},
      {"SHA256_RSA_PKCS", CKM_SHA256_RSA_PKCS, priv, pub, 100, 256},
      {"SHA384_RSA_PKCS", CKM_SHA384_RSA_PKCS, priv, pub, 100, 256},
      {"SHA512_RSA_PKCS", CKM_SHA512_RSA_PKCS, priv, pub, 100, 256},
      {"RSA_PKCS_PSS", Pss(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32),
       priv, pub, 32, 256, false, false},
      {"SHA256_RSA_PKCS_PSS",
       Pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32), priv, pub,
       100, 256, true, false},
      {"SHA384_RSA_PKCS_PSS",
       Pss(CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, 48), priv, pub,
       100, 256, true, false},
      {"SHA512_RSA_PKCS_PSS",
       Pss(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 0), priv, pub,
       100, 256},
      ec("ECDSA_P256", CKM_ECDSA, Curve::kP256, 32),
      ec("ECDSA_P384", CKM_ECDSA, Curve::kP384, 48),
      ec("ECDSA_P521", CKM_ECDSA, Curve::kP521, 64),
      ec("ECDSA_SHA256", CKM_ECDSA_SHA256, Curve::kP256, 100),
      ec("ECDSA_SHA384", CKM_ECDSA_SHA384, Curve::kP384, 100),
      ec("ECDSA_SHA512", CKM_ECDSA_SHA512, Curve::kP521, 100),
      hmac("SHA224_HMAC", CKM_SHA224_HMAC, 28),
      hmac("SHA256_HMAC", CKM_SHA256_HMAC, 32),
      hmac("SHA384_HMAC", CKM_SHA384_HMAC, 48),
      hmac("SHA512_HMAC", CKM_SHA512_HMAC, 64),
  };
}

std::vector<Case> CipherCases() {
  const Template priv = RsaPrivateKey(), pub = RsaPublicKey();
  const auto aes = [](const std::string& name, const Mechanism& mechanism,
                      size_t input, size_t output) {
    return Case{name, mechanism, AesKey(), AesKey(), input, output};
  };
  return {
      {"RSA_PKCS", CKM_RSA_PKCS, priv, pub, 50, 256, false, false},
      {"RSA_OAEP_SHA1", Oaep(CKM_SHA_1, CKG_MGF1_SHA1), priv, pub, 50, 256,
       false, false},
      {"RSA_OAEP_SHA256", Oaep(CKM_SHA256, CKG_MGF1_SHA256), priv, pub, 50, 256,
       false, false},
      {"RSA_OAEP_SHA384", Oaep(CKM_SHA384, CKG_MGF1_SHA384), priv, pub, 50, 256,
       false, false},
      {"RSA_OAEP_SHA512", Oaep(CKM_SHA512, CKG_MGF1_SHA512), priv, pub, 50, 256,
       false, false},
      aes("AES_ECB", CKM_AES_ECB, 64, 64),
      aes("AES_CBC", AesCbc(), 64, 64),
      aes("AES_CBC_PAD", AesCbc(CKM_AES_CBC_PAD), 50, 64),
      aes("AES_CBC_PAD_WholeBlocks", AesCbc(CKM_AES_CBC_PAD), 48, 64),
      aes("AES_CTR", AesCtr(), 50, 50),
      aes("AES_GCM", AesGcm(), 50, 66),
      aes("AES_GCM_ShortTag", AesGcm(96), 50, 62),
  };
}

std::vector<Case> DigestCases() {
  return {
      {"SHA1", CKM_SHA_1, {}, {}, 100, 20},
      {"SHA224", CKM_SHA224, {}, {}, 100, 28},
      {"SHA256", CKM_SHA256, {}, {}, 100, 32},
      {"SHA384", CKM_SHA384, {}, {}, 100, 48},
      {"SHA512", CKM_SHA512, {}, {}, 100, 64},
  };
}

std::vector<Case> WithParts(std::vector<Case> cases) {
  std::erase_if(cases, [](const Case& each) { return !each.has_parts; });
  return cases;
}

}  // namespace conformance
