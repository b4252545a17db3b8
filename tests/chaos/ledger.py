"""What each process says of itself, in a file of its own: what it finished, when, and how it left.

A line is written at once, with one write, so that a process that is killed leaves all that it had finished. Times are
seconds since the epoch, taken after what they tell of. On a machine that is asked for too much, nothing comes in time; so at
every *beat* a process notes for how long its threads have waited for a processor until then.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

_BEAT = 0.05  # seconds
Kind = Literal["llm", "tool", "turn"]
Leaving = Literal["exit", "_exit", "kill", "term"]


class Ledger:
    """This process's own."""

    def __init__(self, folder: Path) -> None:
        self._tag = uuid.uuid4().hex[:10]
        self._numbers = itertools.count()
        name = folder / f"{os.getpid()}-{self._tag}.jsonl"
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._write(began=time.time(), pid=os.getpid(), parent=os.getppid())
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def key(self) -> str:
        """A key for a call, which nobody else has."""
        return f"{self._tag}-{next(self._numbers)}"

    def ended(self, kind: Kind, key: str) -> None:
        """Notes that something has ended just now."""
        self._write(kind=kind, key=key, ended=time.time())

    def leaves(self, how: Leaving) -> None:
        """Notes that the process is about to end, and how."""
        self._write(leaves=how, at=time.time())

    def _beat(self) -> None:
        while True:
            self._write(beat=time.time(), waited=_waited())
            time.sleep(_BEAT)

    def _write(self, **said: object) -> None:
        os.write(self._file, json.dumps(said).encode() + b"\n")


def _waited() -> float:
    """The seconds for which the threads of this process have waited for a processor; 0 where Linux does not tell."""
    total = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[1])
        except (OSError, IndexError):
            continue  # the thread is gone
    return total / 1e9


@dataclass(slots=True)
class Life:
    """One process, as its ledger tells. `ended` has the times by kind and key, `beats` what it had waited at which time."""

    name: str
    pid: int
    parent: int
    began: float
    ended: dict[tuple[Kind, str], float] = field(default_factory=dict)
    beats: list[tuple[float, float]] = field(default_factory=list)
    left: Leaving | None = None
    left_at: float = 0.0

    def waited(self, since: float, until: float) -> float:
        """The seconds for which it had to wait for a processor between two times."""
        before = [beat for beat in self.beats if beat[0] <= until]
        if not before:
            return until - since
        at, total = before[-1]
        start = max((waited for time, waited in before if time <= since), default=0.0)
        return total - start + max(until - at - 2 * _BEAT, 0.0)


def lives(folder: Path) -> list[Life]:
    """Every process that began a ledger in a folder."""
    return [life for path in sorted(folder.glob("*.jsonl")) if (life := _life(path)) is not None]


def _life(path: Path) -> Life | None:
    life: Life | None = None
    for said in _lines(path):
        if "began" in said:
            life = Life(path.stem, said["pid"], said["parent"], said["began"])
        elif life is not None and "beat" in said:
            life.beats.append((said["beat"], said["waited"]))
        elif life is not None and "leaves" in said:
            life.left, life.left_at = said["leaves"], said["at"]
        elif life is not None:
            life.ended[said["kind"], said["key"]] = said["ended"]
    return life


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)
