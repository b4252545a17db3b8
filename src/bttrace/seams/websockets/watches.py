"""What passes over the connections that are watched, as the application's threads hand it on.

Owns which connections those are, by identity, so that no mark is left on them, and for how
long: until they are collected. A clock reading, the frame and the application's own span
are taken here, where they matter; the rest is left to the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary, ref

from ...classes import dataclass
from ...contracts import Neighbours
from ...executions import around
from ...guard import guarded
from ...model import Json, Provider
from ...record import Recorder
from ...surroundings.correlated import current
from ...surroundings.suppression import is_suppressed
from ..callers import Libraries, caller_and_wrapper
from .exchange import Error
from .marks import Marks
from .traffic import UNSEEN, Address, Seen, Traffic

_ERROR_TEXT = 4000  # characters of an error's message that are kept


@dataclass(frozen=True, slots=True)
class _Watch:
    """A connection that is watched, and what passes over it."""

    connection: ref[Any]
    marks: Marks
    traffic: Traffic


class Watches:
    """The connections of one SDK. `marks` says which classes are one, or the manager of one."""

    def __init__(self, provider: Provider, recorder: Recorder, neighbours: Neighbours) -> None:
        self.marks: dict[type, Marks] = {}
        self.libraries = Libraries()
        self._provider = provider
        self._recorder = recorder
        self._neighbours = neighbours
        self._now = recorder.clock.now
        self._watches: dict[int, _Watch] = {}
        self._early: WeakKeyDictionary[Any, list[tuple[str | bytes | Json, Seen]]] = WeakKeyDictionary()

    def take(self, connection: Any, message: str | bytes) -> None:
        """Takes a message that was received."""
        watch = self._watches.get(id(connection)) or self._watched(connection)
        if watch is None or not self._recorder.active:
            return
        reading = self._now()
        content = message if isinstance(message, bytes) else message.encode()
        if watch.marks.is_piece(content):
            watch.traffic.received(reading, content, None, is_piece=True)
            return
        begins = watch.marks.begins_response(content)
        watch.traffic.received(reading, content, self._seen() if begins else None)

    def ask(
        self, sender: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Traffic, int] | None:
        """Takes a message that a connection or a lane is about to send, if it asks for a response."""
        watch, lane = self._watches.get(id(sender)) or self._watched(sender), None
        if watch is None and (session := getattr(sender, "_session", None)) is not None:
            watch = self._watches.get(id(session.connection)) or self._watched(session.connection)
            lane = sender._state.stream_id
        event = None if watch is None else watch.marks.asking(_only(args, kwargs))
        if watch is None or event is None or not self._recorder.active:
            return None
        if lane is not None and isinstance(event, dict):
            event = {**event, "stream_id": lane}
        reading = self._now()
        watch.traffic.sent(reading, event, self._seen())
        return watch.traffic, reading

    def hold(self, manager: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Keeps an asking that will be sent when the connection is open."""
        found = self._of(manager)
        event = None if found is None else found.asking(_only(args, kwargs))
        if event is not None:
            self._early.setdefault(manager, []).append((event, self._seen()))

    def release(self, manager: Any, connection: Any) -> None:
        """Takes what was sent now that the connection is open."""
        for event, seen in self._early.pop(manager, ()):
            watch = self._watches.get(id(connection)) or self._watched(connection)
            if watch is not None:
                watch.traffic.sent(self._now(), event, seen)

    def refuse(self, asked: tuple[Traffic, int], error: BaseException) -> None:
        """Ends what was asked by a message that could not be sent."""
        traffic, reading = asked
        traffic.unsent(self._now(), reading, _told(error))

    def broke(self, connection: Any, error: BaseException) -> None:
        """Ends what is open on a connection that is no more; a cancelled wait ends nothing."""
        watch = self._watches.get(id(connection))
        # websockets 13 to 17, `exceptions.py`: whatever ends a connection is one of these.
        if watch is not None and any(base.__name__ == "ConnectionClosed" for base in type(error).__mro__):
            watch.traffic.end("failed", _told(error))

    def end(self, connection: Any) -> None:
        """Ends what is open on a connection that the application closes."""
        watch = self._watches.get(id(connection))
        if watch is not None:
            watch.traffic.end("closed")
            self._left(watch.traffic, waits=True)

    def _seen(self) -> Seen:
        if is_suppressed():
            return UNSEEN
        caller, wrapper = caller_and_wrapper(self.libraries, self._neighbours.wrappers)
        parent = self._neighbours.parent(wrapper)
        return parent, caller, around(parent), current()

    def _go(self, identity: int) -> None:
        """Ends what is open on a connection that was collected."""
        watch = self._watches.pop(identity)
        watch.traffic.end("dropped")
        self._left(watch.traffic, waits=False)

    def _left(self, traffic: Traffic, *, waits: bool) -> None:
        """Takes it that nothing more will come over a connection."""
        self._recorder.closed(traffic)
        if self._recorder.promptness is not None:
            self._recorder.promptness.ended(traffic, waits=waits)

    def _watched(self, connection: Any) -> _Watch | None:
        """Watches a connection from now on; `None` if it is of no kind that is known."""
        found = self._of(connection)
        if found is None or not self._recorder.active:
            return None
        traffic = Traffic(found.row, self._provider, self._recorder, _address(connection))
        identity = id(connection)
        new = _Watch(ref(connection, lambda _: _gone(self, identity)), found, traffic)
        watch = self._watches.setdefault(identity, new)  # another thread may have been first
        if watch is new:
            self._recorder.opened(traffic)
            if self._recorder.promptness is not None:
                self._recorder.promptness.began(traffic)
        return watch

    def _of(self, it: Any) -> Marks | None:
        return next((self.marks[cls] for cls in type(it).__mro__ if cls in self.marks), None)


_gone = guarded(Watches._go)


def _only(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Gives the one argument of a call."""
    return args[0] if args else next(iter(kwargs.values()))


def _address(connection: Any) -> Address:
    """Gives where a connection was made to (websockets 13 to 17, `ClientConnection.request`)."""
    request = getattr(getattr(connection, "_connection", None), "request", None)
    if request is None:
        return "", "", None
    sessions = request.headers.get_all("x-session-id")
    return str(request.headers.get("Host", "")), str(request.path), next(map(str, sessions), None)


def _told(error: BaseException) -> Error:
    return type(error).__name__, str(error)[:_ERROR_TEXT] or None
