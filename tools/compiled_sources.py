#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the project's own source files of a compilation database, one a line.

usage: tools/compiled_sources.py COMPILE_COMMANDS.json
Generated files are left out: their generator is what is looked after.
"""

import json
import os
import sys


def main(argv):
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(argv[1], encoding="utf-8") as f:
        paths = {os.path.relpath(entry["file"], root) for entry in json.load(f)}
    for path in sorted(paths):
        if not path.startswith(("..", "build" + os.sep)):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
