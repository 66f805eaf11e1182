#include "backup/remote_endpoint.h"

#include <algorithm>
#include <utility>

namespace backup {
namespace {

// Long enough for a batch of objects to become durable on slow media.
base::Deadline BatchDeadline() {
  return base::Deadline::After(absl::Minutes(5));
}
base::Deadline CallDeadline() {
  return base::Deadline::After(absl::Minutes(1));
}

}  // namespace

RemoteEndpoint::RemoteEndpoint(std::shared_ptr<hsm_io::Client> client,
                               uint32_t space, std::function<void()> on_change)
    : client_(std::move(client)),
      space_(space),
      on_change_(std::move(on_change)) {}

RemoteEndpoint::~RemoteEndpoint() { CloseRun(); }

void RemoteEndpoint::CloseRun() {
  if (!run_.has_value() || client_->channel_epoch() != epoch_) return;
  hsm_io::RunClose close;
  close.run = *run_;
  run_.reset();
  // The device forgets a run with its channel anyway.
  client_->Call(close, CallDeadline()).status().IgnoreError();
}

void RemoteEndpoint::Opened(uint32_t run) {
  run_ = run;
  epoch_ = client_->channel_epoch();
}

absl::StatusOr<uint32_t> RemoteEndpoint::Run() {
  if (run_.has_value() && client_->channel_epoch() != epoch_) {
    run_.reset();
    return base::Error(CKR_DEVICE_REMOVED,
                       "the link to the Backup HSM broke, and the cloning run "
                       "on it ended");
  }
  if (run_.has_value()) return *run_;
  return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no cloning run is open");
}

absl::StatusOr<base::Bytes> RemoteEndpoint::Start() {
  CloseRun();
  hsm_io::RunStart request;
  request.space = space_;
  ASSIGN_OR_RETURN(hsm_io::RunStart::Reply reply,
                   client_->Call(request, CallDeadline()));
  Opened(reply.run);
  return std::move(reply.hello);
}

absl::Status RemoteEndpoint::Bind(base::ByteSpan reply) {
  hsm_io::RunBind request;
  ASSIGN_OR_RETURN(request.run, Run());
  request.reply = base::ToBytes(reply);
  return client_->Call(request, CallDeadline()).status();
}

absl::StatusOr<cloning::SealedOffer> RemoteEndpoint::Offer(
    absl::Span<const uint64_t> handles) {
  hsm_io::RunOffer request;
  ASSIGN_OR_RETURN(request.run, Run());
  handles = handles.subspan(0, cloning::kMaxOffered);
  request.handles.assign(handles.begin(), handles.end());
  ASSIGN_OR_RETURN(hsm_io::RunOffer::Reply reply,
                   client_->Call(request, BatchDeadline()));
  return wire::Decode<cloning::SealedOffer>(reply.offer, "offer");
}

absl::StatusOr<std::vector<cloning::Held>> RemoteEndpoint::Compare(
    base::ByteSpan sealed) {
  hsm_io::RunCompare request;
  ASSIGN_OR_RETURN(request.run, Run());
  request.sealed = base::ToBytes(sealed);
  ASSIGN_OR_RETURN(hsm_io::RunCompare::Reply reply,
                   client_->Call(request, BatchDeadline()));
  return wire::Decode<std::vector<cloning::Held>>(reply.held, "held objects");
}

absl::StatusOr<cloning::Batch> RemoteEndpoint::NextOrEnd(
    absl::Span<const uint64_t> handles, bool end) {
  hsm_io::RunNext request;
  ASSIGN_OR_RETURN(request.run, Run());
  request.handles.assign(handles.begin(), handles.end());
  request.end = end;
  ASSIGN_OR_RETURN(hsm_io::RunNext::Reply reply,
                   client_->Call(request, BatchDeadline()));
  return wire::Decode<cloning::Batch>(reply.batch, "batch");
}

absl::StatusOr<cloning::Batch> RemoteEndpoint::Next(
    absl::Span<const uint64_t> handles) {
  return NextOrEnd(handles, false);
}

absl::StatusOr<cloning::Batch> RemoteEndpoint::End() {
  return NextOrEnd({}, true);
}

absl::StatusOr<base::Bytes> RemoteEndpoint::Join(base::ByteSpan hello) {
  CloseRun();
  hsm_io::RunJoin request;
  request.space = space_;
  request.hello = base::ToBytes(hello);
  ASSIGN_OR_RETURN(hsm_io::RunJoin::Reply reply,
                   client_->Call(request, CallDeadline()));
  Opened(reply.run);
  return std::move(reply.reply);
}

absl::StatusOr<std::vector<cloning::TargetResult>> RemoteEndpoint::Accept(
    base::ByteSpan sealed, const cloning::AcceptOptions& options) {
  hsm_io::RunAccept request;
  ASSIGN_OR_RETURN(request.run, Run());
  request.sealed = base::ToBytes(sealed);
  request.options = wire::Encode(options);
  absl::StatusOr<hsm_io::RunAccept::Reply> reply =
      client_->Call(request, BatchDeadline());
  if (on_change_) on_change_();
  RETURN_IF_ERROR(reply.status());
  return wire::Decode<std::vector<cloning::TargetResult>>(reply->results,
                                                          "results");
}

absl::StatusOr<bool> RemoteEndpoint::IsEmpty() {
  hsm_io::ListHandles request;
  request.space = space_;
  ASSIGN_OR_RETURN(const hsm_io::ListHandles::Reply page,
                   client_->Call(request, BatchDeadline()));
  return page.handles.empty();
}

absl::StatusOr<std::vector<uint64_t>> RemoteEndpoint::Handles() {
  std::vector<uint64_t> all;
  for (;;) {
    hsm_io::ListHandles request;
    request.space = space_;
    request.after = all.empty() ? 0 : all.back();
    ASSIGN_OR_RETURN(const hsm_io::ListHandles::Reply page,
                     client_->Call(request, BatchDeadline()));
    if (page.handles.empty()) return all;
    for (const uint64_t handle : page.handles) {
      if (handle <= request.after) {
        return base::Error(CKR_DEVICE_ERROR,
                           "the device lists objects out of order");
      }
      request.after = handle;
      all.push_back(handle);
    }
  }
}

absl::StatusOr<std::vector<cloning::Endpoint::Item>> RemoteEndpoint::List() {
  std::vector<Item> all;
  for (;;) {
    hsm_io::ListObjects request;
    request.space = space_;
    request.after = all.empty() ? 0 : all.back().handle;
    ASSIGN_OR_RETURN(hsm_io::ListObjects::Reply page,
                     client_->Call(request, BatchDeadline()));
    if (page.objects.empty()) return all;
    for (hsm_io::ObjectStatus& status : page.objects) {
      if (status.handle <= request.after) {
        return base::Error(CKR_DEVICE_ERROR,
                           "the device lists objects out of order");
      }
      request.after = status.handle;
      all.push_back({status.handle, status.ouid, status.object_class,
                     status.key_type, std::move(status.label), status.size});
    }
  }
}

}  // namespace backup
