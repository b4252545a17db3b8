"""`bttrace.context(...)`: what begins in the block is told of with what was said there, wherever it goes on."""

from __future__ import annotations

import asyncio
import timeit
from pathlib import Path
from typing import Any

import pytest

import bttrace
from bttrace.testing import capture
from tests import flows
from tests.apis import CHAT, Api, each_api
from tests.asking import ABOUT, _aclient, _client, _unscripted, about, ask, block, run
from tests.conversations import Asked, Conversation, script
from tests.dispatch import by_dict
from tests.doors import FOLDER, LOCAL, PYTHON, environment, finished, journal_rows
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.loops import Talk, aturn, model, turn
from tests.nested import named, nested

__all__ = ["_aclient", "_client", "_unscripted"]


@each_api
def test_every_way_of_calling_tells_of_it(api: Api, provider: ProviderServer) -> None:
    provider.reply(lambda request: (api.streamed if request.json.get("stream") else api.whole)())

    async def acall() -> None:
        async with api.aclient(provider) as aclient:
            await api.resource(aclient).create(**api.given)
            _ = [chunk async for chunk in await api.resource(aclient).create(**api.given, stream=True)]

    with api.client(provider) as client, capture() as captured:
        resource = api.resource(client)
        with block():
            resource.create(**api.given)
            list(resource.create(**api.given, stream=True))
            resource.with_raw_response.create(**api.given).parse()
            with resource.stream(**api.given) as stream:
                getattr(stream, api.final)()
            asyncio.run(acall())
        resource.create(**api.given)
        *inside, outside = sorted(captured.rows, key=lambda row: row["metrics"]["start"])
        assert [about(row) for row in inside] == [(ABOUT, ["one", "two"])] * 6
        assert about(outside) == ({}, None)
        assert len(provider.requests) == 7
        assert all("s-1" not in repr(request.json) for request in provider.requests)


def test_blocks_stand_within_one_another(client: Any) -> None:
    again = bttrace.context(user_id="again", tags=["two", "three"], metadata={"more": [1], "team": "ads"})
    with capture() as captured:
        with block():
            with again:
                ask(client, "in both")
                with bttrace.context(session_id="s-2"), again:
                    ask(client, "in four")
            ask(client, "in one")
        with again:
            ask(client, "in the other")
        with pytest.raises(KeyError), block():
            raise KeyError
        ask(client, "in none")
        found = {row["input"][0]["content"]: about(row) for row in captured.rows}
        both: dict[str, Any] = {"session_id": "s-1", "user_id": "again", "team": "ads", "more": [1]}
        assert found == {
            "in both": (both, ["one", "two", "three"]),
            "in four": ({**both, "session_id": "s-2"}, ["one", "two", "three"]),
            "in one": (ABOUT, ["one", "two"]),
            "in the other": ({"user_id": "again", "team": "ads", "more": [1]}, ["two", "three"]),
            "in none": ({}, None),
        }


# What stands around calls.


def test_a_turn_tells_of_it_and_its_steps_do_not(provider: ProviderServer, unscripted: Any) -> None:
    provider.reply(model())
    with capture() as captured:
        with block():
            turn(Talk("chat"), unscripted, "loud")
        rows = captured.rows
        assert about(named(rows, "agent turn")) == (ABOUT, ["one", "two"])
        assert {about(row) == (ABOUT, ["one", "two"]) for row in captured.generations} == {True}
        others = [row for row in rows if row not in captured.generations and row.get("span_parents")]
        assert {row["span_attributes"]["name"].split(" ")[0] for row in others} == {
            "reason",
            "act",
            "tool.call",
        }
        assert {about(row)[1] for row in others} == {None}


def test_asynchronous_agents_side_by_side(provider: ProviderServer) -> None:
    provider.reply(model())
    aclient = CHAT.aclient(provider)

    async def one(name: str) -> None:
        with bttrace.context(session_id=name):
            await aturn(Talk("chat"), aclient, f"q{name}", stream=True)

    async def main() -> None:
        await asyncio.gather(*(one(f"s{number}") for number in range(3)))

    with capture() as captured:
        run(aclient, main)
        turns = [row for row in captured.rows if row["span_attributes"]["name"] == "agent turn"]
        assert {row["input"]: row["metadata"]["session_id"] for row in turns} == {
            f"qs{number}": f"s{number}" for number in range(3)
        }


def test_workflows_tasks_and_what_is_in_them(provider: ProviderServer, unscripted: Any) -> None:
    provider.reply(chat(tool_calls=[("c1", "weather", "{}")]), chat("Done."))
    with capture(workflows="tests.flows:handle", tasks="tests.flows:research") as captured:
        with block():
            flows.handle(unscripted, "loud")
        rows = captured.rows
        told = [named(rows, name) for name in ("workflow:handle", "task:research", "agent turn")]
        assert [about(row) for row in (*told, *captured.generations)] == [(ABOUT, ["one", "two"])] * 6
        assert nested(rows)[0][0] == "workflow:handle"


ONCE: Asked = [("call_1", "search", {"q": "otters", "limit": 2})]


def test_a_tool_and_the_model_that_is_asked_in_it(provider: ProviderServer, unscripted: Any) -> None:
    """A tool tells of it where it is the whole trace; in a turn, the turn does."""
    script(provider, CHAT, ONCE)
    original = by_dict.TOOLS["search"]
    with capture(tools="tests.dispatch.by_dict:TOOLS", discover_tools=False) as captured:
        search: Any = by_dict.TOOLS["search"]
        with block():
            search(q="newts", limit=1)
            conversation = Conversation(unscripted)
            [(call_id, name, arguments)] = conversation.ask()
            conversation.bring(call_id, by_dict.TOOLS[name](**arguments))
            conversation.ask()
        alone, within = [row for row in captured.rows if row["span_attributes"]["type"] == "tool"]
        assert (about(alone), alone.get("span_parents")) == ((ABOUT, ["one", "two"]), None)
        assert (about(within), len(within["span_parents"])) == (({}, None), 1)
    assert by_dict.TOOLS["search"] is original


# A process with no session, with one that comes later, and the cost.


def test_without_a_session_it_costs_nothing_and_says_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nimport bttrace\n"
        "with bttrace.context(session_id='s' * 999, tags=7, metadata={'a': [1]}): bttrace.enable()\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = finished([PYTHON, "-c", code], environment(), tmp_path)
    light = {"__future__", "_contextvars", "contextvars", "itertools", "bttrace"}
    ours = "config guard imports limits providers registries seams session speech surroundings"
    light |= {
        f"bttrace.{name}"
        for name in [*ours.split(), "seams.snapshots", "surroundings.blocks", "surroundings.correlated"]
    }
    assert (done.code, done.err) == (0, "")
    assert set(done.out.split()) <= light


EARLY = """
import bttrace, threading
from concurrent.futures import ThreadPoolExecutor
with bttrace.context(session_id="s"):
    %s
    import openai
    client = openai.OpenAI()
    def ask(said):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}])
    ask("here")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, "in a pool").result()
ask("after")
"""


@pytest.mark.parametrize("door", ["bttrace.enable(exporter='local', journal_dir='.')", "pass"])
def test_a_block_that_is_older_than_the_session_and_the_sdk(
    door: str, tmp_path: Path, provider: ProviderServer
) -> None:
    provider.reply(chat())
    variables = {**provider.env(), **({**LOCAL, "BTTRACE_JOURNAL_DIR": "."} if door == "pass" else {})}
    done = finished([PYTHON, "-c", EARLY % door], environment(variables, FOLDER), tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "")
    rows = journal_rows(tmp_path)
    assert {row["input"][0]["content"]: row["metadata"].get("session_id") for row in rows} == {
        "here": "s",
        "in a pool": "s",
        "after": None,
    }


def test_a_call_finds_it_within_a_microsecond_or_two() -> None:
    """It takes 0.4 us, and 0.7 in two blocks; the bound is ten times what was asked for, for busy machines."""
    from bttrace.surroundings.correlated import current

    def best() -> float:
        return min(timeit.repeat(current, number=2000, repeat=20)) / 2000

    with capture():
        assert best() < 5e-6
        with block():
            assert best() < 20e-6
            with block(user_id="other"):
                assert best() < 20e-6
