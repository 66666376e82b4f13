#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/check_rooms.py refuses and what it lets pass."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "tools", "check_rooms.py")


def run(files):
    """(exit status, lines) for a tree of path -> text."""
    with tempfile.TemporaryDirectory() as tree:
        for path, text in files.items():
            full = os.path.join(tree, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        done = subprocess.run([sys.executable, PROGRAM, tree], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


class Rooms(unittest.TestCase):
    def refused(self, path, text, part):
        status, lines = run({path: text})
        self.assertEqual(status, 1, lines)
        self.assertIn(part, lines[0])
        self.assertTrue(lines[0].startswith(path + ":"), lines[0])

    def passes(self, path, text):
        status, lines = run({path: text})
        self.assertEqual(status, 0, lines)

    def test_includes_along_the_arrows_pass(self):
        self.passes("base/a.c", '#include "base/a.h"\n#include "weir/types.h"\n#include <stdio.h>\n')
        self.passes("stores/a.c", '#include "base/a.h"\n#include "weir/weir.h"\n')
        self.passes("dsl/a.c", '#include "runtime/a.h"\n#include "weir/dsl.h"\n')
        self.passes("cli/a.c", '#include "broker/a.h"\n#include "dsl/a.h"\n')
        self.passes("tests/x/a.c", '#include "broker/a.h"\n#include "tests/harness/a.h"\n')
        self.passes("examples/a.c", "#include <weir/dsl.h>\n")

    def test_includes_against_the_arrows_are_refused(self):
        self.refused("base/a.c", '#include "stores/a.h"\n', "base may not include")
        self.refused("broker/a.c", '#include "runtime/a.h"\n', "broker may not include")
        self.refused("runtime/a.h", '  #  include "broker/a.h"\n', "runtime may not include")
        self.refused("runtime/a.c", '#include "weir/dsl.h"\n', "runtime may not include")
        self.refused("broker/a.c", '#include "weir/weir.h"\n', "broker may not include")
        self.refused("examples/a.c", '#include "base/bytes.h"\n', "examples may not include")
        self.refused("include/weir/a.h", '#include "base/bytes.h"\n', "include may not include")
        self.refused("dsl/a.c", '#include "tests/harness/a.h"\n', "dsl may not include")

    def test_an_include_without_its_room_is_refused(self):
        self.refused("base/a.c", '#include "bytes.h"\n', "write it from the root")

    def test_a_public_header_must_be_known(self):
        self.refused("dsl/a.c", '#include "weir/new.h"\n', "PUBLIC")

    def test_third_party_headers_have_one_door(self):
        self.passes("stores/rocks.c", "#include <rocksdb/c.h>\n")
        self.passes("tests/harness/weir_test.h", "#include <cmocka.h>\n")
        self.passes("tests/flow/a.c", "#include <librdkafka/rdkafka.h>\n")
        self.refused("runtime/task.c", "#include <rocksdb/c.h>\n", "behind its door")
        self.refused("broker/a.c", "#include <librdkafka/rdkafka.h>\n", "behind its door")
        self.refused("cli/main.c", "#include <lua.h>\n", "behind its door")
        self.refused("tests/base/a.c", "#include <cmocka.h>\n", "behind its door")

    def test_banned_functions_are_found_in_code_only(self):
        self.refused("base/a.c", "void f(char *a)\n{\n    strcpy(a, a);\n}\n", ":3: strcpy() is banned")
        self.refused("cli/a.c", "int x = atoi (y);\n", "atoi() is banned")
        self.passes("base/a.c", '/* sleep(1) */ // rand()\nconst char *s = "strtok(";\n')
        self.passes("base/a.c", "int x = my_rand(1) + s->sleep(2) + snprintf(a, 1, b) + gmtime_r(c, d);\n")
        self.passes("tests/base/a.c", "int x = rand();\n")

    def test_a_type_has_one_definition(self):
        one = "struct wr_task {\n    int a;\n};\n"
        status, lines = run({"broker/loop.h": one, "runtime/node.h": "\n" + one})
        self.assertEqual(status, 1, lines)
        self.assertEqual(lines[0], "runtime/node.h:2: wr_task is defined in broker/loop.h:1 too: rename one")
        uses = "struct wr_task;\nvoid f(struct wr_task *task);\n/* struct wr_task { */\n"
        self.assertEqual(run({"broker/loop.h": one, "runtime/node.h": uses})[0], 0)
        local = "struct walk {\n    int a;\n};\n"
        self.assertEqual(run({"broker/a.c": local, "dsl/b.c": local})[0], 0)

    def test_an_empty_tree_is_not_a_success(self):
        self.assertEqual(run({"README.md": "x"})[0], 1)

    def test_a_wrong_call_is_told(self):
        done = subprocess.run([sys.executable, PROGRAM, "--what"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage", done.stderr)


if __name__ == "__main__":
    unittest.main()
