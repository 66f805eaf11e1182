// Makes a key, backs it up to the Backup HSM, loses it and restores it.
//
//   cc -I/usr/include/nss -I/usr/include/nspr backup.c -ldl -o backup
//   SO_PIN=... USER_PIN=... DOMAIN=... ./backup MODULE
//
// A partition (slot 0) or Backup HSM (slot 1) that is new is initialised
// first. README.md tells the rest.
#include <dlfcn.h>
#include <pkcs11.h>
// After <pkcs11.h>, which it needs.
#include <perigee/luna_ca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kPartition = 0, kBackupHsm = 1 };  // slots
static const CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;
static CK_BYTE message[] = "a message";
static CK_BBOOL yes = CK_TRUE;

static CK_FUNCTION_LIST_PTR p11;
static CK_SFNT_CA_FUNCTION_LIST_PTR ca;

// A password or the domain; it stays where the environment has it.
typedef struct {
  unsigned char* bytes;
  CK_ULONG size;
} Secret;

typedef struct {
  CK_OBJECT_HANDLE public_key, private_key;
} Pair;

static void Check(CK_RV rv, const char* call) {
  if (rv == CKR_OK) return;
  fprintf(stderr, "backup: %s failed: 0x%08lx\n", call, (unsigned long)rv);
  exit(1);
}

static Secret Setting(const char* name) {
  char* value = getenv(name);
  if (value == NULL || *value == '\0') {
    fprintf(stderr, "backup: set %s\n", name);
    exit(1);
  }
  Secret secret = {(unsigned char*)value, strlen(value)};
  return secret;
}

static void Load(const char* path) {
  void* module = dlopen(path, RTLD_NOW);
  if (module == NULL) {
    fprintf(stderr, "backup: %s\n", dlerror());
    exit(1);
  }
  CK_C_GetFunctionList standard =
      (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  CK_CA_GetFunctionList vendor =
      (CK_CA_GetFunctionList)dlsym(module, "CA_GetFunctionList");
  if (standard == NULL || vendor == NULL) {
    fprintf(stderr, "backup: %s has no C_ and CA_ functions\n", path);
    exit(1);
  }
  Check(standard(&p11), "C_GetFunctionList");
  Check(vendor(&ca), "CA_GetFunctionList");
}

static CK_SESSION_HANDLE OpenSession(CK_SLOT_ID slot, CK_USER_TYPE user,
                                     Secret pin) {
  CK_SESSION_HANDLE session;
  Check(p11->C_OpenSession(slot, kReadWrite, NULL, NULL, &session),
        "C_OpenSession");
  Check(p11->C_Login(session, user, pin.bytes, pin.size), "C_Login");
  return session;
}

// False when the token has been initialised before.
static CK_BBOOL Initialise(CK_SLOT_ID slot, const char* name, Secret so_pin,
                           Secret domain) {
  CK_TOKEN_INFO token;
  Check(p11->C_GetTokenInfo(slot, &token), "C_GetTokenInfo");
  if (token.flags & CKF_TOKEN_INITIALIZED) return CK_FALSE;
  CK_UTF8CHAR label[32];
  memset(label, ' ', sizeof label);
  memcpy(label, name, strlen(name));
  Check(ca->CA_InitToken(slot, so_pin.bytes, so_pin.size, label, domain.bytes,
                         domain.size, 0, NULL, 0, NULL),
        "CA_InitToken");
  return CK_TRUE;
}

static Pair MakeKey(CK_SESSION_HANDLE session) {
  CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  char label[] = "example";
  CK_ATTRIBUTE for_public[] = {{CKA_EC_PARAMS, p256, sizeof p256},
                               {CKA_VERIFY, &yes, sizeof yes},
                               {CKA_TOKEN, &yes, sizeof yes},
                               {CKA_LABEL, label, sizeof label - 1}};
  CK_ATTRIBUTE for_private[] = {{CKA_SIGN, &yes, sizeof yes},
                                {CKA_TOKEN, &yes, sizeof yes},
                                {CKA_LABEL, label, sizeof label - 1}};
  CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  Pair pair;
  Check(p11->C_GenerateKeyPair(session, &generate, for_public, 4, for_private,
                               3, &pair.public_key, &pair.private_key),
        "C_GenerateKeyPair");
  return pair;
}

static void Sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                 CK_BYTE signature[64]) {
  CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
  CK_ULONG size = 64;
  Check(p11->C_SignInit(session, &ecdsa, key), "C_SignInit");
  Check(p11->C_Sign(session, message, sizeof message - 1, signature, &size),
        "C_Sign");
}

static void Verify(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                   CK_BYTE signature[64]) {
  CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
  Check(p11->C_VerifyInit(session, &ecdsa, key), "C_VerifyInit");
  Check(p11->C_Verify(session, message, sizeof message - 1, signature, 64),
        "C_Verify");
}

// A session in a new partition of the Backup HSM.
static CK_SESSION_HANDLE NewBackup(const char* name, Secret so_pin,
                                   Secret user_pin, Secret domain) {
  CK_SESSION_HANDLE so = OpenSession(kBackupHsm, CKU_SO, so_pin);
  CK_SESSION_HANDLE backup;
  CK_ULONG container;
  Check(ca->CA_SetCloningDomain(domain.bytes, domain.size),
        "CA_SetCloningDomain");
  Check(ca->CA_CreateContainer(so, 0, (CK_CHAR_PTR)name, strlen(name),
                               user_pin.bytes, user_pin.size, ~0UL, ~0UL, 0, 0,
                               0, &container),
        "CA_CreateContainer");
  Check(ca->CA_OpenSession(kBackupHsm, container, kReadWrite, NULL, NULL,
                           &backup),
        "CA_OpenSession");
  Check(p11->C_Login(backup, CKU_USER, user_pin.bytes, user_pin.size),
        "C_Login");
  return backup;
}

static Pair Clone(CK_SESSION_HANDLE target, CK_SESSION_HANDLE source,
                  Pair pair) {
  Pair copy;
  Check(
      ca->CA_CloneObject(target, source, 0, pair.public_key, &copy.public_key),
      "CA_CloneObject");
  Check(ca->CA_CloneObject(target, source, 0, pair.private_key,
                           &copy.private_key),
        "CA_CloneObject");
  return copy;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODULE\n", argv[0]);
    return 2;
  }
  const Secret so_pin = Setting("SO_PIN"), user_pin = Setting("USER_PIN");
  const Secret domain = Setting("DOMAIN"), no_domain = {NULL, 0};
  Load(argv[1]);
  Check(p11->C_Initialize(NULL), "C_Initialize");

  if (Initialise(kPartition, "example", so_pin, domain)) {
    CK_SESSION_HANDLE so = OpenSession(kPartition, CKU_SO, so_pin);
    Check(p11->C_InitPIN(so, user_pin.bytes, user_pin.size), "C_InitPIN");
    Check(p11->C_CloseSession(so), "C_CloseSession");
    printf("initialised the partition in slot 0\n");
  }
  if (Initialise(kBackupHsm, "backup", so_pin, no_domain)) {
    printf("initialised the Backup HSM in slot 1\n");
  }

  CK_SESSION_HANDLE session = OpenSession(kPartition, CKU_USER, user_pin);
  const Pair key = MakeKey(session);
  CK_BYTE signature[64], another[64];
  Sign(session, key.private_key, signature);
  printf("made a key and signed with it\n");

  char name[33];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(name, sizeof name, "example-%ld%03ld", (long)now.tv_sec,
           now.tv_nsec / 1000000);
  CK_SESSION_HANDLE backup = NewBackup(name, so_pin, user_pin, domain);
  const Pair copy = Clone(backup, session, key);
  printf("backed it up to partition %s\n", name);

  Check(p11->C_DestroyObject(session, key.public_key), "C_DestroyObject");
  Check(p11->C_DestroyObject(session, key.private_key), "C_DestroyObject");
  printf("destroyed it\n");

  const Pair restored = Clone(session, backup, copy);
  Verify(session, restored.public_key, signature);
  Sign(session, restored.private_key, another);
  Verify(session, restored.public_key, another);
  printf("restored it: the old signature and a new one verify\n");
  Check(p11->C_Finalize(NULL), "C_Finalize");
  return 0;
}
