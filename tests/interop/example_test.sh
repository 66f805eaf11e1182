#!/usr/bin/env bash
# examples/: example_test.sh MODULE SOURCE_DIRECTORY LANGUAGE builds the program
# as its first lines say and runs it on new tokens, again on the old ones, and
# with what it has to refuse.
. "$(dirname "$0")/common.sh"
language=$3
examples=$source_directory/examples
# The headers as if they were installed.
export CPATH=$source_directory/pkcs11
export SO_PIN=$so_pin USER_PIN=$pin DOMAIN=domain-of-the-example
nss="-I/usr/include/nss -I/usr/include/nspr"

need_file() {
  [ -e "$1" ] || { echo "skipped: no $1 here"; exit 77; }
}

# Sets `program` to the command that runs the example.
case "$language" in
  c)
    need cc
    quietly cc -Wall -Wextra -Werror $nss "$examples/backup.c" -ldl -o backup
    program=(./backup "$module") ;;
  cpp)
    need c++
    quietly c++ -std=c++17 -Wall -Wextra -Werror $nss "$examples/backup.cc" \
      -ldl -o backup
    program=(./backup "$module") ;;
  python)
    need python3
    program=(python3 "$examples/backup.py" "$module") ;;
  java)
    need java keytool
    need_file /usr/share/java/jna.jar
    quietly javac -Xlint:all,-serial -Werror -cp /usr/share/java/jna.jar -d classes \
      "$examples/Backup.java"
    program=(java -cp "/usr/share/java/jna.jar:classes" Backup "$module") ;;
  go)
    need go cc
    export CGO_LDFLAGS=$module GOCACHE=$work/go-cache GOPATH=$work/go \
      GOTOOLCHAIN=local
    quietly go build -o backup "$examples/backup.go"
    program=(./backup) ;;
  node)
    need node cc
    need_file /usr/include/node/node_api.h
    export NATIVE_CALL=$work/native_call.node
    quietly cc -Wall -Wextra -Werror -shared -fPIC -I/usr/include/node \
      "$examples/native_call.c" -ldl -o native_call.node
    program=(node "$examples/backup.js" "$module") ;;
  rust)
    need rustc cc
    quietly rustc --edition 2021 -D warnings "$examples/backup.rs" \
      -C link-arg="$module" -o backup
    program=(./backup) ;;
  *) fail "no such language: $language" ;;
esac

echo "new tokens"
quietly "${program[@]}"
expect "initialised the partition in slot 0" log
expect "initialised the Backup HSM in slot 1" log
expect "made a key and signed with it" log
expect "backed it up to partition example-" log
expect "destroyed it" log
expect "restored it: the old signature and a new one verify" log

echo "the same tokens again"
quietly "${program[@]}"
[ "$(grep -c 'initialised' log)" = 0 ] || fail "initialised again"
expect "restored it: the old signature and a new one verify" log

echo "what it refuses, it explains"
USER_PIN=wrong-12345 refused "${program[@]}"
grep -qE 'C_Login failed: 0x000000a0|keytool failed' log ||
  { cat log; fail "no word on the wrong PIN"; }
DOMAIN="" refused "${program[@]}"
expect "set DOMAIN" log
