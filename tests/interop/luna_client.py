"""A client as Luna's Python users write it, over every function that backup,
restore, cloning and administration need: luna_client.py MODULE SO_PIN PIN.
Each step checks what the functions answered and did; at the end all of
luna_binding.NEEDED have been called.

Slots 0 and 1 are new V0 partitions and slot 2 a new V1 partition of an HSM of
firmware 7.8.0; then come a Backup HSM and the admin slots."""
import sys
import time
from ctypes import byref, c_void_p, cast, sizeof

import luna_binding
from luna_binding import (ALL_ONES, B, Attribute, Luna, Mechanism, Migration,
                          PolicyInfo, RoleState, SessionInfo, U, data, numbers)
from negotiated_session import exchange

SOURCE, TARGET, V1, BACKUP = 0, 1, 2, 3  # slots
SO, CO, CU = 0, 1, 0x80000001
NOT_LOGGED_IN, NOT_SUPPORTED = 0x101, 0x54
PIN_INCORRECT, CONTAINER_INVALID = 0xA0, 0x80000005
IS_DESTRUCTIVE = 0x200A04  # LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE
RESTRICTED_RESTORE = 55
DOMAIN = b"the domain of the Python client"


class Client:
    def __init__(self, luna, so_pin, pin):
        self.luna, self.so_pin, self.pin = luna, so_pin, pin
        self.admin = None  # slot

    def session(self, slot, user=None, pin=None):
        session = self.luna.number("C_OpenSession", slot, 6, None, None)
        if user is not None:
            self.login(session, user, pin)
        return session

    def login(self, session, user, pin=None):
        pin = pin or (self.so_pin if user == SO else self.pin)
        self.luna.ok("C_Login", session, user, data(pin), len(pin))

    def container(self, slot, container):
        session = self.luna.number("CA_OpenSession", slot, container, 6, None,
                                   None)
        self.login(session, CO)
        return session

    def close(self, *sessions):
        for session in sessions:
            self.luna.ok("C_CloseSession", session)

    def initialise(self, slot, label, domain=None, partition=(), hsm=()):
        def policies(rows):
            return (PolicyInfo * len(rows))(*rows) if rows else None
        self.luna.ok("CA_InitToken", slot, data(self.so_pin), len(self.so_pin),
                     data(label.ljust(32)), data(domain), len(domain or b""),
                     len(partition), policies(partition), len(hsm),
                     policies(hsm))

    def role(self, slot, user):
        state = RoleState()
        self.luna.ok("CA_RoleStateGet", slot, user, byref(state))
        return state

    # --- objects ---

    def make_key(self, session):
        true, size = B(1), U(32)
        rows = (Attribute * 3)(
            Attribute(0x1, cast(byref(true), c_void_p), 1),
            Attribute(0x108, cast(byref(true), c_void_p), 1),
            Attribute(0x161, cast(byref(size), c_void_p), sizeof(size)))
        return self.luna.number("C_GenerateKey", session,
                                byref(Mechanism(0x1080, None, 0)), rows, 3)

    def mac(self, session, key):
        """What only the same key gives again."""
        self.luna.ok("C_SignInit", session, byref(Mechanism(0x108A, None, 0)),
                     key)
        return self.luna.listed(B, "C_Sign", session, data(b"text"), 4)

    def ouid(self, session, key):
        value = (B * 12)()
        row = Attribute(0x80000005, cast(value, c_void_p), 12)
        self.luna.ok("C_GetAttributeValue", session, key, byref(row), 1)
        return bytes(value)

    def create(self, so, label, size=0, name="CA_CreateContainer", more=()):
        """A partition, its container handle."""
        handle = U()
        self.luna.ok(name, so, 0, data(label), len(label), data(self.pin),
                     len(self.pin), ALL_ONES, ALL_ONES, 0, 0, size,
                     byref(handle), *more)
        return handle.value


def function_table(client):
    luna, address = client.luna, c_void_p()
    luna.ok("CA_GetFunctionList", byref(address))
    # After the version, padded, the function itself.
    first = cast(address.value + 8, luna_binding.TYPES["P*"])[0]
    exported = cast(luna.library.CA_GetFunctionList, c_void_p).value
    assert first == exported


def initialisation(client):
    luna = client.luna
    client.admin, _ = luna.several(2, "CA_FindAdminSlotForSlot", SOURCE)
    client.initialise(client.admin, b"app", hsm=[(15, 1, 0, 0)])
    assert luna.number("CA_GetHSMPolicySetting", client.admin, 15) == 1
    # The domain: for the next initialisation, and within one.
    luna.ok("CA_SetCloningDomain", data(DOMAIN), len(DOMAIN))
    client.initialise(SOURCE, b"source", partition=[(20, 9, 0, 0)])
    assert luna.pairs("CA_GetTokenPolicies", SOURCE)[20] == 9
    client.initialise(TARGET, b"target", DOMAIN)
    client.initialise(V1, b"v1", DOMAIN)
    client.initialise(BACKUP, b"backup")
    admin = client.session(client.admin, SO)
    luna.ok("CA_TimeSync", admin, int(time.time()))
    client.close(admin)


def roles(client):
    luna, pin = client.luna, client.pin
    assert client.role(SOURCE, CO).flags & 1 == 0
    for slot in (SOURCE, TARGET, V1):
        so = client.session(slot, SO)
        if slot == SOURCE:
            luna.ok("CA_InitRolePIN", so, CO, data(b"first-pin"), 9)
            luna.ok("CA_ResetPIN", so, data(pin), len(pin))
        else:
            luna.ok("CA_InitSlotRolePIN", so, slot, CO, data(pin), len(pin))
        client.close(so)
    state = client.role(SOURCE, CO)
    assert (state.flags & 1, state.primary, state.attempts_left) == (1, 1, 9)

    session = client.session(SOURCE)
    luna.refused(PIN_INCORRECT, "C_Login", session, CO, data(b"first-pin"), 9)
    assert client.role(SOURCE, CO).attempts_left == 8
    client.login(session, CO)
    assert client.role(SOURCE, CO).attempts_left == 9
    luna.ok("CA_InitRolePIN", session, CU, data(pin), len(pin))
    assert client.role(SOURCE, CU).flags & 1 == 1

    luna.ok("CA_Deactivate", SOURCE, CO)
    info = SessionInfo()
    luna.ok("C_GetSessionInfo", session, byref(info))
    assert info.state == 2  # R/W public
    luna.refused(NOT_LOGGED_IN, "CA_Deactivate", SOURCE, CO)
    client.login(session, CU)
    client.close(session)


def places(client):
    luna = client.luna
    assert luna.several(3, "CA_GetFirmwareVersion", SOURCE) == [7, 8, 0]
    assert luna.several(3, "CA_GetFirmwareVersion", BACKUP) == [7, 7, 1]
    container = luna.number("CA_GetUserContainerNumber", TARGET)
    assert luna.number("CA_GetSlotIdForContainer", client.admin,
                       container) == TARGET
    session = client.session(TARGET, CO)
    assert luna.several(4, "CA_GetSessionInfo", session)[2:] == [container, 2]
    client.close(session)


def containers(client):
    luna = client.luna
    before = luna.listed(U, "CA_GetContainerList", BACKUP, 0, 0)
    assert before == []
    so = client.session(BACKUP, SO)
    luna.ok("CA_SetCloningDomain", data(DOMAIN), len(DOMAIN))
    one = client.create(so, b"one", 200000)
    assert luna.listed(U, "CA_GetContainerList", BACKUP, 0, 0) == [one]
    assert luna.listed(B, "CA_GetContainerName", BACKUP, one) == b"one"
    flags, *failed = luna.several(4, "CA_GetContainerStatus", BACKUP, one)
    assert flags & 0x400 and failed[:2] == [0, 0]

    def storage():  # overhead, total, used, free, objects
        return luna.several(5, "CA_GetContainerStorageInformation", BACKUP,
                            one)
    _, total, used, free, objects = storage()
    assert (total, free, objects) == (200000, total - used, 0)
    luna.ok("CA_SetContainerSize", so, one, 300000)
    assert storage()[1] == 300000
    _, total, used, free = luna.several(4, "CA_GetHSMStorageInformation",
                                        BACKUP)
    assert used >= 300000 and used + free == total
    assert luna.number("CA_GetNumberOfAllowedContainers", BACKUP) == 100

    luna.ok("CA_DeleteContainerWithHandle", so, one)
    assert luna.listed(U, "CA_GetContainerList", BACKUP, 0, 0) == []
    luna.refused(CONTAINER_INVALID, "CA_DeleteContainerWithHandle", so, one)
    client.close(so)


def own_container(client):
    """A partition made by a template of another, deleted by its session."""
    luna = client.luna
    version, size = U(), U()
    luna.ok("CA_GetPartitionPolicyTemplate", TARGET, byref(version),
            byref(size), None)
    template = (B * size.value)()
    luna.ok("CA_GetPartitionPolicyTemplate", TARGET, byref(version),
            byref(size), template)
    assert version.value == 1 and b"20" in bytes(template)
    so = client.session(client.admin, SO)
    made = client.create(so, b"made", name="CA_CreateContainerWithPolicy",
                         more=(0, len(template), template))
    assert luna.pairs("CA_GetContainerPolicySet", client.admin, made) == \
        luna.pairs("CA_GetTokenPolicies", TARGET)
    session = client.container(client.admin, made)
    luna.ok("CA_DeleteContainer", session)
    assert made not in luna.listed(U, "CA_GetContainerList", client.admin, 0,
                                   0)
    client.close(so)


def partition_policies(client):
    luna = client.luna
    capabilities = luna.pairs("CA_GetTokenCapabilities", SOURCE)
    container = luna.number("CA_GetUserContainerNumber", SOURCE)
    assert capabilities == luna.pairs("CA_GetContainerCapabilitySet", SOURCE,
                                      container)
    assert capabilities[20] == luna.number(
        "CA_GetContainerCapabilitySetting", SOURCE, container, 20)
    text, (bits, destructive, _) = description(luna, SOURCE, 1, 0, 20)
    assert b"failed" in text and (bits, destructive) == (4, 0)  # 1 to 10

    def value(policy):
        return luna.number("CA_GetContainerPolicySetting", SOURCE, container,
                           policy)
    luna.refused(NOT_LOGGED_IN, "CA_SetContainerPolicy",
                 client.session(SOURCE), container, 20, 8)
    so = client.session(SOURCE, SO)
    luna.ok("CA_SetContainerPolicy", so, container, 20, 8)
    assert value(20) == 8
    luna.ok("CA_SetContainerPolicies", so, container, 2, numbers([20, 28]),
            numbers([7, 0]))
    assert (value(20), value(28)) == (7, 0)
    # Off to on is destructive.
    luna.refused(IS_DESTRUCTIVE, "CA_SetContainerPolicy", so, container, 28, 1)
    luna.ok("CA_SetTokenPolicies", so, SOURCE, 2, numbers([28, 20]),
            numbers([1, 9]))
    assert (value(20), value(28)) == (9, 1)
    assert client.role(SOURCE, CO).flags & 1 == 0  # that destroyed
    luna.ok("C_CloseAllSessions", SOURCE)
    so = client.session(SOURCE, SO)
    luna.ok("CA_InitRolePIN", so, CO, data(client.pin), len(client.pin))
    client.close(so)


def description(luna, slot, of_partition, capability, number):
    outs, size = [U(), U(), U()], U(0)
    common = ("CA_GetConfigurationElementDescription", slot, of_partition,
              capability, number, *map(byref, outs))
    luna.ok(*common, None, byref(size))
    text = (B * size.value)()
    luna.ok(*common, text, byref(size))
    return bytes(text), [one.value for one in outs]


def objects(client):
    luna = client.luna
    session = client.session(SOURCE, CO)
    key = client.make_key(session)
    container = luna.number("CA_GetUserContainerNumber", SOURCE)
    ouid = client.ouid(session, key)
    for name, place in (("CA_GetTokenObjectUID", ()),
                        ("CA_GetObjectUID", (container,))):
        out = (B * 12)()
        luna.ok(name, SOURCE, *place, 0, key, out)
        assert bytes(out) == ouid, name
    for name, place in (("CA_GetTokenObjectHandle", ()),
                        ("CA_GetObjectHandle", (container,))):
        assert luna.several(2, name, SOURCE, *place, data(ouid)) == [0, key]
    _, total, used, free, count = luna.several(
        5, "CA_GetTokenStorageInformation", SOURCE)
    assert (count, used > 0, total, free) == (1, True, ALL_ONES, ALL_ONES)
    luna.ok("C_DestroyObject", session, key)
    client.close(session)


def cloning(client):
    """Between two sessions, each way that there is."""
    luna = client.luna
    source, target = client.session(SOURCE, CO), client.session(TARGET, CO)
    key = client.make_key(source)
    mac = client.mac(source, key)
    for way in (
            lambda: luna.number("CA_CloneObject", target, source, 0, key),
            lambda: luna.number("CA_ClonePrivateKey", target, source, key),
            lambda: four_steps(luna, source, target, key),
            lambda: migrate(luna, source, target, key),
            lambda: exchange(luna, source, target, [key])[0]):
        copy = way()
        assert client.mac(target, copy) == mac
        assert client.ouid(target, copy) == client.ouid(source, key)
        luna.ok("C_DestroyObject", target, copy)
    client.close(source, target)


def four_steps(luna, source, target, key):
    size = U(0)
    luna.ok("CA_CloneAsSourceInit", source, None, 0, None, byref(size), 0)
    hello = (B * size.value)()
    luna.ok("CA_CloneAsSourceInit", source, None, 0, hello, byref(size), 0)
    given = data(bytes(hello[:size.value]))
    kev = data(luna.listed(B, "CA_GenerateCloningKEV", target))
    reply = data(luna.listed(B, "CA_CloneAsTargetInit", target, given,
                             len(given), kev, len(kev), 0))
    sealed = data(luna.listed(B, "CA_CloneAsSource", source, 0, key, reply,
                              len(reply), 0))
    return luna.number("CA_CloneAsTarget", target, kev, len(kev), sealed,
                       len(sealed), 0, 0, 0)


def migrate(luna, source, target, key):
    rows = (Migration * 2)(Migration(0, key, 0, 0), Migration(0, 999, 0, 0))
    luna.ok("CA_MigrateKeys", source, target, 1, 2, rows)
    assert (rows[0].rv, rows[1].rv) == (0, 0x82)  # OBJECT_HANDLE_INVALID
    return rows[0].target


def backup_and_restore(client):
    luna = client.luna
    source, so = client.session(SOURCE, CO), client.session(BACKUP, SO)
    luna.ok("CA_SetCloningDomain", data(DOMAIN), len(DOMAIN))
    backup = client.container(BACKUP, client.create(so, b"weekly"))
    key = client.make_key(source)
    mac = client.mac(source, key)
    copy = luna.number("CA_CloneObject", backup, source, 0, key)
    luna.ok("C_DestroyObject", source, key)
    restored = luna.number("CA_CloneObject", source, backup, 0, copy)
    assert client.mac(source, restored) == mac
    # A domain is given once.
    luna.refused(0x80000008, "CA_SetKCV", backup, data(b"another"), 7)
    # A legacy domain is of an application's partition, once too.
    luna.refused(NOT_SUPPORTED, "CA_SetLKCV", backup, data(b"legacy"), 6)
    luna.ok("CA_SetLKCV", source, data(b"legacy"), 6)
    luna.refused(0x80000008, "CA_SetLKCV", source, data(b"legacy"), 6)
    client.close(source, backup, so)


def late_domain(client):
    """A partition without a domain gets one by its officer."""
    luna = client.luna
    admin = client.session(client.admin, SO)
    made = client.create(admin, b"late")
    late, target = client.container(client.admin, made), \
        client.session(TARGET, CO)
    key = client.make_key(target)
    luna.refused(0x80000009, "CA_CloneObject", late, target, 0, key, byref(U()))
    luna.ok("CA_SetKCV", late, data(DOMAIN), len(DOMAIN))
    copy = luna.number("CA_CloneObject", late, target, 0, key)
    assert client.mac(late, copy) == client.mac(target, key)
    client.close(late, target)
    luna.ok("CA_DeleteContainerWithHandle", admin, made)
    client.close(admin)


def key_storage(client):
    luna = client.luna
    session = client.session(V1, CO)
    keys = [client.make_key(session) for _ in range(2)]
    macs = [client.mac(session, key) for key in keys]
    blob = luna.blob(B, "CA_SIMExtract", session, 2, numbers(keys), 0, 0, 0,
                     None, None, 1)
    for key in keys:  # destroyed by the extraction
        luna.refused(0x60, "C_SignInit", session,
                     byref(Mechanism(0x108A, None, 0)), key)
    inserted = luna.blob(U, "CA_SIMInsert", session, 0, 0, None, None,
                         len(blob), data(bytes(blob)))
    assert [client.mac(session, key) for key in inserted] == macs
    client.close(session)


def hsm_policies(client):
    """The Backup HSM's, with what a destructive change destroys."""
    luna = client.luna
    capabilities = luna.pairs("CA_GetHSMCapabilitySet", BACKUP)
    assert capabilities[RESTRICTED_RESTORE] == 1
    assert luna.number("CA_GetHSMCapabilitySetting", BACKUP, 9) == 0
    assert luna.pairs("CA_GetHSMPolicySet", BACKUP)[RESTRICTED_RESTORE] == 0
    text, (_, destructive, _) = description(luna, BACKUP, 0, 0,
                                            RESTRICTED_RESTORE)
    assert b"Restricted Restore" in text and destructive == 1

    ids = numbers([RESTRICTED_RESTORE])
    for to_on, to_off in (
            (("CA_SetHSMPolicy", RESTRICTED_RESTORE, 1),
             ("CA_SetDestructiveHSMPolicy", RESTRICTED_RESTORE, 0)),
            (("CA_SetHSMPolicies", 1, ids, numbers([1])),
             ("CA_SetDestructiveHSMPolicies", 1, ids, numbers([0])))):
        so = client.session(BACKUP, SO)
        client.create(so, b"goes")
        luna.ok(to_on[0], so, *to_on[1:])
        assert luna.number("CA_GetHSMPolicySetting", BACKUP,
                           RESTRICTED_RESTORE) == 1
        luna.refused(IS_DESTRUCTIVE, "CA_SetHSMPolicy", so,
                     RESTRICTED_RESTORE, 0)
        luna.ok(to_off[0], so, *to_off[1:])
        assert luna.number("CA_GetHSMPolicySetting", BACKUP,
                           RESTRICTED_RESTORE) == 0
        assert luna.listed(U, "CA_GetContainerList", BACKUP, 0, 0) == []
        luna.ok("C_CloseAllSessions", BACKUP)
        client.initialise(BACKUP, b"backup")


def erasure(client):
    luna = client.luna
    for name in ("CA_Zeroize", "CA_FactoryReset"):
        so = client.session(BACKUP, SO)
        client.create(so, b"goes")
        luna.ok(name, BACKUP, 0)
        token = luna_binding.TokenInfo()
        luna.ok("C_GetTokenInfo", BACKUP, byref(token))
        assert token.flags & 0x400 == 0, name
        assert luna.listed(U, "CA_GetContainerList", BACKUP, 0, 0) == []
        luna.ok("C_CloseAllSessions", BACKUP)
        client.initialise(BACKUP, b"backup")


SCENARIOS = (function_table, initialisation, roles, places, containers,
             own_container, partition_policies, objects, cloning,
             backup_and_restore, late_domain, key_storage, hsm_policies,
             erasure)


def main():
    luna = Luna(sys.argv[1])
    client = Client(luna, *(text.encode() for text in sys.argv[2:4]))
    luna.ok("C_Initialize", None)
    for scenario in SCENARIOS:
        print(scenario.__name__.replace("_", " "), flush=True)
        scenario(client)
    luna.ok("C_Finalize", None)
    left = set(luna_binding.table(luna_binding.NEEDED)) - luna.called
    assert not left, f"not called: {sorted(left)}"


main()
