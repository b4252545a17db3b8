"""Streams: each way out of one gives one span, with what came until then, and the reader notices nothing of us."""

import asyncio
import contextlib
import gc
import inspect
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from bttrace.testing import CountedIds, ManualClock, capture
from tests.apis import CHAT, MESSAGES, RESPONSES, SAID, Api, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, anthropic_error_event, chat_stream, sse

# How many chunks of a loopback stream the application has when it has read the first word, "Hello".
HEARD = {CHAT.name: 2, RESPONSES.name: 5, MESSAGES.name: 3}

each_stream = pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)


pytestmark = pytest.mark.usefixtures("quick_collections")


def name_of(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)


def begun(api: Api, client: Any) -> Any:
    return api.resource(client).create(**api.given, stream=True)


async def abegun(api: Api, client: Any) -> Any:
    return await api.resource(client).create(**api.given, stream=True)


def read(stream: Any, count: int) -> None:
    for _ in range(count):
        next(stream)


async def aread(stream: Any, count: int) -> None:
    for _ in range(count):
        await anext(stream)


# Ways out of a stream before its end. Each reads the first word.


def broken_off(api: Api, client: Any) -> None:
    for position, _chunk in enumerate(begun(api, client), 1):
        if position == HEARD[api.name]:
            break


def dropped(api: Api, client: Any) -> None:
    stream = begun(api, client)
    read(stream, HEARD[api.name])
    del stream


def failed_in_the_consumer(api: Api, client: Any) -> None:
    def consume() -> None:
        for position, _chunk in enumerate(begun(api, client), 1):
            if position == HEARD[api.name]:
                raise LookupError("the application's own")

    with pytest.raises(LookupError, match="the application's own"):
        consume()


def left_by_with(api: Api, client: Any) -> None:
    with begun(api, client) as stream:
        read(stream, HEARD[api.name])


def failed_inside_with(api: Api, client: Any) -> None:
    with pytest.raises(LookupError), begun(api, client) as stream:
        read(stream, HEARD[api.name])
        raise LookupError


def closed(api: Api, client: Any) -> None:
    stream = begun(api, client)
    read(stream, HEARD[api.name])
    stream.close()
    stream.close()


def closed_by_another_thread(api: Api, client: Any) -> None:
    stream = begun(api, client)
    read(stream, HEARD[api.name])
    thread = threading.Thread(target=stream.close)
    thread.start()
    thread.join(10)


def helper_left_by_with(api: Api, client: Any) -> None:
    with api.resource(client).stream(**api.given) as stream:
        for event in stream:
            if "Hello" in repr(event):
                break


def streaming_response_left(api: Api, client: Any) -> None:
    with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
        read(response.parse(), HEARD[api.name])


async def abroken_off(api: Api, client: Any) -> None:
    position = 0
    async for _chunk in await abegun(api, client):
        position += 1
        if position == HEARD[api.name]:
            break


async def adropped(api: Api, client: Any) -> None:
    stream = await abegun(api, client)
    await aread(stream, HEARD[api.name])
    del stream


async def aleft_by_with(api: Api, client: Any) -> None:
    async with await abegun(api, client) as stream:
        await aread(stream, HEARD[api.name])


async def aclosed(api: Api, client: Any) -> None:
    stream = await abegun(api, client)
    await aread(stream, HEARD[api.name])
    await stream.close()
    await stream.close()


async def aclosed_by_another_task(api: Api, client: Any) -> None:
    stream = await abegun(api, client)
    await aread(stream, HEARD[api.name])
    await asyncio.create_task(stream.close())


async def ahelper_left_by_with(api: Api, client: Any) -> None:
    async with api.resource(client).stream(**api.given) as stream:
        async for event in stream:
            if "Hello" in repr(event):
                break


async def astreaming_response_left(api: Api, client: Any) -> None:
    async with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
        await aread(await response.parse(), HEARD[api.name])


Way = Callable[[Api, Any], None] | Callable[[Api, Any], Awaitable[None]]

DROPPED: list[Way] = [broken_off, dropped, failed_in_the_consumer]
ADROPPED: list[Way] = [abroken_off, adropped]
CLOSED: list[Way] = [left_by_with, failed_inside_with, closed, closed_by_another_thread]
ACLOSED: list[Way] = [aleft_by_with, aclosed, aclosed_by_another_task]
LEFT: list[Way] = [
    helper_left_by_with,
    streaming_response_left,
    ahelper_left_by_with,
    astreaming_response_left,
]


def run(way: Way, api: Api, provider: ProviderServer) -> None:
    """Reads one stream in the given way, and lets what was dropped be collected while the loop runs."""
    if not inspect.iscoroutinefunction(way):
        with api.client(provider) as client:
            way(api, client)
            gc.collect()
        return

    async def main() -> None:
        async with api.aclient(provider) as client:
            await way(api, client)
            for _ in range(3):
                gc.collect()
                await asyncio.sleep(0)

    asyncio.run(main())


class TestWaysOut:
    @each_stream
    @pytest.mark.parametrize("way", DROPPED, ids=name_of)
    def test_dropped(self, api: Api, way: Way, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert api.text(row["output"]) == "Hello"
        assert row["metadata"]["stream_end"] == "dropped"
        assert "error" not in row

    @each_stream
    @pytest.mark.parametrize("way", ADROPPED, ids=name_of)
    def test_dropped_by_a_coroutine(
        self, api: Api, way: Way, provider: ProviderServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert api.text(row["output"]) == "Hello"
        assert row["metadata"]["stream_end"] == "dropped"
        assert "error" not in row
        # openai's stream is a cycle, and httpx2's generators inside it cannot be collected in any order
        # without asyncio saying so, with us or without; of ours it must say nothing.
        assert not [line for line in caplog.messages if "followed" in line or api is MESSAGES]

    @each_stream
    @pytest.mark.parametrize("way", CLOSED + ACLOSED, ids=name_of)
    def test_closed(
        self, api: Api, way: Way, provider: ProviderServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert api.text(row["output"]).startswith("Hello")
        assert row["metadata"]["stream_end"] == "closed"
        assert "error" not in row
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    @each_stream
    @pytest.mark.parametrize("way", LEFT, ids=name_of)
    def test_left(self, api: Api, way: Way, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _):
            run(way, api, provider)
            row = only(captured)
        assert api.text(row["output"]).startswith("Hello")
        assert row["metadata"]["stream_end"] == "closed"
        assert "error" not in row

    @each_stream
    def test_closing_ends_the_span_without_a_collection(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        kept = []

        def held(stream: Any) -> Any:
            kept.append(stream)
            return stream

        with traced() as (captured, _), api.client(provider) as client:
            with api.resource(client).stream(**api.given) as stream:
                next(held(stream))
            with begun(api, client) as stream:
                next(held(stream))
            response = api.resource(client).with_streaming_response.create(**api.given, stream=True)
            with response as raw:
                next(held(raw.parse()))
            assert [row["metadata"]["stream_end"] for row in captured.rows] == ["closed"] * 3

    @pytest.mark.parametrize("api", [CHAT, RESPONSES], ids=repr)
    def test_aclose(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())

        async def main() -> None:
            async with api.aclient(provider) as client:
                stream = await abegun(api, client)
                async with contextlib.aclosing(stream):
                    await aread(stream, HEARD[api.name])

        with traced() as (captured, _):
            asyncio.run(main())
            row = only(captured)
        assert (row["metadata"]["stream_end"], api.text(row["output"])) == ("closed", "Hello")

    @each_stream
    def test_never_iterated(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())

        async def main() -> None:
            async with api.aclient(provider) as client:
                await abegun(api, client)
                gc.collect()

        with traced() as (captured, _):
            with api.client(provider) as client:
                begun(api, client)
            gc.collect()
            asyncio.run(main())
            rows = captured.rows
        assert [row["metadata"]["stream_end"] for row in rows] == ["dropped"] * 2
        assert all("output" not in row and row["input"] for row in rows)

    @each_stream
    def test_open_when_tracing_stops(self, api: Api, provider: ProviderServer) -> None:
        """The application reads on undisturbed."""
        provider.route(api.path, api.streamed())
        with api.client(provider) as client:
            with traced():
                stream = begun(api, client)
                read(stream, HEARD[api.name])
            assert len(list(stream)) > 2

    @each_stream
    def test_a_stream_that_was_begun_before_tracing_is_left_alone(
        self, api: Api, provider: ProviderServer
    ) -> None:
        provider.route(api.path, api.streamed())
        with api.client(provider) as client:
            stream = begun(api, client)
            with traced() as (captured, _):
                assert len(list(stream)) > 3
                assert captured.rows == []


BROKEN: dict[str, dict[str, Any]] = {
    "dropped connection": {"drop_after": True},
    "reset connection": {"reset_after": True, "gap": 0.01},
    "malformed event": {},
    "error event": {},
}


def broken(api: Api, how: str) -> Reply:
    """Gives a stream that fails after the first word."""
    whole = api.streamed()
    count = HEARD[api.name] + (api is MESSAGES)  # a ping, which the SDK keeps to itself
    faults: dict[str, Any] = {name: count if value is True else value for name, value in BROKEN[how].items()}
    if how == "malformed event":
        faults["events"] = (*whole.events[:count], b'event: content_block_delta\ndata: {"oops\n\n')
    elif how == "error event":
        event = sse({"error": {"message": "Overloaded", "type": "server_error", "code": None}})
        faults["events"] = (*whole.events[:count], anthropic_error_event() if api is MESSAGES else event)
    return replace(whole, **faults)


class TestFailures:
    @each_stream
    @pytest.mark.parametrize("how", BROKEN)
    def test_a_stream_that_breaks(self, api: Api, how: str, provider: ProviderServer) -> None:
        provider.route(api.path, broken(api, how))

        def failure() -> tuple[BaseException, int]:
            seen = 0
            with api.client(provider) as client, pytest.raises(Exception) as caught:
                for _ in begun(api, client):
                    seen += 1
            return caught.value, seen

        bare, bare_seen = failure()
        with traced() as (captured, _):
            hooked, seen = failure()
            row = only(captured)
        assert (type(hooked), str(hooked), seen) == (type(bare), str(bare), bare_seen)
        assert row["error"] == (f"{type(bare).__name__}: {bare}" if str(bare) else type(bare).__name__)
        assert row["metadata"]["stream_end"] == "failed"
        assert api.text(row["output"]) == "Hello"
        assert row["metrics"]["time_to_first_token"] == 0.0

    @each_stream
    @pytest.mark.parametrize("how", BROKEN)
    def test_an_asynchronous_stream_that_breaks(self, api: Api, how: str, provider: ProviderServer) -> None:
        provider.route(api.path, broken(api, how))

        async def failure() -> BaseException:
            async with api.aclient(provider) as client:
                with pytest.raises(Exception) as caught:
                    async for _ in await abegun(api, client):
                        pass
                return caught.value

        bare = asyncio.run(failure())
        with traced() as (captured, _):
            hooked = asyncio.run(failure())
            row = only(captured)
        assert (type(hooked), str(hooked)) == (type(bare), str(bare))
        assert row["error"] == (f"{type(bare).__name__}: {bare}" if str(bare) else type(bare).__name__)
        assert row["metadata"]["stream_end"] == "failed"
        assert api.text(row["output"]) == "Hello"

    @each_stream
    def test_a_task_is_cancelled_while_it_reads(
        self, api: Api, provider: ProviderServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        count = HEARD[api.name] + (api is MESSAGES)
        events = api.streamed().events[:count]
        heard = asyncio.Event()

        def stalled(_: object) -> Reply:
            return replace(api.streamed(), events=(*events, b": waiting\n\n", *[b": \n\n"] * 200), gap=0.02)

        provider.route("/stalled" + api.path, stalled)

        async def main() -> None:
            async with api.aclient(provider) as client:
                base = str(client.base_url).replace(provider.url, provider.url + "/stalled")
                stream = await abegun(api, client.with_options(base_url=base))

                async def consume() -> None:
                    seen = 0
                    async for _ in stream:
                        seen += 1
                        if seen == HEARD[api.name]:
                            heard.set()

                task = asyncio.create_task(consume())
                await asyncio.wait_for(heard.wait(), 10)
                await asyncio.sleep(0.02)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        with traced() as (captured, _):
            asyncio.run(main())
            row = only(captured)
        assert row["error"] == "CancelledError: the call was cancelled"
        assert row["metadata"]["stream_end"] == "failed"
        assert api.text(row["output"]) == "Hello"
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


class TestReading:
    @each_stream
    def test_next_by_hand_and_a_loop_share_one_span(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _), api.client(provider) as client:
            stream = begun(api, client)
            first = next(stream)
            rest = list(stream)
            assert next(stream, None) is None
            row = only(captured)
        assert len([first, *rest]) > 3
        assert (api.text(row["output"]), row["metadata"]["stream_end"]) == (SAID, "exhausted")

    @each_stream
    def test_anext_by_hand(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())

        async def main() -> None:
            async with api.aclient(provider) as client:
                stream = await abegun(api, client)
                await anext(stream)
                async for _ in stream:
                    pass
                with pytest.raises(StopAsyncIteration):
                    await anext(stream)

        with traced() as (captured, _):
            asyncio.run(main())
            row = only(captured)
        assert (api.text(row["output"]), row["metadata"]["stream_end"]) == (SAID, "exhausted")

    @each_stream
    def test_another_thread_reads(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, _), api.client(provider) as client:
            thread = threading.Thread(target=list, args=(begun(api, client),))
            thread.start()
            thread.join(10)
            row = only(captured)
        assert (api.text(row["output"]), row["metadata"]["stream_end"]) == (SAID, "exhausted")
        assert row["context"]["caller_functionname"] == "begun"

    @each_stream
    def test_two_streams_interleaved(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed(["one", " first"]), api.streamed(["two", " second"]))
        with traced() as (captured, _), api.client(provider) as client:
            streams = [begun(api, client), begun(api, client)]
            for _pair in zip(*streams, strict=True):
                pass
            list(streams[1])
            rows = captured.rows
        assert [api.text(row["output"]) for row in rows] == ["one first", "two second"]

    @each_stream
    def test_ten_thousand_chunks(self, api: Api, provider: ProviderServer) -> None:
        words = [f"{number} " for number in range(10_000)]
        provider.route(api.path, api.streamed(words))
        with traced() as (captured, _), api.client(provider) as client:
            chunks = sum(1 for _ in begun(api, client))
            row = only(captured)
        assert chunks > 10_000
        assert api.text(row["output"]) == "".join(words)

    @each_stream
    def test_what_the_application_does_to_a_chunk_is_its_own(
        self, api: Api, provider: ProviderServer
    ) -> None:
        """The chunks that the application gets are the SDK's own objects, the very ones, in order."""
        provider.route(api.path, api.streamed())
        with api.client(provider) as client:
            bare = [chunk.to_dict() for chunk in begun(api, client)]
            with traced() as (captured, _):
                chunks = list(begun(api, client))
                assert only(captured)
        assert [chunk.to_dict() for chunk in chunks] == bare


class TestTypes:
    @each_stream
    def test_a_stream_is_the_sdks_own(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced(), api.client(provider) as client:
            stream = begun(api, client)
            assert type(stream) is api.sdk.Stream
            assert issubclass(type(stream), Iterator)
            assert inspect.isgenerator(stream._iterator)
            assert stream.response.status_code == 200
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            assert list(stream)
            assert stream.response.is_closed

    @each_stream
    def test_an_asynchronous_stream_is_the_sdks_own(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())

        async def main() -> None:
            async with api.aclient(provider) as client:
                stream = await abegun(api, client)
                assert type(stream) is api.sdk.AsyncStream
                assert issubclass(type(stream), AsyncIterator)
                assert inspect.isasyncgen(stream._iterator)
                assert stream.response.status_code == 200
                assert [chunk async for chunk in stream]

        with traced():
            asyncio.run(main())

    @each_stream
    def test_methods_look_as_they_did(self, api: Api) -> None:
        def looks() -> list[object]:
            sync, asynchronous = api.sdk.Stream, api.sdk.AsyncStream
            return [
                inspect.isgeneratorfunction(sync.__stream__),
                inspect.isasyncgenfunction(asynchronous.__stream__),
                inspect.iscoroutinefunction(asynchronous.close),
                inspect.signature(sync.close),
                inspect.signature(asynchronous.__stream__),
                inspect.iscoroutinefunction(api.sdk._base_client.AsyncAPIClient.request),
            ]

        bare = looks()
        with traced():
            assert looks() == bare


STEP = 0.035  # seconds between two events, more than what is tolerated
TOLERANCE = 0.03
TRIES = 3  # a machine may be busy

# What a stream says, and the position of the event with the first token; none when there is no such event.
FIRSTS: list[tuple[Api, dict[str, Any], int | None]] = [
    (CHAT, {"parts": ["a", "b"]}, 1),
    (CHAT, {"parts": ["a"], "reasoning": ["hm"]}, 1),
    (CHAT, {"tool_calls": [("call_1", "now", "{}")]}, 1),
    (CHAT, {"refusal": ["no"]}, 1),
    (CHAT, {"parts": []}, None),
    (CHAT, {"parts": ["a"], "role_chunk": False}, 0),
    (RESPONSES, {"parts": ["a"]}, 4),
    (RESPONSES, {"parts": ["a"], "reasoning": ["hm"]}, 4),
    (RESPONSES, {"tool_calls": [("call_1", "now", "{}")]}, 3),
    (RESPONSES, {"parts": []}, None),
    (MESSAGES, {"parts": ["a"]}, 3),
    (MESSAGES, {"parts": ["a"], "thinking": ["hm"]}, 3),
    (MESSAGES, {"tool_calls": [("call_1", "now", "{}")], "ping": False}, 2),
    (MESSAGES, {"parts": []}, None),
]


class TestFirstToken:
    @pytest.mark.parametrize(("api", "given", "expected"), FIRSTS)
    def test_is_when_the_server_sent_it(
        self, api: Api, given: dict[str, Any], expected: int | None, provider: ProviderServer
    ) -> None:
        provider.route(
            api.path, replace(api.streamed(**given), gap=0), replace(api.streamed(**given), gap=STEP)
        )
        with api.client(provider) as client:
            list(begun(api, client))  # the first builds models
            late = [self._lateness(api, client, provider, expected)]
            while late[-1] > TOLERANCE and len(late) < TRIES:
                late.append(self._lateness(api, client, provider, expected))
        assert min(late) <= TOLERANCE

    @staticmethod
    def _lateness(api: Api, client: Any, provider: ProviderServer, expected: int | None) -> float:
        """Gives the seconds between the first token's leaving the server and what the span says of it."""
        anchor = time.time() - time.perf_counter()
        with capture() as captured:
            list(begun(api, client))
            metrics = only(captured)["metrics"]
        if expected is None:
            assert "time_to_first_token" not in metrics
            return 0.0
        request = provider.requests[-1]
        assert metrics["start"] <= request.at_ns / 1e9 + anchor
        first = metrics["start"] + metrics["time_to_first_token"]
        return abs(float(first) - request.sent_ns[expected] / 1e9 - anchor)

    def test_is_measured_from_the_call_over_all_attempts(self, provider: ProviderServer) -> None:
        api = CHAT
        with traced() as (captured, clock), api.client(provider, max_retries=1) as client:

            def busy(_: object) -> Reply:
                clock.advance(2)
                return api.error(429, headers={"retry-after-ms": "1"})

            provider.route(api.path, busy, chat_stream(["a", "b"]))
            stream = begun(api, client)
            clock.advance(0.5)
            next(stream)  # the role
            clock.advance(0.25)
            next(stream)
            clock.advance(1)
            list(stream)
            metrics = only(captured)["metrics"]
        assert (metrics["time_to_first_token"], metrics["duration_ms"]) == (2.75, 3750.0)

    @pytest.mark.parametrize(
        "api",
        [
            MESSAGES,
            CHAT,
        ],
        ids=repr,
    )
    def test_a_dropped_stream_ended_with_its_last_chunk(self, api: Api, provider: ProviderServer) -> None:
        provider.route(api.path, api.streamed())
        with traced() as (captured, clock), api.client(provider) as client:
            stream = begun(api, client)
            clock.advance(1)
            read(stream, HEARD[api.name])
            clock.advance(60)
            del stream
            gc.collect()
            metrics = only(captured)["metrics"]
        assert (metrics["time_to_first_token"], metrics["duration_ms"]) == (1.0, 1000.0)


class TestManualClock:
    def test_a_clock_that_stands_at_its_start(self, provider: ProviderServer) -> None:
        provider.route(CHAT.path, CHAT.streamed())
        with (
            capture(clock=ManualClock(), ids=CountedIds()) as captured,
            openai.OpenAI(base_url=provider.openai_url, api_key="k") as client,
        ):
            with begun(CHAT, client) as stream:
                list(stream)
            metrics = only(captured)["metrics"]
        assert metrics["time_to_first_token"] == 0.0


@each_stream
def test_reading_on_after_closing_fails_for_the_reader_alone(api: Api, provider: ProviderServer) -> None:
    provider.route(api.path, replace(api.streamed(), gap=0.1))
    with traced() as (captured, _), api.client(provider) as client:
        stream = begun(api, client)
        read(stream, HEARD[api.name])
        stream.close()
        with pytest.raises(Exception, match=r"Connection error|Bad file descriptor"):
            next(stream)
        row = only(captured)
    assert row["metadata"]["stream_end"] == "closed"
    assert "error" not in row
