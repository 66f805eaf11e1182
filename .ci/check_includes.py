#!/usr/bin/env python3
"""Fails when a file includes a header of a folder that its own folder may not
use (docs/ARCHITECTURE.md, the table of section 1)."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

ALLOWED = {
    "base": set(),
    "hsm": {"base"},
    "hsm_io": {"base"},
    "cloning": {"hsm", "base"},
    "backup": {"cloning", "hsm_io", "hsm", "base"},
    "device": {"hsm", "cloning", "hsm_io", "base"},
    "pkcs11": {"hsm", "cloning", "backup", "hsm_io", "base"},
    # The shell is a client of the C ABI: our headers of numbers only.
    "tools/shell": {"perigee"},
    "tools/firmware_image": {"hsm", "base"},
    "tools/backup_hsm": {"device", "hsm", "hsm_io", "base"},
    "examples": {"perigee"},
}
# Where everything is put together.
EXTRA = {"pkcs11/library.cc": {"device"}, "pkcs11/embedded.cc": {"device"}}
# Headers that name PKCS#11 numbers and nothing else.
VOCABULARY = {"base/cryptoki.h"}
# Folders that may use OpenSSL.
OPENSSL = re.compile(
    r"^(base/(crypto|certificate|handshake|secret_bytes)|pkcs11/mechanisms/|"
    r"cloning/|hsm/vault|hsm_io/(channel|tls_session)|"
    # Key files and certificate requests, which are not the HSM's business.
    r"tools/shell/(key_|sign_mechanisms)|"
    # The C boundary empties OpenSSL's error queue.
    r"pkcs11/call\.cc)")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def folder_of(path):
    for folder in sorted(ALLOWED, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def main():
    folders = {f.split("/")[0] for f in ALLOWED} | {"tests", "bench", "tools"}
    bad = []
    for source in sorted(ROOT.rglob("*")):
        if source.suffix not in (".h", ".cc", ".c"):
            continue
        path = source.relative_to(ROOT).as_posix()
        folder = folder_of(path)
        if folder is None:
            continue
        is_test = path.endswith("_test.cc")
        allowed = ALLOWED[folder] | {folder} | EXTRA.get(path, set())
        if is_test:
            allowed = allowed | {"tests", "device"}
        for kind, target in INCLUDE.findall(source.read_text()):
            if target.startswith("openssl/"):
                if not OPENSSL.match(path) and not is_test:
                    bad.append(f"{path}: includes <{target}>, but OpenSSL is "
                               "used in few places only")
                continue
            if kind != '"' or target in VOCABULARY:
                continue
            top = target.split("/")[0]
            if folder.startswith("tools/") and target.startswith(folder):
                continue
            if top in folders and top not in allowed:
                bad.append(f"{path}: includes \"{target}\", but {folder} may "
                           f"use only {', '.join(sorted(allowed))}")
    for line in bad:
        print(line)
    print(f"include direction: {len(bad)} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
