// CA_* functions that clone one object: the four steps by hand, and with the
// steps inside.
#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/cloning_end.h"
#include "pkcs11/ca/places.h"
#include "pkcs11/per_process.h"

namespace pkcs11::ca {
namespace {

using api::Input;
using api::Need;

bool IsSmk(CK_ULONG type, CK_ULONG handle) {
  return type == CK_PARAM_ELEMENT && handle == LUNA_MASKING_KEY_PID;
}

// What an endpoint knows the element by: an object, or the SKS master key.
absl::StatusOr<uint64_t> HandleOf(CK_ULONG type, CK_ULONG handle) {
  if (type == CK_CRYPTOKI_ELEMENT) return handle;
  if (IsSmk(type, handle)) return hsm::kSmkHandle;
  return base::Error(CKR_OBJECT_TYPE_INVALID,
                     "only objects and SKS master keys are cloned");
}

// An SMK is no object where it came to.
CK_ULONG ToldHandle(CK_ULONG type, CK_ULONG handle, uint64_t made) {
  return made == 0 && IsSmk(type, handle) ? LUNA_MASKING_KEY_PID : made;
}

// The vector that names a target's exchange in the older flow. Nothing is kept
// secret by it: the handshake does that, whatever the vector is.
absl::Status CheckKev(const Session& session, const CK_BYTE* kev,
                      CK_ULONG size) {
  if (size == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ByteSpan given, Input(kev, size));
  if (base::SameBytes(given, session.cloning_vector())) {
    return absl::OkStatus();
  }
  return base::Error(CKR_DATA_INVALID,
                     "not the KEV that this session generated last");
}

// --- one object, over and over, between two partitions -----------------------

// Two logins of this process, and the run between them that the last
// CA_CloneObject left open (the runs themselves are in the applications, and
// end with either login).
struct Pair {
  Pair(std::weak_ptr<Application> from, std::weak_ptr<Application> to)
      : source(std::move(from)), target(std::move(to)) {}
  const std::weak_ptr<Application> source;
  const std::weak_ptr<Application> target;
  absl::Mutex mu;  // held while an object goes over: records have an order
  base::Bytes reply ABSL_GUARDED_BY(mu);  // names the run; empty: none
};

struct Pairs {
  static constexpr size_t kMax = 16;
  absl::Mutex mu;
  std::list<std::shared_ptr<Pair>> all ABSL_GUARDED_BY(mu);

  std::shared_ptr<Pair> Between(const std::shared_ptr<Application>& source,
                                const std::shared_ptr<Application>& target) {
    absl::MutexLock lock(&mu);
    all.remove_if([](const std::shared_ptr<Pair>& pair) {
      return pair->source.expired() || pair->target.expired();
    });
    for (const std::shared_ptr<Pair>& pair : all) {
      if (pair->source.lock() == source && pair->target.lock() == target) {
        return pair;
      }
    }
    if (all.size() == kMax) all.pop_front();
    all.push_back(std::make_shared<Pair>(source, target));
    return all.back();
  }
};

absl::StatusOr<base::Bytes> Negotiate(const CloningEnd& source,
                                      const CloningEnd& target) {
  ASSIGN_OR_RETURN(auto from, source.MakeEndpoint());
  ASSIGN_OR_RETURN(auto to, target.MakeEndpoint());
  ASSIGN_OR_RETURN(const base::Bytes hello,
                   source.runs().Start(std::move(from)));
  return target.runs().Join(std::move(to), hello);
}

absl::StatusOr<uint64_t> SendOne(const CloningEnd& source,
                                 const CloningEnd& target, uint64_t handle,
                                 ByteSpan reply) {
  ASSIGN_OR_RETURN(const base::Bytes sealed,
                   source.runs().SealOne(reply, handle));
  ASSIGN_OR_RETURN(const cloning::TargetResult result,
                   target.runs().AcceptOne(sealed, cloning::AcceptOptions()));
  return result.handle;
}

}  // namespace

absl::StatusOr<SessionRef> TargetSession(Library& library,
                                         CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(SessionRef session, library.session(handle));
  if (session->read_write()) return session;
  return base::Error(CKR_SESSION_READ_ONLY, "");
}

absl::StatusOr<uint64_t> CloneOne(const CloningEnd& source,
                                  const CloningEnd& target, uint64_t handle) {
  const std::shared_ptr<Pair> pair =
      PerProcess<Pairs>().Between(source.application, target.application);
  absl::MutexLock lock(&pair->mu);
  if (!pair->reply.empty()) {
    const absl::StatusOr<uint64_t> sent =
        SendOne(source, target, handle, pair->reply);
    if (base::CkRv(sent.status()) != CKR_OPERATION_NOT_INITIALIZED) {
      return sent;
    }
    pair->reply.clear();  // It ended meanwhile.
  }
  ASSIGN_OR_RETURN(pair->reply, Negotiate(source, target));
  return SendOne(source, target, handle, pair->reply);
}

// --- the four steps ----------------------------------------------------------
// A size query starts nothing and seals nothing. bReplicate makes no
// difference.

absl::Status CA_CloneAsSourceInit(Library& library, CK_SESSION_HANDLE hSession,
                                  CK_BYTE_PTR, CK_ULONG ulInputLen,
                                  CK_BYTE_PTR pOutput,
                                  CK_ULONG_PTR pulOutputLen, CK_BBOOL) {
  if (ulInputLen != 0) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "the source's first step takes no input");
  }
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pOutput, pulOutputLen));
  if (!output.Fits(cloning::kMaxOpening)) {
    return ToStatus(output.Tell(cloning::kMaxOpening));
  }
  const CloningEnd end = CloningEnd::Of(session);
  ASSIGN_OR_RETURN(auto source, end.MakeEndpoint());
  ASSIGN_OR_RETURN(const base::Bytes hello,
                   end.runs().Start(std::move(source)));
  return ToStatus(output.Give(hello));
}

// 32 bytes; each one given takes the place of the session's last.
absl::Status CA_GenerateCloningKEV(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_BYTE_PTR pKEV, CK_ULONG_PTR pulKEVLen) {
  constexpr size_t kKevSize = 32;
  ASSIGN_OR_RETURN(const SessionRef session, TargetSession(library, hSession));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pKEV, pulKEVLen));
  if (!output.Fits(kKevSize)) return ToStatus(output.Tell(kKevSize));
  ASSIGN_OR_RETURN(base::Bytes kev, base::RandomBytes(kKevSize));
  session->set_cloning_vector(kev);
  return ToStatus(output.Give(kev));
}

absl::Status CA_CloneAsTargetInit(Library& library, CK_SESSION_HANDLE hSession,
                                  CK_BYTE_PTR pInput, CK_ULONG ulInputLen,
                                  CK_BYTE_PTR pKEV, CK_ULONG ulKEVLen, CK_BBOOL,
                                  CK_BYTE_PTR pOutput,
                                  CK_ULONG_PTR pulOutputLen) {
  ASSIGN_OR_RETURN(const ByteSpan hello, Input(pInput, ulInputLen));
  ASSIGN_OR_RETURN(const SessionRef session, TargetSession(library, hSession));
  RETURN_IF_ERROR(CheckKev(*session, pKEV, ulKEVLen));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pOutput, pulOutputLen));
  if (!output.Fits(cloning::kMaxOpening)) {
    return ToStatus(output.Tell(cloning::kMaxOpening));
  }
  const CloningEnd end = CloningEnd::Of(session);
  ASSIGN_OR_RETURN(auto target, end.MakeEndpoint());
  ASSIGN_OR_RETURN(const base::Bytes reply,
                   end.runs().Join(std::move(target), hello));
  return ToStatus(output.Give(reply));
}

// The same input again goes on with its run.
absl::Status CA_CloneAsSource(Library& library, CK_SESSION_HANDLE hSession,
                              CK_ULONG ulObjectType, CK_ULONG ulObjectHandle,
                              CK_BYTE_PTR pInput, CK_ULONG ulInputLen, CK_BBOOL,
                              CK_BYTE_PTR pOutput, CK_ULONG_PTR pulOutputLen) {
  ASSIGN_OR_RETURN(const ByteSpan reply, Input(pInput, ulInputLen));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pOutput, pulOutputLen));
  ASSIGN_OR_RETURN(const uint64_t handle,
                   HandleOf(ulObjectType, ulObjectHandle));
  cloning::RunTable& runs = CloningEnd::Of(session).runs();
  if (!output.Fits(cloning::kMaxSingleMessage)) {
    ASSIGN_OR_RETURN(const size_t size, runs.SizeOfOne(reply, handle));
    if (!output.Fits(size)) return ToStatus(output.Tell(size));
  }
  ASSIGN_OR_RETURN(const base::Bytes sealed, runs.SealOne(reply, handle));
  return ToStatus(output.Give(sealed));
}

// The handle tells nothing for ordinary objects.
absl::Status CA_CloneAsTarget(Library& library, CK_SESSION_HANDLE hSession,
                              CK_BYTE_PTR pKEV, CK_ULONG ulKEVLen,
                              CK_BYTE_PTR pInput, CK_ULONG ulInputLen,
                              CK_ULONG ulObjectType, CK_ULONG ulObjectHandle,
                              CK_BBOOL, CK_OBJECT_HANDLE_PTR phNewObject) {
  RETURN_IF_ERROR(Need(phNewObject, "no place for the handle"));
  ASSIGN_OR_RETURN(const ByteSpan sealed, Input(pInput, ulInputLen));
  ASSIGN_OR_RETURN(const SessionRef session, TargetSession(library, hSession));
  RETURN_IF_ERROR(CheckKev(*session, pKEV, ulKEVLen));
  RETURN_IF_ERROR(HandleOf(ulObjectType, ulObjectHandle).status());
  ASSIGN_OR_RETURN(const cloning::TargetResult result,
                   CloningEnd::Of(session).runs().AcceptOne(
                       sealed, cloning::AcceptOptions()));
  *phNewObject = ToldHandle(ulObjectType, ulObjectHandle, result.handle);
  return absl::OkStatus();
}

// --- the steps inside --------------------------------------------------------

// An equal object that the target has already is not copied: its handle is
// given.
absl::Status CA_CloneObject(Library& library, CK_SESSION_HANDLE hTargetSession,
                            CK_SESSION_HANDLE hSourceSession,
                            CK_ULONG ulObjectType, CK_OBJECT_HANDLE hObject,
                            CK_OBJECT_HANDLE_PTR phNewObject) {
  RETURN_IF_ERROR(Need(phNewObject, "no place for the handle"));
  ASSIGN_OR_RETURN(const SessionRef target,
                   TargetSession(library, hTargetSession));
  ASSIGN_OR_RETURN(const SessionRef source, library.session(hSourceSession));
  ASSIGN_OR_RETURN(const uint64_t handle, HandleOf(ulObjectType, hObject));
  ASSIGN_OR_RETURN(
      const uint64_t made,
      CloneOne(CloningEnd::Of(source), CloningEnd::Of(target), handle));
  *phNewObject = ToldHandle(ulObjectType, hObject, made);
  return absl::OkStatus();
}

absl::Status CA_ClonePrivateKey(Library& library,
                                CK_SESSION_HANDLE hTargetSession,
                                CK_SESSION_HANDLE hSourceSession,
                                CK_OBJECT_HANDLE hKey,
                                CK_OBJECT_HANDLE_PTR phNewKey) {
  return CA_CloneObject(library, hTargetSession, hSourceSession,
                        CK_CRYPTOKI_ELEMENT, hKey, phNewKey);
}

}  // namespace pkcs11::ca
