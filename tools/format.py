#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Formats the C sources with clang-format 14, or says which are not formatted.

usage: tools/format.py [--check] [--program CLANG_FORMAT]
exit 0: formatted, 1: --check found files that are not, 2: usage or no program
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csource  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, name the files")
    parser.add_argument("--program", default="clang-format-14", help="clang-format to run")
    arguments = parser.parse_args()
    if not shutil.which(arguments.program):
        print(f"format: no {arguments.program}; on Debian: apt-get install clang-format-14", file=sys.stderr)
        return 2
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = csource.files(root, csource.ROOMS + ("include", "examples", "tests"))
    if not arguments.check:
        return subprocess.run([arguments.program, "-i", *paths], cwd=root, check=False).returncode

    def is_formatted(path):
        done = subprocess.run([arguments.program, path], cwd=root, capture_output=True, text=True, check=False)
        return done.returncode == 0 and done.stdout == csource.read(root, path)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [path for path, good in zip(paths, pool.map(is_formatted, paths)) if not good]
    for path in wrong:
        print(f"{path}: not formatted: run tools/format.py")
    print(f"format: {len(paths)} files, {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
