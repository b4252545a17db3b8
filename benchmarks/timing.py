"""Measuring one thing against another on a noisy machine, and showing what came out.

Owns the order of measurements and the table. Knows nothing of what is measured.

- *variant*: one way to run the same work: bare, or with something of ours;
- *reading*: what one run of a variant took;
- *round*: one reading of each variant, one right after the other, so that the machine's
  noise meets them all alike; which goes first rotates.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Reading(NamedTuple):
    """Seconds: of wall time; of processor time, by a thread or a process; of that, by its collector."""

    wall: float
    cpu: float
    collector: float = 0.0


_FEWEST = 3  # rounds

Variant = Callable[[], Reading]
Readings = dict[str, list[Reading]]


class Stopwatch:
    """Reads the wall and the processor time of the calling thread."""

    __slots__ = ("_cpu", "_wall")

    def __init__(self) -> None:
        self._wall = time.perf_counter_ns()
        self._cpu = time.thread_time_ns()

    def reading(self, units: int = 1) -> Reading:
        """Gives what went by since it was made, for each of the units of work done."""
        cpu = time.thread_time_ns() - self._cpu
        wall = time.perf_counter_ns() - self._wall
        return Reading(wall / 1e9 / units, cpu / 1e9 / units)


class Gone(Exception):
    """Why a variant can be measured no more."""


def interleaved(
    variants: Mapping[str, Variant],
    rounds: int,
    warm: int = 1,
    *,
    seconds: float | None = None,
    skip: Callable[[str, str], object] | None = None,
) -> Readings:
    """Gives the readings of each variant, in rounds; those of the first `warm` rounds are dropped.

    After so many seconds, no more rounds begin than three. `skip` is told which variant is gone, and
    why, and the others go on; without it, `Gone` is raised.
    """
    readings: Readings = {name: [] for name in variants}
    names = list(variants)
    ends = time.monotonic() + (seconds or float("inf"))
    for turn in range(warm + rounds):
        if turn >= warm + _FEWEST and time.monotonic() > ends:
            break
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            try:
                reading = variants[name]()
            except Gone as gone:
                if skip is None:
                    raise
                skip(name, str(gone))
                names.remove(name)
                del readings[name]
                continue
            if turn >= warm:
                readings[name].append(reading)
    return readings


def walls(readings: Sequence[Reading], scale: float = 1.0) -> list[float]:
    """Gives the wall times, multiplied: by 1e3 for milliseconds."""
    return [reading.wall * scale for reading in readings]


def cpus(readings: Sequence[Reading], scale: float = 1.0) -> list[float]:
    """Gives the processor times, multiplied: by 1e6 for microseconds."""
    return [reading.cpu * scale for reading in readings]


def differences(values: Sequence[float], baseline: Sequence[float], units: int = 1) -> list[float]:
    """Gives what each round added, for each of the units of work."""
    return [(value - bare) / units for value, bare in zip(values, baseline, strict=True)]


def ratio_of_medians(values: Sequence[float], baseline: Sequence[float]) -> float:
    """Gives how many times the baseline's median the values' is."""
    return statistics.median(values) / statistics.median(baseline)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: its values, what it makes of the baseline, and the most that the rated number may be."""

    figure: str
    unit: str
    values: Sequence[float]
    ratio: float | None
    target: float | None
    rated: float

    def cells(self) -> tuple[str, ...]:
        """Gives the line's cells as text."""
        low, middle, high = spread(self.values)
        met = "" if self.target is None else "yes" if self.rated < self.target else "NO"
        return (
            self.figure,
            f"{number(middle)} {self.unit}".strip(),
            f"{number(low)} - {number(high)}" if len(self.values) > 1 else "",
            "" if self.ratio is None else f"{self.ratio:.3f}",
            "" if self.target is None else f"< {self.target:g}",
            met,
        )


class Table:
    """Figures under one title, printed when all are in."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lines: list[Line] = []
        self._notes: list[str] = []

    def figure(
        self,
        name: str,
        unit: str,
        values: Sequence[float],
        *,
        ratio: float | None = None,
        most: float | None = None,
    ) -> None:
        """Adds a figure; its median is to be under `most`. `ratio` is what the baseline is multiplied by."""
        middle = statistics.median(values)
        self._lines.append(Line(name, unit, values, ratio, most, middle))

    def ratio(
        self, name: str, values: Sequence[float], baseline: Sequence[float], most: float | None = None
    ) -> None:
        """Adds the rounds' own ratios; the ratio of the medians is to be under `most`."""
        ratios = [value / bare for value, bare in zip(values, baseline, strict=True)]
        whole = ratio_of_medians(values, baseline)
        self._lines.append(Line(name, "x", ratios, whole, most, whole))

    def note(self, text: str) -> None:
        """Adds a remark under the figures."""
        self._notes.append(text)

    def show(self) -> None:
        """Prints the table."""
        head = ("figure", "median", "p25 - p75", "ratio", "target", "met")
        rows = [head, *(line.cells() for line in self._lines)]
        print(f"\n{self._title}")
        print(rows_of_text(rows))
        for text in self._notes:
            print(f"  {text}")


def rows_of_text(rows: Sequence[tuple[str, ...]]) -> str:
    """Gives rows as lines with columns, the first of which is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = (f"{cell:{'<' if at == 0 else '>'}{widths[at]}}" for at, cell in enumerate(row))
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Gives the lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def number(value: float) -> str:
    """Gives a number with three or four digits that count."""
    size = abs(value)
    places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{value:,.{places}f}"
