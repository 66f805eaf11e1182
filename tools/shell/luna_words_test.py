#!/usr/bin/env python3
"""The commands of the original shell that are about partitions, roles and
slots, and those that answer that there is no such thing here. Run by ctest:
luna_words_test.py <perigee> <libperigee.so>."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SHELL, LIBRARY = (os.path.abspath(path) for path in sys.argv[1:3])
CONFIG = """
[[hsm]]
name = "app"
kdf_cost = "test"
[[hsm.partition]]
[[hsm.partition]]

[[hsm]]
name = "backup"
kind = "backup"
kdf_cost = "test"
"""
ONE, OTHER, BACKUP, ADMIN = 0, 1, 2, 3  # slots
PO, CO, SO = ("-password po-password", "-password co-password",
              "-sopassword so-password")
DOMAIN = "-domain some-domain-string"


class ShellTest(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        with open(self.place.name + "/perigee.toml", "w") as file:
            file.write(CONFIG)
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin"),
            "HOME": self.place.name, "PERIGEE_MODULE": LIBRARY,
            "PERIGEE_CONF": self.place.name + "/perigee.toml",
            "PERIGEE_STATE_DIR": self.place.name + "/state"}
        self.run_lines(
            "init -label keys -popassword po-password -copassword co-password "
            f"{SO} {DOMAIN}",
            f"slot set -slot {OTHER}",
            f"partition init -label other {PO} {DOMAIN}",
            f"role login -name po {PO}", f"role init -name co {CO}")

    def run_shell(self, lines, *options):
        return subprocess.run([SHELL, "-k", *options], input="\n".join(lines),
                              text=True, env=self.environment,
                              capture_output=True, timeout=120)

    def run_lines(self, *lines, results=None):
        """What each tells; all succeed, or end with `results`."""
        done = self.run_shell(lines, "--json")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer["result"] for answer in answers],
                         results or ["CKR_OK"] * len(lines),
                         done.stdout + done.stderr)
        return [answer.get("data") for answer in answers]

    def officer(self, *lines, results=None):
        """Lines in the partition of slot 0, after its officer's login."""
        results = results and ["CKR_OK"] + results
        return self.run_lines(f"role login -name co {CO}", *lines,
                              results=results)[1:]


class LunaWordsTest(ShellTest):
    def test_mechanisms_are_those_of_the_slot(self):
        told = self.run_lines("partition showmechanism -mechanism aes_gcm")
        self.assertEqual(told[0]["mechanisms"], [
            {"type": 0x1087, "name": "CKM_AES_GCM", "min_key_size": 16,
             "max_key_size": 32,
             "does": ["encrypt", "decrypt", "wrap", "unwrap"]}])
        by_number = self.run_lines("partition showmechanism -m 0x1087")
        self.assertEqual(by_number, told)
        self.run_lines(f"hsm showmechanism -slot {BACKUP}",
                       "partition showmechanism -mechanism nonsense",
                       results=["CKR_MECHANISM_INVALID"] * 2)

    def test_slots_tell_where_they_come_from(self):
        shown, listed = self.run_lines("slot configshow",
                                       "slot partitionlist")
        self.assertEqual(shown["file"], self.place.name + "/perigee.toml")
        self.assertEqual(shown["hsm"]["name"], "app")
        self.assertEqual([(one["label"], one["slot"])
                          for one in listed["partitions"]],
                         [("keys", ONE), ("other", OTHER)])

    def test_clone_copies_to_the_other_partition(self):
        clone = f"partition clone -slot {OTHER} -objects all {CO}"
        made, dry, first, again = self.officer(
            "key generate -type aes -label kept", clone + " -dryrun", clone,
            clone)
        self.assertEqual(dry, {"planned_objects": 1,
                               "planned_bytes": first["planned_bytes"]})
        self.assertEqual((first["copied"], again["copied"],
                          again["present"]), (1, 0, 1))
        listed = self.run_lines(f"slot set -slot {OTHER}",
                                f"role login -name co {CO}", "key list")[-1]
        self.assertEqual([one["label"] for one in listed["objects"]],
                         ["kept"])
        self.officer(f"partition clone -slot {ONE} -objects all {CO}",
                     f"partition clone -slot {BACKUP} -objects all {CO}",
                     results=["CKR_SLOT_ID_INVALID"] * 2)

    def test_archive_is_made_filled_and_renamed(self):
        at = f"-slot {BACKUP} -partition"
        answers = self.officer(
            "key generate -type aes -label kept",
            f"partition archive create {at} early {CO} {SO} {DOMAIN}",
            f"partition archive backup {at} early -append {CO}",
            f"partition archive rename {at} early -newname late {CO}",
            f"partition archive restore {at} late {CO}")
        self.assertEqual(answers[1]["partition"]["label"], "early")
        self.assertEqual(answers[2]["copied"], 1)
        self.assertEqual(answers[3]["partition"]["label"], "late")
        self.assertEqual(answers[4]["present"], 1)
        self.run_lines(
            f"partition archive create {at} late {CO} {SO} {DOMAIN}",
            f"partition archive rename {at} late -newname late {CO}",
            f"partition archive rename {at} late -newname x -password wrong-1",
            results=["CKR_OBJECT_ALREADY_EXISTS", "CKR_ARGUMENTS_BAD",
                     "CKR_PIN_INCORRECT"])

    def test_roles_get_new_passwords_and_keep_their_objects(self):
        self.officer("key generate -type aes -label kept")
        answers = self.run_lines(
            "role resetpw -name cu -password cu-password",
            f"role login -name po {PO}",
            "role resetpw -name co -password another-password",
            "role deactivate -name co", "role deactivate -name po",
            "role login -name co -password another-password", "key list",
            results=["CKR_USER_PIN_NOT_INITIALIZED", "CKR_OK", "CKR_OK",
                     "CKR_USER_NOT_LOGGED_IN"] + ["CKR_OK"] * 3)
        self.assertEqual(len(answers[-1]["objects"]), 1)

    def test_domain_is_set_once_by_either_word(self):
        self.run_lines(
            f"slot set -slot {OTHER}", f"partition init -label bare {PO} -force",
            f"role login -name po {PO}", f"role setdomain {DOMAIN}",
            f"partition domain set {DOMAIN}",
            results=["CKR_OK"] * 4 + ["CKR_CLONING_PARAMETER_ALREADY_EXISTS"])

    def test_auditor_has_words_of_his_own(self):
        password = "-password au-password"
        admin = f"slot set -slot {ADMIN}"
        self.run_lines(admin, "hsm init -label app -password so-password",
                       f"audit init {password}", f"audit login {password}",
                       "audit logout", "audit time get")
        self.run_lines(admin, "audit login -password wrong-password",
                       results=["CKR_OK", "CKR_PIN_INCORRECT"])
        self.run_lines(f"audit login {password}",
                       results=["CKR_USER_TYPE_INVALID"])

    def test_application_id_is_told_and_held(self):
        answers = self.run_lines(
            "appid info", "appid set -major 1 -minor 2", "appid info",
            "appid open -major 1 -minor 2", "appid open -major 1 -minor 2",
            "appid close -major 1 -minor 2", "appid close -major 1 -minor 2",
            results=["CKR_OK"] * 4 + ["CKR_ACCESS_ID_ALREADY_EXISTS",
                                      "CKR_OK", "CKR_ACCESS_ID_INVALID"])
        self.assertEqual([answers[0]["id"], answers[2]["id"]],
                         ["0" * 32, "1".rjust(16, "0") + "2".rjust(16, "0")])

    def test_what_is_not_modelled_says_so_whatever_follows(self):
        lines = ["hagroup creategroup -label x -password hush-hush",
                 "ped set -id 1", "stc status", "stcconfig cipherenable",
                 "srk show", "file display -f x", "clientconfig deploy",
                 "clientconfig listservers", "slot configset -slot 1",
                 "hsm changesopolicy -policy 1 -value 2", "hsm updatecap",
                 "hsm clear", "hsm restart", "audit log list",
                 "audit config", "audit import",
                 "role createchallenge -name co",
                 "role recoveryinit -name co", "role recoverylogin"]
        done = self.run_shell(lines, "--json")
        self.assertNotIn("hush", done.stdout + done.stderr)
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            self.assertEqual(answer["result"], "CKR_FUNCTION_NOT_SUPPORTED",
                             answer)
            self.assertIn("is not modelled: ", answer["cause"])
        self.assertEqual(len(done.stdout.splitlines()), len(lines))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
