#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How tools/check and tools/demo count, install and clean up: with programs of
the test's own in place of cmake, ctest and the package manager."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INSTALLED = 'echo installed\n'
CTEST_GOOD = 'echo "100% tests passed, 0 tests failed out of 7"\n'
CTEST_BAD = 'echo "71% tests passed, 2 tests failed out of 7"\nexit 8\n'


class Tree:
    """A copy of tools/ with fake programs before the real ones in PATH."""

    def __init__(self, **programs):
        self.path = tempfile.mkdtemp(prefix="weir-check-")
        shutil.copytree(os.path.join(ROOT, "tools"), os.path.join(self.path, "tools"))
        self.bin = os.path.join(self.path, "bin")
        os.mkdir(self.bin)
        for name, text in programs.items():
            self.program(os.path.join(self.bin, name.replace("_", "-")), text)

    @staticmethod
    def program(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\n" + text)
        os.chmod(path, 0o755)

    def run(self, tool, *arguments, path=None):
        done = subprocess.run(
            ["/bin/bash", os.path.join(self.path, "tools", tool), *arguments],
            env={"PATH": path or f"{self.bin}:{os.environ['PATH']}", "HOME": self.path, "TREE": self.path},
            capture_output=True, text=True, check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    def done(self):
        shutil.rmtree(self.path)


def running(pid):
    """Whether a process is there and not just waiting to be buried."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Check(unittest.TestCase):
    def run_tool(self, programs, *arguments, tool="check", files=None):
        tree = Tree(**{"dpkg_query": INSTALLED, "cmake": "", **programs})
        self.addCleanup(tree.done)
        for path, text in (files or {}).items():
            tree.program(os.path.join(tree.path, path), text)
        return tree.run(tool, *arguments)

    def test_the_last_line_counts_and_the_status_agrees(self):
        status, lines, _ = self.run_tool({"ctest": CTEST_GOOD})
        self.assertEqual((status, lines[-1]), (0, "8 passed, 0 failed"))
        status, lines, _ = self.run_tool({"ctest": CTEST_BAD})
        self.assertEqual((status, lines[-1]), (1, "6 passed, 2 failed"))

    def test_a_build_that_fails_shows_its_end_and_counts(self):
        status, lines, _ = self.run_tool({"cmake": "echo broken.c:1: error; exit 1\n"})
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))
        self.assertIn("broken.c:1: error", lines)

    def test_a_runner_that_says_nothing_has_failed(self):
        status, lines, _ = self.run_tool({"ctest": "exit 0\n"})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_suites_are_counted_by_their_last_line(self):
        suite = {"tests/interop/run": 'echo "3 passed, 0 failed"\n', "tests/crash/run": 'echo "1 passed, 2 failed"\nexit 1\n'}
        with open(os.path.join(ROOT, "tools", "check"), encoding="utf-8") as f:
            crashes = f.read().count(" tests/crash/run ")
        status, lines, _ = self.run_tool({}, "interop", "crash", files=suite)
        # two builds, the interop suite's three, and what each crash suite says
        self.assertEqual((status, lines[-1]), (1, f"{2 + 3 + crashes} passed, {2 * crashes} failed"))

    def test_a_suite_whose_status_and_count_disagree_has_failed(self):
        suite = {"tests/interop/run": 'echo "3 passed, 0 failed"\nexit 1\n'}
        status, lines, _ = self.run_tool({}, "interop", files=suite)
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))
        status, lines, _ = self.run_tool({}, "interop", files={"tests/interop/run": "exit 0\n"})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_what_a_step_leaves_running_is_stopped_and_counted(self):
        leave = 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >"$TREE/pid"\n' + CTEST_GOOD
        tree = Tree(dpkg_query=INSTALLED, cmake="", ctest=leave)
        self.addCleanup(tree.done)
        status, lines, _ = tree.run("check")
        self.assertEqual((status, lines[-1]), (1, "8 passed, 1 failed"))
        self.assertTrue(any("sleep 1000" in line for line in lines), lines)
        with open(os.path.join(tree.path, "pid"), encoding="utf-8") as f:
            pid = int(f.read())
        deadline = time.monotonic() + 10
        while running(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(running(pid))

    def test_wrong_words_are_refused(self):
        for words in (["everything"], ["--jobs"], ["--jobs", "0"], ["--fuzz-seconds", "x"]):
            status, _, error = self.run_tool({}, *words)
            self.assertEqual(status, 2, words)
            self.assertIn(words[0], error)
        status, lines, _ = self.run_tool({}, "--help")
        self.assertEqual(status, 0)
        self.assertTrue(lines[0].startswith("usage: tools/check"))

    def test_missing_packages_are_named_and_installed(self):
        programs = {
            "dpkg_query": 'case "${@: -1}" in liblz4-dev | cmake) exit 1 ;; esac\necho installed\n',
            "apt_get": 'echo "$@" >>"$TREE/apt"\n',
            "id": "echo 0\n",
            "ctest": CTEST_GOOD,
        }
        tree = Tree(**{"cmake": "", **programs})
        self.addCleanup(tree.done)
        status, _, error = tree.run("check")
        self.assertEqual(status, 0, error)
        self.assertIn("installing cmake liblz4-dev", error)
        with open(os.path.join(tree.path, "apt"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "-qq update\n-qq install -y --no-install-recommends cmake liblz4-dev\n")

    def test_without_root_and_sudo_they_are_named_only(self):
        tree = Tree(dpkg_query="exit 1\n", id="echo 1000\n")
        self.addCleanup(tree.done)
        for name in ("bash", "dirname", "nproc", "cat", "mktemp"):
            os.symlink(shutil.which(name), os.path.join(tree.bin, name))
        for tool in ("check", "demo"):
            status, _, error = tree.run(tool, path=tree.bin)
            self.assertEqual(status, 2, error)
            self.assertIn("librdkafka-dev", error)

    def test_on_another_system_the_packages_are_named(self):
        tree = Tree()
        self.addCleanup(tree.done)
        for name in ("bash", "dirname", "nproc", "cat", "mktemp"):
            os.symlink(shutil.which(name), os.path.join(tree.bin, name))
        for tool in ("check", "demo"):
            status, _, error = tree.run(tool, path=tree.bin)
            self.assertEqual(status, 2, error)
            self.assertIn("not a Debian system", error)
            self.assertIn("librdkafka-dev", error)

    def test_demo_hands_its_options_on(self):
        weir = {"build/release/weir": 'echo "weir $*"\nexit 7\n'}
        status, lines, _ = self.run_tool({}, "--seconds", "3", tool="demo", files=weir)
        self.assertEqual((status, lines[-1]), (7, "weir demo --seconds 3"))
        status, lines, error = self.run_tool({"cmake": "echo broken; exit 1\n"}, tool="demo", files=weir)
        self.assertEqual((status, lines), (1, []))
        self.assertIn("broken", error)


if __name__ == "__main__":
    unittest.main()
