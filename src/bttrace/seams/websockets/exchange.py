"""One response over a connection, with the event that asked for it, if one did: an *exchange*.

Owns what is known of it, from its beginning to its end. Which events are its own is not its matter.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...classes import dataclass
from ...clock import Clock
from ...contracts import Opening
from ...executions import Execution
from ...model import Caller, Connection, Facts, Fold, Json, StreamEnd
from ...surroundings.correlation import Correlation
from ...values import json_object, plain, text
from ..firsts import heard
from ..moments import Moments

Error = tuple[str, str | None]
"""An error's kind and message."""

_ERROR_TEXT = 4000  # characters of an error's message that are kept


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the application was: its own braintrust span, its frame, what was around it.

    `is_suppressed` tells that nothing is traced there.
    """

    parent: object | None = None
    caller: Caller | None = None
    within: Execution | None = None
    correlation: Correlation | None = None
    is_suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, and what its address and its `x-session-id` header say."""

    provider: str
    sdk: str
    query: Mapping[str, str]
    session: str | None = None


class Exchange:
    """What is known so far of one response."""

    def __init__(self, kind: Connection, peer: Peer, clock: Clock, reading: int, asked: Json) -> None:
        self._kind = kind
        self._peer = peer
        self._clock = clock
        self._fold: Fold = kind.endpoint.fold()
        self._moments = Moments(kind.endpoint)
        self._heard = False  # the first token and the first text
        self.first_token: int | None = None
        self.first_text: int | None = None
        self._ended = self._latest = self.started = reading
        self._stream_end: StreamEnd | None = None
        self.asked = asked
        self.request: Json = {}
        self.lane = text(asked.get("stream_id"))
        self.origin = Origin()
        self.error: Error | None = None

    @property
    def parent(self) -> object | None:
        """Gives the application's own braintrust span that it asked in, if any."""
        return self.origin.parent

    @property
    def within(self) -> Execution | None:
        """Gives the observed execution that it asked in, if any."""
        return self.origin.within

    @property
    def correlation(self) -> Correlation | None:
        """Gives what was said around, if anything."""
        return self.origin.correlation

    def add(self, reading: int, event: Json) -> None:
        """Takes an event of the response."""
        self._latest = reading
        self._heard = self._heard or heard(self, self._kind.endpoint, event, reading)
        self._moments.hear(event, reading)
        self._fold.add(event)

    def fail(self, reading: int, event: Json) -> None:
        """Takes an `error` event."""
        self._latest = reading
        told = json_object(event.get("error")) or event
        self.error = (
            text(told.get("code")) or text(told.get("type")) or "error",
            (text(told.get("message")) or "")[:_ERROR_TEXT] or None,
        )

    def end(self, stream_end: StreamEnd, reading: int | None = None) -> None:
        """Ends it at a clock reading, or when it was last heard of."""
        self._ended = self._latest if reading is None else reading
        self._stream_end = stream_end

    def opening(self) -> Opening | None:
        """Gives what is known of it when the server has begun it."""
        started = self._clock.epoch(self.started)
        request = json_object(plain(self.request))
        return Opening(self._kind.endpoint, request, started, self.origin.caller, self._peer.session)

    def facts_so_far(self) -> Facts | None:
        """Gives what is known of it before it has ended."""
        self._ended = self._latest
        return self.facts()

    def facts(self) -> Facts | None:
        """Gives what is known of it."""
        error_type, message = self.error or (None, None)
        return Facts(
            provider=self._peer.provider,
            sdk=self._peer.sdk,
            endpoint=self._kind.endpoint,
            request=json_object(plain(self.request)),  # its items may still get their transcripts
            response=self._fold.response(),
            started=self._clock.epoch(self.started),
            duration=(self._ended - self.started) / 1e9,
            time_to_first_token=self._since_start(self.first_token),
            time_to_first_text=self._since_start(self.first_text),
            stream_end=self._stream_end,
            error_type=error_type,
            error_message=message,
            caller=self.origin.caller,
            moments=self._moments.told(self._clock.epoch),
            session=self._peer.session,
        )

    def _since_start(self, reading: int | None) -> float | None:
        return None if reading is None else (reading - self.started) / 1e9
