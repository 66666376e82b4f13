#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Processor API, exactly once: two processes count words while one or the other is killed with -9.

Every word's committed counts must be 1, 2, 3, ... without gap or repeat. Against WEIR_TEST_BOOTSTRAP, or else against
the included broker, which is started for the time of the test.
"""
import argparse
import collections
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

KILLS = 6
LINES = 20000
WAIT_S = 60
WORDS = re.compile(r"[0-9A-Za-z]+")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Flow:
    """What one run of the test needs; a `with` ends every process."""

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.address = os.environ.get("WEIR_TEST_BOOTSTRAP", "")
        self.prefix = f"flow-{os.getpid()}-{int(time.time())}"
        self.processes = []

    def __enter__(self):
        if not self.address:
            self.address = f"127.0.0.1:{free_port()}"
            self.start("broker.log", self.arguments.weir, "broker", "--data", f"{self.folder}/data", "--listen", self.address)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def start(self, log, *command):
        with open(f"{self.folder}/{log}", "ab") as out:
            self.processes.append(subprocess.Popen(command, stdout=out, stderr=out))
        return self.processes[-1]

    def weir(self, *command, text=None):
        return subprocess.run([self.arguments.weir, *command, "-b", self.address], input=text, stdout=subprocess.PIPE,
                              text=True, check=True, timeout=WAIT_S).stdout

    def create(self, name):
        deadline = time.time() + WAIT_S
        while True:
            try:
                self.weir("topic", "create", name, "--partitions", "4")
                return name
            except subprocess.CalledProcessError:
                if time.time() > deadline:
                    raise
                time.sleep(0.1)

    def worker(self, number):
        return self.start(f"worker-{number}.log", self.arguments.program, f"{self.prefix}-in", f"{self.prefix}-out",
                          "-X", f"application.id={self.prefix}", "-X", f"bootstrap.servers={self.address}",
                          "-X", "processing.guarantee=exactly_once_v2", "-X", f"state.dir={self.folder}/state",
                          "-X", f"group.instance.id={self.prefix}-{number}", "-X", "num.stream.threads=2")


def mistakes(output, expected):
    """Words whose counts are not 1, 2, 3 ..., and those that are not at their count yet."""
    last, broken = collections.Counter(), set()
    for line in output.splitlines():
        word, count = line.split("\t")
        if int(count) != last[word] + 1:
            broken.add(word)
        last[word] = int(count)
    return broken, {word for word in expected.keys() | last.keys() if last[word] != expected[word]}


def run(flow, seed):
    dice = random.Random(seed)
    lines = [" ".join(f"w{dice.randrange(400)}" for _ in range(6)) for _ in range(LINES)]
    expected = collections.Counter(word for line in lines for word in WORDS.findall(line))
    flow.create(f"{flow.prefix}-in")
    flow.create(f"{flow.prefix}-out")
    workers = [flow.worker(0), flow.worker(1)]
    part = LINES // KILLS
    for kill in range(KILLS):
        flow.weir("produce", f"{flow.prefix}-in", text="\n".join(lines[kill * part:(kill + 1) * part]) + "\n")
        victim = dice.randrange(2)
        time.sleep(dice.uniform(0, 0.5))
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = flow.worker(victim)
    flow.weir("produce", f"{flow.prefix}-in", text="\n".join(lines[KILLS * part:] + [""]))
    deadline = time.time() + WAIT_S
    while True:
        broken, missing = mistakes(flow.weir("consume", "-e", "--value-type", "int64", f"{flow.prefix}-out"), expected)
        if broken or not missing or time.time() > deadline:
            return broken, missing
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--program", required=True)
    arguments = parser.parse_args()
    seed = int(os.environ.get("WEIR_SEED", "0"), 0) or int(time.time())
    print(f"WEIR_SEED={seed}")
    with tempfile.TemporaryDirectory(prefix="weir-flow-") as folder:
        with Flow(arguments, folder) as flow:
            broken, missing = run(flow, seed)
        if broken or missing:
            print(f"counts with gaps or repeats: {sorted(broken)[:5]}; not at their count: {sorted(missing)[:5]}")
            for log in sorted(os.listdir(folder)):
                if log.endswith(".log"):
                    with open(f"{folder}/{log}", errors="replace", encoding="utf-8") as text:
                        print(f"--- {log}\n" + "".join(text.readlines()[-15:]))
            return 1
    print(f"{KILLS} kills, {LINES} lines: every count is there once")
    return 0


if __name__ == "__main__":
    sys.exit(main())
