// One session: where it was opened, and its active operations, one of each
// kind. The rule when an operation ends is here and nowhere else.
#ifndef PERIGEE_PKCS11_SESSION_H_
#define PERIGEE_PKCS11_SESSION_H_

#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "base/cryptoki.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/operation.h"
#include "pkcs11/output.h"
#include "pkcs11/saved_states.h"
#include "pkcs11/token.h"

namespace pkcs11 {

// The kinds of operation: which tool works and how it is made, which flag of
// the key allows it, which flag of C_SessionCancel names it.
template <typename T, auto kFactory, CK_ATTRIBUTE_TYPE kUsageFlag,
          CK_FLAGS kCancelFlag>
struct Kind {
  using Tool = T;
  static constexpr CK_ATTRIBUTE_TYPE kUsage = kUsageFlag;
  static constexpr CK_FLAGS kFlag = kCancelFlag;
  // Whether a result that does not fit is kept for the next call.
  static constexpr bool kHoldsResult = false;
  // Reads what others protected (approved.h).
  static constexpr bool kProcesses = kUsageFlag == CKA_VERIFY ||
                                     kUsageFlag == CKA_DECRYPT ||
                                     kUsageFlag == CKA_VERIFY_RECOVER;
  // Whether Init's parameters are read. Those of messages come with each one.
  static constexpr bool kParses = true;
  // Whether one Init begins many uses.
  static constexpr bool kManyUses = false;

  static bool IsOf(const Mechanism& mechanism) {
    return mechanism.*kFactory != nullptr;
  }
  static absl::StatusOr<std::unique_ptr<T>> Make(const Use& use,
                                                 const ParametersRef&) {
    return (use.mechanism.*kFactory)(use);
  }
};

struct DigestKind : Kind<Digester, &Mechanism::digest,
                         CK_UNAVAILABLE_INFORMATION, CKF_DIGEST> {};
struct SignKind : Kind<Signer, &Mechanism::sign, CKA_SIGN, CKF_SIGN> {};
struct VerifyKind : Kind<Verifier, &Mechanism::verify, CKA_VERIFY, CKF_VERIFY> {
};
struct EncryptKind
    : Kind<Cipher, &Mechanism::encrypt, CKA_ENCRYPT, CKF_ENCRYPT> {};
// The length of a plaintext may depend on its padding: a result that does not
// fit is kept for the next call (wiped with the operation).
struct DecryptKind
    : Kind<Cipher, &Mechanism::decrypt, CKA_DECRYPT, CKF_DECRYPT> {
  static constexpr bool kHoldsResult = true;
};
struct SignRecoverKind : Kind<Signer, &Mechanism::sign_recover,
                              CKA_SIGN_RECOVER, CKF_SIGN_RECOVER> {};
struct VerifyRecoverKind : Kind<Cipher, &Mechanism::verify_recover,
                                CKA_VERIFY_RECOVER, CKF_VERIFY_RECOVER> {
  static constexpr bool kHoldsResult = true;
};
struct MessageEncryptKind : Kind<MessageCipher, &Mechanism::message_encrypt,
                                 CKA_ENCRYPT, CKF_MESSAGE_ENCRYPT> {
  static constexpr bool kParses = false;
  static constexpr bool kManyUses = true;
};
struct MessageDecryptKind : Kind<MessageCipher, &Mechanism::message_decrypt,
                                 CKA_DECRYPT, CKF_MESSAGE_DECRYPT> {
  static constexpr bool kParses = false;
  static constexpr bool kManyUses = true;
};

// Signs or verifies one message after the other, each with a new tool.
template <typename T, auto kFactory>
class EachMessage final : public Tool {
 public:
  EachMessage(const Use& use, ParametersRef parameters)
      : mechanism_(use.mechanism),
        parameters_(std::move(parameters)),
        key_(use.key),
        profile_(use.profile) {}

  // Begins a message; one that was begun is dropped.
  absl::Status Begin() {
    ASSIGN_OR_RETURN(current_,
                     (mechanism_.*kFactory)(Use{mechanism_, parameters_.get(),
                                                key_, nullptr, profile_}));
    return absl::OkStatus();
  }
  // The tool of the message that was begun; null when there is none.
  T* current() { return current_.get(); }
  const T* current() const { return current_.get(); }
  void End() { current_.reset(); }

 private:
  const Mechanism& mechanism_;
  const ParametersRef parameters_;
  const hsm::ObjectRef key_;
  const Profile profile_;
  std::unique_ptr<T> current_;
};
using MessageSigner = EachMessage<Signer, &Mechanism::sign>;
using MessageVerifier = EachMessage<Verifier, &Mechanism::verify>;

template <typename T, auto kFactory, CK_ATTRIBUTE_TYPE kUsageFlag,
          CK_FLAGS kCancelFlag>
struct EachMessageKind
    : Kind<EachMessage<T, kFactory>, kFactory, kUsageFlag, kCancelFlag> {
  static constexpr bool kManyUses = true;
  static absl::StatusOr<std::unique_ptr<EachMessage<T, kFactory>>> Make(
      const Use& use, const ParametersRef& parameters) {
    return std::make_unique<EachMessage<T, kFactory>>(use, parameters);
  }
};
struct MessageSignKind
    : EachMessageKind<Signer, &Mechanism::sign, CKA_SIGN, CKF_MESSAGE_SIGN> {};
struct MessageVerifyKind : EachMessageKind<Verifier, &Mechanism::verify,
                                           CKA_VERIFY, CKF_MESSAGE_VERIFY> {};

// C_VerifySignatureInit: the signature is known before the data.
struct SignatureCheck final : public Tool {
  std::unique_ptr<Verifier> verifier;
  base::Bytes signature;
};
struct VerifySignatureKind
    : Kind<SignatureCheck, &Mechanism::verify, CKA_VERIFY, CKF_VERIFY> {
  static absl::StatusOr<std::unique_ptr<SignatureCheck>> Make(
      const Use& use, const ParametersRef&) {
    auto made = std::make_unique<SignatureCheck>();
    ASSIGN_OR_RETURN(made->verifier, use.mechanism.verify(use));
    return made;
  }
};

// Thread-safe. Its mutex is held during a whole operation step, so the calls of
// several threads on one session queue.
class Session {
 public:
  Session(CK_SESSION_HANDLE handle, TokenRef token, SpaceId space,
          bool read_write, CK_FLAGS flags);

  CK_SESSION_HANDLE handle() const { return handle_; }
  Token& token() const { return *token_; }
  const TokenRef& token_ref() const { return token_; }
  // The partition or container it was opened on.
  SpaceId space() const { return space_; }
  bool read_write() const { return read_write_; }
  CK_FLAGS flags() const { return flags_; }
  Application& application() const { return *application_; }
  CK_STATE state() const;
  // Set right after its making, before anybody else has its handle.
  const ApplicationId& application_id() const { return application_id_; }
  void set_application_id(const ApplicationId& id) { application_id_ = id; }

  // The object behind a handle, as this session may see it;
  // CKR_OBJECT_HANDLE_INVALID. No lock of the session is taken.
  absl::StatusOr<hsm::ObjectRef> FindObject(CK_OBJECT_HANDLE handle) const;

  // What CA_GenerateCloningKEV gave last; empty: nothing.
  base::Bytes cloning_vector() const {
    absl::MutexLock lock(&rights_mu_);
    return cloning_vector_;
  }
  void set_cloning_vector(base::Bytes vector) {
    absl::MutexLock lock(&rights_mu_);
    cloning_vector_ = std::move(vector);
  }

  // --- rights of single keys (hsm/key_rights.h)

  // Until the key changes, the login ends or the session closes.
  // `epoch`: the login's when the data was tried.
  void Authorize(const hsm::Object& key, uint64_t epoch);
  void Withdraw(const hsm::Object& key);
  // CKR_KEY_NOT_AUTHORIZED for a key that wants it and was not authorised here.
  absl::Status CheckAuthorized(const hsm::Object& key) const;
  // Before a key is used: counts that, where the key counts its uses
  // (CKR_KEY_NOT_ACTIVE), and tells the audit log, where that has them.
  absl::Status NoteUse(const hsm::Object& key, CK_ATTRIBUTE_TYPE usage,
                       CK_MECHANISM_TYPE mechanism) const;

  // CKR_SESSION_HANDLE_INVALID once it was closed.
  absl::Status CheckUsable() {
    absl::MutexLock lock(&mu_);
    return CheckOpen();
  }

  // Whether the last service was approved (PKCS#11 3.2, section 5.6.11): one
  // that was begun, or one of a single call.
  bool last_approved() const {
    return last_approved_.load(std::memory_order_relaxed);
  }
  void NoteService(bool approved) {
    last_approved_.store(approved, std::memory_order_relaxed);
  }

  // --- operations ------------------------------------------------------------

  // C_*Init. Everything that can be checked is checked here. A null
  // `mechanism` cancels the active operation (PKCS#11 3.0), and is
  // CKR_ARGUMENTS_BAD when there is none. `key` is not used for digests.
  template <typename Kind>
  absl::Status Begin(const CK_MECHANISM* mechanism,
                     CK_OBJECT_HANDLE key = CK_INVALID_HANDLE);
  // Begins an operation with a tool that is there already (an operation state
  // that was saved). CKR_OPERATION_ACTIVE.
  absl::Status Resume(const Mechanism& mechanism,
                      std::unique_ptr<Digester> tool);
  // A copy of the active digest, when no other operation is active:
  // CKR_STATE_UNSAVEABLE, CKR_OPERATION_NOT_INITIALIZED.
  absl::StatusOr<SavedStates::State> SaveDigest();

  // A step that takes input only (C_SignUpdate, ...). An error ends the
  // operation.
  template <typename Kind>
  absl::Status Feed(absl::FunctionRef<absl::Status(typename Kind::Tool&)> feed);

  template <typename Kind>
  using SizeOf = absl::FunctionRef<size_t(const typename Kind::Tool&)>;
  template <typename Kind>
  using Make = absl::FunctionRef<absl::StatusOr<size_t>(typename Kind::Tool&,
                                                        MutableByteSpan)>;

  // A step with output in the middle (C_EncryptUpdate). Ends the operation on
  // errors, a too small buffer excepted.
  template <typename Kind>
  absl::Status Flow(const absl::StatusOr<Output>& output, SizeOf<Kind> size,
                    Make<Kind> make);

  // The last step of an operation (kFinal: after any number of parts; kOneShot:
  // before any). It ends the operation unless only the length was asked for or
  // the buffer was too small.
  enum class Last : uint8_t { kOneShot, kFinal };
  template <typename Kind>
  absl::Status Finish(Last last, const absl::StatusOr<Output>& output,
                      SizeOf<Kind> size, Make<Kind> make);

  // The same without output (verification): always ends the operation.
  template <typename Kind>
  absl::Status Conclude(
      Last last, absl::FunctionRef<absl::Status(typename Kind::Tool&)> check);

  // Completes what Begin made, before the first step.
  template <typename Kind>
  absl::Status Prepare(absl::FunctionRef<void(typename Kind::Tool&)> prepare);
  // A step of a message: the operation goes on, whatever becomes of it.
  template <typename Kind>
  absl::Status During(
      absl::FunctionRef<absl::Status(typename Kind::Tool&)> step);
  template <typename Kind>
  absl::Status MessageFlow(const absl::StatusOr<Output>& output,
                           SizeOf<Kind> size, Make<Kind> make);
  // C_Message*Final: ends the operation.
  template <typename Kind>
  absl::Status End();

  // Two operations on the same data (C_DigestEncryptUpdate and the like): the
  // cipher's step, and `feed`, which takes `in` when encrypting and the
  // plaintext when decrypting. An error ends both; without room nothing
  // happens to either.
  template <typename CipherKind, typename OtherKind>
  absl::Status DualFlow(
      const absl::StatusOr<Output>& output, const absl::StatusOr<ByteSpan>& in,
      absl::FunctionRef<absl::Status(typename OtherKind::Tool&, ByteSpan)>
          feed);

  // The operations named by CKF_* flags (C_SessionCancel); others are left.
  void Cancel(CK_FLAGS flags);
  // All of them, and cached keys. At logout.
  void EndOperations();
  // The session is closed: later steps are CKR_SESSION_HANDLE_INVALID.
  void Close();

  // CKU_CONTEXT_SPECIFIC: CKR_OPERATION_NOT_INITIALIZED when no operation waits
  // for it. The PIN is checked without the session's lock.
  absl::Status Authenticate(const SecretBytes& pin);

  // --- search
  // ------------------------------------------------------------------

  absl::Status BeginFind(const AttributeSet& pattern);
  absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> NextFound(size_t limit);
  absl::Status EndFind();

 private:
  struct Active {
    const Mechanism* mechanism = nullptr;
    hsm::ObjectRef key;               // null for digests
    uint64_t epoch = 0;               // the login epoch it began under
    uint64_t number = 0;              // of its Init in this session
    bool parts = false;               // something was fed
    bool approved = false;            // approved.h
    bool asks_pin = false;            // CKA_ALWAYS_AUTHENTICATE
    bool authenticated = true;        // false while the PIN is waited for
    std::optional<SecretBytes> held;  // a result that did not fit
  };
  template <typename Kind>
  struct ActiveOf : Active {
    static constexpr CK_FLAGS kFlag = Kind::kFlag;
    std::unique_ptr<typename Kind::Tool> tool;
  };
  template <typename Kind>
  using Place = std::optional<ActiveOf<Kind>>;
  // The tool of the last operation that went well, at rest. What was checked
  // of its mechanism and key need not be checked again.
  template <typename Kind>
  struct Spare {
    const Mechanism* mechanism = nullptr;
    hsm::ObjectRef key;
    bool approved = false;
    bool asks_pin = false;
    std::unique_ptr<typename Kind::Tool> tool;
  };

  struct Search {
    std::vector<CK_OBJECT_HANDLE> found;
    size_t next = 0;
    uint64_t epoch = 0;
  };

  template <typename Kind>
  Place<Kind>& place() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::get<Place<Kind>>(operations_.active);
  }
  template <typename Kind>
  Spare<Kind>& spare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::get<Spare<Kind>>(operations_.spare);
  }
  // The operation came to its end; keeps its tool where that can be used again.
  template <typename Kind>
  void Complete() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The active operation when it may go on; what has to end is ended here.
  template <typename Kind>
  absl::StatusOr<ActiveOf<Kind>*> Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  template <typename Kind>
  absl::Status Start(const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The operation that was begun last of those that wait for a PIN, or null.
  Active* Waiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckOpen() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::Status CheckGoesOn(const Active& active) const;
  // CKR_USER_NOT_LOGGED_IN while CKA_ALWAYS_AUTHENTICATE waits.
  static absl::Status CheckPinGiven(const Active& active);
  template <typename Kind>
  absl::StatusOr<Answer> Step(ActiveOf<Kind>& active, const Output& output,
                              SizeOf<Kind> size, Make<Kind> make, bool hold)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<hsm::ObjectRef> FindKey(CK_OBJECT_HANDLE handle)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  template <typename Visit>
  void ForEachActive(Visit visit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const CK_SESSION_HANDLE handle_;
  const TokenRef token_;
  const SpaceId space_;
  ApplicationId application_id_{};
  const bool read_write_;
  const CK_FLAGS flags_;
  const std::shared_ptr<Application> application_;

  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  template <typename... Kinds>
  struct Of {
    std::tuple<Place<Kinds>...> active;
    std::tuple<Spare<Kinds>...> spare;
  };
  Of<DigestKind, SignKind, VerifyKind, EncryptKind, DecryptKind,
     SignRecoverKind, VerifyRecoverKind, MessageEncryptKind, MessageDecryptKind,
     MessageSignKind, MessageVerifyKind, VerifySignatureKind>
      operations_ ABSL_GUARDED_BY(mu_);
  std::optional<Search> search_ ABSL_GUARDED_BY(mu_);
  // The key of the last Init, to be used again if it is still current.
  hsm::ObjectRef last_key_ ABSL_GUARDED_BY(mu_);
  uint64_t last_key_epoch_ ABSL_GUARDED_BY(mu_) = 0;
  // Of its space, before it was last found to be current.
  uint64_t last_key_generation_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<bool> last_approved_{false};
  mutable absl::Mutex rights_mu_;  // leaf
  base::Bytes cloning_vector_ ABSL_GUARDED_BY(rights_mu_);
  // Handle -> version and login epoch that were authorised.
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> authorized_
      ABSL_GUARDED_BY(rights_mu_);
  uint64_t inits_ ABSL_GUARDED_BY(mu_) = 0;
};

using SessionRef = std::shared_ptr<Session>;

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_SESSION_H_
