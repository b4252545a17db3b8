"""How much the writer thread can take.

Owns finished calls made by hand, the events of each endpoint's streams, and what a fold
holds in memory.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bttrace.clock import RandomIds, SystemClock
from bttrace.config import read
from bttrace.model import Endpoint, Fold
from bttrace.providers.anthropic.messages import MESSAGES
from bttrace.providers.openai import PROVIDER
from bttrace.providers.openai.chat import CHAT
from bttrace.providers.openai.responses import RESPONSES
from bttrace.record import Recorder
from bttrace.screens.privacy import Privacy
from bttrace.seams.calls import Call, Shared
from bttrace.seams.events import Events
from bttrace.spans.style import Style

from .bodies import ANSWER, QUESTION, piece
from .chunks import chat_texts, message_events, response_events
from .sinks import NullSink
from .stainless._response import Request, Response, Url
from .timing import Reading, Stopwatch, Table, cpus, walls

ROUNDS, QUICK_ROUNDS = 40, 10
CALLS = 1000  # in one reading; the queue holds 10,000
CHUNKS = 2000
HELD_CHUNKS = 100_000

FOLDS: tuple[tuple[str, Endpoint, Callable[[int], Iterator[object]]], ...] = (
    ("chat", CHAT, chat_texts),
    ("responses", RESPONSES, response_events),
    ("messages", MESSAGES, message_events),
)


def run(*, quick: bool) -> None:
    """Prints the table."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    table = Table(f"writer, {rounds} rounds")
    _throughput(table, rounds)
    for name, endpoint, events in FOLDS:
        readings = _rounds(partial(_folded, endpoint, _tapped(events(CHUNKS))), rounds)
        table.figure(f"a stream of {name}, each event", "us", cpus(readings, 1e6), most=5.0)
    for name, endpoint, events in FOLDS:
        held, text = _memory(endpoint, events)
        table.figure(f"fold of {name}, bytes for each byte of text", "", [held / text], most=2.0)
    table.note(f"a fold's memory is taken after {HELD_CHUNKS:,} chunks of {len(piece(0))} bytes of text")
    table.show()


def _throughput(table: Table, rounds: int) -> None:
    sink = NullSink(encodes=True)
    recorder = Recorder(
        [sink], Style(origin="bench"), SystemClock(), RandomIds(), 5.0, lambda: [Privacy(read({}))]
    )
    readings = _rounds(partial(_written, recorder), rounds)
    table.figure("finished calls, to their encoded row", "a second", [1 / wall for wall in walls(readings)])
    table.figure("    for each", "us", walls(readings, 1e6))
    if not sink.written:
        raise RuntimeError("nothing was traced")
    table.note(f"rows are of {sink.bytes / sink.written:,.0f} bytes; dropped {recorder.dropped}")
    recorder.close(5.0)


def _rounds(work: Callable[[], Reading], rounds: int) -> list[Reading]:
    """Gives readings without a baseline, the first of which is dropped."""
    return [work() for _ in range(rounds + 1)][1:]


def _written(recorder: Recorder) -> Reading:
    calls = [_call(recorder) for _ in range(CALLS)]
    watch = Stopwatch()
    for call in calls:
        call.end("exhausted")
    recorder.flush(60.0)
    return watch.reading(CALLS)


def _call(recorder: Recorder) -> Call:
    call = Call(Shared(recorder, PROVIDER), CHAT, {}, recorder)
    call.request = Request(Url("api.openai.com"), QUESTION)
    call.response = Response(call.request, {"x-request-id": "req_bench"}, ANSWER, None)
    call.headers = call.response.headers
    call.attempts = 1
    return call


def _tapped(events: Iterator[Any]) -> list[object]:
    """Gives what a call holds of a stream, each event of which came alone."""
    held: list[object] = []
    for index, event in enumerate(events):
        named = f"event: {event.type}\n" if hasattr(event, "type") else ""
        held += (index, f"{named}data: {event.model_dump_json(exclude_unset=True)}\n\n".encode())
    return held


def _folded(endpoint: Endpoint, held: list[object]) -> Reading:
    """Parses events and puts them together."""
    watch = Stopwatch()
    fold = endpoint.fold()
    for _, event in Events(endpoint.piece).read(held, None):
        fold.add(event)
    return watch.reading(len(held) // 2)


def _memory(endpoint: Endpoint, events: Callable[[int], Iterator[object]]) -> tuple[int, int]:
    """Gives the bytes that a fold holds of a long stream, and those of the stream's text."""
    fold: Fold = endpoint.fold()
    text = sum(len(piece(index)) for index in range(HELD_CHUNKS))
    for event in events(5):  # what is made once, such as the model's validators, is not the fold's
        fold.add(event)
    gc.collect()
    tracemalloc.start()
    for event in events(HELD_CHUNKS):
        fold.add(event)
    del event
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, text
