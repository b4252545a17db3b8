"""The text of a stream is kept in place of its chunks: as much as its reader got, and nothing of it shows."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from bttrace.seams.taps import Tap
from tests.apis import CHAT, MESSAGES, RESPONSES, SAID, Api, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat_stream

WORDS = [f"w{number} " for number in range(400)]

each_stream = pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)


def in_one_piece(reply: Reply) -> Reply:
    return replace(reply, body=b"".join(reply.events), events=())


@each_stream
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_reader_that_leaves_has_read_what_it_got(
    api: Api, is_async: bool, provider: ProviderServer
) -> None:
    reply = api.streamed()
    provider.route(api.path, in_one_piece(reply))
    count = len(reply.events) - 3  # the words are all but a few

    async def left() -> None:
        async with api.aclient(provider) as client:
            stream = await api.resource(client).create(**api.given, stream=True)
            for _ in range(count):
                await anext(stream)
            await stream.close()

    def outputs(leave: Any) -> str:
        with traced() as (captured, _):
            leave()
            return api.text(only(captured)["output"]) or ""

    def read(most: int) -> str:
        def leave() -> None:
            with api.client(provider) as client:
                stream = api.resource(client).create(**api.given, stream=True)
                for _ in range(most):
                    next(stream)
                stream.close()

        return outputs(leave)

    texts = [read(most) for most in range(2, count + 1)]
    assert all(SAID.startswith(text) for text in texts)
    assert texts == sorted(texts, key=len)
    assert len({len(text) for text in texts}) > 1, "it grows with what is read"
    if is_async:
        assert outputs(lambda: asyncio.run(left())) == texts[-1]


@each_stream
def test_the_response_is_as_it_was(api: Api, provider: ProviderServer) -> None:
    provider.route(api.path, api.streamed())

    async def look() -> list[set[str]]:
        async with api.aclient(provider) as client:
            stream = await api.resource(client).create(**api.given, stream=True)
            looks = [set(vars(stream.response))]
            await anext(stream)
            looks.append(set(vars(stream.response)))
            await stream.close()
            return looks

    with traced(), api.client(provider) as client:
        stream = api.resource(client).create(**api.given, stream=True)
        looks = [set(vars(stream.response))]
        next(stream)
        looks.append(set(vars(stream.response)))
        stream.close()
        looks += asyncio.run(look())
    assert not any({"iter_bytes", "aiter_bytes"} & look for look in looks)


def test_long_streams_go_to_the_writer_piece_by_piece(provider: ProviderServer) -> None:
    provider.reply(chat_stream(WORDS))
    with traced() as (captured, _), CHAT.client(provider) as client:
        for _ in range(2):
            stream = client.chat.completions.create(model="m", messages=[], stream=True)
            held = []
            for _ in stream:
                [call] = _open_calls()
                held.append(len(call.chunks))
            assert max(held) < len(WORDS) * 2
            assert held.count(2) > 1, "what was held went to the writer"
        assert [CHAT.text(row["output"]) for row in captured.rows] == ["".join(WORDS)] * 2


def _open_calls() -> list[Any]:
    import bttrace

    wiring: Any = bttrace.session._session.wiring  # type: ignore[union-attr]
    return [one for one in wiring.recorder._open.values() if hasattr(one, "chunks")]


def test_an_sdk_that_reads_in_another_way_is_watched_by_its_chunks(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def events(stream: Any) -> Iterator[Any]:
        yield from stream._decoder.iter_bytes(stream.response.iter_raw())

    monkeypatch.setattr(openai.Stream, "_iter_events", events)
    provider.reply(chat_stream(WORDS))
    with traced() as (captured, _), CHAT.client(provider) as client:
        seen = list(client.chat.completions.create(model="m", messages=[], stream=True))
        left = client.chat.completions.create(model="m", messages=[], stream=True)
        for _ in range(3):
            next(left)
        assert "iter_bytes" not in vars(left.response)
        left.close()
        whole, part = captured.rows
    assert len(seen) > len(WORDS)
    assert CHAT.text(whole["output"]) == "".join(WORDS)
    assert CHAT.text(part["output"]) == "".join(WORDS[:2])
    assert "time_to_first_token" in whole["metrics"]


def test_what_a_decoder_of_another_kind_reads_is_not_taken_for_text(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OwnDecoder(type(openai._streaming.SSEDecoder())):  # type: ignore[misc]
        pass

    monkeypatch.setattr(openai.OpenAI, "_make_sse_decoder", lambda _client: OwnDecoder())
    provider.reply(chat_stream(WORDS))
    with traced() as (captured, _), CHAT.client(provider) as client:
        for _ in client.chat.completions.create(model="m", messages=[], stream=True):
            [call] = _open_calls()
            assert call.tap is None
        assert CHAT.text(only(captured)["output"]) == "".join(WORDS)


def test_a_call_does_not_wait_for_the_garbage_collector(provider: ProviderServer) -> None:
    provider.reply(chat_stream(WORDS))
    with traced() as (captured, _), CHAT.client(provider) as client:
        gc.collect()
        gc.disable()
        try:
            stream = client.chat.completions.create(model="m", messages=[], stream=True)
            next(stream)
            [call] = map(weakref.ref, _open_calls())
            response = weakref.ref(stream.response)
            list(stream)
            del stream
            assert len(captured.rows) == 1
            assert response() is not None or call() is None, "it lives no longer than its response"
            held = gc.get_referrers(call()) if call() else []
            assert not any(isinstance(one, Tap) for one in held)
        finally:
            gc.enable()
