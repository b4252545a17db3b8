"""From what was observed to the sinks: what the writer thread does with each thing it gets.

Owns the trees, the screens that spans pass, and the sinks. Knows neither the queue nor the
thread. A fault in one span must cost neither its neighbours nor, after a few, all that come
later: so each step is guarded, and none retires.
"""

from __future__ import annotations

from collections.abc import Sequence

from .backlog import BEGUN, What
from .clock import Clock, Ids
from .contracts import Begun, Ended, Observation, Promptness, Screen, Sink
from .executions import Execution
from .guard import guarded
from .model import Span
from .spans.style import Style
from .surroundings.correlation import NOTHING, Correlation
from .trees import Trees


class Writing:
    """Makes spans of observations and hands them to the sinks. For the writer thread."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        style: Style,
        clock: Clock,
        ids: Ids,
        screens: Sequence[Screen] = (),
        correlation: Correlation = NOTHING,
    ) -> None:
        self.sinks = tuple(sinks)
        self.trees = Trees(style, clock, ids, self._to_sinks, correlation)
        self.promptness: Promptness | None = None
        self._screens = tuple(screens)
        self._clock = clock

    def watch(self, screen: Screen) -> None:
        """Takes a further screen."""
        self._screens += (screen,)

    def prepare(self) -> None:
        """Lets the sinks get ready."""
        for sink in self.sinks:
            _prepared(sink)

    def take(self, observation: Observation | Execution, what: What) -> None:
        """Takes one thing that was observed."""
        _taken(self, observation, what)

    def handle(self, observation: Observation | Execution, what: What) -> None:
        """Does what `take` guards."""
        if isinstance(observation, Execution):
            if what is BEGUN:
                self.trees.start(observation)
            else:
                self.trees.stop(observation)
                if self.promptness is not None:
                    self.promptness.taken(observation, asks=False)
        elif what is None:
            asks = self.trees.finish(observation)
            if self.promptness is not None:
                self.promptness.taken(observation, asks=asks)
        elif what is BEGUN:
            self.trees.begin(observation)
        else:
            observation.fold(what)

    def lose(self, key: object) -> None:
        """Takes it that nothing more will be heard of what began."""
        _lost(self.trees, key)

    def began(self, begun: Begun) -> None:
        """Takes it that something has begun that will end."""
        self.trees.begin(begun)

    def finish(self, ended: Ended) -> None:
        """Makes a span of what has ended."""
        self.trees.finish(ended)

    def write(self) -> float | None:
        """Writes the spans that are due, and lets the sinks send; gives the seconds until more are."""
        pause = _treed(self.trees, self._now())
        for sink in self.sinks:
            _delivered(sink)
        return pause

    def end(self) -> None:
        """Ends and writes everything that is open."""
        _abandoned(self.trees, self._now())

    def forget(self) -> None:
        """Starts anew in a forked child, without what is the parent's."""
        self.trees.forget()

    def _now(self) -> float:
        return self._clock.epoch(self._clock.now())

    def _to_sinks(self, span: Span, parent: object) -> None:
        for screen in self._screens:
            passed = _screened(screen, span, parent)
            if passed is None:
                return
            span = passed
        for sink in self.sinks:
            _written(sink, span, parent)


def _take(writing: Writing, observation: Observation | Execution, what: What) -> None:
    writing.handle(observation, what)


def _write(sink: Sink, span: Span, parent: object | None) -> None:
    sink.write(span, parent)


def _screen(screen: Screen, span: Span, parent: object | None) -> Span | None:
    return screen.passed(span, parent)


def _prepare(sink: Sink) -> None:
    sink.prepare()


def _deliver(sink: Sink) -> None:
    sink.deliver()


_taken = guarded(_take, retires=False)
_lost = guarded(Trees.lose, retires=False)
_treed = guarded(Trees.write, retires=False)
_abandoned = guarded(Trees.abandon, retires=False)
_screened = guarded(_screen, retires=False)
_written = guarded(_write, retires=False)
_prepared = guarded(_prepare, retires=False)
_delivered = guarded(_deliver, retires=False)
