"""The command: `python -m tests.chaos --seconds 120`. Prints what happened; ends with 1 when a span was lost or doubled."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.storm import Plan, storm
from tests.chaos.verdict import faults, numbers


def main() -> int:
    """Runs one storm; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=sys.modules["tests.chaos"].__doc__
    )
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="how long workers are started; 120 by default"
    )
    parser.add_argument("--workers", type=int, default=3, help="how many there are at a time")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of all that is drawn")
    parser.add_argument("--no-kills", action="store_true", help="let all processes end well")
    parser.add_argument("--no-flaps", action="store_true", help="let all be well at Braintrust")
    asked = parser.parse_args()
    print(f"{asked.seconds:g} s, {asked.workers} workers, seed {asked.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(asked.seconds, asked.workers, asked.seed, not asked.no_kills, not asked.no_flaps)
        outcome = storm(plan, Path(folder))
        found = faults(outcome)
    print(numbers(outcome))
    print(*found or ["every finished span arrived once"], sep="\n")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
