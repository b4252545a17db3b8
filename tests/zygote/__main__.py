"""Runs programs in processes forked from this one, which has the SDKs imported already: that takes longer than all the rest.

    python -m tests.zygote AT_ONCE MODULE ...

A program is a line of JSON on standard input: its `code`, or its `module`, with `argv`, `env` and `cwd`. It ends as a
program of its own ends, at the end of this script, or wherever it wants. Printed is a line for each, when it has
ended: its number, exit code, output, and the reading of the monotonic clock then.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
import tempfile
import time
from collections import deque
from typing import Any

import bttrace.sinks.api
import bttrace.sinks.uploads
import bttrace.wiring  # noqa: F401 - which does nothing until it is told to

LIMIT = 120  # seconds; a program that takes longer hangs, and is killed
AT_ONCE = int(sys.argv[1])

for name in sys.argv[2:]:
    importlib.import_module(name)
gc.freeze()  # the end of a process need not look through what is loaded here

ended, end = os.pipe()
os.set_blocking(end, False)
signal.set_wakeup_fd(end)
signal.signal(signal.SIGCHLD, lambda *_: None)
running: dict[int, tuple[int, list[int]]] = {}
waiting: deque[tuple[int, bytes]] = deque()
rest, count, is_over, mine = b"", 0, False, None


def tell(pid: int, status: int) -> None:
    """Tells how a program ended."""
    at = time.monotonic()
    number, files = running.pop(pid)
    texts = []
    for file in files:
        os.lseek(file, 0, os.SEEK_SET)
        with open(file, encoding="utf-8") as text:
            texts.append(text.read())
    print(json.dumps([number, os.waitstatus_to_exitcode(status), *texts, at]), flush=True)


def become(program: dict[str, Any], outs: list[int]) -> None:
    """Makes this process what it would be if it had been started for the program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(program["env"])
    os.chdir(program["cwd"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, file in enumerate((nothing, *outs)):
        os.dup2(file, place)
        os.close(file)
    for file in (ended, end, *(file for _, files in running.values() for file in files)):
        os.close(file)
    sys.argv = ["-c", *program["argv"]]
    signal.alarm(LIMIT)


while mine is None and (running or waiting or not is_over):
    ready, _, _ = select.select([ended] if is_over else [ended, 0], [], [])
    if ended in ready:
        os.read(ended, 4096)
        while running and (gone := os.waitpid(-1, os.WNOHANG))[0]:
            tell(*gone)
    if 0 in ready:
        more = os.read(0, 65536)
        *lines, rest = (rest + more).split(b"\n")
        is_over = not more
        for line in lines:
            waiting.append((count, line))
            count += 1
    while waiting and len(running) < AT_ONCE:
        number, line = waiting.popleft()
        outs = [os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR) for _ in range(2)]
        pid = os.fork()
        if pid == 0:
            mine = json.loads(line)
            become(mine, outs)
            break
        running[pid] = (number, outs)

if mine is not None and mine["module"]:
    runpy.run_module(mine["module"], run_name="__main__", alter_sys=True)
elif mine is not None:
    exec(compile(mine["code"], "<program>", "exec"))  # noqa: S102 - here, where a program of its own stands
