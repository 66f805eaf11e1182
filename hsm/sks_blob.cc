#include "hsm/sks_blob.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/wire.h"
#include "hsm/vault.h"

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

std::string LabelOf(ByteSpan beginning) {
  return absl::StrCat("perigee sks blob ", base::AsText(beginning));
}

absl::Status Corrupt(absl::string_view why) {
  return base::Error(CKR_SIM_CORRUPT_DATA, absl::StrCat("SKS blob: ", why));
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
  if (beginning.form != CKA_SIM_NO_AUTHORIZATION) {
    return base::Error(
        CKR_SIM_AUTHFORM_INVALID,
        absl::StrCat("SKS blob of authorisation form ", beginning.form));
  }
  return beginning;
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

size_t SksBlobSize(absl::Span<const ObjectRef> objects) {
  size_t size = kBeginningSize + kSealOverhead + 4;
  for (const ObjectRef& object : objects) {
    size += 4 + object->attributes().EncodedSize() + 1;
    if (object->origin().has_value()) {
      size += wire::Encode(*object->origin()).size();
    }
  }
  return size;
}

absl::StatusOr<Bytes> SealSks(const Smk& smk,
                              absl::Span<const ObjectRef> objects) {
  if (objects.empty() || objects.size() > kMostSksObjects) {
    return base::Error(CKR_ARGUMENTS_BAD, "an SKS blob has 1 to 2048 objects");
  }
  if (SksBlobSize(objects) > kLargestSksBlob) {
    return base::Error(CKR_DATA_LEN_RANGE,
                       "the objects are more than an SKS blob of 64 KiB holds");
  }
  Items list;
  for (const ObjectRef& object : objects) {
    list.items.push_back({object->attributes().Encode(), object->origin()});
  }
  Beginning beginning;
  beginning.smk = smk.id();
  Bytes blob = wire::Encode(beginning);
  ASSIGN_OR_RETURN(const Bytes sealed,
                   SealSecret(smk.key().Expose(), LabelOf(blob),
                              wire::EncodeSecret(list).Expose()));
  blob.insert(blob.end(), sealed.begin(), sealed.end());
  return blob;
}

absl::StatusOr<std::vector<SksObject>> OpenSks(
    absl::Span<const Smk* const> smks, ByteSpan blob) {
  ASSIGN_OR_RETURN(const Beginning beginning, Begin(blob));
  const auto smk = std::find_if(smks.begin(), smks.end(), [&](const Smk* one) {
    return one->id() == beginning.smk;
  });
  if (smk == smks.end()) {
    return base::Error(CKR_SMK_ID_NOT_FOUND,
                       "the SMK of this SKS blob is not in the partition");
  }
  const absl::StatusOr<SecretBytes> plaintext = OpenSecret(
      (*smk)->key().Expose(), LabelOf(blob.subspan(0, kBeginningSize)),
      blob.subspan(kBeginningSize));
  if (!plaintext.ok()) return Corrupt("altered");
  absl::StatusOr<Items> list =
      wire::Decode<Items>(plaintext->Expose(), "SKS blob");
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

}  // namespace hsm
