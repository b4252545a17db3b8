"""Which calls arrived, told from the bodies that tracers send, in whatever form each sends them.

A span *tells of a call* when it holds both what was asked and what was answered: one without
content tells nothing. Braintrust's rows of one id are parts of one span. Pure.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from .bodies import ANSWERED, ASKED

_ASKED, _ANSWERED = 1, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS, _SPAN_ID = 1, 2, 2, 2  # fields of OTLP's messages


class Arrivals:
    """The spans that came so far, by id, and what each of them holds."""

    def __init__(self) -> None:
        self._held: dict[object, int] = {}

    @property
    def calls(self) -> int:
        """The calls of which a span tells."""
        return sum(held == _ASKED | _ANSWERED for held in self._held.values())

    def add(self, path: str, body: bytes) -> None:
        """Reads a body that was sent to a path; those that bring no spans are let be."""
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for identity, content in _spans(path, body):
            asked = _ASKED if any(text in content for text in ASKED) else 0
            answered = _ANSWERED if any(text in content for text in ANSWERED) else 0
            self._held[identity] = self._held.get(identity, 0) | asked | answered


def _spans(path: str, body: bytes) -> Iterator[tuple[object, bytes]]:
    """Yields the id of each span, and its content."""
    if path.endswith("/v1/traces"):
        for _, resource in _fields(body, _RESOURCE_SPANS):
            for _, scope in _fields(resource, _SCOPE_SPANS):
                for _, span in _fields(scope, _SPANS):
                    yield next(_fields(span, _SPAN_ID))[1], span
    elif path.endswith(("/logs3", "/insert")):
        told = json.loads(body)
        for row in told["rows" if path.endswith("/logs3") else "events"]:
            yield row["id"], json.dumps(row).encode()
    elif path.endswith("/llmobs"):
        for event in json.loads(body):
            for span in event["spans"]:
                yield span["span_id"], json.dumps(span).encode()


def _fields(message: bytes, wanted: int) -> Iterator[tuple[int, bytes]]:
    """Yields the fields of a number that have a length, in a message of protobuf."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _LENGTH:
            length, at = _varint(message, at)
            if number == wanted:
                yield number, message[at : at + length]
            at += length
        elif wire == _VARINT:
            _, at = _varint(message, at)
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[wire]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Gives a number, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
