#!/usr/bin/env bash
# NSS: modutil adds the module to a database, certutil makes keys and
# certificates in the token, cmsutil signs with them, and OpenSSL verifies that.
. "$(dirname "$0")/common.sh"
need pkcs11-tool modutil certutil cmsutil pk12util openssl

new_token "$module" nss
mkdir db
echo "$pin" >pin
head -c 256 /dev/urandom >noise
# certutil logs in to the token only, and NSS keeps what it knows of
# certificates in its own database: that one has no password.
quietly certutil -N -d sql:db --empty-password
token=(-d sql:db -h nss -f pin)

echo "modutil adds the module"
quietly modutil -dbdir sql:db -force -add Perigee -libfile "$module"
quietly modutil -dbdir sql:db -force -list Perigee
expect "Library file: $module" log
expect "Token Name: nss" log

echo "certutil makes keys with certificates"
quietly certutil -S "${token[@]}" -n rsa -s CN=rsa -x -t C,C,C -k rsa -g 2048 \
  -Z SHA256 -z noise -m 1 -v 2
quietly certutil -S "${token[@]}" -n ec -s CN=ec -x -t C,C,C -k ec -q nistp256 \
  -Z SHA256 -z noise -m 2 -v 2
quietly certutil -K "${token[@]}"
expect "nss:rsa" log
expect "nss:ec" log
quietly p11 "$module" nss --list-objects
access="Access:     sensitive, always sensitive, never extractable, local"
[ "$(grep -c "$access" log)" = 2 ] ||
  fail "the keys are not made in the token, or not sensitive"

echo "message" >message
for key in rsa ec; do
  echo "$key: the certificate verifies, and so does what its key signs"
  quietly certutil -L "${token[@]}" -n "nss:$key" -a -o $key.pem
  quietly openssl verify -check_ss_sig -CAfile $key.pem $key.pem
  quietly cmsutil -S -d sql:db -f pin -N "nss:$key" -H SHA256 -i message \
    -o signed
  quietly openssl cms -verify -inform DER -in signed -CAfile $key.pem \
    -purpose any -out content
  cmp message content || fail "$key: another content"
done

echo "a request is signed by its new key"
quietly certutil -R "${token[@]}" -k ec -q nistp256 -z noise -s CN=request \
  -Z SHA256 -a -o request.pem
quietly openssl req -verify -noout -in request.pem

echo "a key of a file is imported where the partition is in the legacy profile"
# NSS unwraps it by AES-CBC, or else with a new RSA key of 512 bits.
quietly openssl req -x509 -newkey rsa:2048 -nodes -keyout file.key \
  -subj /CN=imported -days 2 -out imported.pem
openssl pkcs12 -export -inkey file.key -in imported.pem -name imported \
  -passout pass:password -out imported.p12
import() { pk12util -d sql:db -h nss -k pin -W password -i imported.p12; }
refused import
sed -i 's/^\[\[hsm.partition\]\]$/&\nprofile = "legacy"/' perigee.toml
quietly import
quietly certutil -M "${token[@]}" -n nss:imported -t C,C,C
quietly cmsutil -S -d sql:db -f pin -N nss:imported -H SHA256 -i message \
  -o signed
quietly openssl cms -verify -inform DER -in signed -CAfile imported.pem \
  -purpose any -out content
cmp message content || fail "imported: another content"

echo "a wrong PIN shows no key"
echo wrong-pin-0 >pin
refused certutil -K "${token[@]}"
echo "$pin" >pin

echo "keys are deleted"
quietly certutil -F "${token[@]}" -n nss:rsa
quietly certutil -K "${token[@]}"
! grep "nss:rsa" log || fail "the key is still there"
expect "nss:ec" log
