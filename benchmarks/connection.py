"""One client's connection to a server on loopback: just enough HTTP/1.1 for clients that send whole bodies.

Owns requests and where they end. Knows nothing of what is answered, nor of who asks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class Request(NamedTuple):
    """A request: `POST /v1/traces`, the whole of its head, and its body as it was sent."""

    line: bytes
    head: bytes
    body: bytes


class Answer(NamedTuple):
    """What is sent back, and after how many seconds."""

    sent: bytes
    delay: float = 0.0


def response(body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    """Gives a response with a body."""
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\nx-request-id: req_bench\r\ncontent-length: %d"
    return head % (status, kind, len(body)) + _HEAD_END + body


class Connection(asyncio.Protocol):
    """Answers requests one after the other."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer = answer
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
            answer = self._answer(Request(head.partition(b" HTTP/")[0], head, body))
            if answer.delay:
                asyncio.get_running_loop().call_later(answer.delay, self._transport.write, answer.sent)
            else:
                self._transport.write(answer.sent)


async def listen(answer: Callable[[Request], Answer]) -> asyncio.Server:
    """Serves on a port of 127.0.0.1 that nobody has."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(answer), "127.0.0.1", 0, backlog=512)


def port(server: asyncio.Server) -> int:
    """Gives the port that a server has."""
    return int(server.sockets[0].getsockname()[1])
