"""Negotiated sessions from Python by ctypes, in the order of calls and with the
buffers of the vendor's binding: negotiated_session.py <module> <so pin> <pin>.
Slots 0 and 1 are new partitions of an HSM of firmware 7.8.0."""
import ctypes
import sys
import time
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p, sizeof

from luna_binding import Attribute, Mechanism

BUFFER = 64000
CKM_CPV4_EXTRACT, CKM_CPV4_INSERT = 0x80000208, 0x80000209
BYTES, ULONGS = POINTER(c_ubyte), POINTER(c_ulong)


class ExtractParams(ctypes.Structure):
    _fields_ = [("inputLength", c_ulong), ("input", BYTES),
                ("sessionOuidLen", c_ulong), ("sessionOuid", BYTES),
                ("extractionFlags", c_ulong), ("numberOfObjects", c_ulong),
                ("objectType", ULONGS), ("objectHandle", ULONGS),
                ("result", ULONGS), ("keyBlobLen", ULONGS),
                ("keyBlob", POINTER(BYTES))]


class InsertParams(ctypes.Structure):
    _fields_ = [("inputLength", c_ulong), ("input", BYTES),
                ("sessionOuidLen", c_ulong), ("sessionOuid", BYTES),
                ("insertionFlags", c_ulong), ("numberOfObjects", c_ulong),
                ("objectType", ULONGS), ("storageType", ULONGS),
                ("keyBlobLen", ULONGS), ("keyBlob", POINTER(BYTES)),
                ("result", ULONGS), ("objectHandle", ULONGS)]


def ok(rv):
    assert rv == 0, hex(rv)


def array(data):
    return (c_ubyte * len(data)).from_buffer_copy(data)


def open_session(module, slot, pin, user=1):
    session = c_ulong()
    ok(module.C_OpenSession(c_ulong(slot), c_ulong(6), None, None,
                            byref(session)))
    ok(module.C_Login(session, c_ulong(user), c_char_p(pin),
                      c_ulong(len(pin))))
    return session


def make_ready(module, so_pin, pin):
    """Two partitions of one domain; the HSM's clock is set."""
    admin, other = c_ulong(), c_ulong()
    ok(module.CA_FindAdminSlotForSlot(c_ulong(0), byref(admin), byref(other)))
    for slot in (0, 1, admin.value):
        domain = b"the domain of the Python test"
        ok(module.CA_SetCloningDomain(c_char_p(domain), c_ulong(len(domain))))
        ok(module.C_InitToken(c_ulong(slot), c_char_p(so_pin),
                              c_ulong(len(so_pin)), c_char_p(b"x" * 32)))
        session = open_session(module, slot, so_pin, user=0)
        if slot == admin.value:
            ok(module.CA_TimeSync(session, c_ulong(int(time.time()))))
        else:
            ok(module.C_InitPIN(session, c_char_p(pin), c_ulong(len(pin))))
        ok(module.C_CloseSession(session))


def generate(module, session):
    true = c_ubyte(1)
    size = c_ulong(32)
    template = (Attribute * 2)(
        Attribute(0x1, ctypes.cast(byref(true), c_void_p), 1),
        Attribute(0x161, ctypes.cast(byref(size), c_void_p), sizeof(size)))
    key = c_ulong()
    ok(module.C_GenerateKey(session, byref(Mechanism(0x1080, None, 0)),
                            template, c_ulong(2), byref(key)))
    return key.value


def proceed(module, session, step, data):
    given = array(data)
    out, out_size = (c_ubyte * BUFFER)(), c_ulong(BUFFER)
    ouid, ouid_size = (c_ubyte * BUFFER)(), c_ulong(BUFFER)
    next_step, status = c_ulong(), c_ulong()
    ok(module.CA_MigrationContinueSessionNegotiation(
        session, c_ulong(step), c_ulong(len(data)), given, c_ulong(0), None,
        byref(next_step), byref(out_size), out, byref(status),
        byref(ouid_size), ouid))
    return (next_step.value, bytes(out[:out_size.value]),
            bytes(ouid[:ouid_size.value]))


def ouid_of(module, session, handle):
    value = (c_ubyte * 12)()
    wanted = Attribute(0x80000005, ctypes.cast(value, c_void_p), 12)
    ok(module.C_GetAttributeValue(session, c_ulong(handle), byref(wanted),
                                  c_ulong(1)))
    return bytes(value)


def exchange(module, source, target, keys):
    """Clones the keys by a negotiated session; the handles of the copies."""
    count = len(keys)

    out, out_size, step = (c_ubyte * BUFFER)(), c_ulong(BUFFER), c_ulong()
    ok(module.CA_MigrationStartSessionNegotiation(
        target, c_ulong(0), None, byref(step), byref(out_size), out))
    assert step.value == 2
    step, output, ouid = proceed(module, source, step.value,
                                 bytes(out[:out_size.value]))
    assert step == 3 and len(ouid) == 12
    proceed(module, target, step, output)  # its answer is not looked at

    blobs = [(c_ubyte * BUFFER)() for _ in keys]
    pointers = (BYTES * count)(*[ctypes.cast(b, BYTES) for b in blobs])
    sizes = (c_ulong * count)(*[BUFFER] * count)
    types, results = (c_ulong * count)(), (c_ulong * count)()
    handles = (c_ulong * count)(*keys)
    given, session = array(output), array(ouid)
    common = (len(output), ctypes.cast(given, BYTES), len(ouid),
              ctypes.cast(session, BYTES), 1, count)
    extract = ExtractParams(*common, types, handles, results, sizes, pointers)
    ok(module.CA_Extract(source, byref(Mechanism(
        CKM_CPV4_EXTRACT, ctypes.cast(byref(extract), c_void_p),
        sizeof(extract)))))
    assert list(results) == [0] * count, list(results)

    assert all(blob[0] == 4 for blob in blobs)  # CPv4

    made = (c_ulong * count)()
    storage = (c_ulong * count)(*[1] * count)
    insert = InsertParams(*common, types, storage, sizes, pointers, results,
                          made)
    ok(module.CA_Insert(target, byref(Mechanism(
        CKM_CPV4_INSERT, ctypes.cast(byref(insert), c_void_p),
        sizeof(insert)))))
    assert list(results) == [0] * count, list(results)
    for key, copy in zip(keys, made):
        assert ouid_of(module, source, key) == ouid_of(module, target, copy)
    for end in (source, target):
        ok(module.CA_MigrationCloseSession(end, c_ulong(len(ouid)), session))
    return list(made)


def main():
    module = ctypes.CDLL(sys.argv[1])
    so_pin, pin = (argument.encode() for argument in sys.argv[2:4])
    ok(module.C_Initialize(None))
    make_ready(module, so_pin, pin)
    source = open_session(module, 0, pin)
    target = open_session(module, 1, pin)
    exchange(module, source, target,
             [generate(module, source) for _ in range(3)])
    ok(module.C_Finalize(None))


if __name__ == "__main__":
    main()
