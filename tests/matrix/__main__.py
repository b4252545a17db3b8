"""The command: `python -m tests.matrix`, every row; `--quick`, a few on the running Python; `--only ROW ...`.

Prints a line for each row as it finishes. Ends with 1 when a row failed, or none could run.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Literal

from tests.matrix.environments import Failed, Tools, environment, ran, tools, versions
from tests.matrix.interpreters import interpreter
from tests.matrix.table import ROWS, Row, quick_rows

TIMEOUT = 600  # seconds that the suite may take in one environment
_TAIL = 60  # lines of a failed row's output that are printed
# Old SDKs cause warnings under new Pythons; ours are errors everywhere.
_PYTEST = ("-q", "-p", "no:cacheprovider", "-o", "filterwarnings=ignore\nerror:::bttrace")


@dataclass(frozen=True)
class Result:
    """What became of a row, as it is printed."""

    row: Row
    became: Literal["passed", "failed", "not run"]
    text: str


def main(arguments: list[str] | None = None, table: tuple[Row, ...] = (), prog: str = "tests.matrix") -> int:
    """Runs the rows of a table that are asked for; gives the exit code."""
    table = table or ROWS
    asked = _parser(table, prog).parse_args(arguments)
    rows = quick_rows(table) if asked.quick else table
    rows = tuple(row for row in rows if not asked.only or row.name in asked.only)
    began = time.monotonic()
    try:
        shared = tools()
    except Failed as failed:
        print(f"the matrix was not run: {failed}")
        return 0 if asked.quick and failed.unreachable else 1
    counts = collections.Counter[str]()
    with ThreadPoolExecutor(asked.jobs) as pool:
        for future in as_completed([pool.submit(_result, row, shared, asked.fresh) for row in rows]):
            result = future.result()
            counts[result.became] += 1
            print(f"{result.row.name}: {result.text}", flush=True)
    told = ", ".join(f"{count} {became}" for became, count in counts.items())
    print(f"{len(rows)} rows: {told}, in {time.monotonic() - began:.0f} s")
    return 1 if counts["failed"] or not (counts["passed"] or asked.quick) else 0


def _parser(table: tuple[Row, ...], prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the part that make test runs")
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=[row.name for row in table])
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4), metavar="N")
    return parser


def _result(row: Row, shared: Tools, fresh: bool) -> Result:
    began = time.monotonic()
    python = interpreter(row.python)
    if python is None:
        return Result(row, "not run", f"not run, because this machine has no Python {row.python}")
    try:
        own = environment(row, python, shared, fresh=fresh)
        found = versions(own, row.shown)
        names = " ".join(f"{name} {found[name]}" for name in ("Python", *row.shown))
    except Failed as failed:
        reason = f"not run, because no package registry answers: {failed}"
        return (
            Result(row, "not run", reason)
            if failed.unreachable
            else Result(row, "failed", f"FAILED\n{failed}")
        )
    try:
        output = ran([str(own), "-m", "pytest", *_PYTEST, row.suite], TIMEOUT, "the suite")
    except Failed as failed:
        tail = "\n".join(str(failed).splitlines()[-_TAIL:])
        return Result(row, "failed", f"{names}: FAILED\n{tail}")
    return Result(
        row, "passed", f"{names}: {_counts(output)}, {time.monotonic() - began:.0f} s{_skips(output)}"
    )


def _counts(output: str) -> str:
    """The numbers in pytest's last line."""
    return ", ".join(f"{count} {kind}" for count, kind in re.findall(r"(\d+) ([a-z]+)", _last(output)))


def _last(output: str) -> str:
    return output.strip().splitlines()[-1]


def _skips(output: str) -> str:
    """Why tests were skipped, and how many."""
    reasons = collections.Counter[str]()
    for count, reason in re.findall(r"^SKIPPED \[(\d+)\] \S+: (.+)$", output, re.MULTILINE):
        reasons[reason] += int(count)
    return "".join(f"\n  {count} skipped: {reason}" for reason, count in reasons.items())


if __name__ == "__main__":
    sys.exit(main())
