"""Which turn a call belongs to, and what its steps are: `Turns`. PURE.

Evidence comes from what is sent and answered, never from the stack: the ids of tool calls
tie a request to the answer that asked for them, whatever thread or task sends it. What
has ended is remembered for a while, because a request may be tried again, or more than once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ..evidence import Answer, Asked, Compaction, Result, Return, weight
from ..model import Caller, Metric
from ..shape import Place
from .iterations import Iteration, Pending, Turn, added
from .memory import Memory
from .steps import Ids, Kind, Step, beneath, conclude

_PREVIEW = 200  # characters of an answer's text on its `reason`
_EXECUTIONS = 2000  # that are remembered, so that what is left running in one still finds it

_NO_DETAILS: Mapping[str, object] = MappingProxyType({})

Failure = Literal["failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something began: within an execution, by its key, and in the application's own span, if any."""

    within: object = None
    root_span_id: str | None = None
    span_id: str | None = None
    adopter: object = None
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. `usage` are the tokens of its span, `compactions` what it did to a context."""

    answer: Answer
    failure: Failure | None = None
    usage: Mapping[Metric, float] = field(default_factory=dict)
    compactions: tuple[Compaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """An execution that was observed: of a tool, or of a function that is a workflow or a task.

    `arguments` are by parameter. What is `found` by the name that a model asked for counts
    only if it was asked for; `asked_by` is then the key of the call that asked, or a tuple of
    those that may have. A tool that hands the turn over does so to the `delegate` of that name.
    """

    kind: Kind
    name: str
    arguments: Mapping[str, object]
    call_id: str | None = None
    found: bool = False
    asked_by: object = None
    delegate: str | None = None
    returns: Return = "by id"


@dataclass(slots=True)
class _Generation:
    turn: Turn | None
    iteration: Iteration | None
    place: Place
    adopter: object
    within: object = None
    compaction: Step | None = None


@dataclass(slots=True)
class _Execution:
    origin: Origin
    step: Step | None
    pending: Pending | None = None
    run: Run | None = None
    task: Step | None = None
    usage: Mapping[Metric, float] = field(default_factory=dict)


class Turns:
    """Takes what begins and ends, in order, and gives the steps that changed."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._memory = Memory(self._abandon)
        self._running: dict[object, _Generation] = {}
        self._executions: dict[object, _Execution] = {}
        self._changed: dict[str, Step] = {}
        self._latest = 0.0

    # Calls.

    def begin(self, key: object, at: float, asked: Asked, origin: Origin) -> None:
        """Takes the beginning of a call."""
        self._latest = max(self._latest, at)
        if asked.compacts:
            self._running[key] = self._compacting(at, asked, origin)
            return
        found = self._memory.matched(asked, origin.root_span_id) or self._retold(asked, at, origin)
        if found is not None:
            turn, latest = found
            if asked.about or asked.resumes:
                self._join(key, at, turn, latest)
            else:
                self._settle(turn, asked.brought, at)
                self._join(key, at, turn, turn.after(latest))
        elif asked.offers:
            turn = self._opened(at, asked, origin)
            self._join(key, at, turn, turn.after(None))
        else:
            parent, adopter = self._parent(origin, at, asked.prompt)
            self._running[key] = _Generation(None, None, parent, adopter, origin.within)

    def knows(self, asked: Asked) -> bool:
        """Tells whether the results that a request brings, if any, are those of a turn."""
        return not asked.brought or self._memory.matched(asked, None) is not None

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
        self._memory.answered(turn, iteration, answer)
        if not answer.asks:
            return
        if iteration.act is None:
            iteration.act = self._step("act", f"act (iteration {iteration.number})", at, iteration.above)
        for asking in answer.asks:
            if asking.id not in iteration.calls:
                iteration.calls[asking.id] = Pending(asking, turn, iteration, key)
                self._memory.asked(iteration.calls[asking.id])
            iteration.calls[asking.id].hear(asking)
        iteration.act.input = [
            {"id": call.asking.id, "name": call.asking.name} for call in iteration.calls.values()
        ]
        self._note(iteration.act)

    def end(self, key: object, at: float, outcome: Outcome) -> None:
        """Takes the end of a call."""
        self._latest = max(self._latest, at)
        answer = outcome.answer
        generation = self._running.get(key)
        if generation is None:
            return
        self.hear(key, at, answer)
        del self._running[key]
        turn, iteration = generation.turn, generation.iteration
        self._spend(generation.within, outcome.usage)
        if generation.compaction is not None:
            self._compacted(generation.compaction, at, outcome)
            return
        if turn is None or iteration is None:
            return
        turn.usage = added(turn.usage, outcome.usage)
        iteration.running -= 1
        iteration.reason.output = {
            "has_tool_calls": bool(iteration.calls),
            "tool_call_count": len(iteration.calls),
            "text_preview": (answer.text or "")[:_PREVIEW] or None,
        }
        if answer.unfinished and not outcome.failure:
            self._note(iteration.reason)
            return
        iteration.reason.ended = at
        self._note(iteration.reason)
        if answer.asks and not outcome.failure:
            return
        if outcome.failure is None:
            turn.last = answer.content
            self._memory.concluded(turn, answer)
        if not any(one.running for one in turn.iterations):
            self._close(turn, at, outcome.failure or "completed")

    def drop(self, key: object) -> None:
        """Forgets a call that turned out to be none."""
        generation = self._running.pop(key, None)
        if generation is not None and generation.iteration is not None:
            generation.iteration.running -= 1

    # Executions.

    def start(self, key: object, at: float, run: Run, origin: Origin) -> bool:
        """Takes the beginning of an execution; tells whether it has its place.

        One that was asked for, as far as is known, by nobody has none if it was only found by
        its name; any other stands where it was called.
        """
        self._latest = max(self._latest, at)
        pending = self._pending(run)
        if pending is None and run.found:
            self._remember(key, _Execution(origin, None))
            return False
        if pending is not None and pending.iteration.act is not None:
            parent, adopter = self._beneath(pending.iteration.act)
            call_id: str | None = pending.asking.id
        else:
            parent, adopter = self._parent(origin, at, None, is_call=False)
            call_id = run.call_id
        name = f"tool.call ({run.name})" if run.kind == "tool" else f"{run.kind}:{run.name}"
        step = Step(
            parent,
            run.kind,
            name,
            at,
            adopter,
            input=run.arguments if pending is None else pending.asking.arguments,
            caller=origin.caller,
        )
        if run.kind == "tool":
            step.metadata = {"tool_name": run.name, "tool_call_id": call_id, "timing": "observed"}
        if pending is not None:
            pending.tool = step
            if run.returns == "in words":
                self._memory.unnumbered(pending.turn)
        self._remember(key, _Execution(origin, step, pending, run))
        self._note(step)
        return pending is not None

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
        execution = self._executions.get(key)
        if execution is None or execution.step is None:
            return
        for step in (execution.task, execution.step):
            if step is not None:
                step.ended, step.output, step.error = at, result, error
                self._note(step)
        execution.step.metadata.update({"status": "error" if error else "success", **details})
        if execution.pending is not None and execution.run is not None and not error:
            self._passed_on(execution.pending.turn, execution.run, execution.step, at)
        for turn in self._memory.over(key):
            self._close(turn, at, "failed" if error else "completed")

    def _passed_on(self, turn: Turn, run: Run, tool: Step, at: float) -> None:
        """Takes it that a tool has handed its turn over, or that its result is the turn's answer."""
        if run.delegate is not None:
            task = self._step("task", f"task:{run.delegate}", at, tool)
            task.input = tool.input
            turn.delegates.append(task)
        if run.returns == "nowhere":
            turn.last = tool.output
            self._settled(turn.iterations[-1], at)
            self._close(turn, at, "completed")

    def place_of(self, key: object) -> tuple[Place, object] | None:
        """Gives where an execution's span stands, if it has one."""
        execution = self._executions.get(key)
        if execution is None or execution.step is None:
            return None
        return execution.step.place, execution.step.adopter

    # What has changed.

    def changes(self) -> list[Step]:
        """Gives the steps that changed since they were last asked for, parents before their children."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def abandon(self) -> None:
        """Ends everything that is open, because nothing more will be heard of it."""
        for key in list(self._running):
            self.drop(key)
        for execution in self._executions.values():
            for step in (execution.task, execution.step):
                if step is not None and step.ended is None:
                    step.ended = self._latest
                    step.metadata["status"] = "abandoned"
                    self._note(step)
        self._executions.clear()
        self._memory.clear()

    def _abandon(self, turn: Turn) -> None:
        if turn.step.ended is None:
            self._close(turn, turn.touched, "abandoned")

    # How steps come to be.

    def _opened(self, at: float, asked: Asked, origin: Origin) -> Turn:
        parent, adopter = self._parent(origin, at, asked.prompt)
        step = Step(parent, "turn", "agent turn", at, adopter, input=asked.prompt, caller=origin.caller)
        turn = Turn(step, weight(asked.prompt), asked.prompts[-1] if asked.prompts else None)
        turn.within = origin.within
        turn.session = self._memory.session(asked) or parent.root_span_id
        step.metadata = {"session_id": turn.session}
        self._memory.opened(turn)
        self._note(step)
        return turn

    def _join(self, key: object, at: float, turn: Turn, iteration: Iteration | int) -> None:
        if isinstance(iteration, int):
            number = iteration
            above = turn.above
            reason = self._step("reason", f"reason (iteration {number})", at, above)
            iteration = Iteration(number, reason, above)
            turn.iterations.append(iteration)
        iteration.running += 1
        iteration.reason.ended = None
        self._reopen(turn, at)
        self._note(iteration.reason)
        place, adopter = self._beneath(iteration.reason)
        self._running[key] = _Generation(turn, iteration, place, adopter, turn.within)

    def _spend(self, within: object, usage: Mapping[Metric, float]) -> None:
        """Adds what a call used to the sums of the workflows and tasks that it was made in."""
        execution = self._executions.get(within) if usage and within is not None else None
        while execution is not None:
            step = execution.step
            if step is not None and step.kind != "tool":
                execution.usage = added(execution.usage, usage)
                step.metadata["usage"] = execution.usage
                if step.ended is not None:
                    self._note(step)
            within = execution.origin.within
            execution = self._executions.get(within) if within is not None else None

    def _compacting(self, at: float, asked: Asked, origin: Origin) -> _Generation:
        """Begins a compaction: of the turn that is open, or else of its session alone."""
        turn = self._memory.concerned(asked)
        if turn is not None and turn.step.ended is None:
            place, adopter = self._beneath(turn.step)
        else:
            place, adopter = self._parent(origin, at, None)
        step = Step(place, "compaction", "compaction", at, adopter, caller=origin.caller)
        step.metadata["session_id"] = self._memory.session(asked) if turn is None else turn.session
        self._note(step)
        return _Generation(None, None, *self._beneath(step), origin.within, step)

    def _compacted(self, step: Step, at: float, outcome: Outcome) -> None:
        session = step.metadata["session_id"]
        self._memory.summarised(outcome.answer, session if isinstance(session, str) else None)
        step.ended = at
        conclude(step, outcome.compactions, outcome.failure)
        self._note(step)

    def _reopen(self, turn: Turn, at: float) -> None:
        self._memory.touched(turn, at)
        if turn.step.ended is not None:
            for step in (turn.step, *turn.delegates):
                step.ended = step.output = None
                self._note(step)
            turn.step.metadata.pop("turn_status", None)

    def _close(self, turn: Turn, at: float, status: str) -> None:
        for iteration in turn.iterations:
            if iteration.reason.ended is None:
                iteration.reason.ended = at
                self._note(iteration.reason)
            if iteration.act is not None and iteration.act.ended is None:
                self._finish_act(iteration, at)
        for step in (*reversed(turn.delegates), turn.step):
            step.ended = at
            step.output = turn.last if status == "completed" else {"status": status}
            self._note(step)
        turn.step.metadata.update(
            iterations=len(turn.iterations), turn_status=status, usage=turn.usage or None
        )

    def _retold(self, asked: Asked, at: float, origin: Origin) -> tuple[Turn, Iteration] | None:
        """Gives the turn that a request goes on with in words, and the iteration that it follows."""
        turn = self._memory.retold(asked, origin.within)
        if turn is None:
            return None
        latest = turn.iterations[-1]
        self._settled(latest, at)
        return turn, latest

    def _settled(self, iteration: Iteration, at: float) -> None:
        """Takes it that no results of an iteration's tools will come by their ids."""
        for call in iteration.calls.values():
            call.is_returned = call.is_returned or call.has_run
        self._finish_act(iteration, at)

    def _settle(self, turn: Turn, brought: tuple[Result, ...], at: float) -> None:
        """Takes the results that a request brings, and ends the acts that gave them."""
        settled: dict[int, Iteration] = {}
        for result in brought:
            for iteration in turn.iterations:
                call = iteration.calls.get(result.id)
                if call is not None and not call.is_returned:
                    self._return(call, result, at)
                    settled[iteration.number] = iteration
        for iteration in settled.values():
            self._finish_act(iteration, at)

    def _return(self, call: Pending, result: Result, at: float) -> None:
        call.is_returned = True
        act = call.iteration.act
        if call.tool is not None or act is None:
            call.is_error = result.is_error
            return
        place, adopter = self._beneath(act)
        call.tool = Step(
            place,
            "tool",
            f"tool.call ({call.asking.name})",
            act.started,
            adopter,
            ended=at,
            input=call.asking.arguments,
            output=result.content,
            metadata={
                "tool_name": call.asking.name,
                "tool_call_id": call.asking.id,
                "timing": "inferred",
                "status": "error" if result.is_error else "success",
            },
        )
        self._note(call.tool)

    def _finish_act(self, iteration: Iteration, at: float) -> None:
        act = iteration.act
        if act is None:
            return
        done = [call for call in iteration.calls.values() if call.is_returned or call.has_run]
        errors = sum(call.failed for call in done)
        act.ended = at
        act.output = {
            "completed": len(done),
            "success_count": len(done) - errors,
            "error_count": errors,
        }
        self._note(act)

    def _step(self, kind: Kind, name: str, at: float, parent: Step) -> Step:
        place, adopter = self._beneath(parent)
        step = Step(place, kind, name, at, adopter)
        self._note(step)
        return step

    def _beneath(self, parent: Step) -> tuple[Place, object]:
        return beneath(parent.place, self._ids), parent.adopter

    def _parent(
        self, origin: Origin, at: float, prompt: object, *, is_call: bool = True
    ) -> tuple[Place, object]:
        """Gives a place in the execution that is around, in the application's span, or of its own."""
        execution = self._executions.get(origin.within) if origin.within is not None else None
        if execution is not None:
            if execution.step is None:
                return self._parent(execution.origin, at, prompt, is_call=is_call)
            if execution.step.kind != "tool" or not is_call:
                return self._beneath(execution.step)
            if execution.task is None:
                execution.task = self._delegated(execution.step, at, prompt)
            return self._beneath(execution.task)
        adopted = origin.root_span_id is not None and origin.span_id is not None
        place = Place(
            row_id=self._ids.row(),
            span_id=self._ids.span(),
            root_span_id=str(origin.root_span_id) if adopted else self._ids.trace(),
            parents=(str(origin.span_id),) if adopted else (),
        )
        return place, origin.adopter if adopted else None

    def _delegated(self, tool: Step, at: float, prompt: object) -> Step:
        name = tool.metadata["tool_name"]
        task = self._step("task", f"task:{name}", at, tool)
        task.input = prompt
        if tool.ended is not None:
            task.ended, task.output = max(at, tool.ended), tool.output
        return task

    def _pending(self, run: Run) -> Pending | None:
        if run.kind != "tool":
            return None
        return self._memory.pending(run.name, run.arguments, run.call_id, run.asked_by)

    def _remember(self, key: object, execution: _Execution) -> None:
        self._executions[key] = execution
        if len(self._executions) > _EXECUTIONS:
            for other in list(self._executions)[: _EXECUTIONS // 2]:
                step = self._executions[other].step
                if step is None or step.ended is not None:
                    del self._executions[other]

    def _note(self, step: Step) -> None:
        self._changed.setdefault(step.place.span_id, step)
