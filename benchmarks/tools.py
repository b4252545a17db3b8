"""What tools that are observed take of the application's thread.

Owns the work that is measured: executions that are declared and those that are discovered,
and the looking for tools in answers that ask for some and in those that do not. The SDK's
own objects are the answers; the recorder is real, its sink keeps nothing. Processor time is
the calling thread's alone, and the garbage collector is off.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from openai.types.chat import ChatCompletion

from bttrace.clock import RandomIds, SystemClock
from bttrace.providers.openai import PROVIDER
from bttrace.providers.openai.chat import CHAT
from bttrace.record import Recorder
from bttrace.seams.calls import Call, Shared
from bttrace.seams.executions import Executions
from bttrace.seams.finding.discovery import Discovery
from bttrace.sinks.neighbours import Tracers
from bttrace.spans.style import Style

from .bodies import answer
from .chunks import chat_chunks
from .sinks import NullSink
from .timing import Reading, Stopwatch, Table, cpus, differences, interleaved, walls

ROUNDS, QUICK_ROUNDS = 60, 15
CALLS = 200  # in one reading
CHUNKS = 2000
FIRSTS = 50
_ARGUMENTS = {"city": "Lisbon", "days": 3}


def weather(city: str, days: int) -> str:
    """Is a tool."""
    return f"{city}: {days} fine days"


def forecast(city: str, days: int) -> str:
    """Is another."""
    return f"{city}: {days} days of rain"


TOOLS: dict[str, Callable[..., str]] = {"weather": weather, "forecast": forecast}
ASKING = ChatCompletion.model_validate(answer("weather"))
SPEAKING = ChatCompletion.model_validate(answer())


class Bench:
    """One recorder, and what observes on top of it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._executions = Executions(recorder, Tracers(recorder.exit_sooner, to_braintrust=True))
        self.renew()

    def renew(self) -> None:
        """Begins anew, with a discovery that remembers nothing."""
        self._discovery = Discovery(self._executions)
        self._shared = Shared(self._recorder, PROVIDER, ask=self._discovery.ask)

    def close(self) -> None:
        """Lets go of what is watched."""
        self._discovery.close()

    def _call(self) -> Call:
        return Call(self._shared, CHAT, {}, self)

    def calm(self) -> None:
        """Waits until the writer has nothing to do."""
        self._recorder.flush(10.0)
        for _ in range(1000):
            if self._recorder.writer.rests:
                break
            time.sleep(0.001)
        gc.collect(0)

    # Executions.

    def bare(self) -> Reading:
        self.calm()
        watch = Stopwatch()
        for _ in range(CALLS):
            TOOLS["weather"](**_ARGUMENTS)
        return watch.reading(CALLS)

    def declared(self) -> Reading:
        self.calm()
        executions = self._executions
        watch = Stopwatch()
        for _ in range(CALLS):
            execution = executions.begin("tool", "weather", _ARGUMENTS)
            executions.run(execution, weather, (), _ARGUMENTS)
        return watch.reading(CALLS)

    def discovered(self) -> Reading:
        self.calm()
        self._discovery.ask(self._call(), ("weather",) * CALLS)
        watch = Stopwatch()
        for _ in range(CALLS):
            TOOLS["weather"](**_ARGUMENTS)
        reading = watch.reading(CALLS)
        self._discovery.go_on()
        return reading

    # Answers.

    def first_asking(self) -> Reading:
        """Reads answers that ask, each as if it were the first."""
        self.calm()
        fresh = []
        for _ in range(FIRSTS):
            self.renew()
            fresh.append((self._discovery.go_on, self._call()))
        watch = Stopwatch()
        for go_on, call in fresh:
            call.seek(ASKING)
            go_on()
        return watch.reading(FIRSTS)

    def asking(self) -> Reading:
        """Reads answers that ask, each followed by the next request."""
        self.calm()
        calls = [self._call() for _ in range(CALLS)]
        go_on = self._discovery.go_on
        watch = Stopwatch()
        for call in calls:
            call.seek(ASKING)
            go_on()
        return watch.reading(CALLS)

    def speaking(self) -> Reading:
        self.calm()
        call = self._call()
        watch = Stopwatch()
        for _ in range(CALLS):
            call.seek(SPEAKING)
        return watch.reading(CALLS)

    def chunks(self) -> Reading:
        self.calm()
        call = self._call()
        read = chat_chunks(CHUNKS)
        watch = Stopwatch()
        for chunk in read:
            call.seek(chunk)
        return watch.reading(CHUNKS)


def run(*, quick: bool) -> None:
    """Prints the table."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    sink = NullSink()
    recorder = Recorder([sink], Style(origin="bench"), SystemClock(), RandomIds(), 5.0)
    bench = Bench(recorder)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        _measured(bench, rounds)
    finally:
        gc.enable()
        gc.unfreeze()
        bench.close()
        recorder.close(5.0)
    print(f"  spans written {sink.written}, dropped {recorder.dropped}")


def _measured(bench: Bench, rounds: int) -> None:
    table = Table(f"tools: the application's thread, {rounds} rounds")
    variants: dict[str, Any] = {
        "bare": bench.bare,
        "declared": bench.declared,
        "discovered": bench.discovered,
    }
    readings = interleaved(variants, rounds, warm=3)
    base, elapsed = cpus(readings["bare"], 1e6), walls(readings["bare"], 1e6)
    table.figure("tool call: bare", "us", base)
    for name in ("declared", "discovered"):
        added = differences(cpus(readings[name], 1e6), base)
        table.figure(f"    {name}, adds processor", "us", added, most=15.0)
        table.figure(f"    {name}, adds wall", "us", differences(walls(readings[name], 1e6), elapsed))
    for name, work, most in (
        ("answer that asks, the first time", bench.first_asking, 50.0),
        ("answer that asks, again", bench.asking, 50.0),
        ("answer that asks for nothing", bench.speaking, 1.0),
        ("chunk that asks for nothing", bench.chunks, 0.5),
    ):
        taken = interleaved({"only": work}, rounds, warm=3)["only"]
        table.figure(name, "us", cpus(taken, 1e6), most=most)
    table.show()
