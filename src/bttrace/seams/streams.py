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
from .taps import Tap

EXTENSION = "bttrace"


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


def http_response(source: Any) -> Any:
    """Gives the HTTP response behind what the SDK reads one with.

    Streams have it as `response`, decoders and raw responses as `http_response`, and stream
    helpers as `_response` (`_streaming.py`, `_response.py`, `lib/streaming` of both SDKs).
    """
    for name in ("response", "http_response", "_response"):
        found = getattr(source, name, None)
        if found is not None:
            return found
    return None


def watch_of(response: Any) -> Watch | None:
    """Gives the watch that a response carries while its call has not ended."""
    watch = response.extensions.get(EXTENSION) if response is not None else None
    return watch if isinstance(watch, Watch) and watch.call.ended is None else None


def _watched(source: Any) -> Watch | None:
    """Gives the watch of the response that a stream reads, the first time it is asked for."""
    watch = watch_of(http_response(source))
    if watch is None or watch.taken:
        return None
    watch.taken = True
    return watch


def _watched_pieces(response: Any, *, lines: bool = False) -> Watch | None:
    """Gives the watch of a response whose body the application reads by itself."""
    watch = _watched(response)
    if watch is not None:
        from .bodies import Body

        watch.call.body = Body(watch.call.headers.get("content-type", ""), lines=lines)
    return watch


def _watched_lines(response: Any) -> Watch | None:
    return _watched_pieces(response, lines=True)


def _go(watch: Watch) -> None:
    """Ends a call whose stream was never read; a generator that reads one is told itself."""
    if watch.call.ended is None and not watch.read:
        watch.call.end("dropped")


watched = guarded(_watched)
watched_pieces = guarded(_watched_pieces)
watched_lines = guarded(_watched_lines)
_gone = guarded(_go)
_first = guarded(Call.first)
_seen = guarded(Call.see)
_batch = guarded(Call.batch)
_handed_over = guarded(Call.hand_over)
_ended = guarded(Call.end)
_dropped = guarded(Call.drop)
_failed = guarded(Call.fail)
_opened = guarded(Tap.open)
_looked_at = guarded(Tap.see)


def followed(watch: Watch, chunks: Iterator[Any], now: Callable[[], int]) -> Iterator[Any]:
    """Yields the chunks of a stream as they come, and ends its call by whichever way it ends.

    Of a body that the application reads by itself, chunks are pieces: what they say, and so
    which one is the first token, is left to the writer.
    """
    call = watch.call
    watch.read = True
    held = call.chunks
    batch = _batch(call) or 1
    raw = call.body is not None
    timed = raw or call.offers
    waiting = True
    last = None
    try:
        for chunk in chunks:
            last = now()
            if timed:
                held.append((last, chunk if raw else _seen(call, chunk, last) or chunk))
            else:
                held.append(chunk)
                if waiting and _first(call, chunk, last):
                    waiting = False
            if len(held) >= batch:
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
    batch = _batch(call) or 1
    raw = call.body is not None
    timed = raw or call.offers
    waiting = True
    last = None
    try:
        async for chunk in chunks:
            last = now()
            if timed:
                held.append((last, chunk if raw else _seen(call, chunk, last) or chunk))
            else:
                held.append(chunk)
                if waiting and _first(call, chunk, last):
                    waiting = False
            if len(held) >= batch:
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


def tapped(tap: Tap, watch: Watch, response: Any, chunks: Iterator[Any]) -> Iterator[Any]:
    """Does what `followed` does for a stream of which the text is kept, not the chunks."""
    call = watch.call
    watch.read = True
    _opened(tap, call, response, "iter_bytes")
    try:
        for chunk in chunks:
            tap.read += 1
            is_looking = _looked_at(tap, call, chunk)
            yield chunk
            if not is_looking:
                break
        for chunk in chunks:
            tap.read += 1
            yield chunk
    except GeneratorExit:
        _dropped(call)
        raise
    except BaseException as error:
        _failed(call, error)
        raise
    _ended(call, "exhausted")


async def atapped(tap: Tap, watch: Watch, response: Any, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Does for an asynchronous stream what `tapped` does."""
    call = watch.call
    watch.read = True
    _opened(tap, call, response, "aiter_bytes")
    try:
        async for chunk in chunks:
            tap.read += 1
            is_looking = _looked_at(tap, call, chunk)
            yield chunk
            if not is_looking:
                break
        async for chunk in chunks:
            tap.read += 1
            yield chunk
    except GeneratorExit:
        _dropped(call)
        raise
    except BaseException as error:
        _failed(call, error)
        raise
    _ended(call, "exhausted")
