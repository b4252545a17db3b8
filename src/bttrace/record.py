"""From the application's thread to the writer thread.

Owns the queue between them, and what is done at a flush and at a fork. What it
carries are observations that have ended, and batches of chunks of those that have not.
Knows nothing of SDKs, nor of where a sink sends.

On the application's thread nothing is done but to append to a deque. The writer sleeps a
little after it is woken, so that many calls cost one wake-up, and gives way now and then,
so that it does not hold the interpreter for long; the more waits, the more seldom,
because whoever is woken may hold it for long. It never waits for the network.

What makes spans is loaded by the writer, when the first call begins: an import of an SDK waits
for nothing that is not needed to watch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from .backlog import BEGUN, HEAVIEST, ITEM, LIMIT, LIMIT_BYTES, Backlog, Lost, Mark, What
from .clock import Clock, Ids
from .contracts import Begun, Counts, Ended, Observation, Open, Promptness, Screen, Sink
from .executions import Execution
from .guard import AT_TIMES, guarded, say_at_times
from .process import children, forks
from .process.exits import Exit
from .process.native import allocate_lock, sleep
from .process.worker import Worker, acting, is_ours
from .surroundings.correlation import NOTHING, Correlation

if TYPE_CHECKING:
    from .spans.style import Style
    from .writing import Writing

LINGER = 0.05  # seconds that the writer waits for more after it was woken
NAPS = (0.1, 0.2, *(0.4,) * 6)  # seconds after which the writer looks for more before it sleeps
GIVES_WAY = 0.0005  # seconds after which the writer gives way; a handful of calls take it as long
_SELDOM = 64  # items for which it gives way once more seldom
WRITTEN_EVERY = 0.05  # seconds after which what ended goes to the sinks, however much still waits
WRITTEN_BYTES = 2 * 2**20  # about, of what ended since
_SINKS_SHARE = 0.9  # of the time that a flush may take
_GRACE = 0.1  # seconds that the writer has at an exit in any case: what it has written can be kept


class Recorder:
    """Takes observations from any thread and hands their spans to the sinks."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        style: Style,
        clock: Clock,
        ids: Ids,
        exit_timeout: float,
        screens: Callable[[], Sequence[Screen]] = tuple,
        correlation: Correlation = NOTHING,
    ) -> None:
        self.clock = clock
        self.active = True
        self.is_idle = True  # no call has begun yet
        self.sinks = tuple(sinks)
        self.promptness: Promptness | None = None
        self._makings = (style, clock, ids, screens, correlation)
        self._written: Writing | None = None
        self._making = allocate_lock()
        self._is_ready = False
        self._leaves_as_child = False
        self._taken = 0
        self._flushed = 0  # of what was taken
        self._open: dict[int, Open] = {}
        self._backlog = Backlog()
        self._said_dropped = 0
        self._marks: set[Mark] = set()
        self.writer = Worker(
            "bttrace-writer", self._work, linger=LINGER, naps=NAPS, has_work=lambda: bool(self._backlog)
        )
        self._exit = Exit(exit_timeout, self._leave, self.writer.end)
        self.exit_sooner = self._exit.sooner
        self.leave = self._exit.wait
        forks.follow(self)

    @property
    def _writing(self) -> Writing:
        """Gives what makes spans. Not for the application's threads while it is traced: it loads much."""
        with self._making:
            if self._written is None:
                from .writing import Writing

                style, clock, ids, screens, correlation = self._makings
                self._written = Writing(self.sinks, style, clock, ids, screens(), correlation)
                self._written.promptness = self.promptness
            return self._written

    def watch(self, screen: Screen) -> None:
        """Lets a further screen see every span from now on, as the others have passed it."""
        self._writing.watch(screen)

    def expect(self) -> None:
        """Lets the writer and the sinks get ready, because a first call has begun. Never blocks."""
        self.is_idle = False
        self._call()

    def root(self, execution: Execution) -> None:
        """Makes an execution what everything else happens in that is in nothing else.

        It is placed at once, so that a child forked at any time knows the place.
        """
        self._writing.trees.root(execution)
        self.expect()

    def begin(self, observation: Observation | Execution, *, at_once: bool = False) -> None:
        """Queues a call that offers tools, or an execution, as it begins. Never blocks.

        With `at_once`, the writer does not wait for more to come.
        """
        self.put(observation, BEGUN)
        if at_once:
            self.writer.rouse(at_once=True)

    def put(self, observation: Observation | Execution, chunks: What = None, weight: int = ITEM) -> None:
        """Queues chunks of a stream, or, without any, what has ended. Never blocks.

        `weight` is about how many bytes are thereby kept. When there is no room, the oldest goes.
        """
        if not self.active:
            return
        if not forks.MARK[0]:
            forks.catch_up()
        backlog = self._backlog
        items = backlog.items
        if len(items) >= LIMIT or backlog.came - backlog.gone >= LIMIT_BYTES:
            backlog.make_room()
        if weight > HEAVIEST:  # noqa: PLR1730 - `min` costs five times as much
            weight = HEAVIEST
        items.append((observation, chunks, weight))
        backlog.came += weight
        if self.writer.asleep:
            self._rouse(chunks)

    def _rouse(self, chunks: What) -> None:
        if chunks is None and self._exit.is_here:
            self._exit.wait()
        else:
            self._call()

    def _call(self) -> None:
        self.writer.rouse()
        if not self._leaves_as_child:
            self._leaves_as_child = children.at_end(self._exit.wait)

    def drop(self) -> None:
        """Counts something that was dropped elsewhere before it came here."""
        self._backlog.dropped += 1

    @property
    def waiting(self) -> int:
        """How many things that were observed wait to be written."""
        return len(self._backlog.items)

    @property
    def dropped(self) -> int:
        """How many spans, and parts of them, had to go before they were written."""
        return self._backlog.dropped

    @property
    def streams(self) -> int:
        """How many streams are being read."""
        return len(self._open)

    def opened(self, observation: Open) -> None:
        """Remembers a stream that is being read, or the run itself, so that exit can end it."""
        self._open[id(observation)] = observation

    def closed(self, observation: Open) -> None:
        """Forgets a stream that has ended."""
        self._open.pop(id(observation), None)

    def _work(self) -> float | None:
        """Empties the queue, then writes what is due; gives the seconds until more is."""
        if not (self._is_ready or (self.is_idle and self._marks)):  # a flush alone needs no project
            self._is_ready = True
            self.writer.loads = True
            try:
                self._writing.prepare()
            finally:
                self.writer.loads = False
        backlog, weight, told = self._backlog, 0, self._has_told()
        since = time.monotonic()
        until = since + WRITTEN_EVERY
        while not self.writer.parked and (item := backlog.taken()) is not None:
            told = self._has_told()
            if isinstance(item, Mark):
                self._reach(item)
                continue
            if isinstance(item, Lost):
                self._writing.lose(item.key)
                continue
            self._writing.take(item[0], item[1])
            self._taken += 1
            weight += item[2] if item[1] is None else 0
            now = time.monotonic()
            if weight >= WRITTEN_BYTES or now >= until:
                self._writing.write()
                weight, until = 0, now + WRITTEN_EVERY
            if not self._marks and now - since >= GIVES_WAY * (1 + len(backlog.items) // _SELDOM):
                sleep(0)
                since = time.monotonic()
        if self.writer.parked:
            return None
        pause = self._writing.write()
        return pause if told or (pause is not None and pause < AT_TIMES) else AT_TIMES

    def _has_told(self) -> bool:
        """Says how many were dropped, at times; tells whether it has said all."""
        dropped = self.dropped
        if dropped == self._said_dropped:
            return True
        if say_at_times(
            f"calls end faster than their spans can be written: {dropped:,} spans, or parts of them, were "
            "dropped so far, the oldest first. BTTRACE_SAMPLE_RATE records fewer traces.",
            about="dropped before they were written",
        ):
            self._said_dropped = dropped
            return True
        return False

    def _reach(self, mark: Mark) -> None:
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

    def hasten(self, promptness: Promptness) -> None:
        """Lets those who end something wait for its delivery."""
        self.promptness = promptness

    @property
    def has_delivered(self) -> bool:
        """Whether every span that ended until now is delivered. Never blocks."""
        if self._backlog or not self.writer.rests:
            return False
        return all(_is_sent(sink.counts()) for sink in self.sinks)

    def flush(self, timeout: float) -> bool:
        """Waits until every span that ended before is delivered, at most `timeout` seconds."""
        return self._flush(timeout)

    def _flush(self, timeout: float, *, is_last: bool = False) -> bool:
        if is_ours():  # a masker or a log handler asks, and we wait for it
            self.writer.rouse(at_once=True)
            return False
        forks.catch_up()
        deadline = time.monotonic() + timeout
        if self.is_idle and not (self._is_ready or self._backlog):  # nothing has come, nor been on its way
            return self._sinks_flushed(deadline, is_last=is_last)
        mark = Mark(is_last=is_last)
        self._marks.add(mark)
        self._backlog.items.append(mark)
        # The sinks get a little less, so that they can say what went wrong before nobody waits any more.
        share = timeout * _SINKS_SHARE
        self.writer.rouse(at_once=True)
        until = deadline - timeout + share
        stood_in = self.writer.stand_in(until)
        patience = max(share, _GRACE) if is_last else share
        if not stood_in and not mark.reached.wait(patience) and not is_last:
            return False
        with acting() if stood_in else nullcontext():
            went = self._sinks_flushed(until, is_last=is_last)
        return went and mark.reached.wait(0)

    def _sinks_flushed(self, deadline: float, *, is_last: bool) -> bool:
        """Has every sink send everything; tells whether all of it went."""
        went = [_flushed(sink, deadline, is_last) for sink in self.sinks]
        return all(went)

    def close(self, timeout: float) -> None:
        """Delivers what ended, then ends the writer and lets go of everything."""
        deadline = time.monotonic() + timeout
        self._flush(timeout, is_last=True)
        self.active = False
        self.writer.end(max(deadline - time.monotonic(), 0.0))
        self._exit.cancel()
        for sink in self.sinks:
            sink.close()

    def _leave(self, timeout: float) -> None:
        """Delivers what can be at an exit; what is open ends now."""
        if not self.active:
            return
        self.writer.naps = ()  # what comes from now on is to be seen to by who brings it
        for observation in reversed(list(self._open.values())):  # the run itself was opened first
            _left(observation)
        self._flush(timeout, is_last=True)
        self._flushed = self._taken

    def end(self) -> None:
        """Delivers what came since the exit began, and lets no thread of ours disturb the end of it."""
        if self._backlog or self._open or self._taken != self._flushed:
            self._exit.wait()
        self._exit.end()

    def before_fork(self) -> None:
        """Has nothing to do: the writer comes to rest by itself."""

    def after_fork_in_parent(self) -> None:
        """Has nothing to do: the writer goes on by itself."""

    def after_fork(self) -> None:
        """Starts anew in a forked child; the parent sends what was queued before."""
        if not self.active:
            return
        self._backlog = Backlog()
        self._said_dropped = 0
        self._marks = set()
        self._open.clear()
        self.is_idle, self._is_ready = True, False
        self._making = allocate_lock()
        self._leaves_as_child = False
        self._exit.after_fork()
        if self._written is not None:
            self._written.forget()
        for sink in self.sinks:
            sink.after_fork()


def _is_sent(counts: Counts) -> bool:
    attachments = counts.attachments
    return not (counts.waiting or counts.lost) and (attachments is None or _is_sent(attachments))


def _flush(sink: Sink, deadline: float, is_last: bool) -> bool:  # noqa: FBT001 - as `guarded` passes it on
    return sink.flush(deadline, is_last=is_last)


def _leave(observation: Open) -> None:
    observation.leave()


_flushed = guarded(_flush, retires=False)
_left = guarded(_leave, retires=False)
