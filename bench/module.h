// A PKCS#11 module, opened by path, with a token called "bench". Any failure
// ends the program.
#ifndef PERIGEE_BENCH_MODULE_H_
#define PERIGEE_BENCH_MODULE_H_

#include <string>
#include <vector>

#include "base/cryptoki.h"
#include "bench/contender.h"

namespace bench {

void Check(CK_RV rv, const char* what);

CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, const void* value, size_t size);
template <typename T>
CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, const T& value) {
  return Attribute(type, &value, sizeof value);
}

// CKA_ID of the stored key with this number.
std::string IdOf(int number);

class Module {
 public:
  // Loads and initialises the module with the state under settings.scratch,
  // makes the token where asked to, opens a session and logs the user in.
  Module(const std::string& path, const std::string& name,
         const Settings& settings, bool make);

  CK_FUNCTION_LIST* f() const { return f_; }
  CK_SLOT_ID slot() const { return slot_; }
  CK_SESSION_HANDLE session() const { return session_; }
  CK_SESSION_HANDLE OpenSession() const;

  // A private, sensitive key of 32 bytes with this id; `usage` is true.
  CK_OBJECT_HANDLE CreateSecret(CK_SESSION_HANDLE session, CK_KEY_TYPE type,
                                CK_ATTRIBUTE_TYPE usage, const std::string& id,
                                bool on_token = true) const;
  // The one object with this id.
  CK_OBJECT_HANDLE Find(CK_SESSION_HANDLE session, const std::string& id) const;
  CK_OBJECT_HANDLE Find(CK_SESSION_HANDLE session,
                        std::vector<CK_ATTRIBUTE> pattern) const;
  std::vector<CK_OBJECT_HANDLE> FindAll(CK_SESSION_HANDLE session) const;
  // Init and one-shot.
  void Sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type,
            CK_OBJECT_HANDLE key, uint8_t* message, CK_ULONG bytes) const;

 private:
  void MakeToken();
  CK_SLOT_ID InitialisedSlot() const;

  CK_FUNCTION_LIST* f_;
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE session_ = 0;
};

}  // namespace bench

#endif  // PERIGEE_BENCH_MODULE_H_
