"""The queue between the application and the writer: bounded in bytes, and what its bounds leave behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import bttrace
from bttrace import guard
from bttrace.backlog import BEGUN, LIMIT_BYTES
from bttrace.clock import RandomIds, SystemClock
from bttrace.executions import Execution
from bttrace.record import Recorder
from bttrace.seams.executions import Executions
from bttrace.sinks.neighbours import Tracers
from bttrace.spans.style import Style
from bttrace.testing import capture
from tests.gated import Gated
from tests.loopback import replies
from tests.loopback.provider import ProviderServer

LARGE = LIMIT_BYTES // 8
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture
def sink() -> Gated:
    return Gated()


@pytest.fixture
def recorder(sink: Gated) -> Iterator[Recorder]:
    made = Recorder([sink], Style(), SystemClock(), RandomIds(), 5)
    yield made
    sink.gate.set()
    made.close(5)


@pytest.fixture
def executions(recorder: Recorder) -> Executions:
    return Executions(recorder, Tracers(lambda: None, to_braintrust=False))


def ran(executions: Executions, name: str, result: object = None) -> Execution:
    """Runs something to its end."""
    execution = executions.begin("workflow", name, {})
    assert execution is not None
    executions.end(execution, result)
    return execution


def held_up(executions: Executions, sink: Gated) -> None:
    """Has the writer wait in the sink."""
    ran(executions, "first")
    assert sink.inside.wait(10)


def test_what_waits_is_bounded_in_bytes(recorder: Recorder, executions: Executions, sink: Gated) -> None:
    held_up(executions, sink)
    large = [ran(executions, f"large {number}", "x" * LARGE) for number in range(40)]
    assert sum(len(str(one.result or "")) for one in large) <= LIMIT_BYTES
    sink.gate.set()
    assert recorder.flush(10)
    assert recorder.dropped == 40 - (len(sink.names) - 1)
    assert sink.names[-1] == "workflow:large 39"
    assert recorder._backlog.weight == 0


def test_what_never_ends_because_its_end_was_dropped_is_given_up(
    recorder: Recorder, executions: Executions, sink: Gated
) -> None:
    lost = executions.begin("workflow", "lost", {})
    assert lost is not None
    recorder.writer.rouse(at_once=True)
    while lost.placed is None:
        threading.Event().wait(0.01)
    held_up(executions, sink)
    executions.end(lost, "x" * LIMIT_BYTES)
    ran(executions, "large", "x" * LIMIT_BYTES)
    ran(executions, "later")
    assert lost.result is None, "what was dropped is not held"
    sink.gate.set()
    assert recorder.flush(10)
    assert "workflow:lost" in sink.names
    [span] = [span for span in sink.spans if span.name == "workflow:lost" and "end" in span.metrics]
    assert span.metadata["status"] == "abandoned"
    assert recorder.dropped == 1


def test_a_flush_is_answered_though_its_place_in_the_queue_was_dropped(
    recorder: Recorder, executions: Executions, sink: Gated
) -> None:
    held_up(executions, sink)
    answers: list[bool] = []
    flushing = threading.Thread(target=lambda: answers.append(recorder.flush(20)))
    flushing.start()
    while not recorder._marks:
        threading.Event().wait(0.01)
    for number in range(20):
        ran(executions, str(number), "x" * LARGE)
    sink.gate.set()
    flushing.join(20)
    assert answers == [True]


def test_an_execution_whose_beginning_was_dropped_waits_for_no_place(
    recorder: Recorder, executions: Executions, sink: Gated
) -> None:
    held_up(executions, sink)
    execution = Execution("tool", "t", {}, recorder.clock.now())
    execution.awaited = threading.Lock()
    execution.awaited.acquire()
    recorder.put(execution, BEGUN)
    for number in range(20):
        ran(executions, str(number), "x" * LARGE)
    assert not execution.awaited.locked()
    assert recorder.dropped > 10


def test_dropped_chunks_are_let_go_of_and_the_stream_still_ends(provider: ProviderServer) -> None:
    import openai

    provider.reply(replies.chat_stream([f"w{number} " for number in range(2000)]))
    sink = Gated()
    with capture() as captured:
        recorder = bttrace.session._session.wiring.recorder  # type: ignore[union-attr]
        recorder._writing.sinks = (sink, *recorder.sinks)
        client = openai.OpenAI(base_url=provider.openai_url, api_key="k")
        stream = client.chat.completions.create(model="m", messages=[], stream=True)
        next(stream)
        holder = Executions(recorder, Tracers(lambda: None, to_braintrust=False))
        held_up(holder, sink)
        for _ in stream:
            pass
        call: Any = next(one[0] for one in recorder._backlog.items if isinstance(one, tuple) and one[1])
        batches = len(call._handed)
        assert batches > 4
        for _ in range(20):
            recorder.put(Execution("task", "weighty", {}, recorder.clock.now()), None, LARGE)
        assert not any(held for held, _ in call._handed), "what was dropped is not held"
        sink.gate.set()
        assert recorder.flush(10)
        assert recorder.dropped >= batches
        assert recorder.streams == 0
        assert [row for row in captured.rows if row["span_attributes"]["type"] == "llm"] == []


def test_many_streams_hold_fewer_chunks_each(provider: ProviderServer) -> None:
    import openai

    provider.reply(replies.chat_stream([f"w{number} " for number in range(200)]))
    with capture():
        recorder = bttrace.session._session.wiring.recorder  # type: ignore[union-attr]
        client = openai.OpenAI(base_url=provider.openai_url, api_key="k")
        alone = client.chat.completions.create(model="m", messages=[], stream=True)
        for _ in range(90):
            next(alone)
        first: Any = next(iter(recorder._open.values()))
        held = len(first.chunks)
        assert held >= 90
        recorder._open.update((number, first) for number in range(2000))  # as if so many were read
        beside = client.chat.completions.create(model="m", messages=[], stream=True)
        for _ in range(90):
            next(beside)
        last: Any = list(recorder._open.values())[-1]
        assert 0 < len(last.chunks) < held / 2
        for number in range(2000):
            del recorder._open[number]
        alone.close()
        beside.close()


class TestMessages:
    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        guard.forget()
        reading = [1000.0]
        monkeypatch.setattr("bttrace.guard.time.monotonic", lambda: reading[0])
        return reading

    def test_a_condition_that_lasts_is_said_once_a_minute(
        self, now: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        told = []
        for second in range(130):
            now[0] = 1000.0 + second
            told.append(guard.say_at_times(f"{second} so far", about="it"))
            guard.say_at_times("another", about="another")
        assert [second for second, was in enumerate(told) if was] == [0, 60, 120]
        said = [line for line in capsys.readouterr().err.splitlines() if "so far" in line]
        assert said == ["bttrace: 0 so far", "bttrace: 60 so far", "bttrace: 120 so far"]

    def test_what_was_said_is_not_remembered_without_bound(self, capsys: pytest.CaptureFixture[str]) -> None:
        for number in range(5000):
            guard.say_once(f"host {number} does not answer", level="debug")
            guard.say_at_times("again", about=str(number), level="debug")
        guard.say_once("host 4999 does not answer")
        assert capsys.readouterr().err == ""
        assert len(guard._said) == len(guard._due) == 1000


def test_dropping_is_said_with_the_count_and_again_when_it_went_on(
    recorder: Recorder,
    executions: Executions,
    sink: Gated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    guard.forget()
    held_up(executions, sink)
    for number in range(20):
        ran(executions, str(number), "x" * LARGE)
    sink.gate.set()
    assert recorder.flush(10)
    first = recorder.dropped
    sink.gate.clear()
    sink.inside.clear()
    held_up(executions, sink)
    for number in range(20):
        ran(executions, str(number), "x" * LARGE)
    sink.gate.set()
    assert recorder.flush(10)
    assert recorder.dropped > first
    [line] = capsys.readouterr().err.splitlines()
    assert f": {first} spans" in line
    monkeypatch.setitem(guard._due, "dropped before they were written", 0.0)
    ran(executions, "a minute later")
    assert recorder.flush(10)
    [line] = capsys.readouterr().err.splitlines()
    assert f": {recorder.dropped} spans" in line
