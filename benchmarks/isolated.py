"""What bttrace takes of the application's thread, with everything else taken away.

Owns the work that is measured, on three copies of a stand-in for an SDK: *bare*; *floor*,
with the least that any tracer could do; and *traced*, patched by the project's own seam,
with the real recorder and a sink that keeps nothing. Processor time is the calling
thread's alone, so that the writer is not in it; the garbage collector is off.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from functools import partial
from itertools import islice
from typing import Any

from bttrace import suppressed
from bttrace.clock import RandomIds, SystemClock
from bttrace.patch import Ledger
from bttrace.providers.openai import PROVIDER
from bttrace.record import Recorder
from bttrace.seams.calls import Call
from bttrace.seams.stainless import Seam
from bttrace.sinks.neighbours import Tracers
from bttrace.spans.style import Style

from .bodies import ANSWER, EACH, QUESTION, events
from .chunks import chat_chunks
from .floor.least import patch as floored
from .sinks import NullSink
from .standin import loaded
from .timing import (
    Reading,
    Stopwatch,
    Table,
    Variant,
    cpus,
    differences,
    interleaved,
    ratio_of_medians,
    walls,
)

ROUNDS, QUICK_ROUNDS = 60, 15
CALLS = 200  # in one reading
CHUNKS = 2000
VARIANTS = ("bare", "floor", "traced")

Work = Callable[[], Reading]


def run(*, quick: bool) -> None:
    """Prints the table."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    sink = NullSink()
    recorder = Recorder([sink], Style(origin="bench"), SystemClock(), RandomIds(), 5.0)
    sdks = {name: loaded(f"benchsdk_{name}") for name in VARIANTS}
    floored(sdks["floor"])
    ledger = Ledger()
    current: ContextVar[Call | None] = ContextVar("bttrace_call", default=None)
    seam = Seam(PROVIDER, recorder, Tracers(recorder.exit_sooner, to_braintrust=True), current)
    seam.patch(sdks["traced"], ledger)
    if seam.coverage.missing:
        raise RuntimeError(f"the stand-in lacks {', '.join(seam.coverage.missing)}")
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        _measured(sdks, recorder, rounds)
    finally:
        gc.enable()
        gc.unfreeze()
        ledger.restore()
        recorder.close(5.0)
    print(f"  spans written {sink.written}, dropped {recorder.dropped}")
    if not sink.written:
        raise RuntimeError("nothing was traced")


def _measured(sdks: Mapping[str, Any], recorder: Recorder, rounds: int) -> None:
    table = Table(f"isolated: the application's thread, {rounds} rounds")

    def compared(name: str, work: Callable[[Any], Work], most: float | None, units: int = 1) -> None:
        variants = {variant: partial(_calm, recorder, work(sdk)) for variant, sdk in sdks.items()}
        _figures(table, name, variants, rounds, most, units)

    compared("call", _calls, 10.0)
    compared("call, async", _acalls, 10.0)
    compared("call in a suppressed block", _suppressed_calls, 4.0)
    compared("call that wakes the writer", _lone_call, None)
    compared("streamed call of 1 chunk", partial(_streams, 1, 100), None)
    compared("chunk", partial(_streams, CHUNKS, 1), 0.15, CHUNKS)
    compared("chunk, async", partial(_astreams, CHUNKS, 1), 0.15, CHUNKS)
    compared("chunk that comes alone", partial(_streams, CHUNKS, 1, each=1), None, CHUNKS)
    compared("chunk that comes alone, async", partial(_astreams, CHUNKS, 1, each=1), None, CHUNKS)
    compared("end of a stream", partial(_end, CHUNKS), 20.0)
    compared("end of a stream, async", partial(_aend, CHUNKS), 20.0)
    table.note(f"a connection hands on {EACH} chunks at once, or each alone")
    table.show()


def _figures(
    table: Table, name: str, variants: Mapping[str, Variant], rounds: int, most: float | None, units: int
) -> None:
    readings = interleaved(variants, rounds, warm=3)
    base = cpus(readings["bare"], 1e6)
    table.figure(f"{name}: bare", "us", [value / units for value in base])
    for variant in ("floor", "traced"):
        target = most if variant == "traced" else None
        values = cpus(readings[variant], 1e6)
        added = differences(values, base, units)
        ratio = ratio_of_medians(values, base)
        table.figure(f"    {variant} adds, processor", "us", added, ratio=ratio, most=target)
    elapsed = differences(walls(readings["traced"], 1e6), walls(readings["bare"], 1e6), units)
    table.figure("    traced adds, wall", "us", elapsed, most=most)


def _calm(recorder: Recorder, work: Work) -> Reading:
    """Does the work once the writer has nothing to do and sleeps, and waits for it afterwards."""
    for _ in range(1000):
        if recorder.writer.rests:
            break
        time.sleep(0.001)
    reading = work()
    recorder.flush(10.0)
    gc.collect(0)
    return reading


def _client(sdk: Any, kind: str, chunks: int, each: int = EACH) -> Any:
    pieces = events(chunks, each=each)
    return getattr(sdk._base_client, kind)(QUESTION, ANSWER, chat_chunks(chunks), pieces, each)


def _calls(sdk: Any) -> Work:
    client, create = _client(sdk, "SyncAPIClient", 1), sdk._base_client.create

    def work() -> Reading:
        watch = Stopwatch()
        for _ in range(CALLS):
            create(client)
        return watch.reading(CALLS)

    return work


def _suppressed_calls(sdk: Any) -> Work:
    calls = _calls(sdk)

    def work() -> Reading:
        with suppressed():
            return calls()

    return work


def _lone_call(sdk: Any) -> Work:
    client, create = _client(sdk, "SyncAPIClient", 1), sdk._base_client.create

    def work() -> Reading:
        watch = Stopwatch()
        create(client)
        return watch.reading()

    return work


def _acalls(sdk: Any) -> Work:
    client, create = _client(sdk, "AsyncAPIClient", 1), sdk._base_client.create

    async def work() -> Reading:
        watch = Stopwatch()
        for _ in range(CALLS):
            await create(client)
        return watch.reading(CALLS)

    return partial(_awaited, work)


def _streams(chunks: int, streams: int, sdk: Any, each: int = EACH) -> Work:
    client, create = _client(sdk, "SyncAPIClient", chunks, each), sdk._base_client.create

    def work() -> Reading:
        watch = Stopwatch()
        for _ in range(streams):
            for _chunk in create(client, stream=True):
                pass
        return watch.reading(streams)

    return work


def _astreams(chunks: int, streams: int, sdk: Any, each: int = EACH) -> Work:
    client, create = _client(sdk, "AsyncAPIClient", chunks, each), sdk._base_client.create

    async def work() -> Reading:
        watch = Stopwatch()
        for _ in range(streams):
            async for _chunk in await create(client, stream=True):
                pass
        return watch.reading(streams)

    return partial(_awaited, work)


def _end(chunks: int, sdk: Any) -> Work:
    """From the last chunk to the end of the loop."""
    client, create = _client(sdk, "SyncAPIClient", chunks), sdk._base_client.create

    def work() -> Reading:
        reader = iter(create(client, stream=True))
        deque(islice(reader, chunks), maxlen=0)
        watch = Stopwatch()
        for _ in reader:
            raise RuntimeError("the stream did not end")
        return watch.reading()

    return work


def _aend(chunks: int, sdk: Any) -> Work:
    client, create = _client(sdk, "AsyncAPIClient", chunks), sdk._base_client.create

    async def work() -> Reading:
        reader = aiter(await create(client, stream=True))
        for _ in range(chunks):
            await anext(reader)
        watch = Stopwatch()
        async for _ in reader:
            raise RuntimeError("the stream did not end")
        return watch.reading()

    return partial(_awaited, work)


_loop = asyncio.new_event_loop()


def _awaited(work: Callable[[], Coroutine[Any, Any, Reading]]) -> Reading:
    return _loop.run_until_complete(work())
