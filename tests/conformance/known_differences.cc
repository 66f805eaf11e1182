#include "tests/conformance/known_differences.h"

namespace conformance {
namespace {

// Reasons that several rows have.
constexpr char kNoLockout[] = "never locks (softhsm/SoftHSMv2#399)";
constexpr char kArgumentsFirst[] = "looks at pointers before the session";
constexpr char kTakesAnything[] = "does not check the values of keys";
constexpr char kNoTrust[] = "the SO cannot set CKA_TRUSTED later";
constexpr char kSearchOracle[] = "finds keys by the value that it hides";
constexpr char kObjectHandle[] = "says CKR_OBJECT_HANDLE_INVALID for keys";
constexpr char kNoTypeCheck[] = "does not look at the type of the key";
constexpr char kOtherCode[] = "refuses with a vaguer code";
constexpr char kGeneralError[] = "CKR_GENERAL_ERROR for data that is wrong";
constexpr char kWrapsAndDecrypts[] = "one key may wrap and decrypt (Clulow)";
constexpr char kWeaker[] = "unwraps with weaker attributes (Tookan)";
constexpr char kOutlives[] =
    "operations outlive their right (softhsm/SoftHSMv2#900)";
constexpr char kNoCancel[] = "2.40: a null mechanism is an error";
constexpr char kNeedsBound[] = "wants room for the bound";
constexpr char kRsaPadding[] = "tells whether the RSA padding was right";
constexpr char kNoParts[] = "a whole call after a part is taken";

}  // namespace

const std::vector<Difference>& KnownDifferences() {
  static const auto& rows = *new std::vector<Difference>{
      // The library, sessions, PINs.
      {"UninitializedTest.*EveryFunction_IsNotInitialized",
       "what it does not support says so before C_Initialize too"},
      {"All/NullPointerTest.StaleSession_*", kArgumentsFirst,
       Difference::kSome},
      {"All/NullPointerTest.SessionZero_*", kArgumentsFirst, Difference::kSome},
      {"TokenInfoTest.Counts*", "does not count sessions"},
      {"LoginTest.Logout_WithoutLogin_*", "CKR_OK"},
      {"PinTest.*Lock*", kNoLockout},
      {"PinTest.LastTry_SetsFinalTry", kNoLockout},
      {"PinTest.RightPinResetsTheCount", kNoLockout},

      // Objects.
      {"HostileTemplateTest.*",
       "crashes, or takes what is wrong, or leaves the object behind",
       Difference::kSome},
      {"CreateTest.AesKey_OfAnOddLength_*", kTakesAnything},
      {"CreateTest.AesKey_Empty_*", kTakesAnything},
      {"CreateTest.RsaPublicKey_EvenModulus_*", kTakesAnything},
      {"CreateTest.RsaPrivateKey_Wrong*", kTakesAnything},
      {"CreateTest.EcPublicKey_Point*", kTakesAnything},
      {"CreateTest.EcPublicKey_UnknownCurve_*", kTakesAnything},
      {"CreateTest.EcPrivateKey_Value*", kTakesAnything},
      {"CreateTest.BadDate_*", kTakesAnything},
      {"CreateTest.GoodDates_AreKept", "cannot give dates back"},
      {"CreateTest.RsaPrivateKey_WithoutPrimes_*", "does not complete keys"},
      {"CreateTest.AttributeOfAnotherClass_*", "CKR_ATTRIBUTE_TYPE_INVALID"},
      {"CreateTest.RsaPublicKey_WithPrivateExponent_*",
       "CKR_ATTRIBUTE_TYPE_INVALID"},
      {"SetTest.OneBadAttribute_ChangesNothing", "changes those before it"},
      {"SetTest.Copyable_GoesDownAndStays", "cannot be set at all"},
      {"SetTest.WrapWithTrusted_GoesUpAndStays", "cannot be set at all"},
      {"SetTest.Trusted_BySo_Works", kNoTrust},
      {"SetTest.Trusted_SurvivesTheSo", kNoTrust},
      {"CopyTest.NullTemplateWithoutCount_*", "wants a template"},
      {"GetTest.WrapTemplate_ComesBackNested", "cannot give templates back"},
      {"FindTest.ByTheValueOfASensitive*", kSearchOracle},
      {"FindTest.LogoutEndsASearchForPrivateObjects", "the search goes on"},

      // Making keys.
      {"GenerateTest.Aes_OfNoLength_*", kOtherCode},
      {"GenerateTest.OtherClass_*", kOtherCode},
      {"GenerateTest.ParameterWhereNoneBelongs_*", "takes any parameter"},
      {"GeneratePairTest.Rsa_TooSmall_*", kOtherCode},
      {"GeneratePairTest.Rsa_FarTooLarge_*", kOtherCode},
      {"GeneratePairTest.Rsa_EvenExponent_*", kOtherCode},
      {"GeneratePairTest.Rsa_ExponentOne_*", kOtherCode},
      {"GeneratePairTest.Ec_UnknownCurve_*", kOtherCode},
      {"GeneratePairTest.Ec_GarbageParams_*", kOtherCode},
      {"GeneratePairTest.WrongClassInATemplate_*", kOtherCode},
      {"GeneratePairTest.BadPrivateTemplate_MakesNothing",
       "leaves the public key behind"},
      {"GeneratePairTest.PrivateKey_IsProtectedByDefault",
       "CKA_SENSITIVE is false unless asked for"},

      // Which key may do what.
      {"KeyUseTest.StaleKey_*", kObjectHandle},
      {"KeyUseTest.KeyZero_*", kObjectHandle},
      {"KeyUseTest.DestroyedKey_*", kObjectHandle},
      {"KeyUseTest.PrivateKeyAfterLogout_*", kObjectHandle},
      {"KeyUseTest.DataObject_*", kObjectHandle},
      {"DeriveTest.StaleBaseKey_*", kObjectHandle},
      {"KeyUseTest.AesForRsa_*", kNoTypeCheck},
      {"KeyUseTest.EcForRsa_*", kNoTypeCheck},
      {"KeyUseTest.RsaForEcdsa_*", kNoTypeCheck},
      {"KeyUseTest.ParameterWhereNoneBelongs_*", "takes any parameter"},
      {"KeyUseTest.CbcWith*", kOtherCode},
      {"KeyUseTest.NullParameterWithLength_*", kOtherCode},
      {"KeyUseTest.PssWithAHugeSalt_*", kOtherCode},
      {"KeyUseTest.GcmWithATagOf*", kOtherCode},
      {"KeyUseTest.GcmWithNullAad_*", "crashes"},
      {"AlwaysAuthenticateTest.SizeQuery_NeedsNoPin", "wants the PIN first"},

      // Operations.
      {"*/TwoCallTest.NullMechanism_CancelsTheOperation/*", kNoCancel},
      {"*/TwoCallTest.NullSize_IsArgumentsBad_AndEndsTheOperation/*",
       "an error leaves the operation active"},
      {"All/SignPartsTest.NullPartWithLength_*",
       "an error leaves the operation active"},
      {"Decrypt/TwoCallTest.ExactRoom_IsEnough/RSA_*", kNeedsBound},
      {"Decrypt/TwoCallTest.ExactRoom_IsEnough/AES_CBC_PAD*", kNeedsBound},
      {"Decrypt/TwoCallTest.*/AES_GCM*", kNeedsBound, Difference::kSome},
      {"All/DigestPartsTest.WholeAfterAPart_*", kNoParts},
      {"All/CipherPartsTest.EncryptAfterAPart_*", kNoParts},
      {"All/CipherPartsTest.EncryptAndDecryptAtTheSameTime_*",
       "one operation a session"},
      {"BadDataTest.RsaPkcs_DataTooLong*", kGeneralError},
      {"BadDataTest.RsaOaep_DataTooLong_*", kGeneralError},
      {"BadDataTest.RsaPss_HashOfTheWrongLength_*", kGeneralError},
      {"BadDataTest.RsaCiphertextOfTheWrongLength_*", kGeneralError},
      {"BadDataTest.OaepGarbage_*", kGeneralError},
      {"BadDataTest.AesCbcPad_*", kGeneralError},
      {"BadDataTest.RsaPkcsGarbage_*", kRsaPadding},
      {"BadGcmTest.*", kGeneralError},

      // Wrapping and deriving.
      {"All/RoundTripTest.AesKey_ComesBack/*",
       "an unwrapped key has no CKA_VALUE_LEN", Difference::kSome},
      {"All/RoundTripTest.Truncated_IsRefused/*", kOtherCode,
       Difference::kSome},
      {"WrapTest.AesKeyWrap_KeyOfAnOddLength_*", "pads it"},
      {"WrapTest.Changed_*", kGeneralError},
      {"WrapTest.UnderAnotherKey_*", kGeneralError},
      {"WrapTest.SecretAsPrivateKey_*", kOtherCode},
      {"WrapTest.PublicKey_CannotBeWrapped", kOtherCode},
      {"WrapTest.UnwrapAPublicKey_*", kOtherCode},
      {"WrapTest.WrapTemplate_KeyThatDoesNotMatch_*", kOtherCode},
      {"WrapTest.UnwrapTemplate_IsAdded",
       "wants the template's attributes to be repeated"},
      {"DeriveTest.MoreThanThereIs_*", kOtherCode},
      {"DeriveTest.*Point*_IsRefused", kOtherCode},

      // Attacks that succeed there (the measured ones, and their kin).
      {"AttackTest.WrapThenDecrypt_KeyWrap_IsRefused", kWrapsAndDecrypts},
      {"AttackTest.WrapThenDecrypt_Cbc_IsRefused", kWrapsAndDecrypts},
      {"AttackTest.WrapThenEncryptOrSign_IsRefused", kWrapsAndDecrypts},
      {"AttackTest.WrapTemplateTrick_*", kWrapsAndDecrypts},
      {"AttackTest.WrappingKeyReimportedToDecrypt_*", kWrapsAndDecrypts},
      {"AttackTest.WrappingKey_GetsNoDecryptLater", kWrapsAndDecrypts},
      {"AttackTest.DecryptingKey_GetsNoWrapLater", kWrapsAndDecrypts},
      {"AttackTest.CopyOfAWrappingKey_DoesNotDecrypt", kWrapsAndDecrypts},
      {"AttackTest.UnwrapAsReadable_StaysSensitive", kWeaker},
      {"AttackTest.UnwrapAsGenericSecret_StaysSensitive", kWeaker},
      {"AttackTest.WrapWithTrusted_UnderAKeyThatTheSoTrusts_Works", kNoTrust},
      {"AttackTest.CopyOfATrustedKey_IsNotTrusted", kNoTrust},
      {"AttackTest.FindByValue_IsNoOracle", kSearchOracle},
      {"AttackTest.DigestOfASensitiveKey_GivesNoValue", "digests any key"},
      {"LostRightTest.Sign*AfterLogout*", kOutlives},
      {"LostRightTest.DecryptAfterLogout_*", kOutlives},
      {"LostRightTest.SignAfterTheKeyWasDestroyed_*", kOutlives},
      {"LostRightTest.SignAfterTheSessionKeyWasDestroyed_*", kOutlives},
      {"LostRightTest.SignAfterItsUseWasTakenAway_*", kOutlives},
  };
  return rows;
}

}  // namespace conformance
