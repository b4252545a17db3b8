"""What a call is given is the application's: what can be read once is read once, and what grows later is as it was."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.apis import BETA, CHAT, MESSAGES, RESPONSES, Api, each_api, only, traced
from tests.loopback.provider import ProviderServer
from tests.outcomes import aoutcome, outcome

TALK: list[Any] = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
]
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
}
TOOLS: dict[str, list[Any]] = {
    CHAT.name: [CHAT_TOOL],
    RESPONSES.name: [{"type": "function", "name": "now", "parameters": {"type": "object"}, "strict": False}],
    MESSAGES.name: [{"name": "now", "input_schema": {"type": "object"}}],
    BETA.name: [{"name": "now", "input_schema": {"type": "object"}}],
}
TALKS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda items: (item for item in items),
    "iterator": iter,
    "map": lambda items: map(dict, items),
    "reversed": lambda items: reversed(list(items)),
    "dict view": lambda items: dict(enumerate(items)).values(),
    "nested": lambda items: [
        {**item, "content": (part for part in [{"type": "text", "text": "hi"}])} for item in items
    ],
}


def talk_of(api: Api) -> str:
    return "input" if api is RESPONSES else "messages"


@each_api
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", TALKS)
def test_an_iterator_is_read_as_the_sdk_alone_reads_it(
    api: Api, kind: str, streamed: bool, asynchronous: bool, provider: ProviderServer
) -> None:
    """The body that the server gets is the bare one, byte for byte, or the error is; and what is left over is, too."""
    provider.route(api.path, api.streamed() if streamed else api.whole())

    def called() -> list[object]:
        talk, tools = TALKS[kind](copy.deepcopy(TALK)), TALKS[kind](copy.deepcopy(TOOLS[api.name]))
        given = {**api.given, talk_of(api): talk, "stream": streamed}
        if kind != "nested":
            given["tools"] = tools

        async def main() -> object:
            async with api.aclient(provider) as client:
                answer = await aoutcome(api.resource(client).create(**given))
                if isinstance(answer, api.sdk.AsyncStream):
                    await answer.close()
                return answer

        if asynchronous:
            answer = asyncio.run(main())
        else:
            with api.client(provider) as client:
                answer = outcome(lambda: api.resource(client).create(**given))
                if isinstance(answer, api.sdk.Stream):
                    answer.close()
        left = [len(list(value)) for value in (talk, tools)]
        return [answer if isinstance(answer, tuple) else type(answer), left]

    bare = called()
    asked = [(request.path, request.body) for request in provider.requests]
    provider.requests.clear()
    with traced() as (captured, _):
        assert called() == bare
        rows = captured.generations
    assert [(request.path, request.body) for request in provider.requests] == asked
    if asked:
        [row] = rows
        sent = provider.requests[0].json
        assert row["input"] == sent[talk_of(api)]
        assert len(row["metadata"].get("tools", [])) == len(sent.get("tools", []))


@each_api
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_what_is_appended_later_is_not_in_the_span(
    api: Api, streamed: bool, asynchronous: bool, provider: ProviderServer
) -> None:
    provider.route(api.path, api.streamed() if streamed else api.whole())
    talk, tools = copy.deepcopy(TALK), copy.deepcopy(TOOLS[api.name])
    given = {**api.given, talk_of(api): talk, "tools": tools, "stream": streamed}

    def changed() -> None:
        talk[0]["content"] = "changed"
        talk.append({"role": "assistant", "content": "more"})
        tools.clear()

    async def main() -> None:
        async with api.aclient(provider) as client:
            answer = await api.resource(client).create(**given)
            changed()
            if streamed:
                async for _chunk in answer:
                    changed()

    with traced() as (captured, _), api.client(provider) as client:
        if asynchronous:
            asyncio.run(main())
        else:
            answer = api.resource(client).create(**given)
            changed()
            for _chunk in answer if streamed else ():
                changed()
        row = only(captured)
    assert row["input"] == TALK
    assert row["metadata"]["tools"][0].get("function", TOOLS[api.name][0])["name"] == "now"
    assert talk[0]["content"] == "changed"
    assert tools == []
