"""The figures that tell the most, of all benchmarks beside the peers: as a table, and in Markdown.

Owns which figures these are and what they are called. A cell is what the peer adds to nothing, or
what is left of nothing's throughput.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .results import FLOOR, NOTHING, OURS, Figure, Results, loaded
from .timing import rows_of_text


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure, by the benchmark that has it and its name there."""

    benchmark: str
    figure: str
    title: str
    explained: str
    is_share: bool = False  # of the throughput that nothing has


HEADLINES = (
    Headline("startup", "no key, wall", "start, no key", "start of a Python without a key"),
    Headline("startup", "key, no provider, wall", "start, key", "start with a key, no SDK imported"),
    Headline("startup", "key, import openai, wall", "start, openai", "start with a key, `import openai`"),
    Headline(
        "startup", "key, import anthropic, wall", "start, anthropic", "start with a key, `import anthropic`"
    ),
    Headline("stubbed", "call, processor", "call, thread", "a call, the application's thread alone"),
    Headline(
        "stubbed",
        "stream of 2,000 chunks, processor",
        "stream, thread",
        "a stream of 2,000 chunks, the application's thread alone",
    ),
    Headline(
        "stubbed",
        "chunk of a stream of 2,000, processor",
        "chunk, thread",
        "a chunk, the application's thread alone",
    ),
    Headline(
        "stubbed",
        "end of a stream of 2,000 chunks, processor",
        "stream's end, thread",
        "the end of a stream of 2,000 chunks, the application's thread alone",
    ),
    Headline("insitu", "call, wall", "call, wall", "a call over loopback"),
    Headline(
        "insitu",
        "call, processor time with the export",
        "call, process",
        "a call, processor time of the whole process",
    ),
    Headline(
        "insitu",
        "200 concurrent streams of 50 chunks, async, wall",
        "async stream",
        "200 concurrent async streams, of the throughput without",
        is_share=True,
    ),
    Headline("memory", "resident after start", "memory", "memory of a process that has started"),
    Headline(
        "memory",
        "at the last chunk of a stream of 10,000, more than before it",
        "memory, stream",
        "memory at the end of a stream of 10,000 chunks",
    ),
    Headline("exit", "sink well", "exit", "exit after one call, the sink is well"),
    Headline("exit", "sink never answers", "exit, dead sink", "exit after one call, the sink never answers"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """A headline with its figure."""

    headline: Headline
    figure: Figure
    results: Results


def told(folder: Path) -> list[Told]:
    """Gives the headlines of which a folder of results has the figures."""
    kept = {headline.benchmark: loaded(headline.benchmark, folder) for headline in HEADLINES}
    return [
        Told(headline, figure, results)
        for headline in HEADLINES
        if (results := kept[headline.benchmark])
        for figure in results.figures
        if figure.name == headline.figure
    ]


def lacking(results: Results) -> set[str]:
    """Gives the peers from which fewer calls arrived than were made."""
    return {peer for peer, (calls, made) in results.arrived.items() if calls < made}


def peers(headlines: Sequence[Told]) -> list[str]:
    """Gives the peers of all headlines: the floor, ours, then the others as the table of peers has them."""
    names = dict.fromkeys(peer for one in headlines for peer in one.figure.entries)
    first = [name for name in (FLOOR, OURS) if name in names]
    return first + [name for name in names if name not in (*first, NOTHING)]


def versions(headlines: Sequence[Told]) -> Mapping[str, str]:
    """Gives the versions of all peers that were measured."""
    return {peer: version for one in headlines for peer, version in one.results.versions.items()}


def cell(one: Told, peer: str) -> str:
    """Gives what a peer adds: a dash where it was not measured, a star where not all calls arrived."""
    entry = one.figure.entries.get(peer)
    if entry is None or entry.adds is None:
        return "-"
    more = "> " if peer in one.figure.least else ""
    star = "*" if peer in lacking(one.results) else ""
    told = _rounded(entry.adds[1])
    if one.headline.is_share and entry.to_nothing:
        told = f"{100 / entry.to_nothing:.0f}"
    return f"{more}{told}{star}"


def unit(one: Told) -> str:
    """Gives the unit of a headline's cells."""
    return "%" if one.headline.is_share else one.figure.unit.replace("us", "µs")


def _rounded(value: float) -> str:
    """Gives a number with the two or three digits that another run would have too."""
    size = abs(value)
    return f"{value:,.{0 if size >= 10 else 1 if size >= 1 else 2}f}"


def summary(folder: Path) -> str:
    """Gives the table for a terminal, a row for each headline."""
    headlines = told(folder)
    names = peers(headlines)
    rows = [("adds to nothing", "unit", *names)]
    rows += [(one.headline.title, unit(one), *(cell(one, name) for name in names)) for one in headlines]
    return rows_of_text(rows)


def markdown(folder: Path) -> str:
    """Gives the table in Markdown, with what it was measured with."""
    headlines = told(folder)
    names = peers(headlines)
    known = versions(headlines)
    lines = [
        f"| what it adds | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
        *(
            f"| {one.headline.explained}, {unit(one)} | "
            f"{' | '.join(_strong(cell(one, name), name) for name in names)} |"
            for one in headlines
        ),
    ]
    if any(lacking(one.results) for one in headlines):
        lines += ["", r"\* of this peer, fewer calls arrived at the sink than were made."]
    if headlines:
        results = headlines[0].results
        measured = ", ".join(f"{name} {known[name]}" for name in names if known.get(name))
        lines += ["", f"{results.date}, Python {results.python}, {results.machine}; {measured}."]
    return "\n".join(lines) + "\n"


def _strong(text: str, peer: str) -> str:
    return f"**{text}**" if peer == OURS else text
