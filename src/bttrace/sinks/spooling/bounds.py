"""How much the spool may hold, for how long, and what goes when that is too much.

Knows nothing of which segments this process has.
"""

from __future__ import annotations

import time
from pathlib import Path

from ...guard import say_once
from .files import ATTACHMENT
from .folders import Destination
from .segments import SUFFIX

LIMIT = 256 * 2**20  # bytes of a destination
AGE = 7 * 86_400.0  # seconds


def is_old(path: Path) -> bool:
    """Tells whether a file has been kept for long enough; one that is gone is not."""
    try:
        return path.stat().st_mtime < time.time() - AGE
    except OSError:
        return False


def excess(destination: Destination) -> int:
    """Gives how many bytes there are too many, after what dead processes left was deleted for it."""
    over = destination.size() - LIMIT
    lost = 0
    for name in destination.names() if over > 0 else ():
        held = destination.claim(name)
        if held is None:
            continue
        for path in (*held.files(SUFFIX), *held.files(ATTACHMENT)):
            if over <= 0:
                break
            size, rows = _dropped(path)
            over -= size
            lost += rows
        if not held.tidy():
            held.let_go()
        if over <= 0:
            break
    if lost:
        say_dropped(destination)
    return over


def say_dropped(destination: Destination) -> None:
    """Says that the oldest had to go."""
    say_once(
        f"spool {destination.path} holds more than {LIMIT // 2**20} MiB, or what is older than "
        f"{AGE / 86_400:.0f} days: the oldest spans in it are dropped. "
        "Check why Braintrust takes none; python -m bttrace.replay delivers what is there.",
        about=f"full {destination.path}",
    )


def _dropped(path: Path) -> tuple[int, int]:
    """Deletes a file; gives its bytes, and how many rows were in it."""
    try:
        size = path.stat().st_size
        rows = path.read_bytes().count(b"\n") - 1 if path.suffix == SUFFIX else 1
        path.unlink()
    except OSError:
        return 0, 0
    return size, max(rows, 0)
