#!/usr/bin/env bash
# pkcs11-tool's own test suite on a token with an RSA and an EC key, and what
# its other commands do with keys, certificates and data.
. "$(dirname "$0")/common.sh"
need pkcs11-tool openssl

new_token "$module" interop

# --test also runs RSA without padding, for which a key must name it.
mechanisms=RSA-X-509,RSA-PKCS,RSA-PKCS-OAEP,RSA-PKCS-PSS
for hash in SHA1 SHA224 SHA256 SHA384 SHA512; do
  mechanisms+=,$hash-RSA-PKCS,$hash-RSA-PKCS-PSS
done
p11 "$module" interop --keypairgen --key-type rsa:2048 --id 01 --label rsa \
  --allowed-mechanisms "$mechanisms" >log 2>&1 ||
  { cat log >&2; fail "RSA key pair"; }
p11 "$module" interop --keypairgen --key-type EC:secp384r1 --id 02 --label ec \
  >log 2>&1 || { cat log >&2; fail "EC key pair"; }
p11 "$module" interop --keygen --key-type AES:32 --id 03 --label aes \
  >log 2>&1 || { cat log >&2; fail "AES key"; }

echo "pkcs11-tool --test"
p11 "$module" interop --test >log 2>&1 || { cat log >&2; fail "--test"; }
expect "No errors" log

echo "objects are listed with their kind and access"
p11 "$module" interop --list-objects >log 2>&1
expect "Private Key Object; RSA" log
expect "Private Key Object; EC" log
expect "Secret Key Object; AES length 32" log
expect "sensitive, always sensitive, never extractable, local" log

echo "mechanisms are listed"
pkcs11-tool --module "$module" --list-mechanisms >log 2>&1
expect "ECDSA-SHA256" log
expect "RSA-PKCS-OAEP" log

echo "RSA signatures verify with OpenSSL"
echo "a message" >message
p11 "$module" interop --sign --mechanism SHA256-RSA-PKCS --id 01 \
  --input-file message --output-file message.sig 2>log
pkcs11-tool --module "$module" --token-label interop --read-object \
  --type pubkey --id 01 --output-file rsa.der 2>log
openssl dgst -sha256 -verify rsa.der -keyform DER -signature message.sig \
  message >log || fail "the signature does not verify"

echo "RSA-PSS signatures verify with OpenSSL"
p11 "$module" interop --sign --mechanism SHA384-RSA-PKCS-PSS --id 01 \
  --input-file message --output-file message.sig 2>log
openssl dgst -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48 \
  -verify rsa.der -keyform DER -signature message.sig message >log ||
  fail "the PSS signature does not verify"

echo "what OpenSSL encrypts for the RSA key is decrypted"
openssl pkeyutl -encrypt -pubin -inkey rsa.der -keyform DER \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
  -in message -out message.enc
p11 "$module" interop --decrypt --mechanism RSA-PKCS-OAEP \
  --hash-algorithm SHA256 --id 01 --input-file message.enc \
  --output-file message.dec 2>log >log
cmp message message.dec || fail "OAEP"

echo "ECDH with OpenSSL gives the same secret on both sides"
openssl ecparam -name prime256v1 -genkey -noout -out peer.pem
openssl ec -in peer.pem -pubout -outform DER -out peer.der 2>log
p11 "$module" interop --keypairgen --key-type EC:prime256v1 --id 04 \
  --usage-derive >log 2>&1
pkcs11-tool --module "$module" --token-label interop --read-object \
  --type pubkey --id 04 --output-file ours.der 2>log
p11 "$module" interop --derive --mechanism ECDH1-DERIVE --id 04 \
  --input-file peer.der --output-file ours.secret >log 2>&1 ||
  { cat log >&2; fail "derive"; }
openssl pkeyutl -derive -inkey peer.pem -peerkey ours.der -peerform DER \
  -out theirs.secret
cmp ours.secret theirs.secret || fail "ECDH"

echo "certificates and data come back as they were"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
  -keyout key.pem -subj /CN=interop -days 10 -out cert.pem 2>log
openssl x509 -in cert.pem -outform DER -out cert.der
p11 "$module" interop --write-object cert.der --type cert --id 05 \
  --label certificate >log 2>&1
pkcs11-tool --module "$module" --token-label interop --read-object \
  --type cert --id 05 --output-file cert2.der 2>log
cmp cert.der cert2.der || fail "certificate"
head -c 3000 /dev/urandom >data
p11 "$module" interop --write-object data --type data --label data \
  >log 2>&1
p11 "$module" interop --read-object --type data --label data \
  --output-file data2 2>log >log
cmp data data2 || fail "data"

echo "imported keys sign"
openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der
p11 "$module" interop --write-object key.der --type privkey --id 05 \
  --usage-sign >log 2>&1 || { cat log >&2; fail "import"; }
p11 "$module" interop --sign --mechanism ECDSA-SHA256 --id 05 \
  --signature-format openssl --input-file message --output-file message.sig \
  2>log
openssl x509 -in cert.pem -noout -pubkey >key.pub
openssl dgst -sha256 -verify key.pub -signature message.sig message >log ||
  fail "the imported key's signature does not verify"

echo "PINs are changed"
pkcs11-tool --module "$module" --token-label interop --login --pin "$pin" \
  --change-pin --new-pin another-pin >log 2>&1 ||
  { cat log >&2; fail "change-pin"; }
pkcs11-tool --module "$module" --token-label interop --login \
  --pin another-pin --list-objects --type privkey >log 2>&1
expect "Private Key Object" log

echo "objects are deleted"
pkcs11-tool --module "$module" --token-label interop --login \
  --pin another-pin --delete-object --type secrkey --id 03 >log 2>&1
pkcs11-tool --module "$module" --token-label interop --login \
  --pin another-pin --list-objects --type secrkey >log 2>&1
! grep -q "Secret Key" log || fail "the key is still there"
