"""What overflows memory goes to the spool, and from there, in order, to Braintrust when it is well again."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from bttrace.contracts import Counts
from bttrace.model import Attachment
from bttrace.sinks.braintrust import _ESTATE_TIMEOUT as ESTATE_TIMEOUT
from bttrace.sinks.braintrust import BraintrustSink
from bttrace.sinks.waiting import Waiting
from tests.loopback.braintrust import BraintrustServer
from tests.patience import became
from tests.sinks import Sinks, counts, flushed, outputs, span


def _ended(server: BraintrustServer) -> bool:
    return all("end" in row["metrics"] for row in server.rows("P"))


def _counts(sink: BraintrustSink) -> tuple[int, int, int]:
    sent, kept, waiting, lost = counts(sink)
    return sent, kept + waiting, lost


MODES = pytest.mark.parametrize("mode", ["on-failure", "always"])


@MODES
def test_what_overflows_is_kept_and_delivered_in_order_when_the_api_is_well_again(
    braintrust_api: BraintrustServer, sinks: Sinks, mode: str
) -> None:
    braintrust_api.fault("/v1", status=503, times=None)
    sink = sinks.sink(spool=mode)
    for number in range(12_000):
        if number % 10 == 0:
            sink.write(span(f"{number}", "open", ended=False), None)
        else:
            sink.write(span(f"{number}", number), None)
        if number % 500 == 499:
            sink.deliver()
    for number in range(0, 12_000, 10):
        sink.write(span(f"{number}", number, again=True), None)
    # What goes to the disk in this moment is counted in both places.
    assert became((0, 12_000, 0), lambda: _counts(sink)) == (0, 12_000, 0)
    assert sink.counts().waiting <= 10_000
    assert sinks.files
    braintrust_api.heal()
    assert flushed(sink)
    assert counts(sink) == (12_000, 0, 0, 0)
    assert outputs(braintrust_api) == {f"{number}": number for number in range(12_000)}
    assert _ended(braintrust_api)
    assert braintrust_api.clashes == []
    assert sinks.files == []
    assert len(braintrust_api.events) <= 12_000 + 1_200


@MODES
def test_the_later_row_of_a_span_wins_over_processes(
    braintrust_api: BraintrustServer, sinks: Sinks, mode: str
) -> None:
    braintrust_api.fault("/v1", status=503, times=None)
    sink = sinks.sink(spool=mode)
    sink.write(span("turn", "open", ended=False), None)
    flushed(sink, 0.3, is_last=True)
    sink.write(span("turn", "done", again=True), None)
    sink.write(span("other", 1), None)
    assert not flushed(sink, 0.3, is_last=True)
    assert counts(sink) == (0, 2, 0, 0)
    sink.close()
    braintrust_api.heal()
    heir = sinks.sink(spool=mode)
    assert flushed(heir, is_last=True)
    assert outputs(braintrust_api) == {"turn": "done", "other": 1}
    assert _ended(braintrust_api)
    assert counts(heir) == (0, 0, 0, 0)
    assert sinks.files == []


def test_always_keeps_what_was_replaced_in_memory_until_the_later_row_arrived(
    braintrust_api: BraintrustServer, sinks: Sinks
) -> None:
    braintrust_api.fault("/v1", status=503, times=None)
    sink = sinks.sink(spool="always")
    sink.write(span("turn", "open", ended=False), None)
    sink.write(span("turn", "done", again=True), None)
    [segment] = sinks.files
    assert [json.loads(line).get("output") for line in segment.read_text().splitlines()] == [
        None,
        "open",
        "done",
    ]
    braintrust_api.heal()
    sink.deliver()
    assert flushed(sink)
    [event] = braintrust_api.events
    assert (event["output"], "_is_merge" in event) == ("done", False)
    assert sinks.files == []


def test_after_a_refusal_all_is_kept_until_there_is_a_right_key(
    braintrust_api: BraintrustServer, sinks: Sinks, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = sinks.sink(api_key="wrong")
    sink.write(span("one", 1), None)
    assert not flushed(sink)
    assert counts(sink) == (0, 1, 0, 0)
    sink.write(span("two", 2), None)
    sink.deliver()
    assert counts(sink) == (0, 2, 0, 0)
    assert not flushed(sink, is_last=True)
    [line] = capsys.readouterr().err.splitlines()
    assert "401" in line
    assert str(sinks.folder) in line
    sink.close()
    assert flushed(sinks.sink(), is_last=True)
    assert outputs(braintrust_api) == {"one": 1, "two": 2}


def test_an_api_to_which_everything_is_too_large_costs_nothing(
    braintrust_api: BraintrustServer, sinks: Sinks
) -> None:
    braintrust_api.fault("/v1/project_logs", status=413, times=None)
    sink = sinks.sink()
    for number in range(5):
        sink.write(span(f"{number}", number), None)
    assert not flushed(sink, 1)
    assert not flushed(sink, 1, is_last=True)
    assert counts(sink) == (0, 5, 0, 0)
    sink.close()
    braintrust_api.heal()
    assert flushed(sinks.sink(), is_last=True)
    assert outputs(braintrust_api) == {f"{number}": number for number in range(5)}


def test_the_oldest_go_when_there_are_too_many_bytes(
    braintrust_api: BraintrustServer,
    sinks: Sinks,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bttrace.sinks.spooling.bounds.LIMIT", 3 * 2**20)
    dead = sinks.sink(api_key="wrong")
    dead.write(span("dead", "x" * 2**20), None)
    flushed(dead, is_last=True)
    dead.close()
    sink = sinks.sink(api_key="wrong")
    for number in range(6):
        sink.write(span(f"{number}", "x" * 900_000), None)
        flushed(sink)
    assert sum(path.stat().st_size for path in sinks.files) < 5 * 2**20
    _, kept, _, lost = counts(sink)
    assert (kept + lost, lost >= 2) == (6, True)
    assert "the oldest spans in it are dropped" in capsys.readouterr().err
    sink.close()
    assert flushed(sinks.sink(), is_last=True)
    assert list(outputs(braintrust_api)) == [f"{number}" for number in range(lost, 6)]


PICTURE = Attachment("image/png", b"\x89PNG" + bytes(range(256)), "a.png")


@MODES
def test_attachments_are_kept_beside_their_rows_and_uploaded_with_them(
    braintrust_api: BraintrustServer, sinks: Sinks, mode: str
) -> None:
    braintrust_api.fault("/", status=503, times=None)
    sink = sinks.sink(spool=mode)
    sink.write(span("one", PICTURE), None)
    assert len(sinks.files) == (2 if mode == "always" else 0)
    assert not flushed(sink, 0.3, is_last=True)
    told = sink.counts()
    assert (told.kept, told.attachments) == (1, Counts(kept=1))
    assert sorted(path.suffix for path in sinks.files) == [".attachment", ".jsonl"]
    assert {path.stat().st_mode & 0o777 for path in sinks.files} == {0o600}
    sink.close()
    braintrust_api.heal()
    assert flushed(sinks.sink(spool=mode), is_last=True)
    [reference] = outputs(braintrust_api).values()
    attachment = braintrust_api.attachments[reference["key"]]
    assert (attachment.data, attachment.status) == (PICTURE.data, {"upload_status": "done"})
    assert braintrust_api.attachment_flaws == []
    assert sinks.files == []


def test_an_attachment_alone_is_kept_and_uploaded(braintrust_api: BraintrustServer, sinks: Sinks) -> None:
    braintrust_api.fault("/signed", status=503, times=None)
    sink = sinks.sink()
    sink.write(span("one", PICTURE), None)
    assert not flushed(sink, 0.5, is_last=True)
    assert [path.suffix for path in sinks.files] == [".attachment"]
    sink.close()
    braintrust_api.heal()
    assert flushed(sinks.sink(), is_last=True)
    assert braintrust_api.attachment_flaws == []
    assert sinks.files == []


def test_a_forked_child_has_no_part_in_its_parents_spool(
    braintrust_api: BraintrustServer, sinks: Sinks
) -> None:
    braintrust_api.fault("/v1", status=503, times=None)
    sink = sinks.sink(spool="always")
    sink.write(span("parent", 1), None)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sink.after_fork()
            sink.write(span("child", 2), None)
            opened = [str(path.resolve()) for path in Path("/proc/self/fd").iterdir()]
            own = [name for name in opened if name.startswith(str(sinks.folder)) and name.endswith("/lock")]
            os.write(writer, json.dumps(own).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    [own] = json.loads(os.read(reader, 10_000))
    os.close(reader)
    folders = {path.parent for path in sinks.files}
    assert len(folders) == 2
    assert Path(own).parent in folders
    braintrust_api.heal()
    heir = sinks.sink()
    assert flushed(heir, is_last=True)
    assert outputs(braintrust_api) == {"child": 2}
    assert flushed(sink, is_last=True)
    assert outputs(braintrust_api) == {"child": 2, "parent": 1}


def _hesitate(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Lets other threads in before a thread takes rows, and before it puts them anywhere."""
    taken = getattr(Waiting, name)

    def hesitating(*given: Any) -> Any:
        time.sleep(0.001)
        rows = taken(*given)
        time.sleep(0.001)
        return rows

    monkeypatch.setattr(Waiting, name, hesitating)


@MODES
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_every_span_arrives_as_it_was_last(
    braintrust_api: BraintrustServer, sinks: Sinks, monkeypatch: pytest.MonkeyPatch, mode: str, seed: int
) -> None:
    for name in ("rest", "batch")[: seed % 3]:
        _hesitate(monkeypatch, name)
    for name, value in {
        "waiting._ROWS": 12,
        "waiting.ROWS": 4,
        "spooling.segments.ROWS": 4,
        "spooling.spool.ROWS": 4,
    }.items():
        monkeypatch.setattr(f"bttrace.sinks.{name}", value)
    monkeypatch.setattr("bttrace.sinks.backoff._PAUSES", (0.001,))
    dice = random.Random(seed)
    sink = sinks.sink(spool=mode)
    last: dict[str, int] = {}
    recent: list[str] = []
    for number in range(1_500):
        again = bool(recent) and dice.random() < 0.4
        name = dice.choice(recent[-30:]) if again else f"{number}"
        recent += [] if again else [name]
        sink.write(span(name, number, again=again, ended=dice.random() < 0.5), None)
        last[name] = number
        if dice.random() < 0.3:
            sink.deliver()
        if dice.random() < 0.02:
            braintrust_api.heal()
            if dice.random() < 0.6:
                stored = dice.random() < 0.5
                braintrust_api.fault("/v1/project_logs", status=503, times=dice.randint(1, 20), stored=stored)
        if dice.random() < 0.004:
            flushed(sink, is_last=True)  # no request is left on its way
            sink.close()
            sink = sinks.sink(spool=mode)
            recent.clear()  # no span goes on in another process
        if dice.random() < 0.1:
            time.sleep(0.002)
    braintrust_api.heal()
    while not flushed(sink, is_last=True) and sink.counts().waiting:
        pass
    sink.close()
    heir = sinks.sink()
    assert flushed(heir, is_last=True)
    assert outputs(braintrust_api) == last
    assert braintrust_api.clashes == []
    assert sinks.files == []


def test_an_exit_waits_a_second_at_most_for_what_others_left(
    braintrust_api: BraintrustServer, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bttrace.sinks.braintrust._ESTATE_TIMEOUT", ESTATE_TIMEOUT)
    dead = sinks.sink(api_key="wrong")
    dead.write(span("dead", 1), None)
    flushed(dead, is_last=True)
    dead.close()
    braintrust_api.fault("/v1/project_logs", delay=5, times=None)
    began = time.monotonic()
    assert flushed(sinks.sink(), is_last=True)
    assert 0.9 < time.monotonic() - began < 4.5
    assert len(sinks.files) == 1


def test_what_others_left_waits_for_what_is_this_processs_own(
    braintrust_api: BraintrustServer, sinks: Sinks
) -> None:
    dead = sinks.sink(api_key="wrong")
    for number in range(3):
        dead.write(span(f"dead {number}", "x" * 600_000), None)
    flushed(dead, is_last=True)
    dead.close()
    assert len(sinks.files) == 2
    braintrust_api.fault("/v1/project_logs", delay=1, times=1)
    heir = sinks.sink()
    deadline = time.monotonic() + 20
    while not _inserts(braintrust_api) and time.monotonic() < deadline:
        time.sleep(0.01)
    heir.write(span("own", 1), None)
    assert flushed(heir)
    while sinks.files and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [row["span_id"] for row in braintrust_api.events] == ["dead 0", "dead 1", "own", "dead 2"]
    assert sinks.files == []


def _inserts(server: BraintrustServer) -> list[str]:
    return [request.route for request in server.requests if request.route.endswith("/insert")]
