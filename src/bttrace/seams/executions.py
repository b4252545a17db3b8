"""Executions as the application's thread sees them begin and end.

Owns what is taken there: a clock reading, references, the frame; and that the application's
code runs within the execution, so that calls made there find it. Which model asked for it,
if any, is found out by the writer. Knows no registry: those who watch one say what to call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Any

from ..contracts import Neighbours
from ..executions import EXECUTING, Execution, Kind
from ..guard import guarded
from ..record import Recorder
from ..turns.fitting import fits
from .callers import LIBRARIES, caller_and_wrapper
from .snapshots import snapshot, snapshots

_ERROR_TEXT = 4000  # characters of an error's message that are kept


class Executions:
    """Begins and ends executions. `begin`, `end`, `fail` never raise; `run`, `arun` do all around a call."""

    def __init__(self, recorder: Recorder, neighbours: Neighbours) -> None:
        self._recorder = recorder
        self._neighbours = neighbours
        self.libraries = LIBRARIES
        self.begin = guarded(self._begin)
        self.end = guarded(self._end)
        self.fail = guarded(self._fail)

    def run(
        self, execution: Execution | None, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Calls a function as this execution; `None` is one that nobody watches."""
        if execution is None:
            return function(*args, **kwargs)
        token = EXECUTING.set(execution)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self.fail(execution, error)
            raise
        finally:
            EXECUTING.reset(token)
        self.end(execution, result)
        return result

    async def arun(
        self, execution: Execution | None, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Does for an asynchronous function what `run` does."""
        if execution is None:
            return await function(*args, **kwargs)
        outer = EXECUTING.get()
        EXECUTING.set(execution)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            self.fail(execution, error)
            raise
        finally:
            EXECUTING.set(outer)
        self.end(execution, result)
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
    ) -> Execution | None:
        """Gives a new execution, not yet run in; `None` for one that is being observed already.

        It was called from the frame `called_from`, if its own runs already.
        """
        recorder = self._recorder
        if not recorder.active:
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
            kind, name, snapshots(arguments), recorder.clock.now(), call_id=call_id, asked_by=asked_by
        )
        execution.within = outer
        execution.caller, _ = caller_and_wrapper(self.libraries, (), called_from)
        execution.parent = self._neighbours.parent(None)
        recorder.begin(execution)
        return execution

    def _end(self, execution: Execution, result: object) -> None:
        """Ends an execution with what it gave. Only the first time counts."""
        if execution.ended is None:
            execution.ended = self._recorder.clock.now()
            execution.result = snapshot(result)
            self._recorder.put(execution)

    def _fail(self, execution: Execution, error: BaseException) -> None:
        """Ends an execution with an exception, of which it keeps the text, not the frames."""
        if execution.ended is None:
            execution.ended = self._recorder.clock.now()
            execution.error = (type(error).__name__, str(error)[:_ERROR_TEXT])
            self._recorder.put(execution)


def _is_same(outer: Execution, name: str, arguments: Mapping[str, object], call_id: str | None) -> bool:
    """Tells whether one execution is seen a second time, by whoever the first hands it on to."""
    if call_id is not None and outer.call_id is not None:
        return call_id == outer.call_id
    if name != outer.name:
        return False
    return fits(dict(outer.arguments), arguments) or fits(dict(arguments), outer.arguments)
