"""What each function of bttrace takes of a call: of the application's thread, and of bttrace's own.

    python -m benchmarks profile

Owns a process that makes calls and reads streams with the SDK's transport replaced by a stub, and
a sampler beside it. At each sample, what a thread has used of the processor since the one before
is put down to the innermost function of bttrace on its stack, with what this calls in Python's own library,
or to none; so the shares add up to what the threads used. What the SDK does on the application's
thread is its own, also where bttrace called it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

if not __package__:  # run by its path, in a process that bttrace traces
    sys.path[0] = ""
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks.environment import HERE, bare, program
from benchmarks.timing import number, rows_of_text

CALLS, QUICK_CALLS = 8_000, 2_000
CHUNKS = 2_000
BATCH = 500  # calls, after which all is exported: the queue is bounded
LIMIT = 300  # seconds
INTERVAL = 0.0005  # seconds
SHOWN = 20  # functions of each thread
_PACKAGE = "bttrace"
_APPLICATION = ("benchmarks", "httpx2", "openai", "pydantic", "__main__")

Key = tuple[str, str]  # thread, function


class Sampler(threading.Thread):
    """Looks at all other threads, again and again, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(name="sampler", daemon=True)
        self.used: dict[Key, float] = defaultdict(float)
        self._clocks: dict[int, float] = {}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Takes samples."""
        while not self._stopped.wait(INTERVAL):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            frames = sys._current_frames()
            for ident, frame in frames.items():
                if ident != self.ident and ident in names:
                    used = self._used(ident)
                    if used:
                        is_main = ident == threading.main_thread().ident
                        self.used[names[ident] or "", owner(frame, is_main=is_main)] += used

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()
        self.join()

    def _used(self, ident: int) -> float:
        """Gives the seconds of processor time that a thread used since it was asked last."""
        now = time.clock_gettime(time.pthread_getcpuclockid(ident))
        before = self._clocks.get(ident, now)
        self._clocks[ident] = now
        return now - before


def owner(frame: FrameType | None, *, is_main: bool) -> str:
    """Gives the innermost function of bttrace on a stack, with its module; "" if there is none."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if is_main and package in _APPLICATION:
            return ""
        if package == _PACKAGE:
            return f"{module}.{getattr(frame.f_code, 'co_qualname', frame.f_code.co_name)}"
        frame = frame.f_back
    return ""


def run(*, quick: bool) -> None:
    """Prints the tables."""
    if not hasattr(time, "pthread_getcpuclockid"):
        print("profile: not measured, because this system has no clock of another thread's processor time")
        return
    calls = QUICK_CALLS if quick else CALLS
    with (
        tempfile.TemporaryDirectory() as scratch,
        program("sink.py", "1", environ=bare(scratch), cwd=scratch) as sink,
    ):
        url = f"http://127.0.0.1:{sink.line()}"
        keys = {"BRAINTRUST_API_KEY": "k", "BRAINTRUST_API_URL": url, "BRAINTRUST_APP_URL": url}
        command = [sys.executable, str(HERE / "profile.py"), str(calls)]
        subprocess.run(command, env={**bare(scratch), **keys}, cwd=scratch, check=True, timeout=LIMIT)


def main() -> None:
    """Samples calls, then streams."""
    from benchmarks.stub import Application, Stub  # it imports the SDK

    stub = Stub()
    stub.install()
    import bttrace

    bttrace.enable()
    sys.setswitchinterval(INTERVAL / 10)  # the sampler is to have its turn
    calls = int(sys.argv[1])
    application = Application(stub)
    for name, line, units in (
        ("call", f"call {BATCH}", BATCH),
        (f"stream of {CHUNKS:,} chunks", f"chunk {CHUNKS} 2", 2),
    ):
        application.answer(line)
        bttrace.flush(60.0)
        sampler = Sampler()
        sampler.start()
        done = 0
        while done * (CHUNKS if "stream" in name else 1) < calls * (10 if "stream" in name else 1):
            application.answer(line)
            bttrace.flush(60.0)
            done += units
        sampler.stop()
        show(name, sampler.used, done)


def show(name: str, used: Mapping[Key, float], units: int) -> None:
    """Prints what each function of each thread used for one of the units."""
    print(f"\nprofile: processor time of a {name}, in us; {units:,} of them")
    threads = sorted({thread for thread, _ in used})
    for thread in threads:
        own = {function: seconds for (where, function), seconds in used.items() if where == thread}
        whole = sum(own.values())
        ours = whole - own.get("", 0.0)
        rows = [
            (
                f"{thread}: {number(whole / units * 1e6)}, bttrace's {number(ours / units * 1e6)}",
                "us",
                "share",
            )
        ]
        for function, seconds in sorted(own.items(), key=lambda one: -one[1]):
            if function and len(rows) <= SHOWN:
                rows.append((function, number(seconds / units * 1e6), f"{seconds / ours:.0%}"))
        if len(rows) > 1:
            print(rows_of_text(rows))


if __name__ == "__main__":
    main()
