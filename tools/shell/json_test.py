#!/usr/bin/env python3
"""perigee --json: every command's members are those that its table names, and
every member of the table is seen. Run by ctest: json_test.py <perigee>
<libperigee.so>."""
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
firmware = "7.8.0"
kdf_cost = "test"

  [[hsm.partition]]

[[hsm]]
name = "backup"
kind = "backup"
kdf_cost = "test"
"""
# Not to be had in this test: another program's token, another firmware's
# images, another host.
ELSEWHERE = {"partition import", "hsm updatefw", "hsm rollbackfw",
             "device adopt", "device enrol", "remotebackup start"}
# Only where something is wrong, or where there is nothing to tell.
# Its admin partition has no policies of its own.
RARE = {"hsm showpolicies": {f"so_policies[].{name}" for name in (
            "number", "name", "value", "destructive")},
        "audit verify": {"at_line", "number"}, "archive verify": {"at_line"}}


def paths(value, prefix=""):
    """The leaves of a JSON value: a.b, a[].b"""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from paths(member, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        if not value:
            yield prefix + "[]?"
        for member in value:
            yield from paths(member, prefix + "[]")
    else:
        yield prefix


def free_form(path):
    """Below these, others say what the members are."""
    return path.split("[")[0].split(".")[0] in (
        "metadata", "attributes") or \
        path.startswith("lines[]")


class JsonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.path = cls.place.name
        with open(cls.path + "/perigee.toml", "w") as file:
            file.write(CONFIG)
        cls.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin"), "HOME": cls.path,
            "PERIGEE_MODULE": LIBRARY,
            "PERIGEE_CONF": cls.path + "/perigee.toml",
            "PERIGEE_STATE_DIR": cls.path + "/state"}
        schema = subprocess.run([SHELL, "--print-schema"], text=True,
                                capture_output=True, check=True).stdout
        cls.schema = json.loads(schema)["commands"]
        cls.seen = {}

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def run_lines(self, *lines, ok=True):
        done = subprocess.run([SHELL, "--json", "-k"], input="\n".join(lines),
                              text=True, env=self.environment,
                              capture_output=True, timeout=120)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(lines), done.stdout + done.stderr)
        for answer in answers:
            if ok is not None:
                self.assertEqual(answer["ok"], ok, answer)
            self.assertEqual(answer["ok"], answer["rv"] == 0)
            self.note(answer)
        self.assertEqual(done.returncode,
                         0 if all(a["ok"] for a in answers) else 1)
        return answers

    def note(self, answer):
        name = max((words for words in self.schema
                    if answer["command"].startswith(words)), key=len,
                   default=None)
        if name is None or "data" not in answer:
            return
        told = set(paths(answer["data"]))
        for path in told:
            if path.endswith("[]?") or free_form(path):
                continue
            self.assertIn(path, self.schema[name], f"{name} tells {path}")
        self.seen.setdefault(name, set()).update(told)

    def test_every_member_of_every_command(self):
        p, co, so = "-password po-password", "-password co-password", \
            "-password so-password"
        self.run_lines(
            "help", "slot list", "slot set -slot 0",
            f"partition init -label keys {p} -domain some-domain-string",
            f"role login -name po {p}", f"role init -name co {co}",
            "partition ciphershow", "partition cipherdisable -id 2",
            "partition cipherenable -id 2",
            "partition changepolicy -policy 44 -value 1",
            "partition domainadd -domainlabel second "
            "-domain another-domain-string", "partition domainlist",
            "partition domainchangelabel -domainlabel second -newlabel two",
            "partition domainprimary -domainlabel two",
            "partition domainprimary -domainlabel original",
            "partition domaindelete -domainlabel two -force",
            "role list", "role show -name co", "role logout",
            f"role login -name co {co}", "partition showinfo",
            "partition showpolicies", "partition contents")
        self.key_work(co)
        self.run_lines(
            f"role login -name co {co}",
            "key generate -type aes -label kept", "partition contents",
            "slot configshow", "slot partitionlist", "appid info",
            "partition showmechanism", "hsm showmechanism -mechanism aes",
            "slot set -slot 1", f"hsm init -label vault {so}",
            f"role login -name so {so}", "hsm showinfo", "hsm showpolicies",
            "partition create -label spare -password sp-password -size 20000",
            "partition resize -partition spare -size 30000",
            "slot set -slot 0",
            "partition archive backup -slot 1 -partition weekly "
            "-password bk-password -domain some-domain-string -dryrun "
            "-sopassword so-password",
            "partition archive backup -slot 1 -partition weekly "
            "-password bk-password -domain some-domain-string "
            "-sopassword so-password",
            "partition archive backup -slot 1 -partition weekly -append "
            "-password bk-password",
            "partition archive create -slot 1 -partition early "
            "-password bk-password -domain some-domain-string "
            "-sopassword so-password",
            "partition archive rename -slot 1 -partition early "
            "-newname late -password bk-password",
            "partition archive list -slot 1",
            "partition archive contents -slot 1 -partition weekly "
            "-password bk-password",
            "partition archive manifest -slot 1 -partition weekly "
            f"-password bk-password -file {self.path}/manifest",
            f"archive verify {self.path}/manifest",
            "partition archive restore -slot 1 -partition weekly "
            "-password bk-password -replace",
            "partition check", "device show", "remotebackup identity",
            "init",
            "audit status", "audit checkpoint", "audit show",
            f"audit export -file {self.path}/audit", "audit verify",
            f"audit verify -file {self.path}/audit", "audit rotate",
            "store check", "store compact", "store upgrade",
            "store export-metadata",
            f"store export-metadata -file {self.path}/metadata",
            "slot set -slot 2", f"hsm init -label app {so}",
            f"role login -name so {so}",
            "partition create -label second", "hsm time show",
            "hsm time sync", "audit time get", "audit time sync",
            "slot set -slot 3",
            f"partition init -label second {p} -domain some-domain-string",
            f"role login -name po {p}", f"role init -name co {co}",
            "role logout", "slot set -slot 0",
            f"partition clone -slot 3 -objects all {co}",
            "slot set -slot 2", "stm show",
            "hsm tampershow", "hsm tamper -force", "hsm tampershow")
        # Here passwords cost nothing, and the HSM was tampered with.
        found = self.run_lines("doctor", ok=None)[0]["data"]
        self.assertGreater(found["warnings"], 0)
        answers = self.run_lines(
            "slot set -slot 2", f"role login -name so {so}",
            "hsm tamperclear", "stm transport -force")
        user = answers[-1]["data"]["random_user_string"]
        self.run_lines("slot set -slot 2", f"role login -name so {so}",
                       f"stm recover -randomuserstring {user} -force")
        for name, members in self.schema.items():
            if name in ELSEWHERE:
                continue
            missing = {path for path in members
                       if path not in self.seen.get(name, set()) and
                       not any(told.startswith(path) for told in
                               self.seen.get(name, set()))}
            self.assertEqual(missing - RARE.get(name, set()), set(), name)

    def key_work(self, co):
        place = self.path
        with open(place + "/message", "w") as file:
            file.write("message")
        self.run_lines(
            f"role login -name co {co}", "key generate -type ec -label pair",
            "key generate -type aes -label wrapping -usage wrap",
            "key generate -type aes -label inner -readable",
            "key list", "key show pkcs11:object=pair;type=private",
            f"key sign -object pair -file {place}/message -out {place}/s",
            f"key verify -object pair -file {place}/message "
            f"-signature {place}/s",
            f"key request -object pair -subject CN=a -file {place}/csr",
            f"key export -object inner -wrapwith wrapping -file {place}/k",
            f"key export -object pair -public -file {place}/pem",
            f"key import -file {place}/pem -label again",
            "key delete again -force", "key delete inner -force",
            "key delete pair -pair -force", "key delete wrapping -force",
            f"key import -file {place}/pem -label again -dryrun")

    def test_failure_has_its_words(self):
        answer = self.run_lines("slot set -slot 99", ok=False)[0]
        self.assertEqual(answer["result"], "CKR_SLOT_ID_INVALID")
        self.assertIn("no slot 99", answer["cause"])
        self.assertNotEqual(answer["remedy"], "")
        self.assertEqual(answer["reason"], "")

    def test_what_is_not_understood_hides_secrets(self):
        answer = self.run_lines("role logni -password hush-hush", ok=False)[0]
        self.assertEqual(answer["result"], "CKR_ARGUMENTS_BAD")
        self.assertNotIn("hush", json.dumps(answer))

    def test_script_has_a_line_for_each_command(self):
        path = self.path + "/script"
        with open(path, "w") as file:
            file.write("slot list\nslot set -slot 0\n")
        done = subprocess.run([SHELL, "--json", "-c", f"script -file {path}"],
                              text=True, env=self.environment,
                              capture_output=True, timeout=60, check=True)
        commands = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([c["command"].split(" -")[0] for c in commands],
                         ["slot list", "slot set", "script"])
        self.assertNotIn("data", commands[2])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
