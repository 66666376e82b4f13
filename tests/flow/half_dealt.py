#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A static member that comes back into a half-dealt group makes the group deal all tasks out again.

In a cooperative rebalance a member is first told to give partitions up, and joins again so that others are given them. A
static member that dies between the two is given what it had when it comes back, with no rebalance, and the rest would be
nobody's for ever. The scene is set by hand: a member of the worker's name joins, as group leader deals itself a part of
the tasks only, and is gone.

A member that is merely slow to give its tasks up is not taken for dead by a new one: nobody leaves for its sake.

Against WEIR_TEST_BOOTSTRAP, or else against the included broker, which is started for the time of the test.
"""
import argparse
import json
import struct
import subprocess
import sys
import tempfile
import time

from processor_api import WAIT_S, Flow
from wire import Connection, block, text

APPLICATION = """local weir = require "weir"
local app = weir.app "half-dealt"
app:stream("INPUT", weir.text):map(function(_, v) return v, v end):group_by_key():count "counts"
return app
"""
SLOW_APPLICATION = """local weir = require "weir"
local app = weir.app "slow"
local function wait(v)
  local began = os.clock()
  while os.clock() - began < 0.055 do end
  return v
end
app:stream("INPUT", weir.text):map_values(wait):to("OUTPUT", weir.text)
return app
"""
SLOW_RECORDS = 300  # a thread looks up after 256 of a task, here after 14 s
SLOW_TASKS = 4
SLOW_WAIT_S = 200  # the 14 s are of processor time
TASKS = 8  # two sub-topologies, four partitions
JOIN_GROUP, SYNC_GROUP = 11, 14
COORDINATOR_ERRORS = (14, 15, 16)  # it is on its way


class Impostor(Connection):
    """A consumer of its own make, on a plain connection."""

    def __init__(self, address, group, instance):
        super().__init__(address, WAIT_S)
        self.group, self.instance = group, instance

    def join(self, topic):
        """Returns the error, the generation and the member id."""
        subscription = struct.pack(">hi", 1, 1) + text(topic) + struct.pack(">ii", -1, 0)  # no user data, nothing owned
        body = (text(self.group) + struct.pack(">ii", 60000, 60000) + text("") + text(self.instance) + text("consumer") +
                struct.pack(">i", 1) + text("cooperative-sticky") + block(subscription))
        answer = self.call(JOIN_GROUP, 5, body)
        answer.take("i")  # throttle time
        error, generation = answer.take("h"), answer.take("i")
        answer.text(), answer.text()  # protocol, leader
        return error, generation, answer.text()

    def deal(self, topic, partitions):
        """Joins alone and takes just these."""
        deadline = time.monotonic() + WAIT_S
        error, generation, member = self.join(topic)
        while error in COORDINATOR_ERRORS and time.monotonic() < deadline:
            time.sleep(0.1)
            error, generation, member = self.join(topic)
        assert error == 0, f"JoinGroup: error {error}"
        assignment = (struct.pack(">hi", 1, 1) + text(topic) + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions) +
                      struct.pack(">i", -1))
        answer = self.call(SYNC_GROUP, 3, text(self.group) + struct.pack(">i", generation) + text(member) + text(self.instance) +
                           struct.pack(">i", 1) + text(member) + block(assignment))
        answer.take("i")
        error = answer.take("h")
        assert error == 0, f"SyncGroup: error {error}"


def shares(flow, group):
    """How many tasks each member has."""
    try:
        members = json.loads(flow.weir("group", "describe", group, "-o", "json"))["members"]
    except subprocess.CalledProcessError:
        return []  # no such group yet
    return [len(m["assignment"]) for m in members]


def owned(flow, group):
    """How many tasks have an owner."""
    return sum(shares(flow, group))


def wait_for(what, condition, seconds=WAIT_S):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.05)


def worker(flow, group, script, name):
    return flow.start(f"{group}-{name}.log", flow.arguments.weir, "run", script, "--workers", "1",
                      "-X", f"bootstrap.servers={flow.address}", "-X", f"application.id={group}",
                      "-X", f"state.dir={flow.folder}/state-{name}", "-X", f"group.instance.id={name}")


def end(flow, group, name, process):
    process.terminate()
    assert process.wait(WAIT_S) == 0, f"{name} did not end as asked"
    with open(f"{flow.folder}/{group}-{name}.log") as log:
        return log.read()


def script(flow, name, code):
    with open(f"{flow.folder}/{name}.lua", "w") as file:
        file.write(code)
    return file.name


def one_is_dead(flow):
    group = f"{flow.prefix}-app"
    app = script(flow, "app", APPLICATION.replace("INPUT", flow.create(f"{flow.prefix}-in")))
    first = worker(flow, group, app, "me")
    wait_for("all tasks to be dealt", lambda: owned(flow, group) == TASKS)
    end(flow, group, "me", first)
    Impostor(flow.address, group, "me-1").deal(f"{group}-weir-tasks", [0, 1, 2])
    assert owned(flow, group) == 3, f"{owned(flow, group)} tasks have an owner, not 3: the scene is not set"
    second = worker(flow, group, app, "me")
    wait_for("the other tasks to be dealt", lambda: owned(flow, group) == TASKS)
    assert "5 of 8 tasks have no owner" in end(flow, group, "me", second), "why it joined anew is not told"


def one_is_slow(flow):
    group = f"{flow.prefix}-slow"
    source, sink = flow.create(f"{group}-in"), flow.create(f"{group}-out")
    flow.weir("produce", source, "--partition", "0", text="line\n" * SLOW_RECORDS)
    app = script(flow, "slow", SLOW_APPLICATION.replace("INPUT", source).replace("OUTPUT", sink))
    first = worker(flow, group, app, "slow")
    wait_for("all tasks to be dealt", lambda: owned(flow, group) == SLOW_TASKS)
    second = worker(flow, group, app, "other")
    wait_for("the second worker to have tasks", lambda: [SLOW_TASKS // 2] * 2 == shares(flow, group), SLOW_WAIT_S)
    assert "rejoining" not in end(flow, group, "other", second), "a slow member was taken for dead"
    end(flow, group, "slow", first)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weir", required=True, help="the weir program")
    arguments = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-flow-") as folder, Flow(arguments, folder) as flow:
        try:
            one_is_dead(flow)
            one_is_slow(flow)
        except AssertionError as e:
            print(f"FAILED: {e}")
            return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
