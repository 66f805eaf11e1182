// usbfs_emulator ADDRESS... -- plugs the devices that USB/IP servers export at
// these addresses into an emulated bus. Prints UMOCKDEV_DIR for the programs
// that shall see them, and lives until its input ends.
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/usbfs/bus.h"

int main(int argc, char** argv) {
  usbfs::Bus bus;
  if (!usbfs::CanEmulate()) {
    fprintf(stderr, "usbfs_emulator: runs with libumockdev-preload.so.0\n");
    return 2;
  }
  for (int i = 1; i < argc; ++i) {
    auto backend = usbfs::UsbipBackend::Attach(argv[i]);
    if (!backend.ok()) {
      fprintf(stderr, "usbfs_emulator: %s\n",
              std::string(backend.status().message()).c_str());
      return 1;
    }
    bus.Plug(*std::move(backend));
  }
  printf("%s\n", bus.root().c_str());
  fflush(stdout);
  for (;;) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char byte;
    if (poll(&input, 1, 20) > 0 && read(STDIN_FILENO, &byte, 1) <= 0) break;
    bus.Settle();
  }
  return 0;
}
