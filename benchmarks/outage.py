"""What memory a process needs that calls and calls while Braintrust is dead.

Owns one process with one thread, whose Braintrust refuses every connection. Its memory after
the first thousand calls is compared with that after many more.
"""

from __future__ import annotations

import tempfile

from .environment import hooked, program
from .sustained import told
from .timing import Table

FIRST = 1_000  # calls
CALLS, QUICK_CALLS = 1_000_000, 20_000
STEPS = 10  # in which the rest is made
MOST = 64.0  # MiB
_DEAD = "http://127.0.0.1:9"  # nobody listens there
_MIB = 2**20


def run(*, quick: bool) -> None:
    """Prints the table."""
    calls = QUICK_CALLS if quick else CALLS
    with tempfile.TemporaryDirectory() as scratch:
        environ = hooked(
            scratch,
            BRAINTRUST_API_KEY="x",
            BRAINTRUST_API_URL=_DEAD,
            BRAINTRUST_APP_URL=_DEAD,
            BTTRACE_SPOOL_DIR=f"{scratch}/spool",
            BTTRACE_EXIT_TIMEOUT="1",
        )
        with program("crowd.py", environ=environ, cwd=scratch) as running:
            running.line()
            table = Table(f"memory: {calls:,} calls while Braintrust is dead, after {FIRST:,}")
            told(running, f"post 1 0 {FIRST}")
            told(running, "flush")
            first = told(running, "tables")["resident"] / _MIB
            table.figure("resident after the first", "MiB", [first])
            each = (calls - FIRST) // STEPS
            for step in range(1, STEPS + 1):
                work = told(running, f"post 1 0 {each}")
                now = told(running, "tables")["resident"] / _MIB
                print(f"  {FIRST + step * each:,} calls: {now:.1f} MiB; {_counts(work)}", flush=True)
            table.figure("more after the last", "MiB", [now - first], most=MOST)
            table.show()


def _counts(work: dict[str, object]) -> str:
    return ", ".join(f"{name} {work[name]:,}" for name in ("waiting", "lost", "unwritten", "dropped"))
