#include "tools/shell/key_wrap.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/key_material.h"
#include "tools/shell/new_key.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Json = nlohmann::ordered_json;

absl::StatusOr<CK_OBJECT_HANDLE> Unwrap(const Module& module,
                                        CK_SESSION_HANDLE session,
                                        const KeyObject& unwrapping,
                                        WipedBytes& blob, Template attributes) {
  RETURN_IF_ERROR(WrapMechanism::Check(unwrapping));
  WrapMechanism mechanism(unwrapping);
  std::vector<CK_ATTRIBUTE> rows = attributes.Rows();
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  const absl::Status status = module.Check(module.c().C_UnwrapKey(
      session, mechanism.get(), unwrapping.handle(), blob.data(), blob.size(),
      rows.data(), rows.size(), &handle));
  if (status.ok()) return handle;
  if (RvOf(status) != CKR_WRAPPED_KEY_INVALID) return status;
  return Failure(CKR_WRAPPED_KEY_INVALID,
                 "under this key it unwraps to nothing of this type",
                 "-unwrapwith is the key (of a pair, the private half) that "
                 "wrapped it, -type what is in it.");
}

// The public half of an unwrapped private key, with its id on both.
absl::StatusOr<CK_OBJECT_HANDLE> MakePublic(const Module& module,
                                            CK_SESSION_HANDLE session,
                                            const KeyObject& hidden,
                                            NewKey wanted,
                                            absl::Span<const Use> uses) {
  ASSIGN_OR_RETURN(const OwnedKey key, PublicKeyOf(hidden));
  ASSIGN_OR_RETURN(Template attributes,
                   AttributesOf(key.get(), CKO_PUBLIC_KEY));
  if (!wanted.id.has_value()) {
    wanted.id = KeyIdOf(key.get());
    Template id;
    id.Text(CKA_ID, *wanted.id);
    std::vector<CK_ATTRIBUTE> rows = id.Rows();
    RETURN_IF_ERROR(module.Check(module.c().C_SetAttributeValue(
        session, hidden.handle(), rows.data(), rows.size())));
  }
  SetPlace(wanted, CKO_PUBLIC_KEY, attributes);
  RETURN_IF_ERROR(SetUsage(uses, CKO_PUBLIC_KEY, attributes));
  std::vector<CK_ATTRIBUTE> rows = attributes.Rows();
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  RETURN_IF_ERROR(module.Check(
      module.c().C_CreateObject(session, rows.data(), rows.size(), &handle)));
  return handle;
}

}  // namespace

absl::Status WrapMechanism::Check(const KeyObject& key) {
  if (key.key_type() == CKK_AES || key.key_type() == CKK_RSA) {
    return absl::OkStatus();
  }
  return Failure(CKR_KEY_TYPE_INCONSISTENT,
                 absl::StrCat("the ", key.Kind(), " wraps no keys here"),
                 "An AES key or an RSA pair made with -usage wrap does.");
}

WrapMechanism::WrapMechanism(const KeyObject& key)
    : oaep_{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, nullptr, 0},
      both_{256, &oaep_},
      mechanism_{CKM_RSA_AES_KEY_WRAP, &both_, sizeof both_} {
  if (key.key_type() == CKK_AES) {
    mechanism_ = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  }
}

const char* WrapMechanism::name() const {
  return mechanism_.mechanism == CKM_RSA_AES_KEY_WRAP
             ? "CKM_RSA_AES_KEY_WRAP (AES-256, OAEP with SHA-256)"
             : "CKM_AES_KEY_WRAP_KWP";
}

absl::StatusOr<WipedBytes> WrapKey(const Module& module,
                                   CK_SESSION_HANDLE session,
                                   const KeyObject& wrapping,
                                   const KeyObject& key) {
  RETURN_IF_ERROR(WrapMechanism::Check(wrapping));
  WrapMechanism mechanism(wrapping);
  CK_ULONG size = 0;
  const auto wrap = module.c().C_WrapKey;
  RETURN_IF_ERROR(module.Check(wrap(session, mechanism.get(), wrapping.handle(),
                                    key.handle(), nullptr, &size)));
  WipedBytes blob = WipedBytes::OfSize(size);
  RETURN_IF_ERROR(module.Check(wrap(session, mechanism.get(), wrapping.handle(),
                                    key.handle(), blob.data(), &size)));
  blob.Truncate(size);
  return blob;
}

absl::Status ImportWrapped(Shell& shell, const Arguments& arguments,
                           CK_SESSION_HANDLE session, WipedBytes& blob) {
  const Module& module = shell.module();
  const std::optional<std::string> type_name = arguments.Text("type");
  const std::optional<std::string> label = arguments.Text("label");
  if (!type_name.has_value() || !label.has_value()) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "a wrapped key tells neither its type nor its name",
                   "Add -type rsa, ec, aes, ... and -label.");
  }
  if (arguments.Has("dryrun")) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "what is in a wrapped key only the HSM can tell, by "
                   "unwrapping it",
                   "Leave -dryrun out.");
  }
  ASSIGN_OR_RETURN(const KeyType type, FindKeyType(*type_name));
  ASSIGN_OR_RETURN(const NewKey wanted, NewKeyFrom(arguments));
  constexpr CK_OBJECT_CLASS kUnwrapping[] = {CKO_SECRET_KEY, CKO_PRIVATE_KEY};
  ASSIGN_OR_RETURN(
      const KeyObject unwrapping,
      OneObject(shell, *arguments.Text("unwrapwith"), kUnwrapping));
  ASSIGN_OR_RETURN(std::vector<Use> uses, ParseUsage(type.usage));
  if (wanted.usage.has_value()) uses = *wanted.usage;
  const CK_OBJECT_CLASS kind = type.pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
  Template attributes;
  attributes.Number(CKA_CLASS, kind);
  attributes.Number(CKA_KEY_TYPE, type.type);
  SetPlace(wanted, kind, attributes);
  RETURN_IF_ERROR(SetUsage(uses, kind, attributes));
  std::vector<CK_OBJECT_HANDLE> made(1);
  ASSIGN_OR_RETURN(made[0], Unwrap(module, session, unwrapping, blob,
                                   std::move(attributes)));
  if (type.pair) {
    const absl::StatusOr<CK_OBJECT_HANDLE> open = MakePublic(
        module, session, KeyObject(module, session, made[0]), wanted, uses);
    if (!open.ok()) {
      module.c().C_DestroyObject(session, made[0]);
      return open.status();
    }
    made.push_back(*open);
  }
  Json objects = Json::array();
  absl::PrintF("\n");
  for (const CK_OBJECT_HANDLE handle : made) {
    const KeyObject object(module, session, handle);
    Json facts = KeyFacts(shell, object);
    absl::PrintF("        %s \"%s\", handle %d\n            %s\n",
                 object.Kind(), CleanText(object.label()), handle,
                 UriOf(shell, object));
    objects.push_back({{"what", object.Kind()},
                       {"label", facts["label"]},
                       {"id", facts["id"]},
                       {"uri", facts["uri"]},
                       {"handle", handle}});
  }
  absl::PrintF("\n        %s imported.\n", Count(made.size(), "object"));
  shell.Tell({{"format", "wrapped"}, {"dryrun", false}, {"objects", objects}});
  return absl::OkStatus();
}

}  // namespace shell
