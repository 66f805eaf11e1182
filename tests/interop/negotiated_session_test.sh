#!/usr/bin/env bash
# negotiated_session.py drives the negotiated sessions of CPv4 from Python, as
# the vendor's binding does.
. "$(dirname "$0")/common.sh"
need python3

cat >perigee.toml <<'TOML'
[[hsm]]
name = "app"
firmware = "7.8.0"
kdf_cost = "test"
[[hsm.partition]]
[[hsm.partition]]
TOML
PYTHONDONTWRITEBYTECODE=1 python3 \
  "$source_directory/tests/interop/negotiated_session.py" "$module" "$so_pin" \
  "$pin" || fail "the Python program"
