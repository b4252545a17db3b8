"""The `bttrace` logger: what this project has to say, on stderr.

Owns the one handler. Imported only when there is something to say, because `logging`
costs a start-up 15 ms. Called by the one thread whose turn it is to speak.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from .known_secrets import known_secrets
from .secret_shapes import replaced

LEVELS = ("debug", "info", "warning", "error", "critical")
LOGGER = logging.getLogger("bttrace")


class _Stderr(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment, or nowhere when it is gone."""

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr
        if stream is None or stream.closed:
            return
        # RuntimeError: a signal's handler has come between the writing of the application itself.
        with suppress(OSError, ValueError, RuntimeError):
            stream.write(f"bttrace: {record.getMessage()}\n")
            stream.flush()


def _connect() -> None:
    if not LOGGER.handlers:
        LOGGER.addHandler(_Stderr())
        LOGGER.propagate = False


def say(level: str, message: str) -> None:
    """Logs one line at a level of `LEVELS`, without the secrets in it."""
    _connect()
    LOGGER.log(getattr(logging, level.upper()), "%s", replaced(message, known_secrets()))


def choose_level(level: str) -> None:
    """Shows lines of this level and above; until then, warnings and above."""
    _connect()
    LOGGER.setLevel(level.upper())
