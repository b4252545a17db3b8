"""What bttrace adds to an application that uses the real openai SDK over loopback.

Owns the comparison of processes that live side by side and work in turn: *bare*; *local*,
hooked with a journal; and *braintrust*, hooked with a Braintrust on loopback. Processor
time is the whole process's, the writer's included, until it has settled. The garbage
collector's part of it is shown, because whoever keeps an application's objects alive
makes it work.
"""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from .environment import Program, bare, hooked, program
from .timing import Reading, Table, Variant, cpus, differences, interleaved, ratio_of_medians, walls

ROUNDS, QUICK_ROUNDS = 15, 5

# figure, line for the workload, calls in it
WORK = (
    ("call", "call 50", 50),
    ("stream of 200 chunks", "stream 200 10", 10),
    ("stream of 2,000 chunks", "stream 2000 2", 2),
    ("200 concurrent streams of 100 chunks, async", "astream 100 200", 200),
)


def run(*, quick: bool) -> None:
    """Prints the tables."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        provider = _port(stack, scratch)
        sink = _port(stack, scratch)
        journal = Path(scratch, "journal")
        url = f"http://127.0.0.1:{sink}"
        environs = {
            "bare": bare(scratch),
            "local": hooked(scratch, BTTRACE_EXPORTER="local", BTTRACE_JOURNAL_DIR=str(journal)),
            "braintrust": hooked(
                scratch, BRAINTRUST_API_KEY="x", BRAINTRUST_API_URL=url, BRAINTRUST_APP_URL=url
            ),
        }
        base_url = f"http://127.0.0.1:{provider}/v1"
        programs = {
            name: stack.enter_context(program("workload.py", base_url, environ=environ, cwd=scratch))
            for name, environ in environs.items()
        }
        for running in programs.values():
            running.line()
        for figure, line, calls in WORK:
            _measured(figure, line, calls, programs, rounds)
        _counted(rounds, journal, sink)


def _port(stack: ExitStack, scratch: str) -> int:
    """Starts a server; gives its port."""
    return int(stack.enter_context(program("server.py", environ=bare(scratch), cwd=scratch)).line())


def _measured(figure: str, line: str, calls: int, programs: Mapping[str, Program], rounds: int) -> None:
    variants: dict[str, Variant] = {
        name: partial(_reading, running, line, calls) for name, running in programs.items()
    }
    readings = interleaved(variants, rounds, warm=1)
    table = Table(f"insitu: {figure}, {rounds} rounds of {calls}; for each call")
    base = readings["bare"]
    table.figure("bare, wall", "ms", walls(base, 1e3))
    table.figure("bare, processor", "ms", cpus(base, 1e3))
    table.figure("bare's garbage collector", "us", _collectors(base))
    for name in programs:
        if name != "bare":
            for kind, values in (("wall", walls), ("processor", cpus)):
                mine, bare_values = values(readings[name], 1e6), values(base, 1e6)
                ratio = ratio_of_medians(mine, bare_values)
                table.figure(f"{name} adds, {kind}", "us", differences(mine, bare_values), ratio=ratio)
            table.figure(f"{name}'s garbage collector", "us", _collectors(readings[name]))
    table.show()


def _collectors(readings: Sequence[Reading]) -> list[float]:
    return [reading.collector * 1e6 for reading in readings]


def _reading(running: Program, line: str, calls: int) -> Reading:
    return Reading(*(float(seconds) / calls for seconds in running.answer(line).split()))


def _counted(rounds: int, journal: Path, sink: int) -> None:
    """Says how many spans arrived, because a tracer that drops everything is fast."""
    made = sum(calls for _, _, calls in WORK) * (rounds + 1)
    kept = sum(len(path.read_bytes().splitlines()) for path in journal.glob("*.jsonl"))
    connection = http.client.HTTPConnection("127.0.0.1", sink, timeout=10)
    connection.request("GET", "/rows")
    inserted = int(connection.getresponse().read())
    connection.close()
    print(f"  of {made} calls, {kept} are in the journal and {inserted} were inserted")
