"""Sampling: whole traces fall, by their session or else by their id, the same way everywhere."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import bttrace
from bttrace.contracts import Told
from bttrace.model import Json, Span
from bttrace.screens.sampling import Sampling
from bttrace.testing import CountedIds, capture
from tests import flows
from tests.apis import CHAT
from tests.doors import LOCAL, RUN, environment, finished, journal_rows
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.loops import Talk, model, turn

RATES = (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)


def span(trace: str, parents: tuple[str, ...] = (), *, merges: bool = False, **metadata: object) -> Span:
    known: Json = dict(metadata)
    return Span(trace, trace, trace, parents, "agent turn", "task", "", {}, known, {}, merges=merges)


def kept(sampling: Sampling, *spans: Span) -> list[bool]:
    return [sampling.passed(one, None) is one for one in spans]


def numbered(number: int) -> str:
    return f"user-{number}"


def random_id(_number: int) -> str:
    return uuid.uuid4().hex


def counted(number: int) -> str:
    return f"{number:032x}"


@pytest.mark.parametrize("made", [numbered, random_id, counted])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("by", ["session", "trace"])
def test_the_share_is_the_rate(by: str, rate: float, made: Callable[[int], str]) -> None:
    sampling, count = Sampling(rate), 9000
    spans = (
        span(uuid.uuid4().hex, session_id=made(number)) if by == "session" else span(made(number))
        for number in range(count)
    )
    share = sum(kept(sampling, *spans)) / count
    assert abs(share - rate) <= 4.5 * (rate * (1 - rate) / count) ** 0.5
    assert sampling.left_out == count - round(share * count)


def test_a_session_falls_the_same_way_in_every_process() -> None:
    """As its SHA-256 has it, which no seed and no version of Python changes."""
    sampling = Sampling(0.3)
    passed = [
        number
        for number in range(20)
        if kept(sampling, span(random_id(0), session_id=f"session-{number}"))[0]
    ]
    assert passed == [0, 19]


def test_a_higher_rate_keeps_what_a_lower_keeps() -> None:
    spans = [span(random_id(0), session_id=numbered(number)) for number in range(500)]
    found = [{one.row_id for one in spans if Sampling(rate).passed(one, None)} for rate in RATES]
    assert all(lower <= higher for lower, higher in pairwise(found))
    assert (len(found[0]), len(found[-1])) == (0, 500)


def test_a_trace_falls_as_its_first_span_does() -> None:
    """What comes later has no say: rows that merge, children of any session, another root."""
    for rate in (0.2, 0.8):
        sampling, seen = Sampling(rate), set()
        for number in range(40):
            trace = random_id(0)
            first, *later = kept(
                sampling,
                span(trace, session_id=numbered(number)),
                span(trace, (trace,), session_id=numbered(number + 1)),
                span(trace, (trace,)),
                span(trace, session_id=numbered(number + 2), merges=True),
            )
            assert set(later) == {first}
            child = random_id(0)
            first, *later = kept(sampling, span(child, ("x",)), span(child, session_id=numbered(number)))
            assert set(later) == {first}
            seen.add(first)
        assert seen == {True, False}


@pytest.mark.parametrize("session", ["", 3, None, ["x"]])
def test_what_is_no_session_id_is_passed_over(session: object) -> None:
    traces = [random_id(0) for _ in range(50)]
    with_it = kept(Sampling(0.5), *(span(trace, session_id=session) for trace in traces))
    assert with_it == kept(Sampling(0.5), *(span(trace) for trace in traces))


def test_odd_ids_are_hashed_all_the_same() -> None:
    assert kept(Sampling(1.0), span("\ud800", session_id="\udfff\x00")) == [True]


def test_what_is_remembered_is_bounded() -> None:
    sampling = Sampling(0.5)
    for number in range(25_000):
        sampling.passed(span(counted(number)), None)
    assert len(sampling._kept) == 10_000


def test_what_hangs_in_the_application_s_own_spans_stays() -> None:
    sampling = Sampling(0.0)
    assert sampling.passed(span("trace"), object()) is not None
    assert sampling.passed(span("trace"), Told("trace", "span")) is None


# Through the whole house.


def test_the_turns_of_a_conversation_fall_together(provider: ProviderServer) -> None:
    provider.reply(model())
    fallen = set()
    with CHAT.client(provider) as client:
        for number in range(6):
            with capture(sample_rate=0.5) as captured:
                for prompt in ("one", "two"):
                    talk = Talk("chat")
                    talk.say(prompt)
                    for _ in range(3):
                        answer = client.chat.completions.create(
                            **talk.request(), prompt_cache_key=f"chat-{number}"
                        ).to_dict()
                        talk.bring(talk.take(answer))
                names = [row["span_attributes"]["name"] for row in captured.rows]
                left_out = bttrace.status().sampled_out
            assert names.count("agent turn") in (0, 2)
            assert (left_out == 0) == bool(names)
            fallen.add(bool(names))
    assert fallen == {True, False}


def test_turns_and_their_steps_fall_together(provider: ProviderServer) -> None:
    provider.reply(model())
    with CHAT.client(provider) as client, capture(sample_rate=0.5, ids=CountedIds()) as captured:
        for number in range(12):
            turn(Talk("chat"), client, f"p{number}", stream=bool(number % 2))
        rows = captured.rows
    roots = [row for row in rows if not row.get("span_parents")]
    assert 0 < len(roots) < 12
    assert {row["span_attributes"]["name"] for row in roots} == {"agent turn"}
    for root in roots:  # 3 generations and what they stand in, 2 acts with 2 tools each
        assert sum(row["root_span_id"] == root["root_span_id"] for row in rows) == 13
    assert len(rows) == 13 * len(roots)


@pytest.mark.parametrize(("rate", "count"), [(0, 0), (1, 4), (0.5, None)])
def test_threads_of_a_workflow_fall_with_it(rate: float, count: int | None, provider: ProviderServer) -> None:
    provider.reply(chat("Hello."))
    seen = set()
    with CHAT.client(provider) as client:
        for number in range(8 if count is None else 1):
            ids = CountedIds()
            for _ in range(number):
                ids.trace()
            with capture(sample_rate=rate, workflows="tests.flows:bare", ids=ids) as captured:
                for said in ("one", "two"):
                    thread = threading.Thread(target=flows.bare, args=(client, said))
                    thread.start()
                    thread.join()
                rows = captured.rows
            assert len(rows) == count or (count is None and len(rows) in (0, 2, 4))
            assert all({row["root_span_id"] for row in rows} >= {one["root_span_id"]} for one in rows)
            seen.add(len(rows))
    assert len(seen) > 1 or count is not None


FORKS = """
import openai, os, threading
client = openai.OpenAI()
def ask(said):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}], user="x")
ask("parent")
for number in range(2):
    child = os.fork()
    if not child:
        client = openai.OpenAI()
        ask("child")
        raise SystemExit(0)
    os.waitpid(child, 0)
ask("after")
"""


def test_a_run_falls_with_its_forked_children(tmp_path: Path, provider: ProviderServer) -> None:
    provider.reply(chat("Hello."))
    env = environment({**LOCAL, **provider.env(), "BTTRACE_SAMPLE_RATE": "0.5"})
    done = finished([*RUN, "--workflow", "-c", FORKS], env, tmp_path)
    assert done.code == 0, done.err
    assert len(journal_rows(tmp_path / ".bttrace")) in (0, 5)


def test_the_variable(tmp_path: Path, provider: ProviderServer) -> None:
    provider.reply(chat("Hello."))
    code = (
        "import bttrace, openai\nclient = openai.OpenAI()\nfor _ in range(6):\n"
        "    client.chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'hi'}])\n"
        "bttrace.flush()\nprint(bttrace.status())"
    )
    with BraintrustServer() as server:
        env = environment({**server.env(), **provider.env(), "BTTRACE_SAMPLE_RATE": "0"})
        done = finished([*RUN, "-c", code], env, tmp_path)
        assert (done.code, done.err) == (0, "")
        assert "left out by BTTRACE_SAMPLE_RATE: 6\n" in done.out
        assert server.rows() == []


OWN = """
import braintrust, openai
logger = braintrust.init_logger(project="Ours")
logger.project.id
client = openai.OpenAI()
def ask(said):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}])
with logger.start_span(name="theirs"):
    ask("in theirs")
ask("alone")
import flows
flows.traced(client)
"""
FLOWS = """
import braintrust
def traced(client):
    with braintrust.start_span(name="inside"):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "in a workflow"}])
"""


def test_beside_braintrust_its_traces_stay_whole(tmp_path: Path, provider: ProviderServer) -> None:
    """What hangs in the application's own spans stays, and those hang in nothing that is left out."""
    pytest.importorskip("braintrust")
    provider.reply(chat("Hello."))
    (tmp_path / "flows.py").write_text(FLOWS)
    with BraintrustServer() as server:
        env = {
            **server.env(),
            **provider.env(),
            "BRAINTRUST_PROJECT_NAME": "Ours",
            "BTTRACE_SAMPLE_RATE": "0",
            "BTTRACE_WORKFLOWS": "flows:traced",
        }
        done = finished([*RUN, "-c", OWN], environment(env), tmp_path)
        assert (done.code, done.err) == (0, "")
        rows: list[dict[str, Any]] = server.rows()
    known = {row["span_id"]: row["span_attributes"]["name"] for row in rows}
    assert sorted(known.values()) == [
        "inside",
        "llm.generation (gpt-4o-mini-2024-07-18)",
        "llm.generation (gpt-4o-mini-2024-07-18)",
        "theirs",
    ]
    above = [known.get(parent) for row in rows for parent in row.get("span_parents") or []]
    assert sorted(map(str, above)) == ["inside", "theirs"]
