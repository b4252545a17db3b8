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

from collections.abc import Callable, Iterable

from ...clock import Clock
from ...contracts import Begun, Ended
from ...model import Connection, Dialogue, Json, StreamEnd
from ...values import at, json_object, number, text
from .exchange import Error, Exchange, Origin, Peer

_LIMIT = 100  # exchanges of one connection that are open; beyond it the oldest is given up


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

    def _tell(self, exchange: Exchange) -> None:
        """Hands on what has ended, unless it began where nothing is traced."""
        if not exchange.origin.is_suppressed:
            self._finish(exchange)

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
            self._tell(exchange)

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
            self._tell(exchange)

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
        if exchange.request.get("tools") and not exchange.origin.is_suppressed:
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
        self._tell(exchange)

    def _give_up(self, exchange: Exchange) -> None:
        self._drop(exchange)
        exchange.end("dropped")
        self._tell(exchange)

    def _drop(self, exchange: Exchange) -> None:
        if exchange in self._asked:
            self._asked.remove(exchange)
            exchange.request = self._dialogue.request(exchange.asked)
        self._open = {name: one for name, one in self._open.items() if one is not exchange}


def _response_id(event: Json) -> str | None:
    return text(event.get("response_id")) or text(json_object(event.get("response")).get("id"))


def _metadata(asked: Json) -> object:
    return at(asked, "response.metadata") or asked.get("metadata") or None
