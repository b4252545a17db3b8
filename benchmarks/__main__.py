"""Runs benchmarks by name, or all that take no longer than minutes: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib import import_module

NAMES = ("startup", "isolated", "tools", "insitu", "writer", "exit", "sustained")
LONG = ("memory", "soak")  # a million calls, and a hundred thousand


def main() -> None:
    """Prints the tables of the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures what bttrace costs.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(NAMES)}; all by default; or one that takes long: {', '.join(LONG)}",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, wider spreads")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - {*NAMES, *LONG})
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join((*NAMES, *LONG))}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}")
    for name in options.names or NAMES:
        started = time.monotonic()
        import_module(f"benchmarks.{name}").run(quick=options.quick)
        print(f"  ({name}: {time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
