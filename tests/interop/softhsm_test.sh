#!/usr/bin/env bash
# The same keys in Perigee and in SoftHSM2 do the same: signatures without
# randomness are equal, what one signs the other verifies, what one encrypts
# the other decrypts.
. "$(dirname "$0")/common.sh"
need pkcs11-tool openssl
softhsm=/usr/lib/softhsm/libsofthsm2.so
[ -e "$softhsm" ] || { echo "skipped: no SoftHSM2 here"; exit 77; }

mkdir tokens
echo "directories.tokendir = $work/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$work/softhsm2.conf
new_token "$module" ours
new_token "$softhsm" theirs

ours() { p11 "$module" ours "$@"; }
theirs() { p11 "$softhsm" theirs "$@"; }

# The private and the public key of one RSA pair, one EC pair and an AES key.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -outform DER \
  -out rsa.der 2>log
openssl pkey -in rsa.der -inform DER -pubout -outform DER -out rsa.pub
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER \
  -out ec.der 2>log
openssl pkey -in ec.der -inform DER -pubout -outform DER -out ec.pub
head -c 32 /dev/urandom >aes.key
for side in ours theirs; do
  $side --write-object rsa.der --type privkey --id 01 --usage-sign \
    --usage-decrypt >log 2>&1 || { cat log >&2; fail "$side: RSA"; }
  $side --write-object rsa.pub --type pubkey --id 01 --usage-sign \
    --usage-decrypt >log 2>&1 || { cat log >&2; fail "$side: RSA public"; }
  $side --write-object ec.der --type privkey --id 02 --usage-sign \
    >log 2>&1 || { cat log >&2; fail "$side: EC"; }
  $side --write-object ec.pub --type pubkey --id 02 --usage-sign \
    >log 2>&1 || { cat log >&2; fail "$side: EC public"; }
  $side --write-object aes.key --type secrkey --key-type AES:32 --id 03 \
    --usage-decrypt --extractable >log 2>&1 ||
    { cat log >&2; fail "$side: AES"; }
done
echo "a message of some length, to be signed and encrypted" >message

for mechanism in SHA256-RSA-PKCS SHA384-RSA-PKCS SHA512-RSA-PKCS; do
  echo "$mechanism: the signatures are equal"
  for side in ours theirs; do
    $side --sign --mechanism $mechanism --id 01 --input-file message \
      --output-file $side.sig >log 2>&1 || { cat log >&2; fail "$side"; }
  done
  cmp ours.sig theirs.sig || fail $mechanism
done

verify() {  # verify SIDE SIGNATURE MECHANISM ID INPUT
  $1 --verify --mechanism "$3" --id "$4" --input-file "$5" \
    --signature-file "$2" >log 2>&1 || { cat log >&2; fail "$1 verify"; }
  expect "Signature is valid" log
}
echo "SHA256-RSA-PKCS-PSS: each verifies the other's"
ours --sign --mechanism SHA256-RSA-PKCS-PSS --id 01 --input-file message \
  --output-file ours.sig >log 2>&1
theirs --sign --mechanism SHA256-RSA-PKCS-PSS --id 01 --input-file message \
  --output-file theirs.sig >log 2>&1
verify theirs ours.sig SHA256-RSA-PKCS-PSS 01 message
verify ours theirs.sig SHA256-RSA-PKCS-PSS 01 message

echo "ECDSA: each verifies the other's"
openssl dgst -sha256 -binary message >digest
ours --sign --mechanism ECDSA --id 02 --input-file digest \
  --output-file ours.sig >log 2>&1
theirs --sign --mechanism ECDSA --id 02 --input-file digest \
  --output-file theirs.sig >log 2>&1
verify theirs ours.sig ECDSA 02 digest
verify ours theirs.sig ECDSA 02 digest

echo "AES-CBC-PAD: the ciphertexts are equal, each decrypts the other's"
iv=000102030405060708090a0b0c0d0e0f
for side in ours theirs; do
  $side --encrypt --mechanism AES-CBC-PAD --iv $iv --id 03 \
    --input-file message --output-file $side.enc >log 2>&1 ||
    { cat log >&2; fail "$side: encrypt"; }
done
cmp ours.enc theirs.enc || fail "AES-CBC-PAD"
ours --decrypt --mechanism AES-CBC-PAD --iv $iv --id 03 \
  --input-file theirs.enc --output-file ours.dec >log 2>&1
cmp message ours.dec || fail "decrypt"

echo "RSA-PKCS: each decrypts what is for the key"
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -keyform DER -in message \
  -out message.enc
for side in ours theirs; do
  $side --decrypt --mechanism RSA-PKCS --id 01 --input-file message.enc \
    --output-file $side.dec >log 2>&1 || { cat log >&2; fail "$side"; }
  cmp message $side.dec || fail "$side: RSA-PKCS"
done
