#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/tidy.py finds, and how its excuses work."""

import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import csource  # noqa: E402
import tidy  # noqa: E402

HEAD = "/* SPDX-License-Identifier: Apache-2.0\n *\n * What this is for. */\n"


def findings(files, excused=None):
    with tempfile.TemporaryDirectory() as tree:
        for path, text in files.items():
            full = os.path.join(tree, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        rows = tidy.check_tree(tree, excused or {})[0]
    return [f"{path}:{line}: {text}" for path, line, text in rows]


def function(name, body_lines, parameters="void"):
    return f"static int {name}({parameters})\n{{\n" + "    step();\n" * body_lines + "}\n"


class Functions(unittest.TestCase):
    def test_lines_and_parameters_are_counted(self):
        text = (
            "#define X 1\n"
            "struct s {\n    int a;\n};\n"
            "int table[] = {\n    1,\n};\n"
            "static enum status\nlong_name(struct a *a, int (*fn)(int, int),\n          int c)\n"
            "{\n    if (x) {\n    }\n}\n"
            "\n"
            "__attribute__((target(\"x\"))) static int\nother(void)\n{\n}\n"
        )
        self.assertEqual(csource.functions(text), [("long_name", 8, 14, 3), ("other", 16, 19, 0)])

    def test_comments_and_strings_do_not_count(self):
        text = 'int f(int a /* , int b */)\n{\n    puts("}\\n{");\n    // }\n}\n'
        self.assertEqual(csource.functions(text), [("f", 1, 5, 1)])

    def test_blanked_text_keeps_its_lines(self):
        text = "a /* x\ny */ b // c\n'\"' \"\\\"\" d\n"
        blank = csource.code_only(text)
        self.assertEqual(blank.count("\n"), text.count("\n"))
        self.assertEqual(len(blank), len(text))
        for word in ("x", "y", "c"):
            self.assertNotIn(word, blank)
        self.assertIn("d", blank)


class Tidy(unittest.TestCase):
    def ok(self, files):
        self.assertEqual(findings(files), [])

    def finds(self, files, part):
        rows = findings(files)
        self.assertTrue(any(part in row for row in rows), rows)

    def test_a_file_that_keeps_the_rules_passes(self):
        self.ok({"base/a.c": HEAD + function("f", 67), "tests/base/test_a.c": HEAD, "base/a.h": HEAD})

    def test_long_functions_files_and_parameter_lists_are_found(self):
        self.finds({"base/a.h": HEAD + function("f", 68)}, "base/a.h:4: f has 71 lines")
        self.finds({"base/a.h": HEAD + function("f", 1, "int a, int b, int c, int d, int e, int f, int g")}, "7 parameters")
        self.finds({"base/a.h": HEAD + "int a;\n" * 898}, "901 lines")

    def test_a_source_file_needs_its_test(self):
        self.finds({"broker/log.c": HEAD}, "has no tests/broker/test_log.c")
        self.finds({"broker/log.c": HEAD, "tests/base/test_log.c": HEAD}, "has no tests/broker/test_log.c")

    def test_a_part_without_a_header_may_share_its_machines_test(self):
        tree = {"broker/group_join.c": HEAD, "tests/broker/test_group.c": HEAD}
        self.ok(tree)
        self.finds({**tree, "broker/group_join.h": HEAD}, "has no tests/broker/test_group_join.c")

    def test_licence_and_story_are_needed(self):
        self.finds({"base/a.h": "int a;\n"}, "does not open with SPDX")
        self.finds({"base/a.h": "/* SPDX-License-Identifier: Apache-2.0 */\n"}, "its story")
        self.ok({"tests/base/test_a.c": "/* SPDX-License-Identifier: Apache-2.0 */\n"})
        self.finds({"examples/a.lua": "return 1\n"}, "does not open with SPDX")

    def test_a_public_function_needs_its_docstring(self):
        told = "/** Does a. */\nWEIR_API int a(void);\n"
        self.assertEqual(findings({"include/weir/a.h": HEAD + told}), [])
        found = findings({"include/weir/a.h": HEAD + told + "WEIR_API int b(void);\n"})
        self.assertEqual(len(found), 1)
        self.assertIn("include/weir/a.h:6: has no docstring", found[0])
        self.assertEqual(findings({"base/a.h": HEAD + "WEIR_API int b(void);\n"}), [])

    def test_marks_tabs_and_blanks_are_found(self):
        self.finds({"base/a.h": HEAD + "/* TO" + "DO */\n"}, "left for later")
        self.finds({"base/a.h": HEAD + "\tint a;\n"}, "a tab")
        self.finds({"base/a.h": HEAD + "int a; \n"}, "blanks at the end")
        self.finds({"base/a.h": HEAD + "int a;"}, "no newline")

    def test_an_excuse_excuses_and_an_idle_one_is_found(self):
        tree = {"base/a.h": HEAD + function("f", 100)}
        self.assertEqual(findings(tree, {("function", "base/a.h:f"): "because"}), [])
        rows = findings({"base/a.h": HEAD}, {("function", "base/a.h:f"): "because"})
        self.assertIn("needs no excuse", rows[0])


if __name__ == "__main__":
    unittest.main()
