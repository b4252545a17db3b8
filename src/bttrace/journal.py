"""Reading and printing journals.

Owns what a journal file looks like to a reader: JSON Lines of log rows, of which some may
be damaged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from .model import Json
from .spans.tree import Ink, drawn, merged, traces
from .values import json_object


def rows(path: Path) -> tuple[list[Json], int]:
    """Gives the rows of a journal, and how many of its lines are damaged.

    Raises `OSError` when the file can't be read.
    """
    found: list[Json] = []
    damaged = 0
    with path.open("rb") as file:
        for line in file:
            row = _row(line)
            if row is None:
                damaged += 1
            else:
                found.append(row)
    return merged(found), damaged


def _row(line: bytes) -> Json | None:
    """Gives a line's row; `None` when it is damaged: no JSON, or no span."""
    try:
        row = json_object(json.loads(line))
    except (ValueError, RecursionError):
        return None
    ids = (row.get("span_id"), row.get("root_span_id"))
    return row if all(isinstance(identity, str) for identity in ids) else None


def newest(folder: Path) -> Path | None:
    """Gives the journal that was written last; `None` when the folder has none."""
    journals = [(path.stat().st_mtime_ns, path) for path in folder.glob("*.jsonl")]
    return max(journals)[1] if journals else None


def printed(rows: list[Json], out: TextIO, *, most: int | None = None) -> Iterator[str]:
    """Yields the lines of every trace, or of the last `most`, as they suit where they go."""
    found = traces(rows)
    shown = found if most is None else found[-most:]
    if len(shown) < len(found):
        yield f"... {len(found) - len(shown)} earlier traces are not shown"
    unicode = _takes_unicode(out)
    for trace in shown:
        for line in drawn(trace, Ink(colours=_takes_colours(out)), unicode=unicode):
            yield line if unicode else line.encode("ascii", "replace").decode("ascii")


def _takes_colours(out: TextIO) -> bool:
    """Tells whether colours are wanted; https://no-color.org says how to refuse them."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _takes_unicode(out: TextIO) -> bool:
    return (getattr(out, "encoding", None) or "").lower().replace("-", "").startswith("utf")
