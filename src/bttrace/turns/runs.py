"""The executions that are observed, and what stands within them: `Runs`. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from types import MappingProxyType

from ..classes import dataclass
from ..model import Metric
from ..spans.style import Place
from .events import Origin, Run
from .iterations import Pending, add
from .places import Above, Places
from .steps import Step
from .traces import Traces

_NO_DETAILS: Mapping[str, object] = MappingProxyType({})
_OPEN = 10_000  # executions that may be at work at once
_ENDED = 2000  # that are remembered, so that what they left running still finds them


@dataclass(slots=True)
class _Running:
    """One execution. One without a `step` has no span; what happens within it stands where it began."""

    origin: Origin
    step: Step | None
    run: Run
    pending: Pending | None = None
    task: Step | None = None
    usage: dict[Metric, float] = field(default_factory=dict)


class Runs:
    """Gives executions their steps, and what begins within them its place."""

    def __init__(self, places: Places, traces: Traces) -> None:
        self._places = places
        self._traces = traces
        self._open: dict[object, _Running] = {}
        self._ended: dict[object, _Running] = {}

    def start(self, key: object, at: float, run: Run, origin: Origin, pending: Pending | None) -> None:
        """Takes the beginning of an execution, and the tool call that it is, if a model asked for it."""
        if pending is None and run.found:
            self._remember(key, _Running(origin, None, run), at)
            return
        act = None if pending is None else pending.iteration.act
        if pending is None or act is None:
            place, adopter = self.place(origin, at, None, is_call=False)
            if run.promised is not None:
                place = replace(place, root_span_id=run.promised[0], span_id=run.promised[1])
        else:
            act.started = min(act.started, at)  # it ran before its call was heard to be whole
            place, adopter = self._places.beneath(act)
        name = f"tool.call ({run.name})" if run.kind == "tool" else f"{run.kind}:{run.name}"
        step = Step(place, run.kind, name, at, adopter, input=run.arguments, caller=origin.caller)
        if run.kind != "tool" or not place.parents:
            step.correlation = origin.correlation
        if run.kind == "tool":
            step.metadata = {"tool_name": run.name, "tool_call_id": run.call_id, "timing": "observed"}
        if pending is not None:
            step.input = pending.asking.arguments
            step.metadata["tool_call_id"] = pending.asking.id
            pending.tool = step
            pending.turn.touch(at)
        self._remember(key, _Running(origin, step, run, pending), at)
        self._places.note(step)

    def stop(
        self,
        key: object,
        at: float,
        result: object,
        error: str | None,
        details: Mapping[str, object] = _NO_DETAILS,
    ) -> tuple[Run, Pending] | None:
        """Takes the end of an execution; gives it with the tool call that it was, if it was one.

        `details` are metadata of its span.
        """
        run, execution = self._ended_now(key)
        if run is None or execution is None or execution.step is None:
            return None
        for step in (execution.task, execution.step):
            if step is not None:
                step.ended, step.output, step.error = max(at, step.started), result, error
                self._places.note(step)
        execution.step.metadata.update({"status": "error" if error else "success", **details})
        return None if execution.pending is None else (run, execution.pending)

    def retell(self, key: object, name: str, arguments: object) -> None:
        """Takes it that an execution is called otherwise than was known when it began."""
        step = self.step_of(key)
        if step is not None and step.ended is None:
            step.name, step.input = f"{step.kind}:{name}", arguments
            self._places.note(step)

    def _ended_now(self, key: object) -> tuple[Run | None, _Running | None]:
        """Remembers an execution as ended, without what it was given; gives that with it, if it was open."""
        execution = self._open.pop(key, None)
        if execution is None:
            return None, None
        run, execution.run = execution.run, replace(execution.run, arguments={})
        self._ended[key] = execution
        if len(self._ended) > _ENDED:
            del self._ended[next(iter(self._ended))]
        return run, execution

    def spend(self, within: object, usage: Mapping[Metric, float], cost: float | None) -> None:
        """Adds what a call used to the sums of the workflows and tasks that it was made in.

        One that was written as ended is not written again: what it was given and gave is let go of.
        """
        execution = self._known(within) if usage or cost is not None else None
        while execution is not None:
            step = execution.step
            if step is not None and step.kind != "tool":
                add(execution.usage, usage)
                step.metadata["usage"] = dict(execution.usage) or None
                step.pay(cost)
                if step.ended is not None and not step.is_sent:
                    self._places.note(step)
            execution = self._known(execution.origin.within)

    def _known(self, key: object) -> _Running | None:
        return None if key is None else self._open.get(key) or self._ended.get(key)

    def step_of(self, key: object) -> Step | None:
        """Gives the step of an execution, if it has one."""
        execution = self._known(key)
        return None if execution is None else execution.step

    def place(
        self, origin: Origin, at: float, prompt: object, *, is_call: bool = True, is_turn: bool = False
    ) -> tuple[Place, object]:
        """Gives a place where a request asks for one; in the execution that is around, or else of its own.

        What a tool asks a model is a task that it was delegated.
        """
        execution = self._known(origin.within)
        while execution is not None and execution.step is None:
            origin = replace(execution.origin, correlation=origin.correlation, trace=origin.trace)
            execution = self._known(origin.within)
        around = None if execution is None else execution.step
        above = self._traces.asked(origin, around, at)
        if above is None:
            above = self._around(execution, origin, at, prompt, is_call=is_call) or self._places.outermost(
                origin
            )
        return self._places.placed(self._traces.named(above, origin, at, is_turn=is_turn))

    def _around(
        self, execution: _Running | None, origin: Origin, at: float, prompt: object, *, is_call: bool
    ) -> Above | None:
        if execution is None or execution.step is None:
            return None
        if execution.step.kind != "tool" or not is_call:
            return Above.of(execution.step)
        if execution.task is None:
            execution.task = self._delegated(execution.step, at, prompt)
            execution.task.correlation = origin.correlation
        return Above.of(execution.task)

    def _delegated(self, tool: Step, at: float, prompt: object) -> Step:
        task = self._places.step("task", f"task:{tool.metadata['tool_name']}", at, tool)
        task.input = prompt
        if tool.ended is not None:  # the tool left it running
            task.ended = max(at, tool.ended)
        return task

    def abandon(self, at: float) -> None:
        """Ends everything that is open, because nothing more will be heard of it."""
        for execution in self._open.values():
            self._give_up(execution, at)
        self._open.clear()
        self._ended.clear()

    def lose(self, key: object, at: float) -> None:
        """Ends an execution of which nothing more will be heard."""
        _, execution = self._ended_now(key)
        if execution is not None:
            self._give_up(execution, at)

    def _remember(self, key: object, execution: _Running, at: float) -> None:
        self._open[key] = execution
        if len(self._open) > _OPEN:
            self.lose(next(iter(self._open)), at)

    def _give_up(self, execution: _Running, at: float) -> None:
        for step in (execution.task, execution.step):
            if step is not None:
                step.ended = max(at, step.started)
                step.metadata["status"] = "abandoned"
                self._places.note(step)
        if execution.pending is not None:
            execution.pending.turn.touch(at)
