#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs a build into a temporary prefix and uses it as a stranger would.

usage: test_install.py --build DIR --cc COMPILER --cmake CMAKE
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
# Declared for a user's application to define: `weir run app.so` looks it up.
DEFINED_BY_USERS = {"weir_application"}
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

arguments = None


def run(*command, **more):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = tempfile.mkdtemp(prefix="weir-install-")
        cls.prefix = os.path.join(cls.tree, "prefix")
        run(arguments.cmake, "--install", arguments.build, "--prefix", cls.prefix)
        cls.weir = os.path.join(cls.prefix, "bin", "weir")
        cls.library = cls.find(r"libweir\.so\.0$")
        cls.libdir = os.path.dirname(cls.library)
        cls.environment = {
            **os.environ,
            "PKG_CONFIG_PATH": os.path.join(cls.libdir, "pkgconfig"),
            "LD_LIBRARY_PATH": cls.libdir,
        }

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tree)

    @classmethod
    def find(cls, pattern):
        for at, _, names in os.walk(cls.prefix):
            for name in names:
                if re.fullmatch(pattern, name):
                    return os.path.join(at, name)
        raise AssertionError(f"nothing like {pattern} was installed")

    def assert_works(self, program):
        out = run(program, env=self.environment)
        self.assertRegex(out, r"^weir \d+\.\d+\.\d+\n")
        for word in ("read", "work", "write", "lines", "words"):
            self.assertIn(word, out)

    def test_only_weir_symbols_are_exported(self):
        lines = run("nm", "-D", "--defined-only", self.library).splitlines()
        names = [line.split()[-1].split("@")[0] for line in lines]
        self.assertGreater(len(names), 20)
        self.assertEqual([n for n in names if not n.startswith("weir_")], [])

    def test_everything_the_headers_promise_is_exported(self):
        exported = run("nm", "-D", "--defined-only", self.library)
        include = os.path.join(self.prefix, "include", "weir")
        promised = set()
        for name in os.listdir(include):
            with open(os.path.join(include, name), encoding="utf-8") as f:
                text = re.sub(r"/\*.*?\*/|^[ \t]*#.*?(?<!\\)$", "", f.read(), flags=re.S | re.M)
            for declaration in re.findall(r"\bWEIR_API\b([^;]*);", text):
                function = re.search(r"\b(weir_\w+)\s*\(", declaration)
                variable = re.search(r"\b(weir_\w+)\s*(\[[^\]]*\])?$", declaration.strip())
                promised.add((function or variable).group(1))
        self.assertGreater(len(promised), 20)
        missing = [name for name in sorted(promised - DEFINED_BY_USERS) if not re.search(rf" {name}$", exported, re.M)]
        self.assertEqual(missing, [])

    def test_the_library_carries_its_version(self):
        self.assertTrue(os.path.islink(self.library))
        self.assertIn("libweir.so.0]", run("readelf", "-d", self.library))

    def test_each_header_compiles_alone(self):
        include = os.path.join(self.prefix, "include")
        for name in sorted(os.listdir(os.path.join(include, "weir"))):
            source = os.path.join(self.tree, "alone.c")
            with open(source, "w", encoding="utf-8") as f:
                f.write(f"#include <weir/{name}>\nint main(void)\n{{\n    return 0;\n}}\n")
            run(arguments.cc, *STRICT, "-fsyntax-only", f"-I{include}", source)

    def test_pkg_config_builds_a_program(self):
        flags = run("pkg-config", "--cflags", "--libs", "weir", env=self.environment).split()
        program = os.path.join(self.tree, "by-pkg-config")
        run(arguments.cc, *STRICT, "-o", program, os.path.join(HERE, "consumer.c"), *flags)
        self.assert_works(program)

    def test_cmake_builds_a_program(self):
        source = os.path.join(self.tree, "by-cmake")
        os.mkdir(source)
        shutil.copy(os.path.join(HERE, "consumer.c"), source)
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as f:
            f.write(
                "cmake_minimum_required(VERSION 3.16)\nproject(consumer C)\n"
                "find_package(weir 0.1 CONFIG REQUIRED)\n"
                "add_executable(consumer consumer.c)\n"
                "target_link_libraries(consumer weir::weir)\n"
            )
        build = os.path.join(source, "build")
        run(arguments.cmake, "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_COMPILER={arguments.cc}")
        run(arguments.cmake, "--build", build)
        self.assert_works(os.path.join(build, "consumer"))

    def test_the_program_is_there(self):
        version = run(self.weir, "--version")
        self.assertRegex(version, r"\d+\.\d+\.\d+")

    def test_every_command_has_its_manual_page(self):
        manuals = os.path.dirname(os.path.dirname(self.find(r"weir\.1")))
        commands = [line[2:18].strip() for line in run(self.weir, "help").splitlines()]
        self.assertGreater(len(commands), 10)
        for page in ["weir", *("weir-" + command.replace(" ", "-") for command in commands)]:
            path = os.path.join(manuals, "man1", page + ".1")
            self.assertTrue(os.path.exists(path), path)
            if shutil.which("man"):
                text = run("man", "-M", manuals, page, env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C"})
                self.assertIn("EXIT STATUS", text, page)

    def test_every_page_that_a_manual_refers_to_is_there(self):
        manuals = os.path.join(os.path.dirname(self.find(r"weir\.1")))
        for name in os.listdir(manuals):
            with open(os.path.join(manuals, name), encoding="utf-8") as f:
                for page in re.findall(r"^\.Xr (\S+) 1", f.read(), flags=re.M):
                    self.assertTrue(os.path.exists(os.path.join(manuals, page + ".1")), f"{name}: {page}(1)")

    def test_the_demo_finds_the_installed_word_count(self):
        out = run(self.weir, "demo", "--seconds", "1", "--workers", "1", "--no-kill", cwd=self.tree)
        self.assertRegex(out.splitlines()[-1], r"expected")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--build", "--cc", "--cmake"):
        parser.add_argument(option, required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
