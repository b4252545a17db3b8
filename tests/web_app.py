"""A web application that answers with streams, and the requests that come to it all at once.

    python -c "from tests import web_app; web_app.main(MODE, COUNT)"

MODE is "asynchronous" or "threads". Each request is a turn of an agent whose answers are passed on as they come; its tool
runs in a task of a group, or in another thread; and it leaves a call behind that nobody waits for. What each client got is
printed. It knows nothing of bttrace.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai

from tests.chaos.keys import marked

TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
ASKED: Any = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
left: set[Any] = set()


def look_up(text: str) -> str:
    time.sleep(0.02)  # so that the tools of many requests run at once
    return f"found {text}"


async def alook_up(text: str) -> str:
    await asyncio.sleep(0.02)
    return f"found {text}"


class Turn:
    """The history of one request, and what the streamed answer adds to it."""

    def __init__(self, key: str) -> None:
        self.messages: list[Any] = [{"role": "user", "content": f"Say {marked(key)}"}]
        self.call: Any = None

    def begin(self) -> None:
        self.call = None

    def text(self, chunk: Any) -> str:
        """Takes a chunk; gives the text in it."""
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or ():
                if self.call is None:
                    named = {"name": piece.function.name, "arguments": ""}
                    self.call = {"id": piece.id, "type": "function", "function": named}
                self.call["function"]["arguments"] += piece.function.arguments or ""
        return "".join(choice.delta.content or "" for choice in chunk.choices)

    @property
    def arguments(self) -> Any:
        return json.loads(self.call["function"]["arguments"])

    def bring(self, result: str) -> None:
        self.messages += [
            {"role": "assistant", "content": None, "tool_calls": [self.call]},
            {"role": "tool", "tool_call_id": self.call["id"], "content": result},
        ]


async def aparts(client: Any, key: str) -> AsyncIterator[str]:
    """The parts of the answer, as a framework iterates a streaming response."""
    turn, number = Turn(key), 0
    while number == 0 or turn.call is not None:
        turn.begin()
        stream = await client.chat.completions.create(messages=turn.messages, tools=[TOOL], **ASKED)
        async for chunk in stream:
            yield turn.text(chunk)
        if turn.call is not None:
            given, number = turn.arguments, number + 1
            turn.bring(await (grouped(given) if number == 1 else asyncio.to_thread(look_up, **given)))


async def grouped(given: Any) -> str:
    task_group: Any = getattr(asyncio, "TaskGroup", None)  # which Python 3.10 has not
    if task_group is None:
        return await asyncio.create_task(alook_up(**given))
    async with task_group() as group:
        task = group.create_task(alook_up(**given))
    return str(task.result())


async def afterwards(client: Any, key: str) -> None:
    await asyncio.sleep(0.01)
    await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": marked(f"{key}-after")}]
    )


async def respond(client: Any, writer: asyncio.StreamWriter, key: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    async for part in aparts(client, key):
        writer.write(part.encode())
        await writer.drain()
    task = asyncio.create_task(afterwards(client, key))
    left.add(task)
    writer.close()


async def asynchronous(count: int) -> list[str]:
    async with openai.AsyncOpenAI(max_retries=0) as client:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            await respond(client, writer, head.split()[1].decode().strip("/"))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with ThreadPoolExecutor(count) as pool:
            loop = asyncio.get_running_loop()
            got = [loop.run_in_executor(pool, visited, port, f"r{number}") for number in range(count)]
            answers = await asyncio.gather(*got)
        server.close()
        await asyncio.gather(*left)
    return answers


def parts(client: Any, key: str, pool: ThreadPoolExecutor) -> Iterator[str]:
    turn, number = Turn(key), 0
    while number == 0 or turn.call is not None:
        turn.begin()
        for chunk in client.chat.completions.create(messages=turn.messages, tools=[TOOL], **ASKED):
            yield turn.text(chunk)
        if turn.call is not None:
            given, number = turn.arguments, number + 1
            turn.bring(pool.submit(look_up, **given).result() if number == 1 else look_up(**given))


class Handler(BaseHTTPRequestHandler):
    client: Any
    pool: ThreadPoolExecutor

    def do_GET(self) -> None:
        key = self.path.strip("/")
        answer(self.wfile, self.client, self.pool, key)

    def log_message(self, *_: object) -> None:
        pass


def answer(out: Any, client: Any, pool: ThreadPoolExecutor, key: str) -> None:
    out.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for part in parts(client, key, pool):
        out.write(part.encode())
    asked: Any = [{"role": "user", "content": marked(f"{key}-after")}]
    left.add(pool.submit(client.chat.completions.create, model="m", messages=asked))


def threads(count: int) -> list[str]:
    with (
        openai.OpenAI(max_retries=0) as Handler.client,
        ThreadPoolExecutor(count) as Handler.pool,
        ThreadPoolExecutor(count) as visitors,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = [server.server_address[1]] * count
        answers = list(visitors.map(visited, ports, [f"r{number}" for number in range(count)]))
        server.shutdown()
    return answers


def visited(port: int, key: str) -> str:
    """What a client gets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/{key}")
    return connection.getresponse().read().decode()


def main(mode: str, count: int) -> None:
    answers = asyncio.run(asynchronous(count)) if mode == "asynchronous" else threads(count)
    print(json.dumps(answers))
