// The vendor extensions of Luna HSMs for C++. The facts are in the installed
// C header; this file adds the check that its structures have the layout that
// clients on 64-bit Unix expect.
#ifndef PERIGEE_BASE_LUNA_H_
#define PERIGEE_BASE_LUNA_H_

// <pkcs11.h> comes first: include base/cryptoki.h, not this file.
#include "perigee/luna_types.h"  // IWYU pragma: export

#if defined(__LP64__)
static_assert(sizeof(CA_ROLE_STATE) == 4);
static_assert(sizeof(CK_POLICY_INFO) == 32);
static_assert(sizeof(CK_APPLICATION_ID) == 16);
static_assert(sizeof(CK_OBJECT_MIGRATION_DATA) == 32);
static_assert(sizeof(CK_CPV4_EXTRACT_PARAMS) == 88);
static_assert(sizeof(CK_CPV4_INSERT_PARAMS) == 96);
static_assert(sizeof(CK_AES_CBC_PAD_EXTRACT_PARAMS) == 72);
static_assert(sizeof(CK_AES_CBC_PAD_INSERT_PARAMS) == 88);
static_assert(sizeof(CK_HA_MEMBER) == 32);
static_assert(sizeof(CK_HA_STATUS) == 1056);
static_assert(sizeof(CK_CLUSTER_STATE) == 320);
static_assert(sizeof(CK_KEY_STATUS) == 4);
static_assert(sizeof(CK_UTILIZATION_COUNTER) == 104);
static_assert(sizeof(HSM_STATS_PARAMS) == 24);
static_assert(sizeof(CA_MOFN_GENERATION) == 24);
static_assert(sizeof(CA_MOFN_ACTIVATION) == 16);
static_assert(sizeof(CA_MOFN_STATUS) == 40);
static_assert(sizeof(CKCA_MODULE_INFO) == 80);
static_assert(sizeof(CK_LKM_TOKEN_ID) == 20);
static_assert(sizeof(CK_BIP32_MASTER_DERIVE_PARAMS) == 48);
static_assert(sizeof(CK_BIP32_CHILD_DERIVE_PARAMS) == 72);
static_assert(sizeof(CK_ECIES_PARAMS) == 88);
static_assert(sizeof(CK_KDF_PRF_PARAMS) == 56);
static_assert(sizeof(CK_XOR_BASE_DATA_KDF_PARAMS) == 24);
static_assert(sizeof(CK_SHAKE_PARAMS) == 8);
static_assert(sizeof(CK_AES_GMAC_PARAMS) == 48);
static_assert(sizeof(CK_AES_XTS_PARAMS) == 24);
static_assert(sizeof(CK_EDDSA_PARAMS) == 24);
static_assert(sizeof(CK_GCM_PARAMS) == 48);
static_assert(sizeof(CK_PKCS5_PBKD2_PARAMS2) == 72);
#endif

#endif  // PERIGEE_BASE_LUNA_H_
