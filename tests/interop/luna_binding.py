"""The vendor's functions by ctypes, as Luna's Python users bind them: each by
its name when it is first called, with argument types from a table, lists in
two calls. `called` keeps the names."""
import ctypes
from ctypes import POINTER, byref, c_ubyte, c_ulong, c_void_p

U, B = c_ulong, c_ubyte
ALL_ONES = c_ulong(-1).value


def structure(name, **fields):
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


TokenInfo = structure("TokenInfo", names=B * 96, flags=U, rest=B * 104)
SessionInfo = structure("SessionInfo", slot=U, state=U, flags=U, error=U)
Attribute = structure("Attribute", type=U, value=c_void_p, size=U)
Mechanism = structure("Mechanism", mechanism=U, parameter=c_void_p, size=U)
RoleState = structure("RoleState", flags=B, attempts_left=B, primary=B,
                      secondary=B)
PolicyInfo = structure("PolicyInfo", id=U, value=U, off_to_on_destructive=U,
                       on_to_off_destructive=U)
Migration = structure("Migration", type=U, source=U, target=U, rv=U)

TYPES = {
    "U": U, "B": B, "U*": POINTER(U), "B*": POINTER(B),
    "B**": POINTER(POINTER(B)), "P": c_void_p, "P*": POINTER(c_void_p),
    "TOKEN*": POINTER(TokenInfo), "SESSION*": POINTER(SessionInfo),
    "ATTR*": POINTER(Attribute), "MECH*": POINTER(Mechanism),
    "ROLE*": POINTER(RoleState), "POLICY*": POINTER(PolicyInfo),
    "MIGRATION*": POINTER(Migration),
}

# What a scenario needs of the standard.
STANDARD = """
C_Initialize P
C_Finalize P
C_GetTokenInfo U TOKEN*
C_OpenSession U U P P U*
C_CloseSession U
C_CloseAllSessions U
C_GetSessionInfo U SESSION*
C_Login U U B* U
C_Logout U
C_GenerateKey U MECH* ATTR* U U*
C_GenerateKeyPair U MECH* ATTR* U ATTR* U U* U*
C_GetAttributeValue U U ATTR* U
C_DestroyObject U U
C_SignInit U MECH* U
C_Sign U B* U B* U*
"""

# The functions that backup, restore, cloning and administration need: the list
# that the test has to have called in full, written from what is public about
# Luna and not from Perigee's own table.
NEEDED = """
CA_GetFunctionList P*
CA_GetSessionInfo U U* U* U* U*
CA_FindAdminSlotForSlot U U* U*
CA_GetSlotIdForContainer U U U*
CA_InitToken U B* U B* B* U U POLICY* U POLICY*
CA_ResetPIN U B* U
CA_FactoryReset U U
CA_Zeroize U U
CA_InitRolePIN U U B* U
CA_InitSlotRolePIN U U U B* U
CA_RoleStateGet U U ROLE*
CA_Deactivate U U
CA_CreateContainer U U B* U B* U U U U U U U*
CA_CreateContainerWithPolicy U U B* U B* U U U U U U U* U U B*
CA_DeleteContainer U
CA_DeleteContainerWithHandle U U
CA_SetContainerSize U U U
CA_GetContainerList U U U U* U*
CA_GetContainerName U U B* U*
CA_GetContainerStatus U U U* U* U* U*
CA_GetContainerStorageInformation U U U* U* U* U* U*
CA_GetUserContainerNumber U U*
CA_GetNumberOfAllowedContainers U U*
CA_GetTokenStorageInformation U U* U* U* U* U*
CA_GetHSMStorageInformation U U* U* U* U*
CA_GetConfigurationElementDescription U U U U U* U* U* B* U*
CA_GetHSMCapabilitySet U U* U* U* U*
CA_GetHSMCapabilitySetting U U U*
CA_GetHSMPolicySet U U* U* U* U*
CA_GetHSMPolicySetting U U U*
CA_SetHSMPolicy U U U
CA_SetHSMPolicies U U U* U*
CA_SetDestructiveHSMPolicy U U U
CA_SetDestructiveHSMPolicies U U U* U*
CA_GetContainerCapabilitySet U U U* U* U* U*
CA_GetContainerCapabilitySetting U U U U*
CA_GetContainerPolicySet U U U* U* U* U*
CA_GetContainerPolicySetting U U U U*
CA_SetContainerPolicy U U U U
CA_SetContainerPolicies U U U U* U*
CA_GetTokenCapabilities U U* U* U* U*
CA_GetTokenPolicies U U* U* U* U*
CA_SetTokenPolicies U U U U* U*
CA_GetPartitionPolicyTemplate U U* U* B*
CA_SetCloningDomain B* U
CA_GenerateCloningKEV U B* U*
CA_CloneAsTargetInit U B* U B* U B B* U*
CA_CloneAsSource U U U B* U B B* U*
CA_CloneAsTarget U B* U B* U U U B U*
CA_CloneObject U U U U U*
CA_ClonePrivateKey U U U U*
CA_SetKCV U B* U
CA_SetLKCV U B* U
CA_MigrateKeys U U U U MIGRATION*
CA_MigrationStartSessionNegotiation U U B* U* U* B*
CA_MigrationContinueSessionNegotiation U U U B* U B* U* U* B* U* U* B*
CA_MigrationCloseSession U U B*
CA_Extract U MECH*
CA_Insert U MECH*
CA_SIMExtract U U U* U U U U* B** B U* B*
CA_SIMInsert U U U U* B** U B* U* U*
CA_GetTokenObjectUID U U U B*
CA_GetTokenObjectHandle U B* U* U*
CA_GetObjectUID U U U U B*
CA_GetObjectHandle U U B* U* U*
CA_GetFirmwareVersion U U* U* U*
"""

# What such a client uses besides.
RELATED = """
CA_OpenSession U U U P P U*
CA_CloneAsSourceInit U B* U B* U* B
CA_TimeSync U U
"""


def table(text):
    return {words[0]: words[1:] for words in map(str.split, text.split("\n"))
            if words}


def data(value):
    """Bytes that a B* takes; None stays None."""
    return None if value is None else (B * len(value))(*value)


def numbers(values):
    return (U * len(values))(*values)


class Luna:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.called = set()
        self.rows = table(STANDARD + NEEDED + RELATED)

    def __getattr__(self, name):
        function = getattr(self.library, name)
        function.argtypes = [TYPES[word] for word in self.rows[name]]
        function.restype = c_ulong

        def call(*arguments):
            self.called.add(name)
            return function(*arguments)
        setattr(self, name, call)
        return call

    def ok(self, name, *arguments):
        self.refused(0, name, *arguments)

    def refused(self, expected, name, *arguments):
        rv = getattr(self, name)(*arguments)
        assert rv == expected, f"{name}: {rv:#x} and not {expected:#x}"

    def number(self, name, *arguments):
        """The one number at the end of the arguments."""
        return self.several(1, name, *arguments)[0]

    def several(self, count, name, *arguments):
        out = [U(ALL_ONES) for _ in range(count)]
        self.ok(name, *arguments, *map(byref, out))
        return [one.value for one in out]

    def listed(self, kind, name, *arguments):
        """A list of `kind` (U or B) in two calls."""
        count = U(0)
        self.ok(name, *arguments, None, byref(count))
        items = (kind * count.value)()
        self.ok(name, *arguments, items, byref(count))
        return bytes(items[:count.value]) if kind is B else \
            list(items[:count.value])

    def blob(self, kind, name, *arguments):
        """The same where the count stands before the list."""
        count = U(0)
        self.ok(name, *arguments, byref(count), None)
        items = (kind * count.value)()
        self.ok(name, *arguments, byref(count), items)
        return list(items[:count.value])

    def pairs(self, name, *arguments):
        """Numbers and their values in two calls."""
        ids, values = U(0), U(0)
        self.ok(name, *arguments, None, byref(ids), None, byref(values))
        assert ids.value == values.value > 0, name
        first, second = (U * ids.value)(), (U * values.value)()
        self.ok(name, *arguments, first, byref(ids), second, byref(values))
        return dict(zip(first, second))
