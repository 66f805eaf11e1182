#!/usr/bin/env python3
"""Each source file includes what it needs, also where no other one stands
before it in a group (cmake/unity_groups.py).

    check_files_alone.py BUILD SHARE OF

Checks the syntax of every OF-th file of a build directory that is configured
without groups, from number SHARE on.
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys


def check(row):
    words = shlex.split(row["command"])
    words = [w for w in words if not w.endswith("ccache")]
    at = words.index("-o")
    del words[at:at + 2]
    done = subprocess.run(words + ["-fsyntax-only"], cwd=row["directory"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr[-4000:])
    return done.returncode


def main():
    build, share, of = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with open(build + "/compile_commands.json", encoding="utf-8") as file:
        rows = {row["file"]: row for row in json.load(file)}
    mine = [rows[name] for name in sorted(rows)
            if "/tests/fuzz/" not in name][share % of::of]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = sum(1 for code in pool.map(check, mine) if code != 0)
    print(f"files by themselves: {len(mine)} looked at, {wrong} wrong")
    return 1 if wrong else 0


sys.exit(main())
