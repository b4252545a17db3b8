"""Watching functions with `sys.monitoring` (PEP 669), on Python 3.12 and newer.

Owns our tool id there, and the events of the code objects that are watched: nothing else in
the process is slowed down, no object is replaced. What ends a function by an exception is told
to all code or none: that is asked for from the first execution that an answer asked for to the last.

The desired state is in two dicts; `_settle` brings `sys.monitoring` there. No thread ever
waits for another: who finds it being done leaves it to who does it, who looks again.
"""

from __future__ import annotations

import inspect
import sys
from _thread import allocate_lock
from collections.abc import Mapping
from types import CodeType, CoroutineType, FrameType
from typing import Any

from ...classes import dataclass
from ...executions import Execution
from ...guard import guarded
from ..executions import Entered, Executions
from .askings import Awaited

_TOOL_IDS = (4, 3)  # those that PEP 669 gives to nobody: a debugger, coverage and profilers have others
_SPARE = 8  # executions beyond those awaited that are looked at: somebody else may call the function too
_YIELDED = 1000  # values of a generator that are kept
_monitoring: Any = getattr(sys, "monitoring", None)


@dataclass(slots=True, eq=False)
class _Run:
    """One execution that runs, in the frame of a code; `entered` is what leaving it takes."""

    execution: Execution
    code: CodeType
    entered: Entered | None = None
    yielded: list[object] | None = None


class Monitors:
    """Watches functions until their executions have run."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions
        self._codes: dict[int, tuple[Awaited, ...]] = {}  # by the id of their code: to hash one takes long
        self._running: dict[FrameType, _Run] = {}
        self._lock = allocate_lock()
        self._changes = 0
        self._tool: int | None = None
        self._set: dict[int, CodeType] = {}
        self._callbacks = self._made()
        self._is_following = False

    def watch(self, awaited: Awaited) -> None:
        """Watches the executions of a function."""
        awaited.is_watched = True
        code = id(awaited.known.code)
        self._codes[code] = (*self._codes.get(code, ()), awaited)
        self._settle()

    def unwatch(self, awaited: Awaited) -> None:
        """Watches it no more; what runs is followed to its end."""
        awaited.is_watched = False
        code = id(awaited.known.code)
        others = tuple(one for one in self._codes.get(code, ()) if one is not awaited)
        if others:
            self._codes[code] = others
        else:
            self._codes.pop(code, None)
        self._settle()

    def close(self) -> None:
        """Lets go of everything."""
        self._codes.clear()
        self._running.clear()
        self._settle()

    def renew(self) -> None:
        """Lets go of everything, in a forked child."""
        self._lock = allocate_lock()
        self.close()

    # The state of `sys.monitoring`.

    def _settle(self) -> None:
        self._changes += 1
        while self._lock.acquire(blocking=False):
            try:
                seen = self._changes
                self._apply()
            finally:
                self._lock.release()
            if seen == self._changes:
                return

    def _apply(self) -> None:
        running = list(self._running.values())
        wanted = {key: askers[0].known.code for key, askers in list(self._codes.items())}
        for run in running:
            wanted[id(run.code)] = run.code
        if wanted and self._tool is None:
            self._claim()
        tool = self._tool
        if tool is None:
            return
        events = _monitoring.events
        if wanted.keys() != self._set.keys():
            followed = events.PY_START | events.PY_RETURN | events.PY_YIELD | events.PY_RESUME
            for key in self._set.keys() - wanted.keys():
                _monitoring.set_local_events(tool, self._set[key], 0)
            for key in wanted.keys() - self._set.keys():
                _monitoring.set_local_events(tool, wanted[key], followed)
            self._set = wanted
        if self._is_following != bool(running):
            self._is_following = bool(running)
            _monitoring.set_events(tool, events.PY_UNWIND | events.PY_THROW if running else 0)
        if not wanted:
            self._release(tool)

    def _claim(self) -> None:
        for tool in _TOOL_IDS:
            if _monitoring.get_tool(tool) is None:
                _monitoring.use_tool_id(tool, "bttrace")
                self._tool = tool
                for event, callback in self._callbacks.items():
                    _monitoring.register_callback(tool, event, callback)
                return

    def _release(self, tool: int) -> None:
        # `free_tool_id` leaves the callbacks and the events of a tool as they are.
        for event in self._callbacks:
            _monitoring.register_callback(tool, event, None)
        _monitoring.free_tool_id(tool)
        self._tool = None

    def _made(self) -> Mapping[int, Any]:
        events = _monitoring.events if _monitoring is not None else None
        return (
            {}
            if events is None
            else {
                events.PY_START: guarded(self._started),
                events.PY_RETURN: guarded(self._returned),
                events.PY_YIELD: guarded(self._left),
                events.PY_RESUME: guarded(self._resumed),
                events.PY_THROW: guarded(self._thrown_into),
                events.PY_UNWIND: guarded(self._failed),
            }
        )

    # What the interpreter calls, in the frame that the event is of: it is above ours and the guard's.

    def _started(self, code: CodeType, _offset: int) -> None:
        frame = sys._getframe(2)
        run = self._running.get(frame)
        if run is not None:
            self._enter(run)
            return
        askers = self._codes.get(id(code))
        if askers is None:
            return
        values = frame.f_locals
        found = [one for one in askers if one.known.is_in(values)]
        if not found or any(one.name != found[0].name for one in found):
            return  # it is another's, or stands behind several tools
        awaited = found[0]
        given = awaited.known.arguments(values)
        calls = awaited.askers()
        execution = self._executions.begin(
            "tool", awaited.name, given, asked_by=calls, called_from=frame.f_back
        )
        if execution is None:
            return
        is_generator = code.co_flags & inspect.CO_GENERATOR
        run = _Run(execution, code, yielded=[] if is_generator else None)
        self._running[frame] = run
        self._enter(run)
        if awaited.is_over(_SPARE):
            self.unwatch(awaited)
        elif not self._is_following:
            self._settle()

    def _returned(self, _code: CodeType, _offset: int, value: object) -> None:
        frame = sys._getframe(2)
        run = self._running.get(frame)
        if run is None:
            return
        self._leave(run)
        if type(value) is CoroutineType and isinstance(value, CoroutineType) and value.cr_frame is not None:
            # The function was not `async` itself, and hands on what is: that is what runs.
            run.code = value.cr_code
            self._running[value.cr_frame] = run
            self._running.pop(frame)
            self._settle()
            return
        self._executions.end(run.execution, value if run.yielded is None else run.yielded)
        self._gone(frame)

    def _left(self, _code: CodeType, _offset: int, value: object) -> None:
        run = self._running.get(sys._getframe(2))
        if run is not None:
            if run.yielded is not None and len(run.yielded) < _YIELDED:
                run.yielded.append(value)
            self._leave(run)

    def _resumed(self, _code: CodeType, _offset: int) -> None:
        run = self._running.get(sys._getframe(2))
        if run is not None:
            self._enter(run)

    def _thrown_into(self, code: CodeType, _offset: int, _error: BaseException) -> None:
        if id(code) in self._set:
            run = self._running.get(sys._getframe(2))
            if run is not None:
                self._enter(run)

    def _failed(self, code: CodeType, _offset: int, error: BaseException) -> None:
        if id(code) not in self._set:
            return
        frame = sys._getframe(2)
        run = self._running.get(frame)
        if run is None:
            return
        self._leave(run)
        if run.yielded is not None and isinstance(error, GeneratorExit):
            self._executions.end(run.execution, run.yielded)  # whoever reads it had enough
        else:
            self._executions.fail(run.execution, error)
        self._gone(frame)

    def _gone(self, frame: FrameType) -> None:
        run = self._running.pop(frame, None)
        if run is None or id(run.code) not in self._codes or (not self._running and self._is_over()):
            self._settle()

    def _is_over(self) -> bool:
        """Tells whether no execution is about to begin: to follow exceptions anew for each costs more."""
        return all(one.is_over() for askers in list(self._codes.values()) for one in askers)

    def _enter(self, run: _Run) -> None:
        run.entered = self._executions.enter(run.execution)

    def _leave(self, run: _Run) -> None:
        self._executions.leave(run.entered)
