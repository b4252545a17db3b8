"""What HTTP messages say: requests, responses and headers as httpx and httpx2 have them.

Owns the reading of messages that have been sent or received, on the writer thread. A
message can be absent, because a call may fail before there is one.
"""

from __future__ import annotations

import json
from typing import Any

from ..model import Json
from ..providers.hosts import model_named

_SESSION = b"x-session-id"
_TEXT = 1_000_000  # bytes of an answer that is text, such as subtitles, that are kept


def address(request: Any) -> tuple[str, int | None]:
    """Gives the host that a request went to, and the port if it is not the scheme's own."""
    return (str(request.url.host), request.url.port) if request is not None else ("", None)


def asked(request: Any) -> Json:
    """Gives a request's body as JSON, with the model that its address names instead, if one does."""
    model = model_named(request.url.path) if request is not None else None
    return {**({"model": model} if model else {}), **parsed(content(request))[0]}


def session(request: Any) -> str | None:
    """Gives what a request's `x-session-id` header says: the one header of a request that is read."""
    if request is None:
        return None
    for name, value in request.headers.raw:  # asking by name costs half as much again
        if len(name) == len(_SESSION) and name.lower() == _SESSION:
            return str(value, "utf-8", "replace") or None
    return None


def content(message: Any) -> bytes:
    """Gives the body of a request or response; none when it was not read, or is a stream."""
    try:
        return bytes(message.content) if message is not None else b""
    except RuntimeError:  # RequestNotRead, ResponseNotRead: httpx and httpx2, `_exceptions.py`
        return b""


def parsed(body: bytes) -> tuple[Json, str | None]:
    """Gives a body as a JSON object, or else as text."""
    if not body:
        return {}, None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found, None
    return {}, body[:_TEXT].decode("utf-8", "replace")  # a transcript may be as little as a number


def content_type(headers: Any) -> str:
    """Gives the content type, without its parameters and in lower case."""
    kind = headers.get("content-type", "") if headers is not None else ""
    return str(kind).partition(";")[0].strip().lower()


def request_id(headers: Any) -> str | None:
    """Gives the id that the provider gave the request."""
    if headers is None:
        return None
    found = headers.get("x-request-id") or headers.get("request-id")
    return str(found) if found else None
