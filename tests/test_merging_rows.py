"""What is open is sent, and completed later by a row of the same id: never two in one request, and nothing stays of the first."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import openai
import pytest

import bttrace
from bttrace.sinks.spooling.segments import Row
from bttrace.sinks.tally import Tally
from bttrace.sinks.waiting import Waiting
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

TOOLS: Any = [{"type": "function", "function": {"name": "search"}}]
CALLS = [("c1", "search", '{"query": "Paris"}')]
MORE = [("c2", "search", '{"query": "Rome"}')]


class Loop:
    """A hand-written loop that is taken step by step."""

    def __init__(self, server: BraintrustServer, provider: ProviderServer, prompt: str = "weather?") -> None:
        bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, project="P")
        self._server = server
        self._reply = replies.chat()
        provider.reply(lambda _request: self._reply)
        self._messages: list[Any] = [{"role": "user", "content": prompt}]
        self._client = openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)

    def step(self, reply: replies.Reply) -> None:
        """Asks once, with the results of what was asked for before."""
        self._reply = reply
        said = self._client.chat.completions.create(
            model="gpt-4o-mini", messages=self._messages, tools=TOOLS
        ).choices[0]
        self._messages.append(said.message)
        for call in said.message.tool_calls or ():
            self._messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})

    @property
    def turn(self) -> dict[str, Any]:
        [turn] = [row for row in self._server.rows("P") if row["span_attributes"]["name"] == "agent turn"]
        return turn


def sequence(server: BraintrustServer, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row of one id, as it came."""
    return [event for event in server.events if event["id"] == row["id"]]


def counts() -> tuple[int, int, int]:
    found = bttrace.status().sinks["braintrust"]
    return found.sent, found.waiting, found.lost


def test_a_turn_is_sent_while_it_is_open_and_completed_by_merging(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    loop = Loop(braintrust_api, provider)
    loop.step(replies.chat(tool_calls=CALLS))
    assert bttrace.flush()
    assert "end" not in loop.turn["metrics"]
    assert "output" not in loop.turn
    assert "turn_status" not in loop.turn["metadata"]
    assert counts() == (len(braintrust_api.rows("P")), 0, 0)
    loop.step(replies.chat("done"))
    assert bttrace.flush()
    turn = loop.turn
    first, last = sequence(braintrust_api, turn)
    assert ("_is_merge" in first, last["_is_merge"]) == (False, True)
    assert (turn["input"], turn["output"], turn["metadata"]["turn_status"]) == (
        "weather?",
        "done",
        "completed",
    )
    assert turn["metrics"]["end"] >= turn["metrics"]["start"] == first["metrics"]["start"]
    assert {name: turn[name] for name in ("span_id", "root_span_id", "created")} == {
        name: first[name] for name in ("span_id", "root_span_id", "created")
    }
    assert braintrust_api.clashes == []
    rows = braintrust_api.rows("P")
    assert Counter(row["span_attributes"]["name"].partition(" (")[0] for row in rows) == Counter(
        {"agent turn": 1, "reason": 2, "llm.generation": 2, "act": 1, "tool.call": 1}
    )
    assert all("end" in row["metrics"] for row in rows)
    assert counts() == (len(rows), 0, 0)


def test_the_open_step_of_a_slow_call_is_visible_before_anything_of_it_has_ended(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    loop = Loop(braintrust_api, provider)
    loop.step(replies.chat(tool_calls=CALLS))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(
        row["span_attributes"]["name"] == "act (iteration 1)" for row in braintrust_api.rows("P")
    ):
        time.sleep(0.05)
    names = {
        row["span_attributes"]["name"]: "end" in row["metrics"]
        for row in braintrust_api.rows("P")
        if row["span_attributes"]["type"] == "task"
    }
    assert names == {"agent turn": False, "reason (iteration 1)": True, "act (iteration 1)": False}


@pytest.mark.parametrize("stored", [False, True])
def test_what_comes_of_a_span_while_it_waits_takes_its_place(
    braintrust_api: BraintrustServer, provider: ProviderServer, *, stored: bool
) -> None:
    braintrust_api.fault("/v1/project_logs", times=None, drop=True, stored=stored)
    loop = Loop(braintrust_api, provider)
    loop.step(replies.chat(tool_calls=CALLS))
    assert not bttrace.flush(1)
    sent, waiting, lost = counts()
    assert (sent, lost) == (0, 0)
    assert waiting >= 3  # the turn, its reason and the generation; the act as soon as it is old enough
    loop.step(replies.chat("done"))
    assert not bttrace.flush(0.5)
    braintrust_api.heal()
    assert bttrace.flush()
    assert braintrust_api.clashes == []
    assert loop.turn["output"] == "done"
    if not stored:
        [only] = sequence(braintrust_api, loop.turn)
        assert "_is_merge" not in only
    assert all("end" in row["metrics"] for row in braintrust_api.rows("P"))
    assert counts() == (len(braintrust_api.rows("P")), 0, 0) == (7, 0, 0)


def test_a_turn_that_failed_and_goes_on_keeps_nothing_of_its_failure(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    loop = Loop(braintrust_api, provider)
    loop.step(replies.chat(tool_calls=CALLS))
    with pytest.raises(openai.BadRequestError):
        loop.step(replies.openai_error(400))
    assert bttrace.flush()
    assert (loop.turn["output"], loop.turn["metadata"]["turn_status"]) == ({"status": "failed"}, "failed")
    assert "end" in loop.turn["metrics"]
    question = loop.turn["input"]
    assert "weather?" in str(question)
    loop.step(replies.chat(tool_calls=MORE))
    assert bttrace.flush()
    assert sequence(braintrust_api, loop.turn)[-1]["output"] is None
    assert "turn_status" not in loop.turn["metadata"]
    assert "end" not in loop.turn["metrics"]
    loop.step(replies.chat("done"))
    assert bttrace.flush()
    assert (loop.turn["output"], loop.turn["metadata"]["turn_status"]) == ("done", "completed")
    assert loop.turn["input"] == question
    assert counts() == (len(braintrust_api.rows("P")), 0, 0)


def test_rows_that_are_too_large_are_cut_as_often_as_they_are_sent(provider: ProviderServer) -> None:
    with BraintrustServer(max_bytes=100_000) as server:
        loop = Loop(server, provider, "weather " * 20_000)
        loop.step(replies.chat(tool_calls=CALLS))
        assert bttrace.flush()
        loop.step(replies.chat("done"))
        assert bttrace.flush()
        first, last = sequence(server, loop.turn)
        assert first["metadata"]["bytes_cut"] > 90_000
        assert last["metadata"]["bytes_cut"] > 90_000
        assert loop.turn["output"] == "done"
        assert all("end" in row["metrics"] for row in server.rows("P"))
        assert counts() == (len(server.rows("P")), 0, 0)


def test_a_span_that_is_too_large_is_lost_once_and_only_when_others_are_taken(
    provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with BraintrustServer(max_bytes=20_000) as server:
        loop = Loop(server, provider, "weather " * 5_000)
        loop.step(replies.chat(tool_calls=CALLS))
        assert not bttrace.flush()
        sent, waiting, lost = counts()
        assert sent in (1, 2)  # the reason, and the act if it is old enough
        assert waiting + lost == 2
        assert lost in (
            1,
            2,
        )  # the turn; the generation waits until the act, the next that is taken, shows whose fault it is
        loop.step(replies.chat("done"))
        bttrace.flush()
        assert sum(counts()) == 7
        assert counts()[0] == 4  # both reasons, the act and the tool
        assert "413" in capsys.readouterr().err


def test_after_a_refusal_every_span_is_kept_once(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop(braintrust_api, provider)
    loop.step(replies.chat(tool_calls=CALLS))
    assert bttrace.flush()
    sent, _, _ = counts()
    braintrust_api.fault("/v1/project_logs", status=401, times=None)
    loop.step(replies.chat("done"))
    assert not bttrace.flush()
    found = bttrace.status().sinks["braintrust"]
    assert (found.sent + found.kept, found.waiting, found.lost) == (7, 0, 0)
    assert found.sent < sent  # what was completed since is not there as it is
    assert "401" in capsys.readouterr().err


def test_a_journal_counts_a_span_once_and_reads_it_as_it_was_last(
    provider: ProviderServer, tmp_path: Any
) -> None:
    bttrace.enable(exporter="local", journal_dir=str(tmp_path))
    client = openai.OpenAI(base_url=provider.openai_url, api_key="k")
    asked: Any = [{"role": "user", "content": "weather?"}]
    provider.reply(replies.chat(tool_calls=CALLS), replies.chat("done"))
    for _ in range(2):
        said = client.chat.completions.create(model="gpt-4o-mini", messages=asked, tools=TOOLS).choices[0]
        asked += [said.message, {"role": "tool", "tool_call_id": "c1", "content": "sunny"}]
        bttrace.flush()
    assert bttrace.status().sinks["local"].kept == 7


def _add(waiting: Waiting, tally: Tally, row: Row, *, again: bool = False) -> int:
    """Adds a row; gives how many had to go for it."""
    waiting.add(row, again=again)
    gone = waiting.excess(generously=False)
    for one in gone:
        tally.count_lost(one.identity)
    waiting.placed(gone)
    return len(gone)


def test_what_waits_is_bounded_and_what_had_to_go_is_lost_until_it_comes_again() -> None:
    tally = Tally()
    waiting = Waiting(tally)
    for number in range(10_001):
        dropped = _add(waiting, tally, Row(str(number), b"{}", merges=False))
    assert (dropped, len(waiting), tally.lost) == (1, 10_000, 1)
    assert [row.identity for row in waiting.batch(2, 100)] == ["1", "2"]
    waiting.returned()
    assert _add(waiting, tally, Row("0", b"{}", merges=True), again=True) == 1
    assert (len(waiting), tally.sent, tally.lost) == (10_000, 0, 1)
    large = Row("large", b" " * 16 * 2**20, merges=False)
    dropped = _add(waiting, tally, large)
    while gone := waiting.excess(generously=False):
        dropped += len(gone)
        waiting.placed(gone)
    assert [row.identity for row in waiting.batch(2, 100)] == ["large"]
    assert (len(waiting), dropped) == (1, 10_000)


def test_what_comes_of_a_span_while_it_is_being_sent_still_waits() -> None:
    tally = Tally()
    waiting = Waiting(tally)
    waiting.add(Row("a", b"open", merges=False), again=False)
    batch = waiting.batch(200, 100)
    waiting.add(Row("a", b"ended", merges=waiting.merges("a", again=True)), again=True)
    waiting.take(batch, sent=True)
    assert [(row.data, row.merges) for row in waiting.batch(200, 100)] == [(b"ended", False)]
    assert (tally.sent, len(waiting), tally.lost) == (0, 1, 0)


def test_what_is_being_sent_leaves_memory_for_no_other_place() -> None:
    tally = Tally()
    waiting = Waiting(tally)
    for number in range(10_000):
        waiting.add(Row(str(number), b"{}", merges=False), again=False)
    sent = waiting.batch(3, 100)
    waiting.add(Row("more", b"{}", merges=False), again=False)
    gone = waiting.excess(generously=True)
    assert [row.identity for row in gone] == [str(number) for number in range(3, 503)]
    assert len(waiting) == 10_001
    waiting.placed(gone)
    waiting.take(sent, sent=True)
    waiting.returned()
    assert (len(waiting), tally.sent) == (9_498, 3)
