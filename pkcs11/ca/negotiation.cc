// Negotiated sessions: a run of cloning opened in steps by the caller, who
// carries each message, and CA_Extract and CA_Insert, which use it
// (docs/formats/cloning.md, "Negotiated sessions").
#include <algorithm>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto.h"
#include "base/wire.h"
#include "cloning/rules.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/cloning_end.h"
#include "pkcs11/ca/negotiated_sessions.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/output.h"
#include "pkcs11/trace.h"

namespace pkcs11::ca {
namespace {

using api::Input;
using api::Need;
using base::Bytes;
using cloning::kMaxSingleMessage;

// pulStatus.
constexpr CK_ULONG kGoesOn = 0, kComplete = 1;

// --- the steps ---------------------------------------------------------------

struct Answered {
  NegotiationMessage message;
  CK_ULONG step;
  CK_ULONG status;
};

// Step 2, at the source: the target's call becomes a hello.
absl::StatusOr<Answered> BeginSource(const CloningEnd& end,
                                     const NegotiationMessage& call) {
  ASSIGN_OR_RETURN(auto source, end.MakeEndpoint());
  ASSIGN_OR_RETURN(Bytes hello, end.runs().Start(std::move(source)));
  const absl::Status added = NegotiatedSessions::OfProcess().AddSource(
      call.session, end.application, hello);
  if (!added.ok()) {
    end.runs().Forget(cloning::IdOfHello(hello));
    return added;
  }
  return Answered{{.kind = NegotiationMessage::Kind::kHello,
                   .session = call.session,
                   .rest = std::move(hello)},
                  3,
                  kGoesOn};
}

// Step 3, at the target that called: the hello becomes a reply.
absl::StatusOr<Answered> AnswerSource(const CloningEnd& end,
                                      const NegotiationMessage& hello) {
  NegotiatedSessions& sessions = NegotiatedSessions::OfProcess();
  RETURN_IF_ERROR(sessions.MayAnswer(hello.session, end.application));
  ASSIGN_OR_RETURN(auto target, end.MakeEndpoint());
  ASSIGN_OR_RETURN(Bytes reply, end.runs().Join(std::move(target), hello.rest));
  const cloning::RunId run = cloning::IdOfRun(hello.rest, reply);
  const absl::Status added =
      sessions.AddReply(hello.session, end.application, run, reply);
  if (!added.ok()) {
    end.runs().Forget(run);
    return added;
  }
  return Answered{{.kind = NegotiationMessage::Kind::kReply,
                   .session = hello.session,
                   .rest = std::move(reply)},
                  4,
                  kComplete};
}

// Step 4, at the source: it takes the reply, and nothing is left to say.
absl::StatusOr<Answered> FinishSource(const CloningEnd& end,
                                      const NegotiationMessage& reply) {
  RETURN_IF_ERROR(NegotiatedSessions::OfProcess()
                      .ReplyFor(reply.session, end.application, reply)
                      .status());
  RETURN_IF_ERROR(end.runs().Bind(reply.rest));
  return Answered{{.kind = NegotiationMessage::Kind::kNone}, 5, kComplete};
}

struct Step {
  CK_ULONG number;
  NegotiationMessage::Kind takes;
  bool at_target;
  absl::StatusOr<Answered> (*work)(const CloningEnd& end,
                                   const NegotiationMessage& in);
};
constexpr Step kSteps[] = {
    {2, NegotiationMessage::Kind::kCall, false, BeginSource},
    {3, NegotiationMessage::Kind::kHello, true, AnswerSource},
    {4, NegotiationMessage::Kind::kReply, false, FinishSource},
};

// CKR_SESSION_ID_INVALID unless it is an OUID of a session; which one it must
// be, when `expected` is given.
absl::StatusOr<hsm::Ouid> OuidOf(const CK_BYTE* data, CK_ULONG size) {
  ASSIGN_OR_RETURN(const ByteSpan bytes, Input(data, size));
  hsm::Ouid ouid{};
  if (bytes.size() != ouid.size()) {
    return base::Error(CKR_SESSION_ID_INVALID,
                       "the OUID of a negotiated session has 12 bytes");
  }
  std::copy(bytes.begin(), bytes.end(), ouid.begin());
  return ouid;
}

}  // namespace

// A size query makes no session.
absl::Status CA_MigrationStartSessionNegotiation(
    Library& library, CK_SESSION_HANDLE hTargetSession, CK_ULONG ulInputLen,
    CK_BYTE_PTR, CK_ULONG_PTR pulStep, CK_ULONG_PTR pulOutputLen,
    CK_BYTE_PTR pOutput) {
  if (ulInputLen != 0) {
    return base::Error(CKR_ARGUMENTS_BAD, "a negotiation starts with no input");
  }
  RETURN_IF_ERROR(Need(pulStep, "no place for the step"));
  ASSIGN_OR_RETURN(const SessionRef session,
                   TargetSession(library, hTargetSession));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pOutput, pulOutputLen));
  if (!output.Fits(NegotiationMessage::kHeaderSize)) {
    return ToStatus(output.Tell(NegotiationMessage::kHeaderSize));
  }
  const CloningEnd end = CloningEnd::Of(session);
  RETURN_IF_ERROR(end.MakeEndpoint().status());
  ASSIGN_OR_RETURN(const hsm::Ouid ouid,
                   NegotiatedSessions::OfProcess().AddTarget(end.application));
  *pulStep = kSteps[0].number;
  return ToStatus(output.Give(
      NegotiationMessage{.kind = kSteps[0].takes, .session = ouid}.Encode()));
}

// Where either output is a query or too small, both lengths are told, and
// nothing happens.
absl::Status CA_MigrationContinueSessionNegotiation(
    Library& library, CK_SESSION_HANDLE hSession, CK_ULONG ulStep,
    CK_ULONG ulInputLen, CK_BYTE_PTR pInput, CK_ULONG ulOuidLen,
    CK_BYTE_PTR pOuid, CK_ULONG_PTR pulStep, CK_ULONG_PTR pulOutputLen,
    CK_BYTE_PTR pOutput, CK_ULONG_PTR pulStatus, CK_ULONG_PTR pulNewOuidLen,
    CK_BYTE_PTR pNewOuid) {
  RETURN_IF_ERROR(Need(pulStep, "no place for the step"));
  RETURN_IF_ERROR(Need(pulStatus, "no place for the status"));
  ASSIGN_OR_RETURN(const ByteSpan bytes, Input(pInput, ulInputLen));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const NegotiationMessage in,
                   NegotiationMessage::Parse(bytes));
  const auto* step =
      std::find_if(std::begin(kSteps), std::end(kSteps),
                   [&](const Step& row) { return row.number == ulStep; });
  if (step == std::end(kSteps) || step->takes != in.kind) {
    return base::Error(CKR_SESSION_NEGOTIATION_INVALID,
                       "the input is not that of this step");
  }
  if (step->at_target) {
    RETURN_IF_ERROR(TargetSession(library, hSession).status());
  }
  if (ulOuidLen != 0) {
    ASSIGN_OR_RETURN(const hsm::Ouid ouid, OuidOf(pOuid, ulOuidLen));
    if (ouid != in.session) {
      return base::Error(CKR_SESSION_ID_INVALID, "the input is another one's");
    }
  }
  constexpr size_t kMost =
      NegotiationMessage::kHeaderSize + cloning::kMaxOpening;
  ASSIGN_OR_RETURN(const Output output, Output::Make(pOutput, pulOutputLen));
  CK_ULONG no_ouid = 0;
  const bool wants_ouid = pulNewOuidLen != nullptr;
  ASSIGN_OR_RETURN(
      const Output new_ouid,
      Output::Make(pNewOuid, wants_ouid ? pulNewOuidLen : &no_ouid));
  const bool ouid_fits = !wants_ouid || new_ouid.Fits(sizeof(hsm::Ouid));
  if (!output.Fits(kMost) || !ouid_fits) {
    const bool query = output.is_query() || (wants_ouid && new_ouid.is_query());
    output.Tell(kMost);
    new_ouid.Tell(sizeof(hsm::Ouid));
    return query ? absl::OkStatus() : base::Error(CKR_BUFFER_TOO_SMALL, "");
  }
  ASSIGN_OR_RETURN(const Answered answered,
                   step->work(CloningEnd::Of(session), in));
  *pulStep = answered.step;
  *pulStatus = answered.status;
  if (wants_ouid) RETURN_IF_ERROR(ToStatus(new_ouid.Give(in.session)));
  return ToStatus(output.Give(answered.message.Encode()));
}

absl::Status CA_MigrationCloseSession(Library& library,
                                      CK_SESSION_HANDLE hSession,
                                      CK_ULONG ulOuidLen, CK_BYTE_PTR pOuid) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const hsm::Ouid ouid, OuidOf(pOuid, ulOuidLen));
  const CloningEnd end = CloningEnd::Of(session);
  ASSIGN_OR_RETURN(
      const std::vector<cloning::RunId> runs,
      NegotiatedSessions::OfProcess().Close(ouid, end.application));
  for (const cloning::RunId& run : runs) end.runs().Forget(run);
  return absl::OkStatus();
}

// --- CA_Extract, CA_Insert ---------------------------------------------------

namespace {

// The run that a session had is gone with the login that it was under.
absl::Status AsExpired(const absl::Status& status) {
  if (base::CkRv(status) != CKR_OPERATION_NOT_INITIALIZED) return status;
  return base::Error(CKR_SESSION_ID_EXPIRED, "the negotiated session is over");
}

bool GoesOn(CK_ULONG flags) { return (flags & CKF_CPV4_CONTINUE_ON_ERR) != 0; }

// What the call as a whole answers: with the flag always CKR_OK.
absl::Status Overall(absl::Span<const CK_ULONG> results, CK_ULONG flags) {
  if (GoesOn(flags)) return absl::OkStatus();
  for (const CK_ULONG rv : results) {
    if (rv == CKR_OK) continue;
    return base::Error(CKR_FAILED_TO_CLONE_AN_OBJECT, base::CkRvName(rv));
  }
  return absl::OkStatus();
}

// The parameters of an extraction with their arrays.
struct Extraction {
  CK_CPV4_EXTRACT_PARAMS params;
  size_t count;
  bool goes_on;

  static absl::StatusOr<Extraction> Of(const CK_MECHANISM& mechanism) {
    ASSIGN_OR_RETURN(const auto params,
                     CopyParameter<CK_CPV4_EXTRACT_PARAMS>(mechanism));
    if (params.numberOfObjects == 0 || params.objectType == nullptr ||
        params.objectHandle == nullptr || params.result == nullptr ||
        params.keyBlobLen == nullptr) {
      return base::Error(CKR_ARGUMENTS_BAD, "no objects, or an array is null");
    }
    return Extraction{params, params.numberOfObjects,
                      GoesOn(params.extractionFlags)};
  }

  CK_BYTE* blob(size_t i) const {
    return params.keyBlob == nullptr ? nullptr : params.keyBlob[i];
  }
  absl::Status CheckType(size_t i) const {
    if (params.objectType[i] == CK_CRYPTOKI_ELEMENT) return absl::OkStatus();
    return base::Error(CKR_OBJECT_TYPE_INVALID, "only objects are cloned");
  }
  absl::StatusOr<size_t> SizeOf(size_t i, cloning::RunTable& runs,
                                ByteSpan reply) const {
    RETURN_IF_ERROR(CheckType(i));
    return runs.SizeOfOne(reply, params.objectHandle[i]);
  }
  absl::StatusOr<Bytes> Seal(size_t i, cloning::RunTable& runs,
                             ByteSpan reply) const {
    RETURN_IF_ERROR(CheckType(i));
    return runs.SealOne(reply, params.objectHandle[i]);
  }
};

// Tells how large each blob is at most, where a buffer asks for that or might
// be too small. True: nothing else is to be done.
absl::StatusOr<bool> TellSizes(const Extraction& job, cloning::RunTable& runs,
                               ByteSpan reply) {
  bool query = false, unsure = false;
  for (size_t i = 0; i < job.count; ++i) {
    query |= job.blob(i) == nullptr;
    unsure |= job.params.keyBlobLen[i] < kMaxSingleMessage;
  }
  if (!query && !unsure) return false;
  std::vector<CK_ULONG> sizes(job.count);
  std::vector<CK_ULONG> results(job.count);
  bool too_small = false;
  for (size_t i = 0; i < job.count; ++i) {
    absl::StatusOr<size_t> size = job.SizeOf(i, runs, reply);
    if (!size.ok() && cloning::EndsRun(size.status())) return size.status();
    results[i] = base::CkRv(size.status());
    sizes[i] = size.ok() ? *size : 0;
    if (!size.ok() && !job.goes_on) break;
    too_small |= sizes[i] > job.params.keyBlobLen[i];
  }
  if (!query && !too_small) return false;
  std::copy(sizes.begin(), sizes.end(), job.params.keyBlobLen);
  std::copy(results.begin(), results.end(), job.params.result);
  if (!query) return base::Error(CKR_BUFFER_TOO_SMALL, "");
  return true;
}

absl::Status SealAll(const Extraction& job, cloning::RunTable& runs,
                     ByteSpan reply) {
  const std::vector<CK_ULONG> room(job.params.keyBlobLen,
                                   job.params.keyBlobLen + job.count);
  std::fill_n(job.params.keyBlobLen, job.count, 0);
  std::fill_n(job.params.result, job.count, CKR_CLONE_NOT_ATTEMPTED);
  for (size_t i = 0; i < job.count; ++i) {
    const absl::StatusOr<Bytes> sealed = job.Seal(i, runs, reply);
    job.params.result[i] = base::CkRv(sealed.status());
    if (!sealed.ok()) {
      if (cloning::EndsRun(sealed.status())) return sealed.status();
      if (!job.goes_on) break;
      continue;
    }
    if (sealed->size() > room[i]) {
      return base::Error(CKR_BUFFER_TOO_SMALL, "the object grew meanwhile");
    }
    std::copy(sealed->begin(), sealed->end(), job.blob(i));
    job.params.keyBlobLen[i] = sealed->size();
  }
  return Overall({job.params.result, job.count}, job.params.extractionFlags);
}

absl::Status Extract(const CloningEnd& end, const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const Extraction job, Extraction::Of(mechanism));
  ASSIGN_OR_RETURN(const ByteSpan bytes,
                   Input(job.params.input, job.params.inputLength));
  ASSIGN_OR_RETURN(const hsm::Ouid ouid,
                   OuidOf(job.params.sessionOuid, job.params.sessionOuidLen));
  ASSIGN_OR_RETURN(const NegotiationMessage input,
                   NegotiationMessage::Parse(bytes));
  ASSIGN_OR_RETURN(const Bytes reply, NegotiatedSessions::OfProcess().ReplyFor(
                                          ouid, end.application, input));
  RETURN_IF_ERROR(AsExpired(end.runs().Bind(reply)));
  ASSIGN_OR_RETURN(const bool told, TellSizes(job, end.runs(), reply));
  if (told) return absl::OkStatus();
  return SealAll(job, end.runs(), reply);
}

struct Insertion {
  CK_CPV4_INSERT_PARAMS params;
  size_t count;

  static absl::StatusOr<Insertion> Of(const CK_MECHANISM& mechanism) {
    ASSIGN_OR_RETURN(const auto params,
                     CopyParameter<CK_CPV4_INSERT_PARAMS>(mechanism));
    if (params.numberOfObjects == 0 || params.objectType == nullptr ||
        params.storageType == nullptr || params.keyBlobLen == nullptr ||
        params.keyBlob == nullptr || params.result == nullptr ||
        params.objectHandle == nullptr) {
      return base::Error(CKR_ARGUMENTS_BAD, "no objects, or an array is null");
    }
    return Insertion{params, params.numberOfObjects};
  }

  // The sealed message of one object, if it may be given to the target.
  absl::StatusOr<ByteSpan> Blob(size_t i, const cloning::RunId& run) const {
    if (params.objectType[i] != CK_CRYPTOKI_ELEMENT) {
      return base::Error(CKR_OBJECT_TYPE_INVALID, "only objects are cloned");
    }
    if (params.storageType[i] != LUNA_STORAGE_DEFAULT &&
        params.storageType[i] != LUNA_STORAGE_FLASH) {
      return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                         "objects are stored in the partition only");
    }
    ASSIGN_OR_RETURN(const ByteSpan blob,
                     Input(params.keyBlob[i], params.keyBlobLen[i]));
    if (blob.empty()) {
      return base::Error(CKR_CLONE_NOT_ATTEMPTED, "nothing was extracted");
    }
    ASSIGN_OR_RETURN(const cloning::RunId of, cloning::RunIdInMessage(blob));
    if (of == run) return blob;
    return base::Error(CKR_DEVICE_ERROR, "a blob of another session");
  }
};

absl::Status Insert(const CloningEnd& end, const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const Insertion job, Insertion::Of(mechanism));
  ASSIGN_OR_RETURN(const ByteSpan bytes,
                   Input(job.params.input, job.params.inputLength));
  ASSIGN_OR_RETURN(const hsm::Ouid ouid,
                   OuidOf(job.params.sessionOuid, job.params.sessionOuidLen));
  if (!bytes.empty()) {
    ASSIGN_OR_RETURN(const NegotiationMessage input,
                     NegotiationMessage::Parse(bytes));
    if (input.session != ouid) {
      return base::Error(CKR_SESSION_NEGOTIATION_INVALID,
                         "the input is another session's");
    }
  }
  ASSIGN_OR_RETURN(
      const cloning::RunId run,
      NegotiatedSessions::OfProcess().RunOf(ouid, end.application));
  std::fill_n(job.params.result, job.count, CKR_CLONE_NOT_ATTEMPTED);
  std::fill_n(job.params.objectHandle, job.count, CK_INVALID_HANDLE);
  for (size_t i = 0; i < job.count; ++i) {
    absl::StatusOr<cloning::TargetResult> result;
    const absl::StatusOr<ByteSpan> blob = job.Blob(i, run);
    if (blob.ok()) {
      result = end.runs().AcceptOne(*blob, cloning::AcceptOptions());
    } else {
      result = blob.status();
    }
    const absl::Status status = AsExpired(result.status());
    job.params.result[i] = base::CkRv(status);
    if (status.ok()) {
      job.params.objectHandle[i] = result->handle;
      continue;
    }
    if (cloning::EndsRun(status)) return status;
    if (GoesOn(job.params.insertionFlags)) continue;
    if (base::CkRv(status) == CKR_SESSION_ID_EXPIRED) return status;
    break;
  }
  return Overall({job.params.result, job.count}, job.params.insertionFlags);
}

absl::Status OtherMechanism() {
  return base::Error(CKR_MECHANISM_INVALID,
                     "docs/CA_FUNCTIONS.md tells which mechanisms there are");
}

}  // namespace

absl::Status CA_Extract(Library& library, CK_SESSION_HANDLE hSession,
                        CK_MECHANISM_PTR pMechanism) {
  RETURN_IF_ERROR(Need(pMechanism, "no mechanism"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  trace::NoteRead(pMechanism);
  if (pMechanism->mechanism != CKM_CPV4_EXTRACT) return OtherMechanism();
  return Extract(CloningEnd::Of(session), *pMechanism);
}

absl::Status CA_Insert(Library& library, CK_SESSION_HANDLE hSession,
                       CK_MECHANISM_PTR pMechanism) {
  RETURN_IF_ERROR(Need(pMechanism, "no mechanism"));
  ASSIGN_OR_RETURN(const SessionRef session, TargetSession(library, hSession));
  trace::NoteRead(pMechanism);
  if (pMechanism->mechanism != CKM_CPV4_INSERT) return OtherMechanism();
  return Insert(CloningEnd::Of(session), *pMechanism);
}

}  // namespace pkcs11::ca
