"""The seam of connections: websockets on which a model answers with events.

Owns where the classes that a provider names as such are patched. `recv_bytes` gives every
message to every way of receiving one, the application's own included, and raises when the
connection breaks; `send_raw` takes what is sent, or `send` where that does not go through
it (openai 1.58 to 3.40, `resources`), and `close` ends it. Which connection a message
belongs to is looked up by the connection's identity, so that no mark is left on it.

On the application's thread a message is not parsed. A type that matters is looked for where
servers put it, at the beginning or the end; elsewhere it is found only by the writer, later
and without the frame that received it.

Not seen: what a connection's manager is given to send before it is open, and what is sent
through `openai.lib.responses_websocket`. Such responses begin when the server says so, and
those of Responses have no input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from weakref import ref

from ..guard import guarded
from ..model import Connection, Json, Provider
from ..patch import Ledger, Wrapper
from ..record import Recorder
from ..values import field, json_object, plain
from .callers import LIBRARIES, application_frame
from .exchanges import Error
from .traffic import Seen, Traffic

_END = 160  # bytes at either end of a message in which its type is looked for
_TYPE_FIRST = '{"type": '
_ERROR_TEXT = 4000  # characters of an error's message that are kept


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of connection, with what marks its events in their serialised form."""

    row: Connection
    asks: str
    pieces: bytes
    begins: bytes
    ends: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Watch:
    """A connection that is watched, and what passes over it."""

    connection: ref[Any]
    kind: _Kind
    traffic: Traffic


class Connections:
    """The connections of one SDK. What of a class could not be patched goes to `missing`."""

    def __init__(
        self, provider: Provider, recorder: Recorder, parent: Callable[[], object | None], missing: list[str]
    ) -> None:
        self._provider = provider
        self._recorder = recorder
        self._parent = parent
        self._missing = missing
        self._libraries = LIBRARIES
        self._kinds: dict[type, _Kind] = {}
        self._watches: dict[int, _Watch] = {}
        self._now = recorder.clock.now
        self._received = guarded(self._take)
        self._asked = guarded(self._ask)
        self._broken = guarded(self._break)
        self._refused = guarded(self._refuse)
        self._ended = guarded(self._end)
        self._gone = guarded(self._go)

    def patch(self, module: ModuleType, ledger: Ledger) -> None:
        """Patches those classes of a module that are connections; one that it lacks is no loss."""
        sdk = sys.modules.get(self._provider.sdk)
        self._libraries = (*LIBRARIES, os.path.dirname(str(getattr(sdk, "__file__", ""))) + os.sep)
        for row in self._provider.connections:
            for name in row.classes.get(module.__name__, ()):
                cls = getattr(module, name, None)
                if isinstance(cls, type):
                    self._patch_class(cls, row, ledger)

    def _patch_class(self, cls: type, row: Connection, ledger: Ledger) -> None:
        self._kinds[cls] = _Kind(
            row,
            f'"{row.asks}"',
            f'{row.pieces}"'.encode(),
            f'"{row.begins}"'.encode(),
            tuple(f'"{kind}"'.encode() for kind in (*row.ends, "error")),
        )
        asynchronous = cls.__name__.startswith("Async")
        places: list[tuple[str, Wrapper]] = [
            ("recv_bytes", self._arecv_bytes if asynchronous else self._recv_bytes),
            ("close", self._close),
        ]
        send = self._asend if asynchronous else self._send
        if hasattr(cls, "send_raw"):
            places.append(("send_raw", send))
        if "send_raw" not in _names_used(getattr(cls, "send", None)):
            places.append(("send", send))
        for name, wrapper in places:
            owner = next((base for base in cls.__mro__ if name in vars(base)), cls)
            if not ledger.wrap(owner, name, wrapper):
                self._missing.append(f"{cls.__module__}.{cls.__qualname__}.{name}")

    # What the SDK calls. Each passes everything on, and does no more of its own than
    # calling guarded functions.

    def _recv_bytes(
        self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            message = wrapped(*args, **kwargs)
        except BaseException as error:
            self._broken(connection, error)
            raise
        self._received(connection, message)
        return message

    async def _arecv_bytes(
        self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            message = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._broken(connection, error)
            raise
        self._received(connection, message)
        return message

    def _send(self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        asked = self._asked(connection, args, kwargs)
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            if asked is not None:
                self._refused(asked, error)
            raise

    async def _asend(
        self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        asked = self._asked(connection, args, kwargs)
        try:
            return await wrapped(*args, **kwargs)
        except BaseException as error:
            if asked is not None:
                self._refused(asked, error)
            raise

    def _close(self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self._ended(connection)
        return wrapped(*args, **kwargs)

    # What we do then. Each is guarded above.

    def _take(self, connection: Any, message: str | bytes) -> None:
        """Takes a message that was received."""
        watch = self._watches.get(id(connection)) or self._watched(connection)
        if watch is None:
            return
        reading = self._now()
        kind = watch.kind
        content = message if isinstance(message, bytes) else message.encode()
        if content.find(kind.pieces, 0, _END) >= 0:
            watch.traffic.received(reading, content, None)
            return
        ends = content[:_END] + content[-_END:]
        seen = self._seen() if kind.begins in ends else None
        watch.traffic.received(reading, content, seen)
        if seen is not None or any(mark in ends for mark in kind.ends):
            watch.traffic.hand_over()

    def _ask(
        self, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Traffic, int] | None:
        """Takes a message that is about to be sent, if it asks for a response."""
        watch = self._watches.get(id(connection)) or self._watched(connection)
        if watch is None:
            return None
        message = args[0] if args else next(iter(kwargs.values()))
        event = _asking(watch.kind, message)
        if event is None:
            return None
        reading = self._now()
        watch.traffic.sent(reading, event, self._seen())
        return watch.traffic, reading

    def _seen(self) -> Seen:
        return self._parent(), application_frame(self._libraries)

    def _refuse(self, asked: tuple[Traffic, int], error: BaseException) -> None:
        traffic, reading = asked
        traffic.unsent(self._now(), reading, _told(error))

    def _break(self, connection: Any, error: BaseException) -> None:
        """Ends what is open on a connection that is no more; a cancelled wait ends nothing."""
        watch = self._watches.get(id(connection))
        # websockets 13 to 17, `exceptions.py`: whatever ends a connection is one of these.
        if watch is not None and any(base.__name__ == "ConnectionClosed" for base in type(error).__mro__):
            watch.traffic.end("failed", _told(error))

    def _end(self, connection: Any) -> None:
        """Ends what is open on a connection that the application closes."""
        watch = self._watches.get(id(connection))
        if watch is not None:
            watch.traffic.end("closed")
            self._recorder.closed(watch.traffic)

    def _go(self, identity: int) -> None:
        """Ends what is open on a connection that was collected."""
        watch = self._watches.pop(identity)
        watch.traffic.end("dropped")
        self._recorder.closed(watch.traffic)

    def _watched(self, connection: Any) -> _Watch | None:
        """Watches a connection from now on; `None` if it is of no kind that is known."""
        kind = next((self._kinds[cls] for cls in type(connection).__mro__ if cls in self._kinds), None)
        if kind is None or not self._recorder.active:
            return None
        traffic = Traffic(kind.row, self._provider, self._recorder, _address(connection))
        identity = id(connection)
        watch = _Watch(ref(connection, lambda _: self._gone(identity)), kind, traffic)
        self._recorder.opened(traffic)
        return self._watches.setdefault(identity, watch)


def _names_used(function: Any) -> tuple[str, ...]:
    """Gives the names that a function's code uses."""
    return tuple(getattr(getattr(function, "__code__", None), "co_names", ()))


def _asking(kind: _Kind, message: Any) -> str | bytes | Json | None:
    """Gives a message that asks for a response, so that nobody can change it any more.

    The mark has its quotes, which within a text would be escaped.
    """
    if isinstance(message, str):
        if message.startswith(_TYPE_FIRST):  # as the SDK's own methods have it; audio is sent all the time
            return message if message.startswith(kind.asks, len(_TYPE_FIRST)) else None
        return message if kind.asks in message else None
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message) if kind.asks.encode() in bytes(message) else None
    return json_object(plain(message)) if field(message, "type") == kind.row.asks else None


def _address(connection: Any) -> tuple[str, str]:
    """Gives host and path that a connection was made to (websockets 13 to 17, `ClientConnection.request`)."""
    request = getattr(getattr(connection, "_connection", None), "request", None)
    if request is None:
        return "", ""
    return str(request.headers.get("Host", "")), str(request.path)


def _told(error: BaseException) -> Error:
    return type(error).__name__, str(error)[:_ERROR_TEXT] or None
