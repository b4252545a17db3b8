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
from types import CodeType
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from ..contracts import Opening
from ..executions import Execution
from ..model import Caller, Connection, Facts, Json, Provider, StreamEnd
from ..providers.hosts import provider_name
from ..record import Recorder
from ..values import json_object
from .exchanges import Error, Exchanges, Origin, Peer

BATCH = 16  # messages that are held before the writer gets them
_LIMIT = 10_000  # messages that are held when the writer does not come; beyond it the oldest are lost
_NOTHING: list[object] = []

Seen = tuple[object | None, tuple[CodeType, int] | None, Execution | None]
"""The application's braintrust span, its frame, and the execution that it is in."""
_Way = Literal["sent", "unsent", "received", "left"]


class Traffic:
    """One connection as the recorder sees it."""

    __slots__ = ("_address", "_exchanges", "_kind", "_passed", "_pid", "_provider", "_recorder")

    parent = None
    within = None

    def __init__(
        self, kind: Connection, provider: Provider, recorder: Recorder, address: tuple[str, str]
    ) -> None:
        self._kind = kind
        self._provider = provider
        self._recorder = recorder
        self._address = address
        self._passed: deque[tuple[int, _Way, Any, Any]] = deque(maxlen=_LIMIT)
        self._exchanges: Exchanges | None = None
        self._pid = os.getpid()

    def sent(self, reading: int, message: str | bytes | Json, seen: Seen) -> None:
        """Takes a message by which the application asks for a response."""
        self._passed.append((reading, "sent", message, seen))
        self._recorder.put(self, _NOTHING)

    def unsent(self, reading: int, sent: int, error: Error) -> None:
        """Takes it that what was sent at a reading could not be."""
        self._passed.append((reading, "unsent", sent, error))
        self._recorder.put(self, _NOTHING)

    def received(self, reading: int, message: bytes, seen: Seen | None) -> None:
        """Takes a message that the application received, with where it was if that may matter."""
        passed = self._passed
        passed.append((reading, "received", message, seen))
        if not len(passed) % BATCH:
            self._recorder.put(self, _NOTHING)

    def hand_over(self) -> None:
        """Has the writer take what passed."""
        self._recorder.put(self, _NOTHING)

    def end(self, stream_end: StreamEnd, error: Error | None = None) -> None:
        """Ends what is open on the connection. A forked child's copy ends nothing."""
        if self._pid == os.getpid():
            self._passed.append((self._recorder.clock.now(), "left", stream_end, error))
            self._recorder.put(self, _NOTHING)

    def leave(self) -> None:
        """Ends what is open, because nobody will read on."""
        self.end("dropped")

    def fold(self, _chunks: Sequence[object]) -> None:
        """Takes everything that has passed."""
        if self._exchanges is None:
            recorder = self._recorder
            self._exchanges = Exchanges(
                self._kind, self._peer(), recorder.clock, recorder.began, recorder.finish
            )
        while self._passed:
            _take(self._exchanges, *self._passed.popleft())

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
        host, path = self._address
        query: Mapping[str, str] = dict(parse_qsl(urlsplit(path).query))
        name = provider_name("", urlsplit(f"//{host}").hostname or "", self._provider.name)
        return Peer(name, self._provider.sdk, query)


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
    return Origin() if seen is None else Origin(seen[0], Caller.of(seen[1]), seen[2])
