"""What the start of a Python process costs with every peer.

Owns whole processes, from `posix_spawn` to their end: wall time, and the processor time that the
kernel counted. A program begins as the peer's quick start has it; without a key, and without a
provider's SDK, with no more than what it says for any SDK, which is the least that it can cost.
bttrace is a folder on the path, and no line in the program.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .peers.installed import Installed
from .peers.rig import Rig, rig
from .results import FLOOR, NOTHING, OURS, Figure, Results
from .timing import Gone, Reading, Readings, Variant, cpus, interleaved, walls

LIMIT = 120  # seconds that one process may take
QUICK_ROUNDS = 3
CLOSE_SECONDS = 12
FAR_ROUNDS, FAR_SECONDS = 3, 10  # of those that take far longer, beside nothing
_CLOSE = (NOTHING, FLOOR, OURS)


@dataclass(frozen=True, slots=True)
class Start:
    """One way for a program to start, and what is asked of bttrace there."""

    name: str
    key: bool
    sdk: str
    rounds: int  # of nothing, the floor and bttrace, which are close
    most: float  # milliseconds, or times nothing
    what: str = "adds"


STARTS = (
    Start("no key", key=False, sdk="", rounds=40, most=1.0),
    Start("key, no provider", key=True, sdk="", rounds=40, most=5.0),
    Start("key, import openai", key=True, sdk="openai", rounds=12, most=1.1, what="to_nothing"),
    Start("key, import anthropic", key=True, sdk="anthropic", rounds=12, most=1.1, what="to_nothing"),
)


def run(*, quick: bool, peers: tuple[str, ...]) -> Results:
    """Measures the peers that are named, or all."""
    with rig(peers) as ready:
        results = Results("startup", ready.versions, quick=quick)
        home = os.getcwd()
        os.chdir(ready.scratch)  # posix_spawn takes no working folder, and ours may have an env file above it
        try:
            for start in STARTS:
                print(f"startup: measuring: {start.name} ...", flush=True)
                _measured(results, ready, start, quick=quick)
        finally:
            os.chdir(home)
        results.skipped = ready.skipped
    return results


def _measured(results: Results, ready: Rig, start: Start, *, quick: bool) -> None:
    sdks = (start.sdk,) if start.sdk else ()
    begun = {one: one.peer.program(*sdks) for one in ready.peers}
    variants = {
        one.peer.name: _variant(ready, one, start, code) for one, code in begun.items() if code is not None
    }
    close = {name: variant for name, variant in variants.items() if name in _CLOSE}
    far = {name: variant for name, variant in variants.items() if name not in _CLOSE or name == NOTHING}
    rounds = QUICK_ROUNDS if quick else start.rounds
    readings = interleaved(close, rounds, seconds=CLOSE_SECONDS, skip=ready.skip)
    rounds = QUICK_ROUNDS if quick else FAR_ROUNDS
    # What is compiled when an SDK is observed is compiled before it is measured.
    warm = 1 if start.sdk == "openai" else 0
    beside = interleaved(far, rounds, warm, seconds=FAR_SECONDS, skip=ready.skip)
    for name, kind in (("wall", walls), ("processor", cpus)):
        figure = _figure(results, f"{start.name}, {name}", kind, readings, beside)
        if kind is walls:
            figure.asked(start.most, start.what)


def _figure(
    results: Results, name: str, kind: Callable[..., list[float]], readings: Readings, beside: Readings
) -> Figure:
    bare = kind(beside[NOTHING], 1e3)
    values = {peer: kind(taken, 1e3) for peer, taken in {**beside, **readings}.items()}
    return results.add(name, "ms", values, baseline={peer: bare for peer in beside if peer not in readings})


def _variant(ready: Rig, one: Installed, start: Start, code: str) -> Variant:
    command = [str(one.python), "-c", code]
    return partial(_process, command, ready.environ(one, key=start.key), str(Path(ready.scratch, "errors")))


def _process(command: list[str], environ: Mapping[str, str], errors: str) -> Reading:
    """Runs a process to its end; ends it after `LIMIT` seconds; raises `Gone` if it fails."""
    silent = [
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    started = time.perf_counter_ns()
    pid = os.posix_spawn(command[0], command, environ, file_actions=silent)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(LIMIT)
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter_ns() - started
    signal.alarm(0)
    if status:
        said = Path(errors).read_text(errors="replace").splitlines()
        raise Gone(f"it ended with {os.waitstatus_to_exitcode(status)}: {said[-1] if said else ''}")
    return Reading(took / 1e9, usage.ru_utime + usage.ru_stime)
