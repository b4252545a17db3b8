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
from .calls import Call

EXTENSION = "bttrace"
BATCH = 128  # chunks that are held before the writer gets them


class Watch:
    """Ties a call to the response whose stream it waits for.

    `taken` says that a stream has been made of the response, `read` that somebody reads it.
    """

    __slots__ = ("call", "read", "taken")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.read = False
        self.taken = False

    def __del__(self) -> None:
        _gone(self)


def watch_of(response: Any) -> Watch | None:
    """Gives the watch that a response carries while its call has not ended."""
    watch = response.extensions.get(EXTENSION)
    return watch if isinstance(watch, Watch) and watch.call.ended is None else None


def watched(stream: Any) -> Watch | None:
    """Gives the watch of the response that a stream reads, the first time it is asked for."""
    watch = watch_of(stream.response)
    if watch is None or watch.taken:
        return None
    watch.taken = True
    return watch


def _go(watch: Watch) -> None:
    """Ends a call whose stream was never read; a generator that reads one is told itself."""
    if watch.call.ended is None and not watch.read:
        watch.call.end("dropped")


_gone = guarded(_go)
_first = guarded(Call.is_first_token)
_handed_over = guarded(Call.hand_over)
_ended = guarded(Call.end)
_failed = guarded(Call.fail)


def followed(watch: Watch, chunks: Iterator[Any], now: Callable[[], int]) -> Iterator[Any]:
    """Yields the chunks of a stream as they come, and ends its call by whichever way it ends."""
    call = watch.call
    watch.read = True
    held = call.chunks
    waiting = True
    last = None
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
        _ended(call, "dropped", last)  # at its last chunk, since who knows when we are told
        raise
    except BaseException as error:
        _failed(call, error)
        raise
    _ended(call, "exhausted")


async def afollowed(watch: Watch, chunks: AsyncIterator[Any], now: Callable[[], int]) -> AsyncIterator[Any]:
    """Does for an asynchronous stream what `followed` does."""
    call = watch.call
    watch.read = True
    held = call.chunks
    waiting = True
    last = None
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
        _ended(call, "dropped", last)  # at its last chunk, since who knows when we are told
        raise
    except BaseException as error:
        _failed(call, error)
        raise
    _ended(call, "exhausted")
