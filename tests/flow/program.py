#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program as a user meets it: real processes, real exit codes, real messages.

usage: tests/flow/program.py --weir build/dev/weir [NAME...]
Each test is a function test_*; its docstring is the property. Ends with 'N passed, N failed'.
"""
import argparse
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

from wire import Connection, text

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = None
FAILED, USAGE, LOAD, UNREACHABLE, NOT_FOUND, DAMAGED, POISON, IN_USE = 1, 2, 3, 4, 5, 6, 7, 8
PATIENCE = 60  # seconds; a bound on a condition, never a pause


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.02)


def weir(*args, code=0, stdin="", env=None):
    """Runs a command to its end; returns (stdout, stderr)."""
    r = subprocess.run([WEIR, *args], input=stdin, capture_output=True, text=True, timeout=PATIENCE,
                       env=dict(os.environ, **(env or {})))
    assert r.returncode == code, f"weir {' '.join(args)}: exit {r.returncode}, not {code}\n{r.stdout}{r.stderr}"
    return r.stdout, r.stderr


def contains(text, *needles):
    for needle in needles:
        assert needle in text, f"'{needle}' is not in: {text}"


class Process:
    """A weir process in the background, with its log."""

    def __init__(self, work, name, *args, file_size_max=None, wrap=(), env=None):
        """With file_size_max it meets a full disk, as it were, when a file gets larger; wrap: a command to run it by."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_max, file_size_max))

        self.log_path = os.path.join(work, f"{name}.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrap, WEIR, *args], stdout=log, stderr=log, cwd=work,
                                            env=dict(os.environ, WEIR_LOG_FORMAT="logfmt", **(env or {})),
                                            preexec_fn=limit if file_size_max else None)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def says(self, pattern, count=1):
        def look():
            found = re.findall(pattern, self.log())
            assert len(found) >= count or self.process.poll() is None, f"it ended: {self.log()}"
            return found if len(found) >= count else None
        return wait_for(f"'{pattern}' in {self.log_path}", look)

    def ends(self, code):
        got = self.process.wait(PATIENCE)
        assert got == code, f"exit {got}, not {code}: {self.log()}"
        return self.log()

    def stop(self, code=0):
        if self.process.poll() is None:
            self.process.terminate()
        log = self.ends(code)
        assert "event=killing" not in log, f"a child did not end as asked: {log}"
        return log

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Broker(Process):
    def __init__(self, work, *args, listen="127.0.0.1:0", data=None, **more):
        super().__init__(work, "broker", "broker", "--data", data or os.path.join(work, "data"), "--listen", listen, *args,
                         **more)
        self.address = self.says(r"event=ready listen=(\S+)")[-1]


class Here:
    """A folder of its own, a broker when asked for, and whatever was started, stopped at the end."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="weir-program-")
        self.started = []
        self.bus = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in reversed(self.started):
            p.kill()
        shutil.rmtree(self.work)

    def path(self, name, text=None):
        p = os.path.join(self.work, name)
        if text is not None:
            with open(p, "w", encoding="utf-8") as f:
                f.write(text)
        return p

    def broker(self, *args, **kwargs):
        b = Broker(self.work, *args, **kwargs)
        self.started.append(b)
        self.bus = b.address
        return b

    def run(self, application, *args):
        p = Process(self.work, "pool", "run", application, "-X", f"bootstrap.servers={self.bus}",
                    "-X", f"state.dir={self.work}/state", *args)
        self.started.append(p)
        return p

    def topics(self, *names, partitions="2"):
        weir("topic", "create", *names, "-p", partitions, "-b", self.bus)

    def produce(self, topic, text, *args):
        weir("produce", topic, "-b", self.bus, *args, stdin=text)

    def consume(self, topic, *args):
        return weir("consume", topic, "-b", self.bus, "--exit", *args)[0]


class Writer:
    """Writes one line again and again in the background; count says how often."""

    def __init__(self, h, topic, line):
        self.line, self.count, self.enough = line, 0, threading.Event()
        self.process = subprocess.Popen([WEIR, "produce", topic, "-b", h.bus, "-X", "linger.ms=0", "--timeout", "60"],
                                        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.write)

    def write(self):
        while not self.enough.wait(0.001):
            self.process.stdin.write((self.line + "\n") * 20)
            self.process.stdin.flush()
            self.count += 20

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.thread.join()
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0, "weir produce failed"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


WORD_COUNT = os.path.join(ROOT, "examples", "word_count.lua")


# --- the command line ------------------------------------------------------------------------------------------------

def test_help_and_version():
    """Every command has its page, and the version is told."""
    overview = weir("--help")[0]
    for line in overview.split("Commands:\n")[1].split("\n\n")[0].splitlines():
        words = line[2:18].split()
        if words[0] != "help":
            contains(weir(*words, "--help")[0], "usage:")
    contains(weir("broker", "--help")[0], "usage: weir broker --data DIR")
    contains(weir("--version")[0], "weir 0.")
    contains(weir("help", "config")[0], "processing.guarantee", "durability")


def test_mistyped():
    """What is mistyped is refused with the nearest name."""
    contains(weir("produec", code=USAGE)[1], "did you mean 'produce'")
    contains(weir("topci", "create", "x", code=USAGE)[1], "no command 'topci create'", "did you mean 'topic create'?")
    contains(weir("topic", "craete", code=USAGE)[1], "no command 'topic craete'", "did you mean 'topic create'?")
    contains(weir("gruop", code=USAGE)[1], "no command 'gruop'", "did you mean 'group'?")
    contains(weir("porduce", "x", code=USAGE)[1], "no command 'porduce'; did you mean 'produce'?")
    contains(weir("topic", code=USAGE)[1], "weir topic wants one of:", "topic describe")
    contains(weir("topic", "zzzzz", code=USAGE)[1], "weir topic wants one of:", "topic describe")
    contains(weir("help", "topic", "creat", code=USAGE)[1], "did you mean 'topic create'?")
    contains(weir("zzzzz", "create", code=USAGE)[1], "no command 'zzzzz'; 'weir --help' lists them")
    contains(weir("consume", "x", "--form", "end", code=USAGE)[1], "did you mean '--from'")
    contains(weir("run", WORD_COUNT, "-X", "comit.interval.ms=5", code=USAGE)[1], "commit.interval.ms")
    contains(weir("broker", "--data", "/nonexistent", "-X", "durabilty=sync", code=USAGE)[1], "durability")


def test_contradictions():
    """Options that contradict each other are refused before anything starts."""
    contains(weir("run", WORD_COUNT, "-X", "bootstrap.servers=127.0.0.1:1", "--data", "x", code=USAGE)[1], "--data")
    contains(weir("run", WORD_COUNT, "--workers", "0", code=USAGE)[1], "1 to 128")
    contains(weir("broker", "--data", "/nonexistent", "-X", "group.max.session.timeout.ms=10", code=USAGE)[1],
             "group.min.session.timeout.ms")
    contains(weir("produce", "t", "--key", "a", "--key-separator", ":", code=USAGE)[1], "exclude each other")


def test_nobody_there():
    """A broker that does not answer is named, with its own exit code."""
    for args in (("topic", "list"), ("consume", "t", "--exit"), ("produce", "t")):
        contains(weir(*args, "-b", "127.0.0.1:1", "--timeout", "2", code=UNREACHABLE)[1], "127.0.0.1:1")
    contains(weir("query", "--http", "127.0.0.1:1", "s", "k", code=UNREACHABLE)[1], "127.0.0.1:1")


# --- broker and tools ------------------------------------------------------------------------------------------------

def test_broker_in_use():
    """A data folder or a port that another broker has is refused, and that one goes on."""
    with Here() as h:
        b = h.broker()
        contains(weir("broker", "--data", h.path("data"), "--listen", "127.0.0.1:0", code=IN_USE)[1], h.path("data"))
        contains(weir("broker", "--data", h.path("other"), "--listen", b.address, code=IN_USE)[1],
                 b.address.split(":")[1])
        weir("topic", "list", "-b", b.address)
        b.stop()


def test_topics():
    """Topics are made, listed, described and deleted; what is not there says so."""
    with Here() as h:
        h.broker()
        weir("topic", "create", "orders", "-p", "3", "-c", "retention.ms=1000", "-b", h.bus)
        contains(weir("topic", "create", "orders", "-b", h.bus, code=IN_USE)[1], "orders")
        listed = [json.loads(x) for x in weir("topic", "list", "-o", "json", "-b", h.bus)[0].splitlines()]
        assert {"topic": "orders", "partitions": 3} in listed
        described = json.loads(weir("topic", "describe", "orders", "-o", "json", "-b", h.bus)[0])
        assert len(described["partitions"]) == 3 and described["config"]["retention.ms"] == "1000"
        contains(weir("topic", "describe", "nope", "-b", h.bus, code=NOT_FOUND)[1], "nope")
        weir("topic", "delete", "orders", "-b", h.bus, code=USAGE)
        weir("topic", "delete", "orders", "--yes", "-b", h.bus)
        weir("topic", "describe", "orders", "-b", h.bus, code=NOT_FOUND)


def test_records():
    """Records keep key, value, null, header and type from produce to consume."""
    with Here() as h:
        h.broker()
        h.topics("t", partitions="1")
        h.produce("t", "a:1\nb:-2\nc:~\n", "-K", ":", "--value-type", "int64", "--null-value", "~", "-H", "from=test")
        assert h.consume("t", "--value-type", "int64") == "a\t1\nb\t-2\nc\tnull\n"
        first = json.loads(h.consume("t", "--value-type", "int64", "-o", "json", "-n", "1"))
        assert (first["key"], first["value"], first["headers"]) == ("a", 1, [["from", "test"]])
        assert h.consume("t", "--value-type", "int64", "--from", "-1") == "c\tnull\n"
        contains(weir("produce", "t", "-b", h.bus, "--value-type", "int64", stdin="x\n", code=POISON)[1], "line 1",
                 "int64")
        contains(weir("consume", "t", "-b", h.bus, "--exit", "--value-type", "double", "--key-type", "int64",
                      code=POISON)[1], "topic 't' partition 0 offset 0")


def test_full_disk():
    """A record that the broker cannot store is not lost in a time-out: the refusal and what to do are told."""
    with Here() as h:
        b = h.broker(file_size_max=1_000_000)
        h.topics("t", partitions="1")
        lines = "".join(f"{i} {'x' * 1000}\n" for i in range(2000))
        told = weir("produce", "t", "-b", h.bus, "--timeout", "2", "-X", "compression.type=none", stdin=lines,
                    code=FAILED)[1]
        contains(told, "records are not acknowledged: the broker refuses them", "Disk error", "its log names the file")
        contains(b.log(), "records refused", "t-0", "File too large")
        written = int(re.search(r"(\d+) records written", told).group(1))
        assert h.consume("t").count("\n") == written
        # more lines than the client holds: reading them waits, and that has an end too
        told = weir("produce", "t", "-b", h.bus, "--timeout", "2", "-X", "compression.type=none",
                    "-X", "queue.buffering.max.messages=100", stdin=lines, code=FAILED)[1]
        contains(told, "nothing was written for --timeout: the broker refuses them", "Disk error")


def test_exit_of_a_busy_topic():
    """consume --exit ends with what is there when it starts, however fast others go on writing."""
    with Here() as h:
        h.broker()
        h.topics("busy", partitions="4")
        h.produce("busy", "first\n" * 100)
        with Writer(h, "busy", "more"):
            for _ in range(3):
                assert h.consume("busy").splitlines().count("first") == 100
        assert "more" in h.consume("busy")


# --- applications ----------------------------------------------------------------------------------------------------

def test_does_not_load():
    """A script that does not load stops the pool, with file and line, and its own exit code."""
    with Here() as h:
        h.broker()
        bad = {"syntax.lua": "local weir = require 'weir'\nlocal x = = 1\n",
               "nothing.lua": "return 42\n",
               "verb.lua": "local weir = require 'weir'\nlocal app = weir.app 'x'\napp:straem('t')\nreturn app\n",
               "loop.lua": "while true do end\n", "junk.so": "no shared object\n", "script.txt": "return 42\n"}
        for name, text in bad.items():
            contains(h.run(h.path(name, text)).ends(LOAD), name)
            contains(weir("check", h.path(name), code=LOAD)[1], name)
        weir("run", h.path("missing.lua"), "-X", f"bootstrap.servers={h.bus}", code=LOAD)


def test_missing_topic():
    """On a broker that is not our own a missing input topic is named, with the remedy."""
    with Here() as h:
        h.broker()
        contains(h.run(WORD_COUNT).ends(NOT_FOUND), "lines", "weir topic create")


def test_internal_topic_refused():
    """An internal topic that the broker will not make ends the pool, with the option that is to be changed."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts")
        told = h.run(WORD_COUNT, "-X", "replication.factor=3").ends(USAGE)
        contains(told, "word-count-counts-repartition", "replication.factor=3")


def test_wrong_partition_count():
    """An internal topic with another number of partitions ends the pool, and is named with both numbers."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts")
        h.topics("word-count-counts-changelog", partitions="5")
        contains(h.run(WORD_COUNT).ends(DAMAGED), "'word-count-counts-changelog' has 5 partitions", "needs 2")


def test_word_count():
    """A pool counts, answers from every worker, commits at SIGTERM and leaves its group at once."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts")
        pool = h.run(WORD_COUNT, "--workers", "2", "--http", "127.0.0.1:0",
                     "-X", "processing.guarantee=exactly_once_v2")
        pool.says("event=running", 2)
        addresses = pool.says(r"event=listening address=(\S+)", 2)
        h.produce("lines", "The cat.\nthe dog, THE end\n")
        expected = {"the": "3", "cat": "1", "dog": "1", "end": "1"}

        def says(address, word):
            return subprocess.run([WEIR, "query", "--http", address, "counts", word], capture_output=True,
                                  text=True).stdout.strip()

        for a in addresses:
            wait_for("all words", lambda: all(says(a, word) == n for word, n in expected.items()))
            contains(weir("query", "--http", a, "counts", "unseen", code=NOT_FOUND)[1], "no such key")
            contains(weir("query", "--http", a, "nostore", "x", code=NOT_FOUND)[1], "counts")
            for path, needle in (("/v1/stores", "counts"), ("/v1/stores/counts", "partitions"), ("/v1/tasks", "running"),
                                 ("/v1/topology?format=text", "Sub-topology: 1"), ("/v1/topology", "KSTREAM"),
                                 ("/v1/topology?format=dot", "digraph"), ("/v1/app", "word-count"), ("/livez", "ok"),
                                 ("/metrics", "weir_records_processed_total")):
                status, text = get(a, path)
                assert status == 200, f"{path}: {status} {text}"
                contains(text, needle)
            assert get(a, "/nope")[0] == 404 and get(a, "/v1/stores/counts/keys/%zz")[0] == 400
        pool.stop()
        contains(weir("group", "describe", "word-count", "-b", h.bus)[0], "state Empty")
        offsets = json.loads(weir("group", "describe", "word-count", "-o", "json", "-b", h.bus)[0])["offsets"]
        places = [(o["topic"], o["partition"]) for o in offsets]
        assert len(places) > 1 and places == sorted(places), places
        last = dict(x.split("\t") for x in h.consume("word-counts", "--value-type", "int64").splitlines())
        assert last == expected, last


def test_damaged_state():
    """A damaged store is rebuilt from its changelog, and one line of the log says so."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts", partitions="1")
        pool = h.run(WORD_COUNT)
        pool.says("event=running")
        h.produce("lines", "a a\n")
        wait_for("the count", lambda: "a\t2\n" in h.consume("word-counts", "--value-type", "int64"))
        pool.stop()
        tables = [os.path.join(at, "CURRENT") for at, _, names in os.walk(h.path("state")) if "CURRENT" in names]
        assert len(tables) == 1, tables
        os.unlink(tables[0])
        h.produce("lines", "a\n")
        pool = h.run(WORD_COUNT)
        wait_for("the next count", lambda: "a\t3\n" in h.consume("word-counts", "--value-type", "int64"))
        pool.stop()
        told = re.findall(r".*event=state-rebuilt.*", pool.log())
        assert len(told) == 1, told
        contains(told[0], "level=warn", "task=1_0", os.path.dirname(tables[0]), "changelogs")


def test_http_port_in_use():
    """A query port that is taken stops the pool with what to do."""
    with Here() as h, socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        h.broker()
        h.topics("lines", "word-counts")
        contains(h.run(WORD_COUNT, "--http", f"127.0.0.1:{s.getsockname()[1]}").ends(IN_USE), "--http")


NUMBERS = """local weir = require "weir"
local app = weir.app "numbers"
app:stream("numbers", { key = weir.text, value = weir.int64 }):group_by_key():count "seen":to "seen-counts"
return app
"""


def test_poison():
    """A record that the serde cannot read stops the pool and is named; or is skipped, as configured."""
    with Here() as h:
        h.broker()
        h.topics("numbers", "seen-counts", partitions="1")
        h.produce("numbers", "a:not-8-bytes-long\n", "-K", ":")
        h.produce("numbers", "b:7\n", "-K", ":", "--value-type", "int64")
        contains(h.run(h.path("n.lua", NUMBERS)).ends(POISON), "topic 'numbers' partition 0 offset 0", "int64",
                 "deserialization.exception.handler")
        pool = h.run(h.path("n.lua"), "-X", "deserialization.exception.handler=continue")
        wait_for("'b' to be counted", lambda: h.consume("seen-counts", "--value-type", "int64") == "b\t1\n")
        pool.stop()


TEXT = """local weir = require "weir"
local app = weir.app "texts"
local texts = app:stream("texts", { key = weir.text, value = weir.text })
%s
return app
"""


def test_script_fails_on_a_record():
    """A script that fails on a record stops the pool for good, with the record's place, whatever the failure."""
    bad_key = 'texts:group_by(function(v) return "\\255" .. v end):count "c"'
    huge = 'texts:map_values(function(v) return v:rep(3000000) end):to "out"'
    raises = 'texts:foreach(function(v) error("out of luck") end)'
    with Here() as h:
        h.broker()
        h.topics("texts", "out", partitions="1")
        h.produce("texts", "a:b\n", "-K", ":")
        for name, line, said in (("key", bad_key, "not UTF-8"), ("huge", huge, "message.max.bytes"),
                                 ("raises", raises, "out of luck")):
            log = h.run(h.path(name + ".lua", TEXT % line), "-X", f"application.id={name}").ends(POISON)
            contains(log, "topic 'texts' partition 0 offset 0", said)
        assert "key-c-repartition" not in h.consume("key-c-repartition", "--uncommitted", "-o", "json")


def test_time_refused():
    """A record whose time the broker refuses stops the pool for good, with the topic and its option; or is left out."""
    with Here() as h:
        h.broker()
        h.topics("texts", "out", partitions="1")
        h.produce("texts", "a:b\nfar:c\nd:e\n", "-K", ":")
        script = h.path("far.lua", TEXT.replace("value = weir.text }", """value = weir.text,
            timestamp = function(v, k, r) return k == "far" and 99999999999999 or r.timestamp end }""")
            % 'texts:to "out"')
        for guarantee in ("at_least_once", "exactly_once_v2"):
            log = h.run(script, "-X", f"processing.guarantee={guarantee}").ends(POISON)
            contains(log, "out partition 0", "the time of a record", "message.timestamp.after.max.ms")
        weir("topic", "create", "small", "-p", "1", "-c", "max.message.bytes=500", "-b", h.bus)
        big = h.path("big.lua", TEXT % 'texts:map_values(function(v) return v:rep(900) end):to "small"')
        log = h.run(big, "-X", "processing.guarantee=exactly_once_v2", "-X", "application.id=big",
                    "-X", "compression.type=none").ends(POISON)
        contains(log, "small partition 0", "too large")
        pool = h.run(script, "-X", "production.exception.handler=continue", "-X", "linger.ms=0",
                     "-X", "batch.num.messages=1")
        wait_for("the others", lambda: {"a\tb", "d\te"} <= set(h.consume("out").splitlines()))
        pool.stop()
        contains(pool.log(), "record-dropped")


def test_close_fails():
    """A script that fails when its task closes is told in the log; the pool ends as it was asked to."""
    with Here() as h:
        h.broker()
        h.topics("texts", partitions="1")
        pool = h.run(h.path("close.lua", TEXT % (
            'texts:process{ name = "p", each = function() end, close = function() error("no close") end }')))
        pool.says("event=running")
        contains(pool.stop(), "close.lua:4: no close")


def damage(path, text):
    """Changes one byte of the text in the file."""
    with open(path, "r+b") as f:
        at = f.read().index(text)
        f.seek(at)
        f.write(b"X")


def test_damaged_log():
    """Damage that the broker finds as it starts is told to every reader, and nothing is counted behind it."""
    with Here() as h:
        b = h.broker()
        h.topics("lines", "word-counts", partitions="1")
        for line in ("one", "two", "three"):
            h.produce("lines", line + "\n")
        b.stop()
        damage(h.path("data/lines-0/00000000000000000000.log"), b"two")
        h.broker(listen=b.address).says("partition is offline")
        contains(h.run(WORD_COUNT, "-X", "processing.guarantee=exactly_once_v2").ends(DAMAGED),
                 "lines partition 0 offset", "damaged")
        contains(weir("consume", "lines", "--exit", "-b", h.bus, code=DAMAGED)[1], "'lines' partition 0", "damaged")
        assert h.consume("word-counts", "--value-type", "int64") == ""


def cut(path, _):
    os.truncate(path, 100)


def empty(path, _):
    os.truncate(path, 0)


def test_damaged_old_file():
    """A file that was closed long ago is not read at the start: its damage is found by the first reader, who stops."""
    for harm in (damage, cut, empty):
        with Here() as h:
            b = h.broker()
            weir("topic", "create", "lines", "-p", "1", "-c", "segment.bytes=4096", "-b", h.bus)
            h.topics("word-counts", partitions="1")
            for letter in "abc":
                h.produce("lines", letter * 3000 + "\n")
            b.stop()
            harm(h.path("data/lines-0/00000000000000000001.log"), b"bbb")
            h.broker(listen=b.address)
            out, err = weir("consume", "lines", "--exit", "-b", h.bus, code=DAMAGED)
            contains(err, "'lines' partition 0 offset 1", "damaged")
            assert out == "a" * 3000 + "\n", out
            contains(h.run(WORD_COUNT, "-X", "processing.guarantee=exactly_once_v2").ends(DAMAGED),
                     "lines partition 0 offset 1", "damaged")
            assert "ccc" not in h.consume("word-counts", "--value-type", "int64")


COUNT = """local weir = require "weir"
local app = weir.app "keyed"
app:stream("texts", { key = weir.text, value = weir.text }):group_by_key():count "c":to "out"
return app
"""


def test_damaged_store():
    """A damaged block of local state is met while records run: none is skipped for it, and the pool heals itself."""
    keys = [f"k{i}" for i in range(5000)]
    with Here() as h:
        h.broker()
        h.topics("texts", "out", partitions="1")
        pool = h.run(h.path("c.lua", COUNT))
        h.produce("texts", "".join(f"{k}:v\n" for k in keys), "-K", ":")
        wait_for("the first counts", lambda: len(h.consume("out").splitlines()) == len(keys))
        pool.stop()
        base = h.path("state/keyed/0_0/rocksdb")

        def damage(folder):
            sst = max((os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".sst")), key=os.path.getsize)
            with open(sst, "r+b") as f:
                f.seek(os.path.getsize(sst) // 3)
                f.write(bytes(b ^ 255 for b in f.read(1) * 4))
            return sst

        sst = damage(base)
        pool = h.run(h.path("c.lua"), "--http", "127.0.0.1:0", "--http-file", h.path("http"))
        address = wait_for("the address", lambda: os.path.exists(h.path("http.1")) and open(h.path("http.1")).read())
        pool.says("event=running")
        found = {get(address, f"/v1/stores/c/keys/{k}") for k in keys}
        told = [body for status, body in found if status == 503 and '"code":"damaged"' in body]
        assert told and os.path.basename(sst) in told[0] and not any(s == 404 for s, _ in found), told[:1]
        # nobody but the queries has met it, and that is enough
        wait_for("every key", lambda: all(get(address, f"/v1/stores/c/keys/{k}")[0] == 200 for k in keys))
        contains(pool.stop(), "state-damaged", os.path.basename(sst), "state-rebuilt")
        # now records meet it, and nobody has asked
        damage(base)
        h.produce("texts", "".join(f"{k}:v\n" for k in keys), "-K", ":")
        pool = h.run(h.path("c.lua"), "-X", "processing.exception.handler=continue")
        wait_for("the second counts", lambda: len(h.consume("out").splitlines()) == 2 * len(keys))
        rows = h.consume("out", "--value-type", "int64").splitlines()
        assert sorted(rows) == sorted(f"{k}\t{n}" for k in keys for n in (1, 2)), [r for r in rows if r[-2:] != "\t1"][:5]
        contains(pool.stop(), "the next start rebuilds it", "state-rebuilt")


def test_another_cluster():
    """State of one cluster is never read as that of another, whatever offsets the two have come to."""
    keys = [f"k{i}" for i in range(30)]
    with Here() as h:
        h.path("c.lua", COUNT)
        clusters = []
        for name in ("one", "two"):
            os.mkdir(h.path(name))
            b = Broker(h.path(name))
            h.started.append(b)
            clusters.append(b.address)

        def rows():
            return h.consume("out", "--value-type", "int64").splitlines()

        def count(cluster, these):
            h.bus = clusters[cluster]
            if "texts" not in weir("topic", "list", "-b", h.bus)[0]:
                h.topics("texts", "out", partitions="1")
            due = len(rows()) + len(these)
            h.produce("texts", "".join(f"{k}:v\n" for k in these), "-K", ":")
            pool = h.run(h.path("c.lua"))
            wait_for("the counts", lambda: len(rows()) == due)
            pool.stop()
            return pool.log()

        assert "state-rebuilt" not in count(0, keys[:10])
        count(1, keys)
        contains(count(0, keys[:5]), "event=state-rebuilt", "was of cluster", "is removed")
        count(1, ["k2", "k9"])  # the state is at an offset that this cluster has, too
        assert rows()[-2:] == ["k2\t2", "k9\t2"], rows()[-2:]


def test_reader_leaves():
    """A reader that has enough (`| head -1`) ends `weir consume` in silence."""
    with Here() as h:
        h.broker()
        h.topics("t", partitions="1")
        h.produce("t", "x" * 100 + "\n" + "y" * 200000 + "\n")
        consume = subprocess.Popen([WEIR, "consume", "t", "-b", h.bus, "--exit"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        consume.stdout.read(1)
        consume.stdout.close()
        assert consume.stderr.read() == b"" and consume.wait(PATIENCE) == 0


def test_consumed_topic_deleted():
    """`weir consume` of a topic that is deleted meanwhile shows what it has, says so, and ends."""
    with Here() as h:
        h.broker()
        h.topics("t", partitions="2")
        h.produce("t", "a\nb\n")
        consume = subprocess.Popen([WEIR, "consume", "t", "-b", h.bus, "-X", "topic.metadata.propagation.max.ms=100"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert sorted(consume.stdout.readline() for _ in range(2)) == ["a\n", "b\n"]
        weir("topic", "delete", "t", "--yes", "-b", h.bus)
        out, log = consume.communicate(timeout=PATIENCE)
        assert (out, consume.returncode) == ("", NOT_FOUND), (out, consume.returncode)
        contains(log, "topic 't' does not exist any more", "after 2 records")


def test_broker_comes_back():
    """A broker that is killed and comes back costs time, not records."""
    with Here() as h:
        b = h.broker()
        h.topics("lines", "word-counts", partitions="1")
        pool = h.run(WORD_COUNT, "-X", "processing.guarantee=exactly_once_v2", "-X", "statestore.cache.max.bytes=0")
        pool.says("event=running")
        h.produce("lines", "a a\n")
        wait_for("two counts", lambda: h.consume("word-counts", "--value-type", "int64") == "a\t1\na\t2\n")
        b.kill()
        h.broker(listen=b.address)
        h.produce("lines", "a\n")
        wait_for("the third", lambda: h.consume("word-counts", "--value-type", "int64") == "a\t1\na\t2\na\t3\n")
        pool.stop()


class Transaction:
    """Offsets in a transaction, request by request."""

    INIT, ADD_OFFSETS, END, COMMIT, FETCH = 22, 25, 26, 28, 9
    NOT_YET = (14, 15, 16, 51)  # coordinator loads or is away; the transaction before ends

    def __init__(self, address, name):
        self.name, self.connection, self.producer = name, None, b""
        self.connect(address)

    def connect(self, address):
        def once():
            try:
                return Connection(address, PATIENCE)
            except ConnectionRefusedError:
                return None
        self.connection = wait_for("the broker", once)

    def call(self, api, version, body):
        def once():
            answer = self.connection.call(api, version, body)
            answer.take("i")  # throttle time
            error = answer.take("h")
            return None if error in self.NOT_YET else (error, answer)
        return wait_for(f"an answer to request {api}", once)

    def begin(self):
        error, answer = self.call(self.INIT, 1, text(self.name) + struct.pack(">i", 60000))
        assert error == 0, error
        self.producer = answer.data[answer.at:]  # its id and epoch
        assert self.call(self.ADD_OFFSETS, 1, text(self.name) + self.producer + text("g"))[0] == 0

    def put(self, topic, offset):
        answer = self.connection.call(self.COMMIT, 2, text(self.name) + text("g") + self.producer + struct.pack(">i", 1) + text(topic) +
                                      struct.pack(">iiqi", 1, 0, offset, -1) + text(""))
        error = struct.unpack(">h", answer.data[-2:])[0]
        assert error == 0, error

    def commit(self, address):
        self.connect(address)
        return self.call(self.END, 1, text(self.name) + self.producer + b"\x01")[0]

    def committed(self, topic):
        answer = self.connection.call(self.FETCH, 3, text("g") + struct.pack(">i", 1) + text(topic) + struct.pack(">ii", 1, 0))
        assert (answer.take("i"), answer.take("i"), answer.text(), answer.take("i"), answer.take("i")) == (0, 1, topic, 1, 0)
        return answer.take("q")


def test_killed_behind_transaction_offsets():
    """Offsets whose joining a transaction was acknowledged are in it, though the broker is killed at that very moment."""
    with Here() as h:
        b = h.broker()
        h.topics("t", partitions="1")
        for offset in range(1, 21):
            transaction = Transaction(b.address, "x")
            transaction.begin()
            transaction.put("t", offset)
            b.kill()
            b = h.broker(listen=b.address)
            assert transaction.commit(b.address) == 0
            assert transaction.committed("t") == offset, f"the transaction was committed without its offset {offset}"


def test_broker_silent():
    """A broker that says nothing for longer than the session costs time: no records, and no worker."""
    with Here() as h:
        b = h.broker("-X", "group.min.session.timeout.ms=500")
        h.topics("lines", "word-counts", partitions="2")
        pool = h.run(WORD_COUNT, "-X", "processing.guarantee=exactly_once_v2", "-X", "session.timeout.ms=1000")
        pool.says("event=running")
        with Writer(h, "lines", "a b") as writer:
            for _ in range(3):
                before = writer.count
                wait_for("more lines", lambda: writer.count > before + 1000)
                b.process.send_signal(signal.SIGSTOP)
                time.sleep(2.5)  # the silence that is tested
                b.process.send_signal(signal.SIGCONT)

        def last():
            return dict(x.split("\t") for x in h.consume("word-counts", "--value-type", "int64").splitlines())
        wait_for(f"{writer.count} of each word", lambda: last().get("a") == last().get("b") == str(writer.count))
        assert "child ended" not in pool.log(), pool.log()
        pool.stop()


def test_input_deleted():
    """An input topic that is deleted while it is read is named in the log; the pool goes on and stops as asked."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts", partitions="1")
        pool = h.run(WORD_COUNT, "-X", "topic.metadata.propagation.max.ms=100", "-X", "topic.metadata.refresh.interval.ms=200")
        pool.says("event=running")
        h.produce("lines", "a\n")
        wait_for("a count", lambda: "a\t1" in h.consume("word-counts", "--value-type", "int64"))
        weir("topic", "delete", "lines", "--yes", "-b", h.bus)
        pool.says(r'level=warn .*event="input gone" .*lines \[0\].*(no longer available|does not exist)')
        pool.stop()


def test_data_is_no_folder():
    """A data folder that cannot be made ends a broker, and a pool with the included one, with a remedy and code 2."""
    with Here() as h:
        file = h.path("file", "x")
        for command in (("broker", "--listen", "127.0.0.1:0"), ("run", WORD_COUNT, "--broker", f"127.0.0.1:{free_port()}")):
            _, err = weir(*command, "--data", file, code=USAGE)
            contains(err, file, "name another folder with --data")


def test_included_broker():
    """Without bootstrap.servers the included broker runs beside the pool, is restarted, and keeps its data."""
    with Here() as h:
        h.bus = f"127.0.0.1:{free_port()}"

        def start():
            p = Process(h.work, "own", "run", WORD_COUNT, "--broker", h.bus, "--data", h.path("data"),
                        "-X", f"state.dir={h.path('state')}")
            h.started.append(p)
            p.says("event=running", 1 + h.starts)
            h.starts += 1
            return p

        h.starts = 0
        pool = start()
        contains(pool.log(), "no bootstrap.servers given")
        h.produce("lines", "x y x\n")
        wait_for("counts", lambda: "x\t2" in h.consume("word-counts", "--value-type", "int64"))
        pool.stop()
        start().stop()


def test_worker_dies():
    """A worker that is killed is started again and goes on."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts", partitions="1")
        pool = h.run(WORD_COUNT, "--http", "127.0.0.1:0", "-X", "processing.guarantee=exactly_once_v2")
        address = pool.says(r"event=listening address=(\S+)")[0]
        pool.says("event=running")
        os.kill(json.loads(get(address, "/v1/app")[1])["pid"], signal.SIGKILL)
        pool.says("event=running", 2)
        h.produce("lines", "again\n")
        wait_for("the count", lambda: h.consume("word-counts", "--value-type", "int64") == "again\t1\n")
        pool.stop()


def test_demo():
    """The demonstration counts what it sent, with a worker killed on the way."""
    out = weir("demo", "--seconds", "2", "-a", WORD_COUNT)[0]
    contains(out, "kill -9 of worker 2", "0 of ", "exactly once: yes")


def main(doc, names):
    """Runs the test_* among names (the caller's globals), or those that the command line names."""
    global WEIR
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weir", required=True)
    p.add_argument("names", nargs="*")
    args = p.parse_args()
    WEIR = os.path.abspath(args.weir)
    tests = [(n, f) for n, f in sorted(names.items()) if n.startswith("test_") and (not args.names or n in args.names)]
    failed = 0
    for name, test in tests:
        began = time.monotonic()
        try:
            test()
            print(f"ok      {name:<28}{(time.monotonic() - began) * 1000:7.0f} ms", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {name}: {test.__doc__}", flush=True)
            traceback.print_exc()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(__doc__, globals()))
