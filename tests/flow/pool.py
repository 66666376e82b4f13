#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pool as those meet it who operate it: containers, service managers, signals, kills, frozen processes.

usage: tests/flow/pool.py --weir build/dev/weir [NAME...]
Each test is a function test_*; its docstring is the property. Ends with 'N passed, N failed'.
"""
import os
import re
import signal
import sys

import program as flow
from program import Here, Process, WORD_COUNT, contains, free_port, wait_for, weir

WORDS = [f"word{i}" for i in range(40)]


class Pool(Process):
    """weir run with an included broker, whose name in the log is `name`."""

    def __init__(self, h, *args, name="pool", application=WORD_COUNT, port=None, wrap=(), env=None):
        self.port = port or free_port()
        command = ["run", application, "--broker", f"127.0.0.1:{self.port}", "--data", f"{h.work}/data",
                   "-X", f"state.dir={h.work}/state", "-X", "processing.guarantee=exactly_once_v2",
                   "-X", "session.timeout.ms=6000", *args]
        super().__init__(h.work, name, *command, wrap=wrap, env=env)
        h.started.append(self)
        h.bus = f"127.0.0.1:{self.port}"

    def pids(self, process):
        """Process ids of the children that live, by the name that they log under."""
        found = {}
        for pid in children(self.process.pid):
            found.setdefault(name_of(pid), []).append(pid)
        return found.get(process, [])


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(p) for p in f.read().split()]
    except FileNotFoundError:
        return []


def name_of(pid):
    """What a child is: the broker listens, a worker does not."""
    try:
        fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return "gone"
    return "broker" if any(fd.endswith("/data/lock") or "/data/" in fd for fd in fds) else "worker"


def count_words(h, times):
    """Every word was counted so often, and no more."""
    def counted():
        last = {}
        for line in h.consume("word-counts", "--value-type", "int64").splitlines():
            word, count = line.split("\t")
            last[word] = int(count)
        assert all(count <= times for count in last.values()), f"counted twice: {last}"
        return last == {word: times for word in WORDS}
    wait_for(f"{times} of each word", counted)


def send_words(h):
    h.produce("lines", "".join(word + "\n" for word in WORDS))


def counting_pool(h, *args, **more):
    """A pool of two workers that has counted each word once."""
    pool = Pool(h, "-w", "2", *args, **more)
    pool.says("event=running", 2)
    send_words(h)
    count_words(h, 1)
    return pool


def test_as_process_1():
    """In a container's shape a pool works, mends itself, ends on SIGTERM with 0 and leaves no process."""
    if os.geteuid() != 0:
        wrap = ("unshare", "-Urpf", "--mount-proc", "--kill-child=SIGKILL")
    else:
        wrap = ("unshare", "-pf", "--mount-proc", "--kill-child=SIGKILL")
    with Here() as h:
        pool = counting_pool(h, wrap=wrap)
        inside = children(pool.process.pid)[0]
        victim = [p for p in children(inside) if name_of(p) == "worker"][0]
        os.kill(victim, signal.SIGKILL)
        pool.says("event=running", 3)
        send_words(h)
        count_words(h, 2)
        family = children(inside)
        os.kill(inside, signal.SIGTERM)
        log = pool.ends(0)
        assert "event=killing" not in log, log
        assert len(family) == 3 and not any(os.path.exists(f"/proc/{p}") for p in family)


def test_sigterm_to_all():
    """A service manager's SIGTERM to all processes at once ends the workers first, each with its commit."""
    with Here() as h:
        pool = counting_pool(h)
        send_words(h)
        for pid in children(pool.process.pid) + [pool.process.pid]:
            os.kill(pid, signal.SIGTERM)
        log = pool.ends(0)
        assert not re.search("level=error|event=killing|did not leave", log), log
        again = Pool(h, "-w", "2", name="again")
        again.says("event=running", 2)
        count_words(h, 2)
        again.stop()


def test_other_signals():
    """SIGUSR1 and SIGUSR2 change nothing, a hang-up stops as SIGTERM does, and at once again it is the same wish."""
    with Here() as h:
        pool = Pool(h)
        pool.says("event=running")
        for pid in children(pool.process.pid) + [pool.process.pid]:
            os.kill(pid, signal.SIGUSR1)
            os.kill(pid, signal.SIGUSR2)
        for pid in children(pool.process.pid):
            os.kill(pid, signal.SIGHUP)
        send_words(h)
        count_words(h, 1)
        pool.process.send_signal(signal.SIGHUP)
        pool.process.send_signal(signal.SIGTERM)
        pool.process.send_signal(signal.SIGHUP)
        log = pool.ends(0)
        assert not re.search("event=killing|child died|child ended", log), log


def test_under_nohup():
    """A hang-up that is ignored, as under nohup, ends neither a pool nor a broker."""
    with Here() as h:
        nohup = ("env", "--ignore-signal=HUP")
        pool = Pool(h, wrap=nohup)
        pool.says("event=running")
        pool.process.send_signal(signal.SIGHUP)
        broker = h.broker(wrap=nohup, data=h.path("alone"))
        broker.process.send_signal(signal.SIGHUP)
        h.topics("t")
        broker.stop()
        h.bus = f"127.0.0.1:{pool.port}"
        send_words(h)
        count_words(h, 1)
        assert "event=stopping" not in pool.log(), pool.log()
        pool.stop()


def test_broker_takes_signals():
    """weir broker stops on SIGHUP, is not ended by SIGUSR1, and takes a repeat within a second for one wish."""
    with Here() as h:
        broker = h.broker()
        broker.process.send_signal(signal.SIGUSR1)
        broker.process.send_signal(signal.SIGUSR2)
        h.topics("t")
        broker.process.send_signal(signal.SIGHUP)
        broker.process.send_signal(signal.SIGTERM)
        broker.ends(0)


def test_supervisor_killed():
    """A pool whose supervisor was killed, started again at once, waits for what is left and takes over all of it."""
    with Here() as h:
        pool = counting_pool(h)
        send_words(h)
        pool.process.kill()
        again = Pool(h, "-w", "2", name="again", port=pool.port)
        again.says("event=running", 2)
        count_words(h, 2)
        log = again.stop()
        assert "another number" not in log and "exit=8" not in log, log


def test_frozen_worker():
    """A worker that is stopped as a debugger or a bad disk stops it is replaced, and its tasks go on."""
    with Here() as h:
        pool = counting_pool(h)
        os.kill(pool.pids("worker")[0], signal.SIGSTOP)
        send_words(h)
        count_words(h, 2)
        pool.says('event="killing a child that hangs"')
        pool.says("event=running", 3)
        pool.stop()


def test_running_text():
    """A worker that dies is started again with the text that the pool was started with, whatever the file is now."""
    with Here() as h:
        with open(WORD_COUNT, encoding="utf-8") as f:
            script = h.path("word_count.lua", f.read())
        pool = counting_pool(h, application=script)
        h.path("word_count.lua", "this is a mistake")
        os.kill(pool.pids("worker")[0], signal.SIGKILL)
        pool.says("event=running", 3)
        send_words(h)
        count_words(h, 2)
        pool.stop()
        contains(weir("run", script, "--data", f"{h.work}/data", code=flow.LOAD)[1], "word_count.lua:1:")


def test_broker_options():
    """The included broker's options can be said, and are named where they are said in the wrong place."""
    with Here() as h:
        pool = Pool(h, "--broker-set", "num.partitions=3", "-X", "log.level=warn")
        wait_for("the topic", lambda: "lines" in weir("topic", "list", "-b", h.bus)[0])
        lines = weir("topic", "describe", "lines", "-b", h.bus, "-o", "json")[0]
        assert len(re.findall('"leader"', lines)) == 3 or '"partitions":3' in lines, lines
        log = pool.stop()
        assert "level=info" not in log, log
    contains(weir("run", WORD_COUNT, "-X", "num.partitions=3", code=flow.USAGE)[1], "--broker-set num.partitions=3")
    contains(weir("run", WORD_COUNT, "--broker-set", "num.partitions=0", code=flow.USAGE)[1], "num.partitions")


def test_bootstrap_from_environment():
    """weir run takes WEIR_BOOTSTRAP_SERVERS as the tools do."""
    with Here() as h:
        h.broker()
        h.topics("lines", "word-counts")
        pool = Process(h.work, "pool", "run", WORD_COUNT, "-X", f"state.dir={h.work}/state",
                       env={"WEIR_BOOTSTRAP_SERVERS": h.bus})
        h.started.append(pool)
        pool.says("event=running")
        log = pool.stop()
        assert "included broker" not in log, log


if __name__ == "__main__":
    sys.exit(flow.main(__doc__, globals()))
