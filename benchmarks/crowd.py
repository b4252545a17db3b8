"""An application of the openai SDK whose threads call a model at a given pace, in a process of its own.

    python crowd.py

prints a line when it is ready, then does the work that each line of its standard input
names and answers with one line of JSON. The model is a transport of the SDK's HTTP client
that answers at once. Its calls know nothing of bttrace; where that is loaded, it tells of it.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

if not __package__:  # run by its path, so that nothing but this script says where it is
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import openai
from openai import _base_client

from benchmarks.bodies import ANSWER, events, functions, messages
from benchmarks.tables import tables

# openai 3 has the one, 2 the other.
_httpx: Any = getattr(_base_client, "httpx2", None) or vars(_base_client)["httpx"]
_STREAM = b"".join([*events(20), b"data: [DONE]\n\n"])
FLUSH = 30.0  # seconds


class Model(_httpx.BaseTransport):  # type: ignore[misc]
    """Answers without a network."""

    def handle_request(self, request: Any) -> Any:
        """Gives an answer, or a stream of one."""
        if b'"stream":true' in request.content:
            return _httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Events())
        return _httpx.Response(200, headers={"content-type": "application/json"}, content=ANSWER)


class Events(_httpx.SyncByteStream):  # type: ignore[misc]
    """The body of a streamed answer."""

    def __iter__(self) -> Iterator[bytes]:
        yield _STREAM


class Crowd:
    """Threads that share a client."""

    def __init__(self) -> None:
        http = _httpx.Client(transport=Model())
        self._client = openai.OpenAI(base_url="http://model/v1", api_key="bench", http_client=http)
        self._tools: Any = functions()
        self._question = {"model": "bench", "messages": messages(), "tools": self._tools}

    def call(self, _number: int) -> None:
        """Makes a call that opens a turn and ends it: three spans."""
        self._client.chat.completions.create(model="bench", messages=messages(), tools=self._tools)

    def post(self, _number: int) -> None:
        """Makes the same call past most of the SDK's own work, which takes longer than three spans do."""
        self._client.post("/chat/completions", cast_to=_httpx.Response, body=self._question)

    def stream(self, number: int) -> None:
        """Reads a stream, or leaves it in one of four ways."""
        stream = self._client.chat.completions.create(model="bench", messages=messages(), stream=True)
        way = number % 12
        if way == 0:
            return  # never iterated, and dropped
        if way == 1:
            stream.close()
            return
        for _chunk in stream:
            if way == 2:
                break
            if way == 3:
                stream.close()

    def mixed(self, number: int) -> None:
        """Makes a call, or a stream of which a third are abandoned."""
        if number % 2:
            self.call(number)
        else:
            self.stream(number // 2)

    def work(self, kind: str, threads: int, rate: float, count: int) -> dict[str, object]:
        """Has the threads make so many calls in all, at most so many a second."""
        measured: list[tuple[float, float]] = []
        make: Callable[[int], None] = getattr(self, kind)
        interval = threads / rate if rate else 0.0

        def one(first: int) -> None:
            own: list[tuple[float, float]] = []
            due = time.perf_counter() + interval * first / threads
            for number in range(first, count, threads):
                pause = due - time.perf_counter()
                if pause > 0:
                    time.sleep(pause)
                due += interval
                wall, cpu = time.perf_counter(), time.thread_time()
                make(number)
                own.append((time.perf_counter() - wall, time.thread_time() - cpu))
            measured.extend(own)

        started = time.perf_counter()
        running = [threading.Thread(target=one, args=(first,)) for first in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        seconds = time.perf_counter() - started
        told = status()
        return {
            "calls": count,
            "seconds": seconds,
            "wall": statistics.median(wall for wall, _ in measured),
            "cpu": statistics.median(cpu for _, cpu in measured),
            **told,
        }


def resident() -> int:
    """Gives the bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def status() -> Mapping[str, object]:
    """Gives what bttrace says of itself, where it is loaded."""
    bttrace = sys.modules.get("bttrace")
    if bttrace is None:
        return {}
    told = bttrace.status()
    counts = told.sinks.get("braintrust")
    return {
        "dropped": told.dropped,
        "unwritten": told.unwritten,
        **({} if counts is None else {"sent": counts.sent, "waiting": counts.waiting, "lost": counts.lost}),
    }


def flushed() -> dict[str, object]:
    """Has bttrace send everything; tells how long that took, and what it says of itself then."""
    started = time.perf_counter()
    bttrace = sys.modules.get("bttrace")
    went = bttrace is None or bttrace.flush(FLUSH)
    return {"went": went, "seconds": time.perf_counter() - started, **status()}


def main() -> None:
    """Works until standard input ends."""
    crowd = Crowd()
    for number in range(20):  # what is made once
        crowd.mixed(number)
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "flush":
            told = flushed()
        elif words[0] == "tables":
            gc.collect()
            told = {"resident": resident(), "tables": tables()}
        else:
            kind, threads, rate, count = words
            told = crowd.work(kind, int(threads), float(rate), int(count))
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
