// Makes a P-256 key on an initialised token and signs with it: the smallest
// useful client of a PKCS#11 module.
//
//   cc -I/usr/include/nss -I/usr/include/nspr sign.c -ldl -o sign
//   ./sign /usr/lib/x86_64-linux-gnu/pkcs11/libperigee.so PIN
//
// The token in slot 0 must have its PIN set (README, "A first session").
#include <dlfcn.h>
#include <pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void Check(CK_RV rv, const char* call) {
  if (rv == CKR_OK) return;
  fprintf(stderr, "%s: 0x%lx\n", call, (unsigned long)rv);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODULE PIN\n", argv[0]);
    return 2;
  }
  void* module = dlopen(argv[1], RTLD_NOW);
  if (module == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  CK_C_GetFunctionList get =
      (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  CK_FUNCTION_LIST_PTR p11 = NULL;
  if (get == NULL) return 1;
  Check(get(&p11), "C_GetFunctionList");

  Check(p11->C_Initialize(NULL), "C_Initialize");
  CK_SESSION_HANDLE session;
  Check(p11->C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                           &session),
        "C_OpenSession");
  Check(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)argv[2],
                     strlen(argv[2])),
        "C_Login");

  // A session key pair: gone when the session closes.
  CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE public_template[] = {{CKA_EC_PARAMS, p256, sizeof p256},
                                    {CKA_VERIFY, &yes, sizeof yes}};
  CK_ATTRIBUTE private_template[] = {{CKA_SIGN, &yes, sizeof yes}};
  CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_OBJECT_HANDLE public_key, private_key;
  Check(p11->C_GenerateKeyPair(session, &generate, public_template, 2,
                               private_template, 1, &public_key, &private_key),
        "C_GenerateKeyPair");

  CK_BYTE message[] = "a message";
  CK_BYTE signature[64];
  CK_ULONG size = sizeof signature;
  CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
  Check(p11->C_SignInit(session, &ecdsa, private_key), "C_SignInit");
  Check(p11->C_Sign(session, message, sizeof message - 1, signature, &size),
        "C_Sign");
  Check(p11->C_VerifyInit(session, &ecdsa, public_key), "C_VerifyInit");
  Check(p11->C_Verify(session, message, sizeof message - 1, signature, size),
        "C_Verify");

  for (CK_ULONG i = 0; i < size; ++i) printf("%02x", signature[i]);
  printf("\n");
  Check(p11->C_Finalize(NULL), "C_Finalize");
  return 0;
}
