"""What every peer takes of the application's thread, with the SDK's transport replaced by a stub.

Owns the comparison of processes that live side by side and work in turn, one for each peer, which
export as ever; what they do outside of the application's thread is not counted, but for what it
makes that thread wait.
"""

from __future__ import annotations

from functools import partial

from .environment import Program
from .peers.rig import Rig, rig
from .results import FLOOR, NOTHING, OURS, Figure, Results, Target
from .timing import Reading, cpus, interleaved, number, walls

ROUNDS, QUICK_ROUNDS = 40, 4
SECONDS = 12  # that one kind of work may take, before no more than three rounds are made

# Figure; line for the application, which ends with how many calls it makes; microseconds that bttrace may
# add; whether a tenth of the best peer's is asked. Some do nothing with a chunk before the stream ends.
WORK = (
    ("call", "call 200", 10.0, True),
    ("stream of 200 chunks", "stream 200 10", None, True),
    ("stream of 2,000 chunks", "stream 2000 3", None, True),
    ("chunk of a stream of 2,000", "chunk 2000 3", 0.15, False),
    ("end of a stream of 2,000 chunks", "end 2000 3", 20.0, True),
)
TENTH = 0.1


def run(*, quick: bool, peers: tuple[str, ...]) -> Results:
    """Measures the peers that are named, or all."""
    with rig(peers) as ready:
        results = Results("stubbed", ready.versions, quick=quick)
        programs = ready.programs("stub.py", door=False)
        for work, line, most, tenth in WORK:
            print(f"stubbed: measuring: {work} ...", flush=True)
            variants = {name: partial(_reading, ready, name, programs[name], line) for name in ready.names}
            rounds = QUICK_ROUNDS if quick else ROUNDS
            readings = interleaved(variants, rounds, warm=2, seconds=SECONDS, skip=ready.skip)
            busy = {peer: cpus(taken, 1e6) for peer, taken in readings.items()}
            figure = results.add(f"{work}, processor", "us", busy)
            if most is not None:
                figure.asked(most)
            if tenth:
                _a_tenth(figure)
            results.add(f"{work}, wall", "us", {peer: walls(taken, 1e6) for peer, taken in readings.items()})
            results.arrived = ready.arrived()  # the sink lets go of what it has read
        results.skipped = ready.skipped
    return results


def _a_tenth(figure: Figure) -> None:
    """Asks that bttrace add no more than a tenth of what the best of the others adds."""
    others = {peer: figure.adds(peer) for peer in figure.entries if peer not in (NOTHING, FLOOR, OURS)}
    if others and OURS in figure.entries:
        best = min(others, key=lambda peer: others[peer])
        share = figure.adds(OURS) / others[best]
        figure.targets.append(Target(f"{number(share)} of {best}'s, to be under {TENTH}", share < TENTH))


def _reading(ready: Rig, peer: str, running: Program, line: str) -> Reading:
    ready.made(peer, int(line.rpartition(" ")[2]))
    return Reading(*map(float, running.answer(line).split()))
