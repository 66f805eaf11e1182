// The vendor interface of Perigee: what PKCS#11 and the CA_ functions have no
// words for. Include your <pkcs11.h> first. C11 and C++.
//
//   CK_INTERFACE_PTR found;
//   CK_VERSION one = {1, 0};
//   if (C_GetInterface((CK_UTF8CHAR_PTR)PERIGEE_INTERFACE_NAME, &one, &found,
//                      0) == CKR_OK) {
//     const PERIGEE_FUNCTION_LIST* perigee = found->pFunctionList;
//     PERIGEE_ERROR error = {sizeof error};
//     perigee->LastError(&error);
//   }
//
// Rules for everything here:
// - The table only grows at its end: a member is there when `ulSize` reaches
//   over it. A change of what exists makes another major version.
// - A structure begins with its size, which the caller sets before the call;
//   the library fills what fits. A size smaller than that of version 1.0 is
//   CKR_ARGUMENTS_BAD.
// - Texts are UTF-8, end with a zero byte, and are cut where they do not fit.
//   Text that came from a device has no control characters.
// - Functions but LastError and ErrorName need C_Initialize first
//   (CKR_CRYPTOKI_NOT_INITIALIZED) and may be called from any thread.
// - `ulContainer` is a container handle of the CA_ functions; on a slot,
//   PERIGEE_OWN_CONTAINER means the partition that the slot itself shows.
#ifndef PERIGEE_PERIGEE_H_
#define PERIGEE_PERIGEE_H_

#ifdef __cplusplus
extern "C" {
#endif

#define PERIGEE_INTERFACE_NAME "Perigee"
#define PERIGEE_INTERFACE_MAJOR 1
#define PERIGEE_INTERFACE_MINOR 0

// The slot's own partition where a container handle is asked for.
#define PERIGEE_OWN_CONTAINER (~0UL)
// A number that does not exist here: no limit, no slot.
#define PERIGEE_NONE (~0UL)

// ---- Errors ----------------------------------------------------------------

// The last call of this thread that did not return CKR_OK. A size query and a
// buffer that was too small count only as what they return. rv is CKR_OK and
// the texts are empty when no call failed yet.
typedef struct PERIGEE_ERROR {
  CK_ULONG ulSize;
  CK_RV rv;
  char function[64];  // "C_Login"
  char name[64];      // "CKR_PIN_INCORRECT"
  char reason[64];    // "restricted-restore", for a value with many causes
  char text[384];     // one sentence for a person; never a secret
} PERIGEE_ERROR;

// Never fails but for a bad `pError`, and changes nothing.
typedef CK_RV (*PERIGEE_LastError)(PERIGEE_ERROR* pError);

// The name of a return value, vendor values included; hexadecimal when it is
// unknown. 48 bytes are enough for all.
typedef CK_RV (*PERIGEE_ErrorName)(CK_RV rv, char* pName, CK_ULONG ulRoom);

// ---- Slots and HSMs --------------------------------------------------------

// Every slot, with the admin slots that C_GetSlotList leaves out. Two calls:
// null `pSlots` gives the count. Looks again for partitions that came or went
// at each call with null `pSlots`, as C_GetSlotList does.
typedef CK_RV (*PERIGEE_Slots)(CK_SLOT_ID* pSlots, CK_ULONG* pulCount);

#define PERIGEE_KIND_APPLICATION 1UL
#define PERIGEE_KIND_BACKUP 2UL

#define PERIGEE_HSM_INITIALIZED 0x01UL  // there is an HSM SO
#define PERIGEE_HSM_ZEROIZED 0x02UL
#define PERIGEE_HSM_APPROVED_MODE 0x04UL  // the FIPS line of hsm showinfo
#define PERIGEE_HSM_ON_APPLIANCE 0x08UL   // attached to an appliance
#define PERIGEE_HSM_FM_ENABLED 0x10UL     // functionality modules, ever
#define PERIGEE_HSM_TEST_KDF 0x20UL       // PINs are protected for tests only
#define PERIGEE_HSM_EMBEDDED \
  0x40UL                               // state on this host: a Backup HSM
                                       // so used is a rehearsal, no backup
#define PERIGEE_HSM_EXISTS 0x80UL      // its state was made already
#define PERIGEE_HSM_TRANSPORT 0x100UL  // in Secure Transport Mode
#define PERIGEE_HSM_TAMPERED 0x200UL   // and nobody cleared it
#define PERIGEE_HSM_DECOMMISSIONED 0x400UL

typedef struct PERIGEE_HSM_INFO {
  CK_ULONG ulSize;
  CK_ULONG ulKind;
  CK_FLAGS flags;
  CK_ULONG ulFirmware[3];  // 7, 7, 1
  CK_SLOT_ID adminSlot;    // of a Backup HSM: its only slot
  CK_ULONG ulPartitions;   // there are now
  CK_ULONG ulAllowedPartitions;
  char configName[64];  // the HSM's name in the configuration
  char label[64];
  char serial[32];
  char model[32];       // row of the model table: "luna-g7-backup"
  char tokenModel[32];  // as in CK_TOKEN_INFO
  char manufacturer[64];
  char transport[128];    // "embedded", "socket:/run/perigee.sock"
  CK_ULONG ulTamperedAt;  // seconds since 1970; 0: no tamper event
  // Of the firmware of the device that is modelled; empty where it was not
  // published. Perigee itself is validated by nobody.
  char release[32];      // "October 2020"
  char certificate[64];  // "FIPS 140-2 Level 3, NIST certificate #4195"
} PERIGEE_HSM_INFO;

// The HSM that a slot belongs to. Opens the channel to a Backup HSM, except
// when it has no state yet.
typedef CK_RV (*PERIGEE_HsmInfo)(CK_SLOT_ID slotID, PERIGEE_HSM_INFO* pInfo);

// ---- Partitions ------------------------------------------------------------

#define PERIGEE_PARTITION_INITIALIZED 0x01UL
#define PERIGEE_PARTITION_ZEROIZED 0x02UL
#define PERIGEE_PARTITION_BACKUP 0x04UL  // a container of a Backup HSM
#define PERIGEE_PARTITION_HAS_DOMAIN 0x08UL
#define PERIGEE_PARTITION_ADMIN 0x10UL

typedef struct PERIGEE_PARTITION_INFO {
  CK_ULONG ulSize;
  CK_FLAGS flags;
  CK_ULONG ulContainer;  // its container handle
  CK_SLOT_ID slot;       // PERIGEE_NONE: it has no slot of its own
  CK_ULONG ulVersion;    // 0 for V0, 1 for V1
  CK_ULONG ulCapacity;   // bytes it was given; PERIGEE_NONE: no limit
  CK_ULONG ulOverhead, ulTotal, ulUsed, ulFree;  // bytes; PERIGEE_NONE
  CK_ULONG ulObjects;
  CK_BYTE id[16];
  char label[64];
  char serial[32];
} PERIGEE_PARTITION_INFO;

typedef CK_RV (*PERIGEE_PartitionInfo)(CK_SLOT_ID slotID, CK_ULONG ulContainer,
                                       PERIGEE_PARTITION_INFO* pInfo);

#define PERIGEE_ROLE_INITIALIZED 0x01UL
#define PERIGEE_ROLE_LOCKED 0x02UL
#define PERIGEE_ROLE_MUST_CHANGE_PIN 0x04UL

typedef struct PERIGEE_ROLE_INFO {
  CK_ULONG ulSize;
  CK_FLAGS flags;
  CK_ULONG ulFailures;
  CK_ULONG ulAttemptsLeft;
} PERIGEE_ROLE_INFO;

// CA_RoleStateGet for any container: CKU_SO is its PO (the HSM SO on an admin
// partition), CKU_USER its CO.
typedef CK_RV (*PERIGEE_RoleInfo)(CK_SLOT_ID slotID, CK_ULONG ulContainer,
                                  CK_USER_TYPE userType,
                                  PERIGEE_ROLE_INFO* pInfo);

// A partition of an application HSM, made by its SO (a session on the admin
// slot). It has a slot at once and is initialised there with C_InitToken or
// CA_InitToken. Backup partitions are made with CA_CreateContainer.
typedef struct PERIGEE_PARTITION_SPEC {
  CK_ULONG ulSize;
  CK_ULONG ulVersion;   // 0 or 1
  CK_ULONG ulCapacity;  // bytes; 0: no limit of its own
  const char* pLabel;   // shown until it is initialised; may be null
} PERIGEE_PARTITION_SPEC;

// Either output may be null.
typedef CK_RV (*PERIGEE_CreatePartition)(CK_SESSION_HANDLE hSession,
                                         const PERIGEE_PARTITION_SPEC* pSpec,
                                         CK_ULONG* pulContainer,
                                         CK_SLOT_ID* pSlotID);
// With all objects and roles. Its slot is gone and its number is not used
// again; sessions there end.
typedef CK_RV (*PERIGEE_DeletePartition)(CK_SESSION_HANDLE hSession,
                                         CK_ULONG ulContainer);

// The label of the session's partition, at most 32 bytes of UTF-8; by its SO.
typedef CK_RV (*PERIGEE_ChangeLabel)(CK_SESSION_HANDLE hSession,
                                     const char* pLabel);
// Destroys all objects of the session's partition, by its CO.
typedef CK_RV (*PERIGEE_ClearPartition)(CK_SESSION_HANDLE hSession);

typedef struct PERIGEE_CHECK {
  CK_ULONG ulSize;
  CK_ULONG ulSound;    // out: objects whose every byte is as it was written
  CK_ULONG ulDamaged;  // out: those that are not
  // The handles of damaged ones, as many as fit. Null: none wanted.
  CK_OBJECT_HANDLE* phDamaged;
  CK_ULONG ulDamagedRoom;
} PERIGEE_CHECK;

// Reads and checks every token object of the session's partition that its login
// may see (without one: public objects). CKR_OK also when some are damaged;
// CKR_DEVICE_ERROR when records are missing, or the store cannot be read.
// CKR_FUNCTION_NOT_SUPPORTED on a Backup HSM.
typedef CK_RV (*PERIGEE_CheckObjects)(CK_SESSION_HANDLE hSession,
                                      PERIGEE_CHECK* pCheck);

typedef struct PERIGEE_STORE {
  CK_ULONG ulSize;
  CK_ULONG ulVersion;    // of the store's format
  CK_ULONG ulNewest;     // that this library knows
  CK_ULONG ulRecords;    // objects of all partitions
  CK_ULONG ulFileBytes;  // of the file
  CK_ULONG ulFreeBytes;  // in it, that compacting gives back
  CK_ULONG ulLogBytes;   // of the write-ahead log beside it
  CK_ULONG ulProblems;   // found by CheckStore, at most 100
  // A line of text for each problem, as far as there is room, ended by a zero
  // byte. Null: none wanted.
  char* pProblems;
  CK_ULONG ulProblemsRoom;
  char path[256];
} PERIGEE_STORE;

// The whole store of the slot's HSM, without its keys: every page is read and
// the tables are compared with each other. CKR_OK also when there are problems.
// CKR_TOKEN_NOT_PRESENT when there is no store yet,
// CKR_TOKEN_NOT_RECOGNIZED when it is no store that can be opened,
// CKR_FUNCTION_NOT_SUPPORTED for a device that is not in this process.
typedef CK_RV (*PERIGEE_CheckStore)(CK_SLOT_ID slotID, PERIGEE_STORE* pStore);
// Writes the file anew without free pages. Others go on working.
// CKR_DEVICE_MEMORY on a full disk, CKR_TOKEN_WRITE_PROTECTED.
typedef CK_RV (*PERIGEE_CompactStore)(CK_SLOT_ID slotID, PERIGEE_STORE* pStore);

// ---- Transfer: clone, back up, restore -------------------------------------

// Go on after an object that could not go; otherwise the rest is not tried.
#define PERIGEE_TRANSFER_CONTINUE_ON_ERROR 0x1UL
// An object that the target has with other contents is replaced; otherwise it
// is refused. One that it has with equal contents is never copied again.
#define PERIGEE_TRANSFER_REPLACE 0x2UL
// Carries nothing: fills count and items (outcome NOT_TRIED, what each object
// costs) of what would be carried. `hTarget` may be any session of the target's
// HSM, or CK_INVALID_HANDLE: then what goes to Backup HSMs alone is left out,
// which are the SKS master keys.
#define PERIGEE_TRANSFER_LIST_ONLY 0x4UL
// The SKS master keys of a V1 partition (one, or two while it rolls over) and
// nothing else; `phObjects` is not read. CKR_SMK_ID_NOT_FOUND when the source
// has none.
#define PERIGEE_TRANSFER_SMK_ONLY 0x8UL

// How `phObjects` and reports call the SKS master key of the partition that
// uses it. In a backup partition it is an object with a handle of its own.
#define PERIGEE_HANDLE_SMK 0xFFFFFFFF00000018UL
// The former one, while it rolls over.
#define PERIGEE_HANDLE_FORMER_SMK 0xFFFFFFFF00000019UL

#define PERIGEE_OUTCOME_STORED 0UL     // it is at the target now
#define PERIGEE_OUTCOME_PRESENT 1UL    // it was there already, equal
#define PERIGEE_OUTCOME_REPLACED 2UL   // it was there, with other contents
#define PERIGEE_OUTCOME_LEFT_OUT 3UL   // the source did not send it
#define PERIGEE_OUTCOME_REFUSED 4UL    // the target did not take it
#define PERIGEE_OUTCOME_NOT_TRIED 5UL  // the run ended before it

typedef struct PERIGEE_TRANSFER_ITEM {
  CK_OBJECT_HANDLE hSource;
  CK_OBJECT_HANDLE hTarget;  // 0 unless it is at the target now
  CK_BYTE ouid[12];          // zeros when nobody has looked at the object
  CK_ULONG ulOutcome;
  CK_RV rv;         // why not; CKR_OK when it is at the target
  CK_ULONG ulCost;  // bytes of the source's storage; of LIST_ONLY, else 0
  char reason[64];
  char text[192];
} PERIGEE_TRANSFER_ITEM;

// Called after each batch; not 0 cancels: what arrived stays, the rest is
// NOT_TRIED with CKR_FUNCTION_CANCELED. It must not call the library on the
// two sessions.
typedef CK_RV (*PERIGEE_TransferProgress)(void* pContext, CK_ULONG ulDone,
                                          CK_ULONG ulTotal);

typedef struct PERIGEE_TRANSFER {
  CK_ULONG ulSize;
  CK_FLAGS flags;
  // Token objects of the source's partition. Count 0: all of them.
  const CK_OBJECT_HANDLE* phObjects;
  CK_ULONG ulObjectCount;
  PERIGEE_TransferProgress pProgress;  // may be null
  void* pContext;
  // The report, in the order of the objects. Null `pItems`: none wanted.
  PERIGEE_TRANSFER_ITEM* pItems;
  CK_ULONG ulItemSize;   // sizeof(PERIGEE_TRANSFER_ITEM)
  CK_ULONG ulItemRoom;   // items that fit
  CK_ULONG ulItemCount;  // out: objects of this transfer
} PERIGEE_TRANSFER;

// Carries objects between two sessions' partitions, on both of which the CO is
// logged in: a backup when the target is a container of a Backup HSM, a
// restore when the source is. What may go is decided by the two HSMs; the host
// learns sizes and counts only. Interrupted, it leaves what arrived, and the
// same call again finishes it.
//
// CKR_OK: every object is at the target. Otherwise the first failure; the
// items tell each object's. CKR_BUFFER_TOO_SMALL, before anything is done,
// when the items have no room; ulItemCount tells how many there are.
typedef CK_RV (*PERIGEE_Transfer)(CK_SESSION_HANDLE hSource,
                                  CK_SESSION_HANDLE hTarget,
                                  PERIGEE_TRANSFER* pTransfer);

// ---- Devices and adoption --------------------------------------------------

#define PERIGEE_DEVICE_TRUSTED 0x1UL  // under this host's fleet root
#define PERIGEE_DEVICE_ADOPTION_ALLOWED 0x2UL
#define PERIGEE_DEVICE_INITIALIZED 0x4UL
#define PERIGEE_DEVICE_ZEROIZED 0x8UL

typedef struct PERIGEE_DEVICE {
  CK_ULONG ulSize;
  CK_FLAGS flags;
  CK_ULONG ulFirmware[3];
  CK_BYTE fingerprint[32];  // SHA-256 of the device's public key
  char serial[32];
  char model[32];
  char label[64];
} PERIGEE_DEVICE;

// What answers at a Backup HSM's slot, before any trust: compare the
// fingerprint with the one that the device itself shows.
// CKR_TOKEN_NOT_PRESENT when nobody answers or there is no state yet,
// CKR_SLOT_ID_INVALID for another kind of slot.
typedef CK_RV (*PERIGEE_DeviceFingerprint)(CK_SLOT_ID slotID,
                                           PERIGEE_DEVICE* pDevice);

// Makes the device with this fingerprint one of this host's fleet: it checks
// its SO's password (a wrong one counts as a failed login), trusts this host's
// root and takes a certificate under it. Nothing stored on it changes. A device
// without SO asks for no password: `pSoPin` is null.
typedef CK_RV (*PERIGEE_AdoptDevice)(CK_SLOT_ID slotID,
                                     const CK_BYTE* pFingerprint,
                                     CK_ULONG ulFingerprintLen,
                                     const CK_UTF8CHAR* pSoPin,
                                     CK_ULONG ulSoPinLen);

// ---- Remote Backup Service -------------------------------------------------

// Who this host is to the other hosts of its fleet. A client is named by its
// serial number or, surer where several hosts have the fleet's root key, by the
// fingerprint of its key.
typedef struct PERIGEE_HOST {
  CK_ULONG ulSize;
  CK_BYTE fingerprint[32];  // SHA-256 of the host's public key
  char serial[32];
} PERIGEE_HOST;

// Makes the identity, and the fleet's root, where there is none yet.
typedef CK_RV (*PERIGEE_HostIdentity)(PERIGEE_HOST* pHost);

// One line about the service, without its end: where it serves, who came, who
// was refused and why, who went. It must not call the library.
typedef void (*PERIGEE_RemoteEvent)(void* pContext, const char* pText);

typedef struct PERIGEE_REMOTE_OFFER {
  CK_ULONG ulSize;
  const char* pAddress;       // "HOST:PORT" to listen at; port 0: any free one
  const char* pClients;       // serial numbers or fingerprints, with commas
  CK_ULONG ulCommandSeconds;  // for the device to answer one; 0: 300
  int iStop;  // descriptor; the service ends when it is readable
  PERIGEE_RemoteEvent pEvent;  // may be null
  void* pContext;
} PERIGEE_REMOTE_OFFER;

// Offers the Backup HSM at a slot to other hosts, which reach it with
// transport = "tls:HOST:PORT". Returns when it was told to stop, and serves in
// the calling thread until then. No login is needed here, and nothing of what
// passes can be read. CKR_FUNCTION_FAILED when the address cannot be had.
typedef CK_RV (*PERIGEE_OfferDevice)(CK_SLOT_ID slotID,
                                     const PERIGEE_REMOTE_OFFER* pOffer);

// ---- Audit log -------------------------------------------------------------
// Of the HSM that a slot belongs to. docs/AUDIT.md says what is in it. No login
// is needed: whoever may use the state of the HSM may read its log, and nothing
// here takes a line out of it but into a file. A Backup HSM that is reached
// over a wire keeps its log for itself (CKR_FUNCTION_NOT_SUPPORTED).

#define PERIGEE_AUDIT_DAMAGED 0x1UL  // its end is not as the HSM left it
#define PERIGEE_AUDIT_OFF 0x2UL      // nothing is recorded of this slot
#define PERIGEE_AUDIT_CLOSED 0x4UL   // what cannot be recorded is refused
#define PERIGEE_AUDIT_KEY_USE 0x8UL  // each use of a key is recorded

typedef struct PERIGEE_AUDIT_INFO {
  CK_ULONG ulSize;
  CK_FLAGS flags;
  CK_ULONG ulFirst, ulLast;  // lines that are not in a file yet; 0: none
  CK_ULONG ulBytes;
  CK_ULONG ulCheckpoint;  // number of the last one; 0: none
  char head[72];          // SHA-256 of the last line, hexadecimal
} PERIGEE_AUDIT_INFO;

typedef CK_RV (*PERIGEE_AuditInfo)(CK_SLOT_ID slotID,
                                   PERIGEE_AUDIT_INFO* pInfo);

// Whole lines from number `*pulNext` on (0: the first one), as many as fit into
// `*pulTextLen` bytes at `pText`; no zero byte behind them. Then `*pulNext` is
// the number that follows. Length 0 at the end. CKR_BUFFER_TOO_SMALL when not
// one line fits (8192 bytes are enough).
typedef CK_RV (*PERIGEE_AuditLines)(CK_SLOT_ID slotID, CK_ULONG* pulNext,
                                    char* pText, CK_ULONG* pulTextLen);

// Signs the log; `exported`: and records before that it is read out. The number
// of the checkpoint; may be null.
typedef CK_RV (*PERIGEE_AuditCheckpoint)(CK_SLOT_ID slotID, CK_BBOOL exported,
                                         CK_ULONG* pulCheckpoint);

// Moves all lines into a file beside the HSM's state, and tells its path (empty
// when there was nothing to move).
typedef CK_RV (*PERIGEE_AuditRotate)(CK_SLOT_ID slotID, char* pPath,
                                     CK_ULONG ulRoom);

#define PERIGEE_AUDIT_SOUND 0UL
#define PERIGEE_AUDIT_NO_LOG 1UL
#define PERIGEE_AUDIT_ALTERED 2UL
#define PERIGEE_AUDIT_REMOVED 3UL
#define PERIGEE_AUDIT_REORDERED 4UL
#define PERIGEE_AUDIT_DUPLICATED 5UL
#define PERIGEE_AUDIT_BAD_SIGNATURE 6UL
#define PERIGEE_AUDIT_WRONG_CERTIFICATE 7UL
#define PERIGEE_AUDIT_TRUNCATED 8UL
#define PERIGEE_AUDIT_RECOVERED 9UL

typedef struct PERIGEE_AUDIT_REPORT {
  CK_ULONG ulSize;
  CK_ULONG ulProblem;  // PERIGEE_AUDIT_*: the first one
  CK_ULONG ulPlace;    // the line in the text, from 1
  CK_ULONG ulLine;     // and its number; 0 when it has none
  CK_ULONG ulLines;    // sound lines before that
  CK_ULONG ulFirst, ulLast;
  CK_ULONG ulCheckpoints;
  CK_ULONG ulUncovered;       // lines behind the last checkpoint
  CK_BBOOL fromTheBeginning;  // of the log; else of a later segment
  char hsm[32];               // serial number
  char head[72];              // SHA-256 of the last sound line, hexadecimal
  char text[192];             // what is wrong
} PERIGEE_AUDIT_REPORT;

// Checks the text of a log under root certificates, PEM (several) or DER (one);
// null: the root of this host's fleet. `pKnownHash`, when it is not null: line
// `ulKnown` must be there, with this hash. CKR_OK also when the log is not
// sound: the report tells.
typedef CK_RV (*PERIGEE_AuditVerify)(const char* pText, CK_ULONG ulTextLen,
                                     const CK_BYTE* pRoots, CK_ULONG ulRootsLen,
                                     CK_ULONG ulKnown, const char* pKnownHash,
                                     PERIGEE_AUDIT_REPORT* pReport);

// ---- Manifests -------------------------------------------------------------
// What a backup partition holds, and what could not be backed up and why,
// signed by the Backup HSM: docs/formats/manifest.md.

// A page of the manifests of the backup partition that the session is on; a
// role is logged in there. `*pulPage` 0 begins, and is 0 again behind the last
// page. `*pulSeq` is the number of the newest manifest: when it is another one
// than page 0 told, begin anew. `*pulTextLen` is the room at `pText`, then the
// bytes there; 262144 are enough (CKR_BUFFER_TOO_SMALL). CKR_DATA_INVALID when
// there is no manifest yet.
typedef CK_RV (*PERIGEE_ManifestText)(CK_SESSION_HANDLE hSession,
                                      CK_ULONG* pulPage, CK_ULONG* pulSeq,
                                      char* pText, CK_ULONG* pulTextLen);

#define PERIGEE_MANIFEST_SOUND 0UL
#define PERIGEE_MANIFEST_NONE 1UL  // this is no manifest
#define PERIGEE_MANIFEST_ALTERED 2UL
#define PERIGEE_MANIFEST_BROKEN_CHAIN 3UL
#define PERIGEE_MANIFEST_BAD_SIGNATURE 4UL
#define PERIGEE_MANIFEST_WRONG_CERTIFICATE 5UL
#define PERIGEE_MANIFEST_TRUNCATED 6UL
#define PERIGEE_MANIFEST_UNKNOWN_LINE 7UL

typedef struct PERIGEE_MANIFEST_PARTY {
  char serial[32];
  char model[64];
  char firmware[16];
  char label[132];     // of the partition
  char partition[40];  // its id, hexadecimal
  CK_ULONG ulVersion;  // V0, V1
} PERIGEE_MANIFEST_PARTY;

// One manifest of the chain.
typedef struct PERIGEE_MANIFEST_LINK {
  CK_ULONG ulSeq;
  CK_ULONG ulProblem;  // PERIGEE_MANIFEST_*: whether this link holds
  CK_BBOOL ended;      // false: the run broke off
  char time[32];
  char hash[72];  // SHA-256 of its line, hexadecimal
  PERIGEE_MANIFEST_PARTY source;
  PERIGEE_MANIFEST_PARTY device;
  CK_ULONG ulSourceObjects;  // objects that the source held; 0: not told
  CK_ULONG ulRows;           // objects in the backup partition
  CK_ULONG ulLeftOut;        // that could not be backed up
  CK_ULONG ulMore;           // of those, without a row of their own
} PERIGEE_MANIFEST_LINK;

typedef struct PERIGEE_MANIFEST_REPORT {
  CK_ULONG ulSize;
  CK_ULONG ulProblem;  // PERIGEE_MANIFEST_*: the first one
  CK_ULONG ulPlace;    // its line in the text, from 1
  char text[192];      // what is wrong
  CK_BBOOL rowsHold;   // the rows are those that the last manifest signed
  // The chain, in order. Null `pLinks`: not wanted.
  PERIGEE_MANIFEST_LINK* pLinks;
  CK_ULONG ulLinkSize;   // sizeof(PERIGEE_MANIFEST_LINK)
  CK_ULONG ulLinkRoom;   // links that fit; a device keeps 256
  CK_ULONG ulLinkCount;  // out: links that there are
} PERIGEE_MANIFEST_REPORT;

// Checks the text of a manifest under root certificates, as AuditVerify does.
// CKR_OK also when it is not sound: the report tells. No HSM is asked.
typedef CK_RV (*PERIGEE_ManifestVerify)(const char* pText, CK_ULONG ulTextLen,
                                        const CK_BYTE* pRoots,
                                        CK_ULONG ulRootsLen,
                                        PERIGEE_MANIFEST_REPORT* pReport);
// ---- Secure Transport Mode and tampering -----------------------------------

// Four groups of four characters each: "ABCD-EFGH-JKLM-NPQR".
typedef struct PERIGEE_TRANSPORT {
  CK_ULONG ulSize;
  char user[24];          // the random user string
  char verification[24];  // what the HSM says to it
} PERIGEE_TRANSPORT;

// Puts the session's HSM into Secure Transport Mode; gives both strings.
// CA_STMToggle ends it.
typedef CK_RV (*PERIGEE_EnterTransport)(CK_SESSION_HANDLE hSession,
                                        PERIGEE_TRANSPORT* pStrings);
// What an HSM in that mode says to `user` now.
typedef CK_RV (*PERIGEE_CheckTransport)(CK_SESSION_HANDLE hSession,
                                        PERIGEE_TRANSPORT* pStrings);
// Does to the slot's HSM what opening its case does, for rehearsals.
// CA_TamperClear ends it.
typedef CK_RV (*PERIGEE_TamperHsm)(CK_SLOT_ID slotID);

// ---- This computer ---------------------------------------------------------

typedef struct PERIGEE_SETUP {
  CK_ULONG ulSize;
  char configFile[1024];  // empty: none, the defaults that are built in
  char stateDirectory[1024];
} PERIGEE_SETUP;

// Where the library looked, and keeps what is not said otherwise. Longer paths
// are cut.
typedef CK_RV (*PERIGEE_Setup)(PERIGEE_SETUP* pSetup);

// ---- Names ------------------------------------------------------------------

// The name of a mechanism: "CKM_AES_GCM"; hexadecimal when it is unknown. 64
// bytes are enough for all.
typedef CK_RV (*PERIGEE_MechanismName)(CK_MECHANISM_TYPE type, char* pName,
                                       CK_ULONG ulRoom);

// ---- Forecast --------------------------------------------------------------

typedef struct PERIGEE_FORECAST {
  CK_ULONG ulSize;
  // Token objects of the source's partition. Count 0: all of them.
  const CK_OBJECT_HANDLE* phObjects;
  CK_ULONG ulObjectCount;
  // Of the backup partition that would be made, when `hTarget` is on none.
  const char* pLabel;
  CK_ULONG ulCapacity;  // bytes; 0: all that is free
  // The report, in the order of the objects. Null `pItems`: none wanted.
  // STORED: it would be. PRESENT: an object of its identity is there, and the
  // run compares the two. LEFT_OUT and REFUSED: by source and target, and why.
  // `ulCost` is of the target's storage.
  PERIGEE_TRANSFER_ITEM* pItems;
  CK_ULONG ulItemSize;   // sizeof(PERIGEE_TRANSFER_ITEM)
  CK_ULONG ulItemRoom;   // items that fit
  CK_ULONG ulItemCount;  // out: objects of this forecast
  CK_ULONG ulNeeded;     // out: bytes of the target that all of them need
  CK_ULONG ulFree;       // out: bytes that are free there; or PERIGEE_NONE
} PERIGEE_FORECAST;

// What a backup would do: both HSMs decide by the rules that they decide by in
// a run, and nothing changes on either. The CO is logged in on `hSource`, and
// on `hTarget`, a backup partition; or `hTarget` is on the Backup HSM's own
// slot with its SO logged in, and the backup is into a new partition.
//
// CKR_OK: every object would go. Otherwise the first failure; the items tell
// each object's. An error without items (ulItemCount 0) means that no object
// would go, for example LUNA_RET_OPERATION_RESTRICTED for the firmware and
// CKR_CLONING_PARAMETER_MISSING without a domain. Whether the two have the same
// domain shows in a run only.
typedef CK_RV (*PERIGEE_Forecast)(CK_SESSION_HANDLE hSource,
                                  CK_SESSION_HANDLE hTarget,
                                  PERIGEE_FORECAST* pForecast);
// ---- Policy templates ------------------------------------------------------

// The policies of the slot's partition, or of its HSM, as a text
// (docs/formats/policy-template.md), without a zero byte. Two calls.
typedef CK_RV (*PERIGEE_PolicyTemplate)(CK_SLOT_ID slotID, CK_BBOOL ofHsm,
                                        char* pText, CK_ULONG* pulTextLen);
// Such a text as CA_InitToken takes it: ulId and ulValue. Two calls.
// CKR_ARGUMENTS_BAD tells the line that is wrong.
typedef CK_RV (*PERIGEE_ParsePolicyTemplate)(CK_BBOOL ofHsm, const char* pText,
                                             CK_ULONG ulTextLen,
                                             CK_POLICY_INFO* pPolicies,
                                             CK_ULONG* pulCount);

// ---- Cloning protocols -----------------------------------------------------

// Of the session's partition, by a role that is logged in there. Application
// HSMs only: CKR_FUNCTION_NOT_SUPPORTED on a Backup HSM.
typedef struct PERIGEE_CLONING {
  CK_ULONG ulSize;
  CK_FLAGS protocols;   // bit N: CPvN is offered now
  char whyNotCpv4[96];  // "the HSM's clock is not set"; empty: it is offered
} PERIGEE_CLONING;
typedef CK_RV (*PERIGEE_CloningInfo)(CK_SESSION_HANDLE hSession,
                                     PERIGEE_CLONING* pInfo);

#define PERIGEE_SUITE_AVAILABLE 0x1UL  // the OpenSSL underneath has it
#define PERIGEE_SUITE_ENABLED 0x2UL

typedef struct PERIGEE_CIPHER_SUITE {
  CK_ULONG ulNumber;  // a higher one is preferred
  CK_FLAGS flags;
  char name[48];  // "P-384 with ML-KEM-1024"
} PERIGEE_CIPHER_SUITE;

// Every cipher suite of CPv4. Two calls.
typedef CK_RV (*PERIGEE_CipherSuites)(CK_SESSION_HANDLE hSession,
                                      PERIGEE_CIPHER_SUITE* pSuites,
                                      CK_ULONG* pulCount);
// Whether the session's partition offers a suite, by its SO; from the next run
// on. CKR_ARGUMENTS_BAD for a number that there is not,
// CKR_FUNCTION_NOT_SUPPORTED on a firmware without CPv4.
typedef CK_RV (*PERIGEE_EnableCipherSuite)(CK_SESSION_HANDLE hSession,
                                           CK_ULONG ulNumber, CK_BBOOL enable);

// ---- Domains ---------------------------------------------------------------

#define PERIGEE_DOMAIN_PRIMARY 0x1UL

typedef struct PERIGEE_DOMAIN {
  CK_FLAGS flags;
  char label[40];
} PERIGEE_DOMAIN;

// The cloning domains of the session's partition, the primary one first, by a
// role that is logged in. Two calls. The first domain is made with CA_InitToken
// or CA_SetKCV; its label is "original" until it gets another one. Application
// HSMs only, and the functions below for firmware 7.8.0 and newer only:
// CKR_FUNCTION_NOT_SUPPORTED.
typedef CK_RV (*PERIGEE_Domains)(CK_SESSION_HANDLE hSession,
                                 PERIGEE_DOMAIN* pDomains, CK_ULONG* pulCount);
// Up to two more, by the partition's SO, with partition policy 44 on. A label
// has 1 to 32 bytes. CKR_CLONING_PARAMETER_ALREADY_EXISTS for a domain or a
// label that the partition has, CKR_OPERATION_NOT_ALLOWED for a fourth domain
// or while the policy is off, CKR_CLONING_PARAMETER_MISSING without a first.
typedef CK_RV (*PERIGEE_AddDomain)(CK_SESSION_HANDLE hSession,
                                   const char* pLabel, const CK_BYTE* pDomain,
                                   CK_ULONG ulDomainLen);
// Gives the domain `pLabel` another label, unless that is null, and makes it
// the primary one if so asked. CKR_CLONING_PARAMETER_MISSING when there is
// none.
typedef CK_RV (*PERIGEE_ChangeDomain)(CK_SESSION_HANDLE hSession,
                                      const char* pLabel, const char* pNewLabel,
                                      CK_BBOOL makePrimary);
// Any but the primary one (CKR_OPERATION_NOT_ALLOWED).
typedef CK_RV (*PERIGEE_DeleteDomain)(CK_SESSION_HANDLE hSession,
                                      const char* pLabel);

// ---- SKS master keys --------------------------------------------------------

#define PERIGEE_SMK_BEGIN_ROLLOVER 1UL
#define PERIGEE_SMK_END_ROLLOVER 2UL

// Begins a rollover: the session's V1 partition gets a new SKS master key, and
// blobs under the former one are taken until the end; from then on they are
// CKR_SMK_ID_NOT_FOUND for good. By the CO, in a read/write session.
// CKR_SMK_ID_NOT_FOUND when the partition has none yet;
// CKR_OPERATION_NOT_ALLOWED for a V0 partition, a second beginning, and an end
// without a beginning.
typedef CK_RV (*PERIGEE_SmkRollover)(CK_SESSION_HANDLE hSession,
                                     CK_ULONG ulStep);

// ---- The table -------------------------------------------------------------

typedef struct PERIGEE_FUNCTION_LIST {
  CK_VERSION version;
  CK_ULONG ulSize;  // of the table
  PERIGEE_LastError LastError;
  PERIGEE_ErrorName ErrorName;
  PERIGEE_Slots Slots;
  PERIGEE_HsmInfo HsmInfo;
  PERIGEE_PartitionInfo PartitionInfo;
  PERIGEE_RoleInfo RoleInfo;
  PERIGEE_CreatePartition CreatePartition;
  PERIGEE_DeletePartition DeletePartition;
  PERIGEE_ChangeLabel ChangeLabel;
  PERIGEE_ClearPartition ClearPartition;
  PERIGEE_Transfer Transfer;
  PERIGEE_DeviceFingerprint DeviceFingerprint;
  PERIGEE_AdoptDevice AdoptDevice;
  PERIGEE_CheckObjects CheckObjects;
  PERIGEE_CheckStore CheckStore;
  PERIGEE_CompactStore CompactStore;
  PERIGEE_AuditInfo AuditInfo;
  PERIGEE_AuditLines AuditLines;
  PERIGEE_AuditCheckpoint AuditCheckpoint;
  PERIGEE_AuditRotate AuditRotate;
  PERIGEE_AuditVerify AuditVerify;
  PERIGEE_HostIdentity HostIdentity;
  PERIGEE_OfferDevice OfferDevice;
  PERIGEE_ManifestText ManifestText;
  PERIGEE_ManifestVerify ManifestVerify;
  PERIGEE_Forecast Forecast;
  PERIGEE_EnterTransport EnterTransport;
  PERIGEE_CheckTransport CheckTransport;
  PERIGEE_TamperHsm TamperHsm;
  PERIGEE_PolicyTemplate PolicyTemplate;
  PERIGEE_ParsePolicyTemplate ParsePolicyTemplate;
  PERIGEE_CloningInfo CloningInfo;
  PERIGEE_CipherSuites CipherSuites;
  PERIGEE_EnableCipherSuite EnableCipherSuite;
  PERIGEE_Domains Domains;
  PERIGEE_AddDomain AddDomain;
  PERIGEE_ChangeDomain ChangeDomain;
  PERIGEE_DeleteDomain DeleteDomain;
  PERIGEE_Setup Setup;
  PERIGEE_MechanismName MechanismName;
  PERIGEE_SmkRollover SmkRollover;
} PERIGEE_FUNCTION_LIST;

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // PERIGEE_PERIGEE_H_
