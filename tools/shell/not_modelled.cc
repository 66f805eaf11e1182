// Commands of the original shell about things that the model has not. Each says
// so, and what there is instead.
#include "tools/shell/shell.h"

namespace shell {

std::vector<Command> NotModelledCommands() {
  const auto row = [](const char* words, const char* brief, const char* why) {
    return Command{words, brief, {}, nullptr, why};
  };
  return {
      row("slot configset", "s cs",
          "is not modelled: slots are configured in a file, see slot "
          "configshow"),
      row("hsm updatecap", "hsm uc",
          "is not modelled: an HSM has every capability of its model"),
      row("hsm restart", "hsm r",
          "is not modelled: the daemon of a Backup HSM is restarted by its "
          "host"),
      row("hsm clear", "hsm c",
          "is not modelled: hsm zeroize destroys the contents"),
      row("hsm changesopolicy", "hsm changesop",
          "is not modelled: the SO's own partition has no policies"),
      row("role createchallenge", "ro cc",
          "is not modelled: a role has one password and no challenge secret"),
      row("role recoveryinit", "ro ri",
          "is not modelled: no recovery login; role resetpw gives a new "
          "password"),
      row("role recoverylogin", "ro rl",
          "is not modelled: no recovery login; role resetpw gives a new "
          "password"),
      row("audit config", "au con",
          "is not modelled: what is recorded is configured (docs/AUDIT.md)"),
      row("audit log", "au lo",
          "is not modelled: see audit show, export, rotate and verify"),
      row("audit import", "au im",
          "is not modelled: audit verify needs certificates and no log secret"),
      row("hagroup", "hag",
          "is not modelled: no HA groups; partition clone fills another "
          "partition"),
      row("clientconfig", "cc",
          "is not modelled: no appliances; a Backup HSM elsewhere is "
          "configured"),
      row("ped", "ped",
          "is not modelled: roles have passwords, there is no PED"),
      row("srk", "srk", "is not modelled: see stm show and hsm tampershow"),
      row("stc", "stc",
          "is not modelled: no STC; the channel to a Backup HSM is always "
          "secure"),
      row("stcconfig", "stcc",
          "is not modelled: no STC; the channel to a Backup HSM is always "
          "secure"),
      row("file", "fi", "is not modelled: use the commands of your system"),
  };
}

}  // namespace shell
