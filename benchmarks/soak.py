"""Whether anything grows: 100,000 calls, half of them streams, of which a third are abandoned.

Owns one process with several threads and a healthy Braintrust. What it holds is told as it goes:
its memory, and the tables of bttrace's objects, which the last call is to leave as the first did.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import Any

from .environment import bare, hooked, program
from .sustained import told
from .tables import grown
from .timing import Table

THREADS = 4
FIRST = 2_000  # calls; by then what is bounded low is full
CALLS, QUICK_CALLS = 100_000, 6_000
STEPS = 10
_SHOWN = 12  # tables
_MIB = 2**20


def run(*, quick: bool) -> None:
    """Prints the table."""
    calls = QUICK_CALLS if quick else CALLS
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(program("sink.py", "1", environ=bare(scratch), cwd=scratch))
        url = f"http://127.0.0.1:{server.line()}"
        environ = hooked(scratch, BRAINTRUST_API_KEY="x", BRAINTRUST_API_URL=url, BRAINTRUST_APP_URL=url)
        running = stack.enter_context(program("crowd.py", environ=environ, cwd=scratch))
        running.line()

        def soaked(count: int) -> dict[str, Any]:
            told(running, f"mixed {THREADS} 0 {count}")
            counts = told(running, "flush")
            return {**counts, **told(running, "tables")}

        first = last = soaked(FIRST)
        each = (calls - FIRST) // STEPS
        for step in range(1, STEPS + 1):
            last = soaked(each)
            held = sum(last["tables"].values())
            print(
                f"  {FIRST + step * each:,} calls: {last['resident'] / _MIB:.1f} MiB, "
                f"{held:,} entries and objects, dropped {last['dropped']:,}, lost {last['lost']:,}",
                flush=True,
            )
        _show(calls, first, last)


def _show(calls: int, first: dict[str, Any], last: dict[str, Any]) -> None:
    table = Table(f"soak: {calls:,} calls, of which {FIRST:,} came first")
    table.figure("resident after the first", "MiB", [first["resident"] / _MIB])
    table.figure("    more after the last", "MiB", [(last["resident"] - first["resident"]) / _MIB])
    more = grown(first["tables"], last["tables"])
    table.figure("tables that have grown", "", [len(more)])
    for name, (was, now) in list(more.items())[:_SHOWN]:
        table.note(f"{name}: {was:,}, then {now:,}")
    table.show()
