"""The responses of one connection, put together on the writer thread.

An *exchange* is one response with the event that asked for it, if one did. It begins when
the application asks, or else when the server says that it has begun one; several may be
open at once. Events belong to it by the response's id, or else by their *lane*, the
`stream_id` that Responses gives to what was asked with one; in a lane, one is open at a time.

An `error` event belongs to the asking that it names, or that it answers with a status, or
to the response in whose stream it has a number. One that does none of these may be about
anything; it is the error of an exchange only if that never comes to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..clock import Clock
from ..contracts import Begun, Ended, Opening
from ..executions import Execution
from ..model import Caller, Connection, Dialogue, Facts, Fold, Json, StreamEnd
from ..values import at, json_object, number, plain, text
from .firsts import heard
from .moments import Moments

Error = tuple[str, str | None]
"""An error's kind and message."""

_LIMIT = 100  # exchanges of one connection that are open; beyond it the oldest is given up
_ERROR_TEXT = 4000  # characters of an error's message that are kept


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the application was: its own braintrust span, and its frame."""

    parent: object | None = None
    caller: Caller | None = None
    within: Execution | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, and what its address says."""

    provider: str
    sdk: str
    query: Mapping[str, str]


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
        return Opening(self._kind.endpoint, json_object(plain(self.request)), started, self.origin.caller)

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
        )

    def _since_start(self, reading: int | None) -> float | None:
        return None if reading is None else (reading - self.started) / 1e9


class Exchanges:
    """All exchanges of one connection. For one thread: the writer's."""

    def __init__(
        self,
        kind: Connection,
        peer: Peer,
        clock: Clock,
        began: Callable[[Begun], None],
        finish: Callable[[Ended], None],
    ) -> None:
        self._kind = kind
        self._began = began
        self._peer = peer
        self._clock = clock
        self._finish = finish
        self._dialogue: Dialogue = kind.dialogue(peer.query)
        self._asked: list[Exchange] = []
        self._open: dict[str, Exchange] = {}

    def sent(self, reading: int, event: Json, origin: Origin) -> None:
        """Takes an event that the application sent."""
        if text(event.get("type")) != self._kind.asks:
            return
        exchange = Exchange(self._kind, self._peer, self._clock, reading, event)
        exchange.origin = origin
        self._asked.append(exchange)
        if len(self._asked) > _LIMIT:
            self._give_up(self._asked[0])

    def unsent(self, reading: int, sent: int, error: Error) -> None:
        """Ends what was asked at the reading `sent`, because sending it failed."""
        exchange = next((one for one in self._asked if one.started == sent), None)
        if exchange is not None:
            exchange.error = error
            self._refuse(exchange, reading)

    def received(self, reading: int, event: Json, origin: Origin) -> None:
        """Takes an event that the application received."""
        self._dialogue.hear(event)
        kind = text(event.get("type"))
        if kind == "error":
            self._blame(reading, event)
            return
        if kind == self._kind.begins:
            self._begin(reading, event, origin)
        identity, exchange = self._concerned(event)
        if exchange is None:
            return
        exchange.add(reading, event)
        if kind in self._kind.ends:
            del self._open[identity]
            exchange.error = None
            exchange.end("exhausted", reading)
            self._finish(exchange)

    def leave(self, reading: int, stream_end: StreamEnd, error: Error | None) -> None:
        """Ends everything that is open, because nobody will hear of it any more."""
        ending = [*self._open.values(), *self._asked]
        self._open.clear()
        for exchange in self._asked:
            exchange.request = self._dialogue.request(exchange.asked)
        self._asked.clear()
        for exchange in sorted(ending, key=lambda exchange: exchange.started):
            failed = exchange.error is not None or error is not None
            exchange.end("failed" if failed else stream_end, None if exchange.error else reading)
            exchange.error = exchange.error or error
            self._finish(exchange)

    def _begin(self, reading: int, event: Json, origin: Origin) -> None:
        exchange = self._asked_for(event)
        if exchange is None:
            exchange = Exchange(self._kind, self._peer, self._clock, reading, {})
            exchange.origin = origin
            exchange.lane = text(event.get("stream_id"))
        else:
            self._asked.remove(exchange)
            exchange.error = None
        exchange.request = self._dialogue.request(exchange.asked)
        identity = _response_id(event) or ""
        if identity in self._open:
            self._give_up(self._open[identity])
        self._open[identity] = exchange
        if exchange.request.get("tools"):
            self._began(exchange)
        if len(self._open) > _LIMIT:
            self._give_up(next(iter(self._open.values())))

    def _asked_for(self, event: Json) -> Exchange | None:
        """Gives what the application asked and has got now.

        The server hands an asking's metadata back, which tells apart responses that it began by itself.
        """
        lane, marked = text(event.get("stream_id")), at(event, "response.metadata") or None
        waiting = [exchange for exchange in self._asked if exchange.lane == lane]
        waiting.sort(key=lambda exchange: (exchange.error is not None, _metadata(exchange.asked) != marked))
        return next(iter(waiting), None)

    def _concerned(self, event: Json) -> tuple[str, Exchange | None]:
        """Gives the open exchange that an event belongs to."""
        identity = _response_id(event)
        if identity is not None:
            return identity, self._open.get(identity)
        if str(event.get("type")).startswith("response."):
            lane = text(event.get("stream_id"))
            for name in reversed(self._open):
                if self._open[name].lane == lane:
                    return name, self._open[name]
        return "", None

    def _blame(self, reading: int, event: Json) -> None:
        """Finds what an error is about."""
        named = text(json_object(event.get("error")).get("event_id"))
        lane = text(event.get("stream_id"))
        if named is not None:
            self._refused(
                reading, event, (one for one in self._asked if one.asked.get("event_id") == named), sure=True
            )
        elif number(event.get("sequence_number")) is not None:
            self._refused(
                reading, event, (one for one in reversed(self._open.values()) if one.lane == lane), sure=True
            )
        else:
            about = [one for one in self._asked if one.lane == lane and one.error is None]
            about += [one for one in reversed(self._open.values()) if one.lane == lane]
            self._refused(reading, event, about, sure=number(event.get("status")) is not None)

    def _refused(self, reading: int, event: Json, about: Iterable[Exchange], *, sure: bool) -> None:
        exchange = next(iter(about), None)
        if exchange is None:
            return
        exchange.fail(reading, event)
        if sure:
            self._refuse(exchange, reading)

    def _refuse(self, exchange: Exchange, reading: int) -> None:
        """Ends one exchange with its error."""
        self._drop(exchange)
        exchange.end("failed", reading)
        self._finish(exchange)

    def _give_up(self, exchange: Exchange) -> None:
        self._drop(exchange)
        exchange.end("dropped")
        self._finish(exchange)

    def _drop(self, exchange: Exchange) -> None:
        if exchange in self._asked:
            self._asked.remove(exchange)
            exchange.request = self._dialogue.request(exchange.asked)
        self._open = {name: one for name, one in self._open.items() if one is not exchange}


def _response_id(event: Json) -> str | None:
    return text(event.get("response_id")) or text(json_object(event.get("response")).get("id"))


def _metadata(asked: Json) -> object:
    return at(asked, "response.metadata") or asked.get("metadata") or None
