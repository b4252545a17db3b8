"""What a scripted provider answers: `Reply`, and the few wire forms that every provider shares.

Event: one server-sent event, its terminating blank line included.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.loopback.listener import Request

JSON = {"content-type": "application/json"}
GREETING = ("Hello", " from", " loopback.")
"""What a reply says that was given nothing to say, in the pieces in which a stream says it."""

STREAM = {"content-type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer: a `body`, or `events` that are flushed one by one, each as a chunk of its own.

    Times are in seconds: `wait` before the status line, `first_wait` before the first event, `gap` between events.
    `drop_after` closes the connection after so many events without the terminating chunk, `reset_after` with a TCP reset;
    without events both act before the status line. A `content_length` over the body's own leaves the client waiting for
    bytes that never come before the connection closes. Vary a reply with `dataclasses.replace`.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    body: bytes = b""
    events: tuple[bytes, ...] = ()
    wait: float = 0.0
    first_wait: float = 0.0
    gap: float = 0.0
    drop_after: int | None = None
    reset_after: int | None = None
    content_length: int | None = None


Script = Reply | Callable[[Request], Reply]
"""A reply, or what makes one from the request."""


def sse(obj: object, event: str | None = None) -> bytes:
    """One event whose data is the object as JSON, or a string as it is."""
    data = obj if isinstance(obj, str) else json.dumps(obj, separators=(",", ":"))
    name = "" if event is None else f"event: {event}\n"
    return f"{name}data: {data}\n\n".encode()


def whole(obj: object, headers: Mapping[str, str], status: int = 200) -> Reply:
    """A reply with the object as its JSON body."""
    return Reply(status=status, headers={**JSON, **headers}, body=json.dumps(obj).encode())


def html(status: int = 502, text: str = "Bad gateway") -> Reply:
    """The page of a proxy that stands between the client and the provider."""
    page = f"<!doctype html>\n<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>\n"
    return Reply(status=status, headers={"content-type": "text/html; charset=utf-8"}, body=page.encode())


def pieces(text: str, size: int = 5) -> list[str]:
    """The text in pieces of that many characters, as providers cut arguments; none if it is empty."""
    return [text[start : start + size] for start in range(0, len(text), size)]
