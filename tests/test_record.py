"""The recorder: one writer thread, bounded, whole across threads, forks and exits."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import bttrace
from bttrace import guard
from bttrace.backlog import LIMIT
from bttrace.clock import RandomIds, SystemClock
from bttrace.model import Endpoint, Facts, Json
from bttrace.record import Recorder
from bttrace.spans.style import Style
from bttrace.testing import CountedIds, ManualClock, capture
from tests.doors import hooked
from tests.gated import Gated
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

ECHO = Endpoint(path="/echo", api="echo", braintrust_name="Echo", input=lambda _: None, output=("folded",))


class Observed:
    """An observation that has ended, and remembers what it was folded from."""

    parent = None
    within = None
    correlation = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.folded: list[object] = []

    def fold(self, chunks: Sequence[object]) -> None:
        self.folded.extend(chunks)

    def leave(self) -> None:
        raise AssertionError("not a stream")

    def opening(self) -> None:
        raise AssertionError("not announced")

    def facts_so_far(self) -> None:
        raise AssertionError("not announced")

    def facts(self) -> Facts | None:
        response: Json = {"model": self.name, "folded": list(self.folded)}
        return Facts("echo", "echo", ECHO, {}, response, started=1_700_000_000.0, duration=1.0)


@pytest.fixture
def collected() -> Gated:
    made = Gated()
    made.gate.set()
    return made


@pytest.fixture
def recorder(collected: Gated) -> Iterator[Recorder]:
    guard.forget()  # what other tests were told
    made = Recorder([collected], Style(), SystemClock(), RandomIds(), 5)
    yield made
    made.close(5)


def test_no_thread_runs_before_the_first_span_nor_after_close(recorder: Recorder) -> None:
    assert "bttrace-writer" not in {thread.name for thread in threading.enumerate()}
    recorder.put(Observed("one"))
    assert recorder.flush(5)
    assert "bttrace-writer" in {thread.name for thread in threading.enumerate()}
    recorder.close(5)
    assert "bttrace-writer" not in {thread.name for thread in threading.enumerate()}


def test_chunks_are_folded_in_order_before_the_span_is_told(recorder: Recorder, collected: Gated) -> None:
    call = Observed("stream")
    recorder.put(call, [1, 2])
    recorder.put(call, [3])
    recorder.put(call)
    assert recorder.flush(5)
    assert [span.output for span in collected.spans] == [[1, 2, 3]]


def test_many_threads_lose_nothing(recorder: Recorder, collected: Gated) -> None:
    def work(number: int) -> None:
        for turn in range(200):
            recorder.put(Observed(f"{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.flush(10)
    assert len({span.metadata["model"] for span in collected.spans}) == 1600


def test_a_full_queue_drops_the_oldest_and_counts_them(
    recorder: Recorder, collected: Gated, capsys: pytest.CaptureFixture[str]
) -> None:
    collected.gate.clear()
    recorder.put(Observed("held"))
    assert collected.inside.wait(10)  # the writer is inside the sink
    for number in range(LIMIT + 5):
        recorder.put(Observed(str(number)))
    collected.gate.set()
    assert recorder.flush(10)
    assert recorder.dropped == 5
    assert [span.metadata["model"] for span in collected.spans[:2]] == ["held", "5"]
    assert "dropped" in capsys.readouterr().err


def test_a_span_that_cannot_be_told_costs_no_other(
    recorder: Recorder, collected: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BTTRACE_STRICT")

    class Broken(Observed):
        def facts(self) -> Facts:
            raise ValueError("broken")

    for number in range(20):
        recorder.put(Broken("bad"))
        recorder.put(Observed(str(number)))
    assert recorder.flush(5)
    assert len(collected.spans) == 20


def test_a_forked_child_starts_anew(recorder: Recorder, collected: Gated) -> None:
    recorder.put(Observed("parent"))
    recorder.flush(5)
    collected.gate.clear()
    recorder.put(Observed("busy"))
    time.sleep(0.2)  # the writer is inside the sink now
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        collected.gate.set()
        recorder.put(Observed("child"))
        good = recorder.flush(5)
        os.write(writer, f"{good} {[span.metadata['model'] for span in collected.spans]}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    collected.gate.set()
    assert os.read(reader, 1000) == b"True ['child']"
    os.close(reader)
    os.close(writer)
    assert recorder.flush(5)
    assert [span.metadata["model"] for span in collected.spans] == ["parent", "busy"]


def test_a_fork_finds_the_writer_at_rest(recorder: Recorder, collected: Gated) -> None:
    recorder.put(Observed("before"))
    child = os.fork()
    if child == 0:
        os._exit(0 if len(threading.enumerate()) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    recorder.put(Observed("after"))
    assert recorder.flush(5)
    assert [span.metadata["model"] for span in collected.spans] == ["before", "after"]


def test_a_set_clock_and_counted_ids_make_a_span_predictable() -> None:
    import openai

    clock = ManualClock(1_000.0)

    def answer(_request: object) -> replies.Reply:
        clock.advance(2.5)
        return replies.chat("Hello")

    with ProviderServer() as provider, capture(clock=clock, ids=CountedIds()) as captured:
        provider.reply(answer)
        client = openai.OpenAI(base_url=provider.openai_url, api_key="k")
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
        [row] = captured.rows
    assert row["id"] == "row-1"
    assert row["span_id"] == f"{1:016x}"
    assert row["root_span_id"] == f"{1:032x}"
    assert row["created"] == "1970-01-01T00:16:40+00:00"
    assert (row["metrics"]["start"], row["metrics"]["end"], row["metrics"]["duration_ms"]) == (
        1000.0,
        1002.5,
        2500.0,
    )
    assert not bttrace.status().enabled


def test_capture_refuses_to_stand_in_a_session_that_is_on() -> None:
    with capture(), pytest.raises(RuntimeError, match="disable"), capture():
        pass


STREAM_LEFT_OPEN = """
import openai
stream = openai.OpenAI().chat.completions.create(model="m", messages=[], stream=True)
next(stream), next(stream)
"""
THREADS = """
import openai, threading
client = openai.OpenAI()
def ask():
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
"""
AT_EXIT = """
import atexit, openai
client = openai.OpenAI()
atexit.register(lambda: client.chat.completions.create(model="m", messages=[]))
"""
FORKS = """
import openai, os
client = openai.OpenAI()
def ask(text):
    openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
ask("before")
children = []
for number in range(3):
    child = os.fork()
    if not child:
        ask(f"child {number}")
        raise SystemExit(0)
    children.append(child)
ask("after")
[os.waitpid(child, 0) for child in children]
"""


@pytest.mark.parametrize(
    ("program", "spans"),
    [(STREAM_LEFT_OPEN, 1), (THREADS, 8), (AT_EXIT, 1), (FORKS, 5)],
    ids=["open", "threads", "atexit", "forks"],
)
def test_every_span_is_delivered_once_by_the_exit(program: str, spans: int, tmp_path: Path) -> None:
    if program is STREAM_LEFT_OPEN and sys.version_info[:3] == (3, 13, 0):
        pytest.skip("Python 3.13.0 itself crashes when a half-read stream is left to its exit")

    def answer(request: object) -> replies.Reply:
        streamed = request.json.get("stream")  # type: ignore[attr-defined]
        return replies.chat_stream(["a", "b", "c"]) if streamed else replies.chat("Hello")

    with BraintrustServer() as server, ProviderServer() as provider:
        provider.reply(answer)
        done = hooked(program, server.env(), provider.env(), cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        assert len(server.rows()) == spans
        assert set(server.deliveries.values()) == {1}
