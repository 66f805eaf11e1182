"""What pykcs11_test.sh runs: MODULE SO_PIN USER_PIN, in an empty directory."""

import hashlib
import hmac
import subprocess
import sys

from PyKCS11 import *  # noqa: F403: CKA_ and CKM_ numbers

MESSAGE = b"a message of some length, to be signed and encrypted"


def openssl(*arguments, data=b""):
    """Standard output of the openssl program; it has to succeed."""
    return subprocess.run(["openssl", *arguments], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


def expect(what, is_so):
    if not is_so:
        sys.exit("failed: " + what)


def refused(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except PyKCS11Error as raised:
        expect(f"{raised}, expected {CKR[error]}", raised.value == error)
    else:
        sys.exit(f"failed: this should have been {CKR[error]}")


def new_token(module, so_pin, pin):
    """Logged in to a token that was empty, in a read/write session."""
    lib = PyKCS11Lib()
    lib.load(module)
    slot = lib.getSlotList()[0]
    # It passes on what it is given, and 32 bytes are read.
    lib.initToken(slot, so_pin, "python".ljust(32))
    session = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
    session.login(so_pin, CKU_SO)
    session.initPin(pin)
    session.logout()
    refused(CKR_PIN_INCORRECT, session.login, "wrong-pin-0")
    session.login(pin)
    expect("the token's label",
           lib.getTokenInfo(slot).label.strip() == "python")
    return lib, session


def key_pair(session, mechanism, key_id, public=()):
    return session.generateKeyPair(
        [(CKA_CLASS, CKO_PUBLIC_KEY), (CKA_TOKEN, CK_TRUE),
         (CKA_ID, key_id), (CKA_VERIFY, CK_TRUE), *public],
        [(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_TOKEN, CK_TRUE),
         (CKA_ID, key_id), (CKA_SIGN, CK_TRUE), (CKA_DECRYPT, CK_TRUE),
         (CKA_UNWRAP, CK_TRUE)],
        Mechanism(mechanism))


def save_public_key(session, key, name):
    [info] = session.getAttributeValue(key, [CKA_PUBLIC_KEY_INFO])
    with open(name, "wb") as out:
        out.write(bytes(info))


def verify_with_openssl(name, signature, *options):
    with open("signature", "wb") as out:
        out.write(signature)
    openssl("dgst", "-sha256", "-keyform", "DER", "-verify", name,
            "-signature", "signature", *options, data=MESSAGE)


def der_of(signature):
    """ECDSA-Sig-Value of r and s in one row, as PKCS#11 has them."""
    half = len(signature) // 2
    numbers = b""
    for part in (signature[:half], signature[half:]):
        part = part.lstrip(b"\0")
        if part[0] & 0x80:
            part = b"\0" + part
        numbers += bytes([2, len(part)]) + part
    return bytes([0x30, len(numbers)]) + numbers


def rsa(session):
    public, private = key_pair(
        session, CKM_RSA_PKCS_KEY_PAIR_GEN, (1,),
        [(CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1)),
         (CKA_ENCRYPT, CK_TRUE), (CKA_WRAP, CK_TRUE)])
    save_public_key(session, public, "rsa.der")
    pss = RSA_PSS_Mechanism(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256,
                            CKG_MGF1_SHA256, 32)
    for mechanism, options in (
            (Mechanism(CKM_SHA256_RSA_PKCS), ()),
            (pss, ("-sigopt", "rsa_padding_mode:pss",
                   "-sigopt", "rsa_pss_saltlen:32"))):
        signature = bytes(session.sign(private, MESSAGE, mechanism))
        verify_with_openssl("rsa.der", signature, *options)
        expect("verify", session.verify(public, MESSAGE, signature, mechanism))
        expect("a signature of another message is good",
               not session.verify(public, MESSAGE + b"!", signature,
                                  mechanism))
    oaep = RSAOAEPMechanism(CKM_SHA256, CKG_MGF1_SHA256)
    sealed = openssl("pkeyutl", "-encrypt", "-pubin", "-keyform", "DER",
                     "-inkey", "rsa.der", "-pkeyopt", "rsa_padding_mode:oaep",
                     "-pkeyopt", "rsa_oaep_md:sha256", data=MESSAGE)
    expect("OAEP", bytes(session.decrypt(private, sealed, oaep)) == MESSAGE)
    sealed = session.encrypt(public, MESSAGE, oaep)
    expect("OAEP", bytes(session.decrypt(private, sealed, oaep)) == MESSAGE)
    # Without padding: the key would have to name it.
    refused(CKR_KEY_FUNCTION_NOT_PERMITTED, session.sign, private, bytes(256),
            Mechanism(CKM_RSA_X_509))
    return public, private


def ec(session):
    p256 = (6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7)
    public, private = key_pair(session, CKM_EC_KEY_PAIR_GEN, (2,),
                               [(CKA_EC_PARAMS, p256)])
    save_public_key(session, public, "ec.der")
    for mechanism, data in (
            (CKM_ECDSA_SHA256, MESSAGE),
            (CKM_ECDSA, hashlib.sha256(MESSAGE).digest())):
        signature = bytes(session.sign(private, data, Mechanism(mechanism)))
        verify_with_openssl("ec.der", der_of(signature))
        expect("verify", session.verify(public, data, signature,
                                        Mechanism(mechanism)))


def import_secret(session, key_type, value, *more):
    return session.createObject(
        [(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, key_type),
         (CKA_VALUE, tuple(value)), *more])


CIPHER = ((CKA_ENCRYPT, CK_TRUE), (CKA_DECRYPT, CK_TRUE))


def aes(session):
    value, iv = bytes(range(32)), bytes(range(16))
    key = import_secret(session, CKK_AES, value, *CIPHER)
    cbc = Mechanism(CKM_AES_CBC_PAD, iv)
    sealed = bytes(session.encrypt(key, MESSAGE, cbc))
    expect("AES-CBC", sealed == openssl(
        "enc", "-aes-256-cbc", "-K", value.hex(), "-iv", iv.hex(),
        data=MESSAGE))
    expect("AES-CBC", bytes(session.decrypt(key, sealed, cbc)) == MESSAGE)

    # Test case 14 of the specification of GCM.
    zero = import_secret(session, CKK_AES, bytes(32), *CIPHER)
    gcm = AES_GCM_Mechanism(bytes(12), b"", 128)
    answer = bytes.fromhex("cea7403d4d606b6e074ec5d3baf39d18"
                           "d0d1c8a799996bf0265b98b5d48ab919")
    expect("AES-GCM", bytes(session.encrypt(zero, bytes(16), gcm)) == answer)
    expect("AES-GCM", bytes(session.decrypt(zero, answer, gcm)) == bytes(16))
    gcm = AES_GCM_Mechanism(iv[:12], b"more", 128)
    sealed = bytes(session.encrypt(key, MESSAGE, gcm))
    expect("AES-GCM", bytes(session.decrypt(key, sealed, gcm)) == MESSAGE)
    changed = bytes([sealed[0] ^ 1]) + sealed[1:]
    refused(CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, changed, gcm)


def wrapping(session, rsa_public, rsa_private):
    secret = ((CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES))
    kek = session.generateKey(
        [*secret, (CKA_VALUE_LEN, 32), (CKA_WRAP, CK_TRUE),
         (CKA_UNWRAP, CK_TRUE), (CKA_TOKEN, CK_TRUE), (CKA_ID, (3,)),
         (CKA_LABEL, "kek")])
    key = session.generateKey(
        [*secret, (CKA_VALUE_LEN, 32), *CIPHER, (CKA_EXTRACTABLE, CK_TRUE)])
    # Which is how PyKCS11 says CKR_ATTRIBUTE_SENSITIVE.
    expect("the value of a key is given out",
           session.getAttributeValue(key, [CKA_VALUE]) == [None])
    kept = session.generateKey([*secret, (CKA_VALUE_LEN, 32), *CIPHER])
    cbc = Mechanism(CKM_AES_CBC_PAD, bytes(16))
    sealed = bytes(session.encrypt(key, MESSAGE, cbc))
    oaep = RSAOAEPMechanism(CKM_SHA256, CKG_MGF1_SHA256)
    for name, wrap_with, unwrap_with, mechanism in (
            ("AES key wrap", kek, kek, Mechanism(CKM_AES_KEY_WRAP)),
            ("RSA-OAEP", rsa_public, rsa_private, oaep)):
        wrapped = session.wrapKey(wrap_with, key, mechanism)
        back = session.unwrapKey(unwrap_with, wrapped, [*secret, *CIPHER],
                                 mechanism)
        expect(name, bytes(session.decrypt(back, sealed, cbc)) == MESSAGE)
        refused(CKR_KEY_UNEXTRACTABLE, session.wrapKey, wrap_with, kept,
                mechanism)
    # A key that OpenSSL wrapped.
    value = bytes(range(100, 132))
    wrapped = openssl("pkeyutl", "-encrypt", "-pubin", "-keyform", "DER",
                      "-inkey", "rsa.der", "-pkeyopt", "rsa_padding_mode:oaep",
                      "-pkeyopt", "rsa_oaep_md:sha256", data=value)
    back = session.unwrapKey(rsa_private, wrapped, [*secret, *CIPHER], oaep)
    expect("unwrap", bytes(session.encrypt(back, MESSAGE, cbc)) == openssl(
        "enc", "-aes-256-cbc", "-K", value.hex(), "-iv", "00" * 16,
        data=MESSAGE))


def digests(session):
    for mechanism, name in ((CKM_SHA_1, "sha1"), (CKM_SHA256, "sha256"),
                            (CKM_SHA384, "sha384"), (CKM_SHA512, "sha512")):
        answer = hashlib.new(name, MESSAGE).digest()
        expect(name,
               bytes(session.digest(MESSAGE, Mechanism(mechanism))) == answer)
        parts = session.digestSession(Mechanism(mechanism))
        parts.update(MESSAGE[:10]).update(MESSAGE[10:])
        expect(name, bytes(parts.final()) == answer)
    key = import_secret(session, CKK_GENERIC_SECRET, b"k" * 32,
                        (CKA_SIGN, CK_TRUE), (CKA_VERIFY, CK_TRUE))
    expect("HMAC",
           bytes(session.sign(key, MESSAGE, Mechanism(CKM_SHA256_HMAC))) ==
           hmac.new(b"k" * 32, MESSAGE, "sha256").digest())
    expect("random numbers repeat", bytes(session.generateRandom(16)) !=
           bytes(session.generateRandom(16)))


def finding(lib, session, pin):
    """Objects of the token are there for a later session, and only they."""
    slot = lib.getSlotList()[0]
    lib.closeAllSessions(slot)
    session = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
    expect("private keys are found without login",
           not session.findObjects([(CKA_CLASS, CKO_PRIVATE_KEY)]))
    session.login(pin)
    for key_class, count in ((CKO_PRIVATE_KEY, 2), (CKO_PUBLIC_KEY, 2),
                             (CKO_SECRET_KEY, 1)):
        found = session.findObjects([(CKA_CLASS, key_class)])
        expect(f"{count} of {CKO[key_class]}", len(found) == count)
    [kek] = session.findObjects([(CKA_LABEL, "kek")])
    expect("CKA_ID", bytes(session.getAttributeValue(
        kek, [CKA_ID])[0]) == b"\3")
    session.setAttributeValue(kek, [(CKA_LABEL, "renamed")])
    expect("the old label", not session.findObjects([(CKA_LABEL, "kek")]))
    [kek] = session.findObjects([(CKA_LABEL, "renamed")])
    session.destroyObject(kek)
    expect("a destroyed object",
           not session.findObjects([(CKA_CLASS, CKO_SECRET_KEY)]))
    session.logout()
    session.closeSession()


def main(module, so_pin, pin):
    lib, session = new_token(module, so_pin, pin)
    print("RSA keys sign, verify, encrypt and decrypt")
    pair = rsa(session)
    print("EC keys sign and verify")
    ec(session)
    print("AES in CBC and GCM")
    aes(session)
    print("keys are wrapped and unwrapped")
    wrapping(session, *pair)
    print("hashes, HMAC, random numbers")
    digests(session)
    print("objects are found, changed and destroyed")
    finding(lib, session, pin)


main(*sys.argv[1:])
