#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A member reads as fast as it can while others join and leave its group: rebalance.c says whether it missed a record.

Against WEIR_TEST_BOOTSTRAP, or else against the included broker, which is started for the time of the test.
"""
import argparse
import subprocess
import sys
import tempfile

from processor_api import WAIT_S, Flow

RECORDS = 200000
ROUNDS = 6


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weir", required=True, help="the weir program")
    p.add_argument("--program", required=True, help="the program made of rebalance.c")
    arguments = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-flow-") as folder, Flow(arguments, folder) as flow:
        anchor, load = flow.create(f"{flow.prefix}-anchor"), f"{flow.prefix}-load"
        flow.weir("topic", "create", load, "--partitions", "1")
        flow.weir("produce", load, text="".join(f"{i}\n" for i in range(RECORDS)))
        done = subprocess.run([arguments.program, flow.address, f"{flow.prefix}-group", anchor, load, str(ROUNDS)],
                              timeout=4 * WAIT_S, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
