#include "hsm/vault.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto.h"
#include "hsm/mac_tree.h"

namespace hsm {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kSaltSize = 32;
constexpr size_t kKeySize = 32;
// Each key is used for one message only, so no nonce can repeat.
constexpr uint8_t kNonce[base::kAeadNonceSize] = {};

// format || salt || AEAD under a key derived from `key` and the salt.
absl::StatusOr<Bytes> SealWithSalt(ByteSpan key, absl::string_view purpose,
                                   ByteSpan salt, ByteSpan aad,
                                   ByteSpan plaintext) {
  if (key.size() != kKeySize) {
    return base::Error(CKR_GENERAL_ERROR, "sealing key of a wrong size");
  }
  ASSIGN_OR_RETURN(
      const SecretBytes once,
      base::HkdfSha256(key, salt, base::AsBytes(purpose), kKeySize));
  ASSIGN_OR_RETURN(const Bytes text,
                   base::AeadSeal(once.Expose(), kNonce, aad, plaintext));
  Bytes sealed;
  sealed.reserve(1 + salt.size() + text.size());
  sealed.push_back(kFormat);
  sealed.insert(sealed.end(), salt.begin(), salt.end());
  sealed.insert(sealed.end(), text.begin(), text.end());
  return sealed;
}

absl::StatusOr<SecretBytes> OpenWithSalt(ByteSpan key,
                                         absl::string_view purpose,
                                         ByteSpan aad, ByteSpan sealed) {
  if (key.size() != kKeySize) {
    return base::Error(CKR_GENERAL_ERROR, "sealing key of a wrong size");
  }
  if (sealed.size() < 1 + kSaltSize || sealed[0] != kFormat) {
    return base::Error(CKR_DEVICE_ERROR, "unknown form of sealed bytes");
  }
  ASSIGN_OR_RETURN(const SecretBytes once,
                   base::HkdfSha256(key, sealed.subspan(1, kSaltSize),
                                    base::AsBytes(purpose), kKeySize));
  return base::AeadOpen(once.Expose(), kNonce, aad,
                        sealed.subspan(1 + kSaltSize));
}

constexpr absl::string_view kRecordPurpose = "perigee record 1";
constexpr absl::string_view kSecretPurpose = "perigee secret 1";

// Every column beside the sealed bytes.
Bytes RecordAad(const Store& store, SpaceId space, const Record& record) {
  wire::Writer aad;
  aad.U8(kFormat);
  aad.Raw(store.store_id());
  aad.U32(space);
  aad.U64(record.id);
  aad.U64(record.version);
  aad.U8(record.key);
  aad.U32(record.object_class);
  aad.U64(record.size);
  return std::move(aad).Take();
}

Bytes SecretAad(absl::string_view label) {
  wire::Writer aad;
  aad.U8(kFormat);
  aad.Raw(base::AsBytes(label));
  return std::move(aad).Take();
}

using Tagged = std::vector<std::pair<uint64_t, ByteSpan>>;

// The ring's key of that number; empty when it does not hold it.
ByteSpan KeyOf(const KeyRing& keys, uint8_t number) {
  return number == Vault::kPublicKey ? keys.public_key.Expose()
                                     : keys.private_key.Expose();
}

absl::StatusOr<std::vector<Tag>> TagsOf(const Store& store, SpaceId space,
                                        uint8_t key_number, const KeyRing& keys,
                                        const Tagged& tagged) {
  std::vector<Tag> tags;
  if (tagged.empty()) return tags;
  ASSIGN_OR_RETURN(const auto index_key,
                   keys.derived.Get(DerivedKeys::Use::kIndex, store, space,
                                    key_number, KeyOf(keys, key_number)));
  for (const auto& [type, value] : tagged) {
    wire::Writer head;
    head.U64(type);
    const auto mac =
        base::HmacSha256Tag(index_key->Expose(), {head.bytes(), value});
    std::copy_n(mac.begin(), sizeof(Tag), tags.emplace_back().begin());
  }
  return tags;
}

constexpr uint8_t kKeyNumbers[] = {Vault::kPublicKey, Vault::kPrivateKey};

absl::Status Gone(uint64_t id) {
  return base::Error(CKR_OBJECT_HANDLE_INVALID, absl::StrCat("no object ", id));
}

// `first`: of the sealed bytes.
std::array<uint8_t, 16> SaltOf(const std::array<uint8_t, 17>& first) {
  std::array<uint8_t, 16> salt;
  static_assert(1 + sizeof salt == sizeof first && sizeof salt <= kSaltSize);
  std::copy(first.begin() + 1, first.end(), salt.begin());
  return salt;
}

absl::Status Tampered(SpaceId space, uint64_t id, absl::string_view what) {
  return base::ErrorWithReason(
      CKR_DEVICE_ERROR, kTamperedReason,
      absl::StrCat("the store was tampered with: space ", space, ", record ",
                   id, ": ", what));
}

}  // namespace

KeyRing KeyRing::Clone() const {
  return {public_key.Clone(), private_key.Clone(), trust_key.Clone(), {}};
}

absl::StatusOr<Bytes> SealSecret(ByteSpan key, absl::string_view label,
                                 ByteSpan secret) {
  ASSIGN_OR_RETURN(const Bytes salt, base::RandomBytes(kSaltSize));
  return SealWithSalt(key, kSecretPurpose, salt, SecretAad(label), secret);
}

absl::StatusOr<SecretBytes> OpenSecret(ByteSpan key, absl::string_view label,
                                       ByteSpan sealed) {
  return OpenWithSalt(key, kSecretPurpose, SecretAad(label), sealed);
}

Bytes TrustMac(ByteSpan trust_key, SpaceId space, absl::string_view name,
               ByteSpan value) {
  wire::Writer head;
  head.Raw(base::AsBytes("perigee trust 1"));
  head.U32(space);
  head.Text(name);
  return base::ToBytes(
      base::HmacSha256(trust_key, {head.bytes(), value}).Expose());
}

struct Vault::State {
  // A checked bucket: its pairs at a generation of the space.
  struct Checked {
    uint64_t generation;
    LivePairs pairs;
  };

  State(Store* the_store, SpaceId the_space)
      : store(the_store), space(the_space) {}

  absl::StatusOr<MacTree> Tree(uint8_t number, ByteSpan sealing_key,
                               const DerivedKeys& derived) const {
    ASSIGN_OR_RETURN(auto key, derived.Get(DerivedKeys::Use::kTree, *store,
                                           space, number, sealing_key));
    return MacTree(space, number, std::move(key));
  }
  absl::StatusOr<MacTree> Tree(const KeyRing& keys, uint8_t number) const {
    return Tree(number, KeyOf(keys, number), keys.derived);
  }

  // The live version of `id` under a key that the ring holds, by the tree on
  // the reader's view or the memory of it. `expected` is what the caller found
  // in the store: when the memory says otherwise the view is checked, so that
  // only the tree calls it tampering.
  absl::StatusOr<std::optional<uint64_t>> Live(
      Reader& reader, const KeyRing& keys, uint8_t key, uint64_t id,
      std::optional<std::optional<uint64_t>> expected);

  // Nothing lives under `id` that the ring could see: Gone, or tampering.
  absl::Status Absent(Reader& reader, const KeyRing& keys, uint64_t id);

  absl::StatusOr<SecretBytes> OpenRecord(const KeyRing& keys,
                                         const Record& record) const;
  // The draft as (id, version). The salt is fresh.
  absl::StatusOr<Sealed> Seal(const KeyRing& keys, const Draft& draft,
                              uint64_t id, uint64_t version,
                              ByteSpan salt) const;
  // The record that a change begins from, which must be there and be known to
  // the ring.
  absl::StatusOr<Record> Former(Transaction& tx, const KeyRing& keys,
                                uint64_t id);

  Store* const store;
  const SpaceId space;
  absl::Mutex mu;
  // By key number and bucket.
  absl::flat_hash_map<uint32_t, Checked> checked[2] ABSL_GUARDED_BY(mu);
  // The highest generation that a reader came with.
  uint64_t newest ABSL_GUARDED_BY(mu) = 0;
};

Vault::Vault(Store* store, SpaceId space)
    : state_(std::make_unique<State>(store, space)) {}

Vault::~Vault() = default;

absl::Status Vault::Begin(Transaction& tx, KeyNumber key,
                          ByteSpan sealing_key) {
  ASSIGN_OR_RETURN(const MacTree tree,
                   state_->Tree(key, sealing_key, DerivedKeys()));
  return tree.Begin(tx);
}

absl::StatusOr<uint64_t> Vault::Insert(Transaction& tx, const KeyRing& keys,
                                       const Draft& draft, uint64_t id) {
  if (id == 0) {
    ASSIGN_OR_RETURN(id, tx.NextId());
  }
  ASSIGN_OR_RETURN(const std::vector<Sealed> sealed,
                   Seal(keys, {&draft, 1}, {&id, 1}));
  RETURN_IF_ERROR(InsertAll(tx, keys, sealed));
  return id;
}

Edition Vault::Sealed::edition() const {
  return {record.id, record.version, SaltOf(FirstOf(record.sealed))};
}

absl::StatusOr<std::vector<Vault::Sealed>> Vault::Seal(
    const KeyRing& keys, absl::Span<const Draft> drafts,
    absl::Span<const uint64_t> ids) const {
  ASSIGN_OR_RETURN(const Bytes salts,
                   base::RandomBytes(kSaltSize * drafts.size()));
  std::vector<Sealed> sealed(drafts.size());
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (KeyOf(keys, drafts[i].key).empty()) {
      return base::Error(CKR_USER_NOT_LOGGED_IN,
                         "the sealing key is not known");
    }
    ASSIGN_OR_RETURN(sealed[i], state_->Seal(keys, drafts[i], ids[i], 1,
                                             ByteSpan(salts).subspan(
                                                 i * kSaltSize, kSaltSize)));
  }
  return sealed;
}

absl::Status Vault::InsertAll(Transaction& tx, const KeyRing& keys,
                              absl::Span<const Sealed> records) {
  for (const uint8_t key : kKeyNumbers) {
    std::optional<MacTree> tree;
    std::optional<MacTree::Changes> changes;
    for (const auto& [record, tags] : records) {
      if (record.key != key) continue;
      if (KeyOf(keys, key).empty()) {
        return base::Error(CKR_USER_NOT_LOGGED_IN,
                           "the sealing key is not known");
      }
      // The tree would only notice one under the same key.
      ASSIGN_OR_RETURN(const auto taken, tx.Get(state_->space, record.id));
      if (taken.has_value()) {
        return base::Error(CKR_GENERAL_ERROR, "an insert under an id in use");
      }
      if (!tree.has_value()) {
        ASSIGN_OR_RETURN(tree, state_->Tree(keys, key));
        changes.emplace(*tree, tx);
      }
      RETURN_IF_ERROR(changes->Change(record.id, std::nullopt, record.version));
    }
    if (changes.has_value()) RETURN_IF_ERROR(changes->Finish());
  }
  for (const auto& [record, tags] : records) {
    RETURN_IF_ERROR(tx.Put(state_->space, record, tags));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Vault::Replace(Transaction& tx, const KeyRing& keys,
                                        uint64_t id, uint64_t expected_version,
                                        const Draft& draft) {
  ASSIGN_OR_RETURN(const Record former, state_->Former(tx, keys, id));
  if (former.version != expected_version) {
    return base::Error(CKR_FUNCTION_FAILED,
                       absl::StrCat("object ", id, " was changed meanwhile"));
  }
  if (draft.key < former.key) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "a private object stays private");
  }
  const uint64_t version = former.version + 1;
  ASSIGN_OR_RETURN(const MacTree tree, state_->Tree(keys, former.key));
  if (draft.key == former.key) {
    RETURN_IF_ERROR(tree.Change(tx, id, former.version, version));
  } else {
    const ByteSpan sealing_key = KeyOf(keys, draft.key);
    if (sealing_key.empty()) {
      return base::Error(CKR_USER_NOT_LOGGED_IN,
                         "the sealing key is not known");
    }
    ASSIGN_OR_RETURN(const MacTree other, state_->Tree(keys, draft.key));
    RETURN_IF_ERROR(tree.Change(tx, id, former.version, std::nullopt));
    RETURN_IF_ERROR(other.Change(tx, id, std::nullopt, version));
  }
  ASSIGN_OR_RETURN(const Bytes salt, base::RandomBytes(kSaltSize));
  ASSIGN_OR_RETURN(const Sealed sealed,
                   state_->Seal(keys, draft, id, version, salt));
  RETURN_IF_ERROR(tx.Put(state_->space, sealed.record, sealed.tags));
  return version;
}

absl::Status Vault::Erase(Transaction& tx, const KeyRing& keys, uint64_t id) {
  ASSIGN_OR_RETURN(const Record former, state_->Former(tx, keys, id));
  ASSIGN_OR_RETURN(const MacTree tree, state_->Tree(keys, former.key));
  RETURN_IF_ERROR(tree.Change(tx, id, former.version, std::nullopt));
  return tx.Delete(state_->space, id);
}

absl::StatusOr<Vault::Opened> Vault::Open(Reader& reader, const KeyRing& keys,
                                          uint64_t id) {
  ASSIGN_OR_RETURN(const std::optional<Record> record,
                   reader.Get(state_->space, id));
  if (!record.has_value()) return state_->Absent(reader, keys, id);
  if (record->key > kPrivateKey) {
    return Tampered(state_->space, id, "no such sealing key");
  }
  if (KeyOf(keys, record->key).empty()) return Gone(id);
  ASSIGN_OR_RETURN(
      const std::optional<uint64_t> live,
      state_->Live(reader, keys, record->key, id, record->version));
  if (live != record->version) {
    return Tampered(state_->space, id, "not the live version");
  }
  ASSIGN_OR_RETURN(SecretBytes plaintext, state_->OpenRecord(keys, *record));
  return Opened{id, record->version, static_cast<KeyNumber>(record->key),
                std::move(plaintext), SaltOf(FirstOf(record->sealed))};
}

absl::StatusOr<RecordStamp> Vault::Stamp(Reader& reader, const KeyRing& keys,
                                         uint64_t id) {
  for (const uint8_t key : kKeyNumbers) {
    if (KeyOf(keys, key).empty()) continue;
    ASSIGN_OR_RETURN(const std::optional<uint64_t> live,
                     state_->Live(reader, keys, key, id, std::nullopt));
    if (live.has_value()) return RecordStamp{id, *live, key};
  }
  return Gone(id);
}

absl::StatusOr<std::vector<RecordStamp>> Vault::Find(
    Reader& reader, const KeyRing& keys, std::optional<uint32_t> object_class,
    const std::vector<std::pair<uint64_t, ByteSpan>>& tagged) {
  std::vector<RecordStamp> found;
  for (const uint8_t key : kKeyNumbers) {
    const ByteSpan sealing_key = KeyOf(keys, key);
    if (sealing_key.empty()) continue;
    RecordQuery query;
    query.key = key;
    query.object_class = object_class;
    ASSIGN_OR_RETURN(query.tags,
                     TagsOf(*state_->store, state_->space, key, keys, tagged));
    ASSIGN_OR_RETURN(const auto under_key, reader.Find(state_->space, query));
    found.insert(found.end(), under_key.begin(), under_key.end());
  }
  std::sort(
      found.begin(), found.end(),
      [](const RecordStamp& a, const RecordStamp& b) { return a.id < b.id; });
  return found;
}

absl::StatusOr<uint64_t> Vault::Count(Reader& reader, const KeyRing& keys) {
  uint64_t count = 0;
  for (const uint8_t key : kKeyNumbers) {
    if (KeyOf(keys, key).empty()) continue;
    ASSIGN_OR_RETURN(const uint64_t under_key,
                     reader.Count(state_->space, key));
    count += under_key;
  }
  return count;
}

absl::StatusOr<std::vector<Edition>> Vault::Editions(Reader& reader,
                                                     const KeyRing& keys) {
  std::vector<Edition> editions;
  for (const uint8_t key : kKeyNumbers) {
    if (KeyOf(keys, key).empty()) continue;
    ASSIGN_OR_RETURN(const std::vector<RecordHead> heads,
                     reader.Heads(state_->space, key));
    LivePairs pairs;
    pairs.reserve(heads.size());
    editions.reserve(editions.size() + heads.size());
    for (const RecordHead& head : heads) {
      pairs.push_back({head.stamp.id, head.stamp.version});
      editions.push_back(
          {head.stamp.id, head.stamp.version, SaltOf(head.first)});
    }
    ASSIGN_OR_RETURN(const MacTree tree, state_->Tree(keys, key));
    RETURN_IF_ERROR(tree.CheckAll(reader, pairs));
  }
  std::sort(editions.begin(), editions.end(),
            [](const Edition& a, const Edition& b) { return a.id < b.id; });
  return editions;
}

absl::StatusOr<Edition> Vault::EditionOf(Reader& reader, uint64_t id) {
  ASSIGN_OR_RETURN(const std::optional<Record> record,
                   reader.Get(state_->space, id));
  if (!record.has_value()) return Gone(id);
  return Edition{id, record->version, SaltOf(FirstOf(record->sealed))};
}

absl::Status Vault::CheckAll(Reader& reader, const KeyRing& keys) {
  for (const uint8_t key : kKeyNumbers) {
    const ByteSpan sealing_key = KeyOf(keys, key);
    if (sealing_key.empty()) continue;
    ASSIGN_OR_RETURN(const MacTree tree, state_->Tree(keys, key));
    ASSIGN_OR_RETURN(const LivePairs pairs, tree.CheckAll(reader));
    for (const LivePair& pair : pairs) {
      ASSIGN_OR_RETURN(const std::optional<Record> record,
                       reader.Get(state_->space, pair.id));
      if (!record.has_value() || record->version != pair.version) {
        return Tampered(state_->space, pair.id, "not the live version");
      }
      RETURN_IF_ERROR(state_->OpenRecord(keys, *record).status());
    }
  }
  ASSIGN_OR_RETURN(const auto all, reader.Find(state_->space, RecordQuery()));
  for (const RecordStamp& stamp : all) {
    if (stamp.key > kPrivateKey) {
      return Tampered(state_->space, stamp.id, "no such sealing key");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<uint64_t>> Vault::State::Live(
    Reader& reader, const KeyRing& keys, uint8_t key, uint64_t id,
    std::optional<std::optional<uint64_t>> expected) {
  const auto bucket = static_cast<uint32_t>(id % kBuckets);
  uint64_t generation = reader.Generation(space);
  if (generation != kBusyGeneration) {
    absl::MutexLock lock(&mu);
    // An older view than one seen before is a slow reader's, or it is a
    // database whose count was set back to where the memory would serve an
    // attacker. Neither uses the memory.
    if (generation < newest) {
      generation = kBusyGeneration;
    } else {
      newest = generation;
    }
    auto it = checked[key].find(bucket);
    if (it != checked[key].end() && it->second.generation == generation) {
      const std::optional<uint64_t> live = LiveVersion(it->second.pairs, id);
      if (!expected.has_value() || live == *expected) return live;
    }
  }
  ASSIGN_OR_RETURN(const MacTree tree, Tree(keys, key));
  ASSIGN_OR_RETURN(LivePairs pairs, tree.Check(reader, bucket));
  const std::optional<uint64_t> live = LiveVersion(pairs, id);
  if (generation != kBusyGeneration) {
    absl::MutexLock lock(&mu);
    checked[key].insert_or_assign(bucket,
                                  Checked{generation, std::move(pairs)});
  }
  return live;
}

absl::Status Vault::State::Absent(Reader& reader, const KeyRing& keys,
                                  uint64_t id) {
  for (const uint8_t key : kKeyNumbers) {
    if (KeyOf(keys, key).empty()) continue;
    ASSIGN_OR_RETURN(
        const std::optional<uint64_t> live,
        Live(reader, keys, key, id, std::optional<uint64_t>(std::nullopt)));
    if (live.has_value()) return Tampered(space, id, "is missing");
  }
  return Gone(id);
}

absl::StatusOr<SecretBytes> Vault::State::OpenRecord(
    const KeyRing& keys, const Record& record) const {
  absl::StatusOr<SecretBytes> opened =
      OpenWithSalt(KeyOf(keys, record.key), kRecordPurpose,
                   RecordAad(*store, space, record), record.sealed);
  if (!opened.ok() && base::CkRv(opened.status()) == CKR_DEVICE_ERROR) {
    return Tampered(space, record.id, "does not open");
  }
  return opened;
}

absl::StatusOr<Vault::Sealed> Vault::State::Seal(const KeyRing& keys,
                                                 const Draft& draft,
                                                 uint64_t id, uint64_t version,
                                                 ByteSpan salt) const {
  Sealed sealed;
  Record& record = sealed.record;
  record.id = id;
  record.version = version;
  record.key = draft.key;
  record.object_class = draft.object_class;
  record.size = draft.size;
  ASSIGN_OR_RETURN(
      record.sealed,
      SealWithSalt(KeyOf(keys, draft.key), kRecordPurpose, salt,
                   RecordAad(*store, space, record), draft.plaintext));
  ASSIGN_OR_RETURN(sealed.tags,
                   TagsOf(*store, space, draft.key, keys, draft.tagged));
  return sealed;
}

absl::StatusOr<Record> Vault::State::Former(Transaction& tx,
                                            const KeyRing& keys, uint64_t id) {
  ASSIGN_OR_RETURN(std::optional<Record> record, tx.Get(space, id));
  if (!record.has_value()) return Absent(tx, keys, id);
  if (record->key > kPrivateKey) {
    return Tampered(space, id, "no such sealing key");
  }
  if (KeyOf(keys, record->key).empty()) return Gone(id);
  return *std::move(record);
}

}  // namespace hsm
