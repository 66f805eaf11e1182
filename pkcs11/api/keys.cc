// C_GenerateKey, C_GenerateKeyPair, C_DeriveKey.
#include <cstring>
#include <utility>

#include "hsm/key_protection.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/key_use.h"
#include "pkcs11/mechanisms/self_check.h"
#include "pkcs11/object_access.h"
#include "pkcs11/trace.h"

namespace pkcs11::api {
namespace {

using hsm::How;

// A derived key is a secret key of at most this many bytes.
constexpr CK_ULONG kLongestKey = 1 << 14;

hsm::ResolveContext Generation(const Session& session,
                               const Mechanism& mechanism,
                               CK_OBJECT_CLASS object_class) {
  hsm::ResolveContext context = ContextOf(session);
  context.mechanism = mechanism.type;
  context.object_class = object_class;
  if (mechanism.key_type != CK_UNAVAILABLE_INFORMATION) {
    context.key_type = mechanism.key_type;
  }
  return context;
}

absl::StatusOr<AttributeSet> ResolveNew(const Session& session,
                                        const Mechanism& mechanism,
                                        CK_OBJECT_CLASS object_class,
                                        const CK_ATTRIBUTE* attributes,
                                        CK_ULONG count) {
  ASSIGN_OR_RETURN(AttributeSet input,
                   ParseTemplate(attributes, count, TemplateUse::kObject));
  if (const CK_ULONG size = mechanism.generated_size; size != 0) {
    if (input.Has(CKA_VALUE_LEN) && input.Ulong(CKA_VALUE_LEN) != size) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN");
    }
    input.SetUlong(CKA_VALUE_LEN, size);
  }
  ASSIGN_OR_RETURN(AttributeSet resolved,
                   hsm::Resolve(How::kGenerate, input,
                                Generation(session, mechanism, object_class)));
  RETURN_IF_ERROR(MayWrite(session, resolved));
  return resolved;
}

// The base key of a derivation, checked.
absl::StatusOr<hsm::ObjectRef> BaseKey(const Session& session,
                                       const Mechanism& mechanism,
                                       CK_OBJECT_HANDLE handle) {
  absl::StatusOr<hsm::ObjectRef> key = session.FindObject(handle);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  RETURN_IF_ERROR(CheckKeyUse(mechanism, (*key)->attributes(), CKA_DERIVE,
                              kKeyErrors, session.token().profile()));
  // One call has no place for the PIN between Init and use.
  if (AlwaysAuthenticates((*key)->attributes())) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the key wants its PIN, which this call cannot ask");
  }
  RETURN_IF_ERROR(session.CheckAuthorized(**key));
  RETURN_IF_ERROR(session.NoteUse(**key, CKA_DERIVE, mechanism.type));
  return key;
}

// A key that only a mechanism's parameters name.
absl::StatusOr<hsm::ObjectRef> OtherKey(const Session& session,
                                        const Mechanism& mechanism,
                                        CK_OBJECT_HANDLE handle) {
  absl::StatusOr<hsm::ObjectRef> key = session.FindObject(handle);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  const AttributeSet& attributes = (*key)->attributes();
  if (attributes.object_class() != CKO_SECRET_KEY ||
      !attributes.Has(CKA_VALUE)) {
    return base::Error(CKR_KEY_TYPE_INCONSISTENT,
                       "the other key is no secret key");
  }
  RETURN_IF_ERROR(CheckKeyUse(mechanism, attributes, CKA_DERIVE, kKeyErrors,
                              session.token().profile()));
  RETURN_IF_ERROR(session.CheckAuthorized(**key));
  RETURN_IF_ERROR(session.NoteUse(**key, CKA_DERIVE, mechanism.type));
  return key;
}

// The keys that a derivation makes, from their templates to their handles.
class Derivation final : public DerivedKeys {
 public:
  // `own` is C_DeriveKey's own key.
  Derivation(Session& session, const Use& use, const WantedKey& own)
      : session_(session), use_(use), own_(own) {}

  const WantedKey& own() const override { return own_; }

  absl::StatusOr<size_t> Add(const WantedKey& wanted,
                             const KeyShape& shape) override {
    RETURN_IF_ERROR(Need(wanted.handle, "no place for the handle"));
    CK_ULONG size = 0;
    absl::StatusOr<AttributeSet> key = Resolved(wanted, shape, size);
    if (!key.ok()) return Offending(wanted.handle, key.status());
    if (size > kLongestKey) {
      return Offending(
          wanted.handle,
          base::Error(CKR_KEY_SIZE_RANGE, "CKA_VALUE_LEN is too large"));
    }
    keys_.push_back(*std::move(key));
    handles_.push_back(wanted.handle);
    return size;
  }

  const AttributeSet& key(size_t number) const override {
    return keys_.at(number);
  }
  void SetValue(size_t number, ByteSpan value) override {
    SecretBytes shaped = SecretBytes::CopyOf(value);
    ShapeDerivedValue(keys_.at(number).key_type(), shaped);
    SetKeyValue(shaped.Expose(), keys_.at(number));
  }
  void SetParts(size_t number, const AttributeSet& parts) override {
    Merge(parts, keys_.at(number));
  }
  void Give(void* place, ByteSpan bytes) override {
    given_.push_back({place, SecretBytes::CopyOf(bytes)});
  }

  absl::Status Create() {
    for (size_t i = 0; i < keys_.size(); ++i) {
      const auto added = CompleteKeyMaterial(keys_[i]);
      if (!added.ok()) return Offending(handles_[i], added.status());
      Merge(*added, keys_[i]);
    }
    NoteMaking(session_, use_.mechanism, Service::kProtect,
               &use_.key->attributes(), absl::MakeSpan(keys_));
    ASSIGN_OR_RETURN(
        const std::vector<CK_OBJECT_HANDLE> made,
        CreateObjects(session_, Making::kDerived, std::move(keys_)));
    for (size_t i = 0; i < made.size(); ++i) {
      *handles_[i] = made[i];
      trace::NoteRead(handles_[i]);
    }
    for (const auto& [place, bytes] : given_) {
      std::memcpy(place, bytes.Expose().data(), bytes.size());
    }
    return absl::OkStatus();
  }

 private:
  // Tells which of several keys cannot be (PKCS#11 3.2, 6.42.8).
  absl::Status Offending(CK_OBJECT_HANDLE* handle, absl::Status status) const {
    if (use_.mechanism.derive_several != nullptr) *handle = CK_INVALID_HANDLE;
    return status;
  }

  // `size`: bytes of the value, 0 where nobody says.
  absl::StatusOr<AttributeSet> Resolved(const WantedKey& wanted,
                                        const KeyShape& shape,
                                        CK_ULONG& size) const {
    ASSIGN_OR_RETURN(
        AttributeSet input,
        ParseTemplate(wanted.attributes, wanted.count, TemplateUse::kObject));
    hsm::ResolveContext context = ContextOf(session_);
    context.mechanism = use_.mechanism.type;
    context.parent = &use_.key->attributes();
    std::optional<AttributeSet> fitting;
    if (shape.object_class == CKO_PUBLIC_KEY && shape.key_type.has_value()) {
      fitting = ForPublicKey(*context.parent, *shape.key_type);
      context.parent = &*fitting;
    }
    if (use_.other != nullptr) context.other_parent = &use_.other->attributes();
    if (use_.mechanism.derive_public != nullptr) {
      context.object_class = CKO_PUBLIC_KEY;
      context.key_type = use_.key->attributes().key_type();
    } else if (use_.mechanism.derives_data) {
      RETURN_IF_ERROR(PrepareData(input, size));
      context.object_class = CKO_DATA;
    } else {
      // A data object as the target would show the secret.
      context.object_class = shape.object_class;
      context.key_type = shape.key_type;
    }
    const AttributeSet* asked = hsm::ParentTemplate(How::kDerive, context);
    for (const auto& entry : shape.implied.entries()) {
      if (input.Has(entry.type)) continue;
      if (asked != nullptr && asked->Has(entry.type)) continue;
      input.Set(entry.type, ByteSpan(entry.value));
    }
    for (const auto& entry : shape.fixed.entries()) {
      if (input.Has(entry.type) &&
          !base::SameBytes(input.Value(entry.type), entry.value)) {
        return base::Error(CKR_TEMPLATE_INCONSISTENT,
                           "the mechanism decides this attribute");
      }
      input.Set(entry.type, ByteSpan(entry.value));
    }
    ASSIGN_OR_RETURN(AttributeSet key,
                     hsm::Resolve(How::kDerive, input, context));
    RETURN_IF_ERROR(MayWrite(session_, key));
    if (!use_.mechanism.derives_data) {
      size = key.Ulong(CKA_VALUE_LEN).value_or(FixedKeySize(key.key_type()));
    }
    return key;
  }

  // A base key whose CKA_DERIVE_TEMPLATE, meant for the private key of a pair,
  // says of the public one what that can have.
  static AttributeSet ForPublicKey(const AttributeSet& parent,
                                   CK_KEY_TYPE type) {
    AttributeSet fitting = parent;
    const AttributeSet::Entry* entry = parent.Find(CKA_DERIVE_TEMPLATE);
    const hsm::ObjectType* wanted = hsm::FindObjectType(CKO_PUBLIC_KEY, type);
    if (entry == nullptr || entry->nested == nullptr || wanted == nullptr) {
      return fitting;
    }
    AttributeSet asked;
    for (const AttributeSet::Entry& each : entry->nested->entries()) {
      const bool fits = hsm::FindRule(*wanted, each.type) != nullptr &&
                        each.type != CKA_BIP32_VERSION_BYTES;
      if (!fits) continue;
      if (each.nested != nullptr) {
        asked.SetNested(each.type, *each.nested);
      } else {
        asked.Set(each.type, ByteSpan(each.value));
      }
    }
    fitting.SetNested(CKA_DERIVE_TEMPLATE, std::move(asked));
    return fitting;
  }

  // A data object shows what comes out, and has no CKA_VALUE_LEN.
  absl::Status PrepareData(AttributeSet& input, CK_ULONG& size) const {
    for (const hsm::ObjectRef& parent : {use_.key, use_.other}) {
      if (parent != nullptr && hsm::HidesValue(parent->attributes())) {
        return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                           "data objects come only from readable keys");
      }
    }
    if (input.Has(CKA_VALUE)) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE is derived");
    }
    size = input.Ulong(CKA_VALUE_LEN).value_or(0);
    input.Erase(CKA_VALUE_LEN);
    return absl::OkStatus();
  }

  Session& session_;
  const Use& use_;
  const WantedKey own_;
  std::vector<AttributeSet> keys_;
  std::vector<CK_OBJECT_HANDLE*> handles_;
  std::vector<std::pair<void*, SecretBytes>> given_;
};

}  // namespace

absl::Status C_GenerateKey(Library& library, CK_SESSION_HANDLE hSession,
                           CK_MECHANISM_PTR pMechanism,
                           CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
                           CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->generate == nullptr) return NoSuchUse(*mechanism);
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  const CK_OBJECT_CLASS object_class =
      mechanism->makes_parameters ? CKO_DOMAIN_PARAMETERS : CKO_SECRET_KEY;
  ASSIGN_OR_RETURN(
      AttributeSet key,
      ResolveNew(*session, *mechanism, object_class, pTemplate, ulCount));
  ASSIGN_OR_RETURN(
      const AttributeSet material,
      mechanism->generate(Use{*mechanism, parameters.get(), nullptr, nullptr,
                              session->token().profile()},
                          key));
  Merge(material, key);
  NoteMaking(*session, *mechanism, Service::kProtect, nullptr,
             absl::MakeSpan(&key, 1));
  ASSIGN_OR_RETURN(*phKey,
                   CreateObject(*session, Making::kGenerated, std::move(key)));
  return absl::OkStatus();
}

absl::Status C_GenerateKeyPair(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_ATTRIBUTE_PTR pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount,
    CK_ATTRIBUTE_PTR pPrivateKeyTemplate, CK_ULONG ulPrivateKeyAttributeCount,
    CK_OBJECT_HANDLE_PTR phPublicKey, CK_OBJECT_HANDLE_PTR phPrivateKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phPublicKey, "no place for the public key's handle"));
  RETURN_IF_ERROR(Need(phPrivateKey, "no place for the private key's handle"));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->generate_pair == nullptr) return NoSuchUse(*mechanism);
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  std::vector<AttributeSet> pair(2);
  ASSIGN_OR_RETURN(pair[0],
                   ResolveNew(*session, *mechanism, CKO_PUBLIC_KEY,
                              pPublicKeyTemplate, ulPublicKeyAttributeCount));
  ASSIGN_OR_RETURN(pair[1],
                   ResolveNew(*session, *mechanism, CKO_PRIVATE_KEY,
                              pPrivateKeyTemplate, ulPrivateKeyAttributeCount));
  ASSIGN_OR_RETURN(
      const GeneratedPair material,
      mechanism->generate_pair(Use{*mechanism, parameters.get(), nullptr,
                                   nullptr, session->token().profile()},
                               pair[0], pair[1]));
  Merge(material.public_key, pair[0]);
  Merge(material.private_key, pair[1]);
  RETURN_IF_ERROR(CheckStrength(pair[1], session->token().profile()));
  if (absl::Status fits = CheckNewPair(pair[0], pair[1]); !fits.ok()) {
    EnterErrorState(fits.message());
    return fits;
  }
  NoteMaking(*session, *mechanism, Service::kProtect, nullptr,
             absl::MakeSpan(pair));
  ASSIGN_OR_RETURN(
      const std::vector<CK_OBJECT_HANDLE> handles,
      CreateObjects(*session, Making::kGenerated, std::move(pair)));
  *phPublicKey = handles[0];
  *phPrivateKey = handles[1];
  return absl::OkStatus();
}

absl::Status C_DeriveKey(Library& library, CK_SESSION_HANDLE hSession,
                         CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hBaseKey,
                         CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
                         CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->derive == nullptr && mechanism->derive_public == nullptr &&
      mechanism->derive_several == nullptr) {
    return NoSuchUse(*mechanism);
  }
  ASSIGN_OR_RETURN(const hsm::ObjectRef base_key,
                   BaseKey(*session, *mechanism, hBaseKey));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  Use use{*mechanism, parameters.get(), base_key, nullptr,
          session->token().profile()};
  if (parameters != nullptr && parameters->other_key() != CK_INVALID_HANDLE) {
    ASSIGN_OR_RETURN(use.other,
                     OtherKey(*session, *mechanism, parameters->other_key()));
  }
  Derivation keys(*session, use, {pTemplate, ulAttributeCount, phKey});
  if (mechanism->derive_several != nullptr) {
    RETURN_IF_ERROR(mechanism->derive_several(use, keys));
    return keys.Create();
  }
  ASSIGN_OR_RETURN(const size_t size, keys.Add(keys.own(), KeyShape()));
  if (mechanism->derive_public != nullptr) {
    ASSIGN_OR_RETURN(AttributeSet parts, mechanism->derive_public(use));
    // The one part that a template may say.
    if (keys.key(0).Has(CKA_BIP32_VERSION_BYTES)) {
      parts.Erase(CKA_BIP32_VERSION_BYTES);
    }
    keys.SetParts(0, parts);
    return keys.Create();
  }
  ASSIGN_OR_RETURN(const SecretBytes value, mechanism->derive(use, size));
  keys.SetValue(0, value.Expose());
  return keys.Create();
}

// --- encapsulation (PKCS#11 3.2 sections 5.18.8 and 5.18.9)
// --------------------

namespace {

// Half of an encapsulation: its mechanism, key and parameters, and the new key
// as its template says.
struct Encapsulation {
  const Mechanism* mechanism;
  hsm::ObjectRef key;
  ParametersRef parameters;
  AttributeSet made;
  size_t size;  // of the new key; 0 when nobody says

  Use use() const { return {*mechanism, parameters.get(), key, nullptr}; }
};

absl::StatusOr<Encapsulation> BeginEncapsulation(const Session& session,
                                                 const CK_MECHANISM* mechanism,
                                                 CK_OBJECT_HANDLE handle,
                                                 bool encapsulates,
                                                 const CK_ATTRIBUTE* attributes,
                                                 CK_ULONG count) {
  Encapsulation begun;
  ASSIGN_OR_RETURN(begun.mechanism, FindMechanism(session.token(), mechanism));
  const bool can = encapsulates ? begun.mechanism->encapsulate != nullptr
                                : begun.mechanism->decapsulate != nullptr;
  if (!can) return NoSuchUse(*begun.mechanism);
  absl::StatusOr<hsm::ObjectRef> key = session.FindObject(handle);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  begun.key = *std::move(key);
  RETURN_IF_ERROR(CheckKeyUse(*begun.mechanism, begun.key->attributes(),
                              encapsulates ? CKA_ENCAPSULATE : CKA_DECAPSULATE,
                              kKeyErrors, session.token().profile()));
  if (AlwaysAuthenticates(begun.key->attributes())) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the key wants its PIN, which this call cannot ask");
  }
  RETURN_IF_ERROR(session.CheckAuthorized(*begun.key));
  RETURN_IF_ERROR(session.NoteUse(
      *begun.key, encapsulates ? CKA_ENCAPSULATE : CKA_DECAPSULATE,
      begun.mechanism->type));
  ASSIGN_OR_RETURN(begun.parameters,
                   ParseParameters(*begun.mechanism, *mechanism));
  ASSIGN_OR_RETURN(const AttributeSet input,
                   ParseTemplate(attributes, count, TemplateUse::kObject));
  hsm::ResolveContext context = ContextOf(session);
  context.mechanism = begun.mechanism->type;
  context.parent = &begun.key->attributes();
  // A data object would show the secret.
  context.object_class = CKO_SECRET_KEY;
  ASSIGN_OR_RETURN(begun.made, hsm::Resolve(How::kEncapsulate, input, context));
  RETURN_IF_ERROR(MayWrite(session, begun.made));
  begun.size = begun.made.Ulong(CKA_VALUE_LEN)
                   .value_or(FixedKeySize(begun.made.key_type()));
  if (begun.size > kLongestKey) {
    return base::Error(CKR_KEY_SIZE_RANGE, "CKA_VALUE_LEN is too large");
  }
  return begun;
}

absl::StatusOr<CK_OBJECT_HANDLE> CreateSecret(Session& session,
                                              const SecretBytes& value,
                                              Encapsulation& half,
                                              Service service) {
  AttributeSet key = std::move(half.made);
  SetKeyValue(value.Expose(), key);
  ASSIGN_OR_RETURN(const AttributeSet added, CompleteKeyMaterial(key));
  Merge(added, key);
  NoteMaking(session, *half.mechanism, service, &half.key->attributes(),
             absl::MakeSpan(&key, 1));
  return CreateObject(session, Making::kDerived, std::move(key));
}

}  // namespace

absl::Status C_EncapsulateKey(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_OBJECT_HANDLE hPublicKey, CK_ATTRIBUTE_PTR pTemplate,
    CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext,
    CK_ULONG_PTR pulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pCiphertext, pulCiphertextLen));
  ASSIGN_OR_RETURN(
      Encapsulation half,
      BeginEncapsulation(*session, pMechanism, hPublicKey,
                         /*encapsulates=*/true, pTemplate, ulAttributeCount));
  ASSIGN_OR_RETURN(const size_t size,
                   half.mechanism->ciphertext_size(half.use()));
  // No key is made for a ciphertext that its owner does not get.
  if (!output.Fits(size)) return ToStatus(output.Tell(size));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  ASSIGN_OR_RETURN(const Encapsulated made,
                   half.mechanism->encapsulate(half.use(), half.size));
  ASSIGN_OR_RETURN(
      *phKey, CreateSecret(*session, made.secret, half, Service::kProtect));
  trace::NoteRead(phKey);
  return ToStatus(output.Give(made.ciphertext));
}

absl::Status C_DecapsulateKey(Library& library, CK_SESSION_HANDLE hSession,
                              CK_MECHANISM_PTR pMechanism,
                              CK_OBJECT_HANDLE hPrivateKey,
                              CK_ATTRIBUTE_PTR pTemplate,
                              CK_ULONG ulAttributeCount,
                              CK_BYTE_PTR pCiphertext, CK_ULONG ulCiphertextLen,
                              CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  RETURN_IF_ERROR(Need(pCiphertext, "no ciphertext"));
  ASSIGN_OR_RETURN(const ByteSpan ciphertext,
                   Input(pCiphertext, ulCiphertextLen));
  ASSIGN_OR_RETURN(
      Encapsulation half,
      BeginEncapsulation(*session, pMechanism, hPrivateKey,
                         /*encapsulates=*/false, pTemplate, ulAttributeCount));
  ASSIGN_OR_RETURN(
      const SecretBytes secret,
      half.mechanism->decapsulate(half.use(), ciphertext, half.size));
  ASSIGN_OR_RETURN(*phKey,
                   CreateSecret(*session, secret, half, Service::kProcess));
  return absl::OkStatus();
}

}  // namespace pkcs11::api
