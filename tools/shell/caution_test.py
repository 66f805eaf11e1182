#!/usr/bin/env python3
"""What keeps an operator from an accident: dry runs, attempts that are counted
down, colours where somebody looks, credentials by name. Run by ctest:
caution_test.py <perigee> <libperigee.so>."""
import json
import os
import subprocess
import sys
import unittest

from luna_words_test import (ADMIN, BACKUP, CO, DOMAIN, OTHER, PO, SHELL, SO,
                             ShellTest)


class DryRunTest(ShellTest):
    def everything(self):
        """All that the commands below could destroy."""
        told = self.officer(
            f"partition archive list -slot {BACKUP}", "key list",
            f"slot partitionlist -slot {ADMIN}", f"slot set -slot {BACKUP}",
            "hsm showpolicies", "hsm showinfo", f"slot set -slot {ADMIN}",
            "hsm showinfo", "slot set -slot 0", "partition showpolicies")
        return json.dumps(told)

    def would(self, *lines):
        """What the last one says that it would do."""
        done = self.run_shell([f"{line}" for line in lines], "--json")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(all(answer["ok"] for answer in answers), answers)
        self.assertIn("-dryrun", answers[-1]["command"])
        return answers[-1]["would"]

    def test_nothing_is_destroyed(self):
        self.run_lines(f"slot set -slot {ADMIN}",
                       "hsm init -label app -password so-password")
        self.officer("key generate -type aes -label kept",
                     "key generate -type ec -label pair",
                     f"partition archive backup -slot {BACKUP} -partition "
                     f"weekly {CO} {SO} {DOMAIN}")
        before = self.everything()
        backup, admin = f"slot set -slot {BACKUP}", f"slot set -slot {ADMIN}"
        login = "role login -name so -password so-password"
        for lines, text in (
                ((backup, "hsm zeroize"), "All partitions and objects"),
                ((backup, "hsm factoryreset"), "All partitions, objects and"),
                ((backup, "hsm init -label again"), "initialised already"),
                ((admin, login, "hsm changehsmpolicy -policy 12 -value 0"),
                 "Policy 12: 1 to 0. Where such a change is destructive, it "
                 "zeroizes the HSM: 2 partitions"),
                ((admin, login, "partition delete -partition other"),
                 "Partition other with 0 objects"),
                (("partition init -label again",), "3 objects and all roles"),
                (("partition clear",), "3 objects of partition keys"),
                ((f"role login -name po {PO}",
                  "partition changepolicy -policy 28 -value 0"),
                 "Policy 28: 1 to 0. Where such a change is destructive, it "
                 "destroys the 3 objects"),
                ((f"role login -name po {PO}",
                  "partition changepolicy -policy 20 -value 5"),
                 "Policy 20: 10 to 5. Nothing will be destroyed."),
                ((f"partition archive delete -slot {BACKUP} -partition "
                  "weekly",), "The backup weekly with 3 objects"),
                ((backup, "hsm tamper"), "opening its case"),
                ((backup, "stm transport"), "Secure Transport Mode")):
            with self.subTest(lines[-1]):
                told = self.would(*lines[:-1], lines[-1] + " -dryrun")
                self.assertIn(text, told)
                # -force takes nothing away from it.
                self.would(*lines[:-1], lines[-1] + " -force -dryrun")
        self.assertEqual(self.everything(), before)

    def test_what_is_new_loses_nothing(self):
        told = self.would(f"slot set -slot {ADMIN}",
                          "hsm init -label app -dryrun")
        self.assertIn("nothing will be destroyed", told)
        shown = self.run_lines(f"slot set -slot {ADMIN}", "hsm showinfo")[-1]
        self.assertFalse(shown["hsm"]["initialized"])

    def test_a_script_that_fails_after_one_has_failed(self):
        path = self.place.name + "/script"
        with open(path, "w") as file:
            file.write("partition clear -dryrun\nslot set -slot 99\n")
        self.run_lines(f"script -file {path}",
                       results=["CKR_OK", "CKR_SLOT_ID_INVALID",
                                "CKR_FUNCTION_FAILED"])


class AttemptsTest(ShellTest):
    def remedies(self, *lines):
        done = self.run_shell(lines, "--json")
        return [json.loads(line).get("remedy", "")
                for line in done.stdout.splitlines()]

    def test_attempts_are_counted_down(self):
        wrong = "role login -name co -password wrong-password"
        told = self.remedies(*[wrong] * 10)
        for left, text in zip(range(9, 0, -1), told):
            noun = "1 attempt left" if left == 1 else f"{left} attempts left"
            self.assertIn(noun, text)
        self.assertIn("the role is locked", told[9])
        done = self.run_shell([wrong])
        self.assertIn("CKR_PIN_LOCKED", done.stdout)

    def test_the_last_attempt_is_told_before_and_after(self):
        wrong = "role login -name so -password wrong-password"
        lines = [f"slot set -slot {BACKUP}", wrong, wrong, wrong]
        shown = self.run_shell(lines).stdout
        self.assertEqual(shown.count("This is the last attempt"), 1)
        self.assertIn("the contents are destroyed", shown)

    def test_of_other_roles_too(self):
        backup = f"slot set -slot {BACKUP}"
        for lines in (("role login -name po -password wrong-password",),
                      (backup, "role login -name so -password wrong-password"),
                      (backup, "hsm init -label x -force -password wrong-pw"),
                      (f"role login -name co {CO}",
                       f"partition clone -slot {OTHER} -objects all "
                       "-password wrong-password"),
                      ("role changepw -name co -oldpw wrong-password "
                       "-newpw other-password",)):
            if "clone" in lines[-1]:
                self.officer("key generate -type aes -label kept")
            with self.subTest(lines[-1]):
                self.assertIn("left before", self.remedies(*lines)[-1])


class ColourTest(ShellTest):
    RED = "\x1b[31m"

    def on_terminal(self, *options, **variables):
        master, slave = os.openpty()
        done = subprocess.run(
            [SHELL, *options, "-c", "slot set -slot 99"], stdin=slave,
            stdout=slave, stderr=slave, timeout=60,
            env={**self.environment, "TERM": "xterm", **variables})
        self.assertEqual(done.returncode, 1)
        os.close(slave)
        text = os.read(master, 65536).decode()
        os.close(master)
        self.assertIn("Error in execution: CKR_SLOT_ID_INVALID.", text)
        return text

    def test_a_terminal_has_colours(self):
        self.assertIn(self.RED, self.on_terminal())
        self.assertIn(self.RED, self.on_terminal("--color=always",
                                                 NO_COLOR="1"))

    def test_they_are_switched_off(self):
        for text in (self.on_terminal("--color=never"),
                     self.on_terminal(NO_COLOR="1"),
                     self.on_terminal(TERM="dumb"),
                     self.run_shell(["slot set -slot 99"]).stdout):
            self.assertNotIn("\x1b", text)
        forced = self.run_shell(["slot set -slot 99"], "--color=always")
        self.assertIn(self.RED, forced.stdout)

    def test_another_word_is_wrong_use(self):
        self.assertEqual(self.run_shell([], "--color=pink").returncode, 2)


class CredentialTest(ShellTest):
    LOGIN = "role login -name co -passwordfile credential:"

    def test_a_password_comes_by_its_name(self):
        with open(self.place.name + "/officer", "w") as file:
            file.write("co-password\n")
        os.chmod(file.name, 0o600)
        self.environment["CREDENTIALS_DIRECTORY"] = self.place.name
        self.run_lines(self.LOGIN + "officer")
        self.run_lines(self.LOGIN + "../officer", self.LOGIN + "other",
                       self.LOGIN, results=["CKR_ARGUMENTS_BAD"] * 3)

    def test_without_a_service_there_are_none(self):
        done = self.run_shell([self.LOGIN + "officer"])
        self.assertIn("there are no credentials", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
