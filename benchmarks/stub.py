"""An application of the openai SDK whose transport is a stub, with a peer around it or none.

    python stub.py PEER BASE_URL

starts the peer, makes some calls, prints how many, then does the work that each line of its standard
input names (`call 200`, `stream 2000 3`, `chunk 2000 3`, `end 2000 3`) and answers with two numbers:
seconds of wall time and of its own thread's processor time, for each call, stream, chunk or end of a
stream.

What the SDK does to build a request, send it and parse what comes is replaced by ready-made objects
of its own, *before* the peer is started, so that every peer has its own work to do and the rest is
as little as can be. The garbage collector is off while something is measured.
"""

from __future__ import annotations

import copy
import gc
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

if not __package__:  # run by its path, in a process that has no reason to know this folder
    sys.path[0] = ""
    sys.path.append(str(Path(__file__).resolve().parent.parent))

import openai
from openai import _base_client, _streaming
from openai.resources.chat.completions import completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from benchmarks.application import WARM, answers, started
from benchmarks.bodies import EACH, answer, chat_deltas, events, messages
from benchmarks.peers.table import PEERS
from benchmarks.timing import Reading, Stopwatch

_QUESTION = json.dumps({"model": "bench", "messages": messages()}).encode()
_httpx: Any = vars(_base_client)["httpx2"]
_HEADERS = {"content-type": "application/json", "x-request-id": "req_bench"}
_EVENTS = {"content-type": "text/event-stream", "x-request-id": "req_bench"}
_URL = "http://127.0.0.1/v1/chat/completions"


class Pieces(_httpx.SyncByteStream):  # type: ignore[misc]
    """The body of a streamed answer, as a connection hands it on."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


class Event:
    """An event of a stream, of which the SDK makes nothing any more."""

    __slots__ = ("_chunk",)

    data = event = ""

    def __init__(self, chunk: ChatCompletionChunk) -> None:
        self._chunk = chunk

    def json(self) -> ChatCompletionChunk:
        """Gives the chunk that was made before."""
        return self._chunk


class Stub:
    """The SDK below its own methods: what it is asked is dropped, what it answers was made before."""

    def __init__(self) -> None:
        self._answer = ChatCompletion.model_validate(answer())
        self._body = self._answer.to_json().encode()
        self._events: tuple[Event, ...] = ()
        self._pieces: list[bytes] = []
        self._responses: deque[Any] = deque()
        self._answers: deque[ChatCompletion] = deque()

    def prepare(self, count: int, chunks: int = 0) -> None:
        """Makes what so many calls are answered with, or streams of so many chunks."""
        requests = [_httpx.Request("POST", _URL, headers=_HEADERS, content=_QUESTION) for _ in range(count)]
        if chunks:
            if len(self._events) != chunks:
                self._events = tuple(
                    Event(ChatCompletionChunk.model_validate(delta)) for delta in chat_deltas(chunks)
                )
                self._pieces = events(chunks)
            parts: Any = ({"headers": _EVENTS, "stream": Pieces(self._pieces)} for _ in requests)
        else:
            self._answers.extend(copy.copy(self._answer) for _ in requests)
            parts = ({"headers": _HEADERS, "content": self._body} for _ in requests)
        self._responses.extend(
            _httpx.Response(200, request=request, **part)
            for request, part in zip(requests, parts, strict=True)
        )

    def install(self) -> None:
        """Replaces what the SDK's classes have; what a peer patches later, it patches on top."""
        client: Any = _base_client.SyncAPIClient
        client._build_request = lambda *_args, **_kwargs: self._responses[0].request
        client._send_request = lambda *_args, **_kwargs: self._responses.popleft()
        client._process_response = self._process_response()
        client._process_response_data = lambda _client, *, data, **_kwargs: data
        decoder: Any = _streaming.SSEDecoder
        decoder.iter_bytes = self._iter_bytes()
        resource: Any = completions
        resource.maybe_transform = given

    def _process_response(self) -> Callable[..., Any]:
        def process_response(
            client: Any,
            *,
            cast_to: Any,
            options: Any,
            response: Any,
            stream: bool,
            stream_cls: Any,
            **_kwargs: Any,
        ) -> Any:
            if stream:
                return stream_cls(cast_to=cast_to, response=response, client=client, options=options)
            return self._answers.popleft()

        return process_response

    def _iter_bytes(self) -> Callable[..., Iterator[Event]]:
        def iter_bytes(_decoder: Any, pieces: Iterator[bytes]) -> Iterator[Event]:
            ready = iter(self._events)
            for _ in pieces:
                yield from islice(ready, EACH)

        return iter_bytes


def given(asked: dict[str, object], _types: object) -> dict[str, object]:
    """Gives what a caller said of all that may be asked, without a look at the types of it."""
    return {name: value for name, value in asked.items() if type(value) is not openai.Omit}


class Application:
    """Makes calls with one client."""

    def __init__(self, stub: Stub) -> None:
        client = openai.OpenAI(base_url="http://127.0.0.1/v1", api_key="bench", max_retries=0)
        self._create: Any = client.chat.completions.create
        self._stub = stub
        self._messages: Any = messages()

    def answer(self, line: str) -> Reading:
        """Does the work that a line names."""
        work, *numbers = line.split()
        measure: Callable[..., Reading] = getattr(self, work)
        return measure(*map(int, numbers))

    def call(self, count: int) -> Reading:
        """Makes calls."""
        create, asked = self._create, self._messages
        self._stub.prepare(count)
        watch = Stopwatch()
        for _ in range(count):
            create(model="bench", messages=asked)
        return watch.reading(count)

    def stream(self, chunks: int, count: int) -> Reading:
        """Reads streams, from the call to the end of the loop."""
        readings = []
        for _ in range(count):
            create, asked = self._create, self._messages
            self._stub.prepare(1, chunks)
            watch = Stopwatch()
            for _chunk in create(model="bench", messages=asked, stream=True):
                pass
            readings.append(watch.reading())
        return _mean(readings)

    def chunk(self, chunks: int, count: int) -> Reading:
        """Reads streams, between their first chunk and their last."""
        readings = []
        for _ in range(count):
            reader = self._reader(chunks)
            next(reader)
            watch = Stopwatch()
            for _chunk in islice(reader, chunks - 1):
                pass
            readings.append(watch.reading(chunks - 1))
            deque(reader, maxlen=0)
        return _mean(readings)

    def end(self, chunks: int, count: int) -> Reading:
        """Reads streams; from their last chunk to the end of the loop."""
        readings = []
        for _ in range(count):
            reader = self._reader(chunks)
            deque(islice(reader, chunks), maxlen=0)
            watch = Stopwatch()
            for _chunk in reader:
                raise RuntimeError("the stream did not end")
            readings.append(watch.reading())
        return _mean(readings)

    def _reader(self, chunks: int) -> Iterator[object]:
        self._stub.prepare(1, chunks)
        return iter(self._create(model="bench", messages=self._messages, stream=True))


def _mean(readings: list[Reading]) -> Reading:
    return Reading(*(sum(column) / len(readings) for column in zip(*readings, strict=True)))


def main() -> None:
    """Works until standard input ends."""
    tell = answers()
    stub = Stub()
    stub.install()
    [peer] = [peer for peer in PEERS if peer.name == sys.argv[1]]
    _, flush = started(peer.name, peer.late)
    application = Application(stub)
    application.call(WARM)
    flush()
    gc.collect()
    gc.freeze()
    gc.disable()
    tell(WARM)
    for line in sys.stdin:
        reading = application.answer(line)
        flush()
        gc.collect()
        tell(reading.wall, reading.cpu)


if __name__ == "__main__":
    main()
