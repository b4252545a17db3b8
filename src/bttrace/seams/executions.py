"""Executions as the application's thread sees them begin and end.

Owns what is taken there: a clock reading, references, the frame; and that the application's
code runs within the execution, so that calls made there find it. Which model asked for it,
if any, is found out by the writer. Knows no registry: those who watch one say what to call it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutine
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..backlog import ITEM
from ..contracts import Neighbours
from ..evidence import Return
from ..executions import EXECUTING, Execution, Kind, around
from ..fitting import fits
from ..guard import guarded
from ..process.native import allocate_lock
from ..record import Recorder
from ..surroundings.correlated import current
from ..surroundings.suppression import is_suppressed
from .callers import Libraries, caller_and_wrapper
from .snapshots import snapshots, weighed

if TYPE_CHECKING:
    from ..registries.row import Gate

_ERROR_TEXT = 4000  # characters of an error's message that are kept

Entered = tuple[Execution | None, Callable[[], object] | None]
"""The execution around one that was entered, and what else undoes that, if anything."""


class Executions:
    """Begins and ends executions.

    `begin`, `enter`, `leave`, `end` and `fail` never raise; `run` and `arun` do all around a
    call. With a gate, what the function gives and raises is read as that says.
    """

    def __init__(self, recorder: Recorder, neighbours: Neighbours) -> None:
        self._recorder = recorder
        self._neighbours = neighbours
        self.libraries = Libraries()
        self.begin = guarded(self._begin)
        self.end = guarded(self._end)
        self.fail = guarded(self._fail)
        self.enter = guarded(self._enter)
        self.leave = guarded(self._leave)
        self._entered = guarded(neighbours.enter)
        self._left = guarded(_undo)

    def pass_over(self, folders: tuple[str, ...]) -> None:
        """Takes it that code in these folders only hands executions on, for the application."""
        self.libraries = Libraries(tuple(dict.fromkeys((*self.libraries.folders, *folders))))

    def _enter(self, execution: Execution) -> Entered:
        """Makes the application's code run within an execution; gives what `leave` takes."""
        outer = EXECUTING.get()
        EXECUTING.set(execution)
        return outer, None if execution.awaited is None else self._entered(execution)

    def _leave(self, entered: Entered | None) -> None:
        """Makes it run again within what was around; `None` where it could not be entered."""
        if entered is None:
            return
        outer, undo = entered
        EXECUTING.set(outer)
        if undo is not None:
            self._left(undo)

    def run(
        self,
        execution: Execution | None,
        function: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        gate: Gate | None = None,
    ) -> Any:
        """Calls a function as this execution; `None` is one that nobody watches."""
        if execution is None:
            return function(*args, **kwargs)
        entered = self.enter(execution)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self.fail(execution, error, gate)
            raise
        finally:
            self.leave(entered)
        if gate is not None and gate.is_async is None and iscoroutine(result):
            return self.arun(execution, itself, (result,), {}, gate)
        self.end(execution, result, gate)
        return result

    async def arun(
        self,
        execution: Execution | None,
        function: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        gate: Gate | None = None,
    ) -> Any:
        """Does for an asynchronous function what `run` does."""
        if execution is None:
            return await function(*args, **kwargs)
        entered = self.enter(execution)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            self.fail(execution, error, gate)
            raise
        finally:
            self.leave(entered)
        self.end(execution, result, gate)
        return result

    def _begin(
        self,
        kind: Kind,
        name: str,
        arguments: Mapping[str, object],
        *,
        call_id: str | None = None,
        asked_by: object = None,
        called_from: FrameType | None = None,
        delegate: str | None = None,
        returns: Return = "by id",
    ) -> Execution | None:
        """Gives a new execution, not yet run in; `None` for one that is suppressed, or observed already.

        It was called from the frame `called_from`, if its own runs already.
        """
        recorder = self._recorder
        if not recorder.active:
            return None
        hides = is_suppressed()
        if hides and kind != "tool":
            return None
        outer = EXECUTING.get()
        if (
            outer is not None
            and outer.ended is None
            and kind == outer.kind
            and _is_same(outer, name, arguments, call_id)
        ):
            return None
        execution = Execution(
            kind,
            name,
            snapshots(arguments),
            recorder.clock.now(),
            call_id=call_id,
            asked_by=asked_by,
            delegate=delegate,
            returns=returns,
        )
        if hides:
            execution.is_hidden = True
            recorder.begin(execution)
            return None
        execution.correlation = current()
        execution.caller, _ = caller_and_wrapper(self.libraries, (), called_from)
        execution.parent = self._neighbours.parent(None)
        execution.within = around(execution.parent)
        if self._neighbours.awaits(execution):
            execution.awaited = allocate_lock()
            execution.awaited.acquire()
        recorder.begin(execution, at_once=execution.awaited is not None)
        if recorder.promptness is not None:
            recorder.promptness.began(execution)
        return execution

    def put(self, execution: Execution, weight: int = ITEM) -> None:
        """Queues an execution that has ended, unless nobody was told that it began."""
        if execution.is_latent:
            return
        if execution.errand is not None:
            execution.errand.tell(execution)
        promptness = self._recorder.promptness
        if promptness is None:
            self._recorder.put(execution, None, weight)
        else:  # a tool's turn goes on; and one that was closed, a finalizer may have ended
            is_whole = execution.details.get("stream_end") != "closed"
            promptness.put(execution, waits=execution.kind != "tool" and is_whole)

    def _end(self, execution: Execution, result: object, gate: Gate | None = None) -> None:
        """Ends an execution with what it gave. Only the first time counts."""
        if execution.ended is not None:
            return
        if execution.is_latent:
            execution.result = result
        execution.ended = self._recorder.clock.now()
        if execution.is_latent:  # still: nothing has begun in it in another thread
            return
        weight = ITEM
        try:
            if gate is not None and gate.returned is not None:
                told = gate.returned(result)
                result = told.result
                if told.error is not None:
                    execution.error = ("", told.error[:_ERROR_TEXT])
            execution.result, text = weighed(result)
            weight += text
        finally:
            self.put(execution, weight)

    def _fail(self, execution: Execution, error: BaseException, gate: Gate | None = None) -> None:
        """Ends an execution with an exception, of which it keeps the text, not the frames."""
        if execution.ended is not None:
            return
        execution.ended = self._recorder.clock.now()
        try:
            if gate is not None and gate.raised is not None:
                error = gate.raised(error)
            execution.error = (type(error).__name__, str(error)[:_ERROR_TEXT])
        finally:
            self.put(execution)


def itself(awaitable: Awaitable[Any]) -> Awaitable[Any]:
    """Gives what `arun` shall wait for, where the function was called already."""
    return awaitable


def _undo(leave: Callable[[], object]) -> None:
    leave()


def _is_same(outer: Execution, name: str, arguments: Mapping[str, object], call_id: str | None) -> bool:
    """Tells whether one execution is seen a second time, by whoever the first hands it on to."""
    if call_id is not None and outer.call_id is not None:
        return call_id == outer.call_id
    if name != outer.name:
        return False
    return fits(dict(outer.arguments), arguments) or fits(dict(arguments), outer.arguments)
