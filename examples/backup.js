#!/usr/bin/env node
// Makes a key, backs it up to the Backup HSM, loses it and restores it.
//
//   cc -shared -fPIC -I/usr/include/node native_call.c -ldl -o native_call.node
//   SO_PIN=... USER_PIN=... DOMAIN=... node backup.js MODULE
//
// With Debian's Node.js alone, for 64-bit Linux. A partition (slot 0) or
// Backup HSM (slot 1) that is new is initialised first. README.md tells the
// rest.
'use strict';
const path = require('path');

const PARTITION = 0, BACKUP_HSM = 1;  // slots
const CKU_SO = 0, CKU_USER = 1;
const CKF_SESSION = 0x4 | 0x2;  // serial, read/write
const CKF_TOKEN_INITIALIZED = 0x400n;
const CKM_EC_KEY_PAIR_GEN = 0x1040, CKM_ECDSA_SHA256 = 0x1044;
const CKA_TOKEN = 0x1, CKA_LABEL = 0x3, CKA_SIGN = 0x108, CKA_VERIFY = 0x10A;
const CKA_EC_PARAMS = 0x180;
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const YES = Buffer.from([1]);
const ALL_ONES = 0xFFFFFFFFFFFFFFFFn;

function fail(text) {
  console.error(`backup.js: ${text}`);
  process.exit(1);
}

function setting(name) {
  return Buffer.from(process.env[name] || fail(`set ${name}`));
}

// native_call.node is where NATIVE_CALL says, or beside this file.
let native;
function load(modulePath) {
  try {
    native = require(process.env.NATIVE_CALL ||
                     path.join(__dirname, 'native_call.node'));
    native.load(modulePath);
  } catch (error) {
    fail(error.message);
  }
}

function call(name, ...values) {
  const rv = native.call(name, ...values);
  if (rv !== 0) fail(`${name} failed: 0x${rv.toString(16).padStart(8, '0')}`);
}

// A CK_ULONG that a function writes.
function place() {
  return Buffer.alloc(8);
}

// CK_ULONGs and pointers one after the other: a structure or an array of such.
function structure(...members) {
  const bytes = Buffer.alloc(8 * members.length);
  members.forEach((member, i) => {
    const number = Buffer.isBuffer(member) ? native.address(member)
                                           : BigInt(member);
    bytes.writeBigUInt64LE(number, 8 * i);
  });
  bytes.members = members;  // live as long as what points to them
  return bytes;
}

function template(rows) {
  return structure(...rows.flatMap(([type, value]) =>
    [type, value, value.length]));
}

function login(session, user, pin) {
  call('C_Login', session, user, pin, pin.length);
}

function openSession(slot, user, pin) {
  const session = place();
  call('C_OpenSession', slot, CKF_SESSION, null, null, session);
  login(session.readBigUInt64LE(), user, pin);
  return session.readBigUInt64LE();
}

// False when the token has been initialised before.
function initialise(slot, label, soPin, domain = Buffer.alloc(0)) {
  const token = Buffer.alloc(208);  // CK_TOKEN_INFO; the flags are at 96
  call('C_GetTokenInfo', slot, token);
  if (token.readBigUInt64LE(96) & CKF_TOKEN_INITIALIZED) return false;
  call('CA_InitToken', slot, soPin, soPin.length,
       Buffer.from(label.padEnd(32)), domain.length > 0 ? domain : null,
       domain.length, 0, null, 0, null);
  return true;
}

function makeKey(session) {
  const common = [[CKA_TOKEN, YES], [CKA_LABEL, Buffer.from('example')]];
  const forPublic = [[CKA_EC_PARAMS, P256], [CKA_VERIFY, YES], ...common];
  const forPrivate = [[CKA_SIGN, YES], ...common];
  const publicKey = place(), privateKey = place();
  call('C_GenerateKeyPair', session, structure(CKM_EC_KEY_PAIR_GEN, 0, 0),
       template(forPublic), forPublic.length, template(forPrivate),
       forPrivate.length, publicKey, privateKey);
  return [publicKey.readBigUInt64LE(), privateKey.readBigUInt64LE()];
}

function sign(session, key, message) {
  const signature = Buffer.alloc(64);
  call('C_SignInit', session, structure(CKM_ECDSA_SHA256, 0, 0), key);
  call('C_Sign', session, message, message.length, signature,
       structure(signature.length));
  return signature;
}

function verify(session, key, message, signature) {
  call('C_VerifyInit', session, structure(CKM_ECDSA_SHA256, 0, 0), key);
  call('C_Verify', session, message, message.length, signature,
       signature.length);
}

function clone(target, source, keys) {
  return keys.map((key) => {
    const copy = place();
    call('CA_CloneObject', target, source, 0, key, copy);
    return copy.readBigUInt64LE();
  });
}

// A session in a new partition of the Backup HSM.
function newBackup(name, soPin, userPin, domain) {
  const so = openSession(BACKUP_HSM, CKU_SO, soPin);
  const container = place(), backup = place();
  call('CA_SetCloningDomain', domain, domain.length);
  call('CA_CreateContainer', so, 0, Buffer.from(name), name.length, userPin,
       userPin.length, ALL_ONES, ALL_ONES, 0, 0, 0, container);
  call('CA_OpenSession', BACKUP_HSM, container.readBigUInt64LE(), CKF_SESSION,
       null, null, backup);
  login(backup.readBigUInt64LE(), CKU_USER, userPin);
  return backup.readBigUInt64LE();
}

function main() {
  if (process.argv.length !== 3) fail('usage: backup.js MODULE');
  const soPin = setting('SO_PIN'), userPin = setting('USER_PIN');
  const domain = setting('DOMAIN');
  load(path.resolve(process.argv[2]));
  call('C_Initialize', null);

  if (initialise(PARTITION, 'example', soPin, domain)) {
    const so = openSession(PARTITION, CKU_SO, soPin);
    call('C_InitPIN', so, userPin, userPin.length);
    call('C_CloseSession', so);
    console.log('initialised the partition in slot 0');
  }
  if (initialise(BACKUP_HSM, 'backup', soPin)) {
    console.log('initialised the Backup HSM in slot 1');
  }

  const session = openSession(PARTITION, CKU_USER, userPin);
  const keys = makeKey(session);  // public, private
  const message = Buffer.from('a message');
  const signature = sign(session, keys[1], message);
  console.log('made a key and signed with it');

  const name = `example-${Date.now()}`;
  const backup = newBackup(name, soPin, userPin, domain);
  const copies = clone(backup, session, keys);
  console.log(`backed it up to partition ${name}`);

  keys.forEach((key) => call('C_DestroyObject', session, key));
  console.log('destroyed it');

  const [publicKey, privateKey] = clone(session, backup, copies);
  verify(session, publicKey, message, signature);
  verify(session, publicKey, message, sign(session, privateKey, message));
  console.log('restored it: the old signature and a new one verify');
  call('C_Finalize', null);
}

main();
