#!/usr/bin/env python3
"""Makes a key, backs it up to the Backup HSM, loses it and restores it.

  SO_PIN=... USER_PIN=... DOMAIN=... ./backup.py MODULE

By ctypes: nothing but Python 3 is needed. A partition (slot 0) or Backup HSM
(slot 1) that is new is initialised first. README.md tells the rest.
"""
import ctypes
import os
import sys
import time
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p

PARTITION, BACKUP_HSM = 0, 1  # slots
CKU_SO, CKU_USER = 0, 1
CKF_SESSION = 0x4 | 0x2  # serial, read/write
CKF_TOKEN_INITIALIZED = 0x400
CKM_EC_KEY_PAIR_GEN, CKM_ECDSA_SHA256 = 0x1040, 0x1044
CKA_TOKEN, CKA_LABEL, CKA_SIGN, CKA_VERIFY = 0x1, 0x3, 0x108, 0x10A
CKA_EC_PARAMS = 0x180
P256 = bytes.fromhex("06082a8648ce3d030107")
ALL_ONES = c_ulong(-1).value


class TokenInfo(ctypes.Structure):
    _fields_ = [("names", c_ubyte * 96), ("flags", c_ulong),
                ("rest", c_ubyte * 104)]


class Attribute(ctypes.Structure):
    _fields_ = [("type", c_ulong), ("value", c_char_p), ("size", c_ulong)]


class Mechanism(ctypes.Structure):
    _fields_ = [("type", c_ulong), ("parameter", c_void_p), ("size", c_ulong)]


# The arguments of each function that is called.
U, PU, TEXT = c_ulong, POINTER(c_ulong), c_char_p
FUNCTIONS = {
    "C_Initialize": [c_void_p],
    "C_Finalize": [c_void_p],
    "C_GetTokenInfo": [U, POINTER(TokenInfo)],
    "C_OpenSession": [U, U, c_void_p, c_void_p, PU],
    "C_CloseSession": [U],
    "C_Login": [U, U, TEXT, U],
    "C_InitPIN": [U, TEXT, U],
    "C_GenerateKeyPair": [U, POINTER(Mechanism), POINTER(Attribute), U,
                          POINTER(Attribute), U, PU, PU],
    "C_SignInit": [U, POINTER(Mechanism), U],
    "C_Sign": [U, TEXT, U, TEXT, PU],
    "C_VerifyInit": [U, POINTER(Mechanism), U],
    "C_Verify": [U, TEXT, U, TEXT, U],
    "C_DestroyObject": [U, U],
    "CA_InitToken": [U, TEXT, U, TEXT, TEXT, U, U, c_void_p, U, c_void_p],
    "CA_SetCloningDomain": [TEXT, U],
    "CA_CreateContainer": [U, U, TEXT, U, TEXT, U, U, U, U, U, U, PU],
    "CA_OpenSession": [U, U, U, c_void_p, c_void_p, PU],
    "CA_CloneObject": [U, U, U, U, PU],
}


class Module:
    """The library; a call that does not return CKR_OK ends the program."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        for name, types in FUNCTIONS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, c_ulong
            setattr(self, name, self.checked(name, function))

    @staticmethod
    def checked(name, function):
        def call(*arguments):
            rv = function(*arguments)
            if rv != 0:
                sys.exit(f"backup.py: {name} failed: 0x{rv:08x}")
        return call


def setting(name):
    value = os.environ.get(name)
    return value.encode() if value else sys.exit(f"backup.py: set {name}")


def open_session(hsm, slot, user, pin):
    session = c_ulong()
    hsm.C_OpenSession(slot, CKF_SESSION, None, None, byref(session))
    hsm.C_Login(session, user, pin, len(pin))
    return session


def initialise(hsm, slot, label, so_pin, domain=b""):
    """False when the token has been initialised before."""
    token = TokenInfo()
    hsm.C_GetTokenInfo(slot, byref(token))
    if token.flags & CKF_TOKEN_INITIALIZED:
        return False
    hsm.CA_InitToken(slot, so_pin, len(so_pin), label.ljust(32),
                     domain or None, len(domain), 0, None, 0, None)
    return True


def make_key(hsm, session):
    def template(*rows):
        return (Attribute * len(rows))(*[(t, v, len(v)) for t, v in rows])

    common = [(CKA_TOKEN, b"\1"), (CKA_LABEL, b"example")]
    public = template((CKA_EC_PARAMS, P256), (CKA_VERIFY, b"\1"), *common)
    private = template((CKA_SIGN, b"\1"), *common)
    keys = c_ulong(), c_ulong()  # public, private
    hsm.C_GenerateKeyPair(session, byref(Mechanism(CKM_EC_KEY_PAIR_GEN)),
                          public, len(public), private, len(private),
                          byref(keys[0]), byref(keys[1]))
    return keys


def sign(hsm, session, key, message):
    signature, size = ctypes.create_string_buffer(64), c_ulong(64)
    hsm.C_SignInit(session, byref(Mechanism(CKM_ECDSA_SHA256)), key)
    hsm.C_Sign(session, message, len(message), signature, byref(size))
    return signature.raw[:size.value]


def verify(hsm, session, key, message, signature):
    hsm.C_VerifyInit(session, byref(Mechanism(CKM_ECDSA_SHA256)), key)
    hsm.C_Verify(session, message, len(message), signature, len(signature))


def clone(hsm, target, source, key):
    copy = c_ulong()
    hsm.CA_CloneObject(target, source, 0, key, byref(copy))
    return copy


def new_backup(hsm, name, so_pin, user_pin, domain):
    """A session in a new partition of the Backup HSM."""
    so = open_session(hsm, BACKUP_HSM, CKU_SO, so_pin)
    hsm.CA_SetCloningDomain(domain, len(domain))
    container, backup = c_ulong(), c_ulong()
    hsm.CA_CreateContainer(so, 0, name, len(name), user_pin, len(user_pin),
                           ALL_ONES, ALL_ONES, 0, 0, 0, byref(container))
    hsm.CA_OpenSession(BACKUP_HSM, container, CKF_SESSION, None, None,
                       byref(backup))
    hsm.C_Login(backup, CKU_USER, user_pin, len(user_pin))
    return backup


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: backup.py MODULE")
    so_pin, user_pin = setting("SO_PIN"), setting("USER_PIN")
    domain = setting("DOMAIN")
    hsm = Module(sys.argv[1])
    hsm.C_Initialize(None)

    if initialise(hsm, PARTITION, b"example", so_pin, domain):
        so = open_session(hsm, PARTITION, CKU_SO, so_pin)
        hsm.C_InitPIN(so, user_pin, len(user_pin))
        hsm.C_CloseSession(so)
        print("initialised the partition in slot 0")
    if initialise(hsm, BACKUP_HSM, b"backup", so_pin):
        print("initialised the Backup HSM in slot 1")

    session = open_session(hsm, PARTITION, CKU_USER, user_pin)
    public, private = make_key(hsm, session)
    message = b"a message"
    signature = sign(hsm, session, private, message)
    print("made a key and signed with it")

    name = f"example-{time.time_ns() // 1000000}".encode()
    backup = new_backup(hsm, name, so_pin, user_pin, domain)
    copies = [clone(hsm, backup, session, key) for key in (public, private)]
    print(f"backed it up to partition {name.decode()}")

    for key in (public, private):
        hsm.C_DestroyObject(session, key)
    print("destroyed it")

    public, private = [clone(hsm, session, backup, key) for key in copies]
    verify(hsm, session, public, message, signature)
    verify(hsm, session, public, message,
           sign(hsm, session, private, message))
    print("restored it: the old signature and a new one verify")
    hsm.C_Finalize(None)


main()
