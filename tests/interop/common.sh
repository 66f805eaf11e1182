# For the interop tests: run as  test.sh MODULE SOURCE_DIRECTORY. Gives a
# directory that goes away, as the current one, and Perigee's state in it with
# cheap PINs; `need` skips the test where a program is missing; `at_end` has a
# server stopped.
set -euo pipefail

module=$1
source_directory=$2
so_pin=so-12345678
pin=user-87654321

work=$(mktemp -d "${TMPDIR:-/tmp}/perigee-interop-XXXXXX")
stopped=()
at_end() { stopped+=("$1"); }
trap 'for one in ${stopped[@]+"${stopped[@]}"}; do
        kill "$one" 2>/dev/null || true
      done
      rm -rf "$work"' EXIT
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

# quietly COMMAND...: its output goes to the file log, shown where it fails.
quietly() {
  "$@" >log 2>&1 || {
    cat log >&2
    fail "$*"
  }
}

# refused COMMAND...: it has to fail; its output goes to the file log.
refused() {
  ! "$@" >log 2>&1 || {
    cat log >&2
    fail "this should not have been possible: $*"
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
