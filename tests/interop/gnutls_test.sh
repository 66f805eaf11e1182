#!/usr/bin/env bash
# GnuTLS: p11tool prepares a token and manages what is in it, certtool signs
# with its keys, and OpenSSL verifies that.
. "$(dirname "$0")/common.sh"
need p11tool certtool openssl

p11t() { p11tool --provider "$module" --batch "$@"; }
export GNUTLS_PIN=$pin GNUTLS_SO_PIN=$so_pin
token=pkcs11:token=gnutls

echo "p11tool prepares the token"
empty=$(p11t --list-token-urls | grep 'model=Perigee' | head -n 1)
quietly p11t --initialize --label gnutls "$empty"
quietly p11t --initialize-pin $token
quietly p11t --list-tokens
grep -A 2 "Label: gnutls" log >ours || fail "the token is not listed"
grep -x "[[:space:]]*Flags: RNG, Requires login" ours >log ||
  fail "the token is not ready"

echo "keys are generated and listed"
quietly p11t --login --generate-privkey rsa --bits 2048 --label rsa --id 01 \
  --outfile rsa.pub $token
quietly p11t --login --generate-privkey ecdsa --curve secp256r1 --label ec \
  --id 02 --outfile ec.pub $token
quietly p11t --login --list-all $token
expect "Type: Private key (RSA-2048)" log
expect "Type: Public key (EC/ECDSA-SECP256R1)" log
quietly p11t --login --list-privkeys $token
[ "$(grep -c CKA_NEVER_EXTRACTABLE log)" = 2 ] ||
  fail "the private keys can be extracted"

cat >ca.cfg <<'CFG'
cn = "authority"
ca
cert_signing_key
expiration_days = 2
CFG
cat >leaf.cfg <<'CFG'
cn = "leaf"
dns_name = localhost
expiration_days = 2
CFG
quietly certtool --generate-privkey --key-type ecdsa --curve secp256r1 \
  --outfile leaf.key
cert() { certtool --provider "$module" "$@"; }
for key in 01:rsa 02:ec; do
  id=${key%:*} key=${key#*:}
  url="$token;object=$key"
  echo "$key: the public key comes out as it was generated"
  quietly p11t --export-pubkey "$url;type=public" --outfile exported.pub
  openssl pkey -pubin -in exported.pub -out exported.pem
  openssl pkey -pubin -in "$key.pub" -out generated.pem
  cmp exported.pem generated.pem || fail "$key: another key"

  echo "$key: p11tool signs with it and verifies"
  quietly p11t --login --test-sign "$url;type=private"

  echo "$key: certtool signs with it, and OpenSSL verifies"
  quietly cert --generate-self-signed --load-privkey "$url;type=private" \
    --load-pubkey "$url;type=public" --template ca.cfg --outfile "$key-ca.pem"
  quietly cert --generate-certificate --load-privkey leaf.key \
    --load-ca-privkey "$url;type=private" --load-ca-certificate "$key-ca.pem" \
    --template leaf.cfg --outfile "$key-leaf.pem"
  quietly openssl verify -check_ss_sig -CAfile "$key-ca.pem" \
    -verify_hostname localhost "$key-leaf.pem"

  echo "$key: its certificate is written, listed, and comes back"
  quietly p11t --login --write --load-certificate "$key-ca.pem" --label "$key" \
    --id "$id" $token
  quietly p11t --login --list-certs $token
  expect "object=$key;type=cert" log
  quietly p11t --export "$url;type=cert" --outfile back.pem
  openssl x509 -in "$key-ca.pem" -outform DER -out written.der
  openssl x509 -in back.pem -outform DER -out back.der
  cmp written.der back.der || fail "$key: another certificate"
done

echo "RSA-PSS"
quietly p11t --login --test-sign --sign-params rsa-pss \
  "$token;object=rsa;type=private"

echo "keys of files are written, and sign"
quietly certtool --generate-privkey --key-type rsa --bits 2048 \
  --outfile file-rsa.key
cp leaf.key file-ec.key
for key in file-rsa file-ec; do
  quietly p11t --login --write --load-privkey $key.key --label $key \
    --mark-private --mark-sign $token
  openssl pkey -in $key.key -pubout -out $key.pub
  quietly cert --generate-self-signed --load-pubkey $key.pub \
    --load-privkey "$token;object=$key;type=private" --template leaf.cfg \
    --outfile $key.pem
  quietly openssl verify -check_ss_sig -CAfile $key.pem $key.pem
done

echo "a wrong PIN signs nothing"
GNUTLS_PIN=wrong-pin-0 refused p11t --login --test-sign \
  "$token;object=rsa;type=private"

echo "objects are deleted"
quietly p11t --login --delete "$token;object=rsa"
quietly p11t --login --list-all $token
! grep "Label: rsa" log || fail "the key is still there"
expect "Label: ec" log
refused p11t --login --test-sign "$token;object=rsa;type=private"
