"""Watching a stream go by.

Owns the generators that stand between the SDK's stream and its reader. They pass on the
SDK's own chunk objects, and everything raised on either side; what we do between is
guarded, the step that fetches a chunk or hands it on never is.

A watched response carries its call in the public `extensions` dict, as a `Watch`. When
the response is collected unread, or the reader leaves, the call ends there too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ..guard import guarded
from ..model import StreamEnd
from .calls import Call

EXTENSION = "bttrace"
BATCH = 128  # chunks that are held before the writer gets them


class Watch:
    """Ties a call to the response whose stream it waits for."""

    __slots__ = ("call", "taken")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.taken = False

    def __del__(self) -> None:
        _gone(self)


def _watched(stream: Any) -> Call | None:
    """Gives the call that a stream belongs to, the first time it is asked for."""
    watch = stream.response.extensions.get(EXTENSION)
    if not isinstance(watch, Watch) or watch.taken or watch.call.ended:
        return None
    watch.taken = True
    return watch.call


def _is_first_token(call: Call, chunk: object) -> bool:
    return call.is_first_token(chunk)


def _hand_over(call: Call) -> None:
    call.hand_over()


def _exhaust(call: Call) -> None:
    call.end("exhausted")


def _fail(call: Call, error: BaseException) -> None:
    call.fail(error)


def _leave(call: Call, end: StreamEnd, last_chunk: int) -> None:
    """Ends a call whose reader left without a word: at its last chunk, since who knows when we are told."""
    call.end(end, last_chunk)


def _go(watch: Watch) -> None:
    if not watch.call.ended:
        watch.call.end("dropped")


watched = guarded(_watched)
_gone = guarded(_go)
_first = guarded(_is_first_token)
_handed_over = guarded(_hand_over)
_exhausted = guarded(_exhaust)
_failed = guarded(_fail)
_left = guarded(_leave)


def followed(call: Call, chunks: Iterator[Any], response: Any, now: Callable[[], int]) -> Iterator[Any]:
    """Yields the chunks of a stream as they come, and ends its call by whichever way it ends."""
    held = call.chunks
    waiting = True
    last = 0
    try:
        for chunk in chunks:
            last = now()
            held.append(chunk)
            if waiting and _first(call, chunk):
                call.first_token = last
                waiting = False
            if len(held) >= BATCH:
                _handed_over(call)
                held = call.chunks
            yield chunk
    except GeneratorExit:
        _left(call, "closed" if response.is_closed else "dropped", last)
        raise
    except BaseException as error:
        _failed(call, error)
        raise
    _exhausted(call)


async def afollowed(
    call: Call, chunks: AsyncIterator[Any], response: Any, now: Callable[[], int]
) -> AsyncIterator[Any]:
    """Does for an asynchronous stream what `followed` does."""
    held = call.chunks
    waiting = True
    last = 0
    try:
        async for chunk in chunks:
            last = now()
            held.append(chunk)
            if waiting and _first(call, chunk):
                call.first_token = last
                waiting = False
            if len(held) >= BATCH:
                _handed_over(call)
                held = call.chunks
            yield chunk
    except GeneratorExit:
        _left(call, "closed" if response.is_closed else "dropped", last)
        raise
    except BaseException as error:
        _failed(call, error)
        raise
    _exhausted(call)
