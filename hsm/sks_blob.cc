#include "hsm/sks_blob.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/wire.h"
#include "hsm/secret_sharing.h"

namespace hsm {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr std::array<uint8_t, 4> kMagic = {'P', 'S', 'K', 'S'};
constexpr uint8_t kVersion = 1;
constexpr size_t kSmkSize = 32;
constexpr char kIdInfo[] = "perigee smk id v1";

// What SealSecret puts around its plaintext: format, salt, tag.
constexpr size_t kSealOverhead = 1 + 32 + base::kAeadTagSize;

struct Beginning {
  std::array<uint8_t, 4> magic = kMagic;
  uint8_t version = kVersion;
  uint8_t form = CKA_SIM_NO_AUTHORIZATION;
  SmkId smk{};
  template <typename V>
  void Fields(V& v) {
    v(magic, version, form, smk);
  }
};
constexpr size_t kBeginningSize = 4 + 1 + 1 + 16;

struct Item {
  SecretBytes attributes;
  std::optional<Statement> origin;
  template <typename V>
  void Fields(V& v) {
    v(attributes, origin);
  }
};

struct Items {
  std::vector<Item> items;
  template <typename V>
  void Fields(V& v) {
    v(items);
  }
};

// What opens S, of form 1.
struct Guard {
  uint8_t needed = 0;
  KdfParameters kdf;
  std::vector<Bytes> shares;
  template <typename V>
  void Fields(V& v) {
    v(needed, kdf, shares);
  }
};
constexpr size_t kInnerKeySize = 32;
constexpr size_t kGuardFixedSize = 1 + (1 + 4 + 4 + 32) + 4;
constexpr size_t kShareSize = 4 + kSealOverhead + kInnerKeySize;

struct Contents {
  Statement source;
  std::optional<Guard> guard;
  SecretBytes objects;  // Items, of form 1 sealed under S
  template <typename V>
  void Fields(V& v) {
    v(source, guard, objects);
  }
};

std::string LabelOf(absl::string_view what, ByteSpan beginning) {
  return absl::StrCat("perigee sks ", what, " ", base::AsText(beginning));
}

std::string ShareLabel(ByteSpan beginning, size_t number) {
  std::string label = LabelOf("share", beginning);
  label.push_back(static_cast<char>(number));
  return label;
}

absl::Status Corrupt(absl::string_view why) {
  return base::Error(CKR_SIM_CORRUPT_DATA, absl::StrCat("SKS blob: ", why));
}

absl::Status NoSuchForm(CK_ULONG form) {
  return base::Error(CKR_SIM_AUTHFORM_INVALID,
                     absl::StrCat("authorisation form ", form));
}

// The beginning of a blob that this version can open.
absl::StatusOr<Beginning> Begin(ByteSpan blob) {
  if (blob.size() > kLargestSksBlob) return Corrupt("more than 64 KiB");
  if (blob.size() < kBeginningSize + kSealOverhead) return Corrupt("truncated");
  ASSIGN_OR_RETURN(Beginning beginning,
                   wire::Decode<Beginning>(blob.subspan(0, kBeginningSize),
                                           "beginning of an SKS blob"));
  if (beginning.magic != kMagic) return Corrupt("not one");
  if (beginning.version != kVersion) {
    return base::Error(CKR_SIM_VERSION_UNSUPPORTED,
                       absl::StrCat("SKS blob of version ", beginning.version));
  }
  if (beginning.form != CKA_SIM_NO_AUTHORIZATION &&
      beginning.form != CKA_SIM_PASSWORD) {
    return NoSuchForm(beginning.form);
  }
  return beginning;
}

// As it leaves: the identifier of this copy stays.
AttributeSet Sent(const Object& object) {
  AttributeSet attributes = object.attributes();
  attributes.Erase(CKA_UNIQUE_ID);
  return attributes;
}

// The objects under a key that `needed` of the passwords give.
absl::StatusOr<SecretBytes> Lock(const SksAuthorisation& authorisation,
                                 KdfCost cost, ByteSpan beginning,
                                 const SecretBytes& objects, Guard& guard) {
  guard.needed = static_cast<uint8_t>(authorisation.needed);
  ASSIGN_OR_RETURN(guard.kdf, NewKdfParameters(cost));
  ASSIGN_OR_RETURN(const SecretBytes key, base::RandomSecret(kInnerKeySize));
  ASSIGN_OR_RETURN(
      const std::vector<SecretBytes> shares,
      SplitSecret(key, authorisation.needed, authorisation.passwords.size()));
  for (size_t i = 0; i < shares.size(); ++i) {
    ASSIGN_OR_RETURN(
        const SecretBytes under,
        DeriveFromPin(guard.kdf, authorisation.passwords[i].Expose()));
    ASSIGN_OR_RETURN(guard.shares.emplace_back(),
                     SealSecret(under.Expose(), ShareLabel(beginning, i),
                                shares[i].Expose()));
  }
  ASSIGN_OR_RETURN(const Bytes sealed,
                   SealSecret(key.Expose(), LabelOf("objects", beginning),
                              objects.Expose()));
  return SecretBytes::CopyOf(sealed);
}

// The key that the passwords give, or another one when they are too few.
absl::StatusOr<SecretBytes> JoinedKey(const SksAuthorisation& authorisation,
                                      ByteSpan beginning, const Guard& guard) {
  std::vector<NumberedShare> shares;
  std::vector<bool> found(guard.shares.size());
  for (const SecretBytes& password : authorisation.passwords) {
    ASSIGN_OR_RETURN(const SecretBytes under,
                     DeriveFromPin(guard.kdf, password.Expose()));
    for (size_t i = 0; i < guard.shares.size(); ++i) {
      if (found[i]) continue;
      absl::StatusOr<SecretBytes> share =
          OpenSecret(under.Expose(), ShareLabel(beginning, i), guard.shares[i]);
      if (!share.ok()) continue;
      if (share->size() != kInnerKeySize) return Corrupt("malformed share");
      found[i] = true;
      shares.emplace_back(i, *std::move(share));
      break;
    }
  }
  if (shares.size() < guard.needed) {
    return base::Error(CKR_SIM_AUTHORIZATION_FAILED,
                       "too few of the passwords are right");
  }
  return JoinSecret(shares);
}

absl::StatusOr<SecretBytes> Unlock(const SksAuthorisation& authorisation,
                                   ByteSpan beginning,
                                   const Contents& contents) {
  const Guard& guard = *contents.guard;
  if (guard.needed < 1 || guard.needed > guard.shares.size() ||
      guard.shares.size() > kMostSksPasswords) {
    return Corrupt("malformed guard");
  }
  ASSIGN_OR_RETURN(const SecretBytes key,
                   JoinedKey(authorisation, beginning, guard));
  absl::StatusOr<SecretBytes> objects = OpenSecret(
      key.Expose(), LabelOf("objects", beginning), contents.objects.Expose());
  if (!objects.ok()) return Corrupt("altered");
  return objects;
}

absl::StatusOr<std::vector<SksObject>> ObjectsOf(const SecretBytes& encoded) {
  absl::StatusOr<Items> list =
      wire::Decode<Items>(encoded.Expose(), "SKS blob");
  if (!list.ok()) return Corrupt("malformed");
  if (list->items.empty() || list->items.size() > kMostSksObjects) {
    return Corrupt("not 1 to 2048 objects");
  }
  std::vector<SksObject> objects;
  for (Item& item : list->items) {
    absl::StatusOr<AttributeSet> attributes =
        AttributeSet::Decode(item.attributes.Expose());
    if (!attributes.ok()) return Corrupt("malformed attributes");
    objects.push_back({*std::move(attributes), std::move(item.origin)});
  }
  return objects;
}

absl::Status BadPasswords(absl::string_view why) {
  return base::Error(CKR_ARGUMENTS_BAD, absl::StrCat("passwords: ", why));
}

}  // namespace

absl::StatusOr<Smk> Smk::Generate() {
  ASSIGN_OR_RETURN(SecretBytes key, base::RandomSecret(kSmkSize));
  return Of(std::move(key));
}

absl::StatusOr<Smk> Smk::Of(SecretBytes key) {
  if (key.size() != kSmkSize) {
    return base::Error(CKR_DEVICE_ERROR, "an SMK has 32 bytes");
  }
  SmkId id;
  ASSIGN_OR_RETURN(
      const SecretBytes derived,
      base::HkdfSha384(key.Expose(), {}, base::AsBytes(kIdInfo), id.size()));
  std::copy_n(derived.Expose().begin(), id.size(), id.begin());
  return Smk(std::move(key), id);
}

absl::Status CheckToOpen(const SksAuthorisation& authorisation) {
  const std::vector<SecretBytes>& passwords = authorisation.passwords;
  switch (authorisation.form) {
    case CKA_SIM_NO_AUTHORIZATION:
      if (!passwords.empty()) return BadPasswords("form 0 has none");
      return absl::OkStatus();
    case CKA_SIM_PASSWORD:
      break;
    default:
      return NoSuchForm(authorisation.form);
  }
  if (passwords.empty() || passwords.size() > kMostSksPasswords) {
    return BadPasswords("form 1 has 1 to 16");
  }
  for (const SecretBytes& password : passwords) {
    if (password.empty() || password.size() > kLongestSksPassword) {
      return BadPasswords("of 1 to 255 bytes each");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckToSeal(const SksAuthorisation& authorisation) {
  RETURN_IF_ERROR(CheckToOpen(authorisation));
  const std::vector<SecretBytes>& passwords = authorisation.passwords;
  const bool any = authorisation.form == CKA_SIM_PASSWORD;
  if (authorisation.needed > passwords.size() ||
      (any && authorisation.needed == 0)) {
    return BadPasswords("not 1 to N of N are needed");
  }
  for (size_t i = 0; i < passwords.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (passwords[i].Equals(passwords[j])) {
        return BadPasswords("one comes twice");
      }
    }
  }
  return absl::OkStatus();
}

AttributeSet AttributesOf(const Smk& smk, SmkRole role) {
  const bool is_primary = role == SmkRole::kPrimary;
  AttributeSet attributes;
  attributes.SetUlong(CKA_CLASS, kSmkClass);
  attributes.SetBool(CKA_TOKEN, true);
  attributes.SetBool(CKA_PRIVATE, true);
  attributes.SetBool(CKA_SENSITIVE, true);
  attributes.SetText(CKA_LABEL,
                     is_primary ? "SKS master key" : "former SKS master key");
  const ByteSpan id(smk.id());
  attributes.Set(CKA_OUID,
                 is_primary ? id.first(sizeof(Ouid)) : id.last(sizeof(Ouid)));
  attributes.Set(CKA_VALUE, smk.key().Expose());
  return attributes;
}

bool IsSmk(const AttributeSet& attributes) {
  return attributes.object_class() == kSmkClass;
}

absl::StatusOr<SentSmk> SmkOf(const AttributeSet& attributes) {
  absl::StatusOr<Smk> smk =
      Smk::Of(SecretBytes::CopyOf(attributes.Value(CKA_VALUE)));
  for (const SmkRole role : {SmkRole::kPrimary, SmkRole::kFormer}) {
    if (smk.ok() && AttributesOf(*smk, role) == attributes) {
      return SentSmk{*std::move(smk), role};
    }
  }
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "no SKS master key");
}

size_t SksBlobSize(const Statement& source, absl::Span<const ObjectRef> objects,
                   const SksAuthorisation& authorisation) {
  size_t size = kBeginningSize + kSealOverhead + wire::Encode(source).size() +
                /*guard there?*/ 1 + /*length*/ 4 + /*count*/ 4;
  if (authorisation.form == CKA_SIM_PASSWORD) {
    size += kGuardFixedSize + authorisation.passwords.size() * kShareSize +
            kSealOverhead;
  }
  for (const ObjectRef& object : objects) size += SksItemSize(*object);
  return size;
}

size_t SksItemSize(const Object& object) {
  const size_t origin =
      object.origin().has_value() ? wire::Encode(*object.origin()).size() : 0;
  return 4 + Sent(object).EncodedSize() + 1 + origin;
}

absl::StatusOr<Bytes> SealSks(const Smk& smk, const Statement& source,
                              absl::Span<const ObjectRef> objects,
                              const SksAuthorisation& authorisation,
                              KdfCost cost) {
  if (objects.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no objects");
  if (objects.size() > kMostSksObjects) {
    return base::Error(CKR_MAX_OBJECT_COUNT_EXCEEDED,
                       "an SKS blob has at most 2048 objects");
  }
  RETURN_IF_ERROR(CheckToSeal(authorisation));
  if (SksBlobSize(source, objects, authorisation) > kLargestSksBlob) {
    return base::Error(CKR_DATA_LEN_RANGE,
                       "the objects are more than an SKS blob of 64 KiB holds");
  }
  Items list;
  for (const ObjectRef& object : objects) {
    list.items.push_back({Sent(*object).Encode(), object->origin()});
  }
  Beginning beginning;
  beginning.form = static_cast<uint8_t>(authorisation.form);
  beginning.smk = smk.id();
  Bytes blob = wire::Encode(beginning);
  Contents contents;
  contents.source = source;
  contents.objects = wire::EncodeSecret(list);
  if (authorisation.form == CKA_SIM_PASSWORD) {
    ASSIGN_OR_RETURN(contents.objects,
                     Lock(authorisation, cost, blob, contents.objects,
                          contents.guard.emplace()));
  }
  ASSIGN_OR_RETURN(const Bytes sealed,
                   SealSecret(smk.key().Expose(), LabelOf("blob", blob),
                              wire::EncodeSecret(contents).Expose()));
  blob.insert(blob.end(), sealed.begin(), sealed.end());
  return blob;
}

absl::StatusOr<SksContents> OpenSks(absl::Span<const Smk* const> smks,
                                    ByteSpan blob,
                                    const SksAuthorisation& authorisation) {
  RETURN_IF_ERROR(CheckToOpen(authorisation));
  ASSIGN_OR_RETURN(const Beginning beginning, Begin(blob));
  if (beginning.form != authorisation.form) return NoSuchForm(beginning.form);
  const auto smk = std::find_if(smks.begin(), smks.end(), [&](const Smk* one) {
    return one->id() == beginning.smk;
  });
  if (smk == smks.end()) {
    return base::Error(CKR_SMK_ID_NOT_FOUND,
                       "the SMK of this SKS blob is not in the partition");
  }
  const ByteSpan head = blob.subspan(0, kBeginningSize);
  const absl::StatusOr<SecretBytes> plaintext =
      OpenSecret((*smk)->key().Expose(), LabelOf("blob", head),
                 blob.subspan(kBeginningSize));
  if (!plaintext.ok()) return Corrupt("altered");
  absl::StatusOr<Contents> contents =
      wire::Decode<Contents>(plaintext->Expose(), "SKS blob");
  const bool guarded = beginning.form == CKA_SIM_PASSWORD;
  if (!contents.ok() || contents->guard.has_value() != guarded) {
    return Corrupt("malformed");
  }
  SksContents result;
  result.source = std::move(contents->source);
  if (guarded) {
    ASSIGN_OR_RETURN(contents->objects, Unlock(authorisation, head, *contents));
  }
  ASSIGN_OR_RETURN(result.objects, ObjectsOf(contents->objects));
  return result;
}

}  // namespace hsm
