#include "hsm/mac_tree.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/crypto.h"
#include "base/wire.h"

namespace hsm {
namespace {

constexpr uint8_t kFormat = 1;
constexpr uint32_t kFanOut = 64;
static_assert(kFanOut * kFanOut == kBuckets);
constexpr size_t kMacSize = sizeof(Tag);
constexpr size_t kSlotsSize = kFanOut * kMacSize;

// The first byte of what a MAC is over.
enum NodeKind : uint8_t { kLeaf = 0, kMiddle = 1, kRoot = 2 };

ByteSpan Slot(ByteSpan slots, uint32_t i) {
  return slots.subspan(i * kMacSize, kMacSize);
}

void SetSlot(Bytes& slots, uint32_t i, const Tag& mac) {
  std::copy(mac.begin(), mac.end(), slots.begin() + i * kMacSize);
}

bool AllZero(ByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](uint8_t b) { return b == 0; });
}

Tag FirstSixteen(const base::SecretBytes& mac) {
  Tag out;
  std::copy_n(mac.Expose().begin(), out.size(), out.begin());
  return out;
}

LivePairs PairsOf(const std::vector<RecordStamp>& stamps) {
  LivePairs pairs;
  pairs.reserve(stamps.size());
  for (const RecordStamp& stamp : stamps) {
    pairs.push_back({stamp.id, stamp.version});
  }
  return pairs;
}

auto Position(const LivePairs& pairs, uint64_t id) {
  return std::lower_bound(
      pairs.begin(), pairs.end(), id,
      [](const LivePair& pair, uint64_t wanted) { return pair.id < wanted; });
}

}  // namespace

struct MacTree::Root {
  uint64_t sequence = 0;
  Bytes middles = Bytes(kSlotsSize);
};

// What lies between a bucket and the root, all of it checked.
struct MacTree::Path {
  Root root;
  Bytes leaves;
  LivePairs pairs;
};

std::optional<uint64_t> LiveVersion(const LivePairs& pairs, uint64_t id) {
  auto it = Position(pairs, id);
  if (it == pairs.end() || it->id != id) return std::nullopt;
  return it->version;
}

absl::StatusOr<MacTree> MacTree::For(const Store& store, SpaceId space,
                                     uint8_t key_number, ByteSpan sealing_key) {
  wire::Writer info;
  info.Raw(base::AsBytes("perigee tree 1"));
  info.U32(space);
  info.U8(key_number);
  ASSIGN_OR_RETURN(auto key, base::HkdfSha256(sealing_key, store.store_id(),
                                              info.bytes(), base::kSha256Size));
  return MacTree(space, key_number, std::move(key));
}

absl::Status MacTree::Begin(Transaction& tx) const {
  RecordQuery query;
  query.key = key_number_;
  ASSIGN_OR_RETURN(const auto records, tx.Find(space_, query));
  if (!records.empty()) {
    return base::Error(CKR_FUNCTION_FAILED,
                       "a tree begins, and its key has records already");
  }
  // Of an earlier key with this number.
  ASSIGN_OR_RETURN(const auto former,
                   tx.ListValues(space_, absl::StrCat(RootName(), "/")));
  for (const std::string& name : former) {
    RETURN_IF_ERROR(tx.DeleteValue(space_, name));
  }
  return StoreRoot(tx, Root());
}

absl::StatusOr<LivePairs> MacTree::Check(Reader& reader,
                                         uint32_t bucket) const {
  ASSIGN_OR_RETURN(Path path, LoadPath(reader, bucket));
  return std::move(path.pairs);
}

absl::Status MacTree::Change(Transaction& tx, uint64_t id,
                             std::optional<uint64_t> from,
                             std::optional<uint64_t> to) const {
  const auto bucket = static_cast<uint32_t>(id % kBuckets);
  const uint32_t middle = bucket / kFanOut;
  ASSIGN_OR_RETURN(Path path, LoadPath(tx, bucket));
  if (LiveVersion(path.pairs, id) != from) {
    return Damaged(absl::StrCat("record ", id, " is not the live one"));
  }
  auto at =
      path.pairs.begin() + (Position(path.pairs, id) - path.pairs.cbegin());
  if (from.has_value()) at = path.pairs.erase(at);
  if (to.has_value()) path.pairs.insert(at, {id, *to});

  SetSlot(path.leaves, bucket % kFanOut, LeafMac(bucket, path.pairs));
  if (AllZero(path.leaves)) {
    RETURN_IF_ERROR(tx.DeleteValue(space_, MiddleName(middle)));
  } else {
    RETURN_IF_ERROR(tx.PutValue(space_, MiddleName(middle), path.leaves));
  }
  SetSlot(path.root.middles, middle, MiddleMac(middle, path.leaves));
  ++path.root.sequence;
  return StoreRoot(tx, path.root);
}

absl::StatusOr<LivePairs> MacTree::CheckAll(Reader& reader) const {
  RecordQuery query;
  query.key = key_number_;
  ASSIGN_OR_RETURN(const auto stamps, reader.Find(space_, query));
  LivePairs all = PairsOf(stamps);
  std::vector<LivePairs> buckets(kBuckets);
  for (const LivePair& pair : all) buckets[pair.id % kBuckets].push_back(pair);

  ASSIGN_OR_RETURN(const Root root, LoadRoot(reader));
  for (uint32_t middle = 0; middle < kFanOut; ++middle) {
    ASSIGN_OR_RETURN(const Bytes leaves, LoadMiddle(reader, root, middle));
    for (uint32_t i = 0; i < kFanOut; ++i) {
      const uint32_t bucket = middle * kFanOut + i;
      const Tag mac = LeafMac(bucket, buckets[bucket]);
      if (!base::ConstantTimeEquals(mac, Slot(leaves, i))) {
        return Damaged(absl::StrCat("bucket ", bucket));
      }
    }
  }
  return all;
}

std::string MacTree::RootName() const {
  return absl::StrCat(kRecordValues, key_number_);
}

std::string MacTree::MiddleName(uint32_t middle) const {
  return absl::StrFormat("%s/%02x", RootName(), middle);
}

absl::StatusOr<MacTree::Root> MacTree::LoadRoot(Reader& reader) const {
  ASSIGN_OR_RETURN(const std::optional<Bytes> value,
                   reader.GetValue(space_, RootName()));
  if (!value.has_value()) return Damaged("no root");
  wire::Reader in(*value);
  Root root;
  const uint8_t format = in.U8();
  root.sequence = in.U64();
  root.middles = base::ToBytes(in.Raw(kSlotsSize));
  const ByteSpan mac = in.Raw(base::kSha256Size);
  if (!in.Finish("root").ok() || format != kFormat ||
      !RootMac(root.sequence, root.middles).Equals(mac)) {
    return Damaged("root");
  }
  return root;
}

absl::Status MacTree::StoreRoot(Transaction& tx, const Root& root) const {
  wire::Writer out;
  out.U8(kFormat);
  out.U64(root.sequence);
  out.Raw(root.middles);
  out.Raw(RootMac(root.sequence, root.middles).Expose());
  return tx.PutValue(space_, RootName(), out.bytes());
}

absl::StatusOr<Bytes> MacTree::LoadMiddle(Reader& reader, const Root& root,
                                          uint32_t middle) const {
  ASSIGN_OR_RETURN(std::optional<Bytes> value,
                   reader.GetValue(space_, MiddleName(middle)));
  Bytes leaves = value.has_value() ? *std::move(value) : Bytes(kSlotsSize);
  if (leaves.size() != kSlotsSize ||
      !base::ConstantTimeEquals(MiddleMac(middle, leaves),
                                Slot(root.middles, middle))) {
    return Damaged(absl::StrCat("middle node ", middle));
  }
  return leaves;
}

absl::StatusOr<MacTree::Path> MacTree::LoadPath(Reader& reader,
                                                uint32_t bucket) const {
  Path path;
  ASSIGN_OR_RETURN(path.root, LoadRoot(reader));
  ASSIGN_OR_RETURN(path.leaves,
                   LoadMiddle(reader, path.root, bucket / kFanOut));
  ASSIGN_OR_RETURN(const auto stamps,
                   reader.Bucket(space_, key_number_, bucket));
  path.pairs = PairsOf(stamps);
  if (!base::ConstantTimeEquals(LeafMac(bucket, path.pairs),
                                Slot(path.leaves, bucket % kFanOut))) {
    return Damaged(absl::StrCat("bucket ", bucket));
  }
  return path;
}

base::SecretBytes MacTree::RootMac(uint64_t sequence, ByteSpan middles) const {
  wire::Writer head;
  head.U8(kRoot);
  head.U64(sequence);
  return base::HmacSha256(key_.Expose(), {head.bytes(), middles});
}

Tag MacTree::MiddleMac(uint32_t middle, ByteSpan leaves) const {
  if (AllZero(leaves)) return Tag{};
  const uint8_t head[] = {kMiddle, static_cast<uint8_t>(middle)};
  return FirstSixteen(base::HmacSha256(key_.Expose(), {head, leaves}));
}

Tag MacTree::LeafMac(uint32_t bucket, const LivePairs& pairs) const {
  if (pairs.empty()) return Tag{};
  wire::Writer in;
  in.U8(kLeaf);
  in.U16(static_cast<uint16_t>(bucket));
  for (const LivePair& pair : pairs) {
    in.U64(pair.id);
    in.U64(pair.version);
  }
  return FirstSixteen(base::HmacSha256(key_.Expose(), {in.bytes()}));
}

absl::Status MacTree::Damaged(absl::string_view what) const {
  return base::ErrorWithReason(
      CKR_DEVICE_ERROR, kTamperedReason,
      absl::StrCat("the store was tampered with: space ", space_, ", tree ",
                   key_number_, ": ", what));
}

}  // namespace hsm
