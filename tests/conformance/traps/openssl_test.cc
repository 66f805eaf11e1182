// A host that uses OpenSSL itself: its configuration, its clean-up, its error
// queue are its own affair, and nothing it does there harms the module.
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/conformance/every_function.h"
#include "tests/conformance/keys.h"
#include "tests/conformance/template.h"
#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

// Makes `text` the host's OpenSSL configuration. Before OpenSSL is used.
void Configure(const std::string& text) {
  const char* state = std::getenv("PERIGEE_STATE_DIR");
  const std::string path = std::string(state) + ".openssl.cnf";
  std::ofstream(path) << text;
  MUST(setenv("OPENSSL_CONF", path.c_str(), 1) == 0);
}

void UseToken(const Functions& p11) {
  const CK_SESSION_HANDLE session = EnterToken(p11);
  MUST_BE_OK(Sign(p11, session, MakeKey(p11, session)));
  MUST_BE_OK(p11.C_CloseAllSessions(0));
}

// --- the host's configuration loads this very module
// -----------------------------------------

const Functions* reentered = nullptr;
int entries = 0;
CK_RV inner_initialize = CKR_GENERAL_ERROR;
CK_RV inner_finalize = CKR_OK;

int InitializeWhileLoading(CONF_IMODULE*, const CONF*) {
  ++entries;
  inner_initialize = reentered->C_Initialize(nullptr);
  return 1;
}

int InitializeUseAndFinalizeWhileLoading(CONF_IMODULE*, const CONF*) {
  ++entries;
  inner_initialize = reentered->C_Initialize(nullptr);
  UseToken(*reentered);
  inner_finalize = reentered->C_Finalize(nullptr);
  return 1;
}

constexpr char kReenteringConfig[] =
    "openssl_conf = top\n[top]\nperigee_trap = nothing\n";

TRAP(OpensslTrap, ConfigurationInitializesUs_BothSucceed) {
  Configure(kReenteringConfig);
  const Module module;
  reentered = &module.functions();
  MUST(CONF_module_add("perigee_trap", InitializeWhileLoading, nullptr) == 1);
  MUST_BE_OK(module->C_Initialize(nullptr));
  MUST(entries == 1);
  MUST_BE_OK(inner_initialize);
  UseToken(module.functions());
  MUST_BE_OK(module->C_Finalize(nullptr));
}

TRAP(OpensslTrap, ConfigurationUsesAndFinalizesUs_OuterCallSucceeds) {
  Configure(kReenteringConfig);
  const Module module;
  reentered = &module.functions();
  MUST(CONF_module_add("perigee_trap", InitializeUseAndFinalizeWhileLoading,
                       nullptr) == 1);
  MUST_BE_OK(module->C_Initialize(nullptr));
  MUST(entries == 1);
  MUST_BE_OK(inner_initialize);
  MUST_BE_OK(inner_finalize);
  UseToken(module.functions());
  MUST_BE_OK(module->C_Finalize(nullptr));
}

// A provider in a file of its own, as pkcs11-provider is; it initialises the
// module when OpenSSL loads it, and finalises it when OpenSSL ends.
TRAP(OpensslTrap, ProviderInitializesUs_BothSucceed) {
  Configure(std::string("openssl_conf = top\n"
                        "[top]\nproviders = providers\n"
                        "[providers]\ndefault = on\ntrap = trap\n"
                        "[on]\nactivate = 1\n"
                        "[trap]\nactivate = 1\nmodule = ") +
            PERIGEE_TRAP_PROVIDER + "\n");
  MUST(setenv("PERIGEE_TRAP_MODULE", ModulePath().c_str(), 1) == 0);
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  MUST(std::getenv("PERIGEE_TRAP_RESULT") != nullptr);
  MUST(std::string(std::getenv("PERIGEE_TRAP_RESULT")) == "0");
  UseToken(module.functions());
  MUST_BE_OK(module->C_Finalize(nullptr));
}

TRAP(OpensslTrap, ProviderInitializesUs_HostUsesOpensslFirst) {
  Configure(std::string("openssl_conf = top\n"
                        "[top]\nproviders = providers\n"
                        "[providers]\ndefault = on\ntrap = trap\n"
                        "[on]\nactivate = 1\n"
                        "[trap]\nactivate = 1\nmodule = ") +
            PERIGEE_TRAP_PROVIDER + "\n");
  MUST(setenv("PERIGEE_TRAP_MODULE", ModulePath().c_str(), 1) == 0);
  unsigned char bytes[16];
  MUST(RAND_bytes(bytes, sizeof(bytes)) == 1);
  const Module module;
  MUST_BE(CKR_CRYPTOKI_ALREADY_INITIALIZED, module->C_Initialize(nullptr));
  UseToken(module.functions());
}

// --- configurations of the host that are not ours
// --------------------------------------------

bool HostHas(const char* digest) {
  EVP_MD* const found = EVP_MD_fetch(nullptr, digest, nullptr);
  const bool has = found != nullptr;
  EVP_MD_free(found);
  ERR_clear_error();
  return has;
}

TRAP(OpensslTrap, HostActivatesTheLegacyProvider_BothWork) {
  Configure(
      "openssl_conf = top\n[top]\nproviders = providers\n"
      "[providers]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n");
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  UseToken(module.functions());
  // The module was first to use OpenSSL, and the host still gets its own.
  MUST(HostHas("MD4"));
  MUST(HostHas("SHA256"));
}

TRAP(OpensslTrap, HostHasOnlyTheLegacyProvider_WeStillSign) {
  Configure(
      "openssl_conf = top\n[top]\nproviders = providers\n"
      "[providers]\nlegacy = on\n[on]\nactivate = 1\n");
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  UseToken(module.functions());
  MUST(HostHas("MD4"));
  MUST(!HostHas("SHA256"));
}

TRAP(OpensslTrap, HostAsksForFips_WeStillSign) {
  Configure(
      "openssl_conf = top\n[top]\nalg_section = algorithms\n"
      "[algorithms]\ndefault_properties = fips=yes\n");
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  UseToken(module.functions());
  MUST(!HostHas("SHA256"));
}

TRAP(OpensslTrap, BrokenConfigurationOfTheHost_WeStillSign) {
  Configure("openssl_conf = top\n[top\nproviders = = =\n");
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  UseToken(module.functions());
}

// An engine that is the default for everything, as with "openssl -engine"; it
// knows no key, and none of ours may come to it.
int FailAndNote(EVP_PKEY_CTX*) {
  ++entries;
  return 0;
}

int EngineKeyMethods(ENGINE*, EVP_PKEY_METHOD** out, const int** ids, int id) {
  static const int kIds[] = {EVP_PKEY_RSA,  EVP_PKEY_EC,     EVP_PKEY_DSA,
                             EVP_PKEY_DH,   EVP_PKEY_DHX,    EVP_PKEY_ED25519,
                             EVP_PKEY_X448, EVP_PKEY_RSA_PSS};
  if (out == nullptr) {
    *ids = kIds;
    return sizeof(kIds) / sizeof(kIds[0]);
  }
  EVP_PKEY_METHOD* const method = EVP_PKEY_meth_new(id, 0);
  EVP_PKEY_meth_set_init(method, FailAndNote);
  *out = method;
  return 1;
}

void SignWithRsa(const Functions& p11) {
  const CK_SESSION_HANDLE session = EnterToken(p11);
  const Template pub = NewRsaPublic(), priv = NewRsaPrivate();
  CK_OBJECT_HANDLE public_key, private_key;
  MUST_BE_OK(p11.C_GenerateKeyPair(
      session, Mechanism(CKM_RSA_PKCS_KEY_PAIR_GEN).get(), pub.data(),
      pub.size(), priv.data(), priv.size(), &public_key, &private_key));
  CK_BYTE data[16] = {}, signature[256];
  CK_ULONG size = sizeof(signature);
  const auto mechanism = Mechanism(CKM_SHA256_RSA_PKCS);
  MUST_BE_OK(p11.C_SignInit(session, mechanism.get(), private_key));
  MUST_BE_OK(p11.C_Sign(session, data, sizeof(data), signature, &size));
  MUST_BE_OK(p11.C_VerifyInit(session, mechanism.get(), public_key));
  MUST_BE_OK(p11.C_Verify(session, data, sizeof(data), signature, size));
  MUST_BE_OK(p11.C_CloseAllSessions(0));
}

TRAP(OpensslTrap, HostHasAnEngineForAllKeys_WeStillSign) {
  ENGINE* const engine = ENGINE_new();
  MUST(ENGINE_set_id(engine, "trap") == 1);
  MUST(ENGINE_set_pkey_meths(engine, EngineKeyMethods) == 1);
  MUST(ENGINE_set_default(engine, ENGINE_METHOD_ALL) == 1);
  MUST(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr) == nullptr);
  MUST(entries == 1);
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  MUST_BE_OK(
      Sign(module.functions(), session, MakeKey(module.functions(), session)));
  MUST_BE_OK(module->C_CloseAllSessions(0));
  MUST_BE_OK(module->C_Finalize(nullptr));
  // Opening what was stored is another way into OpenSSL.
  MUST_BE_OK(module->C_Initialize(nullptr));
  UseToken(module.functions());
  SignWithRsa(module.functions());
  MUST(entries == 1);
}

// A generator of the host's that always gives the same: what we draw does not
// come from it, and what OpenSSL would draw from it is refused.
int ConstantBytes(unsigned char* out, int size) {
  std::memset(out, 'A', size);
  return 1;
}

TRAP(OpensslTrap, HostHasARandomMethod_NothingDependsOnIt) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  // One that signed before, so that its context is at hand.
  const CK_OBJECT_HANDLE signer = MakeKey(module.functions(), session);
  MUST_BE_OK(Sign(module.functions(), session, signer));
  RAND_METHOD constant = {};
  constant.bytes = constant.pseudorand = ConstantBytes;
  constant.status = [] { return 1; };
  MUST(RAND_set_rand_method(&constant) == 1);
  unsigned char theirs[16], ours[16];
  MUST(RAND_bytes(theirs, sizeof(theirs)) == 1 && theirs[3] == 'A');
  MUST_BE_OK(module->C_GenerateRandom(session, ours, sizeof(ours)));
  MUST(std::memcmp(ours, theirs, sizeof(ours)) != 0);
  const Template t = NewAes().Bool(CKA_SENSITIVE, false).Bool(CKA_TOKEN, false);
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  MUST_BE_OK(module->C_GenerateKey(session, Mechanism(CKM_AES_KEY_GEN).get(),
                                   t.data(), t.size(), &key));
  unsigned char value[32];
  CK_ATTRIBUTE wanted = {CKA_VALUE, value, sizeof(value)};
  MUST_BE_OK(module->C_GetAttributeValue(session, key, &wanted, 1));
  MUST(std::memcmp(value, theirs, sizeof(theirs)) != 0);
  MUST_BE(CKR_RANDOM_NO_RNG, Sign(module.functions(), session, signer));
  const Template pub = NewRsaPublic(), priv = NewRsaPrivate();
  CK_OBJECT_HANDLE public_key, private_key;
  MUST_BE(CKR_RANDOM_NO_RNG,
          module->C_GenerateKeyPair(
              session, Mechanism(CKM_RSA_PKCS_KEY_PAIR_GEN).get(), pub.data(),
              pub.size(), priv.data(), priv.size(), &public_key, &private_key));
  MUST(RAND_set_rand_method(nullptr) == 1);
  MUST_BE_OK(module->C_CloseAllSessions(0));
  SignWithRsa(module.functions());
}

TRAP(OpensslTrap, HostsErrorQueue_IsLeftAlone) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
  const unsigned long mine = ERR_peek_last_error();
  // Fails inside OpenSSL.
  CK_UTF8CHAR wrong[] = "wrong-pin";
  MUST_BE_OK(module->C_Logout(session));
  MUST_BE(CKR_PIN_INCORRECT, module->C_Login(session, CKU_USER, wrong, 9));
  MUST(ERR_peek_last_error() == mine);
  MUST(ERR_get_error() == mine);
  MUST(ERR_peek_error() == 0);
}

TRAP(OpensslTrap, FailuresLeaveNoErrorsBehind) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  MUST_BE_OK(module->C_Logout(session));
  CK_UTF8CHAR wrong[] = "wrong-pin";
  MUST_BE(CKR_PIN_INCORRECT, module->C_Login(session, CKU_USER, wrong, 9));
  MUST(ERR_peek_error() == 0);
}

// --- after the host's clean-up
// -----------------------------------------------------------------

TRAP(OpensslTrap, AfterCleanup_EveryFunctionIsRefused) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  const CK_OBJECT_HANDLE key = MakeKey(module.functions(), session);
  OPENSSL_cleanup();
  MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, Sign(module.functions(), session, key));
  CK_BYTE byte;
  MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED,
          module->C_GenerateRandom(session, &byte, 1));
#define PERIGEE_FUNCTION(version, name, arguments)   \
  if (std::string(#name).find("C_Get") != 0 ||       \
      std::string(#name) == "C_GetSessionInfo") {    \
    MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED,            \
            CallWithZeros(module.functions().name)); \
  }
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION
}

TRAP(OpensslTrap, CleanupInTheMiddleOfAnOperation_IsRefused) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, nullptr, 0};
  CK_BYTE data[16] = {};
  MUST_BE_OK(module->C_SignInit(session, &mechanism,
                                MakeKey(module.functions(), session)));
  MUST_BE_OK(module->C_SignUpdate(session, data, sizeof(data)));
  OPENSSL_cleanup();
  CK_BYTE signature[64];
  CK_ULONG size = sizeof(signature);
  MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED,
          module->C_SignFinal(session, signature, &size));
  std::exit(0);
}

TRAP(OpensslTrap, LoadedAfterCleanup_IsRefused) {
  MUST(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr) == 1);
  OPENSSL_cleanup();
  const Module module;
  MUST(module->C_Initialize(nullptr) != CKR_OK);
}

}  // namespace
}  // namespace conformance
