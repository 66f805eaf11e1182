// A local partition as source and as target: what may leave, what may enter.
#include "cloning/local_endpoint.h"

#include <algorithm>
#include <utility>

#include "cloning/intake.h"
#include "cloning/receipts.h"
#include "cloning/rules.h"
#include "hsm/compatibility.h"
#include "hsm/hsm.h"
#include "hsm/key_rights.h"

namespace cloning {
namespace {

absl::Status NotOpen() {
  return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no cloning run is open");
}

// The object's identity; zeros when it has none of the right size.
hsm::Ouid OuidOf(const hsm::AttributeSet& attributes) {
  hsm::Ouid ouid{};
  const ByteSpan value = attributes.Value(CKA_OUID);
  if (value.size() == ouid.size()) {
    std::copy(value.begin(), value.end(), ouid.begin());
  }
  return ouid;
}

// `editions` ascending; null when there is none of this handle.
const hsm::Edition* FindEdition(const std::vector<hsm::Edition>& editions,
                                uint64_t handle) {
  const auto it = std::lower_bound(
      editions.begin(), editions.end(), handle,
      [](const hsm::Edition& edition, uint64_t id) { return edition.id < id; });
  return it == editions.end() || it->id != handle ? nullptr : &*it;
}

bool IsSmkHandle(uint64_t handle) {
  return handle == hsm::kSmkHandle || handle == hsm::kFormerSmkHandle;
}

// An SKS master key as the object that it travels as; CKR_SMK_ID_NOT_FOUND.
absl::StatusOr<hsm::ObjectRef> SmkOf(hsm::Partition& partition,
                                     const hsm::Login& login, uint64_t handle) {
  ASSIGN_OR_RETURN(hsm::ObjectRef primary, partition.SmkAsObject(login));
  if (handle == hsm::kSmkHandle) return primary;
  ASSIGN_OR_RETURN(const hsm::SmkSet smks, partition.Smks(login));
  if (!smks.former.has_value()) {
    return base::Error(CKR_SMK_ID_NOT_FOUND, "no master key rolls over");
  }
  return std::make_shared<const hsm::Object>(
      handle, 1, hsm::AttributesOf(*smks.former, hsm::SmkRole::kFormer));
}

void NoteRefusal(const absl::Status& status, SourceItem& item) {
  item.rv = base::CkRv(status);
  item.reason = base::Reason(status);
  item.text = std::string(status.message());
}

}  // namespace

void LocalEndpoint::Reset() {
  offer_.reset();
  source_.reset();
  target_.reset();
}

absl::StatusOr<RunOptions> LocalEndpoint::NewRunOptions() {
  Reset();
  peer_.reset();
  ended_ = false;
  report_ = {};
  RETURN_IF_ERROR(CheckLogin(login_));
  RunOptions options;
  options.identity = partition_->hsm().identity();
  ASSIGN_OR_RETURN(own_, partition_->MakeStatement());
  options.statement = own_;
  options.wrapping_key = [hsm = &partition_->hsm()] {
    return WrappingKeyOf(*hsm);
  };
  ASSIGN_OR_RETURN(options.further_domains, partition_->DomainSecrets(*login_));
  options.domain_secret = std::move(options.further_domains.front());
  options.further_domains.erase(options.further_domains.begin());
  ASSIGN_OR_RETURN(options.legacy_domain,
                   partition_->LegacyDomainSecret(*login_));
  ASSIGN_OR_RETURN(options.negotiation, NegotiationOf(*partition_, *login_));
  return options;
}

// --- source ---

absl::StatusOr<Bytes> LocalEndpoint::Start() {
  ASSIGN_OR_RETURN(RunOptions options, NewRunOptions());
  ASSIGN_OR_RETURN(SourceOffer offer, SourceOffer::Start(std::move(options)));
  offer_ = std::move(offer);
  return offer_->hello();
}

absl::Status LocalEndpoint::Bind(ByteSpan reply) {
  if (!offer_.has_value()) return NotOpen();
  SourceOffer offer = *std::move(offer_);
  Reset();
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(SourceRun run, std::move(offer).Bind(reply));
  peer_ = run.target();
  source_ = std::move(run);
  return absl::OkStatus();
}

absl::StatusOr<hsm::Statement> LocalEndpoint::OwnStatement() {
  ASSIGN_OR_RETURN(hsm::Statement own, partition_->MakeStatement());
  if (IsSameHolder(own, own_)) return own;
  return base::Error(CKR_FUNCTION_FAILED,
                     "this HSM or partition changed during the run");
}

absl::StatusOr<SealedOffer> LocalEndpoint::Offer(
    absl::Span<const uint64_t> handles) {
  if (!source_.has_value()) return NotOpen();
  SourceRun run = *std::move(source_);  // back on success
  Reset();
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const hsm::Statement own, OwnStatement());
  ASSIGN_OR_RETURN(const std::vector<hsm::Edition> editions,
                   partition_->Editions(login_.get()));
  const Stamper stamper(own, *login_, run.target());
  SealedOffer offer;
  std::vector<OfferedObject> objects;
  for (const uint64_t handle : handles.subspan(0, kMaxOffered)) {
    const hsm::Edition* const edition = FindEdition(editions, handle);
    if (edition == nullptr) continue;
    offer.handles.push_back(handle);
    objects.push_back({handle, stamper.Of(*edition)});
  }
  if (!objects.empty()) {
    ASSIGN_OR_RETURN(offer.sealed, run.SealOffer(objects));
  }
  source_ = std::move(run);
  return offer;
}

absl::StatusOr<LocalEndpoint::Terms> LocalEndpoint::TermsWith(
    const hsm::Statement& target) {
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const hsm::Statement own, OwnStatement());
  return Terms{own, target, Stamper(own, *login_, target)};
}

absl::StatusOr<LocalEndpoint::Prepared> LocalEndpoint::Prepare(
    uint64_t handle, const absl::StatusOr<Terms>& terms, SourceItem& item) {
  item.handle = handle;
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const hsm::ObjectRef object,
                   IsSmkHandle(handle) ? SmkOf(*partition_, *login_, handle)
                                       : partition_->Get(login_.get(), handle));
  const hsm::AttributeSet& attributes = object->attributes();
  item.ouid = OuidOf(attributes);
  RETURN_IF_ERROR(terms.status());

  ObjectRecord record;
  record.ouid = item.ouid;
  record.as_offered = {handle, terms->stamper.Of(EditionOf(*object))};
  record.carried_on =
      terms->own.kind == hsm::Kind::kBackup && object->origin().has_value();
  record.origin = record.carried_on ? *object->origin() : terms->own;
  RETURN_IF_ERROR(CheckObject(*partition_, login_->role(), attributes));
  RETURN_IF_ERROR(hsm::CheckTransfer(terms->own, terms->target, record.origin));
  ASSIGN_OR_RETURN(record.attributes,
                   hsm::KeyRights(partition_, login_).WithCounts(*object));
  record.attributes.Erase(CKA_UNIQUE_ID);
  if (attributes.Value(CKA_OUID).size() != item.ouid.size()) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "object without an OUID");
  }
  return Prepared{object, RecordDraft::Of(record)};
}

absl::Status LocalEndpoint::CheckFits(const Prepared& prepared) const {
  if (source_->Overhead() + source_->SizeOf(prepared.draft) <=
      kMaxSingleMessage) {
    return absl::OkStatus();
  }
  return base::Error(CKR_DEVICE_MEMORY, "object is too large to be cloned");
}

absl::StatusOr<Batch> LocalEndpoint::Next(absl::Span<const uint64_t> handles) {
  if (!source_.has_value()) return NotOpen();
  const absl::StatusOr<Terms> terms = TermsWith(source_->target());
  Batch batch;
  std::vector<RecordDraft> drafts;
  std::vector<hsm::ObjectRef> sent;
  size_t size = source_->Overhead();
  bool left_out = false;
  for (uint64_t handle : handles) {
    if (batch.items.size() == kMaxRecords) break;
    SourceItem item;
    absl::StatusOr<Prepared> prepared = Prepare(handle, terms, item);
    if (prepared.ok()) {
      const absl::Status fits = CheckFits(*prepared);
      if (!fits.ok()) prepared = fits;
    }
    if (prepared.ok()) {
      if (left_out) break;
      const size_t more = source_->SizeOf(prepared->draft);
      if (drafts.size() == source_->max_records() ||
          size + more > kMaxMessage) {
        break;
      }
      size += more;
      drafts.push_back(std::move(prepared->draft));
      sent.push_back(std::move(prepared->object));
    } else if (EndsRun(prepared.status())) {
      Reset();
      return prepared.status();
    } else {
      NoteRefusal(prepared.status(), item);
      NoteLeftOut(item);
      left_out = true;
    }
    batch.items.push_back(std::move(item));
  }
  if (drafts.empty()) return batch;
  absl::StatusOr<Bytes> sealed = source_->Seal(drafts);
  absl::Status status = sealed.status();
  // Before they leave.
  if (status.ok()) {
    status = partition_->NoteSent(*login_, sent, source_->target().serial);
  }
  if (!status.ok()) {
    Reset();
    return status;
  }
  batch.sealed = *std::move(sealed);
  return batch;
}

absl::StatusOr<size_t> LocalEndpoint::SizeOfNext(uint64_t handle) {
  if (!source_.has_value()) return NotOpen();
  SourceItem item;
  ASSIGN_OR_RETURN(const Prepared prepared,
                   Prepare(handle, TermsWith(source_->target()), item));
  RETURN_IF_ERROR(CheckFits(prepared));
  return source_->Overhead() + source_->SizeOf(prepared.draft);
}

absl::StatusOr<SourceForecast> LocalEndpoint::Forecast(
    const hsm::Statement& target, absl::Span<const uint64_t> handles) {
  // Of no run: what it reads of its own is as it is now.
  LocalEndpoint asked(partition_, login_);
  RETURN_IF_ERROR(asked.NewRunOptions().status());
  RETURN_IF_ERROR(CheckMeeting(asked.own_, target));
  SourceForecast forecast;
  forecast.own = asked.own_;
  const absl::StatusOr<Terms> terms = asked.TermsWith(target);
  for (uint64_t handle : handles) {
    SourceItem& item = forecast.items.emplace_back();
    const absl::StatusOr<Prepared> prepared =
        asked.Prepare(handle, terms, item);
    if (!prepared.ok()) {
      if (EndsRun(prepared.status())) return prepared.status();
      NoteRefusal(prepared.status(), item);
      continue;
    }
    ASSIGN_OR_RETURN(
        hsm::AttributeSet sent,
        hsm::KeyRights(partition_, login_).WithCounts(*prepared->object));
    sent.Erase(CKA_UNIQUE_ID);
    forecast.objects.push_back({item.ouid, sent.object_class(),
                                sent.Bool(CKA_PRIVATE).value_or(true),
                                sent.EncodedSize()});
  }
  return forecast;
}

void LocalEndpoint::NoteLeftOut(const SourceItem& item) {
  if (report_.left_out.size() == kMaxLeftOut) {
    ++report_.more;
    return;
  }
  hsm::LeftOut row;
  row.ouid = item.ouid;
  row.object_class = row.key_type = CK_UNAVAILABLE_INFORMATION;
  const auto object = partition_->Get(login_.get(), item.handle);
  if (object.ok()) {
    row.object_class = (*object)->attributes().object_class();
    row.key_type = (*object)->attributes().key_type();
  }
  row.rv = item.rv;
  row.reason = item.reason;
  report_.left_out.push_back(std::move(row));
}

absl::StatusOr<Batch> LocalEndpoint::End() {
  if (!source_.has_value()) return NotOpen();
  SourceRun run = *std::move(source_);
  Reset();
  RETURN_IF_ERROR(CheckLogin(login_));
  std::optional<hsm::ManifestBook::SourceReport> report;
  if (run.target().kind == hsm::Kind::kBackup) {
    ASSIGN_OR_RETURN(report_.objects, partition_->Count(login_.get()));
    report = std::move(report_);
  }
  Batch batch;
  ASSIGN_OR_RETURN(batch.sealed, run.SealEnd(report));
  batch.end = true;
  ended_ = true;
  return batch;
}

// --- target ---

absl::StatusOr<Bytes> LocalEndpoint::Join(ByteSpan hello) {
  ASSIGN_OR_RETURN(RunOptions options, NewRunOptions());
  hsm::ManifestBook::CloseLeftOpen(*partition_, *login_);
  ASSIGN_OR_RETURN(TargetRun run, TargetRun::Join(std::move(options), hello));
  target_ = std::move(run);
  return target_->reply();
}

absl::StatusOr<std::vector<TargetResult>> LocalEndpoint::Accept(
    ByteSpan sealed, const AcceptOptions& options) {
  if (!target_.has_value()) return NotOpen();
  TargetRun run = *std::move(target_);  // back on success
  Reset();
  RETURN_IF_ERROR(CheckLogin(login_));
  if (options.on_conflict > OnConflict::kTakeNothing) {
    return base::Error(CKR_ARGUMENTS_BAD, "unknown treatment of conflicts");
  }
  ASSIGN_OR_RETURN(TargetRun::Opened opened, run.Open(sealed));
  if (opened.kind == RecordKind::kOffer) {
    return base::Error(CKR_DEVICE_ERROR, "cloning: an offer among objects");
  }
  peer_ = run.source();
  ended_ = opened.end();
  std::vector<TargetResult> results;
  if (ended_) {
    RETURN_IF_ERROR(CloseManifest(std::move(opened.report)));
    return results;
  }
  std::vector<OfferedObject> offered;
  for (const ObjectRecord& record : opened.objects) {
    offered.push_back(record.as_offered);
  }
  RETURN_IF_ERROR(partition_->hsm().Atomically([&]() -> absl::Status {
    Intake intake(*partition_, login_, own_, *peer_, options,
                  options.on_conflict == OnConflict::kTakeNothing);
    RETURN_IF_ERROR(intake.Add(std::move(opened.objects)));
    ASSIGN_OR_RETURN(Intake::Taken taken, std::move(intake).Commit());
    results = std::move(taken.results);
    return KeepReceipts(offered, results, taken.editions);
  }));
  target_ = std::move(run);
  return results;
}

absl::Status LocalEndpoint::CloseManifest(
    std::optional<hsm::ManifestBook::SourceReport> report) {
  ASSIGN_OR_RETURN(const bool kept, hsm::ManifestBook::IsKeptFor(*partition_));
  if (!kept) return absl::OkStatus();
  hsm::ManifestBook book(*partition_);
  RETURN_IF_ERROR(book.NoteReport(
      *peer_, std::move(report).value_or(hsm::ManifestBook::SourceReport())));
  return book.Close(*login_, /*ended=*/true);
}

absl::Status LocalEndpoint::KeepReceipts(
    const std::vector<OfferedObject>& offered,
    const std::vector<TargetResult>& results,
    const std::vector<hsm::Edition>& made) {
  // An SMK that was taken is no object here.
  const auto is_here = [](const TargetResult& one) { return one.handle != 0; };
  if (std::none_of(results.begin(), results.end(), is_here)) {
    return absl::OkStatus();
  }
  std::vector<uint64_t> others;  // what was there before
  for (const TargetResult& result : results) {
    if (is_here(result) && FindEdition(made, result.handle) == nullptr) {
      others.push_back(result.handle);
    }
  }
  ASSIGN_OR_RETURN(const std::vector<hsm::Edition> of_others,
                   partition_->EditionsOf(login_.get(), others));
  ASSIGN_OR_RETURN(const hsm::Statement own, OwnStatement());
  const Stamper stamper(own, *login_, *peer_);
  std::vector<Receipt> receipts;
  size_t other = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!is_here(results[i])) continue;
    const hsm::Edition* edition = FindEdition(made, results[i].handle);
    if (edition == nullptr) edition = &of_others[other++];
    receipts.push_back(
        {offered[i], results[i].ouid, results[i].handle, stamper.Of(*edition)});
  }
  return Receipts(*partition_).Keep(std::move(receipts));
}

absl::StatusOr<std::vector<Held>> LocalEndpoint::Compare(ByteSpan sealed) {
  if (!target_.has_value()) return NotOpen();
  TargetRun run = *std::move(target_);  // back on success
  Reset();
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const TargetRun::Opened opened, run.Open(sealed));
  if (opened.kind != RecordKind::kOffer) {
    return base::Error(CKR_DEVICE_ERROR, "cloning: not an offer");
  }
  peer_ = run.source();
  ASSIGN_OR_RETURN(const hsm::Statement own, OwnStatement());
  ASSIGN_OR_RETURN(const std::vector<Receipt> receipts,
                   Receipts(*partition_).Find(opened.offered));
  // After the receipts: what they tell of is still so.
  ASSIGN_OR_RETURN(const std::vector<hsm::Edition> editions,
                   partition_->Editions(login_.get()));
  const Stamper stamper(own, *login_, *peer_);
  std::vector<Held> held(receipts.size());
  for (size_t i = 0; i < receipts.size(); ++i) {
    if (receipts[i].handle == 0) continue;
    const hsm::Edition* edition = FindEdition(editions, receipts[i].handle);
    if (edition == nullptr || stamper.Of(*edition) != receipts[i].stamp) {
      continue;
    }
    held[i] = {receipts[i].ouid, receipts[i].handle};
  }
  target_ = std::move(run);
  return held;
}

// --- both ---

absl::StatusOr<bool> LocalEndpoint::IsEmpty() {
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const uint64_t count, partition_->Count(login_.get()));
  return count == 0;
}

absl::StatusOr<std::vector<uint64_t>> LocalEndpoint::Handles() {
  RETURN_IF_ERROR(CheckLogin(login_));
  return partition_->Handles(login_.get());
}

absl::StatusOr<std::vector<Endpoint::Item>> LocalEndpoint::List() {
  RETURN_IF_ERROR(CheckLogin(login_));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> handles,
                   partition_->Handles(login_.get()));
  std::vector<Item> items;
  items.reserve(handles.size());
  for (uint64_t handle : handles) {
    absl::StatusOr<hsm::ObjectRef> object =
        partition_->Get(login_.get(), handle);
    if (base::CkRv(object.status()) == CKR_OBJECT_HANDLE_INVALID) {
      continue;  // Destroyed since.
    }
    Item& item = items.emplace_back();
    item.handle = handle;
    if (!object.ok()) {
      if (EndsRun(object.status())) return object.status();
      // Not to be passed over in silence: when its turn comes it is left out,
      // and the report says why.
      item.object_class = CK_UNAVAILABLE_INFORMATION;
      continue;
    }
    const hsm::AttributeSet& attributes = (*object)->attributes();
    item.ouid = OuidOf(attributes);
    item.object_class = attributes.object_class();
    item.key_type = attributes.key_type();
    item.label = std::string(base::AsText(attributes.Value(CKA_LABEL)));
    item.size = partition_->CostOf(attributes);
  }
  return items;
}

}  // namespace cloning
