// The tree of MACs that says which (id, version) pairs of one sealing key are
// live: 4096 buckets under 64 middle nodes under a root, kept as named values
// of the space. docs/formats/vault.md, "MAC tree".
#ifndef PERIGEE_HSM_MAC_TREE_H_
#define PERIGEE_HSM_MAC_TREE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/secret_bytes.h"
#include "hsm/store.h"

namespace hsm {

// The reason in an error about a store that was tampered with, unlike one
// about a store that cannot be read now.
inline constexpr char kTamperedReason[] = "tampered";

struct LivePair {
  uint64_t id;
  uint64_t version;
};
using LivePairs = std::vector<LivePair>;  // ids ascending

// The version of `id` in `pairs`, if it is live.
std::optional<uint64_t> LiveVersion(const LivePairs& pairs, uint64_t id);

// Holds the tree's key (DerivedKeys::Use::kTree); made for one operation and
// dropped. Damage is CKR_DEVICE_ERROR everywhere.
class MacTree {
 public:
  MacTree(SpaceId space, uint8_t key_number,
          std::shared_ptr<const base::SecretBytes> key)
      : space_(space), key_number_(key_number), key_(std::move(key)) {}

  // Writes an empty tree; CKR_FUNCTION_FAILED while the key has records.
  absl::Status Begin(Transaction& tx) const;

  // The pairs of a bucket, after its leaf, middle node and root were checked.
  absl::StatusOr<LivePairs> Check(Reader& reader, uint32_t bucket) const;

  // Checks as Check does, then makes `to` the version of `id`, which must be
  // `from` until now (nothing: not live). Called before the record itself is
  // changed.
  absl::Status Change(Transaction& tx, uint64_t id,
                      std::optional<uint64_t> from,
                      std::optional<uint64_t> to) const;

  // The same for many records, in one transaction: each node is read and
  // checked once and written once. While it lives nothing else changes the
  // tree. Without Finish nothing is written.
  class Changes;

  // Checks every node against the live records; all pairs, ids ascending.
  absl::StatusOr<LivePairs> CheckAll(Reader& reader) const;
  // The same with all records of the key as the caller read them.
  absl::Status CheckAll(Reader& reader, const LivePairs& all) const;

 private:
  struct Root {
    uint64_t sequence = 0;
    Bytes middles;
  };

  std::string RootName() const;
  std::string MiddleName(uint32_t middle) const;
  absl::StatusOr<Root> LoadRoot(Reader& reader) const;
  // The leaf MACs of a middle node, after it was checked against `root`.
  absl::StatusOr<Bytes> LoadMiddle(Reader& reader, const Root& root,
                                   uint32_t middle) const;
  absl::StatusOr<LivePairs> LoadBucket(Reader& reader, ByteSpan leaves,
                                       uint32_t bucket) const;
  absl::Status StoreRoot(Transaction& tx, const Root& root) const;
  base::SecretBytes RootMac(uint64_t sequence, ByteSpan middles) const;
  Tag MiddleMac(uint32_t middle, ByteSpan leaves) const;
  Tag LeafMac(uint32_t bucket, absl::Span<const LivePair> pairs) const;
  absl::Status Damaged(absl::string_view what) const;

  SpaceId space_;
  uint8_t key_number_;
  std::shared_ptr<const base::SecretBytes> key_;
};

class MacTree::Changes {
 public:
  Changes(const MacTree& tree, Transaction& tx) : tree_(tree), tx_(tx) {}

  absl::Status Change(uint64_t id, std::optional<uint64_t> from,
                      std::optional<uint64_t> to);
  absl::Status Finish();

 private:
  const MacTree& tree_;
  Transaction& tx_;
  std::optional<Root> root_;
  std::map<uint32_t, Bytes> leaves_;       // by middle node
  std::map<uint32_t, LivePairs> buckets_;  // those that were changed
};

}  // namespace hsm

#endif  // PERIGEE_HSM_MAC_TREE_H_
