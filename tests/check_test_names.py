#!/usr/bin/env python3
"""Every `Suite.Test` that docs/SECURE_DEFAULTS.md names is a test."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
page = (root / "docs/SECURE_DEFAULTS.md").read_text()
named = set(re.findall(r"`(\w+Test\.\w+)`", page))
found = set()
for path in root.rglob("*_test.cc"):
    if path.relative_to(root).parts[0].startswith("build"):
        continue
    for suite, name in re.findall(
            r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", path.read_text(), re.M):
        found.add(f"{suite}.{name}")
missing = sorted(named - found)
for name in missing:
    print(f"docs/SECURE_DEFAULTS.md names {name}, which is no test")
print(f"{len(named)} tests are named")
sys.exit(1 if missing or len(named) < 30 else 0)
