"""What passes over one connection, on its way from the application's threads to the writer.

Owns the queue between them. Several threads may use a connection at once, so that all that
passes is appended to one deque, and the recorder is only told that there is something in
it. What is kept there is immutable: serialised messages, and clock readings.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from types import CodeType
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from ...contracts import Opening
from ...executions import Execution
from ...model import Caller, Connection, Facts, Json, Provider, StreamEnd
from ...providers.hosts import provider_name
from ...record import Recorder
from ...surroundings.correlation import Correlation
from ...values import json_object
from .exchange import Error, Origin, Peer
from .exchanges import Exchanges

BATCH = 16  # messages that are held before the writer gets them
_LIMIT = 10_000  # messages that are held when the writer does not come; beyond it the oldest are dropped
_LIMIT_BYTES = 8 * 2**20
_NOTICE = 0  # what the recorder is given weighs nothing: the messages are here

Address = tuple[str, str, str | None]
"""Host and path that a connection was made to, and its `x-session-id` header, if it had one."""
Seen = tuple[object | None, tuple[CodeType, int] | None, Execution | None, Correlation | None]
"""The application's braintrust span, its frame, the execution that it is in, and what was said around it."""
UNSEEN: Seen = (None, None, None, None)
"""In its place, where nothing is traced."""
_Way = Literal["sent", "unsent", "received", "left"]


class Traffic:
    """One connection as the recorder sees it."""

    __slots__ = (
        "_address",
        "_came",
        "_exchanges",
        "_gone",
        "_kind",
        "_numbers",
        "_passed",
        "_pid",
        "_provider",
        "_recorder",
    )

    parent = None
    within = None
    correlation = None

    def __init__(self, kind: Connection, provider: Provider, recorder: Recorder, address: Address) -> None:
        self._kind = kind
        self._provider = provider
        self._recorder = recorder
        self._address = address
        self._passed: deque[tuple[int, int, _Way, Any, Any]] = deque()
        self._came = self._gone = 0  # bytes; counted as `backlog` counts
        self._numbers = count()
        self._exchanges: Exchanges | None = None
        self._pid = os.getpid()

    def sent(self, reading: int, message: str | bytes | Json, seen: Seen) -> None:
        """Takes a message by which the application asks for a response."""
        self._recorder.put(self, [self._pass(reading, "sent", message, seen)], _NOTICE)

    def unsent(self, reading: int, sent: int, error: Error) -> None:
        """Takes it that what was sent at a reading could not be."""
        self._recorder.put(self, [self._pass(reading, "unsent", sent, error)], _NOTICE)

    def received(self, reading: int, message: bytes, seen: Seen | None, *, is_piece: bool = False) -> None:
        """Takes a message that the application received.

        Pieces can wait; what has come whole, such as a call of a tool, may be acted on at once.
        """
        number = self._pass(reading, "received", message, seen)
        if not is_piece or not len(self._passed) % BATCH:
            self._recorder.put(self, [number], _NOTICE)

    def end(self, stream_end: StreamEnd, error: Error | None = None) -> None:
        """Ends what is open on the connection. A forked child's copy ends nothing."""
        if self._pid == os.getpid():
            number = self._pass(self._recorder.clock.now(), "left", stream_end, error)
            self._recorder.put(self, [number], _NOTICE)

    def leave(self) -> None:
        """Ends what is open, because nobody will read on."""
        self.end("dropped")

    def _pass(self, reading: int, way: _Way, what: Any, more: Any) -> int:
        number = next(self._numbers)
        if len(self._passed) >= _LIMIT or self._came - self._gone >= _LIMIT_BYTES:
            self._drop_oldest()
        self._passed.append((number, reading, way, what, more))
        self._came += _weight(what)
        return number

    def _drop_oldest(self) -> None:
        """Makes room, when the writer does not come."""
        while len(self._passed) >= _LIMIT or self._came - self._gone >= _LIMIT_BYTES:
            try:
                self._came -= _weight(self._passed.popleft()[3])
            except IndexError:  # the writer has come
                return
            self._recorder.drop()

    def fold(self, chunks: Sequence[Any]) -> None:
        """Takes what has passed up to a number: what came after must not overtake a tool that began."""
        if self._exchanges is None:
            recorder = self._recorder
            self._exchanges = Exchanges(
                self._kind, self._peer(), recorder.clock, recorder.began, recorder.finish
            )
        while (passed := self._taken(chunks[-1])) is not None:
            self._gone += _weight(passed[3])
            _take(self._exchanges, *passed[1:])

    def _taken(self, last: int) -> tuple[int, int, _Way, Any, Any] | None:
        try:
            return self._passed.popleft() if self._passed[0][0] <= last else None
        except IndexError:  # another thread made room meanwhile
            self._gone = self._came
            return None

    def facts(self) -> Facts | None:
        """Gives none: the exchanges have them."""
        return None

    def opening(self) -> Opening | None:
        """Gives none: the exchanges have them."""
        return None

    def facts_so_far(self) -> Facts | None:
        """Gives none: the exchanges have them."""
        return None

    def _peer(self) -> Peer:
        host, path, session = self._address
        query: Mapping[str, str] = dict(parse_qsl(urlsplit(path).query))
        name = provider_name("", urlsplit(f"//{host}").hostname or "", self._provider.name)
        return Peer(name, self._provider.sdk, query, session)


def _weight(message: object) -> int:
    return len(message) if isinstance(message, (bytes, str)) else 0


def _take(exchanges: Exchanges, reading: int, way: _Way, what: Any, more: Any) -> None:
    if way == "sent":
        exchanges.sent(reading, _event(what), _origin(more))
    elif way == "received":
        exchanges.received(reading, _event(what), _origin(more))
    elif way == "unsent":
        exchanges.unsent(reading, what, more)
    else:
        exchanges.leave(reading, what, more)


def _event(message: str | bytes | Json) -> Json:
    """Gives a message's event; an empty one of a message that is none."""
    if isinstance(message, dict):
        return message
    try:
        return json_object(json.loads(message))
    except (ValueError, RecursionError):
        return {}


def _origin(seen: Seen | None) -> Origin:
    if seen is None:
        return Origin()
    return Origin(seen[0], Caller.of(seen[1]), seen[2], seen[3], seen is UNSEEN)
