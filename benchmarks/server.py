"""A server on loopback, in a process of its own: a provider of chat completions, and a Braintrust.

    python server.py

prints its port, and ends when its standard input is closed. Answers are rendered before
they are asked for, so that little of the machine goes to it. The model's name says how
many chunks a stream has, `bench-200`, and how many milliseconds an answer takes,
`bench-1-after-500`. It speaks just enough HTTP/1.1 for a client that sends whole bodies
with a length.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import lru_cache
from pathlib import Path

if not __package__:  # run by its path, in a process that has no reason to know this folder
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bodies import ANSWER, chat_deltas

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"bench-(\d+)(?:-after-(\d+))?"')
_STREAMED = re.compile(rb'"stream": ?true')
_PROJECT = b'{"id":"00000000-0000-4000-8000-000000000000","name":"bench"}'
_HEAD_END = b"\r\n\r\n"


class Rows:
    """The rows that were inserted, of which only the number is kept."""

    def __init__(self) -> None:
        self.count = 0

    def inserted(self, body: bytes) -> bytes:
        """Counts the events of an insert; gives the answer to it."""
        ids = [event["id"] for event in json.loads(body)["events"]]
        self.count += len(ids)
        return json.dumps({"row_ids": ids}).encode()


class Connection(asyncio.Protocol):
    """One client's connection; requests are answered one after the other."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._held = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers where answers go."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that is complete."""
        self._held += data
        while (end := self._held.find(_HEAD_END)) >= 0:
            head = self._held[:end]
            length = _LENGTH.search(head)
            whole = end + len(_HEAD_END) + (int(length[1]) if length else 0)
            if len(self._held) < whole or self._transport is None:
                return
            body = self._held[end + len(_HEAD_END) : whole]
            self._held = self._held[whole:]
            answer = self._answer(head.partition(b" HTTP/")[0], body)
            model = _MODEL.search(body)
            if model and model[2]:
                asyncio.get_running_loop().call_later(int(model[2]) / 1e3, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _answer(self, line: bytes, body: bytes) -> bytes:
        if line.endswith(b"/chat/completions"):
            model = _MODEL.search(body)
            return streamed(int(model[1])) if model and _STREAMED.search(body) else answered(ANSWER)
        if line.endswith(b"/insert"):
            return answered(self._rows.inserted(body))
        if line.startswith(b"GET /v1/project"):
            return answered(b'{"objects":[' + _PROJECT + b"]}")
        if line == b"GET /rows":
            return answered(str(self._rows.count).encode())
        return answered(b"{}", b"404 Not Found")


@lru_cache(maxsize=4)
def answered(body: bytes, status: bytes = b"200 OK") -> bytes:
    """Gives a response with a body of JSON."""
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %d"
    return head % (status, len(body)) + _HEAD_END + body


@lru_cache(maxsize=16)
def streamed(chunks: int) -> bytes:
    """Gives a response with a stream of so many chunks, each in a part of its own."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench"
    events = [b"data: " + json.dumps(delta).encode() + b"\n\n" for delta in chat_deltas(chunks)]
    parts = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in [*events, b"data: [DONE]\n\n"])
    return head + b"\r\ntransfer-encoding: chunked" + _HEAD_END + parts + b"0\r\n\r\n"


async def serve() -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    rows = Rows()
    server = await loop.create_server(lambda: Connection(rows), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
