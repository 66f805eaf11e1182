#!/usr/bin/env bash
# Java's SunPKCS11 provider: keytool makes keys and certificates in the token,
# jarsigner signs with them; jarsigner and OpenSSL verify that.
. "$(dirname "$0")/common.sh"
need pkcs11-tool keytool jarsigner jar openssl

new_token "$module" java
cat >java.cfg <<CFG
name = Perigee
library = $module
slotListIndex = 0
CFG
# Without -providerName keytool makes an RSA key itself and imports it.
keystore=(-keystore NONE -storetype PKCS11 -addprovider SunPKCS11
          -providerArg java.cfg -providerName SunPKCS11-Perigee
          -storepass "$pin")

echo "keytool makes keys with certificates"
quietly keytool "${keystore[@]}" -genkeypair -alias rsa -keyalg RSA \
  -keysize 2048 -dname CN=rsa -validity 2
quietly keytool "${keystore[@]}" -genkeypair -alias ec -keyalg EC \
  -groupname secp256r1 -dname CN=ec -validity 2
quietly keytool "${keystore[@]}" -list
expect "SunPKCS11-Perigee" log
expect "rsa, PrivateKeyEntry" log
expect "ec, PrivateKeyEntry" log
quietly p11 "$module" java --list-objects
access="Access:     sensitive, always sensitive, never extractable, local"
[ "$(grep -c "$access" log)" = 2 ] ||
  fail "the keys are not made in the token, or not sensitive"

echo "message" >message
echo "another message" >other
quietly jar cf unsigned.jar message
for key in rsa ec; do
  echo "$key: jarsigner signs and verifies"
  quietly jarsigner "${keystore[@]}" -signedjar $key.jar unsigned.jar $key
  quietly jarsigner -verify -verbose -certs $key.jar
  expect "jar verified." log
  expect "Signed by \"CN=$key\"" log

  echo "$key: OpenSSL verifies the certificate and the signature"
  quietly keytool "${keystore[@]}" -exportcert -rfc -alias $key -file $key.pem
  quietly openssl verify -check_ss_sig -CAfile $key.pem $key.pem
  name=${key^^}
  quietly jar xf $key.jar META-INF
  quietly openssl cms -verify -binary -inform DER -in META-INF/$name.$name \
    -content META-INF/$name.SF -CAfile $key.pem -purpose any -out content
  cmp content META-INF/$name.SF || fail "$key: another content"
done

echo "a changed jar does not verify"
cp other message
quietly jar uf rsa.jar message
refused jarsigner -verify rsa.jar
expect "digest error for message" log

echo "a wrong PIN opens nothing"
keystore[-1]=wrong-pin-0
refused keytool "${keystore[@]}" -list
expect "load failed" log
keystore[-1]=$pin

echo "keys are deleted"
quietly keytool "${keystore[@]}" -delete -alias rsa
quietly p11 "$module" java --list-objects --type privkey
[ "$(grep -c 'Private Key Object' log)" = 1 ] || fail "the key is still there"
