#include "pkcs11/built_in_objects.h"

#include "hsm/attribute_rules.h"

namespace pkcs11 {
namespace {

hsm::AttributeSet Begun(CK_OBJECT_CLASS object_class, const char* label) {
  hsm::AttributeSet object;
  object.SetUlong(CKA_CLASS, object_class);
  object.SetBool(CKA_TOKEN, true);
  object.SetBool(CKA_PRIVATE, false);
  object.SetBool(CKA_MODIFIABLE, false);
  object.SetBool(CKA_COPYABLE, false);
  object.SetBool(CKA_DESTROYABLE, false);
  object.Set(CKA_LABEL, base::AsBytes(label));
  return object;
}

// Those whose every demand is met, whatever the partition holds.
struct KnownProfile {
  CK_ULONG id;
  const char* name;
};
constexpr KnownProfile kProfiles[] = {
    {CKP_BASELINE_PROVIDER, "Baseline Provider"},
    {CKP_EXTENDED_PROVIDER, "Extended Provider"},
};

hsm::AttributeSet Validation() {
  hsm::AttributeSet object =
      Begun(CKO_VALIDATION, "approved services, without a certificate");
  object.SetUlong(CKA_VALIDATION_TYPE, CKV_TYPE_UNSPECIFIED);
  const uint8_t version[] = {0, 1};
  object.Set(CKA_VALIDATION_VERSION, version);
  object.SetUlong(CKA_VALIDATION_LEVEL, 0);
  object.Set(CKA_VALIDATION_MODULE_ID, base::AsBytes("Perigee"));
  object.SetUlong(CKA_VALIDATION_FLAG, kApprovedService);
  object.SetUlong(CKA_VALIDATION_AUTHORITY_TYPE,
                  CKV_AUTHORITY_TYPE_UNSPECIFIED);
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_VALIDATION_COUNTRY, CKA_VALIDATION_CERTIFICATE_IDENTIFIER,
        CKA_VALIDATION_CERTIFICATE_URI, CKA_VALIDATION_VENDOR_URI,
        CKA_VALIDATION_PROFILE}) {
    object.Set(type, base::ByteSpan());
  }
  return object;
}

// In the order of their handles; made at the first call and kept.
const std::vector<hsm::ObjectRef>& All() {
  static const auto& all = *[] {
    auto* made = new std::vector<hsm::ObjectRef>;
    const auto add = [&](hsm::AttributeSet object) {
      const CK_OBJECT_HANDLE handle = kFirstBuiltIn + made->size();
      made->push_back(
          std::make_shared<hsm::Object>(handle, 1, std::move(object)));
    };
    for (const KnownProfile& profile : kProfiles) {
      hsm::AttributeSet object = Begun(CKO_PROFILE, profile.name);
      object.SetUlong(CKA_PROFILE_ID, profile.id);
      add(std::move(object));
    }
    add(Validation());
    for (const Mechanism* row : Registry::Get().rows()) {
      hsm::AttributeSet object = Begun(CKO_MECHANISM, row->name);
      object.SetUlong(CKA_MECHANISM_TYPE, row->type);
      add(std::move(object));
    }
    return made;
  }();
  return all;
}

bool IsIn(Profile profile, const hsm::AttributeSet& object) {
  const auto mechanism = object.Ulong(CKA_MECHANISM_TYPE);
  return !mechanism.has_value() ||
         Registry::Get().Find(*mechanism, profile) != nullptr;
}

}  // namespace

hsm::ObjectRef FindBuiltIn(CK_OBJECT_HANDLE handle, Profile profile) {
  const size_t at = handle - kFirstBuiltIn;
  if (!IsBuiltIn(handle) || at >= All().size()) return nullptr;
  return IsIn(profile, All()[at]->attributes()) ? All()[at] : nullptr;
}

std::vector<CK_OBJECT_HANDLE> SearchBuiltIn(const hsm::AttributeSet& pattern,
                                            Profile profile) {
  std::vector<CK_OBJECT_HANDLE> found;
  const hsm::ObjectClass* known = hsm::FindObjectClass(pattern.object_class());
  if (known == nullptr || !known->built_in) return found;
  for (const hsm::ObjectRef& object : All()) {
    if (object->attributes().Matches(pattern) &&
        IsIn(profile, object->attributes())) {
      found.push_back(object->handle());
    }
  }
  return found;
}

}  // namespace pkcs11
