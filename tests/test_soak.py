"""Nothing grows: many calls, streams that are abandoned, a Braintrust that is dead.

The same as `python -m benchmarks soak` and `outage`, with fewer calls: each runs an application in a process of
its own and asks it for its memory and for the sizes of every table that an object of ours has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.environment import Program, bare, hooked, program
from benchmarks.tables import grown

MIB = 2**20
SLACK = 16  # entries that a table may have more: what is at work, what was imported late
# What comes and goes as the spool takes it, and its bounds: what is on its way there is held twice.
ROWS = {"Waiting._rows": 10_000, "Tally._places": 10_000, "Row objects": 22_000}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is read from /proc")


def told(running: Program, work: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(running.answer(work))
    return said


def more(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Gives the tables that have grown by more than what is at work."""
    tables = grown(before["tables"], after["tables"])
    return {name: sizes for name, sizes in tables.items() if sizes[1] - sizes[0] > SLACK}


def settled(running: Program) -> dict[str, Any]:
    """Gives the tables when nothing is in the queue any more, however slow the machine is."""
    assert told(running, "flush")["unwritten"] == 0
    return told(running, "tables")


def test_abandoned_streams_leave_nothing_behind(tmp_path: Path) -> None:
    scratch = str(tmp_path)
    with program("sink.py", "1", environ=bare(scratch), cwd=scratch) as server:
        url = f"http://127.0.0.1:{server.line()}"
        environ = hooked(scratch, BRAINTRUST_API_KEY="x", BRAINTRUST_API_URL=url, BRAINTRUST_APP_URL=url)
        with program("crowd.py", environ=environ, cwd=scratch) as running:
            running.line()
            # 1,000 turns are remembered, whatever comes: from here on, nothing is to grow.
            told(running, "post 2 0 1050")
            told(running, "mixed 2 0 100")
            told(running, "flush")
            first = told(running, "tables")
            told(running, "mixed 2 0 800")
            counts = told(running, "flush")
            last = told(running, "tables")
    assert counts["went"]
    assert (counts["dropped"], counts["lost"], counts["unwritten"], counts["waiting"]) == (0, 0, 0, 0)
    assert more(first, last) == {}
    assert last["resident"] - first["resident"] < 12 * MIB


def test_a_dead_braintrust_costs_no_more_the_longer_it_is_dead(tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9"
    environ = hooked(
        str(tmp_path),
        BRAINTRUST_API_KEY="x",
        BRAINTRUST_API_URL=dead,
        BRAINTRUST_APP_URL=dead,
        BTTRACE_SPOOL_DIR=str(tmp_path / "spool"),
        BTTRACE_EXIT_TIMEOUT="1",
    )
    with program("crowd.py", environ=environ, cwd=str(tmp_path)) as running:
        running.line()
        told(running, "post 1 0 1000")
        first = settled(running)
        told(running, "post 1 0 1000")
        half = settled(running)
        told(running, "post 1 0 2000")
        last = settled(running)
    assert {name for name, bound in ROWS.items() if last["tables"].get(name, 0) > bound} == set()
    assert more(half, last).keys() <= ROWS.keys()
    assert last["resident"] - first["resident"] < 64 * MIB
