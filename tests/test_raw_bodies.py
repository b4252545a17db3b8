"""Bodies that the application reads by itself, as bytes, text or lines: the span says what they said."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bttrace.seams.bodies import Body
from tests.apis import CHAT, SAID, Api, each_api, only, traced
from tests.loopback.provider import ProviderServer

METHODS: list[tuple[str, tuple[int, ...]]] = [
    ("iter_bytes", ()),
    ("iter_bytes", (7,)),
    ("iter_text", ()),
    ("iter_text", (3,)),
    ("iter_lines", ()),
]
each_method = pytest.mark.parametrize(("method", "sizes"), METHODS)


def joined(pieces: list[Any]) -> str:
    return "".join(piece if isinstance(piece, str) else piece.decode() for piece in pieces)


@each_api
@each_method
def test_events_in_pieces(api: Api, method: str, sizes: tuple[int, ...], provider: ProviderServer) -> None:
    provider.route(api.path, api.streamed())
    with traced() as (captured, _), api.client(provider) as client:
        with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
            pieces = list(getattr(response, method)(*sizes))
        row = only(captured)
    assert "data:" in joined(pieces)
    assert api.text(row["output"]) == SAID
    assert row["metadata"]["stream_end"] == "exhausted"
    assert row["metrics"]["time_to_first_token"] == 0.0


@each_api
@each_method
def test_events_in_pieces_async(
    api: Api, method: str, sizes: tuple[int, ...], provider: ProviderServer
) -> None:
    provider.route(api.path, api.streamed())

    async def main() -> None:
        create = api.resource(client).with_streaming_response.create
        async with client, create(**api.given, stream=True) as response:
            assert [piece async for piece in getattr(response, method)(*sizes)]

    with traced() as (captured, _):
        client = api.aclient(provider)
        asyncio.run(main())
        row = only(captured)
    assert api.text(row["output"]) == SAID
    assert row["metadata"]["stream_end"] == "exhausted"


@each_api
@each_method
def test_a_whole_body_in_pieces(
    api: Api, method: str, sizes: tuple[int, ...], provider: ProviderServer
) -> None:
    provider.route(api.path, api.whole())
    with traced() as (captured, _), api.client(provider) as client:
        with api.resource(client).with_streaming_response.create(**api.given) as response:
            pieces = list(getattr(response, method)(*sizes))
        row = only(captured)
    assert json.loads(joined(pieces))
    assert api.text(row["output"]) == SAID
    assert row["metrics"]["tokens"] > 0


@each_api
def test_the_first_token_is_when_its_line_came(api: Api, provider: ProviderServer) -> None:
    provider.route(api.path, api.streamed())
    with traced() as (captured, clock), api.client(provider) as client:
        with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
            heard = []
            for line in response.iter_lines():
                clock.advance(0.5)
                heard.append("Hello" in line)
        row = only(captured)
    # An event is whole with the empty line that ends it, which comes half a second after its data.
    assert row["metrics"]["time_to_first_token"] == pytest.approx(0.5 * (heard.index(True) + 1))


@each_api
def test_a_body_that_is_left_early_keeps_what_came(api: Api, provider: ProviderServer) -> None:
    provider.route(api.path, api.streamed())
    with traced() as (captured, _), api.client(provider) as client:
        with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
            seen = False
            for line in response.iter_lines():
                if seen:
                    break
                seen = "Hello" in line
        row = only(captured)
    assert api.text(row["output"]) == "Hello"
    assert row["metadata"]["stream_end"] in ("closed", "dropped")


def test_a_generator_that_is_never_started_leaves_a_span(provider: ProviderServer) -> None:
    provider.route(CHAT.path, CHAT.streamed())
    with traced() as (captured, _), CHAT.client(provider) as client:
        with CHAT.resource(client).with_streaming_response.create(**CHAT.given, stream=True) as response:
            response.iter_lines()
        row = only(captured)
    assert "output" not in row
    assert row["metadata"]["stream_end"] == "closed"


def fed(content_type: str, pieces: list[str | bytes], *, lines: bool = False) -> tuple[Body, list[Any]]:
    body = Body(content_type, lines=lines)
    return body, list(body.events(enumerate(pieces)))


class TestBody:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("size", [1, 2, 5, 1000])
    def test_events_are_the_same_however_they_are_cut(self, end: str, size: int) -> None:
        text = f': hello{end}event: a{end}data: {{"x":{end}data: "ü€"}}{end}{end}data: [DONE]{end}{end}'
        content = text.encode()
        cut = [content[start : start + size] for start in range(0, len(content), size)]
        _, events = fed("text/event-stream; charset=utf-8", list(cut))
        assert [event for _, event in events] == [{"x": "ü€"}]

    def test_an_event_has_the_reading_of_the_piece_that_ends_it(self) -> None:
        _, events = fed("text/event-stream", ['data: {"n":1}', "", 'data: {"n":2}', ""], lines=True)
        assert events == [(1, {"n": 1}), (3, {"n": 2})]

    def test_an_event_without_its_end_is_none(self) -> None:
        _, events = fed("text/event-stream", ['data: {"n":1}\n'])
        assert events == []

    def test_what_is_no_json_is_passed_over(self) -> None:
        _, events = fed("text/event-stream", ["data: {\n\n", "data: [" * 100_000, "\n\n", "data: 1\n\n"])
        assert [event for _, event in events] == [1]

    def test_an_event_of_assistants_keeps_its_name(self) -> None:
        _, events = fed("text/event-stream", ["event: thread.run.created\ndata: {}\n\n"])
        assert events == [(0, {"event": "thread.run.created", "data": {}})]

    @pytest.mark.parametrize("make", [str, lambda text: text.encode()])
    def test_any_other_body_is_kept_whole(self, make: Callable[[str], Any]) -> None:
        body, events = fed("application/json", [make('{"a"'), make(":1}")])
        assert (body.content(), events) == (b'{"a":1}', [])

    def test_one_that_is_too_long_is_not_kept_in_part(self) -> None:
        body, _ = fed("audio/mpeg", [bytes(2**20)] * 17)
        assert body.content() == b""
