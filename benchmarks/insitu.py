"""What every peer adds to an application that uses the real openai SDK over loopback.

Owns the comparison of processes that live side by side and work in turn, one for each peer.
Processor time is the whole process's, until the peer has exported all to the sink.
"""

from __future__ import annotations

from functools import partial

from .environment import Program
from .peers.rig import Rig, rig
from .results import Results
from .timing import Reading, Variant, cpus, interleaved, walls

ROUNDS, QUICK_ROUNDS = 20, 3
SECONDS = 15  # that one kind of work may take, before no more than three rounds are made
CONCURRENT = 200
CONCURRENT_MOST = 1 / 0.97  # of the time that nothing takes: 97 % of its throughput

# figure, line for the application, which ends with how many calls it makes
WORK = (
    ("call", "call 50"),
    ("stream of 200 chunks", "stream 200 10"),
    ("stream of 2,000 chunks", "stream 2000 2"),
    (f"{CONCURRENT} concurrent streams of 50 chunks, async", f"astream 50 {CONCURRENT}"),
)


def run(*, quick: bool, peers: tuple[str, ...]) -> Results:
    """Measures the peers that are named, or all."""
    with rig(peers) as ready:
        results = Results("insitu", ready.versions, quick=quick)
        programs = ready.programs("application.py")
        for work, line in WORK:
            print(f"insitu: measuring: {work} ...", flush=True)
            variants: dict[str, Variant] = {
                name: partial(_reading, ready, name, programs[name], line) for name in ready.names
            }
            rounds = QUICK_ROUNDS if quick else ROUNDS
            readings = interleaved(variants, rounds, seconds=SECONDS, skip=ready.skip)
            wall = {peer: walls(taken, 1e6) for peer, taken in readings.items()}
            busy = {peer: cpus(taken, 1e6) for peer, taken in readings.items()}
            figure = results.add(f"{work}, wall", "us", wall)
            results.add(f"{work}, processor time with the export", "us", busy)
            collected = {peer: [one.collector * 1e6 for one in taken] for peer, taken in readings.items()}
            results.add(f"{work}, the garbage collector's part of it", "us", collected)
            if line.startswith("astream"):
                figure.asked(CONCURRENT_MOST, "to_nothing")
            results.arrived = ready.arrived()  # the sink lets go of what it has read
        results.skipped = ready.skipped
    return results


def _reading(ready: Rig, peer: str, running: Program, line: str) -> Reading:
    calls = int(line.rpartition(" ")[2])
    ready.made(peer, calls)
    return Reading(*(float(seconds) / calls for seconds in running.answer(line).split()))
