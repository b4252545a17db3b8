"""`bttrace.context(...)` follows tasks, executors, streams and connections, and no thread that it must not."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import bttrace
from bttrace.testing import capture
from tests.asking import ABOUT, _aclient, _client, _unscripted, about, ask, block, run, sessions
from tests.dialogues import answering, read, text_answer
from tests.dialogues import client as realtime
from tests.loopback.websocket import WebsocketServer

__all__ = ["_aclient", "_client", "_unscripted"]


# Tasks and threads.


def test_tasks_and_awaits(aclient: Any) -> None:
    async def aask(what: str, gate: asyncio.Event | None = None) -> None:
        if gate is not None:
            await gate.wait()
        await ask(aclient, what)

    async def main() -> None:
        gate = asyncio.Event()
        beside = asyncio.create_task(aask("a task from before", gate))
        with bttrace.context(session_id="s"):
            await aask("awaited")
            await asyncio.gather(aask("gathered"), aask("gathered too"))
            child = asyncio.create_task(aask("a task that stays", gate))
        with bttrace.context(session_id="t"):
            await aask("in the next")
            gate.set()
            await asyncio.gather(child, beside)
        await aask("after")

    with capture() as captured:
        run(aclient, main)
        assert sessions(captured) == {
            "a task from before": None,
            "awaited": "s",
            "gathered": "s",
            "gathered too": "s",
            "a task that stays": "s",
            "in the next": "t",
            "after": None,
        }


def test_tasks_side_by_side_know_their_own(aclient: Any) -> None:
    async def one(name: str) -> None:
        with bttrace.context(session_id=name):
            await ask(aclient, f"first of {name}")
            await asyncio.sleep(0)
            await ask(aclient, f"last of {name}")

    async def main() -> None:
        await asyncio.gather(*(one(f"s{number}") for number in range(8)))

    with capture() as captured:
        run(aclient, main)
        told = sessions(captured)
        assert len(told) == 16
        assert all(session == what.rpartition(" ")[2] for what, session in told.items())


def test_what_is_handed_to_executors(client: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with bttrace.context(session_id="s"):
            await asyncio.to_thread(ask, client, "to_thread")
            await loop.run_in_executor(None, ask, client, "run_in_executor")
        await loop.run_in_executor(None, ask, client, "run_in_executor, after")

    with capture() as captured, ThreadPoolExecutor(1) as pool:
        pool.submit(ask, client, "before any block").result()
        asyncio.run(main())
        with bttrace.context(session_id="s"):
            pool.submit(ask, client, "submitted").result()
            later = [pool.submit(ask, client, "submitted, and run later")]
            list(pool.map(ask, [client, client], ["mapped", "mapped too"]))
            kept = contextvars.copy_context()
        later[0].result()
        pool.submit(ask, client, "submitted after").result()
        pool.submit(kept.run, ask, client, "in a copy").result()
        assert sessions(captured) == {
            "before any block": None,
            "to_thread": "s",
            "run_in_executor": "s",
            "run_in_executor, after": None,
            "submitted": "s",
            "submitted, and run later": "s",
            "mapped": "s",
            "mapped too": "s",
            "submitted after": None,
            "in a copy": "s",
        }


def test_threads_of_the_application_s_own_are_left_alone(client: Any) -> None:
    """They may outlive what they were started in: one that shall be in the block is given a copy of the context."""
    with capture() as captured:
        with bttrace.context(session_id="s"):
            for target in (ask, lambda *asked: contextvars.copy_context().run(ask, *asked)):
                thread = threading.Thread(target=target, args=(client, "a thread"))
                thread.start()
                thread.join()
            kept = contextvars.copy_context()
            thread = threading.Thread(target=kept.run, args=(ask, client, "a thread with a copy"))
            thread.start()
            thread.join()
        assert sessions(captured) == {"a thread": None, "a thread with a copy": "s"}


def test_an_executor_gives_and_raises_as_without_us() -> None:
    def fails() -> None:
        raise KeyError("as it was")

    with capture(), ThreadPoolExecutor(1) as pool, block():
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        assert pool.submit(dict, one=1).result() == {"one": 1}
        with pytest.raises(KeyError, match="as it was"):
            pool.submit(fails).result()
        with pytest.raises(TypeError):
            pool.submit()  # type: ignore[call-arg]


# Blocks that are left from elsewhere, and streams.


def test_a_block_left_from_elsewhere_counts_no_longer(client: Any) -> None:
    """A generator that is closed in another context than it was entered in."""

    def inside() -> Generator[None, None, None]:
        with bttrace.context(session_id="of the generator", metadata={"team": "g"}):
            yield

    with capture() as captured:
        generator = inside()
        next(generator)
        ask(client, "entered")
        with bttrace.context(user_id="u"):
            ask(client, "in both")
            with bttrace.context(metadata={"more": 1}):
                ask(client, "in three")
                contextvars.copy_context().run(generator.close)
                ask(client, "in two")
            ask(client, "closed elsewhere")
        ask(client, "after")
        found = {row["input"][0]["content"]: about(row)[0] for row in captured.rows}
        theirs = {"session_id": "of the generator", "team": "g"}
        assert found == {
            "entered": theirs,
            "in both": {**theirs, "user_id": "u"},
            "in three": {**theirs, "user_id": "u", "more": 1},
            "in two": {"user_id": "u", "more": 1},
            "closed elsewhere": {"user_id": "u"},
            "after": {},
        }


@pytest.mark.parametrize("made", [bttrace.suppressed, block])
def test_a_block_left_in_a_copy_of_its_context(made: Any, aclient: Any) -> None:
    """As another task has it, which closes an asynchronous generator; a task from inside stays in the block."""

    async def inside() -> AsyncGenerator[asyncio.Task[Any], None]:
        with made():
            yield asyncio.create_task(ask(aclient, "a task from inside"))

    async def main() -> None:
        generator = inside()
        child = await anext(generator)
        await child
        await asyncio.create_task(generator.aclose())
        await ask(aclient, "after")

    with capture() as captured:
        run(aclient, main)
        inner = {} if made is bttrace.suppressed else {"a task from inside": "s-1"}
        assert sessions(captured) == {**inner, "after": None}


def test_a_block_that_was_left_does_not_come_back_with_its_next_use(client: Any) -> None:
    again = bttrace.context(session_id="again")

    def inside() -> Generator[None, None, None]:
        with again:
            yield

    with capture() as captured:
        generator = inside()
        next(generator)
        contextvars.copy_context().run(generator.close)
        with bttrace.context(user_id="u"):
            with again:
                ask(client, "in it again")
            ask(client, "in another")
        assert sessions(captured) == {"in it again": "again", "in another": None}


def test_an_asynchronous_generator_closed_by_another_task(aclient: Any) -> None:
    async def inside() -> AsyncGenerator[int, None]:
        with bttrace.context(session_id="of the generator"):
            yield 1

    async def main() -> None:
        for number in range(3):
            generator = inside()
            await anext(generator)
            with bttrace.context(session_id="s"):
                await asyncio.create_task(generator.aclose())
                await ask(aclient, f"in the block, {number}")
        await ask(aclient, "after")

    with capture() as captured:
        run(aclient, main)
        told = sessions(captured)
        assert told.pop("after") is None
        assert list(told.values()) == ["s", "s", "s"]


def test_a_stream_belongs_to_where_it_began(client: Any) -> None:
    with capture() as captured:
        with bttrace.context(session_id="s"):
            inside = ask(client, "began inside", stream=True)
            dropped = ask(client, "began inside, and closed", stream=True)
        outside = ask(client, "began outside", stream=True)
        assert len(list(inside)) == 5
        next(dropped)
        with bttrace.context(session_id="t"):
            assert len(list(outside)) == 5
            dropped.close()
        assert sessions(captured) == {
            "began inside": "s",
            "began inside, and closed": "s",
            "began outside": None,
        }


def test_a_response_over_a_connection_belongs_to_where_it_was_asked_for() -> None:
    answers = [text_answer(f"resp_{number}", "Hello.") for number in (1, 2, 3)]
    with WebsocketServer(answering(*answers)) as server, capture() as captured:
        with block(), realtime(server).realtime.connect(model="gpt-realtime") as connection:
            with bttrace.context(user_id="u-2"):
                connection.response.create()
            read(connection)
            connection.response.create()
            read(connection)
            contextvars.Context().run(connection.response.create)
            read(connection)
        told = {row["metadata"]["response_id"]: about(row) for row in captured.rows}
        assert told == {
            "resp_1": ({**ABOUT, "user_id": "u-2"}, ["one", "two"]),
            "resp_2": (ABOUT, ["one", "two"]),
            "resp_3": ({}, None),
        }
