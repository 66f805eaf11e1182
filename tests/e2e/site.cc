#include "tests/e2e/site.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace e2e {
namespace {

std::string Line(const std::string& key, const std::string& value) {
  return value.empty() ? "" : key + " = \"" + value + "\"\n";
}

}  // namespace

std::string LinkName(Link link) {
  switch (link) {
    case Link::kEmbedded:
      return "Embedded";
    case Link::kSocket:
      return "Socket";
    case Link::kUsbip:
      return "Usbip";
    case Link::kUsb:
      return "Usb";
    case Link::kRemote:
      return "Remote";
  }
  return "";
}

TemporaryDirectory::TemporaryDirectory() {
  // Short: a socket's path has 107 bytes.
  path_ = std::filesystem::temp_directory_path() / "perigee-e2e-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) {
    ADD_FAILURE() << "no temporary directory";
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  ASSERT_TRUE(out.good()) << path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Site::Site(Plan plan) : plan_(std::move(plan)) {
  if (plan_.link == Link::kUsb && GadgetUser() >= 0) {
    // A gadget's daemon has it; this process is root.
    const auto user = static_cast<uid_t>(GadgetUser());
    EXPECT_EQ(chown(path().c_str(), user, user), 0) << path();
  }
  if (plan_.link != Link::kEmbedded) {
    for (const BackupHsm& backup : plan_.backups) StartDaemon(backup);
  }
  if (plan_.link == Link::kUsb) Plug();
  if (plan_.link == Link::kRemote) {
    for (const BackupHsm& backup : plan_.backups) StartRemote(backup.name);
  }
  WriteConfig();
}

Site::Site(const Site& devices_of, Plan plan) : plan_(std::move(plan)) {
  for (const BackupHsm& backup : plan_.backups) {
    sockets_[backup.name] = devices_of.socket(backup.name);
  }
  WriteConfig();
}

std::string Site::socket(const std::string& backup) const {
  const auto elsewhere = sockets_.find(backup);
  if (elsewhere != sockets_.end()) return elsewhere->second;
  return path() + "/" + backup + ".sock";
}

Daemon& Site::daemon(const std::string& backup) { return *daemons_.at(backup); }
RemoteService& Site::remote(const std::string& backup) {
  return *remotes_.at(backup);
}

void Site::StartRemote(const std::string& backup) {
  remotes_[backup] = std::make_unique<RemoteService>(
      path() + "/remote-" + backup, state(), "socket:" + socket(backup),
      KeyOfHost(state()));
}

void Site::Plug() {
  std::vector<std::string> sockets;
  for (const auto& [name, daemon] : daemons_) sockets.push_back(socket(name));
  bus_.reset();
  bus_ = std::make_unique<UsbBus>(sockets);
}

void Site::Replug() {
  for (const auto& [name, daemon] : daemons_) daemon->Restart();
  Plug();
}

void Site::RedirectSocket(const std::string& backup,
                          const std::string& address) {
  sockets_[backup] = address;
  WriteConfig();
}

void Site::Use() const {
  setenv("PERIGEE_STATE_DIR", state().c_str(), 1);
  setenv("PERIGEE_CONF", config().c_str(), 1);
}

void Site::WriteConfig() const {
  std::string text;
  for (const AppHsm& app : plan_.apps) {
    text += "[[hsm]]\nkind = \"application\"\nkdf_cost = \"test\"\n";
    text += Line("name", app.name) + Line("model", app.model) +
            Line("firmware", app.firmware) + Line("fm", app.fm);
    for (const std::string& partition : app.partitions) {
      text += "[[hsm.partition]]\n" + partition + "\n";
    }
  }
  for (const BackupHsm& backup : plan_.backups) {
    text += "[[hsm]]\nkind = \"backup\"\nkdf_cost = \"test\"\n";
    text += Line("name", backup.name) + Line("model", backup.model) +
            Line("firmware", backup.firmware) +
            Line("attached", backup.attached) +
            Line("transport", AddressOf(backup));
    if (backup.storage != 0) {
      text += "storage_bytes = " + std::to_string(backup.storage) + "\n";
    }
  }
  WriteFile(config(), text);
}

std::string Site::AddressOf(const BackupHsm& backup) const {
  if (plan_.link == Link::kEmbedded) return "embedded";
  if (plan_.link == Link::kUsb) {
    return "usb:" + daemons_.at(backup.name)->serial();
  }
  if (plan_.link == Link::kRemote) {
    const RemoteService& remote = *remotes_.at(backup.name);
    return "tls:" + remote.address() + "@" + SerialOfHost(remote.state());
  }
  return (plan_.link == Link::kUsbip ? "usbip:" : "socket:") +
         socket(backup.name);
}

void Site::StartDaemon(const BackupHsm& backup) {
  const int user = plan_.link == Link::kUsb ? GadgetUser() : -1;
  std::vector<std::string> arguments = {
      user >= 0                                                    ? "--gadget"
      : plan_.link == Link::kSocket || plan_.link == Link::kRemote ? "--socket"
                                                                   : "--usbip",
      user >= 0 ? "auto" : socket(backup.name),
      "--state",
      path() + "/" + backup.name,
      "--fleet",
      state() + "/fleet",
      "--name",
      backup.name,
      "--model",
      backup.model,
      "--kdf-cost",
      "test"};
  if (!backup.firmware.empty()) {
    arguments.insert(arguments.end(), {"--firmware", backup.firmware});
  }
  if (backup.storage != 0) {
    arguments.insert(arguments.end(),
                     {"--storage", std::to_string(backup.storage)});
  }
  if (backup.attached != "client") {
    arguments.insert(arguments.end(), {"--attached", backup.attached});
  }
  daemons_[backup.name] = std::make_unique<Daemon>(std::move(arguments), user);
}

}  // namespace e2e
