"""What others want done, as latent executions: each is told of only once something begins in it.

Owns when that is. Nothing is queued before, so that an errand in which nothing is traced costs its
own thread a few microseconds, and no other anything. One that is found out about late, by what it left
running, is told of with the times that it had.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...clock import Ids
from ...contracts import Neighbours
from ...executions import EXECUTING, Errand, Execution
from ...guard import guarded
from ...record import Recorder
from ...surroundings.correlated import current
from ...surroundings.suppression import is_suppressed
from ..executions import Executions

_LEFT_RUNNING = 600 * 10**9  # nanoseconds after its end in which what begins may still be its own
_NO_ARGUMENTS: Mapping[str, object] = {}


class Errands:
    """Takes errands. No lock is held: two threads may tell of one at once, and the writer takes it once.

    With `ids`, an errand that is in nothing else has its ids as soon as it is told of, for headers to name.
    """

    def __init__(
        self, executions: Executions, recorder: Recorder, neighbours: Neighbours, ids: Ids | None
    ) -> None:
        self._ids = ids
        self.executions = executions
        self._recorder = recorder
        self._neighbours = neighbours
        self._found = guarded(self._find)

    def take(self, errand: Errand) -> Execution | None:
        """Gives a new, latent workflow that runs an errand; `None` for one that is only part of another.

        Who calls it guards.
        """
        recorder = self._recorder
        if not recorder.active or is_suppressed():
            return None
        outer = EXECUTING.get()
        if outer is not None:
            other = errand_around(outer)
            if other is not None and other.is_over:  # its server reads the next in the context that it left
                outer = None
            elif type(other) is type(errand) and not errand.nests:
                return None
        execution = Execution("workflow", "", _NO_ARGUMENTS, recorder.clock.now())
        execution.errand, execution.found, execution.is_latent = errand, self._found, True
        execution.within = outer
        execution.correlation = current()
        execution.parent = self._neighbours.parent(None)
        return execution

    def _find(self, execution: Execution, parent: object) -> Execution | None:
        """Takes it that something begins in an execution; tells of it now, if it is latent."""
        ended, recorder = execution.ended, self._recorder
        if ended is not None and recorder.clock.now() - ended > _LEFT_RUNNING:
            return None  # in a worker that was started in it, and serves others by now
        if not execution.is_latent or execution.errand is None:
            return execution
        hangs_elsewhere = parent is not None and parent is not execution.parent
        if hangs_elsewhere or self._neighbours.exported() is not None:
            return execution
        execution.errand.tell(execution)
        outer = execution.within
        if outer is not None and outer.found is not None:
            execution.within = outer.found(outer, execution.parent)
        if (
            self._ids is not None
            and execution.promised is None
            and execution.within is execution.parent is None
        ):
            remote = None if execution.correlation is None else execution.correlation.parent
            trace = self._ids.trace() if remote is None else remote.root_span_id
            execution.promised = (trace, self._ids.span())
        recorder.begin(execution)
        if recorder.promptness is not None:
            recorder.promptness.began(execution)
        execution.is_latent = False
        if execution.ended is not None:
            self.executions.put(execution)
        return execution


def errand_around(execution: Execution | None) -> Errand | None:
    """Gives the innermost errand that an execution is a part of."""
    while execution is not None:
        if execution.errand is not None:
            return execution.errand
        execution = execution.within
    return None
