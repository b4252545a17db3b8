"""Rows as bytes of JSON. PURE.

Owns how any value at all becomes plain values of JSON, how these become a line, and how a row
that is too large becomes a smaller one. The copy never raises, runs no code of the
application's and takes no longer than its bounds allow, whatever it is given; what it gives
is for the rest of the way, where only attachments are left to be turned into something.
"""

from __future__ import annotations

import json
import marshal
import math
from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeVar, cast

from ..classes import dataclass
from ..model import Attachment, Json
from .foreign import elements, fields, member, scalar, type_name

_T = TypeVar("_T")
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
Reference = Callable[[Attachment], object]

_DEPTH = 128  # where parsers of JSON give up
_NODES = 500_000  # values of one row
_NUMBERS = 32  # so many numbers are looked at as one
_CUTTABLE = ("input", "output", "metadata", "error", "tags")
_CUT_MARK = "bytes_cut"
_INT = (-(2**63), 2**64 - 1)
_MARSHAL = 2  # the version of its format that looks for nothing that is the same twice
_HUGE = b"1" * 19  # digits; fewer are never too many for `_INT`
_DIGITS = bytes(ord("1" if chr(code).isascii() and chr(code).isdigit() else " ") for code in range(256))
_INSIDE = frozenset({dict, list, tuple})
_NAME_DEPTH = 2  # a tuple can be a name, and is told; what is in it beyond that is not


@dataclass(frozen=True, slots=True)
class Leaves:
    """What is in a copy: every text, names of fields included, in order, and every attachment."""

    texts: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


def described(attachment: Attachment) -> Json:
    """Gives what there is to say of an attachment without its bytes."""
    return {
        "type": "attachment",
        "content_type": attachment.content_type,
        "filename": attachment.filename,
        "bytes": len(attachment.data),
    }


def plain(value: object, leaves: Leaves | None = None) -> object:
    """Gives a copy of a value in plain values of JSON; attachments stay as they are. Never raises.

    What JSON has no word for becomes text; not-a-number and the infinities become null,
    because Braintrust's API, like most, refuses them. What is nested too deep, or goes round
    in a circle, is left out and says so. `leaves` take note of what is in the copy.
    """
    return _Copy(_NODES, None, leaves or Leaves()).of(value, _DEPTH)


def plain_text(value: object) -> str | None:
    """Gives a value as JSON, if it is as plain as `plain` would make it; `None` if that is not sure.

    Nearly all that is recorded was parsed from JSON, and is not worth a copy. Takes a tuple for a list.
    """
    try:
        # It takes only what is of Python's own types, whose code is Python's.
        marshal.dumps(cast("Any", value), _MARSHAL)
        text = _ENCODER.encode(value)
        data = text.encode()
    except (TypeError, ValueError, RecursionError):  # not-a-number, half of a pair, changed meanwhile
        return None
    if _HUGE in data.translate(_DIGITS) or (text.count("[") + text.count("{") > _DEPTH and _is_deep(value)):
        return None
    return text


def _is_deep(value: object) -> bool:
    """Tells whether something of exact types is nested too deep, or has too much in it to find out."""
    level: list[Any] = [value]
    nodes = 0
    for _ in range(_DEPTH):
        level = [
            held
            for holder in level
            for held in (holder.values() if type(holder) is dict else holder)
            if type(held) in _INSIDE
        ]
        nodes += len(level)
        if not level or nodes > _NODES // 2:
            break
    return bool(level)


def line(value: object, reference: Reference = described) -> bytes:
    """Gives a plain value as one line of JSON, in UTF-8; `reference` gives what stands for an attachment."""

    def referred(held: object) -> object:
        if type(held) is Attachment:
            return reference(held)
        raise TypeError(f"{type_name(held)} is not plain")

    text = json.dumps(
        value, ensure_ascii=False, check_circular=False, separators=(",", ":"), default=referred
    )
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which is no character
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def joined(row: Json, content: str) -> bytes:
    """Gives the line of a row of which a part is JSON already; neither is empty, and they share no name."""
    return f"{_ENCODER.encode(row)[:-1]},{content[1:]}".encode()


def encoded(value: object, reference: Reference = described) -> bytes:
    """Gives any value as one line of JSON. Never raises."""
    return line(plain(value), reference)


def bounded(row: Json, limit: int, reference: Reference = described) -> bytes:
    """Gives a log row of plain values as `line` does, in at most `limit` bytes.

    Of one that is larger, long texts are cut first, then what stands last; both say how
    much is missing, and the row's metadata how many bytes it is in all. A limit that not
    even the rest of the row keeps is not kept.
    """
    known: dict[int, object] = {}

    def once(attachment: Attachment) -> object:
        if id(attachment) not in known:
            known[id(attachment)] = reference(attachment)
        return known[id(attachment)]

    data = line(row, once)
    whole, nodes, width = len(data), limit // 16, limit // 4
    while len(data) > limit and width:
        small = {name: value for name, value in row.items() if name not in _CUTTABLE}
        for name in _CUTTABLE:
            if name in row:
                small[name] = _Copy(nodes, width, Leaves()).of(row[name], _DEPTH)
        mark = {_CUT_MARK: whole - len(line(small, once))}
        metadata = small.get("metadata")
        small["metadata"] = {**metadata, **mark} if isinstance(metadata, dict) else mark
        data = line(small, once)
        nodes, width = nodes // 4, width // 4
    return data


class _Copy:
    """Copies values as plain JSON, until their nodes are used up; `width` is the longest text, if any is."""

    __slots__ = ("_leaves", "_nodes", "_path", "_took", "_width")

    def __init__(self, nodes: int, width: int | None, leaves: Leaves) -> None:
        self._nodes = nodes
        self._width = width
        self._leaves = leaves
        self._took = leaves.texts.append
        self._path: set[int] = set()

    def of(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind is str:
            return self._text(value)  # type: ignore[arg-type] # mypy does not narrow by type()
        if value is None or kind is bool:
            return value
        if kind is dict or kind is list:
            return self._inside(value, depth)
        if kind is Attachment:
            self._leaves.attachments.append(value)  # type: ignore[arg-type]
            return value
        one = scalar(value)
        if isinstance(one, str):
            return self._text(one)
        if one is not None:
            return one if math.isfinite(one) else None
        return self._inside(value, depth)

    def _text(self, text: str) -> str:
        width = self._width
        if width is not None and len(text) > width:
            text = f"{text[:width]}... ({len(text) - width:,} characters cut)"
        self._took(text)
        return text

    def _inside(self, value: object, depth: int) -> object:
        """Copies a value of several, unless it holds itself or is too deep."""
        identity = id(value)
        if depth <= 0 or identity in self._path:
            return f"... {type_name(value)}"
        self._path.add(identity)
        copy = self._contents(value, depth - 1)
        self._path.discard(identity)
        return copy

    def _contents(self, value: object, depth: int) -> object:
        named = list(value.items()) if type(value) is dict else fields(value)
        if named is not None:
            kept = self._taken(named)
            copy = {self._name(name): self.of(held, depth) for name, held in kept}
            if len(kept) < len(named):
                copy["..."] = f"{len(named) - len(kept):,} more"
            return copy
        listed = elements(value)
        if listed is not None:
            some = self._taken(listed)
            copies = some if _are_numbers(some) else [self.of(held, depth) for held in some]
            if len(some) < len(listed):
                copies = [*copies, f"... {len(listed) - len(some):,} more"]
            return copies
        held = member(value)
        return type_name(value) if held is value else self.of(held, depth)

    def _taken(self, values: list[_T]) -> list[_T]:
        """Gives as many values as there is room for, of which it leaves half to what is in them."""
        taken = values[: (self._nodes + 1) // 2]
        self._nodes -= len(taken)
        return taken

    def _name(self, name: object) -> str:
        """Gives a field's name: JSON's own word for what is no text, as `json` has it."""
        if type(name) is str:
            return self._text(name)
        copy = self.of(name, _NAME_DEPTH)
        return copy if isinstance(copy, str) else json.dumps(copy, default=type_name)


def _are_numbers(values: list[object]) -> bool:
    """Tells whether a long list is one of plain numbers, such as a vector, and fit for JSON as it is."""
    if len(values) < _NUMBERS:
        return False
    kinds = set(map(type, values))
    if kinds == {float}:
        return math.isfinite(sum(cast("list[float]", values)))
    whole = cast("list[int]", values)
    return kinds == {int} and _INT[0] <= min(whole) and max(whole) <= _INT[1]
