#!/usr/bin/env bash
# OpenSSH: ssh-keygen lists the public keys of a token, an agent that was given
# the module and the PIN signs with its keys, and ssh-keygen verifies that.
. "$(dirname "$0")/common.sh"
need pkcs11-tool ssh-keygen ssh-agent ssh-add openssl

new_token "$module" ssh
quietly p11 "$module" ssh --keypairgen --key-type rsa:2048 --id 01 --label rsa
quietly p11 "$module" ssh --keypairgen --key-type EC:prime256v1 --id 02 \
  --label ec

echo "the public keys are listed, and are those of the token"
ssh-keygen -D "$module" >listed 2>log || { cat log >&2; fail "ssh-keygen -D"; }
grep '^ssh-rsa ' listed >rsa.pub || fail "no RSA key is listed"
grep '^ecdsa-sha2-nistp256 ' listed >ec.pub || fail "no EC key is listed"
[ "$(wc -l <listed)" -eq 2 ] || fail "more than two keys are listed"
for key in 01:rsa 02:ec; do
  quietly pkcs11-tool --module "$module" --token-label ssh --read-object \
    --type pubkey --id "${key%:*}" --output-file key.der
  ssh-keygen -e -m PKCS8 -f "${key#*:}.pub" >ssh.pem
  openssl pkey -pubin -inform DER -in key.der -out token.pem
  openssl pkey -pubin -in ssh.pem -out listed.pem
  cmp token.pem listed.pem || fail "${key#*:}: another key is listed"
done

# ssh-add has a program ask for the PIN.
cat >askpass <<'SH'
#!/bin/sh
echo "$PERIGEE_TEST_PIN"
SH
chmod +x askpass
export SSH_ASKPASS=$work/askpass SSH_ASKPASS_REQUIRE=force
export SSH_AUTH_SOCK=$work/agent PERIGEE_TEST_PIN
# The agent loads modules from where it is allowed to; it listens when this
# comes back.
ssh-agent -s -a "$SSH_AUTH_SOCK" -P "$(realpath "$module")" >agent.sh 2>log ||
  { cat log >&2; fail "ssh-agent"; }
at_end "$(sed -n 's/^SSH_AGENT_PID=\([0-9]*\);.*/\1/p' agent.sh)"

echo "a wrong PIN gives the agent no key"
PERIGEE_TEST_PIN=wrong-pin-0
refused ssh-add -s "$module"
refused ssh-add -l
expect "no identities" log

echo "the PIN gives it both"
PERIGEE_TEST_PIN=$pin
quietly ssh-add -s "$module"
quietly ssh-add -L
expect "$(cut -d' ' -f1,2 rsa.pub)" log
expect "$(cut -d' ' -f1,2 ec.pub)" log

echo "message" >message
echo "another message" >other
verify() {  # verify MESSAGE
  ssh-keygen -Y verify -f allowed -I somebody -n perigee -s message.sig <"$1"
}
for key in rsa ec; do
  echo "$key: what the agent signs verifies, and only that"
  rm -f message.sig
  quietly ssh-keygen -Y sign -f $key.pub -n perigee message
  echo "somebody $(cut -d' ' -f1,2 $key.pub)" >allowed
  quietly verify message
  refused verify other
  expect "incorrect signature" log
  quietly ssh-add -T $key.pub
done

echo "the keys certify a user's key"
ssh-keygen -q -t ed25519 -N "" -f user
for key in rsa ec; do
  quietly ssh-keygen -s $key.pub -U -I somebody -n login user.pub
  quietly ssh-keygen -L -f user-cert.pub
  expect "$(ssh-keygen -l -f $key.pub | cut -d' ' -f2)" log
done

echo "the agent gives the module back"
quietly ssh-add -e "$module"
refused ssh-add -l
expect "no identities" log
