"""A provider of chat completions on loopback, in a process of its own.

    python provider.py

prints its port, and ends when its standard input is closed. Answers are rendered before
they are asked for, so that little of the machine goes to it. The model's name says how
many chunks a stream has, `bench-200`, and how many milliseconds an answer takes,
`bench-1-after-500`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from functools import lru_cache
from pathlib import Path

if not __package__:  # run by its path, in a process that has no reason to know this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.bodies import ANSWER, events
from benchmarks.connection import Answer, Request, listen, port, response

_MODEL = re.compile(rb'"model": ?"bench-(\d+)(?:-after-(\d+))?"')
_STREAMED = re.compile(rb'"stream": ?true')
_ANSWERED = response(ANSWER)


def answer(request: Request) -> Answer:
    """Gives an answer, or a stream of one."""
    if not request.line.endswith(b"/chat/completions"):
        return Answer(response(b"{}", b"404 Not Found"))
    model = _MODEL.search(request.body)
    chunks, delay = (int(model[1]), int(model[2] or 0) / 1e3) if model else (1, 0.0)
    return Answer(streamed(chunks) if _STREAMED.search(request.body) else _ANSWERED, delay)


@lru_cache(maxsize=16)
def streamed(chunks: int) -> bytes:
    """Gives a response with a stream of so many chunks, each in a part of its own."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench"
    parts = b"".join(
        b"%x\r\n%b\r\n" % (len(event), event) for event in [*events(chunks, each=1), b"data: [DONE]\n\n"]
    )
    return head + b"\r\ntransfer-encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


async def serve() -> None:
    """Serves until standard input ends."""
    server = await listen(answer)
    print(port(server), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
