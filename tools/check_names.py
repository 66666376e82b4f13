#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses symbols that cross files without the project's prefix: what is not
static begins with wr_ or weir_, and no two rooms define the same name.

usage: tools/check_names.py LIBRARY...    exit 0: all well, 1: findings, 2: usage
"""

import subprocess
import sys

PREFIXES = ("wr_", "weir_")


def symbols(library):
    done = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [row[2] for row in rows if len(row) == 3]


def main(libraries):
    if not libraries:
        print(__doc__, file=sys.stderr)
        return 2
    seen = {}
    count = 0
    for library in libraries:
        for name in symbols(library):
            if not name.startswith(PREFIXES):
                print(f"{library}: {name} is not static and has no prefix")
                count += 1
            if name in seen:
                print(f"{library}: {name} is also in {seen[name]}")
                count += 1
            seen[name] = library
    print(f"check_names: {len(seen)} names, {count} findings")
    return 1 if count or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
