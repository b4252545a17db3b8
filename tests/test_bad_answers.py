"""Answers that are not what an API promises: the application sees what the SDK alone makes of them, and the span what was readable."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.apis import APIS, CHAT, RESPONSES, Api, each_api, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, html, sse

TIMES = {"start", "end", "duration_ms"}
ODD: list[Any] = [None, 7, "odd", [], {}, [None], {"odd": [1]}, True]
both_ways = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def body(content: bytes, **more: Any) -> Reply:
    return Reply(body=content, **more)


def altered(api: Api, **fields: Any) -> Reply:
    """Gives a whole answer in which some fields are others."""
    whole = api.whole()
    return replace(whole, body=json.dumps({**json.loads(whole.body), **fields}).encode())


def wholes(api: Api) -> dict[str, Reply]:
    """Gives the bad whole answers of an API."""
    answers = {
        "html": html(200, "A proxy"),
        "empty": body(b""),
        "no json": body(b'{"id": '),
        "a list": body(b"[1, 2]"),
        "a string": body(b'"hello"'),
        "null": body(b"null"),
        "nan": body(b'{"id": NaN}'),
        "not utf-8": body(b'{"id": "\xff"}'),
        "nothing in it": body(b"{}"),
        "cut short": replace(api.whole(), content_length=9999),
        "reset": Reply(reset_after=0),
        "closed": Reply(drop_after=0),
        "unknown fields": altered(api, unheard={"of": [1]}, choice=None),
        "unknown model": api.error(404, "The model does not exist."),
        "busy page": html(503),
    }
    for name in ("choices", "output", "content", "usage", "model", "id", "stop_reason"):
        if name in json.loads(api.whole().body):
            answers |= {f"{name} {json.dumps(odd)}": altered(api, **{name: odd}) for odd in ODD}
    return answers


def spliced(api: Api, *events: bytes) -> Reply:
    """Gives a stream with more events after the second."""
    whole = api.streamed()
    return replace(whole, events=(*whole.events[:2], *events, *whole.events[2:]))


def streams(api: Api) -> dict[str, Reply]:
    """Gives the bad streams of an API."""
    whole = api.streamed()
    named = {"responses": "response.output_text.delta", CHAT.name: None}.get(api.name, "content_block_delta")
    odd = [{"type": named, "delta": value, "index": value, "output_index": value} for value in ODD]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    if api is CHAT:
        odd = [
            {**chunk, "choices": []},
            {**chunk, "choices": None},
            {**chunk, "choices": [{"index": 0, "delta": None, "finish_reason": None}]},
            {**chunk, "choices": [{"index": None, "delta": {"content": 7, "tool_calls": [None]}}]},
            {
                **chunk,
                "choices": [{"delta": {"tool_calls": [{"index": 0, "function": None}]}}],
                "usage": "many",
            },
            {**chunk, "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        ]
    return {
        "html": html(200, "A proxy"),
        "empty": replace(whole, events=(b"\n",)),
        "a comment": spliced(api, b": comment\n\n"),
        "no colon": spliced(api, b"nonsense\n\n"),
        "no json": spliced(api, b'event: content_block_delta\ndata: {"oops\n\n'),
        "empty data": spliced(api, b"data:\n\n"),
        "unknown event": spliced(api, sse({"type": "unheard.of", "x": 1}, "unheard.of")),
        "not utf-8": spliced(api, b'data: {"id": "\xff"}\n\n'),
        "json that is no object": spliced(api, sse([1, 2], named)),
        "reset": replace(whole, reset_after=3, gap=0.02),
        "reset at once": Reply(reset_after=0),
        "closed": replace(whole, drop_after=3),
        "json instead": api.whole(),
        "unknown model": api.error(404, "The model does not exist."),
        **{f"odd {number}": spliced(api, sse(event, named)) for number, event in enumerate(odd)},
    }


def shown(value: Any) -> object:
    return type(value), repr(value)


def raised(error: BaseException) -> object:
    cause = error.__cause__
    return type(error), str(error), error.args, getattr(error, "body", None), type(cause), str(cause)


def asked(api: Api, client: Any, streamed: bool) -> list[object]:
    saw: list[object] = []
    try:
        answer = api.resource(client).create(**api.given, stream=streamed)
        saw.append(shown(None if streamed else answer))
        for chunk in answer if streamed else ():
            saw.append(shown(chunk))
    except Exception as error:
        saw.append(raised(error))
    return saw


async def aasked(api: Api, client: Any, streamed: bool) -> list[object]:
    saw: list[object] = []
    try:
        answer = await api.resource(client).create(**api.given, stream=streamed)
        saw.append(shown(None if streamed else answer))
        if streamed:
            async for chunk in answer:
                saw.append(shown(chunk))
    except Exception as error:
        saw.append(raised(error))
    return saw


def seen(api: Api, provider: ProviderServer, *, streamed: bool, asynchronous: bool) -> list[object]:
    async def main() -> list[object]:
        async with api.aclient(provider) as client:
            return await aasked(api, client, streamed)

    if asynchronous:
        return asyncio.run(main())
    with api.client(provider) as client:
        return asked(api, client, streamed)


WHOLES = [(api, name) for api in APIS for name in wholes(api)]
STREAMS = [(api, name) for api in APIS for name in streams(api)]


def checked(
    api: Api, reply: Reply, provider: ProviderServer, *, streamed: bool, asynchronous: bool
) -> dict[str, Any]:
    """Asks bare and traced, and gives the span; it tells the error that the application got, and no other."""
    provider.route(api.path, reply)
    bare = seen(api, provider, streamed=streamed, asynchronous=asynchronous)
    with traced() as (captured, _):
        hooked = seen(api, provider, streamed=streamed, asynchronous=asynchronous)
        [row] = captured.rows
    assert hooked == bare
    last: Any = bare[-1]
    if len(last) > 2:
        kind, message = last[0].__name__, last[1]
        assert row["error"] == (f"{kind}: {message}" if message else kind)
    else:
        assert "error" not in row
    assert row["input"] == api.given["input" if api is RESPONSES else "messages"]
    assert all(isinstance(value, (int, float)) for value in row["metrics"].values())
    return row


@pytest.mark.parametrize(("api", "name"), WHOLES)
@both_ways
def test_a_whole_answer(api: Api, name: str, asynchronous: bool, provider: ProviderServer) -> None:
    reply = wholes(api)[name]
    row = checked(api, reply, provider, streamed=False, asynchronous=asynchronous)
    whole = json.loads(api.whole().body)
    field = name.partition(" ")[0]
    readable = field in whole or name == "unknown fields"
    assert (set(row["metrics"]) > TIMES) is (readable and field != "usage")
    if name == "html":
        assert row["output"] == reply.body.decode()
    if name.startswith("usage") or name == "unknown fields":
        assert api.text(row["output"]) == "Hello from loopback."
    if name.startswith("model"):
        named = row["metadata"]["model"]
        assert named == ("odd" if name == 'model "odd"' else api.given["model"])
    elif readable:
        assert row["metadata"]["model"] == whole["model"]


@pytest.mark.parametrize(("api", "name"), STREAMS)
@both_ways
def test_a_stream(api: Api, name: str, asynchronous: bool, provider: ProviderServer) -> None:
    row = checked(api, streams(api)[name], provider, streamed=True, asynchronous=asynchronous)
    if name in ("a comment", "no colon", "unknown event"):
        assert api.text(row["output"]) == "Hello from loopback."
        assert row["metadata"]["stream_end"] == "exhausted"
    if name in ("html", "empty", "reset at once", "unknown model"):
        assert "time_to_first_token" not in row["metrics"]
        assert set(row["metrics"]) == TIMES


@each_api
def test_an_endpoint_that_is_not_known_is_left_alone(api: Api, provider: ProviderServer) -> None:
    provider.reply(Reply(body=b'{"fine": true}'))

    def asked() -> object:
        with api.client(provider) as client:
            return client.post("/unheard/of", cast_to=object, body={"model": "m"})

    bare = asked()
    with traced() as (captured, _):
        assert asked() == bare == {"fine": True}
        assert captured.rows == []
