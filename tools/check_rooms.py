#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses what would let the rooms grow together:

  - an include against the arrows
        base <- stores <- runtime <- dsl <- cli      and      base <- broker <- cli
  - a third-party header outside its door
  - a function of the C library that has a safe replacement
  - two structs, unions or enums of one name: a reader's search finds one thing

usage: tools/check_rooms.py [ROOT]        exit 0: all well, 1: findings, 2: usage
"""

import fnmatch
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csource  # noqa: E402

# room -> what its files may include. Public headers count as the room that
# implements them, see PUBLIC.
ARROWS = {
    "base": {"base"},
    "stores": {"base", "stores"},
    "runtime": {"base", "stores", "runtime"},
    "dsl": {"base", "stores", "runtime", "dsl"},
    "broker": {"base", "broker"},
    "cli": {"base", "stores", "runtime", "dsl", "broker", "cli"},
    "examples": set(),  # examples see what users see: public headers
    "include": set(),
    "tests": {"base", "stores", "runtime", "dsl", "broker", "cli", "tests"},
}

# public header -> the lowest room that implements a part of it
PUBLIC = {
    "types.h": "base",
    "serde.h": "stores",  # the store specifications in weir.h name serdes
    "weir.h": "stores",  # weir_store_*; the rest is the runtime's
    "dsl.h": "dsl",
}

# third-party header -> the files that may include it, and why there are two
DOORS = {
    "librdkafka/*": ["runtime/kafka*.[ch]", "cli/kafka*.[ch]"],  # workers; the tools
    "rocksdb/*": ["stores/rocks*.[ch]"],
    "microhttpd.h": ["runtime/http*.c"],
    "lua*.h": ["runtime/lua_*.[ch]", "dsl/lua_*.[ch]"],  # host; verbs
    "lauxlib.h": ["runtime/lua_*.[ch]", "dsl/lua_*.[ch]"],
    "jansson.h": ["runtime/json.c"],
    "curl/*": ["cli/http*.c", "runtime/http_client.c"],
    "zstd*.h": ["broker/codec_compress.c"],
    "lz4*.h": ["broker/codec_compress.c"],
    "snappy*.h": ["broker/codec_compress.c"],
    "zlib.h": ["broker/codec_compress.c"],
    "xxhash.h": ["base/hash.c"],
    "openssl/*": [],
    "cmocka.h": ["tests/harness/weir_test.h"],
}

# Tests act as somebody else's program, so they may use any client library; only
# cmocka has a door there.
TEST_DOORS = {"cmocka.h"}

BANNED = {
    "strcpy": "memcpy with a checked length, or snprintf",
    "strcat": "wr_buf_put_text",
    "sprintf": "snprintf or wr_buf_printf",
    "vsprintf": "vsnprintf",
    "gets": "wr_file_read",
    "strtok": "strcspn and a length",
    "atoi": "wr_options_int or strtoll with its end checked",
    "atol": "strtoll with its end checked",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "rand": "a seeded generator that is passed in",
    "srand": "a seeded generator that is passed in",
    "sleep": "a condition with a deadline",
    "usleep": "a condition with a deadline",
}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
_CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
_TYPE = re.compile(r"\b(?:struct|union|enum)\s+((?:wr|weir)_\w+)\s*\{")


def room_of(path):
    return path.split("/", 1)[0]


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_project_include(path, header):
    """A sentence when `path` may not include "header", else None."""
    room = room_of(path)
    target = room_of(header)
    if "/" not in header:
        return f'"{header}" has no room in it: write it from the root'
    if target == "weir":
        name = header.split("/", 1)[1]
        if name not in PUBLIC:
            return f'"{header}" is not in the table PUBLIC of tools/check_rooms.py'
        if room in ("examples", "include", "tests"):
            return None
        target = PUBLIC[name]
    if target not in ARROWS[room]:
        return f'{room} may not include "{header}": the arrow is against it'
    return None


def check_door(path, header):
    """A sentence when `header` is third-party and `path` is not its door."""
    if room_of(path) == "tests" and header not in TEST_DOORS:
        return None
    for pattern, doors in DOORS.items():
        if fnmatch.fnmatchcase(header, pattern):
            if any(fnmatch.fnmatchcase(path, door) for door in doors):
                return None
            where = " or ".join(doors) if doors else "no file"
            return f"<{header}> belongs behind its door: {where}"
    return None


def check_file(path, text):
    findings = []
    for match in _INCLUDE.finditer(text):
        quote, header = match.groups()
        if quote == '"' or header.startswith("weir/"):
            problem = check_project_include(path, header)
        else:
            problem = check_door(path, header)
        if problem:
            findings.append((line_of(text, match.start()), problem))
    if room_of(path) != "tests":
        code = csource.code_only(text)
        for match in _CALL.finditer(code):
            name = match.group(1)
            findings.append((line_of(code, match.start()), f"{name}() is banned: use {BANNED[name]}"))
    return findings


def check_types(texts):
    """(path, line, sentence) for each type that more than one file defines."""
    first = {}
    findings = []
    for path, text in texts.items():
        if room_of(path) in ("tests", "examples"):
            continue
        code = csource.code_only(text)
        for match in _TYPE.finditer(code):
            name = match.group(1)
            here = (path, line_of(code, match.start()))
            if name in first:
                findings.append((*here, f"{name} is defined in {first[name][0]}:{first[name][1]} too: rename one"))
            first.setdefault(name, here)
    return findings


def main(argv):
    if len(argv) > 2 or (len(argv) == 2 and argv[1].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    root = argv[1] if len(argv) == 2 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = csource.files(root, ARROWS)
    texts = {path: csource.read(root, path) for path in paths}
    findings = [(path, *finding) for path, text in texts.items() for finding in check_file(path, text)]
    findings += check_types(texts)
    for path, line, problem in findings:
        print(f"{path}:{line}: {problem}")
    print(f"check_rooms: {len(paths)} files, {len(findings)} findings")
    return 1 if findings or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
