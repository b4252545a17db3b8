"""An ordinary application of the openai SDK, in a process of its own.

    python workload.py BASE_URL

prints a line when it is ready, then does the work that each line of its standard input
names (`call 50`, `stream 200 10`, `astream 100 200`) and answers with three numbers of
seconds: wall time, the process's processor time until it has settled, and, within it,
that of the garbage collector. It knows nothing of bttrace.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from pathlib import Path

if not __package__:  # run by its path, so that nothing but this script says where it is
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import openai

from benchmarks.bodies import messages

SETTLE = 0.4  # seconds


class Application:
    """Makes calls with one client of each kind."""

    def __init__(self, base_url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = openai.OpenAI(base_url=base_url, api_key="bench", max_retries=0, timeout=60)
        self._async = openai.AsyncOpenAI(base_url=base_url, api_key="bench", max_retries=0, timeout=60)

    def call(self, count: int) -> None:
        """Makes calls, one after the other."""
        for _ in range(count):
            self._client.chat.completions.create(model="bench-1", messages=messages())

    def stream(self, chunks: int, count: int) -> None:
        """Reads streams, one after the other."""
        for _ in range(count):
            model = f"bench-{chunks}"
            stream = self._client.chat.completions.create(model=model, messages=messages(), stream=True)
            for _chunk in stream:
                pass

    def astream(self, chunks: int, count: int) -> None:
        """Reads streams, all at once."""
        self._loop.run_until_complete(self._read_all(chunks, count))

    async def _read_all(self, chunks: int, count: int) -> None:
        await asyncio.gather(*(self._read(chunks) for _ in range(count)))

    async def _read(self, chunks: int) -> None:
        model = f"bench-{chunks}"
        stream = await self._async.chat.completions.create(model=model, messages=messages(), stream=True)
        async for _chunk in stream:
            pass

    def settle(self) -> None:
        """Gives time to whatever works behind the application's back, and to the loop to clear up."""
        self._loop.run_until_complete(asyncio.sleep(SETTLE))


class Collector:
    """Adds up the time that the garbage collector takes, in whichever thread it runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0
        gc.callbacks.append(self._called)

    def _called(self, phase: str, _info: object) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.seconds += time.perf_counter() - self._started


def main() -> None:
    """Works until standard input ends."""
    application = Application(sys.argv[1])
    collector = Collector()
    print("ready", flush=True)
    for line in sys.stdin:
        work, *numbers = line.split()
        collected = collector.seconds
        started, busy = time.perf_counter(), time.process_time()
        getattr(application, work)(*map(int, numbers))
        wall = time.perf_counter() - started
        application.settle()
        print(wall, time.process_time() - busy, collector.seconds - collected, flush=True)


if __name__ == "__main__":
    main()
