"""Runs programs in processes forked from this one, which has the SDK imported already: that takes longer than all the rest.

    python forked.py AT_ONCE < programs.json

Each program has a list's place: its `code`, and its `env`. It ends as a program of its own ends, at the end of this
script, or wherever it wants. Printed is how each ended: exit code, output, and the reading of the monotonic clock then.
"""

import gc
import json
import os
import signal
import sys
import tempfile
import time

import openai  # noqa: F401 - so that the programs need not load it

import bttrace.sinks.api
import bttrace.sinks.uploads
import bttrace.wiring  # noqa: F401 - nor this, which does nothing until it is told to

LIMIT = 20  # seconds; a program that takes longer hangs, and is killed

programs = json.load(sys.stdin)
ends: list[tuple[int, str, str, float]] = [(0, "", "", 0.0)] * len(programs)
running: dict[int, int] = {}
outs = [(tempfile.TemporaryFile(), tempfile.TemporaryFile()) for _ in programs]  # noqa: SIM115 - for the children
mine = None
gc.freeze()  # the end of a process need not look through what is loaded here


def reap() -> None:
    """Notes how the next program to end did so."""
    pid, status = os.wait()
    ended = time.monotonic()
    place = running.pop(pid)
    texts = []
    for file in outs[place]:
        file.seek(0)
        texts.append(file.read().decode())
    ends[place] = (os.waitstatus_to_exitcode(status), texts[0], texts[1], ended)


for number, program in enumerate(programs):
    while len(running) >= int(sys.argv[1]):
        reap()
    pid = os.fork()
    if pid == 0:
        mine = program
        os.environ.update(program["env"])
        for place, file in enumerate(outs[number], 1):
            os.dup2(file.fileno(), place)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT)
        break
    running[pid] = number

if mine is not None:
    exec(compile(mine["code"], "<program>", "exec"))  # noqa: S102 - here, where a program of its own stands
else:
    while running:
        reap()
    print(json.dumps(ends))
