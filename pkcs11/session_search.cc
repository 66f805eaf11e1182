// C_FindObjects* of a session.
#include <algorithm>
#include <iterator>
#include <utility>

#include "hsm/attribute_rules.h"
#include "pkcs11/built_in_objects.h"
#include "pkcs11/session.h"

namespace pkcs11 {
namespace {

// Attributes that no object hides, so that a search by them needs no look at
// each object found.
bool IsNeverSensitive(CK_ATTRIBUTE_TYPE type) {
  static constexpr CK_ATTRIBUTE_TYPE kOpen[] = {
      CKA_CLASS,     CKA_TOKEN,    CKA_PRIVATE,          CKA_LABEL,
      CKA_UNIQUE_ID, CKA_ID,       CKA_KEY_TYPE,         CKA_APPLICATION,
      CKA_ISSUER,    CKA_SUBJECT,  CKA_CERTIFICATE_TYPE, CKA_SERIAL_NUMBER,
      CKA_TRUSTED,   CKA_SIGN,     CKA_VERIFY,           CKA_ENCRYPT,
      CKA_DECRYPT,   CKA_WRAP,     CKA_UNWRAP,           CKA_DERIVE,
      CKA_MODULUS,   CKA_EC_PARAMS};
  return std::find(std::begin(kOpen), std::end(kOpen), type) != std::end(kOpen);
}

}  // namespace

absl::Status Session::BeginFind(const AttributeSet& pattern) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(CheckOpen());
  if (search_.has_value() && search_->epoch == application_->epoch()) {
    return base::Error(CKR_OPERATION_ACTIVE, "");
  }
  search_.reset();
  Search search;
  search.epoch = application_->epoch();
  const bool see_private = application_->user_logged_in();
  const std::optional<bool> token = pattern.Bool(CKA_TOKEN);
  if (token.value_or(true)) {
    ASSIGN_OR_RETURN(search.found, token_->Find(space_, pattern));
    const auto& asked = pattern.entries();
    if (!std::all_of(asked.begin(), asked.end(), [](const auto& entry) {
          return IsNeverSensitive(entry.type);
        })) {
      std::erase_if(search.found, [&](CK_OBJECT_HANDLE handle) {
        const auto object = token_->Get(space_, handle);
        return !object.ok() ||
               !std::all_of(asked.begin(), asked.end(), [&](const auto& e) {
                 return hsm::ReadabilityOf((*object)->attributes(), e.type) ==
                        hsm::Readability::kReadable;
               });
      });
    }
  }
  if (token.value_or(true) && token_->has_crypto()) {
    const auto shown = SearchBuiltIn(pattern, token_->profile());
    search.found.insert(search.found.end(), shown.begin(), shown.end());
  }
  if (!token.value_or(false)) {
    const auto mine = application_->objects().Find(pattern, see_private);
    search.found.insert(search.found.end(), mine.begin(), mine.end());
  }
  search_ = std::move(search);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Session::NextFound(size_t limit) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(CheckOpen());
  if (!search_.has_value() || search_->epoch != application_->epoch()) {
    search_.reset();
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no search is active");
  }
  const size_t count = std::min(limit, search_->found.size() - search_->next);
  const auto first = search_->found.begin() + search_->next;
  search_->next += count;
  return std::vector<CK_OBJECT_HANDLE>(first, first + count);
}

absl::Status Session::EndFind() {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(CheckOpen());
  if (!search_.has_value())
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no search is active");
  search_.reset();
  return absl::OkStatus();
}

}  // namespace pkcs11
