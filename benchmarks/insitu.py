"""What every peer adds to an application that uses the real openai SDK over loopback.

Owns the comparison of processes that live side by side and work in turn, one for each peer.
Processor time is the whole process's, until the peer has exported all to the sink.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from .environment import Program
from .peers.rig import Rig, rig
from .results import Results
from .timing import Reading, Variant, cpus, interleaved, walls

ROUNDS, QUICK_ROUNDS = 20, 3
SECONDS = 75  # that one kind of work may take, before no more than three rounds are made
WARM = 20  # calls that the application makes by itself, before it says that it is ready

# figure, line for the application, calls in it, the most that bttrace may add by wall time (unit, times nothing)
WORK = (
    ("call", "call 100", 100),
    ("stream of 200 chunks", "stream 200 10", 10),
    ("stream of 2,000 chunks", "stream 2000 2", 2),
    ("200 concurrent streams of 100 chunks, async", "astream 100 200", 200),
)
ASYNC_MOST = 1 / 0.97  # of bare time: 97 % of the throughput


def run(*, quick: bool, peers: tuple[str, ...]) -> Results:
    """Measures the peers that are named, or all."""
    with rig(peers) as ready:
        results = Results("insitu", ready.versions, quick=quick)
        programs = ready.programs("application.py")
        made = dict.fromkeys(programs, WARM)
        for figure, line, calls in WORK:
            _measured(results, figure, line, calls, programs, made, quick=quick)
        results.arrived = _arrived(ready, made)
        results.skipped = ready.skipped
    return results


def _measured(
    results: Results,
    name: str,
    line: str,
    calls: int,
    programs: Mapping[str, Program],
    made: dict[str, int],
    *,
    quick: bool,
) -> None:
    variants: dict[str, Variant] = {
        peer: partial(_reading, peer, running, line, calls, made) for peer, running in programs.items()
    }
    readings = interleaved(variants, QUICK_ROUNDS if quick else ROUNDS, seconds=SECONDS)
    wall = results.add(f"{name}, wall", "us", {peer: walls(taken, 1e6) for peer, taken in readings.items()})
    results.add(
        f"{name}, processor time with the export", "us", {peer: cpus(taken, 1e6) for peer, taken in readings.items()}
    )
    if "concurrent" in name:
        wall.asked(ASYNC_MOST, "to_nothing")


def _reading(peer: str, running: Program, line: str, calls: int, made: dict[str, int]) -> Reading:
    made[peer] += calls
    return Reading(*(float(seconds) / calls for seconds in running.answer(line).split()))


def _arrived(ready: Rig, made: Mapping[str, int]) -> dict[str, list[int]]:
    """Gives what is at the sink, because a tracer that drops everything is fast."""
    return {
        one.peer.name: [ready.arrived(one.peer), made[one.peer.name]] for one in ready.peers if one.peer.exports
    }
