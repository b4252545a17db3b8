"""Tools that run at once: as tasks, in threads, in executors."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.dispatch.slow import SECONDS


async def search(q: str, limit: int = 3) -> str:
    await asyncio.sleep(SECONDS)
    return f"{limit} of {q}"


def read(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


ASYNC: dict[str, Any] = {"search": search}
BLOCKING: dict[str, Any] = {"search": read}
LATE: dict[str, Any] = {"search": lambda q, limit: search(q, limit)}  # noqa: PLW0108 - it is no coroutine function


async def _bring(conversation: Any, calls: Any, results: list[Any]) -> list[Any]:
    for (call_id, _, _), result in zip(calls, results, strict=True):
        conversation.bring(call_id, result)
    return results


async def run_gathered(conversation: Any) -> list[Any]:
    brought: list[Any] = []
    while calls := await conversation.aask():
        results = await asyncio.gather(*(ASYNC[name](**arguments) for _, name, arguments in calls))
        brought += await _bring(conversation, calls, results)
    return brought


async def run_late(conversation: Any) -> list[Any]:
    brought: list[Any] = []
    while calls := await conversation.aask():
        results = await asyncio.gather(*(LATE[name](**arguments) for _, name, arguments in calls))
        brought += await _bring(conversation, calls, results)
    return brought


async def run_in_threads(conversation: Any) -> list[Any]:
    brought: list[Any] = []
    while calls := await conversation.aask():
        work = (asyncio.to_thread(BLOCKING[name], **arguments) for _, name, arguments in calls)
        brought += await _bring(conversation, calls, await asyncio.gather(*work))
    return brought


async def run_in_executor(conversation: Any) -> list[Any]:
    brought: list[Any] = []
    loop = asyncio.get_running_loop()
    while calls := await conversation.aask():
        work = (
            loop.run_in_executor(None, BLOCKING[name], *arguments.values()) for _, name, arguments in calls
        )
        brought += await _bring(conversation, calls, await asyncio.gather(*work))
    return brought


def run_in_pool(conversation: Any) -> list[Any]:
    brought: list[Any] = []
    with ThreadPoolExecutor(4) as pool:
        while calls := conversation.ask():
            futures = [pool.submit(BLOCKING[name], **arguments) for _, name, arguments in calls]
            for (call_id, _, _), future in zip(calls, futures, strict=True):
                brought.append(future.result())
                conversation.bring(call_id, brought[-1])
    return brought


async def pages(q: str) -> AsyncIterator[str]:
    for page in ("one", "two"):
        await asyncio.sleep(0)
        yield f"{q} {page}"
