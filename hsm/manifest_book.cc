#include "hsm/manifest_book.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/crypto.h"

namespace hsm {
namespace {

constexpr char kKey[] = "x/manifest/key";
constexpr char kRun[] = "x/manifest/run";
constexpr char kState[] = "x/manifest/state";
constexpr char kRowPrefix[] = "x/manifest/row/";
constexpr char kLeftPrefix[] = "x/manifest/left/";
constexpr char kHeadPrefix[] = "x/manifest/head/";
constexpr char kTextPrefix[] = "x/manifest/text/";

constexpr uint64_t kRowsAPage = 64;
constexpr size_t kTextAPage = 128 * 1024;
constexpr uint64_t kMostHeads = 256;
constexpr uint64_t kHeadsAPage = 32;

// Names sort as their numbers do.
std::string Numbered(absl::string_view prefix, uint64_t number) {
  return absl::StrFormat("%s%016x", prefix, number);
}

}  // namespace

// The run whose manifest is not made yet.
struct ManifestBook::Run {
  Statement source;
  uint64_t left_pages = 0;
  uint64_t source_objects = 0;
  uint64_t more = 0;
  bool stored = false;  // an object, so that there are other rows
  template <typename V>
  void Fields(V& v) {
    v(source, left_pages, source_objects, more, stored);
  }
};

// The newest manifest.
struct ManifestBook::State {
  uint64_t seq = 0;
  ManifestHash head{};
  uint64_t first_head = 1;
  uint64_t text_pages = 0;
  // Its rows of objects, which the next one may have as well: those of these
  // handles, when none of them is damaged.
  uint64_t rows = 0;
  uint64_t row_pages = 0;
  ManifestHash rows_digest{};
  ManifestHash handles{};
  bool damaged = false;
  template <typename V>
  void Fields(V& v) {
    v(seq, head, first_head, text_pages, rows, row_pages, rows_digest, handles,
      damaged);
  }
};

std::string ManifestBook::StoredRow::Line(uint64_t number) const {
  ManifestRow row;
  row.ouid = ouid;
  row.object_class = object_class;
  row.key_type = key_type;
  row.size = size;
  if (origin.has_value()) {
    row.origin = ManifestParty::Of(*origin);
    row.origin.model.clear();
    row.origin.label.clear();
  }
  row.fingerprint = fingerprint;
  return RowLine(row, number);
}

// Rows of 64 handles that follow each other.
struct ManifestBook::RowPage {
  std::vector<StoredRow> rows;
  template <typename V>
  void Fields(V& v) {
    v(rows);
  }
  const StoredRow* Find(uint64_t handle) const {
    for (const StoredRow& row : rows) {
      if (row.handle == handle) return &row;
    }
    return nullptr;
  }
};

namespace {

ManifestHash HashOf(const std::vector<uint64_t>& handles) {
  const Bytes digest = base::Sha256({wire::Encode(handles)});
  ManifestHash hash{};
  std::copy(digest.begin(), digest.end(), hash.begin());
  return hash;
}

}  // namespace

// The rows of a manifest on their way into the store: one page in memory.
class ManifestBook::Text {
 public:
  Text(Hsm& hsm, SpaceId space) : hsm_(hsm), space_(space) {}

  // Goes on behind rows that are in the store.
  void Resume(uint64_t pages, const ManifestHash& digest) {
    pages_ = pages;
    digest_ = digest;
  }

  absl::Status Add(absl::string_view line) {
    AddToDigest(digest_, line);
    absl::StrAppend(&text_, line);
    return text_.size() < kTextAPage ? absl::OkStatus() : Flush();
  }
  // What follows begins a page of its own. The pages until here.
  absl::StatusOr<uint64_t> EndPage() {
    if (!text_.empty()) RETURN_IF_ERROR(Flush());
    return pages_;
  }
  // The pages that there are now; those of an earlier manifest are gone.
  absl::StatusOr<uint64_t> Finish(uint64_t former_pages) {
    RETURN_IF_ERROR(EndPage().status());
    for (uint64_t page = pages_; page < former_pages; ++page) {
      RETURN_IF_ERROR(
          hsm_.DeleteSealedValue(space_, Numbered(kTextPrefix, page)));
    }
    return pages_;
  }
  const ManifestHash& digest() const { return digest_; }

 private:
  absl::Status Flush() {
    RETURN_IF_ERROR(hsm_.PutSealedValue(space_, Numbered(kTextPrefix, pages_++),
                                        base::AsBytes(text_)));
    text_.clear();
    return absl::OkStatus();
  }
  Hsm& hsm_;
  const SpaceId space_;
  std::string text_;
  uint64_t pages_ = 0;
  ManifestHash digest_{};
};

absl::StatusOr<bool> ManifestBook::IsKeptFor(Partition& partition) {
  ASSIGN_OR_RETURN(const PartitionInfo info, partition.Info());
  return info.backup_container;
}

template <typename T>
absl::StatusOr<std::optional<T>> ManifestBook::Get(absl::string_view name) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> bytes,
                   hsm_.GetSealedValue(partition_.space(), name));
  if (!bytes.has_value()) return std::optional<T>();
  ASSIGN_OR_RETURN(T value, wire::Decode<T>(*bytes, name));
  return std::optional<T>(std::move(value));
}

template <typename T>
absl::Status ManifestBook::Put(absl::string_view name, const T& value) {
  return hsm_.PutSealedValue(partition_.space(), name, wire::Encode(value));
}

// --- while a run goes on -----------------------------------------------------

absl::StatusOr<SecretBytes> ManifestBook::Key() {
  ASSIGN_OR_RETURN(std::optional<SecretBytes> key,
                   hsm_.GetSealedSecret(partition_.space(), kKey));
  if (key.has_value()) return *std::move(key);
  ASSIGN_OR_RETURN(SecretBytes made, base::RandomSecret(32));
  RETURN_IF_ERROR(hsm_.PutSealedValue(partition_.space(), kKey, made.Expose()));
  return made;
}

absl::StatusOr<ManifestBook::StoredRow> ManifestBook::RowOf(
    uint64_t handle, AttributeSet attributes, std::optional<Statement> origin) {
  if (key_.empty()) {
    ASSIGN_OR_RETURN(key_, Key());
  }
  attributes.Erase(CKA_UNIQUE_ID);
  const SecretBytes encoded = attributes.Encode();
  StoredRow row;
  row.handle = handle;
  const ByteSpan ouid = attributes.Value(CKA_OUID);
  std::copy_n(ouid.begin(), std::min(ouid.size(), row.ouid.size()),
              row.ouid.begin());
  row.object_class = attributes.object_class();
  row.key_type = attributes.key_type();
  row.size = encoded.size();
  row.origin = std::move(origin);
  constexpr absl::string_view kPurpose = "perigee manifest fingerprint 1";
  const SecretBytes digest = base::HmacSha256(
      key_.Expose(), {base::AsBytes(kPurpose), encoded.Expose()});
  std::copy(digest.Expose().begin(), digest.Expose().end(),
            row.fingerprint.begin());
  return row;
}

absl::Status ManifestBook::Stored(uint64_t handle, AttributeSet attributes,
                                  std::optional<Statement> origin) {
  ASSIGN_OR_RETURN(StoredRow row,
                   RowOf(handle, std::move(attributes), std::move(origin)));
  rows_[handle / kRowsAPage].push_back(std::move(row));
  return absl::OkStatus();
}

absl::StatusOr<ManifestBook::Run> ManifestBook::OpenRun(
    const Statement& source) {
  ASSIGN_OR_RETURN(std::optional<Run> run, Get<Run>(kRun));
  if (!run.has_value()) run.emplace();
  run->source = source;
  return *std::move(run);
}

absl::Status ManifestBook::PutLeftOut(Run& run,
                                      const std::vector<LeftOut>& left_out) {
  if (left_out.empty()) return absl::OkStatus();
  return Put(Numbered(kLeftPrefix, run.left_pages++), left_out);
}

absl::Status ManifestBook::Save(const Statement& source) {
  return hsm_.Atomically([&]() -> absl::Status {
    for (const auto& [number, rows] : rows_) {
      const std::string name = Numbered(kRowPrefix, number);
      ASSIGN_OR_RETURN(std::optional<RowPage> page, Get<RowPage>(name));
      if (!page.has_value()) page.emplace();
      page->rows.insert(page->rows.end(), rows.begin(), rows.end());
      RETURN_IF_ERROR(Put(name, *page));
    }
    ASSIGN_OR_RETURN(Run run, OpenRun(source));
    RETURN_IF_ERROR(PutLeftOut(run, left_out_));
    run.stored |= !rows_.empty();
    return Put(kRun, run);
  });
}

absl::Status ManifestBook::NoteReport(const Statement& source,
                                      SourceReport report) {
  return hsm_.Atomically([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Run run, OpenRun(source));
    run.source_objects = report.objects;
    run.more += report.more;
    RETURN_IF_ERROR(PutLeftOut(run, report.left_out));
    return Put(kRun, run);
  });
}

// --- at its end --------------------------------------------------------------

absl::Status ManifestBook::Close(Login& officer, bool ended) {
  if (officer.role() != Role::kCo) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<Run> open, Get<Run>(kRun));
  if (!open.has_value()) return absl::OkStatus();
  return hsm_.Atomically([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Run> run, Get<Run>(kRun));
    if (!run.has_value()) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::optional<State> state, Get<State>(kState));
    if (!state.has_value()) state.emplace();
    ManifestHead head;
    head.ended = ended;
    head.source = ManifestParty::Of(run->source);
    head.source_objects = run->source_objects;
    head.more = run->more;
    Text text(hsm_, partition_.space());
    std::vector<LeftOut> damaged;
    ASSIGN_OR_RETURN(const std::vector<uint64_t> handles,
                     partition_.Handles(&officer));
    const ManifestHash list = HashOf(handles);
    if (run->stored || state->damaged || list != state->handles) {
      RETURN_IF_ERROR(WriteRows(officer, handles, text, head, damaged));
      ASSIGN_OR_RETURN(state->row_pages, text.EndPage());
      state->rows = head.rows;
      state->rows_digest = text.digest();
      state->handles = list;
      state->damaged = !damaged.empty();
    } else {
      text.Resume(state->row_pages, state->rows_digest);
      head.rows = state->rows;
    }
    RETURN_IF_ERROR(WriteLeftOut(*run, damaged, text, head));
    head.digest = text.digest();
    ASSIGN_OR_RETURN(state->text_pages, text.Finish(state->text_pages));
    RETURN_IF_ERROR(WriteHead(std::move(head), *state));
    return hsm_.DeleteSealedValue(partition_.space(), kRun);
  });
}

void ManifestBook::CloseLeftOpen(Partition& partition, Login& login) {
  const absl::StatusOr<bool> kept = IsKeptFor(partition);
  if (!kept.ok() || !*kept || login.must_change_pin()) return;
  ManifestBook(partition).Close(login, /*ended=*/false).IgnoreError();
}

absl::Status ManifestBook::WriteRows(Login& officer,
                                     const std::vector<uint64_t>& handles,
                                     Text& text, ManifestHead& head,
                                     std::vector<LeftOut>& damaged) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   hsm_.ListSealedValues(partition_.space(), kRowPrefix));
  std::vector<std::string> kept;
  for (size_t i = 0; i < handles.size();) {
    const uint64_t number = handles[i] / kRowsAPage;
    const std::string name = Numbered(kRowPrefix, number);
    ASSIGN_OR_RETURN(const std::optional<RowPage> page, Get<RowPage>(name));
    RowPage live;
    bool changed = false;
    for (; i < handles.size() && handles[i] / kRowsAPage == number; ++i) {
      const StoredRow* row =
          page.has_value() ? page->Find(handles[i]) : nullptr;
      if (row != nullptr) {
        live.rows.push_back(*row);
      } else {
        // It was stored before there were manifests.
        const auto object = partition_.Get(&officer, handles[i]);
        if (!object.ok()) {
          LeftOut gone;
          gone.object_class = gone.key_type = CK_UNAVAILABLE_INFORMATION;
          gone.rv = base::CkRv(object.status());
          gone.reason = "damaged";
          damaged.push_back(std::move(gone));
          continue;
        }
        ASSIGN_OR_RETURN(
            StoredRow made,
            RowOf(handles[i], (*object)->attributes(), (*object)->origin()));
        live.rows.push_back(std::move(made));
        changed = true;
      }
      RETURN_IF_ERROR(text.Add(live.rows.back().Line(++head.rows)));
    }
    // Objects of the others were destroyed.
    changed |= !page.has_value() || page->rows.size() != live.rows.size();
    if (changed) RETURN_IF_ERROR(Put(name, live));
    kept.push_back(name);
  }
  for (const std::string& name : names) {
    if (!std::binary_search(kept.begin(), kept.end(), name)) {
      RETURN_IF_ERROR(hsm_.DeleteSealedValue(partition_.space(), name));
    }
  }
  return absl::OkStatus();
}

absl::Status ManifestBook::WriteLeftOut(const Run& run,
                                        const std::vector<LeftOut>& damaged,
                                        Text& text, ManifestHead& head) {
  for (uint64_t number = 0; number < run.left_pages; ++number) {
    const std::string name = Numbered(kLeftPrefix, number);
    ASSIGN_OR_RETURN(const auto page, Get<std::vector<LeftOut>>(name));
    if (!page.has_value()) continue;
    for (const LeftOut& row : *page) {
      RETURN_IF_ERROR(text.Add(LeftOutLine(row, ++head.left_out)));
    }
    RETURN_IF_ERROR(hsm_.DeleteSealedValue(partition_.space(), name));
  }
  for (const LeftOut& row : damaged) {
    RETURN_IF_ERROR(text.Add(LeftOutLine(row, ++head.left_out)));
  }
  return absl::OkStatus();
}

absl::Status ManifestBook::WriteHead(ManifestHead head, State& state) {
  const SpaceId space = partition_.space();
  head.seq = ++state.seq;
  head.prev = state.head;
  head.time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                               absl::UTCTimeZone());
  ASSIGN_OR_RETURN(const Statement own, partition_.MakeStatement());
  head.device = ManifestParty::Of(own);
  ASSIGN_OR_RETURN(head.hsm_policies, hsm_.Policies());
  ASSIGN_OR_RETURN(head.partition_policies, partition_.Policies());
  const std::shared_ptr<const base::Identity> identity = hsm_.identity();
  const std::string body =
      CheckpointBody(HeadLine(head), identity->certificate.der());
  ASSIGN_OR_RETURN(const Bytes signature,
                   identity->key.Sign(SignedPartOfHead(body)));
  const std::string line = CheckpointLine(body, signature);
  state.head = HashOfLine(line);
  RETURN_IF_ERROR(hsm_.PutSealedValue(space, Numbered(kHeadPrefix, head.seq),
                                      base::AsBytes(line)));
  while (state.seq - state.first_head >= kMostHeads) {
    RETURN_IF_ERROR(hsm_.DeleteSealedValue(
        space, Numbered(kHeadPrefix, state.first_head++)));
  }
  return Put(kState, state);
}

// --- reading -----------------------------------------------------------------

absl::StatusOr<ManifestBook::Page> ManifestBook::Read(uint64_t page) {
  ASSIGN_OR_RETURN(const std::optional<State> state, Get<State>(kState));
  if (!state.has_value()) {
    return base::Error(CKR_DATA_INVALID,
                       "no backup run into this partition has ended yet: it "
                       "has no manifest");
  }
  Page told;
  told.seq = state->seq;
  const uint64_t heads = state->seq - state->first_head + 1;
  const uint64_t head_pages = (heads + kHeadsAPage - 1) / kHeadsAPage;
  std::vector<std::string> names;
  if (page < head_pages) {
    const uint64_t first = state->first_head + page * kHeadsAPage;
    const uint64_t end = std::min(first + kHeadsAPage, state->seq + 1);
    for (uint64_t seq = first; seq < end; ++seq) {
      names.push_back(Numbered(kHeadPrefix, seq));
    }
  } else if (page < head_pages + state->text_pages) {
    names.push_back(Numbered(kTextPrefix, page - head_pages));
  }
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const std::optional<Bytes> bytes,
                     hsm_.GetSealedValue(partition_.space(), name));
    if (!bytes.has_value()) {
      return base::Error(CKR_DEVICE_ERROR, "a part of the manifest is missing");
    }
    absl::StrAppend(&told.text, base::AsText(*bytes));
  }
  const bool last = page + 1 >= head_pages + state->text_pages;
  told.next = last ? 0 : page + 1;
  return told;
}

}  // namespace hsm
