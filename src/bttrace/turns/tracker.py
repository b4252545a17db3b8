"""Which turn a call belongs to, and what its steps are: `Turns`. PURE.

Evidence comes from what is sent and answered, never from the stack: the ids of tool calls
tie a request to the answer that asked for them, whatever thread or task sends it. What
has ended is remembered for a while, because a request may be tried again, or more than once.

A step lies within its parent's time, with one exception: what an application leaves running,
a tool past the results that it sends or a model call past its tool, ends after its parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ..classes import dataclass
from ..evidence import Answer, Asked, weight
from ..spans.style import Place
from .endings import Endings
from .events import Origin, Outcome, Run
from .iterations import Iteration, Pending, Turn
from .matching import Match, newest
from .memory import Memory
from .places import Above, Places
from .runs import Runs
from .steps import Ids, Step, conclude
from .traces import Traces, turn_names

_NO_DETAILS: Mapping[str, object] = MappingProxyType({})
RUNNING = 10_000  # calls that may be at work at once


@dataclass(slots=True)
class _Generation:
    """A call at work, made `within` an execution. One that asks `again` for an answer gives no new one."""

    turn: Turn | None
    iteration: Iteration | None
    place: Place
    adopter: object
    within: object = None
    again: bool = False
    compaction: Step | None = None


class Turns:
    """Takes what begins and ends, in order, and gives the steps that changed."""

    def __init__(self, ids: Ids, inherited: Iterable[Step] = ()) -> None:
        self._places = Places(ids)
        self._memory = Memory(self._give_up)
        self._traces = Traces(self._places, inherited)
        self._runs = Runs(self._places, self._traces)
        self._endings = Endings(self._places)
        self._running: dict[object, _Generation] = {}
        self._latest = 0.0

    # Calls.

    def begin(self, key: object, at: float, asked: Asked, origin: Origin) -> None:
        """Takes the beginning of a call."""
        self._latest = max(self._latest, at)
        if asked.compacts:
            self._running[key] = self._compacting(at, asked, origin)
            return
        match = self._memory.matched(asked, origin.root) or self._retold(asked, at, origin)
        if match is not None and (asked.about or asked.resumes):
            self._join(key, at, origin, match.turn, match.iteration, again=bool(asked.about))
        elif match is not None:
            self._endings.settle(match.pairs, at)
            self._join(key, at, origin, match.turn, match.next or self._iterated(match.turn, at, asked))
        elif asked.offers:
            turn = self._opened(at, asked, origin)
            self._join(key, at, origin, turn, self._iterated(turn, at, asked))
        else:
            place, adopter = self._runs.place(origin, at, asked.prompt)
            self._running[key] = _Generation(None, None, place, adopter, origin.within)
        if len(self._running) > RUNNING:
            self.drop(next(iter(self._running)))

    def knows(self, asked: Asked) -> bool:
        """Tells whether what a request goes on with, if anything, is known."""
        goes_on = asked.brought or asked.about is not None
        return not goes_on or self._memory.matched(asked, None) is not None

    def expects(self, run: Run) -> bool:
        """Tells whether an execution can be told where it belongs."""
        return run.kind != "tool" or self._pending(run) is not None

    def is_running(self, key: object) -> bool:
        """Tells whether a call has begun and not ended."""
        return key in self._running

    def place(self, key: object) -> tuple[Place, object]:
        """Gives where a running call's span stands, and the application's own span that it hangs in."""
        generation = self._running[key]
        return generation.place, generation.adopter

    def is_compacting(self, key: object) -> bool:
        """Tells whether a running call is a compaction and nothing else."""
        generation = self._running.get(key)
        return generation is not None and generation.compaction is not None

    def hear(self, key: object, at: float, answer: Answer) -> None:
        """Takes an answer as far as it has come; the same again, with more, is no harm."""
        generation = self._running.get(key)
        if generation is None or generation.turn is None or generation.iteration is None:
            return
        turn, iteration = generation.turn, generation.iteration
        self._memory.answered(turn, iteration, key, answer)
        if not answer.asks:
            return
        turn.touch(at)
        if iteration.act is None:
            iteration.act = self._places.step(
                "act", f"act (iteration {iteration.number})", at, iteration.above
            )
        for name, asking in iteration.numbered(key, answer.asks, again=generation.again):
            call = iteration.calls.get(name)
            if call is None:
                call = iteration.calls[name] = Pending(asking, turn, iteration, key)
                iteration.act.ended = None
            self._memory.asked(call, asking)
            call.is_coming = not answer.is_whole and asking is answer.asks[-1]
        iteration.act.input = [
            {"id": call.asking.id, "name": call.asking.name} for call in iteration.calls.values()
        ]
        self._places.note(iteration.act)

    def end(self, key: object, at: float, outcome: Outcome) -> None:
        """Takes the end of a call."""
        self._latest = max(self._latest, at)
        answer = outcome.answer
        self.hear(key, at, answer)
        generation = self._running.pop(key, None)
        if generation is None:
            return
        self._runs.spend(generation.within, outcome.usage, outcome.cost)
        self._traces.ended(generation.place, at)
        if generation.compaction is not None:
            self._compacted(generation.compaction, at, outcome)
        if generation.turn is None or generation.iteration is None:
            return
        turn, iteration = generation.turn, generation.iteration
        turn.spend(outcome.usage, outcome.cost)
        self._memory.touched(turn, at)
        iteration.take(answer, outcome.failure)
        if outcome.failure is None and iteration.is_last and not answer.asks:
            turn.last = answer.content
            self._memory.concluded(turn, answer)
        iteration.reason.output = {
            "has_tool_calls": bool(iteration.calls),
            "tool_call_count": len(iteration.calls),
            "text_preview": iteration.preview,
        }
        self._rest(turn, iteration, at)

    def drop(self, key: object) -> None:
        """Forgets a call that turned out to be none, or of which nothing will be heard."""
        generation = self._running.pop(key, None)
        if generation is not None and generation.turn is not None and generation.iteration is not None:
            self._rest(generation.turn, generation.iteration, generation.turn.touched)

    # Executions.

    def start(self, key: object, at: float, run: Run, origin: Origin) -> bool:
        """Takes the beginning of an execution; tells whether it has its place.

        One that was asked for, as far as is known, by nobody has none if it was only found by
        its name; any other stands where it was called.
        """
        self._latest = max(self._latest, at)
        pending = self._pending(run)
        self._runs.start(key, at, run, origin, pending)
        if pending is not None and run.returns == "in words":
            self._memory.unnumbered(pending.turn)
        if pending is not None and pending.iteration.act is not None:
            self._places.note(pending.iteration.act)
        return pending is not None

    def hide(self, run: Run) -> None:
        """Takes it that an execution runs of which nothing is told, nor inferred from its result."""
        pending = self._pending(run)
        if pending is not None:
            pending.is_hidden = True

    def stop(
        self,
        key: object,
        at: float,
        result: object,
        error: str | None,
        details: Mapping[str, object] = _NO_DETAILS,
    ) -> None:
        """Takes the end of an execution; `details` are metadata of its span."""
        self._latest = max(self._latest, at)
        stopped = self._runs.stop(key, at, result, error, details)
        if stopped is not None:
            self._ran(*stopped, at, result, is_error=error is not None)
        for turn in self._memory.over(key):
            turn.touch(at)
            self._endings.close(turn, "failed" if error else "completed")

    def retell(self, key: object, name: str, arguments: object) -> None:
        """Takes it that an execution is called otherwise than was known when it began."""
        self._runs.retell(key, name, arguments)

    def lose(self, key: object) -> None:
        """Takes it that the end of an execution will not be heard of."""
        self._runs.lose(key, self._latest)

    def _ran(self, run: Run, pending: Pending, at: float, result: object, *, is_error: bool) -> None:
        """Takes it that a tool has run that a model asked for."""
        turn = pending.turn
        turn.touch(at)
        act = pending.iteration.act
        if act is not None and act.ended is not None:  # it was left running: what was counted has changed
            self._endings.finish_act(pending.iteration, act.ended)
        if is_error:
            return
        if run.delegate is not None and pending.tool is not None:  # it has handed its turn over
            task = self._places.step("task", f"task:{run.delegate}", at, pending.tool)
            task.input = pending.asking.arguments
            turn.delegates.append(task)
        if run.returns == "nowhere":  # its result is the turn's answer
            turn.last = result
            self._endings.told(turn.iterations[-1], at)
            self._endings.close(turn, "completed")

    def place_of(self, key: object) -> tuple[Place, object] | None:
        """Gives where an execution's span stands, if it has one."""
        step = self._runs.step_of(key)
        return None if step is None else (step.place, step.adopter)

    # What has changed.

    def changes(self) -> list[Step]:
        """Gives the steps that changed since they were last asked for, parents before their children."""
        return self._traces.changes()

    def shared(self) -> list[Step]:
        """Gives the steps that a forked child inherits."""
        return self._traces.shared()

    def abandon(self) -> None:
        """Ends everything that is open, because nothing more will be heard of it."""
        self._runs.abandon(self._latest)
        for key in list(self._running):
            self.drop(key)
        self._memory.clear()
        self._traces.abandon(self._latest)

    def _give_up(self, turn: Turn) -> None:
        if turn.step.ended is None:
            self._endings.close(turn, "abandoned")

    # How steps come to be, and end.

    def _opened(self, at: float, asked: Asked, origin: Origin) -> Turn:
        origin = self._in_session(origin, asked)
        place, adopter = self._runs.place(origin, at, asked.prompt, is_turn=True)
        name, span_name = turn_names(origin.trace, place)
        step = Step(place, "turn", name, at, adopter, input=asked.prompt, caller=origin.caller)
        step.correlation = origin.correlation
        turn = Turn(step, weight(asked.prompt), asked.prompts[-1] if asked.prompts else None)
        turn.weight += weight(turn.prompt)
        turn.within = origin.within
        turn.span_name = span_name
        turn.session = origin.correlation.session_id or place.root_span_id
        step.metadata = {"session_id": turn.session}
        self._memory.opened(turn)
        self._places.note(step)
        return turn

    def _in_session(self, origin: Origin, asked: Asked) -> Origin:
        """Gives where something begins with the session that it is of, if that is known."""
        session = self._memory.session(asked)
        if session is None or session == origin.correlation.session_id:
            return origin
        return replace(origin, correlation=replace(origin.correlation, session_id=session))

    def _iterated(self, turn: Turn, at: float, asked: Asked) -> Iteration:
        number = len(turn.iterations) + 1
        reason = self._places.step("reason", f"reason (iteration {number})", at, turn.above)
        iteration = Iteration(number, reason, turn.above, newest(asked))
        turn.iterations.append(iteration)
        self._memory.iterated(turn)
        return iteration

    def _join(
        self,
        key: object,
        at: float,
        origin: Origin,
        turn: Turn,
        iteration: Iteration,
        *,
        again: bool = False,
    ) -> None:
        turn.running += 1
        iteration.running += 1
        iteration.reason.ended = None
        for step in (turn.step, iteration.reason):  # what offers no tools is heard of when it ends
            step.started = min(step.started, at)
            self._places.note(step)
        is_failed = turn.step.metadata.pop("turn_status", "completed") != "completed"
        for step in (turn.step, *turn.delegates):
            if step.ended is not None:
                step.ended = None
                self._places.note(step)
            if is_failed:
                step.output = None
        self._memory.touched(turn, at)
        above = Above.of(iteration.reason)
        if origin.trace is not None and origin.trace.span_name != turn.span_name:
            above = self._traces.named(above, origin, at)
        place, adopter = self._places.placed(above)
        self._running[key] = _Generation(turn, iteration, place, adopter, turn.within, again)

    def _compacting(self, at: float, asked: Asked, origin: Origin) -> _Generation:
        """Begins a compaction: of the turn that is open, or else of its session alone."""
        origin = self._in_session(origin, asked)
        turn = self._memory.concerned(asked)
        if turn is not None and turn.step.ended is None:
            place, adopter = self._places.beneath(turn.step)
        else:
            place, adopter = self._runs.place(origin, at, None)
        step = Step(place, "compaction", "compaction", at, adopter, caller=origin.caller)
        if not place.parents:
            step.correlation = origin.correlation
        step.metadata["session_id"] = origin.correlation.session_id if turn is None else turn.session
        self._places.note(step)
        place, adopter = self._places.beneath(step)
        return _Generation(None, None, place, adopter, origin.within, compaction=step)

    def _compacted(self, step: Step, at: float, outcome: Outcome) -> None:
        session = step.metadata["session_id"]
        self._memory.summarised(outcome.answer, session if isinstance(session, str) else None)
        step.ended = at
        conclude(step, outcome.compactions, outcome.failure)
        self._places.note(step)

    def _retold(self, asked: Asked, at: float, origin: Origin) -> Match | None:
        """Gives the turn that a request goes on with in words, and the iteration that it follows."""
        turn = self._memory.retold(asked, origin.within)
        if turn is None:
            return None
        latest = turn.iterations[-1]
        self._endings.told(latest, at)
        return Match(turn, latest)

    def _rest(self, turn: Turn, iteration: Iteration, at: float) -> None:
        """Takes it that one call less is at work, and ends what thereby has ended."""
        turn.running -= 1
        iteration.running -= 1
        iteration.until = max(iteration.until, iteration.reason.started, at)
        if not iteration.running and not iteration.is_unfinished:
            iteration.reason.ended = iteration.until
        self._places.note(iteration.reason)
        status = turn.status if turn in self._memory else turn.status or "abandoned"
        if status is not None:
            self._endings.close(turn, status)

    def _pending(self, run: Run) -> Pending | None:
        if run.kind != "tool":
            return None
        return self._memory.pending(run.name, run.arguments, run.call_id, run.asked_by)
