// Makes a key, backs it up to the Backup HSM, loses it and restores it.
//
//   MODULE=/usr/lib/x86_64-linux-gnu/pkcs11/libperigee.so
//   rustc --edition 2021 backup.rs -C link-arg=$MODULE
//   SO_PIN=... USER_PIN=... DOMAIN=... ./backup
//
// Without a crate: linked with the module, for 64-bit Linux. A partition (slot
// 0) or Backup HSM (slot 1) that is new is initialised first. README.md tells
// the rest.
use std::ffi::c_void;
use std::os::unix::ffi::OsStringExt;
use std::ptr::null;
use std::time::{SystemTime, UNIX_EPOCH};

const PARTITION: u64 = 0; // slots
const BACKUP_HSM: u64 = 1;
const CKU_SO: u64 = 0;
const CKU_USER: u64 = 1;
const CKF_SESSION: u64 = 0x4 | 0x2; // serial, read/write
const CKF_TOKEN_INITIALIZED: u64 = 0x400;
const CKM_EC_KEY_PAIR_GEN: u64 = 0x1040;
const CKM_ECDSA_SHA256: u64 = 0x1044;
const CKA_TOKEN: u64 = 0x1;
const CKA_LABEL: u64 = 0x3;
const CKA_SIGN: u64 = 0x108;
const CKA_VERIFY: u64 = 0x10A;
const CKA_EC_PARAMS: u64 = 0x180;
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const YES: &[u8] = &[1];

#[repr(C)]
struct Attribute {
    kind: u64,
    value: *const u8,
    size: u64,
}

#[repr(C)]
struct Mechanism {
    kind: u64,
    parameter: *const c_void,
    size: u64,
}

#[repr(C)]
struct TokenInfo {
    names: [u8; 96],
    flags: u64,
    rest: [u8; 104],
}

extern "C" {
    fn C_Initialize(arguments: *const c_void) -> u64;
    fn C_Finalize(reserved: *const c_void) -> u64;
    fn C_GetTokenInfo(slot: u64, info: *mut TokenInfo) -> u64;
    fn C_OpenSession(slot: u64, flags: u64, application: *const c_void, notify: *const c_void, session: *mut u64) -> u64;
    fn C_CloseSession(session: u64) -> u64;
    fn C_Login(session: u64, user: u64, pin: *const u8, pin_size: u64) -> u64;
    fn C_InitPIN(session: u64, pin: *const u8, pin_size: u64) -> u64;
    fn C_GenerateKeyPair(
        session: u64,
        mechanism: *const Mechanism,
        for_public: *const Attribute,
        public_count: u64,
        for_private: *const Attribute,
        private_count: u64,
        public: *mut u64,
        private: *mut u64,
    ) -> u64;
    fn C_SignInit(session: u64, mechanism: *const Mechanism, key: u64) -> u64;
    fn C_Sign(session: u64, data: *const u8, data_size: u64, signature: *mut u8, size: *mut u64) -> u64;
    fn C_VerifyInit(session: u64, mechanism: *const Mechanism, key: u64) -> u64;
    fn C_Verify(session: u64, data: *const u8, data_size: u64, signature: *const u8, size: u64) -> u64;
    fn C_DestroyObject(session: u64, object: u64) -> u64;
    fn CA_InitToken(
        slot: u64,
        pin: *const u8,
        pin_size: u64,
        label: *const u8,
        domain: *const u8,
        domain_size: u64,
        partition_policy_count: u64,
        partition_policies: *const c_void,
        hsm_policy_count: u64,
        hsm_policies: *const c_void,
    ) -> u64;
    fn CA_SetCloningDomain(domain: *const u8, size: u64) -> u64;
    fn CA_CreateContainer(
        session: u64,
        group: u64,
        label: *const u8,
        label_size: u64,
        pin: *const u8,
        pin_size: u64,
        all_ones1: u64,
        all_ones2: u64,
        zero1: u64,
        zero2: u64,
        storage: u64,
        container: *mut u64,
    ) -> u64;
    fn CA_OpenSession(
        slot: u64,
        container: u64,
        flags: u64,
        application: *const c_void,
        notify: *const c_void,
        session: *mut u64,
    ) -> u64;
    fn CA_CloneObject(target: u64, source: u64, element: u64, object: u64, copy: *mut u64) -> u64;
}

type Result<T> = std::result::Result<T, String>;

fn check(rv: u64, call: &str) -> Result<()> {
    if rv == 0 {
        return Ok(());
    }
    Err(format!("{call} failed: 0x{rv:08x}"))
}

// C_Name(arguments), its failure being that of the function around it.
macro_rules! call {
    ($name:ident ( $($argument:expr),* $(,)? )) => {
        check(unsafe { $name($($argument),*) }, stringify!($name))?
    };
}

fn setting(name: &str) -> Result<Vec<u8>> {
    match std::env::var_os(name) {
        Some(value) if !value.is_empty() => Ok(value.into_vec()),
        _ => Err(format!("set {name}")),
    }
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn attribute(kind: u64, value: &[u8]) -> Attribute {
    Attribute { kind, value: value.as_ptr(), size: size(value) }
}

fn mechanism(kind: u64) -> Mechanism {
    Mechanism { kind, parameter: null(), size: 0 }
}

fn login(session: u64, user: u64, pin: &[u8]) -> Result<()> {
    call!(C_Login(session, user, pin.as_ptr(), size(pin)));
    Ok(())
}

fn open_session(slot: u64, user: u64, pin: &[u8]) -> Result<u64> {
    let mut session = 0;
    call!(C_OpenSession(slot, CKF_SESSION, null(), null(), &mut session));
    login(session, user, pin)?;
    Ok(session)
}

/// False when the token has been initialised before.
fn initialise(slot: u64, label: &str, so_pin: &[u8], domain: &[u8]) -> Result<bool> {
    let mut token = TokenInfo { names: [0; 96], flags: 0, rest: [0; 104] };
    call!(C_GetTokenInfo(slot, &mut token));
    if token.flags & CKF_TOKEN_INITIALIZED != 0 {
        return Ok(false);
    }
    let label = format!("{label:32}");
    let domain_or_null = if domain.is_empty() { null() } else { domain.as_ptr() };
    call!(CA_InitToken(
        slot,
        so_pin.as_ptr(),
        size(so_pin),
        label.as_ptr(),
        domain_or_null,
        size(domain),
        0,
        null(),
        0,
        null(),
    ));
    Ok(true)
}

#[derive(Clone, Copy)]
struct Pair {
    public: u64,
    private: u64,
}

fn make_key(session: u64) -> Result<Pair> {
    let label = attribute(CKA_LABEL, b"example");
    let for_public = [
        attribute(CKA_EC_PARAMS, P256),
        attribute(CKA_VERIFY, YES),
        attribute(CKA_TOKEN, YES),
        attribute(CKA_LABEL, b"example"),
    ];
    let for_private = [attribute(CKA_SIGN, YES), attribute(CKA_TOKEN, YES), label];
    let mut pair = Pair { public: 0, private: 0 };
    call!(C_GenerateKeyPair(
        session,
        &mechanism(CKM_EC_KEY_PAIR_GEN),
        for_public.as_ptr(),
        for_public.len() as u64,
        for_private.as_ptr(),
        for_private.len() as u64,
        &mut pair.public,
        &mut pair.private,
    ));
    Ok(pair)
}

fn sign(session: u64, key: u64, message: &[u8]) -> Result<[u8; 64]> {
    let mut signature = [0; 64];
    let mut room = size(&signature);
    call!(C_SignInit(session, &mechanism(CKM_ECDSA_SHA256), key));
    call!(C_Sign(session, message.as_ptr(), size(message), signature.as_mut_ptr(), &mut room));
    Ok(signature)
}

fn verify(session: u64, key: u64, message: &[u8], signature: &[u8]) -> Result<()> {
    call!(C_VerifyInit(session, &mechanism(CKM_ECDSA_SHA256), key));
    call!(C_Verify(session, message.as_ptr(), size(message), signature.as_ptr(), size(signature)));
    Ok(())
}

fn clone(target: u64, source: u64, pair: Pair) -> Result<Pair> {
    let mut copy = Pair { public: 0, private: 0 };
    call!(CA_CloneObject(target, source, 0, pair.public, &mut copy.public));
    call!(CA_CloneObject(target, source, 0, pair.private, &mut copy.private));
    Ok(copy)
}

/// A session in a new partition of the Backup HSM.
fn new_backup(name: &str, so_pin: &[u8], user_pin: &[u8], domain: &[u8]) -> Result<u64> {
    let so = open_session(BACKUP_HSM, CKU_SO, so_pin)?;
    call!(CA_SetCloningDomain(domain.as_ptr(), size(domain)));
    let (mut container, mut backup) = (0, 0);
    call!(CA_CreateContainer(
        so,
        0,
        name.as_ptr(),
        size(name.as_bytes()),
        user_pin.as_ptr(),
        size(user_pin),
        u64::MAX,
        u64::MAX,
        0,
        0,
        0,
        &mut container,
    ));
    call!(CA_OpenSession(BACKUP_HSM, container, CKF_SESSION, null(), null(), &mut backup));
    login(backup, CKU_USER, user_pin)?;
    Ok(backup)
}

fn run() -> Result<()> {
    let (so_pin, user_pin) = (setting("SO_PIN")?, setting("USER_PIN")?);
    let domain = setting("DOMAIN")?;
    call!(C_Initialize(null()));

    if initialise(PARTITION, "example", &so_pin, &domain)? {
        let so = open_session(PARTITION, CKU_SO, &so_pin)?;
        call!(C_InitPIN(so, user_pin.as_ptr(), size(&user_pin)));
        call!(C_CloseSession(so));
        println!("initialised the partition in slot 0");
    }
    if initialise(BACKUP_HSM, "backup", &so_pin, b"")? {
        println!("initialised the Backup HSM in slot 1");
    }

    let session = open_session(PARTITION, CKU_USER, &user_pin)?;
    let key = make_key(session)?;
    let message = b"a message";
    let signature = sign(session, key.private, message)?;
    println!("made a key and signed with it");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("example-{}", now.as_millis());
    let backup = new_backup(&name, &so_pin, &user_pin, &domain)?;
    let copy = clone(backup, session, key)?;
    println!("backed it up to partition {name}");

    call!(C_DestroyObject(session, key.public));
    call!(C_DestroyObject(session, key.private));
    println!("destroyed it");

    let restored = clone(session, backup, copy)?;
    verify(session, restored.public, message, &signature)?;
    verify(session, restored.public, message, &sign(session, restored.private, message)?)?;
    println!("restored it: the old signature and a new one verify");
    call!(C_Finalize(null()));
    Ok(())
}

fn main() {
    if let Err(text) = run() {
        eprintln!("backup: {text}");
        std::process::exit(1);
    }
}
