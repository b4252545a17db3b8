"""What one benchmark found of every peer: as a file of JSON, and as a table in the terminal.

Owns the form of both. A figure has one entry for each peer: the quartiles of its rounds, what it
adds to *nothing* (by rounds: each beside the one of nothing in the same round), and the ratios of
its median to nothing's and to the floor's.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .timing import differences, number, rows_of_text, spread

NOTHING, FLOOR, OURS = "nothing", "floor", "bttrace"
_HEAD = ("median", "p25 - p75", "adds", "p25 - p75", "x nothing", "x floor")


@dataclass(frozen=True, slots=True)
class Entry:
    """One peer's numbers."""

    low: float
    median: float
    high: float
    adds: tuple[float, float, float] | None = None  # quartiles
    to_nothing: float | None = None
    to_floor: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of bttrace in a figure, in words, and whether it holds."""

    text: str
    met: bool


@dataclass(slots=True)
class Figure:
    """One thing that was measured."""

    name: str
    unit: str
    rounds: int
    entries: dict[str, Entry]
    targets: list[Target] = field(default_factory=list)
    least: list[str] = field(default_factory=list)  # peers whose numbers are only the least that it takes

    def adds(self, peer: str) -> float:
        """Gives what a peer adds, the median of its rounds."""
        adds = self.entries[peer].adds
        return adds[1] if adds else 0.0

    def asked(self, most: float, what: str = "adds") -> None:
        """Asks that what bttrace adds, or its ratio to nothing, be under a number."""
        ours = self.entries.get(OURS)
        if ours is not None:
            value = self.adds(OURS) if what == "adds" else getattr(ours, what) or 0.0
            unit = self.unit if what == "adds" else f"times {what.removeprefix('to_')}"
            self.targets.append(Target(f"{number(value)} {unit}, to be under {most:g}", value < most))


@dataclass(slots=True)
class Results:
    """All figures of a benchmark, and what they were measured with."""

    benchmark: str
    versions: dict[str, str]
    figures: list[Figure] = field(default_factory=list)
    arrived: dict[str, list[int]] = field(default_factory=dict)  # calls at the sink, calls made
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    quick: bool = False
    python: str = platform.python_version()
    machine: str = f"{os.cpu_count()} processors, {platform.machine()}"
    date: str = field(default_factory=lambda: dt.datetime.now(dt.timezone.utc).date().isoformat())

    def add(
        self,
        name: str,
        unit: str,
        values: Mapping[str, Sequence[float]],
        *,
        baseline: Mapping[str, Sequence[float]] | None = None,
        is_rise: bool = False,
    ) -> Figure:
        """Adds a figure from the rounds of every peer; `baseline` has those of nothing, if others.

        A rise is about zero with nothing, and has no ratios.
        """
        entries = {}
        floor = statistics.median(values[FLOOR]) if FLOOR in values and not is_rise else None
        for peer, rounds in values.items():
            bare = (baseline or {}).get(peer) or values.get(NOTHING)
            low, middle, high = spread(rounds)
            entries[peer] = Entry(
                low,
                middle,
                high,
                spread(differences(rounds, bare)) if bare and peer != NOTHING else None,
                _ratio(middle, statistics.median(bare)) if bare and not is_rise else None,
                _ratio(middle, floor),
            )
        figure = Figure(name, unit, max(map(len, values.values())), entries)
        self.figures.append(figure)
        return figure

    def write(self, folder: Path) -> None:
        """Keeps them as JSON, without a word of the machine's names or folders."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def show(self) -> None:
        """Prints a table for each figure."""
        for figure in self.figures:
            print(f"\n{self.benchmark}: {figure.name}, in {figure.unit}; {figure.rounds} rounds")
            rows = [("", *_HEAD), *(_cells(name, figure.entries[name]) for name in ordered(figure))]
            print(rows_of_text(rows))
            for name in figure.least:
                print(f"  {name} was not waited for any longer")
            for target in figure.targets:
                print(f"  target: {target.text}: {'yes' if target.met else 'NO'}")
        for name, (calls, made) in self.arrived.items():
            if calls < made:
                print(f"  {name}: only {calls:,} of {made:,} calls ARRIVED, so its figures are of less work")
        if self.arrived and all(calls >= made for calls, made in self.arrived.values()):
            print(f"  all calls of {', '.join(self.arrived)} arrived with their content")
        for text in self.notes:
            print(f"  {text}")
        for name, reason in self.skipped.items():
            print(f"  {name} was SKIPPED: {reason}")


def loaded(benchmark: str, folder: Path) -> Results | None:
    """Gives the results that were kept of a benchmark."""
    path = folder / f"{benchmark}.json"
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text())
    figures = [
        Figure(
            told["name"],
            told["unit"],
            told["rounds"],
            {name: Entry(**entry) for name, entry in told["entries"].items()},
            [Target(**target) for target in told["targets"]],
            told["least"],
        )
        for told in kept.pop("figures")
    ]
    return Results(**kept, figures=figures)


def ordered(figure: Figure) -> list[str]:
    """Gives the peers: nothing, the floor, ours, then the others from the least to the most."""
    first = [name for name in (NOTHING, FLOOR, OURS) if name in figure.entries]
    others = [name for name in figure.entries if name not in first]
    return first + sorted(others, key=lambda name: figure.entries[name].median)


def _ratio(value: float, base: float | None) -> float | None:
    return value / base if base else None


def _cells(name: str, entry: Entry) -> tuple[str, ...]:
    return (
        name,
        number(entry.median),
        f"{number(entry.low)} - {number(entry.high)}",
        number(entry.adds[1]) if entry.adds else "",
        f"{number(entry.adds[0])} - {number(entry.adds[2])}" if entry.adds else "",
        f"{entry.to_nothing:.3f}" if entry.to_nothing else "",
        f"{entry.to_floor:.3f}" if entry.to_floor else "",
    )
