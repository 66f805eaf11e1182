#!/usr/bin/env python3
"""The shell as a person and as a script use it: in a pseudo terminal, with -c,
-f and a pipe. Run by ctest: person_test.py <perigee> <libperigee.so>."""
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
import unittest

SHELL, LIBRARY = (os.path.abspath(path) for path in sys.argv[1:3])
DOMAIN = "a domain string for these tests"
SO, PO, CO, BACKUP = "so-password", "po-password", "co-password", "bk-password"

# Passwords cost next to nothing here.
CONFIG = """
[[hsm]]
name = "app"
kdf_cost = "test"

  [[hsm.partition]]

[[hsm]]
name = "backup"
kind = "backup"
kdf_cost = "test"
"""


class Host:
    """A state directory of its own."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = self.directory.name
        with open(self.path + "/perigee.toml", "w") as file:
            file.write(CONFIG)
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin"),
            "HOME": self.path,
            "TERM": "xterm",
            "PERIGEE_MODULE": LIBRARY,
            "PERIGEE_CONF": self.path + "/perigee.toml",
            "PERIGEE_STATE_DIR": self.path + "/state",
        }

    def run(self, *arguments, text=""):
        """Exit code and output of one call without a terminal."""
        done = subprocess.run([SHELL, *arguments], input=text,
                              env=self.environment, text=True,
                              capture_output=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def script(self, *lines):
        code, out, err = self.run(text="\n".join(lines))
        if code != 0:
            raise AssertionError(out + err)
        return out

    def file(self, name, text):
        path = self.path + "/" + name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        return path

    def history(self):
        try:
            path = self.path + "/.local/state/perigee/shell-history"
            with open(path) as file:
                return file.read().replace("\\040", " ")
        except FileNotFoundError:
            return ""

    def make_backup_hsm(self):
        self.script("slot set -slot 1",
                    f"hsm init -label vault -password {SO}")

    def make_partition(self):
        self.script("slot set -slot 0",
                    f"partition init -label p -password {PO} "
                    f'-domain "{DOMAIN}"',
                    f"role login -name po -password {PO}",
                    f"role init -name co -password {CO}")

    def make_data(self, count):
        """Public data objects, by any means: pkcs11-tool."""
        path = self.file("blob", "x" * 200)
        for i in range(count):
            subprocess.run(
                ["pkcs11-tool", "--module", LIBRARY, "--slot", "0", "--login",
                 "--pin", CO, "--write-object", path, "--type", "data",
                 "--label", f"data{i}"], env=self.environment, check=True,
                capture_output=True, timeout=120)


class Person:
    """Somebody at a terminal."""

    def __init__(self, host, *arguments):
        self.text = ""
        self.seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(SHELL, [SHELL, *arguments], host.environment)

    def expect(self, what):
        """What was printed up to and with `what`."""
        end = time.monotonic() + 60
        while self.text.find(what, self.seen) < 0:
            if time.monotonic() > end or not self._read():
                raise AssertionError(f"not seen: {what}\n" + self.text[-2000:])
        begin, self.seen = (self.seen,
                            self.text.find(what, self.seen) + len(what))
        return self.text[begin:self.seen]

    def keys(self, keys):
        os.write(self.fd, keys.encode())

    def answer(self, prompt, text):
        self.expect(prompt)
        self.keys(text + "\r")

    def command(self, text, *ends):
        """Types it at the prompt; what is printed up to the last of `ends`."""
        self.answer("perigee:> ", text)
        return "".join(self.expect(end) for end in ends or ["Command Result"])

    def leave(self):
        self.command("exit", "exit")
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self):
        if not select.select([self.fd], [], [], 60)[0]:
            return False
        try:
            some = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += some.decode("utf-8", "replace")
        return bool(some)


class AtATerminal(unittest.TestCase):

    def setUp(self):
        self.host = Host()

    def test_fips_3_the_documented_procedure(self):
        self.host.make_backup_hsm()
        person = Person(self.host)
        person.command("slot set -slot 1", "No Error")
        person.command("role login -name so", "Enter password for HSM SO: ")
        person.keys(SO + "\r")
        person.expect("No Error")
        person.command("hsm changehsmpolicy -policy 55 -value 1", "No Error")
        person.command("hsm showinfo",
                       "*** The HSM is in FIPS 140-2 approved operation mode. "
                       "***", "No Error")
        self.assertEqual(person.leave(), 0)

    def test_passwords_are_hidden_and_entered_twice(self):
        person = Person(self.host)
        person.command("slot set -slot 1", "No Error")
        person.command("hsm init -label vault", "Enter password for HSM SO: ")
        person.keys(SO + "\r")
        person.expect("Re-enter password for HSM SO: ")
        person.keys("another one\r")
        person.expect("not equal")
        person.answer("Enter password for HSM SO: ", SO)
        person.answer("Re-enter password for HSM SO: ", SO)
        person.expect("No Error")
        person.leave()
        self.assertNotIn(SO, person.text)

    def test_tab_completes_words_options_and_slots(self):
        person = Person(self.host)
        person.expect("perigee:> ")
        person.keys("slo\ts\t-\t1\r")
        person.expect("Current Slot Id:    1")
        person.expect("No Error")
        person.leave()

    def test_tab_lists_what_is_possible(self):
        person = Person(self.host)
        person.expect("perigee:> ")
        person.keys("partition archive \t")
        for word in ("backup", "contents", "delete", "list", "restore"):
            person.expect(word)
        person.keys("\x15\r")
        person.leave()

    def test_history_keeps_commands_and_no_passwords(self):
        person = Person(self.host)
        person.command("slot set -slot 1")
        person.command(f"hsm init -label vault -password {SO}")
        person.command(f"role login -name so -pasword {SO}")
        person.leave()
        self.assertIn("slot set -slot 1", self.host.history())
        self.assertNotIn(SO, self.host.history())
        again = Person(self.host)
        again.expect("perigee:> ")
        again.keys("\x1b[A\x1b[A")  # exit, and what was before it
        again.expect("slot set -slot 1")
        again.keys("\x15\r")
        again.leave()

    def test_destructive_commands_want_the_word_proceed(self):
        self.host.make_backup_hsm()
        person = Person(self.host)
        person.command("slot set -slot 1", "No Error")
        person.command("hsm zeroize", "->")
        person.keys("yes\r")
        person.expect("->")
        person.keys("quit\r")
        person.expect("(CKR_FUNCTION_CANCELED)")
        person.command("hsm zeroize", "->")
        person.keys("\x03")
        person.expect("(CKR_FUNCTION_CANCELED)")
        person.command("hsm zeroize", "->")
        person.keys("proceed\r")
        person.expect("No Error")
        self.assertEqual(person.leave(), 1)

    def test_interrupt_at_the_prompt_drops_the_line(self):
        person = Person(self.host)
        person.expect("perigee:> ")
        person.keys("hsm zeroize\x03")
        person.command("slot list", "No Error")
        person.leave()

    def test_interrupt_in_a_backup_keeps_what_arrived(self):
        self.host.make_backup_hsm()
        self.host.make_partition()
        self.host.make_data(3)
        person = Person(self.host)
        person.command(f"role login -name co -password {CO}", "No Error")
        person.command("partition archive backup -slot 1 -partition b "
                       f'-password {BACKUP} -sopassword {SO} '
                       f'-domain "{DOMAIN}"', "Backing up")
        person.keys("\x03")
        # Too late or in time: an end, no hang, and the shell goes on.
        person.expect("Command Result")
        person.command("partition archive list -slot 1", "No Error")
        person.command("partition archive backup -slot 1 -partition b "
                       f"-password {BACKUP} -append", "No Error")
        person.leave()


class InScripts(unittest.TestCase):

    def setUp(self):
        self.host = Host()

    def test_exit_codes(self):
        self.assertEqual(self.host.run("-c", "slot list")[0], 0)
        self.assertEqual(self.host.run("-c", "slot set -slot 99")[0], 1)
        self.assertEqual(self.host.run("--nonsense")[0], 2)
        self.assertEqual(self.host.run("-m", "/nowhere.so")[0], 1)

    def test_first_failure_ends_a_script_unless_told_otherwise(self):
        lines = "slot set -slot 99\nslot set -slot 1\n"
        code, out, _ = self.host.run(text=lines)
        self.assertEqual(code, 1)
        self.assertNotIn("Current Slot Id", out)
        code, out, _ = self.host.run("-k", text=lines)
        self.assertEqual(code, 1)
        self.assertIn("Current Slot Id:    1", out)

    def test_nothing_is_asked(self):
        self.host.make_backup_hsm()
        code, out, _ = self.host.run("-k", text="slot set -slot 1\n"
                                     "role login -name so\nhsm zeroize\n")
        self.assertEqual(code, 1)
        self.assertIn("no terminal to ask at", out)
        self.assertIn("no terminal to confirm at", out)
        self.assertIn("Initialized -> Yes",
                      self.host.script("hsm showinfo -slot 1"))

    def test_secrets_are_not_shown(self):
        self.host.make_backup_hsm()
        out = self.host.script("slot set -slot 1",
                               f"role login -name so -password {SO}")
        self.assertNotIn(SO, out)
        self.assertIn("role login -name so -password ********", out)

    def test_a_password_on_the_command_line_draws_a_warning(self):
        _, _, err = self.host.run("-c", "role login -name po -password x")
        self.assertIn("Warning", err)
        _, _, err = self.host.run("-c", "slot list")
        self.assertNotIn("Warning", err)

    def test_passwords_from_a_file(self):
        self.host.make_backup_hsm()
        path = self.host.file("so.secret", SO + "\nnot this\n")
        self.host.script("slot set -slot 1",
                         f"role login -name so -passwordfile {path}")

    def test_scripts_and_comments(self):
        path = self.host.file("script", "# a comment\n\nslot set -slot 1\n")
        self.assertEqual(self.host.run("-f", path)[0], 0)
        self.assertIn("Slot Id:    1", self.host.script(f"script -f {path}"))

    def test_failure_names_cause_and_remedy(self):
        self.host.make_partition()
        code, out, _ = self.host.run(
            "-c", "partition archive backup -slot 1 -partition b")
        self.assertEqual(code, 1)
        self.assertIn("role login -name co", out)
        self.assertIn("Command Result : 0x101 (CKR_USER_NOT_LOGGED_IN)", out)

    def test_full_backup_partition_is_resized_and_completed(self):
        self.host.make_backup_hsm()
        self.host.make_partition()
        self.host.make_data(4)
        archive = f"-slot 1 -partition b -password {BACKUP}"
        code, out, _ = self.host.run(
            "-k", text=f"role login -name co -password {CO}\n"
            f"partition archive backup {archive} -sopassword {SO} "
            f'-domain "{DOMAIN}" -size 2000\n')
        self.assertEqual(code, 1)
        self.assertIn("<CKR_CONTAINER_OBJECT_STORAGE_FULL>", out)
        self.assertIn("partition resize", out)
        out = self.host.script(
            "slot set -slot 1", f"role login -name so -password {SO}",
            "partition resize -partition b -size 100000", "slot set -slot 0",
            f"role login -name co -password {CO}",
            f"partition archive backup {archive} -append",
            f"partition archive contents {archive}",
            f"partition archive delete -slot 1 -partition b -force")
        self.assertIn("there already, equal", out)
        self.assertIn("Number of objects:  4", out)

    def test_wrong_domain_leaves_no_empty_partition(self):
        self.host.make_backup_hsm()
        self.host.make_partition()
        self.host.make_data(1)
        code, out, _ = self.host.run(
            "-k", text=f"role login -name co -password {CO}\n"
            f"partition archive backup -slot 1 -partition b -sopassword {SO} "
            f"-password {BACKUP} -domain not-the-same-domain\n"
            "partition archive list -slot 1\n")
        self.assertEqual(code, 1)
        self.assertIn("(CKR_CERTIFICATE_INVALID)", out)
        self.assertIn("Number Of Partitions:        0", out)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
