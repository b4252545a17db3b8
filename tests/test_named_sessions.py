"""Sessions, users and tags of turns in named traces, and what of them falls by sampling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest

import bttrace
from bttrace.testing import CountedIds, capture
from tests.apis import CHAT, RESPONSES, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.loops import Talk, model
from tests.nested import named
from tests.test_named_traces import TOOLS, keys, looped, roots


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(model(rounds=1))
        yield server


def test_a_turn_and_its_root_have_what_the_opening_request_says(provider: ProviderServer) -> None:
    first = {"user": "u", "session_id": "s", "tags": ["t"], "metadata": {"m": 1}, "trace": {"trace_id": "a"}}
    then = {"user": "v", "session_id": "other", "tags": ["other"], "metadata": {"m": 2}}
    with traced() as (captured, _), CHAT.client(provider) as client:
        looped(client, "chat", {"extra_body": first}, {"extra_body": then})
        rows = captured.rows
    expected = {"m": 1, "trace_id": "a", "session_id": "s", "user_id": "u"}
    assert named(rows, "trace a")["metadata"] == expected
    turn = named(rows, "agent turn")
    assert {name: turn["metadata"][name] for name in expected} == expected
    assert [turn["tags"], named(rows, "trace a")["tags"]] == [["t"], ["t"]]
    llm = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    assert [row["metadata"]["session_id"] for row in llm] == ["s", "other"]
    assert [row["tags"] for row in llm] == [["t"], ["other"]]


def test_a_conversation_is_one_session_in_whichever_traces_its_turns_are(provider: ProviderServer) -> None:
    with traced() as (captured, _), RESPONSES.client(provider) as client:
        talk = Talk("previous")
        for prompt, trace in (("one", "a"), ("two", "b")):
            talk.say(prompt)
            for _ in range(2):
                given = {**talk.request(), **keys(trace_id=trace)}
                talk.bring(talk.take(client.responses.create(**given).to_dict()))
        rows = captured.rows
    sessions = {
        row["metadata"]["session_id"] for row in rows if row["span_attributes"]["name"] == "agent turn"
    }
    assert [row["span_attributes"]["name"] for row in roots(rows)] == ["trace a", "trace b"]
    assert sessions == {roots(rows)[0]["root_span_id"]}
    assert roots(rows)[1]["metadata"]["session_id"] in sessions


@pytest.mark.parametrize("around", [nullcontext(), bttrace.context(session_id="of the block")])
def test_whole_sessions_and_whole_traces_fall(
    around: AbstractContextManager[None], provider: ProviderServer
) -> None:
    """The same way in every process: each capture knows of no other."""
    provider.reply(chat())
    kept: list[set[str]] = []
    with CHAT.client(provider) as client, around:
        for turned in (False, True):
            with capture(sample_rate=0.5, ids=CountedIds()) as captured:
                for number in range(12):
                    body = {"session_id": f"s-{number % 6}", "trace": {"trace_id": f"t-{number}"}}
                    more = {"tools": TOOLS} if turned else {}
                    client.chat.completions.create(**CHAT.given, **more, extra_body=body)
                rows = captured.rows
            assert all(
                len([row for row in rows if row["root_span_id"] == one["root_span_id"]]) == 4 if turned else 2
                for one in roots(rows)
            )
            found = [(row["metadata"]["session_id"], row["metadata"]["trace_id"]) for row in roots(rows)]
            sessions = {session for session, _ in found}
            assert 0 < len(sessions) < 6
            assert len(found) == 2 * len(sessions)
            kept.append(sessions)
    assert kept[0] == kept[1]
