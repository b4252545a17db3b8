"""How acts and turns end, and what is told of tools that nobody saw run. PURE."""

from __future__ import annotations

from ..evidence import Result
from .iterations import Iteration, Pending, Status, Turn
from .places import Places


class Endings:
    """Ends steps."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def close(self, turn: Turn, status: Status) -> None:
        """Ends a turn, and what is open in it, when something last happened."""
        at = turn.touched
        for iteration in turn.iterations:
            if iteration.reason.ended is None:
                iteration.reason.ended = max(at, iteration.reason.started)
                self._places.note(iteration.reason)
            if iteration.act is not None and iteration.act.ended is None:
                self.finish_act(iteration, at)
        for step in (*reversed(turn.delegates), turn.step):
            step.ended = max(at, step.started)
            if status != "completed":
                step.output = {"status": status}
            elif turn.last is not None:
                step.output = turn.last
            self._places.note(step)
        turn.last = None
        turn.step.metadata.update(
            iterations=len(turn.iterations), turn_status=status, usage=dict(turn.usage) or None
        )

    def settle(self, pairs: tuple[tuple[Result, Pending], ...], at: float) -> None:
        """Takes the results that a request brings, and ends the acts that gave them."""
        settled: dict[Iteration, None] = {}
        for result, call in pairs:
            if not call.is_returned:
                self._return(call, result, at)
                settled[call.iteration] = None
        for iteration in settled:
            self.finish_act(iteration, at)

    def _return(self, call: Pending, result: Result, at: float) -> None:
        call.is_returned = True
        act = call.iteration.act
        if call.tool is not None or call.is_hidden or act is None:
            call.is_error = result.is_error
            return
        call.tool = self._places.step("tool", f"tool.call ({call.asking.name})", act.started, act)
        call.tool.ended = max(at, act.started)
        call.tool.input = call.asking.arguments
        call.tool.output = result.content
        call.tool.metadata = {
            "tool_name": call.asking.name,
            "tool_call_id": call.asking.id,
            "timing": "inferred",
            "status": "error" if result.is_error else "success",
        }

    def finish_act(self, iteration: Iteration, at: float) -> None:
        """Ends an iteration's act, with what is known of its tools."""
        act = iteration.act
        if act is None:
            return
        done = [call for call in iteration.calls.values() if call.is_returned or call.has_run]
        errors = sum(call.failed for call in done)
        act.ended = max(at, act.started)
        act.output = {
            "completed": len(done),
            "success_count": len(done) - errors,
            "error_count": errors,
        }
        self._places.note(act)

    def told(self, iteration: Iteration, at: float) -> None:
        """Takes it that no results of an iteration's tools will come by their ids."""
        for call in iteration.calls.values():
            call.is_returned = call.is_returned or call.has_run
        self.finish_act(iteration, at)
