# SPDX-License-Identifier: Apache-2.0
"""What the lint programs need to know about C: where the sources are, their text
without comments and strings, and where the functions are. No parser: the tree is
formatted by clang-format, so a function ends at a '}' in the first column."""

import os
import re

ROOMS = ("base", "broker", "stores", "runtime", "dsl", "cli")

_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S
)
_SIGNATURE = re.compile(r"([A-Za-z_]\w*)\s*(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))\s*$", re.S)


def files(root, folders, endings=(".c", ".h")):
    """Paths below the folders, relative to root, sorted."""
    found = []
    for folder in folders:
        for at, subfolders, names in os.walk(os.path.join(root, folder)):
            subfolders[:] = [s for s in subfolders if not s.startswith(".") and s != "build"]
            found += [
                os.path.relpath(os.path.join(at, name), root).replace(os.sep, "/")
                for name in names
                if name.endswith(endings)
            ]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def code_only(text):
    """The text with comments and the inside of strings blanked; lines stay."""

    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[0]
        return re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(blank, text)


def functions(text):
    """(name, first line, last line, number of parameters) of each definition."""
    lines = code_only(text).split("\n")
    out = []
    open_at = None
    for i, line in enumerate(lines):
        if line == "{":
            open_at = i
        elif line.startswith("}") and open_at is not None:
            first = open_at
            while first > 0 and lines[first - 1].strip() and lines[first - 1][0] not in "#}":
                first -= 1
                if lines[first].rstrip().endswith(";"):
                    first += 1
                    break
            match = _SIGNATURE.search("\n".join(lines[first:open_at]))
            if match:
                inside = match.group(2)[1:-1].strip()
                out.append((match.group(1), first + 1, i + 1, _count(inside)))
            open_at = None
    return out


def _count(parameters):
    if parameters in ("", "void"):
        return 0
    depth = 0
    commas = 0
    for c in parameters:
        depth += (c == "(") - (c == ")")
        commas += c == "," and depth == 0
    return commas + 1
