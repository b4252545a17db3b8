"""From the application's thread to the writer thread.

Owns the queue between them, and what is done at a flush, at a fork and at exit. What it
carries are observations that have ended, and batches of chunks of those that have not.
Knows nothing of SDKs, nor of where a sink sends.

On the application's thread nothing is done but to append to a deque. The writer sleeps a
little after it is woken, so that many calls cost one wake-up, and gives way after each
item, so that it never holds the interpreter for long. It never waits for the network.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from . import children, forks
from .clock import Clock, Ids
from .contracts import Begun, Ended, Observation, Open, Screen, Sink
from .executions import Execution
from .guard import say_once
from .native import Event, sleep
from .shape import Style
from .worker import Worker
from .writing import BEGUN, What, Writing, flushed, left

LINGER = 0.05  # seconds that the writer waits for more after it was woken
LIMIT = 10_000  # items in the queue; beyond it the oldest is dropped
_SINKS_SHARE = 0.9  # of the time that a flush may take


class _Mark:
    """A place in the queue; `reached` when all before it was written."""

    def __init__(self, *, is_last: bool) -> None:
        self.is_last = is_last  # nothing more will be heard of what is open
        self.reached = Event()


class Recorder:
    """Takes observations from any thread and hands their spans to the sinks."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        style: Style,
        clock: Clock,
        ids: Ids,
        exit_timeout: float,
        screens: Sequence[Screen] = (),
    ) -> None:
        self.clock = clock
        self.active = True
        self.dropped = 0
        self.sinks = tuple(sinks)
        self._writing = Writing(sinks, style, clock, ids, screens)
        self._exit_timeout = exit_timeout
        self._leaves_as_child = False
        self._open: dict[int, Open] = {}
        self._queue: deque[tuple[Observation | Execution, What] | _Mark] = deque()
        self._marks: set[_Mark] = set()
        self.writer = Worker("bttrace-writer", self._work, linger=LINGER, has_work=lambda: bool(self._queue))
        forks.follow(self)
        atexit.register(self._at_exit)

    def root(self, execution: Execution) -> None:
        """Makes an execution what everything else happens in that is in nothing else.

        It is placed at once, so that a child forked at any time knows the place.
        """
        self._writing.trees.root(execution)
        self.writer.rouse()

    def begin(self, observation: Observation | Execution, *, at_once: bool = False) -> None:
        """Queues a call that offers tools, or an execution, as it begins. Never blocks.

        With `at_once`, the writer does not wait for more to come.
        """
        self.put(observation, BEGUN)
        if at_once:
            self.writer.rouse(at_once=True)

    def put(self, observation: Observation | Execution, chunks: What = None) -> None:
        """Queues chunks of a stream, or, without any, what has ended. Never blocks."""
        if not self.active:
            return
        if not forks.MARK[0]:
            forks.catch_up()
        queue = self._queue
        if len(queue) >= LIMIT:
            self._drop_oldest()
        queue.append((observation, chunks))
        if self.writer.asleep:
            self.writer.rouse()
            if not self._leaves_as_child:
                self._leaves_as_child = children.at_end(self._at_exit)

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
        if isinstance(item, _Mark):
            self._reach(item)
            return
        self.dropped += 1

    def _work(self) -> float | None:
        """Empties the queue, then writes what is due; gives the seconds until more is."""
        while self._queue and not self.writer.parked:
            if self.dropped:
                say_once("spans end faster than they can be written; the oldest are dropped.")
            item = self._queue.popleft()
            if isinstance(item, _Mark):
                self._reach(item)
                continue
            self._writing.take(*item)
            if not self._marks:
                sleep(0)
        return None if self.writer.parked else self._writing.write()

    def _reach(self, mark: _Mark) -> None:
        if mark.is_last:
            self._writing.end()
        else:
            self._writing.write()
        self._marks.discard(mark)
        mark.reached.set()

    def began(self, begun: Begun) -> None:
        """Takes it that something has begun that will end. Called on the writer thread."""
        self._writing.began(begun)

    def finish(self, ended: Ended) -> None:
        """Hands what has ended on, to become a span. Called on the writer thread."""
        self._writing.finish(ended)

    def flush(self, timeout: float) -> bool:
        """Waits until every span that ended before is delivered, at most `timeout` seconds."""
        return self._flush(timeout)

    def _flush(self, timeout: float, *, is_last: bool = False) -> bool:
        forks.catch_up()
        deadline = time.monotonic() + timeout
        mark = _Mark(is_last=is_last)
        self._marks.add(mark)
        self._queue.append(mark)
        # The sinks get a little less, so that they can say what went wrong before nobody waits any more.
        share = timeout * _SINKS_SHARE
        self.writer.rouse(at_once=True)
        until = deadline - timeout + share
        if not self.writer.stand_in(until) and not mark.reached.wait(share):
            return False
        went = [flushed(sink, until, is_last) for sink in self.sinks]
        return all(went)

    def close(self, timeout: float) -> None:
        """Delivers what ended, then ends the writer and lets go of everything."""
        deadline = time.monotonic() + timeout
        self._flush(timeout, is_last=True)
        self.active = False
        self.writer.end(max(deadline - time.monotonic(), 0.0))
        atexit.unregister(self._at_exit)
        for sink in self.sinks:
            sink.close()

    def _at_exit(self) -> None:
        if not self.active:
            return
        for observation in reversed(list(self._open.values())):  # the run itself was opened first
            left(observation)
        loaded = len(sys.modules)
        self._flush(self._exit_timeout, is_last=True)
        if len(sys.modules) != loaded:
            _interrupt_again()

    def exit_sooner(self) -> None:
        """Makes the exit of the process flush before exit handlers that are registered by now.

        braintrust's logger registers its own last flush when it is made; what we hand to
        it must be there by then. The usual handler stays, for calls made even later.
        """
        atexit.register(self._at_exit)

    def before_fork(self) -> None:
        """Has nothing to do: the writer comes to rest by itself."""

    def after_fork_in_parent(self) -> None:
        """Has nothing to do: the writer goes on by itself."""

    def after_fork(self) -> None:
        """Starts anew in a forked child; the parent sends what was queued before."""
        if not self.active:
            return
        self._queue = deque()
        self._marks = set()
        self._open.clear()
        self._leaves_as_child = False
        self._writing.forget()


def _interrupt_again() -> None:
    """Lets a process that Ctrl-C ends still end that way, after modules were loaded at its exit.

    CPython (3.10 to 3.13, `Python/pythonrun.c`) forgets that nobody caught the KeyboardInterrupt when
    a string is evaluated, as it is where named tuples and dataclasses are made; one that leaves
    such an evaluation reminds it.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - see above
