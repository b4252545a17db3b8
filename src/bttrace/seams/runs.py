"""The run of the program as a workflow, the root of everything that happens in the process.

Owns what is told of the run: the program, how many arguments it was given (not which: they may
hold secrets), and how it ended, as far as Python says. An exception that nobody caught stands in
`sys` when exit handlers run. The code that `sys.exit` was given is nowhere to be found then, so
that a run that ended without an exception has no status.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ..executions import Execution
from ..record import Recorder
from .executions import Executions


class RunRoot:
    """The run, from when the program starts to its exit."""

    def __init__(self, name: str, recorder: Recorder, executions: Executions) -> None:
        self._recorder = recorder
        self._executions = executions
        self._execution = Execution("workflow", name, _told(), recorder.clock.now())

    def begin(self) -> None:
        """Opens the run's span."""
        self._recorder.root(self._execution)
        self._recorder.opened(self)

    def leave(self) -> None:
        """Ends it, with the exception that ends the process, if one does."""
        self._recorder.closed(self)
        error = _uncaught()
        if error is None:
            self._execution.details["status"] = None
            self._executions.end(self._execution, None)
        else:
            self._executions.fail(self._execution, error)


def _told() -> dict[str, object]:
    words = sys.argv  # set by now, but for the name of a module, which Python looks for later
    program = words[0] if words else ""
    if program == "-m":
        program = sys.orig_argv[-len(words)].removeprefix("-m")
    return {"program": program.rpartition(os.sep)[2], "arguments": max(len(words) - 1, 0)}


def _uncaught() -> BaseException | None:
    """Gives the exception that the program did not catch.

    Whoever runs code for a user, such as `code.InteractiveConsole`, leaves one there too, but raised
    further up than where the program begins.
    """
    error: Any = getattr(sys, "last_value", None)
    outermost = getattr(getattr(error, "__traceback__", None), "tb_frame", None)
    return (
        error
        if isinstance(error, BaseException) and outermost is not None and outermost.f_back is None
        else None
    )
