#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style that a program can check, see docs/STYLE.md:

  - a function has at most 70 lines and 6 parameters, a file at most 900 lines
  - every source file of a room has its test, tests/ROOM/test_FILE.c (a part of a
    machine, X_part.c without a header X_part.h, may share test_X.c)
  - every file opens with the licence line, every source file and header of a
    room then tells what it is for
  - every public function and constant has a docstring
  - nothing is marked as left for later (_LATER below)
  - text files end with a newline and have no tabs or trailing blanks

usage: tools/tidy.py [ROOT]               exit 0: all well, 1: findings, 2: usage
It prints the ten longest functions and files, whether they pass or not.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csource  # noqa: E402

FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6
FILE_LINES_MAX = 900

# (rule, path or path:function) -> why the rule does not hold there. A row that
# excuses nothing is itself a finding.
EXCUSED = {
    ("parameters", "runtime/http.c:on_request"): "the type of libmicrohttpd's callback",
}

# Files that are the inside of a whole program or of a conversation with another
# one, and the test that runs them so.
TESTED_BY = {
    "tests/flow/program.py": [
        "cli/check.c", "cli/commands.c", "cli/demo.c", "cli/help.c", "cli/kafka_consume.c", "cli/kafka_door.c",
        "cli/kafka_ensure.c", "cli/kafka_feed.c", "cli/kafka_group.c", "cli/kafka_produce.c", "cli/kafka_topic.c",
        "cli/allocator.c", "cli/leave_group.c", "cli/main.c", "cli/query.c", "cli/run.c", "cli/worker.c", "runtime/http.c",
        "runtime/http_api.c", "runtime/http_client.c",
    ],
}

SPDX = "SPDX-License-Identifier: Apache-2.0"
_STORY = re.compile(r"\A/\* " + re.escape(SPDX) + r"\n \*\n( \* \S[^\n]*\n?)+", re.M)
_LATER = re.compile(r"\b(TO" "DO|FIX" "ME|XX" r"X)\b")  # in pieces, to pass itself


class Findings:
    def __init__(self, excused):
        self.rows = []
        self.excused = excused
        self.used = set()

    def add(self, rule, path, line, text, key=None):
        key = (rule, key or path)
        if key in self.excused:
            self.used.add(key)
        else:
            self.rows.append((path, line, text))

    def finish(self):
        for rule, key in sorted(set(self.excused) - self.used):
            self.rows.append(("tools/tidy.py", 1, f"EXCUSED has ({rule}, {key}), which needs no excuse"))


def check_text(findings, path, text):
    for i, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            findings.add("tab", path, i, "a tab")
        if line != line.rstrip():
            findings.add("blank", path, i, "blanks at the end of the line")
        if _LATER.search(line):
            findings.add("later", path, i, "something is left for later: do it or drop it")
    if text and not text.endswith("\n"):
        findings.add("newline", path, text.count("\n") + 1, "no newline at the end")


def check_opening(findings, path, text):
    if SPDX not in "\n".join(text.split("\n", 2)[:2]):
        findings.add("licence", path, 1, f"does not open with {SPDX}")
    elif csource_room(path) and not _STORY.match(text):
        findings.add("story", path, 1, "does not open with its story: what it is for, what not, its states or bytes")


def check_docstrings(findings, path, text):
    """A line that begins a public declaration stands right below a comment."""
    if not path.startswith("include/"):
        return
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if not line.startswith("WEIR_API ") or lines[i - 1].endswith("*/"):
            continue
        findings.add("docstring", path, i + 1, "has no docstring: meaning, units, ownership, errors, thread")


def csource_room(path):
    room = path.split("/", 1)[0]
    return room if room in csource.ROOMS or room == "include" else None


def check_sizes(findings, path, text, functions):
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        findings.add("file", path, 1, f"{lines} lines, at most {FILE_LINES_MAX}")
    for name, first, last, parameters in functions:
        key = f"{path}:{name}"
        if last - first + 1 > FUNCTION_LINES_MAX:
            findings.add(
                "function", path, first, f"{name} has {last - first + 1} lines, at most {FUNCTION_LINES_MAX}", key
            )
        if parameters > PARAMETERS_MAX:
            findings.add(
                "parameters", path, first, f"{name} has {parameters} parameters, at most {PARAMETERS_MAX}", key
            )


def check_test(findings, root, path):
    """A file without a header of its own, group_join.c, is a part of the machine
    whose header is group.h, and may be tested with it."""
    room = path.split("/", 1)[0]
    if room not in csource.ROOMS or not path.endswith(".c"):
        return
    stem = os.path.basename(path)[:-2]
    names = [stem]
    while "_" in stem and not os.path.exists(os.path.join(root, os.path.dirname(path), stem + ".h")):
        stem = stem.rsplit("_", 1)[0]
        names.append(stem)
    tests = [f"tests/{room}/test_{name}.c" for name in names]
    tests += [test for test, paths in TESTED_BY.items() if path in paths]
    if not any(os.path.exists(os.path.join(root, test)) for test in tests):
        findings.add("test", path, 1, f"has no tests/{room}/test_{names[0]}.c")


def longest(title, rows):
    print(f"longest {title}:")
    for size, what in sorted(rows, key=lambda r: (-r[0], r[1]))[:10]:
        print(f"  {size:4} {what}")


def check_tree(root, excused):
    """(findings, functions by length, files by length, number of files)"""
    findings = Findings(excused)
    function_rows = []
    file_rows = []
    paths = csource.files(root, csource.ROOMS + ("include", "examples", "tests", "tools", "cmake"),
                          (".c", ".h", ".py", ".lua", ".java", ".cmake", ".txt", ".msg"))
    for path in paths:
        if path.startswith("tests/fuzz/corpus/"):
            continue
        text = csource.read(root, path)
        check_text(findings, path, text)
        if path.endswith((".c", ".h")):
            functions = csource.functions(text)
            check_opening(findings, path, text)
            check_docstrings(findings, path, text)
            check_sizes(findings, path, text, functions)
            check_test(findings, root, path)
            function_rows += [(last - first + 1, f"{path}:{first} {name}") for name, first, last, _ in functions]
            file_rows.append((text.count("\n"), path))
        elif path.endswith((".py", ".lua", ".java")):
            check_opening(findings, path, text)
    findings.finish()
    return findings.rows, function_rows, file_rows, len(paths)


def main(argv):
    if len(argv) > 2 or (len(argv) == 2 and argv[1].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    root = argv[1] if len(argv) == 2 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    rows, function_rows, file_rows, count = check_tree(root, EXCUSED)
    for path, line, text in sorted(rows):
        print(f"{path}:{line}: {text}")
    longest("functions", function_rows)
    longest("files", file_rows)
    print(f"tidy: {count} files, {len(rows)} findings")
    return 1 if rows or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
