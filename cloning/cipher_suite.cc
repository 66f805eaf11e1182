#include "cloning/cipher_suite.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cloning {
namespace {

using base::SecretBytes;
using base::ShareKind;

constexpr CipherSuite kSuites[] = {
    {1, "P-384", "perigee clone 4 P-384", std::nullopt},
    {2, "P-384 with X25519", "perigee clone 4 P-384 X25519",
     ShareKind::kX25519},
    {3, "P-384 with ML-KEM-1024", "perigee clone 4 P-384 ML-KEM-1024",
     ShareKind::kMlKem1024},
};

absl::Status Refused(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("cloning: ", what));
}

// What the peer sent is no share: it is malformed, and nothing else.
absl::Status AsRefusal(const absl::Status& status) {
  if (base::CkRv(status) != CKR_DATA_INVALID) return status;
  return Refused(status.message());
}

const SuiteShare* ShareOf(uint8_t suite, absl::Span<const SuiteShare> shares) {
  const auto it =
      std::find_if(shares.begin(), shares.end(),
                   [&](const SuiteShare& row) { return row.suite == suite; });
  return it == shares.end() ? nullptr : &*it;
}

}  // namespace

absl::Span<const CipherSuite> CipherSuites() { return kSuites; }

const CipherSuite* FindCipherSuite(uint8_t number) {
  for (const CipherSuite& row : kSuites) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

std::vector<uint8_t> AvailableSuites(absl::Span<const uint8_t> off) {
  std::vector<uint8_t> numbers;
  for (const CipherSuite& row : kSuites) {
    if (std::find(off.begin(), off.end(), row.number) == off.end() &&
        row.available()) {
      numbers.push_back(row.number);
    }
  }
  return numbers;
}

absl::StatusOr<SuiteKeys> SuiteKeys::Generate(
    absl::Span<const uint8_t> suites) {
  SuiteKeys made;
  for (const uint8_t number : suites) {
    const CipherSuite* suite = FindCipherSuite(number);
    if (suite == nullptr || !suite->further.has_value()) continue;
    ASSIGN_OR_RETURN(base::ShareKey key,
                     base::ShareKey::Generate(*suite->further));
    made.keys_.push_back({number, std::move(key)});
  }
  return made;
}

std::vector<SuiteShare> SuiteKeys::shares() const {
  std::vector<SuiteShare> shares;
  for (const Key& row : keys_) shares.push_back({row.suite, row.key.share()});
  return shares;
}

absl::StatusOr<SecretBytes> SuiteKeys::Agree(
    uint8_t suite, absl::Span<const SuiteShare> answers) const {
  for (const Key& row : keys_) {
    if (row.suite != suite) continue;
    const SuiteShare* answer = ShareOf(suite, answers);
    if (answer == nullptr) return Refused("no share for the suite");
    absl::StatusOr<SecretBytes> secret = row.key.Agree(answer->share);
    if (!secret.ok()) return AsRefusal(secret.status());
    return secret;
  }
  return SecretBytes();
}

absl::StatusOr<SuiteAnswer> AnswerSuite(uint8_t suite,
                                        absl::Span<const SuiteShare> shares) {
  const CipherSuite* row = FindCipherSuite(suite);
  if (row == nullptr) return Refused("an unknown suite");
  if (!row->further.has_value()) return SuiteAnswer();
  const SuiteShare* share = ShareOf(suite, shares);
  if (share == nullptr) return Refused("no share for the suite");
  absl::StatusOr<base::AnsweredShare> answered =
      base::AnswerKeyShare(*row->further, share->share);
  if (!answered.ok()) return AsRefusal(answered.status());
  SuiteAnswer answer;
  answer.shares.push_back({suite, std::move(answered->answer)});
  answer.secret = std::move(answered->secret);
  return answer;
}

}  // namespace cloning
