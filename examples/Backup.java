// Makes a key, backs it up to the Backup HSM, loses it and restores it.
//
//   SO_PIN=... USER_PIN=... DOMAIN=... \
//     java -cp /usr/share/java/jna.jar Backup.java MODULE
//
// Keys are used as Java programs do it, through SunPKCS11 and its KeyStore; JNA
// (Debian's libjna-java) calls what has no name in Java: initialisation, the
// Backup HSM. Both use one copy of the module, so one login. For 64-bit Linux.
// A partition (slot 0) or Backup HSM (slot 1) that is new is initialised first.
// README.md tells the rest.
import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

public class Backup {
  static final long PARTITION = 0, BACKUP_HSM = 1; // slots
  static final long CKU_SO = 0, CKU_USER = 1;
  static final long CKF_SESSION = 0x4 | 0x2; // serial, read/write
  static final long CKF_TOKEN_INITIALIZED = 0x400;
  static final long CKR_ALREADY_INITIALIZED = 0x191;
  static final long CKA_ID = 0x102;
  static final byte[] MESSAGE = bytes("a message");

  // A CK_ULONG is a long.
  interface Pkcs11 extends Library {
    long C_Initialize(Pointer arguments);
    long C_GetTokenInfo(long slot, Pointer info);
    long C_OpenSession(long slot, long flags, Pointer application,
        Pointer notify, LongByReference session);
    long C_CloseSession(long session);
    long C_Login(long session, long user, byte[] pin, long size);
    long C_InitPIN(long session, byte[] pin, long size);
    long C_FindObjectsInit(long session, Pointer template, long count);
    long C_FindObjects(long session, long[] objects, long room,
        LongByReference count);
    long C_FindObjectsFinal(long session);
    long CA_InitToken(long slot, byte[] pin, long pinSize, byte[] label,
        byte[] domain, long domainSize, long partitionPolicyCount,
        Pointer partitionPolicies, long hsmPolicyCount, Pointer hsmPolicies);
    long CA_SetCloningDomain(byte[] domain, long size);
    long CA_CreateContainer(long session, long group, byte[] label,
        long labelSize, byte[] pin, long pinSize, long allOnes1, long allOnes2,
        long zero1, long zero2, long storage, LongByReference container);
    long CA_OpenSession(long slot, long container, long flags,
        Pointer application, Pointer notify, LongByReference session);
    long CA_CloneObject(long target, long source, long element, long object,
        LongByReference copy);
  }

  // The end of the program; main tells it.
  static class Failure extends Exception {
    Failure(String text) {
      super(text);
    }
  }

  static void check(long rv, String call) throws Failure {
    if (rv != 0) throw new Failure(String.format("%s failed: 0x%08x", call, rv));
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String setting(String name) throws Failure {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) throw new Failure("set " + name);
    return value;
  }

  final String module, userPin;
  final byte[] soPin, domain;
  final Pkcs11 p11;

  Backup(String path) throws Failure {
    module = Path.of(path).toAbsolutePath().toString();
    userPin = setting("USER_PIN");
    soPin = bytes(setting("SO_PIN"));
    domain = bytes(setting("DOMAIN"));
    p11 = Native.load(module, Pkcs11.class);
  }

  long openSession(long slot) throws Failure {
    LongByReference session = new LongByReference();
    check(p11.C_OpenSession(slot, CKF_SESSION, null, null, session),
        "C_OpenSession");
    return session.getValue();
  }

  void login(long session, long user, byte[] pin) throws Failure {
    check(p11.C_Login(session, user, pin, pin.length), "C_Login");
  }

  // False when the token has been initialised before.
  boolean initialise(long slot, String name, byte[] domain) throws Failure {
    Memory info = new Memory(208); // CK_TOKEN_INFO; the flags are at 96
    check(p11.C_GetTokenInfo(slot, info), "C_GetTokenInfo");
    if ((info.getLong(96) & CKF_TOKEN_INITIALIZED) != 0) return false;
    byte[] label = bytes(String.format("%-32s", name));
    check(p11.CA_InitToken(slot, soPin, soPin.length, label, domain,
            domain == null ? 0 : domain.length, 0, null, 0, null),
        "CA_InitToken");
    return true;
  }

  void initialiseBoth() throws Failure {
    if (initialise(PARTITION, "example", domain)) {
      long so = openSession(PARTITION);
      login(so, CKU_SO, soPin);
      byte[] pin = bytes(userPin);
      check(p11.C_InitPIN(so, pin, pin.length), "C_InitPIN");
      check(p11.C_CloseSession(so), "C_CloseSession");
      System.out.println("initialised the partition in slot 0");
    }
    if (initialise(BACKUP_HSM, "backup", null)) {
      System.out.println("initialised the Backup HSM in slot 1");
    }
  }

  // --- keys, through SunPKCS11 ---

  Provider provider() {
    // "--": the configuration itself, not the name of a file.
    return Security.getProvider("SunPKCS11").configure(
        "--name = Perigee\nlibrary = " + module + "\nslot = " + PARTITION);
  }

  KeyStore keys(Provider provider) throws Exception {
    KeyStore keys = KeyStore.getInstance("PKCS11", provider);
    keys.load(null, userPin.toCharArray());
    return keys;
  }

  // keytool makes the key in the HSM and a certificate, without which a
  // KeyStore shows no key.
  void makeKey(String alias) throws Exception {
    Process keytool = new ProcessBuilder(
        Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
        "-genkeypair", "-alias", alias, "-keyalg", "EC", "-groupname",
        "secp256r1", "-dname", "CN=example", "-keystore", "NONE", "-storetype",
        "PKCS11", "-storepass:env", "USER_PIN", "-addprovider", "SunPKCS11",
        "-providerArg", "--name = Perigee\nlibrary = " + module + "\nslot = "
            + PARTITION, "-providerName", "SunPKCS11-Perigee")
        .inheritIO().start();
    if (keytool.waitFor() != 0) throw new Failure("keytool failed");
  }

  byte[] sign(KeyStore keys, Provider provider, String alias) throws Exception {
    Signature signature = Signature.getInstance("SHA256withECDSA", provider);
    PrivateKey key = (PrivateKey) keys.getKey(alias, null);
    if (key == null) throw new Failure("no key " + alias);
    signature.initSign(key);
    signature.update(MESSAGE);
    return signature.sign();
  }

  void verify(KeyStore keys, String alias, byte[] given) throws Exception {
    Signature signature = Signature.getInstance("SHA256withECDSA");
    signature.initVerify(keys.getCertificate(alias).getPublicKey());
    signature.update(MESSAGE);
    if (!signature.verify(given)) throw new Failure("a signature is wrong");
  }

  // --- the Backup HSM, through JNA ---

  // A KeyStore gives the objects of an entry its alias as CKA_ID.
  List<Long> objectsOf(long session, String alias) throws Failure {
    byte[] id = bytes(alias);
    Memory value = new Memory(id.length), template = new Memory(24);
    value.write(0, id, 0, id.length);
    template.setLong(0, CKA_ID);
    template.setPointer(8, value);
    template.setLong(16, id.length);
    check(p11.C_FindObjectsInit(session, template, 1), "C_FindObjectsInit");
    long[] found = new long[16];
    LongByReference count = new LongByReference();
    check(p11.C_FindObjects(session, found, found.length, count),
        "C_FindObjects");
    check(p11.C_FindObjectsFinal(session), "C_FindObjectsFinal");
    List<Long> objects = new ArrayList<>();
    for (int i = 0; i < count.getValue(); ++i) objects.add(found[i]);
    return objects;
  }

  List<Long> clone(long target, long source, List<Long> objects)
      throws Failure {
    List<Long> copies = new ArrayList<>();
    for (long object : objects) {
      LongByReference copy = new LongByReference();
      check(p11.CA_CloneObject(target, source, 0, object, copy),
          "CA_CloneObject");
      copies.add(copy.getValue());
    }
    return copies;
  }

  // A session in a new partition of the Backup HSM.
  long newBackup(String name) throws Failure {
    long so = openSession(BACKUP_HSM);
    login(so, CKU_SO, soPin);
    check(p11.CA_SetCloningDomain(domain, domain.length),
        "CA_SetCloningDomain");
    byte[] label = bytes(name), pin = bytes(userPin);
    LongByReference container = new LongByReference();
    check(p11.CA_CreateContainer(so, 0, label, label.length, pin, pin.length,
            -1, -1, 0, 0, 0, container),
        "CA_CreateContainer");
    LongByReference backup = new LongByReference();
    check(p11.CA_OpenSession(BACKUP_HSM, container.getValue(), CKF_SESSION,
            null, null, backup),
        "CA_OpenSession");
    login(backup.getValue(), CKU_USER, pin);
    return backup.getValue();
  }

  void run() throws Exception {
    long rv = p11.C_Initialize(null);
    if (rv != CKR_ALREADY_INITIALIZED) check(rv, "C_Initialize");
    initialiseBoth();

    String alias = "example-" + Instant.now().toEpochMilli();
    makeKey(alias);
    Provider provider = provider();
    KeyStore keys = keys(provider); // this logs in
    byte[] signature = sign(keys, provider, alias);
    System.out.println("made a key and signed with it");

    long session = openSession(PARTITION);
    List<Long> objects = objectsOf(session, alias);
    long backup = newBackup(alias);
    List<Long> copies = clone(backup, session, objects);
    System.out.println("backed it up to partition " + alias);

    keys.deleteEntry(alias);
    if (!objectsOf(session, alias).isEmpty()) {
      throw new Failure("the key is still there");
    }
    System.out.println("destroyed it");

    clone(session, backup, copies);
    keys = keys(provider);
    verify(keys, alias, signature);
    verify(keys, alias, sign(keys, provider, alias));
    System.out.println("restored it: the old signature and a new one verify");
  }

  public static void main(String[] arguments) {
    try {
      if (arguments.length != 1) throw new Failure("usage: Backup MODULE");
      new Backup(arguments[0]).run();
    } catch (Exception | UnsatisfiedLinkError error) {
      System.err.println("Backup: " + (error instanceof Failure
              ? error.getMessage() : error));
      System.exit(1);
    }
  }
}
