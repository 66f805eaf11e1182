#include "hsm/mac_tree.h"

#include <algorithm>
#include <numeric>
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

Tag FirstSixteen(const std::array<uint8_t, base::kSha256Size>& mac) {
  Tag out;
  std::copy_n(mac.begin(), out.size(), out.begin());
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

std::optional<uint64_t> LiveVersion(const LivePairs& pairs, uint64_t id) {
  auto it = Position(pairs, id);
  if (it == pairs.end() || it->id != id) return std::nullopt;
  return it->version;
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
  return StoreRoot(tx, Root{0, Bytes(kSlotsSize)});
}

absl::StatusOr<LivePairs> MacTree::Check(Reader& reader,
                                         uint32_t bucket) const {
  ASSIGN_OR_RETURN(const Root root, LoadRoot(reader));
  ASSIGN_OR_RETURN(const Bytes leaves,
                   LoadMiddle(reader, root, bucket / kFanOut));
  return LoadBucket(reader, leaves, bucket);
}

absl::Status MacTree::Change(Transaction& tx, uint64_t id,
                             std::optional<uint64_t> from,
                             std::optional<uint64_t> to) const {
  Changes one(*this, tx);
  RETURN_IF_ERROR(one.Change(id, from, to));
  return one.Finish();
}

absl::Status MacTree::Changes::Change(uint64_t id, std::optional<uint64_t> from,
                                      std::optional<uint64_t> to) {
  const auto bucket = static_cast<uint32_t>(id % kBuckets);
  const uint32_t middle = bucket / kFanOut;
  if (!root_.has_value()) {
    ASSIGN_OR_RETURN(root_, tree_.LoadRoot(tx_));
  }
  auto leaves = leaves_.find(middle);
  if (leaves == leaves_.end()) {
    ASSIGN_OR_RETURN(Bytes loaded, tree_.LoadMiddle(tx_, *root_, middle));
    leaves = leaves_.emplace(middle, std::move(loaded)).first;
  }
  auto known = buckets_.find(bucket);
  if (known == buckets_.end()) {
    ASSIGN_OR_RETURN(LivePairs loaded,
                     tree_.LoadBucket(tx_, leaves->second, bucket));
    known = buckets_.emplace(bucket, std::move(loaded)).first;
  }
  LivePairs& pairs = known->second;
  if (LiveVersion(pairs, id) != from) {
    return tree_.Damaged(absl::StrCat("record ", id, " is not the live one"));
  }
  auto at = pairs.begin() + (Position(pairs, id) - pairs.cbegin());
  if (from.has_value()) at = pairs.erase(at);
  if (to.has_value()) pairs.insert(at, {id, *to});
  ++root_->sequence;
  return absl::OkStatus();
}

absl::Status MacTree::Changes::Finish() {
  if (!root_.has_value()) return absl::OkStatus();
  for (const auto& [bucket, pairs] : buckets_) {
    SetSlot(leaves_[bucket / kFanOut], bucket % kFanOut,
            tree_.LeafMac(bucket, pairs));
  }
  for (const auto& [middle, leaves] : leaves_) {
    const std::string name = tree_.MiddleName(middle);
    if (AllZero(leaves)) {
      RETURN_IF_ERROR(tx_.DeleteValue(tree_.space_, name));
    } else {
      RETURN_IF_ERROR(tx_.PutValue(tree_.space_, name, leaves));
    }
    SetSlot(root_->middles, middle, tree_.MiddleMac(middle, leaves));
  }
  return tree_.StoreRoot(tx_, *root_);
}

absl::StatusOr<LivePairs> MacTree::CheckAll(Reader& reader) const {
  RecordQuery query;
  query.key = key_number_;
  ASSIGN_OR_RETURN(const auto stamps, reader.Find(space_, query));
  LivePairs all = PairsOf(stamps);
  RETURN_IF_ERROR(CheckAll(reader, all));
  return all;
}

absl::Status MacTree::CheckAll(Reader& reader, const LivePairs& all) const {
  // By bucket, and in one as they were. Where each bucket ends, and once its
  // pairs stand there, where it begins.
  std::vector<size_t> edges(kBuckets);
  for (const LivePair& pair : all) ++edges[pair.id % kBuckets];
  std::partial_sum(edges.begin(), edges.end(), edges.begin());
  LivePairs by_bucket(all.size());
  std::for_each(all.rbegin(), all.rend(), [&](const LivePair& pair) {
    by_bucket[--edges[pair.id % kBuckets]] = pair;
  });
  edges.push_back(all.size());

  ASSIGN_OR_RETURN(const Root root, LoadRoot(reader));
  for (uint32_t middle = 0; middle < kFanOut; ++middle) {
    ASSIGN_OR_RETURN(const Bytes leaves, LoadMiddle(reader, root, middle));
    for (uint32_t i = 0; i < kFanOut; ++i) {
      const uint32_t bucket = middle * kFanOut + i;
      const Tag mac = LeafMac(
          bucket, absl::MakeConstSpan(by_bucket).subspan(
                      edges[bucket], edges[bucket + 1] - edges[bucket]));
      if (!base::ConstantTimeEquals(mac, Slot(leaves, i))) {
        return Damaged(absl::StrCat("bucket ", bucket));
      }
    }
  }
  return absl::OkStatus();
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

absl::StatusOr<LivePairs> MacTree::LoadBucket(Reader& reader, ByteSpan leaves,
                                              uint32_t bucket) const {
  ASSIGN_OR_RETURN(const auto stamps,
                   reader.Bucket(space_, key_number_, bucket));
  LivePairs pairs = PairsOf(stamps);
  if (!base::ConstantTimeEquals(LeafMac(bucket, pairs),
                                Slot(leaves, bucket % kFanOut))) {
    return Damaged(absl::StrCat("bucket ", bucket));
  }
  return pairs;
}

base::SecretBytes MacTree::RootMac(uint64_t sequence, ByteSpan middles) const {
  wire::Writer head;
  head.U8(kRoot);
  head.U64(sequence);
  return base::HmacSha256(key_->Expose(), {head.bytes(), middles});
}

Tag MacTree::MiddleMac(uint32_t middle, ByteSpan leaves) const {
  if (AllZero(leaves)) return Tag{};
  const uint8_t head[] = {kMiddle, static_cast<uint8_t>(middle)};
  return FirstSixteen(base::HmacSha256Tag(key_->Expose(), {head, leaves}));
}

Tag MacTree::LeafMac(uint32_t bucket, absl::Span<const LivePair> pairs) const {
  if (pairs.empty()) return Tag{};
  wire::Writer in;
  in.U8(kLeaf);
  in.U16(static_cast<uint16_t>(bucket));
  for (const LivePair& pair : pairs) {
    in.U64(pair.id);
    in.U64(pair.version);
  }
  return FirstSixteen(base::HmacSha256Tag(key_->Expose(), {in.bytes()}));
}

absl::Status MacTree::Damaged(absl::string_view what) const {
  return base::ErrorWithReason(
      CKR_DEVICE_ERROR, kTamperedReason,
      absl::StrCat("the store was tampered with: space ", space_, ", tree ",
                   key_number_, ": ", what));
}

}  // namespace hsm
