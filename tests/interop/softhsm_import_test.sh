#!/usr/bin/env bash
# A SoftHSM2 token is imported with all that can be: keys sign, open and verify
# what the old token made; what cannot be imported is told.
# shellcheck source=tests/interop/common.sh
source "$(dirname "$0")/common.sh"
need pkcs11-tool softhsm2-util openssl
shell=$(dirname "$module")/perigee
old=/usr/lib/softhsm/libsofthsm2.so
[ -r "$old" ] || { echo "skipped: no $old"; exit 77; }

mkdir tokens
export SOFTHSM2_CONF=$work/softhsm2.conf PERIGEE_MODULE=$module
printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$work/tokens" \
  >softhsm2.conf
softhsm2-util --init-token --free --label old --so-pin "$so_pin" \
  --pin "$pin" >/dev/null
p11 "$old" old --keypairgen --key-type rsa:2048 --id 01 --label rsa --private \
  >/dev/null 2>&1
p11 "$old" old --keypairgen --key-type EC:prime256v1 --id 02 --label ec \
  --private >/dev/null 2>&1
p11 "$old" old --keypairgen --key-type EC:secp384r1 --id 03 --label ec384 \
  --private >/dev/null 2>&1
# A SoftHSM2 key that may be read shows what the import has to give.
head -c 32 /dev/urandom >aes.bin
p11 "$old" old --write-object aes.bin --type secrkey --key-type AES:32 \
  --id 04 --label aes --private --sensitive >/dev/null 2>&1 ||
  p11 "$old" old --keygen --key-type AES:32 --id 04 --label aes --private \
    --sensitive >/dev/null 2>&1
echo "private data" >data
p11 "$old" old --write-object data --type data --label data --private \
  >/dev/null 2>&1
openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -outform DER \
  -out cert.der -subj /CN=old -days 2 2>/dev/null
p11 "$old" old --write-object cert.der --type cert --id 01 --label cert \
  >/dev/null 2>&1
head -c 32 /dev/urandom >message
for key in 01:rsa 02:ec; do
  p11 "$old" old --read-object --type pubkey --id "${key%:*}" \
    --output-file "pub-${key#*:}.der" >/dev/null 2>&1
done
head -c 16 /dev/zero >iv
p11 "$old" old --encrypt --id 04 --mechanism AES-CBC-PAD \
  --iv 00000000000000000000000000000000 --input-file message \
  --output-file sealed >/dev/null 2>&1 || true

new_token "$module" new
sessions() {
  "$shell" -c "role login -name co -password $pin" -c "partition import \
-directory $work/tokens -token $1 -pin $2 $3" 2>&1
}
sessions old wrong-pin-0 "" >log && fail "a wrong PIN was taken"
expect "not the user PIN of the SoftHSM2 token" log
sessions none "$pin" "" >log && fail "a token that is not there was found"
expect 'no token "none", but "old"' log
sessions old "$pin" -dryrun >log || { cat log; fail "dry run"; }
expect "9 objects would be imported, 0 left out" log
[ "$(p11 "$module" new -O 2>/dev/null | grep -c 'label:')" -eq 0 ] ||
  fail "a dry run imported"
sessions old "$pin" "" >log || { cat log; fail "import"; }
expect "9 objects imported, 0 left out" log

# The imported keys do what the old ones did.
p11 "$module" new --sign --id 01 --mechanism SHA256-RSA-PKCS \
  --input-file message --output-file sig >/dev/null 2>&1
openssl dgst -sha256 -verify pub-rsa.der -keyform DER -signature sig message \
  >/dev/null || fail "the RSA signature"
p11 "$module" new --sign --id 02 --mechanism ECDSA-SHA256 \
  --signature-format openssl --input-file message --output-file sig \
  >/dev/null 2>&1
openssl dgst -sha256 -verify pub-ec.der -keyform DER -signature sig message \
  >/dev/null || fail "the EC signature"
if [ -s sealed ]; then
  p11 "$module" new --decrypt --id 04 --mechanism AES-CBC-PAD \
    --iv 00000000000000000000000000000000 --input-file sealed \
    --output-file opened >/dev/null 2>&1
  cmp message opened || fail "the AES key"
fi
p11 "$module" new --read-object --type data --label data --private \
  --output-file read >/dev/null 2>&1
cmp data read || fail "the data object"
p11 "$module" new --read-object --type cert --id 01 --output-file read.der \
  >/dev/null 2>&1
cmp cert.der read.der || fail "the certificate"
# What was sensitive stays so.
p11 "$module" new -O --type privkey >objects 2>/dev/null
expect "sensitive" objects

# A damaged object is told and the others are imported.
victim=$(find "$work/tokens" -name '*.object' ! -name token.object | sort |
  head -n 1)
truncate -s -7 "$victim"
"$shell" -c "role login -name co -password $pin" \
  -c "partition clear -force" >/dev/null
sessions old "$pin" "" >log && fail "a damaged file went unnoticed"
expect "8 objects imported, 1 left out" log
expect "LEFT OUT: $victim" log
echo "a SoftHSM2 token was imported"
