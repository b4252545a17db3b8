"""Runs benchmarks by name, or all that take no longer than minutes: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib import import_module
from pathlib import Path

from tests.matrix.environments import Failed

from .environment import HERE
from .headlines import markdown, summary
from .peers.table import PEERS
from .plot import draw

PEERED = ("startup", "stubbed", "insitu", "memory", "exit")
OURS = ("isolated", "tools", "writer", "profile")
LONG = ("sustained", "outage", "soak")  # minutes, a million calls, and a hundred thousand


def main() -> None:
    """Prints the tables of the benchmarks that the command line names, and draws what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures what bttrace costs.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"beside the peers: {', '.join(PEERED)}; bttrace alone: {', '.join(OURS)}; "
        f"these by default; or one that takes long: {', '.join(LONG)}",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, wider spreads")
    parser.add_argument(
        "--peers", nargs="+", default=[], metavar="PEER", help="only these, nothing and the floor"
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="where results are kept; benchmarks/results by default, or nowhere with --quick or --peers",
    )
    options = parser.parse_args()
    there_are = (*PEERED, *OURS, *LONG)
    unknown = sorted(set(options.names) - set(there_are))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(there_are)}")
    unknown = sorted(set(options.peers) - {peer.name for peer in PEERS})
    if unknown:
        parser.error(
            f"there is no peer {', '.join(unknown)}; there are {', '.join(peer.name for peer in PEERS)}"
        )
    peers = ("nothing", "floor", *options.peers) if options.peers else ()
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}")
    folder = options.into or (None if options.quick or peers else HERE / "results")
    for name in options.names or (*PEERED, *OURS):
        started = time.monotonic()
        run = import_module(f"benchmarks.{name}").run
        if name in PEERED:
            try:
                results = run(quick=options.quick, peers=peers)
            except Failed as failed:
                print(f"{name} was not measured, because no environment can be made: {failed}")
                continue
            results.show()
            if folder:
                results.write(folder)
        else:
            run(quick=options.quick)
        print(f"  ({name}: {time.monotonic() - started:.0f} s)", flush=True)
    if folder and set(PEERED).intersection(options.names or PEERED):
        _told(folder)


def _told(folder: Path) -> None:
    """Prints what a folder of results says most, and writes it in Markdown and as pictures."""
    print(f"\n{summary(folder)}")
    table = folder / "README.md"
    table.write_text(markdown(folder), encoding="utf-8")
    print(
        f"\nkept in {folder}: results as JSON, and {', '.join(path.name for path in (table, *draw(folder)))}"
    )


if __name__ == "__main__":
    main()
