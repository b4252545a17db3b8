"""One call of a Stainless SDK, from its beginning on the application's thread to its span.

Owns what is remembered of a call, and how that is read once the call has ended. The
application's thread only stores references and clock readings; `span` and `fold` run on
the writer thread, and read HTTP bodies that nobody can change any more.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import field, replace
from types import CodeType
from typing import TYPE_CHECKING, Any

from ..classes import dataclass
from ..contracts import Opening
from ..executions import Execution
from ..model import Attachment, Caller, Endpoint, Facts, Fold, Json, Provider, StreamEnd
from ..providers.hosts import provider_name
from ..record import Recorder
from ..surroundings.correlation import Correlation
from ..values import plain
from . import http
from .firsts import heard
from .forms import held
from .moments import Moments
from .settled import Settled
from .taps import Tap
from .taps import weight as weight_of

if TYPE_CHECKING:
    from .bodies import Body
    from .events import Events

_BINARY = ("audio/", "image/", "video/", "application/octet-stream", "application/pdf")
_ERROR_TEXT = 4000  # characters of an error's message that are kept
_WEIGHT = 6 * 1024  # bytes of a call with its request and response, without their bodies
_CHUNK = 2800  # bytes of a chunk as the SDK's object, whatever little text is in it
_BATCH = 128  # chunks that are held before the writer gets them
_PIECES = 16  # of a body, each of which may be large
_HELD = 8192  # chunks, about, that all streams hold
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Shared:
    """What all calls of one SDK have in common."""

    recorder: Recorder
    provider: Provider
    settled: Settled = field(default_factory=Settled)
    ask: Callable[[Call, Sequence[str]], object] | None = None  # for the tools that an answer asks for


def _asks_for_nothing(_answer: object) -> tuple[str, ...]:
    return ()


class Call:
    """What is known so far of one call.

    `request` is the latest attempt's, and `form` what it says if it is multipart; `response`
    is kept only when its body has been read, because a call must not keep alive a stream
    that the application drops. `chunks` are those that the writer has not got yet; if there
    is a `body`, or a `tap`, they are pieces of it. Pieces, and the chunks of a call that offers tools, come
    with the reading at which they came.
    """

    __slots__ = (
        "__weakref__",
        "_asks",
        "_endpoint",
        "_events",
        "_fold",
        "_handed",
        "_is_timed",
        "_moments",
        "_placed",
        "_recorder",
        "_shared",
        "attempts",
        "body",
        "caller",
        "chunks",
        "client",
        "correlation",
        "ended",
        "error",
        "first_text",
        "first_token",
        "form",
        "headers",
        "may_be_form",
        "offers",
        "parent",
        "request",
        "response",
        "seeks",
        "started",
        "stream_end",
        "streamed",
        "tap",
        "within",
    )

    def __init__(self, shared: Shared, endpoint: Endpoint, placed: Mapping[str, str], client: object) -> None:
        self._shared = shared
        self._recorder = recorder = shared.recorder
        self._endpoint = endpoint
        self._placed = placed
        self._fold: Fold | None = None
        self._moments: Moments | None = None
        self.client = type(client).__name__
        self.parent: Any = None
        self.within: Execution | None = None
        self.correlation: Correlation | None = None
        self.caller: tuple[CodeType, int] | None = None
        self.request: Any = None
        self.form: Json | None = None
        self.may_be_form = endpoint.conversation is None
        self.response: Any = None
        self.headers: Any = None
        self.offers = False  # tools
        self.seeks = False  # and looks for those that are asked for
        self._asks = _asks_for_nothing if endpoint.conversation is None else endpoint.conversation.calls
        self._is_timed = False  # the first token and the first text of a stream are known
        self.attempts = 0
        self.error: tuple[str, str, str | None] | None = None
        self.streamed = False
        self.stream_end: StreamEnd | None = None
        self.first_token: int | None = None
        self.first_text: int | None = None
        self.chunks: list[object] = []
        self._handed: deque[tuple[list[object], int | None]] = deque()
        self._events: Events | None = None
        self.tap: Tap | None = None
        self.body: Body | None = None
        self.ended: int | None = None
        self.started = recorder.clock.now()
        if recorder.promptness is not None:
            recorder.promptness.began(self)

    def is_handed_on(self, to: Shared) -> bool:
        """Tells whether a request of another SDK is this call's own: it has made none itself yet."""
        return self.attempts == 0 and to is not self._shared

    def first(self, chunk: object, at: int) -> bool:
        """Looks for the first token and the first text in a chunk; tells if both are known."""
        return heard(self, self._endpoint, chunk, at)

    def see(self, chunk: object, at: int) -> object:
        """Looks for what is timed in a chunk of a call that offers tools, and for those that it asks for.

        Gives the chunk as it may be kept: a copy, where the application may add to what came with it.
        Many put the rest of a tool call's arguments into the very object that its first delta brought.
        """
        self._time(chunk, at)
        return plain(chunk) if self.seek(chunk) else chunk

    def _time(self, chunk: object, at: int) -> None:
        """Looks for the first token and the first text until both are known."""
        self._is_timed = self._is_timed or self.first(chunk, at)

    def seek(self, answer: object) -> bool:
        """Has the tools watched that an answer asks for; tells whether it asks for any."""
        names = self._asks(answer)
        if not names:
            return False
        if self._shared.ask is not None:
            self._shared.ask(self, names)
        return True

    def fail(self, error: BaseException) -> None:
        """Ends the call with an exception, of which it keeps the text, not the frames."""
        if self.ended is not None:
            return  # it was closed, and what its stream raised then is nobody's error
        message = "the call was cancelled" if isinstance(error, CancelledError) else str(error)
        request_id = getattr(error, "request_id", None)
        known = request_id if isinstance(request_id, str) else None
        self.error = (type(error).__name__, message[:_ERROR_TEXT], known)
        self.end("failed")

    def drop(self) -> None:
        """Ends a call that its reader left, at the last piece that came: who knows when we are told."""
        tap = self.tap
        held: Sequence[Any] = self.chunks if tap is not None and tap.is_open else ()
        self.end("dropped", held[-2] if held else None)

    def end(self, stream_end: StreamEnd, at: int | None = None) -> None:
        """Ends the call, now or at a clock reading, and queues it. Only the first time counts."""
        if self.ended is not None:
            return
        self.ended = self._recorder.clock.now() if at is None else at
        if self.streamed:
            self.stream_end = stream_end
            self._recorder.closed(self)
            if self.chunks:
                self.hand_over(is_whole=stream_end == "exhausted")
        weight = _WEIGHT
        try:
            if self.response is not None:
                weight += len(self.response.content)
            if self.request is not None:
                weight += len(self.request.content)
        except RuntimeError:  # a body in parts, such as a form: httpx and httpx2, `_exceptions.py`
            weight += held(self.form)
        promptness = self._recorder.promptness
        if promptness is None:
            self._recorder.put(self, None, weight)
        else:  # one that was dropped, a finalizer may have ended
            promptness.put(self, waits=stream_end != "dropped")

    def leave(self) -> None:
        """Ends a call whose stream nobody will read on."""
        self.end("dropped")

    def batch(self) -> int:
        """Gives how many chunks it may hold: the more streams are being read, the fewer."""
        share = _HELD // max(self._recorder.streams, 1)
        return min(_BATCH if self.body is None else _PIECES, max(share, _LEAST))

    def keep(self, chunk: object, at: int) -> None:
        """Keeps a chunk of a stream of which the text can't be had, as the SDK's object."""
        if self.offers:
            self.chunks.append((at, self.see(chunk, at)))
        else:
            self._time(chunk, at)
            self.chunks.append(chunk)
        if len(self.chunks) >= self.batch():
            self.hand_over()

    def hand_over(self, *, is_whole: bool = False) -> None:
        """Gives the chunks held so far to the writer, and starts a new list for the next."""
        chunks: list[Any] = self.chunks
        read, weight = None, 0
        if self.tap is not None:
            read, weight = None if is_whole and self.tap.read else self.tap.read, weight_of(chunks)
        elif self.body is not None:
            weight = sum(len(piece) for _, piece in chunks)
        else:
            weight = _CHUNK * len(chunks)
        self._handed.append((chunks, read))
        self.chunks = []
        self._recorder.put(self, chunks, weight + 1)

    def fold(self, chunks: Sequence[object]) -> None:
        """Puts chunks of the stream together with those before."""
        if self._fold is None:
            self._fold = self._endpoint.fold()
        read = None
        while self._handed:
            handed, read = self._handed.popleft()
            if handed is chunks:
                break  # those before were dropped on their way
        for chunk in self._read(chunks, read):
            self._fold.add(chunk)

    def _read(self, chunks: Sequence[Any], read: int | None) -> Iterator[object]:
        """Yields the chunks themselves, and notes when that came of which they tell."""
        came = self._came(chunks, read)
        if came is None:
            yield from chunks
            return
        if self._moments is None:
            self._moments = Moments(self._endpoint)
        for at, chunk in came:
            self._time(chunk, at)
            self._moments.hear(chunk, at)
            yield chunk

    def _came(self, chunks: Sequence[Any], read: int | None) -> Iterable[tuple[int, object]] | None:
        """Gives chunks and when they came; `None` if that was not kept."""
        if self.tap is not None:
            self._events = self._events or self._no_events()
            return self._events.read(chunks, read)
        if self.body is not None:
            return self.body.events(chunks)
        return chunks if self.offers else None

    def _no_events(self) -> Events:
        from .events import Events

        return Events(self._endpoint.piece)

    def opening(self) -> Opening | None:
        """Gives what is known of the call when it begins."""
        return Opening(
            self._endpoint,
            self._question(),
            self._recorder.clock.epoch(self.started),
            Caller.of(self.caller),
            http.session(self.request),
        )

    def facts_so_far(self) -> Facts | None:
        """Gives what is known of a call of which a stream is being read, or was until now; else `None`."""
        if not self.streamed or self.body is not None:
            return None
        # The application's thread goes on adding to the chunks: what is read here stays for the writer.
        fold = self._endpoint.fold() if self._fold is None else deepcopy(self._fold)
        for chunk in self._unfolded():
            fold.add(chunk)
        return self._told(fold.response(), None)

    def _unfolded(self) -> list[object]:
        """Gives the chunks that came and that the writer has not put to the others, which may be queued."""
        last = self.chunks  # before what was handed over: the application's thread moves them there
        handed = [chunks for chunks, _ in list(self._handed)]
        lists = handed if any(last is one for one in handed) else [*handed, last]
        chunks: list[Any] = [chunk for held in lists for chunk in list(held)]
        if self.tap is not None:
            events = self._no_events() if self._events is None else deepcopy(self._events)
            return [chunk for _, chunk in events.read(chunks, self.tap.read)]
        return [chunk for _, chunk in chunks] if self.offers else chunks

    def facts(self) -> Facts | None:
        """Gives what is known of the call; `None` if it asked after work that is not done, or is told."""
        facts = self._told(*self._answer())
        settled = self._endpoint.settles(facts.response)
        news = settled is not None and self._shared.settled.first(settled)
        if self._endpoint.polls and not news and facts.error_type is None:
            return None
        if settled is not None and not news:  # its tokens stand on the span that told its end first
            facts = replace(facts, endpoint=replace(self._endpoint, usage={}))
        return facts

    def _question(self) -> Json:
        return {**self._placed, **(self.form or http.asked(self.request))}

    def _told(self, response: Json, body: str | Attachment | None) -> Facts:
        if response:
            response = self._endpoint.normal(response)
        host, port = http.address(self.request)
        error_type, message, request_id = self.error or (None, None, None)
        return Facts(
            provider=provider_name(self.client, host, self._shared.provider.name, port),
            sdk=self._shared.provider.sdk,
            endpoint=self._endpoint,
            request=self._question(),
            response=response,
            body=body,
            started=self._recorder.clock.epoch(self.started),
            duration=self._since_start(self.ended) or 0.0,
            time_to_first_token=self._since_start(self.first_token),
            time_to_first_text=self._since_start(self.first_text),
            attempts=max(self.attempts, 1),
            stream_end=self.stream_end,
            error_type=error_type,
            error_message=message,
            request_id=request_id or http.request_id(self.headers),
            caller=Caller.of(self.caller),
            moments={} if self._moments is None else self._moments.told(self._recorder.clock.epoch),
            session=http.session(self.request),
        )

    def _since_start(self, reading: int | None) -> float | None:
        return None if reading is None else (reading - self.started) / 1e9

    def _answer(self) -> tuple[Json, str | Attachment | None]:
        content = http.content(self.response) if self.body is None else self.body.content()
        if self._fold is not None and not content:
            return self._fold.response(), None
        kind = http.content_type(self.headers)
        if content and kind == "text/event-stream":  # read whole, as openai's `audio.speech.create` does
            from .bodies import Body

            fold = self._endpoint.fold()
            for _, event in Body(kind, lines=False).events([(0, content)]):
                fold.add(event)
            if folded := fold.response():
                return folded, None
        if content and kind.startswith(_BINARY):
            from ..spans.content_types import extension

            return {}, Attachment(kind, content, f"{self._endpoint.api}.{extension(kind)}")
        return http.parsed(content)
