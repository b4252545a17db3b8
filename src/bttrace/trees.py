"""From what began and ended to spans in their places: the writer's side of turns.

Owns when a span is written: what has ended at once, with the steps above it as far as they
are known; a step that stays open, once it is old enough to be worth a row of its own. What
was written open is completed by a row that merges. Knows no SDK, and no sink's ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from weakref import ref

from .clock import Clock, Ids
from .contracts import Begun, Ended, Told
from .evidence import Answer, Asked
from .executions import Execution
from .hearing import heard_of, linked
from .model import Caller, Facts, Metric, Span
from .spans.shape import generation
from .spans.style import Place, Style
from .surroundings.correlation import NOTHING, Correlation
from .surroundings.trace_keys import UNHEARD, Said
from .turns import RUNNING, Failure, Origin, Outcome, Run, Services, Turns, Within
from .turns.steps import Step

OPEN_AFTER = 1.0  # seconds that a step is open before it is worth a row of its own
_PEEKED = 100  # streams that are looked into, the latest
_MOST = 500  # spans that are held until the queue is empty

Write = Callable[[Span, object], None]
# What a turn sums up; each stands on the spans of its calls.
_COUNTS: frozenset[Metric] = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "tokens",
        "prompt_cached_tokens",
        "prompt_cache_creation_tokens",
        "completion_reasoning_tokens",
        "estimated_cost",
    }
)


class Trees:
    """Gives each span its place; `correlation` is that of the whole process. For one thread: the writer's."""

    def __init__(
        self, style: Style, clock: Clock, ids: Ids, write: Write, correlation: Correlation = NOTHING
    ) -> None:
        self._style = style
        self._correlation = correlation
        self._clock = clock
        self._write = write
        self._ids = ids
        self._turns = Turns(ids)
        self._services = Services(ids)
        self._steps: dict[str, Step] = {}
        self._spans: list[tuple[Span, object]] = []
        self._streams: dict[object, Begun] = {}  # by key: what is remembered holds no call
        self._root: Place | None = None
        self._root_key: Execution | None = None

    def forget(self) -> None:
        """Starts anew, without what is open: a forked child leaves it to its parent."""
        self._turns = Turns(self._ids, self._turns.shared())
        self._services = Services(self._ids)
        self._steps.clear()
        self._spans.clear()
        self._streams.clear()

    def begin(self, observation: Begun) -> None:
        """Takes it that a call was made that offers tools."""
        opening = observation.opening()
        if opening is None or opening.endpoint.conversation is None or isinstance(observation.parent, Told):
            return
        key, heard = ref(observation), heard_of(opening)
        asked = opening.endpoint.conversation.asked(opening.request)
        self._enter(key, opening.started, asked, self._origin(observation, opening.caller, heard))
        self._streams[key] = observation
        if len(self._streams) > RUNNING:
            del self._streams[next(iter(self._streams))]
        self._keep()

    def _enter(self, key: object, at: float, asked: Asked, origin: Origin) -> None:
        """Has a call find its turn, for which more may have to be known of streams that are being read."""
        if origin.correlation.session_id is not None:
            asked = replace(asked, session=origin.correlation.session_id)
        if not self._turns.knows(asked):
            self._peek(at)
        self._turns.begin(key, at, asked, origin)

    def finish(self, ended: Ended) -> bool:
        """Takes what has ended, and makes its span; tells whether its answer asks for tools."""
        key = ref(ended)
        self._streams.pop(key, None)
        facts = ended.facts()
        if facts is None:
            self._turns.drop(key)
            return False
        conversation = facts.endpoint.conversation
        if isinstance(ended.parent, Told):
            conversation = None  # another tracer tells of it, and of what is around it
        heard = heard_of(facts)
        if not self._turns.is_running(key):
            asked = Asked() if conversation is None else conversation.asked(facts.request)
            self._enter(key, facts.started, asked, self._origin(ended, facts.caller, heard))
        place, adopter = self._turns.place(key)
        name = None if heard.trace is None else heard.trace.generation_name
        correlation = linked(self._correlated(ended, heard), ended.within, self._root, place, heard)
        span = generation(facts, place, self._style, correlation, name)
        answer = Answer() if conversation is None else conversation.answer(facts.response)
        usage = {name: count for name, count in span.metrics.items() if name in _COUNTS}
        did = () if conversation is None else facts.endpoint.compactions(facts.request, facts.response)
        own = self._turns.is_compacting(key)
        outcome = Outcome(answer, _failure(facts, answer), usage, did if own else (), span.cost)
        self._turns.end(key, span.metrics["end"], outcome)
        self._spans.append((span, adopter))
        within = Within(
            place,
            span.metrics["start"],
            span.metrics["end"],
            adopter,
            facts.moments,
            facts.endpoint.polls or facts.endpoint.settles(facts.response) is not None,
        )
        self._put(self._services.steps(within, answer, () if own else did))
        self._keep()
        return bool(answer.asks)

    def lose(self, key: object) -> None:
        """Takes it that the end of a call or an execution will not be heard of."""
        self._streams.pop(key, None)
        self._turns.drop(key)
        self._turns.lose(key)
        self._keep()

    def root(self, execution: Execution) -> None:
        """Takes it that an execution began in which all else happens that is in no other."""
        self.start(execution)
        self._root = execution.placed[0]
        self._root_key = execution

    def _put(self, steps: Iterable[Step]) -> None:
        """Takes steps that are written as they come, behind the spans that they stand in."""
        for step in steps:
            self._spans.append((step.span(self._style), step.adopter))
            step.sent()

    def start(self, execution: Execution) -> None:
        """Takes it that an execution began; one that two threads told of at once, once."""
        if execution.placed is not None:
            return
        at = self._clock.epoch(execution.started)
        run = Run(
            execution.kind,
            execution.name,
            execution.arguments,
            execution.call_id,
            execution.asked_by is not None,
            _keys(execution.asked_by),
            execution.delegate,
            execution.returns,
            execution.promised,
        )
        if not self._turns.expects(run):
            self._peek(at)
        if execution.is_hidden:
            self._turns.hide(run)
            return
        self._turns.start(execution, at, run, self._origin(execution, Caller.of(execution.caller)))
        placed = execution.placed = self._turns.place_of(execution)
        self._keep()
        if execution.awaited is not None:
            if placed is not None and placed[1] is not None:
                self.write(at, needed=placed[0].span_id)
            execution.awaited.release()

    def stop(self, execution: Execution) -> None:
        """Takes it that an execution ended."""
        error = None
        if execution.error is not None:
            kind, message = execution.error
            error = f"{kind}: {message}" if message else kind
        ended = execution.started if execution.ended is None else execution.ended
        if execution.errand is not None:
            self._turns.retell(execution, execution.name, execution.arguments)
        self._turns.stop(execution, self._clock.epoch(ended), execution.result, error, execution.details)
        execution.result, execution.arguments = None, {}
        self._keep()

    def _peek(self, at: float) -> None:
        """Looks at what the streams that are being read have asked for until now.

        An application may run a tool, or send its result, before it has read the stream to its end.
        """
        for key, stream in list(self._streams.items())[-_PEEKED:]:
            facts = stream.facts_so_far()
            if facts is not None and facts.endpoint.conversation is not None:
                answer = facts.endpoint.conversation.answer(facts.response)
                self._turns.hear(key, max(at, facts.started), answer)

    def _origin(self, ended: Ended | Execution, caller: Caller | None, heard: Said = UNHEARD) -> Origin:
        """Gives where something began, and what is said of it."""
        origin = self._begun(ended, caller, self._correlated(ended, heard))
        return origin if heard.trace is None else replace(origin, trace=heard.trace)

    def _begun(self, ended: Ended | Execution, caller: Caller | None, correlation: Correlation) -> Origin:
        parent, within = ended.parent, ended.within
        if within is not None and (parent is within.parent or parent is within.current):
            return Origin(within, caller=caller, correlation=correlation)
        root, above = getattr(parent, "root_span_id", None), getattr(parent, "span_id", None)
        if isinstance(root, str) and isinstance(above, str):
            return Origin(None, root, above, parent, caller, correlation)
        if within is None and correlation.parent is not None:
            remote = correlation.parent
            return Origin(None, remote.root_span_id, remote.span_id, None, caller, correlation)
        if within is None and self._root is not None:
            # In a forked child the execution is not known, and neither is it when it has ended: its place is.
            root, above = self._root.root_span_id, self._root.span_id
            return Origin(self._root_key, root, above, None, caller, correlation)
        return Origin(within, caller=caller, correlation=correlation)

    def _correlated(self, ended: Ended | Execution, heard: Said = UNHEARD) -> Correlation:
        """Gives what is said of something: by itself, around it in the code, and for the whole process."""
        around = ended.correlation
        around = self._correlation if around is None else around.within(self._correlation)
        found = around if heard is UNHEARD else heard.correlation.within(around)
        if found.session_id is None and heard.last_session is not None:
            return replace(found, session_id=heard.last_session)
        return found

    # Writing.

    def write(self, now: float, *, needed: str | None = None) -> float | None:
        """Writes what has ended or is needed, and what is above; gives the seconds until a step is due."""
        self._note()
        spans, self._spans = self._spans, []
        above = {parent for span, _ in spans for parent in span.parents} | {needed}
        for step in reversed(list(self._steps.values())):  # children before parents
            if step.ended is not None or step.place.span_id in above or now - step.started >= OPEN_AFTER:
                above.update(step.place.parents)
                above.add(step.place.span_id)
        for name in [name for name in self._steps if name in above]:
            step = self._steps.pop(name)
            self._write(step.span(self._style), step.adopter)
            step.sent()
        for span, adopter in spans:
            self._write(span, adopter)
        oldest = min((step.started for step in self._steps.values()), default=None)
        return None if oldest is None else max(oldest + OPEN_AFTER - now, 0.05)

    def abandon(self, now: float) -> None:
        """Ends and writes everything that is open."""
        self._turns.abandon()
        self._put(self._services.abandon(now))
        self.write(now)

    def _keep(self) -> None:
        self._note()
        if len(self._spans) + len(self._steps) >= _MOST:
            self.write(self._clock.epoch(self._clock.now()))

    def _note(self) -> None:
        for step in self._turns.changes():
            self._steps.setdefault(step.place.span_id, step)


def _keys(asked_by: object) -> tuple[object, ...]:
    """Gives the keys of the calls that may have asked for an execution; none if it was not looked for."""
    if asked_by is None:
        return ()
    return tuple(ref(call) for call in (asked_by if isinstance(asked_by, tuple) else (asked_by,)))


def _failure(facts: Facts, answer: Answer) -> Failure | None:
    """Gives how a call failed, if it did; a stream that was left before it had said all was called off."""
    if facts.error_type is not None:
        return "cancelled" if facts.error_type == "CancelledError" else "failed"
    if facts.endpoint.failure(facts.response):
        return "failed"
    if answer.cancelled:
        return "cancelled"
    left = facts.stream_end in ("closed", "dropped") and not answer.is_whole
    return "cancelled" if left and not (answer.asks or answer.unfinished) else None
