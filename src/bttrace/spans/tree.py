"""Traces as trees of text. PURE.

Takes log rows, as a journal has them, and gives lines: names, durations, time to first
token, tokens, cost, errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import floor, log10

from ..model import Json
from ..values import at, items, json_object, number, text
from .media import contents

_ERROR_WIDTH = 100
_MOST_ATTACHMENTS = 3
_KILO = 1000
# What a row that merges cannot change (Braintrust's API, `_is_merge`).
_PLACE = ("span_id", "root_span_id", "span_parents")
_LINES = ("├─ ", "└─ ", "│  ")
_PLAIN_LINES = ("|- ", "`- ", "|  ")


class Ink:
    """How text is set off: with colours, or not at all."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def _in(self, code: str, words: str) -> str:
        return f"\x1b[{code}m{words}\x1b[0m" if self._colours and words else words

    def name(self, words: str) -> str:
        """Sets off a span's name."""
        return self._in("1", words)

    def detail(self, words: str) -> str:
        """Sets off figures and lines."""
        return self._in("2", words)

    def error(self, words: str) -> str:
        """Sets off errors, in red."""
        return self._in("31", words)


def merged(rows: Iterable[Json]) -> list[Json]:
    """Gives each span once, as it came last: rows are whole, and one that merges only keeps its place."""
    found: dict[object, Json] = {}
    for row in rows:
        known = found.get(row.get("id"), {}) if row.get("_is_merge") else {}
        place = {name: known[name] for name in _PLACE if name in known}
        told = {name: value for name, value in row.items() if name != "_is_merge"}
        found[row.get("id") or id(row)] = {**told, **place}
    return list(found.values())


def traces(rows: Iterable[Json]) -> list[list[Json]]:
    """Gives the rows of each trace together, traces and rows by their start."""
    found: dict[object, list[Json]] = {}
    for row in rows:
        found.setdefault(row.get("root_span_id"), []).append(row)
    for trace in found.values():
        trace.sort(key=_start)
    return sorted(found.values(), key=lambda trace: _start(trace[0]))


def drawn(trace: list[Json], ink: Ink, *, unicode: bool = True) -> Iterator[str]:
    """Yields the lines of one trace. A span whose parent is not among the rows stands as a root."""
    known = {text(row.get("span_id")) for row in trace}
    children: dict[str | None, list[Json]] = {}
    for row in trace:
        above = (parent for parent in items(row.get("span_parents")) if text(parent) in known)
        children.setdefault(text(next(above, None)), []).append(row)
    signs = _LINES if unicode else _PLAIN_LINES
    while children:  # what is left after the roots are drawn hangs in a circle, and is drawn from anywhere
        for root in children.pop(None, None) or children.pop(next(iter(children))):
            yield from _lines(root, children, "", "", ink, signs)


def _lines(
    row: Json,
    children: dict[str | None, list[Json]],
    lead: str,
    below: str,
    ink: Ink,
    signs: tuple[str, str, str],
) -> Iterator[str]:
    name = text(json_object(row.get("span_attributes")).get("name")) or "span"
    figures = "  ".join(_figures(row))
    yield f"{ink.detail(lead)}{ink.name(_printable(name))}  {ink.detail(figures)}".rstrip()
    error = row.get("error")
    if error is not None:
        first = (text(error) or str(error)).strip().partition("\n")[0]
        cut = first if len(first) <= _ERROR_WIDTH else first[: _ERROR_WIDTH - 3] + "..."
        yield f"{ink.detail(below)}   {ink.error(_printable(cut))}"
    own = children.pop(text(row.get("span_id")), [])
    branch, last, line = signs
    for child in own:
        final = child is own[-1]
        yield from _lines(
            child,
            children,
            below + (last if final else branch),
            below + ("   " if final else line),
            ink,
            signs,
        )


def _figures(row: Json) -> Iterator[str]:
    metrics = json_object(row.get("metrics"))
    start, end = number(metrics.get("start")), number(metrics.get("end"))
    if start is not None:
        yield "still open" if end is None else _duration(end - start)
    first_token = number(metrics.get("time_to_first_token"))
    if first_token is not None:
        yield f"first token {_duration(first_token)}"
    counts = {**json_object(at(row, "metadata.usage")), **metrics}  # of a turn, the sums of its calls
    prompt, completion = number(counts.get("prompt_tokens")), number(counts.get("completion_tokens"))
    cached = number(counts.get("prompt_cached_tokens"))
    of_which = f" ({cached:,} cached)" if cached else ""
    told = [
        *([f"{prompt:,}{of_which} in"] if prompt is not None else []),
        *([f"{completion:,} out"] if completion is not None else []),
    ]
    if told:
        yield ", ".join(told)
    cost = number(counts.get("estimated_cost"))
    if cost is not None:
        yield _dollars(cost)
    retries = number(metrics.get("retries"))
    if retries:
        yield f"{retries} {'retry' if retries == 1 else 'retries'}"
    yield from _attached(row)
    yield from _outcome(row)
    stream_end = text(at(row, "metadata.stream_end"))
    if stream_end not in (None, "exhausted"):
        yield f"stream {stream_end}"


def _outcome(row: Json) -> Iterator[str]:
    """Yields how a turn or a tool ended, unless it went well, and that a tool was not seen to run."""
    status = text(at(row, "metadata.turn_status")) or text(at(row, "metadata.status"))
    if status not in (None, "completed", "success") and row.get("error") is None:
        yield _printable(status)
    if at(row, "metadata.timing") == "inferred":
        yield "inferred"


def _attached(row: Json) -> Iterator[str]:
    """Yields type and size of a row's first attachments, and how many more it has."""
    found = list(contents(row))
    for kind, size in found[:_MOST_ATTACHMENTS]:
        yield f"{_printable(kind)} {_size(size)}"
    if len(found) > _MOST_ATTACHMENTS:
        yield f"and {len(found) - _MOST_ATTACHMENTS} more attachments"


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < _KILO:
            return f"{size:.3g} {unit}" if unit != "B" else f"{size} B"
        size /= _KILO
    return f"{size:,.3g} GB"


def _dollars(cost: float) -> str:
    """Gives a cost to a hundredth of a cent; of one that is less, the first two digits."""
    if not cost:
        return "$0"
    digits = max(4, 1 - floor(log10(abs(cost))))
    return f"${cost:.{digits}f}" if digits == 4 else f"${cost:.{digits}f}".rstrip("0")  # noqa: PLR2004


def _start(row: Json) -> float:
    return number(at(row, "metrics.start")) or 0


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _printable(words: str) -> str:
    """Replaces control characters, which could move the cursor of somebody's terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in words)
