#include "hsm/secret_sharing.h"

#include "base/crypto.h"

namespace hsm {
namespace {

// In GF(2^8) modulo 0x11b. Neither branches nor looks up by a secret.
uint8_t Times(uint8_t a, uint8_t b) {
  unsigned product = 0;
  unsigned shifted = a;
  for (int bit = 0; bit < 8; ++bit) {
    product ^= shifted & (0u - ((static_cast<unsigned>(b) >> bit) & 1u));
    shifted = (shifted << 1) ^ (0x11bu & (0u - (shifted >> 7)));
  }
  return static_cast<uint8_t>(product);
}

// a to the power 254; of 0 it is 0.
uint8_t Inverse(uint8_t a) {
  uint8_t result = 1;
  for (int bit = 7; bit >= 0; --bit) {
    result = Times(result, result);
    if (bit != 0) result = Times(result, a);
  }
  return result;
}

uint8_t PlaceOf(size_t number) { return static_cast<uint8_t>(number + 1); }

// The weight of the value at `shares[which]` in the value at 0.
uint8_t WeightAtZero(const std::vector<NumberedShare>& shares, size_t which) {
  const uint8_t own = PlaceOf(shares[which].first);
  uint8_t weight = 1;
  for (size_t i = 0; i < shares.size(); ++i) {
    if (i == which) continue;
    const uint8_t other = PlaceOf(shares[i].first);
    weight = Times(weight, Times(other, Inverse(other ^ own)));
  }
  return weight;
}

}  // namespace

absl::StatusOr<std::vector<SecretBytes>> SplitSecret(const SecretBytes& secret,
                                                     size_t needed,
                                                     size_t count) {
  if (needed < 1 || needed > count || count > kMostShares) {
    return base::Error(CKR_ARGUMENTS_BAD, "M of N: 1 to N of 1 to 255");
  }
  ASSIGN_OR_RETURN(const SecretBytes random,
                   base::RandomSecret((needed - 1) * secret.size()));
  const ByteSpan coefficients = random.Expose();
  std::vector<SecretBytes> shares;
  for (size_t number = 0; number < count; ++number) {
    SecretBytes share(secret.size());
    for (size_t i = 0; i < secret.size(); ++i) {
      uint8_t value = 0;  // Horner, from the highest power
      for (size_t power = needed - 1; power > 0; --power) {
        value = Times(value ^ coefficients[(power - 1) * secret.size() + i],
                      PlaceOf(number));
      }
      share.ExposeMutable()[i] = value ^ secret.Expose()[i];
    }
    shares.push_back(std::move(share));
  }
  return shares;
}

absl::StatusOr<SecretBytes> JoinSecret(
    const std::vector<NumberedShare>& shares) {
  std::vector<bool> seen(kMostShares);
  for (const auto& [number, share] : shares) {
    if (number >= kMostShares || seen[number] ||
        share.size() != shares.front().second.size()) {
      return base::Error(CKR_ARGUMENTS_BAD, "shares that do not go together");
    }
    seen[number] = true;
  }
  if (shares.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no shares");
  SecretBytes secret(shares.front().second.size());
  for (size_t which = 0; which < shares.size(); ++which) {
    const uint8_t weight = WeightAtZero(shares, which);
    for (size_t i = 0; i < secret.size(); ++i) {
      secret.ExposeMutable()[i] ^=
          Times(weight, shares[which].second.Expose()[i]);
    }
  }
  return secret;
}

}  // namespace hsm
