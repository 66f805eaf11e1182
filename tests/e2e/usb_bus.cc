#include "tests/e2e/usb_bus.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/library.h"

namespace e2e {
namespace {

void AttachToKernel(const std::string& socket) {
  const std::string program = UsbAttachPath();
  const pid_t pid = fork();
  if (pid == 0) {
    execl(program.c_str(), program.c_str(), socket.c_str(), nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  ASSERT_EQ(status, 0) << program << ' ' << socket;
}

}  // namespace

int GadgetUser() {
  const char* const user = getenv("PERIGEE_USB_GADGET");
  return user == nullptr ? -1 : atoi(user);
}

void AwaitGadget() {
  // Each time that it is plugged in it has another address.
  static std::string former;
  for (int i = 0; i < 200; ++i) {
    std::error_code gone;
    for (const auto& each :
         std::filesystem::directory_iterator("/sys/bus/usb/devices", gone)) {
      const auto attribute = [&each](const char* name) {
        std::ifstream in(each.path() / name);
        std::string line;
        std::getline(in, line);
        return line;
      };
      const std::string address = attribute("devnum");
      if (attribute("product") == "Perigee Backup HSM" &&
          attribute("bConfigurationValue") == "1" && address != former) {
        former = address;
        return;
      }
    }
    usleep(50000);
  }
  FAIL() << "no host has configured the device";
}

UsbBus::UsbBus(const std::vector<std::string>& sockets) {
  if (GadgetUser() >= 0) {
    AwaitGadget();
    return;
  }
  if (getenv("PERIGEE_USB_KERNEL") != nullptr) {
    for (const std::string& socket : sockets) AttachToKernel(socket);
    return;
  }
  const std::string program = UsbEmulatorPath();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& socket : sockets) {
    argv.push_back(const_cast<char*>(socket.c_str()));
  }
  argv.push_back(nullptr);
  StartEmulator(std::move(argv));
}

void UsbBus::StartEmulator(std::vector<char*> argv) {
  int in[2], out[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  unsetenv("UMOCKDEV_DIR");
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  input_ = in[1];
  std::string root;
  for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) root.push_back(c);
  close(out[0]);
  ASSERT_FALSE(root.empty()) << argv[0] << " did not start";
  setenv("UMOCKDEV_DIR", root.c_str(), 1);
}

UsbBus::~UsbBus() {
  unsetenv("UMOCKDEV_DIR");
  if (input_ >= 0) close(input_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

}  // namespace e2e
