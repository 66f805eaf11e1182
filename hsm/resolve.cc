// Resolve and its smaller kin: what the rule tables mean. The strict profile
// is described in attribute_rules.h; the numbers in comments below are its.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/attribute_rules.h"
#include "hsm/key_protection.h"

namespace hsm {

namespace {

// ---- Values ----

std::string Named(CK_ATTRIBUTE_TYPE type) {
  const char* name = AttributeName(type);
  return name != nullptr ? name : absl::StrCat("attribute 0x", absl::Hex(type));
}

absl::Status ReadOnly(CK_ATTRIBUTE_TYPE type) {
  return base::Error(CKR_ATTRIBUTE_READ_ONLY, Named(type));
}

absl::Status Inconsistent(absl::string_view why) {
  return base::Error(CKR_TEMPLATE_INCONSISTENT, why);
}

bool IsDate(ByteSpan value) {
  if (value.empty()) return true;
  if (value.size() != 8) return false;
  for (uint8_t c : value) {
    if (c < '0' || c > '9') return false;
  }
  const int month = (value[4] - '0') * 10 + (value[5] - '0');
  const int day = (value[6] - '0') * 10 + (value[7] - '0');
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

bool FitsKind(AttributeKind kind, ByteSpan value) {
  switch (kind) {
    case AttributeKind::kBool:
      return value.size() == sizeof(CK_BBOOL) &&
             (value[0] == CK_TRUE || value[0] == CK_FALSE);
    case AttributeKind::kUlong:
      return value.size() == sizeof(CK_ULONG);
    case AttributeKind::kDate:
      return IsDate(value);
    case AttributeKind::kMechanisms:
      return value.size() % sizeof(CK_MECHANISM_TYPE) == 0;
    case AttributeKind::kTemplate:
      return value.empty();
    case AttributeKind::kBytes:
    case AttributeKind::kBigInteger:
    case AttributeKind::kText:
      return true;
  }
  return false;
}

// Lengths that belong to one attribute rather than to its kind.
bool FitsType(CK_ATTRIBUTE_TYPE type, ByteSpan value) {
  if (type == CKA_OUID) return value.size() == 12;
  if (type == CKA_CHECK_VALUE) return value.empty() || value.size() == 3;
  return true;
}

// Every attribute is known and every value has its kind, in nested sets too.
absl::Status CheckEntries(const AttributeSet& attributes, int depth) {
  for (const AttributeSet::Entry& entry : attributes.entries()) {
    if (entry.nested == nullptr) {
      RETURN_IF_ERROR(CheckValue(entry.type, ByteSpan(entry.value)));
      // Store makes a set of an empty template, but only of an outermost one.
      if (depth > 0 && KindOf(entry.type) == AttributeKind::kTemplate) {
        return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, Named(entry.type));
      }
      continue;
    }
    const std::optional<AttributeKind> kind = KindOf(entry.type);
    if (!kind.has_value()) {
      return base::Error(CKR_ATTRIBUTE_TYPE_INVALID, Named(entry.type));
    }
    if (*kind != AttributeKind::kTemplate ||
        depth >= AttributeSet::kMaxNesting) {
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, Named(entry.type));
    }
    RETURN_IF_ERROR(CheckEntries(*entry.nested, depth + 1));
  }
  return absl::OkStatus();
}

// The stored form of one value, which CheckEntries accepted.
void Store(const AttributeRule& rule, const AttributeSet::Entry& entry,
           AttributeSet& attributes) {
  ByteSpan value(entry.value);
  if (rule.kind == AttributeKind::kTemplate) {
    attributes.SetNested(
        rule.type, entry.nested != nullptr ? *entry.nested : AttributeSet());
    return;
  }
  if (rule.kind == AttributeKind::kBigInteger) {
    while (!value.empty() && value.front() == 0) value.remove_prefix(1);
  }
  attributes.Set(rule.type, value);
}

// The stored form of a template that CheckEntries accepted; an attribute that
// objects of this type do not have is a contradiction.
absl::StatusOr<AttributeSet> StoredForm(const ObjectType& type,
                                        const AttributeSet& input) {
  AttributeSet stored;
  for (const AttributeSet::Entry& entry : input.entries()) {
    const AttributeRule* rule = FindRule(type, entry.type);
    if (rule == nullptr) {
      return Inconsistent(absl::StrCat(Named(entry.type),
                                       " does not belong to such an object"));
    }
    Store(*rule, entry, stored);
  }
  return stored;
}

// ---- Which type of object ----

// Sets `which` from the implied value, or checks that both agree.
absl::Status Agree(AttributeSet& attributes, CK_ATTRIBUTE_TYPE which,
                   std::optional<CK_ULONG> implied) {
  if (!attributes.Has(which)) {
    if (!implied.has_value()) {
      return base::Error(CKR_TEMPLATE_INCOMPLETE, Named(which));
    }
    attributes.SetUlong(which, *implied);
    return absl::OkStatus();
  }
  const std::optional<CK_ULONG> given = attributes.Ulong(which);
  if (!given.has_value()) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, Named(which));
  }
  if (implied.has_value() && *implied != *given) {
    return Inconsistent(
        absl::StrCat(Named(which), " contradicts the mechanism"));
  }
  return absl::OkStatus();
}

// A key type that some other class has is a contradiction, any other a value
// that we do not know.
absl::Status Unsupported(const ObjectClass& known, CK_ULONG type) {
  for (CK_OBJECT_CLASS other :
       {CKO_PUBLIC_KEY, CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
    if (known.type_attribute == CKA_KEY_TYPE &&
        FindObjectType(other, type) != nullptr) {
      return Inconsistent("CKA_KEY_TYPE does not go with CKA_CLASS");
    }
  }
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, Named(known.type_attribute));
}

absl::Status CheckClassIsFor(How how, CK_OBJECT_CLASS object_class) {
  const bool secret_or_private =
      object_class == CKO_SECRET_KEY || object_class == CKO_PRIVATE_KEY;
  if (how == How::kUnwrap && !secret_or_private) {
    return Inconsistent("only private and secret keys can be unwrapped");
  }
  if (how == How::kGenerate && !secret_or_private &&
      object_class != CKO_PUBLIC_KEY && object_class != CKO_DOMAIN_PARAMETERS) {
    return Inconsistent("only keys and parameters can be generated");
  }
  return absl::OkStatus();
}

// Finds the type of the new object; completes class and type in `attributes`.
absl::StatusOr<const ObjectType*> Identify(How how,
                                           const ResolveContext& context,
                                           AttributeSet& attributes) {
  std::optional<CK_ULONG> object_class = context.object_class;
  std::optional<CK_ULONG> type = context.key_type;
  // Derivation and encapsulation make secret keys, generic ones where nobody
  // says which.
  const bool derive = how == How::kDerive || how == How::kEncapsulate;
  if (derive && !attributes.Has(CKA_CLASS) && !object_class.has_value()) {
    object_class = CKO_SECRET_KEY;
  }
  RETURN_IF_ERROR(Agree(attributes, CKA_CLASS, object_class));
  const ObjectClass* known = FindObjectClass(attributes.object_class());
  if (known == nullptr || known->built_in) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_CLASS");
  }
  RETURN_IF_ERROR(CheckClassIsFor(how, known->object_class));
  if (known->type_attribute != CK_UNAVAILABLE_INFORMATION) {
    if (derive && !attributes.Has(CKA_KEY_TYPE) && !type.has_value() &&
        known->object_class == CKO_SECRET_KEY) {
      type = CKK_GENERIC_SECRET;
    }
    RETURN_IF_ERROR(Agree(attributes, known->type_attribute, type));
  }
  const ObjectType* found = FindObjectType(attributes);
  if (found != nullptr && found->legacy && context.strict &&
      how != How::kClone) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID,
                       "keys of this type are for the legacy profile only");
  }
  if (found == nullptr) {
    return Unsupported(*known, *attributes.Ulong(known->type_attribute));
  }
  return found;
}

// ---- New objects ----

void CopyEntry(const AttributeSet::Entry& entry, AttributeSet& to) {
  if (entry.nested != nullptr) {
    to.SetNested(entry.type, *entry.nested);
  } else {
    to.Set(entry.type, ByteSpan(entry.value));
  }
}

absl::Status AddTemplate(const AttributeSet* extra, AttributeSet& merged) {
  if (extra == nullptr) return absl::OkStatus();
  for (const AttributeSet::Entry& entry : extra->entries()) {
    if (!merged.Has(entry.type)) {
      CopyEntry(entry, merged);
      continue;
    }
    AttributeSet wanted;
    CopyEntry(entry, wanted);
    if (!merged.Matches(wanted)) {
      return Inconsistent(absl::StrCat(Named(entry.type),
                                       " contradicts the parent's template"));
    }
  }
  return absl::OkStatus();
}

absl::Status AddParentTemplates(How how, const ResolveContext& context,
                                AttributeSet& merged) {
  RETURN_IF_ERROR(AddTemplate(ParentTemplate(how, context), merged));
  ResolveContext other;
  other.parent = context.other_parent;
  return AddTemplate(ParentTemplate(how, other), merged);
}

// The footnotes "must be specified" (0: none) and "must not be specified".
std::pair<int, int> FootnotesOf(How how) {
  switch (how) {
    case How::kCreate:
      return {1, 2};
    case How::kGenerate:
      return {3, 4};
    case How::kUnwrap:
      return {5, 6};
    default:
      return {0, 6};
  }
}

// Footnotes 1 to 6, and 10. What the mechanism implies counts as specified.
absl::Status CheckSpecified(How how, const ObjectType& type,
                            const AttributeSet& given,
                            const ResolveContext& context) {
  const auto [must, must_not] = FootnotesOf(how);
  for (const AttributeRule* rule : RulesFor(type)) {
    const bool specified = given.Has(rule->type);
    if (specified && rule->Has(must_not)) return ReadOnly(rule->type);
    if (!specified && must != 0 && rule->Has(must)) {
      return base::Error(CKR_TEMPLATE_INCOMPLETE, rule->name);
    }
    if (rule->Has(10) && given.IsTrue(rule->type) && !context.is_so) {
      return ReadOnly(rule->type);
    }
  }
  return absl::OkStatus();
}

bool Contains(absl::Span<const CK_ATTRIBUTE_TYPE> list, CK_ATTRIBUTE_TYPE t) {
  return std::find(list.begin(), list.end(), t) != list.end();
}

// A secret key that is asked to wrap or unwrap gets no other use unasked.
bool DefaultUsage(const ObjectType& type, const AttributeSet& given,
                  CK_ATTRIBUTE_TYPE flag) {
  const bool wraps = type.object_class == CKO_SECRET_KEY &&
                     (given.IsTrue(CKA_WRAP) || given.IsTrue(CKA_UNWRAP));
  return !wraps && Contains(type.uses, flag);
}

void FillDefaults(const ObjectType& type, AttributeSet& attributes) {
  const AttributeSet given = attributes;
  for (const AttributeRule* rule : RulesFor(type)) {
    if (given.Has(rule->type)) continue;
    switch (rule->initial) {
      case AttributeDefault::kEmpty:
        attributes.Set(rule->type, {});
        break;
      case AttributeDefault::kFalse:
      case AttributeDefault::kTrue:
        attributes.SetBool(rule->type,
                           rule->initial == AttributeDefault::kTrue);
        break;
      case AttributeDefault::kZero:
        attributes.SetUlong(rule->type, 0);
        break;
      case AttributeDefault::kUsage:
        attributes.SetBool(rule->type, DefaultUsage(type, given, rule->type));
        break;
      case AttributeDefault::kAbsent:
      case AttributeDefault::kComputed:
        break;
    }
  }
}

absl::Status CheckPrivate(const AttributeSet& attributes,
                          const ResolveContext& context) {
  if (attributes.IsTrue(CKA_PRIVATE)) {
    if (context.logged_in) return absl::OkStatus();
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "a private object needs a login");
  }
  if (attributes.IsTrue(CKA_ALWAYS_AUTHENTICATE)) {
    return Inconsistent("CKA_ALWAYS_AUTHENTICATE needs CKA_PRIVATE");
  }
  return absl::OkStatus();
}

absl::StatusOr<AttributeSet> ResolveNew(How how, AttributeSet merged,
                                        const ResolveContext& context) {
  RETURN_IF_ERROR(AddParentTemplates(how, context, merged));
  RETURN_IF_ERROR(CheckEntries(merged, 0));
  ASSIGN_OR_RETURN(const ObjectType* type, Identify(how, context, merged));
  ASSIGN_OR_RETURN(AttributeSet object, StoredForm(*type, merged));
  RETURN_IF_ERROR(CheckSpecified(how, *type, object, context));
  RETURN_IF_ERROR(type->check_values(how, object));

  FillDefaults(*type, object);
  if (!object.Has(CKA_PRIVATE)) {
    object.SetBool(CKA_PRIVATE,
                   FindObjectClass(type->object_class)->private_by_default);
  }
  if (FindRule(*type, CKA_LOCAL) != nullptr) {
    const bool local = how == How::kGenerate;
    object.SetBool(CKA_LOCAL, local);
    if (FindRule(*type, CKA_KEY_GEN_MECHANISM) != nullptr) {
      object.SetUlong(CKA_KEY_GEN_MECHANISM,
                      local ? context.mechanism : CK_UNAVAILABLE_INFORMATION);
    }
  }
  RETURN_IF_ERROR(ProtectNewKey(how, context, object));
  RETURN_IF_ERROR(CheckPrivate(object, context));
  return object;
}

// ---- Changes: set and copy ----

constexpr CK_ATTRIBUTE_TYPE kCopyMayChange[] = {
    CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE, CKA_DESTROYABLE};
constexpr CK_ATTRIBUTE_TYPE kRoles[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP,
                                        CKA_UNWRAP};

// Strict rules 2 and 3, for a flag that goes from false to true (`up`) or back.
bool StrictForbids(How how, const ObjectType& type, const AttributeRule& rule,
                   bool up) {
  if (how == How::kCopy) {
    if (rule.type == CKA_MODIFIABLE) return up;
    if (rule.type == CKA_PRIVATE) return !up;
    const bool usage =
        rule.initial == AttributeDefault::kUsage || rule.type == CKA_DERIVE;
    return up && usage && HasProtection(type.object_class);
  }
  const bool role = Contains(kRoles, rule.type) ||
                    (rule.type == CKA_SIGN && type.type == CKK_AES);
  return up && type.object_class == CKO_SECRET_KEY && role;
}

// Whether one attribute of an existing object may get the value in `changes`.
// The value differs from the present one.
absl::Status CheckChange(How how, const ObjectType& type,
                         const AttributeRule& rule, const AttributeSet& changes,
                         const ResolveContext& context) {
  const AttributeSet& base = *context.base;
  const bool up = changes.IsTrue(rule.type);
  bool allowed =
      rule.Has(8) || (how == How::kCopy && Contains(kCopyMayChange, rule.type));
  if (rule.Has(11)) allowed = !base.IsTrue(rule.type);
  if (rule.Has(12)) allowed = base.IsTrue(rule.type);
  if (rule.Has(10)) allowed = context.is_so || !up;
  // A check value can be given up (section 4.11), not changed.
  if (rule.type == CKA_CHECK_VALUE && type.object_class == CKO_SECRET_KEY) {
    allowed = changes.Value(rule.type).empty();
  }
  if (rule.kind == AttributeKind::kBool && context.strict &&
      StrictForbids(how, type, rule, up)) {
    allowed = false;
  }
  return allowed ? absl::OkStatus() : ReadOnly(rule.type);
}

absl::StatusOr<AttributeSet> ApplyChanges(How how, const ObjectType& type,
                                          const AttributeSet& input,
                                          const ResolveContext& context) {
  RETURN_IF_ERROR(CheckEntries(input, 0));
  for (const AttributeSet::Entry& entry : input.entries()) {
    if (FindRule(type, entry.type) == nullptr) {
      return base::Error(CKR_ATTRIBUTE_TYPE_INVALID,
                         absl::StrCat("the object has no ", Named(entry.type)));
    }
  }
  ASSIGN_OR_RETURN(const AttributeSet changes, StoredForm(type, input));
  AttributeSet object = *context.base;
  for (const AttributeSet::Entry& entry : changes.entries()) {
    const AttributeRule& rule = *FindRule(type, entry.type);
    AttributeSet single;
    Store(rule, entry, single);
    const bool same =
        context.base->Has(entry.type) && context.base->Matches(single);
    // A copy may name what stays as it is; a change may where it could change.
    // Trust is never passed on by naming it.
    const bool changeable = rule.Has(8) || rule.Has(11) || rule.Has(12);
    if (same && (how == How::kCopy || changeable) && !rule.Has(10)) continue;
    RETURN_IF_ERROR(CheckChange(how, type, rule, changes, context));
    Store(rule, entry, object);
  }
  return object;
}

absl::StatusOr<const ObjectType*> TypeOfBase(const ResolveContext& context) {
  const ObjectType* type =
      context.base == nullptr ? nullptr : FindObjectType(*context.base);
  if (type == nullptr) {
    return base::Error(CKR_GENERAL_ERROR, "no object to change");
  }
  return type;
}

absl::StatusOr<AttributeSet> ResolveSet(const AttributeSet& input,
                                        const ResolveContext& context) {
  ASSIGN_OR_RETURN(const ObjectType* type, TypeOfBase(context));
  if (!context.base->IsTrue(CKA_MODIFIABLE)) {
    return base::Error(CKR_ACTION_PROHIBITED, "CKA_MODIFIABLE is false");
  }
  if (context.base->IsTrue(CKA_ASSIGNED)) {
    return base::Error(CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED, "");
  }
  // Trusted certificates cannot be modified (section 4.6), except by whom the
  // trust came from.
  if (type->object_class == CKO_CERTIFICATE &&
      context.base->IsTrue(CKA_TRUSTED) && !context.is_so) {
    return ReadOnly(CKA_TRUSTED);
  }
  ASSIGN_OR_RETURN(AttributeSet object,
                   ApplyChanges(How::kSet, *type, input, context));
  if (context.strict && object.IsTrue(CKA_TRUSTED) &&
      !context.base->IsTrue(CKA_TRUSTED)) {
    RETURN_IF_ERROR(RestrainWrapping(object));
  }
  return object;
}

absl::StatusOr<AttributeSet> ResolveCopy(const AttributeSet& input,
                                         const ResolveContext& context) {
  ASSIGN_OR_RETURN(const ObjectType* type, TypeOfBase(context));
  if (!context.base->IsTrue(CKA_COPYABLE)) {
    return base::Error(CKR_ACTION_PROHIBITED, "CKA_COPYABLE is false");
  }
  // Counted anew, a copy would be a way round.
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_AUTH_DATA, CKA_USAGE_LIMIT, CKA_USAGE_COUNT}) {
    if (context.base->Has(type)) {
      return base::Error(CKR_ACTION_PROHIBITED,
                         "a key that counts its uses, or wants authorisation");
    }
  }
  ASSIGN_OR_RETURN(AttributeSet object,
                   ApplyChanges(How::kCopy, *type, input, context));
  object.Erase(CKA_UNIQUE_ID);
  object.Erase(CKA_OUID);
  if (object.IsTrue(CKA_TRUSTED) && !context.is_so) {
    object.SetBool(CKA_TRUSTED, false);
  }
  if (context.strict) RETURN_IF_ERROR(RestrainWrapping(object));
  RETURN_IF_ERROR(CheckPrivate(object, context));
  return object;
}

// ---- Clones ----

// Without these an object would be weaker than it says, or mean nothing.
// Others may be missing: the source may be older than they are.
absl::Status CheckComplete(const ObjectType& type,
                           const AttributeSet& attributes) {
  for (const AttributeRule* rule : RulesFor(type)) {
    const bool needed =
        rule->Has(1) || rule->initial == AttributeDefault::kComputed;
    if (needed && !attributes.Has(rule->type)) {
      return base::Error(CKR_TEMPLATE_INCOMPLETE, rule->name);
    }
  }
  const bool contradiction = (attributes.IsTrue(CKA_ALWAYS_SENSITIVE) &&
                              !attributes.IsTrue(CKA_SENSITIVE)) ||
                             (attributes.IsTrue(CKA_NEVER_EXTRACTABLE) &&
                              attributes.IsTrue(CKA_EXTRACTABLE));
  if (HasProtection(type.object_class) && contradiction) {
    return Inconsistent("the history of the key contradicts its flags");
  }
  return absl::OkStatus();
}

// Whether every attribute belongs to the type, has its kind and stands in its
// stored form. Both are sorted, so one walk tells; what is nested does not.
bool IsPlainlyStored(const ObjectType& type, const AttributeSet& object) {
  const std::vector<const AttributeRule*>& rules = RulesFor(type);
  auto rule = rules.begin();
  for (const AttributeSet::Entry& entry : object.entries()) {
    while (rule != rules.end() && (*rule)->type < entry.type) ++rule;
    if (rule == rules.end() || (*rule)->type != entry.type) return false;
    const ByteSpan value(entry.value);
    const bool fits =
        entry.nested == nullptr && (*rule)->kind != AttributeKind::kTemplate &&
        FitsKind((*rule)->kind, value) && FitsType(entry.type, value);
    if (!fits) return false;
    const bool has_zeros = (*rule)->kind == AttributeKind::kBigInteger &&
                           !value.empty() && value.front() == 0;
    if (has_zeros) return false;
  }
  return true;
}

absl::StatusOr<AttributeSet> ResolveClone(AttributeSet object) {
  object.Erase(CKA_UNIQUE_ID);
  const ObjectType* type = FindObjectType(object);
  if (type == nullptr || FindObjectClass(type->object_class)->built_in ||
      !IsPlainlyStored(*type, object)) {
    RETURN_IF_ERROR(CheckEntries(object, 0));
    ASSIGN_OR_RETURN(type, Identify(How::kClone, ResolveContext(), object));
    ASSIGN_OR_RETURN(const AttributeSet stored, StoredForm(*type, object));
    if (!(stored == object)) {
      return base::Error(CKR_ATTRIBUTE_VALUE_INVALID,
                         "a cloned object is not in its stored form");
    }
  }
  RETURN_IF_ERROR(CheckComplete(*type, object));
  RETURN_IF_ERROR(type->check_values(How::kClone, object));
  return object;
}

}  // namespace

absl::StatusOr<AttributeSet> Resolve(How how, AttributeSet input,
                                     const ResolveContext& context) {
  switch (how) {
    case How::kCopy:
      return ResolveCopy(input, context);
    case How::kSet:
      return ResolveSet(input, context);
    case How::kClone:
      return ResolveClone(std::move(input));
    default:
      return ResolveNew(how, std::move(input), context);
  }
}

absl::Status CheckValue(CK_ATTRIBUTE_TYPE type, ByteSpan value) {
  const std::optional<AttributeKind> kind = KindOf(type);
  if (!kind.has_value()) {
    return base::Error(CKR_ATTRIBUTE_TYPE_INVALID, Named(type));
  }
  if (!FitsKind(*kind, value) || !FitsType(type, value)) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, Named(type));
  }
  return absl::OkStatus();
}

Readability ReadabilityOf(const AttributeSet& attributes,
                          CK_ATTRIBUTE_TYPE type) {
  const ObjectType* object = FindObjectType(attributes);
  const AttributeRule* rule =
      object == nullptr ? nullptr : FindRule(*object, type);
  if (rule == nullptr) return Readability::kUnknownType;
  if (rule->Has(7) && HidesValue(attributes)) return Readability::kSensitive;
  if (type == CKA_AUTH_DATA) return Readability::kSensitive;
  return attributes.Has(type) ? Readability::kReadable
                              : Readability::kUnknownType;
}

}  // namespace hsm
