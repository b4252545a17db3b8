"""The first token and the first text: when each came, told apart when they are not the same chunk."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bttrace.clock import SystemClock
from bttrace.testing import Captured, ManualClock, capture
from tests.apis import BETA, CHAT, MESSAGES, RESPONSES, Api, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import sse

STEP = 0.5  # seconds before each chunk but the first
TOOL = [("call_1", "now", '{"zone": "UTC"}')]


@dataclass(frozen=True)
class Said:
    """What a stream says, and the positions of the chunks with its first token and its first text."""

    api: Api
    what: dict[str, Any]
    token: int | None
    text: int | None
    deltas: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"{self.api}-{'-'.join(self.what) or '-'.join(name for delta in self.deltas for name in delta)}"
        )


STREAMS = [
    Said(CHAT, {"reasoning": ["hm", "so"], "parts": ["a", "b"]}, 1, 3),
    Said(CHAT, {"reasoning": ["hm"], "reasoning_field": "reasoning", "parts": ["a"]}, 1, 2),
    Said(CHAT, {"reasoning": ["hm"], "refusal": ["no"]}, 1, 2),
    Said(CHAT, {"reasoning": ["hm"], "tool_calls": TOOL}, 1, None),
    Said(CHAT, {"tool_calls": TOOL}, 1, None),
    Said(CHAT, {"parts": ["a"], "tool_calls": TOOL}, 1, 1),
    Said(CHAT, {"refusal": ["no"]}, 1, 1),
    Said(CHAT, {"parts": []}, None, None),
    Said(
        CHAT, {}, 1, 2, [{"audio": {"id": "a"}}, {"audio": {"data": "AA=="}}, {"audio": {"transcript": "hi"}}]
    ),
    Said(CHAT, {}, 0, 1, [{"content": [{"type": "thinking", "thinking": []}]}, {"content": "so"}]),
    Said(CHAT, {}, 0, 0, [{"content": [{"type": "text", "text": "so"}]}]),
    Said(RESPONSES, {"reasoning": ["hm"], "parts": ["a"]}, 4, 10),
    Said(RESPONSES, {"reasoning": ["hm"], "refusal": ["no"]}, 4, 10),
    Said(RESPONSES, {"reasoning": ["hm"], "tool_calls": TOOL}, 4, None),
    Said(RESPONSES, {"tool_calls": TOOL}, 3, None),
    Said(RESPONSES, {"parts": ["a"]}, 4, 4),
    Said(RESPONSES, {"parts": []}, None, None),
    *(
        said
        for api in (MESSAGES, BETA)
        for said in (
            Said(api, {"thinking": ["hm"], "parts": ["a"]}, 2, 6),
            Said(api, {"thinking": ["hm"], "tool_calls": TOOL}, 2, None),
            Said(api, {"tool_calls": TOOL}, 2, None),
            Said(api, {"parts": ["a"]}, 2, 2),
            Said(api, {"parts": []}, None, None),
        )
    ),
]
each_stream = pytest.mark.parametrize("said", STREAMS, ids=repr)


def routed(said: Said, provider: ProviderServer) -> None:
    reply = said.api.streamed(**said.what)
    if said.deltas:
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        chunks = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in said.deltas]
        reply = replace(reply, events=tuple(map(sse, chunks)))
    provider.route(said.api.path, reply)


def times(captured: Captured) -> dict[str, float]:
    """Gives the two times of the one span, without those that it does not tell."""
    row = only(captured)
    told = {
        "token": row["metrics"].get("time_to_first_token"),
        "text": row["metadata"].get("time_to_first_text"),
    }
    return {name: value for name, value in told.items() if value is not None}


def expected(said: Said) -> dict[str, float]:
    """Gives what the span must tell: the first text only when another chunk has it."""
    found = {"token": said.token, "text": said.text if said.text != said.token else None}
    return {name: position * STEP for name, position in found.items() if position is not None}


@each_stream
def test_are_told_apart(said: Said, provider: ProviderServer) -> None:
    routed(said, provider)
    with traced() as (captured, clock), said.api.client(provider) as client:
        for _chunk in said.api.resource(client).create(**said.api.given, stream=True):
            clock.advance(STEP)  # so that the next one comes later
        assert times(captured) == expected(said)


@each_stream
def test_are_told_apart_of_an_asynchronous_stream(said: Said, provider: ProviderServer) -> None:
    routed(said, provider)

    async def main(clock: ManualClock) -> None:
        async with said.api.aclient(provider) as client:
            async for _chunk in await said.api.resource(client).create(**said.api.given, stream=True):
                clock.advance(STEP)

    with traced() as (captured, clock):
        asyncio.run(main(clock))
        assert times(captured) == expected(said)


def test_role_at_once_reasoning_after_half_a_second_content_after_one(provider: ProviderServer) -> None:
    """As the machine's own clock sees it, with a server that takes its time."""
    provider.route(
        CHAT.path, CHAT.streamed(), replace(CHAT.streamed(reasoning=["hm"], parts=["a"]), gap=STEP)
    )
    with CHAT.client(provider) as client:
        list(CHAT.resource(client).create(**CHAT.given, stream=True))  # the first builds models
        with capture() as captured:
            list(CHAT.resource(client).create(**CHAT.given, stream=True))
            told = times(captured)
    assert told == pytest.approx({"token": STEP, "text": 2 * STEP}, abs=0.25)
    assert told["text"] - told["token"] == pytest.approx(STEP, abs=0.1)


@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES, BETA], ids=repr)
def test_a_call_without_a_stream_has_neither(api: Api, provider: ProviderServer) -> None:
    provider.route(api.path, api.whole())
    with traced() as (captured, _), api.client(provider) as client:
        api.resource(client).create(**api.given)
        assert times(captured) == {}


def test_a_jump_of_the_wall_clock_changes_nothing(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The monotonic clock of the session is tied to the wall clock once, before the jump."""
    provider.route(CHAT.path, CHAT.streamed(reasoning=["hm"], parts=["a"]))
    wall, wall_ns = time.time, time.time_ns
    with CHAT.client(provider) as client, capture(clock=SystemClock()) as captured:
        begun = wall()
        for _chunk in CHAT.resource(client).create(**CHAT.given, stream=True):
            monkeypatch.setattr(time, "time", lambda: wall() - 86_400)
            monkeypatch.setattr(time, "time_ns", lambda: wall_ns() - 86_400 * 10**9)
        row = only(captured)
        ended = wall()
    assert begun - 0.1 <= row["metrics"]["start"] <= row["metrics"]["end"] <= ended + 0.1
    assert 0 <= times(captured)["token"] <= times(captured)["text"] <= ended - begun
