"""Suppression: of what begins in a block of the application's code, nothing is traced.

Owns whether the code that asks runs in one. Light: a process that never traces may use it.

What OpenTelemetry suppresses (`suppress_instrumentation` of its instrumentations, which is kept
in its own context: opentelemetry-api 1.20 to 1.45, `context/__init__.py`) is suppressed here
too, once the application has imported it. It is never imported by us.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

from .blocks import Block, innermost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from .blocks import Entered

SUPPRESSED: ContextVar[Entered | None] = ContextVar("bttrace_suppressed", default=None)
"""The innermost block that the application's code runs in, with the one around it."""

_modules = sys.modules
_OLDER_KEY = "suppress_instrumentation"  # of opentelemetry-instrumentation, beside the API's own


class Suppressed(Block):
    """A block in which nothing that begins is traced."""

    __slots__ = ()
    entered = SUPPRESSED


def is_suppressed() -> bool:
    """Tells whether what begins here is not to be traced."""
    within = SUPPRESSED.get()
    if within is not None and innermost(within) is not None:
        return True
    theirs = _modules.get("opentelemetry.context")
    return theirs is not None and _is_suppressed_by(theirs)


def _is_suppressed_by(opentelemetry: ModuleType) -> bool:
    current = getattr(opentelemetry, "get_current", None)
    if current is None:
        return False  # it is being imported
    values = current()
    key = getattr(opentelemetry, "_SUPPRESS_INSTRUMENTATION_KEY", _OLDER_KEY)
    return bool(values.get(key) or values.get(_OLDER_KEY))
