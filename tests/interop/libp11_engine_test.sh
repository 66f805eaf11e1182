#!/usr/bin/env bash
# libp11's engine for OpenSSL: a certificate signed by a key in the token, and
# a TLS server that has its key there. The engine is the process's default one
# for everything then, and Perigee's own OpenSSL is the same library.
. "$(dirname "$0")/common.sh"
need pkcs11-tool openssl timeout
engine=$(openssl version -e | cut -d'"' -f2)/pkcs11.so
[ -r "$engine" ] || { echo "skipped: no $engine"; exit 77; }

new_token "$module" tls
quietly p11 "$module" tls --keypairgen --key-type rsa:2048 --id 01 --label rsa
quietly p11 "$module" tls --keypairgen --key-type EC:prime256v1 --id 02 \
  --label ec

cat >openssl.cnf <<CNF
openssl_conf = main
[main]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $module
init = 0
[req]
distinguished_name = name
x509_extensions = extensions
[name]
[extensions]
subjectAltName = DNS:localhost
CNF
export OPENSSL_CONF=$work/openssl.cnf
key_uri() { echo "pkcs11:token=tls;object=$1;type=private;pin-value=$pin"; }

for key in 01:rsa 02:ec; do
  id=${key%:*} key=${key#*:}
  echo "$key: a certificate that the token's key signed"
  quietly openssl req -x509 -new -engine pkcs11 -keyform engine \
    -key "$(key_uri $key)" -subj "/CN=$key" -days 2 -sha256 -out $key.pem
  quietly pkcs11-tool --module "$module" --token-label tls --read-object \
    --type pubkey --id "$id" --output-file $key.der
  openssl x509 -in $key.pem -noout -pubkey >certified.pem
  openssl pkey -pubin -inform DER -in $key.der -out token.pem
  cmp token.pem certified.pem || fail "$key: another key is certified"
  OPENSSL_CONF=/dev/null quietly openssl verify -check_ss_sig \
    -CAfile $key.pem $key.pem
done

head -c 32 /dev/urandom >message
for padding in pkcs1 oaep; do
  echo "what is encrypted for the certificate is decrypted, $padding"
  OPENSSL_CONF=/dev/null openssl pkeyutl -encrypt -certin -inkey rsa.pem \
    -pkeyopt rsa_padding_mode:$padding -in message -out sealed
  quietly openssl pkeyutl -decrypt -engine pkcs11 -keyform engine \
    -inkey "$(key_uri rsa)" -pkeyopt rsa_padding_mode:$padding -in sealed \
    -out opened
  cmp message opened || fail "$padding"
done

echo "a wrong PIN signs nothing"
refused openssl req -x509 -new -engine pkcs11 -keyform engine -key \
  "pkcs11:token=tls;object=rsa;type=private;pin-value=wrong-pin-0" \
  -subj /CN=none -days 2 -out none.pem

# serve KEY: a server on a port that is free, in $port; it ends by itself when
# the test does not stop it.
serve() {
  : >server.log
  timeout 120 openssl s_server -engine pkcs11 -keyform engine \
    -key "$(key_uri "$1")" -cert "$1.pem" -accept 127.0.0.1:0 -www \
    >>server.log 2>&1 &
  server=$!
  at_end "$server"
  local _
  for _ in $(seq 600); do
    port=$(sed -n 's/^ACCEPT 127.0.0.1:\([0-9]*\)$/\1/p' server.log)
    if [ -n "$port" ]; then return; fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat server.log >&2
  fail "$1: the server does not come up"
}

# connect KEY arguments...: a client that takes that certificate only.
connect() {
  local key=$1
  shift
  OPENSSL_CONF=/dev/null timeout 60 openssl s_client \
    -connect "127.0.0.1:$port" -CAfile "$key.pem" -verify_return_error \
    -verify_hostname localhost "$@" </dev/null
}

for key in rsa ec; do
  serve $key
  for version in tls1_2 tls1_3; do
    echo "$key: a $version handshake"
    quietly connect $key -$version
    expect "Verify return code: 0 (ok)" log
  done
  other=$([ $key = rsa ] && echo ec || echo rsa)
  refused connect $other -tls1_3
  kill "$server"
  wait "$server" 2>/dev/null || true
done
