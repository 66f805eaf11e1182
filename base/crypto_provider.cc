#include "base/crypto_provider.h"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/crypto.h"

namespace base {
namespace {

// The default provider, in a context that nobody else uses: in ours it would
// offer the same algorithms again.
struct Underneath {
  OpenSslPtr<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context;
  OpenSslPtr<OSSL_PROVIDER, OSSL_PROVIDER_unload> provider;
  std::deque<std::string> names;
  std::vector<OSSL_ALGORITHM> key_managers;  // ends with a null name
};

// Made at the first call and leaked, as the library of base/crypto.cc is.
std::atomic<const Underneath*> the_underneath{nullptr};

// "EC:id-ecPublicKey:1.2.840.10045.2.1" with the last one first. What has no
// object identifier has no type that an engine could be asked for.
std::string IdentifierFirst(const char* names) {
  std::vector<std::string> all = absl::StrSplit(names, ':');
  std::stable_partition(all.begin(), all.end(), [](const std::string& name) {
    return !name.empty() && absl::ascii_isdigit(name[0]);
  });
  return absl::StrJoin(all, ":");
}

std::unique_ptr<Underneath> NewUnderneath() {
  auto made = std::make_unique<Underneath>();
  made->context.reset(OSSL_LIB_CTX_new());
  if (made->context == nullptr) return nullptr;
  made->provider.reset(OSSL_PROVIDER_load(made->context.get(), "default"));
  if (made->provider == nullptr) return nullptr;
  int no_cache = 0;
  const OSSL_ALGORITHM* row = OSSL_PROVIDER_query_operation(
      made->provider.get(), OSSL_OP_KEYMGMT, &no_cache);
  if (row == nullptr) return nullptr;
  for (; row->algorithm_names != nullptr; ++row) {
    OSSL_ALGORITHM turned = *row;
    turned.algorithm_names =
        made->names.emplace_back(IdentifierFirst(row->algorithm_names)).c_str();
    made->key_managers.push_back(turned);
  }
  made->key_managers.push_back({});
  return made;
}

const Underneath* TheUnderneath() {
  const Underneath* made = the_underneath.load(std::memory_order_acquire);
  if (made != nullptr) return made;
  std::unique_ptr<Underneath> ours = NewUnderneath();
  if (ours == nullptr) return nullptr;
  if (!the_underneath.compare_exchange_strong(made, ours.get(),
                                              std::memory_order_acq_rel)) {
    return made;
  }
  return ours.release();
}

// --- the provider's functions, called with the default provider's context
// ------------------------------------------------------------------

void Teardown(void*) {}

const OSSL_PARAM* GettableParams(void*) {
  return OSSL_PROVIDER_gettable_params(TheUnderneath()->provider.get());
}

int GetParams(void*, OSSL_PARAM params[]) {
  return OSSL_PROVIDER_get_params(TheUnderneath()->provider.get(), params);
}

const OSSL_ALGORITHM* QueryOperation(void*, int operation, int* no_cache) {
  const Underneath& underneath = *TheUnderneath();
  if (operation == OSSL_OP_KEYMGMT) {
    *no_cache = 0;
    return underneath.key_managers.data();
  }
  return OSSL_PROVIDER_query_operation(underneath.provider.get(), operation,
                                       no_cache);
}

// The groups of TLS.
int GetCapabilities(void*, const char* capability, OSSL_CALLBACK* give,
                    void* argument) {
  return OSSL_PROVIDER_get_capabilities(TheUnderneath()->provider.get(),
                                        capability, give, argument);
}

template <typename F>
OSSL_DISPATCH Row(int id, F* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int Init(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*,
         const OSSL_DISPATCH** out, void** context) {
  static const OSSL_DISPATCH kFunctions[] = {
      Row(OSSL_FUNC_PROVIDER_TEARDOWN, Teardown),
      Row(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, GettableParams),
      Row(OSSL_FUNC_PROVIDER_GET_PARAMS, GetParams),
      Row(OSSL_FUNC_PROVIDER_QUERY_OPERATION, QueryOperation),
      Row(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, GetCapabilities),
      {0, nullptr}};
  *out = kFunctions;
  // What makes an operation gets this, and it is the default provider's.
  *context = OSSL_PROVIDER_get0_provider_ctx(TheUnderneath()->provider.get());
  return 1;
}

}  // namespace

OSSL_PROVIDER* LoadCryptoProvider(OSSL_LIB_CTX* context) {
  if (TheUnderneath() == nullptr) return nullptr;
  constexpr char kName[] = "perigee";
  if (OSSL_PROVIDER_add_builtin(context, kName, Init) != 1) return nullptr;
  return OSSL_PROVIDER_load(context, kName);
}

}  // namespace base
