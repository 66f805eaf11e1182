// Pages of 256 source handles each, receipts in ascending order of handles.
#include "cloning/receipts.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/wire.h"
#include "hsm/hsm.h"

namespace cloning {
namespace {

constexpr uint64_t kPage = 256;
constexpr uint8_t kFormat = 1;

struct Page {
  uint8_t format = kFormat;
  std::vector<Receipt> receipts;
  template <typename V>
  void Fields(V& v) {
    v(format, receipts);
  }
};

std::string NameOf(uint64_t page) { return absl::StrCat("x/receipt/", page); }

auto Position(std::vector<Receipt>& page, uint64_t source_handle) {
  return std::lower_bound(page.begin(), page.end(), source_handle,
                          [](const Receipt& receipt, uint64_t wanted) {
                            return receipt.offered.handle < wanted;
                          });
}

}  // namespace

absl::StatusOr<std::vector<Receipt>> Receipts::Load(uint64_t page) {
  const absl::StatusOr<std::optional<Bytes>> value =
      partition_.hsm().GetSealedValue(partition_.space(), NameOf(page));
  std::vector<Receipt> none;
  if (base::CkRv(value.status()) == CKR_DEVICE_ERROR) return none;
  RETURN_IF_ERROR(value.status());
  if (!value->has_value()) return none;
  absl::StatusOr<Page> read = wire::Decode<Page>(**value, "receipts");
  if (!read.ok() || read->format != kFormat) return none;
  return std::move(read->receipts);
}

absl::Status Receipts::Keep(std::vector<Receipt> receipts) {
  std::map<uint64_t, std::vector<Receipt>> pages;
  for (Receipt& receipt : receipts) {
    const uint64_t number = receipt.offered.handle / kPage;
    auto page = pages.find(number);
    if (page == pages.end()) {
      ASSIGN_OR_RETURN(std::vector<Receipt> loaded, Load(number));
      page = pages.emplace(number, std::move(loaded)).first;
    }
    std::vector<Receipt>& there = page->second;
    const auto at = Position(there, receipt.offered.handle);
    if (at != there.end() && at->offered.handle == receipt.offered.handle) {
      *at = std::move(receipt);
    } else {
      there.insert(at, std::move(receipt));
    }
  }
  for (auto& [number, there] : pages) {
    const Bytes value = wire::Encode(Page{kFormat, std::move(there)});
    RETURN_IF_ERROR(partition_.hsm().PutSealedValue(partition_.space(),
                                                    NameOf(number), value));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Receipt>> Receipts::Find(
    absl::Span<const OfferedObject> offered) {
  std::vector<Receipt> found(offered.size());
  std::map<uint64_t, std::vector<Receipt>> pages;
  for (size_t i = 0; i < offered.size(); ++i) {
    const uint64_t number = offered[i].handle / kPage;
    auto page = pages.find(number);
    if (page == pages.end()) {
      ASSIGN_OR_RETURN(std::vector<Receipt> loaded, Load(number));
      page = pages.emplace(number, std::move(loaded)).first;
    }
    const auto at = Position(page->second, offered[i].handle);
    if (at == page->second.end() || !(at->offered == offered[i])) continue;
    found[i] = *at;
  }
  return found;
}

}  // namespace cloning
