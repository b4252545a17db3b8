"""Events of a stream that are like one before, but for a piece of text.

Owns how such an event is known again without being parsed. Nearly all of a stream are: a token each, in
the same few hundred characters. Of what differs, only the piece is of interest; numbers that count the
events, texts that hide their length and spaces that do so too may differ as they like.

Two events that are equal but for strings without a quote and a backslash are equal JSON but for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model import Json, Path

_PIECE, _TEXT, _NUMBER, _SPACES = range(4)  # what stands in a hole
_END = "}\n\n"
_HIDING = "obfuscation"  # of OpenAI's, of as many letters as make its events equally long
_COUNTING = "sequence_number"


class Likeness:
    """The text of an event with holes in it, and the event itself."""

    __slots__ = ("_event", "_holes", "_path", "_start")

    def __init__(self, event: Json, path: Path, start: str, holes: Sequence[tuple[int, str]]) -> None:
        self._event = event
        self._path = path
        self._start = start
        self._holes = holes  # each with the text that comes after it

    def match(self, text: str, start: int) -> tuple[str, int] | None:
        """Gives the piece of text that a like event has, and where it ends; `None` if there is none."""
        if not text.startswith(self._start, start):
            return None
        piece, at = "", start + len(self._start)
        for hole, after in self._holes:
            end = text.find(after, at)
            if end < 0:
                return None
            found = text[at:end]
            if hole == _NUMBER:
                if not found.isdecimal():
                    return None
            elif hole == _SPACES:
                if found.strip(" "):
                    return None
            elif '"' in found or "\\" in found:
                return None
            elif hole == _PIECE:
                piece = found
            at = end + len(after)
        return piece, at

    def event(self, pieces: Sequence[str]) -> Json:
        """Gives an event that says all these pieces at once."""
        said: Json = _with(self._event, self._path, "".join(pieces))
        return said


class Piece:
    """What a like event says."""

    __slots__ = ("likeness", "text")

    def __init__(self, likeness: Likeness, text: str) -> None:
        self.likeness = likeness
        self.text = text


def learned(text: str, event: Json, path: Path) -> Likeness | None:
    """Gives what events are like that differ from this one at `path`; `None` if it can't be told."""
    spans = [(_string(text, _at(event, path)), _PIECE)]
    if event.get(_HIDING):
        spans.append((_string(text, event[_HIDING]), _TEXT))
    if _COUNTING in event:
        spans.append((_number(text, f'"{_COUNTING}":'), _NUMBER))
    last = len(text) - len(_END)
    if text[last - 1 : last] == " ":
        spans.append(((len(text[:last].rstrip(" ")), last), _SPACES))
    known = sorted((span, hole) for span, hole in spans if span is not None)
    if len(known) < len(spans) or not text.endswith(_END):
        return None
    edges = [*(begin for (begin, _), _ in known[1:]), len(text)]
    holes = [(hole, text[end:edge]) for ((_, end), hole), edge in zip(known, edges, strict=True)]
    return Likeness(event, path, text[: known[0][0][0]], holes)


def _string(text: str, value: object) -> tuple[int, int] | None:
    """Gives where the one string of a text stands that is this."""
    if not isinstance(value, str) or not value or '"' in value or "\\" in value:
        return None
    start = text.find(f'"{value}"')
    if start < 0 or text.find(f'"{value}"', start + 1) >= 0:
        return None
    return start + 1, start + 1 + len(value)


def _number(text: str, name: str) -> tuple[int, int] | None:
    """Gives where the number stands that comes after a name."""
    start = text.find(name)
    if start < 0 or text.find(name, start + 1) >= 0:
        return None
    start = end = start + len(name) + text.startswith(" ", start + len(name))
    while text[end : end + 1].isdecimal():
        end += 1
    return (start, end) if end > start else None


def _at(value: object, path: Path) -> object:
    for name in path:
        if isinstance(value, dict) and isinstance(name, str):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and name < len(value):
            value = value[name]
        else:
            return None
    return value


def _with(value: Any, path: Path, text: str) -> Any:
    """Gives a copy with another text at a path; what does not lead there is shared."""
    if not path:
        return text
    copied, (name, *rest) = value.copy(), path
    copied[name] = _with(copied[name], tuple(rest), text)
    return copied
