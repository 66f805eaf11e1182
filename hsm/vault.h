// Seals whole objects under a partition's keys and keeps their freshness.
//
// The ladder (docs/formats/vault.md): a role's PIN -> key-encryption key ->
// wrapped KeyRing. Records are AES-256-GCM under a key derived from the ring's
// key and a random salt in each record; store id, space, id, version and key
// number are associated data. The live (id, version) pairs of each sealing key
// are authenticated by a MAC tree (64 x 64 buckets), updated in the transaction
// of the change and checked for a bucket when it is first read after the
// change counter moved. So a flipped bit, a swapped record, a record of
// another store, an old version or a destroyed one put back is
// CKR_DEVICE_ERROR (DataLoss), and never a weaker object.
#ifndef PERIGEE_HSM_VAULT_H_
#define PERIGEE_HSM_VAULT_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/secret_bytes.h"
#include "base/wire.h"
#include "hsm/derived_keys.h"
#include "hsm/store.h"

namespace hsm {

using base::SecretBytes;

// How a PIN becomes a key; kept beside what it wraps.
struct KdfParameters {
  enum class Algorithm : uint8_t { kScrypt = 1, kPbkdf2Sha256 = 2 };
  Algorithm algorithm = Algorithm::kScrypt;
  uint32_t cost = 15;  // scrypt: log2 N (8 to 20); PBKDF2: iterations
  Bytes salt;          // 32 bytes
  template <typename V>
  void Fields(V& v) {
    v(algorithm, cost, salt);
  }
};

// What a new PIN's derivation should cost.
enum class KdfCost : uint8_t {
  kCalibrated,  // 0.25 s here, N within 2^15 to 2^17
  kApproved,    // PBKDF2, 600,000 iterations
  kTest,        // N = 2^8: shows TEST in the token's model
};
absl::StatusOr<KdfParameters> NewKdfParameters(KdfCost cost);
// One derivation at a time in a process (memory). Takes no other lock.
absl::StatusOr<SecretBytes> DeriveFromPin(const KdfParameters& parameters,
                                          ByteSpan pin);

// The keys of a partition, 32 bytes each. Empty: not known to this holder.
struct KeyRing {
  SecretBytes public_key;   // K_public: seals CKA_PRIVATE false objects
  SecretBytes private_key;  // K_private
  SecretBytes trust_key;    // K_trust: MACs of roles, policies, trust
  DerivedKeys derived;      // not stored, not copied
  KeyRing Clone() const;
  template <typename V>
  void Fields(V& v) {
    v(public_key, private_key, trust_key);
  }
};

// Seals and opens a small secret (a KeyRing, a device key) under a 32-byte
// key, bound to `label`. CKR_DEVICE_ERROR when it was altered; for a key that
// came of a PIN the caller reads that as a wrong PIN.
absl::StatusOr<Bytes> SealSecret(ByteSpan key, absl::string_view label,
                                 ByteSpan secret);
absl::StatusOr<SecretBytes> OpenSecret(ByteSpan key, absl::string_view label,
                                       ByteSpan sealed);

// A MAC under K_trust over a named value of a space.
Bytes TrustMac(ByteSpan trust_key, SpaceId space, absl::string_view name,
               ByteSpan value);

// One content of one record. The salt is random and new with each version: two
// contents never have one edition, also when a store was set back to an older
// copy and changed anew.
struct Edition {
  uint64_t id = 0;
  uint64_t version = 0;
  std::array<uint8_t, 16> salt{};  // its first bytes
};

// One partition's records. Thread-safe; holds no keys and no open records but
// the memory of which buckets were checked at which generation.
class Vault {
 public:
  enum KeyNumber : uint8_t { kPublicKey = 0, kPrivateKey = 1 };

  // What is sealed and how it is found. `tagged` are (attribute type, value)
  // pairs; their tags are keyed by the sealing key.
  struct Draft {
    KeyNumber key = kPublicKey;
    uint32_t object_class = 0;
    uint64_t size = 0;
    ByteSpan plaintext;
    std::vector<std::pair<uint64_t, ByteSpan>> tagged;
  };
  struct Opened {
    uint64_t id = 0;
    uint64_t version = 0;
    KeyNumber key = kPublicKey;
    SecretBytes plaintext;
    std::array<uint8_t, 16> salt{};  // of its edition
  };

  Vault(Store* store, SpaceId space);
  ~Vault();

  // Begins an empty tree for a sealing key (partition made, first CO made).
  // CKR_FUNCTION_FAILED while records of an earlier key with that number are
  // there.
  absl::Status Begin(Transaction& tx, KeyNumber key, ByteSpan sealing_key);

  // Inserts under a fresh id, which it returns; or under an id the caller took
  // from tx.NextId() (when the plaintext must contain it). Here and in Replace
  // CKR_USER_NOT_LOGGED_IN when the ring lacks the draft's key.
  absl::StatusOr<uint64_t> Insert(Transaction& tx, const KeyRing& keys,
                                  const Draft& draft, uint64_t id = 0);
  // A draft as the first version of a record.
  struct Sealed {
    Record record;
    std::vector<Tag> tags;
    Edition edition() const;
  };
  // Seals each draft under its id, which is from tx.NextId().
  absl::StatusOr<std::vector<Sealed>> Seal(
      const KeyRing& keys, absl::Span<const Draft> drafts,
      absl::Span<const uint64_t> ids) const;
  // Inserts what was sealed with the same ring: several at once cost less.
  absl::Status InsertAll(Transaction& tx, const KeyRing& keys,
                         absl::Span<const Sealed> records);
  // Replaces the record, which must be at `expected_version`
  // (CKR_OBJECT_HANDLE_INVALID when it is gone, CKR_FUNCTION_FAILED when
  // somebody else replaced it); returns the new version. The sealing key may
  // change only from public to private (CKR_TEMPLATE_INCONSISTENT).
  absl::StatusOr<uint64_t> Replace(Transaction& tx, const KeyRing& keys,
                                   uint64_t id, uint64_t expected_version,
                                   const Draft& draft);
  absl::Status Erase(Transaction& tx, const KeyRing& keys, uint64_t id);

  // CKR_OBJECT_HANDLE_INVALID when it is not there or sealed under a key the
  // ring does not hold; CKR_DEVICE_ERROR when it was tampered with, or when a
  // live record is missing.
  absl::StatusOr<Opened> Open(Reader& reader, const KeyRing& keys, uint64_t id);
  // Only the stamp, checked for freshness: what a cached object needs. Reads
  // only the generation when the bucket is known at it.
  absl::StatusOr<RecordStamp> Stamp(Reader& reader, const KeyRing& keys,
                                    uint64_t id);

  // Ids under the keys that the ring holds whose tags fit; the opened record
  // decides. Empty `tagged` and no class: all of them.
  absl::StatusOr<std::vector<RecordStamp>> Find(
      Reader& reader, const KeyRing& keys, std::optional<uint32_t> object_class,
      const std::vector<std::pair<uint64_t, ByteSpan>>& tagged);

  // How many records there are under the keys that the ring holds.
  absl::StatusOr<uint64_t> Count(Reader& reader, const KeyRing& keys);

  // The editions of all records under the keys that the ring holds, ids
  // ascending, after both trees were checked. None is opened: bytes behind the
  // salt may be damaged.
  absl::StatusOr<std::vector<Edition>> Editions(Reader& reader,
                                                const KeyRing& keys);
  // Of a record that the caller has opened or stored in this very view: not
  // checked. CKR_OBJECT_HANDLE_INVALID when it is not there.
  absl::StatusOr<Edition> EditionOf(Reader& reader, uint64_t id);

  // Checks every record and both trees; the first error, or OK.
  absl::Status CheckAll(Reader& reader, const KeyRing& keys);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_VAULT_H_
