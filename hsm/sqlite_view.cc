#include "hsm/sqlite_view.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hsm {
namespace {

constexpr uint64_t kMaxId = std::numeric_limits<int64_t>::max();

bool ById(const RecordStamp& a, const RecordStamp& b) { return a.id < b.id; }

bool Fits(const RecordQuery& query, uint8_t key, uint32_t object_class) {
  return (!query.key.has_value() || *query.key == key) &&
         (!query.object_class.has_value() ||
          *query.object_class == object_class);
}

std::vector<Tag> SplitTags(ByteSpan blob) {
  std::vector<Tag> tags(blob.size() / sizeof(Tag));
  for (size_t i = 0; i < tags.size(); ++i) {
    std::memcpy(tags[i].data(), blob.data() + i * sizeof(Tag), sizeof(Tag));
  }
  return tags;
}

Bytes JoinTags(const std::vector<Tag>& tags) {
  Bytes blob;
  blob.reserve(tags.size() * sizeof(Tag));
  for (const Tag& tag : tags) blob.insert(blob.end(), tag.begin(), tag.end());
  return blob;
}

std::vector<Tag> Without(const std::vector<Tag>& a, const std::vector<Tag>& b) {
  std::vector<Tag> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                      std::back_inserter(out));
  return out;
}

}  // namespace

absl::StatusOr<std::optional<Record>> SqliteView::Get(SpaceId space,
                                                      uint64_t id) {
  if (IsUnusedDraw(id)) return std::nullopt;
  SqliteQuery query(connection_, Sql::kGet);
  query.Bind(id).Bind(space);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  Record record;
  record.id = id;
  record.version = query.Int(0);
  record.key = static_cast<uint8_t>(query.Int(1));
  record.object_class = static_cast<uint32_t>(query.Int(2));
  record.size = query.Int(3);
  record.sealed = base::ToBytes(query.Blob(4));
  return record;
}

absl::StatusOr<std::vector<RecordStamp>> SqliteView::Find(
    SpaceId space, const RecordQuery& query) {
  if (!query.tags.empty()) return FindByTags(space, query);
  const bool by_key = query.key.has_value();
  const bool by_class = by_key && query.object_class.has_value();
  SqliteQuery rows(connection_, by_class ? Sql::kFindClass
                                : by_key ? Sql::kFindKey
                                         : Sql::kFindAll);
  rows.Bind(space);
  if (by_key) rows.Bind(*query.key);
  if (by_class) rows.Bind(*query.object_class);
  std::vector<RecordStamp> found;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    const auto key = static_cast<uint8_t>(rows.Int(2));
    if (!Fits(query, key, static_cast<uint32_t>(rows.Int(3)))) continue;
    found.push_back({rows.Int(0), rows.Int(1), key});
  }
  std::sort(found.begin(), found.end(), ById);
  return found;
}

// Walks all tags' id lists at once: each is asked for its first id that is not
// below the largest one seen, so the rarest tag decides how long it takes.
absl::StatusOr<std::vector<RecordStamp>> SqliteView::FindByTags(
    SpaceId space, const RecordQuery& query) {
  std::vector<RecordStamp> found;
  uint64_t id = 0;
  size_t agreed = 0;
  for (size_t i = 0;; i = (i + 1) % query.tags.size()) {
    ASSIGN_OR_RETURN(const std::optional<uint64_t> next,
                     SeekTag(space, query.tags[i], id));
    if (!next.has_value()) return found;
    agreed = *next == id ? agreed + 1 : 1;
    id = *next;
    if (agreed < query.tags.size()) continue;
    SqliteQuery row(connection_, Sql::kStamp);
    row.Bind(id).Bind(space);
    ASSIGN_OR_RETURN(const bool exists, row.Step());
    const auto key = static_cast<uint8_t>(row.Int(1));
    if (exists && Fits(query, key, static_cast<uint32_t>(row.Int(2)))) {
      found.push_back({id, row.Int(0), key});
    }
    ++id;
    agreed = 0;
  }
}

absl::StatusOr<std::optional<uint64_t>> SqliteView::SeekTag(SpaceId space,
                                                            const Tag& tag,
                                                            uint64_t from) {
  SqliteQuery query(connection_, Sql::kTagSeek);
  query.Bind(space).Bind(ByteSpan(tag)).Bind(from);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return query.Int(0);
}

absl::StatusOr<std::vector<RecordStamp>> SqliteView::Bucket(SpaceId space,
                                                            uint8_t key,
                                                            uint32_t bucket) {
  SqliteQuery rows(connection_, Sql::kBucket);
  rows.Bind(space).Bind(key).Bind(bucket);
  std::vector<RecordStamp> found;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    found.push_back({rows.Int(0), rows.Int(1), key});
  }
  std::sort(found.begin(), found.end(), ById);
  return found;
}

absl::StatusOr<std::vector<RecordHead>> SqliteView::Heads(SpaceId space,
                                                          uint8_t key) {
  ASSIGN_OR_RETURN(const uint64_t count, Count(space, key));
  SqliteQuery all(connection_, Sql::kCountAll);
  RETURN_IF_ERROR(all.Step().status());
  // Where they are the most of the store, its records are read as they lie.
  const bool most = count > all.Int(0) / 2;
  SqliteQuery rows(connection_, most ? Sql::kHeadsOfMost : Sql::kHeads);
  rows.Bind(space).Bind(key);
  std::vector<RecordHead> heads;
  heads.reserve(count);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    heads.push_back({{rows.Int(0), rows.Int(1), key}, FirstOf(rows.Blob(2))});
  }
  std::sort(heads.begin(), heads.end(),
            [](const RecordHead& a, const RecordHead& b) {
              return ById(a.stamp, b.stamp);
            });
  return heads;
}

absl::StatusOr<uint64_t> SqliteView::Count(SpaceId space, uint8_t key) {
  SqliteQuery query(connection_, Sql::kCountKey);
  query.Bind(space).Bind(key);
  RETURN_IF_ERROR(query.Step().status());
  return query.Int(0);
}

absl::StatusOr<SpaceUsage> SqliteView::Usage(SpaceId space) {
  SqliteQuery query(connection_, Sql::kUsage);
  query.Bind(space);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  SpaceUsage usage;
  if (found) usage = {query.Int(0), query.Int(1)};
  if (auto it = touched_.find(space); it != touched_.end()) {
    usage.records += it->second.records;
    usage.bytes += it->second.bytes;
  }
  return usage;
}

absl::StatusOr<std::optional<Bytes>> SqliteView::GetValue(
    SpaceId space, absl::string_view name) {
  SqliteQuery query(connection_, Sql::kGetValue);
  query.Bind(space).BindText(name);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return base::ToBytes(query.Blob(0));
}

absl::StatusOr<std::vector<std::string>> SqliteView::ListValues(
    SpaceId space, absl::string_view prefix) {
  SqliteQuery rows(connection_, Sql::kListValues);
  rows.Bind(space).BindText(prefix);
  std::vector<std::string> names;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return names;
    std::string name = rows.Text(0);
    if (!absl::StartsWith(name, prefix)) return names;
    names.push_back(std::move(name));
  }
}

uint64_t SqliteView::Generation(SpaceId space) {
  if (writing_) return kBusyGeneration;
  if (generation_.has_value() && generation_->first == space) {
    return generation_->second;
  }
  SqliteQuery query(connection_, Sql::kChanges);
  query.Bind(space);
  const absl::StatusOr<bool> found = query.Step();
  if (!found.ok()) return kBusyGeneration;
  generation_.emplace(space, *found ? query.Int(0) : 0);
  return generation_->second;
}

absl::StatusOr<uint64_t> SqliteView::NextId() {
  if (!knows_last_) {
    SqliteQuery query(connection_, Sql::kMaxId);
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (found) last_id_ = std::max(last_id_, query.Int(0));
    knows_last_ = true;
  }
  if (last_id_ >= kMaxId) {
    return base::Error(CKR_DEVICE_MEMORY, "the store has used up its ids");
  }
  ++last_id_;
  if (first_drawn_ == 0) first_drawn_ = last_id_;
  return last_id_;
}

bool SqliteView::IsUnusedDraw(uint64_t id) const {
  return first_drawn_ != 0 && id >= first_drawn_ && id > last_put_;
}

absl::StatusOr<std::optional<SqliteView::Old>> SqliteView::OldRecord(
    uint64_t id) {
  SqliteQuery query(connection_, Sql::kOldRecord);
  query.Bind(id);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return Old{static_cast<SpaceId>(query.Int(0)), query.Int(1),
             SplitTags(query.Blob(2))};
}

absl::Status SqliteView::DeleteTags(SpaceId space, uint64_t id,
                                    const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    SqliteQuery query(connection_, Sql::kDeleteTag);
    query.Bind(space).Bind(ByteSpan(tag)).Bind(id);
    RETURN_IF_ERROR(query.Run());
  }
  return absl::OkStatus();
}

absl::Status SqliteView::Put(SpaceId space, const Record& record,
                             absl::Span<const Tag> tags) {
  if (record.id == 0 || record.id > kMaxId) {
    return base::Error(CKR_GENERAL_ERROR, "record id out of range");
  }
  std::optional<Old> old;
  if (!IsUnusedDraw(record.id)) {
    ASSIGN_OR_RETURN(old, OldRecord(record.id));
  }
  last_put_ = std::max(last_put_, record.id);
  if (old.has_value() && old->space != space) {
    return base::Error(CKR_GENERAL_ERROR,
                       absl::StrCat("id ", record.id, " is of another space"));
  }
  std::vector<Tag> sorted(tags.begin(), tags.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  const bool had_some = old.has_value() && !old->tags.empty();
  if (had_some) {
    RETURN_IF_ERROR(DeleteTags(space, record.id, Without(old->tags, sorted)));
  }
  for (const Tag& tag : had_some ? Without(sorted, old->tags) : sorted) {
    SqliteQuery query(connection_, Sql::kPutTag);
    query.Bind(space).Bind(ByteSpan(tag)).Bind(record.id);
    RETURN_IF_ERROR(query.Run());
  }
  const Bytes blob = JoinTags(sorted);
  SqliteQuery query(connection_, Sql::kPutRecord);
  query.Bind(record.id).Bind(space).Bind(record.version).Bind(record.key);
  query.Bind(record.object_class).Bind(record.size).Bind(ByteSpan(blob));
  query.Bind(ByteSpan(record.sealed));
  RETURN_IF_ERROR(query.Run());

  Delta& delta = Edit(space);
  delta.records += old.has_value() ? 0 : 1;
  delta.bytes += static_cast<int64_t>(record.size) -
                 (old.has_value() ? static_cast<int64_t>(old->size) : 0);
  last_id_ = std::max(last_id_, record.id);
  return absl::OkStatus();
}

absl::Status SqliteView::Delete(SpaceId space, uint64_t id) {
  ASSIGN_OR_RETURN(const std::optional<Old> old, OldRecord(id));
  if (!old.has_value() || old->space != space) return absl::OkStatus();
  RETURN_IF_ERROR(DeleteTags(space, id, old->tags));
  SqliteQuery query(connection_, Sql::kDeleteRecord);
  query.Bind(id);
  RETURN_IF_ERROR(query.Run());
  Delta& delta = Edit(space);
  delta.records -= 1;
  delta.bytes -= static_cast<int64_t>(old->size);
  return absl::OkStatus();
}

void SqliteView::EditValue(SpaceId space, absl::string_view name) {
  Edit(space);
  if (absl::StartsWith(name, kRecordValues) ||
      absl::StartsWith(name, kSealedPrefix)) {
    return;
  }
  revalued_.insert(space);
}

absl::Status SqliteView::PutValue(SpaceId space, absl::string_view name,
                                  ByteSpan value) {
  SqliteQuery query(connection_, Sql::kPutValue);
  query.Bind(space).BindText(name).Bind(value);
  RETURN_IF_ERROR(query.Run());
  EditValue(space, name);
  return absl::OkStatus();
}

absl::Status SqliteView::DeleteValue(SpaceId space, absl::string_view name) {
  SqliteQuery query(connection_, Sql::kDeleteValue);
  query.Bind(space).BindText(name);
  RETURN_IF_ERROR(query.Run());
  EditValue(space, name);
  return absl::OkStatus();
}

absl::Status SqliteView::Nested(absl::FunctionRef<absl::Status()> work) {
  RETURN_IF_ERROR(connection_.Run(Sql::kSavepoint));
  const std::map<SpaceId, Delta> touched = touched_;
  const uint64_t last_id = last_id_;
  const bool knew_last = knows_last_;
  const bool audited = audited_;
  const std::optional<AuditEnd> audit_end = audit_end_;
  const absl::Status status = work();
  if (!status.ok()) {
    RETURN_IF_ERROR(connection_.Run(Sql::kRollbackSavepoint));
    touched_ = touched;
    last_id_ = last_id;
    knows_last_ = knew_last;
    audited_ = audited;
    audit_end_ = audit_end;
  }
  RETURN_IF_ERROR(connection_.Run(Sql::kReleaseSavepoint));
  return status;
}

absl::Status SqliteView::DropSpace(SpaceId space) {
  ASSIGN_OR_RETURN(const SpaceUsage usage, Usage(space));
  for (const Sql sql : {Sql::kDropRecords, Sql::kDropTags, Sql::kDropValues}) {
    SqliteQuery query(connection_, sql);
    query.Bind(space);
    RETURN_IF_ERROR(query.Run());
  }
  revalued_.insert(space);
  Delta& delta = Edit(space);
  delta.records -= static_cast<int64_t>(usage.records);
  delta.bytes -= static_cast<int64_t>(usage.bytes);
  return absl::OkStatus();
}

// --- the audit log
// ------------------------------------------------------------

absl::StatusOr<bool> SqliteView::HasAudit() {
  if (writing_ || has_audit_) return true;
  SqliteQuery query(connection_, Sql::kHasAudit);
  ASSIGN_OR_RETURN(has_audit_, query.Step());
  return has_audit_;
}

absl::StatusOr<std::vector<AuditRow>> SqliteView::ReadAudit(uint64_t from,
                                                            size_t limit) {
  std::vector<AuditRow> rows;
  ASSIGN_OR_RETURN(const bool there, HasAudit());
  if (!there || from > kMaxId) return rows;
  SqliteQuery query(connection_, Sql::kReadAudit);
  query.Bind(from).Bind(std::min<uint64_t>(limit, kMaxId));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Step());
    if (!more) return rows;
    rows.push_back({query.Int(0), base::ToBytes(query.Blob(2)),
                    base::ToBytes(query.Blob(1))});
  }
}

absl::StatusOr<std::optional<AuditRow>> SqliteView::LastAudit() {
  ASSIGN_OR_RETURN(const bool there, HasAudit());
  if (!there) return std::nullopt;
  SqliteQuery query(connection_, Sql::kLastAudit);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return AuditRow{query.Int(0), base::ToBytes(query.Blob(2)),
                  base::ToBytes(query.Blob(1))};
}

absl::Status SqliteView::AppendAudit(const AuditRow& row) {
  ASSIGN_OR_RETURN(const AuditEnd end, LastAuditLine());
  if (row.seq == 0 || row.seq > kMaxId ||
      (end.seq != 0 && row.seq != end.seq + 1)) {
    return base::Error(CKR_GENERAL_ERROR, "not the audit log's next line");
  }
  if (end.seq != 0 && end.marked) RETURN_IF_ERROR(PutAuditMark(end.seq, {}));
  SqliteQuery query(connection_, Sql::kAppendAudit);
  query.Bind(row.seq).Bind(ByteSpan(row.mark)).Bind(ByteSpan(row.line));
  RETURN_IF_ERROR(query.Run());
  audited_ = true;
  audit_end_ = {row.seq, !row.mark.empty()};
  return absl::OkStatus();
}

absl::StatusOr<SqliteView::AuditEnd> SqliteView::LastAuditLine() {
  if (audit_end_.has_value()) return *audit_end_;
  ASSIGN_OR_RETURN(const bool there, HasAudit());
  if (!there) return AuditEnd();
  SqliteQuery query(connection_, Sql::kLastAuditSeq);
  RETURN_IF_ERROR(query.Step().status());
  return AuditEnd{query.Int(0)};
}

absl::Status SqliteView::PutAuditMark(uint64_t seq, ByteSpan mark) {
  SqliteQuery query(connection_, Sql::kMarkAudit);
  query.Bind(mark).Bind(seq);
  RETURN_IF_ERROR(query.Run());
  audited_ = true;
  return absl::OkStatus();
}

absl::Status SqliteView::MarkAudit(ByteSpan mark) {
  ASSIGN_OR_RETURN(const AuditEnd end, LastAuditLine());
  if (end.seq == 0) {
    return base::Error(CKR_GENERAL_ERROR, "the audit log has no line");
  }
  RETURN_IF_ERROR(PutAuditMark(end.seq, mark));
  if (audit_end_.has_value()) audit_end_->marked = !mark.empty();
  return absl::OkStatus();
}

absl::Status SqliteView::DropAudit(uint64_t last) {
  ASSIGN_OR_RETURN(const AuditEnd end, LastAuditLine());
  if (last >= end.seq) {
    return base::Error(CKR_GENERAL_ERROR,
                       "the audit log's last line is not dropped");
  }
  SqliteQuery query(connection_, Sql::kDropAudit);
  query.Bind(last);
  RETURN_IF_ERROR(query.Run());
  audited_ = true;
  return absl::OkStatus();
}

// --- the end of a transaction
// -----------------------------------------------

absl::StatusOr<std::vector<std::pair<SpaceId, uint64_t>>>
SqliteView::Touched() {
  std::vector<std::pair<SpaceId, uint64_t>> out;
  for (const auto& [space, delta] : touched_) {
    SqliteQuery query(connection_, Sql::kChanges);
    query.Bind(space);
    ASSIGN_OR_RETURN(const bool found, query.Step());
    out.emplace_back(space, found ? query.Int(0) : 0);
  }
  return out;
}

absl::Status SqliteView::Finish(
    absl::Span<const std::pair<SpaceId, uint64_t>> next) {
  for (const auto& [space, changes] : next) {
    {
      SqliteQuery query(connection_, Sql::kMakeSpace);
      query.Bind(space);
      RETURN_IF_ERROR(query.Run());
    }
    const Delta& delta = touched_[space];
    SqliteQuery query(connection_, Sql::kTouchSpace);
    query.Bind(space).Bind(changes);
    query.Bind(static_cast<uint64_t>(delta.records));
    query.Bind(static_cast<uint64_t>(delta.bytes)).Bind(last_id_);
    RETURN_IF_ERROR(query.Run());
  }
  return absl::OkStatus();
}

}  // namespace hsm
