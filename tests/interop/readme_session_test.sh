#!/usr/bin/env bash
# The first session of the README, command for command. Arguments: the module,
# and the source directory.
. "$(dirname "$0")/common.sh"
need pkcs11-tool openssl

# As a reader would have it: his home, and the build next to him.
unset PERIGEE_STATE_DIR PERIGEE_CONF
export HOME=$work/home
mkdir "$HOME" build
ln -s "$module" build/libperigee.so

# The indented lines of the section; those with a prompt are commands, and a
# backslash at the end goes on with the next line.
sed -n '/^## A first session/,/^The shell/p' "$source_directory/README.md" |
  sed -n 's/^    //p' >session
grep -v '^Verified OK$' session | sed 's/^\$ //' >commands
[ "$(grep -c '^\$ ' session)" -ge 8 ] ||
  fail "the README's session was not found"

set +u
bash -euo pipefail commands >log 2>&1 || { cat log >&2; fail "a command"; }
expect "Verified OK" log
[ "$(tail -n 1 session)" = "Verified OK" ] ||
  fail "the README does not say what its session ends with"
