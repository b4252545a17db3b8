"""Binary content in what a call took and gave, and attachments in its place. PURE.

Owns the shapes in which providers send images, sound and files inside JSON. Each shape is
one entry of `FORMATS`: a function of a field's name, its value and the object it stands
in, which gives what takes the value's place, or `None` when the value is none of its own.
The first entry that gives something wins, and nothing below it is looked at.

Only base64 that decodes whole becomes an attachment; all else stays as it is. What is
given is never changed: what holds an attachment is a copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, cast

from ..model import Attachment, Json
from ..values import text
from .base64_text import decoded
from .content_types import by_extension, by_signature, filename

Format = Callable[[str, object, Json], object]

_NUMBERS = (int, float)  # in lists: tokens, vectors
_LEAST = 20  # characters; shorter base64 is rather a word
_DEPTH = 128  # beyond it everything stays as it is
_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,\s]*)*;base64,", re.IGNORECASE)
_SIGN = "data:"
_BEGINS = "dD"
_HEAD = 1_000  # characters within which a data URI's content begins
# The names under which base64 stands without saying that it is.
_FIELDS = frozenset({"b64_json", "data", "file_data", "partial_image_b64", "result"})
_REFERENCES = ("attachment", "local_attachment")  # what `encode` and the journal put in an attachment's place
_PCM = "audio/pcm"  # of the formats that OpenAI speaks in, the only one without a signature


def attached(value: object) -> object:
    """Gives a value with an attachment in place of all binary content; itself when there is none."""
    if not _suspected(value):
        return value
    return _Walk(tuple(FORMATS.values())).replaced("", value, {}, _DEPTH)


def contents(row: Json) -> Iterator[tuple[str, int]]:
    """Yields content type and size, in bytes, of each attachment in a row, be it there or in a journal."""
    for _, node in _nodes([row.get("input"), row.get("output")]):
        if type(node) is Attachment:
            yield node.content_type, len(node.data)
        elif type(node) is dict and node.get("type") in _REFERENCES:
            kind, size = text(node.get("content_type")), node.get("bytes")
            if kind is not None and isinstance(size, int):
                yield kind, size


def converted(value: object, convert: Callable[[Attachment], object]) -> object:
    """Gives a value with something else in place of each attachment; itself when there is none."""
    if not any(type(node) is Attachment for _, node in _nodes(value)):
        return value

    def conversion(_name: str, held: object, _holder: Json) -> object:
        return convert(held) if type(held) is Attachment else None

    return _Walk((conversion,)).replaced("", value, {}, _DEPTH)


def _nodes(value: object) -> Iterator[tuple[str, object]]:
    """Yields a value and all that is in it, with the name that it stands under, each object and list once."""
    stack = [("", value)]
    seen: set[int] = set()
    while stack:
        name, node = stack.pop()
        kind = type(node)
        if kind is dict:
            if id(node) in seen:
                continue
            seen.add(id(node))
            stack.extend(reversed(list(cast("Json", node).items())))
        elif kind is list or kind is tuple:
            nodes = cast("list[object]", node)
            if id(node) in seen or (nodes and type(nodes[0]) in _NUMBERS):
                continue
            seen.add(id(node))
            stack.extend([("", item) for item in reversed(nodes)])
        yield name, node


def _suspected(value: object) -> bool:
    """Tells whether a value may hold base64. This is all that is done for almost every call."""
    stack: list[object] = [(value,)]
    seen: set[int] = set()
    while stack:
        holder = stack.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for name, node in _held(holder):
            kind = type(node)
            if kind is str:
                if len(node) >= _LEAST and _may_be_base64(name, node):
                    return True
            elif kind is dict or kind is list or kind is tuple:
                stack.append(node)
    return False


def _held(holder: Any) -> Iterable[tuple[object, Any]]:
    """Gives what an object or a list holds, each with its name; of numbers nothing."""
    if type(holder) is dict:
        return list(holder.items())
    return () if holder and type(holder[0]) in _NUMBERS else zip(repeat(""), holder)


def _may_be_base64(name: object, found: str) -> bool:
    return (found[0] in _BEGINS and found[:5].lower() == _SIGN) or (type(name) is str and name in _FIELDS)


class _Walk:
    """One replacement of what formats find. Cycles and what is shared are walked once."""

    def __init__(self, formats: Sequence[Format]) -> None:
        self._formats = formats
        self._done: dict[tuple[str, int], object] = {}

    def replaced(self, name: str, value: object, holder: Json, depth: int) -> object:
        for format_ in self._formats:
            found = format_(name, value, holder)
            if found is not None:
                return found
        kind = type(value)
        if depth <= 0 or (kind is not dict and kind is not list and kind is not tuple):
            return value
        place = (name, id(value))
        if place not in self._done:
            self._done[place] = value  # what a cycle finds
            self._done[place] = self._inside(value, depth - 1)
        return self._done[place]

    def _inside(self, value: object, depth: int) -> object:
        if type(value) is dict:
            names, nodes = list(value), list(value.values())
            called = [name if type(name) is str else "" for name in names]
            new = [self.replaced(name, node, value, depth) for name, node in zip(called, nodes, strict=True)]
            return dict(zip(names, new, strict=True)) if _changed(nodes, new) else value
        nodes = list(cast("list[object]", value))
        new = [self.replaced("", node, {}, depth) for node in nodes]
        return new if _changed(nodes, new) else value


def _changed(before: list[object], after: list[object]) -> bool:
    return any(new is not old for new, old in zip(after, before, strict=True))


def _attachment(kind: str | None, data: bytes | None, name: object = None) -> Attachment | None:
    return Attachment(kind, data, text(name) or filename(kind)) if kind and data else None


def _base64(value: object) -> bytes | None:
    return decoded(value) if isinstance(value, str) and len(value) >= _LEAST else None


def _data_uri(_name: str, value: object, holder: Json) -> object:
    """A string that is a data URI from end to end, wherever it stands; OpenAI's images and files."""
    if type(value) is not str or value[:5].lower() != _SIGN:
        return None
    head = _URI.match(value, 0, _HEAD)
    return head and _attachment(head["type"].lower(), decoded(value, head.end()), holder.get("filename"))


def _source(name: str, value: object, _holder: Json) -> object:
    """Anthropic's source of an image or a document."""
    if name != "source" or not isinstance(value, dict) or value.get("type") != "base64":
        return None
    return _attachment(text(value.get("media_type")), _base64(value.get("data")))


def _audio(name: str, value: object, _holder: Json) -> object:
    """OpenAI's sound, which names its format when it is asked for, and not when it is answered."""
    if name not in ("input_audio", "audio") or not isinstance(value, dict):
        return None
    data = _base64(value.get("data"))
    if data is None:
        return None
    kind = by_extension(value.get("format")) or by_signature(data) or _PCM
    return {**value, "data": _attachment(kind, data)}


def _typed(_name: str, value: object, _holder: Json) -> object:
    """Content that says its type beside its data: a tool's of the model context protocol, Gemini's."""
    if not isinstance(value, dict):
        return None
    kind = text(value.get("mimeType")) or text(value.get("mime_type"))
    found = _attachment(kind, _base64(value.get("data"))) if kind else None
    return found and {**value, "data": found}


def _image(value: object, holder: Json) -> Attachment | None:
    data = _base64(value)
    if data is None:
        return None
    kind = by_signature(data) or by_extension(holder.get("output_format")) or "image/png"
    return _attachment(kind, data)


def _image_field(name: str, value: object, holder: Json) -> object:
    """An image that OpenAI made, whole or while it was being made."""
    return _image(value, holder) if name in ("b64_json", "partial_image_b64") else None


def _image_call(_name: str, value: object, _holder: Json) -> object:
    """An image that an OpenAI Response made with its own tool."""
    if not isinstance(value, dict) or value.get("type") != "image_generation_call":
        return None
    found = {
        name: made for name in ("result", "partial_image_b64") if (made := _image(value.get(name), value))
    }
    return {**value, **found} if found else None


def _file_data(name: str, value: object, holder: Json) -> object:
    """A file as base64 alone, whose type only its name or its first bytes tell."""
    if name != "file_data":
        return None
    data = _base64(value)
    if data is None:
        return None
    named = text(holder.get("filename")) or ""
    return _attachment(by_signature(data) or by_extension(named.rpartition(".")[2]), data, named)


FORMATS: Mapping[str, Format] = {
    "data URI": _data_uri,
    "Anthropic source": _source,
    "OpenAI audio": _audio,
    "OpenAI image": _image_field,
    "OpenAI image generation call": _image_call,
    "OpenAI file data": _file_data,
    "data beside its type": _typed,
}
