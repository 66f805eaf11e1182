#!/usr/bin/env bash
# p11-kit finds the module by a configuration file of a user's, lists it and
# its token, and listing makes no state; its proxy module gives the token to
# programs that know of no other.
. "$(dirname "$0")/common.sh"
need p11-kit pkcs11-tool openssl

# p11-kit reads no user's configuration for root.
as_user=()
if [ "$(id -u)" = 0 ]; then
  need setpriv
  as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi

cp "$module" module.so
mkdir -p home/.config/pkcs11/modules
echo "user-config: only" >home/.config/pkcs11/pkcs11.conf
echo "module: $work/module.so" >home/.config/pkcs11/modules/perigee.module
chmod -R a+rX "$work"
if [ ${#as_user[@]} -gt 0 ]; then chown -R 65534:65534 "$work"; fi
export HOME=$work/home
unset XDG_CONFIG_HOME

list() { "${as_user[@]}" p11-kit list-modules >log 2>&1; }

echo "an unused module is listed, and makes no state"
list || { cat log >&2; fail "list-modules"; }
expect "perigee: $work/module.so" log
[ ! -e state ] || fail "listing made state"

echo "an initialised token is listed"
"${as_user[@]}" pkcs11-tool --module "$work/module.so" --init-token \
  --slot-index 0 --label "in p11-kit" --so-pin "$so_pin" >made 2>&1 ||
  { cat made >&2; fail "init-token"; }
list || { cat log >&2; fail "list-modules"; }
expect "token: in p11-kit" log
expect "token-initialized" log

echo "the installed module file is one that p11-kit takes"
build=$(dirname "$module")
if [ -e "$build/perigee.module" ]; then
  sed "s,^module:.*,module: $work/module.so," "$build/perigee.module" \
    >home/.config/pkcs11/modules/perigee.module
  list || { cat log >&2; fail "list-modules"; }
  expect "token: in p11-kit" log
fi

proxy=$(find /usr/lib -name p11-kit-proxy.so -print -quit 2>/dev/null)
[ -n "$proxy" ] || fail "p11-kit is here without its proxy module"
through_proxy() {
  "${as_user[@]}" pkcs11-tool --module "$proxy" --token-label "in p11-kit" \
    "$@"
}
echo "keys are made and sign through the proxy module"
quietly through_proxy --login --login-type so --so-pin "$so_pin" --init-pin \
  --pin "$pin"
quietly through_proxy --login --pin "$pin" --keypairgen \
  --key-type EC:prime256v1 --id 01
echo "message" >message
chmod a+r message
quietly through_proxy --login --pin "$pin" --sign --mechanism ECDSA-SHA256 \
  --id 01 --signature-format openssl --input-file message \
  --output-file message.sig
quietly through_proxy --read-object --type pubkey --id 01 \
  --output-file key.der
quietly openssl dgst -sha256 -verify key.der -keyform DER \
  -signature message.sig message
