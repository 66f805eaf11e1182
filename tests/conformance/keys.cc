#include "tests/conformance/keys.h"

namespace conformance {
namespace {

constexpr char kRsaModulus[] =
    "ba127de819da326f6320399b80e94cd7fa26e9abd4ae470c66bc5f45766e5c1d6e"
    "226be060de59befdb91f67adf2d6b7f59a168527615e51381587ea61eaef3718c0"
    "9a1cb08653e3ec54f1a134d0daa4a57516ae33c1b7d3755ba66b0a74cb8c94d49f"
    "7e20f1f45e62a4c3eca0e0bd4f889ccdb0dca58d1cba05c9ef3ff2af9ea71e4bb9"
    "42f0586e0a5098cce1238ae71addbaf9dfd7ad43cd27f9967a215e7bb8a657c4a0"
    "65204876d3b7fb6b6a79d1cece42c55e74657665a89a1f4a4096ac1bd2651b1e65"
    "ca271c0db965d41d8ce903134c3b018d6f3266abea05bf400f293dbe14ab921fca"
    "929be9d4b78222d8ea16f3aa4e8d96ad6d5b99363e0e557053";
constexpr char kRsaPrivateExponent[] =
    "2993c03680b054dcb6d59889bac066bf4bd22e1c8b257612bb521427bd52e39a5f"
    "e5a91d3607f91dc82bf96c7d5de9c4a9488907afc8fdfe3ffdefa4dbc45737847c"
    "64f34c2e77c8522298eb6095da8537c37611eed6b670b5a489071a0b07009eb0f4"
    "0286f2099c9d861b916051577bd216d78f517e5c8db2b3606fe9661cff80dc2638"
    "b7dc1f52989d35d28d5ff9177dc4b4ffd6745168a1d0f779e890664c4a78a0b4f2"
    "235c405da02c7fea5960382ea0198379be2342c269bd308653245f054efd0568fc"
    "7f7c9c36f5fbefee956d501620b145b8436728839fa6ebc143ebeb6f0e5bf5778f"
    "68ad6c6cad423a72062889d2f270c85bf52a3eafc0ff81ea21";
constexpr char kRsaPrime1[] =
    "e0acd9621b03d6d99425ed2e96e5eb07f625a91a9aaafe192176a55840b97e58a4"
    "c5044bd878146c43fff44bd4bdda54a0229b9c4eb95fdf6f76f9b253f5d22c4270"
    "0d81eca670b5816b6085ee084a2a4ed4d3a337913e40461bcbc3b9cc343ddea91d"
    "805c96b733ecfaf0ca0a31c7098dd217d93c0fc8f4302c8c50ee250bff";
constexpr char kRsaPrime2[] =
    "d403d17eb2a490fc716a42bbac4d98306aebe81ddd1f1ef64f38e4baf8d2d00aba"
    "d916d177b717671bf3aefc7528352c81f2a02cd9b823271ecff256f19ce2400c0b"
    "a9af536b2660d3b3949c62ed61065a1e6e64e913513121d7ca297cd03bbf1e8ed0"
    "cbe7162be8e9b8ccf65e48aed9d90ea18ec6be8a739b61056533b7abad";
constexpr char kRsaExponent1[] =
    "7142f1bb613f083a5b52db44975184b058c8177d8fe70f7d7fbf1e0f65619d6df6"
    "72537e20bc381f74103e09544ff9169c3b9612b025074dce153e3f45d030899b5c"
    "7d92b7c8181d8806a77c1cc9150a4aff43498ea3abac1f2bb8070d4d023106645e"
    "b8ecf4159b19a64f68aac6f93db9bee5c2df625dbdabe369410b2ca5e5";
constexpr char kRsaExponent2[] =
    "3162da4feb090e84df5e63411837d2f5a45263756166b86da3b29b053aa4d0b54f"
    "24f67dc0a7339a5f167a72704ff762f0ba35b97cd5b9ca8910e36081538c186335"
    "ec46dce59ec0fb4f5f94b62e99654364c74e56449bab18390dec701889725189ee"
    "f5305527d14f702ebe4ce41d66bd7afd0327248757ba9ff503c7f246d9";
constexpr char kRsaCoefficient[] =
    "99a424f4869b4c7fcd4bb902c94d974cd002697cc15af06b1d68afc35d80a1e8a9"
    "811206aab386f1edb2a9cbb2584a5296cd67d9e547f11d5686892c14cadedf280e"
    "5979b028650e4f99a01432e40ae433b655e26ccbe32a1b3734f7d82347e0986609"
    "3fcb0690fa290b35333ac01f42cf803a4287d5c2ba4d0be019e3a7d7e9";
constexpr char kP256Value[] =
    "95dfadef5b976e50b3f0ce570505dd10387dea1d49ab97067b5b72c70893faf0";
constexpr char kP256Point[] =
    "04dffa46ec2ff99b705ac2ea9e73e528af8c92343fe9d3c26e9a840f91b212a1d8"
    "13f85eadbacbb9f8afa61cb2734fe5c7d5e272d145a951eca534167327ecfa85";
constexpr char kP384Value[] =
    "29c8de7dcf4c95b594908e01797a9571d5c8981b6ad26a8495aca57802118adb43"
    "1ab63d0871073a91e88782ffd05b10";
constexpr char kP384Point[] =
    "044679d740e69033b38bf46593e55d4f5d63ddacc91ef8c2f0819d421c428ff44b"
    "3d5abf5c8028b5ab44012053e91af41d3ea7329292a3d24455fd13c0eeba5907fe"
    "779553bac3c288a0cc4f654d926ca799f8afd1316d171674b8a083af343a2e";
constexpr char kP521Value[] =
    "01776c798e3e2a7d3df2d0a36f39de14448a2f05a3283ae4646c3f60a092ac1f77"
    "369731f80c493bed9c626bb19c546d89f64b5d37eafacec575fa752249830d6b32";
constexpr char kP521Point[] =
    "04001e800964026c91c55b4cf490466ce544070b8ecda7648a5ae1bb1d3003377b"
    "fe65eeecd6e39da5de002b7e332a4a80738dc608da62c6bada497f4f5dc1246cdb"
    "75017438c37ad178b4ff3406bb8d94861e44fde73467f028e85cf323a221d3f7b0"
    "4f9d4081bbb929dc3c9b67375d093862694ac8a9c01ffad7728b2e66ccd66859e9"
    "29";
constexpr char kCertificate[] =
    "308202fd308201e5a00302010202021234300d06092a864886f70d01010b050030"
    "163114301206035504030c0b436f6e666f726d616e63653020170d323631313236"
    "3032333535325a180f32313236313130323032333535325a301631143012060355"
    "04030c0b436f6e666f726d616e636530820122300d06092a864886f70d01010105"
    "000382010f003082010a0282010100ba127de819da326f6320399b80e94cd7fa26"
    "e9abd4ae470c66bc5f45766e5c1d6e226be060de59befdb91f67adf2d6b7f59a16"
    "8527615e51381587ea61eaef3718c09a1cb08653e3ec54f1a134d0daa4a57516ae"
    "33c1b7d3755ba66b0a74cb8c94d49f7e20f1f45e62a4c3eca0e0bd4f889ccdb0dc"
    "a58d1cba05c9ef3ff2af9ea71e4bb942f0586e0a5098cce1238ae71addbaf9dfd7"
    "ad43cd27f9967a215e7bb8a657c4a065204876d3b7fb6b6a79d1cece42c55e7465"
    "7665a89a1f4a4096ac1bd2651b1e65ca271c0db965d41d8ce903134c3b018d6f32"
    "66abea05bf400f293dbe14ab921fca929be9d4b78222d8ea16f3aa4e8d96ad6d5b"
    "99363e0e5570530203010001a3533051301d0603551d0e0416041434575d8622c1"
    "10779bae17496566c77e7d107169301f0603551d2304183016801434575d8622c1"
    "10779bae17496566c77e7d107169300f0603551d130101ff040530030101ff300d"
    "06092a864886f70d01010b0500038201010004e2e637dda85ec04a6fd616422fc0"
    "d93cfbc954d7638c8263ec847754695325cc210c48068bab157204060965387278"
    "da8fbbc4eb095e71a6b6289d2f6efba701b9fc054277701af80429b357c4b93f51"
    "ad8985ee648b1194395cae73e584c0b08fb94b9dfced36bca47ff2c7a1bb90f1d6"
    "302ff8772e3322da49d566f24ebfff19cc5b7dc6320036004820730e189bc63578"
    "57ee7bc87ee57ba4b45255edd4ca3d5d49fcbecec7a533264d8cb58701920d2dfb"
    "8c1b7685829773dd250c4047ff0fe3a78e60cf502b6863b2f935a3c8e5eb83767b"
    "1b83ac7a51bfacf97db6fe29139a91d3d4f3ab038050da867bba45936c7e18c61d"
    "6a60276067e46122272b";
// CN=Conformance, and the serial number 0x1234.
constexpr char kName[] =
    "3016311430120603550403"
    "0c0b436f6e666f726d616e6365";
constexpr char kSerial[] = "02021234";

struct CurveRow {
  const char* params;
  size_t field;
  const char* value;
  const char* point;
};
constexpr CurveRow kCurves[] = {
    {"06082a8648ce3d030107", 32, kP256Value, kP256Point},
    {"06052b81040022", 48, kP384Value, kP384Point},
    {"06052b81040023", 66, kP521Value, kP521Point},
};

const CurveRow& RowOf(Curve curve) {
  return kCurves[static_cast<size_t>(curve)];
}

Bytes DerOctetString(const Bytes& bytes) {
  Bytes der = {0x04};
  if (bytes.size() >= 128) der.push_back(0x81);
  der.push_back(static_cast<CK_BYTE>(bytes.size()));
  der.insert(der.end(), bytes.begin(), bytes.end());
  return der;
}

Template Key(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  return Template()
      .Ulong(CKA_CLASS, object_class)
      .Ulong(CKA_KEY_TYPE, type)
      .Bool(CKA_TOKEN, false);
}

Template SecretKey(CK_KEY_TYPE type) {
  return Key(CKO_SECRET_KEY, type)
      .Bool(CKA_PRIVATE, true)
      .Bool(CKA_SENSITIVE, false)
      .Bool(CKA_EXTRACTABLE, true)
      .Bool(CKA_SIGN, true)
      .Bool(CKA_VERIFY, true);
}

}  // namespace

Template DataObject(const Bytes& value) {
  return Template()
      .Ulong(CKA_CLASS, CKO_DATA)
      .Bool(CKA_TOKEN, false)
      .Bool(CKA_PRIVATE, false)
      .Text(CKA_LABEL, "data")
      .Set(CKA_VALUE, value);
}

Template Certificate() {
  return Template()
      .Ulong(CKA_CLASS, CKO_CERTIFICATE)
      .Ulong(CKA_CERTIFICATE_TYPE, CKC_X_509)
      .Bool(CKA_TOKEN, false)
      .Bool(CKA_PRIVATE, false)
      .Set(CKA_SUBJECT, FromHex(kName))
      .Set(CKA_ISSUER, FromHex(kName))
      .Set(CKA_SERIAL_NUMBER, FromHex(kSerial))
      .Set(CKA_VALUE, FromHex(kCertificate));
}

Template RsaPublicKey() {
  return Key(CKO_PUBLIC_KEY, CKK_RSA)
      .Bool(CKA_PRIVATE, false)
      .Bool(CKA_ENCRYPT, true)
      .Bool(CKA_VERIFY, true)
      .Bool(CKA_WRAP, true)
      .Set(CKA_MODULUS, FromHex(kRsaModulus))
      .Set(CKA_PUBLIC_EXPONENT, {1, 0, 1});
}

Template RsaPrivateKey() {
  return Key(CKO_PRIVATE_KEY, CKK_RSA)
      .Bool(CKA_PRIVATE, true)
      .Bool(CKA_SENSITIVE, false)
      .Bool(CKA_EXTRACTABLE, true)
      .Bool(CKA_DECRYPT, true)
      .Bool(CKA_SIGN, true)
      .Bool(CKA_UNWRAP, true)
      .Set(CKA_MODULUS, FromHex(kRsaModulus))
      .Set(CKA_PUBLIC_EXPONENT, {1, 0, 1})
      .Set(CKA_PRIVATE_EXPONENT, FromHex(kRsaPrivateExponent))
      .Set(CKA_PRIME_1, FromHex(kRsaPrime1))
      .Set(CKA_PRIME_2, FromHex(kRsaPrime2))
      .Set(CKA_EXPONENT_1, FromHex(kRsaExponent1))
      .Set(CKA_EXPONENT_2, FromHex(kRsaExponent2))
      .Set(CKA_COEFFICIENT, FromHex(kRsaCoefficient));
}

Bytes EcParams(Curve curve) { return FromHex(RowOf(curve).params); }
size_t FieldSize(Curve curve) { return RowOf(curve).field; }
Bytes EcPoint(Curve curve) { return FromHex(RowOf(curve).point); }

Template EcPublicKey(Curve curve) {
  return Key(CKO_PUBLIC_KEY, CKK_EC)
      .Bool(CKA_PRIVATE, false)
      .Bool(CKA_VERIFY, true)
      .Set(CKA_EC_PARAMS, EcParams(curve))
      .Set(CKA_EC_POINT, DerOctetString(EcPoint(curve)));
}

Template EcPrivateKey(Curve curve) {
  return Key(CKO_PRIVATE_KEY, CKK_EC)
      .Bool(CKA_PRIVATE, true)
      .Bool(CKA_SENSITIVE, false)
      .Bool(CKA_EXTRACTABLE, true)
      .Bool(CKA_SIGN, true)
      .Bool(CKA_DERIVE, true)
      .Set(CKA_EC_PARAMS, EcParams(curve))
      .Set(CKA_VALUE, FromHex(RowOf(curve).value));
}

Template AesKey(const Bytes& value) {
  return SecretKey(CKK_AES)
      .Bool(CKA_ENCRYPT, true)
      .Bool(CKA_DECRYPT, true)
      .Set(CKA_VALUE, value);
}

Template GenericSecret(const Bytes& value) {
  return SecretKey(CKK_GENERIC_SECRET).Set(CKA_VALUE, value);
}

Template WrappingKey(const Bytes& value) {
  return Key(CKO_SECRET_KEY, CKK_AES)
      .Bool(CKA_PRIVATE, true)
      .Bool(CKA_SENSITIVE, false)
      .Bool(CKA_EXTRACTABLE, true)
      .Bool(CKA_ENCRYPT, false)
      .Bool(CKA_DECRYPT, false)
      .Bool(CKA_WRAP, true)
      .Bool(CKA_UNWRAP, true)
      .Set(CKA_VALUE, value);
}

Template NewAes(CK_ULONG size) {
  return SecretKey(CKK_AES)
      .Bool(CKA_ENCRYPT, true)
      .Bool(CKA_DECRYPT, true)
      .Ulong(CKA_VALUE_LEN, size);
}

Template NewSecret(CK_ULONG size) {
  return SecretKey(CKK_GENERIC_SECRET).Ulong(CKA_VALUE_LEN, size);
}

Template NewRsaPublic(CK_ULONG bits) {
  return Template()
      .Bool(CKA_TOKEN, false)
      .Bool(CKA_ENCRYPT, true)
      .Bool(CKA_VERIFY, true)
      .Ulong(CKA_MODULUS_BITS, bits)
      .Set(CKA_PUBLIC_EXPONENT, {1, 0, 1});
}

Template NewRsaPrivate() {
  return Template()
      .Bool(CKA_TOKEN, false)
      .Bool(CKA_PRIVATE, true)
      .Bool(CKA_DECRYPT, true)
      .Bool(CKA_SIGN, true);
}

Template NewEcPublic(Curve curve) {
  return Template()
      .Bool(CKA_TOKEN, false)
      .Bool(CKA_VERIFY, true)
      .Set(CKA_EC_PARAMS, EcParams(curve));
}

Template NewEcPrivate() {
  return Template()
      .Bool(CKA_TOKEN, false)
      .Bool(CKA_PRIVATE, true)
      .Bool(CKA_SIGN, true);
}

}  // namespace conformance
