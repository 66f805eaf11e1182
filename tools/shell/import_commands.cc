// partition import: the objects of a SoftHSM2 token, made anew in the active
// slot's partition.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/softhsm_token.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Option kImportOptions[] = {
    {"directory", "d", Kind::kText, true,
     "directories.tokendir of softhsm2.conf"},
    {"token", "t", Kind::kText, true, "label of the SoftHSM2 token"},
    {"pin", "p", Kind::kSecret, false, "its user PIN"},
    {"dryrun", "dr", Kind::kFlag, false, "only lists what would be imported"},
};

// What is taken over. The rest follows from how the object was made (here: it
// came from outside), or is the library's to say.
constexpr CK_ATTRIBUTE_TYPE kTaken[] = {CKA_CLASS,
                                        CKA_KEY_TYPE,
                                        CKA_CERTIFICATE_TYPE,
                                        CKA_TOKEN,
                                        CKA_PRIVATE,
                                        CKA_LABEL,
                                        CKA_ID,
                                        CKA_SUBJECT,
                                        CKA_ISSUER,
                                        CKA_SERIAL_NUMBER,
                                        CKA_VALUE,
                                        CKA_APPLICATION,
                                        CKA_OBJECT_ID,
                                        CKA_MODIFIABLE,
                                        CKA_COPYABLE,
                                        CKA_DESTROYABLE,
                                        CKA_SENSITIVE,
                                        CKA_EXTRACTABLE,
                                        CKA_ENCRYPT,
                                        CKA_DECRYPT,
                                        CKA_SIGN,
                                        CKA_SIGN_RECOVER,
                                        CKA_VERIFY,
                                        CKA_VERIFY_RECOVER,
                                        CKA_WRAP,
                                        CKA_UNWRAP,
                                        CKA_DERIVE,
                                        CKA_START_DATE,
                                        CKA_END_DATE,
                                        CKA_MODULUS,
                                        CKA_PUBLIC_EXPONENT,
                                        CKA_PRIVATE_EXPONENT,
                                        CKA_PRIME_1,
                                        CKA_PRIME_2,
                                        CKA_EXPONENT_1,
                                        CKA_EXPONENT_2,
                                        CKA_COEFFICIENT,
                                        CKA_EC_PARAMS,
                                        CKA_EC_POINT,
                                        CKA_PRIME,
                                        CKA_SUBPRIME,
                                        CKA_BASE,
                                        CKA_ALWAYS_AUTHENTICATE,
                                        CKA_WRAP_WITH_TRUSTED};

// SoftHSM2 has these for every object of a class, with nothing in them.
bool MayBeLeftOut(CK_ATTRIBUTE_TYPE type, const WipedBytes& value) {
  const bool is_false = value.size() == 1 && value.span()[0] == CK_FALSE;
  return value.empty() ||
         (is_false &&
          (type == CKA_SIGN_RECOVER || type == CKA_VERIFY_RECOVER ||
           type == CKA_ALWAYS_AUTHENTICATE || type == CKA_WRAP_WITH_TRUSTED));
}

CK_ULONG NumberOf(const SoftHsmObject& object, CK_ATTRIBUTE_TYPE type) {
  CK_ULONG value = CK_UNAVAILABLE_INFORMATION;
  const auto it = object.find(type);
  if (it != object.end() && it->second.size() == sizeof value) {
    std::memcpy(&value, it->second.span().data(), sizeof value);
  }
  return value;
}

std::string NameOf(const SoftHsmObject& object) {
  const auto it = object.find(CKA_LABEL);
  std::string label;
  if (it != object.end()) {
    label = CleanText(absl::string_view(
        reinterpret_cast<const char*>(it->second.span().data()),
        it->second.size()));
  }
  return absl::StrCat(ObjectTypeText(NumberOf(object, CKA_CLASS)), " \"", label,
                      "\"");
}

bool IsTrue(const SoftHsmObject& object, CK_ATTRIBUTE_TYPE type) {
  const auto it = object.find(type);
  return it != object.end() && it->second.size() == 1 &&
         it->second.span()[0] != CK_FALSE;
}

// Creates the object without the attributes `without`.
absl::Status Create(const Module& module, CK_SESSION_HANDLE session,
                    SoftHsmObject& object,
                    absl::Span<const CK_ATTRIBUTE_TYPE> without) {
  std::vector<CK_ATTRIBUTE> attributes;
  for (const CK_ATTRIBUTE_TYPE type : kTaken) {
    const auto it = object.find(type);
    if (it == object.end() || MayBeLeftOut(type, it->second) ||
        std::find(without.begin(), without.end(), type) != without.end()) {
      continue;
    }
    attributes.push_back({type, it->second.data(), it->second.size()});
  }
  CK_OBJECT_HANDLE handle = 0;
  return module.Check(module.c().C_CreateObject(session, attributes.data(),
                                                attributes.size(), &handle));
}

// Keys that both wrap and decrypt can be made to give away what they wrap, so
// a partition takes none by default: what it was used for least is left out.
constexpr CK_ATTRIBUTE_TYPE kWrapping[] = {CKA_WRAP, CKA_UNWRAP};

absl::Status ImportOne(const Module& module, CK_SESSION_HANDLE session,
                       SoftHsmObject& object, std::string& note) {
  const absl::Status whole = Create(module, session, object, {});
  if (whole.ok()) return whole;
  const bool wraps = IsTrue(object, CKA_WRAP) || IsTrue(object, CKA_UNWRAP);
  if (!wraps || RvOf(whole) != CKR_TEMPLATE_INCONSISTENT) return whole;
  if (!Create(module, session, object, kWrapping).ok()) return whole;
  note = "without CKA_WRAP and CKA_UNWRAP, which do not go with the rest";
  return absl::OkStatus();
}

constexpr Shown kImportData[] = {
    {"imported", "how many; with -dryrun, that would be"},
    {"left_out[].object", "text"},
    {"left_out[].result", "\"CKR_TEMPLATE_INCONSISTENT\""},
    {"left_out[].text", "why, a sentence"},
};

absl::Status Import(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  if (shell.LoggedIn(shell.slot()) != CKU_USER) {
    return Failure(CKR_USER_NOT_LOGGED_IN,
                   "the Crypto Officer imports into the partition",
                   "Log in with role login -name co.");
  }
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  ASSIGN_OR_RETURN(
      const SecretText pin,
      shell.Secret(arguments, "pin", "user PIN of the SoftHSM2 token",
                   Shell::Entry::kOnce));
  ASSIGN_OR_RETURN(
      const SoftHsmToken token,
      SoftHsmToken::Open(shell.module(), session, *arguments.Text("directory"),
                         *arguments.Text("token"), pin));
  const bool dry = arguments.Has("dryrun");
  size_t imported = 0, left_out = 0;
  Json facts = Json::array();
  for (const std::string& file : token.files()) {
    absl::StatusOr<SoftHsmObject> object = token.Read(file);
    std::string note;
    absl::Status status = object.status();
    if (status.ok() && !dry) {
      status = ImportOne(shell.module(), session, *object, note);
    }
    const std::string name = object.ok() ? NameOf(*object) : file;
    if (status.ok()) {
      ++imported;
      absl::PrintF("        %s%s%s\n", name, note.empty() ? "" : ", ", note);
    } else {
      ++left_out;
      facts.push_back({{"object", name},
                       {"result", shell.module().NameOf(RvOf(status))},
                       {"text", std::string(status.message())}});
      absl::PrintF("        LEFT OUT: %s: %s (%s)\n", name,
                   std::string(status.message()),
                   shell.module().NameOf(RvOf(status)));
    }
  }
  absl::PrintF("\n        %s %s, %d left out.\n", Count(imported, "object"),
               dry ? "would be imported" : "imported", left_out);
  shell.Tell({{"imported", imported}, {"left_out", facts}});
  if (left_out == 0) return absl::OkStatus();
  return Failure(CKR_FUNCTION_FAILED,
                 absl::StrCat(Count(left_out, "object"), " was not imported"),
                 "The list tells why. The SoftHSM2 token was not changed.");
}

}  // namespace

std::vector<Command> ImportCommands() {
  return {
      {"partition import", "par im", kImportOptions, Import,
       "copies the objects of a SoftHSM2 token into the partition",
       kImportData},
  };
}

}  // namespace shell
