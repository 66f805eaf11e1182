#!/usr/bin/env bash
# p11-kit server gives a token to clients behind a socket, who need nothing of
# Perigee: they make keys and sign with them through p11-kit-client.so.
. "$(dirname "$0")/common.sh"
need p11-kit pkcs11-tool openssl timeout
client=$(find /usr/lib -name p11-kit-client.so -print -quit 2>/dev/null)
[ -n "$client" ] || { echo "skipped: no p11-kit-client.so here"; exit 77; }

new_token "$module" remote
timeout 300 p11-kit server --foreground --provider "$(realpath "$module")" \
  --name "$work/socket" --sh pkcs11:token=remote >server.sh 2>server.log &
at_end $!
for _ in $(seq 600); do
  if [ -S socket ]; then break; fi
  kill -0 $! 2>/dev/null || break
  sleep 0.1
done
[ -S socket ] || { cat server.log >&2; fail "the server does not come up"; }

# What the clients know.
unset PERIGEE_CONF PERIGEE_STATE_DIR
export P11_KIT_SERVER_ADDRESS=unix:path=$work/socket
export HOME=$work/home
mkdir home

echo "the token is there, and only it"
quietly pkcs11-tool --module "$client" --list-slots
expect "token label        : remote" log
[ "$(grep -c '^Slot ' log)" = 1 ] || fail "more than one slot"

echo "keys are made, and sign"
quietly p11 "$client" remote --keypairgen --key-type rsa:2048 --id 01
quietly p11 "$client" remote --keypairgen --key-type EC:prime256v1 --id 02
echo "message" >message
openssl dgst -sha256 -binary message >digest
# Mechanisms with a hash for ECDSA are none that p11-kit 0.24 hands on.
for key in 01:SHA256-RSA-PKCS:message 02:ECDSA:digest; do
  IFS=: read -r id mechanism input <<<"$key"
  quietly p11 "$client" remote --sign --mechanism "$mechanism" --id "$id" \
    --signature-format openssl --input-file "$input" --output-file message.sig
  quietly pkcs11-tool --module "$client" --token-label remote --read-object \
    --type pubkey --id "$id" --output-file key.der
  quietly openssl dgst -sha256 -verify key.der -keyform DER \
    -signature message.sig message
done

echo "what is encrypted for the key is decrypted"
quietly pkcs11-tool --module "$client" --token-label remote --read-object \
  --type pubkey --id 01 --output-file key.der
openssl pkeyutl -encrypt -pubin -inkey key.der -keyform DER -in message \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -out sealed
quietly p11 "$client" remote --decrypt --mechanism RSA-PKCS-OAEP \
  --hash-algorithm SHA256 --id 01 --input-file sealed --output-file opened
cmp message opened || fail "OAEP"

echo "a wrong PIN signs nothing"
refused pkcs11-tool --module "$client" --token-label remote --login \
  --pin wrong-pin-0 --sign --mechanism SHA256-RSA-PKCS --id 01 \
  --input-file message
expect "CKR_PIN_INCORRECT" log

[ -z "$(find home -type f)" ] || fail "a client made state"
