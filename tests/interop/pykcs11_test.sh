#!/usr/bin/env bash
# PyKCS11: pykcs11_session.py makes keys of all kinds from Python and compares
# what they do with OpenSSL, Python's hashlib and published answers.
. "$(dirname "$0")/common.sh"
need openssl

# The packaged one is in the system's own Python, if not in the first.
python=
for one in python3 /usr/bin/python3; do
  if "$one" -c "import PyKCS11" 2>/dev/null; then
    python=$one
    break
  fi
done
[ -n "$python" ] || { echo "skipped: no Python has PyKCS11 here"; exit 77; }

# Nothing is written next to the sources.
PYTHONDONTWRITEBYTECODE=1 "$python" \
  "$source_directory/tests/interop/pykcs11_session.py" "$module" "$so_pin" \
  "$pin" || fail "the Python program"
