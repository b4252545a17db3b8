"""Whether as many spans as an application can make arrive, for as long as it makes them.

Owns a process of its own with several threads, bare and with a Braintrust on loopback, in
turn. Its calls are turns of three spans each, made past most of the SDK's own work: that
takes longer than the spans do. The pace is what is asked of bttrace, 2,000 spans a second;
then the threads call as fast as they can, to see what the machine can do.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from typing import Any

from .environment import Program, bare, hooked, program
from .timing import Table, differences, ratio_of_medians

SPANS = 3  # of one call
PACE = 2_000 / SPANS  # calls a second
THREADS, MANY_THREADS = 8, 16
ROUNDS, QUICK_ROUNDS = 6, 1
SECONDS, QUICK_SECONDS = 10, 3  # of one round
FAST = 6_000  # calls without a pace; more than the queue takes


def run(*, quick: bool) -> None:
    """Prints the tables."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(program("sink.py", "1", environ=bare(scratch), cwd=scratch))
        url = f"http://127.0.0.1:{server.line()}"
        sends = hooked(scratch, BRAINTRUST_API_KEY="x", BRAINTRUST_API_URL=url, BRAINTRUST_APP_URL=url)
        environs = {"bare": bare(scratch), "hooked": sends}
        programs = {
            name: stack.enter_context(program("crowd.py", environ=environ, cwd=scratch))
            for name, environ in environs.items()
        }
        for running in programs.values():
            running.line()
        _paced(programs, rounds, seconds)
        _fast(programs)


def told(running: Program, work: str) -> dict[str, Any]:
    """Has a program do some work; gives what it says of it."""
    said: dict[str, Any] = json.loads(running.answer(work))
    return said


def _paced(programs: dict[str, Program], rounds: int, seconds: int) -> None:
    count = round(PACE * seconds)
    work = f"post {THREADS} {PACE} {count}"
    before = told(programs["hooked"], "flush")
    readings: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, running in programs.items():
            readings[name].append(told(running, work))
    after = told(programs["hooked"], "flush")
    table = Table(f"sustained: {THREADS} threads, {rounds} rounds of {seconds} s")
    paces = [one["calls"] * SPANS / one["seconds"] for one in readings["hooked"]]
    table.figure("spans that ended", "a second", paces)
    made, arrived = rounds * count * SPANS, after["sent"] - before["sent"]
    table.figure("    of them not arrived", "", [made - arrived], most=1)
    table.figure("    dropped", "", [after["dropped"]], most=1)
    table.figure(
        "    calls that wait when a round ends", "", [one["unwritten"] for one in readings["hooked"]]
    )
    for kind, title in (("cpu", "processor"), ("wall", "wall")):
        bare_ones = [one[kind] * 1e6 for one in readings["bare"]]
        ours = [one[kind] * 1e6 for one in readings["hooked"]]
        table.figure(f"a call, {title}: bare", "us", bare_ones)
        added = differences(ours, bare_ones)
        table.figure("    hooked adds", "us", added, ratio=ratio_of_medians(ours, bare_ones))
    table.note(f"to send the rest took {after['seconds']:.3f} s; Braintrust took {after['sent']:,} spans")
    table.show()


def _fast(programs: dict[str, Program]) -> None:
    table = Table(f"sustained: {MANY_THREADS} threads as fast as they can, {FAST:,} calls")
    ours = told(programs["hooked"], "flush")
    before = ours["dropped"], ours["sent"]
    for name, running in programs.items():
        fast = told(running, f"post {MANY_THREADS} 0 {FAST}")
        table.figure(f"{name}: calls", "a second", [FAST / fast["seconds"]])
        if name == "hooked":
            table.figure(
                "    spans that arrived meanwhile", "a second", [(fast["sent"] - before[1]) / fast["seconds"]]
            )
            table.figure("    dropped, of all that was queued", "", [fast["dropped"] - before[0]])
    rest = told(programs["hooked"], "flush")
    table.figure(
        "hooked: spans that arrived in the end", "of 1", [(rest["sent"] - before[1]) / (FAST * SPANS)]
    )
    table.note(f"to send the rest took {rest['seconds']:.1f} s")
    table.show()
