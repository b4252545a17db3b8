"""From the application's thread to the sinks: a queue and one writer thread.

Owns the queue, the thread, and their behaviour at fork and at exit. What it carries are
observations that have ended, and batches of chunks of those that have not. Knows nothing
of SDKs, nor of where a sink sends.

On the application's thread nothing is done but to append to a deque. The writer sleeps a
little after it is woken, so that many calls cost one wake-up, and gives way after each
item, so that it never holds the interpreter for long.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from . import forks
from .clock import Clock, Ids
from .contracts import Begun, Ended, Observation, Open, Sink
from .executions import Execution
from .guard import guarded, say_once
from .model import Span
from .shape import Style
from .trees import Trees

LINGER = 0.05  # seconds that the writer waits for more after it was woken
_SINKS_SHARE = 0.9  # of the time that a flush may take
FORK_PATIENCE = 0.5  # seconds that a fork may wait for the writer to stand still
LIMIT = 10_000  # items in the queue; beyond it the oldest is dropped
_BEGUN: list[object] = []
_What = list[object] | None
"""Chunks of a stream, or that something has begun, or `None` when it has ended."""


class _Flush:
    def __init__(self, deadline: float, *, is_last: bool) -> None:
        self.deadline = deadline
        self.is_last = is_last  # nothing more will be heard of what is open
        self.done = threading.Event()
        self.everything = False


class Recorder:
    """Takes observations from any thread and hands their spans to the sinks."""

    def __init__(
        self, sinks: Sequence[Sink], style: Style, clock: Clock, ids: Ids, exit_timeout: float
    ) -> None:
        self.clock = clock
        self.active = True
        self.dropped = 0
        self.sinks = tuple(sinks)
        self._trees = Trees(style, clock, ids, self._to_sinks)
        self._exit_timeout = exit_timeout
        self._open: dict[int, Open] = {}
        self._writer = guarded(self._run)
        self._remake()
        forks.follow(self)
        atexit.register(self._at_exit)

    def _remake(self) -> None:
        """Starts anew: nothing queued, no thread yet."""
        self._queue: deque[tuple[Observation | Execution, _What] | _Flush] = deque()
        self._thread: threading.Thread | None = None
        self._wake = allocate_lock()
        self._wake.acquire()
        self._asleep = True
        self._hurried = False
        self._flushes: set[_Flush] = set()
        self._parked = False
        self._delivering = False
        self._starting = allocate_lock()

    def root(self, execution: Execution) -> None:
        """Makes an execution what everything else happens in that is in nothing else.

        It is placed at once, so that a child forked at any time knows the place.
        """
        self._trees.root(execution)
        self._rouse()

    def begin(self, observation: Observation | Execution, *, at_once: bool = False) -> None:
        """Queues a call that offers tools, or an execution, as it begins. Never blocks.

        With `at_once`, the writer does not wait for more to come.
        """
        if at_once:
            self._hurried = True
        self.put(observation, _BEGUN)
        if at_once:
            self._rouse()

    def put(self, observation: Observation | Execution, chunks: _What = None) -> None:
        """Queues chunks of a stream, or, without any, what has ended. Never blocks."""
        if not self.active:
            return
        queue = self._queue
        if len(queue) >= LIMIT:
            self._drop_oldest()
        queue.append((observation, chunks))
        if self._asleep:
            self._rouse()

    def opened(self, observation: Open) -> None:
        """Remembers a stream that is being read, or the run itself, so that exit can end it."""
        self._open[id(observation)] = observation

    def closed(self, observation: Open) -> None:
        """Forgets a stream that has ended."""
        self._open.pop(id(observation), None)

    def _drop_oldest(self) -> None:
        try:
            item = self._queue.popleft()
        except IndexError:
            return
        if isinstance(item, _Flush):
            self._flushes.discard(item)
            item.done.set()
            return
        self.dropped += 1

    def _rouse(self) -> None:
        self._asleep = False
        if self._thread is None:
            self._start()
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it was released by another thread meanwhile

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._writer, name="bttrace-writer", daemon=True)
                self._thread = thread  # before it runs, because it takes itself out when it ends
                thread.start()
        except RuntimeError:
            self._thread = None  # the interpreter is going down; the exit handler writes what is queued
        finally:
            self._starting.release()

    def _run(self) -> None:
        try:
            pause: float | None = None
            while self.active and not self._parked:
                self._sleep(pause)
                pause = self._work()
        finally:
            self._thread = None
            self._asleep = True

    def _sleep(self, pause: float | None) -> None:
        self._asleep = True
        if not self._queue and self._wake.acquire(timeout=-1 if pause is None else pause):
            self._asleep = False
            if not self._flushes and self.active and not self._parked and not self._hurried:
                self._wake.acquire(timeout=LINGER)
        self._asleep = False
        self._hurried = False

    def _work(self) -> float | None:
        """Empties the queue, then lets the sinks send; gives the seconds until one wants to again."""
        while self._queue and not self._parked:
            if self.dropped:
                say_once("spans end faster than they can be written; the oldest are dropped.")
            item = self._queue.popleft()
            if isinstance(item, _Flush):
                self._answer(item)
            else:
                _handled(self, *item)
                if not self._flushes:
                    time.sleep(0)
        if self._parked:
            return None
        opened = self._write()
        self._delivering = True
        pauses = [pause for sink in self.sinks if (pause := _delivered(sink)) is not None]
        self._delivering = False
        return min((*pauses, *([] if opened is None else [opened])), default=None)

    def _write(self) -> float | None:
        return _treed(self._trees, self.clock.epoch(self.clock.now()))

    def _answer(self, request: _Flush) -> None:
        if request.is_last:
            _abandoned(self._trees, self.clock.epoch(self.clock.now()))
        else:
            self._write()
        self._delivering = True
        flushed = [_flushed(sink, request.deadline) for sink in self.sinks]
        self._delivering = False
        request.everything = all(flushed)
        self._flushes.discard(request)
        request.done.set()

    def began(self, begun: Begun) -> None:
        """Takes it that something has begun that will end. Called on the writer thread."""
        self._trees.begin(begun)

    def finish(self, ended: Ended) -> None:
        """Hands what has ended on, to become a span. Called on the writer thread."""
        self._trees.finish(ended)

    def handle(self, observation: Observation | Execution, what: _What) -> None:
        """Takes one item of the queue. Called on the writer thread."""
        if isinstance(observation, Execution):
            if what is _BEGUN:
                self._trees.start(observation)
            else:
                self._trees.stop(observation)
        elif what is None:
            self._trees.finish(observation)
        elif what is _BEGUN:
            self._trees.begin(observation)
        else:
            observation.fold(what)

    def _to_sinks(self, span: Span, parent: object) -> None:
        for sink in self.sinks:
            _written(sink, span, parent)

    def flush(self, timeout: float) -> bool:
        """Waits until every span that ended before is delivered, at most `timeout` seconds."""
        return self._flush(timeout).everything

    def _flush(self, timeout: float, *, is_last: bool = False) -> _Flush:
        # The sinks get a little less, so that they can say what went wrong before nobody waits any more.
        request = _Flush(time.monotonic() + timeout * _SINKS_SHARE, is_last=is_last)
        self._flushes.add(request)
        self._queue.append(request)
        self._rouse()
        thread = self._thread
        if thread is None or not thread.is_alive():
            self._work()
        else:
            request.done.wait(timeout)
        return request

    def close(self, timeout: float) -> None:
        """Delivers what ended, then ends the writer and lets go of everything."""
        self._flush(timeout, is_last=True)
        self.active = False
        self._rouse()
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        atexit.unregister(self._at_exit)
        for sink in self.sinks:
            sink.close()

    def _at_exit(self) -> None:
        if not self.active:
            return
        for observation in reversed(list(self._open.values())):  # the run itself was opened first
            _left(observation)
        loaded = len(sys.modules)
        flushed = self._flush(self._exit_timeout, is_last=True)
        if len(sys.modules) != loaded:
            _interrupt_again()
        if not flushed.done.is_set():
            say_once(
                f"spans were not delivered within {self._exit_timeout:g} s of the exit, and are lost. "
                "Check the network, or set BTTRACE_EXIT_TIMEOUT higher."
            )

    def exit_sooner(self) -> None:
        """Makes the exit of the process flush before exit handlers that are registered by now.

        braintrust's logger registers its own last flush when it is made; what we hand to
        it must be there by then. The usual handler stays, for calls made even later.
        """
        atexit.register(self._at_exit)

    def before_fork(self) -> None:
        """Ends the writer while the process forks, unless it waits for an answer from the network.

        A child inherits no thread, but every lock that one held: of an import, of the
        loader. And from Python 3.12 on, forking beside a thread is a warning, which
        would be ours to answer for.
        """
        thread = self._thread
        if thread is None or not self.active:
            return
        self._parked = True
        self._rouse()
        deadline = time.monotonic() + FORK_PATIENCE
        while thread.is_alive() and not self._delivering and time.monotonic() < deadline:
            thread.join(0.005)

    def after_fork_in_parent(self) -> None:
        """Lets the writer go on."""
        self._parked = False
        if self._queue:
            self._rouse()

    def after_fork(self) -> None:
        """Starts anew in a forked child; the parent sends what was queued before."""
        if not self.active:
            return
        self._open.clear()
        self._trees.forget()
        self._remake()
        for sink in self.sinks:
            sink.after_fork()


def _interrupt_again() -> None:
    """Lets a process that Ctrl-C ends still end that way, after modules were loaded at its exit.

    CPython (3.10 to 3.13, `Python/pythonrun.c`) forgets that nobody caught the KeyboardInterrupt when
    a string is evaluated, as it is where named tuples and dataclasses are made; one that leaves
    such an evaluation reminds it.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - see above


def _handle(recorder: Recorder, observation: Observation | Execution, what: _What) -> None:
    recorder.handle(observation, what)


def _write(sink: Sink, span: Span, parent: object | None) -> None:
    sink.write(span, parent)


def _deliver(sink: Sink) -> float | None:
    return sink.deliver()


def _flush(sink: Sink, deadline: float) -> bool:
    return sink.flush(deadline)


def _leave(observation: Open) -> None:
    observation.leave()


# A fault in one span must cost neither its neighbours nor, after a few, all that come later.
_handled = guarded(_handle, retires=False)
_treed = guarded(Trees.write, retires=False)
_abandoned = guarded(Trees.abandon, retires=False)
_written = guarded(_write, retires=False)
_delivered = guarded(_deliver, retires=False)
_flushed = guarded(_flush, retires=False)
_left = guarded(_leave, retires=False)
