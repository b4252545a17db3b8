"""Where a request says that it comes from: W3C's `traceparent`, and Braintrust's own in its `baggage`. PURE.

Owns how both are read and written, and what a fault in them is. Words: the *container* is what
Braintrust calls the parent of a trace, the project or the experiment that its spans are in, as
`project_id:ID`, `project_name:NAME` or `experiment_id:ID`.

Source: W3C Trace Context level 1 (2021), chapters 3.2 and 4.3; W3C Baggage (2024), chapter 3.3; braintrust
0.47 (`propagation.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

from ..classes import dataclass

TRACEPARENT = "traceparent"
BAGGAGE = "baggage"
_PARENT = "braintrust.parent"  # the baggage's name for the container
_LENGTHS = (2, 32, 16, 2)  # of version, trace, span and flags
_DIGITS = frozenset("0123456789abcdef")
_BAGGAGE_MOST = 8192  # characters that are looked at
_MEMBERS_MOST = 64


@dataclass(frozen=True, slots=True)
class Traceparent:
    """The span that a request was made in; its sender records it if it `is_sampled`."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


def parsed(header: str) -> tuple[Traceparent | None, str]:
    """Gives what a `traceparent` says, and a fault, if it is none."""
    parts = header.strip().split("-")
    fits = zip(parts, _LENGTHS, strict=False)
    if len(parts) < len(_LENGTHS) or any(
        len(part) != length or not _DIGITS.issuperset(part) for part, length in fits
    ):
        return None, "it must be 2, 32, 16 and 2 lower-case hexadecimal digits, with - between them"
    version, trace_id, span_id, flags = parts[:4]
    if version == "ff":
        return None, "ff is no version"
    if version == "00" and len(parts) > len(_LENGTHS):
        return None, "version 00 has four parts"
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None, "an id of zeros alone is none"
    return Traceparent(trace_id, span_id, bool(int(flags, 16) & 1)), ""


def container(baggage: str) -> str | None:
    """Gives the container that a `baggage` names, if it names one."""
    for member in baggage[:_BAGGAGE_MOST].split(",", _MEMBERS_MOST)[:_MEMBERS_MOST]:
        name, _, value = member.partition(";")[0].partition("=")
        if unquote(name.strip()) == _PARENT:
            return unquote(value.strip()) or None
    return None


def is_within(named: str | None, project: Mapping[str, object]) -> bool:
    """Tells whether a container is the project that our spans go to, as far as is known of that.

    `project` has its `project_id` and `project_name`, or `None` for what is not known.
    """
    kind, _, name = (named or "").partition(":")
    return kind in ("project_id", "project_name") and bool(name) and project.get(kind) == name


def headers(span: Traceparent, project: Mapping[str, object]) -> dict[str, str]:
    """Gives the headers of what is sent from a span in a project."""
    found = {TRACEPARENT: str(span)}
    kind = "project_name" if project.get("project_name") else "project_id"
    if project.get(kind):
        found[BAGGAGE] = f"{_PARENT}={quote(f'{kind}:{project[kind]}', safe='')}"
    return found
