// The CA_ functions: the vendor extension of PKCS#11 that Luna clients call,
// as Perigee exports it. Include your <pkcs11.h> first. C11 and C++.
//
// Every function has a prototype, a pointer type CK_CA_... and a member of
// CK_SFNT_CA_FUNCTION_LIST, which CA_GetFunctionList gives. Which of them do
// something is told in the documentation; the others check their arguments
// and return CKR_FUNCTION_NOT_SUPPORTED. The types are facts from public
// bindings and documents; most argument names are ours. "Two calls" means: a
// call with a null buffer gives the count with CKR_OK, the next one the data.
#ifndef PERIGEE_LUNA_CA_H_
#define PERIGEE_LUNA_CA_H_

#include "perigee/luna_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct CK_SFNT_CA_FUNCTION_LIST;
typedef struct CK_SFNT_CA_FUNCTION_LIST CK_SFNT_CA_FUNCTION_LIST;
typedef CK_SFNT_CA_FUNCTION_LIST* CK_SFNT_CA_FUNCTION_LIST_PTR;
typedef CK_SFNT_CA_FUNCTION_LIST_PTR* CK_SFNT_CA_FUNCTION_LIST_PTR_PTR;

// Declares the function `name` and its pointer type CK_name.
#define PERIGEE_CA_DECLARE(name, arguments) \
  extern CK_RV name arguments;              \
  typedef CK_RV(*CK_##name) arguments

// ---- The function table ----

PERIGEE_CA_DECLARE(CA_GetFunctionList,
                   (CK_SFNT_CA_FUNCTION_LIST_PTR_PTR ppFunctionList));

// ---- Slots and sessions ----

PERIGEE_CA_DECLARE(CA_WaitForSlotEvent,
                   (CK_FLAGS flags, CK_ULONG_PTR pulEvent,
                    CK_SLOT_ID_PTR pSlotID, CK_VOID_PTR pReserved));
// C_OpenSession on a partition without a slot of its own.
PERIGEE_CA_DECLARE(CA_OpenSession,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer, CK_FLAGS flags,
                    CK_VOID_PTR pApplication, CK_NOTIFY Notify,
                    CK_SESSION_HANDLE_PTR phSession));
PERIGEE_CA_DECLARE(CA_OpenSessionWithAppID,
                   (CK_SLOT_ID slotID, CK_FLAGS flags, CK_ULONG ulHigh,
                    CK_ULONG ulLow, CK_VOID_PTR pApplication, CK_NOTIFY Notify,
                    CK_SESSION_HANDLE_PTR phSession));
PERIGEE_CA_DECLARE(CA_OpenSessionWithAppIDV2,
                   (CK_SLOT_ID slotID, CK_FLAGS flags,
                    CK_APPLICATION_ID_PTR pAppID, CK_VOID_PTR pApplication,
                    CK_NOTIFY Notify, CK_SESSION_HANDLE_PTR phSession));
PERIGEE_CA_DECLARE(CA_GetSessionInfo,
                   (CK_SESSION_HANDLE hSession, CK_ULONG_PTR pulAppIDHigh,
                    CK_ULONG_PTR pulAppIDLow, CK_ULONG_PTR pulContainer,
                    CK_ULONG_PTR pulAuthLevel));
PERIGEE_CA_DECLARE(CA_SessionCancel,
                   (CK_SESSION_HANDLE hSession, CK_FLAGS flags));
PERIGEE_CA_DECLARE(CA_CheckOperationState,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulOperation,
                    CK_BBOOL* pActive));
// What the second output means was not published.
PERIGEE_CA_DECLARE(CA_FindAdminSlotForSlot,
                   (CK_SLOT_ID slotID, CK_SLOT_ID_PTR pAdminSlotID,
                    CK_SLOT_ID_PTR pOtherSlotID));
PERIGEE_CA_DECLARE(CA_GetSlotIdForPhysicalSlot,
                   (CK_ULONG ulPhysicalSlot, CK_SLOT_ID_PTR pSlotID));
PERIGEE_CA_DECLARE(CA_GetSlotIdForContainer,
                   (CK_ULONG ulPhysicalSlot, CK_ULONG ulContainer,
                    CK_SLOT_ID_PTR pSlotID));
PERIGEE_CA_DECLARE(CA_GetTunnelSlotNumber,
                   (CK_SLOT_ID slotID, CK_SLOT_ID_PTR pTunnelSlotID));
PERIGEE_CA_DECLARE(CA_GetServerInstanceBySlotID,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulInstance));
PERIGEE_CA_DECLARE(CA_GetSlotListFromServerInstance,
                   (CK_ULONG ulInstance, CK_SLOT_ID_PTR pSlotList,
                    CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_GetPrimarySlot,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID_PTR pSlotID));
PERIGEE_CA_DECLARE(CA_GetSecondarySlot,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID_PTR pSlotID));
PERIGEE_CA_DECLARE(CA_SwitchSecondarySlot,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG ulInstance));
PERIGEE_CA_DECLARE(CA_CloseSecondarySession,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG ulInstance));
PERIGEE_CA_DECLARE(CA_CloseAllSecondarySessions, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_ChoosePrimarySlot, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_ChooseSecondarySlot, (CK_SESSION_HANDLE hSession));

// ---- Application ids ----

PERIGEE_CA_DECLARE(CA_SetApplicationID, (CK_ULONG ulHigh, CK_ULONG ulLow));
PERIGEE_CA_DECLARE(CA_OpenApplicationID,
                   (CK_SLOT_ID slotID, CK_ULONG ulHigh, CK_ULONG ulLow));
PERIGEE_CA_DECLARE(CA_CloseApplicationID,
                   (CK_SLOT_ID slotID, CK_ULONG ulHigh, CK_ULONG ulLow));
PERIGEE_CA_DECLARE(CA_OpenApplicationIDForContainer,
                   (CK_SLOT_ID slotID, CK_ULONG ulHigh, CK_ULONG ulLow,
                    CK_ULONG ulContainer));
PERIGEE_CA_DECLARE(CA_CloseApplicationIDForContainer,
                   (CK_SLOT_ID slotID, CK_ULONG ulHigh, CK_ULONG ulLow,
                    CK_ULONG ulContainer));
PERIGEE_CA_DECLARE(CA_SetApplicationIDV2, (CK_APPLICATION_ID_PTR pAppID));
PERIGEE_CA_DECLARE(CA_GetApplicationID, (CK_APPLICATION_ID_PTR pAppID));
PERIGEE_CA_DECLARE(CA_RandomizeApplicationID, (void));
PERIGEE_CA_DECLARE(CA_OpenApplicationIDV2,
                   (CK_SLOT_ID slotID, CK_APPLICATION_ID_PTR pAppID));
PERIGEE_CA_DECLARE(CA_CloseApplicationIDV2,
                   (CK_SLOT_ID slotID, CK_APPLICATION_ID_PTR pAppID));
PERIGEE_CA_DECLARE(CA_OpenApplicationIDForContainerV2,
                   (CK_SLOT_ID slotID, CK_APPLICATION_ID_PTR pAppID,
                    CK_ULONG ulContainer));
PERIGEE_CA_DECLARE(CA_CloseApplicationIDForContainerV2,
                   (CK_SLOT_ID slotID, CK_APPLICATION_ID_PTR pAppID,
                    CK_ULONG ulContainer));
PERIGEE_CA_DECLARE(CA_Restart, (CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_RestartForContainer,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer));

// ---- Initialisation of HSMs and partitions ----

// pLabel is 32 bytes, blank padded.
PERIGEE_CA_DECLARE(CA_InitToken,
                   (CK_SLOT_ID slotID, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen,
                    CK_UTF8CHAR_PTR pLabel, CK_BYTE_PTR pDomain,
                    CK_ULONG ulDomainLen, CK_ULONG ulPartitionPolicyCount,
                    CK_POLICY_INFO_PTR pPartitionPolicies,
                    CK_ULONG ulHsmPolicyCount,
                    CK_POLICY_INFO_PTR pHsmPolicies));
PERIGEE_CA_DECLARE(CA_InitIndirectToken,
                   (CK_SLOT_ID slotID, CK_CHAR_PTR pPin, CK_ULONG ulPinLen,
                    CK_CHAR_PTR pLabel, CK_SESSION_HANDLE hOtherSession));
PERIGEE_CA_DECLARE(CA_InitIndirectPIN,
                   (CK_SESSION_HANDLE hSession, CK_CHAR_PTR pPin,
                    CK_ULONG ulPinLen, CK_SESSION_HANDLE hOtherSession));
PERIGEE_CA_DECLARE(CA_ResetPIN, (CK_SESSION_HANDLE hSession, CK_CHAR_PTR pPin,
                                 CK_ULONG ulPinLen));
PERIGEE_CA_DECLARE(CA_FactoryReset, (CK_SLOT_ID slotID, CK_FLAGS flags));
PERIGEE_CA_DECLARE(CA_Zeroize, (CK_SLOT_ID slotID, CK_FLAGS flags));
PERIGEE_CA_DECLARE(CA_ResetDevice, (CK_SLOT_ID slotID, CK_FLAGS flags));
PERIGEE_CA_DECLARE(CA_TamperClear, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_TokenInsert, (CK_SESSION_HANDLE hSession,
                                    CT_TokenHndle token, CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_TokenInsertNoAuth,
                   (CT_TokenHndle token, CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_TokenZeroize, (CK_SESSION_HANDLE hSession,
                                     CK_SLOT_ID slotID, CK_FLAGS flags));
PERIGEE_CA_DECLARE(CA_TokenDelete,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_GetTokenStatus,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulStatus,
                    CK_ULONG_PTR pulFailedSO, CK_ULONG_PTR pulFailedUser));
PERIGEE_CA_DECLARE(CA_GetTokenInsertionCount,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_EnableUnauthTokenInsertion,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulFlags,
                    CK_ULONG_PTR pulContext));
PERIGEE_CA_DECLARE(CA_GetUnauthTokenInsertionStatus,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulContext,
                    CK_ULONG_PTR pulStatus, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_DisableUnauthTokenInsertion,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulContext));

// ---- Roles and login ----

PERIGEE_CA_DECLARE(CA_InitRolePIN,
                   (CK_SESSION_HANDLE hSession, CK_USER_TYPE userType,
                    CK_CHAR_PTR pPin, CK_ULONG ulPinLen));
PERIGEE_CA_DECLARE(CA_InitSlotRolePIN,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_USER_TYPE userType, CK_CHAR_PTR pPin,
                    CK_ULONG ulPinLen));
PERIGEE_CA_DECLARE(CA_RoleStateGet, (CK_SLOT_ID slotID, CK_USER_TYPE userType,
                                     CA_ROLE_STATE_PTR pState));
PERIGEE_CA_DECLARE(CA_CreateLoginChallenge,
                   (CK_SESSION_HANDLE hSession, CK_USER_TYPE userType,
                    CK_ULONG ulSecretLen, CK_CHAR_PTR pSecret,
                    CK_ULONG_PTR pulChallengeLen, CK_CHAR_PTR pChallenge));
PERIGEE_CA_DECLARE(CA_CreateContainerLoginChallenge,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_USER_TYPE userType, CK_ULONG ulSecretLen,
                    CK_CHAR_PTR pSecret, CK_ULONG_PTR pulChallengeLen,
                    CK_CHAR_PTR pChallenge));
PERIGEE_CA_DECLARE(CA_Deactivate, (CK_SLOT_ID slotID, CK_USER_TYPE userType));
PERIGEE_CA_DECLARE(CA_IndirectLogin,
                   (CK_SESSION_HANDLE hSession, CK_USER_TYPE userType,
                    CK_SESSION_HANDLE hOtherSession));

// ---- Containers (partitions) ----

// By the security officer on the admin slot. ulGroup 0; clients pass all ones
// for ulReserved1 and 2, 0 for 3 and 4, and 0 as the size for "no limit".
PERIGEE_CA_DECLARE(CA_CreateContainer,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulGroup,
                    CK_CHAR_PTR pLabel, CK_ULONG ulLabelLen, CK_CHAR_PTR pPin,
                    CK_ULONG ulPinLen, CK_ULONG ulReserved1,
                    CK_ULONG ulReserved2, CK_ULONG ulReserved3,
                    CK_ULONG ulReserved4, CK_ULONG ulStorageSize,
                    CK_ULONG_PTR pulContainer));
PERIGEE_CA_DECLARE(CA_CreateContainerWithPolicy,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulGroup,
                    CK_CHAR_PTR pLabel, CK_ULONG ulLabelLen, CK_CHAR_PTR pPin,
                    CK_ULONG ulPinLen, CK_ULONG ulReserved1,
                    CK_ULONG ulReserved2, CK_ULONG ulReserved3,
                    CK_ULONG ulReserved4, CK_ULONG ulStorageSize,
                    CK_ULONG_PTR pulContainer, CK_ULONG ulReserved5,
                    CK_ULONG ulTemplateLen, CK_BYTE_PTR pTemplate));
PERIGEE_CA_DECLARE(CA_DeleteContainer, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_DeleteContainerWithHandle,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulContainer));
PERIGEE_CA_DECLARE(CA_SetContainerSize,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulContainer,
                    CK_ULONG ulSize));
// ulGroup 0, ulType LUNA_PARTITION_TYPE_STANDALONE. Two calls.
PERIGEE_CA_DECLARE(CA_GetContainerList,
                   (CK_SLOT_ID slotID, CK_ULONG ulGroup, CK_ULONG ulType,
                    CK_ULONG_PTR pulContainers, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_GetContainerName,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer, CK_BYTE_PTR pName,
                    CK_ULONG_PTR pulNameLen));
PERIGEE_CA_DECLARE(CA_GetContainerStatus,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer,
                    CK_ULONG_PTR pulFlags, CK_ULONG_PTR pulFailedSO,
                    CK_ULONG_PTR pulFailedUser,
                    CK_ULONG_PTR pulFailedLimitedUser));
PERIGEE_CA_DECLARE(CA_GetContainerStorageInformation,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer,
                    CK_ULONG_PTR pulOverhead, CK_ULONG_PTR pulTotal,
                    CK_ULONG_PTR pulUsed, CK_ULONG_PTR pulFree,
                    CK_ULONG_PTR pulObjectCount));
PERIGEE_CA_DECLARE(CA_GetUserContainerNumber,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulContainer));
PERIGEE_CA_DECLARE(CA_GetUserContainerName,
                   (CK_SLOT_ID slotID, CK_BYTE_PTR pName,
                    CK_ULONG_PTR pulNameLen));
PERIGEE_CA_DECLARE(CA_SetUserContainerName,
                   (CK_SLOT_ID slotID, CK_BYTE_PTR pName, CK_ULONG ulNameLen));
PERIGEE_CA_DECLARE(CA_GetNumberOfAllowedContainers,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_GetTokenStorageInformation,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulOverhead,
                    CK_ULONG_PTR pulTotal, CK_ULONG_PTR pulUsed,
                    CK_ULONG_PTR pulFree, CK_ULONG_PTR pulObjectCount));
PERIGEE_CA_DECLARE(CA_GetHSMStorageInformation,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulContainerOverhead,
                    CK_ULONG_PTR pulTotal, CK_ULONG_PTR pulUsed,
                    CK_ULONG_PTR pulFree));

// ---- Capabilities and policies ----

// ulIsContainer is 1 for a partition, 0 for the HSM; ulIsCapability 1 for a
// capability, 0 for a policy. Two calls; pDescription may be null.
PERIGEE_CA_DECLARE(CA_GetConfigurationElementDescription,
                   (CK_SLOT_ID slotID, CK_ULONG ulIsContainer,
                    CK_ULONG ulIsCapability, CK_ULONG ulElementID,
                    CK_ULONG_PTR pulBitLength, CK_ULONG_PTR pulDestructive,
                    CK_ULONG_PTR pulWriteRestricted, CK_CHAR_PTR pDescription,
                    CK_ULONG_PTR pulDescriptionLen));
PERIGEE_CA_DECLARE(CA_GetHSMCapabilitySet,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulIDs,
                    CK_ULONG_PTR pulIDCount, CK_ULONG_PTR pulValues,
                    CK_ULONG_PTR pulValueCount));
PERIGEE_CA_DECLARE(CA_GetHSMCapabilitySetting,
                   (CK_SLOT_ID slotID, CK_ULONG ulID, CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_GetHSMPolicySet,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulIDs,
                    CK_ULONG_PTR pulIDCount, CK_ULONG_PTR pulValues,
                    CK_ULONG_PTR pulValueCount));
PERIGEE_CA_DECLARE(CA_GetHSMPolicySetting,
                   (CK_SLOT_ID slotID, CK_ULONG ulID, CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_SetHSMPolicy, (CK_SESSION_HANDLE hSession, CK_ULONG ulID,
                                     CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_SetHSMPolicies,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulCount,
                    CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulValues));
PERIGEE_CA_DECLARE(CA_SetDestructiveHSMPolicy,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulID,
                    CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_SetDestructiveHSMPolicies,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulCount,
                    CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulValues));
PERIGEE_CA_DECLARE(CA_GetContainerCapabilitySet,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer,
                    CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulIDCount,
                    CK_ULONG_PTR pulValues, CK_ULONG_PTR pulValueCount));
PERIGEE_CA_DECLARE(CA_GetContainerCapabilitySetting,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer, CK_ULONG ulID,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_GetContainerPolicySet,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer,
                    CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulIDCount,
                    CK_ULONG_PTR pulValues, CK_ULONG_PTR pulValueCount));
PERIGEE_CA_DECLARE(CA_GetContainerPolicySetting,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer, CK_ULONG ulID,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_SetContainerPolicy,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulContainer,
                    CK_ULONG ulID, CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_SetContainerPolicies,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulContainer,
                    CK_ULONG ulCount, CK_ULONG_PTR pulIDs,
                    CK_ULONG_PTR pulValues));
PERIGEE_CA_DECLARE(CA_GetTokenCapabilities,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulIDs,
                    CK_ULONG_PTR pulIDCount, CK_ULONG_PTR pulValues,
                    CK_ULONG_PTR pulValueCount));
PERIGEE_CA_DECLARE(CA_GetTokenPolicies,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulIDs,
                    CK_ULONG_PTR pulIDCount, CK_ULONG_PTR pulValues,
                    CK_ULONG_PTR pulValueCount));
PERIGEE_CA_DECLARE(CA_SetTokenPolicies,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG ulCount, CK_ULONG_PTR pulIDs,
                    CK_ULONG_PTR pulValues));
PERIGEE_CA_DECLARE(CA_GetPartitionPolicyTemplate,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulVersion,
                    CK_ULONG_PTR pulTemplateLen, CK_BYTE_PTR pTemplate));
PERIGEE_CA_DECLARE(CA_SetTPV, (CK_SESSION_HANDLE hSession, CK_ULONG ulTPV));
PERIGEE_CA_DECLARE(CA_SetExtendedTPV,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulTPV,
                    CK_ULONG ulTPVExtension));
PERIGEE_CA_DECLARE(CA_GetTPV, (CK_SLOT_ID slotID, CK_ULONG_PTR pulTPV));
PERIGEE_CA_DECLARE(CA_GetExtendedTPV, (CK_SLOT_ID slotID, CK_ULONG_PTR pulTPV,
                                       CK_ULONG_PTR pulTPVExtension));
PERIGEE_CA_DECLARE(CA_GetFPV, (CK_SLOT_ID slotID, CK_ULONG_PTR pulFPV));
PERIGEE_CA_DECLARE(CA_GetTSV, (CK_SLOT_ID slotID, CK_ULONG_PTR pulTSV));

// ---- Cloning ----

PERIGEE_CA_DECLARE(CA_SetCloningDomain,
                   (CK_BYTE_PTR pDomain, CK_ULONG ulDomainLen));
PERIGEE_CA_DECLARE(CA_GenerateCloningKEV,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pKEV,
                    CK_ULONG_PTR pulKEVLen));
// Step 2: what CA_CloneAsSourceInit gave, no KEV. Which protocol it is, CPv3
// or CPv1, the two HSMs decide.
PERIGEE_CA_DECLARE(CA_CloneAsTargetInit,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pInput,
                    CK_ULONG ulInputLen, CK_BYTE_PTR pKEV, CK_ULONG ulKEVLen,
                    CK_BBOOL bReplicate, CK_BYTE_PTR pOutput,
                    CK_ULONG_PTR pulOutputLen));
// Step 3: what step 2 gave.
PERIGEE_CA_DECLARE(CA_CloneAsSource,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulObjectType,
                    CK_ULONG ulObjectHandle, CK_BYTE_PTR pInput,
                    CK_ULONG ulInputLen, CK_BBOOL bReplicate,
                    CK_BYTE_PTR pOutput, CK_ULONG_PTR pulOutputLen));
// Step 4: what step 3 gave.
PERIGEE_CA_DECLARE(CA_CloneAsTarget,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pKEV,
                    CK_ULONG ulKEVLen, CK_BYTE_PTR pInput, CK_ULONG ulInputLen,
                    CK_ULONG ulObjectType, CK_ULONG ulObjectHandle,
                    CK_BBOOL bReplicate, CK_OBJECT_HANDLE_PTR phNewObject));
// The target comes first, unlike CA_MigrateKeys.
PERIGEE_CA_DECLARE(CA_CloneObject,
                   (CK_SESSION_HANDLE hTargetSession,
                    CK_SESSION_HANDLE hSourceSession, CK_ULONG ulObjectType,
                    CK_OBJECT_HANDLE hObject,
                    CK_OBJECT_HANDLE_PTR phNewObject));
PERIGEE_CA_DECLARE(CA_ClonePrivateKey,
                   (CK_SESSION_HANDLE hTargetSession,
                    CK_SESSION_HANDLE hSourceSession, CK_OBJECT_HANDLE hKey,
                    CK_OBJECT_HANDLE_PTR phNewKey));
PERIGEE_CA_DECLARE(CA_CloneObjectToAllSessions,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject));
PERIGEE_CA_DECLARE(CA_CloneAllObjectsToSession,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_ManualKCV, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_SetKCV, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pKCV,
                               CK_ULONG ulKCVLen));
PERIGEE_CA_DECLARE(CA_SetLKCV, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pKCV,
                                CK_ULONG ulKCVLen));
PERIGEE_CA_DECLARE(CA_SetRDK, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pKey,
                               CK_ULONG ulKeyLen));

// ---- Cloning protocol 4 ----

// CKR_OK even if items fail; each item has its own rv.
PERIGEE_CA_DECLARE(CA_MigrateKeys,
                   (CK_SESSION_HANDLE hSourceSession,
                    CK_SESSION_HANDLE hTargetSession, CK_ULONG ulFlags,
                    CK_ULONG ulCount, CK_OBJECT_MIGRATION_DATA_PTR pObjects));
PERIGEE_CA_DECLARE(CA_MigrationStartSessionNegotiation,
                   (CK_SESSION_HANDLE hTargetSession, CK_ULONG ulInputLen,
                    CK_BYTE_PTR pInput, CK_ULONG_PTR pulStep,
                    CK_ULONG_PTR pulOutputLen, CK_BYTE_PTR pOutput));
PERIGEE_CA_DECLARE(CA_MigrationContinueSessionNegotiation,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulStep,
                    CK_ULONG ulInputLen, CK_BYTE_PTR pInput, CK_ULONG ulOuidLen,
                    CK_BYTE_PTR pOuid, CK_ULONG_PTR pulStep,
                    CK_ULONG_PTR pulOutputLen, CK_BYTE_PTR pOutput,
                    CK_ULONG_PTR pulStatus, CK_ULONG_PTR pulNewOuidLen,
                    CK_BYTE_PTR pNewOuid));
PERIGEE_CA_DECLARE(CA_MigrationCloseSession,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulOuidLen,
                    CK_BYTE_PTR pOuid));
PERIGEE_CA_DECLARE(CA_Extract,
                   (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism));
PERIGEE_CA_DECLARE(CA_Insert,
                   (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism));

// ---- SIM (scalable key storage) and masking ----

// An empty list of handles means all objects. Two calls; deletes at the
// second only.
PERIGEE_CA_DECLARE(CA_SIMExtract,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulHandleCount,
                    CK_OBJECT_HANDLE_PTR phObjects, CK_ULONG ulSecretCount,
                    CK_ULONG ulSecretsNeeded, CKA_SIM_AUTH_FORM authForm,
                    CK_ULONG_PTR pulSecretSizes, CK_BYTE_PTR* ppSecrets,
                    CK_BBOOL bDeleteAfterExtract, CK_ULONG_PTR pulBlobSize,
                    CK_BYTE_PTR pBlob));
// With null phObjects gives the count only.
PERIGEE_CA_DECLARE(CA_SIMInsert,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSecretCount,
                    CKA_SIM_AUTH_FORM authForm, CK_ULONG_PTR pulSecretSizes,
                    CK_BYTE_PTR* ppSecrets, CK_ULONG ulBlobSize,
                    CK_BYTE_PTR pBlob, CK_ULONG_PTR pulHandleCount,
                    CK_OBJECT_HANDLE_PTR phObjects));
PERIGEE_CA_DECLARE(CA_SIMMultiSign,
                   (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                    CK_ULONG ulSecretCount, CKA_SIM_AUTH_FORM authForm,
                    CK_ULONG_PTR pulSecretSizes, CK_BYTE_PTR* ppSecrets,
                    CK_ULONG ulBlobSize, CK_BYTE_PTR pBlob,
                    CK_ULONG ulInputCount, CK_ULONG_PTR pulInputLens,
                    CK_BYTE_PTR* ppInputs, CK_ULONG_PTR pulSignatureLens,
                    CK_BYTE_PTR* ppSignatures));
PERIGEE_CA_DECLARE(CA_MultisignValue,
                   (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                    CK_ULONG ulBlobSize, CK_BYTE_PTR pBlob,
                    CK_ULONG_PTR pulInputCount, CK_ULONG_PTR pulInputLens,
                    CK_BYTE_PTR* ppInputs, CK_ULONG_PTR pulSignatureLens,
                    CK_BYTE_PTR* ppSignatures));
PERIGEE_CA_DECLARE(CA_ExtractMaskedObject,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulObject,
                    CK_BYTE_PTR pMasked, CK_ULONG_PTR pulMaskedLen));
PERIGEE_CA_DECLARE(CA_InsertMaskedObject,
                   (CK_SESSION_HANDLE hSession, CK_ULONG_PTR pulObject,
                    CK_BYTE_PTR pMasked, CK_ULONG ulMaskedLen));

// ---- Secure tokens (small form factor backup) ----

// The meaning of the arguments is a guess beyond their types.
PERIGEE_CA_DECLARE(CA_OpenSecureToken,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulStorage,
                    CK_ULONG ulDevice, CK_ULONG ulMode, CK_ULONG ulReserved1,
                    CK_ULONG_PTR pulElementCount, CK_ULONG_PTR pulHandle,
                    CK_ULONG ulReserved2, CK_CHAR_PTR pReserved));
PERIGEE_CA_DECLARE(CA_CloseSecureToken,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulHandle));
PERIGEE_CA_DECLARE(CA_ListSecureTokenInit,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulHandle,
                    CK_ULONG ulType, CK_ULONG_PTR pulCount,
                    CK_ULONG_PTR pulListHandle, CK_BYTE_PTR pData));
PERIGEE_CA_DECLARE(CA_ListSecureTokenUpdate,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulHandle,
                    CK_ULONG ulListHandle, CK_BYTE_PTR pData,
                    CK_ULONG ulDataLen));
PERIGEE_CA_DECLARE(CA_GetSecureElementMeta,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulHandle,
                    CK_MECHANISM_PTR pMechanism, CK_ULONG_PTR pulType,
                    CK_ULONG_PTR pulSize, CK_BYTE_PTR pData,
                    CK_ULONG ulDataLen));

// ---- PED ----

PERIGEE_CA_DECLARE(CA_InitializeRemotePEDVector, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_DeleteRemotePEDVector, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_GetRemotePEDVectorStatus,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulStatus));
PERIGEE_CA_DECLARE(CA_ConfigureRemotePED,
                   (CK_SLOT_ID slotID, CK_CHAR_PTR pHostName, CK_ULONG ulPort,
                    CK_ULONG_PTR pulPedID));
PERIGEE_CA_DECLARE(CA_DismantleRemotePED,
                   (CK_SLOT_ID slotID, CK_ULONG ulPedID));
PERIGEE_CA_DECLARE(CA_SetPedId, (CK_SLOT_ID slotID, CK_ULONG ulPedID));
PERIGEE_CA_DECLARE(CA_GetPedId, (CK_SLOT_ID slotID, CK_ULONG_PTR pulPedID));
PERIGEE_CA_DECLARE(CA_SpRawRead, (CK_SLOT_ID slotID, CK_ULONG_PTR pulResult));
PERIGEE_CA_DECLARE(CA_SpRawWrite, (CK_SLOT_ID slotID, CK_ULONG_PTR pulResult));

// ---- High availability ----

PERIGEE_CA_DECLARE(CA_HAInit,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hLoginKey));
PERIGEE_CA_DECLARE(CA_HAInitExtended,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hLoginKey,
                    CK_BYTE_PTR pPKC, CK_ULONG ulPKCLen, CK_ULONG_PTR pulRoles,
                    CK_ULONG_PTR pulTokenFlags, CK_ULONG ulCount));
PERIGEE_CA_DECLARE(CA_HAGetMasterPublic,
                   (CK_SLOT_ID slotID, CK_BYTE_PTR pCertificate,
                    CK_ULONG_PTR pulCertificateLen));
PERIGEE_CA_DECLARE(CA_HAGetLoginChallenge,
                   (CK_SESSION_HANDLE hSession, CK_USER_TYPE userType,
                    CK_BYTE_PTR pCertificate, CK_ULONG ulCertificateLen,
                    CK_BYTE_PTR pChallenge, CK_ULONG_PTR pulChallengeLen));
PERIGEE_CA_DECLARE(CA_HAAnswerLoginChallenge,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hLoginKey,
                    CK_BYTE_PTR pChallenge, CK_ULONG ulChallengeLen,
                    CK_BYTE_PTR pAnswer, CK_ULONG_PTR pulAnswerLen));
PERIGEE_CA_DECLARE(CA_HALogin, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pAnswer,
                                CK_ULONG ulAnswerLen, CK_BYTE_PTR pReply,
                                CK_ULONG_PTR pulReplyLen));
PERIGEE_CA_DECLARE(CA_HAAnswerMofNChallenge,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pChallenge,
                    CK_ULONG ulChallengeLen, CK_BYTE_PTR pAnswer,
                    CK_ULONG_PTR pulAnswerLen));
PERIGEE_CA_DECLARE(CA_HAActivateMofN,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pAnswer,
                    CK_ULONG ulAnswerLen));
// For an HA virtual slot.
PERIGEE_CA_DECLARE(CA_GetHAState, (CK_SLOT_ID slotID, CK_HA_STATE_PTR pState));

// ---- Per-key authorisation ----

PERIGEE_CA_DECLARE(CA_SetAuthorizationData,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey,
                    CK_UTF8CHAR_PTR pOldData, CK_ULONG ulOldDataLen,
                    CK_UTF8CHAR_PTR pNewData, CK_ULONG ulNewDataLen));
PERIGEE_CA_DECLARE(CA_ResetAuthorizationData,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey,
                    CK_UTF8CHAR_PTR pNewData, CK_ULONG ulNewDataLen));
PERIGEE_CA_DECLARE(CA_AuthorizeKey,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey,
                    CK_UTF8CHAR_PTR pData, CK_ULONG ulDataLen));
PERIGEE_CA_DECLARE(CA_AssignKey,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey));
PERIGEE_CA_DECLARE(CA_IncrementFailedAuthCount,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey));

// ---- M of N ----

PERIGEE_CA_DECLARE(CA_SetMofN, (CK_BBOOL bFlag));
PERIGEE_CA_DECLARE(CA_GenerateMofN,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulM,
                    CA_MOFN_GENERATION_PTR pVectors, CK_ULONG ulVectorCount,
                    CK_ULONG ulFlags, CK_VOID_PTR pReserved));
PERIGEE_CA_DECLARE(CA_GenerateCloneableMofN,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulM,
                    CA_MOFN_GENERATION_PTR pVectors, CK_ULONG ulVectorCount,
                    CK_ULONG ulFlags, CK_VOID_PTR pReserved));
PERIGEE_CA_DECLARE(CA_ModifyMofN,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulM,
                    CA_MOFN_GENERATION_PTR pVectors, CK_ULONG ulVectorCount,
                    CK_ULONG ulFlags, CK_VOID_PTR pReserved));
PERIGEE_CA_DECLARE(CA_CloneMofN,
                   (CK_SESSION_HANDLE hTargetSession,
                    CK_SESSION_HANDLE hSourceSession, CK_VOID_PTR pReserved));
PERIGEE_CA_DECLARE(CA_CloneModifyMofN,
                   (CK_SESSION_HANDLE hTargetSession,
                    CK_SESSION_HANDLE hSourceSession, CK_VOID_PTR pReserved));
PERIGEE_CA_DECLARE(CA_ActivateMofN,
                   (CK_SESSION_HANDLE hSession, CA_MOFN_ACTIVATION_PTR pVectors,
                    CK_ULONG ulVectorCount));
PERIGEE_CA_DECLARE(CA_DeactivateMofN, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_GetMofNStatus,
                   (CK_SLOT_ID slotID, CA_MOFN_STATUS_PTR pStatus));
PERIGEE_CA_DECLARE(CA_DuplicateMofN, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_IsMofNEnabled,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulEnabled));
PERIGEE_CA_DECLARE(CA_IsMofNRequired,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulRequired));

// ---- Objects ----

PERIGEE_CA_DECLARE(CA_DestroyMultipleObjects,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulCount,
                    CK_OBJECT_HANDLE_PTR phObjects, CK_ULONG_PTR pulStoppedAt));
PERIGEE_CA_DECLARE(CA_GetTokenObjectUID,
                   (CK_SLOT_ID slotID, CK_ULONG ulType, CK_ULONG ulHandle,
                    CK_BYTE_PTR pOuid));
PERIGEE_CA_DECLARE(CA_GetTokenObjectHandle,
                   (CK_SLOT_ID slotID, CK_BYTE_PTR pOuid, CK_ULONG_PTR pulType,
                    CK_ULONG_PTR pulHandle));
PERIGEE_CA_DECLARE(CA_GetObjectUID,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer, CK_ULONG ulType,
                    CK_ULONG ulHandle, CK_BYTE_PTR pOuid));
PERIGEE_CA_DECLARE(CA_GetObjectHandle,
                   (CK_SLOT_ID slotID, CK_ULONG ulContainer, CK_BYTE_PTR pOuid,
                    CK_ULONG_PTR pulType, CK_ULONG_PTR pulHandle));
PERIGEE_CA_DECLARE(CA_ModifyUsageCount,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey,
                    CK_ULONG ulCommand, CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_DeriveKeyAndWrap,
                   (CK_SESSION_HANDLE hSession,
                    CK_MECHANISM_PTR pDeriveMechanism,
                    CK_OBJECT_HANDLE hBaseKey, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount, CK_MECHANISM_PTR pWrapMechanism,
                    CK_OBJECT_HANDLE hWrappingKey, CK_BYTE_PTR pWrappedKey,
                    CK_ULONG_PTR pulWrappedKeyLen));
PERIGEE_CA_DECLARE(CA_Bip32ImportPublicKey,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pText,
                    CK_ULONG ulTextLen, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR pulKey));
PERIGEE_CA_DECLARE(CA_Bip32ExportPublicKey,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulKey,
                    CK_BYTE_PTR pText, CK_ULONG_PTR pulTextLen));
PERIGEE_CA_DECLARE(CA_Get, (CK_SLOT_ID slotID, CK_ULONG ulItem,
                            CK_BYTE_PTR pValue, CK_ULONG_PTR pulValueLen));

// ---- Certificates and origin ----

PERIGEE_CA_DECLARE(CA_GenerateTokenKeys,
                   (CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount));
PERIGEE_CA_DECLARE(CA_GetTokenCertificateInfo,
                   (CK_SLOT_ID slotID, CK_ULONG ulAccessLevel,
                    CK_BYTE_PTR pValue, CK_ULONG_PTR pulValueLen));
PERIGEE_CA_DECLARE(CA_SetTokenCertificateSignature,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulAccessLevel,
                    CK_ULONG ulCustomerID, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount, CK_BYTE_PTR pSignature,
                    CK_ULONG ulSignatureLen));
PERIGEE_CA_DECLARE(CA_GetTokenCertificates,
                   (CK_SLOT_ID slotID, CK_ULONG ulType, CK_BYTE_PTR pValue,
                    CK_ULONG_PTR pulValueLen));

// ---- Firmware, licences, modules ----

// The meaning of the arguments is a guess beyond their types.
PERIGEE_CA_DECLARE(CA_FirmwareUpdate,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulTarget,
                    CK_ULONG ulAuthCodeLen, CK_BYTE_PTR pAuthCode,
                    CK_ULONG ulManifestLen, CK_BYTE_PTR pManifest,
                    CK_ULONG ulFirmwareLen, CK_BYTE_PTR pFirmware));
PERIGEE_CA_DECLARE(CA_FirmwareRollback, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_CapabilityUpdate,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulManifestLen,
                    CK_BYTE_PTR pManifest, CK_ULONG ulAuthCodeLen,
                    CK_BYTE_PTR pAuthCode));
PERIGEE_CA_DECLARE(CA_GetFirmwareVersion,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulMajor,
                    CK_ULONG_PTR pulMinor, CK_ULONG_PTR pulSubMinor));
PERIGEE_CA_DECLARE(CA_GetCVFirmwareVersion,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulMajor,
                    CK_ULONG_PTR pulMinor, CK_ULONG_PTR pulSubMinor));
PERIGEE_CA_DECLARE(CA_GetRollbackFirmwareVersion,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulVersion));
PERIGEE_CA_DECLARE(CA_RetrieveLicenseList,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulCount,
                    CK_ULONG_PTR pulLicenses));
PERIGEE_CA_DECLARE(CA_QueryLicense,
                   (CK_SLOT_ID slotID, CK_ULONG ulLicenseHigh,
                    CK_ULONG ulLicenseLow, CK_ULONG_PTR pulVersion,
                    CK_ULONG_PTR pulValue, CK_ULONG_PTR pulDescriptionLen,
                    CK_BYTE_PTR pDescription));
PERIGEE_CA_DECLARE(CA_GetModuleList,
                   (CK_SLOT_ID slotID, CKCA_MODULE_ID_PTR pModuleIDs,
                    CK_ULONG ulListLen, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_GetModuleInfo,
                   (CK_SLOT_ID slotID, CKCA_MODULE_ID moduleID,
                    CKCA_MODULE_INFO_PTR pInfo));
PERIGEE_CA_DECLARE(CA_LoadModule,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pCode,
                    CK_ULONG ulCodeLen, CK_BYTE_PTR pSignature,
                    CK_ULONG ulSignatureLen, CK_BYTE_PTR pCertificate,
                    CK_ULONG ulCertificateLen, CK_BYTE_PTR pControl,
                    CK_ULONG ulControlLen, CKCA_MODULE_ID_PTR pModuleID));
PERIGEE_CA_DECLARE(CA_LoadEncryptedModule,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey,
                    CK_BYTE_PTR pIv, CK_ULONG ulIvLen, CK_BYTE_PTR pCode,
                    CK_ULONG ulCodeLen, CK_BYTE_PTR pSignature,
                    CK_ULONG ulSignatureLen, CK_BYTE_PTR pCertificate,
                    CK_ULONG ulCertificateLen, CKCA_MODULE_ID_PTR pModuleID));
PERIGEE_CA_DECLARE(CA_UnloadModule,
                   (CK_SESSION_HANDLE hSession, CKCA_MODULE_ID moduleID));
PERIGEE_CA_DECLARE(CA_PerformModuleCall,
                   (CK_SESSION_HANDLE hSession, CKCA_MODULE_ID moduleID,
                    CK_BYTE_PTR pRequest, CK_ULONG ulRequestLen,
                    CK_BYTE_PTR pAnswer, CK_ULONG ulAnswerLen,
                    CK_ULONG_PTR pulAnswerLen));
PERIGEE_CA_DECLARE(CA_PerformSelfTest,
                   (CK_SLOT_ID slotID, CK_ULONG ulType, CK_BYTE_PTR pInput,
                    CK_ULONG ulInputLen, CK_BYTE_PTR pOutput,
                    CK_ULONG_PTR pulOutputLen));

// ---- Audit and time ----

PERIGEE_CA_DECLARE(CA_InitAudit, (CK_SLOT_ID slotID, CK_CHAR_PTR pPin,
                                  CK_ULONG ulPinLen, CK_CHAR_PTR pLabel));
PERIGEE_CA_DECLARE(CA_TimeSync,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSeconds));
PERIGEE_CA_DECLARE(CA_GetTime,
                   (CK_SESSION_HANDLE hSession, CK_ULONG_PTR pulSeconds));
PERIGEE_CA_DECLARE(CA_LogVerify, (CK_SESSION_HANDLE hSession,
                                  CK_BYTE_PTR pRecords, CK_ULONG ulRecordsLen,
                                  CK_ULONG ulFlags, CK_ULONG_PTR pulVerified));
PERIGEE_CA_DECLARE(CA_LogVerifyFile,
                   (CK_SESSION_HANDLE hSession, CK_CHAR_PTR pFileName,
                    CK_ULONG_PTR pulVerified));
PERIGEE_CA_DECLARE(CA_LogExternal,
                   (CK_SLOT_ID slotID, CK_SESSION_HANDLE hSession,
                    CK_CHAR_PTR pMessage, CK_ULONG ulMessageLen));
PERIGEE_CA_DECLARE(CA_LogImportSecret,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSecret,
                    CK_ULONG ulSecretLen));
PERIGEE_CA_DECLARE(CA_LogExportSecret,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSecret,
                    CK_ULONG_PTR pulSecretLen));
PERIGEE_CA_DECLARE(CA_LogSetConfig,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulMask,
                    CK_ULONG ulRotation, CK_ULONG ulInterval,
                    CK_ULONG ulMaxSize, CK_BYTE_PTR pPath));
PERIGEE_CA_DECLARE(CA_LogGetConfig,
                   (CK_SESSION_HANDLE hSession, CK_ULONG_PTR pulMask,
                    CK_ULONG_PTR pulRotation, CK_ULONG_PTR pulInterval,
                    CK_ULONG_PTR pulMaxSize, CK_BYTE_PTR pPath));
PERIGEE_CA_DECLARE(CA_LogGetStatus,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulStatus1,
                    CK_ULONG_PTR pulStatus2, CK_ULONG_PTR pulStatus3,
                    CK_ULONG_PTR pulStatus4, CK_ULONG_PTR pulStatus5));

// ---- Tamper key, secure transport, statistics ----

PERIGEE_CA_DECLARE(CA_MTKSetStorage,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulStorage));
PERIGEE_CA_DECLARE(CA_MTKRestore, (CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_MTKResplit, (CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_MTKZeroize, (CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_MTKGetState, (CK_SLOT_ID slotID, CK_ULONG_PTR pulState));
PERIGEE_CA_DECLARE(CA_STMToggle, (CK_SESSION_HANDLE hSession, CK_ULONG ulOn));
PERIGEE_CA_DECLARE(CA_STMGetState, (CK_SLOT_ID slotID, CK_ULONG_PTR pulState));
PERIGEE_CA_DECLARE(CA_GetHSMStats,
                   (CK_SLOT_ID slotID, CK_ULONG ulCount, CK_ULONG_PTR pulCount,
                    HSM_STATS_PARAMS_PTR pStats));
PERIGEE_CA_DECLARE(CA_ReadUtilizationMetrics, (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_ReadAndResetUtilizationMetrics,
                   (CK_SESSION_HANDLE hSession));
PERIGEE_CA_DECLARE(CA_ReadAllUtilizationCounters,
                   (CK_SESSION_HANDLE hSession,
                    CK_UTILIZATION_COUNTER_PTR pCounters,
                    CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_DescribeUtilizationBinId,
                   (CK_ULONG ulBinID, CK_CHAR_PTR pDescription));
PERIGEE_CA_DECLARE(CA_ReadCommonStore, (CK_ULONG ulIndex, CK_BYTE_PTR pValue,
                                        CK_ULONG_PTR pulValueLen));
PERIGEE_CA_DECLARE(CA_WriteCommonStore,
                   (CK_ULONG ulIndex, CK_BYTE_PTR pValue, CK_ULONG ulValueLen));
PERIGEE_CA_DECLARE(CA_ReplaceFastPathKEK, (CK_SESSION_HANDLE hSession));

// ---- Clusters ----

PERIGEE_CA_DECLARE(CA_GetClusterState,
                   (CK_SLOT_ID slotID, CK_CLUSTER_STATE_PTR pState));
PERIGEE_CA_DECLARE(CA_LockClusteredSlot, (CK_SLOT_ID slotID));
PERIGEE_CA_DECLARE(CA_UnlockClusteredSlot, (CK_SLOT_ID slotID));

// ---- LKM key exchange ----

PERIGEE_CA_DECLARE(CA_LKMInitiatorChallenge,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hPrivateKey,
                    CK_OBJECT_HANDLE hPeerKey, CK_ULONG ulFlags,
                    CK_LKM_TOKEN_ID_PTR pInitiatorID,
                    CK_LKM_TOKEN_ID_PTR pReceiverID, CK_CHAR_PTR pChallenge,
                    CK_ULONG_PTR pulChallengeLen));
PERIGEE_CA_DECLARE(CA_LKMReceiverResponse,
                   (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hPrivateKey,
                    CK_OBJECT_HANDLE hPeerKey, CK_ULONG ulFlags,
                    CK_LKM_TOKEN_ID_PTR pReceiverID, CK_CHAR_PTR pChallenge,
                    CK_ULONG ulChallengeLen, CK_CHAR_PTR pResponse,
                    CK_ULONG_PTR pulResponseLen));
PERIGEE_CA_DECLARE(CA_LKMInitiatorComplete,
                   (CK_SESSION_HANDLE hSession, CK_CHAR_PTR pResponse,
                    CK_ULONG ulResponseLen, CK_ATTRIBUTE_PTR pKeyTemplate,
                    CK_ULONG ulKeyAttributeCount, CK_ATTRIBUTE_PTR pMacTemplate,
                    CK_ULONG ulMacAttributeCount, CK_CHAR_PTR pCompletion,
                    CK_ULONG_PTR pulCompletionLen, CK_OBJECT_HANDLE_PTR phKey,
                    CK_OBJECT_HANDLE_PTR phMacKey));
PERIGEE_CA_DECLARE(CA_LKMReceiverComplete,
                   (CK_SESSION_HANDLE hSession, CK_CHAR_PTR pCompletion,
                    CK_ULONG ulCompletionLen, CK_ATTRIBUTE_PTR pKeyTemplate,
                    CK_ULONG ulKeyAttributeCount, CK_ATTRIBUTE_PTR pMacTemplate,
                    CK_ULONG ulMacAttributeCount, CK_OBJECT_HANDLE_PTR phKey,
                    CK_OBJECT_HANDLE_PTR phMacKey));

// ---- Service calls ----

PERIGEE_CA_DECLARE(CA_InvokeServiceInit,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulService));
PERIGEE_CA_DECLARE(CA_InvokeService,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData,
                    CK_ULONG ulDataLen, CK_ULONG_PTR pulResultLen));
PERIGEE_CA_DECLARE(CA_InvokeServiceFinal,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pResult,
                    CK_ULONG_PTR pulResultLen));
PERIGEE_CA_DECLARE(CA_InvokeServiceAsynch,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulService,
                    CK_BYTE_PTR pData, CK_ULONG ulDataLen));
PERIGEE_CA_DECLARE(CA_InvokeServiceSinglePart,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulService,
                    CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pResult,
                    CK_ULONG_PTR pulResultLen));

// ---- Curve parameters ----

PERIGEE_CA_DECLARE(CA_EncodeECPrimeParams,
                   (CK_BYTE_PTR pDer, CK_ULONG_PTR pulDerLen,
                    CK_BYTE_PTR pPrime, CK_ULONG ulPrimeLen, CK_BYTE_PTR pA,
                    CK_ULONG ulALen, CK_BYTE_PTR pB, CK_ULONG ulBLen,
                    CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen, CK_BYTE_PTR pX,
                    CK_ULONG ulXLen, CK_BYTE_PTR pY, CK_ULONG ulYLen,
                    CK_BYTE_PTR pOrder, CK_ULONG ulOrderLen,
                    CK_BYTE_PTR pCofactor, CK_ULONG ulCofactorLen));
PERIGEE_CA_DECLARE(CA_EncodeECChar2Params,
                   (CK_BYTE_PTR pDer, CK_ULONG_PTR pulDerLen, CK_ULONG ulM,
                    CK_ULONG ulK1, CK_ULONG ulK2, CK_ULONG ulK3, CK_BYTE_PTR pA,
                    CK_ULONG ulALen, CK_BYTE_PTR pB, CK_ULONG ulBLen,
                    CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen, CK_BYTE_PTR pX,
                    CK_ULONG ulXLen, CK_BYTE_PTR pY, CK_ULONG ulYLen,
                    CK_BYTE_PTR pOrder, CK_ULONG ulOrderLen,
                    CK_BYTE_PTR pCofactor, CK_ULONG ulCofactorLen));
PERIGEE_CA_DECLARE(CA_EncodeECParamsFromFile,
                   (CK_BYTE_PTR pDer, CK_ULONG_PTR pulDerLen,
                    CK_BYTE_PTR pFileName));

// ---- Secure trusted channel ----

PERIGEE_CA_DECLARE(CA_STCRegister,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_CHAR_PTR pName, CK_ULONG ulAccess, CK_CHAR_PTR pModulus,
                    CK_ULONG ulModulusLen, CK_CHAR_PTR pExponent,
                    CK_ULONG ulExponentLen));
PERIGEE_CA_DECLARE(CA_STCRegisterV2,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_CHAR_PTR pName, CK_ULONG ulAccess, CK_ULONG ulKeyType,
                    CK_BYTE_PTR pKey, CK_ULONG ulKeyLen));
PERIGEE_CA_DECLARE(CA_STCDeregister, (CK_SESSION_HANDLE hSession,
                                      CK_SLOT_ID slotID, CK_CHAR_PTR pName));
PERIGEE_CA_DECLARE(CA_STCGetPubKey,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_CHAR_PTR pName, CK_CHAR_PTR pModulus,
                    CK_ULONG_PTR pulModulusLen, CK_CHAR_PTR pExponent,
                    CK_ULONG_PTR pulExponentLen));
PERIGEE_CA_DECLARE(CA_STCGetClientsList,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG_PTR pulHandles, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_STCGetClientInfo,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG ulHandle, CK_CHAR_PTR pName,
                    CK_ULONG_PTR pulNameLen, CK_ULONG_PTR pulAccess,
                    CK_CHAR_PTR pModulus, CK_ULONG_PTR pulModulusLen,
                    CK_CHAR_PTR pExponent, CK_ULONG_PTR pulExponentLen));
PERIGEE_CA_DECLARE(CA_STCGetClientInfoV2,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG ulHandle, CK_CHAR_PTR pName,
                    CK_ULONG_PTR pulNameLen, CK_ULONG_PTR pulAccess,
                    CK_BYTE_PTR pKey, CK_ULONG_PTR pulKeyLen));
PERIGEE_CA_DECLARE(CA_STCGetPartPubKey,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_CHAR_PTR pModulus, CK_ULONG_PTR pulModulusLen,
                    CK_CHAR_PTR pExponent, CK_ULONG_PTR pulExponentLen));
PERIGEE_CA_DECLARE(CA_STCGetAdminPubKey,
                   (CK_SLOT_ID slotID, CK_CHAR_PTR pModulus,
                    CK_ULONG_PTR pulModulusLen, CK_CHAR_PTR pExponent,
                    CK_ULONG_PTR pulExponentLen));
PERIGEE_CA_DECLARE(CA_STCGetPID, (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                                  CK_ULONG_PTR pulType, CK_BYTE_PTR pPID,
                                  CK_ULONG_PTR pulPIDLen));
PERIGEE_CA_DECLARE(CA_STCGetAdminPID,
                   (CK_SLOT_ID slotID, CK_ULONG_PTR pulType, CK_BYTE_PTR pPID,
                    CK_ULONG_PTR pulPIDLen));
PERIGEE_CA_DECLARE(CA_STCSetCipherAlgorithm,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG ulCipher));
PERIGEE_CA_DECLARE(CA_STCGetCipherAlgorithm,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_BYTE_PTR pCiphers, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_STCClearCipherAlgorithm,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG ulCipher));
PERIGEE_CA_DECLARE(CA_STCSetDigestAlgorithm,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG ulDigest));
PERIGEE_CA_DECLARE(CA_STCGetDigestAlgorithm,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_BYTE_PTR pDigests, CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_STCClearDigestAlgorithm,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG ulDigest));
PERIGEE_CA_DECLARE(CA_STCSetKeyLifeTime, (CK_SESSION_HANDLE hSession,
                                          CK_ULONG ulSlot, CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_STCGetKeyLifeTime,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_STCSetKeyActivationTimeOut,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_STCGetKeyActivationTimeOut,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_STCSetMaxSessions, (CK_SESSION_HANDLE hSession,
                                          CK_ULONG ulSlot, CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_STCGetMaxSessions,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_STCSetSequenceWindowSize,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG ulValue));
PERIGEE_CA_DECLARE(CA_STCGetSequenceWindowSize,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_STCIsEnabled, (CK_ULONG ulSlot, CK_BYTE_PTR pEnabled));
PERIGEE_CA_DECLARE(CA_STCGetState,
                   (CK_ULONG ulSlot, CK_CHAR_PTR pText, CK_BYTE textLen));
PERIGEE_CA_DECLARE(CA_STCGetCurrentKeyLife,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulSlot,
                    CK_ULONG_PTR pulValue));
PERIGEE_CA_DECLARE(CA_STCGetChannelID, (CK_SLOT_ID slotID, CK_ULONG_PTR pulID));
PERIGEE_CA_DECLARE(CA_STCGetCipherID, (CK_SLOT_ID slotID, CK_ULONG_PTR pulID));
PERIGEE_CA_DECLARE(CA_STCGetDigestID, (CK_SLOT_ID slotID, CK_ULONG_PTR pulID));
PERIGEE_CA_DECLARE(CA_STCGetCipherIDs, (CK_SLOT_ID slotID, CK_ULONG_PTR pulIDs,
                                        CK_BYTE_PTR pCount));
PERIGEE_CA_DECLARE(CA_STCGetCipherNameByID,
                   (CK_SLOT_ID slotID, CK_ULONG ulID, CK_CHAR_PTR pText,
                    CK_BYTE textLen));
PERIGEE_CA_DECLARE(CA_STCGetDigestIDs, (CK_SLOT_ID slotID, CK_ULONG_PTR pulIDs,
                                        CK_BYTE_PTR pCount));
PERIGEE_CA_DECLARE(CA_STCGetDigestNameByID,
                   (CK_SLOT_ID slotID, CK_ULONG ulID, CK_CHAR_PTR pText,
                    CK_BYTE textLen));

// ---- Functions that the public bindings do not have ----

// Step 1, no input.
PERIGEE_CA_DECLARE(CA_CloneAsSourceInit,
                   (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pInput,
                    CK_ULONG ulInputLen, CK_BYTE_PTR pOutput,
                    CK_ULONG_PTR pulOutputLen, CK_BBOOL bReplicate));
PERIGEE_CA_DECLARE(CA_ConnectRemotePED,
                   (CK_SLOT_ID slotID, CK_ULONG ulPedID, CK_BBOOL bFlag,
                    CK_VOID_PTR pReserved));
PERIGEE_CA_DECLARE(CA_DisconnectRemotePED,
                   (CK_SLOT_ID slotID, CK_ULONG ulPedID));
PERIGEE_CA_DECLARE(CA_EncapsulateKey,
                   (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                    CK_OBJECT_HANDLE hPublicKey, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext,
                    CK_ULONG_PTR pulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey));
PERIGEE_CA_DECLARE(CA_DecapsulateKey,
                   (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                    CK_OBJECT_HANDLE hPrivateKey, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext,
                    CK_ULONG ulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey));
PERIGEE_CA_DECLARE(CA_GetCurrentHAState,
                   (CK_SLOT_ID slotID, CK_HA_STATE_PTR pState));
// pLabel is 32 bytes, blank padded.
PERIGEE_CA_DECLARE(CA_GetSlotId,
                   (CK_UTF8CHAR_PTR pLabel, CK_SLOT_ID_PTR pSlotID,
                    CK_ULONG_PTR pulCount));
// Types not published; ours.
PERIGEE_CA_DECLARE(CA_GetUnassignedSlot, (CK_SLOT_ID_PTR pSlotID));
// Types not published; ours.
PERIGEE_CA_DECLARE(CA_GetActualSlotList,
                   (CK_SLOT_ID slotID, CK_SLOT_ID_PTR pSlotList,
                    CK_ULONG_PTR pulCount));
PERIGEE_CA_DECLARE(CA_SendFMRequestSession,
                   (CK_SESSION_HANDLE hSession, CK_ULONG ulOperation,
                    CK_MECHANISM_PTR pMechanism, CK_ATTRIBUTE_PTR pTemplate,
                    CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phObjectsIn,
                    CK_ULONG_PTR pulObjectsInCount, CK_VOID_PTR pInput,
                    CK_ULONG ulInputLen, CK_OBJECT_HANDLE_PTR phObjectsOut,
                    CK_ULONG_PTR pulObjectsOutCount, CK_VOID_PTR pOutput,
                    CK_ULONG_PTR pulOutputLen));
// Types not published; ours.
PERIGEE_CA_DECLARE(CA_SendFMRequestDirect,
                   (CK_SESSION_HANDLE hSession, CK_SLOT_ID slotID,
                    CK_ULONG ulOperation, CK_MECHANISM_PTR pMechanism,
                    CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
                    CK_OBJECT_HANDLE_PTR phObjectsIn,
                    CK_ULONG_PTR pulObjectsInCount, CK_VOID_PTR pInput,
                    CK_ULONG ulInputLen, CK_OBJECT_HANDLE_PTR phObjectsOut,
                    CK_ULONG_PTR pulObjectsOutCount, CK_VOID_PTR pOutput,
                    CK_ULONG_PTR pulOutputLen));

#undef PERIGEE_CA_DECLARE

// The order of the members is Perigee's own promise: that of the vendor's
// public bindings as far as they go, then the rest. Programs built against
// the vendor's SDK should look functions up by name. New members are added
// at the end, with a new minor version.
struct CK_SFNT_CA_FUNCTION_LIST {
  CK_VERSION version;
  CK_CA_GetFunctionList CA_GetFunctionList;
  CK_CA_WaitForSlotEvent CA_WaitForSlotEvent;
  CK_CA_InitIndirectToken CA_InitIndirectToken;
  CK_CA_InitIndirectPIN CA_InitIndirectPIN;
  CK_CA_ResetPIN CA_ResetPIN;
  CK_CA_InitRolePIN CA_InitRolePIN;
  CK_CA_InitSlotRolePIN CA_InitSlotRolePIN;
  CK_CA_RoleStateGet CA_RoleStateGet;
  CK_CA_CreateLoginChallenge CA_CreateLoginChallenge;
  CK_CA_CreateContainerLoginChallenge CA_CreateContainerLoginChallenge;
  CK_CA_Deactivate CA_Deactivate;
  CK_CA_FindAdminSlotForSlot CA_FindAdminSlotForSlot;
  CK_CA_TokenInsert CA_TokenInsert;
  CK_CA_TokenInsertNoAuth CA_TokenInsertNoAuth;
  CK_CA_TokenZeroize CA_TokenZeroize;
  CK_CA_TokenDelete CA_TokenDelete;
  CK_CA_OpenSession CA_OpenSession;
  CK_CA_OpenSessionWithAppID CA_OpenSessionWithAppID;
  CK_CA_IndirectLogin CA_IndirectLogin;
  CK_CA_InitializeRemotePEDVector CA_InitializeRemotePEDVector;
  CK_CA_DeleteRemotePEDVector CA_DeleteRemotePEDVector;
  CK_CA_GetRemotePEDVectorStatus CA_GetRemotePEDVectorStatus;
  CK_CA_ConfigureRemotePED CA_ConfigureRemotePED;
  CK_CA_DismantleRemotePED CA_DismantleRemotePED;
  CK_CA_Restart CA_Restart;
  CK_CA_RestartForContainer CA_RestartForContainer;
  CK_CA_CloseApplicationID CA_CloseApplicationID;
  CK_CA_CloseApplicationIDForContainer CA_CloseApplicationIDForContainer;
  CK_CA_OpenApplicationID CA_OpenApplicationID;
  CK_CA_OpenApplicationIDForContainer CA_OpenApplicationIDForContainer;
  CK_CA_SetApplicationID CA_SetApplicationID;
  CK_CA_ReadUtilizationMetrics CA_ReadUtilizationMetrics;
  CK_CA_DescribeUtilizationBinId CA_DescribeUtilizationBinId;
  CK_CA_ReadAndResetUtilizationMetrics CA_ReadAndResetUtilizationMetrics;
  CK_CA_ReadAllUtilizationCounters CA_ReadAllUtilizationCounters;
  CK_CA_SetAuthorizationData CA_SetAuthorizationData;
  CK_CA_AuthorizeKey CA_AuthorizeKey;
  CK_CA_ManualKCV CA_ManualKCV;
  CK_CA_SetLKCV CA_SetLKCV;
  CK_CA_SetKCV CA_SetKCV;
  CK_CA_SetRDK CA_SetRDK;
  CK_CA_SetCloningDomain CA_SetCloningDomain;
  CK_CA_ClonePrivateKey CA_ClonePrivateKey;
  CK_CA_CloneObject CA_CloneObject;
  CK_CA_GenerateCloningKEV CA_GenerateCloningKEV;
  CK_CA_CloneAsTargetInit CA_CloneAsTargetInit;
  CK_CA_CloneAsSource CA_CloneAsSource;
  CK_CA_CloneAsTarget CA_CloneAsTarget;
  CK_CA_SetMofN CA_SetMofN;
  CK_CA_GenerateMofN CA_GenerateMofN;
  CK_CA_GenerateCloneableMofN CA_GenerateCloneableMofN;
  CK_CA_ModifyMofN CA_ModifyMofN;
  CK_CA_CloneMofN CA_CloneMofN;
  CK_CA_CloneModifyMofN CA_CloneModifyMofN;
  CK_CA_ActivateMofN CA_ActivateMofN;
  CK_CA_DeactivateMofN CA_DeactivateMofN;
  CK_CA_GetMofNStatus CA_GetMofNStatus;
  CK_CA_DuplicateMofN CA_DuplicateMofN;
  CK_CA_IsMofNEnabled CA_IsMofNEnabled;
  CK_CA_IsMofNRequired CA_IsMofNRequired;
  CK_CA_GenerateTokenKeys CA_GenerateTokenKeys;
  CK_CA_GetTokenCertificateInfo CA_GetTokenCertificateInfo;
  CK_CA_SetTokenCertificateSignature CA_SetTokenCertificateSignature;
  CK_CA_GetModuleList CA_GetModuleList;
  CK_CA_GetModuleInfo CA_GetModuleInfo;
  CK_CA_LoadModule CA_LoadModule;
  CK_CA_LoadEncryptedModule CA_LoadEncryptedModule;
  CK_CA_UnloadModule CA_UnloadModule;
  CK_CA_PerformModuleCall CA_PerformModuleCall;
  CK_CA_FirmwareUpdate CA_FirmwareUpdate;
  CK_CA_FirmwareRollback CA_FirmwareRollback;
  CK_CA_CapabilityUpdate CA_CapabilityUpdate;
  CK_CA_GetUserContainerNumber CA_GetUserContainerNumber;
  CK_CA_GetUserContainerName CA_GetUserContainerName;
  CK_CA_SetUserContainerName CA_SetUserContainerName;
  CK_CA_GetTokenInsertionCount CA_GetTokenInsertionCount;
  CK_CA_GetRollbackFirmwareVersion CA_GetRollbackFirmwareVersion;
  CK_CA_GetFPV CA_GetFPV;
  CK_CA_GetTPV CA_GetTPV;
  CK_CA_GetExtendedTPV CA_GetExtendedTPV;
  CK_CA_GetConfigurationElementDescription
      CA_GetConfigurationElementDescription;
  CK_CA_GetHSMCapabilitySet CA_GetHSMCapabilitySet;
  CK_CA_GetHSMCapabilitySetting CA_GetHSMCapabilitySetting;
  CK_CA_GetHSMPolicySet CA_GetHSMPolicySet;
  CK_CA_GetHSMPolicySetting CA_GetHSMPolicySetting;
  CK_CA_GetContainerCapabilitySet CA_GetContainerCapabilitySet;
  CK_CA_GetContainerCapabilitySetting CA_GetContainerCapabilitySetting;
  CK_CA_GetContainerPolicySet CA_GetContainerPolicySet;
  CK_CA_GetContainerPolicySetting CA_GetContainerPolicySetting;
  CK_CA_SetTPV CA_SetTPV;
  CK_CA_SetExtendedTPV CA_SetExtendedTPV;
  CK_CA_SetHSMPolicy CA_SetHSMPolicy;
  CK_CA_SetHSMPolicies CA_SetHSMPolicies;
  CK_CA_SetDestructiveHSMPolicy CA_SetDestructiveHSMPolicy;
  CK_CA_SetDestructiveHSMPolicies CA_SetDestructiveHSMPolicies;
  CK_CA_SetContainerPolicy CA_SetContainerPolicy;
  CK_CA_SetContainerPolicies CA_SetContainerPolicies;
  CK_CA_GetTokenCapabilities CA_GetTokenCapabilities;
  CK_CA_SetTokenPolicies CA_SetTokenPolicies;
  CK_CA_GetTokenPolicies CA_GetTokenPolicies;
  CK_CA_RetrieveLicenseList CA_RetrieveLicenseList;
  CK_CA_QueryLicense CA_QueryLicense;
  CK_CA_GetContainerStatus CA_GetContainerStatus;
  CK_CA_GetTokenStatus CA_GetTokenStatus;
  CK_CA_GetSessionInfo CA_GetSessionInfo;
  CK_CA_GetCVFirmwareVersion CA_GetCVFirmwareVersion;
  CK_CA_ReadCommonStore CA_ReadCommonStore;
  CK_CA_WriteCommonStore CA_WriteCommonStore;
  CK_CA_GetPrimarySlot CA_GetPrimarySlot;
  CK_CA_GetSecondarySlot CA_GetSecondarySlot;
  CK_CA_SwitchSecondarySlot CA_SwitchSecondarySlot;
  CK_CA_CloseSecondarySession CA_CloseSecondarySession;
  CK_CA_CloseAllSecondarySessions CA_CloseAllSecondarySessions;
  CK_CA_ChoosePrimarySlot CA_ChoosePrimarySlot;
  CK_CA_ChooseSecondarySlot CA_ChooseSecondarySlot;
  CK_CA_CloneObjectToAllSessions CA_CloneObjectToAllSessions;
  CK_CA_CloneAllObjectsToSession CA_CloneAllObjectsToSession;
  CK_CA_ResetDevice CA_ResetDevice;
  CK_CA_Zeroize CA_Zeroize;
  CK_CA_FactoryReset CA_FactoryReset;
  CK_CA_SetPedId CA_SetPedId;
  CK_CA_GetPedId CA_GetPedId;
  CK_CA_SpRawRead CA_SpRawRead;
  CK_CA_SpRawWrite CA_SpRawWrite;
  CK_CA_CheckOperationState CA_CheckOperationState;
  CK_CA_DestroyMultipleObjects CA_DestroyMultipleObjects;
  CK_CA_OpenSecureToken CA_OpenSecureToken;
  CK_CA_CloseSecureToken CA_CloseSecureToken;
  CK_CA_ListSecureTokenInit CA_ListSecureTokenInit;
  CK_CA_ListSecureTokenUpdate CA_ListSecureTokenUpdate;
  CK_CA_GetSecureElementMeta CA_GetSecureElementMeta;
  CK_CA_HAInit CA_HAInit;
  CK_CA_HAInitExtended CA_HAInitExtended;
  CK_CA_HAGetMasterPublic CA_HAGetMasterPublic;
  CK_CA_HAGetLoginChallenge CA_HAGetLoginChallenge;
  CK_CA_HAAnswerLoginChallenge CA_HAAnswerLoginChallenge;
  CK_CA_HALogin CA_HALogin;
  CK_CA_HAAnswerMofNChallenge CA_HAAnswerMofNChallenge;
  CK_CA_HAActivateMofN CA_HAActivateMofN;
  CK_CA_GetHAState CA_GetHAState;
  CK_CA_GetTokenCertificates CA_GetTokenCertificates;
  CK_CA_ExtractMaskedObject CA_ExtractMaskedObject;
  CK_CA_InsertMaskedObject CA_InsertMaskedObject;
  CK_CA_MultisignValue CA_MultisignValue;
  CK_CA_SIMExtract CA_SIMExtract;
  CK_CA_SIMInsert CA_SIMInsert;
  CK_CA_SIMMultiSign CA_SIMMultiSign;
  CK_CA_Extract CA_Extract;
  CK_CA_Insert CA_Insert;
  CK_CA_GetTokenObjectUID CA_GetTokenObjectUID;
  CK_CA_GetTokenObjectHandle CA_GetTokenObjectHandle;
  CK_CA_GetObjectUID CA_GetObjectUID;
  CK_CA_GetObjectHandle CA_GetObjectHandle;
  CK_CA_DeleteContainer CA_DeleteContainer;
  CK_CA_MTKSetStorage CA_MTKSetStorage;
  CK_CA_MTKRestore CA_MTKRestore;
  CK_CA_MTKResplit CA_MTKResplit;
  CK_CA_MTKZeroize CA_MTKZeroize;
  CK_CA_MTKGetState CA_MTKGetState;
  CK_CA_STMToggle CA_STMToggle;
  CK_CA_STMGetState CA_STMGetState;
  CK_CA_GetTSV CA_GetTSV;
  CK_CA_InvokeServiceInit CA_InvokeServiceInit;
  CK_CA_InvokeService CA_InvokeService;
  CK_CA_InvokeServiceFinal CA_InvokeServiceFinal;
  CK_CA_InvokeServiceAsynch CA_InvokeServiceAsynch;
  CK_CA_InvokeServiceSinglePart CA_InvokeServiceSinglePart;
  CK_CA_EncodeECPrimeParams CA_EncodeECPrimeParams;
  CK_CA_EncodeECChar2Params CA_EncodeECChar2Params;
  CK_CA_EncodeECParamsFromFile CA_EncodeECParamsFromFile;
  CK_CA_GetHSMStats CA_GetHSMStats;
  CK_CA_GetHSMStorageInformation CA_GetHSMStorageInformation;
  CK_CA_GetTokenStorageInformation CA_GetTokenStorageInformation;
  CK_CA_GetContainerStorageInformation CA_GetContainerStorageInformation;
  CK_CA_SetContainerSize CA_SetContainerSize;
  CK_CA_CreateContainer CA_CreateContainer;
  CK_CA_InitAudit CA_InitAudit;
  CK_CA_LogVerify CA_LogVerify;
  CK_CA_LogVerifyFile CA_LogVerifyFile;
  CK_CA_LogExternal CA_LogExternal;
  CK_CA_LogImportSecret CA_LogImportSecret;
  CK_CA_LogExportSecret CA_LogExportSecret;
  CK_CA_TimeSync CA_TimeSync;
  CK_CA_GetTime CA_GetTime;
  CK_CA_LogSetConfig CA_LogSetConfig;
  CK_CA_LogGetConfig CA_LogGetConfig;
  CK_CA_ReplaceFastPathKEK CA_ReplaceFastPathKEK;
  CK_CA_LogGetStatus CA_LogGetStatus;
  CK_CA_DeleteContainerWithHandle CA_DeleteContainerWithHandle;
  CK_CA_GetContainerList CA_GetContainerList;
  CK_CA_GetContainerName CA_GetContainerName;
  CK_CA_GetNumberOfAllowedContainers CA_GetNumberOfAllowedContainers;
  CK_CA_GetTunnelSlotNumber CA_GetTunnelSlotNumber;
  CK_CA_GetClusterState CA_GetClusterState;
  CK_CA_LockClusteredSlot CA_LockClusteredSlot;
  CK_CA_UnlockClusteredSlot CA_UnlockClusteredSlot;
  CK_CA_LKMInitiatorChallenge CA_LKMInitiatorChallenge;
  CK_CA_LKMReceiverResponse CA_LKMReceiverResponse;
  CK_CA_LKMInitiatorComplete CA_LKMInitiatorComplete;
  CK_CA_LKMReceiverComplete CA_LKMReceiverComplete;
  CK_CA_ModifyUsageCount CA_ModifyUsageCount;
  CK_CA_EnableUnauthTokenInsertion CA_EnableUnauthTokenInsertion;
  CK_CA_GetUnauthTokenInsertionStatus CA_GetUnauthTokenInsertionStatus;
  CK_CA_DisableUnauthTokenInsertion CA_DisableUnauthTokenInsertion;
  CK_CA_STCRegister CA_STCRegister;
  CK_CA_STCDeregister CA_STCDeregister;
  CK_CA_STCGetPubKey CA_STCGetPubKey;
  CK_CA_STCGetClientsList CA_STCGetClientsList;
  CK_CA_STCGetClientInfo CA_STCGetClientInfo;
  CK_CA_STCGetPartPubKey CA_STCGetPartPubKey;
  CK_CA_STCGetAdminPubKey CA_STCGetAdminPubKey;
  CK_CA_STCSetCipherAlgorithm CA_STCSetCipherAlgorithm;
  CK_CA_STCGetCipherAlgorithm CA_STCGetCipherAlgorithm;
  CK_CA_STCClearCipherAlgorithm CA_STCClearCipherAlgorithm;
  CK_CA_STCSetDigestAlgorithm CA_STCSetDigestAlgorithm;
  CK_CA_STCGetDigestAlgorithm CA_STCGetDigestAlgorithm;
  CK_CA_STCClearDigestAlgorithm CA_STCClearDigestAlgorithm;
  CK_CA_STCSetKeyLifeTime CA_STCSetKeyLifeTime;
  CK_CA_STCGetKeyLifeTime CA_STCGetKeyLifeTime;
  CK_CA_STCSetKeyActivationTimeOut CA_STCSetKeyActivationTimeOut;
  CK_CA_STCGetKeyActivationTimeOut CA_STCGetKeyActivationTimeOut;
  CK_CA_STCSetMaxSessions CA_STCSetMaxSessions;
  CK_CA_STCGetMaxSessions CA_STCGetMaxSessions;
  CK_CA_STCSetSequenceWindowSize CA_STCSetSequenceWindowSize;
  CK_CA_STCGetSequenceWindowSize CA_STCGetSequenceWindowSize;
  CK_CA_STCIsEnabled CA_STCIsEnabled;
  CK_CA_STCGetState CA_STCGetState;
  CK_CA_STCGetCurrentKeyLife CA_STCGetCurrentKeyLife;
  CK_CA_GetSlotIdForPhysicalSlot CA_GetSlotIdForPhysicalSlot;
  CK_CA_GetSlotIdForContainer CA_GetSlotIdForContainer;
  CK_CA_STCGetChannelID CA_STCGetChannelID;
  CK_CA_STCGetCipherID CA_STCGetCipherID;
  CK_CA_STCGetDigestID CA_STCGetDigestID;
  CK_CA_STCGetCipherIDs CA_STCGetCipherIDs;
  CK_CA_STCGetCipherNameByID CA_STCGetCipherNameByID;
  CK_CA_STCGetDigestIDs CA_STCGetDigestIDs;
  CK_CA_STCGetDigestNameByID CA_STCGetDigestNameByID;
  CK_CA_GetServerInstanceBySlotID CA_GetServerInstanceBySlotID;
  CK_CA_GetSlotListFromServerInstance CA_GetSlotListFromServerInstance;
  CK_CA_PerformSelfTest CA_PerformSelfTest;
  CK_CA_GetFirmwareVersion CA_GetFirmwareVersion;
  // Not in the order that is published.
  CK_CA_AssignKey CA_AssignKey;
  CK_CA_Bip32ExportPublicKey CA_Bip32ExportPublicKey;
  CK_CA_Bip32ImportPublicKey CA_Bip32ImportPublicKey;
  CK_CA_CloseApplicationIDForContainerV2 CA_CloseApplicationIDForContainerV2;
  CK_CA_CloseApplicationIDV2 CA_CloseApplicationIDV2;
  CK_CA_CreateContainerWithPolicy CA_CreateContainerWithPolicy;
  CK_CA_DeriveKeyAndWrap CA_DeriveKeyAndWrap;
  CK_CA_Get CA_Get;
  CK_CA_GetApplicationID CA_GetApplicationID;
  CK_CA_GetPartitionPolicyTemplate CA_GetPartitionPolicyTemplate;
  CK_CA_IncrementFailedAuthCount CA_IncrementFailedAuthCount;
  CK_CA_InitToken CA_InitToken;
  CK_CA_MigrateKeys CA_MigrateKeys;
  CK_CA_MigrationCloseSession CA_MigrationCloseSession;
  CK_CA_MigrationContinueSessionNegotiation
      CA_MigrationContinueSessionNegotiation;
  CK_CA_MigrationStartSessionNegotiation CA_MigrationStartSessionNegotiation;
  CK_CA_OpenApplicationIDForContainerV2 CA_OpenApplicationIDForContainerV2;
  CK_CA_OpenApplicationIDV2 CA_OpenApplicationIDV2;
  CK_CA_OpenSessionWithAppIDV2 CA_OpenSessionWithAppIDV2;
  CK_CA_RandomizeApplicationID CA_RandomizeApplicationID;
  CK_CA_ResetAuthorizationData CA_ResetAuthorizationData;
  CK_CA_STCGetAdminPID CA_STCGetAdminPID;
  CK_CA_STCGetClientInfoV2 CA_STCGetClientInfoV2;
  CK_CA_STCGetPID CA_STCGetPID;
  CK_CA_STCRegisterV2 CA_STCRegisterV2;
  CK_CA_SessionCancel CA_SessionCancel;
  CK_CA_SetApplicationIDV2 CA_SetApplicationIDV2;
  CK_CA_TamperClear CA_TamperClear;
  CK_CA_CloneAsSourceInit CA_CloneAsSourceInit;
  CK_CA_ConnectRemotePED CA_ConnectRemotePED;
  CK_CA_DisconnectRemotePED CA_DisconnectRemotePED;
  CK_CA_EncapsulateKey CA_EncapsulateKey;
  CK_CA_DecapsulateKey CA_DecapsulateKey;
  CK_CA_GetCurrentHAState CA_GetCurrentHAState;
  CK_CA_GetSlotId CA_GetSlotId;
  CK_CA_GetUnassignedSlot CA_GetUnassignedSlot;
  CK_CA_GetActualSlotList CA_GetActualSlotList;
  CK_CA_SendFMRequestSession CA_SendFMRequestSession;
  CK_CA_SendFMRequestDirect CA_SendFMRequestDirect;
};

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // PERIGEE_LUNA_CA_H_
