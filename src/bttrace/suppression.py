"""Suppression: of what begins in a block of the application's code, nothing is traced.

Owns the block, and whether the code that asks runs in one. It is in one by its context, so that
tasks and threads that inherit the context are in it too, however long they last. Light: a
process that never traces may use it.

What OpenTelemetry suppresses (`suppress_instrumentation` of its instrumentations, which is kept
in its own context: opentelemetry-api 1.20 to 1.45, `context/__init__.py`) is suppressed here
too, once the application has imported it. It is never imported by us.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import TypeAlias

    Within: TypeAlias = "tuple[Suppressed, Within | None]"

SUPPRESSED: ContextVar[Within | None] = ContextVar("bttrace_suppressed", default=None)
"""The innermost block that the application's code runs in, with the one around it."""

_modules = sys.modules
_OLDER_KEY = "suppress_instrumentation"  # of opentelemetry-instrumentation, beside the API's own


class Suppressed:
    """A block in which nothing that begins is traced. It can be entered again, also within itself."""

    __slots__ = ("_is_left",)

    def __init__(self) -> None:
        self._is_left = False

    def __enter__(self) -> None:
        self._is_left = False
        SUPPRESSED.set((self, SUPPRESSED.get()))

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        within = SUPPRESSED.get()
        if within is not None and within[0] is self:
            SUPPRESSED.set(within[1])
        else:  # a generator was closed from elsewhere: the context that it was entered in is out of reach
            self._is_left = True

    def is_around(self) -> bool:
        """Tells whether it is not left yet, as far as a context can't tell by itself."""
        return not self._is_left


def is_suppressed() -> bool:
    """Tells whether what begins here is not to be traced."""
    within = SUPPRESSED.get()
    while within is not None:
        if within[0].is_around():
            return True
        within = within[1]
    theirs = _modules.get("opentelemetry.context")
    return theirs is not None and _is_suppressed_by(theirs)


def _is_suppressed_by(opentelemetry: ModuleType) -> bool:
    current = getattr(opentelemetry, "get_current", None)
    if current is None:
        return False  # it is being imported
    values = current()
    key = getattr(opentelemetry, "_SUPPRESS_INSTRUMENTATION_KEY", _OLDER_KEY)
    return bool(values.get(key) or values.get(_OLDER_KEY))
