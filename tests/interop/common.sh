# For the interop tests: run as  test.sh MODULE SOURCE_DIRECTORY. Gives a
# directory that goes away, as the current one, and Perigee's state in it with
# cheap PINs; `need` skips the test where a program is missing.
set -euo pipefail

module=$1
source_directory=$2
so_pin=so-12345678
pin=user-87654321

work=$(mktemp -d "${TMPDIR:-/tmp}/perigee-interop-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

export PERIGEE_STATE_DIR=$work/state
export PERIGEE_CONF=$work/perigee.toml
cat >perigee.toml <<'TOML'
[[hsm]]
name = "app"
kind = "application"
kdf_cost = "test"
[[hsm.partition]]

[[hsm]]
name = "backup"
kind = "backup"
kdf_cost = "test"
TOML

need() {
  local program
  for program in "$@"; do
    if ! command -v "$program" >/dev/null; then
      echo "skipped: no $program here"
      exit 77
    fi
  done
}

fail() {
  echo "failed: $*" >&2
  exit 1
}

# expect TEXT FILE: a line of the file contains the text.
expect() {
  grep -F -e "$1" "$2" >/dev/null || {
    cat "$2" >&2
    fail "'$1' is not in the output"
  }
}

# new_token MODULE LABEL: SO and user PIN set, in the first empty slot.
new_token() {
  pkcs11-tool --module "$1" --init-token --slot-index 0 --label "$2" \
    --so-pin "$so_pin" >log 2>&1 || { cat log >&2; fail "init-token"; }
  pkcs11-tool --module "$1" --token-label "$2" --login --login-type so \
    --so-pin "$so_pin" --init-pin --pin "$pin" >log 2>&1 ||
    { cat log >&2; fail "init-pin"; }
}

# p11 MODULE LABEL arguments...: pkcs11-tool as the user.
p11() {
  local module=$1 label=$2
  shift 2
  pkcs11-tool --module "$module" --token-label "$label" --login --pin "$pin" \
    "$@"
}
