// hsm time, partition ciphershow, cipherenable, cipherdisable, domainlist,
// domainadd, domainchangelabel, domainprimary, domaindelete: what an HSM and a
// partition bring to cloning.
#include <ctime>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/shell/facts.h"
#include "tools/shell/result.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Shown kTimeData[] = {{"time", "\"2026-11-27T12:00:00Z\""}};
constexpr Shown kCipherData[] = {
    {"protocols[]", "number of a cloning protocol that is offered: 1, 3, 4"},
    {"why_not_cpv4", "text; null: it is offered"},
    {"suites[].id", "number"},
    {"suites[].name", "text"},
    {"suites[].enabled", "true or false"},
    {"suites[].available", "true when this OpenSSL has it"},
};

constexpr Shown kDomainData[] = {
    {"domains[].label", "text"},
    {"domains[].primary", "true or false; the first one is"},
};

// --- the clock ---------------------------------------------------------------

absl::Status ShowTime(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  CK_ULONG seconds = 0;
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_GetTime(session, &seconds)));
  const absl::Time time = absl::FromUnixSeconds(static_cast<int64_t>(seconds));
  absl::PrintF("\n%s",
               Field("HSM Time", absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time,
                                                  absl::UTCTimeZone())));
  shell.Tell({{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time,
                                        absl::UTCTimeZone())}});
  return absl::OkStatus();
}

absl::Status SyncTime(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const auto now = static_cast<CK_ULONG>(absl::ToUnixSeconds(absl::Now()));
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_TimeSync(session, now)));
  return ShowTime(shell, arguments);
}

// --- suites ------------------------------------------------------------------

absl::Status ShowCiphers(Shell& shell, const Arguments&) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const Module& module = shell.module();
  PERIGEE_CLONING info = {};
  info.ulSize = sizeof info;
  RETURN_IF_ERROR(module.Check(module.perigee().CloningInfo(session, &info)));
  CK_ULONG count = 0;
  RETURN_IF_ERROR(
      module.Check(module.perigee().CipherSuites(session, nullptr, &count)));
  std::vector<PERIGEE_CIPHER_SUITE> suites(count);
  RETURN_IF_ERROR(module.Check(
      module.perigee().CipherSuites(session, suites.data(), &count)));
  std::string offered;
  Json protocols = Json::array();
  for (int number = 1; number < 64; ++number) {
    if ((info.protocols >> number & 1) != 0) {
      protocols.push_back(number);
      absl::StrAppend(&offered, offered.empty() ? "" : ", ", "CPv", number);
    }
  }
  absl::PrintF("\n%s", Field("Cloning Protocols", offered));
  if (info.whyNotCpv4[0] != '\0') {
    absl::PrintF("%s", Field("No CPv4 Because", CleanText(info.whyNotCpv4)));
  }
  absl::PrintF("\n        ID   Enabled   Cipher Suite of CPv4\n");
  Json told = Json::array();
  for (const PERIGEE_CIPHER_SUITE& suite : suites) {
    told.push_back(
        {{"id", suite.ulNumber},
         {"name", CleanText(suite.name)},
         {"enabled", (suite.flags & PERIGEE_SUITE_ENABLED) != 0},
         {"available", (suite.flags & PERIGEE_SUITE_AVAILABLE) != 0}});
    absl::PrintF(
        "        %-4d %-9s %s%s\n", suite.ulNumber,
        suite.flags & PERIGEE_SUITE_ENABLED ? "yes" : "no",
        CleanText(suite.name),
        suite.flags & PERIGEE_SUITE_AVAILABLE ? "" : " (not in this OpenSSL)");
  }
  const bool offers_cpv4 = info.whyNotCpv4[0] == '\0';
  shell.Tell({{"protocols", protocols},
              {"why_not_cpv4",
               offers_cpv4 ? Json() : Json(CleanText(info.whyNotCpv4))},
              {"suites", told}});
  return absl::OkStatus();
}

constexpr Option kIdOptions[] = {
    {"id", "i", Kind::kNumber, true, "of the suite, as ciphershow tells"},
};

absl::Status SetCipher(Shell& shell, const Arguments& arguments,
                       CK_BBOOL enable) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().perigee().EnableCipherSuite(
          session, *arguments.Number("id"), enable)));
  return ShowCiphers(shell, arguments);
}

absl::Status EnableCipher(Shell& shell, const Arguments& arguments) {
  return SetCipher(shell, arguments, CK_TRUE);
}

absl::Status DisableCipher(Shell& shell, const Arguments& arguments) {
  return SetCipher(shell, arguments, CK_FALSE);
}

// --- domains -----------------------------------------------------------------

absl::Status ListDomains(Shell& shell, const Arguments&) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const Module& module = shell.module();
  CK_ULONG count = 0;
  RETURN_IF_ERROR(
      module.Check(module.perigee().Domains(session, nullptr, &count)));
  std::vector<PERIGEE_DOMAIN> domains(count);
  RETURN_IF_ERROR(
      module.Check(module.perigee().Domains(session, domains.data(), &count)));
  absl::PrintF("\n        Cloning Domains\n");
  Json told = Json::array();
  for (const PERIGEE_DOMAIN& domain : domains) {
    told.push_back({{"label", CleanText(domain.label)},
                    {"primary", (domain.flags & PERIGEE_DOMAIN_PRIMARY) != 0}});
    absl::PrintF("        %s%s\n", CleanText(domain.label),
                 domain.flags & PERIGEE_DOMAIN_PRIMARY ? " (primary)" : "");
  }
  if (domains.empty()) absl::PrintF("        none: partition domain set\n");
  shell.Tell({{"domains", told}});
  return absl::OkStatus();
}

constexpr Option kAddDomainOptions[] = {
    {"domainlabel", "dl", Kind::kText, true, "its label, at most 32 bytes"},
    {"domain", "d", Kind::kSecret, false, "the cloning domain: long is good"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "the domain that everybody knows"},
};

absl::Status AddDomain(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(std::optional<SecretText> domain,
                   shell.DomainIfGiven(arguments));
  if (!domain.has_value()) {
    ASSIGN_OR_RETURN(domain, shell.Secret(arguments, "domain", "cloning domain",
                                          Shell::Entry::kTwice));
  }
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().AddDomain(
      session, arguments.Text("domainlabel")->c_str(), domain->RevealBytes(),
      domain->size())));
  return ListDomains(shell, arguments);
}

constexpr Option kRelabelOptions[] = {
    {"domainlabel", "dl", Kind::kText, true, "the domain's label"},
    {"newlabel", "n", Kind::kText, true, "its new label"},
};
constexpr Option kDomainLabelOptions[] = {
    {"domainlabel", "dl", Kind::kText, true, "the domain's label"},
};
constexpr Option kDeleteDomainOptions[] = {
    {"domainlabel", "dl", Kind::kText, true, "the domain's label"},
    kForce,
    kDryRun,
};

absl::Status Change(Shell& shell, const Arguments& arguments,
                    const char* new_label, CK_BBOOL primary) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().ChangeDomain(
      session, arguments.Text("domainlabel")->c_str(), new_label, primary)));
  return ListDomains(shell, arguments);
}

absl::Status RelabelDomain(Shell& shell, const Arguments& arguments) {
  return Change(shell, arguments, arguments.Text("newlabel")->c_str(),
                CK_FALSE);
}

absl::Status MakeDomainPrimary(Shell& shell, const Arguments& arguments) {
  return Change(shell, arguments, nullptr, CK_TRUE);
}

absl::Status DeleteDomain(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      "Objects no longer go to and from partitions that share this domain "
      "only; backups of before stay as they are."));
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().DeleteDomain(
      session, arguments.Text("domainlabel")->c_str())));
  return ListDomains(shell, arguments);
}

}  // namespace

std::vector<Command> CloningCommands() {
  return {
      {"hsm time show",
       "hsm ti sh",
       {},
       ShowTime,
       "shows the HSM's clock",
       kTimeData},
      {"hsm time sync",
       "hsm ti sy",
       {},
       SyncTime,
       "sets it to this host's time, which CPv4 wants; by the HSM SO",
       kTimeData},
      {"audit time get",
       "au ti g",
       {},
       ShowTime,
       "shows the HSM's clock",
       kTimeData},
      {"audit time sync",
       "au ti s",
       {},
       SyncTime,
       "sets it to this host's time; by the HSM SO",
       kTimeData},
      {"partition ciphershow",
       "par cs",
       {},
       ShowCiphers,
       "shows cloning protocols and cipher suites",
       kCipherData},
      {"partition cipherenable", "par ce", kIdOptions, EnableCipher,
       "offers a cipher suite of CPv4", kCipherData},
      {"partition cipherdisable", "par cd", kIdOptions, DisableCipher,
       "does not offer it any more", kCipherData},
      {"partition domainlist",
       "par dl",
       {},
       ListDomains,
       "lists the cloning domains",
       kDomainData},
      {"partition domainadd", "par da", kAddDomainOptions, AddDomain,
       "adds a domain; policy 44, three in all", kDomainData},
      {"partition domainchangelabel", "par dcl", kRelabelOptions, RelabelDomain,
       "gives a domain another label", kDomainData},
      {"partition domainprimary", "par dp", kDomainLabelOptions,
       MakeDomainPrimary, "makes a domain the primary one", kDomainData},
      {"partition domaindelete", "par dd", kDeleteDomainOptions, DeleteDomain,
       "takes a domain away, but not the primary one", kDomainData},
  };
}

}  // namespace shell
