"""An execution that is observed: of a tool, or of a function that is a workflow or a task.

Owns what is kept of it from the application's thread to the writer, and which one the
application is in at this point of its code.
"""

from __future__ import annotations

from _thread import LockType
from collections.abc import Mapping
from contextvars import ContextVar
from types import CodeType
from typing import Any, Literal

from .correlation import Correlation
from .evidence import Return

Kind = Literal["tool", "workflow", "task"]


class Execution:
    """What is known of one execution; readings are of the recorder's clock.

    `arguments` are by parameter, `call_id` is the one that the model gave, if it is known. What
    was found by its name, not declared, counts only if a model asked for it; `asked_by` is then
    the call whose answer did, or a tuple of those whose may have. `within` is the execution
    around it, `parent` the application's own braintrust span. One that hands the conversation over
    does so to the `delegate` of that name. `correlation` is what was said around it. `details` are metadata
    of its end. `placed` is set by the writer, as soon as it is known where its span stands; where
    that is `awaited`, the writer releases the lock then. `current` is what was made the parent, for
    braintrust, of what the application traces inside. Of one that `is_dropped`, the beginning or the end
    never reached the writer.
    One that `is_hidden` runs where nothing is traced: nothing is told of it.
    """

    __slots__ = (
        "arguments",
        "asked_by",
        "awaited",
        "call_id",
        "caller",
        "correlation",
        "current",
        "delegate",
        "details",
        "ended",
        "error",
        "is_dropped",
        "is_hidden",
        "kind",
        "name",
        "parent",
        "placed",
        "result",
        "returns",
        "started",
        "within",
    )

    def __init__(
        self,
        kind: Kind,
        name: str,
        arguments: Mapping[str, object],
        started: int,
        *,
        call_id: str | None = None,
        asked_by: object = None,
        delegate: str | None = None,
        returns: Return = "by id",
    ) -> None:
        self.kind: Kind = kind
        self.name = name
        self.arguments = arguments
        self.call_id = call_id
        self.asked_by = asked_by
        self.delegate = delegate
        self.returns: Return = returns
        self.started = started
        self.ended: int | None = None
        self.result: object = None
        self.error: tuple[str, str] | None = None
        self.within: Execution | None = None
        self.parent: Any = None
        self.correlation: Correlation | None = None
        self.caller: tuple[CodeType, int] | None = None
        self.details: dict[str, object] = {}
        self.placed: Any = None
        self.awaited: LockType | None = None
        self.current: Any = None
        self.is_dropped = False
        self.is_hidden = False


EXECUTING: ContextVar[Execution | None] = ContextVar("bttrace_execution", default=None)
"""The execution that the application's code runs in."""
