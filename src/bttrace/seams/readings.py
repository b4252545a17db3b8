"""Where the answers of a Stainless SDK are read: streams, raw bodies, lines of JSON.

Owns which methods of an SDK iterate over a response or close one, and what is patched
there. `__stream__` is the generator behind all ways of reading a stream (`_streaming.py`),
`iter_*` are those over raw bodies (`_response.py`), `__decode__` that over JSON lines
(`_decoders/jsonl.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..guard import guarded
from ..patch import Wrapper
from ..record import Recorder
from .streams import (
    Watch,
    afollowed,
    atapped,
    followed,
    http_response,
    tapped,
    watch_of,
    watched_lines,
    watched_pieces,
)
from .taps import Tap, is_plain

Place = tuple[str, str, str, Wrapper]
"""A module of the SDK, a class and a method there, and what wraps it."""


class Readings:
    """The places of one SDK where answers are read. `watched` gives the watch of a stream being made."""

    def __init__(self, recorder: Recorder, watched: Callable[[Any], Watch | None]) -> None:
        self._recorder = recorder
        self._watched = watched
        self._tapped = guarded(self._tap)
        self._closed = guarded(_close)
        self._raw_closed = guarded(_close_raw)

    def places(self, sdk: str) -> tuple[Place, ...]:
        """Gives what there is to patch."""
        streams, astreams = self._streaming(tapped, followed), self._streaming(atapped, afollowed)
        chunks, achunks = self._reading(self._watched, followed), self._reading(self._watched, afollowed)
        pieces, apieces = self._reading(watched_pieces, followed), self._reading(watched_pieces, afollowed)
        lines, alines = self._reading(watched_lines, followed), self._reading(watched_lines, afollowed)
        everywhere = (
            ("_streaming", "Stream", "__stream__", streams),
            ("_streaming", "AsyncStream", "__stream__", astreams),
            ("_streaming", "Stream", "close", self.closing),
            ("_streaming", "AsyncStream", "close", self.closing),
            ("_response", "APIResponse", "close", self._raw_closing),
            ("_response", "AsyncAPIResponse", "close", self._raw_closing),
            ("_response", "APIResponse", "iter_bytes", pieces),
            ("_response", "APIResponse", "iter_text", pieces),
            ("_response", "APIResponse", "iter_lines", lines),
            ("_response", "AsyncAPIResponse", "iter_bytes", apieces),
            ("_response", "AsyncAPIResponse", "iter_text", apieces),
            ("_response", "AsyncAPIResponse", "iter_lines", alines),
        )
        decoders = sys.modules.get(f"{sdk}._decoders.jsonl")  # of the SDKs, only some read JSON lines
        if decoders is None:
            return everywhere
        # anthropic has had them from 0.36 on, and a way to close them only later.
        closable = [
            name
            for name in ("JSONLDecoder", "AsyncJSONLDecoder")
            if hasattr(vars(decoders).get(name), "close")
        ]
        return (
            *everywhere,
            ("_decoders.jsonl", "JSONLDecoder", "__decode__", chunks),
            ("_decoders.jsonl", "AsyncJSONLDecoder", "__decode__", achunks),
            *(("_decoders.jsonl", name, "close", self.closing) for name in closable),
        )

    # What the SDK calls. Each passes everything on, and does no more of its own than
    # calling guarded functions.

    def _reading(self, watch_of_it: Callable[[Any], Watch | None], follow: Callable[..., Any]) -> Wrapper:
        """Gives the wrapper of a method that makes a generator over a response: of chunks, or of pieces."""

        def reading(wrapped: Any, source: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            chunks = wrapped(*args, **kwargs)
            watch = watch_of_it(source) if self._recorder.active else None
            return chunks if watch is None else follow(watch, chunks, self._recorder.clock.now)

        return reading

    def _streaming(self, tap_it: Callable[..., Any], follow: Callable[..., Any]) -> Wrapper:
        """Gives the wrapper of the method that makes the generator of a stream of events."""

        def streaming(wrapped: Any, source: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            chunks = wrapped(*args, **kwargs)
            watch = self._watched(source) if self._recorder.active else None
            if watch is None:
                return chunks
            tap = self._tapped(watch, source, wrapped)
            if tap is None:
                return follow(watch, chunks, self._recorder.clock.now)
            return tap_it(tap, watch, http_response(source), chunks)

        return streaming

    def _tap(self, watch: Watch, source: Any, stream: Any) -> Tap | None:
        """Gives the tap of a stream's response, if its text is what its chunks are made of."""
        if not is_plain(source, stream) or not hasattr(http_response(source), "__dict__"):
            return None
        watch.call.tap = Tap(self._recorder.streams, self._recorder.clock.now)
        return watch.call.tap

    def closing(self, wrapped: Any, source: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Wraps the method that closes a stream, or a helper around one."""
        self._closed(source)
        return wrapped(*args, **kwargs)

    def _raw_closing(
        self, wrapped: Any, response: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self._raw_closed(response)
        return wrapped(*args, **kwargs)


def _close(source: Any) -> None:
    watch = watch_of(http_response(source))
    if watch is not None:
        watch.call.end("closed")


def _close_raw(response: Any) -> None:
    """Ends the call of a raw response, which the application may have read whole."""
    answer = http_response(response)
    watch = watch_of(answer)
    if watch is None:
        return
    if watch.taken or not answer.is_stream_consumed:
        watch.call.end("closed")
    else:
        watch.call.response = answer
        watch.call.end("exhausted")
