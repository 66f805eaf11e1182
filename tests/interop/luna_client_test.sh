#!/usr/bin/env bash
# luna_client.py uses the vendor's functions from Python, as Luna's Python
# binding does.
. "$(dirname "$0")/common.sh"
need python3

cat >perigee.toml <<'TOML'
[[hsm]]
name = "app"
firmware = "7.8.0"
kdf_cost = "test"
[[hsm.partition]]
[[hsm.partition]]
[[hsm.partition]]
version = 1
policies = { 3 = 1, 7 = 1 }

[[hsm]]
name = "backup"
kind = "backup"
kdf_cost = "test"
TOML
PYTHONDONTWRITEBYTECODE=1 python3 \
  "$source_directory/tests/interop/luna_client.py" "$module" "$so_pin" \
  "$pin" || fail "the Python program"
