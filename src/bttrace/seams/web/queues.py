"""Tasks of Celery: each run of one is a workflow, which is told of once something begins in it.

Owns when a run begins and ends, as Celery's own signals say it, in the thread, the greenlet or the child
process that runs it; and, only where the user asks for it, that a task's message says in which span
it was queued. What is told of a run is the task's name, which try it is, and how it ended: never its
arguments or its result.

Source: celery 5.7 (`app/trace.py`, `app/amqp.py`, `utils/dispatch/signal.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...executions import EXECUTING, Execution
from ...guard import guarded
from .errands import Errands
from .incoming import Incoming
from .outgoing import Outgoing

_ERROR_TEXT = 4000  # characters of an error's message that are kept
_WELL = ("SUCCESS", "IGNORED", "REJECTED")  # states of a run that did what it was to


class Job:
    """One run of a task, which may run another in its place. `outer` is what its thread was in before."""

    __slots__ = ("_incoming", "_name", "_request", "identity", "is_over", "outer")
    nests = True

    def __init__(self, task: Any, identity: object, outer: Execution | None, incoming: Incoming) -> None:
        self._name = str(task.name)
        self._request = task.request
        self._incoming = incoming
        self.identity = identity
        self.outer = outer
        self.is_over = False

    def tell(self, execution: Execution) -> None:
        """Writes into its execution what is known of it."""
        request = self._request
        if not execution.name:
            if execution.within is None:
                named = [_header(request, name) for name in ("traceparent", "baggage")]
                self._incoming.join(execution, *named)
            execution.name = f"TASK {self._name}"
        if request is not None:
            execution.arguments = {"task": self._name, "retries": request.retries or 0}
        if execution.ended is not None:
            self._request = None  # it has the arguments


class Queues:
    """The tasks of one session. `outgoing` is `None` where a message shall not say where it comes from."""

    def __init__(self, errands: Errands, incoming: Incoming, outgoing: Outgoing | None) -> None:
        self._errands = errands
        self._incoming = incoming
        self._outgoing = outgoing
        self._connected: list[tuple[Any, Callable[..., object]]] = []

    def patch(self, signals: ModuleType) -> None:
        """Connects to the signals of Celery."""
        wanted = [("task_prerun", self._begin), ("task_postrun", self._end)]
        if self._outgoing is not None:
            wanted.append(("before_task_publish", self._publish))
        for name, receiver in wanted:
            signal, safe = getattr(signals, name), guarded(receiver)
            signal.connect(safe, weak=False)
            self._connected.append((signal, safe))

    def close(self) -> None:
        """Disconnects."""
        for signal, receiver in self._connected:
            signal.disconnect(receiver)
        self._connected.clear()

    def _begin(self, *, task_id: object, task: Any, **_: object) -> None:
        outer = EXECUTING.get()
        execution = self._errands.take(Job(task, task_id, outer, self._incoming))
        if execution is not None:
            EXECUTING.set(execution)

    def _end(self, *, task_id: object, retval: object = None, state: object = None, **_: object) -> None:
        execution = EXECUTING.get()
        while execution is not None and getattr(execution.errand, "identity", self) != task_id:
            execution = execution.within
        if execution is None or not isinstance(execution.errand, Job):
            return
        job, result = execution.errand, {"state": state or "TERMINATED"}
        job.is_over = True
        EXECUTING.set(job.outer)
        error = retval if isinstance(retval, BaseException) else sys.exc_info()[1]
        if state not in _WELL:
            known = ("", str(result["state"])) if error is None else (type(error).__name__, str(error))
            execution.error = (known[0], known[1][:_ERROR_TEXT])
        self._errands.executions.end(execution, result)

    def _publish(self, *, headers: Any = None, **_: object) -> None:
        if self._outgoing is not None and isinstance(headers, dict) and "traceparent" not in headers:
            for name, value in self._outgoing.headers().items():
                said = headers.get(name)
                headers[name] = f"{said},{value}" if isinstance(said, str) and said else value


def _header(request: Any, name: str) -> list[str]:
    """Gives a header of a task's message: with protocol 2, they are what Celery knows of its request."""
    value = getattr(request, name, None)
    if value is None and isinstance(own := getattr(request, "headers", None), dict):
        value = own.get(name)
    return [value] if isinstance(value, str) else []
