#!/usr/bin/env bash
# Every kind of key that pkcs11-tool knows: made, listed, used, wrapped,
# unwrapped, derived; and its other test programs. In a partition of the legacy
# profile only what needs it.
. "$(dirname "$0")/common.sh"
need pkcs11-tool openssl

cat >perigee.toml <<'TOML'
[[hsm]]
name = "app"
kind = "application"
kdf_cost = "test"
[[hsm.partition]]
[[hsm.partition]]
profile = "legacy"
TOML

new_token "$module" keys
pkcs11-tool --module "$module" --init-token --slot-index 1 --label old \
  --so-pin "$so_pin" >log 2>&1 || { cat log >&2; fail "init-token"; }
pkcs11-tool --module "$module" --token-label old --login --login-type so \
  --so-pin "$so_pin" --init-pin --pin "$pin" >log 2>&1 || fail "init-pin"
echo "a message of some length" >message
head -c 32 /dev/urandom >blocks

echo "key pairs of every kind sign, and OpenSSL verifies"
# Kind, mechanism, how openssl verifies. pkcs11-tool 0.23 cannot read a public
# key on P-384, whoever made it.
id=10
while read -r kind mechanism verify; do
  id=$((id + 1))
  quietly p11 "$module" keys --keypairgen --key-type "$kind" --id $id \
    --label "$kind"
  quietly p11 "$module" keys --list-objects --id $id
  quietly p11 "$module" keys --sign --mechanism "$mechanism" --id $id \
    --signature-format openssl --input-file message --output-file sig
  quietly p11 "$module" keys --verify --mechanism "$mechanism" --id $id \
    --signature-format openssl --input-file message --signature-file sig
  [ "$verify" != none ] || continue
  quietly pkcs11-tool --module "$module" --token-label keys --read-object \
    --type pubkey --id $id --output-file key.der
  # shellcheck disable=SC2086
  quietly openssl dgst $verify -verify key.der \
    -keyform DER -signature sig message
done <<'KINDS'
rsa:2048 SHA256-RSA-PKCS -sha256
rsa:3072 SHA512-RSA-PKCS -sha512
rsa:4096 SHA3-256-RSA-PKCS none
EC:prime256v1 ECDSA-SHA256 -sha256
EC:secp384r1 ECDSA-SHA384 none
EC:secp521r1 ECDSA-SHA512 -sha512
EC:secp256k1 ECDSA-SHA256 -sha256
EC:brainpoolP256r1 ECDSA-SHA256 -sha256
EC:brainpoolP512r1 ECDSA-SHA512 -sha512
EC:secp224r1 ECDSA-SHA224 -sha224
KINDS

echo "Ed25519 signs"
quietly p11 "$module" keys --keypairgen --key-type EC:edwards25519 --id 30
quietly p11 "$module" keys --sign --mechanism EDDSA --id 30 \
  --input-file message --output-file sig
[ "$(stat -c %s sig)" = 64 ] || fail "an Ed25519 signature has 64 bytes"

# pkcs11-tool 0.23 asks for curve25519 with a string longer than its bytes.
refused p11 "$module" keys --keypairgen --key-type EC:curve25519 --id 31 \
  --usage-derive
expect CKR_DOMAIN_PARAMS_INVALID log

echo "secret keys of every kind are made, and encrypt"
for kind in AES:16 AES:24 AES:32 GENERIC:32; do
  id=$((id + 1))
  quietly p11 "$module" keys --keygen --key-type "$kind" --id $id \
    --label "$kind"
done
iv=000102030405060708090a0b0c0d0e0f
quietly p11 "$module" keys --keygen --key-type AES:32 --id 40 \
  --usage-decrypt --label cipher
for mechanism in AES-CBC AES-CBC-PAD AES-ECB; do
  given=(--mechanism "$mechanism")
  [ "$mechanism" = AES-ECB ] || given+=(--iv "$iv")
  quietly p11 "$module" keys --encrypt "${given[@]}" --id 40 \
    --input-file blocks --output-file encrypted
  quietly p11 "$module" keys --decrypt "${given[@]}" --id 40 \
    --input-file encrypted --output-file decrypted
  cmp blocks decrypted || fail "$mechanism"
done

echo "HMAC signs and verifies"
quietly p11 "$module" keys --keygen --key-type GENERIC:32 --id 41 \
  --usage-sign --label mac
quietly p11 "$module" keys --sign --mechanism SHA256-HMAC --id 41 \
  --input-file message --output-file mac
[ "$(stat -c %s mac)" = 32 ] || fail "SHA256-HMAC"

echo "digests are OpenSSL's"
for hash in SHA-1:sha1 SHA224:sha224 SHA256:sha256 SHA384:sha384 SHA512:sha512 \
  SHA3-256:sha3-256; do
  quietly pkcs11-tool --module "$module" --token-label keys --hash \
    --mechanism "${hash%:*}" --input-file message --output-file digest
  openssl dgst "-${hash#*:}" -binary message | cmp - digest ||
    fail "${hash%:*}"
done

# pkcs11-tool 0.23 gives C_UnwrapKey no parameters for OAEP.
echo "a key that OpenSSL wrapped under RSA is unwrapped and used"
quietly p11 "$module" keys --keypairgen --key-type rsa:2048 --id 50 \
  --usage-wrap
quietly pkcs11-tool --module "$module" --token-label keys --read-object \
  --type pubkey --id 50 --output-file wrap.der
head -c 32 /dev/urandom >secret
openssl pkeyutl -encrypt -pubin -inkey wrap.der -keyform DER \
  -in secret -out wrapped
quietly p11 "$module" keys --unwrap --mechanism RSA-PKCS --id 50 \
  --input-file wrapped --key-type AES: --application-id 51 --application-label unwrapped \
  --extractable
quietly p11 "$module" keys --encrypt --mechanism AES-ECB --id 51 \
  --input-file blocks --output-file encrypted
openssl enc -aes-256-ecb -nopad -K "$(od -An -v -tx1 secret | tr -d ' \n')" \
  -in blocks | cmp - encrypted || fail "the unwrapped key is another one"

echo "and wrapped under RSA it comes out for OpenSSL"
openssl genrsa -out kek.pem 2048 2>log
openssl rsa -in kek.pem -pubout -outform DER -out kek.der 2>log
quietly p11 "$module" keys --write-object kek.der --type pubkey --id 52 \
  --usage-wrap
quietly p11 "$module" keys --wrap --mechanism RSA-PKCS --id 52 \
  --application-id 51 --output-file wrapped
openssl pkeyutl -decrypt -inkey kek.pem -in wrapped | cmp - secret ||
  fail "the wrapped key is another one"

echo "AES-CBC wraps in the legacy profile only"
for token in keys old; do
  quietly p11 "$module" "$token" --keygen --key-type AES:32 --id 60 \
    --usage-wrap --label kek
  quietly p11 "$module" "$token" --keygen --key-type GENERIC:32 --id 61 \
    --extractable --label victim
done
refused p11 "$module" keys --wrap --mechanism AES-CBC-PAD --iv "$iv" --id 60 \
  --application-id 61 --output-file wrapped
quietly p11 "$module" old --wrap --mechanism AES-CBC-PAD --iv "$iv" --id 60 \
  --application-id 61 --output-file wrapped
quietly p11 "$module" old --unwrap --mechanism AES-CBC-PAD --iv "$iv" --id 60 \
  --input-file wrapped --key-type GENERIC: --application-id 62

echo "MD5 and single DES are there in the legacy profile only"
refused pkcs11-tool --module "$module" --token-label keys --hash \
  --mechanism MD5 --input-file message --output-file digest
quietly pkcs11-tool --module "$module" --token-label old --hash \
  --mechanism MD5 --input-file message --output-file digest
openssl dgst -md5 -binary message | cmp - digest || fail "MD5"
refused p11 "$module" keys --keygen --key-type DES:8 --id 70
quietly p11 "$module" old --keygen --key-type DES:8 --id 70
quietly p11 "$module" old --keygen --key-type DES3:24 --id 71
quietly p11 "$module" keys --keygen --key-type DES3:24 --id 71

# --test-ec makes token objects in a read-only session.
echo "random numbers, forks, threads, the whole test in the legacy profile"
quietly pkcs11-tool --module "$module" --token-label keys \
  --generate-random 64 --output-file random
[ "$(stat -c %s random)" = 64 ] || fail "random"
quietly pkcs11-tool --module "$module" --test-fork
quietly pkcs11-tool --module "$module" --test-threads IN --test-threads IN \
  --list-slots
quietly p11 "$module" old --keypairgen --key-type rsa:2048 --id 81
quietly p11 "$module" old --test
expect "No errors" log
