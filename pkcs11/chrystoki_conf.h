// The configuration of a Luna client, as far as it means something here:
// programs and scripts that have one work on when the library's path is
// changed in it. docs/CONFIGURATION.md names what is read.
#ifndef PERIGEE_PKCS11_CHRYSTOKI_CONF_H_
#define PERIGEE_PKCS11_CHRYSTOKI_CONF_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "pkcs11/config.h"

namespace pkcs11 {

// Sections of `Key = value;` between `Name = {` and `}`, names as they stand.
// Lines that are nothing of this are passed over: the file is another
// program's.
using ChrystokiConf = std::map<std::string, std::map<std::string, std::string>>;
ChrystokiConf ParseChrystokiConf(absl::string_view text);

// Chrystoki.conf in the directory that ChrystokiConfigurationPath names, else
// the system's; empty when there is none that can be read.
ChrystokiConf ReadChrystokiConf(const Environment& environment);

// What a client's file says for `config`, before Perigee's own has its say.
void ApplyChrystokiConf(const ChrystokiConf& conf, Config& config);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_CHRYSTOKI_CONF_H_
