#!/usr/bin/env python3
"""The key commands as operators use them: files made by openssl and
ssh-keygen, signatures that openssl verifies, and files that lie. Run by
ctest: key_test.py <perigee> <libperigee.so>."""
import base64
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SHELL, LIBRARY = (os.path.abspath(path) for path in sys.argv[1:3])
CO = "role login -name co -password co-password"
CONFIG = """
[[hsm]]
name = "app"
kdf_cost = "test"

  [[hsm.partition]]
"""
# RFC 7517, A.2, and RFC 8037, A.1.
EC_JWK = {"kty": "EC", "crv": "P-256", "kid": "rfc",
          "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
          "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
          "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}
ED_JWK = {"kty": "OKP", "crv": "Ed25519",
          "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
          "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def tool(*arguments, data=None):
    done = subprocess.run(arguments, input=data, capture_output=True,
                          timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stderr.decode()}")
    return done.stdout


class KeyTest(unittest.TestCase):
    """Each test has a partition of its own, and is in its directory."""

    @classmethod
    def setUpClass(cls):
        cls.template = tempfile.TemporaryDirectory()
        path = cls.template.name
        with open(path + "/perigee.toml", "w") as file:
            file.write(CONFIG)
        tool_environment = cls.environment_of(path)
        subprocess.run(
            [SHELL, "-c", "partition init -label keys -password po-password",
             "-c", "role login -name po -password po-password",
             "-c", "role init -name co -password co-password"],
            env=tool_environment, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.template.cleanup()

    @staticmethod
    def environment_of(path):
        return {"PATH": os.environ.get("PATH", "/usr/bin"), "HOME": path,
                "TERM": "xterm", "PERIGEE_MODULE": LIBRARY,
                "PERIGEE_CONF": path + "/perigee.toml",
                "PERIGEE_STATE_DIR": path + "/state"}

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.path = self.place.name
        shutil.copytree(self.template.name, self.path, dirs_exist_ok=True)
        self.environment = self.environment_of(self.path)
        os.chdir(self.path)
        self.addCleanup(os.chdir, "/")
        self.write("message", os.urandom(200_000))

    def write(self, name, content):
        with open(name, "wb") as file:
            file.write(content if isinstance(content, bytes)
                       else content.encode())
        return name

    def read(self, name):
        with open(name, "rb") as file:
            return file.read()

    def answers(self, *lines, login=True):
        lines = ([CO] if login else []) + list(lines)
        done = subprocess.run([SHELL, "--json", "-k"], input="\n".join(lines),
                              text=True, env=self.environment,
                              capture_output=True, timeout=300)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(lines), done.stdout + done.stderr)
        return answers[1 if login else 0:]

    def good(self, *lines):
        """What the last of them tells; all of them succeed."""
        answers = self.answers(*lines)
        for answer in answers:
            self.assertTrue(answer["ok"], answer)
        return answers[-1].get("data")

    def bad(self, line, result, cause, login=True):
        answer = self.answers(line, login=login)[0]
        self.assertEqual(answer["result"], result, answer)
        self.assertIn(cause, answer["cause"])
        return answer

    def count(self):
        return len(self.good("key list")["objects"])

    def openssl_key(self, name, *how):
        tool("openssl", *how, "-out", name)
        tool("openssl", "pkey", "-in", name, "-pubout", "-out",
             name + ".public")
        return name

    def rsa(self, name="rsa.pem"):
        return self.openssl_key(name, "genpkey", "-algorithm", "RSA",
                                "-pkeyopt", "rsa_keygen_bits:2048")

    def ec(self, name="ec.pem", curve="P-256"):
        return self.openssl_key(name, "genpkey", "-algorithm", "EC",
                                "-pkeyopt", f"ec_paramgen_curve:{curve}")

    def ed(self, name="ed.pem"):
        return self.openssl_key(name, "genpkey", "-algorithm", "ED25519")

    def certificate(self, key, name="certificate.pem", subject="/CN=web"):
        tool("openssl", "req", "-x509", "-key", key, "-subj", subject,
             "-days", "2", "-out", name)
        return name

    def openssl_verifies(self, public, kind):
        if kind == "Ed25519":
            tool("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public,
                 "-rawin", "-in", "message", "-sigfile", "signature")
        else:
            tool("openssl", "dgst", "-sha384" if kind == "P-384" else
                 "-sha256", "-verify", public, "-signature", "signature",
                 "message")

    def signs_as(self, public, kind, label):
        """The imported private key signs as the file's owner does."""
        der = "-der" if kind in ("EC", "P-384") else ""
        for name in ("signature", "exported"):
            if os.path.exists(name):
                os.unlink(name)
        self.good(f"key sign -object {label} -file message -out signature "
                  f"{der}",
                  f"key verify -object {label} -file message "
                  f"-signature signature {der}",
                  f"key export -object {label} -public -file exported")
        self.openssl_verifies(public, kind)
        self.assertEqual(self.read("exported"), self.read(public))

    # --- import --------------------------------------------------------------

    def test_private_keys_of_every_form_sign(self):
        rsa, ec, ed = self.rsa(), self.ec(), self.ed()
        p384 = self.ec("p384.pem", "P-384")
        made = {
            "pkcs8": (rsa, "RSA", []),
            "pkcs8-der": (rsa, "RSA", ["pkcs8", "-topk8", "-nocrypt",
                                       "-outform", "DER"]),
            "pkcs1": (rsa, "RSA", ["rsa", "-traditional"]),
            "pkcs1-der": (rsa, "RSA", ["rsa", "-traditional", "-outform",
                                       "DER"]),
            "sec1": (ec, "EC", ["ec"]),
            "sec1-der": (ec, "EC", ["ec", "-outform", "DER"]),
            "compressed": (ec, "EC", ["ec", "-conv_form", "compressed"]),
            "numbers": (ec, "EC", ["ec", "-param_enc", "explicit"]),
            "p384": (p384, "P-384", []),
            "ed25519": (ed, "Ed25519", []),
            "ed25519-der": (ed, "Ed25519", ["pkey", "-outform", "DER"]),
        }
        for label, (source, kind, how) in made.items():
            with self.subTest(label):
                if how:
                    tool("openssl", *how, "-in", source, "-out", label)
                else:
                    shutil.copy(source, label)
                told = self.good(f"key import -file {label} -label {label}")
                self.assertEqual(told["format"],
                                 "der" if "der" in label else "pem")
                self.assertEqual(len(told["objects"]), 2)
                self.signs_as(source + ".public", kind, label)

    def test_encrypted_keys_take_their_password(self):
        rsa, ec = self.rsa(), self.ec()
        made = {
            "pkcs8": (ec, "EC", ["pkcs8", "-topk8", "-passout", "pass:pw-1"]),
            "pkcs8-der": (ec, "EC", ["pkcs8", "-topk8", "-outform", "DER",
                                     "-passout", "pass:pw-1"]),
            "old": (rsa, "RSA", ["rsa", "-traditional", "-aes128", "-passout",
                                 "pass:pw-1"]),
        }
        self.write("pw", "pw-1\n")
        for label, (source, kind, how) in made.items():
            with self.subTest(label):
                tool("openssl", *how, "-in", source, "-out", label)
                answer = self.bad(f"key import -file {label} -password no",
                                  "CKR_PIN_INCORRECT", label)
                self.assertIn("password is wrong", answer["cause"])
                answer = self.bad(f"key import -file {label}",
                                  "CKR_ARGUMENTS_BAD", "password")
                self.good(f"key import -file {label} -label {label} "
                          "-passwordfile pw")
                self.signs_as(source + ".public", kind, label)

    def test_openssh_keys(self):
        for label, how, kind in (
                ("ed", ["ed25519"], "Ed25519"), ("ec", ["ecdsa"], "EC"),
                ("p384", ["ecdsa", "-b", "384"], "P-384"),
                ("rsa", ["rsa", "-b", "2048"], "RSA")):
            with self.subTest(label):
                tool("ssh-keygen", "-q", "-N", "", "-C", f"{label}@there",
                     "-f", label, "-t", *how)
                told = self.good(f"key import -file {label}")
                self.assertEqual(told["objects"][0]["label"],
                                 f"{label}@there")
                line = self.read(f"{label}.pub").decode().split()
                name = f"{label}@there"
                self.good(f"key export -object {name} -public -format ssh "
                          f"-file {label}.out")
                self.assertEqual(
                    self.read(f"{label}.out").decode().split(), line)
                # The private half answers as the public line says.
                self.good(f"key export -object {name} -public "
                          f"-file {label}.public")
                self.signs_as(f"{label}.public", kind, name)
                # The line itself is a public key too.
                told = self.good(f"key import -file {label}.pub -label "
                                 f"{label}2")
                self.assertEqual(told["format"], "ssh")
                self.good(f"key export -object {label}2 -file {label}2.out")
                self.assertEqual(self.read(f"{label}2.out"),
                                 self.read(f"{label}.public"))

    def test_encrypted_openssh_key_is_refused_with_a_way(self):
        tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "geheim", "-f", "ssh")
        answer = self.bad("key import -file ssh", "CKR_DATA_INVALID",
                          "encrypted")
        self.assertIn("ssh-keygen -p -m PKCS8", answer["remedy"])

    def test_public_keys_and_certificates_verify_what_openssl_signed(self):
        rsa = self.rsa()
        certificate = self.certificate(rsa)
        tool("openssl", "dgst", "-sha256", "-sign", rsa, "-out", "signature",
             "message")
        tool("openssl", "rsa", "-in", rsa, "-pubout", "-outform", "DER",
             "-out", "spki.der")
        tool("openssl", "rsa", "-in", rsa, "-RSAPublicKey_out", "-out",
             "pkcs1.pub")
        for name in (rsa + ".public", "spki.der", "pkcs1.pub"):
            with self.subTest(name):
                label = "k-" + name
                self.good(f"key import -file {name} -label {label}",
                          f"key verify -object {label} -file message "
                          "-signature signature",
                          f"key export -object {label} -file {name}.out")
                self.assertEqual(self.read(name + ".out"),
                                 self.read(rsa + ".public"))
        told = self.good(f"key import -file {certificate}")
        self.assertEqual(told["objects"][0]["label"], "web")
        uri = told["objects"][0]["uri"]
        shown = self.good(f"key show {uri}")["attributes"]
        self.assertEqual(shown["CKA_SUBJECT"], "CN = web")
        self.assertRegex(shown["CKA_END_DATE"], r"^20\d\d-\d\d-\d\d$")
        self.good(f"key export -object {uri} -file c.pem",
                  f"key export -object {uri} -file c.der -format der")
        self.assertEqual(self.read("c.pem"), self.read(certificate))
        tool("openssl", "x509", "-inform", "DER", "-in", "c.der", "-noout")

    def test_certificate_gets_the_id_of_its_key(self):
        rsa = self.rsa()
        told = self.good(f"key import {rsa} -id 0a:0b",
                         f"key import -file {self.certificate(rsa)}")
        self.assertEqual(told["objects"][0]["id"], "0a0b")

    def test_pkcs12_with_chain(self):
        ca, key = self.rsa("ca"), self.ec("leaf")
        self.certificate(ca, "ca.pem", "/CN=The CA")
        tool("openssl", "req", "-new", "-key", key, "-subj", "/CN=leaf",
             "-out", "csr")
        tool("openssl", "x509", "-req", "-in", "csr", "-CA", "ca.pem",
             "-CAkey", ca, "-out", "leaf.pem", "-days", "2")
        tool("openssl", "pkcs12", "-export", "-inkey", key, "-in", "leaf.pem",
             "-certfile", "ca.pem", "-passout", "pass:pw", "-out", "all.p12")
        self.bad("key import -file all.p12 -password wrong",
                 "CKR_PIN_INCORRECT", "all.p12: the password is wrong")
        dry = self.good("key import -file all.p12 -password pw -dryrun")
        self.assertEqual(self.count(), 0)
        told = self.good("key import -file all.p12 -password pw -label server "
                         "-id 77")
        self.assertEqual(len(dry["objects"]), len(told["objects"]))
        names = sorted((o["what"], o["label"], o["id"] == "77")
                       for o in told["objects"])
        self.assertEqual(names, [
            ("EC P-256 private key", "server", True),
            ("EC P-256 public key", "server", True),
            ("certificate of The CA", "The CA", False),
            ("certificate of leaf", "server", True)])
        self.signs_as("leaf.public", "EC", "server")

    def test_old_pkcs12_has_a_way(self):
        rsa = self.rsa()
        tool("openssl", "pkcs12", "-export", "-legacy", "-inkey", rsa, "-in",
             self.certificate(rsa), "-passout", "pass:pw", "-out", "old.p12")
        answer = self.bad("key import -file old.p12 -password pw",
                          "CKR_DATA_INVALID", "old algorithm")
        self.assertIn("openssl pkcs12 -legacy -in OLD -out NEW.pem",
                      answer["remedy"])
        tool("openssl", "pkcs12", "-legacy", "-in", "old.p12", "-out",
             "new.pem", "-passin", "pass:pw", "-passout", "pass:pw")
        told = self.good("key import -file new.pem -password pw -label k")
        self.assertEqual(len(told["objects"]), 3)
        self.signs_as(rsa + ".public", "RSA", "k")

    def test_pem_with_several_blocks(self):
        rsa = self.rsa()
        certificate = self.certificate(rsa)
        self.write("all.pem", b"some words\n" + self.read(rsa) +
                   self.read(rsa + ".public") + self.read(certificate))
        told = self.good("key import -file all.pem -label one")
        self.assertEqual(len(told["objects"]), 3)
        self.assertEqual({o["id"] for o in told["objects"]},
                         {told["objects"][0]["id"]})

    def test_json_web_keys(self):
        self.write("ec.jwk", json.dumps(EC_JWK))
        self.write("ed.jwk", json.dumps(ED_JWK))
        told = self.good("key import -file ec.jwk -readable")
        self.assertEqual(told["objects"][0]["label"], "rfc")
        self.good("key export -object pkcs11:object=rfc;type=private "
                  "-format jwk -file out.jwk")
        self.assertEqual(json.loads(self.read("out.jwk")), EC_JWK)
        self.good("key import -file ed.jwk")
        self.assertIn('"x":"' + ED_JWK["x"],
                      self.exported("ed", "jwk").decode())
        # An RSA key there and back.
        rsa = self.rsa()
        self.good(f"key import -file {rsa} -readable -label first",
                  "key export -object pkcs11:object=first;type=private "
                  "-format jwk -file rsa.jwk",
                  "key import -file rsa.jwk -label second")
        self.signs_as(rsa + ".public", "RSA", "second")
        # A set, with a secret in it.
        secret = os.urandom(32)
        self.write("set.jwk", json.dumps({"keys": [EC_JWK, {
            "kty": "oct", "kid": "mac",
            "k": base64.urlsafe_b64encode(secret).decode().rstrip("=")}]}))
        self.bad("key import -file set.jwk", "CKR_ARGUMENTS_BAD", "set.jwk")
        self.good("key import -file set.jwk -type generic",
                  "key sign -object mac -file message -out mac")
        self.assertEqual(self.read("mac"), tool(
            "openssl", "mac", "-digest", "SHA256", "-binary", "-macopt",
            "hexkey:" + secret.hex(), "-in", "message", "HMAC"))

    def exported(self, label, form):
        self.good(f"key export -object {label} -public -format {form} "
                  f"-file {label}.exported")
        return self.read(f"{label}.exported")

    def test_post_quantum_keys(self):
        try:
            tool("openssl", "genpkey", "-algorithm", "ML-DSA-44", "-out", "d")
        except AssertionError:
            self.skipTest("this OpenSSL has no ML-DSA")
        tool("openssl", "genpkey", "-algorithm", "ML-KEM-768", "-out", "k")
        tool("openssl", "genpkey", "-algorithm", "SLH-DSA-SHAKE-128f", "-out",
             "s")
        for name in ("d", "k", "s"):
            self.good(f"key import {name} -readable",
                      f"key export -object pkcs11:object={name};type=private "
                      f"-file {name}.out")
            self.assertEqual(self.read(f"{name}.out"), self.read(name))
            if name == "k":
                continue
            tool("openssl", "pkey", "-in", name, "-pubout", "-out", "public")
            self.good(f"key sign -object {name} -file message "
                      f"-out {name}.sig",
                      f"key request -object {name} -subject CN=a "
                      f"-file {name}.csr")
            tool("openssl", "pkeyutl", "-verify", "-pubin", "-inkey",
                 "public", "-rawin", "-in", "message", "-sigfile",
                 f"{name}.sig")
            tool("openssl", "req", "-verify", "-noout", "-in", f"{name}.csr")

    def test_raw_secrets(self):
        self.write("none", bytes(range(200, 232)))
        self.bad("key import -file none", "CKR_DATA_INVALID", "none of PEM")
        # The first byte of JSON; DER's and others are as good.
        secret = self.write("secret", b"{" + bytes(range(200, 231)))
        told = self.good("key import -file secret -type aes -usage sign "
                         "-label mac -readable",
                         "key sign -object mac -file message -out mac",
                         "key export -object mac -file out",
                         "key show -object mac")
        self.assertEqual(self.read("out"), self.read(secret))
        self.assertEqual(self.read("mac"), tool(
            "openssl", "mac", "-cipher", "AES-256-CBC", "-binary", "-macopt",
            "hexkey:" + self.read(secret).hex(), "-in", "message", "CMAC"))
        # What may be read is still not shown.
        self.assertNotIn(self.read(secret).hex(), json.dumps(told))

    def test_odd_sizes_of_secrets_are_refused(self):
        self.write("short", b"seventeen bytes!!")
        self.bad("key import -file short -type aes",
                 "CKR_ATTRIBUTE_VALUE_INVALID", "short: ")
        self.assertEqual(self.count(), 0)

    # --- files that lie ------------------------------------------------------

    def test_cut_files_are_refused_and_leave_nothing(self):
        rsa, ec = self.rsa(), self.ec()
        certificate = self.certificate(rsa)
        tool("openssl", "pkcs12", "-export", "-inkey", rsa, "-in", certificate,
             "-passout", "pass:pw", "-out", "all.p12")
        tool("openssl", "pkcs8", "-topk8", "-in", ec, "-outform", "DER",
             "-passout", "pass:pw", "-out", "enc.der")
        tool("openssl", "pkey", "-in", ec, "-outform", "DER", "-out",
             "ec.der")
        tool("openssl", "pkey", "-in", ec, "-pubout", "-outform", "DER",
             "-out", "pub.der")
        tool("openssl", "x509", "-in", certificate, "-outform", "DER", "-out",
             "cert.der")
        tool("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", "ssh")
        tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ssh2")
        self.write("key.jwk", json.dumps(EC_JWK))
        lines = []
        for name in ("all.p12", "enc.der", "ec.der", "pub.der", "cert.der",
                     rsa, "ssh", "ssh2.pub", "key.jwk"):
            whole = self.read(name)
            if name == "ssh2.pub":  # a comment may be cut
                whole = b" ".join(whole.split()[:2])
            for part in range(1, 24):
                cut = self.write(f"{name}-{part}",
                                 whole[:len(whole) * part // 24])
                lines.append(f"key import -file {cut} -password pw")
            if name.endswith(".der") or name.endswith(".p12"):
                self.write(f"{name}-more", whole + b"\0")
                lines.append(f"key import -file {name}-more -password pw")
        for answer in self.answers(*lines):
            self.assertFalse(answer["ok"], answer)
            self.assertIn(answer["result"], (
                "CKR_DATA_INVALID", "CKR_PIN_INCORRECT",
                "CKR_ATTRIBUTE_VALUE_INVALID"), answer)
            self.assertIn(answer["command"].split()[3] + ": ",
                          answer["cause"])
        self.assertEqual(self.count(), 0)

    def test_files_that_ask_for_days_of_work(self):
        ec = self.ec()
        certificate = self.certificate(ec)
        tool("openssl", "pkcs8", "-topk8", "-in", ec, "-outform", "DER",
             "-iter", "1000000", "-passout", "pass:pw", "-out", "slow8")
        tool("openssl", "pkcs12", "-export", "-inkey", ec, "-in", certificate,
             "-iter", "1000000", "-passout", "pass:pw", "-out",
             "slow12")
        for name in ("slow8", "slow12"):
            whole = self.read(name)
            million = (1000000).to_bytes(3, "big")
            self.assertIn(b"\x02\x03" + million, whole)
            self.good(f"key import -file {name} -password pw -dryrun")
            self.write(name, whole.replace(b"\x02\x03" + million,
                                           b"\x02\x03\x7f\xff\xff"))
            self.bad(f"key import -file {name} -password pw -dryrun",
                     "CKR_DATA_INVALID", "too much work")

    def test_flipped_bytes_are_no_crash(self):
        tool("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", "ssh")
        blob = base64.b64decode(b"".join(self.read("ssh").split(b"\n")[1:-2]))
        lines = []
        for i in range(0, len(blob), 3):
            bad = blob[:i] + bytes([blob[i] ^ 0x81]) + blob[i + 1:]
            self.write(f"ssh-{i}", b"-----BEGIN OPENSSH PRIVATE KEY-----\n" +
                       base64.encodebytes(bad) +
                       b"-----END OPENSSH PRIVATE KEY-----\n")
            lines.append(f"key import -file ssh-{i} -dryrun")
        self.answers(*lines)  # each of them ends with an answer

    def test_files_that_are_something_else(self):
        self.write("empty", b"")
        self.write("huge", b"-----BEGIN " + b"x" * (1 << 20))
        self.write("words", "hello\n")
        self.write("bad.pem", "-----BEGIN PRIVATE KEY-----\n!!\n"
                   "-----END PRIVATE KEY-----\n")
        self.write("deep.jwk", '{"keys":' + "[" * 100000)
        self.bad("key import -file empty", "CKR_DATA_INVALID", "empty")
        self.bad("key import -file huge", "CKR_DATA_INVALID", "1 MiB")
        self.bad("key import -file words", "CKR_DATA_INVALID", "none of PEM")
        self.bad("key import -file bad.pem", "CKR_DATA_INVALID", "damaged")
        self.bad("key import -file deep.jwk", "CKR_DATA_INVALID", "JSON")
        self.bad("key import -file /dev/zero", "CKR_DATA_INVALID",
                 "regular file")
        self.bad("key import -file absent", "CKR_DEVICE_ERROR",
                 "absent: No such file")
        tool("openssl", "req", "-new", "-key", self.ec(), "-subj", "/CN=a",
             "-out", "csr")
        self.bad("key import -file csr", "CKR_DATA_INVALID",
                 "CERTIFICATE REQUEST")

    def test_keys_that_are_not_taken(self):
        tool("openssl", "ecparam", "-name", "SM2", "-genkey", "-noout",
             "-out", "sm2")
        tool("openssl", "genpkey", "-genparam", "-algorithm", "DSA",
             "-pkeyopt", "dsa_paramgen_bits:1024", "-out", "parameters")
        tool("openssl", "genpkey", "-paramfile", "parameters", "-out", "dsa")
        wrong = dict(EC_JWK, d=ED_JWK["d"])
        self.write("wrong.jwk", json.dumps(wrong))
        off = dict(EC_JWK, x=EC_JWK["y"])
        self.write("off.jwk", json.dumps(off))
        self.write("curve.jwk", json.dumps(dict(EC_JWK, crv="P-257")))
        self.bad("key import -file dsa", "CKR_KEY_TYPE_INCONSISTENT", "DSA")
        self.bad("key import -file wrong.jwk", "CKR_DATA_INVALID",
                 "do not belong together")
        self.bad("key import -file off.jwk", "CKR_ATTRIBUTE_VALUE_INVALID",
                 "off.jwk: ")
        self.bad("key import -file curve.jwk", "CKR_DATA_INVALID", "P-257")
        answer = self.answers("key import -file sm2")[0]
        self.assertFalse(answer["ok"], answer)
        self.assertIn("sm2: ", answer["cause"])
        self.assertEqual(self.count(), 0)

    def test_refused_part_takes_back_the_others(self):
        key = self.openssl_key("weak", "genpkey", "-algorithm", "RSA",
                               "-pkeyopt", "rsa_keygen_bits:512")
        tool("openssl", "pkcs12", "-export", "-inkey", key, "-in",
             self.certificate(key), "-passout", "pass:pw", "-out", "weak.p12")
        self.bad("key import -file weak.p12 -password pw",
                 "CKR_KEY_SIZE_RANGE", "nothing was imported")
        self.assertEqual(self.count(), 0)

    # --- generate, sign, request ---------------------------------------------

    def test_generated_keys_sign_and_request(self):
        for label, how, kind, mechanism in (
                ("rsa", "rsa -size 2048", "RSA", ""),
                ("pss", "rsa -size 2048", "PSS", "-mechanism rsa-pss-sha256"),
                ("ec", "ec", "EC", ""), ("p384", "ec -curve P-384", "P-384",
                                         ""),
                ("ed", "ed25519", "Ed25519", "")):
            with self.subTest(label):
                self.good(f"key generate -type {how} -label {label}")
                if kind != "PSS":
                    self.good(f"key export -object {label} -public "
                              f"-file {label}.public")
                    self.signs_as(f"{label}.public", kind, label)
                told = self.good(
                    f"key request -object {label} -subject "
                    '"CN=www.example.org,O=A\\, B,C=DE" -dns '
                    f"a.example.org,*.b.example {mechanism} "
                    f"-file {label}.csr")
                self.assertIn("www.example.org", told["subject"])
                text = tool("openssl", "req", "-verify", "-in",
                            f"{label}.csr", "-noout", "-text").decode()
                self.assertIn("DNS:a.example.org, DNS:*.b.example", text)
                self.assertIn('O = "A, B"', text)
                self.assertEqual("rsassaPss" in text, kind == "PSS")

    def test_new_keys_are_protected(self):
        told = self.good("key generate -type rsa -size 2048 -label k -id 0102",
                         "key show pkcs11:object=k;type=private")
        attributes = told["attributes"]
        self.assertEqual(told["object"]["id"], "0102")
        for name, value in (
                ("CKA_TOKEN", True), ("CKA_PRIVATE", True),
                ("CKA_SENSITIVE", True), ("CKA_EXTRACTABLE", False),
                ("CKA_SIGN", True), ("CKA_DECRYPT", False),
                ("CKA_UNWRAP", False), ("CKA_LOCAL", True)):
            self.assertEqual(attributes[name], value, name)

    def test_halves_share_a_random_id(self):
        first = self.good("key generate -type ec -label a")["objects"]
        second = self.good("key generate -type ec -label a")["objects"]
        self.assertEqual(first[0]["id"], first[1]["id"])
        self.assertNotEqual(first[0]["id"], second[0]["id"])

    def test_secret_keys_of_each_type(self):
        for how, kind in (("aes", "AES 256"), ("aes -size 128", "AES 128"),
                          ("generic", "generic 256"),
                          ("generic -size 512", "generic 512"),
                          ("x25519", "X25519"), ("ed448", "Ed448")):
            told = self.good(f"key generate -type {how} -label k")
            self.assertIn(kind, told["objects"][0]["kind"])

    def test_generate_refuses(self):
        for line, result, cause in (
                ("-type foo", "CKR_ARGUMENTS_BAD", "foo"),
                ("-type ec -size 256", "CKR_ARGUMENTS_BAD", "-size"),
                ("-type aes -curve P-256", "CKR_ARGUMENTS_BAD", "-curve"),
                ("-type aes -usage fly", "CKR_ARGUMENTS_BAD", "fly"),
                ("-type aes -id xyz", "CKR_ARGUMENTS_BAD", "-id"),
                ("-type ec -curve P-999", "CKR_CURVE_NOT_SUPPORTED", "P-999"),
                ("-type rsa -size 512", "CKR_ATTRIBUTE_VALUE_INVALID", ""),
                ("-type aes -usage wrap,decrypt", "CKR_TEMPLATE_INCONSISTENT",
                 "give away")):
            answer = self.bad(f"key generate -label z {line}", result, cause)
            self.assertNotEqual(answer["remedy"], "", answer)
        self.bad("key generate -type aes -label z", "CKR_USER_NOT_LOGGED_IN",
                 "Crypto Officer", login=False)
        self.assertEqual(self.count(), 0)

    def test_verify_says_no(self):
        self.good("key generate -type ec -label k",
                  "key sign -object k -file message -out signature")
        self.assertEqual(len(self.read("signature")), 64)
        self.write("other", "another message")
        answer = self.bad("key verify -object k -file other "
                          "-signature signature", "CKR_SIGNATURE_INVALID",
                          "not the signature")
        self.assertEqual(answer["data"]["valid"], False)
        self.bad("key verify -object k -file message -der "
                 "-signature signature", "CKR_SIGNATURE_INVALID", "DER")
        self.bad("key verify -object k -file message -signature message",
                 "CKR_SIGNATURE_LEN_RANGE", "too large")
        # A failure in the middle leaves the session usable.
        self.good_after("key sign -object k -file . -out s2",
                        "key sign -object k -file message -out s3")

    def good_after(self, fails, works):
        first, second = self.answers(fails, works)
        self.assertFalse(first["ok"], first)
        self.assertTrue(second["ok"], second)

    def test_files_are_not_overwritten(self):
        self.good("key generate -type ec -label k")
        self.bad("key sign -object k -file message -out message",
                 "CKR_DEVICE_ERROR", "File exists")

    # --- export --------------------------------------------------------------

    def test_readable_keys_leave_as_they_came(self):
        for source, kind in ((self.rsa(), "rsa"), (self.ec(), "ec"),
                             (self.ed(), "ed")):
            with self.subTest(kind):
                one = f"pkcs11:object={kind};type=private"
                self.write("pw", "pass word\n")
                self.good(f"key import -file {source} -label {kind} -readable",
                          f"key export -object {one} -file {kind}.out",
                          f"key export -object {one} -file {kind}.der "
                          "-format der",
                          f"key export -object {one} -file {kind}.enc "
                          "-passwordfile pw")
                self.assertEqual(self.read(f"{kind}.out"), self.read(source))
                self.assertEqual(
                    os.stat(f"{kind}.out").st_mode & 0o777, 0o600)
                for name, how in ((f"{kind}.der", ["-inform", "DER"]),
                                  (f"{kind}.enc", ["-passin", "file:pw"])):
                    self.assertEqual(tool("openssl", "pkey", "-in", name,
                                          *how), self.read(source))
                self.assertIn(b"ENCRYPTED", self.read(f"{kind}.enc"))
                form = tool("openssl", "asn1parse", "-in", f"{kind}.enc")
                self.assertIn(b":0927C0", form)  # 600,000 rounds
                self.assertIn(b"hmacWithSHA256", form)
                self.write("nothing", "\n")
                self.bad(f"key export -object {one} -file {kind}.no "
                         "-passwordfile nothing", "CKR_ARGUMENTS_BAD",
                         "empty")

    def test_hidden_keys_stay_and_say_why(self):
        self.good("key generate -type ec -label k",
                  "key generate -type aes -label a -extractable")
        answer = self.bad("key export -object pkcs11:object=k;type=private "
                          "-file out", "CKR_KEY_UNEXTRACTABLE",
                          "sensitive and not extractable")
        self.assertIn("partition archive backup", answer["remedy"])
        answer = self.bad("key export -object a -file out",
                          "CKR_ATTRIBUTE_SENSITIVE", "plaintext")
        self.assertIn("-wrapwith", answer["remedy"])
        self.assertFalse(os.path.exists("out"))

    def test_wrapped_keys_leave_and_come_back(self):
        ec = self.ec()
        self.good("key generate -type aes -usage wrap -label kek",
                  "key generate -type rsa -size 2048 -usage wrap -label pair",
                  f"key import -file {ec} -label k -extractable")
        for wrapping in ("kek", "pair"):
            with self.subTest(wrapping):
                told = self.good(
                    "key export -object pkcs11:object=k;type=private "
                    f"-wrapwith {wrapping} -file {wrapping}.blob")
                self.assertIn("WRAP", told["mechanism"])
                self.bad("key export -object k -public -file out -wrapwith "
                         f"{wrapping}", "CKR_ARGUMENTS_BAD", "exclude")
                self.bad(f"key import -file {wrapping}.blob -type aes -label "
                         f"x -unwrapwith {wrapping}",
                         "CKR_WRAPPED_KEY_INVALID", "nothing of this type")
                self.good(f"key import -file {wrapping}.blob -type ec "
                          f"-label {wrapping}-k -unwrapwith {wrapping}")
                self.signs_as(ec + ".public", "EC", f"{wrapping}-k")

    # --- names ---------------------------------------------------------------

    def test_objects_are_named_by_uri_handle_and_label(self):
        made = self.good("key generate -type ec -label \"my key\" -id 01",
                         )["objects"]
        for name in (made[0]["uri"], str(made[0]["handle"]),
                     "pkcs11:object=my%20key;type=private",
                     "pkcs11:id=%01;token=keys;type=private"):
            self.assertEqual(self.good(f"key show -object {name}")
                             ["object"]["handle"], made[0]["handle"])
        answer = self.bad('key show "my key"', "CKR_ARGUMENTS_BAD",
                          "names 2 objects")
        for one in made:
            self.assertIn(one["uri"], answer["cause"])
        self.bad("key show pkcs11:object=other", "CKR_OBJECT_HANDLE_INVALID",
                 "no object")
        self.bad("key show pkcs11:token=other;id=%01", "CKR_SLOT_ID_INVALID",
                 '"other"')
        self.bad("key show pkcs11:slot-id=9", "CKR_SLOT_ID_INVALID", '"9"')
        self.bad("key show pkcs11:colour=red", "CKR_ARGUMENTS_BAD", "colour")
        self.bad("key sign -object pkcs11:type=public -file message -out s",
                 "CKR_OBJECT_HANDLE_INVALID", "not a private key")
        answer = self.bad("key show pkcs11:type=private",
                          "CKR_OBJECT_HANDLE_INVALID", "no object",
                          login=False)
        self.assertIn("role login", answer["remedy"])

    def test_list_filters(self):
        self.good("key generate -type ec -label a -id 01",
                  "key generate -type aes -label b -id 02")
        for how, labels in (("", ["a", "a", "b"]), ("-label b", ["b"]),
                            ("-id 01 -type public", ["a"]),
                            ("-type secret-key", ["b"]),
                            ("pkcs11:id=%02", ["b"]), ("-type cert", []),
                            ("3", ["b"])):
            told = self.good(f"key list {how}")
            self.assertEqual(sorted(o["label"] for o in told["objects"]),
                             labels, how)

    def test_delete(self):
        self.good("key generate -type ec -label k",
                  "key generate -type aes -label a")
        self.bad("key delete k -force", "CKR_ARGUMENTS_BAD", "2 objects")
        self.bad("key delete a -pair -force", "CKR_ARGUMENTS_BAD", "no half")
        self.assertEqual(
            len(self.good("key delete k -pair -dryrun")["objects"]), 2)
        self.bad("key delete a", "CKR_FUNCTION_CANCELED", "Nothing was done")
        self.assertEqual(self.count(), 3)
        self.good("key delete pkcs11:object=k;type=public -pair -force")
        self.assertEqual(self.count(), 1)
        self.good("key delete a -force")
        self.assertEqual(self.count(), 0)

    # --- a person, and who looks over the shoulder ---------------------------

    def test_completion_takes_the_line_from_its_input(self):
        def complete(line):
            return tool(SHELL, "--complete", data=line.encode()).split()
        self.assertEqual(complete("key exp"), [b"export"])
        self.assertIn(b"-password", complete("key export -file secret -"))
        self.assertEqual(complete("x" * 5000), [])

    def at_terminal(self, *talk):
        """All that is shown while each answer is typed at its prompt."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(SHELL, [SHELL], self.environment)
        text, seen = "", 0
        try:
            for prompt, answer in talk:
                while text.find(prompt, seen) < 0:
                    text += os.read(fd, 4096).decode()
                seen = text.find(prompt, seen) + len(prompt)
                os.write(fd, answer.encode() + b"\r")
            while part := os.read(fd, 4096):
                text += part.decode()
        except OSError:
            pass
        os.waitpid(pid, 0)
        return text

    def test_tab_completes_objects(self):
        self.good("key generate -type ec -label somekey")
        text = self.at_terminal(("perigee:> ", "key show -object some\tx"),
                                ("perigee:> ", "exit"))
        # What was typed, and what Tab added before the next character.
        self.assertIn("key x", text)

    def test_person_is_asked(self):
        ec = self.ec()
        tool("openssl", "pkcs8", "-topk8", "-in", ec, "-passout",
             "pass:secret-word", "-out", "sealed")
        text = self.at_terminal(
            ("perigee:> ", CO), ("No Error", "key import -file sealed"),
            ("Enter password of the file: ", "secret-word"),
            ("2 objects imported", "key delete sealed -pair"),
            ("or 'quit' to quit now -> ", "quit"),
            ("CKR_FUNCTION_CANCELED", "key delete sealed -pair"),
            ("or 'quit' to quit now -> ", "proceed"),
            ("2 objects destroyed", "exit"))
        self.assertNotIn("secret-word", text)
        self.assertIn('The EC P-256 private key "sealed" and the EC P-256 '
                      'public key "sealed" will be destroyed', text)
        self.assertEqual(self.count(), 0)

    def test_what_was_read_does_not_stay_in_memory(self):
        with open(SHELL, "rb") as program:
            if b"__asan_init" in program.read():
                self.skipTest("AddressSanitizer keeps what was freed")
        def hexadecimal(key, name):
            text = tool("openssl", "pkey", "-in", key, "-text",
                        "-noout").decode()
            match = re.search(name + r":\n((?: +[0-9a-f:]+\n)+)", text)
            return bytes.fromhex(re.sub(r"[\s:]", "", match.group(1))
                                 ).lstrip(b"\0")

        ec, rsa = self.ec(), self.rsa()
        tool("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", "ssh")
        self.write("jwk", json.dumps(EC_JWK))
        scalar, prime = hexadecimal(ec, "priv"), hexadecimal(rsa, "prime1")
        secrets = [scalar, scalar[::-1], prime, prime[::-1],
                   self.read(ec).splitlines()[1][20:60],
                   self.read(rsa).splitlines()[9],
                   self.read("ssh").splitlines()[4][:60],
                   EC_JWK["d"].encode(),
                   base64.urlsafe_b64decode(EC_JWK["d"] + "=")]
        shell = subprocess.Popen([SHELL, "--json"], env=self.environment,
                                 stdin=subprocess.PIPE, text=True,
                                 stdout=subprocess.PIPE)
        lines = [CO] + [f"key import -file {name} -dryrun"
                        for name in (ec, rsa, "ssh", "jwk")]
        shell.stdin.write("\n".join(lines) + "\n")
        shell.stdin.flush()
        for _ in lines:
            self.assertTrue(json.loads(shell.stdout.readline())["ok"])
        try:
            memory = self.memory_of(shell.pid)
        except PermissionError:
            self.skipTest("no look into another process here")
        finally:
            shell.communicate()
        self.assertTrue(any(b"co-password" in part or b"perigee" in part
                            for part in memory))
        for secret in secrets:
            self.assertFalse(any(secret in part for part in memory), secret)

    @staticmethod
    def memory_of(pid):
        parts = []
        with open(f"/proc/{pid}/maps") as maps, \
                open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                where, rights = line.split()[:2]
                begin, end = (int(n, 16) for n in where.split("-"))
                # A sanitizer's map of the memory is no memory.
                if "w" not in rights or "[v" in line or end - begin > 1 << 30:
                    continue
                memory.seek(begin)
                try:
                    parts.append(memory.read(end - begin))
                except OSError:
                    continue
        return parts


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
