"""What holds for a call of every API, whichever way the application makes it: one span, and nothing else changed."""

import asyncio
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.apis import (
    APIS,
    ASKED,
    BEGUN,
    BETA,
    CHAT,
    MESSAGES,
    SAID,
    Api,
    each_api,
    line_here,
    only,
    traced,
)
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply


def create(api: Api, client: Any) -> None:
    api.resource(client).create(**api.given)


def parse(api: Api, client: Any) -> None:
    api.resource(client).parse(**api.given)


def raw(api: Api, client: Any) -> None:
    raw = api.resource(client).with_raw_response.create(**api.given)
    assert raw.headers["content-type"] == "application/json"
    assert raw.status_code == 200
    raw.parse()


def streaming_read(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert b"loopback" in response.read()


def streaming_parse(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert response.headers["content-type"] == "application/json"
        response.parse()


def streaming_lines(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert "loopback" in "".join(response.iter_lines())


def streaming_unread(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert response.status_code == 200


def stream(api: Api, client: Any) -> None:
    assert len(list(api.resource(client).create(**api.given, stream=True))) > 3


def stream_helper(api: Api, client: Any) -> None:
    with api.resource(client).stream(**api.given) as stream:
        getattr(stream, api.final)()


def stream_raw(api: Api, client: Any) -> None:
    raw = api.resource(client).with_raw_response.create(**api.given, stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert len(list(raw.parse())) > 3


def stream_streaming(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
        assert len(list(response.parse())) > 3


def stream_lines(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
        assert "loopback" in "".join(response.iter_lines())


async def acreate(api: Api, client: Any) -> None:
    await api.resource(client).create(**api.given)


async def aparse(api: Api, client: Any) -> None:
    await api.resource(client).parse(**api.given)


async def parsed(raw: Any) -> Any:
    """Gives what a raw response holds; anthropic's has to be awaited, openai's not."""
    content = raw.parse()
    return await content if inspect.isawaitable(content) else content


async def araw(api: Api, client: Any) -> None:
    raw = await api.resource(client).with_raw_response.create(**api.given)
    assert raw.headers["content-type"] == "application/json"
    await parsed(raw)


async def astreaming_read(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert b"loopback" in await response.read()


async def astreaming_parse(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given) as response:
        await response.parse()


async def astreaming_lines(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert "loopback" in "".join([line async for line in response.iter_lines()])


async def astreaming_unread(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given) as response:
        assert response.status_code == 200


async def astream(api: Api, client: Any) -> None:
    chunks = await api.resource(client).create(**api.given, stream=True)
    assert len([chunk async for chunk in chunks]) > 3


async def astream_helper(api: Api, client: Any) -> None:
    async with api.resource(client).stream(**api.given) as stream:
        await getattr(stream, api.final)()


async def astream_raw(api: Api, client: Any) -> None:
    raw = await api.resource(client).with_raw_response.create(**api.given, stream=True)
    assert len([chunk async for chunk in await parsed(raw)]) > 3


async def astream_streaming(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
        assert len([chunk async for chunk in await response.parse()]) > 3


async def astream_lines(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
        assert "loopback" in "".join([line async for line in response.iter_lines()])


WHOLE = [create, parse, raw, acreate, aparse, araw]
READ = [
    *(streaming_read, streaming_parse, streaming_lines),
    *(astreaming_read, astreaming_parse, astreaming_lines),
]
STREAMED: list["Way"] = [
    *(stream, stream_helper, stream_raw, stream_streaming, stream_lines),
    *(astream, astream_helper, astream_raw, astream_streaming, astream_lines),
]
UNREAD = [streaming_unread, astreaming_unread]
Way = Callable[[Api, Any], None] | Callable[[Api, Any], Awaitable[None]]


def name_of(value: object) -> str:
    return value.__name__ if inspect.isfunction(value) else repr(value)


def run(way: Way, api: Api, provider: ProviderServer, **options: Any) -> None:
    """Makes one call in the given way, synchronous or not."""
    if not inspect.iscoroutinefunction(way):
        with api.client(provider, **options) as client:
            way(api, client)
        return

    async def main() -> None:
        async with api.aclient(provider, **options) as client:
            await way(api, client)

    asyncio.run(main())


def tokens(api: Api, *, counted: bool) -> dict[str, int]:
    """The counts of the loopback's answers; Anthropic's prompt is 11 tokens, 3 read from and 5 written to its cache."""
    if not counted:
        return {}
    if api.name.endswith("messages"):
        return {
            "prompt_tokens": 19,
            "completion_tokens": 7,
            "tokens": 26,
            "prompt_cached_tokens": 3,
            "cache_read_tokens": 3,
            "prompt_cache_creation_tokens": 5,
            "cache_creation_tokens": 5,
            "prompt_cache_creation_5m_tokens": 4,
            "prompt_cache_creation_1h_tokens": 1,
        }
    counts = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "tokens": 18,
        "prompt_cached_tokens": 3,
        "cache_read_tokens": 3,
        "completion_reasoning_tokens": 2,
    }
    if api.name == "responses":
        return {**counts, "prompt_cache_creation_tokens": 0, "cache_creation_tokens": 0}
    return {**counts, "prompt_audio_tokens": 0, "completion_audio_tokens": 0}


STILL = {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0}


class TestWays:
    @each_api
    @pytest.mark.parametrize("way", WHOLE, ids=name_of)
    def test_a_whole_answer(self, api: Api, way: Way, provider: ProviderServer) -> None:
        provider.route(api.path, api.whole())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert api.text(row["output"]) == SAID
        assert row["input"] == ASKED
        assert row["metrics"] == {**STILL, **tokens(api, counted=True)}
        assert "stream_end" not in row["metadata"]
        assert row["context"]["caller_functionname"] == name_of(way)

    @each_api
    @pytest.mark.parametrize("way", READ, ids=name_of)
    def test_a_whole_answer_that_the_application_reads_itself(
        self, api: Api, way: Way, provider: ProviderServer
    ) -> None:
        provider.route(api.path, api.whole())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert api.text(row["output"]) == SAID
        assert row["metrics"] == {**STILL, **tokens(api, counted=True)}
        assert row["metadata"]["stream_end"] == "exhausted"

    @each_api
    @pytest.mark.parametrize("way", STREAMED, ids=name_of)
    def test_a_stream(self, api: Api, way: Way, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        counted = tokens(api, counted=api.name != "chat.completions")
        assert api.text(row["output"]) == SAID
        assert row["input"] == ASKED
        assert row["metrics"] == {**STILL, "time_to_first_token": 0.0, **counted}
        assert (row["metadata"]["stream"], row["metadata"]["stream_end"]) == (True, "exhausted")
        assert row["context"]["caller_functionname"] == name_of(way)

    @each_api
    @pytest.mark.parametrize("way", UNREAD, ids=name_of)
    def test_an_answer_that_nobody_reads(self, api: Api, way: Way, provider: ProviderServer) -> None:
        provider.route(api.path, api.whole())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert "output" not in row
        assert row["metadata"]["stream_end"] == "closed"

    @each_api
    def test_what_goes_over_the_wire_is_the_same(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        run(stream, api, provider)
        with traced():
            run(stream, api, provider)
        bare, hooked = provider.requests
        assert (hooked.method, hooked.path, hooked.body) == (bare.method, bare.path, bare.body)
        new_each_time = {"idempotency-key"}
        told, expected = (
            {name: value for name, value in request.headers if name.lower() not in new_each_time}
            for request in (hooked, bare)
        )
        assert told == expected


class TestCaller:
    @each_api
    def test_the_line_of_the_application(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.whole())
        with traced() as (captured, _), api.client(provider) as client:
            line = line_here() + 1
            api.resource(client).create(**api.given)
            context = only(captured)["context"]
        function = "test_the_line_of_the_application"
        told = {name: value for name, value in context.items() if name.startswith("caller")}
        assert told == {
            "caller_functionname": function,
            "caller_filename": __file__,
            "caller_lineno": line,
        }
        assert context["span_origin"]["instrumentation"] == {"name": f"bttrace.{api.sdk.__name__}"}

    @each_api
    def test_a_stream_is_called_where_it_is_made_not_where_it_is_read(
        self, api: Api, provider: ProviderServer
    ) -> None:
        provider.route(api.path, api.streamed())

        def made() -> Any:
            return api.resource(client).create(**api.given, stream=True)

        with traced() as (captured, _), api.client(provider) as client:
            list(made())
            assert only(captured)["context"]["caller_functionname"] == "made"

    @each_api
    def test_a_function_that_runs_in_another_thread(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.whole())

        def in_thread() -> None:
            api.resource(client).create(**api.given)

        with traced() as (captured, _), api.client(provider) as client:
            asyncio.run(asyncio.to_thread(in_thread))
            context = only(captured)["context"]
        assert (context["caller_functionname"], context["caller_filename"]) == ("in_thread", __file__)

    @each_api
    def test_a_coroutine_behind_others(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.whole())

        async def inner(client: Any) -> None:
            await api.resource(client).create(**api.given)

        async def main() -> None:
            async with api.aclient(provider) as client:
                await asyncio.gather(inner(client), inner(client))

        with traced() as (captured, _):
            asyncio.run(main())
            contexts = [row["context"] for row in captured.rows]
        assert [context["caller_functionname"] for context in contexts] == ["inner", "inner"]

    @each_api
    @pytest.mark.parametrize("how", ["task", "thread"])
    def test_a_call_that_nobody_awaits_on_the_stack_names_no_line_of_the_standard_library(
        self, api: Api, how: str, provider: ProviderServer
    ) -> None:
        provider.route(api.path, api.whole())

        async def main() -> None:
            async with api.aclient(provider) as client:
                await asyncio.create_task(api.resource(client).create(**api.given))

        with traced() as (captured, _), api.client(provider) as client:
            if how == "task":
                asyncio.run(main())
            else:
                asyncio.run(asyncio.to_thread(api.resource(client).create, **api.given))
            context = only(captured)["context"]
        assert [name for name in context if name.startswith("caller")] == []


def failure(api: Api, provider: ProviderServer, way: Way, **options: Any) -> Any:
    """Gives the exception that the application gets."""
    with pytest.raises(Exception) as caught:
        run(way, api, provider, **options)
    return caught.value


ERRORS = [
    (create, 400, "BadRequestError"),
    (raw, 401, "AuthenticationError"),
    (streaming_read, 404, "NotFoundError"),
    (stream, 429, "RateLimitError"),
    (astream, 429, "RateLimitError"),
    (acreate, 500, "InternalServerError"),
]


class TestErrors:
    @each_api
    @pytest.mark.parametrize(("way", "status", "kind"), ERRORS, ids=name_of)
    def test_an_error_status(
        self, api: Api, way: Way, status: int, kind: str, provider: ProviderServer
    ) -> None:
        provider.route(api.path, api.error(status, "So it goes."))
        bare = failure(api, provider, way)
        with traced() as (captured, _):
            hooked = failure(api, provider, way)
            row = only(captured)
        assert type(hooked) is type(bare) is getattr(api.sdk, kind)
        assert str(hooked) == str(bare)
        assert (hooked.request_id, hooked.body) == (bare.request_id, bare.body)
        assert row["error"] == f"{kind}: {bare}"
        assert row["input"] == ASKED
        assert "output" not in row
        assert row["metrics"] == STILL
        assert row["metadata"]["request_id"] == "req_loopback_error"
        assert "stream_end" not in row["metadata"]

    @each_api
    @pytest.mark.parametrize("way", [create, acreate], ids=name_of)
    def test_a_time_out(self, api: Api, way: Way, provider: ProviderServer) -> None:
        provider.route(api.path, replace(api.whole(), wait=5))
        with traced() as (captured, _):
            error = failure(api, provider, way, timeout=0.05)
            row = only(captured)
        assert type(error) is api.sdk.APITimeoutError
        assert row["error"] == f"APITimeoutError: {error}"
        assert row["input"] == ASKED

    @each_api
    @pytest.mark.parametrize("way", [create, acreate], ids=name_of)
    def test_a_refused_connection(self, api: Api, way: Way) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]

        class Nowhere:
            openai_url = anthropic_url = f"http://127.0.0.1:{port}/v1"

        with traced() as (captured, _):
            error = failure(api, Nowhere(), way)  # type: ignore[arg-type]
            row = only(captured)
        assert type(error) is api.sdk.APIConnectionError
        assert row["error"] == "APIConnectionError: Connection error."
        assert row["input"] == ASKED
        assert row["metadata"]["model"] == api.given["model"]

    @each_api
    def test_a_body_that_is_not_json(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, Reply(headers={"content-type": "text/html"}, body=b"<p>a proxy</p>"))
        with traced() as (captured, _), api.client(provider) as client:
            assert api.resource(client).create(**api.given) == "<p>a proxy</p>"
            row = only(captured)
        assert row["output"] == "<p>a proxy</p>"
        assert row["metrics"] == STILL

    @pytest.mark.parametrize("api", [CHAT, MESSAGES, BETA], ids=repr)
    def test_a_wrong_argument_is_no_call(self, api: Api, provider: ProviderServer) -> None:
        with traced() as (captured, _), api.client(provider) as client:
            with pytest.raises(TypeError):
                api.resource(client).create()
            assert captured.rows == []
        assert provider.requests == []


class TestRetries:
    @each_api
    @pytest.mark.parametrize("way", [create, acreate, stream, astream], ids=name_of)
    def test_three_attempts_are_one_span(self, api: Api, way: Way, provider: ProviderServer) -> None:
        busy = api.error(429, "Later.", headers={"retry-after-ms": "1"})
        provider.route(api.path, busy, busy, api.streamed() if "stream" in name_of(way) else api.whole())
        with traced() as (captured, _):
            run(way, api, provider, max_retries=2)
            row = only(captured)
        assert [request.status for request in provider.requests] == [429, 429, 200]
        assert row["metrics"]["retries"] == 2
        assert api.text(row["output"]) == SAID
        assert row["input"] == ASKED
        assert "error" not in row
        assert row["metadata"]["request_id"].startswith("req_loopback_")
        assert row["metadata"]["request_id"] != "req_loopback_error"

    @each_api
    def test_attempts_that_all_fail(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.error(429, "Later.", headers={"retry-after-ms": "1"}))
        with traced() as (captured, _):
            error = failure(api, provider, create, max_retries=1)
            row = only(captured)
        assert row["metrics"]["retries"] == 1
        assert row["error"] == f"RateLimitError: {error}"

    @each_api
    def test_the_time_is_that_of_all_attempts(self, api: Api, provider: ProviderServer) -> None:
        with traced() as (captured, clock):

            def slow(reply: Reply) -> Callable[[Request], Reply]:
                def script(_: Request) -> Reply:
                    clock.advance(1.5)
                    return reply

                return script

            provider.route(api.path, slow(api.error(500, headers={"retry-after-ms": "1"})), slow(api.whole()))
            run(create, api, provider, max_retries=1)
            metrics = only(captured)["metrics"]
        assert (metrics["start"], metrics["end"], metrics["duration_ms"]) == (BEGUN, BEGUN + 3, 3000.0)
        assert "time_to_first_token" not in metrics


class TestCancellation:
    @each_api
    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_task_is_cancelled_before_the_answer(
        self, api: Api, streamed: bool, provider: ProviderServer
    ) -> None:
        arrived = threading.Event()

        def late(_: Request) -> Reply:
            arrived.set()
            return replace(api.whole(), wait=30)

        provider.route(api.path, late)

        async def main() -> None:
            async with api.aclient(provider) as client:
                call = api.resource(client).create(**api.given, stream=streamed)
                task = asyncio.create_task(call)
                await asyncio.to_thread(arrived.wait, 10)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        with traced() as (captured, _):
            asyncio.run(main())
            row = only(captured)
        assert row["error"] == "CancelledError: the call was cancelled"
        assert row["input"] == ASKED
        assert "output" not in row


class TestInput:
    @each_api
    def test_messages_are_as_they_were_at_the_call(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        conversation = [{"role": "user", "content": "before"}]
        name = "input" if api.name == "responses" else "messages"
        given = {**api.given, name: conversation}
        with traced() as (captured, _), api.client(provider) as client:
            chunks = api.resource(client).create(**given, stream=True)
            next(iter(chunks))
            conversation[0]["content"] = "after"
            conversation.append({"role": "assistant", "content": "more"})
            list(chunks)
            row = only(captured)
        assert row["input"] == [{"role": "user", "content": "before"}]
        assert conversation == [
            {"role": "user", "content": "after"},
            {"role": "assistant", "content": "more"},
        ]

    def test_a_generator_is_left_to_the_sdk(self, provider: ProviderServer) -> None:
        api = (
            MESSAGES  # anthropic 2.11's own beta.messages.create uses a generator up before it sends anything
        )
        provider.route(api.path, api.whole())
        asked = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
        taken = []

        def once() -> Iterator[dict[str, str]]:
            for message in asked:
                taken.append(message)
                yield message

        with traced() as (captured, _), api.client(provider) as client:
            api.resource(client).create(**{**api.given, "messages": once()})
            row = only(captured)
        assert provider.requests[0].json["messages"] == asked
        assert row["input"] == asked
        assert taken == asked


class TestNesting:
    def test_a_call_inside_another_calls_stream_has_a_span_of_its_own(self, provider: ProviderServer) -> None:
        outer, inner = APIS[0], APIS[2]
        provider.route(outer.path, outer.streamed())
        provider.route(inner.path, inner.whole())
        with traced() as (captured, _), outer.client(provider) as first, inner.client(provider) as second:
            for position, _chunk in enumerate(outer.resource(first).create(**outer.given, stream=True)):
                if position == 1:
                    inner.resource(second).create(**inner.given)
            rows = captured.rows
        assert [row["metadata"]["api"] for row in rows] == ["messages", "chat.completions"]
        assert all(row["metadata"].get("stream_end") in (None, "exhausted") for row in rows)

    def test_other_requests_of_the_client_are_no_spans(self, provider: ProviderServer) -> None:
        api = APIS[0]
        provider.route("/v1/models", Reply(body=b'{"object": "list", "data": []}'))
        with traced() as (captured, _), api.client(provider) as client:
            assert list(client.models.list()) == []
            assert captured.rows == []

    def test_twenty_calls_at_once_keep_apart(self, provider: ProviderServer) -> None:
        api = APIS[0]

        def echo(request: Request) -> Reply:
            return api.streamed([request.json["messages"][0]["content"]])

        provider.route(api.path, echo)

        async def one(client: Any, number: int) -> None:
            given = {**api.given, "messages": [{"role": "user", "content": f"number {number}"}]}
            stream: AsyncIterator[Any] = await api.resource(client).create(**given, stream=True)
            async for _ in stream:
                await asyncio.sleep(0)

        async def main() -> None:
            async with api.aclient(provider) as client:
                await asyncio.gather(*(one(client, number) for number in range(20)))

        with traced() as (captured, _):
            asyncio.run(main())
            rows = captured.rows
        assert sorted(row["input"][0]["content"] for row in rows) == sorted(
            f"number {number}" for number in range(20)
        )
        assert all(api.text(row["output"]) == row["input"][0]["content"] for row in rows)
        assert len({row["root_span_id"] for row in rows}) == 20
