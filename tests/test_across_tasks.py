"""Streams that one task begins and another reads, closes or drops: no error is logged, and parent and context are right."""

import asyncio
import contextvars
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from braintrust.logger import _internal_with_memory_background_logger
from braintrust.test_helpers import init_test_logger

from bttrace.seams import streams
from tests.apis import SAID, Api, each_api, only, traced
from tests.loopback.provider import ProviderServer

MINE = contextvars.ContextVar("mine", default="unset")
LIMIT = 10  # seconds that a step may take
Story = Callable[[Api, Any], Awaitable[list[object]]]


pytestmark = pytest.mark.usefixtures("quick_collections")


async def begun(api: Api, client: Any) -> Any:
    return await api.resource(client).create(**api.given, stream=True)


async def relayed(api: Api, client: Any) -> AsyncIterator[object]:
    """An application's own generator around a stream, as a web framework iterates it."""
    MINE.set("inside")
    async for chunk in await begun(api, client):
        yield chunk
        assert MINE.get() in ("inside", "unset")  # another task's step has another context


def elsewhere(act: Awaitable[Any]) -> "asyncio.Task[Any]":
    """Runs an act in a task of its own."""

    async def acted() -> object:
        return await asyncio.wait_for(act, LIMIT)

    return asyncio.create_task(acted())


async def outcome(act: Awaitable[Any]) -> object:
    try:
        return await asyncio.wait_for(act, LIMIT)
    except (Exception, asyncio.CancelledError) as error:
        return type(error), str(error)


async def read_step_by_step_in_tasks(api: Api, client: Any) -> list[object]:
    stream = await begun(api, client)
    saw: list[object] = []
    while (chunk := await elsewhere(anext(stream, None))) is not None:
        saw.append(type(chunk))
    return saw


async def closed_in_another_task(api: Api, client: Any) -> list[object]:
    stream = await begun(api, client)
    first = await anext(stream)
    return [type(first), await elsewhere(stream.close()), stream.response.is_closed]


async def generator_closed_in_another_task(api: Api, client: Any) -> list[object]:
    chunks: Any = relayed(api, client)
    first = await anext(chunks)
    return [type(first), await elsewhere(chunks.aclose()), await outcome(anext(chunks)), MINE.get()]


async def generator_dropped(api: Api, client: Any) -> list[object]:
    chunks = relayed(api, client)
    first = type(await anext(chunks))
    del chunks
    for _ in range(5):
        gc.collect()
        await asyncio.sleep(0.01)
    return [first, MINE.get()]


async def generator_dropped_in_another_task(api: Api, client: Any) -> list[object]:
    async def reads() -> object:
        async for chunk in relayed(api, client):
            return type(chunk)
        return None

    saw = [await elsewhere(reads())]
    for _ in range(5):
        gc.collect()
        await asyncio.sleep(0.01)
    return [*saw, MINE.get()]


async def left_to_the_end_of_the_loop(api: Api, client: Any) -> list[object]:
    """`asyncio.run` closes what generators are left."""
    chunks = relayed(api, client)
    kept.append(chunks)
    return [type(await anext(chunks))]


async def reader_cancelled(api: Api, client: Any) -> list[object]:
    stream = await begun(api, client)
    heard = asyncio.Event()

    async def reads() -> None:
        async for _chunk in stream:
            heard.set()
            await asyncio.sleep(LIMIT)

    task = asyncio.create_task(reads())
    await heard.wait()
    task.cancel()
    return [await outcome(task), await outcome(stream.close()), stream.response.is_closed]


async def a_group_that_fails(api: Api, client: Any) -> list[object]:
    heard = asyncio.Event()

    async def reads() -> None:
        async for _chunk in relayed(api, client):
            heard.set()
            await asyncio.sleep(LIMIT)

    async def fails() -> None:
        await heard.wait()
        raise LookupError("mine")

    tasks = [asyncio.create_task(reads()), asyncio.create_task(fails())]
    done = await outcome(asyncio.gather(*tasks))
    tasks[0].cancel()
    return [done, await outcome(tasks[0])]


kept: list[object] = []
STORIES: list[Story] = [
    *(read_step_by_step_in_tasks, closed_in_another_task, generator_closed_in_another_task),
    *(generator_dropped, generator_dropped_in_another_task, left_to_the_end_of_the_loop),
    *(reader_cancelled, a_group_that_fails),
]


def lived(story: Story, api: Api, provider: ProviderServer) -> tuple[list[object], list[str]]:
    """Gives what a story saw, and what its loop was told of errors that nobody catches."""
    errors: list[str] = []

    def told(_: object, about: dict[str, Any]) -> None:
        # When the loop closes all generators at once, those of the HTTP library close each other too; which of them
        # complains hangs on their addresses, without us as with us. Ours must not.
        code = getattr(about.get("asyncgen"), "ag_code", None)
        if code is None or code.co_filename == streams.__file__:
            errors.append(about["message"].partition(" <")[0])

    async def main() -> list[object]:
        asyncio.get_running_loop().set_exception_handler(told)
        async with api.aclient(provider) as client:
            return await story(api, client)

    saw = asyncio.run(main())
    kept.clear()
    gc.collect()
    return saw, errors


@each_api
@pytest.mark.parametrize("story", STORIES)
def test_a_story_is_as_without_us(
    story: Story, api: Api, provider: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    provider.route(api.path, api.streamed())
    bare = lived(story, api, provider)
    quiet = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    with traced() as (captured, _):
        hooked = lived(story, api, provider)
        row = only(captured)
    assert hooked == bare
    logged = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(logged) == len(quiet)
    whole = story is read_step_by_step_in_tasks
    assert (row["metadata"]["stream_end"] == "exhausted") is whole
    assert api.text(row["output"]) == SAID if whole else row["input"]


@each_api
def test_a_step_that_takes_too_long_ends_the_stream_as_without_us(api: Api, provider: ProviderServer) -> None:
    whole = api.streamed()
    stalls = (*whole.events[:3], b": waiting\n\n", *[b": \n\n"] * 200)
    provider.route(api.path, replace(whole, events=stalls, gap=0.01))

    async def impatient(api: Api, client: Any) -> list[object]:
        stream = await begun(api, client)
        saw: list[object] = []
        for _ in range(10):
            try:
                saw.append(type(await asyncio.wait_for(anext(stream), 0.3)))
            except (asyncio.TimeoutError, StopAsyncIteration) as error:
                saw.append(type(error))
        return [*saw, await outcome(stream.close())]

    bare = lived(impatient, api, provider)
    with traced() as (captured, _):
        assert lived(impatient, api, provider) == bare
        row = only(captured)
    assert asyncio.TimeoutError in bare[0]
    assert row["error"] == "CancelledError: the call was cancelled"
    assert row["metadata"]["stream_end"] == "failed"


@each_api
def test_closing_while_another_task_waits_for_a_chunk(api: Api, provider: ProviderServer) -> None:
    whole = api.streamed()
    stalls = (*whole.events[:3], *[b": \n\n"] * 200)
    provider.route(api.path, replace(whole, events=stalls, gap=0.01))

    async def interrupted(api: Api, client: Any) -> list[object]:
        stream = await begun(api, client)
        await anext(stream)

        async def reads() -> str:
            async for _chunk in stream:
                pass
            return "over"

        task = asyncio.create_task(reads())
        await asyncio.sleep(0.1)
        closed = await outcome(stream.close())
        await asyncio.sleep(0.05)
        task.cancel()
        ended = await outcome(task)
        return [closed, ended if isinstance(ended, str) else "raised"]

    bare = lived(interrupted, api, provider)
    with traced() as (captured, _):
        assert lived(interrupted, api, provider) == bare
        row = only(captured)
    assert row["metadata"]["stream_end"] == "closed"


@each_api
def test_the_context_of_the_application_stays_as_it_is(api: Api, provider: ProviderServer) -> None:
    """Nothing of a call stays current after it: not while its stream is read, and not for a task made meanwhile."""
    provider.route(api.path, api.streamed())

    def ours() -> list[tuple[str, object]]:
        found = [(var.name, value) for var, value in contextvars.copy_context().items()]
        return [(name, value) for name, value in found if "bttrace" in name and value is not None]

    before = ours()  # a test's generator that another context closed leaves a block that is over

    def left() -> list[tuple[str, object]]:
        return [one for one in ours() if one not in before]

    async def main(client: Any) -> list[object]:
        token = MINE.set("before")
        stream = await begun(api, client)
        saw = [left(), MINE.get()]
        async for _chunk in stream:
            MINE.set("during")
            saw.append(left())
        saw += [MINE.get(), await asyncio.create_task(asyncio.to_thread(left))]
        MINE.reset(token)
        return [*saw, MINE.get()]

    async def run() -> list[object]:
        async with api.aclient(provider) as client:
            return await main(client)

    with traced():
        first, *rest = asyncio.run(run())
    assert first == []
    assert [seen for seen in rest if seen] == ["before", "during", "unset"]


@each_api
def test_the_parent_is_the_span_that_was_current_when_the_call_began(
    api: Api, provider: ProviderServer
) -> None:
    """Whoever reads or closes the stream, and whatever is current there."""
    provider.route(api.path, api.streamed())

    async def main(logger: Any) -> list[str]:
        async with api.aclient(provider) as client:
            with logger.start_span("begins") as begins:
                read, closed = await begun(api, client), await begun(api, client)

            async def reads() -> None:
                with logger.start_span("reads"):
                    async for _chunk in read:
                        pass
                    await closed.close()

            await asyncio.create_task(reads())
        return [begins.span_id, begins.root_span_id]

    options = {
        "exporter": "braintrust",
        "api_key": "k",
    }  # parents are looked for only where spans go to Braintrust
    with _internal_with_memory_background_logger(), traced(**options) as (captured, _):
        expected = asyncio.run(main(init_test_logger("parity")))
        rows = captured.rows
    assert [[row["span_parents"], row["root_span_id"]] for row in rows] == [[expected[:1], expected[1]]] * 2
    assert [row["metadata"]["stream_end"] for row in rows] == ["exhausted", "closed"]
