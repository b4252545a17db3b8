"""`python -m bttrace.show [FILE]`: prints a journal as trees."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .config import read
from .guard import say
from .journal import newest, printed, rows


def described(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds what `show` takes to a parser."""
    parser.add_argument("file", nargs="?", type=Path, help="a journal (default: the newest one)")
    return parser


def shown(file: Path | None) -> int:
    """Prints a journal; gives the exit code, 1 when there is none to read."""
    folder = Path(read(os.environ).journal_dir)
    journal = file or newest(folder)
    if journal is None:
        say(f"there is no journal in {folder}; make one with: bttrace run --exporter local app.py")
        return 1
    try:
        found, damaged = rows(journal)
    except OSError as fault:
        say(f"journal {journal} can't be read ({fault.strerror}); name one that can, or none for the newest.")
        return 1
    try:
        for line in printed(found, sys.stdout):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if damaged:
        say(f"{damaged} damaged {'line' if damaged == 1 else 'lines'} of {journal} skipped.")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = described(argparse.ArgumentParser(prog="python -m bttrace.show", description=__doc__))
    return shown(parser.parse_args(arguments).file)


if __name__ == "__main__":
    sys.exit(main())
