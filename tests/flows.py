"""An application's functions of every kind, which know nothing of bttrace: tests name them as workflows and tasks.

Each asks a model through the client that it is given; `bare` asks once, `agent` lets the model call a tool.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
NOT_A_FUNCTION = {"handle": 1}
CLOSED: list[int] = []
"""How many parts they were asked for, of the asynchronous generators that came to their end."""


def bare(client: Any, said: str) -> str:
    messages: Any = [{"role": "user", "content": said}]
    return str(client.chat.completions.create(model="m", messages=messages).choices[0].message.content)


async def abare(client: Any, said: str) -> str:
    messages: Any = [{"role": "user", "content": said}]
    answer = await client.chat.completions.create(model="m", messages=messages)
    return str(answer.choices[0].message.content)


def agent(client: Any, said: str) -> str:
    messages: Any = [{"role": "user", "content": said}]
    while True:
        answer = client.chat.completions.create(model="m", messages=messages, tools=[TOOL])
        message = answer.choices[0].message
        if not message.tool_calls:
            return str(message.content)
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls
        ]


def handle(client: Any, said: str, /, *more: str, loud: bool = False, **options: object) -> str:
    """Handles."""
    text = research(client, topic=said) + "".join(more)
    return bare(client, text).upper() if loud else bare(client, text)


def research(client: Any, topic: str) -> str:
    return agent(client, topic)


async def ahandle(client: Any, said: str) -> str:
    first = await abare(client, said)
    return await aresearch(client, first)


async def aresearch(client: Any, topic: str) -> str:
    await asyncio.sleep(0)
    return await abare(client, topic)


def fails(client: Any, said: str) -> None:
    raise KeyError(bare(client, said))


async def afails(client: Any, said: str) -> None:
    raise KeyError(await abare(client, said))


def parts(client: Any, count: int) -> Generator[str, str | None, str]:
    """Asks once for each part; what is sent in is asked next."""
    said: str | None = None
    try:
        for number in range(count):
            try:
                said = yield bare(client, said or str(number))
            except ValueError as error:
                said = yield f"caught {error}"
    finally:
        bare(client, "the end")
    return "all"


async def aparts(client: Any, count: int) -> AsyncGenerator[str, str | None]:
    said: str | None = None
    try:
        for number in range(count):
            try:
                said = yield await abare(client, said or str(number))
            except ValueError as error:
                said = yield f"caught {error}"
    finally:
        await asyncio.sleep(0.01)
        CLOSED.append(count)


def retried(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return called


@retried
async def decorated(client: Any, said: str) -> str:
    return await abare(client, said)


@functools.lru_cache
def cached(said: str) -> str:
    return said.upper()


def _private(said: str) -> str:
    return said


class Agent:
    """One with methods of every kind."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def run(self, said: str) -> str:
        return bare(self.client, said)

    async def arun(self, said: str) -> str:
        return await abare(self.client, said)

    @classmethod
    def made(cls, client: Any) -> Agent:
        return cls(client)

    @staticmethod
    def plain(client: Any, said: str) -> str:
        return bare(client, said)


class Chief(Agent):
    """One that inherits."""
