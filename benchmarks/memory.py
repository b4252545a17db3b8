"""What memory every peer takes: for being there, for each thousand calls, and for one long stream.

Owns fresh processes, because what one stream took is there for the next. Memory is what the
process has resident, after the peer has exported what it had and the garbage is collected; in a
stream, at its last chunk. What a thousand calls leave behind is taken after the first hundreds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from .environment import Program
from .peers.rig import Rig, rig
from .results import Results
from .timing import Gone

ROUNDS, QUICK_ROUNDS = 3, 1
SECONDS = 50  # after which no further round begins
FIRST, CALLS = 300, 1_000
STREAMS, CHUNKS = 5, 10_000
_MIB = 2**20
_FIGURES = (
    "resident after start",
    f"at the last chunk of a stream of {CHUNKS:,}, more than before it",
    f"after {CALLS:,} calls, more than before them",
)


def run(*, quick: bool, peers: tuple[str, ...]) -> Results:
    """Measures the peers that are named, or all."""
    if sys.platform != "linux":
        return Results("memory", {}, notes=["not measured: the size of a process is read from /proc"])
    with rig(peers) as ready:
        results = Results("memory", ready.versions, quick=quick)
        sizes: dict[str, dict[str, list[float]]] = {name: {} for name in _FIGURES}
        ends = time.monotonic() + SECONDS
        for turn in range(QUICK_ROUNDS if quick else ROUNDS):
            if turn and time.monotonic() > ends:
                break
            print(f"memory: measuring: round {turn + 1} ...", flush=True)
            for name, values in _round(ready).items():
                for figure, value in zip(_FIGURES, values, strict=True):
                    sizes[figure].setdefault(name, []).append(value / _MIB)
        for figure, found in sizes.items():
            results.add(figure, "MiB", found, is_rise="more than" in figure)
        results.arrived = ready.arrived()
        results.skipped = ready.skipped
    return results


def _round(ready: Rig) -> Mapping[str, tuple[float, ...]]:
    sizes = {}
    for name, running in ready.programs("application.py").items():
        try:
            sizes[name] = _sizes(running)
            ready.made(name, STREAMS + 1 + FIRST + CALLS)
        except Gone as gone:
            ready.skip(name, str(gone))
        running.end()
    return sizes


def _sizes(running: Program) -> tuple[float, ...]:
    start = float(running.answer("resident"))
    running.answer(f"stream 20 {STREAMS}")
    held = float(running.answer(f"held {CHUNKS}"))
    running.answer(f"call {FIRST}")
    before = float(running.answer("resident"))
    running.answer(f"call {CALLS}")
    return start, held, float(running.answer("resident")) - before
