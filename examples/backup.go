// Makes a key, backs it up to the Backup HSM, loses it and restores it.
//
//	export CGO_LDFLAGS=/usr/lib/x86_64-linux-gnu/pkcs11/libperigee.so
//	go build backup.go
//	SO_PIN=... USER_PIN=... DOMAIN=... ./backup
//
// With cgo and the installed headers, linked with the module. A partition
// (slot 0) or Backup HSM (slot 1) that is new is initialised first. README.md
// tells the rest.
package main

// #cgo CFLAGS: -I/usr/include/nss -I/usr/include/nspr
// #include <stdlib.h>
// #include <pkcs11.h>
// #include <perigee/luna_ca.h>
import "C"

import (
	"fmt"
	"os"
	"time"
	"unsafe"
)

const (
	partition = 0 // slots
	backupHSM = 1
	readWrite = C.CKF_SERIAL_SESSION | C.CKF_RW_SESSION
	allOnes   = ^C.CK_ULONG(0)
)

// Bytes in C's memory: C may not keep pointers into Go's.
type cBytes struct {
	data *C.CK_BYTE
	size C.CK_ULONG
}

func toC(b []byte) cBytes {
	return cBytes{(*C.CK_BYTE)(C.CBytes(b)), C.CK_ULONG(len(b))}
}

// The end of every failure.
func fail(text string) {
	fmt.Fprintln(os.Stderr, "backup:", text)
	os.Exit(1)
}

func check(rv C.CK_RV, call string) {
	if rv != C.CKR_OK {
		fail(fmt.Sprintf("%s failed: 0x%08x", call, uint64(rv)))
	}
}

// A password or the domain.
func setting(name string) cBytes {
	value := os.Getenv(name)
	if value == "" {
		fail("set " + name)
	}
	return toC([]byte(value))
}

func openSession(slot C.CK_SLOT_ID, user C.CK_USER_TYPE, pin cBytes) C.CK_SESSION_HANDLE {
	var session C.CK_SESSION_HANDLE
	check(C.C_OpenSession(slot, readWrite, nil, nil, &session), "C_OpenSession")
	check(C.C_Login(session, user, pin.data, pin.size), "C_Login")
	return session
}

// False when the token has been initialised before.
func initialise(slot C.CK_SLOT_ID, name string, soPin, domain cBytes) bool {
	var token C.CK_TOKEN_INFO
	check(C.C_GetTokenInfo(slot, &token), "C_GetTokenInfo")
	if token.flags&C.CKF_TOKEN_INITIALIZED != 0 {
		return false
	}
	label := toC([]byte(fmt.Sprintf("%-32s", name)))
	defer C.free(unsafe.Pointer(label.data))
	check(C.CA_InitToken(slot, soPin.data, soPin.size, label.data, domain.data,
		domain.size, 0, nil, 0, nil), "CA_InitToken")
	return true
}

// Templates, in C's memory too.
type attribute struct {
	kind  C.CK_ATTRIBUTE_TYPE
	value []byte
}

func template(rows ...attribute) (*C.CK_ATTRIBUTE, C.CK_ULONG) {
	size := C.size_t(len(rows)) * C.sizeof_CK_ATTRIBUTE
	first := (*C.CK_ATTRIBUTE)(C.malloc(size))
	table := unsafe.Slice(first, len(rows))
	for i, row := range rows {
		value := toC(row.value)
		table[i] = C.CK_ATTRIBUTE{_type: row.kind,
			pValue: C.CK_VOID_PTR(value.data), ulValueLen: value.size}
	}
	return first, C.CK_ULONG(len(rows))
}

func free(first *C.CK_ATTRIBUTE, count C.CK_ULONG) {
	for _, row := range unsafe.Slice(first, int(count)) {
		C.free(unsafe.Pointer(row.pValue))
	}
	C.free(unsafe.Pointer(first))
}

type keyPair struct {
	public, private C.CK_OBJECT_HANDLE
}

func makeKey(session C.CK_SESSION_HANDLE) keyPair {
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	yes := []byte{C.CK_TRUE}
	token := attribute{C.CKA_TOKEN, yes}
	label := attribute{C.CKA_LABEL, []byte("example")}
	forPublic, publicCount := template(attribute{C.CKA_EC_PARAMS, p256},
		attribute{C.CKA_VERIFY, yes}, token, label)
	defer free(forPublic, publicCount)
	forPrivate, privateCount := template(attribute{C.CKA_SIGN, yes}, token, label)
	defer free(forPrivate, privateCount)

	generate := C.CK_MECHANISM{mechanism: C.CKM_EC_KEY_PAIR_GEN}
	var pair keyPair
	check(C.C_GenerateKeyPair(session, &generate, forPublic, publicCount,
		forPrivate, privateCount, &pair.public, &pair.private),
		"C_GenerateKeyPair")
	return pair
}

func pointer(b []byte) *C.CK_BYTE { return (*C.CK_BYTE)(&b[0]) }

func sign(session C.CK_SESSION_HANDLE, key C.CK_OBJECT_HANDLE, message []byte) []byte {
	ecdsa := C.CK_MECHANISM{mechanism: C.CKM_ECDSA_SHA256}
	signature := make([]byte, 64)
	size := C.CK_ULONG(len(signature))
	check(C.C_SignInit(session, &ecdsa, key), "C_SignInit")
	check(C.C_Sign(session, pointer(message), C.CK_ULONG(len(message)),
		pointer(signature), &size), "C_Sign")
	return signature[:size]
}

func verify(session C.CK_SESSION_HANDLE, key C.CK_OBJECT_HANDLE, message, signature []byte) {
	ecdsa := C.CK_MECHANISM{mechanism: C.CKM_ECDSA_SHA256}
	check(C.C_VerifyInit(session, &ecdsa, key), "C_VerifyInit")
	check(C.C_Verify(session, pointer(message), C.CK_ULONG(len(message)),
		pointer(signature), C.CK_ULONG(len(signature))), "C_Verify")
}

func clone(target, source C.CK_SESSION_HANDLE, pair keyPair) keyPair {
	var twin keyPair
	check(C.CA_CloneObject(target, source, 0, pair.public, &twin.public),
		"CA_CloneObject")
	check(C.CA_CloneObject(target, source, 0, pair.private, &twin.private),
		"CA_CloneObject")
	return twin
}

// A session in a new partition of the Backup HSM.
func newBackup(name string, soPin, userPin, domain cBytes) C.CK_SESSION_HANDLE {
	so := openSession(backupHSM, C.CKU_SO, soPin)
	label := toC([]byte(name))
	defer C.free(unsafe.Pointer(label.data))
	var container C.CK_ULONG
	var backup C.CK_SESSION_HANDLE
	check(C.CA_SetCloningDomain(domain.data, domain.size), "CA_SetCloningDomain")
	check(C.CA_CreateContainer(so, 0, label.data, label.size, userPin.data,
		userPin.size, allOnes, allOnes, 0, 0, 0, &container),
		"CA_CreateContainer")
	check(C.CA_OpenSession(backupHSM, container, readWrite, nil, nil, &backup),
		"CA_OpenSession")
	check(C.C_Login(backup, C.CKU_USER, userPin.data, userPin.size), "C_Login")
	return backup
}

func main() {
	soPin, userPin := setting("SO_PIN"), setting("USER_PIN")
	domain := setting("DOMAIN")
	check(C.C_Initialize(nil), "C_Initialize")

	if initialise(partition, "example", soPin, domain) {
		so := openSession(partition, C.CKU_SO, soPin)
		check(C.C_InitPIN(so, userPin.data, userPin.size), "C_InitPIN")
		check(C.C_CloseSession(so), "C_CloseSession")
		fmt.Println("initialised the partition in slot 0")
	}
	if initialise(backupHSM, "backup", soPin, cBytes{}) {
		fmt.Println("initialised the Backup HSM in slot 1")
	}

	session := openSession(partition, C.CKU_USER, userPin)
	key := makeKey(session)
	message := []byte("a message")
	signature := sign(session, key.private, message)
	fmt.Println("made a key and signed with it")

	name := fmt.Sprintf("example-%d", time.Now().UnixMilli())
	backup := newBackup(name, soPin, userPin, domain)
	twin := clone(backup, session, key)
	fmt.Println("backed it up to partition", name)

	check(C.C_DestroyObject(session, key.public), "C_DestroyObject")
	check(C.C_DestroyObject(session, key.private), "C_DestroyObject")
	fmt.Println("destroyed it")

	restored := clone(session, backup, twin)
	verify(session, restored.public, message, signature)
	verify(session, restored.public, message, sign(session, restored.private, message))
	fmt.Println("restored it: the old signature and a new one verify")
	check(C.C_Finalize(nil), "C_Finalize")
}
